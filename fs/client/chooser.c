#include "fs/client/chooser.h"

#include "proto/plant.h"
#include "proto/units.h"

#define EXPLORE_EVERY 64u /* one read in so many measures another replica */

/* May the store at that index of the route be chosen? */
typedef bool (*is_fit_fn)(struct chooser *chooser, const struct region_route *route, uint32_t index);

/* Can a request be given to its link, even if it has to wait there? */
static bool may_carry(struct chooser *chooser, uint64_t store)
{
	const char *address = routes_address(chooser->routes, store);

	return address && store_links_may_carry(chooser->links, address);
}

static bool may_ask(struct chooser *chooser, const struct region_route *route, uint32_t index)
{
	return may_carry(chooser, route->stores[index].store);
}

/* Also tries a failed link again, while the request goes elsewhere. */
static bool is_linked(struct chooser *chooser, uint64_t store, bool from_follower)
{
	const char *address = routes_address(chooser->routes, store);

	if (!address)
		return false;
	if (store_links_is_sound(chooser->links, address, from_follower))
		return true;
	store_links_try(chooser->links, address, store);
	return false;
}

static bool is_sound(struct chooser *chooser, const struct region_route *route, uint32_t index)
{
	return may_ask(chooser, route, index) && is_linked(chooser, route->stores[index].store, false);
}

static bool may_read(struct chooser *chooser, const struct region_route *route, uint32_t index)
{
	return env_now(chooser->env) >= route->stores[index].shunned_until &&
	       is_linked(chooser, route->stores[index].store, true);
}

static uint64_t choose_in_turn(struct chooser *chooser, const struct region_route *route, uint32_t *turn,
	uint64_t but, is_fit_fn is_fit)
{
	for (uint32_t i = 0; i < route->store_count; i++) {
		uint32_t index = (*turn)++ % route->store_count;

		if (route->stores[index].store != but && is_fit(chooser, route, index))
			return route->stores[index].store;
	}
	return 0;
}

/* ---- Reads that any replica may answer ---- */

/* A store without a measured latency (0) comes first. */
static uint64_t choose_nearest(struct chooser *chooser, const struct region_route *route)
{
	uint64_t nearest = 0, least = UINT64_MAX;

	for (uint32_t i = 0; i < route->store_count; i++) {
		uint64_t store = route->stores[i].store, latency;

		if (!may_read(chooser, route, i))
			continue;
		latency = store_links_latency(chooser->links, routes_address(chooser->routes, store));
		if (latency < least) {
			nearest = store;
			least = latency;
		}
	}
	return nearest;
}

static uint32_t index_of(const struct region_route *route, uint64_t store)
{
	uint32_t index = 0;

	while (index < route->store_count && route->stores[index].store != store)
		index++;
	return index;
}

static void shun(struct chooser *chooser, struct region_route *route, uint32_t index)
{
	route->stores[index].shunned_until = env_now(chooser->env) + CHOOSER_SHUN_MS * NS_PER_MS;
}

static uint64_t choose_replica(struct chooser *chooser, struct region_route *route)
{
	uint64_t store;
	uint32_t index;

	if (chooser->reads == REMOTE_READS_FOLLOWER)
		store = choose_in_turn(chooser, route, &chooser->turn, route->leader, may_read);
	else if (++chooser->turn % EXPLORE_EVERY == 0)
		store = choose_in_turn(chooser, route, &chooser->turn, 0, may_read);
	else
		store = choose_nearest(chooser, route);
	index = index_of(route, store);
	if (index < route->store_count && route->stores[index].shunned_until > 0)
		shun(chooser, route, index);
	return store;
}

void chooser_note(struct chooser *chooser, const struct cluster_request *request, struct region_route *route,
	bool did_answer)
{
	uint32_t index = index_of(route, request->store);

	if (index == route->store_count || route->stores[index].store == route->leader)
		return;
	if (did_answer)
		route->stores[index].shunned_until = 0;
	else
		shun(chooser, route, index);
}

/* ---- The leader, or a store that passes on to it ---- */

/* The leader may be on a store that the route does not have yet. 0: it has fallen silent, so that any other store is asked
 * who leads. */
static uint64_t choose_leader(
	struct chooser *chooser, struct cluster_request *request, const struct region_route *route)
{
	uint64_t leader = route->leader, store = 0;

	if (planted("fs:new_store_not_asked") && index_of(route, leader) == route->store_count)
		return 0;
	if (!is_linked(chooser, leader, false) ||
		(request->kind == CLUSTER_REQUEST_BEAT && !may_carry(chooser, leader)))
		store = choose_in_turn(chooser, route, &request->turn, leader, is_sound);
	request->pass_on = store > 0 && !request->from_follower;
	if (store == 0 && may_carry(chooser, leader))
		store = leader;
	return store;
}

static uint64_t choose(struct chooser *chooser, struct cluster_request *request, struct region_route *route)
{
	uint64_t store = 0;

	if (request->from_follower && request->attempts == 0)
		store = choose_replica(chooser, route);
	if (store == 0 && route->leader > 0)
		store = choose_leader(chooser, request, route);
	if (store == 0)
		store = choose_in_turn(chooser, route, &request->turn, 0, is_sound);
	if (store == 0)
		store = choose_in_turn(chooser, route, &request->turn, 0, may_ask);
	return store;
}

void chooser_choose(struct chooser *chooser, struct cluster_request *request, struct region_route *route)
{
	/* A replica that names the leader leaves the read to it. */
	bool is_left = request->hints > 0 && !planted("fs:refused_read_wanders");

	request->pass_on = false;
	request->from_follower = request->kind == CLUSTER_REQUEST_READ && !request->is_for_leader &&
				 !is_left && chooser->reads != REMOTE_READS_LEADER;
	request->store = choose(chooser, request, route);
}
