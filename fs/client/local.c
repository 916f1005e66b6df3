#include "fs/client/client.h"
#include "fs/client/client_ops.h"
#include "proto/backoff.h"
#include "proto/container.h"
#include "proto/units.h"
#include "store/rows/slots.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#define RETRIES_A_NOTICE 64u

/* Without jitter, as no other client shares a store in this process. */
static const struct backoff rests = {.first = NS_PER_MS, .most = 128 * NS_PER_MS};

/* A client of a store in this process. */
struct local {
	struct client base;
	struct client_options options;
};

static struct local *local_of(const struct client *client)
{
	return (struct local *)(uintptr_t)client; /* the first member */
}

static const struct client_options *options_of(const struct client *client)
{
	return &local_of(client)->options;
}

/* ---- Errors ---- */

/* A store in this process does not start again after it stopped. A change that may have been applied
 * (STATUS_STALE_COMMAND) may be retried only with a slot. */
static bool may_retry(const struct client *client, int status)
{
	if (status == STATUS_STALE_COMMAND)
		return slots_are_of(options_of(client)->session);
	return status_is_transient(status) && status != STATUS_STOPPING;
}

static void back_off(struct client *client, struct env_timer *timer, struct env_loop *loop,
	uint32_t *attempts, int status, env_timer_cb again)
{
	struct env *env = env_loop_env(loop);
	uint64_t rest = backoff_length(&rests, *attempts);

	if (++*attempts % RETRIES_A_NOTICE == 0)
		log_warn(client->logger, "msg=\"still waiting for the store\" attempts=%u reason=\"%s\"",
			*attempts, status_name(status));
	env_timer_start(timer, loop, env_now(env) + rest, again);
}

/* ---- Changes ---- */

/* A change under way. */
struct local_call {
	struct client_call *call;
	struct fs_key key; /* in the region that the change goes to */
	struct raftkv_write write;
	struct env_timer timer;
	uint32_t attempts;
};

static void send_call(struct local_call *local);

static void finish_call(struct local_call *local, int status, struct buf *reply)
{
	struct client_call *call = local->call;

	buf_unref(local->write.body);
	buf_unref(local->write.payload);
	free(local);
	client_end_call(call, status, status == 0 ? buf_slice(reply) : (struct slice){0});
}

static void on_call_timer(struct env_timer *timer)
{
	send_call(container_of(timer, struct local_call, timer));
}

/* The retry looks the region up again, as it may have been split meanwhile. */
static void retry_call(struct local_call *local, int status)
{
	struct client_call *call = local->call;

	back_off(call->client, &local->timer, call->loop, &local->attempts, status, on_call_timer);
}

static void local_on_written(struct raftkv_write *write, int status, struct buf *reply)
{
	struct local_call *local = container_of(write, struct local_call, write);

	if (may_retry(local->call->client, status)) {
		local->write.is_retry = true;
		retry_call(local, status);
		return;
	}
	finish_call(local, status, reply);
}

static void send_call(struct local_call *local)
{
	const struct client *client = local->call->client;
	struct raftkv *raftkv = options_of(client)->raftkv;
	struct region_epoch epoch;
	int status = raftkv_find_region(raftkv, fs_key_slice(&local->key), &local->write.region, &epoch);

	if (may_retry(client, status)) {
		retry_call(local, status);
	} else if (status < 0) {
		finish_call(local, status, NULL);
	} else {
		local->write.epoch_version = epoch.version;
		raftkv_async_write(raftkv, &local->write);
	}
}

static int local_call(
	struct client *client, struct client_call *call, const struct op *op, struct buf *payload)
{
	struct local_call *local = calloc(1, sizeof *local);
	struct buf *body;
	int status = local ? op_encode(op, &body) : -ENOMEM;

	if (status < 0) {
		free(local);
		return status;
	}
	call->local = local;
	local->call = call;
	local->key = op_key(op);
	local->write = (struct raftkv_write){
		.session = options_of(client)->session,
		.body = body,
		.payload = buf_ref(payload),
		.loop = call->loop,
		.done = local_on_written,
	};
	send_call(local);
	return 0;
}

/* ---- Reads ---- */

/* A read that could not be answered at once: it waits for a snapshot, for a worker, or for the end of a pause. */
struct local_read {
	struct client_read *read;
	struct raftkv_snapshot *snapshot; /* that the worker reads; owned */
	uint32_t attempts;
	int status;
	union {
		struct raftkv_read request;
		struct env_work work;
		struct env_timer timer;
	};
};

static void start_read(struct client_read *read);

/* Takes the snapshot, which may be NULL. */
static void finish_read(struct client_read *read, struct raftkv_snapshot *snapshot, int status)
{
	if (snapshot)
		raftkv_snapshot_free(snapshot);
	free(read->local);
	read->local = NULL;
	client_end_read(read, status);
}

/* The state of a read that has to wait. NULL: out of memory, and the read has ended. Takes the snapshot. */
static struct local_read *make_wait(struct client_read *read, struct raftkv_snapshot *snapshot)
{
	if (!read->local)
		read->local = calloc(1, sizeof *read->local);
	if (!read->local) {
		finish_read(read, snapshot, -ENOMEM);
		return NULL;
	}
	read->local->read = read;
	read->local->snapshot = snapshot;
	return read->local;
}

static int local_answer(const struct client_read *read, struct raftkv_snapshot *snapshot, bool may_block)
{
	return question_answer(&read->question, options_of(read->client)->raftkv,
		raftkv_snapshot_view(snapshot, may_block), may_block, read->finding);
}

static void on_worker(struct env_work *work)
{
	struct local_read *local = container_of(work, struct local_read, work);

	local->status = local_answer(local->read, local->snapshot, true);
}

static void on_worker_done(struct env_work *work)
{
	struct local_read *local = container_of(work, struct local_read, work);

	finish_read(local->read, local->snapshot, local->status);
}

/* Takes the snapshot. */
static void run_on_snapshot(struct client_read *read, struct raftkv_snapshot *snapshot)
{
	int status = local_answer(read, snapshot, false);
	struct local_read *local;

	if (status != STATUS_WOULD_BLOCK) {
		finish_read(read, snapshot, status);
		return;
	}
	local = make_wait(read, snapshot);
	if (!local)
		return;
	local->work = (struct env_work){0};
	env_work_submit(read->loop, &local->work, on_worker, on_worker_done);
}

static void on_read_timer(struct env_timer *timer)
{
	start_read(container_of(timer, struct local_read, timer)->read);
}

static void read_again_later(struct client_read *read, int status)
{
	struct local_read *local = make_wait(read, NULL);

	if (!local)
		return;
	local->timer = (struct env_timer){0};
	back_off(read->client, &local->timer, read->loop, &local->attempts, status, on_read_timer);
}

static void local_on_snapshot(struct raftkv_read *request, int status, struct raftkv_snapshot *snapshot)
{
	struct client_read *read = container_of(request, struct local_read, request)->read;

	if (status == STATUS_STALE_COMMAND || may_retry(read->client, status))
		read_again_later(read, status);
	else if (status < 0)
		finish_read(read, snapshot, status);
	else
		run_on_snapshot(read, snapshot);
}

static void wait_for_snapshot(struct client_read *read, uint64_t region, uint64_t epoch_version)
{
	struct local_read *local = make_wait(read, NULL);

	if (!local)
		return;
	local->request = (struct raftkv_read){.region = region,
		.epoch_version = epoch_version,
		.loop = read->loop,
		.done = local_on_snapshot};
	raftkv_async_snapshot(options_of(read->client)->raftkv, &local->request);
}

static void start_read(struct client_read *read)
{
	struct raftkv *raftkv = options_of(read->client)->raftkv;
	struct fs_key key = question_key(&read->question);
	struct raftkv_snapshot *snapshot = NULL;
	struct region_epoch epoch;
	uint64_t region;
	int status;

	status = raftkv_find_region(raftkv, fs_key_slice(&key), &region, &epoch);
	if (status == 0) {
		status = raftkv_local_snapshot(raftkv, region, epoch.version, &snapshot);
		if (status == STATUS_WOULD_BLOCK) {
			wait_for_snapshot(read, region, epoch.version);
			return;
		}
	}
	if (status == 0)
		run_on_snapshot(read, snapshot);
	else if (may_retry(read->client, status))
		read_again_later(read, status);
	else
		finish_read(read, NULL, status);
}

static void local_read(struct client *client, struct client_read *read)
{
	(void)client;
	read->local = NULL;
	start_read(read);
}

/* ---- Life ---- */

static uint64_t local_session(const struct client *client)
{
	return options_of(client)->session;
}

static struct raftkv *local_raftkv(const struct client *client)
{
	return options_of(client)->raftkv;
}

static void local_free(struct client *client)
{
	free(local_of(client));
}

static const struct client_ops local_ops = {
	.call = local_call,
	.read = local_read,
	.session = local_session,
	.raftkv = local_raftkv,
	.free = local_free,
};

int client_new(const struct client_options *options, struct client **out)
{
	struct local *local = calloc(1, sizeof *local);

	if (!local)
		return -ENOMEM;
	local->base = (struct client){.ops = &local_ops, .logger = options->logger};
	local->options = *options;
	*out = &local->base;
	return 0;
}
