/*
 * The kind of run that a seed is: the number of nodes, the options, and how often each fault comes. All of it is drawn from
 * the seed; a mix changes the weights, so that each kind of fault also comes often.
 */
#ifndef RAFTKV_TESTS_RAFT_CHAOS_PROFILE_H
#define RAFTKV_TESTS_RAFT_CHAOS_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/raft_chaos/random.h"

enum fault {
	FAULT_CRASH,
	FAULT_PARTITION, /* two halves, for a while */
	FAULT_ISOLATE, /* one node, in one direction or both, for a while */
	FAULT_BRIDGE, /* one node sees both halves, which do not see each other */
	FAULT_LAME_LEADER, /* the leader reaches one peer only, for a while */
	FAULT_LARGE_LOST, /* messages with entries reach one node only, as behind a black hole for large packets */
	FAULT_PAUSE, /* a node stops for a while, as by SIGSTOP */
	FAULT_CAMPAIGN,
	FAULT_TRANSFER,
	FAULT_FORGET_LEADER,
	FAULT_CONF_CHANGE,
	FAULT_COMPACT,
	FAULT_DISK_READ, /* the next few reads of a disk may fail */
	FAULT_HIBERNATE,
	FAULT_COUNT,
};

struct profile {
	const char *mix;
	uint32_t nodes; /* 1–7 processes */
	uint32_t voters; /* of them at the start */
	uint32_t learners;

	bool async;
	bool pre_vote;
	bool check_quorum;
	bool step_down_on_removal;
	bool lease_reads;
	bool by_deadline; /* by raw_node_deadline and raw_node_tick_to, else by raw_node_tick */
	bool leader_sends_early;
	bool small_limits; /* of messages, in-flight windows and readies */

	uint32_t tick_us; /* a node's own tick is up to tick_skew_permille longer */
	uint32_t tick_skew_permille;
	uint32_t election_tick;
	uint32_t duration_us; /* of the faults; healing follows */

	uint32_t loss_permille;
	uint32_t duplicate_permille;
	uint32_t slow_permille; /* messages that take up to slow_max_us */
	uint32_t delay_max_us;
	uint32_t slow_max_us;
	uint32_t storage_max_us; /* of a sync, and of each round of the local threads */

	uint8_t fast_disks; /* mask of nodes whose disk is quick whatever storage_max_us says */

	uint32_t fault_every_us;
	uint32_t client_every_us;
	uint32_t weights[FAULT_COUNT];
};

/* What the command line fixes; the rest is drawn. */
struct profile_request {
	bool async; /* in every run, not in half of them */
	const char *mix; /* NULL: any */
};

void profile_choose(struct profile *profile, struct random *random, const struct profile_request *request);
bool profile_has_mix(const char *name);

const char *fault_name(enum fault fault);

#endif
