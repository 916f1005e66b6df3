/*
 * fs/server/relay between simulated machines: a mount asks one store, which passes everything on to another. Each request
 * is answered once, whatever becomes of the other store.
 */
#include "fs/server/relay.h"

#include <stdlib.h>

#include "proto/check.h"
#include "proto/plant.h"
#include "tests/lib/sim_server.h"
#include "tests/lib/test.h"

#define CLUSTER	 99
#define SESSION	 7
#define PATIENCE (60 * (uint64_t)SIM_S)
#define CALLS	 64u

enum { VIA, LEADER, STORES };

struct fixture;

struct store {
	struct fixture *fixture;
	struct sim_server server;
};

struct call {
	struct rpc_call call;
	struct fixture *fixture;
	bool is_done;
	int code; /* of the link */
	int status; /* of the store */
	uint64_t leader;
	char bytes[16];
};

struct fixture {
	struct sim_world *world;
	struct store stores[STORES];
	struct relay *relay;
	int verdict; /* of the leader */
	bool is_silent;
	uint64_t session; /* that the leader has seen last */
	uint32_t asked; /* of the leader */
	struct sim_node *node;
	struct env_loop *loop;
	struct link_self self;
	struct rpc *rpc;
	bool is_open, is_closed, is_stopped;
	struct call calls[CALLS];
	uint32_t call_count;
};

/* ---- Stores ---- */

static void answer(struct rpc_request *request, int status)
{
	Raftkv__WriteReply reply = RAFTKV__WRITE_REPLY__INIT;

	reply.status = status;
	reply.reply = (ProtobufCBinaryData){.len = 4, .data = (uint8_t *)(uintptr_t) "done"};
	rpc_answer(request, &reply.base, NULL, 0);
}

static int on_leader_asked(void *argument, struct rpc_request *request, const struct frame *frame)
{
	struct fixture *fixture = ((struct store *)argument)->fixture;
	Raftkv__WriteRequest *message =
		raftkv__write_request__unpack(NULL, frame->head.size, frame->head.data);

	assert_non_null(message);
	assert_int_equal(frame->attachment_count, 1);
	assert_memory_equal(frame->attachments[0]->data, "payload", 7);
	assert_memory_equal(message->body.data, "body", 4);
	raftkv__write_request__free_unpacked(message, NULL);
	fixture->session = rpc_request_session(request);
	fixture->asked++;
	if (!fixture->is_silent)
		answer(request, fixture->verdict);
	return 0;
}

static int on_via_asked(void *argument, struct rpc_request *request, const struct frame *frame)
{
	struct fixture *fixture = ((struct store *)argument)->fixture;
	Raftkv__WriteRequest *message =
		raftkv__write_request__unpack(NULL, frame->head.size, frame->head.data);
	int status = relay_pass(fixture->relay, request, LEADER + 1, "leader:1", FRAME_WRITE, &message->base,
		frame->attachments[0]);

	raftkv__write_request__free_unpacked(message, NULL);
	if (status < 0)
		answer(request, status);
	return 0;
}

static void begin_store(struct fixture *fixture, uint32_t number, const char *name, rpc_handler_cb handler)
{
	struct store *store = &fixture->stores[number];

	store->fixture = fixture;
	sim_server_start(&store->server, fixture->world, name, CLUSTER, number + 1);
	rpc_server_handle(store->server.rpc_server, FRAME_WRITE, handler, store);
}

/* ---- The mount ---- */

static bool is_set(void *argument)
{
	return *(bool *)argument;
}

static void on_opened(void *argument, struct rpc *rpc, const Raftkv__HelloReply *reply)
{
	(void)rpc, (void)reply;
	((struct fixture *)argument)->is_open = true;
}

static void on_closed(void *argument, struct rpc *rpc, const struct status *why)
{
	(void)rpc, (void)why;
	((struct fixture *)argument)->is_closed = true;
}

static void on_done(struct rpc_call *rpc_call, int code, const struct frame *frame)
{
	struct call *call = (struct call *)rpc_call;

	assert_false(call->is_done);
	call->is_done = true;
	call->code = code;
	if (code == 0) {
		Raftkv__WriteReply *reply =
			raftkv__write_reply__unpack(NULL, frame->head.size, frame->head.data);

		assert_non_null(reply);
		call->status = reply->status;
		call->leader = reply->leader_store;
		assert_true(reply->reply.len < sizeof call->bytes);
		if (reply->reply.len > 0)
			memcpy(call->bytes, reply->reply.data, reply->reply.len);
		raftkv__write_reply__free_unpacked(reply, NULL);
	}
}

struct task {
	struct env_mail mail;
	struct fixture *fixture;
	struct call *call;
	bool is_done;
};

static void on_task(struct env_mail *mail)
{
	struct task *task = (struct task *)mail;
	struct fixture *fixture = task->fixture;
	const struct rpc_options options = {.self = &fixture->self,
		.loop = fixture->loop,
		.address = "via:1",
		.receiver = VIA + 1,
		.session = SESSION,
		.opened = on_opened,
		.closed = on_closed,
		.argument = fixture};
	Raftkv__WriteRequest message = RAFTKV__WRITE_REQUEST__INIT;
	struct buf *payload = buf_copy("payload", 7);
	struct status status;

	message.body = (ProtobufCBinaryData){.len = 4, .data = (uint8_t *)(uintptr_t) "body"};
	if (!task->call)
		check(rpc_connect(&options, &fixture->rpc, &status) == 0);
	else
		check(rpc_call(fixture->rpc, &task->call->call, &message.base, &payload, 1) == 0);
	buf_unref(payload);
	task->is_done = true;
}

static void run_task(struct fixture *fixture, struct call *call)
{
	struct task task = {.fixture = fixture, .call = call};

	env_post(fixture->loop, &task.mail, on_task);
	check(sim_run(fixture->world, PATIENCE, is_set, &task.is_done));
}

static struct call *begin_call(struct fixture *fixture)
{
	struct call *call = &fixture->calls[fixture->call_count++];

	check(fixture->call_count <= CALLS);
	call->fixture = fixture;
	call->call = (struct rpc_call){.type = FRAME_WRITE, .timeout = PATIENCE, .done = on_done};
	run_task(fixture, call);
	return call;
}

static const struct call *ask(struct fixture *fixture)
{
	struct call *call = begin_call(fixture);

	assert_true(sim_run(fixture->world, PATIENCE, is_set, &call->is_done));
	assert_int_equal(call->code, 0);
	return call;
}

/* As a mount does that is told to ask again. */
static const struct call *ask_until_ready(struct fixture *fixture)
{
	const struct call *call = ask(fixture);

	for (uint32_t i = 0; i < 20 && call->status == STATUS_NOT_READY; i++) {
		sim_run(fixture->world, 100 * (uint64_t)SIM_MS, NULL, NULL);
		call = ask(fixture);
	}
	return call;
}

/* ---- Tests ---- */

static void an_answer_comes_back_and_says_whose_it_is(void **state)
{
	struct fixture *fixture = *state;
	const struct call *call = ask_until_ready(fixture);

	assert_int_equal(call->status, 0);
	assert_int_equal(call->leader, LEADER + 1);
	assert_string_equal(call->bytes, "done");
	assert_int_equal(fixture->session, SESSION);
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(ask(fixture)->status, 0);
	fixture->verdict = STATUS_NOT_LEADER;
	call = ask(fixture);
	assert_int_equal(call->status, STATUS_NOT_LEADER);
	assert_int_equal(call->leader, 0);
}

static void what_the_leader_does_not_answer_is_answered_all_the_same(void **state)
{
	struct fixture *fixture = *state;
	struct call *silent;

	assert_int_equal(ask_until_ready(fixture)->status, 0);
	fixture->is_silent = true;
	silent = begin_call(fixture);
	assert_true(sim_run(fixture->world, PATIENCE, is_set, &silent->is_done));
	assert_int_equal(silent->status, STATUS_NOT_READY);
	/* And when it dies. */
	silent = begin_call(fixture);
	sim_run(fixture->world, 100 * (uint64_t)SIM_MS, NULL, NULL);
	sim_node_kill(fixture->stores[LEADER].server.node);
	assert_true(sim_run(fixture->world, PATIENCE, is_set, &silent->is_done));
	assert_int_equal(silent->status, STATUS_NOT_READY);
	assert_int_equal(ask_until_ready(fixture)->status, STATUS_NOT_READY);
}

static void a_leader_out_of_reach_is_not_waited_for(void **state)
{
	struct fixture *fixture = *state;
	struct sim_node *via = fixture->stores[VIA].server.node,
			*leader = fixture->stores[LEADER].server.node;

	sim_net_link(via, leader)->is_cut = sim_net_link(leader, via)->is_cut = true;
	assert_int_equal(ask_until_ready(fixture)->status, STATUS_NOT_READY);
	assert_int_equal(fixture->asked, 0);
	sim_net_link(via, leader)->is_cut = sim_net_link(leader, via)->is_cut = false;
	assert_int_equal(ask_until_ready(fixture)->status, 0);
}

static void an_idle_link_is_closed_and_made_again(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(ask_until_ready(fixture)->status, 0);
	for (uint32_t i = 0; i < 20; i++) { /* in use it stays */
		sim_run(fixture->world, RELAY_IDLE_MS / 2 * SIM_MS, NULL, NULL);
		assert_int_equal(ask(fixture)->status, 0);
	}
	sim_run(fixture->world, 2 * RELAY_IDLE_MS * SIM_MS, NULL, NULL);
	assert_int_equal(ask(fixture)->status, STATUS_NOT_READY);
	assert_int_equal(ask_until_ready(fixture)->status, 0);
}

/* ---- Fixture ---- */

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	assert_non_null(fixture);
	fixture->world = sim_world_new(11);
	begin_store(fixture, VIA, "via", on_via_asked);
	begin_store(fixture, LEADER, "leader", on_leader_asked);
	fixture->relay = relay_new(&fixture->stores[VIA].server.self, fixture->stores[VIA].server.loop);
	assert_non_null(fixture->relay);
	fixture->node = sim_node_new(fixture->world, "mount");
	fixture->self = (struct link_self){.env = sim_node_start(fixture->node), .cluster = CLUSTER};
	assert_int_equal(env_loop_new(fixture->self.env, "mount", &fixture->loop), 0);
	assert_int_equal(env_loop_start(fixture->loop), 0);
	run_task(fixture, NULL);
	assert_true(sim_run(fixture->world, PATIENCE, is_set, &fixture->is_open));
	*state = fixture;
	return 0;
}

static void on_stopped(void *argument)
{
	((struct fixture *)argument)->is_stopped = true;
}

static void on_stop(struct env_mail *mail)
{
	struct task *task = (struct task *)mail;

	relay_stop(task->fixture->relay, on_stopped, task->fixture);
}

/* With a request under way, which is answered. */
static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	struct task task = {.fixture = fixture};
	struct call *last;

	fixture->is_silent = true;
	last = begin_call(fixture);
	sim_run(fixture->world, 100 * (uint64_t)SIM_MS, NULL, NULL);
	env_post(fixture->stores[VIA].server.loop, &task.mail, on_stop);
	assert_true(sim_run(fixture->world, PATIENCE, is_set, &fixture->is_stopped));
	assert_true(sim_run(fixture->world, PATIENCE, is_set, &last->is_done));
	relay_free(fixture->relay);
	sim_world_free(fixture->world);
	free(fixture);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_answer_comes_back_and_says_whose_it_is),
		TEST(what_the_leader_does_not_answer_is_answered_all_the_same),
		TEST(a_leader_out_of_reach_is_not_waited_for),
		TEST(an_idle_link_is_closed_and_made_again),
	};

#ifdef RAFTKV_PLANT
	plant_choose(getenv("RAFTKV_PLANTED"));
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
