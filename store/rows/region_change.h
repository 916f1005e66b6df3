/*
 * Membership changes of a region: encoding one for a proposal, and applying it to the region. Pure: a region and an
 * entry give the same next region, or the same refusal, on every replica.
 *
 * raft/confchange.h validates the change of the Raft configuration. This module adds the replicas' stores, and the
 * check that the change was made for the present membership.
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
	uint64_t conf_version; /* the membership that it is made for; 0: the present one */
	/* AUTO: several steps go through a joint phase, which ends by itself. A change without steps leaves the joint
	 * phase. */
	enum raft_conf_change_transition transition;
	struct region_change_step steps[REGION_CHANGE_STEPS_MAX];
	uint32_t step_count;
};

/* Fills `raft`, which borrows `context`, for a proposal. 0, STATUS_CONF_CHANGE_INVALID or STATUS_EPOCH_NOT_MATCH: the
 * region would refuse it. */
int region_change_encode(const struct region *region, const struct region_change *change,
	struct raft_conf_change *raft, uint8_t context[REGION_CHANGE_CONTEXT_MAX]);

/* Changes the region as the entry says. `change` (may be NULL) gets the change for raft, borrowed from the entry.
 * STATUS_CONF_CHANGE_INVALID, STATUS_EPOCH_NOT_MATCH: refused, nothing has changed. -ENOMEM. */
int region_change_apply(
	struct region *region, const struct raft_entry *entry, struct raft_conf_change *change);

#endif
