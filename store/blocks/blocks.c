/* The block store: opening, starting and closing, and the allocation of units. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "store/blocks/blocks_internal.h"

#define DRAIN_MAX  4096 /* extents put back at a time: bounds how long the lock is held */
#define RUN_WANTED 256 /* units: a run of 1 MiB is kept ready, as long as the disk has room */
#define SHRINK_MAX 16 /* chunks given back in one blocks_maintain */

void blocks_fail(struct blocks *blocks, int status, const char *what)
{
	char sentence[256];

	if (atomic_exchange(&blocks->has_failed, true))
		return;
	snprintf(sentence, sizeof sentence, "block store %s: %s failed: %s", blocks->path, what,
		status_name(status));
	blocks->options.failed(blocks->options.failed_argument, status, sentence);
}

/* ---- Life ------------------------------------------------------------------------------------------------------- */

static void set_sizes(struct blocks *blocks)
{
	uint64_t chunk_units = blocks->options.file_size / BLOCK_UNIT_SIZE / BLOCKS_CHUNKS_PER_FILE;

	if (chunk_units > BLOCKS_CHUNK_UNITS_MAX)
		chunk_units = BLOCKS_CHUNK_UNITS_MAX;
	blocks->chunk_units = chunk_units;
	blocks->file_units = chunk_units * BLOCKS_CHUNKS_PER_FILE;
}

int blocks_open(const struct blocks_options *options, struct blocks **out, struct status *status)
{
	struct blocks *blocks = calloc(1, sizeof *blocks);
	int code;

	check(options->file_size >= (uint64_t)BLOCK_UNIT_SIZE * BLOCKS_CHUNKS_PER_FILE * 2);
	if (!blocks)
		return status_set(status, -ENOMEM, "no memory for the block store");
	blocks->options = *options;
	blocks->path = strdup(options->path);
	blocks->is_direct = true;
	pthread_mutex_init(&blocks->space, NULL);
	pthread_mutex_init(&blocks->syncing, NULL);
	pthread_mutex_init(&blocks->deferring, NULL);
	pthread_mutex_init(&blocks->lock, NULL);
	block_waiting_init(&blocks->waiting);
	set_sizes(blocks);
	if (!blocks->path)
		code = status_set(status, -ENOMEM, "no memory for the block store");
	else if (strlen(blocks->path) > BLOCKS_PATH_MAX - 32)
		code = status_set(status, -ENAMETOOLONG, "the block store's path is too long");
	else
		code = blocks_files_open(blocks, status);
	if (code) {
		blocks_close(blocks);
		return code;
	}
	*out = blocks;
	return 0;
}

void blocks_close(struct blocks *blocks)
{
	if (!blocks)
		return;
	blocks_files_close(blocks);
	unit_bitmap_close(&blocks->used);
	block_allocator_close(&blocks->free);
	block_waiting_close(&blocks->waiting);
	deferred_writes_close(&blocks->deferred);
	pthread_mutex_destroy(&blocks->lock);
	pthread_mutex_destroy(&blocks->deferring);
	pthread_mutex_destroy(&blocks->syncing);
	pthread_mutex_destroy(&blocks->space);
	free(blocks->path);
	free(blocks);
}

int blocks_mark_used(struct blocks *blocks, struct block_extent extent, struct status *status)
{
	uint64_t units = blocks->chunk_count * blocks->chunk_units;
	int code;

	check(!blocks->started);
	if (extent.count == 0 || extent.address >= units || extent.count > units - extent.address ||
		extent.address % blocks->file_units == 0 ||
		extent.address / blocks->file_units !=
			(extent.address + extent.count - 1) / blocks->file_units)
		return status_set(status, STATUS_CORRUPT,
			"units %" PRIu64 "+%" PRIu32 " are in use but the block store %s has no such units",
			extent.address, extent.count, blocks->path);
	code = blocks->used.words ? 0 : unit_bitmap_init(&blocks->used, units);
	if (code < 0)
		return status_set(status, code, "no memory for the block store %s", blocks->path);
	if (!unit_bitmap_set(&blocks->used, extent.address, extent.count))
		return status_set(status, STATUS_CORRUPT,
			"units %" PRIu64 "+%" PRIu32 " of the block store %s are in use twice",
			extent.address, extent.count, blocks->path);
	return 0;
}

/* Takes the units in use out of the allocator, in the order of their addresses. */
static int take_used(struct blocks *blocks)
{
	uint64_t end = blocks->used.units;
	uint64_t first = unit_bitmap_find(&blocks->used, 0, end, true);
	int code = 0;

	while (first < end && code == 0) {
		uint64_t past = unit_bitmap_find(&blocks->used, first, end, false);

		code = block_allocator_take_at(&blocks->free, first, past - first);
		first = unit_bitmap_find(&blocks->used, past, end, true);
	}
	check(code != -ENOENT); /* the bitmap has no other units */
	unit_bitmap_close(&blocks->used);
	return code;
}

/* Chunks that are wholly free become stale: their disk space is given back, unless they are needed before. */
int blocks_start(struct blocks *blocks)
{
	int code;

	pthread_mutex_lock(&blocks->lock);
	code = take_used(blocks);
	for (uint64_t chunk = 0; chunk < blocks->chunk_count; chunk++) {
		if (chunk % BLOCKS_CHUNKS_PER_FILE == 0 ||
			block_allocator_take_at(
				&blocks->free, chunk * blocks->chunk_units, blocks->chunk_units))
			continue;
		blocks->chunks[chunk] = CHUNK_STALE;
		blocks->resident_chunks--;
	}
	blocks->started = true;
	pthread_mutex_unlock(&blocks->lock);
	return code;
}

/* ---- Units ------------------------------------------------------------------------------------------------------ */

/* Makes units free. Out of memory, they stay out of use until the next start. `lock` held. */
static void give(struct blocks *blocks, struct block_extent extent)
{
	if (block_allocator_give(&blocks->free, extent.address, extent.count))
		log_error(blocks->options.logger, "block store %s: no memory to free %" PRIu32 " units",
			blocks->path, extent.count);
}

/* `lock` held. */
static void drain(struct blocks *blocks)
{
	struct block_extent extent;

	for (int i = 0; i < DRAIN_MAX && block_waiting_take(&blocks->waiting, &extent); i++)
		give(blocks, extent);
}

/* Whether so few units are free, or in such small runs, that `chunks` more chunks should be ready. `lock` held. */
static bool is_short(const struct blocks *blocks, uint64_t chunks)
{
	uint64_t run = blocks->chunk_units / 2 < RUN_WANTED ? blocks->chunk_units / 2 : RUN_WANTED;

	return blocks->free.units < chunks * blocks->chunk_units ||
	       block_allocator_largest(&blocks->free) < run;
}

/* Whether to call `options.wanted` now; true once until blocks_maintain runs. `lock` held. */
static bool becomes_wanted(struct blocks *blocks)
{
	bool wanted = !blocks->told_wanted && is_short(blocks, 1);

	if (wanted)
		blocks->told_wanted = true;
	return wanted && blocks->options.wanted;
}

static bool blocks_take(struct blocks *blocks, uint32_t count, struct block_extent *extent)
{
	bool taken, wanted;

	pthread_mutex_lock(&blocks->lock);
	check(blocks->started);
	taken = block_allocator_take(&blocks->free, count, extent);
	if (!taken) {
		drain(blocks);
		taken = block_allocator_take(&blocks->free, count, extent);
	}
	wanted = becomes_wanted(blocks);
	pthread_mutex_unlock(&blocks->lock);
	if (wanted)
		blocks->options.wanted(blocks->options.wanted_argument);
	return taken;
}

int blocks_allocate(
	struct blocks *blocks, enum blocks_claim claim, uint32_t count, struct block_extent *extent)
{
	int status = 0;

	if (blocks_take(blocks, count, extent))
		return 0;
	pthread_mutex_lock(&blocks->space);
	/* Another thread may have grown the store meanwhile. */
	while (status == 0 && !blocks_take(blocks, count, extent))
		status = blocks_files_grow(blocks, claim);
	pthread_mutex_unlock(&blocks->space);
	return status;
}

void blocks_cancel(struct blocks *blocks, struct block_extent extent)
{
	pthread_mutex_lock(&blocks->lock);
	give(blocks, extent);
	pthread_mutex_unlock(&blocks->lock);
}

void blocks_free(struct blocks *blocks, struct block_extent extent, uint64_t mark)
{
	pthread_mutex_lock(&blocks->lock);
	if (block_waiting_add(&blocks->waiting, extent, mark))
		log_error(blocks->options.logger, "block store %s: no memory to free %" PRIu32 " units",
			blocks->path, extent.count);
	pthread_mutex_unlock(&blocks->lock);
}

void blocks_release(struct blocks *blocks, uint64_t mark)
{
	pthread_mutex_lock(&blocks->lock);
	block_waiting_release(&blocks->waiting, mark);
	drain(blocks);
	pthread_mutex_unlock(&blocks->lock);
}

void blocks_enter(struct blocks *blocks, struct blocks_reader *reader)
{
	pthread_mutex_lock(&blocks->lock);
	block_waiting_enter(&blocks->waiting, reader);
	pthread_mutex_unlock(&blocks->lock);
}

void blocks_leave(struct blocks *blocks, struct blocks_reader *reader)
{
	pthread_mutex_lock(&blocks->lock);
	block_waiting_leave(&blocks->waiting, reader);
	pthread_mutex_unlock(&blocks->lock);
}

/* ---- Maintenance and figures ------------------------------------------------------------------------------------ */

static bool needs_growth(struct blocks *blocks)
{
	bool needs;

	pthread_mutex_lock(&blocks->lock);
	needs = is_short(blocks, 2);
	pthread_mutex_unlock(&blocks->lock);
	return needs;
}

void blocks_maintain(struct blocks *blocks)
{
	int status = 0;

	pthread_mutex_lock(&blocks->lock);
	drain(blocks);
	pthread_mutex_unlock(&blocks->lock);
	pthread_mutex_lock(&blocks->space);
	while (status == 0 && needs_growth(blocks))
		status = blocks_files_grow(blocks, BLOCKS_NEW);
	for (int i = 0; i < SHRINK_MAX && blocks_files_shrink(blocks); i++)
		;
	pthread_mutex_unlock(&blocks->space);
	if (status && status != -ENOSPC)
		log_warn(blocks->options.logger, "block store %s: cannot prepare disk space: %s",
			blocks->path, status_name(status));
	pthread_mutex_lock(&blocks->lock);
	blocks->told_wanted = false;
	pthread_mutex_unlock(&blocks->lock);
}

void blocks_stats(struct blocks *blocks, struct blocks_stats *stats)
{
	struct env_space space = {0};
	uint64_t reserve = blocks->options.reserve_size;
	uint64_t resident; /* units, headers not counted */

	if (env_space(blocks->options.env, blocks->path, &space))
		space.available = 0;
	pthread_mutex_lock(&blocks->lock);
	stats->waiting_units = blocks->waiting.units;
	resident = blocks->resident_chunks * blocks->chunk_units - blocks->file_count;
	stats->used_units = resident - blocks->free.units;
	stats->total_units =
		resident + (space.available > reserve ? (space.available - reserve) / BLOCK_UNIT_SIZE : 0);
	stats->is_direct = blocks->is_direct;
	pthread_mutex_unlock(&blocks->lock);
}
