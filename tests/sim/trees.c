/*
 * Trees: each actor has a tree of its own and does any operation of a filesystem on it. A reference filesystem
 * (tests/lib/model_fs.h) does the same and tells the right answers. After an operation with an unknown outcome its tree is
 * not used any more.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/check.h"
#include "tests/lib/model_fs.h"
#include "tests/sim/violation.h"
#include "tests/sim/work.h"

#define TREES_MAX 64u
#define EDGE_MAX  131072u /* bytes: the largest offset */
#define WRITE_MAX 65536u /* bytes of a write */

struct tree {
	struct model_fs model;
	uint64_t number;
	bool is_asked; /* an operation is under way: if it never ends, the tree is lost */
	bool is_lost;
	/* The operation. */
	struct op op; /* its names are static */
	struct model_node *node; /* what it is about */
	struct model_node *other; /* the second directory, the source */
	uint8_t fill; /* of a write */
	size_t size;
};

struct trees {
	struct work work;
	struct tree *trees[TREES_MAX];
	uint32_t count;
};

static void init(struct work *work)
{
	(void)work;
}

static uint64_t draw(const struct actor *actor, uint64_t below)
{
	return work_random(actor->work, below);
}

static void same(const struct tree *tree, const char *what, int64_t real, int64_t model)
{
	if (real != model)
		violation("tree %" PRIu64 ": %s: %" PRId64 ", the model says %" PRId64, tree->number, what,
			real, model);
}

/* ---- Choosing ---- */

static struct model_node *pick(struct actor *actor, const struct tree *tree, uint32_t type)
{
	struct model_node *picked = NULL;
	uint64_t count = 0;

	for (struct model_node *node = tree->model.nodes; node; node = node->next)
		if ((node->mode & S_IFMT) == type && draw(actor, ++count) == 0)
			picked = node;
	return picked ? picked : tree->model.root;
}

static struct slice pick_name(struct actor *actor)
{
	static const char *const names[] = {"a", "b", "c", "longer name", "e", "f"};
	const char *name = names[draw(actor, sizeof names / sizeof *names)];

	return slice_of(name, strlen(name));
}

/* Near to where something changes. */
static uint64_t pick_offset(struct actor *actor)
{
	static const uint64_t edges[] = {0, 4096, 16384, 65536, 69632, EDGE_MAX};
	uint64_t edge = edges[draw(actor, sizeof edges / sizeof *edges)];

	switch (draw(actor, 4)) {
	case 0:
		return edge;
	case 1:
		return edge + draw(actor, 5);
	case 2:
		return edge > 5 ? edge - draw(actor, 5) : edge;
	default:
		return draw(actor, EDGE_MAX);
	}
}

/* ---- The model's answer ---- */

static const char *text(struct slice name)
{
	return name.data;
}

static int model_data(struct tree *tree)
{
	struct model_fs *model = &tree->model;
	const struct op *op = &tree->op;
	uint8_t bytes[WRITE_MAX];

	switch (op->kind) {
	case OP_WRITE:
		memset(bytes, tree->fill, tree->size);
		return model_write(model, tree->node,
			op->write.flags & OP_WRITE_APPEND ? tree->node->size : op->write.offset, bytes,
			tree->size);
	case OP_SETATTR:
		return model_truncate(model, tree->node, op->setattr.size);
	case OP_FALLOCATE:
		return model_fallocate(
			model, tree->node, op->fallocate.mode, op->fallocate.offset, op->fallocate.length);
	default:
		return model_copy(model, tree->other, op->copy.source_offset, tree->node, op->copy.offset,
			op->copy.length);
	}
}

static int model_answer(struct tree *tree, const struct op_reply *reply)
{
	struct model_fs *model = &tree->model;
	const struct op *op = &tree->op;
	struct model_node *made = NULL;
	int error;

	switch (op->kind) {
	case OP_MAKE:
		error = model_make(model, tree->node, text(op->make.name), op->make.mode, NULL, &made);
		if (made)
			made->real = reply->attributes.ino;
		return error;
	case OP_LINK:
		return model_link(model, tree->node, tree->other, text(op->link.name));
	case OP_UNLINK:
		return model_unlink(model, tree->node, text(op->remove.name));
	case OP_RMDIR:
		return model_rmdir(model, tree->node, text(op->remove.name));
	case OP_RENAME:
		return model_rename(model, tree->node, text(op->rename.name), tree->other,
			text(op->rename.new_name), op->rename.flags);
	default:
		return model_data(tree);
	}
}

/* The kernel copies by itself when the files are in different regions. */
static bool is_left_to_kernel(const struct op *op, int error)
{
	return op->kind == OP_COPY && error == -EXDEV &&
	       fs_ino_dirid(op->copy.source) != fs_ino_dirid(op->copy.ino);
}

static void on_changed(struct actor *actor, const struct answer *answer)
{
	struct tree *tree = actor->own;

	tree->is_asked = false;
	tree->is_lost = answer->kind == ANSWER_OPEN;
	if (answer->kind == ANSWER_DONE && !is_left_to_kernel(&tree->op, answer->error))
		same(tree, "the answer", answer->error, model_answer(tree, answer->reply));
	if (tree->is_lost)
		actor->own = NULL;
	work_finish(actor);
}

/* ---- Changes ---- */

static void choose_name_change(struct actor *actor, struct tree *tree)
{
	static const uint32_t flags[] = {0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE};
	struct model_node *file = pick(actor, tree, S_IFREG);
	struct slice name = pick_name(actor), new_name = pick_name(actor);
	uint64_t choice = draw(actor, 4);
	struct op *op = &tree->op;

	tree->node = pick(actor, tree, S_IFDIR);
	tree->other = pick(actor, tree, S_IFDIR);
	switch (draw(actor, 6)) {
	case 0:
		*op = (struct op){.kind = OP_LINK, .link = {file->real, tree->other->real, name}};
		tree->node = file;
		break;
	case 1:
		*op = (struct op){.kind = choice ? OP_UNLINK : OP_RMDIR,
			.remove = {.parent = tree->node->real, .name = name}};
		break;
	case 2:
	case 3:
		*op = (struct op){.kind = OP_RENAME,
			.rename = {.parent = tree->node->real,
				.name = name,
				.new_parent = tree->other->real,
				.new_name = new_name,
				.flags = flags[choice]}};
		break;
	default:
		*op = (struct op){.kind = OP_MAKE,
			.make = {.parent = tree->node->real,
				.name = name,
				.mode = choice ? S_IFREG | 0644 : S_IFDIR | 0755,
				.exclusive = true}};
	}
}

static struct buf *choose_write(struct actor *actor, struct tree *tree)
{
	struct buf *payload;

	uint64_t most = pick_offset(actor), offset = pick_offset(actor);
	bool is_append = draw(actor, 5) == 0 && tree->node->size < EDGE_MAX;

	tree->size = 1 + (most / (1 + draw(actor, 20))) % WRITE_MAX;
	tree->fill = (uint8_t)(1 + draw(actor, 255));
	tree->op = (struct op){.kind = OP_WRITE,
		.write = {
			.ino = tree->node->real, .offset = offset, .flags = is_append ? OP_WRITE_APPEND : 0}};
	payload = buf_new(tree->size);
	check(payload);
	memset(payload->data, tree->fill, tree->size);
	return payload;
}

/* The payload, if it has one. */
static struct buf *choose_data_change(struct actor *actor, struct tree *tree)
{
	static const uint32_t modes[] = {0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_ZERO_RANGE, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE};
	uint64_t offset = pick_offset(actor), source_offset = pick_offset(actor);
	uint64_t length = 1 + pick_offset(actor) % WRITE_MAX;
	uint32_t mode = modes[draw(actor, sizeof modes / sizeof *modes)];
	struct op *op = &tree->op;

	tree->other = pick(actor, tree, S_IFREG);
	switch (draw(actor, 6)) {
	case 0:
		*op = (struct op){.kind = OP_SETATTR,
			.setattr = {.ino = tree->node->real,
				.valid = OP_SET_SIZE,
				.size = draw(actor, 4) ? offset : 0}};
		return NULL;
	case 1:
		*op = (struct op){.kind = OP_FALLOCATE,
			.fallocate = {
				.ino = tree->node->real, .mode = mode, .offset = offset, .length = length}};
		return NULL;
	case 2:
		*op = (struct op){.kind = OP_COPY,
			.copy = {.source = tree->other->real,
				.source_offset = source_offset,
				.ino = tree->node->real,
				.offset = offset,
				.length = length}};
		return NULL;
	default:
		return choose_write(actor, tree);
	}
}

static void change(struct actor *actor, struct tree *tree)
{
	struct buf *payload = NULL;

	tree->node = pick(actor, tree, S_IFREG);
	if (S_ISREG(tree->node->mode) && draw(actor, 2) == 0)
		payload = choose_data_change(actor, tree);
	else
		choose_name_change(actor, tree);
	tree->is_asked = true;
	actor_call(actor, &tree->op, payload, on_changed);
}

/* ---- Looking ---- */

static void on_read(struct actor *actor, const struct answer *answer)
{
	const struct tree *tree = actor->own;
	const struct model_node *node = tree->node;
	size_t size = node->size < ACTOR_BYTES_MAX ? node->size : ACTOR_BYTES_MAX;
	uint8_t *expected = malloc(ACTOR_BYTES_MAX);

	check(expected);
	if (answer->kind == ANSWER_DONE) {
		same(tree, "a read", answer->error, 0);
		same(tree, "bytes read", (int64_t)answer->finding->count, (int64_t)size);
		same(tree, "links", answer->finding->attributes.nlink, node->nlink);
		model_read(node, 0, expected, size);
		for (size_t i = 0; i < size; i++)
			if (actor->bytes[i] != expected[i])
				violation("tree %" PRIu64 ": byte %zu of %zu is %02x, the model says %02x",
					tree->number, i, size, actor->bytes[i], expected[i]);
	}
	free(expected);
	work_finish(actor);
}

static void take_name(struct actor *actor, struct slice name, uint64_t ino)
{
	const struct tree *tree = actor->own;
	const struct model_node *node;
	char copy[MODEL_NAME_SIZE] = {0};

	memcpy(copy, name.data, name.size < sizeof copy ? name.size : sizeof copy - 1);
	node = model_find(tree->node, copy);
	same(tree, "an entry", (int64_t)ino, node ? (int64_t)node->real : 0);
	actor->mask++;
}

static void on_listed(struct actor *actor, const struct answer *answer)
{
	const struct tree *tree = actor->own;

	if (answer->kind == ANSWER_DONE) {
		same(tree, "a list", answer->error, 0);
		same(tree, "entries", (int64_t)actor->mask, (int64_t)model_count_entries(tree->node));
		same(tree, "links of a directory", answer->finding->attributes.nlink, tree->node->nlink);
	}
	work_finish(actor);
}

static void look_at(struct actor *actor, struct tree *tree, struct model_node *node)
{
	actor->own = tree;
	tree->node = node;
	if (S_ISDIR(node->mode))
		actor_list(actor, node->real, take_name, on_listed);
	else
		actor_read_file(actor, node->real, on_read);
}

/* ---- The work ---- */

static void on_tree_made(struct actor *actor, const struct answer *answer)
{
	struct trees *trees = (struct trees *)actor->work;
	struct tree *tree = actor->own;

	work_expect(actor, answer, "a tree");
	actor->own = NULL;
	if (answer->kind == ANSWER_DONE) {
		actor->own = trees->trees[trees->count++] = tree;
		tree->model.root->real = answer->reply->attributes.ino;
	}
	work_finish(actor);
}

static void make_tree(struct actor *actor)
{
	struct tree *tree = calloc(1, sizeof *tree);
	const char *name;
	struct op op = {.kind = OP_MAKE, .make = {.mode = S_IFDIR | 0755, .exclusive = true}};

	check(tree);
	model_init(&tree->model, 0);
	tree->number = actor->work->stage->clock++;
	name = work_name(actor, 't', tree->number);
	op.make.parent = actor->work->directory;
	op.make.name = slice_of(name, strlen(name));
	actor->own = tree;
	actor_call(actor, &op, NULL, on_tree_made);
}

static void begin(struct actor *actor)
{
	struct trees *trees = (struct trees *)actor->work;
	struct tree *tree = actor->own;

	if (!tree && trees->count < TREES_MAX / 2)
		make_tree(actor);
	else if (!tree)
		work_finish(actor);
	else if (draw(actor, 4) == 0)
		look_at(actor, tree, pick(actor, tree, draw(actor, 3) ? S_IFREG : S_IFDIR));
	else
		change(actor, tree);
}

static bool prepare(struct actor *actor, uint32_t step)
{
	if (step == 0)
		work_make_directory(actor);
	return step == 0;
}

/* Every node of every tree that is known. */
static bool look(struct actor *actor, uint32_t step)
{
	struct trees *trees = (struct trees *)actor->work;

	for (uint32_t i = 0; i < trees->count; i++) {
		struct tree *tree = trees->trees[i];

		for (struct model_node *node = tree->model.nodes; node; node = node->next) {
			if (tree->is_lost || tree->is_asked || step-- > 0)
				continue;
			look_at(actor, tree, node);
			return true;
		}
	}
	return false;
}

static void judge(const struct work *work)
{
	(void)work;
}

const struct work_kind trees_work = {.name = "trees",
	.size = sizeof(struct trees),
	.init = init,
	.prepare = prepare,
	.begin = begin,
	.look = look,
	.judge = judge};
