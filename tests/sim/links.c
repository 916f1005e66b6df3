/*
 * Links: files with names in several directories, which all actors make, link, rename over each other, exchange and remove.
 * A file has as many links as it has names, in every read, and goes with the last one.
 *
 * Half of the runs are contested: all files are born in one directory and have their names in the others, and most
 * operations want what the last one wants. So an operation has intents in two regions that are not its own, and another
 * wants the same two: neither may wait for the other for ever.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/fs.h>
#include <sys/stat.h>

#include "tests/sim/violation.h"
#include "tests/sim/work.h"

#define PLACES	  4u
#define NAMES	  2u /* in a place */
#define SLOTS	  (PLACES * NAMES)
#define FILES_MAX 62u /* in all; their numbers begin at 1 */
#define REST	  SIM_MS /* where they are contested: operations meet */
#define FILES_NEW 3u /* the last ones: these are linked and looked at */

enum { MAKE, UNLINK, LINK, RENAME, LOOK, STAT };

/* All slots in one history: its state has the number of the file in each slot, in six bits; 0: the slot is free. A file tells
 * its number by its permissions. */
struct links {
	struct work work;
	uint64_t places[PLACES]; /* ino */
	uint64_t files[FILES_MAX + 1]; /* ino; 0: no answer has told it */
	uint64_t made;
	uint64_t seen[SLOTS]; /* the file in each, as some answer told */
	bool is_contested;
	uint64_t from, to; /* the last rename */
	uint64_t twin; /* the other name of what it replaces, which is to be replaced, too; 0: none */
	uint64_t victim; /* the file whose name was to be removed last: it is linked meanwhile */
	struct history history;
};

static void init(struct work *work)
{
	struct links *links = (struct links *)work;

	history_init(&links->history, &work->stage->clock);
	links->is_contested = work_random(work, 2) == 0;
}

static struct links *links_of(const struct actor *actor)
{
	return (struct links *)actor->work;
}

static uint64_t place_of(const struct actor *actor, uint64_t slot)
{
	return links_of(actor)->places[slot / NAMES];
}

static struct slice name_of(uint64_t slot)
{
	static const char *const names[NAMES] = {"a", "b"};

	return slice_of(names[slot % NAMES], 1);
}

/* ---- Answers ---- */

static size_t ask(struct actor *actor, uint32_t kind, uint64_t argument, uint64_t other)
{
	actor->history = &links_of(actor)->history;
	actor->operation = history_ask(actor->history,
		&(struct history_operation){
			.kind = kind, .argument = argument, .other = other, .client = actor->number});
	return actor->operation;
}

static void expect(const struct actor *actor, const struct answer *answer)
{
	if (answer->error != -ENOENT && answer->error != -EEXIST && answer->error != -ESTALE)
		work_expect(actor, answer, "an operation");
}

/* The number of the file that an answer tells of. */
static uint64_t learn(struct actor *actor, const struct attributes *attributes)
{
	struct links *links = links_of(actor);
	uint64_t file = attributes->mode & 0777;

	if (file == 0 || file > links->made)
		violation("links: there is a file %" PRIu64 " that nobody made", file);
	if (links->files[file] != 0 && links->files[file] != attributes->ino)
		violation("links: file %" PRIu64 " has become another inode", file);
	links->files[file] = attributes->ino;
	return file;
}

/* The second operation of an answer: it tells how many links the file has, too, or it does not. */
static void count_links(struct actor *actor, const struct attributes *attributes)
{
	struct links *links = links_of(actor);

	if (attributes) {
		links->history.operations[actor->other].argument = learn(actor, attributes);
		history_done(&links->history, actor->other, attributes->nlink);
	} else {
		history_never(&links->history, actor->other);
	}
}

static void on_changed(struct actor *actor, const struct answer *answer)
{
	bool is_told = answer->kind == ANSWER_DONE && answer->error == 0 && answer->reply->has_attributes;

	expect(actor, answer);
	actor_enter(actor, answer, (uint64_t)-answer->error);
	count_links(actor, is_told ? &answer->reply->attributes : NULL);
	work_finish(actor);
}

/* A name was linked, or moved: actor->value is the file that it has. */
static void on_named(struct actor *actor, const struct answer *answer)
{
	if (answer->kind == ANSWER_DONE && answer->error == 0)
		links_of(actor)->seen[actor->mask] = actor->value;
	on_changed(actor, answer);
}

static void on_renamed(struct actor *actor, const struct answer *answer)
{
	if (answer->kind == ANSWER_DONE && actor->ino < SLOTS)
		links_of(actor)->seen[actor->ino] = 0;
	on_named(actor, answer);
}

static void on_removed(struct actor *actor, const struct answer *answer)
{
	if (answer->kind == ANSWER_DONE)
		links_of(actor)->seen[actor->value] = 0;
	on_changed(actor, answer);
}

static void on_made(struct actor *actor, const struct answer *answer)
{
	if (answer->kind == ANSWER_DONE && answer->error == 0)
		links_of(actor)->seen[actor->value] = learn(actor, &answer->reply->attributes);
	on_changed(actor, answer);
}

/* The name and the inode may be in two regions, which are read one after the other: two operations at the same time. */
static void on_looked_up(struct actor *actor, const struct answer *answer)
{
	struct links *links = links_of(actor);
	uint64_t file = 0;

	expect(actor, answer);
	if (answer->kind == ANSWER_DONE && answer->error == 0)
		file = links->seen[actor->value] = learn(actor, &answer->finding->attributes);
	actor_enter(actor, answer, file);
	count_links(actor, file > 0 ? &answer->finding->attributes : NULL);
	work_finish(actor);
}

static void on_looked_at(struct actor *actor, const struct answer *answer)
{
	expect(actor, answer);
	actor_enter(actor, answer, answer->error == 0 ? answer->finding->attributes.nlink : 0);
	work_finish(actor);
}

/* ---- Operations ---- */

/* One whose answer may tell how many links the file has. */
static void ask_both(struct actor *actor, uint32_t kind, uint64_t argument, uint64_t other)
{
	actor->other = ask(actor, STAT, 0, 0);
	ask(actor, kind, argument, other);
}

static void look_up(struct actor *actor, uint64_t slot)
{
	memcpy(actor->name, name_of(slot).data, 2);
	actor->value = slot;
	ask_both(actor, LOOK, slot, 0);
	actor_lookup(actor, place_of(actor, slot), actor->name, on_looked_up);
}

static void make(struct actor *actor, uint64_t slot)
{
	uint64_t file = ++links_of(actor)->made;
	const struct op op = {.kind = OP_MAKE,
		.make = {.parent = place_of(actor, slot),
			.name = name_of(slot),
			.mode = S_IFREG | (uint32_t)file,
			.exclusive = true}};

	actor->value = slot;
	ask_both(actor, MAKE, file, slot);
	actor_call(actor, &op, NULL, on_made);
}

static void unlink_slot(struct actor *actor, uint64_t slot)
{
	const struct op op = {
		.kind = OP_UNLINK, .remove = {.parent = place_of(actor, slot), .name = name_of(slot)}};

	links_of(actor)->victim = links_of(actor)->seen[slot];
	actor->value = slot;
	ask_both(actor, UNLINK, slot, 0);
	actor_call(actor, &op, NULL, on_removed);
}

static void link_file(struct actor *actor, uint64_t file, uint64_t slot)
{
	const struct op op = {.kind = OP_LINK,
		.link = {links_of(actor)->files[file], place_of(actor, slot), name_of(slot)}};

	actor->value = file;
	actor->mask = slot;
	ask_both(actor, LINK, file, slot);
	actor_call(actor, &op, NULL, on_named);
}

static uint32_t draw_flags(const struct actor *actor)
{
	static const uint32_t flags[] = {0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE};

	return flags[work_random(actor->work, sizeof flags / sizeof *flags)];
}

static void rename_slot(struct actor *actor, uint64_t from, uint64_t to, uint32_t flags)
{
	struct links *links = links_of(actor);
	const struct op op = {.kind = OP_RENAME,
		.rename = {.parent = place_of(actor, from),
			.name = name_of(from),
			.new_parent = place_of(actor, to),
			.new_name = name_of(to),
			.flags = flags}};

	links->from = from;
	links->to = to;
	actor->value = links->seen[from];
	actor->ino = flags == RENAME_EXCHANGE ? SLOTS : from;
	actor->mask = to;
	ask_both(actor, RENAME, from | (uint64_t)flags << 8, to);
	actor_call(actor, &op, NULL, on_renamed);
}

/* A rename of the name that is being renamed, over another name of the file that loses one: so two operations want the
 * same of two regions. */
static void draw_rival(const struct actor *actor, uint64_t *from, uint64_t *to)
{
	const struct links *links = links_of(actor);

	for (uint64_t slot = 0; links->from != links->to && slot < SLOTS; slot++) {
		if (slot == links->to || slot == links->from || links->seen[slot] == 0 ||
			links->seen[slot] != links->seen[links->to])
			continue;
		*from = links->from;
		*to = slot;
		return;
	}
}

/* One of the last; 0: it is not known. */
static uint64_t draw_file(const struct actor *actor)
{
	const struct links *links = links_of(actor);
	uint64_t file = links->victim;

	if (links->made > 0 && (file == 0 || work_random(actor->work, 2) == 0))
		file = links->made -
		       work_random(actor->work, links->made < FILES_NEW ? links->made : FILES_NEW);
	return links->files[file] > 0 ? file : 0;
}

static void begin_on_file(struct actor *actor, uint64_t file, uint64_t slot)
{
	if (work_random(actor->work, 3) > 0) {
		link_file(actor, file, slot);
		return;
	}
	ask(actor, STAT, file, 0);
	actor_look_at(actor, links_of(actor)->files[file], on_looked_at);
}

static void begin_any(struct actor *actor)
{
	uint64_t slot = work_random(actor->work, SLOTS);
	uint64_t other = (slot + 1 + work_random(actor->work, SLOTS - 1)) % SLOTS;
	uint64_t file = draw_file(actor), choice = work_random(actor->work, 16);

	if (choice > 5 && choice < 8)
		draw_rival(actor, &slot, &other);
	if (choice < 2 && links_of(actor)->made < FILES_MAX)
		make(actor, slot);
	else if (choice < 5)
		unlink_slot(actor, slot);
	else if (choice < 8)
		rename_slot(actor, slot, other, draw_flags(actor));
	else if (choice < 13 && file > 0)
		begin_on_file(actor, file, slot);
	else
		look_up(actor, slot);
}

/* ---- Contested ---- */

/* A slot of the places where no file is born: with a name, or without one, as was seen last. */
static uint64_t draw_slot(const struct actor *actor, bool has_name)
{
	const struct links *links = links_of(actor);
	uint64_t slot = NAMES;

	for (uint32_t i = 0; i < SLOTS; i++) {
		slot = NAMES + work_random(actor->work, SLOTS - NAMES);
		if ((links->seen[slot] > 0) == has_name)
			break;
	}
	return slot;
}

/* What is being renamed is linked to where it goes: so the rename finds at its end that it has nothing to do. Or the file
 * that may have lost its last name is linked, and looked at. */
static void begin_on_rival(struct actor *actor, uint64_t choice)
{
	const struct links *links = links_of(actor);
	uint64_t file = choice < 14 ? links->seen[links->from] : links->victim;
	uint64_t slot = choice < 14 ? links->to : draw_slot(actor, false);

	if (links->files[file] == 0)
		file = draw_file(actor);
	if (file == 0) {
		look_up(actor, slot);
	} else if (choice < 16) {
		link_file(actor, file, slot);
	} else {
		ask(actor, STAT, file, 0);
		actor_look_at(actor, links->files[file], on_looked_at);
	}
}

/* The other name of the file that has this one, if it has these two, as was seen last; 0: it has not. */
static uint64_t find_twin(const struct actor *actor, uint64_t slot)
{
	const struct links *links = links_of(actor);
	uint64_t twin = 0, count = 0;

	for (uint64_t other = 0; other < SLOTS && links->seen[slot] > 0; other++) {
		if (other == slot || links->seen[other] != links->seen[slot])
			continue;
		twin = other;
		count++;
	}
	return count == 1 && twin >= NAMES ? twin : 0;
}

/* Two at once, of which only one may take the file's last name but one: the next actor renames the same name over the
 * twin. */
static void begin_duel(struct actor *actor, uint64_t from)
{
	uint64_t to = draw_slot(actor, true), twin;

	for (uint32_t i = 0; i < SLOTS && (to == from || find_twin(actor, to) == 0); i++)
		to = NAMES + (to - NAMES + 1) % (SLOTS - NAMES);
	twin = find_twin(actor, to);
	if (twin != from)
		links_of(actor)->twin = twin;
	rename_slot(actor, from, to, 0);
}

/* Mostly the name that a file was born with, if it has others. */
static void begin_removal(struct actor *actor, uint64_t slot)
{
	const struct links *links = links_of(actor);
	uint64_t born = work_random(actor->work, NAMES);

	for (uint64_t other = NAMES; other < SLOTS; other++)
		if (links->seen[born] > 0 && links->seen[other] == links->seen[born])
			slot = born;
	unlink_slot(actor, slot);
}

static void end_duel(struct actor *actor)
{
	uint64_t twin = links_of(actor)->twin;

	links_of(actor)->twin = 0;
	rename_slot(actor, links_of(actor)->from, twin, 0);
}

static void begin_contested(struct actor *actor)
{
	uint64_t slot = draw_slot(actor, true), other = draw_slot(actor, work_random(actor->work, 2) == 0);
	uint64_t choice = work_random(actor->work, 20);

	if (links_of(actor)->twin > 0) {
		end_duel(actor);
	} else if (choice < 2 && links_of(actor)->made < FILES_MAX) {
		make(actor, work_random(actor->work, NAMES));
	} else if (choice < 4) {
		begin_removal(actor, slot);
	} else if (choice < 5) {
		rename_slot(actor, slot, other, draw_flags(actor));
	} else if (choice < 11) {
		begin_duel(actor, slot);
	} else if (choice < 19) {
		begin_on_rival(actor, choice);
	} else {
		look_up(actor, slot);
	}
}

static void begin(struct actor *actor)
{
	if (!links_of(actor)->is_contested) {
		begin_any(actor);
		return;
	}
	actor->rest = REST;
	begin_contested(actor);
}

/* ---- The work ---- */

/* The places. */
static bool prepare(struct actor *actor, uint32_t step)
{
	if (step == 0)
		work_make_directory(actor);
	else if (step <= PLACES)
		work_make(actor, actor->work->directory, work_name(actor, 'p', step), S_IFDIR | 0755,
			&links_of(actor)->places[step - 1]);
	return step <= PLACES;
}

static bool look(struct actor *actor, uint32_t step)
{
	if (step < SLOTS)
		look_up(actor, step);
	return step < SLOTS;
}

/* ---- Sequentially ---- */

static uint64_t file_in(uint64_t state, uint64_t slot)
{
	return state >> 6 * slot & 63;
}

static uint64_t put(uint64_t state, uint64_t slot, uint64_t file)
{
	return (state & ~(UINT64_C(63) << 6 * slot)) | file << 6 * slot;
}

static uint64_t count_names(uint64_t state, uint64_t file)
{
	uint64_t count = 0;

	for (uint64_t slot = 0; slot < SLOTS; slot++)
		count += file_in(state, slot) == file;
	return count;
}

/* The error; 0: it is done. */
static uint64_t do_rename(uint64_t from, uint64_t to, uint64_t flags, uint64_t *state)
{
	uint64_t source = file_in(*state, from), target = file_in(*state, to);

	if (source == 0 || (target == 0 && flags == RENAME_EXCHANGE))
		return ENOENT;
	if (target > 0 && flags == RENAME_NOREPLACE)
		return EEXIST;
	if (source == target)
		return 0;
	*state = put(*state, to, source);
	*state = put(*state, from, flags == RENAME_EXCHANGE ? target : 0);
	return 0;
}

/* A file that is gone has no number for its error. */
static bool do_link(const struct history_operation *operation, uint64_t *state)
{
	bool is_free = file_in(*state, operation->other) == 0;
	bool is_gone = count_names(*state, operation->argument) == 0;

	if (is_free && !is_gone)
		*state = put(*state, operation->other, operation->argument);
	switch (operation->result) {
	case 0:
		return is_free && !is_gone;
	case EEXIST:
		return !is_free;
	default:
		return is_gone;
	}
}

/* Makes the file there, or removes what is there (`file` 0). */
static uint64_t do_name(uint64_t file, uint64_t slot, uint64_t *state)
{
	if ((file_in(*state, slot) > 0) == (file > 0))
		return file > 0 ? EEXIST : ENOENT;
	*state = put(*state, slot, file);
	return 0;
}

static uint64_t do_one(const struct history_operation *operation, uint64_t *state)
{
	uint64_t argument = operation->argument;

	switch (operation->kind) {
	case MAKE:
		return do_name(argument, operation->other, state);
	case UNLINK:
		return do_name(0, argument, state);
	case RENAME:
		return do_rename(argument & 255, operation->other, argument >> 8, state);
	case LOOK:
		return file_in(*state, argument);
	default:
		return count_names(*state, argument);
	}
}

static bool step(const struct history_operation *operation, uint64_t state, uint64_t *next)
{
	bool is_open = operation->outcome == HISTORY_OPEN;

	*next = state;
	if (operation->kind == LINK)
		return do_link(operation, next) || is_open;
	return do_one(operation, next) == operation->result || is_open;
}

static const char *name(const struct history_operation *operation, char *text, size_t size)
{
	static const char *const verbs[] = {"make file", "unlink slot", "link file", "rename slot",
		"look up slot", "count links of file"};

	snprintf(text, size, "%s %" PRIu64 " (%" PRIu64 ", flags %" PRIu64 ") -> %" PRIu64,
		verbs[operation->kind], operation->argument & 255, operation->other, operation->argument >> 8,
		operation->result);
	return text;
}

static void judge(const struct work *work)
{
	static const struct linear_object slots = {.step = step};

	work_judge(work, &slots, &((const struct links *)work)->history, 0, name);
}

const struct work_kind links_work = {.name = "links",
	.size = sizeof(struct links),
	.init = init,
	.prepare = prepare,
	.begin = begin,
	.look = look,
	.judge = judge};
