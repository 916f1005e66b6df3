/*
 * node.h: the inodes that this mount has open, the requests that wait for their locks, and errors to be told. Openings
 * and handles count opens here; the operations on data and locks ask, and the front notes errors of buffered data.
 *
 * All lanes share the table; it has one mutex. (What keeps an inode without a name is in removed.h.)
 */
#ifndef RAFTKV_FS_INODES_NODE_H
#define RAFTKV_FS_INODES_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/env.h"

struct node_table;

/* A request that waits for a lock of an inode; mailed to its loop. */
struct node_waiter {
	struct env_mail mail; /* the table's */
	struct node_waiter *next; /* the table's: of the inode's waiters */
	struct node_waiter *blocked_prev; /* the table's: of all that have a blocker */
	struct node_waiter *blocked_next;
	struct env_loop *loop;
	env_mail_cb wake;
	bool has_blocker; /* else no cycle is looked for */
	uint64_t owner; /* whose lock it is to be, */
	uint64_t blocker; /* and whose is in the way */
};

int node_table_new(struct node_table **table);
void node_table_free(struct node_table *table); /* may be NULL */

/* Counts an open. 0 or -ENOMEM. */
int node_open(struct node_table *table, uint64_t ino);
void node_close(struct node_table *table, uint64_t ino);
/* Calls `visit` for each that is open, or about to be, under the table's mutex. */
void node_each_in_use(struct node_table *table, void (*visit)(void *visitor, uint64_t ino), void *visitor);
bool node_is_in_use(struct node_table *table, uint64_t ino);

/* What is remembered of an inode from the first of its opens to the last close. Of one that is not open nothing is. */
enum node_mark {
	/* One of the opens was answered: the kernel has a handle. */
	NODE_OPEN = 1 << 0,
	/* The kernel takes, or may soon take, it to give privileges to whoever executes it: suid, sgid, a capability. Then a write
	 * that strips them is not answered before it has done so. */
	NODE_PRIVILEGED = 1 << 1,
	/* Locks were taken through it. */
	NODE_LOCKED = 1 << 2,
	/* The kernel may have no pages of it: from node_take_pages on, until it is read or written through them. */
	NODE_PAGELESS = 1 << 3,
};
void node_set(struct node_table *table, uint64_t ino, enum node_mark mark);
bool node_has(struct node_table *table, uint64_t ino, enum node_mark mark);

/* A read or write through the kernel's pages: told before it is asked for. */
void node_set_pages(struct node_table *table, uint64_t ino);
/* For a caller that has them dropped next. False: there are none. */
bool node_take_pages(struct node_table *table, uint64_t ino);

/*
 * Data that could not be written after it had been acknowledged: as Linux's errseq (lib/errseq.c), the fsync of every
 * open file tells it once, whoever else has told it. One that no fsync has told yet is kept after the last close, for
 * up to NODE_KEPT_MAX inodes, and told by those who open the file later.
 *
 * write tells an error once for each open file, so that a program can go on after it; close tells it for as long as fsync
 * has not. Neither takes it from fsync.
 */
#define NODE_KEPT_MAX 1024u

/* What an open file has told, as counts of the inode's errors. */
struct node_cursor {
	uint64_t opened; /* when it was opened */
	uint64_t written; /* by write */
	uint64_t synced; /* by fsync */
	uint64_t locks; /* of lost locks, by either */
};

void node_set_error(struct node_table *table, uint64_t ino, int error);
/* Locks were lost: whoever has a file open through which one was taken is told once by write or fsync, and by close until
 * then. */
void node_set_error_of_locked(struct node_table *table, int error);
/* Of a file that is being opened. */
struct node_cursor node_cursor(struct node_table *table, uint64_t ino);
/* 0 or the last -errno that is to be told. */
int node_fsync_error(struct node_table *table, uint64_t ino, struct node_cursor *cursor);
int node_write_error(struct node_table *table, uint64_t ino, struct node_cursor *cursor);
/* The same of a write that begins, and node_set_pages, if it goes through pages. */
int node_begin_write(struct node_table *table, uint64_t ino, bool through_pages, struct node_cursor *cursor);
int node_close_error(struct node_table *table, uint64_t ino, const struct node_cursor *cursor);

/* Waits until a lock of the inode is dropped (node_wake_lockers). The caller has asked for the lock, been refused, and
 * must ask again afterwards. 0: it waits. -EAGAIN: a lock was dropped since `drops` was read (node_lock_drops); ask again
 * at once. -EDEADLK: the blocker waits for the owner, directly or through others. */
uint64_t node_lock_drops(struct node_table *table, uint64_t ino);
int node_wait_lock(struct node_table *table, uint64_t ino, uint64_t drops, struct node_waiter *waiter);
/* Takes a waiter out again; false: it has been woken already. */
bool node_cancel_wait(struct node_table *table, uint64_t ino, struct node_waiter *waiter);
void node_wake_lockers(struct node_table *table, uint64_t ino);

/* Locks of a handle that was closed are being dropped, until node_end_release. */
void node_begin_release(struct node_table *table, uint64_t ino);
void node_end_release(struct node_table *table, uint64_t ino);
/* For a request that was refused a lock by this mount's own, and does not want to wait: close(2) of the one that had it
 * may have returned. 0: it waits, as with node_wait_lock. -EAGAIN: a lock was dropped since `drops` was read; ask
 * again. -ENOENT: nothing is being dropped. */
int node_wait_release(struct node_table *table, uint64_t ino, uint64_t drops, struct node_waiter *waiter);

/* Inodes in the table: open ones, and those with an error that is kept. */
uint64_t node_count(struct node_table *table);

#endif
