/*
 * Counters: the actor that holds the lock of a file reads it and writes it again. No change is lost. A mount that sleeps
 * while it holds the lock, and whose session ends, is refused from then on.
 *
 * The lock itself needs no checker: while it works, each write follows the read before it, as if both were one operation;
 * if it did not, two writes would follow the same read.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/check.h"
#include "tests/sim/violation.h"
#include "tests/sim/work.h"

#define COUNTERS 2u

enum { READ, CHANGE /* from `other` to `argument` */ };

struct counters {
	struct work work;
	struct {
		uint64_t ino;
		struct history history;
	} files[COUNTERS];
};

static void init(struct work *work)
{
	for (uint32_t i = 0; i < COUNTERS; i++)
		history_init(&((struct counters *)work)->files[i].history, &work->stage->clock);
}

static struct history *use_history(struct actor *actor)
{
	return actor->history = &((struct counters *)actor->work)->files[actor->other].history;
}

/* ---- Locks ---- */

static void set_lock(struct actor *actor, enum lock_type type, actor_cb answered)
{
	const struct op op = {.kind = OP_LOCK,
		.lock = {.ino = actor->ino,
			.lock = {.kind = LOCK_FLOCK,
				.type = type,
				.owner = actor->number,
				.end = INT64_MAX,
				.pid = 1}}};

	actor_call(actor, &op, NULL, answered);
}

/* Whoever lost its session has lost its locks with it. */
static bool has_session(const struct actor *actor)
{
	return client_session(actor->mount->client) == actor->session;
}

static void unlock(struct actor *actor);

static void on_unlocked(struct actor *actor, const struct answer *answer)
{
	work_expect(actor, answer, "an unlock");
	if (answer->kind == ANSWER_DONE)
		work_finish(actor);
	else
		actor_rest(actor, unlock);
}

static void unlock(struct actor *actor)
{
	if (has_session(actor))
		set_lock(actor, FS_LOCK_NONE, on_unlocked);
	else
		work_finish(actor);
}

/* ---- Under the lock ---- */

static void on_changed(struct actor *actor, const struct answer *answer)
{
	work_expect(actor, answer, "a write");
	actor_enter(actor, answer, 1);
	unlock(actor);
}

static void change(struct actor *actor)
{
	const struct op op = {.kind = OP_WRITE, .write = {.ino = actor->ino}};
	struct history_operation operation = {.kind = CHANGE,
		.argument = use_history(actor)->count + 1,
		.other = actor->value,
		.client = actor->number};
	struct buf *payload = buf_copy(&operation.argument, 8);

	check(payload);
	if (!has_session(actor)) {
		buf_unref(payload);
		work_finish(actor);
		return;
	}
	actor->operation = history_ask(actor->history, &operation);
	actor_call(actor, &op, payload, on_changed);
}

static void take_value(struct actor *actor, const struct answer *answer)
{
	actor->value = 0;
	work_expect(actor, answer, "a read");
	if (answer->kind == ANSWER_DONE && answer->finding->count != 8)
		violation("counter %" PRIu64 ": %zu bytes", actor->other, answer->finding->count);
	if (answer->kind == ANSWER_DONE)
		memcpy(&actor->value, actor->bytes, 8);
	actor_enter(actor, answer, actor->value);
}

/* Sometimes it takes its time. */
static void on_read(struct actor *actor, const struct answer *answer)
{
	take_value(actor, answer);
	if (answer->kind != ANSWER_DONE)
		unlock(actor);
	else if (work_random(actor->work, 2) == 0)
		actor_rest(actor, change);
	else
		change(actor);
}

static void read_value(struct actor *actor, actor_cb answered)
{
	actor->operation = history_ask(
		use_history(actor), &(struct history_operation){.kind = READ, .client = actor->number});
	actor_read_file(actor, actor->ino, answered);
}

static void on_locked(struct actor *actor, const struct answer *answer)
{
	if (answer->error == -EAGAIN) {
		work_finish(actor);
		return;
	}
	work_expect(actor, answer, "a lock");
	if (answer->kind == ANSWER_DONE && has_session(actor)) {
		read_value(actor, on_read);
		return;
	}
	/* If the session was lost meanwhile, nobody knows which one has the lock: perhaps the present one. */
	actor->session = client_session(actor->mount->client);
	unlock(actor);
}

/* ---- The work ---- */

static void choose(struct actor *actor, uint64_t number)
{
	actor->other = number;
	actor->ino = ((struct counters *)actor->work)->files[number].ino;
}

static void begin(struct actor *actor)
{
	choose(actor, work_random(actor->work, COUNTERS));
	actor->session = client_session(actor->mount->client);
	set_lock(actor, FS_LOCK_WRITE, on_locked);
}

/* Each is made, then written as 0. */
static bool prepare(struct actor *actor, uint32_t step)
{
	struct counters *counters = (struct counters *)actor->work;
	uint32_t number = (step - 1) / 2;

	if (step == 0) {
		work_make_directory(actor);
	} else if (number < COUNTERS && step % 2 == 1) {
		work_make(actor, actor->work->directory, work_name(actor, 'c', number), S_IFREG | 0644,
			&counters->files[number].ino);
	} else if (number < COUNTERS) {
		choose(actor, number);
		actor->session = client_session(actor->mount->client);
		actor->value = 0;
		change(actor);
	}
	return step == 0 || number < COUNTERS;
}

static void on_looked(struct actor *actor, const struct answer *answer)
{
	take_value(actor, answer);
	work_finish(actor);
}

static void on_taken(struct actor *actor, const struct answer *answer)
{
	if (answer->kind != ANSWER_DONE || answer->error < 0)
		violation("counter %" PRIu64 ": its lock is not given back by actor %" PRIu64
			  " of session %" PRIu64 ": %s",
			actor->other, answer->reply->blocker.owner, answer->reply->blocker.session,
			strerror(-answer->error));
	read_value(actor, on_looked);
}

/* Every lock can be had: of those that died with it, too. */
static bool look(struct actor *actor, uint32_t step)
{
	if (step >= COUNTERS)
		return false;
	choose(actor, step);
	actor->session = client_session(actor->mount->client);
	set_lock(actor, FS_LOCK_READ, on_taken);
	return true;
}

static bool step(const struct history_operation *operation, uint64_t state, uint64_t *next)
{
	*next = operation->kind == CHANGE ? operation->argument : state;
	if (operation->kind == CHANGE)
		return operation->other == state;
	return operation->outcome == HISTORY_OPEN || operation->result == state;
}

static const char *name(const struct history_operation *operation, char *text, size_t size)
{
	if (operation->kind == CHANGE)
		snprintf(text, size, "change from %" PRIu64 " to %" PRIu64, operation->other,
			operation->argument);
	else
		snprintf(text, size, "read -> %" PRIu64, operation->result);
	return text;
}

static void judge(const struct work *work)
{
	static const struct linear_object counter = {.step = step};

	for (uint32_t i = 0; i < COUNTERS; i++)
		work_judge(work, &counter, &((const struct counters *)work)->files[i].history, i, name);
}

const struct work_kind counters_work = {.name = "counters",
	.size = sizeof(struct counters),
	.init = init,
	.prepare = prepare,
	.begin = begin,
	.look = look,
	.judge = judge};
