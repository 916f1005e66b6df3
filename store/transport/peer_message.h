/*
 * peer_message.h: a Raft message and its envelope in their network format: PeerMessage of raftkv.proto. The payloads of
 * its entries are attachments of the frame, so they are not copied.
 */
#ifndef RAFTKV_STORE_TRANSPORT_PEER_MESSAGE_H
#define RAFTKV_STORE_TRANSPORT_PEER_MESSAGE_H

#include "proto/frame.h"
#include "proto/raftkv.pb-c.h"
#include "store/transport/transport.h"

/* An outgoing message. `message` points into the other members. */
struct peer_message {
	struct peer_message *next; /* the owner's */
	Raftkv__PeerMessage message;
	size_t size; /* upper bound of the bytes of its head */
	size_t payload_size; /* bytes of its attachments */
	uint32_t payload_count;
	Raftkv__Epoch epoch;
	Raftkv__Replica from, to;
	struct buf *context;
	struct raft_snapshot snapshot; /* of MsgSnap, encoded in snapshot_message */
	Raftkv__Snapshot snapshot_message;
	Raftkv__ConfState conf_state;
	struct raft_entries shared; /* holds the entries' bufs */
	Raftkv__Entry *entries;
	Raftkv__Entry *pointers[]; /* to the entries */
};

/* Shares the bufs of `message`, whose payloads are in memory. NULL: out of memory. */
struct peer_message *peer_message_new(
	const struct peer_envelope *envelope, const struct raft_message *message);
void peer_message_free(struct peer_message *peer_message);
/* Appends its payloads, borrowed, to `attachments`. Returns the new count. */
uint32_t peer_message_attach(
	const struct peer_message *peer_message, struct buf **attachments, uint32_t count);

/* Decodes a received message, whose payloads it takes from the frame's attachments (shared). 0; STATUS_MALFORMED: no
 * correct store sends such a message; -ENOMEM. */
int peer_message_open(const Raftkv__PeerMessage *peer_message, struct frame *frame,
	struct peer_envelope *envelope, struct raft_message *message);

#endif
