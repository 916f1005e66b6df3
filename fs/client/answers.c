#include "fs/client/answers.h"

#include <stdlib.h>
#include <utlist.h>

#include "proto/hash.h"
#include "proto/plant.h"

/* The newest answer of one file. */
struct answer {
	uint64_t ino;
	struct attributes attributes;
	uint64_t count; /* of all answers, including this one */
	struct answer *prev, *next;
	UT_hash_handle hh;
};

void answers_init(struct answers *answers, uint32_t count_max)
{
	*answers = (struct answers){.count_max = count_max};
}

static void forget(struct answers *answers, struct answer *answer)
{
	DL_DELETE(answers->list, answer);
	HASH_DELETE(hh, answers->by_ino, answer);
	free(answer);
}

void answers_close(struct answers *answers)
{
	while (answers->list)
		forget(answers, answers->list);
}

static struct answer *answers_find(const struct answers *answers, uint64_t ino)
{
	struct answer *answer;

	HASH_FIND(hh, answers->by_ino, &ino, sizeof ino, answer);
	return answer;
}

/* The generation tells files apart that had the same inode number one after the other. */
static bool answers_is_older(const struct attributes *a, const struct attributes *b)
{
	return a->generation == b->generation && a->data_version < b->data_version;
}

static struct answer *answers_add(struct answers *answers, const struct attributes *attributes)
{
	struct answer *answer = calloc(1, sizeof *answer);

	if (!answer)
		return NULL;
	answer->ino = attributes->ino;
	answer->attributes = *attributes;
	HASH_ADD(hh, answers->by_ino, ino, sizeof answer->ino, answer);
	DL_APPEND(answers->list, answer);
	return answer;
}

void answers_note(struct answers *answers, const struct attributes *attributes)
{
	struct answer *answer = answers_find(answers, attributes->ino);

	answers->count++;
	if (answer) {
		if (!answers_is_older(attributes, &answer->attributes))
			answer->attributes = *attributes;
		DL_DELETE(answers->list, answer);
		DL_APPEND(answers->list, answer);
	} else {
		answer = answers_add(answers, attributes);
	}
	if (!answer) {
		answers->forgotten = answers->count;
		return;
	}
	answer->count = answers->count;
	if (HASH_COUNT(answers->by_ino) <= answers->count_max)
		return;
	answers->forgotten = answers->list->count;
	forget(answers, answers->list);
}

uint64_t answers_count(const struct answers *answers)
{
	return atomic_load(&answers->count);
}

bool answers_update(const struct answers *answers, uint64_t count, struct attributes *attributes)
{
	const struct answer *answer = answers_find(answers, attributes->ino);

	if (!answer)
		return answers->forgotten <= count;
	if (planted("fs:old_answer_kept"))
		return true;
	if (answers_is_older(attributes, &answer->attributes))
		*attributes = answer->attributes;
	return true;
}
