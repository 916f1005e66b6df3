#include "proto/histogram.h"

static unsigned bucket_of(uint64_t duration_ns)
{
	unsigned bucket = 0;

	while (bucket < HISTOGRAM_BUCKET_COUNT - 1 && duration_ns >= histogram_bound_ns(bucket))
		bucket++;
	return bucket;
}

void histogram_add(struct histogram *histogram, uint64_t duration_ns)
{
	atomic_fetch_add_explicit(&histogram->total_ns, duration_ns, memory_order_relaxed);
	atomic_fetch_add_explicit(&histogram->counts[bucket_of(duration_ns)], 1, memory_order_relaxed);
}

void histogram_read(const struct histogram *histogram, struct histogram_sums *sums)
{
	*sums = (struct histogram_sums){
		.total_ns = atomic_load_explicit(&histogram->total_ns, memory_order_relaxed)};
	for (unsigned i = 0; i < HISTOGRAM_BUCKET_COUNT; i++) {
		sums->counts[i] = atomic_load_explicit(&histogram->counts[i], memory_order_relaxed);
		sums->count += sums->counts[i];
	}
}

void histogram_sums_add(struct histogram_sums *to, const struct histogram_sums *sums)
{
	to->count += sums->count;
	to->total_ns += sums->total_ns;
	for (unsigned i = 0; i < HISTOGRAM_BUCKET_COUNT; i++)
		to->counts[i] += sums->counts[i];
}

uint64_t histogram_quantile_ns(const struct histogram_sums *sums, unsigned per_mille)
{
	uint64_t below = 0;

	if (sums->count == 0)
		return 0;
	for (unsigned i = 0; i < HISTOGRAM_BUCKET_COUNT - 1; i++) {
		below += sums->counts[i];
		if (below * 1000 >= sums->count * per_mille)
			return histogram_bound_ns(i);
	}
	return UINT64_MAX;
}
