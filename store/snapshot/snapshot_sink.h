/*
 * snapshot_sink.h: what a store is receiving (transport.h has the calls): chunks become rows of a stage and units of this
 * store's own extents. A store receives few snapshots at once, and one of a region.
 */
#ifndef RAFTKV_STORE_SNAPSHOT_SNAPSHOT_SINK_H
#define RAFTKV_STORE_SNAPSHOT_SNAPSHOT_SINK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

struct snapshot_sink;

/* A store's snapshots, going and coming; part of raftkv. */
struct snapshots {
	_Atomic uint32_t sources;
	pthread_mutex_t lock; /* of the next two */
	struct snapshot_sink *sinks;
	uint32_t sink_count;
	/* For raftkv_stats. */
	_Atomic uint64_t sent, received, failed; /* snapshots */
	_Atomic uint64_t sent_size, received_size; /* bytes of chunks */
};

int snapshots_init(struct snapshots *snapshots);
void snapshots_close(struct snapshots *snapshots); /* without sources and sinks */

#endif
