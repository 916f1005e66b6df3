/*
 * Random I/O on one file, each byte checked against a shadow in memory.
 *
 *   fsx [--seed N] [--seeds COUNT] [--ops N] [--processes N] [--locked] FILE
 *
 * One process uses the whole file and changes its size. Several processes have a stripe each, or with --locked take
 * turns on everything under a POSIX lock. A failure prints the operations before it and the command that replays it.
 */
#include "tests/fsx/model.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct options {
	uint64_t seed, seeds;
	unsigned ops, processes;
	bool locked;
	const char *path;
};

static bool run_worker(const struct options *options, struct shadow *shadow, uint64_t seed, unsigned index)
{
	const off_t stripe = FILE_MAX / options->processes;
	struct worker *worker = calloc(1, sizeof(*worker));
	bool right;

	if (!worker)
		return false;
	*worker = (struct worker){.path = options->path,
		.shadow = shadow,
		.random = seed * 1000003 + index * 7919,
		.begin = options->locked ? 0 : stripe * index,
		.end = options->locked ? FILE_MAX : stripe * (index + 1),
		.is_locked = options->locked,
		.buffer = aligned_alloc(4096, FILE_MAX)};
	right = worker->buffer && worker_open(worker);
	for (unsigned i = 0; right && i < options->ops; i++)
		right = worker_step(worker);
	if (right && options->processes == 1)
		right = worker_verify(worker);
	worker_close(worker);
	free(worker->buffer);
	free(worker);
	return right;
}

/* Stripes need a file that has its full size from the start. */
static bool prepare(const struct options *options, struct shadow *shadow)
{
	struct worker worker = {.path = options->path};
	bool right;

	unlink(options->path);
	memset(shadow, 0, sizeof(*shadow));
	if (!worker_open(&worker))
		return false;
	if (options->processes > 1 && !options->locked)
		shadow->size = FILE_MAX;
	right = ftruncate(worker.fd, shadow->size) == 0;
	worker_close(&worker);
	return right;
}

static bool run_seed(const struct options *options, struct shadow *shadow, uint64_t seed)
{
	bool right = prepare(options, shadow);
	int status;

	for (unsigned i = 0; right && i < options->processes; i++) {
		pid_t child = fork();

		if (child == 0)
			exit(run_worker(options, shadow, seed, i) ? 0 : 1);
		right = child > 0;
	}
	while (wait(&status) > 0)
		right = right && status == 0;
	if (right && options->processes > 1) {
		struct worker worker = {.path = options->path,
			.shadow = shadow,
			.end = FILE_MAX,
			.buffer = aligned_alloc(4096, FILE_MAX)};

		right = worker.buffer && worker_open(&worker) && worker_verify(&worker);
		worker_close(&worker);
		free(worker.buffer);
	}
	if (!right)
		printf("replay: fsx --seed %ju --ops %u --processes %u%s %s\n", (uintmax_t)seed, options->ops,
			options->processes, options->locked ? " --locked" : "", options->path);
	return right;
}

int main(int argc, char **argv)
{
	static const struct option known[] = {{"seed", required_argument, NULL, 's'},
		{"seeds", required_argument, NULL, 'n'}, {"ops", required_argument, NULL, 'o'},
		{"processes", required_argument, NULL, 'p'}, {"locked", no_argument, NULL, 'l'}, {0}};
	struct options options = {.seed = 1, .seeds = 1, .ops = 1000, .processes = 1};
	struct shadow *shadow;
	bool right = true;

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
		case 'p':
			options.processes = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'l':
			options.locked = true;
			break;
		default:
			return 2;
		}
	}
	if (optind + 1 != argc || options.processes < 1 || options.processes > 64) {
		fputs("usage: fsx [--seed N] [--seeds COUNT] [--ops N] [--processes N] [--locked] FILE\n",
			stderr);
		return 2;
	}
	options.path = argv[optind];
	setvbuf(stdout, NULL, _IOLBF, 0);
	shadow = mmap(NULL, sizeof(*shadow), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shadow == MAP_FAILED) {
		perror("mmap");
		return 2;
	}
	for (uint64_t i = 0; right && i < options.seeds; i++)
		right = run_seed(&options, shadow, options.seed + i);
	if (right)
		printf("%ju seeds of %u operations: every byte as expected\n", (uintmax_t)options.seeds,
			options.ops);
	return right ? 0 : 1;
}
