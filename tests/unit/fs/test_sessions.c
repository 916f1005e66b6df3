/*
 * fs/server/registrations, fs/cluster/coordinator, fs/server/survey: sessions over several regions. Three simulated stores,
 * each with all three; the requests between stores (fs/client/dispatcher.h) are this file's, which can hold them up.
 */
#include "fs/regions/registrations.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <utlist.h>

#include "fs/cluster/coordinator.h"
#include "fs/eval/eval.h"
#include "fs/schema/ino_ranges.h"
#include "fs/schema/op.h"
#include "fs/schema/read.h"
#include "fs/regions/survey.h"
#include "proto/check.h"
#include "proto/container.h"
#include "tests/lib/sim_cluster.h"
#include "tests/lib/test.h"

#define STORES	 3u
#define PATIENCE (60 * (uint64_t)SIM_S)
#define EXPIRY	 (COORDINATOR_EXPIRY_MS * (uint64_t)SIM_MS)
#define AGAIN	 (20 * SIM_MS)
#define LOWER	 1u
#define UPPER	 2u /* the region that begins with the directory `high` */
#define TOP	 3u /* the one that begins with the directory `top` */

static const char *const addresses[STORES] = {"a:7420", "b:7420", "c:7420"};

struct cluster;

/* A store's requests to others. */
struct dispatcher {
	struct cluster *cluster;
	struct env_loop *loop;
};

enum delay { DELAY_NONE, DELAY_REQUEST, DELAY_ANSWER };

struct cluster {
	struct sim_cluster sim;
	struct dispatcher peers[STORES];
	struct coordinator *coordinators[STORES];
	struct registrations *registrations[STORES];
	struct survey *surveys[STORES];
	uint32_t stopping;
	uint64_t sequence; /* of the last change */
	struct buf *payload; /* of the next changes; NULL: none */
	uint64_t low, high, top; /* directories, in the order of their numbers */
	struct routed *routed; /* requests under way */
	/* Requests of this kind, or their answers, are held up until let_go. */
	enum op_kind delayed;
	enum delay delay;
	uint64_t delayed_session; /* 0: those of any session */
	bool has_limits; /* requests end when their time is over */
	uint32_t held;
};

/* ---- Requests between stores ---- */

struct routed {
	struct dispatcher *dispatcher;
	struct cluster_request *request; /* NULL: it was given up */
	struct routed *prev, *next;
	struct op op;
	bool is_held;
	struct raftkv_write write;
	struct env_timer timer, end;
	struct env_mail mail;
	int status;
	struct buf *bytes;
};

static void route(struct routed *routed);

static void finish(struct routed *routed)
{
	const struct cluster_answer answer = {.bytes = buf_slice(routed->bytes)};

	DL_DELETE(routed->dispatcher->cluster->routed, routed);
	env_timer_stop(&routed->end);
	if (routed->request)
		routed->request->done(routed->request, routed->status, &answer);
	buf_unref(routed->bytes);
	buf_unref(routed->write.body);
	free(routed);
}

static bool is_held(struct routed *routed, enum delay delay)
{
	struct cluster *cluster = routed->dispatcher->cluster;
	uint64_t session = cluster->delayed_session;

	routed->is_held = cluster->delay == delay && cluster->delayed == routed->op.kind &&
			  (session == 0 || session == routed->op.session_end.session);
	cluster->held += routed->is_held;
	return routed->is_held;
}

static void on_again(struct env_timer *timer)
{
	route(container_of(timer, struct routed, timer));
}

static void route_again(struct routed *routed)
{
	struct env_loop *loop = routed->dispatcher->loop;

	env_timer_start(&routed->timer, loop, env_now(env_loop_env(loop)) + AGAIN, on_again);
}

static void on_back(struct env_mail *mail)
{
	struct routed *routed = container_of(mail, struct routed, mail);

	if (!routed->request || !status_is_transient(routed->status)) {
		if (!is_held(routed, DELAY_ANSWER))
			finish(routed);
		return;
	}
	route_again(routed);
}

static void on_routed_written(struct raftkv_write *write, int status, struct buf *bytes)
{
	struct routed *routed = container_of(write, struct routed, write);

	routed->status = status;
	buf_unref(routed->bytes);
	routed->bytes = buf_ref(bytes);
	env_post(routed->dispatcher->loop, &routed->mail, on_back);
}

/* The store that leads the region that has the key, and that region; 0: none. */
static uint32_t find_leader(struct cluster *cluster, struct slice key, uint64_t *region)
{
	struct region_epoch epoch;

	for (uint32_t i = 1; i <= STORES; i++) {
		struct raftkv *raftkv = cluster->sim.stores[i - 1].raftkv;

		if (raftkv && raftkv_find_region(raftkv, key, region, &epoch) == 0 &&
			sim_cluster_leader_of(&cluster->sim, *region) == i)
			return i;
	}
	return 0;
}

/* To whoever leads the region that has the key, again until it answers. */
static void route(struct routed *routed)
{
	struct dispatcher *dispatcher = routed->dispatcher;
	struct fs_key first = fs_key_dirid(0);
	const struct fs_key *key =
		routed->request && routed->request->key.size > 0 ? &routed->request->key : &first;
	uint64_t region;
	uint32_t leader = find_leader(dispatcher->cluster, fs_key_slice(key), &region);
	struct sim_store *store = leader > 0 ? &dispatcher->cluster->sim.stores[leader - 1] : NULL;

	if (!routed->request) {
		finish(routed);
		return;
	}
	if (!store) {
		route_again(routed);
		return;
	}
	routed->write = (struct raftkv_write){.region = region,
		.body = routed->write.body,
		.loop = store->caller,
		.done = on_routed_written};
	raftkv_async_write(store->raftkv, &routed->write);
}

static void on_limit(struct env_timer *timer)
{
	struct routed *routed = container_of(timer, struct routed, end);

	if (routed->request)
		dispatcher_give_up(routed->request, -ETIMEDOUT);
}

int dispatcher_run(struct dispatcher *dispatcher, struct cluster_request *request)
{
	struct routed *routed = calloc(1, sizeof *routed);

	check(routed);
	assert_int_equal(request->kind, CLUSTER_REQUEST_SESSION);
	assert_int_equal(op_decode(buf_slice(request->body), &routed->op), 0);
	routed->dispatcher = dispatcher;
	routed->request = request;
	request->dispatcher = dispatcher;
	routed->write.body = buf_ref(request->body);
	DL_APPEND(dispatcher->cluster->routed, routed);
	if (dispatcher->cluster->has_limits && request->limit > 0)
		env_timer_start(&routed->end, dispatcher->loop,
			env_now(env_loop_env(dispatcher->loop)) + request->limit, on_limit);
	if (!is_held(routed, DELAY_REQUEST))
		route(routed);
	return 0;
}

void dispatcher_give_up(struct cluster_request *request, int status)
{
	const struct cluster_answer none = {0};
	struct routed *routed;

	DL_SEARCH_SCALAR(request->dispatcher->cluster->routed, routed, request, request);
	assert_non_null(routed);
	routed->request = NULL;
	request->done(request, status, &none);
}

static void hold_up(struct cluster *cluster, enum op_kind kind, enum delay delay)
{
	cluster->delayed = kind;
	cluster->delay = delay;
	cluster->held = 0;
}

static bool has_held(void *argument)
{
	return ((const struct cluster *)argument)->held > 0;
}

static void await_held(struct cluster *cluster)
{
	assert_true(sim_run(cluster->sim.world, PATIENCE, has_held, cluster));
}

static void let_go(struct cluster *cluster)
{
	enum delay delay = cluster->delay;
	struct routed *routed, *next;

	hold_up(cluster, 0, DELAY_NONE);
	DL_FOREACH_SAFE(cluster->routed, routed, next)
	{
		if (routed->is_held && delay == DELAY_REQUEST)
			route(routed);
		else if (routed->is_held)
			finish(routed);
	}
}

/* ---- Life ---- */

static void start(struct cluster *cluster, uint32_t number)
{
	struct sim_store *store = &cluster->sim.stores[number];
	struct dispatcher *peers = &cluster->peers[number];

	sim_cluster_open(&cluster->sim, number + 1);
	*peers = (struct dispatcher){.cluster = cluster, .loop = store->caller};
	cluster->coordinators[number] = coordinator_new(&(struct coordinator_options){.raftkv = store->raftkv,
		.loop = store->caller,
		.peers = peers,
		.logger = &store->logger,
		.stores = addresses,
		.store_count = STORES});
	cluster->registrations[number] = registrations_new(&(struct registrations_options){
		.loop = store->caller, .raftkv = store->raftkv, .peers = peers});
	cluster->surveys[number] =
		survey_new(&(struct survey_options){.loop = store->caller, .raftkv = store->raftkv});
	assert_non_null(cluster->coordinators[number]);
	assert_non_null(cluster->registrations[number]);
	assert_non_null(cluster->surveys[number]);
	coordinator_start(cluster->coordinators[number]);
	survey_start(cluster->surveys[number]);
}

static void cluster_on_stopped(void *argument)
{
	((struct cluster *)argument)->stopping--;
}

static bool has_stopped(void *argument)
{
	return ((const struct cluster *)argument)->stopping == 0;
}

static void cluster_free(struct cluster *cluster)
{
	let_go(cluster);
	for (uint32_t i = 0; i < STORES; i++) {
		cluster->stopping = 2;
		registrations_stop(cluster->registrations[i]);
		coordinator_stop(cluster->coordinators[i], cluster_on_stopped, cluster);
		survey_stop(cluster->surveys[i], cluster_on_stopped, cluster);
		assert_true(sim_run(cluster->sim.world, PATIENCE, has_stopped, cluster));
	}
	sim_cluster_run(&cluster->sim, SIM_S); /* what was given up comes back */
	for (uint32_t i = 0; i < STORES; i++) {
		sim_store_stop(&cluster->sim.stores[i]);
		registrations_free(cluster->registrations[i]);
		coordinator_free(cluster->coordinators[i]);
		survey_free(cluster->surveys[i]);
	}
	assert_null(cluster->routed);
	sim_cluster_close(&cluster->sim);
	free(cluster);
}

static void pass(struct cluster *cluster, uint64_t duration)
{
	sim_cluster_run(&cluster->sim, duration);
}

/* ---- Changes ---- */

struct call {
	struct cluster *cluster;
	struct registrations *registrations; /* NULL: the region is to know the session already */
	struct raftkv *raftkv;
	struct registration_wait wait;
	struct raftkv_write write;
	struct op_reply reply;
	int status;
	bool is_done;
};

static bool is_done(void *argument)
{
	return ((const struct call *)argument)->is_done;
}

static void call_on_written(struct raftkv_write *write, int status, struct buf *bytes);

static void evaluate(struct call *call)
{
	call->write = (struct raftkv_write){.region = call->write.region,
		.session = call->write.session,
		.sequence = call->write.sequence,
		.body = call->write.body,
		.payload = call->write.payload,
		.loop = call->write.loop,
		.done = call_on_written};
	raftkv_async_write(call->raftkv, &call->write);
}

static void on_waited(struct registration_wait *wait, int status)
{
	struct call *call = container_of(wait, struct call, wait);

	call->status = status;
	call->is_done = status < 0;
	if (status == 0)
		evaluate(call);
}

static void call_on_written(struct raftkv_write *write, int status, struct buf *bytes)
{
	struct call *call = container_of(write, struct call, write);

	if (status == STATUS_SESSION_UNKNOWN && write->region != CLUSTER_REGION && call->registrations) {
		call->wait = (struct registration_wait){
			.region = write->region, .session = write->session, .done = on_waited};
		status = registrations_ask(call->registrations, &call->wait);
		if (status == 0)
			return;
	}
	call->status = status == 0 ? op_reply_decode(buf_slice(bytes), &call->reply) : status;
	call->is_done = true;
}

/* Asks the leader of the region that has the dirid. With `registers` as a store's service does. */
static struct call *begin(
	struct cluster *cluster, uint64_t dirid, const struct op *op, uint64_t session, bool registers)
{
	struct call *call = calloc(1, sizeof *call);
	struct fs_key key = fs_key_dirid(dirid);
	uint64_t region = 0;
	uint32_t leader = 0;

	assert_non_null(call);
	for (int i = 0; i < 1000 && leader == 0; i++) {
		leader = find_leader(cluster, fs_key_slice(&key), &region);
		pass(cluster, leader > 0 ? 0 : AGAIN);
	}
	assert_true(leader > 0);
	call->cluster = cluster;
	call->raftkv = cluster->sim.stores[leader - 1].raftkv;
	call->registrations = registers ? cluster->registrations[leader - 1] : NULL;
	call->write = (struct raftkv_write){.region = region,
		.session = session,
		.sequence = ++cluster->sequence,
		.payload = cluster->payload,
		.loop = cluster->sim.stores[leader - 1].caller};
	assert_int_equal(op_encode(op, &call->write.body), 0);
	evaluate(call);
	return call;
}

/* The status, or the operation's error. */
static int end(struct call *call, struct op_reply *reply)
{
	int status;

	assert_true(sim_run(call->cluster->sim.world, PATIENCE, is_done, call));
	status = call->status < 0 ? call->status : call->reply.error;
	if (reply)
		*reply = call->reply;
	buf_unref(call->write.body);
	free(call);
	return status;
}

static struct op_reply run(struct cluster *cluster, uint64_t dirid, const struct op *op, uint64_t session)
{
	struct op_reply reply = {0};
	int status = STATUS_NOT_LEADER;

	for (int i = 0; i < 100 && status_is_transient(status); i++) {
		status = end(begin(cluster, dirid, op, session, true), &reply);
		pass(cluster, status < 0 ? AGAIN : 0);
	}
	assert_int_equal(status, 0);
	return reply;
}

static uint64_t make_directory(struct cluster *cluster, const char *name)
{
	const struct op op = {.kind = OP_MAKE,
		.make = {.parent = FS_ROOT_INO,
			.name = slice_of(name, 1),
			.mode = S_IFDIR | 0755,
			.exclusive = true}};

	return run(cluster, 0, &op, 0).attributes.ino;
}

static int compare(const void *left, const void *right)
{
	uint64_t one = *(const uint64_t *)left, other = *(const uint64_t *)right;

	return one < other ? -1 : one > other;
}

/* With a root that has three directories. */
static struct cluster *cluster_new(uint64_t seed)
{
	struct cluster *cluster = calloc(1, sizeof *cluster);
	uint64_t directories[3];

	assert_non_null(cluster);
	sim_cluster_init(&cluster->sim, seed, STORES, 0);
	for (uint32_t i = 0; i < STORES; i++)
		cluster->sim.stores[i].options.evaluator = eval_evaluator();
	for (uint32_t i = 0; i < STORES; i++)
		start(cluster, i);
	sim_cluster_await_leader(&cluster->sim);
	pass(cluster, 2 * (uint64_t)SIM_S);
	for (uint32_t i = 0; i < 3; i++)
		directories[i] = make_directory(cluster, (const char *[]){"a", "b", "c"}[i]);
	qsort(directories, 3, sizeof *directories, compare);
	cluster->low = directories[0];
	cluster->high = directories[1];
	cluster->top = directories[2];
	return cluster;
}

/* The region that has the directory is split there. */
static void split_at(struct cluster *cluster, uint64_t directory, uint64_t new_region)
{
	struct fs_key key = fs_key_dirid(fs_ino_dirid(directory));
	int status = STATUS_NOT_LEADER;

	for (int i = 0; i < 100 && status < 0; i++) {
		struct raftkv_split split = {.new_region = new_region};
		uint32_t leader = find_leader(cluster, fs_key_slice(&key), &split.region);

		split.key = buf_copy(key.bytes, key.size);
		if (leader > 0)
			status = sim_cluster_split_at(&cluster->sim, leader, &split);
		else
			buf_unref(split.key);
		pass(cluster, AGAIN);
	}
	assert_int_equal(status, 0);
	sim_cluster_await_leader_of(&cluster->sim, new_region);
	pass(cluster, SIM_S); /* everyone has applied it */
}

static uint64_t open_session(struct cluster *cluster)
{
	const struct op op = {.kind = OP_SESSION_OPEN, .session_open = {.pid = 1}};

	return run(cluster, 0, &op, 0).id;
}

static void close_session(struct cluster *cluster, uint64_t session)
{
	run(cluster, 0, &(struct op){.kind = OP_SESSION_CLOSE, .session_end.session = session}, 0);
}

static struct call *begin_hold(struct cluster *cluster, uint64_t ino, uint64_t session, bool registers)
{
	const struct op op = {.kind = OP_HOLD, .hold.ino = ino};

	return begin(cluster, fs_ino_dirid(ino), &op, session, registers);
}

/* A change of the session. */
static int hold(struct cluster *cluster, uint64_t ino, uint64_t session)
{
	return end(begin_hold(cluster, ino, session, true), NULL);
}

/* Does the region that has the inode take the session's changes now? */
static bool knows(struct cluster *cluster, uint64_t ino, uint64_t session)
{
	int status = end(begin_hold(cluster, ino, session, false), NULL);

	assert_true(status == 0 || status == STATUS_SESSION_UNKNOWN);
	return status == 0;
}

/* ---- Rows ---- */

static int any_row(void *argument, struct slice key, struct slice value)
{
	(void)argument, (void)key, (void)value;
	return 1;
}

static bool has_local(struct cluster *cluster, uint64_t region, struct fs_key prefix)
{
	uint32_t leader = sim_cluster_await_leader_of(&cluster->sim, region);
	struct fs_key high = fs_key_after(&prefix);
	struct raftkv_snapshot *snapshot;
	int status;

	assert_int_equal(raftkv_stale_snapshot(cluster->sim.stores[leader - 1].raftkv, region, &snapshot), 0);
	status = view_scan(raftkv_snapshot_view(snapshot, true), KEY_LOCAL, fs_key_slice(&prefix),
		fs_key_slice(&high), any_row, NULL);
	raftkv_snapshot_free(snapshot);
	assert_true(status >= 0);
	return status > 0;
}

static bool is_on_record(struct cluster *cluster, uint64_t session)
{
	return has_local(cluster, LOWER, fs_key_session(session));
}

static bool is_registered(struct cluster *cluster, uint64_t session)
{
	return has_local(cluster, LOWER, fs_key_registrations(session));
}

static bool holds_in(struct cluster *cluster, uint64_t region, uint64_t session)
{
	return has_local(cluster, region, fs_key_holds(session));
}

struct gone {
	struct cluster *cluster;
	uint64_t session;
};

static bool is_gone(void *argument)
{
	const struct gone *gone = argument;

	return sim_cluster_leader(&gone->cluster->sim) > 0 && !is_on_record(gone->cluster, gone->session);
}

static void await_end(struct cluster *cluster, uint64_t session)
{
	struct gone gone = {cluster, session};

	assert_true(sim_run(cluster->sim.world, PATIENCE, is_gone, &gone));
	assert_false(is_registered(cluster, session));
}

/* ---- Cases ---- */

static void an_open_session_is_admitted_where_it_writes(void **state)
{
	struct cluster *cluster = cluster_new(1);
	uint64_t session;

	(void)state;
	split_at(cluster, cluster->high, UPPER);
	session = open_session(cluster);
	assert_true(knows(cluster, cluster->low, session));
	assert_false(knows(cluster, cluster->high, session));
	assert_int_equal(hold(cluster, cluster->high, session), 0);
	assert_true(knows(cluster, cluster->high, session));
	assert_int_equal(hold(cluster, cluster->high, session + 1), STATUS_SESSION_UNKNOWN);
	assert_true(holds_in(cluster, UPPER, session));
	cluster_free(cluster);
}

static void changes_of_one_session_wait_together(void **state)
{
	struct cluster *cluster = cluster_new(2);
	struct call *calls[8];
	uint64_t session;

	(void)state;
	split_at(cluster, cluster->high, UPPER);
	session = open_session(cluster);
	hold_up(cluster, OP_SESSION_REGISTER, DELAY_REQUEST);
	for (int i = 0; i < 8; i++)
		calls[i] = begin_hold(cluster, cluster->high, session, true);
	pass(cluster, SIM_S);
	assert_int_equal(cluster->held, 1);
	let_go(cluster);
	for (int i = 0; i < 8; i++) { /* all have slot 0: what was overtaken is a late copy */
		int status = end(calls[i], NULL);

		assert_true(status == 0 || status == -EALREADY);
	}
	assert_true(knows(cluster, cluster->high, session));
	cluster_free(cluster);
}

static void a_silent_session_is_fenced_everywhere(void **state)
{
	struct cluster *cluster = cluster_new(3);
	uint64_t session;

	(void)state;
	split_at(cluster, cluster->high, UPPER);
	split_at(cluster, cluster->top, TOP);
	session = open_session(cluster);
	assert_int_equal(hold(cluster, cluster->low, session), 0);
	assert_int_equal(hold(cluster, cluster->top, session), 0);
	assert_int_equal(hold(cluster, cluster->high, session), 0);
	await_end(cluster, session);
	for (uint64_t region = LOWER; region <= TOP; region++)
		assert_false(holds_in(cluster, region, session));
	assert_false(knows(cluster, cluster->low, session));
	assert_false(knows(cluster, cluster->high, session));
	assert_false(knows(cluster, cluster->top, session));
	assert_int_equal(hold(cluster, cluster->high, session), STATUS_SESSION_UNKNOWN);
	cluster_free(cluster);
}

/* It wrote in one region, which has become three. */
static void halves_of_a_split_are_fenced(void **state)
{
	struct cluster *cluster = cluster_new(4);
	uint64_t session = open_session(cluster);

	(void)state;
	assert_int_equal(hold(cluster, cluster->high, session), 0);
	assert_int_equal(hold(cluster, cluster->top, session), 0);
	split_at(cluster, cluster->high, UPPER);
	split_at(cluster, cluster->top, TOP);
	assert_true(knows(cluster, cluster->top, session));
	assert_true(holds_in(cluster, TOP, session));
	close_session(cluster, session);
	await_end(cluster, session);
	assert_false(holds_in(cluster, UPPER, session));
	assert_false(holds_in(cluster, TOP, session));
	assert_false(knows(cluster, cluster->high, session));
	assert_false(knows(cluster, cluster->top, session));
	cluster_free(cluster);
}

/* Region 1 has registered the session; its answer comes when the session has ended everywhere. */
static void a_session_that_ends_meanwhile_is_not_admitted(void **state)
{
	struct cluster *cluster = cluster_new(5);
	struct call *change;
	uint64_t session;

	(void)state;
	split_at(cluster, cluster->high, UPPER);
	session = open_session(cluster);
	hold_up(cluster, OP_SESSION_REGISTER, DELAY_ANSWER);
	change = begin_hold(cluster, cluster->high, session, true);
	await_held(cluster);
	assert_true(is_registered(cluster, session));
	close_session(cluster, session);
	await_end(cluster, session);
	let_go(cluster);
	assert_int_equal(end(change, NULL), STATUS_SESSION_UNKNOWN);
	assert_false(knows(cluster, cluster->high, session));
	cluster_free(cluster);
}

/* The same, and the region has got another leader, or is the lower half of another one, when the answer comes. */
static void nothing_hides_that_it_was_forgotten(void **state)
{
	(void)state;
	for (uint64_t seed = 20; seed < 24; seed++) {
		struct cluster *cluster = cluster_new(seed);
		struct call *change;
		uint64_t session;
		uint32_t leader;

		split_at(cluster, cluster->high, UPPER);
		session = open_session(cluster);
		hold_up(cluster, OP_SESSION_REGISTER, DELAY_ANSWER);
		change = begin_hold(cluster, cluster->high, session, true);
		await_held(cluster);
		close_session(cluster, session);
		await_end(cluster, session);
		leader = sim_cluster_await_leader_of(&cluster->sim, UPPER);
		if (seed % 2 == 0)
			sim_cluster_lead_from(&cluster->sim, UPPER, leader % STORES + 1);
		if (seed % 2 == 0)
			sim_cluster_lead_from(&cluster->sim, UPPER, leader);
		if (seed >= 22)
			split_at(cluster, cluster->top, TOP);
		let_go(cluster);
		assert_int_equal(end(change, NULL), STATUS_SESSION_UNKNOWN);
		assert_false(knows(cluster, cluster->high, session));
		cluster_free(cluster);
	}
}

/* The other order: the region admits the session, and is told to forget it afterwards. */
static void a_session_that_was_admitted_late_is_forgotten(void **state)
{
	struct cluster *cluster = cluster_new(6);
	struct call *change;
	uint64_t session;

	(void)state;
	split_at(cluster, cluster->high, UPPER);
	session = open_session(cluster);
	hold_up(cluster, OP_SESSION_REGISTER, DELAY_ANSWER);
	change = begin_hold(cluster, cluster->high, session, true);
	await_held(cluster);
	let_go(cluster);
	hold_up(cluster, OP_SESSION_FORGET, DELAY_REQUEST);
	close_session(cluster, session);
	await_held(cluster);
	assert_int_equal(end(change, NULL), 0);
	assert_true(knows(cluster, cluster->high, session));
	assert_true(is_on_record(cluster, session));
	let_go(cluster);
	await_end(cluster, session);
	assert_false(knows(cluster, cluster->high, session));
	assert_false(holds_in(cluster, UPPER, session));
	cluster_free(cluster);
}

static void a_dying_session_registers_no_more(void **state)
{
	struct cluster *cluster = cluster_new(7);
	uint64_t session;

	(void)state;
	split_at(cluster, cluster->high, UPPER);
	split_at(cluster, cluster->top, TOP);
	session = open_session(cluster);
	assert_int_equal(hold(cluster, cluster->high, session), 0);
	hold_up(cluster, OP_SESSION_FORGET, DELAY_REQUEST);
	close_session(cluster, session);
	await_held(cluster);
	assert_int_equal(hold(cluster, cluster->top, session), STATUS_SESSION_UNKNOWN);
	let_go(cluster);
	await_end(cluster, session);
	assert_false(knows(cluster, cluster->top, session));
	cluster_free(cluster);
}

/* `kind` is a step of the end that the split comes before, or behind. */
static void split_during(uint64_t seed, enum op_kind kind, enum delay delay)
{
	struct cluster *cluster = cluster_new(seed);
	uint64_t session;

	split_at(cluster, cluster->high, UPPER);
	session = open_session(cluster);
	assert_int_equal(hold(cluster, cluster->high, session), 0);
	assert_int_equal(hold(cluster, cluster->top, session), 0);
	hold_up(cluster, kind, delay);
	close_session(cluster, session);
	await_held(cluster);
	split_at(cluster, cluster->top, TOP);
	let_go(cluster);
	await_end(cluster, session);
	assert_false(knows(cluster, cluster->high, session));
	assert_false(knows(cluster, cluster->top, session));
	assert_false(holds_in(cluster, UPPER, session));
	assert_false(holds_in(cluster, TOP, session));
	cluster_free(cluster);
}

static void a_split_during_the_end_hides_nothing(void **state)
{
	(void)state;
	split_during(8, OP_SESSION_FORGET, DELAY_REQUEST);
	split_during(9, OP_SESSION_FORGET, DELAY_ANSWER);
	split_during(10, OP_SESSION_END, DELAY_REQUEST);
	split_during(11, OP_SESSION_END, DELAY_ANSWER);
}

/* A session that waits for a region gives way to others, and comes back. */
static void others_are_ended_beside_one_that_waits(void **state)
{
	struct cluster *cluster = cluster_new(12);
	uint64_t waiting, silent, closed;

	(void)state;
	split_at(cluster, cluster->high, UPPER);
	waiting = open_session(cluster);
	assert_int_equal(hold(cluster, cluster->high, waiting), 0);
	cluster->has_limits = true;
	cluster->delayed_session = waiting;
	hold_up(cluster, OP_SESSION_FORGET, DELAY_REQUEST);
	close_session(cluster, waiting);
	await_held(cluster);
	silent = open_session(cluster);
	closed = open_session(cluster);
	assert_int_equal(hold(cluster, cluster->high, silent), 0);
	assert_int_equal(hold(cluster, cluster->high, closed), 0);
	close_session(cluster, closed);
	await_end(cluster, closed);
	await_end(cluster, silent);
	assert_false(knows(cluster, cluster->high, silent));
	assert_true(is_on_record(cluster, waiting));
	assert_true(cluster->held > 1);
	let_go(cluster);
	await_end(cluster, waiting);
	assert_false(knows(cluster, cluster->high, waiting));
	cluster_free(cluster);
}

static uint32_t generation_of(struct cluster *cluster, uint64_t ino)
{
	uint32_t leader = sim_cluster_await_leader_of(&cluster->sim, LOWER);
	struct raftkv_snapshot *snapshot;
	struct attributes attributes;

	assert_int_equal(raftkv_stale_snapshot(cluster->sim.stores[leader - 1].raftkv, LOWER, &snapshot), 0);
	assert_int_equal(read_attributes(raftkv_snapshot_view(snapshot, true), ino, &attributes), 0);
	raftkv_snapshot_free(snapshot);
	return attributes.generation;
}

/* An attempt of another region concerns what the session holds in region 1, and does not end. */
static void nobody_else_waits_for_the_end_of_an_attempt(void **state)
{
	struct cluster *cluster = cluster_new(13);
	const struct intent_place place = {.ino = cluster->low};
	const struct intent intent = {.kind = INTENT_INODE,
		.ino = cluster->low,
		.inode = {.generation = generation_of(cluster, cluster->low), .flags = INTENT_TOUCHES}};
	const struct attempt attempt = {.anchor = cluster->high, .region = UPPER, .term = 1, .number = 1};
	struct writer intents = writer_growing(1000), places = writer_growing(1000);
	struct op op = {.kind = OP_PREPARE, .prepare.attempt = attempt};
	uint64_t waiting, closed;

	(void)state;
	assert_int_equal(intent_encode(&intent, &intents), 0);
	intent_place_encode(&place, &places);
	waiting = open_session(cluster);
	closed = open_session(cluster);
	assert_int_equal(hold(cluster, cluster->low, waiting), 0);
	op.prepare.intents = writer_written(&intents);
	run(cluster, fs_ino_dirid(cluster->low), &op, 0);
	close_session(cluster, waiting);
	pass(cluster, 3 * (uint64_t)SIM_S);
	close_session(cluster, closed);
	await_end(cluster, closed);
	assert_true(is_on_record(cluster, waiting));
	op = (struct op){.kind = OP_RESOLVE, .resolve.attempt = attempt};
	op.resolve.places = writer_written(&places);
	run(cluster, fs_ino_dirid(cluster->low), &op, 0);
	await_end(cluster, waiting);
	writer_close(&intents);
	writer_close(&places);
	cluster_free(cluster);
}

/* ---- What has lost its last name ---- */

static struct coordinator *leading_coordinator(struct cluster *cluster)
{
	return cluster->coordinators[sim_cluster_await_leader(&cluster->sim) - 1];
}

/* As the reporters do. */
static void report_all(struct cluster *cluster)
{
	for (uint32_t i = 0; i < STORES; i++) {
		struct store_report report = {.store = i + 1, .incarnation = 1};
		uint64_t id;

		snprintf(report.address, sizeof report.address, "%s", addresses[i]);
		survey_fill(cluster->surveys[i], &report);
		coordinator_report(leading_coordinator(cluster), &report, &id);
	}
}

/* A second in which the session answers all that it is asked. */
static void live_on(struct cluster *cluster, uint64_t session)
{
	struct session_notice notice = {0};

	report_all(cluster);
	coordinator_beat(leading_coordinator(cluster), session, 0, &notice);
	buf_unref(notice.inodes);
	if (notice.number > 0)
		coordinator_beat(leading_coordinator(cluster), session, notice.number, &notice);
	pass(cluster, SIM_S);
}

static void what_is_removed_in_any_region_goes(void **state)
{
	struct cluster *cluster = cluster_new(13);
	const uint64_t directories[] = {cluster->low, cluster->high, cluster->top};
	uint64_t session;

	(void)state;
	split_at(cluster, cluster->high, UPPER);
	split_at(cluster, cluster->top, TOP);
	session = open_session(cluster);
	for (size_t i = 0; i < 3; i++) {
		const struct op make = {.kind = OP_MAKE,
			.make = {.parent = directories[i], .name = {"f", 1}, .mode = S_IFREG | 0644}};
		const struct op removal = {
			.kind = OP_UNLINK, .remove = {.parent = directories[i], .name = {"f", 1}}};

		run(cluster, fs_ino_dirid(directories[i]), &make, session);
		run(cluster, fs_ino_dirid(directories[i]), &removal, session);
	}
	for (uint64_t region = UPPER; region <= TOP; region++)
		assert_true(holds_in(cluster, region, FS_SESSION_GRACE));
	for (int i = 0; i < 20; i++)
		live_on(cluster, session);
	for (uint64_t region = LOWER; region <= TOP; region++)
		assert_false(holds_in(cluster, region, FS_SESSION_GRACE));
	assert_true(is_on_record(cluster, session));
	cluster_free(cluster);
}

static void expect_ascending(const struct ino_ranges *ranges)
{
	for (uint32_t i = 1; i < ranges->range_count; i++)
		assert_true(
			ranges->ranges[i - 1].first + ranges->ranges[i - 1].count <= ranges->ranges[i].first);
}

/* What all stores report. */
static int64_t count_reported(struct cluster *cluster, uint32_t *nameless)
{
	int64_t sum = 0;

	*nameless = 0;
	for (uint32_t i = 0; i < STORES; i++) {
		struct store_report report = {0};

		survey_fill(cluster->surveys[i], &report);
		assert_true(report.stats.counts_inodes);
		sum += report.stats.inodes;
		if (!report.nameless)
			continue;
		*nameless += report.nameless->count;
		expect_ascending(report.nameless);
	}
	return sum;
}

/* Surveys look at regions that have changed; what was found in another one stays found until it has gone. */
static void what_was_found_is_reported_while_other_regions_change(void **state)
{
	struct op make = {.kind = OP_MAKE, .make = {.name = {"f", 1}, .mode = S_IFREG | 0644}};
	struct cluster *cluster = cluster_new(16);
	const uint64_t directories[] = {cluster->high, cluster->top};
	uint64_t session;
	uint32_t nameless;

	(void)state;
	split_at(cluster, cluster->high, UPPER);
	split_at(cluster, cluster->top, TOP);
	session = open_session(cluster);
	for (size_t i = 0; i < 2; i++) {
		const struct op removal = {
			.kind = OP_UNLINK, .remove = {.parent = directories[i], .name = {"f", 1}}};

		make.make.parent = directories[i];
		run(cluster, fs_ino_dirid(directories[i]), &make, session);
		run(cluster, fs_ino_dirid(directories[i]), &removal, session);
	}
	make.make.parent = cluster->low;
	for (char i = 0; i < 8; i++) {
		char name[] = {(char)('a' + i)};
		struct session_notice notice = {0};

		coordinator_beat(leading_coordinator(cluster), session, 0, &notice);
		pass(cluster, 2 * (uint64_t)SIM_S);
		assert_int_equal(count_reported(cluster, &nameless), 6 + i);
		assert_int_equal(nameless, 2);
		make.make.name = (struct slice){name, 1};
		run(cluster, fs_ino_dirid(cluster->low), &make, session);
	}
	for (int i = 0; i < 20; i++)
		live_on(cluster, session);
	assert_false(holds_in(cluster, UPPER, FS_SESSION_GRACE));
	assert_int_equal(count_reported(cluster, &nameless), 12);
	assert_int_equal(nameless, 0);
	cluster_free(cluster);
}

/* More than a truncation unmaps at once. */
static void garbage_is_given_back_in_any_region(void **state)
{
	const uint32_t writes = 65;
	struct cluster *cluster = cluster_new(15);
	struct op op = {
		.kind = OP_MAKE, .make = {.name = {"f", 1}, .mode = S_IFREG | 0644, .exclusive = true}};
	struct buf *megabyte = buf_new(OP_WRITE_SIZE_MAX);
	uint64_t dirid = fs_ino_dirid(cluster->high), ino;

	(void)state;
	assert_non_null(megabyte);
	memset(megabyte->data, 1, megabyte->size);
	split_at(cluster, cluster->high, UPPER);
	op.make.parent = cluster->high;
	ino = run(cluster, dirid, &op, 0).attributes.ino;
	for (uint32_t i = 0; i < writes; i++) {
		const struct op write = {
			.kind = OP_WRITE, .write = {.ino = ino, .offset = (uint64_t)i * OP_WRITE_SIZE_MAX}};

		cluster->payload = megabyte;
		run(cluster, dirid, &write, 0);
		cluster->payload = NULL;
	}
	run(cluster, dirid, &(struct op){.kind = OP_SETATTR, .setattr = {.ino = ino, .valid = OP_SET_SIZE}},
		0);
	assert_true(has_local(cluster, UPPER, fs_key_garbage_all()));
	pass(cluster, 5 * (uint64_t)SIM_S);
	assert_false(has_local(cluster, UPPER, fs_key_garbage_all()));
	buf_unref(megabyte);
	cluster_free(cluster);
}

/* The root, three directories and a file. */
static void inodes_are_counted_over_all_regions(void **state)
{
	const struct op make = {
		.kind = OP_MAKE, .make = {.name = {"f", 1}, .mode = S_IFREG | 0644, .exclusive = true}};
	struct cluster *cluster = cluster_new(14);
	struct op op = make;
	uint32_t nameless;

	(void)state;
	split_at(cluster, cluster->high, UPPER);
	op.make.parent = cluster->high;
	run(cluster, fs_ino_dirid(cluster->high), &op, 0);
	pass(cluster, 5 * (uint64_t)SIM_S);
	assert_int_equal(count_reported(cluster, &nameless), 5);
	cluster_free(cluster);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_open_session_is_admitted_where_it_writes),
		cmocka_unit_test(changes_of_one_session_wait_together),
		cmocka_unit_test(a_silent_session_is_fenced_everywhere),
		cmocka_unit_test(halves_of_a_split_are_fenced),
		cmocka_unit_test(a_session_that_ends_meanwhile_is_not_admitted),
		cmocka_unit_test(nothing_hides_that_it_was_forgotten),
		cmocka_unit_test(a_session_that_was_admitted_late_is_forgotten),
		cmocka_unit_test(a_dying_session_registers_no_more),
		cmocka_unit_test(a_split_during_the_end_hides_nothing),
		cmocka_unit_test(others_are_ended_beside_one_that_waits),
		cmocka_unit_test(nobody_else_waits_for_the_end_of_an_attempt),
		cmocka_unit_test(what_is_removed_in_any_region_goes),
		cmocka_unit_test(what_was_found_is_reported_while_other_regions_change),
		cmocka_unit_test(garbage_is_given_back_in_any_region),
		cmocka_unit_test(inodes_are_counted_over_all_regions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
