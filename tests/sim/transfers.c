/*
 * Transfers: tokens, which are files and directories, are renamed from one directory to another. Each is in one place at any
 * time: a rename neither loses nor duplicates it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/sim/violation.h"
#include "tests/sim/work.h"

#define PLACES 3u
#define TOKENS 12u

enum { MOVE, HAS, LIST };

/* All tokens in one history: its state has two bits of place for each. */
struct transfers {
	struct work work;
	uint64_t places[PLACES]; /* ino */
	uint64_t tokens[TOKENS]; /* ino: a rename keeps it */
	struct history history;
};

static void init(struct work *work)
{
	history_init(&((struct transfers *)work)->history, &work->stage->clock);
}

/* ---- Operations ---- */

static void ask(struct actor *actor, uint32_t kind, uint64_t token, uint64_t places)
{
	actor->history = &((struct transfers *)actor->work)->history;
	actor->operation = history_ask(actor->history,
		&(struct history_operation){
			.kind = kind, .argument = token, .other = places, .client = actor->number});
}

static void check_identity(struct actor *actor, uint64_t token, uint64_t ino)
{
	const struct transfers *transfers = (const struct transfers *)actor->work;

	if (ino != transfers->tokens[token])
		violation("token %" PRIu64 " has become another inode", token);
}

static void on_moved(struct actor *actor, const struct answer *answer)
{
	if (answer->error != -ENOENT)
		work_expect(actor, answer, "a rename");
	/* Across regions a rename does not tell the attributes of what is elsewhere. */
	if (answer->kind == ANSWER_DONE && answer->error == 0 && answer->reply->has_attributes)
		check_identity(actor, actor->value, answer->reply->attributes.ino);
	actor_enter(actor, answer, answer->error == 0);
	work_finish(actor);
}

static void move(struct actor *actor, uint64_t token)
{
	const struct transfers *transfers = (const struct transfers *)actor->work;
	const char *name = work_name(actor, 't', token);
	uint64_t from = work_random(actor->work, PLACES);
	uint64_t to = (from + 1 + work_random(actor->work, PLACES - 1)) % PLACES;
	struct op op = {.kind = OP_RENAME,
		.rename = {.parent = transfers->places[from],
			.new_parent = transfers->places[to],
			.flags = work_random(actor->work, 2) ? RENAME_NOREPLACE : 0}};

	op.rename.name = op.rename.new_name = slice_of(name, strlen(name));
	actor->value = token;
	ask(actor, MOVE, token, from << 8 | to);
	actor_call(actor, &op, NULL, on_moved);
}

static void on_looked_up(struct actor *actor, const struct answer *answer)
{
	if (answer->error != -ENOENT)
		work_expect(actor, answer, "a look-up");
	if (answer->kind == ANSWER_DONE && answer->error == 0)
		check_identity(actor, actor->value, answer->finding->attributes.ino);
	actor_enter(actor, answer, answer->error == 0);
	work_finish(actor);
}

static void take_token(struct actor *actor, struct slice name, uint64_t ino)
{
	char text[8] = {0};
	uint64_t token;

	memcpy(text, name.data, name.size < 7 ? name.size : 7);
	token = strtoull(text + 1, NULL, 10);
	if (text[0] != 't' || token >= TOKENS)
		violation("there is a token %s that nobody made", text);
	check_identity(actor, token, ino);
	actor->mask |= UINT64_C(1) << token;
}

static void on_listed(struct actor *actor, const struct answer *answer)
{
	work_expect(actor, answer, "a list");
	actor_enter(actor, answer, actor->mask);
	work_finish(actor);
}

static void list(struct actor *actor, uint64_t place)
{
	ask(actor, LIST, 0, place);
	actor_list(actor, ((struct transfers *)actor->work)->places[place], take_token, on_listed);
}

static void begin(struct actor *actor)
{
	const struct transfers *transfers = (const struct transfers *)actor->work;
	uint64_t token = work_random(actor->work, TOKENS), place = work_random(actor->work, PLACES);

	switch (work_random(actor->work, 5)) {
	case 0:
		list(actor, place);
		break;
	case 1:
		actor->value = token;
		ask(actor, HAS, token, place);
		actor_lookup(actor, transfers->places[place], work_name(actor, 't', token), on_looked_up);
		break;
	default:
		move(actor, token);
	}
}

/* ---- The work ---- */

/* The places, then the tokens, all in the first place. */
static bool prepare(struct actor *actor, uint32_t step)
{
	struct transfers *transfers = (struct transfers *)actor->work;
	uint32_t place = step - 1, token = step - 1 - PLACES;

	if (step == 0)
		work_make_directory(actor);
	else if (place < PLACES)
		work_make(actor, actor->work->directory, work_name(actor, 'p', place), S_IFDIR | 0755,
			&transfers->places[place]);
	else if (token < TOKENS)
		work_make(actor, transfers->places[0], work_name(actor, 't', token),
			token % 3 == 0 ? S_IFDIR | 0755 : S_IFREG | 0644, &transfers->tokens[token]);
	return step <= PLACES + TOKENS;
}

static bool look(struct actor *actor, uint32_t step)
{
	if (step < PLACES)
		list(actor, step);
	return step < PLACES;
}

static uint64_t place_of(uint64_t state, uint64_t token)
{
	return state >> 2 * token & 3;
}

static bool step_list(const struct history_operation *operation, uint64_t state)
{
	for (uint64_t token = 0; token < TOKENS; token++)
		if ((operation->result >> token & 1) != (place_of(state, token) == operation->other))
			return false;
	return true;
}

static bool step(const struct history_operation *operation, uint64_t state, uint64_t *next)
{
	uint64_t token = operation->argument;
	uint64_t from = operation->kind == MOVE ? operation->other >> 8 : operation->other;
	bool is_open = operation->outcome == HISTORY_OPEN, is_there = place_of(state, token) == from;

	*next = state;
	if (operation->kind == LIST)
		return is_open || step_list(operation, state);
	if (operation->kind == MOVE && is_there)
		*next = (state & ~(UINT64_C(3) << 2 * token)) | (operation->other & 3) << 2 * token;
	return is_open || operation->result == is_there;
}

static const char *name(const struct history_operation *operation, char *text, size_t size)
{
	if (operation->kind == LIST)
		snprintf(text, size, "list place %" PRIu64 " -> %03" PRIx64, operation->other,
			operation->result);
	else if (operation->kind == HAS)
		snprintf(text, size, "look for token %" PRIu64 " in place %" PRIu64 " -> %s",
			operation->argument, operation->other, operation->result ? "yes" : "no");
	else
		snprintf(text, size, "move token %" PRIu64 " from place %" PRIu64 " to %" PRIu64 " -> %s",
			operation->argument, operation->other >> 8, operation->other & 3,
			operation->result ? "yes" : "no");
	return text;
}

static void judge(const struct work *work)
{
	static const struct linear_object places = {.step = step};

	work_judge(work, &places, &((const struct transfers *)work)->history, 0, name);
}

const struct work_kind transfers_work = {.name = "transfers",
	.size = sizeof(struct transfers),
	.init = init,
	.prepare = prepare,
	.begin = begin,
	.look = look,
	.judge = judge};
