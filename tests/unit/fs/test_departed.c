/* fs/client/departed: what other sessions hold is let go, a few inodes a change; what this one holds stays. */
#include "fs/client/departed.h"

#include <stdio.h>
#include <sys/stat.h>

#include "fs/schema/records.h"
#include "store/rows/slots.h"
#include "tests/lib/sim_client.h"
#include "tests/lib/test.h"

#define FILES 1000u
#define OWN   (SLOTS_OWN | 5)
#define BATCH 8u /* inodes in a change */

struct bench {
	struct sim_client sim;
	struct departed departed;
	uint64_t own; /* an inode that this session holds */
	bool is_done, is_stopped;
};

static void on_done(void *argument)
{
	((struct bench *)argument)->is_done = true;
}

static void on_stopped(void *argument)
{
	((struct bench *)argument)->is_stopped = true;
}

static uint64_t leave_one(struct fs_harness *fs, uint64_t session, uint32_t number)
{
	uint64_t ino;
	char name[16];

	snprintf(name, sizeof name, "f%u", number);
	fs->session = session;
	ino = (uint64_t)fs_make(fs, FS_ROOT_INO, name, S_IFREG | 0600);
	assert_int_equal(fs_unlink(fs, FS_ROOT_INO, name, true), 0);
	return ino;
}

/* Sessions before and behind the own one have left files without a name. */
static int setup(void **state)
{
	static struct bench bench;
	struct fs_harness *fs;

	bench = (struct bench){0};
	sim_client_init(&bench.sim,
		&(struct fake_raftkv_options){
			.seed = 1, .delay_max_ns = SIM_MS, .refuse_one_in = 20, .cold_one_in = 5});
	client_free(bench.sim.client);
	assert_int_equal(client_new(&(struct client_options){.raftkv = bench.sim.raftkv, .session = OWN},
				 &bench.sim.client),
		0);
	fs = fake_raftkv_files(bench.sim.raftkv);
	for (uint32_t i = 0; i < FILES; i++)
		leave_one(fs, i % 2 ? OWN - 1 : OWN + 1, i);
	bench.own = leave_one(fs, OWN, FILES);
	bench.departed = (struct departed){
		.client = bench.sim.client, .loop = bench.sim.loop, .done = on_done, .argument = &bench};
	*state = &bench;
	return 0;
}

static int teardown(void **state)
{
	struct bench *bench = *state;

	if (!bench->is_stopped)
		departed_stop(&bench->departed, on_stopped, bench);
	sim_client_until(&bench->sim, &bench->is_stopped);
	sim_client_close(&bench->sim);
	return 0;
}

static int64_t inodes(struct bench *bench)
{
	int64_t count;

	assert_int_equal(inode_count_read(fake_raftkv_files(bench->sim.raftkv)->view, &count), 0);
	return count;
}

static void others_are_let_go(void **state)
{
	struct bench *bench = *state;
	uint64_t writes = fake_raftkv_counts(bench->sim.raftkv)->writes;

	assert_int_equal(inodes(bench), FILES + 2);
	departed_start(&bench->departed);
	sim_client_until(&bench->sim, &bench->is_done);
	assert_int_equal(inodes(bench), 2); /* the root, and the own one */
	assert_int_equal(fs_attributes(fake_raftkv_files(bench->sim.raftkv), bench->own).nlink, 0);
	assert_true(fake_raftkv_counts(bench->sim.raftkv)->writes - writes <= FILES / BATCH + 2);
}

static void it_stops_in_the_middle(void **state)
{
	struct bench *bench = *state;

	departed_start(&bench->departed);
	sim_client_run(&bench->sim, 20 * SIM_MS);
	departed_stop(&bench->departed, on_stopped, bench);
	sim_client_until(&bench->sim, &bench->is_stopped);
	assert_false(bench->is_done);
	assert_in_range(inodes(bench), 3, FILES + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(others_are_let_go, setup, teardown),
		cmocka_unit_test_setup_teardown(it_stops_in_the_middle, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
