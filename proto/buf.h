/*
 * Bytes: `struct buf`, refcounted and immutable once shared, and `struct slice`, a borrowed range.
 *
 * A payload is made once (buf_new, buf_copy, buf_wrap) and then travels by reference through proposals, the log,
 * messages, apply and replies; nobody copies it. References may be taken and dropped on any thread. The bytes may be
 * written only between buf_new and the first time the buf is shared.
 */
#ifndef RAFTKV_PROTO_BUF_H
#define RAFTKV_PROTO_BUF_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct slice {
	const void *data;
	size_t size; /* bytes */
};

struct buf {
	atomic_uint refs;
	void (*release)(void *argument); /* of a wrapped buf; NULL: the bytes follow the struct */
	void *argument;
	void *data;
	size_t size; /* bytes */
};

/* One allocation of `size` writable bytes, uninitialized. One reference, the caller's. NULL when out of memory. */
struct buf *buf_new(size_t size);

/* As buf_new, filled from `data`. */
struct buf *buf_copy(const void *data, size_t size);

/* Wraps memory of the caller; `release(argument)` runs once, on whichever thread drops the last reference.
 * NULL when out of memory, and then `release` is not called. */
struct buf *buf_wrap(void *data, size_t size, void (*release)(void *argument), void *argument);

/* Shares: returns `buf` itself, which may be NULL. */
struct buf *buf_ref(struct buf *buf);

/* Drops the caller's reference; `buf` may be NULL. */
void buf_unref(struct buf *buf);

/* The bytes of `buf` (which may be NULL: an empty slice), borrowed. */
static inline struct slice buf_slice(const struct buf *buf)
{
	return buf ? (struct slice){buf->data, buf->size} : (struct slice){0};
}

/* Compares bytes, then length, as keys are ordered: <0, 0, >0. */
int slice_compare(struct slice a, struct slice b);

static inline struct slice slice_of(const void *data, size_t size)
{
	return (struct slice){data, size};
}

#endif
