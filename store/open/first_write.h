/* first_write.h: writes to the log engine while no loop runs: when a store is made, and at start. Blocks. */
#ifndef RAFTKV_STORE_OPEN_FIRST_WRITE_H
#define RAFTKV_STORE_OPEN_FIRST_WRITE_H

#include <stdint.h>

#include "store/engines.h"

struct first_write_run; /* first_write.c */

struct first_write {
	struct first_write_run *run;
	struct log_write write; /* without its loop and callback */
};

/* Makes all the writes, on a loop that runs only for them. 0 or the first error. */
int first_writes_run(struct engines *engines, struct first_write *writes, uint32_t count);

#endif
