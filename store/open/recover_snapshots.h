/*
 * recover_snapshots.h: at start, snapshots whose installation a crash has interrupted are installed again
 * (snapshot_install.h), before anything looks at rows. Blocks.
 */
#ifndef RAFTKV_STORE_OPEN_RECOVER_SNAPSHOTS_H
#define RAFTKV_STORE_OPEN_RECOVER_SNAPSHOTS_H

#include "proto/status.h"
#include "store/engines.h"

/* Afterwards every region with rows has all of them, and snap/ is empty. */
int recover_snapshots(struct engines *engines, struct status *status);

#endif
