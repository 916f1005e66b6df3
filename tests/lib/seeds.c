#include "tests/lib/seeds.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/check.h"

/* `shift` bytes of heap are taken first, so that a run that depends on addresses does not repeat. */
static bool run_child(void (*run)(void *argument, uint64_t seed), void *argument, uint64_t seed, size_t shift)
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	check(child >= 0);
	if (child == 0) {
		void *hole = malloc(shift);

		run(argument, seed);
		free(hole);
		fflush(stdout);
		_exit(0);
	}
	check(waitpid(child, &status, 0) == child);
	if (WIFSIGNALED(status))
		printf("violation: signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool seeds_run(
	void (*run)(void *argument, uint64_t seed), void *argument, uint64_t seed, const uint64_t *trace)
{
	uint64_t first;

	if (!run_child(run, argument, seed, 1))
		return false;
	if (seed % SEEDS_TWICE_EVERY != 0)
		return true;
	first = *trace;
	if (!run_child(run, argument, seed, 1 << 20))
		return false;
	if (*trace != first)
		printf("violation: the same seed does something else the second time\n");
	return *trace == first;
}
