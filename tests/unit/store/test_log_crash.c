/*
 * The segment engine against its model, on a simulated disk that loses power at any moment, fails, and fills up.
 *
 *	test_log_crash [--seed N] [--seeds N]
 *
 * A seed is a few lives of one log. In each life random writes of a few regions are submitted, several at a time, logs
 * are released and reclaimed, and the power fails somewhere in the middle. The next life must find, for each region,
 * the state after some prefix of its writes that holds every acknowledged one. RAFTKV_PLANTED chooses a planted bug.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/plant.h"
#include "store/log/raft_log_engine.h"
#include "tests/lib/sim_env.h"
#include "tests/lib/test.h"

#define REGIONS	     4
#define SPAN_MAX     96 /* entries between a base and the last */
#define VERSIONS_MAX 24
#define WRITE_MAX    4 /* entries of a write */
#define LIVES	     4
#define SEEDS	     1200

/* ---- The model -------------------------------------------------------------------------------------------------- */

struct model_entry {
	uint64_t term;
	uint32_t tag; /* what its data is made from */
	uint32_t size;
};

/* A region after some write. */
struct version {
	bool exists;
	uint64_t base;
	uint64_t base_term;
	uint64_t released; /* ≥ base */
	uint64_t last;
	uint64_t epoch; /* counts resets and destroys */
	struct model_entry entries[SPAN_MAX]; /* of index base + 1 … last */
	struct raft_hard_state hard_state;
	uint32_t mark; /* 0: none */
};

struct region {
	uint64_t id;
	/* The first is the last acknowledged one, then one for each write on its way. */
	struct version *versions;
	size_t count;
	uint64_t pending_first; /* the lowest index that a write on its way replaces */
};

struct test {
	uint64_t seed;
	struct sim_world *world;
	struct sim_node *node;
	struct env *env;
	struct env_loop *loop;
	struct log_engine *engine;
	struct region regions[REGIONS];
	struct log_reclaim reclaim;
	bool is_reclaiming;
	uint32_t tags;
	uint64_t pending; /* writes on their way */
	bool has_failed; /* the engine said so */
	bool is_full; /* the disk may be */
	uint64_t acknowledged;
	uint64_t refused;
};

static struct {
	uint64_t lives, acknowledged, refused, failed;
} totals;

_Noreturn static void fail_seed(const struct test *test, const char *what, uint64_t region)
{
	fprintf(stderr, "seed %llu: region %llu: %s\n", (unsigned long long)test->seed,
		(unsigned long long)region, what);
	exit(1);
}

static uint64_t draw(struct test *test, uint64_t below)
{
	return sim_random(test->world, below);
}

static struct model_entry *model_entry(struct version *version, uint64_t index)
{
	check(index > version->base && index <= version->last && index - version->base <= SPAN_MAX);
	return &version->entries[index - version->base - 1];
}

static struct buf *data_of(const struct model_entry *entry)
{
	struct buf *data;

	if (entry->size == 0)
		return NULL;
	data = buf_new(entry->size);
	check(data != NULL);
	memset(data->data, (int)(entry->tag & 0xff), entry->size);
	if (entry->size >= sizeof(entry->tag))
		memcpy(data->data, &entry->tag, sizeof(entry->tag));
	return data;
}

/* ---- Writes ----------------------------------------------------------------------------------------------------- */

struct request {
	struct log_write write;
	struct test *test;
	struct region *region;
	struct raft_entry entries[WRITE_MAX];
	struct raft_hard_state hard_state;
	struct log_mark mark;
	uint32_t mark_value;
};

static void request_done(struct log_write *write, int status)
{
	struct request *request = container_of(write, struct request, write);
	struct test *test = request->test;
	struct region *region = request->region;

	test->pending--;
	if (status == 0) {
		check(region->count > 1);
		memmove(region->versions, region->versions + 1, --region->count * sizeof(*region->versions));
		test->acknowledged++;
	} else if (status == -ENOSPC && test->is_full) {
		/* On a disk that may be full one write of a region is on its way at a time. */
		check(region->count == 2);
		region->count = 1;
		test->refused++;
	} else if (!test->has_failed) {
		fail_seed(test, status_name(status), region->id);
	}
	if (region->count == 1)
		region->pending_first = UINT64_MAX;
	for (size_t i = 0; i < write->entry_count; i++)
		buf_unref(request->entries[i].data);
	free(request);
}

static void add_entries(struct test *test, struct request *request, struct version *version, uint64_t first)
{
	uint64_t count = 1 + draw(test, WRITE_MAX);
	uint64_t term = version->hard_state.term + 1;

	version->last = first - 1;
	for (uint64_t i = 0; i < count && version->last - version->base < SPAN_MAX; i++) {
		struct raft_entry *entry = &request->entries[request->write.entry_count++];
		struct model_entry *model;

		version->last++;
		model = model_entry(version, version->last);
		*model = (struct model_entry){.term = term, .tag = ++test->tags};
		model->size = draw(test, 4) == 0 ? 0 : (uint32_t)draw(test, draw(test, 8) == 0 ? 6000 : 300);
		*entry = (struct raft_entry){.index = version->last, .term = term, .data = data_of(model)};
	}
	if (first < request->region->pending_first)
		request->region->pending_first = first;
	version->exists = true;
}

static void add_hard_state(struct test *test, struct request *request, struct version *version)
{
	version->hard_state.term += draw(test, 2);
	version->hard_state.vote = 1 + draw(test, 3);
	version->hard_state.commit = version->last;
	version->exists = true;
	request->hard_state = version->hard_state;
	request->write.hard_state = &request->hard_state;
}

static void add_mark(struct test *test, struct request *request, struct version *version)
{
	version->mark = draw(test, 3) == 0 ? 0 : ++test->tags;
	version->exists = version->mark > 0 || version->last > 0 || version->hard_state.term > 0 ||
			  version->hard_state.vote > 0;
	request->mark_value = version->mark;
	request->mark.name = "mark";
	request->mark.value = slice_of(&request->mark_value, version->mark > 0 ? 4 : 0);
	request->write.marks = &request->mark;
	request->write.mark_count = 1;
}

static void add_reset(struct test *test, struct request *request, struct version *version)
{
	version->base = version->released = version->last = version->last + 1 + draw(test, 5);
	version->base_term = version->hard_state.term + 1;
	version->epoch++;
	version->exists = true;
	request->write.reset_index = version->base;
	request->write.reset_term = version->base_term;
}

static void add_destroy(struct request *request, struct version *version)
{
	*version = (struct version){.epoch = version->epoch + 1};
	request->write.destroy = true;
}

static void submit_write(struct test *test, struct region *region)
{
	struct version *version = &region->versions[region->count];
	struct request *request;
	uint64_t kind = draw(test, 100);

	if (region->count == VERSIONS_MAX || (test->is_full && region->count > 1))
		return;
	request = calloc(1, sizeof(*request));
	check(request != NULL);
	request->test = test;
	request->region = region;
	request->write = (struct log_write){.region = region->id, .loop = test->loop, .done = request_done};
	request->write.entries = request->entries;
	*version = region->versions[region->count - 1];
	if (kind < 4)
		add_destroy(request, version);
	if (version->last - version->base >= SPAN_MAX || (kind >= 4 && kind < 7) || kind == 0)
		add_reset(test, request, version);
	if (kind >= 7 && kind < 20 && version->last > version->released)
		add_entries(test, request, version,
			version->released + 1 + draw(test, version->last - version->released));
	else if (kind >= 20 && kind < 80)
		add_entries(test, request, version, version->last + 1);
	if (draw(test, 3) == 0)
		add_hard_state(test, request, version);
	if (draw(test, 8) == 0)
		add_mark(test, request, version);
	region->count++;
	test->pending++;
	test->engine->ops->write(test->engine, &request->write);
}

static void release(struct test *test, struct region *region)
{
	struct version *durable = &region->versions[0];
	uint64_t limit =
		durable->last < region->pending_first - 1 ? durable->last : region->pending_first - 1;
	uint64_t to;

	if (limit <= durable->released || region->versions[region->count - 1].epoch != durable->epoch)
		return;
	to = durable->released + 1 + draw(test, limit - durable->released);
	if (test->engine->ops->release(test->engine, region->id, to) < 0)
		fail_seed(test, "a release is refused", region->id);
	for (size_t i = 0; i < region->count; i++)
		region->versions[i].released = to;
}

static void reclaim_done(struct log_reclaim *reclaim, int status)
{
	struct test *test = container_of(reclaim, struct test, reclaim);

	test->is_reclaiming = false;
	if (status < 0 && !test->has_failed && !(test->is_full && status == -ENOSPC))
		fail_seed(test, status_name(status), 0);
}

static void start_reclaim(struct test *test)
{
	if (test->is_reclaiming)
		return;
	test->is_reclaiming = true;
	test->reclaim = (struct log_reclaim){.loop = test->loop, .done = reclaim_done};
	test->engine->ops->reclaim(test->engine, &test->reclaim);
}

/* ---- Comparing -------------------------------------------------------------------------------------------------- */

/* The region as the engine has it. */
struct found {
	bool exists;
	uint64_t first;
	uint64_t last;
	uint64_t base_term;
	struct raft_hard_state hard_state;
	struct raft_entries entries;
	uint32_t mark;
};

static void look(struct test *test, uint64_t id, struct found *found)
{
	const struct log_engine_ops *ops = test->engine->ops;
	int status = ops->bounds(test->engine, id, &found->first, &found->last);
	struct buf *mark = NULL;

	if (status == STATUS_NOT_FOUND)
		return;
	found->exists = true;
	if (status == 0)
		status = ops->hard_state(test->engine, id, &found->hard_state);
	if (status == 0)
		status = ops->term(test->engine, id, found->first - 1, &found->base_term);
	if (status == 0)
		status = ops->entries(test->engine, id, found->first, found->last + 1, RAFT_NO_LIMIT, false,
			&found->entries);
	if (status == 0 && found->entries.count != found->last + 1 - found->first)
		fail_seed(test, "entries are missing in a read", id);
	if (status == 0)
		status = ops->mark(test->engine, id, "mark", &mark);
	if (mark && mark->size == sizeof(found->mark))
		memcpy(&found->mark, mark->data, sizeof(found->mark));
	buf_unref(mark);
	if (status < 0 && status != STATUS_NOT_FOUND)
		fail_seed(test, status_name(status), id);
}

static bool entry_matches(struct version *version, const struct raft_entry *entry)
{
	const struct model_entry *model = model_entry(version, entry->index);
	struct buf *data = data_of(model);
	bool matches =
		entry->term == model->term && slice_compare(buf_slice(entry->data), buf_slice(data)) == 0;

	buf_unref(data);
	return matches;
}

static bool version_matches(struct version *version, const struct found *found)
{
	if (!version->exists || !found->exists)
		return version->exists == found->exists;
	if (found->last != version->last || found->mark != version->mark ||
		memcmp(&found->hard_state, &version->hard_state, sizeof(found->hard_state)) != 0)
		return false;
	if (found->first <= version->base || found->first > version->released + 1)
		return false;
	if (found->base_term != (found->first - 1 == version->base
						? version->base_term
						: model_entry(version, found->first - 1)->term))
		return false;
	for (size_t i = 0; i < found->entries.count; i++)
		if (!entry_matches(version, &found->entries.items[i]))
			return false;
	return true;
}

/* What is found after a crash is one of the versions, and the model goes on from it. */
static void compare_region(struct test *test, struct region *region)
{
	struct found found = {0};
	size_t i = 0;

	look(test, region->id, &found);
	while (i < region->count && !version_matches(&region->versions[i], &found))
		i++;
	if (i == region->count)
		fail_seed(test, "the log is at no version between acknowledged and submitted", region->id);
	region->versions[0] = region->versions[i];
	if (found.exists)
		region->versions[0].released = found.first - 1;
	region->count = 1;
	region->pending_first = UINT64_MAX;
	raft_entries_close(&found.entries);
}

/* Without a crash, releases count at once. */
static void compare_live(struct test *test)
{
	for (size_t i = 0; i < REGIONS; i++) {
		struct found found = {0};

		look(test, test->regions[i].id, &found);
		if (!version_matches(&test->regions[i].versions[0], &found) ||
			(found.exists && found.first != test->regions[i].versions[0].released + 1))
			fail_seed(test, "the log is not as it was acknowledged", test->regions[i].id);
		raft_entries_close(&found.entries);
	}
}

/* ---- Lives ------------------------------------------------------------------------------------------------------ */

static void on_failure(void *argument, int status, const char *sentence)
{
	struct test *test = argument;

	(void)status;
	(void)sentence;
	test->has_failed = true;
}

/* Opens and compares; false: the power failed meanwhile, which it does after so many disk operations. */
static bool has_bad_disk(const struct test *test)
{
	return sim_node_faults(test->node)->write_error_ppm > 0;
}

static bool begin_life(struct test *test, uint64_t operations)
{
	struct log_engine_options options = {
		.path = "/log",
		.segment_size = 32 << 10,
		.cache_size = 8 << 10,
		.batch_size_max = 16 << 10,
		.failed = on_failure,
		.argument = test,
	};
	struct status status = {0};
	int code;

	test->env = options.env = sim_node_start(test->node);
	sim_node_crash_after(test->node, operations);
	test->pending = 0;
	test->is_reclaiming = test->has_failed = false;
	check(env_loop_new(test->env, "store", &test->loop) == 0 && env_loop_start(test->loop) == 0);
	code = raft_log_engine_open(&options, &test->engine, &status);
	if (!sim_node_is_up(test->node))
		return false;
	/* A disk that fails or has no room may deny the first segment or the last repair, not what is there. */
	if ((code == -EIO && has_bad_disk(test)) ||
		(code == -ENOSPC && test->is_full && test->acknowledged == 0))
		return false;
	if (code < 0)
		fail_seed(test, status.text, 0);
	for (size_t i = 0; i < REGIONS; i++)
		compare_region(test, &test->regions[i]);
	return sim_node_is_up(test->node);
}

static bool nothing_pends(void *argument)
{
	const struct test *test = argument;

	return !sim_node_is_up(test->node) || (test->pending == 0 && !test->is_reclaiming);
}

static void act(struct test *test)
{
	uint64_t action = draw(test, 100);
	struct region *region = &test->regions[draw(test, REGIONS)];

	if (action < 80)
		submit_write(test, region);
	else if (action < 90)
		release(test, region);
	else if (action < 95)
		start_reclaim(test);
	else
		sim_run(test->world, draw(test, 20 * SIM_MS), nothing_pends, test);
	for (uint64_t steps = draw(test, 12); steps > 0 && sim_node_is_up(test->node); steps--)
		sim_step(test->world);
}

static void set_faults(struct test *test)
{
	struct sim_disk_faults *faults = sim_node_faults(test->node);
	uint64_t kind = draw(test, 8);

	if (has_bad_disk(test) && draw(test, 2) == 0)
		return; /* it stays bad over the restart */
	*faults = (struct sim_disk_faults){0};
	test->is_full = kind == 0;
	if (kind == 0)
		faults->capacity = (3 + draw(test, 5)) * (33 << 10) + (64 << 10);
	else if (kind <= 2)
		faults->write_error_ppm = 10000;
	if (kind == 2)
		faults->sync_error_ppm = 500000;
}

static void live(struct test *test)
{
	totals.lives++;
	set_faults(test);
	if (begin_life(test, draw(test, 250))) {
		for (uint64_t i = draw(test, 300); i > 0 && sim_node_is_up(test->node); i--)
			act(test);
		if (sim_node_is_up(test->node) && draw(test, 2) == 0) {
			sim_run(test->world, 10 * (uint64_t)SIM_S, nothing_pends, test);
			if (sim_node_is_up(test->node) && (test->pending > 0 || test->is_reclaiming))
				fail_seed(test, "a write or a reclaim never ends", 0);
			if (sim_node_is_up(test->node) && !test->has_failed)
				compare_live(test);
			if (sim_node_is_up(test->node))
				test->engine->ops->close(test->engine);
		}
	}
	totals.failed += test->has_failed;
	if (draw(test, test->has_failed || has_bad_disk(test) ? 2 : 4) == 0 && sim_node_is_up(test->node))
		sim_node_kill(test->node);
	else
		sim_node_crash(test->node);
}

static void run_seed(uint64_t seed)
{
	struct test test = {.seed = seed, .world = sim_world_new(seed)};

	test.node = sim_node_new(test.world, "store");
	for (size_t i = 0; i < REGIONS; i++) {
		test.regions[i] = (struct region){.id = i, .count = 1, .pending_first = UINT64_MAX};
		test.regions[i].versions = calloc(VERSIONS_MAX + 1, sizeof(struct version));
		check(test.regions[i].versions != NULL);
	}
	for (int i = 0; i < LIVES; i++)
		live(&test);
	*sim_node_faults(test.node) = (struct sim_disk_faults){0};
	if (!begin_life(&test, UINT32_MAX))
		fail_seed(&test, "the last life did not begin", 0);
	test.engine->ops->close(test.engine);
	totals.acknowledged += test.acknowledged;
	totals.refused += test.refused;
	for (size_t i = 0; i < REGIONS; i++)
		free(test.regions[i].versions);
	sim_world_free(test.world);
}

int main(int argc, char **argv)
{
	uint64_t first = 1, count = SEEDS;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--seed") == 0) {
			first = strtoull(argv[i + 1], NULL, 0);
			count = 1;
		} else if (strcmp(argv[i], "--seeds") == 0) {
			count = strtoull(argv[i + 1], NULL, 0);
		}
	}
#ifdef RAFTKV_PLANT
	plant_choose(getenv("RAFTKV_PLANTED"));
#endif
	for (uint64_t seed = first; seed < first + count; seed++)
		run_seed(seed);
	printf("%llu seeds, %llu lives: %llu writes acknowledged, %llu refused; %llu engines failed\n",
		(unsigned long long)count, (unsigned long long)totals.lives,
		(unsigned long long)totals.acknowledged, (unsigned long long)totals.refused,
		(unsigned long long)totals.failed);
	return 0;
}
