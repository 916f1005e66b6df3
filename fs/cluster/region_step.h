/*
 * region_step.h: one step of placement (placement.h) of a region, carried out by the store that leads it; or, with
 * PLACEMENT_REST, its description. The store that coordinates the cluster asks for it, here or on another store.
 *
 * A step is refused if the region is not as it was planned for: a step that is asked for twice is taken once.
 */
#ifndef RAFTKV_FS_CLUSTER_REGION_STEP_H
#define RAFTKV_FS_CLUSTER_REGION_STEP_H

#include "fs/cluster/placement.h"

/* Embedded in its owner. */
struct region_step {
	/* In: */
	struct raftkv *raftkv;
	struct env_loop *loop;
	uint64_t region;
	struct region_epoch epoch; /* not of PLACEMENT_REST: the region's, when the step was planned */
	struct placement_step step;
	/* Once, later. 0: the change has been applied, the transfer has begun, or (PLACEMENT_REST) `status` describes the
	 * region; STATUS_NOT_LEADER, with `leader_store` or 0; STATUS_EPOCH_NOT_MATCH; STATUS_UNSUPPORTED: the step is
	 * of another kind; or as raftkv_change and raftkv_region_status have it. */
	void (*done)(struct region_step *step, int status);
	/* Out: */
	uint64_t leader_store;
	struct raftkv_region_status status;
	/* Private: */
	struct raftkv_change change;
};

void region_step_run(struct region_step *step);

#endif
