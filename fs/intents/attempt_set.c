#include "fs/intents/attempt_set.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/check.h"
#include "proto/plant.h"
#include "proto/status.h"

void attempt_set_close(struct attempt_set *set)
{
	free(set->attempts);
	*set = (struct attempt_set){0};
}

static struct known_attempt *attempt_set_at(const struct attempt_set *set, const struct attempt *attempt)
{
	for (uint32_t i = 0; i < set->count; i++)
		if (attempt_is_same(&set->attempts[i].attempt, attempt))
			return &set->attempts[i];
	return NULL;
}

static int make_room(struct attempt_set *set)
{
	uint32_t capacity = set->capacity > 0 ? set->capacity * 2 : 8;
	struct known_attempt *attempts;

	if (set->count < set->capacity)
		return 0;
	if (capacity > ATTEMPT_SET_COUNT_MAX)
		return STATUS_LIMIT;
	attempts = realloc(set->attempts, capacity * sizeof *attempts);
	if (!attempts)
		return -ENOMEM;
	set->attempts = attempts;
	set->capacity = capacity;
	return 0;
}

int attempt_set_find(
	struct attempt_set *set, const struct attempt *attempt, const struct known_attempt **known)
{
	int status = 0;

	*known = attempt_set_at(set, attempt);
	if (!*known)
		status = make_room(set);
	if (*known || status < 0)
		return status;
	set->attempts[set->count] = (struct known_attempt){.attempt = *attempt};
	*known = &set->attempts[set->count++];
	return 0;
}

void attempt_set_learn(struct attempt_set *set, const struct attempt *attempt, enum attempt_verdict verdict)
{
	struct known_attempt *known = attempt_set_at(set, attempt);

	check(known != NULL);
	known->has_verdict = true;
	known->verdict = verdict;
}

void attempt_set_keep_final(struct attempt_set *set)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < set->count; i++) {
		const struct known_attempt *known = &set->attempts[i];

		if (known->has_verdict &&
			(known->verdict != ATTEMPT_IS_PENDING || planted("reads:pending_kept")))
			set->attempts[kept++] = *known;
	}
	set->count = kept;
}
