/*
 * histogram.h: durations, counted in buckets of powers of two. Any thread may add to one, without a lock.
 */
#ifndef RAFTKV_PROTO_HISTOGRAM_H
#define RAFTKV_PROTO_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

#define HISTOGRAM_BUCKET_COUNT 26 /* the last but one ends at 16.8 s; the last has no upper bound */

/* Zero is empty. */
struct histogram {
	_Atomic uint64_t total_ns;
	_Atomic uint64_t counts[HISTOGRAM_BUCKET_COUNT];
};

/* A copy of a histogram; a duration that was added meanwhile may be in it in part. */
struct histogram_sums {
	uint64_t count;
	uint64_t total_ns;
	uint64_t counts[HISTOGRAM_BUCKET_COUNT];
};

/* The upper bound of a bucket other than the last, exclusive: 1 us << bucket. */
static inline uint64_t histogram_bound_ns(unsigned bucket)
{
	return UINT64_C(1000) << bucket;
}

void histogram_add(struct histogram *histogram, uint64_t duration_ns);
void histogram_read(const struct histogram *histogram, struct histogram_sums *sums);
/* Adds `sums` to `to`. */
void histogram_sums_add(struct histogram_sums *to, const struct histogram_sums *sums);
/* The lowest bucket bound below which `per_mille` of all durations lie; 0: there are no durations; UINT64_MAX: it is past
 * every bound. */
uint64_t histogram_quantile_ns(const struct histogram_sums *sums, unsigned per_mille);

#endif
