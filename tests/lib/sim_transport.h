/*
 * sim_transport.h: a transport (store/transport/transport.h) in memory, between the stores of one simulated world. It delays
 * messages by a random time, so that they overtake each other, and loses and repeats them; it keeps a count of what it
 * carried. A region's snapshot is sent in chunks, each when the receiver has taken the one before (sim_stream.c); the
 * transfer breaks if a chunk is lost, or if it stands still because one end has died.
 */
#ifndef RAFTKV_TESTS_LIB_SIM_TRANSPORT_H
#define RAFTKV_TESTS_LIB_SIM_TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "store/transport/transport.h"
#include "tests/lib/sim_env.h"

#define SIM_TRANSPORT_STORES_MAX 8

struct sim_letter; /* sim_transport.c: a message on its way */
struct sim_stream; /* sim_stream.c: a snapshot on its way */
struct sim_transport;

/* A store's end. */
struct sim_transport_end {
	struct transport base;
	struct sim_transport *transport;
	struct raftkv **raftkv; /* where the process that runs is; NULL in it: none */
	bool is_cut; /* nothing comes and nothing goes */
};

struct sim_transport {
	struct sim_world *world;
	struct sim_node *node; /* for the timer alone */
	struct env_loop *loop;
	struct env_timer timer;
	struct sim_letter *letters; /* by due */
	struct sim_stream *streams; /* all that there ever were */
	struct sim_transport_end ends[SIM_TRANSPORT_STORES_MAX]; /* of store n at n - 1 */

	/* Change at will. */
	uint64_t latency; /* ns, at most [2 ms] */
	uint32_t loss_ppm;
	uint32_t repeat_ppm;
	uint32_t chunk_loss_ppm; /* of snapshots */
	/* NULL, or whether a message passes. What a store says to another one (that it is alive) is asked about as an empty
	 * message of region 0. */
	bool (*filter)(
		void *argument, const struct peer_envelope *envelope, const struct raft_message *message);
	void *filter_argument;

	uint64_t sent[RAFT_MSG_TYPE_COUNT]; /* empty messages count as RAFT_MSG_HUP */
	uint64_t words_sent; /* of the empty ones, those with a word */
	uint64_t alive_sent; /* by which a store says that it is alive; no messages */
	uint64_t chunks; /* of snapshots, taken in */
	uint64_t streams_arrived, streams_broken;
	uint64_t
		payloads_missing; /* entries whose payload's bytes were not there: no transport could carry them */
};

void sim_transport_init(struct sim_transport *transport, struct sim_world *world);
void sim_transport_close(struct sim_transport *transport);
/* The end for a store whose process is at `*raftkv`. */
struct transport *sim_transport_end(struct sim_transport *transport, uint64_t store, struct raftkv **raftkv);
/* The store's process is about to stop: breaks its streams, and runs the world until nothing of it is in them. */
void sim_transport_leave(struct transport *end);

#endif
