/*
 * The queue of the virtual clock. An event is embedded in its owner (a node's timers) or allocated for one use
 * (a message on its way). Events of the same microsecond fire in the order in which they were set.
 */
#ifndef RAFTKV_TESTS_RAFT_CHAOS_EVENT_H
#define RAFTKV_TESTS_RAFT_CHAOS_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include "proto/heap.h"

struct cluster;
struct event;

typedef void (*event_cb)(struct cluster *cluster, struct event *event);

struct event {
	struct heap_node link; /* first: a heap node is its event */
	event_cb fire; /* the event has left the queue when this is called */
	event_cb discard; /* of allocated events: frees one that never fired; NULL for embedded ones */
};

/* Sets or moves the event to `at_us`, which is not in the past. */
void event_set(struct cluster *cluster, struct event *event, uint64_t at_us);
void event_cancel(struct cluster *cluster, struct event *event);

/* The struct of type `type` that embeds `event` as `member`. */
#define event_owner(event, type, member) ((type *)(void *)((char *)(event)-offsetof(type, member)))

#endif
