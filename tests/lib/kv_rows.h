/* kv_rows.h: walks the rows of a KV engine. */
#ifndef RAFTKV_TESTS_LIB_KV_ROWS_H
#define RAFTKV_TESTS_LIB_KV_ROWS_H

#include "store/kv/kv_engine.h"
#include "store/rows/keys.h"

/* Calls `each` for each row in [low, high), as they are now. An error of the engine is a mistake of the test. */
void kv_rows_each(struct kv_engine *kv, const struct key *low, const struct key *high,
	void (*each)(void *argument, struct slice key, struct slice value), void *argument);

#endif
