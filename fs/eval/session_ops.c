/*
 * session_ops.c: the sessions of mounts: their beginning, how regions come to know them, and the steps in which they end
 * (op.h).
 */
#include <errno.h>

#include "proto/plant.h"
#include "proto/status.h"
#include "store/rows/slots.h"
#include "fs/eval/families.h"

static int count_session(void *argument, struct slice key, struct slice value)
{
	(void)key;
	(void)value;
	return ++*(uint32_t *)argument == SESSION_COUNT_MAX ? -EUSERS : 0;
}

static int find_other(void *argument, struct slice key, struct slice value)
{
	struct session_record record;
	uint64_t session;
	int status = fs_key_parse_session(key, &session);

	if (status == 0)
		status = session_record_decode(value, &record);
	if (status < 0)
		return status;
	return session != *(const uint64_t *)argument && record.state == SESSION_LIVE;
}

int eval_has_others(struct evaluation *evaluation, bool *has_others)
{
	struct fs_key low = fs_key_sessions(), high = fs_key_after(&low);
	uint64_t own = evaluation->session;
	int status = 1;

	if (evaluation->input->region == CLUSTER_REGION || planted("intents:others_unknown"))
		status = view_scan(evaluation->view, KEY_LOCAL, fs_key_slice(&low), fs_key_slice(&high),
			find_other, &own);
	*has_others = status > 0;
	return status > 0 ? 0 : status;
}

static int check_room(struct evaluation *evaluation)
{
	struct fs_key low = fs_key_sessions(), high = fs_key_after(&low);
	uint32_t count = 0;

	return view_scan(
		evaluation->view, KEY_LOCAL, fs_key_slice(&low), fs_key_slice(&high), count_session, &count);
}

/* With `is_known` also puts the session's row among the slots, so that the region admits it. */
static int put_record(
	struct evaluation *evaluation, uint64_t session, const struct session_record *record, bool is_known)
{
	struct fs_key key = fs_key_session(session);
	struct writer writer = writer_growing(RECORD_SIZE_MAX);
	int status = session_record_encode(record, &writer);

	if (status == 0) {
		mutations_put(evaluation->mutations, KEY_LOCAL, fs_key_slice(&key), writer_written(&writer));
		if (is_known)
			slots_open(evaluation->mutations, session, (struct slice){0});
	}
	writer_close(&writer);
	return status;
}

static struct registration range_of(const struct evaluation *evaluation)
{
	const struct eval_input *input = evaluation->input;

	return (struct registration){
		.start = input->region_start.size > 0 ? fs_key_get_dirid(input->region_start) : 0,
		.end = input->region_end.size > 0 ? fs_key_get_dirid(input->region_end) : FS_DIRID_END};
}

uint64_t eval_range_end(const struct evaluation *evaluation)
{
	return range_of(evaluation).end;
}

static void put_registration(
	struct evaluation *evaluation, uint64_t session, const struct registration *registration)
{
	struct fs_key key = fs_key_registration(session, registration->start);
	uint8_t bytes[16];
	struct writer writer = writer_fixed(bytes, sizeof bytes);

	registration_encode(registration->end, &writer);
	mutations_put(evaluation->mutations, KEY_LOCAL, fs_key_slice(&key), writer_written(&writer));
}

int eval_session_open(struct evaluation *evaluation, const struct op_session_open *op)
{
	const struct registration range = range_of(evaluation);
	struct session_record record = {
		.state = SESSION_LIVE,
		.pid = op->pid,
		.host = op->host,
		.mount_point = op->mount_point,
		.opened = evaluation->now,
	};
	int status = check_room(evaluation);

	if (status == 0)
		status = eval_allocate(evaluation, COUNTER_SESSION, &evaluation->reply.id);
	if (status != 0)
		return status;
	put_registration(evaluation, evaluation->reply.id, &range);
	return put_record(evaluation, evaluation->reply.id, &record, true);
}

/* The record borrows from `*row`, which the caller closes in any case. -ENOENT. */
static int find_record(
	struct evaluation *evaluation, uint64_t session, struct session_record *record, struct kv_value *row)
{
	struct fs_key key = fs_key_session(session);
	int status = view_get(evaluation->view, KEY_LOCAL, fs_key_slice(&key), row);

	if (status == STATUS_NOT_FOUND)
		return -ENOENT;
	return status == 0 ? session_record_decode(row->data, record) : status;
}

/* ---- Registrations ---- */

/* A scan of a session's registrations, to put another one in. */
struct registering {
	struct evaluation *evaluation;
	uint64_t session;
	struct registration range; /* the new one, joined with those that it touches */
	bool is_covered; /* one has the new one's range already */
	uint32_t apart; /* registrations that do not touch it */
	struct registration below, above; /* the nearest of them; end 0: none */
};

static bool touches(const struct registration *one, const struct registration *other)
{
	return one->start <= other->end && other->start <= one->end;
}

static void join(struct registration *range, const struct registration *other)
{
	if (other->start < range->start)
		range->start = other->start;
	if (other->end > range->end)
		range->end = other->end;
}

/* They do not touch each other, so `range` never grows to touch one that the scan has passed. */
static int find_touching(void *argument, struct slice key, struct slice value)
{
	struct registering *registering = argument;
	struct registration *range = &registering->range, found;
	uint64_t session;
	int status = registration_decode(key, value, &session, &found);

	if (status != 0)
		return status;
	registering->is_covered = found.start <= range->start && found.end >= range->end;
	if (registering->is_covered)
		return 1;
	if (touches(range, &found)) {
		join(range, &found);
		return 0;
	}
	registering->apart++;
	if (found.end < range->start)
		registering->below = found;
	else if (registering->above.end == 0)
		registering->above = found;
	return 0;
}

/* The row that begins where `range` does is replaced. */
static int delete_touching(void *argument, struct slice key, struct slice value)
{
	struct registering *registering = argument;
	struct registration found;
	uint64_t session;
	int status = registration_decode(key, value, &session, &found);

	if (status == 0 && found.start != registering->range.start && touches(&registering->range, &found))
		mutations_delete(registering->evaluation->mutations, KEY_LOCAL, key);
	return status;
}

static int scan_registrations(struct registering *registering, view_row_cb each)
{
	struct fs_key low = fs_key_registrations(registering->session), high = fs_key_after(&low);

	return view_scan(registering->evaluation->view, KEY_LOCAL, fs_key_slice(&low), fs_key_slice(&high),
		each, registering);
}

static int register_range(struct registering *registering)
{
	int status = scan_registrations(registering, find_touching);

	if (registering->is_covered)
		return 0;
	if (status != 0)
		return status;
	if (registering->apart >= REGISTRATIONS_MAX)
		join(&registering->range,
			registering->below.end > 0 ? &registering->below : &registering->above);
	status = scan_registrations(registering, delete_touching);
	if (status == 0)
		put_registration(registering->evaluation, registering->session, &registering->range);
	return status;
}

int eval_session_register(struct evaluation *evaluation, const struct op_session_register *op)
{
	struct registering registering = {
		.evaluation = evaluation, .session = op->session, .range = {op->start, op->end}};
	struct session_record record;
	struct kv_value row = {0};
	int status = find_record(evaluation, op->session, &record, &row);

	kv_value_close(&row);
	if (status == 0 && record.state != SESSION_LIVE && !planted("sessions:dying_registers"))
		status = -ENOENT;
	return status == 0 ? register_range(&registering) : status;
}

int eval_session_admit(struct evaluation *evaluation, const struct op_session_admit *op)
{
	const struct registration range = range_of(evaluation);
	struct op_reply *reply = &evaluation->reply;
	int status = counter_read(evaluation->view, COUNTER_FORGETS, &reply->id);

	if (status != 0)
		return status;
	reply->offset = range.start;
	reply->count = range.end;
	reply->existed = op->forgets == reply->id;
	PLANT("sessions:forget_not_voids", reply->existed = op->forgets != OP_FORGETS_UNKNOWN);
	if (reply->existed)
		slots_open(evaluation->mutations, op->session, (struct slice){0});
	return 0;
}

/* ---- The end ---- */

int eval_session_close(struct evaluation *evaluation, const struct op_session_end *op)
{
	struct session_record record;
	struct kv_value row = {0};
	int status = find_record(evaluation, op->session, &record, &row);

	if (status == 0 && record.state == SESSION_LIVE) {
		record.state = SESSION_DYING;
		status = put_record(evaluation, op->session, &record, false);
	}
	kv_value_close(&row);
	return status;
}

int eval_session_forget(struct evaluation *evaluation, const struct op_session_end *op)
{
	uint64_t forgets;
	int status = counter_read(evaluation->view, COUNTER_FORGETS, &forgets);

	if (status != 0)
		return status;
	slots_close(evaluation->mutations, op->session);
	counter_put(evaluation->mutations, COUNTER_FORGETS, forgets + 1);
	evaluation->reply.id = eval_range_end(evaluation);
	return 0;
}

int eval_session_remove(struct evaluation *evaluation, const struct op_session_end *op)
{
	struct fs_key key = fs_key_session(op->session);
	struct fs_key low = fs_key_registrations(op->session), high = fs_key_after(&low);
	struct session_record record;
	struct kv_value row = {0};
	int status = find_record(evaluation, op->session, &record, &row);

	kv_value_close(&row);
	if (status == 0 && record.state == SESSION_LIVE)
		return -EBUSY;
	if (status == 0) {
		mutations_delete(evaluation->mutations, KEY_LOCAL, fs_key_slice(&key));
		mutations_delete_range(
			evaluation->mutations, KEY_LOCAL, fs_key_slice(&low), fs_key_slice(&high));
	}
	return status == -ENOENT ? 0 : status;
}
