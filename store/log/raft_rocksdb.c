/*
 * The raft log engine on RocksDB.
 *
 * One worker job at a time takes the queued writes, writes them as one synced batch and applies them to memory. Its
 * completion on a loop calls the owners and submits the next job. Reclaiming is a part of a job, before the job's
 * writes, so that no newer write of a region precedes it.
 */
#include "store/log/raft_rocksdb.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rocksdb/c.h>

#include "proto/check.h"
#include "proto/codec.h"
#include "proto/container.h"
#include "store/log/log_memory.h"
#include "store/log/log_records.h"
#include "store/kv/rocksdb_error.h"

#define CACHE_SIZE_DEFAULT     (128ull << 20)
#define BATCH_SIZE_MAX_DEFAULT (4ull << 20)
#define WRITE_SIZE_MAX	       (64ull << 20)
/* Bytes of free disk space below which writes with entries are refused. */
#define SPACE_RESERVE	   (256ull << 20)
#define TOLERATE_TORN_TAIL 0 /* rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords */
#define ROW_SEGMENT	   1 /* all rows count as one segment that is never recycled */

/* A key: u8 kind · u64be region · u64be index of an entry, or the name of a mark, or nothing. Rows are read at start in
 * the order of these kinds. */
enum raft_row_kind { ROW_BASE = 1, ROW_HARD_STATE, ROW_MARK, ROW_ENTRY };
#define KEY_SIZE_MAX (1 + 8 + LOG_MARK_NAME_MAX + 1)

struct raft_rocksdb {
	struct log_memory memory;
	struct log_engine_options options;
	char *path;
	rocksdb_t *db;
	rocksdb_writeoptions_t *write_options;
	rocksdb_readoptions_t *read_options;
	bool busy; /* a job is running */
	struct log_write_queue queued;
	struct log_write_queue writing;
	struct log_write_queue refused;
	struct log_reclaim *reclaim_queued;
	struct log_reclaim *reclaim_writing;
	struct env_work work;
	rocksdb_writebatch_t *batch; /* the job's */
	int failure; /* final */
	uint64_t next_number; /* of jobs */
	uint64_t syncs;
	struct histogram durations; /* of synced writes */
	uint64_t records;
};

/* ---- Rows ------------------------------------------------------------------------------------------------------- */

static struct slice key_of(uint8_t *key, enum raft_row_kind kind, uint64_t region)
{
	struct writer writer = writer_fixed(key, KEY_SIZE_MAX);

	writer_u8(&writer, (uint8_t)kind);
	writer_u64be(&writer, region);
	return writer_written(&writer);
}

static struct slice key_of_entry(uint8_t *key, uint64_t region, uint64_t index)
{
	struct writer writer = writer_fixed(key, KEY_SIZE_MAX);

	writer_u8(&writer, ROW_ENTRY);
	writer_u64be(&writer, region);
	writer_u64be(&writer, index);
	return writer_written(&writer);
}

static struct slice key_of_mark(uint8_t *key, uint64_t region, struct slice name)
{
	struct writer writer = writer_fixed(key, KEY_SIZE_MAX);

	writer_u8(&writer, ROW_MARK);
	writer_u64be(&writer, region);
	writer_bytes(&writer, name.data, name.size);
	return writer_written(&writer);
}

static int put(rocksdb_writebatch_t *batch, struct slice key, const struct log_record *record)
{
	size_t size = log_record_size(record);
	uint8_t *value = malloc(size);

	if (!value)
		return -ENOMEM;
	log_record_encode(value, record, ROW_SEGMENT);
	rocksdb_writebatch_put(batch, key.data, key.size, (const char *)value, size);
	free(value);
	return 0;
}

static void delete_entries(rocksdb_writebatch_t *batch, uint64_t region, uint64_t first, uint64_t end)
{
	uint8_t from[KEY_SIZE_MAX], to[KEY_SIZE_MAX];
	struct slice from_key = key_of_entry(from, region, first), to_key = key_of_entry(to, region, end);

	rocksdb_writebatch_delete_range(batch, from_key.data, from_key.size, to_key.data, to_key.size);
}

static void delete_row(rocksdb_writebatch_t *batch, struct slice key)
{
	rocksdb_writebatch_delete(batch, key.data, key.size);
}

static void delete_region(rocksdb_writebatch_t *batch, uint64_t region)
{
	uint8_t from[KEY_SIZE_MAX], to[KEY_SIZE_MAX];
	char past[LOG_MARK_NAME_MAX];
	struct slice from_key = key_of(from, ROW_MARK, region), to_key;

	memset(past, 0xff, sizeof(past));
	to_key = key_of_mark(to, region, slice_of(past, sizeof(past)));
	rocksdb_writebatch_delete_range(batch, from_key.data, from_key.size, to_key.data, to_key.size);
	delete_entries(batch, region, 0, UINT64_MAX);
	delete_row(batch, key_of(from, ROW_BASE, region));
	delete_row(batch, key_of(from, ROW_HARD_STATE, region));
}

struct filling {
	rocksdb_writebatch_t *batch;
	bool replaces; /* the write's next entry truncates the log first */
};

/* Adds one record of a write to the batch as changes of rows. */
static int raft_rocksdb_fill(void *argument, const struct log_record *record, const struct raft_entry *entry)
{
	struct filling *filling = argument;
	uint8_t key[KEY_SIZE_MAX];
	struct log_record base;

	(void)entry;
	switch (record->kind) {
	case LOG_RECORD_ENTRY:
		if (filling->replaces)
			delete_entries(filling->batch, record->region, record->index, UINT64_MAX);
		filling->replaces = false;
		return put(filling->batch, key_of_entry(key, record->region, record->index), record);
	case LOG_RECORD_HARD_STATE:
		return put(filling->batch, key_of(key, ROW_HARD_STATE, record->region), record);
	case LOG_RECORD_RESET:
		base = *record;
		base.kind = LOG_RECORD_BASE;
		delete_entries(filling->batch, record->region, 0, UINT64_MAX);
		return put(filling->batch, key_of(key, ROW_BASE, record->region), &base);
	case LOG_RECORD_BASE:
		delete_entries(filling->batch, record->region, 0, record->index + 1);
		return put(filling->batch, key_of(key, ROW_BASE, record->region), record);
	case LOG_RECORD_DESTROY:
		delete_region(filling->batch, record->region);
		return 0;
	case LOG_RECORD_MARK:
		if (record->beside.size > 0)
			return put(filling->batch, key_of_mark(key, record->region, record->data), record);
		delete_row(filling->batch, key_of_mark(key, record->region, record->data));
		return 0;
	case LOG_RECORD_MOVED_ENTRY:
		break;
	}
	check(false);
}

/* ---- The job, on a worker --------------------------------------------------------------------------------------- */

static bool is_full(struct raft_rocksdb *engine)
{
	struct env_space space;

	return env_space(engine->options.env, engine->path, &space) == 0 && space.available < SPACE_RESERVE;
}

/* Under the lock: takes the writes of this job. */
static void take_writes(struct raft_rocksdb *engine, bool full)
{
	uint64_t size = 0;

	while (engine->queued.first && size < engine->options.batch_size_max) {
		struct log_write *write = log_queue_pop(&engine->queued);
		uint64_t more = log_records_size_of_write(write);
		int status = more > WRITE_SIZE_MAX	      ? STATUS_LIMIT
			     : full && write->entry_count > 0 ? -ENOSPC
							      : 0;

		if (status == 0)
			status = log_memory_admit(&engine->memory, write, engine->next_number);
		if (status < 0) {
			log_memory_refuse(&engine->memory, write, status, &engine->refused);
			continue;
		}
		log_queue_push(&engine->writing, write);
		size += more;
	}
	engine->reclaim_writing = engine->reclaim_queued;
	engine->reclaim_queued = NULL;
}

static struct log_record base_record(const struct log_region *region)
{
	return (struct log_record){
		.kind = LOG_RECORD_BASE,
		.region = region->id,
		.index = region->base_index,
		.term = region->base_term,
	};
}

/* Under the lock: adds the releases that are not yet durable to the batch. */
static int fill_releases(struct raft_rocksdb *engine)
{
	struct filling filling = {engine->batch, false};
	struct log_region *region;
	int status = 0;

	for (region = engine->memory.index.regions; region && status == 0; region = region->hh.next) {
		struct log_record record = base_record(region);

		if (region->base_index == 0 || region->base_segment > 0)
			continue;
		status = raft_rocksdb_fill(&filling, &record, NULL);
		/* A later release clears it again. A failed write stops the engine, so it needs no undoing. */
		region->base_segment = ROW_SEGMENT;
	}
	return status;
}

static int fill_batch(struct raft_rocksdb *engine)
{
	int status = 0;

	if (engine->reclaim_writing) {
		log_memory_lock(&engine->memory);
		status = fill_releases(engine);
		log_memory_unlock(&engine->memory);
	}
	for (struct log_write *write = engine->writing.first; write && status == 0; write = write->next) {
		struct filling filling = {engine->batch, write->replaces};

		status = log_records_of_write(write, raft_rocksdb_fill, &filling);
	}
	return status;
}

static int apply(void *argument, const struct log_record *record, const struct raft_entry *entry)
{
	struct raft_rocksdb *engine = argument;
	struct log_position *position;
	int status = log_index_apply(&engine->memory.index, record, ROW_SEGMENT, 0, &position);

	if (status == 0 && position && entry)
		log_cache_add(&engine->memory.cache, entry, record->beside, &position->cached);
	return status;
}

/* Under the lock. */
static int raft_rocksdb_apply_batch(struct raft_rocksdb *engine)
{
	int status = 0;

	for (struct log_write *write = engine->writing.first; write && status == 0; write = write->next) {
		status = log_records_of_write(write, apply, engine);
		if (write->destroy)
			log_memory_sweep(&engine->memory, write->region);
		engine->records++;
	}
	engine->next_number++;
	engine->syncs++;
	return status;
}

static void raft_rocksdb_fail(struct raft_rocksdb *engine, int code, const char *text)
{
	char sentence[320];

	log_memory_lock(&engine->memory);
	engine->failure = code;
	log_memory_unlock(&engine->memory);
	snprintf(sentence, sizeof(sentence), "raft log: writing in %s failed: %s; nothing more is written",
		engine->path, text);
	if (engine->options.failed)
		engine->options.failed(engine->options.argument, code, sentence);
	else
		log_error(engine->options.logger, "%s", sentence);
}

static int raft_rocksdb_write_batch(struct raft_rocksdb *engine, struct status *status)
{
	char *error = NULL;
	int code = fill_batch(engine);
	uint64_t begun = env_now(engine->options.env);

	if (code < 0)
		return status_set(status, code, "%s", status_name(code));
	rocksdb_write(engine->db, engine->write_options, engine->batch, &error);
	histogram_add(&engine->durations, env_now(engine->options.env) - begun);
	code = rocksdb_error_take(error, status);
	if (code < 0)
		return code;
	log_memory_lock(&engine->memory);
	code = raft_rocksdb_apply_batch(engine);
	log_memory_unlock(&engine->memory);
	return status_set(status, code, "%s", status_name(code));
}

static void job_run(struct env_work *work)
{
	struct raft_rocksdb *engine = container_of(work, struct raft_rocksdb, work);
	struct status status = {0};
	bool full = is_full(engine);
	int code = engine->failure;

	log_memory_lock(&engine->memory);
	take_writes(engine, full);
	log_memory_unlock(&engine->memory);
	rocksdb_writebatch_clear(engine->batch);
	if (code == 0 && (engine->writing.first || engine->reclaim_writing)) {
		code = raft_rocksdb_write_batch(engine, &status);
		if (code < 0)
			raft_rocksdb_fail(engine, code, status.text);
	}
	for (struct log_write *write = engine->writing.first; write; write = write->next)
		write->status = code;
	if (engine->reclaim_writing)
		engine->reclaim_writing->status = code;
}

/* ---- Queueing and telling --------------------------------------------------------------------------------------- */

static void raft_rocksdb_deliver(struct env_mail *mail)
{
	struct log_write *write = (struct log_write *)mail;

	if (write->engine)
		log_memory_settle((struct log_memory *)write->engine, write);
	write->done(write, write->status);
}

static void deliver_reclaim(struct env_mail *mail)
{
	struct log_reclaim *reclaim = (struct log_reclaim *)mail;

	reclaim->done(reclaim, reclaim->status);
}

static const struct log_write *find_refused(const struct raft_rocksdb *engine, uint64_t region)
{
	const struct log_write *write = engine->refused.first;

	while (write && write->region != region)
		write = write->next;
	return write;
}

/* Under the lock: also refuses the writes that queued behind a refused one before its owner was told. */
static void refuse_followers(struct raft_rocksdb *engine)
{
	struct log_write_queue queued = engine->queued;

	engine->queued = (struct log_write_queue){0};
	while (queued.first) {
		struct log_write *write = log_queue_pop(&queued);
		const struct log_write *refused = write->destroy ? NULL : find_refused(engine, write->region);

		if (refused)
			log_memory_refuse(&engine->memory, write, refused->status, &engine->refused);
		else
			log_queue_push(&engine->queued, write);
	}
}

static void job_done(struct env_work *work)
{
	struct raft_rocksdb *engine = container_of(work, struct raft_rocksdb, work);
	struct log_write_queue finished = {0};
	struct log_reclaim *reclaim;
	struct env_loop *next = NULL;

	log_memory_lock(&engine->memory);
	refuse_followers(engine);
	log_queue_append(&finished, &engine->writing);
	log_queue_append(&finished, &engine->refused);
	reclaim = engine->reclaim_writing;
	engine->reclaim_writing = NULL;
	if (engine->queued.first)
		next = engine->queued.first->loop;
	else if (engine->reclaim_queued)
		next = engine->reclaim_queued->loop;
	else
		engine->busy = false;
	log_memory_unlock(&engine->memory);
	if (next)
		env_work_submit(next, &engine->work, job_run, job_done);
	while (finished.first) {
		struct log_write *write = log_queue_pop(&finished);

		env_post(write->loop, &write->mail, raft_rocksdb_deliver);
	}
	if (reclaim)
		env_post(reclaim->loop, &reclaim->work.mail, deliver_reclaim);
}

/* Under the lock: whether an earlier write of the region was refused and its owner was not told yet. */
static bool is_refused(struct raft_rocksdb *engine, struct log_write *write)
{
	const struct log_region *region = log_index_find(&engine->memory.index, write->region);
	struct log_write_queue refused = {0};

	if (!region || region->refusals == 0 || write->destroy)
		return false;
	log_memory_refuse(&engine->memory, write, region->refusal, &refused);
	return true;
}

/* Under the lock. True: the caller must call env_work_submit without the lock. */
static bool raft_rocksdb_begin(struct raft_rocksdb *engine)
{
	bool begun = !engine->busy;

	engine->busy = true;
	return begun;
}

static void engine_write(struct log_engine *base, struct log_write *write)
{
	struct raft_rocksdb *engine = (struct raft_rocksdb *)base;
	struct env_loop *loop = write->loop;
	bool begun, refused;

	for (size_t i = 0; i < write->entry_count; i++)
		check(write->entries[i].index == write->entries[0].index + i);
	write->engine = NULL;
	write->replaces = false;
	log_memory_lock(&engine->memory);
	refused = is_refused(engine, write);
	if (!refused)
		log_queue_push(&engine->queued, write);
	begun = !refused && raft_rocksdb_begin(engine);
	log_memory_unlock(&engine->memory);
	if (refused)
		env_post(loop, &write->mail, raft_rocksdb_deliver);
	if (begun)
		env_work_submit(loop, &engine->work, job_run, job_done);
}

/* Nothing waits here. */
static void engine_hurry(struct log_engine *base)
{
	(void)base;
}

static void engine_reclaim(struct log_engine *base, struct log_reclaim *reclaim)
{
	struct raft_rocksdb *engine = (struct raft_rocksdb *)base;
	struct env_loop *loop = reclaim->loop;
	bool begun;

	log_memory_lock(&engine->memory);
	check(!engine->reclaim_queued && !engine->reclaim_writing);
	engine->reclaim_queued = reclaim;
	begun = raft_rocksdb_begin(engine);
	log_memory_unlock(&engine->memory);
	if (begun)
		env_work_submit(loop, &engine->work, job_run, job_done);
}

/* ---- Reading ---------------------------------------------------------------------------------------------------- */

/* Reads the row of an entry. `record` borrows from `*pinned`. */
static int read_entry(struct raft_rocksdb *engine, uint64_t region, uint64_t index,
	rocksdb_pinnableslice_t **pinned, struct log_record *record)
{
	uint8_t buffer[KEY_SIZE_MAX];
	struct slice key = key_of_entry(buffer, region, index), value = {0};
	char *error = NULL;
	int status;

	*pinned = rocksdb_get_pinned(engine->db, engine->read_options, key.data, key.size, &error);
	status = rocksdb_error_take(error, NULL);
	if (status < 0)
		return status;
	if (*pinned)
		value.data = rocksdb_pinnableslice_value(*pinned, &value.size);
	status = value.data ? log_record_decode(value, ROW_SEGMENT, record) : STATUS_CORRUPT;
	if (status == 0 && (record->region != region || record->index != index))
		status = STATUS_CORRUPT;
	if (status < 0 && *pinned)
		rocksdb_pinnableslice_destroy(*pinned);
	return status;
}

/* Under the lock. `*cached` is NULL if the entry must be read from RocksDB. */
static int find_entry(struct raft_rocksdb *engine, uint64_t id, uint64_t low, uint64_t high,
	const struct log_cached **cached)
{
	const struct log_region *region = log_index_find(&engine->memory.index, id);

	if (!region || !log_region_exists(region))
		return STATUS_NOT_FOUND;
	if (low <= region->base_index)
		return STATUS_COMPACTED;
	if (high > log_region_last(region) + 1)
		return STATUS_UNAVAILABLE;
	*cached = low < high ? log_region_position(region, low)->cached : NULL;
	return 0;
}

/* Gets the entry at `index`, of a range that ends before `high`. The caller gets a reference to its data. */
static int get_entry(struct raft_rocksdb *engine, uint64_t region, uint64_t index, uint64_t high,
	bool cached_only, struct raft_entry *entry)
{
	const struct log_cached *cached;
	rocksdb_pinnableslice_t *pinned;
	struct log_record record;
	int status;

	*entry = (struct raft_entry){.index = index};
	log_memory_lock(&engine->memory);
	status = find_entry(engine, region, index, high, &cached);
	if (status == 0 && cached) {
		const struct log_region *found = log_index_find(&engine->memory.index, region);

		entry->term = log_region_position(found, index)->term;
		entry->data = buf_ref(cached->data);
		entry->payload_size = cached->payload_size;
		entry->type = cached->type;
	}
	log_memory_unlock(&engine->memory);
	if (status < 0 || cached)
		return status;
	if (cached_only)
		return STATUS_WOULD_BLOCK;
	status = read_entry(engine, region, index, &pinned, &record);
	if (status < 0)
		return status;
	entry->term = record.term;
	entry->payload_size = record.payload_size;
	entry->type = record.entry_type;
	if (record.data.size > 0 && !(entry->data = buf_copy(record.data.data, record.data.size)))
		status = -ENOMEM;
	rocksdb_pinnableslice_destroy(pinned);
	return status;
}

static int engine_entries(struct log_engine *base, uint64_t region, uint64_t low, uint64_t high,
	uint64_t size_max, bool cached_only, struct raft_entries *out)
{
	struct raft_rocksdb *engine = (struct raft_rocksdb *)base;
	const struct log_cached *cached;
	size_t count_before = out->count;
	uint64_t size = 0;
	int status;

	log_memory_lock(&engine->memory);
	status = find_entry(engine, region, low, high, &cached);
	log_memory_unlock(&engine->memory);
	while (low < high && status == 0) {
		struct raft_entry entry;

		status = get_entry(engine, region, low, high, cached_only, &entry);
		if (status < 0)
			break;
		size += raft_entry_size(&entry);
		if (out->count > count_before && size > size_max) {
			buf_unref(entry.data);
			break;
		}
		status = raft_entries_push(out, &entry);
		buf_unref(entry.data);
		low++;
	}
	if (status < 0)
		raft_entries_truncate(out, count_before);
	return status;
}

static int engine_beside(struct log_engine *base, uint64_t region, uint64_t index, struct buf **bytes)
{
	struct raft_rocksdb *engine = (struct raft_rocksdb *)base;
	const struct log_cached *cached;
	rocksdb_pinnableslice_t *pinned;
	struct log_record record;
	int status;

	*bytes = NULL;
	log_memory_lock(&engine->memory);
	status = find_entry(engine, region, index, index + 1, &cached);
	if (status == 0 && cached)
		*bytes = buf_ref(cached->beside);
	log_memory_unlock(&engine->memory);
	if (status == 0 && !cached) {
		status = read_entry(engine, region, index, &pinned, &record);
		if (status < 0)
			return status;
		if (record.beside.size > 0 && !(*bytes = buf_copy(record.beside.data, record.beside.size)))
			status = -ENOMEM;
		rocksdb_pinnableslice_destroy(pinned);
	}
	return status < 0 || *bytes ? status : STATUS_NOT_FOUND;
}

static uint64_t property(struct raft_rocksdb *engine, const char *name)
{
	uint64_t value = 0;

	return rocksdb_property_int(engine->db, name, &value) == 0 ? value : 0;
}

static void engine_stats(struct log_engine *base, struct log_engine_stats *stats)
{
	struct raft_rocksdb *engine = (struct raft_rocksdb *)base;

	*stats = (struct log_engine_stats){
		/* The memtables' content is also in the write-ahead log. */
		.disk_size = property(engine, "rocksdb.total-sst-files-size") +
			     property(engine, "rocksdb.size-all-mem-tables"),
	};
	log_memory_lock(&engine->memory);
	stats->live_size = engine->memory.index.live_size;
	stats->cache_size = engine->memory.cache.size;
	stats->syncs = engine->syncs;
	histogram_read(&engine->durations, &stats->sync);
	stats->records = engine->records;
	log_memory_unlock(&engine->memory);
}

/* ---- Opening and closing ---------------------------------------------------------------------------------------- */

static void raft_rocksdb_free(struct raft_rocksdb *engine)
{
	if (engine->db)
		rocksdb_close(engine->db);
	rocksdb_writeoptions_destroy(engine->write_options);
	rocksdb_readoptions_destroy(engine->read_options);
	rocksdb_writebatch_destroy(engine->batch);
	log_memory_close(&engine->memory);
	free(engine->path);
	free(engine);
}

static void engine_close(struct log_engine *base)
{
	struct raft_rocksdb *engine = (struct raft_rocksdb *)base;

	check(!engine->busy);
	raft_rocksdb_free(engine);
}

/* Reads all rows into memory. */
static int recover(struct raft_rocksdb *engine, struct status *status)
{
	struct log_index *index = &engine->memory.index;
	rocksdb_iterator_t *rows = rocksdb_create_iterator(engine->db, engine->read_options);
	uint64_t id = 0;
	char *error = NULL;
	int code = 0;

	index->recovering = true;
	for (rocksdb_iter_seek_to_first(rows); rocksdb_iter_valid(rows) && code == 0;
		rocksdb_iter_next(rows)) {
		struct log_record record;
		struct slice value;

		value.data = rocksdb_iter_value(rows, &value.size);
		code = log_record_decode(value, ROW_SEGMENT, &record);
		if (code == 0)
			code = log_index_apply(index, &record, ROW_SEGMENT, 0, NULL);
		id = record.region;
	}
	if (code == 0)
		rocksdb_iter_get_error(rows, &error);
	rocksdb_iter_destroy(rows);
	if (error)
		return rocksdb_error_take(error, status);
	if (code == 0)
		code = log_index_finish(index, &id);
	if (code < 0)
		return status_set(status, code, "raft log: in %s a row of region %llu does not fit: %s",
			engine->path, (unsigned long long)id, status_name(code));
	log_info(
		engine->options.logger, "raft log: %s: %u regions", engine->path, HASH_COUNT(index->regions));
	return 0;
}

static int open_db(struct raft_rocksdb *engine, struct status *status)
{
	rocksdb_options_t *options = rocksdb_options_create();
	char *error = NULL;

	rocksdb_options_set_create_if_missing(options, !engine->options.is_read_only);
	rocksdb_options_set_compression(options, rocksdb_no_compression);
	rocksdb_options_set_wal_recovery_mode(options, TOLERATE_TORN_TAIL);
	rocksdb_options_set_keep_log_file_num(options, 2);
	if (engine->options.is_read_only)
		engine->db = rocksdb_open_for_read_only(options, engine->path, 0, &error);
	else
		engine->db = rocksdb_open(options, engine->path, &error);
	rocksdb_options_destroy(options);
	return rocksdb_error_take(error, status);
}

/* RocksDB keeps no room in reserve. */
static bool is_short(struct log_engine *engine)
{
	(void)engine;
	return true;
}

static const struct log_engine_ops ops = {
	.close = engine_close,
	.write = engine_write,
	.hurry = engine_hurry,
	.bounds = log_memory_bounds,
	.hard_state = log_memory_hard_state,
	.term = log_memory_term,
	.entries = engine_entries,
	.beside = engine_beside,
	.mark = log_memory_mark,
	.regions = log_memory_regions,
	.release = log_memory_release,
	.reclaim = engine_reclaim,
	.is_short = is_short,
	.stats = engine_stats,
};

int raft_rocksdb_open(
	const struct log_engine_options *options, struct log_engine **opened, struct status *status)
{
	struct raft_rocksdb *engine = calloc(1, sizeof(*engine));
	int code;

	*opened = NULL;
	if (!engine)
		return status_set(status, -ENOMEM, "raft log: out of memory");
	log_memory_init(
		&engine->memory, &ops, options->cache_size > 0 ? options->cache_size : CACHE_SIZE_DEFAULT);
	engine->options = *options;
	if (engine->options.batch_size_max == 0)
		engine->options.batch_size_max = BATCH_SIZE_MAX_DEFAULT;
	engine->next_number = 1;
	engine->write_options = rocksdb_writeoptions_create();
	rocksdb_writeoptions_set_sync(engine->write_options, 1);
	engine->read_options = rocksdb_readoptions_create();
	engine->batch = rocksdb_writebatch_create();
	engine->path = strdup(options->path);
	code = engine->path ? open_db(engine, status) : -ENOMEM;
	if (code == 0)
		code = recover(engine, status);
	if (code < 0) {
		raft_rocksdb_free(engine);
		return code;
	}
	*opened = &engine->memory.engine;
	return 0;
}
