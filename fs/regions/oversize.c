#include "fs/regions/oversize.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fs/regions/region_sizes.h"
#include "fs/regions/split_wish.h"
#include "fs/schema/rows.h"
#include "fs/schema/split_key.h"
#include "fs/transact/region_set.h"
#include "proto/container.h"
#include "proto/plant.h"
#include "proto/units.h"

#define PART_ROWS  10000u /* that are read at a time */
#define REST_PARTS 20u /* a rest takes so many times as long as the part before */
#define REST_NS	   (5 * NS_PER_MS) /* at least */
/* At most: a part takes long by the clock where others want the processor or the disk. */
#define REST_MAX_NS (2 * NS_PER_S)
#define USE_EIGHTH  7u /* a larger half of more eighths than that makes a split useless */

/* What is known of the region that is being read. */
struct sizing {
	struct region region; /* its id and range */
	struct fs_key from; /* the rows before it are counted */
	uint64_t dirid, dirid_size; /* of the rows that were read last */
	uint64_t size; /* of all rows so far */
	uint64_t most_dirid, most_size; /* the largest dirid so far */
	/* The second time, when the whole size is known: */
	bool is_second;
	uint64_t whole;
	uint64_t best_dirid, best_half; /* where a split leaves the smallest larger half; 0: nowhere yet */
};

struct oversize {
	struct oversize_options options;
	struct env *env;
	struct env_timer timer;
	struct env_work work;
	bool is_working;
	/* The round. */
	bool is_round; /* one is under way */
	uint64_t round_began; /* env_now; the last one over all that had changed */
	uint64_t
		looked; /* raftkv_each_changed_region: what changed before is measured, or in `due`; 0: nothing is */
	struct region_set due; /* for the next round */
	uint64_t *queue; /* the regions that are left of this one; the next one is the last */
	uint32_t queue_count, queue_size;
	struct region_sizes sizes;
	/* The part. */
	struct sizing sizing;
	uint32_t rows;
	bool is_end; /* the region's last row was read */
	int status;
	uint64_t part_began;
	/* Findings. */
	struct oversize_finding wish, stuck;
	uint64_t wished; /* env_now */
	bool is_stopping;
	void (*stopped)(void *argument);
	void *stopped_argument;
};

/* ---- A part of a region, on a worker ---- */

/* Everything up to here belongs to dirids before `dirid`: a split there leaves halves of these sizes. */
static void weigh(struct sizing *sizing, uint64_t dirid)
{
	uint64_t upper = sizing->whole > sizing->size ? sizing->whole - sizing->size : 0;
	uint64_t half = sizing->size > upper ? sizing->size : upper;
	struct fs_key key;

	if (!sizing->is_second || dirid == 0 || dirid >= FS_DIRID_END)
		return;
	key = fs_split_key_of_dirid(dirid);
	if (!fs_split_is_wide_enough(
		    buf_slice(sizing->region.start), buf_slice(sizing->region.end), fs_key_slice(&key)))
		return;
	PLANT("admin:split_at_the_first", half = 0);
	if (sizing->best_dirid > 0 && half >= sizing->best_half)
		return;
	sizing->best_dirid = dirid;
	sizing->best_half = half;
}

static void end_dirid(struct sizing *sizing)
{
	if (sizing->dirid_size <= sizing->most_size)
		return;
	sizing->most_dirid = sizing->dirid;
	sizing->most_size = sizing->dirid_size;
}

static uint64_t size_of(struct slice key, struct slice value)
{
	uint64_t size = key.size + value.size, ino;
	struct inode inode;

	if (fs_key_parse_inode(key, &ino) == 0 && inode_decode(value, ino, &inode) == 0)
		size += inode.units * FS_UNIT_SIZE;
	return size;
}

static int count_row(void *argument, struct slice key, struct slice value)
{
	struct oversize *oversize = argument;
	struct sizing *sizing = &oversize->sizing;
	uint64_t dirid = fs_key_get_dirid(key), size = size_of(key, value);

	if (oversize->rows == PART_ROWS || key.size > FS_KEY_SIZE_MAX) {
		oversize->is_end = false;
		return 1;
	}
	oversize->rows++;
	if (dirid != sizing->dirid) {
		end_dirid(sizing);
		weigh(sizing, dirid);
		sizing->dirid = dirid;
		sizing->dirid_size = 0;
	}
	sizing->dirid_size += size;
	sizing->size += size;
	sizing->from.size = (uint16_t)key.size;
	memcpy(sizing->from.bytes, key.data, key.size);
	sizing->from.bytes[sizing->from.size++] = 0; /* the next possible key */
	return 0;
}

static void count_part(struct env_work *work)
{
	struct oversize *oversize = container_of(work, struct oversize, work);
	struct sizing *sizing = &oversize->sizing;
	struct raftkv_snapshot *snapshot;

	oversize->rows = 0;
	oversize->is_end = true;
	oversize->status = raftkv_stale_snapshot(oversize->options.raftkv, sizing->region.id, &snapshot);
	if (oversize->status < 0)
		return;
	oversize->status = view_scan(raftkv_snapshot_view(snapshot, true), KEY_DATA,
		fs_key_slice(&sizing->from), buf_slice(sizing->region.end), count_row, oversize);
	raftkv_snapshot_free(snapshot);
}

/* ---- One region after another ---- */

static void oversize_go_on(struct oversize *oversize);
static void on_timer(struct env_timer *timer);

static void rest_until(struct oversize *oversize, uint64_t time)
{
	env_timer_start(&oversize->timer, oversize->options.loop, time, on_timer);
}

static void begin_reading(struct oversize *oversize, bool is_second)
{
	struct sizing *sizing = &oversize->sizing;
	struct slice start = buf_slice(sizing->region.start);
	uint64_t whole = sizing->size, most_dirid = sizing->most_dirid, most_size = sizing->most_size;

	*sizing = (struct sizing){.region = sizing->region, .is_second = is_second};
	if (is_second) {
		sizing->whole = whole;
		sizing->most_dirid = most_dirid;
		sizing->most_size = most_size;
	}
	if (start.size > 0 && start.size <= FS_KEY_SIZE_MAX) {
		sizing->from.size = (uint16_t)start.size;
		memcpy(sizing->from.bytes, start.data, start.size);
	}
	sizing->dirid = fs_key_get_dirid(fs_key_slice(&sizing->from));
	if (start.size == 0)
		sizing->dirid = 0;
}

static void forget_region(struct oversize *oversize)
{
	region_close(&oversize->sizing.region);
	oversize->sizing = (struct sizing){0};
}

static bool is_useful(const struct sizing *sizing)
{
	return sizing->best_dirid > 0 && sizing->best_half <= sizing->whole / 8 * USE_EIGHTH;
}

/* The next round reads it. Without memory it reads all. */
static void read_again(struct oversize *oversize, uint64_t region)
{
	PLANT("admin:unread_forgotten", return );
	if (region_set_add(&oversize->due, region) < 0)
		oversize->looked = 0;
}

/* Without memory the size is measured again. */
static void note_size(struct oversize *oversize, uint64_t size, uint64_t stuck_dirid)
{
	if (region_sizes_set(&oversize->sizes, oversize->sizing.region.id, size, stuck_dirid) < 0)
		oversize->looked = 0;
}

static void tell(struct oversize *oversize)
{
	const struct sizing *sizing = &oversize->sizing;
	bool may_split = is_useful(sizing);
	struct oversize_finding finding = {.region = sizing->region.id,
		.size = sizing->whole,
		.dirid = may_split ? sizing->best_dirid : sizing->most_dirid};

	log_info(oversize->options.logger,
		"msg=\"a region is over its size\" region=%" PRIu64 " bytes=%" PRIu64 " %s=%" PRIu64,
		finding.region, finding.size, may_split ? "split_at_dirid" : "because_of_dirid",
		finding.dirid);
	note_size(oversize, finding.size, may_split ? 0 : finding.dirid);
	if (!may_split)
		return;
	oversize->wish = finding;
	oversize->wished = env_now(oversize->env);
	read_again(oversize, finding.region); /* nobody may make it true */
}

/* The region has been read once, or twice. */
static void end_region(struct oversize *oversize)
{
	struct sizing *sizing = &oversize->sizing;

	end_dirid(sizing);
	if (!sizing->is_second)
		note_size(oversize, sizing->size, 0);
	if (!sizing->is_second && sizing->size > oversize->options.limit) {
		begin_reading(oversize, true);
		return;
	}
	if (sizing->is_second)
		tell(oversize);
	forget_region(oversize);
}

static void on_counted(struct env_work *work)
{
	struct oversize *oversize = container_of(work, struct oversize, work);
	uint64_t now = env_now(oversize->env), rest = (now - oversize->part_began) * REST_PARTS;

	oversize->is_working = false;
	if (oversize->is_stopping) {
		oversize->stopped(oversize->stopped_argument);
		return;
	}
	if (oversize->status < 0) { /* it has gone, or was split meanwhile */
		read_again(oversize, oversize->sizing.region.id);
		forget_region(oversize);
	} else if (oversize->is_end) {
		end_region(oversize);
	}
	rest = rest > REST_MAX_NS ? REST_MAX_NS : rest;
	rest_until(oversize, now + (rest > REST_NS ? rest : REST_NS));
}

/* ---- The next region ---- */

/* One that is not led here any more has changed when it is led again. */
static bool find_region(struct oversize *oversize)
{
	struct raftkv *raftkv = oversize->options.raftkv;

	while (oversize->queue_count > 0) {
		uint64_t region = oversize->queue[--oversize->queue_count];

		if (raftkv_leader_term(raftkv, region) > 0 &&
			raftkv_region_range(raftkv, region, &oversize->sizing.region) == 0)
			return true;
	}
	return false;
}

/* ---- Rounds ---- */

static void end_round(struct oversize *oversize)
{
	oversize->is_round = false;
	oversize->stuck.region =
		region_sizes_find_stuck(&oversize->sizes, &oversize->stuck.size, &oversize->stuck.dirid);
}

static void take_changed(void *argument, const struct region *region, uint64_t term)
{
	struct oversize *oversize = argument;

	if (term > 0) {
		read_again(oversize, region->id);
		return;
	}
	region_sizes_remove(&oversize->sizes, region->id);
	region_set_remove(&oversize->due, region->id);
}

/* Keeps the region for the next round where there is no memory. */
static bool keep_unqueued(void *argument, uint64_t region)
{
	struct oversize *oversize = argument;

	if (oversize->queue_count == oversize->queue_size) {
		uint32_t size = oversize->queue_size > 0 ? 2 * oversize->queue_size : 64;
		uint64_t *queue = realloc(oversize->queue, size * sizeof *queue);

		if (!queue)
			return true;
		oversize->queue = queue;
		oversize->queue_size = size;
	}
	oversize->queue[oversize->queue_count++] = region;
	return false;
}

/* It was split off, or another store led it: that cannot wait. */
static bool keep_known(void *argument, uint64_t region)
{
	const struct oversize *oversize = argument;

	return region_sizes_find(&oversize->sizes, region) > 0 || keep_unqueued(argument, region);
}

static void begin_round(struct oversize *oversize)
{
	uint64_t since = oversize->looked, now = env_now(oversize->env);
	bool is_whole =
		oversize->round_began == 0 || now - oversize->round_began >= OVERSIZE_PERIOD_MS * NS_PER_MS;

	if (is_whole)
		oversize->round_began = now;
	oversize->is_round = true;
	oversize->looked = UINT64_MAX;
	since = raftkv_each_changed_region(oversize->options.raftkv, since, take_changed, oversize);
	if (oversize->looked > 0) /* there was memory for all */
		oversize->looked = since;
	region_set_filter(&oversize->due, is_whole ? keep_unqueued : keep_known, oversize);
}

/* Both halves of the region that was to be split are read next: they may still be too large. */
static void queue_halves(struct oversize *oversize)
{
	struct fs_key key = fs_split_key_of_dirid(oversize->wish.dirid);
	uint64_t lower = oversize->wish.region, upper;
	struct region_epoch epoch;

	region_set_remove(&oversize->due, lower);
	if (raftkv_find_region(oversize->options.raftkv, fs_key_slice(&key), &upper, &epoch) == 0 &&
		keep_unqueued(oversize, upper))
		read_again(oversize, upper);
	if (keep_unqueued(oversize, lower))
		read_again(oversize, lower);
}

static bool has_wish(struct oversize *oversize)
{
	enum split_wish_state state;

	if (oversize->wish.region == 0)
		return false;
	state = split_wish_state(oversize->options.raftkv, oversize->wish.region, oversize->wish.dirid,
		env_now(oversize->env) - oversize->wished);
	if (state == SPLIT_WISH_STANDS)
		return true;
	if (state == SPLIT_WISH_GRANTED)
		queue_halves(oversize);
	oversize->wish = (struct oversize_finding){0};
	return false;
}

static void oversize_go_on(struct oversize *oversize)
{
	if (has_wish(oversize)) {
		rest_until(oversize, env_now(oversize->env) + NS_PER_S);
		return;
	}
	if (!oversize->is_round)
		begin_round(oversize);
	if (oversize->is_round && oversize->sizing.region.id == 0) {
		if (find_region(oversize))
			begin_reading(oversize, false);
		else
			end_round(oversize);
	}
	if (!oversize->is_round) {
		rest_until(oversize, env_now(oversize->env) + OVERSIZE_LOOK_MS * NS_PER_MS);
		return;
	}
	oversize->is_working = true;
	oversize->part_began = env_now(oversize->env);
	env_work_submit(oversize->options.loop, &oversize->work, count_part, on_counted);
}

static void on_timer(struct env_timer *timer)
{
	oversize_go_on(container_of(timer, struct oversize, timer));
}

/* ---- Life ---- */

struct oversize *oversize_new(const struct oversize_options *options)
{
	struct oversize *oversize = calloc(1, sizeof *oversize);

	if (!oversize)
		return NULL;
	oversize->options = *options;
	oversize->env = env_loop_env(options->loop);
	return oversize;
}

void oversize_start(struct oversize *oversize)
{
	if (oversize->options.limit > 0)
		rest_until(oversize, env_now(oversize->env) + OVERSIZE_PERIOD_MS * NS_PER_MS);
}

void oversize_stop(struct oversize *oversize, void (*stopped)(void *argument), void *argument)
{
	oversize->is_stopping = true;
	oversize->stopped = stopped;
	oversize->stopped_argument = argument;
	env_timer_stop(&oversize->timer);
	if (!oversize->is_working)
		stopped(argument);
}

void oversize_free(struct oversize *oversize)
{
	if (!oversize)
		return;
	forget_region(oversize);
	region_set_close(&oversize->due);
	region_sizes_close(&oversize->sizes);
	free(oversize->queue);
	free(oversize);
}

struct oversize_finding oversize_wish(const struct oversize *oversize)
{
	return oversize->wish;
}

struct oversize_finding oversize_stuck(const struct oversize *oversize)
{
	return oversize->stuck;
}

uint64_t oversize_size(const struct oversize *oversize, uint64_t region)
{
	return region_sizes_find(&oversize->sizes, region);
}
