#include "tests/sim/watch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <uthash.h>

#include "proto/check.h"
#include "store/rows/extents.h"
#include "store/rows/keys.h"
#include "store/raftkv.h"
#include "store/rows/region.h"
#include "tests/sim/violation.h"

#define REGION 1u

/* The rows of a region at an index, as somebody has had them. */
struct watch_state {
	uint64_t index;
	uint64_t digest;
	uint32_t store; /* whose rows these were */
	UT_hash_handle hh;
};

void watch_init(struct watch *watch, struct cluster *cluster)
{
	*watch = (struct watch){.cluster = cluster};
}

/* ---- Leaders ---- */

static void take_term(void *argument, const struct region *region, uint64_t term)
{
	if (region->id == REGION)
		*(uint64_t *)argument = term;
}

void watch_leaders(struct watch *watch)
{
	watch->looks++;
	for (uint32_t i = 0; i < STORES; i++) {
		const struct store *store = &watch->cluster->stores[i];
		uint64_t term = 0;

		if (store_is_well(store))
			raftkv_each_region(store_raftkv(store), take_term, &term);
		if (term == 0)
			continue;
		check(term < WATCH_TERMS_MAX);
		if (watch->leaders[term] != 0 && watch->leaders[term] != store->number)
			violation("stores %u and %u both lead in term %" PRIu64, watch->leaders[term],
				store->number, term);
		watch->leaders[term] = (uint8_t)store->number;
	}
}

/* ---- Rows ---- */

static uint64_t mix(uint64_t digest, const void *bytes, size_t size)
{
	const uint8_t *next = bytes;

	for (size_t i = 0; i < size; i++)
		digest = (digest ^ next[i]) * UINT64_C(0x100000001b3);
	return digest ^ digest >> 29;
}

/* Where a unit lies is each replica's own affair. */
static uint64_t mix_extents(uint64_t digest, struct slice value)
{
	struct extent_row row;

	if (extent_row_decode(value, &row) < 0)
		violation("a row of an extent map is damaged");
	for (uint32_t i = 0; i < EXTENT_ROW_UNITS; i++) {
		const struct extent_unit *unit = &row.units[i];

		if (unit->address == EXTENT_HOLE)
			continue;
		digest = mix(digest, &i, sizeof i);
		digest = mix(digest, &unit->region, sizeof unit->region);
		digest = mix(digest, &unit->index, sizeof unit->index);
		digest = mix(digest, &unit->checksum, sizeof unit->checksum);
	}
	return digest;
}

static uint64_t digest_rows(struct kv_engine *kv, struct slice low, struct slice high, bool are_extents)
{
	uint64_t digest = UINT64_C(0xcbf29ce484222325);
	struct kv_iterator *iterator;
	int status;

	check(kv->ops->iterator_new(kv, NULL, KV_TIER_ALL, low, high, &iterator) == 0);
	for (status = kv->ops->seek(iterator, low); status == 0; status = kv->ops->next(iterator)) {
		struct slice key, value;

		kv->ops->row(iterator, &key, &value);
		digest = mix(digest, key.data, key.size);
		digest = are_extents ? mix_extents(digest, value) : mix(digest, value.data, value.size);
	}
	check(status == STATUS_NOT_FOUND);
	kv->ops->iterator_free(kv, iterator);
	return digest;
}

static uint64_t digest_of(struct kv_engine *kv)
{
	uint64_t digests[3];
	struct key low, high;

	key_row(&low, REGION, KEY_DATA, (struct slice){0});
	key_row_bound(&high, REGION, KEY_DATA, (struct slice){0});
	digests[0] = digest_rows(kv, key_slice(&low), key_slice(&high), false);
	key_row(&low, REGION, KEY_LOCAL, (struct slice){0});
	key_row_bound(&high, REGION, KEY_LOCAL, (struct slice){0});
	digests[1] = digest_rows(kv, key_slice(&low), key_slice(&high), false);
	key_objects(&low, &high);
	digests[2] = digest_rows(kv, key_slice(&low), key_slice(&high), true);
	return mix(0, digests, sizeof digests);
}

static uint64_t applied_of(struct kv_engine *kv)
{
	struct apply_state state = {0};
	struct kv_value value = {0};
	struct key key;
	int status;

	key_apply_state(&key, REGION);
	status = kv->ops->get(kv, NULL, KV_TIER_ALL, key_slice(&key), &value);
	if (status == 0 && apply_state_decode(value.data, &state) < 0)
		violation("an apply state is damaged");
	kv_value_close(&value);
	return state.index;
}

static void take_state(struct watch *watch, uint32_t store, uint64_t index, uint64_t digest)
{
	struct watch_state *state;

	HASH_FIND(hh, watch->states, &index, sizeof index, state);
	if (!state) {
		state = calloc(1, sizeof *state);
		check(state);
		*state = (struct watch_state){.index = index, .digest = digest, .store = store};
		HASH_ADD(hh, watch->states, index, sizeof state->index, state);
		return;
	}
	watch->compared += state->store != store;
	if (state->digest != digest)
		violation(
			"stores %u and %u have different rows at index %" PRIu64, state->store, store, index);
}

void watch_rows(struct watch *watch)
{
	for (uint32_t i = 0; i < STORES; i++) {
		const struct store *store = &watch->cluster->stores[i];
		uint64_t index = store_is_well(store) ? applied_of(store->kv_engine) : 0;

		if (index > 0)
			take_state(watch, store->number, index, digest_of(store->kv_engine));
	}
}

bool watch_is_level(struct watch *watch)
{
	uint64_t index = 0;

	for (uint32_t i = 0; i < STORES; i++) {
		const struct store *store = &watch->cluster->stores[i];
		uint64_t applied = store_is_well(store) ? applied_of(store->kv_engine) : 0;

		if (applied == 0 || (i > 0 && applied != index))
			return false;
		index = applied;
	}
	watch_rows(watch);
	return true;
}

/* ---- For people ---- */

static void print_status(struct raftkv_region_status *status, int result)
{
	if (result < 0) {
		printf("  region 1: %s\n", status_name(result));
		return;
	}
	printf("  region 1: term %" PRIu64 ", leader %" PRIu64 "%s, log [%" PRIu64 ", %" PRIu64
	       "], committed %" PRIu64 ", applied %" PRIu64 "\n",
		status->term, status->leader, status->is_serving ? " (serves)" : "", status->first_index,
		status->last_index, status->commit, status->applied);
	for (uint32_t i = 0; status->role == RAFT_LEADER && i < status->member_count; i++)
		printf("    replica %" PRIu64 ": match %" PRIu64 "%s%s\n", status->members[i].peer.id,
			status->members[i].match, status->members[i].is_active ? "" : ", silent",
			status->members[i].is_in_snapshot ? ", waits for a snapshot" : "");
}

static void print_store(const struct watch *watch, const struct store *store)
{
	static const char *const phases[] = {"down", "runs", "stops", "has stopped", "has failed"};
	struct raftkv_region_status *status = calloc(1, sizeof *status);

	check(status);
	printf("store %u %s\n", store->number, phases[store->state]);
	if (!store_is_well(store))
		return;
	*status = (struct raftkv_region_status){
		.region = REGION, .loop = store->loops[0], .done = print_status};
	raftkv_region_status(store_raftkv(store), status);
	sim_run(watch->cluster->world, 100 * SIM_MS, NULL, NULL);
}

void watch_print(const struct watch *watch)
{
	static const char *const states[] = {"is down", "starts", "runs", "stops", "has stopped"};
	const struct cluster *cluster = watch->cluster;

	for (uint32_t i = 0; i < STORES; i++)
		print_store(watch, &cluster->stores[i]);
	for (uint32_t i = 0; i < MOUNTS; i++)
		printf("mount %u %s\n", i + 1, states[cluster->mounts[i].state]);
}
