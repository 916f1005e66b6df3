/*
 * op.h: the operations that change files, as the front sends them to the leader that evaluates them, and the replies.
 *
 * There is one struct per kind. op_encode makes the body of a request. op_decode checks it again at the other end:
 * versions (coder.h), bounds, names (1 to 255 bytes, no '/', no NUL, not "." or ".."). The kernel has checked
 * permissions (default_permissions). Evaluation checks what the kernel cannot know: immutable files, link counts,
 * ACLs, whether something exists.
 *
 * Operations are not in the log: the leader evaluates them and logs the mutations. The log has each reply, for the slot
 * of its session, so that a request that is sent again gets the same reply.
 *
 * A reply carries the operation's errno and what the kernel needs to know, so that no second read is needed.
 */
#ifndef RAFTKV_FS_SCHEMA_OP_H
#define RAFTKV_FS_SCHEMA_OP_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/buf.h"
#include "fs/schema/cluster_settings.h"
#include "fs/schema/intent.h"
#include "fs/schema/records.h"
#include "fs/schema/rows.h"

#define OP_BODY_SIZE_MAX (FS_XATTR_SIZE_MAX + 4096u) /* bytes, but of OP_TRANSACT */
#define OP_TRANSACT_SIZE_MAX                                                                                 \
	(OP_BODY_SIZE_MAX + FACTS_SIZE_MAX + INTENTS_SIZE_MAX + 256u) /* bytes of its body */
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
	OP_TRANSACT,
	OP_PREPARE,
	OP_RESOLVE,
	OP_TRANSACT_END,
	OP_SESSION_REGISTER,
	OP_SESSION_ADMIT,
	OP_SETTING_SET,
	OP_KIND_END,
};

/* The caller's ids, which become those of what it creates. */
struct op_caller {
	uint32_t uid;
	uint32_t gid;
};

/* Makes a regular file, directory, FIFO, socket, device or symlink, by the type in `mode`. Reply: the new inode.
 * EEXIST; but without `exclusive` (open(2) with O_CREAT) the reply is an existing regular file, with `existed`; it has
 * no attributes of a file in another region, and neither has the reply of any other operation on names.
 * ESTALE: the parent is gone, as for every operation on names. */
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

/* O_TMPFILE: a file without a name, held by this session until OP_RELEASE or OP_LINK. Reply: the inode, nlink 0. */
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

/* OP_UNLINK, OP_RMDIR. With `hold`, an inode that loses its last name stays until OP_RELEASE, held by this session.
 * While there are other sessions it stays until OP_GRACE_END in any case: one of them may have it open. Reply:
 * `victim`, and attributes when names are left. */
struct op_remove {
	uint64_t parent;
	struct slice name;
	bool hold;
};

/* `flags` are renameat2's (RENAME_NOREPLACE, _EXCHANGE, _WHITEOUT). `hold` is as in op_remove, for the inode that the
 * new name replaces. `caller` owns a whiteout. Reply: `attributes` of the moved inode; `victim`, when an inode was
 * replaced; after an exchange, `other`. Two names of one inode stay, and the reply has its attributes alone. */
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
#define OP_SET_READ	 UINT32_C(0x800) /* only `atime`, after a read: never set back, ctime stays, no EPERM */
#define OP_SET_NAMED	 UINT32_C(0x1000) /* by a name: ESTALE when the inode has none left */
#define OP_SET_KILL_SGID UINT32_C(0x2000) /* the caller is not in the file's group; nothing of a directory */
#define OP_SET_ALL	 UINT32_C(0x3fff)

/* Reply: the attributes. A change of uid or gid strips suid, sgid and security.capability. */
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

#define OP_WRITE_APPEND UINT32_C(1) /* at the end of the file, which `reply.offset` says */
#define OP_WRITE_CLIP	UINT32_C(2) /* writeback of a mapped page: never extends, never strips */
#define OP_WRITE_KILL	UINT32_C(4) /* FUSE_WRITE_KILL_SUIDGID */
#define OP_WRITE_TIME	UINT32_C(8) /* mtime and ctime become `time` instead of now (attributes_set_written) */
#define OP_WRITE_ALL	UINT32_C(0xf)

/* The data is the whole payload of the request, 1 to OP_WRITE_SIZE_MAX bytes. Reply: attributes, `offset`, `count`
 * (less than the payload only with OP_WRITE_CLIP). EFBIG, EISDIR, EINVAL (not a regular file). */
struct op_write {
	uint64_t ino;
	uint64_t offset;
	uint32_t flags;
	struct fs_time time; /* of OP_WRITE_TIME: when buffered data was written, by the writer's clock */
};

/* fallocate(2): `mode` 0, FALLOC_FL_KEEP_SIZE, PUNCH_HOLE | KEEP_SIZE, ZERO_RANGE [| KEEP_SIZE]; else EOPNOTSUPP.
 * Extents are copy-on-write, so mode 0 reserves nothing; it only extends the size. Reply: attributes. */
struct op_fallocate {
	uint64_t ino;
	uint32_t mode;
	uint64_t offset;
	uint64_t length; /* > 0 */
	bool kill; /* strip suid and sgid */
};

/* copy_file_range(2), at most OP_WRITE_SIZE_MAX bytes at a time. Reply: `offset`, `count`, attributes of the
 * destination `ino`. EINVAL: the ranges overlap in one file. EXDEV: the files are in different regions. */
struct op_copy {
	uint64_t source;
	uint64_t source_offset;
	uint64_t ino;
	uint64_t offset;
	uint64_t length;
	bool kill;
};

#define OP_XATTR_CREATE	 UINT32_C(1) /* XATTR_CREATE: EEXIST */
#define OP_XATTR_REPLACE UINT32_C(2) /* XATTR_REPLACE: ENODATA */
#define OP_XATTR_KILL_SGID                                                                                   \
	UINT32_C(4) /* an access ACL clears S_ISGID: the caller is not in the file's group */
#define OP_XATTR_NAMED UINT32_C(8) /* as OP_SET_NAMED */
#define OP_XATTR_ALL   UINT32_C(0xf)

/* Names: user.*, trusted.*, security.*, system.posix_acl_access and _default; else EOPNOTSUPP. ENODATA, EEXIST, E2BIG,
 * ENOSPC (too many names), EPERM (immutable or append-only). An access ACL changes the mode. Reply: the attributes. */
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

/* Sets, or drops with FS_LOCK_NONE, a lock of the asking session; `lock.session` is not sent. A conflict answers EAGAIN
 * and `blocker`. An flock has start 0 and end INT64_MAX. ENOLCK: too many. Reply: attributes, when a lock was set or
 * dropped.
 *
 * An owner that waits sets `waits` and asks again until it has the lock. Its first refusal gives it a place in the
 * queue of waiters (lock_queue.h). It keeps the place until it has the lock, drops a lock of that range, or gives up
 * (`waits` and FS_LOCK_NONE, which drops no lock). It is also refused, without a `blocker`, while an earlier waiter
 * could have a conflicting lock now. `reply.before` counts the earlier waiters whose locks conflict. */
struct op_lock {
	uint64_t ino;
	struct lock lock;
	bool waits;
};

/* The asking session holds the inode: it stays without a name until that session's OP_RELEASE. */
struct op_hold {
	uint64_t ino;
};

#define OP_RELEASE_COUNT_MAX 8u

/* Ends the asking session's holds of inodes that are in one region, as those of one dirid are. Reply: `victim`, the
 * last inode that this deleted. An inode that is not held stays as it is. */
struct op_release {
	uint32_t count; /* 1 to OP_RELEASE_COUNT_MAX, no inode twice */
	uint64_t inos[OP_RELEASE_COUNT_MAX];
};

#define OP_GRACE_END_COUNT_MAX 64u

/* Ends the grace of inodes: every session that has one of them open has said so by OP_HOLD, or has ended. Inodes that
 * no session holds are deleted. An inode that is not in grace, or not in the region, stays as it is. Reply: `id`, the
 * first dirid behind the region's range. */
struct op_grace_end {
	struct slice inos; /* 8 bytes each, big endian, none twice; 1 to OP_GRACE_END_COUNT_MAX */
};

/* Makes a session for a mount: its record, its row among region 1's slots, and its registration (keys.h) for that
 * region. Reply: `id`. EUSERS: too many. */
struct op_session_open {
	uint32_t pid;
	struct slice host;
	struct slice mount_point;
};

/*
 * How a region other than 1 comes to know a session (fs/regions/registrations.h), before the session's first change there:
 *
 *   OP_SESSION_ADMIT     the region: tells `forgets`, the count of the OP_SESSION_FORGETs that it has had, and its range
 *   OP_SESSION_REGISTER  region 1: registers the range for the session. ENOENT: the session is dying, or there is none.
 *   OP_SESSION_ADMIT     the region: makes the session's row if the count is still that. Reply: `existed`: it has a row.
 *
 * So a region has a row only while region 1 has a registration whose range includes the region's: the end of the session
 * finds each. The end begins with the session's last registration. From then on a FORGET in the region either comes
 * after the row, which it deletes, or before it, and then the count differs and no row is made: the count only grows, and
 * what an answer tells is committed (evaluator.h). Nothing else counts: not who leads, nor how late a step comes. The
 * halves of a split both have the row and the count.
 *
 * Stores ask for these steps, never mounts.
 */
struct op_session_register {
	uint64_t session;
	uint64_t start, end; /* dirids; `end` is above the last one */
};

#define OP_FORGETS_UNKNOWN UINT64_MAX

/* Reply: `existed`, or else `id`, the count; `offset` and `count`: the first dirid of the region's range, and the first
 * behind it. */
struct op_session_admit {
	uint64_t session;
	uint64_t forgets; /* OP_FORGETS_UNKNOWN: makes no row */
};

/*
 * The steps in which a session ends (namespace.md § How a session ends), whether its mount asks for that or has been
 * silent for too long:
 *
 *   OP_SESSION_CLOSE   region 1: the session is dying, and registers no more. ENOENT: there is none.
 *   OP_SESSION_FORGET  each region of its registrations: deletes its row and slots, so that its requests are refused from
 *                      now on. Reply: `id`, the first dirid behind the region's range.
 *   OP_SESSION_END     the same regions: drops a chunk of its locks and holds. Reply: with `more`, call again from `id`;
 *                      without, `id` is as above.
 *   OP_SESSION_REMOVE  region 1: deletes its record and its registrations. EBUSY: the session is live.
 *
 * The coordinator (coordinator.h) takes all steps; a mount may take the first one itself. Each may be repeated.
 *
 * OP_RECLAIM has no fields. It unmaps a chunk of the garbage that truncations and removals left in a region; with
 * `more`, call again.
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

/* A store says what its address is. `id` 0: it is new, and gets an id; if it asks again it gets the same id, until a
 * store has started with that id. Reply: `id`. ESTALE: a later incarnation of the store has entered, or it has
 * another data directory on record, or it was lost or removed. EEXIST: another store, neither lost nor removed, has
 * this address. ENOSPC: too many. */
struct op_store_enter {
	uint64_t id;
	uint64_t incarnation;
	uint64_t directory_id; /* 0: unknown */
	struct slice address;
};

/* OP_STORE_SET: ENOENT; EPERM: a removed store stays removed, and a lost store can only be removed. */
struct op_store_set {
	uint64_t id;
	enum store_state state;
	uint64_t replacement; /* id of the store that is to get its replicas; 0: any */
};

/* OP_SETTING_SET: sets it, or takes its row away. */
struct op_setting_set {
	enum cluster_setting setting;
	bool is_set;
	uint64_t value; /* if is_set; else 0 */
};

/* Draws an id of that kind that was never drawn before, of COUNTER_REGION a number for region_id_drawn. Reply: `id`. */
struct op_allocate {
	enum counter_kind counter;
};

/*
 * The steps of an operation across regions (intent.h). Stores ask for them, never mounts:
 *
 *   OP_TRANSACT       the anchor's region, with the slot of the mount's request: evaluates `body` with what is known of
 *                     other regions, and with the attempt's time and random numbers. STATUS_INCOMPLETE, with a lack
 *                     (intent.h), until its intents are just those of `prepared`; then it commits. An error of the
 *                     operation, or an operation without intents, ends the attempt without a commit. Reply: the
 *                     operation's. STATUS_STALE_COMMAND: the attempt is of another term, or of another region.
 *                     If the first intent is INTENT_TREE, it comes alone: when it is prepared, all facts that the
 *                     attempt had are void, because directories may have moved.
 *   OP_PREPARE        each other region: puts the intents that lie there. 0, also if they are there. EAGAIN: rows have
 *                     changed since they were seen. EBUSY: an older attempt is in the way. STATUS_INCOMPLETE: younger
 *                     ones are. STATUS_SESSION_UNKNOWN: the session of `age` is to hold an inode (INTENT_HOLDS), and
 *                     has no row in the region.
 *   OP_RESOLVE        each other region: turns intents into their changes (`is_committed`), or takes them away. Those
 *                     that are not there are passed over.
 *   OP_TRANSACT_END   the anchor's region: deletes the committed record. All intents are resolved.
 */
struct op_transact {
	struct attempt attempt;
	struct intent_age age;
	uint64_t wall; /* ns since the epoch: the operation's time */
	uint64_t random[2];
	struct slice facts; /* list of facts */
	struct slice prepared; /* list of intents; empty: none yet */
	struct slice body; /* of the mount's operation */
	/* An op_reply that was found to be right (LACKS_CHECK): the operation ends with it, and is not evaluated. Empty:
	 * none. */
	struct slice answer;
};

struct op_prepare {
	struct attempt attempt;
	struct intent_age age;
	uint64_t wall;
	uint32_t first; /* index of the first intent in the attempt's list */
	struct slice intents; /* a list: all are of one dirid */
};

struct op_resolve {
	struct attempt attempt; /* the whole of OP_TRANSACT_END */
	bool is_committed;
	struct slice places; /* a list: all are of one dirid */
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
		struct op_session_register session_register;
		struct op_session_admit session_admit;
		struct op_session_end session_end; /* OP_SESSION_CLOSE, _FORGET, _END, _REMOVE */
		struct op_format format;
		struct op_store_enter store_enter;
		struct op_store_set store_set;
		struct op_setting_set setting_set;
		struct op_allocate allocate;
		struct op_grace_end grace_end;
		struct op_transact transact;
		struct op_prepare prepare;
		struct op_resolve resolve; /* OP_RESOLVE, OP_TRANSACT_END */
	};
};

/* The key of KEY_DATA whose region evaluates the operation. Size 0: operations of op_is_of_cluster; and
 * OP_SESSION_ADMIT, OP_SESSION_FORGET, OP_SESSION_END, OP_RECLAIM and OP_GRACE_END, whose asker knows the region. */
struct fs_key op_key(const struct op *op);
/* Is it about the cluster's own records, and so for CLUSTER_REGION alone? */
bool op_is_of_cluster(enum op_kind kind);

/* 0 and the caller's reference in `*body`; -ENOMEM; -ENAMETOOLONG, -EINVAL, -E2BIG: it could not be decoded. */
int op_encode(const struct op *op, struct buf **body);
/* Slices borrow from `body`. 0; STATUS_UNSUPPORTED: a newer program's operation, which is not carried out;
 * STATUS_MALFORMED. */
int op_decode(struct slice body, struct op *op);

/* 0, -EINVAL (empty, '/', NUL, "." or ".."), -ENAMETOOLONG. */
int op_check_name(struct slice name);

/* The inode whose name was removed or replaced. */
struct op_victim {
	uint64_t ino; /* 0: nothing */
	uint32_t nlink; /* names left */
	bool is_gone; /* the inode is deleted; false: it has names left or is held */
};

struct op_reply {
	int error; /* 0; or -errno of the operation, with which only `blocker` and `before` may be set */
	bool has_attributes;
	bool has_other;
	bool existed; /* op_make; op_session_admit: the region has a row of the session */
	bool more; /* OP_SESSION_END, OP_RECLAIM */
	uint64_t offset; /* of what was written or copied; see op_session_admit */
	uint64_t count; /* bytes written or copied; see op_session_admit */
	/* Of a session or store, or the one drawn; OP_SESSION_ADMIT, _FORGET, _END, OP_GRACE_END: as they say. */
	uint64_t id;
	struct attributes attributes; /* after the operation */
	struct attributes other; /* of an exchange: the inode that got the old name */
	struct op_victim victim;
	struct lock blocker; /* type FS_LOCK_NONE: none */
	uint32_t before; /* OP_LOCK: count of earlier waiters whose locks conflict */
};

int op_reply_encode(const struct op_reply *reply, struct buf **bytes); /* 0 or -ENOMEM */
int op_reply_decode(struct slice bytes, struct op_reply *reply); /* 0 or STATUS_MALFORMED */

#endif
