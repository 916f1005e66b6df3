/*
 * storm.h: one seed: stores of one cluster in a simulated world, over which clients change and read things
 * (tests/lib/things.h) while regions are split, moved and handed over, and stores are killed, paused and cut off. Then
 * everything heals: each operation gets its answer, each thing is read on each store, and the regions divide the key
 * space.
 *
 *   clients.c   clients and readers                faults.c   what happens to regions and stores
 *   storm.c     the course of a seed, and its end  deaths.c   a store dies while all regions sleep
 */
#ifndef RAFTKV_TESTS_REGIONS_STORM_H
#define RAFTKV_TESTS_REGIONS_STORM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "tests/lib/sim_cluster.h"
#include "tests/lib/things_model.h"

#define STORM_STORES	  4u
#define STORM_VOTERS	  3u
#define STORM_CLIENTS	  8u
#define STORM_READERS	  4u
#define STORM_REGIONS_MAX 24u
#define STORM_SLICE	  (2 * (uint64_t)SIM_MS) /* of time, between two looks at the clients */

struct storm_totals {
	uint64_t runs, time /* virtual ns */, operations, acknowledged, reads, splits, moves, transfers,
		kills, crashes, pauses, cuts, slow_disks, snapshots, trace;
};

/* One operation at a time. It is asked again with the same sequence until it has a definite answer. */
struct storm_client {
	uint64_t session;
	uint64_t sequence;
	uint64_t operation; /* without an answer; 0: none */
	uint32_t thing;
	uint32_t store; /* to ask next */
	bool is_retry;
	uint64_t rest_until; /* sim_time */
	uint64_t asked; /* sim_time */
	struct buf *body, *payload;
	struct storm_request *request; /* under way; NULL: none */
};

struct storm_reader {
	uint32_t thing;
	uint64_t certain;
	uint64_t rest_until;
	uint64_t asked;
	struct storm_read *read; /* NULL: none */
};

/* The life of a store's process: an answer of an earlier one does not come any more. */
struct storm_store {
	uint64_t life;
	uint64_t back_at; /* sim_time when a store that is down starts again */
	uint64_t mended_at; /* sim_time when a cut ends */
};

struct storm {
	struct sim_cluster cluster;
	struct evaluator evaluator;
	struct things_model model;
	struct storm_client clients[STORM_CLIENTS];
	struct storm_reader readers[STORM_READERS];
	struct storm_store stores[STORM_STORES];
	struct storm_totals *totals;
	uint64_t budget; /* operations that may begin */
	uint64_t next_region, next_replica;
	uint64_t event_at; /* sim_time of the next event */
	uint32_t splits_pending, changes_pending;
	bool is_calm; /* nothing happens any more but operations */
	bool is_verbose;
};

#define storm_note(storm, ...)                                                                               \
	do {                                                                                                 \
		if ((storm)->is_verbose) {                                                                   \
			printf("%12.6f ", (double)sim_time((storm)->cluster.world) / SIM_S);                 \
			printf(__VA_ARGS__);                                                                 \
			putchar('\n');                                                                       \
		}                                                                                            \
	} while (0)

static inline uint64_t storm_draw(struct storm *storm, uint64_t below)
{
	return sim_random(storm->cluster.world, below);
}

/* A violation ends the process. Adds to `totals`. */
void storm_run(uint64_t seed, uint64_t operations, bool is_verbose, struct storm_totals *totals);

/* NULL: for all of `duration`, ns. */
void storm_run_until(struct storm *storm, uint64_t duration, bool (*is_over)(struct storm *storm));
/* Whether the regions that are led divide the key space. */
bool storm_is_whole(struct storm *storm);

/* ---- clients.c ---- */

void clients_init(struct storm *storm);
/* Looks at each client and reader, and has it go on. */
void clients_step(struct storm *storm);
bool clients_are_idle(const struct storm *storm);
/* Makes the sessions known to the first region. */
void clients_open_sessions(struct storm *storm);
/* The stores that have the region of a thing, of the thing with the fewest. */
uint32_t clients_count_copies(struct storm *storm);
/* Reads a thing on any store, if that has its region, within `patience` ns. */
void clients_read(struct storm *storm, uint32_t thing, uint64_t patience);
/* The number of the store that leads its region; 0: none. */
uint32_t clients_leader_of(struct storm *storm, uint32_t thing);
/* Reads each thing on each store that has its region. */
void clients_read_all(struct storm *storm);

/* ---- faults.c ---- */

void faults_step(struct storm *storm);
/* Everything is well from now on. */
void faults_heal(struct storm *storm);
void faults_start_store(struct storm *storm, uint32_t store);

/* ---- deaths.c ---- */

/* Has a store die, and start again. Everything is well. */
void deaths_try(struct storm *storm);

#endif
