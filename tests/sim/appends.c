/*
 * Appends: files that only grow, by records of any size from all actors. An acknowledged record is in the file once, one
 * with an unknown outcome once or never, and no record is split. Their order agrees with the times at which they were
 * asked and answered.
 *
 * The longest content that any actor has read is taken for the file's, and every other answer must agree with it.
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

#define FILES	    2u
#define RECORDS_MAX 96u /* of a file: then it is only read */
#define RECORD_MAX  2048u /* bytes */

enum { APPEND, READ };

/* An append's `argument` is its number, from 1; its `result` the offset. A read's `result` is the bytes it saw. */
struct file {
	uint64_t ino;
	uint32_t asked; /* records */
	struct history history;
	uint64_t known; /* bytes that somebody has seen */
	uint8_t bytes[RECORDS_MAX * RECORD_MAX];
};

struct appends {
	struct work work;
	struct file files[FILES];
};

static void init(struct work *work)
{
	for (uint32_t i = 0; i < FILES; i++)
		history_init(&((struct appends *)work)->files[i].history, &work->stage->clock);
}

/* ---- Records ---- */

static uint32_t size_of_record(uint64_t number)
{
	static const uint32_t sizes[] = {16, 40, 600, 2048};

	return sizes[number * UINT64_C(0x9e3779b97f4a7c15) >> 62];
}

/* The number, again and again. */
static struct buf *make_record(uint64_t number)
{
	struct buf *record = buf_new(size_of_record(number));

	check(record);
	for (size_t i = 0; i < record->size; i += 8)
		memcpy((uint8_t *)record->data + i, &number, 8);
	return record;
}

/* The number of the record at `*offset`, which moves on. */
static uint64_t parse_record(const struct file *file, const uint8_t *bytes, uint64_t size, uint64_t *offset)
{
	uint64_t number = 0, left = size - *offset, record_size;

	if (left >= 8)
		memcpy(&number, bytes + *offset, 8);
	record_size = size_of_record(number);
	if (number == 0 || number > file->asked || record_size > left)
		violation("appends: no record begins at offset %" PRIu64 " of %" PRIu64, *offset, size);
	for (uint64_t i = 0; i < record_size; i += 8)
		if (memcmp(bytes + *offset + i, &number, 8) != 0)
			violation("appends: record %" PRIu64 " at offset %" PRIu64 " is damaged", number,
				*offset);
	*offset += record_size;
	return number;
}

/* ---- Operations ---- */

static void on_appended(struct actor *actor, const struct answer *answer)
{
	work_expect(actor, answer, "an append");
	actor_enter(actor, answer, answer->kind == ANSWER_DONE ? answer->reply->offset : 0);
	work_finish(actor);
}

static void append(struct actor *actor, struct file *file)
{
	const struct op op = {.kind = OP_WRITE, .write = {.ino = file->ino, .flags = OP_WRITE_APPEND}};
	uint64_t number = ++file->asked;

	actor->operation = history_ask(actor->history,
		&(struct history_operation){.kind = APPEND, .argument = number, .client = actor->number});
	actor_call(actor, &op, make_record(number), on_appended);
}

static void take_bytes(struct file *file, const uint8_t *bytes, uint64_t size)
{
	uint64_t common = size < file->known ? size : file->known, offset = 0;

	check(size <= sizeof file->bytes);
	while (offset < size)
		parse_record(file, bytes, size, &offset);
	if (memcmp(file->bytes, bytes, common) != 0)
		violation("appends: what was read of a file before has changed");
	if (size > file->known) {
		memcpy(file->bytes, bytes, size);
		file->known = size;
	}
}

static void on_read(struct actor *actor, const struct answer *answer)
{
	struct file *file = &((struct appends *)actor->work)->files[actor->other];

	work_expect(actor, answer, "a read");
	if (answer->kind == ANSWER_DONE)
		take_bytes(file, actor->bytes, answer->finding->count);
	actor_enter(actor, answer, answer->kind == ANSWER_DONE ? answer->finding->count : 0);
	work_finish(actor);
}

static void read_all(struct actor *actor, struct file *file)
{
	actor->operation = history_ask(
		actor->history, &(struct history_operation){.kind = READ, .client = actor->number});
	actor_read_file(actor, file->ino, on_read);
}

static struct file *choose(struct actor *actor, uint32_t number)
{
	struct file *file = &((struct appends *)actor->work)->files[number];

	actor->other = number;
	actor->history = &file->history;
	return file;
}

static void begin(struct actor *actor)
{
	struct file *file = choose(actor, (uint32_t)work_random(actor->work, FILES));

	if (file->asked < RECORDS_MAX && work_random(actor->work, 4) > 0)
		append(actor, file);
	else
		read_all(actor, file);
}

/* ---- The work ---- */

static bool prepare(struct actor *actor, uint32_t step)
{
	struct appends *appends = (struct appends *)actor->work;

	if (step == 0)
		work_make_directory(actor);
	else if (step <= FILES)
		work_make(actor, actor->work->directory, work_name(actor, 'a', step), S_IFREG | 0644,
			&appends->files[step - 1].ino);
	return step <= FILES;
}

static bool look(struct actor *actor, uint32_t step)
{
	if (step < FILES)
		read_all(actor, choose(actor, step));
	return step < FILES;
}

/* Where each record of the file ends; 0: it is not there. */
static void find_records(const struct file *file, uint64_t ends[RECORDS_MAX + 1])
{
	uint64_t offset = 0;

	memset(ends, 0, (RECORDS_MAX + 1) * sizeof *ends);
	while (offset < file->known) {
		uint64_t number = parse_record(file, file->bytes, file->known, &offset);

		if (ends[number] > 0)
			violation("appends: record %" PRIu64 " is there twice", number);
		ends[number] = offset;
	}
}

static void judge_append(const struct history_operation *operation, uint64_t end)
{
	uint64_t number = operation->argument, size = size_of_record(number);

	if (operation->outcome == HISTORY_DONE && end == 0)
		violation("appends: record %" PRIu64 ", acknowledged, is lost", number);
	if (operation->outcome == HISTORY_NEVER && end > 0)
		violation("appends: record %" PRIu64 ", refused, is there", number);
	if (operation->outcome == HISTORY_DONE && operation->result + size != end)
		violation("appends: record %" PRIu64 " is at offset %" PRIu64 ", said to be at %" PRIu64,
			number, end - size, operation->result);
}

/* The length of the file after an operation; of a record that is not there, nothing is known. */
static uint64_t length_after(
	const struct history_operation *operation, const uint64_t ends[RECORDS_MAX + 1], uint64_t unknown)
{
	if (operation->kind == APPEND)
		return ends[operation->argument] > 0 ? ends[operation->argument] : unknown;
	return operation->outcome == HISTORY_DONE ? operation->result : unknown;
}

/* What was answered before another was asked comes no later in the file. */
static void judge_order(const struct history *history, const uint64_t ends[RECORDS_MAX + 1])
{
	for (size_t i = 0; i < history->count; i++) {
		const struct history_operation *first = &history->operations[i];

		for (size_t j = 0; j < history->count; j++) {
			const struct history_operation *second = &history->operations[j];

			if (first->outcome == HISTORY_DONE && first->answered < second->asked &&
				length_after(first, ends, 0) > length_after(second, ends, UINT64_MAX))
				violation("appends: operation %zu, answered at %" PRIu64
					  ", shows more of the file than operation %zu, asked at %" PRIu64,
					i, first->answered, j, second->asked);
		}
	}
}

/* Nobody sees a record before it was asked for. */
static void judge_causes(const struct history *history, const uint64_t ends[RECORDS_MAX + 1])
{
	for (size_t i = 0; i < history->count; i++) {
		const struct history_operation *append = &history->operations[i];

		for (size_t j = 0; j < i && append->kind == APPEND; j++) {
			const struct history_operation *read = &history->operations[j];

			if (read->kind == READ && read->outcome == HISTORY_DONE &&
				read->answered < append->asked && ends[append->argument] > 0 &&
				ends[append->argument] <= read->result)
				violation("appends: record %" PRIu64 " was read before it was written",
					append->argument);
		}
	}
}

static void judge(const struct work *work)
{
	for (uint32_t i = 0; i < FILES; i++) {
		const struct file *file = &((const struct appends *)work)->files[i];
		uint64_t ends[RECORDS_MAX + 1];

		find_records(file, ends);
		for (size_t j = 0; j < file->history.count; j++)
			if (file->history.operations[j].kind == APPEND)
				judge_append(&file->history.operations[j],
					ends[file->history.operations[j].argument]);
		judge_order(&file->history, ends);
		judge_causes(&file->history, ends);
	}
}

const struct work_kind appends_work = {.name = "appends",
	.size = sizeof(struct appends),
	.init = init,
	.prepare = prepare,
	.begin = begin,
	.look = look,
	.judge = judge};
