/*
 * question.h: what the front asks about files: one struct for every read, answered from a view by fs/schema/read.h.
 *
 * A mount whose store is in its own process answers where it asks (question_answer). Another one sends the question to a
 * store (question_encode), which answers it from a snapshot of its own (question_reply); what comes back is put where
 * question_answer would have put it (finding_take).
 */
#ifndef RAFTKV_FS_SCHEMA_QUESTION_H
#define RAFTKV_FS_SCHEMA_QUESTION_H

#include "fs/schema/read.h"
#include "store/raftkv.h"

#define QUESTION_SIZE_MAX (1u << 20) /* bytes asked for */

enum question_kind {
	QUESTION_LOOKUP = 1,
	QUESTION_ATTRIBUTES,
	QUESTION_LINK,
	QUESTION_DIRECTORY,
	QUESTION_DATA,
	QUESTION_SEEK,
	QUESTION_XATTR,
	QUESTION_XATTRS,
	QUESTION_VIRTUAL_XATTR, /* virtual_xattrs.h */
	QUESTION_LOCK,
	QUESTION_HOLDER,
	QUESTION_SPACE, /* of the store that answers; a cluster knows better (coordinator_room) */
	QUESTION_KIND_END,
};

struct question {
	enum question_kind kind;
	uint64_t ino; /* LOOKUP: of the directory; HOLDER, SPACE: of the root */
	struct slice name; /* LOOKUP, XATTR, VIRTUAL_XATTR: borrowed */
	uint64_t offset; /* DATA, SEEK; DIRECTORY: the cookie; HOLDER: the least session */
	size_t size; /* bytes, at most: DATA, LINK, DIRECTORY; XATTR, XATTRS, VIRTUAL_XATTR: 0 asks how many */
	bool is_plus; /* DIRECTORY: with attributes */
	bool is_data; /* SEEK: SEEK_DATA */
	bool has_trusted; /* XATTRS: trusted.* too */
	struct lock lock; /* LOCK, with its session */
};

struct finding {
	/* The asker's, in: */
	void *bytes; /* room for question.size: DATA, LINK, XATTR, XATTRS, VIRTUAL_XATTR */
	void (*begin)(void *argument); /* DIRECTORY: entries come from the first on, perhaps again */
	read_entry_cb entry; /* DIRECTORY */
	void *argument; /* of both */
	/* Out: */
	union {
		struct {
			struct attributes attributes; /* LOOKUP, ATTRIBUTES, LINK, DIRECTORY, DATA */
			size_t count; /* of bytes; XATTR, XATTRS, VIRTUAL_XATTR too */
		};
		uint64_t found; /* SEEK, HOLDER */
		struct lock blocker; /* LOCK */
		struct {
			uint64_t total_units, free_units; /* SPACE */
			uint64_t inodes; /* SPACE: how many there are; 0: nobody counted */
		};
	};
};

/* The key that says which region answers. */
struct fs_key question_key(const struct question *question);

/* 0, -errno, or what the view returned: STATUS_WOULD_BLOCK, and it is to be asked again with a view that `may_block`.
 * `raftkv` is the store that the view is of. May be asked more than once, and gives the same. */
int question_answer(const struct question *question, struct raftkv *raftkv, struct view *view, bool may_block,
	struct finding *finding);

/* ---- From afar ---- */

/* 0; -ENOMEM; -EINVAL: nobody could decode it. */
int question_encode(const struct question *question, struct buf **bytes);
/* The name borrows from `bytes`. 0; STATUS_UNSUPPORTED: a newer program's (coder.h); STATUS_MALFORMED. */
int question_decode(struct slice bytes, struct question *question);

/* As question_answer, into bytes for finding_take. With 0 alone: `*bytes`, and `*data` (NULL: none), to be carried
 * beside it. */
int question_reply(const struct question *question, struct raftkv *raftkv, struct view *view, bool may_block,
	struct buf **bytes, struct buf **data);
/* What a store says that found out by itself, without bytes beside it: 0 and `*bytes`, or -ENOMEM. */
int finding_encode(const struct question *question, const struct finding *finding, struct buf **bytes);
/* 0 or STATUS_MALFORMED: no correct store says that. */
int finding_take(
	const struct question *question, struct slice bytes, struct slice data, struct finding *finding);

#endif
