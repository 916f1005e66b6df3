/*
 * Registers: files of one size, which are overwritten and read as a whole. Each write has a value of its own, so that a read
 * tells which write it saw; a mixture of two writes is torn. Each is in a directory of its own, so that any split may move
 * one of them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/check.h"
#include "tests/sim/violation.h"
#include "tests/sim/work.h"

#define REGISTERS 4u

enum { READ, WRITE };

struct registers {
	struct work work;
	struct {
		uint64_t ino, directory;
		uint32_t size; /* bytes */
		struct history history;
	} files[REGISTERS];
};

static void init(struct work *work)
{
	static const uint32_t sizes[] = {8, 96, 4096, 5000, 16384, 65536, 131072};
	struct registers *registers = (struct registers *)work;

	for (uint32_t i = 0; i < REGISTERS; i++) {
		registers->files[i].size = sizes[work_random(work, sizeof sizes / sizeof *sizes)];
		history_init(&registers->files[i].history, &work->stage->clock);
	}
}

/* ---- Writing ---- */

static struct buf *fill(uint32_t size, uint64_t value)
{
	struct buf *payload = buf_new(size);

	check(payload);
	for (uint32_t i = 0; i + 8 <= size; i += 8)
		memcpy((uint8_t *)payload->data + i, &value, 8);
	return payload;
}

static void on_written(struct actor *actor, const struct answer *answer)
{
	work_expect(actor, answer, "a write");
	actor_enter(actor, answer, 0);
	work_finish(actor);
}

static void write_value(struct actor *actor, uint32_t number)
{
	struct registers *registers = (struct registers *)actor->work;
	struct history *history = &registers->files[number].history;
	const struct op op = {.kind = OP_WRITE, .write = {.ino = registers->files[number].ino}};
	struct history_operation operation = {
		.kind = WRITE, .argument = history->count + 1, .client = actor->number};

	actor->history = history;
	actor->operation = history_ask(history, &operation);
	actor_call(actor, &op, fill(registers->files[number].size, operation.argument), on_written);
}

/* ---- Reading ---- */

static void on_read(struct actor *actor, const struct answer *answer)
{
	const struct registers *registers = (struct registers *)actor->work;
	uint32_t size = registers->files[actor->other].size;
	uint64_t value = 0;

	work_expect(actor, answer, "a read");
	if (answer->kind == ANSWER_DONE) {
		if (answer->finding->count != size)
			violation("register %" PRIu64 ": %zu bytes instead of %u", actor->other,
				answer->finding->count, size);
		memcpy(&value, actor->bytes, 8);
		for (uint32_t i = 8; i + 8 <= size; i += 8)
			if (memcmp(actor->bytes + i, &value, 8) != 0)
				violation("register %" PRIu64 ": torn at byte %u", actor->other, i);
	}
	actor_enter(actor, answer, value);
	work_finish(actor);
}

static void read_value(struct actor *actor, uint32_t number)
{
	struct registers *registers = (struct registers *)actor->work;

	actor->other = number;
	actor->history = &registers->files[number].history;
	actor->operation = history_ask(
		actor->history, &(struct history_operation){.kind = READ, .client = actor->number});
	actor_read_file(actor, registers->files[number].ino, on_read);
}

/* ---- The work ---- */

/* Each is made, then written. */
static bool prepare(struct actor *actor, uint32_t step)
{
	struct registers *registers = (struct registers *)actor->work;
	uint32_t number = (step - 1) / 3;

	if (step == 0)
		work_make_directory(actor);
	else if (number < REGISTERS && step % 3 == 1)
		work_make(actor, actor->work->directory, work_name(actor, 'd', number), S_IFDIR | 0755,
			&registers->files[number].directory);
	else if (number < REGISTERS && step % 3 == 2)
		work_make(actor, registers->files[number].directory, work_name(actor, 'r', number),
			S_IFREG | 0644, &registers->files[number].ino);
	else if (number < REGISTERS)
		write_value(actor, number);
	return step == 0 || number < REGISTERS;
}

static void begin(struct actor *actor)
{
	uint32_t number = (uint32_t)work_random(actor->work, REGISTERS);

	if (work_random(actor->work, 2) == 0)
		write_value(actor, number);
	else
		read_value(actor, number);
}

static bool look(struct actor *actor, uint32_t step)
{
	if (step < REGISTERS)
		read_value(actor, step);
	return step < REGISTERS;
}

static bool step(const struct history_operation *operation, uint64_t state, uint64_t *next)
{
	*next = operation->kind == WRITE ? operation->argument : state;
	return operation->kind == WRITE || operation->outcome == HISTORY_OPEN || operation->result == state;
}

static const char *name(const struct history_operation *operation, char *text, size_t size)
{
	if (operation->kind == WRITE)
		snprintf(text, size, "write %" PRIu64, operation->argument);
	else
		snprintf(text, size, "read -> %" PRIu64, operation->result);
	return text;
}

static void judge(const struct work *work)
{
	static const struct linear_object cell = {.step = step};
	const struct registers *registers = (const struct registers *)work;

	for (uint32_t i = 0; i < REGISTERS; i++)
		work_judge(work, &cell, &registers->files[i].history, i, name);
}

const struct work_kind registers_work = {.name = "registers",
	.size = sizeof(struct registers),
	.init = init,
	.prepare = prepare,
	.begin = begin,
	.look = look,
	.judge = judge};
