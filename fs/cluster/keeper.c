#include "fs/cluster/keeper_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TICKS_A_PERIOD 16u
#define ROOT_MODE      0755

/* ---- One operation ---- */

static void on_done(struct keeper *keeper, int error, const struct op_reply *reply);

static void on_failed(struct keeper *keeper, int code)
{
	struct status status = {0};

	if (code != STATUS_NOT_LEADER)
		log_warn(keeper->options.logger, "msg=\"the keeper's operation failed\" reason=\"%s\"",
			status_name(code));
	status_set(&status, code, "it could not be done: %s", status_name(code));
	keeper_finish_wish(keeper, &status);
}

static void on_written(struct raftkv_write *write, int status, struct buf *bytes)
{
	struct keeper *keeper = container_of(write, struct keeper, write);
	struct op_reply reply = {0};

	buf_unref(write->body);
	keeper->is_busy = false;
	if (status == 0)
		status = op_reply_decode(buf_slice(bytes), &reply);
	if (status == 0 && keeper->op_term != keeper->term)
		status = STATUS_NOT_LEADER;
	if (status < 0)
		on_failed(keeper, status);
	else
		on_done(keeper, reply.error, &reply);
	if (status == 0 || keeper->is_stopping)
		keeper_go_on(keeper);
}

void keeper_run(struct keeper *keeper, const struct op *op)
{
	struct buf *body;
	int status;

	keeper->op = *op;
	keeper->op_term = keeper->term;
	status = op_encode(op, &body);
	if (status < 0) {
		on_failed(keeper, status);
		return;
	}
	keeper->is_busy = true;
	keeper->write = (struct raftkv_write){
		.region = CLUSTER_REGION, .body = body, .loop = keeper->options.loop, .done = on_written};
	raftkv_async_write(keeper->options.raftkv, &keeper->write);
}

/* ---- Once a term ---- */

static bool is_prepared(const struct keeper *keeper)
{
	return keeper->prepared == 1 + keeper->options.store_count;
}

static void prepare(struct keeper *keeper)
{
	struct op op = {.kind = OP_FORMAT, .format.mode = ROOT_MODE};

	if (keeper->prepared > 0) {
		const char *address = keeper->options.stores[keeper->prepared - 1];

		/* Below the incarnation of any life that the store itself has entered with. */
		op = (struct op){.kind = OP_STORE_ENTER,
			.store_enter = {
				.id = keeper->prepared, .address = slice_of(address, strlen(address))}};
	}
	keeper_run(keeper, &op);
}

/* EEXIST, ESTALE: it was done long ago, and the world has moved on. */
static void on_prepared(struct keeper *keeper, int error)
{
	if (error != 0 && error != -EEXIST && error != -ESTALE)
		log_error(keeper->options.logger, "msg=\"%s\" reason=\"%s\"",
			keeper->prepared == 0 ? "the root directory could not be made"
					      : "a first store could not be entered",
			strerror(-error));
	keeper->prepared++;
}

/* ---- Reclaiming ---- */

static uint64_t writes_so_far(const struct keeper *keeper)
{
	struct raftkv_stats stats;

	raftkv_stats(keeper->options.raftkv, &stats);
	return stats.writes;
}

static bool reclaim(struct keeper *keeper)
{
	const struct op op = {.kind = OP_RECLAIM};

	if (env_now(keeper->env) - keeper->reclaimed < REVIEW_NS ||
		writes_so_far(keeper) == keeper->writes_seen)
		return false;
	keeper_run(keeper, &op);
	return true;
}

static void on_reclaimed(struct keeper *keeper, bool more)
{
	if (more)
		return;
	keeper->writes_seen = writes_so_far(keeper);
	keeper->reclaimed = env_now(keeper->env);
}

/* ---- What is next ---- */

static void on_done(struct keeper *keeper, int error, const struct op_reply *reply)
{
	struct status status = {0};

	if (!is_prepared(keeper)) {
		on_prepared(keeper, error);
		return;
	}
	switch (keeper->op.kind) {
	case OP_STORE_ENTER:
		keeper_on_entered(keeper, error, reply->id);
		break;
	case OP_STORE_SET:
		keeper->reviewed = 0;
		status_set(&status, error, "it is refused: %s", strerror(-error));
		keeper_finish_wish(keeper, &status);
		break;
	case OP_DRAW:
		keeper_on_drawn(keeper, reply->id);
		break;
	case OP_GRACE_END:
		keeper_on_grace_ended(keeper);
		break;
	case OP_RECLAIM:
		on_reclaimed(keeper, reply->more);
		break;
	default:
		keeper_on_session_step(keeper, &keeper->op, reply);
	}
}

void keeper_go_on(struct keeper *keeper)
{
	if (keeper->is_busy)
		return;
	if (keeper->is_stopping) {
		keeper_drop_wishes(keeper, STATUS_STOPPING);
		keeper->stopped(keeper->stopped_argument);
		return;
	}
	if (keeper->term == 0)
		return;
	if (!is_prepared(keeper))
		prepare(keeper);
	else if (keeper->reviewed == 0 || env_now(keeper->env) - keeper->reviewed >= REVIEW_NS)
		keeper_review(keeper);
	else if (!keeper_enter_store(keeper) && !keeper_make_wish(keeper) && !keeper_end_sessions(keeper) &&
		 !keeper_end_grace(keeper) && !keeper_place(keeper))
		reclaim(keeper);
}

static void look_at_region(void *argument, const struct region *region, uint64_t term)
{
	if (region->id == CLUSTER_REGION)
		*(uint64_t *)argument = term;
}

static void on_term(struct keeper *keeper, uint64_t term)
{
	session_table_reset(&keeper->table);
	store_table_reset(&keeper->stores);
	if (term > 0)
		log_info(keeper->options.logger, "msg=\"this store keeps the cluster\" term=%" PRIu64, term);
	else
		keeper_drop_wishes(keeper, STATUS_NOT_LEADER);
	keeper->term = term;
	keeper->since = env_now(keeper->env);
	keeper->prepared = 0;
	keeper->reviewed = 0;
	keeper->ending = 0;
	keeper->grace->state = GRACE_IDLE;
	keeper->grace->notices = 0;
	keeper->writes_seen = UINT64_MAX;
	keeper->reclaimed = 0;
	keeper->is_entering = false;
	keeper->refusal = 0;
	keeper->pass.is_running = false;
	keeper->pass.ended = 0;
	keeper->seen.count = 0;
	keeper->seen.is_whole = false;
}

static void on_tick(struct env_timer *timer)
{
	struct keeper *keeper = container_of(timer, struct keeper, timer);
	uint64_t now = env_now(keeper->env), term = 0;

	raftkv_each_region(keeper->options.raftkv, look_at_region, &term);
	if (term != keeper->term)
		on_term(keeper, term);
	if (now - keeper->ticked > keeper->table.expiry / 2)
		session_table_grant(&keeper->table, now);
	keeper->ticked = now;
	keeper_go_on(keeper);
	env_timer_start(timer, keeper->options.loop, now + keeper->tick_ns, on_tick);
}

/* ---- Life ---- */

struct keeper *keeper_new(const struct keeper_options *options)
{
	struct keeper *keeper = calloc(1, sizeof *keeper);
	uint32_t expiry_ms = options->expiry_ms ? options->expiry_ms : KEEPER_EXPIRY_MS;

	if (!keeper)
		return NULL;
	keeper->review = calloc(1, sizeof *keeper->review);
	keeper->reviewing = calloc(1, sizeof *keeper->reviewing);
	keeper->grace = calloc(1, sizeof *keeper->grace);
	if (!keeper->review || !keeper->reviewing || !keeper->grace) {
		free(keeper->grace);
		free(keeper->review);
		free(keeper->reviewing);
		free(keeper);
		return NULL;
	}
	keeper->options = *options;
	keeper->env = env_loop_env(options->loop);
	keeper->tick_ns = expiry_ms * NS_PER_MS / TICKS_A_PERIOD;
	keeper->wishes_end = &keeper->wishes;
	session_table_init(&keeper->table, expiry_ms * NS_PER_MS);
	return keeper;
}

void keeper_free(struct keeper *keeper)
{
	if (!keeper)
		return;
	session_table_close(&keeper->table);
	free(keeper->pass.regions);
	free(keeper->seen.regions);
	free(keeper->review);
	free(keeper->reviewing);
	free(keeper->grace);
	free(keeper);
}

void keeper_start(struct keeper *keeper)
{
	keeper->ticked = env_now(keeper->env);
	on_tick(&keeper->timer);
}

void keeper_stop(struct keeper *keeper, void (*stopped)(void *argument), void *argument)
{
	keeper->is_stopping = true;
	keeper->stopped = stopped;
	keeper->stopped_argument = argument;
	env_timer_stop(&keeper->timer);
	session_table_reset(&keeper->table);
	keeper_go_on(keeper);
}

int keeper_beat(struct keeper *keeper, uint64_t session, uint64_t answered, struct session_notice *notice)
{
	return session_table_beat(&keeper->table, session, answered, env_now(keeper->env), notice);
}

bool keeper_look(struct keeper *keeper, struct keeper_overview *overview)
{
	if (keeper->term == 0 || keeper->stores.count == 0 || keeper->is_stopping)
		return false;
	*overview = (struct keeper_overview){.term = keeper->term,
		.since = keeper->since,
		.stores = &keeper->stores,
		.regions = keeper->seen.regions,
		.region_count = keeper->seen.count,
		.sessions = keeper->review->sessions,
		.session_count = keeper->review->session_count};
	return true;
}
