/*
 * imbalance.h: whether the bytes that a store has beyond its share become fewer. What stays is told to administrators:
 * something keeps the balance from moving it (labels, full or silent stores, a region that is too large).
 */
#ifndef RAFTKV_FS_CLUSTER_IMBALANCE_H
#define RAFTKV_FS_CLUSTER_IMBALANCE_H

#include <stdint.h>

#include "fs/cluster/balance.h"

#define IMBALANCE_SHRINKS_PERCENT 2u /* of the least so far: less is noise */

struct imbalance {
	struct balance_excess now; /* as it was noted last; zeroes: there is none */
	uint64_t least; /* bytes */
	uint64_t since; /* when it was noted to be so small */
};

void imbalance_note(struct imbalance *imbalance, struct balance_excess excess, uint64_t now);
/* For how long it has not shrunk; 0 where there is none. */
uint64_t imbalance_age(const struct imbalance *imbalance, uint64_t now);

#endif
