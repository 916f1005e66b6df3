#include "fs/vfs/node.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <uthash.h>
#include <utlist.h>

#include "proto/plant.h"

#define CHAIN_MAX 64 /* of owners that wait for each other; Linux follows 10 */

struct node_errors {
	uint64_t count;
	int last;
};

struct node {
	uint64_t ino;
	uint64_t opens;
	uint64_t lock_drops; /* counts node_wake_lockers */
	unsigned releases; /* of locks, under way */
	struct node_errors errors; /* of data */
	struct node_errors lock_errors;
	bool is_unseen; /* an error of data that no fsync has told */
	bool is_kept; /* for that alone: nobody has it open */
	struct node *kept_prev, *kept_next;
	unsigned marks; /* enum node_mark */
	struct node_waiter *lockers; /* for a lock to be dropped */
	UT_hash_handle hh;
};

struct node_table {
	pthread_mutex_t mutex;
	struct node *nodes;
	struct node_waiter *blocked; /* those of the lockers that have a blocker */
	struct node *kept; /* the first one has been for longest */
	uint32_t kept_count;
};

int node_table_new(struct node_table **out)
{
	struct node_table *table = calloc(1, sizeof *table);

	if (!table)
		return -ENOMEM;
	pthread_mutex_init(&table->mutex, NULL);
	*out = table;
	return 0;
}

void node_table_free(struct node_table *table)
{
	struct node *node, *next;

	if (!table)
		return;
	HASH_ITER (hh, table->nodes, node, next) {
		HASH_DEL(table->nodes, node);
		free(node);
	}
	pthread_mutex_destroy(&table->mutex);
	free(table);
}

static struct node *find(struct node_table *table, uint64_t ino)
{
	struct node *node;

	HASH_FIND(hh, table->nodes, &ino, sizeof ino, node);
	return node;
}

static struct node *find_or_add(struct node_table *table, uint64_t ino)
{
	struct node *node = find(table, ino);

	if (node)
		return node;
	node = calloc(1, sizeof *node);
	if (!node)
		return NULL;
	node->ino = ino;
	HASH_ADD(hh, table->nodes, ino, sizeof node->ino, node);
	return node;
}

static void drop(struct node_table *table, struct node *node)
{
	HASH_DEL(table->nodes, node);
	free(node);
}

static void leave_kept(struct node_table *table, struct node *node)
{
	if (!node->is_kept)
		return;
	DL_DELETE2(table->kept, node, kept_prev, kept_next);
	table->kept_count--;
	node->is_kept = false;
}

static void keep(struct node_table *table, struct node *node)
{
	struct node *oldest;

	if (node->is_kept)
		return;
	node->is_kept = true;
	DL_APPEND2(table->kept, node, kept_prev, kept_next);
	if (++table->kept_count <= NODE_KEPT_MAX)
		return;
	oldest = table->kept;
	leave_kept(table, oldest);
	drop(table, oldest);
}

static void drop_if_idle(struct node_table *table, struct node *node)
{
	if (node->opens > 0 || node->lockers || node->releases > 0)
		return;
	if (node->is_unseen)
		keep(table, node);
	else
		drop(table, node);
}

/* No waiter of the list is the table's any more. */
static void wake_all(struct node_waiter *list)
{
	while (list) {
		struct node_waiter *next = list->next;

		env_post(list->loop, &list->mail, list->wake);
		list = next;
	}
}

int node_open(struct node_table *table, uint64_t ino)
{
	struct node *node;

	pthread_mutex_lock(&table->mutex);
	node = find_or_add(table, ino);
	if (node) {
		leave_kept(table, node);
		node->opens++;
	}
	pthread_mutex_unlock(&table->mutex);
	return node ? 0 : -ENOMEM;
}

void node_close(struct node_table *table, uint64_t ino)
{
	struct node *node;

	pthread_mutex_lock(&table->mutex);
	node = find(table, ino);
	if (--node->opens == 0)
		node->marks = 0;
	drop_if_idle(table, node);
	pthread_mutex_unlock(&table->mutex);
}

/* Takes marks away, then gives others; what there was before. */
static unsigned change_marks(struct node_table *table, uint64_t ino, unsigned away, unsigned more)
{
	struct node *node;
	unsigned before = 0;

	pthread_mutex_lock(&table->mutex);
	node = find(table, ino);
	if (node) {
		before = node->marks;
		node->marks = (before & ~away) | more;
	}
	pthread_mutex_unlock(&table->mutex);
	return before;
}

void node_set(struct node_table *table, uint64_t ino, enum node_mark mark)
{
	change_marks(table, ino, 0, mark);
}

bool node_has(struct node_table *table, uint64_t ino, enum node_mark mark)
{
	return change_marks(table, ino, 0, 0) & mark;
}

void node_set_pages(struct node_table *table, uint64_t ino)
{
	change_marks(table, ino, NODE_PAGELESS, 0);
}

bool node_take_pages(struct node_table *table, uint64_t ino)
{
	return !(change_marks(table, ino, 0, NODE_PAGELESS) & NODE_PAGELESS);
}

bool node_is_in_use(struct node_table *table, uint64_t ino)
{
	struct node *node;
	bool is_in_use;

	pthread_mutex_lock(&table->mutex);
	node = find(table, ino);
	is_in_use = node && node->opens > 0;
	pthread_mutex_unlock(&table->mutex);
	return is_in_use;
}

void node_each_in_use(struct node_table *table, void (*visit)(void *visitor, uint64_t ino), void *visitor)
{
	struct node *node, *next;

	pthread_mutex_lock(&table->mutex);
	HASH_ITER (hh, table->nodes, node, next)
		if (node->opens > 0)
			visit(visitor, node->ino);
	pthread_mutex_unlock(&table->mutex);
}

/* ---- Errors ---- */

static void add_error(struct node_errors *errors, int error)
{
	errors->count++;
	errors->last = error;
}

void node_set_error(struct node_table *table, uint64_t ino, int error)
{
	struct node *node;

	pthread_mutex_lock(&table->mutex);
	node = find_or_add(table, ino);
	if (node) {
		add_error(&node->errors, error);
		node->is_unseen = true;
		drop_if_idle(table, node);
	}
	pthread_mutex_unlock(&table->mutex);
}

void node_set_error_of_locked(struct node_table *table, int error)
{
	struct node *node, *next;

	pthread_mutex_lock(&table->mutex);
	HASH_ITER (hh, table->nodes, node, next)
		if (node->marks & NODE_LOCKED)
			add_error(&node->lock_errors, error);
	pthread_mutex_unlock(&table->mutex);
}

struct node_cursor node_cursor(struct node_table *table, uint64_t ino)
{
	struct node_cursor cursor = {0};
	struct node *node;

	pthread_mutex_lock(&table->mutex);
	node = find(table, ino);
	if (node)
		cursor = (struct node_cursor){
			.opened = node->errors.count,
			.written = node->errors.count,
			.synced = node->errors.count - node->is_unseen,
			.locks = node->lock_errors.count,
		};
	if (planted("fs:unseen_error_forgotten"))
		cursor.synced = cursor.written;
	pthread_mutex_unlock(&table->mutex);
	return cursor;
}

static int error_since(const struct node_errors *errors, uint64_t seen)
{
	return errors->count > seen ? errors->last : 0;
}

static int error_since_either(const struct node_errors *errors, uint64_t a, uint64_t b)
{
	return error_since(errors, a > b ? a : b);
}

static int take_lock_error(const struct node *node, struct node_cursor *cursor)
{
	int error = error_since(&node->lock_errors, cursor->locks);

	cursor->locks = node->lock_errors.count;
	return error;
}

int node_fsync_error(struct node_table *table, uint64_t ino, struct node_cursor *cursor)
{
	int error = 0, lock_error = 0;
	struct node *node;

	pthread_mutex_lock(&table->mutex);
	node = find(table, ino);
	if (node) {
		lock_error = take_lock_error(node, cursor);
		error = error_since(&node->errors, cursor->synced);
		cursor->synced = node->errors.count;
		if (error)
			node->is_unseen = false;
	}
	pthread_mutex_unlock(&table->mutex);
	return error ? error : lock_error;
}

int node_write_error(struct node_table *table, uint64_t ino, struct node_cursor *cursor)
{
	int error = 0, lock_error = 0;
	struct node *node;

	pthread_mutex_lock(&table->mutex);
	node = find(table, ino);
	if (node) {
		lock_error = take_lock_error(node, cursor);
		error = error_since_either(&node->errors, cursor->written, cursor->synced);
		cursor->written = node->errors.count;
	}
	pthread_mutex_unlock(&table->mutex);
	return error ? error : lock_error;
}

int node_close_error(struct node_table *table, uint64_t ino, const struct node_cursor *cursor)
{
	int error = 0, lock_error = 0;
	struct node *node;

	pthread_mutex_lock(&table->mutex);
	node = find(table, ino);
	if (node) {
		lock_error = error_since(&node->lock_errors, cursor->locks);
		error = error_since_either(&node->errors, cursor->opened, cursor->synced);
	}
	pthread_mutex_unlock(&table->mutex);
	return error ? error : lock_error;
}

/* ---- Locks ---- */

uint64_t node_lock_drops(struct node_table *table, uint64_t ino)
{
	struct node *node;
	uint64_t drops;

	pthread_mutex_lock(&table->mutex);
	node = find(table, ino);
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

/* As Linux does (locks.c, posix_locks_deadlock): an owner with several threads is taken to wait for one lock. */
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
	node = find(table, ino);
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
	node = find(table, ino);
	if (node)
		node->releases++;
	pthread_mutex_unlock(&table->mutex);
}

void node_end_release(struct node_table *table, uint64_t ino)
{
	struct node *node;

	pthread_mutex_lock(&table->mutex);
	node = find(table, ino);
	if (node && node->releases > 0) {
		node->releases--;
		drop_if_idle(table, node);
	}
	pthread_mutex_unlock(&table->mutex);
}

int node_wait_release(struct node_table *table, uint64_t ino, uint64_t drops, struct node_waiter *waiter)
{
	struct node *node;
	int result = 0;

	pthread_mutex_lock(&table->mutex);
	node = find(table, ino);
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
	node = find(table, ino);
	for (struct node_waiter **link = node ? &node->lockers : NULL; link && *link; link = &(*link)->next) {
		if (*link == waiter) {
			*link = waiter->next;
			unblock(table, waiter);
			found = true;
			drop_if_idle(table, node);
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
	node = find(table, ino);
	if (node) {
		node->lock_drops++;
		lockers = node->lockers;
		node->lockers = NULL;
		for (struct node_waiter *waiter = lockers; waiter; waiter = waiter->next)
			unblock(table, waiter);
		drop_if_idle(table, node);
	}
	pthread_mutex_unlock(&table->mutex);
	wake_all(lockers);
}

uint64_t node_count(struct node_table *table)
{
	uint64_t count;

	pthread_mutex_lock(&table->mutex);
	count = HASH_COUNT(table->nodes);
	pthread_mutex_unlock(&table->mutex);
	return count;
}
