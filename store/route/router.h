/*
 * RaftStoreRouter: which regions this store has a replica of, and how to reach their peers from any thread.
 *
 * A region's route is made with its first replica, serves later replicas of the region too, and lives as long as the
 * store, so that a pointer to it never dangles. It is also the delegate of the LocalReader (local_reader.h): the peer
 * publishes in it the state that readers on other threads need, and readers share a snapshot in it. A look-up by id
 * takes no lock, one by key a shared lock.
 */
#ifndef RAFTKV_STORE_ROUTE_ROUTER_H
#define RAFTKV_STORE_ROUTE_ROUTER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/env.h"
#include "store/route/route_changes.h"
#include "store/rows/rows.h"

struct peer;
struct shard;

struct route {
	struct route *next; /* the router's */
	uint64_t region;
	struct shard *shard;
	struct peer *peer; /* never changes; used on the shard's loop alone */
	struct buf *start; /* of the region's range; `start`, `end` and `epoch` are under the router's lock */
	struct buf *end; /* NULL: no bound */
	struct region_epoch epoch;

	/*
	 * The peer publishes the members below. serving_term is the leader's term once it has applied an entry of that
	 * term (0: not serving). lease_bound is the env_now until which reads may be served here (0: they may not).
	 */
	_Atomic uint64_t serving_term;
	_Atomic uint64_t lease_bound;
	/* Every replica is known to have the log up to here. */
	_Atomic uint64_t shared_index;
	_Atomic uint64_t applied_index; /* visible to readers */
	/* The commit index: other replicas may have applied entries up to here and shown them to readers. 0: no other
	 * replicas. */
	_Atomic uint64_t commit_index;
	/* A snapshot is being installed: the apply state may be missing meanwhile. */
	atomic_bool is_installing;
	/* The replica's appends have found no room for a while (peer_room.c). */
	atomic_bool is_stuck;
	struct env_mail renewal_mail; /* a reader asks to renew the lease */

	struct route_change change; /* route_changes.h */

	/* The shared snapshot, in the encoding of route_snapshot.c; 0: none. */
	_Atomic uint64_t latest;
	pthread_mutex_t sharing; /* held while a shared snapshot is made or forgotten */
};

/* A hash table of routes by region id, with open addressing. It only grows; the older table is kept for concurrent
 * look-ups. */
struct route_table {
	struct route_table *older;
	size_t mask; /* slots - 1 */
	_Atomic(struct route *) slots[];
};

struct router {
	pthread_rwlock_t lock; /* guards changes, and the ranges */
	_Atomic(struct route_table *) table;
	struct route *routes;
	size_t count;
	struct route **by_start; /* routes with a range, sorted by its start */
	size_t placed_count;
	size_t capacity;
	struct route_changes changes;
};

int router_init(struct router *router);
void router_close(struct router *router);

/* Adds a route without a range, which is found by id alone. 0, -ENOMEM, or STATUS_CORRUPT: the region is here
 * already. */
int router_add(
	struct router *router, uint64_t region, struct peer *peer, struct shard *shard, struct route **route);
/* Sets the route's range and epoch. 0, -ENOMEM, or STATUS_CORRUPT: the range overlaps another. */
int router_place(struct router *router, struct route *route, const struct region *region);
/* Sets the ranges and epochs of both halves of a split at once, so that no key is without a region in between. `lower`
 * has the wider range before. 0, -ENOMEM, or STATUS_CORRUPT: a range overlaps another. */
int router_split(struct router *router, struct route *lower, const struct region *lower_region,
	struct route *upper, const struct region *upper_region);
/* Whether the region's range overlaps another region: STATUS_CORRUPT, else 0. */
int router_look(struct router *router, const struct region *region);
/* The replica is gone: drops the range, so the route is found by id alone. */
void router_remove(struct router *router, struct route *route);
void router_set_epoch(struct router *router, struct route *route, struct region_epoch epoch);
/* NULL: the region never had a replica here. */
struct route *router_find(const struct router *router, uint64_t region);
/* Fills in the region's id, epoch and range. The caller closes it. */
void router_range(struct router *router, const struct route *route, struct region *region);
/* The route of the region that holds `key`, and its epoch; NULL: none. */
struct route *router_find_key(struct router *router, struct slice key, struct region_epoch *epoch);
/* Calls `visit` for each route that existed before the call, unordered and without a lock. Any thread. */
void router_visit(const struct router *router, void (*visit)(struct route *route));
/* Calls `each` for each route with a range, in the order of the ranges, under the lock. */
void router_each(struct router *router, void (*each)(void *argument, struct route *route), void *argument);
/* The same for the region that holds `key` and those after it, `limit` at most. */
void router_each_from(struct router *router, struct slice key, uint32_t limit,
	void (*each)(void *argument, struct route *route), void *argument);
/* The same for each route that has changed since the look that returned `since` (route_changes.h), unordered. One whose
 * replica has gone is among them: it has no epoch. Returns what the next look is to be given. */
uint64_t router_look_changed(struct router *router, uint64_t since,
	void (*each)(void *argument, struct route *route), void *argument);

#endif
