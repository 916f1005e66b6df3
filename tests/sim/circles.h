/*
 * circles.h: no circle of operations across regions in which each waits for the next one (transactions_each_wait). Two that
 * want the same do not both wait: the younger one gives way. A circle would end by itself, by a limit on time, so that no
 * answer would be wrong, only late.
 */
#ifndef RAFTKV_TESTS_SIM_CIRCLES_H
#define RAFTKV_TESTS_SIM_CIRCLES_H

#include "tests/sim/cluster.h"

/* Between events. Returns the number of waits. */
uint64_t circles_look(const struct cluster *cluster);

#endif
