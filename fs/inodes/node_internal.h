/*
 * node_internal.h: the table of nodes (node.h) from inside, for its three files: opens and marks (node.c), errors
 * (node_errors.c), locks (node_locks.c).
 */
#ifndef RAFTKV_FS_INODES_NODE_INTERNAL_H
#define RAFTKV_FS_INODES_NODE_INTERNAL_H

#include <pthread.h>

#include "fs/inodes/ino_table.h"
#include "fs/inodes/node.h"

struct node_errors {
	uint64_t count;
	int last;
};

struct node {
	struct ino_entry entry; /* idle: nobody has it open, and it is kept for an error alone */
	uint64_t opens;
	unsigned marks; /* enum node_mark */
	struct node_errors errors; /* of data */
	struct node_errors lock_errors;
	bool is_unseen; /* an error of data that no fsync has told */
	uint64_t lock_drops; /* counts node_wake_lockers */
	unsigned releases; /* of locks, under way */
	struct node_waiter *lockers; /* for a lock to be dropped */
};

struct node_table {
	pthread_mutex_t mutex;
	struct ino_table nodes;
	struct node_waiter *blocked; /* those of the lockers that have a blocker */
};

/* All under the mutex. NULL: there is none; there is no memory for one. */
struct node *node_find(struct node_table *table, uint64_t ino);
struct node *node_find_or_add(struct node_table *table, uint64_t ino);
/* Frees it if nobody needs it any more. */
void node_drop_if_idle(struct node_table *table, struct node *node);

#endif
