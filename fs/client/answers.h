/*
 * answers.h: the attributes that a mount's own writes were answered with, for those who ask meanwhile.
 *
 * Attributes that were asked for before a write was made may come after its answer: they are too old by then, since the
 * writer was told earlier still. Data versions (rows.h) tell. The last `count_max` files are remembered; who asked before
 * others were forgotten is told so.
 *
 * One thread at a time, except answers_count.
 */
#ifndef RAFTKV_FS_CLIENT_ANSWERS_H
#define RAFTKV_FS_CLIENT_ANSWERS_H

#include <stdatomic.h>

#include "fs/schema/rows.h"

struct answer;

struct answers {
	uint32_t count_max; /* files */
	_Atomic uint64_t count; /* of all answers, ever */
	uint64_t forgotten; /* how many there were when the last file was forgotten that was */
	struct answer *by_ino;
	struct answer *list; /* the first one was answered longest ago */
};

void answers_init(struct answers *answers, uint32_t count_max);
void answers_close(struct answers *answers);
void answers_note(struct answers *answers, const struct attributes *attributes);
/* Any thread. */
uint64_t answers_count(const struct answers *answers);
/* Brings attributes that were asked for when there were `count` answers up to date with those that came since. False:
 * there may have been one that is forgotten. */
bool answers_update(const struct answers *answers, uint64_t count, struct attributes *attributes);

#endif
