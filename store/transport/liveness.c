#include "store/transport/liveness.h"

#include <stdlib.h>

#include "proto/container.h"
#include "proto/plant.h"
#include "store/transport/transport.h"

#define COUNT_FIRST 8u

/* ---- Stores, under the lock ------------------------------------------------------------------------------------- */

static struct watched_store *find(struct liveness *liveness, uint64_t store)
{
	for (uint32_t i = 0; i < liveness->count; i++)
		if (liveness->stores[i].store == store)
			return &liveness->stores[i];
	return NULL;
}

static bool liveness_grow(struct liveness *liveness)
{
	uint32_t capacity = liveness->capacity > 0 ? 2 * liveness->capacity : COUNT_FIRST;
	struct watched_store *stores;

	if (liveness->count < liveness->capacity)
		return true;
	if (liveness->count >= LIVENESS_STORES_MAX)
		return false;
	stores = realloc(liveness->stores, capacity * sizeof *stores);
	if (!stores)
		return false;
	liveness->stores = stores;
	liveness->capacity = capacity;
	return true;
}

/* NULL: there are too many, or no memory. */
static struct watched_store *watch(struct liveness *liveness, uint64_t store)
{
	struct watched_store *watched = find(liveness, store);

	if (!watched && liveness_grow(liveness)) {
		watched = &liveness->stores[liveness->count++];
		*watched = (struct watched_store){.store = store, .heard = env_now(liveness->engines->env)};
	}
	if (watched)
		watched->asked = liveness->ticks;
	return watched;
}

static void note_change(struct liveness *liveness, struct watched_store *watched)
{
	watched->changed = atomic_fetch_add(&liveness->version, 1) + 1;
}

/* ---- Time ------------------------------------------------------------------------------------------------------- */

/* Whether it is dead since this moment. */
static bool has_died(const struct liveness *liveness, const struct watched_store *watched, uint64_t now)
{
	PLANT("hibernate:death_unnoticed", return false);
	return watched->is_alive && now - watched->heard >= liveness->patience;
}

static void forget_unwanted(struct liveness *liveness)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < liveness->count; i++)
		if (liveness->ticks - liveness->stores[i].asked < LIVENESS_KEPT_TICKS)
			liveness->stores[kept++] = liveness->stores[i];
	liveness->count = kept;
}

/* Whether a store has died. */
static bool bury(struct liveness *liveness, uint64_t now)
{
	bool is_changed = false;

	for (uint32_t i = 0; i < liveness->count; i++) {
		struct watched_store *watched = &liveness->stores[i];

		if (!has_died(liveness, watched, now))
			continue;
		watched->is_alive = false;
		note_change(liveness, watched);
		is_changed = true;
	}
	return is_changed;
}

static void tell(struct liveness *liveness)
{
	struct transport *transport = liveness->transport;

	for (uint32_t i = 0; i < liveness->count; i++)
		transport->ops->send_alive(
			transport, liveness->stores[i].store, liveness->engines->dir.ident.incarnation);
}

static void on_tick(struct env_timer *timer)
{
	struct liveness *liveness = container_of(timer, struct liveness, timer);
	uint64_t now;
	bool is_changed;

	if (atomic_load(&liveness->engines->has_failed))
		return;
	pthread_mutex_lock(&liveness->lock);
	now = env_now(liveness->engines->env); /* not before a time at which a store was heard */
	liveness->ticks++;
	is_changed = bury(liveness, now) || liveness->ticks % LIVENESS_SURVEY_TICKS == 0;
	forget_unwanted(liveness);
	tell(liveness);
	pthread_mutex_unlock(&liveness->lock);
	if (is_changed)
		liveness->changed(liveness->changed_argument);
	env_timer_start(timer, liveness->loop, now + liveness->interval, on_tick);
}

/* ---- Life ------------------------------------------------------------------------------------------------------- */

void liveness_init(struct liveness *liveness, struct engines *engines, struct transport *transport,
	uint64_t interval, uint64_t patience)
{
	*liveness = (struct liveness){
		.engines = engines, .transport = transport, .interval = interval, .patience = patience};
	pthread_mutex_init(&liveness->lock, NULL);
}

static void on_start(struct env_mail *mail)
{
	struct liveness *liveness = container_of(mail, struct liveness, mail);

	if (!liveness->is_stopping)
		on_tick(&liveness->timer);
}

void liveness_start(struct liveness *liveness, struct env_loop *loop)
{
	liveness->loop = loop;
	if (liveness->transport)
		env_post(loop, &liveness->mail, on_start);
}

void liveness_stop(struct liveness *liveness)
{
	liveness->is_stopping = true;
	env_timer_stop(&liveness->timer);
}

void liveness_close(struct liveness *liveness)
{
	pthread_mutex_destroy(&liveness->lock);
	free(liveness->stores);
}

/* ---- Questions -------------------------------------------------------------------------------------------------- */

/* A late message of an earlier incarnation says nothing. */
void liveness_hear(struct liveness *liveness, uint64_t store, uint64_t incarnation)
{
	struct watched_store *watched;
	bool is_changed = false;

	pthread_mutex_lock(&liveness->lock);
	watched = find(liveness, store);
	if (!watched)
		watched = watch(liveness, store);
	if (watched && incarnation >= watched->incarnation) {
		is_changed = !watched->is_alive || watched->incarnation != incarnation;
		if (is_changed)
			note_change(liveness, watched);
		watched->incarnation = incarnation;
		watched->heard = env_now(liveness->engines->env);
		watched->is_alive = true;
	}
	pthread_mutex_unlock(&liveness->lock);
	if (is_changed)
		liveness->changed(liveness->changed_argument);
}

uint64_t liveness_version(const struct liveness *liveness)
{
	return atomic_load(&liveness->version);
}

bool liveness_is_steady(struct liveness *liveness, uint64_t store, uint64_t since)
{
	struct watched_store *watched;
	bool is_steady;

	pthread_mutex_lock(&liveness->lock);
	watched = watch(liveness, store);
	is_steady = watched && watched->is_alive && watched->changed <= since;
	pthread_mutex_unlock(&liveness->lock);
	return is_steady;
}

bool liveness_has_come(struct liveness *liveness, uint64_t store, uint64_t since)
{
	struct watched_store *watched;
	bool has_come;

	PLANT("hibernate:return_unnoticed", return false);
	pthread_mutex_lock(&liveness->lock);
	watched = watch(liveness, store);
	has_come = watched && watched->is_alive && watched->changed > since;
	pthread_mutex_unlock(&liveness->lock);
	return has_come;
}

bool liveness_is_dead(struct liveness *liveness, uint64_t store)
{
	struct watched_store *watched;
	bool is_dead;

	pthread_mutex_lock(&liveness->lock);
	watched = watch(liveness, store);
	is_dead = watched && !watched->is_alive &&
		  env_now(liveness->engines->env) - watched->heard >= liveness->patience;
	pthread_mutex_unlock(&liveness->lock);
	return is_dead;
}

uint64_t liveness_incarnation(struct liveness *liveness, uint64_t store)
{
	const struct watched_store *watched;
	uint64_t incarnation;

	pthread_mutex_lock(&liveness->lock);
	watched = find(liveness, store);
	incarnation = watched ? watched->incarnation : 0;
	pthread_mutex_unlock(&liveness->lock);
	return incarnation;
}
