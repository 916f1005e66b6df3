/* sim_stream.h: the transfer of a region's snapshot through sim_transport.h. */
#ifndef RAFTKV_TESTS_LIB_SIM_STREAM_H
#define RAFTKV_TESTS_LIB_SIM_STREAM_H

#include "tests/lib/sim_transport.h"

/* As transport_ops.send_snapshot, on the sender's loop. */
void sim_stream_begin(struct sim_transport_end *from, struct sim_transport_end *to,
	const struct peer_envelope *envelope, const struct raft_message *message,
	struct snapshot_source *source);
void sim_streams_close(struct sim_transport *transport);

/* sim_transport.c: calls back on the transport's node, after `delay` ns. */
void sim_transport_call(
	struct sim_transport *transport, uint64_t delay, void (*arrived)(void *argument), void *argument);

#endif
