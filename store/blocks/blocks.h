/*
 * blocks.h: the block store, where file data lies: large files of 4 KiB units, given out as immutable extents.
 *
 * An extent is written once, read many times, and freed when nothing refers to it; it is never overwritten
 * (copy-on-write). Rows of the KV engine (extent_map.h) say which extents make up an object and hold the checksum of
 * every unit; the block store knows addresses only.
 *
 * Files are blocks/0000, 0001, …, each of `file_size` bytes but the last, which grows by chunks. The first unit of a
 * file is its header. Disk space is taken and given back by whole chunks (of file_size / 16, at most 64 MiB), ahead of
 * need, by blocks_maintain.
 *
 * Which units are free is not stored: at start every reference in the rows and in the live log is reported with
 * blocks_mark_used, then blocks_start frees the rest. A unit reported twice is STATUS_CORRUPT.
 *
 * When an extent may be reused (storage.md § What must be durable before what): blocks_free takes it out of use at once
 * but gives it out again only after (1) blocks_release with a mark >= the one given to blocks_free: the KV engine has flushed
 * the unmapping and the log that named the extent is released, and the payload that replaced it is synced; and (2) no
 * reader that entered before the free is left.
 *
 * Writes never pass through the page cache where the filesystem knows O_DIRECT: a dirty page that spans more than one
 * unit (a large folio) could be written over a neighbour that went to the disk directly. Reads do pass through it.
 *
 * Threads: all calls on any thread. Completions go to the loop named. A failed write or sync is final: it is reported
 * through `options.failed`, and every later write and sync gets -EIO.
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
	uint64_t
		file_size; /* bytes, a multiple of 64 KiB; of a new store: an old one keeps its own [1 GiB] */
	uint64_t reserve_size; /* bytes of the disk that data may not take [64 MiB] */
	void (*failed)(void *argument, int status, const char *sentence); /* once; on any thread */
	void *failed_argument;
	/* blocks_maintain should run soon; any thread, from inside blocks_allocate; may be NULL. */
	void (*wanted)(void *argument);
	void *wanted_argument;
};

/* Blocks. STATUS_CORRUPT: a file is missing, strange, or of a wrong size. Makes nothing but the directory: a store
 * opens on a full disk. */
int blocks_open(const struct blocks_options *options, struct blocks **blocks, struct status *status);
/* Only between open and start. STATUS_CORRUPT: a unit that was reported before, or that the store does not have. */
int blocks_mark_used(struct blocks *blocks, struct block_extent extent, struct status *status);
int blocks_start(struct blocks *blocks); /* 0 or -ENOMEM */
void blocks_close(struct blocks *blocks); /* no request in flight; may be NULL */

/* Prepares disk space ahead of need and gives back what is no longer needed, a bounded piece of work a call. Blocks: a
 * worker. To be called when `options.wanted` asks for it, and every second. */
void blocks_maintain(struct blocks *blocks);

/* What the units are for. What is new may be refused; what a region's leader has admitted may take half of the reserve:
 * else the first follower whose disk is a little fuller would keep all that comes later, removals too, from being
 * committed. What is committed is to be applied, and may take all of it. */
enum blocks_claim { BLOCKS_NEW, BLOCKS_ADMITTED, BLOCKS_COMMITTED };

/* Takes free units: one extent if `count` fits in one run, else the largest run there is; call again for the rest.
 * 0, -ENOSPC (the reserve is reached), or another -errno. Blocks only if blocks_maintain fell behind. */
int blocks_allocate(
	struct blocks *blocks, enum blocks_claim claim, uint32_t count, struct block_extent *extent);
/* Gives back an extent that no row or record ever named; at once. */
void blocks_cancel(struct blocks *blocks, struct block_extent extent);
/* Out of use, all or any part of what was allocated; see above. `mark` is a number of the caller that, by and large,
 * only grows: calls may overtake each other, at the cost of sorting. */
void blocks_free(struct blocks *blocks, struct block_extent extent, uint64_t mark);
/* Everything freed with a mark <= `mark` may be reused once the readers now inside have left. */
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
	struct iovec *vector; /* borrowed until `done`; whole units together; the environment may change it */
	int vector_count; /* ≤ 1024. To write without a copy, all parts are aligned to 4 KiB, length too */
	bool sync; /* durable when done; else durable after a later blocks_sync */
	struct env_loop *loop; /* where `done` runs */
	blocks_cb done;
	int status;
};

void blocks_write(struct blocks *blocks, struct blocks_request *request);
/* Writes the whole extent behind the caller's back: its bytes are copied, and whoever reads the extent from now on gets
 * them, wherever they are. `done` comes when they have reached the disk; durable after a later blocks_sync. -ENOMEM: it
 * will not, and nothing was begun. */
int blocks_defer(struct blocks *blocks, struct blocks_request *request);

/* Calls back when every write that blocks_defer was given so far is done. */
struct blocks_drain {
	struct env_mail mail; /* the block store's */
	struct blocks_drain *next; /* the block store's */
	uint64_t until; /* the block store's */
	struct env_loop *loop;
	env_mail_cb done; /* with `mail` */
};
void blocks_drain(struct blocks *blocks, struct blocks_drain *drain);

/* Reads on the calling thread, which it may block. */
int blocks_read_now(
	struct blocks *blocks, struct block_extent extent, uint32_t skip, void *bytes, uint32_t count);
/* Never waits for the disk: 0, or STATUS_WOULD_BLOCK when some of it is not in memory. */
int blocks_read_cached(
	struct blocks *blocks, struct block_extent extent, uint32_t skip, void *bytes, uint32_t count);
/* Writes all units of an extent on the calling thread, which it may block; durable after a later blocks_sync. */
int blocks_write_now(struct blocks *blocks, struct block_extent extent, const void *bytes);
/* Makes every write that completed before the call durable; blocks: a worker. */
int blocks_sync(struct blocks *blocks);

/* Readers. Enter before taking the KV snapshot whose rows name the extents; leave when the bytes have been read. */
struct blocks_reader {
	struct blocks_reader *previous, *next; /* the block store's */
	uint64_t epoch; /* the block store's */
};
void blocks_enter(struct blocks *blocks, struct blocks_reader *reader);
void blocks_leave(struct blocks *blocks, struct blocks_reader *reader);

struct blocks_stats {
	uint64_t total_units; /* what data could take if the disk were ours, reserve excluded */
	uint64_t used_units; /* in use, or freed and not yet reusable */
	uint64_t waiting_units; /* of them, freed and not yet reusable */
	bool is_direct; /* writes go around the page cache */
};
void blocks_stats(struct blocks *blocks, struct blocks_stats *stats);

/* Checksum of one unit: XXH3, low 32 bits, seeded with nothing. */
uint32_t blocks_checksum(const void *unit);

#endif
