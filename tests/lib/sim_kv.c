/*
 * Rows hang in a red-black tree; each holds its versions, newest first, stamped with the number of the batch that
 * wrote them. A reader at batch n takes the first version that is not newer. Versions no reader can reach any more
 * are swept when they outnumber the rows.
 */
#include "tests/lib/sim_kv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <uv/tree.h>

#include "proto/check.h"

#define CACHE_SLOTS 4096 /* keys share slots by hash */
#define CACHE_STAY  64 /* misses elsewhere, until a key may be missed again */

struct version {
	struct version *older;
	uint64_t batch;
	struct buf *value; /* NULL: deleted */
};

struct row {
	RB_ENTRY(row) entry;
	struct version *newest;
	size_t key_size;
	char key[];
};

RB_HEAD(tree, row);

struct kv_snapshot {
	struct kv_snapshot *previous, *next;
	uint64_t batch;
};

struct sim_kv {
	struct kv_engine engine;
	struct sim_kv_options options;
	uint64_t random;
	struct tree tree;
	struct kv_snapshot snapshots; /* a ring, oldest first */
	uint64_t written, flushed; /* batches */
	uint64_t unflushed_size; /* bytes */
	size_t row_count, version_count;
	size_t sweep_count; /* versions there must be for the next sweep */
	uint64_t misses;
	uint64_t cached_until[CACHE_SLOTS]; /* by key: `misses` up to which it is in memory */
	bool open, broken, crashed;
	unsigned in_use; /* iterators and batches */
};

struct kv_iterator {
	struct sim_kv *sim;
	struct kv_snapshot *own; /* NULL: the caller's */
	uint64_t batch;
	enum kv_tier tier;
	struct row *row;
	struct buf *low, *high;
};

struct operation {
	struct operation *next;
	enum { PUT, DELETE, DELETE_RANGE } kind;
	struct buf *key, *value; /* of a range: its bounds */
};

struct kv_batch {
	struct sim_kv *sim;
	struct operation *first, **last;
	size_t size; /* bytes */
};

static struct slice key_of(const struct row *row)
{
	return slice_of(row->key, row->key_size);
}

static int row_compare(struct row *a, struct row *b)
{
	return slice_compare(key_of(a), key_of(b));
}

RB_GENERATE_STATIC(tree, row, entry, row_compare)

static struct sim_kv *self_of(struct kv_engine *engine)
{
	return (struct sim_kv *)engine;
}

static bool is_dead(struct sim_kv *sim)
{
	if (sim->options.is_dead && sim->options.is_dead(sim->options.argument))
		sim->crashed = true;
	return sim->crashed;
}

static void *must(void *memory)
{
	check(memory != NULL);
	return memory;
}

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t random_below(struct sim_kv *sim, uint64_t limit)
{
	uint64_t z = sim->random += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (z ^ (z >> 31)) % limit;
}

static bool chance(struct sim_kv *sim, unsigned percent)
{
	return random_below(sim, 100) < percent;
}

/* ---- The cache -------------------------------------------------------------------------------------------------- */

static uint64_t *cache_slot(struct sim_kv *sim, struct slice key)
{
	const uint8_t *bytes = key.data;
	uint64_t hash = 14695981039346656037u; /* FNV-1a */

	for (size_t i = 0; i < key.size; i++)
		hash = (hash ^ bytes[i]) * 1099511628211u;
	return &sim->cached_until[hash % CACHE_SLOTS];
}

static void cache_fill(struct sim_kv *sim, struct slice key)
{
	*cache_slot(sim, key) = sim->misses + CACHE_STAY;
}

/* Is `key` in memory for a read of `tier`, which loads it if it may? */
static bool cache_read(struct sim_kv *sim, enum kv_tier tier, struct slice key)
{
	if (tier != KV_TIER_CACHE) {
		cache_fill(sim, key);
		return true;
	}
	if (*cache_slot(sim, key) > sim->misses || !chance(sim, sim->options.miss_percent))
		return true;
	sim->misses++;
	return false;
}

/* ---- Rows and versions ------------------------------------------------------------------------------------------ */

/* The first row at or behind `key`, or NULL. */
static struct row *row_at(struct sim_kv *sim, struct slice key)
{
	struct row *row = RB_ROOT(&sim->tree);
	struct row *found = NULL;

	while (row) {
		int order = slice_compare(key, key_of(row));

		if (order == 0)
			return row;
		if (order < 0)
			found = row;
		row = order < 0 ? RB_LEFT(row, entry) : RB_RIGHT(row, entry);
	}
	return found;
}

static struct buf *value_at(const struct row *row, uint64_t batch)
{
	const struct version *version = row->newest;

	while (version && version->batch > batch)
		version = version->older;
	return version ? version->value : NULL;
}

static struct row *row_make(struct sim_kv *sim, struct slice key)
{
	struct row *row = row_at(sim, key);

	if (row && slice_compare(key, key_of(row)) == 0)
		return row;
	row = must(calloc(1, sizeof *row + key.size));
	row->key_size = key.size;
	memcpy(row->key, key.data ? key.data : "", key.size);
	RB_INSERT(tree, &sim->tree, row);
	sim->row_count++;
	return row;
}

static void row_set(struct sim_kv *sim, struct row *row, struct buf *value)
{
	struct version *version = must(malloc(sizeof *version));

	*version = (struct version){.older = row->newest, .batch = sim->written, .value = buf_ref(value)};
	row->newest = version;
	sim->version_count++;
	cache_fill(sim, key_of(row));
}

static void versions_free(struct sim_kv *sim, struct version *version)
{
	while (version) {
		struct version *older = version->older;

		buf_unref(version->value);
		free(version);
		sim->version_count--;
		version = older;
	}
}

static void row_free(struct sim_kv *sim, struct row *row)
{
	RB_REMOVE(tree, &sim->tree, row);
	versions_free(sim, row->newest);
	free(row);
	sim->row_count--;
}

/* Drops what no reader at `oldest` or later can reach. */
static void row_sweep(struct sim_kv *sim, struct row *row, uint64_t oldest)
{
	struct version *version = row->newest;

	while (version && version->batch > oldest)
		version = version->older;
	if (version) {
		versions_free(sim, version->older);
		version->older = NULL;
		if (version == row->newest && !version->value)
			row_free(sim, row);
	}
}

static void sweep(struct sim_kv *sim)
{
	const struct kv_snapshot *first = sim->snapshots.next;
	uint64_t oldest = sim->flushed;
	struct row *row, *next;

	if (first != &sim->snapshots && first->batch < oldest)
		oldest = first->batch;
	for (row = RB_MIN(tree, &sim->tree); row; row = next) {
		next = RB_NEXT(tree, &sim->tree, row);
		row_sweep(sim, row, oldest);
	}
	sim->sweep_count = sim->version_count + sim->row_count + 1024;
}

/* What a crash takes: every version behind the flushed batch. */
static void forget_unflushed(struct sim_kv *sim)
{
	struct row *row, *next;

	for (row = RB_MIN(tree, &sim->tree); row; row = next) {
		next = RB_NEXT(tree, &sim->tree, row);
		while (row->newest && row->newest->batch > sim->flushed) {
			struct version *lost = row->newest;

			row->newest = lost->older;
			lost->older = NULL;
			versions_free(sim, lost);
		}
		if (!row->newest)
			row_free(sim, row);
	}
	sim->written = sim->flushed;
	sim->unflushed_size = 0;
}

/* ---- Reading ---------------------------------------------------------------------------------------------------- */

static struct kv_snapshot *snapshot_new(struct kv_engine *engine)
{
	struct sim_kv *sim = self_of(engine);
	struct kv_snapshot *snapshot = must(malloc(sizeof *snapshot));

	snapshot->batch = sim->written;
	snapshot->next = &sim->snapshots;
	snapshot->previous = sim->snapshots.previous;
	snapshot->previous->next = snapshot;
	snapshot->next->previous = snapshot;
	return snapshot;
}

static void snapshot_free(struct kv_engine *engine, struct kv_snapshot *snapshot)
{
	(void)engine;
	if (!snapshot)
		return;
	snapshot->previous->next = snapshot->next;
	snapshot->next->previous = snapshot->previous;
	free(snapshot);
}

static void unpin(void *pin)
{
	buf_unref(pin);
}

static int get(struct kv_engine *engine, const struct kv_snapshot *snapshot, enum kv_tier tier,
	struct slice key, struct kv_value *value)
{
	struct sim_kv *sim = self_of(engine);
	uint64_t batch = snapshot ? snapshot->batch : tier == KV_TIER_PERSISTED ? sim->flushed : sim->written;
	struct row *row;
	struct buf *found;

	check(tier != KV_TIER_PERSISTED || !snapshot);
	*value = (struct kv_value){0};
	if (is_dead(sim))
		return -EIO;
	if (!cache_read(sim, tier, key))
		return STATUS_WOULD_BLOCK;
	row = row_at(sim, key);
	if (!row || slice_compare(key, key_of(row)) != 0)
		return STATUS_NOT_FOUND;
	found = value_at(row, batch);
	if (!found)
		return STATUS_NOT_FOUND;
	*value = (struct kv_value){.data = buf_slice(found), .pin = buf_ref(found), .release = unpin};
	return 0;
}

static int iterator_new(struct kv_engine *engine, const struct kv_snapshot *snapshot, enum kv_tier tier,
	struct slice low, struct slice high, struct kv_iterator **result)
{
	struct sim_kv *sim = self_of(engine);
	struct kv_iterator *iterator = must(calloc(1, sizeof *iterator));

	check(tier != KV_TIER_PERSISTED);
	iterator->sim = sim;
	iterator->own = snapshot ? NULL : snapshot_new(engine);
	iterator->batch = snapshot ? snapshot->batch : sim->written;
	iterator->tier = tier;
	iterator->low = must(buf_copy(low.data, low.size));
	iterator->high = must(buf_copy(high.data, high.size));
	sim->in_use++;
	*result = iterator;
	return 0;
}

static void iterator_free(struct kv_engine *engine, struct kv_iterator *iterator)
{
	if (!iterator)
		return;
	self_of(engine)->in_use--;
	snapshot_free(engine, iterator->own);
	buf_unref(iterator->low);
	buf_unref(iterator->high);
	free(iterator);
}

/* Stands at `row`, or the first one behind it that the iterator sees. */
static int settle(struct kv_iterator *iterator, struct row *row, struct slice from)
{
	struct sim_kv *sim = iterator->sim;

	iterator->row = NULL;
	if (is_dead(sim))
		return -EIO;
	while (row && !value_at(row, iterator->batch))
		row = RB_NEXT(tree, &sim->tree, row);
	if (row && iterator->high->size > 0 && slice_compare(key_of(row), buf_slice(iterator->high)) >= 0)
		row = NULL;
	if (!cache_read(sim, iterator->tier, row ? key_of(row) : from))
		return STATUS_WOULD_BLOCK;
	iterator->row = row;
	return row ? 0 : STATUS_NOT_FOUND;
}

static int seek(struct kv_iterator *iterator, struct slice key)
{
	if (slice_compare(key, buf_slice(iterator->low)) < 0)
		key = buf_slice(iterator->low);
	return settle(iterator, row_at(iterator->sim, key), key);
}

static int next_row(struct kv_iterator *iterator)
{
	struct row *row = iterator->row;

	check(row != NULL);
	return settle(iterator, RB_NEXT(tree, &iterator->sim->tree, row), key_of(row));
}

static void row_get(const struct kv_iterator *iterator, struct slice *key, struct slice *value)
{
	*key = key_of(iterator->row);
	*value = buf_slice(value_at(iterator->row, iterator->batch));
}

/* ---- Writing ---------------------------------------------------------------------------------------------------- */

static struct kv_batch *batch_new(struct kv_engine *engine)
{
	struct kv_batch *batch = must(calloc(1, sizeof *batch));

	batch->sim = self_of(engine);
	batch->sim->in_use++;
	batch->last = &batch->first;
	return batch;
}

static void batch_clear(struct kv_batch *batch)
{
	struct operation *next;

	for (struct operation *operation = batch->first; operation; operation = next) {
		next = operation->next;
		buf_unref(operation->key);
		buf_unref(operation->value);
		free(operation);
	}
	batch->first = NULL;
	batch->last = &batch->first;
	batch->size = 0;
}

static void batch_free(struct kv_batch *batch)
{
	if (!batch)
		return;
	batch_clear(batch);
	batch->sim->in_use--;
	free(batch);
}

static void batch_add(struct kv_batch *batch, int kind, struct slice key, struct buf *value)
{
	struct operation *operation = must(calloc(1, sizeof *operation));

	operation->kind = kind;
	operation->key = must(buf_copy(key.data, key.size));
	operation->value = value;
	*batch->last = operation;
	batch->last = &operation->next;
	batch->size += 8 + key.size + (value ? value->size : 0);
}

static void batch_put(struct kv_batch *batch, struct slice key, struct slice value)
{
	batch_add(batch, PUT, key, must(buf_copy(value.data, value.size)));
}

static void batch_delete(struct kv_batch *batch, struct slice key)
{
	batch_add(batch, DELETE, key, NULL);
}

static void batch_delete_range(struct kv_batch *batch, struct slice low, struct slice high)
{
	batch_add(batch, DELETE_RANGE, low, must(buf_copy(high.data, high.size)));
}

static size_t batch_size(const struct kv_batch *batch)
{
	return batch->size;
}

static void delete_range(struct sim_kv *sim, struct slice low, struct slice high)
{
	struct row *row = row_at(sim, low);

	for (; row && slice_compare(key_of(row), high) < 0; row = RB_NEXT(tree, &sim->tree, row))
		if (row->newest->value)
			row_set(sim, row, NULL);
}

static void perform(struct sim_kv *sim, const struct operation *operation)
{
	struct slice key = buf_slice(operation->key);
	struct row *row;

	switch (operation->kind) {
	case PUT:
		row_set(sim, row_make(sim, key), operation->value);
		break;
	case DELETE:
		row = row_at(sim, key);
		if (row && slice_compare(key, key_of(row)) == 0)
			row_set(sim, row, NULL);
		break;
	case DELETE_RANGE:
		delete_range(sim, key, buf_slice(operation->value));
		break;
	}
}

static void announce(struct sim_kv *sim)
{
	if (sim->options.before_change)
		sim->options.before_change(sim->options.argument);
}

static int write_batch(struct kv_engine *engine, struct kv_batch *batch)
{
	struct sim_kv *sim = self_of(engine);

	announce(sim);
	if (is_dead(sim) || sim->broken)
		return -EIO;
	sim->written++;
	sim->unflushed_size += batch->size;
	for (const struct operation *operation = batch->first; operation; operation = operation->next)
		perform(sim, operation);
	if (chance(sim, sim->options.flush_percent))
		sim_kv_flush_some(sim);
	if (sim->version_count > sim->sweep_count)
		sweep(sim);
	return 0;
}

static int try_write(struct kv_engine *engine, struct kv_batch *batch)
{
	struct sim_kv *sim = self_of(engine);

	return chance(sim, sim->options.miss_percent) ? STATUS_WOULD_BLOCK : write_batch(engine, batch);
}

static void flush_to(struct sim_kv *sim, uint64_t batch)
{
	uint64_t pending = sim->written - sim->flushed;

	if (batch <= sim->flushed)
		return;
	sim->unflushed_size -= sim->unflushed_size / pending * (batch - sim->flushed);
	sim->flushed = batch;
	if (batch == sim->written)
		sim->unflushed_size = 0;
}

void sim_kv_set_manual(struct sim_kv *sim, bool manual_flush)
{
	sim->options.manual_flush = manual_flush;
}

void sim_kv_flush_some(struct sim_kv *sim)
{
	if (sim->options.manual_flush)
		return;
	flush_to(sim, sim->flushed + random_below(sim, sim->written - sim->flushed + 1));
}

static int flush(struct kv_engine *engine, void (*fixed)(void *argument), void *argument)
{
	struct sim_kv *sim = self_of(engine);
	uint64_t batch = sim->written;
	bool has_failed;

	announce(sim);
	if (is_dead(sim) || sim->broken)
		return -EIO;
	if (fixed)
		fixed(argument);
	has_failed = is_dead(sim) || sim->broken;
	if (!has_failed || chance(sim, 50))
		flush_to(sim, batch);
	return has_failed ? -EIO : 0;
}

/* ---- Stats ---------------------------------------------------------------------------------------------------- */

static uint64_t unflushed_size(struct kv_engine *engine)
{
	return self_of(engine)->unflushed_size;
}

static void memory(struct kv_engine *engine, struct kv_memory *usage)
{
	*usage = (struct kv_memory){.memtable = self_of(engine)->unflushed_size};
}

static uint64_t range_size(struct kv_engine *engine, struct slice low, struct slice high)
{
	struct sim_kv *sim = self_of(engine);
	uint64_t size = 0;

	for (struct row *row = row_at(sim, low); row; row = RB_NEXT(tree, &sim->tree, row)) {
		const struct buf *value = value_at(row, sim->flushed);

		if (high.size > 0 && slice_compare(key_of(row), high) >= 0)
			break;
		if (value)
			size += row->key_size + value->size;
	}
	return size;
}

/* ---- Life ------------------------------------------------------------------------------------------------------- */

static void close_engine(struct kv_engine *engine)
{
	struct sim_kv *sim = self_of(engine);

	check(sim->open);
	check(sim->in_use == 0);
	check(sim->snapshots.next == &sim->snapshots);
	if (sim->options.manual_flush)
		forget_unflushed(sim);
	else
		flush(engine, NULL, NULL);
	sim->open = false;
}

static const struct kv_engine_ops ops = {
	.close = close_engine,
	.snapshot_new = snapshot_new,
	.snapshot_free = snapshot_free,
	.get = get,
	.iterator_new = iterator_new,
	.iterator_free = iterator_free,
	.seek = seek,
	.next = next_row,
	.row = row_get,
	.batch_new = batch_new,
	.batch_free = batch_free,
	.batch_clear = batch_clear,
	.batch_put = batch_put,
	.batch_delete = batch_delete,
	.batch_delete_range = batch_delete_range,
	.batch_size = batch_size,
	.write = write_batch,
	.try_write = try_write,
	.flush = flush,
	.unflushed_size = unflushed_size,
	.memory = memory,
	.range_size = range_size,
};

struct sim_kv *sim_kv_new(const struct sim_kv_options *options)
{
	struct sim_kv *sim = must(calloc(1, sizeof *sim));

	sim->engine.ops = &ops;
	sim->options = *options;
	sim->random = options->seed;
	RB_INIT(&sim->tree);
	sim->snapshots.next = sim->snapshots.previous = &sim->snapshots;
	return sim;
}

void sim_kv_free(struct sim_kv *sim)
{
	struct row *row;

	if (!sim)
		return;
	check(!sim->open);
	while ((row = RB_ROOT(&sim->tree)))
		row_free(sim, row);
	free(sim);
}

struct sim_kv *sim_kv_copy(struct sim_kv *sim)
{
	struct sim_kv *copy = sim_kv_new(&sim->options);
	struct row *row;

	check(!sim->open || sim->crashed);
	copy->random = sim->random;
	RB_FOREACH(row, tree, &sim->tree)
	{
		struct buf *value = value_at(row, sim->flushed);

		if (value)
			row_set(copy, row_make(copy, key_of(row)), value);
	}
	return copy;
}

struct kv_engine *sim_kv_open(struct sim_kv *sim)
{
	check(!sim->open || sim->crashed);
	sim->in_use = 0;
	sim->snapshots.next = sim->snapshots.previous = &sim->snapshots;
	forget_unflushed(sim);
	memset(sim->cached_until, 0, sizeof sim->cached_until);
	sim->open = true;
	sim->broken = false;
	sim->crashed = false;
	return &sim->engine;
}

void sim_kv_crash(struct sim_kv *sim)
{
	sim->crashed = true;
}

void sim_kv_break(struct sim_kv *sim)
{
	sim->broken = true;
}

uint64_t sim_kv_written(const struct sim_kv *sim)
{
	return sim->written;
}

uint64_t sim_kv_flushed(const struct sim_kv *sim)
{
	return sim->flushed;
}
