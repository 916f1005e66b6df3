/*
 * inflights: the appends that were sent to one follower and that it has not acknowledged yet, oldest first, limited in
 * number and bytes (pipelining: Ongaro §10.2.2). It is a ring that grows with use: a follower to which the leader never
 * pipelines costs no allocation.
 */
#ifndef RAFTKV_RAFT_INFLIGHTS_H
#define RAFTKV_RAFT_INFLIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct inflight {
	uint64_t index; /* of the last entry of the message */
	uint64_t size; /* bytes of its entries */
};

struct inflights {
	uint32_t start; /* position of the oldest */
	uint32_t count;
	uint32_t capacity;
	uint64_t size; /* bytes of all */
	struct inflight *items;
};

struct inflight_limits {
	uint64_t size_max; /* bytes; RAFT_NO_LIMIT lifts it */
	uint32_t count_max;
};

void inflights_close(struct inflights *inflights);
/* Forgets all of them; keeps the memory. */
void inflights_reset(struct inflights *inflights);
/* Gives back memory that is not in use. */
void inflights_trim(struct inflights *inflights);

/* Makes room for one more. 0 or -ENOMEM. */
int inflights_reserve(struct inflights *inflights);
/* Adds an append. The caller has reserved room; `index` is above all earlier ones. */
void inflights_add(struct inflights *inflights, uint64_t index, uint64_t size);
/* Drops the appends up to and including `index`. */
void inflights_free_to(struct inflights *inflights, uint64_t index);
/* Whether either limit is reached. */
bool inflights_is_full(const struct inflights *inflights, const struct inflight_limits *limits);

#endif
