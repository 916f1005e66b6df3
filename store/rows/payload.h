/*
 * payload.h: the large bytes of one log entry on this replica: the extents that were given to them, the write that puts
 * them there, and the `beside` bytes by which the entry's log record names the extents.
 *
 * A leader also takes the units of an entry's small payloads before it proposes, as a payload of its own (`is_reserve`)
 * that is never written as such.
 *
 * The write is durable before the record is queued (storage.md § What must be durable before what). A payload belongs
 * to its peer until its entry is applied, when its extents become the rows', or is cut off, when they are freed.
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
	void *owner; /* of the write */
	payload_cb written;
	uint64_t term;
	uint64_t index;
	uint32_t units;
	uint32_t units_later; /* of a reserve that has no extents yet */
	uint32_t writes_pending;
	bool is_written; /* or read back from the log: durable */
	bool is_reserve; /* units for the small payloads of the entry, which nothing names yet */
	struct buf *bytes; /* while being written */
	struct buf *beside; /* the record's bytes */
	uint32_t part_count;
	struct payload_part *parts;
};

/* Takes extents for `units`: BLOCKS_NEW where the entry is to be proposed. 0, -ENOSPC or -ENOMEM. */
int payload_new(struct blocks *blocks, enum blocks_claim claim, uint32_t units, struct payload **payload);
/* Takes extents for small payloads of an entry that is to be proposed or appended: apply shall not meet a full disk. */
int payload_reserve(struct blocks *blocks, enum blocks_claim claim, uint32_t units, struct payload **payload);
/* A reserve of which only the size is known yet; and its extents, later: without room it stays empty. */
int payload_reserve_later(uint32_t units, struct payload **payload);
void payload_reserve_now(struct payload *payload, struct blocks *blocks);
/* Takes `count` units out of a reserve, into at most `count` extents. False: it has not so many. */
bool payload_take(struct payload *payload, uint32_t count, struct block_extent *extents);
/* From a log record's `beside`. 0, -ENOMEM or STATUS_CORRUPT. */
int payload_decode(struct slice beside, struct payload **payload);
void payload_free(struct payload *payload); /* the extents are somebody else's by now; may be NULL */

/* Writes and syncs `bytes` (shared); then `written` on `loop`. A failure never calls back: the store has failed. */
void payload_write(struct payload *payload, struct blocks *blocks, struct buf *bytes, struct env_loop *loop,
	payload_cb written, void *owner);

/* A new array of the extents, in order, for whoever edits rows; free() it. NULL: out of memory. */
struct block_extent *payload_extents(const struct payload *payload);
/* Gives the extents back: never named, or named by an entry that will never be applied. */
void payload_cancel(struct payload *payload, struct blocks *blocks);
void payload_release(struct payload *payload, struct blocks *blocks, uint64_t mark);

#endif
