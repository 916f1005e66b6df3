/*
 * evaluator.h: how the layer above plugs its operations into the store, through one vtable.
 *
 * An operation arrives at the region's leader as opaque bytes (and perhaps a large payload). The evaluator reads what
 * it needs through the view, writes the mutations that the operation amounts to, and its reply. It must be a pure
 * function of its input and the view: it may run several times for one operation, on any thread, and its mutations may
 * be thrown away. What it answers about the world's state becomes true when the mutations commit.
 *
 * An evaluation without mutations is a read (an error such as EEXIST, a no-op): the store confirms the leadership and
 * waits for what it saw before the reply leaves.
 */
#ifndef RAFTKV_STORE_EVALUATE_EVALUATOR_H
#define RAFTKV_STORE_EVALUATE_EVALUATOR_H

#include <stdint.h>

#include "proto/buf.h"
#include "proto/codec.h"
#include "store/rows/mutations.h"

struct eval_input {
	struct slice body; /* the operation, encoded by the layer above */
	struct buf *payload; /* its data, or NULL; may be shared by a mutation */
	uint64_t session; /* who asks; 0: the store's own */
	uint64_t wall; /* ns since the epoch at the leader: the operation's time */
	uint64_t random[2]; /* for new ids and seeds */
	struct slice region_start; /* the region's range of keys */
	struct slice region_end; /* empty: no bound */
};

struct evaluator {
	const struct evaluator_ops *ops;
};

struct evaluator_ops {
	/* 0: evaluated; the reply (which carries the operation's own errno) is the caller's reference in `*reply`.
	 * STATUS_WOULD_BLOCK from the view is handed through. Any other error fails the operation as such
	 * (STATUS_MALFORMED, STATUS_UNSUPPORTED, STATUS_CORRUPT, -EIO, -ENOMEM, STATUS_LIMIT). On an error,
	 * mutations and reply are dropped. */
	int (*evaluate)(struct evaluator *evaluator, struct view *view, const struct eval_input *input,
		struct mutations *mutations, struct buf **reply);
};

#endif
