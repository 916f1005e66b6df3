#include "store/rows/region.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/codec.h"
#include "store/rows/mutations.h"

#define REGION_VERSION	    1
#define APPLY_STATE_VERSION 1
#define ROLES_ALL	    (REGION_VOTER | REGION_VOTER_OUTGOING | REGION_LEARNER | REGION_LEARNER_NEXT)

static int copy_bound(struct slice bound, struct buf **copy)
{
	*copy = NULL;
	if (bound.size == 0)
		return 0;
	*copy = buf_copy(bound.data, bound.size);
	return *copy ? 0 : -ENOMEM;
}

static int allocate(struct region *region, struct slice start, struct slice end, uint32_t peer_count)
{
	region->peer_count = peer_count;
	region->peers = calloc(peer_count, sizeof *region->peers);
	if (region->peers && copy_bound(start, &region->start) == 0 && copy_bound(end, &region->end) == 0)
		return 0;
	region_close(region);
	return -ENOMEM;
}

int region_init(struct region *region, uint64_t id, struct slice start, struct slice end,
	const struct region_peer *peers, uint32_t peer_count)
{
	*region = (struct region){.id = id, .epoch = {.conf_version = 1, .version = 1}};
	if (allocate(region, start, end, peer_count) < 0)
		return -ENOMEM;
	memcpy(region->peers, peers, peer_count * sizeof *peers);
	return 0;
}

int region_copy(struct region *to, const struct region *from)
{
	struct region_peer *peers = calloc(from->peer_count + 1, sizeof *peers);

	if (!peers)
		return -ENOMEM;
	if (from->peer_count > 0)
		memcpy(peers, from->peers, from->peer_count * sizeof *peers);
	*to = *from;
	to->peers = peers;
	buf_ref(to->start);
	buf_ref(to->end);
	return 0;
}

void region_close(struct region *region)
{
	buf_unref(region->start);
	buf_unref(region->end);
	free(region->peers);
	*region = (struct region){0};
}

bool region_has_key(const struct region *region, struct slice key)
{
	return (!region->start || slice_compare(buf_slice(region->start), key) <= 0) &&
	       (!region->end || slice_compare(key, buf_slice(region->end)) < 0);
}

bool region_covers(const struct region *region, const struct region *other)
{
	return slice_compare(buf_slice(region->start), buf_slice(other->start)) <= 0 &&
	       (!region->end ||
		       (other->end && slice_compare(buf_slice(other->end), buf_slice(region->end)) <= 0));
}

const struct region_peer *region_peer_of_store(const struct region *region, uint64_t store)
{
	for (uint32_t i = 0; i < region->peer_count; i++)
		if (region->peers[i].store == store)
			return &region->peers[i];
	return NULL;
}

const struct region_peer *region_peer_of_id(const struct region *region, uint64_t id)
{
	for (uint32_t i = 0; i < region->peer_count; i++)
		if (region->peers[i].id == id)
			return &region->peers[i];
	return NULL;
}

bool region_is_sole_voter(const struct region *region, uint64_t id)
{
	for (uint32_t i = 0; i < region->peer_count; i++) {
		const struct region_peer *peer = &region->peers[i];
		uint8_t votes = peer->roles & (REGION_VOTER | REGION_VOTER_OUTGOING);

		if ((peer->id == id) != (votes != 0))
			return false;
	}
	return true;
}

int region_conf_state(const struct region *region, struct raft_conf_state *conf)
{
	int status = 0;

	conf->auto_leave = region->auto_leave;
	for (uint32_t i = 0; i < region->peer_count && status == 0; i++) {
		const struct region_peer *peer = &region->peers[i];

		if (peer->roles & REGION_VOTER)
			status = raft_ids_insert(&conf->voters, peer->id);
		if (status == 0 && (peer->roles & REGION_VOTER_OUTGOING))
			status = raft_ids_insert(&conf->voters_outgoing, peer->id);
		if (status == 0 && (peer->roles & REGION_LEARNER))
			status = raft_ids_insert(&conf->learners, peer->id);
		if (status == 0 && (peer->roles & REGION_LEARNER_NEXT))
			status = raft_ids_insert(&conf->learners_next, peer->id);
	}
	if (status < 0)
		raft_conf_state_close(conf);
	return status;
}

int region_encode(const struct region *region, struct buf **row)
{
	struct writer writer = writer_growing(MUTATIONS_SIZE_MAX);

	writer_u8(&writer, REGION_VERSION);
	writer_varint(&writer, region->id);
	writer_varint(&writer, region->epoch.conf_version);
	writer_varint(&writer, region->epoch.version);
	writer_slice(&writer, buf_slice(region->start));
	writer_slice(&writer, buf_slice(region->end));
	writer_u8(&writer, region->auto_leave);
	writer_varint(&writer, region->peer_count);
	for (uint32_t i = 0; i < region->peer_count; i++) {
		writer_varint(&writer, region->peers[i].id);
		writer_varint(&writer, region->peers[i].store);
		writer_u8(&writer, region->peers[i].roles);
	}
	return writer_take(&writer, row);
}

static void decode_peers(struct reader *reader, struct region *region)
{
	for (uint32_t i = 0; i < region->peer_count; i++) {
		struct region_peer *peer = &region->peers[i];

		peer->id = reader_varint(reader);
		peer->store = reader_varint(reader);
		peer->roles = reader_u8(reader);
		if (peer->id == 0 || peer->store == 0 || peer->roles == 0 || (peer->roles & ~ROLES_ALL))
			reader_fail(reader);
	}
}

int region_decode(struct slice row, struct region *region)
{
	struct reader reader = reader_of(row);
	struct slice start, end;
	uint64_t peer_count;
	uint8_t auto_leave;

	*region = (struct region){0};
	if (reader_u8(&reader) != REGION_VERSION)
		return STATUS_CORRUPT;
	region->id = reader_varint(&reader);
	region->epoch.conf_version = reader_varint(&reader);
	region->epoch.version = reader_varint(&reader);
	start = reader_slice(&reader);
	end = reader_slice(&reader);
	auto_leave = reader_u8(&reader);
	peer_count = reader_varint(&reader);
	if (reader.status < 0 || region->id == 0 || auto_leave > 1 || peer_count == 0 ||
		peer_count > REGION_PEERS_MAX || (end.size > 0 && slice_compare(start, end) >= 0))
		return STATUS_CORRUPT;
	region->auto_leave = auto_leave;
	if (allocate(region, start, end, (uint32_t)peer_count) < 0)
		return -ENOMEM;
	decode_peers(&reader, region);
	if (reader_finish(&reader) == 0)
		return 0;
	region_close(region);
	return STATUS_CORRUPT;
}

void apply_state_encode(const struct apply_state *state, uint8_t row[APPLY_STATE_SIZE])
{
	struct writer writer = writer_fixed(row, APPLY_STATE_SIZE);

	writer_u8(&writer, APPLY_STATE_VERSION);
	writer_u64le(&writer, state->index);
	writer_u64le(&writer, state->term);
	check(writer.status == 0);
}

int apply_state_decode(struct slice row, struct apply_state *state)
{
	struct reader reader = reader_of(row);
	uint8_t version = reader_u8(&reader);

	state->index = reader_u64le(&reader);
	state->term = reader_u64le(&reader);
	if (version != APPLY_STATE_VERSION || reader_finish(&reader) < 0)
		return STATUS_CORRUPT;
	return 0;
}
