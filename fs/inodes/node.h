/*
 * node.h: the inodes that this mount has open, the requests that wait for their locks, and errors that programs have to
 * be told. Openings and handles count opens here; the operations on data and locks ask; the front notes errors of
 * buffered data.
 *
 * All lanes share the table; it has one mutex. (Inodes without a name that are held: removed.h.)
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
	struct node_waiter *next; /* the table's: in the list of the inode's waiters */
	struct node_waiter *blocked_prev; /* the table's: in the list of all that have a blocker */
	struct node_waiter *blocked_next;
	struct env_loop *loop;
	env_mail_cb wake;
	bool has_blocker; /* else no cycle is looked for */
	uint64_t owner; /* of the lock that is asked for */
	uint64_t blocker; /* the owner of the lock that conflicts */
};

/* 0 or -ENOMEM. */
int node_table_new(struct node_table **table);
void node_table_free(struct node_table *table); /* may be NULL */

/* Counts an open. 0 or -ENOMEM. */
int node_open(struct node_table *table, uint64_t ino);
void node_close(struct node_table *table, uint64_t ino);
/* Calls `visit` with each inode that is open, or about to be, under the table's mutex. */
void node_each_in_use(struct node_table *table, void (*visit)(void *visitor, uint64_t ino), void *visitor);
bool node_is_in_use(struct node_table *table, uint64_t ino);

/* Marks of an inode, from its first open to its last close. An inode that is not open has none. */
enum node_mark {
	/* One of the opens was answered: the kernel has a handle. */
	NODE_OPEN = 1 << 0,
	/* The kernel believes, or may soon believe, that the file gives privileges to whoever executes it: suid,
	 * sgid, a capability. A write that strips them is answered only after the kernel has been told. */
	NODE_PRIVILEGED = 1 << 1,
	/* Locks were taken through a handle of it. */
	NODE_LOCKED = 1 << 2,
	/* The kernel has no pages of it, apart from those that the last caller of node_take_pages is dropping. A
	 * read or write through pages clears the mark. */
	NODE_PAGELESS = 1 << 3,
	/* A handle may write through pages. */
	NODE_PAGE_WRITER = 1 << 4,
};
void node_set(struct node_table *table, uint64_t ino, enum node_mark mark);
bool node_has(struct node_table *table, uint64_t ino, enum node_mark mark);

/* The kernel may have pages of the inode from now on. Called before a read or write through pages asks the store.
 * Returns the inode's marks before. */
unsigned node_set_pages(struct node_table *table, uint64_t ino);
/* For a caller that has the pages dropped next. False: there are none to drop. */
bool node_take_pages(struct node_table *table, uint64_t ino);

/* A write through pages that could not be taken at once. Embedded; the table's from node_begin_writing to
 * node_end_writing. */
struct node_writing {
	struct node_writing *prev, *next; /* the table's */
	uint64_t ino; /* the table's */
	uint64_t offset, end; /* bytes */
	bool is_listed; /* the table's */
};
/* Of an inode that is open; else nothing happens. */
void node_begin_writing(struct node_table *table, uint64_t ino, struct node_writing *writing);
void node_end_writing(struct node_table *table, struct node_writing *writing);

/* Waits for writes of these bytes. Embedded; the table's until `wake`. */
struct node_reader {
	struct env_mail mail; /* the table's */
	struct node_reader *next; /* the table's */
	struct env_loop *loop;
	env_mail_cb wake;
	uint64_t ino;
	uint64_t offset, end; /* bytes */
};
/* True: none is under way, and the reader is not woken. False: it is woken when one has ended, and asks again. */
bool node_wait_writings(struct node_table *table, struct node_reader *reader);

/*
 * Errors of data that could not be written after it had been acknowledged. As with Linux's errseq (lib/errseq.c), the
 * fsync of every open file returns an error once, even if another open file's fsync has returned it before. An error
 * that no fsync has returned yet is kept after the last close, for up to NODE_KEPT_MAX inodes; files opened later
 * return it.
 *
 * write returns an error once for each open file, so that a program can go on after it. close returns it until fsync
 * has. Neither takes it from fsync.
 */
#define NODE_KEPT_MAX 1024u

/* The errors that an open file has returned, as counts of the inode's errors. */
struct node_cursor {
	uint64_t opened; /* count at the open */
	uint64_t written; /* returned by write */
	uint64_t synced; /* returned by fsync */
	uint64_t locks; /* errors of lost locks, returned by write or fsync */
};

/* Notes an error of data. Without memory for a node it is not kept. */
void node_set_error(struct node_table *table, uint64_t ino, int error);
/* Locks were lost. Each open file of an inode on which one was taken gets the error once, from write or fsync, and from
 * close until then. */
void node_set_error_of_locked(struct node_table *table, int error);
/* The cursor of a file that is being opened. */
struct node_cursor node_cursor(struct node_table *table, uint64_t ino);
/* 0, or the last -errno that the call has to return. */
int node_fsync_error(struct node_table *table, uint64_t ino, struct node_cursor *cursor);
int node_write_error(struct node_table *table, uint64_t ino, struct node_cursor *cursor);
/* node_write_error for a write that begins; also node_set_pages, if it goes through pages. */
int node_begin_write(struct node_table *table, uint64_t ino, bool through_pages, struct node_cursor *cursor);
int node_close_error(struct node_table *table, uint64_t ino, const struct node_cursor *cursor);

/* Waits until a lock of the inode is dropped (node_wake_lockers). The caller has asked for the lock, has been refused,
 * and must ask again afterwards. 0: it waits. -EAGAIN: a lock was dropped since `drops` was read (node_lock_drops); ask
 * again at once. -EDEADLK: the blocker waits for the owner, directly or through others. */
uint64_t node_lock_drops(struct node_table *table, uint64_t ino);
int node_wait_lock(struct node_table *table, uint64_t ino, uint64_t drops, struct node_waiter *waiter);
/* Takes a waiter out again. False: it has been woken already. */
bool node_cancel_wait(struct node_table *table, uint64_t ino, struct node_waiter *waiter);
void node_wake_lockers(struct node_table *table, uint64_t ino);

/* Between these two, locks of a closed handle are being dropped. */
void node_begin_release(struct node_table *table, uint64_t ino);
void node_end_release(struct node_table *table, uint64_t ino);
/* For a request that does not block and was refused by a lock of this mount: that lock's file may already be closed for
 * its program. 0: it waits, as with node_wait_lock. -EAGAIN: a lock was dropped since `drops` was read; ask again.
 * -ENOENT: no lock is being dropped. */
int node_wait_release(struct node_table *table, uint64_t ino, uint64_t drops, struct node_waiter *waiter);

/* Inodes in the table: open ones, those with locks being dropped, and those with an error that is kept. */
uint64_t node_count(struct node_table *table);

#endif
