#include "tests/raft_chaos/trace.h"

#include <inttypes.h>
#include <stdio.h>

#include "tests/raft_chaos/random.h"

void trace_add(struct trace *trace, uint64_t now_us, uint64_t node, const char *what, uint64_t a, uint64_t b,
	uint64_t c)
{
	uint64_t hash = trace->hash ^ now_us;

	for (const char *at = what; *at; at++)
		hash = hash * 31 + (unsigned char)*at;
	hash = mix64(hash + node);
	hash = mix64(hash ^ a) + b * 0x9e3779b97f4a7c15u;
	trace->hash = mix64(hash ^ c);
	if (trace->verbose)
		printf("%9.3f ms  %" PRIu64 "  %-22s %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
			(double)now_us / 1000, node, what, a, b, c);
}
