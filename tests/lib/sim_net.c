/*
 * The network between simulated processes.
 *
 * A connection is two streams that know each other. What one writes is moved, a piece at a time, into the other's
 * inbox, with the time at which it arrives. Three events drive a stream: `on_pump` moves bytes out and tells of
 * finished writes, `on_arrival` hands the inbox to the owner, `on_failure` ends it. Streams live until their env is
 * freed, so that events and peers may refer to them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "tests/lib/sim_internal.h"

#define WINDOW	      (256u << 10) /* bytes on their way */
#define PIECE_MAX     (64u << 10)
#define LATENCY	      (100 * SIM_US)
#define LATENCY_LOCAL (10 * SIM_US)
#define RETRY	      (50 * SIM_MS) /* of what a cut link holds back */
#define PATIENCE      (20 * (uint64_t)SIM_S)

enum { KIND_PUMP = 8, KIND_ARRIVAL, KIND_FAILURE, KIND_CONNECT, KIND_ACCEPT, KIND_CLOSED };

struct sim_path {
	struct sim_path *next;
	const struct sim_node *to;
	struct sim_link link;
	uint64_t busy_until; /* world time; of a link with a rate */
};

struct piece {
	struct piece *next;
	uint64_t sent;
	uint64_t due; /* world time */
	size_t size; /* 0: the end */
	unsigned char bytes[];
};

enum stream_state { STREAM_CONNECTING, STREAM_OPEN, STREAM_FAILED, STREAM_CLOSED };

struct sim_stream {
	struct env_stream base;
	struct sim_stream *next; /* of the env */
	struct sim_env *env;
	struct sim_stream *peer; /* NULL: not connected */
	struct env_stream_handlers handlers;
	enum stream_state state;
	bool is_started; /* has handlers */
	bool is_paused;
	bool is_pumped; /* on_pump is scheduled */
	bool is_awaited; /* on_arrival is scheduled */
	bool is_lost; /* the other end lost power: nothing arrives there */
	char address[128]; /* to connect to */
	uint64_t begun; /* connecting */
	uint32_t peer_uid; /* of who connected */
	struct env_mail_list queue; /* env_stream_write.mail */
	size_t written; /* bytes of the queue's first that are on their way */
	size_t in_transit; /* bytes */
	struct piece *inbox; /* the oldest first */
	struct piece **inbox_end;
	int failure; /* what on_failure will say */
};

struct sim_listener {
	struct env_listener base;
	struct sim_listener *next; /* of the env */
	bool is_closed;
	void (*accepted)(void *argument, struct env_stream *stream);
	void *argument;
	char address[128];
};

static struct sim_stream *stream_of(struct env_stream *stream)
{
	return (struct sim_stream *)stream;
}

static struct sim_world *world_of(const struct sim_stream *stream)
{
	return stream->env->node->world;
}

static bool is_alive(const struct sim_stream *stream)
{
	return stream->state == STREAM_OPEN && !stream->env->is_dead;
}

/* ---- Links ------------------------------------------------------------------------------------------------------ */

static struct sim_path *path_to(struct sim_node *from, const struct sim_node *to)
{
	struct sim_path *path = from->paths;

	while (path && path->to != to)
		path = path->next;
	if (!path) {
		path = sim_allocate(sizeof *path);
		path->to = to;
		path->next = from->paths;
		from->paths = path;
	}
	return path;
}

struct sim_link *sim_net_link(struct sim_node *from, struct sim_node *to)
{
	return &path_to(from, to)->link;
}

void sim_node_set_uid(struct sim_node *node, uint32_t uid)
{
	node->uid = uid;
}

void sim_net_free_paths(struct sim_node *node)
{
	while (node->paths) {
		struct sim_path *path = node->paths;

		node->paths = path->next;
		free(path);
	}
}

/* How long `size` bytes take from one node to another. */
static uint64_t travel(struct sim_node *from, struct sim_node *to, size_t size)
{
	struct sim_path *path = path_to(from, to);
	uint64_t latency = path->link.latency ? path->link.latency : from == to ? LATENCY_LOCAL : LATENCY;
	uint64_t now = from->world->time, start = path->busy_until > now ? path->busy_until : now;

	if (path->link.bytes_per_s > 0)
		path->busy_until = start + size * (uint64_t)SIM_S / path->link.bytes_per_s;
	else
		path->busy_until = start = now;
	return path->busy_until - now + sim_delay(from->world, latency);
}

static void schedule(struct sim_stream *stream, uint64_t delay, uint32_t kind, sim_event_cb run)
{
	sim_schedule(stream->env, sim_loop_of(stream->base.loop), delay, kind, run, stream);
}

/* ---- Failing ---------------------------------------------------------------------------------------------------- */

static void on_failure(struct sim_event *event)
{
	struct sim_stream *stream = event->object;

	if (stream->state != STREAM_OPEN || !stream->is_started)
		return;
	stream->state = STREAM_FAILED;
	stream->handlers.failed(stream->handlers.argument, &stream->base, stream->failure);
}

static void fail(struct sim_stream *stream, uint64_t delay, int status)
{
	if (!is_alive(stream) || stream->failure)
		return;
	stream->failure = status;
	schedule(stream, delay, KIND_FAILURE, on_failure);
}

static void fail_both(struct sim_stream *stream, int status)
{
	fail(stream, travel(stream->peer->env->node, stream->env->node, 0), status);
	fail(stream->peer, travel(stream->env->node, stream->peer->env->node, 0), status);
}

void sim_net_reset(struct sim_node *a, struct sim_node *b)
{
	for (struct sim_stream *stream = a->env ? a->env->streams : NULL; stream; stream = stream->next) {
		if (is_alive(stream) && stream->peer->env->node == b)
			fail_both(stream, -ECONNRESET);
	}
}

static uint64_t last_due(const struct sim_stream *stream)
{
	uint64_t due = world_of(stream)->time;

	for (const struct piece *piece = stream->inbox; piece; piece = piece->next)
		if (piece->due > due)
			due = piece->due;
	return due;
}

void sim_net_strand(struct sim_node *from, struct sim_node *to)
{
	for (struct sim_stream *stream = from->env ? from->env->streams : NULL; stream;
		stream = stream->next) {
		struct sim_stream *peer = stream->peer;

		if (!is_alive(stream) || peer->env->node != to)
			continue;
		fail(stream, 0, -ETIMEDOUT);
		fail(peer, last_due(peer) - from->world->time + travel(from, to, 0), -ECONNRESET);
	}
}

void sim_net_kill(struct sim_env *env, bool is_power_lost)
{
	for (struct sim_stream *stream = env->streams; stream; stream = stream->next) {
		struct sim_stream *peer = stream->peer;

		if (!peer || stream->state == STREAM_CLOSED)
			continue;
		peer->is_lost = is_power_lost;
		if (!is_power_lost)
			fail(peer, travel(env->node, peer->env->node, 0), -ECONNRESET);
	}
}

/* ---- Arriving --------------------------------------------------------------------------------------------------- */

static void pump_later(struct sim_stream *stream, uint64_t delay);
static void on_arrival(struct sim_event *event);

static void await_arrival(struct sim_stream *stream, uint64_t due)
{
	uint64_t now = world_of(stream)->time;

	if (stream->is_awaited)
		return;
	stream->is_awaited = true;
	schedule(stream, due > now ? due - now : 1, KIND_ARRIVAL, on_arrival);
}

static void drop_first_piece(struct sim_stream *stream)
{
	struct piece *piece = stream->inbox;

	stream->inbox = piece->next;
	if (!stream->inbox)
		stream->inbox_end = &stream->inbox;
	free(piece);
}

/* False: the link is cut, and the piece waits, for a while. */
static bool passes(struct sim_stream *stream, const struct piece *piece)
{
	uint64_t now = world_of(stream)->time;

	if (!sim_net_link(stream->peer->env->node, stream->env->node)->is_cut)
		return true;
	if (now - piece->sent > PATIENCE)
		fail(stream->peer, 0, -ETIMEDOUT);
	else
		await_arrival(stream, now + RETRY);
	return false;
}

static void on_arrival(struct sim_event *event)
{
	struct sim_stream *stream = event->object, *peer = stream->peer;
	struct piece *piece = stream->inbox;

	stream->is_awaited = false;
	if (!piece || stream->state != STREAM_OPEN || !stream->is_started || stream->is_paused ||
		!passes(stream, piece))
		return;
	/* Out of the inbox first: the owner may close. */
	stream->inbox = piece->next;
	if (!stream->inbox)
		stream->inbox_end = &stream->inbox;
	else
		await_arrival(stream, stream->inbox->due);
	peer->in_transit -= piece->size;
	pump_later(peer, travel(stream->env->node, peer->env->node, 0));
	stream->handlers.received(
		stream->handlers.argument, &stream->base, piece->size ? piece->bytes : NULL, piece->size);
	free(piece);
}

static struct piece *send_piece(struct sim_stream *stream, size_t size)
{
	struct sim_stream *peer = stream->peer;
	struct piece *piece = sim_allocate(sizeof *piece + size);

	piece->size = size;
	piece->sent = world_of(stream)->time;
	piece->due = piece->sent + travel(stream->env->node, peer->env->node, size);
	*peer->inbox_end = piece;
	peer->inbox_end = &piece->next;
	await_arrival(peer, peer->inbox->due);
	stream->in_transit += size;
	return piece;
}

/* ---- Sending ---------------------------------------------------------------------------------------------------- */

static struct env_stream_write *write_of(struct env_mail *mail)
{
	return (struct env_stream_write *)((char *)mail - offsetof(struct env_stream_write, mail));
}

static size_t size_of(const struct env_stream_write *write)
{
	size_t size = 0;

	for (int i = 0; i < write->vector_count; i++)
		size += write->vector[i].iov_len;
	return size;
}

/* Copies `size` bytes that begin `skip` bytes into the write. */
static void copy_part(const struct env_stream_write *write, size_t skip, unsigned char *bytes, size_t size)
{
	for (int i = 0; i < write->vector_count && size > 0; i++) {
		const struct iovec *part = &write->vector[i];
		size_t left = skip < part->iov_len ? part->iov_len - skip : 0;
		size_t count = left < size ? left : size;

		if (count > 0)
			memcpy(bytes, (const char *)part->iov_base + skip, count);
		skip -= skip < part->iov_len ? skip : part->iov_len;
		bytes += count;
		size -= count;
	}
}

/* Why nothing can be sent. 0: it can. */
static int trouble_of(const struct sim_stream *stream)
{
	const struct sim_stream *peer = stream->peer;

	if (peer->state == STREAM_CLOSED || peer->state == STREAM_FAILED)
		return -EPIPE;
	if (!peer->env->is_dead)
		return 0;
	return stream->is_lost && peer->env->node->is_off ? -ETIMEDOUT : -ECONNRESET;
}

/* Moves the next piece of the first write. Returns whether that write is on its way in full. */
static bool send_part(struct sim_stream *stream, const struct env_stream_write *write)
{
	struct sim_world *world = world_of(stream);
	size_t left = size_of(write) - stream->written, room = WINDOW - stream->in_transit;
	size_t size = 1 + sim_random(world, PIECE_MAX);

	size = size < left ? size : left;
	size = size < room ? size : room;
	if (size > 0)
		copy_part(write, stream->written, send_piece(stream, size)->bytes, size);
	stream->written += size;
	return size == left;
}

static void on_pump(struct sim_event *event)
{
	struct sim_stream *stream = event->object;
	int trouble;

	stream->is_pumped = false;
	while (stream->state == STREAM_OPEN && !stream->failure && stream->queue.first) {
		struct env_stream_write *write = write_of(stream->queue.first);

		trouble = trouble_of(stream);
		if (trouble < 0) {
			fail(stream, trouble == -ETIMEDOUT ? PATIENCE : 0, trouble);
			return;
		}
		if (stream->in_transit == WINDOW && size_of(write) > 0)
			return;
		if (sim_chance(world_of(stream),
			    sim_net_link(stream->env->node, stream->peer->env->node)->reset_ppm)) {
			fail_both(stream, -ECONNRESET);
			return;
		}
		if (send_part(stream, write)) {
			env_mail_list_take(&stream->queue);
			stream->written = 0;
			env_stream_write_finish(write, 0);
		}
	}
}

static void pump_later(struct sim_stream *stream, uint64_t delay)
{
	if (stream->is_pumped || stream->state != STREAM_OPEN || !stream->queue.first)
		return;
	stream->is_pumped = true;
	schedule(stream, delay, KIND_PUMP, on_pump);
}

int sim_stream_write(struct env_stream *base, struct env_stream_write *write)
{
	struct sim_stream *stream = stream_of(base);

	if (stream->state == STREAM_FAILED || stream->state == STREAM_CLOSED)
		return -ENOTCONN;
	env_mail_list_add(&stream->queue, &write->mail);
	pump_later(stream, 1 + sim_random(world_of(stream), SIM_US));
	return 0;
}

/* ---- Owners ----------------------------------------------------------------------------------------------------- */

static struct sim_stream *new_stream(struct env_loop *loop)
{
	struct sim_stream *stream = sim_allocate(sizeof *stream);

	stream->base.loop = loop;
	stream->env = sim_loop_of(loop)->env;
	stream->inbox_end = &stream->inbox;
	stream->next = stream->env->streams;
	stream->env->streams = stream;
	return stream;
}

int sim_stream_peer(const struct env_stream *base, uint32_t *uid)
{
	const struct sim_stream *stream = (const struct sim_stream *)base;

	if (strncmp(stream->address, "unix:", 5) != 0)
		return -EOPNOTSUPP;
	*uid = stream->peer_uid;
	return 0;
}

void sim_stream_start(struct env_stream *base, const struct env_stream_handlers *handlers)
{
	struct sim_stream *stream = stream_of(base);

	stream->handlers = *handlers;
	stream->is_started = true;
	if (stream->inbox)
		await_arrival(stream, stream->inbox->due);
	if (stream->failure)
		schedule(stream, 1, KIND_FAILURE, on_failure);
}

void sim_stream_pause(struct env_stream *stream)
{
	stream_of(stream)->is_paused = true;
}

void sim_stream_resume(struct env_stream *base)
{
	struct sim_stream *stream = stream_of(base);

	stream->is_paused = false;
	if (stream->inbox)
		await_arrival(stream, stream->inbox->due);
}

static void on_closed(struct sim_event *event)
{
	struct sim_stream *stream = event->object;
	struct env_mail *mail;

	while ((mail = env_mail_list_take(&stream->queue)))
		env_stream_write_finish(write_of(mail), -ECANCELED);
	if (stream->handlers.closed)
		stream->handlers.closed(stream->handlers.argument, &stream->base);
}

void sim_stream_close(struct env_stream *base)
{
	struct sim_stream *stream = stream_of(base);
	bool was_open = stream->state == STREAM_OPEN;

	check(stream->state != STREAM_CLOSED);
	stream->state = STREAM_CLOSED;
	/* What was not read makes the end a reset. */
	if (was_open && !stream->env->is_dead && is_alive(stream->peer)) {
		if (stream->inbox)
			fail(stream->peer, travel(stream->env->node, stream->peer->env->node, 0),
				-ECONNRESET);
		else
			send_piece(stream, 0);
	}
	while (stream->inbox)
		drop_first_piece(stream);
	schedule(stream, 1 + sim_random(world_of(stream), SIM_US), KIND_CLOSED, on_closed);
}

/* ---- Connecting ------------------------------------------------------------------------------------------------- */

static struct sim_node *find_node(struct sim_node *from, const char *address)
{
	size_t size = strcspn(address, ":");
	struct sim_node *node = from->world->nodes;

	if (strncmp(address, "unix:", 5) == 0 || strncmp(address, "localhost:", 10) == 0)
		return from;
	while (node && (strlen(node->name) != size || strncmp(node->name, address, size) != 0))
		node = node->next;
	return node;
}

static struct sim_listener *find_listener(const struct sim_env *env, const char *address)
{
	struct sim_listener *listener = env->listeners;
	const char *port = strrchr(address, ':');

	/* The host has been found: only the port counts. */
	if (strncmp(address, "unix:", 5) == 0)
		port = address;
	for (; listener; listener = listener->next) {
		const char *other = strncmp(listener->address, "unix:", 5) == 0
					    ? listener->address
					    : strrchr(listener->address, ':');

		if (!listener->is_closed && strcmp(other, port) == 0)
			break;
	}
	return listener;
}

static void on_accept(struct sim_event *event)
{
	struct sim_stream *stream = event->object;
	struct sim_listener *listener = find_listener(stream->env, stream->address);

	if (listener && listener->base.loop == stream->base.loop) {
		listener->accepted(listener->argument, &stream->base);
		return;
	}
	stream->state = STREAM_CLOSED;
	fail(stream->peer, travel(stream->env->node, stream->peer->env->node, 0), -ECONNRESET);
}

static void finish_connecting(struct sim_stream *stream, int status)
{
	stream->state = status == 0 ? STREAM_OPEN : STREAM_FAILED;
	stream->handlers.connected(stream->handlers.argument, &stream->base, status);
	pump_later(stream, 1);
}

/* The other end, before anybody accepts it. */
static void make_peer(struct sim_stream *stream, struct sim_listener *listener)
{
	struct sim_stream *peer = new_stream(listener->base.loop);

	snprintf(peer->address, sizeof peer->address, "%s", stream->address);
	peer->state = STREAM_OPEN;
	peer->peer_uid = stream->env->node->uid;
	peer->peer = stream;
	stream->peer = peer;
	schedule(peer, sim_delay(world_of(peer), 10 * SIM_US), KIND_ACCEPT, on_accept);
}

static bool is_reachable(struct sim_node *from, struct sim_node *to)
{
	return !to->is_off && !sim_net_link(from, to)->is_cut && !sim_net_link(to, from)->is_cut;
}

static void on_connect(struct sim_event *event)
{
	struct sim_stream *stream = event->object;
	struct sim_node *from = stream->env->node, *to = find_node(from, stream->address);
	struct sim_listener *listener;

	if (stream->state != STREAM_CONNECTING)
		return;
	if (!to) {
		finish_connecting(stream, -EHOSTUNREACH);
	} else if (is_reachable(from, to)) {
		listener = to->env ? find_listener(to->env, stream->address) : NULL;
		if (listener)
			make_peer(stream, listener);
		finish_connecting(stream, listener				      ? 0
					  : strncmp(stream->address, "unix:", 5) == 0 ? -ENOENT
										      : -ECONNREFUSED);
	} else if (world_of(stream)->time - stream->begun > PATIENCE) {
		finish_connecting(stream, -ETIMEDOUT);
	} else {
		schedule(stream, RETRY, KIND_CONNECT, on_connect);
	}
}

static int check_address(const char *address, struct status *status)
{
	const char *colon = strrchr(address, ':');
	char *end = NULL;
	bool good;

	if (strncmp(address, "unix:", 5) == 0)
		good = address[5] == '/';
	else
		good = colon && colon != address && memchr(address, ':', (size_t)(colon - address)) == NULL &&
		       address[0] != '[' && colon[1] != '\0' && strtoul(colon + 1, &end, 10) <= 65535 &&
		       *end == '\0';
	if (!good || strlen(address) >= sizeof((struct sim_stream *)0)->address)
		return status_set(status, -EINVAL, "%s: not an address of the simulated network", address);
	return 0;
}

int sim_connect(struct env_loop *loop, const char *address, const struct env_stream_handlers *handlers,
	struct env_stream **out, struct status *status)
{
	struct sim_stream *stream;
	int result = check_address(address, status);

	if (result < 0)
		return result;
	if (sim_loop_of(loop)->env->is_dead)
		return status_set(status, -EIO, "%s: the process is dead", address);
	stream = new_stream(loop);
	snprintf(stream->address, sizeof stream->address, "%s", address);
	stream->handlers = *handlers;
	stream->is_started = true;
	stream->begun = world_of(stream)->time;
	schedule(stream, sim_delay(world_of(stream), 2 * LATENCY), KIND_CONNECT, on_connect);
	*out = &stream->base;
	return 0;
}

/* ---- Listening -------------------------------------------------------------------------------------------------- */

int sim_listen(struct env_loop *loop, const char *address,
	void (*accepted)(void *argument, struct env_stream *stream), void *argument,
	struct env_listener **out, struct status *status)
{
	struct sim_env *env = sim_loop_of(loop)->env;
	struct sim_listener *listener;
	size_t size = strlen(address);
	int result = check_address(address, status);

	if (result < 0)
		return result;
	if (env->is_dead)
		return status_set(status, -EIO, "%s: the process is dead", address);
	listener = sim_allocate(sizeof *listener);
	snprintf(listener->address, sizeof listener->address, "%s", address);
	if (size > 2 && strcmp(address + size - 2, ":0") == 0) {
		do {
			snprintf(listener->address + size - 1, sizeof listener->address - size + 1, "%u",
				(unsigned int)(32768 + sim_random(env->node->world, 28000)));
		} while (find_listener(env, listener->address));
	}
	if (find_listener(env, listener->address)) {
		free(listener);
		return status_set(status, -EADDRINUSE, "%s: in use", address);
	}
	listener->base.loop = loop;
	listener->accepted = accepted;
	listener->argument = argument;
	listener->next = env->listeners;
	env->listeners = listener;
	*out = &listener->base;
	return 0;
}

const char *sim_listener_address(const struct env_listener *listener)
{
	return ((const struct sim_listener *)listener)->address;
}

void sim_listener_close(struct env_listener *listener)
{
	((struct sim_listener *)listener)->is_closed = true;
}

void sim_net_close(struct sim_env *env)
{
	while (env->streams) {
		struct sim_stream *stream = env->streams;

		env->streams = stream->next;
		while (stream->inbox)
			drop_first_piece(stream);
		free(stream);
	}
	while (env->listeners) {
		struct sim_listener *listener = env->listeners;

		env->listeners = listener->next;
		free(listener);
	}
}
