/*
 * The regions of a cluster, from the stores that have replicas of them: each store that is alive is asked for its own. Of
 * several descriptions of a region the best one stays.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mount-helpers/cluster.h"
#include "mount-helpers/cluster_regions.h"

void cluster_regions_close(struct cluster_regions *regions)
{
	for (size_t i = 0; i < regions->count; i++)
		raftkv__overview_region__free_unpacked(regions->items[i], NULL);
	free(regions->items);
	*regions = (struct cluster_regions){0};
}

/* What a correct store never leaves out, and all readers use. */
static bool is_whole(const Raftkv__OverviewRegion *region)
{
	for (size_t i = 0; i < region->n_members; i++)
		if (!region->members[i]->replica)
			return false;
	return region->epoch != NULL;
}

int cluster_regions_take(struct cluster_regions *regions, Raftkv__OverviewRegion **items, size_t *count)
{
	size_t capacity = regions->capacity;
	Raftkv__OverviewRegion **grown = regions->items;

	while (regions->count + *count > capacity)
		capacity = capacity == 0 ? 64 : capacity * 2;
	if (capacity > regions->capacity)
		grown = realloc(regions->items, capacity * sizeof(*grown));
	if (!grown && *count > 0)
		return -ENOMEM;
	regions->items = grown;
	regions->capacity = capacity;
	for (size_t i = 0; i < *count; i++) {
		if (is_whole(items[i]))
			regions->items[regions->count++] = items[i];
		else
			raftkv__overview_region__free_unpacked(items[i], NULL);
	}
	*count = 0;
	return 0;
}

/* ---- One of each ---- */

static int compare_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* > 0: `a` tells more. A leader's description of a later term is later than one of an earlier term. */
static int compare_descriptions(const Raftkv__OverviewRegion *a, const Raftkv__OverviewRegion *b)
{
	int result = compare_numbers(a->is_by_leader ? 1 : 0, b->is_by_leader ? 1 : 0);

	if (result == 0)
		result = compare_numbers(a->is_by_leader ? a->term : 0, b->is_by_leader ? b->term : 0);
	if (result == 0)
		result = compare_numbers(a->n_members > 0, b->n_members > 0);
	if (result == 0)
		result = compare_numbers(a->epoch->version, b->epoch->version);
	if (result == 0)
		result = compare_numbers(a->epoch->conf_version, b->epoch->conf_version);
	return result == 0 ? compare_numbers(a->leader > 0, b->leader > 0) : result;
}

/* By region; the best description first. */
static int compare_regions(const void *a, const void *b)
{
	const Raftkv__OverviewRegion *one = *(Raftkv__OverviewRegion *const *)a;
	const Raftkv__OverviewRegion *other = *(Raftkv__OverviewRegion *const *)b;
	int result = compare_numbers(one->region, other->region);

	return result == 0 ? -compare_descriptions(one, other) : result;
}

static struct slice start_of(const Raftkv__OverviewRegion *region)
{
	return slice_of(region->start.data, region->start.len);
}

static int compare_starts(const void *a, const void *b)
{
	const Raftkv__OverviewRegion *one = *(Raftkv__OverviewRegion *const *)a;
	const Raftkv__OverviewRegion *other = *(Raftkv__OverviewRegion *const *)b;
	int result = slice_compare(start_of(one), start_of(other));

	return result == 0 ? compare_numbers(one->region, other->region) : result;
}

void cluster_regions_merge(struct cluster_regions *regions)
{
	size_t kept = 0;

	if (regions->count == 0)
		return;
	qsort(regions->items, regions->count, sizeof(*regions->items), compare_regions);
	for (size_t i = 0; i < regions->count; i++) {
		if (kept > 0 && regions->items[kept - 1]->region == regions->items[i]->region)
			raftkv__overview_region__free_unpacked(regions->items[i], NULL);
		else
			regions->items[kept++] = regions->items[i];
	}
	regions->count = kept;
	qsort(regions->items, regions->count, sizeof(*regions->items), compare_starts);
}

/* ---- Steps ---- */

static int compare_steps(const void *a, const void *b)
{
	const Raftkv__PlannedStep *one = *(Raftkv__PlannedStep *const *)a;
	const Raftkv__PlannedStep *other = *(Raftkv__PlannedStep *const *)b;

	return compare_numbers(one->region, other->region);
}

void cluster_regions_set_steps(struct cluster_regions *regions, Raftkv__PlannedStep **steps, size_t count)
{
	if (count == 0)
		return;
	qsort(steps, count, sizeof(*steps), compare_steps);
	for (size_t i = 0; i < regions->count; i++) {
		const Raftkv__PlannedStep key = {.region = regions->items[i]->region}, *wanted = &key;
		Raftkv__PlannedStep **found = bsearch(&wanted, steps, count, sizeof(*steps), compare_steps);

		if (found)
			regions->items[i]->step = (*found)->step;
	}
}

/* ---- From the stores ---- */

/* Where the next page begins; NULL: there is none, or the store does not get on. */
static struct buf *next_key(struct slice key, const Raftkv__RegionsReply *reply)
{
	struct slice next = slice_of(reply->next.data, reply->next.len);

	return slice_compare(next, key) > 0 ? buf_copy(next.data, next.size) : NULL;
}

/* An older store does not tell its regions, and one that has just died does not answer: others have them, too. */
static int ask_store(struct cluster *cluster, const char *address, struct cluster_regions *regions)
{
	struct buf *key = NULL, *next;
	int code = 0;

	do {
		Raftkv__RegionsReply *reply;
		struct status ignored;

		if (cluster_page(cluster, address, buf_slice(key), &reply, &ignored) < 0)
			break;
		code = cluster_regions_take(regions, reply->regions, &reply->n_regions);
		next = next_key(buf_slice(key), reply);
		buf_unref(key);
		key = next;
		raftkv__regions_reply__free_unpacked(reply, NULL);
	} while (code == 0 && key);
	buf_unref(key);
	return code;
}

static bool may_answer(const Raftkv__OverviewStore *store)
{
	return store_state_is_in((enum store_state)store->state) &&
	       (store->is_alive || store->silent_ms < STORE_SILENCE_MS);
}

static int gather(struct cluster *cluster, Raftkv__OverviewReply *overview, struct cluster_regions *regions)
{
	int code = 0;

	for (size_t i = 0; i < overview->n_regions; i++) /* of an older coordinator, which leads them */
		overview->regions[i]->is_by_leader = true;
	code = cluster_regions_take(regions, overview->regions, &overview->n_regions);
	for (size_t i = 0; code == 0 && i < overview->n_stores; i++)
		if (may_answer(overview->stores[i]))
			code = ask_store(cluster, overview->stores[i]->address, regions);
	return code;
}

/* ---- What follows for the stores ---- */

static Raftkv__OverviewStore *find_store(const Raftkv__OverviewReply *overview, uint64_t id)
{
	for (size_t i = 0; i < overview->n_stores; i++)
		if (overview->stores[i]->store == id)
			return overview->stores[i];
	return NULL;
}

/* A member is active, too, where its store reports: the leader's own flag is cleared each time that it has counted its
 * members. */
static void combine(Raftkv__OverviewReply *overview)
{
	for (size_t i = 0; i < overview->n_stores; i++)
		overview->stores[i]->replicas = 0;
	for (size_t i = 0; i < overview->n_regions; i++)
		for (size_t k = 0; k < overview->regions[i]->n_members; k++) {
			Raftkv__OverviewMember *member = overview->regions[i]->members[k];
			Raftkv__OverviewStore *store = find_store(overview, member->replica->store);

			if (!store)
				continue;
			store->replicas++;
			member->is_active |= store->is_alive;
		}
}

int cluster_overview(struct cluster *cluster, Raftkv__OverviewReply **reply, struct status *status)
{
	struct cluster_regions regions = {0};
	int code = cluster_stores(cluster, reply, status);

	if (code < 0)
		return code;
	code = gather(cluster, *reply, &regions);
	if (code < 0) {
		cluster_regions_close(&regions);
		raftkv__overview_reply__free_unpacked(*reply, NULL);
		*reply = NULL;
		return status_set(status, code, "out of memory");
	}
	cluster_regions_merge(&regions);
	cluster_regions_set_steps(&regions, (*reply)->steps, (*reply)->n_steps);
	free((*reply)->regions);
	(*reply)->regions = regions.items;
	(*reply)->n_regions = regions.count;
	combine(*reply);
	return 0;
}
