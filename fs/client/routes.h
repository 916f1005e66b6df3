/*
 * routes.h: which regions there are and which stores have them, as stores have told (RoutesReply), and who was seen to
 * lead. What is known may be old: a store that is asked in vain says so, and then the routes are asked for again.
 *
 * Knows nothing of connections. One loop.
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
	uint64_t leader; /* store; 0: nobody knows */
	uint32_t store_count;
	uint64_t stores[REGION_PEERS_MAX]; /* that have a replica with a vote */
	uint64_t shunned_until[REGION_PEERS_MAX]; /* env_now: chooser.h's; 0: not */
};

struct routes *routes_new(void); /* NULL: no memory */
void routes_free(struct routes *routes); /* may be NULL */

/* What a store says: a region of a newer epoch takes the place of those that it overlaps, an older one is ignored. Its
 * stores' addresses take the place of all that were known. 0; -ENOMEM: some of it was left out; STATUS_MALFORMED: no
 * correct store says that, and nothing was taken. */
int routes_take(struct routes *routes, const Raftkv__RoutesReply *reply);

/* NULL: unknown. Valid until the next routes_take. */
struct region_route *routes_find(struct routes *routes, struct slice key);
struct region_route *routes_find_region(struct routes *routes, uint64_t region);
/* NULL: unknown. */
const char *routes_address(const struct routes *routes, uint64_t store);

uint32_t routes_store_count(const struct routes *routes);
/* By index below that; in no order that lasts. */
uint64_t routes_store(const struct routes *routes, uint32_t index);

#endif
