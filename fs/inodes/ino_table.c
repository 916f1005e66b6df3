#include "fs/inodes/ino_table.h"

#include <stddef.h>
#include <utlist.h>

struct ino_entry *ino_table_find(const struct ino_table *table, uint64_t ino)
{
	struct ino_entry *entry;

	HASH_FIND(hh, table->entries, &ino, sizeof ino, entry);
	return entry;
}

void ino_table_add(struct ino_table *table, uint64_t ino, struct ino_entry *entry)
{
	entry->ino = ino;
	HASH_ADD(hh, table->entries, ino, sizeof entry->ino, entry);
}

void ino_table_set_used(struct ino_table *table, struct ino_entry *entry)
{
	if (!entry->is_idle)
		return;
	DL_DELETE(table->idle, entry);
	table->idle_count--;
	entry->is_idle = false;
}

void ino_table_remove(struct ino_table *table, struct ino_entry *entry)
{
	ino_table_set_used(table, entry);
	HASH_DEL(table->entries, entry);
}

struct ino_entry *ino_table_set_idle(struct ino_table *table, struct ino_entry *entry, uint32_t idle_max)
{
	struct ino_entry *oldest;

	if (entry->is_idle)
		return NULL;
	entry->is_idle = true;
	DL_APPEND(table->idle, entry);
	if (++table->idle_count <= idle_max)
		return NULL;
	oldest = table->idle;
	ino_table_remove(table, oldest);
	return oldest;
}

struct ino_entry *ino_table_pop(struct ino_table *table)
{
	struct ino_entry *entry = table->entries;

	if (entry)
		ino_table_remove(table, entry);
	return entry;
}
