/*
 * oversize.h: looks for regions that this store leads and that hold more than a limit, and finds where each is to be
 * split: at a dirid, so that the larger half is as small as possible.
 *
 * It reads the rows of one region after another, a part at a time on a worker, with a rest after each part: a few percent
 * of a core that has nothing else to do. The data of a file counts with its inode. A round begins OVERSIZE_PERIOD_MS after
 * the one before, over the regions that have changed since, and those that could not be read or were to be split; the
 * others have the size that they had. Those of which no size is known, because they were split off or another store led
 * them, are read within OVERSIZE_LOOK_MS. When a region has been split as it should, its halves are read next.
 *
 * A region of which nearly all belongs to one dirid, a huge directory or file, cannot be split to any use: it is told.
 *
 * All on one loop.
 */
#ifndef RAFTKV_FS_REGIONS_OVERSIZE_H
#define RAFTKV_FS_REGIONS_OVERSIZE_H

#include "proto/logger.h"
#include "store/raftkv.h"

#define OVERSIZE_PERIOD_MS 60000u
#define OVERSIZE_LOOK_MS   10000u /* between looks for regions of which no size is known */

struct oversize;

struct oversize_options {
	struct env_loop *loop;
	struct raftkv *raftkv; /* outlives it */
	const struct logger *logger;
	uint64_t limit; /* bytes; 0: it never looks */
};

/* A region over the limit; zeroes: none. */
struct oversize_finding {
	uint64_t region;
	uint64_t size; /* bytes */
	uint64_t dirid; /* where to split it; or the one to which most belongs */
};

struct oversize *oversize_new(const struct oversize_options *options); /* NULL: no memory */
void oversize_start(struct oversize *oversize);
/* Before the store stops; `stopped` may come from inside the call. */
void oversize_stop(struct oversize *oversize, void (*stopped)(void *argument), void *argument);
void oversize_free(struct oversize *oversize); /* stopped, or never started; may be NULL */

/* The region that is to be split now (split_wish.h). */
struct oversize_finding oversize_wish(const struct oversize *oversize);
/* Bytes of the region when it was read last, at least 1; 0: it has not been. */
uint64_t oversize_size(const struct oversize *oversize, uint64_t region);
/* The largest region that cannot be split, when the last round ended. */
struct oversize_finding oversize_stuck(const struct oversize *oversize);

#endif
