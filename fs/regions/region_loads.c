#include "fs/regions/region_loads.h"

#include <inttypes.h>
#include <stdlib.h>

#define HASH_NONFATAL_OOM 1 /* a region is not measured for want of memory */

#include "fs/regions/load_split.h"
#include "fs/regions/split_wish.h"
#include "proto/container.h"
#include "proto/hash.h"
#include "proto/plant.h"
#include "proto/units.h"

#define TICK_NS	     NS_PER_S
#define SPEED_MEMORY 10e9 /* ns */
#define MEMORY	     (REGION_LOADS_MEMORY_MS * (double)NS_PER_MS)
#define MEAN_MEMORY  (REGION_LOADS_MEAN_MS * (double)NS_PER_MS)
#define SPEED_MAX    16.0 /* the speed of a machine is reckoned between 1 / SPEED_MAX and this */
#define BUSY_PART    100u /* with less than this part of a core, or reckoned to be, the speed is not measured */
#define SAMPLE_MIN   32u /* dirids from which on a sample says something */

/* The latest dirids. */
struct sample {
	uint32_t count; /* that were taken so far; the last REGION_LOADS_SAMPLE are kept */
	uint64_t next; /* what region_load.spent is when the next one is taken */
	uint64_t dirids[REGION_LOADS_SAMPLE];
};

struct region_load {
	uint64_t region;
	uint64_t spent; /* microseconds since the entry was made */
	uint64_t ticked; /* spent at the last tick */
	double cpu_us; /* per second, decayed */
	double mean_us; /* per second, decayed more slowly */
	double age; /* ns, up to the memory of the mean: a young one counts no time before it */
	uint64_t busy_since; /* env_now; 0: it is below the limit */
	bool is_told; /* that it cannot be split has been logged */
	struct sample *sample; /* NULL: it is far from the limit */
	UT_hash_handle hh;
};

struct region_loads {
	struct region_loads_options options;
	struct env *env;
	struct env_timer timer;
	bool is_ticking, is_stopping;
	uint64_t ticked; /* env_now */
	struct region_load *items;
	struct region_load *last; /* that was noted; NULL: none */
	uint32_t count, sampled_count;
	uint64_t random;
	/* How long a reckoned microsecond takes on this machine: */
	double slowness;
	uint64_t reckoned; /* microseconds of all requests since the last tick */
	uint64_t cpu, records, writes; /* env_cpu and raftkv_stats at the last tick */
	struct region_load_finding wish, stuck;
	uint64_t wished; /* env_now */
};

static struct region_load *find(const struct region_loads *loads, uint64_t region)
{
	struct region_load *load;

	if (loads->last && loads->last->region == region)
		return loads->last;
	HASH_FIND(hh, loads->items, &region, sizeof region, load);
	return load;
}

/* ---- The sample ---- */

/* A period is drawn anew for each dirid, so that a regular order of requests does not hide one. */
static uint64_t draw_period(struct region_loads *loads)
{
	uint64_t mean = (uint64_t)((double)loads->options.limit_us / loads->slowness *
				   (REGION_LOADS_BUSY_MS / 1000.0) / REGION_LOADS_SAMPLE);

	loads->random ^= loads->random << 13;
	loads->random ^= loads->random >> 7;
	loads->random ^= loads->random << 17;
	return 1 + loads->random % (2 * mean + 1);
}

static void take_dirid(struct region_loads *loads, struct region_load *load, uint64_t dirid)
{
	struct sample *sample = load->sample;

	while (sample->next <= load->spent) {
		sample->dirids[sample->count++ % REGION_LOADS_SAMPLE] = dirid;
		sample->next += draw_period(loads);
	}
}

static void drop_sample(struct region_loads *loads, struct region_load *load)
{
	if (!load->sample)
		return;
	free(load->sample);
	load->sample = NULL;
	loads->sampled_count--;
}

/* Those are sampled that have half of the limit. */
static void set_sample(struct region_loads *loads, struct region_load *load)
{
	bool is_wanted = loads->options.limit_us > 0 && load->cpu_us >= loads->options.limit_us / 2;

	if (!is_wanted) {
		drop_sample(loads, load);
		return;
	}
	if (load->sample || loads->sampled_count == REGION_LOADS_SAMPLED_MAX)
		return;
	load->sample = calloc(1, sizeof *load->sample);
	if (!load->sample)
		return;
	loads->sampled_count++;
	load->sample->next = load->spent + draw_period(loads);
}

/* ---- Too busy ---- */

/* False: the region is not here any more. */
static bool choose(struct region_loads *loads, const struct region_load *load, struct load_split *split)
{
	const struct sample *sample = load->sample;
	uint64_t dirids[REGION_LOADS_SAMPLE];
	uint32_t count = sample->count < REGION_LOADS_SAMPLE ? sample->count : REGION_LOADS_SAMPLE;
	struct region range = {0};

	for (uint32_t i = 0; i < count; i++)
		dirids[i] = sample->dirids[i];
	if (raftkv_region_range(loads->options.raftkv, load->region, &range) < 0)
		return false;
	*split = load_split_choose(buf_slice(range.start), buf_slice(range.end), dirids, count);
	region_close(&range);
	return true;
}

static void tell(struct region_loads *loads, struct region_load *load, const struct load_split *split)
{
	log_info(loads->options.logger,
		"msg=\"a region is too busy\" region=%" PRIu64 " cpu_us=%.0f %s=%" PRIu64, load->region,
		load->cpu_us, split->may_split ? "split_at_dirid" : "because_of_dirid", split->dirid);
	load->is_told = true;
}

static void judge(struct region_loads *loads, struct region_load *load, uint64_t now)
{
	struct region_load_finding finding = {.region = load->region, .cpu_us = (uint32_t)load->cpu_us};
	struct load_split split;

	if (load->busy_since == 0 || now - load->busy_since < REGION_LOADS_BUSY_MS * NS_PER_MS ||
		!load->sample || load->sample->count < SAMPLE_MIN ||
		raftkv_leader_term(loads->options.raftkv, load->region) == 0 || !choose(loads, load, &split))
		return;
	finding.dirid = split.dirid;
	if (split.may_split && loads->wish.region > 0)
		return;
	if (!load->is_told)
		tell(loads, load, &split);
	if (split.may_split) {
		loads->wish = finding;
		loads->wished = now;
	} else if (finding.cpu_us > loads->stuck.cpu_us) {
		loads->stuck = finding;
	}
}

/* What was sampled of both halves says nothing of one. */
static void begin_anew(struct region_loads *loads, uint64_t region, uint64_t now)
{
	struct region_load *load = find(loads, region);

	loads->wish = (struct region_load_finding){0};
	if (!load)
		return;
	load->is_told = false;
	load->busy_since = load->busy_since > 0 ? now : 0;
	if (load->sample)
		load->sample->count = 0;
}

static void check_wish(struct region_loads *loads, uint64_t now)
{
	struct raftkv *raftkv = loads->options.raftkv;
	const struct region_load_finding *wish = &loads->wish;

	if (wish->region == 0)
		return;
	if (raftkv_leader_term(raftkv, wish->region) == 0 ||
		split_wish_state(raftkv, wish->region, wish->dirid, now - loads->wished) != SPLIT_WISH_STANDS)
		begin_anew(loads, wish->region, now);
}

/* ---- Once a second ---- */

static void on_tick(struct env_timer *timer);

static void rest(struct region_loads *loads)
{
	loads->is_ticking = !loads->is_stopping && loads->items;
	if (loads->is_ticking)
		env_timer_start(&loads->timer, loads->options.loop, loads->ticked + TICK_NS, on_tick);
}

static uint64_t since(uint64_t *last, uint64_t now)
{
	uint64_t passed = now > *last ? now - *last : 0;

	*last = now;
	return passed;
}

/* Microseconds since the last tick that the process took, and that it would have taken by the constants. */
static void take_work(struct region_loads *loads, uint64_t *taken, uint64_t *reckoned)
{
	uint64_t records, writes;
	struct raftkv_stats stats;

	raftkv_stats(loads->options.raftkv, &stats);
	*taken = since(&loads->cpu, env_cpu(loads->env)) / NS_PER_US;
	records = since(&loads->records, stats.log.records);
	writes = since(&loads->writes, stats.writes);
	*reckoned = loads->reckoned + (records > writes ? records - writes : 0) * REGION_LOADS_OF_RECORD;
	loads->reckoned = 0;
}

/* The mean decays with `memory`, as `passed` (ns, both). */
static void approach(double *mean, double value, double passed, double memory)
{
	*mean += (value - *mean) * passed / (passed + memory);
}

static void measure_speed(struct region_loads *loads, uint64_t now)
{
	double passed = (double)(now - loads->ticked), slowness;
	uint64_t taken, reckoned, least = (now - loads->ticked) / NS_PER_US / BUSY_PART;

	take_work(loads, &taken, &reckoned);
	if (taken < least || reckoned < least)
		return;
	slowness = (double)taken / (double)reckoned;
	if (slowness < 1 / SPEED_MAX)
		slowness = 1 / SPEED_MAX;
	if (slowness > SPEED_MAX)
		slowness = SPEED_MAX;
	approach(&loads->slowness, slowness, passed, SPEED_MEMORY);
}

static void decay(struct region_loads *loads, struct region_load *load, uint64_t now)
{
	double passed = (double)(now - loads->ticked);
	double rate = (double)(load->spent - load->ticked) * (double)NS_PER_S / passed * loads->slowness;

	load->ticked = load->spent;
	approach(&load->cpu_us, rate, passed, MEMORY);
	approach(&load->mean_us, rate, passed, load->age);
	load->age = load->age + passed < MEAN_MEMORY ? load->age + passed : MEAN_MEMORY;
	if (loads->options.limit_us == 0 || load->cpu_us < loads->options.limit_us) {
		load->busy_since = 0;
		load->is_told = false;
	} else if (load->busy_since == 0) {
		load->busy_since = now;
	}
}

static void drop(struct region_loads *loads, struct region_load *load)
{
	if (loads->last == load)
		loads->last = NULL;
	drop_sample(loads, load);
	HASH_DEL(loads->items, load);
	free(load);
	loads->count--;
}

static void on_tick(struct env_timer *timer)
{
	struct region_loads *loads = container_of(timer, struct region_loads, timer);
	uint64_t now = env_now(loads->env);
	struct region_load *load, *next;

	measure_speed(loads, now);
	check_wish(loads, now);
	loads->stuck = (struct region_load_finding){0};
	HASH_ITER (hh, loads->items, load, next) {
		decay(loads, load, now);
		set_sample(loads, load);
		judge(loads, load, now);
		if (load->cpu_us < 1 && load->mean_us < 1)
			drop(loads, load);
	}
	loads->ticked = now;
	rest(loads);
}

/* ---- Requests ---- */

static void begin_ticking(struct region_loads *loads)
{
	uint64_t taken, reckoned;

	if (loads->is_stopping)
		return;
	loads->ticked = env_now(loads->env);
	take_work(loads, &taken, &reckoned); /* of the time before */
	rest(loads);
}

static struct region_load *add(struct region_loads *loads, uint64_t region)
{
	struct region_load *load;

	if (loads->is_stopping || loads->count == REGION_LOADS_MAX)
		return NULL;
	load = calloc(1, sizeof *load);
	if (!load)
		return NULL;
	load->region = region;
	HASH_ADD(hh, loads->items, region, sizeof load->region, load);
	if (!load->hh.tbl) {
		free(load);
		return NULL;
	}
	loads->count++;
	return load;
}

void region_loads_note(struct region_loads *loads, uint64_t region, uint64_t dirid, uint32_t cost_us)
{
	struct region_load *load = find(loads, region);

	if (!load)
		load = add(loads, region);
	if (!load)
		return;
	loads->last = load;
	load->spent += cost_us;
	loads->reckoned += cost_us;
	if (load->sample && load->sample->next <= load->spent)
		take_dirid(loads, load, dirid);
	if (!loads->is_ticking)
		begin_ticking(loads);
}

/* ---- Findings ---- */

uint32_t region_loads_cpu(const struct region_loads *loads, uint64_t region)
{
	const struct region_load *load = find(loads, region);

	return load ? (uint32_t)load->cpu_us : 0;
}

uint32_t region_loads_mean(const struct region_loads *loads, uint64_t region)
{
	const struct region_load *load = find(loads, region);

	return load ? (uint32_t)load->mean_us : 0;
}

void region_loads_each(
	const struct region_loads *loads, void (*each)(void *argument, uint64_t region), void *argument)
{
	for (const struct region_load *load = loads->items; load; load = load->hh.next)
		each(argument, load->region);
}

struct region_load_finding region_loads_wish(const struct region_loads *loads)
{
	return loads->wish;
}

struct region_load_finding region_loads_stuck(const struct region_loads *loads)
{
	return loads->stuck;
}

/* ---- Life ---- */

struct region_loads *region_loads_new(const struct region_loads_options *options)
{
	struct region_loads *loads = calloc(1, sizeof *loads);

	if (!loads)
		return NULL;
	loads->options = *options;
	loads->env = env_loop_env(options->loop);
	env_random(loads->env, &loads->random, sizeof loads->random);
	loads->random |= 1;
	loads->slowness = 1;
	return loads;
}

void region_loads_stop(struct region_loads *loads)
{
	loads->is_stopping = true;
	env_timer_stop(&loads->timer);
}

void region_loads_free(struct region_loads *loads)
{
	struct region_load *load, *next;

	if (!loads)
		return;
	HASH_ITER (hh, loads->items, load, next)
		drop(loads, load);
	free(loads);
}
