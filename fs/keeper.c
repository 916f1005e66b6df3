#include "fs/keeper.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fs/op.h"
#include "fs/session_table.h"
#include "proto/container.h"

#define NS_PER_MS      UINT64_C(1000000)
#define TICKS_A_PERIOD 16u
#define REVIEW_NS      (1000 * NS_PER_MS) /* the records are read this often */
#define ROOT_MODE      0755

/* What the records say, as a worker has read them. */
struct review {
	uint64_t last; /* id of a session */
	uint32_t count;
	struct {
		uint64_t session;
		enum session_state state;
	} sessions[SESSION_COUNT_MAX];
};

struct keeper {
	struct keeper_options options;
	struct env *env;
	struct session_table table;
	struct env_timer timer;
	uint64_t tick_ns;
	uint64_t ticked; /* env_now */
	uint64_t term; /* of the leadership; 0: another store leads */

	/* The work of this term. */
	uint32_t prepared; /* steps: the root, then each of the first stores */
	uint64_t reviewed; /* env_now; 0: not yet in this term */
	uint64_t ending; /* the session that is being ended, and */
	enum op_kind end_step; /* what it needs next */
	uint64_t writes_seen; /* by raftkv_stats, when the last reclaiming ended */
	uint64_t reclaimed; /* env_now */

	/* What is on its way. */
	bool is_busy;
	struct op op;
	uint64_t op_term; /* in which it was asked: a later one knows nothing of it */
	struct raftkv_write write;
	struct raftkv_read read;
	struct raftkv_snapshot *snapshot;
	struct env_work work;
	struct review *review;
	int review_status;

	bool is_stopping;
	void (*stopped)(void *argument);
	void *stopped_argument;
};

static void go_on(struct keeper *keeper);

static void finish_stop(struct keeper *keeper)
{
	if (keeper->is_stopping && !keeper->is_busy)
		keeper->stopped(keeper->stopped_argument);
}

/* ---- One operation ---- */

static void on_done(struct keeper *keeper, int error, const struct op_reply *reply);

static void on_written(struct raftkv_write *write, int status, struct buf *bytes)
{
	struct keeper *keeper = container_of(write, struct keeper, write);
	struct op_reply reply = {0};

	buf_unref(write->body);
	keeper->is_busy = false;
	if (status == 0)
		status = op_reply_decode(buf_slice(bytes), &reply);
	if (keeper->is_stopping) {
		finish_stop(keeper);
	} else if (status < 0) {
		if (status != STATUS_NOT_LEADER)
			log_warn(keeper->options.logger,
				"msg=\"the keeper's operation failed\" reason=\"%s\"", status_name(status));
	} else if (keeper->op_term == keeper->term) {
		on_done(keeper, reply.error, &reply);
		go_on(keeper);
	}
}

static void run_op(struct keeper *keeper, const struct op *op)
{
	struct buf *body;

	keeper->op = *op;
	if (op_encode(op, &body) < 0)
		return;
	keeper->is_busy = true;
	keeper->op_term = keeper->term;
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
	run_op(keeper, &op);
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

/* ---- Reading the records ---- */

static int read_session(void *argument, struct slice key, struct slice value)
{
	struct review *review = argument;
	struct session_record record;
	int status = review->count < SESSION_COUNT_MAX ? 0 : STATUS_CORRUPT;

	if (status == 0)
		status = fs_key_parse_session(key, &review->sessions[review->count].session);
	if (status == 0)
		status = session_record_decode(value, &record);
	if (status == 0)
		review->sessions[review->count++].state = record.state;
	return status;
}

static int read_last(struct view *view, uint64_t *last)
{
	struct fs_key key = fs_key_counter(COUNTER_SESSION);
	struct kv_value row = {0};
	int status = view_get(view, KEY_LOCAL, fs_key_slice(&key), &row);

	*last = 0;
	if (status == 0)
		status = counter_decode(row.data, last);
	kv_value_close(&row);
	return status == STATUS_NOT_FOUND ? 0 : status;
}

static void review_on_worker(struct env_work *work)
{
	struct keeper *keeper = container_of(work, struct keeper, work);
	struct view *view = raftkv_snapshot_view(keeper->snapshot, true);
	struct fs_key low = fs_key_sessions(), high = fs_key_after(&low);
	int status;

	keeper->review->count = 0;
	status = read_last(view, &keeper->review->last);
	if (status == 0)
		status = view_scan(view, KEY_LOCAL, fs_key_slice(&low), fs_key_slice(&high), read_session,
			keeper->review);
	keeper->review_status = status;
}

static void take_review(struct keeper *keeper)
{
	const struct review *review = keeper->review;
	uint64_t now = env_now(keeper->env);

	session_table_begin(&keeper->table, review->last);
	for (uint32_t i = 0; i < review->count; i++)
		session_table_tell(
			&keeper->table, review->sessions[i].session, review->sessions[i].state, now);
	session_table_end(&keeper->table);
	keeper->reviewed = now;
}

static void on_reviewed(struct env_work *work)
{
	struct keeper *keeper = container_of(work, struct keeper, work);

	raftkv_snapshot_free(keeper->snapshot);
	keeper->is_busy = false;
	if (keeper->review_status < 0)
		log_error(keeper->options.logger,
			"msg=\"the records of sessions cannot be read\" reason=\"%s\"",
			status_name(keeper->review_status));
	if (keeper->is_stopping) {
		finish_stop(keeper);
	} else if (keeper->review_status == 0 && keeper->term > 0) {
		take_review(keeper);
		go_on(keeper);
	}
}

static void on_snapshot(struct raftkv_read *read, int status, struct raftkv_snapshot *snapshot)
{
	struct keeper *keeper = container_of(read, struct keeper, read);

	if (status == 0) {
		keeper->snapshot = snapshot;
		env_work_submit(keeper->options.loop, &keeper->work, review_on_worker, on_reviewed);
		return;
	}
	keeper->is_busy = false;
	finish_stop(keeper);
}

static void review(struct keeper *keeper)
{
	keeper->is_busy = true;
	keeper->read = (struct raftkv_read){
		.region = CLUSTER_REGION, .loop = keeper->options.loop, .done = on_snapshot};
	raftkv_async_snapshot(keeper->options.raftkv, &keeper->read);
}

/* ---- Ending sessions ---- */

static void run_end_step(struct keeper *keeper, enum op_kind kind, uint64_t session)
{
	const struct op op = {.kind = kind, .session_end.session = session};

	run_op(keeper, &op);
}

static void on_end_step(struct keeper *keeper, enum op_kind kind, bool more)
{
	if (kind == OP_SESSION_FORGET) {
		keeper->end_step = OP_SESSION_END;
	} else if (kind == OP_SESSION_END && !more) {
		keeper->end_step = OP_SESSION_REMOVE;
	} else if (kind == OP_SESSION_REMOVE) {
		session_table_remove(&keeper->table, keeper->ending);
		log_info(keeper->options.logger, "msg=\"session ended\" session=%" PRIu64, keeper->ending);
		keeper->ending = 0;
	}
}

static bool end_sessions(struct keeper *keeper)
{
	uint64_t session;

	if (keeper->ending == 0 && session_table_find_dying(&keeper->table, &keeper->ending))
		keeper->end_step = OP_SESSION_FORGET;
	if (keeper->ending > 0) {
		run_end_step(keeper, keeper->end_step, keeper->ending);
		return true;
	}
	if (!session_table_find_expired(&keeper->table, env_now(keeper->env), &session))
		return false;
	log_warn(keeper->options.logger, "msg=\"session was silent for too long\" session=%" PRIu64, session);
	run_end_step(keeper, OP_SESSION_CLOSE, session);
	return true;
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
	run_op(keeper, &op);
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
	switch (keeper->op.kind) {
	case OP_FORMAT:
	case OP_STORE_ENTER:
		on_prepared(keeper, error);
		break;
	case OP_SESSION_CLOSE:
		session_table_set_dying(&keeper->table, keeper->op.session_end.session);
		break;
	case OP_RECLAIM:
		on_reclaimed(keeper, reply->more);
		break;
	default:
		on_end_step(keeper, keeper->op.kind, reply->more);
	}
}

static void go_on(struct keeper *keeper)
{
	if (keeper->is_busy || keeper->is_stopping || keeper->term == 0)
		return;
	if (!is_prepared(keeper))
		prepare(keeper);
	else if (keeper->reviewed == 0 || env_now(keeper->env) - keeper->reviewed >= REVIEW_NS)
		review(keeper);
	else if (!end_sessions(keeper))
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
	if (term > 0)
		log_info(keeper->options.logger, "msg=\"this store keeps the cluster\" term=%" PRIu64, term);
	keeper->term = term;
	keeper->prepared = 0;
	keeper->reviewed = 0;
	keeper->ending = 0;
	keeper->writes_seen = UINT64_MAX;
	keeper->reclaimed = 0;
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
	go_on(keeper);
	env_timer_start(timer, keeper->options.loop, now + keeper->tick_ns, on_tick);
}

/* ---- Life ---- */

struct keeper *keeper_new(const struct keeper_options *options)
{
	struct keeper *keeper = calloc(1, sizeof *keeper);
	uint32_t expiry_ms = options->expiry_ms ? options->expiry_ms : KEEPER_EXPIRY_MS;

	if (!keeper)
		return NULL;
	keeper->review = malloc(sizeof *keeper->review);
	if (!keeper->review) {
		free(keeper);
		return NULL;
	}
	keeper->options = *options;
	keeper->env = env_loop_env(options->loop);
	keeper->tick_ns = expiry_ms * NS_PER_MS / TICKS_A_PERIOD;
	session_table_init(&keeper->table, expiry_ms * NS_PER_MS);
	return keeper;
}

void keeper_free(struct keeper *keeper)
{
	if (!keeper)
		return;
	session_table_close(&keeper->table);
	free(keeper->review);
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
	finish_stop(keeper);
}

int keeper_beat(struct keeper *keeper, uint64_t session)
{
	return session_table_beat(&keeper->table, session, env_now(keeper->env));
}
