/* Listening sockets. */
#include "proto/env_uv_internal.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/tally.h"

#define BACKLOG 511

struct env_uv_listener {
	struct env_listener base;
	union env_uv_handle uv;
	bool is_unix;
	void (*accepted)(void *argument, struct env_stream *stream);
	void *argument;
	struct tally failures;
	char address[300];
};

static void listener_on_connection(uv_stream_t *handle, int code)
{
	struct env_uv_listener *listener = handle->data;
	struct env_stream *stream;

	if (code == 0)
		code = env_uv_stream_accept(listener->base.loop, &listener->uv, listener->is_unix, &stream);
	if (code < 0)
		tally_note(&listener->failures, "%s: %s", listener->address, uv_strerror(code));
	else
		listener->accepted(listener->argument, stream);
}

/* Removes a socket on which nobody listens. */
static void remove_stale(const struct env_uv_address *address)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	struct stat stat;
	int fd;

	if (lstat(address->path, &stat) < 0 || !S_ISSOCK(stat.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	strcpy(name.sun_path, address->path);
	if (connect(fd, (const struct sockaddr *)&name, sizeof name) < 0 && errno == ECONNREFUSED)
		unlink(address->path);
	close(fd);
}

/* Makes the directory of a socket if it is absent; the mode of an existing one stays. */
static void make_directory(const char *path)
{
	char directory[sizeof((struct env_uv_address *)0)->path];
	char *slash;

	strcpy(directory, path);
	slash = strrchr(directory, '/');
	*slash = '\0';
	if (slash > directory)
		mkdir(directory, 0700);
}

static int bind_unix(struct env_uv_listener *listener, const struct env_uv_address *address)
{
	int code;

	make_directory(address->path);
	remove_stale(address);
	code = uv_pipe_bind(&listener->uv.pipe, address->path);
	/* Nobody can connect before uv_listen. */
	if (code == 0 && chmod(address->path, 0600) < 0)
		code = -errno;
	if (code == 0)
		code = uv_listen(&listener->uv.stream, BACKLOG, listener_on_connection);
	snprintf(listener->address, sizeof listener->address, "unix:%s", address->path);
	return code;
}

static int bind_tcp(struct env_uv_listener *listener, const struct env_uv_address *address)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found;
	struct sockaddr_storage bound;
	int length = sizeof bound;
	int code = getaddrinfo(address->host, address->port, &hints, &found);

	if (code != 0)
		return code == EAI_SYSTEM ? -errno : -EADDRNOTAVAIL;
	code = uv_tcp_bind(&listener->uv.tcp, found->ai_addr, 0);
	freeaddrinfo(found);
	if (code == 0)
		code = uv_listen(&listener->uv.stream, BACKLOG, listener_on_connection);
	if (code == 0)
		code = uv_tcp_getsockname(&listener->uv.tcp, (struct sockaddr *)&bound, &length);
	if (code == 0)
		env_uv_address_print(
			(const struct sockaddr *)&bound, listener->address, sizeof listener->address);
	return code;
}

static void listener_on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

int env_uv_listen(struct env_loop *loop, const char *text,
	void (*accepted)(void *argument, struct env_stream *stream), void *argument,
	struct env_listener **out, struct status *status)
{
	struct env_uv_address address;
	struct env_uv_listener *listener;
	int code = env_uv_address_parse(text, &address, status);

	if (code < 0)
		return code;
	listener = calloc(1, sizeof *listener);
	if (!listener)
		return status_set(status, -ENOMEM, "%s: out of memory", text);
	listener->base.loop = loop;
	listener->is_unix = address.is_unix;
	listener->accepted = accepted;
	listener->argument = argument;
	listener->failures = (struct tally){.loop = loop,
		.logger = env_uv_of(loop->env)->logger,
		.level = LOG_WARN,
		.what = "a connection cannot be accepted"};
	if (address.is_unix)
		uv_pipe_init(&env_uv_loop_of(loop)->uv, &listener->uv.pipe, 0);
	else
		uv_tcp_init(&env_uv_loop_of(loop)->uv, &listener->uv.tcp);
	listener->uv.any.data = listener;
	code = address.is_unix ? bind_unix(listener, &address) : bind_tcp(listener, &address);
	if (code < 0) {
		code = env_uv_status(code);
		uv_close(&listener->uv.any, listener_on_closed);
		return status_set(status, code, "%s: cannot listen: %s", text, status_name(code));
	}
	*out = &listener->base;
	return 0;
}

const char *env_uv_listener_address(const struct env_listener *listener)
{
	return ((const struct env_uv_listener *)listener)->address;
}

void env_uv_listener_close(struct env_listener *listener)
{
	struct env_uv_listener *own = (struct env_uv_listener *)listener;

	tally_stop(&own->failures);
	/* libuv removes the file of a Unix address. */
	uv_close(&own->uv.any, listener_on_closed);
}
