/* fs/client/client: what is asked again and what is given up, and reads that need a round or a worker. */
#include "tests/lib/test.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "tests/lib/sim_client.h"

#define CALL_COUNT 200u

struct ask {
	struct client_call call;
	struct client_read read;
	struct finding finding;
	bool is_done;
	int error;
	struct op_reply reply;
	unsigned runs;
};

static void on_called(struct client_call *call, int error, const struct op_reply *reply)
{
	struct ask *ask = container_of(call, struct ask, call);

	assert_false(ask->is_done);
	ask->is_done = true;
	ask->error = error;
	ask->reply = *reply;
}

static void count_run(void *argument)
{
	((struct ask *)argument)->runs++;
}

static int skip_entry(void *argument, const struct read_entry *entry)
{
	(void)argument;
	(void)entry;
	return 0;
}

static void on_read(struct client_read *read, int error)
{
	struct ask *ask = container_of(read, struct ask, read);

	assert_false(ask->is_done);
	ask->is_done = true;
	ask->error = error;
}

static int call(struct sim_client *sim, struct ask *ask, const struct op *op, struct buf *payload)
{
	*ask = (struct ask){.call = {.loop = sim->loop, .done = on_called}};
	return client_call(sim->client, &ask->call, op, payload);
}

static int call_and_wait(struct sim_client *sim, const struct op *op, struct buf *payload, struct ask *ask)
{
	int result = call(sim, ask, op, payload);

	if (result < 0)
		return result;
	sim_client_until(sim, &ask->is_done);
	return ask->error;
}

static int read_and_wait(struct sim_client *sim, const struct question *question, struct ask *ask)
{
	*ask = (struct ask){.finding = {.begin = count_run, .entry = skip_entry, .argument = ask}};
	ask->read = (struct client_read){
		.loop = sim->loop, .question = *question, .finding = &ask->finding, .done = on_read};
	client_read(sim->client, &ask->read);
	sim_client_until(sim, &ask->is_done);
	return ask->error;
}

static int read_attributes_of(struct sim_client *sim, uint64_t ino, struct ask *ask)
{
	return read_and_wait(sim, &(struct question){.kind = QUESTION_ATTRIBUTES, .ino = ino}, ask);
}

static struct op make_op(const char *name)
{
	return (struct op){.kind = OP_MAKE,
		.make = {.parent = FS_ROOT_INO,
			.name = text(name),
			.mode = S_IFREG | 0644,
			.exclusive = true}};
}

static void test_what_is_refused_for_now_is_asked_again(void **state)
{
	struct sim_client sim;
	struct ask ask;

	(void)state;
	sim_client_init(
		&sim, &(struct fake_raftkv_options){.seed = 3, .delay_max_ns = SIM_MS, .refuse_one_in = 2});
	for (unsigned i = 0; i < CALL_COUNT; i++) {
		char name[16];
		struct op op;

		snprintf(name, sizeof name, "f%u", i);
		op = make_op(name);
		assert_int_equal(call_and_wait(&sim, &op, NULL, &ask), 0);
		assert_int_equal(read_attributes_of(&sim, ask.reply.attributes.ino, &ask), 0);
	}
	assert_true(fake_raftkv_counts(sim.raftkv)->refused > CALL_COUNT / 2);
	assert_int_equal(fake_raftkv_counts(sim.raftkv)->writes, CALL_COUNT); /* each once */
	sim_client_close(&sim);
}

static void test_waiting_gets_longer_and_stays_bounded(void **state)
{
	struct op op = make_op("f");
	struct sim_client sim;
	struct ask ask;
	uint64_t before;

	(void)state;
	sim_client_init(&sim, &(struct fake_raftkv_options){.seed = 1, .refuse_one_in = 1});
	assert_int_equal(call(&sim, &ask, &op, NULL), 0);
	sim_client_run(&sim, 10 * (uint64_t)SIM_S);
	assert_false(ask.is_done);
	before = fake_raftkv_counts(sim.raftkv)->refused;
	assert_in_range(before, 60, 120);
	sim_client_run(&sim, 10 * (uint64_t)SIM_S);
	assert_in_range(fake_raftkv_counts(sim.raftkv)->refused - before, 60, 90); /* each 128 ms */
	/* The program ends with the call on its way, as a killed daemon does. */
}

static void test_errors_that_stay(void **state)
{
	static const struct {
		int status;
		int error;
	} rows[] = {
		{-ENOSPC, -ENOSPC}, {-EIO, -EIO}, {STATUS_CORRUPT, -EIO}, {STATUS_STOPPING, -EIO},
		{STATUS_MALFORMED, -EIO}, {STATUS_KEY_NOT_IN_REGION, -EXDEV},
		{STATUS_UNSUPPORTED, -EOPNOTSUPP},
		{STATUS_STALE_COMMAND, -EIO}, /* nobody knows whether it happened, and there are no slots */
	};
	struct buf *payload = buf_copy("x", 1);
	struct op op = make_op("f");
	struct sim_client sim;
	struct ask ask;

	(void)state;
	sim_client_init(&sim, &(struct fake_raftkv_options){.seed = 1});
	assert_int_equal(call_and_wait(&sim, &op, NULL, &ask), 0);
	op = (struct op){.kind = OP_WRITE, .write = {.ino = ask.reply.attributes.ino}};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		fake_raftkv_fail_data(sim.raftkv, rows[i].status);
		assert_int_equal(call_and_wait(&sim, &op, payload, &ask), rows[i].error);
	}
	fake_raftkv_fail_data(sim.raftkv, 0);
	assert_int_equal(call_and_wait(&sim, &op, payload, &ask), 0);
	assert_int_equal(ask.reply.count, 1);
	buf_unref(payload);
	sim_client_close(&sim);
}

static void test_the_operations_own_error(void **state)
{
	struct op op = make_op("f");
	struct sim_client sim;
	struct ask ask;

	(void)state;
	sim_client_init(&sim, &(struct fake_raftkv_options){.seed = 1});
	assert_int_equal(call_and_wait(&sim, &op, NULL, &ask), 0);
	assert_int_equal(call_and_wait(&sim, &op, NULL, &ask), -EEXIST);
	op = make_op("a/b");
	assert_int_equal(call_and_wait(&sim, &op, NULL, &ask), -EINVAL);
	assert_false(ask.is_done); /* said at once, without a callback */
	assert_int_equal(read_attributes_of(&sim, 12345, &ask), -ESTALE);
	sim_client_close(&sim);
}

static void test_cold_reads_run_again_on_a_worker(void **state)
{
	const struct question list_root = {.kind = QUESTION_DIRECTORY, .ino = FS_ROOT_INO};
	struct sim_client sim;
	unsigned runs = 0;
	struct ask ask;

	(void)state;
	sim_client_init(&sim, &(struct fake_raftkv_options){.seed = 5,
				      .delay_max_ns = SIM_MS,
				      .cold_one_in = 2,
				      .round_one_in = 3,
				      .refuse_one_in = 10});
	for (unsigned i = 0; i < CALL_COUNT; i++) {
		assert_int_equal(read_and_wait(&sim, &list_root, &ask), 0);
		assert_int_equal(ask.finding.attributes.ino, FS_ROOT_INO);
		runs += ask.runs;
	}
	assert_in_range(runs, CALL_COUNT + CALL_COUNT / 4, 2 * CALL_COUNT);
	assert_true(fake_raftkv_counts(sim.raftkv)->rounds > CALL_COUNT / 5);
	sim_client_close(&sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_refused_for_now_is_asked_again),
		cmocka_unit_test(test_errors_that_stay),
		cmocka_unit_test(test_the_operations_own_error),
		cmocka_unit_test(test_cold_reads_run_again_on_a_worker),
		cmocka_unit_test(test_waiting_gets_longer_and_stays_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
