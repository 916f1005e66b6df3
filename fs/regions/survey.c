#include "fs/regions/survey.h"

#include <errno.h>
#include <stdlib.h>

#include "fs/regions/inode_counts.h"
#include "fs/schema/op.h"
#include "fs/transact/region_set.h"
#include "proto/container.h"
#include "proto/plant.h"
#include "proto/units.h"

#define PERIOD_NS NS_PER_S /* between two surveys, at least */
#define SHARE	  20u /* a survey is followed by a pause of at least so many times its duration */

/* A region to look at, and what a worker has found in it. */
struct look {
	uint64_t region;
	struct buf *start; /* of its range, while a worker looks; NULL: the first key */
	int status;
	int64_t inodes;
	bool has_garbage, has_nameless;
};

/* The regions of a survey. */
struct found {
	uint32_t count, capacity;
	struct look *looks;
	struct ino_ranges nameless;
};

struct survey {
	struct survey_options options;
	struct env *env;
	struct env_timer timer;
	uint64_t looked; /* raftkv_each_changed_region: what changed before was looked at; 0: nothing was */
	/* Those in which something was found that is to go, or nothing could be read: each survey looks at them. */
	struct region_set again;
	struct inode_counts counts;
	bool is_counted; /* the first survey is over */
	bool is_short; /* there was no memory for all that is to be looked at */
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

/* Of one region. */
struct nameless {
	struct found *found;
	uint64_t count;
};

/* Stops when `found` is full: a later survey takes the rest. A region that was split may have shown what is found in the
 * upper one again. */
static int take_nameless(void *argument, struct slice key, struct slice value)
{
	struct nameless *nameless = argument;
	enum fs_hold_kind kind;
	uint64_t session, ino;
	int status = fs_key_parse_hold(key, &session, &ino, &kind);

	(void)value;
	if (status < 0)
		return status;
	nameless->count++;
	if (ino < ino_ranges_end(&nameless->found->nameless))
		return 0;
	return ino_ranges_add(&nameless->found->nameless, ino) ? 0 : 1;
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

/* Region 1's inodes that have grace are read by the coordinator. */
static void look_at_region(struct survey *survey, struct look *look)
{
	struct found *found = survey->finding;
	struct raftkv_snapshot *snapshot;
	struct view *view;
	int status;

	look->status = raftkv_stale_snapshot(survey->options.raftkv, look->region, &snapshot);
	if (look->status < 0)
		return;
	view = raftkv_snapshot_view(snapshot, true);
	look->status = inode_count_read_from(view, buf_slice(look->start), &look->inodes);
	if (look->region != CLUSTER_REGION) {
		struct nameless nameless = {.found = found};

		status = scan_local(view, fs_key_holds(FS_SESSION_GRACE), take_nameless, &nameless);
		look->has_nameless = nameless.count > 0;
		look->status = status < 0 ? status : look->status;
	}
	status = scan_local(view, fs_key_garbage_all(), take_garbage, NULL);
	look->has_garbage = status > 0;
	look->status = status < 0 ? status : look->status;
	raftkv_snapshot_free(snapshot);
}

static int compare_starts(const void *a, const void *b)
{
	const struct look *one = a, *other = b;

	return slice_compare(buf_slice(one->start), buf_slice(other->start));
}

/* Inodes are found in the order of their numbers, as `nameless` takes them. */
static void sort_by_start(struct survey *survey)
{
	struct found *found = survey->finding;

	for (uint32_t i = 0; i < found->count; i++) {
		struct look *look = &found->looks[i];
		struct region range;

		look->status = raftkv_region_range(survey->options.raftkv, look->region, &range);
		if (look->status < 0)
			continue; /* it has gone to other stores */
		look->start = buf_ref(range.start);
		region_close(&range);
	}
	qsort(found->looks, found->count, sizeof *found->looks, compare_starts);
}

static void survey_on_worker(struct env_work *work)
{
	struct survey *survey = container_of(work, struct survey, work);
	struct found *found = survey->finding;

	sort_by_start(survey);
	for (uint32_t i = 0; i < found->count; i++) {
		struct look *look = &found->looks[i];

		if (look->status == 0)
			look_at_region(survey, look);
		buf_unref(look->start);
		look->start = NULL;
	}
}

/* ---- A survey ---- */

static void survey_on_timer(struct env_timer *timer);

static void survey_rest(struct survey *survey)
{
	uint64_t now = env_now(survey->env), rest = SHARE * (now - survey->begun);

	env_timer_start(&survey->timer, survey->options.loop, now + (rest > PERIOD_NS ? rest : PERIOD_NS),
		survey_on_timer);
}

/* Without memory the next survey looks at all regions. */
static void look_again(struct survey *survey, uint64_t region)
{
	PLANT("sessions:findings_forgotten", return );
	if (region_set_add(&survey->again, region) < 0)
		survey->looked = 0;
}

static void take_look(struct survey *survey, const struct look *look)
{
	const int64_t *inodes = look->status == 0 ? &look->inodes : NULL;

	if (inode_counts_set(&survey->counts, look->region, inodes) < 0)
		survey->looked = 0;
	if (look->status < 0 || look->has_nameless || look->has_garbage)
		look_again(survey, look->region);
	else
		region_set_remove(&survey->again, look->region);
}

/* A survey that finds garbage while some is given back is followed by another one. */
static void begin_reclaiming(struct survey *survey)
{
	const struct found *found = survey->found;
	uint32_t count = 0;

	for (uint32_t i = 0; i < found->count; i++)
		count += found->looks[i].has_garbage;
	if (survey->garbage || count == 0)
		return;
	survey->garbage = malloc(count * sizeof *survey->garbage);
	if (!survey->garbage)
		return;
	for (uint32_t i = 0; i < found->count; i++)
		if (found->looks[i].has_garbage)
			survey->garbage[survey->garbage_count++] = found->looks[i].region;
	reclaim_next(survey);
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
	survey->is_counted = true;
	survey_rest(survey);
	for (uint32_t i = 0; i < found->count; i++)
		take_look(survey, &found->looks[i]);
	survey->finding = survey->found;
	survey->found = found;
	begin_reclaiming(survey);
}

static int make_room(struct found *found)
{
	uint32_t capacity = found->capacity > 0 ? 2 * found->capacity : 16;
	struct look *looks;

	if (found->count < found->capacity)
		return 0;
	looks = realloc(found->looks, capacity * sizeof *looks);
	if (!looks)
		return -ENOMEM;
	found->looks = looks;
	found->capacity = capacity;
	return 0;
}

static void add_look(struct survey *survey, uint64_t region)
{
	struct found *finding = survey->finding;

	if (make_room(finding) == 0)
		finding->looks[finding->count++] = (struct look){.region = region};
	else
		survey->is_short = true;
}

static void take_changed(void *argument, const struct region *region, uint64_t term)
{
	struct survey *survey = argument;

	if (term > 0)
		add_look(survey, region->id);
	else
		inode_counts_remove(&survey->counts, region->id);
	region_set_remove(&survey->again, region->id);
}

static bool take_again(void *argument, uint64_t region)
{
	add_look(argument, region);
	return true;
}

/* Those that have changed, and of the others those that are to be looked at again. */
static void choose_regions(struct survey *survey)
{
	uint64_t looked;

	survey->finding->count = 0;
	survey->is_short = false;
	looked = raftkv_each_changed_region(survey->options.raftkv, survey->looked, take_changed, survey);
	region_set_filter(&survey->again, take_again, survey);
	survey->looked = survey->is_short ? 0 : looked;
}

static void survey_on_timer(struct env_timer *timer)
{
	struct survey *survey = container_of(timer, struct survey, timer);

	survey->begun = env_now(survey->env);
	choose_regions(survey);
	if (survey->finding->count == 0) {
		ino_ranges_clear(&survey->found->nameless); /* where they were is led elsewhere */
		survey->is_counted = true;
		survey_rest(survey);
		return;
	}
	ino_ranges_clear(&survey->finding->nameless);
	survey->is_working = true;
	env_work_submit(survey->options.loop, &survey->work, survey_on_worker, survey_on_looked);
}

void survey_fill(const struct survey *survey, struct store_report *report)
{
	const struct found *found = survey->found;

	report->stats.inodes = survey->counts.sum;
	report->stats.counts_inodes = survey->is_counted && survey->counts.unknown == 0 && survey->looked > 0;
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
	inode_counts_close(&survey->counts);
	region_set_close(&survey->again);
	if (survey->found)
		free(survey->found->looks);
	if (survey->finding)
		free(survey->finding->looks);
	free(survey->found);
	free(survey->finding);
	free(survey);
}
