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

static void take(struct slot_pool *pool, struct errand *errand)
{
	uint32_t index = pool->free[--pool->free_count];

	errand->has_slot = true;
	errand->slot = pool->first + index;
	errand->sequence = ++pool->sequences[index];
}

/* Nobody overtakes who waits. */
bool slot_pool_take(struct slot_pool *pool, struct errand *errand)
{
	check(!errand->has_slot);
	if (pool->free_count > 0 && !pool->queue) {
		take(pool, errand);
		return true;
	}
	DL_APPEND2(pool->queue, errand, queue_prev, queue_next);
	return false;
}

void slot_pool_give(struct slot_pool *pool, struct errand *errand)
{
	if (!errand->has_slot)
		return;
	errand->has_slot = false;
	if (!pool->is_open)
		return;
	check(pool->free_count < SLOT_POOL_SIZE);
	pool->free[pool->free_count++] = errand->slot - pool->first;
}

struct errand *slot_pool_next(struct slot_pool *pool)
{
	struct errand *errand = pool->free_count > 0 ? pool->queue : NULL;

	if (errand) {
		slot_pool_leave(pool, errand);
		take(pool, errand);
	}
	return errand;
}

void slot_pool_leave(struct slot_pool *pool, struct errand *errand)
{
	DL_DELETE2(pool->queue, errand, queue_prev, queue_next);
}
