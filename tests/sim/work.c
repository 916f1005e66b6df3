#include "tests/sim/work.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/check.h"
#include "tests/sim/violation.h"

const struct work_kind *const work_kinds[WORK_KINDS] = {&registers_work, &sets_work, &transfers_work,
	&appends_work, &counters_work, &orphans_work, &openers_work, &links_work, &nests_work, &trees_work};

struct work *work_new(const struct work_kind *kind, struct stage *stage)
{
	struct work *work = calloc(1, kind->size);

	check(work);
	work->kind = kind;
	work->stage = stage;
	kind->init(work);
	return work;
}

uint64_t work_random(const struct work *work, uint64_t below)
{
	return sim_random(work->stage->world, below);
}

void work_expect(const struct actor *actor, const struct answer *answer, const char *what)
{
	if (answer->kind == ANSWER_DONE && answer->error < 0)
		violation("%s: actor %u: %s: %s", actor->work->kind->name, actor->number, what,
			strerror(-answer->error));
}

const char *work_name(struct actor *actor, char letter, uint64_t number)
{
	snprintf(actor->name, sizeof actor->name, "%c%" PRIu64, letter, number);
	return actor->name;
}

static void on_made(struct actor *actor, const struct answer *answer)
{
	if (answer->kind != ANSWER_DONE || answer->error < 0)
		violation("%s: a file cannot be made before there is any fault: %s", actor->work->kind->name,
			strerror(-answer->error));
	*actor->made = answer->reply->attributes.ino;
	work_finish(actor);
}

void work_make(struct actor *actor, uint64_t parent, const char *name, uint32_t mode, uint64_t *ino)
{
	const struct op op = {.kind = OP_MAKE,
		.make = {.parent = parent,
			.name = slice_of(name, strlen(name)),
			.mode = mode,
			.exclusive = true}};

	actor->made = ino;
	actor_call(actor, &op, NULL, on_made);
}

void work_make_directory(struct actor *actor)
{
	work_make(actor, FS_ROOT_INO, actor->work->kind->name, S_IFDIR | 0755, &actor->work->directory);
}

/* ---- One after the other ---- */

static void go_on(struct actor *actor)
{
	struct stage *stage = actor->work->stage;

	if (actor->sweep) {
		actor->is_idle = !actor->sweep(actor, actor->step++);
	} else if (stage->budget == 0) {
		actor->is_idle = true;
	} else {
		stage->budget--;
		actor->work->kind->begin(actor);
	}
}

void work_finish(struct actor *actor)
{
	actor_rest(actor, go_on);
}

/* ---- Judging ---- */

static void print_history(const struct history *history, size_t unexplained,
	const char *(*name)(const struct history_operation *operation, char *text, size_t size))
{
	for (size_t i = 0; i < history->count; i++)
		history_print(history, i, name);
	printf("the first that nothing explains: %zu\n", unexplained);
}

void work_judge(const struct work *work, const struct linear_object *object, const struct history *history,
	uint32_t number,
	const char *(*name)(const struct history_operation *operation, char *text, size_t size))
{
	struct linear_report report;
	enum linear_verdict verdict = linear_check(object, history, &report);

	if (verdict == LINEAR)
		return;
	if (verdict == LINEAR_UNDECIDED) {
		work->stage->undecided++;
		return;
	}
	print_history(history, report.unexplained, name);
	violation("%s %" PRIu32 ": no order of its operations gives these answers", work->kind->name, number);
}
