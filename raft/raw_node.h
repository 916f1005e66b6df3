/*
 * raw_node: the door to a `struct raft` and the bookkeeping of Readys. Private to raft/: raw_node.c has the calls that
 * go in, ready.c what comes out.
 */
#ifndef RAFTKV_RAFT_RAW_NODE_H
#define RAFTKV_RAFT_RAW_NODE_H

#include "raft/core.h"

/* What raw_node_advance does for the last ready (synchronous mode). */
struct raw_node_advance {
	bool is_due; /* a ready is out */
	struct raft_messages steps; /* promises to this node itself, kept now */
	size_t steps_done;
	uint64_t term; /* in which the write was issued */
	struct raft_position stable; /* index 0: nothing was unstable */
	uint64_t snapshot_index; /* 0: none */
	uint64_t applied_index; /* 0: nothing to apply */
	uint64_t applied_size; /* bytes of raft_entry_size */
	uint64_t applied_payload_size;
};

struct raw_node {
	struct raft raft;
	bool is_async;
	struct raft_soft_state soft_state; /* as last told */
	struct raft_hard_state hard_state; /* as last told */
	struct raw_node_advance advance;
};

static inline struct raft_soft_state raft_soft_state_of(const struct raft *raft)
{
	return (struct raft_soft_state){.leader = raft->leader, .role = raft->role};
}

static inline struct raft_hard_state raft_hard_state_of(const struct raft *raft)
{
	return (struct raft_hard_state){
		.term = raft->term, .vote = raft->vote, .commit = raft->log.committed};
}

#endif
