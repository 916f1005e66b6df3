#include "tests/lib/seeds.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/check.h"

#define HEAP_SIZE (256 << 20) /* address space */
#define HUGE_PAGE (UINT64_C(2) << 20)

/* A run takes new memory all the time, for what it kills it does not free. Half of its time would go for page faults: so the
 * heap is made at once, of huge pages where the kernel has them. */
static void make_heap(void)
{
	uintptr_t begin = (uintptr_t)sbrk(0), end;
	void *volatile first; /* or the compiler takes nothing */

	mallopt(M_MMAP_THRESHOLD, 32 << 20);
	mallopt(M_TRIM_THRESHOLD, 2 * HEAP_SIZE);
	mallopt(M_TOP_PAD, HEAP_SIZE);
	first = malloc(HEAP_SIZE / 64);
	free(first);
	begin = (begin + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
	end = (uintptr_t)sbrk(0) & ~(HUGE_PAGE - 1);
	if (end > begin)
		madvise((void *)begin, end - begin, MADV_HUGEPAGE);
}

/* `shift` bytes of heap are taken first, so that a run that depends on addresses does not repeat. */
static bool run_child(void (*run)(void *argument, uint64_t seed), void *argument, uint64_t seed, size_t shift)
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	check(child >= 0);
	if (child == 0) {
		void *volatile hole; /* or the compiler leaves it out */

		make_heap();
		hole = malloc(shift);
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
