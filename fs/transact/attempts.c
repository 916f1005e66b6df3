/* The attempts of a change, one after another, up to the commit. */
#include "fs/transact/attempt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "proto/backoff.h"
#include "proto/check.h"
#include "proto/container.h"
#include "proto/plant.h"

static const struct backoff rests = {.first = 2 * NS_PER_MS, .most = 256 * NS_PER_MS};

static void attempt_begin(struct attempt_state *state);

/* ---- Ending ---- */

void attempt_drop_answer(struct attempt_state *state)
{
	buf_unref(state->checked);
	buf_unref(state->answer);
	state->checked = state->answer = NULL;
	state->is_answered = false;
}

void attempt_drop_facts(struct attempt_state *state)
{
	writer_close(&state->facts);
	writer_close(&state->wanted);
	state->facts = writer_growing(FACTS_SIZE_MAX);
	state->wanted = writer_growing(FACTS_SIZE_MAX);
}

/* Forgets what the attempt knew. */
static void attempt_reset(struct attempt_state *state)
{
	attempt_drop_facts(state);
	attempt_drop_answer(state);
	buf_unref(state->intents);
	state->intents = NULL;
	state->prepared_size = 0;
	state->status = 0;
}

/* Frees it; the change goes on. */
static struct transactions_change *attempt_free(struct attempt_state *state)
{
	struct transactions_change *change = state->change;
	struct transactions *transactions = state->transactions;

	attempt_reset(state);
	DL_DELETE(transactions->attempts, state);
	transactions->attempt_count--;
	free(state);
	change->state = NULL;
	return change;
}

static int add_place(const struct intent *intent, uint32_t index, struct writer *places)
{
	const struct intent_place place = {.ino = intent->ino, .index = index};

	intent_place_encode(&place, places);
	return places->status;
}

/* The places of the intents that may be there; NULL: none, or no memory. */
static struct buf *places_of(const struct attempt_state *state)
{
	struct slice rest = buf_slice(state->intents);
	struct writer writer = writer_growing(INTENTS_SIZE_MAX);
	struct intent intent;
	struct buf *places = NULL;

	for (uint32_t i = 0; intent_next(&rest, &intent); i++)
		add_place(&intent, i, &writer);
	if (writer.size > 0)
		writer_take(&writer, &places);
	writer_close(&writer);
	return places;
}

/* The attempt is over, or (RESOLUTION_LOOKS) may have committed: its intents are resolved, and `done` comes then. */
static void attempt_resolve(
	struct attempt_state *state, enum resolution_kind kind, void (*done)(void *argument), void *argument)
{
	struct transactions *transactions = state->transactions;
	struct attempt attempt = state->attempt;
	struct buf *places = places_of(state);

	state->is_entered = false;
	if (places) {
		resolutions_begin(transactions, &attempt, kind, places, done, argument);
		buf_unref(places);
		return;
	}
	if (kind == RESOLUTION_LOOKS)
		attempt_table_leave(&transactions->table, &attempt);
	else
		attempt_table_remove(&transactions->table, &attempt);
	if (done)
		done(argument);
}

void attempt_fail(struct attempt_state *state, int status)
{
	if (state->is_entered)
		attempt_resolve(state, RESOLUTION_ROLLS_BACK, NULL, NULL);
	transactions_finish(attempt_free(state), status, NULL);
}

/* It is not known whether it has committed; it is pending while its term lasts. */
static void attempt_leave(struct attempt_state *state, int status)
{
	attempt_table_leave(&state->transactions->table, &state->attempt);
	PLANT("transactions:over_while_unknown",
		attempt_table_remove(&state->transactions->table, &state->attempt));
	state->is_entered = false;
	transactions_finish(attempt_free(state), status, NULL);
}

static bool may_have_committed(const struct attempt_state *state, struct buf *reply)
{
	struct op_reply decoded;

	return state->prepared_size > 0 && op_reply_decode(buf_slice(reply), &decoded) == 0 &&
	       decoded.error == 0;
}

void attempt_succeed(struct attempt_state *state, struct buf *reply)
{
	bool is_unknown = may_have_committed(state, reply);
	struct transactions_change *change;

	attempt_resolve(state, is_unknown ? RESOLUTION_LOOKS : RESOLUTION_ROLLS_BACK, NULL, NULL);
	change = attempt_free(state);
	transactions_finish(change, 0, reply);
}

/* ---- Again ---- */

static void attempt_on_rested(struct env_timer *timer)
{
	attempt_begin(container_of(timer, struct attempt_state, rest));
}

static void attempt_rest(void *argument)
{
	struct attempt_state *state = argument;
	struct transactions *transactions = state->transactions;
	uint64_t rest = backoff_draw(&rests, state->change->tries++, transactions->env);

	attempt_reset(state);
	env_timer_start(&state->rest, transactions->options.loop, env_now(transactions->env) + rest,
		attempt_on_rested);
}

void attempt_again(struct attempt_state *state)
{
	if (transactions_is_late(state->change) || state->transactions->is_stopping)
		attempt_fail(state, STATUS_NOT_READY);
	else
		attempt_resolve(state, RESOLUTION_ROLLS_BACK, attempt_rest, state);
}

/* ---- The anchor's region ---- */

/* Intents of other attempts are in the way. It holds none while it waits: the attempts that it would wait for may wait
 * for its own. */
static void attempt_wait(struct attempt_state *state, struct buf *lack)
{
	if (state->prepared_size > 0 && !planted("transactions:waits_with_intents")) {
		attempt_again(state);
		return;
	}
	attempt_table_remove(&state->transactions->table, &state->attempt);
	state->is_entered = false;
	transactions_await(attempt_free(state), lack);
}

static void attempt_on_lack(struct attempt_state *state, struct buf *reply)
{
	struct lack lack;

	if (state->transactions->is_stopping)
		attempt_fail(state, STATUS_STOPPING);
	else if (lack_decode(buf_slice(reply), &lack) < 0)
		attempt_fail(state, STATUS_MALFORMED);
	else if (transactions_is_late(state->change))
		attempt_fail(state, STATUS_NOT_READY);
	else if (lack.kind == LACKS_ROWS)
		attempt_ask(state, lack.list);
	else if (lack.kind == LACKS_INTENTS)
		attempt_prepare(state, lack.list);
	else if (lack.kind == LACKS_CHECK)
		attempt_check(state, lack.list);
	else
		attempt_wait(state, reply);
}

/* Whether the entry may be in the log. */
static bool is_unknown(int status)
{
	return status == STATUS_STALE_COMMAND || status == STATUS_STOPPING ||
	       status == STATUS_REGION_NOT_FOUND;
}

/* A copy has joined since, and the answer that it gets must be recorded. That of a commit is: to evaluate it again could
 * fail, and the attempt would be taken for one that is over. */
static bool must_be_recorded(
	const struct attempt_state *state, const struct raftkv_write *write, struct buf *reply)
{
	if (!state->is_retry || write->is_retry || state->transactions->is_stopping)
		return false;
	return !may_have_committed(state, reply) || planted("transactions:commit_evaluated_again");
}

static void attempt_on_evaluated(struct raftkv_write *write, int status, struct buf *reply)
{
	struct attempt_state *state = container_of(write, struct attempt_state, write);

	state->is_in_store = false;
	state->change->write.leader_store = write->leader_store;
	state->change->write.epoch = write->epoch;
	if (status == STATUS_INCOMPLETE)
		attempt_on_lack(state, reply);
	else if (status == 0 && must_be_recorded(state, write, reply))
		attempt_evaluate(state);
	else if (status == 0)
		attempt_succeed(state, reply);
	else if (is_unknown(status))
		attempt_leave(state, status);
	else
		attempt_fail(state, status);
}

void attempt_evaluate(struct attempt_state *state)
{
	const struct transactions *transactions = state->transactions;
	const struct op op = {.kind = OP_TRANSACT,
		.transact = {.attempt = state->attempt,
			.age = transactions_age(state->change),
			.wall = state->wall,
			.random = {state->random[0], state->random[1]},
			.facts = writer_written(&state->facts),
			.prepared = slice_of(buf_slice(state->intents).data, state->prepared_size),
			.body = buf_slice(state->change->write.body),
			.answer = state->is_answered ? buf_slice(state->answer) : (struct slice){0}}};
	struct buf *body;
	int status = op_encode(&op, &body);

	if (status < 0) {
		attempt_fail(state, status);
		return;
	}
	state->is_in_store = true;
	state->write = state->change->write;
	state->write.is_retry = state->is_retry;
	state->write.body = body;
	state->write.done = attempt_on_evaluated;
	raftkv_async_write(transactions->options.raftkv, &state->write);
	buf_unref(body);
}

/* ---- Beginning ---- */

/* The inode of an operation's key. */
static uint64_t anchor_of(struct slice body)
{
	struct op op;
	struct fs_key key;
	struct reader reader;

	if (op_decode(body, &op) < 0)
		return 0;
	key = op_key(&op);
	if (key.size != fs_key_inode(FS_ROOT_INO).size)
		return 0;
	reader = reader_of(slice_of(key.bytes + key.size - 4, 4));
	return fs_ino(fs_key_get_dirid(fs_key_slice(&key)), reader_u32be(&reader));
}

/* Gives the next attempt its name, time and random numbers. */
static int attempt_enter(struct attempt_state *state)
{
	struct transactions *transactions = state->transactions;
	const struct raftkv_write *write = &state->change->write;
	int status;

	state->attempt = (struct attempt){.anchor = anchor_of(buf_slice(write->body)),
		.region = write->region,
		.term = raftkv_leader_term(transactions->options.raftkv, write->region),
		.number = ++transactions->number};
	state->wall = env_wall(transactions->env);
	env_random(transactions->env, state->random, sizeof state->random);
	if (state->attempt.term == 0)
		return STATUS_NOT_LEADER;
	if (state->attempt.anchor == 0)
		return STATUS_MALFORMED;
	status = attempt_table_own(&transactions->table, &state->attempt);
	state->is_entered = status == 0;
	return status;
}

static void attempt_begin(struct attempt_state *state)
{
	int status = attempt_enter(state);

	if (status < 0)
		attempt_fail(state, status);
	else
		attempt_evaluate(state);
}

void attempts_begin(struct transactions_change *change, const struct lack *lack)
{
	struct transactions *transactions = change->transactions;
	struct attempt_state *state = NULL;
	int status;

	if (transactions->attempt_count < TRANSACTIONS_ATTEMPTS_MAX)
		state = calloc(1, sizeof *state);
	if (!state) {
		transactions_finish(change, STATUS_LIMIT, NULL);
		return;
	}
	state->transactions = transactions;
	state->change = change;
	state->is_retry = change->write.is_retry;
	attempt_drop_facts(state);
	change->state = state;
	DL_APPEND(transactions->attempts, state);
	transactions->attempt_count++;
	status = attempt_enter(state);
	if (status < 0)
		attempt_fail(state, status);
	else if (lack->kind == LACKS_ROWS)
		attempt_ask(state, lack->list);
	else
		attempt_evaluate(state);
}

struct transactions_change *attempts_find(
	const struct transactions *transactions, const struct raftkv_write *write)
{
	const struct attempt_state *state;

	DL_FOREACH(transactions->attempts, state)
	{
		const struct raftkv_write *other = &state->change->write;

		if (other->session == write->session && other->slot == write->slot &&
			other->sequence == write->sequence)
			return state->change;
	}
	return NULL;
}

void attempts_on_joined(struct transactions_change *change, const struct raftkv_write *copy)
{
	change->state->is_retry = change->state->is_retry || copy->is_retry;
}

/* One whose intents are being taken away neither is in the store, nor waits for a request or a timer of its own. */
void attempts_stop(struct transactions *transactions)
{
	struct attempt_state *state, *next;

	check(transactions->is_stopping);
	DL_FOREACH_SAFE(transactions->attempts, state, next)
	{
		if (state->is_in_store)
			continue;
		peer_calls_drop(&state->calls);
		env_timer_stop(&state->rest);
		if (state->is_entered)
			attempt_table_leave(&transactions->table, &state->attempt);
		transactions_finish(attempt_free(state), STATUS_STOPPING, NULL);
	}
}
