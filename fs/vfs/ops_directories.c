/* Listing directories: READDIR, READDIRPLUS, FSYNCDIR. */
#include <string.h>

#include "fs/vfs/ops.h"
#include "fs/vfs/reply.h"
#include "proto/container.h"

/* Changes of names are durable when they are answered. */
static void op_fsyncdir(fuse_req_t fuse, fuse_ino_t ino, int data_only, struct fuse_file_info *info)
{
	(void)ino, (void)data_only, (void)info;
	fuse_reply_err(fuse, 0);
}

/*
 * ---- READDIR, READDIRPLUS ----
 *
 *   op_readdir, op_readdirplus
 *   listing_ask                    asks for entries
 *   listing_begin, listing_add     put them into the reply, perhaps more than once
 *   listing_found                  waits until old pages have gone
 *   listing_settled                replies
 */
struct listing {
	struct request request;
	struct finding finding;
	uint64_t ino;
	size_t size; /* of the reply, at most */
	size_t used; /* bytes of the reply */
	size_t group_start; /* of the entries that share the last cookie: they go into one reply together */
	bool is_plus;
	char bytes[];
};

static void listing_ask(fuse_req_t fuse, fuse_ino_t ino, size_t size, off_t offset, bool is_plus);
static void listing_begin(void *argument);
static int listing_add(void *argument, const struct read_entry *entry);
static void listing_found(struct request *request);
static void listing_settled(struct request *request);

static struct listing *listing_of(struct request *request)
{
	return container_of(request, struct listing, request);
}

static void op_readdir(
	fuse_req_t fuse, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *info)
{
	(void)info;
	listing_ask(fuse, ino, size, offset, false);
}

static void op_readdirplus(
	fuse_req_t fuse, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *info)
{
	(void)info;
	listing_ask(fuse, ino, size, offset, true);
}

static void listing_ask(fuse_req_t fuse, fuse_ino_t ino, size_t size, off_t offset, bool is_plus)
{
	struct listing *listing;
	struct question question;

	if (size > LANE_WRITE_MAX)
		size = LANE_WRITE_MAX;
	listing = request_new_with_room(fuse, sizeof *listing, size);
	if (!listing)
		return;
	listing->ino = ino;
	listing->size = size;
	listing->is_plus = is_plus;
	listing->finding =
		(struct finding){.begin = listing_begin, .entry = listing_add, .argument = listing};
	question = (struct question){.kind = QUESTION_DIRECTORY,
		.ino = ino,
		.offset = (uint64_t)offset,
		.size = size,
		.is_plus = is_plus};
	request_ask(&listing->request, &question, &listing->finding, listing_found);
}

static void listing_begin(void *argument)
{
	struct listing *listing = argument;

	listing->used = listing->group_start = 0;
}

/* Without an inode the kernel takes name and type alone: of "..", and of files whose attributes would be too old. */
static struct fuse_entry_param listing_param(const struct listing *listing, const struct read_entry *entry)
{
	const struct request *request = &listing->request;

	if (entry->attributes) {
		struct attributes attributes = *entry->attributes, shown;

		if (request_lay_over(request, &attributes, &shown))
			return front_entry(request->front, &attributes, &shown, listing->ino, entry->name);
	}
	return (struct fuse_entry_param){.attr = {.st_ino = entry->ino, .st_mode = entry->type}};
}

static int listing_add(void *argument, const struct read_entry *entry)
{
	struct listing *listing = argument;
	struct request *request = &listing->request;
	char *place = listing->bytes + listing->used;
	size_t room = listing->size - listing->used;
	off_t next = (off_t)entry->next_cookie;
	struct fuse_entry_param param;
	char name[FS_NAME_SIZE_MAX + 1];
	size_t size;

	if (entry->attributes)
		request_see(request, entry->attributes);
	param = listing_param(listing, entry);
	memcpy(name, entry->name.data, entry->name.size);
	name[entry->name.size] = '\0';
	if (!entry->continues)
		listing->group_start = listing->used;
	if (listing->is_plus)
		size = fuse_add_direntry_plus(request->fuse, place, room, name, &param, next);
	else
		size = fuse_add_direntry(request->fuse, place, room, name, &param.attr, next);
	if (size > room) {
		listing->used = listing->group_start;
		return 1;
	}
	listing->used += size;
	return 0;
}

static void listing_found(struct request *request)
{
	front_note_read(request->front, &listing_of(request)->finding.attributes, 0);
	request_settle(request, listing_settled);
}

static void listing_settled(struct request *request)
{
	const struct listing *listing = listing_of(request);

	request_reply_bytes(request, listing->bytes, listing->used);
}

void ops_directories(struct fuse_lowlevel_ops *operations)
{
	operations->fsyncdir = op_fsyncdir;
	operations->readdir = op_readdir;
	operations->readdirplus = op_readdirplus;
}
