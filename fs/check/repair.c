#include "fs/check/repair.h"

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

#include "proto/completion.h"
#include "proto/container.h"
#include "fs/schema/keys.h"
#include "store/raftkv.h"

#define TRY_COUNT_MAX 1000 /* of TRY_WAIT_US each: until the region's only replica leads */
#define TRY_WAIT_US   10000

struct repair {
	const struct repair_options *options;
	struct env_loop *loop;
	bool is_running;
	struct raftkv *raftkv;
	uint64_t home; /* ino of /lost+found; 0: not made yet */
	struct completion done;
	struct raftkv_write write;
	uint64_t ino; /* in the last reply */
};

/* ---- One operation ---- */

static void on_written(struct raftkv_write *write, int status, struct buf *reply)
{
	struct repair *repair = container_of(write, struct repair, write);

	if (status == 0)
		status = fix_decode_reply(buf_slice(reply), &repair->ino);
	completion_finish(&repair->done, status);
}

static bool is_temporary(int status)
{
	return status == STATUS_NOT_LEADER || status == STATUS_LIMIT || status == STATUS_STALE_COMMAND ||
	       status == STATUS_NOT_READY;
}

static int run(struct repair *repair, uint64_t region, struct buf *body)
{
	int status = STATUS_LIMIT;

	if (!body)
		return -ENOMEM;
	for (int i = 0; i < TRY_COUNT_MAX; i++) {
		repair->write = (struct raftkv_write){
			.region = region, .body = body, .loop = repair->loop, .done = on_written};
		raftkv_async_write(repair->raftkv, &repair->write);
		status = completion_wait(&repair->done);
		if (!is_temporary(status))
			break;
		usleep(TRY_WAIT_US);
	}
	buf_unref(body);
	return status;
}

static int region_of(struct repair *repair, uint64_t ino, uint64_t *region)
{
	struct fs_key key = fs_key_inode(ino);
	struct region_epoch epoch;

	return raftkv_find_region(repair->raftkv, fs_key_slice(&key), region, &epoch);
}

static int find_home(struct repair *repair)
{
	uint64_t region;
	int status = region_of(repair, FS_ROOT_INO, &region);

	if (status == 0)
		status = run(repair, region, fix_encode_lost_and_found());
	if (status == 0)
		repair->home = repair->ino;
	return status;
}

static int apply(struct repair *repair, const struct fix *fix)
{
	uint64_t region = fix->value;
	int status = 0;

	if (fix->kind == FIX_ADOPT && repair->home == 0)
		status = find_home(repair);
	if (status == 0 && fix->kind != FIX_DELETE_LOCAL)
		status = region_of(repair, fix->ino, &region);
	return status == 0 ? run(repair, region, fix_encode(fix, repair->home)) : status;
}

/* ---- The store ---- */

static int open_store(struct repair *repair, struct status *status)
{
	struct raftkv_options options = {
		.env = repair->options->env,
		.logger = repair->options->logger,
		.path = repair->options->path,
		.evaluator = fix_evaluator(),
		.shards = &repair->loop,
		.shard_count = 1,
	};
	int code = env_loop_new(repair->options->env, "repair", &repair->loop);

	if (code < 0)
		return status_set(status, code, "cannot make an event loop: %s", status_name(code));
	code = raftkv_open(&options, &repair->raftkv, status);
	if (code < 0)
		return code;
	code = env_loop_start(repair->loop);
	repair->is_running = code == 0;
	return code < 0 ? status_set(status, code, "cannot start a thread: %s", status_name(code)) : 0;
}

static void on_stopped(void *argument)
{
	struct repair *repair = argument;

	completion_finish(&repair->done, 0);
}

static void close_store(struct repair *repair)
{
	if (repair->is_running) {
		raftkv_stop(repair->raftkv, repair->loop, on_stopped, repair);
		completion_wait(&repair->done);
		env_loop_stop(repair->loop);
	}
	env_loop_free(repair->loop);
	raftkv_free(repair->raftkv);
}

/* A problem that this repair cannot mend is one thing, a store that takes no more changes is another. */
static bool cannot_go_on(int status)
{
	return status == STATUS_STOPPING || status == -ENOMEM || status == -ENOSPC || is_temporary(status);
}

int repair_run(
	const struct repair_options *options, struct report *report, uint64_t *fixed, struct status *status)
{
	struct repair repair = {.options = options};
	int code, failure;

	*fixed = 0;
	completion_init(&repair.done);
	code = open_store(&repair, status);
	for (size_t i = 0; i < report->count && code == 0; i++) {
		struct problem *problem = &report->problems[i];

		if (problem->fix.kind == FIX_NONE ||
			(options->wants && !options->wants(options->argument, problem)))
			continue;
		failure = apply(&repair, &problem->fix);
		problem->is_fixed = failure == 0;
		*fixed += problem->is_fixed;
		if (cannot_go_on(failure))
			code = status_set(status, failure,
				"the store takes no more repairs: %s; what was repaired stays, run it again",
				status_name(failure));
	}
	close_store(&repair);
	completion_close(&repair.done);
	return code;
}
