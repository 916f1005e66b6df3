/*
 * routes.h: the regions, their stores and their leaders, from the stores' answers (RoutesReply). Routes may be stale: a
 * store that no longer has the region refuses the request, and the dispatcher asks for the routes again.
 *
 * Does not use connections. All on one loop.
 */
#ifndef RAFTKV_FS_CLIENT_ROUTES_H
#define RAFTKV_FS_CLIENT_ROUTES_H

#include <stdbool.h>
#include <stdint.h>

#include "fs/schema/records.h"
#include "proto/raftkv.pb-c.h"
#include "store/rows/region.h"

#define ROUTES_REGIONS_MAX 65536u

struct routes;

struct region_route {
	uint64_t region;
	struct region_epoch epoch;
	struct buf *start, *end; /* NULL: no bound */
	uint64_t leader; /* its store; 0: unknown */
	uint32_t store_count;
	uint64_t stores[REGION_PEERS_MAX]; /* that have a replica with a vote */
	uint64_t shunned_until[REGION_PEERS_MAX]; /* set by chooser.h; env_now; 0: not shunned */
};

struct routes *routes_new(void); /* NULL: no memory */
void routes_free(struct routes *routes); /* may be NULL */

/* Takes a store's answer. A region replaces those that it overlaps, unless one of them has a newer epoch. The addresses
 * replace all that were known, unless there are none. 0; -ENOMEM: a part was left out; STATUS_MALFORMED: a correct
 * store does not answer that, and nothing was taken. */
int routes_take(struct routes *routes, const Raftkv__RoutesReply *reply);

/* NULL: unknown. Valid until the next routes_take. */
struct region_route *routes_find(struct routes *routes, struct slice key);
struct region_route *routes_find_region(struct routes *routes, uint64_t region);
/* NULL: unknown. */
const char *routes_address(const struct routes *routes, uint64_t store);

uint32_t routes_store_count(const struct routes *routes);
/* `index` is less than routes_store_count. The order may change with routes_take. */
uint64_t routes_store(const struct routes *routes, uint32_t index);

#endif
