#include "proto/link.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proto/container.h"
#include "proto/version.h"

#define NS_PER_MS UINT64_C(1000000)

struct link {
	const struct link_self *self;
	struct env_loop *loop;
	struct env_stream *stream;
	struct link_handlers handlers;
	struct frame_decoder decoder;
	struct env_timer timer;
	Raftkv__Hello hello; /* to be said when connected; of an accepted link, unused */
	bool is_accepted;
	bool is_greeted; /* both sides agree */
	bool is_refusing; /* closes when the refusal has gone */
	bool is_closing;
	bool is_paused;
	bool was_full; /* link_send has said STATUS_LIMIT since it drained */
	size_t queued; /* bytes */
	uint64_t heard, spoken; /* env_now */
	struct status why;
};

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
	env_timer_stop(&link->timer);
	env_stream_close(link->stream);
}

static void end(struct link *link, int code, const char *sentence)
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
	link->handlers.closed(link->handlers.argument, link, &link->why);
	free(link);
}

static void on_failed(void *argument, struct env_stream *stream, int status)
{
	struct link *link = argument;

	(void)stream;
	end(link, status, status_name(status));
}

/* ---- Sending ---- */

static void on_written(struct env_stream_write *write, int status)
{
	struct outgoing *outgoing = container_of(write, struct outgoing, write);
	struct link *link = outgoing->link;

	link->queued -= outgoing->size;
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
	outgoing->size = prefix->size;
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

static int send_frame(struct link *link, uint16_t type, uint64_t request, const ProtobufCMessage *head,
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
	link->queued += outgoing->size;
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
	return send_frame(link, type, request, head, attachments, attachment_count);
}

void link_pause(struct link *link)
{
	if (!link->is_paused && !link->is_closing)
		env_stream_pause(link->stream);
	link->is_paused = true;
}

void link_resume(struct link *link)
{
	if (link->is_paused && !link->is_closing) {
		link->heard = env_now(link->self->env);
		env_stream_resume(link->stream);
	}
	link->is_paused = false;
}

/* ---- Greeting ---- */

static void say_hello(struct link *link)
{
	char version[] = RAFTKV_VERSION;

	link->hello.protocol = LINK_PROTOCOL;
	link->hello.cluster = link->self->cluster;
	link->hello.store = link->self->store;
	link->hello.incarnation = link->self->incarnation;
	link->hello.birth = link->self->birth;
	link->hello.version = version;
	if (send_frame(link, FRAME_HELLO, 0, &link->hello.base, NULL, 0) < 0)
		end(link, -ENOMEM, "out of memory for a greeting");
}

/* What nobody may be welcome with. */
static int judge(const struct link *link, const Raftkv__Hello *hello, struct status *refusal)
{
	const struct link_self *self = link->self;

	if (hello->protocol != LINK_PROTOCOL)
		return status_set(refusal, -EPROTO,
			"it speaks protocol %" PRIu32 " (version %.20s), this is %u (version %s)",
			hello->protocol, hello->version, LINK_PROTOCOL, RAFTKV_VERSION);
	if (hello->cluster != 0 && hello->cluster != self->cluster)
		return status_set(refusal, -EXDEV,
			"it is of cluster %016" PRIx64 ", this is a store of %016" PRIx64, hello->cluster,
			self->cluster);
	if (hello->receiver != 0 && hello->receiver != self->store)
		return status_set(refusal, -ENXIO, "it looks for store %" PRIu64 ", this is store %" PRIu64,
			hello->receiver, self->store);
	return 0;
}

static int on_hello(struct link *link, const struct frame *frame)
{
	Raftkv__Hello *hello = raftkv__hello__unpack(NULL, frame->head.size, frame->head.data);
	Raftkv__HelloReply reply = RAFTKV__HELLO_REPLY__INIT;
	struct status refusal = {0};
	char version[] = RAFTKV_VERSION;
	int status;

	if (!hello)
		return STATUS_MALFORMED;
	if (judge(link, hello, &refusal) == 0)
		link->handlers.greeted(link->handlers.argument, link, hello, &refusal);
	raftkv__hello__free_unpacked(hello, NULL);
	if (link->is_closing)
		return -ECANCELED;
	reply.refusal = refusal.code < 0 ? refusal.text : reply.refusal;
	reply.protocol = LINK_PROTOCOL;
	reply.cluster = link->self->cluster;
	reply.store = link->self->store;
	reply.incarnation = link->self->incarnation;
	reply.version = version;
	link->is_greeted = refusal.code == 0;
	link->is_refusing = refusal.code < 0;
	link->why = refusal;
	status = send_frame(link, FRAME_HELLO_REPLY, 0, &reply.base, NULL, 0);
	return status < 0 || link->is_refusing ? -ECONNREFUSED : 0;
}

static int on_hello_reply(struct link *link, const struct frame *frame)
{
	Raftkv__HelloReply *reply = raftkv__hello_reply__unpack(NULL, frame->head.size, frame->head.data);
	struct status why = {0};

	if (!reply)
		return STATUS_MALFORMED;
	if (reply->refusal[0] != '\0')
		status_set(&why, -ECONNREFUSED, "refused: %.200s", reply->refusal);
	else if (reply->protocol != LINK_PROTOCOL)
		status_set(&why, -EPROTO, "it speaks protocol %" PRIu32, reply->protocol);
	else if (link->self->cluster != 0 && reply->cluster != link->self->cluster)
		status_set(&why, -EXDEV, "it is of cluster %016" PRIx64, reply->cluster);
	else if (link->hello.receiver != 0 && reply->store != link->hello.receiver)
		status_set(&why, -ENXIO, "it is store %" PRIu64, reply->store);
	if (why.code == 0) {
		link->is_greeted = true;
		link->handlers.opened(link->handlers.argument, link, reply);
	}
	raftkv__hello_reply__free_unpacked(reply, NULL);
	if (why.code < 0)
		link_close(link, &why);
	return why.code;
}

/* ---- Receiving ---- */

static int on_frame(void *argument, const struct frame *frame)
{
	struct link *link = argument;
	int status = STATUS_MALFORMED;

	if (frame->type == FRAME_HELLO && link->is_accepted && !link->is_greeted)
		status = on_hello(link, frame);
	else if (frame->type == FRAME_HELLO_REPLY && !link->is_accepted && !link->is_greeted)
		status = on_hello_reply(link, frame);
	else if (frame->type == FRAME_PING && link->is_greeted)
		status = send_frame(link, FRAME_PONG, 0, NULL, NULL, 0) == -ENOMEM ? -ENOMEM : 0;
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
		end(link, -ECONNRESET, "the other side closed the connection");
		return;
	}
	link->heard = env_now(link->self->env);
	status = frame_decoder_feed(&link->decoder, slice_of(bytes, size));
	if (status < 0 && !link->is_refusing)
		end(link, status, status_name(status));
}

static void on_connected(void *argument, struct env_stream *stream, int status)
{
	struct link *link = argument;

	(void)stream;
	if (status < 0)
		end(link, status, status_name(status));
	else
		say_hello(link);
}

/* ---- Time ---- */

static void on_timer(struct env_timer *timer)
{
	struct link *link = container_of(timer, struct link, timer);
	uint64_t now = env_now(link->self->env);

	env_timer_start(timer, link->loop, now + LINK_PING_MS * NS_PER_MS, on_timer);
	if (!link->is_paused && now - link->heard >= LINK_SILENCE_MS * NS_PER_MS)
		end(link, -ETIMEDOUT, "nothing was heard for too long");
	else if (link->is_greeted && now - link->spoken >= LINK_PING_MS * NS_PER_MS)
		send_frame(link, FRAME_PING, 0, NULL, NULL, 0);
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
