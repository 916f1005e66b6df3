/*
 * A configuration of up to seven nodes as bit masks (bit `id` for node `id`). The disk and the model keep it instead of a
 * raft_conf_state, so that it is copied by assignment.
 */
#ifndef RAFTKV_TESTS_RAFT_CHAOS_CONF_MASK_H
#define RAFTKV_TESTS_RAFT_CHAOS_CONF_MASK_H

#include <stdbool.h>
#include <stdint.h>

#include "raft/raft.h"

#define NODES_MAX 7

struct conf_mask {
	uint8_t voters;
	uint8_t outgoing;
	uint8_t learners;
	uint8_t learners_next;
	bool auto_leave;
};

struct conf_mask conf_mask_of(const struct raft_conf_state *state);
/* Fills the zeroed `state`; the caller closes it. 0 or -ENOMEM. */
int conf_mask_to_state(const struct conf_mask *mask, struct raft_conf_state *state);
bool conf_mask_equal(const struct conf_mask *a, const struct conf_mask *b);

static inline uint8_t conf_mask_members(const struct conf_mask *mask)
{
	return (uint8_t)(mask->voters | mask->outgoing | mask->learners | mask->learners_next);
}

static inline bool mask_has(unsigned mask, uint64_t id)
{
	return id <= NODES_MAX && (mask >> id) & 1;
}

/* Whether the nodes in `held` are a majority of the voters, and of the outgoing voters if there are any. */
bool conf_mask_is_quorum(const struct conf_mask *mask, uint8_t held);

#endif
