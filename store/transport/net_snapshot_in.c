/* Snapshots being received. */
#include "store/transport/net_snapshots.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "proto/container.h"
#include "proto/units.h"
#include "store/transport/peer_message.h"

struct net_snapshot_in {
	struct net_snapshot_in *next;
	struct net_snapshots *owner;
	struct link *link; /* NULL: closed */
	uint64_t store; /* the sender's */
	bool is_begun; /* `message` came */
	struct peer_envelope envelope;
	struct raft_message message;
	struct snapshot_sink *sink; /* NULL: none yet, or given back */
	bool is_accepted; /* the sink is there, or was */
	struct buf *chunks[NET_SNAPSHOT_WINDOW]; /* received chunks that are not written to the sink */
	uint32_t chunk_count;
	struct env_work work;
	bool is_working;
	bool is_done; /* the sink has the whole snapshot and is freed */
	int status; /* of the work; negative: no more chunks are accepted */
	struct env_timer timer;
};

/* ---- Ending ----------------------------------------------------------------------------------------------------- */

static void in_free(struct net_snapshot_in *in)
{
	struct net_snapshots *owner = in->owner;
	struct net_snapshot_in **link = &owner->in;

	while (*link != in)
		link = &(*link)->next;
	*link = in->next;
	env_timer_stop(&in->timer);
	raft_message_close(&in->message);
	for (uint32_t i = 0; i < in->chunk_count; i++)
		buf_unref(in->chunks[i]);
	free(in);
	owner->count--;
	owner->in_count--;
	owner->ended(owner->argument);
}

static void abort_sink(struct env_work *work)
{
	struct net_snapshot_in *in = container_of(work, struct net_snapshot_in, work);

	snapshot_sink_abort(in->sink);
	in->sink = NULL;
}

static void on_aborted(struct env_work *work)
{
	in_free(container_of(work, struct net_snapshot_in, work));
}

/* Ends the transfer: the link is closed and no work is on a worker. */
static void snapshot_in_leave(struct net_snapshot_in *in)
{
	if (in->sink)
		env_work_submit(in->owner->loop, &in->work, abort_sink, on_aborted);
	else
		in_free(in);
}

static void snapshot_in_on_closed(void *argument, struct link *link, const struct status *why)
{
	struct net_snapshot_in *in = argument;

	(void)link;
	in->link = NULL;
	env_timer_stop(&in->timer);
	if (!in->is_done && !in->owner->is_stopping && in->is_begun)
		log_warn(in->owner->logger,
			"msg=\"a snapshot was not received\" region=%" PRIu64 " store=%" PRIu64
			" reason=\"%s\"",
			in->envelope.region, in->store, in->status < 0 ? status_name(in->status) : why->text);
	if (!in->is_working)
		snapshot_in_leave(in);
}

static void snapshot_in_on_timer(struct env_timer *timer)
{
	struct net_snapshot_in *in = container_of(timer, struct net_snapshot_in, timer);
	struct status why = {0};

	status_set(&why, -ETIMEDOUT, "the sender sends nothing");
	link_close(in->link, &why);
}

static void note_heard(struct net_snapshot_in *in)
{
	uint64_t now = env_now(in->owner->self->env);

	env_timer_start(&in->timer, in->owner->loop, now + 2 * (uint64_t)NET_SNAPSHOT_PATIENCE_MS * NS_PER_MS,
		snapshot_in_on_timer);
}

/* ---- Taking in -------------------------------------------------------------------------------------------------- */

static void answer(struct net_snapshot_in *in)
{
	Raftkv__SnapshotAnswer said = RAFTKV__SNAPSHOT_ANSWER__INIT;
	struct status why = {0};
	int status;

	said.status = in->status;
	said.is_done = in->is_done;
	status = link_send(in->link, FRAME_SNAPSHOT_ANSWER, 0, &said.base, NULL, 0);
	if (status < 0) {
		status_set(&why, status, "the answer cannot be sent");
		link_close(in->link, &why);
	}
}

static void snapshot_in_take(struct env_work *work)
{
	struct net_snapshot_in *in = container_of(work, struct net_snapshot_in, work);
	struct raftkv *raftkv = *in->owner->raftkv;

	if (!in->is_accepted) {
		in->status = raftkv_receive_snapshot(raftkv, &in->envelope, &in->message, &in->sink);
		return;
	}
	in->status = snapshot_sink_write(in->sink, buf_slice(in->chunks[0]));
	if (in->status < 0 || !snapshot_sink_is_complete(in->sink))
		return;
	in->status = snapshot_sink_finish(in->sink);
	in->sink = NULL;
	in->is_done = in->status == 0;
}

static void snapshot_in_go_on(struct net_snapshot_in *in);

static void drop_first(struct net_snapshot_in *in)
{
	buf_unref(in->chunks[0]);
	in->chunk_count--;
	for (uint32_t i = 0; i < in->chunk_count; i++)
		in->chunks[i] = in->chunks[i + 1];
}

static void on_taken(struct env_work *work)
{
	struct net_snapshot_in *in = container_of(work, struct net_snapshot_in, work);

	in->is_working = false;
	if (in->is_accepted)
		drop_first(in);
	in->is_accepted = in->status == 0;
	if (!in->link) {
		snapshot_in_leave(in);
		return;
	}
	answer(in);
	snapshot_in_go_on(in);
}

static void snapshot_in_go_on(struct net_snapshot_in *in)
{
	if (!in->link || in->is_working || in->is_done || in->status < 0)
		return;
	if (in->is_accepted && in->chunk_count == 0)
		return;
	in->is_working = true;
	env_work_submit(in->owner->loop, &in->work, snapshot_in_take, on_taken);
}

/* ---- What comes ------------------------------------------------------------------------------------------------- */

static int snapshot_in_begin(struct net_snapshot_in *in, const struct frame *received)
{
	struct frame frame = *received;
	Raftkv__PeerMessage *peer_message;
	int status;

	if (in->is_begun)
		return STATUS_MALFORMED;
	peer_message = raftkv__peer_message__unpack(NULL, frame.head.size, frame.head.data);
	if (!peer_message)
		return STATUS_MALFORMED;
	status = peer_message_open(peer_message, &frame, &in->envelope, &in->message);
	raftkv__peer_message__free_unpacked(peer_message, NULL);
	if (status < 0)
		return status;
	in->is_begun = true;
	if (in->envelope.from.store != in->store)
		return STATUS_MALFORMED;
	snapshot_in_go_on(in);
	return 0;
}

static int add_chunk(struct net_snapshot_in *in, const struct frame *frame)
{
	if (!in->is_begun || in->is_done || frame->attachment_count != 1 ||
		frame->attachments[0]->size > SNAPSHOT_CHUNK_SIZE_MAX ||
		in->chunk_count == NET_SNAPSHOT_WINDOW)
		return STATUS_MALFORMED;
	in->chunks[in->chunk_count++] = buf_ref(frame->attachments[0]);
	snapshot_in_go_on(in);
	return 0;
}

static int snapshot_in_on_received(void *argument, struct link *link, const struct frame *frame)
{
	struct net_snapshot_in *in = argument;

	(void)link;
	note_heard(in);
	if (frame->type == FRAME_SNAPSHOT)
		return snapshot_in_begin(in, frame);
	return frame->type == FRAME_SNAPSHOT_CHUNK ? add_chunk(in, frame) : STATUS_MALFORMED;
}

static const struct link_handlers handlers = {
	.received = snapshot_in_on_received, .closed = snapshot_in_on_closed};

int net_snapshots_greet(struct net_snapshots *snapshots, struct link *link, const Raftkv__Hello *hello,
	struct status *refusal)
{
	struct link_handlers own = handlers;
	struct net_snapshot_in *in;

	if (snapshots->in_count >= NET_SNAPSHOTS_IN_MAX)
		return status_set(
			refusal, -EBUSY, "this store receives %u snapshots already", NET_SNAPSHOTS_IN_MAX);
	in = snapshots->is_stopping ? NULL : calloc(1, sizeof *in);
	if (!in)
		return status_set(refusal, -EBUSY, "this store is stopping, or out of memory");
	in->owner = snapshots;
	in->link = link;
	in->store = hello->store;
	in->next = snapshots->in;
	snapshots->in = in;
	snapshots->count++;
	snapshots->in_count++;
	own.argument = in;
	link_adopt(link, &own);
	link_set_budget(link, snapshots->budget);
	note_heard(in);
	return 0;
}

void net_snapshots_stop_receiving(struct net_snapshots *snapshots)
{
	for (struct net_snapshot_in *in = snapshots->in; in; in = in->next)
		if (in->link)
			link_close(in->link, NULL);
}
