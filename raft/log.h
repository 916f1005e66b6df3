/*
 * raft_log: the replicated log as the node sees it, the storage and the unstable tail as one, with the indexes
 * applied <= applying <= committed <= last index.
 *
 * `applying` is the last index that was handed out for apply. How much may be handed out and not yet applied is limited
 * in bytes of raft_entry_size. Every function that may read the storage returns the storage's error; STATUS_COMPACTED
 * and STATUS_UNAVAILABLE say that the index lies outside the log. On an error nothing has changed.
 */
#ifndef RAFTKV_RAFT_LOG_H
#define RAFTKV_RAFT_LOG_H

#include "raft/raft.h"
#include "raft/unstable.h"

struct raft_log {
	struct raft_storage *storage;
	struct unstable unstable;
	uint64_t last_term; /* of the last entry */
	uint64_t committed;
	uint64_t applying;
	uint64_t applied;
	uint64_t applying_size; /* bytes handed out and not yet applied */
	uint64_t applying_size_max;
	bool applying_paused; /* the limit is reached: nothing is handed out until something is applied */
};

/* A position in a log: an index and the term of its entry. */
struct raft_position {
	uint64_t index;
	uint64_t term;
};

int raft_log_init(struct raft_log *log, struct raft_storage *storage, uint64_t applying_size_max);
void raft_log_close(struct raft_log *log);

int raft_log_first_index(const struct raft_log *log, uint64_t *index);
uint64_t raft_log_last_index(const struct raft_log *log);
struct raft_position raft_log_last(const struct raft_log *log);
int raft_log_term(const struct raft_log *log, uint64_t index, uint64_t *term);
/* Whether the log has an entry of that index and term. An index outside the log does not match. */
int raft_log_matches(const struct raft_log *log, struct raft_position position, bool *matches);
/* Whether a log that ends with `last` is at least as up-to-date as this one. */
bool raft_log_is_up_to_date(const struct raft_log *log, struct raft_position last);
/* Finds the highest index <= position.index whose term here is <= position.term, or is not known (found->term is then
 * 0). It is the best guess at where two logs part when one entry of the other log is known. */
int raft_log_find_conflict(
	const struct raft_log *log, struct raft_position position, struct raft_position *found);

/* On a follower: if `previous` matches, appends `entries` after it in place of those that conflict, and commits up to
 * `commit` or the last of them. `*last` is the index of that. STATUS_CORRUPT: they contradict committed entries. */
int raft_log_append_after(struct raft_log *log, struct raft_position previous,
	const struct raft_entries *entries, uint64_t commit, uint64_t *last, bool *matches);
/* On a leader: appends its own `count` > 0 entries after the last one. 0 or -ENOMEM. */
int raft_log_append(struct raft_log *log, const struct raft_entry *entries, size_t count);
/* Replaces everything by `snapshot`, which it takes. */
void raft_log_restore(struct raft_log *log, struct raft_snapshot *snapshot);

/* Appends entries [low, high) to `out`, shared: as many as `size_max` bytes of raft_entry_size allow, at least one. */
int raft_log_slice(
	const struct raft_log *log, uint64_t low, uint64_t high, uint64_t size_max, struct raft_entries *out);
/* As raft_log_slice, up to the end of the log. */
int raft_log_entries(const struct raft_log *log, uint64_t low, uint64_t size_max, struct raft_entries *out);
/* The newest snapshot; the caller closes `out`. */
int raft_log_snapshot(const struct raft_log *log, struct raft_snapshot *out);
/* Whether an entry in (applied, high] changes the membership; `high` is in the log. */
int raft_log_has_unapplied_conf_change(const struct raft_log *log, uint64_t high, bool *found);

/* Never lowers the commit index. `index` is in the log. */
void raft_log_commit_to(struct raft_log *log, uint64_t index);
/* The entries up to `index`, of `size` bytes, have been applied. */
void raft_log_applied_to(struct raft_log *log, uint64_t index, uint64_t size);
/* The entries up to `index`, of `size` bytes, have been handed out. */
void raft_log_accept_applying(struct raft_log *log, uint64_t index, uint64_t size, bool allow_unstable);
/* Whether there is something to hand out. `allow_unstable`: also entries that the storage may not hold yet. */
bool raft_log_has_next_committed(const struct raft_log *log, bool allow_unstable);
/* Appends the entries to hand out to `out`, shared. */
int raft_log_next_committed(const struct raft_log *log, bool allow_unstable, struct raft_entries *out);

#endif
