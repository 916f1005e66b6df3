#include "fs/vfs/background.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/container.h"

struct background {
	struct client_call call;
	struct front *front;
	uint64_t unlocked; /* the inode of a dropped lock, or 0 */
	bool is_release;
};

static void on_background(struct client_call *call, int error, const struct op_reply *reply)
{
	struct background *background = container_of(call, struct background, call);
	struct front *front = background->front;

	(void)reply;
	if (background->unlocked)
		node_wake_lockers(front->nodes, background->unlocked);
	/* After the wake-up: a request that was refused sees either the drop or the release. */
	if (background->is_release)
		node_end_release(front->nodes, background->unlocked);
	if (error)
		log_warn(front->options.logger, "msg=\"dropping a lock failed\" error=%d", error);
	free(background);
	front_leave(front);
}

static void background_start(struct front *front, struct env_loop *loop, const struct op *op, bool is_release)
{
	struct background *background = calloc(1, sizeof *background);

	if (!background) {
		log_error(front->options.logger, "msg=\"out of memory\"");
		return;
	}
	background->front = front;
	background->unlocked = op->kind == OP_LOCK ? op->lock.ino : 0;
	background->is_release = is_release;
	if (is_release)
		node_begin_release(front->nodes, op->lock.ino);
	background->call.loop = loop;
	background->call.done = on_background;
	atomic_fetch_add(&front->in_flight, 1);
	if (client_call(front->options.client, &background->call, op, NULL) < 0)
		on_background(&background->call, -ENOMEM, NULL);
}

void background_run(struct front *front, struct env_loop *loop, const struct op *op)
{
	background_start(front, loop, op, false);
}

void background_release_lock(struct front *front, struct env_loop *loop, const struct op *op)
{
	background_start(front, loop, op, true);
}
