#include "fs/vfs/stale.h"

#include <errno.h>

struct retry stale_read_retry(const struct request *request)
{
	struct retries *retries = request->front->retries;

	return retries ? retries_of(retries, request->watched.thread) : (struct retry){0};
}

struct retry stale_take_retry(const struct request *request)
{
	struct retries *retries = request->front->retries;

	return retries ? retries_take(retries, request->watched.thread) : (struct retry){0};
}

/* Threads of other PID namespaces (thread 0) cannot be told apart: an operation on names fails at the first try. */
bool stale_is_last_try(
	const struct request *request, const struct retry *retry, enum retry_kind kind, uint64_t ino)
{
	if (!request->front->retries || (request->watched.thread == 0 && kind == RETRY_PLACE))
		return true;
	return retry_is_last(retry, kind, ino, env_now(request->front->options.env));
}

int stale_look_again(const struct request *request, enum retry_kind kind, uint64_t ino, uint64_t other)
{
	struct retries *retries = request->front->retries;

	if (retries)
		retries_note(retries, request->watched.thread, kind, ino, other);
	return -ESTALE;
}

/* The inodes that must exist for the operation; `*other` may be 0: none. */
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

int stale_place_error(
	const struct request *request, const struct op *op, const struct retry *retry, int error)
{
	uint64_t ino, other;

	if (error != -ESTALE)
		return error;
	find_places(op, &ino, &other);
	if (stale_is_last_try(request, retry, RETRY_PLACE, ino) ||
		(other > 0 && stale_is_last_try(request, retry, RETRY_PLACE, other)))
		return -ENOENT;
	return stale_look_again(request, RETRY_PLACE, ino, other);
}

int stale_look_error(const struct request *request, const struct retry *retry, int error, uint64_t ino)
{
	if (!request->front->retries || error != -ESTALE)
		return error;
	if (!stale_is_last_try(request, retry, RETRY_LOOK, ino))
		return stale_look_again(request, RETRY_LOOK, ino, 0);
	return fs_ino_is_directory(ino) ? -ENOENT : error;
}
