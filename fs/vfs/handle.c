#include "fs/vfs/handle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <utlist.h>

#define OWNERS_MAX 65536u

struct handle *handle_new(struct front *front, uint64_t ino, bool has_pages, bool can_read, bool is_direct)
{
	struct handle *handle = calloc(1, sizeof *handle);

	if (!handle)
		return NULL;
	handle->ino = ino;
	handle->has_pages = has_pages;
	handle->can_read = can_read;
	handle->is_direct = is_direct;
	pthread_mutex_init(&handle->mutex, NULL);
	node_set(front->nodes, ino, NODE_OPEN);
	handle->errors = node_cursor(front->nodes, ino);
	pthread_mutex_lock(&front->mutex);
	DL_APPEND(front->handles, handle);
	pthread_mutex_unlock(&front->mutex);
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

void handle_close_node(struct front *front, uint64_t ino)
{
	node_close(front->nodes, ino);
	if (front->nameless)
		removed_close(front->removed, ino);
}

void handle_close(struct front *front, struct handle *handle)
{
	handle_close_node(front, handle->ino);
	if (handle->has_pages)
		pages_close(front->pages, handle->ino, handle->can_read);
	pthread_mutex_lock(&front->mutex);
	DL_DELETE(front->handles, handle);
	pthread_mutex_unlock(&front->mutex);
	handle_free(handle);
}

void handle_set_info(
	const struct front *front, const struct handle *handle, bool may_keep, struct fuse_file_info *info)
{
	info->fh = (uint64_t)(uintptr_t)handle;
	info->keep_cache = may_keep;
	info->noflush = front->options.sole_client && (info->flags & O_ACCMODE) == O_RDONLY;
	info->direct_io = handle->is_direct;
}

/* ---- Owners of locks ---- */

/* Under the handle's mutex; owner_count: there is none. */
static size_t handle_find_owner(const struct handle *handle, enum lock_kind kind, uint64_t owner)
{
	size_t i = 0;

	while (i < handle->owner_count &&
		(handle->owners[i].kind != kind || handle->owners[i].owner != owner))
		i++;
	return i;
}

static int handle_append_owner(struct handle *handle, enum lock_kind kind, uint64_t owner)
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
	if (handle_find_owner(handle, kind, owner) == handle->owner_count)
		result = handle_append_owner(handle, kind, owner);
	pthread_mutex_unlock(&handle->mutex);
	return result;
}

void handle_remove_owner(struct handle *handle, enum lock_kind kind, uint64_t owner)
{
	size_t at;

	pthread_mutex_lock(&handle->mutex);
	at = handle_find_owner(handle, kind, owner);
	if (at < handle->owner_count)
		handle->owners[at] = handle->owners[--handle->owner_count];
	pthread_mutex_unlock(&handle->mutex);
}
