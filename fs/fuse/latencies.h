/*
 * latencies.h: how long the kernel's requests took from their operation's callback to their reply, by opcode. Requests
 * add their time when they end; stats read the sums.
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
/* Calls `each` for every opcode that has come at least once. `name`: lower case ("lookup"). */
void latencies_each(const struct latencies *latencies,
	void (*each)(void *argument, const char *name, const struct histogram_sums *sums), void *argument);

#endif
