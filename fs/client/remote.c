#include "fs/client/remote.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/client/dispatcher.h"
#include "fs/client/remote_read.h"
#include "fs/client/session.h"
#include "fs/client/slot_pool.h"
#include "fs/client/client_ops.h"
#include "proto/check.h"
#include "proto/container.h"
#include "proto/units.h"
#include "proto/version.h"

#define VERSION_SIZE 32u

/* A dispatcher, and the messages between its loop and the first one. */
struct post {
	struct remote *remote;
	struct dispatcher *dispatcher;
	struct env_mail news; /* to the dispatcher: the session has changed */
	struct env_mail loss; /* to the first loop: the session `lost` is unknown to the cluster */
	struct env_mail end; /* to the dispatcher: stop; then to the first loop: it has stopped */
	atomic_ullong lost; /* id of a session */
};

struct remote {
	struct client base;
	struct remote_options options;
	struct session session;
	atomic_ullong id; /* of the present session; 0: none */
	atomic_ullong cluster;
	struct store_book *book;
	uint32_t post_count;
	struct post posts[REMOTE_LOOPS_MAX];
	pthread_mutex_t mutex;
	struct status trouble; /* under the mutex; why a link failed last */
	bool is_foreign_told; /* under the mutex; it was logged that a store speaks another protocol */
	char older[VERSION_SIZE]; /* under the mutex; the version of an older store that was logged last */
	void (*started)(void *argument, int status); /* NULL: it has been called */
	void *started_argument;
	uint32_t running; /* dispatchers that have not stopped */
	void (*stopped)(void *argument);
	void *stopped_argument;
};

static struct remote *remote_of(const struct client *client)
{
	return (struct remote *)(uintptr_t)client; /* the first member */
}

static struct dispatcher *dispatcher_of(const struct client *client, const struct env_loop *loop)
{
	struct remote *remote = remote_of(client);

	for (uint32_t i = 0; i < remote->post_count; i++)
		if (remote->options.loops[i] == loop)
			return remote->posts[i].dispatcher;
	check(!"the loop has a dispatcher");
	return NULL;
}

/* ---- Changes ---- */

/* A change under way. */
struct remote_call {
	struct client_call *call;
	struct cluster_request request;
};

static void remote_on_called(struct cluster_request *request, int status, const struct cluster_answer *answer)
{
	struct remote_call *remote = container_of(request, struct remote_call, request);
	struct client_call *call = remote->call;

	buf_unref(request->body);
	buf_unref(request->payload);
	free(remote);
	client_end_call(call, status, answer->bytes);
}

static int remote_call(
	struct client *client, struct client_call *call, const struct op *op, struct buf *payload)
{
	struct remote_call *remote = malloc(sizeof *remote);
	struct buf *body = NULL;
	int status = remote ? op_encode(op, &body) : -ENOMEM;

	if (status < 0) {
		free(remote);
		return status;
	}
	call->remote = remote;
	remote->call = call;
	remote->request = (struct cluster_request){.kind = CLUSTER_REQUEST_CHANGE,
		.key = op_key(op),
		.body = body,
		.payload = buf_ref(payload),
		.weight = body->size + (payload ? payload->size : 0),
		.limit = remote_of(client)->options.timeo_ms * NS_PER_MS,
		.done = remote_on_called};
	status = dispatcher_run(dispatcher_of(client, call->loop), &remote->request);
	if (status == 0)
		return 0;
	buf_unref(body);
	buf_unref(payload);
	free(remote);
	return -ENOMEM;
}

/* ---- Reads ---- */

static void remote_read(struct client *client, struct client_read *read)
{
	remote_read_start(
		dispatcher_of(client, read->loop), read, remote_of(client)->options.timeo_ms * NS_PER_MS);
}

/* ---- Giving up ---- */

static bool remote_give_up_call(struct client_call *call)
{
	struct cluster_request *request = &call->remote->request;
	uint64_t now = env_now(remote_of(call->client)->options.env);

	if (now - request->begun < CLIENT_PATIENCE_MS * NS_PER_MS)
		return false;
	dispatcher_give_up(request, -EINTR);
	return true;
}

/* ---- The client's operations ---- */

static uint64_t remote_session(const struct client *client)
{
	return atomic_load(&remote_of(client)->id);
}

static void free_client(struct client *client)
{
	remote_free(remote_of(client));
}

static const struct client_ops remote_ops = {
	.call = remote_call,
	.give_up_call = remote_give_up_call,
	.read = remote_read,
	.give_up_read = remote_read_give_up,
	.session = remote_session,
	.free = free_client,
};

struct client *remote_client(struct remote *remote)
{
	return &remote->base;
}

/* ---- The session, on the first loop ---- */

static void take_news(struct post *post)
{
	dispatcher_set_cluster(post->dispatcher, atomic_load(&post->remote->cluster));
	dispatcher_set_session(post->dispatcher, atomic_load(&post->remote->id));
}

static void on_news(struct env_mail *mail)
{
	take_news(container_of(mail, struct post, news));
}

static void tell_dispatchers(struct remote *remote, uint64_t session)
{
	atomic_store(&remote->id, session);
	take_news(&remote->posts[0]);
	for (uint32_t i = 1; i < remote->post_count; i++) {
		struct post *post = &remote->posts[i];

		env_post_once(dispatcher_loop(post->dispatcher), &post->news, on_news);
	}
}

static void finish_start(struct remote *remote, int status)
{
	void (*started)(void *argument, int status) = remote->started;

	remote->started = NULL;
	if (started)
		started(remote->started_argument, status);
}

static void on_session_opened(void *argument, uint64_t session)
{
	struct remote *remote = argument;

	atomic_store(&remote->cluster, dispatcher_cluster(remote->posts[0].dispatcher));
	tell_dispatchers(remote, session);
	finish_start(remote, 0);
}

static void on_session_refused(void *argument, int status)
{
	finish_start(argument, status);
}

static void on_session_lost(void *argument, uint64_t session)
{
	struct remote *remote = argument;

	tell_dispatchers(remote, 0);
	if (remote->options.lost)
		remote->options.lost(remote->options.argument, session);
}

static void on_session_asked(void *argument, uint64_t notice, struct slice inodes)
{
	struct remote *remote = argument;

	remote->options.asked(remote->options.argument, notice, inodes);
}

void remote_answer(struct remote *remote, uint64_t notice, bool are_kept)
{
	session_answer(&remote->session, notice, are_kept);
}

static void on_loss(struct env_mail *mail)
{
	struct post *post = container_of(mail, struct post, loss);

	session_on_lost(&post->remote->session, atomic_load(&post->lost));
}

/* On the dispatcher's loop. */
static void on_dispatcher_lost(void *argument, uint64_t session)
{
	struct post *post = argument;

	atomic_store(&post->lost, session);
	env_post_once(post->remote->options.loops[0], &post->loss, on_loss);
}

static void on_link_failed(void *argument, const char *address, const struct status *why)
{
	struct remote *remote = ((struct post *)argument)->remote;
	bool is_foreign;

	pthread_mutex_lock(&remote->mutex);
	status_set(&remote->trouble, why->code, "%.80s: %.160s", address, why->text);
	is_foreign = why->code == -EPROTO && !remote->is_foreign_told;
	remote->is_foreign_told |= is_foreign;
	pthread_mutex_unlock(&remote->mutex);
	if (is_foreign)
		log_error(remote->options.logger,
			"msg=\"a store and this mount do not understand each other\" address=%s "
			"reason=\"%s\"",
			address, why->text);
}

/* On the dispatcher's loop. Logged once for each version. */
static void on_refused(void *argument, uint64_t store, const char *version)
{
	struct remote *remote = ((struct post *)argument)->remote;
	bool is_new;

	pthread_mutex_lock(&remote->mutex);
	is_new = strncmp(remote->older, version, sizeof remote->older - 1) != 0;
	snprintf(remote->older, sizeof remote->older, "%s", version);
	pthread_mutex_unlock(&remote->mutex);
	if (is_new)
		log_error(remote->options.logger,
			"msg=\"a store does not know what this mount asks for: it is older\" store=%" PRIu64
			" store_version=%s version=%s",
			store, version, RAFTKV_VERSION);
}

/* ---- Life ---- */

static int add_dispatcher(struct remote *remote)
{
	struct post *post = &remote->posts[remote->post_count];
	const struct dispatcher_options options = {.loop = remote->options.loops[remote->post_count],
		.logger = remote->options.logger,
		.seeds = remote->options.seeds,
		.book = remote->book,
		.first_slot = remote->post_count * SLOT_POOL_SIZE,
		.reads = remote->options.reads,
		.lost = on_dispatcher_lost,
		.failed = on_link_failed,
		.refused = on_refused,
		.argument = post};

	post->remote = remote;
	post->dispatcher = dispatcher_new(&options);
	remote->post_count += post->dispatcher != NULL;
	return post->dispatcher ? 0 : -ENOMEM;
}

int remote_new(const struct remote_options *options, struct remote **out, struct status *status)
{
	struct remote *remote = calloc(1, sizeof *remote);
	int code = remote ? 0 : -ENOMEM;

	*out = NULL;
	check(options->loop_count > 0 && options->loop_count <= REMOTE_LOOPS_MAX);
	if (remote) {
		remote->base = (struct client){.ops = &remote_ops, .logger = options->logger};
		remote->options = *options;
		pthread_mutex_init(&remote->mutex, NULL);
		remote->book = store_book_new();
		code = remote->book ? 0 : -ENOMEM;
		for (uint32_t i = 0; i < options->loop_count && code == 0; i++)
			code = add_dispatcher(remote);
	}
	if (code < 0) {
		remote_free(remote);
		return status_set(status, code, "out of memory");
	}
	*out = remote;
	return 0;
}

void remote_start(struct remote *remote, void (*started)(void *argument, int status), void *argument)
{
	const struct session_options options = {.dispatcher = remote->posts[0].dispatcher,
		.logger = remote->options.logger,
		.host = remote->options.host,
		.mount_point = remote->options.mount_point,
		.pid = remote->options.pid,
		.opened = on_session_opened,
		.refused = on_session_refused,
		.lost = on_session_lost,
		.asked = remote->options.asked ? on_session_asked : NULL,
		.argument = remote};

	remote->started = started;
	remote->started_argument = argument;
	session_start(&remote->session, &options);
}

/* On the first loop. */
static void on_dispatcher_ended(struct env_mail *mail)
{
	struct remote *remote = container_of(mail, struct post, end)->remote;

	if (--remote->running == 0)
		remote->stopped(remote->stopped_argument);
}

static void on_dispatcher_stopped(void *argument)
{
	struct post *post = argument;

	env_post(post->remote->options.loops[0], &post->end, on_dispatcher_ended);
}

static void end_dispatcher(struct env_mail *mail)
{
	struct post *post = container_of(mail, struct post, end);

	dispatcher_stop(post->dispatcher, on_dispatcher_stopped, post);
}

/* Mail from the first loop to a dispatcher arrives in order: no `news` comes after `end`. */
static void on_session_stopped(void *argument)
{
	struct remote *remote = argument;

	remote->running = remote->post_count;
	for (uint32_t i = 0; i < remote->post_count; i++)
		env_post(remote->options.loops[i], &remote->posts[i].end, end_dispatcher);
}

void remote_stop(struct remote *remote, void (*stopped)(void *argument), void *argument)
{
	remote->stopped = stopped;
	remote->stopped_argument = argument;
	finish_start(remote, -ECANCELED);
	session_stop(&remote->session, on_session_stopped, remote);
}

void remote_free(struct remote *remote)
{
	if (!remote)
		return;
	for (uint32_t i = 0; i < remote->post_count; i++)
		dispatcher_free(remote->posts[i].dispatcher);
	store_book_free(remote->book);
	pthread_mutex_destroy(&remote->mutex);
	free(remote);
}

/* ---- Stats ---- */

void remote_read_stats(struct remote *remote, struct remote_stats *stats)
{
	*stats = (struct remote_stats){
		.cluster = atomic_load(&remote->cluster), .session = atomic_load(&remote->id)};
	for (uint32_t i = 0; i < remote->post_count; i++) {
		struct remote_stats part;

		dispatcher_read_stats(remote->posts[i].dispatcher, &part);
		stats->calls += part.calls;
		stats->reads += part.reads;
		stats->retries += part.retries;
		stats->timeouts += part.timeouts;
		stats->failures += part.failures;
		stats->links += part.links;
		stats->under_way += part.under_way;
		if (part.waits_ms > stats->waits_ms)
			stats->waits_ms = part.waits_ms;
	}
}

/* A list of addresses that is being written. */
struct address_list {
	char *text;
	size_t room; /* bytes */
	uint32_t count;
};

static bool address_list_has(const struct address_list *list, const char *address)
{
	size_t length = strlen(address);

	for (const char *at = list->text; (at = strstr(at, address)); at += length)
		if ((at == list->text || at[-1] == ',') && (at[length] == ',' || at[length] == '\0'))
			return true;
	return false;
}

/* Once each; left out where there is no room. */
static void address_list_add(struct address_list *list, const char *address)
{
	size_t used = strlen(list->text);
	const char *comma = list->count > 0 ? "," : "";

	if (list->count == STORE_LIST_COUNT_MAX || used + strlen(comma) + strlen(address) >= list->room ||
		address_list_has(list, address))
		return;
	snprintf(list->text + used, list->room - used, "%s%s", comma, address);
	list->count++;
}

void remote_read_stores(struct remote *remote, char *text, size_t size)
{
	const struct store_list *seeds = remote->options.seeds;
	struct address_list list = {.text = text, .room = size};
	char address[RECORD_ADDRESS_SIZE_MAX + 1];

	*text = '\0';
	for (uint32_t i = 0; store_book_find(remote->book, i, address) > 0; i++)
		address_list_add(&list, address);
	for (uint32_t i = 0; i < seeds->count; i++)
		address_list_add(&list, seeds->addresses[i]);
}

void remote_read_trouble(struct remote *remote, struct status *trouble)
{
	pthread_mutex_lock(&remote->mutex);
	*trouble = remote->trouble;
	pthread_mutex_unlock(&remote->mutex);
}
