/*
 * Four stores on real files, real sockets and threads of their own: a store without anything gets snapshots of two
 * regions at once while clients write; what it has then is what was written. For ThreadSanitizer, too.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/acceptor.h"
#include "proto/check.h"
#include "proto/env_uv.h"
#include "store/transport/net_transport.h"
#include "store/raftkv.h"
#include "tests/lib/patience.h"
#include "tests/lib/test.h"
#include "tests/lib/test_evaluator.h"

#define STORES	     4
#define VOTERS	     3
#define SHARDS	     2
#define REGIONS	     2
#define OBJECTS	     48
#define OBJECT_UNITS 64u /* 256 KiB */
#define PATIENCE_S   60

#ifdef __SANITIZE_THREAD__
/* RocksDB is not built for ThreadSanitizer, which sees neither its atomics nor its locks. */
const char *__tsan_default_suppressions(void);

const char *__tsan_default_suppressions(void)
{
	return "called_from_lib:librocksdb.so\nrace:rocksdb::\n";
}
#endif

struct store {
	struct env_loop *loops[SHARDS];
	struct link_self self;
	struct net_transport *transport;
	struct acceptor *acceptor;
	struct raftkv_options options;
	struct raftkv *raftkv;
	char path[160];
	struct env_mail mail;
	sem_t stopped;
};

struct cluster {
	struct env *env;
	struct logger logger;
	struct env_loop *caller;
	char directory[128];
	uint64_t initial[VOTERS];
	struct store stores[STORES];
};

/* A request, and who waits for it. */
struct call {
	struct raftkv_write write;
	struct raftkv_read read;
	struct raftkv_region_status status;
	struct raftkv_change change;
	struct raftkv_snapshot *snapshot;
	sem_t done;
	int result;
};

#ifdef __SANITIZE_THREAD__
static const uint32_t tick_ms = 300;
#else
static const uint32_t tick_ms = 100;
#endif

/* ---- Life ------------------------------------------------------------------------------------------------------- */

static void on_failed(void *argument, int status, const char *sentence)
{
	(void)argument;
	fprintf(stderr, "a store failed: %s (%s)\n", sentence, status_name(status));
	abort();
}

static void make_port(struct cluster *cluster, struct store *store, uint64_t id)
{
	const struct net_transport_options transport = {.self = &store->self,
		.logger = &cluster->logger,
		.loops = store->loops,
		.loop_count = SHARDS};
	const struct acceptor_options acceptor = {.self = &store->self,
		.logger = &cluster->logger,
		.loop = store->loops[0],
		.address = "127.0.0.1:0",
		.is_insecure = true};

	store->self = (struct link_self){.env = cluster->env, .cluster = 7, .store = id};
	store->transport = net_transport_new(&transport);
	check(store->transport);
	check(acceptor_new(&acceptor, &store->acceptor, NULL) == 0);
	acceptor_serve(store->acceptor, RAFTKV__ROLE__STORE, net_transport_greet, store->transport);
	acceptor_serve(
		store->acceptor, RAFTKV__ROLE__SNAPSHOT, net_transport_greet_snapshot, store->transport);
}

static void open_store(struct cluster *cluster, struct store *store, uint64_t id)
{
	struct status status = {0};

	snprintf(store->path, sizeof store->path, "%s/%u", cluster->directory, (unsigned int)id);
	store->options = (struct raftkv_options){
		.env = cluster->env,
		.logger = &cluster->logger,
		.path = store->path,
		.evaluator = test_evaluator(),
		.shards = store->loops,
		.shard_count = SHARDS,
		.transport = net_transport_base(store->transport),
		.cluster = 7,
		.store = id,
		.initial_stores = cluster->initial,
		.initial_store_count = VOTERS,
		.initial_regions = REGIONS,
		.is_joining = id > VOTERS,
		.raft_engine_is_rocksdb = id % 2 == 0,
		.tick_ms = tick_ms,
		.reserve_size = 1,
		.block_file_size = 64u << 20,
		.segment_size = 4u << 20,
		.failed = on_failed,
	};
	if (raftkv_open(&store->options, &store->raftkv, &status) < 0)
		on_failed(store, status.code, status.text);
	store->self.incarnation = raftkv_ident(store->raftkv).incarnation;
	net_transport_attach(store->transport, store->raftkv);
}

static void open_all(struct cluster *cluster)
{
	for (uint64_t id = 1; id <= STORES; id++) {
		struct store *store = &cluster->stores[id - 1];

		sem_init(&store->stopped, 0, 0);
		for (int i = 0; i < SHARDS; i++)
			check(env_loop_new(cluster->env, "shard", &store->loops[i]) == 0);
		make_port(cluster, store, id);
	}
	for (uint64_t id = 1; id <= STORES; id++) {
		struct store *store = &cluster->stores[id - 1];

		for (uint64_t other = 1; other <= STORES; other++)
			check(net_transport_set_address(store->transport, other,
				      acceptor_address(cluster->stores[other - 1].acceptor)) == 0);
		open_store(cluster, store, id);
	}
	for (int i = 0; i < STORES * SHARDS; i++)
		check(env_loop_start(cluster->stores[i / SHARDS].loops[i % SHARDS]) == 0);
}

static void on_stopped(void *argument)
{
	sem_post(&((struct store *)argument)->stopped);
}

static void on_deaf(void *argument)
{
	struct store *store = argument;

	raftkv_stop(store->raftkv, store->loops[0], on_stopped, store);
}

static void on_closed_port(void *argument)
{
	net_transport_stop(((struct store *)argument)->transport, on_deaf, argument);
}

static void close_port(struct env_mail *mail)
{
	struct store *store = container_of(mail, struct store, mail);

	acceptor_stop(store->acceptor, on_closed_port, store);
}

static void close_store(struct store *store)
{
	env_post(store->loops[0], &store->mail, close_port);
	sem_wait(&store->stopped);
	for (int i = 0; i < SHARDS; i++)
		env_loop_stop(store->loops[i]);
	for (int i = 0; i < SHARDS; i++)
		env_loop_free(store->loops[i]);
	acceptor_free(store->acceptor);
	raftkv_free(store->raftkv);
	net_transport_free(store->transport);
}

static void begin(struct cluster *cluster)
{
	*cluster = (struct cluster){.logger = logger_fd(2, LOG_ERROR), .initial = {1, 2, 3}};
	test_directory_make(cluster->directory, sizeof cluster->directory);
	check(env_uv_new(&(struct env_uv_options){.worker_threads = 4, .io_threads = 4}, &cluster->env,
		      NULL) == 0);
	check(env_loop_new(cluster->env, "caller", &cluster->caller) == 0);
	open_all(cluster);
	check(env_loop_start(cluster->caller) == 0);
}

static void end(struct cluster *cluster)
{
	for (int i = 0; i < STORES; i++)
		close_store(&cluster->stores[i]);
	env_loop_stop(cluster->caller);
	env_loop_free(cluster->caller);
	env_uv_free(cluster->env);
	test_directory_remove(cluster->directory);
}

/* ---- Requests --------------------------------------------------------------------------------------------------- */

static void on_written(struct raftkv_write *write, int status, struct buf *reply)
{
	struct call *call = container_of(write, struct call, write);

	(void)reply;
	call->result = status;
	sem_post(&call->done);
}

static void on_read(struct raftkv_read *read, int status, struct raftkv_snapshot *snapshot)
{
	struct call *call = container_of(read, struct call, read);

	call->result = status;
	call->snapshot = snapshot;
	sem_post(&call->done);
}

static void on_status(struct raftkv_region_status *status, int result)
{
	struct call *call = container_of(status, struct call, status);

	call->result = result;
	sem_post(&call->done);
}

static void on_change(struct raftkv_change *change, int result)
{
	struct call *call = container_of(change, struct call, change);

	call->result = result;
	sem_post(&call->done);
}

/* Asks each store in turn until one does it; a minute, and the test fails. */
static struct store *next_store(struct cluster *cluster, int attempt)
{
	if (attempt > patience(PATIENCE_S) * 100)
		fail_msg("nobody answers");
	if (attempt > 0)
		usleep(10000);
	return &cluster->stores[attempt % VOTERS];
}

/* Names begin with a byte that says in which region they are. */
static void make_name(char name[32], int number)
{
	snprintf(name, 32, "%cobject%03d", number % 2 ? 'a' : 0xf0, number % 1000);
}

static void write_object(struct cluster *cluster, int number, char fill)
{
	struct call call = {0};
	struct buf *payload = buf_new(OBJECT_UNITS * BLOCK_UNIT_SIZE);
	char name[32];

	make_name(name, number);
	memset(payload->data, fill, payload->size);
	sem_init(&call.done, 0, 0);
	for (int i = 0; i == 0 || call.result < 0; i++) {
		struct store *store = next_store(cluster, i);

		call.write = (struct raftkv_write){.region = number % 2 ? 1 : 2,
			.body = test_op_write(name, 0),
			.payload = payload,
			.loop = cluster->caller,
			.done = on_written};
		raftkv_async_write(store->raftkv, &call.write);
		sem_wait(&call.done);
		buf_unref(call.write.body);
	}
	buf_unref(payload);
	sem_destroy(&call.done);
}

static void add_replica(struct cluster *cluster, uint64_t region)
{
	struct call call = {0};

	sem_init(&call.done, 0, 0);
	for (int i = 0; i == 0 || call.result < 0; i++) {
		struct store *store = next_store(cluster, i);

		call.change = (struct raftkv_change){.region = region,
			.change = {.steps = {{RAFT_ADD_LEARNER, 4, 4}}, .step_count = 1},
			.loop = cluster->caller,
			.done = on_change};
		raftkv_change_peers(store->raftkv, &call.change);
		sem_wait(&call.done);
	}
	sem_destroy(&call.done);
}

static uint64_t applied_at(struct cluster *cluster, struct store *store, uint64_t region)
{
	struct call call = {0};

	sem_init(&call.done, 0, 0);
	call.status =
		(struct raftkv_region_status){.region = region, .loop = cluster->caller, .done = on_status};
	raftkv_region_status(store->raftkv, &call.status);
	sem_wait(&call.done);
	sem_destroy(&call.done);
	return call.result == 0 ? call.status.applied : 0;
}

static void check_object(struct cluster *cluster, int number, char fill)
{
	size_t size = OBJECT_UNITS * BLOCK_UNIT_SIZE;
	struct call call = {0};
	char *bytes = malloc(size), name[32];

	make_name(name, number);
	sem_init(&call.done, 0, 0);
	for (int i = 0; i == 0 || call.result < 0; i++) {
		next_store(cluster, i);
		call.read = (struct raftkv_read){.region = number % 2 ? 1 : 2,
			.from_follower = true,
			.loop = cluster->caller,
			.done = on_read};
		raftkv_async_snapshot(cluster->stores[STORES - 1].raftkv, &call.read);
		sem_wait(&call.done);
	}
	assert_int_equal(view_read(raftkv_snapshot_view(call.snapshot, true), slice_of(name, strlen(name)), 0,
				 OBJECT_UNITS, bytes),
		0);
	assert_int_equal(bytes[0], fill);
	assert_int_equal(memcmp(bytes, bytes + 1, size - 1), 0);
	raftkv_snapshot_free(call.snapshot);
	sem_destroy(&call.done);
	free(bytes);
}

/* ---- The test --------------------------------------------------------------------------------------------------- */

static void new_store_gets_two_regions_while_clients_write(void **state)
{
	struct cluster *cluster = calloc(1, sizeof *cluster);
	struct raftkv_stats stats;
	struct store *joiner = &cluster->stores[STORES - 1];

	(void)state;
	begin(cluster);
	for (int i = 0; i < OBJECTS; i++)
		write_object(cluster, i, 'a');
	add_replica(cluster, 1);
	add_replica(cluster, 2);
	for (int i = 0; i < OBJECTS / 2; i++)
		write_object(cluster, i, 'b');
	for (int i = 0; i < patience(PATIENCE_S) * 100 &&
			(applied_at(cluster, joiner, 1) == 0 || applied_at(cluster, joiner, 2) == 0);
		i++)
		usleep(10000);
	for (int i = 0; i < OBJECTS; i++)
		check_object(cluster, i, i < OBJECTS / 2 ? 'b' : 'a');
	raftkv_stats(joiner->raftkv, &stats);
	assert_true(stats.snapshots_received >= 2);
	assert_true(stats.snapshot_received_size >= (uint64_t)OBJECTS * OBJECT_UNITS * BLOCK_UNIT_SIZE);
	end(cluster);
	free(cluster);
}

/* Whatever is on its way then is given back. */
static void stores_stop_while_snapshots_travel(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		struct cluster *cluster = calloc(1, sizeof *cluster);

		begin(cluster);
		for (int object = 0; object < OBJECTS; object++)
			write_object(cluster, object, 'a');
		add_replica(cluster, 1);
		add_replica(cluster, 2);
		usleep(i * 200000);
		end(cluster);
		free(cluster);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_store_gets_two_regions_while_clients_write),
		cmocka_unit_test(stores_stop_while_snapshots_travel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
