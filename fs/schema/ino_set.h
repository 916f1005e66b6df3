/*
 * ino_set.h: a set of inode numbers, of limited size. It takes 8 bytes of memory for each position of a table that is at
 * most three quarters full.
 */
#ifndef RAFTKV_FS_SCHEMA_INO_SET_H
#define RAFTKV_FS_SCHEMA_INO_SET_H

#include <stdint.h>

/* Zero is empty. */
struct ino_set {
	uint64_t *inos; /* 0: the position is free */
	uint32_t count, size; /* numbers; positions, a power of two or 0 */
};

/* Adds `ino`, which is not 0. 1: it is new; 0: it was there; STATUS_LIMIT: it is new, and there are `count_max` others (at
 * most 2^30); -ENOMEM. */
int ino_set_add(struct ino_set *set, uint64_t ino, uint32_t count_max);
void ino_set_close(struct ino_set *set);

#endif
