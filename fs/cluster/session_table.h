/*
 * session_table.h: the sessions on record, and until when each may be silent, as the store that leads region 1
 * remembers them. Nothing of it is logged: a new leader grants every session a full period.
 *
 * The coordinator (coordinator.h) owns it and calls it on its loop. Only session_table_beat may be called on any
 * thread; the lock is for it.
 */
#ifndef RAFTKV_FS_CLUSTER_SESSION_TABLE_H
#define RAFTKV_FS_CLUSTER_SESSION_TABLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "fs/schema/records.h"
#include "proto/buf.h"

struct session_entry;

/* A question to the sessions: which of these inodes do they have open? */
struct session_notice {
	uint64_t number; /* greater than that of every earlier notice; 0: no notice */
	struct buf *inodes; /* ino_ranges.h */
};

struct session_table {
	pthread_mutex_t lock;
	struct session_entry *entries; /* by session */
	uint64_t expiry; /* ns of silence */
	bool is_serving; /* this store leads region 1 and has read the records */
	uint64_t last; /* the last id drawn when the records were read: a session with a greater one is new */
	uint64_t round; /* number of the reading of the records */
	struct session_notice notice;
};

void session_table_init(struct session_table *table, uint64_t expiry_ns);
void session_table_close(struct session_table *table);

/* Begins a reading of the records. A session_table_tell for each session on record follows; `last` is the value of
 * COUNTER_SESSION. */
void session_table_begin(struct session_table *table, uint64_t last);
/* A session on record. One that was not in the table gets a full period from `now`. -ENOMEM: it is left out. */
int session_table_tell(struct session_table *table, uint64_t session, enum session_state state, uint64_t now);
/* Ends the reading: drops the sessions that it did not tell. From now on heartbeats are accepted. */
void session_table_end(struct session_table *table);

/* Gives every session a full period from `now`, after a time in which no heartbeat could arrive. */
void session_table_grant(struct session_table *table, uint64_t now);
/* Drops all sessions and the notice. Heartbeats are refused until the next session_table_end. */
void session_table_reset(struct session_table *table);

/* A heartbeat of a session that has answered the notices up to `answered`. 0, and `notice` is the one to answer (the
 * caller's reference; number 0: none); STATUS_NOT_LEADER; STATUS_SESSION_UNKNOWN: the session is dying or has ended. */
int session_table_beat(struct session_table *table, uint64_t session, uint64_t answered, uint64_t now,
	struct session_notice *notice);

/* Asks every live session; takes the notice's reference to its inodes. */
void session_table_ask(struct session_table *table, struct session_notice notice);
/* Has every session that was asked answered, or ended? */
bool session_table_is_answered(struct session_table *table);
/* Drops the notice: no session is asked any more. */
void session_table_end_asking(struct session_table *table);

/* The dying session with the least id above `after`, else the one with the least id; a live one that has been silent for
 * too long. False: there is none. */
bool session_table_find_dying(struct session_table *table, uint64_t after, uint64_t *session);
bool session_table_find_expired(struct session_table *table, uint64_t now, uint64_t *session);
void session_table_set_dying(struct session_table *table, uint64_t session);
void session_table_remove(struct session_table *table, uint64_t session);

#endif
