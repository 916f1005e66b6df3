/*
 * command_top.c: raftkv top: the rates of a mount between two samples of its stats. (Of a cluster: cluster_top.c.)
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mount-helpers/cluster_view.h"
#include "mount-helpers/command.h"
#include "proto/histogram.h"

#define DURATION_COUNT_MAX 80
#define NAME_SIZE	   32
#define CLEAR_SCREEN	   "\033[H\033[J"

static const char OPERATION[] = "operation", STAGE[] = "stage";

/* The times of one operation of the kernel, or of one stage of a change. */
struct duration {
	const char *kind; /* OPERATION or STAGE */
	char name[NAME_SIZE];
	struct histogram_sums sums;
};

struct mount_sample {
	struct target target;
	struct timespec time;
	size_t duration_count;
	struct duration durations[DURATION_COUNT_MAX];
};

/* ---- Reading ---- */

static const char *kind_of(const struct statistic *stat)
{
	return strcmp(stat->name, OPERATION) == 0 ? OPERATION : strcmp(stat->name, STAGE) == 0 ? STAGE : NULL;
}

/* A line of the control socket: the name, the nanoseconds of all calls, and a count for each bucket. */
static bool parse(const struct statistic *stat, struct duration *duration)
{
	const char *text = stat->value;
	int used;
	char *at;

	*duration = (struct duration){.kind = kind_of(stat)};
	if (!duration->kind)
		return false;
	if (sscanf(text, "%31s %" SCNu64 "%n", duration->name, &duration->sums.total_ns, &used) != 2)
		return false;
	at = (char *)text + used;
	for (unsigned i = 0; i < HISTOGRAM_BUCKET_COUNT; i++) {
		duration->sums.counts[i] = strtoull(at, &at, 10);
		duration->sums.count += duration->sums.counts[i];
	}
	return true;
}

static int take_sample(struct mount_sample *sample, const char *path, struct status *status)
{
	int code;

	sample->duration_count = 0;
	code = target_open(&sample->target, path, status);
	if (code == 0 && !target_is_mounted(&sample->target))
		code = status_set(status, -ENODEV, "%.200s is not mounted: nothing happens there",
			sample->target.store);
	if (code == 0)
		code = target_load(&sample->target, status);
	clock_gettime(CLOCK_MONOTONIC, &sample->time);
	for (size_t i = 0; code == 0 && i < sample->target.count; i++)
		if (sample->duration_count < DURATION_COUNT_MAX &&
			parse(&sample->target.stats[i], &sample->durations[sample->duration_count]))
			sample->duration_count++;
	return code;
}

/* ---- Between two samples ---- */

static double seconds_between(const struct mount_sample *before, const struct mount_sample *now)
{
	return (double)(now->time.tv_sec - before->time.tv_sec) +
	       (double)(now->time.tv_nsec - before->time.tv_nsec) / 1e9;
}

static double rate(const struct mount_sample *before, const struct mount_sample *now, const char *name)
{
	uint64_t old = target_number(&before->target, name), new = target_number(&now->target, name);

	return new < old ? 0 : (double)(new - old) / seconds_between(before, now);
}

/* The times since `before`. If the counts are lower now, the mount is another one, and all its times count. */
static struct duration since(const struct mount_sample *before, const struct duration *now)
{
	struct duration difference = *now;

	for (size_t i = 0; i < before->duration_count; i++) {
		const struct duration *old = &before->durations[i];

		if (old->kind != now->kind || strcmp(old->name, now->name) != 0 ||
			old->sums.count > now->sums.count)
			continue;
		difference.sums.count -= old->sums.count;
		difference.sums.total_ns -= old->sums.total_ns;
		for (unsigned k = 0; k < HISTOGRAM_BUCKET_COUNT; k++)
			difference.sums.counts[k] -= old->sums.counts[k];
	}
	return difference;
}

static double mean_us(const struct histogram_sums *sums)
{
	return (double)sums->total_ns / 1e3 / (double)sums->count;
}

static double quantile_us(const struct histogram_sums *sums)
{
	uint64_t bound = histogram_quantile_ns(sums, 990);

	return (double)(bound < UINT64_MAX ? bound : histogram_bound_ns(HISTOGRAM_BUCKET_COUNT - 1)) / 1e3;
}

/* ---- Showing ---- */

static void print_durations(
	const struct mount_sample *before, const struct mount_sample *now, const char *kind)
{
	printf("\n%-16s %12s %12s %14s\n", kind, "per second", "mean us", "99 % below us");
	for (size_t i = 0; i < now->duration_count; i++) {
		struct duration duration = since(before, &now->durations[i]);

		if (duration.kind == kind && duration.sums.count > 0)
			printf("%-16s %12.1f %12.1f %14.0f\n", duration.name,
				(double)duration.sums.count / seconds_between(before, now),
				mean_us(&duration.sums), quantile_us(&duration.sums));
	}
}

static void print_sample(const struct mount_sample *before, const struct mount_sample *now)
{
	const struct target *target = &now->target;

	printf("%s on %s, process %s\n", target->store, target->mount_point,
		target_find(target, "process_id"));
	printf("changes %.1f/s, held back %.1f/s; snapshots %.1f/s under the lease, %.1f/s by a round\n",
		rate(before, now, "writes_total"), rate(before, now, "writes_throttled_total"),
		rate(before, now, "reads_lease_total"), rate(before, now, "reads_read_index_total"));
	printf("log %.1f records/s in %.1f syncs/s; data %.1f MiB, log %.1f MiB, disk free %.1f MiB\n",
		rate(before, now, "log_records_total"), rate(before, now, "log_syncs_total"),
		(double)target_number(target, "data_used_bytes") / (1 << 20),
		(double)target_number(target, "log_live_bytes") / (1 << 20),
		(double)target_number(target, "space_available_bytes") / (1 << 20));
	print_durations(before, now, STAGE);
	print_durations(before, now, OPERATION);
}

static void write_rate(struct json *json, const struct mount_sample *before, const struct mount_sample *now,
	const char *key, const char *name)
{
	json_real(json, key, rate(before, now, name));
}

static void write_durations(struct json *json, const struct mount_sample *before,
	const struct mount_sample *now, const char *kind)
{
	json_begin(json, kind == STAGE ? "stages" : "operations", '[');
	for (size_t i = 0; i < now->duration_count; i++) {
		struct duration duration = since(before, &now->durations[i]);

		if (duration.kind != kind || duration.sums.count == 0)
			continue;
		json_begin(json, NULL, '{');
		json_string(json, kind, duration.name);
		json_real(json, "per_second", (double)duration.sums.count / seconds_between(before, now));
		json_real(json, "mean_microseconds", mean_us(&duration.sums));
		json_real(json, "p99_microseconds", quantile_us(&duration.sums));
		json_end(json, '}');
	}
	json_end(json, ']');
}

static void write_sample(struct json *json, const struct mount_sample *before, const struct mount_sample *now)
{
	json_begin(json, NULL, '{');
	json_real(json, "interval_seconds", seconds_between(before, now));
	write_rate(json, before, now, "writes_per_second", "writes_total");
	write_rate(json, before, now, "reads_lease_per_second", "reads_lease_total");
	write_rate(json, before, now, "reads_read_index_per_second", "reads_read_index_total");
	write_rate(json, before, now, "log_syncs_per_second", "log_syncs_total");
	json_number(json, "data_used_bytes", target_number(&now->target, "data_used_bytes"));
	json_number(json, "space_available_bytes", target_number(&now->target, "space_available_bytes"));
	write_durations(json, before, now, STAGE);
	write_durations(json, before, now, OPERATION);
	json_end_line(json, '}');
}

static void show(struct command *command, const struct mount_sample *before, const struct mount_sample *now)
{
	if (command->is_json)
		write_sample(&command->json, before, now);
	else if (isatty(STDOUT_FILENO))
		fputs(CLEAR_SCREEN, stdout);
	if (!command->is_json)
		print_sample(before, now);
	fflush(stdout);
}

static void sleep_seconds(uint64_t seconds)
{
	struct timespec rest = {.tv_sec = (time_t)seconds};

	while (nanosleep(&rest, &rest) < 0 && errno == EINTR)
		;
}

static int top_of_mount(struct command *command)
{
	uint64_t interval = command_number(command, "interval", 1);
	uint64_t count = command_number(command, "count", UINT64_MAX);
	struct mount_sample *samples = calloc(2, sizeof *samples);
	struct status status = {0};
	int code = samples ? take_sample(&samples[0], command->arguments[0], &status)
			   : status_set(&status, -ENOMEM, "out of memory");

	for (uint64_t i = 0; code == 0 && i < count; i++) {
		struct mount_sample *before = &samples[i % 2], *now = &samples[(i + 1) % 2];

		sleep_seconds(interval);
		target_close(&now->target);
		code = take_sample(now, command->arguments[0], &status);
		if (code == 0)
			show(command, before, now);
	}
	for (int i = 0; samples && i < 2; i++)
		target_close(&samples[i].target);
	free(samples);
	return code < 0 ? command_fail(&status) : COMMAND_OK;
}

/* For a mount of a cluster, too, the stats are the mount's own. */
int command_top(struct command *command)
{
	struct status status = {0};
	struct target target;
	int code = target_open(&target, command->arguments[0], &status);
	bool is_cluster = code == 0 && target.mount_point[0] == '\0' && target_is_cluster(&target);
	int exit_code;

	if (code < 0)
		return command_fail(&status);
	exit_code = is_cluster ? view_top(command, target.cluster) : top_of_mount(command);
	target_close(&target);
	return exit_code;
}
