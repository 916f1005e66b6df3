/*
 * open_engines.h: the directory and the three engines of a store, opened as its options say, and what they leave out
 * filled in. Blocks; before any loop runs.
 */
#ifndef RAFTKV_STORE_OPEN_OPEN_ENGINES_H
#define RAFTKV_STORE_OPEN_OPEN_ENGINES_H

#include "store/engines.h"
#include "store/options.h"

/* Fills in what does not depend on the disk. */
void open_fill_options(struct raftkv_options *options);
/* Locks the directory, fills in the sizes that depend on its disk, and opens the KV engine, the log engine and the block
 * store. Engines that were opened before an error stay open: open_engines_close. `wanted`: the block store wants its
 * housekeeping done, on any thread. */
int open_engines(struct engines *engines, struct raftkv_options *options, void (*wanted)(void *argument),
	void *argument, struct status *status);
/* Closes what is open, and gives the directory's lock back. */
void open_engines_close(struct engines *engines);

#endif
