/*
 * raw_node: a `struct raft` with the bookkeeping of its readies. Private to raft/: raw_node.c has the calls of raft.h
 * that feed the node, ready.c those that take a ready and advance.
 */
#ifndef RAFTKV_RAFT_RAW_NODE_H
#define RAFTKV_RAFT_RAW_NODE_H

#include "raft/core.h"

/* What raw_node_advance does for the last ready (synchronous mode). */
struct raw_node_advance {
	bool is_due; /* a ready is out */
	struct raft_messages steps; /* the node's responses to itself (its own vote and acknowledgement) */
	size_t steps_done;
	uint64_t term; /* the one in which the write was issued */
	struct raft_position stable; /* index 0: nothing was unstable */
	uint64_t snapshot_index; /* 0: none */
	uint64_t applied_index; /* 0: nothing to apply */
	uint64_t applied_size; /* bytes of raft_entry_size */
	uint64_t applied_payload_size;
};

struct raw_node {
	struct raft raft;
	bool is_async;
	bool apply_unstable;
	struct raft_soft_state soft_state; /* as the last ready had it */
	struct raft_hard_state hard_state; /* as the last ready had it */
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
