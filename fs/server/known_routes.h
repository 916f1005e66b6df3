/*
 * known_routes.h: the routes that this store can tell of a part of the key space, as the messages that mounts get: the
 * regions with a replica here, in the order of their ranges, and the members of each, as its replica knows them.
 *
 * A collection is embedded in its owner, and collects once. On one loop.
 */
#ifndef RAFTKV_FS_SERVER_KNOWN_ROUTES_H
#define RAFTKV_FS_SERVER_KNOWN_ROUTES_H

#include "proto/raftkv.pb-c.h"
#include "store/raftkv.h"

struct known_routes {
	/* The owner's, in: */
	struct raftkv *raftkv;
	struct env_loop *loop;
	uint32_t limit; /* regions; > 0 */
	/* Comes once, perhaps from inside known_routes_from or known_routes_after. 0; -ENOMEM; STATUS_STOPPING. */
	void (*done)(struct known_routes *known, int status);
	/* Out, until known_routes_close. A region that was removed or split meanwhile has no replicas. */
	uint32_t count;
	Raftkv__Route **routes;
	struct buf *next; /* where the first region begins that was left out; NULL: none was */
	/* Private: */
	struct route_draft *drafts; /* `count` */
	uint32_t capacity; /* of `drafts` */
	uint32_t described; /* drafts whose members are known */
	struct raftkv_region_status status;
	int error;
};

/* The region that holds `key` and those after it. */
void known_routes_from(struct known_routes *known, struct slice key);
/* That region and those after it; none, if it is not here. */
void known_routes_after(struct known_routes *known, uint64_t region);
/* After `done`. */
void known_routes_close(struct known_routes *known);

#endif
