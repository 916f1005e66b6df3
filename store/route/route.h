/*
 * route.h: access to the replicas of this store from any thread. This is the face of route/ for the rooms after it.
 *
 *   router.h            which regions have a replica here, and the state that each publishes
 *   route_snapshot.h    the snapshot of a region that readers share
 */
#ifndef RAFTKV_STORE_ROUTE_ROUTE_H
#define RAFTKV_STORE_ROUTE_ROUTE_H

#include "store/route/route_snapshot.h"
#include "store/route/router.h"

#endif
