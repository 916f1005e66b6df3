#include "fs/client/courier.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <utlist.h>

#include "fs/client/chooser.h"
#include "fs/client/routes.h"
#include "fs/client/slot_pool.h"
#include "fs/client/store_links.h"
#include "proto/check.h"
#include "proto/container.h"
#include "proto/plant.h"

#define NS_PER_MS      UINT64_C(1000000)
#define REST_FIRST_NS  (2 * NS_PER_MS) /* doubled up to 256 ms */
#define REST_DOUBLINGS 7u
#define HINTS_MAX      4u /* followed at once, one after the other */
#define REFRESH_EVERY  8u /* attempts: perhaps the region is elsewhere by now */
#define NOTICE_NS      (2000 * NS_PER_MS) /* of waiting, before somebody is told */

struct courier {
	struct courier_options options;
	struct env *env;
	struct link_self self;
	struct routes *routes;
	struct store_links *links;
	struct chooser chooser;
	struct slot_pool slots;
	uint64_t session; /* 0: none */
	struct errand *errands; /* all */
	uint32_t count;
	struct errand refresh; /* asks for the routes */
	bool is_refreshing;
	uint32_t refresh_turn; /* among all whom it could ask */
	bool is_waiting; /* and said so */
	void (*stopped)(void *argument);
	void *stopped_argument;
	/* For remote_stats: */
	atomic_ullong calls, reads, retries, timeouts, failures, links_open, under_way;
	atomic_ullong waits_since; /* env_now; 0: answers come */
};

static void add(atomic_ullong *counter, uint64_t by)
{
	atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

static void dispatch(struct errand *errand);
static void want_routes(struct courier *courier);

/* ---- Ending ---- */

static void serve_slots(struct courier *courier)
{
	struct errand *next;

	while ((next = slot_pool_next(&courier->slots)))
		dispatch(next);
}

/* Answers come again. */
static void note_answer(struct courier *courier, const struct errand *errand)
{
	if (errand->kind == ERRAND_ROUTES)
		return;
	atomic_store_explicit(&courier->waits_since, 0, memory_order_relaxed);
	if (courier->is_waiting)
		log_info(courier->options.logger, "msg=\"the cluster answers again\"");
	courier->is_waiting = false;
}

static void finish(struct errand *errand, int status, const struct errand_answer *answer)
{
	struct courier *courier = errand->courier;
	bool had_slot = errand->has_slot;

	env_timer_stop(&errand->rest);
	env_timer_stop(&errand->end);
	DL_DELETE(courier->errands, errand);
	courier->count--;
	atomic_store_explicit(&courier->under_way, courier->count, memory_order_relaxed);
	slot_pool_give(&courier->slots, errand);
	errand->done(errand, status, answer);
	if (had_slot)
		serve_slots(courier);
}

/* Takes it out of whatever it waits for. */
static void withdraw(struct errand *errand)
{
	struct courier *courier = errand->courier;

	switch (errand->state) {
	case ERRAND_NEEDS_SLOT:
		slot_pool_leave(&courier->slots, errand);
		break;
	case ERRAND_QUEUED:
	case ERRAND_SENT:
		store_links_withdraw(courier->links, errand);
		break;
	case ERRAND_NEEDS_ROUTES:
	case ERRAND_RESTING:
		break;
	}
}

void courier_give_up(struct errand *errand, int status)
{
	const struct errand_answer none = {0};

	withdraw(errand);
	finish(errand, status, &none);
}

static void on_end(struct env_timer *timer)
{
	courier_give_up(container_of(timer, struct errand, end), -ETIMEDOUT);
}

/* ---- Trying again ---- */

static void note_waiting(struct courier *courier, const struct errand *errand, int status)
{
	unsigned long long none = 0;

	if (env_now(courier->env) - errand->begun < NOTICE_NS)
		return;
	atomic_compare_exchange_strong(&courier->waits_since, &none, errand->begun);
	if (!courier->is_waiting)
		log_warn(courier->options.logger,
			"msg=\"the cluster does not answer: waiting\" attempts=%u reason=\"%s\"",
			errand->attempts, status_name(status));
	courier->is_waiting = true;
}

static void on_rested(struct env_timer *timer)
{
	dispatch(container_of(timer, struct errand, rest));
}

static void note_read(const struct errand *errand, bool did_answer)
{
	struct courier *courier = errand->courier;
	struct region_route *route;

	if (!errand->from_follower)
		return;
	route = routes_find_region(courier->routes, errand->region);
	if (route)
		chooser_note(&courier->chooser, errand, route, did_answer);
}

static void retry(struct errand *errand, int status)
{
	struct courier *courier = errand->courier;
	uint32_t doublings = errand->attempts < REST_DOUBLINGS ? errand->attempts : REST_DOUBLINGS;
	uint64_t rest = (uint64_t)REST_FIRST_NS << doublings, random;

	add(&courier->retries, 1);
	note_read(errand, false);
	errand->attempts++;
	errand->hints = 0;
	errand->state = ERRAND_RESTING;
	note_waiting(courier, errand, status);
	env_random(courier->env, &random, sizeof random);
	env_timer_start(&errand->rest, courier->options.loop,
		env_now(courier->env) + rest / 2 + random % (rest / 2), on_rested);
	if (errand->kind != ERRAND_ROUTES && errand->attempts % REFRESH_EVERY == 0)
		want_routes(courier);
}

/* ---- The routes ---- */

static void wake_for_routes(struct courier *courier)
{
	struct errand *errand, *next;

	DL_FOREACH_SAFE(courier->errands, errand, next)
	{
		if (errand->state == ERRAND_NEEDS_ROUTES)
			retry(errand, STATUS_REGION_NOT_FOUND);
	}
}

static void on_refreshed(struct errand *errand, int status, const struct errand_answer *answer)
{
	struct courier *courier = errand->courier;

	courier->is_refreshing = false;
	if (status == -ECANCELED)
		return;
	if (status == 0)
		status = routes_take(courier->routes, answer->routes);
	if (status < 0)
		log_warn(courier->options.logger, "msg=\"routes could not be taken\" reason=\"%s\"",
			status_name(status));
	wake_for_routes(courier);
}

static void start(struct courier *courier, struct errand *errand)
{
	errand->courier = courier;
	errand->begun = env_now(courier->env);
	DL_APPEND(courier->errands, errand);
	courier->count++;
	atomic_store_explicit(&courier->under_way, courier->count, memory_order_relaxed);
	if (errand->limit > 0)
		env_timer_start(&errand->end, courier->options.loop, errand->begun + errand->limit, on_end);
}

static void want_routes(struct courier *courier)
{
	if (courier->is_refreshing || courier->stopped)
		return;
	courier->is_refreshing = true;
	courier->refresh = (struct errand){.kind = ERRAND_ROUTES, .done = on_refreshed};
	start(courier, &courier->refresh);
	dispatch(&courier->refresh);
}

/* Whom the refresh asks: the stores that are known, and those that were known from the beginning, in turn. */
static const char *refresh_address(const struct courier *courier, uint32_t turn, uint64_t *store)
{
	uint32_t known = routes_store_count(courier->routes);
	uint32_t index = turn % (known + courier->options.seeds->count);

	*store = index < known ? routes_store(courier->routes, index) : 0;
	return index < known ? routes_address(courier->routes, *store)
			     : courier->options.seeds->addresses[index - known];
}

static void dispatch_refresh(struct courier *courier, struct errand *errand)
{
	uint32_t count = routes_store_count(courier->routes) + courier->options.seeds->count;
	int status = -ENOTCONN;

	for (uint32_t i = 0; i < count && status == -ENOTCONN; i++) {
		const char *address = refresh_address(courier, courier->refresh_turn++, &errand->store);

		status = store_links_carry(courier->links, address, errand->store, errand);
	}
	if (status < 0)
		retry(errand, status);
}

/* ---- Sending ---- */

static struct region_route *find_route(struct courier *courier, const struct errand *errand)
{
	if (errand->key.size == 0)
		return routes_find_region(courier->routes, CLUSTER_REGION);
	return routes_find(courier->routes, fs_key_slice(&errand->key));
}

static void send_to_store(struct courier *courier, struct errand *errand, struct region_route *route)
{
	int status = -ENOTCONN;

	errand->region = route->region;
	errand->epoch_version = route->epoch.version;
	chooser_choose(&courier->chooser, errand, route);
	if (errand->store > 0)
		status = store_links_carry(courier->links, routes_address(courier->routes, errand->store),
			errand->store, errand);
	if (status < 0)
		retry(errand, status);
}

static void dispatch(struct errand *errand)
{
	struct courier *courier = errand->courier;
	struct region_route *route;

	if (errand->kind == ERRAND_ROUTES) {
		dispatch_refresh(courier, errand);
		return;
	}
	if (errand->kind == ERRAND_CHANGE && !errand->has_slot) {
		errand->state = ERRAND_NEEDS_SLOT;
		errand->session = courier->session;
		if (!slot_pool_take(&courier->slots, errand))
			return;
	}
	if (errand->kind == ERRAND_CHANGE)
		errand->session = courier->session;
	route = find_route(courier, errand);
	if (route) {
		send_to_store(courier, errand, route);
		return;
	}
	errand->state = ERRAND_NEEDS_ROUTES;
	want_routes(courier);
}

int courier_run(struct courier *courier, struct errand *errand)
{
	check(!courier->stopped);
	if (courier->count >= COURIER_ERRANDS_MAX)
		return STATUS_LIMIT;
	start(courier, errand);
	dispatch(errand);
	return 0;
}

/* ---- What comes back ---- */

static void forget_leader(struct courier *courier, const struct errand *errand)
{
	struct region_route *route = routes_find_region(courier->routes, errand->region);

	if (route && route->leader == errand->store)
		route->leader = 0;
}

static void learn_leader(struct courier *courier, const struct errand *errand, uint64_t leader)
{
	struct region_route *route = routes_find_region(courier->routes, errand->region);

	if (route)
		route->leader = leader;
	if (!routes_address(courier->routes, leader))
		want_routes(courier);
}

static void on_not_leader(struct courier *courier, struct errand *errand, uint64_t leader)
{
	if (leader == 0 || leader == errand->store) {
		forget_leader(courier, errand);
		retry(errand, STATUS_NOT_LEADER);
		return;
	}
	note_read(errand, false);
	learn_leader(courier, errand, leader);
	if (++errand->hints > HINTS_MAX) {
		retry(errand, STATUS_NOT_LEADER);
		return;
	}
	add(&courier->retries, 1);
	dispatch(errand);
}

/* The session has ended: so have all changes that have one of its slots, and nobody gets another. */
static void on_session_unknown(
	struct courier *courier, struct errand *errand, const struct errand_answer *answer)
{
	uint64_t session = errand->session;
	bool is_current = session > 0 && session == courier->session;

	if (is_current)
		slot_pool_close(&courier->slots);
	finish(errand, STATUS_SESSION_UNKNOWN, answer);
	if (!is_current)
		return;
	courier_set_session(courier, 0);
	courier->options.lost(courier->options.argument, session);
}

/* Asked again, it may have another answer. */
static bool is_transient(int status)
{
	switch (status) {
	case STATUS_STALE_COMMAND:
	case STATUS_NOT_READY:
	case STATUS_PROPOSAL_DROPPED:
	case STATUS_LIMIT:
	case STATUS_WOULD_BLOCK:
	case STATUS_STOPPING:
		return true;
	default:
		return false;
	}
}

static void on_answer(struct errand *errand, int status, const struct errand_answer *answer)
{
	struct courier *courier = errand->courier;

	switch (status) {
	case STATUS_NOT_LEADER:
		on_not_leader(courier, errand, answer->leader_store);
		return;
	case STATUS_EPOCH_NOT_MATCH:
	case STATUS_REGION_NOT_FOUND:
		forget_leader(courier, errand);
		retry(errand, status);
		want_routes(courier);
		return;
	case STATUS_SESSION_UNKNOWN:
		note_answer(courier, errand);
		on_session_unknown(courier, errand, answer);
		return;
	default:
		break;
	}
	if (is_transient(status)) {
		if (status == STATUS_STOPPING)
			forget_leader(courier, errand);
		retry(errand, status);
		return;
	}
	note_read(errand, true);
	if (!errand->from_follower && errand->kind != ERRAND_ROUTES)
		learn_leader(
			courier, errand, answer->leader_store > 0 ? answer->leader_store : errand->store);
	note_answer(courier, errand);
	add(errand->kind == ERRAND_READ ? &courier->reads : &courier->calls,
		errand->kind == ERRAND_READ || errand->kind == ERRAND_CHANGE);
	finish(errand, status, answer);
}

static void on_back(struct errand *errand, int status, const struct frame *frame)
{
	struct courier *courier = errand->courier;

	if (status == 0) {
		errand_read_answer(errand, frame, on_answer);
		return;
	}
	add(&courier->timeouts, status == -ETIMEDOUT);
	if (errand->kind != ERRAND_ROUTES)
		forget_leader(courier, errand);
	retry(errand, status);
}

static bool on_welcomed(void *argument, const Raftkv__HelloReply *reply)
{
	struct courier *courier = argument;

	if (courier->self.cluster == 0)
		courier->self.cluster = reply->cluster;
	return reply->cluster == courier->self.cluster;
}

static void on_link_failed(void *argument, const char *address, const struct status *why)
{
	struct courier *courier = argument;

	add(&courier->failures, 1);
	courier->options.failed(courier->options.argument, address, why);
}

/* ---- The session ---- */

/* A change that was asked for under this session: it may rest on what the session held. */
static struct errand *find_change_of(const struct courier *courier, uint64_t session)
{
	struct errand *errand;

	DL_FOREACH(courier->errands, errand)
	{
		if (errand->kind == ERRAND_CHANGE && session > 0 && errand->session == session)
			return errand;
	}
	return NULL;
}

void courier_set_session(struct courier *courier, uint64_t session)
{
	uint64_t before = courier->session;
	struct errand *errand;

	if (session == before)
		return;
	courier->session = session;
	slot_pool_close(&courier->slots);
	while (!planted("fs:lost_session_unnoticed") && (errand = find_change_of(courier, before)))
		courier_give_up(errand, STATUS_SESSION_UNKNOWN);
	store_links_set_session(courier->links, session);
	if (session == 0)
		return;
	slot_pool_open(&courier->slots);
	serve_slots(courier);
}

uint64_t courier_cluster(const struct courier *courier)
{
	return courier->self.cluster;
}

void courier_set_cluster(struct courier *courier, uint64_t cluster)
{
	courier->self.cluster = cluster;
}

/* ---- Life ---- */

struct courier *courier_new(const struct courier_options *options)
{
	struct courier *courier = calloc(1, sizeof *courier);
	struct store_links_options links = {.self = courier ? &courier->self : NULL,
		.loop = options->loop,
		.welcomed = on_welcomed,
		.failed = on_link_failed,
		.back = on_back,
		.argument = courier};

	if (!courier)
		return NULL;
	courier->options = *options;
	courier->env = env_loop_env(options->loop);
	courier->self.env = courier->env;
	slot_pool_init(&courier->slots, options->first_slot);
	courier->routes = routes_new();
	courier->links = store_links_new(&links);
	if (!courier->routes || !courier->links) {
		courier_free(courier);
		return NULL;
	}
	courier->chooser = (struct chooser){.env = courier->env,
		.routes = courier->routes,
		.links = courier->links,
		.reads = options->reads};
	return courier;
}

void courier_free(struct courier *courier)
{
	if (!courier)
		return;
	store_links_free(courier->links);
	routes_free(courier->routes);
	free(courier);
}

struct env_loop *courier_loop(const struct courier *courier)
{
	return courier->options.loop;
}

static uint64_t get(const atomic_ullong *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void courier_read_stats(const struct courier *courier, struct remote_stats *stats)
{
	uint64_t since = get(&courier->waits_since), now = env_now(courier->env);

	*stats = (struct remote_stats){
		.calls = get(&courier->calls),
		.reads = get(&courier->reads),
		.retries = get(&courier->retries),
		.timeouts = get(&courier->timeouts),
		.failures = get(&courier->failures),
		.links = store_links_open_count(courier->links),
		.under_way = get(&courier->under_way),
		.waits_ms = since > 0 && now > since ? (now - since) / NS_PER_MS : 0,
	};
}

void courier_stop(struct courier *courier, void (*stopped)(void *argument), void *argument)
{
	courier->stopped = stopped;
	courier->stopped_argument = argument;
	if (courier->is_refreshing)
		courier_give_up(&courier->refresh, -ECANCELED);
	check(courier->count == 0);
	store_links_stop(courier->links, stopped, argument);
}
