/*
 * The consensus core on one core, in processor time: three nodes over memory storages that propose, replicate and commit
 * batches of 64 entries of 256 bytes, and read in batches; and what 100,000 idle groups cost a store that keeps them in
 * one heap of deadlines. The storages' work is in the stats; the network is a queue.
 */
#include <stdio.h>
#include <time.h>

#include "proto/heap.h"
#include "tests/unit/raft/cluster.h"

#define BATCH	    64
#define ENTRY_BYTES 256
#define BATCHES	    20000
#define LOG_KEPT    4096 /* entries */
#define READS	    2000000
#define GROUPS	    100000
#define TICKS_PER_S 10

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

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
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

static void bench_commits(struct cluster *cluster)
{
	uint64_t applied_before = cluster->nodes[2].applied;
	size_t allocations_before = allocations;
	double begin = seconds(), took, count;

	for (unsigned i = 0; i < BATCHES; i++) {
		propose_batch(cluster_at(cluster, 1));
		cluster_settle(cluster);
		if (i % 64 == 0)
			compact(cluster);
	}
	took = seconds() - begin;
	count = (double)(cluster->nodes[2].applied - applied_before);
	printf("commit_entries_per_s\t%.0f\tentries/s\n", count / took);
	printf("allocs_per_entry\t%.2f\tallocations\n", (double)(allocations - allocations_before) / count);
}

static void bench_reads(struct cluster *cluster)
{
	struct raft_read_states *reads = &cluster->nodes[0].reads;
	double begin = seconds();
	size_t answered = 0;

	while (answered < READS) {
		for (uint64_t i = 0; i < BATCH; i++) {
			struct buf *context = buf_copy(&i, sizeof i);

			check(context != NULL);
			check(raw_node_read_index(cluster_at(cluster, 1), context) == 0);
			buf_unref(context);
		}
		cluster_settle(cluster);
		check(reads->count == BATCH);
		for (size_t i = 0; i < reads->count; i++)
			buf_unref(reads->items[i].context);
		answered += reads->count;
		reads->count = 0;
	}
	printf("read_index_per_s\t%.0f\treads/s\n", (double)answered / (seconds() - begin));
}

/* ---- Idle groups ---- */

/* This store's replica of a group of three: its leader. */
struct group {
	struct heap_node deadline; /* first: a heap node is its group */
	struct memory_storage memory;
	struct raw_node *node;
};

static void handle_ready(struct group *group, struct raft_ready *ready)
{
	while (raw_node_has_ready(group->node)) {
		check(raw_node_ready(group->node, ready) == 0);
		check(memory_storage_save_ready(&group->memory, ready) == 0);
		check(raw_node_advance(group->node) == 0);
		raft_ready_clear(ready);
	}
}

static void answer(struct group *group, struct raft_ready *ready, enum raft_message_type type, uint64_t index)
{
	for (uint64_t peer = 2; peer <= 3; peer++) {
		struct raft_message message = {
			.type = type, .to = 1, .from = peer, .term = 1, .index = index};

		check(raw_node_step(group->node, &message) == 0);
		handle_ready(group, ready);
	}
}

static void group_open(struct group *group, struct raft_ready *ready)
{
	struct raft_config config = cluster_config();

	config.id = 1;
	memory_storage_init(&group->memory);
	for (uint64_t id = 1; id <= 3; id++)
		check(raft_ids_insert(&group->memory.snapshot.conf_state.voters, id) == 0);
	check(raw_node_new(&config, &group->memory.storage, &group->node, NULL) == 0);
	check(raw_node_campaign(group->node) == 0);
	handle_ready(group, ready);
	answer(group, ready, RAFT_MSG_VOTE_RESP, 0);
	answer(group, ready, RAFT_MSG_APP_RESP, 1);
}

/* One second of virtual time, as a store lives it; returns the processor time in per cent. */
static double live_a_second(struct group *groups, struct raft_ready *ready, uint64_t from_tick)
{
	struct heap heap = {0};
	double begin;

	for (size_t i = 0; i < GROUPS; i++)
		if (raw_node_deadline(groups[i].node) != RAFT_NEVER)
			check(heap_set(&heap, &groups[i].deadline, raw_node_deadline(groups[i].node)) == 0);
	begin = seconds();
	for (uint64_t tick = from_tick + 1; tick <= from_tick + TICKS_PER_S; tick++) {
		struct heap_node *first;

		while ((first = heap_first(&heap)) && first->key <= tick) {
			struct group *group = (struct group *)(void *)first;

			check(raw_node_tick_to(group->node, tick) == 0);
			handle_ready(group, ready);
			check(heap_set(&heap, first, raw_node_deadline(group->node)) == 0);
		}
	}
	begin = seconds() - begin;
	while (heap_first(&heap))
		heap_remove(&heap, heap_first(&heap));
	heap_close(&heap);
	return begin * 100;
}

static void bench_idle_groups(void)
{
	struct group *groups = calloc(GROUPS, sizeof *groups);
	struct raft_ready ready = {0};
	size_t bytes = 0;

	check(groups != NULL);
	for (size_t i = 0; i < GROUPS; i++)
		group_open(&groups[i], &ready);
	printf("idle_awake_groups_cpu_percent\t%.2f\t%%\n", live_a_second(groups, &ready, 0));
	for (size_t i = 0; i < GROUPS; i++) {
		check(raw_node_can_hibernate(groups[i].node));
		raw_node_hibernate(groups[i].node);
		bytes += raw_node_memory(groups[i].node);
	}
	printf("idle_groups_cpu_percent\t%.4f\t%%\n", live_a_second(groups, &ready, TICKS_PER_S));
	printf("idle_group_bytes\t%zu\tbytes\n", bytes / GROUPS);
	for (size_t i = 0; i < GROUPS; i++) {
		raw_node_free(groups[i].node);
		memory_storage_close(&groups[i].memory);
	}
	raft_ready_close(&ready);
	free(groups);
}

int main(void)
{
	struct raft_config config = cluster_config();
	struct cluster cluster;

	cluster_init(&cluster, 3, &config);
	cluster_elect(&cluster, 1);
	bench_commits(&cluster);
	bench_reads(&cluster);
	cluster_close(&cluster);
	bench_idle_groups();
	return 0;
}
