/*
 * proto/acceptor, link, rpc_server against those who mean ill or are slow, between simulated machines: greetings that
 * trickle, greetings that never end, more connections than there are places, frames that are announced and do not come.
 */
#include "proto/acceptor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/container.h"
#include "proto/rpc.h"
#include "proto/rpc_server.h"
#include "proto/tally.h"
#include "proto/version.h"
#include "tests/lib/sim_env.h"
#include "tests/lib/test.h"

#define ADDRESS	   "server:7420"
#define TYPE	   100
#define DEAF	   101 /* requests of who does not read its answers */
#define SLOW_COUNT 300u
#define PERIOD	   (2 * (uint64_t)SIM_S) /* between two bytes that trickle */

struct fixture;

/* A connection that is no link: bytes as the test wants them. */
struct raw {
	struct fixture *fixture;
	struct env_stream *stream; /* NULL: closed */
	struct env_stream_write write;
	struct iovec vector;
	struct env_timer timer;
	const uint8_t *bytes;
	size_t size, sent;
	size_t first, step; /* bytes at once, and then */
	size_t received;
	bool is_deaf, is_writing, was_ended;
};

struct fixture {
	struct sim_world *world;
	struct sim_node *nodes[2];
	struct env *envs[2];
	struct env_loop *loops[2]; /* the client's, the server's */
	struct link_self selves[2];
	struct logger logger;
	struct acceptor *acceptor;
	struct rpc_server *rpc_server;
	struct rpc *rpc;
	struct rpc_call call;
	struct raw raws[SLOW_COUNT];
	uint32_t raw_count;
	uint32_t handled;
	uint32_t lines, counted; /* of the log: refusals, and connections that they speak of */
	uint32_t cut; /* clients that did not take their answers */
	struct buf *answer; /* to each request of a deaf client */
	char reason[512]; /* of the last one */
	bool is_open, is_closed, is_answered;
	void (*run)(struct fixture *fixture);
	struct env_mail mail;
	bool is_run;
};

/* ---- The server ---- */

static int on_request(void *argument, struct rpc_request *request, const struct frame *frame)
{
	struct fixture *fixture = argument;

	fixture->handled++;
	rpc_answer(request, NULL, frame->attachments, frame->attachment_count);
	return 0;
}

static int on_deaf_request(void *argument, struct rpc_request *request, const struct frame *frame)
{
	struct fixture *fixture = argument;

	(void)frame;
	rpc_answer(request, NULL, &fixture->answer, 1);
	return 0;
}

static void on_line(void *argument, enum log_level level, const char *line)
{
	struct fixture *fixture = argument;
	const char *count = strstr(line, " count=");

	(void)level;
	fixture->cut += strstr(line, "does not take its answers") != NULL;
	if (!strstr(line, "a connection was refused") || !count)
		return;
	fixture->lines++;
	fixture->counted += (uint32_t)strtoul(count + 7, NULL, 10);
	snprintf(fixture->reason, sizeof fixture->reason, "%s", line);
}

static void listen_on_server(struct fixture *fixture)
{
	const struct acceptor_options options = {.self = &fixture->selves[1],
		.loop = fixture->loops[1],
		.logger = &fixture->logger,
		.address = ADDRESS,
		.is_insecure = true};

	assert_int_equal(acceptor_new(&options, &fixture->acceptor, NULL), 0);
	fixture->rpc_server = rpc_server_new(fixture->loops[1], &fixture->logger);
	rpc_server_handle(fixture->rpc_server, TYPE, on_request, fixture);
	rpc_server_handle(fixture->rpc_server, DEAF, on_deaf_request, fixture);
	acceptor_serve(fixture->acceptor, RAFTKV__ROLE__CLIENT, rpc_server_greeted, fixture->rpc_server);
}

/* ---- Life ---- */

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);
	static const char *const names[2] = {"client", "server"};

	fixture->world = sim_world_new(11);
	fixture->logger = (struct logger){.level = LOG_INFO, .write = on_line, .argument = fixture};
	for (int i = 0; i < 2; i++) {
		fixture->nodes[i] = sim_node_new(fixture->world, names[i]);
		fixture->envs[i] = sim_node_start(fixture->nodes[i]);
		fixture->selves[i] = (struct link_self){
			.env = fixture->envs[i], .cluster = i ? 99 : 0, .store = i ? 2 : 0};
		assert_int_equal(env_loop_new(fixture->envs[i], names[i], &fixture->loops[i]), 0);
		assert_int_equal(env_loop_start(fixture->loops[i]), 0);
	}
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	sim_node_kill(fixture->nodes[0]);
	sim_node_kill(fixture->nodes[1]);
	sim_world_free(fixture->world);
	free(fixture);
	return 0;
}

static void on_run(struct env_mail *mail)
{
	struct fixture *fixture = container_of(mail, struct fixture, mail);

	fixture->run(fixture);
	fixture->is_run = true;
}

static bool is_run(void *argument)
{
	return ((struct fixture *)argument)->is_run;
}

static void run_on(struct fixture *fixture, int side, void (*run)(struct fixture *fixture))
{
	fixture->run = run;
	fixture->is_run = false;
	env_post(fixture->loops[side], &fixture->mail, on_run);
	assert_true(sim_run(fixture->world, 10 * (uint64_t)SIM_S, is_run, fixture));
}

static void settle_ms(struct fixture *fixture, uint64_t ms)
{
	sim_run(fixture->world, ms * SIM_MS, NULL, NULL);
}

/* ---- Raw connections ---- */

static void end_raw(struct raw *raw)
{
	if (!raw->stream)
		return;
	raw->was_ended = true;
	env_timer_stop(&raw->timer);
	env_stream_close(raw->stream);
	raw->stream = NULL;
}

static void send_step(struct raw *raw);

static void on_raw_timer(struct env_timer *timer)
{
	send_step(container_of(timer, struct raw, timer));
}

static void on_raw_written(struct env_stream_write *write, int status)
{
	struct raw *raw = container_of(write, struct raw, write);
	uint64_t now;

	raw->is_writing = false;
	if (status < 0 || !raw->stream || raw->sent == raw->size)
		return;
	now = env_now(raw->fixture->envs[0]);
	env_timer_start(&raw->timer, raw->fixture->loops[0], now + PERIOD, on_raw_timer);
}

static void send_step(struct raw *raw)
{
	size_t left = raw->size - raw->sent, wanted = raw->sent == 0 ? raw->first : raw->step;
	size_t size = left < wanted ? left : wanted;

	if (!raw->stream || raw->is_writing || size == 0)
		return;
	raw->vector = (struct iovec){(void *)(raw->bytes + raw->sent), size};
	raw->write =
		(struct env_stream_write){.vector = &raw->vector, .vector_count = 1, .done = on_raw_written};
	raw->sent += size;
	raw->is_writing = env_stream_write(raw->stream, &raw->write) == 0;
}

static void on_raw_connected(void *argument, struct env_stream *stream, int status)
{
	struct raw *raw = argument;

	assert_int_equal(status, 0);
	if (raw->is_deaf)
		env_stream_pause(stream);
	send_step(raw);
}

static void on_raw_received(void *argument, struct env_stream *stream, const void *bytes, size_t size)
{
	struct raw *raw = argument;

	(void)stream;
	(void)bytes;
	raw->received += size;
	if (size == 0)
		end_raw(raw);
}

static void on_raw_failed(void *argument, struct env_stream *stream, int status)
{
	(void)stream;
	(void)status;
	end_raw(argument);
}

static void on_raw_closed(void *argument, struct env_stream *stream)
{
	(void)argument;
	(void)stream;
}

static void add_raw(struct fixture *fixture, const struct buf *bytes, size_t first, size_t step)
{
	struct raw *raw = &fixture->raws[fixture->raw_count++];
	const struct env_stream_handlers handlers = {
		raw, on_raw_connected, on_raw_received, on_raw_failed, on_raw_closed};

	*raw = (struct raw){
		.fixture = fixture, .bytes = bytes->data, .size = bytes->size, .first = first, .step = step};
	assert_int_equal(env_connect(fixture->loops[0], ADDRESS, &handlers, &raw->stream, NULL), 0);
}

static uint32_t count_ended(const struct fixture *fixture)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < fixture->raw_count; i++)
		count += fixture->raws[i].was_ended;
	return count;
}

/* ---- An honest client ---- */

static void on_opened(void *argument, struct rpc *rpc, const Raftkv__HelloReply *reply)
{
	(void)rpc;
	(void)reply;
	((struct fixture *)argument)->is_open = true;
}

static void on_closed(void *argument, struct rpc *rpc, const struct status *why)
{
	struct fixture *fixture = argument;

	(void)rpc;
	(void)why;
	fixture->is_closed = true;
	fixture->rpc = NULL;
}

static void connect_client(struct fixture *fixture)
{
	const struct rpc_options options = {.self = &fixture->selves[0],
		.loop = fixture->loops[0],
		.address = ADDRESS,
		.session = 77,
		.opened = on_opened,
		.closed = on_closed,
		.argument = fixture};

	assert_int_equal(rpc_connect(&options, &fixture->rpc, NULL), 0);
}

static void on_answered(struct rpc_call *call, int status, const struct frame *answer)
{
	struct fixture *fixture = container_of(call, struct fixture, call);

	assert_int_equal(status, 0);
	assert_int_equal(answer->attachments[0]->size, 1u << 20);
	fixture->is_answered = true;
}

/* Of more bytes than a read takes: it needs a claim. */
static void ask(struct fixture *fixture)
{
	struct buf *buf = buf_new(1u << 20);

	memset(buf->data, 1, buf->size);
	fixture->call = (struct rpc_call){.type = TYPE, .timeout = 60 * (uint64_t)SIM_S, .done = on_answered};
	assert_int_equal(rpc_call(fixture->rpc, &fixture->call, NULL, &buf, 1), 0);
	buf_unref(buf);
}

/* ---- Greetings ---- */

static struct buf *make_hello(uint32_t protocol)
{
	Raftkv__Hello hello = RAFTKV__HELLO__INIT;
	char version[] = "a version whose name takes a while to say";
	struct buf *bytes;

	hello.protocol = protocol;
	hello.role = RAFTKV__ROLE__CLIENT;
	hello.version = version;
	assert_int_equal(frame_encode(FRAME_HELLO, 0, &hello.base, NULL, 0, &bytes), 0);
	return bytes;
}

static struct buf *hello;

static void send_at_once(struct fixture *fixture)
{
	add_raw(fixture, hello, hello->size, hello->size);
}

/* A program of another protocol is refused with a sentence that has both versions. */
static void another_protocol_is_refused(void **state)
{
	struct fixture *fixture = *state;
	char reason[160];

	hello = make_hello(LINK_PROTOCOL + 1);
	snprintf(reason, sizeof reason,
		"it speaks protocol %u (version a version whose name), this is %u (version %s)",
		LINK_PROTOCOL + 1, LINK_PROTOCOL, RAFTKV_VERSION);
	run_on(fixture, 1, listen_on_server);
	run_on(fixture, 0, send_at_once);
	settle_ms(fixture, 1000);
	assert_int_equal(count_ended(fixture), 1);
	assert_true(fixture->raws[0].received > strlen(reason)); /* it is told, too */
	assert_non_null(strstr(fixture->reason, reason));
	buf_unref(hello);
}

static void trickle(struct fixture *fixture)
{
	add_raw(fixture, hello, 1, 1);
}

static void trickle_much(struct fixture *fixture)
{
	while (fixture->raw_count < ACCEPTOR_WAITING_MAX)
		trickle(fixture);
}

static void a_greeting_that_trickles_ends(void **state)
{
	struct fixture *fixture = *state;

	hello = make_hello(LINK_PROTOCOL);
	run_on(fixture, 1, listen_on_server);
	run_on(fixture, 0, trickle);
	settle_ms(fixture, LINK_GREETING_MS - 1000);
	assert_int_equal(count_ended(fixture), 0);
	settle_ms(fixture, 2 * LINK_PING_MS);
	assert_int_equal(count_ended(fixture), 1);
	assert_non_null(strstr(fixture->reason, "the greeting was not complete in time"));
	buf_unref(hello);
}

static void slow_ones_do_not_shut_the_door(void **state)
{
	struct fixture *fixture = *state;

	hello = make_hello(LINK_PROTOCOL);
	run_on(fixture, 1, listen_on_server);
	run_on(fixture, 0, trickle);
	settle_ms(fixture, 500);
	run_on(fixture, 0, trickle_much);
	settle_ms(fixture, 500);
	assert_int_equal(count_ended(fixture), 0);
	run_on(fixture, 0, connect_client);
	settle_ms(fixture, 100);
	assert_true(fixture->is_open);
	assert_int_equal(count_ended(fixture), 1); /* who had been there the longest */
	assert_true(fixture->raws[0].was_ended);
	buf_unref(hello);
}

/* One line at once, and one a minute later. */
static void refusals_are_counted(void **state)
{
	struct fixture *fixture = *state;

	hello = make_hello(LINK_PROTOCOL);
	run_on(fixture, 1, listen_on_server);
	run_on(fixture, 0, trickle_much);
	settle_ms(fixture, 20000);
	assert_int_equal(count_ended(fixture), ACCEPTOR_WAITING_MAX);
	assert_int_equal(fixture->lines, 1);
	assert_int_equal(fixture->counted, 1);
	settle_ms(fixture, TALLY_PERIOD_MS);
	assert_int_equal(fixture->lines, 2);
	assert_int_equal(fixture->counted, ACCEPTOR_WAITING_MAX);
	settle_ms(fixture, 3 * (uint64_t)TALLY_PERIOD_MS);
	assert_int_equal(fixture->lines, 2);
	buf_unref(hello);
}

/* ---- Large frames ---- */

static struct buf *large; /* a greeting, and most of a frame with a head of 8 MiB */

static void make_large(uint16_t type, bool is_greeting_first)
{
	Raftkv__HelloReply reply = RAFTKV__HELLO_REPLY__INIT;
	struct buf *greeting = make_hello(LINK_PROTOCOL), *frame;
	size_t skip = is_greeting_first ? greeting->size : 0;
	char *text = malloc(FRAME_HEAD_SIZE_MAX - 100);

	memset(text, 'x', FRAME_HEAD_SIZE_MAX - 101);
	text[FRAME_HEAD_SIZE_MAX - 101] = '\0';
	reply.refusal = text;
	assert_int_equal(frame_encode(type, 1, &reply.base, NULL, 0, &frame), 0);
	large = buf_new(skip + frame->size - 1000);
	memcpy(large->data, greeting->data, skip);
	memcpy((uint8_t *)large->data + skip, frame->data, frame->size - 1000);
	buf_unref(frame);
	buf_unref(greeting);
	free(text);
}

static void send_large(struct fixture *fixture)
{
	add_raw(fixture, large, large->size - 1000, 1);
}

static void send_much(struct fixture *fixture)
{
	for (int i = 0; i < 50; i++)
		send_large(fixture);
}

static void send_slowly(struct fixture *fixture)
{
	add_raw(fixture, large, 2000, 2000);
}

static void a_greeting_is_small(void **state)
{
	struct fixture *fixture = *state;

	make_large(FRAME_HELLO, false);
	run_on(fixture, 1, listen_on_server);
	run_on(fixture, 0, send_large);
	settle_ms(fixture, 200);
	assert_int_equal(count_ended(fixture), 1);
	assert_non_null(strstr(fixture->reason, "the greeting is too large"));
	buf_unref(large);
}

static void a_frame_that_trickles_ends(void **state)
{
	struct fixture *fixture = *state;

	make_large(TYPE, true);
	run_on(fixture, 1, listen_on_server);
	run_on(fixture, 0, send_slowly);
	settle_ms(fixture, LINK_FRAME_MS - LINK_PING_MS);
	assert_true(fixture->raws[0].received > 0);
	assert_int_equal(count_ended(fixture), 0);
	settle_ms(fixture, 4 * LINK_PING_MS);
	assert_int_equal(count_ended(fixture), 1);
	buf_unref(large);
}

/*
 * What fifty have begun to send is more than there is memory for: the server stops reading, welcomes others, gives up who
 * keeps them waiting and comes at a trickle, and goes on with those who ask for less first.
 */
static void memory_has_a_limit(void **state)
{
	struct fixture *fixture = *state;
	size_t sent = 0;

	make_large(TYPE, true);
	run_on(fixture, 1, listen_on_server);
	run_on(fixture, 0, send_much);
	settle_ms(fixture, 1500);
	for (uint32_t i = 0; i < fixture->raw_count; i++)
		sent += fixture->raws[i].is_writing ? 0 : fixture->raws[i].size;
	assert_true(sent > RPC_SIZE_MAX / 2);
	assert_true(sent <= RPC_SIZE_MAX);
	run_on(fixture, 0, connect_client);
	settle_ms(fixture, 100);
	assert_true(fixture->is_open);
	run_on(fixture, 0, ask);
	settle_ms(fixture, 100);
	assert_false(fixture->is_answered);
	settle_ms(fixture, LINK_FRAME_CONTENDED_MS + 2 * LINK_PING_MS);
	assert_true(fixture->is_answered);
	assert_int_equal(fixture->handled, 1);
	settle_ms(fixture, 60000);
	assert_int_equal(count_ended(fixture), 50);
	assert_false(fixture->is_closed);
	buf_unref(large);
}

/* ---- Answers ---- */

#define DEAF_COUNT    10u
#define REQUEST_COUNT 30u

static struct buf *requests; /* a greeting, and requests with answers of 1 MiB */

static void make_requests(void)
{
	struct buf *greeting = make_hello(LINK_PROTOCOL);
	uint8_t *at;

	requests = buf_new(greeting->size + REQUEST_COUNT * FRAME_HEADER_SIZE);
	at = memcpy(requests->data, greeting->data, greeting->size);
	at += greeting->size;
	for (uint32_t i = 0; i < REQUEST_COUNT; i++, at += FRAME_HEADER_SIZE) {
		struct buf *frame;

		assert_int_equal(frame_encode(DEAF, i + 1, NULL, NULL, 0, &frame), 0);
		memcpy(at, frame->data, FRAME_HEADER_SIZE);
		buf_unref(frame);
	}
	buf_unref(greeting);
}

static void ask_and_do_not_listen(struct fixture *fixture)
{
	for (uint32_t i = 0; i < DEAF_COUNT; i++) {
		add_raw(fixture, requests, requests->size, 1);
		fixture->raws[i].is_deaf = true;
	}
}

/* No one of them has as much waiting as a link may have; all together have. */
static void answers_that_nobody_takes_are_dropped(void **state)
{
	struct fixture *fixture = *state;

	_Static_assert(REQUEST_COUNT << 20 < LINK_QUEUE_SIZE_MAX, "each alone is within its limit");
	_Static_assert(DEAF_COUNT * (REQUEST_COUNT << 20) > RPC_SENDING_SIZE_MAX, "together they are not");
	make_requests();
	fixture->answer = buf_new(1u << 20);
	memset(fixture->answer->data, 1, fixture->answer->size);
	run_on(fixture, 1, listen_on_server);
	run_on(fixture, 0, connect_client);
	run_on(fixture, 0, ask_and_do_not_listen);
	settle_ms(fixture, 2000);
	assert_true(fixture->cut > 0);
	assert_true(fixture->is_open);
	assert_false(fixture->is_closed);
	run_on(fixture, 0, ask);
	settle_ms(fixture, 1000);
	assert_true(fixture->is_answered);
	buf_unref(requests);
	buf_unref(fixture->answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_greeting_that_trickles_ends, set_up, tear_down),
		cmocka_unit_test_setup_teardown(slow_ones_do_not_shut_the_door, set_up, tear_down),
		cmocka_unit_test_setup_teardown(another_protocol_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refusals_are_counted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_greeting_is_small, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_frame_that_trickles_ends, set_up, tear_down),
		cmocka_unit_test_setup_teardown(memory_has_a_limit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(answers_that_nobody_takes_are_dropped, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
