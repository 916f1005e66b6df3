#include "raft/log.h"

#include "proto/check.h"
#include "raft/number.h"

int raft_log_init(struct raft_log *log, struct raft_storage *storage, uint64_t applying_size_max)
{
	uint64_t first, last, term;
	int rc = storage->first_index(storage, &first);

	if (!rc)
		rc = storage->last_index(storage, &last);
	if (rc)
		return rc;
	if (first == 0 || last + 1 < first)
		return STATUS_CORRUPT;
	rc = storage->term(storage, last, &term);
	if (rc)
		return rc;
	*log = (struct raft_log){
		.storage = storage,
		.last_term = term,
		.committed = first - 1,
		.applying = first - 1,
		.applied = first - 1,
		.applying_size_max = applying_size_max,
	};
	unstable_init(&log->unstable, last + 1);
	return 0;
}

void raft_log_close(struct raft_log *log)
{
	unstable_close(&log->unstable);
}

int raft_log_first_index(const struct raft_log *log, uint64_t *index)
{
	if (log->unstable.snapshot) {
		*index = log->unstable.snapshot->index + 1;
		return 0;
	}
	return log->storage->first_index(log->storage, index);
}

uint64_t raft_log_last_index(const struct raft_log *log)
{
	return unstable_end(&log->unstable) - 1;
}

struct raft_position raft_log_last(const struct raft_log *log)
{
	return (struct raft_position){.index = raft_log_last_index(log), .term = log->last_term};
}

int raft_log_term(const struct raft_log *log, uint64_t index, uint64_t *term)
{
	if (unstable_term(&log->unstable, index, term))
		return 0;
	if (index > raft_log_last_index(log))
		return STATUS_UNAVAILABLE;
	if (log->unstable.snapshot && index < log->unstable.snapshot->index)
		return STATUS_COMPACTED;
	return log->storage->term(log->storage, index, term);
}

int raft_log_matches(const struct raft_log *log, struct raft_position position, bool *matches)
{
	uint64_t term = 0;
	int rc = raft_log_term(log, position.index, &term);

	*matches = rc == 0 && term == position.term;
	return rc == STATUS_COMPACTED || rc == STATUS_UNAVAILABLE ? 0 : rc;
}

/* Figure 2, RequestVote 2, second half: of two logs the one whose last entry has the later term is more up-to-date, or
 * with equal terms the longer one (paper §5.4.1, Ongaro §3.6.1). */
bool raft_log_is_up_to_date(const struct raft_log *log, struct raft_position last)
{
	return last.term > log->last_term ||
	       (last.term == log->last_term && last.index >= raft_log_last_index(log));
}

int raft_log_find_conflict(
	const struct raft_log *log, struct raft_position position, struct raft_position *found)
{
	for (uint64_t index = position.index; index > 0; index--) {
		uint64_t term = 0;
		int rc = raft_log_term(log, index, &term);

		if (rc && rc != STATUS_COMPACTED && rc != STATUS_UNAVAILABLE)
			return rc;
		if (rc || term <= position.term) {
			*found = (struct raft_position){.index = index, .term = rc ? 0 : term};
			return 0;
		}
	}
	*found = (struct raft_position){0};
	return 0;
}

/* How many of the first entries are in the log already. */
static int count_matching(const struct raft_log *log, const struct raft_entries *entries, size_t *count)
{
	*count = 0;
	while (*count < entries->count) {
		const struct raft_entry *entry = &entries->items[*count];
		bool matches;
		int rc = raft_log_matches(
			log, (struct raft_position){.index = entry->index, .term = entry->term}, &matches);

		if (rc)
			return rc;
		if (!matches)
			return 0;
		++*count;
	}
	return 0;
}

int raft_log_append_after(struct raft_log *log, struct raft_position previous,
	const struct raft_entries *entries, uint64_t commit, uint64_t *last, bool *matches)
{
	size_t known;
	int rc = raft_log_matches(log, previous, matches);

	if (rc || !*matches)
		return rc;
	rc = count_matching(log, entries, &known);
	if (rc)
		return rc;
	/* Figure 2, AppendEntries 3 and 4: only an entry that conflicts deletes what follows it (paper §5.3). Entries that
	 * match stay, and so does the log after them: the append may be an old one, and what a later one brought after it
	 * was acknowledged. */
	if (known < entries->count) {
		const struct raft_entry *first_new = &entries->items[known];

		if (first_new->index <= log->committed)
			return STATUS_CORRUPT;
		rc = unstable_replace_from(&log->unstable, first_new, entries->count - known);
		if (rc)
			return rc;
		log->last_term = entries->items[entries->count - 1].term;
	}
	/* AppendEntries 5: commitIndex = min(leaderCommit, index of last new entry). What follows that entry in this log
	 * may not be the leader's. */
	*last = previous.index + entries->count;
	raft_log_commit_to(log, min_u64(commit, *last));
	return 0;
}

int raft_log_append(struct raft_log *log, const struct raft_entry *entries, size_t count)
{
	int rc;

	check(count > 0 && entries[0].index == raft_log_last_index(log) + 1);
	rc = unstable_replace_from(&log->unstable, entries, count);
	if (rc == 0)
		log->last_term = entries[count - 1].term;
	return rc;
}

void raft_log_restore(struct raft_log *log, struct raft_snapshot *snapshot)
{
	log->committed = snapshot->index;
	log->last_term = snapshot->term;
	unstable_restore(&log->unstable, snapshot);
}

/* Adds the unstable entries [low, high) to what `out` holds from position `start` on, within the limit. */
static int slice_unstable(const struct raft_log *log, uint64_t low, uint64_t high, uint64_t size_max,
	size_t start, struct raft_entries *out)
{
	const struct raft_entry *items = unstable_entry(&log->unstable, low);
	uint64_t size = 0;
	size_t count = 0;

	check(items && high <= unstable_end(&log->unstable));
	if (size_max == RAFT_NO_LIMIT)
		return raft_entries_append(out, items, high - low);
	for (size_t i = start; i < out->count; i++)
		size += raft_entry_size(&out->items[i]);
	while (count < high - low) {
		size += raft_entry_size(&items[count]);
		if (size > size_max && (count > 0 || out->count > start))
			break;
		count++;
	}
	return raft_entries_append(out, items, count);
}

int raft_log_slice(
	const struct raft_log *log, uint64_t low, uint64_t high, uint64_t size_max, struct raft_entries *out)
{
	uint64_t offset = log->unstable.offset;
	size_t start = out->count;
	int rc;

	if (low >= high)
		return 0;
	if (low < offset) {
		uint64_t stored_high = min_u64(high, offset);

		if (log->unstable.snapshot)
			return STATUS_COMPACTED;
		rc = log->storage->entries(log->storage, low, stored_high, size_max, out);
		if (rc || out->count - start < stored_high - low)
			return rc;
		low = stored_high;
	}
	if (low >= high)
		return 0;
	rc = slice_unstable(log, low, high, size_max, start, out);
	if (rc)
		raft_entries_truncate(out, start);
	return rc;
}

int raft_log_entries(const struct raft_log *log, uint64_t low, uint64_t size_max, struct raft_entries *out)
{
	return raft_log_slice(log, low, raft_log_last_index(log) + 1, size_max, out);
}

int raft_log_snapshot(const struct raft_log *log, struct raft_snapshot *out)
{
	if (log->unstable.snapshot)
		return raft_snapshot_copy(out, log->unstable.snapshot);
	return log->storage->snapshot(log->storage, out);
}

int raft_log_has_unapplied_conf_change(const struct raft_log *log, uint64_t high, bool *found)
{
	struct raft_entries page = {0};
	uint64_t low = log->applied + 1;
	int rc = 0;

	*found = false;
	/* A snapshot is refused while such a change is handed out, and replaces those that are not. */
	if (log->unstable.snapshot)
		return 0;
	while (!*found && low <= high) {
		rc = raft_log_slice(log, low, high + 1, log->applying_size_max, &page);
		if (rc)
			break;
		for (size_t i = 0; i < page.count && !*found; i++)
			*found = page.items[i].type != RAFT_ENTRY_NORMAL;
		low += page.count;
		raft_entries_truncate(&page, 0);
	}
	raft_entries_close(&page);
	return rc;
}

void raft_log_commit_to(struct raft_log *log, uint64_t index)
{
	if (index <= log->committed)
		return;
	check(index <= raft_log_last_index(log));
	log->committed = index;
}

void raft_log_applied_to(struct raft_log *log, uint64_t index, uint64_t size)
{
	check(index <= log->committed && index >= log->applied);
	log->applied = index;
	if (log->applying < index)
		log->applying = index;
	log->applying_size -= min_u64(size, log->applying_size);
	log->applying_paused = log->applying_size >= log->applying_size_max;
}

/* The last index that may be handed out for apply now (Figure 2, all servers: if commitIndex > lastApplied, apply). */
static uint64_t appliable_index(const struct raft_log *log, bool allow_unstable)
{
	return allow_unstable ? log->committed : min_u64(log->committed, log->unstable.offset - 1);
}

void raft_log_accept_applying(struct raft_log *log, uint64_t index, uint64_t size, bool allow_unstable)
{
	check(index <= log->committed);
	log->applying = index;
	log->applying_size += size;
	/* Also when the limit cut this batch short: the next entry would exceed it. */
	log->applying_paused =
		log->applying_size >= log->applying_size_max || index < appliable_index(log, allow_unstable);
}

bool raft_log_has_next_committed(const struct raft_log *log, bool allow_unstable)
{
	return !log->applying_paused && !log->unstable.snapshot &&
	       log->applying < appliable_index(log, allow_unstable);
}

int raft_log_next_committed(const struct raft_log *log, bool allow_unstable, struct raft_entries *out)
{
	if (!raft_log_has_next_committed(log, allow_unstable))
		return 0;
	return raft_log_slice(log, log->applying + 1, appliable_index(log, allow_unstable) + 1,
		log->applying_size_max - log->applying_size, out);
}
