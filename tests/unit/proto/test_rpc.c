/* proto/acceptor, rpc, rpc_server between two simulated machines: who is let in, and that each request ends once. */
#include "proto/rpc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/acceptor.h"
#include "proto/rpc_server.h"
#include "tests/lib/sim_env.h"
#include "tests/lib/test.h"

#define ADDRESS	  "server:7420"
#define TYPE	  100
#define SILENT	  101 /* requests that are not answered before the test says so */
#define TIMEOUT	  (2 * (uint64_t)SIM_S)
#define CALLS_MAX 1100u

struct side {
	struct sim_node *node;
	struct env_loop *loop;
	struct link_self self;
};

struct fixture {
	struct sim_world *world;
	struct side client, server;
	const char *address;
	struct acceptor *acceptor;
	struct rpc_server *rpc_server;
	struct rpc *rpc;
	struct rpc_request *waiting[CALLS_MAX];
	uint32_t waiting_count, waiting_most, handled;
	struct rpc_call calls[CALLS_MAX];
	uint32_t asked, called_back, timeouts, resets, answers;
	uint64_t seen_session;
	int refusal; /* that an answer was */
	int limit; /* what the first call that was refused got */
	bool is_open, is_closed, is_stopped;
	struct status why;
};

/* ---- The server ---- */

static int answer_at_once(void *argument, struct rpc_request *request, const struct frame *frame)
{
	struct fixture *fixture = argument;

	fixture->handled++;
	fixture->seen_session = rpc_request_session(request);
	rpc_answer(request, NULL, frame->attachments, frame->attachment_count);
	return 0;
}

static int answer_later(void *argument, struct rpc_request *request, const struct frame *frame)
{
	struct fixture *fixture = argument;

	(void)frame;
	fixture->waiting[fixture->waiting_count++] = request;
	if (fixture->waiting_count > fixture->waiting_most)
		fixture->waiting_most = fixture->waiting_count;
	return 0;
}

/* The last one first. */
static void answer_waiting(struct fixture *fixture)
{
	while (fixture->waiting_count > 0)
		rpc_answer(fixture->waiting[--fixture->waiting_count], NULL, NULL, 0);
}

static void listen_on_server(struct fixture *fixture)
{
	const struct acceptor_options options = {.self = &fixture->server.self,
		.loop = fixture->server.loop,
		.address = ADDRESS,
		.is_insecure = true};

	assert_int_equal(acceptor_new(&options, &fixture->acceptor, NULL), 0);
	fixture->rpc_server = rpc_server_new(fixture->server.loop, NULL);
	rpc_server_handle(fixture->rpc_server, TYPE, answer_at_once, fixture);
	rpc_server_handle(fixture->rpc_server, SILENT, answer_later, fixture);
	acceptor_serve(fixture->acceptor, RAFTKV__ROLE__CLIENT, rpc_server_greeted, fixture->rpc_server);
}

static void on_stopped(void *argument)
{
	((struct fixture *)argument)->is_stopped = true;
}

static void on_server_stopped(void *argument)
{
	struct fixture *fixture = argument;

	acceptor_stop(fixture->acceptor, on_stopped, fixture);
}

static void stop_server(struct fixture *fixture)
{
	rpc_server_stop(fixture->rpc_server, on_server_stopped, fixture);
}

/* ---- The client ---- */

static void on_opened(void *argument, struct rpc *rpc, const Raftkv__HelloReply *reply)
{
	struct fixture *fixture = argument;

	(void)rpc;
	assert_int_equal(reply->store, 2);
	fixture->is_open = true;
}

static void on_closed(void *argument, struct rpc *rpc, const struct status *why)
{
	struct fixture *fixture = argument;

	(void)rpc;
	assert_int_equal(fixture->called_back, fixture->asked);
	fixture->is_closed = true;
	fixture->why = *why;
	fixture->rpc = NULL;
}

static void connect_client(struct fixture *fixture)
{
	const struct rpc_options options = {.self = &fixture->client.self,
		.loop = fixture->client.loop,
		.address = fixture->address,
		.session = 77,
		.opened = on_opened,
		.closed = on_closed,
		.argument = fixture};

	assert_int_equal(rpc_connect(&options, &fixture->rpc, NULL), 0);
}

static int read_refusal(struct slice head)
{
	Raftkv__Refusal *refusal = raftkv__refusal__unpack(NULL, head.size, head.data);
	int status;

	assert_non_null(refusal);
	status = refusal->status;
	raftkv__refusal__free_unpacked(refusal, NULL);
	return status;
}

static void on_done(struct rpc_call *call, int status, const struct frame *answer)
{
	struct fixture *fixture =
		container_of(call - (call->id - 1), struct fixture, calls[0]); /* ids count from 1 */

	fixture->called_back++;
	fixture->timeouts += status == -ETIMEDOUT;
	fixture->resets += status == -ECONNRESET;
	fixture->answers += status == 0;
	assert_true((status == 0) == (answer != NULL));
	if (answer && answer->attachment_count > 0)
		assert_int_equal(*(uint64_t *)answer->attachments[0]->data, call->id);
	if (answer && answer->head.size > 0)
		fixture->refusal = read_refusal(answer->head);
	call->done = NULL;
}

static void ask_with(struct fixture *fixture, uint16_t type, uint32_t count, size_t size)
{
	for (uint32_t i = 0; i < count; i++) {
		struct buf *buf = buf_new(size);
		struct rpc_call *call = &fixture->calls[fixture->asked];
		int status;

		memset(buf->data, 0, size);
		*(uint64_t *)buf->data = fixture->asked + 1;
		*call = (struct rpc_call){.type = type, .timeout = TIMEOUT, .done = on_done};
		status = rpc_call(fixture->rpc, call, NULL, &buf, 1);
		buf_unref(buf);
		if (status < 0 && fixture->limit == 0)
			fixture->limit = status;
		if (status < 0)
			return;
		fixture->asked++;
	}
}

static void ask(struct fixture *fixture, uint16_t type, uint32_t count)
{
	ask_with(fixture, type, count, sizeof(uint64_t));
}

static void ask_some(struct fixture *fixture)
{
	ask(fixture, TYPE, 50);
}

static void ask_in_vain(struct fixture *fixture)
{
	ask(fixture, SILENT, 50);
}

static void ask_too_much(struct fixture *fixture)
{
	ask(fixture, SILENT, RPC_CALLS_MAX + 1);
}

static void ask_unknown(struct fixture *fixture)
{
	ask(fixture, 999, 1);
}

static void ask_nonsense(struct fixture *fixture)
{
	ask(fixture, FRAME_SNAPSHOT, 1);
}

static void close_client(struct fixture *fixture)
{
	rpc_close(fixture->rpc);
}

/* ---- Life ---- */

static void begin(struct fixture *fixture, struct side *side, const char *name, uint64_t store)
{
	side->node = sim_node_new(fixture->world, name);
	side->self = (struct link_self){
		.env = sim_node_start(side->node), .cluster = store == 0 ? 0 : 99, .store = store};
	assert_int_equal(env_loop_new(side->self.env, name, &side->loop), 0);
	assert_int_equal(env_loop_start(side->loop), 0);
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	fixture->address = ADDRESS;
	fixture->world = sim_world_new(7);
	begin(fixture, &fixture->client, "client", 0);
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

static void settle(struct fixture *fixture, uint64_t ms)
{
	sim_run(fixture->world, ms * SIM_MS, NULL, NULL);
}

static void open_both(struct fixture *fixture)
{
	run_on(fixture, &fixture->server, listen_on_server);
	run_on(fixture, &fixture->client, connect_client);
	settle(fixture, 500);
	assert_true(fixture->is_open);
}

/* ---- Cases ---- */

static void each_request_gets_its_answer(void **state)
{
	struct fixture *fixture = *state;

	open_both(fixture);
	run_on(fixture, &fixture->client, ask_some);
	settle(fixture, 500);
	assert_int_equal(fixture->answers, 50);
	assert_int_equal(fixture->called_back, 50);
	assert_int_equal(fixture->seen_session, 77);
	run_on(fixture, &fixture->client, ask_in_vain);
	settle(fixture, 500);
	run_on(fixture, &fixture->server, answer_waiting);
	settle(fixture, 500);
	assert_int_equal(fixture->answers, 100);
	run_on(fixture, &fixture->client, close_client);
	settle(fixture, 500);
	assert_true(fixture->is_closed);
	assert_int_equal(fixture->why.code, 0);
}

static void late_answer_is_dropped(void **state)
{
	struct fixture *fixture = *state;

	open_both(fixture);
	run_on(fixture, &fixture->client, ask_in_vain);
	settle(fixture, 3000);
	assert_int_equal(fixture->timeouts, 50);
	run_on(fixture, &fixture->server, answer_waiting);
	run_on(fixture, &fixture->client, ask_some);
	settle(fixture, 500);
	assert_int_equal(fixture->called_back, 100);
	assert_int_equal(fixture->answers, 50);
	assert_false(fixture->is_closed);
}

static void forget_all(struct fixture *fixture)
{
	for (uint32_t i = 0; i < fixture->asked; i++)
		rpc_forget(&fixture->calls[i]);
	memset(fixture->calls, 0,
		fixture->asked * sizeof *fixture->calls); /* nobody may touch them any more */
}

static void who_is_forgotten_is_not_called_back(void **state)
{
	struct fixture *fixture = *state;

	open_both(fixture);
	run_on(fixture, &fixture->client, ask_in_vain);
	settle(fixture, 500);
	run_on(fixture, &fixture->client, forget_all);
	run_on(fixture, &fixture->server, answer_waiting);
	settle(fixture, 3000);
	assert_int_equal(fixture->called_back, 0);
	assert_false(fixture->is_closed);
}

static void requests_end_with_their_link(void **state)
{
	struct fixture *fixture = *state;

	open_both(fixture);
	run_on(fixture, &fixture->client, ask_in_vain);
	settle(fixture, 500);
	run_on(fixture, &fixture->client, close_client);
	settle(fixture, 500);
	assert_true(fixture->is_closed);
	assert_int_equal(fixture->resets, 50);
	run_on(fixture, &fixture->server, answer_waiting);
	run_on(fixture, &fixture->client, connect_client);
	settle(fixture, 500);
	assert_false(fixture->rpc == NULL);
}

static void requests_are_limited(void **state)
{
	struct fixture *fixture = *state;

	open_both(fixture);
	run_on(fixture, &fixture->client, ask_too_much);
	assert_int_equal(fixture->limit, STATUS_LIMIT);
	assert_int_equal(fixture->asked, RPC_CALLS_MAX);
	for (int i = 0; i < 15; i++) {
		settle(fixture, 100);
		run_on(fixture, &fixture->server, answer_waiting);
	}
	settle(fixture, 100);
	assert_int_equal(fixture->answers, RPC_CALLS_MAX);
	assert_true(fixture->waiting_most < RPC_CALLS_MAX);
}

#define LARGE_COUNT 30u /* requests of 1 MiB: what waits to be sent is limited, too */

static void ask_for_much(struct fixture *fixture)
{
	ask_with(fixture, SILENT, LARGE_COUNT, 1u << 20);
}

static void bytes_under_way_are_limited(void **state)
{
	struct fixture *fixture = *state;

	open_both(fixture);
	run_on(fixture, &fixture->client, ask_for_much);
	settle(fixture, 300);
	assert_int_equal(fixture->waiting_most, LARGE_COUNT);
	run_on(fixture, &fixture->client, ask_for_much);
	settle(fixture, 300);
	assert_int_equal(fixture->asked, 2 * LARGE_COUNT);
	assert_int_equal(fixture->waiting_most, RPC_LINK_SIZE_MAX >> 20);
	run_on(fixture, &fixture->server, answer_waiting);
	settle(fixture, 300);
	run_on(fixture, &fixture->server, answer_waiting);
	settle(fixture, 300);
	assert_int_equal(fixture->waiting_most, RPC_LINK_SIZE_MAX >> 20);
	assert_int_equal(fixture->answers, 2 * LARGE_COUNT);
}

/* A newer program's is refused alone; what no client may send ends the link. */
static void unknown_request_is_refused(void **state)
{
	struct fixture *fixture = *state;

	open_both(fixture);
	run_on(fixture, &fixture->client, ask_unknown);
	settle(fixture, 500);
	assert_false(fixture->is_closed);
	assert_int_equal(fixture->answers, 1);
	assert_int_equal(fixture->refusal, STATUS_UNSUPPORTED);
	run_on(fixture, &fixture->client, ask_nonsense);
	settle(fixture, 500);
	assert_true(fixture->is_closed);
	assert_int_equal(fixture->resets, 1);
}

static void server_stops_when_all_is_answered(void **state)
{
	struct fixture *fixture = *state;

	open_both(fixture);
	run_on(fixture, &fixture->client, ask_in_vain);
	settle(fixture, 500);
	run_on(fixture, &fixture->server, stop_server);
	settle(fixture, 500);
	assert_true(fixture->is_closed);
	assert_false(fixture->is_stopped);
	run_on(fixture, &fixture->server, answer_waiting);
	settle(fixture, 500);
	assert_true(fixture->is_stopped);
	acceptor_free(fixture->acceptor);
	rpc_server_free(fixture->rpc_server);
}

static void role_that_nobody_serves_is_refused(void **state)
{
	struct fixture *fixture = *state;

	run_on(fixture, &fixture->server, listen_on_server);
	acceptor_serve(fixture->acceptor, RAFTKV__ROLE__CLIENT, NULL, NULL);
	run_on(fixture, &fixture->client, connect_client);
	settle(fixture, 500);
	assert_false(fixture->is_open);
	assert_int_equal(fixture->why.code, -ECONNREFUSED);
	assert_non_null(strstr(fixture->why.text, "nobody serves"));
}

/* On a port nobody can tell who comes, wherever it is. */
static void ports_take_an_insecure_acceptor(void **state)
{
	static const char *const ports[] = {ADDRESS, "localhost:7420", "127.0.0.1:7420"};
	struct fixture *fixture = *state;
	struct acceptor_options options = {.self = &fixture->server.self, .loop = fixture->server.loop};

	for (size_t i = 0; i < sizeof ports / sizeof *ports; i++) {
		struct status status = {0};

		options.address = ports[i];
		assert_int_equal(acceptor_new(&options, &fixture->acceptor, &status), -EPERM);
		assert_non_null(strstr(status.text, "--insecure"));
		assert_non_null(strstr(status.text, "unix:/PATH"));
	}
	options.address = "unix:/socket";
	assert_int_equal(acceptor_new(&options, &fixture->acceptor, NULL), 0);
	acceptor_free(fixture->acceptor);
}

static void listen_on_socket(struct fixture *fixture)
{
	const struct acceptor_options options = {.self = &fixture->server.self,
		.loop = fixture->server.loop,
		.address = fixture->address,
		.uid = 1001};

	assert_int_equal(acceptor_new(&options, &fixture->acceptor, NULL), 0);
	fixture->rpc_server = rpc_server_new(fixture->server.loop, NULL);
	acceptor_serve(fixture->acceptor, RAFTKV__ROLE__CLIENT, rpc_server_greeted, fixture->rpc_server);
}

/* A Unix socket is of one machine: so are both ends. */
static void a_socket_serves_root_and_its_own_user(void **state)
{
	static const uint32_t uids[] = {0, 1001, 1002, 65534};
	struct fixture *fixture = *state;

	fixture->address = "unix:/run/socket";
	fixture->client.loop = fixture->server.loop;
	run_on(fixture, &fixture->server, listen_on_socket);
	for (size_t i = 0; i < sizeof uids / sizeof *uids; i++) {
		fixture->is_open = fixture->is_closed = false;
		sim_node_set_uid(fixture->server.node, uids[i]);
		run_on(fixture, &fixture->client, connect_client);
		settle(fixture, 500);
		assert_int_equal(fixture->is_open, i < 2);
		assert_int_equal(fixture->is_closed, i >= 2);
		if (i < 2) {
			run_on(fixture, &fixture->client, close_client);
			settle(fixture, 500);
			continue;
		}
		assert_int_equal(fixture->why.code, -EACCES);
		assert_non_null(
			strstr(fixture->why.text, "may not: this store serves root and user 1001 alone"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_request_gets_its_answer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(late_answer_is_dropped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_is_forgotten_is_not_called_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(requests_end_with_their_link, set_up, tear_down),
		cmocka_unit_test_setup_teardown(requests_are_limited, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bytes_under_way_are_limited, set_up, tear_down),
		cmocka_unit_test_setup_teardown(unknown_request_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(server_stops_when_all_is_answered, set_up, tear_down),
		cmocka_unit_test_setup_teardown(role_that_nobody_serves_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ports_take_an_insecure_acceptor, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_socket_serves_root_and_its_own_user, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
