/*
 * snapshot_source.h: the content of a region at one index, read for another store (snapshot_chunk.h has its form;
 * transport.h says how it is read).
 *
 * A source stands on a snapshot of the KV engine, taken while it stands among the block store's readers, so that every
 * extent its rows name keeps its bytes. Its memory is one chunk. It keeps old rows and freed extents alive: there are
 * few at once (raftkv_options.snapshot_count_max).
 */
#ifndef RAFTKV_STORE_SNAPSHOT_SNAPSHOT_SOURCE_H
#define RAFTKV_STORE_SNAPSHOT_SNAPSHOT_SOURCE_H

#include <stdint.h>

#include "raft/raft.h"
#include "store/snapshot/snapshot_sink.h"

/* The region's content now, and what raft says of it (index, term, members, head), the caller's to close. Measuring it
 * reads every row once more. Blocks. 0; STATUS_LIMIT: there are too many; STATUS_NOT_FOUND: the region has no rows here; -ENOMEM or the engine's error. */
int snapshot_source_new(struct snapshots *snapshots, uint64_t region, bool is_measured,
	struct snapshot_source **source, struct raft_snapshot *snapshot);
/* The index that it is of. */
uint64_t snapshot_source_index(const struct snapshot_source *source);
/* What a receiver needs: bytes of file data, and rows in the stage and in the engine. 0: it was not measured. */
uint64_t snapshot_source_content_size(const struct snapshot_source *source);

#endif
