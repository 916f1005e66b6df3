/* Running out of memory: every allocation of every call fails once; the call says -ENOMEM, and made again it does what
 * it would have done. Sanitizers have a malloc of their own: under them the calls are made without failures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>

#include "raft/memory_storage.h"

static unsigned fail_in; /* the allocation to fail, counted from now; 0: none */

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static unsigned failures;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

static bool fails(void)
{
	if (fail_in == 0 || --fail_in > 0)
		return false;
	failures++;
	return true;
}

void *malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
	return fails() ? NULL : __libc_realloc(memory, size);
}

void *reallocarray(void *memory, size_t count, size_t size)
{
	return fails() ? NULL : __libc_realloc(memory, count * size);
}
#endif

/* Repeats the call until it does not run out of memory, each time failing a later allocation. */
#define insist(call)                                                                                         \
	({                                                                                                   \
		int rc_ = -ENOMEM;                                                                           \
                                                                                                             \
		for (unsigned n_ = 1; rc_ == -ENOMEM; n_++) {                                                \
			fail_in = is_failing ? n_ : 0;                                                       \
			rc_ = (call);                                                                        \
			fail_in = 0;                                                                         \
		}                                                                                            \
		rc_;                                                                                         \
	})

struct outcome {
	struct raft_status status;
	size_t messages[RAFT_MSG_TYPE_COUNT]; /* sent, by type */
	size_t entries; /* to persist */
	size_t committed;
	size_t reads;
};

static void take_ready(
	struct raw_node *node, struct memory_storage *memory, bool is_failing, struct outcome *outcome)
{
	while (raw_node_has_ready(node)) {
		struct raft_ready ready = {0};

		assert_int_equal(insist(raw_node_ready(node, &ready)), 0);
		assert_int_equal(memory_storage_save_ready(memory, &ready), 0);
		outcome->entries += ready.entries.count;
		outcome->committed += ready.committed_entries.count;
		outcome->reads += ready.read_states.count;
		for (size_t i = 0; i < ready.messages.count; i++)
			outcome->messages[ready.messages.items[i].type]++;
		assert_int_equal(insist(raw_node_advance(node)), 0);
		raft_ready_close(&ready);
	}
}

/* The node leads, replicates, reads, changes members, transfers leadership, follows, and takes a snapshot. */
static struct outcome play(bool is_failing)
{
	struct raft_config config = {.id = 1, .seed = 1, .election_tick = 10, .heartbeat_tick = 1};
	struct raft_conf_change change = {.steps = {{RAFT_ADD_LEARNER, 4}}, .step_count = 1};
	struct raft_snapshot snapshot = {.index = 50, .term = 3};
	struct raft_message message = {.from = 2, .to = 1, .term = 1};
	struct buf *data = buf_copy("data", 4);
	struct outcome outcome = {0};
	struct memory_storage memory;
	struct raw_node *node;

	memory_storage_init(&memory);
	for (uint64_t id = 1; id <= 3; id++)
		assert_int_equal(raft_ids_insert(&memory.snapshot.conf_state.voters, id), 0);
	assert_int_equal(insist(raw_node_new(&config, &memory.storage, &node, NULL)), 0);
	assert_int_equal(insist(raw_node_campaign(node)), 0);
	take_ready(node, &memory, is_failing, &outcome);
	message.type = RAFT_MSG_VOTE_RESP;
	assert_int_equal(insist(raw_node_step(node, &message)), 0);
	assert_int_equal(insist(raw_node_read_index(node, data)), 0);
	take_ready(node, &memory, is_failing, &outcome);
	message.type = RAFT_MSG_APP_RESP;
	message.index = 1;
	assert_int_equal(insist(raw_node_step(node, &message)), 0);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(insist(raw_node_propose(node, data)), 0);
	assert_int_equal(insist(raw_node_propose_conf_change(node, &change, true)), 0);
	take_ready(node, &memory, is_failing, &outcome);
	message.index = 12;
	assert_int_equal(insist(raw_node_step(node, &message)), 0);
	take_ready(node, &memory, is_failing, &outcome);
	assert_int_equal(insist(raw_node_apply_conf_change(node, &change, NULL)), 0);
	assert_int_equal(insist(raw_node_tick(node)), 0);
	assert_int_equal(insist(raw_node_transfer_leader(node, 2)), 0);
	take_ready(node, &memory, is_failing, &outcome);
	message = (struct raft_message){
		.type = RAFT_MSG_SNAP, .from = 2, .to = 1, .term = 3, .snapshot = &snapshot};
	assert_int_equal(raft_ids_insert(&snapshot.conf_state.voters, 1), 0);
	assert_int_equal(insist(raw_node_step(node, &message)), 0);
	take_ready(node, &memory, is_failing, &outcome);
	raw_node_status(node, &outcome.status);
	raw_node_free(node);
	raft_conf_state_close(&snapshot.conf_state);
	memory_storage_close(&memory);
	buf_unref(data);
	return outcome;
}

static void every_allocation_may_fail(void **state)
{
	struct outcome smooth = play(false);
	struct outcome rough = play(true);

	(void)state;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	assert_true(failures > 30);
#endif
	assert_int_equal(smooth.committed, 12);
	assert_int_equal(smooth.reads, 1); /* finished when it no longer led */
	assert_int_equal(rough.status.hard_state.commit, smooth.status.hard_state.commit);
	assert_int_equal(rough.status.hard_state.term, smooth.status.hard_state.term);
	assert_int_equal(rough.status.applied, 50);
	assert_int_equal(rough.entries, smooth.entries);
	assert_int_equal(rough.committed, smooth.committed);
	assert_int_equal(rough.reads, smooth.reads);
	for (unsigned type = 0; type < RAFT_MSG_TYPE_COUNT; type++)
		assert_int_equal(rough.messages[type] > 0, smooth.messages[type] > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
