#include "tests/store_crash/splitter.h"

#include <errno.h>
#include <string.h>

#include "proto/check.h"
#include "proto/codec.h"
#include "proto/container.h"

#define KEY_SIZE_MAX THING_BOUNDARY_SIZE_MAX
#define KEY_END	     ((uint64_t)1 << 32) /* of numbers */

static uint64_t draw(struct splitters *splitters, uint64_t below)
{
	return sim_random(splitters->clients->machine->world, below);
}

/* ---- The regions of the store ----------------------------------------------------------------------------------- */

struct known_region {
	uint64_t id, term;
	struct region_epoch epoch;
	uint64_t low, high; /* the range, as numbers */
	uint8_t start[KEY_SIZE_MAX];
	uint32_t start_size;
};

struct known_regions {
	struct known_region regions[REGION_IDS_MAX];
	uint32_t count;
};

/* A bound has at most four bytes; as a number it is filled up with zeroes. */
static uint64_t number_of(const struct buf *bound)
{
	uint8_t bytes[KEY_SIZE_MAX] = {0};
	struct reader reader = reader_of(slice_of(bytes, sizeof bytes));

	check(buf_slice(bound).size <= sizeof bytes);
	memcpy(bytes, bound->data, bound->size);
	return reader_u32be(&reader);
}

static void know(void *argument, const struct region *region, uint64_t term)
{
	struct known_regions *known = argument;
	struct known_region *one = &known->regions[known->count++];
	struct slice start = buf_slice(region->start);

	check(known->count <= REGION_IDS_MAX);
	*one = (struct known_region){.id = region->id,
		.term = term,
		.epoch = region->epoch,
		.low = region->start ? number_of(region->start) : 0,
		.high = region->end ? number_of(region->end) : KEY_END,
		.start_size = (uint32_t)start.size};
	if (start.size > 0)
		memcpy(one->start, start.data, start.size);
}

static void know_regions(const struct splitters *splitters, struct known_regions *known)
{
	known->count = 0;
	raftkv_each_region(splitters->clients->machine->raftkv, know, known);
}

/* ---- Asking ----------------------------------------------------------------------------------------------------- */

static void on_timer(struct env_timer *timer);

static void rest(struct splitter *splitter)
{
	struct clients *clients = splitter->splitters->clients;
	uint64_t most = 8 * clients->think;

	env_timer_start(&splitter->timer, splitter->loop,
		env_now(clients->machine->env) + draw(splitter->splitters, most + 1), on_timer);
}

static void note_made(struct splitters *splitters, uint64_t id)
{
	const struct asked_split *asked = &splitters->asked[id];
	struct region region;

	splitters->made++;
	if (raftkv_region_range(splitters->clients->machine->raftkv, id, &region) < 0)
		violation("region %lu was made and is not there", id);
	if (slice_compare(buf_slice(region.start), slice_of(asked->key, asked->key_size)) != 0)
		violation("region %lu begins elsewhere", id);
	region_close(&region);
}

static enum split_outcome outcome_of(const struct splitters *splitters, int status)
{
	bool is_full = status == -ENOSPC && splitters->clients->may_be_full;

	switch (status) {
	case 0:
		return SPLIT_MADE;
	case STATUS_STALE_COMMAND:
	case STATUS_STOPPING:
		return SPLIT_OPEN;
	case STATUS_NOT_LEADER:
	case STATUS_LIMIT:
	case STATUS_EPOCH_NOT_MATCH:
	case STATUS_KEY_NOT_IN_REGION:
		return SPLIT_REFUSED;
	default:
		if (!is_full)
			violation("a split fails: %s", status_name(status));
		return SPLIT_REFUSED;
	}
}

static void on_split(struct raftkv_split *split, int status)
{
	struct splitter *splitter = container_of(split, struct splitter, split);
	struct splitters *splitters = splitter->splitters;
	struct asked_split *asked = &splitters->asked[split->new_region];

	if (!splitter->is_waiting || splitter->is_calling)
		violation("a split is answered %s", splitter->is_calling ? "inside the call" : "twice");
	if (!machine_is_well(splitters->clients->machine))
		return; /* nobody hears it */
	splitter->is_waiting = false;
	asked->outcome = outcome_of(splitters, status);
	if (asked->outcome == SPLIT_MADE)
		note_made(splitters, split->new_region);
	rest(splitter);
}

/* Bytes at the end of a key may be missing. It lies inside of the region, or nothing does. */
static uint32_t choose_key(struct splitters *splitters, const struct known_region *region, uint8_t key[4])
{
	struct writer writer = writer_fixed(key, KEY_SIZE_MAX);
	struct things_model *model = splitters->clients->model;
	struct reader name =
		reader_of(things_model_name(model, (uint32_t)draw(splitters, model->thing_count)));
	uint32_t size = 1 + (uint32_t)draw(splitters, KEY_SIZE_MAX);
	uint64_t number = reader_u32be(&name);

	if (region->high - region->low < 2)
		return 0;
	/* Often where a thing begins. */
	if (draw(splitters, 2) == 0 || number <= region->low || number >= region->high)
		number = region->low + 1 + draw(splitters, region->high - region->low - 1);
	if (number >> (32 - 8 * size) << (32 - 8 * size) <= region->low)
		size = KEY_SIZE_MAX;
	writer_u32be(&writer, (uint32_t)number);
	return size;
}

static void crash_soon(struct splitters *splitters)
{
	struct machine *machine = splitters->clients->machine;

	if (!splitters->may_crash || draw(splitters, 4) > 0)
		return;
	if (draw(splitters, 2) == 0)
		sim_node_crash_after(machine->node, draw(splitters, 16));
	else
		machine->kv_crash_at = machine->kv_changes + 1 + draw(splitters, 6);
}

static void ask(struct splitter *splitter, const struct known_region *region)
{
	struct splitters *splitters = splitter->splitters;
	uint64_t id = splitters->next_region;
	struct asked_split *asked = &splitters->asked[id];

	asked->key_size = choose_key(splitters, region, asked->key);
	if (asked->key_size == 0) {
		rest(splitter);
		return;
	}
	splitters->next_region++;
	clients_inherit(splitters->clients, region->id, id);
	splitter->split = (struct raftkv_split){.region = region->id,
		.epoch = draw(splitters, 2) ? region->epoch : (struct region_epoch){0},
		.new_region = id,
		.key = buf_copy(asked->key, asked->key_size),
		.loop = splitter->loop,
		.done = on_split};
	check(splitter->split.key);
	splitter->is_waiting = true;
	splitter->is_calling = true;
	raftkv_split(splitters->clients->machine->raftkv, &splitter->split);
	splitter->is_calling = false;
	buf_unref(splitter->split.key);
	crash_soon(splitters);
}

static void on_timer(struct env_timer *timer)
{
	struct splitter *splitter = container_of(timer, struct splitter, timer);
	struct splitters *splitters = splitter->splitters;
	const struct known_region *region;
	struct known_regions known;

	know_regions(splitters, &known);
	if (splitters->clients->is_leaving || splitters->budget == 0 || known.count >= SPLIT_REGIONS_MAX ||
		splitters->next_region >= REGION_IDS_MAX)
		return;
	splitters->budget--;
	region = &known.regions[draw(splitters, known.count)];
	if (region->term > 0)
		ask(splitter, region);
	else
		rest(splitter);
}

/* ---- All of them ------------------------------------------------------------------------------------------------ */

void splitters_init(struct splitters *splitters, struct clients *clients, uint64_t initial_regions)
{
	*splitters = (struct splitters){.clients = clients, .next_region = initial_regions + 1};
}

void splitters_enter(struct splitters *splitters, uint32_t budget, bool may_crash)
{
	struct machine *machine = splitters->clients->machine;

	splitters->budget = budget;
	splitters->may_crash = may_crash;
	for (uint32_t i = 0; i < SPLITTERS; i++) {
		struct splitter *splitter = &splitters->each[i];

		*splitter = (struct splitter){
			.splitters = splitters, .loop = machine->loops[draw(splitters, machine->loop_count)]};
		rest(splitter);
	}
}

bool splitters_are_asking(const struct splitters *splitters)
{
	for (uint32_t i = 0; i < SPLITTERS; i++) {
		if (splitters->each[i].is_waiting)
			return true;
	}
	return false;
}

bool splitters_are_gone(const struct splitters *splitters)
{
	for (uint32_t i = 0; i < SPLITTERS; i++) {
		if (env_timer_is_running(&splitters->each[i].timer))
			return false;
	}
	return !splitters_are_asking(splitters);
}

static const struct known_region *find(const struct known_regions *known, uint64_t id)
{
	for (uint32_t i = 0; i < known->count; i++) {
		if (known->regions[i].id == id)
			return &known->regions[i];
	}
	return NULL;
}

bool splitters_are_idle(const struct splitters *splitters)
{
	struct known_regions known;

	if (!splitters_are_gone(splitters))
		return false;
	know_regions(splitters, &known);
	for (uint32_t i = 0; i < known.count; i++) {
		if (known.regions[i].term == 0)
			return false;
	}
	for (uint64_t id = 1; id < splitters->next_region; id++) {
		if (splitters->asked[id].outcome == SPLIT_MADE && !find(&known, id))
			return false;
	}
	return true;
}

static void check_region(const struct splitters *splitters, const struct known_region *region)
{
	const struct asked_split *asked = &splitters->asked[region->id];

	if (region->id >= splitters->next_region)
		violation("region %lu is there, and nobody asked for it", region->id);
	if (asked->outcome == SPLIT_REFUSED)
		violation("region %lu is there, and its split was refused", region->id);
	if (asked->key_size > 0 && slice_compare(slice_of(asked->key, asked->key_size),
					   slice_of(region->start, region->start_size)) != 0)
		violation("region %lu begins elsewhere", region->id);
}

void splitters_check(const struct splitters *splitters)
{
	struct known_regions known;
	uint64_t end = 0;

	know_regions(splitters, &known);
	for (uint32_t i = 0; i < known.count; i++) {
		const struct known_region *region = &known.regions[i];

		if (region->low != end)
			violation("region %lu begins at %lx, the one before it ends at %lx", region->id,
				region->low, end);
		check_region(splitters, region);
		end = region->high;
	}
	if (end != KEY_END)
		violation("the last region ends at %lx", end);
}
