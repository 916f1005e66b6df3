/* A sole replica that answers before its log is durable (log_tail.h), on a simulated machine: what a process that is
 * killed, and what a power failure, leaves of what was answered. */
#include "store/raftkv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/peer/store.h"
#include "store/rows/rows.h"
#include "tests/lib/sim_cluster.h"
#include "tests/lib/test.h"
#include "tests/lib/test_evaluator.h"

#define CHANGES_MAX 100
#define OBJECTS	    4
#define UNIT	    BLOCK_UNIT_SIZE

#define ROWS 2

/* Change n appends a letter to the row of region 1 or of region 2, or writes a unit of an object, whole, with n in every
 * byte. */
struct trial {
	struct sim_cluster cluster;
	uint32_t answered; /* changes 0 … answered - 1 */
	uint32_t synced; /* of them are durable */
	bool flushes_often;
};

static const char *const rows[ROWS] = {"a", "\xf0"};

static struct sim_store *store_of(struct trial *trial)
{
	return sim_cluster_store(&trial->cluster, 1);
}

static void reopen(struct trial *trial)
{
	struct status status = {0};

	if (sim_store_open(store_of(trial), &status) < 0)
		fail_msg("the store does not open: %s", status.text);
	for (uint64_t region = 1; region <= ROWS; region++)
		sim_cluster_await_leader_of(&trial->cluster, region);
}

/* ---- Changes ---------------------------------------------------------------------------------------------------- */

/* The row that it goes to; ROWS: none. */
static uint32_t row_of(uint32_t n)
{
	return n % (ROWS + 1);
}

static char letter_of(uint32_t n)
{
	return (char)('a' + n % 26);
}

static const char *object_of(uint32_t n)
{
	static const char *const names[OBJECTS] = {"p", "q", "r", "s"};

	return names[n % OBJECTS];
}

static struct buf *unit_of(uint32_t n)
{
	struct buf *buf = buf_new(UNIT);

	memset(buf->data, (int)n + 1, buf->size);
	return buf;
}

/* False: it got no answer, because power has failed. */
static bool change(struct trial *trial)
{
	uint32_t n = trial->answered, row = row_of(n);
	char suffix[2] = {letter_of(n), 0};
	struct raftkv_write write = {.region = row < ROWS ? row + 1 : 1};

	write.body = row < ROWS ? test_op_append(rows[row], suffix) : test_op_write(object_of(n), n);
	write.payload = row < ROWS ? NULL : unit_of(n);
	if (sim_cluster_ask_at(&trial->cluster, 1, &write).status < 0) {
		assert_false(sim_node_is_up(store_of(trial)->node));
		return false;
	}
	trial->answered++;
	return true;
}

struct sync {
	struct raftkv_sync sync;
	bool is_done;
};

static void on_synced(struct raftkv_sync *request)
{
	container_of(request, struct sync, sync)->is_done = true;
}

static bool is_synced(void *argument)
{
	return ((struct sync *)argument)->is_done;
}

static void sync_all(struct trial *trial)
{
	struct sync sync = {.sync = {.loop = store_of(trial)->caller, .done = on_synced}};

	if (raftkv_sync(store_of(trial)->raftkv, &sync.sync))
		sim_run(trial->cluster.world, 60 * (uint64_t)SIM_S, is_synced, &sync);
	else
		sync.is_done = true;
	if (sync.is_done)
		trial->synced = trial->answered;
	else
		assert_false(sim_node_is_up(store_of(trial)->node));
}

static void begin(struct trial *trial, uint64_t seed)
{
	*trial = (struct trial){.flushes_often = seed % 2};
	sim_cluster_init(&trial->cluster, seed, 1, 0);
	store_of(trial)->options.early = true;
	store_of(trial)->options.initial_regions = ROWS;
	store_of(trial)->options.log_size_max = trial->flushes_often ? 6 << 10 : 0;
	sim_node_faults(store_of(trial)->node)->latency = 2 * (uint64_t)SIM_MS;
	sim_cluster_open(&trial->cluster, 1);
	for (uint32_t i = 0; i < ROWS; i++)
		sim_cluster_write_to(&trial->cluster, rows[i], test_op_put(rows[i], "-"), NULL);
	sync_all(trial);
}

/* ---- What is there ---------------------------------------------------------------------------------------------- */

/* How many letters each row has. */
static void count_letters(struct trial *trial, size_t counts[ROWS])
{
	for (uint32_t i = 0; i < ROWS; i++) {
		struct sim_answer row = sim_cluster_read_in(&trial->cluster, 1, i + 1, rows[i], true);
		size_t at = 0;

		assert_int_equal(row.status, 0);
		assert_int_equal(row.text[0], '-');
		for (uint32_t n = i; row.text[1 + at]; n += ROWS + 1)
			if (row.text[1 + at++] != letter_of(n))
				fail_msg("change %u is missing in '%s'", n, row.text);
		counts[i] = at;
	}
}

static bool has_unit(struct trial *trial, uint32_t n)
{
	uint8_t unit[UNIT];

	if (sim_cluster_read_units_at(&trial->cluster, 1, object_of(n), n, 1, unit) < 0)
		return false;
	for (size_t i = 0; i < UNIT; i++)
		if (unit[i] != (uint8_t)(n + 1))
			return false;
	return true;
}

/* How many changes are there, from the first one on. None after these is, and all up to `least` are. */
static uint32_t check_prefix(struct trial *trial, uint32_t least)
{
	size_t counts[ROWS];
	uint32_t there = 0;

	count_letters(trial, counts);
	for (uint32_t n = 0; n < CHANGES_MAX; n++) {
		uint32_t row = row_of(n);

		if (!(row < ROWS ? n / (ROWS + 1) < counts[row] : has_unit(trial, n)))
			continue;
		if (n != there)
			fail_msg("change %u is lost, and %u is there", there, n);
		there++;
	}
	if (there < least)
		fail_msg("change %u of %u is lost", there, least);
	return there;
}

/* ---- Tests ------------------------------------------------------------------------------------------------------ */

static void answers_come_before_the_log_is_durable(void **state)
{
	struct raftkv_stats stats;
	struct trial trial;

	(void)state;
	begin(&trial, 1);
	for (int i = 0; i < 10; i++)
		change(&trial);
	raftkv_stats(trial.cluster.stores[0].raftkv, &stats);
	assert_true(stats.tail.pending > 0);
	check_prefix(&trial, trial.answered);
	sync_all(&trial);
	raftkv_stats(trial.cluster.stores[0].raftkv, &stats);
	assert_int_equal(stats.tail.pending, 0);
	sim_cluster_close(&trial.cluster);
}

static void random_life(struct trial *trial, bool is_power)
{
	struct sim_world *world = trial->cluster.world;
	uint64_t count = sim_random(world, trial->flushes_often ? CHANGES_MAX : 30);

	/* Where flushes are frequent, often right after one. */
	if (is_power && trial->flushes_often)
		store_of(trial)->kv_crash_at =
			store_of(trial)->kv_changes + 1 + sim_random(world, 2 * CHANGES_MAX);
	for (uint64_t i = 0; i < count && trial->answered < CHANGES_MAX && change(trial); i++) {
		if (trial->flushes_often)
			sim_cluster_run(&trial->cluster, sim_random(world, 5) * SIM_MS);
		else if (sim_random(world, 8) == 0)
			sync_all(trial);
		else if (sim_random(world, 4) == 0)
			sim_cluster_run(&trial->cluster, sim_random(world, 120) * SIM_MS);
	}
	store_of(trial)->kv_crash_at = 0;
	if (is_power)
		sim_store_crash(store_of(trial));
	else
		sim_store_kill(store_of(trial));
}

static void killed_process_loses_nothing(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 30; seed++) {
		struct trial trial;

		begin(&trial, 1000 + seed);
		for (int life = 0; life < 4; life++) {
			random_life(&trial, false);
			reopen(&trial);
			check_prefix(&trial, trial.answered);
		}
		sim_cluster_close(&trial.cluster);
	}
}

static void power_failure_leaves_a_prefix(void **state)
{
	uint32_t lost = 0, there;

	(void)state;
	for (uint64_t seed = 0; seed < 150; seed++) {
		struct trial trial;

		begin(&trial, 2000 + seed);
		random_life(&trial, true);
		reopen(&trial);
		there = check_prefix(&trial, trial.synced);
		lost += there < trial.answered;
		/* Killed or without power, again: what was recovered stays. */
		trial.answered = there;
		sync_all(&trial);
		random_life(&trial, seed % 2);
		reopen(&trial);
		check_prefix(&trial, seed % 2 ? trial.synced : trial.answered);
		sim_cluster_close(&trial.cluster);
	}
	assert_true(lost > 0);
}

/* The rows on the disk may be behind the log, never ahead of it. */
static void check_rows_follow_log(struct trial *trial)
{
	struct engines *engines = &store_of(trial)->raftkv->engines;

	for (uint64_t region = 1; region <= ROWS; region++) {
		struct apply_state state;
		uint64_t first, last;

		assert_int_equal(apply_state_get(engines->kv, NULL, KV_TIER_PERSISTED, region, &state), 0);
		assert_int_equal(engines->log->ops->bounds(engines->log, region, &first, &last), 0);
		assert_true(state.index <= last);
	}
}

static void flush_waits_for_the_log(void **state)
{
	(void)state;
	for (uint64_t seed = 8; seed < 14; seed++) {
		struct trial trial;
		uint64_t rounds;

		begin(&trial, seed);
		sim_node_faults(store_of(&trial)->node)->latency = 200 * (uint64_t)SIM_MS;
		rounds = store_of(&trial)->raftkv->flush.rounds;
		for (int i = 0; i < 5; i++) {
			change(&trial);
			kv_flush_request(&store_of(&trial)->raftkv->flush);
			for (int ms = 0; ms < 300; ms += 5) {
				if (trial.answered < CHANGES_MAX)
					change(&trial);
				sim_cluster_run(&trial.cluster, 5 * SIM_MS);
				check_rows_follow_log(&trial);
			}
		}
		for (int s = 0; s < 60 && store_of(&trial)->raftkv->flush.rounds == rounds; s++)
			sim_cluster_run(&trial.cluster, SIM_S);
		assert_true(store_of(&trial)->raftkv->flush.rounds > rounds);
		check_rows_follow_log(&trial);
		sim_cluster_close(&trial.cluster);
	}
}

static uint64_t log_writes(struct trial *trial)
{
	struct log_engine *log = store_of(trial)->raftkv->engines.log;
	struct log_engine_stats stats;

	log->ops->stats(log, &stats);
	return stats.syncs;
}

/* Nobody waits for the log: changes wait there for others. Who waits has it begin with all of them. */
static void log_is_written_for_many_at_once(void **state)
{
	struct trial trial;
	uint64_t before;

	(void)state;
	begin(&trial, 12);
	sim_node_faults(store_of(&trial)->node)->latency = 0;
	sim_cluster_run(&trial.cluster, SIM_S);
	before = log_writes(&trial);
	for (int i = 0; i < 3; i++)
		sim_cluster_write_to(
			&trial.cluster, rows[i % ROWS], test_op_append(rows[i % ROWS], "."), NULL);
	sim_cluster_run(&trial.cluster, SIM_MS);
	assert_int_equal(log_writes(&trial), before);
	sync_all(&trial);
	assert_int_equal(log_writes(&trial), before + 1);
	sim_cluster_run(&trial.cluster, SIM_S);
	sim_cluster_write_to(&trial.cluster, rows[0], test_op_append(rows[0], "."), NULL);
	sim_cluster_run(&trial.cluster, 10 * SIM_MS);
	assert_int_equal(log_writes(&trial), before + 2); /* nobody waits, and it is written all the same */
	sim_cluster_close(&trial.cluster);
}

static uint64_t used_size(struct trial *trial)
{
	struct env_space space;

	assert_int_equal(env_space(store_of(trial)->env, store_of(trial)->options.path, &space), 0);
	return space.total - space.available;
}

/* A full disk is told to the next change, and not to fsync. */
static void what_was_answered_finds_room_on_a_full_disk(void **state)
{
	char value[3000];

	memset(value, 'v', sizeof value);
	value[sizeof value - 1] = 0;
	(void)state;
	for (uint64_t seed = 0; seed < 5; seed++) {
		struct trial trial;

		begin(&trial, 3000 + seed);
		sim_node_faults(store_of(&trial)->node)->capacity = used_size(&trial) + (seed << 16);
		for (int i = 0; i < 1500; i++)
			sim_cluster_write_at(&trial.cluster, 1, test_op_put("b", value), NULL);
		sync_all(&trial);
		sim_node_faults(store_of(&trial)->node)->capacity = 0;
		sim_cluster_close(&trial.cluster);
	}
}

/* Without early answers what an earlier life answered early is there, too. */
static void next_life_may_be_another(void **state)
{
	struct trial trial;

	(void)state;
	begin(&trial, 5);
	for (int i = 0; i < 20; i++)
		change(&trial);
	sim_store_kill(store_of(&trial));
	store_of(&trial)->options.early = false;
	reopen(&trial);
	check_prefix(&trial, trial.answered);
	change(&trial);
	sim_store_crash(store_of(&trial));
	reopen(&trial);
	check_prefix(&trial, trial.answered);
	sim_cluster_close(&trial.cluster);
}

static void nothing_is_early_when_told_so(void **state)
{
	struct trial trial;

	(void)state;
	begin(&trial, 6);
	raftkv_set_early(store_of(&trial)->raftkv, false);
	sync_all(&trial);
	for (int i = 0; i < 20; i++)
		change(&trial);
	sim_store_crash(store_of(&trial));
	reopen(&trial);
	check_prefix(&trial, trial.answered);
	sim_cluster_close(&trial.cluster);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_come_before_the_log_is_durable),
		cmocka_unit_test(killed_process_loses_nothing),
		cmocka_unit_test(power_failure_leaves_a_prefix),
		cmocka_unit_test(flush_waits_for_the_log),
		cmocka_unit_test(log_is_written_for_many_at_once),
		cmocka_unit_test(what_was_answered_finds_room_on_a_full_disk),
		cmocka_unit_test(next_life_may_be_another),
		cmocka_unit_test(nothing_is_early_when_told_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
