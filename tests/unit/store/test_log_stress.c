/*
 * The writer under several threads at once: loops that append, replace, release and reclaim while others read. What
 * matters is run under ThreadSanitizer; in any build nothing may be lost.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/env_uv.h"
#include "store/log/raft_log_engine.h"
#include "tests/lib/test.h"

#define SUBMITTERS   3
#define REGIONS_EACH 8
#define WRITES_EACH  1500 /* of a submitter */
#define READERS	     2
#define ENTRY_SIZE   700
#define KEPT	     20 /* entries that a release leaves */

struct submitter;

struct slot {
	struct log_write write;
	struct raft_entry entry;
	struct submitter *submitter;
};

struct submitter {
	struct env_mail mail;
	struct env_loop *loop;
	struct stress *stress;
	struct slot slots[REGIONS_EACH];
	struct log_reclaim reclaim;
	unsigned submitted;
	unsigned on_their_way;
};

struct stress {
	struct log_engine *engine;
	struct submitter submitters[SUBMITTERS];
	atomic_bool is_reclaiming;
	atomic_uint busy; /* submitters */
	atomic_uint reclaims;
};

static void reclaim_done(struct log_reclaim *reclaim, int status)
{
	struct submitter *submitter = container_of(reclaim, struct submitter, reclaim);
	struct stress *stress = submitter->stress;

	check(status == 0);
	atomic_fetch_add(&stress->reclaims, 1);
	atomic_store(&stress->is_reclaiming, false);
	if (--submitter->on_their_way == 0)
		atomic_fetch_sub(&stress->busy, 1);
}

static void submit(struct slot *slot)
{
	struct submitter *submitter = slot->submitter;
	struct log_engine *engine = submitter->stress->engine;
	uint64_t index = ++slot->entry.index;

	submitter->submitted++;
	submitter->on_their_way++;
	slot->entry.data = buf_new(ENTRY_SIZE);
	check(slot->entry.data != NULL);
	memset(slot->entry.data->data, (int)index, ENTRY_SIZE);
	engine->ops->write(engine, &slot->write);
	if (submitter->submitted % 50 == 0 && !atomic_exchange(&submitter->stress->is_reclaiming, true)) {
		submitter->on_their_way++;
		submitter->reclaim = (struct log_reclaim){.loop = submitter->loop, .done = reclaim_done};
		engine->ops->reclaim(engine, &submitter->reclaim);
	}
}

static void slot_done(struct log_write *write, int status)
{
	struct slot *slot = container_of(write, struct slot, write);
	struct submitter *submitter = slot->submitter;
	struct log_engine *engine = submitter->stress->engine;
	uint64_t index = slot->entry.index;

	check(status == 0 && env_loop_is_current(submitter->loop));
	buf_unref(slot->entry.data);
	if (index > KEPT && index % 5 == 0)
		check(engine->ops->release(engine, write->region, index - KEPT) == 0);
	/* Now and then the newest entries are replaced. */
	if (index > 30 && index % 31 == 0 && slot->entry.term < index) {
		slot->entry.term = index;
		slot->entry.index -= 3;
	}
	if (submitter->submitted < WRITES_EACH)
		submit(slot);
	if (--submitter->on_their_way == 0)
		atomic_fetch_sub(&submitter->stress->busy, 1);
}

static void begin(struct env_mail *mail)
{
	struct submitter *submitter = container_of(mail, struct submitter, mail);

	for (size_t i = 0; i < REGIONS_EACH; i++)
		submit(&submitter->slots[i]);
}

/* Reads all that is there, again and again; what is read is whole. */
static void *read_all(void *argument)
{
	struct stress *stress = argument;
	struct log_engine *engine = stress->engine;
	struct raft_entries entries = {0};
	struct log_engine_stats stats;

	for (uint64_t region = 1; atomic_load(&stress->busy) > 0;
		region = region % (SUBMITTERS * REGIONS_EACH) + 1) {
		uint64_t first, last, term;
		struct raft_hard_state hard_state;

		engine->ops->stats(engine, &stats);
		if (engine->ops->bounds(engine, region, &first, &last) < 0)
			continue;
		/* It may have gone on meanwhile. */
		(void)engine->ops->term(engine, region, last, &term);
		(void)engine->ops->hard_state(engine, region, &hard_state);
		if (engine->ops->entries(engine, region, first, last + 1, 64 << 10, false, &entries) < 0)
			continue;
		for (size_t i = 0; i < entries.count; i++) {
			check(entries.items[i].data->size == ENTRY_SIZE);
			check(((uint8_t *)entries.items[i].data->data)[ENTRY_SIZE - 1] ==
				(uint8_t)entries.items[i].index);
		}
		raft_entries_truncate(&entries, 0);
	}
	raft_entries_close(&entries);
	return NULL;
}

static struct log_engine *open_engine(struct env *env, const char *path)
{
	struct log_engine_options options = {
		.env = env,
		.path = path,
		.segment_size = 256 << 10,
		.cache_size = 64 << 10,
		.batch_size_max = 64 << 10,
	};
	struct log_engine *engine;
	struct status status;

	if (raft_log_engine_open(&options, &engine, &status) < 0)
		fail_msg("%s", status.text);
	return engine;
}

static void expect_all(struct stress *stress, struct env *env, const char *path)
{
	stress->engine = open_engine(env, path);
	for (size_t i = 0; i < SUBMITTERS; i++)
		for (size_t j = 0; j < REGIONS_EACH; j++) {
			const struct slot *slot = &stress->submitters[i].slots[j];
			uint64_t first, last, term;

			check(stress->engine->ops->bounds(
				      stress->engine, slot->write.region, &first, &last) == 0);
			/* The last of a replacement that was not begun is still there. */
			check(last >= slot->entry.index && last <= slot->entry.index + 3);
			check(stress->engine->ops->term(
				      stress->engine, slot->write.region, slot->entry.index, &term) == 0);
		}
	stress->engine->ops->close(stress->engine);
}

static void start_submitter(struct stress *stress, struct env *env, size_t which)
{
	struct submitter *submitter = &stress->submitters[which];

	submitter->stress = stress;
	check(env_loop_new(env, "submitter", &submitter->loop) == 0);
	for (size_t i = 0; i < REGIONS_EACH; i++) {
		struct slot *slot = &submitter->slots[i];

		slot->submitter = submitter;
		slot->entry.term = 1;
		slot->write = (struct log_write){
			.region = which * REGIONS_EACH + i + 1,
			.entry_count = 1,
			.loop = submitter->loop,
			.done = slot_done,
		};
		slot->write.entries = &slot->entry;
	}
	check(env_loop_start(submitter->loop) == 0);
	env_post(submitter->loop, &submitter->mail, begin);
}

static void many_threads_share_a_log(void **state)
{
	struct env_uv_options options = {.worker_threads = 2, .io_threads = 2};
	struct stress *stress = calloc(1, sizeof(*stress));
	pthread_t readers[READERS];
	char scratch[128], path[160];
	struct env *env;

	(void)state;
	check(stress != NULL);
	test_directory_make(scratch, sizeof(scratch));
	snprintf(path, sizeof(path), "%s/log", scratch);
	check(env_uv_new(&options, &env, NULL) == 0);
	stress->engine = open_engine(env, path);
	atomic_store(&stress->busy, SUBMITTERS);
	for (size_t i = 0; i < SUBMITTERS; i++)
		start_submitter(stress, env, i);
	for (size_t i = 0; i < READERS; i++)
		check(pthread_create(&readers[i], NULL, read_all, stress) == 0);
	for (size_t i = 0; i < READERS; i++)
		check(pthread_join(readers[i], NULL) == 0);
	for (size_t i = 0; i < SUBMITTERS; i++) {
		env_loop_stop(stress->submitters[i].loop);
		env_loop_free(stress->submitters[i].loop);
	}
	stress->engine->ops->close(stress->engine);
	assert_true(atomic_load(&stress->reclaims) > 0);
	expect_all(stress, env, path);
	env_uv_free(env);
	test_directory_remove(scratch);
	free(stress);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_threads_share_a_log),
	};

	return cmocka_run_group_tests_name("log_engine: threads", tests, NULL, NULL);
}
