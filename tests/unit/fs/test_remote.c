/*
 * fs/client/remote between simulated machines: a mount and three scripted stores, which lose answers, break connections
 * and change their leader. Whatever they do, each change is done once, or its caller is told that nobody knows.
 */
#include "fs/client/remote.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/client/slot_pool.h"
#include "proto/check.h"
#include "proto/plant.h"
#include "proto/version.h"
#include "tests/lib/sim_server.h"
#include "tests/lib/test.h"

#define STORES	  3u
#define LOOPS	  2u
#define CLUSTER	  99
#define CALLS_MAX 400u
#define HELD_MAX  1024u
#define PATIENCE  (120 * (uint64_t)SIM_S)
#define EXPIRY_MS 3000u

struct fixture;

struct store {
	struct fixture *fixture;
	struct sim_server server;
	uint32_t reads, reads_as_follower;
	uint32_t passed_on;
	bool is_apart; /* from the leader: cannot answer reads */
	uint32_t refused; /* for that */
};

struct call {
	struct fixture *fixture;
	struct client_call call;
	struct client_read read;
	struct finding finding;
	uint64_t ino;
	int error;
	bool is_done;
};

struct fixture {
	struct sim_world *world;
	struct store stores[STORES];
	/* What the stores agree on. */
	uint64_t leader;
	bool hides_leader; /* who is not asked has no hint */
	uint64_t session; /* the one that lives */
	uint64_t sessions; /* opened */
	uint32_t closed, beats;
	uint64_t notice, answered; /* of beats: what they are asked, and say */
	uint64_t sequences[LOOPS * SLOT_POOL_SIZE]; /* of the session's slots */
	uint32_t done[CALLS_MAX]; /* by inode: so often */
	uint32_t order[CALLS_MAX], order_count; /* in which they were done */
	uint32_t lose_ppm; /* of answers */
	int verdict; /* instead of doing a change */
	bool is_holding; /* changes are neither done nor answered */
	struct rpc_request *held[HELD_MAX];
	uint32_t held_count;
	/* The mount. */
	struct sim_node *node;
	struct env_loop *loops[LOOPS];
	struct remote_options options;
	struct store_list seeds;
	struct remote *remote;
	struct call calls[CALLS_MAX];
	uint32_t call_count;
	bool is_started, is_stopped;
	int start_status;
	uint64_t lost; /* session */
	uint64_t asked; /* the last notice, and */
	uint32_t askings; /* how many */
	bool may_answer;
};

/* ---- Stores ---- */

static void answer_write(struct store *store, struct rpc_request *request, int status, uint64_t id)
{
	struct fixture *fixture = store->fixture;
	Raftkv__WriteReply reply = RAFTKV__WRITE_REPLY__INIT;
	struct op_reply result = {.id = id};
	struct buf *bytes;

	if (sim_chance(fixture->world, fixture->lose_ppm)) {
		check(fixture->held_count < HELD_MAX);
		fixture->held[fixture->held_count++] = request;
		return;
	}
	check(op_reply_encode(&result, &bytes) == 0);
	reply.status = status;
	reply.leader_store = fixture->hides_leader ? 0 : fixture->leader;
	reply.reply = (ProtobufCBinaryData){.len = bytes->size, .data = bytes->data};
	rpc_answer(request, &reply.base, NULL, 0);
	buf_unref(bytes);
}

static int do_once(struct fixture *fixture, const Raftkv__WriteRequest *message, const struct op *op)
{
	uint64_t *last = &fixture->sequences[message->slot];

	if (message->session != fixture->session)
		return STATUS_SESSION_UNKNOWN;
	if (message->sequence == *last)
		return 0;
	if (message->sequence < *last)
		return -EALREADY;
	*last = message->sequence;
	fixture->done[op->hold.ino]++;
	fixture->order[fixture->order_count++] = (uint32_t)op->hold.ino;
	return 0;
}

static void open_session(struct fixture *fixture)
{
	fixture->session = ++fixture->sessions;
	for (uint32_t i = 0; i < LOOPS * SLOT_POOL_SIZE; i++)
		fixture->sequences[i] = 0;
}

/* Or reaches who does: the cuts of these tests lie between the mount and the leader. */
static bool leads(struct store *store, bool pass_on)
{
	bool is_leader = store->fixture->leader == store->server.self.store;

	store->passed_on += !is_leader && pass_on;
	return is_leader || pass_on;
}

static int on_write(void *argument, struct rpc_request *request, const struct frame *frame)
{
	struct store *store = argument;
	struct fixture *fixture = store->fixture;
	Raftkv__WriteRequest *message =
		raftkv__write_request__unpack(NULL, frame->head.size, frame->head.data);
	struct op op;
	int status = 0;

	assert_non_null(message);
	assert_int_equal(op_decode(slice_of(message->body.data, message->body.len), &op), 0);
	if (fixture->is_holding) {
		fixture->held[fixture->held_count++] = request;
		raftkv__write_request__free_unpacked(message, NULL);
		return 0;
	}
	if (!leads(store, message->pass_on))
		status = STATUS_NOT_LEADER;
	else if (op.kind == OP_HOLD && fixture->verdict < 0)
		status = fixture->verdict;
	else if (op.kind == OP_SESSION_OPEN)
		open_session(fixture);
	else if (op.kind == OP_SESSION_CLOSE)
		fixture->closed++;
	else
		status = do_once(fixture, message, &op);
	if (op.kind == OP_HOLD)
		assert_int_equal(rpc_request_session(request), message->session);
	raftkv__write_request__free_unpacked(message, NULL);
	answer_write(store, request, status, fixture->session);
	return 0;
}

static int on_read(void *argument, struct rpc_request *request, const struct frame *frame)
{
	struct store *store = argument;
	struct fixture *fixture = store->fixture;
	Raftkv__ReadRequest *message = raftkv__read_request__unpack(NULL, frame->head.size, frame->head.data);
	Raftkv__ReadReply reply = RAFTKV__READ_REPLY__INIT;

	assert_non_null(message);
	reply.status = -ENOENT;
	reply.leader_store = fixture->hides_leader ? 0 : fixture->leader;
	if (!message->from_follower && !leads(store, message->pass_on)) {
		reply.status = STATUS_NOT_LEADER;
	} else if (message->from_follower && store->is_apart) {
		reply.status = STATUS_NOT_LEADER;
		store->refused++;
	} else {
		store->reads++;
		store->reads_as_follower += message->from_follower ? 1 : 0;
	}
	raftkv__read_request__free_unpacked(message, NULL);
	rpc_answer(request, &reply.base, NULL, 0);
	return 0;
}

static int on_beat(void *argument, struct rpc_request *request, const struct frame *frame)
{
	struct store *store = argument;
	struct fixture *fixture = store->fixture;
	Raftkv__BeatRequest *message = raftkv__beat_request__unpack(NULL, frame->head.size, frame->head.data);
	Raftkv__BeatReply reply = RAFTKV__BEAT_REPLY__INIT;

	assert_non_null(message);
	assert_int_equal(rpc_request_session(request), message->session);
	reply.expiry_ms = EXPIRY_MS;
	if (!leads(store, message->pass_on))
		reply.status = STATUS_NOT_LEADER;
	else if (message->session != fixture->session)
		reply.status = STATUS_SESSION_UNKNOWN;
	else
		fixture->beats++;
	assert_true(message->answers_notices);
	fixture->answered = message->answered;
	if (reply.status == 0 && message->answered < fixture->notice) {
		reply.notice = fixture->notice;
		reply.nameless = (ProtobufCBinaryData){.len = 4, .data = (uint8_t *)(uintptr_t) "inos"};
	}
	raftkv__beat_request__free_unpacked(message, NULL);
	rpc_answer(request, &reply.base, NULL, 0);
	return 0;
}

static int on_routes(void *argument, struct rpc_request *request, const struct frame *frame)
{
	static const char *const addresses[STORES] = {"a:1", "b:1", "c:1"};
	struct store *store = argument;
	Raftkv__RoutesReply reply = RAFTKV__ROUTES_REPLY__INIT;
	Raftkv__Route route = RAFTKV__ROUTE__INIT, *routes[] = {&route};
	Raftkv__Epoch epoch = RAFTKV__EPOCH__INIT;
	Raftkv__Replica replicas[STORES], *replica_pointers[STORES];
	Raftkv__StoreAddress stores[STORES], *store_pointers[STORES];

	(void)frame;
	for (uint32_t i = 0; i < STORES; i++) {
		raftkv__replica__init(&replicas[i]);
		replicas[i].store = i + 1;
		replicas[i].roles = REGION_VOTER;
		replica_pointers[i] = &replicas[i];
		raftkv__store_address__init(&stores[i]);
		stores[i].store = i + 1;
		stores[i].address = (char *)(uintptr_t)addresses[i];
		store_pointers[i] = &stores[i];
	}
	epoch.version = epoch.conf_version = 1;
	route.region = 1;
	route.epoch = &epoch;
	route.leader_store = store->fixture->hides_leader ? 0 : store->fixture->leader;
	route.n_replicas = STORES;
	route.replicas = replica_pointers;
	reply.n_routes = 1;
	reply.routes = routes;
	reply.n_stores = STORES;
	reply.stores = store_pointers;
	rpc_answer(request, &reply.base, NULL, 0);
	return 0;
}

static void begin_store(struct fixture *fixture, uint32_t i)
{
	static const char *const names[STORES] = {"a", "b", "c"};
	struct store *store = &fixture->stores[i];
	struct sim_server *server = &store->server;

	store->fixture = fixture;
	sim_server_start(server, fixture->world, names[i], CLUSTER, i + 1);
	rpc_server_handle(server->rpc_server, FRAME_WRITE, on_write, store);
	rpc_server_handle(server->rpc_server, FRAME_READ, on_read, store);
	rpc_server_handle(server->rpc_server, FRAME_BEAT, on_beat, store);
	rpc_server_handle(server->rpc_server, FRAME_ROUTES, on_routes, store);
}

/* ---- The mount ---- */

struct task_mail {
	struct env_mail mail;
	void (*run)(void *argument);
	void *argument;
	bool is_done;
};

static void on_mail(struct env_mail *mail)
{
	struct task_mail *request = (struct task_mail *)mail;

	request->run(request->argument);
	request->is_done = true;
}

static bool is_set(void *argument)
{
	return *(bool *)argument;
}

static void run_on(
	struct fixture *fixture, struct env_loop *loop, void (*run)(void *argument), void *argument)
{
	struct task_mail request = {.run = run, .argument = argument};

	env_post(loop, &request.mail, on_mail);
	check(sim_run(fixture->world, PATIENCE, is_set, &request.is_done));
}

static void on_started(void *argument, int status)
{
	struct fixture *fixture = argument;

	fixture->is_started = true;
	fixture->start_status = status;
}

static void start(void *argument)
{
	struct fixture *fixture = argument;

	remote_start(fixture->remote, on_started, fixture);
}

static void on_lost(void *argument, uint64_t session)
{
	((struct fixture *)argument)->lost = session;
}

static void on_asked(void *argument, uint64_t notice, struct slice inodes)
{
	struct fixture *fixture = argument;

	assert_int_equal(slice_compare(inodes, slice_of("inos", 4)), 0);
	fixture->asked = notice;
	fixture->askings++;
	if (fixture->may_answer)
		remote_answer(fixture->remote, notice, true);
}

static void make_remote(struct fixture *fixture)
{
	fixture->options.env = sim_node_env(fixture->node);
	fixture->options.loops = fixture->loops;
	fixture->options.loop_count = LOOPS;
	fixture->options.seeds = &fixture->seeds;
	fixture->options.host = "mount";
	fixture->options.mount_point = "/mnt";
	fixture->options.lost = on_lost;
	fixture->options.argument = fixture;
	check(remote_new(&fixture->options, &fixture->remote, NULL) == 0);
	run_on(fixture, fixture->loops[0], start, fixture);
}

static void start_remote(struct fixture *fixture)
{
	make_remote(fixture);
	assert_true(sim_run(fixture->world, PATIENCE, is_set, &fixture->is_started));
	assert_int_equal(fixture->start_status, 0);
}

static void on_stopped(void *argument)
{
	((struct fixture *)argument)->is_stopped = true;
}

static void stop(void *argument)
{
	struct fixture *fixture = argument;

	remote_stop(fixture->remote, on_stopped, fixture);
}

static void stop_remote(struct fixture *fixture)
{
	run_on(fixture, fixture->loops[0], stop, fixture);
	assert_true(sim_run(fixture->world, PATIENCE, is_set, &fixture->is_stopped));
	for (uint32_t i = 0; i < LOOPS; i++)
		env_loop_stop(fixture->loops[i]);
	for (uint32_t i = 0; i < LOOPS; i++)
		env_loop_free(fixture->loops[i]);
	remote_free(fixture->remote);
}

static void on_called(struct client_call *client_call, int error, const struct op_reply *reply)
{
	struct call *call = container_of(client_call, struct call, call);

	(void)reply;
	assert_false(call->is_done);
	call->is_done = true;
	call->error = error;
}

static void begin_call(void *argument)
{
	struct call *call = argument;
	const struct op op = {.kind = OP_HOLD, .hold.ino = call->ino};

	call->call.done = on_called;
	check(client_call(remote_client(call->fixture->remote), &call->call, &op, NULL) == 0);
}

static void on_read_done(struct client_read *read, int error)
{
	struct call *call = container_of(read, struct call, read);

	call->is_done = true;
	call->error = error;
}

static void begin_read(void *argument)
{
	struct call *call = argument;

	call->read.done = on_read_done;
	call->read.finding = &call->finding;
	call->read.question = (struct question){.kind = QUESTION_ATTRIBUTES, .ino = 1};
	client_read(remote_client(call->fixture->remote), &call->read);
}

static struct call *add_call(struct fixture *fixture, uint32_t loop, void (*begin)(void *argument))
{
	struct call *call = &fixture->calls[fixture->call_count];

	check(fixture->call_count < CALLS_MAX);
	call->fixture = fixture;
	call->ino = fixture->call_count++;
	call->call.loop = call->read.loop = fixture->loops[loop];
	run_on(fixture, fixture->loops[loop], begin, call);
	return call;
}

static bool are_done(void *argument)
{
	struct fixture *fixture = argument;

	for (uint32_t i = 0; i < fixture->call_count; i++)
		if (!fixture->calls[i].is_done)
			return false;
	return true;
}

static void await_calls(struct fixture *fixture)
{
	assert_true(sim_run(fixture->world, PATIENCE, are_done, fixture));
}

static void settle(struct fixture *fixture, uint64_t ms)
{
	sim_run(fixture->world, ms * SIM_MS, NULL, NULL);
}

/* ---- Life ---- */

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);
	struct env *env;

	check(fixture != NULL);
	fixture->world = sim_world_new(11);
	fixture->leader = 1;
	for (uint32_t i = 0; i < STORES; i++)
		begin_store(fixture, i);
	fixture->node = sim_node_new(fixture->world, "mount");
	env = sim_node_start(fixture->node);
	for (uint32_t i = 0; i < LOOPS; i++) {
		check(env_loop_new(env, "lane", &fixture->loops[i]) == 0);
		check(env_loop_start(fixture->loops[i]) == 0);
	}
	check(store_list_parse(&fixture->seeds, "b:1,c:1", NULL) == 0);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	for (uint32_t i = 0; i < STORES; i++)
		if (sim_node_is_up(fixture->stores[i].server.node))
			sim_node_kill(fixture->stores[i].server.node);
	sim_node_kill(fixture->node);
	sim_world_free(fixture->world);
	store_list_close(&fixture->seeds);
	free(fixture);
	return 0;
}

/* ---- Tests ---- */

static void a_session_is_opened_kept_and_closed(void **state)
{
	struct fixture *fixture = *state;
	struct remote_stats stats;

	start_remote(fixture);
	assert_int_equal(client_session(remote_client(fixture->remote)), 1);
	settle(fixture, 3 * EXPIRY_MS);
	assert_in_range(fixture->beats, 8, 11); /* thrice a period */
	remote_read_stats(fixture->remote, &stats);
	assert_int_equal(stats.cluster, CLUSTER);
	assert_int_equal(stats.session, 1);
	assert_int_equal(stats.waits_ms, 0);
	stop_remote(fixture);
	assert_int_equal(fixture->closed, 1);
	assert_int_equal(fixture->sessions, 1);
}

static void each_change_is_done_once(void **state)
{
	struct fixture *fixture = *state;
	struct remote_stats stats;

	start_remote(fixture);
	fixture->lose_ppm = 200000;
	for (uint32_t i = 0; i < 300; i++) {
		add_call(fixture, i % LOOPS, begin_call);
		if (i % 25 == 0)
			fixture->leader = fixture->leader % STORES + 1;
		if (i % 40 == 0)
			sim_net_reset(fixture->node, fixture->stores[fixture->leader - 1].server.node);
		fixture->hides_leader = i % 50 < 25;
		settle(fixture, 20);
	}
	await_calls(fixture);
	for (uint32_t i = 0; i < fixture->call_count; i++) {
		assert_int_equal(fixture->calls[i].error, 0);
		assert_int_equal(fixture->done[i], 1);
	}
	remote_read_stats(fixture->remote, &stats);
	assert_int_equal(stats.calls, 300);
	assert_true(stats.retries > 0 && stats.timeouts > 0 && stats.failures > 0);
	assert_int_equal(fixture->sessions, 1);
	fixture->lose_ppm = 0;
	stop_remote(fixture);
}

static void a_store_that_is_gone_is_not_waited_for(void **state)
{
	struct fixture *fixture = *state;
	struct call *call;
	uint64_t begun;

	start_remote(fixture);
	add_call(fixture, 0, begin_call);
	await_calls(fixture);
	sim_node_kill(fixture->stores[0].server.node);
	fixture->leader = 3;
	begun = sim_time(fixture->world);
	call = add_call(fixture, 0, begin_call);
	await_calls(fixture);
	assert_int_equal(call->error, 0);
	assert_true(sim_time(fixture->world) - begun < 200 * SIM_MS);
	stop_remote(fixture);
}

static void a_store_that_falls_silent_is_left_alone(void **state)
{
	struct fixture *fixture = *state;
	struct call *call;
	uint64_t begun;

	start_remote(fixture);
	add_call(fixture, 0, begin_call);
	await_calls(fixture);
	sim_net_link(fixture->node, fixture->stores[0].server.node)->is_cut = true;
	fixture->leader = 2;
	begun = sim_time(fixture->world);
	add_call(fixture, 0, begin_call);
	await_calls(fixture);
	assert_in_range(sim_time(fixture->world) - begun, SIM_S, 1200 * (uint64_t)SIM_MS);
	/* The next does not find it out for itself, even when somebody still believes in that leader. */
	fixture->leader = 1;
	begun = sim_time(fixture->world);
	call = add_call(fixture, 0, begin_call);
	settle(fixture, 300);
	fixture->leader = 3;
	await_calls(fixture);
	assert_int_equal(call->error, 0);
	assert_true(sim_time(fixture->world) - begun < 700 * SIM_MS);
	stop_remote(fixture);
}

static void cut(struct fixture *fixture, uint32_t store, bool is_cut)
{
	sim_net_link(fixture->node, fixture->stores[store].server.node)->is_cut = is_cut;
	sim_net_link(fixture->stores[store].server.node, fixture->node)->is_cut = is_cut;
}

static uint32_t passed_on(const struct fixture *fixture)
{
	return fixture->stores[1].passed_on + fixture->stores[2].passed_on;
}

static uint64_t timeouts(const struct fixture *fixture)
{
	struct remote_stats stats;

	remote_read_stats(fixture->remote, &stats);
	return stats.timeouts;
}

/* It stands still only until its link has failed, and keeps its session. */
static void a_leader_out_of_reach_is_asked_through_another(void **state)
{
	struct fixture *fixture = *state;
	uint64_t timeouts_before, begun;

	start_remote(fixture);
	cut(fixture, 0, true);
	add_call(fixture, 0, begin_call);
	await_calls(fixture);
	settle(fixture, 2 * EXPIRY_MS);
	timeouts_before = timeouts(fixture);
	begun = sim_time(fixture->world);
	for (uint32_t i = 0; i < 20; i++) {
		add_call(fixture, 0, i % 2 == 0 ? begin_call : begin_read);
		await_calls(fixture);
		settle(fixture, 200);
	}
	assert_true(passed_on(fixture) >= 20);
	assert_int_equal(timeouts(fixture), timeouts_before);
	assert_true(sim_time(fixture->world) - begun < 6 * (uint64_t)SIM_S);
	assert_int_equal(fixture->lost, 0);
	assert_int_equal(fixture->sessions, 1);
	/* It is in reach again. */
	cut(fixture, 0, false);
	settle(fixture, 3000);
	fixture->stores[1].passed_on = fixture->stores[2].passed_on = 0;
	for (uint32_t i = 0; i < 20; i++)
		add_call(fixture, 0, begin_call);
	await_calls(fixture);
	assert_int_equal(passed_on(fixture), 0);
	stop_remote(fixture);
}

/* What has passed it on says who leads by now: the next goes there. */
static void who_leads_is_learnt_through_another(void **state)
{
	struct fixture *fixture = *state;

	start_remote(fixture);
	cut(fixture, 0, true);
	add_call(fixture, 0, begin_call);
	await_calls(fixture);
	fixture->leader = 3;
	for (uint32_t i = 0; i < 10; i++) {
		add_call(fixture, 0, begin_call);
		await_calls(fixture);
	}
	assert_true(passed_on(fixture) <= 3);
	stop_remote(fixture);
}

static void who_finds_no_slot_waits_in_order(void **state)
{
	struct fixture *fixture = *state;
	uint32_t count = SLOT_POOL_SIZE + 40;

	start_remote(fixture);
	fixture->is_holding = true;
	for (uint32_t i = 0; i < count; i++)
		add_call(fixture, 1, begin_call);
	settle(fixture, 1000);
	assert_int_equal(fixture->held_count, SLOT_POOL_SIZE);
	fixture->is_holding = false;
	await_calls(fixture);
	assert_int_equal(fixture->order_count, count);
	for (uint32_t i = 0, next = SLOT_POOL_SIZE; i < count; i++)
		if (fixture->order[i] >= SLOT_POOL_SIZE)
			assert_int_equal(fixture->order[i], next++);
	stop_remote(fixture);
}

static void a_lost_session_ends_what_was_under_way(void **state)
{
	struct fixture *fixture = *state;
	struct call *before, *waiting, *after;

	start_remote(fixture);
	fixture->is_holding = true;
	before = add_call(fixture, 0, begin_call);
	waiting = add_call(fixture, 1, begin_call);
	settle(fixture, 100);
	fixture->is_holding = false;
	fixture->session = 0; /* ended by the cluster */
	await_calls(fixture);
	assert_int_equal(before->error, -EIO);
	assert_int_equal(waiting->error, -EIO);
	assert_int_equal(fixture->done[0] + fixture->done[1], 0);
	after = add_call(fixture, 1, begin_call);
	await_calls(fixture);
	assert_int_equal(after->error, 0);
	assert_int_equal(fixture->lost, 1);
	assert_int_equal(fixture->sessions, 2);
	assert_int_equal(client_session(remote_client(fixture->remote)), 2);
	stop_remote(fixture);
}

/* What a store says of the operation itself is the answer, whatever was tried before. */
/* What waits for a slot may rest on a lock of the session, too. */
static void a_lost_session_ends_what_waits_for_a_slot(void **state)
{
	enum { COUNT = SLOT_POOL_SIZE + 3 };
	struct fixture *fixture = *state;
	struct call *calls[COUNT];

	start_remote(fixture);
	fixture->is_holding = true;
	for (int i = 0; i < COUNT; i++)
		calls[i] = add_call(fixture, 0, begin_call);
	settle(fixture, 100);
	fixture->is_holding = false;
	fixture->session = 0;
	await_calls(fixture);
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(calls[i]->error, -EIO);
	assert_int_equal(fixture->done[0], 0);
	calls[0] = add_call(fixture, 0, begin_call);
	await_calls(fixture);
	assert_int_equal(calls[0]->error, 0);
	assert_int_equal(fixture->sessions, 2);
	stop_remote(fixture);
}

static void a_definite_answer_is_not_asked_for_again(void **state)
{
	static const struct {
		int status, error;
	} verdicts[] = {{STATUS_KEY_NOT_IN_REGION, -EXDEV}, {-ENOSPC, -ENOSPC}, {STATUS_CORRUPT, -EIO}};
	struct fixture *fixture = *state;
	struct remote_stats stats;
	uint64_t retries;

	start_remote(fixture);
	add_call(fixture, 0, begin_call);
	await_calls(fixture);
	remote_read_stats(fixture->remote, &stats);
	retries = stats.retries;
	for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++) {
		struct call *call;

		fixture->verdict = verdicts[i].status;
		call = add_call(fixture, 0, begin_call);
		await_calls(fixture);
		assert_int_equal(call->error, verdicts[i].error);
	}
	remote_read_stats(fixture->remote, &stats);
	assert_int_equal(stats.retries, retries);
	stop_remote(fixture);
}

static void count_line(void *argument, enum log_level level, const char *line)
{
	*(uint32_t *)argument += level == LOG_ERROR && strstr(line, "it is older\" store=1 ") != NULL &&
				 strstr(line, " store_version=" RAFTKV_VERSION " version=" RAFTKV_VERSION);
}

static void an_older_store_is_told_of_once(void **state)
{
	struct fixture *fixture = *state;
	uint32_t lines = 0;
	const struct logger logger = {.level = LOG_INFO, .write = count_line, .argument = &lines};
	struct remote_stats stats;

	fixture->options.logger = &logger;
	start_remote(fixture);
	add_call(fixture, 0, begin_call);
	await_calls(fixture);
	assert_int_equal(lines, 0);
	fixture->verdict = STATUS_UNSUPPORTED;
	for (uint32_t i = 0; i < 10; i++) {
		struct call *call = add_call(fixture, i % LOOPS, begin_call);

		await_calls(fixture);
		assert_int_equal(call->error, -EOPNOTSUPP);
	}
	assert_int_equal(lines, 1);
	remote_read_stats(fixture->remote, &stats);
	assert_int_equal(stats.failures, 0); /* the links go on */
	stop_remote(fixture);
}

static void a_beat_finds_the_session_gone(void **state)
{
	struct fixture *fixture = *state;

	start_remote(fixture);
	settle(fixture, EXPIRY_MS);
	fixture->session = 0;
	settle(fixture, EXPIRY_MS);
	assert_int_equal(fixture->lost, 1);
	assert_int_equal(fixture->sessions, 2);
	stop_remote(fixture);
}

static void answer_badly(void *argument)
{
	struct fixture *fixture = argument;

	remote_answer(fixture->remote, fixture->asked, false);
}

static void answer_well(void *argument)
{
	struct fixture *fixture = argument;

	remote_answer(fixture->remote, fixture->asked, true);
}

static void what_a_beat_is_asked_is_answered_by_the_next(void **state)
{
	struct fixture *fixture = *state;

	fixture->options.asked = on_asked;
	start_remote(fixture);
	fixture->notice = 5;
	settle(fixture, 2 * EXPIRY_MS);
	assert_int_equal(fixture->asked, 5);
	assert_int_equal(fixture->askings, 1); /* while it is at it */
	assert_int_equal(fixture->answered, 0);
	run_on(fixture, fixture->loops[0], answer_badly, fixture);
	settle(fixture, EXPIRY_MS);
	assert_int_equal(fixture->askings, 2);
	assert_int_equal(fixture->answered, 0);
	run_on(fixture, fixture->loops[0], answer_well, fixture);
	settle(fixture, EXPIRY_MS / 20); /* a beat out of turn */
	assert_int_equal(fixture->answered, 5);
	settle(fixture, EXPIRY_MS);
	assert_int_equal(fixture->askings, 2);
	fixture->may_answer = true;
	fixture->notice = 6;
	settle(fixture, EXPIRY_MS);
	assert_int_equal(fixture->askings, 3);
	assert_int_equal(fixture->answered, 6);
	assert_int_equal(fixture->lost, 0);
	stop_remote(fixture);
}

static void who_has_nothing_open_answers_by_itself(void **state)
{
	struct fixture *fixture = *state;

	start_remote(fixture);
	fixture->notice = 5;
	settle(fixture, EXPIRY_MS);
	assert_int_equal(fixture->answered, 5);
	stop_remote(fixture);
}

static void cut_off(struct fixture *fixture, bool is_cut)
{
	for (uint32_t i = 0; i < STORES; i++) {
		sim_net_link(fixture->node, fixture->stores[i].server.node)->is_cut = is_cut;
		sim_net_link(fixture->stores[i].server.node, fixture->node)->is_cut = is_cut;
	}
}

static void an_outage_is_waited_for(void **state)
{
	struct fixture *fixture = *state;
	struct remote_stats stats;
	struct call *call;

	start_remote(fixture);
	cut_off(fixture, true);
	call = add_call(fixture, 0, begin_call);
	settle(fixture, 60000);
	assert_false(call->is_done);
	remote_read_stats(fixture->remote, &stats);
	assert_in_range(stats.waits_ms, 55000, 61000);
	cut_off(fixture, false);
	await_calls(fixture);
	assert_int_equal(call->error, 0);
	assert_int_equal(fixture->done[0], 1);
	remote_read_stats(fixture->remote, &stats);
	assert_int_equal(stats.waits_ms, 0);
	stop_remote(fixture);
}

static void a_limit_ends_the_wait(void **state)
{
	struct fixture *fixture = *state;
	struct call *change, *read;
	uint64_t begun;

	fixture->options.timeo_ms = 5000;
	start_remote(fixture);
	cut_off(fixture, true);
	begun = sim_time(fixture->world);
	change = add_call(fixture, 0, begin_call);
	read = add_call(fixture, 1, begin_read);
	await_calls(fixture);
	assert_int_equal(change->error, -ETIMEDOUT);
	assert_int_equal(read->error, -ETIMEDOUT);
	assert_in_range(sim_time(fixture->world) - begun, 5000 * (uint64_t)SIM_MS, 5200 * (uint64_t)SIM_MS);
	cut_off(fixture, false);
	change = add_call(fixture, 0, begin_call);
	await_calls(fixture);
	assert_int_equal(change->error, 0);
	stop_remote(fixture);
}

static void give_up(void *argument)
{
	struct call *call = argument;

	call->error = client_give_up_call(&call->call) ? call->error : 1;
}

static void who_is_killed_gives_up(void **state)
{
	struct fixture *fixture = *state;
	struct call *call;

	start_remote(fixture);
	cut_off(fixture, true);
	call = add_call(fixture, 0, begin_call);
	settle(fixture, 500);
	run_on(fixture, fixture->loops[0], give_up, call);
	assert_int_equal(call->error, 1); /* too early */
	assert_false(call->is_done);
	settle(fixture, 600);
	run_on(fixture, fixture->loops[0], give_up, call);
	assert_true(call->is_done);
	assert_int_equal(call->error, -EINTR);
	cut_off(fixture, false);
	/* What was on its way may be done; the slot goes on with the next. */
	call = add_call(fixture, 0, begin_call);
	await_calls(fixture);
	assert_int_equal(call->error, 0);
	assert_int_equal(fixture->done[call->ino], 1);
	stop_remote(fixture);
}

static void reads_ask_whom_they_should(void **state)
{
	struct fixture *fixture = *state;
	const struct store *stores = fixture->stores;

	start_remote(fixture);
	for (uint32_t i = 0; i < 20; i++)
		add_call(fixture, 0, begin_read);
	await_calls(fixture);
	assert_int_equal(fixture->calls[7].error, -ENOENT);
	assert_int_equal(stores[0].reads, 20);
	assert_int_equal(stores[0].reads_as_follower, 0);
	stop_remote(fixture);
}

static void followers_may_be_asked(void **state)
{
	struct fixture *fixture = *state;
	const struct store *stores = fixture->stores;

	fixture->options.reads = REMOTE_READS_FOLLOWER;
	start_remote(fixture);
	for (uint32_t i = 0; i < 20; i++)
		add_call(fixture, 0, begin_read);
	await_calls(fixture);
	assert_int_equal(stores[0].reads, 0);
	assert_int_equal(stores[1].reads_as_follower, 10);
	assert_int_equal(stores[2].reads_as_follower, 10);
	stop_remote(fixture);
}

static void a_follower_that_cannot_answer_is_left_alone(void **state)
{
	struct fixture *fixture = *state;
	struct store *apart = &fixture->stores[1];

	fixture->options.reads = REMOTE_READS_FOLLOWER;
	start_remote(fixture);
	apart->is_apart = true;
	for (uint32_t i = 0; i < 60; i++) {
		add_call(fixture, 0, begin_read);
		await_calls(fixture);
		settle(fixture, 50);
	}
	assert_in_range(apart->refused, 2, 4); /* in three seconds */
	apart->is_apart = false;
	settle(fixture, 1000);
	for (uint32_t i = 0; i < 20; i++) {
		add_call(fixture, 0, begin_read);
		await_calls(fixture);
	}
	assert_int_equal(apart->reads_as_follower, 10);
	stop_remote(fixture);
}

static void what_a_follower_leaves_to_the_leader_goes_there(void **state)
{
	struct fixture *fixture = *state;
	struct store *stores = fixture->stores;

	fixture->options.reads = REMOTE_READS_FOLLOWER;
	start_remote(fixture);
	stores[1].is_apart = stores[2].is_apart = true;
	add_call(fixture, 0, begin_read);
	await_calls(fixture);
	assert_int_equal(stores[1].refused + stores[2].refused, 1);
	assert_int_equal(stores[0].reads, 1);
	assert_int_equal(stores[0].reads_as_follower, 0);
	stop_remote(fixture);
}

static void the_nearest_is_asked(void **state)
{
	struct fixture *fixture = *state;

	fixture->options.reads = REMOTE_READS_NEAREST;
	sim_net_link(fixture->node, fixture->stores[0].server.node)->latency = 20 * SIM_MS;
	sim_net_link(fixture->node, fixture->stores[1].server.node)->latency = 20 * SIM_MS;
	start_remote(fixture);
	for (uint32_t i = 0; i < 200; i++) {
		add_call(fixture, 0, begin_read);
		await_calls(fixture);
	}
	assert_true(fixture->stores[2].reads > 180);
	stop_remote(fixture);
}

static void who_cannot_start_can_stop(void **state)
{
	struct fixture *fixture = *state;
	struct status trouble;

	for (uint32_t i = 0; i < STORES; i++)
		sim_node_kill(fixture->stores[i].server.node);
	make_remote(fixture);
	settle(fixture, 5000);
	assert_false(fixture->is_started);
	remote_read_trouble(fixture->remote, &trouble);
	assert_true(trouble.code < 0);
	stop_remote(fixture);
	assert_true(fixture->is_started);
	assert_int_equal(fixture->start_status, -ECANCELED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_session_is_opened_kept_and_closed),
		TEST(each_change_is_done_once),
		TEST(a_store_that_is_gone_is_not_waited_for),
		TEST(a_store_that_falls_silent_is_left_alone),
		TEST(a_leader_out_of_reach_is_asked_through_another),
		TEST(who_leads_is_learnt_through_another),
		TEST(who_finds_no_slot_waits_in_order),
		TEST(a_lost_session_ends_what_was_under_way),
		TEST(a_lost_session_ends_what_waits_for_a_slot),
		TEST(a_definite_answer_is_not_asked_for_again),
		TEST(an_older_store_is_told_of_once),
		TEST(a_beat_finds_the_session_gone),
		TEST(what_a_beat_is_asked_is_answered_by_the_next),
		TEST(who_has_nothing_open_answers_by_itself),
		TEST(an_outage_is_waited_for),
		TEST(a_limit_ends_the_wait),
		TEST(who_is_killed_gives_up),
		TEST(reads_ask_whom_they_should),
		TEST(followers_may_be_asked),
		TEST(a_follower_that_cannot_answer_is_left_alone),
		TEST(what_a_follower_leaves_to_the_leader_goes_there),
		TEST(the_nearest_is_asked),
		TEST(who_cannot_start_can_stop),
	};

#ifdef RAFTKV_PLANT
	plant_choose(getenv("RAFTKV_PLANTED"));
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
