/*
 * Ends sessions: those that were closed, and those that were silent for too long (op.h has the steps).
 *
 * A session that is dying registers no more. So its registrations, read after that, cover every region that may have a
 * row of it. A step goes from region to region through their ranges: each answer says where the region ended when the step
 * was evaluated, and the next region is the one that begins there. A region that was split since gave its row to both
 * halves, or had lost it before, so that neither has it.
 *
 * The first region is always region 1. A session that waits for another region gives way to the next one after a while.
 */
#include <inttypes.h>

#include "fs/cluster/coordinator_internal.h"
#include "proto/plant.h"

/* ---- Its registrations ---- */

static int read_registration(void *argument, struct slice key, struct slice value)
{
	struct registrations *read = argument;
	uint64_t session;

	if (read->count == REGISTRATIONS_MAX)
		return STATUS_CORRUPT;
	return registration_decode(key, value, &session, &read->ranges[read->count++]);
}

static void look_at_registrations(struct coordinator *coordinator, struct view *view)
{
	struct registrations *read = &coordinator->reading;
	struct fs_key low = fs_key_registrations(read->session), high = fs_key_after(&low);

	read->count = 0;
	coordinator->look_status =
		view_scan(view, KEY_LOCAL, fs_key_slice(&low), fs_key_slice(&high), read_registration, read);
}

static void begin_step(struct session_ending *ending, enum op_kind step)
{
	ending->step = step;
	ending->index = 0;
	ending->dirid = 0;
	ending->from = 0;
}

static void take_registrations(struct coordinator *coordinator)
{
	struct session_ending *ending = &coordinator->ending;

	ending->registrations = coordinator->reading;
	if (ending->registrations.count == 0 || ending->registrations.ranges[0].start > 0) {
		ending->registrations.count = 1;
		ending->registrations.ranges[0] = (struct registration){.start = 0, .end = FS_DIRID_END};
	}
	begin_step(ending, OP_SESSION_FORGET);
}

/* ---- Steps ---- */

/* The region that has answered ends before `end`. False: it was the last one. */
static bool go_past(struct session_ending *ending, uint64_t end)
{
	const struct registration *ranges = ending->registrations.ranges;
	uint32_t count = ending->registrations.count;

	PLANT("sessions:range_missed", end = ranges[ending->index].end);
	while (ending->index < count && ranges[ending->index].end <= end)
		ending->index++;
	if (ending->index == count)
		return false;
	ending->from = 0;
	ending->dirid = ranges[ending->index].start > end ? ranges[ending->index].start : end;
	return true;
}

static void on_removed(struct coordinator *coordinator)
{
	uint64_t session = coordinator->ending.session;

	session_table_remove(&coordinator->table, session);
	log_info(coordinator->options.logger, "msg=\"session ended\" session=%" PRIu64, session);
	coordinator->ending.session = 0;
}

void coordinator_on_session_stuck(struct coordinator *coordinator)
{
	coordinator->ending.session = 0;
}

void coordinator_on_session_waiting(struct coordinator *coordinator)
{
	PLANT("sessions:all_wait_for_one", return );
	coordinator->ending.pause_end = env_now(coordinator->env) + REVIEW_NS;
	coordinator_on_session_stuck(coordinator);
}

/* The leader's program is too old to say where its region ends. */
static void on_old_answer(struct coordinator *coordinator)
{
	log_warn(coordinator->options.logger,
		"msg=\"a store is too old to end a session: upgrade it\" session=%" PRIu64,
		coordinator->ending.session);
	coordinator_on_session_waiting(coordinator);
}

void coordinator_on_session_step(
	struct coordinator *coordinator, const struct op *op, const struct op_reply *reply)
{
	struct session_ending *ending = &coordinator->ending;

	if (op->kind == OP_SESSION_CLOSE)
		session_table_set_dying(&coordinator->table, op->session_end.session);
	else if (op->kind == OP_SESSION_REMOVE)
		on_removed(coordinator);
	else if (op->kind == OP_SESSION_END && reply->more)
		ending->from = reply->id;
	else if (reply->id <= ending->dirid)
		on_old_answer(coordinator);
	else if (!go_past(ending, reply->id))
		begin_step(ending, op->kind == OP_SESSION_FORGET ? OP_SESSION_END : OP_SESSION_REMOVE);
}

static void run_end_step(struct coordinator *coordinator)
{
	const struct session_ending *ending = &coordinator->ending;
	const struct op op = {
		.kind = ending->step, .session_end = {.session = ending->session, .from = ending->from}};

	if (ending->dirid == 0)
		coordinator_run(coordinator, &op);
	else
		coordinator_ask(coordinator, &op, ending->dirid);
}

static bool close_expired(struct coordinator *coordinator)
{
	struct op op = {.kind = OP_SESSION_CLOSE};

	if (!session_table_find_expired(
		    &coordinator->table, env_now(coordinator->env), &op.session_end.session))
		return false;
	log_warn(coordinator->options.logger, "msg=\"session was silent for too long\" session=%" PRIu64,
		op.session_end.session);
	coordinator_run(coordinator, &op);
	return true;
}

bool coordinator_end_sessions(struct coordinator *coordinator)
{
	struct session_ending *ending = &coordinator->ending;

	if (close_expired(coordinator))
		return true;
	if (coordinator->asked.is_under_way || env_now(coordinator->env) < ending->pause_end)
		return false;
	if (ending->session == 0 &&
		session_table_find_dying(&coordinator->table, ending->last, &ending->session))
		ending->step = 0;
	if (ending->session == 0)
		return false;
	ending->last = ending->session;
	coordinator->reading.session = ending->session;
	if (ending->step == 0)
		coordinator_read(coordinator, look_at_registrations, take_registrations);
	else
		run_end_step(coordinator);
	return coordinator->is_busy;
}
