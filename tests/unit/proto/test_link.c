/* Links between two simulated machines: greetings, refusals, frames in order, silence, full queues. */
#include "proto/link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/sim_env.h"
#include "tests/lib/test.h"

#define ADDRESS "server:7420"
#define FRAMES	200

struct side {
	struct sim_node *node;
	struct env_loop *loop;
	struct link_self self;
	struct link *link; /* NULL: none, or closed */
	struct link_handlers handlers;
	uint64_t opened, received, closed, drained;
	struct status why;
};

struct fixture {
	struct sim_world *world;
	struct side client, server;
	struct env_listener *listener;
	bool refuses;
	bool echoes; /* the server sends each frame back */
	uint64_t sent;
};

static struct side *side_of(struct fixture *fixture, const struct link *link)
{
	return link == fixture->client.link ? &fixture->client : &fixture->server;
}

static int on_greeted(void *argument, struct link *link, const Raftkv__Hello *hello, struct status *refusal)
{
	struct fixture *fixture = argument;

	(void)link;
	assert_int_equal(hello->role, RAFTKV__ROLE__STORE);
	assert_int_equal(hello->store, 1);
	assert_int_equal(hello->incarnation, 11);
	if (fixture->refuses)
		return status_set(refusal, -EPERM, "nobody is welcome here");
	return 0;
}

static void on_opened(void *argument, struct link *link, const Raftkv__HelloReply *reply)
{
	struct fixture *fixture = argument;

	assert_int_equal(reply->store, 2);
	assert_int_equal(reply->incarnation, 22);
	side_of(fixture, link)->opened++;
}

static int on_received(void *argument, struct link *link, const struct frame *frame)
{
	struct fixture *fixture = argument;
	struct side *side = side_of(fixture, link);

	assert_int_equal(frame->request, ++side->received);
	if (frame->attachment_count > 0)
		assert_int_equal(*(uint8_t *)frame->attachments[0]->data, (uint8_t)frame->request);
	if (side == &fixture->server && fixture->echoes)
		assert_int_equal(link_send(link, FRAME_PEER_MESSAGES, frame->request, NULL,
					 frame->attachments, frame->attachment_count),
			0);
	return 0;
}

static void on_drained(void *argument, struct link *link)
{
	side_of(argument, link)->drained++;
}

static void on_closed(void *argument, struct link *link, const struct status *why)
{
	struct side *side = side_of(argument, link);

	side->closed++;
	side->why = *why;
	side->link = NULL;
}

static void on_accepted(void *argument, struct env_stream *stream)
{
	struct fixture *fixture = argument;

	fixture->server.link =
		link_accept(&fixture->server.self, fixture->server.loop, stream, &fixture->server.handlers);
}

static void begin(struct fixture *fixture, struct side *side, const char *name, uint64_t store)
{
	side->node = sim_node_new(fixture->world, name);
	side->self = (struct link_self){
		.env = sim_node_start(side->node), .cluster = 99, .store = store, .incarnation = store * 11};
	assert_int_equal(env_loop_new(side->self.env, name, &side->loop), 0);
	assert_int_equal(env_loop_start(side->loop), 0);
	side->handlers =
		(struct link_handlers){fixture, on_greeted, on_opened, on_received, on_drained, on_closed};
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	fixture->world = sim_world_new(7);
	begin(fixture, &fixture->client, "client", 1);
	begin(fixture, &fixture->server, "server", 2);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	sim_node_kill(fixture->client.node);
	sim_node_kill(fixture->server.node);
	sim_world_free(fixture->world);
	free(fixture);
	return 0;
}

/* On the loops, as the contract wants it. */
struct call {
	struct env_mail mail;
	struct fixture *fixture;
	void (*run)(struct fixture *fixture);
	bool is_done;
};

static void on_call(struct env_mail *mail)
{
	struct call *call = (struct call *)mail;

	call->run(call->fixture);
	call->is_done = true;
}

static bool is_called(void *argument)
{
	return ((struct call *)argument)->is_done;
}

static void run_on(struct fixture *fixture, struct side *side, void (*run)(struct fixture *fixture))
{
	struct call call = {.fixture = fixture, .run = run};

	env_post(side->loop, &call.mail, on_call);
	assert_true(sim_run(fixture->world, 10 * (uint64_t)SIM_S, is_called, &call));
}

static void listen_on_server(struct fixture *fixture)
{
	assert_int_equal(
		env_listen(fixture->server.loop, ADDRESS, on_accepted, fixture, &fixture->listener, NULL), 0);
}

static void connect_to(struct fixture *fixture, uint64_t receiver)
{
	Raftkv__Hello hello = RAFTKV__HELLO__INIT;

	hello.role = RAFTKV__ROLE__STORE;
	hello.receiver = receiver;
	assert_int_equal(link_connect(&fixture->client.self, fixture->client.loop, ADDRESS, &hello,
				 &fixture->client.handlers, &fixture->client.link, NULL),
		0);
	assert_int_equal(link_send(fixture->client.link, FRAME_PING, 0, NULL, NULL, 0), -ENOTCONN);
}

static void connect_to_server(struct fixture *fixture)
{
	connect_to(fixture, 2);
}

static void connect_to_another(struct fixture *fixture)
{
	connect_to(fixture, 3);
}

static void settle(struct fixture *fixture, uint64_t seconds)
{
	sim_run(fixture->world, seconds * SIM_S, NULL, NULL);
}

static void open_both(struct fixture *fixture)
{
	run_on(fixture, &fixture->server, listen_on_server);
	run_on(fixture, &fixture->client, connect_to_server);
	settle(fixture, 1);
	assert_int_equal(fixture->client.opened, 1);
}

static void send_many(struct fixture *fixture)
{
	for (uint64_t i = 1; i <= FRAMES; i++) {
		struct buf *buf = buf_new(i * 100);

		memset(buf->data, (uint8_t)i, buf->size);
		assert_int_equal(
			link_send(fixture->client.link, FRAME_PEER_MESSAGES, i, NULL, &buf, i % 3 > 0), 0);
		buf_unref(buf);
	}
}

static void close_client(struct fixture *fixture)
{
	link_close(fixture->client.link, NULL);
}

static void frames_come_in_order_both_ways(void **state)
{
	struct fixture *fixture = *state;

	fixture->echoes = true;
	open_both(fixture);
	run_on(fixture, &fixture->client, send_many);
	settle(fixture, 1);
	assert_int_equal(fixture->server.received, FRAMES);
	assert_int_equal(fixture->client.received, FRAMES);
	settle(fixture, 60); /* idle, and alive */
	assert_int_equal(fixture->client.closed + fixture->server.closed, 0);
	run_on(fixture, &fixture->client, close_client);
	settle(fixture, 1);
	assert_int_equal(fixture->client.closed, 1);
	assert_int_equal(fixture->client.why.code, 0);
	assert_int_equal(fixture->server.closed, 1);
	assert_int_equal(fixture->server.why.code, -ECONNRESET);
}

static void expect_refusal(struct fixture *fixture, const char *reason)
{
	settle(fixture, 1);
	assert_int_equal(fixture->client.opened, 0);
	assert_int_equal(fixture->client.closed, 1);
	assert_int_equal(fixture->client.why.code, -ECONNREFUSED);
	assert_non_null(strstr(fixture->client.why.text, reason));
	assert_int_equal(fixture->server.closed, 1);
	assert_non_null(strstr(fixture->server.why.text, reason));
}

static void the_owner_may_refuse(void **state)
{
	struct fixture *fixture = *state;

	fixture->refuses = true;
	run_on(fixture, &fixture->server, listen_on_server);
	run_on(fixture, &fixture->client, connect_to_server);
	expect_refusal(fixture, "nobody is welcome here");
}

static void another_cluster_is_refused(void **state)
{
	struct fixture *fixture = *state;

	fixture->client.self.cluster = 98;
	run_on(fixture, &fixture->server, listen_on_server);
	run_on(fixture, &fixture->client, connect_to_server);
	expect_refusal(fixture, "it is of cluster 0000000000000062, this is a store of 0000000000000063");
}

static void another_store_is_refused(void **state)
{
	struct fixture *fixture = *state;

	run_on(fixture, &fixture->server, listen_on_server);
	run_on(fixture, &fixture->client, connect_to_another);
	expect_refusal(fixture, "it looks for store 3, this is store 2");
}

static void nobody_listens(void **state)
{
	struct fixture *fixture = *state;

	run_on(fixture, &fixture->client, connect_to_server);
	settle(fixture, 1);
	assert_int_equal(fixture->client.closed, 1);
	assert_int_equal(fixture->client.why.code, -ECONNREFUSED);
}

/* Invalid frames end a link before they have any effect. */
static void send_nonsense(struct fixture *fixture)
{
	assert_int_equal(link_send(fixture->client.link, FRAME_HELLO_REPLY, 0, NULL, NULL, 0), 0);
}

static int refuse_frame(void *argument, struct link *link, const struct frame *frame)
{
	(void)argument;
	(void)link;
	(void)frame;
	return STATUS_MALFORMED;
}

static void nonsense_ends_the_link(void **state)
{
	struct fixture *fixture = *state;

	fixture->server.handlers.received = refuse_frame;
	open_both(fixture);
	run_on(fixture, &fixture->client, send_nonsense);
	settle(fixture, 1);
	assert_int_equal(fixture->server.closed, 1);
	assert_int_equal(fixture->server.why.code, STATUS_MALFORMED);
	assert_int_equal(fixture->client.closed, 1);
}

static void silence_ends_the_link(void **state)
{
	struct fixture *fixture = *state;

	open_both(fixture);
	sim_net_link(fixture->client.node, fixture->server.node)->is_cut = true;
	settle(fixture, 4);
	assert_int_equal(fixture->server.closed, 0);
	settle(fixture, 5);
	assert_int_equal(fixture->server.closed, 1);
	assert_int_equal(fixture->server.why.code, -ETIMEDOUT);
	assert_int_equal(fixture->client.closed, 1);
}

static void send_until_full(struct fixture *fixture)
{
	uint64_t sent = 0;
	int status;

	do {
		struct buf *large = buf_new(1 << 20);

		memset(large->data, (uint8_t)(sent + 1), large->size);
		status = link_send(fixture->client.link, FRAME_PEER_MESSAGES, sent + 1, NULL, &large, 1);
		sent += status == 0;
		buf_unref(large);
	} while (status == 0);
	assert_int_equal(status, STATUS_LIMIT);
	fixture->sent = sent;
}

static void a_full_queue_says_so(void **state)
{
	struct fixture *fixture = *state;

	open_both(fixture);
	run_on(fixture, &fixture->client, send_until_full);
	assert_int_equal(fixture->client.drained, 0);
	settle(fixture, 10);
	assert_int_equal(fixture->client.drained, 1);
	assert_int_equal(fixture->server.received, fixture->sent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(frames_come_in_order_both_ways, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_owner_may_refuse, set_up, tear_down),
		cmocka_unit_test_setup_teardown(another_cluster_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(another_store_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nobody_listens, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nonsense_ends_the_link, set_up, tear_down),
		cmocka_unit_test_setup_teardown(silence_ends_the_link, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_full_queue_says_so, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
