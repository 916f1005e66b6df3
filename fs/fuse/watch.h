/*
 * watch.h: the unanswered requests of one lane. A request is given up when its caller is being killed, so that a killed
 * process does not wait for a cluster that does not answer.
 *
 * The kernel sends one INTERRUPT for a request, for any signal; it does not tell later signals, not even SIGKILL. So
 * INTERRUPT is not used for this. Instead, twice a second the watch looks at the requests that have waited for
 * `patience_ns`. If the caller is exiting, or has SIGKILL, SIGTERM or SIGINT pending and not blocked (with or without a
 * handler), the request is given up with EINTR. Signals that programs survive (timers, SIGURG, SIGHUP) never end a
 * request.
 *
 * The same look tells payloads.h whether an old request has a payload.
 *
 * A caller in a PID namespace that this process does not see cannot be looked at, so its requests wait.
 *
 * All on the lane's loop.
 */
#ifndef RAFTKV_FS_FUSE_WATCH_H
#define RAFTKV_FS_FUSE_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "fs/fuse/payloads.h"
#include "proto/env.h"

/* The part of a request that is watched; the request embeds it. */
struct watched {
	struct watched *prev, *next; /* the watch's */
	uint64_t started; /* env_now */
	uint32_t thread; /* the caller's, by the FUSE header; 0: unknown */
	bool has_payload; /* payloads.h counts one for it */
};

struct watch {
	/* Set by the front: */
	struct env_loop *loop;
	uint64_t patience_ns; /* younger requests are not looked at */
	struct payloads *payloads; /* shares */
	/* Gives the request up. May remove this request from the watch, and no other. */
	void (*give_up)(struct watched *watched);
	/* The watch's own: */
	struct watched *requests; /* unanswered, the oldest first */
	struct env_timer timer; /* started by watch_add; stops when it finds no requests */
	struct payloads_view view; /* of these requests */
	bool is_ending;
};

void watch_add(struct watch *watch, struct watched *watched);
void watch_remove(struct watch *watch, struct watched *watched);
/* The connection has ended and no caller waits any more: all requests are given up once they have waited for
 * `patience_ns`. */
void watch_end(struct watch *watch);

#endif
