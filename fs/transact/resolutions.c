#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#include "fs/transact/transactions_internal.h"
#include "proto/check.h"
#include "proto/container.h"
#include "proto/plant.h"

#define LOOK_AGAIN_NS (50 * NS_PER_MS)

struct resolution {
	struct resolution *prev, *next;
	struct transactions *transactions;
	struct attempt attempt;
	enum resolution_kind kind;
	struct buf *places;
	void (*done)(void *argument);
	void *argument;
	int status; /* the first error of a request */
	struct peer_calls calls;
	struct env_timer timer; /* until it looks again */
	struct raftkv_read read;
	bool is_in_store; /* `read` or `write` is */
	struct raftkv_snapshot *snapshot;
	struct env_work work;
	int found; /* what the look had */
	struct raftkv_write write; /* OP_TRANSACT_END */
};

/* ---- Ending ---- */

/* `is_over`: the table may forget the attempt. */
static void resolution_finish(struct resolution *resolution, bool is_over)
{
	struct transactions *transactions = resolution->transactions;
	void (*done)(void *argument) = resolution->done;
	void *argument = resolution->argument;

	DL_DELETE(transactions->resolutions, resolution);
	transactions->resolution_count--;
	if (is_over)
		attempt_table_remove(&transactions->table, &resolution->attempt);
	else
		attempt_table_leave(&transactions->table, &resolution->attempt);
	buf_unref(resolution->places);
	free(resolution);
	if (done && !transactions->is_stopping)
		done(argument);
}

static void on_record_deleted(struct raftkv_write *write, int status, struct buf *reply)
{
	struct resolution *resolution = container_of(write, struct resolution, write);

	(void)reply;
	resolution->is_in_store = false;
	resolution_finish(resolution, status == 0);
}

/* Where it cannot be deleted, the sweeper of the region's leader finds the record. */
static void delete_record(struct resolution *resolution)
{
	struct transactions *transactions = resolution->transactions;
	const struct op op = {.kind = OP_TRANSACT_END, .resolve.attempt = resolution->attempt};
	struct region_epoch epoch;
	uint64_t region = transactions_find_region(transactions, resolution->attempt.anchor, &epoch);
	struct buf *body;

	if (transactions->is_stopping || op_encode(&op, &body) < 0) {
		resolution_finish(resolution, false);
		return;
	}
	resolution->is_in_store = true;
	resolution->write = (struct raftkv_write){.region = region,
		.epoch_version = epoch.version,
		.is_urgent = true,
		.body = body,
		.loop = transactions->options.loop,
		.done = on_record_deleted};
	raftkv_async_write(transactions->options.raftkv, &resolution->write);
	buf_unref(body);
}

/* ---- Resolving ---- */

static void resolution_on_answered(
	struct peer_calls *calls, int status, struct slice facts, const struct op_reply *reply)
{
	struct resolution *resolution = container_of(calls, struct resolution, calls);

	(void)facts;
	if (status == 0)
		status = reply->error;
	if (status < 0 && resolution->status == 0)
		resolution->status = status;
}

/* Some intents may be left. If it has committed, so is its record, which the sweeper finds; else they are strays. */
static void note_left(const struct resolution *resolution)
{
	log_warn(resolution->transactions->options.logger,
		"msg=\"an operation across regions is not resolved yet\" anchor=%llu region=%llu term=%llu "
		"number=%llu committed=%d reason=\"%s\"",
		(unsigned long long)resolution->attempt.anchor,
		(unsigned long long)resolution->attempt.region, (unsigned long long)resolution->attempt.term,
		(unsigned long long)resolution->attempt.number, resolution->kind == RESOLUTION_COMMITS,
		status_name(resolution->status));
}

static void resolution_on_resolved(struct peer_calls *calls)
{
	struct resolution *resolution = container_of(calls, struct resolution, calls);
	bool is_committed = resolution->kind == RESOLUTION_COMMITS;

	if (resolution->status < 0)
		note_left(resolution);
	PLANT("transactions:end_before_resolved", resolution->status = 0);
	if (is_committed && resolution->status == 0)
		delete_record(resolution);
	else
		resolution_finish(resolution, !is_committed);
}

static int resolution_run(void *argument, const struct op *op)
{
	struct resolution *resolution = argument;

	return peer_calls_run(&resolution->calls, op, false);
}

int resolutions_each(const struct attempt *attempt, bool is_committed, struct slice places,
	int (*run)(void *argument, const struct op *op), void *argument)
{
	struct slice rest = places, left;
	struct intent_place place, other;
	uint64_t done[INTENTS_OF_ATTEMPT_MAX]; /* dirids */
	uint32_t count = 0, i;
	int status = 0;

	while (status == 0 && intent_place_next(&rest, &place)) {
		struct writer writer = writer_growing(INTENTS_SIZE_MAX);
		uint64_t dirid = fs_ino_dirid(place.ino);
		struct op op = {
			.kind = OP_RESOLVE, .resolve = {.attempt = *attempt, .is_committed = is_committed}};

		for (i = 0; i < count && done[i] != dirid; i++)
			continue;
		if (i < count || count == INTENTS_OF_ATTEMPT_MAX)
			continue;
		done[count++] = dirid;
		left = places;
		while (intent_place_next(&left, &other))
			if (fs_ino_dirid(other.ino) == dirid)
				intent_place_encode(&other, &writer);
		op.resolve.places = writer_written(&writer);
		status = writer.status < 0 ? writer.status : run(argument, &op);
		writer_close(&writer);
	}
	return status;
}

static void resolution_resolve(struct resolution *resolution)
{
	struct peer_calls *calls = &resolution->calls;

	if (resolution->kind == RESOLUTION_ROLLS_BACK)
		attempt_table_remove(&resolution->transactions->table, &resolution->attempt);
	calls->peers = resolution->transactions->options.peers;
	calls->limit = RESOLVE_LIMIT_NS;
	calls->answered = resolution_on_answered;
	calls->done = resolution_on_resolved;
	resolution->status = resolutions_each(&resolution->attempt, resolution->kind == RESOLUTION_COMMITS,
		buf_slice(resolution->places), resolution_run, resolution);
	if (!peer_calls_wait(calls))
		resolution_on_resolved(calls);
}

/* ---- Looking whether it has committed ---- */

static void look(struct resolution *resolution);

static void resolution_on_timer(struct env_timer *timer)
{
	look(container_of(timer, struct resolution, timer));
}

/* The row was not read. While this store leads the region of the anchor, it must know, because it is asked. */
static void look_again(struct resolution *resolution)
{
	struct transactions *transactions = resolution->transactions;
	struct region_epoch epoch;
	uint64_t region = transactions_find_region(transactions, resolution->attempt.anchor, &epoch);

	if (transactions->is_stopping || raftkv_leader_term(transactions->options.raftkv, region) == 0)
		resolution_finish(resolution, false);
	else
		env_timer_start(&resolution->timer, transactions->options.loop,
			env_now(transactions->env) + LOOK_AGAIN_NS, resolution_on_timer);
}

static void on_looked(struct resolution *resolution)
{
	raftkv_snapshot_free(resolution->snapshot);
	resolution->snapshot = NULL;
	resolution->is_in_store = false;
	if (resolution->transactions->is_stopping ||
		(resolution->found < 0 && resolution->found != STATUS_NOT_FOUND)) {
		look_again(resolution);
		return;
	}
	resolution->kind = resolution->found == 0 ? RESOLUTION_COMMITS : RESOLUTION_ROLLS_BACK;
	resolution_resolve(resolution);
}

static int read_record(struct resolution *resolution, bool may_block)
{
	struct fs_key key = fs_key_committed(&resolution->attempt);
	struct kv_value row = {0};
	int status = view_get(
		raftkv_snapshot_view(resolution->snapshot, may_block), KEY_LOCAL, fs_key_slice(&key), &row);

	if (status == 0)
		kv_value_close(&row);
	return status;
}

static void resolution_on_worker(struct env_work *work)
{
	struct resolution *resolution = container_of(work, struct resolution, work);

	resolution->found = read_record(resolution, true);
}

static void resolution_on_worker_done(struct env_work *work)
{
	struct resolution *resolution = container_of(work, struct resolution, work);
	struct transactions *transactions = resolution->transactions;

	on_looked(resolution);
	transactions_on_worked(transactions);
}

static void resolution_on_snapshot(struct raftkv_read *read, int status, struct raftkv_snapshot *snapshot)
{
	struct resolution *resolution = container_of(read, struct resolution, read);

	resolution->is_in_store = false;
	if (status < 0) {
		look_again(resolution);
		return;
	}
	resolution->is_in_store = true;
	resolution->snapshot = snapshot;
	resolution->found = read_record(resolution, false);
	/* The stop has been told of, or will be: no worker begins anything now. */
	if (resolution->found != STATUS_WOULD_BLOCK || resolution->transactions->is_stopping) {
		on_looked(resolution);
		return;
	}
	resolution->transactions->working_count++;
	env_work_submit(resolution->transactions->options.loop, &resolution->work, resolution_on_worker,
		resolution_on_worker_done);
}

/* By a snapshot of the region that has the anchor now: a split takes the record along. */
static void look(struct resolution *resolution)
{
	struct transactions *transactions = resolution->transactions;
	struct region_epoch epoch;
	uint64_t region = transactions_find_region(transactions, resolution->attempt.anchor, &epoch);

	resolution->is_in_store = true;
	resolution->read = (struct raftkv_read){.region = region,
		.epoch_version = epoch.version,
		.loop = transactions->options.loop,
		.done = resolution_on_snapshot};
	raftkv_async_snapshot(transactions->options.raftkv, &resolution->read);
}

/* ---- Life ---- */

/* A sweeper finds what is left. */
static void leave_all(
	struct transactions *transactions, const struct attempt *attempt, enum resolution_kind kind)
{
	if (kind == RESOLUTION_ROLLS_BACK)
		attempt_table_remove(&transactions->table, attempt);
	else
		attempt_table_leave(&transactions->table, attempt);
}

void resolutions_begin(struct transactions *transactions, const struct attempt *attempt,
	enum resolution_kind kind, struct buf *places, void (*done)(void *argument), void *argument)
{
	struct resolution *resolution = transactions->is_stopping ? NULL : calloc(1, sizeof *resolution);

	if (!resolution) {
		leave_all(transactions, attempt, kind);
		if (done)
			done(argument);
		return;
	}
	resolution->transactions = transactions;
	resolution->attempt = *attempt;
	resolution->kind = kind;
	resolution->places = buf_ref(places);
	resolution->done = done;
	resolution->argument = argument;
	DL_APPEND(transactions->resolutions, resolution);
	transactions->resolution_count++;
	PLANT("transactions:done_is_committed",
		resolution->kind = kind == RESOLUTION_LOOKS ? RESOLUTION_COMMITS : kind);
	if (resolution->kind == RESOLUTION_LOOKS)
		look(resolution);
	else
		resolution_resolve(resolution);
}

void resolutions_stop(struct transactions *transactions)
{
	struct resolution *resolution, *next;

	check(transactions->is_stopping);
	DL_FOREACH_SAFE(transactions->resolutions, resolution, next)
	{
		env_timer_stop(&resolution->timer);
		peer_calls_drop(&resolution->calls);
		if (!resolution->is_in_store)
			resolution_finish(resolution, false);
	}
}
