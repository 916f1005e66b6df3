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

#include <stdint.h>

#include "proto/buf.h"
#include "proto/codec.h"
#include "store/rows/mutations.h"

struct eval_input {
	struct slice body; /* the operation, encoded by the layer above */
	struct buf *payload; /* its data, or NULL; may be shared by a mutation */
	uint64_t session; /* the client's session; 0: the store's own */
	uint64_t wall; /* ns since the epoch at the leader: the operation's time */
	uint64_t random[2]; /* for new ids and seeds */
	struct slice region_start; /* the region's range of keys */
	struct slice region_end; /* empty: no bound */
};

struct evaluator {
	const struct evaluator_ops *ops;
};

struct evaluator_ops {
	/* 0: evaluated; `*reply` gets a reference to the reply, which holds the operation's own errno.
	 * STATUS_WOULD_BLOCK from the view must be returned. Any other error fails the operation (STATUS_MALFORMED,
	 * STATUS_UNSUPPORTED, STATUS_CORRUPT, -EIO, -ENOMEM, STATUS_LIMIT). On an error, mutations and reply are
	 * dropped. */
	int (*evaluate)(struct evaluator *evaluator, struct view *view, const struct eval_input *input,
		struct mutations *mutations, struct buf **reply);
};

#endif
