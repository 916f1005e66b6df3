/*
 * region_loads.h: how busy the regions are that this store leads, and where one that is too busy is to be split.
 *
 * Whoever has answered a request tells its region, its dirid and what it cost, in microseconds of a core: a constant for the
 * kind of request, and one for its bytes (region_loads_cost_of_read, …_of_write). These were measured once, and say how the
 * requests compare. How fast this machine is, is measured once a second: what the process has taken (env_cpu), compared with
 * what its requests, and the log's records of regions that other stores lead, would have taken by those constants. So a
 * request costs no clock. Where env_cpu is not known, as in the simulator, the constants stand. The load decays with
 * REGION_LOADS_MEMORY_MS, its mean with REGION_LOADS_MEAN_MS.
 *
 * A region whose load has been over the limit for REGION_LOADS_BUSY_MS is to be split (load_split.h): that is the wish.
 * Meanwhile REGION_LOADS_SAMPLE of its requests' dirids are kept, drawn so that each microsecond has the same chance. One of
 * which nearly all load is one dirid's cannot be split to any use: it is told.
 *
 * Regions without requests take no memory; once a second the loads of the others decay. At most REGION_LOADS_MAX are
 * measured at a time, and REGION_LOADS_SAMPLED_MAX sampled; others count as idle, or are not split. All on one loop.
 */
#ifndef RAFTKV_FS_REGIONS_REGION_LOADS_H
#define RAFTKV_FS_REGIONS_REGION_LOADS_H

#include "proto/env.h"
#include "proto/logger.h"
#include "store/raftkv.h"

#define REGION_LOADS_MAX	 16384u
#define REGION_LOADS_SAMPLED_MAX 64u
#define REGION_LOADS_SAMPLE	 128u /* dirids, the latest ones */
#define REGION_LOADS_MEMORY_MS	 4000u
#define REGION_LOADS_MEAN_MS	 60000u /* the memory of region_loads_mean */
#define REGION_LOADS_BUSY_MS	 10000u
#define REGION_LOADS_SETTLE_MS	 10000u /* a load is known once the region has been led here for so long */

struct region_loads;

struct region_loads_options {
	struct env_loop *loop;
	struct raftkv *raftkv; /* outlives it */
	const struct logger *logger;
	uint32_t
		limit_us; /* microseconds of CPU per second, from which on a region is too busy; 0: none is */
};

/* A region over the limit; zeroes: none. */
struct region_load_finding {
	uint64_t region;
	uint64_t dirid; /* where to split it; or the one that has most of the load */
	uint32_t cpu_us; /* its load, in microseconds of CPU per second */
};

struct region_loads *region_loads_new(const struct region_loads_options *options); /* NULL: no memory */
/* No timer is left, and what is noted from then on does not count. */
void region_loads_stop(struct region_loads *loads);
void region_loads_free(struct region_loads *loads); /* stopped, or the loop runs no more; may be NULL */

#define REGION_LOADS_OF_RECORD 300u /* microseconds, for a record of a region that is led elsewhere */

/* Microseconds; `size`: bytes of file data in the request or in its answer. */
static inline uint32_t region_loads_cost_of_read(uint64_t size)
{
	return 36 + (uint32_t)(size >> 9);
}
static inline uint32_t region_loads_cost_of_write(uint64_t size)
{
	return 800 + (uint32_t)(size >> 6);
}

/* A request of the region has been answered; its first key is one of the dirid. */
void region_loads_note(struct region_loads *loads, uint64_t region, uint64_t dirid, uint32_t cost_us);

/* Microseconds of CPU per second of the region's requests here, lately; 0: none. */
uint32_t region_loads_cpu(const struct region_loads *loads, uint64_t region);
/* The same over the last minute, or since the first request that it remembers: by this leaders are placed. What changes from
 * one second to the next is no reason to move any: a region that gets a request every other second would seem idle, or
 * busy. */
uint32_t region_loads_mean(const struct region_loads *loads, uint64_t region);
/* Calls `each` for each region that has a load, unordered. */
void region_loads_each(
	const struct region_loads *loads, void (*each)(void *argument, uint64_t region), void *argument);
/* The region that is to be split now (split_wish.h). */
struct region_load_finding region_loads_wish(const struct region_loads *loads);
/* The busiest region that is over the limit and cannot be split. */
struct region_load_finding region_loads_stuck(const struct region_loads *loads);

#endif
