#include "raft/quorum.h"

#include "proto/plant.h"

#define SORTED_MAX 16 /* voters whose indexes are sorted on the stack */

static uint64_t acked_or_zero(quorum_acked_cb acked, const void *argument, uint64_t id)
{
	uint64_t index = 0;

	return acked(argument, id, &index) ? index : 0;
}

/* For more voters than are sorted on the stack: the highest index that enough voters have reached. */
static uint64_t committed_of_many(const struct raft_ids *voters, quorum_acked_cb acked, const void *argument)
{
	uint64_t committed = 0;

	for (uint32_t i = 0; i < voters->count; i++) {
		uint64_t index = acked_or_zero(acked, argument, voters->items[i]);
		uint32_t reached = 0;

		if (index <= committed)
			continue;
		for (uint32_t j = 0; j < voters->count; j++)
			reached += acked_or_zero(acked, argument, voters->items[j]) >= index;
		if (reached > voters->count / 2)
			committed = index;
	}
	return committed;
}

uint64_t quorum_committed(const struct raft_ids *voters, quorum_acked_cb acked, const void *argument)
{
	uint64_t sorted[SORTED_MAX];

	if (voters->count == 0)
		return QUORUM_EVERYTHING;
	if (voters->count > SORTED_MAX)
		return committed_of_many(voters, acked, argument);
	for (uint32_t i = 0; i < voters->count; i++) {
		uint64_t index = acked_or_zero(acked, argument, voters->items[i]);
		uint32_t at = i;

		for (; at > 0 && sorted[at - 1] < index; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = index;
	}
	return sorted[voters->count / 2];
}

uint64_t quorum_joint_committed(
	const struct raft_conf_state *conf, quorum_acked_cb acked, const void *argument)
{
	uint64_t incoming = quorum_committed(&conf->voters, acked, argument);
	uint64_t outgoing = quorum_committed(&conf->voters_outgoing, acked, argument);

	if (planted("raft:joint_one_half"))
		return incoming;
	return incoming < outgoing ? incoming : outgoing;
}

enum quorum_result quorum_vote(const struct raft_ids *voters, quorum_vote_cb vote, const void *argument)
{
	uint32_t counts[] = {[QUORUM_PENDING] = 0, [QUORUM_LOST] = 0, [QUORUM_WON] = 0};
	uint32_t needed = voters->count / 2 + 1;

	if (voters->count == 0)
		return QUORUM_WON;
	for (uint32_t i = 0; i < voters->count; i++)
		counts[vote(argument, voters->items[i])]++;
	if (counts[QUORUM_WON] >= needed)
		return QUORUM_WON;
	return counts[QUORUM_WON] + counts[QUORUM_PENDING] >= needed ? QUORUM_PENDING : QUORUM_LOST;
}

enum quorum_result quorum_joint_vote(
	const struct raft_conf_state *conf, quorum_vote_cb vote, const void *argument)
{
	enum quorum_result incoming = quorum_vote(&conf->voters, vote, argument);
	enum quorum_result outgoing = quorum_vote(&conf->voters_outgoing, vote, argument);

	if (planted("raft:joint_one_half"))
		return incoming;
	if (incoming == outgoing)
		return incoming;
	return incoming == QUORUM_LOST || outgoing == QUORUM_LOST ? QUORUM_LOST : QUORUM_PENDING;
}

const char *quorum_result_name(enum quorum_result result)
{
	static const char *const names[] = {"VotePending", "VoteLost", "VoteWon"};

	return names[result];
}
