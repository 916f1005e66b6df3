/*
 * One run: nodes, network, clock and model of one seed. The cluster owns them all; there is no other state, so a seed
 * can be run twice in a process and must give the same trace.
 */
#ifndef RAFTKV_TESTS_RAFT_CHAOS_CLUSTER_H
#define RAFTKV_TESTS_RAFT_CHAOS_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/raft_chaos/client.h"
#include "tests/raft_chaos/event.h"
#include "tests/raft_chaos/faults.h"
#include "tests/raft_chaos/model.h"
#include "tests/raft_chaos/network.h"
#include "tests/raft_chaos/node.h"
#include "tests/raft_chaos/profile.h"
#include "tests/raft_chaos/random.h"
#include "tests/raft_chaos/trace.h"

struct cluster_stats {
	uint64_t runs;
	uint64_t virtual_us;
	uint64_t events;
	uint64_t elections;
	uint64_t committed;
	uint64_t applied_conf_changes;
	uint64_t restored_snapshots;
	uint64_t reads;
	uint64_t faults[FAULT_COUNT];
	uint64_t lost_messages;
	uint64_t stuck_removals; /* runs that could not heal; see healing.c */
};

struct cluster_options {
	uint64_t seed;
	struct profile_request request;
	bool verbose;
};

struct cluster {
	struct profile profile;
	struct random random;
	struct trace trace;
	struct heap queue;
	uint64_t now_us;
	struct network network;
	struct model model;
	struct client client;
	struct faults faults;
	struct node nodes[NODES_MAX + 1]; /* by id */
	struct cluster_stats stats;
	bool is_healing; /* no more faults: from here on it must make progress */
	bool has_healed; /* it has made progress: the run is over */
	bool has_failed;
	char failure[512];
};

/* Runs the seed to its end. 0 or -1 with `failure` filled. */
int cluster_run(struct cluster *cluster, const struct cluster_options *options);
/* Frees the run's memory; the trace, stats and failure stay readable. */
void cluster_close(struct cluster *cluster);

/* Ends the run; the first message is kept. */
void cluster_fail(struct cluster *cluster, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The time that a sync or a round of a storage thread may take now on the node's disk; disks are fast while healing. */
uint64_t cluster_storage_max_us(const struct cluster *cluster, const struct node *node);

/* The leader of the highest term among the running nodes; NULL: none. */
struct node *cluster_leader(struct cluster *cluster);
/* A random running node; NULL: none. */
struct node *cluster_random_node(struct cluster *cluster);

#endif
