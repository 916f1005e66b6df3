/*
 * store_links.h: one dispatcher's connections to stores, by address: made when something is to be carried, made again after
 * a pause when they failed.
 *
 * A link carries a limited number of requests, and of bytes, at once: fewer than the store's end would stop listening at
 * (rpc_server.h), and than the queues of the connection hold (link.h). The others wait their turn; heartbeats do not.
 *
 * All on one loop.
 */
#ifndef RAFTKV_FS_CLIENT_STORE_LINKS_H
#define RAFTKV_FS_CLIENT_STORE_LINKS_H

#include "fs/client/cluster_request.h"

#define STORE_LINK_REQUESTS_MAX 192u
#define STORE_LINK_WEIGHT_MAX	(12u << 20) /* bytes; a single request may be heavier */

struct store_links;

struct store_links_options {
	const struct link_self *self; /* as is all below: outlives the links */
	struct env_loop *loop;
	/* A link was welcomed by a store. False: by one of another cluster; the link ends. */
	bool (*welcomed)(void *argument, const Raftkv__HelloReply *reply);
	/* A link ended, or could not be made. */
	void (*failed)(void *argument, const char *address, const struct status *why);
	/* What was carried is back: 0 with an answer; -ETIMEDOUT, -ECONNRESET: nobody knows what became of it; anything
	 * else: it was not sent. */
	void (*back)(struct cluster_request *request, int status, const struct frame *answer);
	void *argument;
};

struct store_links *store_links_new(const struct store_links_options *options); /* NULL: no memory */
void store_links_free(struct store_links *links); /* stopped, or never used; may be NULL */

/* Sends the request, or puts it into the link's queue; `store` 0: whichever is at that address. 0: `back` will come, perhaps
 * from inside the call. -ENOTCONN: the link failed or fell silent lately, and is not tried again yet; -ENOMEM. */
int store_links_carry(
	struct store_links *links, const char *address, uint64_t store, struct cluster_request *request);
/* One that is QUEUED or SENT: `back` will not come. */
void store_links_withdraw(struct store_links *links, struct cluster_request *request);
/* Could it be carried there, as far as is known? */
bool store_links_may_carry(const struct store_links *links, const char *address);
/* Is it likely to be answered: is there a link, or was none tried? One that failed is not sound before it is open again,
 * nor, for a read from a follower, one that has fallen silent. */
bool store_links_is_sound(const struct store_links *links, const char *address, bool from_follower);
/* Makes a link that failed once more, if it has paused long enough. */
void store_links_try(struct store_links *links, const char *address, uint64_t store);
/* How long answers to reads take there, in ns, lately; 0: unknown. */
uint64_t store_links_latency(const struct store_links *links, const char *address);
/* The version of the program that answers there, as it said last; "unknown". */
const char *store_links_version(const struct store_links *links, const char *address);

/* Every link ends; those made from now on are of this session. What they carried comes back with -ECONNRESET. */
void store_links_set_session(struct store_links *links, uint64_t session);
uint32_t store_links_open_count(const struct store_links *links); /* any thread */
/* Nothing is being carried. `stopped` perhaps from inside the call. */
void store_links_stop(struct store_links *links, void (*stopped)(void *argument), void *argument);

#endif
