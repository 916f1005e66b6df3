#include "fs/regions/region_reports.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/cluster/placement.h"
#include "proto/check.h"
#include "proto/container.h"
#include "proto/plant.h"
#include "proto/units.h"

#define LOAD_CHANGE_US 2000u /* a load is another one that has changed by so much and a quarter */
#define REPLICAS_MAX   (REGION_REPORTS_PAGE * 4 + REGION_PEERS_MAX) /* of a page */

/* A region that this store leads. */
struct led {
	uint64_t region;
	uint64_t digest; /* of what is told of it */
	uint64_t term;
	uint64_t since; /* env_now: it was found to lead in that term */
	uint32_t cpu_us; /* that was told last; 0: none */
	bool is_told;
};

struct leds {
	uint32_t count, capacity;
	struct led *items; /* by region, each once */
};

struct region_reports {
	struct region_reports_options options;
	uint64_t term;
	bool has_begun, has_ended; /* the full report */
	uint32_t again; /* index in `now` of the next one that is told again */
	struct leds now;
	uint32_t untold_count; /* in `now` */
	uint64_t looked; /* raftkv_each_changed_region: `now` has what changed before */
	struct leds changed; /* since then; `digest` 0: not led any more */
	bool is_cut; /* there was no memory for all that have changed */

	/* The page. */
	bool is_under_way;
	struct region_reports_page page;
	uint32_t wanted_count, described;
	uint32_t wanted[REGION_REPORTS_PAGE]; /* indexes in `now` */
	uint32_t told[REGION_REPORTS_PAGE]; /* those that the page has */
	struct region_report reports[REGION_REPORTS_PAGE];
	uint32_t replica_count;
	struct region_report_replica replicas[REPLICAS_MAX];
	struct raftkv_region_status status;
	void (*ready)(void *argument);
	void *argument;
};

/* ---- What this store leads ---- */

/* Not 0. */
static uint64_t digest_of(const struct region *region, uint64_t term)
{
	uint64_t digest = region->epoch.version;

	digest = (digest ^ digest >> 32) * UINT64_C(0x9e3779b97f4a7c15) + region->epoch.conf_version;
	digest = (digest ^ digest >> 32) * UINT64_C(0x9e3779b97f4a7c15) + term;
	return digest > 0 ? digest : 1;
}

static int reserve(struct leds *leds, uint32_t count)
{
	uint32_t capacity = leds->capacity == 0 ? 16 : leds->capacity;
	struct led *items;

	if (count <= leds->capacity)
		return 0;
	while (capacity < count)
		capacity *= 2;
	items = realloc(leds->items, capacity * sizeof *items);
	if (!items)
		return -ENOMEM;
	leds->items = items;
	leds->capacity = capacity;
	return 0;
}

static void add_changed(void *argument, const struct region *region, uint64_t term)
{
	struct region_reports *reports = argument;
	struct leds *changed = &reports->changed;

	if (reserve(changed, changed->count + 1) < 0) {
		reports->is_cut = true;
		return;
	}
	changed->items[changed->count++] = (struct led){
		.region = region->id, .term = term, .digest = term > 0 ? digest_of(region, term) : 0};
}

static int compare_leds(const void *a, const void *b)
{
	uint64_t one = ((const struct led *)a)->region, other = ((const struct led *)b)->region;

	return (one > other) - (one < other);
}

/* `led` is what was known of it; NULL: it was not led. */
static struct led updated(const struct led *led, const struct led *changed, uint64_t now)
{
	struct led next = {.region = changed->region, .digest = changed->digest, .term = changed->term};
	bool is_same = led && led->digest == changed->digest;

	PLANT("reports:change_untold", is_same = led != NULL);
	next.since = now;
	next.is_told = is_same && led->is_told;
	if (led && led->term == changed->term) {
		next.since = led->since;
		next.cpu_us = led->cpu_us;
	}
	return next;
}

/* Those of `now`, as `changed` has them, behind each other from `to` on. Both are by region. */
static uint32_t merge_leds(const struct leds *now, const struct leds *changed, uint64_t time, struct led *to)
{
	const struct led *led = now->items, *leds_end = led + now->count;
	const struct led *change = changed->items, *changes_end = change + changed->count;
	uint32_t count = 0;

	while (led < leds_end || change < changes_end) {
		bool is_older = change == changes_end || (led < leds_end && led->region < change->region);
		bool is_known = !is_older && led < leds_end && led->region == change->region;

		if (is_older)
			to[count++] = *led;
		else if (change->digest > 0)
			to[count++] = updated(is_known ? led : NULL, change, time);
		led += is_older || is_known;
		change += !is_older;
	}
	return count;
}

static void count_untold(struct region_reports *reports)
{
	reports->untold_count = 0;
	for (uint32_t i = 0; i < reports->now.count; i++)
		reports->untold_count += !reports->now.items[i].is_told;
}

/* `now` is moved to the end of its room, so that the merged ones do not reach what is still to be read. */
static void take_changed(struct region_reports *reports)
{
	struct leds *now = &reports->now, behind = *now;
	uint32_t room = now->count + reports->changed.count;

	qsort(reports->changed.items, reports->changed.count, sizeof *reports->changed.items, compare_leds);
	if (reserve(now, room) < 0) {
		reports->is_cut = true;
		return;
	}
	behind.items = now->items + reports->changed.count;
	memmove(behind.items, now->items, now->count * sizeof *now->items);
	now->count = merge_leds(
		&behind, &reports->changed, env_now(env_loop_env(reports->options.loop)), now->items);
	count_untold(reports);
}

/* Without memory what has changed is still so the next time. */
static void collect(struct region_reports *reports)
{
	uint64_t looked;

	reports->is_cut = false;
	reports->changed.count = 0;
	looked = raftkv_each_changed_region(reports->options.raftkv, reports->looked, add_changed, reports);
	if (!reports->is_cut && reports->changed.count > 0)
		take_changed(reports);
	if (!reports->is_cut)
		reports->looked = looked;
}

/* ---- A page ---- */

static void want_untold(struct region_reports *reports)
{
	for (uint32_t i = 0; i < reports->now.count && reports->untold_count > 0; i++) {
		if (reports->now.items[i].is_told)
			continue;
		if (reports->wanted_count == REGION_REPORTS_PAGE) {
			reports->page.has_more = true;
			return;
		}
		reports->wanted[reports->wanted_count++] = i;
	}
}

/* 0: unknown. */
static uint32_t load_of(const struct region_reports *reports, const struct led *led)
{
	uint64_t now = env_now(env_loop_env(reports->options.loop));

	if (!reports->options.loads)
		return 0;
	if (now - led->since < REGION_LOADS_SETTLE_MS * NS_PER_MS && !planted("reports:load_unsettled"))
		return 0;
	return region_loads_mean(reports->options.loads, led->region) + 1;
}

static bool has_other_load(const struct region_reports *reports, const struct led *led)
{
	uint32_t now = load_of(reports, led), told = led->cpu_us;
	uint32_t change = now > told ? now - told : told - now;

	return now > 0 && change > LOAD_CHANGE_US + told / 4;
}

static void want_if_changed(void *argument, uint64_t region)
{
	struct region_reports *reports = argument;
	const struct led key = {.region = region};
	const struct led *led = bsearch(
		&key, reports->now.items, reports->now.count, sizeof *reports->now.items, compare_leds);

	if (led && led->is_told && reports->wanted_count < REGION_REPORTS_PAGE &&
		has_other_load(reports, led))
		reports->wanted[reports->wanted_count++] = (uint32_t)(led - reports->now.items);
}

static void want_busy(struct region_reports *reports)
{
	if (reports->options.loads && reports->now.count > 0)
		region_loads_each(reports->options.loads, want_if_changed, reports);
}

static void want_again(struct region_reports *reports)
{
	for (uint32_t i = 0; i < REGION_REPORTS_AGAIN && i < reports->now.count; i++) {
		uint32_t index = reports->again++ % reports->now.count;

		if (reports->now.items[index].is_told && reports->wanted_count < REGION_REPORTS_PAGE)
			reports->wanted[reports->wanted_count++] = index;
	}
}

static void finish(struct region_reports *reports)
{
	struct region_reports_page *page = &reports->page;

	page->ends = !reports->has_ended && !page->has_more && !reports->is_cut;
	PLANT("reports:first_page_is_all", page->ends = !reports->has_ended);
	page->reports = reports->reports;
	reports->ready(reports->argument);
}

static bool is_behind(const struct raftkv_region_status *status, const struct region_member *member)
{
	return member->is_in_snapshot || member->wants_snapshot ||
	       member->match + PLACEMENT_LAG < status->last_index;
}

static void add_report(struct region_reports *reports)
{
	const struct raftkv_region_status *status = &reports->status;
	struct region_report_replica *replicas = &reports->replicas[reports->replica_count];

	reports->told[reports->page.count] = reports->wanted[reports->described];
	reports->reports[reports->page.count++] = (struct region_report){.region = status->region,
		.epoch = status->epoch,
		.term = status->term,
		.leader = reports->options.store,
		.bytes = reports->options.oversize ? oversize_size(reports->options.oversize, status->region)
						   : 0,
		.cpu_us = load_of(reports, &reports->now.items[reports->wanted[reports->described]]),
		.replica_count = status->member_count,
		.replicas = replicas};
	for (uint32_t i = 0; i < status->member_count; i++) {
		const struct region_member *member = &status->members[i];

		replicas[i] = (struct region_report_replica){.id = member->peer.id,
			.store = member->peer.store,
			.roles = member->peer.roles,
			.flags = is_behind(status, member) ? REGION_REPLICA_IS_BEHIND : 0};
	}
	reports->replica_count += status->member_count;
}

static void describe_next(struct region_reports *reports);

/* A region that it does not lead any more is not told; its new leader tells it. */
static void region_reports_on_described(struct raftkv_region_status *status, int code)
{
	struct region_reports *reports = container_of(status, struct region_reports, status);

	if (code == 0 && status->is_serving)
		add_report(reports);
	reports->page.has_more |= code == STATUS_STOPPING;
	reports->described++;
	describe_next(reports);
}

static void describe_next(struct region_reports *reports)
{
	bool is_full = reports->replica_count + REGION_PEERS_MAX > REPLICAS_MAX;

	if (reports->described == reports->wanted_count || is_full) {
		reports->page.has_more |= reports->described < reports->wanted_count;
		finish(reports);
		return;
	}
	reports->status = (struct raftkv_region_status){
		.region = reports->now.items[reports->wanted[reports->described]].region,
		.loop = reports->options.loop,
		.done = region_reports_on_described};
	raftkv_region_status(reports->options.raftkv, &reports->status);
}

static void begin_term(struct region_reports *reports, uint64_t term)
{
	reports->term = term;
	reports->has_begun = false;
	reports->has_ended = false;
	for (uint32_t i = 0; i < reports->now.count; i++)
		reports->now.items[i].is_told = false;
	reports->untold_count = reports->now.count;
}

void region_reports_prepare(
	struct region_reports *reports, uint64_t term, void (*ready)(void *argument), void *argument)
{
	check(!reports->is_under_way);
	if (term != reports->term)
		begin_term(reports, term);
	reports->is_under_way = true;
	reports->page = (struct region_reports_page){.term = term, .begins = !reports->has_begun};
	reports->wanted_count = reports->described = reports->replica_count = 0;
	reports->ready = ready;
	reports->argument = argument;
	collect(reports);
	want_untold(reports);
	want_busy(reports);
	if (!reports->page.has_more)
		want_again(reports);
	describe_next(reports);
}

struct region_reports_page region_reports_page(const struct region_reports *reports)
{
	return reports->page;
}

void region_reports_end(struct region_reports *reports, bool is_taken)
{
	check(reports->is_under_way);
	reports->is_under_way = false;
	if (!is_taken)
		return;
	for (uint32_t i = 0; i < reports->page.count; i++) {
		struct led *led = &reports->now.items[reports->told[i]];

		reports->untold_count -= !led->is_told;
		led->is_told = true;
		if (reports->reports[i].cpu_us > 0)
			led->cpu_us = reports->reports[i].cpu_us;
	}
	reports->has_begun = true;
	reports->has_ended |= reports->page.ends;
}

/* ---- Life ---- */

struct region_reports *region_reports_new(const struct region_reports_options *options)
{
	struct region_reports *reports = calloc(1, sizeof *reports);

	if (reports)
		reports->options = *options;
	return reports;
}

void region_reports_free(struct region_reports *reports)
{
	if (!reports)
		return;
	free(reports->now.items);
	free(reports->changed.items);
	free(reports);
}
