/*
 * sim: a cluster of three stores and two mounts in one thread on virtual time, from one seed (run.h).
 *
 *   sim [--seed N] [--seeds COUNT] [--ops N] [--faults LIST] [--works LIST] [--one-region] [--bug NAME] [--verbose]
 *
 * Seeds run as tests/lib/seeds.h says. With --bug (a build with PLANT=1) the run ends at the first seed that shows the
 * bug.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>

#include "proto/check.h"
#include "proto/plant.h"
#include "tests/lib/arguments.h"
#include "tests/lib/seeds.h"
#include "tests/sim/run.h"
#include "tests/sim/work.h"

#define SEED_SECONDS_MAX 60 /* of processor time; a seed that takes longer hangs */

struct options {
	uint64_t seed;
	uint64_t seeds;
	struct run_options run;
	const char *bug;
	struct run_totals *totals; /* shared with the children */
};

/* In a child, whose totals come back through shared memory. */
static void run_child(void *argument, uint64_t seed)
{
	const struct itimerval limit = {.it_value.tv_sec = SEED_SECONDS_MAX};
	const struct options *options = argument;
	struct run_options run = options->run;

	run.seed = seed;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setitimer(ITIMER_PROF, &limit, NULL);
	run_seed(&run, options->totals);
}

static void print_list(
	const char *option, uint32_t bits, uint32_t count, const char *(*name)(uint32_t number))
{
	const char *comma = "";

	if (bits == (UINT32_C(1) << count) - 1)
		return;
	printf(" %s %s", option, bits == 0 ? "none" : "");
	for (uint32_t i = 0; i < count; i++) {
		if (bits >> i & 1) {
			printf("%s%s", comma, name(i));
			comma = ",";
		}
	}
}

static const char *name_of_fault(uint32_t number)
{
	return fault_name((enum fault)number);
}

static const char *name_of_work(uint32_t number)
{
	return work_kinds[number]->name;
}

static void print_failure(const struct options *options, uint64_t seed, const char *program)
{
	printf("seed %" PRIu64 " fails; to see it again: %s --seed %" PRIu64, seed, program, seed);
	if (options->run.operations > 0)
		printf(" --ops %" PRIu64, options->run.operations);
	print_list("--faults", options->run.faults, FAULT_COUNT, name_of_fault);
	print_list("--works", options->run.works, WORK_KINDS, name_of_work);
	if (options->run.has_one_region)
		printf(" --one-region");
	if (options->bug)
		printf(" --bug %s", options->bug);
	printf(" --verbose\n");
}

static void print_totals(const struct run_totals *totals)
{
	printf("%" PRIu64 " runs, %.1f h of virtual time, %" PRIu64 " processes of stores, %" PRIu64
	       " gave up, %" PRIu64 " of mounts, %" PRIu64 " sessions lost, %" PRIu64
	       " terms with a leader\n",
		totals->runs, (double)totals->time / 3600e9, totals->processes, totals->failures,
		totals->mounts, totals->sessions_lost, totals->terms);
	printf("%" PRIu64 " splits, %.1f regions a run; an operation takes at most %.1f s if nothing fails\n",
		totals->splits, totals->runs > 0 ? (double)totals->regions / (double)totals->runs : 0,
		(double)totals->longest / 1e9);
	printf("%" PRIu64 " operations answered, %" PRIu64 " refused, %" PRIu64 " open; %" PRIu64
	       " states of replicas compared, %" PRIu64 " old intents told, %" PRIu64
	       " histories too hard to judge\n",
		totals->done, totals->never, totals->open, totals->compared, totals->told, totals->undecided);
	printf("an intent stays for at most %.1f s; %" PRIu64 " waits for another operation were seen\n",
		(double)totals->intent_age / 1e9, totals->waits);
	printf("faults:");
	for (uint32_t i = 0; i < FAULT_COUNT; i++)
		printf("%s %" PRIu64 " %s", i > 0 ? "," : "", totals->fired[i], name_of_fault(i));
	printf("\n");
}

static uint32_t parse_works(const char *list)
{
	uint32_t bits = 0;

	for (uint32_t i = 0; i < WORK_KINDS; i++)
		if (strstr(list, work_kinds[i]->name))
			bits |= UINT32_C(1) << i;
	return bits;
}

static int usage(void)
{
	fprintf(stderr,
		"usage: sim [--seed N] [--seeds COUNT] [--ops N] [--faults LIST] [--works LIST] [--bug NAME] "
		"[--one-region] [--verbose]\n"
		"  --seeds COUNT   run COUNT seeds from N on\n"
		"  --ops N         operations of a seed, instead of what it chooses\n"
		"  --faults LIST   only these may happen; none: no fault at all\n"
		"  --works LIST    only these\n"
		"  --one-region    no region is split\n"
		"  --bug NAME      with one planted bug (a build made with PLANT=1), up to the first seed "
		"that "
		"fails\n");
	exit(2);
}

/* Names nothing that is known, and does not say "none". */
static bool is_slip(const char *list, uint32_t bits)
{
	return list && bits == 0 && strcmp(list, "none") != 0;
}

static struct options parse(int argc, char **argv)
{
	struct options options = {.seed = 1,
		.seeds = 1,
		.run = {.faults = (UINT32_C(1) << FAULT_COUNT) - 1,
			.works = (UINT32_C(1) << WORK_KINDS) - 1}};
	const char *faults = NULL, *works = NULL;
	const struct argument arguments[] = {
		{"seed", .number = &options.seed},
		{"seeds", .number = &options.seeds},
		{"ops", .number = &options.run.operations},
		{"faults", .text = &faults},
		{"works", .text = &works},
		{"bug", .text = &options.bug},
		{"one-region", .flag = &options.run.has_one_region},
		{"verbose", .flag = &options.run.is_verbose},
	};

	if (arguments_parse(arguments, sizeof arguments / sizeof *arguments, argc, argv) < 0)
		usage();
	if (faults)
		options.run.faults = faults_parse(faults);
	if (works)
		options.run.works = parse_works(works);
	if (is_slip(faults, options.run.faults) || is_slip(works, options.run.works))
		usage();
	return options;
}

int main(int argc, char **argv)
{
	struct options options = parse(argc, argv);
	uint64_t passed = 0, failed = 0;

	options.totals =
		mmap(NULL, sizeof *options.totals, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(options.totals != MAP_FAILED);
	setvbuf(stdout, NULL, _IOLBF, 0);
#ifdef RAFTKV_PLANT
	plant_choose(options.bug);
#endif
	for (uint64_t seed = options.seed; seed < options.seed + options.seeds; seed++) {
		if (seeds_run(run_child, &options, seed, &options.totals->trace)) {
			passed++;
			continue;
		}
		failed++;
		print_failure(&options, seed, argv[0]);
		if (options.bug)
			break;
	}
	print_totals(options.totals);
	printf("%" PRIu64 " passed, %" PRIu64 " failed\n", passed, failed);
	return failed > 0;
}
