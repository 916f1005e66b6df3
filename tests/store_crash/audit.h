/*
 * What must hold of the engines whatever has happened, looked at from outside of the store, between two events.
 */
#ifndef RAFTKV_TESTS_STORE_CRASH_AUDIT_H
#define RAFTKV_TESTS_STORE_CRASH_AUDIT_H

#include "tests/store_crash/machine.h"

/* At any moment: no unit is mapped twice; of each region, first index - 1 <= persisted applied index <= applied index
 * <= last index, and commit index <= last index. The log of a region whose split has no rows yet is whole. Returns how
 * many units are mapped. */
uint64_t audit_engines(struct machine *machine);
/* Nothing is with the store: every unit in use is mapped by a row, or waits to be reused. */
void audit_space(struct machine *machine);
/* Nobody has asked for anything for longer than a lease: no region reads without asking. */
void audit_lease(struct machine *machine);

#endif
