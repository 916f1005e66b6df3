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

#include "fs/vfs/request.h"
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
	node_set(request->front->nodes, ino, NODE_OPEN);
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

/* It may have been the last close of what another mount has removed. */
static void close_node(struct front *front, uint64_t ino)
{
	node_close(front->nodes, ino);
	if (front->nameless)
		removed_close(front->removed, ino);
}

void handle_close(struct front *front, struct handle *handle)
{
	close_node(front, handle->ino);
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
		close_node(request->front, request->ino);
	request->has_node = request->has_pages = false;
}

static void refuse(struct request *request, int error)
{
	request_close_node(request);
	request_reply_error(request, error);
}

/* ---- What has no name, or is not there ---- */

static void kept(struct client_call *call, int error, const struct op_reply *reply)
{
	struct request *request = request_of_call(call);
	uint64_t ino = request->ino;

	(void)reply;
	if (error != -ESTALE)
		removed_keep(request->front->removed, ino, error == 0);
	if (error)
		refuse(request, error == -ESTALE && fs_ino_is_directory(ino) ? -ENOENT : error);
	else
		request->opened(request);
}

/* It was found by a name just now, or without one: by a descriptor. */
static void keep(struct request *request)
{
	struct removed *removed = request->front->removed;

	if (removed_has(removed, request->ino)) {
		request->opened(request);
	} else if (removed_is_ending(removed, request->ino)) {
		refuse(request, -ESTALE);
	} else {
		request->op = (struct op){.kind = OP_HOLD, .hold.ino = request->ino};
		request_call(request, NULL, kept);
	}
}

/* Whether the name by which the kernel came may lead elsewhere by now: there is none any more, or somebody else changed the
 * inode since the kernel was told of it. */
static bool may_be_renamed(const struct request *request)
{
	const struct front *front = request->front;

	if (request->error || request->attributes.nlink == 0)
		return request->error == 0 || request->error == -ESTALE;
	return request->has_pages &&
	       told_is_name_old(front->told, &request->attributes,
		       pages_are_changing(front->pages, request->ino), env_now(front->options.env));
}

/* What has a name is refused once, whatever the kernel finds then. A thread of another PID namespace can not be told from
 * others: it looks again where it must. */
static bool is_last_try(const struct request *request)
{
	bool has_name = !request->error && request->attributes.nlink > 0;

	if (request->watched.thread == 0)
		return has_name || (!request->error && request_has_open(request->front, request->ino));
	return (has_name && request->retry.kind != RETRY_NONE && request->retry.missed_in == 0) ||
	       request_is_last_try(request, RETRY_OPEN, request->ino);
}

/* -ESTALE lets the kernel look at each name of the path again, once: even when the inode is open here already, as others
 * may have made another of that name. */
static void open_looked_at(struct request *request)
{
	if (!request->front->retries || !may_be_renamed(request))
		request->opened(request);
	else if (!is_last_try(request))
		refuse(request, request_look_again(request, RETRY_OPEN, request->ino, 0));
	else if (request->error)
		refuse(request, fs_ino_is_directory(request->ino) ? -ENOENT : -ESTALE);
	else if (request->attributes.nlink > 0)
		request->opened(request);
	else
		keep(request);
}

/* ---- OPEN ---- */

/* `stored`: without what is on its way. */
static int reply_opened(struct request *request, const struct attributes *stored)
{
	struct fuse_entry_param entry;

	if (!request->is_creation)
		return fuse_reply_open(request->fuse, &request->info);
	entry = request_entry(
		request->front, stored, &request->attributes, request->made_in, request_name(request->name));
	return fuse_reply_create(request->fuse, &entry, &request->info);
}

static void open_settled(struct request *request)
{
	const struct attributes stored = request->attributes;
	struct handle *handle = handle_new(request, request->ino);
	bool may_keep;

	if (!handle) {
		refuse(request, -ENOMEM);
		return;
	}
	may_keep = !handle->has_pages || pages_may_keep(request->front->pages, &stored);
	request_lay_over(request); /* its times say whether a read is to be noted */
	request->attributes = request->shown;
	handle_set_info(
		handle, may_keep && !(handle->can_read && request_would_note_read(request)), &request->info);
	if (reply_opened(request, &stored) < 0)
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
		refuse(request, error);
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

static void open_checked(struct request *request)
{
	int error = request->error;

	if (!error)
		error = check_flags(request);
	request_note_mode(request->front, request->ino, request->attributes.mode);
	if (error)
		refuse(request, error);
	else if (!(request->info.flags & O_TRUNC))
		open_done(request);
	else
		request_flush(request, request->ino, open_flushed);
}

void request_open(struct request *request)
{
	request->opened = open_checked;
	if (request_open_node(request, request->ino))
		request_ask_any(request, attributes_of(request->ino), open_looked_at);
}

void ops_open(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *info)
{
	struct request *request = request_new(fuse);

	if (!request)
		return;
	request->ino = ino;
	request->info = *info;
	request->is_kill = lane_flags(request->lane) & LANE_OPEN_KILL;
	request_open(request);
}

/* ---- OPENDIR ---- */

static void opendir_done(struct request *request)
{
	struct handle *handle;

	if (request->error || !(handle = handle_new(request, request->ino))) {
		refuse(request, request->error ? request->error : -ENOMEM);
		return;
	}
	request->info.fh = (uint64_t)(uintptr_t)handle;
	request->info.cache_readdir = request->front->options.sole_client;
	request->info.keep_cache = request->front->options.sole_client;
	if (fuse_reply_open(request->fuse, &request->info) < 0)
		handle_close(request->front, handle);
	request_free(request);
}

void ops_opendir(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *info)
{
	struct request *request = request_new(fuse);

	if (!request)
		return;
	request->ino = ino;
	request->info = *info;
	request->opened = opendir_done;
	if (!request_open_node(request, ino))
		return;
	if (request->front->nameless)
		request_ask_any(request, attributes_of(ino), open_looked_at);
	else
		opendir_done(request);
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
