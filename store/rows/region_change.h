/*
 * Changes of a region's membership: how one is proposed, and what it makes of the region when it is applied. Pure: a
 * region and an entry give the same next region, or the same refusal, on every replica.
 *
 * What the Raft group decides is raft's business (raft/confchange.h); this module adds where the replicas are, and that
 * a change was made for the membership that it meets.
 */
#ifndef RAFTKV_STORE_ROWS_REGION_CHANGE_H
#define RAFTKV_STORE_ROWS_REGION_CHANGE_H

#include <stdint.h>

#include "raft/raft.h"
#include "store/rows/region.h"

#define REGION_CHANGE_STEPS_MAX	  16
#define REGION_CHANGE_CONTEXT_MAX 192 /* bytes */

struct region_change_step {
	enum raft_conf_change_type type;
	uint64_t replica;
	uint64_t store; /* of a replica that is added */
};

struct region_change {
	uint64_t conf_version; /* the membership it is meant for; 0: whatever it is now */
	/* AUTO: through a joint phase when there are several steps, which ends by itself. Without steps: leave it. */
	enum raft_conf_change_transition transition;
	struct region_change_step steps[REGION_CHANGE_STEPS_MAX];
	uint32_t step_count;
};

/* Fills `raft`, which borrows `context`, for a proposal. 0, STATUS_CONF_CHANGE_INVALID or STATUS_EPOCH_NOT_MATCH: the
 * region would refuse it. */
int region_change_encode(const struct region *region, const struct region_change *change,
	struct raft_conf_change *raft, uint8_t context[REGION_CHANGE_CONTEXT_MAX]);

/* Makes the region what it is after the entry; `change` (may be NULL) is what raft is told, borrowed from the entry.
 * STATUS_CONF_CHANGE_INVALID, STATUS_EPOCH_NOT_MATCH: refused, nothing has changed. -ENOMEM. */
int region_change_apply(
	struct region *region, const struct raft_entry *entry, struct raft_conf_change *change);

#endif
