/*
 * append.h: what a peer has handed to the log and not yet heard of: MsgStorageAppend on its way to disk.
 *
 * A FIFO. The payloads of an append's entries are written and synced first; then its record goes to the log engine, in
 * order within the region: a large payload holds back only what its own region appends later. When a record is durable
 * the responses of the message are released, in order. Payloads that find no room, and records that the engine refuses
 * because the disk is full, are tried again when there may be room. A snapshot waits until it is first and everything
 * that was begun has come back, and is installed (peer_install.c) before what follows it is written. A message that
 * brings nothing but a newer commit index is not written: the index rides on the next record. On the peer's loop.
 */
#ifndef RAFTKV_STORE_PEER_APPEND_H
#define RAFTKV_STORE_PEER_APPEND_H

#include <stdbool.h>

#include "raft/raft.h"
#include "store/log/log_engine.h"
#include "store/rows/rows.h"

struct peer;
struct append;

/* Zero is empty. */
struct append_queue {
	struct append *first;
	struct append *last;
	uint32_t in_flight; /* records with the engine, and payloads being written */
	struct append *
		unplaced; /* the first whose payloads have no extents: the disk was full, and those behind it wait */
	bool is_held; /* the log engine found the disk full */
	uint64_t full_since; /* env_now: when something of it first found no room; 0: all has found some */
	struct raft_hard_state hard_state; /* the newest handed to the log */
	struct payload_list payloads; /* of entries not handed to apply */
};

/* Takes a MsgStorageAppend. Without memory the store cannot go on; without room for a follower's payload it waits. */
void append_start(struct peer *peer, struct raft_message *message);
/* Something of the peer has come back from another thread: a snapshot that waits for all of it may have its turn. */
void append_go_on(struct peer *peer);
/* The snapshot at the front is installed: goes on behind it. */
void append_on_installed(struct peer *peer);
/* Space may have been freed: goes on with what was refused. */
void append_resume(struct peer *peer);
/* Nothing of it will ever be logged or applied, or be looked at again: gives the extents of its payloads back. */
void append_queue_release(struct append_queue *queue, struct blocks *blocks, uint64_t mark);
/* Frees everything; only of a store that runs no more, or without extents. */
void append_queue_close(struct append_queue *queue);

#endif
