#include "store/transport/net_transport_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proto/backoff.h"
#include "proto/container.h"
#include "proto/units.h"
#include "store/transport/peer_message.h"

#define WAITING_MAX	4096u /* messages to one store, */
#define WAITING_SIZE	(16u << 20) /* or bytes of them, that wait for a link */
#define RECEIVE_SIZE	(128u << 20) /* bytes of frames in memory that a lane receives */
#define BATCH_COUNT_MAX 512u
#define BATCH_SIZE_MAX	(4u << 20) /* bytes of heads in one frame */

/* Between a link that failed and the next one to the same store. */
static const struct backoff pauses = {
	.first = 50 * NS_PER_MS, .most = NET_TRANSPORT_PAUSE_MAX_MS * NS_PER_MS};

struct net_lane *net_lane_here(struct net_transport *transport)
{
	for (uint32_t i = 0; i < transport->lane_count; i++)
		if (env_loop_is_current(transport->lanes[i].loop))
			return &transport->lanes[i];
	return NULL;
}

/* ---- Messages that wait ------------------------------------------------------------------------------------------ */

static void peer_messages_push(struct peer_messages *peer_messages, struct peer_message *peer_message)
{
	if (!peer_messages->first)
		peer_messages->end = &peer_messages->first;
	*peer_messages->end = peer_message;
	peer_messages->end = &peer_message->next;
	peer_messages->count++;
	peer_messages->size += peer_message->size + peer_message->payload_size;
}

static struct peer_message *peer_messages_pop(struct peer_messages *peer_messages)
{
	struct peer_message *peer_message = peer_messages->first;

	peer_messages->first = peer_message->next;
	peer_messages->count--;
	peer_messages->size -= peer_message->size + peer_message->payload_size;
	return peer_message;
}

/* Drops a message and reports the loss. */
static void drop(struct net_transport *transport, struct peer_message *peer_message)
{
	net_count(&transport->messages_dropped, 1);
	raftkv_report_unreachable(transport->raftkv, peer_message->message.region, peer_message->to.id);
	peer_message_free(peer_message);
}

static void drop_waiting(struct net_remote *remote)
{
	while (remote->waiting.first)
		drop(remote->lane->transport, peer_messages_pop(&remote->waiting));
}

/* ---- Sending ---------------------------------------------------------------------------------------------------- */

struct batch {
	struct peer_message *peer_messages[BATCH_COUNT_MAX];
	Raftkv__PeerMessage *messages[BATCH_COUNT_MAX];
	struct buf *attachments[FRAME_ATTACHMENTS_MAX];
	uint32_t count, attachment_count;
	size_t size, payload_size;
};

/* Whether the peer_message fits into the batch. */
static bool fits(const struct batch *batch, const struct peer_message *peer_message)
{
	return batch->count < BATCH_COUNT_MAX && batch->size + peer_message->size <= FRAME_HEAD_SIZE_MAX &&
	       (batch->count == 0 || batch->size + peer_message->size <= BATCH_SIZE_MAX) &&
	       batch->attachment_count + peer_message->payload_count <= FRAME_ATTACHMENTS_MAX &&
	       batch->payload_size + peer_message->payload_size <= FRAME_ATTACHMENTS_SIZE_MAX;
}

static void net_transport_fill(struct batch *batch, struct peer_messages *peer_messages)
{
	batch->count = batch->attachment_count = 0;
	batch->size = batch->payload_size = 0;
	while (peer_messages->first && fits(batch, peer_messages->first)) {
		struct peer_message *peer_message = peer_messages_pop(peer_messages);

		batch->peer_messages[batch->count] = peer_message;
		batch->messages[batch->count++] = &peer_message->message;
		batch->attachment_count =
			peer_message_attach(peer_message, batch->attachments, batch->attachment_count);
		batch->size += peer_message->size;
		batch->payload_size += peer_message->payload_size;
	}
}

static int send_batch(struct net_remote *remote, struct batch *batch)
{
	struct net_transport *transport = remote->lane->transport;
	Raftkv__PeerMessages messages = RAFTKV__PEER_MESSAGES__INIT;
	int status;

	messages.n_messages = batch->count;
	messages.messages = batch->messages;
	status = link_send(remote->link, FRAME_PEER_MESSAGES, 0, &messages.base, batch->attachments,
		batch->attachment_count);
	if (status == 0) {
		net_count(&transport->frames_sent, 1);
		net_count(&transport->messages_sent, batch->count);
		net_count(&transport->bytes_sent, batch->size + batch->payload_size);
	}
	for (uint32_t i = 0; i < batch->count; i++) {
		if (status == 0)
			peer_message_free(batch->peer_messages[i]);
		else
			drop(transport, batch->peer_messages[i]);
	}
	return status;
}

void net_remote_send(struct net_remote *remote)
{
	struct batch batch;
	int status = 0;

	if (!remote->is_open || !atomic_load(&remote->lane->transport->may_speak))
		return;
	while (remote->waiting.first && status == 0) {
		net_transport_fill(&batch, &remote->waiting);
		if (batch.count > 0)
			status = send_batch(remote, &batch);
		else /* larger than a frame may be */
			drop(remote->lane->transport, peer_messages_pop(&remote->waiting));
	}
	if (status < 0)
		drop_waiting(remote);
}

static void on_flush(struct env_mail *mail)
{
	struct net_lane *lane = container_of(mail, struct net_lane, flush_mail);

	lane->is_flush_posted = false;
	while (lane->dirty) {
		struct net_remote *remote = lane->dirty;

		lane->dirty = remote->next_dirty;
		remote->is_dirty = false;
		net_remote_send(remote);
	}
}

static void mark(struct net_remote *remote)
{
	struct net_lane *lane = remote->lane;

	if (!remote->is_dirty) {
		remote->is_dirty = true;
		remote->next_dirty = lane->dirty;
		lane->dirty = remote;
	}
	if (!lane->is_flush_posted) {
		lane->is_flush_posted = true;
		env_post(lane->loop, &lane->flush_mail, on_flush);
	}
}

/* ---- Links to other stores -------------------------------------------------------------------------------------- */

static void on_opened(void *argument, struct link *link, const Raftkv__HelloReply *reply)
{
	struct net_remote *remote = argument;

	(void)link;
	remote->is_open = true;
	remote->failures = 0;
	if (remote->is_down)
		log_info(remote->lane->transport->logger,
			"msg=\"a store is reached again\" store=%" PRIu64 " version=\"%.20s\"", remote->store,
			reply->version);
	remote->is_down = false;
	net_note_told(remote->lane->transport, remote->store);
	net_remote_send(remote);
}

static int on_strange(void *argument, struct link *link, const struct frame *frame)
{
	(void)argument;
	(void)link;
	(void)frame;
	return STATUS_MALFORMED; /* the other store sends on links of its own */
}

static void on_link_closed(void *argument, struct link *link, const struct status *why)
{
	struct net_remote *remote = argument;
	struct net_lane *lane = remote->lane;
	struct env *env = lane->transport->self->env;

	(void)link;
	if (why->code == -ESTALE && !lane->is_stopping)
		net_transport_refused(lane->transport, why);
	if (!remote->is_open)
		net_note_tried(lane->transport, remote->store);
	remote->link = NULL;
	remote->is_open = false;
	lane->link_count--;
	remote->pause_until = env_now(env) + backoff_draw(&pauses, remote->failures++, env);
	if (!remote->is_down && !lane->is_stopping)
		log_warn(lane->transport->logger,
			"msg=\"a store is not reached\" store=%" PRIu64 " reason=\"%s\"", remote->store,
			why->text);
	remote->is_down = true;
	drop_waiting(remote);
	net_check_stopped(lane);
}

static const struct link_handlers outbound = {
	.opened = on_opened, .received = on_strange, .closed = on_link_closed};

bool net_remote_call(struct net_remote *remote)
{
	struct net_transport *transport = remote->lane->transport;
	struct link_handlers handlers = outbound;
	Raftkv__Hello hello = RAFTKV__HELLO__INIT;
	struct status status = {0};
	char *address;

	if (remote->link)
		return true;
	if (remote->lane->is_stopping || env_now(transport->self->env) < remote->pause_until)
		return false;
	address = net_address_of(transport, remote->store);
	if (!address)
		return false;
	hello.role = RAFTKV__ROLE__STORE;
	hello.receiver = remote->store;
	handlers.argument = remote;
	if (link_connect(transport->self, remote->lane->loop, address, &hello, &handlers, &remote->link,
		    &status) == 0)
		remote->lane->link_count++;
	else
		log_error(transport->logger,
			"msg=\"a store cannot be reached\" store=%" PRIu64 " reason=\"%s\"", remote->store,
			status.text);
	free(address);
	return remote->link != NULL;
}

struct net_remote *net_remote_find(struct net_lane *lane, uint64_t store)
{
	struct net_remote *remote;

	HASH_FIND(hh, lane->remotes, &store, sizeof store, remote);
	if (remote)
		return remote;
	remote = calloc(1, sizeof *remote);
	if (!remote)
		return NULL;
	remote->store = store;
	remote->lane = lane;
	HASH_ADD(hh, lane->remotes, store, sizeof store, remote);
	return remote;
}

static void send(
	struct transport *base, const struct peer_envelope *envelope, const struct raft_message *message)
{
	struct net_transport *transport = container_of(base, struct net_transport, base);
	struct net_lane *lane = net_lane_here(transport);
	struct net_remote *remote = lane ? net_remote_find(lane, envelope->to.store) : NULL;
	struct peer_message *peer_message = remote ? peer_message_new(envelope, message) : NULL;

	if (!peer_message)
		return;
	if (!net_remote_call(remote) || remote->waiting.count >= WAITING_MAX ||
		remote->waiting.size >= WAITING_SIZE) {
		drop(transport, peer_message);
		return;
	}
	peer_messages_push(&remote->waiting, peer_message);
	mark(remote);
}

static void send_snapshot(struct transport *base, const struct peer_envelope *envelope,
	const struct raft_message *message, struct snapshot_source *source)
{
	struct net_transport *transport = container_of(base, struct net_transport, base);
	char *address = net_address_of(transport, envelope->to.store);

	net_snapshots_send(&net_lane_here(transport)->snapshots, address, envelope, message, source);
	free(address);
}

/* A frame without messages, which an older store ignores. It does not wait for a link: the next one comes soon. */
static void send_alive(struct transport *base, uint64_t store, uint64_t incarnation)
{
	struct net_transport *transport = container_of(base, struct net_transport, base);
	struct net_lane *lane = net_lane_here(transport);
	struct net_remote *remote = lane ? net_remote_find(lane, store) : NULL;
	Raftkv__PeerMessages messages = RAFTKV__PEER_MESSAGES__INIT;

	if (!remote || !net_remote_call(remote) || !remote->is_open || !atomic_load(&transport->may_speak))
		return;
	messages.alive = incarnation;
	if (link_send(remote->link, FRAME_PEER_MESSAGES, 0, &messages.base, NULL, 0) == 0)
		net_count(&transport->alive_sent, 1);
}

static const struct transport_ops operations = {send, send_snapshot, send_alive};

/* ---- Life ------------------------------------------------------------------------------------------------------- */

static void on_snapshot_ended(void *argument)
{
	net_check_stopped(argument);
}

static void init_lane(struct net_lane *lane, struct net_transport *transport, struct env_loop *loop)
{
	*lane = (struct net_lane){
		.transport = transport,
		.loop = loop,
		.nonsense = {.loop = loop,
			.logger = transport->logger,
			.level = LOG_ERROR,
			.what = "a store sends nonsense"},
		.snapshots = {.self = transport->self,
			.logger = transport->logger,
			.raftkv = &transport->raftkv,
			.loop = loop,
			.pace = &transport->pace,
			.budget = &lane->budget,
			.ended = on_snapshot_ended,
			.argument = lane},
	};
	budget_init(&lane->budget, RECEIVE_SIZE);
}

struct net_transport *net_transport_new(const struct net_transport_options *options)
{
	struct net_transport *transport =
		calloc(1, sizeof *transport + options->loop_count * sizeof transport->lanes[0]);

	if (!transport)
		return NULL;
	transport->base.ops = &operations;
	transport->self = options->self;
	transport->logger = options->logger;
	transport->lane_count = options->loop_count;
	for (uint32_t i = 0; i < options->loop_count; i++)
		init_lane(&transport->lanes[i], transport, options->loops[i]);
	transport->pace.rate = options->snapshot_rate;
	pthread_mutex_init(&transport->pace.lock, NULL);
	pthread_mutex_init(&transport->lock, NULL);
	return transport;
}

struct transport *net_transport_base(struct net_transport *transport)
{
	return &transport->base;
}

void net_transport_attach(struct net_transport *transport, struct raftkv *raftkv)
{
	transport->raftkv = raftkv;
	net_start_telling(transport);
}

void net_transport_read_stats(struct net_transport *transport, struct net_transport_stats *stats)
{
	*stats = (struct net_transport_stats){
		.messages_sent = atomic_load(&transport->messages_sent),
		.messages_received = atomic_load(&transport->messages_received),
		.messages_dropped = atomic_load(&transport->messages_dropped),
		.frames_sent = atomic_load(&transport->frames_sent),
		.alive_sent = atomic_load(&transport->alive_sent),
		.bytes_sent = atomic_load(&transport->bytes_sent),
		.bytes_received = atomic_load(&transport->bytes_received),
	};
	net_count_told(transport, &stats->stores_told, &stats->stores_untold);
}

static void on_stopped(struct env_mail *mail)
{
	struct net_transport *transport = container_of(mail, struct net_transport, stopped_mail);

	transport->stopped(transport->stopped_argument);
}

void net_check_stopped(struct net_lane *lane)
{
	struct net_transport *transport = lane->transport;

	if (!lane->is_stopping || lane->is_stopped || lane->link_count > 0 || lane->snapshots.count > 0)
		return;
	lane->is_stopped = true;
	tally_stop(&lane->nonsense);
	if (atomic_fetch_sub(&transport->lanes_running, 1) == 1)
		env_post(transport->lanes[0].loop, &transport->stopped_mail, on_stopped);
}

static void on_stop(struct env_mail *mail)
{
	struct net_lane *lane = container_of(mail, struct net_lane, stop_mail);

	lane->is_stopping = true;
	if (lane == &lane->transport->lanes[0])
		net_stop_telling(lane->transport);
	lane->snapshots.is_stopping = true;
	net_snapshots_stop_sending(&lane->snapshots);
	net_snapshots_stop_receiving(&lane->snapshots);
	for (struct net_remote *remote = lane->remotes; remote; remote = remote->hh.next)
		if (remote->link)
			link_close(remote->link, NULL);
	for (struct inbound *inbound = lane->inbounds; inbound; inbound = inbound->next)
		if (inbound->link)
			link_close(inbound->link, NULL);
	net_check_stopped(lane);
}

void net_transport_stop(struct net_transport *transport, void (*stopped)(void *argument), void *argument)
{
	transport->stopped = stopped;
	transport->stopped_argument = argument;
	atomic_store(&transport->lanes_running, transport->lane_count);
	for (uint32_t i = 0; i < transport->lane_count; i++)
		env_post(transport->lanes[i].loop, &transport->lanes[i].stop_mail, on_stop);
}

static void free_lane(struct net_lane *lane)
{
	struct net_remote *remote, *next;

	HASH_ITER (hh, lane->remotes, remote, next) {
		while (remote->waiting.first)
			peer_message_free(peer_messages_pop(&remote->waiting));
		HASH_DEL(lane->remotes, remote);
		free(remote);
	}
}

void net_transport_free(struct net_transport *transport)
{
	if (!transport)
		return;
	for (uint32_t i = 0; i < transport->lane_count; i++)
		free_lane(&transport->lanes[i]);
	net_addresses_free(transport);
	pthread_mutex_destroy(&transport->pace.lock);
	pthread_mutex_destroy(&transport->lock);
	free(transport);
}
