/*
 * net_transport.h: the transport of a cluster: Raft messages over links (proto/link.h), and snapshots of regions over
 * links of their own (net_snapshots.h).
 *
 * Each shard has a link of its own to every store that it speaks to, one way: answers come on the other store's links.
 * What the shard's peers say within one turn of its loop goes out together, over all regions, in as few frames as it
 * fits into; so heartbeats of many regions are one frame. A message that finds no link begins one, and waits for it
 * among others, up to a limit; what cannot be sent is dropped and reported, and a link that failed is begun again when
 * something is to be sent, after a pause (proto/backoff.h) that grows to NET_TRANSPORT_PAUSE_MAX_MS.
 *
 * Links of other stores are accepted by whoever listens (proto/acceptor.h), and given to net_transport_greet. Each is
 * welcome once the life of its sender is on record here (lives.h), and refused where another life is: then its store fails.
 *
 * A store tells its life to every other one that it has an address of, by a link, and goes on until all of them have
 * welcomed it. Before it says anything else it waits until each was told or tried, or for NET_TRANSPORT_TELLING_MS: what it
 * acknowledges from then on is missed in an old copy of it, whoever of those that are up is asked.
 */
#ifndef RAFTKV_STORE_TRANSPORT_NET_TRANSPORT_H
#define RAFTKV_STORE_TRANSPORT_NET_TRANSPORT_H

#include "proto/link.h"
#include "proto/logger.h"
#include "store/transport/transport.h"

#define NET_TRANSPORT_PAUSE_MAX_MS 2000u
#define NET_TRANSPORT_TELLING_MS   1500u

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
	uint32_t stores_told; /* they have this store's life on record; */
	uint32_t stores_untold; /* they have an address, and not that */
};

/* NULL: out of memory. */
struct net_transport *net_transport_new(const struct net_transport_options *options);
/* For raftkv_options. */
struct transport *net_transport_base(struct net_transport *transport);
/* The store that it works for, which has its place in `self` by now: before any loop runs. */
void net_transport_attach(struct net_transport *transport, struct raftkv *raftkv);
/* Where a store is from now on. Any thread. 0 or -ENOMEM. */
int net_transport_set_address(struct net_transport *transport, uint64_t store, const char *address);
/* The store is no member any more: it need not be told anything. Any thread. 0 or -ENOMEM. */
int net_transport_set_out(struct net_transport *transport, uint64_t store);
/* A link whose sender says that it is a store (Role STORE): takes it over, or refuses it. As link_handlers.greeted. */
int net_transport_greet(
	void *transport, struct link *link, const Raftkv__Hello *hello, struct status *refusal);
/* The same for one that says that it brings a snapshot (Role SNAPSHOT). */
int net_transport_greet_snapshot(
	void *transport, struct link *link, const Raftkv__Hello *hello, struct status *refusal);
/* The cluster refuses this store, as -ESTALE says: it fails with that sentence. Any thread. */
void net_transport_refused(struct net_transport *transport, const struct status *why);
void net_transport_read_stats(struct net_transport *transport, struct net_transport_stats *stats);

/* Ends every link, begun here or accepted; then `stopped`, on the first loop. The loops run. */
void net_transport_stop(struct net_transport *transport, void (*stopped)(void *argument), void *argument);
void net_transport_free(struct net_transport *transport); /* stopped, or never used; may be NULL */

#endif
