/*
 * region_table.h: what the leader of region 1 knows of all regions, from the reports of the stores that lead them. It
 * lives in memory alone: a new leader of region 1 begins with an empty table and asks every store for a full report.
 *
 * Entries stand in chunks and without gaps, so that a pass over all is a loop over [0, count). An index of 4-byte
 * positions, hashed by the region's id, is at most three quarters full. A region of at most REGION_TABLE_INLINE
 * replicas takes its entry of 128 bytes, and at most 4 / (3/8) bytes of the index. Ranges are not kept.
 *
 * Sums for each store are kept with every change. Reports come from the network: one that is malformed is refused.
 *
 * The coordinator (coordinator.h) owns it; all on its loop. balance.h reads it.
 */
#ifndef RAFTKV_FS_CLUSTER_REGION_TABLE_H
#define RAFTKV_FS_CLUSTER_REGION_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "store/rows/region.h"

#define REGION_TABLE_INLINE	4u /* replicas in an entry: three, and one that is being added */
#define REGION_TABLE_CHUNK	1024u /* entries */
#define REGION_TABLE_STORES_MAX 1024u /* STATUS_LIMIT past it */
#define REGION_TABLE_NO_STORE	UINT16_MAX
#define REGION_TABLE_BYTES_MAX	(UINT64_C(1) << 42) /* of a region; more counts as so much: no sum overflows */

enum region_replica_flag {
	REGION_REPLICA_IS_DOWN = 1 << 0, /* its leader has not heard of it for long */
	REGION_REPLICA_IS_BEHIND = 1 << 1, /* it has not caught up, so that it must not lead */
};

/* A report of the store that leads a region. */
struct region_report_replica {
	uint64_t id;
	uint64_t store;
	uint8_t roles; /* enum region_role */
	uint8_t flags; /* enum region_replica_flag */
};

struct region_report {
	uint64_t region;
	struct region_epoch epoch;
	uint64_t term; /* in which `leader` leads */
	uint64_t leader; /* store; one of the replicas */
	uint64_t bytes; /* 0: unknown: what was told before stays */
	uint64_t rows;
	uint32_t cpu_us; /* microseconds of CPU per second; 0: unknown: what was told before stays */
	uint32_t ops; /* per second */
	uint32_t replica_count; /* 1 ≤ … ≤ REGION_PEERS_MAX */
	const struct region_report_replica *replicas; /* each on another store */
};

/* An entry. */
struct region_replica {
	uint64_t id;
	uint16_t store; /* position in region_table.stores */
	uint8_t roles;
	uint8_t flags;
};

enum region_flag {
	REGION_HAS_DOWN = 1 << 0, /* a replica is */
	REGION_IS_CHANGING = 1 << 1, /* a joint configuration */
	REGION_HAS_LEARNER = 1 << 2, /* it may wait for its vote */
};

struct region_entry {
	uint64_t id;
	struct region_epoch epoch;
	uint64_t term;
	uint64_t bytes, rows;
	uint32_t cpu_us, ops;
	uint32_t taken; /* region_table.sequence of its last report */
	uint16_t leader; /* position in region_table.stores; REGION_TABLE_NO_STORE: unknown */
	uint8_t flags; /* enum region_flag */
	uint8_t replica_count;
	union {
		struct region_replica here[REGION_TABLE_INLINE];
		struct region_replica *there; /* more than REGION_TABLE_INLINE */
	};
};

struct region_table_store {
	uint64_t id; /* 0: this position is free */
	uint32_t began; /* region_table.sequence when its full report began; 0: it has not */
	bool is_reporting; /* between the begin and the end of a full report */
	bool has_reported; /* one has ended */
	/* Sums of the regions: */
	uint32_t replicas, leaders;
	uint64_t bytes; /* of its replicas */
	uint64_t cpu_us, ops; /* of the regions that it leads */
};

struct region_table {
	uint32_t count, index_size; /* entries; positions in the index, a power of two or 0 */
	uint32_t chunk_count, chunk_capacity;
	struct region_entry **chunks;
	uint32_t *index; /* 1 + the entry's position; 0: free */
	uint32_t sequence; /* grows with each full report that begins */
	uint64_t version; /* grows when what is known of a region changes */
	/* Hashed by id. A store without replicas gives its position up when another needs it. */
	struct region_table_store stores[REGION_TABLE_STORES_MAX];
};

void region_table_init(struct region_table *table);
void region_table_close(struct region_table *table); /* as after init */

/* Takes a report. 0; -ESTALE: what is known has a later term, or a part of its epoch is later; STATUS_MALFORMED;
 * STATUS_LIMIT: too many stores; -ENOMEM. An error leaves what is known of the region as it is. Of two reports with the
 * same epoch and term the later one counts. */
int region_table_take(struct region_table *table, const struct region_report *report);
/* The region is no more. Entries change their positions. */
void region_table_remove(struct region_table *table, uint64_t region);

/* The full report of a store: begin, then region_table_take for each region that it leads, then end. With the end, the
 * leader of a region that the store led before and did not name is unknown: the region stays, with its replicas, until
 * another leader reports it. A begin within a report begins anew. 0 or STATUS_LIMIT. */
int region_table_begin_report(struct region_table *table, uint64_t store);
void region_table_end_report(
	struct region_table *table, uint64_t store); /* without a begin: nothing happens */
/* What the store said to lead has no known leader any more, and it has reported nothing: it is removed or was lost. */
void region_table_forget_store(struct region_table *table, uint64_t store);

/* NULL: unknown. Both are valid until the next call that changes the table. */
const struct region_entry *region_table_find(const struct region_table *table, uint64_t region);
const struct region_table_store *region_table_find_store(const struct region_table *table, uint64_t store);

static inline const struct region_entry *region_table_at(const struct region_table *table, uint32_t position)
{
	return &table->chunks[position / REGION_TABLE_CHUNK][position % REGION_TABLE_CHUNK];
}

static inline const struct region_replica *region_entry_replicas(const struct region_entry *entry)
{
	return entry->replica_count > REGION_TABLE_INLINE ? entry->there : entry->here;
}

/* Bytes of memory, `stores` and what allocators add apart. */
uint64_t region_table_memory(const struct region_table *table);

#endif
