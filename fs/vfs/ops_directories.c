/* Listing directories: READDIR, READDIRPLUS. */
#include <string.h>

#include "fs/vfs/ops.h"
#include "fs/vfs/reply.h"
#include "proto/container.h"

/*
 * ---- READDIR, READDIRPLUS ----
 *
 *   op_readdir, op_readdirplus
 *   readdir_ask                    asks for entries
 *   readdir_begin, readdir_add     put them into the reply; begin again if the question is repeated
 *   readdir_found                  waits until old pages have been dropped
 *   readdir_settled                replies
 */
struct readdir {
	struct request request;
	struct finding finding;
	uint64_t ino;
	size_t size; /* of the reply at most */
	size_t used; /* bytes of the reply so far */
	size_t group_start; /* where the entries with the last cookie start, which must go into one reply */
	bool is_plus;
	char bytes[];
};

static void readdir_ask(fuse_req_t fuse, fuse_ino_t ino, size_t size, off_t offset, bool is_plus);
static void readdir_begin(void *argument);
static int readdir_add(void *argument, const struct read_entry *entry);
static void readdir_found(struct request *request);
static void readdir_settled(struct request *request);

static struct readdir *readdir_of(struct request *request)
{
	return container_of(request, struct readdir, request);
}

static void op_readdir(
	fuse_req_t fuse, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *info)
{
	(void)info;
	readdir_ask(fuse, ino, size, offset, false);
}

static void op_readdirplus(
	fuse_req_t fuse, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *info)
{
	(void)info;
	readdir_ask(fuse, ino, size, offset, true);
}

static void readdir_ask(fuse_req_t fuse, fuse_ino_t ino, size_t size, off_t offset, bool is_plus)
{
	struct readdir *readdir;
	struct question question;

	if (size > LANE_WRITE_MAX)
		size = LANE_WRITE_MAX;
	readdir = request_new_with_room(fuse, sizeof *readdir, size);
	if (!readdir)
		return;
	readdir->ino = ino;
	readdir->size = size;
	readdir->is_plus = is_plus;
	readdir->finding =
		(struct finding){.begin = readdir_begin, .entry = readdir_add, .argument = readdir};
	question = (struct question){.kind = QUESTION_DIRECTORY,
		.ino = ino,
		.offset = (uint64_t)offset,
		.size = size,
		.is_plus = is_plus};
	request_ask(&readdir->request, &question, &readdir->finding, readdir_found);
}

static void readdir_begin(void *argument)
{
	struct readdir *readdir = argument;

	readdir->used = readdir->group_start = 0;
}

/* Without an inode number the kernel takes name and type only: for "..", for files whose attributes are too old, and for
 * inodes of a region that does not answer. */
static struct fuse_entry_param readdir_param(const struct readdir *readdir, const struct read_entry *entry)
{
	const struct request *request = &readdir->request;

	if (entry->attributes) {
		struct attributes attributes = *entry->attributes, shown;

		if (request_lay_over(request, &attributes, &shown))
			return front_entry(request->front, &attributes, &shown, readdir->ino, entry->name);
	}
	return (struct fuse_entry_param){.attr = {.st_ino = entry->ino, .st_mode = entry->type}};
}

static int readdir_add(void *argument, const struct read_entry *entry)
{
	struct readdir *readdir = argument;
	struct request *request = &readdir->request;
	char *place = readdir->bytes + readdir->used;
	size_t room = readdir->size - readdir->used;
	off_t next = (off_t)entry->next_cookie;
	struct fuse_entry_param param;
	char name[FS_NAME_SIZE_MAX + 1];
	size_t size;

	if (entry->attributes)
		request_see(request, entry->attributes);
	param = readdir_param(readdir, entry);
	memcpy(name, entry->name.data, entry->name.size);
	name[entry->name.size] = '\0';
	if (!entry->continues)
		readdir->group_start = readdir->used;
	if (readdir->is_plus)
		size = fuse_add_direntry_plus(request->fuse, place, room, name, &param, next);
	else
		size = fuse_add_direntry(request->fuse, place, room, name, &param.attr, next);
	if (size > room) {
		readdir->used = readdir->group_start;
		return 1;
	}
	readdir->used += size;
	return 0;
}

static void readdir_found(struct request *request)
{
	front_note_read(request->front, &readdir_of(request)->finding.attributes, 0);
	request_settle(request, readdir_settled);
}

static void readdir_settled(struct request *request)
{
	const struct readdir *readdir = readdir_of(request);

	request_reply_bytes(request, readdir->bytes, readdir->used);
}

void ops_directories(struct fuse_lowlevel_ops *operations)
{
	operations->readdir = op_readdir;
	operations->readdirplus = op_readdirplus;
}
