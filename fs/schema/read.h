/*
 * read.h: questions about files, answered from a view (a snapshot, or the leader's overlay).
 *
 * Each call reads a handful of rows and allocates nothing. Results: 0; -errno of the operation (-ENOENT, -ENOTDIR,
 * -ESTALE: no such inode …); or what the view returned (STATUS_WOULD_BLOCK, STATUS_CORRUPT, -EIO, -ENOMEM).
 */
#ifndef RAFTKV_FS_SCHEMA_READ_H
#define RAFTKV_FS_SCHEMA_READ_H

#include <stdbool.h>
#include <stdint.h>

#include "store/kv/view.h"
#include "fs/schema/rows.h"

/* The inode that `name` means in `parent`; "." and ".." too. -ENOENT also for a parent that is gone. */
int read_lookup(struct view *view, uint64_t parent, struct slice name, struct attributes *attributes);
int read_attributes(struct view *view, uint64_t ino, struct attributes *attributes);
/* The target into `target`, without a NUL, and the link's own attributes; `size_max` of FS_SYMLINK_SIZE_MAX is always
 * enough. -EINVAL: no symlink. */
int read_link(struct view *view, uint64_t ino, char *target, size_t size_max, size_t *size,
	struct attributes *attributes);

/* ---- Directories ---- */

struct read_entry {
	struct slice name; /* borrowed for the call */
	uint64_t ino;
	uint32_t type; /* S_IFMT bits */
	uint64_t next_cookie; /* d_off: resumes behind this entry */
	/* The entry before had the same cookie. A reply that has no room for this one must not end between the two:
	 * it ends before the first of them. */
	bool continues;
	const struct attributes *attributes; /* with `plus`; NULL for "..", and when not asked */
};

/* 0: go on; 1: enough; negative: an error, the result. */
typedef int (*read_entry_cb)(void *argument, const struct read_entry *entry);

/* Entries from `cookie` (0: the first) on, "." and ".." first. With `plus` each comes with its attributes. A removed
 * directory that is still open has none. After an error, STATUS_WOULD_BLOCK too, what was given before it counts for
 * nothing: ask again from the same cookie. */
int read_directory(
	struct view *view, uint64_t ino, uint64_t cookie, bool plus, read_entry_cb each, void *argument);

/* ---- Data ---- */

/* Up to `size` bytes from `offset`, less at the end of the file: `*count`. `attributes` (may be NULL) are of the same
 * moment. -EISDIR, -EINVAL (no regular file). */
int read_data(struct view *view, uint64_t ino, uint64_t offset, void *bytes, size_t size, size_t *count,
	struct attributes *attributes);
/* lseek's SEEK_DATA (`data`) and SEEK_HOLE. -ENXIO: past the end, or no data from there on. */
int read_seek(struct view *view, uint64_t ino, uint64_t offset, bool data, uint64_t *result);

/* ---- Extended attributes ---- */

/* `*size` is the value's; it is copied only when `size_max` > 0: -ERANGE when it does not fit. -ENODATA. */
int read_xattr(
	struct view *view, uint64_t ino, struct slice name, void *value, size_t size_max, size_t *size);
/* Names, each with its NUL; as read_xattr. Those of trusted.* are for the privileged alone. */
int read_xattrs(
	struct view *view, uint64_t ino, bool has_trusted, char *names, size_t size_max, size_t *size);

/* ---- Locks and holders ---- */

/* F_GETLK: the first lock that would stop `lock` (with its session) from being set; type FS_LOCK_NONE: none would. */
int read_lock(struct view *view, uint64_t ino, const struct lock *lock, struct lock *blocker);

/* The least session >= `from` that holds locks or open inodes in this region; -ENOENT: none. */
int read_holder(struct view *view, uint64_t from, uint64_t *session);

#endif
