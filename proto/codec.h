/*
 * Cursors over bytes: `struct reader` takes integers and slices off a range, `struct writer` puts them into memory.
 *
 * Every encoding of the project is made with these two: log records, rows, keys, messages. Integers are little endian
 * (…le) in records, big endian (…be) in keys so that they sort as numbers, or varints (seven bits a byte, the lowest
 * first, as protobuf has them).
 *
 * Errors stick: after the first, a reader gives zeros and empty slices and a writer takes nothing, so that a caller
 * makes all its calls and then asks once. No byte outside the range is ever touched, whatever the bytes say.
 */
#ifndef RAFTKV_PROTO_CODEC_H
#define RAFTKV_PROTO_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"

#define CODEC_VARINT_SIZE_MAX 10 /* bytes */

/* ---- Reading ---------------------------------------------------------------------------------------------------- */

struct reader {
	const uint8_t *data;
	size_t size; /* bytes left */
	int status; /* 0 or STATUS_MALFORMED */
};

/* Borrows `bytes` for as long as the reader and the slices it gave are used. */
struct reader reader_of(struct slice bytes);

uint8_t reader_u8(struct reader *reader);
uint16_t reader_u16le(struct reader *reader);
uint32_t reader_u32le(struct reader *reader);
uint64_t reader_u64le(struct reader *reader);
uint16_t reader_u16be(struct reader *reader);
uint32_t reader_u32be(struct reader *reader);
uint64_t reader_u64be(struct reader *reader);
/* Refuses more than 64 bits. */
uint64_t reader_varint(struct reader *reader);
/* The next `size` bytes, borrowed from the range. */
struct slice reader_bytes(struct reader *reader, size_t size);
/* A varint length and that many bytes. */
struct slice reader_slice(struct reader *reader);

/* For what the caller finds wrong itself; `reader` gives no more bytes. */
void reader_fail(struct reader *reader);
/* True while there is something to read and no error; the condition of a loop over fields. */
bool reader_has_more(const struct reader *reader);
/* 0, or STATUS_MALFORMED when anything failed or bytes are left over. Whoever may skip those looks at `status`. */
int reader_finish(const struct reader *reader);

/* ---- Writing ---------------------------------------------------------------------------------------------------- */

struct writer {
	uint8_t *data;
	size_t size; /* bytes written */
	size_t capacity; /* bytes at `data` */
	size_t size_max; /* bytes it may grow to */
	struct buf *buf; /* what `data` lies in; NULL while empty and for a fixed writer */
	int status; /* 0, -ENOMEM or STATUS_LIMIT */
};

/* Grows on the heap up to `size_max` bytes; past it is STATUS_LIMIT. Ends with writer_take or writer_close. */
struct writer writer_growing(size_t size_max);
/* Writes into `size` bytes of the caller and never allocates. */
struct writer writer_fixed(void *data, size_t size);

void writer_u8(struct writer *writer, uint8_t value);
void writer_u16le(struct writer *writer, uint16_t value);
void writer_u32le(struct writer *writer, uint32_t value);
void writer_u64le(struct writer *writer, uint64_t value);
void writer_u16be(struct writer *writer, uint16_t value);
void writer_u32be(struct writer *writer, uint32_t value);
void writer_u64be(struct writer *writer, uint64_t value);
void writer_varint(struct writer *writer, uint64_t value);
void writer_bytes(struct writer *writer, const void *data, size_t size);
/* A varint length and the bytes. */
void writer_slice(struct writer *writer, struct slice bytes);

/* Takes room for `size` bytes that the caller fills before its next call; NULL after an error. */
uint8_t *writer_reserve(struct writer *writer, size_t size);
/* Overwrites four bytes written before, at `offset`: for a length or checksum known only at the end. */
void writer_patch_u32le(struct writer *writer, size_t offset, uint32_t value);
/* What was written so far, borrowed until the next call. */
struct slice writer_written(const struct writer *writer);

/* Ends a growing writer: its bytes become `*buf`, one reference, the caller's. On an error `*buf` is NULL and the
 * status is returned. The writer is empty again either way. */
int writer_take(struct writer *writer, struct buf **buf);
/* Ends a growing writer and drops its bytes. */
void writer_close(struct writer *writer);

size_t codec_varint_size(uint64_t value); /* bytes */

#endif
