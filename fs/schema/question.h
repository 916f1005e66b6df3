/*
 * question.h: the reads that the front asks for: one struct for all of them, answered from a view (fs/schema/read.h).
 *
 * A mount whose store is in its own process answers its questions itself (question_answer). Any other mount sends the
 * question (question_encode) to a store, which answers it from a view of its own (question_reply). The mount then puts
 * the answer where question_answer would have put it (finding_take).
 */
#ifndef RAFTKV_FS_SCHEMA_QUESTION_H
#define RAFTKV_FS_SCHEMA_QUESTION_H

#include "fs/schema/read.h"
#include "fs/schema/usage.h"
#include "store/raftkv.h"

#define QUESTION_SIZE_MAX     (1u << 20) /* bytes asked for */
#define QUESTION_INODES_MAX   1024u /* of one ATTRIBUTES_OF_MANY */
#define QUESTION_ATTEMPTS_MAX 256u /* of one ATTEMPTS */
/* Of one USAGE: places in the question; and limits of the run (usage.h). */
#define QUESTION_PLACES_MAX	   1024u
#define QUESTION_USAGE_NEWS_MAX	   8192u
#define QUESTION_USAGE_ENTRIES_MAX 65536u

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
	QUESTION_SPACE, /* of the store that answers; for a cluster see coordinator_room */
	QUESTION_ATTRIBUTES_OF_MANY,
	QUESTION_ROWS, /* for an operation across regions: `bytes` get a list of facts (intent.h) */
	QUESTION_ATTEMPTS, /* of the leader of the anchors' region: `bytes` get an enum attempt_verdict each, one byte */
	QUESTION_USAGE, /* a run of a walk (usage.h) */
	QUESTION_PAGE, /* of administrators: `bytes` get a page of the region's rows (row_page.h) */
	QUESTION_KIND_END,
};

struct question {
	enum question_kind kind;
	uint64_t
		ino; /* LOOKUP: of the directory; HOLDER, SPACE: of the root; ATTRIBUTES_OF_MANY, USAGE: the first; PAGE: 0 */
	union { /* borrowed */
		struct slice name; /* LOOKUP, XATTR, VIRTUAL_XATTR; ROWS: may be empty (struct wanted) */
		struct slice inodes; /* ATTRIBUTES_OF_MANY: 8 bytes each, little endian, ascending */
		struct slice attempts; /* ATTEMPTS: a list (intent.h); `ino` is the first one's anchor */
		struct slice places; /* USAGE: a list (usage.h) */
		struct slice cursor; /* PAGE: where it begins (row_page.h) */
	};
	/* DATA, SEEK; DIRECTORY: the cookie; HOLDER: the least session; USAGE: entries_max of the run. */
	uint64_t offset;
	/* Bytes, at most: DATA, LINK, DIRECTORY, ROWS (> 0); XATTR, XATTRS, VIRTUAL_XATTR: 0 asks for `count` alone.
	 * ATTEMPTS: how many they are. USAGE: news_max of the run. PAGE: at least ROW_PAGE_SIZE_MIN. */
	size_t size;
	bool is_plus; /* DIRECTORY: with attributes; ROWS: `is_upward` (struct wanted) */
	bool is_data; /* SEEK: SEEK_DATA */
	bool has_trusted; /* XATTRS: trusted.* too */
	bool takes_elsewhere; /* LOOKUP: the answer may be `is_elsewhere` */
	struct lock lock; /* LOCK, with its session */
};

struct finding {
	/* Set by the asker: */
	/* Room for question.size bytes: DATA, LINK, XATTR, XATTRS, VIRTUAL_XATTR, ROWS, ATTEMPTS, PAGE. */
	void *bytes;
	/* DIRECTORY, ATTRIBUTES_OF_MANY: before the first entry or inode; earlier ones are void. */
	void (*begin)(void *argument);
	union {
		read_entry_cb entry; /* DIRECTORY */
		/* ATTRIBUTES_OF_MANY: each that exists, up to `found`. */
		void (*inode)(void *argument, const struct attributes *attributes);
	};
	void *argument; /* of `begin`, `entry` and `inode` */
	/* USAGE: gets what the run has counted, left and met. What it had before is void. */
	struct usage_walk *walk;
	/* Set by the answer: */
	union {
		struct {
			struct attributes attributes; /* LOOKUP, ATTRIBUTES, LINK, DIRECTORY, DATA */
			union {
				size_t count; /* of those bytes */
				/* LOOKUP: the inode is in another region; `attributes` have its number and type
				 * alone. */
				bool is_elsewhere;
			};
		};
		/* SEEK, HOLDER; ATTRIBUTES_OF_MANY: the first inode that is in another region; 0: none. */
		uint64_t found;
		struct lock blocker; /* LOCK */
		struct {
			uint64_t total_units, free_units; /* SPACE */
			uint64_t inodes; /* SPACE: how many there are; 0: not counted */
		};
		struct usage usage; /* USAGE: as the walk's */
	};
};

/* The key that says which region answers: that of the inode; not of a PAGE, which is asked of a region. What a name means may lie elsewhere (`is_elsewhere`, and
 * entries without attributes); all else that an answer tells has the inode's dirid. */
struct fs_key question_key(const struct question *question);

/* 0, -errno, or what the view returned; STATUS_WOULD_BLOCK: ask again with `may_block` and a view that may block;
 * STATUS_INTENTS (read.h). `raftkv` is the store of the view. ATTEMPTS and PAGE are -EINVAL: no view has the answer. */
int question_answer(const struct question *question, struct raftkv *raftkv, struct view *view, bool may_block,
	struct finding *finding);

/* ---- As bytes ---- */

/* 0; -ENOMEM; -EINVAL: it could not be decoded. */
int question_encode(const struct question *question, struct buf **bytes);
/* The name borrows from `bytes`. 0; STATUS_UNSUPPORTED: a newer program's question (coder.h); STATUS_MALFORMED. */
int question_decode(struct slice bytes, struct question *question);

/* As question_answer, but into bytes for finding_take. 0: the caller has references to `*bytes` and to `*data` (NULL:
 * none), which is carried beside it. Also -ENOMEM. */
int question_reply(const struct question *question, struct raftkv *raftkv, struct view *view, bool may_block,
	struct buf **bytes, struct buf **data);
/* Encodes a finding that has no data beside it. 0 and the caller's reference in `*bytes`, or -ENOMEM. */
int finding_encode(const struct question *question, const struct finding *finding, struct buf **bytes);
/* Takes a store's answer. 0; STATUS_MALFORMED: no correct store answers so; or the error that `finding->entry`
 * returned. */
int finding_take(
	const struct question *question, struct slice bytes, struct slice data, struct finding *finding);

/* What QUESTION_VIRTUAL_XATTR finds, where its asker has counted the usage. 0 or -ERANGE. */
int finding_tell_usage(const struct question *question, const struct usage *usage, struct finding *finding);

#endif
