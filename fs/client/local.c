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

/* Not drawn: the store is here, and nobody else comes to it. */
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

/* ---- What an error means ---- */

/* A store that is here does not come back after it stopped. What may have happened can be asked again only by its slot. */
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

static void send_call(struct client_call *call);

static void finish_call(struct client_call *call, int status, struct buf *reply)
{
	buf_unref(call->write.body);
	buf_unref(call->write.payload);
	client_end_call(call, status, status == 0 ? buf_slice(reply) : (struct slice){0});
}

static void on_call_timer(struct env_timer *timer)
{
	send_call(container_of(timer, struct client_call, timer));
}

/* What may come right again is asked again, the region looked up anew: it may have been split meanwhile. */
static void retry_call(struct client_call *call, int status)
{
	back_off(call->client, &call->timer, call->loop, &call->attempts, status, on_call_timer);
}

static void local_on_written(struct raftkv_write *write, int status, struct buf *reply)
{
	struct client_call *call = container_of(write, struct client_call, write);

	if (may_retry(call->client, status)) {
		call->write.is_retry = true;
		retry_call(call, status);
		return;
	}
	finish_call(call, status, reply);
}

static void send_call(struct client_call *call)
{
	struct raftkv *raftkv = options_of(call->client)->raftkv;
	struct region_epoch epoch;
	int status = raftkv_find_region(raftkv, fs_key_slice(&call->key), &call->write.region, &epoch);

	if (may_retry(call->client, status)) {
		retry_call(call, status);
	} else if (status < 0) {
		finish_call(call, status, NULL);
	} else {
		call->write.epoch_version = epoch.version;
		raftkv_async_write(raftkv, &call->write);
	}
}

static int local_call(
	struct client *client, struct client_call *call, const struct op *op, struct buf *payload)
{
	struct buf *body;
	int status = op_encode(op, &body);

	if (status < 0)
		return status;
	call->key = op_key(op);
	call->attempts = 0;
	call->timer = (struct env_timer){0};
	call->write = (struct raftkv_write){
		.session = options_of(client)->session,
		.body = body,
		.payload = buf_ref(payload),
		.loop = call->loop,
		.done = local_on_written,
	};
	send_call(call);
	return 0;
}

/* ---- Reads ---- */

static void start_read(struct client_read *read);

static void finish_read(struct client_read *read, int status)
{
	if (read->snapshot)
		raftkv_snapshot_free(read->snapshot);
	read->snapshot = NULL;
	client_end_read(read, status);
}

static int local_answer(struct client_read *read, bool may_block)
{
	return question_answer(&read->question, options_of(read->client)->raftkv,
		raftkv_snapshot_view(read->snapshot, may_block), may_block, &read->finding);
}

static void on_worker(struct env_work *work)
{
	struct client_read *read = container_of(work, struct client_read, work);

	read->status = local_answer(read, true);
}

static void on_worker_done(struct env_work *work)
{
	struct client_read *read = container_of(work, struct client_read, work);

	finish_read(read, read->status);
}

static void run_on_snapshot(struct client_read *read)
{
	int status = local_answer(read, false);

	if (status == STATUS_WOULD_BLOCK)
		env_work_submit(read->loop, &read->work, on_worker, on_worker_done);
	else
		finish_read(read, status);
}

static void on_read_timer(struct env_timer *timer)
{
	start_read(container_of(timer, struct client_read, timer));
}

static void local_on_snapshot(struct raftkv_read *request, int status, struct raftkv_snapshot *snapshot)
{
	struct client_read *read = container_of(request, struct client_read, read);

	if (status == STATUS_STALE_COMMAND || may_retry(read->client, status)) {
		back_off(read->client, &read->timer, read->loop, &read->attempts, status, on_read_timer);
		return;
	}
	read->snapshot = snapshot;
	if (status < 0)
		finish_read(read, status);
	else
		run_on_snapshot(read);
}

static void start_read(struct client_read *read)
{
	struct raftkv *raftkv = options_of(read->client)->raftkv;
	struct fs_key key = question_key(&read->question);
	struct region_epoch epoch;
	int status;

	read->read = (struct raftkv_read){.loop = read->loop, .done = local_on_snapshot};
	status = raftkv_find_region(raftkv, fs_key_slice(&key), &read->read.region, &epoch);
	if (status == 0) {
		read->read.epoch_version = epoch.version;
		status = raftkv_local_snapshot(raftkv, read->read.region, epoch.version, &read->snapshot);
	}
	if (status == 0)
		run_on_snapshot(read);
	else if (status == STATUS_WOULD_BLOCK)
		raftkv_async_snapshot(raftkv, &read->read);
	else if (may_retry(read->client, status))
		back_off(read->client, &read->timer, read->loop, &read->attempts, status, on_read_timer);
	else
		finish_read(read, status);
}

static void local_read(struct client *client, struct client_read *read)
{
	(void)client;
	read->snapshot = NULL;
	read->timer = (struct env_timer){0};
	read->attempts = 0;
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
