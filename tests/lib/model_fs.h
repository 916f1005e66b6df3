/*
 * model_fs.h: a filesystem as simple as can be, written from POSIX and the Linux manual pages, with which tests compare the
 * real one. Its only user is root; it has no permissions and no limits; data is a flat array.
 *
 * Every operation returns 0 or -errno and stamps times with `model->now`.
 */
#ifndef RAFTKV_TESTS_LIB_MODEL_FS_H
#define RAFTKV_TESTS_LIB_MODEL_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define MODEL_NAME_SIZE 32 /* bytes, with the NUL */

struct model_entry {
	struct model_entry *next;
	struct model_node *node;
	char name[MODEL_NAME_SIZE];
};

struct model_xattr {
	struct model_xattr *next;
	char name[MODEL_NAME_SIZE];
	size_t size;
	uint8_t value[];
};

struct model_node {
	struct model_node *next; /* of all that live */
	uint64_t real; /* the tester's: what the real filesystem calls it */
	uint32_t mode;
	uint32_t uid;
	uint32_t gid;
	uint32_t nlink;
	uint64_t atime, mtime, ctime;
	uint64_t size; /* bytes */
	uint8_t *data; /* what lies past data_size is zero */
	size_t data_size;
	char target[MODEL_NAME_SIZE];
	struct model_entry *entries;
	struct model_node *parent; /* of a directory; NULL: removed */
	struct model_xattr *xattrs;
	bool is_held; /* open: lives on without a name */
};

struct model_fs {
	struct model_node *nodes; /* newest first */
	struct model_node *root;
	uint64_t now;
};

void model_init(struct model_fs *model, uint64_t now);
void model_close(struct model_fs *model);

struct model_node *model_find(const struct model_node *directory, const char *name);
size_t model_count_entries(const struct model_node *directory);

int model_make(struct model_fs *model, struct model_node *parent, const char *name, uint32_t mode,
	const char *target, struct model_node **node);
int model_tmpfile(
	struct model_fs *model, const struct model_node *parent, uint32_t mode, struct model_node **node);
int model_link(struct model_fs *model, struct model_node *node, struct model_node *parent, const char *name);
int model_unlink(struct model_fs *model, struct model_node *parent, const char *name);
int model_rmdir(struct model_fs *model, struct model_node *parent, const char *name);
int model_rename(struct model_fs *model, struct model_node *parent, const char *name,
	struct model_node *new_parent, const char *new_name, uint32_t flags);
/* The last close: a node without names goes. */
void model_release(struct model_fs *model, struct model_node *node);

int model_write(
	struct model_fs *model, struct model_node *node, uint64_t offset, const void *bytes, size_t size);
int model_truncate(struct model_fs *model, struct model_node *node, uint64_t size);
int model_fallocate(
	struct model_fs *model, struct model_node *node, uint32_t mode, uint64_t offset, uint64_t length);
int model_copy(struct model_fs *model, struct model_node *source, uint64_t source_offset,
	struct model_node *node, uint64_t offset, size_t length);
/* Bytes past the data are zero; `size` may lie past the end. */
void model_read(const struct model_node *node, uint64_t offset, void *bytes, size_t size);

int model_chmod(struct model_fs *model, struct model_node *node, uint32_t mode);
int model_chown(struct model_fs *model, struct model_node *node, uint32_t uid, uint32_t gid);
int model_utimes(struct model_fs *model, struct model_node *node, uint64_t atime, uint64_t mtime);

#define MODEL_CREATE  1u
#define MODEL_REPLACE 2u
int model_setxattr(struct model_fs *model, struct model_node *node, const char *name, const void *value,
	size_t size, uint32_t flags);
int model_removexattr(struct model_fs *model, struct model_node *node, const char *name);
const struct model_xattr *model_find_xattr(const struct model_node *node, const char *name);

#endif
