/* Operations on names: MKNOD, MKDIR, SYMLINK, LINK, UNLINK, RMDIR, RENAME, FORGET. */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/vfs/ops.h"
#include "fs/vfs/reply.h"
#include "fs/vfs/stale.h"
#include "proto/container.h"

/* An operation on a name in a directory. */
struct name_change {
	struct request request;
	struct op op;
	struct retry retry; /* the note of an earlier try, if this is a second one */
	struct finding finding; /* LINK, RENAME */
};

struct named_change {
	struct name_change change;
	char name[];
};

static struct name_change *name_change_of(struct request *request)
{
	return container_of(request, struct name_change, request);
}

static struct named_change *named_change_of(struct request *request)
{
	return container_of(name_change_of(request), struct named_change, change);
}

static struct named_change *named_change_new(fuse_req_t fuse, const char *name)
{
	struct named_change *named = request_new_named(fuse, offsetof(struct named_change, name), name);

	if (named)
		named->change.retry = stale_take_retry(&named->change.request);
	return named;
}

static void name_change_reply_error(struct name_change *change, int error)
{
	request_reply_error(
		&change->request, stale_place_error(&change->request, &change->op, &change->retry, error));
}

/* ---- FORGET, BATCH_FORGET: no struct request, no reply ---- */

static void op_forget(fuse_req_t fuse, fuse_ino_t ino, uint64_t nlookup)
{
	struct front *front = lane_userdata(lane_of(fuse));

	(void)nlookup;
	removed_forget(front->removed, ino);
	fuse_reply_none(fuse);
}

static void op_forget_multi(fuse_req_t fuse, size_t count, struct fuse_forget_data *forgets)
{
	struct front *front = lane_userdata(lane_of(fuse));

	for (size_t i = 0; i < count; i++)
		removed_forget(front->removed, forgets[i].ino);
	fuse_reply_none(fuse);
}

/*
 * ---- MKNOD, MKDIR, SYMLINK ----
 *
 *   op_mknod, op_mkdir, op_symlink
 *   make_inode    proposes the inode and its name
 *   make_called   replies
 */
static void make_inode(
	fuse_req_t fuse, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev, const char *target);
static void make_called(struct request *request, int error, const struct op_reply *reply);

static void op_mknod(fuse_req_t fuse, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	make_inode(fuse, parent, name, mode, rdev, NULL);
}

static void op_mkdir(fuse_req_t fuse, fuse_ino_t parent, const char *name, mode_t mode)
{
	make_inode(fuse, parent, name, S_IFDIR | (mode & 07777), 0, NULL);
}

static void op_symlink(fuse_req_t fuse, const char *target, fuse_ino_t parent, const char *name)
{
	if (strlen(target) > FS_SYMLINK_SIZE_MAX)
		fuse_reply_err(fuse, ENAMETOOLONG);
	else
		make_inode(fuse, parent, name, S_IFLNK | 0777, 0, target);
}

static void make_inode(
	fuse_req_t fuse, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev, const char *target)
{
	struct named_change *named = named_change_new(fuse, name);

	if (!named)
		return;
	named->change.op = (struct op){
		.kind = OP_MAKE,
		.make = {.caller = request_caller(&named->change.request),
			.parent = parent,
			.name = request_name(named->name),
			.mode = mode,
			.umask = fuse_req_ctx(fuse)->umask,
			.rdev = (uint32_t)rdev,
			.target = target ? request_name(target) : (struct slice){0}, /* for the call */
			.exclusive = true},
	};
	request_call(&named->change.request, &named->change.op, NULL, make_called);
}

/* The reply of an operation that has made a name. */
static void name_change_reply_entry(
	struct named_change *named, uint64_t parent, const struct attributes *attributes)
{
	struct request *request = &named->change.request;

	request_see(request, attributes);
	request_reply_entry(request, attributes, attributes, parent, request_name(named->name));
}

static void make_called(struct request *request, int error, const struct op_reply *reply)
{
	struct named_change *named = named_change_of(request);

	if (error)
		name_change_reply_error(&named->change, error);
	else
		name_change_reply_entry(named, named->change.op.make.parent, &reply->attributes);
}

/*
 * ---- LINK ----
 *
 *   op_link        writes out buffered data
 *   link_flushed   proposes the name
 *   link_called    replies
 *   link_found     or, if the file is in another region than the directory, when the file's region has been asked for
 *                  its attributes
 */
static void link_flushed(struct request *request);
static void link_called(struct request *request, int error, const struct op_reply *reply);
static void link_ask(struct request *request);
static void link_found(struct request *request);

static void op_link(fuse_req_t fuse, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
	struct named_change *named = named_change_new(fuse, name);

	if (!named)
		return;
	named->change.op = (struct op){
		.kind = OP_LINK,
		.link = {.ino = ino, .parent = parent, .name = request_name(named->name)},
	};
	request_write_back(&named->change.request, ino, link_flushed);
}

static void link_flushed(struct request *request)
{
	request_call(request, &name_change_of(request)->op, NULL, link_called);
}

static void link_called(struct request *request, int error, const struct op_reply *reply)
{
	struct named_change *named = named_change_of(request);
	const struct op_link *link = &named->change.op.link;

	if (error) {
		name_change_reply_error(&named->change, error);
		return;
	}
	removed_drop(request->front->removed, link->ino); /* if it had no name (O_TMPFILE) */
	if (reply->has_attributes)
		name_change_reply_entry(named, link->parent, &reply->attributes);
	else
		link_ask(request);
}

static void link_ask(struct request *request)
{
	struct name_change *change = name_change_of(request);
	const struct question question = {.kind = QUESTION_ATTRIBUTES, .ino = change->op.link.ino};

	request_ask_any(request, &question, &change->finding, link_found);
}

/* If both names are gone again, the caller is told so: after ESTALE the kernel would make the name once more. */
static void link_found(struct request *request)
{
	struct named_change *named = named_change_of(request);
	struct attributes *attributes = &named->change.finding.attributes, shown;

	if (request->error) {
		request_reply_error(request, request->error == -ESTALE ? -ENOENT : request->error);
	} else if (!request_lay_over(request, attributes, &shown)) {
		link_ask(request);
	} else {
		request_see(request, attributes);
		request_reply_entry(
			request, attributes, &shown, named->change.op.link.parent, request_name(named->name));
	}
}

/*
 * ---- UNLINK, RMDIR ----
 *
 *   op_unlink, op_rmdir
 *   remove_name     proposes the removal
 *   remove_called   notes an inode that has no name any more and is held; replies. RENAME ends here, too
 */
static void remove_name(fuse_req_t fuse, enum op_kind kind, fuse_ino_t parent, const char *name);
static void remove_called(struct request *request, int error, const struct op_reply *reply);

static void op_unlink(fuse_req_t fuse, fuse_ino_t parent, const char *name)
{
	remove_name(fuse, OP_UNLINK, parent, name);
}

static void op_rmdir(fuse_req_t fuse, fuse_ino_t parent, const char *name)
{
	remove_name(fuse, OP_RMDIR, parent, name);
}

static void remove_name(fuse_req_t fuse, enum op_kind kind, fuse_ino_t parent, const char *name)
{
	struct named_change *named = named_change_new(fuse, name);

	if (!named)
		return;
	named->change.op = (struct op){
		.kind = kind,
		.remove = {.parent = parent, .name = request_name(named->name), .hold = true},
	};
	request_call(&named->change.request, &named->change.op, NULL, remove_called);
}

static void remove_called(struct request *request, int error, const struct op_reply *reply)
{
	const struct op_victim *victim = &reply->victim;

	if (!error && victim->ino != 0 && victim->nlink == 0 && !victim->is_gone)
		removed_add(request->front->removed, victim->ino);
	name_change_reply_error(name_change_of(request), error);
}

/*
 * ---- RENAME ----
 *
 *   op_rename        asks for the inode of the old name, if any data is buffered
 *   rename_found     writes out its data
 *   rename_flushed   proposes the rename
 *   remove_called    as above
 *
 * A file that is renamed over another one is often meant to replace it as a whole. So its data is written out first,
 * and if that fails nothing is renamed.
 */
struct rename_change {
	struct name_change change;
	char names[]; /* the old name and the new name, each with its NUL */
};

static void rename_found(struct request *request);
static void rename_flushed(struct request *request);

static struct rename_change *rename_new(fuse_req_t fuse, const char *name, const char *new_name)
{
	struct rename_change *rename;

	if (strlen(name) > FS_NAME_SIZE_MAX || strlen(new_name) > FS_NAME_SIZE_MAX) {
		fuse_reply_err(fuse, ENAMETOOLONG);
		return NULL;
	}
	rename = request_new_with_room(fuse, sizeof *rename, strlen(name) + 1 + strlen(new_name) + 1);
	if (!rename)
		return NULL;
	strcpy(stpcpy(rename->names, name) + 1, new_name);
	rename->change.retry = stale_take_retry(&rename->change.request);
	return rename;
}

static void op_rename(fuse_req_t fuse, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
	const char *new_name, unsigned flags)
{
	struct rename_change *rename = rename_new(fuse, name, new_name);
	struct request *request;
	struct question question;

	if (!rename)
		return;
	request = &rename->change.request;
	rename->change.op = (struct op){
		.kind = OP_RENAME,
		.rename = {.caller = request_caller(request),
			.parent = parent,
			.name = request_name(rename->names),
			.new_parent = new_parent,
			.new_name = request_name(rename->names + strlen(name) + 1),
			.flags = flags,
			.hold = true},
	};
	question = question_of_name(rename->change.op.rename.name, parent);
	if (write_back_is_clean(request->front->write_back))
		rename_flushed(request);
	else
		request_ask_any(request, &question, &rename->change.finding, rename_found);
}

static void rename_found(struct request *request)
{
	if (request->error)
		rename_flushed(request);
	else
		request_write_back_or_fail(
			request, name_change_of(request)->finding.attributes.ino, rename_flushed);
}

static void rename_flushed(struct request *request)
{
	request_call(request, &name_change_of(request)->op, NULL, remove_called);
}

void ops_names(struct fuse_lowlevel_ops *operations)
{
	operations->forget = op_forget;
	operations->forget_multi = op_forget_multi;
	operations->mknod = op_mknod;
	operations->mkdir = op_mkdir;
	operations->symlink = op_symlink;
	operations->link = op_link;
	operations->unlink = op_unlink;
	operations->rmdir = op_rmdir;
	operations->rename = op_rename;
}
