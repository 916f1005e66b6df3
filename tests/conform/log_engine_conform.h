/*
 * log_engine_conform.h: what every raft log engine must do, as one suite (store/log/log_engine.h is the text it checks).
 *
 * A test program describes its engine and its world, and runs log_engine_conform_run in its main.
 */
#ifndef RAFTKV_TESTS_CONFORM_LOG_ENGINE_CONFORM_H
#define RAFTKV_TESTS_CONFORM_LOG_ENGINE_CONFORM_H

#include "store/log/log_engine.h"

struct log_engine_conform_target {
	struct env *env;
	struct env_loop *loop;
	int (*open)(
		const struct log_engine_options *options, struct log_engine **engine, struct status *status);
	/* Names a directory that is not there yet. */
	void (*fresh)(struct log_engine_conform_target *target, char *path, size_t size);
	/* Lets the world go on until `until(argument)`, which may be asked on any thread. */
	void (*wait)(struct log_engine_conform_target *target, bool (*until)(void *argument), void *argument);
};

/* cmocka's answer: the number of failed tests. */
int log_engine_conform_run(const char *name, struct log_engine_conform_target *target);

#endif
