/*
 * session.c: the sessions of mounts: their beginning, and the steps in which they end (op.h).
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

int eval_session_open(struct evaluation *evaluation, const struct op_session_open *op)
{
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
	return status == 0 ? put_record(evaluation, evaluation->reply.id, &record, true) : status;
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
	slots_close(evaluation->mutations, op->session);
	return 0;
}

int eval_session_remove(struct evaluation *evaluation, const struct op_session_end *op)
{
	struct fs_key key = fs_key_session(op->session);
	struct session_record record;
	struct kv_value row = {0};
	int status = find_record(evaluation, op->session, &record, &row);

	kv_value_close(&row);
	if (status == 0 && record.state == SESSION_LIVE)
		return -EBUSY;
	if (status == 0)
		mutations_delete(evaluation->mutations, KEY_LOCAL, fs_key_slice(&key));
	return status == -ENOENT ? 0 : status;
}
