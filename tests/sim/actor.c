#include "tests/sim/actor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/container.h"
#include "tests/sim/violation.h"
#include "tests/sim/work.h"

#define CALM_MOST (3 * (uint64_t)SIM_S)

void actor_init(struct actor *actor, struct mount *mount, uint32_t number, struct work *work, uint64_t rest)
{
	*actor = (struct actor){.mount = mount, .number = number, .work = work, .rest = rest};
	actor->bytes = malloc(ACTOR_BYTES_MAX);
	check(actor->bytes);
}

/* ---- Rests ---- */

static void on_rested(struct env_timer *timer)
{
	struct actor *actor = container_of(timer, struct actor, timer);

	actor->next(actor);
}

void actor_rest(struct actor *actor, void (*next)(struct actor *actor))
{
	uint64_t rest = work_random(actor->work, actor->rest + 1);

	actor->next = next;
	env_timer_start(&actor->timer, actor->mount->loop, env_now(actor->mount->env) + rest, on_rested);
}

/* ---- Answers ---- */

static enum answer_kind kind_of(const struct actor *actor, int error)
{
	switch (error) {
	case -EIO:
	case -ETIMEDOUT:
		return ANSWER_OPEN;
	case -ENOSPC:
		if (!actor->work->stage->may_be_full)
			violation("actor %u: no space, and no disk is full", actor->number);
		return ANSWER_NEVER;
	default:
		return ANSWER_DONE;
	}
}

/* Operations that wait for each other end only when one has waited for too long (PEER_LIMIT_NS, 4 s). */
static void note_time(struct actor *actor)
{
	struct stage *stage = actor->work->stage;
	uint64_t time = sim_time(stage->world) - actor->asked;

	if (!stage->is_calm)
		return;
	if (time > stage->longest)
		stage->longest = time;
	if (time > CALM_MOST)
		violation("actor %u of %s: an operation took %.1f s, and nothing has failed", actor->number,
			actor->work->kind->name, (double)time / SIM_S);
}

static void deliver(struct actor *actor, struct answer *answer)
{
	struct stage *stage = actor->work->stage;

	check(actor->is_waiting);
	actor->is_waiting = false;
	note_time(actor);
	answer->kind = kind_of(actor, answer->error);
	*(answer->kind == ANSWER_DONE	       ? &stage->done
		: answer->kind == ANSWER_NEVER ? &stage->never
					       : &stage->open) += 1;
	actor->answered(actor, answer);
}

void actor_enter(struct actor *actor, const struct answer *answer, uint64_t result)
{
	if (answer->kind == ANSWER_DONE)
		history_done(actor->history, actor->operation, result);
	else if (answer->kind == ANSWER_NEVER)
		history_never(actor->history, actor->operation);
}

/* ---- Changes ---- */

static void on_called(struct client_call *call, int error, const struct op_reply *reply)
{
	struct actor *actor = container_of(call, struct actor, call);
	struct answer answer = {.error = error, .reply = reply};

	deliver(actor, &answer);
}

void actor_call(struct actor *actor, const struct op *op, struct buf *payload, actor_cb answered)
{
	check(!actor->is_waiting);
	actor->is_waiting = true;
	actor->asked = sim_time(actor->work->stage->world);
	actor->answered = answered;
	actor->call = (struct client_call){.loop = actor->mount->loop, .done = on_called};
	check(client_call(actor->mount->client, &actor->call, op, payload) == 0);
	buf_unref(payload);
}

/* ---- Questions ---- */

static void on_read(struct client_read *read, int error)
{
	struct actor *actor = container_of(read, struct actor, read);
	struct answer answer = {.error = error, .finding = &actor->finding};

	deliver(actor, &answer);
}

static void begin_names(void *argument)
{
	((struct actor *)argument)->mask = 0;
}

static int take_name(void *argument, const struct read_entry *entry)
{
	struct actor *actor = argument;
	const char *name = entry->name.data;

	if (name[0] != '.')
		actor->named(actor, entry->name, entry->ino);
	return 0;
}

static void ask(struct actor *actor, const struct question *question, actor_cb answered)
{
	check(!actor->is_waiting);
	actor->is_waiting = true;
	actor->asked = sim_time(actor->work->stage->world);
	actor->answered = answered;
	actor->read = (struct client_read){.loop = actor->mount->loop,
		.question = *question,
		.finding = &actor->finding,
		.done = on_read};
	actor->finding = (struct finding){
		.bytes = actor->bytes, .begin = begin_names, .entry = take_name, .argument = actor};
	client_read(actor->mount->client, &actor->read);
}

void actor_read_file(struct actor *actor, uint64_t ino, actor_cb answered)
{
	ask(actor, &(struct question){.kind = QUESTION_DATA, .ino = ino, .size = ACTOR_BYTES_MAX}, answered);
}

void actor_lookup(struct actor *actor, uint64_t directory, const char *name, actor_cb answered)
{
	ask(actor,
		&(struct question){
			.kind = QUESTION_LOOKUP, .ino = directory, .name = slice_of(name, strlen(name))},
		answered);
}

void actor_look_at(struct actor *actor, uint64_t ino, actor_cb answered)
{
	ask(actor, &(struct question){.kind = QUESTION_ATTRIBUTES, .ino = ino}, answered);
}

void actor_list(struct actor *actor, uint64_t directory, actor_name_cb named, actor_cb answered)
{
	actor->named = named;
	ask(actor, &(struct question){.kind = QUESTION_DIRECTORY, .ino = directory, .size = ACTOR_BYTES_MAX},
		answered);
}
