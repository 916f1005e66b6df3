/* What an attempt asks of other regions: rows that it needs, and to prepare its intents. */
#include "fs/transact/attempt.h"

#include <errno.h>
#include <string.h>

#include "fs/intents/facts_held.h"
#include "proto/container.h"
#include "proto/plant.h"

/* ---- Rows of other regions ---- */

static void note_failure(struct attempt_state *state, int status)
{
	if (status < 0 && state->status == 0)
		state->status = status;
	if (status < 0)
		peer_calls_give_up(&state->calls, -ECANCELED);
}

/* Whether another attempt may do better. */
static bool is_passing(int status)
{
	return status == -EAGAIN || status == -EBUSY || status == -ETIMEDOUT || status == -ECONNRESET ||
	       status == STATUS_INCOMPLETE || status_is_transient(status);
}

static bool attempt_has_failed(struct attempt_state *state)
{
	int status = state->status;

	if (status == 0)
		return false;
	if (is_passing(status))
		attempt_again(state);
	else
		attempt_fail(state, status);
	return true;
}

/* In front of the older ones: of two facts about a row the first counts. */
static void add_facts(struct attempt_state *state, struct slice facts)
{
	struct writer older = state->facts;
	struct slice rest = writer_written(&older);

	state->facts = writer_growing(FACTS_SIZE_MAX);
	writer_bytes(&state->facts, facts.data, facts.size);
	writer_bytes(&state->facts, rest.data, rest.size);
	writer_close(&older);
}

static void on_facts(struct peer_calls *calls, int status, struct slice facts, const struct op_reply *reply)
{
	struct attempt_state *state = container_of(calls, struct attempt_state, calls);

	(void)reply;
	if (status == 0)
		add_facts(state, facts);
	if (status == 0)
		status = state->facts.status;
	if (status == -E2BIG || state->facts.status == STATUS_LIMIT)
		status = -EXDEV; /* it needs too many rows, such as a path of a thousand directories */
	note_failure(state, status);
}

/* Is the answer right? Without one: do the facts still contradict each other? */
static bool is_confirmed(const struct attempt_state *state)
{
	struct slice before = buf_slice(state->checked), now = writer_written(&state->facts);

	PLANT("transactions:facts_not_compared", return true);
	return state->answer ? facts_held(before, now) : facts_are_same(before, now);
}

/* The answer of a retry must be recorded, so the store gets it once more. */
static void attempt_on_checked(struct attempt_state *state)
{
	if (!is_confirmed(state)) {
		attempt_drop_answer(state);
		attempt_evaluate(state);
	} else if (!state->answer) {
		attempt_fail(state, STATUS_CORRUPT);
	} else if (state->is_retry) {
		state->is_answered = true;
		attempt_evaluate(state);
	} else {
		struct buf *answer = buf_ref(state->answer);

		attempt_succeed(state, answer);
		buf_unref(answer);
	}
}

static void on_all_facts(struct peer_calls *calls)
{
	struct attempt_state *state = container_of(calls, struct attempt_state, calls);

	if (attempt_has_failed(state))
		return;
	if (state->checked)
		attempt_on_checked(state);
	else
		attempt_evaluate(state);
}

static void attempt_call(struct attempt_state *state,
	void (*answered)(
		struct peer_calls *calls, int status, struct slice facts, const struct op_reply *reply),
	void (*done)(struct peer_calls *calls))
{
	state->calls = (struct peer_calls){.peers = state->transactions->options.peers,
		.limit = PEER_LIMIT_NS,
		.answered = answered,
		.done = done};
}

static void ask_all(struct attempt_state *state, struct slice list)
{
	struct wanted wanted;
	int status = 0;

	attempt_call(state, on_facts, on_all_facts);
	while (status == 0 && wanted_next(&list, &wanted))
		status = peer_calls_ask(&state->calls, &wanted);
	note_failure(state, status);
	if (!peer_calls_wait(&state->calls))
		on_all_facts(&state->calls);
}

void attempt_ask(struct attempt_state *state, struct slice list)
{
	writer_bytes(&state->wanted, list.data, list.size);
	if (state->wanted.status < 0)
		attempt_fail(state, -EXDEV);
	else
		ask_all(state, list);
}

void attempt_check(struct attempt_state *state, struct slice reply)
{
	int status = state->facts.size > 0 ? writer_take(&state->facts, &state->checked) : STATUS_MALFORMED;

	state->facts = writer_growing(FACTS_SIZE_MAX);
	if (status == 0 && reply.size > 0) {
		state->answer = buf_copy(reply.data, reply.size);
		status = state->answer ? 0 : -ENOMEM;
	}
	if (status < 0)
		attempt_fail(state, status);
	else
		ask_all(state, writer_written(&state->wanted));
}

/* ---- Intents ---- */

static void on_prepared(
	struct peer_calls *calls, int status, struct slice facts, const struct op_reply *reply)
{
	struct attempt_state *state = container_of(calls, struct attempt_state, calls);

	(void)facts;
	note_failure(state, status == 0 ? reply->error : status);
}

/* The ancestors may have changed up to the moment when the tree's intent was put. */
static void on_all_prepared(struct peer_calls *calls)
{
	struct attempt_state *state = container_of(calls, struct attempt_state, calls);

	if (attempt_has_failed(state))
		return;
	state->prepared_size = state->intents->size;
	if (state->has_tree && !planted("transactions:rows_before_the_tree"))
		attempt_drop_facts(state);
	attempt_evaluate(state);
}

/* Prepares the intents at the front of `*rest` that are of one dirid. */
static int prepare_some(struct attempt_state *state, struct slice *rest, uint32_t *index)
{
	const uint8_t *begin = rest->data;
	struct op op = {.kind = OP_PREPARE,
		.prepare = {.attempt = state->attempt,
			.age = transactions_age(state->change),
			.wall = state->wall,
			.first = *index}};
	struct slice next = *rest;
	struct intent intent;
	uint64_t dirid = FS_DIRID_END;

	while (intent_next(&next, &intent) && (dirid == FS_DIRID_END || fs_ino_dirid(intent.ino) == dirid)) {
		dirid = fs_ino_dirid(intent.ino);
		state->has_tree = state->has_tree || intent.kind == INTENT_TREE;
		*rest = next;
		++*index;
	}
	op.prepare.intents = slice_of(begin, (size_t)((const uint8_t *)rest->data - begin));
	return peer_calls_run(&state->calls, &op, true);
}

static bool begins_with(struct slice list, struct slice front)
{
	return list.size >= front.size && (front.size == 0 || memcmp(list.data, front.data, front.size) == 0);
}

void attempt_prepare(struct attempt_state *state, struct slice list)
{
	struct slice prepared = slice_of(buf_slice(state->intents).data, state->prepared_size), rest;
	struct intent intent;
	uint32_t index = 0;
	int status = 0;

	if (list.size == prepared.size || !begins_with(list, prepared)) {
		attempt_again(state);
		return;
	}
	buf_unref(state->intents);
	state->intents = buf_copy(list.data, list.size);
	if (!state->intents) {
		attempt_fail(state, -ENOMEM);
		return;
	}
	rest = buf_slice(state->intents);
	while (list.size - rest.size < prepared.size && intent_next(&rest, &intent))
		index++;
	attempt_call(state, on_prepared, on_all_prepared);
	state->has_tree = false;
	while (status == 0 && rest.size > 0)
		status = prepare_some(state, &rest, &index);
	note_failure(state, status);
	if (!peer_calls_wait(&state->calls))
		on_all_prepared(&state->calls);
}
