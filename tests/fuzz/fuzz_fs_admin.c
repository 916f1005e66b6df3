/*
 * Requests as no store and no administrator makes them, to the handlers of a store's admin: each is refused or answered
 * once. The coordinator behind them is a fake that knows three stores and says yes, no or "not here".
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/admin/admin.h"
#include "tests/lib/fake_raftkv.h"
#include "tests/lib/fake_requests.h"
#include "tests/lib/sim_env.h"

#define REQUESTS_MAX 16u
#define HEAD_MAX     1024u
#define PATIENCE     (10 * (uint64_t)SIM_S)

struct stage {
	struct sim_world *world;
	struct env_loop *loop;
	struct raftkv *raftkv;
	struct store_list list;
	struct store_addresses *addresses;
	struct config config;
	struct admin *admin;
	struct rpc_server server;
	struct rpc_request requests[REQUESTS_MAX];
	bool is_stopped;
};

/* ---- The coordinator ---- */

int coordinator_report(struct coordinator *coordinator, const struct store_report *report, uint64_t *id)
{
	static const int codes[] = {0, -EAGAIN, STATUS_NOT_LEADER, -ESTALE, -EEXIST};

	(void)coordinator;
	if (!memchr(report->address, '\0', sizeof report->address) ||
		!memchr(report->version, '\0', sizeof report->version))
		abort();
	*id = report->store;
	return codes[report->incarnation % 5];
}

void coordinator_take_admin(struct coordinator *coordinator, struct admin_request *request)
{
	bool has_store = request->kind != ADMIN_SPLIT && request->kind != ADMIN_SET_CLUSTER &&
			 request->kind != ADMIN_SCATTER;
	struct status status = {0};

	(void)coordinator;
	if (request->kind > ADMIN_SCATTER || (request->store == 0 && has_store) ||
		request->key.size > FS_KEY_SIZE_MAX || request->setting >= SETTING_END ||
		(request->kind == ADMIN_SET_CLUSTER && request->setting == 0))
		abort();
	status_set(&status, request->store % 2 ? STATUS_NOT_LEADER : -EBUSY, "no");
	request->done(request, &status);
}

bool coordinator_look(struct coordinator *coordinator, struct coordinator_overview *overview)
{
	static const struct store_table stores = {.count = 2,
		.entries = {{.id = 1, .state = STORE_UP, .address = "a:1"},
			{.id = 2, .state = STORE_LOST, .address = "b:2"}}};
	static const struct region_table regions;

	(void)coordinator;
	*overview = (struct coordinator_overview){.stores = &stores, .regions = &regions};
	return true;
}

void coordinator_each_step(struct coordinator *coordinator, uint32_t max,
	void (*each)(void *argument, uint64_t region, enum placement_kind step), void *argument)
{
	(void)coordinator;
	for (uint32_t i = 0; i < 3 && i < max; i++)
		each(argument, i, PLACEMENT_STUCK);
}

/* ---- Requests ---- */

struct input {
	const uint8_t *bytes;
	size_t size;
};

static uint8_t take_byte(struct input *input)
{
	if (input->size == 0)
		return 0;
	input->size--;
	return *input->bytes++;
}

static struct slice take_bytes(struct input *input, size_t size)
{
	struct slice bytes = {input->bytes, size < input->size ? size : input->size};

	input->bytes += bytes.size;
	input->size -= bytes.size;
	return bytes;
}

/* Sound fields around whatever comes. */
static size_t wrap(uint16_t type, struct input *input, uint8_t *head)
{
	Raftkv__AdminRequest request = RAFTKV__ADMIN_REQUEST__INIT;
	Raftkv__ReportRequest report = RAFTKV__REPORT_REQUEST__INIT;
	struct slice text = take_bytes(input, take_byte(input) * 2u);
	char address[512] = "";

	memcpy(address, text.data, text.size);
	request.kind = take_byte(input) % 8;
	request.state = take_byte(input) % 8;
	request.store = report.store = take_byte(input);
	request.region = report.incarnation = take_byte(input);
	report.address = report.version = address;
	return type == FRAME_ADMIN ? raftkv__admin_request__pack(&request, head)
				   : raftkv__report_request__pack(&report, head);
}

static void ask_one(struct stage *stage, struct rpc_request *request, struct input *input)
{
	static const uint16_t types[] = {FRAME_REPORT, FRAME_ADMIN, FRAME_OVERVIEW, FRAME_STATS, FRAME_SPLIT,
		FRAME_REGIONS, FRAME_REGION_STEP, FRAME_REGIONS};
	uint8_t head[2 * HEAD_MAX], kind = take_byte(input);
	uint16_t type = types[kind % 4 + (kind & 16 ? 4 : 0)];
	struct buf *attachment = kind & 8 ? buf_new(16) : NULL;
	struct slice bytes;

	if (attachment)
		memset(attachment->data, 1, attachment->size);
	if (kind & 4 && (type == FRAME_REPORT || type == FRAME_ADMIN))
		bytes = slice_of(head, wrap(type, input, head));
	else
		bytes = take_bytes(input, take_byte(input));
	fake_requests_ask(&stage->server, request, type, bytes, attachment);
	buf_unref(attachment);
}

/* ---- A run ---- */

static void begin(struct stage *stage)
{
	static const struct link_self self = {.cluster = 7, .store = 1};
	struct fake_raftkv_options fake = {.seed = 1, .delay_max_ns = SIM_MS};
	struct admin_options options = {.self = &self, .config = &stage->config};
	struct env *env;

	stage->world = sim_world_new(1);
	env = sim_node_start(sim_node_new(stage->world, "store"));
	if (config_init(&stage->config) < 0 || env_loop_new(env, "loop", &stage->loop) < 0 ||
		env_loop_start(stage->loop) < 0 || store_list_parse(&stage->list, "a:1,b:2", NULL) < 0)
		abort();
	fake.loop = options.loop = stage->server.loop = stage->loop;
	options.raftkv = stage->raftkv = fake_raftkv_new(&fake);
	options.addresses = stage->addresses = store_addresses_new(stage->raftkv, stage->loop, &stage->list);
	stage->admin = admin_new(&options, &stage->server);
}

static void on_stopped(void *argument)
{
	((struct stage *)argument)->is_stopped = true;
}

static bool is_answered(void *argument)
{
	return ((struct stage *)argument)->server.under_way == 0;
}

static bool is_stopped(void *argument)
{
	return ((struct stage *)argument)->is_stopped;
}

static void end(struct stage *stage)
{
	if (!sim_run(stage->world, PATIENCE, is_answered, stage))
		abort();
	store_addresses_stop(stage->addresses, on_stopped, stage);
	if (!sim_run(stage->world, PATIENCE, is_stopped, stage))
		abort();
	for (uint32_t i = 0; i < REQUESTS_MAX; i++)
		fake_requests_close(&stage->requests[i]);
	admin_free(stage->admin);
	store_addresses_free(stage->addresses);
	fake_raftkv_free(stage->raftkv);
	store_list_close(&stage->list);
	config_close(&stage->config);
	env_loop_stop(stage->loop);
	env_loop_free(stage->loop);
	sim_world_free(stage->world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};
	struct stage stage = {0};

	begin(&stage);
	for (uint32_t i = 0; i < REQUESTS_MAX && input.size > 0; i++)
		ask_one(&stage, &stage.requests[i], &input);
	end(&stage);
	return 0;
}
