/*
 * store_table.h: the stores of the cluster, as the store that leads region 1 knows them: the record and the last report
 * of each. The reports are not logged: every store reports to a new leader within about a second.
 *
 * The coordinator (coordinator.h) owns it; all on its loop.
 */
#ifndef RAFTKV_FS_CLUSTER_STORE_TABLE_H
#define RAFTKV_FS_CLUSTER_STORE_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "fs/cluster/labels.h"
#include "fs/cluster/region_table.h"
#include "fs/schema/ino_ranges.h"
#include "fs/schema/records.h"

#define STORE_REPORT_MS	 1000u /* between two reports of a store */
#define STORE_SILENCE_MS 5000u /* a store without a report for so long is silent */

struct store_stats {
	uint64_t space_total, space_available; /* bytes of its disk */
	bool is_full; /* raftkv_stats.is_full */
	/* Of the oldest intent in a region that the store leads (fs/schema/intent.h); 0: none is old. */
	uint64_t intent_age_ms, intent_region;
	uint64_t intent_awaits; /* the region whose leader began it */
	uint64_t data_used; /* bytes of file data */
	uint64_t data_total, data_free; /* bytes of file data: the most that fit; how many more fit now */
	uint64_t regions, leaders;
	/* The sum of the counts of inodes (records.h) of the regions that it leads. */
	int64_t inodes;
	bool counts_inodes; /* it knows them: all those regions count */
	/* Since the process began: */
	uint64_t writes;
	uint64_t reads_lease, reads_read_index, reads_follower;
	uint64_t log_syncs;
	uint64_t uptime_s;
	/* A region that it leads is over its size because of that dirid, and cannot be split; zeroes: none is. */
	uint64_t stuck_region, stuck_dirid, stuck_size;
	/* Likewise one that is too busy because of that dirid (microseconds of CPU per second). */
	uint64_t busy_region, busy_dirid;
	uint32_t busy_cpu_us;
};

/* What a store reports of itself. */
struct store_report {
	uint64_t store; /* 0: a new store, which asks for an id */
	uint64_t incarnation; /* 0: a new store */
	uint64_t directory_id;
	char address[RECORD_ADDRESS_SIZE_MAX + 1];
	char version[32];
	char labels[LABELS_SIZE_MAX + 1]; /* valid */
	struct store_stats stats;
	/* Borrowed; NULL: none. Inodes that have grace, in the regions other than 1 that it leads. */
	const struct ino_ranges *nameless;
	uint64_t
		split_dirid; /* where a region that it leads is to be split: it is over its size, or too busy; 0: none is */
	/* Regions that it leads, for the coordinator of that term (region_table.h): */
	uint64_t regions_term; /* 0: none is told */
	bool regions_begin, regions_end; /* they are the first, or the last ones, of a full report */
	uint32_t region_count;
	const struct region_report *regions; /* borrowed for the call that gets the report */
};

struct store_entry {
	uint64_t id;
	enum store_state state;
	uint64_t incarnation;
	uint64_t directory_id;
	uint64_t replacement;
	char address[RECORD_ADDRESS_SIZE_MAX + 1];
	uint64_t heard; /* env_now; 0: not yet */
	char version[32];
	char labels[LABELS_SIZE_MAX + 1]; /* of its last report */
	struct store_stats stats;
	uint64_t used_here; /* bytes of file data in the coordinator's own store at the last report */
	uint32_t replicas; /* on this store, of the regions of the coordinator's last pass */
};

struct store_table {
	uint32_t count;
	struct store_entry entries[STORE_COUNT_MAX]; /* by id; without removed stores */
};

void store_table_reset(struct store_table *table);
/* Replaces the records by those of `count` entries, in the order of their ids. Only the fields of the record are used:
 * the others are filled in from the reports so far. */
void store_table_set(struct store_table *table, struct store_entry *entries, uint32_t count);
struct store_entry *store_table_find(struct store_table *table, uint64_t id); /* NULL: none */
/* The store, neither lost nor removed, that has this address; NULL: none. */
struct store_entry *store_table_find_address(struct store_table *table, const char *address);

/* Takes a store's report. 0: it agrees with the records, and `*id` is its id; STATUS_NOT_FOUND: the store is to be
 * entered first; -ESTALE: it was lost, a greater incarnation is on record, or another directory; -EEXIST: another store
 * has its address. */
int store_table_report(
	struct store_table *table, const struct store_report *report, uint64_t now, uint64_t *id);

/* Has it reported in the last STORE_SILENCE_MS? */
bool store_entry_is_alive(const struct store_entry *entry, uint64_t now);

#endif
