/*
 * payload.h: the large bytes of one log entry on this replica: the extents they are written to, the write itself, and
 * the `beside` bytes by which the entry's log record names the extents.
 *
 * A reserve (`is_reserve`) is a payload that holds the units for an entry's small payloads. It is taken before the
 * entry is proposed or appended, and is never written itself.
 *
 * The write is durable before the record is queued (storage.md § What must be durable before what). A payload belongs
 * to its peer until its entry is applied, when rows name its extents, or is truncated from the log, when its extents
 * are freed.
 */
#ifndef RAFTKV_STORE_ROWS_PAYLOAD_H
#define RAFTKV_STORE_ROWS_PAYLOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "proto/buf.h"
#include "store/blocks/blocks.h"

#define PAYLOAD_PARTS_MAX 4096

struct payload;
typedef void (*payload_cb)(struct payload *payload);

struct payload_part {
	struct payload *payload;
	struct block_extent extent;
	struct blocks_request request;
	struct iovec vector;
};

struct payload {
	struct payload *next; /* the owner's list, by index */
	void *owner; /* given to payload_write, for `written` */
	payload_cb written;
	uint64_t term;
	uint64_t index;
	uint32_t units;
	uint32_t units_later; /* the size of a reserve without extents */
	uint32_t writes_pending;
	bool is_written; /* durable: written here, or read back from the log */
	bool is_reserve; /* holds units for the entry's small payloads, which nothing names yet */
	struct buf *bytes; /* held while being written */
	struct buf *beside; /* the log record's `beside` */
	uint32_t part_count;
	struct payload_part *parts;
};

/* Allocates extents for `units` units; with BLOCKS_NEW before a proposal. 0, -ENOSPC or -ENOMEM. */
int payload_new(struct blocks *blocks, enum blocks_claim claim, uint32_t units, struct payload **payload);
/* Allocates extents for the small payloads of an entry before it is proposed or appended, so that apply never finds the
 * disk full. */
int payload_reserve(struct blocks *blocks, enum blocks_claim claim, uint32_t units, struct payload **payload);
/* Makes a reserve of a given size without extents; payload_reserve_now allocates them. Without room it stays empty. */
int payload_reserve_later(uint32_t units, struct payload **payload);
void payload_reserve_now(struct payload *payload, struct blocks *blocks);
/* Takes `count` units out of a reserve, as at most `count` extents. False: it has fewer. */
bool payload_take(struct payload *payload, uint32_t count, struct block_extent *extents);
/* From a log record's `beside`. 0, -ENOMEM or STATUS_CORRUPT. */
int payload_decode(struct slice beside, struct payload **payload);
void payload_free(struct payload *payload); /* keeps the extents, which rows name; may be NULL */

/* Writes and syncs `bytes` (shared); then `written` on `loop`. On a failure there is no callback: the block store has
 * failed. */
void payload_write(struct payload *payload, struct blocks *blocks, struct buf *bytes, struct env_loop *loop,
	payload_cb written, void *owner);

/* A new array of the extents, in order, which the caller frees with free(). NULL: out of memory. */
struct block_extent *payload_extents(const struct payload *payload);
/* payload_cancel gives back extents that no record ever named; payload_release those that a record of a dropped entry
 * names. */
void payload_cancel(struct payload *payload, struct blocks *blocks);
void payload_release(struct payload *payload, struct blocks *blocks, uint64_t mark);

#endif
