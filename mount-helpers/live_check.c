#include "mount-helpers/live_check.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/check/gathering.h"
#include "mount-helpers/page_reader.h"
#include "proto/env.h"
#include "store/kv/kv_rocksdb.h"

#define MEMORY_SIZE   (64u << 20) /* bytes of the temporary store's */
#define PAUSE_MS      1000 /* between two readings: an operation is over in that time */
#define PAUSE_STEP_US 100000
#define REST_MAX_US   UINT64_C(100000) /* between two pages */

struct reading {
	const struct live_check_options *options;
	struct page_reader *reader;
	char label[16]; /* of the progress */
	double done;
	char directory[PATH_MAX]; /* of the temporary store; empty: there is none */
	struct kv_engine *kv;
	struct gathering gathering;
	struct check check;
};

/* ---- The temporary store ---- */

static int remove_one(const char *path, const struct stat *stat_, int type, struct FTW *place)
{
	(void)stat_;
	(void)type;
	(void)place;
	return remove(path);
}

static int temporary_failed(const char *directory, int code, struct status *status)
{
	return status_set(status, code,
		"the temporary store in %.180s: %s; TMPDIR says where it is, and there must be room for all "
		"names and inodes",
		directory, status_name(code));
}

static int temporary_make(struct reading *reading, struct status *status)
{
	const char *place = getenv("TMPDIR");
	struct kv_rocksdb_options options = {
		.path = reading->directory, .memory_size = MEMORY_SIZE, .background_threads = 1};
	int size;

	place = place && *place ? place : "/var/tmp";
	size = snprintf(reading->directory, sizeof reading->directory, "%s/fsck.raftkv-XXXXXX", place);
	if ((size_t)size >= sizeof reading->directory || !mkdtemp(reading->directory)) {
		reading->directory[0] = '\0';
		return temporary_failed(place, -errno, status);
	}
	return kv_rocksdb_open(&options, &reading->kv, status);
}

static void temporary_remove(struct reading *reading)
{
	if (reading->kv)
		reading->kv->ops->close(reading->kv);
	reading->kv = NULL;
	if (reading->directory[0] != '\0')
		nftw(reading->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- One reading ---- */

static bool goes_on(void *argument)
{
	const struct reading *reading = argument;

	return reading->options->progress(reading->options->argument, reading->label, reading->done) == 0;
}

static int take_page(struct reading *reading, const struct row_page *page, struct status *status)
{
	int code = gathering_take(&reading->gathering, page);

	if (code == -EAGAIN)
		return status_set(status, code, "region %llu is being split again and again: try it later",
			(unsigned long long)page->region);
	if (code == STATUS_MALFORMED)
		return status_set(
			status, code, "region %llu answers nonsense", (unsigned long long)page->region);
	return code < 0 ? temporary_failed(reading->directory, code, status) : 0;
}

/* As long as the page has taken: so clients have half of the time of a store that is slow, whatever makes it so. */
static void rest_from_page(const struct reading *reading, uint64_t begun)
{
	uint64_t taken_us = (env_now(reading->options->env) - begun) / 1000;

	usleep((useconds_t)(taken_us < REST_MAX_US ? taken_us : REST_MAX_US));
}

static int gather(struct reading *reading, struct status *status)
{
	struct gathering *gathering = &reading->gathering;
	int code = gathering_init(gathering, reading->kv);

	if (code < 0)
		return status_set(status, code, "out of memory");
	while (code == 0 && !gathering->is_complete) {
		uint64_t begun = env_now(reading->options->env);
		struct row_page page;

		reading->done = gathering_done(gathering);
		if (!goes_on(reading))
			return status_set(status, -ECANCELED, "cancelled");
		code = page_reader_ask(
			reading->reader, &gathering->key, buf_slice(gathering->cursor), &page, status);
		if (code == 0)
			code = take_page(reading, &page, status);
		rest_from_page(reading, begun);
	}
	return code;
}

static int run_passes(struct reading *reading, struct live_check *live, struct status *status)
{
	const struct check_options options = {.is_live = true,
		.progress = reading->options->progress,
		.argument = reading->options->argument};
	int code = check_run(&reading->check, &reading->gathering.inspect, &options);

	live->counts = reading->check.counts;
	live->regions = reading->gathering.inspect.region_count;
	live->total = reading->check.report.total;
	if (code == 0)
		code = suspects_take(&live->suspects, &reading->check);
	if (code < 0)
		status_set(status, code, code == -ECANCELED ? "cancelled" : "the check ends early: %s",
			status_name(code));
	return code;
}

static int read_all(struct reading *reading, struct live_check *live, struct status *status)
{
	int code;

	reading->gathering = (struct gathering){0};
	reading->check = (struct check){0};
	code = temporary_make(reading, status);
	snprintf(reading->label, sizeof reading->label, "reading %u", live->suspects.readings + 1);
	if (code == 0)
		code = gather(reading, status);
	if (code == 0)
		code = run_passes(reading, live, status);
	check_close(&reading->check);
	gathering_close(&reading->gathering);
	temporary_remove(reading);
	return code;
}

/* ---- All of them ---- */

static bool rest(struct reading *reading)
{
	for (int passed = 0; passed < PAUSE_MS * 1000; passed += PAUSE_STEP_US) {
		if (!goes_on(reading))
			return false;
		usleep(PAUSE_STEP_US);
	}
	return true;
}

int live_check_run(struct live_check *live, const struct live_check_options *options, struct status *status)
{
	struct reading reading = {.options = options};
	const struct page_reader_options reader = {.env = options->env,
		.logger = options->logger,
		.stores = options->stores,
		.goes_on = goes_on,
		.argument = &reading};
	int code;

	*live = (struct live_check){0};
	code = page_reader_open(&reader, &reading.reader, status);
	while (code == 0 && live->suspects.readings < options->readings) {
		if (live->suspects.readings > 0 && !rest(&reading))
			code = status_set(status, -ECANCELED, "cancelled");
		if (code == 0)
			code = read_all(&reading, live, status);
		if (code == 0 && live->suspects.count == 0)
			break;
	}
	if (live->suspects.readings != 1)
		live->total = live->suspects.count;
	page_reader_close(reading.reader);
	return code;
}

void live_check_close(struct live_check *live)
{
	suspects_close(&live->suspects);
}
