#include "raft/progress.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/check.h"
#include "raft/number.h"

/* ---- One peer --------------------------------------------------------------------------------------------------- */

static void become(struct progress *progress, enum raft_progress_state state, uint64_t next)
{
	progress->is_paused = false;
	progress->wants_snapshot = progress->wants_snapshot && state != RAFT_PROGRESS_REPLICATE;
	progress->pending_snapshot = 0;
	progress->state = state;
	progress->next = next;
	inflights_reset(&progress->inflights);
}

void progress_become_probe(struct progress *progress)
{
	uint64_t next = progress->match + 1;

	/* A snapshot that arrived is a better guess than the last acknowledgement. */
	if (progress->state == RAFT_PROGRESS_SNAPSHOT)
		next = max_u64(next, progress->pending_snapshot + 1);
	become(progress, RAFT_PROGRESS_PROBE, next);
	progress->sent_commit = min_u64(progress->sent_commit, next - 1);
}

void progress_become_replicate(struct progress *progress)
{
	become(progress, RAFT_PROGRESS_REPLICATE, progress->match + 1);
}

void progress_become_snapshot(struct progress *progress, uint64_t index)
{
	become(progress, RAFT_PROGRESS_SNAPSHOT, index + 1);
	progress->pending_snapshot = index;
	progress->sent_commit = index;
}

bool progress_is_paused(const struct progress *progress)
{
	return progress->is_paused || progress->state == RAFT_PROGRESS_SNAPSHOT;
}

void progress_sent_entries(
	struct progress *progress, size_t count, uint64_t size, const struct inflight_limits *limits)
{
	if (progress->state == RAFT_PROGRESS_PROBE) {
		progress->is_paused |= count > 0;
		return;
	}
	if (count > 0) {
		progress->next += count;
		inflights_add(&progress->inflights, progress->next - 1, size);
	}
	/* At the limit this append is a probe: the next one waits for a response. */
	progress->is_paused = inflights_is_full(&progress->inflights, limits);
}

bool progress_can_bump_commit(const struct progress *progress, uint64_t commit)
{
	return commit > progress->sent_commit && progress->sent_commit < progress->next - 1;
}

bool progress_update(struct progress *progress, uint64_t index)
{
	if (index <= progress->match)
		return false;
	progress->match = index;
	progress->next = max_u64(progress->next, index + 1);
	progress->is_paused = false;
	return true;
}

bool progress_decrease(struct progress *progress, uint64_t rejected, uint64_t hint)
{
	if (progress->state == RAFT_PROGRESS_REPLICATE) {
		if (rejected <= progress->match)
			return false;
		progress->next = progress->match + 1;
	} else {
		/* Probes are sent one at a time: a response to any other than the last is stale. A response that takes
		 * back an acknowledgement comes from a log that lost entries: matchIndex only grows (Figure 2), since a
		 * commit may rest on it, and answering it would never end. */
		if (progress->next - 1 != rejected || rejected <= progress->match)
			return false;
		progress->next = max_u64(min_u64(rejected, hint + 1), progress->match + 1);
		progress->is_paused = false;
	}
	progress->sent_commit = min_u64(progress->sent_commit, progress->next - 1);
	return true;
}

/* ---- All of them ------------------------------------------------------------------------------------------------ */

static void close_items(struct progress *items, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		inflights_close(&items[i].inflights);
	free(items);
}

void tracker_close(struct tracker *tracker)
{
	close_items(tracker->items, tracker->count);
	tracker->items = NULL;
	tracker->count = 0;
	raft_conf_state_close(&tracker->conf);
}

struct progress *tracker_find(const struct tracker *tracker, uint64_t id)
{
	for (uint32_t i = 0; i < tracker->count && tracker->items[i].id <= id; i++)
		if (tracker->items[i].id == id)
			return &tracker->items[i];
	return NULL;
}

static bool conf_has_voter(const struct raft_conf_state *conf, uint64_t id)
{
	return raft_ids_has(&conf->voters, id) || raft_ids_has(&conf->voters_outgoing, id);
}

/* Adds the ids of `more` to the `count` sorted ones at `ids`. */
static uint32_t merge_ids(uint64_t *ids, uint32_t count, const struct raft_ids *more)
{
	for (uint32_t i = 0; i < more->count; i++) {
		uint32_t at = count;

		while (at > 0 && ids[at - 1] > more->items[i])
			at--;
		if (at > 0 && ids[at - 1] == more->items[i])
			continue;
		for (uint32_t j = count++; j > at; j--)
			ids[j] = ids[j - 1];
		ids[at] = more->items[i];
	}
	return count;
}

static int switch_conf(struct tracker *tracker, struct raft_conf_state *conf, uint64_t next, bool keep)
{
	uint32_t max = conf->voters.count + conf->voters_outgoing.count + conf->learners.count;
	uint64_t *ids = calloc(max ? max : 1, sizeof *ids);
	struct progress *items = calloc(max ? max : 1, sizeof *items);
	uint32_t count = 0;

	if (!ids || !items) {
		free(ids);
		free(items);
		return -ENOMEM;
	}
	count = merge_ids(ids, count, &conf->voters);
	count = merge_ids(ids, count, &conf->voters_outgoing);
	count = merge_ids(ids, count, &conf->learners);
	for (uint32_t i = 0; i < count; i++) {
		struct progress *known = keep ? tracker_find(tracker, ids[i]) : NULL;

		items[i] = (struct progress){.id = ids[i], .next = max_u64(next, 1), .recent_active = true};
		if (known) {
			items[i] = *known;
			known->inflights = (struct inflights){0};
		}
		items[i].is_learner = !conf_has_voter(conf, ids[i]);
	}
	free(ids);
	tracker_close(tracker);
	tracker->items = items;
	tracker->count = count;
	tracker->conf = *conf;
	*conf = (struct raft_conf_state){0};
	return 0;
}

int tracker_set_conf(struct tracker *tracker, struct raft_conf_state *conf, uint64_t next)
{
	return switch_conf(tracker, conf, next, true);
}

int tracker_restore_conf(struct tracker *tracker, struct raft_conf_state *conf, uint64_t next)
{
	return switch_conf(tracker, conf, next, false);
}

void tracker_reset(struct tracker *tracker, uint64_t self, uint64_t last)
{
	for (uint32_t i = 0; i < tracker->count; i++) {
		struct progress *progress = &tracker->items[i];
		struct inflights inflights = progress->inflights;

		inflights_reset(&inflights);
		*progress = (struct progress){
			.id = progress->id,
			.match = progress->id == self ? last : 0,
			.next = last + 1,
			.is_learner = progress->is_learner,
			.inflights = inflights,
		};
	}
}

bool tracker_is_voter(const struct tracker *tracker, uint64_t id)
{
	return conf_has_voter(&tracker->conf, id);
}

bool tracker_is_singleton(const struct tracker *tracker)
{
	return tracker->conf.voters.count == 1 && tracker->conf.voters_outgoing.count == 0;
}

static bool acked_match(const void *argument, uint64_t id, uint64_t *index)
{
	const struct progress *progress = tracker_find(argument, id);

	*index = progress ? progress->match : 0;
	return progress != NULL;
}

static bool acked_read_round(const void *argument, uint64_t id, uint64_t *round)
{
	const struct progress *progress = tracker_find(argument, id);

	*round = progress ? progress->read_round : 0;
	return progress != NULL;
}

static enum quorum_result vote_active(const void *argument, uint64_t id)
{
	const struct progress *progress = tracker_find(argument, id);

	return progress && progress->recent_active ? QUORUM_WON : QUORUM_LOST;
}

static enum quorum_result vote_cast(const void *argument, uint64_t id)
{
	static const enum quorum_result results[] = {
		[PROGRESS_VOTE_NONE] = QUORUM_PENDING,
		[PROGRESS_VOTE_YES] = QUORUM_WON,
		[PROGRESS_VOTE_NO] = QUORUM_LOST,
	};
	const struct progress *progress = tracker_find(argument, id);

	return progress ? results[progress->vote] : QUORUM_PENDING;
}

uint64_t tracker_committed(const struct tracker *tracker)
{
	return quorum_joint_committed(&tracker->conf, acked_match, tracker);
}

uint64_t tracker_read_round(const struct tracker *tracker)
{
	return quorum_joint_committed(&tracker->conf, acked_read_round, tracker);
}

bool tracker_is_quorum_active(const struct tracker *tracker)
{
	return quorum_joint_vote(&tracker->conf, vote_active, tracker) == QUORUM_WON;
}

void tracker_reset_votes(struct tracker *tracker)
{
	for (uint32_t i = 0; i < tracker->count; i++)
		tracker->items[i].vote = PROGRESS_VOTE_NONE;
}

void tracker_record_vote(struct tracker *tracker, uint64_t id, bool granted)
{
	struct progress *progress = tracker_find(tracker, id);

	if (progress && progress->vote == PROGRESS_VOTE_NONE)
		progress->vote = granted ? PROGRESS_VOTE_YES : PROGRESS_VOTE_NO;
}

enum quorum_result tracker_tally(const struct tracker *tracker, uint32_t *granted, uint32_t *rejected)
{
	*granted = 0;
	*rejected = 0;
	for (uint32_t i = 0; i < tracker->count; i++) {
		if (tracker->items[i].is_learner)
			continue;
		*granted += tracker->items[i].vote == PROGRESS_VOTE_YES;
		*rejected += tracker->items[i].vote == PROGRESS_VOTE_NO;
	}
	return quorum_joint_vote(&tracker->conf, vote_cast, tracker);
}

size_t tracker_memory(const struct tracker *tracker)
{
	const struct raft_conf_state *conf = &tracker->conf;
	size_t size = tracker->count * sizeof *tracker->items;

	size += sizeof(uint64_t) * (conf->voters.capacity + conf->voters_outgoing.capacity +
					   conf->learners.capacity + conf->learners_next.capacity);
	for (uint32_t i = 0; i < tracker->count; i++)
		size += tracker->items[i].inflights.capacity * sizeof(struct inflight);
	return size;
}
