/*
 * RaftStoreRouter: which regions this store has a replica of, and how to reach their peers from any thread.
 *
 * A route belongs to a region's replica, or to the next one of the region when that was destroyed, and lives as long as
 * the store, so that a pointer to one never dangles. It is
 * also the delegate of the LocalReader (local_reader.h): the peer publishes in it what a reader on another thread needs
 * to know, and readers share a snapshot there. A look-up by id takes no lock; one by key takes a shared one.
 */
#ifndef RAFTKV_STORE_ROUTE_ROUTER_H
#define RAFTKV_STORE_ROUTE_ROUTER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/env.h"
#include "store/rows/rows.h"

struct peer;
struct shard;

struct route {
	struct route *next; /* the router's */
	uint64_t region;
	struct shard *shard;
	struct peer *peer; /* stays the same; used on the shard's loop alone */
	struct buf *start; /* of the region's range; under the router's lock, as is what follows */
	struct buf *end; /* NULL: no bound */
	struct region_epoch epoch;

	/*
	 * What the peer publishes: the leader's term once it has applied an entry of it (0: not serving), and env_now's
	 * time until which reads may be served here (0: they may not).
	 */
	_Atomic uint64_t serving_term;
	_Atomic uint64_t lease_bound;
	/* No other replica needs entries of the log up to here, as far as this one knows. */
	_Atomic uint64_t shared_index;
	_Atomic uint64_t applied_index; /* visible to readers */
	/* What other replicas may have applied, and have shown to readers of theirs; 0: there are none. */
	_Atomic uint64_t commit_index;
	/* A snapshot takes the place of the replica's rows: its apply state may be missing for a while. */
	atomic_bool is_installing;
	/* The replica has been given more than finds room here, for a while. */
	atomic_bool is_stuck;
	struct env_mail renewal_mail; /* a reader asks for a longer lease */

	/* The snapshot that readers share until the region's rows change, as route_snapshot.c packs it; 0: none. */
	_Atomic uint64_t latest;
	pthread_mutex_t sharing; /* held while one is made or forgotten */
};

/* Routes by the region's id, open addressing. It only grows; one that grew is kept for whoever still looks. */
struct route_table {
	struct route_table *older;
	size_t mask; /* slots - 1 */
	_Atomic(struct route *) slots[];
};

struct router {
	pthread_rwlock_t lock; /* of what changes */
	_Atomic(struct route_table *) table;
	struct route *routes;
	size_t count;
	struct route **by_start; /* those that have a range, sorted */
	size_t placed_count;
	size_t capacity;
};

int router_init(struct router *router);
void router_close(struct router *router);

/* A route without a range, found by its id alone. 0, -ENOMEM, or STATUS_CORRUPT: the region is here already. */
int router_add(
	struct router *router, uint64_t region, struct peer *peer, struct shard *shard, struct route **route);
/* The region's range and epoch are known, or are others now. 0, -ENOMEM, or STATUS_CORRUPT: it overlaps another. */
int router_place(struct router *router, struct route *route, const struct region *region);
/* Whether router_place would find the range free: 0 or STATUS_CORRUPT. */
int router_look(struct router *router, const struct region *region);
/* There is no replica any more: the route is found by its id alone. */
void router_remove(struct router *router, struct route *route);
void router_set_epoch(struct router *router, struct route *route, struct region_epoch epoch);
/* NULL: there never was a replica here. */
struct route *router_find(const struct router *router, uint64_t region);
/* Fills in the region's id, epoch and range; the caller's to close. */
void router_range(struct router *router, const struct route *route, struct region *region);
/* The route of the region that holds `key`, and its epoch; NULL: none. */
struct route *router_find_key(struct router *router, struct slice key, struct region_epoch *epoch);
/* Calls back for each route that was there before, without a lock and in no order. Any thread. */
void router_visit(const struct router *router, void (*visit)(struct route *route));
/* Calls back for each route, in the order of their ranges, under the lock. */
void router_each(struct router *router, void (*each)(void *argument, struct route *route), void *argument);

#endif
