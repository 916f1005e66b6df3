/*
 * work.h: a kind of operations on files whose right answers are known. Each work has some objects and a history of each, and
 * checks them at the end.
 *
 *   registers.c   small and large files, overwritten and read as a whole
 *   sets.c        names made, removed, looked up and listed in shared directories
 *   transfers.c   files and directories renamed between directories
 *   appends.c     files that only grow, from everywhere
 *   counters.c    read, then written again, under a lock
 *   orphans.c     files that are used after their last name went
 *   openers.c     files that one mount uses and another removes
 *   links.c       names of files linked, renamed over each other and removed
 *   nests.c       directories moved into each other and removed
 *   trees.c       everything else, each actor alone, compared with a model
 */
#ifndef RAFTKV_TESTS_SIM_WORK_H
#define RAFTKV_TESTS_SIM_WORK_H

#include "tests/lib/linear.h"
#include "tests/sim/actor.h"
#include "tests/sim/stage.h"

struct work_kind {
	const char *name;
	size_t size; /* of the struct that begins with its struct work */
	void (*init)(struct work *work);
	/* Begins the `step`-th operation that makes its files; false: there are no more. No fault is there yet. */
	bool (*prepare)(struct actor *actor, uint32_t step);
	/* Begins any operation. */
	void (*begin)(struct actor *actor);
	/* Begins the `step`-th operation that looks at what is left, after all faults. */
	bool (*look)(struct actor *actor, uint32_t step);
	/* A violation ends the process. */
	void (*judge)(const struct work *work);
};

struct work {
	const struct work_kind *kind;
	struct stage *stage;
	uint64_t directory; /* ino: its own */
};

#define WORK_KINDS 10u

extern const struct work_kind registers_work, sets_work, transfers_work, appends_work, counters_work,
	orphans_work, openers_work, links_work, nests_work, trees_work;
extern const struct work_kind *const work_kinds[WORK_KINDS];

struct work *work_new(const struct work_kind *kind, struct stage *stage);

/* ---- For the works ---- */

uint64_t work_random(const struct work *work, uint64_t below);
/* An operation of `prepare`: makes a file or a directory (`mode`), whose ino goes to `*ino`. */
void work_make(struct actor *actor, uint64_t parent, const char *name, uint32_t mode, uint64_t *ino);
/* The same for the directory of the work, in the root. */
void work_make_directory(struct actor *actor);
/* "t7", in the actor's own memory. */
const char *work_name(struct actor *actor, char letter, uint64_t number);
/* The operation is over: rests, and begins another. */
void work_finish(struct actor *actor);
/* Without an error that this kind of operation must not have. */
void work_expect(const struct actor *actor, const struct answer *answer, const char *what);

/* Violates unless the history is linearizable; `what` and `number` name the object. */
void work_judge(const struct work *work, const struct linear_object *object, const struct history *history,
	uint32_t number,
	const char *(*name)(const struct history_operation *operation, char *text, size_t size));

#endif
