#include "proto/link_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/container.h"
#include "proto/time_units.h"

/* A frame on its way out. */
struct outgoing {
	struct env_stream_write write;
	struct link *link;
	size_t size;
	struct buf *prefix;
	uint32_t attachment_count;
	struct buf *attachments[FRAME_ATTACHMENTS_MAX];
	struct iovec vector[]; /* one more than attachments */
};

void link_adopt(struct link *link, const struct link_handlers *handlers)
{
	link->handlers = *handlers;
}

/* ---- Ending ---- */

void link_close(struct link *link, const struct status *why)
{
	if (link->is_closing)
		return;
	link->is_closing = true;
	if (why)
		link->why = *why;
	if (link->budget) {
		link->budget->sending -= link->queued;
		budget_release(link->budget, &link->claim);
	}
	link->budget = NULL;
	env_timer_stop(&link->timer);
	env_stream_close(link->stream);
}

void link_end(struct link *link, int code, const char *sentence)
{
	struct status why = {0};

	status_set(&why, code, "%s", sentence);
	link_close(link, &why);
}

static void on_closed(void *argument, struct env_stream *stream)
{
	struct link *link = argument;

	(void)stream;
	frame_decoder_close(&link->decoder);
	check(link->claim.size == 0);
	link->handlers.closed(link->handlers.argument, link, &link->why);
	free(link);
}

static void on_failed(void *argument, struct env_stream *stream, int status)
{
	struct link *link = argument;

	(void)stream;
	link_end(link, status, status_name(status));
}

/* ---- Sending ---- */

static void count_queued(struct link *link, ssize_t size)
{
	link->queued += (size_t)size;
	if (link->budget)
		link->budget->sending += (size_t)size;
}

size_t link_queued(const struct link *link)
{
	return link->is_closing ? 0 : link->queued;
}

static void on_written(struct env_stream_write *write, int status)
{
	struct outgoing *outgoing = container_of(write, struct outgoing, write);
	struct link *link = outgoing->link;

	count_queued(link, -(ssize_t)outgoing->size);
	buf_unref(outgoing->prefix);
	for (uint32_t i = 0; i < outgoing->attachment_count; i++)
		buf_unref(outgoing->attachments[i]);
	free(outgoing);
	if (status < 0 || link->is_closing)
		return;
	if (link->is_refusing && link->queued == 0) {
		link_close(link, NULL);
	} else if (link->was_full && link->queued <= LINK_QUEUE_SIZE_MAX / 2) {
		link->was_full = false;
		if (link->handlers.drained)
			link->handlers.drained(link->handlers.argument, link);
	}
}

static struct outgoing *outgoing_new(
	struct link *link, struct buf *prefix, struct buf *const *attachments, uint32_t count)
{
	struct outgoing *outgoing =
		malloc(sizeof *outgoing + ((size_t)count + 1) * sizeof outgoing->vector[0]);

	if (!outgoing)
		return NULL;
	outgoing->link = link;
	outgoing->prefix = prefix;
	outgoing->attachment_count = count;
	outgoing->size = sizeof *outgoing + sizeof *prefix + prefix->size;
	outgoing->vector[0] = (struct iovec){prefix->data, prefix->size};
	for (uint32_t i = 0; i < count; i++) {
		outgoing->attachments[i] = buf_ref(attachments[i]);
		outgoing->vector[i + 1] = (struct iovec){attachments[i]->data, attachments[i]->size};
		outgoing->size += attachments[i]->size;
	}
	outgoing->write = (struct env_stream_write){
		.vector = outgoing->vector, .vector_count = (int)count + 1, .done = on_written};
	return outgoing;
}

int link_send_frame(struct link *link, uint16_t type, uint64_t request, const ProtobufCMessage *head,
	struct buf *const *attachments, uint32_t count)
{
	struct outgoing *outgoing;
	struct buf *prefix;
	int status = frame_encode(type, request, head, attachments, count, &prefix);

	if (status < 0)
		return status;
	outgoing = outgoing_new(link, prefix, attachments, count);
	if (!outgoing) {
		buf_unref(prefix);
		return -ENOMEM;
	}
	count_queued(link, (ssize_t)outgoing->size);
	status = env_stream_write(link->stream, &outgoing->write);
	if (status < 0)
		on_written(&outgoing->write, status);
	else
		link->spoken = env_now(link->self->env);
	return status;
}

int link_send(struct link *link, uint16_t type, uint64_t request, const ProtobufCMessage *head,
	struct buf *const *attachments, uint32_t attachment_count)
{
	if (!link->is_greeted || link->is_closing)
		return -ENOTCONN;
	if (link->queued >= LINK_QUEUE_SIZE_MAX) {
		link->was_full = true;
		return STATUS_LIMIT;
	}
	return link_send_frame(link, type, request, head, attachments, attachment_count);
}

/* ---- Not receiving ---- */

/* What the owner does not want, and what there is no memory for, stays where it is. */
static bool is_deaf(const struct link *link)
{
	return link->is_paused || link->claim.is_waiting;
}

static void hear_again(struct link *link)
{
	if (is_deaf(link) || link->is_closing)
		return;
	link->heard = env_now(link->self->env);
	env_stream_resume(link->stream);
}

void link_pause(struct link *link)
{
	if (!is_deaf(link) && !link->is_closing)
		env_stream_pause(link->stream);
	link->is_paused = true;
}

void link_resume(struct link *link)
{
	if (!link->is_paused)
		return;
	link->is_paused = false;
	hear_again(link);
}

static void on_granted(struct budget_claim *claim)
{
	hear_again(container_of(claim, struct link, claim));
}

void link_set_budget(struct link *link, struct budget *budget)
{
	link->budget = budget;
	link->claim.granted = on_granted;
	budget->sending += link->queued;
}

/* Of what is still to come; what fits the first pages needs none. */
static int claim_frame(struct link *link)
{
	size_t size = link->decoder.announced > LINK_UNCLAIMED_SIZE_MAX ? link->decoder.announced : 0;
	int status;

	if (!link->budget)
		return 0;
	if (size > 0 && link->claim.size > 0 && link->claimed_frame == link->frames) {
		budget_shrink(link->budget, &link->claim, size);
		return 0;
	}
	budget_release(link->budget, &link->claim);
	link->claimed_frame = link->frames;
	status = size > 0 ? budget_claim(link->budget, &link->claim, size) : 0;
	if (link->claim.is_waiting && !link->is_paused)
		env_stream_pause(link->stream);
	return status;
}

/* ---- Receiving ---- */

/* What waits to be sent says as much. */
static int answer_ping(struct link *link)
{
	if (link->queued > 0)
		return 0;
	return link_send_frame(link, FRAME_PONG, 0, NULL, NULL, 0) == -ENOMEM ? -ENOMEM : 0;
}

static int on_frame(void *argument, const struct frame *frame)
{
	struct link *link = argument;
	int status = STATUS_MALFORMED;

	link->frames++;
	link->slow_ticks = 0;
	link->arrived = 0;
	if (frame->type == FRAME_HELLO && link->is_accepted && !link->is_greeted && !link->is_deferred)
		status = link_on_hello(link, frame);
	else if (frame->type == FRAME_HELLO_REPLY && !link->is_accepted && !link->is_greeted)
		status = link_on_hello_reply(link, frame);
	else if (frame->type == FRAME_PING && link->is_greeted)
		status = answer_ping(link);
	else if (frame->type == FRAME_PONG && link->is_greeted)
		status = 0;
	else if (link->is_greeted)
		status = link->handlers.received(link->handlers.argument, link, frame);
	return link->is_closing ? -ECANCELED : status;
}

static void on_received(void *argument, struct env_stream *stream, const void *bytes, size_t size)
{
	struct link *link = argument;
	int status;

	(void)stream;
	if (link->is_closing || link->is_refusing)
		return;
	if (size == 0) {
		link_end(link, -ECONNRESET, "the other side closed the connection");
		return;
	}
	link->heard = env_now(link->self->env);
	status = frame_decoder_feed(&link->decoder, slice_of(bytes, size));
	if (status == 0)
		status = claim_frame(link);
	if (status == STATUS_LIMIT && !link->is_greeted)
		link_end(link, status, "the greeting is too large");
	else if (status < 0 && !link->is_refusing)
		link_end(link, status, status_name(status));
}

static void on_connected(void *argument, struct env_stream *stream, int status)
{
	struct link *link = argument;

	(void)stream;
	if (status < 0)
		link_end(link, status, status_name(status));
	else
		link_say_hello(link);
}

/* ---- Time ---- */

static bool is_greeting_late(struct link *link)
{
	return !link->is_greeted && ++link->greeting_ticks >= LINK_GREETING_MS / LINK_PING_MS;
}

static bool is_frame_late(struct link *link)
{
	bool is_contended = link->claim.size > 0 && link->budget->first;
	uint32_t limit_ms = is_contended ? LINK_FRAME_CONTENDED_MS : LINK_FRAME_MS;
	size_t arrived = link->decoder.arrived, before = link->arrived;

	if (arrived == 0 || is_deaf(link))
		return false;
	link->arrived = arrived;
	if (arrived - before < LINK_FRAME_RATE_MIN / 1000 * LINK_PING_MS)
		link->slow_ticks++;
	return link->slow_ticks > limit_ms / LINK_PING_MS;
}

static void on_timer(struct env_timer *timer)
{
	struct link *link = container_of(timer, struct link, timer);
	uint64_t now = env_now(link->self->env);

	env_timer_start(timer, link->loop, now + LINK_PING_MS * NS_PER_MS, on_timer);
	if (!is_deaf(link) && now - link->heard >= LINK_SILENCE_MS * NS_PER_MS)
		link_end(link, -ETIMEDOUT, "nothing was heard for too long");
	else if (is_greeting_late(link))
		link_end(link, -ETIMEDOUT, "the greeting was not complete in time");
	else if (is_frame_late(link))
		link_end(link, -ETIMEDOUT, "a frame came too slowly");
	else if (link->is_greeted && now - link->spoken >= LINK_PING_MS * NS_PER_MS)
		link_send_frame(link, FRAME_PING, 0, NULL, NULL, 0);
}

/* ---- Life ---- */

static const struct env_stream_handlers stream_handlers = {
	.connected = on_connected, .received = on_received, .failed = on_failed, .closed = on_closed};

static struct link *link_new(
	const struct link_self *self, struct env_loop *loop, const struct link_handlers *handlers)
{
	struct link *link = calloc(1, sizeof *link);

	if (!link)
		return NULL;
	link->self = self;
	link->loop = loop;
	link->handlers = *handlers;
	link->heard = link->spoken = env_now(self->env);
	frame_decoder_init(&link->decoder, on_frame, link);
	link->decoder.size_max = LINK_GREETING_SIZE_MAX;
	return link;
}

static void start_timer(struct link *link)
{
	env_timer_start(&link->timer, link->loop, link->heard + LINK_PING_MS * NS_PER_MS, on_timer);
}

int link_connect(const struct link_self *self, struct env_loop *loop, const char *address,
	const Raftkv__Hello *hello, const struct link_handlers *handlers, struct link **out,
	struct status *status)
{
	struct link *link = link_new(self, loop, handlers);
	struct env_stream_handlers stream = stream_handlers;
	int code;

	*out = NULL;
	if (!link)
		return status_set(status, -ENOMEM, "out of memory");
	link->hello = *hello;
	stream.argument = link;
	code = env_connect(loop, address, &stream, &link->stream, status);
	if (code < 0) {
		free(link);
		return code;
	}
	start_timer(link);
	*out = link;
	return 0;
}

static void ignore_closed(void *argument, struct env_stream *stream)
{
	(void)argument;
	(void)stream;
}

struct link *link_accept(const struct link_self *self, struct env_loop *loop, struct env_stream *stream,
	const struct link_handlers *handlers)
{
	struct link *link = link_new(self, loop, handlers);
	struct env_stream_handlers stream_ = stream_handlers;

	if (!link) {
		stream_.closed = ignore_closed;
		env_stream_start(stream, &stream_);
		env_stream_close(stream);
		return NULL;
	}
	link->is_accepted = true;
	link->stream = stream;
	stream_.argument = link;
	start_timer(link);
	env_stream_start(stream, &stream_);
	return link;
}
