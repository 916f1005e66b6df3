/*
 * slot_pool.h: one dispatcher's share of a session's slots (store/rows/slots.h). A change takes a slot, keeps it and
 * its sequence number over all its attempts, and gives it back. Changes that find no free slot wait, first come first
 * served.
 *
 * A slot whose change was given up may be taken again at once: the next change has a greater sequence number, and a
 * request with a smaller one is refused if it still arrives. All on one loop.
 */
#ifndef RAFTKV_FS_CLIENT_SLOT_POOL_H
#define RAFTKV_FS_CLIENT_SLOT_POOL_H

#include "fs/client/cluster_request.h"

#define SLOT_POOL_SIZE 64u

struct slot_pool {
	uint32_t first; /* number of its first slot in the session */
	bool is_open; /* there is a session */
	uint32_t free_count;
	uint32_t free[SLOT_POOL_SIZE]; /* a stack of indices */
	uint64_t sequences[SLOT_POOL_SIZE]; /* the last sequence number of each slot */
	struct cluster_request *queue; /* linked by queue_prev, queue_next */
};

/* The pool is closed at first. */
void slot_pool_init(struct slot_pool *pool, uint32_t first);
/* For a new session: all slots are free and unused. The caller serves the queue afterwards (slot_pool_next). */
void slot_pool_open(struct slot_pool *pool);
/* No slot is free, and slots that are taken do not become free. */
void slot_pool_close(struct slot_pool *pool);
/* True: the request has a slot. False: it is in the queue. */
bool slot_pool_take(struct slot_pool *pool, struct cluster_request *request);
/* Gives the request's slot back, if it has one. */
void slot_pool_give(struct slot_pool *pool, struct cluster_request *request);
/* Gives a slot to the request that has waited longest. NULL: no request waits, or no slot is free. */
struct cluster_request *slot_pool_next(struct slot_pool *pool);
/* Takes the request out of the queue. */
void slot_pool_leave(struct slot_pool *pool, struct cluster_request *request);

#endif
