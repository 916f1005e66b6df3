/* recover_tail.h: gives the log what the last process answered before its log was durable (log_tail.h). */
#ifndef RAFTKV_STORE_OPEN_RECOVER_TAIL_H
#define RAFTKV_STORE_OPEN_RECOVER_TAIL_H

#include "proto/status.h"
#include "store/engines.h"

/* Writes the records of the tail at `path` that the log lacks into the log, durably, in the order of their numbers, as
 * long as none is missing: after a power failure some may be. 0 if there is no tail. Blocks; before any loop runs. */
int recover_tail(struct engines *engines, const char *path, struct status *status);

#endif
