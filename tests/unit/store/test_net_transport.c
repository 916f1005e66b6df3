/* Three stores whose replicas speak over links, on a simulated network that breaks, delays and cuts connections. */
#include "store/transport/net_transport.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/acceptor.h"
#include "store/transport/lives.h"
#include "tests/lib/sim_cluster.h"
#include "tests/lib/sim_replica.h"
#include "tests/lib/test.h"
#include "tests/lib/test_evaluator.h"

#define STORES	3
#define JOINERS 1
#define ALL	(STORES + JOINERS)

/* What a store says of its directory. */
enum claim {
	CLAIM_TRUE,
	CLAIM_COPY_BEGUN_ONCE, /* of its first life, started by now as often as the directory itself was */
	CLAIM_COPY_BEGUN_TWICE, /* and once more */
	CLAIM_MADE_ANEW,
	CLAIM_COUNT,
};

/* What a store's process has beside its raftkv. */
struct port {
	struct link_self self;
	struct net_transport *transport;
	struct acceptor *acceptor;
	char address[16];
	bool is_stopped;
	enum claim claim;
	uint64_t lives[3];
};

struct fixture {
	struct sim_cluster cluster;
	struct port ports[ALL];
};

static void write_address(uint32_t store, char address[16])
{
	snprintf(address, 16, "%c:7420", 'a' + (int)store - 1);
}

static void before_open(struct sim_store *store)
{
	struct port *port = store->argument;
	struct net_transport_options options = {.self = &port->self,
		.logger = &store->logger,
		.loops = &store->shard,
		.loop_count = 1,
		.snapshot_rate = 2 << 20};

	port->self = (struct link_self){.env = store->env};
	port->transport = net_transport_new(&options);
	store->options.transport = net_transport_base(port->transport);
	for (uint32_t i = 1; i <= ALL; i++) {
		char address[16];

		write_address(i, address);
		assert_int_equal(net_transport_set_address(port->transport, i, address), 0);
	}
}

static void claim(struct port *port, const struct ident *ident)
{
	struct link_self *self = &port->self;

	self->cluster = ident->cluster;
	self->store = ident->store;
	self->incarnation = ident->incarnation;
	self->directory_id = ident->directory_id;
	self->life_count = ident->life_count;
	assert_true(ident->life_count <= 3);
	memcpy(port->lives, ident->lives, sizeof port->lives);
	self->lives = port->lives;
	if (port->claim == CLAIM_TRUE)
		return;
	assert_int_equal(ident->incarnation, 3);
	self->incarnation = self->life_count = port->claim == CLAIM_COPY_BEGUN_TWICE ? 3 : 2;
	port->lives[0] = ident->lives[0];
	port->lives[1] = port->claim == CLAIM_COPY_BEGUN_TWICE ? 77 : ident->lives[2];
	self->directory_id += port->claim == CLAIM_MADE_ANEW;
}

static void after_open(struct sim_store *store)
{
	struct port *port = store->argument;
	struct ident ident = raftkv_ident(store->raftkv);
	struct acceptor_options options;

	claim(port, &ident);
	net_transport_attach(port->transport, store->raftkv);
	write_address((uint32_t)ident.store, port->address);
	options = (struct acceptor_options){
		.self = &port->self,
		.logger = &store->logger,
		.loop = store->shard,
		.address = port->address,
		.is_insecure = true,
	};
	assert_int_equal(acceptor_new(&options, &port->acceptor, NULL), 0);
	acceptor_serve(port->acceptor, RAFTKV__ROLE__STORE, net_transport_greet, port->transport);
	acceptor_serve(port->acceptor, RAFTKV__ROLE__SNAPSHOT, net_transport_greet_snapshot, port->transport);
}

static void on_stopped(void *argument)
{
	((struct port *)argument)->is_stopped = true;
}

static void on_acceptor_stopped(void *argument)
{
	struct port *port = argument;

	net_transport_stop(port->transport, on_stopped, port);
}

struct stop {
	struct env_mail mail;
	struct port *port;
};

static void stop_on_loop(struct env_mail *mail)
{
	struct stop *stop = (struct stop *)mail;

	acceptor_stop(stop->port->acceptor, on_acceptor_stopped, stop->port);
}

static bool is_stopped(void *argument)
{
	return ((struct port *)argument)->is_stopped;
}

static void before_stop(struct sim_store *store)
{
	struct port *port = store->argument;
	struct stop stop = {.port = port};

	port->is_stopped = false;
	env_post(store->shard, &stop.mail, stop_on_loop);
	assert_true(sim_run(store->world, 10 * (uint64_t)SIM_S, is_stopped, port));
	acceptor_free(port->acceptor);
}

/* The store sends until it has stopped. */
static void after_stop(struct sim_store *store)
{
	net_transport_free(((struct port *)store->argument)->transport);
}

static void begin(struct fixture *fixture, uint64_t seed)
{
	*fixture = (struct fixture){0};
	sim_cluster_init(&fixture->cluster, seed, STORES, JOINERS);
	for (uint32_t i = 0; i < ALL; i++) {
		struct sim_store *store = &fixture->cluster.stores[i];

		store->before_open = before_open;
		store->after_open = after_open;
		store->before_stop = before_stop;
		store->after_stop = after_stop;
		store->argument = &fixture->ports[i];
	}
	sim_cluster_open_all(&fixture->cluster);
}

static struct sim_link *link_between(struct fixture *fixture, uint32_t from, uint32_t to)
{
	return sim_net_link(fixture->cluster.stores[from - 1].node, fixture->cluster.stores[to - 1].node);
}

static void cut(struct fixture *fixture, uint32_t store, bool is_cut)
{
	for (uint32_t other = 1; other <= ALL; other++) {
		if (other == store)
			continue;
		link_between(fixture, store, other)->is_cut = is_cut;
		link_between(fixture, other, store)->is_cut = is_cut;
	}
}

static void expect_row(struct fixture *fixture, uint32_t store, const char *key, const char *value)
{
	struct sim_answer answer = {.status = -ETIMEDOUT};

	/* An answer that leadership crossed is asked for again. */
	for (int i = 0; i < 100 && answer.status < 0; i++) {
		answer = sim_cluster_read_at(&fixture->cluster, store, key, true);
		if (answer.status < 0)
			sim_cluster_run(&fixture->cluster, 100 * SIM_MS);
	}
	assert_int_equal(answer.status, 0);
	assert_string_equal(answer.text, value);
}

static struct buf *make_payload(char letter)
{
	struct buf *payload = buf_new(128 << 10);

	memset(payload->data, letter, payload->size);
	return payload;
}

static void expect_payload(struct fixture *fixture, uint32_t store, char letter)
{
	char *bytes = malloc(128 << 10);

	assert_int_equal(sim_cluster_read_units_at(&fixture->cluster, store, "file", 0, 32, bytes), 0);
	assert_int_equal(bytes[0], letter);
	assert_int_equal(memcmp(bytes, bytes + 1, (128 << 10) - 1), 0);
	free(bytes);
}

static struct net_transport_stats stats_of(struct fixture *fixture, uint32_t store)
{
	struct net_transport_stats stats;

	net_transport_read_stats(fixture->ports[store - 1].transport, &stats);
	return stats;
}

static void writes_reach_every_store(void **state)
{
	struct fixture fixture;
	uint32_t leader;
	struct net_transport_stats stats;

	(void)state;
	begin(&fixture, 1);
	for (int i = 0; i < 20; i++)
		sim_cluster_write(&fixture.cluster, test_op_append("a", "x"), NULL);
	sim_cluster_write(&fixture.cluster, test_op_write("file", 0), make_payload('p'));
	for (uint32_t store = 1; store <= STORES; store++) {
		expect_row(&fixture, store, "a", "xxxxxxxxxxxxxxxxxxxx");
		expect_payload(&fixture, store, 'p');
	}
	leader = sim_cluster_leader(&fixture.cluster);
	stats = stats_of(&fixture, leader);
	assert_true(stats.messages_sent >= 42);
	assert_true(stats.frames_sent <= stats.messages_sent);
	assert_true(stats.bytes_sent >= 2 * (128 << 10));
	assert_true(stats.messages_received > 0);
	sim_cluster_close(&fixture.cluster);
}

static void a_store_that_was_away_catches_up(void **state)
{
	(void)state;
	for (uint32_t away = 1; away <= STORES; away++) {
		struct fixture fixture;

		begin(&fixture, 10 + away);
		sim_cluster_write(&fixture.cluster, test_op_put("a", "1"), NULL);
		if (away == 2)
			sim_store_stop(sim_cluster_store(&fixture.cluster, away));
		else
			sim_store_crash(sim_cluster_store(&fixture.cluster, away));
		sim_cluster_write(&fixture.cluster, test_op_append("a", "2"), NULL);
		sim_cluster_write(&fixture.cluster, test_op_write("file", 0), make_payload('q'));
		sim_cluster_open(&fixture.cluster, away);
		sim_cluster_write(&fixture.cluster, test_op_append("a", "3"), NULL);
		for (uint32_t store = 1; store <= STORES; store++) {
			expect_row(&fixture, store, "a", "123");
			expect_payload(&fixture, store, 'q');
		}
		sim_cluster_close(&fixture.cluster);
	}
}

/* A leader that is cut off: the others go on; when the cut heals, it follows. */
static void a_partition_heals(void **state)
{
	struct fixture fixture;
	uint32_t leader;

	(void)state;
	begin(&fixture, 30);
	sim_cluster_write(&fixture.cluster, test_op_put("a", "1"), NULL);
	leader = sim_cluster_await_leader(&fixture.cluster);
	cut(&fixture, leader, true);
	sim_cluster_run(&fixture.cluster, 10 * (uint64_t)SIM_S);
	assert_int_not_equal(sim_cluster_await_leader(&fixture.cluster), leader);
	sim_cluster_write(&fixture.cluster, test_op_append("a", "2"), NULL);
	cut(&fixture, leader, false);
	sim_cluster_run(&fixture.cluster, 5 * (uint64_t)SIM_S);
	sim_cluster_write(&fixture.cluster, test_op_append("a", "3"), NULL);
	expect_row(&fixture, leader, "a", "123");
	sim_cluster_close(&fixture.cluster);
}

static void connections_may_break_all_the_time(void **state)
{
	struct fixture fixture;
	char expected[31] = {0};

	(void)state;
	begin(&fixture, 40);
	for (uint32_t a = 1; a <= STORES; a++)
		for (uint32_t b = 1; b <= STORES; b++)
			if (a != b)
				link_between(&fixture, a, b)->reset_ppm = 20000;
	for (int i = 0; i < 30; i++) {
		expected[i] = (char)('a' + i % 26);
		sim_cluster_write(&fixture.cluster, test_op_append("a", (char[]){expected[i], 0}), NULL);
	}
	for (uint32_t store = 1; store <= STORES; store++)
		expect_row(&fixture, store, "a", expected);
	sim_cluster_close(&fixture.cluster);
}

/* ---- Snapshots -------------------------------------------------------------------------------------------------- */

static const struct region_change add_4 = {.steps = {{RAFT_ADD_LEARNER, 4, 4}}, .step_count = 1};

static void fill(struct fixture *fixture, int count)
{
	char name[32];

	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof name, "file%03d", i);
		sim_cluster_write(&fixture->cluster, test_op_write(name, 0), make_payload('p'));
		sim_cluster_write(&fixture->cluster, test_op_put(name, "a row"), NULL);
	}
}

static struct raftkv_stats store_stats(struct fixture *fixture, uint32_t store)
{
	struct raftkv_stats stats;

	raftkv_stats(sim_cluster_store(&fixture->cluster, store)->raftkv, &stats);
	return stats;
}

/* 8 MiB at 2 MiB/s take their time, whatever the network could carry. */
static void a_new_replica_gets_a_snapshot(void **state)
{
	struct fixture fixture;
	uint64_t begun;

	(void)state;
	begin(&fixture, 60);
	fill(&fixture, 64);
	sim_cluster_change(&fixture.cluster, &add_4);
	begun = sim_time(fixture.cluster.world);
	for (int i = 0; i < 60 && store_stats(&fixture, 4).snapshots_received == 0; i++) {
		sim_cluster_write(&fixture.cluster, test_op_append("a", "x"), NULL);
		sim_cluster_run(&fixture.cluster, 100 * SIM_MS);
	}
	assert_int_equal(store_stats(&fixture, 4).snapshots_received, 1);
	assert_true(store_stats(&fixture, 4).snapshot_received_size > 8u << 20);
	assert_true(sim_time(fixture.cluster.world) - begun > 3 * (uint64_t)SIM_S);
	sim_replicas_compare(&fixture.cluster, (uint32_t[]){1, 2, 3, 4, 0});
	sim_cluster_close(&fixture.cluster);
}

/* Whatever breaks on the way, and whoever stops or dies, it is tried again until it is there. */
static void a_snapshot_that_breaks_is_sent_again(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 8; seed++) {
		struct fixture fixture;
		uint32_t leader, victim;

		begin(&fixture, 70 + seed);
		fill(&fixture, 24);
		sim_cluster_change(&fixture.cluster, &add_4);
		sim_cluster_run(
			&fixture.cluster, 500 * SIM_MS + sim_random(fixture.cluster.world, 1500) * SIM_MS);
		leader = sim_cluster_await_leader(&fixture.cluster);
		victim = seed % 2 ? leader : 4;
		if (seed < 2)
			sim_net_reset(
				fixture.cluster.stores[leader - 1].node, fixture.cluster.stores[3].node);
		else if (seed < 4)
			sim_store_crash(sim_cluster_store(&fixture.cluster, victim));
		else if (seed < 6)
			sim_store_stop(sim_cluster_store(&fixture.cluster, victim));
		else
			cut(&fixture, victim, true);
		sim_cluster_run(&fixture.cluster, seed < 6 ? SIM_S : 40 * (uint64_t)SIM_S);
		cut(&fixture, victim, false);
		if (seed >= 2 && seed < 6)
			sim_cluster_open(&fixture.cluster, victim);
		sim_replicas_compare(&fixture.cluster, (uint32_t[]){1, 2, 3, 4, 0});
		sim_cluster_close(&fixture.cluster);
	}
}

/* ---- Lives ------------------------------------------------------------------------------------------------------ */

/* Two of three stores know from region 1's records who the third one is: what it says is not heard, so it can serve nobody. */
static void a_store_that_the_records_refuse_is_not_heard(void **state)
{
	static const struct {
		uint64_t incarnation, directory_id;
		bool is_out;
		bool is_heard;
	} known[] = {{5, 0, false, false}, {0, 8, false, false}, {0, 0, true, false}, {1, 0, false, true}};

	(void)state;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		struct fixture fixture;
		struct sim_answer answer;

		begin(&fixture, 90 + i);
		for (uint32_t k = 1; k <= 2; k++)
			assert_int_equal(
				raftkv_learn_life(sim_cluster_store(&fixture.cluster, k)->raftkv, 3,
					known[i].incarnation, known[i].directory_id, known[i].is_out),
				0);
		sim_cluster_write(&fixture.cluster, test_op_put("a", "1"), NULL);
		answer = sim_cluster_read_at(&fixture.cluster, 3, "a", true);
		assert_int_equal(answer.status == 0, known[i].is_heard);
		sim_cluster_close(&fixture.cluster);
	}
}

static bool has_told(void *argument)
{
	struct net_transport_stats stats;

	net_transport_read_stats(((struct port *)argument)->transport, &stats);
	return stats.stores_untold == 0;
}

static void await_told(struct fixture *fixture, uint32_t store)
{
	assert_true(
		sim_run(fixture->cluster.world, 60 * (uint64_t)SIM_S, has_told, &fixture->ports[store - 1]));
}

/* The others lose power after the last life of it, and remember. */
static void a_directory_that_lacks_a_life_is_refused(void **state)
{
	(void)state;
	for (enum claim what = 0; what < CLAIM_COUNT; what++) {
		struct fixture fixture;
		struct sim_answer answer;

		begin(&fixture, 110 + what);
		sim_cluster_write(&fixture.cluster, test_op_put("a", "1"), NULL);
		sim_store_stop(sim_cluster_store(&fixture.cluster, 3));
		sim_cluster_open(&fixture.cluster, 3);
		await_told(&fixture, 3);
		sim_store_crash(sim_cluster_store(&fixture.cluster, 3));
		for (uint32_t store = 1; store <= ALL; store++) {
			if (store == 3)
				continue;
			sim_store_crash(sim_cluster_store(&fixture.cluster, store));
			sim_cluster_open(&fixture.cluster, store);
		}
		fixture.ports[2].claim = what;
		sim_cluster_open(&fixture.cluster, 3);
		sim_cluster_write(&fixture.cluster, test_op_put("a", "2"), NULL);
		answer = sim_cluster_read_at(&fixture.cluster, 3, "a", true);
		assert_int_equal(answer.status == 0, what == CLAIM_TRUE);
		assert_int_equal(sim_cluster_store(&fixture.cluster, 3)->has_failed, what != CLAIM_TRUE);
		sim_cluster_close(&fixture.cluster);
	}
}

/* One store is slow to put the life of another on record: until it has, or for a while, that one says nothing to anybody. */
static void nothing_is_said_before_the_others_know(void **state)
{
	struct fixture fixture;
	uint32_t leader, follower, slow;

	(void)state;
	begin(&fixture, 120);
	leader = sim_cluster_await_leader(&fixture.cluster);
	follower = leader % STORES + 1;
	slow = follower % STORES + 1;
	await_told(&fixture, follower);
	sim_store_stop(sim_cluster_store(&fixture.cluster, follower));
	sim_node_faults(sim_cluster_store(&fixture.cluster, slow)->node)->latency = 30 * (uint64_t)SIM_S;
	sim_cluster_open(&fixture.cluster, follower);
	sim_cluster_run(&fixture.cluster, 1200 * SIM_MS);
	assert_int_equal(stats_of(&fixture, follower).stores_untold, 1);
	assert_int_equal(stats_of(&fixture, follower).messages_sent, 0);
	sim_cluster_run(&fixture.cluster, 2000 * SIM_MS);
	assert_int_equal(stats_of(&fixture, follower).stores_untold, 1);
	assert_true(stats_of(&fixture, follower).messages_sent > 0);
	sim_node_faults(sim_cluster_store(&fixture.cluster, slow)->node)->latency = 0;
	await_told(&fixture, follower);
	sim_cluster_write(&fixture.cluster, test_op_put("a", "1"), NULL);
	sim_cluster_close(&fixture.cluster);
}

static bool three_sleep(void *argument)
{
	struct fixture *fixture = argument;
	uint64_t asleep = 0;

	for (uint32_t store = 1; store <= STORES; store++) {
		struct raftkv_stats stats;

		raftkv_stats(sim_cluster_store(&fixture->cluster, store)->raftkv, &stats);
		asleep += stats.asleep;
	}
	return asleep == STORES;
}

static bool somebody_leads(void *argument)
{
	return sim_cluster_leader(&((struct fixture *)argument)->cluster) > 0;
}

/* The stores of a region that sleeps send frames without messages, and miss them when a store dies. */
static void stores_watch_each_other(void **state)
{
	struct net_transport_stats before, after;
	struct fixture fixture;

	(void)state;
	begin(&fixture, 130);
	sim_cluster_write(&fixture.cluster, test_op_put("a", "1"), NULL);
	assert_true(sim_run(fixture.cluster.world, 60 * (uint64_t)SIM_S, three_sleep, &fixture));
	sim_cluster_run(&fixture.cluster, SIM_S);
	before = stats_of(&fixture, 1);
	sim_cluster_run(&fixture.cluster, 60 * (uint64_t)SIM_S);
	after = stats_of(&fixture, 1);
	assert_true(three_sleep(&fixture));
	assert_int_equal(after.messages_sent, before.messages_sent);
	assert_true(after.alive_sent >= before.alive_sent + 100);
	sim_store_crash(sim_cluster_store(&fixture.cluster, sim_cluster_leader(&fixture.cluster)));
	assert_true(sim_run(fixture.cluster.world, 10 * (uint64_t)SIM_S, somebody_leads, &fixture));
	sim_cluster_close(&fixture.cluster);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_reach_every_store),
		cmocka_unit_test(a_store_that_was_away_catches_up),
		cmocka_unit_test(a_partition_heals),
		cmocka_unit_test(connections_may_break_all_the_time),
		cmocka_unit_test(a_new_replica_gets_a_snapshot),
		cmocka_unit_test(a_snapshot_that_breaks_is_sent_again),
		cmocka_unit_test(a_store_that_the_records_refuse_is_not_heard),
		cmocka_unit_test(a_directory_that_lacks_a_life_is_refused),
		cmocka_unit_test(nothing_is_said_before_the_others_know),
		cmocka_unit_test(stores_watch_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
