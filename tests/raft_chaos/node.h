/*
 * One process: a raw_node, its disk, its clock and, in asynchronous mode, its two local storage threads. It keeps the
 * caller's contract in raft.h, and can crash at any event and between any two steps.
 *
 *   node.c          lifetime, time, input
 *   node_ready.c    a ready in synchronous mode
 *   node_threads.c  the append and the apply thread
 *   node_apply.c    committed entries and snapshots meet the state machine
 *   node_watch.c    what must be true of one node after each call
 */
#ifndef RAFTKV_TESTS_RAFT_CHAOS_NODE_H
#define RAFTKV_TESTS_RAFT_CHAOS_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "raft/raft.h"
#include "tests/raft_chaos/disk.h"
#include "tests/raft_chaos/event.h"

struct cluster;

/* The step that the present ready waits for, in synchronous mode. */
enum node_phase { NODE_IDLE, NODE_SYNCING, NODE_ADVANCING };

/* A local storage thread: it takes queued messages in rounds, and each round takes some time. */
struct node_thread {
	struct event event;
	struct raft_messages queue;
	size_t taken; /* messages of the round under way */
	size_t written; /* records of the disk that the round waits for */
};

/* The state that the watch saw after the last call. */
struct node_watch {
	uint64_t term;
	uint64_t commit;
	enum raft_role role;
	struct conf_mask conf;
	uint64_t heard_tick[NODES_MAX + 1]; /* by peer: when a message of it came, in this node's ticks */
	uint64_t lenient_until_tick; /* a leader need not have stepped down before */
};

struct node {
	struct cluster *cluster;
	uint64_t id;
	struct disk disk;
	struct raw_node *raw; /* NULL: not running */
	uint64_t incarnation;
	uint64_t paused_until_us;

	uint64_t period_us; /* of its tick */
	uint64_t started_us;
	uint64_t ticks; /* since it started */
	struct event tick;

	struct raft_ready ready;
	enum node_phase phase;
	struct event storage; /* a sync ends, or a failed call is repeated */
	struct event restart;
	struct node_thread append;
	struct node_thread apply;
	struct node_thread mail; /* responses of the append thread that have not reached the node yet */
	uint64_t snapshot_index; /* of the newest snapshot that the node has accepted in this life */
	struct node_watch watch;
};

/* A node with an empty disk (`first` NULL) or one that starts from `first`. Not running yet. */
void node_init(struct node *node, struct cluster *cluster, uint64_t id, const struct machine *first);
void node_close(struct node *node);
void node_start(struct node *node);
/* Stops the node at once; some of the unsynced writes are lost. It restarts after `restart_us` (0: not by itself). */
void node_crash(struct node *node, uint64_t restart_us);
/* Now and then a crash between two steps; true when it happened. */
bool node_crash_point(struct node *node);

/* Called around every call into the node. Before: updates its clock. After: watches it, handles its readies and arms its
 * timer. */
void node_before_input(struct node *node);
void node_after_input(struct node *node);
/* A message from the network; borrows it. */
void node_receive(struct node *node, const struct raft_message *message);

/* node_ready.c: takes and handles readies until there is none or one has to wait. */
void node_handle_readies(struct node *node);
void node_on_storage(struct cluster *cluster, struct event *event);

/* node_threads.c */
void node_threads_init(struct node *node);
void node_threads_close(struct node *node);
/* Takes a MsgStorageAppend or MsgStorageApply. */
void node_threads_post(struct node *node, struct raft_message *message);

/* node_apply.c: in order; entries that a snapshot already covers are skipped. */
void node_apply_entries(struct node *node, const struct raft_entries *entries);
/* The record for a snapshot, checked against the model. */
void node_restore_snapshot(
	struct node *node, const struct raft_snapshot *snapshot, struct disk_record *record);

/* node_watch.c */
void node_watch_start(struct node *node);
void node_watch_calls(struct node *node);
void node_watch_tick(struct node *node);
void node_watch_ready(struct node *node, const struct raft_ready *ready);
/* In asynchronous mode: checks that the node's log is the one that its disk will hold. */
void node_watch_queue(struct node *node);
void node_watch_heard(struct node *node, uint64_t peer);
/* CheckQuorum begins a new timeout: at a transfer, at a change of members. */
void node_watch_be_lenient(struct node *node);
/* raw_node_status, while the disk does not fail. */
void node_status(struct node *node, struct raft_status *status);
/* Fails the run unless `status` is one that the call may return here. */
void node_watch_status(struct node *node, const char *call, int status);

#endif
