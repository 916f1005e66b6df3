/* Making a file and opening it at once: CREATE, TMPFILE. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stddef.h>
#include <sys/stat.h>

#include "fs/fuse/raw.h"
#include "fs/vfs/opening.h"
#include "fs/vfs/ops.h"
#include "fs/vfs/reply.h"
#include "fs/vfs/stale.h"
#include "proto/container.h"

#define MAKINGS_MAX 64u /* tries of one CREATE, while other mounts make and remove the name */

struct create {
	struct opening opening;
	struct op op; /* makes the file; opening.op is for opening a file that exists */
	uint64_t parent;
	unsigned making; /* of nameless_begin_making */
	uint32_t makings; /* how often OP_MAKE was proposed */
	char name[];
};

static void create_opened(struct opening *opening);

/*
 * ---- CREATE ----
 *
 *   op_create
 *   create_make     proposes the file, if the name is free
 *   create_called   counts the open
 *   create_opened   makes the handle and replies; shared with TMPFILE
 *
 * If another mount has made the file:
 *
 *   create_again    -ESTALE: the kernel looks again, and opens the file; on the second try, asks for it here
 *   create_found    if the name is gone again: create_make
 *   (ops_open.c)    opens the file as OPEN does, and replies by create_reply
 */
static void create_make(struct create *create);
static void create_called(struct request *request, int error, const struct op_reply *reply);
static void create_again(struct create *create);
static void create_found(struct request *request);
static int create_reply(
	struct opening *opening, const struct attributes *stored, const struct attributes *shown);

static struct create *create_of(struct request *request)
{
	return container_of(opening_of(request), struct create, opening);
}

static void op_create(
	fuse_req_t fuse, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *info)
{
	struct create *create = request_new_named(fuse, offsetof(struct create, name), name);
	struct request *request;

	if (!create)
		return;
	request = &create->opening.request;
	opening_init(&create->opening, info);
	create->opening.is_kill = lane_flags(request->lane) & LANE_OPEN_KILL;
	create->opening.reply = create_reply;
	create->parent = parent;
	create->op = (struct op){
		.kind = OP_MAKE,
		.make = {.caller = request_caller(request),
			.parent = parent,
			.name = request_name(create->name),
			.mode = S_IFREG | (mode & 07777),
			.umask = fuse_req_ctx(fuse)->umask,
			.exclusive = true},
	};
	create_make(create);
}

static void create_make(struct create *create)
{
	struct request *request = &create->opening.request;

	if (request->front->nameless)
		create->making = nameless_begin_making(request->front->nameless);
	create->makings++;
	request_call(request, &create->op, NULL, create_called);
}

static void create_called(struct request *request, int error, const struct op_reply *reply)
{
	struct create *create = create_of(request);
	struct opening *opening = &create->opening;
	int count_error = 0;

	if (!error) {
		opening->finding.attributes = reply->attributes;
		opening->ino = reply->attributes.ino;
		count_error = opening_count(opening);
	}
	if (request->front->nameless)
		nameless_end_making(request->front->nameless, create->making);
	if (error == -EEXIST && !(opening->info.flags & O_EXCL))
		create_again(create);
	else if (error)
		request_reply_error(request, stale_place_error(request, &create->op, &opening->retry, error));
	else if (count_error)
		request_reply_error(request, count_error);
	else
		create_opened(opening);
}

/* Another mount has made the file. Without O_EXCL the kernel has to look again, and checks that file's permissions
 * before it opens it. If this is the second try already (other mounts make and remove the name), the file is opened
 * here. */
static void create_again(struct create *create)
{
	struct opening *opening = &create->opening;
	const struct question question = question_of_name(create->op.make.name, create->parent);

	if (opening->retry.kind != RETRY_NONE)
		request_ask_any(&opening->request, &question, &opening->finding, create_found);
	else
		request_reply_error(&opening->request, stale_look_again(&opening->request, RETRY_OPEN, 0, 0));
}

/* The kernel has checked the caller's permissions on the directory, not on this file. Only the file's owner may open it
 * here, if the mode bits for the owner allow it. */
static bool create_may_open(const struct opening *opening)
{
	const struct attributes *attributes = &opening->finding.attributes;
	int mode = opening->info.flags & O_ACCMODE;
	uint32_t needed = (mode != O_WRONLY ? S_IRUSR : 0) |
			  (mode != O_RDONLY || opening->info.flags & O_TRUNC ? S_IWUSR : 0);

	return S_ISREG(attributes->mode) && attributes->uid == request_caller(&opening->request).uid &&
	       (attributes->mode & needed) == needed;
}

static void create_found(struct request *request)
{
	struct create *create = create_of(request);
	struct opening *opening = &create->opening;
	int error = request->error;

	if (error == -ENOENT && create->makings < MAKINGS_MAX) {
		create_make(create);
	} else if (error) {
		request_reply_error(request, error == -ENOENT ? -ESTALE : error);
	} else if (!create_may_open(opening)) {
		request_reply_error(request, -ESTALE);
	} else {
		opening->ino = opening->finding.attributes.ino;
		opening->retry =
			(struct retry){.kind = RETRY_OPEN, .told = {opening->ino}}; /* the last try */
		opening_open_file(opening);
	}
}

static int create_reply(
	struct opening *opening, const struct attributes *stored, const struct attributes *shown)
{
	const struct create *create = create_of(&opening->request);
	struct fuse_entry_param entry = front_entry(
		opening->request.front, stored, shown, create->parent, request_name(create->name));

	return fuse_reply_create(opening->request.fuse, &entry, &opening->info);
}

/* ---- The end of CREATE and TMPFILE: the file exists, and is counted as open ---- */

/* The kernel does not have the file. If it has no name, it is released. */
static void create_lost(const struct front *front, const struct attributes *attributes)
{
	if (attributes->nlink == 0)
		removed_forget(front->removed, attributes->ino);
}

static void create_opened(struct opening *opening)
{
	struct request *request = &opening->request;
	struct front *front = request->front;
	const struct attributes attributes = opening->finding.attributes;
	struct handle *handle = opening_make_handle(opening);

	if (!handle) {
		create_lost(front, &attributes);
		return;
	}
	if (handle->has_pages) {
		pages_are_fresh(front->pages, &attributes);
		request_see(request, &attributes);
	}
	handle_set_info(opening->request.front, handle, true, &opening->info);
	if (opening->reply(opening, &attributes, &attributes) < 0) {
		handle_close(front, handle);
		create_lost(front, &attributes);
	}
	request_free(request);
}

/*
 * ---- TMPFILE, which libfuse 3.14 does not know ----
 *
 *   ops_tmpfile      proposes a file without a name, held by this session
 *   tmpfile_called   notes that it is held, and counts the open
 *   create_opened    makes the handle and replies by tmpfile_reply
 */
static void tmpfile_called(struct request *request, int error, const struct op_reply *reply);
static int tmpfile_reply(
	struct opening *opening, const struct attributes *stored, const struct attributes *shown);

void ops_tmpfile(const struct lane_raw *raw, void *userdata)
{
	const struct fuse_create_in *in = raw->argument;
	struct opening *opening;

	if (raw->size < sizeof *in) {
		lane_reply(raw->lane, raw->unique, -EINVAL, NULL, 0);
		return;
	}
	opening = request_new_raw(raw, userdata, sizeof *opening);
	if (!opening)
		return;
	opening_init(opening, &(struct fuse_file_info){.flags = (int)in->flags});
	opening->reply = tmpfile_reply;
	opening->op = (struct op){
		.kind = OP_TMPFILE,
		.tmpfile = {.caller = {raw->uid, raw->gid},
			.parent = raw->node,
			.mode = S_IFREG | (in->mode & 07777),
			.umask = in->umask},
	};
	request_call(&opening->request, &opening->op, NULL, tmpfile_called);
}

static void tmpfile_called(struct request *request, int error, const struct op_reply *reply)
{
	struct opening *opening = opening_of(request);

	if (error) {
		error = stale_place_error(request, &opening->op, &opening->retry, error);
		request_reply_error(request, error);
		return;
	}
	opening->finding.attributes = reply->attributes;
	opening->ino = reply->attributes.ino;
	removed_add(request->front->removed, opening->ino);
	error = opening_count(opening);
	if (!error) {
		create_opened(opening);
		return;
	}
	create_lost(request->front, &reply->attributes);
	request_reply_error(request, error);
}

static int tmpfile_reply(
	struct opening *opening, const struct attributes *stored, const struct attributes *shown)
{
	struct request *request = &opening->request;
	struct fuse_entry_param entry = front_entry(request->front, stored, shown, 0, (struct slice){0});
	struct raw_created answer;

	raw_fill_created(&answer, &entry, &opening->info);
	return lane_reply(request->lane, request->unique, 0, &answer, sizeof answer);
}

void ops_create(struct fuse_lowlevel_ops *operations)
{
	operations->create = op_create;
}
