/*
 * raft_log_engine.h: the raft logs of a store in segment files of our own; see store/log/log_engine.h for what it does and
 * batch.h for its bytes.
 *
 * The engine has no thread. Whoever submits a write while none is on its way builds a batch of all that has queued and
 * gives it to an I/O thread as one synced write; the I/O thread completes it and goes on with what queued meanwhile.
 */
#ifndef RAFTKV_STORE_LOG_RAFT_LOG_ENGINE_H
#define RAFTKV_STORE_LOG_RAFT_LOG_ENGINE_H

#include "store/log/log_engine.h"

/* Recovers what the directory holds. *Blocks.* Zeroes among `options` take the defaults in brackets there; an existing
 * log keeps its segment size. -errno; STATUS_CORRUPT: damage (`options.damaged` decides, see log_engine.h) or files
 * that are no log; `status` says it in a sentence. */
int raft_log_engine_open(
	const struct log_engine_options *options, struct log_engine **engine, struct status *status);

#endif
