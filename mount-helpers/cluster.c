#include "mount-helpers/cluster.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "proto/completion.h"
#include "proto/container.h"
#include "proto/env_uv.h"
#include "proto/rpc.h"
#include "proto/units.h"

#define PAUSE_US 200000

/* A question to one store. */
struct cluster_question {
	struct env_mail mail;
	struct cluster *cluster;
	const char *address;
	uint16_t type;
	const ProtobufCMessage *message;
	struct env_timer timer;
	struct rpc *rpc;
	struct rpc_call call;
	bool is_late;
	bool is_answered;
	struct buf *answer; /* the head */
	struct status status;
};

struct cluster {
	struct logger logger;
	struct env *env;
	struct env_loop *loop;
	bool is_running;
	struct link_self self;
	struct store_list list;
	uint32_t patience_ms;
	uint32_t answer_ms; /* how long to wait for one store's answer */
	/* The store that answered last, or was named as leader; empty: unknown. */
	char coordinator[RECORD_ADDRESS_SIZE_MAX + 1];
	struct completion done; /* of the current question */
};

/* ---- One question, on the loop ---- */

static void on_answer(struct rpc_call *call, int status, const struct frame *answer)
{
	struct cluster_question *question = container_of(call, struct cluster_question, call);

	if (status == 0) {
		question->is_answered = true;
		question->answer = buf_new(answer->head.size);
		if (question->answer)
			memcpy(question->answer->data, answer->head.data, answer->head.size);
	}
	rpc_close(question->rpc);
}

static void on_opened(void *argument, struct rpc *rpc, const Raftkv__HelloReply *reply)
{
	struct cluster_question *question = argument;

	(void)reply;
	question->call = (struct rpc_call){.type = question->type,
		.timeout = question->cluster->answer_ms * NS_PER_MS,
		.done = on_answer};
	if (rpc_call(rpc, &question->call, question->message, NULL, 0) < 0)
		rpc_close(rpc);
}

static void finish(struct cluster_question *question, const struct status *why)
{
	env_timer_stop(&question->timer);
	if (question->is_answered && !question->answer)
		status_set(&question->status, -ENOMEM, "out of memory");
	else if (!question->is_answered && (question->is_late || why->code == 0))
		status_set(&question->status, -ETIMEDOUT, "%.200s does not answer", question->address);
	else if (!question->is_answered)
		status_set(&question->status, why->code, "%.120s: %.120s", question->address, why->text);
	completion_finish(&question->cluster->done, 0);
}

static void on_closed(void *argument, struct rpc *rpc, const struct status *why)
{
	(void)rpc;
	finish(argument, why);
}

static void on_late(struct env_timer *timer)
{
	struct cluster_question *question = container_of(timer, struct cluster_question, timer);

	question->is_late = true;
	rpc_close(question->rpc);
}

static void begin(struct env_mail *mail)
{
	struct cluster_question *question = container_of(mail, struct cluster_question, mail);
	struct cluster *cluster = question->cluster;
	struct status why = {0};
	const struct rpc_options options = {.self = &cluster->self,
		.loop = cluster->loop,
		.address = question->address,
		.opened = on_opened,
		.closed = on_closed,
		.argument = question};

	if (rpc_connect(&options, &question->rpc, &why) < 0) {
		finish(question, &why);
		return;
	}
	env_timer_start(&question->timer, cluster->loop,
		env_now(cluster->env) + cluster->answer_ms * NS_PER_MS, on_late);
}

/* 0 or a negative status. `*answer`: the answer's head, which is the caller's. */
static int ask(struct cluster *cluster, const char *address, uint16_t type, const ProtobufCMessage *message,
	struct buf **answer, struct status *status)
{
	struct cluster_question question = {
		.cluster = cluster, .address = address, .type = type, .message = message};

	env_post(cluster->loop, &question.mail, begin);
	completion_wait(&cluster->done);
	*answer = question.answer;
	if (question.status.code < 0 && status)
		*status = question.status;
	return question.status.code;
}

/* ---- Finding the coordinator ---- */

struct hint {
	int status; /* of the answer */
	const char *address; /* of the leader; "": unknown */
};

typedef void *(*unpack_cb)(ProtobufCAllocator *allocator, size_t size, const uint8_t *bytes);

struct coordinator_question {
	uint16_t type;
	const ProtobufCMessage *message;
	unpack_cb unpack;
	struct hint (*look)(const void *reply);
	void (*free)(void *reply, ProtobufCAllocator *allocator);
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The next store to ask: the one that is said to lead, else each of the list in turn. */
static const char *choose(const struct cluster *cluster, uint32_t *turn)
{
	return cluster->coordinator[0] != '\0' ? cluster->coordinator
					       : cluster->list.addresses[(*turn)++ % cluster->list.count];
}

/* The store's reply if it coordinates the cluster. NULL: it does not, or does not answer. */
static void *try(struct cluster *cluster, const struct coordinator_question *question, const char *address,
	struct status *status)
{
	char asked[RECORD_ADDRESS_SIZE_MAX + 1];
	struct buf *answer = NULL;
	struct hint hint;
	void *reply = NULL;

	strcpy(asked, address);
	cluster->coordinator[0] = '\0';
	if (ask(cluster, asked, question->type, question->message, &answer, status) < 0)
		return NULL;
	reply = question->unpack(NULL, answer->size, answer->data);
	buf_unref(answer);
	if (!reply) {
		status_set(status, STATUS_MALFORMED, "%.200s answers nonsense", asked);
		return NULL;
	}
	hint = question->look(reply);
	if (hint.status != STATUS_NOT_LEADER) {
		strcpy(cluster->coordinator, asked);
		return reply;
	}
	if (strlen(hint.address) < sizeof cluster->coordinator && strcmp(hint.address, asked) != 0)
		strcpy(cluster->coordinator, hint.address);
	status_set(
		status, STATUS_NOT_LEADER, "%.200s does not know which store coordinates the cluster", asked);
	question->free(reply, NULL);
	return NULL;
}

/* Asks one store after the other until the coordinator answers, or patience_ms have passed. */
static void *ask_coordinator(
	struct cluster *cluster, const struct coordinator_question *question, struct status *status)
{
	uint64_t deadline = now_ms() + cluster->patience_ms;
	struct status why = {0};
	uint32_t turn = 0, tries = 0, denials = 0;
	void *reply;

	for (;;) {
		bool is_hint = cluster->coordinator[0] != '\0';

		reply = try(cluster, question, choose(cluster, &turn), &why);
		if (reply)
			return reply;
		denials = why.code == -EACCES ? denials + 1 : 0;
		if (denials >= cluster->list.count) {
			status_set(status, -EACCES, "this user may not ask the stores: %.200s", why.text);
			return NULL;
		}
		if (now_ms() >= deadline && ++tries >= cluster->list.count)
			break;
		if (!is_hint && turn % cluster->list.count == 0)
			usleep(PAUSE_US);
	}
	status_set(status, STATUS_NOT_LEADER,
		"no store coordinates the cluster, or it cannot be reached: %.150s; see 'raftkv health'",
		why.text);
	return NULL;
}

/* ---- The questions ---- */

static void *unpack_overview(ProtobufCAllocator *allocator, size_t size, const uint8_t *bytes)
{
	return raftkv__overview_reply__unpack(allocator, size, bytes);
}

static struct hint look_at_overview(const void *message)
{
	const Raftkv__OverviewReply *reply = message;

	return (struct hint){reply->status, reply->leader_address};
}

static void free_overview(void *reply, ProtobufCAllocator *allocator)
{
	raftkv__overview_reply__free_unpacked(reply, allocator);
}

int cluster_stores(struct cluster *cluster, Raftkv__OverviewReply **reply, struct status *status)
{
	Raftkv__OverviewRequest request = RAFTKV__OVERVIEW_REQUEST__INIT;
	const struct coordinator_question question = {
		FRAME_OVERVIEW, &request.base, unpack_overview, look_at_overview, free_overview};

	request.without_regions = true;
	*reply = ask_coordinator(cluster, &question, status);
	return *reply ? 0 : STATUS_NOT_LEADER;
}

static void *unpack_request(ProtobufCAllocator *allocator, size_t size, const uint8_t *bytes)
{
	return raftkv__admin_reply__unpack(allocator, size, bytes);
}

static struct hint look_at_request(const void *message)
{
	const Raftkv__AdminReply *reply = message;

	return (struct hint){reply->status, reply->leader_address};
}

static void free_request(void *reply, ProtobufCAllocator *allocator)
{
	raftkv__admin_reply__free_unpacked(reply, allocator);
}

static void fill_request(struct admin_request *change, Raftkv__AdminRequest *request)
{
	request->kind = change->kind;
	request->store = change->store;
	request->state = change->state;
	request->replacement = change->replacement;
	request->region = change->region;
	request->is_forced = change->is_forced;
	request->is_dry = change->is_dry;
	request->key = (ProtobufCBinaryData){.len = change->key.size, .data = change->key.bytes};
	request->in_middle = change->in_middle;
	request->setting = change->setting;
	request->is_set = change->is_set;
	request->value = change->value;
	request->regions = (uint64_t *)(uintptr_t)change->regions;
	request->n_regions = change->region_count;
}

static void take_split(struct admin_request *change, const Raftkv__AdminReply *reply)
{
	change->region = reply->region;
	change->new_region = reply->new_region;
	if (reply->key.len > FS_KEY_SIZE_MAX || reply->key.len == 0)
		return;
	change->key.size = (uint16_t)reply->key.len;
	memcpy(change->key.bytes, reply->key.data, reply->key.len);
}

static int make(struct cluster *cluster, struct admin_request *change, struct status *status)
{
	Raftkv__AdminRequest request = RAFTKV__ADMIN_REQUEST__INIT;
	const struct coordinator_question question = {
		FRAME_ADMIN, &request.base, unpack_request, look_at_request, free_request};
	Raftkv__AdminReply *reply;
	int code;

	fill_request(change, &request);
	cluster->answer_ms = change->kind == ADMIN_SPLIT ? CLUSTER_SPLIT_MS : CLUSTER_ANSWER_MS;
	reply = ask_coordinator(cluster, &question, status);
	cluster->answer_ms = CLUSTER_ANSWER_MS;
	if (!reply)
		return STATUS_NOT_LEADER;
	code = reply->status;
	if (code < 0)
		status_set(
			status, code, "%s", reply->sentence[0] != '\0' ? reply->sentence : status_name(code));
	else if (change->kind == ADMIN_SPLIT)
		take_split(change, reply);
	raftkv__admin_reply__free_unpacked(reply, NULL);
	return code;
}

int cluster_change(struct cluster *cluster, struct admin_request *change, struct status *status)
{
	uint64_t deadline = now_ms() + cluster->patience_ms;
	int code = make(cluster, change, status);

	while (code == -EAGAIN && now_ms() < deadline) {
		usleep(PAUSE_US);
		code = make(cluster, change, status);
	}
	return code;
}

int cluster_stats(struct cluster *cluster, const char *address, char **text, struct status *status)
{
	Raftkv__StatsRequest request = RAFTKV__STATS_REQUEST__INIT;
	Raftkv__StatsReply *reply;
	struct buf *answer = NULL;
	int code = ask(cluster, address, FRAME_STATS, &request.base, &answer, status);

	*text = NULL;
	if (code < 0)
		return code;
	reply = raftkv__stats_reply__unpack(NULL, answer->size, answer->data);
	buf_unref(answer);
	if (!reply)
		return status_set(status, STATUS_MALFORMED, "%.200s answers nonsense", address);
	*text = strndup((const char *)reply->text.data, reply->text.len);
	raftkv__stats_reply__free_unpacked(reply, NULL);
	return *text ? 0 : status_set(status, -ENOMEM, "out of memory");
}

int cluster_page(struct cluster *cluster, const char *address, struct slice key, Raftkv__RegionsReply **reply,
	struct status *status)
{
	Raftkv__RegionsRequest request = RAFTKV__REGIONS_REQUEST__INIT;
	struct buf *answer = NULL;
	int code;

	request.key = (ProtobufCBinaryData){.len = key.size, .data = (uint8_t *)(uintptr_t)key.data};
	code = ask(cluster, address, FRAME_REGIONS, &request.base, &answer, status);
	if (code < 0)
		return code;
	*reply = raftkv__regions_reply__unpack(NULL, answer->size, answer->data);
	buf_unref(answer);
	if (!*reply)
		return status_set(status, STATUS_MALFORMED, "%.200s answers nonsense", address);
	code = (*reply)->status;
	if (code == 0)
		return 0;
	raftkv__regions_reply__free_unpacked(*reply, NULL);
	*reply = NULL;
	return status_set(status, code, "%.150s does not tell its regions: %s", address, status_name(code));
}

/* ---- Opening and closing ---- */

static int start(struct cluster *cluster, struct status *status)
{
	struct env_uv_options options = {.worker_threads = 1, .io_threads = 1, .logger = &cluster->logger};
	int code = env_uv_new(&options, &cluster->env, status);

	if (code < 0)
		return code;
	cluster->self.env = cluster->env;
	code = env_loop_new(cluster->env, "cluster", &cluster->loop);
	if (code == 0)
		code = env_loop_start(cluster->loop);
	cluster->is_running = code == 0;
	return code < 0 ? status_set(status, code, "cannot make an event loop: %s", status_name(code)) : 0;
}

int cluster_open(const char *list, struct cluster **out, struct status *status)
{
	struct cluster *cluster = calloc(1, sizeof *cluster);
	int code;

	*out = NULL;
	if (!cluster)
		return status_set(status, -ENOMEM, "out of memory");
	cluster->logger = logger_fd(STDERR_FILENO, LOG_NONE);
	cluster->patience_ms = CLUSTER_PATIENCE_MS;
	cluster->answer_ms = CLUSTER_ANSWER_MS;
	completion_init(&cluster->done);
	code = store_list_parse(&cluster->list, list, status);
	if (code == 0)
		code = start(cluster, status);
	if (code < 0)
		cluster_close(cluster);
	else
		*out = cluster;
	return code;
}

void cluster_close(struct cluster *cluster)
{
	if (!cluster)
		return;
	if (cluster->is_running)
		env_loop_stop(cluster->loop);
	if (cluster->loop)
		env_loop_free(cluster->loop);
	if (cluster->env)
		env_uv_free(cluster->env);
	store_list_close(&cluster->list);
	completion_close(&cluster->done);
	free(cluster);
}

const struct store_list *cluster_list(const struct cluster *cluster)
{
	return &cluster->list;
}

void cluster_set_patience(struct cluster *cluster, uint32_t patience_ms)
{
	cluster->patience_ms = patience_ms;
}
