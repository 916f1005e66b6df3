#include "proto/acceptor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "proto/tally.h"

#define ROLE_COUNT (RAFTKV__ROLE__CLIENT + 1)

/* A connection whose role is not known yet, or that was refused. */
struct newcomer {
	struct acceptor *acceptor;
	struct newcomer *prev, *next; /* in one of the acceptor's lists */
	struct link *link;
	struct status refusal; /* code < 0: it is refused whatever its greeting says */
	bool is_leaving; /* it is being closed to make room */
};

struct acceptor {
	struct acceptor_options options;
	struct env_listener *listener; /* NULL: it has stopped */
	struct newcomer *newcomers; /* the oldest first */
	uint32_t waiting; /* number of newcomers */
	struct newcomer *leaving;
	struct tally refusals;
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
	if (!acceptor->listener && !acceptor->newcomers && !acceptor->leaving)
		acceptor->stopped(acceptor->stopped_argument);
}

static void remove_newcomer(struct newcomer *newcomer)
{
	struct acceptor *acceptor = newcomer->acceptor;

	if (newcomer->is_leaving) {
		DL_DELETE(acceptor->leaving, newcomer);
	} else {
		DL_DELETE(acceptor->newcomers, newcomer);
		acceptor->waiting--;
	}
	free(newcomer);
}

/* Closes the newcomer that has had the longest time for its greeting. */
static void make_room(struct acceptor *acceptor)
{
	struct newcomer *oldest = acceptor->newcomers;
	struct status why = {0};

	status_set(&why, -EBUSY, "it sent no greeting, and too many connections wait");
	DL_DELETE(acceptor->newcomers, oldest);
	acceptor->waiting--;
	DL_APPEND(acceptor->leaving, oldest);
	oldest->is_leaving = true;
	link_close(oldest->link, &why);
}

static int acceptor_on_greeted(
	void *argument, struct link *link, const Raftkv__Hello *hello, struct status *refusal)
{
	struct newcomer *newcomer = argument;
	struct acceptor *acceptor = newcomer->acceptor;
	size_t role = (size_t)hello->role;
	int code;

	if (newcomer->refusal.code < 0) {
		*refusal = newcomer->refusal;
		return refusal->code;
	}
	if (role >= ROLE_COUNT || !acceptor->roles[role].serve)
		return status_set(refusal, -EPERM, "nobody serves its role here");
	code = acceptor->roles[role].serve(acceptor->roles[role].argument, link, hello, refusal);
	if (code == 0)
		remove_newcomer(newcomer);
	return code;
}

static int acceptor_on_received(void *argument, struct link *link, const struct frame *frame)
{
	(void)argument;
	(void)link;
	(void)frame;
	return STATUS_MALFORMED;
}

/* A peer that only connected and closed may have probed the port: that is not logged. */
static void acceptor_on_closed(void *argument, struct link *link, const struct status *why)
{
	struct newcomer *newcomer = argument;
	struct acceptor *acceptor = newcomer->acceptor;

	(void)link;
	if (acceptor->listener && why->code < 0 && why->code != -ECONNRESET)
		tally_note(&acceptor->refusals, "%s", why->text);
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

/* Notes a refusal if the user at the other end of a Unix socket may not connect. On a port the user is not known. */
static void check_user(struct newcomer *newcomer, const struct env_stream *stream)
{
	uint32_t uid, own = newcomer->acceptor->options.uid;
	int code = env_stream_peer(stream, &uid);

	if (code == -EOPNOTSUPP || (code == 0 && (uid == 0 || uid == own)))
		return;
	if (code < 0)
		status_set(&newcomer->refusal, code, "the user of its process is not known: %s",
			status_name(code));
	else if (own == 0)
		status_set(&newcomer->refusal, -EACCES,
			"user %" PRIu32 " may not: this store serves root alone", uid);
	else
		status_set(&newcomer->refusal, -EACCES,
			"user %" PRIu32 " may not: this store serves root and user %" PRIu32 " alone", uid,
			own);
}

static void acceptor_on_accepted(void *argument, struct env_stream *stream)
{
	struct acceptor *acceptor = argument;
	struct newcomer *newcomer = calloc(1, sizeof *newcomer);
	const struct link_handlers handlers = {.argument = newcomer,
		.greeted = acceptor_on_greeted,
		.received = acceptor_on_received,
		.closed = acceptor_on_closed};

	if (!newcomer) {
		tally_note(&acceptor->refusals, "out of memory");
		drop(stream);
		return;
	}
	newcomer->acceptor = acceptor;
	check_user(newcomer, stream);
	newcomer->link = link_accept(acceptor->options.self, acceptor->options.loop, stream, &handlers);
	if (!newcomer->link) {
		tally_note(&acceptor->refusals, "out of memory");
		free(newcomer);
		return;
	}
	if (acceptor->waiting == ACCEPTOR_WAITING_MAX)
		make_room(acceptor);
	DL_APPEND(acceptor->newcomers, newcomer);
	acceptor->waiting++;
}

/* ---- Life ---- */

static bool is_port(const char *address)
{
	return strncmp(address, "unix:", 5) != 0;
}

int acceptor_new(const struct acceptor_options *options, struct acceptor **out, struct status *status)
{
	struct acceptor *acceptor = calloc(1, sizeof *acceptor);
	int code;

	*out = NULL;
	if (!acceptor)
		return status_set(status, -ENOMEM, "out of memory");
	acceptor->options = *options;
	acceptor->refusals = (struct tally){.loop = options->loop,
		.logger = options->logger,
		.level = LOG_WARN,
		.what = "a connection was refused"};
	if (is_port(options->address) && !options->is_insecure)
		code = status_set(status, -EPERM,
			"%s is a port, nothing is encrypted yet, and whoever reaches it is root of the "
			"files: listen "
			"on unix:/PATH instead, or say --insecure where everybody is trusted",
			options->address);
	else
		code = env_listen(options->loop, options->address, acceptor_on_accepted, acceptor,
			&acceptor->listener, status);
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
	tally_stop(&acceptor->refusals);
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
