/* Shared by the files of the network transport (net_transport.h) alone. */
#ifndef RAFTKV_STORE_TRANSPORT_NET_TRANSPORT_INTERNAL_H
#define RAFTKV_STORE_TRANSPORT_NET_TRANSPORT_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "proto/hash.h"
#include "proto/tally.h"
#include "store/transport/lives.h"
#include "store/transport/net_snapshots.h"
#include "store/transport/net_transport.h"

struct peer_message;

struct peer_messages {
	struct peer_message *first, **end;
	uint32_t count;
	size_t size;
};

/* Another store, as one shard sees it. */
struct net_remote {
	UT_hash_handle hh;
	uint64_t store;
	struct net_lane *lane;
	struct link *link; /* NULL: none */
	bool is_open;
	bool is_down; /* the link failed, which was logged */
	uint32_t failures; /* of links, in a row */
	uint64_t pause_until; /* env_now */
	struct peer_messages waiting;
	struct net_remote *next_dirty;
	bool is_dirty;
};

/* A link that another store began. */
struct inbound {
	struct inbound *next, **self;
	struct net_lane *lane;
	struct link *link; /* NULL: closed; the inbound waits for `admission` */
	uint64_t store;
	bool is_waiting; /* waits until its life is on record */
	struct life_admission admission;
};

/* The state of one loop. */
struct net_lane {
	struct net_transport *transport;
	struct env_loop *loop;
	struct net_remote *remotes; /* by store */
	struct net_remote *dirty;
	struct inbound *inbounds;
	uint32_t link_count; /* of both kinds */
	uint32_t inbound_count;
	struct tally nonsense;
	struct budget budget; /* limits the bytes that inbounds and snapshots receive */
	struct net_snapshots snapshots;
	struct env_mail flush_mail, speak_mail, stop_mail;
	bool is_flush_posted;
	bool is_stopping, is_stopped;
};

/* Another store's address. */
struct address {
	UT_hash_handle hh;
	uint64_t store;
	char *text; /* NULL: unknown */
	bool is_out; /* it is no member: it need not be told */
	bool is_told; /* it has this store's life on record */
	bool is_tried; /* it could not be reached, or refused */
};

struct net_transport {
	struct transport base;
	const struct link_self *self;
	const struct logger *logger;
	struct raftkv *raftkv;
	pthread_mutex_t lock; /* guards the addresses */
	struct address *addresses;
	_Atomic uint64_t messages_sent, messages_received, messages_dropped;
	_Atomic uint64_t frames_sent, alive_sent, bytes_sent, bytes_received;
	struct net_pace pace;
	/* Telling others of this store's life, on the first lane. Until may_speak is set, no messages are sent. */
	atomic_bool may_speak;
	struct env_mail start_mail;
	struct env_timer telling_timer;
	uint64_t telling_until; /* env_now */
	_Atomic uint32_t lanes_running;
	struct env_mail stopped_mail;
	void (*stopped)(void *argument);
	void *stopped_argument;
	uint32_t lane_count;
	struct net_lane lanes[];
};

static inline void net_count(_Atomic uint64_t *counter, uint64_t by)
{
	atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

/* net_transport.c */
struct net_lane *net_lane_here(struct net_transport *transport); /* NULL: the current loop is not a lane's */
struct net_remote *net_remote_find(
	struct net_lane *lane, uint64_t store); /* made if absent; NULL: out of memory */
/* Begins a link where there is none. False: the store cannot be reached now. */
bool net_remote_call(struct net_remote *remote);
/* Sends the waiting messages, if the link is open and sending is allowed. */
void net_remote_send(struct net_remote *remote);
void net_check_stopped(struct net_lane *lane);

/* net_addresses.c */
char *net_address_of(
	struct net_transport *transport, uint64_t store); /* the caller frees it; NULL: unknown */
/* The outcome of a link to the store, on any lane: accepted (told), or closed before that (tried). */
void net_note_told(struct net_transport *transport, uint64_t store);
void net_note_tried(struct net_transport *transport, uint64_t store);
/* Before any loop runs: begins to tell the other stores once the loops run. */
void net_start_telling(struct net_transport *transport);
void net_stop_telling(struct net_transport *transport); /* on the first lane */
void net_count_told(struct net_transport *transport, uint32_t *told, uint32_t *untold); /* stores */
void net_addresses_free(struct net_transport *transport);

#endif
