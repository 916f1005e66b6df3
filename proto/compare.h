/* compare.h: the order of numbers, for qsort and bsearch. */
#ifndef RAFTKV_PROTO_COMPARE_H
#define RAFTKV_PROTO_COMPARE_H

#include <stdint.h>

/* Of two uint64_t. */
static inline int compare_u64(const void *a, const void *b)
{
	uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;

	return (one > other) - (one < other);
}

#endif
