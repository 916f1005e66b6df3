#include "fs/cluster/store_table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/status.h"
#include "proto/units.h"

void store_table_reset(struct store_table *table)
{
	table->count = 0;
}

void store_table_set(struct store_table *table, struct store_entry *entries, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct store_entry *old = store_table_find(table, entries[i].id);

		entries[i].heard = 0;
		entries[i].version[0] = '\0';
		entries[i].labels[0] = '\0';
		entries[i].stats = (struct store_stats){0};
		entries[i].replicas = 0;
		if (!old)
			continue;
		entries[i].heard = old->heard;
		memcpy(entries[i].version, old->version, sizeof old->version);
		memcpy(entries[i].labels, old->labels, sizeof old->labels);
		entries[i].stats = old->stats;
		entries[i].used_here = old->used_here;
		entries[i].replicas = old->replicas;
	}
	memcpy(table->entries, entries, count * sizeof *entries);
	table->count = count;
}

static int compare(const void *key, const void *entry)
{
	uint64_t id = *(const uint64_t *)key, other = ((const struct store_entry *)entry)->id;

	return id < other ? -1 : id > other;
}

struct store_entry *store_table_find(struct store_table *table, uint64_t id)
{
	return bsearch(&id, table->entries, table->count, sizeof table->entries[0], compare);
}

struct store_entry *store_table_find_address(struct store_table *table, const char *address)
{
	for (uint32_t i = 0; i < table->count; i++)
		if (store_state_is_in(table->entries[i].state) &&
			strcmp(table->entries[i].address, address) == 0)
			return &table->entries[i];
	return NULL;
}

int store_table_report(
	struct store_table *table, const struct store_report *report, uint64_t now, uint64_t *id)
{
	struct store_entry *owner = store_table_find_address(table, report->address);
	struct store_entry *entry = store_table_find(table, report->store);

	*id = report->store;
	if (report->store == 0) {
		/* A new store whose address has a store that never ran asks again: its first answer was lost. */
		if (!owner)
			return STATUS_NOT_FOUND;
		*id = owner->id;
		return owner->incarnation == 0 ? 0 : -EEXIST;
	}
	if (entry && (!store_state_is_in(entry->state) || entry->incarnation > report->incarnation ||
			     !store_directory_fits(entry->directory_id, report->directory_id)))
		return -ESTALE;
	if (owner && owner != entry)
		return -EEXIST;
	if (!entry || !owner || entry->incarnation != report->incarnation ||
		entry->directory_id != report->directory_id)
		return STATUS_NOT_FOUND;
	entry->heard = now;
	entry->stats = report->stats;
	snprintf(entry->version, sizeof entry->version, "%s", report->version);
	snprintf(entry->labels, sizeof entry->labels, "%s", report->labels);
	return 0;
}

bool store_entry_is_alive(const struct store_entry *entry, uint64_t now)
{
	return entry->heard > 0 && now - entry->heard < STORE_SILENCE_MS * NS_PER_MS;
}
