#include "store/transport/letter.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/check.h"
#include "proto/status.h"

#define HEAD_SIZE  256u /* bytes of a message without what varies */
#define ENTRY_SIZE 48u

/* ---- Out ---- */

static ProtobufCBinaryData bytes_of(const struct buf *buf)
{
	struct slice slice = buf_slice(buf);

	return (ProtobufCBinaryData){.len = slice.size, .data = (uint8_t *)slice.data};
}

static void fill_entries(struct letter *letter)
{
	for (size_t i = 0; i < letter->shared.count; i++) {
		const struct raft_entry *from = &letter->shared.items[i];
		Raftkv__Entry *to = &letter->entries[i];

		check(from->payload_size == 0 || from->payload);
		raftkv__entry__init(to);
		to->term = from->term;
		to->index = from->index;
		to->type = from->type;
		to->data = bytes_of(from->data);
		to->payload_size = from->payload_size;
		letter->pointers[i] = to;
		letter->size += ENTRY_SIZE + to->data.len;
		letter->payload_size += from->payload_size;
		letter->payload_count += from->payload_size > 0;
	}
}

static void fill_replica(Raftkv__Replica *to, const struct region_peer *from)
{
	raftkv__replica__init(to);
	to->id = from->id;
	to->store = from->store;
	to->roles = from->roles;
}

/* The ids stay where they are. */
static void fill_snapshot(struct letter *letter)
{
	struct raft_conf_state *from = &letter->snapshot.conf_state;
	Raftkv__ConfState *conf = &letter->conf_state;
	Raftkv__Snapshot *to = &letter->snapshot_message;

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
	to->index = letter->snapshot.index;
	to->term = letter->snapshot.term;
	to->conf_state = conf;
	to->data = bytes_of(letter->snapshot.data);
	letter->message.snapshot = to;
	letter->size += HEAD_SIZE + to->data.len + REGION_PEERS_MAX * ENTRY_SIZE;
}

static void letter_fill(
	struct letter *letter, const struct peer_envelope *envelope, const struct raft_message *from)
{
	Raftkv__PeerMessage *to = &letter->message;

	raftkv__peer_message__init(to);
	raftkv__epoch__init(&letter->epoch);
	letter->epoch.conf_version = envelope->epoch.conf_version;
	letter->epoch.version = envelope->epoch.version;
	fill_replica(&letter->from, &envelope->from);
	fill_replica(&letter->to, &envelope->to);
	to->region = envelope->region;
	to->epoch = &letter->epoch;
	to->from = &letter->from;
	to->to = &letter->to;
	to->shared_index = envelope->shared_index;
	to->is_tombstone = envelope->is_tombstone;
	to->wants_snapshot = envelope->wants_snapshot;
	to->is_dispensable = envelope->is_dispensable;
	to->content_size = envelope->content_size;
	to->type = from->type;
	to->reject = from->reject;
	to->term = from->term;
	to->log_term = from->log_term;
	to->index = from->index;
	to->commit = from->commit;
	to->vote = from->vote;
	to->reject_hint = from->reject_hint;
	to->context = bytes_of(letter->context);
	to->n_entries = letter->shared.count;
	to->entries = letter->pointers;
	letter->size = HEAD_SIZE + to->context.len;
	fill_entries(letter);
	if (letter->snapshot.index > 0)
		fill_snapshot(letter);
}

struct letter *letter_new(const struct peer_envelope *envelope, const struct raft_message *message)
{
	size_t count = message->entries.count;
	struct letter *letter = calloc(1, sizeof *letter + count * sizeof letter->pointers[0]);

	if (!letter)
		return NULL;
	letter->context = buf_ref(message->context);
	letter->entries = malloc((count + 1) * sizeof *letter->entries);
	if (!letter->entries || raft_entries_append(&letter->shared, message->entries.items, count) < 0 ||
		(message->snapshot && raft_snapshot_copy(&letter->snapshot, message->snapshot) < 0)) {
		letter_free(letter);
		return NULL;
	}
	letter_fill(letter, envelope, message);
	return letter;
}

void letter_free(struct letter *letter)
{
	buf_unref(letter->context);
	raft_snapshot_close(&letter->snapshot);
	raft_entries_close(&letter->shared);
	free(letter->entries);
	free(letter);
}

uint32_t letter_attach(const struct letter *letter, struct buf **attachments, uint32_t count)
{
	for (size_t i = 0; i < letter->shared.count; i++)
		if (letter->shared.items[i].payload_size > 0)
			attachments[count++] = letter->shared.items[i].payload;
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

/* What is taken so far is the message's to close. */
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

static int open_envelope(const Raftkv__PeerMessage *letter, struct peer_envelope *envelope)
{
	int status;

	*envelope = (struct peer_envelope){.region = letter->region,
		.shared_index = letter->shared_index,
		.is_tombstone = letter->is_tombstone,
		.wants_snapshot = letter->wants_snapshot,
		.is_dispensable = letter->is_dispensable,
		.content_size = letter->content_size};
	if (letter->region == 0 || !letter->epoch)
		return STATUS_MALFORMED;
	envelope->epoch.conf_version = letter->epoch->conf_version;
	envelope->epoch.version = letter->epoch->version;
	status = open_replica(letter->from, &envelope->from);
	return status == 0 ? open_replica(letter->to, &envelope->to) : status;
}

int letter_open(const Raftkv__PeerMessage *letter, struct frame *frame, struct peer_envelope *envelope,
	struct raft_message *message)
{
	int status = open_envelope(letter, envelope);

	*message = (struct raft_message){0};
	if (status < 0 || letter->type >= RAFT_MSG_TYPE_COUNT ||
		(letter->type == RAFT_MSG_SNAP) != (letter->snapshot != NULL))
		return STATUS_MALFORMED;
	*message = (struct raft_message){
		.type = (enum raft_message_type)letter->type,
		.reject = letter->reject,
		.to = envelope->to.id,
		.from = envelope->from.id,
		.term = letter->term,
		.log_term = letter->log_term,
		.index = letter->index,
		.commit = letter->commit,
		.vote = letter->vote,
		.reject_hint = letter->reject_hint,
	};
	status = copy_bytes(&letter->context, &message->context);
	for (size_t i = 0; i < letter->n_entries && status == 0; i++)
		status = open_entry(letter->entries[i], frame, &message->entries);
	if (status == 0 && letter->snapshot)
		status = open_snapshot(letter->snapshot, message);
	if (status < 0)
		raft_message_close(message);
	return status;
}
