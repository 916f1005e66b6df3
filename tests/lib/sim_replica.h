/*
 * sim_replica.h: the content of a simulated store's replica, read from outside: every row and every unit, as logical
 * content, and the accounting of the units.
 */
#ifndef RAFTKV_TESTS_LIB_SIM_REPLICA_H
#define RAFTKV_TESTS_LIB_SIM_REPLICA_H

#include "tests/lib/sim_cluster.h"

struct sim_replica {
	uint64_t digest; /* of all rows and units, wherever they lie */
	uint64_t row_count, unit_count;
};

/* Reads it; the test fails when a unit does not have its checksum, or is named twice. */
struct sim_replica sim_replica_read(struct sim_cluster *cluster, uint32_t store);
/* Waits until the stores have applied all that the leader has, and fails unless they hold the same, with every unit that
 * is in use in a row: `stores` ends with 0. */
void sim_replicas_compare(struct sim_cluster *cluster, const uint32_t *stores);

#endif
