/*
 * op.h: the operations that change files, as the front sends them to the leader that evaluates them, and the replies.
 *
 * One struct per kind; op_encode makes the body of a request and op_decode checks it again at the other end: versions
 * (coder.h), bounds, names (1 to 255 bytes, no '/', no NUL, not "." or ".."). The kernel has checked permissions
 * (default_permissions); what it can not know (immutable files, link counts, ACLs, whether something exists) is ours.
 *
 * No operation is in the log: the leader evaluates it, and logs the mutations. A reply is, in the slot of its session, for
 * who asks again.
 *
 * A reply carries the operation's errno and what the kernel is to be told, so that no second read is needed.
 */
#ifndef RAFTKV_FS_SCHEMA_OP_H
#define RAFTKV_FS_SCHEMA_OP_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/buf.h"
#include "fs/schema/records.h"
#include "fs/schema/rows.h"

#define OP_BODY_SIZE_MAX  (FS_XATTR_SIZE_MAX + 4096u) /* bytes */
#define OP_WRITE_SIZE_MAX (1u << 20) /* bytes of one write's payload, and of one copy */

enum op_kind {
	OP_MAKE = 1, /* create, mkdir, mknod, symlink */
	OP_TMPFILE,
	OP_LINK,
	OP_UNLINK,
	OP_RMDIR,
	OP_RENAME,
	OP_SETATTR,
	OP_WRITE,
	OP_FALLOCATE,
	OP_COPY,
	OP_SETXATTR,
	OP_REMOVEXATTR,
	OP_LOCK,
	OP_HOLD,
	OP_RELEASE,
	OP_SESSION_END,
	OP_RECLAIM,
	OP_FORMAT,
	OP_SESSION_OPEN,
	OP_SESSION_CLOSE,
	OP_SESSION_FORGET,
	OP_SESSION_REMOVE,
	OP_STORE_ENTER,
	OP_STORE_SET,
	OP_ALLOCATE,
	OP_GRACE_END,
	OP_KIND_END,
};

/* Who asks: owns what is created. */
struct op_caller {
	uint32_t uid;
	uint32_t gid;
};

/* The type in `mode` says which: regular files, directories, FIFOs, sockets, devices, symlinks. Reply: the new inode.
 * EEXIST; without `exclusive` (open(2) with O_CREAT) an existing regular file is the reply, with `existed`. */
struct op_make {
	struct op_caller caller;
	uint64_t parent;
	struct slice name;
	uint32_t mode; /* not masked */
	uint32_t umask; /* applied when the parent has no default ACL */
	uint32_t rdev;
	struct slice target; /* of a symlink */
	bool exclusive;
};

/* O_TMPFILE: a file without a name, held by this session until OP_RELEASE or OP_LINK. Reply: the inode, nlink 0.
 * ESTALE: the parent is gone, as of every operation on names. */
struct op_tmpfile {
	struct op_caller caller;
	uint64_t parent;
	uint32_t mode;
	uint32_t umask;
};

/* Reply: the inode. EMLINK, EEXIST, EPERM (directory, immutable). */
struct op_link {
	uint64_t ino;
	uint64_t parent;
	struct slice name;
};

/* OP_UNLINK, OP_RMDIR. With `hold` an inode whose last name goes stays, held by this session, until OP_RELEASE. While there
 * are other sessions it stays, with or without, until OP_GRACE_END: one of them may have it open. Reply: `victim`. */
struct op_remove {
	uint64_t parent;
	struct slice name;
	bool hold;
};

/* `flags` are renameat2's (RENAME_NOREPLACE, _EXCHANGE, _WHITEOUT). `hold` is about what the new name meant before,
 * as in op_remove (of an exchange: nothing). `caller` owns a whiteout. Reply: `attributes` of the moved
 * inode; `victim`, when something was replaced, or of an exchange `other`. */
struct op_rename {
	struct op_caller caller;
	uint64_t parent;
	struct slice name;
	uint64_t new_parent;
	struct slice new_name;
	uint32_t flags;
	bool hold;
};

#define OP_SET_MODE	 UINT32_C(0x001)
#define OP_SET_UID	 UINT32_C(0x002)
#define OP_SET_GID	 UINT32_C(0x004)
#define OP_SET_SIZE	 UINT32_C(0x008)
#define OP_SET_ATIME	 UINT32_C(0x010)
#define OP_SET_MTIME	 UINT32_C(0x020)
#define OP_SET_ATIME_NOW UINT32_C(0x040) /* the leader's time */
#define OP_SET_MTIME_NOW UINT32_C(0x080)
#define OP_SET_CTIME	 UINT32_C(0x100) /* FUSE's FATTR_CTIME: `ctime` instead of now */
#define OP_SET_FLAGS	 UINT32_C(0x200) /* FS_IOC_SETFLAGS; EOPNOTSUPP for others than FS_FLAGS_VISIBLE */
#define OP_SET_KILL	 UINT32_C(0x400) /* FATTR_KILL_SUIDGID, with a size */
#define OP_SET_READ                                                                                          \
	UINT32_C(0x800) /* `atime` because it was read: never back, leaves ctime alone, no EPERM */
#define OP_SET_NAMED UINT32_C(0x1000) /* ESTALE when no name is left: it was found by one */
#define OP_SET_ALL   UINT32_C(0x1fff)

/* Reply: the attributes. chown strips suid, sgid and security.capability by itself. */
struct op_setattr {
	uint64_t ino;
	uint32_t valid; /* OP_SET_… */
	uint32_t mode; /* 07777 bits */
	uint32_t uid;
	uint32_t gid;
	uint32_t flags;
	uint64_t size;
	struct fs_time atime;
	struct fs_time mtime;
	struct fs_time ctime;
};

#define OP_WRITE_APPEND UINT32_C(1) /* at the end, wherever that is now: `reply.offset` */
#define OP_WRITE_CLIP	UINT32_C(2) /* a mapped page's writeback: never extends, never strips */
#define OP_WRITE_KILL	UINT32_C(4) /* FUSE_WRITE_KILL_SUIDGID */
#define OP_WRITE_TIME	UINT32_C(8) /* it was written at `time`: mtime and ctime, which it never sets back */
#define OP_WRITE_ALL	UINT32_C(0xf)

/* The data is the proposal's payload, all of it, 1 to OP_WRITE_SIZE_MAX bytes. Whole aligned units are never copied.
 * Reply: attributes, `offset`, `count` (less than the payload only with OP_WRITE_CLIP). EFBIG, EPERM (immutable). */
struct op_write {
	uint64_t ino;
	uint64_t offset;
	uint32_t flags;
	struct fs_time time; /* by the writer's clock: buffered data is acknowledged before it is proposed */
};

/* fallocate(2): `mode` 0, FALLOC_FL_KEEP_SIZE, PUNCH_HOLE | KEEP_SIZE, ZERO_RANGE [| KEEP_SIZE]; else EOPNOTSUPP.
 * Extents are copy-on-write, so that "allocate" reserves nothing: it extends the size. Reply: attributes. */
struct op_fallocate {
	uint64_t ino;
	uint32_t mode;
	uint64_t offset;
	uint64_t length; /* > 0 */
	bool kill; /* strip suid and sgid */
};

/* copy_file_range(2), at most OP_WRITE_SIZE_MAX bytes a time. Reply: `count`, attributes of the destination. */
struct op_copy {
	uint64_t source;
	uint64_t source_offset;
	uint64_t ino;
	uint64_t offset;
	uint64_t length;
	bool kill;
};

#define OP_XATTR_CREATE	   UINT32_C(1) /* XATTR_CREATE: EEXIST */
#define OP_XATTR_REPLACE   UINT32_C(2) /* XATTR_REPLACE: ENODATA */
#define OP_XATTR_KILL_SGID UINT32_C(4) /* an access ACL set by who is not in the group: clears S_ISGID */
#define OP_XATTR_NAMED	   UINT32_C(8) /* as OP_SET_NAMED */
#define OP_XATTR_ALL	   UINT32_C(0xf)

/* Names: user.*, trusted.*, security.*, system.posix_acl_access and _default; else EOPNOTSUPP. ENODATA, EEXIST, E2BIG,
 * ENOSPC (too many names), ERANGE never. An access ACL changes the mode. Reply: the attributes. */
struct op_setxattr {
	uint64_t ino;
	struct slice name;
	struct slice value;
	uint32_t flags;
};

struct op_removexattr {
	uint64_t ino;
	struct slice name;
};

/* Set or, with FS_LOCK_NONE, drop a lock of the asking session: `lock.session` is not sent. A conflict answers EAGAIN and
 * `blocker`. An flock has start 0 and end INT64_MAX. ENOLCK: too many. Reply: attributes, when something was set or
 * dropped.
 *
 * Who wants to wait says so, and asks again: the first refusal gives it a place in the order of those that wait, which it
 * keeps until it has the lock, drops a lock of that range, or gives up (`waits` and FS_LOCK_NONE: drops no lock). While
 * one before it can have a lock that conflicts, it is refused, too, without a `blocker`. `reply.before` says how many
 * conflicting ones are before it. Who does not ask for a second or two is passed over until it does. */
struct op_lock {
	uint64_t ino;
	struct lock lock;
	bool waits;
};

/* Keeps the inode when its last name goes, until OP_RELEASE; both by session. */
struct op_hold {
	uint64_t ino;
};

#define OP_RELEASE_COUNT_MAX 8u

/* Inodes that are in one region, as those with one dirid are. Reply: `victim`, when that was the end of one (the last of
 * them). What is not held stays as it is. */
struct op_release {
	uint32_t count; /* 1 to OP_RELEASE_COUNT_MAX, no inode twice */
	uint64_t inos[OP_RELEASE_COUNT_MAX];
};

#define OP_GRACE_END_COUNT_MAX 64u

/* Every session that could have these inodes open has said so by OP_HOLD, or has ended: what nobody holds goes. A region's
 * own; what is not in grace stays as it is. */
struct op_grace_end {
	struct slice inos; /* 8 bytes each, big endian, none twice; 1 to OP_GRACE_END_COUNT_MAX */
};

/* A new session for a mount: its record, and its row in region 1. Reply: `id`. EUSERS: too many. */
struct op_session_open {
	uint32_t pid;
	struct slice host;
	struct slice mount_point;
};

/*
 * How a session ends (namespace.md § How a session ends), whether its mount asked for it or has been silent for too long:
 *
 *   OP_SESSION_CLOSE   region 1: it is dying. ENOENT: there is none.
 *   OP_SESSION_FORGET  each region: its row and slots go; from here on its requests are refused
 *   OP_SESSION_END     each region: drops its locks and holds in chunks: reply `more` says "call again, from `id`"
 *   OP_SESSION_REMOVE  region 1: its record goes. EBUSY: it is not dying.
 *
 * The coordinator (coordinator.h) does all but the first, which a mount may ask for itself; each may be repeated. OP_RECLAIM (no
 * fields) unmaps a chunk of what truncations and removals left in a region, with `more` likewise.
 */
struct op_session_end {
	uint64_t session;
	uint64_t from; /* OP_SESSION_END: the least inode to look at */
};

/* OP_FORMAT makes the root directory, owned by `caller`, with `mode`, unless there is one (EEXIST). */
struct op_format {
	struct op_caller caller;
	uint32_t mode;
};

/* A store says where it is; `id` 0: it is new, and draws one. Reply: `id`. ESTALE: a later life of it has been here, or
 * one in another directory, or it was lost or removed. EEXIST: another store, neither lost nor removed, has this address. ENOSPC: too many. A new store asking again
 * gets the same id, until the first start of a store with it. */
struct op_store_enter {
	uint64_t id;
	uint64_t incarnation;
	uint64_t directory_id; /* 0: unknown */
	struct slice address;
};

/* OP_STORE_SET: ENOENT; EPERM: a removed store stays removed, and a lost one can be nothing but removed. */
struct op_store_set {
	uint64_t id;
	enum store_state state;
	uint64_t replacement; /* that is to get its replicas; 0: any */
};

/* An id of that kind, never given before. Reply: `id`. */
struct op_allocate {
	enum counter_kind counter;
};

struct op {
	enum op_kind kind;
	union {
		struct op_make make;
		struct op_tmpfile tmpfile;
		struct op_link link;
		struct op_remove remove; /* OP_UNLINK, OP_RMDIR */
		struct op_rename rename;
		struct op_setattr setattr;
		struct op_write write;
		struct op_fallocate fallocate;
		struct op_copy copy;
		struct op_setxattr setxattr;
		struct op_removexattr removexattr;
		struct op_lock lock;
		struct op_hold hold;
		struct op_release release;
		struct op_session_open session_open;
		struct op_session_end session_end; /* all that end one */
		struct op_format format;
		struct op_store_enter store_enter;
		struct op_store_set store_set;
		struct op_allocate allocate;
		struct op_grace_end grace_end;
	};
};

/* The key that says which region evaluates the operation: KEY_DATA. OP_SESSION_FORGET, OP_SESSION_END and OP_RECLAIM
 * have none (size 0), nor has OP_GRACE_END: they go to every region; nor have those of op_is_of_cluster. */
struct fs_key op_key(const struct op *op);
/* Is it about the cluster's own records, for CLUSTER_REGION alone? */
bool op_is_of_cluster(enum op_kind kind);

/* 0 and the caller's reference in `*body`; -ENOMEM; -ENAMETOOLONG, -EINVAL, -E2BIG for what could not be decoded. */
int op_encode(const struct op *op, struct buf **body);
/* Slices borrow from `body`. 0; STATUS_UNSUPPORTED: a newer program's, which may not be carried out; STATUS_MALFORMED. */
int op_decode(struct slice body, struct op *op);

/* 0, -EINVAL (empty, '/', NUL, "." or ".."), -ENAMETOOLONG. */
int op_check_name(struct slice name);

/* What was removed or replaced. */
struct op_victim {
	uint64_t ino; /* 0: nothing */
	uint32_t nlink; /* names left */
	bool is_gone; /* the inode is deleted; else it has names left or is held */
};

struct op_reply {
	int error; /* 0 or -errno of the operation; then only `blocker` and `before` may be set */
	bool has_attributes;
	bool has_other;
	bool existed; /* op_make */
	bool more; /* OP_SESSION_END, OP_RECLAIM */
	uint64_t offset; /* where a write went */
	uint64_t count; /* bytes written or copied */
	uint64_t id; /* of a session or store, or as drawn; OP_SESSION_END: the inode to go on from */
	struct attributes attributes; /* after the operation */
	struct attributes other; /* of an exchange: the inode that went the other way */
	struct op_victim victim;
	struct lock blocker; /* type FS_LOCK_NONE: none */
	uint32_t before; /* who wait for locks that conflict, and came before */
};

int op_reply_encode(const struct op_reply *reply, struct buf **bytes); /* 0 or -ENOMEM */
int op_reply_decode(struct slice bytes, struct op_reply *reply); /* 0 or STATUS_MALFORMED */

#endif
