#include "store/transport/peer_message.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/check.h"
#include "proto/status.h"

#define HEAD_SIZE  256u /* bytes of a message's fixed-size fields, at most */
#define ENTRY_SIZE 48u

/* ---- Out ---- */

static ProtobufCBinaryData bytes_of(const struct buf *buf)
{
	struct slice slice = buf_slice(buf);

	return (ProtobufCBinaryData){.len = slice.size, .data = (uint8_t *)slice.data};
}

static void fill_entries(struct peer_message *peer_message)
{
	for (size_t i = 0; i < peer_message->shared.count; i++) {
		const struct raft_entry *from = &peer_message->shared.items[i];
		Raftkv__Entry *to = &peer_message->entries[i];

		check(from->payload_size == 0 || from->payload);
		raftkv__entry__init(to);
		to->term = from->term;
		to->index = from->index;
		to->type = from->type;
		to->data = bytes_of(from->data);
		to->payload_size = from->payload_size;
		peer_message->pointers[i] = to;
		peer_message->size += ENTRY_SIZE + to->data.len;
		peer_message->payload_size += from->payload_size;
		peer_message->payload_count += from->payload_size > 0;
	}
}

static void fill_replica(Raftkv__Replica *to, const struct region_peer *from)
{
	raftkv__replica__init(to);
	to->id = from->id;
	to->store = from->store;
	to->roles = from->roles;
}

/* The lists of ids are borrowed from the message's snapshot. */
static void fill_snapshot(struct peer_message *peer_message)
{
	struct raft_conf_state *from = &peer_message->snapshot.conf_state;
	Raftkv__ConfState *conf = &peer_message->conf_state;
	Raftkv__Snapshot *to = &peer_message->snapshot_message;

	raftkv__conf_state__init(conf);
	conf->n_voters = from->voters.count;
	conf->voters = from->voters.items;
	conf->n_voters_outgoing = from->voters_outgoing.count;
	conf->voters_outgoing = from->voters_outgoing.items;
	conf->n_learners = from->learners.count;
	conf->learners = from->learners.items;
	conf->n_learners_next = from->learners_next.count;
	conf->learners_next = from->learners_next.items;
	conf->auto_leave = from->auto_leave;
	raftkv__snapshot__init(to);
	to->index = peer_message->snapshot.index;
	to->term = peer_message->snapshot.term;
	to->conf_state = conf;
	to->data = bytes_of(peer_message->snapshot.data);
	peer_message->message.snapshot = to;
	peer_message->size += HEAD_SIZE + to->data.len + REGION_PEERS_MAX * ENTRY_SIZE;
}

static void peer_message_fill(struct peer_message *peer_message, const struct peer_envelope *envelope,
	const struct raft_message *from)
{
	Raftkv__PeerMessage *to = &peer_message->message;

	raftkv__peer_message__init(to);
	raftkv__epoch__init(&peer_message->epoch);
	peer_message->epoch.conf_version = envelope->epoch.conf_version;
	peer_message->epoch.version = envelope->epoch.version;
	fill_replica(&peer_message->from, &envelope->from);
	fill_replica(&peer_message->to, &envelope->to);
	to->region = envelope->region;
	to->epoch = &peer_message->epoch;
	to->from = &peer_message->from;
	to->to = &peer_message->to;
	to->shared_index = envelope->shared_index;
	to->is_tombstone = envelope->is_tombstone;
	to->settled_version = envelope->settled_version;
	to->wants_snapshot = envelope->wants_snapshot;
	to->is_dispensable = envelope->is_dispensable;
	to->led_parent = envelope->led_parent;
	to->content_size = envelope->content_size;
	to->word = envelope->word;
	to->round = envelope->round;
	to->incarnation = envelope->incarnation;
	to->type = from->type;
	to->reject = from->reject;
	to->term = from->term;
	to->log_term = from->log_term;
	to->index = from->index;
	to->commit = from->commit;
	to->vote = from->vote;
	to->reject_hint = from->reject_hint;
	to->context = bytes_of(peer_message->context);
	to->n_entries = peer_message->shared.count;
	to->entries = peer_message->pointers;
	peer_message->size = HEAD_SIZE + to->context.len;
	fill_entries(peer_message);
	if (peer_message->snapshot.index > 0)
		fill_snapshot(peer_message);
}

struct peer_message *peer_message_new(
	const struct peer_envelope *envelope, const struct raft_message *message)
{
	size_t count = message->entries.count;
	struct peer_message *peer_message =
		calloc(1, sizeof *peer_message + count * sizeof peer_message->pointers[0]);

	if (!peer_message)
		return NULL;
	peer_message->context = buf_ref(message->context);
	peer_message->entries = malloc((count + 1) * sizeof *peer_message->entries);
	if (!peer_message->entries ||
		raft_entries_append(&peer_message->shared, message->entries.items, count) < 0 ||
		(message->snapshot && raft_snapshot_copy(&peer_message->snapshot, message->snapshot) < 0)) {
		peer_message_free(peer_message);
		return NULL;
	}
	peer_message_fill(peer_message, envelope, message);
	return peer_message;
}

void peer_message_free(struct peer_message *peer_message)
{
	buf_unref(peer_message->context);
	raft_snapshot_close(&peer_message->snapshot);
	raft_entries_close(&peer_message->shared);
	free(peer_message->entries);
	free(peer_message);
}

uint32_t peer_message_attach(
	const struct peer_message *peer_message, struct buf **attachments, uint32_t count)
{
	for (size_t i = 0; i < peer_message->shared.count; i++)
		if (peer_message->shared.items[i].payload_size > 0)
			attachments[count++] = peer_message->shared.items[i].payload;
	return count;
}

/* ---- In ---- */

static int open_replica(const Raftkv__Replica *from, struct region_peer *to)
{
	if (!from || from->id == 0 || from->store == 0 || from->roles > UINT8_MAX)
		return STATUS_MALFORMED;
	*to = (struct region_peer){.id = from->id, .store = from->store, .roles = (uint8_t)from->roles};
	return 0;
}

static int copy_bytes(const ProtobufCBinaryData *from, struct buf **to)
{
	*to = from->len > 0 ? buf_copy(from->data, from->len) : NULL;
	return from->len > 0 && !*to ? -ENOMEM : 0;
}

static int open_entry(const Raftkv__Entry *from, struct frame *frame, struct raft_entries *entries)
{
	struct raft_entry entry = {.term = from->term,
		.index = from->index,
		.type = (enum raft_entry_type)from->type,
		.payload_size = from->payload_size};
	int status;

	if (from->type > RAFT_ENTRY_CONF_CHANGE_V2)
		return STATUS_MALFORMED;
	if (from->payload_size > 0) {
		if (frame->attachment_count == 0 || frame->attachments[0]->size != from->payload_size)
			return STATUS_MALFORMED;
		entry.payload = frame->attachments[0];
		frame->attachments++;
		frame->attachment_count--;
	}
	status = copy_bytes(&from->data, &entry.data);
	if (status == 0)
		status = raft_entries_push(entries, &entry);
	buf_unref(entry.data);
	return status;
}

static int open_ids(const uint64_t *from, size_t count, struct raft_ids *to)
{
	int status = count > REGION_PEERS_MAX ? STATUS_MALFORMED : 0;

	for (size_t i = 0; i < count && status == 0; i++)
		status = from[i] > 0 ? raft_ids_insert(to, from[i]) : STATUS_MALFORMED;
	return status;
}

static int open_conf_state(const Raftkv__ConfState *from, struct raft_conf_state *to)
{
	int status = from ? open_ids(from->voters, from->n_voters, &to->voters) : STATUS_MALFORMED;

	if (status == 0)
		status = open_ids(from->voters_outgoing, from->n_voters_outgoing, &to->voters_outgoing);
	if (status == 0)
		status = open_ids(from->learners, from->n_learners, &to->learners);
	if (status == 0)
		status = open_ids(from->learners_next, from->n_learners_next, &to->learners_next);
	if (status == 0)
		to->auto_leave = from->auto_leave;
	return status;
}

/* On an error the caller closes the message, with the parts taken so far. */
static int open_snapshot(const Raftkv__Snapshot *from, struct raft_message *message)
{
	struct raft_snapshot *to = calloc(1, sizeof *to);
	int status;

	if (!to)
		return -ENOMEM;
	message->snapshot = to;
	to->index = from->index;
	to->term = from->term;
	status = open_conf_state(from->conf_state, &to->conf_state);
	return status == 0 ? copy_bytes(&from->data, &to->data) : status;
}

static int open_envelope(const Raftkv__PeerMessage *peer_message, struct peer_envelope *envelope)
{
	int status;

	*envelope = (struct peer_envelope){.region = peer_message->region,
		.shared_index = peer_message->shared_index,
		.is_tombstone = peer_message->is_tombstone,
		.settled_version = peer_message->settled_version,
		.wants_snapshot = peer_message->wants_snapshot,
		.is_dispensable = peer_message->is_dispensable,
		.led_parent = peer_message->led_parent,
		.content_size = peer_message->content_size,
		.word = (enum peer_word)peer_message->word,
		.round = peer_message->round,
		.incarnation = peer_message->incarnation};
	if (peer_message->region == 0 || !peer_message->epoch)
		return STATUS_MALFORMED;
	envelope->epoch.conf_version = peer_message->epoch->conf_version;
	envelope->epoch.version = peer_message->epoch->version;
	status = open_replica(peer_message->from, &envelope->from);
	return status == 0 ? open_replica(peer_message->to, &envelope->to) : status;
}

int peer_message_open(const Raftkv__PeerMessage *peer_message, struct frame *frame,
	struct peer_envelope *envelope, struct raft_message *message)
{
	int status = open_envelope(peer_message, envelope);

	*message = (struct raft_message){0};
	if (status < 0 || peer_message->type >= RAFT_MSG_TYPE_COUNT ||
		(peer_message->type == RAFT_MSG_SNAP) != (peer_message->snapshot != NULL))
		return STATUS_MALFORMED;
	*message = (struct raft_message){
		.type = (enum raft_message_type)peer_message->type,
		.reject = peer_message->reject,
		.to = envelope->to.id,
		.from = envelope->from.id,
		.term = peer_message->term,
		.log_term = peer_message->log_term,
		.index = peer_message->index,
		.commit = peer_message->commit,
		.vote = peer_message->vote,
		.reject_hint = peer_message->reject_hint,
	};
	status = copy_bytes(&peer_message->context, &message->context);
	for (size_t i = 0; i < peer_message->n_entries && status == 0; i++)
		status = open_entry(peer_message->entries[i], frame, &message->entries);
	if (status == 0 && peer_message->snapshot)
		status = open_snapshot(peer_message->snapshot, message);
	if (status < 0)
		raft_message_close(message);
	return status;
}
