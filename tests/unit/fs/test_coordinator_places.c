/*
 * fs/coordinator: simulated stores with a coordinator each, which report and may crash: while files are made, a store is drained,
 * or lost and replaced, or dies; no operation is lost or done twice, and the replicas end up where they are to be, whoever leads
 * their regions. Leaders are evened out.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/eval/eval.h"
#include "fs/cluster/coordinator.h"
#include "fs/cluster/region_step.h"
#include "fs/schema/op.h"
#include "fs/admin/region_draft.h"
#include "fs/regions/region_reports.h"
#include "proto/container.h"
#include "tests/lib/sim_cluster.h"
#include "tests/lib/test.h"

#define STORES	 4u /* the last one has nothing at first */
#define VOTERS	 3u
#define REGIONS	 7u /* where there are several */
#define PATIENCE (60 * (uint64_t)SIM_S)
#define CALLS	 256u

static const char *const addresses[STORES] = {"a:7420", "b:7420", "c:7420", "d:7420"};

struct kept;

/* What a store's coordinator has instead of a dispatcher. */
struct peers {
	struct kept *kept;
	uint32_t number; /* of its store */
};

/* A request of one coordinator to another store. */
struct afar {
	struct kept *kept;
	struct cluster_request *request; /* NULL: nobody waits for it */
	uint32_t from, to;
	bool is_under_way; /* at `to` */
	bool is_lost; /* it ends without an answer */
	struct region_step step;
};

struct reporting {
	struct kept *kept;
	uint32_t number;
	struct region_reports *regions;
	uint64_t term; /* of the coordinator that took the last report */
	bool is_preparing;
	bool is_reticent; /* it tells its regions to another coordinator */
};

struct kept {
	struct sim_cluster cluster;
	struct coordinator *coordinators[STORES];
	struct peers peers[STORES];
	struct reporting reporting[STORES];
	struct afar calls[CALLS];
	uint64_t free[STORES]; /* bytes that the stores say are free */
	uint32_t dead_after_s;
	const char *labels[STORES];
	uint64_t region_bytes; /* of each region; 0: unknown */
	uint32_t unknown; /* replicas on store 1 of regions that nobody tells */
	uint64_t regions[STORES]; /* that they say they have; 0: as it is */
	uint32_t made; /* files */
	uint32_t afar_count; /* requests from store to store */
	bool is_stopped;
	bool is_made; /* the request, with this: */
	struct status outcome;
};

/* ---- Requests to other stores ---- */

static void answer(struct afar *call, int code)
{
	struct cluster_request *request = call->request;
	Raftkv__RegionStepReply reply = RAFTKV__REGION_STEP_REPLY__INIT;
	struct cluster_answer told = {.leader_store = call->step.leader_store};
	const struct raftkv_region_status *status = &call->step.status;
	struct region_draft draft;

	call->is_under_way = false;
	call->request = NULL;
	if (!request)
		return;
	region_draft_init(&draft, call->step.region);
	if (code == 0) {
		draft.message.leader = status->replica;
		draft.message.last_index = status->last_index;
		draft.message.term = status->term;
		region_draft_set_members(&draft, status->epoch, status->members, status->member_count);
		reply.region = &draft.message;
		told.region_step = &reply;
	}
	request->done(request, code, &told);
	region_draft_close(&draft);
}

static void on_afar(struct region_step *step, int code)
{
	answer(container_of(step, struct afar, step), code);
}

static void run_afar(struct afar *call, const Raftkv__RegionStepRequest *message)
{
	struct sim_store *store = &call->kept->cluster.stores[call->to];

	call->is_under_way = true;
	call->step = (struct region_step){.raftkv = store->raftkv,
		.loop = store->caller,
		.region = message->region,
		.epoch = {.version = message->epoch->version, .conf_version = message->epoch->conf_version},
		.step = {.kind = (enum placement_kind)message->kind,
			.store = message->store,
			.replica = message->replica,
			.leaving = message->leaving},
		.done = on_afar};
	region_step_run(&call->step);
}

int dispatcher_run(struct dispatcher *dispatcher, struct cluster_request *request)
{
	const struct peers *peers = (const struct peers *)dispatcher;
	struct kept *kept = peers->kept;

	assert_int_equal(request->kind, CLUSTER_REQUEST_REGION_STEP);
	assert_string_equal(request->address, addresses[request->to_store - 1]);
	kept->afar_count++;
	for (uint32_t i = 0; i < CALLS; i++) {
		struct afar *call = &kept->calls[i];

		if (call->request || call->is_under_way)
			continue;
		*call = (struct afar){.kept = kept,
			.request = request,
			.from = peers->number,
			.to = (uint32_t)request->to_store - 1};
		request->dispatcher = (struct dispatcher *)(void *)call;
		if (kept->coordinators[call->to])
			run_afar(call, request->region_step);
		else
			call->is_lost = true;
		return 0;
	}
	return STATUS_LIMIT;
}

void dispatcher_give_up(struct cluster_request *request, int status)
{
	const struct cluster_answer none = {0};
	struct afar *call = (struct afar *)(void *)request->dispatcher;

	call->request = NULL;
	request->done(request, status, &none);
}

/* Nobody answers those any more, or waits for them. */
static void lose_calls(struct kept *kept, uint32_t number)
{
	for (uint32_t i = 0; i < CALLS; i++) {
		struct afar *call = &kept->calls[i];

		if (call->from == number)
			call->request = NULL;
		if (call->to == number) {
			call->is_under_way = false;
			call->is_lost = call->request != NULL;
		}
	}
}

static void end_lost_calls(struct kept *kept)
{
	for (uint32_t i = 0; i < CALLS; i++) {
		struct afar *call = &kept->calls[i];

		if (call->request && call->is_lost) {
			call->is_lost = false;
			answer(call, -ETIMEDOUT);
		}
	}
}

/* ---- Life ---- */

static void start(struct kept *kept, uint32_t number)
{
	struct sim_store *store = &kept->cluster.stores[number];

	sim_cluster_open(&kept->cluster, number + 1);
	kept->peers[number] = (struct peers){kept, number};
	kept->reporting[number] = (struct reporting){.kept = kept,
		.number = number,
		.is_reticent = kept->reporting[number].is_reticent,
		.regions = region_reports_new(&(struct region_reports_options){
			.loop = store->caller, .raftkv = store->raftkv, .store = number + 1})};
	assert_non_null(kept->reporting[number].regions);
	kept->coordinators[number] = coordinator_new(&(struct coordinator_options){.raftkv = store->raftkv,
		.loop = store->caller,
		.logger = &store->logger,
		.stores = addresses,
		.store_count = number < VOTERS ? VOTERS : 0,
		.dead_after_s = kept->dead_after_s,
		.peers = (struct dispatcher *)(void *)&kept->peers[number]});
	assert_non_null(kept->coordinators[number]);
	coordinator_start(kept->coordinators[number]);
}

static struct kept *kept_new_with(uint64_t seed, uint32_t regions)
{
	struct kept *kept = calloc(1, sizeof *kept);

	assert_non_null(kept);
	sim_cluster_init(&kept->cluster, seed, VOTERS, STORES - VOTERS);
	for (uint32_t i = 0; i < STORES; i++) {
		kept->cluster.stores[i].options.evaluator = eval_evaluator();
		kept->cluster.stores[i].options.initial_regions = regions;
	}
	for (uint32_t i = 0; i < STORES; i++)
		start(kept, i);
	return kept;
}

static struct kept *kept_new(uint64_t seed)
{
	return kept_new_with(seed, 1);
}

static void crash(struct kept *kept, uint32_t number)
{
	sim_store_crash(&kept->cluster.stores[number]);
	lose_calls(kept, number);
	coordinator_free(kept->coordinators[number]);
	region_reports_free(kept->reporting[number].regions);
	kept->coordinators[number] = NULL;
}

static void on_stopped(void *argument)
{
	((struct kept *)argument)->is_stopped = true;
}

static bool is_stopped(void *argument)
{
	return ((const struct kept *)argument)->is_stopped;
}

static bool is_prepared(void *argument)
{
	return !((const struct reporting *)argument)->is_preparing;
}

static void kept_free(struct kept *kept)
{
	for (uint32_t i = 0; i < STORES; i++) {
		if (!kept->coordinators[i])
			continue;
		assert_true(sim_run(kept->cluster.world, PATIENCE, is_prepared, &kept->reporting[i]));
		kept->is_stopped = false;
		coordinator_stop(kept->coordinators[i], on_stopped, kept);
		assert_true(sim_run(kept->cluster.world, PATIENCE, is_stopped, kept));
	}
	for (uint32_t i = 0; i < STORES; i++) {
		if (!kept->coordinators[i])
			continue;
		sim_store_stop(&kept->cluster.stores[i]);
		coordinator_free(kept->coordinators[i]);
		region_reports_free(kept->reporting[i].regions);
	}
	sim_cluster_close(&kept->cluster);
	free(kept);
}

/* ---- Reports ---- */

static void fill_report(struct kept *kept, uint32_t number, struct store_report *report)
{
	struct ident ident = raftkv_ident(kept->cluster.stores[number].raftkv);
	struct raftkv_stats stats;

	*report = (struct store_report){.store = number + 1,
		.incarnation = ident.incarnation,
		.directory_id = ident.directory_id,
		.stats = {.space_total = 100,
			.space_available = 90,
			.data_total = 1000 + number,
			.data_free = kept->free[number]}};
	raftkv_stats(kept->cluster.stores[number].raftkv, &stats);
	report->stats.leaders = stats.leaders;
	report->stats.regions = kept->regions[number] > 0 ? kept->regions[number] : stats.regions;
	report->stats.regions += number == 0 ? kept->unknown : 0;
	strcpy(report->address, addresses[number]);
	if (kept->labels[number])
		strcpy(report->labels, kept->labels[number]);
}

/* To every coordinator: one takes it. */
static void tell(struct reporting *reporting, const struct region_reports_page *page)
{
	struct kept *kept = reporting->kept;
	struct coordinator_overview overview;
	struct store_report report;
	uint64_t id, taken = 0;

	fill_report(kept, reporting->number, &report);
	report.regions_term = page->term;
	report.regions_begin = page->begins;
	report.regions_end = page->ends;
	report.region_count = page->count;
	report.regions = page->reports;
	for (uint32_t i = 0; i < STORES; i++)
		if (kept->coordinators[i] && coordinator_report(kept->coordinators[i], &report, &id) == 0 &&
			coordinator_look(kept->coordinators[i], &overview))
			taken = overview.term;
	reporting->term = taken;
}

static void on_page(void *argument)
{
	struct reporting *reporting = argument;
	struct region_reports_page page = region_reports_page(reporting->regions);

	reporting->is_preparing = false;
	for (uint32_t i = 0; i < page.count; i++)
		((struct region_report *)(uintptr_t)&page.reports[i])->bytes = reporting->kept->region_bytes;
	tell(reporting, &page);
	region_reports_end(reporting->regions, reporting->term > 0 && reporting->term == page.term);
}

static void report_one(struct kept *kept, uint32_t number)
{
	struct reporting *reporting = &kept->reporting[number];

	if (reporting->is_preparing)
		return;
	if (reporting->term == 0 || reporting->is_reticent) {
		tell(reporting, &(struct region_reports_page){
					.term = reporting->term + 1, .begins = true, .ends = true});
		return;
	}
	reporting->is_preparing = true;
	region_reports_prepare(reporting->regions, reporting->term, on_page, reporting);
}

/* Time passes, and whoever lives says so. */
static void pass(struct kept *kept, uint64_t duration)
{
	uint64_t end = sim_time(kept->cluster.world) + duration;

	while (sim_time(kept->cluster.world) < end) {
		for (uint32_t i = 0; i < STORES; i++)
			if (kept->coordinators[i])
				report_one(kept, i);
		sim_cluster_run(&kept->cluster, 200 * SIM_MS);
		end_lost_calls(kept);
	}
}

/* ---- Operations ---- */

struct call {
	struct raftkv_write write;
	struct op_reply reply;
	int status;
	bool is_done;
};

static void on_written(struct raftkv_write *write, int status, struct buf *bytes)
{
	struct call *call = container_of(write, struct call, write);

	call->status = status == 0 ? op_reply_decode(buf_slice(bytes), &call->reply) : status;
	call->is_done = true;
}

static bool is_done(void *argument)
{
	return ((const struct call *)argument)->is_done;
}

/* Once: 0 or the operation's errno; a status when nobody knows. */
static int try_op(struct kept *kept, const struct op *op)
{
	uint32_t leader = sim_cluster_await_leader(&kept->cluster);
	struct sim_store *store = sim_cluster_store(&kept->cluster, leader);
	struct call *call = calloc(1, sizeof *call);
	int status = STATUS_STALE_COMMAND;

	assert_non_null(call);
	call->write =
		(struct raftkv_write){.region = CLUSTER_REGION, .loop = store->caller, .done = on_written};
	assert_int_equal(op_encode(op, &call->write.body), 0);
	raftkv_async_write(store->raftkv, &call->write);
	assert_true(sim_run(kept->cluster.world, PATIENCE, is_done, call));
	status = call->status < 0 ? call->status : call->reply.error;
	buf_unref(call->write.body);
	free(call);
	return status;
}

static struct op make_op(uint32_t number, char name[16])
{
	size_t size = (size_t)snprintf(name, 16, "f%u", number);

	return (struct op){.kind = OP_MAKE,
		.make = {.parent = FS_ROOT_INO,
			.name = slice_of(name, size),
			.mode = S_IFREG | 0644,
			.exclusive = true}};
}

/* Without a slot a retry may find the file there: it was made by the attempt before, and by no other. */
static void make_file(struct kept *kept)
{
	char name[16];
	struct op op = make_op(kept->made++, name);
	int status = try_op(kept, &op);
	bool is_retry = false;

	for (int i = 0; i < 200 && status < -4095; i++) {
		pass(kept, 200 * SIM_MS);
		is_retry = true;
		status = try_op(kept, &op);
	}
	assert_true(status == 0 || (is_retry && status == -EEXIST));
}

/* ---- Admin requests ---- */

struct asked {
	struct admin_request request;
	struct kept *kept;
};

static void on_request(struct admin_request *request, const struct status *status)
{
	struct kept *kept = container_of(request, struct asked, request)->kept;

	kept->is_made = true;
	kept->outcome = *status;
}

/* Until it is done or refused. */
static int ask(struct kept *kept, struct admin_request request)
{
	struct asked asked = {.request = request, .kept = kept};

	asked.request.done = on_request;
	for (int i = 0; i < 50; i++) {
		kept->is_made = false;
		coordinator_take_admin(
			kept->coordinators[sim_cluster_await_leader(&kept->cluster) - 1], &asked.request);
		for (int k = 0; k < 100 && !kept->is_made; k++)
			pass(kept, 200 * SIM_MS);
		assert_true(kept->is_made);
		if (kept->outcome.code != STATUS_NOT_LEADER && kept->outcome.code != -EAGAIN)
			break;
		pass(kept, 200 * SIM_MS);
	}
	return kept->outcome.code;
}

static int set_store(struct kept *kept, uint64_t store, enum store_state state)
{
	return ask(kept, (struct admin_request){.kind = ADMIN_SET_STORE, .store = store, .state = state});
}

/* Has the region so many voters, and nobody else, none of them on that store? */
static bool has_voters(struct kept *kept, uint64_t region, uint32_t gone, uint32_t wanted)
{
	struct raftkv_region_status status;
	uint32_t leader = sim_cluster_leader_of(&kept->cluster, region), voters = 0;

	if (leader == 0 || sim_cluster_status_of(&kept->cluster, leader, region, &status) != 0)
		return false;
	for (uint32_t i = 0; i < status.member_count; i++) {
		if (status.members[i].peer.store == gone || status.members[i].peer.roles != REGION_VOTER)
			return false;
		voters++;
	}
	return voters == wanted;
}

static bool is_placed(struct kept *kept, uint64_t region, uint32_t gone)
{
	return has_voters(kept, region, gone, VOTERS);
}

static bool are_placed(struct kept *kept, uint32_t gone)
{
	for (uint64_t region = 1; region <= REGIONS; region++)
		if (!is_placed(kept, region, gone))
			return false;
	return true;
}

static void await_placed(struct kept *kept, uint32_t gone)
{
	for (int i = 0; i < 600 && !are_placed(kept, gone); i++)
		pass(kept, 200 * SIM_MS);
	assert_true(are_placed(kept, gone));
}

static bool has_members(struct kept *kept, uint32_t gone)
{
	sim_cluster_await_leader(&kept->cluster);
	return is_placed(kept, CLUSTER_REGION, gone);
}

/* Files are made until the store has nothing left, and all of them are there at the end. */
static void work_until_gone(struct kept *kept, uint32_t gone)
{
	for (int i = 0; i < 300 && !has_members(kept, gone); i++) {
		make_file(kept);
		pass(kept, 50 * SIM_MS);
	}
	assert_true(has_members(kept, gone));
	for (uint32_t i = 0; i < kept->made; i++) {
		char name[16];
		struct op op = make_op(i, name);
		int status = try_op(kept, &op);

		for (int k = 0; k < 50 && status < -4095; k++) {
			pass(kept, 200 * SIM_MS);
			status = try_op(kept, &op);
		}
		assert_int_equal(status, -EEXIST);
	}
}

/* ---- Cases ---- */

static void begin(struct kept *kept)
{
	sim_cluster_await_leader(&kept->cluster);
	pass(kept, 3 * (uint64_t)SIM_S);
	for (uint32_t i = 0; i < 10; i++)
		make_file(kept);
}

/* Each of the first three, whether it leads or not. */
static void a_drained_store_is_left(void **state)
{
	(void)state;
	for (uint32_t store = 1; store <= VOTERS; store++) {
		struct kept *kept = kept_new(store);

		begin(kept);
		assert_int_equal(set_store(kept, store, STORE_REMOVED), -EBUSY);
		assert_int_equal(set_store(kept, store, STORE_DRAINING), 0);
		work_until_gone(kept, store);
		pass(kept, 2 * (uint64_t)SIM_S);
		assert_int_equal(set_store(kept, store, STORE_REMOVED), 0);
		pass(kept, 2 * (uint64_t)SIM_S);
		kept_free(kept);
	}
}

static void a_drain_goes_on_under_the_next_leader(void **state)
{
	(void)state;
	for (uint64_t seed = 10; seed < 16; seed++) {
		struct kept *kept = kept_new(seed);
		uint32_t leader;

		begin(kept);
		leader = sim_cluster_await_leader(&kept->cluster);
		assert_int_equal(set_store(kept, leader % VOTERS + 1, STORE_DRAINING), 0);
		pass(kept, (seed - 10) * 200 * SIM_MS);
		crash(kept, sim_cluster_await_leader(&kept->cluster) - 1);
		for (uint32_t i = 0; i < STORES; i++)
			if (!kept->coordinators[i])
				start(kept, i);
		work_until_gone(kept, leader % VOTERS + 1);
		kept_free(kept);
	}
}

static void a_lost_store_is_replaced(void **state)
{
	struct kept *kept = kept_new(20);
	uint32_t lost;

	(void)state;
	begin(kept);
	lost = sim_cluster_await_leader(&kept->cluster) % VOTERS + 1;
	assert_int_equal(set_store(kept, lost, STORE_LOST), -EBUSY); /* it is alive */
	crash(kept, lost - 1);
	pass(kept, 20 * (uint64_t)SIM_S);
	assert_false(has_members(kept, lost)); /* nobody said so */
	assert_int_equal(set_store(kept, lost, STORE_LOST), 0);
	work_until_gone(kept, lost);
	pass(kept, 3 * (uint64_t)SIM_S);
	assert_int_equal(set_store(kept, lost, STORE_UP), -ENOENT); /* it was removed by itself */
	start(kept, lost - 1);
	pass(kept, 3 * (uint64_t)SIM_S);
	assert_true(has_members(kept, lost));
	kept_free(kept);
}

static void without_a_spare_a_drain_is_refused(void **state)
{
	struct kept *kept = kept_new(30);

	(void)state;
	crash(kept, STORES - 1);
	begin(kept);
	assert_int_equal(set_store(kept, 2, STORE_DRAINING), -EBUSY);
	kept_free(kept);
}

static void note_step(void *argument, uint64_t region, enum placement_kind step)
{
	uint32_t *stuck = argument;

	(void)region;
	*stuck += step == PLACEMENT_STUCK;
}

static void a_drain_that_cannot_go_on_is_told(void **state)
{
	struct kept *kept = kept_new(31);
	uint32_t drained, stuck = 0;

	(void)state;
	begin(kept);
	crash(kept, STORES - 1);
	pass(kept, 10 * (uint64_t)SIM_S);
	drained = sim_cluster_await_leader(&kept->cluster) % VOTERS + 1;
	assert_int_equal(ask(kept, (struct admin_request){.kind = ADMIN_SET_STORE,
					   .store = drained,
					   .state = STORE_DRAINING,
					   .is_forced = true}),
		0);
	pass(kept, 5 * (uint64_t)SIM_S);
	coordinator_each_step(
		kept->coordinators[sim_cluster_await_leader(&kept->cluster) - 1], 10, note_step, &stuck);
	assert_int_equal(stuck, 1);
	start(kept, STORES - 1);
	work_until_gone(kept, drained);
	kept_free(kept);
}

static void room_is_what_a_majority_has(void **state)
{
	struct kept *kept = kept_new(40);
	struct coordinator_room room;
	uint32_t leader;

	(void)state;
	kept->free[0] = 500;
	kept->free[1] = 3;
	kept->free[2] = 400;
	begin(kept);
	for (uint32_t i = 0; i < STORES; i++)
		assert_int_equal(coordinator_room(kept->coordinators[i], &room),
			i + 1 == sim_cluster_await_leader(&kept->cluster));
	leader = sim_cluster_await_leader(&kept->cluster);
	assert_true(coordinator_room(kept->coordinators[leader - 1], &room));
	assert_int_equal(room.free, 400); /* two of three; the full one is not asked */
	assert_int_equal(room.total, 1002);
	kept->free[0] = 2;
	pass(kept, 2 * (uint64_t)SIM_S);
	assert_true(coordinator_room(kept->coordinators[leader - 1], &room));
	assert_int_equal(room.free, 3);
	kept_free(kept);
}

static void room_of_more_stores_is_their_sum(void **state)
{
	struct kept *kept = kept_new(41);
	struct coordinator_room room;
	uint32_t leader;

	(void)state;
	for (uint32_t i = 0; i < STORES; i++)
		kept->free[i] = 300 + 3 * i;
	begin(kept);
	leader = sim_cluster_await_leader(&kept->cluster);
	assert_true(coordinator_room(kept->coordinators[leader - 1], &room));
	assert_int_equal(room.free, 303);
	kept->regions[STORES - 1] = 1;
	pass(kept, 2 * (uint64_t)SIM_S);
	assert_true(coordinator_room(kept->coordinators[leader - 1], &room));
	assert_int_equal(room.free, (300 + 303 + 306 + 309) / VOTERS);
	assert_int_equal(room.total, (1000 + 1001 + 1002 + 1003) / VOTERS);
	kept_free(kept);
}

/* The coordinator's store leads all regions at first. None goes to and fro, and region 1 stays where it is. */
static void leaders_are_evened_out_and_stay(void **state)
{
	uint32_t counts[STORES + 1] = {0};
	uint64_t terms[REGIONS + 1];
	struct kept *kept = kept_new_with(50, REGIONS);
	struct raftkv_region_status status;

	(void)state;
	for (uint64_t region = 1; region <= REGIONS; region++)
		sim_cluster_lead_from(&kept->cluster, region, 1);
	pass(kept, 10 * (uint64_t)SIM_S);
	for (uint64_t region = 1; region <= REGIONS; region++) {
		uint32_t leader = sim_cluster_await_leader_of(&kept->cluster, region);

		assert_int_equal(sim_cluster_status_of(&kept->cluster, leader, region, &status), 0);
		terms[region] = status.term;
		counts[leader]++;
		assert_true(region > 1 || leader == 1);
	}
	for (uint32_t store = 1; store <= VOTERS; store++)
		assert_in_range(counts[store], REGIONS / VOTERS, REGIONS / VOTERS + 1);
	pass(kept, 10 * (uint64_t)SIM_S);
	for (uint64_t region = 1; region <= REGIONS; region++) {
		uint32_t leader = sim_cluster_await_leader_of(&kept->cluster, region);

		assert_int_equal(sim_cluster_status_of(&kept->cluster, leader, region, &status), 0);
		assert_int_equal(status.term, terms[region]);
	}
	kept_free(kept);
}

/* Each store leads some. */
static struct kept *kept_new_spread(uint64_t seed, uint32_t dead_after_s)
{
	struct kept *kept = kept_new_with(seed, REGIONS);

	kept->dead_after_s = dead_after_s;
	for (uint32_t i = 0; dead_after_s > 0 && i < STORES; i++) {
		crash(kept, i);
		start(kept, i);
	}
	begin(kept);
	for (uint64_t region = 1; region <= REGIONS; region++)
		sim_cluster_lead_from(&kept->cluster, region, (uint32_t)(region - 1) % VOTERS + 1);
	pass(kept, 3 * (uint64_t)SIM_S);
	return kept;
}

static void a_store_is_drained_of_regions_that_others_lead(void **state)
{
	(void)state;
	for (uint32_t store = 1; store <= VOTERS; store++) {
		struct kept *kept = kept_new_spread(60 + store, 0);

		assert_int_equal(set_store(kept, store, STORE_DRAINING), 0);
		await_placed(kept, store);
		assert_true(kept->afar_count > 0);
		pass(kept, 3 * (uint64_t)SIM_S);
		assert_int_equal(set_store(kept, store, STORE_REMOVED), 0);
		pass(kept, 3 * (uint64_t)SIM_S);
		assert_true(are_placed(kept, store));
		kept_free(kept);
	}
}

static void what_a_dead_store_had_is_made_elsewhere(void **state)
{
	struct kept *kept = kept_new_spread(70, 20);

	(void)state;
	crash(kept, 1);
	pass(kept, 10 * (uint64_t)SIM_S);
	assert_false(are_placed(kept, 2));
	await_placed(kept, 2);
	start(kept, 1);
	pass(kept, 5 * (uint64_t)SIM_S);
	assert_true(set_store(kept, 2, STORE_REMOVED) == -EBUSY); /* it is up again */
	assert_int_equal(set_store(kept, 2, STORE_DRAINING), 0);
	await_placed(kept, 2);
	kept_free(kept);
}

static void the_next_coordinator_goes_on_with_all_regions(void **state)
{
	(void)state;
	for (uint64_t seed = 80; seed < 84; seed++) {
		struct kept *kept = kept_new_spread(seed, 0);
		uint32_t coordinator = sim_cluster_await_leader(&kept->cluster);
		uint32_t drained = coordinator % VOTERS + 1;

		assert_int_equal(set_store(kept, drained, STORE_DRAINING), 0);
		pass(kept, (seed - 80) * 400 * SIM_MS);
		crash(kept, coordinator - 1);
		start(kept, coordinator - 1);
		await_placed(kept, drained);
		kept_free(kept);
	}
}

/* A store that is alive but tells nothing may lead regions that nobody knows. */
static void nothing_is_placed_before_all_have_told_their_regions(void **state)
{
	struct kept *kept = kept_new_with(90, REGIONS);

	(void)state;
	kept->reporting[1].is_reticent = true;
	begin(kept);
	assert_int_equal(set_store(kept, 2, STORE_DRAINING), -EAGAIN);
	kept->reporting[1].is_reticent = false;
	assert_int_equal(set_store(kept, 2, STORE_DRAINING), 0);
	await_placed(kept, 2);
	kept_free(kept);
}

static bool has_both(struct kept *kept, uint64_t region, uint64_t one, uint64_t other)
{
	struct raftkv_region_status status;
	uint32_t leader = sim_cluster_await_leader_of(&kept->cluster, region), count = 0;

	assert_int_equal(sim_cluster_status_of(&kept->cluster, leader, region, &status), 0);
	for (uint32_t i = 0; i < status.member_count; i++)
		count += status.members[i].peer.store == one || status.members[i].peer.store == other;
	return count == 2;
}

/* Stores 1 and 3 are in one zone, whatever their hosts. */
static void replicas_are_spread_over_the_zones(void **state)
{
	static const char *const labels[STORES] = {
		"zone=a,host=1", "zone=b,host=1", "zone=a,host=2", "zone=c"};
	struct kept *kept = kept_new_with(97, REGIONS);
	uint32_t crowded = REGIONS;

	(void)state;
	memcpy(kept->labels, labels, sizeof labels);
	begin(kept);
	for (int i = 0; i < 600 && crowded > 0; i++) {
		pass(kept, 200 * SIM_MS);
		crowded = 0;
		for (uint64_t region = 1; region <= REGIONS; region++)
			crowded += has_both(kept, region, 1, 3);
	}
	assert_int_equal(crowded, 0);
	await_placed(kept, 0);
	kept_free(kept);
}

/* The fourth one has nothing at first. */
static void a_new_store_gets_its_share(void **state)
{
	struct kept *kept = kept_new_with(98, REGIONS);
	struct raftkv_stats stats;

	(void)state;
	begin(kept);
	pass(kept, 10 * (uint64_t)SIM_S);
	raftkv_stats(kept->cluster.stores[3].raftkv, &stats);
	assert_int_equal(stats.regions, 0);
	kept->region_bytes = 1;
	pass(kept, 60 * (uint64_t)SIM_S);
	await_placed(kept, 0);
	for (uint32_t i = 0; i < STORES; i++) {
		raftkv_stats(kept->cluster.stores[i].raftkv, &stats);
		assert_in_range(stats.regions, REGIONS * VOTERS / STORES - 1, REGIONS * VOTERS / STORES + 1);
	}
	kept_free(kept);
}

/* Such a region may have a replica on the store that is to go. */
static void no_store_is_removed_while_regions_are_unknown(void **state)
{
	struct kept *kept = kept_new_with(95, REGIONS);

	(void)state;
	begin(kept);
	assert_int_equal(set_store(kept, 2, STORE_DRAINING), 0);
	await_placed(kept, 2);
	kept->unknown = 1;
	pass(kept, 3 * (uint64_t)SIM_S);
	assert_int_equal(set_store(kept, 2, STORE_REMOVED), -EAGAIN);
	kept->unknown = 0;
	assert_int_equal(set_store(kept, 2, STORE_REMOVED), 0);
	kept_free(kept);
}

static int change(struct kept *kept, enum admin_kind kind, uint64_t region, uint64_t store)
{
	return ask(kept, (struct admin_request){.kind = kind, .region = region, .store = store});
}

static int set_setting(struct kept *kept, enum cluster_setting setting, uint64_t value)
{
	return ask(
		kept, (struct admin_request){
			      .kind = ADMIN_SET_CLUSTER, .setting = setting, .is_set = true, .value = value});
}

static void await_voters(struct kept *kept, uint32_t wanted)
{
	for (int i = 0; i < 300 && !has_voters(kept, CLUSTER_REGION, 0, wanted); i++)
		pass(kept, 200 * SIM_MS);
	assert_true(has_voters(kept, CLUSTER_REGION, 0, wanted));
}

/* The leader of region 1; another store leads it meanwhile. */
static void restart_leader(struct kept *kept)
{
	uint32_t leader = sim_cluster_await_leader(&kept->cluster);

	crash(kept, leader - 1);
	sim_cluster_await_leader(&kept->cluster);
	start(kept, leader - 1);
}

/* Which store coordinates does not matter. */
static void regions_get_as_many_replicas_as_the_cluster_is_set_to(void **state)
{
	struct kept *kept = kept_new(110);

	(void)state;
	begin(kept);
	assert_int_equal(set_setting(kept, SETTING_REPLICAS, 65), -EINVAL);
	assert_int_equal(set_setting(kept, SETTING_STORE_DEAD_AFTER_S, 0), -EINVAL);
	assert_int_equal(set_setting(kept, SETTING_END, 0), STATUS_UNSUPPORTED);
	assert_int_equal(set_setting(kept, SETTING_REPLICAS, STORES), 0);
	await_voters(kept, STORES);
	restart_leader(kept);
	assert_int_equal(set_setting(kept, SETTING_REPLICAS, VOTERS), 0);
	await_voters(kept, VOTERS);
	restart_leader(kept);
	pass(kept, 20 * (uint64_t)SIM_S);
	assert_true(has_voters(kept, CLUSTER_REGION, 0, VOTERS));
	kept_free(kept);
}

/* Region 2 is led by store 2, and region 1, which coordinates, by store 1. */
static void an_administrator_changes_a_region_that_another_store_leads(void **state)
{
	struct kept *kept = kept_new_spread(100, 0);
	struct raftkv_region_status status;

	(void)state;
	assert_int_equal(change(kept, ADMIN_ADD_PEER, 99, 4), STATUS_REGION_NOT_FOUND);
	assert_int_equal(change(kept, ADMIN_ADD_PEER, 2, 1), -EEXIST);
	assert_int_equal(change(kept, ADMIN_REMOVE_PEER, 2, 2), -EBUSY); /* it leads */
	assert_int_equal(change(kept, ADMIN_ADD_PEER, 2, 4), 0);
	pass(kept, 5 * (uint64_t)SIM_S);
	assert_int_equal(change(kept, ADMIN_PROMOTE_PEER, 2, 4), 0);
	assert_int_equal(change(kept, ADMIN_TRANSFER, 2, 4), 0);
	for (int i = 0; i < 50 && sim_cluster_leader_of(&kept->cluster, 2) != 4; i++)
		pass(kept, 200 * SIM_MS);
	assert_int_equal(sim_cluster_leader_of(&kept->cluster, 2), 4);
	pass(kept, 2 * (uint64_t)SIM_S);
	assert_int_equal(change(kept, ADMIN_REMOVE_PEER, 2, 2), 0);
	pass(kept, 2 * (uint64_t)SIM_S);
	assert_int_equal(sim_cluster_status_of(&kept->cluster, 4, 2, &status), 0);
	assert_int_equal(status.member_count, VOTERS);
	assert_true(is_placed(kept, 2, 2));
	kept_free(kept);
}

/* Replicas of the regions on the store, from 0. */
static uint64_t count_regions(struct kept *kept, uint32_t number)
{
	struct raftkv_stats stats;

	raftkv_stats(kept->cluster.stores[number].raftkv, &stats);
	return stats.regions;
}

static bool is_scattering(struct kept *kept)
{
	struct coordinator_overview overview;

	return coordinator_look(
		       kept->coordinators[sim_cluster_await_leader(&kept->cluster) - 1], &overview) &&
	       overview.is_scattering;
}

/* Regions whose size nobody has told: nothing else gives the fourth store a part. */
static void regions_are_scattered_for_an_administrator(void **state)
{
	const uint64_t some[] = {2, 4}, unknown[] = {2, 99};
	struct kept *kept = kept_new_spread(101, 0);

	(void)state;
	assert_int_equal(ask(kept, (struct admin_request){.kind = ADMIN_SCATTER, .is_dry = true}), 0);
	assert_false(is_scattering(kept));
	assert_int_equal(
		ask(kept,
			(struct admin_request){.kind = ADMIN_SCATTER, .regions = unknown, .region_count = 2}),
		STATUS_REGION_NOT_FOUND);
	pass(kept, 10 * (uint64_t)SIM_S);
	assert_int_equal(count_regions(kept, 3), 0);
	assert_int_equal(
		change(kept, ADMIN_TRANSFER, 4, 3), 0); /* it does not hold up what is asked for later */
	assert_int_equal(
		ask(kept, (struct admin_request){.kind = ADMIN_SCATTER, .regions = some, .region_count = 2}),
		0);
	for (int i = 0; i < 300 && is_scattering(kept); i++)
		pass(kept, 200 * SIM_MS);
	assert_false(is_scattering(kept));
	await_placed(kept, 0);
	assert_int_equal(count_regions(kept, 3), 1);
	assert_int_equal(ask(kept, (struct admin_request){.kind = ADMIN_SCATTER}), 0);
	assert_true(is_scattering(kept));
	for (int i = 0; i < 600 && is_scattering(kept); i++)
		pass(kept, 200 * SIM_MS);
	assert_false(is_scattering(kept));
	await_placed(kept, 0);
	for (uint32_t i = 0; i < STORES; i++)
		assert_in_range(
			count_regions(kept, i), REGIONS * VOTERS / STORES, REGIONS * VOTERS / STORES + 1);
	kept_free(kept);
}

/* Stores that drain take nothing. */
static void without_another_store_nothing_is_scattered(void **state)
{
	struct kept *kept = kept_new_spread(102, 0);

	(void)state;
	for (uint32_t i = 2; i <= STORES; i++)
		assert_int_equal(ask(kept, (struct admin_request){.kind = ADMIN_SET_STORE,
						   .store = i,
						   .state = STORE_DRAINING,
						   .is_forced = true}),
			0);
	pass(kept, 2 * (uint64_t)SIM_S);
	assert_int_equal(ask(kept, (struct admin_request){.kind = ADMIN_SCATTER}), -EBUSY);
	assert_non_null(strstr(kept->outcome.text, "one store at most"));
	kept_free(kept);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_drained_store_is_left),
		cmocka_unit_test(a_drain_goes_on_under_the_next_leader),
		cmocka_unit_test(a_lost_store_is_replaced),
		cmocka_unit_test(without_a_spare_a_drain_is_refused),
		cmocka_unit_test(a_drain_that_cannot_go_on_is_told),
		cmocka_unit_test(room_is_what_a_majority_has),
		cmocka_unit_test(room_of_more_stores_is_their_sum),
		cmocka_unit_test(leaders_are_evened_out_and_stay),
		cmocka_unit_test(a_store_is_drained_of_regions_that_others_lead),
		cmocka_unit_test(what_a_dead_store_had_is_made_elsewhere),
		cmocka_unit_test(the_next_coordinator_goes_on_with_all_regions),
		cmocka_unit_test(nothing_is_placed_before_all_have_told_their_regions),
		cmocka_unit_test(no_store_is_removed_while_regions_are_unknown),
		cmocka_unit_test(replicas_are_spread_over_the_zones),
		cmocka_unit_test(a_new_store_gets_its_share),
		cmocka_unit_test(regions_get_as_many_replicas_as_the_cluster_is_set_to),
		cmocka_unit_test(regions_are_scattered_for_an_administrator),
		cmocka_unit_test(without_another_store_nothing_is_scattered),
		cmocka_unit_test(an_administrator_changes_a_region_that_another_store_leads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
