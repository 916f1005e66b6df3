#include "fs/client/reclaim.h"
#include "proto/container.h"
#include "proto/units.h"

#include <stddef.h>

#define PERIOD_NS NS_PER_S

static uint64_t writes_so_far(const struct reclaim *reclaim)
{
	struct raftkv_stats stats;

	raftkv_stats(client_raftkv(reclaim->client), &stats);
	return stats.writes;
}

static void on_timer(struct env_timer *timer);

static void sleep_a_while(struct reclaim *reclaim)
{
	env_timer_start(
		&reclaim->timer, reclaim->loop, env_now(env_loop_env(reclaim->loop)) + PERIOD_NS, on_timer);
}

static void call_once(struct reclaim *reclaim);

static void on_called(struct client_call *call, int error, const struct op_reply *reply)
{
	struct reclaim *reclaim = container_of(call, struct reclaim, call);

	reclaim->is_calling = false;
	if (reclaim->is_stopping) {
		reclaim->stopped(reclaim->stopped_argument);
	} else if (!error && reply->more) {
		call_once(reclaim);
	} else {
		reclaim->writes_seen = writes_so_far(reclaim);
		sleep_a_while(reclaim);
	}
}

static void call_once(struct reclaim *reclaim)
{
	const struct op op = {.kind = OP_RECLAIM};

	reclaim->call.loop = reclaim->loop;
	reclaim->call.done = on_called;
	reclaim->is_calling = true;
	if (client_call(reclaim->client, &reclaim->call, &op, NULL) < 0) {
		reclaim->is_calling = false;
		sleep_a_while(reclaim);
	}
}

static void on_timer(struct env_timer *timer)
{
	struct reclaim *reclaim = container_of(timer, struct reclaim, timer);

	if (writes_so_far(reclaim) == reclaim->writes_seen)
		sleep_a_while(reclaim);
	else
		call_once(reclaim);
}

void reclaim_start(struct reclaim *reclaim, struct client *client, struct env_loop *loop)
{
	*reclaim = (struct reclaim){.client = client, .loop = loop};
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
