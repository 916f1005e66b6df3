#include "tests/sim/watch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/check.h"
#include "proto/hash.h"
#include "store/rows/extents.h"
#include "store/rows/keys.h"
#include "store/raftkv.h"
#include "store/rows/region_states.h"
#include "tests/sim/violation.h"

#define REGIONS_MAX  256u /* of a store */
#define LEADERS_MOST (SIM_S - 100 * (uint64_t)SIM_MS) /* without a leader: less than an election takes */

/* A region and a number: an index or a term. */
struct watch_key {
	uint64_t region;
	uint64_t number;
};

struct watch_leader {
	struct watch_key key; /* the term */
	uint32_t store;
	UT_hash_handle hh;
};

struct watch_region {
	uint64_t id; /* the key */
	uint64_t led; /* world time at which it was led last, or seen first */
	UT_hash_handle hh;
};

/* The rows of a region at an index, as somebody has had them. */
struct watch_state {
	struct watch_key key; /* the index */
	uint64_t digest;
	uint32_t store; /* whose rows these were */
	UT_hash_handle hh;
};

void watch_init(struct watch *watch, struct cluster *cluster)
{
	*watch = (struct watch){.cluster = cluster};
}

/* ---- Leaders ---- */

struct watch_look {
	struct watch *watch;
	const struct store *store;
};

static void take_led(struct watch *watch, uint64_t id, bool is_led)
{
	uint64_t now = sim_time(watch->cluster->world);
	struct watch_region *region;

	HASH_FIND(hh, watch->regions, &id, sizeof id, region);
	if (!region) {
		region = calloc(1, sizeof *region);
		check(region);
		*region = (struct watch_region){.id = id, .led = now};
		HASH_ADD(hh, watch->regions, id, sizeof region->id, region);
	}
	if (is_led)
		region->led = now;
}

static void judge_led(const struct watch *watch)
{
	uint64_t now = sim_time(watch->cluster->world);

	for (const struct watch_region *region = watch->regions; region; region = region->hh.next)
		if (now - region->led > LEADERS_MOST)
			violation("region %" PRIu64 " has had no leader for %.1f s, and nothing has failed",
				region->id, (double)(now - region->led) / SIM_S);
}

static void take_leader(void *argument, const struct region *region, uint64_t term)
{
	const struct watch_look *look = argument;
	struct watch *watch = look->watch;
	struct watch_key key = {.region = region->id, .number = term};
	struct watch_leader *leader;

	if (watch->need_leaders)
		take_led(watch, region->id, term > 0);
	if (term == 0)
		return;
	HASH_FIND(hh, watch->leaders, &key, sizeof key, leader);
	if (leader && leader->store != look->store->number)
		violation("stores %u and %u both lead region %" PRIu64 " in term %" PRIu64, leader->store,
			look->store->number, region->id, term);
	if (leader)
		return;
	leader = calloc(1, sizeof *leader);
	check(leader);
	*leader = (struct watch_leader){.key = key, .store = look->store->number};
	HASH_ADD(hh, watch->leaders, key, sizeof leader->key, leader);
	watch->term_count++;
}

void watch_leaders(struct watch *watch)
{
	watch->looks++;
	for (uint32_t i = 0; i < STORES; i++) {
		struct watch_look look = {.watch = watch, .store = &watch->cluster->stores[i]};

		if (store_is_well(look.store))
			raftkv_each_region(store_raftkv(look.store), take_leader, &look);
	}
	if (watch->need_leaders)
		judge_led(watch);
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

/* The bound of the extent maps of a region. */
static void bound_objects(struct key *bound, const struct buf *key, bool is_high)
{
	struct key low, high;

	key_objects(&low, &high);
	if (key)
		key_object(bound, buf_slice(key));
	else
		*bound = is_high ? high : low;
}

static uint64_t digest_of(struct kv_engine *kv, const struct region *region)
{
	uint64_t digests[5] = {region->epoch.version};
	struct slice start = buf_slice(region->start), end = buf_slice(region->end);
	struct key low, high;

	key_row(&low, region->id, KEY_DATA, start);
	key_row_bound(&high, region->id, KEY_DATA, end);
	digests[1] = digest_rows(kv, key_slice(&low), key_slice(&high), false);
	key_row(&low, region->id, KEY_LOCAL, (struct slice){0});
	key_row_bound(&high, region->id, KEY_LOCAL, (struct slice){0});
	digests[2] = digest_rows(kv, key_slice(&low), key_slice(&high), false);
	bound_objects(&low, region->start, false);
	bound_objects(&high, region->end, true);
	digests[3] = digest_rows(kv, key_slice(&low), key_slice(&high), true);
	digests[4] = mix(mix(0, start.data, start.size), end.data, end.size);
	return mix(0, digests, sizeof digests);
}

/* A replica of a region, as its rows say. */
struct replica_rows {
	struct region region;
	uint64_t applied;
};

struct store_rows {
	uint32_t count;
	struct replica_rows replicas[REGIONS_MAX];
};

static void add_replica(struct store_rows *rows, struct kv_engine *kv, struct slice key)
{
	struct replica_rows *replica = &rows->replicas[rows->count];
	struct apply_state state;
	uint64_t id = key_region_of(key);
	int status = apply_state_get(kv, NULL, KV_TIER_ALL, id, &state);

	check(id > 0 && rows->count < REGIONS_MAX);
	if (status == STATUS_NOT_FOUND)
		return; /* a snapshot is being installed */
	if (status < 0)
		violation("the apply state of region %" PRIu64 " is damaged", id);
	if (region_state_get(kv, NULL, KV_TIER_ALL, id, &replica->region) < 0)
		violation("the state of region %" PRIu64 " is damaged", id);
	replica->applied = state.index;
	rows->count++;
}

static struct store_rows *load_rows(const struct store *store)
{
	struct store_rows *rows = calloc(1, sizeof *rows);
	struct kv_engine *kv = store->kv_engine;
	struct kv_iterator *iterator;
	struct key low, high;
	int status;

	check(rows);
	key_region_states(&low, &high);
	check(kv->ops->iterator_new(kv, NULL, KV_TIER_ALL, key_slice(&low), key_slice(&high), &iterator) ==
		0);
	for (status = kv->ops->seek(iterator, key_slice(&low)); status == 0;
		status = kv->ops->next(iterator)) {
		struct slice key, value;

		kv->ops->row(iterator, &key, &value);
		add_replica(rows, kv, key);
	}
	check(status == STATUS_NOT_FOUND);
	kv->ops->iterator_free(kv, iterator);
	return rows;
}

static void free_rows(struct store_rows *rows)
{
	for (uint32_t i = 0; rows && i < rows->count; i++)
		region_close(&rows->replicas[i].region);
	free(rows);
}

static void take_state(
	struct watch *watch, uint32_t store, const struct replica_rows *replica, uint64_t digest)
{
	struct watch_key key = {.region = replica->region.id, .number = replica->applied};
	struct watch_state *state;

	HASH_FIND(hh, watch->states, &key, sizeof key, state);
	if (!state) {
		state = calloc(1, sizeof *state);
		check(state);
		*state = (struct watch_state){.key = key, .digest = digest, .store = store};
		HASH_ADD(hh, watch->states, key, sizeof state->key, state);
		return;
	}
	watch->compared += state->store != store;
	if (state->digest != digest)
		violation("stores %u and %u have different rows of region %" PRIu64 " at index %" PRIu64,
			state->store, store, key.region, key.number);
}

void watch_rows(struct watch *watch)
{
	for (uint32_t i = 0; i < STORES; i++) {
		const struct store *store = &watch->cluster->stores[i];
		struct store_rows *rows = store_is_well(store) ? load_rows(store) : NULL;

		for (uint32_t j = 0; rows && j < rows->count; j++)
			take_state(watch, store->number, &rows->replicas[j],
				digest_of(store->kv_engine, &rows->replicas[j].region));
		if (rows && rows->count > watch->region_count)
			watch->region_count = rows->count;
		free_rows(rows);
	}
}

static bool are_level(const struct store_rows *one, const struct store_rows *other)
{
	bool is_level = one->count == other->count;

	for (uint32_t i = 0; is_level && i < one->count; i++)
		is_level = one->replicas[i].region.id == other->replicas[i].region.id &&
			   one->replicas[i].applied == other->replicas[i].applied;
	return is_level;
}

bool watch_is_level(struct watch *watch)
{
	struct store_rows *rows[STORES] = {0};
	bool is_level = true;

	for (uint32_t i = 0; i < STORES && is_level; i++) {
		const struct store *store = &watch->cluster->stores[i];

		rows[i] = store_is_well(store) ? load_rows(store) : NULL;
		is_level = rows[i] && rows[i]->count > 0 && are_level(rows[i], rows[0]);
	}
	for (uint32_t i = 0; i < STORES; i++)
		free_rows(rows[i]);
	if (is_level)
		watch_rows(watch);
	return is_level;
}

/* ---- For people ---- */

static void print_status(struct raftkv_region_status *status, int result)
{
	if (result < 0) {
		printf("  region %" PRIu64 ": %s\n", status->region, status_name(result));
		return;
	}
	printf("  region %" PRIu64 ": term %" PRIu64 ", leader %" PRIu64 "%s, log [%" PRIu64 ", %" PRIu64
	       "], committed %" PRIu64 ", applied %" PRIu64 "\n",
		status->region, status->term, status->leader, status->is_serving ? " (serves)" : "",
		status->first_index, status->last_index, status->commit, status->applied);
	for (uint32_t i = 0; status->role == RAFT_LEADER && i < status->member_count; i++)
		printf("    replica %" PRIu64 ": match %" PRIu64 "%s%s\n", status->members[i].peer.id,
			status->members[i].match, status->members[i].is_active ? "" : ", silent",
			status->members[i].is_in_snapshot ? ", waits for a snapshot" : "");
}

/* The request is never freed: the process may die before the answer. */
static void ask_status(const struct store *store, uint64_t region)
{
	struct raftkv_region_status *status = calloc(1, sizeof *status);

	check(status);
	*status = (struct raftkv_region_status){
		.region = region, .loop = store->loops[0], .done = print_status};
	raftkv_region_status(store_raftkv(store), status);
}

static void print_store(const struct watch *watch, const struct store *store)
{
	static const char *const phases[] = {"down", "runs", "stops", "has stopped", "has failed"};
	struct store_rows *rows;

	printf("store %u %s\n", store->number, phases[store->state]);
	if (!store_is_well(store))
		return;
	rows = load_rows(store);
	for (uint32_t i = 0; i < rows->count; i++)
		ask_status(store, rows->replicas[i].region.id);
	free_rows(rows);
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
