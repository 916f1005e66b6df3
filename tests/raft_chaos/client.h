/*
 * The cluster's clients: they propose numbered entries and ask for reads on any node, and check the answers. A read
 * must see everything that any node had applied when it was asked for, since all of that may have been acknowledged.
 */
#ifndef RAFTKV_TESTS_RAFT_CHAOS_CLIENT_H
#define RAFTKV_TESTS_RAFT_CHAOS_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "raft/raft.h"
#include "tests/raft_chaos/event.h"

struct node;

struct client_read {
	uint64_t node;
	uint64_t incarnation;
	uint64_t floor; /* the read index may not be below it */
	bool is_leaders; /* a leader accepted it: an answer must come unless the node crashes */
	bool is_done;
};

struct client {
	struct event event;
	uint64_t proposals; /* the number of ids given out, from 1 on */
	struct client_read *reads; /* by id */
	size_t read_count;
	size_t read_capacity;
	uint64_t healing_from; /* proposals with this id or a later one show that healing works */
	uint64_t healed_index; /* the index at which the first of them was applied; 0: not yet */
	uint8_t answered; /* the nodes that answered a read while healing */
};

void client_start(struct cluster *cluster);
void client_close(struct client *client);

/* From now on client_propose and client_read are called by the healer alone. */
void client_start_healing(struct cluster *cluster);
void client_propose(struct cluster *cluster, struct node *node);
void client_read(struct cluster *cluster, struct node *node);

void client_on_applied(struct cluster *cluster, const struct raft_entry *entry);
void client_on_read_state(struct cluster *cluster, struct node *node, const struct raft_read_state *state);
void client_on_crash(struct cluster *cluster, struct node *node);

/* A read that a leader accepted and never answered; NULL: none. */
const struct client_read *client_lost_read(const struct client *client);

#endif
