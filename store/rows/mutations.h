/*
 * mutations.h: the content of log entries: plain changes of rows and of objects' units, never operations of the layer
 * above.
 *
 * An evaluation collects them in a `struct mutations`, which becomes the data (and perhaps the payload) of one raft
 * entry. Every replica decodes and applies the entry without knowing the operation. A later mutation overrides earlier
 * ones.
 *
 * Record: version (1), flags, region epoch version, then for each mutation: kind, fields. Rows' keys and values are
 * length-prefixed. The payload of a write is inside the record when it is small (< MUTATIONS_BESIDE_SIZE) and beside
 * the entry (raft_entry.payload) otherwise; one entry has at most one beside.
 */
#ifndef RAFTKV_STORE_ROWS_MUTATIONS_H
#define RAFTKV_STORE_ROWS_MUTATIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/codec.h"
#include "raft/raft.h"
#include "store/kv/view.h"

#define MUTATIONS_BESIDE_SIZE 65536u /* bytes from which a payload is beside the record */
#define MUTATIONS_SIZE_MAX    (4u << 20) /* bytes of one record */
#define MUTATIONS_KEY_MAX     1024u /* bytes of a key */

enum mutation_kind {
	MUTATION_PUT,
	MUTATION_DELETE,
	MUTATION_DELETE_RANGE, /* rows of [key, high) in one space; not for objects' extent maps */
	MUTATION_WRITE, /* units [first, first + count) of object `key` become the payload */
	MUTATION_UNMAP, /* units [first, first + count) of object `key` become a hole; count UINT64_MAX: to the end */
};

/* One decoded mutation; all pointers borrow from the entry. */
struct mutation {
	enum mutation_kind kind;
	enum key_space space;
	struct slice key; /* or the object */
	struct slice value;
	struct slice high;
	uint64_t first; /* units */
	uint64_t count; /* units */
	bool is_beside; /* the payload is raft_entry.payload */
	struct slice payload; /* count units; empty when beside */
	const uint8_t *checksums; /* of a write: count × 4 bytes little-endian */
};

/* The collector. Zero it, add mutations, then call mutations_finish or mutations_close. */
struct mutations {
	struct writer record;
	struct buf *payload; /* beside; at most one */
	uint32_t count;
	uint32_t write_count; /* MUTATION_WRITE */
	uint32_t data_put_count; /* MUTATION_PUT in KEY_DATA */
	uint32_t removal_count; /* deletes, delete-ranges, unmaps; and what mutations_note_removal says */
	int status; /* the first error, sticky: -ENOMEM, STATUS_LIMIT */
};

/* Whether applying the mutations takes no lasting space: they may be proposed when the disk is full. */
bool mutations_spares_space(const struct mutations *mutations);

/* The mutations prepare a removal, which another entry has. */
static inline void mutations_note_removal(struct mutations *mutations)
{
	mutations->removal_count++;
}

void mutations_put(struct mutations *mutations, enum key_space space, struct slice key, struct slice value);
void mutations_delete(struct mutations *mutations, enum key_space space, struct slice key);
void mutations_delete_range(
	struct mutations *mutations, enum key_space space, struct slice low, struct slice high);
/* `payload` (shared) holds `count` whole units from byte `skip` on. Checksums are computed here. A second payload of
 * MUTATIONS_BESIDE_SIZE or more is STATUS_LIMIT. */
void mutations_write(struct mutations *mutations, struct slice object, uint64_t first, uint32_t count,
	struct buf *payload, size_t skip);
void mutations_unmap(struct mutations *mutations, struct slice object, uint64_t first, uint64_t count);

/* Makes the entry's data and payload, and empties `mutations`. 0 or the sticky error. */
int mutations_finish(struct mutations *mutations, uint64_t epoch_version, struct raft_entry *entry);
void mutations_close(struct mutations *mutations);

/* Walks an entry's mutations. The whole record is validated before the first callback. 0, STATUS_CORRUPT, or what the
 * callback returned. */
typedef int (*mutation_cb)(void *argument, const struct mutation *mutation);
int mutations_each(const struct raft_entry *entry, uint64_t *epoch_version, mutation_cb each, void *argument);
/* The units that the entry's small payloads take when it is applied; 0 if the entry is damaged. */
uint32_t mutations_small_units(const struct raft_entry *entry);

#endif
