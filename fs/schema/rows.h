/*
 * rows.h: the values of rows. Each begins with a format version. Decoding validates everything, and refuses bytes that
 * are left over (coder.h).
 *
 * Encoders write into a writer. Decoders borrow from the row's bytes and return 0 or STATUS_CORRUPT.
 */
#ifndef RAFTKV_FS_SCHEMA_ROWS_H
#define RAFTKV_FS_SCHEMA_ROWS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "proto/buf.h"
#include "proto/codec.h"
#include "fs/schema/keys.h"

#define FS_BLOCK_SIZE 512u /* bytes: the unit of st_blocks */

#define FS_TINY_SIZE_MAX	  16384u /* bytes of data kept in a row beside the inode */
#define FS_SIZE_MAX		  INT64_MAX /* bytes of a file */
#define FS_UNIT_SIZE		  4096u /* bytes */
#define FS_LINK_COUNT_MAX	  65000u /* names of one file: EMLINK past it, as on ext4 */
#define FS_DIRECTORY_COUNT_MAX	  (UINT32_MAX - 2) /* subdirectories of one directory: EMLINK past it */
#define FS_SYMLINK_SIZE_MAX	  4095u /* bytes of a target */
#define FS_XATTR_SIZE_MAX	  65536u /* bytes of one value */
#define FS_XATTR_LIST_SIZE_MAX	  65536u /* bytes of all names of an inode, each with its NUL */
#define FS_XATTR_INLINE_SIZE_MAX  256u /* bytes of a value kept in the inode's row */
#define FS_XATTRS_INLINE_SIZE_MAX 1024u /* bytes of all of them, encoded */
#define FS_INODE_ROW_SIZE_MAX	  8192u /* bytes */

struct fs_time {
	int64_t seconds; /* since the epoch; negative before 1970 */
	uint32_t nanoseconds; /* < 10^9 */
};

static inline bool fs_time_is_before(const struct fs_time *a, const struct fs_time *b)
{
	return a->seconds != b->seconds ? a->seconds < b->seconds : a->nanoseconds < b->nanoseconds;
}

/* +i, +a, +d and +A of chattr(1): the values of FS_IOC_GETFLAGS. */
#define FS_FLAG_IMMUTABLE UINT32_C(0x10)
#define FS_FLAG_APPEND	  UINT32_C(0x20)
#define FS_FLAG_NODUMP	  UINT32_C(0x40)
#define FS_FLAG_NOATIME	  UINT32_C(0x80)
#define FS_FLAGS_VISIBLE  (FS_FLAG_IMMUTABLE | FS_FLAG_APPEND | FS_FLAG_NODUMP | FS_FLAG_NOATIME)

/* The public part of an inode: what stat(2) and statx(2) need. */
struct attributes {
	uint64_t ino;
	uint32_t generation; /* of the inode number: a handle with another generation is stale; never 0 */
	uint32_t mode; /* with the type */
	uint32_t nlink; /* 0: unlinked and still open */
	uint32_t uid;
	uint32_t gid;
	uint32_t rdev; /* as FUSE encodes it */
	uint32_t flags; /* FS_FLAGS_VISIBLE */
	bool is_bare; /* it has no extended attribute, nor an ACL; it may still be false once it had one */
	uint64_t size; /* bytes; of a symlink: the size of its target; of a directory: FS_UNIT_SIZE */
	uint64_t blocks; /* of FS_BLOCK_SIZE bytes, in use */
	uint64_t data_version; /* grows with every change of content, or of a directory's entries */
	struct fs_time atime;
	struct fs_time mtime;
	struct fs_time ctime;
	struct fs_time btime; /* of creation */
};

/* Sets mtime and ctime after a write at `time`, by the writer's clock. Neither goes back, except an mtime that
 * utimensat(2) had set later than ctime. */
void attributes_set_written(struct attributes *attributes, const struct fs_time *time);

/* The mode after a write that strips privileges: without suid, and without sgid where the group may execute. */
static inline uint32_t fs_mode_stripped(uint32_t mode)
{
	return mode & ~(S_ISUID | ((mode & S_IXGRP) != 0 ? S_ISGID : 0u));
}

/* Where a regular file's data is. */
enum inode_data {
	INODE_DATA_NONE, /* nowhere: a hole of `size` bytes */
	INODE_DATA_TINY, /* the tiny row; zeroes from its end to `size` */
	INODE_DATA_UNITS, /* the object's units; bytes at or past `size` are zero, or garbage past `cut` */
};

/* The state of an inode. INODE_HAS_…: such rows may exist beside the inode's row. The flag is set with the first such
 * row, and stays. */
#define INODE_HAS_XATTRS  UINT32_C(0x01) /* X rows */
#define INODE_HAS_LOCKS	  UINT32_C(0x02) /* L rows; W rows */
#define INODE_HAS_HOLDS	  UINT32_C(0x04) /* O rows */
#define INODE_IS_DEAD	  UINT32_C(0x08) /* deleted; only its units are left, garbage that is to be unmapped */
#define INODE_IS_LINKABLE UINT32_C(0x10) /* made with O_TMPFILE: link(2) may give it a first name */
#define INODE_HAS_INTENTS UINT32_C(0x20) /* T rows in KEY_LOCAL (intent.h) */
#define INODE_STATE_ALL	  UINT32_C(0x3f)

#define INODE_CUT_NONE UINT64_MAX

struct inode {
	struct attributes attributes; /* some follow from the rest: inode_derive */
	uint32_t state; /* INODE_HAS_…, INODE_IS_… */

	/* Regular files. */
	enum inode_data data;
	uint32_t tiny_size; /* INODE_DATA_TINY: bytes of the tiny row */
	uint64_t units; /* INODE_DATA_UNITS: count of mapped units below `cut` */
	/* Units from this one on are garbage of a truncation. They lie past `size`, so no reader sees them. They are
	 * unmapped in the background, or before the file grows over them. INODE_CUT_NONE: there is no garbage. */
	uint64_t cut;
	uint64_t data_generation; /* how often a truncation left garbage */

	/* Directories. */
	uint64_t parent; /* ino of the parent directory; the root's parent is the root; 0: removed */
	uint64_t seed[2]; /* key of the hashes of its entries' names (fs_name_hash) */
	uint64_t entries; /* count, without "." and ".." */
	uint64_t creation_dirid; /* dirid of the next file created in it: its own, or its last spill */
	uint32_t creation_seq; /* seq of the next file created in it; FS_SEQ_END: none is left */

	struct slice target; /* symlinks */
	struct slice xattrs; /* small xattrs by ascending name: name and value, each behind its varint size */
};

static inline bool inode_is_directory(const struct inode *inode)
{
	return S_ISDIR(inode->attributes.mode);
}

/* 0; the writer's status; STATUS_CORRUPT: the inode breaks a rule that decoding checks, as damaged rows can cause. */
int inode_encode(const struct inode *inode, struct writer *writer);
/* `ino` comes from the key. `target` and `xattrs` borrow from `row`. */
int inode_decode(struct slice row, uint64_t ino, struct inode *inode);
/* Fills in the attributes that follow from the rest: size (but of regular files), blocks, is_bare. Decoding does it. */
void inode_derive(struct inode *inode);

/* Takes the first small xattr off `rest`, which is the whole of `inode->xattrs` at first. False at the end. The xattrs
 * of a decoded inode are well-formed. */
bool inode_xattr_next(struct slice *rest, struct slice *name, struct slice *value);

/* A directory entry. */
struct entry {
	uint64_t ino;
	uint32_t type; /* S_IFMT bits of the mode */
};
void entry_encode(const struct entry *entry, struct writer *writer);
int entry_decode(struct slice row, struct entry *entry);

/* The data of a tiny file, or the value of a large xattr: the version, then the bytes, at most `size_max`. */
void bytes_encode(struct slice bytes, struct writer *writer);
int bytes_decode(struct slice row, size_t size_max, struct slice *bytes);

/* A lock. Kind, session, owner and start are in the key. */
enum lock_kind { LOCK_FLOCK = 'f', LOCK_POSIX = 'p' /* and OFD: they conflict with each other */ };
enum lock_type { FS_LOCK_NONE, FS_LOCK_READ, FS_LOCK_WRITE };
struct lock {
	enum lock_kind kind;
	enum lock_type type;
	uint64_t session;
	uint64_t owner; /* FUSE's lock owner, within the session */
	uint64_t start; /* bytes */
	uint64_t end; /* the last byte, inclusive; INT64_MAX: to the end of the file */
	uint32_t pid; /* for F_GETLK, as the owner gave it */
};
/* Does `held` conflict with `wanted`? Both are of one kind. Locks of one owner never conflict. */
bool lock_conflicts(const struct lock *wanted, const struct lock *held);
static inline bool lock_is_same_owner(const struct lock *a, const struct lock *b)
{
	return a->session == b->session && a->owner == b->owner;
}
void lock_encode(const struct lock *lock, struct writer *writer);
int lock_decode(struct slice key, struct slice row, struct lock *lock);

/* An owner that was refused a lock and waits for it. */
struct lock_waiter {
	struct lock lock; /* the lock that it waits for; the row has no pid */
	uint64_t order; /* in the key: a later waiter has a greater one */
	uint64_t asked; /* about when it asked last: ns since the epoch by the leader's clock */
};
void lock_waiter_encode(const struct lock_waiter *waiter, struct writer *writer);
int lock_waiter_decode(struct slice key, struct slice row, struct lock_waiter *waiter);

/* The row of a spill dirid. */
struct spill {
	uint64_t directory; /* ino of the directory whose files are created there */
	uint64_t before; /* dirid of the directory's spill before this one; 0: none */
};
void spill_encode(const struct spill *spill, struct writer *writer);
int spill_decode(struct slice row, struct spill *spill);

/* Rows that only have to exist (orphans, holds, garbage). The value is the version alone. */
void mark_encode(struct writer *writer);
int mark_decode(struct slice row);

#endif
