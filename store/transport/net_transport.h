/*
 * net_transport.h: the transport of a cluster: Raft messages over links (proto/link.h), and snapshots of regions over
 * links of their own (net_snapshots.h).
 *
 * Each shard has its own link to every store that it sends to, used in one direction: answers come on the other store's
 * links. All messages of one turn of the shard's loop, of all regions, are sent together in as few frames as possible,
 * so the heartbeats of many regions are one frame. A message without a link begins one and waits for it, up to a limit
 * of waiting messages. A message that cannot be sent is dropped and reported. A failed link is begun again for a later
 * message, after a random pause (proto/backoff.h), which grows up to NET_TRANSPORT_PAUSE_MAX_MS.
 *
 * The acceptor (proto/acceptor.h) gives links of other stores to net_transport_greet. A link is accepted once its
 * sender's life is on record here (lives.h). It is refused if that life is stale: then the sending store fails.
 *
 * A store tells its life to every store with a known address, by a link, until all have accepted it. It sends no other
 * message until each was told or tried, or NET_TRANSPORT_TELLING_MS have passed. So every store that is up then refuses
 * an older copy of this store, which lacks later acknowledgements.
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
	const struct link_self *self; /* outlives the transport, as do all pointers below */
	const struct logger *logger;
	struct env_loop **loops; /* the shards' loops */
	uint32_t loop_count;
	uint64_t snapshot_rate; /* bytes/s of all snapshots together; 0: no limit */
};

struct net_transport_stats {
	uint64_t messages_sent, messages_received, messages_dropped;
	/* Frames with messages, and those that only say that this store is alive; bytes of heads and payloads. */
	uint64_t frames_sent, alive_sent, bytes_sent, bytes_received;
	uint32_t stores_told; /* stores that have this store's life on record */
	uint32_t stores_untold; /* other stores with a known address */
};

/* NULL: out of memory. */
struct net_transport *net_transport_new(const struct net_transport_options *options);
/* For raftkv_options. */
struct transport *net_transport_base(struct net_transport *transport);
/* Sets the transport's store, which `self` names by now. Before any loop runs. */
void net_transport_attach(struct net_transport *transport, struct raftkv *raftkv);
/* Sets a store's address. Any thread. 0 or -ENOMEM. */
int net_transport_set_address(struct net_transport *transport, uint64_t store, const char *address);
/* The store is no longer a member: it need not be told of this store's life. Any thread. 0 or -ENOMEM. */
int net_transport_set_out(struct net_transport *transport, uint64_t store);
/* Takes over or refuses a link of another store (Role STORE). As link_handlers.greeted. */
int net_transport_greet(
	void *transport, struct link *link, const Raftkv__Hello *hello, struct status *refusal);
/* The same for a link that brings a snapshot (Role SNAPSHOT). */
int net_transport_greet_snapshot(
	void *transport, struct link *link, const Raftkv__Hello *hello, struct status *refusal);
/* The cluster refuses this store with -ESTALE: it fails with that sentence. Any thread. */
void net_transport_refused(struct net_transport *transport, const struct status *why);
void net_transport_read_stats(struct net_transport *transport, struct net_transport_stats *stats);

/* Ends every link, begun here or accepted; then `stopped`, on the first loop. The loops run. */
void net_transport_stop(struct net_transport *transport, void (*stopped)(void *argument), void *argument);
void net_transport_free(struct net_transport *transport); /* stopped, or never used; may be NULL */

#endif
