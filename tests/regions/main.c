/*
 * regions: stores of one cluster whose regions are split and moved while stores fail, from one seed.
 *
 *   regions [--seed N] [--seeds COUNT] [--ops N] [--bug NAME] [--verbose]
 *
 * Seeds run as tests/lib/seeds.h says. With --bug (a build with PLANT=1) the run ends at the first seed that shows the
 * bug.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "proto/check.h"
#include "tests/lib/arguments.h"
#include "tests/lib/seeds.h"
#include "tests/regions/storm.h"

struct options {
	uint64_t seed;
	uint64_t seeds;
	uint64_t operations;
	const char *bug;
	bool is_verbose;
	struct storm_totals *totals; /* shared with the children */
};

/* In a child, whose totals come back through shared memory. */
static void run_child(void *argument, uint64_t seed)
{
	const struct options *options = argument;

	storm_run(seed, options->operations, options->is_verbose, options->totals);
}

static void print_totals(const struct storm_totals *totals)
{
	printf("%" PRIu64 " runs, %.1f h of virtual time: %" PRIu64 " splits, %" PRIu64 " moves, %" PRIu64
	       " transfers, %" PRIu64 " kills, %" PRIu64 " power failures, %" PRIu64 " pauses, %" PRIu64
	       " cuts, %" PRIu64 " slow disks; %" PRIu64 " snapshots\n",
		totals->runs, (double)totals->time / 3600e9, totals->splits, totals->moves, totals->transfers,
		totals->kills, totals->crashes, totals->pauses, totals->cuts, totals->slow_disks,
		totals->snapshots);
	printf("%" PRIu64 " operations, %" PRIu64 " acknowledged; %" PRIu64 " things read and compared\n",
		totals->operations, totals->acknowledged, totals->reads);
}

static struct options parse(int argc, char **argv)
{
	struct options options = {.seed = 1, .seeds = 1, .operations = 600};
	const struct argument arguments[] = {
		{"seed", .number = &options.seed},
		{"seeds", .number = &options.seeds},
		{"ops", .number = &options.operations},
		{"bug", .text = &options.bug},
		{"verbose", .flag = &options.is_verbose},
	};

	if (arguments_parse(arguments, sizeof arguments / sizeof *arguments, argc, argv) < 0) {
		fprintf(stderr, "usage: regions [--seed N] [--seeds COUNT] [--ops N] [--bug NAME] "
				"[--verbose]\n");
		exit(2);
	}
	return options;
}

int main(int argc, char **argv)
{
	struct options options = parse(argc, argv);
	uint64_t passed = 0, failed = 0;

	options.totals =
		mmap(NULL, sizeof *options.totals, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(options.totals != MAP_FAILED);
	if (options.bug)
		check(setenv("RAFTKV_PLANTED", options.bug, 1) == 0); /* sim_cluster.h */
	for (uint64_t seed = options.seed; seed < options.seed + options.seeds; seed++) {
		if (seeds_run(run_child, &options, seed, &options.totals->trace)) {
			passed++;
			continue;
		}
		failed++;
		printf("seed %" PRIu64 " fails; to see it again: %s --seed %" PRIu64 " --ops %" PRIu64
		       "%s%s --verbose\n",
			seed, argv[0], seed, options.operations, options.bug ? " --bug " : "",
			options.bug ? options.bug : "");
		if (options.bug)
			break;
	}
	print_totals(options.totals);
	printf("%" PRIu64 " passed, %" PRIu64 " failed\n", passed, failed);
	return failed > 0;
}
