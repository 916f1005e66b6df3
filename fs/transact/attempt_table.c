#include "fs/transact/attempt_table.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/hash.h"

struct attempt_entry {
	struct attempt attempt; /* its key: without padding */
	bool has_owner;
	UT_hash_handle hh;
};

static struct attempt_entry *attempt_table_find(
	const struct attempt_table *table, const struct attempt *attempt)
{
	struct attempt_entry *entry;

	HASH_FIND(hh, table->entries, attempt, sizeof *attempt, entry);
	return entry;
}

static void delete_entry(struct attempt_table *table, struct attempt_entry *entry)
{
	HASH_DEL(table->entries, entry);
	free(entry);
}

void attempt_table_close(struct attempt_table *table)
{
	struct attempt_entry *entry, *next;

	HASH_ITER (hh, table->entries, entry, next) {
		delete_entry(table, entry);
	}
}

int attempt_table_own(struct attempt_table *table, const struct attempt *attempt)
{
	struct attempt_entry *entry = attempt_table_find(table, attempt);

	if (!entry) {
		entry = calloc(1, sizeof *entry);
		if (!entry)
			return -ENOMEM;
		entry->attempt = *attempt;
		HASH_ADD(hh, table->entries, attempt, sizeof entry->attempt, entry);
	}
	entry->has_owner = true;
	return 0;
}

void attempt_table_leave(struct attempt_table *table, const struct attempt *attempt)
{
	struct attempt_entry *entry = attempt_table_find(table, attempt);

	if (entry)
		entry->has_owner = false;
}

void attempt_table_remove(struct attempt_table *table, const struct attempt *attempt)
{
	struct attempt_entry *entry = attempt_table_find(table, attempt);

	if (entry)
		delete_entry(table, entry);
}

bool attempt_table_has(const struct attempt_table *table, const struct attempt *attempt)
{
	return attempt_table_find(table, attempt) != NULL;
}

bool attempt_table_has_owner(const struct attempt_table *table, const struct attempt *attempt)
{
	const struct attempt_entry *entry = attempt_table_find(table, attempt);

	return entry && entry->has_owner;
}

void attempt_table_forget(
	struct attempt_table *table, uint64_t (*term_of)(void *argument, uint64_t region), void *argument)
{
	struct attempt_entry *entry, *next;

	HASH_ITER (hh, table->entries, entry, next) {
		if (!entry->has_owner && term_of(argument, entry->attempt.region) != entry->attempt.term)
			delete_entry(table, entry);
	}
}
