/*
 * histogram.h: how long things take: counts in buckets of powers of two, added to from any thread without a lock.
 */
#ifndef RAFTKV_PROTO_HISTOGRAM_H
#define RAFTKV_PROTO_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

#define HISTOGRAM_BUCKET_COUNT 26 /* the last but one ends at 16.8 s; the last has no bound */

/* Zero is empty. */
struct histogram {
	_Atomic uint64_t total_ns;
	_Atomic uint64_t counts[HISTOGRAM_BUCKET_COUNT];
};

/* What a histogram held at some moment; what was added meanwhile may be there in part. */
struct histogram_sums {
	uint64_t count;
	uint64_t total_ns;
	uint64_t counts[HISTOGRAM_BUCKET_COUNT];
};

/* The first duration that does not fall into the bucket: 1 us << bucket. Not of the last one. */
static inline uint64_t histogram_bound_ns(unsigned bucket)
{
	return UINT64_C(1000) << bucket;
}

void histogram_add(struct histogram *histogram, uint64_t duration_ns);
void histogram_read(const struct histogram *histogram, struct histogram_sums *sums);
/* Adds up. */
void histogram_sums_add(struct histogram_sums *to, const struct histogram_sums *sums);
/* A bound that `per_mille` of all durations lie below; 0: there are none; UINT64_MAX: past every bound. */
uint64_t histogram_quantile_ns(const struct histogram_sums *sums, unsigned per_mille);

#endif
