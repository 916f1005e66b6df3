/*
 * Orphans: files that are made, opened, removed, and still used. Half of them are moved to another directory before that,
 * perhaps of another region. Such a file exists until its last close, or until its mount's session has ended; some time
 * later it is gone.
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

#define PLACES	    2u
#define ORPHANS_MAX 256u

struct orphans {
	struct work work;
	uint64_t places[PLACES]; /* ino: where they are made, and where they are moved to */
	uint64_t made; /* names */
	uint64_t removed_count;
	uint64_t removed[ORPHANS_MAX]; /* inos that have no name, and nobody is to hold at the end */
};

static void init(struct work *work)
{
	(void)work;
}

static void release(struct actor *actor);

/* Another session does not have what this one had; and where nobody knows what became of it, it is closed. */
static bool is_lost(struct actor *actor, const struct answer *answer, bool may_be_held)
{
	bool has_session = client_session(actor->mount->client) == actor->session;

	if (has_session && answer->kind == ANSWER_DONE)
		return false;
	if (has_session && answer->kind == ANSWER_OPEN && may_be_held)
		actor_rest(actor, release);
	else
		work_finish(actor);
	return true;
}

static void expect(struct actor *actor, const struct answer *answer, int error, const char *what)
{
	if (answer->error != error)
		violation("orphans: actor %u: inode %" PRIx64 " %s: %s", actor->number, actor->ino, what,
			strerror(-answer->error));
}

/* ---- One life ---- */

static void on_released(struct actor *actor, const struct answer *answer)
{
	if (is_lost(actor, answer, true))
		return;
	if (actor->other)
		violation("orphans: actor %u: inode %" PRIx64 " is gone while it is open", actor->number,
			actor->ino);
	expect(actor, answer, 0, "cannot be closed");
	work_finish(actor);
}

static void release(struct actor *actor)
{
	const struct op op = {.kind = OP_RELEASE, .release = {.count = 1, .inos = {actor->ino}}};

	actor_call(actor, &op, NULL, on_released);
}

/* If it is gone, the session must have ended, though the mount has not heard of it: the release will tell. */
static void on_read(struct actor *actor, const struct answer *answer)
{
	uint64_t value = 0;

	if (is_lost(actor, answer, true))
		return;
	actor->other = answer->error == -ESTALE;
	if (!actor->other)
		expect(actor, answer, 0, "cannot be read while it is open");
	if (answer->error == 0 && answer->finding->count == 8)
		memcpy(&value, actor->bytes, 8);
	if (!actor->other && value != actor->value)
		violation("orphans: inode %" PRIx64 " has other data than was written", actor->ino);
	if (work_random(actor->work, 2) == 0)
		actor_rest(actor, release);
	else
		release(actor);
}

static void on_removed(struct actor *actor, const struct answer *answer)
{
	struct orphans *orphans = (struct orphans *)actor->work;

	actor->mask = answer->kind == ANSWER_DONE && answer->error == 0; /* its name is gone */
	actor->other = 0;
	if (actor->mask)
		orphans->removed[orphans->removed_count++] = actor->ino;
	if (is_lost(actor, answer, true))
		return;
	expect(actor, answer, 0, "cannot be removed");
	actor_read_file(actor, actor->ino, on_read);
}

static struct slice name_it(struct actor *actor)
{
	const char *name = work_name(actor, 'o', actor->value);

	return slice_of(name, strlen(name));
}

static void remove_from(struct actor *actor, uint64_t place)
{
	const struct op op = {
		.kind = OP_UNLINK, .remove = {.parent = place, .name = name_it(actor), .hold = true}};

	actor_call(actor, &op, NULL, on_removed);
}

static void on_moved(struct actor *actor, const struct answer *answer)
{
	if (is_lost(actor, answer, false))
		return;
	expect(actor, answer, 0, "cannot be moved");
	remove_from(actor, ((const struct orphans *)actor->work)->places[1]);
}

static void move(struct actor *actor)
{
	const struct orphans *orphans = (const struct orphans *)actor->work;
	const struct op op = {.kind = OP_RENAME,
		.rename = {.parent = orphans->places[0],
			.name = name_it(actor),
			.new_parent = orphans->places[1],
			.new_name = name_it(actor)}};

	actor_call(actor, &op, NULL, on_moved);
}

static void on_written(struct actor *actor, const struct answer *answer)
{
	if (is_lost(actor, answer, false))
		return;
	expect(actor, answer, 0, "cannot be written");
	if (work_random(actor->work, 2) == 0)
		move(actor);
	else
		remove_from(actor, ((const struct orphans *)actor->work)->places[0]);
}

static void on_made(struct actor *actor, const struct answer *answer)
{
	struct op op = {.kind = OP_WRITE};

	if (is_lost(actor, answer, false))
		return;
	expect(actor, answer, 0, "cannot be made");
	actor->ino = op.write.ino = answer->reply->attributes.ino;
	actor_call(actor, &op, buf_copy(&actor->value, 8), on_written);
}

static void begin(struct actor *actor)
{
	struct orphans *orphans = (struct orphans *)actor->work;
	struct op op = {.kind = OP_MAKE, .make = {.mode = S_IFREG | 0644, .exclusive = true}};

	if (orphans->made == ORPHANS_MAX) {
		work_finish(actor);
		return;
	}
	actor->session = client_session(actor->mount->client);
	actor->value = ++orphans->made;
	op.make.parent = orphans->places[0];
	op.make.name = name_it(actor);
	actor_call(actor, &op, NULL, on_made);
}

/* ---- The work ---- */

static bool prepare(struct actor *actor, uint32_t step)
{
	if (step == 0)
		work_make_directory(actor);
	else if (step <= PLACES)
		work_make(actor, actor->work->directory, work_name(actor, 'p', step), S_IFDIR | 0755,
			&((struct orphans *)actor->work)->places[step - 1]);
	return step <= PLACES;
}

static void on_looked(struct actor *actor, const struct answer *answer)
{
	expect(actor, answer, -ESTALE, "is there, and nobody has it");
	work_finish(actor);
}

/* By now every session that had one of them has closed it, or has ended. */
static bool look(struct actor *actor, uint32_t step)
{
	struct orphans *orphans = (struct orphans *)actor->work;

	if (step >= orphans->removed_count)
		return false;
	actor->ino = orphans->removed[step];
	actor_look_at(actor, actor->ino, on_looked);
	return true;
}

static void judge(const struct work *work)
{
	(void)work;
}

const struct work_kind orphans_work = {.name = "orphans",
	.size = sizeof(struct orphans),
	.init = init,
	.prepare = prepare,
	.begin = begin,
	.look = look,
	.judge = judge};
