/*
 * Requests as no mount makes them, to the handlers of a store's service: each is refused or answered once, and the rows
 * that are left agree with each other.
 */
#include <stdlib.h>

#include "fs/schema/op.h"
#include "fs/transact/peers.h"
#include "fs/server/service.h"
#include "fs/transact/transactions.h"
#include "tests/lib/fake_raftkv.h"
#include "tests/lib/fake_requests.h"
#include "tests/lib/sim_env.h"

#define REQUESTS_MAX 16u
#define BODY_MAX     600u
#define PATIENCE     (10 * (uint64_t)SIM_S)

struct input {
	const uint8_t *bytes;
	size_t size;
};

struct stage {
	struct sim_world *world;
	struct env_loop *loop;
	struct raftkv *raftkv;
	struct store_list list;
	struct peers *peers;
	struct transactions *transactions;
	struct service *service;
	struct rpc_server server;
	struct rpc_request requests[REQUESTS_MAX];
	bool is_stopped;
};

/* What the coordinator says is not the service's. */
int coordinator_beat(
	struct coordinator *coordinator, uint64_t session, uint64_t answered, struct session_notice *notice)
{
	(void)coordinator, (void)answered;
	*notice = (struct session_notice){0};
	return session % 2 ? STATUS_NOT_LEADER : 0;
}

bool coordinator_room(struct coordinator *coordinator, struct coordinator_room *room)
{
	(void)coordinator;
	*room = (struct coordinator_room){.total = 1 << 30, .free = 1 << 20};
	return true;
}

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

/* The fields are sound, what they carry is not. */
static size_t wrap(uint16_t type, struct input *input, uint8_t *head)
{
	Raftkv__WriteRequest write = RAFTKV__WRITE_REQUEST__INIT;
	Raftkv__ReadRequest read = RAFTKV__READ_REQUEST__INIT;
	uint8_t shape = take_byte(input);
	struct slice body = take_bytes(input, take_byte(input) + (shape >> 7) * 256u);

	write.region = read.region = shape & 1 ? 1 : shape >> 4;
	write.epoch_version = read.epoch_version = shape & 2 ? 1 : shape >> 4;
	write.session = shape & 4 ? 7 : 0;
	write.sequence = 1;
	read.from_follower = shape & 8 ? 1 : 0;
	write.body = read.question =
		(ProtobufCBinaryData){.len = body.size, .data = (uint8_t *)(uintptr_t)body.data};
	return type == FRAME_WRITE ? raftkv__write_request__pack(&write, head)
				   : raftkv__read_request__pack(&read, head);
}

static void ask_one(struct stage *stage, struct rpc_request *request, struct input *input)
{
	static const uint16_t types[] = {FRAME_READ, FRAME_WRITE, FRAME_BEAT, FRAME_ROUTES};
	uint8_t head[BODY_MAX + 64], kind = take_byte(input);
	uint16_t type = types[kind % 4];
	struct buf *attachment = kind & 8 ? buf_new(take_byte(input) * 16u) : NULL;
	struct slice bytes;

	for (size_t i = 0; attachment && i < attachment->size; i++)
		((uint8_t *)attachment->data)[i] = (uint8_t)i;
	if (kind & 4 && (type == FRAME_READ || type == FRAME_WRITE))
		bytes = slice_of(head, wrap(type, input, head));
	else
		bytes = take_bytes(input, take_byte(input));
	request->session = kind & 16 ? 7 : 0;
	fake_requests_ask(&stage->server, request, type, bytes, attachment);
	buf_unref(attachment);
}

/* Everything is in one region: the peers are asked for nothing. */
static void make_transactions(struct stage *stage, struct service_options *options)
{
	const struct peers_options peers = {.loop = stage->loop, .address = "a:1", .seeds = &stage->list};
	struct transactions_options transactions = {.loop = stage->loop, .raftkv = stage->raftkv};

	stage->peers = peers_new(&peers);
	if (!stage->peers)
		abort();
	options->peers = transactions.peers = peers_dispatcher(stage->peers);
	options->transactions = stage->transactions = transactions_new(&transactions);
	if (!stage->transactions)
		abort();
}

static void begin(struct stage *stage)
{
	struct fake_raftkv_options fake = {
		.seed = 1, .delay_max_ns = SIM_MS, .cold_one_in = 4, .round_one_in = 4};
	struct service_options options = {.list = &stage->list};
	struct env *env;

	stage->world = sim_world_new(1);
	env = sim_node_start(sim_node_new(stage->world, "store"));
	if (env_loop_new(env, "loop", &stage->loop) < 0 || env_loop_start(stage->loop) < 0 ||
		store_list_parse(&stage->list, "a:1,b:2", NULL) < 0)
		abort();
	fake.loop = options.loop = stage->server.loop = stage->loop;
	options.raftkv = stage->raftkv = fake_raftkv_new(&fake);
	make_transactions(stage, &options);
	stage->service = service_new(&options, &stage->server);
}

static void on_stopped(void *argument)
{
	((struct stage *)argument)->is_stopped = true;
}

static void on_peers_stopped(void *argument)
{
	struct stage *stage = argument;

	service_stop(stage->service, on_stopped, stage);
}

static void on_transactions_stopped(void *argument)
{
	struct stage *stage = argument;

	service_leave_peers(stage->service);
	peers_stop(stage->peers, on_peers_stopped, stage);
}

static bool is_over(void *argument)
{
	struct stage *stage = argument;

	return stage->server.under_way == 0 && stage->is_stopped;
}

static void end(struct stage *stage)
{
	transactions_stop(stage->transactions, on_transactions_stopped, stage);
	if (!sim_run(stage->world, PATIENCE, is_over, stage))
		abort();
	for (uint32_t i = 0; i < REQUESTS_MAX; i++)
		fake_requests_close(&stage->requests[i]);
	service_free(stage->service);
	transactions_free(stage->transactions);
	peers_free(stage->peers);
	fs_harness_verify(fake_raftkv_files(stage->raftkv));
	fake_raftkv_free(stage->raftkv);
	store_list_close(&stage->list);
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
