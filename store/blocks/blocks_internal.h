/* Shared by the files blocks*.c of the block store. */
#ifndef RAFTKV_STORE_BLOCKS_BLOCKS_INTERNAL_H
#define RAFTKV_STORE_BLOCKS_BLOCKS_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/blocks/block_allocator.h"
#include "store/blocks/block_waiting.h"
#include "store/blocks/blocks.h"
#include "store/blocks/deferred_writes.h"
#include "store/blocks/unit_bitmap.h"

#define BLOCKS_PATH_MAX	       4096
#define BLOCKS_CHUNK_UNITS_MAX ((64u << 20) / BLOCK_UNIT_SIZE)
#define BLOCKS_CHUNKS_PER_FILE 16u

struct block_file {
	struct env_file *synced; /* O_DIRECT and O_DSYNC */
	struct env_file *deferred; /* O_DIRECT */
	struct env_file *reading;
	bool dirty; /* unsynced writes have completed since the last sync */
};

enum chunk_state {
	CHUNK_RESIDENT, /* has its disk space; its units are in the allocator, waiting or in use */
	CHUNK_STALE, /* free since the start; may have disk space */
	CHUNK_PUNCHED, /* free, without disk space */
};

struct blocks {
	struct blocks_options options;
	char *path;
	uint64_t identity; /* random, in every file's header */
	uint64_t file_units; /* fixed when the first file is made */
	uint64_t chunk_units;
	bool is_direct;
	bool started;
	atomic_bool has_failed;

	pthread_mutex_t space; /* held while disk space is taken or given back; taken before `lock` */
	pthread_mutex_t syncing; /* held during a sync; taken before `lock` */

	pthread_mutex_t deferring; /* guards the next two; no other lock is taken under it */
	struct deferred_writes deferred;
	struct blocks_drain *drains; /* in the order of their `until` */
	_Atomic size_t deferred_count; /* as in `deferred` */

	pthread_mutex_t lock; /* guards everything below */
	struct block_file *files;
	uint64_t file_count;
	uint8_t *chunks; /* enum chunk_state */
	uint64_t chunk_count;
	uint64_t resident_chunks;
	struct unit_bitmap used; /* until blocks_start: the reported units */
	struct block_allocator free;
	struct block_waiting waiting;
	bool told_wanted;
};

/* blocks.c */
/* Calls `options.failed`, once. */
void blocks_fail(struct blocks *blocks, int status, const char *what);

/* blocks_io.c */
int blocks_copy_vector(struct blocks_request *request); /* into `copy`, aligned. 0 or -ENOMEM */
void blocks_submit_deferred(
	struct blocks *blocks, struct blocks_request *request); /* a write without a sync */

/* blocks_deferred.c */
/* Removes a deferred write whose bytes are on the disk, or which failed. */
void blocks_deferred_arrived(struct blocks *blocks, const struct blocks_request *request);
/* If the unit at `address` is in a deferred write, reads it from memory and returns true. Either way limits `*count` to
 * the units for which the answer is the same. */
bool blocks_deferred_read(struct blocks *blocks, uint64_t address, uint32_t *count, void *bytes);

/* blocks_files.c */
int blocks_files_open(struct blocks *blocks, struct status *status);
void blocks_files_close(struct blocks *blocks);
/* Takes disk space for one more chunk, and puts its units into the allocator. `space` held, `lock` not. 0, -ENOSPC or
 * another -errno. */
int blocks_files_grow(struct blocks *blocks, enum blocks_claim claim);
/* Gives one free chunk's disk space back. `space` held, `lock` not. False: no chunk can be given back. */
bool blocks_files_shrink(struct blocks *blocks);

/* blocks_header.c: the first unit of every file. */
struct blocks_header {
	uint64_t identity;
	uint64_t number; /* the file's number */
	uint64_t file_units;
};

void blocks_header_encode(const struct blocks_header *header, void *unit);
int blocks_header_decode(const void *unit, struct blocks_header *header); /* 0 or STATUS_CORRUPT */

#endif
