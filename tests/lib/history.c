#include "tests/lib/history.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/check.h"

void history_init(struct history *history, uint64_t *clock)
{
	*history = (struct history){.clock = clock};
}

void history_close(struct history *history)
{
	free(history->operations);
}

static void grow(struct history *history)
{
	size_t capacity = history->capacity > 0 ? 2 * history->capacity : 64;

	history->operations = realloc(history->operations, capacity * sizeof *history->operations);
	check(history->operations);
	history->capacity = capacity;
}

size_t history_ask(struct history *history, const struct history_operation *operation)
{
	struct history_operation *asked;

	if (history->count == history->capacity)
		grow(history);
	asked = &history->operations[history->count];
	*asked = *operation;
	asked->outcome = HISTORY_OPEN;
	asked->asked = ++*history->clock;
	asked->answered = HISTORY_NO_MOMENT;
	return history->count++;
}

static struct history_operation *take_open(struct history *history, size_t number)
{
	check(number < history->count);
	check(history->operations[number].outcome == HISTORY_OPEN);
	return &history->operations[number];
}

void history_done(struct history *history, size_t number, uint64_t result)
{
	struct history_operation *operation = take_open(history, number);

	operation->outcome = HISTORY_DONE;
	operation->result = result;
	operation->answered = ++*history->clock;
}

void history_never(struct history *history, size_t number)
{
	take_open(history, number)->outcome = HISTORY_NEVER;
}

void history_print(const struct history *history, size_t number,
	const char *(*name)(const struct history_operation *operation, char *text, size_t size))
{
	const struct history_operation *operation = &history->operations[number];
	char text[256];

	printf("%6zu client %" PRIu32 ": %s, asked at %" PRIu64, number, operation->client,
		name(operation, text, sizeof text), operation->asked);
	if (operation->outcome == HISTORY_DONE)
		printf(", answered at %" PRIu64 "\n", operation->answered);
	else
		printf(operation->outcome == HISTORY_OPEN ? ", open\n" : ", refused\n");
}
