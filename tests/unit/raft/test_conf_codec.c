/* raft/conf_codec: the wire layout of etcd's ConfChange and ConfChangeV2, byte by byte and at random. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "raft/raft.h"

static void assert_encodes(const struct raft_conf_change *change, bool v1, const void *bytes, size_t size)
{
	struct buf *data;

	assert_int_equal(raft_conf_change_encode(change, v1, &data), 0);
	assert_int_equal(data->size, size);
	assert_memory_equal(data->data, bytes, size);
	buf_unref(data);
}

static void the_layout_is_etcds(void **state)
{
	static const uint8_t v1[] = {8, 0, 16, 1, 24, 5, 34, 2, 'h', 'i'};
	static const uint8_t v2[] = {8, 2, 18, 4, 8, 0, 16, 3, 18, 5, 8, 3, 16, 0xac, 2, 26, 2, 'h', 'i'};
	static const uint8_t explicit_empty[] = {8, 2};
	struct raft_conf_change change = {
		.steps = {{RAFT_REMOVE_NODE, 5}}, .step_count = 1, .context = {"hi", 2}};

	(void)state;
	assert_encodes(&change, true, v1, sizeof v1);
	change = (struct raft_conf_change){.transition = RAFT_TRANSITION_JOINT_EXPLICIT,
		.steps = {{RAFT_ADD_VOTER, 3}, {RAFT_ADD_LEARNER, 300}},
		.step_count = 2,
		.context = {"hi", 2}};
	assert_encodes(&change, false, v2, sizeof v2);
	change = (struct raft_conf_change){.transition = RAFT_TRANSITION_JOINT_EXPLICIT};
	assert_encodes(&change, false, explicit_empty, sizeof explicit_empty);
}

static void a_leave_is_no_bytes(void **state)
{
	struct raft_conf_change change = {0};
	struct raft_entry entry = {.type = RAFT_ENTRY_CONF_CHANGE_V2};

	(void)state;
	entry.data = (struct buf *)&entry; /* must be overwritten */
	assert_int_equal(raft_conf_change_encode(&change, false, &entry.data), 0);
	assert_null(entry.data);
	change.step_count = 7;
	assert_int_equal(raft_conf_change_decode(&entry, &change), 0);
	assert_int_equal(change.step_count, 0);
	assert_int_equal(change.transition, RAFT_TRANSITION_AUTO);
}

static void what_v1_cannot_say_is_refused(void **state)
{
	struct raft_conf_change change = {
		.steps = {{RAFT_ADD_VOTER, 1}, {RAFT_ADD_VOTER, 2}}, .step_count = 2};
	struct buf *data;

	(void)state;
	assert_int_equal(raft_conf_change_encode(&change, true, &data), STATUS_CONF_CHANGE_INVALID);
	change.step_count = 0;
	assert_int_equal(raft_conf_change_encode(&change, true, &data), STATUS_CONF_CHANGE_INVALID);
	change.step_count = 1;
	change.transition = RAFT_TRANSITION_JOINT_IMPLICIT;
	assert_int_equal(raft_conf_change_encode(&change, true, &data), STATUS_CONF_CHANGE_INVALID);
	change.step_count = RAFT_CONF_CHANGE_STEPS_MAX + 1;
	assert_int_equal(raft_conf_change_encode(&change, false, &data), STATUS_CONF_CHANGE_INVALID);
}

static uint64_t random_node(unsigned *seed)
{
	return (uint64_t)rand_r(seed) << (unsigned)rand_r(seed) % 34;
}

static void random_changes_come_back(void **state)
{
	unsigned seed = 1;

	(void)state;
	for (int round = 0; round < 5000; round++) {
		struct raft_conf_change change = {0}, back;
		struct raft_entry entry = {0};
		bool v1 = round % 2;

		entry.type = v1 ? RAFT_ENTRY_CONF_CHANGE : RAFT_ENTRY_CONF_CHANGE_V2;
		change.step_count = v1 ? 1 : (unsigned)rand_r(&seed) % (RAFT_CONF_CHANGE_STEPS_MAX + 1);
		if (!v1)
			change.transition = (enum raft_conf_change_transition)((unsigned)rand_r(&seed) % 3);
		for (uint32_t i = 0; i < change.step_count; i++)
			change.steps[i] = (struct raft_conf_change_step){
				(enum raft_conf_change_type)((unsigned)rand_r(&seed) % 4),
				random_node(&seed)};
		change.context = slice_of("context", (unsigned)rand_r(&seed) % 8);
		assert_int_equal(raft_conf_change_encode(&change, v1, &entry.data), 0);
		assert_int_equal(raft_conf_change_decode(&entry, &back), 0);
		assert_int_equal(back.transition, change.transition);
		assert_int_equal(back.step_count, change.step_count);
		for (uint32_t i = 0; i < change.step_count; i++) {
			assert_int_equal(back.steps[i].type, change.steps[i].type);
			assert_int_equal(back.steps[i].node, change.steps[i].node);
		}
		assert_int_equal(slice_compare(back.context, change.context), 0);
		buf_unref(entry.data);
	}
}

static int decode(enum raft_entry_type type, const void *bytes, size_t size)
{
	struct raft_entry entry = {.type = type, .data = buf_copy(bytes, size)};
	struct raft_conf_change change;
	int status = raft_conf_change_decode(&entry, &change);

	if (status == 0)
		assert_true(change.step_count <= RAFT_CONF_CHANGE_STEPS_MAX);
	buf_unref(entry.data);
	return status;
}

static void foreign_bytes_are_errors(void **state)
{
	static const uint8_t bad_type[] = {18, 4, 8, 4, 16, 3}, bad_transition[] = {8, 3},
			     bad_field[] = {40, 0};
	static const uint8_t cut_step[] = {18, 9, 8, 0, 16, 3}, v1_bad_type[] = {16, 9};
	uint8_t many[(RAFT_CONF_CHANGE_STEPS_MAX + 1) * 2], noise[24];
	unsigned seed = 2;

	(void)state;
	assert_int_equal(decode(RAFT_ENTRY_CONF_CHANGE_V2, bad_type, sizeof bad_type), STATUS_MALFORMED);
	assert_int_equal(decode(RAFT_ENTRY_CONF_CHANGE_V2, bad_transition, 2), STATUS_MALFORMED);
	assert_int_equal(decode(RAFT_ENTRY_CONF_CHANGE_V2, bad_field, 2), STATUS_MALFORMED);
	assert_int_equal(decode(RAFT_ENTRY_CONF_CHANGE_V2, cut_step, sizeof cut_step), STATUS_MALFORMED);
	assert_int_equal(decode(RAFT_ENTRY_CONF_CHANGE, v1_bad_type, 2), STATUS_MALFORMED);
	assert_int_equal(decode(RAFT_ENTRY_CONF_CHANGE, bad_field, 2), STATUS_MALFORMED);
	assert_int_equal(decode(RAFT_ENTRY_NORMAL, NULL, 0), STATUS_MALFORMED);
	for (size_t i = 0; i < sizeof many; i += 2) {
		many[i] = 18;
		many[i + 1] = 0;
	}
	assert_int_equal(decode(RAFT_ENTRY_CONF_CHANGE_V2, many, sizeof many - 2), 0);
	assert_int_equal(decode(RAFT_ENTRY_CONF_CHANGE_V2, many, sizeof many), STATUS_MALFORMED);
	for (int round = 0; round < 20000; round++) {
		for (size_t i = 0; i < sizeof noise; i++)
			noise[i] = (uint8_t)((unsigned)rand_r(&seed) % 35);
		decode(round % 2 ? RAFT_ENTRY_CONF_CHANGE : RAFT_ENTRY_CONF_CHANGE_V2, noise,
			(unsigned)rand_r(&seed) % sizeof noise);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_layout_is_etcds),
		cmocka_unit_test(a_leave_is_no_bytes),
		cmocka_unit_test(what_v1_cannot_say_is_refused),
		cmocka_unit_test(random_changes_come_back),
		cmocka_unit_test(foreign_bytes_are_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
