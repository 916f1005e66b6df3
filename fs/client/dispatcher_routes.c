/* Learns routes: from the stores, in turn, and from refusals. */
#include <errno.h>
#include <utlist.h>

#include "fs/client/dispatcher_internal.h"
#include "proto/plant.h"

struct region_route *dispatcher_find_route(struct dispatcher *dispatcher, const struct fs_key *key)
{
	if (key->size == 0)
		return routes_find_region(dispatcher->routes, CLUSTER_REGION);
	return routes_find(dispatcher->routes, fs_key_slice(key));
}

bool dispatcher_is_same_region(
	struct dispatcher *dispatcher, const struct fs_key *one, const struct fs_key *other)
{
	return dispatcher_find_route(dispatcher, one) == dispatcher_find_route(dispatcher, other);
}

bool dispatcher_is_only_region(struct dispatcher *dispatcher, const struct fs_key *key)
{
	const struct region_route *route = dispatcher_find_route(dispatcher, key);

	return !route || (route->start_size == 0 && route->end_size == 0);
}

/* ---- Asking the stores ---- */

static uint32_t count_addresses(const struct dispatcher *dispatcher)
{
	return store_book_count(dispatcher->options.book) + dispatcher->options.seeds->count;
}

static int take_routes(struct dispatcher *dispatcher, const Raftkv__RoutesReply *reply)
{
	int status = routes_take(dispatcher->routes, reply);

	if (status == 0 && reply->n_stores > 0 && !planted("fs:stores_not_shared"))
		store_book_learn(dispatcher->options.book, dispatcher->routes);
	return status;
}

static void wake_routed(struct dispatcher *dispatcher)
{
	struct cluster_request *request;

	DL_FOREACH(dispatcher->requests, request)
	{
		if (request->state == CLUSTER_REQUEST_NEEDS_ROUTES &&
			dispatcher_find_route(dispatcher, &request->key))
			dispatcher_wake(request);
	}
}

static bool are_equal(const struct fs_key *a, const struct fs_key *b)
{
	return slice_compare(fs_key_slice(a), fs_key_slice(b)) == 0;
}

/* No store knew the key: those who want it rest. */
static void rest_unrouted(struct dispatcher *dispatcher, const struct fs_key *key)
{
	struct cluster_request *request;

	DL_FOREACH(dispatcher->requests, request)
	{
		if (request->state == CLUSTER_REQUEST_NEEDS_ROUTES && are_equal(&request->key, key))
			dispatcher_retry(request, STATUS_REGION_NOT_FOUND);
	}
}

static const struct cluster_request *first_unrouted(const struct dispatcher *dispatcher)
{
	const struct cluster_request *request;

	DL_FOREACH(dispatcher->requests, request)
	{
		if (request->state == CLUSTER_REQUEST_NEEDS_ROUTES)
			return request;
	}
	return NULL;
}

/* Asks one store after the other for a key, until one knows it; then for the key of the next request that waits. One miss
 * more than there are addresses: the first answer may have changed their number. */
static void on_refreshed(struct cluster_request *refresh, int status, const struct cluster_answer *answer)
{
	struct dispatcher *dispatcher = refresh->dispatcher;
	const struct fs_key key = refresh->key;
	const struct cluster_request *next;

	dispatcher->is_refreshing = false;
	if (status == -ECANCELED)
		return;
	if (status == 0)
		status = take_routes(dispatcher, answer->routes);
	if (status < 0)
		log_warn(dispatcher->options.logger, "msg=\"routes could not be taken\" reason=\"%s\"",
			status_name(status));
	wake_routed(dispatcher);
	if (dispatcher_find_route(dispatcher, &key)) {
		dispatcher->refresh_misses = 0;
	} else if (++dispatcher->refresh_misses > count_addresses(dispatcher)) {
		dispatcher->refresh_misses = 0;
		rest_unrouted(dispatcher, &key);
	}
	next = first_unrouted(dispatcher);
	if (next)
		dispatcher_want_routes(dispatcher, &next->key);
}

void dispatcher_want_routes(struct dispatcher *dispatcher, const struct fs_key *key)
{
	if (dispatcher->is_refreshing || dispatcher->stopped)
		return;
	dispatcher->is_refreshing = true;
	dispatcher->refresh =
		(struct cluster_request){.kind = CLUSTER_REQUEST_ROUTES, .key = *key, .done = on_refreshed};
	dispatcher_begin_request(dispatcher, &dispatcher->refresh);
	dispatcher_dispatch(&dispatcher->refresh);
}

/* The address that the refresh asks next: the stores that a dispatcher has learnt, and the seeds, in turn. */
static const char *refresh_address(struct dispatcher *dispatcher, uint32_t turn, uint64_t *store)
{
	const struct store_list *seeds = dispatcher->options.seeds;
	uint32_t learnt = store_book_count(dispatcher->options.book);
	uint32_t index = turn % (learnt + seeds->count);

	*store = 0;
	if (index >= learnt)
		return seeds->addresses[index - learnt];
	*store = store_book_find(dispatcher->options.book, index, dispatcher->learnt_address);
	return *store > 0 ? dispatcher->learnt_address
			  : seeds->addresses[0]; /* there were more, a moment ago */
}

void dispatcher_send_refresh(struct dispatcher *dispatcher, struct cluster_request *request)
{
	uint32_t count = count_addresses(dispatcher);
	int status = -ENOTCONN;

	for (uint32_t i = 0; i < count && status == -ENOTCONN; i++) {
		const char *address =
			refresh_address(dispatcher, dispatcher->refresh_turn++, &request->store);

		status = store_links_carry(dispatcher->links, address, request->store, request);
	}
	if (status < 0)
		dispatcher_retry(request, status);
}

/* ---- Refusals ---- */

static bool has_addresses(const struct dispatcher *dispatcher, const struct region_route *route)
{
	for (uint32_t i = 0; i < route->store_count; i++)
		if (!routes_address(dispatcher->routes, route->stores[i].store))
			return false;
	return true;
}

bool dispatcher_take_known(struct dispatcher *dispatcher, const struct cluster_request *request,
	const struct cluster_answer *answer)
{
	const struct region_route *route;

	if (answer->known_count == 0 ||
		routes_take_regions(dispatcher->routes, answer->known, answer->known_count) < 0)
		return false;
	route = dispatcher_find_route(dispatcher, &request->key);
	if (route && !has_addresses(dispatcher, route))
		dispatcher_want_routes(dispatcher, &request->key);
	return !route || route->region != request->region || route->epoch.version > request->epoch_version;
}
