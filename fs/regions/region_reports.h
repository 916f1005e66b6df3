/*
 * region_reports.h: which regions a store has to report to the store that coordinates the cluster, page by page.
 *
 * The coordinator is known by the term in which it leads region 1. To a new one all regions are told that this store leads
 * and serves; then those whose epoch or term is another one than was told, and a few others in turn, since how far the
 * replicas are behind, and how large and busy the region is, changes without an epoch. A load that is far from what was told
 * last is told at once. The load of a region is known once the store has led it for REGION_LOADS_SETTLE_MS: until then what
 * its former leader has told stays. A region takes 40 to 80 bytes of memory,
 * and work when it changes.
 *
 * One page at a time: region_reports_prepare, `ready`, then region_reports_end. All on one loop.
 */
#ifndef RAFTKV_FS_REGIONS_REGION_REPORTS_H
#define RAFTKV_FS_REGIONS_REGION_REPORTS_H

#include "fs/cluster/region_table.h"
#include "fs/regions/oversize.h"
#include "fs/regions/region_loads.h"
#include "store/raftkv.h"

#define REGION_REPORTS_PAGE  256u /* regions, at most */
#define REGION_REPORTS_AGAIN 8u /* regions of a page that were told before */

struct region_reports;

struct region_reports_options {
	struct env_loop *loop;
	struct raftkv *raftkv; /* outlives it */
	const struct oversize
		*oversize; /* measures the regions; outlives it; NULL: their sizes are not told */
	const struct region_loads
		*loads; /* measures how busy they are; outlives it; NULL: that is not told */
	uint64_t store; /* this one */
};

/* A page, borrowed until region_reports_end. */
struct region_reports_page {
	uint64_t term; /* of the coordinator */
	bool begins, ends; /* it is the first, or the last one, of a full report */
	bool has_more; /* the next page need not wait */
	uint32_t count;
	const struct region_report *reports;
};

struct region_reports *region_reports_new(const struct region_reports_options *options); /* NULL: no memory */
void region_reports_free(struct region_reports *reports); /* no page is under way; may be NULL */

/* `ready` comes once, later or from inside the call. Without memory, or when the store stops, the page may lack regions:
 * they are in a later one. */
void region_reports_prepare(
	struct region_reports *reports, uint64_t term, void (*ready)(void *argument), void *argument);
struct region_reports_page region_reports_page(const struct region_reports *reports);
/* Has the coordinator of that term taken the page? */
void region_reports_end(struct region_reports *reports, bool is_taken);

#endif
