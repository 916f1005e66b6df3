/*
 * session_table.h: who is alive, as the store that leads region 1 remembers it: the sessions on record, and until when
 * each may be silent. Nothing of it is logged: a new leader grants everybody a full period.
 *
 * The coordinator (coordinator.h) owns it and calls it on its loop; session_table_beat and session_table_reset alone may be
 * called on any thread, under the table's lock.
 */
#ifndef RAFTKV_FS_CLUSTER_SESSION_TABLE_H
#define RAFTKV_FS_CLUSTER_SESSION_TABLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "fs/schema/records.h"
#include "proto/buf.h"

struct session_entry;

/* What sessions are asked: which of these inodes they have open. */
struct session_notice {
	uint64_t number; /* grows; 0: none */
	struct buf *inodes; /* ino_ranges.h */
};

struct session_table {
	pthread_mutex_t lock;
	struct session_entry *entries; /* by session */
	uint64_t expiry; /* ns of silence */
	bool is_serving; /* this store leads region 1 and has read the records */
	uint64_t last; /* the id that was drawn last when the records were read: who has a later one is new */
	uint64_t round; /* of reading the records */
	struct session_notice notice;
};

void session_table_init(struct session_table *table, uint64_t expiry_ns);
void session_table_close(struct session_table *table);

/* The records are about to be told (session_table_tell), all of them; `last` is the counter's. */
void session_table_begin(struct session_table *table, uint64_t last);
/* Who was not there before gets a full period from `now`. -ENOMEM: it is left out. */
int session_table_tell(struct session_table *table, uint64_t session, enum session_state state, uint64_t now);
/* All have been told: who was not is forgotten. From now on beats are taken. */
void session_table_end(struct session_table *table);

/* Everybody gets a full period: nobody could be heard. */
void session_table_grant(struct session_table *table, uint64_t now);
/* This store leads region 1 no longer: nobody is known. */
void session_table_reset(struct session_table *table);

/* A sign of life, of a session that has answered the notices up to `answered`. 0, and what it is asked (the caller's
 * reference); STATUS_NOT_LEADER; STATUS_SESSION_UNKNOWN: it is dying or has ended. */
int session_table_beat(struct session_table *table, uint64_t session, uint64_t answered, uint64_t now,
	struct session_notice *notice);

/* Asks all who live; takes the reference. */
void session_table_ask(struct session_table *table, struct session_notice notice);
/* Has everybody who was asked answered, or ended? */
bool session_table_is_answered(struct session_table *table);
/* Nobody is asked any more. */
void session_table_end_asking(struct session_table *table);

/* Some session that is dying, or has been silent for too long. False: there is none. */
bool session_table_find_dying(struct session_table *table, uint64_t *session);
bool session_table_find_expired(struct session_table *table, uint64_t now, uint64_t *session);
void session_table_set_dying(struct session_table *table, uint64_t session);
void session_table_remove(struct session_table *table, uint64_t session);

#endif
