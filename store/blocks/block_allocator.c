#include "store/blocks/block_allocator.h"

#include <errno.h>
#include <stdlib.h>

#include <uv/tree.h>

#include "proto/check.h"

#define ALIGNED_TRIES 64 /* runs looked at for an aligned range */

struct block_run {
	RB_ENTRY(block_run) by_address;
	RB_ENTRY(block_run) by_size;
	uint64_t address;
	uint64_t count;
};

RB_HEAD(address_tree, block_run);
RB_HEAD(size_tree, block_run);

static int compare_address(const struct block_run *a, const struct block_run *b)
{
	return (a->address > b->address) - (a->address < b->address);
}

static int compare_size(const struct block_run *a, const struct block_run *b)
{
	return a->count != b->count ? (a->count > b->count) - (a->count < b->count) : compare_address(a, b);
}

RB_GENERATE_STATIC(address_tree, block_run, by_address, compare_address)
RB_GENERATE_STATIC(size_tree, block_run, by_size, compare_size)

/* A tree's head has the root as its only member, so the header stores root pointers and needs no tree macros. */
static struct address_tree *addresses(const struct block_allocator *allocator)
{
	return (struct address_tree *)&allocator->by_address;
}

static struct size_tree *sizes(const struct block_allocator *allocator)
{
	return (struct size_tree *)&allocator->by_size;
}

static void link_run(struct block_allocator *allocator, struct block_run *run)
{
	RB_INSERT(address_tree, addresses(allocator), run);
	RB_INSERT(size_tree, sizes(allocator), run);
	allocator->runs++;
}

static void unlink_run(struct block_allocator *allocator, struct block_run *run)
{
	RB_REMOVE(address_tree, addresses(allocator), run);
	RB_REMOVE(size_tree, sizes(allocator), run);
	allocator->runs--;
}

static int add_run(struct block_allocator *allocator, uint64_t address, uint64_t count)
{
	struct block_run *run = malloc(sizeof *run);

	if (!run)
		return -ENOMEM;
	run->address = address;
	run->count = count;
	link_run(allocator, run);
	return 0;
}

/* A changed start never moves a run past an adjacent run, so only the size tree changes. */
static void reshape(
	struct block_allocator *allocator, struct block_run *run, uint64_t address, uint64_t count)
{
	RB_REMOVE(size_tree, sizes(allocator), run);
	run->address = address;
	run->count = count;
	RB_INSERT(size_tree, sizes(allocator), run);
}

void block_allocator_close(struct block_allocator *allocator)
{
	struct block_run *run;

	while ((run = RB_ROOT(addresses(allocator)))) {
		unlink_run(allocator, run);
		free(run);
	}
	allocator->units = 0;
}

/* The last run that starts at or before `address`, or NULL. */
static struct block_run *run_before(const struct block_allocator *allocator, uint64_t address)
{
	struct block_run *run = RB_ROOT(addresses(allocator));
	struct block_run *found = NULL;

	while (run) {
		if (run->address <= address)
			found = run;
		run = run->address <= address ? RB_RIGHT(run, by_address) : RB_LEFT(run, by_address);
	}
	return found;
}

int block_allocator_give(struct block_allocator *allocator, uint64_t address, uint64_t count)
{
	struct block_run *left = run_before(allocator, address);
	struct block_run *right = left ? RB_NEXT(address_tree, addresses(allocator), left)
				       : RB_MIN(address_tree, addresses(allocator));
	int status = 0;

	check(count > 0);
	check(!left || left->address + left->count <= address);
	check(!right || address + count <= right->address);
	if (left && left->address + left->count != address)
		left = NULL;
	if (right && address + count != right->address)
		right = NULL;
	if (left && right) {
		unlink_run(allocator, right);
		reshape(allocator, left, left->address, left->count + count + right->count);
		free(right);
	} else if (left) {
		reshape(allocator, left, left->address, left->count + count);
	} else if (right) {
		reshape(allocator, right, address, count + right->count);
	} else {
		status = add_run(allocator, address, count);
	}
	if (status == 0)
		allocator->units += count;
	return status;
}

/* The smallest run of at least `count` units, or NULL. */
static struct block_run *run_fitting(const struct block_allocator *allocator, uint64_t count)
{
	struct block_run wanted = {.count = count};

	return RB_NFIND(size_tree, sizes(allocator), &wanted);
}

static void take_front(struct block_allocator *allocator, struct block_run *run, uint64_t count)
{
	if (run->count == count) {
		unlink_run(allocator, run);
		free(run);
	} else {
		reshape(allocator, run, run->address + count, run->count - count);
	}
	allocator->units -= count;
}

bool block_allocator_take(struct block_allocator *allocator, uint32_t count, struct block_extent *extent)
{
	struct block_run *run = run_fitting(allocator, count);

	check(count > 0);
	if (!run)
		run = RB_MAX(size_tree, sizes(allocator));
	if (!run)
		return false;
	*extent = (struct block_extent){
		.address = run->address,
		.count = run->count < count ? (uint32_t)run->count : count,
	};
	take_front(allocator, run, extent->count);
	return true;
}

uint64_t block_allocator_largest(const struct block_allocator *allocator)
{
	const struct block_run *run = RB_MAX(size_tree, sizes(allocator));

	return run ? run->count : 0;
}

bool block_allocator_has(const struct block_allocator *allocator, uint64_t address, uint64_t count)
{
	const struct block_run *run = run_before(allocator, address);

	return run && address - run->address < run->count && run->count - (address - run->address) >= count;
}

int block_allocator_take_at(struct block_allocator *allocator, uint64_t address, uint64_t count)
{
	struct block_run *run = run_before(allocator, address);
	uint64_t front, back;

	if (!block_allocator_has(allocator, address, count))
		return -ENOENT;
	front = address - run->address;
	back = run->count - front - count;
	if (front == 0) {
		take_front(allocator, run, count);
		return 0;
	}
	if (back > 0 && add_run(allocator, address + count, back))
		return -ENOMEM;
	reshape(allocator, run, run->address, front);
	allocator->units -= count;
	return 0;
}

bool block_allocator_find_aligned(const struct block_allocator *allocator, uint64_t size, uint64_t *address)
{
	const struct block_run *run = RB_MAX(size_tree, sizes(allocator));

	for (int i = 0; i < ALIGNED_TRIES && run && run->count >= size; i++) {
		uint64_t start = (run->address + size - 1) / size * size;

		if (start - run->address <= run->count - size) {
			*address = start;
			return true;
		}
		run = RB_PREV(size_tree, sizes(allocator), (struct block_run *)run);
	}
	return false;
}
