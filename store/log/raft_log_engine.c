#include "store/log/raft_log_engine_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "store/log/raft_log_engine.h"

#define SEGMENT_SIZE_DEFAULT   (64ull << 20)
#define SEGMENT_SIZE_MAX       (2ull << 30)
#define CACHE_SIZE_DEFAULT     (128ull << 20)
#define BATCH_SIZE_MAX_DEFAULT (4ull << 20)

void raft_log_engine_fail(struct raft_log_engine *engine, int status, const char *what)
{
	char sentence[256];
	bool is_first;

	log_memory_lock(&engine->memory);
	is_first = engine->failure == 0;
	if (is_first)
		engine->failure = status;
	log_memory_unlock(&engine->memory);
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

static bool engine_is_short(struct log_engine *base)
{
	struct raft_log_engine *engine = (struct raft_log_engine *)base;
	bool is_short;

	log_memory_lock(&engine->memory);
	is_short = engine->failure < 0 || log_writer_spares(engine) == 0;
	log_memory_unlock(&engine->memory);
	return is_short;
}

static void engine_stats(struct log_engine *base, struct log_engine_stats *stats)
{
	struct raft_log_engine *engine = (struct raft_log_engine *)base;

	log_memory_lock(&engine->memory);
	*stats = (struct log_engine_stats){
		.disk_size = engine->segments.count * engine->segments.segment_size,
		.live_size = engine->memory.index.live_size,
		.cache_size = engine->memory.cache.size,
		.syncs = engine->syncs,
		.records = engine->records,
	};
	log_memory_unlock(&engine->memory);
	histogram_read(&engine->writer.durations, &stats->sync);
}

/* ---- Opening and closing ---------------------------------------------------------------------------------------- */

static void raft_log_engine_free(struct raft_log_engine *engine)
{
	log_reclaimer_close(&engine->reclaimer);
	log_memory_close(&engine->memory);
	log_segments_close(&engine->segments);
	free(engine->writer.buffer);
	free(engine->path);
	free(engine);
}

static void engine_close(struct log_engine *base)
{
	struct raft_log_engine *engine = (struct raft_log_engine *)base;

	check(!engine->writer.busy && !engine->reclaimer.reclaim);
	raft_log_engine_free(engine);
}

/* Counts the live bytes of each segment, which decide when it is reclaimed. */
static void on_live(void *argument, uint32_t sequence, int64_t size)
{
	struct log_segment *segment = log_segments_find(argument, sequence);

	if (segment)
		segment->live_size += (uint64_t)size;
}

static const struct log_engine_ops ops = {
	.close = engine_close,
	.write = log_writer_submit,
	.hurry = log_writer_hurry,
	.bounds = log_memory_bounds,
	.hard_state = log_memory_hard_state,
	.term = log_memory_term,
	.entries = log_reader_entries,
	.beside = log_reader_beside,
	.mark = log_memory_mark,
	.regions = log_memory_regions,
	.release = log_memory_release,
	.reclaim = log_reclaimer_start,
	.is_short = engine_is_short,
	.stats = engine_stats,
};

static struct raft_log_engine *engine_new(const struct log_engine_options *options)
{
	struct raft_log_engine *engine = calloc(1, sizeof(*engine));

	if (!engine)
		return NULL;
	engine->options = *options;
	if (engine->options.segment_size == 0)
		engine->options.segment_size = SEGMENT_SIZE_DEFAULT;
	if (engine->options.cache_size == 0)
		engine->options.cache_size = CACHE_SIZE_DEFAULT;
	if (engine->options.batch_size_max == 0)
		engine->options.batch_size_max = BATCH_SIZE_MAX_DEFAULT;
	log_memory_init(&engine->memory, &ops, engine->options.cache_size);
	engine->memory.index.on_live = on_live;
	engine->memory.index.on_live_argument = &engine->segments;
	engine->path = strdup(options->path);
	engine->writer.buffer_size = engine->options.batch_size_max / LOG_BLOCK_SIZE * LOG_BLOCK_SIZE;
	engine->writer.buffer = aligned_alloc(ENV_DIRECT_ALIGNMENT, engine->writer.buffer_size);
	if (!engine->path || !engine->writer.buffer) {
		raft_log_engine_free(engine);
		return NULL;
	}
	engine->segments.env = options->env;
	engine->segments.logger = options->logger;
	engine->segments.path = engine->path;
	engine->segments.segment_size = engine->options.segment_size;
	return engine;
}

/* Makes the directory, durably. */
static int make_directory(struct raft_log_engine *engine, struct status *status)
{
	int code = env_mkdir(engine->options.env, engine->path);

	if (code == 0)
		code = env_sync_parent(engine->options.env, engine->path);
	else if (code == -EEXIST)
		code = 0;
	if (code < 0)
		status_set(status, code, "raft log: cannot make %s: %s", engine->path, status_name(code));
	return code;
}

/* Makes the first segment of a new log, which must succeed, and a spare, which may fail on a full disk. */
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
		raft_log_engine_free(engine);
		return code;
	}
	*opened = &engine->memory.engine;
	return 0;
}
