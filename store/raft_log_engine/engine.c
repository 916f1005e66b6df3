#include "store/raft_log_engine/engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "store/raft_log_engine/raft_log_engine.h"

#define SEGMENT_SIZE_DEFAULT   (64ull << 20)
#define SEGMENT_SIZE_MAX       (2ull << 30)
#define CACHE_SIZE_DEFAULT     (128ull << 20)
#define BATCH_SIZE_MAX_DEFAULT (4ull << 20)

void raft_log_engine_lock(struct raft_log_engine *engine)
{
	check(pthread_mutex_lock(&engine->lock) == 0);
}

void raft_log_engine_unlock(struct raft_log_engine *engine)
{
	struct log_cached *dropped = log_cache_take_dropped(&engine->cache);

	check(pthread_mutex_unlock(&engine->lock) == 0);
	log_cached_free_all(dropped);
}

void raft_log_engine_fail(struct raft_log_engine *engine, int status, const char *what)
{
	char sentence[256];
	bool is_first;

	raft_log_engine_lock(engine);
	is_first = engine->failure == 0;
	if (is_first)
		engine->failure = status;
	raft_log_engine_unlock(engine);
	if (!is_first)
		return;
	snprintf(sentence, sizeof(sentence), "raft log: %s in %s failed: %s; nothing more is written", what,
		engine->path, status_name(status));
	if (engine->options.failed)
		engine->options.failed(engine->options.argument, status, sentence);
	else
		log_error(engine->options.logger, "%s", sentence);
}

bool log_status_is_shortage(int status)
{
	return status == -ENOSPC || status == -EDQUOT || status == -ENOMEM || status == -EMFILE ||
	       status == -ENFILE;
}

/* ---- What memory answers ---------------------------------------------------------------------------------------- */

/* Locks; unlock in every case. */
static int lock_region(struct raft_log_engine *engine, uint64_t id, const struct log_region **region)
{
	raft_log_engine_lock(engine);
	*region = log_index_find(&engine->index, id);
	if (!*region || !log_region_exists(*region))
		return STATUS_NOT_FOUND;
	return (*region)->damaged ? STATUS_CORRUPT : 0;
}

static int engine_bounds(struct log_engine *base, uint64_t id, uint64_t *first_index, uint64_t *last_index)
{
	struct raft_log_engine *engine = (struct raft_log_engine *)base;
	const struct log_region *region;
	int status = lock_region(engine, id, &region);

	if (status == 0) {
		*first_index = region->base_index + 1;
		*last_index = log_region_last(region);
	}
	raft_log_engine_unlock(engine);
	return status;
}

static int engine_hard_state(struct log_engine *base, uint64_t id, struct raft_hard_state *hard_state)
{
	struct raft_log_engine *engine = (struct raft_log_engine *)base;
	const struct log_region *region;
	int status = lock_region(engine, id, &region);

	if (status == 0)
		*hard_state = region->hard_state;
	raft_log_engine_unlock(engine);
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

static int engine_term(struct log_engine *base, uint64_t id, uint64_t index, uint64_t *term)
{
	struct raft_log_engine *engine = (struct raft_log_engine *)base;
	const struct log_region *region;
	int status = lock_region(engine, id, &region);

	if (status == 0)
		status = term_of(region, index, term);
	raft_log_engine_unlock(engine);
	return status;
}

static int engine_mark(struct log_engine *base, uint64_t id, const char *name, struct buf **value)
{
	struct raft_log_engine *engine = (struct raft_log_engine *)base;
	const struct log_region *region;
	int status = lock_region(engine, id, &region);

	*value = NULL;
	if (status == 0) {
		const struct log_region_mark *mark = log_region_mark(region, slice_of(name, strlen(name)));

		if (mark)
			*value = buf_ref(mark->value);
		else
			status = STATUS_NOT_FOUND;
	}
	raft_log_engine_unlock(engine);
	return status;
}

static int compare_ids(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

static int engine_regions(
	struct log_engine *base, int (*each)(void *argument, uint64_t region), void *argument)
{
	struct raft_log_engine *engine = (struct raft_log_engine *)base;
	const struct log_region *region;
	size_t count = 0;
	uint64_t *ids;
	int status = 0;

	raft_log_engine_lock(engine);
	ids = malloc((HASH_COUNT(engine->index.regions) + 1) * sizeof(*ids));
	for (region = engine->index.regions; region && ids; region = region->hh.next)
		if (log_region_exists(region))
			ids[count++] = region->id;
	raft_log_engine_unlock(engine);
	if (!ids)
		return -ENOMEM;
	qsort(ids, count, sizeof(*ids), compare_ids);
	for (size_t i = 0; i < count && status == 0; i++)
		status = each(argument, ids[i]);
	free(ids);
	return status;
}

static int engine_release(struct log_engine *base, uint64_t id, uint64_t index)
{
	struct raft_log_engine *engine = (struct raft_log_engine *)base;
	const struct log_region *region;
	int status = lock_region(engine, id, &region);

	if (status == 0)
		status = log_index_release(&engine->index, (struct log_region *)region, index);
	raft_log_engine_unlock(engine);
	return status;
}

static void engine_stats(struct log_engine *base, struct log_engine_stats *stats)
{
	struct raft_log_engine *engine = (struct raft_log_engine *)base;

	raft_log_engine_lock(engine);
	*stats = (struct log_engine_stats){
		.disk_size = engine->segments.count * engine->segments.segment_size,
		.cache_size = engine->cache.size,
		.syncs = engine->syncs,
		.records = engine->records,
	};
	for (size_t i = 0; i < engine->segments.count; i++)
		stats->live_size += engine->segments.items[i]->live_size;
	raft_log_engine_unlock(engine);
}

/* ---- Opening and closing ---------------------------------------------------------------------------------------- */

static void engine_free(struct raft_log_engine *engine)
{
	log_reclaimer_close(&engine->reclaimer);
	log_index_close(&engine->index);
	log_cached_free_all(log_cache_take_dropped(&engine->cache));
	log_segments_close(&engine->segments);
	pthread_mutex_destroy(&engine->lock);
	free(engine->writer.buffer);
	free(engine->path);
	free(engine);
}

static void engine_close(struct log_engine *base)
{
	struct raft_log_engine *engine = (struct raft_log_engine *)base;

	check(!engine->writer.busy && !engine->reclaimer.reclaim);
	engine_free(engine);
}

static const struct log_engine_ops ops = {
	.close = engine_close,
	.write = log_writer_submit,
	.bounds = engine_bounds,
	.hard_state = engine_hard_state,
	.term = engine_term,
	.entries = log_reader_entries,
	.beside = log_reader_beside,
	.mark = engine_mark,
	.regions = engine_regions,
	.release = engine_release,
	.reclaim = log_reclaimer_start,
	.stats = engine_stats,
};

static struct raft_log_engine *engine_new(const struct log_engine_options *options)
{
	struct raft_log_engine *engine = calloc(1, sizeof(*engine));

	if (!engine)
		return NULL;
	engine->engine.ops = &ops;
	engine->options = *options;
	if (engine->options.segment_size == 0)
		engine->options.segment_size = SEGMENT_SIZE_DEFAULT;
	if (engine->options.cache_size == 0)
		engine->options.cache_size = CACHE_SIZE_DEFAULT;
	if (engine->options.batch_size_max == 0)
		engine->options.batch_size_max = BATCH_SIZE_MAX_DEFAULT;
	check(pthread_mutex_init(&engine->lock, NULL) == 0);
	engine->path = strdup(options->path);
	engine->writer.buffer_size = engine->options.batch_size_max / LOG_BLOCK_SIZE * LOG_BLOCK_SIZE;
	engine->writer.buffer = aligned_alloc(ENV_DIRECT_ALIGNMENT, engine->writer.buffer_size);
	if (!engine->path || !engine->writer.buffer) {
		engine_free(engine);
		return NULL;
	}
	engine->segments.env = options->env;
	engine->segments.logger = options->logger;
	engine->segments.path = engine->path;
	engine->segments.segment_size = engine->options.segment_size;
	engine->cache.size_max = engine->options.cache_size;
	engine->index.segments = &engine->segments;
	engine->index.cache = &engine->cache;
	return engine;
}

/* Makes the directory; a new one is durable when this returns. */
static int make_directory(struct raft_log_engine *engine, struct status *status)
{
	char *parent = strdup(engine->path);
	char *slash = parent ? strrchr(parent, '/') : NULL;
	int code = parent ? env_mkdir(engine->options.env, engine->path) : -ENOMEM;

	if (slash)
		*(slash == parent ? slash + 1 : slash) = 0;
	if (code == 0)
		code = env_sync_dir(engine->options.env, slash ? parent : ".");
	else if (code == -EEXIST)
		code = 0;
	free(parent);
	if (code < 0)
		status_set(status, code, "raft log: cannot make %s: %s", engine->path, status_name(code));
	return code;
}

/* Makes the first segment of a new log, which must succeed, and a spare, which a full disk may deny. */
static int make_segments(struct raft_log_engine *engine, struct status *status)
{
	struct log_segments *segments = &engine->segments;
	int code = 0;

	while (segments->count < 2 || log_writer_spares(engine) < 1) {
		struct log_segment *segment;

		code = log_segments_reserve(segments);
		if (code == 0)
			code = log_segments_make(segments, log_segments_last(segments) + 1, &segment);
		if (code < 0)
			break;
		log_segments_append(segments, segment);
		if (!engine->writer.active) {
			engine->writer.active = segment;
			engine->writer.oldest = segment->sequence;
			engine->writer.next_number = 1;
		}
	}
	if (code < 0 && (!engine->writer.active || !log_status_is_shortage(code)))
		return status_set(status, code, "raft log: cannot make a segment in %s: %s", engine->path,
			status_name(code));
	if (code < 0)
		log_warn(engine->options.logger, "raft log: no room for a spare segment in %s: %s",
			engine->path, status_name(code));
	return 0;
}

int raft_log_engine_open(
	const struct log_engine_options *options, struct log_engine **opened, struct status *status)
{
	struct raft_log_engine *engine;
	uint64_t segment_size = options->segment_size;
	int code;

	*opened = NULL;
	if (segment_size % LOG_BLOCK_SIZE != 0 || segment_size > SEGMENT_SIZE_MAX ||
		(options->batch_size_max > 0 && options->batch_size_max < LOG_BLOCK_SIZE))
		return status_set(status, -EINVAL,
			"raft log: a segment is a multiple of 4 KiB up to 2 GiB, a batch at least 4 KiB");
	engine = engine_new(options);
	if (!engine)
		return status_set(status, -ENOMEM, "raft log: out of memory");
	code = make_directory(engine, status);
	if (code == 0)
		code = log_segments_open(&engine->segments, status);
	if (code == 0 && engine->segments.count > 0)
		code = log_recovery_run(engine, status);
	if (code == 0)
		code = make_segments(engine, status);
	if (code < 0) {
		engine_free(engine);
		return code;
	}
	*opened = &engine->engine;
	return 0;
}
