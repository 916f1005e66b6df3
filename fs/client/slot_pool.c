#include "fs/client/slot_pool.h"

#include <utlist.h>

#include "proto/check.h"

void slot_pool_init(struct slot_pool *pool, uint32_t first)
{
	*pool = (struct slot_pool){.first = first};
}

void slot_pool_open(struct slot_pool *pool)
{
	pool->is_open = true;
	pool->free_count = SLOT_POOL_SIZE;
	for (uint32_t i = 0; i < SLOT_POOL_SIZE; i++) {
		pool->free[i] = i;
		pool->sequences[i] = 0;
	}
}

void slot_pool_close(struct slot_pool *pool)
{
	pool->is_open = false;
	pool->free_count = 0;
}

static void slot_pool_assign(struct slot_pool *pool, struct cluster_request *request)
{
	uint32_t index = pool->free[--pool->free_count];

	request->has_slot = true;
	request->slot = pool->first + index;
	request->sequence = ++pool->sequences[index];
}

/* No request overtakes those in the queue. */
bool slot_pool_take(struct slot_pool *pool, struct cluster_request *request)
{
	check(!request->has_slot);
	if (pool->free_count > 0 && !pool->queue) {
		slot_pool_assign(pool, request);
		return true;
	}
	DL_APPEND2(pool->queue, request, queue_prev, queue_next);
	return false;
}

void slot_pool_give(struct slot_pool *pool, struct cluster_request *request)
{
	if (!request->has_slot)
		return;
	request->has_slot = false;
	if (!pool->is_open)
		return;
	check(pool->free_count < SLOT_POOL_SIZE);
	pool->free[pool->free_count++] = request->slot - pool->first;
}

struct cluster_request *slot_pool_next(struct slot_pool *pool)
{
	struct cluster_request *request = pool->free_count > 0 ? pool->queue : NULL;

	if (request) {
		slot_pool_leave(pool, request);
		slot_pool_assign(pool, request);
	}
	return request;
}

void slot_pool_leave(struct slot_pool *pool, struct cluster_request *request)
{
	DL_DELETE2(pool->queue, request, queue_prev, queue_next);
}
