#include "tests/sim/moments.h"

#include "fs/transact/transactions_internal.h"

#define PATIENCE    (5 * (uint64_t)SIM_S) /* for a moment that may not come */
#define FOLLOWS_MAX (16 * SIM_MS) /* after it: a few messages, or a sync */

/* What rises when the moment comes. */
static uint64_t count(const struct store *store, enum moment_kind kind)
{
	const struct transactions *transactions;

	if (!store_is_well(store))
		return 0;
	transactions = server_transactions(store->server);
	switch (kind) {
	case MOMENT_SPLIT:
		return store->splits_asked;
	case MOMENT_ATTEMPT:
		return transactions->number;
	case MOMENT_RESOLUTION:
		return transactions->resolution_count;
	default:
		return transactions->waiting_count;
	}
}

void moment_init(struct moment *moment, bool is_of_split)
{
	*moment = (struct moment){.store = STORES, .is_of_split = is_of_split};
}

bool moment_look(struct moment *moment, const struct store *stores)
{
	if (moment->state != MOMENT_IS_AWAITED)
		return false;
	for (uint32_t i = 0; i < STORES; i++) {
		uint64_t now = count(&stores[i], moment->kind);

		if (now > moment->seen[i]) {
			moment->state = MOMENT_HAS_COME;
			moment->store = i;
			return true;
		}
		moment->seen[i] = now;
	}
	return false;
}

bool moment_is_split(const struct moment *moment)
{
	return moment->store < STORES && moment->kind == MOMENT_SPLIT;
}

/* Has any store been told to split a region, or begun an attempt? Otherwise none may come. */
static bool may_come(const struct moment *moment, const struct store *stores)
{
	uint64_t steps = 0;

	for (uint32_t i = 0; i < STORES; i++) {
		steps += count(&stores[i], MOMENT_ATTEMPT);
		if (!moment->is_of_split)
			steps += count(&stores[i], MOMENT_SPLIT);
	}
	return steps > 0;
}

static void await(struct moment *moment, const struct store *stores, struct sim_world *world)
{
	moment_init(moment, moment->is_of_split);
	moment->state = MOMENT_IS_AWAITED;
	moment->kind = (enum moment_kind)sim_random(world, moment->is_of_split ? MOMENT_SPLIT : MOMENT_KINDS);
	for (uint32_t i = 0; i < STORES; i++)
		moment->seen[i] = count(&stores[i], moment->kind);
}

bool moment_is_due(struct moment *moment, struct store *stores, uint64_t *next)
{
	struct sim_world *world = stores[0].world;
	uint64_t now = sim_time(world);

	if (moment->state == MOMENT_HAS_COME) {
		moment->state = MOMENT_IS_OVER;
		*next = now + sim_random(world, (FOLLOWS_MAX >> sim_random(world, 8)) + 1);
	}
	if (*next > now)
		return false;
	if (moment->state == MOMENT_IS_OUT && may_come(moment, stores) && sim_random(world, 2) == 0) {
		await(moment, stores, world);
		*next = now + PATIENCE;
		return false;
	}
	if (moment->state != MOMENT_IS_OVER)
		moment->store = STORES;
	moment->state = MOMENT_IS_OUT;
	return true;
}
