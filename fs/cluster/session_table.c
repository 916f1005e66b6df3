#include "fs/cluster/session_table.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/hash.h"
#include "proto/status.h"

struct session_entry {
	uint64_t session;
	enum session_state state;
	uint64_t silent_until; /* env_now */
	uint64_t round; /* session_table.round when it was last told */
	uint64_t asked, answered; /* numbers of the last notices: that it was asked; that it answered */
	UT_hash_handle hh;
};

static struct session_entry *session_table_find(struct session_table *table, uint64_t session)
{
	struct session_entry *entry;

	HASH_FIND(hh, table->entries, &session, sizeof session, entry);
	return entry;
}

static void session_table_drop(struct session_table *table, struct session_entry *entry)
{
	HASH_DEL(table->entries, entry);
	free(entry);
}

static void drop_all(struct session_table *table)
{
	struct session_entry *entry, *next;

	HASH_ITER (hh, table->entries, entry, next)
		session_table_drop(table, entry);
}

static void end_asking(struct session_table *table)
{
	buf_unref(table->notice.inodes);
	table->notice = (struct session_notice){0};
}

void session_table_init(struct session_table *table, uint64_t expiry_ns)
{
	*table = (struct session_table){.expiry = expiry_ns};
	pthread_mutex_init(&table->lock, NULL);
}

void session_table_close(struct session_table *table)
{
	end_asking(table);
	drop_all(table);
	pthread_mutex_destroy(&table->lock);
}

void session_table_begin(struct session_table *table, uint64_t last)
{
	pthread_mutex_lock(&table->lock);
	table->round++;
	table->last = last;
	pthread_mutex_unlock(&table->lock);
}

static int tell(struct session_table *table, uint64_t session, enum session_state state, uint64_t now)
{
	struct session_entry *entry = session_table_find(table, session);

	if (!entry) {
		entry = malloc(sizeof *entry);
		if (!entry)
			return -ENOMEM;
		*entry = (struct session_entry){.session = session, .silent_until = now + table->expiry};
		HASH_ADD(hh, table->entries, session, sizeof session, entry);
	}
	entry->state = state;
	entry->round = table->round;
	return 0;
}

int session_table_tell(struct session_table *table, uint64_t session, enum session_state state, uint64_t now)
{
	int status;

	pthread_mutex_lock(&table->lock);
	status = tell(table, session, state, now);
	pthread_mutex_unlock(&table->lock);
	return status;
}

void session_table_end(struct session_table *table)
{
	struct session_entry *entry, *next;

	pthread_mutex_lock(&table->lock);
	HASH_ITER (hh, table->entries, entry, next)
		if (entry->round != table->round)
			session_table_drop(table, entry);
	table->is_serving = true;
	pthread_mutex_unlock(&table->lock);
}

void session_table_grant(struct session_table *table, uint64_t now)
{
	pthread_mutex_lock(&table->lock);
	for (struct session_entry *entry = table->entries; entry; entry = entry->hh.next)
		entry->silent_until = now + table->expiry;
	pthread_mutex_unlock(&table->lock);
}

void session_table_reset(struct session_table *table)
{
	pthread_mutex_lock(&table->lock);
	table->is_serving = false;
	drop_all(table);
	end_asking(table);
	pthread_mutex_unlock(&table->lock);
}

static int beat(struct session_table *table, uint64_t session, uint64_t answered, uint64_t now,
	struct session_notice *notice)
{
	struct session_entry *entry;

	if (!table->is_serving)
		return STATUS_NOT_LEADER;
	entry = session_table_find(table, session);
	if (!entry)
		return session > table->last ? 0 : STATUS_SESSION_UNKNOWN;
	if (entry->state != SESSION_LIVE)
		return STATUS_SESSION_UNKNOWN;
	entry->silent_until = now + table->expiry;
	if (answered > entry->answered)
		entry->answered = answered;
	if (entry->asked > entry->answered)
		*notice = (struct session_notice){table->notice.number, buf_ref(table->notice.inodes)};
	return 0;
}

int session_table_beat(struct session_table *table, uint64_t session, uint64_t answered, uint64_t now,
	struct session_notice *notice)
{
	int status;

	*notice = (struct session_notice){0};

	pthread_mutex_lock(&table->lock);
	status = beat(table, session, answered, now, notice);
	pthread_mutex_unlock(&table->lock);
	return status;
}

bool session_table_find_dying(struct session_table *table, uint64_t after, uint64_t *session)
{
	const struct session_entry *entry, *found = NULL;

	pthread_mutex_lock(&table->lock);
	for (entry = table->entries; entry; entry = entry->hh.next)
		if (entry->state == SESSION_DYING &&
			(!found || entry->session - after - 1 < found->session - after - 1))
			found = entry;
	if (found)
		*session = found->session;
	pthread_mutex_unlock(&table->lock);
	return found != NULL;
}

bool session_table_find_expired(struct session_table *table, uint64_t now, uint64_t *session)
{
	const struct session_entry *entry;

	pthread_mutex_lock(&table->lock);
	for (entry = table->entries; entry; entry = entry->hh.next)
		if (entry->state == SESSION_LIVE && entry->silent_until <= now)
			break;
	if (entry)
		*session = entry->session;
	pthread_mutex_unlock(&table->lock);
	return entry != NULL;
}

void session_table_set_dying(struct session_table *table, uint64_t session)
{
	struct session_entry *entry;

	pthread_mutex_lock(&table->lock);
	entry = session_table_find(table, session);
	if (entry)
		entry->state = SESSION_DYING;
	pthread_mutex_unlock(&table->lock);
}

void session_table_remove(struct session_table *table, uint64_t session)
{
	struct session_entry *entry;

	pthread_mutex_lock(&table->lock);
	entry = session_table_find(table, session);
	if (entry)
		session_table_drop(table, entry);
	pthread_mutex_unlock(&table->lock);
}

/* ---- Notices ---- */

void session_table_ask(struct session_table *table, struct session_notice notice)
{
	pthread_mutex_lock(&table->lock);
	end_asking(table);
	table->notice = notice;
	for (struct session_entry *entry = table->entries; entry; entry = entry->hh.next)
		if (entry->state == SESSION_LIVE)
			entry->asked = notice.number;
	pthread_mutex_unlock(&table->lock);
}

bool session_table_is_answered(struct session_table *table)
{
	const struct session_entry *entry;

	pthread_mutex_lock(&table->lock);
	for (entry = table->entries; entry; entry = entry->hh.next)
		if (entry->state == SESSION_LIVE && entry->asked > entry->answered)
			break;
	pthread_mutex_unlock(&table->lock);
	return !entry;
}

void session_table_end_asking(struct session_table *table)
{
	pthread_mutex_lock(&table->lock);
	for (struct session_entry *entry = table->entries; entry; entry = entry->hh.next)
		entry->asked = 0;
	end_asking(table);
	pthread_mutex_unlock(&table->lock);
}
