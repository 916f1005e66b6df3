/* The struct and the functions that the files of the dispatcher share (dispatcher.h). */
#ifndef RAFTKV_FS_CLIENT_DISPATCHER_INTERNAL_H
#define RAFTKV_FS_CLIENT_DISPATCHER_INTERNAL_H

#include <stdatomic.h>

#include "fs/client/chooser.h"
#include "fs/client/dispatcher.h"
#include "fs/client/routes.h"
#include "fs/client/slot_pool.h"
#include "fs/client/store_links.h"

struct dispatcher {
	struct dispatcher_options options;
	struct env *env;
	struct link_self self;
	struct store_book *own_book; /* where the options have none */
	struct routes *routes;
	struct store_links *links;
	struct chooser chooser;
	struct slot_pool slots;
	uint64_t session; /* 0: none */
	struct cluster_request *requests; /* all that are under way */
	uint32_t count; /* of `requests` */
	struct cluster_request refresh; /* asks for the routes from its key on */
	bool is_refreshing;
	uint32_t refresh_turn; /* counts attempts, to ask the stores in turn */
	char learnt_address[RECORD_ADDRESS_SIZE_MAX + 1]; /* that it asks */
	uint32_t refresh_misses; /* answers in a row that did not know the key */
	bool is_waiting; /* the cluster does not answer, and that was logged */
	void (*stopped)(void *argument);
	void *stopped_argument;
	/* For remote_stats: */
	atomic_ullong calls, reads, retries, timeouts, failures, links_open, under_way;
	atomic_ullong waits_since; /* env_now, when the request began that waits; 0: the cluster answers */
};

/* Enters the request among those under way. */
void dispatcher_begin_request(struct dispatcher *dispatcher, struct cluster_request *request);
/* Takes the request on to whatever it waits for next. */
void dispatcher_dispatch(struct cluster_request *request);
/* Dispatches the request after a pause. */
void dispatcher_retry(struct cluster_request *request, int status);
/* Dispatches the request as soon as the loop comes to it: the list of requests does not change inside the call. */
void dispatcher_wake(struct cluster_request *request);

/* dispatcher_routes.c: */

/* The route of the region that holds the key; NULL: unknown. */
struct region_route *dispatcher_find_route(struct dispatcher *dispatcher, const struct fs_key *key);
/* Asks the stores for the routes from the key on, unless they are being asked already. */
void dispatcher_want_routes(struct dispatcher *dispatcher, const struct fs_key *key);
/* Sends the request for routes to the next store. */
void dispatcher_send_refresh(struct dispatcher *dispatcher, struct cluster_request *request);
/* Takes the routes of a refusal. Does the request go by another route now, or by none? */
bool dispatcher_take_known(struct dispatcher *dispatcher, const struct cluster_request *request,
	const struct cluster_answer *answer);

#endif
