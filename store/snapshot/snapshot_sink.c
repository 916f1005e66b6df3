#include "store/snapshot/snapshot_sink.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/plant.h"
#include "store/snapshot/region_size.h"
#include "store/snapshot/snapshot_chunk.h"
#include "store/snapshot/snapshot_stage.h"
#include "store/snapshot/tombstone.h"

struct snapshot_sink {
	struct snapshot_sink *next;
	struct snapshots *snapshots;
	struct peer_envelope envelope;
	struct raft_message message; /* MsgSnap */
	struct snapshot_chain chain;
	struct snapshot_stage *stage;
	/* Extents of the present chunk's units, until the stage has its rows. */
	struct block_extent extents[SNAPSHOT_UNITS_MAX];
	uint32_t extent_count;
};

int snapshots_init(struct snapshots *snapshots, struct engines *engines, struct router *router,
	uint32_t count_max, const struct snapshot_receiver *receiver)
{
	snapshots->engines = engines;
	snapshots->router = router;
	snapshots->receiver = *receiver;
	snapshots->count_max = count_max;
	return -pthread_mutex_init(&snapshots->lock, NULL);
}

void snapshots_close(struct snapshots *snapshots)
{
	pthread_mutex_destroy(&snapshots->lock);
}

/* ---- Wanted or not ---------------------------------------------------------------------------------------------- */

/* Decodes the message's head. Fails if no correct sender sends such a message. */
static int check_message(const struct engines *engines, const struct peer_envelope *envelope,
	const struct raft_message *message, struct snapshot_head *head)
{
	const struct raft_snapshot *snapshot = message->snapshot;
	struct raft_conf_state conf = {0};
	const struct region_peer *self;
	int status;

	if (message->type != RAFT_MSG_SNAP || !snapshot || snapshot->index == 0 || snapshot->term == 0 ||
		snapshot->term > message->term || message->to != envelope->to.id ||
		envelope->to.store != engines_store(engines))
		return STATUS_MALFORMED;
	status = snapshot_head_decode(buf_slice(snapshot->data), head);
	if (status == 0)
		status = region_conf_state(&head->region, &conf);
	if (status == 0) {
		self = region_peer_of_id(&head->region, envelope->to.id);
		if (head->region.id != envelope->region || !self || self->store != envelope->to.store ||
			!raft_conf_state_equal(&conf, &snapshot->conf_state))
			status = STATUS_MALFORMED;
	}
	raft_conf_state_close(&conf);
	return status;
}

/* Whether the snapshot is newer than the replica's state. A region that overlaps its range must be removed first. */
static int check_wanted(struct snapshots *snapshots, const struct peer_envelope *envelope,
	const struct raft_message *message, const struct region *region)
{
	const struct route *route = router_find(snapshots->router, envelope->region);
	const struct engines *engines = snapshots->engines;
	uint64_t tombstone;
	int status = tombstone_read(engines->log, envelope->region, &tombstone);

	if (status < 0)
		return status;
	if (atomic_load(&engines->is_stopping) || atomic_load(&engines->has_failed))
		return STATUS_STOPPING;
	if (envelope->to.id <= tombstone)
		return STATUS_REGION_NOT_FOUND;
	if (route && message->snapshot->index <= atomic_load(&route->applied_index))
		return STATUS_SNAPSHOT_OUT_OF_DATE;
	if ((route && atomic_load(&route->is_installing)) || router_look(snapshots->router, region) < 0)
		return STATUS_LIMIT;
	return 0;
}

/* ---- Room ------------------------------------------------------------------------------------------------------- */

/* Bytes that may still be written. */
static uint64_t room_of(const struct engines *engines)
{
	struct blocks_stats stats;

	blocks_stats(engines->blocks, &stats);
	return (stats.total_units - stats.used_units) * BLOCK_UNIT_SIZE;
}

static int check_room(struct snapshots *snapshots, const struct peer_envelope *envelope)
{
	const struct route *route = router_find(snapshots->router, envelope->region);
	bool is_full = envelope->content_size > 0 ? envelope->content_size > room_of(snapshots->engines)
						  : space_is_short(&snapshots->engines->space);

	return is_full || (route && atomic_load(&route->is_stuck)) ? -ENOSPC : 0;
}

/* Whether it fits once the region's present state is removed. */
static bool fits_instead(struct snapshots *snapshots, const struct peer_envelope *envelope)
{
	const struct route *route = router_find(snapshots->router, envelope->region);
	struct region_size size = {0};
	struct region region;
	int status = 0;

	PLANT("room:none_is_made", return false);
	if (!envelope->is_dispensable || envelope->content_size == 0 || !route)
		return false;
	router_range(snapshots->router, route, &region);
	status = region_measure(snapshots->engines->kv, NULL, &region, &size);
	region_close(&region);
	return status == 0 && size.unit_count > 0 &&
	       envelope->content_size <= room_of(snapshots->engines) + size.unit_count * BLOCK_UNIT_SIZE;
}

/* ---- Life ------------------------------------------------------------------------------------------------------- */

/* STATUS_LIMIT: too many sinks, or the region has one. */
static int enlist(struct snapshots *snapshots, struct snapshot_sink *sink)
{
	int status = 0;

	pthread_mutex_lock(&snapshots->lock);
	for (const struct snapshot_sink *other = snapshots->sinks; other; other = other->next)
		if (other->envelope.region == sink->envelope.region)
			status = STATUS_LIMIT;
	if (snapshots->sink_count >= snapshots->count_max)
		status = STATUS_LIMIT;
	if (status == 0) {
		sink->next = snapshots->sinks;
		snapshots->sinks = sink;
		snapshots->sink_count++;
	}
	pthread_mutex_unlock(&snapshots->lock);
	return status;
}

static void snapshot_sink_leave(struct snapshots *snapshots, struct snapshot_sink *sink)
{
	struct snapshot_sink **link = &snapshots->sinks;

	pthread_mutex_lock(&snapshots->lock);
	while (*link != sink)
		link = &(*link)->next;
	*link = sink->next;
	snapshots->sink_count--;
	pthread_mutex_unlock(&snapshots->lock);
}

static void sink_free(struct snapshot_sink *sink)
{
	snapshot_sink_leave(sink->snapshots, sink);
	raft_message_close(&sink->message);
	free(sink);
}

/* Takes the head's region. */
static int begin_stage(struct snapshot_sink *sink, struct snapshot_head *head)
{
	const struct raft_snapshot *snapshot = sink->message.snapshot;
	struct snapshot_position position = {
		.replica = sink->envelope.to.id,
		.applied = {snapshot->index, snapshot->term},
		.region = head->region,
	};
	int status;

	head->region = (struct region){0};
	sink->chain.checksum = head->stream;
	status = snapshot_stage_new(sink->snapshots->engines, &position, &sink->stage);
	region_close(&position.region);
	return status;
}

/* Whether the replica is to see the message of a refused snapshot: it makes room for it, or it tells the leader, who does
 * not know, that it has all of that. Without such an answer the leader would send snapshots for ever. */
static bool is_for_replica(struct snapshots *snapshots, const struct peer_envelope *envelope, int status)
{
	if (status == STATUS_SNAPSHOT_OUT_OF_DATE)
		return !planted("snapshot:old_unanswered");
	return status == -ENOSPC && fits_instead(snapshots, envelope);
}

int snapshots_receive(struct snapshots *snapshots, const struct peer_envelope *envelope,
	struct raft_message *message, struct snapshot_sink **out)
{
	struct snapshot_sink *sink = calloc(1, sizeof *sink);
	struct snapshot_head head = {0};
	int status = sink ? check_message(snapshots->engines, envelope, message, &head) : -ENOMEM;

	*out = NULL;
	if (status == 0)
		status = check_wanted(snapshots, envelope, message, &head.region);
	if (status == 0)
		status = check_room(snapshots, envelope);
	if (is_for_replica(snapshots, envelope, status))
		snapshots->receiver.step(snapshots->receiver.argument, envelope, message);
	if (status < 0) {
		region_close(&head.region);
		raft_message_close(message);
		free(sink);
		return status;
	}
	sink->snapshots = snapshots;
	sink->envelope = *envelope;
	sink->message = *message;
	*message = (struct raft_message){0};
	status = enlist(snapshots, sink);
	if (status < 0) {
		region_close(&head.region);
		raft_message_close(&sink->message);
		free(sink);
		return status;
	}
	status = begin_stage(sink, &head);
	if (status < 0)
		sink_free(sink);
	else
		*out = sink;
	return status;
}

void snapshot_sink_abort(struct snapshot_sink *sink)
{
	struct snapshots *snapshots = sink->snapshots;

	for (uint32_t i = 0; i < sink->extent_count; i++)
		blocks_cancel(snapshots->engines->blocks, sink->extents[i]);
	snapshot_stage_discard(sink->stage);
	atomic_fetch_add(&snapshots->failed, 1);
	sink_free(sink);
}

/* ---- Chunks ----------------------------------------------------------------------------------------------------- */

/* Allocates extents for the chunk's units and writes the units. */
static int place_units(struct snapshot_sink *sink, const struct snapshot_reader *reader)
{
	struct blocks *blocks = sink->snapshots->engines->blocks;
	const uint8_t *bytes = reader->units;
	uint32_t count = reader->unit_count;
	int status = 0;

	while (count > 0 && status == 0) {
		struct block_extent *extent = &sink->extents[sink->extent_count];

		status = blocks_allocate(blocks, BLOCKS_ADMITTED, count, extent);
		if (status < 0)
			return status;
		sink->extent_count++;
		status = blocks_write_now(blocks, *extent, bytes);
		bytes += (size_t)extent->count * BLOCK_UNIT_SIZE;
		count -= extent->count;
	}
	return status;
}

static uint64_t address_of(const struct snapshot_sink *sink, uint64_t unit)
{
	const struct block_extent *extent = sink->extents;

	for (; unit >= extent->count; extent++)
		unit -= extent->count;
	return extent->address + unit;
}

/* Replaces the row's units of the chunk by their addresses in this store. */
static int add_extents(struct snapshot_sink *sink, const struct snapshot_record *record,
	struct extent_row *row, struct writer *rows)
{
	struct key key;
	struct buf *value;
	int status;

	for (uint32_t i = 0; i < EXTENT_ROW_UNITS; i++)
		if (row->units[i].address != EXTENT_HOLE)
			row->units[i].address = address_of(sink, row->units[i].address - 1);
	status = extent_row_encode(row, &value);
	if (status < 0)
		return status;
	key_object(&key, record->key);
	writer_slice(rows, key_slice(&key));
	writer_slice(rows, buf_slice(value));
	buf_unref(value);
	return 0;
}

static int add_record(struct snapshot_sink *sink, const struct snapshot_record *record,
	struct extent_row *row, struct writer *rows)
{
	const struct region *region = &snapshot_stage_position(sink->stage)->region;
	struct slice inner = record->key;
	struct key key;

	if (record->kind == SNAPSHOT_EXTENTS)
		inner.size -= 8; /* the row's number */
	if (record->kind != SNAPSHOT_LOCAL && !region_has_key(region, inner))
		return STATUS_MALFORMED;
	if (record->kind == SNAPSHOT_EXTENTS)
		return add_extents(sink, record, row, rows);
	key_row(&key, region->id, record->kind == SNAPSHOT_LOCAL ? KEY_LOCAL : KEY_DATA, record->key);
	writer_slice(rows, key_slice(&key));
	writer_slice(rows, record->value);
	return 0;
}

static int add_records(struct snapshot_sink *sink, struct snapshot_reader *reader, struct writer *rows)
{
	struct snapshot_record record;
	struct extent_row row;
	int status;

	while ((status = snapshot_reader_next(reader, &record, &row)) == 0) {
		status = add_record(sink, &record, &row, rows);
		if (status < 0)
			break;
	}
	if (status == STATUS_NOT_FOUND)
		status = rows->status;
	return status == 0 ? snapshot_stage_append(sink->stage, writer_written(rows)) : status;
}

int snapshot_sink_write(struct snapshot_sink *sink, struct slice chunk)
{
	struct writer rows = writer_growing(2 * SNAPSHOT_CHUNK_SIZE_MAX);
	struct snapshot_reader reader;
	int status = snapshot_reader_init(&reader, &sink->chain, chunk);

	if (status == 0 && space_is_spent(&sink->snapshots->engines->space))
		status = -ENOSPC;
	if (status == 0)
		status = place_units(sink, &reader);
	if (status == 0)
		status = add_records(sink, &reader, &rows);
	if (status == 0) {
		sink->extent_count = 0;
		atomic_fetch_add(&sink->snapshots->received_size, chunk.size);
	}
	writer_close(&rows);
	return status;
}

/* ---- The end ---------------------------------------------------------------------------------------------------- */

bool snapshot_sink_is_complete(const struct snapshot_sink *sink)
{
	return sink->chain.is_last;
}

/* Syncs the units before a durable stage names them. */
static int sync_units(struct blocks *blocks)
{
	PLANT("snapshot:extents_unsynced", return 0);
	return blocks_sync(blocks);
}

int snapshot_sink_finish(struct snapshot_sink *sink)
{
	struct snapshots *snapshots = sink->snapshots;
	int status = sink->chain.is_last ? 0 : STATUS_MALFORMED;

	if (status == 0)
		status = sync_units(snapshots->engines->blocks);
	if (status == 0)
		status = snapshot_stage_finish(sink->stage);
	if (status == 0)
		status = snapshots->receiver.step_snapshot(
			snapshots->receiver.argument, &sink->envelope, &sink->message, sink->stage);
	if (status < 0) {
		snapshot_sink_abort(sink);
		return status;
	}
	atomic_fetch_add(&snapshots->received, 1);
	sink_free(sink);
	return 0;
}
