/* fs/server/service over a store in memory: what it answers, what it refuses, and that every request ends once. */
#include "fs/server/service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/schema/op.h"
#include "fs/schema/question.h"
#include "fs/schema/records.h"
#include "fs/schema/row_page.h"
#include "fs/transact/peers.h"
#include "fs/transact/transactions.h"
#include "proto/plant.h"
#include "tests/lib/fake_raftkv.h"
#include "tests/lib/fake_requests.h"
#include "tests/lib/sim_env.h"
#include "tests/lib/test.h"

#define PATIENCE  (10 * (uint64_t)SIM_S)
#define EXPIRY_MS 4000u

struct fixture {
	struct sim_world *world;
	struct env_loop *loop;
	struct raftkv *raftkv;
	int beat_status; /* what the coordinator says */
	bool has_room; /* that it knows of: */
	struct coordinator_room room;
	struct store_list list;
	struct peers *peers;
	struct transactions *transactions;
	struct region_loads *loads;
	struct service *service;
	struct rpc_server server;
	struct rpc_request request;
	bool is_stopped;
};

/* The coordinator has its own tests: this one says what it is told to. */
int coordinator_beat(
	struct coordinator *coordinator, uint64_t session, uint64_t answered, struct session_notice *notice)
{
	(void)answered;
	*notice = (struct session_notice){0};
	return session == 7 ? ((struct fixture *)coordinator)->beat_status : STATUS_SESSION_UNKNOWN;
}

bool coordinator_room(struct coordinator *coordinator, struct coordinator_room *room)
{
	*room = ((struct fixture *)coordinator)->room;
	return ((struct fixture *)coordinator)->has_room;
}

static bool is_quiet(void *argument)
{
	return ((struct fixture *)argument)->server.under_way == 0;
}

/* Asks, and waits for what comes of it; the answer stays until the next. */
static int ask(struct fixture *fixture, uint64_t session, uint16_t type, struct slice head, struct buf *data)
{
	fake_requests_close(&fixture->request);
	fixture->request = (struct rpc_request){.session = session};
	fake_requests_ask(&fixture->server, &fixture->request, type, head, data);
	assert_true(sim_run(fixture->world, PATIENCE, is_quiet, fixture));
	assert_true(fixture->request.is_answered == (fixture->request.refusal == 0));
	return fixture->request.refusal;
}

static int ask_message(struct fixture *fixture, uint64_t session, uint16_t type,
	const ProtobufCMessage *message, struct buf *data)
{
	uint8_t bytes[8192];
	size_t size = protobuf_c_message_get_packed_size(message);

	assert_true(size <= sizeof bytes);
	protobuf_c_message_pack(message, bytes);
	return ask(fixture, session, type, slice_of(bytes, size), data);
}

/* ---- Writes ---- */

struct written {
	int status;
	struct op_reply reply;
};

static struct written take_written(struct fixture *fixture)
{
	const struct buf *head = fixture->request.head;
	Raftkv__WriteReply *message = raftkv__write_reply__unpack(NULL, head->size, head->data);
	struct written written = {0};

	assert_non_null(message);
	written.status = message->status;
	if (message->status == 0)
		assert_int_equal(
			op_reply_decode(slice_of(message->reply.data, message->reply.len), &written.reply),
			0);
	raftkv__write_reply__free_unpacked(message, NULL);
	return written;
}

static int send_op_to(struct fixture *fixture, uint64_t region, uint64_t link_session, uint64_t session,
	const struct op *op, struct buf *payload)
{
	Raftkv__WriteRequest message = RAFTKV__WRITE_REQUEST__INIT;
	struct buf *body;
	int refusal;

	assert_int_equal(op_encode(op, &body), 0);
	message.region = region;
	message.epoch_version = 1;
	message.session = session;
	message.sequence = 1;
	message.body = (ProtobufCBinaryData){.len = body->size, .data = body->data};
	refusal = ask_message(fixture, link_session, FRAME_WRITE, &message.base, payload);
	buf_unref(body);
	return refusal;
}

static int send_op(struct fixture *fixture, uint64_t link_session, uint64_t session, const struct op *op,
	struct buf *payload)
{
	return send_op_to(fixture, 1, link_session, session, op, payload);
}

/* The status, or what the operation itself says. */
static int run_op(struct fixture *fixture, uint64_t link_session, uint64_t session, const struct op *op)
{
	struct written written;

	assert_int_equal(send_op(fixture, link_session, session, op, NULL), 0);
	written = take_written(fixture);
	return written.status < 0 ? written.status : written.reply.error;
}

static const struct op make_file = {.kind = OP_MAKE,
	.make = {.parent = FS_ROOT_INO, .name = {"file", 4}, .mode = 0100644, .exclusive = true}};
static const struct op open_session = {
	.kind = OP_SESSION_OPEN, .session_open = {.pid = 1, .host = {"host", 4}, .mount_point = {"/mnt", 4}}};

static void a_mount_changes_files_with_its_session(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(run_op(fixture, 7, 7, &make_file), 0);
	assert_int_equal(run_op(fixture, 7, 7, &make_file), -EEXIST);
}

static bool never(void *argument)
{
	(void)argument;
	return false;
}

/* A change at least what it costs; a refusal nothing. */
static void what_was_answered_counts_as_load(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(run_op(fixture, 7, 8, &make_file), -EPERM);
	sim_run(fixture->world, 3 * (uint64_t)SIM_S, never, NULL);
	assert_int_equal(region_loads_cpu(fixture->loads, 1), 0);
	assert_int_equal(run_op(fixture, 7, 7, &make_file), 0);
	sim_run(fixture->world, SIM_S + SIM_S / 10, never, NULL);
	assert_in_range(region_loads_cpu(fixture->loads, 1), region_loads_cost_of_write(0) / 6,
		region_loads_cost_of_write(0));
	assert_int_equal(region_loads_cpu(fixture->loads, 2), 0);
}

static void another_ones_session_is_refused(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(run_op(fixture, 7, 8, &make_file), -EPERM);
	assert_int_equal(run_op(fixture, 0, 8, &make_file), -EPERM);
	assert_int_equal(run_op(fixture, 7, 0, &make_file), -EPERM);
	assert_int_equal(run_op(fixture, 0, 0, &make_file), -EPERM);
	assert_int_equal(run_op(fixture, 7, 7, &make_file), 0);
}

static void sessions_are_opened_by_all_and_closed_by_their_own(void **state)
{
	struct fixture *fixture = *state;
	struct op close_session = {.kind = OP_SESSION_CLOSE};

	assert_int_equal(run_op(fixture, 0, 0, &open_session), 0);
	close_session.session_end.session = take_written(fixture).reply.id;
	assert_true(close_session.session_end.session > 0);
	assert_int_equal(run_op(fixture, 77, 0, &close_session), -EPERM);
	assert_int_equal(run_op(fixture, close_session.session_end.session, 0, &close_session), 0);
	assert_int_equal(
		run_op(fixture, 0, 0, &close_session), 0); /* an administrator; it is dying already */
}

static void what_is_the_coordinators_is_refused(void **state)
{
	static const enum op_kind kinds[] = {OP_SESSION_ADMIT, OP_SESSION_REMOVE, OP_RECLAIM, OP_FORMAT,
		OP_STORE_SET, OP_ALLOCATE, OP_SETTING_SET};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		struct op op = {.kind = kinds[i]};

		if (kinds[i] == OP_STORE_SET)
			op.store_set.state = STORE_UP;
		if (kinds[i] == OP_SETTING_SET)
			op.setting_set.setting = SETTING_REPLICAS;
		if (kinds[i] == OP_ALLOCATE)
			op.allocate.counter = COUNTER_SESSION;
		assert_int_equal(run_op(fixture, 7, 7, &op), -EPERM);
		assert_int_equal(run_op(fixture, 0, 0, &op), -EPERM);
	}
}

static void what_stores_ask_for_comes_without_a_session(void **state)
{
	const struct op ops[] = {
		{.kind = OP_SESSION_FORGET, .session_end.session = 77},
		{.kind = OP_SESSION_END, .session_end.session = 77},
		{.kind = OP_GRACE_END, .grace_end.inos = slice_of("12345678", 8)},
		{.kind = OP_SESSION_REGISTER, .session_register = {77, 0, 1}},
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
		assert_int_equal(run_op(fixture, 7, 7, &ops[i]), -EPERM);
		assert_int_equal(run_op(fixture, 7, 0, &ops[i]), -EPERM);
		assert_int_equal(
			run_op(fixture, 0, 0, &ops[i]), ops[i].kind == OP_SESSION_REGISTER ? -ENOENT : 0);
	}
}

static void a_payload_belongs_to_a_write(void **state)
{
	const struct op write = {.kind = OP_WRITE, .write.ino = FS_ROOT_INO};
	struct fixture *fixture = *state;
	struct buf *small = buf_copy("data", 4), *large = buf_new(OP_WRITE_SIZE_MAX + 1);

	memset(large->data, 0, large->size);
	assert_int_equal(send_op(fixture, 7, 7, &write, NULL), STATUS_MALFORMED);
	assert_int_equal(send_op(fixture, 7, 7, &write, large), STATUS_MALFORMED);
	assert_int_equal(send_op(fixture, 7, 7, &make_file, small), STATUS_MALFORMED);
	assert_int_equal(send_op(fixture, 7, 7, &write, small), 0);
	buf_unref(small);
	buf_unref(large);
}

static void too_many_payloads_are_put_off(void **state)
{
	const struct op write = {.kind = OP_WRITE, .write.ino = FS_ROOT_INO};
	enum { COUNT = SERVICE_PAYLOAD_SIZE_MAX / OP_WRITE_SIZE_MAX + 1 };
	struct fixture *fixture = *state;
	struct rpc_request *requests = calloc(COUNT, sizeof *requests);
	struct buf *body, *payload = buf_new(OP_WRITE_SIZE_MAX);
	Raftkv__WriteRequest message = RAFTKV__WRITE_REQUEST__INIT;
	uint8_t bytes[256];
	size_t size;

	memset(payload->data, 0, payload->size);
	assert_int_equal(op_encode(&write, &body), 0);
	message.region = message.sequence = 1;
	message.session = 7;
	message.body = (ProtobufCBinaryData){.len = body->size, .data = body->data};
	size = protobuf_c_message_pack(&message.base, bytes);
	fake_raftkv_hold(fixture->raftkv, true);
	for (size_t i = 0; i < COUNT; i++) {
		requests[i].session = 7;
		fake_requests_ask(
			&fixture->server, &requests[i], FRAME_WRITE, slice_of(bytes, size), payload);
		assert_true(requests[i].is_answered == (i == COUNT - 1));
	}
	fixture->request = requests[COUNT - 1];
	assert_int_equal(take_written(fixture).status, STATUS_LIMIT);
	fake_raftkv_hold(fixture->raftkv, false);
	assert_true(sim_run(fixture->world, PATIENCE, is_quiet, fixture));
	for (size_t i = 0; i < COUNT - 1; i++)
		fake_requests_close(&requests[i]);
	/* And then there is room again. */
	assert_int_equal(send_op(fixture, 7, 7, &write, payload), 0);
	assert_int_equal(take_written(fixture).status, 0);
	buf_unref(payload);
	buf_unref(body);
	free(requests);
}

static void another_region_is_not_here(void **state)
{
	struct fixture *fixture = *state;
	Raftkv__WriteRequest message = RAFTKV__WRITE_REQUEST__INIT;
	struct buf *body;

	assert_int_equal(op_encode(&make_file, &body), 0);
	message.region = 2;
	message.session = 7;
	message.sequence = 1;
	message.body = (ProtobufCBinaryData){.len = body->size, .data = body->data};
	assert_int_equal(ask_message(fixture, 7, FRAME_WRITE, &message.base, NULL), 0);
	assert_int_equal(take_written(fixture).status, STATUS_REGION_NOT_FOUND);
	message.region = 0;
	assert_int_equal(ask_message(fixture, 7, FRAME_WRITE, &message.base, NULL), STATUS_MALFORMED);
	buf_unref(body);
}

/* ---- Reads ---- */

static int read_question(struct fixture *fixture, const struct question *question, uint64_t epoch,
	bool from_follower, struct finding *finding)
{
	Raftkv__ReadRequest message = RAFTKV__READ_REQUEST__INIT;
	Raftkv__ReadReply *reply;
	struct buf *bytes;
	int status;

	assert_int_equal(question_encode(question, &bytes), 0);
	message.region = 1;
	message.epoch_version = epoch;
	message.from_follower = from_follower;
	message.question = (ProtobufCBinaryData){.len = bytes->size, .data = bytes->data};
	assert_int_equal(ask_message(fixture, 0, FRAME_READ, &message.base, NULL), 0);
	buf_unref(bytes);
	reply = raftkv__read_reply__unpack(NULL, fixture->request.head->size, fixture->request.head->data);
	assert_non_null(reply);
	status = reply->status;
	if (status == 0)
		status = finding_take(question, slice_of(reply->finding.data, reply->finding.len),
			buf_slice(fixture->request.data), finding);
	raftkv__read_reply__free_unpacked(reply, NULL);
	return status;
}

static void questions_are_answered_at_once_after_a_round_or_by_a_worker(void **state)
{
	const struct question lookup = {.kind = QUESTION_LOOKUP, .ino = FS_ROOT_INO, .name = {"file", 4}};
	const struct question root = {.kind = QUESTION_ATTRIBUTES, .ino = FS_ROOT_INO};
	struct fixture *fixture = *state;
	struct finding finding = {0};

	assert_int_equal(read_question(fixture, &lookup, 1, false, &finding), -ENOENT);
	assert_int_equal(run_op(fixture, 7, 7, &make_file), 0);
	for (uint32_t i = 0; i < 100; i++) {
		assert_int_equal(read_question(fixture, &lookup, 1, i % 2, &finding), 0);
		assert_int_equal(finding.attributes.mode, 0100644);
		assert_int_equal(read_question(fixture, &root, 0, i % 2, &finding), 0);
		assert_int_equal(finding.attributes.ino, FS_ROOT_INO);
	}
	assert_true(fake_raftkv_counts(fixture->raftkv)->rounds > 10);
}

/* df is about the cluster, whoever answers: where the coordinator knows. */
static void room_is_the_clusters(void **state)
{
	const struct question space = {.kind = QUESTION_SPACE, .ino = FS_ROOT_INO};
	struct fixture *fixture = *state;
	struct finding finding = {0};

	assert_int_equal(read_question(fixture, &space, 1, false, &finding), 0);
	assert_int_not_equal(finding.free_units, 3);
	fixture->has_room = true;
	fixture->room = (struct coordinator_room){.total = 10 * FS_UNIT_SIZE, .free = 3 * FS_UNIT_SIZE};
	for (uint32_t i = 0; i < 20; i++) {
		assert_int_equal(read_question(fixture, &space, 1, i % 2, &finding), 0);
		assert_int_equal(finding.total_units, 10);
		assert_int_equal(finding.free_units, 3);
		assert_int_equal(finding.inodes, 1);
	}
}

/* After a split the count of a region may be negative. */
static void inodes_are_never_fewer_than_none(void **state)
{
	static const struct {
		int64_t count;
		uint64_t shown;
	} cases[] = {{-1, 0}, {INT64_MIN, 0}, {0, 0}, {5, 5}};
	const struct question space = {.kind = QUESTION_SPACE, .ino = FS_ROOT_INO};
	struct fs_key key = fs_key_counter(COUNTER_INODES);
	struct fixture *fixture = *state;
	struct finding finding = {0};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint8_t bytes[16];
		struct writer writer = writer_fixed(bytes, sizeof bytes);

		counter_encode((uint64_t)cases[i].count, &writer);
		memory_view_put(fake_raftkv_files(fixture->raftkv)->memory, KEY_LOCAL, fs_key_slice(&key),
			writer_written(&writer));
		assert_int_equal(read_question(fixture, &space, 1, false, &finding), 0);
		assert_int_equal(finding.inodes, cases[i].shown);
	}
}

/* A mount may be newer than its store: it is told so, and keeps its link. */
static void what_a_newer_mount_asks_is_refused(void **state)
{
	static const uint8_t kind[] = {1, 250, 1, 2, 3}, version[] = {2, OP_HOLD, 1};
	static const struct slice bodies[] = {{kind, sizeof kind}, {version, sizeof version}};
	struct fixture *fixture = *state;
	struct buf *payload = buf_copy("payload", 7);

	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		const ProtobufCBinaryData body = {
			.len = bodies[i].size, .data = (uint8_t *)(uintptr_t)bodies[i].data};
		Raftkv__WriteRequest write = RAFTKV__WRITE_REQUEST__INIT;
		Raftkv__ReadRequest read = RAFTKV__READ_REQUEST__INIT;
		Raftkv__ReadReply *reply;

		write.region = read.region = write.sequence = 1;
		write.session = 7;
		write.body = read.question = body;
		assert_int_equal(ask_message(fixture, 7, FRAME_WRITE, &write.base, payload), 0);
		assert_int_equal(take_written(fixture).status, STATUS_UNSUPPORTED);
		assert_int_equal(ask_message(fixture, 7, FRAME_READ, &read.base, NULL), 0);
		reply = raftkv__read_reply__unpack(
			NULL, fixture->request.head->size, fixture->request.head->data);
		assert_non_null(reply);
		assert_int_equal(reply->status, STATUS_UNSUPPORTED);
		raftkv__read_reply__free_unpacked(reply, NULL);
	}
	buf_unref(payload);
}

static void nonsense_ends_the_link(void **state)
{
	static const uint8_t junk[] = {0xff, 0xff, 0xff, 0xff, 0xff, 1};
	static const uint16_t types[] = {FRAME_READ, FRAME_WRITE, FRAME_BEAT, FRAME_ROUTES};
	struct fixture *fixture = *state;
	struct buf *extra = buf_copy("extra", 5);

	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		assert_int_equal(
			ask(fixture, 7, types[i], slice_of(junk, sizeof junk), NULL), STATUS_MALFORMED);
	/* Without fields a message is empty: nothing to ask for but routes. */
	assert_int_equal(ask(fixture, 7, FRAME_READ, (struct slice){0}, NULL), STATUS_MALFORMED);
	assert_int_equal(ask(fixture, 7, FRAME_WRITE, (struct slice){0}, NULL), STATUS_MALFORMED);
	assert_int_equal(ask(fixture, 7, FRAME_BEAT, (struct slice){0}, NULL), STATUS_MALFORMED);
	assert_int_equal(ask(fixture, 7, FRAME_ROUTES, (struct slice){0}, extra), STATUS_MALFORMED);
	buf_unref(extra);
}

/* ---- Beats and routes ---- */

static Raftkv__BeatReply beat(struct fixture *fixture, uint64_t link_session, uint64_t session)
{
	Raftkv__BeatRequest message = RAFTKV__BEAT_REQUEST__INIT;
	Raftkv__BeatReply *reply, copy;

	message.session = session;
	assert_int_equal(ask_message(fixture, link_session, FRAME_BEAT, &message.base, NULL), 0);
	reply = raftkv__beat_reply__unpack(NULL, fixture->request.head->size, fixture->request.head->data);
	assert_non_null(reply);
	copy = *reply;
	raftkv__beat_reply__free_unpacked(reply, NULL);
	return copy;
}

static void beats_go_to_who_keeps_the_cluster(void **state)
{
	struct fixture *fixture = *state;
	Raftkv__BeatReply reply;

	assert_int_equal(beat(fixture, 7, 7).status, 0);
	assert_int_equal(beat(fixture, 9, 9).status, STATUS_SESSION_UNKNOWN);
	fixture->beat_status = STATUS_NOT_LEADER;
	reply = beat(fixture, 7, 7);
	assert_int_equal(reply.status, STATUS_NOT_LEADER);
	assert_int_equal(reply.leader_store, 1);
	assert_int_equal(reply.expiry_ms, EXPIRY_MS);
	assert_int_equal(beat(fixture, 7, 8).status, -EPERM);
	assert_int_equal(beat(fixture, 0, 8).status, -EPERM);
}

static void routes_say_where_what_is(void **state)
{
	struct fixture *fixture = *state;
	Raftkv__RoutesReply *reply;

	assert_int_equal(ask(fixture, 0, FRAME_ROUTES, (struct slice){0}, NULL), 0);
	reply = raftkv__routes_reply__unpack(NULL, fixture->request.head->size, fixture->request.head->data);
	assert_non_null(reply);
	assert_int_equal(reply->status, 0);
	assert_int_equal(reply->n_routes, 1);
	assert_int_equal(reply->routes[0]->region, 1);
	assert_int_equal(reply->routes[0]->leader_store, 1);
	assert_int_equal(reply->routes[0]->n_replicas, 1);
	assert_int_equal(reply->n_stores, 2); /* as the cluster began */
	assert_string_equal(reply->stores[1]->address, "b:2");
	raftkv__routes_reply__free_unpacked(reply, NULL);
}

/* Regions 1, 2, 3 and so on begin at "", "b", "c" and so on. */
#define REGIONS 7u

static void set_regions(struct fixture *fixture, struct region *regions)
{
	for (uint32_t i = 0; i < REGIONS; i++) {
		const char bounds[] = {(char)('a' + i), (char)('b' + i)};

		regions[i] = (struct region){.id = i + 1,
			.epoch = {.version = 10 + i, .conf_version = 1},
			.start = i > 0 ? buf_copy(&bounds[0], 1) : NULL,
			.end = i + 1 < REGIONS ? buf_copy(&bounds[1], 1) : NULL};
	}
	fake_raftkv_set_regions(fixture->raftkv, regions, REGIONS);
}

static void close_regions(struct region *regions)
{
	for (uint32_t i = 0; i < REGIONS; i++)
		region_close(&regions[i]);
}

/* `count` regions from `first` on. */
static void expect_routes(Raftkv__Route **routes, size_t count, uint64_t first, size_t expected)
{
	assert_int_equal(count, expected);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(routes[i]->region, first + i);
		assert_int_equal(routes[i]->epoch->version, 9 + first + i);
		assert_int_equal(routes[i]->n_replicas, 1);
		assert_int_equal(routes[i]->start.len, first + i > 1);
		assert_int_equal(routes[i]->end.len, first + i < REGIONS);
		if (first + i > 1)
			assert_int_equal(routes[i]->start.data[0], 'a' + first + i - 1);
	}
}

/* `next`: the letter with which the next page begins; 0: there is none. */
static void expect_page(
	struct fixture *fixture, const char *key, uint32_t limit, uint64_t first, size_t expected, char next)
{
	Raftkv__RoutesRequest message = RAFTKV__ROUTES_REQUEST__INIT;
	Raftkv__RoutesReply *reply;

	message.key = (ProtobufCBinaryData){.len = strlen(key), .data = (uint8_t *)(uintptr_t)key};
	message.limit = limit;
	assert_int_equal(ask_message(fixture, 0, FRAME_ROUTES, &message.base, NULL), 0);
	reply = raftkv__routes_reply__unpack(NULL, fixture->request.head->size, fixture->request.head->data);
	assert_non_null(reply);
	assert_int_equal(reply->status, 0);
	expect_routes(reply->routes, reply->n_routes, first, expected);
	assert_int_equal(reply->next.len, next != 0);
	if (next != 0)
		assert_int_equal(reply->next.data[0], next);
	assert_int_equal(reply->n_stores, 2);
	raftkv__routes_reply__free_unpacked(reply, NULL);
}

static void routes_come_in_pages(void **state)
{
	struct fixture *fixture = *state;
	struct region regions[REGIONS];

	set_regions(fixture, regions);
	expect_page(fixture, "", 0, 1, REGIONS, 0); /* as older mounts ask */
	expect_page(fixture, "", 3, 1, 3, 'd');
	expect_page(fixture, "d", 3, 4, 3, 'g');
	expect_page(fixture, "g", 3, 7, 1, 0);
	expect_page(fixture, "e", 3, 5, 3, 0);
	expect_page(fixture, "bbb", 1, 2, 1, 'c');
	expect_page(fixture, "zzz", UINT32_MAX, 7, 1, 0);
	close_regions(regions);
}

/* A range and the epoch of what became of it would be a route that no later one replaces. */
static void a_range_goes_with_its_own_epoch(void **state)
{
	struct fixture *fixture = *state;
	struct region before[REGIONS], after[REGIONS];
	Raftkv__RoutesReply *reply;

	set_regions(fixture, before);
	fake_requests_close(&fixture->request);
	fixture->request = (struct rpc_request){0};
	fake_requests_ask(&fixture->server, &fixture->request, FRAME_ROUTES, (struct slice){0}, NULL);
	set_regions(fixture, after);
	after[2].epoch.version++; /* split */
	after[3].epoch.conf_version++; /* a replica was added */
	assert_true(sim_run(fixture->world, PATIENCE, is_quiet, fixture));
	reply = raftkv__routes_reply__unpack(NULL, fixture->request.head->size, fixture->request.head->data);
	assert_non_null(reply);
	assert_int_equal(reply->n_routes, REGIONS);
	assert_int_equal(reply->routes[1]->n_replicas, 1);
	assert_int_equal(reply->routes[2]->n_replicas, 0); /* mounts leave it out */
	assert_int_equal(reply->routes[3]->n_replicas, 1);
	assert_int_equal(reply->routes[3]->epoch->conf_version, 2);
	raftkv__routes_reply__free_unpacked(reply, NULL);
	close_regions(before);
	close_regions(after);
}

static void who_has_an_old_route_is_told_the_new_ones(void **state)
{
	struct fixture *fixture = *state;
	Raftkv__ReadRequest message = RAFTKV__READ_REQUEST__INIT;
	const struct question question = {.kind = QUESTION_ATTRIBUTES, .ino = FS_ROOT_INO};
	struct region regions[REGIONS];
	Raftkv__WriteReply *written;
	Raftkv__ReadReply *read;
	struct buf *body;

	set_regions(fixture, regions);
	assert_int_equal(question_encode(&question, &body), 0);
	message.region = 2;
	message.question = (ProtobufCBinaryData){.len = body->size, .data = body->data};
	assert_int_equal(ask_message(fixture, 7, FRAME_READ, &message.base, NULL), 0);
	read = raftkv__read_reply__unpack(NULL, fixture->request.head->size, fixture->request.head->data);
	assert_non_null(read);
	assert_int_equal(read->status, STATUS_REGION_NOT_FOUND);
	expect_routes(read->routes, read->n_routes, 2, 4);
	raftkv__read_reply__free_unpacked(read, NULL);
	buf_unref(body);

	assert_int_equal(send_op_to(fixture, 6, 7, 7, &make_file, NULL), 0);
	written = raftkv__write_reply__unpack(NULL, fixture->request.head->size, fixture->request.head->data);
	assert_non_null(written);
	assert_int_equal(written->status, STATUS_REGION_NOT_FOUND);
	expect_routes(written->routes, written->n_routes, 6, 2);
	raftkv__write_reply__free_unpacked(written, NULL);
	close_regions(regions);
}

/* ---- Pages of rows ---- */

static int read_page(
	struct fixture *fixture, uint64_t session, uint64_t region, uint64_t epoch, struct row_page *page)
{
	static uint8_t room[ROW_PAGE_SIZE_MIN];
	const struct question question = {.kind = QUESTION_PAGE, .size = sizeof room};
	struct finding finding = {.bytes = room};
	Raftkv__ReadRequest message = RAFTKV__READ_REQUEST__INIT;
	Raftkv__ReadReply *reply;
	struct buf *bytes;
	int status;

	assert_int_equal(question_encode(&question, &bytes), 0);
	message.region = region;
	message.epoch_version = epoch;
	message.from_follower = true;
	message.question = (ProtobufCBinaryData){.len = bytes->size, .data = bytes->data};
	assert_int_equal(ask_message(fixture, session, FRAME_READ, &message.base, NULL), 0);
	buf_unref(bytes);
	reply = raftkv__read_reply__unpack(NULL, fixture->request.head->size, fixture->request.head->data);
	assert_non_null(reply);
	status = reply->status;
	if (status == 0)
		status = finding_take(&question, slice_of(reply->finding.data, reply->finding.len),
			buf_slice(fixture->request.data), &finding);
	if (status == 0)
		status = row_page_decode(slice_of(room, finding.count), page);
	raftkv__read_reply__free_unpacked(reply, NULL);
	return status;
}

static int find_name(void *argument, enum key_space space, struct slice key, struct slice value)
{
	struct slice name;
	uint64_t hash;

	(void)value;
	if (space == KEY_DATA && fs_key_parse_entry(key, &hash, &name) == 0)
		*(bool *)argument = slice_compare(name, slice_of("file", 4)) == 0;
	return 0;
}

/* And count as no load. */
static void administrators_get_pages_of_rows_from_the_leader(void **state)
{
	struct fixture *fixture = *state;
	struct row_page page;
	bool has = false;
	uint32_t load;

	assert_int_equal(run_op(fixture, 7, 7, &make_file), 0);
	sim_run(fixture->world, SIM_S + SIM_S / 10, never, NULL);
	load = region_loads_cpu(fixture->loads, 1);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(read_page(fixture, 0, 1, 1, &page), 0);
	assert_int_equal(page.region, 1);
	assert_int_equal(page.version, 1);
	assert_int_equal(page.next.size, 0);
	assert_int_equal(row_page_each(&page, find_name, &has), 0);
	assert_true(has);
	sim_run(fixture->world, SIM_S + SIM_S / 10, never, NULL);
	assert_true(region_loads_cpu(fixture->loads, 1) <= load);
}

static void a_page_is_refused_to_a_mount_and_by_another_epoch(void **state)
{
	struct fixture *fixture = *state;
	struct region regions[REGIONS];
	struct row_page page;

	assert_int_equal(read_page(fixture, 7, 1, 1, &page), -EPERM);
	set_regions(fixture, regions); /* region 1 has version 10 */
	assert_int_equal(read_page(fixture, 0, 1, 1, &page), STATUS_EPOCH_NOT_MATCH);
	assert_int_equal(read_page(fixture, 0, 1, 10, &page), 0);
	assert_int_equal(page.version, 10);
	assert_int_equal(page.end.size, 1);
	close_regions(regions);
}

static void a_follower_has_no_page(void **state)
{
	struct fixture *fixture = *state;
	struct row_page page;

	assert_int_equal(read_page(fixture, 0, 1, 1, &page), STATUS_NOT_LEADER);
}

/* ---- Life ---- */

/* Everything is in one region: the peers are asked for nothing. */
static void make_transactions(struct fixture *fixture, struct service_options *options)
{
	const struct peers_options peers = {.loop = fixture->loop, .address = "a:1", .seeds = &fixture->list};
	struct transactions_options transactions = {.loop = fixture->loop, .raftkv = fixture->raftkv};

	fixture->peers = peers_new(&peers);
	assert_non_null(fixture->peers);
	options->peers = transactions.peers = peers_dispatcher(fixture->peers);
	options->transactions = fixture->transactions = transactions_new(&transactions);
	assert_non_null(fixture->transactions);
}

static int set_up_as(void **state, bool is_follower)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);
	struct fake_raftkv_options fake = {.seed = 3,
		.delay_max_ns = SIM_MS,
		.cold_one_in = 3,
		.round_one_in = 3,
		.is_follower = is_follower};
	struct service_options options = {.expiry_ms = EXPIRY_MS};
	struct env *env;

	assert_non_null(fixture);
	fixture->world = sim_world_new(5);
	env = sim_node_start(sim_node_new(fixture->world, "store"));
	assert_int_equal(env_loop_new(env, "loop", &fixture->loop), 0);
	assert_int_equal(env_loop_start(fixture->loop), 0);
	assert_int_equal(store_list_parse(&fixture->list, "a:1,b:2", NULL), 0);
	fake.loop = options.loop = fixture->server.loop = fixture->loop;
	options.raftkv = fixture->raftkv = fake_raftkv_new(&fake);
	options.coordinator = (struct coordinator *)fixture;
	options.list = &fixture->list;
	options.loads = fixture->loads = region_loads_new(
		&(struct region_loads_options){.loop = fixture->loop, .raftkv = fixture->raftkv});
	assert_non_null(fixture->loads);
	make_transactions(fixture, &options);
	fixture->service = service_new(&options, &fixture->server);
	assert_non_null(fixture->service);
	*state = fixture;
	return 0;
}

static int set_up(void **state)
{
	return set_up_as(state, false);
}

static int set_up_follower(void **state)
{
	return set_up_as(state, true);
}

static void on_stopped(void *argument)
{
	((struct fixture *)argument)->is_stopped = true;
}

static void on_peers_stopped(void *argument)
{
	struct fixture *fixture = argument;

	service_stop(fixture->service, on_stopped, fixture);
}

static void on_transactions_stopped(void *argument)
{
	struct fixture *fixture = argument;

	service_leave_peers(fixture->service);
	peers_stop(fixture->peers, on_peers_stopped, fixture);
}

static bool is_stopped(void *argument)
{
	return ((struct fixture *)argument)->is_stopped;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	fake_requests_close(&fixture->request);
	transactions_stop(fixture->transactions, on_transactions_stopped, fixture);
	assert_true(sim_run(fixture->world, PATIENCE, is_stopped, fixture));
	service_free(fixture->service);
	region_loads_stop(fixture->loads);
	region_loads_free(fixture->loads);
	transactions_free(fixture->transactions);
	peers_free(fixture->peers);
	fake_raftkv_free(fixture->raftkv);
	store_list_close(&fixture->list);
	env_loop_stop(fixture->loop);
	env_loop_free(fixture->loop);
	sim_world_free(fixture->world);
	free(fixture);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_mount_changes_files_with_its_session),
		TEST(what_was_answered_counts_as_load),
		TEST(another_ones_session_is_refused),
		TEST(sessions_are_opened_by_all_and_closed_by_their_own),
		TEST(what_is_the_coordinators_is_refused),
		TEST(what_stores_ask_for_comes_without_a_session),
		TEST(a_payload_belongs_to_a_write),
		TEST(too_many_payloads_are_put_off),
		TEST(another_region_is_not_here),
		TEST(questions_are_answered_at_once_after_a_round_or_by_a_worker),
		TEST(room_is_the_clusters),
		TEST(inodes_are_never_fewer_than_none),
		TEST(administrators_get_pages_of_rows_from_the_leader),
		TEST(a_page_is_refused_to_a_mount_and_by_another_epoch),
		cmocka_unit_test_setup_teardown(a_follower_has_no_page, set_up_follower, tear_down),
		TEST(what_a_newer_mount_asks_is_refused),
		TEST(nonsense_ends_the_link),
		TEST(beats_go_to_who_keeps_the_cluster),
		TEST(routes_say_where_what_is),
		TEST(routes_come_in_pages),
		TEST(a_range_goes_with_its_own_epoch),
		TEST(who_has_an_old_route_is_told_the_new_ones),
	};

#ifdef RAFTKV_PLANT
	plant_choose(getenv("RAFTKV_PLANTED"));
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
