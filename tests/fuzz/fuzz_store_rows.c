/* Any bytes as what a store keeps of itself (the first says which): refused, or the same after encoding it again. */
#include <stdlib.h>
#include <string.h>

#include "store/disk/data_dir.h"
#include "store/rows/region.h"
#include "store/rows/slots.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct buf *encode(const struct region *region)
{
	struct buf *row;

	if (region_encode(region, &row) < 0)
		abort();
	return row;
}

/* Numbers may be written in more bytes than they need: the first encoding settles that. */
static void try_region(struct slice row)
{
	struct raft_conf_state conf = {0};
	struct region region, same;
	struct buf *once, *twice;

	if (region_decode(row, &region) < 0)
		return;
	once = encode(&region);
	if (region_decode(buf_slice(once), &same) < 0)
		abort();
	twice = encode(&same);
	if (slice_compare(buf_slice(once), buf_slice(twice)) != 0 || region_conf_state(&same, &conf) < 0)
		abort();
	raft_conf_state_close(&conf);
	buf_unref(once);
	buf_unref(twice);
	region_close(&region);
	region_close(&same);
}

static void try_apply_state(struct slice row)
{
	uint8_t again[APPLY_STATE_SIZE];
	struct apply_state state;

	if (apply_state_decode(row, &state) < 0)
		return;
	apply_state_encode(&state, again);
	if (row.size != sizeof again || memcmp(again, row.data, sizeof again) != 0)
		abort();
}

/* The first byte is the key's length. */
static void try_slot(struct slice bytes)
{
	const uint8_t *data = bytes.data;
	size_t key_size = bytes.size > 0 ? data[0] : 0;
	uint64_t session;

	if (bytes.size > key_size)
		slots_check(slice_of(data + 1, key_size),
			slice_of(data + 1 + key_size, bytes.size - 1 - key_size), &session);
}

static void try_ident(struct slice bytes)
{
	uint8_t block[IDENT_SIZE] = {0}, again[IDENT_SIZE];
	struct ident ident;
	uint32_t version;

	memcpy(block, bytes.data, bytes.size < sizeof block ? bytes.size : sizeof block);
	if (ident_decode(block, &ident, &version) < 0)
		return;
	ident_encode(&ident, again);
	if (version == 1) /* is written in the present one */
		return;
	if (memcmp(again, block, sizeof block) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const tries[])(struct slice bytes) = {try_region, try_apply_state, try_slot, try_ident};
	static const size_t count = sizeof tries / sizeof tries[0];

	if (size > 0)
		tries[data[0] % count](slice_of(data + 1, size - 1));
	return 0;
}
