#include "fs/fuse/watch.h"

#include <utlist.h>

#include "fs/fuse/caller.h"
#include "fs/vfs/request.h"
#include "proto/container.h"

#define PERIOD_NS   UINT64_C(500000000)
#define PATIENCE_NS (CLIENT_PATIENCE_MS * UINT64_C(1000000))

static void look(struct env_timer *timer);

static void look_later(struct watch *watch)
{
	env_timer_start(&watch->timer, watch->loop, env_now(env_loop_env(watch->loop)) + PERIOD_NS, look);
}

static bool has_waited(const struct request *request, uint64_t now)
{
	return now - request->started >= PATIENCE_NS;
}

static bool has_old_payload(const struct watch *watch, uint64_t now)
{
	const struct request *request;

	DL_FOREACH(watch->requests, request)
	{
		if (!has_waited(request, now))
			return false;
		if (request->counted > 0)
			return true;
	}
	return false;
}

static void look(struct env_timer *timer)
{
	struct watch *watch = container_of(timer, struct watch, timer);
	uint64_t now = env_now(env_loop_env(watch->loop));
	struct request *request, *next;

	payloads_look(watch->payloads, &watch->view, has_old_payload(watch, now));
	DL_FOREACH_SAFE(watch->requests, request, next)
	{
		if (!has_waited(request, now))
			break;
		if (watch->is_ending || caller_is_dying(request_caller_thread(request)))
			request_give_up(request);
	}
	if (watch->requests)
		look_later(watch);
}

void watch_add(struct watch *watch, struct request *request)
{
	DL_APPEND(watch->requests, request);
	if (!env_timer_is_running(&watch->timer))
		look_later(watch);
}

void watch_remove(struct watch *watch, struct request *request)
{
	DL_DELETE(watch->requests, request);
	if (watch->is_ending && !watch->requests)
		env_timer_stop(&watch->timer);
}

void watch_end(struct watch *watch)
{
	watch->is_ending = true;
	if (!watch->requests)
		env_timer_stop(&watch->timer);
}
