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

#define LED_MAX	  64u
#define FIRST_MAX 12u

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

/* ---- Which region ---- */

struct led {
	struct store *store;
	uint64_t region;
};

struct led_list {
	struct store *store;
	uint32_t count;
	struct led led[LED_MAX];
};

static void take_led(void *argument, const struct region *region, uint64_t term)
{
	struct led_list *list = argument;

	if (term > 0 && list->count < LED_MAX)
		list->led[list->count++] = (struct led){.store = list->store, .region = region->id};
}

/* False: nobody leads anything. */
static bool draw_led(struct splits *splits, struct led *led)
{
	struct led_list list = {0};

	for (uint32_t i = 0; i < STORES; i++) {
		list.store = &splits->cluster->stores[i];
		if (store_is_well(list.store))
			raftkv_each_region(store_raftkv(list.store), take_led, &list);
	}
	if (list.count == 0)
		return false;
	*led = list.led[draw(splits, list.count)];
	return true;
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

static uint64_t draw_dirid(struct splits *splits, const struct store *store, const struct region *range)
{
	uint64_t first, end, dirid = FS_DIRID_END;

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

static void ask(struct splits *splits, const struct led *led, struct slice key)
{
	struct asked *asked = calloc(1, sizeof *asked);

	check(asked);
	asked->splits = splits;
	asked->split = (struct raftkv_split){.region = led->region,
		.new_region = region_id_drawn(++splits->asked),
		.key = buf_copy(key.data, key.size),
		.loop = led->store->loops[0],
		.done = on_split};
	check(asked->split.key);
	raftkv_split(store_raftkv(led->store), &asked->split);
	buf_unref(asked->split.key);
}

void splits_ask(struct splits *splits)
{
	struct region range = {0};
	struct led led;
	uint64_t dirid;

	if (!draw_led(splits, &led) || raftkv_region_range(store_raftkv(led.store), led.region, &range) < 0)
		return;
	dirid = draw_dirid(splits, led.store, &range);
	if (dirid > 0) {
		struct fs_key key = fs_split_key_of_dirid(dirid);

		if (fs_split_is_wide_enough(buf_slice(range.start), buf_slice(range.end), fs_key_slice(&key)))
			ask(splits, &led, fs_key_slice(&key));
	}
	region_close(&range);
}

uint64_t splits_step(struct splits *splits)
{
	uint64_t now = sim_time(splits->cluster->world);

	if (splits->next > now)
		return splits->next;
	splits_ask(splits);
	splits->next = splits->asked < SPLITS_MAX ? now + 1 + draw(splits, 2 * splits->every) : CLUSTER_NEVER;
	return splits->next;
}
