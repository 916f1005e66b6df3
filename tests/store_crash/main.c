/*
 * store_crash: the store of one process on a simulated machine that fails in every way a machine can, from one seed.
 *
 *   store_crash [--seed N] [--seeds COUNT] [--ops N] [--early] [--bug NAME] [--verbose]
 *
 * With --early the store answers before its log is durable: then it must lose nothing when it is killed.
 * Seeds run as tests/lib/seeds.h says. With --bug (a build with PLANT=1) the run ends at the first seed that shows the
 * bug.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "proto/check.h"
#include "proto/plant.h"
#include "tests/lib/arguments.h"
#include "tests/lib/seeds.h"
#include "tests/store_crash/run.h"

struct options {
	uint64_t seed;
	uint64_t seeds;
	uint64_t operations;
	const char *bug;
	bool is_early;
	bool is_verbose;
	struct run_totals *totals; /* shared with the children */
};

/* In a child, whose totals come back through shared memory. */
static void run_child(void *argument, uint64_t seed)
{
	const struct options *options = argument;

	run_seed(seed, options->operations, options->is_early, options->is_verbose, options->totals);
}

static void print_totals(const struct run_totals *totals)
{
	printf("%" PRIu64 " runs, %.1f h of virtual time, %" PRIu64 " processes: %" PRIu64 " stops, %" PRIu64
	       " kills, %" PRIu64 " power failures, %" PRIu64 " of them while opening, %" PRIu64
	       " stores that gave up\n",
		totals->runs, (double)totals->time / 3600e9, totals->processes, totals->stops, totals->kills,
		totals->crashes + totals->crashes_while_opening, totals->crashes_while_opening,
		totals->failures);
	printf("%" PRIu64 " operations, %" PRIu64 " acknowledged, %" PRIu64 " refused; %" PRIu64
	       " things read and compared; %" PRIu64 " disk faults, %" PRIu64 " flushes, %" PRIu64
	       " evaluations parked; %" PRIu64 " splits, %" PRIu64 " regions in the end\n",
		totals->operations, totals->acknowledged, totals->refusals, totals->reads, totals->faults,
		totals->flushes, totals->parked, totals->splits, totals->regions);
}

static struct options parse(int argc, char **argv)
{
	struct options options = {.seed = 1, .seeds = 1, .operations = 160};
	const struct argument arguments[] = {
		{"seed", .number = &options.seed},
		{"seeds", .number = &options.seeds},
		{"ops", .number = &options.operations},
		{"early", .flag = &options.is_early},
		{"bug", .text = &options.bug},
		{"verbose", .flag = &options.is_verbose},
	};

	if (arguments_parse(arguments, sizeof arguments / sizeof *arguments, argc, argv) < 0) {
		fprintf(stderr, "usage: store_crash [--seed N] [--seeds COUNT] [--ops N] [--early] "
				"[--bug NAME] [--verbose]\n");
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
#ifdef RAFTKV_PLANT
	plant_choose(options.bug);
#endif
	for (uint64_t seed = options.seed; seed < options.seed + options.seeds; seed++) {
		if (seeds_run(run_child, &options, seed, &options.totals->trace)) {
			passed++;
			continue;
		}
		failed++;
		printf("seed %" PRIu64 " fails; to see it again: %s --seed %" PRIu64 " --ops %" PRIu64
		       "%s%s%s --verbose\n",
			seed, argv[0], seed, options.operations, options.is_early ? " --early" : "",
			options.bug ? " --bug " : "", options.bug ? options.bug : "");
		if (options.bug)
			break;
	}
	print_totals(options.totals);
	printf("%" PRIu64 " passed, %" PRIu64 " failed\n", passed, failed);
	return failed > 0;
}
