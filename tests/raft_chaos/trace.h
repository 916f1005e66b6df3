/*
 * The events of a run, as a hash (two runs of a seed must agree) and, on request, as lines for people.
 */
#ifndef RAFTKV_TESTS_RAFT_CHAOS_TRACE_H
#define RAFTKV_TESTS_RAFT_CHAOS_TRACE_H

#include <stdbool.h>
#include <stdint.h>

struct trace {
	uint64_t hash;
	bool verbose;
};

/* Adds one event at virtual time `now_us` on `node` (0: none); `what` is a word or two. */
void trace_add(struct trace *trace, uint64_t now_us, uint64_t node, const char *what, uint64_t a, uint64_t b,
	uint64_t c);

#endif
