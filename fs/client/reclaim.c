#include "fs/client/reclaim.h"
#include "proto/container.h"

#include <stddef.h>

static uint64_t reclaim_now_of(const struct reclaim *reclaim)
{
	return env_now(env_loop_env(reclaim->loop));
}

static void reclaim_on_timer(struct env_timer *timer);

static void sleep_a_while(struct reclaim *reclaim)
{
	env_timer_start(&reclaim->timer, reclaim->loop, reclaim_now_of(reclaim) + RECLAIM_PERIOD_NS,
		reclaim_on_timer);
}

static void call_once(struct reclaim *reclaim);

static void reclaim_on_called(struct client_call *call, int error, const struct op_reply *reply)
{
	struct reclaim *reclaim = container_of(call, struct reclaim, call);

	reclaim->is_calling = false;
	if (reclaim->is_stopping) {
		reclaim->stopped(reclaim->stopped_argument);
	} else if (!error && reply->more) {
		call_once(reclaim);
	} else {
		reclaim_pace_end(&reclaim->pace, reclaim_now_of(reclaim));
		sleep_a_while(reclaim);
	}
}

static void call_once(struct reclaim *reclaim)
{
	const struct op op = {.kind = OP_RECLAIM};

	reclaim->call.loop = reclaim->loop;
	reclaim->call.done = reclaim_on_called;
	reclaim->is_calling = true;
	if (client_call(reclaim->client, &reclaim->call, &op, NULL) < 0) {
		reclaim->is_calling = false;
		sleep_a_while(reclaim);
	}
}

static void reclaim_on_timer(struct env_timer *timer)
{
	struct reclaim *reclaim = container_of(timer, struct reclaim, timer);

	if (reclaim_pace_is_due(&reclaim->pace, reclaim_now_of(reclaim)))
		call_once(reclaim);
	else
		sleep_a_while(reclaim);
}

void reclaim_start(struct reclaim *reclaim, struct client *client, struct env_loop *loop)
{
	*reclaim = (struct reclaim){.client = client, .loop = loop};
	reclaim_pace_init(&reclaim->pace, client_raftkv(client));
	call_once(reclaim);
}

void reclaim_stop(struct reclaim *reclaim, void (*stopped)(void *argument), void *argument)
{
	reclaim->is_stopping = true;
	reclaim->stopped = stopped;
	reclaim->stopped_argument = argument;
	env_timer_stop(&reclaim->timer);
	if (!reclaim->is_calling)
		stopped(argument);
}
