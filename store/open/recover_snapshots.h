/*
 * recover_snapshots.h: repeats at start the installs of snapshots that a crash interrupted (snapshot_install.h), before
 * any rows are read. Blocks.
 */
#ifndef RAFTKV_STORE_OPEN_RECOVER_SNAPSHOTS_H
#define RAFTKV_STORE_OPEN_RECOVER_SNAPSHOTS_H

#include "proto/status.h"
#include "store/engines.h"

/* Afterwards every region has all of its rows or none, and snap/ is empty. */
int recover_snapshots(struct engines *engines, struct status *status);

#endif
