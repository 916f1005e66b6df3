/* audit.h: checks that fsck.raftkv finds no fault on the disk of a store that was stopped in good order. */
#ifndef RAFTKV_TESTS_SIM_AUDIT_H
#define RAFTKV_TESTS_SIM_AUDIT_H

#include "tests/sim/store.h"

/* Reads every row and every byte of file data. The machine is up and runs no process. A violation ends the process. */
void audit_store(struct store *store);

#endif
