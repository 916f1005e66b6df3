/*
 * sim_cluster.h: several stores of one cluster in one simulated world, over sim_transport.h, and the requests that a
 * test makes to them. Every call blocks, and runs the world meanwhile. In a build made with PLANT=1, RAFTKV_PLANTED
 * chooses a planted bug.
 *
 * Most tests have one region: calls without a region in their name or arguments are about region 1.
 */
#ifndef RAFTKV_TESTS_LIB_SIM_CLUSTER_H
#define RAFTKV_TESTS_LIB_SIM_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "store/raftkv.h"
#include "tests/lib/sim_store.h"
#include "tests/lib/sim_transport.h"

#define SIM_CLUSTER_ID 7

struct sim_cluster {
	struct sim_world *world;
	struct sim_transport transport;
	uint32_t count;
	struct sim_store stores[SIM_TRANSPORT_STORES_MAX]; /* store n at n - 1 */
	uint64_t initial[SIM_TRANSPORT_STORES_MAX];
};

/* `voters` stores that begin the cluster, and `joiners` more that have no region. None runs yet. */
void sim_cluster_init(struct sim_cluster *cluster, uint64_t seed, uint32_t voters, uint32_t joiners);
void sim_cluster_close(struct sim_cluster *cluster);

void sim_cluster_open(struct sim_cluster *cluster, uint32_t store); /* by id */
void sim_cluster_open_all(struct sim_cluster *cluster);
struct sim_store *sim_cluster_store(struct sim_cluster *cluster, uint32_t store);
void sim_cluster_cut(struct sim_cluster *cluster, uint32_t store, bool is_cut);
void sim_cluster_run(struct sim_cluster *cluster, uint64_t duration);

/* The store whose replica of region 1 leads and serves, by id; 0: there is none. */
uint32_t sim_cluster_leader(const struct sim_cluster *cluster);
/* Waits for one; fails the test after a minute. */
uint32_t sim_cluster_await_leader(struct sim_cluster *cluster);

struct sim_answer {
	int status; /* -ETIMEDOUT: none came in the time that was given */
	int result; /* of the evaluator: TEST_DONE, TEST_REFUSED */
	char text[512]; /* the reply after its first byte, or the row */
	uint64_t leader_store;
	struct region_epoch epoch;
};

/* A write of region 1 through one store; takes both bufs. */
struct sim_answer sim_cluster_write_at(
	struct sim_cluster *cluster, uint32_t store, struct buf *body, struct buf *payload);
/* Through whoever leads, again and again until it is done; fails the test after a minute. */
void sim_cluster_write(struct sim_cluster *cluster, struct buf *body, struct buf *payload);
/* A row of region 1, as one store sees it. */
struct sim_answer sim_cluster_read_at(
	struct sim_cluster *cluster, uint32_t store, const char *key, bool from_follower);
/* Units of an object, as one store sees them, into `bytes`. */
int sim_cluster_read_units_at(struct sim_cluster *cluster, uint32_t store, const char *object, uint64_t first,
	uint32_t count, void *bytes);

/* Region 1 as one store sees it. */
int sim_cluster_status_at(struct sim_cluster *cluster, uint32_t store, struct raftkv_region_status *status);
/* A change of region 1's members through one store; the loop and the rest of `change` are filled in. */
int sim_cluster_change_at(struct sim_cluster *cluster, uint32_t store, const struct region_change *change);
/* Through whoever leads, until it is done; fails the test after a minute. */
void sim_cluster_change(struct sim_cluster *cluster, const struct region_change *change);

/* ---- Several regions -------------------------------------------------------------------------------------------- */

/* The region that has a key, as one store knows it; 0: none, or the store does not run. */
uint64_t sim_cluster_region_at(struct sim_cluster *cluster, uint32_t store, const char *key);
/* As sim_cluster_leader and sim_cluster_await_leader. */
uint32_t sim_cluster_leader_of(const struct sim_cluster *cluster, uint64_t region);
uint32_t sim_cluster_await_leader_of(struct sim_cluster *cluster, uint64_t region);
/* Hands the region's leadership to that store, however often it takes; fails the test after many tries. */
void sim_cluster_lead_from(struct sim_cluster *cluster, uint64_t region, uint32_t store);

/* A write as `write` says, through one store; its bufs are taken, its loop and callback are filled in. */
struct sim_answer sim_cluster_ask_at(
	struct sim_cluster *cluster, uint32_t store, const struct raftkv_write *write);
/* A write of the region that has the key, through whoever leads it, again and again until it is done; fails the test
 * after a minute. Takes both bufs. */
void sim_cluster_write_to(
	struct sim_cluster *cluster, const char *key, struct buf *body, struct buf *payload);
/* A row of that region, as one store sees it. */
struct sim_answer sim_cluster_read_in(
	struct sim_cluster *cluster, uint32_t store, uint64_t region, const char *key, bool from_follower);
int sim_cluster_status_of(
	struct sim_cluster *cluster, uint32_t store, uint64_t region, struct raftkv_region_status *status);
int sim_cluster_change_of_at(
	struct sim_cluster *cluster, uint32_t store, uint64_t region, const struct region_change *change);
void sim_cluster_change_of(struct sim_cluster *cluster, uint64_t region, const struct region_change *change);

/* A split as `split` says, through one store: its key is taken, its loop and callback are filled in, and what it tells
 * is set. */
int sim_cluster_split_at(struct sim_cluster *cluster, uint32_t store, struct raftkv_split *split);
/* Splits the region that has the key there, through whoever leads it, until a region that is led begins at the key;
 * fails the test after a minute. */
void sim_cluster_split(struct sim_cluster *cluster, const char *key, uint64_t new_region);

#endif
