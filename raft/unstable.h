/*
 * unstable: the tail of the log, and perhaps a snapshot, that the storage is not yet known to hold. raft_log owns it.
 *
 * Entries before `in_progress` were handed out for writing; the others wait for the next ready. All stay until the write
 * is acknowledged, so that the log reads the same meanwhile.
 *
 * The entry at position `head + i` has the index `offset + i`. offset <= in_progress <= offset + count. When `offset - 1`
 * is below the storage's last index, the next write replaces the storage's tail.
 */
#ifndef RAFTKV_RAFT_UNSTABLE_H
#define RAFTKV_RAFT_UNSTABLE_H

#include "raft/raft.h"

struct unstable {
	struct raft_snapshot *snapshot; /* NULL: none */
	struct raft_entry *items;
	uint32_t head; /* position of the first entry; moves on when entries leave at the front */
	uint32_t count;
	uint32_t capacity;
	bool snapshot_in_progress;
	uint64_t offset;
	uint64_t in_progress; /* entries below this index are being written */
};

void unstable_init(struct unstable *unstable, uint64_t offset);
void unstable_close(struct unstable *unstable);

/* The entry at `index`, borrowed until the next change; NULL when it is not here. */
const struct raft_entry *unstable_entry(const struct unstable *unstable, uint64_t index);
/* The term at `index`, of an entry or of the snapshot; false when it is not known here. */
bool unstable_term(const struct unstable *unstable, uint64_t index, uint64_t *term);
/* The index after the last entry (or after the snapshot). */
uint64_t unstable_end(const struct unstable *unstable);

/* The entries that wait to be written; `*count` may be 0. Borrowed until the next change. */
const struct raft_entry *unstable_next_entries(const struct unstable *unstable, size_t *count);
/* The snapshot that waits to be written, or NULL. */
const struct raft_snapshot *unstable_next_snapshot(const struct unstable *unstable);
/* Notes that everything was handed out for writing. */
void unstable_accept(struct unstable *unstable);

/* The storage holds everything up to (index, term): drops it here, unless the entry at `index` was replaced. */
void unstable_stable_to(struct unstable *unstable, uint64_t index, uint64_t term);
/* The storage holds the snapshot at `index`: drops it here, unless it was replaced. */
void unstable_stable_snapshot_to(struct unstable *unstable, uint64_t index);

/* Makes room for `count` more entries. 0 or -ENOMEM. */
int unstable_reserve(struct unstable *unstable, size_t count);
/* Replaces everything from items[0].index on. Shares the bufs. 0, or -ENOMEM: nothing changed. */
int unstable_replace_from(struct unstable *unstable, const struct raft_entry *items, size_t count);
/* Replaces everything by `snapshot`, which it takes. */
void unstable_restore(struct unstable *unstable, struct raft_snapshot *snapshot);
/* Frees memory that is not in use. */
void unstable_trim(struct unstable *unstable);

#endif
