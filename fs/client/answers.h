/*
 * answers.h: the attributes that a mount's own writes were answered with. They bring attributes up to date that were
 * read meanwhile.
 *
 * Attributes that were read before a write was applied may arrive after the write's answer. They are stale by then, as
 * the writer has seen newer ones. The data version (rows.h) shows which are newer. The `count_max` files that were
 * answered last are remembered; answers_update reports when an older answer may be missing.
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
	_Atomic uint64_t count; /* of all answers so far */
	uint64_t forgotten; /* the number of the latest answer that was forgotten; 0: none was */
	struct answer *by_ino;
	struct answer *list; /* in the order of their last answers, the oldest first */
};

void answers_init(struct answers *answers, uint32_t count_max);
void answers_close(struct answers *answers);
void answers_note(struct answers *answers, const struct attributes *attributes);
/* Any thread. */
uint64_t answers_count(const struct answers *answers);
/* Replaces attributes by those of the file's last answer, if that is newer. `count` is answers_count from before they
 * were asked for. False: an answer since then may have been forgotten. */
bool answers_update(const struct answers *answers, uint64_t count, struct attributes *attributes);

#endif
