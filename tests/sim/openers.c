/*
 * Openers: a few names that all mounts make, open, move over each other and remove, in directories of perhaps several
 * regions. An actor that has made or opened a file reads the same from it
 * until it closes it, even if another one removes its name, as long as the mount's session lives; then the file is gone.
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

#define PLACES	 2u
#define NAMES	 4u /* half of them in each place */
#define READS	 4u /* of an open file, at most */
#define MADE_MAX 512u

struct openers {
	struct work work;
	uint64_t places[PLACES]; /* ino */
	uint64_t values; /* drawn so far */
	uint32_t made_count;
	uint64_t made[MADE_MAX]; /* inos */
	bool has_open_removals; /* that hold what nobody knows of, until the session ends */
};

static void init(struct work *work)
{
	(void)work;
}

static uint64_t place_of(const struct actor *actor, uint64_t name)
{
	return ((const struct openers *)actor->work)->places[name % PLACES];
}

/* In the actor's own memory. */
static struct slice name_of(struct actor *actor, uint64_t number)
{
	const char *name = work_name(actor, 'p', number);

	return slice_of(name, strlen(name));
}

static bool has_session(const struct actor *actor)
{
	return client_session(actor->mount->client) == actor->session;
}

static void close_it(struct actor *actor)
{
	mount_close(actor->mount, actor->ino);
	work_finish(actor);
}

/* ---- Reading what is open: `value` once it is known, `mask` reads are left ---- */

static void read_it(struct actor *actor);

/* Has the session ended, and the mount has not heard of it? */
static void probe(struct actor *actor);

static void on_probed(struct actor *actor, const struct answer *answer)
{
	if (!has_session(actor))
		close_it(actor);
	else if (answer->kind != ANSWER_DONE)
		actor_rest(actor, probe);
	else
		violation("openers: actor %u: inode %" PRIx64 " is gone while it is open", actor->number,
			actor->ino);
}

static void probe(struct actor *actor)
{
	const struct op op = {.kind = OP_RELEASE, .release = {.count = 1, .inos = {actor->ino}}};

	actor_call(actor, &op, NULL, on_probed);
}

static void judge_bytes(struct actor *actor, const struct answer *answer)
{
	uint64_t value = 0;

	if (answer->finding->count == sizeof value)
		memcpy(&value, actor->bytes, sizeof value);
	if (actor->value != 0 && value != actor->value)
		violation("openers: actor %u: inode %" PRIx64 " has other data than before", actor->number,
			actor->ino);
	actor->value = value;
}

static void on_read(struct actor *actor, const struct answer *answer)
{
	if (!has_session(actor)) {
		close_it(actor);
		return;
	}
	if (answer->kind == ANSWER_DONE && answer->error == -ESTALE) {
		probe(actor);
		return;
	}
	if (answer->kind == ANSWER_DONE) {
		work_expect(actor, answer, "an open file cannot be read");
		judge_bytes(actor, answer);
	}
	if (actor->mask == 0) {
		close_it(actor);
		return;
	}
	actor->mask--;
	actor_rest(actor, read_it);
}

static void read_it(struct actor *actor)
{
	actor_read_file(actor, actor->ino, on_read);
}

static void use(struct actor *actor, uint64_t value)
{
	actor->value = value;
	actor->mask = work_random(actor->work, READS);
	read_it(actor);
}

/* ---- Making ---- */

static void on_written(struct actor *actor, const struct answer *answer)
{
	if (answer->kind == ANSWER_DONE && answer->error == -ESTALE && has_session(actor))
		probe(actor);
	else if (answer->kind == ANSWER_DONE && answer->error == 0)
		use(actor, actor->value);
	else
		close_it(actor);
}

/* A name was removed, or moved, perhaps over another one. */
static void on_removed(struct actor *actor, const struct answer *answer)
{
	struct openers *openers = (struct openers *)actor->work;

	if (answer->kind == ANSWER_DONE && answer->error == 0 && answer->reply->victim.ino > 0)
		mount_removed(actor->mount, answer->reply->victim.ino);
	else if (answer->kind == ANSWER_DONE && answer->error != 0 && answer->error != -ENOENT)
		work_expect(actor, answer, "a name cannot be removed");
	else if (answer->kind == ANSWER_OPEN)
		openers->has_open_removals = true;
	work_finish(actor);
}

static void remove_it(struct actor *actor, uint64_t name)
{
	const struct op op = {.kind = OP_UNLINK,
		.remove = {.parent = place_of(actor, name), .name = name_of(actor, name), .hold = true}};

	actor_call(actor, &op, NULL, on_removed);
}

static void move(struct actor *actor, uint64_t name)
{
	uint64_t other = (name + 1 + work_random(actor->work, NAMES - 1)) % NAMES;
	struct slice from = name_of(actor, name);
	char to[2] = {'p', (char)('0' + other)};
	const struct op op = {.kind = OP_RENAME,
		.rename = {.parent = place_of(actor, name),
			.name = from,
			.new_parent = place_of(actor, other),
			.new_name = slice_of(to, sizeof to),
			.hold = true}};

	actor_call(actor, &op, NULL, on_removed);
}

static void on_made(struct actor *actor, const struct answer *answer)
{
	struct openers *openers = (struct openers *)actor->work;
	bool is_made = answer->kind == ANSWER_DONE && answer->error == 0;
	struct op op = {.kind = OP_WRITE};

	if (is_made) {
		actor->ino = op.write.ino = answer->reply->attributes.ino;
		openers->made[openers->made_count++] = actor->ino;
		mount_open(actor->mount, actor->ino);
	}
	nameless_end_making(actor->mount->nameless, (unsigned)actor->other);
	if (answer->kind == ANSWER_DONE && answer->error == -EEXIST) {
		if (work_random(actor->work, 2) == 0)
			move(actor, actor->value);
		else
			remove_it(actor, actor->value);
		return;
	}
	work_expect(actor, answer, "a file cannot be made");
	if (!is_made) {
		work_finish(actor);
		return;
	}
	actor->value = ++openers->values;
	actor_call(actor, &op, buf_copy(&actor->value, sizeof actor->value), on_written);
}

static void make(struct actor *actor)
{
	const struct op op = {.kind = OP_MAKE,
		.make = {.parent = place_of(actor, actor->value),
			.name = name_of(actor, actor->value),
			.mode = S_IFREG | 0644,
			.exclusive = true}};

	actor->other = nameless_begin_making(actor->mount->nameless);
	actor_call(actor, &op, NULL, on_made);
}

/* ---- Opening: as the front does ---- */

static void on_looked_at(struct actor *actor, const struct answer *answer)
{
	if (answer->kind == ANSWER_DONE && answer->error == 0 && answer->finding->attributes.nlink > 0)
		use(actor, 0);
	else
		close_it(actor);
}

static void on_found(struct actor *actor, const struct answer *answer)
{
	if (answer->kind != ANSWER_DONE || answer->error != 0) {
		work_finish(actor);
		return;
	}
	actor->ino = answer->finding->attributes.ino;
	mount_open(actor->mount, actor->ino);
	actor_look_at(actor, actor->ino, on_looked_at);
}

static void begin(struct actor *actor)
{
	const struct openers *openers = (const struct openers *)actor->work;

	actor->session = client_session(actor->mount->client);
	actor->value = work_random(actor->work, NAMES);
	if (openers->made_count + 16 < MADE_MAX && work_random(actor->work, 2) == 0)
		make(actor);
	else
		actor_lookup(
			actor, place_of(actor, actor->value), name_of(actor, actor->value).data, on_found);
}

/* ---- The work ---- */

static bool prepare(struct actor *actor, uint32_t step)
{
	if (step == 0)
		work_make_directory(actor);
	else if (step <= PLACES)
		work_make(actor, actor->work->directory, work_name(actor, 'd', step), S_IFDIR | 0755,
			&((struct openers *)actor->work)->places[step - 1]);
	return step <= PLACES;
}

static void on_left(struct actor *actor, const struct answer *answer)
{
	if (answer->kind == ANSWER_DONE && answer->error == 0 && answer->finding->attributes.nlink == 0 &&
		!((const struct openers *)actor->work)->has_open_removals)
		violation("openers: inode %" PRIx64 " has no name, and is still there", actor->ino);
	work_finish(actor);
}

/* Nobody has anything open now. */
static bool look(struct actor *actor, uint32_t step)
{
	const struct openers *openers = (const struct openers *)actor->work;

	if (step >= openers->made_count)
		return false;
	actor->ino = openers->made[step];
	actor_look_at(actor, actor->ino, on_left);
	return true;
}

static void judge(const struct work *work)
{
	(void)work;
}

const struct work_kind openers_work = {.name = "openers",
	.size = sizeof(struct openers),
	.init = init,
	.prepare = prepare,
	.begin = begin,
	.look = look,
	.judge = judge};
