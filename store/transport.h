/*
 * transport.h: how peers' messages leave the store. The cluster brings one that goes over the network; a store that is
 * alone has none (NULL): its groups have a sole voter and nothing to say.
 */
#ifndef RAFTKV_STORE_TRANSPORT_H
#define RAFTKV_STORE_TRANSPORT_H

#include <stdint.h>

#include "raft/raft.h"

struct transport {
	const struct transport_ops *ops;
};

struct transport_ops {
	/* On the shard's loop. Borrows the message, shares the bufs it keeps; may drop it. */
	void (*send)(struct transport *transport, uint64_t store, uint64_t region,
		const struct raft_message *message);
};

#endif
