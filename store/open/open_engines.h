/*
 * open_engines.h: opens the directory and the three engines of a store, and fills in the defaults of its options.
 * Blocks; before any loop runs.
 */
#ifndef RAFTKV_STORE_OPEN_OPEN_ENGINES_H
#define RAFTKV_STORE_OPEN_OPEN_ENGINES_H

#include "store/engines.h"
#include "store/options.h"

/* Fills in the defaults that do not depend on the disk. */
void open_fill_options(struct raftkv_options *options);
/* Locks the directory, fills in the defaults that depend on its disk, and opens the KV engine, the log engine and the
 * block store. After an error the caller must call open_engines_close. `wanted` is called on any thread when the log or
 * the block store needs maintenance. */
int open_engines(struct engines *engines, struct raftkv_options *options, void (*wanted)(void *argument),
	void *argument, struct status *status);
/* Closes the open engines and releases the directory's lock. */
void open_engines_close(struct engines *engines);

#endif
