/*
 * slot_pool.h: one dispatcher's share of a session's slots (store/rows/slots.h). A change takes one, keeps it with its sequence
 * number over all its attempts, and gives it back; who finds none free waits in the order of coming.
 *
 * A slot whose change was given up may be taken again at once: the next change has a greater sequence number, and what
 * is still on its way with the smaller one is then refused. One loop.
 */
#ifndef RAFTKV_FS_CLIENT_SLOT_POOL_H
#define RAFTKV_FS_CLIENT_SLOT_POOL_H

#include "fs/client/cluster_request.h"

#define SLOT_POOL_SIZE 64u

struct slot_pool {
	uint32_t first; /* number of its first slot in the session */
	bool is_open; /* there is a session */
	uint32_t free_count;
	uint32_t free[SLOT_POOL_SIZE]; /* indices; the one used last is taken first */
	uint64_t sequences[SLOT_POOL_SIZE]; /* used last */
	struct cluster_request *queue; /* by queue_prev, queue_next */
};

/* Closed. */
void slot_pool_init(struct slot_pool *pool, uint32_t first);
/* Of a new session: all slots are free and unused. Who waits is to be served (slot_pool_next). */
void slot_pool_open(struct slot_pool *pool);
/* Nobody gets a slot; those taken are not given back any more. */
void slot_pool_close(struct slot_pool *pool);
/* True: it has a slot. Else it has been put in the queue. */
bool slot_pool_take(struct slot_pool *pool, struct cluster_request *request);
/* Gives its slot back, if it has one. */
void slot_pool_give(struct slot_pool *pool, struct cluster_request *request);
/* The one that has waited longest, with a slot; NULL: nobody waits, or none is free. */
struct cluster_request *slot_pool_next(struct slot_pool *pool);
void slot_pool_leave(struct slot_pool *pool, struct cluster_request *request); /* the queue */

#endif
