/*
 * inbox.h: a queue of items for one loop. All items pushed since the loop last looked arrive with one mail, oldest
 * first, so work between threads is batched without a timer.
 *
 * Push from any thread. The owner's callback runs on the loop with a detached list.
 */
#ifndef RAFTKV_STORE_QUEUES_INBOX_H
#define RAFTKV_STORE_QUEUES_INBOX_H

#include <stdatomic.h>

#include "proto/env.h"

struct inbox_item {
	struct inbox_item *next;
};

struct inbox;
typedef void (*inbox_cb)(struct inbox *inbox, struct inbox_item *items);

struct inbox {
	struct env_mail mail;
	struct env_loop *loop;
	inbox_cb received;
	_Atomic(struct inbox_item *) newest;
};

void inbox_init(struct inbox *inbox, struct env_loop *loop, inbox_cb received);
void inbox_push(struct inbox *inbox, struct inbox_item *item);
/* Takes the items that were not delivered, oldest first, when the store is being freed. */
struct inbox_item *inbox_take(struct inbox *inbox);

#endif
