/*
 * raft.h: consensus as a pure state machine.
 *
 * A `raw_node` is one replica of one Raft group. It does no I/O, knows no clock and starts no thread: messages, ticks
 * and proposals go in, a `raft_ready` comes out, and the caller persists, sends and applies what it holds. The
 * algorithm is that of "In Search of an Understandable Consensus Algorithm" (Ongaro, Ousterhout 2014, the extended
 * version; cited as "paper §n" and "Figure 2") and of Ongaro's dissertation (2014; cited as "Ongaro §n"), with the
 * message vocabulary of etcd-io/raft and the names of raft-rs.
 *
 * The caller's contract, with synchronous storage writes:
 *
 *  1. Feed the node from one thread at a time: call raw_node_step with messages of peers, raw_node_tick (or
 *     raw_node_tick_to) as time passes, raw_node_propose, raw_node_read_index and the like with requests.
 *  2. When raw_node_has_ready says so, take one `raft_ready` with raw_node_ready. Take the next one only after step 7;
 *     the node may be fed in between.
 *  3. Persist `snapshot` if its index is not 0, then append `entries` (an entry at an index that is already in the log
 *     replaces it and everything after it), then write `hard_state` if `has_hard_state` is set. All of it is one
 *     atomic write: a node does not start with a commit index past the end of its log. It must reach the disk before
 *     step 4 when `must_sync` is set or there is a snapshot (Figure 2: "updated on stable storage before responding to
 *     RPCs"). A commit index alone may be lost.
 *  4. Send `messages`. A leader may send MsgApp, MsgHeartbeat, MsgSnap and MsgTimeoutNow before step 3 (Ongaro
 *     §10.2.1): they acknowledge nothing. The others wait for it. Report a peer that cannot be reached with
 *     raw_node_report_unreachable, and the outcome of every MsgSnap with raw_node_report_snapshot: until it is
 *     reported, or the peer acknowledges the snapshot, the peer is sent nothing but heartbeats.
 *  5. Apply `snapshot`, then `committed_entries`, in order. Apply a conf-change entry by decoding it and calling
 *     raw_node_apply_conf_change before step 7, or refuse it by not calling. Persist the resulting conf state together
 *     with the applied state.
 *  6. Answer the reads in `read_states`: each may be served once the state machine has applied up to its index.
 *  7. Call raw_node_advance. Then call raft_ready_clear.
 *
 * With `config.async_storage_writes` there is no raw_node_advance, and the next ready may be taken at any time.
 * Instead `messages` also holds:
 *
 *  a. MsgStorageAppend to RAFT_LOCAL_APPEND_THREAD: the snapshot, entries and hard state of step 3 (term, vote and
 *     commit of the message; term 0 means no hard state). Handle these messages in order. A snapshot is also applied
 *     here. Once all of it is durable, deliver the message's `responses` in order: those addressed to this node with
 *     raw_node_step, the others to their peers.
 *  b. MsgStorageApply to RAFT_LOCAL_APPLY_THREAD: `entries` to apply as in step 5. Handle these messages in order, and
 *     skip entries that a snapshot applied in the meantime covers. Then deliver the message's `responses`. The entries
 *     are durable here already.
 *
 *  Send a MsgVote only once the MsgStorageAppend of the same ready is durable. It announces a term and a last entry. If
 *  a crash took them back, this node could be elected a second time in that term, or by votes for a log that it no
 *  longer has. Other messages may be sent at once. The `entries`, `committed_entries` and `snapshot` of the ready are
 *  what the local messages hold, shown for information: do not persist or apply them twice.
 *
 * Errors. Nothing here aborts on input. A malformed message is refused with STATUS_MALFORMED and changes nothing. An
 * error of the storage is returned as the storage gave it, and a lack of memory as -ENOMEM; the node has then broken
 * no promise to its peers, and the call may be repeated.
 *
 * Ownership. Every pointer parameter borrows for the call unless its comment says *takes* or *shares*. Payloads are
 * `struct buf`s, shared and never copied. A ready or a message owns what it holds (see their comments).
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

/* One log entry. `data` is the record that goes into the log. `payload` is a large piece of data that travels beside
 * it and is stored elsewhere (the block store). `payload_size` is set whenever the entry has a payload, also while the
 * payload is not loaded (`payload` NULL). Both may be NULL. A holder owns one reference to each. */
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

/* The bytes that the entry counts for in the limits of a message and of a ready: its encoded size as in etcd's wire
 * format plus `payload_size`. */
uint64_t raft_entry_size(const struct raft_entry *entry);
/* The bytes of `data` and payload alone, which the uncommitted-size and in-flight limits count. */
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

/* A configuration (Ongaro §4). A majority of `voters` decides. While `voters_outgoing` is not empty the configuration
 * is joint and needs a majority of each (Ongaro §4.3). `learners` receive the log and do not vote (Ongaro §4.2.1).
 * `learners_next` are outgoing voters that become learners when the joint phase ends. */
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
	RAFT_UPDATE_NODE, /* changes nothing here: it carries the caller's context alone */
	RAFT_ADD_LEARNER,
};

enum raft_conf_change_transition {
	RAFT_TRANSITION_AUTO, /* joint only with more than one step, and then left automatically */
	RAFT_TRANSITION_JOINT_IMPLICIT, /* joint, left automatically */
	RAFT_TRANSITION_JOINT_EXPLICIT, /* joint, left when an empty change is proposed */
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

/* A snapshot. `index` 0: there is none. It owns what it holds; raft_snapshot_close drops it. */
struct raft_snapshot {
	uint64_t index; /* of the last entry it covers */
	uint64_t term; /* of that entry */
	struct raft_conf_state conf_state; /* the configuration as of that entry */
	struct buf *data; /* the caller's: the content, or a handle for it */
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
	/* Of reads, the caller's id. Of heartbeats, the round of reads to confirm. Of votes, set when a leadership
	 * transfer forces the vote. */
	struct buf *context;
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
 * The node's view of its own persisted state. The caller implements it (memory_storage.h does so for tests) and writes
 * to it when it handles a ready; the node only reads. All calls happen inside calls to the node, on its thread.
 * Each returns 0 or a negative status; STATUS_COMPACTED and STATUS_UNAVAILABLE have the meaning of status.h.
 */
struct raft_storage {
	/* The hard state, and the configuration as of the applied index (raft_config.applied). Both are zeroed before
	 * the call; the node closes `conf`. */
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
	/* The most recent snapshot, for a follower that needs entries which the log no longer has; the node closes
	 * `out`. STATUS_SNAPSHOT_UNAVAILABLE: it is being made, and the node asks again on the follower's next
	 * response. */
	int (*snapshot)(struct raft_storage *storage, struct raft_snapshot *out);
};

/* ---- The node --------------------------------------------------------------------------------------------------- */

enum raft_read_mode {
	RAFT_READ_SAFE, /* a round of heartbeats to a quorum confirms each batch of reads (Ongaro §6.4) */
	RAFT_READ_LEASE_BASED, /* the leader answers at once while CheckQuorum holds (Ongaro §6.4.1): needs clocks */
};

struct raft_config {
	uint64_t id;
	uint64_t seed; /* of the randomized election timeouts */
	uint64_t now; /* ticks: the present, from which the first election timeout counts */
	uint32_t election_tick; /* ticks without a leader before a campaign; the actual wait is in [t, 2t) */
	uint32_t heartbeat_tick; /* ticks between a leader's heartbeats; > 0 and < election_tick */
	/* The index that the state machine has applied at start. It may be past the persisted commit index: with
	 * asynchronous writes the applied state may be durable first. */
	uint64_t applied;

	bool async_storage_writes;
	bool pre_vote; /* a node asks whether it would win before it raises its term (Ongaro §9.6) */
	bool check_quorum; /* a leader that no quorum answers steps down; its followers refuse votes until then */
	bool step_down_on_removal; /* a leader follows once it has applied its own removal or demotion */
	bool disable_proposal_forwarding; /* a follower drops proposals */
	bool disable_conf_change_validation; /* a leader takes any conf change into its log that can be decoded */
	/* A leader sends a new commit index with its next append or heartbeat, or when raw_node_send_commit is called, instead
	 * of at once to all: two messages less for each follower and entry, where entries follow one another. A follower
	 * that asks for a read index gets it at once. (TiKV: skip_bcast_commit.) While a membership change is pending,
	 * nobody is told of more than this leader has applied: who is removed learns it from the caller, once a
	 * majority of the others knows durably that it is committed, which it does when an entry is committed that was
	 * proposed after the change was applied. */
	bool delay_commit;
	/* With async_storage_writes: hands out committed entries for apply before they are stable here. For a sole voter
	 * whose caller steps its own MsgAppResp before the write is durable. */
	bool apply_unstable;
	enum raft_read_mode read_mode; /* lease-based needs check_quorum */

	/* Limits; 0 takes the default in brackets, RAFT_NO_LIMIT lifts it. */
	uint64_t message_size_max; /* bytes of raft_entry_size in one MsgApp [1 MiB]; one entry always fits */
	/* Bytes of raft_entry_size that are handed out and not yet applied [message_size_max]; one entry always fits. */
	uint64_t committed_size_per_ready;
	/* Bytes of raft_entry_payload_size that this leader has taken and not yet applied [64 MiB]. */
	uint64_t uncommitted_size_max;
	uint32_t inflight_messages_max; /* MsgApp sent and not yet answered, per follower [256] */
	uint64_t inflight_bytes_max; /* raft_entry_payload_size in them [none]; not below message_size_max */
	uint32_t pending_reads_max; /* reads that wait for a round or for the term's first commit [4096] */

	const struct logger *logger; /* shares; may be NULL; must outlive the node */
};

enum raft_role { RAFT_FOLLOWER, RAFT_CANDIDATE, RAFT_LEADER, RAFT_PRE_CANDIDATE };
const char *raft_role_name(enum raft_role role); /* "StateFollower"; static */

struct raw_node;

/* Creates a replica from what `storage`, which outlives the node, holds. 0 or: -EINVAL for a config that cannot work,
 * the storage's error, -ENOMEM, or STATUS_CORRUPT for a persisted state that no correct node leaves (a commit index or
 * an applied index past the end of the log, an impossible configuration). `status`, which may be NULL, says why. */
int raw_node_new(const struct raft_config *config, struct raft_storage *storage, struct raw_node **node,
	struct status *status);
void raw_node_free(struct raw_node *node); /* may be NULL */

/* Time. A tick is the caller's unit; the node counts from the config's `now`. raw_node_tick passes one tick.
 * raw_node_tick_to moves to the absolute tick `now` and does at once whatever became due; a `now` before the present is
 * ignored. raw_node_deadline is the next tick at which there is work (RAFT_NEVER: none); it may change with every call
 * to the node. A store can keep its groups in one heap ordered by it, and idle groups then cost nothing. A caller that
 * does not tick one by one moves the node to the present before it feeds it a message or a request, from which the
 * node's timers then count. 0, the storage's error or -ENOMEM: the same call may be repeated. */
int raw_node_tick(struct raw_node *node);
int raw_node_tick_to(struct raw_node *node, uint64_t now);
uint64_t raw_node_deadline(const struct raw_node *node);

/* Whether an election timeout has not passed, by ticks, since its leader was last heard of: it votes for nobody else. */
bool raw_node_is_in_lease(const struct raw_node *node);

/* Hibernation. No timer runs (the deadline is RAFT_NEVER) until the next message, request or raw_node_wake. A leader
 * hibernates only when raw_node_can_hibernate: its log is committed and applied, those whom it can reach were sent the
 * commit index, a quorum is active, and no read, transfer, joint phase or ready is under way; else raw_node_hibernate does
 * nothing. Any other role hibernates when told to: the layer above makes sure that the leader agreed, and wakes the leader
 * for a member that lacks entries. A node that wakes starts its timers anew, as if its leader had just been heard. */
bool raw_node_can_hibernate(const struct raw_node *node);
void raw_node_hibernate(struct raw_node *node);
void raw_node_wake(struct raw_node *node);
bool raw_node_is_hibernating(const struct raw_node *node);

/* A message from a peer, or a response of a local storage thread. Shares the bufs that the node keeps.
 * 0 or: STATUS_MALFORMED, STATUS_STEP_LOCAL, STATUS_STEP_UNKNOWN_PEER, STATUS_PROPOSAL_DROPPED (a forwarded proposal
 * was not taken), STATUS_CORRUPT (entries that contradict committed ones), the storage's error, -ENOMEM. */
int raw_node_step(struct raw_node *node, const struct raft_message *message);

/* Starts an election now, if this node may be elected; otherwise does nothing. 0, the storage's error or -ENOMEM. */
int raw_node_campaign(struct raw_node *node);

/* Proposes one normal entry, or `count` entries, all or none (their term and index are ignored). Shares the bufs.
 * On the leader 0 means that they are in its log; on a follower, that they were forwarded and may be lost.
 * STATUS_PROPOSAL_DROPPED; STATUS_MALFORMED: no entry, or one that cannot be decoded; -ENOMEM. */
int raw_node_propose(struct raw_node *node, struct buf *data);
int raw_node_propose_entries(struct raw_node *node, const struct raft_entry *entries, size_t count);

/* Proposes a membership change. A leader that may not start one now (another is pending, or the joint phase forbids
 * it) appends an empty normal entry in its place, as etcd does, and returns 0: the type of the committed entry tells.
 * As raw_node_propose, and STATUS_CONF_CHANGE_INVALID for a change that cannot be encoded. */
int raw_node_propose_conf_change(struct raw_node *node, const struct raft_conf_change *change, bool v1);

/* Applies a committed membership change and returns the resulting configuration in `conf` (replaced; the caller closes
 * it; may be NULL). 0; after STATUS_CONF_CHANGE_INVALID or -ENOMEM nothing has changed. Transfer leadership away before a
 * change removes or demotes the leader: a configuration counts here once it is applied, so if such a leader is lost before
 * the others have applied the change, they need the vote of a node that no longer campaigns and has a longer log. */
int raw_node_apply_conf_change(
	struct raw_node *node, const struct raft_conf_change *change, struct raft_conf_state *conf);

/* Asks for a read index. The answer comes as a raft_read_state with the same `context` (shared; an id unique in this
 * process's life). A leader that has committed nothing in its own term keeps the read until it has. 0: an answer will
 * follow, unless a follower's question or its answer is lost: ask again after a timeout. STATUS_NOT_LEADER: this node
 * knows no leader to ask. STATUS_LIMIT: this leader has pending_reads_max. -ENOMEM. */
int raw_node_read_index(struct raw_node *node, struct buf *context);

/* Asks the leader to transfer leadership to `transferee` (Ongaro §3.10); a follower forwards the request. 0 does not say
 * that the transfer succeeds. STATUS_NOT_LEADER: this node knows no leader to ask. -ENOMEM. */
int raw_node_transfer_leader(struct raw_node *node, uint64_t transferee);
/* Makes a follower forget its leader, so that it may vote before its timer runs out. Ignored, with a log line, in
 * lease-based read mode, where a vote would break the lease. 0. */
int raw_node_forget_leader(struct raw_node *node);

/* A message to `peer` could not be delivered. 0; ignored unless this node leads. */
int raw_node_report_unreachable(struct raw_node *node, uint64_t peer);
/* The MsgSnap sent to `peer` arrived, or failed. 0; ignored unless this node leads. */
int raw_node_report_snapshot(struct raw_node *node, uint64_t peer, bool failed);
/* With delay_commit: whether a follower may not know the newest commit index; and sends it to those. Ignored unless this
 * node leads. An append that cannot be made is made later. */
bool raw_node_has_unsent_commit(const struct raw_node *node);
void raw_node_send_commit(struct raw_node *node);
/* Tells a leader that `peer` can do nothing with entries of the log and needs a snapshot, or that it can use the log
 * again. Call it with every message that says so; repeating it changes nothing. The peer's acknowledgements still
 * count. 0. */
int raw_node_want_snapshot(struct raw_node *node, uint64_t peer, bool is_wanted);

/* ---- Ready ------------------------------------------------------------------------------------------------------ */

struct raft_soft_state {
	uint64_t leader;
	enum raft_role role;
};

/* The answer to a read. `status` 0: it may be served once the state machine has applied `index`. STATUS_STALE_COMMAND:
 * the role or the term changed first, or the leader refused; ask again. Owns a reference to `context`. */
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

/* What the caller has to do; see the contract on top. Zero is a valid empty ready. It owns all it holds, and keeps the
 * memory of its arrays from one use to the next. The caller may take a message out by moving it. */
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
/* Says that everything in the last ready is done; synchronous mode only. 0, or the storage's error or -ENOMEM: repeat
 * the call then. */
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
	bool wants_snapshot; /* raw_node_want_snapshot said so, and the peer is not replicating again yet */
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
	uint64_t first_index; /* 0: the storage could not tell */
	uint64_t last_index;
	uint64_t lead_transferee;
	/* The index of the first entry of this leader's term; 0 on other nodes. Once it is committed, the leader may
	 * serve reads. */
	uint64_t commit_term_first;
};

/* Cheap: no allocation. */
void raw_node_status(const struct raw_node *node, struct raft_status *status);
/* The leader's view of `peer`; false when this node does not lead or does not know the peer. */
bool raw_node_progress(const struct raw_node *node, uint64_t peer, struct raft_progress_status *progress);
/* The configuration in force, borrowed until the next call that may change it. */
const struct raft_conf_state *raw_node_conf_state(const struct raw_node *node);
/* The term of the entry at `index`. 0, STATUS_COMPACTED, STATUS_UNAVAILABLE or the storage's error. */
int raw_node_term(const struct raw_node *node, uint64_t index, uint64_t *term);
/* Bytes of memory that the node holds, without the data and payloads of entries. */
size_t raw_node_memory(const struct raw_node *node);

/* For scenarios and tests: sets the current randomized election timeout, in ticks. */
void raw_node_set_election_timeout(struct raw_node *node, uint32_t ticks);

#endif
