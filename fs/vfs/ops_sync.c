/*
 * What is durable: FSYNC, FSYNCDIR, and the virtual attribute that has a whole mount made durable.
 *
 * With early answers (raftkv.h: raftkv_sync) the changes of names and attributes that were answered may not be durable yet.
 * The log is one stream, so each of these waits for all of them: a file's creation, those of the directories above it, and
 * the rename that published it are covered.
 */
#include <errno.h>
#include <stdlib.h>

#include "fs/vfs/handle.h"
#include "fs/vfs/ops.h"
#include "fs/vfs/reply.h"
#include "proto/container.h"

/*
 * ---- FSYNC ----
 *
 *   op_fsync        writes out buffered data
 *   fsync_flushed   waits until all changes are durable
 *   fsync_synced    replies with the error of data that could not be written
 */
struct fsync {
	struct request request;
	uint64_t ino;
	struct handle *handle;
};

static void fsync_flushed(struct request *request);
static void fsync_synced(struct request *request);

static void op_fsync(fuse_req_t fuse, fuse_ino_t ino, int data_only, struct fuse_file_info *info)
{
	struct fsync *fsync = request_new(fuse, sizeof *fsync);

	(void)data_only;
	if (!fsync)
		return;
	fsync->ino = ino;
	fsync->handle = handle_of(info);
	request_write_back(&fsync->request, ino, fsync_flushed);
}

static void fsync_flushed(struct request *request)
{
	request_sync(request, fsync_synced);
}

static void fsync_synced(struct request *request)
{
	struct fsync *fsync = container_of(request, struct fsync, request);

	request_reply_error(
		request, node_fsync_error(request->front->nodes, fsync->ino, &fsync->handle->errors));
}

/* ---- FSYNCDIR ---- */

static void fsyncdir_synced(struct request *request)
{
	request_reply_error(request, 0);
}

static void op_fsyncdir(fuse_req_t fuse, fuse_ino_t ino, int data_only, struct fuse_file_info *info)
{
	struct request *request = request_new(fuse, sizeof *request);

	(void)ino, (void)data_only, (void)info;
	if (request)
		request_sync(request, fsyncdir_synced);
}

/*
 * ---- The whole mount ----
 *
 *   ops_sync_all   lists the files with buffered data
 *   all_flushed    writes out the next one; after the last one waits until all changes are durable
 *   all_synced     replies
 *   all_given_up   the caller is dying: replies
 */
struct sync_all {
	struct request request;
	uint64_t *inodes;
	size_t count, capacity, next;
	bool is_short; /* of memory */
};

static void all_flushed(struct request *request);
static void all_synced(struct request *request);
static void all_given_up(struct request *request);

static struct sync_all *sync_all_of(struct request *request)
{
	return container_of(request, struct sync_all, request);
}

static void list_inode(void *argument, uint64_t ino, uint64_t size)
{
	struct sync_all *all = argument;

	(void)size;
	if (all->count == all->capacity) {
		size_t more = all->capacity > 0 ? all->capacity * 2 : 64;
		uint64_t *inodes = realloc(all->inodes, more * sizeof *inodes);

		all->is_short = all->is_short || !inodes;
		if (!inodes)
			return;
		all->inodes = inodes;
		all->capacity = more;
	}
	all->inodes[all->count++] = ino;
}

void ops_sync_all(fuse_req_t fuse)
{
	struct sync_all *all = request_new(fuse, sizeof *all);

	if (!all)
		return;
	all->request.given_up = all_given_up;
	write_back_each(all->request.front->write_back, list_inode, all);
	if (all->is_short) {
		free(all->inodes);
		request_reply_error(&all->request, -ENOMEM);
	} else {
		all_flushed(&all->request);
	}
}

/* Data that cannot be written is told by fsync(2) of its file. */
static void all_flushed(struct request *request)
{
	struct sync_all *all = sync_all_of(request);

	if (all->next < all->count)
		request_write_back(request, all->inodes[all->next++], all_flushed);
	else
		request_sync(request, all_synced);
}

static void all_synced(struct request *request)
{
	free(sync_all_of(request)->inodes);
	request_reply_size(request, 0);
}

static void all_given_up(struct request *request)
{
	free(sync_all_of(request)->inodes);
	request_reply_error(request, -EINTR);
}

void ops_sync(struct fuse_lowlevel_ops *operations)
{
	operations->fsync = op_fsync;
	operations->fsyncdir = op_fsyncdir;
}
