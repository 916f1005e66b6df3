/* The requests that wait until a lock of a node is dropped (node.h). */
#include <errno.h>
#include <utlist.h>

#include "fs/inodes/node_internal.h"

#define CHAIN_MAX 64 /* owners that wait for each other; Linux follows 10 */

/* The waiters have left the table's lists. */
static void wake_all(struct node_waiter *list)
{
	while (list) {
		struct node_waiter *next = list->next;

		env_post(list->loop, &list->mail, list->wake);
		list = next;
	}
}

uint64_t node_lock_drops(struct node_table *table, uint64_t ino)
{
	struct node *node;
	uint64_t drops;

	pthread_mutex_lock(&table->mutex);
	node = node_find(table, ino);
	drops = node ? node->lock_drops : 0;
	pthread_mutex_unlock(&table->mutex);
	return drops;
}

static const struct node_waiter *find_blocked(const struct node_table *table, uint64_t owner)
{
	const struct node_waiter *waiter;

	DL_FOREACH2(table->blocked, waiter, blocked_next)
	if (waiter->owner == owner)
		break;
	return waiter;
}

/* As in Linux (locks.c, posix_locks_deadlock), only one of the locks that an owner's threads wait for is followed. */
static bool is_cycle(const struct node_table *table, const struct node_waiter *waiter)
{
	uint64_t blocker = waiter->blocker;

	if (!waiter->has_blocker)
		return false;
	for (int i = 0; i < CHAIN_MAX; i++) {
		const struct node_waiter *next = find_blocked(table, blocker);

		if (!next)
			return false;
		blocker = next->blocker;
		if (blocker == waiter->owner)
			return true;
	}
	return false;
}

static void add_locker(struct node_table *table, struct node *node, struct node_waiter *waiter)
{
	waiter->next = node->lockers;
	node->lockers = waiter;
	if (waiter->has_blocker)
		DL_APPEND2(table->blocked, waiter, blocked_prev, blocked_next);
}

static void unblock(struct node_table *table, struct node_waiter *waiter)
{
	if (waiter->has_blocker)
		DL_DELETE2(table->blocked, waiter, blocked_prev, blocked_next);
}

int node_wait_lock(struct node_table *table, uint64_t ino, uint64_t drops, struct node_waiter *waiter)
{
	struct node *node;
	int result = 0;

	pthread_mutex_lock(&table->mutex);
	node = node_find(table, ino);
	if (!node || node->lock_drops != drops)
		result = -EAGAIN;
	else if (is_cycle(table, waiter))
		result = -EDEADLK;
	else
		add_locker(table, node, waiter);
	pthread_mutex_unlock(&table->mutex);
	return result;
}

void node_begin_release(struct node_table *table, uint64_t ino)
{
	struct node *node;

	pthread_mutex_lock(&table->mutex);
	node = node_find(table, ino);
	if (node)
		node->releases++;
	pthread_mutex_unlock(&table->mutex);
}

void node_end_release(struct node_table *table, uint64_t ino)
{
	struct node *node;

	pthread_mutex_lock(&table->mutex);
	node = node_find(table, ino);
	if (node && node->releases > 0) {
		node->releases--;
		node_drop_if_idle(table, node);
	}
	pthread_mutex_unlock(&table->mutex);
}

int node_wait_release(struct node_table *table, uint64_t ino, uint64_t drops, struct node_waiter *waiter)
{
	struct node *node;
	int result = 0;

	pthread_mutex_lock(&table->mutex);
	node = node_find(table, ino);
	if (node && node->lock_drops != drops)
		result = -EAGAIN;
	else if (!node || node->releases == 0)
		result = -ENOENT;
	else
		add_locker(table, node, waiter);
	pthread_mutex_unlock(&table->mutex);
	return result;
}

bool node_cancel_wait(struct node_table *table, uint64_t ino, struct node_waiter *waiter)
{
	struct node *node;
	bool found = false;

	pthread_mutex_lock(&table->mutex);
	node = node_find(table, ino);
	for (struct node_waiter **link = node ? &node->lockers : NULL; link && *link; link = &(*link)->next) {
		if (*link == waiter) {
			*link = waiter->next;
			unblock(table, waiter);
			found = true;
			node_drop_if_idle(table, node);
			break;
		}
	}
	pthread_mutex_unlock(&table->mutex);
	return found;
}

void node_wake_lockers(struct node_table *table, uint64_t ino)
{
	struct node_waiter *lockers = NULL;
	struct node *node;

	pthread_mutex_lock(&table->mutex);
	node = node_find(table, ino);
	if (node) {
		node->lock_drops++;
		lockers = node->lockers;
		node->lockers = NULL;
		for (struct node_waiter *waiter = lockers; waiter; waiter = waiter->next)
			unblock(table, waiter);
		node_drop_if_idle(table, node);
	}
	pthread_mutex_unlock(&table->mutex);
	wake_all(lockers);
}
