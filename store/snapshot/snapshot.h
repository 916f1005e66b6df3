/*
 * snapshot.h: snapshots of regions: one store sends its rows, another replaces its own rows with them. This is the face
 * of snapshot/ for the rooms after it.
 *
 *   snapshot_sink.h      the store's snapshots, and those that come      snapshot_source.h   those that go
 *   snapshot_stage.h     one that came, in a file                        snapshot_install.h  a stage becomes rows
 *   region_clear.h       what a replica leaves, taken away               tombstone.h         and who may not be back
 */
#ifndef RAFTKV_STORE_SNAPSHOT_SNAPSHOT_H
#define RAFTKV_STORE_SNAPSHOT_SNAPSHOT_H

#include "store/snapshot/region_clear.h"
#include "store/snapshot/snapshot_install.h"
#include "store/snapshot/snapshot_sink.h"
#include "store/snapshot/snapshot_source.h"
#include "store/snapshot/snapshot_stage.h"
#include "store/snapshot/tombstone.h"

#endif
