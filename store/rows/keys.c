#include "store/rows/keys.h"

#include <string.h>

#include "proto/check.h"
#include "proto/codec.h"

enum row_kind { ROW_REGION_STATE = 1, ROW_APPLY_STATE, ROW_LOCAL, ROW_DATA, ROW_EXTENTS };

static struct writer key_begin(struct key *key, enum row_kind kind)
{
	struct writer writer = writer_fixed(key->bytes, sizeof key->bytes);

	writer_u8(&writer, (uint8_t)kind);
	return writer;
}

static void key_end(struct key *key, const struct writer *writer)
{
	check(writer->status == 0);
	key->size = writer->size;
}

static void key_make(struct key *key, enum row_kind kind, uint64_t region)
{
	struct writer writer = key_begin(key, kind);

	if (region > 0)
		writer_u64be(&writer, region);
	key_end(key, &writer);
}

void key_region_state(struct key *key, uint64_t region)
{
	key_make(key, ROW_REGION_STATE, region);
}

void key_region_states(struct key *low, struct key *high)
{
	key_make(low, ROW_REGION_STATE, 0);
	key_make(high, ROW_APPLY_STATE, 0);
}

void key_apply_state(struct key *key, uint64_t region)
{
	key_make(key, ROW_APPLY_STATE, region);
}

void key_row(struct key *key, uint64_t region, enum key_space space, struct slice row)
{
	struct writer writer = key_begin(key, space == KEY_LOCAL ? ROW_LOCAL : ROW_DATA);

	if (space == KEY_LOCAL)
		writer_u64be(&writer, region);
	writer_bytes(&writer, row.data, row.size);
	key_end(key, &writer);
}

void key_row_bound(struct key *key, uint64_t region, enum key_space space, struct slice high)
{
	if (high.size > 0)
		key_row(key, region, space, high);
	else if (space == KEY_DATA)
		key_make(key, ROW_EXTENTS, 0);
	else if (region < UINT64_MAX)
		key_make(key, ROW_LOCAL, region + 1);
	else
		key_make(key, ROW_DATA, 0);
}

struct slice key_row_inner(enum key_space space, struct slice key)
{
	size_t skip = space == KEY_LOCAL ? 9 : 1;

	check(key.size >= skip);
	return slice_of((const uint8_t *)key.data + skip, key.size - skip);
}

void key_object(struct key *key, struct slice object)
{
	struct writer writer = key_begin(key, ROW_EXTENTS);

	writer_bytes(&writer, object.data, object.size);
	key_end(key, &writer);
}

void key_objects(struct key *low, struct key *high)
{
	key_make(low, ROW_EXTENTS, 0);
	key_make(high, (enum row_kind)(ROW_EXTENTS + 1), 0);
}

bool key_is_of_extents(struct slice key)
{
	return key.size > 0 && *(const uint8_t *)key.data == ROW_EXTENTS;
}

uint64_t key_region_of(struct slice key)
{
	struct reader reader = reader_of(key);
	uint8_t kind = reader_u8(&reader);
	uint64_t region = reader_u64be(&reader);

	return kind == ROW_REGION_STATE && reader_finish(&reader) == 0 ? region : 0;
}
