/* raftkv top for a cluster: the rates of its stores, between two overviews. */
#include <errno.h>
#include <inttypes.h>
#include <time.h>
#include <unistd.h>

#include "mount-helpers/cluster_view.h"

#define CLEAR_SCREEN "\033[H\033[J"

struct cluster_sample {
	Raftkv__OverviewReply *overview; /* NULL: none yet */
	struct timespec time;
};

struct rates {
	double writes, lease, round, follower, syncs;
};

static double seconds_between(const struct cluster_sample *before, const struct cluster_sample *now)
{
	return (double)(now->time.tv_sec - before->time.tv_sec) +
	       (double)(now->time.tv_nsec - before->time.tv_nsec) / 1e9;
}

static const Raftkv__StoreStats *stats_of(const Raftkv__OverviewReply *overview, uint64_t store)
{
	for (size_t i = 0; i < overview->n_stores; i++)
		if (overview->stores[i]->store == store)
			return overview->stores[i]->stats;
	return NULL;
}

static double rate(uint64_t before, uint64_t now, double seconds)
{
	return now < before ? 0 : (double)(now - before) / seconds;
}

/* Zero for a store that is missing in one of the samples, or has restarted between them. */
static struct rates rates_of(
	const struct cluster_sample *before, const struct cluster_sample *now, uint64_t store)
{
	const Raftkv__StoreStats *old = stats_of(before->overview, store);
	const Raftkv__StoreStats *new = stats_of(now->overview, store);
	double seconds = seconds_between(before, now);

	if (!old || !new)
		return (struct rates){0};
	return (struct rates){.writes = rate(old->writes, new->writes, seconds),
		.lease = rate(old->reads_lease, new->reads_lease, seconds),
		.round = rate(old->reads_read_index, new->reads_read_index, seconds),
		.follower = rate(old->reads_follower, new->reads_follower, seconds),
		.syncs = rate(old->log_syncs, new->log_syncs, seconds)};
}

/* By its own last report. */
static uint32_t count_leaders(const Raftkv__OverviewStore *store)
{
	return store->stats && store->is_alive ? (uint32_t)store->stats->leaders : 0;
}

static void print_rates(const struct cluster_sample *before, const struct cluster_sample *now)
{
	int width = view_address_width(now->overview);

	printf("%5s  %-*s %8s %10s %12s %12s %12s %10s\n", "store", width, "address", "leaders", "changes/s",
		"lease reads", "round reads", "on follower", "syncs/s");
	for (size_t i = 0; i < now->overview->n_stores; i++) {
		const Raftkv__OverviewStore *store = now->overview->stores[i];
		struct rates rates = rates_of(before, now, store->store);

		printf("%5" PRIu64 "  %-*s %8u %10.1f %12.1f %12.1f %12.1f %10.1f\n", store->store, width,
			store->address, count_leaders(store), rates.writes, rates.lease, rates.round,
			rates.follower, rates.syncs);
	}
}

static void write_rates(
	struct json *json, const struct cluster_sample *before, const struct cluster_sample *now)
{
	json_begin(json, NULL, '{');
	json_real(json, "interval_seconds", seconds_between(before, now));
	json_begin(json, "stores", '[');
	for (size_t i = 0; i < now->overview->n_stores; i++) {
		const Raftkv__OverviewStore *store = now->overview->stores[i];
		struct rates rates = rates_of(before, now, store->store);

		json_begin(json, NULL, '{');
		json_number(json, "id", store->store);
		json_number(json, "leaders", count_leaders(store));
		json_real(json, "writes_per_second", rates.writes);
		json_real(json, "reads_lease_per_second", rates.lease);
		json_real(json, "reads_read_index_per_second", rates.round);
		json_real(json, "reads_follower_per_second", rates.follower);
		json_real(json, "log_syncs_per_second", rates.syncs);
		json_end(json, '}');
	}
	json_end(json, ']');
	json_end_line(json, '}');
}

static void show(
	struct command *command, const struct cluster_sample *before, const struct cluster_sample *now)
{
	if (command->is_json) {
		write_rates(&command->json, before, now);
	} else {
		fputs(isatty(STDOUT_FILENO) ? CLEAR_SCREEN : "", stdout);
		print_rates(before, now);
	}
	fflush(stdout);
}

static int take(struct cluster *cluster, struct cluster_sample *sample, struct status *status)
{
	if (sample->overview)
		raftkv__overview_reply__free_unpacked(sample->overview, NULL);
	clock_gettime(CLOCK_MONOTONIC, &sample->time);
	return cluster_stores(cluster, &sample->overview, status);
}

static void sleep_seconds(uint64_t seconds)
{
	struct timespec rest = {.tv_sec = (time_t)seconds};

	while (nanosleep(&rest, &rest) < 0 && errno == EINTR)
		;
}

int view_top(struct command *command, const char *list)
{
	uint64_t interval = command_number(command, "interval", 1);
	uint64_t count = command_number(command, "count", UINT64_MAX);
	struct cluster_sample samples[2] = {0};
	struct status status = {0};
	struct cluster *cluster;
	int code = cluster_open(list, &cluster, &status);

	if (code == 0)
		code = take(cluster, &samples[0], &status);
	for (uint64_t i = 0; code == 0 && i < count; i++) {
		sleep_seconds(interval);
		code = take(cluster, &samples[(i + 1) % 2], &status);
		if (code == 0)
			show(command, &samples[i % 2], &samples[(i + 1) % 2]);
	}
	for (int i = 0; i < 2; i++)
		if (samples[i].overview)
			raftkv__overview_reply__free_unpacked(samples[i].overview, NULL);
	cluster_close(cluster);
	return code < 0 ? command_fail(&status) : COMMAND_OK;
}
