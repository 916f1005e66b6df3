#include "fs/regions/survey.h"

#include <errno.h>
#include <stdlib.h>

#include "fs/schema/op.h"
#include "proto/container.h"
#include "proto/units.h"

#define PERIOD_NS NS_PER_S /* between two surveys, at least */
#define SHARE	  20u /* a survey is followed by a pause of at least so many times its duration */

/* The regions to look at, and what a worker has found in them. */
struct found {
	uint32_t count, capacity;
	uint64_t *regions; /* led here, in the order of their ranges; those without garbage are dropped */
	bool is_short; /* there was no memory for all */
	int64_t inodes;
	bool counts_inodes;
	struct ino_ranges nameless;
};

struct survey {
	struct survey_options options;
	struct env *env;
	struct env_timer timer;
	/* When the last survey began, and the one before: raftkv_stats.writes. A change counts before it is applied, so
	 * that one survey more is made after the last. */
	uint64_t writes[2];
	uint64_t leads; /* of the last survey (sign_of_leader) */
	uint64_t begun; /* env_now */
	struct found *found, *finding; /* the last survey's; the one that a worker fills */
	struct env_work work;
	bool is_working;
	/* Giving garbage back: */
	uint64_t *garbage; /* regions; the survey's until the last is done */
	uint32_t garbage_count; /* that are left: the last of them is the next */
	struct raftkv_write write;
	bool is_writing;
	bool is_stopping;
	void (*stopped)(void *argument);
	void *stopped_argument;
};

static void survey_end(struct survey *survey)
{
	if (survey->is_stopping && !survey->is_working && !survey->is_writing)
		survey->stopped(survey->stopped_argument);
}

/* ---- Garbage ---- */

static void reclaim_next(struct survey *survey);

/* A region that does not do it is looked at again by the next survey. */
static void survey_on_reclaimed(struct raftkv_write *write, int status, struct buf *bytes)
{
	struct survey *survey = container_of(write, struct survey, write);
	struct op_reply reply = {0};

	buf_unref(write->body);
	survey->is_writing = false;
	if (status == 0)
		status = op_reply_decode(buf_slice(bytes), &reply);
	if (status < 0 || !reply.more)
		survey->garbage_count--;
	if (survey->is_stopping)
		survey_end(survey);
	else
		reclaim_next(survey);
}

static void reclaim_next(struct survey *survey)
{
	const struct op op = {.kind = OP_RECLAIM};
	struct buf *body;

	if (survey->garbage_count == 0 || op_encode(&op, &body) < 0) {
		survey->garbage_count = 0;
		free(survey->garbage);
		survey->garbage = NULL;
		return;
	}
	survey->write = (struct raftkv_write){.region = survey->garbage[survey->garbage_count - 1],
		.body = body,
		.loop = survey->options.loop,
		.done = survey_on_reclaimed};
	survey->is_writing = true;
	raftkv_async_write(survey->options.raftkv, &survey->write);
}

/* ---- On a worker ---- */

/* Stops when `nameless` is full: a later survey takes the rest. */
static int take_nameless(void *argument, struct slice key, struct slice value)
{
	struct found *found = argument;
	enum fs_hold_kind kind;
	uint64_t session, ino;
	int status = fs_key_parse_hold(key, &session, &ino, &kind);

	(void)value;
	if (status < 0)
		return status;
	return ino_ranges_add(&found->nameless, ino) ? 0 : 1;
}

static int take_garbage(void *argument, struct slice key, struct slice value)
{
	(void)argument, (void)key, (void)value;
	return 1;
}

static int scan_local(struct view *view, struct fs_key low, view_row_cb each, void *argument)
{
	struct fs_key high = fs_key_after(&low);

	return view_scan(view, KEY_LOCAL, fs_key_slice(&low), fs_key_slice(&high), each, argument);
}

static void count_inodes(struct survey *survey, uint64_t region, struct view *view)
{
	struct found *found = survey->finding;
	struct region range;
	int64_t inodes = 0;
	int status = raftkv_region_range(survey->options.raftkv, region, &range);

	if (status == 0) {
		status = inode_count_read_from(view, buf_slice(range.start), &inodes);
		region_close(&range);
	}
	if (status == 0)
		found->inodes += inodes;
	else
		found->counts_inodes = false;
}

/* Region 1's inodes that have grace are read by the coordinator. */
static bool look_at_region(struct survey *survey, uint64_t region, struct view *view)
{
	struct found *found = survey->finding;

	count_inodes(survey, region, view);
	if (region != CLUSTER_REGION)
		scan_local(view, fs_key_holds(FS_SESSION_GRACE), take_nameless, found);
	return scan_local(view, fs_key_garbage_all(), take_garbage, NULL) > 0;
}

static void survey_on_worker(struct env_work *work)
{
	struct survey *survey = container_of(work, struct survey, work);
	struct found *found = survey->finding;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < found->count; i++) {
		uint64_t region = found->regions[i];
		struct raftkv_snapshot *snapshot;

		if (raftkv_stale_snapshot(survey->options.raftkv, region, &snapshot) < 0)
			continue; /* it has gone to other stores */
		if (look_at_region(survey, region, raftkv_snapshot_view(snapshot, true)))
			found->regions[kept++] = region;
		raftkv_snapshot_free(snapshot);
	}
	found->count = kept;
}

/* ---- A survey ---- */

static void survey_on_timer(struct env_timer *timer);

static void survey_rest(struct survey *survey)
{
	uint64_t now = env_now(survey->env), rest = SHARE * (now - survey->begun);

	env_timer_start(&survey->timer, survey->options.loop, now + (rest > PERIOD_NS ? rest : PERIOD_NS),
		survey_on_timer);
}

static void survey_on_looked(struct env_work *work)
{
	struct survey *survey = container_of(work, struct survey, work);
	struct found *found = survey->finding;

	survey->is_working = false;
	if (survey->is_stopping) {
		survey_end(survey);
		return;
	}
	survey_rest(survey);
	survey->finding = survey->found;
	survey->found = found;
	if (survey->garbage || found->count == 0)
		return;
	survey->garbage = found->regions;
	survey->garbage_count = found->count;
	found->regions = NULL;
	found->count = found->capacity = 0;
	reclaim_next(survey);
}

/* A number that is another one when this store leads other regions, or in other terms. */
static uint64_t sign_of_leader(uint64_t region, uint64_t term)
{
	return (region * UINT64_C(0x9e3779b97f4a7c15)) ^ (term * UINT64_C(0xc2b2ae3d27d4eb4f));
}

struct leads {
	struct found *found;
	uint64_t sign;
};

static bool make_room(struct found *found)
{
	uint32_t capacity = found->capacity > 0 ? 2 * found->capacity : 16;
	uint64_t *regions;

	if (found->count < found->capacity)
		return true;
	regions = realloc(found->regions, capacity * sizeof *regions);
	if (!regions)
		return false;
	found->regions = regions;
	found->capacity = capacity;
	return true;
}

static void take_region(void *argument, const struct region *region, uint64_t term)
{
	struct leads *leads = argument;
	struct found *found = leads->found;

	if (term == 0)
		return;
	leads->sign += sign_of_leader(region->id, term);
	if (make_room(found))
		found->regions[found->count++] = region->id;
	else
		found->is_short = true;
}

/* Notes the writes and leaders. False: there is nothing new. */
static bool is_due(struct survey *survey, uint64_t leads)
{
	struct raftkv_stats stats;
	bool is_new;

	raftkv_stats(survey->options.raftkv, &stats);
	is_new = leads != survey->leads || stats.writes != survey->writes[0] ||
		 survey->writes[0] != survey->writes[1];
	survey->leads = leads;
	survey->writes[1] = survey->writes[0];
	survey->writes[0] = stats.writes;
	return is_new;
}

static void survey_on_timer(struct env_timer *timer)
{
	struct survey *survey = container_of(timer, struct survey, timer);
	struct leads leads = {.found = survey->finding};

	survey->begun = env_now(survey->env);
	survey->finding->count = 0;
	survey->finding->is_short = false;
	raftkv_each_region_from(survey->options.raftkv, (struct slice){0}, UINT32_MAX, take_region, &leads);
	if (!is_due(survey, leads.sign)) {
		survey_rest(survey);
		return;
	}
	survey->finding->inodes = 0;
	survey->finding->counts_inodes = !survey->finding->is_short;
	ino_ranges_clear(&survey->finding->nameless);
	survey->is_working = true;
	env_work_submit(survey->options.loop, &survey->work, survey_on_worker, survey_on_looked);
}

void survey_fill(const struct survey *survey, struct store_report *report)
{
	const struct found *found = survey->found;

	report->stats.inodes = found->inodes;
	report->stats.counts_inodes = found->counts_inodes;
	report->nameless = found->nameless.count > 0 ? &found->nameless : NULL;
}

/* ---- Life ---- */

struct survey *survey_new(const struct survey_options *options)
{
	struct survey *survey = calloc(1, sizeof *survey);

	if (!survey)
		return NULL;
	survey->options = *options;
	survey->env = env_loop_env(options->loop);
	survey->found = calloc(1, sizeof *survey->found);
	survey->finding = calloc(1, sizeof *survey->finding);
	if (!survey->found || !survey->finding) {
		survey_free(survey);
		return NULL;
	}
	return survey;
}

void survey_start(struct survey *survey)
{
	survey->writes[0] = UINT64_MAX;
	survey_on_timer(&survey->timer);
}

void survey_stop(struct survey *survey, void (*stopped)(void *argument), void *argument)
{
	survey->is_stopping = true;
	survey->stopped = stopped;
	survey->stopped_argument = argument;
	env_timer_stop(&survey->timer);
	survey_end(survey);
}

void survey_free(struct survey *survey)
{
	if (!survey)
		return;
	free(survey->garbage);
	if (survey->found)
		free(survey->found->regions);
	if (survey->finding)
		free(survey->finding->regions);
	free(survey->found);
	free(survey->finding);
	free(survey);
}
