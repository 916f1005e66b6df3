/*
 * Opening and closing: the handle behind fuse_file_info.fh, and its node.
 *
 * On a mount that is not the only client an open sees whatever was closed before, elsewhere. The kernel may have come to
 * the inode by an old name: what somebody else changed since the name was told is refused (ESTALE), and the kernel looks
 * at the path again, once. And it may hold old pages and attributes: they go before the answer.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <utlist.h>

#include "fs/fuse/request.h"
#include "proto/container.h"

#define OWNERS_MAX 65536u

/* Where an append goes is decided by the leader: the kernel's pages can not take it. */
static bool is_direct(const struct request *request)
{
	return request->front->pages && request->opcode != FUSE_OPENDIR && request->info.flags & O_APPEND &&
	       (request->info.flags & O_ACCMODE) != O_RDONLY;
}

static bool can_read(const struct request *request)
{
	return (request->info.flags & O_ACCMODE) != O_WRONLY && !is_direct(request);
}

struct handle *handle_new(struct request *request, uint64_t ino)
{
	struct handle *handle = calloc(1, sizeof *handle);

	if (!handle)
		return NULL;
	handle->ino = ino;
	handle->has_pages = request->has_pages;
	handle->is_direct = is_direct(request);
	handle->can_read = can_read(request);
	pthread_mutex_init(&handle->mutex, NULL);
	node_set_open(request->front->nodes, ino);
	handle->errors = node_cursor(request->front->nodes, ino);
	request->has_node = request->has_pages = false; /* the handle has them now */
	pthread_mutex_lock(&request->front->mutex);
	DL_APPEND(request->front->handles, handle);
	pthread_mutex_unlock(&request->front->mutex);
	return handle;
}

static void handle_free(struct handle *handle)
{
	pthread_mutex_destroy(&handle->mutex);
	free(handle->owners);
	free(handle);
}

void handles_free(struct front *front)
{
	struct handle *handle, *next;

	DL_FOREACH_SAFE(front->handles, handle, next)
	handle_free(handle);
}

void handle_set_info(const struct handle *handle, bool may_keep, struct fuse_file_info *info)
{
	info->fh = (uint64_t)(uintptr_t)handle;
	info->keep_cache = may_keep;
	info->direct_io = handle->is_direct;
}

void handle_close(struct front *front, struct handle *handle)
{
	node_close(front->nodes, handle->ino);
	if (handle->has_pages)
		pages_close(front->pages, handle->ino, handle->can_read);
	pthread_mutex_lock(&front->mutex);
	DL_DELETE(front->handles, handle);
	pthread_mutex_unlock(&front->mutex);
	handle_free(handle);
}

/* ---- Owners of locks ---- */

/* Under the handle's mutex; owner_count: there is none. */
static size_t find_owner(const struct handle *handle, enum lock_kind kind, uint64_t owner)
{
	size_t i = 0;

	while (i < handle->owner_count &&
		(handle->owners[i].kind != kind || handle->owners[i].owner != owner))
		i++;
	return i;
}

static int append_owner(struct handle *handle, enum lock_kind kind, uint64_t owner)
{
	struct handle_owner *owners;

	if (handle->owner_count == OWNERS_MAX)
		return -ENOLCK;
	owners = realloc(handle->owners, (handle->owner_count + 1) * sizeof *owners);
	if (!owners)
		return -ENOMEM;
	handle->owners = owners;
	owners[handle->owner_count++] = (struct handle_owner){kind, owner};
	return 0;
}

int handle_add_owner(struct handle *handle, enum lock_kind kind, uint64_t owner)
{
	int result = 0;

	pthread_mutex_lock(&handle->mutex);
	if (find_owner(handle, kind, owner) == handle->owner_count)
		result = append_owner(handle, kind, owner);
	pthread_mutex_unlock(&handle->mutex);
	return result;
}

void handle_remove_owner(struct handle *handle, enum lock_kind kind, uint64_t owner)
{
	size_t at;

	pthread_mutex_lock(&handle->mutex);
	at = find_owner(handle, kind, owner);
	if (at < handle->owner_count)
		handle->owners[at] = handle->owners[--handle->owner_count];
	pthread_mutex_unlock(&handle->mutex);
}

/* ---- Nodes ---- */

bool request_open_node(struct request *request, uint64_t ino)
{
	struct front *front = request->front;
	int result = node_open(front->nodes, ino);

	request->has_node = result == 0;
	if (result == 0 && front->pages && request->opcode != FUSE_OPENDIR) {
		result = pages_open(front->pages, ino, can_read(request));
		request->has_pages = result == 0;
	}
	if (result == 0)
		return true;
	request_close_node(request);
	request_reply_error(request, result);
	return false;
}

void request_close_node(struct request *request)
{
	if (request->has_pages)
		pages_close(request->front->pages, request->ino, can_read(request));
	if (request->has_node)
		node_close(request->front->nodes, request->ino);
	request->has_node = request->has_pages = false;
}

/* ---- OPEN ---- */

static void open_fail(struct request *request, int error)
{
	request_close_node(request);
	request_reply_error(request, error);
}

static void open_settled(struct request *request)
{
	struct handle *handle = handle_new(request, request->ino);
	bool may_keep;

	if (!handle) {
		open_fail(request, -ENOMEM);
		return;
	}
	may_keep = !handle->has_pages || pages_may_keep(request->front->pages, &request->attributes);
	request_lay_over(request); /* its times say whether a read is to be noted */
	request->attributes = request->shown;
	handle_set_info(
		handle, may_keep && !(handle->can_read && request_would_note_read(request)), &request->info);
	if (fuse_reply_open(request->fuse, &request->info) < 0)
		handle_close(request->front, handle); /* nobody waits any more: no release */
	request_free(request);
}

/* Who opens a file sees what was closed before, elsewhere: all of it, and how long it is. */
static void open_done(struct request *request)
{
	if (request->has_pages) {
		request->ticket = pages_opened(request->front->pages, &request->attributes);
		request_renew(request, &request->attributes);
	}
	request_settle(request, open_settled);
}

static void open_truncated(struct client_call *call, int error, const struct op_reply *reply)
{
	struct request *request = request_of_call(call);

	if (request->is_kill)
		request_strip(request->front, request->ino);
	if (error) {
		open_fail(request, error);
		return;
	}
	request->attributes = reply->attributes;
	open_done(request);
}

static void open_flushed(struct request *request)
{
	request->op = (struct op){
		.kind = OP_SETATTR,
		.setattr = {.ino = request->ino,
			.valid = OP_SET_SIZE | OP_SET_MTIME_NOW | (request->is_kill ? OP_SET_KILL : 0)},
	};
	request_call(request, NULL, open_truncated);
}

/* open(2) of immutable and append-only files; the kernel does not know these flags of a FUSE inode. */
static int check_flags(const struct request *request)
{
	uint32_t flags = request->attributes.flags;
	bool writes = (request->info.flags & O_ACCMODE) != O_RDONLY;

	if (flags & FS_FLAG_IMMUTABLE && (writes || request->info.flags & O_TRUNC))
		return -EPERM;
	if (flags & FS_FLAG_APPEND &&
		((writes && !(request->info.flags & O_APPEND)) || request->info.flags & O_TRUNC))
		return -EPERM;
	return 0;
}

/* The kernel came by a name that leads elsewhere, or nowhere, by now. Who has the inode open here, or removed it here, may
 * open it again in other ways (/proc/self/fd). */
static bool is_gone(const struct request *request)
{
	const struct front *front = request->front;

	return request->attributes.nlink == 0 && !node_is_open(front->nodes, request->ino) &&
	       !removed_has(front->removed, request->ino);
}

/* Whether the name may lead elsewhere by now: somebody else changed the inode since the kernel was told of it. */
static bool may_be_renamed(const struct request *request)
{
	const struct front *front = request->front;

	return request->attributes.nlink == 0 ||
	       told_is_name_old(front->told, &request->attributes,
		       pages_are_changing(front->pages, request->ino), env_now(front->options.env));
}

/* -ESTALE lets the kernel look at each name of the path again, once. */
static int check_inode(const struct request *request)
{
	struct retries *retries = request->front->retries;
	uint32_t thread = request_caller_thread(request);
	uint64_t refused;

	if (!retries)
		return request->error;
	refused = retries_end(retries, thread);
	if (request->error || !may_be_renamed(request))
		return request->error;
	if (refused == 0 && retries_begin(retries, thread, request->ino, request->started))
		return -ESTALE;
	return is_gone(request) && (refused == 0 || refused == request->ino) ? -ESTALE : 0;
}

static void open_checked(struct request *request)
{
	int error = check_inode(request);

	if (!error)
		error = check_flags(request);
	request_note_mode(request->front, request->ino, request->attributes.mode);
	if (error)
		open_fail(request, error);
	else if (!(request->info.flags & O_TRUNC))
		open_done(request);
	else
		request_flush(request, request->ino, open_flushed);
}

void ops_open(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *info)
{
	struct request *request = request_new(fuse);

	if (!request)
		return;
	request->ino = ino;
	request->info = *info;
	request->is_kill = lane_flags(request->lane) & LANE_OPEN_KILL;
	if (request_open_node(request, ino))
		request_ask_any(request, attributes_of(ino), open_checked);
}

/* ---- OPENDIR ---- */

void ops_opendir(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *info)
{
	struct request *request = request_new(fuse);
	struct handle *handle;

	if (!request)
		return;
	request->ino = ino;
	request->info = *info;
	if (!request_open_node(request, ino))
		return;
	handle = handle_new(request, ino);
	if (!handle) {
		request_close_node(request);
		request_reply_error(request, -ENOMEM);
		return;
	}
	request->info.fh = (uint64_t)(uintptr_t)handle;
	request->info.cache_readdir = request->front->options.sole_client;
	request->info.keep_cache = request->front->options.sole_client;
	if (fuse_reply_open(fuse, &request->info) < 0)
		handle_close(request->front, handle);
	request_free(request);
}

/* ---- RELEASE ---- */

void ops_release(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *info)
{
	struct request *request = request_new(fuse);
	struct handle *handle = (struct handle *)(uintptr_t)info->fh;

	(void)ino;
	if (!request)
		return;
	locks_release(request, handle);
	handle_close(request->front, handle);
	request_reply_error(request, 0);
}
