#include "fs/fuse/watch.h"

#include <utlist.h>

#include "fs/fuse/caller.h"
#include "proto/container.h"

#define PERIOD_NS UINT64_C(500000000)

static void watch_look(struct env_timer *timer);

static void watch_look_later(struct watch *watch)
{
	env_timer_start(
		&watch->timer, watch->loop, env_now(env_loop_env(watch->loop)) + PERIOD_NS, watch_look);
}

static bool has_waited(const struct watch *watch, const struct watched *watched, uint64_t now)
{
	return now - watched->started >= watch->patience_ns;
}

static bool has_old_payload(const struct watch *watch, uint64_t now)
{
	const struct watched *watched;

	DL_FOREACH(watch->requests, watched)
	{
		if (!has_waited(watch, watched, now))
			return false;
		if (watched->has_payload)
			return true;
	}
	return false;
}

static void watch_look(struct env_timer *timer)
{
	struct watch *watch = container_of(timer, struct watch, timer);
	uint64_t now = env_now(env_loop_env(watch->loop));
	struct watched *watched, *next;

	payloads_look(watch->payloads, &watch->view, has_old_payload(watch, now));
	DL_FOREACH_SAFE(watch->requests, watched, next)
	{
		if (!has_waited(watch, watched, now))
			break;
		if (watch->is_ending || caller_is_dying(watched->thread))
			watch->give_up(watched);
	}
	if (watch->requests)
		watch_look_later(watch);
}

void watch_add(struct watch *watch, struct watched *watched)
{
	DL_APPEND(watch->requests, watched);
	if (!env_timer_is_running(&watch->timer))
		watch_look_later(watch);
}

void watch_remove(struct watch *watch, struct watched *watched)
{
	DL_DELETE(watch->requests, watched);
	if (watch->is_ending && !watch->requests)
		env_timer_stop(&watch->timer);
}

void watch_end(struct watch *watch)
{
	watch->is_ending = true;
	if (!watch->requests)
		env_timer_stop(&watch->timer);
}
