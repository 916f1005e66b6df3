/*
 * payloads.h: how many bytes of file data (payloads) a mount's requests hold: of writes that have not been answered,
 * and of reads.
 *
 * The kernel limits its background requests (asynchronous direct I/O, read-ahead, writeback), but not how many threads
 * read or write synchronously, each up to LANE_WRITE_MAX bytes at a time. The size of a request is not known before its
 * data has been read into memory. So at PAYLOADS_SIZE_MAX bytes the lanes read no more requests, until a quarter of
 * them has been answered. Each lane may have begun to read one, so there may be LANE_WRITE_MAX more bytes for each
 * lane.
 *
 * The counted requests must be able to end without another request being read; else the mount would deadlock. So a
 * payload is counted only while the request waits for the store or the write-back, which need nothing of the kernel:
 *
 * - A write gives its payload back before it waits until the kernel has dropped pages: the kernel may be waiting for a
 *   read or a writeback of the file, whose request has not been read. A read never waits for pages.
 * - Waits for locks, and operations on names, may need another request (an unlock, an INTERRUPT). They have no payload
 *   here; nor have listings and extended attributes.
 * - The end of the connection is noticed without reading.
 *
 * When stores do not answer, requests have to be read nevertheless: a killed process closes its files, and no signal
 * ends that FLUSH; waits for locks have to be interrupted; and other regions may answer. So the limit rises to
 * PAYLOADS_OUTAGE_SIZE_MAX, more than all background requests of the kernel can hold, when a payload is older than the
 * watch's patience and no payload was answered between two looks of the watch. It falls again when no payload is that
 * old. A mount with an embedded store has no watch and only the first limit: its store answers, or its process ends.
 *
 * Other copies are not counted: data that is read from another machine arrives in a message of its own.
 *
 * Any thread.
 */
#ifndef RAFTKV_FS_FUSE_PAYLOADS_H
#define RAFTKV_FS_FUSE_PAYLOADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/env.h"

#define PAYLOADS_SIZE_MAX	 (UINT64_C(64) << 20)
#define PAYLOADS_OUTAGE_SIZE_MAX (UINT64_C(256) << 20)

struct payloads;

/* Waits for room. Embedded; the payloads' until `wake`. */
struct payloads_waiter {
	struct env_mail mail; /* the payloads' */
	struct payloads_waiter *next; /* the payloads' */
	struct env_loop *loop;
	env_mail_cb wake;
};

/* The last look of one watch at its requests. Zeroes at first. */
struct payloads_view {
	bool has_old; /* an old request had a payload */
	uint64_t answers; /* payloads answered so far */
};

struct payloads *payloads_new(void); /* NULL: no memory */
void payloads_free(struct payloads *payloads); /* nobody waits. May be NULL */

/* Counts a payload, also beyond the limit. */
void payloads_add(struct payloads *payloads, size_t size);
/* Takes the count back, when the payload has been answered or freed. */
void payloads_remove(struct payloads *payloads, size_t size);
/* Whether the lanes must not read requests. */
bool payloads_are_full(const struct payloads *payloads);
/* Waits for room. True: there is room, and `waiter` is not woken; false: it will be. */
bool payloads_wait(struct payloads *payloads, struct payloads_waiter *waiter);
/* A watch has looked at its requests. `has_old`: one of them has a payload and is older than the watch's patience. */
void payloads_look(struct payloads *payloads, struct payloads_view *view, bool has_old);

#endif
