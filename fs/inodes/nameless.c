#include "fs/inodes/nameless.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "fs/schema/ino_ranges.h"
#include "proto/container.h"
#include "proto/plant.h"

#define LOOK_EVERY_NS UINT64_C(20000000) /* whether the creations that were under way have ended */

/*
 * Creations ("makings") are counted in two counters, by turns. A question begins the next turn, and waits until the
 * creations of the turn before have ended.
 */
struct nameless {
	struct nameless_options options;
	atomic_uint turn;
	atomic_uint makings[2];
	/* The question's: */
	bool is_busy;
	struct ino_ranges inodes;
	uint64_t *found; /* those of `inodes` that are open here */
	size_t found_count, found_size; /* in use; allocated */
	size_t held; /* how many of `found` are done */
	bool has_failed;
	struct env_timer timer;
	struct client_call call;
	void (*answer)(void *argument, bool are_kept);
	void *answer_argument;
	void (*stopped)(void *argument);
	void *stopped_argument;
};

int nameless_new(const struct nameless_options *options, struct nameless **out)
{
	struct nameless *nameless = calloc(1, sizeof *nameless);

	if (!nameless)
		return -ENOMEM;
	nameless->options = *options;
	*out = nameless;
	return 0;
}

void nameless_free(struct nameless *nameless)
{
	if (!nameless)
		return;
	free(nameless->found);
	free(nameless);
}

/* ---- Makings ---- */

unsigned nameless_begin_making(struct nameless *nameless)
{
	for (;;) {
		unsigned turn = atomic_load(&nameless->turn) % 2;

		atomic_fetch_add(&nameless->makings[turn], 1);
		if (atomic_load(&nameless->turn) % 2 == turn)
			return turn;
		atomic_fetch_sub(&nameless->makings[turn], 1);
	}
}

void nameless_end_making(struct nameless *nameless, unsigned making)
{
	atomic_fetch_sub(&nameless->makings[making], 1);
}

/* ---- A question ---- */

static void nameless_finish(struct nameless *nameless)
{
	nameless->is_busy = false;
	nameless->answer(nameless->answer_argument, !nameless->has_failed);
	if (nameless->stopped)
		nameless->stopped(nameless->stopped_argument);
}

static void nameless_visit(void *visitor, uint64_t ino)
{
	struct nameless *nameless = visitor;

	if (!ino_ranges_has(&nameless->inodes, ino))
		return;
	if (nameless->found_count == nameless->found_size) {
		size_t size = nameless->found_size > 0 ? 2 * nameless->found_size : 64;
		uint64_t *found = realloc(nameless->found, size * sizeof *found);

		nameless->has_failed = nameless->has_failed || !found;
		if (!found)
			return;
		nameless->found = found;
		nameless->found_size = size;
	}
	nameless->found[nameless->found_count++] = ino;
}

static void hold_next(struct nameless *nameless);

/* The inode may have been closed meanwhile. -ESTALE: it no longer exists, and an open handle of it is of no use. */
static void on_held(struct client_call *call, int error, const struct op_reply *reply)
{
	struct nameless *nameless = container_of(call, struct nameless, call);
	uint64_t ino = nameless->found[nameless->held++];

	(void)reply;
	if (error != -ESTALE) {
		removed_keep(nameless->options.removed, ino, error == 0);
		if (!nameless->options.is_open(nameless->options.argument, ino))
			removed_close(nameless->options.removed, ino);
	}
	if (error && error != -ESTALE) {
		log_warn(nameless->options.logger,
			"msg=\"an open file that another mount has removed could not be kept yet\" error=%d",
			error);
		nameless->has_failed = true;
	}
	hold_next(nameless);
}

/* An inode that is being released counts as not open: an open of it now is refused with ESTALE. */
static bool needs_hold(struct nameless *nameless, uint64_t ino)
{
	return !removed_has(nameless->options.removed, ino) &&
	       !removed_is_ending(nameless->options.removed, ino);
}

static void hold_next(struct nameless *nameless)
{
	struct op op = {.kind = OP_HOLD};
	int result;

	while (nameless->held < nameless->found_count &&
		!needs_hold(nameless, nameless->found[nameless->held]))
		nameless->held++;
	if (nameless->held == nameless->found_count || nameless->has_failed || nameless->stopped) {
		nameless_finish(nameless);
		return;
	}
	op.hold.ino = nameless->found[nameless->held];
	nameless->call.loop = nameless->options.loop;
	nameless->call.done = on_held;
	result = client_call(nameless->options.client, &nameless->call, &op, NULL);
	if (result < 0)
		on_held(&nameless->call, result, NULL);
}

static void look(struct nameless *nameless)
{
	nameless->options.each_open(nameless->options.argument, nameless_visit, nameless);
	if (planted("grace:open_files_unsaid"))
		nameless->found_count = 0;
	hold_next(nameless);
}

static void on_nameless_timer(struct env_timer *timer);

static void await_makings(struct nameless *nameless)
{
	unsigned before = (atomic_load(&nameless->turn) + 1) % 2;

	if (atomic_load(&nameless->makings[before]) > 0 && !nameless->stopped)
		env_timer_start(&nameless->timer, nameless->options.loop,
			env_now(env_loop_env(nameless->options.loop)) + LOOK_EVERY_NS, on_nameless_timer);
	else
		look(nameless);
}

static void on_nameless_timer(struct env_timer *timer)
{
	await_makings(container_of(timer, struct nameless, timer));
}

void nameless_ask(struct nameless *nameless, struct slice inodes,
	void (*answer)(void *argument, bool are_kept), void *argument)
{
	nameless->answer = answer;
	nameless->answer_argument = argument;
	if (nameless->stopped || ino_ranges_decode(inodes, &nameless->inodes) < 0) {
		answer(argument, nameless->stopped != NULL);
		return;
	}
	nameless->is_busy = true;
	nameless->found_count = nameless->held = 0;
	nameless->has_failed = false;
	atomic_fetch_add(&nameless->turn, 1);
	await_makings(nameless);
}

void nameless_stop(struct nameless *nameless, void (*stopped)(void *argument), void *argument)
{
	nameless->stopped = stopped;
	nameless->stopped_argument = argument;
	if (!nameless->is_busy) {
		stopped(argument);
	} else if (env_timer_is_running(&nameless->timer)) {
		env_timer_stop(&nameless->timer);
		nameless_finish(nameless);
	}
}
