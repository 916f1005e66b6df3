#include "proto/acceptor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ROLE_COUNT (RAFTKV__ROLE__CLIENT + 1)

/* A connection whose role is not known yet, or was refused. */
struct newcomer {
	struct acceptor *acceptor;
	struct newcomer *next, **self; /* in the acceptor's list */
	struct link *link;
};

struct acceptor {
	struct acceptor_options options;
	struct env_listener *listener; /* NULL: it has stopped */
	struct newcomer *newcomers;
	uint32_t waiting; /* newcomers */
	struct {
		acceptor_cb serve; /* NULL: nobody */
		void *argument;
	} roles[ROLE_COUNT];
	void (*stopped)(void *argument);
	void *stopped_argument;
};

/* ---- Newcomers ---- */

static void finish_stop(struct acceptor *acceptor)
{
	if (!acceptor->listener && acceptor->waiting == 0)
		acceptor->stopped(acceptor->stopped_argument);
}

static void remove_newcomer(struct newcomer *newcomer)
{
	*newcomer->self = newcomer->next;
	if (newcomer->next)
		newcomer->next->self = newcomer->self;
	newcomer->acceptor->waiting--;
	free(newcomer);
}

static int on_greeted(void *argument, struct link *link, const Raftkv__Hello *hello, struct status *refusal)
{
	struct newcomer *newcomer = argument;
	struct acceptor *acceptor = newcomer->acceptor;
	size_t role = (size_t)hello->role;
	int code;

	if (role >= ROLE_COUNT || !acceptor->roles[role].serve)
		return status_set(refusal, -EPERM, "nobody serves its role here");
	code = acceptor->roles[role].serve(acceptor->roles[role].argument, link, hello, refusal);
	if (code == 0)
		remove_newcomer(newcomer);
	return code;
}

static int on_received(void *argument, struct link *link, const struct frame *frame)
{
	(void)argument;
	(void)link;
	(void)frame;
	return STATUS_MALFORMED;
}

/* Who came only to look whether somebody listens is not worth a line. */
static void on_closed(void *argument, struct link *link, const struct status *why)
{
	struct newcomer *newcomer = argument;
	struct acceptor *acceptor = newcomer->acceptor;

	(void)link;
	if (why->code < 0 && why->code != -ECONNRESET)
		log_warn(acceptor->options.logger, "msg=\"a connection was refused\" reason=\"%s\"",
			why->text);
	remove_newcomer(newcomer);
	finish_stop(acceptor);
}

static void ignore_closed(void *argument, struct env_stream *stream)
{
	(void)argument;
	(void)stream;
}

static void drop(struct env_stream *stream)
{
	env_stream_start(stream, &(struct env_stream_handlers){.closed = ignore_closed});
	env_stream_close(stream);
}

static void add_newcomer(struct acceptor *acceptor, struct newcomer *newcomer)
{
	newcomer->acceptor = acceptor;
	newcomer->next = acceptor->newcomers;
	newcomer->self = &acceptor->newcomers;
	if (newcomer->next)
		newcomer->next->self = &newcomer->next;
	acceptor->newcomers = newcomer;
	acceptor->waiting++;
}

static void on_accepted(void *argument, struct env_stream *stream)
{
	struct acceptor *acceptor = argument;
	struct newcomer *newcomer =
		acceptor->waiting < ACCEPTOR_WAITING_MAX ? malloc(sizeof *newcomer) : NULL;
	const struct link_handlers handlers = {
		.argument = newcomer, .greeted = on_greeted, .received = on_received, .closed = on_closed};

	if (!newcomer) {
		drop(stream);
		return;
	}
	newcomer->link = link_accept(acceptor->options.self, acceptor->options.loop, stream, &handlers);
	if (newcomer->link)
		add_newcomer(acceptor, newcomer);
	else
		free(newcomer);
}

/* ---- Life ---- */

/* Of an address that was bound: can this machine alone reach it? */
static bool is_private(const char *address)
{
	return strncmp(address, "unix:", 5) == 0 || strncmp(address, "127.", 4) == 0 ||
	       strncmp(address, "[::1]:", 6) == 0 || strncmp(address, "localhost:", 10) == 0;
}

int acceptor_new(const struct acceptor_options *options, struct acceptor **out, struct status *status)
{
	struct acceptor *acceptor = calloc(1, sizeof *acceptor);
	int code;

	*out = NULL;
	if (!acceptor)
		return status_set(status, -ENOMEM, "out of memory");
	acceptor->options = *options;
	code = env_listen(
		options->loop, options->address, on_accepted, acceptor, &acceptor->listener, status);
	if (code == 0 && !options->is_insecure && !is_private(env_listener_address(acceptor->listener))) {
		code = status_set(status, -EPERM,
			"other machines could reach %s, and nothing is encrypted yet: --insecure allows it "
			"where "
			"everybody is trusted",
			options->address);
		env_listener_close(acceptor->listener);
	}
	if (code < 0)
		free(acceptor);
	else
		*out = acceptor;
	return code;
}

void acceptor_serve(struct acceptor *acceptor, Raftkv__Role role, acceptor_cb serve, void *argument)
{
	acceptor->roles[role].serve = serve;
	acceptor->roles[role].argument = argument;
}

const char *acceptor_address(const struct acceptor *acceptor)
{
	return env_listener_address(acceptor->listener);
}

void acceptor_stop(struct acceptor *acceptor, void (*stopped)(void *argument), void *argument)
{
	env_listener_close(acceptor->listener);
	acceptor->listener = NULL;
	acceptor->stopped = stopped;
	acceptor->stopped_argument = argument;
	for (struct newcomer *newcomer = acceptor->newcomers; newcomer; newcomer = newcomer->next)
		link_close(newcomer->link, NULL);
	finish_stop(acceptor);
}

void acceptor_free(struct acceptor *acceptor)
{
	if (!acceptor)
		return;
	if (acceptor->listener)
		env_listener_close(acceptor->listener);
	free(acceptor);
}
