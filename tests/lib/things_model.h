/*
 * The model: what the clients were told, and what therefore must be true of every thing (tests/lib/things.h).
 *
 * A thing's history is one total order of the operations that took effect, written by the store itself. The checks that
 * make it a linearizable one, with every acknowledged operation in it exactly once:
 *
 *  - two answers never disagree about the same place of the history;
 *  - an operation stands in it at most once, was asked for before, and was not refused;
 *  - an answer shows a history at least as long as any that an answer had shown when the operation or read began,
 *    across crashes as well;
 *  - the place of an operation comes after all that was certain before it began;
 *  - parts and object are exactly what the operations of the history make of them.
 *
 * A violation prints a sentence and ends the process: a process runs one seed.
 */
#ifndef RAFTKV_TESTS_LIB_THINGS_MODEL_H
#define RAFTKV_TESTS_LIB_THINGS_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "store/kv/view.h"
#include "tests/lib/things.h"

#define THINGS_MAX   12u
#define OBJECT_UNITS 80u /* more than one row of an extent map */
#define HISTORY_MAX  4096u /* operations of one thing */

enum outcome {
	OUTCOME_OPEN, /* not known, and perhaps never */
	OUTCOME_DONE, /* acknowledged: stands at `place` */
	OUTCOME_NEVER, /* refused: must not take effect, ever */
};

struct model_operation {
	struct thing_operation operation;
	uint32_t thing;
	uint64_t certain; /* length of the history that was certain when it was first asked for */
	enum outcome outcome;
	uint64_t place; /* from 1; 0: not seen in the history yet */
};

struct model_thing {
	uint8_t name[8];
	uint64_t certain; /* some answer has shown a history of this length */
	uint64_t history[HISTORY_MAX]; /* ids; 0: not seen */
	uint64_t asked; /* operations that may yet make the history longer, or have */
};

struct things_model {
	uint32_t thing_count;
	struct model_thing things[THINGS_MAX];
	struct model_operation *operations; /* by id; 0 is none */
	uint64_t operation_count; /* one past the last id */
	uint64_t capacity;
	uint64_t acknowledged, reads; /* totals */
	uint64_t trace; /* a hash of all answers */
};

/* The names of things begin with four bytes spread over the key space, so that every region has some. */
void things_model_init(struct things_model *model, uint32_t thing_count);
struct slice things_model_name(const struct things_model *model, uint32_t thing);

/* A new operation on `thing`, as asked for now; its id is filled in. */
struct model_operation *things_model_ask(
	struct things_model *model, uint32_t thing, const struct thing_operation *operation);
struct model_operation *things_model_find(struct things_model *model, uint64_t id);

/* Answers. `reply` of a change, or of one that changed nothing. */
void things_model_done(struct things_model *model, uint64_t id, const struct thing_reply *reply);
void things_model_never(struct things_model *model, uint64_t id);

/* The whole thing as read through `view`; `certain` is what was certain when the read began. 0, or the view's error,
 * and then nothing was learnt. */
int things_model_read(struct things_model *model, uint32_t thing, uint64_t certain, struct view *view);

/* Prints and ends the process. */
_Noreturn void violation(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
