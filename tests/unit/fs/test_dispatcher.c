/*
 * fs/client/dispatcher between simulated machines: a mount and three scripted stores with many regions, which split and
 * move. How many requests it takes to find the store of a key, and that every request ends in its region.
 */
#include "fs/client/dispatcher.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/client/store_links.h"
#include "proto/check.h"
#include "proto/container.h"
#include "proto/plant.h"
#include "tests/lib/sim_server.h"
#include "tests/lib/test.h"

#define STORES	    3u
#define CLUSTER	    99
#define REGIONS_MAX 10000u
#define CALLS_MAX   256u
#define ROUTES_MAX  4096u /* in one answer */
#define KEYS	    (REGIONS_MAX * 10u) /* keys are numbers below */
#define EVERYWHERE  0u
#define BUT_THIRD   100u /* stores 1 and 2 have a replica; 1 leads */
#define THIRD_LEADS 101u /* each has one; 3 leads */
#define SILENCE	    1
#define PATIENCE    (60 * (uint64_t)SIM_S)

struct fixture;

struct store {
	struct fixture *fixture;
	struct sim_server server;
	uint32_t routes_asked;
};

/* A region as it is now. */
struct truth {
	uint64_t region, version;
	uint32_t start, end; /* numbers; KEYS: no bound */
	uint64_t
		only_store; /* or EVERYWHERE: each store has a replica, and store 1 leads; BUT_THIRD, THIRD_LEADS */
};

struct call {
	struct fixture *fixture;
	struct cluster_request request;
	int expected; /* status */
	bool is_done;
};

struct fixture {
	struct sim_world *world;
	struct store stores[STORES];
	struct truth truths[REGIONS_MAX]; /* in the order of their ranges */
	uint32_t truth_count;
	bool tells_routes; /* to who asks by an old route */
	bool tells_all; /* whatever page is asked for, as older stores do */
	bool moves_on; /* each region is another one as soon as somebody asks it */
	const struct truth *lags; /* the store does not know yet what became of this one */
	uint32_t answered, refused; /* reads */
	int write_status; /* what the leader answers; SILENCE */
	uint32_t writes; /* that the leader got */
	uint32_t steps[STORES]; /* that each store got */
	int step_status; /* what the stores answer */
	struct sim_node *node;
	struct env_loop *loop;
	struct store_list seeds;
	struct dispatcher_options options;
	struct dispatcher *dispatcher;
	struct call calls[CALLS_MAX];
	uint32_t call_count;
	bool is_stopped;
};

/* ---- Stores ---- */

static uint64_t leader_of(const struct truth *truth)
{
	if (truth->only_store == THIRD_LEADS)
		return 3;
	return truth->only_store == EVERYWHERE || truth->only_store == BUT_THIRD ? 1 : truth->only_store;
}

static bool is_on(const struct truth *truth, uint64_t store)
{
	if (truth->only_store == BUT_THIRD)
		return store != 3;
	return truth->only_store == EVERYWHERE || truth->only_store == THIRD_LEADS ||
	       truth->only_store == store;
}

static bool is_at(const struct truth *truth, const struct store *store)
{
	return is_on(truth, store->server.self.store);
}

static void set_key(uint32_t number, uint8_t key[4])
{
	for (uint32_t i = 0; i < 4; i++)
		key[i] = (uint8_t)(number >> (24 - 8 * i));
}

static uint32_t number_of(ProtobufCBinaryData key)
{
	uint32_t number = 0;

	for (size_t i = 0; i < key.len; i++)
		number = number << 8 | key.data[i];
	return number;
}

/* An answer's routes in the making. */
struct told {
	Raftkv__Route *pointers[ROUTES_MAX];
	struct {
		Raftkv__Route route;
		Raftkv__Epoch epoch;
		Raftkv__Replica replicas[STORES], *replica_pointers[STORES];
		uint8_t start[4], end[4];
	} routes[ROUTES_MAX];
	size_t count;
};

static void tell(struct told *told, const struct truth *truth)
{
	Raftkv__Route *route = &told->routes[told->count].route;

	raftkv__route__init(route);
	raftkv__epoch__init(&told->routes[told->count].epoch);
	route->epoch = &told->routes[told->count].epoch;
	route->epoch->version = truth->version;
	route->epoch->conf_version = 1;
	route->region = truth->region;
	route->leader_store = leader_of(truth);
	set_key(truth->start, told->routes[told->count].start);
	set_key(truth->end, told->routes[told->count].end);
	route->start.data = told->routes[told->count].start;
	route->start.len = truth->start > 0 ? 4 : 0;
	route->end.data = told->routes[told->count].end;
	route->end.len = truth->end < KEYS ? 4 : 0;
	route->replicas = told->routes[told->count].replica_pointers;
	for (uint32_t i = 0; i < STORES; i++) {
		Raftkv__Replica *replica = &told->routes[told->count].replicas[route->n_replicas];

		if (!is_on(truth, i + 1))
			continue;
		raftkv__replica__init(replica);
		replica->store = i + 1;
		replica->roles = REGION_VOTER;
		route->replicas[route->n_replicas++] = replica;
	}
	told->pointers[told->count++] = route;
}

static int on_routes(void *argument, struct rpc_request *request, const struct frame *frame)
{
	static const char *const addresses[STORES] = {"a:1", "b:1", "c:1"};
	struct store *store = argument;
	struct fixture *fixture = store->fixture;
	Raftkv__RoutesRequest *message =
		raftkv__routes_request__unpack(NULL, frame->head.size, frame->head.data);
	Raftkv__RoutesReply reply = RAFTKV__ROUTES_REPLY__INIT;
	Raftkv__StoreAddress stores[STORES], *store_pointers[STORES];
	struct told *told = calloc(1, sizeof *told);
	uint32_t first, limit;

	check(message && told);
	first = fixture->tells_all ? 0 : number_of(message->key);
	limit = fixture->tells_all || message->limit == 0 ? ROUTES_MAX : message->limit;
	assert_in_range(limit, 1, ROUTES_MAX);
	for (uint32_t i = 0; i < fixture->truth_count && told->count < limit; i++)
		if (fixture->truths[i].end > first && is_at(&fixture->truths[i], store))
			tell(told, &fixture->truths[i]);
	for (uint32_t i = 0; i < STORES; i++) {
		raftkv__store_address__init(&stores[i]);
		stores[i].store = i + 1;
		stores[i].address = (char *)(uintptr_t)addresses[i];
		store_pointers[i] = &stores[i];
	}
	reply.n_routes = told->count;
	reply.routes = told->pointers;
	reply.n_stores = STORES;
	reply.stores = store_pointers;
	store->routes_asked++;
	raftkv__routes_request__free_unpacked(message, NULL);
	rpc_answer(request, &reply.base, NULL, 0);
	free(told);
	return 0;
}

static int judge(struct store *store, const Raftkv__ReadRequest *message, struct truth *truth)
{
	uint32_t number = number_of(message->question);

	if (!truth || !is_at(truth, store))
		return STATUS_REGION_NOT_FOUND;
	if (store->fixture->moves_on)
		truth->version++;
	if (message->epoch_version != truth->version)
		return STATUS_EPOCH_NOT_MATCH;
	assert_in_range(number, truth->start, truth->end - 1);
	return leader_of(truth) == store->server.self.store ? 0 : STATUS_NOT_LEADER;
}

static void tell_around(struct fixture *fixture, const struct truth *truth, struct told *told)
{
	const struct truth *end = fixture->truths + fixture->truth_count;

	for (; truth < end && told->count < 4; truth++)
		tell(told, truth);
}

static int on_read(void *argument, struct rpc_request *request, const struct frame *frame)
{
	struct store *store = argument;
	struct fixture *fixture = store->fixture;
	Raftkv__ReadRequest *message = raftkv__read_request__unpack(NULL, frame->head.size, frame->head.data);
	Raftkv__ReadReply reply = RAFTKV__READ_REPLY__INIT;
	struct told *told = calloc(1, sizeof *told);
	struct truth *truth = NULL;

	check(message && told);
	for (uint32_t i = 0; i < fixture->truth_count; i++)
		if (fixture->truths[i].region == message->region)
			truth = &fixture->truths[i];
	reply.status = fixture->lags ? STATUS_EPOCH_NOT_MATCH : judge(store, message, truth);
	if (fixture->lags)
		tell(told, fixture->lags);
	else if (reply.status == STATUS_EPOCH_NOT_MATCH && fixture->tells_routes)
		tell_around(fixture, truth, told);
	reply.leader_store = truth ? leader_of(truth) : 0;
	reply.n_routes = told->count;
	reply.routes = told->pointers;
	fixture->answered += reply.status == 0;
	fixture->refused += reply.status < 0;
	raftkv__read_request__free_unpacked(message, NULL);
	rpc_answer(request, &reply.base, NULL, 0);
	free(told);
	return 0;
}

/* Of the one region, which store 1 leads. */
static int on_write(void *argument, struct rpc_request *request, const struct frame *frame)
{
	struct store *store = argument;
	struct fixture *fixture = store->fixture;
	Raftkv__WriteReply reply = RAFTKV__WRITE_REPLY__INIT;

	(void)frame;
	if (store->server.self.store == 1)
		fixture->writes++;
	if (store->server.self.store == 1 && fixture->write_status == SILENCE)
		return 0;
	reply.status = store->server.self.store == 1 ? fixture->write_status : STATUS_NOT_LEADER;
	reply.leader_store = 1;
	rpc_answer(request, &reply.base, NULL, 0);
	return 0;
}

static int on_step(void *argument, struct rpc_request *request, const struct frame *frame)
{
	struct store *store = argument;
	Raftkv__RegionStepRequest *message =
		raftkv__region_step_request__unpack(NULL, frame->head.size, frame->head.data);
	Raftkv__RegionStepReply reply = RAFTKV__REGION_STEP_REPLY__INIT;

	check(message && message->region == 7);
	raftkv__region_step_request__free_unpacked(message, NULL);
	store->fixture->steps[store->server.self.store - 1]++;
	reply.status = store->fixture->step_status;
	reply.leader_store = 1;
	rpc_answer(request, &reply.base, NULL, 0);
	return 0;
}

static uint32_t routes_asked(const struct fixture *fixture)
{
	return fixture->stores[0].routes_asked + fixture->stores[1].routes_asked +
	       fixture->stores[2].routes_asked;
}

/* ---- The truth ---- */

static void add_truth(struct fixture *fixture, struct truth truth)
{
	check(fixture->truth_count < REGIONS_MAX);
	fixture->truths[fixture->truth_count++] = truth;
}

/* Every region has ten keys. */
static void add_many(struct fixture *fixture, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		add_truth(fixture,
			(struct truth){i + 1, 1, i * 10, i + 1 < count ? (i + 1) * 10 : KEYS, EVERYWHERE});
}

/* The last region is cut in two: `region` has the keys from `start` on. */
static void split_last(struct fixture *fixture, uint64_t region, uint32_t start)
{
	struct truth *lower = &fixture->truths[fixture->truth_count - 1], upper = *lower;

	lower->version = upper.version = lower->version + 1;
	lower->end = upper.start = start;
	upper.region = region;
	add_truth(fixture, upper);
}

/* ---- The mount ---- */

struct task_mail {
	struct env_mail mail;
	void (*run)(void *argument);
	void *argument;
	bool is_done;
};

static bool is_set(void *argument)
{
	return *(bool *)argument;
}

static void on_mail(struct env_mail *mail)
{
	struct task_mail *task = container_of(mail, struct task_mail, mail);

	task->run(task->argument);
	task->is_done = true;
}

static void run_on_loop(struct fixture *fixture, void (*run)(void *argument), void *argument)
{
	struct task_mail task = {.run = run, .argument = argument};

	env_post(fixture->loop, &task.mail, on_mail);
	check(sim_run(fixture->world, PATIENCE, is_set, &task.is_done));
}

static void on_call_done(struct cluster_request *request, int status, const struct cluster_answer *answer)
{
	struct call *call = container_of(request, struct call, request);

	(void)answer;
	assert_int_equal(status, call->expected);
	assert_false(call->is_done);
	call->is_done = true;
	buf_unref(request->body);
}

static void begin_call(void *argument)
{
	struct call *call = argument;

	check(dispatcher_run(call->fixture->dispatcher, &call->request) == 0);
}

static struct call *begin_read(struct fixture *fixture, uint32_t number)
{
	struct call *call = &fixture->calls[fixture->call_count++];

	check(fixture->call_count <= CALLS_MAX);
	*call = (struct call){.fixture = fixture,
		.request = {.kind = CLUSTER_REQUEST_READ, .key.size = 4, .done = on_call_done}};
	set_key(number, call->request.key.bytes);
	call->request.body = buf_copy(call->request.key.bytes, 4);
	run_on_loop(fixture, begin_call, call);
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
	fixture->call_count = 0;
}

static void read_key(struct fixture *fixture, uint32_t number)
{
	begin_read(fixture, number);
	await_calls(fixture);
}

static uint64_t retries(const struct fixture *fixture)
{
	struct remote_stats stats;

	dispatcher_read_stats(fixture->dispatcher, &stats);
	return stats.retries;
}

static void on_lost(void *argument, uint64_t session)
{
	(void)argument, (void)session;
}

static void on_failed(void *argument, const char *address, const struct status *why)
{
	(void)argument, (void)address, (void)why;
}

static void on_refused(void *argument, uint64_t store, const char *version)
{
	(void)argument, (void)store, (void)version;
}

/* ---- Life ---- */

static int set_up(void **state)
{
	static const char *const names[STORES] = {"a", "b", "c"};
	struct fixture *fixture = calloc(1, sizeof *fixture);
	struct dispatcher_options options = {.reads = REMOTE_READS_LEADER,
		.lost = on_lost,
		.failed = on_failed,
		.refused = on_refused,
		.argument = fixture};

	check(fixture != NULL);
	fixture->world = sim_world_new(11);
	fixture->tells_routes = true;
	for (uint32_t i = 0; i < STORES; i++) {
		struct store *store = &fixture->stores[i];

		store->fixture = fixture;
		sim_server_start(&store->server, fixture->world, names[i], CLUSTER, i + 1);
		rpc_server_handle(store->server.rpc_server, FRAME_READ, on_read, store);
		rpc_server_handle(store->server.rpc_server, FRAME_WRITE, on_write, store);
		rpc_server_handle(store->server.rpc_server, FRAME_REGION_STEP, on_step, store);
		rpc_server_handle(store->server.rpc_server, FRAME_ROUTES, on_routes, store);
	}
	fixture->node = sim_node_new(fixture->world, "mount");
	check(env_loop_new(sim_node_start(fixture->node), "lane", &fixture->loop) == 0);
	check(env_loop_start(fixture->loop) == 0);
	check(store_list_parse(&fixture->seeds, "b:1,c:1", NULL) == 0);
	options.loop = fixture->loop;
	options.seeds = &fixture->seeds;
	options.book = store_book_new();
	fixture->options = options;
	fixture->dispatcher = dispatcher_new(&options);
	check(fixture->dispatcher != NULL);
	*state = fixture;
	return 0;
}

static void on_stopped(void *argument)
{
	((struct fixture *)argument)->is_stopped = true;
}

static void stop(void *argument)
{
	dispatcher_stop(((struct fixture *)argument)->dispatcher, on_stopped, argument);
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	if (!are_done(fixture)) /* the test has failed */
		return 0;
	run_on_loop(fixture, stop, fixture);
	check(sim_run(fixture->world, PATIENCE, is_set, &fixture->is_stopped));
	env_loop_stop(fixture->loop);
	env_loop_free(fixture->loop);
	dispatcher_free(fixture->dispatcher);
	for (uint32_t i = 0; i < STORES; i++)
		sim_node_kill(fixture->stores[i].server.node);
	sim_node_kill(fixture->node);
	sim_world_free(fixture->world);
	store_list_close(&fixture->seeds);
	store_book_free(fixture->options.book);
	free(fixture);
	return 0;
}

/* ---- Tests ---- */

static void a_refusal_tells_of_both_halves(void **state)
{
	struct fixture *fixture = *state;

	add_many(fixture, 1);
	read_key(fixture, 700);
	assert_int_equal(routes_asked(fixture), 1);
	split_last(fixture, 2, 500);
	split_last(fixture, 3, 600);
	read_key(fixture, 700);
	read_key(fixture, 550);
	read_key(fixture, 10);
	assert_int_equal(routes_asked(fixture), 1);
	assert_int_equal(fixture->refused, 1);
	assert_int_equal(fixture->answered, 4);
	assert_int_equal(retries(fixture), 1);
}

static void an_older_store_is_asked_for_the_routes(void **state)
{
	struct fixture *fixture = *state;

	fixture->tells_all = true;
	fixture->tells_routes = false;
	add_many(fixture, 1);
	read_key(fixture, 700);
	split_last(fixture, 2, 500);
	read_key(fixture, 700);
	read_key(fixture, 10);
	assert_int_equal(fixture->answered, 3);
	assert_int_equal(routes_asked(fixture), 2);
}

/* It tells of the region as it was before the split. */
static void a_store_that_lags_is_waited_for(void **state)
{
	struct fixture *fixture = *state;
	struct truth before;
	struct call *call;

	add_many(fixture, 1);
	before = fixture->truths[0];
	split_last(fixture, 2, 500);
	read_key(fixture, 700);
	fixture->lags = &before;
	call = begin_read(fixture, 700);
	sim_run(fixture->world, SIM_S, NULL, NULL);
	assert_false(call->is_done);
	assert_in_range(fixture->refused, 2, 30);
	assert_int_equal(call->request.region, 2);
	fixture->lags = NULL;
	await_calls(fixture);
	assert_int_equal(fixture->answered, 2);
}

static void who_is_sent_on_for_ever_rests(void **state)
{
	struct fixture *fixture = *state;

	add_many(fixture, 1);
	read_key(fixture, 1);
	fixture->moves_on = true;
	begin_read(fixture, 1);
	sim_run(fixture->world, SIM_S, NULL, NULL);
	assert_in_range(fixture->refused, 5, 150);
	fixture->moves_on = false;
	await_calls(fixture);
}

/* One that is used for the first time when all seeds are gone. */
static void what_another_dispatcher_has_learnt_is_asked(void **state)
{
	struct fixture *fixture = *state;

	add_many(fixture, 1);
	read_key(fixture, 1);
	run_on_loop(fixture, stop, fixture);
	check(sim_run(fixture->world, PATIENCE, is_set, &fixture->is_stopped));
	dispatcher_free(fixture->dispatcher);
	fixture->is_stopped = false;
	store_list_close(&fixture->seeds);
	check(store_list_parse(&fixture->seeds, "gone:1,away:1", NULL) == 0);
	fixture->dispatcher = dispatcher_new(&fixture->options);
	read_key(fixture, 1);
	assert_int_equal(fixture->answered, 2);
}

/* The mount knows the region's stores from before the leader's replica was made. */
static void a_leader_on_a_new_store_is_asked_at_once(void **state)
{
	struct fixture *fixture = *state;

	add_many(fixture, 1);
	fixture->truths[0].only_store = BUT_THIRD;
	read_key(fixture, 1);
	fixture->truths[0].only_store = THIRD_LEADS;
	for (int i = 0; i < 5; i++)
		read_key(fixture, 1);
	assert_int_equal(fixture->answered, 6);
	assert_int_equal(fixture->refused, 1);
	assert_int_equal(retries(fixture), 1);
}

static void a_key_is_found_by_one_request(void **state)
{
	struct fixture *fixture = *state;

	add_many(fixture, REGIONS_MAX);
	read_key(fixture, 5);
	assert_int_equal(routes_asked(fixture), 1);
	read_key(fixture, 90005);
	assert_int_equal(routes_asked(fixture), 2);
	read_key(fixture, 90005 + 10 * (CLUSTER_ROUTES_MAX - 1)); /* on the same page */
	assert_int_equal(routes_asked(fixture), 2);
	read_key(fixture, 90005 + 10 * CLUSTER_ROUTES_MAX);
	read_key(fixture, 89999);
	assert_int_equal(routes_asked(fixture), 4);
	assert_int_equal(fixture->answered, 5);
	assert_int_equal(retries(fixture), 0);
}

static void many_keys_are_looked_for_at_once(void **state)
{
	struct fixture *fixture = *state;

	add_many(fixture, REGIONS_MAX);
	for (uint32_t i = 0; i < 200; i++)
		begin_read(fixture, i * 7919 % REGIONS_MAX * 10);
	await_calls(fixture);
	assert_int_equal(fixture->answered, 200);
	assert_int_equal(fixture->refused, 0);
	assert_int_equal(retries(fixture), 0);
	/* No more than there are pages, and one for each of those that begin before the page of another. */
	assert_in_range(routes_asked(fixture), REGIONS_MAX / CLUSTER_ROUTES_MAX, 200);
}

static void stores_are_asked_until_one_knows_the_key(void **state)
{
	struct fixture *fixture = *state;

	for (uint32_t i = 0; i < 30; i++)
		add_truth(fixture,
			(struct truth){i + 1, 1, i * 10, i < 29 ? i * 10 + 10 : KEYS, 1 + i % STORES});
	for (uint32_t i = 0; i < 30; i++)
		read_key(fixture, i * 10);
	assert_int_equal(fixture->answered, 30);
	assert_int_equal(fixture->refused, 0);
	assert_int_equal(retries(fixture), 0); /* nobody rested */
	assert_in_range(routes_asked(fixture), 3, 15);
}

static void what_nobody_knows_is_waited_for(void **state)
{
	struct fixture *fixture = *state;
	const struct call *known;

	add_truth(fixture, (struct truth){1, 1, 0, 100, EVERYWHERE});
	begin_read(fixture, 500);
	begin_read(fixture, 500);
	sim_run(fixture->world, 10 * (uint64_t)SIM_S, NULL, NULL);
	assert_in_range(routes_asked(fixture), 20, 1500);
	known = begin_read(fixture, 50);
	assert_true(sim_run(fixture->world, PATIENCE, is_set,
		(void *)(uintptr_t)&known->is_done)); /* others do not wait for it */
	add_truth(fixture, (struct truth){2, 1, 100, KEYS, EVERYWHERE});
	await_calls(fixture);
	assert_int_equal(fixture->answered, 3);
}

static void begin_write(struct fixture *fixture, bool is_once, int expected)
{
	struct call *call = &fixture->calls[fixture->call_count++];

	check(fixture->call_count <= CALLS_MAX);
	*call = (struct call){.fixture = fixture,
		.expected = expected,
		.request = {.kind = CLUSTER_REQUEST_SESSION,
			.key.size = 4,
			.is_once = is_once,
			.limit = 20 * (uint64_t)SIM_S,
			.done = on_call_done}};
	set_key(50, call->request.key.bytes);
	call->request.body = buf_copy(call->request.key.bytes, 4);
	fixture->writes = 0;
	run_on_loop(fixture, begin_call, call);
}

/* A store that may have applied it, or will, has it alone: whatever that store says. */
static void what_is_sent_once_is_with_one_store(void **state)
{
	static const struct {
		int answer, expected;
	} cases[] = {{0, 0}, {-EBUSY, -EBUSY}, {STATUS_STALE_COMMAND, STATUS_STALE_COMMAND},
		{STATUS_STOPPING, STATUS_STOPPING}, {STATUS_NOT_READY, STATUS_NOT_READY},
		{SILENCE, -ETIMEDOUT}};
	struct fixture *fixture = *state;

	add_truth(fixture, (struct truth){1, 1, 0, KEYS, EVERYWHERE});
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		fixture->write_status = cases[i].answer;
		begin_write(fixture, true, cases[i].expected);
		await_calls(fixture);
		assert_int_equal(fixture->writes, 1);
	}
	fixture->write_status = STATUS_LIMIT; /* nothing was done */
	begin_write(fixture, true, -ETIMEDOUT);
	await_calls(fixture);
	assert_true(fixture->writes > 1);
	fixture->write_status = STATUS_STALE_COMMAND;
	begin_write(fixture, false, -ETIMEDOUT);
	await_calls(fixture);
	assert_true(fixture->writes > 1);
}

/* Whatever it answers, and wherever the region is: who asked looks for the leader. */
static void a_step_goes_to_the_store_that_is_named(void **state)
{
	static const int answers[] = {
		0, STATUS_NOT_LEADER, STATUS_EPOCH_NOT_MATCH, STATUS_NOT_READY, -ESTALE};
	Raftkv__RegionStepRequest message = RAFTKV__REGION_STEP_REQUEST__INIT;
	struct fixture *fixture = *state;
	struct call *call;

	message.region = 7;
	for (uint32_t i = 0; i <= sizeof answers / sizeof *answers; i++) {
		bool is_nowhere = i == sizeof answers / sizeof *answers;

		fixture->step_status = is_nowhere ? 0 : answers[i];
		call = &fixture->calls[fixture->call_count++];
		*call = (struct call){.fixture = fixture,
			.expected = is_nowhere ? -ETIMEDOUT : answers[i],
			.request = {.kind = CLUSTER_REQUEST_REGION_STEP,
				.region_step = &message,
				.address = is_nowhere ? "nowhere:1" : "b:1",
				.to_store = 2,
				.limit = 5 * (uint64_t)SIM_S,
				.done = on_call_done}};
		run_on_loop(fixture, begin_call, call);
		await_calls(fixture);
	}
	assert_int_equal(fixture->steps[0], 0);
	assert_int_equal(fixture->steps[1], sizeof answers / sizeof *answers);
	assert_int_equal(routes_asked(fixture), 0);
}

static bool is_answered(void *argument)
{
	return ((const struct call *)argument)->is_done;
}

/* What fills the link may wait for the very thing that is asked. */
static void what_is_urgent_needs_no_room(void **state)
{
	struct fixture *fixture = *state;
	struct call *call;

	add_truth(fixture, (struct truth){1, 1, 0, KEYS, EVERYWHERE});
	read_key(fixture, 50);
	fixture->write_status = SILENCE;
	for (uint32_t i = 0; i < STORE_LINK_REQUESTS_MAX + 8; i++)
		begin_write(fixture, true, -ETIMEDOUT);
	call = &fixture->calls[fixture->call_count++];
	*call = (struct call){.fixture = fixture,
		.request = {.kind = CLUSTER_REQUEST_READ,
			.key.size = 4,
			.is_urgent = true,
			.done = on_call_done}};
	set_key(50, call->request.key.bytes);
	call->request.body = buf_copy(call->request.key.bytes, 4);
	run_on_loop(fixture, begin_call, call);
	assert_true(sim_run(fixture->world, PATIENCE, is_answered, call));
	assert_false(fixture->calls[0].is_done);
	await_calls(fixture);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_refusal_tells_of_both_halves),
		TEST(an_older_store_is_asked_for_the_routes),
		TEST(a_store_that_lags_is_waited_for),
		TEST(who_is_sent_on_for_ever_rests),
		TEST(what_another_dispatcher_has_learnt_is_asked),
		TEST(a_leader_on_a_new_store_is_asked_at_once),
		TEST(a_key_is_found_by_one_request),
		TEST(many_keys_are_looked_for_at_once),
		TEST(stores_are_asked_until_one_knows_the_key),
		TEST(what_nobody_knows_is_waited_for),
		TEST(what_is_sent_once_is_with_one_store),
		TEST(a_step_goes_to_the_store_that_is_named),
		TEST(what_is_urgent_needs_no_room),
	};

#ifdef RAFTKV_PLANT
	plant_choose(getenv("RAFTKV_PLANTED"));
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
