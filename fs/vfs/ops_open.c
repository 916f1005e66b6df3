/* Opening and closing: OPEN, OPENDIR, RELEASE and RELEASEDIR. */
#include <errno.h>
#include <fcntl.h>

#include "fs/vfs/opening.h"
#include "fs/vfs/ops.h"
#include "fs/vfs/privileges.h"
#include "fs/vfs/reply.h"

/*
 * ---- OPEN ----
 *
 *   op_open
 *   opening_open_file   CREATE continues here if the file exists
 *   (opening.h)         finds the inode, and keeps it
 *   open_found          checks whether the file's flags allow the open
 *   open_flushed        O_TRUNC: proposes the new size
 *   open_truncated
 *   open_done           waits until old pages have been dropped
 *   open_settled        makes the handle and replies
 */
static int open_reply(
	struct opening *opening, const struct attributes *stored, const struct attributes *shown);
static void open_found(struct request *request);
static void open_flushed(struct request *request);
static void open_truncated(struct request *request, int error, const struct op_reply *reply);
static void open_done(struct opening *opening);
static void open_settled(struct request *request);

static void op_open(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *info)
{
	struct opening *opening = request_new(fuse, sizeof *opening);

	if (!opening)
		return;
	opening_init(opening, info);
	opening->ino = ino;
	opening->reply = open_reply;
	opening->is_kill = lane_flags(opening->request.lane) & LANE_OPEN_KILL;
	opening_open_file(opening);
}

void opening_open_file(struct opening *opening)
{
	opening_look(opening, open_found);
}

/* The errors of open(2) for immutable and append-only files. The kernel does not know these flags of a FUSE inode. */
static int open_check_flags(const struct opening *opening)
{
	uint32_t flags = opening->finding.attributes.flags;
	int how = opening->info.flags;
	bool writes = (how & O_ACCMODE) != O_RDONLY;

	if (flags & FS_FLAG_IMMUTABLE && (writes || how & O_TRUNC))
		return -EPERM;
	if (flags & FS_FLAG_APPEND && ((writes && !(how & O_APPEND)) || how & O_TRUNC))
		return -EPERM;
	return 0;
}

static void open_found(struct request *request)
{
	struct opening *opening = opening_of(request);
	int error = request->error;

	if (!error)
		error = open_check_flags(opening);
	front_note_mode(request->front, opening->ino, opening->finding.attributes.mode);
	if (error)
		opening_refuse(opening, error);
	else if (!(opening->info.flags & O_TRUNC))
		open_done(opening);
	else
		request_write_back(request, opening->ino, open_flushed);
}

static void open_flushed(struct request *request)
{
	struct opening *opening = opening_of(request);
	uint32_t valid = OP_SET_SIZE | OP_SET_MTIME_NOW;

	if (opening->is_kill)
		valid |= OP_SET_KILL;
	if (opening->is_kill && privileges_strips_group(request->fuse, &opening->finding.attributes))
		valid |= OP_SET_KILL_SGID;
	opening->op = (struct op){
		.kind = OP_SETATTR,
		.setattr = {.ino = opening->ino, .valid = valid},
	};
	request_call(request, &opening->op, NULL, open_truncated);
}

static void open_truncated(struct request *request, int error, const struct op_reply *reply)
{
	struct opening *opening = opening_of(request);

	if (opening->is_kill)
		front_strip(request->front, opening->ino);
	if (error) {
		opening_refuse(opening, error);
		return;
	}
	opening->finding.attributes = reply->attributes;
	open_done(opening);
}

/* Close-to-open consistency: after an open, data and size are those of all closes on other mounts before it. */
static void open_done(struct opening *opening)
{
	struct request *request = &opening->request;

	if (opening->has_pages) {
		request->ticket = pages_opened(request->front->pages, &opening->finding.attributes);
		request_renew(request, &opening->finding.attributes);
	}
	request_settle(request, open_settled);
}

static void open_settled(struct request *request)
{
	struct opening *opening = opening_of(request);
	const struct attributes stored = opening->finding.attributes;
	struct handle *handle = opening_make_handle(opening);
	struct attributes shown;
	bool may_keep;

	if (!handle)
		return;
	may_keep = !handle->has_pages || pages_may_keep(request->front->pages, &stored);
	request_lay_over(request, &opening->finding.attributes, &shown);
	/* By its times: if reads have to be noted, they must come here. */
	if (handle->can_read && front_would_note_read(request->front, &shown, opening->info.flags))
		may_keep = false;
	handle_set_info(request->front, handle, may_keep, &opening->info);
	if (opening->reply(opening, &stored, &shown) < 0)
		handle_close(request->front, handle);
	request_free(request);
}

static int open_reply(
	struct opening *opening, const struct attributes *stored, const struct attributes *shown)
{
	(void)stored, (void)shown;
	return fuse_reply_open(opening->request.fuse, &opening->info);
}

/*
 * ---- OPENDIR ----
 *
 *   op_opendir      has a sole client's kernel open directories by itself: ENOSYS is taken as that, for all directories
 *   (opening.h)     finds the directory, and keeps it; not for a sole client
 *   opendir_found   makes the handle and replies
 */
static void opendir_found(struct request *request);

static void op_opendir(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *info)
{
	struct opening *opening = request_new(fuse, sizeof *opening);
	int error;

	if (!opening)
		return;
	if (opening->request.front->needs_no_opendir) {
		request_reply_error(&opening->request, -ENOSYS);
		return;
	}
	opening_init(opening, info);
	opening->ino = ino;
	if (opening->request.front->nameless) {
		opening_look(opening, opendir_found);
		return;
	}
	error = opening_count(opening);
	if (error)
		request_reply_error(&opening->request, error);
	else
		opendir_found(&opening->request);
}

static void opendir_found(struct request *request)
{
	struct opening *opening = opening_of(request);
	bool sole_client = request->front->options.sole_client;
	struct handle *handle;

	if (request->error) {
		opening_refuse(opening, request->error);
		return;
	}
	handle = opening_make_handle(opening);
	if (!handle)
		return;
	opening->info.fh = (uint64_t)(uintptr_t)handle;
	opening->info.cache_readdir = sole_client;
	opening->info.keep_cache = sole_client;
	if (fuse_reply_open(request->fuse, &opening->info) < 0)
		handle_close(request->front, handle);
	request_free(request);
}

/* ---- RELEASE, RELEASEDIR: replies at once; the locks taken through the handle are dropped in the background ---- */

static void op_release(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *info)
{
	struct request *request = request_new(fuse, sizeof *request);
	struct handle *handle = handle_of(info);

	(void)ino;
	if (!request)
		return;
	locks_release(request, handle);
	handle_close(request->front, handle);
	request_reply_error(request, 0);
}

void ops_open(struct fuse_lowlevel_ops *operations)
{
	operations->open = op_open;
	operations->release = op_release;
	operations->opendir = op_opendir;
	operations->releasedir = op_release;
}
