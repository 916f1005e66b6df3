/*
 * store_links.h: one dispatcher's connections to stores, by address. A link is made when a request needs it. A link
 * that failed is made again after a pause.
 *
 * A link carries a limited number of requests and of bytes at once: fewer than those at which the store stops reading
 * (rpc_server.h), and than the connection's queues hold (link.h). Other requests wait in the link's queue, except
 * heartbeats and urgent ones.
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
	/* Shared: the objects below outlive the links. */
	const struct link_self *self;
	struct env_loop *loop;
	/* A store has answered the link's Hello. False: it belongs to another cluster, and the link is closed. */
	bool (*welcomed)(void *argument, const Raftkv__HelloReply *reply);
	/* A link ended, or could not be made. */
	void (*failed)(void *argument, const char *address, const struct status *why);
	/* A request ends. 0: with an answer; -ETIMEDOUT, -ECONNRESET: it is unknown whether it was carried out; any
	 * other status: it was not sent. */
	void (*back)(struct cluster_request *request, int status, const struct frame *answer);
	void *argument;
};

struct store_links *store_links_new(const struct store_links_options *options); /* NULL: no memory */
void store_links_free(struct store_links *links); /* stopped, or never used; may be NULL */

/* Sends the request, or puts it into the link's queue. `store` 0: any store at that address. 0: `back` will come,
 * perhaps from inside the call. -ENOTCONN: the link failed or fell silent, and is not tried again yet; -ENOMEM. */
int store_links_carry(
	struct store_links *links, const char *address, uint64_t store, struct cluster_request *request);
/* Takes a request that is QUEUED or SENT back: `back` will not come for it. */
void store_links_withdraw(struct store_links *links, struct cluster_request *request);
/* False: store_links_carry would return -ENOTCONN now. */
bool store_links_may_carry(const struct store_links *links, const char *address);
/* Is a request likely to be answered: is the link open, or has it not failed yet? A link that failed is not sound until
 * it is open again. For a read from a follower, a link that has fallen silent is not sound either. */
bool store_links_is_sound(const struct store_links *links, const char *address, bool from_follower);
/* Makes a failed link again, if its pause is over. */
void store_links_try(struct store_links *links, const char *address, uint64_t store);
/* How long answers to reads take, in ns: a moving average; 0: unknown. */
uint64_t store_links_latency(const struct store_links *links, const char *address);
/* The version of the store's program, from its last Hello; "unknown". */
const char *store_links_version(const struct store_links *links, const char *address);

/* Closes every link; those made from now on are of this session. Requests that were sent come back with -ECONNRESET,
 * queued ones with -ENOTCONN. */
void store_links_set_session(struct store_links *links, uint64_t session);
uint32_t store_links_open_count(const struct store_links *links); /* any thread */
/* When no request is queued or sent. `stopped` may come from inside the call. */
void store_links_stop(struct store_links *links, void (*stopped)(void *argument), void *argument);

#endif
