#include "store/rows/region_split.h"

#include <errno.h>

#include "proto/codec.h"
#include "store/rows/mutations.h"

#define SPLIT_RECORD 2 /* the first byte; a record of mutations has another */

int region_split_encode(const struct region_split *split, struct buf **data)
{
	struct writer writer = writer_growing(MUTATIONS_KEY_MAX + 64);

	writer_u8(&writer, SPLIT_RECORD);
	writer_varint(&writer, split->epoch.conf_version);
	writer_varint(&writer, split->epoch.version);
	writer_varint(&writer, split->region);
	writer_slice(&writer, split->key);
	return writer_take(&writer, data);
}

bool region_split_is(const struct raft_entry *entry)
{
	struct slice data = buf_slice(entry->data);

	return entry->type == RAFT_ENTRY_NORMAL && data.size > 0 &&
	       *(const uint8_t *)data.data == SPLIT_RECORD;
}

int region_split_decode(const struct raft_entry *entry, struct region_split *split)
{
	struct reader reader = reader_of(buf_slice(entry->data));

	if (!region_split_is(entry))
		return STATUS_CORRUPT;
	reader_u8(&reader);
	split->epoch.conf_version = reader_varint(&reader);
	split->epoch.version = reader_varint(&reader);
	split->region = reader_varint(&reader);
	split->key = reader_slice(&reader);
	if (reader_finish(&reader) < 0 || split->region == 0 || split->key.size == 0 ||
		split->key.size > MUTATIONS_KEY_MAX || entry->payload_size > 0)
		return STATUS_CORRUPT;
	return 0;
}

/* Raft leaves a joint configuration by itself: the members would change between the proposal and the apply. */
static bool is_joint(const struct region *region)
{
	for (uint32_t i = 0; i < region->peer_count; i++)
		if (region->peers[i].roles & (REGION_VOTER_OUTGOING | REGION_LEARNER_NEXT))
			return true;
	return region->auto_leave;
}

int region_split_check(const struct region *region, const struct region_split *split)
{
	if (split->epoch.conf_version != region->epoch.conf_version ||
		split->epoch.version != region->epoch.version)
		return STATUS_EPOCH_NOT_MATCH;
	if (is_joint(region))
		return STATUS_CONF_CHANGE_INVALID;
	if (!region_has_key(region, split->key) || slice_compare(buf_slice(region->start), split->key) == 0)
		return STATUS_KEY_NOT_IN_REGION;
	return 0;
}

int region_split_apply(const struct region *region, const struct region_split *split, struct region *lower,
	struct region *upper)
{
	int status = region_split_check(region, split);
	struct buf *key;

	if (status < 0)
		return status;
	key = buf_copy(split->key.data, split->key.size);
	if (!key)
		return -ENOMEM;
	status = region_copy(lower, region);
	if (status == 0 && region_copy(upper, region) < 0) {
		region_close(lower);
		status = -ENOMEM;
	}
	if (status < 0) {
		buf_unref(key);
		return status;
	}
	buf_unref(lower->end);
	lower->end = buf_ref(key);
	buf_unref(upper->start);
	upper->start = key;
	upper->id = split->region;
	lower->epoch.version++;
	upper->epoch.version++;
	return 0;
}
