/*
 * attempt_table.h: the attempts that this store coordinates, or has coordinated, and must still call pending
 * (transactions.h): those under way, those whose intents are not all resolved, and those whose outcome this store does
 * not know, until their term is over.
 *
 * An attempt without an owner has nobody here who goes on with it: if it has committed, the sweeper takes it.
 */
#ifndef RAFTKV_FS_TRANSACT_ATTEMPT_TABLE_H
#define RAFTKV_FS_TRANSACT_ATTEMPT_TABLE_H

#include "fs/schema/intent.h"

struct attempt_entry; /* private */

/* Zero is empty. */
struct attempt_table {
	struct attempt_entry *entries; /* uthash */
};

void attempt_table_close(struct attempt_table *table);
/* Enters it, with an owner. 0, also if it is there; -ENOMEM. */
int attempt_table_own(struct attempt_table *table, const struct attempt *attempt);
/* Its owner goes, and the attempt stays. */
void attempt_table_leave(struct attempt_table *table, const struct attempt *attempt);
/* It is over, for good. */
void attempt_table_remove(struct attempt_table *table, const struct attempt *attempt);
bool attempt_table_has(const struct attempt_table *table, const struct attempt *attempt);
bool attempt_table_has_owner(const struct attempt_table *table, const struct attempt *attempt);
/* Removes those without an owner whose term is not the present one of their region. */
void attempt_table_forget(
	struct attempt_table *table, uint64_t (*term_of)(void *argument, uint64_t region), void *argument);

#endif
