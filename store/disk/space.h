/*
 * space.h: whether the disk has room for writes. A worker looks it up regularly; all other threads read a flag.
 */
#ifndef RAFTKV_STORE_DISK_SPACE_H
#define RAFTKV_STORE_DISK_SPACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/env.h"

struct space {
	uint64_t reserve_size; /* bytes */
	_Atomic uint64_t total; /* bytes, at the last look */
	_Atomic uint64_t available;
	atomic_bool is_short; /* less than the reserve is left */
};

/* Looks up the disk's space. Blocks. An error changes nothing. */
int space_look(struct space *space, struct env *env, const char *path);

static inline bool space_is_short(struct space *space)
{
	return atomic_load_explicit(&space->is_short, memory_order_relaxed);
}

/* Whether even entries that a leader has admitted find no room: half of the reserve is kept for operations that free
 * space. */
static inline bool space_is_spent(struct space *space)
{
	return space_is_short(space) && atomic_load(&space->available) < space->reserve_size / 2;
}

#endif
