/*
 * evaluator.h: the vtable by which the layer above adds its operations to the store.
 *
 * An operation arrives at the region's leader as opaque bytes (and perhaps a large payload). The evaluator reads
 * through the view, and writes the operation's mutations and its reply. It must be a pure function of its input and the
 * view: it may run several times for one operation, on any thread, and its mutations may be dropped. Its reply is valid
 * once the mutations are committed.
 *
 * An evaluation without mutations (an error such as EEXIST, a no-op) is a read: before the reply leaves, the store
 * confirms the leadership and waits until the entries whose effects it saw are applied.
 */
#ifndef RAFTKV_STORE_EVALUATE_EVALUATOR_H
#define RAFTKV_STORE_EVALUATE_EVALUATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/codec.h"
#include "store/rows/mutations.h"

struct eval_input {
	struct slice body; /* the operation, encoded by the layer above */
	struct buf *payload; /* its data, or NULL; may be shared by a mutation */
	uint64_t session; /* the client's session; 0: the store's own */
	uint64_t region; /* its id */
	uint64_t term; /* in which its leader evaluates */
	uint64_t wall; /* ns since the epoch at the leader: the operation's time */
	uint64_t random[2]; /* for new ids and seeds */
	struct slice region_start; /* the region's range of keys */
	struct slice region_end; /* empty: no bound */
};

struct evaluator {
	const struct evaluator_ops *ops;
};

/* What becomes of a KEY_LOCAL row of the layer above when its region is split. */
enum split_fate {
	SPLIT_STAYS, /* with the lower half */
	SPLIT_MOVES, /* to the upper half */
	SPLIT_IS_COPIED, /* both halves have it */
};

struct evaluator_ops {
	/* 0: evaluated; `*reply` gets a reference to the reply, which holds the operation's own errno.
	 * STATUS_WOULD_BLOCK from the view must be returned. STATUS_INCOMPLETE: nothing is logged, not even for a
	 * retry, and the caller gets the reply with that status, confirmed as above. Any other error fails the
	 * operation (STATUS_MALFORMED, STATUS_UNSUPPORTED, STATUS_CORRUPT, -EIO, -ENOMEM, STATUS_LIMIT); a retry gets
	 * the same one, unless it is -ENOMEM, STATUS_KEY_NOT_IN_REGION, STATUS_STALE_COMMAND or STATUS_NOT_READY. On an
	 * error, mutations and reply are dropped. */
	int (*evaluate)(struct evaluator *evaluator, struct view *view, const struct eval_input *input,
		struct mutations *mutations, struct buf **reply);
	/* Whether a region may begin at `key`: no operation's rows may be divided where one region must have them all.
	 * Any thread. */
	bool (*may_begin)(struct evaluator *evaluator, struct slice key);
	/* The fate of the KEY_LOCAL row (key `row`, value `*value`) when the region is split at `key`. SPLIT_IS_COPIED
	 * may set `*value` to what the upper half gets instead, which lives as long as the evaluator. Depends on its
	 * arguments alone, because every replica decides for itself. The store keeps the rows of slots.h itself, and
	 * does not ask about them. Any thread. */
	enum split_fate (*split_fate)(
		struct evaluator *evaluator, struct slice row, struct slice key, struct slice *value);
};

#endif
