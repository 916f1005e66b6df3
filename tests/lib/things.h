/*
 * things.h: a small evaluator whose operations show what the store under it made of them.
 *
 * It knows *things*. A thing has a name, a history (the ids of all operations that changed it, in order), a few parts
 * (rows), and an object. Every operation that changes a thing adds its id to the history in the same entry: whoever
 * knows the operations can tell from the history alone what every part and every sector of the object must be. What
 * they are made of, thing_pattern, names the operation that wrote it.
 *
 *   row     name 'h'       the history: u64le ids
 *   row     name 'p' part  a part
 *   object  name 'o'       sectors of 512 bytes, eight to a unit
 *
 * Replies: whether it was done, the length of the history after (or, refused, of the one that was seen), and for
 * THING_GET the history.
 */
#ifndef RAFTKV_TESTS_STORE_CRASH_THINGS_H
#define RAFTKV_TESTS_STORE_CRASH_THINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "store/blocks/blocks.h"
#include "store/evaluate/evaluator.h"

#define THING_PARTS	       8
#define THING_PART_SIZE_MAX    16384u /* bytes */
#define THING_APPEND_SIZE      64u /* bytes */
#define THING_SECTOR_SIZE      512u /* bytes */
#define THING_SECTORS_PER_UNIT 8u
#define THING_NAME_SIZE_MAX    64u /* bytes */

enum thing_operation_kind {
	THING_GET, /* logs nothing */
	THING_PUT, /* part `first` becomes `count` bytes */
	THING_COMPARE, /* as THING_PUT, if the history is `expected` long; else refused, which logs nothing */
	THING_APPEND, /* adds THING_APPEND_SIZE bytes to part `first`; refused when it is full */
	THING_DELETE, /* part `first` */
	THING_DELETE_RANGE, /* parts [first, first + count) */
	THING_WRITE, /* units [first, first + count) become the payload */
	THING_PATCH, /* sector `first` of the object: reads its unit, changes it and writes it */
	THING_UNMAP, /* units [first, first + count) */
	THING_OPEN_SESSION, /* makes session `id` known to the region of `name` */
	THING_KIND_COUNT,
};

struct thing_operation {
	enum thing_operation_kind kind;
	uint64_t id;
	struct slice name; /* of the thing; at most THING_NAME_SIZE_MAX bytes */
	uint64_t first;
	uint32_t count;
	uint64_t expected;
};

/* The body of a raftkv_write. NULL: out of memory. */
struct buf *thing_operation_encode(const struct thing_operation *operation);
/* The payload of a THING_WRITE. NULL: out of memory. */
struct buf *thing_operation_payload(const struct thing_operation *operation);

struct thing_reply {
	bool is_done;
	uint64_t length; /* of the history */
	struct slice history; /* of THING_GET; borrowed from the reply */
};
/* 0 or STATUS_MALFORMED. */
int thing_reply_decode(struct slice bytes, struct thing_reply *reply);

/* What operation `id` writes: `size` bytes from byte `position` on, both multiples of 8. In an object the position
 * is the offset in the object; in a part it counts from the first byte that the operation wrote. */
void thing_pattern(uint64_t id, uint64_t position, void *bytes, size_t size);

/* Rows of a thing, as the evaluator writes them. */
struct thing_key {
	uint8_t bytes[THING_NAME_SIZE_MAX + 2];
	size_t size; /* bytes */
};
struct slice thing_key_history(struct thing_key *key, struct slice name);
struct slice thing_key_part(struct thing_key *key, struct slice name, uint32_t part);
struct slice thing_key_object(struct thing_key *key, struct slice name);

/* A region may begin at any key of at most THING_BOUNDARY_SIZE_MAX bytes, which divides no thing. There are no local rows but
 * those of slots.h. */
#define THING_BOUNDARY_SIZE_MAX 4u

/* Without state; may be shared by any number of stores. */
struct evaluator thing_evaluator(void);

#endif
