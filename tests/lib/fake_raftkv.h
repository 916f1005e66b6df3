/*
 * fake_raftkv.h: raftkv.h without a store, for tests of the client and the front: the real evaluator over a region in
 * memory (fs_harness.h), on one loop of any environment.
 *
 * Each write takes a random time and is evaluated at the end of it, so that writes overtake one another. Now and then one
 * is refused for a while, or a row is not in memory. A program that calls fake_raftkv_new is linked with these functions
 * instead of the store's.
 */
#ifndef RAFTKV_TESTS_LIB_FAKE_RAFTKV_H
#define RAFTKV_TESTS_LIB_FAKE_RAFTKV_H

#include "store/raftkv.h"
#include "tests/lib/fs_harness.h"

struct fake_raftkv_options {
	struct env_loop *loop; /* every call is made on it */
	uint64_t seed;
	uint64_t delay_max_ns; /* of writes, and of reads that do not come at once */
	uint32_t refuse_one_in; /* writes and reads: NOT_LEADER, EPOCH_NOT_MATCH, LIMIT …; 0: none */
	uint32_t cold_one_in; /* rows not in memory; 0: none */
	uint32_t round_one_in; /* reads that need a round; 0: none */
	bool is_follower; /* of store 2: reads that are not `from_follower` are refused */
};

struct fake_raftkv_counts {
	uint64_t writes; /* evaluated */
	uint64_t data_writes; /* of them, OP_WRITE */
	uint64_t data_bytes;
	uint64_t refused;
	uint64_t in_flight; /* now */
	uint64_t data_in_flight_most;
	uint64_t overlaps; /* an OP_WRITE came while another one of the same bytes was on its way */
	uint64_t rounds; /* reads by raftkv_async_snapshot */
	uint64_t syncs; /* raftkv_sync; all is durable */
};

struct raftkv *fake_raftkv_new(const struct fake_raftkv_options *options);
void fake_raftkv_free(struct raftkv *raftkv); /* nothing is on its way */
struct fs_harness *fake_raftkv_files(struct raftkv *raftkv);
const struct fake_raftkv_counts *fake_raftkv_counts(const struct raftkv *raftkv);
/* OP_WRITE fails with `status` (-ENOSPC, STATUS_CORRUPT …) from now on; 0: no longer. */
void fake_raftkv_fail_data(struct raftkv *raftkv, int status);
/* Writes stay on their way until they are let go. */
void fake_raftkv_hold(struct raftkv *raftkv, bool hold);
/* The regions that it tells of, in the order of their ranges, borrowed for good; first region 1 alone, with all keys.
 * Reads and writes are not sorted by them: all go to the one in memory. */
void fake_raftkv_set_regions(struct raftkv *raftkv, const struct region *regions, uint32_t count);

/* What came of raftkv_split. The regions stay as they are. */
struct fake_raftkv_splits {
	int status; /* that they get; 0 at first */
	uint32_t count;
	/* Of the last one: */
	uint64_t region, new_region;
	struct region_epoch epoch;
	struct fs_key key;
};
struct fake_raftkv_splits *fake_raftkv_splits(struct raftkv *raftkv);

/* What came of raftkv_change_peers and raftkv_transfer_leader. The regions stay as they are. */
struct fake_raftkv_changes {
	int status; /* that they get; 0 at first */
	uint32_t count;
	struct region_change last; /* of raftkv_change_peers */
	uint32_t transfers;
	uint64_t region, store; /* of the last transfer */
};
struct fake_raftkv_changes *fake_raftkv_changes(struct raftkv *raftkv);

#endif
