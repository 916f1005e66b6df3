#include "store/peer.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/check.h"
#include "proto/codec.h"
#include "proto/container.h"
#include "proto/plant.h"
#include "store/local_reader.h"
#include "store/store.h"

#define READ_CONTEXT_SIZE  16 /* bytes: the replica's id and the batch's */
#define READ_RETRY_MS	   500
#define COMMITTED_SIZE_MAX (4u << 20) /* bytes of one apply task */
#define FETCH_SIZE_MAX	   (8u << 20) /* bytes of entries read ahead of raft */

static struct raftkv *store_of(const struct peer *peer)
{
	return peer->shard->raftkv;
}

static uint64_t tick_now(const struct raftkv *raftkv)
{
	return (env_now(raftkv->env) - raftkv->started) / ((uint64_t)raftkv->options.tick_ms * NS_PER_MS);
}

/* A sole voter: no other peer will ever lead, and whoever asks may wait until this one does. */
static bool is_alone(const struct peer *peer)
{
	return region_is_sole_voter(&peer->region, peer->id);
}

/* ---- Life ------------------------------------------------------------------------------------------------------- */

static int start_raft(struct peer *peer, struct status *status)
{
	struct raftkv *raftkv = store_of(peer);
	const struct raftkv_options *options = &raftkv->options;
	struct raft_config config = {
		.id = peer->id,
		.election_tick = options->election_tick,
		.heartbeat_tick = options->heartbeat_tick,
		.applied = peer->applied.index,
		.async_storage_writes = true,
		.pre_vote = true,
		.check_quorum = true,
		.step_down_on_removal = true,
		.disable_proposal_forwarding = true,
		.read_mode = RAFT_READ_SAFE,
		.committed_size_per_ready = COMMITTED_SIZE_MAX,
		.uncommitted_size_max = RAFT_NO_LIMIT, /* evaluate.h has the limit */
		.logger = NULL,
	};
	int code;

	env_random(raftkv->env, &config.seed, sizeof config.seed);
	code = raw_node_new(&config, &peer->storage.base, &peer->raft_group, status);
	if (code == 0)
		code = raw_node_tick_to(peer->raft_group, tick_now(raftkv));
	return code;
}

/* One that may have promised a lease before it died must not help another to lead while that may hold. */
static void keep_old_promises(struct peer *peer)
{
	const struct raftkv_options *options = &store_of(peer)->options;
	uint64_t election_ms = (uint64_t)options->election_tick * options->tick_ms;

	peer->wants_to_lead = is_alone(peer);
	if (!peer->wants_to_lead)
		peer->quiet_until = env_now(store_of(peer)->env) + election_ms * NS_PER_MS;
}

static int start(struct peer *peer, struct status *status)
{
	struct raftkv *raftkv = store_of(peer);
	const struct region_peer *self = region_peer_of_store(&peer->region, raftkv->dir.ident.store);
	int code;

	if (!self)
		return status_set(status, STATUS_CORRUPT, "region %llu names no replica on this store",
			(unsigned long long)peer->region.id);
	peer->id = self->id;
	peer->apply = (struct apply_region){&peer->region, peer->applied.index};
	lease_init(&peer->lease, raftkv->lease_duration);
	peer_storage_init(&peer->storage, raftkv->log, &peer->region, &peer->applied);
	code = raftkv->log->ops->hard_state(raftkv->log, peer->region.id, &peer->appends.hard_state);
	if (code < 0)
		return status_set(status, code, "the log has nothing of region %llu",
			(unsigned long long)peer->region.id);
	code = router_add(&raftkv->router, &peer->region, peer->shard, &peer->route);
	if (code < 0)
		return status_set(
			status, code, "region %llu overlaps another", (unsigned long long)peer->region.id);
	peer->route->peer = peer;
	keep_old_promises(peer);
	return start_raft(peer, status);
}

int peer_new(struct shard *shard, struct region *region, const struct apply_state *applied, struct peer **out,
	struct status *status)
{
	struct peer *peer = calloc(1, sizeof *peer);
	int code;

	if (!peer)
		return status_set(status, -ENOMEM, "out of memory");
	peer->shard = shard;
	peer->region = *region;
	*region = (struct region){0};
	peer->applied = *applied;
	code = start(peer, status);
	if (code < 0) {
		peer_free(peer);
		return code;
	}
	*out = peer;
	return 0;
}

void peer_free(struct peer *peer)
{
	if (!peer)
		return;
	evaluate_close(peer);
	append_queue_close(&peer->appends);
	read_index_queue_close(&peer->pending_reads);
	raw_node_free(peer->raft_group);
	peer_storage_close(&peer->storage);
	region_close(&peer->region);
	free(peer);
}

/* ---- Serving ---------------------------------------------------------------------------------------------------- */

bool peer_is_serving(const struct peer *peer)
{
	return peer->role == RAFT_LEADER && peer->applied.term == peer->term;
}

void peer_publish(struct peer *peer)
{
	bool is_serving = peer_is_serving(peer);

	atomic_store(&peer->route->lease_bound, is_serving ? lease_bound(&peer->lease) : 0);
	atomic_store(&peer->route->serving_term, is_serving ? peer->term : 0);
}

/* Answers everything that rests on the leadership. */
static void step_down(struct peer *peer)
{
	lease_expire(&peer->lease);
	peer_publish(peer);
	atomic_fetch_sub(&peer->shard->leaders, 1);
	proposal_queue_fail(&peer->proposals, STATUS_STALE_COMMAND);
	evaluate_fail(peer, STATUS_NOT_LEADER);
}

static void on_role(struct peer *peer)
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
	if (!is_alone(peer))
		read_index_queue_fail(&peer->pending_reads, role == RAFT_LEADER, STATUS_STALE_COMMAND);
}

/* ---- Reads ------------------------------------------------------------------------------------------------------ */

static struct buf *read_context(const struct peer *peer, uint64_t id)
{
	struct buf *context = buf_new(READ_CONTEXT_SIZE);
	struct writer writer;

	if (!context)
		return NULL;
	writer = writer_fixed(context->data, context->size);
	writer_u64le(&writer, peer->id);
	writer_u64le(&writer, id);
	return context;
}

static void send_read(void *argument, uint64_t id)
{
	struct peer *peer = argument;
	struct buf *context = read_context(peer, id);

	if (context)
		raw_node_read_index(peer->raft_group, context); /* a refusal is made good by the retry */
	buf_unref(context);
}

/* With a lease the leader knows the answer: its commit index. */
static void answer_by_lease(struct peer *peer, uint64_t id)
{
	struct raft_status raft;

	raw_node_status(peer->raft_group, &raft);
	read_index_queue_answer(&peer->pending_reads, id, raft.hard_state.commit);
}

static void send_reads(struct peer *peer)
{
	uint64_t now = env_now(store_of(peer)->env);
	bool has_lease = peer_is_serving(peer) && lease_is_valid(&peer->lease, now);
	bool is_renewal = atomic_exchange(&peer->route->is_renewal_asked, false);
	uint64_t id;

	if (is_alone(peer) && peer->role != RAFT_LEADER)
		return;
	if (read_index_queue_send(&peer->pending_reads, now, &id)) {
		if (has_lease)
			answer_by_lease(peer, id);
		else
			send_read(peer, id);
	}
	if (is_renewal && peer_is_serving(peer) &&
		read_index_queue_begin(&peer->pending_reads, now, &id) == 0)
		send_read(peer, id);
}

static void on_read_state(struct peer *peer, const struct raft_read_state *state)
{
	struct reader reader = reader_of(buf_slice(state->context));
	uint64_t id, sent;

	reader_u64le(&reader);
	id = reader_u64le(&reader);
	if (reader_finish(&reader) < 0 || state->status < 0)
		return; /* the batch is asked for again, or was ended with the role */
	sent = read_index_queue_answer(&peer->pending_reads, id, state->index);
	if (sent > 0 && peer->role == RAFT_LEADER)
		lease_renew(&peer->lease, sent);
}

static void serve_reads(struct peer *peer)
{
	struct read_index_request *request;

	while ((request = read_index_queue_serve(&peer->pending_reads, peer->applied.index)) != NULL)
		request->done(request, 0);
}

void peer_confirm(struct peer *peer, struct read_index_request *request)
{
	int status = read_index_queue_push(&peer->pending_reads, request);

	if (status < 0)
		request->done(request, status);
	else
		shard_mark(peer->shard, peer);
}

static void on_read_ready(struct read_index_request *request, int status)
{
	struct raftkv_read *read = container_of(request, struct raftkv_read, request);
	struct peer *peer = read->peer;

	if (status == STATUS_STALE_COMMAND)
		status = STATUS_NOT_LEADER; /* a read may always be asked again */
	atomic_fetch_add_explicit(&peer->shard->reads_read_index, 1, memory_order_relaxed);
	if (status == 0 && read->epoch_version > 0 && read->epoch_version != peer->region.epoch.version)
		status = STATUS_EPOCH_NOT_MATCH;
	local_reader_finish(store_of(peer), peer->route, read, status);
}

void peer_read(struct peer *peer, struct raftkv_read *read)
{
	bool may_wait = peer->role == RAFT_LEADER || read->from_follower || is_alone(peer);

	read->peer = peer;
	read->request = (struct read_index_request){.done = on_read_ready};
	if (peer->shard->is_stopping)
		on_read_ready(&read->request, STATUS_STOPPING);
	else if (!may_wait)
		on_read_ready(&read->request, STATUS_NOT_LEADER);
	else
		peer_confirm(peer, &read->request);
}

/* ---- Ready ------------------------------------------------------------------------------------------------------ */

static void send(struct peer *peer, const struct raft_message *message)
{
	struct raftkv *raftkv = store_of(peer);
	const struct region_peer *to = region_peer_of_id(&peer->region, message->to);

	if (message->type == RAFT_MSG_TIMEOUT_NOW) {
		lease_suspect(&peer->lease);
		peer_publish(peer);
	}
	if (to && raftkv->options.transport)
		raftkv->options.transport->ops->send(
			raftkv->options.transport, to->store, peer->region.id, message);
}

void peer_respond(struct peer *peer, struct raft_message *responses, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int status = 0;

		if (responses[i].to == peer->id)
			status = raw_node_step(peer->raft_group, &responses[i]);
		else
			send(peer, &responses[i]);
		if (status == -ENOMEM)
			raftkv_fail(store_of(peer), status, "out of memory in the middle of a Raft step");
	}
}

/* A committed entry of this term proves that a quorum was with us when it was proposed. */
static void renew_by_commit(struct peer *peer, const struct raft_entries *committed)
{
	const struct raft_entry *last = &committed->items[committed->count - 1];
	uint64_t proposed;

	if (peer->role != RAFT_LEADER || last->term != peer->term)
		return;
	proposed = proposal_queue_time(&peer->proposals, last->term, last->index);
	if (proposed > 0)
		lease_renew(&peer->lease, proposed);
}

static void start_apply(struct peer *peer, struct raft_message *message)
{
	uint64_t last = message->entries.items[message->entries.count - 1].index;
	struct apply_task *task;

	renew_by_commit(peer, &message->entries);
	task = apply_task_new(peer, message);
	if (!task) {
		raftkv_fail(store_of(peer), -ENOMEM, "out of memory for committed entries");
		return;
	}
	task->committed = env_now(store_of(peer)->env);
	task->payloads = append_take_payloads(&peer->appends, last);
	if (planted("store:answer_before_apply"))
		proposal_queue_fail(&peer->proposals, 0);
	if (planted("store:overlay_retired_early"))
		evaluate_on_applied(peer, last);
	peer->applies_in_flight++;
	apply_submit(&peer->shard->apply, task);
}

static void handle_message(struct peer *peer, struct raft_message *message)
{
	if (message->to == RAFT_LOCAL_APPEND_THREAD)
		append_start(peer, message);
	else if (message->to == RAFT_LOCAL_APPLY_THREAD)
		start_apply(peer, message);
	else
		send(peer, message);
}

static void handle_ready(struct peer *peer, struct raft_ready *ready)
{
	on_role(peer);
	for (size_t i = 0; i < ready->read_states.count; i++)
		on_read_state(peer, &ready->read_states.items[i]);
	for (size_t i = 0; i < ready->messages.count; i++)
		handle_message(peer, &ready->messages.items[i]);
}

/* ---- Entries that are not in memory ----------------------------------------------------------------------------- */

struct fetch {
	struct env_work work;
	struct peer *peer;
	struct entry_range range;
	struct raft_entries entries;
	int status;
};

static void fetch_run(struct env_work *work)
{
	struct fetch *fetch = (struct fetch *)work; /* the first member */
	struct peer *peer = fetch->peer;

	fetch->status =
		peer_storage_fetch(store_of(peer)->log, peer->region.id, &fetch->range, &fetch->entries);
}

static void fetch_done(struct env_work *work)
{
	struct fetch *fetch = (struct fetch *)work;
	struct peer *peer = fetch->peer;

	peer->is_fetching = false;
	if (fetch->status == 0)
		peer_storage_fetched(&peer->storage, &fetch->entries);
	else if (fetch->status != STATUS_COMPACTED && fetch->status != STATUS_UNAVAILABLE)
		raftkv_fail(store_of(peer), fetch->status, "the log cannot be read");
	raft_entries_close(&fetch->entries);
	free(fetch);
	peer_process(peer);
	shard_check_stopped(peer->shard);
}

static void start_fetch(struct peer *peer)
{
	struct entry_range range;
	struct fetch *fetch;

	if (peer->is_fetching || !peer_storage_wants(&peer->storage, &range))
		return;
	fetch = calloc(1, sizeof *fetch);
	if (!fetch) {
		raftkv_fail(store_of(peer), -ENOMEM, "out of memory for entries of the log");
		return;
	}
	if (range.size_max < FETCH_SIZE_MAX)
		range.size_max = FETCH_SIZE_MAX;
	fetch->peer = peer;
	fetch->range = range;
	peer->is_fetching = true;
	env_work_submit(peer->shard->loop, &fetch->work, fetch_run, fetch_done);
}

/* ---- The turn --------------------------------------------------------------------------------------------------- */

static void handle_readies(struct peer *peer)
{
	struct raft_ready *ready = &peer->shard->ready;

	while (raw_node_has_ready(peer->raft_group)) {
		int status = raw_node_ready(peer->raft_group, ready);

		if (status == STATUS_WOULD_BLOCK) {
			start_fetch(peer);
			return;
		}
		if (status < 0) {
			raftkv_fail(store_of(peer), status, "a Raft group cannot go on");
			return;
		}
		handle_ready(peer, ready);
		raft_ready_clear(ready);
	}
}

static void tick(struct peer *peer)
{
	struct raftkv *raftkv = store_of(peer);
	uint64_t now = env_now(raftkv->env);
	uint64_t patience = (uint64_t)READ_RETRY_MS * NS_PER_MS;

	if (raw_node_tick_to(peer->raft_group, tick_now(raftkv)) == STATUS_WOULD_BLOCK)
		start_fetch(peer);
	if (now > patience)
		read_index_queue_retry(&peer->pending_reads, now - patience, now, send_read, peer);
}

/* A sole voter has nobody to wait for. */
static void lead_if_alone(struct peer *peer)
{
	int status;

	if (!peer->wants_to_lead)
		return;
	status = raw_node_campaign(peer->raft_group);
	peer->wants_to_lead = status == STATUS_WOULD_BLOCK;
	if (status == STATUS_WOULD_BLOCK)
		start_fetch(peer);
}

static void refuse_writes_of_others(struct peer *peer)
{
	bool may_wait = peer->role == RAFT_LEADER || is_alone(peer);

	if (!may_wait && peer->evaluations.first)
		evaluate_fail(peer, STATUS_NOT_LEADER);
}

void peer_process(struct peer *peer)
{
	if (peer->shard->is_stopping || atomic_load(&store_of(peer)->has_failed))
		return;
	tick(peer);
	lead_if_alone(peer);
	evaluate_queued(peer);
	refuse_writes_of_others(peer);
	send_reads(peer);
	handle_readies(peer);
	serve_reads(peer);
	peer_publish(peer);
	if (is_alone(peer) && raw_node_can_hibernate(peer->raft_group))
		raw_node_hibernate(peer->raft_group);
	shard_schedule(peer->shard, peer);
}

uint64_t peer_deadline(const struct peer *peer)
{
	const struct raftkv *raftkv = store_of(peer);
	uint64_t tick_ns = (uint64_t)raftkv->options.tick_ms * NS_PER_MS;
	uint64_t due = raw_node_deadline(peer->raft_group);
	uint64_t deadline = due == RAFT_NEVER ? UINT64_MAX : raftkv->started + due * tick_ns;
	uint64_t retry = env_now(raftkv->env) + (uint64_t)READ_RETRY_MS * NS_PER_MS;

	if (read_index_queue_has_unanswered(&peer->pending_reads) && retry < deadline)
		return retry;
	return deadline;
}

void peer_write(struct peer *peer, struct raftkv_write *write)
{
	write->peer = peer;
	if (peer->shard->is_stopping) {
		evaluate_finish(write, STATUS_STOPPING, NULL);
		return;
	}
	evaluate_queue(peer, write);
	shard_mark(peer->shard, peer);
}

static bool helps_to_lead(enum raft_message_type type)
{
	return type == RAFT_MSG_VOTE || type == RAFT_MSG_PRE_VOTE || type == RAFT_MSG_TIMEOUT_NOW;
}

/* A refused message changes nothing; what mattered in it comes again. Snapshots cannot be taken in yet by anybody, so
 * that a correct peer sends none. */
void peer_step(struct peer *peer, const struct raft_message *message)
{
	if (peer->shard->is_stopping || message->type == RAFT_MSG_SNAP)
		return;
	if (helps_to_lead(message->type) && env_now(store_of(peer)->env) < peer->quiet_until)
		return;
	raw_node_step(peer->raft_group, message);
	shard_mark(peer->shard, peer);
}

void peer_on_applied(struct peer *peer, struct apply_task *task)
{
	const struct raft_entries *entries = &task->message.entries;
	const struct raft_entry *last = &entries->items[entries->count - 1];

	peer->applies_in_flight--;
	peer->applied = (struct apply_state){last->index, last->term};
	peer->committed_at = task->committed;
	evaluate_on_applied(peer, last->index);
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
	evaluate_fail(peer, STATUS_STOPPING);
	read_index_queue_fail(&peer->pending_reads, true, STATUS_STOPPING);
}

bool peer_is_quiet(const struct peer *peer)
{
	return peer->appends.in_flight == 0 && peer->applies_in_flight == 0 && !peer->is_fetching &&
	       evaluate_is_quiet(peer);
}
