/* Operations on names: lookup, making, linking, removing and renaming. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/fuse/raw.h"
#include "fs/vfs/request.h"

#define MAKINGS_MAX 64u /* of one CREATE, while others make and remove the name */

/* ---- LOOKUP, FORGET ---- */

static void look_up(struct request *request);

/* For a call that was told to look again. */
static void note_found(const struct request *request)
{
	const struct front *front = request->front;

	if (front->retries)
		retries_found(front->retries, request->watched.thread, request->attributes.ino,
			env_now(front->options.env));
}

static void note_missed(const struct request *request)
{
	if (request->front->retries)
		retries_missed(request->front->retries, request->watched.thread, request->ino);
}

static void found_settled(struct request *request)
{
	note_found(request);
	request_reply_entry(
		request, &request->attributes, &request->shown, request->ino, request_name(request->name));
}

static void found(struct request *request)
{
	request_see(request, &request->attributes);
	request_settle(request, found_settled);
}

/* What has no name is looked up by a file handle, as ".", and only when the kernel has forgotten it: it is about to go. */
static void lookup_done(struct request *request)
{
	if (!request->error && request->attributes.nlink == 0)
		request_reply_error(request, -ESTALE);
	else if (!request->error && !request_lay_over(request))
		look_up(request);
	else if (request->error == -ENOENT) {
		note_missed(request);
		request_reply_no_entry(request);
	} else if (request->error)
		request_reply_error(request, request->error);
	else
		found(request);
}

static void look_up(struct request *request)
{
	request_ask_any(request, inode_called(request_name(request->name), request->ino), lookup_done);
}

static void op_lookup(fuse_req_t fuse, fuse_ino_t parent, const char *name)
{
	struct request *request = request_new_named(fuse, name);

	if (!request)
		return;
	request->ino = parent;
	if (request->front->retries)
		retries_look_up(request->front->retries, request->watched.thread, parent);
	look_up(request);
}

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

/* ---- Making ---- */

static void entry_called(struct client_call *call, int error, const struct op_reply *reply)
{
	struct request *request = request_of_call(call);
	uint64_t parent = request->op.kind == OP_LINK ? request->op.link.parent : request->op.make.parent;

	if (error)
		request_reply_error(request, request_place_error(request, error));
	else {
		request_see(request, &reply->attributes);
		request_reply_entry(
			request, &reply->attributes, &reply->attributes, parent, request_name(request->name));
	}
}

static void make(
	fuse_req_t fuse, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev, const char *target)
{
	struct request *request = request_new_named(fuse, name);

	if (!request)
		return;
	request->op = (struct op){
		.kind = OP_MAKE,
		.make = {.caller = request_caller(request),
			.parent = parent,
			.name = request_name(request->name),
			.mode = mode,
			.umask = fuse_req_ctx(fuse)->umask,
			.rdev = (uint32_t)rdev,
			.target = target ? request_name(target) : (struct slice){0},
			.exclusive = true},
	};
	request_call(request, NULL, entry_called);
}

static void op_mknod(fuse_req_t fuse, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	make(fuse, parent, name, mode, rdev, NULL);
}

static void op_mkdir(fuse_req_t fuse, fuse_ino_t parent, const char *name, mode_t mode)
{
	make(fuse, parent, name, S_IFDIR | (mode & 07777), 0, NULL);
}

static void op_symlink(fuse_req_t fuse, const char *target, fuse_ino_t parent, const char *name)
{
	if (strlen(target) > FS_SYMLINK_SIZE_MAX)
		fuse_reply_err(fuse, ENAMETOOLONG);
	else
		make(fuse, parent, name, S_IFLNK | 0777, 0, target);
}

static void link_called(struct client_call *call, int error, const struct op_reply *reply)
{
	struct request *request = request_of_call(call);

	if (!error)
		removed_drop(request->front->removed, request->op.link.ino);
	entry_called(call, error, reply);
}

static void link_flushed(struct request *request)
{
	request_call(request, NULL, link_called);
}

static void op_link(fuse_req_t fuse, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
	struct request *request = request_new_named(fuse, name);

	if (!request)
		return;
	request->op = (struct op){
		.kind = OP_LINK,
		.link = {.ino = ino, .parent = parent, .name = request_name(request->name)},
	};
	request_flush(request, ino, link_flushed);
}

/* ---- CREATE ---- */

static void create_done(struct request *request)
{
	struct fuse_entry_param entry = request_entry(request->front, &request->attributes,
		&request->attributes, request->op.make.parent, request_name(request->name));
	struct handle *handle = handle_new(request, request->ino);

	if (!handle) {
		request_close_node(request);
		request_reply_error(request, -ENOMEM);
		return;
	}
	if (handle->has_pages) {
		pages_are_fresh(request->front->pages, &request->attributes);
		request_see(request, &request->attributes);
	}
	handle_set_info(handle, true, &request->info);
	if (fuse_reply_create(request->fuse, &entry, &request->info) < 0)
		handle_close(request->front, handle);
	request_free(request);
}

static void create(struct request *request);

/* The kernel has checked what the caller may do in the directory, not with this file. Whoever owns it may do with it as its
 * bits for the owner say, whatever else is allowed. */
static bool may_open(const struct request *request)
{
	const struct attributes *attributes = &request->attributes;
	int mode = request->info.flags & O_ACCMODE;
	uint32_t needed = (mode != O_WRONLY ? S_IRUSR : 0) |
			  (mode != O_RDONLY || request->info.flags & O_TRUNC ? S_IWUSR : 0);

	return S_ISREG(attributes->mode) && attributes->uid == request_caller(request).uid &&
	       (attributes->mode & needed) == needed;
}

static void existing_found(struct request *request)
{
	if (request->error == -ENOENT && request->makings < MAKINGS_MAX) {
		create(request);
	} else if (request->error) {
		request_reply_error(request, request->error == -ENOENT ? -ESTALE : request->error);
	} else if (!may_open(request)) {
		request_reply_error(request, -ESTALE);
	} else {
		request->ino = request->attributes.ino;
		request->retry =
			(struct retry){.kind = RETRY_OPEN, .told = {request->ino}}; /* the last try */
		request->is_creation = true;
		request_open(request);
	}
}

/* Another mount was first: without O_EXCL the kernel is to look again, and to open what it finds as that file's permissions
 * say. If it has looked again already, and others make and remove the name, it is done here. */
static void create_again(struct request *request)
{
	if (request->retry.kind != RETRY_NONE)
		request_ask_any(request, inode_called(request->op.make.name, request->op.make.parent),
			existing_found);
	else
		request_reply_error(request, request_look_again(request, RETRY_OPEN, 0, 0));
}

static void end_making(struct request *request)
{
	if (request->front->nameless)
		nameless_end_making(request->front->nameless, request->making);
}

static void create_called(struct client_call *call, int error, const struct op_reply *reply)
{
	struct request *request = request_of_call(call);
	bool is_open;

	if (error) {
		end_making(request);
		if (error == -EEXIST && !(request->info.flags & O_EXCL))
			create_again(request);
		else
			request_reply_error(request, request_place_error(request, error));
		return;
	}
	request->attributes = reply->attributes;
	request->ino = reply->attributes.ino;
	is_open = request_open_node(request, request->ino);
	end_making(request);
	if (is_open)
		create_done(request);
}

static void create(struct request *request)
{
	if (request->front->nameless)
		request->making = nameless_begin_making(request->front->nameless);
	request->makings++;
	request_call(request, NULL, create_called);
}

static void op_create(
	fuse_req_t fuse, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *info)
{
	struct request *request = request_new_named(fuse, name);

	if (!request)
		return;
	request->info = *info;
	request->made_in = parent;
	request->is_kill = lane_flags(request->lane) & LANE_OPEN_KILL;
	request->op = (struct op){
		.kind = OP_MAKE,
		.make = {.caller = request_caller(request),
			.parent = parent,
			.name = request_name(request->name),
			.mode = S_IFREG | (mode & 07777),
			.umask = fuse_req_ctx(fuse)->umask,
			.exclusive = true},
	};
	create(request);
}

/* ---- Removing: UNLINK, RMDIR, and RENAME over a name ---- */

static void remove_called(struct client_call *call, int error, const struct op_reply *reply)
{
	struct request *request = request_of_call(call);
	const struct op_victim *victim = &reply->victim;

	if (!error && victim->ino != 0 && victim->nlink == 0 && !victim->is_gone)
		removed_add(request->front->removed, victim->ino);
	request_reply_error(request, request_place_error(request, error));
}

static void remove_name(fuse_req_t fuse, enum op_kind kind, fuse_ino_t parent, const char *name)
{
	struct request *request = request_new_named(fuse, name);

	if (!request)
		return;
	request->op = (struct op){
		.kind = kind,
		.remove = {.parent = parent, .name = request_name(request->name), .hold = true},
	};
	request_call(request, NULL, remove_called);
}

static void op_unlink(fuse_req_t fuse, fuse_ino_t parent, const char *name)
{
	remove_name(fuse, OP_UNLINK, parent, name);
}

static void op_rmdir(fuse_req_t fuse, fuse_ino_t parent, const char *name)
{
	remove_name(fuse, OP_RMDIR, parent, name);
}

static void rename_flushed(struct request *request)
{
	request_call(request, NULL, remove_called);
}

/* What is renamed over something is often meant to replace it as a whole: its data goes first, and without it the name
 * stays what it was. */
static void rename_found(struct request *request)
{
	if (request->error)
		rename_flushed(request);
	else
		request_flush_or_fail(request, request->attributes.ino, rename_flushed);
}

static void op_rename(fuse_req_t fuse, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
	const char *new_name, unsigned flags)
{
	struct request *request;

	if (strlen(new_name) > FS_NAME_SIZE_MAX) {
		fuse_reply_err(fuse, ENAMETOOLONG);
		return;
	}
	request = request_new_named(fuse, name);
	if (!request)
		return;
	strcpy(request->new_name, new_name);
	request->op = (struct op){
		.kind = OP_RENAME,
		.rename = {.caller = request_caller(request),
			.parent = parent,
			.name = request_name(request->name),
			.new_parent = new_parent,
			.new_name = request_name(request->new_name),
			.flags = flags,
			.hold = true},
	};
	if (write_back_is_clean(request->front->write_back))
		rename_flushed(request);
	else
		request_ask_any(request, inode_called(request->op.rename.name, parent), rename_found);
}

/* ---- TMPFILE, which libfuse 3.14 does not know ---- */

static void tmpfile_done(struct request *request)
{
	struct fuse_entry_param entry = request_entry(
		request->front, &request->attributes, &request->attributes, 0, (struct slice){0});
	struct handle *handle = handle_new(request, request->ino);
	struct raw_created answer;

	if (!handle) {
		removed_forget(request->front->removed, request->ino);
		request_close_node(request);
		request_reply_error(request, -ENOMEM);
		return;
	}
	if (handle->has_pages) {
		pages_are_fresh(request->front->pages, &request->attributes);
		request_see(request, &request->attributes);
	}
	handle_set_info(handle, true, &request->info);
	raw_fill_created(&answer, &entry, &request->info);
	if (lane_reply(request->lane, request->raw.unique, 0, &answer, sizeof answer) < 0) {
		handle_close(request->front, handle);
		removed_forget(request->front->removed, request->ino);
	}
	request_free(request);
}

static void tmpfile_called(struct client_call *call, int error, const struct op_reply *reply)
{
	struct request *request = request_of_call(call);
	struct removed *removed = request->front->removed;

	if (error) {
		request_reply_error(request, request_place_error(request, error));
		return;
	}
	request->attributes = reply->attributes;
	request->ino = reply->attributes.ino;
	removed_add(removed, request->ino);
	if (request_open_node(request, request->ino))
		tmpfile_done(request);
	else
		removed_forget(removed, reply->attributes.ino);
}

void ops_tmpfile(const struct lane_raw *raw, void *userdata)
{
	const struct fuse_create_in *in = raw->argument;
	struct request *request;

	if (raw->size < sizeof *in) {
		lane_reply(raw->lane, raw->unique, -EINVAL, NULL, 0);
		return;
	}
	request = request_new_raw(raw, userdata);
	if (!request)
		return;
	request->info.flags = (int)in->flags;
	request->op = (struct op){
		.kind = OP_TMPFILE,
		.tmpfile = {.caller = request_caller(request),
			.parent = raw->node,
			.mode = S_IFREG | (in->mode & 07777),
			.umask = in->umask},
	};
	request_call(request, NULL, tmpfile_called);
}

void ops_names(struct fuse_lowlevel_ops *operations)
{
	operations->lookup = op_lookup;
	operations->forget = op_forget;
	operations->forget_multi = op_forget_multi;
	operations->mknod = op_mknod;
	operations->mkdir = op_mkdir;
	operations->symlink = op_symlink;
	operations->link = op_link;
	operations->create = op_create;
	operations->unlink = op_unlink;
	operations->rmdir = op_rmdir;
	operations->rename = op_rename;
}
