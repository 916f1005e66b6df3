#include "tests/sim/oldest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "fs/schema/keys.h"
#include "fs/transact/transactions.h"
#include "proto/check.h"
#include "proto/hash.h"
#include "store/rows/keys.h"
#include "tests/lib/kv_rows.h"
#include "tests/sim/violation.h"

/* An intent is told from the second round of the sweeper on, and its age counts from the first. A slow disk may delay
 * both. */
#define TOLD_LATE (2 * SWEEP_MS * (uint64_t)SIM_MS + 4 * (uint64_t)SIM_S)

struct oldest_intent {
	struct {
		uint64_t region, process; /* that leads it: when it began */
		struct attempt attempt;
	} key;
	uint64_t since; /* world time */
	uint64_t look; /* the last that saw it */
	UT_hash_handle hh;
};

struct oldest_intents {
	struct oldest_intent *list; /* uthash */
	uint64_t look; /* counts */
};

/* A look at one store. */
struct look {
	const struct store *store;
	struct oldest_intents *intents;
	const struct oldest_intent *oldest; /* NULL: there is none */
};

void oldest_init(struct oldest *oldest, struct cluster *cluster)
{
	*oldest = (struct oldest){.cluster = cluster};
	for (uint32_t i = 0; i < STORES; i++) {
		oldest->intents[i] = calloc(1, sizeof *oldest->intents[i]);
		check(oldest->intents[i]);
	}
}

static void take(struct look *look, uint64_t region, const struct attempt *attempt)
{
	struct oldest_intents *intents = look->intents;
	struct oldest_intent wanted = {
		.key = {.region = region, .process = look->store->began, .attempt = *attempt}};
	struct oldest_intent *intent;

	HASH_FIND(hh, intents->list, &wanted.key, sizeof wanted.key, intent);
	if (!intent) {
		intent = calloc(1, sizeof *intent);
		check(intent);
		intent->key = wanted.key;
		intent->since = sim_time(look->store->world);
		HASH_ADD(hh, intents->list, key, sizeof intent->key, intent);
	}
	intent->look = intents->look;
	if (!look->oldest || intent->since < look->oldest->since)
		look->oldest = intent;
}

/* A look at one region. */
struct scan {
	struct look *look;
	uint64_t region;
};

static void take_row(void *argument, struct slice key, struct slice value)
{
	const struct scan *scan = argument;
	struct attempt attempt;
	uint64_t ino;
	uint32_t index;

	(void)value;
	if (fs_key_parse_intent(key_row_inner(KEY_LOCAL, key), &ino, &attempt, &index) == 0)
		take(scan->look, scan->region, &attempt);
}

static void take_region(void *argument, const struct region *region, uint64_t term)
{
	struct look *look = argument;
	struct fs_key first = fs_key_intents_all(), end = fs_key_after(&first);
	struct scan scan = {look, region->id};
	struct key low, high;

	if (term == 0)
		return;
	key_row(&low, region->id, KEY_LOCAL, fs_key_slice(&first));
	key_row(&high, region->id, KEY_LOCAL, fs_key_slice(&end));
	kv_rows_each(look->store->kv_engine, &low, &high, take_row, &scan);
}

static void forget(struct oldest_intents *intents)
{
	struct oldest_intent *intent, *next;

	HASH_ITER (hh, intents->list, intent, next) {
		if (intent->look == intents->look)
			continue;
		HASH_DEL(intents->list, intent);
		free(intent);
	}
}

static void compare(struct oldest *oldest, const struct look *look)
{
	uint64_t age = look->oldest ? sim_time(look->store->world) - look->oldest->since : 0;
	struct transactions_oldest told;

	if (age > oldest->age_max)
		oldest->age_max = age;
	if (age < TOLD_LATE)
		return;
	transactions_oldest(server_transactions(look->store->server), &told);
	if (told.age == 0 || told.age + TOLD_LATE < age)
		violation("store %u has had an intent in region %" PRIu64
			  " for %.0f s, and tells of one of %.0f s",
			look->store->number, look->oldest->key.region, (double)age / SIM_S,
			(double)told.age / SIM_S);
	oldest->told++;
}

/* The rounds of a machine that stood still were late. */
void oldest_look(struct oldest *oldest)
{
	for (uint32_t i = 0; i < STORES; i++) {
		const struct store *store = &oldest->cluster->stores[i];
		struct look look = {.store = store, .intents = oldest->intents[i]};

		look.intents->look++;
		if (store_is_well(store) && !sim_node_is_paused(store->node))
			raftkv_each_region(store_raftkv(store), take_region, &look);
		forget(look.intents);
		compare(oldest, &look);
	}
}
