/*
 * blocks.h: the block store, which holds file data in large files of 4 KiB units, allocated as immutable extents.
 *
 * An extent is written once, read many times, and freed when nothing refers to it; it is never overwritten
 * (copy-on-write). Rows of the KV engine (extent_map.h) say which extents make up an object and hold the checksum of
 * every unit; the block store knows addresses only.
 *
 * Files are blocks/0000, 0001, … Each has `file_size` bytes except the last, which grows by chunks. The first unit of a
 * file is its header. blocks_maintain takes disk space ahead of need and gives it back, in whole chunks (of file_size /
 * 16, at most 64 MiB).
 *
 * The set of free units is not stored. At start every reference in the rows and in the live log is reported with
 * blocks_mark_used, and blocks_start makes the rest free. A unit reported twice is STATUS_CORRUPT.
 *
 * When an extent may be reused (storage.md § What must be durable before what): blocks_free takes it out of use at
 * once. It is reused only after (1) blocks_release with a mark >= the one given to blocks_free, which says that the KV
 * engine has flushed the unmapping, the log that named the extent is released, and the payload that replaced it is
 * synced; and (2) every reader that entered before the free has left.
 *
 * Writes bypass the page cache if the filesystem supports O_DIRECT: a dirty page of more than one unit (a large folio)
 * could overwrite an adjacent unit that was written directly. Reads use the page cache.
 *
 * Threads: all calls on any thread. Completions run on the loop named in the request. A failed write or sync is final:
 * it is reported through `options.failed`, and every later write and sync gets -EIO.
 */
#ifndef RAFTKV_STORE_BLOCKS_BLOCKS_H
#define RAFTKV_STORE_BLOCKS_BLOCKS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/env.h"

#define BLOCK_UNIT_SIZE 4096u

/* Units [address, address + count) of the store's unit space; one extent never crosses a file. */
struct block_extent {
	uint64_t address; /* units */
	uint32_t count; /* units; > 0 */
};

struct blocks;

struct blocks_options {
	struct env *env;
	const struct logger *logger;
	const char *path; /* the directory, created if absent */
	/* bytes, a multiple of 64 KiB, for a new store; an existing store keeps its own [1 GiB] */
	uint64_t file_size;
	uint64_t reserve_size; /* bytes of the disk that data may not take [64 MiB] */
	void (*failed)(void *argument, int status, const char *sentence); /* called once, on any thread */
	void *failed_argument;
	/* Called when blocks_maintain should run soon, on any thread, from inside the block store. May be NULL. */
	void (*wanted)(void *argument);
	void *wanted_argument;
};

/* Blocks. STATUS_CORRUPT: a file is missing, foreign, or of a wrong size. Creates only the directory, so that a store
 * opens on a full disk. */
int blocks_open(const struct blocks_options *options, struct blocks **blocks, struct status *status);
/* Only between open and start. STATUS_CORRUPT: a unit was reported before, or does not exist. */
int blocks_mark_used(struct blocks *blocks, struct block_extent extent, struct status *status);
int blocks_start(struct blocks *blocks); /* 0 or -ENOMEM */
void blocks_close(struct blocks *blocks); /* no request in flight; may be NULL */

/* Takes disk space ahead of need and gives back unneeded space; the work of one call is bounded. Blocks: on a worker.
 * To be called after `options.wanted`, and every second. */
void blocks_maintain(struct blocks *blocks);

/* The purpose of an allocation. Data of new requests gets nothing of the reserve. Entries that a leader has admitted
 * may use half of the reserve: otherwise one follower with a slightly fuller disk could block all later entries,
 * removals included. Committed entries must be applied and may use all of the reserve. */
enum blocks_claim { BLOCKS_NEW, BLOCKS_ADMITTED, BLOCKS_COMMITTED };

/* Takes free units: one extent if `count` fits into one run, else the largest run. Call again for the rest. 0, -ENOSPC
 * (the reserve is reached), or another -errno. Blocks only if blocks_maintain fell behind. */
int blocks_allocate(
	struct blocks *blocks, enum blocks_claim claim, uint32_t count, struct block_extent *extent);
/* Makes an extent free at once, which no row or record ever named. */
void blocks_cancel(struct blocks *blocks, struct block_extent extent);
/* Takes all or a part of an allocated extent out of use; see above. The caller's `mark` mostly grows from call to call;
 * an out-of-order mark costs sorting. */
void blocks_free(struct blocks *blocks, struct block_extent extent, uint64_t mark);
/* Extents freed with a mark <= `mark` may be reused once the present readers have left. */
void blocks_release(struct blocks *blocks, uint64_t mark);

struct blocks_request;
typedef void (*blocks_cb)(struct blocks_request *request);

/* Writes whole units to an allocated extent, from its start. Embedded in its owner. */
struct blocks_request {
	struct env_file_request file; /* the block store's */
	struct blocks *blocks; /* the block store's */
	struct iovec copy; /* the block store's */
	bool is_deferred; /* the block store's */
	struct block_extent extent;
	/* Borrowed until `done`; its total is whole units; the environment may change it. */
	struct iovec *vector;
	/* ≤ 1024. No copy is made if the address and length of every part are aligned to 4 KiB */
	int vector_count;
	bool sync; /* durable when `done` runs; else after a later blocks_sync */
	struct env_loop *loop; /* where `done` runs */
	blocks_cb done;
	int status;
};

void blocks_write(struct blocks *blocks, struct blocks_request *request);
/* Deferred write of a whole extent: the bytes are copied, and every later read of the extent gets them from memory or
 * from the disk. `done` runs when they are written; they are durable after a later blocks_sync. -ENOMEM: nothing was
 * begun and `done` does not run. */
int blocks_defer(struct blocks *blocks, struct blocks_request *request);

/* Calls `done` when every write given to blocks_defer so far is done. */
struct blocks_drain {
	struct env_mail mail; /* the block store's */
	struct blocks_drain *next; /* the block store's */
	uint64_t until; /* the block store's */
	struct env_loop *loop;
	env_mail_cb done; /* called with `mail` */
};
void blocks_drain(struct blocks *blocks, struct blocks_drain *drain);

/* Reads on the calling thread; may block. */
int blocks_read_now(
	struct blocks *blocks, struct block_extent extent, uint32_t skip, void *bytes, uint32_t count);
/* Never waits for the disk: 0, or STATUS_WOULD_BLOCK if a part is not in memory. */
int blocks_read_cached(
	struct blocks *blocks, struct block_extent extent, uint32_t skip, void *bytes, uint32_t count);
/* Writes all units of an extent on the calling thread; may block. Durable after a later blocks_sync. */
int blocks_write_now(struct blocks *blocks, struct block_extent extent, const void *bytes);
/* Makes every write that completed before the call durable. Blocks: on a worker. */
int blocks_sync(struct blocks *blocks);

/* A reader enters before it takes the KV snapshot whose rows name the extents, and leaves when it has read the
 * bytes. */
struct blocks_reader {
	struct blocks_reader *previous, *next; /* the block store's */
	uint64_t epoch; /* the block store's */
};
void blocks_enter(struct blocks *blocks, struct blocks_reader *reader);
void blocks_leave(struct blocks *blocks, struct blocks_reader *reader);

struct blocks_stats {
	uint64_t total_units; /* units in use and units that the disk has room for, without the reserve */
	uint64_t used_units; /* in use, or freed and not yet reusable */
	uint64_t waiting_units; /* part of used_units: freed and not yet reusable */
	bool is_direct; /* writes bypass the page cache */
};
void blocks_stats(struct blocks *blocks, struct blocks_stats *stats);

/* Checksum of one unit: the low 32 bits of XXH3, seed 0. */
uint32_t blocks_checksum(const void *unit);

#endif
