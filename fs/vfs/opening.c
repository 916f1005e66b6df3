#include "fs/vfs/opening.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>

#include "fs/vfs/reply.h"
#include "fs/vfs/stale.h"
#include "proto/container.h"

struct opening *opening_of(struct request *request)
{
	return container_of(request, struct opening, request);
}

static void opening_given_up(struct request *request)
{
	opening_refuse(opening_of(request), -EINTR);
}

void opening_init(struct opening *opening, const struct fuse_file_info *info)
{
	if (info)
		opening->info = *info;
	opening->retry = stale_take_retry(&opening->request);
	opening->request.given_up = opening_given_up;
}

/* ---- Counting ---- */

/* The store decides at which offset an append goes, so the kernel cannot put it into its pages. */
static bool opening_is_direct(const struct opening *opening)
{
	const struct request *request = &opening->request;
	int flags = opening->info.flags;

	return request->front->pages && request->opcode != FUSE_OPENDIR && flags & O_APPEND &&
	       (flags & O_ACCMODE) != O_RDONLY;
}

static bool opening_can_read(const struct opening *opening)
{
	return (opening->info.flags & O_ACCMODE) != O_WRONLY && !opening_is_direct(opening);
}

static void opening_uncount(struct opening *opening)
{
	struct front *front = opening->request.front;

	if (opening->has_pages)
		pages_close(front->pages, opening->ino, opening_can_read(opening));
	if (opening->request.has_node)
		handle_close_node(front, opening->ino);
	opening->request.has_node = opening->has_pages = false;
}

int opening_count(struct opening *opening)
{
	struct front *front = opening->request.front;
	int result = node_open(front->nodes, opening->ino);

	opening->request.has_node = result == 0;
	if (result == 0 && front->pages && opening->request.opcode != FUSE_OPENDIR) {
		result = pages_open(front->pages, opening->ino, opening_can_read(opening));
		opening->has_pages = result == 0;
	}
	if (result < 0)
		opening_uncount(opening);
	return result;
}

void opening_refuse(struct opening *opening, int error)
{
	opening_uncount(opening);
	request_reply_error(&opening->request, error);
}

static bool opening_can_write_pages(const struct opening *opening)
{
	int flags = opening->info.flags;

	return (flags & O_ACCMODE) != O_RDONLY && !(flags & O_DIRECT) && !opening_is_direct(opening);
}

struct handle *opening_make_handle(struct opening *opening)
{
	struct handle *handle = handle_new(opening->request.front, opening->ino, opening->has_pages,
		opening_can_read(opening), opening_is_direct(opening));

	if (!handle) {
		opening_refuse(opening, -ENOMEM);
		return NULL;
	}
	handle->is_synced = (opening->info.flags & (O_SYNC | O_DSYNC)) != 0;
	if (opening_can_write_pages(opening))
		node_set(opening->request.front->nodes, opening->ino, NODE_PAGE_WRITER);
	opening->request.has_node = opening->has_pages = false; /* the handle has them now */
	return handle;
}

/*
 * ---- Finding the inode, and keeping it ----
 *
 *   opening_look      counts the open, and asks for the attributes
 *   opening_found     may refuse the open once, so that the kernel looks again
 *   opening_keep      holds an inode that has no name any more
 *   opening_kept      notes that it is held
 *   opening->opened
 */
static void opening_found(struct request *request);
static void opening_keep(struct opening *opening);
static void opening_kept(struct request *request, int error, const struct op_reply *reply);

void opening_look(struct opening *opening, request_cb opened)
{
	const struct question question = question_of_attributes(opening->ino);
	int error = opening_count(opening);

	opening->opened = opened;
	if (error)
		request_reply_error(&opening->request, error);
	else
		request_ask_any(&opening->request, &question, &opening->finding, opening_found);
}

/* Whether the name by which the kernel found the inode may be gone: the inode has no name any more, or another mount
 * changed it after the kernel was told the name. */
static bool may_be_renamed(const struct opening *opening)
{
	const struct attributes *attributes = &opening->finding.attributes;
	const struct front *front = opening->request.front;
	int error = opening->request.error;

	if (error || attributes->nlink == 0)
		return error == 0 || error == -ESTALE;
	return opening->has_pages &&
	       told_is_name_old(front->told, attributes, pages_are_changing(front->pages, opening->ino),
		       env_now(front->options.env));
}

/* An inode with a name is refused once only, also if the second lookup found another inode. Threads of other PID
 * namespaces (thread 0) cannot be told apart: they are refused only if the inode is gone, or has no name and is not
 * open here. */
static bool opening_is_last_try(const struct opening *opening)
{
	const struct request *request = &opening->request;
	bool has_name = !request->error && opening->finding.attributes.nlink > 0;

	if (request->watched.thread == 0)
		return has_name || (!request->error && front_has_open(request->front, opening->ino));
	return (has_name && opening->retry.kind != RETRY_NONE && opening->retry.missed_in == 0) ||
	       stale_is_last_try(request, &opening->retry, RETRY_OPEN, opening->ino);
}

/* -ESTALE makes the kernel look up each name of the path again, once. This is needed even if the inode is open here
 * already: another mount may have made another file of that name. */
static void opening_found(struct request *request)
{
	struct opening *opening = opening_of(request);

	if (!request->front->retries || !may_be_renamed(opening))
		opening->opened(request);
	else if (!opening_is_last_try(opening))
		opening_refuse(opening, stale_look_again(request, RETRY_OPEN, opening->ino, 0));
	else if (request->error)
		opening_refuse(opening, fs_ino_is_directory(opening->ino) ? -ENOENT : -ESTALE);
	else if (opening->finding.attributes.nlink > 0)
		opening->opened(request);
	else
		opening_keep(opening);
}

/* The inode has no name: the second lookup has just found it, or it was opened by a descriptor (/proc/self/fd). */
static void opening_keep(struct opening *opening)
{
	struct removed *removed = opening->request.front->removed;

	if (removed_has(removed, opening->ino)) {
		opening->opened(&opening->request);
	} else if (removed_is_ending(removed, opening->ino)) {
		opening_refuse(opening, -ESTALE);
	} else {
		opening->op = (struct op){.kind = OP_HOLD, .hold.ino = opening->ino};
		request_call(&opening->request, &opening->op, NULL, opening_kept);
	}
}

static void opening_kept(struct request *request, int error, const struct op_reply *reply)
{
	struct opening *opening = opening_of(request);
	uint64_t ino = opening->ino;

	(void)reply;
	if (error != -ESTALE)
		removed_keep(request->front->removed, ino, error == 0);
	if (error)
		opening_refuse(opening, error == -ESTALE && fs_ino_is_directory(ino) ? -ENOENT : error);
	else
		opening->opened(request);
}
