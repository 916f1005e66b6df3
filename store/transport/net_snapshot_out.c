/* Snapshots being sent. */
#include "store/transport/net_snapshots.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "proto/container.h"
#include "proto/units.h"
#include "store/transport/peer_message.h"

struct net_snapshot_out {
	struct net_snapshot_out *next;
	struct net_snapshots *owner;
	struct link *link; /* NULL: closed */
	struct peer_message *peer_message; /* MsgSnap */
	uint64_t region, replica; /* the receiver's */
	struct snapshot_source *source;
	struct env_work work;
	bool is_working;
	int status; /* of the work */
	struct buf *chunk; /* read and not sent yet; used by the worker while it runs */
	bool is_read; /* all chunks have been read */
	bool is_done; /* the receiver has the whole snapshot */
	int result; /* the final status, for the report */
	uint32_t unanswered; /* frames */
	uint64_t due; /* env_now: the rate limit allows the next chunk from here on */
	uint64_t heard; /* env_now */
	struct env_timer timer;
};

/* ---- Pace ------------------------------------------------------------------------------------------------------- */

/* Reserves `size` bytes; returns when they may be sent. */
static uint64_t reserve(struct net_pace *pace, uint64_t now, size_t size)
{
	uint64_t due;

	pthread_mutex_lock(&pace->lock);
	due = pace->free_at > now ? pace->free_at : now;
	if (pace->rate > 0)
		pace->free_at = due + (uint64_t)size * NS_PER_S / pace->rate;
	pthread_mutex_unlock(&pace->lock);
	return due;
}

/* ---- Ending ----------------------------------------------------------------------------------------------------- */

static void out_free(struct net_snapshot_out *out)
{
	struct net_snapshots *owner = out->owner;
	struct net_snapshot_out **link = &owner->out;

	while (*link != out)
		link = &(*link)->next;
	*link = out->next;
	env_timer_stop(&out->timer);
	snapshot_source_free(out->source);
	raftkv_report_snapshot(*owner->raftkv, out->region, out->replica, out->result);
	buf_unref(out->chunk);
	if (out->peer_message)
		peer_message_free(out->peer_message);
	free(out);
	owner->count--;
	owner->ended(owner->argument);
}

static void snapshot_out_on_closed(void *argument, struct link *link, const struct status *why)
{
	struct net_snapshot_out *out = argument;

	(void)link;
	out->link = NULL;
	if (!out->is_done && !out->owner->is_stopping)
		log_warn(out->owner->logger,
			"msg=\"a snapshot was not sent\" region=%" PRIu64 " replica=%" PRIu64
			" reason=\"%s\"",
			out->region, out->replica, why->code < 0 ? why->text : "given up");
	if (!out->is_working)
		out_free(out);
}

static void snapshot_out_end(struct net_snapshot_out *out, int code, const char *sentence)
{
	struct status why = {0};

	status_set(&why, code, "%s", sentence);
	if (out->link)
		link_close(out->link, &why);
}

/* ---- Sending ---------------------------------------------------------------------------------------------------- */

static void snapshot_out_go_on(struct net_snapshot_out *out);

static void read_chunk(struct env_work *work)
{
	struct net_snapshot_out *out = container_of(work, struct net_snapshot_out, work);

	out->status = snapshot_source_next(out->source, &out->chunk);
}

static void on_read(struct env_work *work)
{
	struct net_snapshot_out *out = container_of(work, struct net_snapshot_out, work);

	out->is_working = false;
	if (!out->link) {
		out_free(out);
		return;
	}
	if (out->status == STATUS_NOT_FOUND)
		out->is_read = true;
	else if (out->status < 0)
		snapshot_out_end(out, out->status, status_name(out->status));
	else
		out->due = reserve(out->owner->pace, env_now(out->owner->self->env), out->chunk->size);
	snapshot_out_go_on(out);
}

static void send_chunk(struct net_snapshot_out *out)
{
	int status = link_send(out->link, FRAME_SNAPSHOT_CHUNK, 0, NULL, &out->chunk, 1);

	if (status < 0)
		snapshot_out_end(out, status, status_name(status));
	buf_unref(out->chunk);
	out->chunk = NULL;
	out->unanswered++;
}

static void snapshot_out_on_timer(struct env_timer *timer)
{
	struct net_snapshot_out *out = container_of(timer, struct net_snapshot_out, timer);
	uint64_t patience = NET_SNAPSHOT_PATIENCE_MS * NS_PER_MS;

	if (out->unanswered > 0 && env_now(out->owner->self->env) >= out->heard + patience)
		snapshot_out_end(out, -ETIMEDOUT, "the receiver does not answer");
	else
		snapshot_out_go_on(out);
}

static void snapshot_out_set_timer(struct net_snapshot_out *out, uint64_t now)
{
	uint64_t deadline = out->heard + NET_SNAPSHOT_PATIENCE_MS * NS_PER_MS;

	if (!out->is_working && out->chunk && out->due > now && out->due < deadline)
		deadline = out->due;
	env_timer_start(&out->timer, out->owner->loop, deadline > now ? deadline : now + NS_PER_MS,
		snapshot_out_on_timer);
}

/* Sends the chunk if that is allowed now, and begins to read the next one. */
static void snapshot_out_go_on(struct net_snapshot_out *out)
{
	uint64_t now = env_now(out->owner->self->env);

	if (!out->link)
		return;
	if (!out->is_working && out->chunk && out->due <= now && out->unanswered < NET_SNAPSHOT_WINDOW)
		send_chunk(out);
	if (!out->is_working && !out->chunk && !out->is_read) {
		out->is_working = true;
		env_work_submit(out->owner->loop, &out->work, read_chunk, on_read);
	}
	snapshot_out_set_timer(out, now);
}

/* ---- The receiver's answers ------------------------------------------------------------------------------------- */

static int on_answer(struct net_snapshot_out *out, const Raftkv__SnapshotAnswer *answer)
{
	if (out->unanswered == 0)
		return STATUS_MALFORMED;
	out->unanswered--;
	out->heard = env_now(out->owner->self->env);
	out->is_done = answer->is_done && answer->status == 0;
	if (answer->status < 0 || out->is_done)
		out->result = answer->status;
	if (answer->status < 0)
		snapshot_out_end(out, answer->status, status_name(answer->status));
	else if (answer->is_done)
		link_close(out->link, NULL);
	else
		snapshot_out_go_on(out);
	return 0;
}

static int snapshot_out_on_received(void *argument, struct link *link, const struct frame *frame)
{
	Raftkv__SnapshotAnswer *answer;
	int status;

	(void)link;
	if (frame->type != FRAME_SNAPSHOT_ANSWER)
		return STATUS_MALFORMED;
	answer = raftkv__snapshot_answer__unpack(NULL, frame->head.size, frame->head.data);
	if (!answer)
		return STATUS_MALFORMED;
	status = on_answer(argument, answer);
	raftkv__snapshot_answer__free_unpacked(answer, NULL);
	return status;
}

static void on_opened(void *argument, struct link *link, const Raftkv__HelloReply *reply)
{
	struct net_snapshot_out *out = argument;
	int status = link_send(link, FRAME_SNAPSHOT, 0, &out->peer_message->message.base, NULL, 0);

	(void)reply;
	if (status < 0)
		snapshot_out_end(out, status, status_name(status));
	out->heard = env_now(out->owner->self->env);
	out->unanswered++;
	snapshot_out_go_on(out);
}

/* ---- Beginning -------------------------------------------------------------------------------------------------- */

static const struct link_handlers handlers = {
	.opened = on_opened, .received = snapshot_out_on_received, .closed = snapshot_out_on_closed};

static int snapshot_out_begin(struct net_snapshot_out *out, const char *address, uint64_t store)
{
	struct link_handlers own = handlers;
	Raftkv__Hello hello = RAFTKV__HELLO__INIT;
	struct status status = {0};

	if (!out->peer_message)
		return -ENOMEM;
	if (!address || out->owner->is_stopping)
		return -EHOSTUNREACH;
	hello.role = RAFTKV__ROLE__SNAPSHOT;
	hello.receiver = store;
	own.argument = out;
	return link_connect(out->owner->self, out->owner->loop, address, &hello, &own, &out->link, &status);
}

void net_snapshots_send(struct net_snapshots *snapshots, const char *address,
	const struct peer_envelope *envelope, const struct raft_message *message,
	struct snapshot_source *source)
{
	struct net_snapshot_out *out = calloc(1, sizeof *out);

	if (!out) {
		snapshot_source_free(source);
		raftkv_report_snapshot(*snapshots->raftkv, envelope->region, envelope->to.id, -ENOMEM);
		return;
	}
	out->owner = snapshots;
	out->source = source;
	out->result = -EPIPE;
	out->region = envelope->region;
	out->replica = envelope->to.id;
	out->peer_message = peer_message_new(envelope, message);
	out->next = snapshots->out;
	snapshots->out = out;
	snapshots->count++;
	if (snapshot_out_begin(out, address, envelope->to.store) < 0)
		out_free(out);
}

void net_snapshots_stop_sending(struct net_snapshots *snapshots)
{
	for (struct net_snapshot_out *out = snapshots->out; out; out = out->next)
		if (out->link)
			link_close(out->link, NULL);
}
