/* Listing directories: opendir, readdir, readdirplus, releasedir, fsyncdir. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/vfs/request.h"

/* Changes of names are durable when they are answered. */
static void op_fsyncdir(fuse_req_t fuse, fuse_ino_t ino, int data_only, struct fuse_file_info *info)
{
	(void)ino, (void)data_only, (void)info;
	fuse_reply_err(fuse, 0);
}

/* Without an inode the kernel takes name and type alone: of "..", and of files whose attributes would be too old. */
static struct fuse_entry_param entry_param(const struct request *request, const struct read_entry *entry)
{
	const struct front *front = request->front;

	if (entry->attributes) {
		struct attributes attributes = *entry->attributes, shown;

		if (write_back_lay_over(front->write_back, request->moment, &attributes, &shown))
			return request_entry(front, &attributes, &shown, request->ino, entry->name);
	}
	return (struct fuse_entry_param){.attr = {.st_ino = entry->ino, .st_mode = entry->type}};
}

static void begin_entries(void *argument)
{
	struct request *request = argument;

	request->listing = (struct listing){0};
}

static int add_entry(void *argument, const struct read_entry *entry)
{
	struct request *request = argument;
	struct listing *listing = &request->listing;
	struct fuse_entry_param param;
	char *place = (char *)request->bytes + listing->used;
	size_t room = request->size - listing->used;
	char name[FS_NAME_SIZE_MAX + 1];
	size_t size;

	if (entry->attributes)
		request_see(request, entry->attributes);
	param = entry_param(request, entry);
	memcpy(name, entry->name.data, entry->name.size);
	name[entry->name.size] = '\0';
	if (!entry->continues)
		listing->group_start = listing->used;
	if (request->is_plus)
		size = fuse_add_direntry_plus(
			request->fuse, place, room, name, &param, (off_t)entry->next_cookie);
	else
		size = fuse_add_direntry(
			request->fuse, place, room, name, &param.attr, (off_t)entry->next_cookie);
	if (size > room) {
		listing->used = listing->group_start;
		return 1;
	}
	listing->used += size;
	return 0;
}

static void directory_settled(struct request *request)
{
	request_reply_bytes(request, request->bytes, request->listing.used);
}

static void directory_done(struct request *request)
{
	request_note_read(request);
	request_settle(request, directory_settled);
}

static void list(fuse_req_t fuse, fuse_ino_t ino, size_t size, off_t offset, bool plus)
{
	struct request *request = request_new(fuse);

	if (!request)
		return;
	request->ino = ino;
	request->offset = (uint64_t)offset;
	request->size = size < LANE_WRITE_MAX ? size : LANE_WRITE_MAX;
	request->is_plus = plus;
	request->bytes = malloc(request->size);
	if (!request->bytes) {
		request_reply_error(request, -ENOMEM);
		return;
	}
	request->finding = (struct finding){.begin = begin_entries, .entry = add_entry, .argument = request};
	request_ask(request,
		(struct question){.kind = QUESTION_DIRECTORY,
			.ino = ino,
			.offset = request->offset,
			.size = request->size,
			.is_plus = plus},
		directory_done);
}

static void op_readdir(
	fuse_req_t fuse, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *info)
{
	(void)info;
	list(fuse, ino, size, offset, false);
}

static void op_readdirplus(
	fuse_req_t fuse, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *info)
{
	(void)info;
	list(fuse, ino, size, offset, true);
}

void ops_directories(struct fuse_lowlevel_ops *operations)
{
	operations->opendir = ops_opendir;
	operations->releasedir = ops_release;
	operations->fsyncdir = op_fsyncdir;
	operations->readdir = op_readdir;
	operations->readdirplus = op_readdirplus;
}
