/*
 * net_transport.h: the transport of a cluster: Raft messages over links (proto/link.h), and snapshots of regions over
 * links of their own (net_snapshots.h).
 *
 * Each shard has a link of its own to every store that it speaks to, one way: answers come on the other store's links.
 * What the shard's peers say within one turn of its loop goes out together, over all regions, in as few frames as it
 * fits into; so heartbeats of many regions are one frame. A message that finds no link begins one, and waits for it
 * among others, up to a limit; what cannot be sent is dropped and reported, and a link that failed is begun again when
 * something is to be sent, after a pause that grows to NET_TRANSPORT_PAUSE_MAX_MS and is drawn at random.
 *
 * Links of other stores are accepted by whoever listens (proto/acceptor.h), and given to net_transport_greet.
 */
#ifndef RAFTKV_STORE_NET_TRANSPORT_H
#define RAFTKV_STORE_NET_TRANSPORT_H

#include "proto/link.h"
#include "proto/logger.h"
#include "store/transport.h"

#define NET_TRANSPORT_PAUSE_MAX_MS 2000u

struct net_transport;

struct net_transport_options {
	const struct link_self *self; /* as is all below: outlives the transport */
	const struct logger *logger;
	struct env_loop **loops; /* of the shards */
	uint32_t loop_count;
	uint64_t snapshot_rate; /* bytes/s that snapshots may take, all together; 0: any */
};

struct net_transport_stats {
	uint64_t messages_sent, messages_received, messages_dropped;
	uint64_t frames_sent, bytes_sent, bytes_received; /* bytes of heads and payloads */
};

/* NULL: out of memory. */
struct net_transport *net_transport_new(const struct net_transport_options *options);
/* For raftkv_options. */
struct transport *net_transport_base(struct net_transport *transport);
/* The store that it works for: before any loop runs. */
void net_transport_attach(struct net_transport *transport, struct raftkv *raftkv);
/* Where a store is from now on. Any thread. 0 or -ENOMEM. */
int net_transport_set_address(struct net_transport *transport, uint64_t store, const char *address);
/* What is on record of a store: which life of it was here last, in which directory (0: unknown), and whether it stays out.
 * An older life, another directory, and one that stays out, is refused from now on. Any thread. 0 or -ENOMEM. */
int net_transport_set_life(
	struct net_transport *transport, uint64_t store, uint64_t incarnation, uint64_t birth, bool is_out);
/* A link whose sender says that it is a store (Role STORE): takes it over, or refuses it. As link_handlers.greeted. */
int net_transport_greet(
	void *transport, struct link *link, const Raftkv__Hello *hello, struct status *refusal);
/* The same for one that says that it brings a snapshot (Role SNAPSHOT). */
int net_transport_greet_snapshot(
	void *transport, struct link *link, const Raftkv__Hello *hello, struct status *refusal);
void net_transport_read_stats(const struct net_transport *transport, struct net_transport_stats *stats);

/* Ends every link, begun here or accepted; then `stopped`, on the first loop. The loops run. */
void net_transport_stop(struct net_transport *transport, void (*stopped)(void *argument), void *argument);
void net_transport_free(struct net_transport *transport); /* stopped, or never used; may be NULL */

#endif
