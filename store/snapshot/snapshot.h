/*
 * snapshot.h: snapshots of regions: one store sends its rows, another replaces its own rows with them. This is the face
 * of snapshot/ for the rooms after it.
 *
 *   snapshot_sink.h      receives snapshots                     snapshot_source.h   reads a snapshot to be sent
 *   snapshot_stage.h     a received snapshot, in a file         snapshot_install.h  installs a stage as rows
 *   region_clear.h       removes a replica's rows and extents   tombstone.h         ids of destroyed replicas
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
