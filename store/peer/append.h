/*
 * append.h: a peer's appends to its log that are not finished: each MsgStorageAppend on its way to the disk.
 *
 * A FIFO. The payloads of an append's entries are written and synced first; then its record goes to the log engine, in
 * order within the region: a large payload delays only later appends of its own region. When a record is durable the
 * responses of the message are released, in order. Payloads that find no room, and records that the engine refuses
 * because the disk is full, are retried when space may have been freed. A snapshot waits until it is first and no write
 * of the peer is in flight. It is installed (peer_install.c) before the appends behind it are written. A message with
 * only a newer commit index is not written: the next record carries the index. On the peer's loop.
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
	uint32_t in_flight; /* records in the log engine, and payload writes */
	/* The first append whose payloads have no extents, because the disk was full; the appends behind it wait. */
	struct append *unplaced;
	uint32_t late; /* records in the log engine whose entries were not committed early */
	uint64_t hurry_at; /* env_now: when the log is to begin with what may wait there; 0: nothing may */
	bool is_held; /* the log engine refused a record because the disk is full */
	uint64_t full_since; /* env_now: since when an append has found no room; 0: none lacks room */
	struct raft_hard_state hard_state; /* the newest one handed to the log */
	struct payload_list payloads; /* of entries not yet handed to apply */
};

/* Takes a MsgStorageAppend. Out of memory, the store fails. Without room for a follower's payload the append waits. */
void append_start(struct peer *peer, struct raft_message *message);
/* To be called when work of the peer has come back from another thread, or time has passed: a waiting snapshot may now be
 * installed, or the log is to hurry. */
void append_go_on(struct peer *peer);
/* The snapshot at the front is installed: continues with the appends behind it. */
void append_on_installed(struct peer *peer);
/* The log is to begin with what waits there, of all regions. */
void append_hurry(struct peer *peer);
/* No record from now on has a lower commit index. The log has the entry. */
void append_raise_commit(struct peer *peer, uint64_t commit);
/* Space may have been freed: retries the refused payloads and records. */
void append_resume(struct peer *peer);
/* Gives back the extents of the queue's payloads. Nothing of the queue may be logged, applied or read afterwards. */
void append_queue_release(struct append_queue *queue, struct blocks *blocks, uint64_t mark);
/* Frees everything. Only when the store has stopped, or after append_queue_release. */
void append_queue_close(struct append_queue *queue);

#endif
