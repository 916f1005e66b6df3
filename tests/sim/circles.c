#include "tests/sim/circles.h"

#include <inttypes.h>

#include "fs/transact/transactions.h"
#include "tests/sim/violation.h"

#define WAITS_MAX 1024u /* more are not looked at */

struct waits {
	struct transactions_wait list[WAITS_MAX];
	uint32_t count;
};

static void take_wait(void *argument, const struct transactions_wait *wait)
{
	struct waits *waits = argument;

	if (waits->count < WAITS_MAX)
		waits->list[waits->count++] = *wait;
}

static bool is_of_same_operation(const struct transactions_wait *one, const struct transactions_wait *other)
{
	return !intent_age_is_older(&one->age, &other->age) && !intent_age_is_older(&other->age, &one->age);
}

/* Does the attempt that is waited for wait itself? An operation may wait for what an attempt of its own has left. */
static bool goes_on(const struct waits *waits, const struct transactions_wait *wait)
{
	for (uint32_t i = 0; i < waits->count; i++)
		if (attempt_is_same(&waits->list[i].waiting, &wait->awaited) &&
			!is_of_same_operation(&waits->list[i], wait))
			return true;
	return false;
}

/* Takes away, as long as there are any, waits that lead to no other one. What is left leads to circles, or is in one. */
static void keep_circles(struct waits *waits)
{
	uint32_t before;

	do {
		before = waits->count;
		for (uint32_t i = waits->count; i-- > 0;)
			if (!goes_on(waits, &waits->list[i]))
				waits->list[i] = waits->list[--waits->count];
	} while (waits->count < before);
}

static void judge(const struct waits *waits)
{
	const struct transactions_wait *wait = waits->list;

	if (waits->count > 0)
		violation("%" PRIu32 " operations wait for each other in a circle: attempt %" PRIu64
			  " of region %" PRIu64 " waits for attempt %" PRIu64 " of region %" PRIu64
			  ", which waits",
			waits->count, wait->waiting.number, wait->waiting.region, wait->awaited.number,
			wait->awaited.region);
}

uint64_t circles_look(const struct cluster *cluster)
{
	struct waits waits = {.count = 0};
	uint64_t count;

	for (uint32_t i = 0; i < STORES; i++)
		if (store_is_well(&cluster->stores[i]))
			transactions_each_wait(
				server_transactions(cluster->stores[i].server), take_wait, &waits);
	count = waits.count;
	keep_circles(&waits);
	judge(&waits);
	return count;
}
