/*
 * liveness.h: which other stores are alive, for regions that sleep (peer/hibernation.h).
 *
 * Replicas that sleep say nothing to each other. Their stores do so in their place: each store tells every store that it
 * watches, once in an interval, that it is alive, and in which incarnation. That costs the same for one region and for
 * ten thousand. A store that was not heard for `patience`, although it was watched, counts as dead until it is heard.
 *
 * A store is watched once a replica here has asked for it, or once it says that it watches this one. It is watched as long
 * as replicas ask.
 *
 * `changed` says that a sleeping region may have to wake. It is also called now and then without a reason, so that the
 * owner asks again for the stores that it still needs. The caller then asks liveness_is_steady for each.
 *
 * Any thread, but for init, start, stop and close.
 */
#ifndef RAFTKV_STORE_TRANSPORT_LIVENESS_H
#define RAFTKV_STORE_TRANSPORT_LIVENESS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/env.h"
#include "store/engines.h"

#define LIVENESS_STORES_MAX   4096u /* stores that are watched; beyond that, none is alive */
#define LIVENESS_SURVEY_TICKS 64u /* intervals between calls of `changed` without a reason */
#define LIVENESS_KEPT_TICKS                                                                                  \
	(4u * LIVENESS_SURVEY_TICKS) /* a store is watched so long after the last question */

struct transport;

struct watched_store {
	uint64_t store;
	uint64_t incarnation; /* 0: it was never heard */
	uint64_t heard; /* env_now; until it is heard, when it began to be watched */
	uint64_t asked; /* tick of the last question */
	uint64_t changed; /* the version at which it last came, died, or began another incarnation */
	bool is_alive;
};

struct liveness {
	struct engines *engines;
	struct transport *transport;
	struct env_loop *loop;
	uint64_t interval, patience; /* ns */
	void (*changed)(void *argument); /* any thread */
	void *changed_argument;

	struct env_mail mail;
	struct env_timer timer;
	bool is_stopping;
	_Atomic uint64_t version; /* of the newest change */
	pthread_mutex_t lock; /* guards what follows */
	struct watched_store *stores; /* in no order */
	uint32_t count, capacity;
	uint64_t ticks;
};

/* Nothing is sent, and nobody is watched, before liveness_start. `transport` may be NULL: nobody is alive then. */
void liveness_init(struct liveness *liveness, struct engines *engines, struct transport *transport,
	uint64_t interval, uint64_t patience);
/* Before the loop runs, or on it. */
void liveness_start(struct liveness *liveness, struct env_loop *loop);
void liveness_stop(struct liveness *liveness); /* on the loop */
void liveness_close(struct liveness *liveness);

/* A store says that it is alive. */
void liveness_hear(struct liveness *liveness, uint64_t store, uint64_t incarnation);
/* The version of the newest change, to be read before the questions of liveness_is_steady. */
uint64_t liveness_version(const struct liveness *liveness);
/* Watches the store. Whether it is alive, and was so, in the same incarnation, since version `since`. */
bool liveness_is_steady(struct liveness *liveness, uint64_t store, uint64_t since);
/* Watches the store. Whether it is alive, but was not so all the time since version `since`. */
bool liveness_has_come(struct liveness *liveness, uint64_t store, uint64_t since);
/* Watches the store. Whether it is silent. */
bool liveness_is_dead(struct liveness *liveness, uint64_t store);
/* The incarnation in which it was heard last; 0: never. */
uint64_t liveness_incarnation(struct liveness *liveness, uint64_t store);

#endif
