/*
 * transport.h: the interface that carries peers' messages and region snapshots between stores.
 *
 * The store gives outgoing messages to a `transport` and gets incoming ones through raftkv_step and the snapshot sink.
 * A cluster's transport uses the network; a store that is alone has none (NULL). A transport may lose, delay, repeat
 * and reorder messages. It never damages or misdirects one. It reports known losses with raftkv_report_unreachable.
 */
#ifndef RAFTKV_STORE_TRANSPORT_TRANSPORT_H
#define RAFTKV_STORE_TRANSPORT_TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "raft/raft.h"
#include "store/rows/rows.h"

/* What a replica says to another one beside Raft's messages (peer/hibernation.h). The message is empty. */
enum peer_word {
	PEER_WORD_NONE,
	PEER_WORD_SLEEP, /* the leader, at `term` and `index` of the message: sleep, if nothing is pending there */
	PEER_WORD_ASLEEP, /* the answer: it sleeps */
	PEER_WORD_WAKE, /* the sender has woken: wake */
};

/* Sender and receiver of a message. */
struct peer_envelope {
	uint64_t region;
	struct region_epoch epoch; /* as the sender knows it */
	struct region_peer from;
	struct region_peer to;
	uint64_t shared_index; /* from a leader: every replica has the log up to here; 0: not set */
	/* The receiver's replica was removed from the region at `epoch`: it destroys itself. The message is empty. */
	bool is_tombstone;
	uint64_t
		settled_version; /* from a leader: removals up to this conf_version may be told; 0: not set */
	bool wants_snapshot; /* from a follower: the log cannot serve it */
	/* With MsgSnap: a majority without the receiver is active and has the log up to the snapshot's index. */
	bool is_dispensable;
	/* From a candidate: its store led the region that was split, and its router knows both ranges (peer_split.c). */
	bool led_parent;
	uint64_t content_size; /* with MsgSnap: bytes that its install takes; 0: unknown */
	enum peer_word word;
	uint64_t round; /* of PEER_WORD_SLEEP, and of its answer */
	uint64_t incarnation; /* with PEER_WORD_SLEEP: the sending store's */
};

/* ---- Snapshots of regions: a stream of chunks, beside the messages ---- */

#define SNAPSHOT_CHUNK_SIZE_MAX                                                                              \
	((2u << 20) + MUTATIONS_SIZE_MAX + (64u << 10)) /* bytes; see snapshot_chunk.h */

/* The content of a region at one index, read by its sender. It keeps the extents that it refers to. One thread at a
 * time. */
struct snapshot_source;
/* The next chunk; the caller gets a reference. Blocks: on a worker. STATUS_NOT_FOUND: the end; another error is
 * final. */
int snapshot_source_next(struct snapshot_source *source, struct buf **chunk);
void snapshot_source_free(struct snapshot_source *source); /* any thread */

/* The staged copy of a snapshot that is being received. */
struct snapshot_sink;

struct transport {
	const struct transport_ops *ops;
};

struct transport_ops {
	/* On the shard's loop. Borrows the message, shares the bufs it keeps; may drop it. */
	void (*send)(struct transport *transport, const struct peer_envelope *envelope,
		const struct raft_message *message);
	/* On the shard's loop. Takes the source; `message` is the MsgSnap of the snapshot, borrowed. When the receiver
	 * has all of it, or on a failure, the transport calls raftkv_report_snapshot once, on any thread, with the
	 * receiver's status if the receiver refused it. */
	void (*send_snapshot)(struct transport *transport, const struct peer_envelope *envelope,
		const struct raft_message *message, struct snapshot_source *source);
	/* On the first shard's loop. Tells that store that this one is alive in its incarnation (liveness.h); may be
	 * lost. */
	void (*send_alive)(struct transport *transport, uint64_t store, uint64_t incarnation);
};

/* ---- What a transport gives to its store. Any thread. ---- */

struct raftkv;

/* A message for a replica on this store; it is taken and zeroed. If the region has no replica here, the message may
 * create one, or is dropped: Raft repeats messages. */
void raftkv_step(struct raftkv *raftkv, const struct peer_envelope *envelope, struct raft_message *message);
/* Another store is alive, in that incarnation. */
void raftkv_hear_alive(struct raftkv *raftkv, uint64_t store, uint64_t incarnation);
/* Messages to that replica did not arrive. */
void raftkv_report_unreachable(struct raftkv *raftkv, uint64_t region, uint64_t peer);
/* 0: it arrived. */
void raftkv_report_snapshot(struct raftkv *raftkv, uint64_t region, uint64_t peer, int status);

/* Begins to receive a snapshot; `message` (MsgSnap) is taken and zeroed. STATUS_LIMIT: too many at once, or its range
 * is in use; another error: it is refused. Chunks are written in order, each once (blocks: on a worker). `finish` makes
 * the stage durable and steps the message into the replica; it frees the sink, as does `abort`. */
int raftkv_receive_snapshot(struct raftkv *raftkv, const struct peer_envelope *envelope,
	struct raft_message *message, struct snapshot_sink **sink);
int snapshot_sink_write(struct snapshot_sink *sink, struct slice chunk);
/* Whether the last chunk has been written. */
bool snapshot_sink_is_complete(const struct snapshot_sink *sink);
int snapshot_sink_finish(struct snapshot_sink *sink);
void snapshot_sink_abort(struct snapshot_sink *sink);

#endif
