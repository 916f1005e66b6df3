/*
 * snapshot_sink.h: snapshots that a store receives (transport.h has the calls). Chunks become rows of a stage, and
 * their units are written to this store's extents. A store receives at most count_max snapshots at once, and one of
 * each region.
 */
#ifndef RAFTKV_STORE_SNAPSHOT_SNAPSHOT_SINK_H
#define RAFTKV_STORE_SNAPSHOT_SNAPSHOT_SINK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "store/engines.h"
#include "store/route/route.h"
#include "store/transport/transport.h"

struct snapshot_stage;

/* The receiver of the MsgSnap messages that come with snapshots, set by raftkv. Any thread. Both calls take and zero
 * the message. */
struct snapshot_receiver {
	/* Steps a MsgSnap without its snapshot, which would fit only in the place of the replica's present state. */
	void (*step)(void *argument, const struct peer_envelope *envelope, struct raft_message *message);
	/* Steps a MsgSnap with its stage, which is durable and taken. STATUS_LIMIT or -ENOMEM: neither is taken. */
	int (*step_snapshot)(void *argument, const struct peer_envelope *envelope,
		struct raft_message *message, struct snapshot_stage *stage);
	void *argument;
};

/* A store's snapshots, sent and received; part of raftkv. */
struct snapshots {
	struct engines *engines;
	struct router *router;
	struct snapshot_receiver receiver;
	uint32_t count_max; /* limit of snapshots sent at once, and of those received */
	_Atomic uint32_t sources;
	pthread_mutex_t lock; /* of the next two */
	struct snapshot_sink *sinks;
	uint32_t sink_count;
	/* For raftkv_stats. */
	_Atomic uint64_t sent, received, failed; /* snapshots */
	_Atomic uint64_t sent_size, received_size; /* bytes of chunks */
};

/* 0 or -errno. The engines and the router outlive it. */
int snapshots_init(struct snapshots *snapshots, struct engines *engines, struct router *router,
	uint32_t count_max, const struct snapshot_receiver *receiver);
void snapshots_close(struct snapshots *snapshots); /* no source and no sink is left */

/* As raftkv_receive_snapshot (transport.h). */
int snapshots_receive(struct snapshots *snapshots, const struct peer_envelope *envelope,
	struct raft_message *message, struct snapshot_sink **sink);

#endif
