#include "store/net_transport.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "proto/container.h"
#include "proto/plant.h"
#include "proto/tally.h"
#include "store/letter.h"
#include "store/net_snapshots.h"

#define NS_PER_MS	UINT64_C(1000000)
#define PAUSE_FIRST_MS	50u
#define WAITING_MAX	4096u /* letters to one store, */
#define WAITING_SIZE	(16u << 20) /* or bytes of them, that wait for a link */
#define INBOUNDS_MAX	1024u /* links that others began, of one lane */
#define RECEIVE_SIZE	(128u << 20) /* bytes of frames that a lane receives at once */
#define BATCH_COUNT_MAX 512u
#define BATCH_SIZE_MAX	(4u << 20) /* bytes of heads in one frame */

struct letters {
	struct letter *first, **end;
	uint32_t count;
	size_t size;
};

/* Another store, as one shard sees it. */
struct remote {
	UT_hash_handle hh;
	uint64_t store;
	struct lane *lane;
	struct link *link; /* NULL: none */
	bool is_open;
	bool is_down; /* and that was logged */
	uint32_t pause_ms;
	uint64_t pause_until; /* env_now */
	struct letters waiting;
	struct remote *next_dirty;
	bool is_dirty;
};

/* A link that another store began. */
struct inbound {
	struct inbound *next, **self;
	struct lane *lane;
	struct link *link;
	uint64_t store;
};

/* What one loop has. */
struct lane {
	struct net_transport *transport;
	struct env_loop *loop;
	struct remote *remotes; /* by store */
	struct remote *dirty;
	struct inbound *inbounds;
	uint32_t link_count; /* of both kinds */
	uint32_t inbound_count;
	struct tally nonsense;
	struct budget budget; /* of what inbounds and snapshots receive */
	struct net_snapshots snapshots;
	struct env_mail flush_mail, stop_mail;
	bool is_flush_posted;
	bool is_stopping, is_stopped;
};

/* What is known of a store. */
struct address {
	UT_hash_handle hh;
	uint64_t store;
	char *text; /* NULL: unknown */
	uint64_t incarnation; /* of the last life that is on record */
	uint64_t birth; /* 0: unknown */
	bool is_out;
};

struct net_transport {
	struct transport base;
	const struct link_self *self;
	const struct logger *logger;
	struct raftkv *raftkv;
	pthread_mutex_t lock; /* of the addresses */
	struct address *addresses;
	_Atomic uint64_t messages_sent, messages_received, messages_dropped;
	_Atomic uint64_t frames_sent, bytes_sent, bytes_received;
	struct net_pace pace;
	_Atomic uint32_t lanes_running;
	struct env_mail stopped_mail;
	void (*stopped)(void *argument);
	void *stopped_argument;
	uint32_t lane_count;
	struct lane lanes[];
};

static void count(_Atomic uint64_t *counter, uint64_t by)
{
	atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

static struct lane *lane_here(struct net_transport *transport)
{
	for (uint32_t i = 0; i < transport->lane_count; i++)
		if (env_loop_is_current(transport->lanes[i].loop))
			return &transport->lanes[i];
	return NULL;
}

/* ---- Addresses -------------------------------------------------------------------------------------------------- */

/* Under the lock. NULL: no memory. */
static struct address *find_or_add(struct net_transport *transport, uint64_t store)
{
	struct address *address;

	HASH_FIND(hh, transport->addresses, &store, sizeof store, address);
	if (address)
		return address;
	address = calloc(1, sizeof *address);
	if (!address)
		return NULL;
	address->store = store;
	HASH_ADD(hh, transport->addresses, store, sizeof store, address);
	return address;
}

int net_transport_set_address(struct net_transport *transport, uint64_t store, const char *text)
{
	struct address *address;
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	pthread_mutex_lock(&transport->lock);
	address = find_or_add(transport, store);
	if (address) {
		free(address->text);
		address->text = copy;
	}
	pthread_mutex_unlock(&transport->lock);
	if (!address)
		free(copy);
	return address ? 0 : -ENOMEM;
}

int net_transport_set_life(
	struct net_transport *transport, uint64_t store, uint64_t incarnation, uint64_t birth, bool is_out)
{
	struct address *address;

	pthread_mutex_lock(&transport->lock);
	address = find_or_add(transport, store);
	if (address && incarnation > address->incarnation)
		address->incarnation = incarnation;
	if (address && birth > 0)
		address->birth = birth;
	if (address)
		address->is_out |= is_out;
	pthread_mutex_unlock(&transport->lock);
	return address ? 0 : -ENOMEM;
}

/* Is that life of the store welcome? */
static int check_life(struct net_transport *transport, const Raftkv__Hello *hello, struct status *refusal)
{
	uint64_t store = hello->store;
	struct address known = {0};
	struct address *address;

	pthread_mutex_lock(&transport->lock);
	HASH_FIND(hh, transport->addresses, &store, sizeof store, address);
	if (address)
		known = *address;
	pthread_mutex_unlock(&transport->lock);
	if (planted("members:old_lives_welcome"))
		return 0;
	if (known.is_out)
		return status_set(
			refusal, -ESTALE, "store %" PRIu64 " is no member of the cluster any more", store);
	if (known.birth > 0 && hello->birth > 0 && known.birth != hello->birth)
		return status_set(refusal, -ESTALE,
			"this is not the directory of store %" PRIu64 ", but one that was made anew", store);
	if (hello->incarnation < known.incarnation)
		return status_set(refusal, -ESTALE,
			"this is life %" PRIu64 " of store %" PRIu64 ", and life %" PRIu64
			" has been here: an old copy",
			hello->incarnation, store, known.incarnation);
	return 0;
}

/* The caller's to free; NULL: unknown. */
static char *address_of(struct net_transport *transport, uint64_t store)
{
	struct address *address;
	char *text;

	pthread_mutex_lock(&transport->lock);
	HASH_FIND(hh, transport->addresses, &store, sizeof store, address);
	text = address && address->text ? strdup(address->text) : NULL;
	pthread_mutex_unlock(&transport->lock);
	return text;
}

/* ---- Letters that wait ------------------------------------------------------------------------------------------ */

static void letters_push(struct letters *letters, struct letter *letter)
{
	if (!letters->first)
		letters->end = &letters->first;
	*letters->end = letter;
	letters->end = &letter->next;
	letters->count++;
	letters->size += letter->size + letter->payload_size;
}

static struct letter *letters_pop(struct letters *letters)
{
	struct letter *letter = letters->first;

	letters->first = letter->next;
	letters->count--;
	letters->size -= letter->size + letter->payload_size;
	return letter;
}

/* It will not arrive. */
static void drop(struct net_transport *transport, struct letter *letter)
{
	count(&transport->messages_dropped, 1);
	raftkv_report_unreachable(transport->raftkv, letter->message.region, letter->to.id);
	letter_free(letter);
}

static void drop_waiting(struct remote *remote)
{
	while (remote->waiting.first)
		drop(remote->lane->transport, letters_pop(&remote->waiting));
}

/* ---- Sending ---------------------------------------------------------------------------------------------------- */

struct batch {
	struct letter *letters[BATCH_COUNT_MAX];
	Raftkv__PeerMessage *messages[BATCH_COUNT_MAX];
	struct buf *attachments[FRAME_ATTACHMENTS_MAX];
	uint32_t count, attachment_count;
	size_t size, payload_size;
};

/* Whether the letter fits behind those that are in the batch. */
static bool fits(const struct batch *batch, const struct letter *letter)
{
	return batch->count < BATCH_COUNT_MAX && batch->size + letter->size <= FRAME_HEAD_SIZE_MAX &&
	       (batch->count == 0 || batch->size + letter->size <= BATCH_SIZE_MAX) &&
	       batch->attachment_count + letter->payload_count <= FRAME_ATTACHMENTS_MAX &&
	       batch->payload_size + letter->payload_size <= FRAME_ATTACHMENTS_SIZE_MAX;
}

static void fill(struct batch *batch, struct letters *letters)
{
	batch->count = batch->attachment_count = 0;
	batch->size = batch->payload_size = 0;
	while (letters->first && fits(batch, letters->first)) {
		struct letter *letter = letters_pop(letters);

		batch->letters[batch->count] = letter;
		batch->messages[batch->count++] = &letter->message;
		batch->attachment_count = letter_attach(letter, batch->attachments, batch->attachment_count);
		batch->size += letter->size;
		batch->payload_size += letter->payload_size;
	}
}

static int send_batch(struct remote *remote, struct batch *batch)
{
	struct net_transport *transport = remote->lane->transport;
	Raftkv__PeerMessages messages = RAFTKV__PEER_MESSAGES__INIT;
	int status;

	messages.n_messages = batch->count;
	messages.messages = batch->messages;
	status = link_send(remote->link, FRAME_PEER_MESSAGES, 0, &messages.base, batch->attachments,
		batch->attachment_count);
	if (status == 0) {
		count(&transport->frames_sent, 1);
		count(&transport->messages_sent, batch->count);
		count(&transport->bytes_sent, batch->size + batch->payload_size);
	}
	for (uint32_t i = 0; i < batch->count; i++) {
		if (status == 0)
			letter_free(batch->letters[i]);
		else
			drop(transport, batch->letters[i]);
	}
	return status;
}

static void flush(struct remote *remote)
{
	struct batch batch;
	int status = 0;

	if (!remote->is_open)
		return;
	while (remote->waiting.first && status == 0) {
		fill(&batch, &remote->waiting);
		if (batch.count > 0)
			status = send_batch(remote, &batch);
		else /* larger than any frame */
			drop(remote->lane->transport, letters_pop(&remote->waiting));
	}
	if (status < 0)
		drop_waiting(remote);
}

static void on_flush(struct env_mail *mail)
{
	struct lane *lane = container_of(mail, struct lane, flush_mail);

	lane->is_flush_posted = false;
	while (lane->dirty) {
		struct remote *remote = lane->dirty;

		lane->dirty = remote->next_dirty;
		remote->is_dirty = false;
		flush(remote);
	}
}

static void mark(struct remote *remote)
{
	struct lane *lane = remote->lane;

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

static void check_stopped(struct lane *lane);

static void on_opened(void *argument, struct link *link, const Raftkv__HelloReply *reply)
{
	struct remote *remote = argument;

	(void)link;
	remote->is_open = true;
	remote->pause_ms = 0;
	if (remote->is_down)
		log_info(remote->lane->transport->logger,
			"msg=\"a store is reached again\" store=%" PRIu64 " version=\"%.20s\"", remote->store,
			reply->version);
	remote->is_down = false;
	flush(remote);
}

static int on_strange(void *argument, struct link *link, const struct frame *frame)
{
	(void)argument;
	(void)link;
	(void)frame;
	return STATUS_MALFORMED; /* the other store answers on links of its own */
}

static void on_link_closed(void *argument, struct link *link, const struct status *why)
{
	struct remote *remote = argument;
	struct lane *lane = remote->lane;
	struct env *env = lane->transport->self->env;
	uint64_t random;

	(void)link;
	remote->link = NULL;
	remote->is_open = false;
	lane->link_count--;
	env_random(env, &random, sizeof random);
	remote->pause_ms = remote->pause_ms ? remote->pause_ms * 2 : PAUSE_FIRST_MS;
	if (remote->pause_ms > NET_TRANSPORT_PAUSE_MAX_MS)
		remote->pause_ms = NET_TRANSPORT_PAUSE_MAX_MS;
	remote->pause_until = env_now(env) + (remote->pause_ms / 2 + random % remote->pause_ms) * NS_PER_MS;
	if (!remote->is_down && !lane->is_stopping)
		log_warn(lane->transport->logger,
			"msg=\"a store is not reached\" store=%" PRIu64 " reason=\"%s\"", remote->store,
			why->text);
	remote->is_down = true;
	drop_waiting(remote);
	check_stopped(lane);
}

static const struct link_handlers outbound = {
	.opened = on_opened, .received = on_strange, .closed = on_link_closed};

/* False: it cannot be reached now. */
static bool begin_link(struct remote *remote)
{
	struct net_transport *transport = remote->lane->transport;
	struct link_handlers handlers = outbound;
	Raftkv__Hello hello = RAFTKV__HELLO__INIT;
	struct status status = {0};
	char *address;

	if (remote->lane->is_stopping || env_now(transport->self->env) < remote->pause_until)
		return false;
	address = address_of(transport, remote->store);
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

static struct remote *find_remote(struct lane *lane, uint64_t store)
{
	struct remote *remote;

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
	struct lane *lane = lane_here(transport);
	struct remote *remote = lane ? find_remote(lane, envelope->to.store) : NULL;
	struct letter *letter = remote ? letter_new(envelope, message) : NULL;

	if (!letter)
		return;
	if ((!remote->link && !begin_link(remote)) || remote->waiting.count >= WAITING_MAX ||
		remote->waiting.size >= WAITING_SIZE) {
		drop(transport, letter);
		return;
	}
	letters_push(&remote->waiting, letter);
	mark(remote);
}

static void send_snapshot(struct transport *base, const struct peer_envelope *envelope,
	const struct raft_message *message, struct snapshot_source *source)
{
	struct net_transport *transport = container_of(base, struct net_transport, base);
	char *address = address_of(transport, envelope->to.store);

	net_snapshots_send(&lane_here(transport)->snapshots, address, envelope, message, source);
	free(address);
}

static const struct transport_ops operations = {send, send_snapshot};

/* ---- Links of other stores -------------------------------------------------------------------------------------- */

static int take(struct inbound *inbound, const Raftkv__PeerMessage *letter, struct frame *frame)
{
	struct net_transport *transport = inbound->lane->transport;
	struct peer_envelope envelope;
	struct raft_message message;
	int status = letter_open(letter, frame, &envelope, &message);

	if (status < 0)
		return status;
	if (envelope.from.store != inbound->store || envelope.to.store != transport->self->store ||
		message.type == RAFT_MSG_SNAP) {
		raft_message_close(&message);
		return STATUS_MALFORMED;
	}
	raftkv_step(transport->raftkv, &envelope, &message);
	return 0;
}

static int on_received(void *argument, struct link *link, const struct frame *received)
{
	struct inbound *inbound = argument;
	struct net_transport *transport = inbound->lane->transport;
	struct frame frame = *received;
	Raftkv__PeerMessages *messages;
	int status = 0;

	(void)link;
	if (frame.type != FRAME_PEER_MESSAGES)
		return STATUS_MALFORMED;
	messages = raftkv__peer_messages__unpack(NULL, frame.head.size, frame.head.data);
	if (!messages)
		return STATUS_MALFORMED;
	count(&transport->messages_received, messages->n_messages);
	count(&transport->bytes_received, frame.head.size);
	for (uint32_t i = 0; i < frame.attachment_count; i++)
		count(&transport->bytes_received, frame.attachments[i]->size);
	for (size_t i = 0; i < messages->n_messages && status == 0; i++)
		status = take(inbound, messages->messages[i], &frame);
	raftkv__peer_messages__free_unpacked(messages, NULL);
	return status;
}

static void on_inbound_closed(void *argument, struct link *link, const struct status *why)
{
	struct inbound *inbound = argument;
	struct lane *lane = inbound->lane;

	(void)link;
	if (why->code == STATUS_MALFORMED || why->code == STATUS_CORRUPT || why->code == STATUS_LIMIT)
		tally_note(&lane->nonsense, "store %" PRIu64 ": %s", inbound->store, why->text);
	*inbound->self = inbound->next;
	if (inbound->next)
		inbound->next->self = inbound->self;
	free(inbound);
	lane->inbound_count--;
	lane->link_count--;
	check_stopped(lane);
}

static const struct link_handlers accepted = {.received = on_received, .closed = on_inbound_closed};

static bool is_peer(struct net_transport *transport, const Raftkv__Hello *hello, struct status *refusal)
{
	bool is = hello->store != 0 && hello->store != transport->self->store && hello->cluster != 0;

	if (!is)
		status_set(refusal, -EINVAL, "store %" PRIu64 " cannot be a peer of store %" PRIu64,
			hello->store, transport->self->store);
	return is && check_life(transport, hello, refusal) == 0;
}

int net_transport_greet_snapshot(
	void *argument, struct link *link, const Raftkv__Hello *hello, struct status *refusal)
{
	struct net_transport *transport = argument;
	struct lane *lane = lane_here(transport);

	if (!is_peer(transport, hello, refusal))
		return refusal->code;
	if (!lane)
		return status_set(refusal, -EBUSY, "this store takes no links here");
	return net_snapshots_greet(&lane->snapshots, link, hello, refusal);
}

int net_transport_greet(void *argument, struct link *link, const Raftkv__Hello *hello, struct status *refusal)
{
	struct net_transport *transport = argument;
	struct lane *lane = lane_here(transport);
	struct link_handlers handlers = accepted;
	struct inbound *inbound;

	if (!is_peer(transport, hello, refusal))
		return refusal->code;
	if (lane && lane->inbound_count >= INBOUNDS_MAX)
		return status_set(refusal, -EBUSY, "%u links of stores are open already", INBOUNDS_MAX);
	inbound = lane && !lane->is_stopping ? calloc(1, sizeof *inbound) : NULL;
	if (!inbound)
		return status_set(refusal, -EBUSY, "this store is stopping, or out of memory");
	inbound->lane = lane;
	inbound->link = link;
	inbound->store = hello->store;
	inbound->next = lane->inbounds;
	inbound->self = &lane->inbounds;
	if (inbound->next)
		inbound->next->self = &inbound->next;
	lane->inbounds = inbound;
	lane->inbound_count++;
	lane->link_count++;
	handlers.argument = inbound;
	link_adopt(link, &handlers);
	link_set_budget(link, &lane->budget);
	return 0;
}

/* ---- Life ------------------------------------------------------------------------------------------------------- */

static void on_snapshot_ended(void *argument)
{
	check_stopped(argument);
}

static void init_lane(struct lane *lane, struct net_transport *transport, struct env_loop *loop)
{
	*lane = (struct lane){
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
}

void net_transport_read_stats(const struct net_transport *transport, struct net_transport_stats *stats)
{
	*stats = (struct net_transport_stats){
		.messages_sent = atomic_load(&transport->messages_sent),
		.messages_received = atomic_load(&transport->messages_received),
		.messages_dropped = atomic_load(&transport->messages_dropped),
		.frames_sent = atomic_load(&transport->frames_sent),
		.bytes_sent = atomic_load(&transport->bytes_sent),
		.bytes_received = atomic_load(&transport->bytes_received),
	};
}

static void on_stopped(struct env_mail *mail)
{
	struct net_transport *transport = container_of(mail, struct net_transport, stopped_mail);

	transport->stopped(transport->stopped_argument);
}

static void check_stopped(struct lane *lane)
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
	struct lane *lane = container_of(mail, struct lane, stop_mail);

	lane->is_stopping = true;
	lane->snapshots.is_stopping = true;
	net_snapshots_stop_sending(&lane->snapshots);
	net_snapshots_stop_receiving(&lane->snapshots);
	for (struct remote *remote = lane->remotes; remote; remote = remote->hh.next)
		if (remote->link)
			link_close(remote->link, NULL);
	for (struct inbound *inbound = lane->inbounds; inbound; inbound = inbound->next)
		link_close(inbound->link, NULL);
	check_stopped(lane);
}

void net_transport_stop(struct net_transport *transport, void (*stopped)(void *argument), void *argument)
{
	transport->stopped = stopped;
	transport->stopped_argument = argument;
	atomic_store(&transport->lanes_running, transport->lane_count);
	for (uint32_t i = 0; i < transport->lane_count; i++)
		env_post(transport->lanes[i].loop, &transport->lanes[i].stop_mail, on_stop);
}

static void free_lane(struct lane *lane)
{
	struct remote *remote, *next;

	HASH_ITER (hh, lane->remotes, remote, next) {
		while (remote->waiting.first)
			letter_free(letters_pop(&remote->waiting));
		HASH_DEL(lane->remotes, remote);
		free(remote);
	}
}

void net_transport_free(struct net_transport *transport)
{
	struct address *address, *next;

	if (!transport)
		return;
	for (uint32_t i = 0; i < transport->lane_count; i++)
		free_lane(&transport->lanes[i]);
	HASH_ITER (hh, transport->addresses, address, next) {
		HASH_DEL(transport->addresses, address);
		free(address->text);
		free(address);
	}
	pthread_mutex_destroy(&transport->pace.lock);
	pthread_mutex_destroy(&transport->lock);
	free(transport);
}
