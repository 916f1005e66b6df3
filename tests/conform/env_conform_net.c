#include "tests/conform/env_conform_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/conform/env_conform.h"
#include "tests/lib/test.h"

#define WRITES 50
#define SIZE   5000

/* Two ends on one loop: `client` connects, `server` is accepted. */
struct end {
	struct link *link;
	struct env_stream *stream;
	struct parcel {
		struct env_stream_write write;
		struct iovec vector[3];
		struct end *end;
		int number;
	} parcels[WRITES];
	unsigned char bytes[WRITES * SIZE]; /* to write */
	int connected; /* callbacks */
	int status; /* of the last `connected` or `failed` */
	int failed;
	int ended; /* size 0 received */
	int closed;
	int written; /* `done` with 0, in order */
	int canceled;
	size_t received;
	uint32_t sum; /* of what was received, by place */
	bool inside; /* of a call of ours: no callback may come */
};

struct link {
	struct env_conform *conform;
	struct env_listener *listener;
	struct end client;
	struct end server;
	int closes_awaited;
	void (*on_received)(struct end *end);
	void (*on_accepted)(struct end *end);
	void (*on_connected)(struct end *end);
	void (*on_written)(struct end *end); /* each write */
};

static uint32_t add_to_sum(uint32_t sum, size_t place, unsigned char byte)
{
	return sum + (uint32_t)(place * 31 + 7) * byte;
}

static void on_connected(void *argument, struct env_stream *stream, int status)
{
	struct end *end = argument;

	assert_false(end->inside);
	assert_ptr_equal(end->stream, stream);
	assert_true(env_loop_is_current(end->link->conform->loop));
	end->connected++;
	end->status = status;
	if (end->link->on_connected)
		end->link->on_connected(end);
}

static void on_received(void *argument, struct env_stream *stream, const void *bytes, size_t size)
{
	struct end *end = argument;

	assert_false(end->inside);
	assert_ptr_equal(end->stream, stream);
	assert_int_equal(end->closed + end->ended + end->failed, 0);
	end->ended += size == 0;
	for (size_t i = 0; i < size; i++)
		end->sum = add_to_sum(end->sum, end->received + i, ((const unsigned char *)bytes)[i]);
	end->received += size;
	if (end->link->on_received)
		end->link->on_received(end);
}

static void on_failed(void *argument, struct env_stream *stream, int status)
{
	struct end *end = argument;

	assert_false(end->inside);
	assert_true(status < 0);
	end->failed++;
	end->status = status;
	env_stream_close(stream);
}

static void on_closed(void *argument, struct env_stream *stream)
{
	struct end *end = argument;

	assert_false(end->inside);
	assert_ptr_equal(end->stream, stream);
	end->closed++;
	if (--end->link->closes_awaited == 0)
		env_loop_stop(end->link->conform->loop);
}

static struct env_stream_handlers handlers_of(struct end *end)
{
	return (struct env_stream_handlers){end, on_connected, on_received, on_failed, on_closed};
}

static void check_peer(const struct link *link, const struct env_stream *stream)
{
	bool is_unix = strncmp(env_listener_address(link->listener), "unix:", 5) == 0;
	uint32_t uid = link->conform->uid + 1;

	assert_int_equal(env_stream_peer(stream, &uid), is_unix ? 0 : -EOPNOTSUPP);
	assert_int_equal(uid, link->conform->uid + !is_unix);
}

static void on_accepted(void *argument, struct env_stream *stream)
{
	struct link *link = argument;
	struct env_stream_handlers handlers = handlers_of(&link->server);

	check_peer(link, stream);
	link->server.stream = stream;
	link->server.inside = true;
	env_stream_start(stream, &handlers);
	link->server.inside = false;
	if (link->on_accepted)
		link->on_accepted(&link->server);
}

static void on_written(struct env_stream_write *write, int status)
{
	struct parcel *parcel = container_of(write, struct parcel, write);

	assert_false(parcel->end->inside);
	assert_int_equal(parcel->end->closed, 0);
	assert_int_equal(parcel->end->written + parcel->end->canceled, parcel->number);
	if (status == 0)
		parcel->end->written++;
	else
		parcel->end->canceled++;
	if (parcel->end->link->on_written)
		parcel->end->link->on_written(parcel->end);
}

/* Writes all of `bytes` in WRITES writes of three parts, one of them empty. */
static void write_all(struct end *end)
{
	for (int i = 0; i < WRITES; i++) {
		struct parcel *parcel = &end->parcels[i];
		unsigned char *bytes = end->bytes + i * SIZE;

		*parcel = (struct parcel){.end = end, .number = i};
		parcel->vector[0] = (struct iovec){bytes, 100};
		parcel->vector[1] = (struct iovec){bytes + 100, 0};
		parcel->vector[2] = (struct iovec){bytes + 100, SIZE - 100};
		parcel->write = (struct env_stream_write){
			.vector = parcel->vector, .vector_count = 3, .done = on_written};
		end->inside = true;
		assert_int_equal(env_stream_write(end->stream, &parcel->write), 0);
		end->inside = false;
	}
}

static uint32_t sum_of(const struct end *end)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < sizeof end->bytes; i++)
		sum = add_to_sum(sum, i, end->bytes[i]);
	return sum;
}

static struct link *link_new(struct env_conform *conform, const char *address)
{
	struct link *link = calloc(1, sizeof *link);
	struct status status;

	link->conform = conform;
	link->client.link = link;
	link->server.link = link;
	link->closes_awaited = 2;
	env_random(conform->env, link->client.bytes, sizeof link->client.bytes);
	env_random(conform->env, link->server.bytes, sizeof link->server.bytes);
	assert_int_equal(env_listen(conform->loop, address, on_accepted, link, &link->listener, &status), 0);
	return link;
}

/* Connects, runs until both ends are closed, and readies the loop for the next link. */
static void link_run(struct link *link, const char *address)
{
	struct env_stream_handlers handlers = handlers_of(&link->client);
	struct env_conform *conform = link->conform;
	struct env_loop *next;
	struct status status;

	assert_int_equal(env_connect(conform->loop, address, &handlers, &link->client.stream, &status), 0);
	if (!link->on_connected)
		write_all(&link->client);
	env_loop_run(conform->loop);
	env_listener_close(link->listener);
	assert_int_equal(env_loop_new(conform->env, "next", &next), 0);
	env_loop_free(conform->loop);
	conform->loop = next;
}

static void run_on_each_address(struct env_conform *conform, void (*prepare)(struct link *link),
	void (*judge)(const struct link *link))
{
	for (int i = 0; conform->addresses[i]; i++) {
		struct link *link = link_new(conform, conform->addresses[i]);
		char address[300];

		snprintf(address, sizeof address, "%s", env_listener_address(link->listener));
		prepare(link);
		link_run(link, address);
		judge(link);
		free(link);
	}
}

/* ---- Both write at once, both receive it all -------------------------------------------------------------------- */

static void close_when_all_came(struct end *end)
{
	struct link *link = end->link;

	if (link->client.received == sizeof link->client.bytes &&
		link->server.received == sizeof link->server.bytes && link->client.written == WRITES &&
		link->server.written == WRITES && !end->ended) {
		env_stream_close(link->client.stream);
		env_stream_close(link->server.stream);
	}
}

static void prepare_echo(struct link *link)
{
	link->on_connected = write_all;
	link->on_accepted = write_all;
	link->on_received = close_when_all_came;
	link->on_written = close_when_all_came;
}

static void judge_echo(const struct link *link)
{
	assert_int_equal(link->client.connected, 1);
	assert_int_equal(link->server.connected, 0);
	assert_int_equal(link->client.status, 0);
	assert_int_equal(link->client.sum, sum_of(&link->server));
	assert_int_equal(link->server.sum, sum_of(&link->client));
	assert_int_equal(link->client.failed + link->server.failed, 0);
	assert_int_equal(link->client.closed + link->server.closed, 2);
}

void env_conform_net_echo(void **state)
{
	run_on_each_address(*state, prepare_echo, judge_echo);
}

/* ---- One writes before it is connected, then ends; the other sees the end after the bytes ------------------------ */

static void close_client_when_all_came(struct end *end)
{
	if (end == &end->link->server && end->received == sizeof end->bytes && !end->ended)
		env_stream_close(end->link->client.stream);
	if (end->ended)
		env_stream_close(end->stream);
}

static void prepare_early(struct link *link)
{
	link->on_received = close_client_when_all_came;
}

static void judge_early(const struct link *link)
{
	assert_int_equal(link->client.written, WRITES);
	assert_int_equal(link->server.sum, sum_of(&link->client));
	assert_int_equal(link->server.ended, 1);
	assert_int_equal(link->server.failed, 0);
}

void env_conform_net_writes_before_connected(void **state)
{
	run_on_each_address(*state, prepare_early, judge_early);
}

/* ---- Nobody listens --------------------------------------------------------------------------------------------- */

static void close_end(struct end *end)
{
	struct env_stream_write write = {.done = on_written};

	if (end->status < 0)
		assert_int_equal(env_stream_write(end->stream, &write), -ENOTCONN);
	env_stream_close(end->stream);
}

static void test_refused(struct env_conform *conform, const char *listened)
{
	struct link *link = link_new(conform, listened);
	struct env_stream_handlers handlers = handlers_of(&link->client);
	char address[300];

	snprintf(address, sizeof address, "%s", env_listener_address(link->listener));
	env_listener_close(link->listener);
	link->on_connected = close_end;
	link->closes_awaited = 1;
	link->client.inside = true;
	assert_int_equal(env_connect(conform->loop, address, &handlers, &link->client.stream, NULL), 0);
	link->client.inside = false;
	env_loop_run(conform->loop);
	assert_int_equal(link->client.connected, 1);
	assert_int_equal(link->client.status, strncmp(address, "unix:", 5) == 0 ? -ENOENT : -ECONNREFUSED);
	assert_int_equal(link->client.failed, 0);
	env_loop_free(conform->loop);
	assert_int_equal(env_loop_new(conform->env, "next", &conform->loop), 0);
	free(link);
}

void env_conform_net_refused(void **state)
{
	struct env_conform *conform = *state;

	for (int i = 0; conform->addresses[i]; i++)
		test_refused(conform, conform->addresses[i]);
}

/* ---- Back-pressure ---------------------------------------------------------------------------------------------- */

struct pause {
	struct env_timer timer;
	struct link *link;
	size_t received;
	int resumes;
};

static struct pause the_pause;

static void on_resume(struct env_timer *timer)
{
	struct pause *pause = container_of(timer, struct pause, timer);

	assert_int_equal(pause->link->server.received, pause->received);
	pause->resumes++;
	env_stream_resume(pause->link->server.stream);
}

/* Each piece is followed by a pause in which nothing may come. */
static void pause_server(struct end *end)
{
	struct link *link = end->link;
	struct env_loop *loop = link->conform->loop;

	if (end == &link->server && !end->ended && end->received < sizeof end->bytes) {
		env_stream_pause(end->stream);
		the_pause.link = link;
		the_pause.received = end->received;
		env_timer_start(&the_pause.timer, loop, env_now(link->conform->env) + 2000000, on_resume);
		return;
	}
	close_client_when_all_came(end);
}

static void prepare_pause(struct link *link)
{
	the_pause = (struct pause){0};
	link->on_received = pause_server;
}

static void judge_pause(const struct link *link)
{
	assert_true(the_pause.resumes > 0);
	judge_early(link);
}

void env_conform_net_pause(void **state)
{
	run_on_each_address(*state, prepare_pause, judge_pause);
}

/* ---- The peer ends while we write ------------------------------------------------------------------------------- */

static void keep_writing(struct end *end)
{
	if (end == &end->link->client && !end->failed)
		write_all(end);
	else
		env_stream_close(end->stream);
}

static void close_ended(struct end *end)
{
	if (end->ended)
		env_stream_close(end->stream);
}

static void prepare_peer_ends(struct link *link)
{
	link->on_connected = keep_writing;
	link->on_accepted = keep_writing;
	link->on_received = close_ended;
}

/* The end, or the failure of a write: one of them, and each write is called back. */
static void judge_peer_ends(const struct link *link)
{
	assert_int_equal(link->client.ended + link->client.failed, 1);
	assert_int_equal(link->client.written + link->client.canceled, WRITES);
	assert_int_equal(link->client.closed + link->server.closed, 2);
}

void env_conform_net_peer_ends(void **state)
{
	run_on_each_address(*state, prepare_peer_ends, judge_peer_ends);
}

/* ---- Closing with writes in the queue --------------------------------------------------------------------------- */

static void write_and_close(struct end *end)
{
	write_all(end);
	end->inside = true;
	env_stream_close(end->stream);
	end->inside = false;
}

static void prepare_close_cancels(struct link *link)
{
	link->on_connected = write_and_close;
	link->on_received = close_ended;
}

static void judge_close_cancels(const struct link *link)
{
	assert_true(link->client.canceled > 0);
	assert_int_equal(link->client.written + link->client.canceled, WRITES);
	assert_int_equal(link->client.closed, 1);
}

void env_conform_net_close_cancels(void **state)
{
	run_on_each_address(*state, prepare_close_cancels, judge_close_cancels);
}

/* ---- Addresses -------------------------------------------------------------------------------------------------- */

void env_conform_net_addresses(void **state)
{
	static const char *const bad[] = {
		"", "host", "host:", ":1", "host:70000", "host:1x", "::1:80", "unix:relative", "[]:1"};
	struct env_conform *conform = *state;
	struct env_stream_handlers handlers = {0};
	struct env_listener *listener;
	struct env_stream *stream;
	struct status status;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		status = (struct status){0};
		assert_int_equal(
			env_listen(conform->loop, bad[i], on_accepted, NULL, &listener, &status), -EINVAL);
		assert_int_equal(status.code, -EINVAL);
		assert_true(strlen(status.text) > 0);
		assert_int_equal(env_connect(conform->loop, bad[i], &handlers, &stream, NULL), -EINVAL);
	}
	assert_int_equal(
		env_listen(conform->loop, conform->addresses[0], on_accepted, NULL, &listener, NULL), 0);
	assert_int_equal(
		env_listen(conform->loop, env_listener_address(listener), on_accepted, NULL, &listener, NULL),
		-EADDRINUSE);
	env_listener_close(listener);
}
