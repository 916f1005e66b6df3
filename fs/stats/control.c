#include "fs/stats/control.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/stats/stats_text.h"
#include "proto/completion.h"
#include "proto/container.h"

#define ADDRESS_PREFIX "unix:"

struct connection {
	struct control *control;
	struct connection *next, **self; /* in the control's list */
	struct env_stream *stream;
	struct env_stream_write write;
	struct iovec vector;
	char *text;
};

struct control {
	struct env_mail mail;
	struct env_loop *loop;
	struct stats_source source;
	char *path;
	struct env_listener *listener;
	struct connection *connections;
	uint32_t count;
	bool is_stopping;
	struct status status; /* of listening */
	struct completion done; /* the loop has listened, or stopped */
};

/* ---- The text ---- */

/* NULL: out of memory. */
static char *make_text(const struct control *control, size_t *size)
{
	char *text = NULL;
	FILE *file = open_memstream(&text, size);

	if (!file)
		return NULL;
	stats_text_print(&control->source, file);
	if (fclose(file) == 0)
		return text;
	free(text);
	return NULL;
}

/* ---- Connections, on the loop ---- */

static void finish_stop(struct control *control)
{
	if (control->is_stopping && !control->connections)
		completion_finish(&control->done, 0);
}

static void close_stream(struct connection *connection)
{
	if (connection->stream)
		env_stream_close(connection->stream);
	connection->stream = NULL;
}

static void control_on_written(struct env_stream_write *write, int status)
{
	struct connection *connection = container_of(write, struct connection, write);

	(void)status;
	close_stream(connection);
}

static void on_received(void *argument, struct env_stream *stream, const void *bytes, size_t size)
{
	(void)argument;
	(void)stream;
	(void)bytes;
	(void)size;
}

static void on_failed(void *argument, struct env_stream *stream, int status)
{
	(void)stream;
	(void)status;
	close_stream(argument);
}

static void control_on_closed(void *argument, struct env_stream *stream)
{
	struct connection *connection = argument;
	struct control *control = connection->control;

	(void)stream;
	*connection->self = connection->next;
	if (connection->next)
		connection->next->self = connection->self;
	control->count--;
	free(connection->text);
	free(connection);
	finish_stop(control);
}

static const struct env_stream_handlers silent = {.received = on_received};

static void ignore_failure(void *argument, struct env_stream *stream, int status)
{
	(void)argument;
	(void)stream;
	(void)status;
}

static void ignore_end(void *argument, struct env_stream *stream)
{
	(void)argument;
	(void)stream;
}

static void control_refuse(struct env_stream *stream)
{
	struct env_stream_handlers handlers = silent;

	handlers.failed = ignore_failure;
	handlers.closed = ignore_end;
	env_stream_start(stream, &handlers);
	env_stream_close(stream);
}

static struct connection *add_connection(struct control *control, struct env_stream *stream)
{
	struct connection *connection =
		control->count < CONTROL_COUNT_MAX ? calloc(1, sizeof *connection) : NULL;

	if (!connection)
		return NULL;
	connection->text = make_text(control, &connection->vector.iov_len);
	if (!connection->text) {
		free(connection);
		return NULL;
	}
	connection->control = control;
	connection->stream = stream;
	connection->next = control->connections;
	connection->self = &control->connections;
	if (connection->next)
		connection->next->self = &connection->next;
	control->connections = connection;
	control->count++;
	return connection;
}

static void on_accepted(void *argument, struct env_stream *stream)
{
	struct connection *connection = add_connection(argument, stream);
	struct env_stream_handlers handlers = silent;

	if (!connection) {
		control_refuse(stream);
		return;
	}
	handlers.argument = connection;
	handlers.failed = on_failed;
	handlers.closed = control_on_closed;
	env_stream_start(stream, &handlers);
	connection->vector.iov_base = connection->text;
	connection->write.vector = &connection->vector;
	connection->write.vector_count = 1;
	connection->write.done = control_on_written;
	if (env_stream_write(stream, &connection->write) < 0)
		close_stream(connection);
}

/* ---- Life ---- */

static void listen_on_loop(struct env_mail *mail)
{
	struct control *control = (struct control *)mail; /* the first member */
	char address[PATH_MAX + sizeof ADDRESS_PREFIX + sizeof "/control"];
	int code;

	snprintf(address, sizeof address, ADDRESS_PREFIX "%s/control", control->path);
	code = env_listen(control->loop, address, on_accepted, control, &control->listener, &control->status);
	completion_finish(&control->done, code);
}

static void control_stop_on_loop(struct env_mail *mail)
{
	struct control *control = (struct control *)mail;
	struct connection *connection = control->connections;

	control->is_stopping = true;
	env_listener_close(control->listener);
	for (; connection; connection = connection->next)
		close_stream(connection);
	finish_stop(control);
}

static void control_free(struct control *control)
{
	completion_close(&control->done);
	free(control->path);
	free(control);
}

int control_start(const struct control_options *options, struct control **out, struct status *status)
{
	struct control *control = calloc(1, sizeof *control);
	int code;

	*out = NULL;
	if (!control)
		return status_set(status, -ENOMEM, "out of memory");
	control->loop = options->loop;
	control->source = options->source;
	control->path = strdup(options->source.path);
	completion_init(&control->done);
	if (control->path) {
		env_post(control->loop, &control->mail, listen_on_loop);
		code = completion_wait(&control->done);
		if (code < 0 && status)
			*status = control->status;
	} else {
		code = status_set(status, -ENOMEM, "out of memory");
	}
	if (code < 0)
		control_free(control);
	else
		*out = control;
	return code;
}

void control_stop(struct control *control)
{
	if (!control)
		return;
	env_post(control->loop, &control->mail, control_stop_on_loop);
	completion_wait(&control->done);
	control_free(control);
}
