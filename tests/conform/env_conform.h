/*
 * What env.h promises, as tests that run on every implementation: tests/unit/proto/test_env_uv.c and test_sim_env.c
 * give them an environment and an empty directory.
 */
#ifndef RAFTKV_TESTS_CONFORM_ENV_CONFORM_H
#define RAFTKV_TESTS_CONFORM_ENV_CONFORM_H

#include "proto/env.h"

struct env_conform {
	struct env *env;
	struct env_loop *loop; /* made and freed by the suite for each test */
	char path[128]; /* an empty directory, absolute */
	/* To listen on, with port 0 where there are ports; NULL ends. */
	const char *addresses[4];
	uint32_t uid; /* of whoever connects to a Unix address */
};

/* Runs the suite; `setup` fills a zeroed struct env_conform before each test, `teardown` undoes it. Returns the number
 * of failures. */
int env_conform_run(const char *name, void (*setup)(struct env_conform *conform),
	void (*teardown)(struct env_conform *conform));

#endif
