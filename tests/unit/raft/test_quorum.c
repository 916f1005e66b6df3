/* raft/quorum: tables made by hand, then random configurations compared with the definition of a majority. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "proto/plant.h"
#include "raft/quorum.h"

#define IDS_MAX 40

/* The index (0: nothing is known) and the vote of each id in 1 … IDS_MAX. */
struct said {
	uint64_t indexes[IDS_MAX + 1];
	enum quorum_result votes[IDS_MAX + 1];
};

static bool acked(const void *argument, uint64_t id, uint64_t *index)
{
	const struct said *said = argument;

	*index = said->indexes[id];
	return *index > 0;
}

static enum quorum_result voted(const void *argument, uint64_t id)
{
	const struct said *said = argument;

	return said->votes[id];
}

static void random_ids(struct raft_ids *ids, unsigned *seed, unsigned count_max)
{
	unsigned count = (unsigned)rand_r(seed) % (count_max + 1);

	for (unsigned i = 0; i < count; i++)
		assert_int_equal(raft_ids_insert(ids, 1 + (unsigned)rand_r(seed) % IDS_MAX), 0);
}

static void random_said(struct said *said, unsigned *seed)
{
	for (uint64_t id = 1; id <= IDS_MAX; id++) {
		said->indexes[id] = (unsigned)rand_r(seed) % 6;
		said->votes[id] = (enum quorum_result)((unsigned)rand_r(seed) % 3);
	}
}

/* The definition itself: a majority of `voters` has acknowledged `index`. */
static bool has_majority(const struct raft_ids *voters, const struct said *said, uint64_t index)
{
	uint32_t reached = 0;

	for (uint32_t i = 0; i < voters->count; i++)
		reached += said->indexes[voters->items[i]] >= index;
	return reached * 2 > voters->count;
}

static void committed_is_the_highest_index_of_a_majority(void **state)
{
	unsigned seed = 1;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct raft_ids voters = {0};
		struct said said;
		uint64_t committed;

		random_ids(&voters, &seed, round % 2 ? 7 : 30); /* 30: more than fit on the stack */
		random_said(&said, &seed);
		committed = quorum_committed(&voters, acked, &said);
		if (voters.count == 0) {
			assert_true(committed == QUORUM_EVERYTHING);
		} else {
			assert_true(has_majority(&voters, &said, committed));
			assert_false(has_majority(&voters, &said, committed + 1));
		}
		raft_ids_close(&voters);
	}
}

static uint32_t count_votes(const struct raft_ids *voters, const struct said *said, enum quorum_result vote)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < voters->count; i++)
		count += said->votes[voters->items[i]] == vote;
	return count;
}

static void a_vote_is_decided_when_the_rest_cannot_change_it(void **state)
{
	unsigned seed = 2;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct raft_ids voters = {0};
		struct said said;
		enum quorum_result result;
		uint32_t yes, no;

		random_ids(&voters, &seed, 9);
		random_said(&said, &seed);
		result = quorum_vote(&voters, voted, &said);
		yes = count_votes(&voters, &said, QUORUM_WON);
		no = count_votes(&voters, &said, QUORUM_LOST);
		assert_int_equal(result == QUORUM_WON, voters.count == 0 || yes * 2 > voters.count);
		assert_int_equal(result == QUORUM_LOST, voters.count > 0 && no * 2 >= voters.count);
		raft_ids_close(&voters);
	}
}

static void a_joint_result_needs_both_halves(void **state)
{
	unsigned seed = 3;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct raft_conf_state conf = {0}, swapped;
		struct said said;
		enum quorum_result incoming, outgoing, result;
		uint64_t committed;

		random_ids(&conf.voters, &seed, 7);
		random_ids(&conf.voters_outgoing, &seed, 7);
		random_said(&said, &seed);
		swapped = (struct raft_conf_state){
			.voters = conf.voters_outgoing, .voters_outgoing = conf.voters};
		committed = quorum_joint_committed(&conf, acked, &said);
		assert_true(committed <= quorum_committed(&conf.voters, acked, &said));
		assert_true(committed <= quorum_committed(&conf.voters_outgoing, acked, &said));
		assert_true(committed == quorum_committed(&conf.voters, acked, &said) ||
			    committed == quorum_committed(&conf.voters_outgoing, acked, &said));
		assert_true(committed == quorum_joint_committed(&swapped, acked, &said));

		incoming = quorum_vote(&conf.voters, voted, &said);
		outgoing = quorum_vote(&conf.voters_outgoing, voted, &said);
		result = quorum_joint_vote(&conf, voted, &said);
		assert_int_equal(result == QUORUM_WON, incoming == QUORUM_WON && outgoing == QUORUM_WON);
		assert_int_equal(result == QUORUM_LOST, incoming == QUORUM_LOST || outgoing == QUORUM_LOST);
		assert_int_equal(result, quorum_joint_vote(&swapped, voted, &said));
		raft_conf_state_close(&conf);
	}
}

static void one_half_is_not_joint(void **state)
{
	struct raft_conf_state conf = {0};
	struct said said = {.indexes = {[1] = 10, [2] = 5}, .votes = {[1] = QUORUM_WON, [2] = QUORUM_LOST}};

	(void)state;
	raft_ids_insert(&conf.voters, 1);
	raft_ids_insert(&conf.voters_outgoing, 2);
	assert_int_equal(quorum_joint_committed(&conf, acked, &said), 5);
	assert_int_equal(quorum_joint_vote(&conf, voted, &said), QUORUM_LOST);
#ifdef RAFTKV_PLANT
	plant_choose("raft:joint_one_half");
	assert_int_equal(quorum_joint_committed(&conf, acked, &said), 10);
	assert_int_equal(quorum_joint_vote(&conf, voted, &said), QUORUM_WON);
	plant_choose(NULL);
#endif
	raft_conf_state_close(&conf);
}

static void results_have_their_names(void **state)
{
	(void)state;
	assert_string_equal(quorum_result_name(QUORUM_PENDING), "VotePending");
	assert_string_equal(quorum_result_name(QUORUM_LOST), "VoteLost");
	assert_string_equal(quorum_result_name(QUORUM_WON), "VoteWon");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(committed_is_the_highest_index_of_a_majority),
		cmocka_unit_test(a_vote_is_decided_when_the_rest_cannot_change_it),
		cmocka_unit_test(a_joint_result_needs_both_halves),
		cmocka_unit_test(one_half_is_not_joint),
		cmocka_unit_test(results_have_their_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
