/* Reads the records of sessions and stores, and what has grace. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/cluster/keeper_internal.h"

/* ---- On a worker ---- */

/* What does not fit is cut: it is for people. */
static void copy_text(char *text, size_t size, struct slice bytes)
{
	snprintf(text, size, "%.*s", (int)bytes.size, bytes.size > 0 ? (const char *)bytes.data : "");
}

static int read_session(void *argument, struct slice key, struct slice value)
{
	struct review *review = argument;
	struct keeper_session *session = &review->sessions[review->session_count];
	struct session_record record;
	int status = review->session_count < SESSION_COUNT_MAX ? 0 : STATUS_CORRUPT;

	if (status == 0)
		status = fs_key_parse_session(key, &session->id);
	if (status == 0)
		status = session_record_decode(value, &record);
	if (status < 0)
		return status;
	session->state = record.state;
	session->pid = record.pid;
	session->opened_s = (uint64_t)record.opened.seconds;
	copy_text(session->host, sizeof session->host, record.host);
	copy_text(session->mount_point, sizeof session->mount_point, record.mount_point);
	review->session_count++;
	return 0;
}

static int read_store(void *argument, struct slice key, struct slice value)
{
	struct review *review = argument;
	struct store_entry *entry = &review->stores[review->store_count];
	struct store_record record;
	uint64_t id;
	int status = fs_key_parse_store(key, &id);

	if (status == 0)
		status = store_record_decode(value, &record);
	if (status < 0 || record.state == STORE_REMOVED)
		return status;
	if (review->store_count == STORE_COUNT_MAX)
		return STATUS_CORRUPT;
	entry->id = id;
	entry->state = record.state;
	entry->incarnation = record.incarnation;
	entry->birth = record.birth;
	entry->heir = record.heir;
	copy_text(entry->address, sizeof entry->address, record.address);
	review->store_count++;
	return 0;
}

/* The first ones: there is another time for the rest. */
static int read_nameless(void *argument, struct slice key, struct slice value)
{
	struct review *review = argument;
	enum fs_hold_kind kind;
	uint64_t session, ino;
	int status = fs_key_parse_hold(key, &session, &ino, &kind);

	(void)value;
	if (status < 0)
		return status;
	return ino_ranges_add(&review->nameless, ino) ? 0 : 1;
}

static int read_all(struct view *view, struct fs_key low, view_row_cb each, struct review *review)
{
	struct fs_key high = fs_key_after(&low);

	return view_scan(view, KEY_LOCAL, fs_key_slice(&low), fs_key_slice(&high), each, review);
}

static void review_on_worker(struct env_work *work)
{
	struct keeper *keeper = container_of(work, struct keeper, work);
	struct view *view = raftkv_snapshot_view(keeper->snapshot, true);
	struct review *review = keeper->reviewing;
	int status;

	review->session_count = 0;
	review->store_count = 0;
	ino_ranges_clear(&review->nameless);
	status = counter_read(view, COUNTER_SESSION, &review->last);
	if (status == 0)
		status = read_all(view, fs_key_sessions(), read_session, review);
	if (status == 0)
		status = read_all(view, fs_key_stores(), read_store, review);
	if (status == 0 && review->wants_nameless)
		status = read_all(view, fs_key_holds(FS_SESSION_GRACE), read_nameless, review);
	keeper->review_status = status < 0 ? status : 0;
}

/* ---- On the loop ---- */

static void take_sessions(struct keeper *keeper, uint64_t now)
{
	const struct review *review = keeper->review;

	session_table_begin(&keeper->table, review->last);
	for (uint32_t i = 0; i < review->session_count; i++)
		session_table_tell(&keeper->table, review->sessions[i].id, review->sessions[i].state, now);
	session_table_end(&keeper->table);
}

static void take_stores(struct keeper *keeper)
{
	const struct keeper_options *options = &keeper->options;

	store_table_set(&keeper->stores, keeper->review->stores, keeper->review->store_count);
	for (uint32_t i = 0; options->found && i < keeper->stores.count; i++)
		options->found(options->found_argument, &keeper->stores.entries[i]);
}

static void take_review(struct keeper *keeper)
{
	struct review *read = keeper->reviewing;

	keeper->reviewing = keeper->review;
	keeper->review = read;
	keeper->reviewed = env_now(keeper->env);
	take_sessions(keeper, keeper->reviewed);
	take_stores(keeper);
	keeper_begin_grace(keeper);
}

static void on_reviewed(struct env_work *work)
{
	struct keeper *keeper = container_of(work, struct keeper, work);

	raftkv_snapshot_free(keeper->snapshot);
	keeper->is_busy = false;
	if (keeper->review_status < 0)
		log_error(keeper->options.logger, "msg=\"the records cannot be read\" reason=\"%s\"",
			status_name(keeper->review_status));
	else if (!keeper->is_stopping && keeper->term > 0 && keeper->op_term == keeper->term)
		take_review(keeper);
	if (keeper->review_status == 0 || keeper->is_stopping)
		keeper_go_on(keeper);
}

static void on_snapshot(struct raftkv_read *read, int status, struct raftkv_snapshot *snapshot)
{
	struct keeper *keeper = container_of(read, struct keeper, read);

	if (status == 0) {
		keeper->snapshot = snapshot;
		env_work_submit(keeper->options.loop, &keeper->work, review_on_worker, on_reviewed);
		return;
	}
	keeper->is_busy = false;
	if (keeper->is_stopping)
		keeper_go_on(keeper);
}

void keeper_review(struct keeper *keeper)
{
	keeper->is_busy = true;
	keeper->op_term = keeper->term;
	keeper->reviewing->wants_nameless = keeper->grace->state == GRACE_IDLE;
	keeper->read = (struct raftkv_read){
		.region = CLUSTER_REGION, .loop = keeper->options.loop, .done = on_snapshot};
	raftkv_async_snapshot(keeper->options.raftkv, &keeper->read);
}
