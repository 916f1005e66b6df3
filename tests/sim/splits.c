#include "tests/sim/splits.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "fs/cluster/coordinator.h"
#include "fs/schema/keys.h"
#include "fs/schema/records.h"
#include "fs/schema/split_key.h"
#include "proto/check.h"
#include "proto/container.h"
#include "store/rows/keys.h"
#include "tests/lib/kv_rows.h"

#define FIRST_MAX 12u
#define LED_TRIES 8u
#define FIRST_ID  (UINT64_C(1) << 32) /* of the regions that the coordinator does not number */
#define LOAD_MAX  4u /* percent of a core, of a region that is too busy */

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
	splits->is_by_load = draw(splits, 2) == 0;
	for (uint32_t i = 0; i < STORES && splits->is_by_load; i++)
		cluster->stores[i].config.server.region_split_load = 1 + (uint32_t)draw(splits, LOAD_MAX);
}

/* ---- Where ---- */

/* One of the dirids of the rows that are seen; each has the same chance. */
struct drawing {
	struct splits *splits;
	uint64_t count;
	uint64_t dirid;
};

static void consider(struct drawing *drawing, uint64_t dirid)
{
	if (dirid > 0 && dirid < FS_DIRID_END && draw(drawing->splits, ++drawing->count) == 0)
		drawing->dirid = dirid;
}

static void consider_directory(void *argument, struct slice key, struct slice value)
{
	struct slice inner = key_row_inner(KEY_DATA, key);
	uint64_t dirid = fs_key_get_dirid(inner);
	struct fs_key directory = fs_key_inode(fs_ino(dirid < FS_DIRID_END ? dirid : 0, FS_SEQ_DIRECTORY));

	(void)value;
	if (slice_compare(inner, fs_key_slice(&directory)) == 0)
		consider(argument, dirid);
}

/* A directory that has rows in the range; FS_DIRID_END: there is none but the root. */
static uint64_t draw_directory(struct splits *splits, struct kv_engine *kv, const struct region *range)
{
	struct drawing drawing = {.splits = splits, .dirid = FS_DIRID_END};
	struct key low, high;

	key_row(&low, range->id, KEY_DATA, buf_slice(range->start));
	key_row_bound(&high, range->id, KEY_DATA, buf_slice(range->end));
	kv_rows_each(kv, &low, &high, consider_directory, &drawing);
	return drawing.dirid;
}

static void consider_unsettled(void *argument, struct slice key, struct slice value)
{
	struct slice inner = key_row_inner(KEY_LOCAL, key);
	struct attempt attempt;
	uint32_t index;
	uint64_t ino;

	(void)value;
	if (fs_key_parse_committed(inner, &attempt) == 0)
		consider(argument, fs_ino_dirid(attempt.anchor));
	else if (fs_key_parse_intent(inner, &ino, &attempt, &index) == 0)
		consider(argument, fs_ino_dirid(ino));
}

/* The directory number of an intent's inode, or of a committed record's anchor, that the region has. */
static uint64_t draw_unsettled(struct splits *splits, struct kv_engine *kv, uint64_t region)
{
	struct drawing drawing = {.splits = splits, .dirid = FS_DIRID_END};
	struct key low, high;

	key_row(&low, region, KEY_LOCAL, (struct slice){0});
	key_row_bound(&high, region, KEY_LOCAL, (struct slice){0});
	kv_rows_each(kv, &low, &high, consider_unsettled, &drawing);
	return drawing.dirid;
}

enum split_place { AT_UNSETTLED, AT_DIRECTORY, ANYWHERE };

/* FS_DIRID_END, or one at which the region may not be split: there is none. */
static uint64_t draw_dirid(
	struct splits *splits, const struct store *store, const struct region *range, enum split_place place)
{
	uint64_t first, end, dirid = FS_DIRID_END;

	if (place != ANYWHERE)
		dirid = draw_unsettled(splits, store->kv_engine, range->id);
	if (dirid == FS_DIRID_END && place == AT_DIRECTORY)
		dirid = draw_directory(splits, store->kv_engine, range);
	if (place != ANYWHERE)
		return dirid;
	fs_dirids_within(buf_slice(range->start), buf_slice(range->end), &first, &end);
	return first < end ? first + draw(splits, end - first) : FS_DIRID_END;
}

/* Mostly of a store that is slow: it applies the split after the others. */
static bool draw_led(struct splits *splits, struct cluster_led *led)
{
	uint32_t slow = cluster_slow_store(splits->cluster);

	for (uint32_t i = 0; i < LED_TRIES; i++) {
		if (!cluster_draw_led(splits->cluster, led))
			return false;
		if (slow == STORES || led->store == slow)
			break;
	}
	return true;
}

/* False: the region that was drawn has no such place. */
static bool draw_place(
	struct splits *splits, enum split_place place, struct cluster_led *led, struct fs_key *key)
{
	struct region range = {0};
	const struct store *store;
	uint64_t dirid;
	bool is_found;

	if (!draw_led(splits, led))
		return false;
	store = &splits->cluster->stores[led->store];
	if (raftkv_region_range(store_raftkv(store), led->region, &range) < 0)
		return false;
	dirid = draw_dirid(splits, store, &range, place);
	is_found = dirid > 0 && dirid < FS_DIRID_END;
	if (is_found)
		*key = fs_split_key_of_dirid(dirid);
	is_found = is_found &&
		   fs_split_is_wide_enough(buf_slice(range.start), buf_slice(range.end), fs_key_slice(key));
	region_close(&range);
	return is_found;
}

/* What is split is mostly a region with directories: then operations are across regions. */
static bool find_place(struct splits *splits, struct cluster_led *led, struct fs_key *key)
{
	enum split_place place = draw(splits, 4) > 0 ? AT_DIRECTORY : ANYWHERE;

	if (splits->cluster->split_moment.store < STORES)
		place = AT_UNSETTLED;
	for (; place <= ANYWHERE; place++)
		for (uint32_t i = 0; i < LED_TRIES; i++)
			if (draw_place(splits, place, led, key))
				return true;
	return false;
}

/* ---- Asking ---- */

struct asked {
	struct splits *splits;
	struct raftkv_split split; /* of the leader */
	struct coordinator *coordinator; /* or of this one: */
	struct env_mail mail;
	struct admin_request request;
};

static struct asked *asked_new(struct splits *splits)
{
	struct asked *asked = calloc(1, sizeof *asked);

	check(asked);
	asked->splits = splits;
	splits->asked++;
	return asked;
}

static void finish(struct asked *asked, uint64_t region, uint64_t new_region, int status)
{
	note(asked->splits->cluster, "split of region %" PRIu64 " into %" PRIu64 ": %s", region, new_region,
		status_name(status));
	asked->splits->done += status == 0;
	free(asked);
}

static void on_split(struct raftkv_split *split, int status)
{
	finish(container_of(split, struct asked, split), split->region, split->new_region, status);
}

static void ask_leader(struct splits *splits, const struct cluster_led *led, struct slice key)
{
	const struct store *store = &splits->cluster->stores[led->store];
	struct asked *asked = asked_new(splits);

	asked->split = (struct raftkv_split){.region = led->region,
		.new_region = region_id_drawn(FIRST_ID + splits->asked),
		.key = buf_copy(key.data, key.size),
		.loop = store->loops[0],
		.done = on_split};
	check(asked->split.key);
	raftkv_split(store_raftkv(store), &asked->split);
	buf_unref(asked->split.key);
}

static void on_admin(struct admin_request *request, const struct status *status)
{
	finish(container_of(request, struct asked, request), request->region, request->new_region,
		status->code);
}

static void take_admin(struct env_mail *mail)
{
	struct asked *asked = container_of(mail, struct asked, mail);

	coordinator_take_admin(asked->coordinator, &asked->request);
}

static void ask_coordinator(struct splits *splits, const struct fs_key *key)
{
	uint32_t number = cluster_leader(splits->cluster);
	const struct store *store = &splits->cluster->stores[number];
	struct asked *asked;

	if (number == STORES)
		return;
	asked = asked_new(splits);
	asked->coordinator = server_coordinator(store->server);
	asked->request = (struct admin_request){.kind = ADMIN_SPLIT, .key = *key, .done = on_admin};
	env_post(store->loops[0], &asked->mail, take_admin);
}

void splits_ask(struct splits *splits)
{
	struct cluster_led led;
	struct fs_key key;

	if (!find_place(splits, &led, &key))
		return;
	splits->cluster->stores[led.store].splits_asked++;
	if (splits->cluster->split_moment.store < STORES || draw(splits, 2) == 0)
		ask_leader(splits, &led, fs_key_slice(&key));
	else
		ask_coordinator(splits, &key);
}

/* Half of a core is taken all the time, which is far more than the requests are reckoned to take: so the machines pass for
 * slow, and the few requests of a run for a load. */
static void pass_for_slow(struct splits *splits, uint64_t now)
{
	for (uint32_t i = 0; i < STORES && splits->is_by_load; i++)
		sim_node_take_cpu(splits->cluster->nodes[i], (now - splits->slow_until) / 2);
	splits->slow_until = now;
}

uint64_t splits_step(struct splits *splits)
{
	struct cluster *cluster = splits->cluster;
	uint64_t now = sim_time(cluster->world);

	pass_for_slow(splits, now);
	if (!moment_is_due(&cluster->split_moment, cluster->stores, &splits->next))
		return splits->next;
	splits_ask(splits);
	splits->next = splits->asked < SPLITS_MAX ? now + 1 + draw(splits, 2 * splits->every) : CLUSTER_NEVER;
	return splits->next;
}
