/* The simulator's KV engine keeps what every KV engine promises, for many seeds; and the same seed does the same. */
#include "tests/lib/sim_kv.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/conform/kv_conform.h"

struct sim_target {
	struct kv_conform_target target;
	struct sim_kv *sim;
	uint64_t seed;
};

static void reset(struct kv_conform_target *target)
{
	struct sim_target *self = (struct sim_target *)target;

	sim_kv_free(self->sim);
	self->sim = sim_kv_new(&(struct sim_kv_options){
		.seed = self->seed,
		.flush_percent = 1,
		.miss_percent = 50,
		.manual_flush = target->manual_flush,
	});
}

static struct kv_engine *open_sim(struct kv_conform_target *target)
{
	return sim_kv_open(((struct sim_target *)target)->sim);
}

static void crash(struct kv_conform_target *target, const char *body)
{
	struct sim_target *self = (struct sim_target *)target;
	struct kv_engine *engine = sim_kv_open(self->sim);
	struct kv_value value;

	kv_conform_body(body, engine);
	sim_kv_crash(self->sim);
	assert_int_equal(engine->ops->get(engine, NULL, KV_TIER_ALL, slice_of("a", 1), &value), -EIO);
	engine->ops->close(engine);
}

static void break_device(struct kv_conform_target *target)
{
	sim_kv_break(((struct sim_target *)target)->sim);
}

/* What one seed answers: a hash over misses and flushed batches. */
static uint64_t trace(uint64_t seed)
{
	struct sim_kv *sim =
		sim_kv_new(&(struct sim_kv_options){.seed = seed, .flush_percent = 10, .miss_percent = 30});
	struct kv_engine *engine = sim_kv_open(sim);
	struct kv_batch *batch = engine->ops->batch_new(engine);
	uint64_t hash = 0;

	for (uint32_t i = 0; i < 1000; i++) {
		struct kv_value value;
		uint32_t key = i * 7919 % 100;

		engine->ops->batch_clear(batch);
		engine->ops->batch_put(batch, slice_of(&key, sizeof key), slice_of(&i, sizeof i));
		assert_int_equal(engine->ops->write(engine, batch), 0);
		key = i * 104729 % 200;
		hash = hash * 31 + (uint64_t)engine->ops->get(
					   engine, NULL, KV_TIER_CACHE, slice_of(&key, sizeof key), &value);
		hash = hash * 31 + sim_kv_flushed(sim);
		kv_value_close(&value);
	}
	engine->ops->batch_free(batch);
	engine->ops->close(engine);
	sim_kv_free(sim);
	return hash;
}

static void test_deterministic(void **state)
{
	(void)state;
	assert_true(trace(1) == trace(1));
	assert_true(trace(1) != trace(2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_deterministic)};
	struct sim_target self = {.target = {false, reset, open_sim, crash, break_device}};
	int failed = cmocka_run_group_tests_name("sim_kv", tests, NULL, NULL);

	for (self.seed = 1; self.seed <= 20 && failed == 0; self.seed++) {
		char name[32];

		snprintf(name, sizeof name, "sim_kv seed %d", (int)self.seed);
		failed = kv_conform_run(name, &self.target);
	}
	sim_kv_free(self.sim);
	return failed;
}
