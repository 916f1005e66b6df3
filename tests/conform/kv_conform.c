#include "tests/conform/kv_conform.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/check.h"

#define KEYS 64 /* of the random tests */

static struct slice text(const char *string)
{
	return slice_of(string, strlen(string));
}

static int reset_target(void **state)
{
	struct kv_conform_target *target = *state;

	target->manual_flush = false;
	target->reset(target);
	return 0;
}

static int reset_manual_target(void **state)
{
	struct kv_conform_target *target = *state;

	target->manual_flush = true;
	target->reset(target);
	return 0;
}

static struct kv_engine *open_target(void **state)
{
	struct kv_conform_target *target = *state;

	return target->open(target);
}

static void write_put(struct kv_engine *engine, const char *key, const char *value)
{
	struct kv_batch *batch = engine->ops->batch_new(engine);

	engine->ops->batch_put(batch, text(key), text(value));
	assert_int_equal(engine->ops->write(engine, batch), 0);
	engine->ops->batch_free(batch);
}

/* `value` NULL: not there. */
static void assert_get(struct kv_engine *engine, const struct kv_snapshot *snapshot, enum kv_tier tier,
	const char *key, const char *value)
{
	struct kv_value got;
	int code = engine->ops->get(engine, snapshot, tier, text(key), &got);

	assert_int_equal(code, value ? 0 : STATUS_NOT_FOUND);
	if (value) {
		assert_int_equal(got.data.size, strlen(value));
		assert_memory_equal(got.data.data, value, got.data.size);
	}
	kv_value_close(&got);
}

static void assert_newest(struct kv_engine *engine, const char *key, const char *value)
{
	assert_get(engine, NULL, KV_TIER_ALL, key, value);
}

/* The keys from `from` on, joined by spaces. */
static void assert_keys(struct kv_engine *engine, const struct kv_snapshot *snapshot, const char *low,
	const char *high, const char *from, const char *keys)
{
	const struct kv_engine_ops *ops = engine->ops;
	struct kv_iterator *iterator;
	char found[256] = "";
	int code;

	assert_int_equal(
		ops->iterator_new(engine, snapshot, KV_TIER_ALL, text(low), text(high), &iterator), 0);
	for (code = ops->seek(iterator, text(from)); code == 0; code = ops->next(iterator)) {
		struct slice key, value;
		size_t used = strlen(found);

		ops->row(iterator, &key, &value);
		snprintf(found + used, sizeof found - used, "%s%.*s", used ? " " : "", (int)key.size,
			(const char *)key.data);
	}
	assert_int_equal(code, STATUS_NOT_FOUND);
	assert_string_equal(found, keys);
	ops->iterator_free(engine, iterator);
}

/* ---- Rows and batches ------------------------------------------------------------------------------------------- */

static void test_put_get_delete(void **state)
{
	struct kv_engine *engine = open_target(state);
	struct kv_batch *batch = engine->ops->batch_new(engine);
	struct kv_value value;

	assert_newest(engine, "a", NULL);
	write_put(engine, "a", "1");
	write_put(engine, "b", "");
	assert_newest(engine, "a", "1");
	assert_newest(engine, "b", "");
	write_put(engine, "a", "2");
	assert_newest(engine, "a", "2");
	engine->ops->batch_put(batch, slice_of("\0k\xff", 3), slice_of("\0v", 2));
	engine->ops->batch_delete(batch, text("a"));
	engine->ops->batch_delete(batch, text("never there"));
	assert_int_equal(engine->ops->write(engine, batch), 0);
	engine->ops->batch_free(batch);
	assert_newest(engine, "a", NULL);
	assert_int_equal(engine->ops->get(engine, NULL, KV_TIER_ALL, slice_of("\0k\xff", 3), &value), 0);
	assert_int_equal(value.data.size, 2);
	assert_memory_equal(value.data.data, "\0v", 2);
	kv_value_close(&value);
	engine->ops->close(engine);
}

static void test_batch(void **state)
{
	struct kv_engine *engine = open_target(state);
	struct kv_batch *batch = engine->ops->batch_new(engine);
	size_t empty = engine->ops->batch_size(batch);

	engine->ops->batch_put(batch, text("a"), text("1"));
	engine->ops->batch_put(batch, text("a"), text("2"));
	engine->ops->batch_put(batch, text("b"), text("1"));
	engine->ops->batch_delete(batch, text("b"));
	engine->ops->batch_delete(batch, text("c"));
	engine->ops->batch_put(batch, text("c"), text("3"));
	assert_true(engine->ops->batch_size(batch) >= empty + 6);
	assert_newest(engine, "a", NULL);
	assert_int_equal(engine->ops->write(engine, batch), 0);
	assert_newest(engine, "a", "2");
	assert_newest(engine, "b", NULL);
	assert_newest(engine, "c", "3");
	write_put(engine, "a", "other");
	assert_int_equal(engine->ops->write(engine, batch), 0); /* it kept its content */
	assert_newest(engine, "a", "2");
	engine->ops->batch_clear(batch);
	assert_int_equal(engine->ops->batch_size(batch), empty);
	write_put(engine, "a", "other");
	assert_int_equal(engine->ops->write(engine, batch), 0);
	assert_newest(engine, "a", "other");
	engine->ops->batch_free(batch);
	engine->ops->close(engine);
}

static void test_delete_range(void **state)
{
	struct kv_engine *engine = open_target(state);
	struct kv_batch *batch = engine->ops->batch_new(engine);

	for (const char *key = "a\0b\0c\0d\0e\0"; *key; key += 2)
		write_put(engine, key, "1");
	assert_int_equal(engine->ops->flush(engine, NULL, NULL), 0);
	engine->ops->batch_put(batch, text("bb"), text("in the batch, before"));
	engine->ops->batch_delete_range(batch, text("b"), text("d"));
	engine->ops->batch_put(batch, text("c"), text("in the batch, behind"));
	engine->ops->batch_delete_range(batch, text("e"), text("e"));
	engine->ops->batch_delete_range(batch, text("e"), text("a"));
	engine->ops->batch_delete_range(batch, text("e"), text(""));
	assert_int_equal(engine->ops->write(engine, batch), 0);
	engine->ops->batch_free(batch);
	assert_keys(engine, NULL, "", "", "", "a c d e");
	assert_newest(engine, "b", NULL);
	assert_newest(engine, "c", "in the batch, behind");
	assert_int_equal(engine->ops->flush(engine, NULL, NULL), 0);
	assert_keys(engine, NULL, "", "", "", "a c d e");
	engine->ops->close(engine);
	engine = open_target(state);
	assert_keys(engine, NULL, "", "", "", "a c d e");
	engine->ops->close(engine);
}

static void test_iterator_bounds(void **state)
{
	struct kv_engine *engine = open_target(state);

	assert_keys(engine, NULL, "", "", "", "");
	for (const char *key = "b\0d\0f\0h\0"; *key; key += 2)
		write_put(engine, key, key);
	assert_keys(engine, NULL, "", "", "", "b d f h");
	assert_keys(engine, NULL, "", "", "d", "d f h");
	assert_keys(engine, NULL, "", "", "e", "f h");
	assert_keys(engine, NULL, "", "", "i", "");
	assert_keys(engine, NULL, "d", "", "", "d f h");
	assert_keys(engine, NULL, "c", "h", "a", "d f");
	assert_keys(engine, NULL, "c", "h", "g", "");
	assert_keys(engine, NULL, "d", "d", "", "");
	assert_keys(engine, NULL, "x", "", "", "");
	engine->ops->close(engine);
}

static void test_snapshot(void **state)
{
	struct kv_engine *engine = open_target(state);
	const struct kv_engine_ops *ops = engine->ops;
	struct kv_snapshot *snapshot;
	struct kv_iterator *iterator;
	struct kv_value pinned;
	struct slice key, value;

	write_put(engine, "a", "old");
	write_put(engine, "b", "old");
	snapshot = ops->snapshot_new(engine);
	assert_non_null(snapshot);
	assert_int_equal(ops->get(engine, NULL, KV_TIER_ALL, text("a"), &pinned), 0);
	assert_int_equal(ops->iterator_new(engine, NULL, KV_TIER_ALL, text(""), text(""), &iterator), 0);
	write_put(engine, "a", "new");
	write_put(engine, "c", "new");
	assert_get(engine, snapshot, KV_TIER_ALL, "a", "old");
	assert_get(engine, snapshot, KV_TIER_ALL, "c", NULL);
	assert_int_equal(ops->flush(engine, NULL, NULL), 0);
	assert_get(engine, snapshot, KV_TIER_ALL, "a", "old");
	assert_keys(engine, snapshot, "", "", "", "a b");
	assert_newest(engine, "a", "new");
	assert_keys(engine, NULL, "", "", "", "a b c");
	assert_int_equal(ops->seek(iterator, text("")), 0); /* it sees the moment it was made */
	ops->row(iterator, &key, &value);
	assert_memory_equal(value.data, "old", 3);
	assert_int_equal(ops->next(iterator), 0);
	assert_int_equal(ops->next(iterator), STATUS_NOT_FOUND);
	assert_memory_equal(pinned.data.data, "old", 3);
	kv_value_close(&pinned);
	assert_null(pinned.data.data);
	ops->iterator_free(engine, iterator);
	ops->snapshot_free(engine, snapshot);
	ops->close(engine);
}

/* ---- Random operations against an array ------------------------------------------------------------------------- */

struct model {
	uint32_t values[KEYS]; /* 0: not there */
};

static uint32_t random_next(uint64_t *random)
{
	*random = *random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*random >> 33);
}

static struct slice model_key(char key[8], uint32_t number)
{
	return slice_of(key, (size_t)snprintf(key, 8, "k%02u", number % 100));
}

/* Batch `number` of a run is a function of `number`; `batch` may be NULL. */
static void model_batch(
	struct model *model, struct kv_engine *engine, struct kv_batch *batch, uint32_t number)
{
	uint64_t random = number;
	uint32_t count = 1 + random_next(&random) % 8;
	char low[8], high[8];

	for (uint32_t i = 0; i < count; i++) {
		uint32_t first = random_next(&random) % KEYS, last = first, value = 0;

		switch (random_next(&random) % 8) {
		case 0:
			last = first + random_next(&random) % 10;
			last = last < KEYS ? last : KEYS - 1;
			if (batch)
				engine->ops->batch_delete_range(
					batch, model_key(low, first), model_key(high, last + 1));
			break;
		case 1:
			if (batch)
				engine->ops->batch_delete(batch, model_key(low, first));
			break;
		default:
			value = number;
			if (batch)
				engine->ops->batch_put(
					batch, model_key(low, first), slice_of(&value, sizeof value));
		}
		for (uint32_t key = first; key <= last; key++)
			model->values[key] = value;
	}
}

static void assert_model_row(const struct model *model, uint32_t number, struct slice key, struct slice value)
{
	char expected[8];

	assert_int_equal(slice_compare(model_key(expected, number), key), 0);
	assert_int_equal(value.size, sizeof(uint32_t));
	assert_memory_equal(value.data, &model->values[number], sizeof(uint32_t));
}

static void assert_model(
	const struct model *model, struct kv_engine *engine, const struct kv_snapshot *snapshot)
{
	const struct kv_engine_ops *ops = engine->ops;
	struct kv_iterator *iterator;
	int code;

	assert_int_equal(
		ops->iterator_new(engine, snapshot, KV_TIER_ALL, text("k"), text("l"), &iterator), 0);
	code = ops->seek(iterator, text(""));
	for (uint32_t i = 0; i < KEYS; i++) {
		struct kv_value got;
		struct slice key, value;
		char name[8];
		int expected = model->values[i] ? 0 : STATUS_NOT_FOUND;

		assert_int_equal(ops->get(engine, snapshot, KV_TIER_ALL, model_key(name, i), &got), expected);
		if (expected == 0) {
			assert_model_row(model, i, model_key(name, i), got.data);
			assert_int_equal(code, 0);
			ops->row(iterator, &key, &value);
			assert_model_row(model, i, key, value);
			code = ops->next(iterator);
		}
		kv_value_close(&got);
	}
	assert_int_equal(code, STATUS_NOT_FOUND);
	ops->iterator_free(engine, iterator);
}

static void test_random(void **state)
{
	const struct kv_conform_target *target = *state;
	struct kv_engine *engine = open_target(state);
	const struct kv_engine_ops *ops = engine->ops;
	struct kv_batch *batch = ops->batch_new(engine);
	struct kv_snapshot *snapshot = NULL;
	struct model model = {0}, then = {0};

	for (uint32_t number = 1; number <= 1000; number++) {
		if (number % 37 == 1) {
			if (snapshot)
				assert_model(&then, engine, snapshot);
			ops->snapshot_free(engine, snapshot);
			snapshot = ops->snapshot_new(engine);
			then = model;
		}
		ops->batch_clear(batch);
		model_batch(&model, engine, batch, number);
		assert_int_equal(ops->write(engine, batch), 0);
		if (number % 10 == 0)
			assert_model(&model, engine, NULL);
		if (number % 301 == 0)
			assert_int_equal(ops->flush(engine, NULL, NULL), 0);
	}
	ops->snapshot_free(engine, snapshot);
	ops->batch_free(batch);
	if (target->manual_flush)
		assert_int_equal(ops->flush(engine, NULL, NULL), 0);
	ops->close(engine); /* flushes, if not */
	engine = open_target(state);
	assert_model(&model, engine, NULL);
	engine->ops->close(engine);
}

/* ---- What a crash leaves ---------------------------------------------------------------------------------------- */

#define CRASH_BATCHES 4000
#define CRASH_FLUSH   1500 /* the batch behind which the body flushes by hand */

/* A batch with its number, padded so that many of them fill memtables. */
static void write_numbered(struct kv_engine *engine, uint32_t number)
{
	static const char padding[4096];
	struct kv_batch *batch = engine->ops->batch_new(engine);
	struct model model = {0};

	check(batch != NULL);
	engine->ops->batch_put(batch, text("number"), slice_of(&number, sizeof number));
	model_batch(&model, engine, batch, number);
	engine->ops->batch_put(batch, text("padding"), slice_of(padding, sizeof padding));
	check(engine->ops->write(engine, batch) == 0);
	engine->ops->batch_free(batch);
}

/* Without manual flushes memtables are flushed behind its back. */
static void body_many(struct kv_engine *engine, bool flushes)
{
	for (uint32_t number = 1; number <= CRASH_BATCHES; number++) {
		write_numbered(engine, number);
		if (flushes && number == CRASH_FLUSH)
			check(engine->ops->flush(engine, NULL, NULL) == 0);
	}
}

struct fixed_calls {
	struct kv_engine *engine;
	uint32_t number; /* of the batch it writes */
	unsigned count;
	pthread_t thread;
};

static void count_and_write(void *argument)
{
	struct fixed_calls *calls = argument;

	calls->count++;
	calls->thread = pthread_self();
	write_numbered(calls->engine, calls->number);
}

static void body_fixed(struct kv_engine *engine)
{
	struct fixed_calls calls = {.engine = engine, .number = CRASH_FLUSH + 1};

	for (uint32_t number = 1; number <= CRASH_FLUSH; number++)
		write_numbered(engine, number);
	check(engine->ops->flush(engine, count_and_write, &calls) == 0);
	check(calls.count == 1);
}

void kv_conform_body(const char *body, struct kv_engine *engine)
{
	if (strcmp(body, "nothing flushed by hand") == 0)
		body_many(engine, false);
	else if (strcmp(body, "flushed by hand") == 0)
		body_many(engine, true);
	else if (strcmp(body, "written when a flush is fixed") == 0)
		body_fixed(engine);
	else
		check(strcmp(body, "nothing") == 0);
}

static uint32_t number_of(struct kv_engine *engine, enum kv_tier tier)
{
	struct kv_value value;
	uint32_t number = 0;
	int code = engine->ops->get(engine, NULL, tier, text("number"), &value);

	assert_true(code == 0 || code == STATUS_NOT_FOUND);
	if (code == 0)
		memcpy(&number, value.data.data, sizeof number);
	kv_value_close(&value);
	return number;
}

static uint32_t assert_prefix(void **state)
{
	struct kv_engine *engine = open_target(state);
	struct model model = {0};
	uint32_t number = number_of(engine, KV_TIER_ALL);

	assert_int_equal(number, number_of(engine, KV_TIER_PERSISTED));
	for (uint32_t i = 1; i <= number; i++)
		model_batch(&model, NULL, NULL, i);
	assert_model(&model, engine, NULL);
	engine->ops->close(engine);
	return number;
}

static void test_crash(void **state)
{
	struct kv_conform_target *target = *state;
	uint32_t number;

	target->crash(target, "nothing flushed by hand");
	number = assert_prefix(state);
	assert_in_range(number, 1,
		CRASH_BATCHES - 1); /* the engine flushed by itself, and the crash cost something */
	target->crash(target, "nothing");
	assert_int_equal(assert_prefix(state), number);
	target->reset(target);
	target->crash(target, "flushed by hand");
	assert_in_range(assert_prefix(state), CRASH_FLUSH, CRASH_BATCHES - 1);
}

static void test_manual_crash(void **state)
{
	struct kv_conform_target *target = *state;

	target->crash(target, "nothing flushed by hand");
	assert_int_equal(assert_prefix(state), 0);
	target->reset(target);
	target->crash(target, "flushed by hand");
	assert_int_equal(assert_prefix(state), CRASH_FLUSH);
	target->reset(target);
	target->crash(target, "written when a flush is fixed");
	assert_int_equal(assert_prefix(state), CRASH_FLUSH);
}

static void test_fixed(void **state)
{
	struct kv_conform_target *target = *state;
	struct kv_engine *engine = open_target(state);
	struct fixed_calls calls = {.engine = engine};

	for (calls.number = 2; calls.number < 20; calls.number++) {
		uint32_t before = calls.number - 1;

		if (before == 1)
			write_numbered(engine, before);
		calls.count = 0;
		assert_int_equal(engine->ops->flush(engine, count_and_write, &calls), 0);
		assert_int_equal(calls.count, 1);
		assert_true(pthread_equal(calls.thread, pthread_self()));
		assert_int_equal(number_of(engine, KV_TIER_ALL), calls.number);
		assert_in_range(number_of(engine, KV_TIER_PERSISTED), before,
			target->manual_flush ? before : calls.number);
	}
	engine->ops->close(engine);
	engine = open_target(state);
	assert_int_equal(number_of(engine, KV_TIER_PERSISTED), target->manual_flush ? 18 : 19);
	engine->ops->close(engine);
}

static void test_fixed_without_rows(void **state)
{
	struct kv_engine *engine = open_target(state);
	struct fixed_calls calls = {.engine = engine, .number = 1};

	assert_int_equal(engine->ops->flush(engine, count_and_write, &calls), 0);
	assert_int_equal(calls.count, 1);
	engine->ops->close(engine);
}

static void test_persisted(void **state)
{
	struct kv_engine *engine = open_target(state);
	const struct kv_engine_ops *ops = engine->ops;

	for (int round = 0; round < 50;
		round++) { /* the simulator's may flush by itself; mostly it does not */
		struct kv_value value;
		char key[16];
		int code;

		snprintf(key, sizeof key, "key%d", round);
		write_put(engine, key, "1");
		code = ops->get(engine, NULL, KV_TIER_PERSISTED, text(key), &value);
		assert_true(code == 0 || code == STATUS_NOT_FOUND);
		kv_value_close(&value);
		assert_int_equal(ops->flush(engine, NULL, NULL), 0);
		assert_get(engine, NULL, KV_TIER_PERSISTED, key, "1");
	}
	ops->close(engine);
}

/* Without a flush by hand, KV_TIER_PERSISTED follows the engine's own flushes and never runs ahead of the rows. */
static void test_persisted_automatically(void **state)
{
	struct kv_engine *engine = open_target(state);
	uint32_t behind = 0, moved = 0, last = 0;

	for (uint32_t number = 1; number <= CRASH_BATCHES; number++) {
		uint32_t persisted;

		write_numbered(engine, number);
		persisted = number_of(engine, KV_TIER_PERSISTED);
		assert_in_range(persisted, last, number);
		moved += persisted > last;
		behind += persisted < number;
		last = persisted;
	}
	assert_true(moved >= 3);
	assert_true(behind > CRASH_BATCHES / 4);
	assert_true(engine->ops->unflushed_size(engine) > 0);
	assert_int_equal(engine->ops->flush(engine, NULL, NULL), 0);
	assert_int_equal(number_of(engine, KV_TIER_PERSISTED), CRASH_BATCHES);
	engine->ops->close(engine);
}

/* ---- The cache -------------------------------------------------------------------------------------------------- */

static void fill_and_reopen(void **state, struct kv_engine **engine)
{
	*engine = open_target(state);
	for (int i = 0; i < 100; i++) {
		char key[16], value[16];

		snprintf(key, sizeof key, "key%03d", i);
		snprintf(value, sizeof value, "value%d", i);
		write_put(*engine, key, value);
	}
	(*engine)->ops->close(*engine);
	*engine = open_target(state);
}

static void test_cold_get(void **state)
{
	struct kv_engine *engine;
	int misses = 0;

	fill_and_reopen(state, &engine);
	for (int i = 0; i < 100; i++) {
		char key[16], expected[16];
		struct kv_value value;
		int code;

		snprintf(key, sizeof key, "key%03d", i);
		snprintf(expected, sizeof expected, "value%d", i);
		code = engine->ops->get(engine, NULL, KV_TIER_CACHE, text(key), &value);
		assert_true(code == 0 || code == STATUS_WOULD_BLOCK);
		assert_true(code == 0 || !value.release);
		kv_value_close(&value);
		misses += code != 0;
		assert_newest(engine, key, expected);
		assert_get(engine, NULL, KV_TIER_CACHE, key, expected);
	}
	assert_true(misses > 0);
	write_put(engine, "fresh", "1"); /* what was just written is in memory */
	assert_get(engine, NULL, KV_TIER_CACHE, "fresh", "1");
	engine->ops->close(engine);
}

/* Rows seen before the end, or before the cache had no more. */
static int scan(struct kv_engine *engine, enum kv_tier tier, int *code)
{
	struct kv_iterator *iterator;
	int count = 0;

	assert_int_equal(
		engine->ops->iterator_new(engine, NULL, tier, text("key"), text("kez"), &iterator), 0);
	for (*code = engine->ops->seek(iterator, text("key")); *code == 0;
		*code = engine->ops->next(iterator)) {
		char expected[16];
		struct slice key, value;

		engine->ops->row(iterator, &key, &value);
		snprintf(expected, sizeof expected, "key%03d", count++);
		assert_int_equal(slice_compare(key, text(expected)), 0);
	}
	engine->ops->iterator_free(engine, iterator);
	return count;
}

static void test_cold_iterator(void **state)
{
	struct kv_engine *engine;
	int code;

	fill_and_reopen(state, &engine);
	assert_true(scan(engine, KV_TIER_CACHE, &code) < 100);
	assert_int_equal(code, STATUS_WOULD_BLOCK);
	assert_int_equal(scan(engine, KV_TIER_ALL, &code), 100);
	assert_int_equal(code, STATUS_NOT_FOUND);
	assert_int_equal(scan(engine, KV_TIER_CACHE, &code), 100);
	assert_int_equal(code, STATUS_NOT_FOUND);
	engine->ops->close(engine);
}

/* ---- Failures and stats --------------------------------------------------------------------------------------- */

static void test_failure_is_final(void **state)
{
	struct kv_conform_target *target = *state;
	struct kv_engine *engine = open_target(state);
	struct kv_batch *batch = engine->ops->batch_new(engine);

	write_put(engine, "a", "1");
	assert_int_equal(engine->ops->flush(engine, NULL, NULL), 0);
	write_put(engine, "a", "2");
	target->break_device(target);
	assert_true(engine->ops->flush(engine, NULL, NULL) < 0);
	engine->ops->batch_put(batch, text("a"), text("3"));
	assert_true(engine->ops->write(engine, batch) < 0);
	assert_true(engine->ops->flush(engine, NULL, NULL) < 0);
	engine->ops->batch_free(batch);
	engine->ops->close(engine);
	engine = open_target(state);
	assert_newest(engine, "a", "1");
	engine->ops->close(engine);
}

static void test_stats(void **state)
{
	struct kv_engine *engine = open_target(state);
	struct kv_memory usage;
	uint64_t before = engine->ops->unflushed_size(engine);
	char value[1001];
	char key[16];

	memset(value, 'v', 1000);
	value[1000] = 0;
	for (int i = 0; i < 300; i++) {
		snprintf(key, sizeof key, "key%03d", i);
		write_put(engine, key, value);
	}
	engine->ops->memory(engine, &usage);
	assert_true(usage.memtable > 0);
	assert_true(engine->ops->unflushed_size(engine) > before);
	assert_int_equal(engine->ops->flush(engine, NULL, NULL), 0);
	assert_true(engine->ops->unflushed_size(engine) <= before + 4096);
	assert_in_range(engine->ops->range_size(engine, text(""), text("")), 150000, 600000);
	assert_in_range(engine->ops->range_size(engine, text("key100"), text("key200")), 50000, 200000);
	assert_int_equal(engine->ops->range_size(engine, text("x"), text("")), 0);
	engine->ops->close(engine);
}

#define TEST(function) cmocka_unit_test_setup(function, reset_target)
#define TEST_MANUAL(function)                                                                                \
	{                                                                                                    \
#function " with manual flushes", function, reset_manual_target, NULL, NULL                  \
	}

int kv_conform_run(const char *name, struct kv_conform_target *target)
{
	struct CMUnitTest tests[] = {
		TEST(test_put_get_delete),
		TEST(test_batch),
		TEST(test_delete_range),
		TEST(test_iterator_bounds),
		TEST(test_snapshot),
		TEST(test_random),
		TEST(test_crash),
		TEST(test_persisted),
		TEST(test_persisted_automatically),
		TEST(test_cold_get),
		TEST(test_cold_iterator),
		TEST(test_failure_is_final),
		TEST(test_stats),
		TEST(test_fixed),
		TEST(test_fixed_without_rows),
		TEST_MANUAL(test_manual_crash),
		TEST_MANUAL(test_fixed),
		TEST_MANUAL(test_fixed_without_rows),
		TEST_MANUAL(test_random),
		TEST_MANUAL(test_failure_is_final),
		TEST_MANUAL(test_stats),
	};

	for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
		tests[i].initial_state = target;
	return _cmocka_run_group_tests(name, tests, sizeof tests / sizeof tests[0], NULL, NULL);
}
