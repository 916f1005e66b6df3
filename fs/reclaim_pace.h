/*
 * reclaim_pace.h: when the space of truncated and removed files is given back (OP_RECLAIM): a round at a time, a chunk of
 * it an operation, with a rest between two rounds, and only if something was written since the last one.
 *
 * Whoever has the operation made keeps a pace: a mount of its own store (fs/client/reclaim.h), or who coordinates a
 * cluster (fs/cluster/coordinator.h).
 */
#ifndef RAFTKV_FS_RECLAIM_PACE_H
#define RAFTKV_FS_RECLAIM_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/units.h"

#define RECLAIM_PERIOD_NS NS_PER_S /* between two rounds */

struct raftkv;

struct reclaim_pace {
	struct raftkv *raftkv;
	uint64_t writes_seen; /* by raftkv_stats, when the last round ended */
	uint64_t ended; /* env_now of that; 0: never */
};

void reclaim_pace_init(struct reclaim_pace *pace, struct raftkv *raftkv); /* a round is due */
bool reclaim_pace_is_due(const struct reclaim_pace *pace, uint64_t now);
/* The round is over, or failed. */
void reclaim_pace_end(struct reclaim_pace *pace, uint64_t now);

#endif
