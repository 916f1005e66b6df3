/*
 * cluster.h: the machines of a run: stores and mounts, the network between them, and the restarting of their processes.
 * All of it is done between events: cluster_run runs the world, and stops it for what is due.
 */
#ifndef RAFTKV_TESTS_SIM_CLUSTER_H
#define RAFTKV_TESTS_SIM_CLUSTER_H

#include "tests/sim/moments.h"
#include "tests/sim/mount.h"
#include "tests/sim/store.h"

#define NODES (STORES + MOUNTS)

#define CLUSTER_NEVER UINT64_MAX

struct cluster_counts {
	uint64_t processes; /* of stores that were started */
	uint64_t failures; /* processes of stores that gave up */
	uint64_t crashes_by_disk; /* power failed within a disk operation */
	uint64_t mounts; /* processes of mounts that were started */
};

struct cluster {
	struct sim_world *world;
	struct store stores[STORES];
	struct mount mounts[MOUNTS];
	struct sim_node *nodes[NODES]; /* stores, then mounts */
	uint64_t starts[NODES]; /* world time at which a process is started; CLUSTER_NEVER */
	uint64_t rest_max; /* ns that a machine stays down, at most */
	bool is_disk_bad[STORES]; /* now */
	bool may_fail[STORES]; /* this process's disk has given it a reason to give up */
	bool is_verbose;
	struct cluster_counts counts;
	struct moment fault_moment, split_moment; /* cluster_run returns when one has come */

	/* Between events, when something is due; NULL: nobody asks. */
	void (*on_mount_running)(void *argument, struct mount *mount);
	void *argument;
};

void cluster_init(struct cluster *cluster, uint64_t seed, bool is_verbose);
/* Frees nothing of processes that were killed. */
void cluster_close(struct cluster *cluster);

/* Runs until `until` (NULL: never) returns true, for `duration` ns, or until a moment has come that was awaited. Returns
 * the last result of `until`. */
bool cluster_run(struct cluster *cluster, uint64_t duration, bool (*until)(void *argument), void *argument);
/* Has the machine's process started after a rest. */
void cluster_start_later(struct cluster *cluster, uint32_t node);
void cluster_start_all(struct cluster *cluster);
bool cluster_is_up(const struct cluster *cluster); /* every process runs, every mount has its session */

/* A region, and the number, from 0, of a store that leads it. */
struct cluster_led {
	uint32_t store;
	uint64_t region;
};

/* Any of those that are led. False: nobody leads anything. */
bool cluster_draw_led(struct cluster *cluster, struct cluster_led *led);
/* The number, from 0, of the store that leads region 1 in the newest term; STORES: there is none. */
uint32_t cluster_leader(const struct cluster *cluster);

/* The number, from 0, of a store with a slow disk; STORES: there is none. */
uint32_t cluster_slow_store(const struct cluster *cluster);

#define note(cluster, ...)                                                                                   \
	do {                                                                                                 \
		if ((cluster)->is_verbose) {                                                                 \
			printf("%12.6f ", (double)sim_time((cluster)->world) / SIM_S);                       \
			printf(__VA_ARGS__);                                                                 \
			putchar('\n');                                                                       \
		}                                                                                            \
	} while (0)

#endif
