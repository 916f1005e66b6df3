/*
 * rows.h: what lies in the KV engine of a region, and how it comes there: the face of rows/ for the rooms after it.
 *
 *   keys.h           where rows, extent maps and states lie           region.h          a region, its peers, its states
 *   region_change.h  what a membership change makes of a region       mutations.h       what an entry does to rows
 *   extents.h        extent maps: read, and edited in a batch         payload_list.h    large bytes of entries, by index
 *   engine_view.h    rows and objects as a view sees them             region_view.h     a view's keys and a region's range
 *
 * Apart stand slots.h (a client's exactly-once slots), unit_cache.h and extent_map.h: few need them.
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
#include "store/rows/region_view.h"

#endif
