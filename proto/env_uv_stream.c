/*
 * Streams. Writes are queued here, not in libuv: one is in flight, and those that came meanwhile are sent together in the
 * next one. What the socket takes at once does not become a request of libuv, which would ask the kernel about the
 * descriptor after each.
 *
 * A stream is freed when it is closed and neither libuv nor a mail has a part of it: `pending` counts its handle, its
 * name look-up and its mails.
 */
#include "proto/env_uv_internal.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "proto/check.h"
#include "proto/container.h"

struct env_uv_stream {
	struct env_stream base;
	struct env_stream_handlers handlers;
	unsigned int pending;
	bool is_open; /* connected or accepted, and not failed or closed since */
	bool is_failed;
	bool is_ended; /* the peer ended its side */
	bool is_paused;
	bool is_writing;
	bool is_closing; /* env_stream_close was called */
	union env_uv_handle uv;
	uv_write_t write;
	struct env_mail_list queue; /* env_stream_write.mail */
	struct env_mail_list in_flight;
	struct env_mail written; /* the socket has taken what is in flight */
	/* Connecting. */
	uv_connect_t connect;
	uv_getaddrinfo_t lookup;
	bool is_looking_up;
	struct addrinfo *addresses;
	const struct addrinfo *next_address;
	/* Calls the owner back later when it may not be called back from inside of a call: with `failed`, or `closed`. */
	struct env_mail mail;
	bool is_mailed;
	int status; /* the latest error */
};

static struct env_uv_stream *stream_of(struct env_stream *stream)
{
	return (struct env_uv_stream *)stream;
}

static struct env_uv_loop *loop_of(const struct env_uv_stream *stream)
{
	return env_uv_loop_of(stream->base.loop);
}

static struct env_uv_stream *new_stream(struct env_loop *loop)
{
	struct env_uv_stream *stream = calloc(1, sizeof *stream);

	if (stream)
		stream->base.loop = loop;
	return stream;
}

/* ---- The end ---------------------------------------------------------------------------------------------------- */

static void finish_writes(struct env_mail_list *list, int status)
{
	struct env_mail *mail = list->first;

	list->first = NULL;
	while (mail) {
		struct env_stream_write *write = container_of(mail, struct env_stream_write, mail);

		mail = mail->next;
		env_stream_write_finish(write, status);
	}
}

/* To be called after each thing that was pending ends; after the last one a closed stream is freed. */
static void settle(struct env_uv_stream *stream)
{
	stream->pending--;
	if (!stream->is_closing || stream->pending > 0)
		return;
	finish_writes(&stream->in_flight, -ECANCELED);
	finish_writes(&stream->queue, -ECANCELED);
	if (stream->handlers.closed)
		stream->handlers.closed(stream->handlers.argument, &stream->base);
	if (stream->addresses)
		freeaddrinfo(stream->addresses);
	free(stream);
}

static void stream_on_closed(uv_handle_t *handle)
{
	settle(handle->data);
}

static void fail(struct env_uv_stream *stream, int status)
{
	if (stream->is_failed || stream->is_closing)
		return;
	stream->is_failed = true;
	stream->is_open = false;
	uv_read_stop(&stream->uv.stream);
	stream->handlers.failed(stream->handlers.argument, &stream->base, status);
}

static void stream_on_mail(struct env_mail *mail)
{
	struct env_uv_stream *stream = container_of(mail, struct env_uv_stream, mail);

	stream->is_mailed = false;
	fail(stream, stream->status);
	settle(stream);
}

static void mail_later(struct env_uv_stream *stream)
{
	if (stream->is_mailed)
		return;
	stream->is_mailed = true;
	stream->pending++;
	env_post(stream->base.loop, &stream->mail, stream_on_mail);
}

static void fail_later(struct env_uv_stream *stream, int code)
{
	stream->status = env_uv_status(code);
	mail_later(stream);
}

void env_uv_stream_close(struct env_stream *base)
{
	struct env_uv_stream *stream = stream_of(base);

	check(!stream->is_closing);
	stream->is_closing = true;
	stream->is_open = false;
	if (stream->is_looking_up)
		uv_cancel((uv_req_t *)&stream->lookup); /* if that fails, the look-up ends by itself */
	if (stream->uv.any.data && !uv_is_closing(&stream->uv.any))
		uv_close(&stream->uv.any, stream_on_closed);
	else if (stream->pending == 0)
		mail_later(stream);
}

/* ---- Reading ---------------------------------------------------------------------------------------------------- */

static void stream_on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	struct env_uv_stream *stream = handle->data;

	(void)suggested;
	*buffer = uv_buf_init(loop_of(stream)->read_buffer, ENV_UV_READ_SIZE);
}

static void stream_on_read(uv_stream_t *handle, ssize_t size, const uv_buf_t *buffer)
{
	struct env_uv_stream *stream = handle->data;

	if (size == UV_EOF) {
		stream->is_ended = true;
		uv_read_stop(handle);
		stream->handlers.received(stream->handlers.argument, &stream->base, NULL, 0);
	} else if (size > 0) {
		stream->handlers.received(
			stream->handlers.argument, &stream->base, buffer->base, (size_t)size);
	} else if (size < 0) {
		fail(stream, env_uv_status((int)size));
	}
}

static void start_reading(struct env_uv_stream *stream)
{
	int code;

	if (!stream->is_open || stream->is_paused || stream->is_ended)
		return;
	code = uv_read_start(&stream->uv.stream, stream_on_allocate, stream_on_read);
	if (code < 0 && code != UV_EALREADY)
		fail_later(stream, code);
}

void env_uv_stream_pause(struct env_stream *base)
{
	struct env_uv_stream *stream = stream_of(base);

	stream->is_paused = true;
	if (stream->is_open)
		uv_read_stop(&stream->uv.stream);
}

void env_uv_stream_resume(struct env_stream *base)
{
	stream_of(base)->is_paused = false;
	start_reading(stream_of(base));
}

/* ---- Writing ---------------------------------------------------------------------------------------------------- */

static void write_queue(struct env_uv_stream *stream);

static void finish_writing(struct env_uv_stream *stream, int code)
{
	stream->is_writing = false;
	finish_writes(&stream->in_flight, code < 0 ? env_uv_status(code) : 0);
	if (code < 0)
		fail(stream, env_uv_status(code));
	else
		write_queue(stream);
}

static void stream_on_written(uv_write_t *request, int code)
{
	finish_writing(request->handle->data, code);
}

static void stream_on_taken(struct env_mail *mail)
{
	struct env_uv_stream *stream = container_of(mail, struct env_uv_stream, written);

	if (!stream->is_closing)
		finish_writing(stream, 0);
	settle(stream);
}

/* Moves as many writes as fit into one vector from the queue to `in_flight`. Returns the number of elements. */
static unsigned int gather(struct env_uv_stream *stream, uv_buf_t *vector)
{
	unsigned int count = 0;

	while (stream->queue.first) {
		struct env_stream_write *write =
			container_of(stream->queue.first, struct env_stream_write, mail);

		if (count + (unsigned int)write->vector_count > ENV_UV_VECTOR_MAX)
			break;
		for (int i = 0; i < write->vector_count; i++)
			vector[count++] = (uv_buf_t){write->vector[i].iov_base, write->vector[i].iov_len};
		env_mail_list_add(&stream->in_flight, env_mail_list_take(&stream->queue));
	}
	if (count == 0)
		vector[count++] = uv_buf_init(NULL, 0); /* empty writes must be called back, too */
	return count;
}

/* Writes what the socket takes now. The rest of the vector is left; false: there is none. An error is left, too: uv_write
 * meets it again. */
static bool write_at_once(struct env_uv_stream *stream, uv_buf_t **vector, unsigned int *count)
{
	int result = uv_try_write(&stream->uv.stream, *vector, *count);
	size_t taken = result > 0 ? (size_t)result : 0;

	if (result < 0)
		return true;
	while (*count > 0 && taken >= (*vector)->len) {
		taken -= (*vector)->len;
		++*vector;
		--*count;
	}
	if (*count > 0) {
		(*vector)->base += taken;
		(*vector)->len -= taken;
	}
	return *count > 0;
}

static void write_queue(struct env_uv_stream *stream)
{
	uv_buf_t *vector = loop_of(stream)->write_vector;
	unsigned int count;
	int code = 0;

	if (!stream->is_open || stream->is_writing || !stream->queue.first)
		return;
	count = gather(stream, vector);
	stream->is_writing = true;
	if (write_at_once(stream, &vector, &count)) {
		code = uv_write(&stream->write, &stream->uv.stream, vector, count, stream_on_written);
	} else {
		stream->pending++;
		env_post(stream->base.loop, &stream->written, stream_on_taken);
	}
	if (code < 0) {
		stream->is_writing = false;
		/* The writes in flight end when the stream is closed. */
		stream->is_open = false;
		fail_later(stream, code);
	}
}

int env_uv_stream_write(struct env_stream *base, struct env_stream_write *write)
{
	struct env_uv_stream *stream = stream_of(base);

	if (stream->is_failed || stream->is_closing)
		return -ENOTCONN;
	env_mail_list_add(&stream->queue, &write->mail);
	write_queue(stream);
	return 0;
}

/* ---- Connecting ------------------------------------------------------------------------------------------------- */

static void stream_on_connected(uv_connect_t *request, int code);

static void finish_connecting(struct env_uv_stream *stream, int status)
{
	stream->is_open = status == 0;
	stream->is_failed = status < 0;
	stream->handlers.connected(stream->handlers.argument, &stream->base, status);
	start_reading(stream);
	write_queue(stream);
}

static void init_tcp(struct env_uv_stream *stream)
{
	uv_tcp_init(&loop_of(stream)->uv, &stream->uv.tcp);
	stream->uv.any.data = stream;
	stream->pending++;
}

static void stream_on_attempt_closed(uv_handle_t *handle);

static void try_next_address(struct env_uv_stream *stream)
{
	const struct addrinfo *address = stream->next_address;
	int code;

	stream->next_address = address->ai_next;
	init_tcp(stream);
	code = uv_tcp_connect(&stream->connect, &stream->uv.tcp, address->ai_addr, stream_on_connected);
	if (code < 0) {
		stream->status = env_uv_status(code);
		uv_close(&stream->uv.any, stream_on_attempt_closed);
	}
}

/* A socket that failed to connect cannot be used again: the next address needs a new one. */
static void stream_on_attempt_closed(uv_handle_t *handle)
{
	struct env_uv_stream *stream = handle->data;

	handle->data = NULL;
	/* `pending` still counts the handle while the owner is called back, because the owner may close the stream. */
	if (!stream->is_closing && stream->next_address)
		try_next_address(stream);
	else if (!stream->is_closing)
		finish_connecting(stream, stream->status);
	settle(stream);
}

static void stream_on_connected(uv_connect_t *request, int code)
{
	struct env_uv_stream *stream = request->handle->data;

	if (stream->is_closing)
		return; /* stream_on_closed follows */
	if (code == 0) {
		if (request->handle->type == UV_TCP)
			uv_tcp_nodelay(&stream->uv.tcp, 1);
		finish_connecting(stream, 0);
	} else {
		stream->status = env_uv_status(code);
		uv_close(&stream->uv.any, stream_on_attempt_closed);
	}
}

static void stream_on_looked_up(uv_getaddrinfo_t *request, int code, struct addrinfo *found)
{
	struct env_uv_stream *stream = request->data;

	stream->is_looking_up = false;
	stream->addresses = found;
	stream->next_address = found;
	if (!stream->is_closing && code == 0)
		try_next_address(stream);
	else if (!stream->is_closing)
		finish_connecting(stream, env_uv_status(code));
	settle(stream);
}

static int connect_tcp(struct env_uv_stream *stream, const struct env_uv_address *address)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	int code;

	/* A numeric address needs no thread for its look-up. */
	if (getaddrinfo(address->host, address->port, &hints, &stream->addresses) == 0) {
		stream->next_address = stream->addresses;
		try_next_address(stream);
		return 0;
	}
	hints.ai_flags = AI_NUMERICSERV;
	stream->lookup.data = stream;
	code = uv_getaddrinfo(&loop_of(stream)->uv, &stream->lookup, stream_on_looked_up, address->host,
		address->port, &hints);
	if (code == 0) {
		stream->is_looking_up = true;
		stream->pending++;
	}
	return code;
}

static void connect_unix(struct env_uv_stream *stream, const struct env_uv_address *address)
{
	uv_pipe_init(&loop_of(stream)->uv, &stream->uv.pipe, 0);
	stream->uv.any.data = stream;
	stream->pending++;
	uv_pipe_connect(&stream->connect, &stream->uv.pipe, address->path, stream_on_connected);
}

int env_uv_connect(struct env_loop *loop, const char *text, const struct env_stream_handlers *handlers,
	struct env_stream **out, struct status *status)
{
	struct env_uv_address address;
	struct env_uv_stream *stream;
	int code = env_uv_address_parse(text, &address, status);

	if (code < 0)
		return code;
	stream = new_stream(loop);
	if (!stream)
		return status_set(status, -ENOMEM, "%s: out of memory", text);
	stream->handlers = *handlers;
	if (address.is_unix)
		connect_unix(stream, &address);
	else
		code = connect_tcp(stream, &address);
	if (code < 0) {
		code = env_uv_status(code);
		free(stream);
		return status_set(status, code, "%s: cannot connect: %s", text, status_name(code));
	}
	*out = &stream->base;
	return 0;
}

/* ---- Accepting -------------------------------------------------------------------------------------------------- */

int env_uv_stream_accept(
	struct env_loop *loop, union env_uv_handle *listener, bool is_unix, struct env_stream **out)
{
	struct env_uv_stream *stream = new_stream(loop);
	int code;

	if (!stream)
		return -ENOMEM;
	if (is_unix) {
		uv_pipe_init(&loop_of(stream)->uv, &stream->uv.pipe, 0);
		stream->uv.any.data = stream;
		stream->pending++;
	} else {
		init_tcp(stream);
	}
	code = uv_accept(&listener->stream, &stream->uv.stream);
	if (code < 0) {
		env_uv_stream_close(&stream->base);
		return code;
	}
	if (!is_unix)
		uv_tcp_nodelay(&stream->uv.tcp, 1);
	stream->is_open = true;
	*out = &stream->base;
	return 0;
}

int env_uv_stream_peer(const struct env_stream *base, uint32_t *uid)
{
	const struct env_uv_stream *stream = (const struct env_uv_stream *)base;
	struct ucred peer;
	socklen_t size = sizeof peer;
	uv_os_fd_t fd;
	int code;

	if (stream->uv.any.type != UV_NAMED_PIPE)
		return -EOPNOTSUPP;
	code = uv_fileno(&stream->uv.any, &fd);
	if (code < 0)
		return env_uv_status(code);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return -errno;
	*uid = peer.uid;
	return 0;
}

void env_uv_stream_start(struct env_stream *base, const struct env_stream_handlers *handlers)
{
	struct env_uv_stream *stream = stream_of(base);

	stream->handlers = *handlers;
	start_reading(stream);
}
