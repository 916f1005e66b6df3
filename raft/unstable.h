/*
 * unstable: the tail of the log, and perhaps a snapshot, that the storage is not yet known to hold.
 *
 * What is here was handed out for writing (the part before `in_progress`) or waits for the next ready. It stays until
 * the write is acknowledged, so that the log reads the same all the while. Owned by raft_log.
 *
 * The entry at position `head + i` has the index `offset + i`. `offset - 1` may lie below the storage's last index:
 * the next write then replaces the storage's tail. offset <= in_progress <= offset + count.
 */
#ifndef RAFTKV_RAFT_UNSTABLE_H
#define RAFTKV_RAFT_UNSTABLE_H

#include "raft/raft.h"

struct unstable {
	struct raft_snapshot *snapshot; /* NULL: none */
	struct raft_entry *items;
	uint32_t head; /* position of the first entry: entries leave at the front without a move */
	uint32_t count;
	uint32_t capacity;
	bool snapshot_in_progress;
	uint64_t offset;
	uint64_t in_progress; /* entries below this index are being written */
};

void unstable_init(struct unstable *unstable, uint64_t offset);
void unstable_close(struct unstable *unstable);

/* The entry at `index`; NULL when it is not here. */
const struct raft_entry *unstable_entry(const struct unstable *unstable, uint64_t index);
/* Whether the term at `index` is known here, of an entry or of the snapshot. */
bool unstable_term(const struct unstable *unstable, uint64_t index, uint64_t *term);
/* The index after the last entry (or the snapshot). */
uint64_t unstable_end(const struct unstable *unstable);

/* Entries that wait for being written; `*count` may be 0. Borrowed until the next change. */
const struct raft_entry *unstable_next_entries(const struct unstable *unstable, size_t *count);
/* The snapshot that waits for being written, or NULL. */
const struct raft_snapshot *unstable_next_snapshot(const struct unstable *unstable);
/* All that waits is being written from now on. */
void unstable_accept(struct unstable *unstable);

/* The storage holds everything up to (index, term): drops it here unless it was replaced in the meantime. */
void unstable_stable_to(struct unstable *unstable, uint64_t index, uint64_t term);
void unstable_stable_snapshot_to(struct unstable *unstable, uint64_t index);

/* Room for `count` more entries. 0 or -ENOMEM. */
int unstable_reserve(struct unstable *unstable, size_t count);
/* Replaces everything from items[0].index on. Shares the bufs. 0 or -ENOMEM: nothing changed. */
int unstable_replace_from(struct unstable *unstable, const struct raft_entry *items, size_t count);
/* Everything is replaced by a snapshot, which is taken. */
void unstable_restore(struct unstable *unstable, struct raft_snapshot *snapshot);
/* Gives back memory that is not in use. */
void unstable_trim(struct unstable *unstable);

#endif
