#include "fs/client/dispatcher.h"

#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#include "fs/client/dispatcher_internal.h"
#include "proto/backoff.h"
#include "proto/check.h"
#include "proto/container.h"
#include "proto/plant.h"
#include "proto/units.h"

#define HINTS_MAX     4u /* hints at the leader or the region that a request follows without a pause */
#define REFRESH_EVERY 8u /* attempts: the region may have moved to other stores */
#define NOTICE_NS     (2000 * NS_PER_MS) /* that a request waits before the wait is logged */

static const struct backoff rests = {.first = 2 * NS_PER_MS, .most = 256 * NS_PER_MS};

static void dispatcher_add(atomic_ullong *counter, uint64_t by)
{
	atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

/* ---- Ending ---- */

static void serve_slots(struct dispatcher *dispatcher)
{
	struct cluster_request *next;

	while ((next = slot_pool_next(&dispatcher->slots)))
		dispatcher_dispatch(next);
}

/* Is it for the cluster, and not for one store, or for the dispatcher itself? */
static bool is_for_cluster(const struct cluster_request *request)
{
	return request->kind != CLUSTER_REQUEST_ROUTES && request->kind != CLUSTER_REQUEST_REGION_STEP;
}

/* The cluster answers: ends the state that note_waiting began. */
static void note_answer(struct dispatcher *dispatcher, const struct cluster_request *request)
{
	if (!is_for_cluster(request))
		return;
	atomic_store_explicit(&dispatcher->waits_since, 0, memory_order_relaxed);
	if (dispatcher->is_waiting)
		log_info(dispatcher->options.logger, "msg=\"the cluster answers again\"");
	dispatcher->is_waiting = false;
}

static void dispatcher_finish(
	struct cluster_request *request, int status, const struct cluster_answer *answer)
{
	struct dispatcher *dispatcher = request->dispatcher;
	bool had_slot = request->has_slot;

	env_timer_stop(&request->rest);
	env_timer_stop(&request->end);
	DL_DELETE(dispatcher->requests, request);
	dispatcher->count--;
	atomic_store_explicit(&dispatcher->under_way, dispatcher->count, memory_order_relaxed);
	slot_pool_give(&dispatcher->slots, request);
	request->done(request, status, answer);
	if (had_slot)
		serve_slots(dispatcher);
}

/* Takes the request out of the queue that it is in. */
static void withdraw(struct cluster_request *request)
{
	struct dispatcher *dispatcher = request->dispatcher;

	switch (request->state) {
	case CLUSTER_REQUEST_NEEDS_SLOT:
		slot_pool_leave(&dispatcher->slots, request);
		break;
	case CLUSTER_REQUEST_QUEUED:
	case CLUSTER_REQUEST_SENT:
		store_links_withdraw(dispatcher->links, request);
		break;
	case CLUSTER_REQUEST_NEEDS_ROUTES:
	case CLUSTER_REQUEST_RESTING:
		break;
	}
}

void dispatcher_give_up(struct cluster_request *request, int status)
{
	const struct cluster_answer none = {0};

	withdraw(request);
	dispatcher_finish(request, status, &none);
}

static void on_end(struct env_timer *timer)
{
	dispatcher_give_up(container_of(timer, struct cluster_request, end), -ETIMEDOUT);
}

/* ---- Trying again ---- */

static void note_waiting(struct dispatcher *dispatcher, const struct cluster_request *request, int status)
{
	unsigned long long none = 0;

	if (env_now(dispatcher->env) - request->begun < NOTICE_NS ||
		request->kind == CLUSTER_REQUEST_REGION_STEP)
		return;
	atomic_compare_exchange_strong(&dispatcher->waits_since, &none, request->begun);
	if (!dispatcher->is_waiting)
		log_warn(dispatcher->options.logger,
			"msg=\"the cluster does not answer: waiting\" attempts=%u reason=\"%s\"",
			request->attempts, status_name(status));
	dispatcher->is_waiting = true;
}

static void on_rested(struct env_timer *timer)
{
	dispatcher_dispatch(container_of(timer, struct cluster_request, rest));
}

static void rest_for(struct cluster_request *request, uint64_t rest)
{
	struct dispatcher *dispatcher = request->dispatcher;

	request->state = CLUSTER_REQUEST_RESTING;
	env_timer_start(&request->rest, dispatcher->options.loop, env_now(dispatcher->env) + rest, on_rested);
}

void dispatcher_wake(struct cluster_request *request)
{
	rest_for(request, 0);
}

static void note_read(const struct cluster_request *request, bool did_answer)
{
	struct dispatcher *dispatcher = request->dispatcher;
	struct region_route *route;

	if (!request->from_follower)
		return;
	route = routes_find_region(dispatcher->routes, request->region);
	if (route)
		chooser_note(&dispatcher->chooser, request, route, did_answer);
}

void dispatcher_retry(struct cluster_request *request, int status)
{
	struct dispatcher *dispatcher = request->dispatcher;
	uint64_t rest = backoff_draw(&rests, request->attempts, dispatcher->env);

	dispatcher_add(&dispatcher->retries, 1);
	note_read(request, false);
	request->attempts++;
	request->hints = 0;
	note_waiting(dispatcher, request, status);
	rest_for(request, rest);
	if (is_for_cluster(request) && request->attempts % REFRESH_EVERY == 0)
		dispatcher_want_routes(dispatcher, &request->key);
}

/* ---- Sending ---- */

static void send_to_store(
	struct dispatcher *dispatcher, struct cluster_request *request, struct region_route *route)
{
	int status = -ENOTCONN;

	request->region = route->region;
	request->epoch_version = route->epoch.version;
	chooser_choose(&dispatcher->chooser, request, route);
	if (request->store > 0)
		status = store_links_carry(dispatcher->links,
			routes_address(dispatcher->routes, request->store), request->store, request);
	if (status < 0)
		dispatcher_retry(request, status);
}

static void send_to_address(struct dispatcher *dispatcher, struct cluster_request *request)
{
	int status = store_links_carry(dispatcher->links, request->address, request->to_store, request);

	if (status < 0)
		dispatcher_retry(request, status);
}

void dispatcher_dispatch(struct cluster_request *request)
{
	struct dispatcher *dispatcher = request->dispatcher;
	struct region_route *route;

	if (request->kind == CLUSTER_REQUEST_ROUTES) {
		dispatcher_send_refresh(dispatcher, request);
		return;
	}
	if (request->kind == CLUSTER_REQUEST_REGION_STEP) {
		send_to_address(dispatcher, request);
		return;
	}
	if (request->kind == CLUSTER_REQUEST_CHANGE && !request->has_slot) {
		request->state = CLUSTER_REQUEST_NEEDS_SLOT;
		request->session = dispatcher->session;
		if (!slot_pool_take(&dispatcher->slots, request))
			return;
	}
	if (request->kind == CLUSTER_REQUEST_CHANGE)
		request->session = dispatcher->session;
	route = dispatcher_find_route(dispatcher, &request->key);
	if (route) {
		send_to_store(dispatcher, request, route);
		return;
	}
	request->state = CLUSTER_REQUEST_NEEDS_ROUTES;
	dispatcher_want_routes(dispatcher, &request->key);
}

void dispatcher_begin_request(struct dispatcher *dispatcher, struct cluster_request *request)
{
	request->dispatcher = dispatcher;
	request->begun = env_now(dispatcher->env);
	request->asked = env_wall(dispatcher->env);
	DL_APPEND(dispatcher->requests, request);
	dispatcher->count++;
	atomic_store_explicit(&dispatcher->under_way, dispatcher->count, memory_order_relaxed);
	if (request->limit > 0)
		env_timer_start(
			&request->end, dispatcher->options.loop, request->begun + request->limit, on_end);
}

int dispatcher_run(struct dispatcher *dispatcher, struct cluster_request *request)
{
	check(!dispatcher->stopped);
	if (dispatcher->count >= DISPATCHER_REQUESTS_MAX)
		return STATUS_LIMIT;
	dispatcher_begin_request(dispatcher, request);
	dispatcher_dispatch(request);
	return 0;
}

/* ---- Answers ---- */

static void forget_leader(struct dispatcher *dispatcher, const struct cluster_request *request)
{
	struct region_route *route = routes_find_region(dispatcher->routes, request->region);

	if (route && route->leader == request->store)
		route->leader = 0;
}

static void learn_leader(
	struct dispatcher *dispatcher, const struct cluster_request *request, uint64_t leader)
{
	struct region_route *route = routes_find_region(dispatcher->routes, request->region);

	if (route)
		route->leader = leader;
	if (!routes_address(dispatcher->routes, leader))
		dispatcher_want_routes(dispatcher, &request->key);
}

static void on_not_leader(struct dispatcher *dispatcher, struct cluster_request *request, uint64_t leader)
{
	if (leader == 0 || leader == request->store) {
		forget_leader(dispatcher, request);
		dispatcher_retry(request, STATUS_NOT_LEADER);
		return;
	}
	note_read(request, false);
	learn_leader(dispatcher, request, leader);
	if (++request->hints > HINTS_MAX) {
		dispatcher_retry(request, STATUS_NOT_LEADER);
		return;
	}
	dispatcher_add(&dispatcher->retries, 1);
	dispatcher_dispatch(request);
}

/* The request was sent by an old route. */
static void on_old_route(struct dispatcher *dispatcher, struct cluster_request *request, int status,
	const struct cluster_answer *answer)
{
	if (dispatcher_take_known(dispatcher, request, answer) && ++request->hints <= HINTS_MAX) {
		dispatcher_add(&dispatcher->retries, 1);
		dispatcher_dispatch(request);
		return;
	}
	forget_leader(dispatcher, request);
	dispatcher_retry(request, status);
	dispatcher_want_routes(dispatcher, &request->key);
}

/* Where it is the present session, all changes with a slot of it end, too. The pool is closed first, so that the slot
 * that dispatcher_finish gives back does not go to another change. */
static void on_session_unknown(
	struct dispatcher *dispatcher, struct cluster_request *request, const struct cluster_answer *answer)
{
	uint64_t session = request->session;
	bool is_current = session > 0 && session == dispatcher->session;

	if (is_current)
		slot_pool_close(&dispatcher->slots);
	dispatcher_finish(request, STATUS_SESSION_UNKNOWN, answer);
	if (!is_current)
		return;
	dispatcher_set_session(dispatcher, 0);
	dispatcher->options.lost(dispatcher->options.argument, session);
}

/* The store that answered is older than this program: `answered`, or (0) the store that was asked. */
static void note_refusal(
	struct dispatcher *dispatcher, const struct cluster_request *request, uint64_t answered)
{
	uint64_t store = answered > 0 ? answered : request->store;
	const char *address = routes_address(dispatcher->routes, store);

	dispatcher->options.refused(dispatcher->options.argument, store,
		address ? store_links_version(dispatcher->links, address) : "unknown");
}

/* Whether a store, that answered or another one, may still apply it. */
static bool may_be_applied(int status)
{
	return status == STATUS_STALE_COMMAND || status == STATUS_STOPPING || status == STATUS_NOT_READY;
}

static void dispatcher_on_answer(
	struct cluster_request *request, int status, const struct cluster_answer *answer)
{
	struct dispatcher *dispatcher = request->dispatcher;

	if (request->kind == CLUSTER_REQUEST_REGION_STEP) {
		dispatcher_finish(request, status, answer);
		return;
	}
	switch (status) {
	case STATUS_NOT_LEADER:
		on_not_leader(dispatcher, request, answer->leader_store);
		return;
	case STATUS_EPOCH_NOT_MATCH:
	case STATUS_REGION_NOT_FOUND:
		on_old_route(dispatcher, request, status, answer);
		return;
	case STATUS_SESSION_UNKNOWN:
		note_answer(dispatcher, request);
		on_session_unknown(dispatcher, request, answer);
		return;
	default:
		break;
	}
	if (status_is_transient(status) && !(request->is_once && may_be_applied(status))) {
		if (status == STATUS_STOPPING)
			forget_leader(dispatcher, request);
		dispatcher_retry(request, status);
		return;
	}
	note_read(request, true);
	if (status == STATUS_UNSUPPORTED)
		note_refusal(dispatcher, request, answer->leader_store);
	else if (!request->from_follower && request->kind != CLUSTER_REQUEST_ROUTES)
		learn_leader(dispatcher, request,
			answer->leader_store > 0 ? answer->leader_store : request->store);
	note_answer(dispatcher, request);
	dispatcher_add(request->kind == CLUSTER_REQUEST_READ ? &dispatcher->reads : &dispatcher->calls,
		request->kind == CLUSTER_REQUEST_READ || request->kind == CLUSTER_REQUEST_CHANGE);
	dispatcher_finish(request, status, answer);
}

static void on_back(struct cluster_request *request, int status, const struct frame *frame)
{
	struct dispatcher *dispatcher = request->dispatcher;

	if (status == 0) {
		cluster_request_read_answer(request, frame, dispatcher_on_answer);
		return;
	}
	dispatcher_add(&dispatcher->timeouts, status == -ETIMEDOUT);
	if (request->is_once && request->state == CLUSTER_REQUEST_SENT &&
		!planted("transactions:sent_again")) {
		dispatcher_finish(request, status, &(struct cluster_answer){0});
		return;
	}
	if (is_for_cluster(request))
		forget_leader(dispatcher, request);
	dispatcher_retry(request, status);
}

static bool on_welcomed(void *argument, const Raftkv__HelloReply *reply)
{
	struct dispatcher *dispatcher = argument;

	if (dispatcher->self.cluster == 0)
		dispatcher->self.cluster = reply->cluster;
	return reply->cluster == dispatcher->self.cluster;
}

static void on_link_failed(void *argument, const char *address, const struct status *why)
{
	struct dispatcher *dispatcher = argument;

	dispatcher_add(&dispatcher->failures, 1);
	dispatcher->options.failed(dispatcher->options.argument, address, why);
}

/* ---- The session ---- */

/* A change that was begun under the session. Its caller may rely on locks that the session held. */
static struct cluster_request *find_change_of(const struct dispatcher *dispatcher, uint64_t session)
{
	struct cluster_request *request;

	DL_FOREACH(dispatcher->requests, request)
	{
		if (request->kind == CLUSTER_REQUEST_CHANGE && session > 0 && request->session == session)
			return request;
	}
	return NULL;
}

/* Ends the changes of a session that is over: no store would accept them. */
static void give_up_changes(struct dispatcher *dispatcher, uint64_t session)
{
	struct cluster_request *request;

	if (planted("fs:lost_session_unnoticed"))
		return;
	while ((request = find_change_of(dispatcher, session)))
		dispatcher_give_up(request, STATUS_SESSION_UNKNOWN);
}

void dispatcher_set_session(struct dispatcher *dispatcher, uint64_t session)
{
	uint64_t before = dispatcher->session;

	if (session == before)
		return;
	dispatcher->session = session;
	slot_pool_close(&dispatcher->slots);
	give_up_changes(dispatcher, before);
	store_links_set_session(dispatcher->links, session);
	if (session == 0)
		return;
	slot_pool_open(&dispatcher->slots);
	serve_slots(dispatcher);
}

uint64_t dispatcher_cluster(const struct dispatcher *dispatcher)
{
	return dispatcher->self.cluster;
}

void dispatcher_set_cluster(struct dispatcher *dispatcher, uint64_t cluster)
{
	dispatcher->self.cluster = cluster;
}

/* ---- Life ---- */

struct dispatcher *dispatcher_new(const struct dispatcher_options *options)
{
	struct dispatcher *dispatcher = calloc(1, sizeof *dispatcher);
	struct store_links_options links = {.self = dispatcher ? &dispatcher->self : NULL,
		.loop = options->loop,
		.welcomed = on_welcomed,
		.failed = on_link_failed,
		.back = on_back,
		.argument = dispatcher};

	if (!dispatcher)
		return NULL;
	dispatcher->options = *options;
	dispatcher->env = env_loop_env(options->loop);
	dispatcher->self.env = dispatcher->env;
	slot_pool_init(&dispatcher->slots, options->first_slot);
	if (!options->book)
		dispatcher->options.book = dispatcher->own_book = store_book_new();
	dispatcher->routes = routes_new(ROUTES_REGIONS_MAX);
	dispatcher->links = store_links_new(&links);
	if (!dispatcher->options.book || !dispatcher->routes || !dispatcher->links) {
		dispatcher_free(dispatcher);
		return NULL;
	}
	dispatcher->chooser = (struct chooser){.env = dispatcher->env,
		.routes = dispatcher->routes,
		.links = dispatcher->links,
		.reads = options->reads};
	return dispatcher;
}

void dispatcher_free(struct dispatcher *dispatcher)
{
	if (!dispatcher)
		return;
	store_links_free(dispatcher->links);
	routes_free(dispatcher->routes);
	store_book_free(dispatcher->own_book);
	free(dispatcher);
}

struct env_loop *dispatcher_loop(const struct dispatcher *dispatcher)
{
	return dispatcher->options.loop;
}

static uint64_t get(const atomic_ullong *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void dispatcher_read_stats(const struct dispatcher *dispatcher, struct remote_stats *stats)
{
	uint64_t since = get(&dispatcher->waits_since), now = env_now(dispatcher->env);

	*stats = (struct remote_stats){
		.calls = get(&dispatcher->calls),
		.reads = get(&dispatcher->reads),
		.retries = get(&dispatcher->retries),
		.timeouts = get(&dispatcher->timeouts),
		.failures = get(&dispatcher->failures),
		.links = store_links_open_count(dispatcher->links),
		.under_way = get(&dispatcher->under_way),
		.waits_ms = since > 0 && now > since ? (now - since) / NS_PER_MS : 0,
	};
}

void dispatcher_stop(struct dispatcher *dispatcher, void (*stopped)(void *argument), void *argument)
{
	dispatcher->stopped = stopped;
	dispatcher->stopped_argument = argument;
	if (dispatcher->is_refreshing)
		dispatcher_give_up(&dispatcher->refresh, -ECANCELED);
	check(dispatcher->count == 0);
	store_links_stop(dispatcher->links, stopped, argument);
}
