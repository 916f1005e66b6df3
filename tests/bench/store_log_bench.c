/*
 * What the raft log costs beside the disk it is on: lines of metric<TAB>value<TAB>unit.
 *
 *	store_log_bench [DIRECTORY]     a scratch folder is made there [$TMPDIR or /var/tmp]
 */
#include <ftw.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/env_uv.h"
#include "store/log/raft_log_engine.h"
#include "store/log/raft_rocksdb.h"
#include "proto/container.h"

#define ENTRY_SIZE    256 /* bytes of a small entry */
#define DEPTH_MAX     64
#define RECOVERY_SIZE (1ull << 30)

typedef int (*open_cb)(
	const struct log_engine_options *options, struct log_engine **engine, struct status *status);

static void report(const char *metric, double value, const char *unit)
{
	printf("%s\t%.4g\t%s\n", metric, value, unit);
	fflush(stdout);
}

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

/* ---- The disk --------------------------------------------------------------------------------------------------- */

#define DISK_WRITES 1000
#define DISK_BLOCKS 4096

/* Median ns of a synced overwrite of 4 KiB. */
static double measure_disk(struct env *env, const char *scratch)
{
	static uint64_t times[DISK_WRITES];
	char path[256];
	struct env_file *file;
	void *block = aligned_alloc(ENV_DIRECT_ALIGNMENT, 4096);
	int flags = ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_DSYNC;

	check(block != NULL);
	memset(block, 1, 4096);
	snprintf(path, sizeof(path), "%s/disk", scratch);
	if (env_file_open(env, path, flags | ENV_OPEN_DIRECT, &file) < 0)
		check(env_file_open(env, path, flags, &file) == 0);
	check(env_file_allocate(file, 0, DISK_BLOCKS * 4096) == 0);
	for (uint64_t i = 0; i < DISK_WRITES; i++)
		check(env_file_write(file, i * 4096, block, 4096) == 0);
	for (uint64_t i = 0; i < DISK_WRITES; i++) {
		uint64_t begin = env_now(env);

		check(env_file_write(file, i * 4096, block, 4096) == 0);
		times[i] = env_now(env) - begin;
	}
	env_file_close(file);
	free(block);
	qsort(times, DISK_WRITES, sizeof(times[0]), compare);
	return (double)times[DISK_WRITES / 2];
}

/* ---- Appends ---------------------------------------------------------------------------------------------------- */

struct slot {
	struct log_write write;
	struct raft_entry entry;
	struct appender *appender;
	uint64_t begun; /* ns */
};

/* Keeps `depth` writes on their way, each of one entry of a region of its own, until `total` are done. */
struct appender {
	struct env_mail mail;
	struct env *env;
	struct env_loop *loop;
	struct log_engine *engine;
	struct slot slots[DEPTH_MAX];
	size_t depth;
	uint64_t total;
	uint64_t submitted;
	uint64_t finished;
	uint64_t *times;
};

static void submit(struct slot *slot)
{
	struct appender *appender = slot->appender;

	if (appender->submitted == appender->total)
		return;
	appender->submitted++;
	slot->entry.index++;
	slot->begun = env_now(appender->env);
	appender->engine->ops->write(appender->engine, &slot->write);
}

static void slot_done(struct log_write *write, int status)
{
	struct slot *slot = container_of(write, struct slot, write);
	struct appender *appender = slot->appender;

	check(status == 0);
	appender->times[appender->finished++] = env_now(appender->env) - slot->begun;
	if (appender->finished == appender->total)
		env_loop_stop(appender->loop);
	else
		submit(slot);
}

static void begin(struct env_mail *mail)
{
	struct appender *appender = container_of(mail, struct appender, mail);

	for (size_t i = 0; i < appender->depth; i++)
		submit(&appender->slots[i]);
}

/* Seconds for all. `median` (ns) may be NULL. */
static double append(
	struct env *env, struct log_engine *engine, size_t depth, uint64_t total, size_t size, double *median)
{
	struct appender *appender = calloc(1, sizeof(*appender));
	struct buf *data = buf_new(size);
	uint64_t begun;
	double seconds;

	check(appender && data);
	memset(data->data, 7, size);
	appender->env = env;
	appender->engine = engine;
	appender->depth = depth;
	appender->total = total;
	appender->times = calloc(total, sizeof(uint64_t));
	check(appender->times != NULL);
	check(env_loop_new(env, "bench", &appender->loop) == 0);
	for (size_t i = 0; i < depth; i++) {
		struct slot *slot = &appender->slots[i];

		slot->appender = appender;
		slot->entry = (struct raft_entry){.term = 1, .data = data};
		slot->write = (struct log_write){.region = i + 1, .entry_count = 1, .done = slot_done};
		slot->write.entries = &slot->entry;
		slot->write.loop = appender->loop;
		uint64_t first;

		if (engine->ops->bounds(engine, i + 1, &first, &slot->entry.index) < 0)
			slot->entry.index = 0;
	}
	begun = env_now(env);
	env_post(appender->loop, &appender->mail, begin);
	env_loop_run(appender->loop);
	seconds = (double)(env_now(env) - begun) / 1e9;
	env_loop_free(appender->loop);
	qsort(appender->times, total, sizeof(uint64_t), compare);
	if (median)
		*median = (double)appender->times[total / 2];
	free(appender->times);
	free(appender);
	buf_unref(data);
	return seconds;
}

static struct log_engine *open_engine(struct env *env, open_cb open, const char *path)
{
	struct log_engine_options options = {.env = env, .path = path};
	struct log_engine *engine = NULL;
	struct status status = {0};

	if (open(&options, &engine, &status) < 0)
		fprintf(stderr, "%s\n", status.text);
	check(engine != NULL);
	return engine;
}

static void measure_appends(struct env *env, open_cb open, const char *name, const char *path, double disk)
{
	struct log_engine *engine = open_engine(env, open, path);
	const uint64_t total = 40000;
	char metric[64];
	double median, rate;

	append(env, engine, 1, 200, ENTRY_SIZE, NULL);
	append(env, engine, 1, 2000, ENTRY_SIZE, &median);
	snprintf(metric, sizeof(metric), "%s_append_depth_1_p50", name);
	report(metric, median / 1e3, "us");
	snprintf(metric, sizeof(metric), "%s_append_depth_1_per_disk_write", name);
	report(metric, median / disk, "x");
	rate = (double)total / append(env, engine, DEPTH_MAX, total, ENTRY_SIZE, NULL);
	snprintf(metric, sizeof(metric), "%s_append_depth_64", name);
	report(metric, rate, "entries/s");
	snprintf(metric, sizeof(metric), "%s_append_depth_64_per_disk_write", name);
	report(metric, rate * disk / 1e9, "x");
	engine->ops->close(engine);
}

/* ---- Recovery --------------------------------------------------------------------------------------------------- */

static void measure_recovery(struct env *env, const char *path, size_t size)
{
	struct log_engine *engine = open_engine(env, raft_log_engine_open, path);
	struct log_engine_stats stats;
	char metric[64];
	uint64_t begin;
	double seconds;

	append(env, engine, DEPTH_MAX, RECOVERY_SIZE / size, size, NULL);
	engine->ops->stats(engine, &stats);
	engine->ops->close(engine);
	begin = env_now(env);
	engine = open_engine(env, raft_log_engine_open, path);
	seconds = (double)(env_now(env) - begin) / 1e9;
	snprintf(metric, sizeof(metric), "log_recovery_1GiB_of_%zu_byte_entries", size);
	report(metric, seconds * (double)RECOVERY_SIZE / (double)stats.live_size, "s");
	engine->ops->close(engine);
}

static int remove_one(const char *path, const struct stat *stat, int kind, struct FTW *where)
{
	(void)stat;
	(void)kind;
	(void)where;
	return remove(path);
}

int main(int argc, char **argv)
{
	struct env_uv_options options = {.worker_threads = 1, .io_threads = 1};
	char scratch[128], path[160];
	struct env *env;
	double disk;

	const char *directory = argc > 1 ? argv[1] : getenv("TMPDIR");

	snprintf(scratch, sizeof(scratch), "%s/store_log_bench.XXXXXX", directory ? directory : "/var/tmp");
	check(mkdtemp(scratch) != NULL);
	check(env_uv_new(&options, &env, NULL) == 0);
	disk = measure_disk(env, scratch);
	report("disk_write_4KiB_dsync_p50", disk / 1e3, "us");
	snprintf(path, sizeof(path), "%s/log", scratch);
	measure_appends(env, raft_log_engine_open, "log", path, disk);
	snprintf(path, sizeof(path), "%s/rocksdb", scratch);
	measure_appends(env, raft_rocksdb_open, "log_rocksdb", path, disk);
	snprintf(path, sizeof(path), "%s/recovery", scratch);
	measure_recovery(env, path, 16384);
	env_uv_free(env);
	check(nftw(scratch, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
	return 0;
}
