#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/container.h"
#include "tests/lib/test_evaluator.h"
#include "tests/regions/storm.h"

#define PATIENCE      (3 * (uint64_t)SIM_S) /* after which an operation is asked again elsewhere */
#define READ_PATIENCE (60 * (uint64_t)SIM_S)

/* Requests are not freed when a process that has them dies. */
struct storm_request {
	struct raftkv_write write;
	uint64_t life;
	bool is_done;
	int status;
	struct buf *reply;
};

struct storm_read {
	struct raftkv_read read;
	uint32_t store;
	uint64_t life;
	bool is_done;
	int status;
	struct raftkv_snapshot *snapshot;
};

static struct sim_store *store_of(struct storm *storm, uint32_t number)
{
	return sim_cluster_store(&storm->cluster, number);
}

static uint32_t draw_store(struct storm *storm)
{
	return 1 + (uint32_t)storm_draw(storm, STORM_STORES);
}

static bool is_up(struct storm *storm, uint32_t number)
{
	const struct sim_store *store = store_of(storm, number);

	return store->raftkv && sim_node_is_up(store->node) && !store->has_failed;
}

/* ---- Operations ------------------------------------------------------------------------------------------------- */

static struct thing_operation choose(struct storm *storm, uint32_t thing)
{
	static const enum thing_operation_kind kinds[] = {THING_GET, THING_PUT, THING_PUT, THING_COMPARE,
		THING_APPEND, THING_APPEND, THING_APPEND, THING_DELETE, THING_WRITE, THING_WRITE, THING_PATCH,
		THING_UNMAP};
	static const uint32_t counts[] = {1, 1, 2, 8, 17, 33};
	struct thing_operation operation = {.kind = kinds[storm_draw(storm, sizeof kinds / sizeof kinds[0])]};

	operation.first = storm_draw(storm, THING_PARTS);
	operation.count = 8 * (uint32_t)(1 + storm_draw(storm, 32));
	operation.expected = storm->model.things[thing].certain + (storm_draw(storm, 8) == 0);
	if (operation.kind == THING_WRITE || operation.kind == THING_UNMAP) {
		operation.count = counts[storm_draw(storm, sizeof counts / sizeof counts[0])];
		operation.first = storm_draw(storm, OBJECT_UNITS - operation.count + 1);
	}
	if (operation.kind == THING_PATCH)
		operation.first = storm_draw(storm, OBJECT_UNITS * THING_SECTORS_PER_UNIT);
	return operation;
}

static void on_written(struct raftkv_write *write, int status, struct buf *reply)
{
	struct storm_request *request = container_of(write, struct storm_request, write);

	request->is_done = true;
	request->status = status;
	request->reply = status == 0 ? buf_ref(reply) : NULL;
}

static void client_begin(struct storm *storm, struct storm_client *client)
{
	struct thing_operation operation;
	struct model_operation *asked;

	storm->budget--;
	storm->totals->operations++;
	client->thing = (uint32_t)storm_draw(storm, storm->model.thing_count);
	operation = choose(storm, client->thing);
	asked = things_model_ask(&storm->model, client->thing, &operation);
	client->operation = asked->operation.id;
	client->sequence++;
	client->is_retry = false;
	client->asked = sim_time(storm->cluster.world);
	client->body = thing_operation_encode(&asked->operation);
	client->payload = operation.kind == THING_WRITE ? thing_operation_payload(&asked->operation) : NULL;
	check(client->body);
}

static void rest(struct storm *storm, uint64_t *until, uint64_t most)
{
	*until = sim_time(storm->cluster.world) + storm_draw(storm, most + 1);
}

static void client_send(struct storm *storm, struct storm_client *client)
{
	struct sim_store *store = store_of(storm, client->store);
	struct slice name = things_model_name(&storm->model, client->thing);
	struct storm_request *request;
	struct region_epoch epoch;
	uint64_t region;

	if (!is_up(storm, client->store) || raftkv_find_region(store->raftkv, name, &region, &epoch) < 0) {
		client->store = draw_store(storm);
		rest(storm, &client->rest_until, 20 * SIM_MS);
		return;
	}
	request = calloc(1, sizeof *request);
	check(request);
	request->life = storm->stores[client->store - 1].life;
	request->write = (struct raftkv_write){
		.region = region,
		.epoch_version = epoch.version,
		.session = client->session,
		.slot = 0,
		.sequence = client->sequence,
		.is_retry = client->is_retry,
		.body = client->body,
		.payload = client->payload,
		.loop = store->caller,
		.done = on_written,
	};
	client->request = request;
	client->asked = sim_time(storm->cluster.world);
	raftkv_async_write(store->raftkv, &request->write);
}

static void client_finish(struct storm_client *client)
{
	buf_unref(client->body);
	buf_unref(client->payload);
	client->body = client->payload = NULL;
	client->operation = 0;
}

static void take_answer(struct storm *storm, struct storm_client *client, struct buf *bytes)
{
	struct thing_reply reply;

	if (thing_reply_decode(buf_slice(bytes), &reply) < 0)
		violation("an answer of operation %llu is malformed", (unsigned long long)client->operation);
	things_model_done(&storm->model, client->operation, &reply);
	client_finish(client);
	rest(storm, &client->rest_until, 400 * SIM_MS);
}

/* False: ask again. */
static bool is_definite(const struct storm_client *client, int status)
{
	switch (status) {
	case 0:
		return true;
	case STATUS_NOT_LEADER:
	case STATUS_EPOCH_NOT_MATCH:
	case STATUS_REGION_NOT_FOUND:
	case STATUS_STALE_COMMAND:
	case STATUS_LIMIT:
	case STATUS_STOPPING:
	case STATUS_KEY_NOT_IN_REGION: /* the view of an evaluation that a split overtook */
		return false;
	default:
		violation("operation %llu is refused: %s", (unsigned long long)client->operation,
			status_name(status));
	}
}

static void client_look(struct storm *storm, struct storm_client *client)
{
	struct storm_request *request = client->request;
	bool is_lost = request->life != storm->stores[client->store - 1].life || !is_up(storm, client->store);
	uint64_t now = sim_time(storm->cluster.world);
	uint64_t hint;

	if (!request->is_done && !is_lost && now - client->asked < PATIENCE)
		return;
	client->request = NULL;
	if (request->is_done && is_definite(client, request->status)) {
		take_answer(storm, client, request->reply);
		buf_unref(request->reply);
		return;
	}
	/* Every attempt but a plain refusal may have been logged. */
	client->is_retry = true;
	hint = request->is_done ? request->write.leader_store : 0;
	client->store = hint > 0 && hint <= STORM_STORES && storm_draw(storm, 4) > 0 ? (uint32_t)hint
										     : draw_store(storm);
	rest(storm, &client->rest_until, hint > 0 ? 5 * SIM_MS : 60 * SIM_MS);
}

static void client_step(struct storm *storm, struct storm_client *client)
{
	if (client->request)
		client_look(storm, client);
	if (client->request || sim_time(storm->cluster.world) < client->rest_until)
		return;
	if (client->operation == 0 && storm->budget > 0)
		client_begin(storm, client);
	if (client->operation > 0)
		client_send(storm, client);
}

/* ---- Reads ------------------------------------------------------------------------------------------------------ */

static void on_read(struct raftkv_read *read, int status, struct raftkv_snapshot *snapshot)
{
	struct storm_read *mine = container_of(read, struct storm_read, read);

	mine->is_done = true;
	mine->status = status;
	mine->snapshot = snapshot;
}

static struct storm_read *read_begin(struct storm *storm, uint32_t number, uint32_t thing, bool from_follower)
{
	struct sim_store *store = store_of(storm, number);
	struct region_epoch epoch;
	struct storm_read *read;
	uint64_t region;

	if (!is_up(storm, number) || raftkv_find_region(store->raftkv,
					     things_model_name(&storm->model, thing), &region, &epoch) < 0)
		return NULL;
	read = calloc(1, sizeof *read);
	check(read);
	read->store = number;
	read->life = storm->stores[number - 1].life;
	read->read = (struct raftkv_read){.region = region,
		.epoch_version = epoch.version,
		.from_follower = from_follower,
		.loop = store->caller,
		.done = on_read};
	raftkv_async_snapshot(store->raftkv, &read->read);
	return read;
}

/* 0, or why nothing was read. */
static int read_end(struct storm *storm, struct storm_read *read, uint32_t thing, uint64_t certain)
{
	int status = read->status;

	if (status == 0)
		status = things_model_read(
			&storm->model, thing, certain, raftkv_snapshot_view(read->snapshot, true));
	raftkv_snapshot_free(read->snapshot);
	free(read);
	return status;
}

static void reader_step(struct storm *storm, struct storm_reader *reader)
{
	struct storm_read *read = reader->read;
	uint64_t now = sim_time(storm->cluster.world);

	if (read && (read->life != storm->stores[read->store - 1].life || !is_up(storm, read->store) ||
			    (!read->is_done && now - reader->asked > PATIENCE)))
		reader->read = read = NULL;
	if (read && read->is_done) {
		reader->read = NULL;
		read_end(storm, read, reader->thing, reader->certain);
		rest(storm, &reader->rest_until, 40 * SIM_MS);
	}
	if (reader->read || now < reader->rest_until || storm->is_calm)
		return;
	reader->thing = (uint32_t)storm_draw(storm, storm->model.thing_count);
	reader->certain = storm->model.things[reader->thing].certain;
	reader->asked = now;
	reader->read = read_begin(storm, draw_store(storm), reader->thing, storm_draw(storm, 2) == 0);
}

static bool is_read(void *argument)
{
	return ((const struct storm_read *)argument)->is_done;
}

static bool has_region(struct storm *storm, uint32_t number, uint32_t thing)
{
	struct region_epoch epoch;
	uint64_t region;

	return raftkv_find_region(store_of(storm, number)->raftkv, things_model_name(&storm->model, thing),
		       &region, &epoch) == 0;
}

static void read_thing(struct storm *storm, uint32_t number, uint32_t thing, uint64_t patience)
{
	uint64_t deadline = sim_time(storm->cluster.world) + patience;
	int status = -EAGAIN;

	while (status < 0) {
		struct storm_read *read = read_begin(storm, number, thing, true);

		if (!read)
			return; /* it is not here any more */
		if (sim_run(storm->cluster.world, PATIENCE, is_read, read))
			status = read_end(storm, read, thing, storm->model.things[thing].certain);
		if (status < 0 && sim_time(storm->cluster.world) > deadline)
			violation("thing %u cannot be read on store %u: %s", thing, number,
				status_name(status));
		if (status < 0)
			sim_run(storm->cluster.world, 50 * SIM_MS, NULL, NULL);
	}
}

uint32_t clients_count_copies(struct storm *storm)
{
	uint32_t fewest = STORM_STORES;

	for (uint32_t thing = 0; thing < storm->model.thing_count; thing++) {
		uint32_t copies = 0;

		for (uint32_t store = 1; store <= STORM_STORES; store++)
			copies += is_up(storm, store) && has_region(storm, store, thing);
		fewest = copies < fewest ? copies : fewest;
	}
	return fewest;
}

/* Returns how many there are. */
static uint32_t read_copies(struct storm *storm, uint32_t thing)
{
	uint32_t copies = 0;

	for (uint32_t store = 1; store <= STORM_STORES; store++) {
		if (!has_region(storm, store, thing))
			continue;
		copies++;
		read_thing(storm, store, thing, READ_PATIENCE);
	}
	return copies;
}

/* A copy may be missing for a moment: that of the old range is split, and the half comes in a snapshot. */
void clients_read_all(struct storm *storm)
{
	uint64_t deadline = sim_time(storm->cluster.world) + READ_PATIENCE;

	for (uint32_t thing = 0; thing < storm->model.thing_count;) {
		uint32_t copies = read_copies(storm, thing);

		if (copies >= STORM_VOTERS)
			thing++;
		else if (sim_time(storm->cluster.world) > deadline)
			violation("thing %u has %u copies", thing, copies);
		else
			sim_run(storm->cluster.world, 50 * SIM_MS, NULL, NULL);
	}
}

void clients_read(struct storm *storm, uint32_t thing, uint64_t patience)
{
	uint32_t number = draw_store(storm);

	if (is_up(storm, number))
		read_thing(storm, number, thing, patience);
}

uint32_t clients_leader_of(struct storm *storm, uint32_t thing)
{
	struct region_epoch epoch;
	uint64_t region;

	for (uint32_t number = 1; number <= STORM_STORES; number++)
		if (is_up(storm, number) &&
			raftkv_find_region(store_of(storm, number)->raftkv,
				things_model_name(&storm->model, thing), &region, &epoch) == 0)
			return sim_cluster_leader_of(&storm->cluster, region);
	return 0;
}

/* ---- All -------------------------------------------------------------------------------------------------------- */

void clients_init(struct storm *storm)
{
	for (uint32_t i = 0; i < STORM_CLIENTS; i++)
		storm->clients[i] = (struct storm_client){.session = 1 + i, .store = 1 + i % STORM_STORES};
}

void clients_open_sessions(struct storm *storm)
{
	for (uint32_t i = 0; i < STORM_CLIENTS; i++) {
		const struct thing_operation operation = {.kind = THING_OPEN_SESSION,
			.id = storm->clients[i].session,
			.name = things_model_name(&storm->model, 0)};

		sim_cluster_write(&storm->cluster, thing_operation_encode(&operation), NULL);
	}
}

void clients_step(struct storm *storm)
{
	for (uint32_t i = 0; i < STORM_CLIENTS; i++)
		client_step(storm, &storm->clients[i]);
	for (uint32_t i = 0; i < STORM_READERS; i++)
		reader_step(storm, &storm->readers[i]);
}

bool clients_are_idle(const struct storm *storm)
{
	for (uint32_t i = 0; i < STORM_CLIENTS; i++)
		if (storm->clients[i].operation > 0)
			return false;
	for (uint32_t i = 0; i < STORM_READERS; i++)
		if (storm->readers[i].read)
			return false;
	return storm->budget == 0;
}
