/*
 * region_set.h: a set of regions, by their ids.
 */
#ifndef RAFTKV_FS_TRANSACT_REGION_SET_H
#define RAFTKV_FS_TRANSACT_REGION_SET_H

#include <stdbool.h>
#include <stdint.h>

struct region_set_item;

/* Zeroed: empty. */
struct region_set {
	struct region_set_item *items; /* uthash */
};

void region_set_close(struct region_set *set);

bool region_set_has(const struct region_set *set, uint64_t region);
int region_set_add(struct region_set *set, uint64_t region); /* 0, also if it is there, or -ENOMEM */
void region_set_remove(struct region_set *set, uint64_t region);
/* Calls `keep` for each region, and removes those for which it returns false. */
void region_set_filter(struct region_set *set, bool (*keep)(void *argument, uint64_t region), void *argument);

#endif
