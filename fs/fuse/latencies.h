/*
 * latencies.h: how long the kernel's requests took, from when their operation began to their reply, by opcode. Requests
 * add to it when they end; stats read it.
 */
#ifndef RAFTKV_FS_FUSE_LATENCIES_H
#define RAFTKV_FS_FUSE_LATENCIES_H

#include "proto/histogram.h"

#define LATENCIES_OPCODE_COUNT 64 /* opcodes from here on are not counted */

/* Zero is empty. Any thread. */
struct latencies {
	struct histogram operations[LATENCIES_OPCODE_COUNT];
};

void latencies_add(struct latencies *latencies, uint32_t opcode, uint64_t duration_ns);
/* Those that have come at least once; `name` as in "lookup". */
void latencies_each(const struct latencies *latencies,
	void (*each)(void *argument, const char *name, const struct histogram_sums *sums), void *argument);

#endif
