/*
 * How much file data the cluster can take. As long as the regions are on no more stores than region 1 has voters, all are
 * on the same ones, and a write needs room on a majority. More stores share the regions out, and all their room counts.
 */
#include <stdlib.h>

#include "fs/cluster/coordinator_internal.h"

static int by_free_descending(const void *a, const void *b)
{
	uint64_t left = ((const struct coordinator_room *)a)->free,
		 right = ((const struct coordinator_room *)b)->free;

	return left < right ? 1 : left > right ? -1 : 0;
}

static uint64_t used_here(const struct coordinator *coordinator)
{
	struct raftkv_stats stats;

	raftkv_stats(coordinator->options.raftkv, &stats);
	return stats.blocks.used_units * BLOCK_UNIT_SIZE;
}

void coordinator_note_use(struct coordinator *coordinator, struct store_entry *entry)
{
	entry->used_here = used_here(coordinator);
}

/* The room that the store reported, less the data written since: this store's own growth measures that. */
static struct coordinator_room room_of(const struct store_entry *entry, uint64_t used_now)
{
	const struct store_stats *stats = &entry->stats;
	uint64_t grown = used_now > entry->used_here ? used_now - entry->used_here : 0;

	return (struct coordinator_room){
		.total = stats->data_total, .free = stats->data_free > grown ? stats->data_free - grown : 0};
}

/* Each region is counted by the store that led it at its last report. A region that has just changed its leader may be
 * counted twice, or not. 0: a store does not count. */
static uint64_t count_inodes(const struct store_table *stores)
{
	int64_t count = 0;

	for (uint32_t i = 0; i < stores->count; i++) {
		const struct store_entry *entry = &stores->entries[i];

		if (!store_state_is_in(entry->state))
			continue;
		if (!entry->stats.counts_inodes)
			return 0;
		count += entry->stats.inodes;
	}
	return count > 0 ? (uint64_t)count : 0;
}

/* Where more stores than the voters of a region have regions: what they have together, each byte as often as it has
 * voters. */
static void take_spread(const struct coordinator *coordinator, uint32_t voters, uint64_t used_now,
	struct coordinator_room *room)
{
	struct coordinator_room sum = {0};
	uint32_t count = 0;

	for (uint32_t i = 0; i < coordinator->stores.count; i++) {
		const struct store_entry *entry = &coordinator->stores.entries[i];
		struct coordinator_room part = room_of(entry, used_now);

		if (!store_state_is_in(entry->state) || entry->heard == 0 || entry->stats.regions == 0)
			continue;
		sum.total += part.total;
		sum.free += part.free;
		count++;
	}
	if (count <= voters)
		return;
	room->total = sum.total / voters;
	room->free = sum.free / voters;
}

bool coordinator_room(struct coordinator *coordinator, struct coordinator_room *room)
{
	const struct region_table *table = &coordinator->places->table;
	const struct region_entry *region = region_table_find(table, CLUSTER_REGION);
	const struct region_replica *replicas;
	struct coordinator_room rooms[REGION_PEERS_MAX];
	uint64_t used_now = used_here(coordinator);
	uint32_t voters = 0, known = 0;

	if (coordinator->term == 0 || !region)
		return false;
	replicas = region_entry_replicas(region);
	for (uint32_t i = 0; i < region->replica_count; i++) {
		const struct store_entry *entry =
			store_table_find(&coordinator->stores, table->stores[replicas[i].store].id);

		if ((replicas[i].roles & REGION_VOTER) == 0)
			continue;
		voters++;
		if (entry && entry->heard > 0)
			rooms[known++] = room_of(entry, used_now);
	}
	if (known <= voters / 2)
		return false;
	qsort(rooms, known, sizeof rooms[0], by_free_descending);
	*room = rooms[voters / 2];
	take_spread(coordinator, voters, used_now, room);
	room->inodes = count_inodes(&coordinator->stores);
	return true;
}
