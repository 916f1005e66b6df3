/* The simulated environment: the conformance suite, and tests of its own: seeds, crashes, faults. */
#include "tests/lib/sim_env.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/conform/env_conform.h"
#include "tests/lib/test.h"

static struct sim_world *conform_world;

static void setup_conform(struct env_conform *conform)
{
	struct sim_node *node;

	conform_world = sim_world_new(1);
	node = sim_node_new(conform_world, "conform");
	conform->env = sim_node_start(node);
	strcpy(conform->path, "/data");
	conform->addresses[0] = "unix:/data/socket";
	conform->addresses[1] = "conform:0";
	conform->addresses[2] = "localhost:0";
	assert_int_equal(env_mkdir(conform->env, "/data"), 0);
}

static void teardown_conform(struct env_conform *conform)
{
	(void)conform;
	sim_world_free(conform_world);
}

#define NEW_FILE (ENV_OPEN_WRITE | ENV_OPEN_CREATE)
#define SEEDS	 200

/* ---- A world with one node, by hand ----------------------------------------------------------------------------- */

struct one {
	struct sim_world *world;
	struct sim_node *node;
	struct env *env;
	struct env_file *file;
};

static struct one one_new(uint64_t seed)
{
	struct one one = {.world = sim_world_new(seed)};

	one.node = sim_node_new(one.world, "one");
	one.env = sim_node_start(one.node);
	return one;
}

static void crash(struct one *one)
{
	if (sim_node_is_up(one->node))
		sim_node_crash(one->node);
	one->env = sim_node_start(one->node);
}

static void open_file(struct one *one, const char *path, int flags)
{
	assert_int_equal(env_file_open(one->env, path, flags, &one->file), 0);
}

static void write_text(struct one *one, uint64_t offset, const char *text)
{
	assert_int_equal(env_file_write(one->file, offset, text, strlen(text)), 0);
}

/* Makes a file with a durable name, so that a crash affects its bytes alone. */
static void make_durable_file(struct one *one, const char *path, int flags)
{
	open_file(one, path, NEW_FILE | flags);
	assert_int_equal(env_sync_dir(one->env, "/"), 0);
}

static int reads(struct one *one, uint64_t offset, const char *text)
{
	char bytes[64] = "";
	int status = env_file_read(one->file, offset, bytes, strlen(text));

	return status == 0 && memcmp(bytes, text, strlen(text)) == 0;
}

/* ---- Seeds ------------------------------------------------------------------------------------------------------ */

struct racer {
	struct env_mail mail;
	struct env_timer timer;
	struct env_work work;
	struct race *race;
	struct env_loop *loop;
	struct env_mail arrival;
	char name;
};

struct race {
	struct env_loop *goal;
	struct racer racers[3];
	char order[16];
};

static void on_arrival(struct env_mail *mail)
{
	struct racer *racer = container_of(mail, struct racer, arrival);

	strncat(racer->race->order, &racer->name, 1);
	if (strlen(racer->race->order) == 3)
		env_loop_stop(racer->race->goal);
}

static void on_racer_run(struct env_work *work)
{
	(void)work;
}

static void on_racer_done(struct env_work *work)
{
	struct racer *racer = container_of(work, struct racer, work);

	env_post(racer->race->goal, &racer->arrival, on_arrival);
	env_loop_stop(racer->loop);
}

static void on_racer_timer(struct env_timer *timer)
{
	struct racer *racer = container_of(timer, struct racer, timer);

	env_work_submit(racer->loop, &racer->work, on_racer_run, on_racer_done);
}

static void on_racer_start(struct env_mail *mail)
{
	struct racer *racer = container_of(mail, struct racer, mail);
	struct env *env = env_loop_env(racer->loop);

	env_timer_start(&racer->timer, racer->loop, env_now(env) + SIM_MS, on_racer_timer);
}

static uint64_t run_race(uint64_t seed, char *order)
{
	struct one one = one_new(seed);
	struct race race = {0};
	uint64_t trace;

	assert_int_equal(env_loop_new(one.env, "goal", &race.goal), 0);
	for (int i = 0; i < 3; i++) {
		struct racer *racer = &race.racers[i];

		racer->race = &race;
		racer->name = (char)('a' + i);
		assert_int_equal(env_loop_new(one.env, "racer", &racer->loop), 0);
		env_post(racer->loop, &racer->mail, on_racer_start);
		assert_int_equal(env_loop_start(racer->loop), 0);
	}
	env_loop_run(race.goal);
	for (int i = 0; i < 3; i++)
		env_loop_free(race.racers[i].loop);
	env_loop_free(race.goal);
	strcpy(order, race.order);
	trace = sim_trace(one.world);
	sim_world_free(one.world);
	return trace;
}

static void test_seed_decides_everything(void **state)
{
	int first[3] = {0};
	uint64_t previous = 0;
	char order[16], again[16];

	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		uint64_t trace = run_race(seed, order);

		assert_true(trace == run_race(seed, again));
		assert_string_equal(order, again);
		assert_true(trace != previous);
		previous = trace;
		first[order[0] - 'a']++;
	}
	/* Each loop is first now and then: there is no order between loops. */
	assert_true(first[0] > 3 && first[1] > 3 && first[2] > 3);
}

/* ---- Power loss: bytes ------------------------------------------------------------------------------------------ */

static void test_synced_bytes_survive(void **state)
{
	int kept = 0, lost = 0;

	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct one one = one_new(seed);

		make_durable_file(&one, "/a", 0);
		write_text(&one, 0, "synced");
		assert_int_equal(env_file_sync(one.file), 0);
		write_text(&one, 1000, "unsynced");
		crash(&one);
		open_file(&one, "/a", ENV_OPEN_READ);
		assert_true(reads(&one, 0, "synced"));
		if (reads(&one, 1000, "unsynced"))
			kept++;
		else
			lost++;
		sim_world_free(one.world);
	}
	assert_true(kept > SEEDS / 10 && lost > SEEDS / 10);
}

/* Overwrites eight pages; afterwards every sector is the old or the new one, and some files have both. */
static void test_writes_tear_between_sectors(void **state)
{
	static unsigned char before[8 * 4096], after[8 * 4096], bytes[8 * 4096];
	int old = 0, new = 0, torn = 0, torn_in_page = 0, disordered = 0;

	(void)state;
	memset(before, 'o', sizeof before);
	memset(after, 'n', sizeof after);
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct one one = one_new(seed);
		int changes = 0, changes_in_page = 0, news = 0;

		make_durable_file(&one, "/a", 0);
		assert_int_equal(env_file_write(one.file, 0, before, sizeof before), 0);
		assert_int_equal(env_file_sync(one.file), 0);
		assert_int_equal(env_file_write(one.file, 0, after, sizeof after), 0);
		crash(&one);
		open_file(&one, "/a", ENV_OPEN_READ);
		assert_int_equal(env_file_read(one.file, 0, bytes, sizeof bytes), 0);
		for (size_t at = 0; at < sizeof bytes; at += 512) {
			assert_memory_equal(bytes + at, bytes[at] == 'n' ? after : before, 512);
			news += bytes[at] == 'n';
			changes += at > 0 && bytes[at] != bytes[at - 512];
			changes_in_page += at % 4096 != 0 && bytes[at] != bytes[at - 512];
		}
		old += news == 0;
		new += news == 64;
		torn += changes > 0;
		torn_in_page += changes_in_page > 0;
		disordered += changes > 1;
		sim_world_free(one.world);
	}
	assert_true(old > 10 && new > 10 && torn > 10 && torn_in_page > 10 && disordered > 10);
}

static void test_dsync_covers_its_own_bytes(void **state)
{
	int lost = 0;

	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct one one = one_new(seed);

		make_durable_file(&one, "/a", ENV_OPEN_DSYNC);
		write_text(&one, 100000, "durable");
		sim_node_kill(one.node);
		one.env = sim_node_start(one.node);
		open_file(&one, "/a", ENV_OPEN_WRITE);
		write_text(&one, 5000, "elsewhere");
		open_file(&one, "/a", ENV_OPEN_WRITE | ENV_OPEN_DSYNC);
		write_text(&one, 100007, "!");
		crash(&one);
		open_file(&one, "/a", ENV_OPEN_READ);
		assert_true(reads(&one, 100000, "durable!"));
		lost += !reads(&one, 5000, "elsewhere");
		sim_world_free(one.world);
	}
	assert_true(lost > SEEDS / 10);
}

/* The file grows and shrinks without a sync: each byte has a value that it had at some time, or is zero. */
static void test_truncate_is_a_change_like_others(void **state)
{
	int sizes[3] = {0};

	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct one one = one_new(seed);
		uint64_t size;

		make_durable_file(&one, "/a", 0);
		write_text(&one, 0, "0123456789");
		assert_int_equal(env_file_sync(one.file), 0);
		assert_int_equal(env_file_truncate(one.file, 5), 0);
		assert_int_equal(env_file_truncate(one.file, 8), 0);
		crash(&one);
		open_file(&one, "/a", ENV_OPEN_READ);
		assert_int_equal(env_file_size(one.file, &size), 0);
		assert_true(size == 10 || size == 5 || size == 8);
		sizes[size == 10 ? 0 : size == 5 ? 1 : 2]++;
		assert_true(reads(&one, 0, "01234"));
		if (size == 10)
			assert_true(reads(&one, 5, "56789"));
		sim_world_free(one.world);
	}
	assert_true(sizes[0] > 0 && sizes[1] > 0 && sizes[2] > 0);
}

static void test_kill_keeps_what_completed(void **state)
{
	struct one one = one_new(5);

	(void)state;
	open_file(&one, "/a", NEW_FILE | ENV_OPEN_LOCK);
	write_text(&one, 0, "text");
	sim_node_kill(one.node);
	assert_int_equal(env_file_write(one.file, 0, "late", 4), -EIO);
	assert_int_equal(env_mkdir(one.env, "/late"), -EIO);
	env_file_close(one.file);
	one.env = sim_node_start(one.node);
	assert_int_equal(env_rmdir(one.env, "/late"), -ENOENT);
	open_file(&one, "/a", ENV_OPEN_LOCK);
	assert_true(reads(&one, 0, "text"));
	sim_world_free(one.world);
}

/* ---- Power loss: names ------------------------------------------------------------------------------------------ */

static void make_file(struct one *one, const char *path, const char *text)
{
	open_file(one, path, NEW_FILE);
	write_text(one, 0, text);
	assert_int_equal(env_file_sync(one->file), 0);
	env_file_close(one->file);
}

static bool has_file(struct one *one, const char *path, const char *text)
{
	bool has;

	if (env_file_open(one->env, path, ENV_OPEN_READ, &one->file) < 0)
		return false;
	has = reads(one, 0, text);
	env_file_close(one->file);
	return has;
}

static void test_names_need_their_directory_synced(void **state)
{
	int lost = 0, kept = 0, renamed = 0, old = 0, undeleted = 0;

	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct one one = one_new(seed);

		assert_int_equal(env_mkdir(one.env, "/d"), 0);
		make_file(&one, "/d/current", "old");
		make_file(&one, "/d/removed", "gone");
		assert_int_equal(env_sync_dir(one.env, "/d"), 0);
		assert_int_equal(env_sync_dir(one.env, "/"), 0);
		make_file(&one, "/d/next", "new");
		assert_int_equal(env_rename(one.env, "/d/next", "/d/current"), 0);
		assert_int_equal(env_unlink(one.env, "/d/removed"), 0);
		make_file(&one, "/other", "other");
		crash(&one);
		/* A rename shows one or the other, whole. */
		if (has_file(&one, "/d/current", "new")) {
			renamed++;
			assert_false(has_file(&one, "/d/next", "new"));
		} else {
			assert_true(has_file(&one, "/d/current", "old"));
			old++;
		}
		if (has_file(&one, "/d/removed", "gone"))
			undeleted++;
		if (has_file(&one, "/other", "other"))
			kept++;
		else
			lost++;
		sim_world_free(one.world);
	}
	assert_true(lost > 10 && kept > 10 && renamed > 10 && old > 10 && undeleted > 10);
}

static void test_rename_between_directories_is_atomic(void **state)
{
	int moved = 0;

	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct one one = one_new(seed);
		bool here, there;

		assert_int_equal(env_mkdir(one.env, "/a"), 0);
		assert_int_equal(env_mkdir(one.env, "/b"), 0);
		make_file(&one, "/a/file", "text");
		assert_int_equal(env_sync_dir(one.env, "/a"), 0);
		assert_int_equal(env_sync_dir(one.env, "/"), 0);
		make_file(&one, "/b/before", "text");
		assert_int_equal(env_rename(one.env, "/a/file", "/b/file"), 0);
		make_file(&one, "/a/after", "text");
		if (seed % 4 == 0)
			assert_int_equal(env_sync_dir(one.env, "/a"), 0);
		crash(&one);
		here = has_file(&one, "/a/file", "text");
		there = has_file(&one, "/b/file", "text");
		assert_true(here != there);
		if (seed % 4 == 0)
			assert_true(there);
		if (there)
			assert_true(has_file(&one, "/b/before", "text"));
		moved += there;
		sim_world_free(one.world);
	}
	assert_true(moved > SEEDS / 4 && moved < SEEDS);
}

/* ---- A crash test, as others will write them -------------------------------------------------------------------- */

/* Appends records of one page each through ENV_OPEN_DSYNC, several on their way at once. */
#define RECORDS 40
#define DEPTH	4

struct journal {
	struct env_loop *loop;
	struct env_file *file;
	struct sim_node *node;
	struct record {
		struct env_file_request request;
		struct journal *journal;
		struct iovec vector;
		unsigned char *page;
		bool is_done;
	} records[RECORDS];
	int submitted;
	int done;
};

static void submit_record(struct journal *journal);

static void on_record(struct env_file_request *request)
{
	struct record *record = container_of(request, struct record, request);

	assert_int_equal(request->status, 0);
	record->is_done = true;
	record->journal->done++;
	if (record->journal->submitted < RECORDS)
		submit_record(record->journal);
}

static void submit_record(struct journal *journal)
{
	int number = journal->submitted++;
	struct record *record = &journal->records[number];

	record->journal = journal;
	record->page = aligned_alloc(4096, 4096);
	memset(record->page, number + 1, 4096);
	record->vector = (struct iovec){record->page, 4096};
	record->request = (struct env_file_request){.file = journal->file,
		.operation = ENV_FILE_WRITE,
		.offset = (uint64_t)number * 4096,
		.vector = &record->vector,
		.vector_count = 1,
		.loop = journal->loop,
		.done = on_record};
	env_file_submit(&record->request);
}

static bool is_journal_over(void *argument)
{
	struct journal *journal = argument;

	return !sim_node_is_up(journal->node) || journal->done == RECORDS;
}

static void test_acknowledged_records_survive(void **state)
{
	int cut_short = 0, extra = 0, half = 0;

	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct one one = one_new(seed);
		struct journal *journal = calloc(1, sizeof *journal);
		unsigned char bytes[4096], zeroes[4096] = {0};

		make_durable_file(&one, "/journal", ENV_OPEN_DIRECT | ENV_OPEN_DSYNC);
		assert_int_equal(env_file_allocate(one.file, 0, RECORDS * 4096), 0);
		assert_int_equal(env_file_sync(one.file), 0);
		assert_int_equal(env_loop_new(one.env, "journal", &journal->loop), 0);
		assert_int_equal(env_loop_start(journal->loop), 0);
		journal->file = one.file;
		journal->node = one.node;
		sim_node_crash_after(one.node, sim_random(one.world, RECORDS + 5));
		for (int i = 0; i < DEPTH; i++)
			submit_record(journal);
		assert_true(sim_run(one.world, SIM_S, is_journal_over, journal));
		crash(&one);
		open_file(&one, "/journal", ENV_OPEN_READ);
		for (int i = 0; i < RECORDS; i++) {
			const struct record *record = &journal->records[i];

			assert_int_equal(env_file_read(one.file, (uint64_t)i * 4096, bytes, 4096), 0);
			if (record->is_done)
				assert_memory_equal(bytes, record->page, 4096);
			else if (i >= journal->submitted)
				assert_memory_equal(bytes, zeroes, 4096);
			else if (memcmp(bytes, record->page, 4096) == 0)
				extra++;
			else if (memcmp(bytes, zeroes, 4096) != 0)
				half++;
			free(record->page);
		}
		cut_short += journal->done < RECORDS;
		free(journal);
		sim_world_free(one.world);
	}
	assert_true(cut_short > SEEDS / 2 && extra > 10 && half > 10);
}

/* ---- Faults ----------------------------------------------------------------------------------------------------- */

static void test_disk_full(void **state)
{
	struct one one = one_new(1);
	static char bytes[4 * 4096];
	struct env_space space;

	(void)state;
	sim_node_faults(one.node)->capacity = 8 * 4096;
	open_file(&one, "/a", NEW_FILE);
	assert_int_equal(env_file_allocate(one.file, 0, 4 * 4096), 0);
	assert_int_equal(env_file_allocate(one.file, 4 * 4096, 5 * 4096), -ENOSPC);
	assert_int_equal(env_file_write(one.file, 4 * 4096, bytes, sizeof bytes), 0);
	assert_int_equal(env_file_write(one.file, 8 * 4096, bytes, 1), -ENOSPC);
	assert_int_equal(env_file_write(one.file, 0, bytes, sizeof bytes), 0);
	assert_int_equal(env_space(one.env, "/", &space), 0);
	assert_int_equal(space.total, 8 * 4096);
	assert_int_equal(space.available, 0);
	assert_int_equal(env_file_punch(one.file, 4096, 2 * 4096), 0);
	assert_int_equal(env_space(one.env, "/", &space), 0);
	assert_int_equal(space.available, 2 * 4096);
	assert_int_equal(env_file_write(one.file, 9 * 4096, bytes, 4096), 0);
	assert_int_equal(env_file_truncate(one.file, 0), 0);
	assert_int_equal(env_space(one.env, "/", &space), 0);
	assert_int_equal(space.available, 8 * 4096);
	assert_int_equal(env_file_write(one.file, 0, bytes, 4096), 0);
	assert_int_equal(env_unlink(one.env, "/a"), 0);
	env_file_close(one.file);
	assert_int_equal(env_space(one.env, "/", &space), 0);
	assert_int_equal(space.available, 8 * 4096);
	sim_world_free(one.world);
}

static void test_errors_and_damage(void **state)
{
	struct one one = one_new(2);
	struct sim_disk_faults *faults = sim_node_faults(one.node);

	(void)state;
	make_durable_file(&one, "/bad", 0);
	write_text(&one, 0, "first");
	assert_int_equal(env_file_sync(one.file), 0);

	*faults = (struct sim_disk_faults){.only = "good", .read_error_ppm = 1000000};
	assert_true(reads(&one, 0, "first"));
	faults->only = "bad";
	assert_int_equal(env_file_read(one.file, 0, (char[1]){0}, 1), -EIO);
	*faults = (struct sim_disk_faults){.write_error_ppm = 1000000};
	assert_int_equal(env_file_write(one.file, 100, "x", 1), -EIO);
	*faults = (struct sim_disk_faults){.lost_ppm = 1000000};
	write_text(&one, 0, "LOST!");
	*faults = (struct sim_disk_faults){0};
	assert_true(reads(&one, 0, "first"));
	*faults = (struct sim_disk_faults){.rot_ppm = 1000000};
	assert_false(reads(&one, 0, "first"));
	*faults = (struct sim_disk_faults){0};
	assert_false(reads(&one, 0, "first"));
	*faults = (struct sim_disk_faults){.misdirected_ppm = 1000000};
	write_text(&one, 0, "wrong");
	*faults = (struct sim_disk_faults){0};
	assert_false(reads(&one, 0, "wrong"));
	assert_int_equal(sim_node_faults_fired(one.node), 5);
	sim_world_free(one.world);
}

/* After a failed sync a second one that succeeds makes nothing durable. */
static void test_failed_sync_is_final(void **state)
{
	struct one one = one_new(3);

	(void)state;
	make_durable_file(&one, "/a", 0);
	write_text(&one, 0, "before");
	assert_int_equal(env_file_sync(one.file), 0);
	write_text(&one, 0, "after!");
	sim_node_faults(one.node)->sync_error_ppm = 1000000;
	assert_int_equal(env_file_sync(one.file), -EIO);
	sim_node_faults(one.node)->sync_error_ppm = 0;
	assert_int_equal(env_file_sync(one.file), 0);
	assert_true(reads(&one, 0, "after!"));
	crash(&one);
	open_file(&one, "/a", ENV_OPEN_READ);
	assert_true(reads(&one, 0, "before"));
	sim_world_free(one.world);
}

/* ---- Clocks and stops ------------------------------------------------------------------------------------------- */

struct bell {
	struct env_timer timer;
	uint64_t rung; /* world time */
	struct sim_world *world;
};

static void on_bell(struct env_timer *timer)
{
	struct bell *bell = container_of(timer, struct bell, timer);

	bell->rung = sim_time(bell->world);
}

static void start_bell(struct one *one, struct bell *bell, struct env_loop **loop, uint64_t delay)
{
	*bell = (struct bell){.world = one->world};
	assert_int_equal(env_loop_new(one->env, "bell", loop), 0);
	assert_int_equal(env_loop_start(*loop), 0);
	env_timer_start(&bell->timer, *loop, env_now(one->env) + delay, on_bell);
}

static void test_clocks_drift_and_nodes_stop(void **state)
{
	struct one one = one_new(4);
	struct env_loop *loop;
	struct bell bell;

	(void)state;
	sim_node_set_drift(one.node, -500000);
	start_bell(&one, &bell, &loop, SIM_S);
	sim_run(one.world, 3 * (uint64_t)SIM_S, NULL, NULL);
	assert_in_range(bell.rung, 2 * (uint64_t)SIM_S, 2 * (uint64_t)SIM_S + 10 * SIM_MS);
	assert_int_equal(sim_time(one.world), 3 * (uint64_t)SIM_S);

	sim_node_set_drift(one.node, 0);
	start_bell(&one, &bell, &loop, SIM_S);
	sim_node_pause(one.node, 5 * (uint64_t)SIM_S);
	sim_run(one.world, 10 * (uint64_t)SIM_S, NULL, NULL);
	assert_in_range(bell.rung, 8 * (uint64_t)SIM_S, 8 * (uint64_t)SIM_S + 10 * SIM_MS);

	/* A dead process receives nothing. */
	start_bell(&one, &bell, &loop, SIM_MS);
	crash(&one);
	sim_run(one.world, SIM_S, NULL, NULL);
	assert_int_equal(bell.rung, 0);
	sim_world_free(one.world);
}

/* ---- Network ---------------------------------------------------------------------------------------------------- */

/* Node `a` sends to node `b`, which counts. */
struct line {
	struct sim_world *world;
	struct sim_node *nodes[2];
	struct env_loop *loops[2];
	struct env_listener *listener;
	struct env_stream *stream;
	struct env_stream_write write;
	struct iovec vector;
	bool is_connected;
	bool is_written;
	int connect_status;
	int status[2]; /* of `failed` */
	size_t received;
};

static void on_line_connected(void *argument, struct env_stream *stream, int status)
{
	struct line *line = argument;

	(void)stream;
	line->is_connected = status == 0;
	line->connect_status = status;
}

static void on_line_received(void *argument, struct env_stream *stream, const void *bytes, size_t size)
{
	(void)stream;
	(void)bytes;
	((struct line *)argument)->received += size;
}

static void on_client_failed(void *argument, struct env_stream *stream, int status)
{
	struct line *line = argument;

	(void)stream;
	line->status[0] = status;
}

static void on_server_failed(void *argument, struct env_stream *stream, int status)
{
	(void)stream;
	((struct line *)argument)->status[1] = status;
}

static void on_line_accepted(void *argument, struct env_stream *stream)
{
	struct env_stream_handlers handlers = {argument, NULL, on_line_received, on_server_failed, NULL};

	env_stream_start(stream, &handlers);
}

static void on_line_written(struct env_stream_write *write, int status)
{
	container_of(write, struct line, write)->is_written = status == 0;
}

static void send_line(struct line *line, size_t size)
{
	static char bytes[1 << 20];

	line->vector = (struct iovec){bytes, size};
	line->write = (struct env_stream_write){
		.vector = &line->vector, .vector_count = 1, .done = on_line_written};
	line->is_written = false;
	assert_int_equal(env_stream_write(line->stream, &line->write), 0);
}

static void connect_line(struct line *line)
{
	struct env_stream_handlers handlers = {
		line, on_line_connected, on_line_received, on_client_failed, NULL};

	line->connect_status = 1;
	assert_int_equal(env_connect(line->loops[0], "b:700", &handlers, &line->stream, NULL), 0);
}

static void run_for(struct line *line, uint64_t seconds)
{
	sim_run(line->world, seconds * SIM_S, NULL, NULL);
}

static void start_line(struct line *line, int i)
{
	struct env *env = sim_node_start(line->nodes[i]);

	assert_int_equal(env_loop_new(env, "line", &line->loops[i]), 0);
	assert_int_equal(env_loop_start(line->loops[i]), 0);
	if (i == 1)
		assert_int_equal(
			env_listen(line->loops[1], "b:700", on_line_accepted, line, &line->listener, NULL),
			0);
}

static int setup_line(void **state)
{
	struct line *line = calloc(1, sizeof *line);

	line->world = sim_world_new(11);
	for (int i = 0; i < 2; i++) {
		line->nodes[i] = sim_node_new(line->world, i == 0 ? "a" : "b");
		start_line(line, i);
	}
	connect_line(line);
	send_line(line, 1000);
	run_for(line, 1);
	assert_int_equal(line->connect_status, 0);
	assert_true(line->is_written);
	assert_int_equal(line->received, 1000);
	*state = line;
	return 0;
}

static int teardown_line(void **state)
{
	struct line *line = *state;

	sim_world_free(line->world);
	free(line);
	return 0;
}

static void test_cut_link_holds_back_then_fails(void **state)
{
	struct line *line = *state;
	struct sim_link *link = sim_net_link(line->nodes[0], line->nodes[1]);

	link->is_cut = true;
	send_line(line, 10);
	run_for(line, 10);
	assert_int_equal(line->received, 1000);
	link->is_cut = false;
	run_for(line, 1);
	assert_int_equal(line->received, 1010);
	link->is_cut = true;
	send_line(line, 10);
	run_for(line, 30);
	assert_int_equal(line->status[0], -ETIMEDOUT);
	connect_line(line);
	run_for(line, 19);
	assert_int_equal(line->connect_status, 1);
	run_for(line, 2);
	assert_int_equal(line->connect_status, -ETIMEDOUT);
}

static void test_slow_link(void **state)
{
	struct line *line = *state;

	sim_net_link(line->nodes[0], line->nodes[1])->bytes_per_s = 100000;
	send_line(line, 1000000);
	run_for(line, 5);
	assert_in_range(line->received, 300000, 600000);
	assert_false(line->is_written); /* the window is full */
	run_for(line, 6);
	assert_int_equal(line->received, 1001000);
	assert_true(line->is_written);
}

static void test_connections_of_the_dead(void **state)
{
	struct line *line = *state;

	sim_node_kill(line->nodes[1]);
	run_for(line, 1);
	assert_int_equal(line->status[0], -ECONNRESET);
	connect_line(line);
	run_for(line, 1);
	assert_int_equal(line->connect_status, -ECONNREFUSED);

	/* Power loss: silence, until something is sent. */
	start_line(line, 1);
	connect_line(line);
	run_for(line, 1);
	assert_int_equal(line->connect_status, 0);
	line->status[0] = 0;
	sim_node_crash(line->nodes[1]);
	run_for(line, 100);
	assert_int_equal(line->status[0], 0);
	send_line(line, 10);
	run_for(line, 19);
	assert_int_equal(line->status[0], 0);
	run_for(line, 2);
	assert_int_equal(line->status[0], -ETIMEDOUT);
	connect_line(line);
	run_for(line, 5);
	start_line(line, 1);
	run_for(line, 1);
	assert_int_equal(line->connect_status, 0);
}

static void test_resets(void **state)
{
	struct line *line = *state;

	sim_net_reset(line->nodes[0], line->nodes[1]);
	run_for(line, 1);
	assert_int_equal(line->status[0], -ECONNRESET);
	assert_int_equal(line->status[1], -ECONNRESET);
	connect_line(line);
	run_for(line, 1);
	line->status[0] = 0;
	sim_net_link(line->nodes[0], line->nodes[1])->reset_ppm = 1000000;
	send_line(line, 10);
	run_for(line, 1);
	assert_int_equal(line->status[0], -ECONNRESET);
	assert_int_equal(line->received, 1000);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seed_decides_everything),
		cmocka_unit_test(test_synced_bytes_survive),
		cmocka_unit_test(test_writes_tear_between_sectors),
		cmocka_unit_test(test_dsync_covers_its_own_bytes),
		cmocka_unit_test(test_truncate_is_a_change_like_others),
		cmocka_unit_test(test_kill_keeps_what_completed),
		cmocka_unit_test(test_names_need_their_directory_synced),
		cmocka_unit_test(test_rename_between_directories_is_atomic),
		cmocka_unit_test(test_acknowledged_records_survive),
		cmocka_unit_test(test_disk_full),
		cmocka_unit_test(test_errors_and_damage),
		cmocka_unit_test(test_failed_sync_is_final),
		cmocka_unit_test(test_clocks_drift_and_nodes_stop),
		cmocka_unit_test_setup_teardown(
			test_cut_link_holds_back_then_fails, setup_line, teardown_line),
		cmocka_unit_test_setup_teardown(test_slow_link, setup_line, teardown_line),
		cmocka_unit_test_setup_teardown(test_connections_of_the_dead, setup_line, teardown_line),
		cmocka_unit_test_setup_teardown(test_resets, setup_line, teardown_line),
	};
	int failed = env_conform_run("sim_env conformance", setup_conform, teardown_conform);

	return failed + cmocka_run_group_tests_name("sim_env", tests, NULL, NULL);
}
