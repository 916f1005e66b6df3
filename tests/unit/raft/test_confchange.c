/* raft/conf and raft/confchange: sets, each refusal, and random changes that must keep the invariants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "raft/confchange.h"

#define STEPS_MAX 8

static void sets_stay_sorted_without_repeats(void **state)
{
	struct raft_ids ids = {0}, copy = {0};
	bool in[20] = {0};
	unsigned seed = 1;

	(void)state;
	for (int round = 0; round < 5000; round++) {
		uint64_t id = (unsigned)rand_r(&seed) % 20;
		uint32_t count = 0;

		in[id] = rand_r(&seed) % 2;
		if (in[id])
			assert_int_equal(raft_ids_insert(&ids, id), 0);
		else
			raft_ids_remove(&ids, id);
		for (uint64_t i = 0; i < 20; i++) {
			count += in[i];
			assert_int_equal(raft_ids_has(&ids, i), in[i]);
		}
		assert_int_equal(ids.count, count);
		for (uint32_t i = 1; i < ids.count; i++)
			assert_true(ids.items[i - 1] < ids.items[i]);
	}
	assert_int_equal(raft_ids_copy(&copy, &ids), 0);
	assert_true(raft_ids_equal(&copy, &ids));
	raft_ids_insert(&copy, 100);
	assert_false(raft_ids_equal(&copy, &ids));
	raft_ids_close(&copy);
	assert_int_equal(raft_ids_copy(&ids, &copy), 0); /* an empty set */
	assert_int_equal(ids.count, 0);
	raft_ids_close(&ids);
}

static struct raft_ids ids_of(const char *digits)
{
	struct raft_ids ids = {0};

	for (; *digits; digits++)
		assert_int_equal(raft_ids_insert(&ids, (uint64_t)(*digits - '0')), 0);
	return ids;
}

static struct raft_conf_state conf_of(
	const char *voters, const char *outgoing, const char *learners, const char *next)
{
	return (struct raft_conf_state){.voters = ids_of(voters),
		.voters_outgoing = ids_of(outgoing),
		.learners = ids_of(learners),
		.learners_next = ids_of(next)};
}

static void assert_conf(const struct raft_conf_state *conf, const char *voters, const char *outgoing,
	const char *learners, const char *next)
{
	struct raft_conf_state expected = conf_of(voters, outgoing, learners, next);

	expected.auto_leave = conf->auto_leave;
	assert_true(raft_conf_state_equal(conf, &expected));
	raft_conf_state_close(&expected);
}

static void a_refusal_says_why_and_changes_nothing(void **state)
{
	static const struct raft_conf_change_step remove_one[] = {{RAFT_REMOVE_NODE, 1}};
	static const struct raft_conf_change_step add_two[] = {{RAFT_ADD_VOTER, 2}, {RAFT_ADD_VOTER, 3}};
	static const struct raft_conf_change_step unknown[] = {{(enum raft_conf_change_type)9, 2}};
	struct raft_conf_state one = conf_of("1", "", "", ""), joint = conf_of("12", "1", "", ""), none = {0};
	struct raft_conf_state to = conf_of("7", "", "", "");
	struct status status;

	(void)state;
#define REFUSED(call, sentence)                                                                              \
	do {                                                                                                 \
		assert_int_equal((call), STATUS_CONF_CHANGE_INVALID);                                        \
		assert_string_equal(status.text, sentence);                                                  \
		assert_conf(&to, "7", "", "", "");                                                           \
	} while (0)
	REFUSED(confchange_simple(&one, remove_one, 1, &to, &status), "removed all voters");
	REFUSED(confchange_simple(&one, add_two, 2, &to, &status),
		"more than one voter changed without entering joint config");
	REFUSED(confchange_simple(&one, unknown, 1, &to, &status), "unexpected conf type 9");
	REFUSED(confchange_simple(&joint, add_two, 1, &to, &status),
		"can't apply simple config change in joint config");
	REFUSED(confchange_enter_joint(&joint, true, add_two, 2, &to, &status), "config is already joint");
	REFUSED(confchange_enter_joint(&none, true, add_two, 2, &to, &status),
		"can't make a zero-voter config joint");
	REFUSED(confchange_leave_joint(&one, &to, &status), "can't leave a non-joint config");
#undef REFUSED
	assert_int_equal(confchange_simple(&one, remove_one, 1, &to, NULL), STATUS_CONF_CHANGE_INVALID);
	raft_conf_state_close(&one);
	raft_conf_state_close(&joint);
	raft_conf_state_close(&to);
}

static void a_demoted_voter_waits_for_the_end_of_the_joint_phase(void **state)
{
	static const struct raft_conf_change_step steps[] = {{RAFT_ADD_VOTER, 2}, {RAFT_ADD_LEARNER, 1}};
	struct raft_conf_state conf = conf_of("1", "", "", "");

	(void)state;
	struct raft_conf_state joint = {0}, after = {0};

	assert_int_equal(confchange_enter_joint(&conf, true, steps, 2, &joint, NULL), 0);
	assert_conf(&joint, "2", "1", "", "1");
	assert_true(joint.auto_leave);
	assert_int_equal(confchange_leave_joint(&joint, &after, NULL), 0);
	assert_conf(&after, "2", "", "1", "");
	assert_false(after.auto_leave);
	raft_conf_state_close(&conf);
	raft_conf_state_close(&joint);
	raft_conf_state_close(&after);
}

static void restoring_refuses_what_no_change_leads_to(void **state)
{
	static const char *const bad[][4] = {{"12", "", "2", ""}, {"12", "3", "3", ""}, {"12", "", "", "2"},
		{"12", "13", "", "1"}, {"", "12", "", ""}, {"", "", "1", ""}, {"01", "", "", ""}};
	struct raft_conf_state good = conf_of("23", "12", "4", "1"), to = {0};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct raft_conf_state conf = conf_of(bad[i][0], bad[i][1], bad[i][2], bad[i][3]);

		assert_int_equal(confchange_restore(&conf, &to, NULL), STATUS_CONF_CHANGE_INVALID);
		raft_conf_state_close(&conf);
	}
	assert_int_equal(confchange_restore(&good, &to, NULL), 0);
	assert_true(raft_conf_state_equal(&good, &to));
	good.auto_leave = true;
	assert_int_equal(confchange_restore(&good, &to, NULL), 0);
	assert_true(to.auto_leave);
	raft_conf_state_close(&good);
	good.auto_leave = true; /* without a joint phase */
	assert_int_equal(confchange_restore(&good, &to, NULL), STATUS_CONF_CHANGE_INVALID);
	good.auto_leave = false;
	assert_int_equal(confchange_restore(&good, &to, NULL), 0); /* a node that knows nothing yet */
	raft_conf_state_close(&to);
}

static size_t random_steps(struct raft_conf_change_step *steps, unsigned *seed)
{
	size_t count = 1 + (unsigned)rand_r(seed) % STEPS_MAX;

	for (size_t i = 0; i < count; i++) {
		steps[i].type = (enum raft_conf_change_type)((unsigned)rand_r(seed) % 4);
		steps[i].node = (unsigned)rand_r(seed) % 8; /* 0 among them */
	}
	return count;
}

/* The same steps, first through a joint phase and then one by one: where both are allowed they agree. */
static void joint_and_simple_changes_agree(void **state)
{
	unsigned seed = 4;
	int compared = 0;

	(void)state;
	for (int round = 0; round < 5000; round++) {
		struct raft_conf_state simple = conf_of("1", "", "", ""), joint = {0}, left = {0};
		struct raft_conf_change_step steps[STEPS_MAX];
		size_t count = random_steps(steps, &seed);
		int error = 0;

		for (size_t i = 0; i < count && error == 0; i++)
			error = confchange_simple(&simple, &steps[i], 1, &joint, NULL) == 0
					? raft_conf_state_copy(&simple, &joint)
					: -1;
		raft_conf_state_close(&joint);
		if (error == 0) {
			struct raft_conf_state start = conf_of("1", "", "", "");

			assert_int_equal(
				confchange_enter_joint(&start, false, steps, count, &joint, NULL), 0);
			assert_int_equal(confchange_leave_joint(&joint, &left, NULL), 0);
			assert_true(raft_conf_state_equal(&left, &simple));
			raft_conf_state_close(&start);
			compared++;
		}
		raft_conf_state_close(&simple);
		raft_conf_state_close(&joint);
		raft_conf_state_close(&left);
	}
	assert_true(compared > 500);
}

static int random_change(const struct raft_conf_state *from, struct raft_conf_state *to, unsigned *seed)
{
	struct raft_conf_change change = {0};

	change.transition = (enum raft_conf_change_transition)((unsigned)rand_r(seed) % 3);
	if (rand_r(seed) % 3 > 0)
		change.step_count = (uint32_t)random_steps(change.steps, seed);
	return confchange_apply(from, &change, to, NULL);
}

static void random_changes_keep_the_invariants(void **state)
{
	struct raft_conf_state conf = conf_of("1", "", "", "");
	unsigned seed = 5;
	int accepted = 0, joint = 0, staged = 0;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct raft_conf_state next = {0}, before = {0};
		int error;

		raft_conf_state_copy(&before, &conf);
		error = random_change(&conf, &next, &seed);
		assert_true(raft_conf_state_equal(&before, &conf)); /* the function is pure */
		if (error == 0) {
			assert_int_equal(confchange_check(&next, NULL), 0);
			assert_true(next.voters.count > 0);
			assert_false(raft_conf_state_is_joint(&next) && raft_conf_state_is_joint(&conf));
			raft_conf_state_copy(&conf, &next);
			accepted++;
			joint += raft_conf_state_is_joint(&next);
			staged += next.learners_next.count > 0;
		} else {
			assert_int_equal(error, STATUS_CONF_CHANGE_INVALID);
			assert_int_equal(next.voters.count, 0);
		}
		raft_conf_state_close(&next);
		raft_conf_state_close(&before);
	}
	assert_true(accepted > 1000 && joint > 300 && staged > 100);
	raft_conf_state_close(&conf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_stay_sorted_without_repeats),
		cmocka_unit_test(a_refusal_says_why_and_changes_nothing),
		cmocka_unit_test(a_demoted_voter_waits_for_the_end_of_the_joint_phase),
		cmocka_unit_test(restoring_refuses_what_no_change_leads_to),
		cmocka_unit_test(joint_and_simple_changes_agree),
		cmocka_unit_test(random_changes_keep_the_invariants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
