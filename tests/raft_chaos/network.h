/*
 * The simulated network: messages are lost, delayed, reordered or duplicated as the profile says, or stopped by a cut.
 * Like a transport it reports to the sender that a peer was unreachable, and the outcome of a snapshot.
 */
#ifndef RAFTKV_TESTS_RAFT_CHAOS_NETWORK_H
#define RAFTKV_TESTS_RAFT_CHAOS_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

#include "raft/raft.h"
#include "tests/raft_chaos/conf_mask.h"

struct cluster;
struct node;

struct network {
	uint8_t cut_to[NODES_MAX + 1]; /* by sender: the mask of nodes that it does not reach */
	uint8_t large_lost_to; /* the mask of nodes that messages with entries do not reach */
};

/* Takes what `message` holds and zeroes it. */
void network_send(struct cluster *cluster, struct node *from, struct raft_message *message);
void network_heal(struct cluster *cluster);

#endif
