#include "fs/cluster/coordinator_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TICKS_A_PERIOD 16u
#define ROOT_MODE      0755
#define ASKED_NS       (2 * NS_PER_S) /* for an answer of another region's leader */

/* ---- One operation ---- */

static void coordinator_on_done(struct coordinator *coordinator, int error, const struct op_reply *reply);

static void on_failed(struct coordinator *coordinator, int code)
{
	struct status status = {0};

	if (code != STATUS_NOT_LEADER)
		log_warn(coordinator->options.logger,
			"msg=\"the coordinator's operation failed\" reason=\"%s\"", status_name(code));
	if (code == STATUS_INCOMPLETE && coordinator->op.kind == OP_SESSION_END)
		coordinator_on_session_waiting(coordinator);
	status_set(&status, code, "it could not be done: %s", status_name(code));
	coordinator_on_undrawn(coordinator, &status);
	coordinator_on_unallocated(coordinator);
	coordinator_finish_admin(coordinator, &status);
}

static void coordinator_on_written(struct raftkv_write *write, int status, struct buf *bytes)
{
	struct coordinator *coordinator = container_of(write, struct coordinator, write);
	struct op_reply reply = {0};

	buf_unref(write->body);
	coordinator->is_busy = false;
	if (status == 0)
		status = op_reply_decode(buf_slice(bytes), &reply);
	if (status == 0 && coordinator->op_term != coordinator->term)
		status = STATUS_NOT_LEADER;
	if (status < 0)
		on_failed(coordinator, status);
	else
		coordinator_on_done(coordinator, reply.error, &reply);
	if (status == 0 || coordinator->is_stopping)
		coordinator_go_on(coordinator);
}

void coordinator_run(struct coordinator *coordinator, const struct op *op)
{
	struct buf *body;
	int status;

	coordinator->op = *op;
	coordinator->op_term = coordinator->term;
	status = op_encode(op, &body);
	if (status < 0) {
		on_failed(coordinator, status);
		return;
	}
	coordinator->is_busy = true;
	coordinator->write = (struct raftkv_write){.region = CLUSTER_REGION,
		.body = body,
		.loop = coordinator->options.loop,
		.done = coordinator_on_written};
	raftkv_async_write(coordinator->options.raftkv, &coordinator->write);
}

/* ---- An operation in any region ---- */

/* The next tick goes on. */
static void on_ask_failed(struct coordinator *coordinator, int code)
{
	log_warn(coordinator->options.logger,
		"msg=\"a region does not do what the coordinator asks for\" reason=\"%s\"",
		status_name(code));
	if (coordinator->asked.op.kind != OP_GRACE_END)
		coordinator_on_session_stuck(coordinator);
}

static void coordinator_on_asked(
	struct cluster_request *request, int status, const struct cluster_answer *answer)
{
	struct coordinator *coordinator = container_of(request, struct coordinator, asked.request);
	struct coordinator_request *asked = &coordinator->asked;
	struct op_reply reply = {0};

	buf_unref(request->body);
	asked->is_under_way = false;
	if (coordinator->is_stopping || asked->term != coordinator->term)
		return;
	if (status == 0)
		status = op_reply_decode(answer->bytes, &reply);
	if (status < 0)
		on_ask_failed(coordinator, status);
	else if (asked->op.kind == OP_GRACE_END)
		coordinator_on_grace_ended(coordinator, &reply);
	else
		coordinator_on_session_step(coordinator, &asked->op, &reply);
	if (status == 0)
		coordinator_go_on(coordinator);
}

void coordinator_ask(struct coordinator *coordinator, const struct op *op, uint64_t dirid)
{
	struct coordinator_request *asked = &coordinator->asked;
	struct buf *body;
	int status = op_encode(op, &body);

	asked->op = *op;
	if (status < 0) {
		on_ask_failed(coordinator, status);
		return;
	}
	asked->term = coordinator->term;
	asked->is_under_way = true;
	asked->request = (struct cluster_request){.kind = CLUSTER_REQUEST_SESSION,
		.key = fs_key_dirid(dirid),
		.body = body,
		.weight = body->size,
		.limit = ASKED_NS,
		.done = coordinator_on_asked};
	status = dispatcher_run(coordinator->options.peers, &asked->request);
	if (status == 0)
		return;
	asked->is_under_way = false;
	buf_unref(body);
	on_ask_failed(coordinator, status);
}

/* ---- Once a term ---- */

static bool is_prepared(const struct coordinator *coordinator)
{
	return coordinator->prepared == 1 + coordinator->options.store_count;
}

static void prepare(struct coordinator *coordinator)
{
	struct op op = {.kind = OP_FORMAT, .format.mode = ROOT_MODE};

	if (coordinator->prepared > 0) {
		const char *address = coordinator->options.stores[coordinator->prepared - 1];

		/* Incarnation 0 is less than any that the store itself enters with. */
		op = (struct op){.kind = OP_STORE_ENTER,
			.store_enter = {
				.id = coordinator->prepared, .address = slice_of(address, strlen(address))}};
	}
	coordinator_run(coordinator, &op);
}

/* EEXIST, ESTALE: an earlier leader has done it. */
static void on_prepared(struct coordinator *coordinator, int error)
{
	if (error != 0 && error != -EEXIST && error != -ESTALE)
		log_error(coordinator->options.logger, "msg=\"%s\" reason=\"%s\"",
			coordinator->prepared == 0 ? "the root directory could not be made"
						   : "a first store could not be entered",
			strerror(-error));
	coordinator->prepared++;
}

/* ---- The next request ---- */

static void coordinator_on_done(struct coordinator *coordinator, int error, const struct op_reply *reply)
{
	struct status status = {0};

	if (!is_prepared(coordinator)) {
		on_prepared(coordinator, error);
		return;
	}
	switch (coordinator->op.kind) {
	case OP_STORE_ENTER:
		coordinator_on_entered(coordinator, error, reply->id);
		break;
	case OP_STORE_SET:
	case OP_SETTING_SET:
		coordinator->reviewed = 0;
		status_set(&status, error, "it is refused: %s", strerror(-error));
		coordinator_finish_admin(coordinator, &status);
		break;
	case OP_ALLOCATE:
		if (coordinator->op.allocate.counter == COUNTER_REGION)
			coordinator_on_drawn(coordinator, reply->id);
		else
			coordinator_on_allocated(coordinator, reply->id);
		break;
	case OP_GRACE_END:
		coordinator_on_grace_ended(coordinator, reply);
		break;
	default:
		coordinator_on_session_step(coordinator, &coordinator->op, reply);
	}
}

void coordinator_go_on(struct coordinator *coordinator)
{
	if (coordinator->is_busy)
		return;
	if (coordinator->is_stopping) {
		if (coordinator_has_moves(coordinator))
			return;
		coordinator_drop_admin(coordinator, STATUS_STOPPING);
		coordinator->stopped(coordinator->stopped_argument);
		return;
	}
	if (coordinator->term == 0)
		return;
	if (!is_prepared(coordinator))
		prepare(coordinator);
	else if (coordinator->reviewed == 0 || env_now(coordinator->env) - coordinator->reviewed >= REVIEW_NS)
		coordinator_review(coordinator);
	else if (!coordinator_enter_store(coordinator) && !coordinator_draw_region(coordinator) &&
		 !coordinator_make_admin(coordinator) && !coordinator_end_sessions(coordinator) &&
		 !coordinator_end_grace(coordinator))
		coordinator_place(coordinator);
}

static void on_term(struct coordinator *coordinator, uint64_t term)
{
	session_table_reset(&coordinator->table);
	store_table_reset(&coordinator->stores);
	if (term > 0)
		log_info(coordinator->options.logger,
			"msg=\"this store coordinates the cluster\" term=%" PRIu64, term);
	else
		coordinator_drop_admin(coordinator, STATUS_NOT_LEADER);
	coordinator_drop_split(coordinator, STATUS_NOT_LEADER);
	coordinator_drop_moves(coordinator, STATUS_NOT_LEADER);
	coordinator->term = term;
	coordinator->since = env_now(coordinator->env);
	coordinator->prepared = 0;
	coordinator->reviewed = 0;
	coordinator->ending = (struct session_ending){0};
	coordinator->grace->state = GRACE_IDLE;
	coordinator->grace->notices = 0;
	coordinator->is_entering = false;
	coordinator->refusal = 0;
	region_table_close(&coordinator->places->table);
	balance_reset(coordinator->places->balance);
	coordinator->places->imbalance = (struct imbalance){0};
	coordinator->places->looked = 0;
}

static void on_tick(struct env_timer *timer)
{
	struct coordinator *coordinator = container_of(timer, struct coordinator, timer);
	uint64_t now = env_now(coordinator->env);
	uint64_t term = raftkv_leader_term(coordinator->options.raftkv, CLUSTER_REGION);

	if (term != coordinator->term)
		on_term(coordinator, term);
	if (now - coordinator->ticked > coordinator->table.expiry / 2)
		session_table_grant(&coordinator->table, now);
	coordinator->ticked = now;
	coordinator_go_on(coordinator);
	env_timer_start(timer, coordinator->options.loop, now + coordinator->tick_ns, on_tick);
}

/* ---- Life ---- */

static struct places *places_new(void)
{
	struct places *places = calloc(1, sizeof *places);

	if (!places)
		return NULL;
	region_table_init(&places->table);
	places->balance = balance_new(&(struct balance_options){0}); /* coordinator_use_settings */
	if (places->balance)
		return places;
	free(places);
	return NULL;
}

static void places_free(struct places *places)
{
	if (!places)
		return;
	region_table_close(&places->table);
	balance_free(places->balance);
	free(places);
}

struct coordinator *coordinator_new(const struct coordinator_options *options)
{
	struct coordinator *coordinator = calloc(1, sizeof *coordinator);
	uint32_t expiry_ms = options->expiry_ms ? options->expiry_ms : COORDINATOR_EXPIRY_MS;

	if (!coordinator)
		return NULL;
	coordinator->review = calloc(1, sizeof *coordinator->review);
	coordinator->reviewing = calloc(1, sizeof *coordinator->reviewing);
	coordinator->grace = calloc(1, sizeof *coordinator->grace);
	coordinator->places = places_new();
	session_table_init(&coordinator->table, expiry_ms * NS_PER_MS);
	if (!coordinator->review || !coordinator->reviewing || !coordinator->grace || !coordinator->places) {
		coordinator_free(coordinator);
		return NULL;
	}
	coordinator->options = *options;
	coordinator_use_settings(coordinator);
	coordinator->env = env_loop_env(options->loop);
	coordinator->tick_ns = expiry_ms * NS_PER_MS / TICKS_A_PERIOD;
	coordinator->requests_end = &coordinator->requests;
	return coordinator;
}

void coordinator_free(struct coordinator *coordinator)
{
	if (!coordinator)
		return;
	session_table_close(&coordinator->table);
	places_free(coordinator->places);
	free(coordinator->review);
	free(coordinator->reviewing);
	free(coordinator->grace);
	free(coordinator);
}

void coordinator_start(struct coordinator *coordinator)
{
	coordinator->ticked = env_now(coordinator->env);
	on_tick(&coordinator->timer);
}

void coordinator_stop(struct coordinator *coordinator, void (*stopped)(void *argument), void *argument)
{
	coordinator->is_stopping = true;
	coordinator->stopped = stopped;
	coordinator->stopped_argument = argument;
	env_timer_stop(&coordinator->timer);
	session_table_reset(&coordinator->table);
	if (coordinator->asked.is_under_way)
		dispatcher_give_up(&coordinator->asked.request, STATUS_STOPPING);
	coordinator_drop_split(coordinator, STATUS_STOPPING);
	coordinator_drop_moves(coordinator, STATUS_STOPPING);
	coordinator_go_on(coordinator);
}

int coordinator_beat(
	struct coordinator *coordinator, uint64_t session, uint64_t answered, struct session_notice *notice)
{
	return session_table_beat(&coordinator->table, session, answered, env_now(coordinator->env), notice);
}

bool coordinator_look(struct coordinator *coordinator, struct coordinator_overview *overview)
{
	if (coordinator->term == 0 || coordinator->stores.count == 0 || coordinator->is_stopping)
		return false;
	*overview = (struct coordinator_overview){.term = coordinator->term,
		.since = coordinator->since,
		.stores = &coordinator->stores,
		.regions = &coordinator->places->table,
		.sessions = coordinator->review->sessions,
		.session_count = coordinator->review->session_count,
		.settings = coordinator->settings,
		.excess = coordinator->places->imbalance.now,
		.excess_age = imbalance_age(&coordinator->places->imbalance, env_now(coordinator->env)),
		.is_scattering = balance_is_scattering(coordinator->places->balance),
		.scatter_left = balance_scatter_left(coordinator->places->balance),
		.is_partial = !coordinator_is_whole(coordinator)};
	for (unsigned i = 1; i < SETTING_END; i++)
		overview->settings.values[i] = coordinator_setting(coordinator, (enum cluster_setting)i);
	return true;
}
