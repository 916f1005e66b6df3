#include "fs/client/departed.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "proto/container.h"
#include "proto/units.h"

#define AGAIN_NS NS_PER_S

static void departed_find(struct departed *departed, uint64_t from);
static void end_some(struct departed *departed);

static bool stop_now(struct departed *departed)
{
	departed->is_busy = false;
	if (departed->is_stopping)
		departed->stopped(departed->stopped_argument);
	return departed->is_stopping;
}

static void departed_on_timer(struct env_timer *timer)
{
	departed_find(container_of(timer, struct departed, timer), 0);
}

static void try_later(struct departed *departed, int error)
{
	struct env *env = env_loop_env(departed->loop);

	log_warn(departed->logger, "msg=\"what an earlier mount held is not let go yet\" reason=\"%s\"",
		strerror(-error));
	env_timer_start(&departed->timer, departed->loop, env_now(env) + AGAIN_NS, departed_on_timer);
}

static void on_ended(struct client_call *call, int error, const struct op_reply *reply)
{
	struct departed *departed = container_of(call, struct departed, call);

	if (stop_now(departed))
		return;
	departed->released++;
	if (error < 0) {
		try_later(departed, error);
	} else if (reply->more) {
		departed->op.session_end.from = reply->id;
		end_some(departed);
	} else {
		log_info(departed->logger,
			"msg=\"what an earlier mount held is let go\" session=%" PRIx64 " changes=%" PRIu64,
			departed->op.session_end.session, departed->released);
		departed_find(departed, 0);
	}
}

static void end_some(struct departed *departed)
{
	int status;

	departed->is_busy = true;
	departed->call.loop = departed->loop;
	departed->call.done = on_ended;
	status = client_call(departed->client, &departed->call, &departed->op, NULL);
	if (status < 0 && !stop_now(departed))
		try_later(departed, status);
}

static void departed_begin(struct departed *departed, uint64_t session)
{
	log_info(departed->logger, "msg=\"letting go of what an earlier mount held\" session=%" PRIx64,
		session);
	departed->op = (struct op){.kind = OP_SESSION_END, .session_end.session = session};
	departed->released = 0;
	end_some(departed);
}

static void on_found(struct client_read *read, int error)
{
	struct departed *departed = container_of(read, struct departed, read);
	uint64_t own = client_session(departed->client);

	if (stop_now(departed))
		return;
	if (error == 0 && departed->finding.found != own)
		departed_begin(departed, departed->finding.found);
	else if (error == 0 && own < UINT64_MAX)
		departed_find(departed, own + 1);
	else if (error < 0 && error != -ENOENT)
		try_later(departed, error);
	else if (departed->done)
		departed->done(departed->argument);
}

static void departed_find(struct departed *departed, uint64_t from)
{
	departed->is_busy = true;
	departed->read.loop = departed->loop;
	departed->read.question =
		(struct question){.kind = QUESTION_HOLDER, .ino = FS_ROOT_INO, .offset = from};
	departed->read.finding = &departed->finding;
	departed->read.done = on_found;
	client_read(departed->client, &departed->read);
}

void departed_start(struct departed *departed)
{
	departed_find(departed, 0);
}

void departed_stop(struct departed *departed, void (*stopped)(void *argument), void *argument)
{
	departed->is_stopping = true;
	departed->stopped = stopped;
	departed->stopped_argument = argument;
	env_timer_stop(&departed->timer);
	if (!departed->is_busy)
		stopped(argument);
}
