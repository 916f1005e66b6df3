#include "fs/regions/oversize.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fs/regions/region_sizes.h"
#include "fs/schema/rows.h"
#include "fs/schema/split_key.h"
#include "proto/container.h"
#include "proto/plant.h"
#include "proto/units.h"

#define PART_ROWS  10000u /* that are read at a time */
#define REST_PARTS 20u /* a rest takes so many times as long as the part before */
#define REST_NS	   (5 * NS_PER_MS) /* at least */
/* At most: a part takes long by the clock where others want the processor or the disk. */
#define REST_MAX_NS (2 * NS_PER_S)
#define WINDOW	    64u /* regions that are looked through for one that is led here, with the router's lock held */
#define USE_EIGHTH  7u /* a larger half of more eighths than that makes a split useless */

/* What is known of the region that is being read. */
struct sizing {
	struct region region; /* its id, epoch and range */
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
	bool is_short; /* it reads only regions of which no size is known */
	uint64_t round_began; /* env_now; of the last one over all regions */
	uint64_t writes; /* raftkv_stats.writes then */
	struct buf *next; /* where the next region begins, or a later one; NULL: the first */
	bool is_last; /* there is no next one */
	struct oversize_finding round_stuck;
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
	if (may_split) {
		oversize->wish = finding;
		oversize->wished = env_now(oversize->env);
	} else if (finding.size > oversize->round_stuck.size) {
		oversize->round_stuck = finding;
	}
}

/* The region has been read once, or twice. */
static void end_region(struct oversize *oversize)
{
	struct sizing *sizing = &oversize->sizing;

	end_dirid(sizing);
	if (!sizing->is_second)
		region_sizes_put(
			&oversize->sizes, sizing->region.id, sizing->region.epoch.version, sizing->size);
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
	if (oversize->status < 0) /* it has gone, or was split meanwhile: the next round looks again */
		forget_region(oversize);
	else if (oversize->is_end)
		end_region(oversize);
	rest = rest > REST_MAX_NS ? REST_MAX_NS : rest;
	rest_until(oversize, now + (rest > REST_NS ? rest : REST_NS));
}

/* ---- The next region ---- */

struct search {
	struct oversize *oversize;
	uint32_t seen;
	bool is_found;
};

/* It was split, or another store led it. */
static bool is_new(const struct oversize *oversize, const struct region *region)
{
	return !region_sizes_has(&oversize->sizes, region->id, region->epoch.version);
}

static void consider(void *argument, const struct region *region, uint64_t term)
{
	struct search *search = argument;
	struct oversize *oversize = search->oversize;

	search->seen++;
	if (search->is_found)
		return;
	buf_unref(oversize->next);
	oversize->next = buf_ref(region->end);
	oversize->is_last = !region->end;
	if (term == 0 || (oversize->is_short && !is_new(oversize, region)))
		return;
	search->is_found = true;
	oversize->sizing.region = (struct region){.id = region->id,
		.epoch = region->epoch,
		.start = buf_ref(region->start),
		.end = buf_ref(region->end)};
}

static bool search_regions(
	struct oversize *oversize, void (*each)(void *argument, const struct region *region, uint64_t term))
{
	struct search search = {.oversize = oversize};

	do {
		search.seen = 0;
		if (!oversize->is_last)
			raftkv_each_region_from(
				oversize->options.raftkv, buf_slice(oversize->next), WINDOW, each, &search);
	} while (!search.is_found && search.seen > 0);
	return search.is_found;
}

static void end_round(struct oversize *oversize)
{
	oversize->is_round = false;
	oversize->stuck = oversize->round_stuck;
	if (!oversize->is_short)
		region_sizes_end_round(&oversize->sizes);
	buf_unref(oversize->next);
	oversize->next = NULL;
}

static void look_for_new(void *argument, const struct region *region, uint64_t term)
{
	struct search *search = argument;
	struct oversize *oversize = search->oversize;

	search->seen++;
	buf_unref(oversize->next);
	oversize->next = buf_ref(region->end);
	oversize->is_last = !region->end;
	search->is_found |= term > 0 && is_new(oversize, region);
}

static void begin_at(struct oversize *oversize, struct buf *start)
{
	buf_unref(oversize->next);
	oversize->next = buf_ref(start);
	oversize->is_last = false;
}

static bool has_new(struct oversize *oversize)
{
	bool is_found;

	begin_at(oversize, NULL);
	is_found = search_regions(oversize, look_for_new);
	begin_at(oversize, NULL);
	return is_found;
}

/* Over all regions. Without a write since the last one there is nothing to see. */
static bool begin_whole_round(struct oversize *oversize, uint64_t now)
{
	struct raftkv_stats stats;

	if (oversize->round_began > 0 && now - oversize->round_began < OVERSIZE_PERIOD_MS * NS_PER_MS)
		return false;
	raftkv_stats(oversize->options.raftkv, &stats);
	oversize->round_began = now;
	if (stats.writes == oversize->writes)
		return false;
	oversize->writes = stats.writes;
	oversize->round_stuck = (struct oversize_finding){0};
	region_sizes_begin_round(&oversize->sizes);
	return true;
}

static void begin_round(struct oversize *oversize)
{
	bool is_whole = begin_whole_round(oversize, env_now(oversize->env));

	oversize->is_short = !is_whole;
	oversize->is_round = is_whole || has_new(oversize);
	if (is_whole)
		begin_at(oversize, NULL);
	else
		oversize->round_stuck = oversize->stuck;
}

/* A wish is over when its region ends there, or when nobody has made it true for long. The round goes on with the halves:
 * they may still be too large. */
static bool has_wish(struct oversize *oversize)
{
	struct region range = {0};
	uint64_t end;

	if (oversize->wish.region == 0)
		return false;
	if (raftkv_region_range(oversize->options.raftkv, oversize->wish.region, &range) == 0) {
		end = range.end ? fs_key_get_dirid(buf_slice(range.end)) : FS_DIRID_END;
		if (end > oversize->wish.dirid &&
			env_now(oversize->env) - oversize->wished < OVERSIZE_WISH_MS * NS_PER_MS) {
			region_close(&range);
			return true;
		}
		if (end <= oversize->wish.dirid && oversize->is_round)
			begin_at(oversize, range.start);
		region_close(&range);
	}
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
		if (search_regions(oversize, consider))
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
	buf_unref(oversize->next);
	region_sizes_close(&oversize->sizes);
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
	const struct region_size *size = region_sizes_find(&oversize->sizes, region);

	if (!size)
		return 0;
	return size->bytes > 0 ? size->bytes : 1;
}
