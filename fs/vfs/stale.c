/*
 * What other mounts have removed, and this one's kernel finds by names that it remembers: it is told ESTALE, and looks
 * again. What it comes back with is then taken as it is.
 */
#include <errno.h>
#include <linux/fuse.h>

#include "fs/vfs/request.h"

static uint64_t now_of(const struct request *request)
{
	return env_now(request->front->options.env);
}

bool request_has_open(const struct front *front, uint64_t ino)
{
	return node_has(front->nodes, ino, NODE_OPEN) || removed_has(front->removed, ino);
}

/* A thread of another PID namespace can not be told from others: a place that is gone stays gone. */
bool request_is_last_try(const struct request *request, enum retry_kind kind, uint64_t ino)
{
	if (!request->front->retries || (request->watched.thread == 0 && kind == RETRY_PLACE))
		return true;
	return retry_is_last(&request->retry, kind, ino, now_of(request));
}

int request_look_again(struct request *request, enum retry_kind kind, uint64_t ino, uint64_t other)
{
	struct retries *retries = request->front->retries;

	if (retries)
		retries_note(retries, request->watched.thread, kind, ino, other);
	return -ESTALE;
}

/* What must be there for the operation. */
static void find_places(const struct op *op, uint64_t *ino, uint64_t *other)
{
	*other = 0;
	switch (op->kind) {
	case OP_MAKE:
		*ino = op->make.parent;
		break;
	case OP_TMPFILE:
		*ino = op->tmpfile.parent;
		break;
	case OP_LINK:
		*ino = op->link.parent;
		*other = op->link.ino;
		break;
	case OP_RENAME:
		*ino = op->rename.parent;
		*other = op->rename.new_parent;
		break;
	default:
		*ino = op->remove.parent;
		break;
	}
}

int request_place_error(struct request *request, int error)
{
	uint64_t ino, other;

	if (error != -ESTALE)
		return error;
	find_places(&request->op, &ino, &other);
	if (request_is_last_try(request, RETRY_PLACE, ino) ||
		(other > 0 && request_is_last_try(request, RETRY_PLACE, other)))
		return -ENOENT;
	return request_look_again(request, RETRY_PLACE, ino, other);
}

int request_look_error(struct request *request, int error, uint64_t ino)
{
	if (!request->front->retries || error != -ESTALE)
		return error;
	if (!request_is_last_try(request, RETRY_LOOK, ino))
		return request_look_again(request, RETRY_LOOK, ino, 0);
	return fs_ino_is_directory(ino) ? -ENOENT : error;
}
