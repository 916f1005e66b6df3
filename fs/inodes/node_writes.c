/* The writes through pages of a node that are under way, and the reads that wait for them (node.h). */
#include <utlist.h>

#include "fs/inodes/node_internal.h"

void node_begin_writing(struct node_table *table, uint64_t ino, struct node_writing *writing)
{
	struct node *node;

	pthread_mutex_lock(&table->mutex);
	node = node_find(table, ino);
	writing->ino = ino;
	writing->is_listed = node != NULL;
	if (node)
		DL_APPEND(node->writings, writing);
	pthread_mutex_unlock(&table->mutex);
}

void node_end_writing(struct node_table *table, struct node_writing *writing)
{
	struct node_reader *readers = NULL, *reader, *next;
	struct node *node;

	if (!writing->is_listed)
		return;
	pthread_mutex_lock(&table->mutex);
	node = node_find(table, writing->ino);
	DL_DELETE(node->writings, writing);
	readers = node->readers;
	node->readers = NULL;
	node_drop_if_idle(table, node);
	pthread_mutex_unlock(&table->mutex);
	LL_FOREACH_SAFE(readers, reader, next)
	env_post(reader->loop, &reader->mail, reader->wake);
}

bool node_wait_writings(struct node_table *table, struct node_reader *reader)
{
	const struct node_writing *writing = NULL;
	struct node *node;

	pthread_mutex_lock(&table->mutex);
	node = node_find(table, reader->ino);
	if (node)
		DL_FOREACH(node->writings, writing)
	if (writing->offset < reader->end && reader->offset < writing->end)
		break;
	if (writing)
		LL_PREPEND(node->readers, reader);
	pthread_mutex_unlock(&table->mutex);
	return writing == NULL;
}
