#include "fs/client/session.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "fs/schema/op.h"
#include "proto/container.h"
#include "proto/units.h"

#define EXPIRY_MS      5000u /* until a heartbeat's answer has another */
#define BEATS_A_PERIOD 3u
#define OPEN_AGAIN_NS  (1000 * NS_PER_MS) /* after a refusal */
#define CLOSE_NS       (2000 * NS_PER_MS)

static struct env_loop *loop_of(const struct session *session)
{
	return dispatcher_loop(session->options.dispatcher);
}

static uint64_t session_now_of(const struct session *session)
{
	return env_now(env_loop_env(loop_of(session)));
}

/* ---- Requests: one at a time ---- */

typedef void (*done_cb)(struct cluster_request *request, int status, const struct cluster_answer *answer);

/* 0, or why the request was not begun: then `done` will not come. */
static int session_run(struct session *session, enum cluster_request_kind kind, const struct op *op,
	uint64_t limit, done_cb done)
{
	struct cluster_request *request = &session->request;
	int status;

	*request = (struct cluster_request){.kind = kind,
		.session = session->id,
		.answered = session->answered,
		.limit = limit,
		.done = done};
	status = op ? op_encode(op, &request->body) : 0;
	if (status == 0)
		status = dispatcher_run(session->options.dispatcher, request);
	if (status < 0)
		buf_unref(request->body);
	session->is_requesting = status == 0;
	return status;
}

/* Frees what the request holds. Returns its session. */
static struct session *end_request(struct cluster_request *request)
{
	struct session *session = container_of(request, struct session, request);

	buf_unref(request->body);
	request->body = NULL;
	session->is_requesting = false;
	return session;
}

/* ---- Heartbeats ---- */

static void lose(struct session *session);
static void open_session(struct session *session);
static void on_beat_timer(struct env_timer *timer);

/* One notice at a time: one that comes meanwhile, from a new leader, comes again. */
static void take_notice(struct session *session, const struct cluster_answer *answer)
{
	if (answer->notice <= session->answered || session->asked > 0)
		return;
	session->asked = answer->notice;
	if (session->options.asked)
		session->options.asked(session->options.argument, answer->notice, answer->bytes);
	else
		session_answer(session, answer->notice, true);
}

static void on_beaten(struct cluster_request *request, int status, const struct cluster_answer *answer)
{
	struct session *session = end_request(request);

	if (session->is_stopping)
		return;
	if (status == 0 && answer->expiry_ms > 0)
		session->period = answer->expiry_ms * NS_PER_MS / BEATS_A_PERIOD;
	if (session->id != request->session) {
		open_session(session);
	} else if (status == STATUS_SESSION_UNKNOWN) {
		lose(session);
	} else {
		env_timer_start(&session->timer, loop_of(session), session->beat_begun + session->period,
			on_beat_timer);
		if (status == 0 && answer->notice > 0)
			take_notice(session, answer);
	}
}

static void on_beat_timer(struct env_timer *timer)
{
	struct session *session = container_of(timer, struct session, timer);

	session->beat_begun = session_now_of(session);
	if (session_run(session, CLUSTER_REQUEST_BEAT, NULL, session->period, on_beaten) < 0)
		env_timer_start(
			timer, loop_of(session), session->beat_begun + session->period, on_beat_timer);
}

void session_answer(struct session *session, uint64_t notice, bool are_kept)
{
	session->asked = 0;
	if (!are_kept || session->is_stopping)
		return;
	session->answered = notice;
	if (session->id == 0 || session->is_requesting)
		return;
	env_timer_stop(&session->timer);
	on_beat_timer(&session->timer);
}

/* ---- Opening ---- */

static void on_open_timer(struct env_timer *timer)
{
	open_session(container_of(timer, struct session, timer));
}

static void open_later(struct session *session, int status)
{
	if (session->first == 0) {
		session->options.refused(session->options.argument, status);
		return;
	}
	log_error(session->options.logger, "msg=\"no session could be opened\" reason=\"%s\"",
		status_name(status));
	env_timer_start(
		&session->timer, loop_of(session), session_now_of(session) + OPEN_AGAIN_NS, on_open_timer);
}

static void session_on_opened(
	struct cluster_request *request, int status, const struct cluster_answer *answer)
{
	struct session *session = end_request(request);
	struct op_reply reply = {0};

	if (status == 0)
		status = op_reply_decode(answer->bytes, &reply);
	if (status == 0)
		status = reply.error;
	if (session->is_stopping)
		return;
	if (status < 0) {
		open_later(session, status);
		return;
	}
	session->id = reply.id;
	if (session->first == 0)
		session->first = reply.id;
	log_info(session->options.logger, "msg=\"session opened\" session=%" PRIu64, session->id);
	session->options.opened(session->options.argument, session->id);
	on_beat_timer(&session->timer);
}

static void open_session(struct session *session)
{
	const struct session_options *options = &session->options;
	const struct op op = {.kind = OP_SESSION_OPEN,
		.session_open = {.pid = options->pid,
			.host = slice_of(options->host, strlen(options->host)),
			.mount_point = slice_of(options->mount_point, strlen(options->mount_point))}};
	int status = session_run(session, CLUSTER_REQUEST_SESSION, &op, 0, session_on_opened);

	if (status < 0)
		open_later(session, status);
}

/* ---- Losing ---- */

static void lose(struct session *session)
{
	uint64_t id = session->id;

	session->id = 0;
	log_error(session->options.logger,
		"msg=\"the cluster has ended this mount's session: its locks are gone\" session=%" PRIu64,
		id);
	session->options.lost(session->options.argument, id);
	env_timer_stop(&session->timer);
	if (!session->is_requesting)
		open_session(session);
}

void session_on_lost(struct session *session, uint64_t id)
{
	if (id == session->id && id > 0 && !session->is_stopping)
		lose(session);
}

/* ---- Life ---- */

void session_start(struct session *session, const struct session_options *options)
{
	*session = (struct session){.options = *options, .period = EXPIRY_MS * NS_PER_MS / BEATS_A_PERIOD};
	open_session(session);
}

static void on_session_closed(
	struct cluster_request *request, int status, const struct cluster_answer *answer)
{
	struct session *session = end_request(request);

	(void)status;
	(void)answer;
	session->stopped(session->stopped_argument);
}

void session_stop(struct session *session, void (*stopped)(void *argument), void *argument)
{
	const struct op op = {.kind = OP_SESSION_CLOSE, .session_end.session = session->id};

	session->stopped = stopped;
	session->stopped_argument = argument;
	session->is_stopping = true;
	env_timer_stop(&session->timer);
	if (session->is_requesting)
		dispatcher_give_up(&session->request, -ECANCELED);
	if (session->id == 0 ||
		session_run(session, CLUSTER_REQUEST_SESSION, &op, CLOSE_NS, on_session_closed) < 0)
		stopped(argument);
}
