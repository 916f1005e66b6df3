/*
 * backoff.h: how long to rest before something that failed is tried again: a first length, doubled with each failure up
 * to a most, and drawn at random from its upper half, so that those who failed together do not come back together.
 *
 * The owner counts the failures in a row and keeps the timer; a backoff is a constant.
 */
#ifndef RAFTKV_PROTO_BACKOFF_H
#define RAFTKV_PROTO_BACKOFF_H

#include <stdint.h>

#include "proto/env.h"

struct backoff {
	uint64_t first; /* ns, ≥ 2 */
	uint64_t most; /* ns, ≥ first */
};

/* ns: first × 2^failures, at most `most`. For what must not be drawn, as a time limit. */
uint64_t backoff_length(const struct backoff *backoff, uint32_t failures);
/* ns: in [length / 2, length), of the length after that many earlier failures. */
uint64_t backoff_draw(const struct backoff *backoff, uint32_t failures, struct env *env);

#endif
