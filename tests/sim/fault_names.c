#include <string.h>

#include "tests/sim/faults.h"

static const char *const names[FAULT_COUNT] = {"kill", "power", "power-in-write", "power-all", "stop",
	"transfer", "pause", "drift", "wall", "partition", "one-way", "bridge", "reset", "delay", "slow-disk",
	"full-disk", "bad-disk", "old-copy", "wipe", "mount-kill", "mount-pause", "mount-cut", "leader-cut",
	"late"};

const char *fault_name(enum fault fault)
{
	return names[fault];
}

static uint32_t bit_of(const char *name, size_t size)
{
	for (uint32_t i = 0; i < FAULT_COUNT; i++)
		if (strlen(names[i]) == size && memcmp(names[i], name, size) == 0)
			return UINT32_C(1) << i;
	return 0;
}

uint32_t faults_parse(const char *list)
{
	uint32_t bits = 0;

	for (;;) {
		size_t size = strcspn(list, ",");
		uint32_t bit = bit_of(list, size);

		if (bit == 0)
			return 0;
		bits |= bit;
		if (list[size] == '\0')
			return bits;
		list += size + 1;
	}
}
