/*
 * faults.h: the faults of a run. Each seed chooses some kinds of faults and how often they come; each fault ends by itself
 * after a while. A quorum of the disks always keeps what it has synced, so that everything can recover once the faults are
 * over.
 *
 * Messages come late and twice where they can: TCP delivers what was sent once and in order. But whoever gives up a connection
 * sends its requests again over another one, while the first copies are still on their way; and these come seconds later
 * (FAULT_LATE). That holds for the requests of mounts, for those that stores send each other for operations across regions,
 * and for the messages of Raft, which are not sent again but overtaken.
 */
#ifndef RAFTKV_TESTS_SIM_FAULTS_H
#define RAFTKV_TESTS_SIM_FAULTS_H

#include "tests/sim/cluster.h"

enum fault {
	FAULT_KILL, /* a store: kill -9 */
	FAULT_POWER, /* a store loses power */
	FAULT_POWER_IN_WRITE, /* a store loses power in the middle of a disk operation */
	FAULT_POWER_ALL, /* all stores lose power */
	FAULT_STOP, /* a store is told to end */
	FAULT_TRANSFER, /* the leader is told to transfer leadership */
	FAULT_PAUSE, /* a machine stands still */
	FAULT_DRIFT, /* a clock runs fast or slow */
	FAULT_WALL, /* the time of day jumps */
	FAULT_PARTITION, /* machines on one side do not reach the other */
	FAULT_ONE_WAY, /* a machine's messages do not arrive, or none arrive there */
	FAULT_BRIDGE, /* one store reaches two that do not reach each other */
	FAULT_RESET, /* connections break */
	FAULT_DELAY, /* a network that is slow */
	FAULT_SLOW_DISK,
	FAULT_FULL_DISK,
	FAULT_BAD_DISK, /* writes and syncs fail: the store must give up */
	FAULT_OLD_COPY, /* a disk is copied; or the copy, which lacks a life, is put in the disk's place */
	FAULT_WIPE, /* an empty disk is put in a disk's place */
	FAULT_MOUNT_KILL,
	FAULT_MOUNT_PAUSE, /* long enough for its session to end */
	FAULT_MOUNT_CUT, /* a mount reaches no machine */
	FAULT_LEADER_CUT, /* a mount, or a follower, does not reach the leader */
	FAULT_LATE, /* what a machine has sent another arrives after it has given up and sent it again */
	FAULT_COUNT,
};

struct faults {
	struct cluster *cluster;
	uint32_t allowed; /* a bit each: what the command line lets happen */
	uint32_t chosen; /* a bit each: the ones that the seed chose; one seed of sixteen has none */
	uint64_t every; /* ns between faults, about */
	uint64_t next; /* world time */
	uint64_t cut_until;
	uint64_t links_until;
	uint64_t late_until; /* the link below is slow; then its sender gives up */
	struct sim_node *late_from, *late_to;
	uint64_t disk_until[STORES];
	uint64_t false_until; /* one store at a time has a disk that is not its own */
	uint64_t true_since; /* all disks are, or were until one was made false; world time */
	bool has_full_disk; /* some disk is, or was */
	uint64_t fired[FAULT_COUNT];
};

const char *fault_name(enum fault fault);
/* A list "kill,power": its bits; 0: there is a name that means nothing. */
uint32_t faults_parse(const char *list);

/* Chooses from the world. Nothing happens before faults_begin. */
void faults_init(struct faults *faults, struct cluster *cluster, uint32_t allowed);
void faults_begin(struct faults *faults);
/* Called between events: begins and ends the faults that are due. Returns when one is due again. */
uint64_t faults_step(struct faults *faults);
/* Ends all faults. */
void faults_end(struct faults *faults);

#endif
