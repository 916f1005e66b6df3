/*
 * store_crash: the store of one process on a simulated machine that fails in every way a machine can, from one seed.
 *
 *   store_crash [--seed N] [--seeds COUNT] [--ops N] [--bug NAME] [--verbose]
 *
 * Each seed runs in a process of its own: a store that dies in the simulation leaves its memory behind. Every
 * sixteenth seed runs twice, to see that it does the same again. With --bug (a build with PLANT=1) the run ends at
 * the first seed that shows the bug.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/check.h"
#include "proto/plant.h"
#include "tests/lib/arguments.h"
#include "tests/store_crash/run.h"

#define TWICE_EVERY 16

struct options {
	uint64_t seed;
	uint64_t seeds;
	uint64_t operations;
	const char *bug;
	bool is_verbose;
};

/* In a child, whose totals come back through shared memory. `shift` bytes of heap are taken first, so that a run that
 * depends on addresses does not repeat. */
static bool run_child(const struct options *options, uint64_t seed, size_t shift, struct run_totals *totals)
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	check(child >= 0);
	if (child == 0) {
		void *hole = malloc(shift);

		run_seed(seed, options->operations, options->is_verbose, totals);
		free(hole);
		fflush(stdout);
		_exit(0);
	}
	check(waitpid(child, &status, 0) == child);
	if (WIFSIGNALED(status))
		printf("violation: signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool run_one(const struct options *options, uint64_t seed, struct run_totals *totals)
{
	uint64_t trace;

	if (!run_child(options, seed, 1, totals))
		return false;
	if (seed % TWICE_EVERY != 0)
		return true;
	trace = totals->trace;
	if (!run_child(options, seed, 1 << 20, totals))
		return false;
	if (totals->trace != trace)
		printf("violation: the same seed does something else the second time\n");
	return totals->trace == trace;
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
		{"bug", .text = &options.bug},
		{"verbose", .flag = &options.is_verbose},
	};

	if (arguments_parse(arguments, sizeof arguments / sizeof *arguments, argc, argv) < 0) {
		fprintf(stderr, "usage: store_crash [--seed N] [--seeds COUNT] [--ops N] [--bug NAME] "
				"[--verbose]\n");
		exit(2);
	}
	return options;
}

int main(int argc, char **argv)
{
	struct options options = parse(argc, argv);
	struct run_totals *totals =
		mmap(NULL, sizeof *totals, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t passed = 0, failed = 0;

	check(totals != MAP_FAILED);
#ifdef RAFTKV_PLANT
	plant_choose(options.bug);
#endif
	for (uint64_t seed = options.seed; seed < options.seed + options.seeds; seed++) {
		if (run_one(&options, seed, totals)) {
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
	print_totals(totals);
	printf("%" PRIu64 " passed, %" PRIu64 " failed\n", passed, failed);
	return failed > 0;
}
