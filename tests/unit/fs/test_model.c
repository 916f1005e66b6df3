/*
 * The whole evaluator against tests/lib/model_fs: the same random operations give the same answers, tree, attributes and
 * bytes, whether or not the view blocks now and then; and the rows agree among each other.
 */
#include "tests/lib/test.h"

#include <errno.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/status.h"
#include "tests/lib/fs_harness.h"
#include "tests/lib/model_fs.h"

#define SEED_COUNT	1000
#define OPERATION_COUNT 200
#define NAME_COUNT	6 /* few, so that operations meet */
#define FILE_SIZE_MAX	200000u /* bytes */
#define SECOND		UINT64_C(1000000000)

struct trial {
	struct fs_harness fs;
	struct model_fs model;
	uint64_t random;
	uint64_t seed;
	int step;
};

static uint32_t draw(struct trial *trial, uint32_t below)
{
	trial->random ^= trial->random << 13;
	trial->random ^= trial->random >> 7;
	trial->random ^= trial->random << 17;
	return (uint32_t)(trial->random >> 20) % below;
}

static struct model_node *pick(struct trial *trial)
{
	struct model_node *node = trial->model.nodes;
	uint32_t count = 0;

	for (; node; node = node->next)
		count++;
	node = trial->model.nodes;
	for (uint32_t i = draw(trial, count); i > 0; i--)
		node = node->next;
	return node;
}

static struct model_node *pick_kind(struct trial *trial, uint32_t type)
{
	for (int i = 0; i < 10; i++) {
		struct model_node *node = pick(trial);

		if ((node->mode & S_IFMT) == type)
			return node;
	}
	return type == S_IFDIR ? trial->model.root : pick(trial);
}

static const char *pick_name(struct trial *trial)
{
	static const char *const names[NAME_COUNT] = {"a", "b", "c", "longer name", "e", "f"};

	return names[draw(trial, NAME_COUNT)];
}

/* Offsets and sizes near to where something changes. */
static uint32_t pick_offset(struct trial *trial)
{
	static const uint32_t edges[] = {0, 4096, 16384, 65536, 69632, 131072};
	uint32_t offset = edges[draw(trial, 6)];

	switch (draw(trial, 4)) {
	case 0:
		return offset;
	case 1:
		return offset + draw(trial, 5);
	case 2:
		return offset > 5 ? offset - draw(trial, 5) : offset;
	default:
		return draw(trial, FILE_SIZE_MAX / 2);
	}
}

static void same(struct trial *trial, const char *what, int64_t real, int64_t model)
{
	if (real != model)
		fail_msg("seed %llu, step %d: %s: %lld, the model says %lld", (unsigned long long)trial->seed,
			trial->step, what, (long long)real, (long long)model);
}

/* ---- Operations ---- */

static void do_make(struct trial *trial)
{
	static const uint32_t types[] = {S_IFREG, S_IFREG, S_IFREG, S_IFDIR, S_IFDIR, S_IFLNK, S_IFIFO};
	struct model_node *parent = pick_kind(trial, S_IFDIR), *node = NULL;
	const char *name = pick_name(trial);
	uint32_t mode = types[draw(trial, 7)] | (draw(trial, 8) == 0 ? 06711u : 0755u);
	const char *target = S_ISLNK(mode) ? "to/somewhere" : NULL;
	int64_t ino = target ? fs_symlink(&trial->fs, parent->real, name, target)
			     : fs_make(&trial->fs, parent->real, name, mode);
	int status;

	trial->model.now = trial->fs.wall;
	status = model_make(&trial->model, parent, name, target ? S_IFLNK | 0777 : mode, target, &node);
	same(trial, "make", is_ino(ino) ? 0 : ino, status);
	if (node)
		node->real = (uint64_t)ino;
}

static void do_tmpfile(struct trial *trial)
{
	struct op op = {.kind = OP_TMPFILE, .tmpfile = {.parent = FS_ROOT_INO, .mode = 0600}};
	struct model_node *node;

	same(trial, "tmpfile", fs_harness_run(&trial->fs, &op, NULL), 0);
	trial->model.now = trial->fs.wall;
	model_tmpfile(&trial->model, trial->model.root, 0600, &node);
	node->real = trial->fs.reply.attributes.ino;
}

static void do_link(struct trial *trial)
{
	struct model_node *parent = pick_kind(trial, S_IFDIR), *node = pick(trial);
	const char *name = pick_name(trial);
	int status;

	if (node->nlink == 0)
		return; /* the kernel asks only for what may get a name */
	status = fs_link(&trial->fs, node->real, parent->real, name);
	trial->model.now = trial->fs.wall;
	same(trial, "link", status, model_link(&trial->model, node, parent, name));
}

static void do_remove(struct trial *trial)
{
	struct model_node *parent = pick_kind(trial, S_IFDIR), *victim;
	bool is_rmdir = draw(trial, 3) == 0;
	struct op op = {.kind = is_rmdir ? OP_RMDIR : OP_UNLINK, .remove = {.parent = parent->real}};
	const char *name = pick_name(trial);
	int status;

	victim = S_ISDIR(parent->mode) ? model_find(parent, name) : NULL;
	op.remove.name = text(name);
	op.remove.hold = victim && (victim->is_held || draw(trial, 4) == 0);
	status = fs_harness_run(&trial->fs, &op, NULL);
	if (victim && status == 0 && op.remove.hold && trial->fs.reply.victim.nlink == 0)
		victim->is_held = true;
	trial->model.now = trial->fs.wall;
	same(trial, "remove", status,
		is_rmdir ? model_rmdir(&trial->model, parent, name)
			 : model_unlink(&trial->model, parent, name));
}

static uint32_t pick_rename_flags(struct trial *trial)
{
	switch (draw(trial, 8)) {
	case 0:
		return RENAME_NOREPLACE;
	case 1:
	case 2:
		return RENAME_EXCHANGE;
	case 3:
		return RENAME_WHITEOUT;
	default:
		return 0;
	}
}

static void name_whiteout(struct trial *trial, struct model_node *parent, const char *name)
{
	struct model_node *whiteout = model_find(parent, name);

	if (whiteout && whiteout->real == 0)
		whiteout->real = (uint64_t)fs_lookup(&trial->fs, parent->real, name);
}

static void do_rename(struct trial *trial)
{
	struct model_node *parent = pick_kind(trial, S_IFDIR);
	struct model_node *new_parent = draw(trial, 2) ? parent : pick_kind(trial, S_IFDIR);
	const char *name = pick_name(trial), *new_name = pick_name(trial);
	struct model_node *target = S_ISDIR(new_parent->mode) ? model_find(new_parent, new_name) : NULL;
	struct op op = {.kind = OP_RENAME,
		.rename = {.parent = parent->real,
			.name = text(name),
			.new_parent = new_parent->real,
			.new_name = text(new_name),
			.flags = pick_rename_flags(trial)}};
	int status;

	op.rename.hold = target && target->is_held;
	status = fs_harness_run(&trial->fs, &op, NULL);
	trial->model.now = trial->fs.wall;
	same(trial, "rename", status,
		model_rename(&trial->model, parent, name, new_parent, new_name, op.rename.flags));
	if (status == 0)
		name_whiteout(trial, parent, name);
}

static void do_release(struct trial *trial)
{
	struct model_node *node = pick(trial);

	for (int i = 0; i < 10 && !node->is_held; i++)
		node = pick(trial);
	if (!node->is_held)
		return;
	same(trial, "release", fs_release(&trial->fs, node->real), 0);
	model_release(&trial->model, node);
}

static void do_write(struct trial *trial)
{
	static uint8_t bytes[FILE_SIZE_MAX];
	struct model_node *node = pick_kind(trial, S_IFREG);
	uint32_t offset = pick_offset(trial), size = 1 + pick_offset(trial) / (1 + draw(trial, 20));
	uint32_t flags = draw(trial, 5) == 0 ? OP_WRITE_APPEND : 0;
	int status;

	if (flags != 0 && node->size > FILE_SIZE_MAX)
		return;
	memset(bytes, 1 + (int)draw(trial, 255), size);
	status = fs_harness_write(&trial->fs, node->real, offset, flags, bytes, size);
	trial->model.now = trial->fs.wall;
	same(trial, "write", status,
		model_write(&trial->model, node, flags ? node->size : offset, bytes, size));
	if (status == 0)
		same(trial, "count", (int64_t)trial->fs.reply.count, size);
}

static void do_truncate(struct trial *trial)
{
	struct model_node *node = pick_kind(trial, S_IFREG);
	uint64_t size = draw(trial, 4) == 0 ? 0 : pick_offset(trial);
	int status;

	if (draw(trial, 10) == 0)
		size += UINT64_C(1) << 50;
	status = fs_truncate(&trial->fs, node->real, size);
	trial->model.now = trial->fs.wall;
	same(trial, "truncate", status, model_truncate(&trial->model, node, size));
}

static void do_fallocate(struct trial *trial)
{
	static const uint32_t modes[] = {0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
		FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE};
	struct model_node *node = pick_kind(trial, S_IFREG);
	uint32_t mode = modes[draw(trial, 6)], offset = pick_offset(trial), length = 1 + pick_offset(trial);
	int status = fs_fallocate(&trial->fs, node->real, mode, offset, length);

	trial->model.now = trial->fs.wall;
	same(trial, "fallocate", status, model_fallocate(&trial->model, node, mode, offset, length));
}

static void do_copy(struct trial *trial)
{
	struct model_node *source = pick_kind(trial, S_IFREG), *node = pick_kind(trial, S_IFREG);
	struct op op = {.kind = OP_COPY,
		.copy = {.source = source->real,
			.source_offset = pick_offset(trial),
			.ino = node->real,
			.offset = pick_offset(trial),
			.length = 1 + pick_offset(trial)}};
	int status = fs_harness_run(&trial->fs, &op, NULL);

	trial->model.now = trial->fs.wall;
	same(trial, "copy", status,
		model_copy(
			&trial->model, source, op.copy.source_offset, node, op.copy.offset, op.copy.length));
}

static void do_attributes(struct trial *trial)
{
	struct model_node *node = pick(trial);
	struct op_setattr setattr = {.ino = node->real};
	uint32_t kind = draw(trial, 3);
	int status, model;

	setattr.mode = draw(trial, 010000);
	setattr.uid = draw(trial, 3);
	setattr.gid = draw(trial, 3);
	setattr.atime.seconds = draw(trial, 1000);
	setattr.mtime.seconds = draw(trial, 1000);
	setattr.valid = kind == 0   ? OP_SET_MODE
			: kind == 1 ? OP_SET_UID | OP_SET_GID
				    : OP_SET_ATIME | OP_SET_MTIME;
	status = fs_setattr(&trial->fs, &setattr);
	trial->model.now = trial->fs.wall;
	if (kind == 0)
		model = model_chmod(&trial->model, node, setattr.mode);
	else if (kind == 1)
		model = model_chown(&trial->model, node, setattr.uid, setattr.gid);
	else
		model = model_utimes(&trial->model, node, (uint64_t)setattr.atime.seconds * SECOND,
			(uint64_t)setattr.mtime.seconds * SECOND);
	same(trial, "setattr", status, model);
}

static void do_xattr(struct trial *trial)
{
	static const char *const names[] = {
		"user.a", "user.b", "user.much longer", "trusted.c", "security.d"};
	static const size_t sizes[] = {0, 1, 100, 256, 257, 300, 5000};
	static uint8_t value[5000];
	struct model_node *node = pick(trial);
	const char *name = names[draw(trial, 5)];
	size_t size = sizes[draw(trial, 7)];
	uint32_t flags = draw(trial, 3);
	int status, model;

	memset(value, (int)draw(trial, 256), sizeof value);
	if (draw(trial, 3) == 0)
		status = fs_removexattr(&trial->fs, node->real, name);
	else
		status = fs_setxattr(&trial->fs, node->real, name, value, size, flags), flags |= 4;
	trial->model.now = trial->fs.wall;
	if ((flags & 4) != 0)
		model = model_setxattr(&trial->model, node, name, value, size, flags & 3);
	else
		model = model_removexattr(&trial->model, node, name);
	same(trial, "xattr", status, model);
}

static void step(struct trial *trial)
{
	typedef void (*operation_cb)(struct trial * trial);
	static const operation_cb operations[] = {do_make, do_make, do_make, do_link, do_remove, do_remove,
		do_rename, do_rename, do_release, do_write, do_write, do_write, do_truncate, do_fallocate,
		do_copy, do_attributes, do_xattr, do_tmpfile};
	uint32_t count = sizeof operations / sizeof *operations;

	operations[draw(trial, draw(trial, 4) == 0 ? count : count - 1)](trial);
}

/* ---- Comparison ---- */

static uint64_t nanoseconds(struct fs_time time)
{
	return (uint64_t)time.seconds * SECOND + time.nanoseconds;
}

static void compare_attributes(struct trial *trial, const struct model_node *node)
{
	struct attributes attributes = fs_attributes(&trial->fs, node->real);

	same(trial, "mode", attributes.mode, node->mode);
	same(trial, "nlink", attributes.nlink, node->nlink);
	same(trial, "uid", attributes.uid, node->uid);
	same(trial, "gid", attributes.gid, node->gid);
	if (!S_ISDIR(node->mode))
		same(trial, "size", (int64_t)attributes.size, (int64_t)node->size);
	same(trial, "atime", (int64_t)nanoseconds(attributes.atime), (int64_t)node->atime);
	same(trial, "mtime", (int64_t)nanoseconds(attributes.mtime), (int64_t)node->mtime);
	same(trial, "ctime", (int64_t)nanoseconds(attributes.ctime), (int64_t)node->ctime);
}

static void compare_data(struct trial *trial, const struct model_node *node)
{
	static uint8_t real[4 * FILE_SIZE_MAX], model[4 * FILE_SIZE_MAX];
	size_t size = node->size < sizeof real ? node->size : sizeof real, count;
	uint32_t from = draw(trial, 3) == 0 ? draw(trial, FILE_SIZE_MAX) : 0;

	from = from < size ? from : 0;
	same(trial, "read",
		read_data(trial->fs.view, node->real, from, real, sizeof real - from, &count, NULL), 0);
	same(trial, "bytes read", (int64_t)count, (int64_t)(size - from));
	model_read(node, from, model, count);
	if (memcmp(real, model, count) != 0)
		same(trial, "content", 1, 0);
}

static void compare_xattrs(struct trial *trial, const struct model_node *node)
{
	uint8_t value[5000];
	size_t size, names_size = 0;

	for (const struct model_xattr *xattr = node->xattrs; xattr; xattr = xattr->next) {
		same(trial, "getxattr",
			read_xattr(trial->fs.view, node->real, text(xattr->name), value, sizeof value, &size),
			0);
		same(trial, "xattr size", (int64_t)size, (int64_t)xattr->size);
		same(trial, "xattr value", memcmp(value, xattr->value, size), 0);
		names_size += strlen(xattr->name) + 1;
	}
	same(trial, "listxattr", read_xattrs(trial->fs.view, node->real, true, NULL, 0, &size), 0);
	same(trial, "xattr names", (int64_t)size, (int64_t)names_size);
}

struct listing {
	struct trial *trial;
	const struct model_node *directory;
	size_t count;
};

static int compare_entry(void *argument, const struct read_entry *entry)
{
	struct listing *listing = argument;
	struct trial *trial = listing->trial;
	const struct model_node *node;
	char name[256] = {0};

	memcpy(name, entry->name.data, entry->name.size);
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return 0;
	listing->count++;
	node = model_find(listing->directory, name);
	assert_non_null(node);
	same(trial, "entry", (int64_t)entry->ino, (int64_t)node->real);
	same(trial, "type", entry->type, node->mode & S_IFMT);
	same(trial, "attributes in a listing", entry->attributes->mode, node->mode);
	return 0;
}

static void compare_directory(struct trial *trial, const struct model_node *node)
{
	struct listing listing = {.trial = trial, .directory = node};

	same(trial, "readdir", read_directory(trial->fs.view, node->real, 0, true, compare_entry, &listing),
		0);
	same(trial, "entries", (int64_t)listing.count, (int64_t)model_count_entries(node));
	if (node->parent)
		same(trial, "..", fs_lookup(&trial->fs, node->real, ".."), (int64_t)node->parent->real);
}

static void compare_all(struct trial *trial)
{
	memory_view_set_blocking(trial->fs.memory, 0, 0);
	for (const struct model_node *node = trial->model.nodes; node; node = node->next) {
		compare_attributes(trial, node);
		compare_xattrs(trial, node);
		if (S_ISREG(node->mode))
			compare_data(trial, node);
		if (S_ISDIR(node->mode))
			compare_directory(trial, node);
	}
	fs_harness_verify(&trial->fs);
}

static void run_trial(uint64_t seed, bool blocking)
{
	static struct trial trial;

	trial = (struct trial){.seed = seed, .random = seed * 0x9e3779b97f4a7c15 + 1};
	fs_harness_init(&trial.fs, seed);
	model_init(&trial.model, trial.fs.wall);
	trial.model.root->real = FS_ROOT_INO;
	for (trial.step = 0; trial.step < OPERATION_COUNT; trial.step++) {
		if (blocking)
			memory_view_set_blocking(trial.fs.memory, 6, seed + (uint64_t)trial.step);
		step(&trial);
		if (trial.step % 50 == 49)
			compare_all(&trial);
	}
	model_close(&trial.model);
	fs_harness_close(&trial.fs);
}

/* One seed, given in the environment, replays alone. */
static void run_trials(bool blocking)
{
	const char *only = getenv("SEED");

	for (uint64_t seed = 1; seed <= SEED_COUNT; seed++) {
		if (!only || strtoull(only, NULL, 10) == seed)
			run_trial(seed, blocking);
	}
}

static void random_operations_do_what_the_model_does(void **state)
{
	(void)state;
	run_trials(false);
}

static void a_view_that_blocks_changes_nothing(void **state)
{
	(void)state;
	run_trials(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_operations_do_what_the_model_does),
		cmocka_unit_test(a_view_that_blocks_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
