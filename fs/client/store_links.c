#include "fs/client/store_links.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "fs/schema/records.h"
#include "proto/backoff.h"
#include "proto/check.h"
#include "proto/container.h"
#include "proto/plant.h"
#include "proto/units.h"

#define CONNECT_NS	  (1000 * NS_PER_MS) /* from connecting until the store's Hello */
#define NS_PER_BYTE	  UINT64_C(250) /* added to a timeout for the bytes under way, as a network may be slow */
#define SUSPECT_NS	  (1000 * NS_PER_MS) /* for so long a store that has fallen silent gets no requests */
#define LATENCY_SMOOTHING 8u
#define VERSION_SIZE	  32u

/* Between the failure of a link and the next attempt. */
static const struct backoff pauses = {.first = 20 * NS_PER_MS, .most = 500 * NS_PER_MS};
/* The timeout of a request, longer after each attempt that timed out: the request may take long. */
static const struct backoff patience = {.first = 1000 * NS_PER_MS, .most = 64000 * NS_PER_MS};

enum link_state {
	LINK_DOWN,
	LINK_CONNECTING,
	LINK_OPEN,
	LINK_ENDING,
};

struct store_link {
	struct store_links *links;
	struct store_link *prev, *next;
	enum link_state state;
	bool was_welcomed;
	bool is_leaving; /* its session is over: it is freed when it has closed */
	char address[RECORD_ADDRESS_SIZE_MAX + 1];
	char version[VERSION_SIZE]; /* of the store's program; empty: unknown */
	struct rpc *rpc; /* NULL: DOWN */
	struct env_timer limit; /* of connecting (CONNECT_NS) */
	uint64_t rests_until; /* env_now; no attempt to connect before */
	uint32_t failures; /* since it was open last */
	uint64_t latency; /* of reads, ns; 0: unknown */
	uint64_t heard; /* env_now of the last answer */
	uint64_t suspect_until; /* env_now; 0: the store answers */
	struct cluster_request *queue;
	uint32_t count; /* of requests that were sent and not answered */
	size_t weight; /* of those requests */
};

struct store_links {
	struct store_links_options options;
	struct env *env;
	uint64_t session;
	struct store_link *list;
	atomic_uint open_count;
	void (*stopped)(void *argument); /* NULL: store_links_stop was not called */
	void *stopped_argument;
};

static struct store_link *store_links_find_link(const struct store_links *links, const char *address)
{
	struct store_link *link;

	for (link = links->list; link; link = link->next)
		if (!link->is_leaving && strcmp(link->address, address) == 0)
			return link;
	return NULL;
}

static void give_back(
	struct store_link *link, struct cluster_request *request, int status, const struct frame *answer)
{
	request->link = NULL;
	link->links->options.back(request, status, answer);
}

/* ---- Sending ---- */

static void pump(struct store_link *link);

static void end_carrying(struct store_link *link, struct cluster_request *request)
{
	link->count--;
	link->weight -= request->weight;
}

static void note_answer(struct store_link *link, const struct cluster_request *request)
{
	uint64_t now = env_now(link->links->env), took = now - request->sent;

	link->heard = now;
	link->suspect_until = 0;
	if (request->kind == CLUSTER_REQUEST_READ)
		link->latency = link->latency == 0 ? took
						   : link->latency - link->latency / LATENCY_SMOOTHING +
							     took / LATENCY_SMOOTHING;
}

/* A store is suspected only if it has answered no request since this one was sent. */
static void note_silence(struct store_link *link, struct cluster_request *request)
{
	request->timeouts++;
	if (link->heard < request->sent && !request->pass_on)
		link->suspect_until = env_now(link->links->env) + SUSPECT_NS;
}

static void store_links_on_done(struct rpc_call *call, int status, const struct frame *answer)
{
	struct cluster_request *request = container_of(call, struct cluster_request, call);
	struct store_link *link = request->link;

	end_carrying(link, request);
	if (status == -ECONNRESET)
		link->state = LINK_ENDING;
	if (status == 0)
		note_answer(link, request);
	if (status == -ETIMEDOUT)
		note_silence(link, request);
	give_back(link, request, status, answer);
	if (link->state == LINK_OPEN)
		pump(link);
}

static bool goes_first(const struct cluster_request *request)
{
	return request->kind == CLUSTER_REQUEST_BEAT ||
	       (request->is_urgent && !planted("transactions:behind_what_waits"));
}

static bool has_room(const struct store_link *link, const struct cluster_request *request)
{
	if (goes_first(request) || link->count == 0)
		return true;
	return link->count < STORE_LINK_REQUESTS_MAX &&
	       link->weight + request->weight <= STORE_LINK_WEIGHT_MAX;
}

/* False: the connection takes no more at present. */
static bool send_one(struct store_link *link, struct cluster_request *request)
{
	uint64_t timeout =
		backoff_length(&patience, request->timeouts) + (link->weight + request->weight) * NS_PER_BYTE;
	int status = cluster_request_send(request, link->rpc, timeout, store_links_on_done);

	if (status == STATUS_LIMIT && link->count > 0)
		return false;
	DL_DELETE2(link->queue, request, queue_prev, queue_next);
	if (status < 0) {
		give_back(link, request, status, NULL);
		return true;
	}
	request->state = CLUSTER_REQUEST_SENT;
	request->was_sent = true;
	request->sent = env_now(link->links->env);
	link->count++;
	link->weight += request->weight;
	return true;
}

static void pump(struct store_link *link)
{
	while (link->state == LINK_OPEN && link->queue && has_room(link, link->queue) &&
		send_one(link, link->queue))
		;
}

/* ---- Connecting ---- */

static void rest(struct store_link *link)
{
	struct env *env = link->links->env;

	link->rests_until = env_now(env) + backoff_draw(&pauses, link->failures++, env);
}

static void store_links_on_opened(void *argument, struct rpc *rpc, const Raftkv__HelloReply *reply)
{
	struct store_link *link = argument;
	const struct store_links_options *options = &link->links->options;

	env_timer_stop(&link->limit);
	if (!options->welcomed(options->argument, reply)) {
		rpc_close(rpc);
		return;
	}
	snprintf(link->version, sizeof link->version, "%s", reply->version);
	link->state = LINK_OPEN;
	link->was_welcomed = true;
	link->failures = 0;
	link->suspect_until = 0;
	atomic_fetch_add(&link->links->open_count, 1);
	pump(link);
}

static void finish_stop(struct store_links *links)
{
	struct store_link *link;

	if (!links->stopped)
		return;
	for (link = links->list; link; link = link->next)
		if (link->rpc)
			return;
	links->stopped(links->stopped_argument);
}

static void link_free(struct store_link *link)
{
	DL_DELETE(link->links->list, link);
	free(link);
}

static void store_links_on_closed(void *argument, struct rpc *rpc, const struct status *why)
{
	struct store_link *link = argument;
	struct store_links *links = link->links;
	struct cluster_request *request;
	const struct status late = {.code = -ETIMEDOUT, .text = "nothing there answers as a store does"};
	const struct status nowhere = {
		.code = -EHOSTUNREACH, .text = "there is no such host, or no way to it"};

	(void)rpc;
	env_timer_stop(&link->limit);
	link->rpc = NULL;
	atomic_fetch_sub(&links->open_count, link->was_welcomed);
	link->was_welcomed = false;
	if (why->code == 0)
		why = &late;
	else if (why->code == -EHOSTUNREACH)
		why = &nowhere;
	if (!link->is_leaving && !links->stopped)
		links->options.failed(links->options.argument, link->address, why);
	link->state = LINK_DOWN;
	rest(link);
	while ((request = link->queue)) {
		DL_DELETE2(link->queue, request, queue_prev, queue_next);
		give_back(link, request, -ENOTCONN, NULL);
	}
	if (link->is_leaving)
		link_free(link);
	finish_stop(links);
}

static void on_limit(struct env_timer *timer)
{
	rpc_close(container_of(timer, struct store_link, limit)->rpc);
}

static int connect_link(struct store_link *link, uint64_t store)
{
	struct store_links *links = link->links;
	const struct rpc_options options = {.self = links->options.self,
		.loop = links->options.loop,
		.address = link->address,
		.receiver = store,
		.session = links->session,
		.opened = store_links_on_opened,
		.closed = store_links_on_closed,
		.argument = link};
	struct status status = {0};
	int code = rpc_connect(&options, &link->rpc, &status);

	if (code < 0) {
		links->options.failed(links->options.argument, link->address, &status);
		rest(link);
		return -ENOTCONN;
	}
	link->state = LINK_CONNECTING;
	env_timer_start(&link->limit, links->options.loop, env_now(links->env) + CONNECT_NS, on_limit);
	return 0;
}

/* ---- Carrying ---- */

static struct store_link *add_link(struct store_links *links, const char *address)
{
	struct store_link *link = calloc(1, sizeof *link);

	if (!link)
		return NULL;
	check(strlen(address) < sizeof link->address);
	strcpy(link->address, address);
	link->links = links;
	DL_APPEND(links->list, link);
	return link;
}

static bool is_resting(const struct store_link *link)
{
	uint64_t now = env_now(link->links->env);

	return link->state == LINK_ENDING || now < link->suspect_until ||
	       (link->state == LINK_DOWN && now < link->rests_until);
}

int store_links_carry(
	struct store_links *links, const char *address, uint64_t store, struct cluster_request *request)
{
	struct store_link *link = store_links_find_link(links, address);
	int status = 0;

	check(!links->stopped);
	if (!link)
		link = add_link(links, address);
	if (!link)
		return -ENOMEM;
	if (is_resting(link))
		return -ENOTCONN;
	if (link->state == LINK_DOWN)
		status = connect_link(link, store);
	if (status < 0)
		return status;
	if (request->from_follower && link->suspect_until > 0) /* only this read tries the store again */
		link->suspect_until = env_now(links->env) + SUSPECT_NS;
	request->link = link;
	request->state = CLUSTER_REQUEST_QUEUED;
	if (goes_first(request))
		DL_PREPEND2(link->queue, request, queue_prev, queue_next);
	else
		DL_APPEND2(link->queue, request, queue_prev, queue_next);
	pump(link);
	return 0;
}

void store_links_withdraw(struct store_links *links, struct cluster_request *request)
{
	struct store_link *link = request->link;

	check(link && link->links == links);
	request->link = NULL;
	if (request->state == CLUSTER_REQUEST_QUEUED) {
		DL_DELETE2(link->queue, request, queue_prev, queue_next);
	} else {
		rpc_forget(&request->call);
		end_carrying(link, request);
	}
	pump(link);
}

bool store_links_may_carry(const struct store_links *links, const char *address)
{
	const struct store_link *link = store_links_find_link(links, address);

	return !link || !is_resting(link);
}

bool store_links_is_sound(const struct store_links *links, const char *address, bool from_follower)
{
	const struct store_link *link = store_links_find_link(links, address);

	if (!link)
		return true;
	if (from_follower && env_now(links->env) < link->suspect_until)
		return false;
	return link->state == LINK_OPEN || (link->state != LINK_ENDING && link->failures == 0);
}

void store_links_try(struct store_links *links, const char *address, uint64_t store)
{
	struct store_link *link = store_links_find_link(links, address);

	if (link && link->state == LINK_DOWN && !is_resting(link))
		connect_link(link, store);
}

uint64_t store_links_latency(const struct store_links *links, const char *address)
{
	const struct store_link *link = store_links_find_link(links, address);

	return link ? link->latency : 0;
}

const char *store_links_version(const struct store_links *links, const char *address)
{
	const struct store_link *link = store_links_find_link(links, address);

	return link && link->version[0] != '\0' ? link->version : "unknown";
}

uint32_t store_links_open_count(const struct store_links *links)
{
	return atomic_load(&links->open_count);
}

/* ---- Life ---- */

struct store_links *store_links_new(const struct store_links_options *options)
{
	struct store_links *links = calloc(1, sizeof *links);

	if (links) {
		links->options = *options;
		links->env = env_loop_env(options->loop);
	}
	return links;
}

void store_links_set_session(struct store_links *links, uint64_t session)
{
	struct store_link *link, *next;

	links->session = session;
	DL_FOREACH_SAFE(links->list, link, next)
	{
		link->is_leaving = true;
		if (link->rpc)
			rpc_close(link->rpc);
		else
			link_free(link);
	}
}

void store_links_stop(struct store_links *links, void (*stopped)(void *argument), void *argument)
{
	struct store_link *link;

	links->stopped = stopped;
	links->stopped_argument = argument;
	for (link = links->list; link; link = link->next)
		if (link->rpc)
			rpc_close(link->rpc);
	finish_stop(links);
}

void store_links_free(struct store_links *links)
{
	if (!links)
		return;
	while (links->list)
		link_free(links->list);
	free(links);
}
