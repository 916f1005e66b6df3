/* The errors of data and of locks that a node keeps until programs have been told (node.h). */
#include "fs/inodes/node_internal.h"
#include "proto/plant.h"

static void add_error(struct node_errors *errors, int error)
{
	errors->count++;
	errors->last = error;
}

void node_set_error(struct node_table *table, uint64_t ino, int error)
{
	struct node *node;

	pthread_mutex_lock(&table->mutex);
	node = node_find_or_add(table, ino);
	if (node) {
		add_error(&node->errors, error);
		node->is_unseen = true;
		node_drop_if_idle(table, node);
	}
	pthread_mutex_unlock(&table->mutex);
}

void node_set_error_of_locked(struct node_table *table, int error)
{
	struct ino_entry *entry, *next;

	pthread_mutex_lock(&table->mutex);
	HASH_ITER (hh, table->nodes.entries, entry, next) {
		struct node *node = (struct node *)entry;

		if (node->marks & NODE_LOCKED)
			add_error(&node->lock_errors, error);
	}
	pthread_mutex_unlock(&table->mutex);
}

struct node_cursor node_cursor(struct node_table *table, uint64_t ino)
{
	struct node_cursor cursor = {0};
	struct node *node;

	pthread_mutex_lock(&table->mutex);
	node = node_find(table, ino);
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
	node = node_find(table, ino);
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

int node_begin_write(struct node_table *table, uint64_t ino, bool through_pages, struct node_cursor *cursor)
{
	int error = 0, lock_error = 0;
	struct node *node;

	pthread_mutex_lock(&table->mutex);
	node = node_find(table, ino);
	if (node && through_pages)
		node->marks &= ~(unsigned)NODE_PAGELESS;
	if (node) {
		lock_error = take_lock_error(node, cursor);
		error = error_since_either(&node->errors, cursor->written, cursor->synced);
		cursor->written = node->errors.count;
	}
	pthread_mutex_unlock(&table->mutex);
	return error ? error : lock_error;
}

int node_write_error(struct node_table *table, uint64_t ino, struct node_cursor *cursor)
{
	return node_begin_write(table, ino, false, cursor);
}

int node_close_error(struct node_table *table, uint64_t ino, const struct node_cursor *cursor)
{
	int error = 0, lock_error = 0;
	struct node *node;

	pthread_mutex_lock(&table->mutex);
	node = node_find(table, ino);
	if (node) {
		lock_error = error_since(&node->lock_errors, cursor->locks);
		error = error_since_either(&node->errors, cursor->opened, cursor->synced);
	}
	pthread_mutex_unlock(&table->mutex);
	return error ? error : lock_error;
}
