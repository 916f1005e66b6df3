/*
 * node_internal.h: the table of nodes (node.h) from inside, for its files: opens and marks (node.c), errors
 * (node_errors.c), locks (node_locks.c), writes under way (node_writes.c).
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
	struct ino_entry entry; /* idle: nobody has it open, and it is kept only for an error */
	uint64_t opens;
	unsigned marks; /* enum node_mark */
	struct node_errors errors; /* of data */
	struct node_errors lock_errors;
	bool is_unseen; /* there is an error of data that no fsync has returned */
	uint64_t lock_drops; /* calls of node_wake_lockers */
	unsigned releases; /* of locks, under way */
	struct node_waiter *lockers; /* wait until a lock is dropped */
	struct node_writing *writings; /* through pages, under way */
	struct node_reader *readers; /* wait for them */
};

struct node_table {
	pthread_mutex_t mutex;
	struct ino_table nodes;
	struct node_waiter *blocked; /* the lockers of all inodes that have a blocker */
};

/* All under the mutex. */
struct node *node_find(struct node_table *table, uint64_t ino); /* NULL: there is none */
struct node *node_find_or_add(struct node_table *table, uint64_t ino); /* NULL: no memory */
/* If nobody needs the node any more, frees it, or makes it idle when it has an error to keep. */
void node_drop_if_idle(struct node_table *table, struct node *node);

#endif
