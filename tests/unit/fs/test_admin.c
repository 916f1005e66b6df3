/*
 * fs/server/admin: what a newer raftkv(1) asks is refused in words, or answered as far as this program knows it; how a
 * store splits a region or says why not; and how it tells its regions.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/cluster/coordinator.h"
#include "fs/schema/split_key.h"
#include "fs/admin/admin_internal.h"
#include "proto/version.h"
#include "tests/lib/fake_raftkv.h"
#include "tests/lib/fake_requests.h"
#include "tests/lib/sim_env.h"
#include "tests/lib/test.h"

#define REGIONS 10u
#define WIDTH	(FS_DIRID_END / REGIONS) /* dirids of a region */
#define NEW	UINT64_C(77)

/* ---- What the tests do without ---- */

int coordinator_report(struct coordinator *coordinator, const struct store_report *report, uint64_t *id)
{
	(void)coordinator, (void)report, (void)id;
	return STATUS_NOT_LEADER;
}

void coordinator_take_admin(struct coordinator *coordinator, struct admin_request *request)
{
	(void)coordinator, (void)request;
}

static struct store_table stores; /* of the coordinator */
static struct region_table regions;

bool coordinator_look(struct coordinator *coordinator, struct coordinator_overview *overview)
{
	(void)coordinator;
	*overview = (struct coordinator_overview){.stores = &stores, .regions = &regions};
	return true;
}

void coordinator_each_step(struct coordinator *coordinator, uint32_t max,
	void (*each)(void *argument, uint64_t region, enum placement_kind step), void *argument)
{
	(void)coordinator, (void)max;
	each(argument, 3, PLACEMENT_WAIT);
	each(argument, 8, PLACEMENT_STUCK);
}

/* ---- Requests of newer programs ---- */

static void expect_refusal(uint32_t kind, uint32_t state)
{
	Raftkv__AdminRequest message = RAFTKV__ADMIN_REQUEST__INIT;
	struct rpc_server server = {0};
	struct rpc_request request = {0};
	Raftkv__AdminReply *reply;
	uint8_t bytes[64];

	message.kind = kind;
	message.state = state;
	message.store = 1;
	rpc_server_handle(&server, FRAME_ADMIN, admin_on_change, NULL);
	fake_requests_ask(&server, &request, FRAME_ADMIN,
		slice_of(bytes, raftkv__admin_request__pack(&message, bytes)), NULL);
	assert_true(request.is_answered);
	reply = raftkv__admin_reply__unpack(NULL, request.head->size, request.head->data);
	assert_non_null(reply);
	assert_int_equal(reply->status, STATUS_UNSUPPORTED);
	assert_non_null(strstr(reply->sentence, "is older (version " RAFTKV_VERSION ")"));
	raftkv__admin_reply__free_unpacked(reply, NULL);
	fake_requests_close(&request);
}

static void changes_of_newer_programs_are_refused_in_words(void **state)
{
	(void)state;
	expect_refusal(ADMIN_SCATTER + 1, 0);
	expect_refusal(ADMIN_SET_STORE, STORE_LOST + 1);
}

static void fields_of_newer_programs_are_skipped(void **state)
{
	static const uint8_t field[] = {0xc2, 0xb8, 2, 1, 'x'}, junk[] = {0xff, 0xff};
	struct buf *attachment = buf_copy("x", 1);
	struct frame frame = {.head = slice_of(field, sizeof field)};

	(void)state;
	assert_true(admin_is_bare(&frame));
	frame.attachments = &attachment;
	frame.attachment_count = 1;
	assert_false(admin_is_bare(&frame));
	frame = (struct frame){.head = slice_of(junk, sizeof junk)};
	assert_false(admin_is_bare(&frame));
	buf_unref(attachment);
}

/* ---- A store ---- */

struct stage {
	struct sim_world *world;
	struct env_loop *loop;
	struct raftkv *raftkv;
	struct region regions
		[REGIONS]; /* region N of those begins with the dirid N * WIDTH, and has the id N + 1 */
	struct link_self self;
	struct admin admin;
	struct rpc_server server;
	struct rpc_request request;
};

static void stage_begin(struct stage *stage)
{
	struct env *env;
	struct fs_key key;

	*stage = (struct stage){.self = {.store = 1}};
	stage->world = sim_world_new(1);
	env = sim_node_start(sim_node_new(stage->world, "store"));
	assert_int_equal(env_loop_new(env, "loop", &stage->loop), 0);
	assert_int_equal(env_loop_start(stage->loop), 0);
	stage->raftkv = fake_raftkv_new(&(struct fake_raftkv_options){.loop = stage->loop, .seed = 1});
	for (uint32_t i = 0; i < REGIONS; i++) {
		stage->regions[i] = (struct region){.id = i + 1, .epoch = {.version = 5, .conf_version = 6}};
		if (i == 0)
			continue;
		key = fs_split_key_of_dirid(i * WIDTH);
		stage->regions[i].start = buf_copy(key.bytes, key.size);
		stage->regions[i - 1].end = buf_ref(stage->regions[i].start);
	}
	fake_raftkv_set_regions(stage->raftkv, stage->regions, REGIONS);
	stage->admin.options =
		(struct admin_options){.loop = stage->loop, .self = &stage->self, .raftkv = stage->raftkv};
	rpc_server_handle(&stage->server, FRAME_SPLIT, admin_on_split, &stage->admin);
	rpc_server_handle(&stage->server, FRAME_REGIONS, admin_on_regions, &stage->admin);
	rpc_server_handle(&stage->server, FRAME_OVERVIEW, admin_on_overview, &stage->admin);
	rpc_server_handle(&stage->server, FRAME_REGION_STEP, admin_on_region_step, &stage->admin);
}

static void stage_end(struct stage *stage)
{
	for (uint32_t i = 0; i < REGIONS; i++)
		region_close(&stage->regions[i]);
	fake_raftkv_free(stage->raftkv);
	sim_world_free(stage->world);
}

static bool is_answered(void *argument)
{
	return ((const struct rpc_request *)argument)->is_answered;
}

static struct slice ask(struct stage *stage, uint16_t type, const ProtobufCMessage *message)
{
	uint8_t bytes[512];
	struct slice head = slice_of(bytes, protobuf_c_message_pack(message, bytes));
	uint64_t session = stage->request.session;

	stage->request = (struct rpc_request){.session = session};
	fake_requests_ask(&stage->server, &stage->request, type, head, NULL);
	if (stage->request.refusal < 0)
		return (struct slice){0};
	assert_true(sim_run(stage->world, SIM_S, is_answered, &stage->request));
	return buf_slice(stage->request.head);
}

/* ---- Splits ---- */

/* `dirid` 0: in the middle of region 1. The status; `*at`, `*region`: what the answer says. */
static int split(struct stage *stage, uint64_t dirid, uint64_t new_region, uint64_t *at, uint64_t *region)
{
	Raftkv__SplitRequest message = RAFTKV__SPLIT_REQUEST__INIT;
	struct fs_key key = fs_key_dirid(dirid);
	Raftkv__SplitReply *reply;
	struct slice answer;
	int status;

	message.in_middle = dirid == 0;
	message.key = (ProtobufCBinaryData){.len = dirid > 0 ? key.size : 0, .data = key.bytes};
	message.new_region = new_region;
	answer = ask(stage, FRAME_SPLIT, &message.base);
	if (stage->request.refusal < 0)
		return stage->request.refusal;
	reply = raftkv__split_reply__unpack(NULL, answer.size, answer.data);
	assert_non_null(reply);
	status = reply->status;
	if (at)
		*at = fs_key_get_dirid(slice_of(reply->key.data, reply->key.len));
	if (region)
		*region = reply->region;
	assert_true((status == 0) == (reply->sentence[0] == '\0'));
	raftkv__split_reply__free_unpacked(reply, NULL);
	fake_requests_close(&stage->request);
	return status;
}

static void a_region_is_split_where_it_is_asked(void **state)
{
	struct fs_key key = fs_key_dirid(3 * WIDTH + WIDTH / 4);
	struct fake_raftkv_splits *splits;
	uint64_t at, region;
	struct stage stage;

	(void)state;
	stage_begin(&stage);
	splits = fake_raftkv_splits(stage.raftkv);
	assert_int_equal(split(&stage, 3 * WIDTH + WIDTH / 4, 0, &at, &region), 0);
	assert_int_equal(at, 3 * WIDTH + WIDTH / 4);
	assert_int_equal(region, 4);
	assert_int_equal(splits->count, 0);
	assert_int_equal(split(&stage, at, NEW, NULL, NULL), 0);
	assert_int_equal(splits->count, 1);
	assert_int_equal(splits->region, 4);
	assert_int_equal(splits->new_region, NEW);
	assert_int_equal(splits->epoch.version, 5);
	assert_int_equal(slice_compare(fs_key_slice(&splits->key), fs_key_slice(&key)), 0);
	assert_int_equal(split(&stage, 0, 0, &at, &region), 0);
	assert_int_equal(at, 1 + (WIDTH - 1) / 2);
	assert_int_equal(region, 1);
	assert_int_equal(splits->count, 1);
	stage_end(&stage);
}

/* Region 4 has been split off already: it begins there. */
static void a_split_is_done_once(void **state)
{
	struct stage stage;

	(void)state;
	stage_begin(&stage);
	assert_int_equal(split(&stage, 3 * WIDTH, 4, NULL, NULL), 0);
	assert_int_equal(split(&stage, 3 * WIDTH, NEW, NULL, NULL), -EEXIST);
	assert_int_equal(split(&stage, 3 * WIDTH, 0, NULL, NULL), -EEXIST);
	assert_int_equal(fake_raftkv_splits(stage.raftkv)->count, 0);
	stage_end(&stage);
}

static void splits_that_make_no_sense_are_refused_in_words(void **state)
{
	static const struct {
		int store, told;
	} statuses[] = {{STATUS_LIMIT, -EBUSY}, {STATUS_CONF_CHANGE_INVALID, -EBUSY}, {-EFBIG, -EFBIG},
		{STATUS_KEY_NOT_IN_REGION, STATUS_NOT_READY}, {STATUS_NOT_LEADER, STATUS_NOT_LEADER},
		{STATUS_STALE_COMMAND, STATUS_STALE_COMMAND}};
	struct stage stage;

	(void)state;
	stage_begin(&stage);
	assert_int_equal(split(&stage, FS_DIRID_END, NEW, NULL, NULL), -EINVAL);
	assert_int_equal(split(&stage, 3 * WIDTH + FS_SPLIT_DIRIDS_MIN - 1, NEW, NULL, NULL), -ERANGE);
	assert_int_equal(split(&stage, 3 * WIDTH - FS_SPLIT_DIRIDS_MIN + 1, NEW, NULL, NULL), -ERANGE);
	assert_int_equal(split(&stage, 0, NEW, NULL, NULL), STATUS_MALFORMED);
	stage.request.session = 9;
	assert_int_equal(split(&stage, 3 * WIDTH + WIDTH / 2, NEW, NULL, NULL), -EPERM);
	stage.request.session = 0;
	assert_int_equal(fake_raftkv_splits(stage.raftkv)->count, 0);
	for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
		fake_raftkv_splits(stage.raftkv)->status = statuses[i].store;
		assert_int_equal(split(&stage, 3 * WIDTH + WIDTH / 2, NEW, NULL, NULL), statuses[i].told);
	}
	stage_end(&stage);
}

/* ---- Regions ---- */

static Raftkv__RegionsReply *page(struct stage *stage, struct slice key, uint32_t limit)
{
	Raftkv__RegionsRequest message = RAFTKV__REGIONS_REQUEST__INIT;
	Raftkv__RegionsReply *reply;
	struct slice answer;

	message.key = (ProtobufCBinaryData){.len = key.size, .data = (uint8_t *)(uintptr_t)key.data};
	message.limit = limit;
	answer = ask(stage, FRAME_REGIONS, &message.base);
	reply = raftkv__regions_reply__unpack(NULL, answer.size, answer.data);
	assert_non_null(reply);
	assert_int_equal(reply->status, 0);
	fake_requests_close(&stage->request);
	return reply;
}

static void regions_are_told_page_by_page(void **state)
{
	struct buf *key = NULL, *next;
	struct stage stage;
	uint32_t count = 0, pages = 0;

	(void)state;
	stage_begin(&stage);
	do {
		Raftkv__RegionsReply *reply = page(&stage, buf_slice(key), 4);

		for (size_t i = 0; i < reply->n_regions; i++) {
			const Raftkv__OverviewRegion *region = reply->regions[i];

			assert_int_equal(region->region, ++count);
			assert_true(region->is_by_leader);
			assert_int_equal(region->n_members, 1);
			assert_int_equal(region->epoch->version, 5);
			assert_int_equal(region->start.len > 0, count > 1);
		}
		next = reply->next.len > 0 ? buf_copy(reply->next.data, reply->next.len) : NULL;
		buf_unref(key);
		key = next;
		pages++;
		raftkv__regions_reply__free_unpacked(reply, NULL);
	} while (key);
	assert_int_equal(count, REGIONS);
	assert_int_equal(pages, 3);
	stage_end(&stage);
}

static void the_bytes_of_a_store_are_told(void **state)
{
	const struct region_report_replica replicas[] = {
		{.id = 1, .store = 4, .roles = REGION_VOTER}, {.id = 2, .store = 6, .roles = REGION_VOTER}};
	struct region_report report = {.epoch = {1, 1},
		.term = 6,
		.leader = 4,
		.replicas = replicas,
		.replica_count = 2,
		.bytes = 3000};
	Raftkv__OverviewRequest message = RAFTKV__OVERVIEW_REQUEST__INIT;
	Raftkv__OverviewReply *reply;
	struct stage stage;
	struct slice answer;

	(void)state;
	stage_begin(&stage);
	stage.admin.env = env_loop_env(stage.loop);
	for (report.region = 7; report.region < 9; report.region++)
		assert_int_equal(region_table_take(&regions, &report), 0);
	stores = (struct store_table){.count = 2, .entries = {{.id = 5}, {.id = 6}}};
	message.without_regions = true;
	answer = ask(&stage, FRAME_OVERVIEW, &message.base);
	reply = raftkv__overview_reply__unpack(NULL, answer.size, answer.data);
	assert_non_null(reply);
	assert_int_equal(reply->n_stores, 2);
	assert_int_equal(reply->stores[0]->region_bytes, 0);
	assert_int_equal(reply->stores[1]->region_bytes, 6000);
	raftkv__overview_reply__free_unpacked(reply, NULL);
	fake_requests_close(&stage.request);
	region_table_close(&regions);
	stores.count = 0;
	stage_end(&stage);
}

static void steps_are_told_of_regions_that_others_lead(void **state)
{
	Raftkv__OverviewRequest message = RAFTKV__OVERVIEW_REQUEST__INIT;
	Raftkv__OverviewReply *reply;
	struct stage stage;
	struct slice answer;

	(void)state;
	stage_begin(&stage);
	stage.admin.env = env_loop_env(stage.loop);
	message.without_regions = true;
	answer = ask(&stage, FRAME_OVERVIEW, &message.base);
	reply = raftkv__overview_reply__unpack(NULL, answer.size, answer.data);
	assert_non_null(reply);
	assert_int_equal(reply->n_steps, 2);
	assert_int_equal(reply->steps[1]->region, 8);
	assert_int_equal(reply->steps[1]->step, PLACEMENT_STUCK);
	raftkv__overview_reply__free_unpacked(reply, NULL);
	fake_requests_close(&stage.request);
	stage_end(&stage);
}

/* ---- Steps of placement ---- */

/* The status; `*told`: the region that the answer describes; 0: none. */
static int take_step(
	struct stage *stage, uint64_t region, uint64_t term, struct placement_step step, uint64_t *told)
{
	Raftkv__RegionStepRequest message = RAFTKV__REGION_STEP_REQUEST__INIT;
	Raftkv__Epoch epoch = RAFTKV__EPOCH__INIT;
	Raftkv__RegionStepReply *reply;
	struct slice answer;
	int status;

	epoch.version = 5;
	epoch.conf_version = 6;
	message.region = region;
	message.placer_term = term;
	message.epoch = step.kind == PLACEMENT_REST ? NULL : &epoch;
	message.kind = step.kind;
	message.store = step.store;
	message.replica = step.replica;
	message.leaving = step.leaving;
	answer = ask(stage, FRAME_REGION_STEP, &message.base);
	reply = raftkv__region_step_reply__unpack(NULL, answer.size, answer.data);
	assert_non_null(reply);
	status = reply->status;
	if (told)
		*told = reply->region ? reply->region->region : 0;
	raftkv__region_step_reply__free_unpacked(reply, NULL);
	fake_requests_close(&stage->request);
	return status;
}

static void a_region_is_described_and_its_members_are_changed(void **state)
{
	const struct placement_step promotion = {
		.kind = PLACEMENT_PROMOTE, .store = 4, .replica = 40, .leaving = 30};
	const struct placement_step transfer = {.kind = PLACEMENT_TRANSFER, .store = 3};
	struct fake_raftkv_changes *changes;
	struct stage stage;
	uint64_t told;

	(void)state;
	stage_begin(&stage);
	changes = fake_raftkv_changes(stage.raftkv);
	assert_int_equal(take_step(&stage, 4, 1, (struct placement_step){0}, &told), 0);
	assert_int_equal(told, 4);
	assert_int_equal(
		take_step(&stage, 99, 1, (struct placement_step){0}, &told), STATUS_REGION_NOT_FOUND);
	assert_int_equal(changes->count, 0);
	assert_int_equal(take_step(&stage, 4, 1, promotion, &told), 0);
	assert_int_equal(told, 0);
	assert_int_equal(changes->last.conf_version, 6);
	assert_int_equal(changes->last.step_count, 2);
	assert_int_equal(changes->last.steps[0].type, RAFT_ADD_VOTER);
	assert_int_equal(changes->last.steps[0].replica, 40);
	assert_int_equal(changes->last.steps[0].store, 4);
	assert_int_equal(changes->last.steps[1].type, RAFT_REMOVE_NODE);
	assert_int_equal(changes->last.steps[1].replica, 30);
	changes->status = STATUS_CONF_CHANGE_INVALID;
	assert_int_equal(take_step(&stage, 4, 1, promotion, NULL), STATUS_CONF_CHANGE_INVALID);
	changes->status = 0;
	assert_int_equal(take_step(&stage, 5, 1, transfer, NULL), 0);
	assert_int_equal(changes->transfers, 1);
	assert_int_equal(changes->region, 5);
	assert_int_equal(changes->store, 3);
	stage_end(&stage);
}

static void a_step_for_what_the_region_is_no_more_is_refused(void **state)
{
	const struct placement_step removal = {.kind = PLACEMENT_REMOVE, .store = 4, .leaving = 30};
	struct stage stage;

	(void)state;
	stage_begin(&stage);
	stage.regions[3].epoch.conf_version++;
	stage.regions[4].epoch.version++;
	assert_int_equal(take_step(&stage, 4, 1, removal, NULL), STATUS_EPOCH_NOT_MATCH);
	assert_int_equal(take_step(&stage, 5, 1, removal, NULL), STATUS_EPOCH_NOT_MATCH);
	assert_int_equal(
		take_step(&stage, 6, 1, (struct placement_step){.kind = PLACEMENT_TRANSFER + 1}, NULL),
		STATUS_UNSUPPORTED);
	assert_int_equal(fake_raftkv_changes(stage.raftkv)->count, 0);
	stage_end(&stage);
}

static void a_former_placer_is_refused(void **state)
{
	const struct placement_step removal = {.kind = PLACEMENT_REMOVE, .store = 4, .leaving = 30};
	struct stage stage;

	(void)state;
	stage_begin(&stage);
	assert_int_equal(take_step(&stage, 4, 7, removal, NULL), 0);
	assert_int_equal(take_step(&stage, 5, 6, removal, NULL), -ESTALE);
	assert_int_equal(take_step(&stage, 5, 6, (struct placement_step){0}, NULL), -ESTALE);
	assert_int_equal(take_step(&stage, 5, 7, removal, NULL), 0);
	stage.request.session = 9;
	assert_int_equal(take_step(&stage, 5, 8, removal, NULL), -EPERM);
	stage.request.session = 0;
	assert_int_equal(take_step(&stage, 5, 7, removal, NULL), 0);
	assert_int_equal(fake_raftkv_changes(stage.raftkv)->count, 3);
	stage_end(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_of_newer_programs_are_refused_in_words),
		cmocka_unit_test(fields_of_newer_programs_are_skipped),
		cmocka_unit_test(a_region_is_split_where_it_is_asked),
		cmocka_unit_test(a_split_is_done_once),
		cmocka_unit_test(splits_that_make_no_sense_are_refused_in_words),
		cmocka_unit_test(regions_are_told_page_by_page),
		cmocka_unit_test(the_bytes_of_a_store_are_told),
		cmocka_unit_test(steps_are_told_of_regions_that_others_lead),
		cmocka_unit_test(a_region_is_described_and_its_members_are_changed),
		cmocka_unit_test(a_step_for_what_the_region_is_no_more_is_refused),
		cmocka_unit_test(a_former_placer_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
