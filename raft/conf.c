/*
 * Sets of node ids and configurations made of them, as declared in raft.h. A group has few members, so a set is a sorted
 * array.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "raft/raft.h"

#define IDS_CAPACITY_FIRST 4

/* The position of `id`, or the position at which to insert it. */
static uint32_t ids_find(const struct raft_ids *ids, uint64_t id)
{
	uint32_t at = 0;

	while (at < ids->count && ids->items[at] < id)
		at++;
	return at;
}

bool raft_ids_has(const struct raft_ids *ids, uint64_t id)
{
	uint32_t at = ids_find(ids, id);

	return at < ids->count && ids->items[at] == id;
}

static int ids_reserve(struct raft_ids *ids, uint32_t capacity)
{
	uint64_t *items;

	if (capacity <= ids->capacity)
		return 0;
	if (capacity < IDS_CAPACITY_FIRST)
		capacity = IDS_CAPACITY_FIRST;
	items = realloc(ids->items, capacity * sizeof *items);
	if (!items)
		return -ENOMEM;
	ids->items = items;
	ids->capacity = capacity;
	return 0;
}

int raft_ids_insert(struct raft_ids *ids, uint64_t id)
{
	uint32_t at = ids_find(ids, id);
	int status;

	if (at < ids->count && ids->items[at] == id)
		return 0;
	status = ids->count < ids->capacity ? 0 : ids_reserve(ids, ids->count * 2 + 1);
	if (status != 0)
		return status;
	memmove(&ids->items[at + 1], &ids->items[at], (ids->count - at) * sizeof *ids->items);
	ids->items[at] = id;
	ids->count++;
	return 0;
}

void raft_ids_remove(struct raft_ids *ids, uint64_t id)
{
	uint32_t at = ids_find(ids, id);

	if (at == ids->count || ids->items[at] != id)
		return;
	ids->count--;
	memmove(&ids->items[at], &ids->items[at + 1], (ids->count - at) * sizeof *ids->items);
}

bool raft_ids_equal(const struct raft_ids *a, const struct raft_ids *b)
{
	if (a->count != b->count)
		return false;
	return a->count == 0 || memcmp(a->items, b->items, a->count * sizeof *a->items) == 0;
}

int raft_ids_copy(struct raft_ids *to, const struct raft_ids *from)
{
	int status = ids_reserve(to, from->count);

	if (status != 0)
		return status;
	if (from->count > 0)
		memmove(to->items, from->items, from->count * sizeof *to->items);
	to->count = from->count;
	return 0;
}

void raft_ids_close(struct raft_ids *ids)
{
	free(ids->items);
	*ids = (struct raft_ids){0};
}

int raft_conf_state_copy(struct raft_conf_state *to, const struct raft_conf_state *from)
{
	struct raft_conf_state copy = {.auto_leave = from->auto_leave};

	if (to == from)
		return 0;
	if (raft_ids_copy(&copy.voters, &from->voters) != 0 ||
		raft_ids_copy(&copy.voters_outgoing, &from->voters_outgoing) != 0 ||
		raft_ids_copy(&copy.learners, &from->learners) != 0 ||
		raft_ids_copy(&copy.learners_next, &from->learners_next) != 0) {
		raft_conf_state_close(&copy);
		return -ENOMEM;
	}
	raft_conf_state_close(to);
	*to = copy;
	return 0;
}

bool raft_conf_state_equal(const struct raft_conf_state *a, const struct raft_conf_state *b)
{
	return raft_ids_equal(&a->voters, &b->voters) &&
	       raft_ids_equal(&a->voters_outgoing, &b->voters_outgoing) &&
	       raft_ids_equal(&a->learners, &b->learners) &&
	       raft_ids_equal(&a->learners_next, &b->learners_next) && a->auto_leave == b->auto_leave;
}

void raft_conf_state_close(struct raft_conf_state *state)
{
	raft_ids_close(&state->voters);
	raft_ids_close(&state->voters_outgoing);
	raft_ids_close(&state->learners);
	raft_ids_close(&state->learners_next);
	state->auto_leave = false;
}
