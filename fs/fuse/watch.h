/*
 * watch.h: the requests of one lane, so that nobody who is being killed waits for a cluster that does not answer.
 *
 * The kernel interrupts a request for any signal, and once only: what comes later, a SIGKILL too, it does not tell. So a
 * request is not asked whether it was interrupted. Twice a second those that have waited for a second are looked at: has
 * the caller been sent SIGKILL, SIGTERM or SIGINT, whether it handles them or not, or is it at its end already? Then the
 * request is given up, with EINTR. Signals that a program lives on with (timers, SIGURG, SIGHUP) never end a request.
 *
 * The same look tells the payloads which of them wait for long (payloads.h).
 *
 * A caller in a PID namespace that this process does not see can not be looked at, and waits.
 *
 * All on the lane's loop.
 */
#ifndef RAFTKV_FS_FUSE_WATCH_H
#define RAFTKV_FS_FUSE_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "fs/fuse/payloads.h"
#include "proto/env.h"

/* What is watched of a request, which embeds it. */
struct watched {
	struct watched *prev, *next; /* the watch's */
	uint64_t started; /* env_now */
	uint32_t thread; /* that asked, as FUSE tells; 0: unknown */
	bool has_payload; /* which payloads.h counts */
};

struct watch {
	/* The front's, in: */
	struct env_loop *loop;
	uint64_t patience_ns; /* what has waited for less is not looked at */
	struct payloads *payloads; /* shares */
	/* Nobody needs the answer. The request may be removed inside, and no other. */
	void (*give_up)(struct watched *watched);
	/* Its own: */
	struct watched *requests; /* under way, the oldest first */
	struct env_timer timer; /* runs only while there are some */
	struct payloads_view view; /* of these requests */
	bool is_ending;
};

void watch_add(struct watch *watch, struct watched *watched);
void watch_remove(struct watch *watch, struct watched *watched);
/* The kernel has left: nobody waits for an answer any more, so that all are given up. */
void watch_end(struct watch *watch);

#endif
