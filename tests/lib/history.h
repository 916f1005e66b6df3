/*
 * history.h: the operations that clients made on one object and the answers that they got, with the moment of each, for a
 * checker (linear.h).
 *
 * A *moment* is a number from a clock that every history of a run shares: earlier events have smaller ones. An operation
 * takes effect, if at all, at one point between the moments at which it was asked and answered.
 */
#ifndef RAFTKV_TESTS_LIB_HISTORY_H
#define RAFTKV_TESTS_LIB_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTORY_NO_MOMENT UINT64_MAX

enum history_outcome {
	HISTORY_OPEN, /* nobody knows: it took effect once, at any time after it was asked, or never */
	HISTORY_DONE, /* it took effect, with `result` */
	HISTORY_NEVER, /* it was refused and has no effect, ever */
};

struct history_operation {
	uint32_t kind; /* these four mean what the object's specification says */
	uint64_t argument;
	uint64_t other;
	uint64_t result;
	enum history_outcome outcome;
	uint32_t client; /* for people */
	uint64_t asked;
	uint64_t answered; /* HISTORY_NO_MOMENT unless HISTORY_DONE */
};

struct history {
	uint64_t *clock; /* shared */
	struct history_operation *operations; /* in the order asked */
	size_t count;
	size_t capacity;
};

void history_init(struct history *history, uint64_t *clock);
void history_close(struct history *history);

/* Now; its number. `outcome`, `result` and the moments are filled in. */
size_t history_ask(struct history *history, const struct history_operation *operation);
/* Now, once; an operation without an answer stays open. */
void history_done(struct history *history, size_t number, uint64_t result);
void history_never(struct history *history, size_t number);

/* A line for people: "  17 client 3: write 42 [103, 110] -> 0". `name` says what it does; a static string or `text`. */
void history_print(const struct history *history, size_t number,
	const char *(*name)(const struct history_operation *operation, char *text, size_t size));

#endif
