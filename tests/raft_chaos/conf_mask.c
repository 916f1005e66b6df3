#include "tests/raft_chaos/conf_mask.h"

static uint8_t mask_of(const struct raft_ids *ids)
{
	uint8_t mask = 0;

	for (uint32_t i = 0; i < ids->count; i++)
		if (ids->items[i] <= NODES_MAX)
			mask = (uint8_t)(mask | 1u << ids->items[i]);
	return mask;
}

struct conf_mask conf_mask_of(const struct raft_conf_state *state)
{
	return (struct conf_mask){
		.voters = mask_of(&state->voters),
		.outgoing = mask_of(&state->voters_outgoing),
		.learners = mask_of(&state->learners),
		.learners_next = mask_of(&state->learners_next),
		.auto_leave = state->auto_leave,
	};
}

static int ids_of(uint8_t mask, struct raft_ids *ids)
{
	int status = 0;

	for (uint64_t id = 1; id <= NODES_MAX && status == 0; id++)
		if (mask_has(mask, id))
			status = raft_ids_insert(ids, id);
	return status;
}

int conf_mask_to_state(const struct conf_mask *mask, struct raft_conf_state *state)
{
	int status = ids_of(mask->voters, &state->voters);

	if (status == 0)
		status = ids_of(mask->outgoing, &state->voters_outgoing);
	if (status == 0)
		status = ids_of(mask->learners, &state->learners);
	if (status == 0)
		status = ids_of(mask->learners_next, &state->learners_next);
	state->auto_leave = mask->auto_leave;
	return status;
}

bool conf_mask_equal(const struct conf_mask *a, const struct conf_mask *b)
{
	return a->voters == b->voters && a->outgoing == b->outgoing && a->learners == b->learners &&
	       a->learners_next == b->learners_next && a->auto_leave == b->auto_leave;
}

static bool is_majority(uint8_t of, uint8_t held)
{
	return __builtin_popcount(of & held) > __builtin_popcount(of) / 2;
}

bool conf_mask_is_quorum(const struct conf_mask *mask, uint8_t held)
{
	return is_majority(mask->voters, held) && (mask->outgoing == 0 || is_majority(mask->outgoing, held));
}
