#include "tests/lib/fs_harness.h"

#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/plant.h"
#include "proto/status.h"
#include "fs/eval/eval.h"
#include "fs/schema/records.h"

#define SECOND	    UINT64_C(1000000000)
#define START	    (UINT64_C(1700000000) * SECOND)
#define RETRIES_MAX 100000

struct slice text(const char *name)
{
	return slice_of(name, strlen(name));
}

static uint64_t next_random(struct fs_harness *harness)
{
	harness->random = harness->random * 6364136223846793005u + 1442695040888963407u;
	return harness->random ^ harness->random >> 29;
}

void fs_harness_init_empty(struct fs_harness *harness, uint64_t seed)
{
#ifdef RAFTKV_PLANT
	plant_choose(getenv("RAFTKV_PLANTED"));
#endif
	*harness = (struct fs_harness){
		.memory = memory_view_new(),
		.evaluator = eval_evaluator(),
		.wall = START,
		.random = seed,
		.session = HARNESS_SESSION,
		.region = CLUSTER_REGION,
		.term = 1,
	};
	harness->view = memory_view_get(harness->memory);
}

void fs_harness_init(struct fs_harness *harness, uint64_t seed)
{
	struct op format = {.kind = OP_FORMAT, .format = {.mode = 0755}};

	fs_harness_init_empty(harness, seed);
	check(fs_harness_run(harness, &format, NULL) == 0);
}

void fs_harness_close(struct fs_harness *harness)
{
	memory_view_free(harness->memory);
	buf_unref(harness->lacking);
}

int fs_harness_setup(void **state)
{
	struct fs_harness *harness = malloc(sizeof *harness);

	check(harness != NULL);
	fs_harness_init(harness, 1);
	*state = harness;
	return 0;
}

int fs_harness_teardown(void **state)
{
	fs_harness_verify(*state);
	fs_harness_close(*state);
	free(*state);
	return 0;
}

/* Until the view does not block. */
static int evaluate(struct fs_harness *harness, const struct eval_input *input, struct mutations *mutations,
	struct buf **reply)
{
	int status = STATUS_WOULD_BLOCK;

	for (int i = 0; i < RETRIES_MAX && status == STATUS_WOULD_BLOCK; i++) {
		status = harness->evaluator->ops->evaluate(
			harness->evaluator, harness->view, input, mutations, reply);
		if (status != 0)
			mutations_close(mutations);
	}
	return status;
}

static int apply(struct fs_harness *harness, struct mutations *mutations)
{
	struct raft_entry entry;
	int status;

	harness->mutation_count = mutations->count;
	harness->spares_space = mutations_spares_space(mutations);
	if (mutations->count == 0)
		return 0;
	status = mutations_finish(mutations, 1, &entry);
	if (status != 0)
		return status;
	status = memory_view_apply(harness->memory, &entry);
	buf_unref(entry.data);
	buf_unref(entry.payload);
	return status;
}

int fs_harness_run(struct fs_harness *harness, const struct op *op, struct buf *payload)
{
	struct mutations mutations = {0};
	struct buf *body, *reply = NULL;
	struct eval_input input;
	int status = op_encode(op, &body);

	if (status != 0)
		return status;
	harness->wall += SECOND;
	input = (struct eval_input){
		.body = buf_slice(body),
		.payload = payload,
		.session = harness->session,
		.region = harness->region,
		.term = harness->term,
		.wall = harness->wall,
		.random = {next_random(harness), next_random(harness)},
		.region_start = harness->region_start,
		.region_end = harness->region_end,
	};
	status = evaluate(harness, &input, &mutations, &reply);
	buf_unref(harness->lacking);
	harness->lacking = status == STATUS_INCOMPLETE ? buf_ref(reply) : NULL;
	if (status == 0)
		status = op_reply_decode(buf_slice(reply), &harness->reply);
	if (status == 0 && harness->reply.error != 0)
		check(mutations.count == 0 || (op->kind == OP_LOCK && op->lock.waits));
	if (status == 0)
		status = apply(harness, &mutations);
	mutations_close(&mutations);
	buf_unref(reply);
	buf_unref(body);
	return status == 0 ? harness->reply.error : status;
}

int fs_harness_write(struct fs_harness *harness, uint64_t ino, uint64_t offset, uint32_t flags,
	const void *bytes, size_t size)
{
	struct op op = {.kind = OP_WRITE, .write = {.ino = ino, .offset = offset, .flags = flags}};
	struct buf *payload = buf_copy(bytes, size);
	int status = fs_harness_run(harness, &op, payload);

	buf_unref(payload);
	return status;
}

static int64_t run_for_ino(struct fs_harness *harness, const struct op *op)
{
	int status = fs_harness_run(harness, op, NULL);

	return status == 0 ? (int64_t)harness->reply.attributes.ino : status;
}

int64_t fs_make(struct fs_harness *harness, uint64_t parent, const char *name, uint32_t mode)
{
	struct op op = {.kind = OP_MAKE,
		.make = {.parent = parent, .name = text(name), .mode = mode, .exclusive = true}};

	return run_for_ino(harness, &op);
}

int64_t fs_symlink(struct fs_harness *harness, uint64_t parent, const char *name, const char *target)
{
	struct op op = {.kind = OP_MAKE,
		.make = {.parent = parent,
			.name = text(name),
			.mode = S_IFLNK | 0777,
			.target = text(target),
			.exclusive = true}};

	return run_for_ino(harness, &op);
}

int fs_link(struct fs_harness *harness, uint64_t ino, uint64_t parent, const char *name)
{
	struct op op = {.kind = OP_LINK, .link = {.ino = ino, .parent = parent, .name = text(name)}};

	return fs_harness_run(harness, &op, NULL);
}

int fs_unlink(struct fs_harness *harness, uint64_t parent, const char *name, bool hold)
{
	struct op op = {.kind = OP_UNLINK, .remove = {.parent = parent, .name = text(name), .hold = hold}};

	return fs_harness_run(harness, &op, NULL);
}

int fs_rmdir(struct fs_harness *harness, uint64_t parent, const char *name)
{
	struct op op = {.kind = OP_RMDIR, .remove = {.parent = parent, .name = text(name)}};

	return fs_harness_run(harness, &op, NULL);
}

int fs_rename(struct fs_harness *harness, uint64_t parent, const char *name, uint64_t new_parent,
	const char *new_name, uint32_t flags)
{
	struct op op = {.kind = OP_RENAME,
		.rename = {.parent = parent,
			.name = text(name),
			.new_parent = new_parent,
			.new_name = text(new_name),
			.flags = flags}};

	return fs_harness_run(harness, &op, NULL);
}

int fs_setattr(struct fs_harness *harness, const struct op_setattr *setattr)
{
	struct op op = {.kind = OP_SETATTR, .setattr = *setattr};

	return fs_harness_run(harness, &op, NULL);
}

int fs_truncate(struct fs_harness *harness, uint64_t ino, uint64_t size)
{
	return fs_setattr(harness, &(struct op_setattr){.ino = ino, .valid = OP_SET_SIZE, .size = size});
}

int fs_fallocate(struct fs_harness *harness, uint64_t ino, uint32_t mode, uint64_t offset, uint64_t length)
{
	struct op op = {.kind = OP_FALLOCATE,
		.fallocate = {.ino = ino, .mode = mode, .offset = offset, .length = length}};

	return fs_harness_run(harness, &op, NULL);
}

int fs_setxattr(struct fs_harness *harness, uint64_t ino, const char *name, const void *value, size_t size,
	uint32_t flags)
{
	struct op op = {.kind = OP_SETXATTR,
		.setxattr = {.ino = ino, .name = text(name), .value = slice_of(value, size), .flags = flags}};

	return fs_harness_run(harness, &op, NULL);
}

int fs_removexattr(struct fs_harness *harness, uint64_t ino, const char *name)
{
	struct op op = {.kind = OP_REMOVEXATTR, .removexattr = {.ino = ino, .name = text(name)}};

	return fs_harness_run(harness, &op, NULL);
}

int fs_release(struct fs_harness *harness, uint64_t ino)
{
	struct op op = {.kind = OP_RELEASE, .release = {.count = 1, .inos = {ino}}};

	return fs_harness_run(harness, &op, NULL);
}

void fs_reclaim(struct fs_harness *harness)
{
	struct op op = {.kind = OP_RECLAIM};

	do {
		check(fs_harness_run(harness, &op, NULL) == 0);
	} while (harness->reply.more);
}

int64_t fs_lookup(struct fs_harness *harness, uint64_t parent, const char *name)
{
	struct attributes attributes;
	int status = STATUS_WOULD_BLOCK;

	for (int i = 0; i < RETRIES_MAX && status == STATUS_WOULD_BLOCK; i++)
		status = read_lookup(harness->view, parent, text(name), &attributes);
	return status == 0 ? (int64_t)attributes.ino : status;
}

struct attributes fs_attributes(struct fs_harness *harness, uint64_t ino)
{
	struct attributes attributes;
	int status = STATUS_WOULD_BLOCK;

	for (int i = 0; i < RETRIES_MAX && status == STATUS_WOULD_BLOCK; i++)
		status = read_attributes(harness->view, ino, &attributes);
	check(status == 0);
	return attributes;
}
