/*
 * Differential test: the same seeded random operations on two directories, one on ext4 and one on raftkv, must give the
 * same results, call by call, and the same trees.
 *
 *   differential [--seed N] [--seeds COUNT] [--ops N] [--jobs N] [--check-every N] DIRECTORY-A DIRECTORY-B
 *
 * A seed that fails prints the operation at which the two part, the ones before it, and the command that replays just
 * this prefix. Inode numbers, directory sizes, blocks and times that were not set explicitly are not compared.
 */
#include "tests/differential/side.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct options {
	uint64_t seed, seeds;
	unsigned ops, jobs, check_every;
	const char *a, *b;
};

struct failure {
	unsigned ops; /* the length of the shortest prefix that fails */
	char text[512];
};

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
	(void)status, (void)walk;
	return kind == FTW_DP ? rmdir(path) : unlink(path);
}

static bool remove_tree(const char *directory, const char *name)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0;
}

static bool is_equal(const struct outcome *a, const struct outcome *b)
{
	return a->result == b->result && a->error == b->error && a->digest == b->digest;
}

static const char *error_name(int error)
{
	return error ? strerrorname_np(error) : "success";
}

/* The operations of one seed on fresh directories. True, or false and where and how the sides part. */
static bool run_sides(const struct options *options, uint64_t seed, unsigned check_every, struct side *a,
	struct side *b, struct failure *failure)
{
	uint64_t random = random_next(&seed);

	for (unsigned i = 1; i <= options->ops; i++) {
		struct operation operation;
		struct outcome first, second;

		operation_make(&operation, &random);
		first = side_execute(a, &operation);
		second = side_execute(b, &operation);
		failure->ops = i;
		if (!is_equal(&first, &second)) {
			snprintf(failure->text, sizeof(failure->text),
				"results differ: %jd (%s, digest %jx) and %jd (%s, digest %jx)", first.result,
				error_name(first.error), (uintmax_t)first.digest, second.result,
				error_name(second.error), (uintmax_t)second.digest);
			return false;
		}
		if ((i % check_every == 0 || i == options->ops) &&
			!trees_are_equal(a, b, failure->text, sizeof(failure->text)))
			return false;
	}
	return true;
}

static bool run_once(
	const struct options *options, uint64_t seed, unsigned check_every, struct failure *failure)
{
	struct side a, b;
	char name[64];
	bool equal;

	snprintf(name, sizeof(name), "seed%ju.%d", (uintmax_t)seed, getpid());
	side_init(&a, options->a, name);
	side_init(&b, options->b, name);
	equal = run_sides(options, seed, check_every, &a, &b, failure);
	side_close(&a);
	side_close(&b);
	if (!remove_tree(options->a, name) || !remove_tree(options->b, name)) {
		snprintf(failure->text, sizeof(failure->text), "the tree cannot be removed: %s",
			strerror(errno));
		equal = false;
	}
	return equal;
}

static void print_failure(const struct options *options, uint64_t seed, const struct failure *failure)
{
	uint64_t state = seed, random = random_next(&state);
	struct operation operation;
	char line[512];

	printf("FAILED seed %ju at operation %u: %s\n", (uintmax_t)seed, failure->ops, failure->text);
	for (unsigned i = 1; i <= failure->ops; i++) {
		operation_make(&operation, &random);
		operation_describe(&operation, line, sizeof(line));
		if (i + 12 > failure->ops)
			printf("  %4u %s\n", i, line);
	}
	printf("replay: differential --seed %ju --seeds 1 --ops %u --check-every 1 %s %s\n", (uintmax_t)seed,
		failure->ops, options->a, options->b);
	fflush(stdout);
}

/* A failing seed is run again with a look at the trees after every operation: the prefix is then the shortest. */
static bool run_seed(const struct options *options, uint64_t seed)
{
	struct failure failure = {0};

	if (run_once(options, seed, options->check_every, &failure))
		return true;
	if (options->check_every > 1) {
		struct failure exact = {0};

		if (!run_once(options, seed, 1, &exact) && exact.ops <= failure.ops)
			failure = exact;
	}
	print_failure(options, seed, &failure);
	return false;
}

/* Every jobs-th seed; the number of failures. */
static int run_job(const struct options *options, unsigned job)
{
	int failed = 0;

	for (uint64_t i = job; i < options->seeds; i += options->jobs)
		failed += !run_seed(options, options->seed + i);
	return failed;
}

static int run_jobs(const struct options *options)
{
	int failed = 0, status;

	for (unsigned job = 0; job < options->jobs; job++) {
		pid_t child = fork();

		if (child == 0)
			exit(run_job(options, job) > 0);
		if (child < 0) {
			perror("fork");
			return 2;
		}
	}
	while (wait(&status) > 0)
		failed += status != 0;
	printf("%ju seeds of %u operations: %s\n", (uintmax_t)options->seeds, options->ops,
		failed ? "FAILED" : "the same on both");
	return failed > 0;
}

int main(int argc, char **argv)
{
	static const struct option known[] = {{"seed", required_argument, NULL, 's'},
		{"seeds", required_argument, NULL, 'n'}, {"ops", required_argument, NULL, 'o'},
		{"jobs", required_argument, NULL, 'j'}, {"check-every", required_argument, NULL, 'c'}, {0}};
	struct options options = {.seed = 1, .seeds = 1, .ops = 500, .jobs = 1, .check_every = 50};

	for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
		switch (option) {
		case 's':
			options.seed = strtoull(optarg, NULL, 10);
			break;
		case 'n':
			options.seeds = strtoull(optarg, NULL, 10);
			break;
		case 'o':
			options.ops = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'j':
			options.jobs = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'c':
			options.check_every = (unsigned)strtoul(optarg, NULL, 10);
			break;
		default:
			return 2;
		}
	}
	if (optind + 2 != argc || !options.jobs || !options.check_every) {
		fputs("usage: differential [--seed N] [--seeds COUNT] [--ops N] [--jobs N] [--check-every N] "
		      "A B\n",
			stderr);
		return 2;
	}
	options.a = argv[optind];
	options.b = argv[optind + 1];
	umask(022);
	if (setgroups(0, NULL)) {
		perror("setgroups");
		return 2;
	}
	return run_jobs(&options);
}
