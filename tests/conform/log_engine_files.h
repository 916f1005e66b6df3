/* log_engine_files.h: the suite of raft log engines on real files and threads. */
#ifndef RAFTKV_TESTS_CONFORM_LOG_ENGINE_FILES_H
#define RAFTKV_TESTS_CONFORM_LOG_ENGINE_FILES_H

#include "tests/conform/log_engine_conform.h"

/* cmocka's answer: the number of failed tests. */
int log_engine_files_run(const char *name, int (*open)(const struct log_engine_options *options,
						   struct log_engine **engine, struct status *status));

#endif
