/*
 * payloads.h: how many bytes of file data are on their way in a mount: of writes taken from the kernel that are not
 * durable yet, and of reads that are being made.
 *
 * The kernel limits its background requests (asynchronous direct I/O, read-ahead, writeback), but not how many threads
 * write or read by themselves, each up to LANE_WRITE_MAX at a time. And whoever reads a request has its data in memory:
 * the kernel does not say beforehand what comes next. So when PAYLOADS_SIZE_MAX bytes are on their way the lanes read no
 * requests at all, until a quarter has been answered. As each lane may have begun to read, there may be LANE_WRITE_MAX
 * more for each.
 *
 * What is under way comes to its end without another request being read, or the mount would stand still. So a payload is
 * counted only while the request waits for the store or the write-back, which need nothing of the kernel:
 *
 * - A write that waits until the kernel has dropped pages has given its payload back: the kernel may wait in turn for a
 *   read or a writeback of the file, whose request nobody has read. A read never waits for that.
 * - Waits for locks, and operations on names, may well need another request (an unlock, an INTERRUPT). They have no
 *   payload here; nor have listings and extended attributes.
 * - The end of the connection is noticed without reading.
 *
 * Stores that do not answer are another matter: a process that is killed closes its files, and no signal ends that
 * request; locks would not be interrupted; and other regions may answer. So when a payload has waited for so long that
 * the watch looks at it and no payload has been answered from one look to the next, PAYLOADS_OUTAGE_SIZE_MAX bytes may be
 * on their way, which is more than the kernel's background requests can be. This holds until none has waited for long.
 * An embedded store answers, or its process ends: its mount has no watch, and the one limit.
 *
 * Copies further down are not counted: what is read from another machine arrives in a message of its own.
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

/* Somebody waits for room. Embedded; the payloads' until `wake`. */
struct payloads_waiter {
	struct env_mail mail; /* the payloads' */
	struct payloads_waiter *next; /* the payloads' */
	struct env_loop *loop;
	env_mail_cb wake;
};

/* What a watch saw when it last looked at its requests. Zeroes at first. */
struct payloads_view {
	bool has_old;
	uint64_t answers;
};

struct payloads *payloads_new(void); /* NULL: no memory */
void payloads_free(struct payloads *payloads); /* nobody waits. May be NULL */

/* So many bytes are on their way, whatever the limit. */
void payloads_add(struct payloads *payloads, size_t size);
/* They are no longer. */
void payloads_remove(struct payloads *payloads, size_t size);
/* No request is to be read. */
bool payloads_are_full(const struct payloads *payloads);
/* Until there is room. True: there is, and `waiter` is not woken; false: it will be. */
bool payloads_wait(struct payloads *payloads, struct payloads_waiter *waiter);
/* `has_old`: among the requests of this view there is one that has a payload and has waited for long. */
void payloads_look(struct payloads *payloads, struct payloads_view *view, bool has_old);

#endif
