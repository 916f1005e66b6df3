#include "fs/fuse/protocol.h"

#include <string.h>

#include "fs/fuse/raw.h"

/* What follows the header: a struct of `size` bytes, then strings that end with NUL, `names` of them. */
struct shape {
	size_t size;
	unsigned names;
};

static const struct shape shapes[] = {
	[FUSE_LOOKUP] = {0, 1},
	[FUSE_FORGET] = {sizeof(struct fuse_forget_in), 0},
	[FUSE_GETATTR] = {sizeof(struct fuse_getattr_in), 0},
	[FUSE_SETATTR] = {sizeof(struct fuse_setattr_in), 0},
	[FUSE_SYMLINK] = {0, 2},
	[FUSE_MKNOD] = {sizeof(struct fuse_mknod_in), 1},
	[FUSE_MKDIR] = {sizeof(struct fuse_mkdir_in), 1},
	[FUSE_UNLINK] = {0, 1},
	[FUSE_RMDIR] = {0, 1},
	[FUSE_RENAME] = {sizeof(struct fuse_rename_in), 2},
	[FUSE_LINK] = {sizeof(struct fuse_link_in), 1},
	[FUSE_OPEN] = {sizeof(struct fuse_open_in), 0},
	[FUSE_READ] = {sizeof(struct fuse_read_in), 0},
	[FUSE_WRITE] = {sizeof(struct fuse_write_in), 0},
	[FUSE_RELEASE] = {sizeof(struct fuse_release_in), 0},
	[FUSE_FSYNC] = {sizeof(struct fuse_fsync_in), 0},
	[FUSE_SETXATTR] = {FUSE_COMPAT_SETXATTR_IN_SIZE, 1},
	[FUSE_GETXATTR] = {sizeof(struct fuse_getxattr_in), 1},
	[FUSE_LISTXATTR] = {sizeof(struct fuse_getxattr_in), 0},
	[FUSE_REMOVEXATTR] = {0, 1},
	[FUSE_FLUSH] = {sizeof(struct fuse_flush_in), 0},
	[FUSE_INIT] = {8, 0}, /* only the version: of a very old kernel, which libfuse refuses */
	[FUSE_OPENDIR] = {sizeof(struct fuse_open_in), 0},
	[FUSE_READDIR] = {sizeof(struct fuse_read_in), 0},
	[FUSE_RELEASEDIR] = {sizeof(struct fuse_release_in), 0},
	[FUSE_FSYNCDIR] = {sizeof(struct fuse_fsync_in), 0},
	[FUSE_GETLK] = {sizeof(struct fuse_lk_in), 0},
	[FUSE_SETLK] = {sizeof(struct fuse_lk_in), 0},
	[FUSE_SETLKW] = {sizeof(struct fuse_lk_in), 0},
	[FUSE_ACCESS] = {sizeof(struct fuse_access_in), 0},
	[FUSE_CREATE] = {sizeof(struct fuse_create_in), 1},
	[FUSE_INTERRUPT] = {sizeof(struct fuse_interrupt_in), 0},
	[FUSE_BMAP] = {sizeof(struct fuse_bmap_in), 0},
	[FUSE_IOCTL] = {sizeof(struct fuse_ioctl_in), 0},
	[FUSE_POLL] = {sizeof(struct fuse_poll_in), 0},
	[FUSE_BATCH_FORGET] = {sizeof(struct fuse_batch_forget_in), 0},
	[FUSE_FALLOCATE] = {sizeof(struct fuse_fallocate_in), 0},
	[FUSE_READDIRPLUS] = {sizeof(struct fuse_read_in), 0},
	[FUSE_RENAME2] = {sizeof(struct fuse_rename2_in), 2},
	[FUSE_LSEEK] = {sizeof(struct fuse_lseek_in), 0},
	[FUSE_COPY_FILE_RANGE] = {sizeof(struct fuse_copy_file_range_in), 0},
	[FUSE_TMPFILE] = {sizeof(struct fuse_create_in), 1},
	[PROTOCOL_STATX] = {sizeof(struct raw_statx_in), 0},
};

static bool has_names(const char *bytes, size_t size, unsigned names)
{
	while (names > 0) {
		const char *end = size > 0 ? memchr(bytes, '\0', size) : NULL;

		if (!end)
			return false;
		size -= (size_t)(end + 1 - bytes);
		bytes = end + 1;
		names--;
	}
	return true;
}

/* The value follows the name without padding. */
static bool has_value(const char *bytes, size_t size, uint32_t value_size)
{
	size_t name_size = strlen(bytes) + 1; /* has_names has found its end */

	return size - name_size >= value_size;
}

bool protocol_is_valid(const struct fuse_in_header *header, size_t size)
{
	const char *argument = (const char *)(header + 1);
	const struct shape *shape;
	size_t rest;

	if (header->len != size)
		return false;
	if (header->opcode >= sizeof shapes / sizeof shapes[0])
		return true;
	shape = &shapes[header->opcode];
	size -= sizeof *header;
	if (size < shape->size)
		return false;
	rest = size - shape->size;
	if (!has_names(argument + shape->size, rest, shape->names))
		return false;
	switch (header->opcode) {
	case FUSE_NOTIFY_REPLY: /* never asked for */
		return false;
	case FUSE_WRITE:
		return ((const struct fuse_write_in *)(const void *)argument)->size <= rest;
	case FUSE_IOCTL:
		return ((const struct fuse_ioctl_in *)(const void *)argument)->in_size <= rest;
	case FUSE_SETXATTR:
		return has_value(argument + shape->size, rest,
			((const struct fuse_setxattr_in *)(const void *)argument)->size);
	case FUSE_BATCH_FORGET:
		return ((const struct fuse_batch_forget_in *)(const void *)argument)->count <=
		       rest / sizeof(struct fuse_forget_one);
	default:
		return true;
	}
}

bool protocol_has_answer(uint32_t opcode)
{
	return opcode != FUSE_FORGET && opcode != FUSE_BATCH_FORGET && opcode != FUSE_INTERRUPT &&
	       opcode != FUSE_NOTIFY_REPLY;
}
