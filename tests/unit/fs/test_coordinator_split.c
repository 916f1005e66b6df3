/*
 * fs/cluster/coordinator_split: a simulated store that coordinates, and a scripted one that leads the region which is to be
 * split: what it is asked, which ids are drawn, and what the administrator is told.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/cluster/coordinator.h"
#include "fs/eval/eval.h"
#include "fs/schema/split_key.h"
#include "proto/check.h"
#include "proto/container.h"
#include "tests/lib/sim_cluster.h"
#include "tests/lib/sim_server.h"
#include "tests/lib/test.h"

#define PATIENCE (60 * (uint64_t)SIM_S)
#define LEADER	 9u /* the scripted store */
#define REGION	 1u /* that it leads */
#define ASKED	 16u

static const char *const addresses[] = {"a:7420"};

struct stage {
	struct sim_cluster cluster;
	struct coordinator *coordinator;
	struct dispatcher *peers;
	struct store_list seeds;
	bool is_stopped;
	/* The scripted store. */
	struct sim_server leader;
	int status; /* of its answers */
	uint32_t silent_from; /* it answers fewer requests than that; 0: all */
	uint32_t asked;
	uint64_t new_regions[ASKED]; /* that it was asked to split into */
	uint64_t dirids[ASKED];
	struct rpc_request *held[ASKED];
	uint32_t held_count;
};

struct request {
	struct admin_request request;
	struct status outcome;
	bool is_done;
};

/* ---- The store that leads the region ---- */

static int on_routes(void *argument, struct rpc_request *request, const struct frame *frame)
{
	Raftkv__RoutesReply reply = RAFTKV__ROUTES_REPLY__INIT;
	Raftkv__Route route = RAFTKV__ROUTE__INIT, *routes[] = {&route};
	Raftkv__Epoch epoch = RAFTKV__EPOCH__INIT;
	Raftkv__Replica replica = RAFTKV__REPLICA__INIT, *replicas[] = {&replica};
	Raftkv__StoreAddress address = RAFTKV__STORE_ADDRESS__INIT, *stores[] = {&address};
	char name[] = "leader:1";

	(void)argument, (void)frame;
	epoch.version = epoch.conf_version = 1;
	replica.id = 1;
	replica.store = address.store = LEADER;
	replica.roles = REGION_VOTER;
	address.address = name;
	route.region = REGION;
	route.epoch = &epoch;
	route.leader_store = LEADER;
	route.replicas = replicas;
	route.n_replicas = 1;
	reply.routes = routes;
	reply.n_routes = 1;
	reply.stores = stores;
	reply.n_stores = 1;
	rpc_answer(request, &reply.base, NULL, 0);
	return 0;
}

static uint64_t note_request(struct stage *stage, const Raftkv__SplitRequest *message)
{
	struct slice key = slice_of(message->key.data, message->key.len);
	uint64_t dirid = message->in_middle ? FS_DIRID_END / 2 : fs_key_get_dirid(key);

	check(stage->asked < ASKED);
	stage->new_regions[stage->asked] = message->new_region;
	stage->dirids[stage->asked++] = dirid;
	return dirid;
}

static int on_split(void *argument, struct rpc_request *request, const struct frame *frame)
{
	struct stage *stage = argument;
	Raftkv__SplitRequest *message =
		raftkv__split_request__unpack(NULL, frame->head.size, frame->head.data);
	Raftkv__SplitReply reply = RAFTKV__SPLIT_REPLY__INIT;
	struct fs_key key = fs_key_dirid(note_request(stage, message));
	char no[] = "no, for a reason";

	raftkv__split_request__free_unpacked(message, NULL);
	if (stage->silent_from > 0 && stage->asked >= stage->silent_from) {
		stage->held[stage->held_count++] = request;
		return 0;
	}
	reply.status = stage->status;
	reply.region = REGION;
	reply.key = (ProtobufCBinaryData){.len = key.size, .data = key.bytes};
	if (stage->status < 0 && stage->status != STATUS_UNSUPPORTED)
		reply.sentence = no;
	rpc_answer(request, &reply.base, NULL, 0);
	return 0;
}

/* ---- The store that coordinates ---- */

static void ignore_lost(void *argument, uint64_t session)
{
	(void)argument, (void)session;
}

static void ignore_failed(void *argument, const char *address, const struct status *why)
{
	(void)argument, (void)address, (void)why;
}

static void ignore_refused(void *argument, uint64_t store, const char *version)
{
	(void)argument, (void)store, (void)version;
}

static bool coordinates(void *argument)
{
	struct coordinator_overview overview;

	return coordinator_look(((struct stage *)argument)->coordinator, &overview);
}

static struct stage *stage_new(void)
{
	struct stage *stage = calloc(1, sizeof *stage);
	struct dispatcher_options peers = {.reads = REMOTE_READS_LEADER,
		.lost = ignore_lost,
		.failed = ignore_failed,
		.refused = ignore_refused};
	struct sim_store *store;

	assert_non_null(stage);
	sim_cluster_init(&stage->cluster, 1, 1, 0);
	store = &stage->cluster.stores[0];
	store->options.evaluator = eval_evaluator();
	sim_cluster_open(&stage->cluster, 1);
	sim_server_start(&stage->leader, stage->cluster.world, "leader", 7, LEADER);
	rpc_server_handle(stage->leader.rpc_server, FRAME_ROUTES, on_routes, stage);
	rpc_server_handle(stage->leader.rpc_server, FRAME_SPLIT, on_split, stage);
	assert_int_equal(store_list_parse(&stage->seeds, "leader:1", NULL), 0);
	peers.loop = store->caller;
	peers.logger = &store->logger;
	peers.seeds = &stage->seeds;
	stage->peers = dispatcher_new(&peers);
	assert_non_null(stage->peers);
	stage->coordinator = coordinator_new(&(struct coordinator_options){.raftkv = store->raftkv,
		.loop = store->caller,
		.logger = &store->logger,
		.stores = addresses,
		.store_count = 1,
		.peers = stage->peers});
	assert_non_null(stage->coordinator);
	coordinator_start(stage->coordinator);
	assert_true(sim_run(stage->cluster.world, PATIENCE, coordinates, stage));
	return stage;
}

static void on_stopped(void *argument)
{
	((struct stage *)argument)->is_stopped = true;
}

static bool is_stopped(void *argument)
{
	return ((const struct stage *)argument)->is_stopped;
}

static void stage_stop_coordinator(struct stage *stage)
{
	coordinator_stop(stage->coordinator, on_stopped, stage);
	assert_true(sim_run(stage->cluster.world, PATIENCE, is_stopped, stage));
}

static void stage_free(struct stage *stage)
{
	if (!stage->is_stopped)
		stage_stop_coordinator(stage);
	stage->is_stopped = false;
	dispatcher_stop(stage->peers, on_stopped, stage);
	assert_true(sim_run(stage->cluster.world, PATIENCE, is_stopped, stage));
	dispatcher_free(stage->peers);
	sim_store_stop(&stage->cluster.stores[0]);
	coordinator_free(stage->coordinator);
	store_list_close(&stage->seeds);
	sim_cluster_close(&stage->cluster);
	free(stage);
}

/* ---- The administrator ---- */

static void on_done(struct admin_request *admin, const struct status *status)
{
	struct request *request = container_of(admin, struct request, request);

	check(!request->is_done);
	request->outcome = *status;
	request->is_done = true;
}

static bool is_done(void *argument)
{
	return ((const struct request *)argument)->is_done;
}

/* `dirid` 0: in the middle. */
static void begin(struct stage *stage, struct request *request, uint64_t dirid, bool is_dry)
{
	*request = (struct request){
		.request = {.kind = ADMIN_SPLIT, .in_middle = dirid == 0, .is_dry = is_dry, .done = on_done}};
	if (dirid > 0)
		request->request.key = fs_split_key_of_dirid(dirid);
	coordinator_take_admin(stage->coordinator, &request->request);
}

static int split(struct stage *stage, struct request *request, uint64_t dirid, bool is_dry)
{
	begin(stage, request, dirid, is_dry);
	assert_true(sim_run(stage->cluster.world, PATIENCE, is_done, request));
	assert_true((request->outcome.code == 0) == (request->outcome.text[0] == '\0'));
	return request->outcome.code;
}

static uint64_t dirid_of(const struct request *request)
{
	return fs_key_get_dirid(fs_key_slice(&request->request.key));
}

/* ---- Tests ---- */

static void the_leader_is_asked_before_an_id_is_drawn(void **state)
{
	struct stage *stage = stage_new();
	struct request request;

	(void)state;
	assert_int_equal(split(stage, &request, 1000000, false), 0);
	assert_int_equal(request.request.region, REGION);
	assert_int_equal(request.request.new_region, REGION_ID_FIRST_DRAWN);
	assert_int_equal(dirid_of(&request), 1000000);
	assert_int_equal(stage->asked, 2);
	assert_int_equal(stage->new_regions[0], 0);
	assert_int_equal(stage->new_regions[1], REGION_ID_FIRST_DRAWN);
	assert_int_equal(split(stage, &request, 0, false), 0);
	assert_int_equal(request.request.new_region, REGION_ID_FIRST_DRAWN + 1);
	assert_int_equal(dirid_of(&request), FS_DIRID_END / 2);
	assert_int_equal(stage->dirids[3], FS_DIRID_END / 2);
	assert_int_equal(stage->new_regions[3], REGION_ID_FIRST_DRAWN + 1);
	stage_free(stage);
}

static void what_is_refused_takes_no_id(void **state)
{
	struct stage *stage = stage_new();
	struct request request;

	(void)state;
	stage->status = -ERANGE;
	assert_int_equal(split(stage, &request, 0, false), -ERANGE);
	assert_string_equal(request.outcome.text, "no, for a reason");
	stage->status = STATUS_UNSUPPORTED;
	assert_int_equal(split(stage, &request, 0, false), STATUS_UNSUPPORTED);
	assert_non_null(strstr(request.outcome.text, "older version"));
	stage->status = 0;
	assert_int_equal(split(stage, &request, 0, true), 0);
	assert_int_equal(request.request.new_region, 0);
	assert_int_equal(dirid_of(&request), FS_DIRID_END / 2);
	assert_int_equal(stage->asked, 3);
	assert_int_equal(split(stage, &request, 0, false), 0);
	assert_int_equal(request.request.new_region, REGION_ID_FIRST_DRAWN);
	stage_free(stage);
}

static void silence_is_told_for_what_it_is(void **state)
{
	struct stage *stage = stage_new();
	struct request request;

	(void)state;
	stage->silent_from = 1;
	assert_int_equal(split(stage, &request, 0, false), STATUS_NOT_READY);
	assert_non_null(strstr(request.outcome.text, "nothing was done"));
	stage->silent_from = stage->asked + 2;
	assert_int_equal(split(stage, &request, 0, false), STATUS_STALE_COMMAND);
	assert_non_null(strstr(request.outcome.text, "raftkv region ls"));
	stage->silent_from = 0;
	assert_int_equal(split(stage, &request, 0, false), 0);
	assert_int_equal(request.request.new_region, REGION_ID_FIRST_DRAWN + 1);
	stage_free(stage);
}

static void one_split_is_under_way_at_a_time(void **state)
{
	struct stage *stage = stage_new();
	struct request first, second;

	(void)state;
	begin(stage, &first, 0, false);
	assert_int_equal(split(stage, &second, 1000000, false), -EAGAIN);
	assert_true(sim_run(stage->cluster.world, PATIENCE, is_done, &first));
	assert_int_equal(first.outcome.code, 0);
	stage_free(stage);
}

static bool report(struct stage *stage, uint64_t split_dirid)
{
	struct ident ident = raftkv_ident(stage->cluster.stores[0].raftkv);
	struct store_report report = {.store = 1,
		.incarnation = ident.incarnation,
		.directory_id = ident.directory_id,
		.split_dirid = split_dirid};
	uint64_t id;

	strcpy(report.address, addresses[0]);
	return coordinator_report(stage->coordinator, &report, &id) == 0;
}

/* A store repeats its wish until it has come true: the leader is asked for one split at a time. */
static void what_a_store_wishes_is_split(void **state)
{
	struct stage *stage = stage_new();
	uint32_t taken = 0;

	(void)state;
	for (int i = 0; i < 100 && stage->asked < 2; i++) {
		taken += report(stage, 1000000);
		sim_cluster_run(&stage->cluster, i < 50 ? 100 * SIM_MS : SIM_S);
	}
	assert_true(taken > 0);
	assert_int_equal(stage->asked, 2);
	assert_int_equal(stage->dirids[1], 1000000);
	assert_int_equal(stage->new_regions[1], REGION_ID_FIRST_DRAWN);
	assert_true(report(stage, 0));
	assert_true(report(stage, FS_DIRID_END));
	sim_cluster_run(&stage->cluster, SIM_S);
	assert_int_equal(stage->asked, 2);
	stage_free(stage);
}

static void a_split_ends_with_the_coordinator(void **state)
{
	struct stage *stage = stage_new();
	struct request request;

	(void)state;
	stage->silent_from = 1;
	begin(stage, &request, 0, false);
	sim_cluster_run(&stage->cluster, 100 * SIM_MS);
	assert_false(request.is_done);
	stage_stop_coordinator(stage);
	assert_true(request.is_done);
	assert_int_equal(request.outcome.code, STATUS_STOPPING);
	stage_free(stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_leader_is_asked_before_an_id_is_drawn),
		cmocka_unit_test(what_is_refused_takes_no_id),
		cmocka_unit_test(silence_is_told_for_what_it_is),
		cmocka_unit_test(one_split_is_under_way_at_a_time),
		cmocka_unit_test(what_a_store_wishes_is_split),
		cmocka_unit_test(a_split_ends_with_the_coordinator),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
