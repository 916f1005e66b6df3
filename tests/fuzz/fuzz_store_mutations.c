/* A log entry's record of any bytes is walked or refused, and nothing outside of it is touched. */
#include <stdlib.h>

#include "proto/check.h"
#include "store/blocks/blocks.h"
#include "store/rows/mutations.h"

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
	buf_unref(entry.data);
	return 0;
}
