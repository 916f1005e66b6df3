/* Operations that look at an inode: LOOKUP, GETATTR, STATX. */
#include <errno.h>
#include <stddef.h>

#include "fs/fuse/raw.h"
#include "fs/vfs/look.h"
#include "fs/vfs/ops.h"
#include "fs/vfs/reply.h"
#include "fs/vfs/stale.h"
#include "proto/container.h"

static struct look *look_of(struct request *request)
{
	return container_of(request, struct look, request);
}

/* False: ask again. */
static bool look_lay_over(struct look *look)
{
	struct attributes shown;

	if (!request_lay_over(&look->request, &look->finding.attributes, &shown))
		return false;
	look->overlay = (struct look_overlay){
		.size = shown.size,
		.blocks = shown.blocks,
		.mtime = shown.mtime,
		.ctime = shown.ctime,
		.mode = shown.mode,
	};
	return true;
}

static struct attributes look_shown(const struct look *look)
{
	struct attributes shown = look->finding.attributes;

	shown.size = look->overlay.size;
	shown.blocks = look->overlay.blocks;
	shown.mtime = look->overlay.mtime;
	shown.ctime = look->overlay.ctime;
	shown.mode = look->overlay.mode;
	return shown;
}

/*
 * ---- LOOKUP ----
 *
 *   op_lookup
 *   lookup_ask       asks for the inode of the name
 *   lookup_found     lays buffered data over its attributes, or asks again; waits until old pages have been dropped
 *   lookup_settled   replies
 */
static void lookup_ask(struct lookup *lookup);
static void lookup_found(struct request *request);
static void lookup_settled(struct request *request);

static struct lookup *lookup_of(struct request *request)
{
	return container_of(look_of(request), struct lookup, look);
}

static void op_lookup(fuse_req_t fuse, fuse_ino_t parent, const char *name)
{
	struct lookup *lookup = request_new_named(fuse, offsetof(struct lookup, name), name);
	struct retries *retries;

	if (!lookup)
		return;
	lookup->look.ino = parent;
	retries = lookup->look.request.front->retries;
	if (retries)
		retries_look_up(retries, lookup->look.request.watched.thread, parent);
	lookup_ask(lookup);
}

static void lookup_ask(struct lookup *lookup)
{
	const struct question question = question_of_name(request_name(lookup->name), lookup->look.ino);

	request_ask_any(&lookup->look.request, &question, &lookup->look.finding, lookup_found);
}

/* For a call that was answered with ESTALE before (retries.h). */
static void lookup_note_missed(const struct look *look)
{
	const struct request *request = &look->request;

	if (request->front->retries)
		retries_missed(request->front->retries, request->watched.thread, look->ino);
}

/* An inode without a name is looked up only by a file handle, as ".", after the kernel has forgotten it: it is about
 * to be released, so the reply is ESTALE. */
static void lookup_found(struct request *request)
{
	struct look *look = look_of(request);

	if (request->error == -ENOENT) {
		lookup_note_missed(look);
		request_reply_no_entry(request);
	} else if (request->error) {
		request_reply_error(request, request->error);
	} else if (look->finding.attributes.nlink == 0) {
		request_reply_error(request, -ESTALE);
	} else if (!look_lay_over(look)) {
		lookup_ask(lookup_of(request));
	} else {
		request_see(request, &look->finding.attributes);
		request_settle(request, lookup_settled);
	}
}

/* As lookup_note_missed. */
static void lookup_note_found(const struct look *look)
{
	const struct front *front = look->request.front;

	if (front->retries)
		retries_found(front->retries, look->request.watched.thread, look->finding.attributes.ino,
			env_now(front->options.env));
}

static void lookup_settled(struct request *request)
{
	struct lookup *lookup = lookup_of(request);
	struct look *look = &lookup->look;
	const struct attributes shown = look_shown(look);

	lookup_note_found(look);
	request_reply_entry(
		request, &look->finding.attributes, &shown, look->ino, request_name(lookup->name));
}

/*
 * ---- GETATTR, and STATX, which libfuse 3.14 does not know ----
 *
 * op_getattr, ops_statx getattr_ask                        asks for the inode's attributes getattr_found
 * lays buffered data over them, or asks again; waits until old pages have been dropped getattr_settled or statx_settled
 * replies
 */
static void getattr_ask(struct look *look);
static void getattr_found(struct request *request);
static void getattr_settled(struct request *request);
static void statx_settled(struct request *request);

static void op_getattr(fuse_req_t fuse, fuse_ino_t ino, struct fuse_file_info *info)
{
	struct look *look = request_new(fuse, sizeof *look);

	(void)info;
	if (!look)
		return;
	look->ino = ino;
	getattr_ask(look);
}

void ops_statx(const struct lane_raw *raw, void *userdata)
{
	struct look *look = request_new_raw(raw, userdata, sizeof *look);

	if (!look)
		return;
	look->ino = raw->node;
	getattr_ask(look);
}

static void getattr_ask(struct look *look)
{
	const struct question question = question_of_attributes(look->ino);

	request_ask_any(&look->request, &question, &look->finding, getattr_found);
}

/* The thread waits for this reply, so its note has not changed since the request came. */
static int getattr_error(const struct look *look)
{
	const struct retry retry = stale_read_retry(&look->request);

	return stale_look_error(&look->request, &retry, look->request.error, look->ino);
}

static void getattr_found(struct request *request)
{
	struct look *look = look_of(request);

	if (request->error) {
		request_reply_error(request, getattr_error(look));
	} else if (!look_lay_over(look)) {
		getattr_ask(look);
	} else {
		request_see(request, &look->finding.attributes);
		request_settle(request, request->fuse ? getattr_settled : statx_settled);
	}
}

static void getattr_settled(struct request *request)
{
	const struct look *look = look_of(request);
	const struct attributes shown = look_shown(look);

	request_reply_attributes(request, &look->finding.attributes, &shown);
}

static void statx_settled(struct request *request)
{
	const struct look *look = look_of(request);
	const struct front *front = request->front;
	struct attributes shown = look_shown(look);
	struct raw_statx_out answer;

	front_note_told(front, &look->finding.attributes, 0);
	atimes_apply(front->atimes, &shown);
	raw_fill_statx(&answer, &shown, FRONT_BLOCK_SIZE, front->timeout);
	request_reply_raw(request, &answer, sizeof answer);
}

void ops_look(struct fuse_lowlevel_ops *operations)
{
	operations->lookup = op_lookup;
	operations->getattr = op_getattr;
}
