#include "fs/inodes/node_internal.h"

#include <errno.h>
#include <stdlib.h>

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
	struct ino_entry *entry;

	if (!table)
		return;
	while ((entry = ino_table_pop(&table->nodes)))
		free(entry);
	pthread_mutex_destroy(&table->mutex);
	free(table);
}

struct node *node_find(struct node_table *table, uint64_t ino)
{
	return (struct node *)ino_table_find(&table->nodes, ino); /* the first member */
}

struct node *node_find_or_add(struct node_table *table, uint64_t ino)
{
	struct node *node = node_find(table, ino);

	if (node)
		return node;
	node = calloc(1, sizeof *node);
	if (node)
		ino_table_add(&table->nodes, ino, &node->entry);
	return node;
}

void node_drop_if_idle(struct node_table *table, struct node *node)
{
	struct ino_entry *gone = &node->entry;

	if (node->opens > 0 || node->lockers || node->releases > 0 || node->writings)
		return;
	if (node->is_unseen)
		gone = ino_table_set_idle(&table->nodes, gone, NODE_KEPT_MAX);
	else
		ino_table_remove(&table->nodes, gone);
	free(gone);
}

int node_open(struct node_table *table, uint64_t ino)
{
	struct node *node;

	pthread_mutex_lock(&table->mutex);
	node = node_find_or_add(table, ino);
	if (node) {
		ino_table_set_used(&table->nodes, &node->entry);
		node->opens++;
	}
	pthread_mutex_unlock(&table->mutex);
	return node ? 0 : -ENOMEM;
}

void node_close(struct node_table *table, uint64_t ino)
{
	struct node *node;

	pthread_mutex_lock(&table->mutex);
	node = node_find(table, ino);
	if (--node->opens == 0)
		node->marks = 0;
	node_drop_if_idle(table, node);
	pthread_mutex_unlock(&table->mutex);
}

/* Clears the marks `away`, then sets the marks `more`. Returns the marks before. */
static unsigned change_marks(struct node_table *table, uint64_t ino, unsigned away, unsigned more)
{
	struct node *node;
	unsigned before = 0;

	pthread_mutex_lock(&table->mutex);
	node = node_find(table, ino);
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

unsigned node_set_pages(struct node_table *table, uint64_t ino)
{
	return change_marks(table, ino, NODE_PAGELESS, 0);
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
	node = node_find(table, ino);
	is_in_use = node && node->opens > 0;
	pthread_mutex_unlock(&table->mutex);
	return is_in_use;
}

void node_each_in_use(struct node_table *table, void (*visit)(void *visitor, uint64_t ino), void *visitor)
{
	struct ino_entry *entry, *next;

	pthread_mutex_lock(&table->mutex);
	HASH_ITER (hh, table->nodes.entries, entry, next)
		if (((struct node *)entry)->opens > 0)
			visit(visitor, entry->ino);
	pthread_mutex_unlock(&table->mutex);
}

uint64_t node_count(struct node_table *table)
{
	uint64_t count;

	pthread_mutex_lock(&table->mutex);
	count = HASH_COUNT(table->nodes.entries);
	pthread_mutex_unlock(&table->mutex);
	return count;
}
