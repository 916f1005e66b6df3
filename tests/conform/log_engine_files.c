#include "tests/conform/log_engine_files.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "proto/check.h"
#include "proto/env_uv.h"
#include "tests/lib/test.h"

struct files_target {
	struct log_engine_conform_target target;
	char scratch[128];
	unsigned count;
};

static void fresh(struct log_engine_conform_target *target, char *path, size_t size)
{
	struct files_target *self = container_of(target, struct files_target, target);

	snprintf(path, size, "%s/%u", self->scratch, self->count++);
}

static void wait(struct log_engine_conform_target *target, bool (*until)(void *argument), void *argument)
{
	(void)target;
	while (!until(argument))
		usleep(50);
}

int log_engine_files_run(const char *name, int (*open)(const struct log_engine_options *options,
						   struct log_engine **engine, struct status *status))
{
	struct files_target self = {.target = {.open = open, .fresh = fresh, .wait = wait}};
	struct env_uv_options options = {.worker_threads = 1, .io_threads = 1};
	int failed;

	test_directory_make(self.scratch, sizeof(self.scratch));
	check(env_uv_new(&options, &self.target.env, NULL) == 0);
	check(env_loop_new(self.target.env, "test", &self.target.loop) == 0);
	check(env_loop_start(self.target.loop) == 0);
	failed = log_engine_conform_run(name, &self.target);
	env_loop_stop(self.target.loop);
	env_loop_free(self.target.loop);
	env_uv_free(self.target.env);
	test_directory_remove(self.scratch);
	return failed;
}
