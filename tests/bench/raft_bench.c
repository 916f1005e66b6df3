/*
 * Three nodes in one thread over memory storages: proposing, replicating and committing batches of 64 entries of 256
 * bytes. Prints entries a second, allocations an entry and the memory of an idle replica.
 */
#include <stdio.h>
#include <time.h>

#include "tests/unit/raft/cluster.h"

#define BATCH	    64
#define ENTRY_BYTES 256
#define BATCHES	    20000
#define LOG_KEPT    4096 /* entries */

/* Counting allocations: the C library lets a program bring its own malloc and keeps its own under these names. */
static size_t allocations;

#ifndef __SANITIZE_ADDRESS__
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

void *malloc(size_t size)
{
	allocations++;
	return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	allocations++;
	return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
	allocations++;
	return __libc_realloc(memory, size);
}
#endif

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void propose_batch(struct raw_node *leader)
{
	struct raft_entry entries[BATCH] = {0};

	for (unsigned i = 0; i < BATCH; i++) {
		entries[i].data = buf_new(ENTRY_BYTES);
		check(entries[i].data != NULL);
	}
	check(raw_node_propose_entries(leader, entries, BATCH) == 0);
	for (unsigned i = 0; i < BATCH; i++)
		buf_unref(entries[i].data);
}

static void compact(struct cluster *cluster)
{
	for (unsigned i = 0; i < cluster->count; i++) {
		struct cluster_node *node = &cluster->nodes[i];

		if (node->applied > node->memory.compacted_index + 2 * LOG_KEPT)
			check(memory_storage_compact(&node->memory, node->applied - LOG_KEPT) == 0);
	}
}

int main(void)
{
	struct raft_config config = cluster_config();
	struct cluster cluster;
	size_t memory, allocations_before;
	uint64_t applied_before;
	double begin, took, count;

	cluster_init(&cluster, 3, &config);
	memory = raw_node_memory(cluster_at(&cluster, 1));
	cluster_elect(&cluster, 1);
	applied_before = cluster.nodes[2].applied;
	allocations_before = allocations;
	begin = seconds();
	for (unsigned i = 0; i < BATCHES; i++) {
		propose_batch(cluster_at(&cluster, 1));
		cluster_settle(&cluster);
		if (i % 64 == 0)
			compact(&cluster);
	}
	took = seconds() - begin;
	count = (double)(cluster.nodes[2].applied - applied_before);
	printf("raft_commit\t%.0f\tentries/s\n", count / took);
	printf("raft_commit_allocations\t%.2f\tallocations/entry\n",
		(double)(allocations - allocations_before) / count);
	printf("raft_idle_replica\t%zu\tbytes\n", memory);
	cluster_close(&cluster);
	return 0;
}
