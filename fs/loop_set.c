#include "fs/loop_set.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NAME_SIZE 16 /* of a thread's name, with its end */

static uint32_t core_count(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	return cores < 1 ? 1 : (uint32_t)cores;
}

int loop_set_make(
	struct loop_set *set, struct env *env, const char *name, uint32_t wanted, struct status *status)
{
	if (wanted == 0)
		wanted = core_count();
	if (wanted > LOOP_SET_MAX)
		wanted = LOOP_SET_MAX;
	for (; set->count < wanted; set->count++) {
		char own[NAME_SIZE];
		int code;

		snprintf(own, sizeof own, "%.13s-%u", name, set->count % 10);
		code = env_loop_new(env, own, &set->loops[set->count]);
		if (code < 0)
			return status_set(status, code, "cannot make an event loop: %s", status_name(code));
	}
	return 0;
}

int loop_set_start(struct loop_set *set, struct status *status)
{
	for (; set->running < set->count; set->running++) {
		int code = env_loop_start(set->loops[set->running]);

		if (code < 0)
			return status_set(status, code, "cannot start a thread: %s", status_name(code));
	}
	return 0;
}

bool loop_set_is_running(const struct loop_set *set)
{
	return set->count > 0 && set->running == set->count;
}

void loop_set_close(struct loop_set *set)
{
	for (uint32_t i = 0; i < set->running; i++)
		env_loop_stop(set->loops[i]);
	for (uint32_t i = 0; i < set->count; i++)
		env_loop_free(set->loops[i]);
	*set = (struct loop_set){0};
}
