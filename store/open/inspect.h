/*
 * inspect.h: opens a store for inspection, in the state that recovery would give it. Nothing on the disk is changed.
 *
 * The directory is locked against other processes, and files are opened through env_read_only. The KV engine is opened
 * for reading; committed log entries that its rows lack are applied in memory (kv_rocksdb_overlay.h). The region that a
 * split among them makes is there with its log. A log without rows whose split is not committed is ignored. An error of the
 * log engine or the block store is kept as a sentence, and the rest can still be inspected. One thread; blocks.
 */
#ifndef RAFTKV_STORE_OPEN_INSPECT_H
#define RAFTKV_STORE_OPEN_INSPECT_H

#include <stdbool.h>
#include <stdint.h>

#include "store/blocks/blocks.h"
#include "store/disk/data_dir.h"
#include "store/evaluate/evaluator.h"
#include "store/kv/kv_engine.h"
#include "store/log/log_engine.h"
#include "store/rows/rows.h"

/* Units whose bytes are in the log alone, because their entry is not applied, get addresses from here on. */
#define INSPECT_LOG_ADDRESS ((uint64_t)1 << 51)

struct inspect_options {
	struct env *env;
	const struct logger *logger;
	const char *path;
	struct evaluator *evaluator; /* of the layer above: says which half of a split gets a local row */
	uint64_t cache_size; /* bytes of the KV engine's cache */
};

struct inspect_region {
	struct region region;
	uint64_t
		applied; /* index up to which the KV engine on disk has rows; a split has made those up to the first index */
	uint64_t first; /* index of the log's first entry */
	uint64_t last;
	uint64_t synced; /* small payloads of entries up to here are durable in the block store */
	uint64_t term;
};

struct inspect {
	struct env *env; /* files can only be read */
	struct evaluator *evaluator;
	struct data_dir dir;
	struct kv_engine *kv;
	struct log_engine *log; /* NULL: `log_status` has the error */
	struct blocks *blocks; /* opened, not started; NULL: `blocks_status` has the error */
	struct status log_status; /* also the error of entries that could not be applied */
	struct status blocks_status;
	struct inspect_region *regions; /* regions whose state and apply state decode, unordered */
	uint32_t region_count;
	uint32_t applying_count; /* regions whose snapshot was being installed; their rows are hidden */
	uint64_t replayed; /* entries */
	uint64_t log_units; /* units with addresses from INSPECT_LOG_ADDRESS on */
};

/* -EBUSY: another process uses the store; -ENOENT: there is no store; STATUS_CORRUPT: IDENT or the KV engine is
 * damaged. All with a sentence. */
int inspect_open(const struct inspect_options *options, struct inspect **inspect, struct status *status);
void inspect_close(struct inspect *inspect); /* may be NULL */

/* Whether the next start writes this entry's small payloads again (recover.h), whatever the block store has now. */
bool inspect_is_rewritten(struct inspect *inspect, uint64_t region, uint64_t index);

#endif
