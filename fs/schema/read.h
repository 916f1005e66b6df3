/*
 * read.h: questions about files, answered from a view (a snapshot, or the leader's overlay).
 *
 * The calls allocate nothing. Results: 0; -errno of the operation (-ENOENT, -ENOTDIR, -ESTALE: no such inode …); or
 * what the view returned (STATUS_WOULD_BLOCK, STATUS_CORRUPT, -EIO, -ENOMEM). STATUS_INTENTS: an inode that was read has
 * intents (intent.h), or one that is not there has. The same call then reads a view that shows what the committed ones
 * make of the rows, without INODE_HAS_INTENTS, and no T rows.
 */
#ifndef RAFTKV_FS_SCHEMA_READ_H
#define RAFTKV_FS_SCHEMA_READ_H

#include <stdbool.h>
#include <stdint.h>

#include "store/kv/view.h"
#include "fs/schema/rows.h"

/* The inode's row, and what it says; also a dead inode's. With 0 the inode's slices borrow from `row`, which the caller
 * closes (kv_value_close). STATUS_NOT_FOUND. */
int read_inode_row(struct view *view, uint64_t ino, struct inode *inode, struct kv_value *row);

/* The inode that `name` means in `parent`; "." and ".." too. -ENOENT also when the parent is gone; "." is -ESTALE.
 * STATUS_KEY_NOT_IN_REGION: `attributes` are zeroes but for the `ino` and the type in `mode` of an inode in another
 * region; with `ino` 0 the parent itself is in another region. */
int read_lookup(struct view *view, uint64_t parent, struct slice name, struct attributes *attributes);
int read_attributes(struct view *view, uint64_t ino, struct attributes *attributes);
/* Copies the symlink's target, without a NUL, and at most `size_max` bytes of it; FS_SYMLINK_SIZE_MAX is always enough.
 * `attributes` are the symlink's. -EINVAL: not a symlink. */
int read_link(struct view *view, uint64_t ino, char *target, size_t size_max, size_t *size,
	struct attributes *attributes);

/* ---- Directories ---- */

struct read_entry {
	struct slice name; /* borrowed for the call */
	uint64_t ino;
	uint32_t type; /* S_IFMT bits */
	uint64_t next_cookie; /* d_off: the listing resumes behind this entry */
	/* The entry before has the same cookie. A reply that has no room for this entry must not end between the two;
	 * it ends before the first entry with that cookie. */
	bool continues;
	/* NULL for "..", for an inode in another region, and without `plus`. */
	const struct attributes *attributes;
};

/* 0: continue; 1: stop; negative: an error, which becomes the result. */
typedef int (*read_entry_cb)(void *argument, const struct read_entry *entry);

/* Gives the entries from `cookie` (0: the first) on, "." and ".." first. With `plus` each whose inode lies in the view's
 * region has its attributes. A removed directory that is still open has none. After an error, STATUS_WOULD_BLOCK too, the entries that were given are void:
 * ask again from the same cookie. */
int read_directory(
	struct view *view, uint64_t ino, uint64_t cookie, bool plus, read_entry_cb each, void *argument);

/* ---- Data ---- */

/* Reads `*count` bytes from `offset`: `size`, or less at the end of the file. `attributes` may be NULL. -EISDIR,
 * -EINVAL (not a regular file). */
int read_data(struct view *view, uint64_t ino, uint64_t offset, void *bytes, size_t size, size_t *count,
	struct attributes *attributes);
/* lseek(2) with SEEK_DATA (`data`) or SEEK_HOLE. -ENXIO: `offset` is past the end, or no data follows. */
int read_seek(struct view *view, uint64_t ino, uint64_t offset, bool data, uint64_t *result);

/* ---- Extended attributes ---- */

/* `*size`: bytes of the value, which is copied only when `size_max` > 0. -ERANGE: the value does not fit, or the name
 * is too long; -ENODATA; or what xattr_check_name returned. */
int read_xattr(
	struct view *view, uint64_t ino, struct slice name, void *value, size_t size_max, size_t *size);
/* All names, each with its NUL; `names`, `size_max` and `*size` as in read_xattr. trusted.* only with `has_trusted`. */
int read_xattrs(
	struct view *view, uint64_t ino, bool has_trusted, char *names, size_t size_max, size_t *size);

/* ---- Locks and holders ---- */

/* F_GETLK: the first held lock that conflicts with `lock` (whose session is set); type FS_LOCK_NONE: none does. */
int read_lock(struct view *view, uint64_t ino, const struct lock *lock, struct lock *blocker);

/* The least session >= `from` that has holds in this region (keys.h, H rows). -ENOENT: none. */
int read_holder(struct view *view, uint64_t from, uint64_t *session);

#endif
