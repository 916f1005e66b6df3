/*
 * raft_log_engine.h: the log engine of segment files; see store/log/log_engine.h for its contract and batch.h for its
 * format.
 *
 * The engine has no thread. A caller that submits a write while none is in flight builds a batch of all queued writes
 * and gives it to an I/O thread as one synced write. The I/O thread completes it and continues with the writes that
 * queued meanwhile.
 */
#ifndef RAFTKV_STORE_LOG_RAFT_LOG_ENGINE_H
#define RAFTKV_STORE_LOG_RAFT_LOG_ENGINE_H

#include "store/log/log_engine.h"

/* Opens and recovers the directory. *Blocks.* Zeroes among `options` take the defaults in brackets there. An existing
 * log keeps its segment size. -errno; STATUS_CORRUPT: damage (`options.damaged` decides, see log_engine.h) or files
 * that are not a log. `status` gets a sentence. */
int raft_log_engine_open(
	const struct log_engine_options *options, struct log_engine **engine, struct status *status);

#endif
