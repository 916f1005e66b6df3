/*
 * survey.h: what a store finds in the regions that it leads: inodes that have grace (fs/cluster/coordinator.h), counts of
 * inodes, garbage. About once a second it looks, in the state applied here, at the regions that have changed and at those
 * in which there was something that is to go; the others have what they had. The reporter tells the coordinator of the
 * inodes. Garbage is given back at once (OP_RECLAIM), a chunk at a time. A region takes 90 bytes of memory.
 *
 * All on one loop; the reading is on a worker.
 */
#ifndef RAFTKV_FS_REGIONS_SURVEY_H
#define RAFTKV_FS_REGIONS_SURVEY_H

#include "fs/cluster/store_table.h"
#include "store/raftkv.h"

struct survey;

struct survey_options {
	struct env_loop *loop;
	/* Shared: the objects below outlive the survey. */
	struct raftkv *raftkv;
};

struct survey *survey_new(const struct survey_options *options); /* NULL: no memory */
void survey_start(struct survey *survey);
/* Before the store stops, or while it does; `stopped` may come from inside the call. */
void survey_stop(struct survey *survey, void (*stopped)(void *argument), void *argument);
void survey_free(struct survey *survey); /* stopped, or never started; may be NULL */

/* Fills in what it has found last: stats.inodes, stats.counts_inodes, and `nameless`, valid until the loop's next event. */
void survey_fill(const struct survey *survey, struct store_report *report);

#endif
