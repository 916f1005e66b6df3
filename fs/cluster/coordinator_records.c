/* Reads the records of sessions and stores, and whatever else the coordinator reads of region 1. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/cluster/coordinator_internal.h"

/* ---- On a worker ---- */

/* Truncates a text that does not fit: it is only shown to people. */
static void copy_text(char *text, size_t size, struct slice bytes)
{
	snprintf(text, size, "%.*s", (int)bytes.size, bytes.size > 0 ? (const char *)bytes.data : "");
}

static int read_session(void *argument, struct slice key, struct slice value)
{
	struct review *review = argument;
	struct coordinator_session *session = &review->sessions[review->session_count];
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
	entry->directory_id = record.directory_id;
	entry->replacement = record.replacement;
	copy_text(entry->address, sizeof entry->address, record.address);
	review->store_count++;
	return 0;
}

/* A setting of a newer program is left alone. */
static int read_setting(void *argument, struct slice key, struct slice value)
{
	struct review *review = argument;
	enum cluster_setting setting;
	uint64_t number;
	int status = cluster_setting_decode(key, value, &setting, &number);

	if (status < 0)
		return status == STATUS_UNSUPPORTED ? 0 : status;
	review->settings.is_set[setting] = true;
	review->settings.values[setting] = number;
	return 0;
}

/* Stops when `nameless` is full: a later reading takes the rest. */
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

static void look_at_records(struct coordinator *coordinator, struct view *view)
{
	struct review *review = coordinator->reviewing;
	int status;

	review->session_count = 0;
	review->store_count = 0;
	review->settings = (struct cluster_settings){0};
	ino_ranges_clear(&review->nameless);
	status = counter_read(view, COUNTER_SESSION, &review->last);
	if (status == 0)
		status = read_all(view, fs_key_sessions(), read_session, review);
	if (status == 0)
		status = read_all(view, fs_key_stores(), read_store, review);
	if (status == 0)
		status = read_all(view, fs_key_settings(), read_setting, review);
	if (status == 0 && review->wants_nameless)
		status = read_all(view, fs_key_holds(FS_SESSION_GRACE), read_nameless, review);
	coordinator->look_status = status < 0 ? status : 0;
}

static void look_on_worker(struct env_work *work)
{
	struct coordinator *coordinator = container_of(work, struct coordinator, work);

	coordinator->look(coordinator, raftkv_snapshot_view(coordinator->snapshot, true));
}

/* ---- On the loop ---- */

static void take_sessions(struct coordinator *coordinator, uint64_t now)
{
	const struct review *review = coordinator->review;

	session_table_begin(&coordinator->table, review->last);
	for (uint32_t i = 0; i < review->session_count; i++)
		session_table_tell(
			&coordinator->table, review->sessions[i].id, review->sessions[i].state, now);
	session_table_end(&coordinator->table);
}

static void coordinator_records_take_stores(struct coordinator *coordinator)
{
	const struct coordinator_options *options = &coordinator->options;

	store_table_set(&coordinator->stores, coordinator->review->stores, coordinator->review->store_count);
	for (uint32_t i = 0; options->found && i < coordinator->stores.count; i++)
		options->found(options->found_argument, &coordinator->stores.entries[i]);
}

static void take_review(struct coordinator *coordinator)
{
	struct review *read = coordinator->reviewing;

	coordinator->reviewing = coordinator->review;
	coordinator->review = read;
	coordinator->reviewed = env_now(coordinator->env);
	take_sessions(coordinator, coordinator->reviewed);
	coordinator_records_take_stores(coordinator);
	coordinator_take_settings(coordinator, &read->settings);
	coordinator_begin_grace(coordinator);
}

static void on_looked(struct env_work *work)
{
	struct coordinator *coordinator = container_of(work, struct coordinator, work);

	raftkv_snapshot_free(coordinator->snapshot);
	coordinator->is_busy = false;
	if (coordinator->look_status < 0)
		log_error(coordinator->options.logger, "msg=\"the records cannot be read\" reason=\"%s\"",
			status_name(coordinator->look_status));
	else if (!coordinator->is_stopping && coordinator->term > 0 &&
		 coordinator->op_term == coordinator->term)
		coordinator->looked(coordinator);
	if (coordinator->look_status == 0 || coordinator->is_stopping)
		coordinator_go_on(coordinator);
}

static void coordinator_records_on_snapshot(
	struct raftkv_read *read, int status, struct raftkv_snapshot *snapshot)
{
	struct coordinator *coordinator = container_of(read, struct coordinator, read);

	if (status == 0) {
		coordinator->snapshot = snapshot;
		env_work_submit(coordinator->options.loop, &coordinator->work, look_on_worker, on_looked);
		return;
	}
	coordinator->is_busy = false;
	if (coordinator->is_stopping)
		coordinator_go_on(coordinator);
}

void coordinator_read(struct coordinator *coordinator,
	void (*look)(struct coordinator *coordinator, struct view *view),
	void (*looked)(struct coordinator *coordinator))
{
	coordinator->is_busy = true;
	coordinator->op_term = coordinator->term;
	coordinator->look = look;
	coordinator->looked = looked;
	coordinator->read = (struct raftkv_read){.region = CLUSTER_REGION,
		.loop = coordinator->options.loop,
		.done = coordinator_records_on_snapshot};
	raftkv_async_snapshot(coordinator->options.raftkv, &coordinator->read);
}

void coordinator_review(struct coordinator *coordinator)
{
	coordinator->reviewing->wants_nameless = coordinator->grace->state == GRACE_IDLE;
	coordinator_read(coordinator, look_at_records, take_review);
}
