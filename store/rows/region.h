/*
 * A region: a range of the key space and the peers that replicate it. Each replica keeps two rows: the region state and
 * the apply state.
 *
 * A membership change changes the region state in the KV batch of its entry. Every batch changes the apply state. Both
 * begin with a format version.
 */
#ifndef RAFTKV_STORE_ROWS_REGION_H
#define RAFTKV_STORE_ROWS_REGION_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/buf.h"
#include "raft/raft.h"

#define REGION_PEERS_MAX 64
/* A new region's log begins after this index, so that an empty replica needs a snapshot. */
#define REGION_FIRST_INDEX 5
#define REGION_FIRST_TERM  5

struct region_epoch {
	uint64_t conf_version; /* grows with membership changes */
	uint64_t version; /* of the range: grows with splits */
};

enum region_role {
	REGION_VOTER = 1 << 0,
	REGION_VOTER_OUTGOING = 1 << 1, /* voter in the outgoing half of a joint configuration */
	REGION_LEARNER = 1 << 2,
	REGION_LEARNER_NEXT = 1 << 3, /* becomes a learner when the joint configuration ends */
};

struct region_peer {
	uint64_t id; /* the replica's id in the Raft group, never reused */
	uint64_t store;
	uint8_t roles; /* enum region_role */
};

struct region {
	uint64_t id;
	struct region_epoch epoch;
	struct buf *start; /* of its range; NULL: from the first key */
	struct buf *end; /* NULL: to the last key */
	bool auto_leave; /* raft leaves the joint configuration by itself */
	uint32_t peer_count;
	struct region_peer *peers;
};

/* Makes a region over [start, end), replicated by `peers`; all are copied. 0 or -ENOMEM. */
int region_init(struct region *region, uint64_t id, struct slice start, struct slice end,
	const struct region_peer *peers, uint32_t peer_count);
/* Shares the bounds. 0 or -ENOMEM. */
int region_copy(struct region *to, const struct region *from);
void region_close(struct region *region);

/* Whether the range of `other` lies in that of `region`. */
bool region_covers(const struct region *region, const struct region *other);
bool region_has_key(const struct region *region, struct slice key);
/* NULL: this store has no replica of it. */
const struct region_peer *region_peer_of_store(const struct region *region, uint64_t store);
const struct region_peer *region_peer_of_id(const struct region *region, uint64_t id);
/* Whether replica `id` is the only voter, in both halves of the configuration. */
bool region_is_sole_voter(const struct region *region, uint64_t id);
/* Fills an empty `conf`. 0 or -ENOMEM. */
int region_conf_state(const struct region *region, struct raft_conf_state *conf);

/* The region state's row. */
int region_encode(const struct region *region, struct buf **row);
/* 0, -ENOMEM or STATUS_CORRUPT. */
int region_decode(struct slice row, struct region *region);

/* The apply state's row: the last entry of the log that the rows hold. */
struct apply_state {
	uint64_t index;
	uint64_t term;
};
#define APPLY_STATE_SIZE 17 /* bytes */
void apply_state_encode(const struct apply_state *state, uint8_t row[APPLY_STATE_SIZE]);
int apply_state_decode(struct slice row, struct apply_state *state); /* 0 or STATUS_CORRUPT */

#endif
