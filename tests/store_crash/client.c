#include "tests/store_crash/client.h"

#include <errno.h>
#include <string.h>

#include "proto/check.h"

static uint64_t draw(struct clients *clients, uint64_t below)
{
	return sim_random(clients->machine->world, below);
}

static void think(struct clients *clients, struct env_timer *timer, struct env_loop *loop, uint64_t most,
	env_timer_cb expired)
{
	env_timer_start(timer, loop, env_now(clients->machine->env) + draw(clients, most + 1), expired);
}

/* The epoch version is sometimes 0: not compared. */
static uint64_t region_of(struct clients *clients, uint32_t thing, uint64_t *epoch_version)
{
	struct region_epoch epoch;
	uint64_t region;

	if (raftkv_find_region(
		    clients->machine->raftkv, things_model_name(clients->model, thing), &region, &epoch) < 0)
		violation("thing %u has no region", thing);
	check(region < REGION_IDS_MAX);
	*epoch_version = draw(clients, 2) ? epoch.version : 0;
	return region;
}

/* A split has overtaken the request, which had no effect. One that names its epoch is not looked at under another.
 * Between the split and the start of the new region's replica the region is known and not there. */
static bool is_overtaken(const struct clients *clients, uint64_t region, uint64_t epoch_version, int status)
{
	switch (status) {
	case STATUS_EPOCH_NOT_MATCH:
		return epoch_version > 0;
	case STATUS_KEY_NOT_IN_REGION:
		return epoch_version == 0;
	case STATUS_REGION_NOT_FOUND:
		return region > clients->machine->options.initial_regions;
	default:
		return false;
	}
}

/* ---- What to ask for -------------------------------------------------------------------------------------------- */

static void choose_units(struct clients *clients, struct thing_operation *operation)
{
	static const uint32_t counts[] = {1, 1, 2, 8, 15, 16, 17, 33, OBJECT_UNITS};
	uint32_t count = counts[draw(clients, sizeof counts / sizeof counts[0])];

	operation->count = count;
	operation->first = draw(clients, OBJECT_UNITS - count + 1);
}

static struct thing_operation choose(struct clients *clients, uint32_t thing)
{
	static const enum thing_operation_kind kinds[] = {THING_GET, THING_PUT, THING_PUT, THING_COMPARE,
		THING_COMPARE, THING_APPEND, THING_APPEND, THING_DELETE, THING_DELETE_RANGE, THING_WRITE,
		THING_WRITE, THING_WRITE, THING_PATCH, THING_PATCH, THING_UNMAP};
	struct thing_operation operation = {.kind = kinds[draw(clients, sizeof kinds / sizeof kinds[0])]};

	switch (operation.kind) {
	case THING_PUT:
	case THING_COMPARE:
		operation.count =
			8 *
			(uint32_t)(1 + draw(clients, draw(clients, 8) == 0 ? THING_PART_SIZE_MAX / 8 : 32));
		operation.expected = clients->model->things[thing].certain + (draw(clients, 8) == 0);
		operation.first = draw(clients, THING_PARTS);
		break;
	case THING_DELETE_RANGE:
		operation.first = draw(clients, THING_PARTS - 1);
		operation.count = 1 + (uint32_t)draw(clients, THING_PARTS - operation.first);
		break;
	case THING_WRITE:
	case THING_UNMAP:
		choose_units(clients, &operation);
		break;
	case THING_PATCH:
		operation.first = draw(clients, OBJECT_UNITS * THING_SECTORS_PER_UNIT);
		break;
	default:
		operation.first = draw(clients, THING_PARTS);
	}
	return operation;
}

static bool spares_space(enum thing_operation_kind kind)
{
	return kind == THING_GET || kind == THING_DELETE || kind == THING_DELETE_RANGE || kind == THING_UNMAP;
}

static void begin(struct slot *slot)
{
	struct clients *clients = slot->clients;
	bool is_emptying = clients->unmap_next < clients->model->thing_count;
	uint32_t thing =
		is_emptying ? clients->unmap_next++ : (uint32_t)draw(clients, clients->model->thing_count);
	struct thing_operation operation =
		is_emptying ? (struct thing_operation){.kind = THING_UNMAP, .count = OBJECT_UNITS}
			    : choose(clients, thing);
	struct model_operation *asked = things_model_ask(clients->model, thing, &operation);

	clients->budget--;
	clients->operations++;
	slot->operation = asked->operation.id;
	slot->sequence++;
	slot->is_retry = false;
	slot->body = thing_operation_encode(&asked->operation);
	slot->payload = operation.kind == THING_WRITE ? thing_operation_payload(&asked->operation) : NULL;
}

static void finish(struct slot *slot)
{
	buf_unref(slot->body);
	buf_unref(slot->payload);
	slot->body = slot->payload = NULL;
	slot->operation = 0;
}

/* ---- Slots ------------------------------------------------------------------------------------------------------ */

static uint64_t bit_of(uint64_t region)
{
	return (uint64_t)1 << region;
}

static void on_slot_timer(struct env_timer *timer);
static void on_written(struct raftkv_write *write, int status, struct buf *reply);

static void rest(struct slot *slot, uint64_t most)
{
	think(slot->clients, &slot->timer, slot->loop, most, on_slot_timer);
}

static void submit(
	struct slot *slot, struct request *request, uint64_t session, struct buf *body, struct buf *payload)
{
	request->slot = slot;
	request->is_waiting = true;
	request->write = (struct raftkv_write){
		.region = slot->region,
		.epoch_version = slot->epoch_version,
		.session = session,
		.slot = slot->number,
		.is_retry = slot->is_retry,
		.sequence = slot->sequence,
		.body = body,
		.payload = payload,
		.loop = slot->loop,
		.done = on_written,
	};
	slot->is_calling = true;
	raftkv_async_write(slot->clients->machine->raftkv, &request->write);
	slot->is_calling = false;
}

static void open_session(struct slot *slot)
{
	struct thing_operation operation = {.kind = THING_OPEN_SESSION,
		.id = slot->session,
		.name = things_model_find(slot->clients->model, slot->operation)->operation.name};
	struct buf *body = thing_operation_encode(&operation);

	slot->is_opening = true;
	submit(slot, &slot->first, 0, body, NULL);
	buf_unref(body);
}

static void ask(struct slot *slot)
{
	uint32_t thing = things_model_find(slot->clients->model, slot->operation)->thing;

	slot->region = region_of(slot->clients, thing, &slot->epoch_version);
	slot->has_copy = false;
	if (slot->session != 0 && !(slot->opened & bit_of(slot->region))) {
		open_session(slot);
		return;
	}
	slot->has_copy = slot->session != 0 && draw(slot->clients, 8) == 0;
	submit(slot, &slot->first, slot->session, slot->body, slot->payload);
	slot->is_retry = true;
	if (slot->has_copy)
		submit(slot, &slot->copy, slot->session, slot->body, slot->payload);
}

static void on_slot_timer(struct env_timer *timer)
{
	struct slot *slot = (struct slot *)((char *)timer - offsetof(struct slot, timer));
	struct clients *clients = slot->clients;

	if (clients->is_leaving || (slot->operation == 0 && clients->budget == 0))
		return;
	if (slot->operation == 0)
		begin(slot);
	ask(slot);
}

static struct thing_reply reply_of(struct slot *slot, const struct request *request)
{
	struct thing_reply reply;

	if (!request->reply || thing_reply_decode(buf_slice(request->reply), &reply) < 0)
		violation("operation %lu: a reply without sense", slot->operation);
	return reply;
}

static void on_reply(struct slot *slot, const struct request *request)
{
	struct thing_reply reply = reply_of(slot, request);

	if (slot->has_copy && slot->first.status == 0) {
		struct thing_reply other = reply_of(slot, &slot->first);

		if (other.is_done && other.history.size == 0 &&
			(!reply.is_done || reply.length != other.length))
			violation("operation %lu: a copy of the request is answered otherwise",
				slot->operation);
	}
	things_model_done(slot->clients->model, slot->operation, &reply);
	finish(slot);
}

/* The operation is over, or will be asked for again. */
static void on_error(struct slot *slot, int status)
{
	struct clients *clients = slot->clients;
	enum thing_operation_kind kind = things_model_find(clients->model, slot->operation)->operation.kind;
	bool is_unknown = status == STATUS_STALE_COMMAND || status == STATUS_STOPPING;
	bool is_full = status == -ENOSPC && clients->may_be_full && !spares_space(kind);
	bool is_damaged = (status == -EIO || status == STATUS_CORRUPT) && clients->may_fail_to_read &&
			  kind == THING_PATCH;

	if (is_full || is_damaged) {
		clients->refusals++;
		things_model_never(clients->model, slot->operation);
		finish(slot);
	} else if (is_unknown) {
		if (slot->session == 0)
			finish(slot);
	} else if (status != STATUS_NOT_LEADER && status != STATUS_LIMIT &&
		   !is_overtaken(clients, slot->region, slot->epoch_version, status)) {
		violation(
			"operation %lu (kind %d) fails: %s", slot->operation, (int)kind, status_name(status));
	}
}

static void on_opened(struct slot *slot, int status)
{
	slot->is_opening = false;
	if (status == 0)
		slot->opened |= bit_of(slot->region);
	else if (status != STATUS_NOT_LEADER && status != STATUS_STOPPING && status != STATUS_STALE_COMMAND &&
		 !is_overtaken(slot->clients, slot->region, slot->epoch_version, status))
		violation("a session cannot be opened: %s", status_name(status));
}

static void on_answers(struct slot *slot)
{
	struct request *request = slot->has_copy ? &slot->copy : &slot->first;

	if (slot->is_opening)
		on_opened(slot, request->status);
	else if (request->status == 0)
		on_reply(slot, request);
	else
		on_error(slot, request->status);
	buf_unref(slot->first.reply);
	buf_unref(slot->copy.reply);
	slot->first.reply = slot->copy.reply = NULL;
	rest(slot, slot->operation ? 5 * SIM_MS : slot->clients->think);
}

static void on_written(struct raftkv_write *write, int status, struct buf *reply)
{
	struct request *request = (struct request *)write;
	struct slot *slot = request->slot;

	if (!request->is_waiting || slot->is_calling)
		violation("operation %lu is answered %s", slot->operation,
			slot->is_calling ? "inside the call" : "twice");
	if (!machine_is_well(slot->clients->machine))
		return; /* nobody hears it */
	request->is_waiting = false;
	request->status = status;
	request->reply = buf_ref(reply);
	if (!slot->first.is_waiting && !slot->copy.is_waiting)
		on_answers(slot);
}

/* ---- Readers ---------------------------------------------------------------------------------------------------- */

static void on_reading_timer(struct env_timer *timer);

static struct reading *reading_of_timer(struct env_timer *timer)
{
	return (struct reading *)((char *)timer - offsetof(struct reading, timer));
}

static void end_reading(struct reading *reading)
{
	raftkv_snapshot_free(reading->snapshot);
	reading->snapshot = NULL;
	reading->is_busy = false;
	think(reading->clients, &reading->timer, reading->loop, 4 * reading->clients->think,
		on_reading_timer);
}

static void look(struct reading *reading, bool may_block)
{
	struct clients *clients = reading->clients;
	struct view *view = raftkv_snapshot_view(reading->snapshot, may_block);

	reading->read.status = things_model_read(clients->model, reading->thing, reading->certain, view);
}

static void on_looked(struct env_work *work)
{
	struct reading *reading = (struct reading *)((char *)work - offsetof(struct reading, work));
	int status = reading->read.status;

	if (is_overtaken(reading->clients, reading->region, reading->epoch_version, status))
		reading->is_again = true;
	else if (status < 0 &&
		 !((status == -EIO || status == STATUS_CORRUPT) && reading->clients->may_fail_to_read) &&
		 machine_is_well(reading->clients->machine))
		violation("thing %u cannot be read: %s", reading->thing, status_name(status));
	end_reading(reading);
}

static void look_blocking(struct env_work *work)
{
	look((struct reading *)((char *)work - offsetof(struct reading, work)), true);
}

/* The snapshot may have been kept for a while. */
static void on_kept(struct env_timer *timer)
{
	struct reading *reading = reading_of_timer(timer);

	look(reading, false);
	if (reading->read.status == STATUS_WOULD_BLOCK)
		env_work_submit(reading->loop, &reading->work, look_blocking, on_looked);
	else
		on_looked(&reading->work);
}

static void keep(struct reading *reading)
{
	/* Some are kept long enough that what they see is replaced, flushed and, but for them, given out again. */
	static const uint64_t most[] = {SIM_S, 50 * SIM_MS, 50 * SIM_MS, 50 * SIM_MS};
	uint64_t kind = draw(reading->clients, 16);

	think(reading->clients, &reading->timer, reading->loop, kind < 4 ? most[kind] : 100 * SIM_US,
		on_kept);
}

static void on_snapshot(struct raftkv_read *read, int status, struct raftkv_snapshot *snapshot)
{
	struct reading *reading = (struct reading *)((char *)read - offsetof(struct reading, read));

	if (!reading->is_waiting || reading->is_calling)
		violation("a read is answered %s", reading->is_calling ? "inside the call" : "twice");
	reading->is_waiting = false;
	reading->snapshot = snapshot;
	if (status == 0) {
		keep(reading);
		return;
	}
	if (status != STATUS_NOT_LEADER && status != STATUS_STOPPING && status != STATUS_STALE_COMMAND &&
		!is_overtaken(reading->clients, reading->region, reading->epoch_version, status) &&
		machine_is_well(reading->clients->machine))
		violation("a snapshot fails: %s", status_name(status));
	reading->is_again = true;
	end_reading(reading);
}

/* Each thing once, then any, as long as there is something to be changed. */
static bool choose_thing(struct reading *reading)
{
	struct clients *clients = reading->clients;

	if (reading->is_again)
		reading->is_again = false;
	else if (clients->read_next < clients->model->thing_count)
		reading->thing = clients->read_next++;
	else if (clients->budget > 0)
		reading->thing = (uint32_t)draw(clients, clients->model->thing_count);
	else
		return false;
	return true;
}

static void on_reading_timer(struct env_timer *timer)
{
	struct reading *reading = reading_of_timer(timer);
	struct clients *clients = reading->clients;
	struct raftkv *raftkv = clients->machine->raftkv;

	if (clients->is_leaving || !choose_thing(reading))
		return;
	reading->is_busy = true;
	reading->certain = clients->model->things[reading->thing].certain;
	reading->region = region_of(clients, reading->thing, &reading->epoch_version);
	if (draw(clients, 2) == 0 && raftkv_local_snapshot(raftkv, reading->region, reading->epoch_version,
					     &reading->snapshot) == 0) {
		keep(reading);
		return;
	}
	reading->read = (struct raftkv_read){.region = reading->region,
		.epoch_version = reading->epoch_version,
		.loop = reading->loop,
		.done = on_snapshot};
	reading->is_waiting = true;
	reading->is_calling = true;
	raftkv_async_snapshot(raftkv, &reading->read);
	reading->is_calling = false;
}

/* ---- All of them ------------------------------------------------------------------------------------------------ */

void clients_init(struct clients *clients, struct machine *machine, struct things_model *model)
{
	*clients = (struct clients){.machine = machine, .model = model, .unmap_next = THINGS_MAX};
	clients->slot_count = 2 + (uint32_t)draw(clients, CLIENT_SLOTS_MAX - 1);
	clients->reading_count = 1 + (uint32_t)draw(clients, CLIENT_READERS_MAX);
	clients->think = (uint64_t[]){50 * SIM_US, 500 * SIM_US, 20 * SIM_MS, 500 * SIM_MS}[draw(clients, 4)];
	for (uint32_t i = 0; i < clients->slot_count; i++) {
		clients->slots[i].clients = clients;
		/* A quarter of them without a session; the others share two. */
		clients->slots[i].session = i % 4 == 3 ? 0 : 1000 + i % 2;
		clients->slots[i].number = i;
	}
	for (uint32_t i = 0; i < clients->reading_count; i++)
		clients->readings[i].clients = clients;
}

static void enter_slot(struct slot *slot)
{
	bool was_asked = slot->first.is_waiting || slot->copy.is_waiting;

	slot->first = slot->copy = (struct request){0};
	slot->is_opening = false;
	slot->timer = (struct env_timer){0};
	slot->loop = slot->clients->machine->loops[draw(slot->clients, slot->clients->machine->loop_count)];
	if (was_asked && slot->session == 0)
		finish(slot);
	rest(slot, slot->clients->think);
}

void clients_enter(struct clients *clients)
{
	clients->is_leaving = false;
	clients->read_next = 0;
	for (uint32_t i = 0; i < clients->slot_count; i++)
		enter_slot(&clients->slots[i]);
	for (uint32_t i = 0; i < clients->reading_count; i++) {
		struct reading *reading = &clients->readings[i];

		*reading = (struct reading){.clients = clients,
			.loop = clients->machine->loops[draw(clients, clients->machine->loop_count)]};
		think(clients, &reading->timer, reading->loop, clients->think, on_reading_timer);
	}
}

void clients_unmap_all(struct clients *clients)
{
	clients->unmap_next = 0;
	clients->budget = clients->model->thing_count;
	for (uint32_t i = 0; i < clients->slot_count; i++)
		rest(&clients->slots[i], clients->think);
}

bool clients_are_idle(const struct clients *clients)
{
	for (uint32_t i = 0; i < clients->slot_count; i++) {
		if (clients->slots[i].operation != 0)
			return false;
	}
	for (uint32_t i = 0; i < clients->reading_count; i++) {
		if (clients->readings[i].is_again)
			return false;
	}
	return clients->budget == 0 && clients->read_next >= clients->model->thing_count &&
	       clients_are_gone(clients);
}

bool clients_are_gone(const struct clients *clients)
{
	for (uint32_t i = 0; i < clients->slot_count; i++) {
		const struct slot *slot = &clients->slots[i];

		if (slot->first.is_waiting || slot->copy.is_waiting || env_timer_is_running(&slot->timer))
			return false;
	}
	for (uint32_t i = 0; i < clients->reading_count; i++) {
		if (clients->readings[i].is_busy || env_timer_is_running(&clients->readings[i].timer))
			return false;
	}
	return true;
}

void clients_inherit(struct clients *clients, uint64_t parent, uint64_t child)
{
	for (uint32_t i = 0; i < clients->slot_count; i++) {
		if (clients->slots[i].opened & bit_of(parent))
			clients->slots[i].opened |= bit_of(child);
	}
}
