#include "store/log/log_memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/compare.h"

void log_memory_init(struct log_memory *memory, const struct log_engine_ops *ops, uint64_t cache_size)
{
	*memory = (struct log_memory){.engine = {ops}};
	check(pthread_mutex_init(&memory->lock, NULL) == 0);
	memory->cache.size_max = cache_size;
	memory->index.cache = &memory->cache;
}

void log_memory_close(struct log_memory *memory)
{
	log_index_close(&memory->index);
	log_cached_free_all(log_cache_take_dropped(&memory->cache));
	pthread_mutex_destroy(&memory->lock);
}

void log_memory_lock(struct log_memory *memory)
{
	check(pthread_mutex_lock(&memory->lock) == 0);
}

void log_memory_unlock(struct log_memory *memory)
{
	struct log_cached *dropped = log_cache_take_dropped(&memory->cache);

	check(pthread_mutex_unlock(&memory->lock) == 0);
	log_cached_free_all(dropped);
}

/* ---- Reads ------------------------------------------------------------------------------------------------------ */

/* Locks; the caller must unlock, on an error too. */
static int lock_region(struct log_memory *memory, uint64_t id, const struct log_region **region)
{
	log_memory_lock(memory);
	*region = log_index_find(&memory->index, id);
	if (!*region || !log_region_exists(*region))
		return STATUS_NOT_FOUND;
	return (*region)->damaged ? STATUS_CORRUPT : 0;
}

int log_memory_bounds(struct log_engine *base, uint64_t id, uint64_t *first_index, uint64_t *last_index)
{
	struct log_memory *memory = (struct log_memory *)base;
	const struct log_region *region;
	int status = lock_region(memory, id, &region);

	if (status == 0) {
		*first_index = region->base_index + 1;
		*last_index = log_region_last(region);
	}
	log_memory_unlock(memory);
	return status;
}

int log_memory_hard_state(struct log_engine *base, uint64_t id, struct raft_hard_state *hard_state)
{
	struct log_memory *memory = (struct log_memory *)base;
	const struct log_region *region;
	int status = lock_region(memory, id, &region);

	if (status == 0)
		*hard_state = region->hard_state;
	log_memory_unlock(memory);
	return status;
}

static int term_of(const struct log_region *region, uint64_t index, uint64_t *term)
{
	if (index < region->base_index)
		return STATUS_COMPACTED;
	if (index > log_region_last(region))
		return STATUS_UNAVAILABLE;
	*term = index == region->base_index ? region->base_term : log_region_position(region, index)->term;
	return 0;
}

int log_memory_term(struct log_engine *base, uint64_t id, uint64_t index, uint64_t *term)
{
	struct log_memory *memory = (struct log_memory *)base;
	const struct log_region *region;
	int status = lock_region(memory, id, &region);

	if (status == 0)
		status = term_of(region, index, term);
	log_memory_unlock(memory);
	return status;
}

int log_memory_mark(struct log_engine *base, uint64_t id, const char *name, struct buf **value)
{
	struct log_memory *memory = (struct log_memory *)base;
	const struct log_region *region;
	int status = lock_region(memory, id, &region);

	*value = NULL;
	if (status == 0) {
		const struct log_region_mark *mark = log_region_mark(region, slice_of(name, strlen(name)));

		if (mark)
			*value = buf_ref(mark->value);
		else
			status = STATUS_NOT_FOUND;
	}
	log_memory_unlock(memory);
	return status;
}

int log_memory_regions(struct log_engine *base, int (*each)(void *argument, uint64_t region), void *argument)
{
	struct log_memory *memory = (struct log_memory *)base;
	const struct log_region *region;
	size_t count = 0;
	uint64_t *ids;
	int status = 0;

	log_memory_lock(memory);
	ids = malloc((HASH_COUNT(memory->index.regions) + 1) * sizeof(*ids));
	for (region = memory->index.regions; region && ids; region = region->hh.next)
		if (log_region_exists(region))
			ids[count++] = region->id;
	log_memory_unlock(memory);
	if (!ids)
		return -ENOMEM;
	qsort(ids, count, sizeof(*ids), compare_u64);
	for (size_t i = 0; i < count && status == 0; i++)
		status = each(argument, ids[i]);
	free(ids);
	return status;
}

int log_memory_release(struct log_engine *base, uint64_t id, uint64_t index)
{
	struct log_memory *memory = (struct log_memory *)base;
	const struct log_region *region;
	int status = lock_region(memory, id, &region);

	if (status == 0)
		status = log_index_release(&memory->index, (struct log_region *)region, index);
	log_memory_unlock(memory);
	return status;
}

/* ---- Who may write ---------------------------------------------------------------------------------------------- */

void log_memory_refuse(
	struct log_memory *memory, struct log_write *write, int status, struct log_write_queue *finished)
{
	struct log_region *region = log_index_get(&memory->index, write->region);

	write->status = status;
	write->engine = &memory->engine;
	if (region) {
		region->refusals++;
		region->refusal = status;
	}
	log_queue_push(finished, write);
}

int log_memory_admit(struct log_memory *memory, struct log_write *write, uint64_t batch)
{
	struct log_region *region = log_index_get(&memory->index, write->region);
	uint64_t base, last;

	if (!region)
		return -ENOMEM;
	if (region->refusals > 0 && !write->destroy)
		return region->refusal;
	if (region->damaged && !write->destroy && region->admitted_batch != batch)
		return STATUS_CORRUPT;
	if (region->admitted_batch != batch) {
		region->admitted_base = region->base_index;
		region->admitted_last = log_region_last(region);
	}
	base = write->destroy ? 0 : region->admitted_base;
	last = write->destroy ? 0 : region->admitted_last;
	if (write->reset_index > 0)
		base = last = write->reset_index;
	if (write->entry_count > 0) {
		if (write->entries[0].index > last + 1)
			return STATUS_UNAVAILABLE;
		if (write->entries[0].index <= base)
			return STATUS_COMPACTED;
		write->replaces = write->entries[0].index <= last;
		last = write->entries[write->entry_count - 1].index;
	}
	region->admitted_base = base;
	region->admitted_last = last;
	region->admitted_batch = batch;
	return 0;
}

void log_memory_sweep(struct log_memory *memory, uint64_t id)
{
	struct log_region *region = log_index_find(&memory->index, id);

	if (region && !log_region_exists(region) && region->refusals == 0)
		log_index_remove(&memory->index, region);
}

void log_memory_settle(struct log_memory *memory, const struct log_write *write)
{
	struct log_region *region;

	log_memory_lock(memory);
	region = log_index_find(&memory->index, write->region);
	if (region && region->refusals > 0)
		region->refusals--;
	log_memory_unlock(memory);
}

/* ---- Queues ----------------------------------------------------------------------------------------------------- */

void log_queue_push(struct log_write_queue *queue, struct log_write *write)
{
	write->next = NULL;
	if (queue->last)
		queue->last->next = write;
	else
		queue->first = write;
	queue->last = write;
}

struct log_write *log_queue_pop(struct log_write_queue *queue)
{
	struct log_write *write = queue->first;

	queue->first = write->next;
	if (!queue->first)
		queue->last = NULL;
	return write;
}

void log_queue_append(struct log_write_queue *to, struct log_write_queue *from)
{
	while (from->first)
		log_queue_push(to, log_queue_pop(from));
}
