/* fs/inodes/write_back: what is joined, what may overtake what, its bounds, and that nothing is lost. */
#include "tests/lib/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/inodes/write_back.h"
#include "tests/lib/sim_client.h"

#define FILE_COUNT	 3u
#define FILE_SIZE	 40000u
#define SEED_COUNT	 60u
#define STEPS		 300u
#define FIRST_WRITE_SIZE 100u

struct failure {
	unsigned count;
	unsigned dropped;
	uint64_t ino;
	int error;
};

struct bench {
	struct sim_client sim;
	struct write_back *write_back;
	struct failure failure;
	uint64_t inos[FILE_COUNT];
};

struct wait {
	struct write_back_waiter waiter;
	bool is_over;
};

static void on_wake(struct env_mail *mail)
{
	container_of(mail, struct wait, waiter.mail)->is_over = true;
}

static struct wait new_wait(const struct bench *bench)
{
	return (struct wait){.waiter = {.loop = bench->sim.loop, .wake = on_wake}};
}

static void on_failed(void *argument, uint64_t ino, int error)
{
	struct failure *failure = argument;

	failure->count++;
	failure->ino = ino;
	failure->error = error;
}

static void on_dropped(void *argument, uint64_t ino)
{
	struct failure *failure = argument;

	assert_true(failure->ino == ino);
	failure->dropped++;
}

static void bench_init(
	struct bench *bench, const struct fake_raftkv_options *fake, const struct write_back_options *bounds)
{
	struct write_back_options options = *bounds;

	*bench = (struct bench){0};
	sim_client_init(&bench->sim, fake);
	options.client = bench->sim.client;
	options.loop = bench->sim.loop;
	options.failed = on_failed;
	options.dropped = on_dropped;
	options.argument = &bench->failure;
	assert_int_equal(write_back_new(&options, &bench->write_back), 0);
	for (unsigned i = 0; i < FILE_COUNT; i++) {
		char name[] = {(char)('a' + i), '\0'};

		bench->inos[i] = (uint64_t)fs_make(bench->sim.files, FS_ROOT_INO, name, S_IFREG | 0644);
	}
}

static void stop(struct bench *bench)
{
	struct wait wait = new_wait(bench);

	if (!write_back_stop(bench->write_back, &wait.waiter))
		sim_client_until(&bench->sim, &wait.is_over);
	assert_true(write_back_is_clean(bench->write_back));
}

static void bench_close(struct bench *bench)
{
	stop(bench);
	write_back_free(bench->write_back);
	sim_client_close(&bench->sim);
}

/* Waits for room as a writer does. */
static void write_at(struct bench *bench, unsigned file, uint64_t offset, const void *data, size_t size)
{
	int result = -EAGAIN;

	while (result == -EAGAIN) {
		struct wait wait = new_wait(bench);

		result = write_back_add(bench->write_back, bench->sim.loop, bench->inos[file], offset, data,
			size, 0, &wait.waiter);
		if (result == -EAGAIN)
			sim_client_until(&bench->sim, &wait.is_over);
	}
	assert_int_equal(result, 0);
}

static void flush(struct bench *bench, unsigned file)
{
	struct wait wait = new_wait(bench);

	if (!write_back_flush(bench->write_back, bench->sim.loop, bench->inos[file], &wait.waiter))
		sim_client_until(&bench->sim, &wait.is_over);
}

static void assert_content(struct bench *bench, unsigned file, const void *expected, size_t size)
{
	struct fs_harness *files = fake_raftkv_files(bench->sim.raftkv);
	uint8_t *bytes = malloc(size + 1);
	size_t count;

	assert_non_null(bytes);
	assert_int_equal(read_data(files->view, bench->inos[file], 0, bytes, size + 1, &count, NULL), 0);
	assert_int_equal(count, size);
	assert_memory_equal(bytes, expected, size);
	free(bytes);
}

/* As a GETATTR that is answered at once. */
static struct attributes seen(struct bench *bench, unsigned file)
{
	uint64_t moment = write_back_moment(bench->write_back);
	struct attributes attributes = fs_attributes(bench->sim.files, bench->inos[file]), shown;

	assert_true(write_back_lay_over(bench->write_back, moment, &attributes, &shown));
	return shown;
}

static const struct fake_raftkv_options quick = {.seed = 1, .delay_max_ns = SIM_MS};
static const struct write_back_options defaults;

static void test_neighbours_are_joined(void **state)
{
	static uint8_t data[64 * FIRST_WRITE_SIZE];
	struct bench bench;

	(void)state;
	bench_init(&bench, &quick, &defaults);
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)(i * 7);
	for (unsigned i = 0; i < 64; i++)
		write_at(&bench, 0, i * FIRST_WRITE_SIZE, data + i * FIRST_WRITE_SIZE, FIRST_WRITE_SIZE);
	assert_int_equal(fake_raftkv_counts(bench.sim.raftkv)->in_flight, 0);
	assert_false(write_back_is_clean(bench.write_back));
	flush(&bench, 0);
	assert_int_equal(fake_raftkv_counts(bench.sim.raftkv)->data_writes, 1);
	assert_content(&bench, 0, data, sizeof data);
	bench_close(&bench);
}

static void test_a_full_chunk_goes_by_itself(void **state)
{
	static uint8_t data[OP_WRITE_SIZE_MAX + 10];
	struct bench bench;

	(void)state;
	bench_init(&bench, &quick, &defaults);
	memset(data, 'x', sizeof data);
	write_at(&bench, 0, 0, data, sizeof data);
	assert_int_equal(fake_raftkv_counts(bench.sim.raftkv)->in_flight, 1);
	flush(&bench, 0);
	assert_int_equal(fake_raftkv_counts(bench.sim.raftkv)->data_writes, 2);
	assert_content(&bench, 0, data, sizeof data);
	bench_close(&bench);
}

static void test_age_sends(void **state)
{
	struct bench bench;

	(void)state;
	bench_init(&bench, &quick, &defaults);
	write_at(&bench, 0, 0, "old", 3);
	sim_client_run(&bench.sim, SIM_S + SIM_S / 10);
	assert_true(write_back_is_clean(bench.write_back));
	assert_content(&bench, 0, "old", 3);
	bench_close(&bench);
}

static void test_flush_waits_for_what_came_before(void **state)
{
	struct wait wait;
	struct bench bench;

	(void)state;
	bench_init(&bench, &quick, &defaults);
	fake_raftkv_hold(bench.sim.raftkv, true);
	wait = new_wait(&bench);
	write_at(&bench, 0, 0, "one", 3);
	assert_false(write_back_flush(bench.write_back, bench.sim.loop, bench.inos[0], &wait.waiter));
	sim_client_run(&bench.sim, SIM_S / 4);
	assert_false(wait.is_over);
	write_at(&bench, 0, 100, "two", 3);
	assert_true(write_back_flush(bench.write_back, bench.sim.loop, bench.inos[1], NULL));
	fake_raftkv_hold(bench.sim.raftkv, false);
	sim_client_until(&bench.sim, &wait.is_over);
	assert_int_equal(fake_raftkv_counts(bench.sim.raftkv)->data_writes, 1);
	bench_close(&bench);
}

static void test_overlapping_writes_queue_up(void **state)
{
	struct bench bench;

	(void)state;
	bench_init(&bench, &quick, &defaults);
	fake_raftkv_hold(bench.sim.raftkv, true);
	write_at(&bench, 0, 0, "aaaaaaaa", 8);
	assert_false(write_back_flush(bench.write_back, bench.sim.loop, bench.inos[0], NULL));
	write_at(&bench, 0, 4, "bbbb", 4);
	assert_false(write_back_flush(bench.write_back, bench.sim.loop, bench.inos[0], NULL));
	write_at(&bench, 0, 100, "c", 1);
	assert_false(write_back_flush(bench.write_back, bench.sim.loop, bench.inos[0], NULL));
	assert_int_equal(fake_raftkv_counts(bench.sim.raftkv)->in_flight, 2); /* a and c */
	fake_raftkv_hold(bench.sim.raftkv, false);
	bench_close(&bench);
}

static void fill(struct bench *bench, unsigned file, uint64_t size, int expected)
{
	static uint8_t data[65536];
	struct wait wait = new_wait(bench);
	uint64_t done = 0;
	int result = 0;

	for (; done < size && result == 0; done += sizeof data)
		result = write_back_add(bench->write_back, bench->sim.loop, bench->inos[file], done, data,
			sizeof data, 0, &wait.waiter);
	assert_int_equal(result, expected);
	if (expected == 0)
		return;
	sim_client_run(&bench->sim, SIM_S / 4);
	assert_false(wait.is_over);
	fake_raftkv_hold(bench->sim.raftkv, false);
	sim_client_until(&bench->sim, &wait.is_over);
}

static void test_a_file_has_a_bound(void **state)
{
	struct bench bench;

	(void)state;
	bench_init(&bench, &quick, &(struct write_back_options){.file_size_max = 1 << 20});
	fake_raftkv_hold(bench.sim.raftkv, true);
	fill(&bench, 1, 1 << 20, 0);
	fill(&bench, 0, (1 << 20) + 65536, -EAGAIN);
	bench_close(&bench);
}

static void test_a_mount_has_a_bound(void **state)
{
	struct bench bench;

	(void)state;
	bench_init(&bench, &quick, &(struct write_back_options){.mount_size_max = 1 << 20});
	fake_raftkv_hold(bench.sim.raftkv, true);
	fill(&bench, 0, 1 << 19, 0);
	fill(&bench, 1, 1 << 19, 0);
	fill(&bench, 2, 65536, -EAGAIN);
	bench_close(&bench);
}

static void test_an_error_is_told_once_and_the_data_dropped(void **state)
{
	struct bench bench;

	(void)state;
	bench_init(&bench, &quick, &defaults);
	fake_raftkv_fail_data(bench.sim.raftkv, -ENOSPC);
	write_at(&bench, 0, 0, "lost", 4);
	assert_int_equal(seen(&bench, 0).size, 4);
	flush(&bench, 0);
	assert_int_equal(seen(&bench, 0).size, 0);
	assert_int_equal(bench.failure.count, 1);
	assert_int_equal(bench.failure.dropped, 1);
	assert_int_equal(bench.failure.error, -ENOSPC);
	assert_true(bench.failure.ino == bench.inos[0]);
	assert_true(write_back_is_clean(bench.write_back));
	fake_raftkv_fail_data(bench.sim.raftkv, 0);
	write_at(&bench, 0, 0, "kept", 4);
	flush(&bench, 0);
	assert_int_equal(bench.failure.count, 1);
	assert_content(&bench, 0, "kept", 4);
	bench_close(&bench);
}

static void test_who_waits_is_told_what_was_lost(void **state)
{
	struct bench bench;
	struct wait before, after, other;

	(void)state;
	bench_init(&bench, &quick, &defaults);
	before = new_wait(&bench), after = new_wait(&bench), other = new_wait(&bench);
	fake_raftkv_fail_data(bench.sim.raftkv, -ENOSPC);
	fake_raftkv_hold(bench.sim.raftkv, true);
	write_at(&bench, 0, 0, "here", 4);
	assert_false(write_back_flush(bench.write_back, bench.sim.loop, bench.inos[0], &before.waiter));
	write_at(&bench, 0, 0, "lost", 4);
	assert_false(write_back_flush(bench.write_back, bench.sim.loop, bench.inos[0], &after.waiter));
	write_at(&bench, 1, 0, "lost", 4);
	fake_raftkv_fail_data(bench.sim.raftkv, 0);
	fake_raftkv_hold(bench.sim.raftkv, false);
	sim_client_until(&bench.sim, &before.is_over);
	fake_raftkv_fail_data(bench.sim.raftkv, -ENOSPC);
	sim_client_until(&bench.sim, &after.is_over);
	assert_int_equal(before.waiter.error, 0);
	assert_int_equal(after.waiter.error, -ENOSPC);
	assert_false(write_back_flush(bench.write_back, bench.sim.loop, bench.inos[1], &other.waiter));
	sim_client_until(&bench.sim, &other.is_over);
	assert_int_equal(other.waiter.error, -ENOSPC);
	other = new_wait(&bench);
	other.waiter.error = -EIO;
	fake_raftkv_fail_data(bench.sim.raftkv, 0);
	write_at(&bench, 1, 0, "kept", 4);
	assert_false(write_back_flush(bench.write_back, bench.sim.loop, bench.inos[1], &other.waiter));
	sim_client_until(&bench.sim, &other.is_over);
	assert_int_equal(other.waiter.error, 0);
	bench_close(&bench);
}

static void test_a_range_waits_for_what_it_overlaps(void **state)
{
	struct bench bench;
	struct wait wait, all;
	uint64_t end;

	(void)state;
	bench_init(&bench, &quick, &defaults);
	wait = new_wait(&bench), all = new_wait(&bench);
	fake_raftkv_hold(bench.sim.raftkv, true);
	write_at(&bench, 0, 100, "first", 5);
	assert_true(write_back_flush_range(
		bench.write_back, bench.sim.loop, bench.inos[0], 0, 100, &wait.waiter, &end));
	assert_int_equal(end, 105);
	assert_true(write_back_flush_range(
		bench.write_back, bench.sim.loop, bench.inos[0], 105, UINT64_MAX, &wait.waiter, &end));
	assert_true(write_back_flush_range(
		bench.write_back, bench.sim.loop, bench.inos[1], 0, UINT64_MAX, &wait.waiter, &end));
	assert_int_equal(end, 0);
	assert_int_equal(fake_raftkv_counts(bench.sim.raftkv)->in_flight, 0);
	write_at(&bench, 0, 500, "second", 6); /* the first one goes */
	assert_false(write_back_flush_range(
		bench.write_back, bench.sim.loop, bench.inos[0], 104, 400, &wait.waiter, &end));
	assert_int_equal(end, 506);
	write_at(&bench, 0, 506, "grows on", 8); /* goes, too: the second one was asked for */
	fake_raftkv_hold(bench.sim.raftkv, false);
	sim_client_until(&bench.sim, &wait.is_over);
	assert_int_equal(fake_raftkv_counts(bench.sim.raftkv)->data_writes, 2);
	assert_false(write_back_flush(bench.write_back, bench.sim.loop, bench.inos[0], &all.waiter));
	sim_client_until(&bench.sim, &all.is_over);
	bench_close(&bench);
}

/* What is still open and grows into the range later was not there before. */
static void test_a_range_does_not_wait_for_later_data(void **state)
{
	struct bench bench;
	struct wait wait;
	uint64_t end;

	(void)state;
	bench_init(&bench, &quick, &(struct write_back_options){.age_max_ns = 1000 * SIM_S});
	wait = new_wait(&bench);
	fake_raftkv_hold(bench.sim.raftkv, true);
	write_at(&bench, 0, 1000, "first", 5);
	write_at(&bench, 0, 100, "second", 6);
	assert_false(write_back_flush_range(
		bench.write_back, bench.sim.loop, bench.inos[0], 108, 1000, &wait.waiter, &end));
	write_at(&bench, 0, 106, "later", 5);
	fake_raftkv_hold(bench.sim.raftkv, false);
	sim_client_until(&bench.sim, &wait.is_over);
	assert_int_equal(fake_raftkv_counts(bench.sim.raftkv)->data_writes, 1);
	bench_close(&bench);
}

/* ---- Attributes ---- */

static void assert_same_time(struct fs_time a, struct fs_time b)
{
	assert_int_equal(a.seconds, b.seconds);
	assert_int_equal(a.nanoseconds, b.nanoseconds);
}

static void test_attributes_are_as_they_will_be(void **state)
{
	struct op_setattr set = {.valid = OP_SET_MODE, .mode = 06755};
	struct attributes before, after, store;
	struct bench bench;
	struct wait wait;

	(void)state;
	bench_init(&bench, &quick, &defaults);
	set.ino = bench.inos[0];
	assert_int_equal(fs_setattr(bench.sim.files, &set), 0);
	bench.sim.files->wall = 0; /* the leader's clock is behind */
	sim_client_run(&bench.sim, SIM_S);
	store = fs_attributes(bench.sim.files, bench.inos[0]);
	wait = new_wait(&bench);
	write_at(&bench, 0, 5000, "one", 3);
	sim_client_run(&bench.sim, SIM_MS);
	assert_int_equal(write_back_add(bench.write_back, bench.sim.loop, bench.inos[0], 20000, "two", 3,
				 OP_WRITE_KILL, &wait.waiter),
		0);
	before = seen(&bench, 0);
	assert_int_equal(before.size, 20003);
	assert_int_equal(before.mode, S_IFREG | 0755);
	assert_true(fs_time_is_before(&store.mtime, &before.mtime));
	assert_true(before.blocks > 0);
	assert_int_equal(seen(&bench, 1).size, 0);
	flush(&bench, 0);
	after = fs_attributes(bench.sim.files, bench.inos[0]);
	assert_int_equal(after.size, before.size);
	assert_int_equal(after.mode, before.mode);
	assert_same_time(after.mtime, before.mtime);
	assert_same_time(after.ctime, before.ctime);
	/* A time to come, that somebody has set. */
	set = (struct op_setattr){
		.ino = bench.inos[0], .valid = OP_SET_MTIME, .mtime = {.seconds = INT64_C(1) << 40}};
	assert_int_equal(fs_setattr(bench.sim.files, &set), 0);
	write_at(&bench, 0, 0, "three", 5);
	before = seen(&bench, 0);
	assert_true(fs_time_is_before(&before.mtime, &set.mtime));
	flush(&bench, 0);
	after = fs_attributes(bench.sim.files, bench.inos[0]);
	assert_same_time(after.mtime, before.mtime);
	assert_same_time(after.ctime, before.ctime);
	bench_close(&bench);
}

/* A question that is answered late: what it found is older than what the writer was told before it was asked. */
static void test_a_late_answer_is_brought_up_to_date(void **state)
{
	struct attributes old, truncated, shown;
	struct bench bench;
	uint64_t moment;

	(void)state;
	bench_init(&bench, &quick, &(struct write_back_options){.recent_max = 1});
	write_at(&bench, 0, 0, "data", 4);
	moment = write_back_moment(bench.write_back);
	old = fs_attributes(bench.sim.files, bench.inos[0]);
	flush(&bench, 0);
	assert_int_equal(old.size, 0);
	assert_true(write_back_lay_over(bench.write_back, moment, &old, &shown));
	assert_int_equal(old.size, 4);
	assert_int_equal(shown.size, 4);
	/* Somebody truncates it: what is newer stays. */
	assert_int_equal(fs_truncate(bench.sim.files, bench.inos[0], 1), 0);
	truncated = fs_attributes(bench.sim.files, bench.inos[0]);
	assert_true(write_back_lay_over(bench.write_back, moment, &truncated, &shown));
	assert_int_equal(truncated.size, 1);
	/* Another file, and the answer about the first one is forgotten. */
	old = fs_attributes(bench.sim.files, bench.inos[1]);
	write_at(&bench, 1, 0, "data", 4);
	flush(&bench, 1);
	truncated = fs_attributes(bench.sim.files, bench.inos[0]);
	assert_false(write_back_lay_over(bench.write_back, moment, &truncated, &shown));
	assert_int_equal(seen(&bench, 0).size, 1);
	assert_int_equal(seen(&bench, 1).size, 4);
	bench_close(&bench);
}

/* ---- Random writes, compared with plain bytes ---- */

struct model {
	uint8_t bytes[FILE_COUNT][FILE_SIZE];
	size_t sizes[FILE_COUNT];
};

static void write_random(struct bench *bench, struct model *model)
{
	struct sim_world *world = bench->sim.world;
	unsigned file = (unsigned)sim_random(world, FILE_COUNT);
	size_t size = 1 + sim_random(world, sim_chance(world, 200000) ? 9000 : 300);
	size_t offset = sim_random(world, FILE_SIZE - size);

	if (sim_chance(world, 400000) && model->sizes[file] + size <= FILE_SIZE)
		offset = model->sizes[file];
	for (size_t i = 0; i < size; i++)
		model->bytes[file][offset + i] = (uint8_t)sim_random(world, 256);
	if (offset + size > model->sizes[file])
		model->sizes[file] = offset + size;
	write_at(bench, file, offset, model->bytes[file] + offset, size);
}

/* A question about a file that was evaluated, and whose answer is on its way. */
struct look {
	bool is_asked;
	uint64_t moment;
	size_t size; /* of the model then */
	struct attributes attributes;
	struct attributes shown;
};

static void ask(struct bench *bench, const struct model *model, unsigned file, struct look *look)
{
	int result = STATUS_WOULD_BLOCK;

	look->is_asked = true;
	look->moment = write_back_moment(bench->write_back);
	look->size = model->sizes[file];
	while (result == STATUS_WOULD_BLOCK)
		result = read_attributes(bench->sim.files->view, bench->inos[file], &look->attributes);
	assert_int_equal(result, 0);
}

/* Never less than what the writer had been told when it was asked; times never go back. */
static void answer(struct bench *bench, const struct model *model, unsigned file, struct look *look,
	struct fs_time *time)
{
	const struct attributes *attributes = &look->shown;
	struct fs_time before = *time;

	look->is_asked = false;
	if (!write_back_lay_over(bench->write_back, look->moment, &look->attributes, &look->shown)) {
		ask(bench, model, file, look);
		assert_true(write_back_lay_over(
			bench->write_back, look->moment, &look->attributes, &look->shown));
		look->is_asked = false;
	}
	assert_true(attributes->size >= look->size);
	assert_true(attributes->size <= model->sizes[file]);
	assert_false(fs_time_is_before(&attributes->mtime, &before));
	assert_false(fs_time_is_before(&attributes->ctime, &attributes->mtime));
	*time = attributes->mtime;
}

/* One look at a time: what was asked later may well be answered earlier, and newer. */
static void look_at_random(struct bench *bench, const struct model *model, struct look looks[FILE_COUNT],
	struct fs_time times[FILE_COUNT])
{
	unsigned file = (unsigned)sim_random(bench->sim.world, FILE_COUNT);

	if (looks[file].is_asked)
		answer(bench, model, file, &looks[file], &times[file]);
	else
		ask(bench, model, file, &looks[file]);
}

static void run_seed(uint64_t seed)
{
	static struct model model;
	struct look looks[FILE_COUNT] = {0};
	struct fs_time times[FILE_COUNT] = {0};
	struct bench bench;

	memset(&model, 0, sizeof model);
	bench_init(&bench,
		&(struct fake_raftkv_options){
			.seed = seed, .delay_max_ns = 20 * SIM_MS, .refuse_one_in = 10, .cold_one_in = 20},
		&(struct write_back_options){
			.file_size_max = 20000, .mount_size_max = 40000, .recent_max = seed % 2 ? 1 : 0});
	for (unsigned i = 0; i < STEPS; i++) {
		write_random(&bench, &model);
		if (sim_chance(bench.sim.world, 50000))
			flush(&bench, (unsigned)sim_random(bench.sim.world, FILE_COUNT));
		look_at_random(&bench, &model, looks, times);
		if (sim_chance(bench.sim.world, 300000))
			sim_client_run(&bench.sim, sim_random(bench.sim.world, 30 * SIM_MS));
	}
	stop(&bench);
	assert_int_equal(bench.failure.count, 0);
	assert_int_equal(fake_raftkv_counts(bench.sim.raftkv)->overlaps, 0);
	assert_true(fake_raftkv_counts(bench.sim.raftkv)->data_in_flight_most > 3);
	for (unsigned i = 0; i < FILE_COUNT; i++)
		assert_content(&bench, i, model.bytes[i], model.sizes[i]);
	bench_close(&bench);
}

static void test_random_writes_end_right_in_any_order(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEED_COUNT; seed++)
		run_seed(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_neighbours_are_joined),
		cmocka_unit_test(test_a_full_chunk_goes_by_itself),
		cmocka_unit_test(test_age_sends),
		cmocka_unit_test(test_flush_waits_for_what_came_before),
		cmocka_unit_test(test_overlapping_writes_queue_up),
		cmocka_unit_test(test_a_file_has_a_bound),
		cmocka_unit_test(test_a_mount_has_a_bound),
		cmocka_unit_test(test_an_error_is_told_once_and_the_data_dropped),
		cmocka_unit_test(test_a_range_waits_for_what_it_overlaps),
		cmocka_unit_test(test_a_range_does_not_wait_for_later_data),
		cmocka_unit_test(test_attributes_are_as_they_will_be),
		cmocka_unit_test(test_a_late_answer_is_brought_up_to_date),
		cmocka_unit_test(test_who_waits_is_told_what_was_lost),
		cmocka_unit_test(test_random_writes_end_right_in_any_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
