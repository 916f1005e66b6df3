/*
 * space.h: whether the disk still has the room that writes may take. A few look-ups a minute, on a worker; everybody
 * else reads a flag.
 */
#ifndef RAFTKV_STORE_DISK_SPACE_H
#define RAFTKV_STORE_DISK_SPACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/env.h"

struct space {
	uint64_t reserve_size; /* bytes */
	_Atomic uint64_t total; /* bytes, as last seen */
	_Atomic uint64_t available;
	atomic_bool is_short; /* less than the reserve is left */
};

/* Looks; blocks. An error leaves things as they were. */
int space_look(struct space *space, struct env *env, const char *path);

static inline bool space_is_short(struct space *space)
{
	return atomic_load_explicit(&space->is_short, memory_order_relaxed);
}

/* Even what a leader has admitted finds none: half of the reserve is for what frees space. */
static inline bool space_is_spent(struct space *space)
{
	return space_is_short(space) && atomic_load(&space->available) < space->reserve_size / 2;
}

#endif
