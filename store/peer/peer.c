#include "store/peer/peer_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/check.h"
#include "proto/plant.h"

#define COMMIT_DELAY_NS (2 * NS_PER_MS)

uint64_t peer_tick_now(const struct raftkv *raftkv)
{
	if (raftkv->started == RAFTKV_OPENING)
		return 0;
	return (env_now(raftkv->engines.env) - raftkv->started) /
	       ((uint64_t)raftkv->options.tick_ms * NS_PER_MS);
}

/* ---- Serving ---------------------------------------------------------------------------------------------------- */

bool peer_is_serving(const struct peer *peer)
{
	return peer->role == RAFT_LEADER && peer->applied.term == peer->term;
}

/* The slowest replica's index. A snapshot on its way counts, unless a lack of room may refuse it: then the replica
 * needs the log. */
static uint64_t shared_index(const struct peer *peer)
{
	uint64_t least = UINT64_MAX;

	for (uint32_t i = 0; i < peer->region.peer_count; i++) {
		uint64_t id = peer->region.peers[i].id;
		struct raft_progress_status progress;

		if (id == peer->id || !raw_node_progress(peer->raft_group, id, &progress))
			continue;
		if (progress.match < progress.pending_snapshot && !peer->sending.is_measured)
			progress.match = progress.pending_snapshot;
		if (progress.match < least)
			least = progress.match;
	}
	return least;
}

void peer_publish(struct peer *peer)
{
	struct route *route = peer->route;
	uint64_t term = peer_is_serving(peer) ? peer->term : 0;
	bool is_changed =
		atomic_load(&route->serving_term) != term ||
		atomic_load_explicit(&route->applied_index, memory_order_relaxed) != peer->applied.index;

	if (peer_is_alone(peer))
		peer->shared_index = UINT64_MAX;
	else if (peer->role == RAFT_LEADER)
		peer->shared_index = shared_index(peer);
	atomic_store_explicit(&route->shared_index, peer->shared_index, memory_order_relaxed);
	atomic_store_explicit(&route->is_stuck, peer_is_stuck(peer), memory_order_relaxed);
	atomic_store_explicit(&route->applied_index, peer->applied.index, memory_order_release);
	atomic_store(&route->lease_bound, term > 0 ? lease_bound(&peer->lease) : 0);
	atomic_store(&route->serving_term, term);
	if (is_changed)
		route_changes_note(&peer_store(peer)->router.changes, route);
}

/* Ends every request that depends on the leadership. */
static void step_down(struct peer *peer)
{
	lease_expire(&peer->lease);
	peer->split_index = peer->change_index = 0;
	peer_publish(peer);
	atomic_fetch_sub(&peer->shard->leaders, 1);
	proposal_queue_fail(&peer->proposals, STATUS_STALE_COMMAND);
	evaluate_fail(&peer->evaluations, STATUS_NOT_LEADER);
}

/* Whether reads that came before the change of the role go on waiting. */
static bool keeps_reads(const struct peer *peer, enum raft_role before)
{
	return peer_is_alone(peer) || (before != RAFT_LEADER && peer_may_wait(peer));
}

void peer_check_role(struct peer *peer)
{
	struct raft_status raft;
	enum raft_role role = peer->role;
	uint64_t term = peer->term;

	raw_node_status(peer->raft_group, &raft);
	if (raft.soft_state.role == role && raft.hard_state.term == term)
		return;
	peer->role = raft.soft_state.role;
	peer->term = raft.hard_state.term;
	if (role == RAFT_LEADER)
		step_down(peer);
	if (peer->role == RAFT_LEADER)
		atomic_fetch_add(&peer->shard->leaders, 1);
	if (!keeps_reads(peer, role))
		read_index_queue_fail(&peer->pending_reads, role == RAFT_LEADER, STATUS_STALE_COMMAND);
}

/* ---- Proposals --------------------------------------------------------------------------------------------------- */

uint64_t peer_push_proposal(struct peer *peer, struct proposal *proposal, proposal_cb finish)
{
	struct raft_status raft;

	raw_node_status(peer->raft_group, &raft);
	*proposal = (struct proposal){
		.term = raft.hard_state.term,
		.index = raft.last_index,
		.proposed = env_now(peer_engines(peer)->env),
		.finish = finish,
	};
	proposal_queue_push(&peer->proposals, proposal);
	return raft.last_index;
}

/* ---- Ready ------------------------------------------------------------------------------------------------------ */

bool peer_may_renew(const struct peer *peer)
{
	PLANT("split:lease_renewed", return true);
	return peer->splits_committed == 0 && peer->applied.index >= peer->split_index;
}

/* A committed entry of this term proves that a quorum followed this leader after the entry was proposed. */
static void renew_by_commit(struct peer *peer, const struct raft_entries *committed)
{
	const struct raft_entry *last = &committed->items[committed->count - 1];
	uint64_t proposed;

	if (peer->role != RAFT_LEADER || last->term != peer->term)
		return;
	proposed = proposal_queue_time(&peer->proposals, last->term, last->index);
	if (proposed > 0 && peer_may_renew(peer))
		lease_renew(&peer->lease, proposed);
}

static void submit(struct peer *peer, struct apply_task *task)
{
	uint64_t last = task->message.entries.items[task->message.entries.count - 1].index;

	task->committed = env_now(peer_engines(peer)->env);
	task->payloads = payload_list_take(&peer->appends.payloads, last);
	PLANT("store:answer_before_apply", proposal_queue_fail(&peer->proposals, 0));
	PLANT("store:overlay_retired_early", evaluate_on_applied(&peer->evaluations, last, task->committed));
	peer_submit(peer, task);
}

static void start_apply(struct peer *peer, struct raft_message *message)
{
	size_t begin = 0, count = message->entries.count;

	renew_by_commit(peer, &message->entries);
	while (begin < count) {
		struct apply_task *task = peer_cut(peer, message, &begin);

		if (!task) {
			engines_fail(peer_engines(peer), -ENOMEM, "out of memory for committed entries");
			return;
		}
		submit(peer, task);
	}
}

/* Must run before a message with the new commit index leaves. */
static void publish_commit(struct peer *peer)
{
	struct raft_status raft;

	raw_node_status(peer->raft_group, &raft);
	atomic_store(&peer->route->commit_index, peer->region.peer_count > 1 ? raft.hard_state.commit : 0);
}

static void handle_ready(struct peer *peer, struct raft_ready *ready)
{
	peer_check_role(peer);
	publish_commit(peer);
	for (size_t i = 0; i < ready->read_states.count; i++)
		peer_on_read_state(peer, &ready->read_states.items[i]);
	peer_send_messages(peer, ready);
	for (size_t i = 0; i < ready->messages.count; i++) {
		struct raft_message *message = &ready->messages.items[i];

		if (message->to == RAFT_LOCAL_APPEND_THREAD)
			append_start(peer, message);
		else if (message->to == RAFT_LOCAL_APPLY_THREAD)
			start_apply(peer, message);
	}
}

/* ---- The turn --------------------------------------------------------------------------------------------------- */

static void handle_readies(struct peer *peer)
{
	struct raft_ready *ready = &peer->shard->ready;

	while (raw_node_has_ready(peer->raft_group)) {
		int status = raw_node_ready(peer->raft_group, ready);

		if (status == STATUS_WOULD_BLOCK) {
			peer_fetch(peer);
			return;
		}
		if (status < 0) {
			engines_fail(peer_engines(peer), status, "a Raft group cannot go on");
			return;
		}
		handle_ready(peer, ready);
		raft_ready_clear(ready);
	}
}

/* A follower applies a little later what its leader has applied; nobody waits for it (raft.h: delay_commit). A split is
 * known to all at once, as a change of membership is. */
static void send_commit(struct peer *peer)
{
	uint64_t now;

	if (!raw_node_has_unsent_commit(peer->raft_group)) {
		peer->commit_due = 0;
		return;
	}
	now = env_now(peer_engines(peer)->env);
	if (peer->commit_due == 0)
		peer->commit_due = now + COMMIT_DELAY_NS;
	if (now < peer->commit_due && peer->applied.index >= peer->split_index)
		return;
	raw_node_send_commit(peer->raft_group);
	peer->commit_due = 0;
	handle_readies(peer);
}

int peer_tick(struct peer *peer)
{
	uint64_t now = peer_tick_now(peer_store(peer));
	int status;

	campaign_on_tick(peer, now);
	status = raw_node_tick_to(peer->raft_group, now);
	if (status == STATUS_WOULD_BLOCK)
		peer_fetch(peer);
	return status;
}

/* A sole voter campaigns at once. */
static void lead_if_alone(struct peer *peer)
{
	int status;

	if (!peer->wants_to_lead)
		return;
	status = raw_node_campaign(peer->raft_group);
	peer->wants_to_lead = status == STATUS_WOULD_BLOCK;
	if (status == STATUS_WOULD_BLOCK)
		peer_fetch(peer);
}

bool peer_led_parent(const struct peer *peer)
{
	/* Nearly no replica has such a time: the clock is not read for the others. */
	return peer->leads_until > 0 && env_now(peer_engines(peer)->env) < peer->leads_until;
}

bool peer_expects_to_lead(const struct peer *peer)
{
	return peer_led_parent(peer) && !peer_has_leader(peer);
}

/* Somebody leads the new region, so the leader of the region before has applied the split. From now on it is a region
 * as any other: its leadership may be handed over, and is not taken back. */
static void end_beginning(struct peer *peer)
{
	peer->leads_until = peer->waits_until = 0;
}

/* The replica of a new region on the store that led the region before the split campaigns until somebody leads: the
 * others may apply the split a little later, and know nothing of the new region before. */
static void lead_half(struct peer *peer)
{
	uint64_t now;

	if (peer->leads_until == 0 && peer->waits_until == 0)
		return;
	if (peer_has_leader(peer))
		end_beginning(peer);
	if (!peer_expects_to_lead(peer))
		return;
	now = env_now(peer_engines(peer)->env);
	if (now < peer_campaign_time(peer))
		return;
	peer->campaigned = now;
	if (raw_node_campaign(peer->raft_group) == STATUS_WOULD_BLOCK)
		peer_fetch(peer);
}

uint64_t peer_campaign_time(const struct peer *peer)
{
	uint64_t tick_ns = (uint64_t)peer_store(peer)->options.tick_ms * NS_PER_MS;

	return peer->campaigned == 0 ? 0 : peer->campaigned + tick_ns;
}

/* Raft may lead already where the role is still the old one. */
static bool is_about_to_lead(const struct peer *peer)
{
	struct raft_status raft;

	raw_node_status(peer->raft_group, &raft);
	return raft.soft_state.role == RAFT_LEADER;
}

/* Whether requests wait here although nobody leads. */
bool peer_may_wait(const struct peer *peer)
{
	return peer->role == RAFT_LEADER || peer_is_alone(peer) || peer_expects_to_lead(peer) ||
	       is_about_to_lead(peer);
}

static void refuse_writes_of_others(struct peer *peer)
{
	if (evaluate_has_queued(&peer->evaluations) && !peer_may_wait(peer))
		evaluate_fail(&peer->evaluations, STATUS_NOT_LEADER);
}

void peer_begin(struct peer *peer)
{
	peer->leader_heard = env_now(peer_engines(peer)->env);
}

void peer_process(struct peer *peer)
{
	if (peer->shard->is_stopping || atomic_load(&peer_engines(peer)->has_failed))
		return;
	if (!peer_is_here(peer)) {
		if (peer->is_leaving)
			peer_go_on_leaving(peer);
		return;
	}
	peer_tick(peer);
	campaign_go_on(peer);
	lead_if_alone(peer);
	lead_half(peer);
	evaluate_queued(&peer->evaluations);
	refuse_writes_of_others(peer);
	peer_send_reads(peer);
	peer_ask(peer);
	append_go_on(peer);
	handle_readies(peer);
	send_commit(peer);
	peer_settle_removals(peer);
	peer_serve_reads(peer);
	peer_go_on_sending(peer);
	peer_publish(peer);
	hibernation_go_on(peer);
	shard_schedule(peer->shard, peer);
}

uint64_t peer_deadline(const struct peer *peer)
{
	const struct raftkv *raftkv = peer_store(peer);
	uint64_t tick_ns = (uint64_t)raftkv->options.tick_ms * NS_PER_MS;
	uint64_t retry = env_now(raftkv->engines.env) + (uint64_t)READ_RETRY_MS * NS_PER_MS;
	uint64_t deadline = UINT64_MAX, due;

	if (!peer_is_here(peer))
		return deadline;
	due = raw_node_deadline(peer->raft_group);
	if (due != RAFT_NEVER)
		deadline = raftkv->started + due * tick_ns;
	if (read_index_queue_has_unanswered(&peer->pending_reads) && retry < deadline)
		deadline = retry;
	if (peer->commit_due > 0 && peer->commit_due < deadline)
		deadline = peer->commit_due;
	if (peer->appends.hurry_at > 0 && peer->appends.hurry_at < deadline)
		deadline = peer->appends.hurry_at;
	if (peer_expects_to_lead(peer) && peer_campaign_time(peer) < deadline)
		deadline = peer_campaign_time(peer);
	if (campaign_time(peer) < deadline)
		deadline = campaign_time(peer);
	return peer_ask_time(peer) < deadline ? peer_ask_time(peer) : deadline;
}

bool peer_is_starting(const struct peer *peer)
{
	struct region region = {0};
	bool is_placed;

	if (!peer->is_awaited || peer->shard->is_stopping || atomic_load(&peer_engines(peer)->has_failed))
		return false;
	router_range(&peer_store(peer)->router, peer->route, &region);
	is_placed = region.epoch.version > 0;
	region_close(&region);
	return is_placed;
}

void peer_write(struct peer *peer, struct raftkv_write *write)
{
	write->peer = peer;
	if (peer->shard->is_stopping || !peer_is_here(peer)) {
		evaluate_finish(
			write, peer->shard->is_stopping ? STATUS_STOPPING : STATUS_REGION_NOT_FOUND, NULL);
		return;
	}
	hibernation_wake(peer);
	evaluate_queue(&peer->evaluations, write);
	shard_mark(peer->shard, peer);
}

void peer_on_applied(struct peer *peer, struct apply_task *task)
{
	const struct raft_entries *entries = &task->message.entries;
	const struct raft_entry *last = &entries->items[entries->count - 1];

	peer->applies_in_flight--;
	if (task->is_split)
		peer_on_split(peer, task);
	if (!peer_is_here(peer)) {
		apply_task_free(task);
		peer_process(peer);
		return;
	}
	for (size_t i = 0; i < entries->count; i++)
		if (entries->items[i].type != RAFT_ENTRY_NORMAL && task->statuses[i] == 0 && !peer->install)
			peer_on_change(peer, &entries->items[i]);
	peer->applied = (struct apply_state){last->index, last->term};
	evaluate_on_applied(&peer->evaluations, last->index, task->committed);
	peer_respond(peer, task->message.responses, task->message.response_count);
	for (size_t i = 0; i < entries->count; i++)
		proposal_queue_finish(
			&peer->proposals, entries->items[i].term, entries->items[i].index, task->statuses[i]);
	apply_task_free(task);
	peer_process(peer);
}

void peer_stop(struct peer *peer)
{
	lease_expire(&peer->lease);
	atomic_store(&peer->route->lease_bound, 0);
	atomic_store(&peer->route->serving_term, 0);
	proposal_queue_fail(&peer->proposals, STATUS_STOPPING);
	evaluate_fail(&peer->evaluations, STATUS_STOPPING);
	read_index_queue_fail(&peer->pending_reads, true, STATUS_STOPPING);
	peer_sending_close(peer);
	peer_split_stop(peer);
	half_stop(peer);
}

bool peer_is_quiet(const struct peer *peer)
{
	return peer->appends.in_flight == 0 && peer->applies_in_flight == 0 && !peer->is_fetching &&
	       !peer->is_refilling && !peer->is_departing && !peer->is_clearing && !peer->durable &&
	       peer->splits_measured == 0 && !peer->sending.is_making &&
	       evaluate_is_quiet(&peer->evaluations);
}
