/*
 * Status codes and sentences.
 *
 * A function that can fail returns 0 or a negative code: -errno for errors of the system, or one of the domain codes
 * below, which never collide with an errno. Boundary calls (open, configuration, decoding of foreign bytes) also take
 * a `struct status` and leave a sentence in it for a person to read; hot paths return the int alone.
 *
 * The int is called `status`; `code` where a `struct status` stands beside it; `error` where it is an errno alone, as the
 * kernel and the callers of a client are told.
 */
#ifndef RAFTKV_PROTO_STATUS_H
#define RAFTKV_PROTO_STATUS_H

#include <stdbool.h>

enum status_code {
	STATUS_FIRST = -10000, /* domain codes count down from here */

	/* raft: the log and its storage */
	STATUS_COMPACTED = -10001, /* the index is below the log's first */
	STATUS_UNAVAILABLE = -10002, /* the index is past the log's last */
	STATUS_SNAPSHOT_UNAVAILABLE = -10003, /* no snapshot just now; ask again later */
	STATUS_SNAPSHOT_OUT_OF_DATE = -10004, /* the snapshot is not newer than the present one */

	/* raft: proposals, messages, reads */
	/* Not in the log: this node does not lead, is transferring leadership, or is over a limit. */
	STATUS_PROPOSAL_DROPPED = -10005,
	STATUS_NOT_LEADER = -10006, /* ask the leader */
	STATUS_NOT_READY = -10007, /* the leader has nothing committed in its own term yet */
	STATUS_STEP_LOCAL = -10008, /* a message from outside has a type that only this node may make */
	STATUS_STEP_UNKNOWN_PEER = -10009, /* a response from a node that is no member */
	STATUS_MALFORMED = -10010, /* bytes or fields that no correct sender makes; nothing was changed */
	STATUS_LIMIT = -10011, /* a queue or a size is at its limit; nothing was changed */
	STATUS_CONF_CHANGE_INVALID = -10012, /* the membership change does not fit the configuration */

	/* store */
	STATUS_STALE_COMMAND = -10020, /* the term changed; the outcome is unknown: retry by slot */
	STATUS_EPOCH_NOT_MATCH = -10021, /* the region was split, merged or changed members */
	STATUS_REGION_NOT_FOUND = -10022,
	STATUS_KEY_NOT_IN_REGION = -10023,
	STATUS_WOULD_BLOCK = -10024, /* not in the cache: read it on a worker and try again */
	STATUS_CORRUPT = -10025, /* a checksum, a version or an invariant of stored bytes does not hold */
	STATUS_STOPPING = -10026, /* the store is stopping */
	STATUS_NOT_FOUND = -10027, /* no such row */
	STATUS_SESSION_UNKNOWN = -10028, /* the session has no row in this region: a definite refusal */
	STATUS_UNSUPPORTED =
		-10029, /* sound, but of a newer program: a definite refusal, nothing was changed */
	/* The evaluation needs what its region does not have. Its reply says what; nothing is logged. */
	STATUS_INCOMPLETE = -10030,
	/* What was read has intents: read it with those of attempts that have committed. */
	STATUS_INTENTS = -10031,
	STATUS_LAST = -10032,
};

struct status {
	int code; /* 0 or negative */
	char text[252]; /* one sentence without a final full stop; empty when code is 0 */
};

/* Fills `status` (which may be NULL) and returns `code`. A sentence that is too long is cut. */
int status_set(struct status *status, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The same, but keeps a sentence that `status` already has for `code`: for a caller that returns the error of a function
 * which may have given no sentence. Does nothing if `code` is 0. */
int status_complete(struct status *status, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The sentence to print. If `status` has none it says so; never empty. */
const char *status_sentence(const struct status *status);

/* A short lower-case name for a code, or the text of its errno; never NULL. Static, or valid until the thread's next
 * call. */
const char *status_name(int code);

/* Nobody could answer yet: who asks again, later, may be answered. The reasons are with the function. */
bool status_is_transient(int code);

#endif
