/*
 * Sets: directories in which all actors make and remove the same few names (O_EXCL: one of many wins), look them up and list
 * them. Odd names are directories.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/check.h"
#include "tests/sim/violation.h"
#include "tests/sim/work.h"

#define SETS  2u
#define NAMES 16u

enum { ADD, REMOVE, HAS, LIST };

struct sets {
	struct work work;
	struct {
		uint64_t ino;
		struct history history;
	} sets[SETS];
};

static void init(struct work *work)
{
	struct sets *sets = (struct sets *)work;

	for (uint32_t i = 0; i < SETS; i++)
		history_init(&sets->sets[i].history, &work->stage->clock);
}

static struct slice use_name(struct actor *actor, uint64_t member)
{
	const char *name = work_name(actor, 'n', member);

	return slice_of(name, strlen(name));
}

static bool is_directory(uint64_t member)
{
	return member % 2 > 0;
}

/* ---- Operations ---- */

/* 1: it did so; 0: as the other error says, there was nothing to do. */
static void finish(struct actor *actor, const struct answer *answer, int nothing)
{
	if (answer->kind == ANSWER_DONE && answer->error < 0 && answer->error != nothing)
		work_expect(actor, answer, actor->name);
	actor_enter(actor, answer, answer->error == 0);
	work_finish(actor);
}

static void on_added(struct actor *actor, const struct answer *answer)
{
	finish(actor, answer, -EEXIST);
}

static void on_removed(struct actor *actor, const struct answer *answer)
{
	finish(actor, answer, -ENOENT);
}

static void take_member(struct actor *actor, struct slice name, uint64_t ino)
{
	char text[8] = {0};
	uint64_t member;

	(void)ino;
	memcpy(text, name.data, name.size < 7 ? name.size : 7);
	member = strtoull(text + 1, NULL, 10);
	if (text[0] != 'n' || member >= NAMES)
		violation("a set has the name %s that nobody made", text);
	if (actor->mask >> member & 1)
		violation("a set has the name %s twice", text);
	actor->mask |= UINT64_C(1) << member;
}

static void on_listed(struct actor *actor, const struct answer *answer)
{
	work_expect(actor, answer, "a list");
	actor_enter(actor, answer, actor->mask);
	work_finish(actor);
}

static void ask(struct actor *actor, uint32_t number, uint32_t kind, uint64_t member)
{
	struct sets *sets = (struct sets *)actor->work;

	actor->history = &sets->sets[number].history;
	actor->ino = sets->sets[number].ino;
	actor->operation = history_ask(actor->history,
		&(struct history_operation){.kind = kind, .argument = member, .client = actor->number});
}

static void add(struct actor *actor, uint64_t member)
{
	const struct op op = {.kind = OP_MAKE,
		.make = {.parent = actor->ino,
			.name = use_name(actor, member),
			.mode = (is_directory(member) ? S_IFDIR : S_IFREG) | 0755,
			.exclusive = true}};

	actor_call(actor, &op, NULL, on_added);
}

static void remove_member(struct actor *actor, uint64_t member)
{
	const struct op op = {.kind = is_directory(member) ? OP_RMDIR : OP_UNLINK,
		.remove = {.parent = actor->ino, .name = use_name(actor, member)}};

	actor_call(actor, &op, NULL, on_removed);
}

static void begin(struct actor *actor)
{
	uint64_t member = work_random(actor->work, NAMES);
	uint32_t kind = (uint32_t)work_random(actor->work, LIST + 1);

	ask(actor, (uint32_t)work_random(actor->work, SETS), kind, member);
	if (kind == ADD)
		add(actor, member);
	else if (kind == REMOVE)
		remove_member(actor, member);
	else if (kind == HAS)
		actor_lookup(actor, actor->ino, work_name(actor, 'n', member), on_removed);
	else
		actor_list(actor, actor->ino, take_member, on_listed);
}

/* ---- The work ---- */

static bool prepare(struct actor *actor, uint32_t step)
{
	struct sets *sets = (struct sets *)actor->work;

	if (step == 0)
		work_make_directory(actor);
	else if (step <= SETS)
		work_make(actor, actor->work->directory, work_name(actor, 's', step), S_IFDIR | 0755,
			&sets->sets[step - 1].ino);
	return step <= SETS;
}

static bool look(struct actor *actor, uint32_t step)
{
	if (step >= SETS)
		return false;
	ask(actor, step, LIST, 0);
	actor_list(actor, actor->ino, take_member, on_listed);
	return true;
}

static bool step(const struct history_operation *operation, uint64_t state, uint64_t *next)
{
	uint64_t bit = UINT64_C(1) << operation->argument;
	bool is_open = operation->outcome == HISTORY_OPEN, is_there = state & bit;

	*next = operation->kind == ADD ? state | bit : operation->kind == REMOVE ? state & ~bit : state;
	if (operation->kind == LIST)
		return is_open || operation->result == state;
	return is_open || operation->result == (operation->kind == ADD ? !is_there : is_there);
}

static const char *name(const struct history_operation *operation, char *text, size_t size)
{
	static const char *const verbs[] = {"add", "remove", "look up"};

	if (operation->kind == LIST)
		snprintf(text, size, "list -> %04" PRIx64, operation->result);
	else
		snprintf(text, size, "%s n%" PRIu64 " -> %s", verbs[operation->kind], operation->argument,
			operation->result ? "yes" : "no");
	return text;
}

static void judge(const struct work *work)
{
	static const struct linear_object set = {.step = step};
	const struct sets *sets = (const struct sets *)work;

	for (uint32_t i = 0; i < SETS; i++)
		work_judge(work, &set, &sets->sets[i].history, i, name);
}

const struct work_kind sets_work = {.name = "sets",
	.size = sizeof(struct sets),
	.init = init,
	.prepare = prepare,
	.begin = begin,
	.look = look,
	.judge = judge};
