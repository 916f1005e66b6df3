/*
 * routes.h: the regions that a mount has learnt of, their stores and their leaders, from the stores' answers. Routes may
 * be stale: a store that no longer has the region refuses the request, and the dispatcher learns the route anew.
 *
 * Known routes do not overlap. Of two answers that overlap, the one with the newer epoch stays, in whichever order they
 * come. The number of routes is limited. At the limit a new route takes the place of one that was not found of late.
 *
 * Does not use connections. All on one loop.
 */
#ifndef RAFTKV_FS_CLIENT_ROUTES_H
#define RAFTKV_FS_CLIENT_ROUTES_H

#include <stdbool.h>
#include <stdint.h>
#include <uv/tree.h>

#include "fs/schema/records.h"
#include "proto/raftkv.pb-c.h"
#include "store/rows/region.h"

#define ROUTES_REGIONS_MAX (1u << 20)

struct routes;

struct route_store {
	uint64_t store;
	uint64_t shunned_until; /* set by chooser.h; env_now; 0: not shunned */
};

/* Small, for there may be many: below 200 bytes with three stores and the bounds of a split. */
struct region_route {
	uint64_t region;
	struct region_epoch epoch;
	uint64_t leader; /* its store; 0: unknown */
	/* Of routes.c: */
	RB_ENTRY(region_route) by_start, by_region;
	uint16_t start_size, end_size; /* bytes of the bounds, which stand behind `stores`; 0: no bound */
	bool was_found; /* since evict has last looked at it */
	/* In: */
	uint8_t store_count;
	struct route_store stores[]; /* that have a replica with a vote */
};

/* `regions_max` > 0. NULL: no memory. */
struct routes *routes_new(uint32_t regions_max);
void routes_free(struct routes *routes); /* may be NULL */

/* Takes a store's answer. A region replaces those that it overlaps, unless one of them has a newer epoch. The addresses
 * replace all that were known, unless there are none. 0; -ENOMEM: a part was left out; STATUS_MALFORMED: a correct
 * store does not answer that, and nothing was taken. */
int routes_take(struct routes *routes, const Raftkv__RoutesReply *reply);
/* Takes the regions alone. */
int routes_take_regions(struct routes *routes, Raftkv__Route *const *regions, size_t count);

/* NULL: unknown. Valid until the next routes_take or routes_take_regions. */
struct region_route *routes_find(struct routes *routes, struct slice key);
struct region_route *routes_find_region(struct routes *routes, uint64_t region);
uint32_t routes_count(const struct routes *routes); /* regions */
/* NULL: unknown. */
const char *routes_address(const struct routes *routes, uint64_t store);

uint32_t routes_store_count(const struct routes *routes);
/* `index` is less than routes_store_count. The order may change with routes_take. */
uint64_t routes_store(const struct routes *routes, uint32_t index);

#endif
