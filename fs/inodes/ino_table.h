/*
 * ino_table.h: what is known about inodes, by number: a hash table of entries that are in use, or idle and kept for a
 * while, the last ones that became idle. The tables of nodes (node.c) and of pages (pages.c) embed it, under their own
 * mutexes.
 */
#ifndef RAFTKV_FS_INODES_INO_TABLE_H
#define RAFTKV_FS_INODES_INO_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

/* The first member of what is kept about one inode. Zeroes at first. */
struct ino_entry {
	uint64_t ino;
	bool is_idle;
	struct ino_entry *prev, *next; /* of the idle ones */
	UT_hash_handle hh;
};

/* Zero is empty. */
struct ino_table {
	struct ino_entry *entries; /* by `hh`: HASH_ITER */
	struct ino_entry *idle; /* the first one has been for longest */
	uint32_t idle_count;
};

struct ino_entry *ino_table_find(const struct ino_table *table, uint64_t ino); /* NULL: there is none */
void ino_table_add(struct ino_table *table, uint64_t ino, struct ino_entry *entry);
/* The entry is the caller's to free. */
void ino_table_remove(struct ino_table *table, struct ino_entry *entry);
/* It is idle from now on. The one that has to go for it, as there are more than `idle_max`: removed, the caller's to
 * free; NULL: none. */
struct ino_entry *ino_table_set_idle(struct ino_table *table, struct ino_entry *entry, uint32_t idle_max);
/* It is in use again, if it was idle. */
void ino_table_set_used(struct ino_table *table, struct ino_entry *entry);
/* Takes one out, at the end; NULL: there are none left. */
struct ino_entry *ino_table_pop(struct ino_table *table);

#endif
