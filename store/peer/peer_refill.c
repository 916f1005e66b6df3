/*
 * MsgApp for a follower that is behind: the entries come from the log, which lacks their payloads. A worker reads the
 * payloads from this replica's extents, one message at a time. Later messages to that follower wait behind it. If the
 * store was restarted since the entry was applied, its extent may have been reused. Then the checksums differ, the log
 * up to that entry counts as compacted, and the follower needs a snapshot.
 */
#include "store/peer/peer_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/check.h"
#include "proto/codec.h"
#include "proto/plant.h"

#define REFILLS_MAX 64 /* messages that wait; more are dropped */

struct peer_refill {
	struct env_work work; /* the first member */
	struct peer_refill *next;
	struct peer *peer;
	struct raft_message message;
	struct blocks_reader reader;
	uint64_t lost_index; /* of the entry whose payload is lost */
	int status;
};

static bool has_all_payloads(const struct raft_message *message)
{
	for (size_t i = 0; i < message->entries.count; i++)
		if (message->entries.items[i].payload_size > 0 && !message->entries.items[i].payload)
			return false;
	return true;
}

/* ---- On a worker ------------------------------------------------------------------------------------------------ */

static int compare_units(void *argument, const struct mutation *mutation)
{
	const struct buf *payload = argument;

	if (mutation->kind != MUTATION_WRITE || !mutation->is_beside)
		return 0;
	for (uint64_t i = 0; i < mutation->count; i++) {
		const uint8_t *unit = (const uint8_t *)payload->data + i * BLOCK_UNIT_SIZE;
		struct reader checksum = reader_of(slice_of(mutation->checksums + i * 4, 4));
		bool is_sound = blocks_checksum(unit) == reader_u32le(&checksum);

		PLANT("members:refill_unchecked", is_sound = true);
		if (!is_sound)
			return STATUS_CORRUPT;
	}
	return 0;
}

static int read_parts(struct blocks *blocks, const struct payload *payload, struct buf *bytes)
{
	uint8_t *next = bytes->data;
	int status = 0;

	if (bytes->size != (size_t)payload->units * BLOCK_UNIT_SIZE)
		return STATUS_CORRUPT;
	for (uint32_t i = 0; i < payload->part_count && status == 0; i++) {
		struct block_extent extent = payload->parts[i].extent;

		status = blocks_read_now(blocks, extent, 0, next, extent.count);
		next += (size_t)extent.count * BLOCK_UNIT_SIZE;
	}
	return status;
}

static int read_payload(struct raftkv *raftkv, uint64_t region, struct raft_entry *entry)
{
	struct payload *payload = NULL;
	struct buf *beside = NULL, *bytes = buf_new(entry->payload_size);
	uint64_t epoch_version;
	int status = bytes ? 0 : -ENOMEM;

	if (status == 0)
		status = raftkv->engines.log->ops->beside(raftkv->engines.log, region, entry->index, &beside);
	if (status == 0)
		status = payload_decode(buf_slice(beside), &payload);
	if (status == 0)
		status = read_parts(raftkv->engines.blocks, payload, bytes);
	if (status == 0)
		status = mutations_each(entry, &epoch_version, compare_units, bytes);
	if (status == 0)
		entry->payload = buf_ref(bytes);
	payload_free(payload);
	buf_unref(beside);
	buf_unref(bytes);
	return status;
}

static void refill(struct env_work *work)
{
	struct peer_refill *refill = (struct peer_refill *)work;
	struct raft_entries *entries = &refill->message.entries;

	for (size_t i = 0; i < entries->count && refill->status == 0; i++) {
		struct raft_entry *entry = &entries->items[i];

		if (entry->payload_size == 0 || entry->payload)
			continue;
		refill->status = read_payload(peer_store(refill->peer), refill->peer->region.id, entry);
		refill->lost_index = entry->index;
	}
}

/* ---- On the loop ------------------------------------------------------------------------------------------------ */

static void refill_free(struct peer_refill *refill)
{
	raft_message_close(&refill->message);
	free(refill);
}

/* The payload of an entry that is not applied here cannot be lost: it is only unreadable for now. */
static void give_up(struct peer *peer, const struct peer_refill *refill)
{
	if (refill->status != -ENOMEM && refill->lost_index <= peer->applied.index)
		peer_storage_forget(&peer->storage, refill->lost_index);
	log_warn(peer_engines(peer)->logger,
		"region %llu: the payload of entry %llu cannot be sent to replica %llu: %s",
		(unsigned long long)peer->region.id, (unsigned long long)refill->lost_index,
		(unsigned long long)refill->message.to, status_name(refill->status));
	raw_node_report_unreachable(peer->raft_group, refill->message.to);
}

static void on_refilled(struct env_work *work);

/* Sends the complete messages at the front of the queue, and begins to fill the next one. */
static void refill_go_on(struct peer *peer)
{
	while (peer->refills && has_all_payloads(&peer->refills->message)) {
		struct peer_refill *refill = peer->refills;

		peer->refills = refill->next;
		if (refill->message.term == peer->term)
			peer_send(peer, &refill->message);
		refill_free(refill);
	}
	if (!peer->refills)
		return;
	peer->is_refilling = true;
	blocks_enter(peer_engines(peer)->blocks, &peer->refills->reader);
	env_work_submit(peer->shard->loop, &peer->refills->work, refill, on_refilled);
}

static void on_refilled(struct env_work *work)
{
	struct peer_refill *refill = (struct peer_refill *)work;
	struct peer *peer = refill->peer;

	blocks_leave(peer_engines(peer)->blocks, &refill->reader);
	peer->is_refilling = false;
	if (refill->status < 0) {
		peer->refills = refill->next;
		give_up(peer, refill);
		refill_free(refill);
	}
	if (!peer->shard->is_stopping) {
		refill_go_on(peer);
		shard_mark(peer->shard, peer);
	}
	shard_check_stopped(peer->shard);
}

bool peer_send_refilled(struct peer *peer, struct raft_message *message)
{
	struct peer_refill **end = &peer->refills;
	bool is_behind = !has_all_payloads(message);
	struct peer_refill *refill;
	uint32_t count = 0;

	for (; *end; end = &(*end)->next, count++)
		is_behind = is_behind || ((*end)->message.to == message->to && message->type == RAFT_MSG_APP);
	if (!is_behind)
		return false;
	refill = count < REFILLS_MAX ? calloc(1, sizeof *refill) : NULL;
	if (!refill) {
		raw_node_report_unreachable(peer->raft_group, message->to);
		return true;
	}
	refill->peer = peer;
	refill->message = *message;
	*message = (struct raft_message){0};
	*end = refill;
	if (!peer->is_refilling)
		refill_go_on(peer);
	return true;
}

void peer_refills_close(struct peer *peer)
{
	while (peer->refills) {
		struct peer_refill *refill = peer->refills;

		peer->refills = refill->next;
		refill_free(refill);
	}
}
