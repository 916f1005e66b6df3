/* Links that other stores began. A link is accepted once its sender's life is on record here (lives.h). */
#include "store/transport/net_transport_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "proto/container.h"
#include "store/transport/peer_message.h"

#define INBOUNDS_MAX 1024u /* links that other stores began, per lane */

/* ---- What comes ------------------------------------------------------------------------------------------------- */

static int inbound_take(struct inbound *inbound, const Raftkv__PeerMessage *peer_message, struct frame *frame)
{
	struct net_transport *transport = inbound->lane->transport;
	struct peer_envelope envelope;
	struct raft_message message;
	int status = peer_message_open(peer_message, frame, &envelope, &message);

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

static int inbound_on_received(void *argument, struct link *link, const struct frame *received)
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
	if (messages->alive > 0)
		raftkv_hear_alive(transport->raftkv, inbound->store, messages->alive);
	net_count(&transport->messages_received, messages->n_messages);
	net_count(&transport->bytes_received, frame.head.size);
	for (uint32_t i = 0; i < frame.attachment_count; i++)
		net_count(&transport->bytes_received, frame.attachments[i]->size);
	for (size_t i = 0; i < messages->n_messages && status == 0; i++)
		status = inbound_take(inbound, messages->messages[i], &frame);
	raftkv__peer_messages__free_unpacked(messages, NULL);
	return status;
}

/* ---- Greeting --------------------------------------------------------------------------------------------------- */

static void inbound_free(struct inbound *inbound)
{
	struct net_lane *lane = inbound->lane;

	*inbound->self = inbound->next;
	if (inbound->next)
		inbound->next->self = inbound->self;
	free(inbound);
	lane->inbound_count--;
	lane->link_count--;
	net_check_stopped(lane);
}

static void inbound_on_closed(void *argument, struct link *link, const struct status *why)
{
	struct inbound *inbound = argument;

	(void)link;
	if (why->code == STATUS_MALFORMED || why->code == STATUS_CORRUPT || why->code == STATUS_LIMIT)
		tally_note(&inbound->lane->nonsense, "store %" PRIu64 ": %s", inbound->store, why->text);
	inbound->link = NULL;
	if (!inbound->is_waiting)
		inbound_free(inbound);
}

static const struct link_handlers handlers = {.received = inbound_on_received, .closed = inbound_on_closed};

static void on_admitted(struct life_admission *admission, int status)
{
	struct inbound *inbound = container_of(admission, struct inbound, admission);
	struct status refusal = {0};

	inbound->is_waiting = false;
	if (!inbound->link) {
		inbound_free(inbound);
		return;
	}
	if (status < 0)
		status_set(&refusal, -EIO, "its life cannot be recorded here: %s", status_name(status));
	link_answer(inbound->link, &refusal);
}

static int inbound_admit(struct net_transport *transport, const Raftkv__Hello *hello,
	struct life_admission *admission, struct status *refusal)
{
	const struct life_claim claim = {.store = hello->store,
		.directory_id = hello->directory_id,
		.incarnation = hello->incarnation,
		.lives = hello->lives,
		.life_count = hello->n_lives};

	if (hello->store == 0 || hello->store == transport->self->store || hello->cluster == 0)
		return status_set(refusal, -EINVAL, "store %" PRIu64 " cannot be a peer of store %" PRIu64,
			hello->store, transport->self->store);
	return raftkv_admit(transport->raftkv, &claim, admission, refusal);
}

/* A snapshot is sent after messages, whose link has put the sender's life on record. */
int net_transport_greet_snapshot(
	void *argument, struct link *link, const Raftkv__Hello *hello, struct status *refusal)
{
	struct net_transport *transport = argument;
	struct net_lane *lane = net_lane_here(transport);
	int code = inbound_admit(transport, hello, NULL, refusal);

	if (code == STATUS_WOULD_BLOCK)
		return status_set(refusal, -EAGAIN, "its life is not on record yet");
	if (code < 0)
		return code;
	if (!lane)
		return status_set(refusal, -EBUSY, "this store takes no links here");
	return net_snapshots_greet(&lane->snapshots, link, hello, refusal);
}

static void add_inbound(struct inbound *inbound, struct net_lane *lane, struct link *link, uint64_t store)
{
	struct link_handlers own = handlers;

	inbound->lane = lane;
	inbound->link = link;
	inbound->store = store;
	inbound->next = lane->inbounds;
	inbound->self = &lane->inbounds;
	if (inbound->next)
		inbound->next->self = &inbound->next;
	lane->inbounds = inbound;
	lane->inbound_count++;
	lane->link_count++;
	own.argument = inbound;
	link_adopt(link, &own);
	link_set_budget(link, &lane->budget);
}

int net_transport_greet(void *argument, struct link *link, const Raftkv__Hello *hello, struct status *refusal)
{
	struct net_transport *transport = argument;
	struct net_lane *lane = net_lane_here(transport);
	struct inbound *inbound;
	int code;

	if (lane && lane->inbound_count >= INBOUNDS_MAX)
		return status_set(refusal, -EBUSY, "%u links of stores are open already", INBOUNDS_MAX);
	inbound = lane && !lane->is_stopping ? calloc(1, sizeof *inbound) : NULL;
	if (!inbound)
		return status_set(refusal, -EBUSY, "this store is stopping, or out of memory");
	inbound->admission.done = on_admitted;
	code = inbound_admit(transport, hello, &inbound->admission, refusal);
	if (code < 0 && code != STATUS_WOULD_BLOCK) {
		free(inbound);
		return code;
	}
	inbound->is_waiting = code == STATUS_WOULD_BLOCK;
	add_inbound(inbound, lane, link, hello->store);
	if (inbound->is_waiting)
		link_defer(link);
	return 0;
}
