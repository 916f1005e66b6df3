/*
 * node.h: the inodes that this mount keeps open, and what waits for them.
 *
 * An inode whose last name goes must live until its last close. The evaluator keeps it when the removal says `hold`; the
 * table knows when to say so. While a removal is under way (its answer could be "gone"), an open of the same inode
 * waits for the outcome. All lanes share the table; it has one mutex.
 */
#ifndef RAFTKV_FS_FUSE_NODE_H
#define RAFTKV_FS_FUSE_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/env.h"

struct node_table;

/* Something that waits for an inode; mailed to its loop. */
struct node_waiter {
	struct env_mail mail; /* the table's */
	struct node_waiter *next; /* the table's */
	struct env_loop *loop;
	env_mail_cb wake;
};

int node_table_new(struct node_table **table);
void node_table_free(struct node_table *table); /* may be NULL */

/* Counts an open. 0; -EINPROGRESS: a removal is under way, `waiter` is woken when it has ended (try again); -ENOMEM. */
int node_open(struct node_table *table, uint64_t ino, struct node_waiter *waiter);
/* Counts the first open of an inode that was made without a name (O_TMPFILE), and is held. 0 or -ENOMEM. */
int node_open_held(struct node_table *table, uint64_t ino);
/* Uncounts it. True when that was the last and the inode has no name left: the hold is to be released. */
bool node_close(struct node_table *table, uint64_t ino);

/* A removal of a name of `ino` begins: true when it is open, so that the removal must hold it. -EINPROGRESS: another
 * one is under way; as node_open. 0 or 1 otherwise, -ENOMEM. */
int node_remove_begin(struct node_table *table, uint64_t ino, struct node_waiter *waiter);
/* It ended; `is_held`: the last name went and the inode is held. True when it was closed meanwhile: the hold is to be
 * released. */
bool node_remove_end(struct node_table *table, uint64_t ino, bool is_held);

/* Data that could not be written after it had been acknowledged: every handle is told once. `seen` is the handle's count
 * of errors; it is brought up to date. 0 or the last -errno. */
void node_set_error(struct node_table *table, uint64_t ino, int error);
int node_take_error(struct node_table *table, uint64_t ino, uint64_t *seen);
uint64_t node_errors(struct node_table *table, uint64_t ino);

/* Locks. An open inode remembers that locks were taken through it. */
void node_set_locked(struct node_table *table, uint64_t ino);
bool node_is_locked(struct node_table *table, uint64_t ino);
/* Waits until a lock of the inode is dropped (node_wake_lockers). The caller has asked for the lock, been refused, and
 * must ask again afterwards. False: a lock was dropped since `*drops` was read (node_lock_drops); ask again at once. */
uint64_t node_lock_drops(struct node_table *table, uint64_t ino);
bool node_wait_lock(struct node_table *table, uint64_t ino, uint64_t drops, struct node_waiter *waiter);
/* Takes a waiter out again; false: it has been woken already. */
bool node_cancel_wait(struct node_table *table, uint64_t ino, struct node_waiter *waiter);
void node_wake_lockers(struct node_table *table, uint64_t ino);

/* Inodes in the table. */
uint64_t node_count(struct node_table *table);

#endif
