/*
 * Nests: directories that all actors make, move into each other and remove, with a file made and removed in each. None
 * comes to lie in itself, none is removed that is not empty, and each is in one place.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/sim/violation.h"
#include "tests/sim/work.h"

#define NESTS	11u /* the numbers of directories begin at 1; each is made once */
#define FIRST	6u /* of them are there from the beginning */
#define TOP	(NESTS + 1) /* the work's own directory */
#define IS_GONE UINT64_MAX /* what a list of a directory that is gone gives */

enum { MAKE, REMOVE, MOVE, MAKE_FILE, REMOVE_FILE, LIST };

/* All of them in one history: its state has four bits for the place of each directory (0: it is nowhere), from bit 0 on,
 * and from bit FILES on one for each, whether its file is there. */
#define FILES 48u

struct nests {
	struct work work;
	uint64_t inos[TOP + 1]; /* by number; 0: no answer has told it */
	uint64_t seen[NESTS + 1]; /* the place of each, as some answer told; what is tried is mostly there */
	uint64_t made;
	uint64_t victim; /* the last one that was to be removed: others are moved there meanwhile */
	uint64_t moved,
		moved_to; /* the last move: another that would make a loop of both is tried meanwhile */
	struct history history;
};

static void init(struct work *work)
{
	history_init(&((struct nests *)work)->history, &work->stage->clock);
}

static struct nests *nests_of(const struct actor *actor)
{
	return (struct nests *)actor->work;
}

/* ---- Answers ---- */

static void ask(struct actor *actor, uint32_t kind, uint64_t nest, uint64_t places)
{
	actor->history = &nests_of(actor)->history;
	actor->value = nest;
	actor->other = places & 255;
	actor->operation = history_ask(actor->history,
		&(struct history_operation){
			.kind = kind, .argument = nest, .other = places, .client = actor->number});
}

static void learn(struct actor *actor, uint64_t nest, uint64_t ino, uint64_t place)
{
	struct nests *nests = nests_of(actor);

	if (nests->inos[nest] != 0 && nests->inos[nest] != ino)
		violation("nest %" PRIu64 " has become another inode", nest);
	nests->inos[nest] = ino;
	nests->seen[nest] = place;
}

static void finish(struct actor *actor, const struct answer *answer)
{
	static const int errors[] = {-ENOENT, -ESTALE, -EEXIST, -ENOTEMPTY, -EINVAL};
	bool is_known = false;

	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
		is_known = is_known || answer->error == errors[i];
	if (!is_known)
		work_expect(actor, answer, "an operation");
	/* A directory that is gone is either. */
	actor_enter(actor, answer, answer->error == -ESTALE ? ENOENT : (uint64_t)-answer->error);
	work_finish(actor);
}

static void on_made(struct actor *actor, const struct answer *answer)
{
	if (answer->kind == ANSWER_DONE && answer->error == 0)
		learn(actor, actor->value, answer->reply->attributes.ino, actor->other);
	finish(actor, answer);
}

static void on_moved(struct actor *actor, const struct answer *answer)
{
	if (answer->kind == ANSWER_DONE && answer->error == 0)
		nests_of(actor)->seen[actor->value] = actor->other;
	finish(actor, answer);
}

static void take_name(struct actor *actor, struct slice name, uint64_t ino)
{
	char text[8] = {0};
	uint64_t nest, bit;

	memcpy(text, name.data, name.size < 7 ? name.size : 7);
	nest = strtoull(text + 1, NULL, 10);
	bit = UINT64_C(1) << (text[0] == 'f' ? 0 : nest);
	if ((text[0] != 'f' && text[0] != 'n') || nest > nests_of(actor)->made || actor->mask & bit)
		violation("nests: a directory has the name %s, twice or by nobody", text);
	if (text[0] == 'n')
		learn(actor, nest, ino, actor->other);
	actor->mask |= bit;
}

/* Its names; and its links, which are as many as its directories and two. One that is gone may still be held. */
static void on_listed(struct actor *actor, const struct answer *answer)
{
	uint64_t result = IS_GONE;

	if (answer->error != -ENOENT && answer->error != -ESTALE)
		work_expect(actor, answer, "a list");
	if (answer->kind == ANSWER_DONE && answer->error == 0)
		result = actor->mask | (uint64_t)answer->finding->attributes.nlink << 32;
	actor_enter(actor, answer, result > 0 ? result : IS_GONE);
	work_finish(actor);
}

/* ---- Operations ---- */

static struct slice name_nest(struct actor *actor, uint64_t nest)
{
	const char *name = work_name(actor, 'n', nest);

	return slice_of(name, strlen(name));
}

/* A directory, or the file of its place if `nest` is 0. */
static void make(struct actor *actor, uint64_t nest, uint64_t place)
{
	struct op op = {.kind = OP_MAKE,
		.make = {.parent = nests_of(actor)->inos[place],
			.name = slice_of("f", 1),
			.mode = nest > 0 ? S_IFDIR | 0755 : S_IFREG | 0644,
			.exclusive = true}};

	if (nest > 0)
		op.make.name = name_nest(actor, nest);
	ask(actor, nest > 0 ? MAKE : MAKE_FILE, nest, place);
	actor_call(actor, &op, NULL, nest > 0 ? on_made : finish);
}

static void remove_one(struct actor *actor, uint64_t nest, uint64_t place)
{
	struct op op = {.kind = nest > 0 ? OP_RMDIR : OP_UNLINK,
		.remove = {.parent = nests_of(actor)->inos[place], .name = slice_of("f", 1)}};

	if (nest > 0)
		op.remove.name = name_nest(actor, nest);
	ask(actor, nest > 0 ? REMOVE : REMOVE_FILE, nest, place);
	actor_call(actor, &op, NULL, finish);
}

static void move(struct actor *actor, uint64_t nest, uint64_t from, uint64_t to)
{
	struct nests *nests = nests_of(actor);
	struct slice name = name_nest(actor, nest);
	const struct op op = {.kind = OP_RENAME,
		.rename = {.parent = nests->inos[from],
			.name = name,
			.new_parent = nests->inos[to],
			.new_name = name}};

	nests->moved = nest;
	nests->moved_to = to;
	ask(actor, MOVE, nest, from << 8 | to);
	actor_call(actor, &op, NULL, on_moved);
}

static void list(struct actor *actor, uint64_t place)
{
	ask(actor, LIST, 0, place);
	actor_list(actor, nests_of(actor)->inos[place], take_name, on_listed);
}

/* One whose inode is known. */
static uint64_t draw_place(const struct actor *actor)
{
	uint64_t place = 1 + work_random(actor->work, TOP);

	return nests_of(actor)->inos[place] > 0 ? place : TOP;
}

/* The move that makes a loop of the last one, if neither sees the other: what the last goes into, from above it, into
 * what is below the last. Two that have a directory in common could not be at the same time in any case. */
static bool draw_loop(const struct actor *actor, uint64_t *nest, uint64_t *to)
{
	const struct nests *nests = nests_of(actor);
	uint64_t above = nests->moved_to < TOP ? nests->seen[nests->moved_to] : 0;

	for (uint64_t below = 1; above > 0 && above < TOP && below <= NESTS; below++) {
		if (below == above || nests->seen[below] != nests->moved || nests->inos[below] == 0)
			continue;
		*nest = above;
		*to = below;
		return true;
	}
	return false;
}

static void begin(struct actor *actor)
{
	struct nests *nests = nests_of(actor);
	uint64_t nest = 1 + work_random(actor->work, nests->made);
	uint64_t place = draw_place(actor), to = draw_place(actor), choice = work_random(actor->work, 20);

	if ((choice < 2 || choice > 6 || !draw_loop(actor, &nest, &to)) && choice % 2 == 0 &&
		nests->inos[nests->victim] > 0)
		to = nests->victim;
	if (choice < 11 && nests->seen[nest] > 0 && work_random(actor->work, 8) > 0)
		place = nests->seen[nest];
	if (choice == 0 && nests->made < NESTS)
		make(actor, ++nests->made, to);
	else if (choice == 1)
		remove_one(actor, nests->victim = nest, place);
	else if (choice < 11 && place != to)
		move(actor, nest, place, to);
	else if (choice < 14)
		make(actor, 0, to);
	else if (choice < 17)
		remove_one(actor, 0, place);
	else
		list(actor, place);
}

/* ---- The work ---- */

static bool prepare(struct actor *actor, uint32_t step)
{
	struct nests *nests = nests_of(actor);

	nests->inos[TOP] = actor->work->directory;
	if (step == 0)
		work_make_directory(actor);
	else if (step <= FIRST)
		make(actor, ++nests->made, TOP);
	return step <= FIRST;
}

static bool look(struct actor *actor, uint32_t step)
{
	const struct nests *nests = nests_of(actor);

	if (step < TOP)
		list(actor, nests->inos[step + 1] > 0 ? step + 1 : TOP);
	return step < TOP;
}

/* ---- Sequentially ---- */

static uint64_t place_of(uint64_t state, uint64_t nest)
{
	return nest == TOP ? TOP : state >> 4 * (nest - 1) & 15;
}

static uint64_t put(uint64_t state, uint64_t nest, uint64_t place)
{
	return (state & ~(UINT64_C(15) << 4 * (nest - 1))) | place << 4 * (nest - 1);
}

static bool has_file(uint64_t state, uint64_t place)
{
	return state >> (FILES + place - 1) & 1;
}

/* As take_name tells it. */
static uint64_t names_in(uint64_t state, uint64_t place)
{
	uint64_t mask = has_file(state, place);

	for (uint64_t nest = 1; nest <= NESTS; nest++)
		mask |= (uint64_t)(place_of(state, nest) == place) << nest;
	return mask;
}

static uint64_t do_list(uint64_t state, uint64_t place)
{
	uint64_t names = names_in(state, place);

	if (place_of(state, place) == 0)
		return IS_GONE;
	return names | (uint64_t)(2 + __builtin_popcountll(names >> 1)) << 32;
}

static bool is_below(uint64_t state, uint64_t place, uint64_t nest)
{
	while (place != nest && place != TOP && place != 0)
		place = place_of(state, place);
	return place == nest;
}

static uint64_t do_move(uint64_t nest, uint64_t from, uint64_t to, uint64_t *state)
{
	if (place_of(*state, nest) != from || place_of(*state, to) == 0)
		return ENOENT;
	if (is_below(*state, to, nest))
		return EINVAL;
	*state = put(*state, nest, to);
	return 0;
}

static uint64_t do_remove(uint64_t nest, uint64_t place, uint64_t *state)
{
	if (place_of(*state, nest) != place)
		return ENOENT;
	if (names_in(*state, nest) > 0)
		return ENOTEMPTY;
	*state = put(*state, nest, 0);
	return 0;
}

static uint64_t do_file(bool is_made, uint64_t place, uint64_t *state)
{
	if (place_of(*state, place) == 0)
		return ENOENT;
	if (has_file(*state, place) == is_made)
		return is_made ? EEXIST : ENOENT;
	*state ^= UINT64_C(1) << (FILES + place - 1);
	return 0;
}

static uint64_t do_make(uint64_t nest, uint64_t place, uint64_t *state)
{
	if (place_of(*state, place) == 0)
		return ENOENT;
	*state = put(*state, nest, place);
	return 0;
}

static uint64_t do_one(const struct history_operation *operation, uint64_t *state)
{
	uint64_t nest = operation->argument, place = operation->other;

	switch (operation->kind) {
	case MAKE:
		return do_make(nest, place, state);
	case REMOVE:
		return do_remove(nest, place, state);
	case MOVE:
		return do_move(nest, place >> 8, place & 255, state);
	case MAKE_FILE:
	case REMOVE_FILE:
		return do_file(operation->kind == MAKE_FILE, place, state);
	default:
		return do_list(*state, place);
	}
}

static bool step(const struct history_operation *operation, uint64_t state, uint64_t *next)
{
	*next = state;
	return do_one(operation, next) == operation->result || operation->outcome == HISTORY_OPEN;
}

static const char *name(const struct history_operation *operation, char *text, size_t size)
{
	static const char *const verbs[] = {
		"make", "remove", "move", "make the file of", "remove the file of", "list"};

	snprintf(text, size, "%s n%" PRIu64 " in %" PRIu64 " %" PRIu64 " -> %" PRIx64, verbs[operation->kind],
		operation->argument, operation->other >> 8, operation->other & 255, operation->result);
	return text;
}

static void judge(const struct work *work)
{
	static const struct linear_object nests = {.step = step};

	work_judge(work, &nests, &((const struct nests *)work)->history, 0, name);
}

const struct work_kind nests_work = {.name = "nests",
	.size = sizeof(struct nests),
	.init = init,
	.prepare = prepare,
	.begin = begin,
	.look = look,
	.judge = judge};
