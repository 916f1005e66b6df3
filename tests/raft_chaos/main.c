/*
 * raft_chaos: the consensus core under chaos, one seed after the other.
 *
 * Each seed is a cluster of up to seven nodes on virtual time (cluster.h) that lives through faults and must then heal,
 * while a model (model.h) checks every step. Seeds run in a child process, so that one that aborts is a failed seed like
 * any other and the rest still run.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/plant.h"
#include "tests/lib/arguments.h"
#include "tests/raft_chaos/cluster.h"

#define SEED_SECONDS_MAX 30 /* of a processor; a seed that hangs dies of SIGPROF */
#define TWICE_EVERY	 64 /* seeds: each of these runs twice and must leave the same trace */

struct options {
	uint64_t seed;
	uint64_t seeds;
	const char *bug;
	struct profile_request request;
	bool twice;
	bool verbose;
	bool first_failure;
};

/* Shared with the child: how far it is and what it found. */
struct progress {
	uint64_t seed; /* the one under way */
	uint64_t passed;
	uint64_t failed;
	struct cluster_stats stats;
};

static void add_stats(struct cluster_stats *sum, const struct cluster_stats *stats)
{
	sum->runs += stats->runs;
	sum->virtual_us += stats->virtual_us;
	sum->events += stats->events;
	sum->elections += stats->elections;
	sum->committed += stats->committed;
	sum->applied_conf_changes += stats->applied_conf_changes;
	sum->restored_snapshots += stats->restored_snapshots;
	sum->reads += stats->reads;
	sum->lost_messages += stats->lost_messages;
	sum->stuck_removals += stats->stuck_removals;
	for (int i = 0; i < FAULT_COUNT; i++)
		sum->faults[i] += stats->faults[i];
}

static void print_failure(const struct options *options, uint64_t seed, const char *mix, const char *what)
{
	printf("seed %" PRIu64 " (%s): %s\n", seed, mix, what);
	printf("    build%s/tests/raft_chaos --seed %" PRIu64 "%s%s%s%s%s%s --verbose\n",
		options->bug ? "-plant" : "", seed, options->twice ? " --twice" : "",
		options->request.async ? " --async" : "", options->request.mix ? " --mix " : "",
		options->request.mix ? options->request.mix : "", options->bug ? " --bug " : "",
		options->bug ? options->bug : "");
	fflush(stdout);
}

/* Runs one seed, some of them twice; false when it failed. */
static bool run_seed(const struct options *options, struct cluster *cluster, struct progress *progress)
{
	struct cluster_options run = {progress->seed, options->request, options->verbose};
	int status = cluster_run(cluster, &run);
	uint64_t hash = cluster->trace.hash;

	cluster_close(cluster);
	add_stats(&progress->stats, &cluster->stats);
	if (status == 0 && (options->twice || progress->seed % TWICE_EVERY == 0)) {
		run.verbose = false;
		status = cluster_run(cluster, &run);
		cluster_close(cluster);
		if (cluster->trace.hash != hash)
			cluster_fail(cluster, "the same seed left another trace the second time");
	}
	if (cluster->has_failed)
		print_failure(options, progress->seed, cluster->profile.mix, cluster->failure);
	if (options->verbose)
		printf("trace %016" PRIx64 "\n", hash);
	return !cluster->has_failed;
}

/* Runs seeds from progress->seed on; leaves it at the one after the last. */
static void run_seeds(const struct options *options, struct progress *progress)
{
	const struct itimerval limit = {.it_value.tv_sec = SEED_SECONDS_MAX};
	struct cluster *cluster = malloc(sizeof *cluster);

	if (!cluster)
		abort();
#ifdef RAFTKV_PLANT
	plant_choose(options->bug);
#endif
	for (; progress->seed < options->seed + options->seeds; progress->seed++) {
		setitimer(ITIMER_PROF, &limit, NULL);
		if (run_seed(options, cluster, progress))
			progress->passed++;
		else
			progress->failed++;
		if (progress->failed > 0 && options->first_failure) {
			progress->seed++;
			break;
		}
	}
	free(cluster);
}

/* A child runs the seeds; one that kills it counts as failed, and the next child goes on behind it. */
static void run_all(const struct options *options, struct progress *progress)
{
	while (progress->seed < options->seed + options->seeds &&
		!(progress->failed > 0 && options->first_failure)) {
		int status = 0;
		pid_t child;

		fflush(stdout);
		child = fork();
		if (child == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that is ended leaves nothing behind */
			run_seeds(options, progress);
			fflush(stdout);
			_exit(0);
		}
		if (child < 0 || waitpid(child, &status, 0) < 0) {
			perror("raft_chaos");
			exit(2);
		}
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
			continue;
		print_failure(options, progress->seed, "aborted",
			strsignal(WIFSIGNALED(status) ? WTERMSIG(status) : 0));
		progress->failed++;
		progress->seed++;
	}
}

static void print_summary(const struct progress *progress)
{
	const struct cluster_stats *stats = &progress->stats;
	uint64_t hours = stats->virtual_us / 1000000 / 3600;

	printf("runs %" PRIu64 ", virtual time %" PRIu64 " h %" PRIu64 " min, events %" PRIu64
	       ", elections %" PRIu64 ", committed entries %" PRIu64 "\n",
		stats->runs, hours, stats->virtual_us / 60000000 - hours * 60, stats->events,
		stats->elections, stats->committed);
	printf("reads answered %" PRIu64 ", membership changes applied %" PRIu64
	       ", snapshots restored %" PRIu64 ", messages lost %" PRIu64
	       ", stuck on a removed leader %" PRIu64 "\n",
		stats->reads, stats->applied_conf_changes, stats->restored_snapshots, stats->lost_messages,
		stats->stuck_removals);
	printf("faults:");
	for (int i = 0; i < FAULT_COUNT; i++)
		printf("%s %s %" PRIu64, i > 0 ? "," : "", fault_name((enum fault)i), stats->faults[i]);
	printf("\n%" PRIu64 " passed, %" PRIu64 " failed\n", progress->passed, progress->failed);
}

static int usage(void)
{
	fprintf(stderr,
		"usage: raft_chaos --seed N [--seeds COUNT] [--async] [--mix NAME] [--bug NAME] [--twice] "
		"[--first-failure] "
		"[--verbose]\n"
		"  --seeds COUNT     run COUNT seeds from N on\n"
		"  --async           asynchronous storage writes in every seed, not in half of them\n"
		"  --mix NAME        only runs of one mix of faults (profile.c)\n"
		"  --bug NAME        with one planted bug (a build made with PLANT=1)\n"
		"  --twice           run every seed twice and compare the traces, not only some\n"
		"  --first-failure   stop at the first seed that fails\n"
		"  --verbose         print what happens\n");
	return 2;
}

static int parse_options(int argc, char **argv, struct options *options)
{
	const struct argument arguments[] = {
		{"seed", .number = &options->seed},
		{"seeds", .number = &options->seeds},
		{"bug", .text = &options->bug},
		{"async", .flag = &options->request.async},
		{"mix", .text = &options->request.mix},
		{"twice", .flag = &options->twice},
		{"first-failure", .flag = &options->first_failure},
		{"verbose", .flag = &options->verbose},
	};

	*options = (struct options){.seeds = 1};
	if (arguments_parse(arguments, sizeof arguments / sizeof *arguments, argc, argv) != argc)
		return -1;
	return !options->request.mix || profile_has_mix(options->request.mix) ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct options options;
	struct progress *progress;

	if (parse_options(argc, argv, &options) != 0)
		return usage();
#ifndef RAFTKV_PLANT
	if (options.bug) {
		fprintf(stderr, "raft_chaos: --bug needs a build made with PLANT=1\n");
		return 2;
	}
#endif
	progress = mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (progress == MAP_FAILED)
		return 2;
	progress->seed = options.seed;
	run_all(&options, progress);
	print_summary(progress);
	return progress->failed > 0;
}
