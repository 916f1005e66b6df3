/*
 * The simulated disk of one node, and the raft_storage that reads it.
 *
 * A write is one atomic record (hard state, entries, a snapshot, the state machine's position, a compaction). It is
 * visible at once in `live` and survives a crash only once disk_sync came after it: a crash keeps a random prefix of
 * the records that were not synced. A node's promises must rest on `durable`, which the model checks.
 */
#ifndef RAFTKV_TESTS_RAFT_CHAOS_DISK_H
#define RAFTKV_TESTS_RAFT_CHAOS_DISK_H

#include "raft/raft.h"
#include "tests/raft_chaos/conf_mask.h"
#include "tests/raft_chaos/random.h"

/* The state machine: it folds every entry it applies into `chain`. */
struct machine {
	uint64_t applied; /* index */
	uint64_t applied_term; /* of that entry */
	uint64_t chain;
	struct conf_mask conf; /* in force after that entry */
};

struct disk_image {
	struct raft_hard_state hard;
	uint64_t compacted; /* index before the log's first entry */
	uint64_t compacted_term;
	struct raft_entries entries;
	struct machine machine;
};

/* One atomic write; parts that are zero are not written. */
struct disk_record {
	bool has_hard;
	bool has_machine;
	bool is_snapshot; /* `machine` replaces log and state machine */
	struct raft_hard_state hard;
	struct machine machine;
	struct raft_entries entries;
	uint64_t compact_to; /* 0: no compaction */
};

struct disk {
	struct raft_storage storage; /* first: the vtable's argument is the disk */
	struct disk_image durable;
	struct disk_image live;
	struct disk_record *records; /* the ones not synced yet, in order */
	size_t count;
	size_t capacity;
	struct random random;
	uint32_t failing_reads; /* number of the next reads that may fail with -EIO */
	bool has_failed_read; /* since the caller last cleared it */
};

/* An empty disk. */
void disk_init(struct disk *disk, uint64_t seed);
void disk_close(struct disk *disk);

/* Takes what `record` holds and makes it visible in `live`. */
void disk_write(struct disk *disk, struct disk_record *record);
/* Makes the first `count` records durable. */
void disk_sync(struct disk *disk, size_t count);
/* The machine stops: a random prefix of the unsynced records survives. */
void disk_crash(struct disk *disk);

uint64_t disk_image_last_index(const struct disk_image *image);
/* The term at `index`; 0 when the image does not hold it. */
uint64_t disk_image_term(const struct disk_image *image, uint64_t index);
/* Whether the image holds the entry, or a snapshot that covers it. */
bool disk_image_covers(const struct disk_image *image, uint64_t index, uint64_t term);

/* The content of a snapshot: the chain. */
struct buf *machine_encode(const struct machine *machine);
struct machine machine_of_snapshot(const struct raft_snapshot *snapshot);

#endif
