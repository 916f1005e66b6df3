/*
 * net_snapshots.h: one loop's transfers of region snapshots between stores, each over a link of its own (Role
 * SNAPSHOT). net_snapshot_out.c sends, net_snapshot_in.c receives.
 *
 *     sender    FRAME_SNAPSHOT (MsgSnap)    FRAME_SNAPSHOT_CHUNK (attached: a chunk) …
 *     receiver                    FRAME_SNAPSHOT_ANSWER, after each of these
 *
 * The sender has at most NET_SNAPSHOT_WINDOW unanswered frames, so that neither side holds more than that many chunks.
 * All senders of the store share one rate limit. A refusal or a failure is an answer with a status, and is the last
 * answer. A side that hears nothing for NET_SNAPSHOT_PATIENCE_MS gives up. The outcome is reported once, as transport.h
 * says.
 */
#ifndef RAFTKV_STORE_TRANSPORT_NET_SNAPSHOTS_H
#define RAFTKV_STORE_TRANSPORT_NET_SNAPSHOTS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/link.h"
#include "proto/logger.h"
#include "store/transport/transport.h"

#define NET_SNAPSHOT_WINDOW	 4u
#define NET_SNAPSHOT_PATIENCE_MS 30000u
/* Snapshots that one loop receives at once; more are refused and retried. */
#define NET_SNAPSHOTS_IN_MAX 16u

/* The rate limit that all loops share. */
struct net_pace {
	pthread_mutex_t lock;
	uint64_t rate; /* bytes/s; 0: any */
	uint64_t free_at; /* env_now: when all granted bytes have been sent at that rate */
};

struct net_snapshot_out;
struct net_snapshot_in;

/* The transfers of one loop; part of its lane. */
struct net_snapshots {
	/* Set by the owner: */
	const struct link_self *self;
	const struct logger *logger;
	struct raftkv **raftkv;
	struct env_loop *loop;
	struct net_pace *pace;
	struct budget *budget; /* limits the bytes being received */
	void (*ended)(void *argument); /* called when a transfer has ended */
	void *argument;
	bool is_stopping; /* begins no more transfers */
	/* Used by net_snapshot_*.c: */
	struct net_snapshot_out *out;
	struct net_snapshot_in *in;
	uint32_t count; /* transfers of both directions */
	uint32_t in_count;
};

/* As transport_ops.send_snapshot. `address` NULL: unknown, so the transfer fails. */
void net_snapshots_send(struct net_snapshots *snapshots, const char *address,
	const struct peer_envelope *envelope, const struct raft_message *message,
	struct snapshot_source *source);
/* As link_handlers.greeted. */
int net_snapshots_greet(struct net_snapshots *snapshots, struct link *link, const Raftkv__Hello *hello,
	struct status *refusal);
/* Ends all transfers of one direction; `ended` is called for each, later. */
void net_snapshots_stop_sending(struct net_snapshots *snapshots);
void net_snapshots_stop_receiving(struct net_snapshots *snapshots);

#endif
