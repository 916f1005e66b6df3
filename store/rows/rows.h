/*
 * rows.h: the rows of a region in the KV engine, and how entries change them. This is the face of rows/ for the rooms
 * after it.
 *
 *   keys.h           keys of rows, extent maps and states     region.h          a region, its peers, its states
 *   region_states.h  reading and writing these states         mutations.h       changes of rows by an entry
 *   region_change.h  membership changes                       region_split.h    splits
 *   extents.h        extent maps: reading and editing         payload_list.h    large bytes of entries, by index
 *   engine_view.h    rows and objects below a view            region_view.h     keys of a view, limited to a region
 *
 * Few files need slots.h (exactly-once slots of clients), unit_cache.h and extent_map.h, so it does not include them.
 */
#ifndef RAFTKV_STORE_ROWS_ROWS_H
#define RAFTKV_STORE_ROWS_ROWS_H

#include "store/rows/engine_view.h"
#include "store/rows/extents.h"
#include "store/rows/keys.h"
#include "store/rows/mutations.h"
#include "store/rows/payload_list.h"
#include "store/rows/region.h"
#include "store/rows/region_change.h"
#include "store/rows/region_split.h"
#include "store/rows/region_states.h"
#include "store/rows/region_view.h"

#endif
