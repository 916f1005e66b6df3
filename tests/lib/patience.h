/* patience.h: time limits for tests that may hang. */
#ifndef RAFTKV_TESTS_LIB_PATIENCE_H
#define RAFTKV_TESTS_LIB_PATIENCE_H

/* How many seconds to wait for what takes less than `seconds` on an idle machine: more on a busy one, as tests/run.sh has
 * measured ($RAFTKV_PATIENCE). */
int patience(int seconds);

#endif
