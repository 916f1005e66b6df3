/* A log entry's record of any bytes, of mutations or of a split, is walked or refused, and nothing outside of it is
 * touched. */
#include <stdlib.h>

#include "proto/check.h"
#include "store/blocks/blocks.h"
#include "store/rows/mutations.h"
#include "store/rows/region_split.h"

static int touch(void *argument, const struct mutation *mutation)
{
	volatile uint8_t *sink = argument;
	const struct slice parts[] = {mutation->key, mutation->value, mutation->high, mutation->payload};

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		for (size_t at = 0; at < parts[i].size; at++)
			*sink ^= ((const uint8_t *)parts[i].data)[at];
	if (mutation->kind != MUTATION_WRITE)
		return 0;
	check(mutation->is_beside || mutation->payload.size == mutation->count * BLOCK_UNIT_SIZE);
	for (uint64_t at = 0; at < mutation->count * 4; at++)
		*sink ^= mutation->checksums[at];
	return 0;
}

/* What is decoded has a region and a key that fits; encoded again, it is decoded as the same. */
static void decode_split(const struct raft_entry *entry, uint8_t *sink)
{
	struct raft_entry again = {.type = RAFT_ENTRY_NORMAL};
	struct region_split split, same;

	if (region_split_decode(entry, &split) < 0)
		return;
	check(region_split_is(entry) && split.region > 0);
	check(split.key.size > 0 && split.key.size <= MUTATIONS_KEY_MAX);
	for (size_t at = 0; at < split.key.size; at++)
		*sink ^= ((const uint8_t *)split.key.data)[at];
	check(region_split_encode(&split, &again.data) == 0);
	check(region_split_decode(&again, &same) == 0);
	check(same.region == split.region && same.epoch.version == split.epoch.version &&
		same.epoch.conf_version == split.epoch.conf_version);
	check(slice_compare(same.key, split.key) == 0);
	buf_unref(again.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct raft_entry entry = {.index = 1, .term = 1};
	uint64_t epoch_version;
	uint8_t sink = 0;
	int status;

	if (size == 0)
		return 0;
	entry.payload_size = (bytes[0] & 31) * BLOCK_UNIT_SIZE; /* what lies beside, perhaps */
	entry.data = buf_copy(bytes + 1, size - 1);
	check(entry.data != NULL);
	status = mutations_each(&entry, &epoch_version, touch, &sink);
	check(status == 0 || status == STATUS_CORRUPT);
	check(status < 0 || !region_split_is(&entry));
	decode_split(&entry, &sink);
	buf_unref(entry.data);
	return 0;
}
