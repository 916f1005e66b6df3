#include "tests/lib/sim_stream.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/check.h"
#include "proto/container.h"
#include "store/peer/store.h"
#include "store/raftkv.h"

#define WATCH_NS (2 * (uint64_t)SIM_S) /* without progress, and a stream breaks */

/* One end, in the process that it began with. */
struct side {
	struct env_mail mail;
	struct env_mail break_mail; /* `mail` may be on its way to a paused process */
	struct env_work work;
	struct sim_stream *stream;
	struct sim_transport_end *end;
	struct raftkv *raftkv;
	bool is_working;
	bool is_done; /* has given back what it had */
};

struct sim_stream {
	struct sim_stream *next;
	struct sim_transport *transport;
	struct peer_envelope envelope;
	struct raft_message message; /* the receiver's, until it is given */
	struct side sender, receiver;
	struct snapshot_source *source;
	struct snapshot_sink *sink;
	struct buf *chunk; /* on its way; NULL: the end is */
	int status; /* of what the receiver did with it */
	uint64_t steps, steps_seen;
	bool is_broken, is_finished;
};

static bool is_alive(const struct side *side)
{
	return *side->end->raftkv == side->raftkv;
}

static struct env_loop *loop_of(const struct side *side)
{
	return side->raftkv->shards[0].loop;
}

/* ---- Breaking --------------------------------------------------------------------------------------------------- */

static void report(struct sim_stream *stream, bool has_failed)
{
	int status = stream->status < 0 && stream->status != STATUS_NOT_FOUND ? stream->status : -EPIPE;

	raftkv_report_snapshot(stream->sender.raftkv, stream->envelope.region, stream->envelope.to.id,
		has_failed ? status : 0);
}

static void give_source_back(struct sim_stream *stream, bool has_failed)
{
	if (stream->sender.is_done)
		return;
	stream->sender.is_done = true;
	snapshot_source_free(stream->source);
	report(stream, has_failed);
}

static void abort_sink(struct env_work *work)
{
	struct sim_stream *stream = container_of(work, struct sim_stream, receiver.work);

	snapshot_sink_abort(stream->sink);
	stream->sink = NULL;
}

static void on_aborted(struct env_work *work)
{
	container_of(work, struct side, work)->is_working = false;
}

static void give_sink_back(struct sim_stream *stream)
{
	struct side *side = &stream->receiver;

	if (side->is_done)
		return;
	side->is_done = true;
	if (!stream->sink)
		return;
	side->is_working = true;
	env_work_submit(loop_of(side), &side->work, abort_sink, on_aborted);
}

static void on_sender_broken(struct env_mail *mail)
{
	struct sim_stream *stream = container_of(mail, struct sim_stream, sender.break_mail);

	if (!stream->sender.is_working)
		give_source_back(stream, true);
}

static void on_receiver_broken(struct env_mail *mail)
{
	struct sim_stream *stream = container_of(mail, struct sim_stream, receiver.break_mail);

	if (!stream->receiver.is_working)
		give_sink_back(stream);
}

/* Each end that lives gives back what it has, when it comes to it. */
static void break_up(struct sim_stream *stream)
{
	if (stream->is_broken || stream->is_finished)
		return;
	stream->is_broken = true;
	stream->transport->streams_broken++;
	if (is_alive(&stream->sender))
		env_post(loop_of(&stream->sender), &stream->sender.break_mail, on_sender_broken);
	if (stream->receiver.raftkv && is_alive(&stream->receiver))
		env_post(loop_of(&stream->receiver), &stream->receiver.break_mail, on_receiver_broken);
}

static void watch(void *argument)
{
	struct sim_stream *stream = argument;

	if (stream->is_broken || stream->is_finished)
		return;
	if (stream->steps == stream->steps_seen)
		break_up(stream);
	stream->steps_seen = stream->steps;
	sim_transport_call(stream->transport, WATCH_NS, watch, stream);
}

/* ---- The sender ------------------------------------------------------------------------------------------------- */

static void on_chunk_arrived(void *argument);

static void on_answer(void *argument);

static bool is_lost(struct sim_stream *stream)
{
	return stream->sender.end->is_cut || stream->receiver.end->is_cut ||
	       sim_chance(stream->transport->world, stream->transport->chunk_loss_ppm);
}

static uint64_t latency(struct sim_stream *stream)
{
	return sim_random(stream->transport->world, stream->transport->latency);
}

static void pull(struct env_work *work)
{
	struct sim_stream *stream = container_of(work, struct sim_stream, sender.work);

	stream->status = snapshot_source_next(stream->source, &stream->chunk);
}

static void on_pulled(struct env_work *work)
{
	struct sim_stream *stream = container_of(work, struct sim_stream, sender.work);

	stream->sender.is_working = false;
	stream->steps++;
	if (stream->is_broken) {
		give_source_back(stream, true);
		return;
	}
	if (stream->status < 0 && stream->status != STATUS_NOT_FOUND)
		break_up(stream);
	else
		sim_transport_call(stream->transport, latency(stream), on_chunk_arrived, stream);
}

static void begin_pull(struct sim_stream *stream)
{
	stream->sender.is_working = true;
	env_work_submit(loop_of(&stream->sender), &stream->sender.work, pull, on_pulled);
}

static void on_answer_mail(struct env_mail *mail)
{
	struct sim_stream *stream = container_of(mail, struct sim_stream, sender.mail);

	if (stream->is_broken)
		give_source_back(stream, true);
	else if (!stream->is_finished)
		begin_pull(stream);
	else
		give_source_back(stream, false);
}

static void on_answer(void *argument)
{
	struct sim_stream *stream = argument;

	if (stream->is_broken)
		return;
	if (!is_alive(&stream->sender) || is_lost(stream) || stream->status < 0) {
		break_up(stream);
		return;
	}
	if (!stream->chunk) {
		stream->is_finished = true;
		stream->transport->streams_arrived++;
	}
	buf_unref(stream->chunk);
	stream->chunk = NULL;
	env_post(loop_of(&stream->sender), &stream->sender.mail, on_answer_mail);
}

/* ---- The receiver ----------------------------------------------------------------------------------------------- */

static void push(struct env_work *work)
{
	struct sim_stream *stream = container_of(work, struct sim_stream, receiver.work);
	struct snapshot_sink *sink = stream->sink;

	stream->status = 0;
	if (!sink)
		stream->status = raftkv_receive_snapshot(
			stream->receiver.raftkv, &stream->envelope, &stream->message, &stream->sink);
	if (stream->status < 0)
		return;
	if (stream->chunk) {
		stream->status = snapshot_sink_write(stream->sink, buf_slice(stream->chunk));
		return;
	}
	sink = stream->sink;
	stream->sink = NULL;
	stream->status = snapshot_sink_finish(sink);
}

static void on_pushed(struct env_work *work)
{
	struct sim_stream *stream = container_of(work, struct sim_stream, receiver.work);

	stream->receiver.is_working = false;
	stream->steps++;
	stream->transport->chunks += stream->chunk && stream->status == 0;
	if (!stream->chunk)
		stream->receiver.is_done = true; /* the end: the sink is gone */
	if (stream->is_broken)
		give_sink_back(stream);
	else
		sim_transport_call(stream->transport, latency(stream), on_answer, stream);
}

static void on_chunk_mail(struct env_mail *mail)
{
	struct sim_stream *stream = container_of(mail, struct sim_stream, receiver.mail);

	if (stream->is_broken) {
		give_sink_back(stream);
		return;
	}
	stream->receiver.is_working = true;
	env_work_submit(loop_of(&stream->receiver), &stream->receiver.work, push, on_pushed);
}

static void on_chunk_arrived(void *argument)
{
	struct sim_stream *stream = argument;
	struct side *side = &stream->receiver;

	if (stream->is_broken)
		return;
	if (!side->raftkv)
		side->raftkv = *side->end->raftkv;
	if (!side->raftkv || !is_alive(side) || is_lost(stream)) {
		break_up(stream);
		return;
	}
	env_post(loop_of(side), &side->mail, on_chunk_mail);
}

/* ---- Life ------------------------------------------------------------------------------------------------------- */

static struct raft_message copy_of(const struct raft_message *message)
{
	struct raft_message copy = {
		.type = message->type, .to = message->to, .from = message->from, .term = message->term};

	copy.snapshot = calloc(1, sizeof *copy.snapshot);
	check(copy.snapshot);
	check(raft_snapshot_copy(copy.snapshot, message->snapshot) == 0);
	return copy;
}

void sim_stream_begin(struct sim_transport_end *from, struct sim_transport_end *to,
	const struct peer_envelope *envelope, const struct raft_message *message,
	struct snapshot_source *source)
{
	struct sim_stream *stream = calloc(1, sizeof *stream);

	check(stream);
	stream->transport = from->transport;
	stream->envelope = *envelope;
	stream->message = copy_of(message);
	stream->source = source;
	stream->sender = (struct side){.stream = stream, .end = from, .raftkv = *from->raftkv};
	stream->receiver = (struct side){.stream = stream, .end = to};
	stream->next = stream->transport->streams;
	stream->transport->streams = stream;
	begin_pull(stream);
	sim_transport_call(stream->transport, WATCH_NS, watch, stream);
}

static bool is_in_use(const struct side *side)
{
	return side->raftkv && is_alive(side) && !side->is_done;
}

struct leaving {
	struct sim_transport *transport;
	struct raftkv *raftkv;
};

static bool has_left(void *argument)
{
	const struct leaving *leaving = argument;

	for (struct sim_stream *stream = leaving->transport->streams; stream; stream = stream->next) {
		const struct side *sides[] = {&stream->sender, &stream->receiver};

		for (int i = 0; i < 2; i++)
			if (sides[i]->raftkv == leaving->raftkv &&
				(sides[i]->is_working || is_in_use(sides[i])))
				return false;
	}
	return true;
}

void sim_transport_leave(struct transport *base)
{
	struct sim_transport_end *end = container_of(base, struct sim_transport_end, base);
	struct sim_transport *transport = end->transport;
	struct leaving leaving = {transport, *end->raftkv};

	end->is_cut = true;
	for (struct sim_stream *stream = transport->streams; stream; stream = stream->next)
		if (stream->sender.raftkv == leaving.raftkv || stream->receiver.raftkv == leaving.raftkv)
			break_up(stream);
	check(sim_run(transport->world, 60 * (uint64_t)SIM_S, has_left, &leaving));
	for (struct sim_stream *stream = transport->streams; stream; stream = stream->next) {
		if (stream->sender.raftkv == leaving.raftkv)
			stream->sender.raftkv = NULL;
		if (stream->receiver.raftkv == leaving.raftkv)
			stream->receiver.raftkv = NULL;
	}
	end->is_cut = false;
}

void sim_streams_close(struct sim_transport *transport)
{
	while (transport->streams) {
		struct sim_stream *stream = transport->streams;

		transport->streams = stream->next;
		raft_message_close(&stream->message);
		buf_unref(stream->chunk);
		free(stream);
	}
}
