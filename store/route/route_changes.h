/*
 * route_changes.h: which routes have changed since somebody looked, so that who looks at all regions again and again has
 * work with those alone that have changed.
 *
 * A route changes with its range and epoch (router.h), with the term in which the replica leads, and with the index that
 * is applied (store/peer/peer.c:peer_publish). It is noted after the change, so that a look that finds it sees the change.
 *
 * Looks are numbered. A route has the number of the look that is to find it, and all routes stand in a list by that
 * number: a look begins at the end, and costs what it finds. A route that changes again before the next look has its
 * place already, so it takes no lock then.
 */
#ifndef RAFTKV_STORE_ROUTE_ROUTE_CHANGES_H
#define RAFTKV_STORE_ROUTE_ROUTE_CHANGES_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

struct route;

struct route_changes {
	_Atomic uint64_t next; /* number of the next look; changed under the lock */
	pthread_mutex_t lock; /* guards the list */
	struct route *last; /* the one that changed last */
};

/* A route's. */
struct route_change {
	_Atomic uint64_t look; /* that is to find it; 0: it never changed. Changed under the lock. */
	struct route *before, *after; /* in the list */
};

int route_changes_init(struct route_changes *changes); /* 0 or -errno */
void route_changes_close(struct route_changes *changes);

/* Any thread. */
void route_changes_note(struct route_changes *changes, struct route *route);
/* Calls `each` for each route that has changed since the look that returned `since`, unordered and under the lock; 0: for
 * each that ever changed. Returns what the next look is to be given. Any thread. */
uint64_t route_changes_look(struct route_changes *changes, uint64_t since,
	void (*each)(void *argument, struct route *route), void *argument);

#endif
