/*
 * progress: what the leader knows of one peer's log, and how it sends to it. tracker: the configuration and the
 * progress of every member in it, in the order of ids, with the tally of a vote.
 *
 * `match` and `next` are matchIndex and nextIndex of Figure 2; match < next. A progress is in one of three states (as
 * in etcd-io/raft). PROBE: the leader sends one append at a time, until the peer's log is found to match. REPLICATE: it
 * pipelines appends up to the in-flight limits (Ongaro §10.2.2), and entries in (match, next) are on their way.
 * SNAPSHOT: it sends no append until a snapshot has arrived.
 */
#ifndef RAFTKV_RAFT_PROGRESS_H
#define RAFTKV_RAFT_PROGRESS_H

#include "raft/inflights.h"
#include "raft/quorum.h"
#include "raft/raft.h"

enum progress_vote { PROGRESS_VOTE_NONE, PROGRESS_VOTE_YES, PROGRESS_VOTE_NO };

struct progress {
	uint64_t id;
	uint64_t match;
	uint64_t next;
	uint64_t sent_commit; /* the highest commit index on its way to the peer */
	uint64_t pending_snapshot; /* index of the snapshot on its way; 0 unless in SNAPSHOT */
	uint64_t read_round; /* the newest round of reads that the peer has confirmed */
	struct inflights inflights;
	enum raft_progress_state state : 8;
	enum progress_vote vote : 8;
	bool is_learner;
	bool recent_active; /* the peer was heard from since the last check of the quorum */
	bool is_paused; /* no append is sent until the peer answers */
	bool must_resend; /* an append could not be made (storage error, memory): the next ready tries again */
	bool wants_snapshot; /* the peer can use no entries, only a snapshot; never set in REPLICATE */
};

void progress_become_probe(struct progress *progress);
void progress_become_replicate(struct progress *progress);
void progress_become_snapshot(struct progress *progress, uint64_t index);
bool progress_is_paused(const struct progress *progress);
/* Notes that `count` entries of `size` bytes were sent from `next` on. In REPLICATE the caller has reserved room in
 * `inflights`. */
void progress_sent_entries(
	struct progress *progress, size_t count, uint64_t size, const struct inflight_limits *limits);
/* Whether the commit index `commit` would be news for the peer. */
bool progress_can_bump_commit(const struct progress *progress, uint64_t commit);
/* The peer has acknowledged up to `index`. False: a stale response, nothing changed. */
bool progress_update(struct progress *progress, uint64_t index);
/* The peer has rejected the append after the entry at `rejected`, and its log may match up to `hint`. False: a stale
 * response, nothing changed. */
bool progress_decrease(struct progress *progress, uint64_t rejected, uint64_t hint);

struct tracker {
	struct raft_conf_state conf;
	struct progress *items; /* in the order of ids */
	uint32_t count;
	struct inflight_limits limits;
};

void tracker_close(struct tracker *tracker);
/* The progress of member `id`, or NULL. Borrowed until the configuration changes. */
struct progress *tracker_find(const struct tracker *tracker, uint64_t id);
/* Switches to `conf`, which it takes and zeroes. Members that stay keep their progress; new ones are probed from `next`
 * on and count as active. 0, or -ENOMEM: nothing changed. */
int tracker_set_conf(struct tracker *tracker, struct raft_conf_state *conf, uint64_t next);
/* As tracker_set_conf, but members that stay lose their progress. */
int tracker_restore_conf(struct tracker *tracker, struct raft_conf_state *conf, uint64_t next);
/* Forgets everything but the configuration. `self` has matched up to `last`. */
void tracker_reset(struct tracker *tracker, uint64_t self, uint64_t last);

bool tracker_is_voter(const struct tracker *tracker, uint64_t id);
/* Whether there is one voter alone, and no joint phase. */
bool tracker_is_singleton(const struct tracker *tracker);
/* The highest index that a quorum has acknowledged. */
uint64_t tracker_committed(const struct tracker *tracker);
/* The newest round of reads that a quorum has confirmed. */
uint64_t tracker_read_round(const struct tracker *tracker);
/* Whether a quorum was heard from since the last check (learners do not count). */
bool tracker_is_quorum_active(const struct tracker *tracker);

void tracker_reset_votes(struct tracker *tracker);
/* Only the first answer of a voter counts. */
void tracker_record_vote(struct tracker *tracker, uint64_t id, bool granted);
/* The result so far, and the numbers of voters that have granted and rejected. */
enum quorum_result tracker_tally(const struct tracker *tracker, uint32_t *granted, uint32_t *rejected);

size_t tracker_memory(const struct tracker *tracker); /* bytes */

#endif
