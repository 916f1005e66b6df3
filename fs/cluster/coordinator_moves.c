/*
 * Carries moves out: the region's leader, here or on another store, describes the region, placement.h says the next step,
 * the leader takes it, and so on until the goal of the balance is reached. A change that an administrator asks for is one
 * step of the same kind.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fs/cluster/coordinator_internal.h"
#include "proto/plant.h"

#define ANSWER_NS    (5000 * NS_PER_MS) /* for a store to answer */
#define REST_NS	     (300 * NS_PER_MS)
#define SILENCE_NS   (15000 * NS_PER_MS) /* a move ends whose leader is not found for so long */
#define CHANGE_NS    (5000 * NS_PER_MS) /* likewise a change for an administrator */
#define MOVE_NS	     (1800 * NS_PER_S) /* a move ends that takes longer */
#define REFUSALS_MAX 20u /* of steps in a row */

static void send(struct region_move *move, const struct placement_step *step);

/* Ids drawn from the counter begin after those that regions were created with. */
static uint64_t replica_of(uint64_t drawn)
{
	return REGION_PEERS_MAX + drawn;
}

/* ---- The list ---- */

static struct region_move *find_move(const struct coordinator *coordinator, uint64_t region)
{
	for (uint32_t i = 0; i < REGION_MOVES_MAX; i++) {
		struct region_move *move = &coordinator->places->moves[i];

		if (move->state != MOVE_FREE && !move->is_dropped && move->region.id == region)
			return move;
	}
	return NULL;
}

const struct region_move *coordinator_find_move(const struct coordinator *coordinator, uint64_t region)
{
	return find_move(coordinator, region);
}

static struct region_move *find_in_state(const struct coordinator *coordinator, int state)
{
	for (uint32_t i = 0; i < REGION_MOVES_MAX; i++)
		if ((int)coordinator->places->moves[i].state == state)
			return &coordinator->places->moves[i];
	return NULL;
}

uint32_t coordinator_free_moves(const struct coordinator *coordinator)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < REGION_MOVES_MAX; i++)
		count += coordinator->places->moves[i].state == MOVE_FREE;
	return count;
}

static bool is_under_way(const struct region_move *move)
{
	return move->state == MOVE_ASKS || move->state == MOVE_STEPS;
}

bool coordinator_has_moves(const struct coordinator *coordinator)
{
	for (uint32_t i = 0; i < REGION_MOVES_MAX; i++)
		if (is_under_way(&coordinator->places->moves[i]))
			return true;
	return false;
}

/* The store that leads the region, as far as it is known; 0: unknown. */
static uint64_t leader_of(const struct coordinator *coordinator, uint64_t region)
{
	const struct region_table *table = &coordinator->places->table;
	const struct region_entry *entry = region_table_find(table, region);

	return !entry || entry->leader == REGION_TABLE_NO_STORE ? 0 : table->stores[entry->leader].id;
}

/* Takes a free place, of which there is one. */
static struct region_move *begin(struct coordinator *coordinator, uint64_t region)
{
	struct region_move *move = find_in_state(coordinator, MOVE_FREE);
	uint64_t now = env_now(coordinator->env);

	*move = (struct region_move){.coordinator = coordinator,
		.begun = now,
		.heard = now,
		.store = leader_of(coordinator, region),
		.region = {.id = region}};
	return move;
}

/* ---- Ends ---- */

static void end_move(struct region_move *move, bool is_reached)
{
	struct coordinator *coordinator = move->coordinator;

	move->state = MOVE_FREE;
	balance_end(coordinator->places->balance, move->region.id, is_reached, env_now(coordinator->env));
}

static void end_change(struct region_move *move, const struct status *status)
{
	struct admin_request *request = move->request;

	move->request = NULL;
	move->state = MOVE_FREE;
	if (status->code == 0 && !request->is_dry)
		coordinator_hold(move->coordinator, move->region.id);
	request->done(request, status);
}

static void fail_change(struct region_move *move, int code)
{
	struct status status = {0};

	if (code == STATUS_NOT_LEADER)
		status_set(&status, STATUS_NOT_READY,
			"no store that leads region %" PRIu64
			" answers, and nothing was done: see 'raftkv region show %" PRIu64 "'",
			move->region.id, move->region.id);
	else if (code == STATUS_UNSUPPORTED)
		status_set(&status, code,
			"the store that leads region %" PRIu64
			" is of an older version: restart it with the present one",
			move->region.id);
	else
		status_set(&status, code, "the members of region %" PRIu64 " could not be changed: %s",
			move->region.id, status_name(code));
	end_change(move, &status);
}

static void give_up(struct region_move *move, int code)
{
	if (move->request)
		fail_change(move, code);
	else
		end_move(move, false);
}

static void rest(struct region_move *move, uint64_t duration)
{
	struct coordinator *coordinator = move->coordinator;
	uint64_t now = env_now(coordinator->env);

	move->state = MOVE_RESTS;
	move->due = now + duration;
	if (now - move->heard > (move->request ? CHANGE_NS : SILENCE_NS))
		give_up(move, STATUS_NOT_LEADER);
	else if (now - move->begun > MOVE_NS)
		give_up(move, -ETIMEDOUT);
}

/* ---- Descriptions ---- */

static void tell_table(struct region_move *move, uint64_t term)
{
	struct coordinator *coordinator = move->coordinator;
	const struct coordinator_region *region = &move->region;
	struct region_report_replica replicas[REGION_PEERS_MAX];
	const struct region_report report = {.region = region->id,
		.epoch = region->epoch,
		.term = term,
		.leader = move->store,
		.replica_count = region->member_count,
		.replicas = replicas};

	for (uint32_t i = 0; i < region->member_count; i++) {
		const struct region_member *member = &region->members[i];
		bool is_behind = member->is_in_snapshot || member->wants_snapshot ||
				 member->match + PLACEMENT_LAG < region->last_index;

		replicas[i] = (struct region_report_replica){.id = member->peer.id,
			.store = member->peer.store,
			.roles = member->peer.roles,
			.flags = is_behind ? REGION_REPLICA_IS_BEHIND : 0};
	}
	region_table_take(&coordinator->places->table, &report);
}

/* A member is active, too, where its store has reported lately: CheckQuorum clears Raft's own flag each time that it
 * has counted the active members. */
static void mark_active(struct region_move *move)
{
	struct coordinator *coordinator = move->coordinator;
	uint64_t now = env_now(coordinator->env);

	for (uint32_t i = 0; i < move->region.member_count; i++) {
		struct region_member *member = &move->region.members[i];
		const struct store_entry *entry = store_table_find(&coordinator->stores, member->peer.store);

		member->is_active |= entry && store_entry_is_alive(entry, now);
	}
}

static void take_own_description(struct region_move *move)
{
	const struct raftkv_region_status *status = &move->here.status;

	move->region.epoch = status->epoch;
	move->region.leader = status->replica;
	move->region.last_index = status->last_index;
	move->region.member_count = status->member_count;
	memcpy(move->region.members, status->members, status->member_count * sizeof status->members[0]);
	tell_table(move, status->term);
}

static int take_description(struct region_move *move, const Raftkv__OverviewRegion *message)
{
	if (!message || !message->epoch || message->n_members > REGION_PEERS_MAX)
		return STATUS_MALFORMED;
	for (size_t i = 0; i < message->n_members; i++) {
		const Raftkv__OverviewMember *member = message->members[i];

		if (!member->replica || member->replica->roles > UINT8_MAX)
			return STATUS_MALFORMED;
		move->region.members[i] =
			(struct region_member){.peer = {.id = member->replica->id,
						       .store = member->replica->store,
						       .roles = (uint8_t)member->replica->roles},
				.match = member->match,
				.is_active = member->is_active,
				.is_in_snapshot = member->is_in_snapshot,
				.wants_snapshot = member->wants_snapshot};
	}
	move->region.member_count = (uint32_t)message->n_members;
	move->region.epoch = (struct region_epoch){
		.version = message->epoch->version, .conf_version = message->epoch->conf_version};
	move->region.leader = message->leader;
	move->region.last_index = message->last_index;
	tell_table(move, message->term);
	return 0;
}

/* ---- Steps ---- */

static void log_step(const struct region_move *move)
{
	static const char *const texts[] = {
		[PLACEMENT_ADD] = "a replica is added",
		[PLACEMENT_PROMOTE] = "a replica gets its vote",
		[PLACEMENT_REMOVE] = "a replica is removed",
		[PLACEMENT_TRANSFER] = "the leadership is handed over",
	};
	const struct placement_step *step = &move->step;

	log_info(move->coordinator->options.logger,
		"msg=\"%s\" region=%" PRIu64 " store=%" PRIu64 " replica=%" PRIu64 " leaving=%" PRIu64,
		texts[step->kind], move->region.id, step->store, step->replica, step->leaving);
}

static void take(struct region_move *move)
{
	if (move->step.kind != PLACEMENT_ADD) {
		send(move, &move->step);
		return;
	}
	move->state = MOVE_NEEDS_ID;
	coordinator_go_on(move->coordinator);
}

static void plan_change(struct region_move *move)
{
	struct status status = {0};
	int code = coordinator_plan(move->coordinator, move->request, &move->region, &move->step, &status);

	if (code < 0 || move->request->is_dry)
		end_change(move, &status);
	else
		take(move);
}

static void move_on_described(struct region_move *move)
{
	struct placement_store stores[STORE_COUNT_MAX];
	struct placement placement;

	mark_active(move);
	if (move->request) {
		plan_change(move);
		return;
	}
	placement = coordinator_placement(move->coordinator, &move->region, stores);
	placement.goal = move->goal;
	move->step = placement_next(&placement);
	switch (move->step.kind) {
	case PLACEMENT_REST:
	case PLACEMENT_STUCK:
		end_move(move, move->step.kind == PLACEMENT_REST);
		return;
	case PLACEMENT_WAIT:
		rest(move, REST_NS);
		return;
	default:
		take(move);
	}
}

static void on_stepped(struct region_move *move)
{
	struct status status = {0};

	log_step(move);
	move->refusals = 0;
	if (move->request)
		end_change(move, &status);
	else
		rest(move, REST_NS);
}

static void on_step_refused(struct region_move *move, int code)
{
	log_warn(move->coordinator->options.logger,
		"msg=\"the members of a region could not be changed\" region=%" PRIu64 " reason=\"%s\"",
		move->region.id, status_name(code));
	if (move->request || ++move->refusals > REFUSALS_MAX)
		give_up(move, code);
	else
		rest(move, REST_NS);
}

/* ---- Answers ---- */

/* The region has another leader, or the one that was asked is silent. */
static void look_for_leader(struct region_move *move, uint64_t leader)
{
	uint64_t known = leader > 0 ? leader : leader_of(move->coordinator, move->region.id);

	if (known > 0)
		move->store = known;
	rest(move, REST_NS);
}

static bool is_about_leader(int code)
{
	return code == STATUS_NOT_LEADER || code == STATUS_REGION_NOT_FOUND || code == -ETIMEDOUT ||
	       code == STATUS_STOPPING || code == STATUS_STALE_COMMAND || code == STATUS_NOT_READY;
}

/* `code` 0: the description has been taken, or the step. */
static void on_answer(struct region_move *move, int code, uint64_t leader)
{
	struct coordinator *coordinator = move->coordinator;
	bool has_stepped = move->state == MOVE_STEPS;

	if (move->is_dropped) {
		move->state = MOVE_FREE;
		move->is_dropped = false;
		return;
	}
	if (code == 0)
		move->heard = env_now(coordinator->env);
	if (is_about_leader(code))
		look_for_leader(move, leader);
	else if (code == STATUS_EPOCH_NOT_MATCH && !move->request)
		rest(move, 0);
	else if (code == -ESTALE || code == STATUS_UNSUPPORTED || (code < 0 && !has_stepped))
		give_up(move, code);
	else if (code < 0)
		on_step_refused(move, code);
	else if (has_stepped)
		on_stepped(move);
	else
		move_on_described(move);
}

static void on_answer_here(struct region_step *step, int code)
{
	struct region_move *move = container_of(step, struct region_move, here);

	if (code == 0 && move->state == MOVE_ASKS && !move->is_dropped)
		take_own_description(move);
	on_answer(move, code, step->leader_store);
	if (move->coordinator->is_stopping)
		coordinator_go_on(move->coordinator); /* which waits for the last one */
}

static void on_answer_afar(struct cluster_request *call, int code, const struct cluster_answer *answer)
{
	struct region_move *move = container_of(call, struct region_move, call);

	if (code == 0 && move->state == MOVE_ASKS && !move->is_dropped)
		code = take_description(move, answer->region_step->region);
	on_answer(move, code, answer->leader_store);
}

/* ---- Requests ---- */

static void send_here(struct region_move *move, const struct placement_step *step)
{
	move->here = (struct region_step){.raftkv = move->coordinator->options.raftkv,
		.loop = move->coordinator->options.loop,
		.region = move->region.id,
		.epoch = move->region.epoch,
		.step = *step,
		.done = on_answer_here};
	move->call.done = NULL;
	region_step_run(&move->here);
}

static void fill_message(struct region_move *move, const struct placement_step *step)
{
	raftkv__region_step_request__init(&move->message);
	raftkv__epoch__init(&move->epoch);
	move->epoch.version = move->region.epoch.version;
	move->epoch.conf_version = move->region.epoch.conf_version;
	move->message.region = move->region.id;
	move->message.placer_term = move->coordinator->term;
	move->message.epoch = &move->epoch;
	move->message.kind = step->kind;
	move->message.store = step->store;
	move->message.replica = step->replica;
	move->message.leaving = step->leaving;
}

/* False: the store is not known, or too many requests are under way. */
static bool send_afar(struct region_move *move, const struct placement_step *step)
{
	struct coordinator *coordinator = move->coordinator;
	const struct store_entry *entry = store_table_find(&coordinator->stores, move->store);

	if (!entry || !coordinator->options.peers)
		return false;
	snprintf(move->address, sizeof move->address, "%s", entry->address);
	fill_message(move, step);
	move->here.done = NULL;
	move->call = (struct cluster_request){.kind = CLUSTER_REQUEST_REGION_STEP,
		.region_step = &move->message,
		.address = move->address,
		.to_store = move->store,
		.limit = ANSWER_NS,
		.done = on_answer_afar};
	return dispatcher_run(coordinator->options.peers, &move->call) == 0;
}

static void send(struct region_move *move, const struct placement_step *step)
{
	uint64_t here = raftkv_ident(move->coordinator->options.raftkv).store;

	move->state = step->kind == PLACEMENT_REST ? MOVE_ASKS : MOVE_STEPS;
	if (move->store == here)
		send_here(move, step);
	else if (!send_afar(move, step))
		look_for_leader(move, 0);
}

static void ask(struct region_move *move)
{
	send(move, &(struct placement_step){.kind = PLACEMENT_REST});
}

bool coordinator_begin_move(struct coordinator *coordinator, const struct balance_operation *operation)
{
	struct region_move *move;

	if (coordinator_free_moves(coordinator) == 0 || leader_of(coordinator, operation->region) == 0)
		return false;
	move = begin(coordinator, operation->region);
	move->goal = operation->goal;
	ask(move);
	return true;
}

/* A move of the region that rests makes way. */
static int make_way(struct coordinator *coordinator, uint64_t region, struct status *status)
{
	struct region_move *move = find_move(coordinator, region);
	int code = coordinator_check_ready(coordinator, status);

	if (code < 0)
		return code;
	if (leader_of(coordinator, region) == 0)
		return status_set(status, STATUS_REGION_NOT_FOUND,
			"no store says that it leads region %" PRIu64 "; see 'raftkv region ls'", region);
	if (move && (move->request || move->state != MOVE_RESTS))
		return status_set(status, -EAGAIN, "region %" PRIu64 " is being changed: try again", region);
	if (move)
		end_move(move, false);
	if (coordinator_free_moves(coordinator) == 0)
		return status_set(status, -EAGAIN, "too many regions are being changed: try again");
	return 0;
}

void coordinator_begin_change(struct coordinator *coordinator, struct admin_request *request)
{
	struct status status = {0};
	struct region_move *move;

	if (make_way(coordinator, request->region, &status) < 0) {
		request->done(request, &status);
		return;
	}
	move = begin(coordinator, request->region);
	move->request = request;
	ask(move);
}

/* ---- Ids ---- */

static bool draw(struct coordinator *coordinator)
{
	const struct op op = {.kind = OP_ALLOCATE, .allocate.counter = COUNTER_REPLICA};
	struct region_move *move = find_in_state(coordinator, MOVE_NEEDS_ID);

	if (!move)
		return false;
	move->state = MOVE_DRAWS;
	coordinator_run(coordinator, &op);
	return coordinator->is_busy;
}

void coordinator_on_allocated(struct coordinator *coordinator, uint64_t id)
{
	struct region_move *move = find_in_state(coordinator, MOVE_DRAWS);

	if (!move)
		return;
	move->step.replica = replica_of(id);
	send(move, &move->step);
}

void coordinator_on_unallocated(struct coordinator *coordinator)
{
	struct region_move *move = find_in_state(coordinator, MOVE_DRAWS);

	if (move)
		rest(move, REST_NS);
}

bool coordinator_move_on(struct coordinator *coordinator)
{
	uint64_t now = env_now(coordinator->env);

	for (uint32_t i = 0; i < REGION_MOVES_MAX; i++) {
		struct region_move *move = &coordinator->places->moves[i];

		if (move->state == MOVE_RESTS && move->due <= now)
			ask(move);
	}
	return draw(coordinator);
}

/* ---- Dropping ---- */

static void drop(struct region_move *move, int code)
{
	struct admin_request *request = move->request;
	struct status status = {0};
	bool is_afar = is_under_way(move) && move->call.done;

	move->request = NULL;
	if (is_under_way(move))
		move->is_dropped = true;
	else
		move->state = MOVE_FREE;
	if (is_afar)
		dispatcher_give_up(&move->call, code);
	if (!request)
		return;
	status_set(&status, code, "this store coordinates the cluster no longer");
	request->done(request, &status);
}

void coordinator_drop_moves(struct coordinator *coordinator, int code)
{
	for (uint32_t i = 0; i < REGION_MOVES_MAX; i++) {
		struct region_move *move = &coordinator->places->moves[i];

		if (move->state != MOVE_FREE && !move->is_dropped)
			drop(move, code);
	}
}
