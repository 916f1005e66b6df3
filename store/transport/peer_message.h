/*
 * peer_message.h: a Raft message in its envelope, as it goes over the network: PeerMessage of raftkv.proto, with the payloads
 * of its entries as attachments of the frame, so that they are never copied.
 */
#ifndef RAFTKV_STORE_TRANSPORT_PEER_MESSAGE_H
#define RAFTKV_STORE_TRANSPORT_PEER_MESSAGE_H

#include "proto/frame.h"
#include "proto/raftkv.pb-c.h"
#include "store/transport/transport.h"

/* On its way out. `message` points into the rest. */
struct peer_message {
	struct peer_message *next; /* the owner's */
	Raftkv__PeerMessage message;
	size_t size; /* bytes of its head, at most */
	size_t payload_size; /* bytes of its attachments */
	uint32_t payload_count;
	Raftkv__Epoch epoch;
	Raftkv__Replica from, to;
	struct buf *context;
	struct raft_snapshot snapshot; /* MsgSnap's, and as it goes out */
	Raftkv__Snapshot snapshot_message;
	Raftkv__ConfState conf_state;
	struct raft_entries shared; /* the entries' bufs */
	Raftkv__Entry *entries;
	Raftkv__Entry *pointers[]; /* to them */
};

/* Shares the bufs of `message`, whose payloads are in memory. NULL: out of memory. */
struct peer_message *peer_message_new(
	const struct peer_envelope *envelope, const struct raft_message *message);
void peer_message_free(struct peer_message *peer_message);
/* Appends its payloads, borrowed, to `attachments`; returns how many there are now. */
uint32_t peer_message_attach(
	const struct peer_message *peer_message, struct buf **attachments, uint32_t count);

/* Opens one that came. Takes its payloads off `*attachments` (shared). 0; STATUS_MALFORMED: no correct store sends such;
 * -ENOMEM. */
int peer_message_open(const Raftkv__PeerMessage *peer_message, struct frame *frame,
	struct peer_envelope *envelope, struct raft_message *message);

#endif
