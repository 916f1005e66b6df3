/*
 * snapshot_source.h: the content of a region at one index, read for another store. snapshot_chunk.h has its format,
 * transport.h the calls that read it.
 *
 * A source enters the block store as a reader and then takes a snapshot of the KV engine, so that every extent its rows
 * name keeps its bytes. Its memory is one chunk. It keeps old rows and freed extents alive, so their number is limited
 * (raftkv_options.snapshot_count_max).
 */
#ifndef RAFTKV_STORE_SNAPSHOT_SNAPSHOT_SOURCE_H
#define RAFTKV_STORE_SNAPSHOT_SNAPSHOT_SOURCE_H

#include <stdint.h>

#include "raft/raft.h"
#include "store/snapshot/snapshot_sink.h"

/* Opens the region's present content, and fills `snapshot` (index, term, members, head), which the caller closes. With
 * `is_measured` it reads every row once more to measure the content. Blocks. 0; STATUS_LIMIT: too many sources;
 * STATUS_NOT_FOUND: the region has no rows here; -ENOMEM or the engine's error. */
int snapshot_source_new(struct snapshots *snapshots, uint64_t region, bool is_measured,
	struct snapshot_source **source, struct raft_snapshot *snapshot);
/* The snapshot's index. */
uint64_t snapshot_source_index(const struct snapshot_source *source);
/* Bytes that a receiver needs: file data, and rows in the stage and in the engine. 0: not measured. */
uint64_t snapshot_source_content_size(const struct snapshot_source *source);

#endif
