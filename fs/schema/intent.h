/*
 * intent.h: what an operation that changes rows of several regions leaves in them until it has ended everywhere
 * (namespace.md § Operations across regions): names of attempts, intents, and their rows in KEY_LOCAL (keys.h).
 *
 * An attempt to carry such an operation out is coordinated by the leader of its anchor's region. It puts intents into
 * the other regions (OP_PREPARE). If all could be put, it commits: one entry of the anchor's region has the rows there
 * and the committed record (OP_TRANSACT). Then the intents are resolved (OP_RESOLVE): each becomes the change that it
 * stands for. If the attempt does not commit, they are taken away.
 *
 * An intent is among the rows of the inode that it concerns, and INODE_HAS_INTENTS is set in that inode, if it exists.
 *
 * Lists are items one after another, in bytes. `…_next` takes the first item off `*rest`, which borrows; false at the
 * end, and when the bytes are malformed, which `…s_check` finds before.
 */
#ifndef RAFTKV_FS_SCHEMA_INTENT_H
#define RAFTKV_FS_SCHEMA_INTENT_H

#include <stdbool.h>
#include <stdint.h>

#include "fs/schema/coder.h"
#include "fs/schema/keys.h"
#include "fs/schema/rows.h"

#define INTENTS_OF_ATTEMPT_MAX 64u
#define INTENTS_OF_INODE_MAX   16u /* then others wait */
#define INTENTS_SIZE_MAX       (64u << 10) /* bytes of the intents of one attempt */
#define FACTS_SIZE_MAX	       (256u << 10) /* bytes of the rows that one attempt knows of other regions */
#define ATTEMPTS_OF_LACK_MAX   256u

/* An attempt's name, which no other attempt has at any time. */
struct attempt {
	uint64_t anchor; /* the inode whose region's leader coordinates it */
	uint64_t region; /* the id of that region, when the attempt began */
	uint64_t term; /* the Raft term of that leader */
	uint64_t number; /* > 0; counts the attempts of that leader in that term */
};

static inline bool attempt_is_same(const struct attempt *one, const struct attempt *other)
{
	return one->anchor == other->anchor && one->region == other->region && one->term == other->term &&
	       one->number == other->number;
}

/* What the leader of the anchor's region says of an attempt. */
enum attempt_verdict {
	ATTEMPT_IS_OVER, /* it never commits; or it has committed, and none of its intents is left */
	ATTEMPT_IS_PENDING,
	ATTEMPT_IS_COMMITTED,
};

/* The age of an operation, which all its attempts have: of two that want the same, the older one waits and the younger
 * one gives way (wait-die; Rosenkrantz, Stearns, Lewis 1978). */
struct intent_age {
	uint64_t asked; /* ns since the epoch, by the clock of who asked first */
	uint64_t session; /* of the operation; 0: none */
	uint32_t slot;
};
bool intent_age_is_older(const struct intent_age *one, const struct intent_age *other);

enum intent_kind {
	INTENT_ROW = 1, /* a row of KEY_DATA is put, replaced or deleted */
	INTENT_INODE, /* an inode's counts, times or parent change, whatever else changes it meanwhile */
	INTENT_TREE, /* of FS_ROOT_INO: no other directory changes its parent meanwhile */
};

/* Of INTENT_INODE: what becomes of the inode. */
#define INTENT_TOUCHES	       UINT32_C(0x01) /* ctime */
#define INTENT_TOUCHES_CONTENT UINT32_C(0x02) /* ctime, mtime and the data version */
#define INTENT_MOVES	       UINT32_C(0x04) /* a directory gets another parent */
#define INTENT_REMOVES	       UINT32_C(0x08) /* a directory loses its only name; it must be empty */
#define INTENT_DROPS	       UINT32_C(0x10) /* a file loses a name; after the last one it is held or goes */
/* With the two above: the operation's session has it open, and is told that this was the last name. */
#define INTENT_HOLDS	    UINT32_C(0x20)
#define INTENT_ENDS_KEEPING UINT32_C(0x40) /* a file of O_TMPFILE gets its first name */
#define INTENT_FLAGS_ALL    UINT32_C(0x7f)

struct intent {
	enum intent_kind kind;
	uint64_t ino; /* the inode that it concerns; of an entry, the directory */
	union {
		struct {
			struct slice key;
			struct slice before, after;
			bool had, has; /* a row before; a row after */
			bool is_first; /* `ino` is new: no key of its dirid may exist, if it is a directory */
		} row;
		struct {
			uint32_t generation; /* as it was seen, as are its flags: else the attempt is over */
			uint32_t flags_seen; /* FS_FLAG_… */
			uint32_t flags; /* INTENT_… */
			int32_t nlink; /* added */
			int32_t entries; /* added */
			uint64_t parent_before, parent_after; /* INTENT_MOVES */
		} inode;
	};
};

/* 0; the writer's status; STATUS_CORRUPT: it could not be read again. */
int intent_encode(const struct intent *intent, struct writer *writer);
bool intent_next(struct slice *rest, struct intent *intent);
/* Is it a list of 1 to INTENTS_OF_ATTEMPT_MAX intents? 0 or STATUS_MALFORMED. */
int intents_check(struct slice list);

/* ---- Rows of KEY_LOCAL ---- */

/* An intent's row (T). Its key has the inode, the attempt and the intent's place in the attempt's list. */
struct intent_record {
	struct attempt attempt; /* in the key */
	uint32_t index; /* in the key: place among the attempt's intents */
	struct intent_age age;
	struct fs_time time; /* of the change; a row takes the later one of its own and this one */
	struct intent intent; /* borrows from the row */
};
int intent_record_encode(const struct intent_record *record, struct writer *writer);
int intent_record_decode(
	struct slice key, struct slice row, struct intent_record *record); /* or STATUS_CORRUPT */

/* Where an intent is. */
struct intent_place {
	uint64_t ino;
	uint32_t index;
};
void intent_place_encode(const struct intent_place *place, struct writer *writer);
bool intent_place_next(struct slice *rest, struct intent_place *place);
int intent_places_check(struct slice list); /* 1 to INTENTS_OF_ATTEMPT_MAX; 0 or STATUS_MALFORMED */

/* A committed attempt's row (K), in the region of its anchor, until every intent is resolved. Its key is the attempt.
 * `places` is a list of all its intents. */
void committed_record_encode(struct slice places, struct writer *writer);
int committed_record_decode(
	struct slice key, struct slice row, struct attempt *attempt, struct slice *places);

/* ---- What travels ---- */

void code_attempt(struct coder *coder, struct attempt *attempt);
void code_intent_age(struct coder *coder, struct intent_age *age);

void attempt_encode(const struct attempt *attempt, struct writer *writer);
bool attempt_next(struct slice *rest, struct attempt *attempt);
/* Is it a list of 1 to `count_max` attempts? 0 and their count, or STATUS_MALFORMED. */
int attempts_check(struct slice list, uint32_t count_max, uint32_t *count);

/* A row of another region, as its leader knew it. */
struct fact {
	struct slice key; /* of KEY_DATA */
	struct slice row;
	bool exists;
};
void fact_encode(const struct fact *fact, struct writer *writer);
bool fact_next(struct slice *rest, struct fact *fact);
int facts_check(struct slice list); /* 0, also for an empty list; STATUS_MALFORMED */
/* False: the list says nothing of that key. */
bool facts_find(struct slice list, struct slice key, struct fact *fact);

/* Rows of another region that an evaluation wants: the inode's; with a name also the row of that entry, and of what it
 * names, if it is there; with `is_upward` also of its ancestors, as far as they are there. */
struct wanted {
	uint64_t ino;
	struct slice name; /* empty: none */
	bool is_upward;
};
/* A name stands in a directory, and may be an entry's. */
bool wanted_is_sound(const struct wanted *wanted);
void wanted_encode(const struct wanted *wanted, struct writer *writer);
bool wanted_next(struct slice *rest, struct wanted *wanted);

/* Why an evaluation is STATUS_INCOMPLETE: the reply that comes with it. */
enum lack_kind {
	LACKS_ROWS = 1, /* `list`: wanted rows of other regions */
	LACKS_ENDS, /* `list`: attempts whose intents are in its way; it may be tried again when one has ended */
	LACKS_INTENTS, /* `list`: intents; all must be prepared before it commits */
	/* `list`: the op_reply to which the facts lead, without a change anywhere; or empty: they contradict each other.
	 * Facts are of different moments. If all of them held from before this evaluation until after it
	 * (facts_held.h), the reply is right, because both were true together at that moment. */
	LACKS_CHECK,
};
struct lack {
	enum lack_kind kind;
	struct slice list;
};
int lack_encode(const struct lack *lack, struct buf **reply); /* 0 or -ENOMEM; the list is sound */
int lack_decode(struct slice reply, struct lack *lack); /* 0 or STATUS_MALFORMED */

#endif
