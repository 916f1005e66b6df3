#include "tests/sim/splits.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "fs/schema/keys.h"
#include "fs/schema/records.h"
#include "fs/schema/split_key.h"
#include "proto/check.h"
#include "proto/container.h"
#include "store/rows/keys.h"

#define FIRST_MAX 12u
#define LED_TRIES 8u

static uint64_t draw(struct splits *splits, uint64_t below)
{
	return sim_random(splits->cluster->world, below);
}

void splits_init(struct splits *splits, struct cluster *cluster, bool are_allowed)
{
	*splits = (struct splits){.cluster = cluster, .next = CLUSTER_NEVER};
	if (!are_allowed || draw(splits, 8) == 0)
		return;
	splits->every = (50 * SIM_MS) << draw(splits, 7);
	splits->first = draw(splits, 3) > 0 ? 1 + (uint32_t)draw(splits, FIRST_MAX) : 0;
	splits->next = 0;
}

/* ---- Where ---- */

/* A directory that has rows in the range; FS_DIRID_END: there is none but the root. */
static uint64_t draw_directory(struct splits *splits, struct kv_engine *kv, const struct region *range)
{
	uint64_t dirid = FS_DIRID_END, count = 0;
	struct kv_iterator *iterator;
	struct key low, high;
	int status;

	key_row(&low, range->id, KEY_DATA, buf_slice(range->start));
	key_row_bound(&high, range->id, KEY_DATA, buf_slice(range->end));
	check(kv->ops->iterator_new(kv, NULL, KV_TIER_ALL, key_slice(&low), key_slice(&high), &iterator) ==
		0);
	for (status = kv->ops->seek(iterator, key_slice(&low)); status == 0;
		status = kv->ops->next(iterator)) {
		struct slice key, value;
		uint64_t found;
		struct fs_key directory;

		kv->ops->row(iterator, &key, &value);
		key = key_row_inner(KEY_DATA, key);
		found = fs_key_get_dirid(key);
		directory = fs_key_inode(fs_ino(found < FS_DIRID_END ? found : 0, FS_SEQ_DIRECTORY));
		if (found > 0 && slice_compare(key, fs_key_slice(&directory)) == 0 &&
			draw(splits, ++count) == 0)
			dirid = found;
	}
	check(status == STATUS_NOT_FOUND);
	kv->ops->iterator_free(kv, iterator);
	return dirid;
}

/* The directory number of an intent's inode, or of a committed record's anchor, that the region has. */
static uint64_t draw_unsettled(struct splits *splits, struct kv_engine *kv, uint64_t region)
{
	uint64_t dirid = FS_DIRID_END, count = 0;
	struct kv_iterator *iterator;
	struct key low, high;
	int status;

	key_row(&low, region, KEY_LOCAL, (struct slice){0});
	key_row_bound(&high, region, KEY_LOCAL, (struct slice){0});
	check(kv->ops->iterator_new(kv, NULL, KV_TIER_ALL, key_slice(&low), key_slice(&high), &iterator) ==
		0);
	for (status = kv->ops->seek(iterator, key_slice(&low)); status == 0;
		status = kv->ops->next(iterator)) {
		struct slice key, value;
		struct attempt attempt;
		uint32_t index;
		uint64_t ino;

		kv->ops->row(iterator, &key, &value);
		key = key_row_inner(KEY_LOCAL, key);
		if (fs_key_parse_committed(key, &attempt) == 0)
			ino = attempt.anchor;
		else if (fs_key_parse_intent(key, &ino, &attempt, &index) < 0)
			continue;
		if (fs_ino_dirid(ino) > 0 && draw(splits, ++count) == 0)
			dirid = fs_ino_dirid(ino);
	}
	check(status == STATUS_NOT_FOUND);
	kv->ops->iterator_free(kv, iterator);
	return dirid;
}

/* At a moment: one that has something to be resolved, if a few tries find it. */
static bool draw_led(struct splits *splits, struct cluster_led *led)
{
	bool is_at_moment = splits->cluster->split_moment.store < STORES;

	for (uint32_t i = 0; i < LED_TRIES; i++) {
		if (!cluster_draw_led(splits->cluster, led))
			return false;
		if (!is_at_moment || draw_unsettled(splits, splits->cluster->stores[led->store].kv_engine,
					     led->region) < FS_DIRID_END)
			break;
	}
	return true;
}

static uint64_t draw_dirid(struct splits *splits, const struct store *store, const struct region *range)
{
	uint64_t first, end, dirid = draw_unsettled(splits, store->kv_engine, range->id);

	if (dirid < FS_DIRID_END)
		return dirid;
	if (draw(splits, 3) > 0)
		dirid = draw_directory(splits, store->kv_engine, range);
	if (dirid < FS_DIRID_END)
		return dirid;
	fs_dirids_within(buf_slice(range->start), buf_slice(range->end), &first, &end);
	return first < end ? first + draw(splits, end - first) : 0;
}

/* ---- Asking ---- */

struct asked {
	struct raftkv_split split;
	struct splits *splits;
};

static void on_split(struct raftkv_split *split, int status)
{
	struct asked *asked = container_of(split, struct asked, split);

	note(asked->splits->cluster, "split of region %" PRIu64 " into %" PRIu64 ": %s", split->region,
		split->new_region, status_name(status));
	asked->splits->done += status == 0;
	free(asked);
}

static void ask(struct splits *splits, const struct cluster_led *led, struct slice key)
{
	const struct store *store = &splits->cluster->stores[led->store];
	struct asked *asked = calloc(1, sizeof *asked);

	check(asked);
	asked->splits = splits;
	asked->split = (struct raftkv_split){.region = led->region,
		.new_region = region_id_drawn(++splits->asked),
		.key = buf_copy(key.data, key.size),
		.loop = store->loops[0],
		.done = on_split};
	check(asked->split.key);
	raftkv_split(store_raftkv(store), &asked->split);
	buf_unref(asked->split.key);
}

void splits_ask(struct splits *splits)
{
	struct region range = {0};
	const struct store *store;
	struct cluster_led led;
	uint64_t dirid;

	if (!draw_led(splits, &led))
		return;
	store = &splits->cluster->stores[led.store];
	if (raftkv_region_range(store_raftkv(store), led.region, &range) < 0)
		return;
	dirid = draw_dirid(splits, store, &range);
	if (dirid > 0) {
		struct fs_key key = fs_split_key_of_dirid(dirid);

		if (fs_split_is_wide_enough(buf_slice(range.start), buf_slice(range.end), fs_key_slice(&key)))
			ask(splits, &led, fs_key_slice(&key));
	}
	region_close(&range);
}

uint64_t splits_step(struct splits *splits)
{
	struct cluster *cluster = splits->cluster;
	uint64_t now = sim_time(cluster->world);

	if (!moment_is_due(&cluster->split_moment, cluster->stores, &splits->next))
		return splits->next;
	splits_ask(splits);
	splits->next = splits->asked < SPLITS_MAX ? now + 1 + draw(splits, 2 * splits->every) : CLUSTER_NEVER;
	return splits->next;
}
