/*
 * raft.h: consensus as a pure state machine.
 *
 * A `raw_node` is one replica of one Raft group. It does no I/O, knows no clock and starts no thread: messages, ticks
 * and proposals go in, a `raft_ready` comes out, and the caller persists, sends and applies what it holds. The
 * algorithm is that of "In Search of an Understandable Consensus Algorithm" (Ongaro, Ousterhout 2014) and of Ongaro's
 * dissertation (2014; below "Ongaro §n"), with the message vocabulary of etcd-io/raft and the names of raft-rs.
 *
 * The caller's contract, with synchronous storage writes:
 *
 *  1. Feed the node from one thread at a time: raw_node_step for messages of peers, raw_node_tick (or
 *     raw_node_tick_to) for time, raw_node_propose, raw_node_read_index and their like for requests.
 *  2. When raw_node_has_ready says so, take one `raft_ready` with raw_node_ready. Take no other before step 7.
 *  3. Persist `snapshot` if there is one, then append `entries` (an entry at an index that is already in the log
 *     replaces it and everything after it), then write `hard_state`. All of it is one atomic write; it must reach
 *     the disk before step 4 when `must_sync` is set or there is a snapshot.
 *  4. Send `messages`. (A leader may send MsgApp, MsgHeartbeat, MsgSnap and MsgTimeoutNow before step 3: Ongaro
 *     §10.2.1. Everything else carries a promise that rests on step 3.) Tell the node of trouble with
 *     raw_node_report_unreachable and raw_node_report_snapshot.
 *  5. Apply `snapshot`, then `committed_entries`, in order. A conf-change entry is applied by decoding it and calling
 *     raw_node_apply_conf_change, or is refused by calling nothing; its conf state is persisted with the applied state.
 *  6. Answer the reads in `read_states`: each may be served once the state machine has applied up to its index.
 *  7. Call raw_node_advance. Then raft_ready_clear.
 *
 * With `config.async_storage_writes` there is no raw_node_advance. Instead `messages` also holds:
 *
 *  a. MsgStorageAppend to RAFT_LOCAL_APPEND_THREAD: steps 3's snapshot, entries and hard state (term, vote and commit
 *     of the message; term 0 means no hard state). Handle them in order; once durable, deliver each of its
 *     `responses`: those addressed to this node with raw_node_step, the others to their peers.
 *  b. MsgStorageApply to RAFT_LOCAL_APPLY_THREAD: `entries` to apply, in order; then deliver its `responses`.
 *
 *  MsgVote must wait until the MsgStorageAppend of the same ready is durable: it announces a term, a vote and a log that
 *  a crash may not take back, or this node could be elected twice in one term. Other messages may be sent at once. `entries`, `committed_entries` and `snapshot` of the ready are then for
 *  information (they are what the local messages hold); do not persist or apply them twice.
 *
 * Errors. Nothing here aborts on input: a malformed message is refused with STATUS_MALFORMED and changes nothing; an
 * error of the storage is returned as the storage gave it, the group's promises intact, and the call may be repeated.
 * Running out of memory is -ENOMEM with the same promise where the call returns an int.
 *
 * Ownership. Every pointer parameter borrows for the call unless its comment says *takes* or *shares*. Payloads are
 * `struct buf`s, shared and never copied. What a ready or a message holds is owned by it (see their comments).
 *
 * Determinism. The same config (seed included), storage and sequence of calls give the same output. Peers are always
 * walked in the order of their ids.
 */
#ifndef RAFTKV_RAFT_RAFT_H
#define RAFTKV_RAFT_RAFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/logger.h"
#include "proto/status.h"

#define RAFT_NONE		 0 /* no node: an unknown leader, no vote */
#define RAFT_LOCAL_APPEND_THREAD UINT64_MAX /* target of MsgStorageAppend */
#define RAFT_LOCAL_APPLY_THREAD	 (UINT64_MAX - 1) /* target of MsgStorageApply */
#define RAFT_NO_LIMIT		 UINT64_MAX
#define RAFT_NEVER		 UINT64_MAX /* of raw_node_deadline: nothing will ever be due by itself */

/* ---- Entries ---------------------------------------------------------------------------------------------------- */

enum raft_entry_type {
	RAFT_ENTRY_NORMAL,
	RAFT_ENTRY_CONF_CHANGE, /* data: a conf change with one step and no joint phase, "V1" */
	RAFT_ENTRY_CONF_CHANGE_V2, /* data: any conf change; empty: leave the joint configuration */
};

/* One log entry. `data` is the record that goes into the log; `payload` are large bytes that travel beside it and are
 * stored elsewhere (the block store). `payload_size` is set whenever the entry has a payload, also while the bytes
 * themselves are not loaded (`payload` NULL). Both may be NULL. Holders own one reference to each. */
struct raft_entry {
	uint64_t term;
	uint64_t index;
	struct buf *data;
	struct buf *payload;
	uint32_t payload_size; /* bytes */
	enum raft_entry_type type;
};

/* A growable array of entries. Zero is the empty array. */
struct raft_entries {
	struct raft_entry *items;
	size_t count;
	size_t capacity;
};

/* Shares the bufs of `entry`. 0 or -ENOMEM. */
int raft_entries_push(struct raft_entries *entries, const struct raft_entry *entry);
/* Shares the bufs of `count` entries; all or none. 0 or -ENOMEM. */
int raft_entries_append(struct raft_entries *entries, const struct raft_entry *items, size_t count);
/* Drops the entries from position `count` on; keeps the memory. */
void raft_entries_truncate(struct raft_entries *entries, size_t count);
/* Drops everything and frees the memory; the array is empty again. */
void raft_entries_close(struct raft_entries *entries);

/* Bytes that an entry counts for in the limits of a message and of a ready: its encoded size as in etcd's wire format
 * plus `payload_size`. */
uint64_t raft_entry_size(const struct raft_entry *entry);
/* Bytes of `data` and payload alone, which the uncommitted-size and in-flight limits count. */
uint64_t raft_entry_payload_size(const struct raft_entry *entry);

/* ---- Membership ------------------------------------------------------------------------------------------------- */

/* A sorted set of node ids without repeats. Zero is the empty set. */
struct raft_ids {
	uint64_t *items;
	uint32_t count;
	uint32_t capacity;
};

int raft_ids_insert(struct raft_ids *ids, uint64_t id); /* 0 or -ENOMEM; a repeat is no error */
void raft_ids_remove(struct raft_ids *ids, uint64_t id);
bool raft_ids_has(const struct raft_ids *ids, uint64_t id);
bool raft_ids_equal(const struct raft_ids *a, const struct raft_ids *b);
int raft_ids_copy(struct raft_ids *to, const struct raft_ids *from); /* 0 or -ENOMEM; `to` is replaced */
void raft_ids_close(struct raft_ids *ids);

/* A configuration (Ongaro §4): a majority of `voters` decides; while `voters_outgoing` is not empty the configuration
 * is joint and needs a majority of both. `learners` receive the log and do not vote; `learners_next` become learners
 * when the joint phase ends (they are still outgoing voters). */
struct raft_conf_state {
	struct raft_ids voters;
	struct raft_ids voters_outgoing;
	struct raft_ids learners;
	struct raft_ids learners_next;
	bool auto_leave; /* the leader leaves the joint configuration by itself */
};

int raft_conf_state_copy(struct raft_conf_state *to, const struct raft_conf_state *from); /* 0 or -ENOMEM */
bool raft_conf_state_equal(const struct raft_conf_state *a, const struct raft_conf_state *b);
void raft_conf_state_close(struct raft_conf_state *state);

enum raft_conf_change_type {
	RAFT_ADD_VOTER,
	RAFT_REMOVE_NODE,
	RAFT_UPDATE_NODE, /* no effect on the configuration; for what the caller keeps in the context */
	RAFT_ADD_LEARNER,
};

enum raft_conf_change_transition {
	RAFT_TRANSITION_AUTO, /* joint only with more than one step, and then left automatically */
	RAFT_TRANSITION_JOINT_IMPLICIT, /* joint, left automatically */
	RAFT_TRANSITION_JOINT_EXPLICIT, /* joint, left when somebody proposes an empty change */
};

struct raft_conf_change_step {
	enum raft_conf_change_type type;
	uint64_t node;
};

#define RAFT_CONF_CHANGE_STEPS_MAX 64

struct raft_conf_change {
	enum raft_conf_change_transition transition;
	struct raft_conf_change_step steps[RAFT_CONF_CHANGE_STEPS_MAX];
	uint32_t step_count; /* 0 with RAFT_TRANSITION_AUTO: leave the joint configuration */
	struct slice context; /* the caller's own; borrowed */
};

/* Encodes for an entry of type RAFT_ENTRY_CONF_CHANGE_V2 or, with `v1` (one step only), RAFT_ENTRY_CONF_CHANGE.
 * A leave encodes as no bytes: `*data` NULL. 0, -ENOMEM or STATUS_CONF_CHANGE_INVALID. */
int raft_conf_change_encode(const struct raft_conf_change *change, bool v1, struct buf **data);
/* Decodes an entry's data; `change->context` borrows from `entry->data`. 0 or STATUS_MALFORMED. */
int raft_conf_change_decode(const struct raft_entry *entry, struct raft_conf_change *change);

/* ---- Snapshots, hard state, messages ---------------------------------------------------------------------------- */

/* A snapshot's metadata and, for the caller, an opaque handle or the content itself. `index` 0: none.
 * Owned by its holder: raft_snapshot_close. */
struct raft_snapshot {
	uint64_t index; /* of the last entry it covers */
	uint64_t term; /* of that entry */
	struct raft_conf_state conf_state;
	struct buf *data;
};

int raft_snapshot_copy(
	struct raft_snapshot *to, const struct raft_snapshot *from); /* shares data; 0 or -ENOMEM */
void raft_snapshot_close(struct raft_snapshot *snapshot);

struct raft_hard_state {
	uint64_t term;
	uint64_t vote; /* RAFT_NONE: not voted in this term */
	uint64_t commit;
};

enum raft_message_type {
	RAFT_MSG_HUP, /* local: campaign */
	RAFT_MSG_BEAT, /* local: send heartbeats */
	RAFT_MSG_PROP,
	RAFT_MSG_APP,
	RAFT_MSG_APP_RESP,
	RAFT_MSG_VOTE,
	RAFT_MSG_VOTE_RESP,
	RAFT_MSG_SNAP,
	RAFT_MSG_HEARTBEAT,
	RAFT_MSG_HEARTBEAT_RESP,
	RAFT_MSG_UNREACHABLE, /* local */
	RAFT_MSG_SNAP_STATUS, /* local */
	RAFT_MSG_CHECK_QUORUM, /* local */
	RAFT_MSG_TRANSFER_LEADER,
	RAFT_MSG_TIMEOUT_NOW,
	RAFT_MSG_READ_INDEX,
	RAFT_MSG_READ_INDEX_RESP, /* `reject`: the read was not answered; ask again */
	RAFT_MSG_PRE_VOTE,
	RAFT_MSG_PRE_VOTE_RESP,
	RAFT_MSG_STORAGE_APPEND, /* local, to RAFT_LOCAL_APPEND_THREAD */
	RAFT_MSG_STORAGE_APPEND_RESP, /* local, from it */
	RAFT_MSG_STORAGE_APPLY, /* local, to RAFT_LOCAL_APPLY_THREAD */
	RAFT_MSG_STORAGE_APPLY_RESP, /* local, from it */
	RAFT_MSG_FORGET_LEADER, /* local */
	RAFT_MSG_TYPE_COUNT,
};

/* One message. What each field means for a type is written beside the type's handler. A message owns its entries,
 * snapshot, context and responses: raft_message_close drops them. To move a message, copy the struct and zero the
 * original. */
struct raft_message {
	enum raft_message_type type;
	bool reject;
	uint64_t to;
	uint64_t from;
	uint64_t term; /* 0: a local message, or a proposal or read forwarded to the leader */
	uint64_t log_term;
	uint64_t index;
	uint64_t commit;
	uint64_t vote;
	uint64_t reject_hint;
	struct raft_entries entries;
	struct raft_snapshot *snapshot; /* NULL: none; allocated with malloc */
	struct buf *context; /* of reads: the caller's id; of votes: set when a transfer forces the vote */
	struct raft_message *responses; /* of storage messages; allocated with malloc */
	size_t response_count;
};

void raft_message_close(struct raft_message *message);
const char *raft_message_type_name(enum raft_message_type type); /* "MsgApp"; static */

struct raft_messages {
	struct raft_message *items;
	size_t count;
	size_t capacity;
};

/* ---- Storage ---------------------------------------------------------------------------------------------------- */

/*
 * What the node reads of its own persisted state. The caller implements it (PeerStorage; raft_memory for tests) and
 * writes to it when it handles a ready; the node only reads. All calls happen inside calls to the node, on its thread.
 * Each returns 0 or a negative status; STATUS_COMPACTED and STATUS_UNAVAILABLE have the meaning of status.h.
 */
struct raft_storage {
	/* What was persisted; both are zeroed before the call, `conf` becomes the node's. */
	int (*initial_state)(
		struct raft_storage *storage, struct raft_hard_state *hard, struct raft_conf_state *conf);
	/* Appends entries [low, high) to `out`, shared, stopping before raft_entry_size adds up past `size_max`, but
	 * never before the first. On an error `out` is as it was. */
	int (*entries)(struct raft_storage *storage, uint64_t low, uint64_t high, uint64_t size_max,
		struct raft_entries *out);
	/* The term of an entry in [first_index - 1, last_index]; that of first_index - 1 is kept for matching. */
	int (*term)(struct raft_storage *storage, uint64_t index, uint64_t *term);
	/* The first index that `entries` can give: one past the newest compacted. */
	int (*first_index)(struct raft_storage *storage, uint64_t *index);
	int (*last_index)(struct raft_storage *storage, uint64_t *index);
	/* The most recent snapshot, for a follower that needs more than the log has; `out` is the node's to close.
	 * STATUS_SNAPSHOT_UNAVAILABLE: being made; the node asks again on the follower's next response. */
	int (*snapshot)(struct raft_storage *storage, struct raft_snapshot *out);
};

/* ---- The node --------------------------------------------------------------------------------------------------- */

enum raft_read_mode {
	RAFT_READ_SAFE, /* each batch of reads is confirmed by a round of heartbeats to a quorum (Ongaro §6.4) */
	RAFT_READ_LEASE_BASED, /* answered at once by a leader that CheckQuorum keeps honest; depends on clocks */
};

struct raft_config {
	uint64_t id;
	uint64_t seed; /* of the randomized election timeouts */
	uint64_t now; /* ticks: the present, from which the first election timeout counts */
	uint32_t election_tick; /* ticks without a leader before a campaign; the actual wait is in [t, 2t) */
	uint32_t heartbeat_tick; /* < election_tick */
	/* Index that the state machine has already applied at start. It may be past the persisted commit index: with
	 * asynchronous writes the one may be durable before the other. */
	uint64_t applied;

	bool async_storage_writes;
	bool pre_vote;
	bool check_quorum;
	bool step_down_on_removal;
	bool disable_proposal_forwarding;
	bool disable_conf_change_validation;
	enum raft_read_mode read_mode; /* lease-based needs check_quorum */

	/* Limits; 0 takes the default in brackets, RAFT_NO_LIMIT lifts it. */
	uint64_t message_size_max; /* bytes of entries in one MsgApp [1 MiB]; one entry always fits */
	uint64_t committed_size_per_ready; /* bytes of committed entries in one ready [message_size_max] */
	uint64_t uncommitted_size_max; /* bytes of payload in the leader's uncommitted tail [64 MiB] */
	uint32_t inflight_messages_max; /* MsgApp sent and not yet answered, per follower [256] */
	uint64_t inflight_bytes_max; /* the same in bytes [none]; not below message_size_max */
	uint32_t pending_reads_max; /* reads waiting for a confirmation or a first commit [4096] */

	const struct logger *logger; /* shares; may be NULL; must outlive the node */
};

enum raft_role { RAFT_FOLLOWER, RAFT_CANDIDATE, RAFT_LEADER, RAFT_PRE_CANDIDATE };
const char *raft_role_name(enum raft_role role); /* "StateFollower"; static */

struct raw_node;

/* Creates a replica from what `storage` holds (which outlives the node). 0 or: -EINVAL for a config that cannot work,
 * the storage's error, STATUS_CORRUPT for a persisted state that no correct node leaves (commit past the log, a log
 * that ends before `applied`); `status` (may be NULL) says it in a sentence. */
int raw_node_new(const struct raft_config *config, struct raft_storage *storage, struct raw_node **node,
	struct status *status);
void raw_node_free(struct raw_node *node); /* may be NULL */

/* Time. A tick is the caller's unit; the node counts from the config's `now`. `raw_node_tick` is one tick. `raw_node_tick_to` moves
 * to the absolute tick `now` and does at once whatever became due, so that a store keeps groups in one heap ordered
 * by raw_node_deadline (the next tick at which tick_to has work; RAFT_NEVER: none) and an idle group costs nothing.
 * The deadline may change with every call to the node. `now` before the present is ignored. A node that is not ticked
 * one by one is moved to the present before a message or request is fed to it: what it does then counts from there. */
int raw_node_tick(struct raw_node *node);
int raw_node_tick_to(struct raw_node *node, uint64_t now);
uint64_t raw_node_deadline(const struct raw_node *node);

/* Hibernation: no timer runs (the deadline is RAFT_NEVER) until the next message, proposal, read or
 * raw_node_wake. Only a leader whose voters and learners all have matched its whole, committed and applied log can
 * start it (raw_node_can_hibernate); a follower follows when the layer above agrees on it. While CheckQuorum is on,
 * waking gives every node a full election timeout before it acts. */
bool raw_node_can_hibernate(const struct raw_node *node);
void raw_node_hibernate(struct raw_node *node);
void raw_node_wake(struct raw_node *node);
bool raw_node_is_hibernating(const struct raw_node *node);

/* A message from a peer, or a response of a local storage thread. Borrows the message; shares the bufs it keeps.
 * 0 or: STATUS_MALFORMED, STATUS_STEP_LOCAL, STATUS_STEP_UNKNOWN_PEER, STATUS_PROPOSAL_DROPPED (a forwarded proposal
 * not taken), the storage's error, -ENOMEM. */
int raw_node_step(struct raw_node *node, const struct raft_message *message);

/* Starts an election now, if this node may be elected. */
int raw_node_campaign(struct raw_node *node);

/* Proposes one normal entry, or `count` in one go (their term and index are ignored). Shares the bufs.
 * On the leader 0 means that they are in its log; on a follower, that they were forwarded and may be lost.
 * STATUS_PROPOSAL_DROPPED, -ENOMEM. */
int raw_node_propose(struct raw_node *node, struct buf *data);
int raw_node_propose_entries(struct raw_node *node, const struct raft_entry *entries, size_t count);

/* Proposes a membership change. A leader that may not start one now (another is pending, or the present phase forbids
 * it) appends an empty normal entry in its place, as etcd does, and returns 0; look at the committed entry's type. */
int raw_node_propose_conf_change(struct raw_node *node, const struct raft_conf_change *change, bool v1);

/* Applies a committed membership change and returns the resulting configuration in `conf` (replaced; the caller's to
 * close; may be NULL). STATUS_CONF_CHANGE_INVALID or -ENOMEM changes nothing. */
int raw_node_apply_conf_change(
	struct raw_node *node, const struct raft_conf_change *change, struct raft_conf_state *conf);

/* Asks for a read index. The answer comes as a raft_read_state with the same `context` (shared; an id unique in this
 * process's life). 0: an answer will follow, unless it was forwarded to a leader that dies (ask again after a
 * timeout). A leader without a commit in its own term keeps the read until it has one. STATUS_NOT_LEADER: this node
 * knows no leader to ask. STATUS_LIMIT: pending_reads_max. */
int raw_node_read_index(struct raw_node *node, struct buf *context);

/* Asks the leader to hand over to `transferee` (Ongaro §3.10), forwarding when called on a follower.
 * STATUS_NOT_LEADER: this node knows no leader to ask. */
int raw_node_transfer_leader(struct raw_node *node, uint64_t transferee);
/* Makes a follower forget its leader, so that it may vote before its timer runs out. Refused (ignored with a log line)
 * in lease-based read mode. */
int raw_node_forget_leader(struct raw_node *node);

/* What became of messages: `peer` could not be reached; the snapshot sent to it arrived or failed. */
int raw_node_report_unreachable(struct raw_node *node, uint64_t peer);
int raw_node_report_snapshot(struct raw_node *node, uint64_t peer, bool failed);
/* `peer` can do nothing with the log that a leader has for it, and is sent a snapshot when there is one; or it can, again.
 * What it has acknowledged stays so. To be said whenever it is known. */
int raw_node_want_snapshot(struct raw_node *node, uint64_t peer, bool is_wanted);

/* ---- Ready ------------------------------------------------------------------------------------------------------ */

struct raft_soft_state {
	uint64_t leader;
	enum raft_role role;
};

/* A read may be served once the state machine has applied `index`. `status` STATUS_STALE_COMMAND: the role or term
 * changed first; ask again. Owns a reference to `context`. */
struct raft_read_state {
	uint64_t index;
	struct buf *context;
	int status;
};

struct raft_read_states {
	struct raft_read_state *items;
	size_t count;
	size_t capacity;
};

/* What the caller has to do; see the contract on top. Zero is a valid empty ready. It owns all it holds, and keeps its
 * arrays' memory from one use to the next; the caller may take a message out by moving it. */
struct raft_ready {
	bool has_soft_state; /* changed */
	bool has_hard_state; /* changed */
	bool must_sync; /* step 3 must be durable before step 4 (also when there is a snapshot) */
	struct raft_soft_state soft_state;
	struct raft_hard_state hard_state;
	struct raft_snapshot snapshot; /* index 0: none */
	struct raft_entries entries;
	struct raft_entries committed_entries;
	struct raft_messages messages;
	struct raft_read_states read_states;
};

bool raw_node_has_ready(const struct raw_node *node);
/* Fills `ready`, which is empty. 0, -ENOMEM or the storage's error: then `ready` is empty and nothing has moved. */
int raw_node_ready(struct raw_node *node, struct raft_ready *ready);
/* Everything of the last ready is done (synchronous mode only). May return the storage's error; repeat it then. */
int raw_node_advance(struct raw_node *node);

void raft_ready_clear(struct raft_ready *ready); /* drops what it holds, keeps the arrays */
void raft_ready_close(struct raft_ready *ready); /* and frees them */

/* ---- Looking inside --------------------------------------------------------------------------------------------- */

enum raft_progress_state { RAFT_PROGRESS_PROBE, RAFT_PROGRESS_REPLICATE, RAFT_PROGRESS_SNAPSHOT };

/* What the leader knows of one peer. */
struct raft_progress_status {
	uint64_t id;
	enum raft_progress_state state;
	bool is_learner;
	bool recent_active;
	bool msg_app_flow_paused;
	bool wants_snapshot; /* said by raw_node_want_snapshot, and not there yet */
	uint64_t match;
	uint64_t next;
	uint64_t pending_snapshot;
	bool is_inflight_full; /* either limit is reached */
	uint32_t inflight_messages;
	uint64_t inflight_bytes;
};

struct raft_status {
	uint64_t id;
	struct raft_hard_state hard_state;
	struct raft_soft_state soft_state;
	uint64_t applied;
	uint64_t first_index;
	uint64_t last_index;
	uint64_t lead_transferee;
	uint64_t
		commit_term_first; /* first index of this leader's term; 0 on others. Committed: reads may be served */
};

/* Cheap: no allocation. */
void raw_node_status(const struct raw_node *node, struct raft_status *status);
/* The leader's view of `peer`; false when not leading or unknown. */
bool raw_node_progress(const struct raw_node *node, uint64_t peer, struct raft_progress_status *progress);
/* The configuration in force, borrowed until the next call that may change it. */
const struct raft_conf_state *raw_node_conf_state(const struct raw_node *node);
/* The term of the entry at `index`; STATUS_COMPACTED or STATUS_UNAVAILABLE. */
int raw_node_term(const struct raw_node *node, uint64_t index, uint64_t *term);
/* Bytes of memory that the node holds, entries' payloads apart. */
size_t raw_node_memory(const struct raw_node *node);

/* For scenarios and tests: sets the current randomized election timeout, in ticks. */
void raw_node_set_election_timeout(struct raw_node *node, uint32_t ticks);

#endif
