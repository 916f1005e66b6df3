/*
 * ino_table.h: a hash table of entries by inode number. An entry is in use, or idle; the table keeps the entries that
 * became idle last. The tables of nodes (node.c) and of pages (pages.c) embed it, under their own mutexes.
 */
#ifndef RAFTKV_FS_INODES_INO_TABLE_H
#define RAFTKV_FS_INODES_INO_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/hash.h"

/* The first member of an entry's struct. Zeroes at first. */
struct ino_entry {
	uint64_t ino;
	bool is_idle;
	struct ino_entry *prev, *next; /* in the list of idle entries */
	UT_hash_handle hh;
};

/* Zero is empty. */
struct ino_table {
	struct ino_entry *entries; /* by `hh`: HASH_ITER */
	struct ino_entry *idle; /* the first one has been idle for longest */
	uint32_t idle_count;
};

struct ino_entry *ino_table_find(const struct ino_table *table, uint64_t ino); /* NULL: there is none */
void ino_table_add(struct ino_table *table, uint64_t ino, struct ino_entry *entry);
/* The entry is the caller's to free. */
void ino_table_remove(struct ino_table *table, struct ino_entry *entry);
/* Makes the entry idle. If there are now more than `idle_max` idle ones, removes and returns the one that has been idle
 * for longest, which is the caller's to free; else NULL. */
struct ino_entry *ino_table_set_idle(struct ino_table *table, struct ino_entry *entry, uint32_t idle_max);
/* Puts the entry in use again, if it was idle. */
void ino_table_set_used(struct ino_table *table, struct ino_entry *entry);
/* For the end: removes any one entry, which is the caller's to free; NULL: none is left. */
struct ino_entry *ino_table_pop(struct ino_table *table);

#endif
