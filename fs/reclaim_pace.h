/*
 * reclaim_pace.h: decides when the space of truncated and removed files is given back (OP_RECLAIM). Each operation of a
 * round gives a chunk back. The next round begins after a pause, and only if there was a write since the last round.
 *
 * A mount with a store in its process has a pace (fs/client/reclaim.h). In a cluster every store does it for the regions
 * that it leads (fs/regions/survey.h).
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
	uint64_t writes_seen; /* raftkv_stats.writes when the last round ended */
	uint64_t ended; /* env_now when the last round ended; 0: no round has ended */
};

void reclaim_pace_init(struct reclaim_pace *pace, struct raftkv *raftkv); /* a round is due */
bool reclaim_pace_is_due(const struct reclaim_pace *pace, uint64_t now);
/* The round is over, or failed. */
void reclaim_pace_end(struct reclaim_pace *pace, uint64_t now);

#endif
