/*
 * inspect.h: a store as it would be after recovery, for who only wants to look: nothing on the disk is changed.
 *
 * The directory is locked against other processes; files are reached through env_read_only; the KV engine is opened for
 * reading, and what the raft log holds above its rows (everything that was acknowledged and not yet flushed) is applied
 * in memory (kv_rocksdb_overlay.h). What an engine finds wrong while opening is kept as a sentence, and the rest can still be
 * looked at. One thread; blocks.
 */
#ifndef RAFTKV_STORE_OPEN_INSPECT_H
#define RAFTKV_STORE_OPEN_INSPECT_H

#include <stdbool.h>
#include <stdint.h>

#include "store/blocks/blocks.h"
#include "store/disk/data_dir.h"
#include "store/kv/kv_engine.h"
#include "store/log/log_engine.h"
#include "store/rows/rows.h"

/* Units whose bytes are in the log alone, since the entry has not been applied, get addresses from here on. */
#define INSPECT_LOG_ADDRESS ((uint64_t)1 << 51)

struct inspect_options {
	struct env *env;
	const struct logger *logger;
	const char *path;
	uint64_t cache_size; /* bytes of the KV engine's cache */
};

struct inspect_region {
	struct region region;
	uint64_t applied; /* index up to which the KV engine's rows go by themselves */
	uint64_t first; /* index of the log's first entry */
	uint64_t last;
	uint64_t synced; /* small payloads of entries up to here are durable in the block store */
	uint64_t term;
};

struct inspect {
	struct env *env; /* files can only be read */
	struct data_dir dir;
	struct kv_engine *kv;
	struct log_engine *log; /* NULL: `log_status` says why */
	struct blocks *blocks; /* opened, not started; NULL: `blocks_status` says why */
	struct status log_status; /* also of what could not be applied */
	struct status blocks_status;
	struct inspect_region *regions; /* whose state and apply state decode, in no order */
	uint32_t region_count;
	uint32_t applying_count; /* regions whose snapshot was being installed: none of their rows is seen */
	uint64_t replayed; /* entries */
	uint64_t log_units; /* given addresses from INSPECT_LOG_ADDRESS on */
};

/* -EBUSY: another process has the store; -ENOENT: there is none; STATUS_CORRUPT: IDENT, or the KV engine, is damaged;
 * all with a sentence. */
int inspect_open(const struct inspect_options *options, struct inspect **inspect, struct status *status);
void inspect_close(struct inspect *inspect); /* may be NULL */

/* Is the unit that this entry wrote written again at the next start (recover.h), whatever the block store has now? */
bool inspect_is_rewritten(struct inspect *inspect, uint64_t region, uint64_t index);

#endif
