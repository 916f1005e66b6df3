/*
 * What a quorum has agreed on: the committed index and the result of a vote, of a majority or of a joint configuration
 * (Ongaro §4.3: both halves must agree). Pure functions over sets of ids; a callback, called at least once for each
 * voter, gives what the voter said.
 */
#ifndef RAFTKV_RAFT_QUORUM_H
#define RAFTKV_RAFT_QUORUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "raft/raft.h"

#define QUORUM_EVERYTHING UINT64_MAX /* the committed index of an empty set, which holds nothing back */

enum quorum_result { QUORUM_PENDING, QUORUM_LOST, QUORUM_WON };

/* The index up to which voter `id` has acknowledged the log; false when nothing is known of it (it counts as 0). */
typedef bool (*quorum_acked_cb)(const void *argument, uint64_t id, uint64_t *index);

/* QUORUM_WON when voter `id` said yes, QUORUM_LOST when it said no, else QUORUM_PENDING. */
typedef enum quorum_result (*quorum_vote_cb)(const void *argument, uint64_t id);

/* The highest index that a majority of `voters` has acknowledged. */
uint64_t quorum_committed(const struct raft_ids *voters, quorum_acked_cb acked, const void *argument);
/* The same for a configuration, which may be joint. */
uint64_t quorum_joint_committed(
	const struct raft_conf_state *conf, quorum_acked_cb acked, const void *argument);

/* An empty set wins every vote. */
enum quorum_result quorum_vote(const struct raft_ids *voters, quorum_vote_cb vote, const void *argument);
enum quorum_result quorum_joint_vote(
	const struct raft_conf_state *conf, quorum_vote_cb vote, const void *argument);

const char *quorum_result_name(enum quorum_result result); /* "VoteWon"; static */

#endif
