/* Reads of a peer: through the ReadIndexQueue, and by the lease (consensus.md § ReadIndex). */
#include "store/peer/peer_internal.h"

#include "proto/codec.h"
#include "proto/container.h"
#include "proto/plant.h"
#include "store/peer/local_reader.h"

#define READ_CONTEXT_SIZE 24 /* bytes: the replica's id, the store's incarnation, and the batch's id */

static struct buf *read_context(const struct peer *peer, uint64_t id)
{
	struct buf *context = buf_new(READ_CONTEXT_SIZE);
	struct writer writer;

	if (!context)
		return NULL;
	writer = writer_fixed(context->data, context->size);
	writer_u64le(&writer, peer->id);
	writer_u64le(&writer, peer_engines(peer)->dir.ident.incarnation);
	writer_u64le(&writer, id);
	return context;
}

static void send_read(void *argument, uint64_t id)
{
	struct peer *peer = argument;
	struct buf *context = read_context(peer, id);

	if (context)
		raw_node_read_index(peer->raft_group, context); /* if refused, the retry repeats it */
	buf_unref(context);
}

/* With a valid lease the leader answers its commit index. */
static void answer_by_lease(struct peer *peer, uint64_t id)
{
	struct raft_status raft;

	raw_node_status(peer->raft_group, &raft);
	read_index_queue_answer(&peer->pending_reads, id, raft.hard_state.commit);
}

static void send_open_batch(struct peer *peer, uint64_t now)
{
	bool has_lease = peer_is_serving(peer) && lease_is_valid(&peer->lease, now);
	bool is_renewal = peer->is_renewal_due;
	uint64_t id;

	peer->is_renewal_due = false;

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

/* A replica without a leader cannot tell whether it is behind. */
bool peer_has_leader(const struct peer *peer)
{
	struct raft_status raft;

	raw_node_status(peer->raft_group, &raft);
	return raft.soft_state.leader != RAFT_NONE;
}

void peer_send_reads(struct peer *peer)
{
	uint64_t now = env_now(peer_engines(peer)->env);
	uint64_t patience = (uint64_t)READ_RETRY_MS * NS_PER_MS;

	if (!peer_has_leader(peer)) {
		if (!peer_may_wait(peer))
			read_index_queue_fail(&peer->pending_reads, false, STATUS_NOT_LEADER);
		return;
	}
	send_open_batch(peer, now);
	if (now > patience)
		read_index_queue_retry(&peer->pending_reads, now - patience, now, send_read, peer);
}

static bool is_own_read(const struct peer *peer, uint64_t replica, uint64_t incarnation)
{
	uint64_t own = peer_engines(peer)->dir.ident.incarnation;

	PLANT("members:read_of_another_life", own = incarnation);
	return replica == peer->id && incarnation == own;
}

/* A late answer may be for an earlier replica on this store, or for a request before a restart. */
void peer_on_read_state(struct peer *peer, const struct raft_read_state *state)
{
	struct reader reader = reader_of(buf_slice(state->context));
	uint64_t replica = reader_u64le(&reader);
	uint64_t incarnation = reader_u64le(&reader);
	uint64_t id = reader_u64le(&reader);
	uint64_t sent;

	if (reader_finish(&reader) < 0 || !is_own_read(peer, replica, incarnation) || state->status < 0)
		return; /* the batch is retried, or was ended with the role */
	sent = read_index_queue_answer(&peer->pending_reads, id, state->index);
	if (sent > 0 && peer->role == RAFT_LEADER && peer_may_renew(peer))
		lease_renew(&peer->lease, sent);
}

void peer_serve_reads(struct peer *peer)
{
	struct read_index_request *request;

	if (peer->install)
		return;
	while ((request = read_index_queue_serve(&peer->pending_reads, peer->applied.index)) != NULL)
		request->done(request, 0);
}

void peer_renew_lease(struct peer *peer)
{
	if (!peer_is_here(peer))
		return;
	hibernation_wake(peer);
	peer->is_renewal_due = true;
	shard_mark(peer->shard, peer);
}

void peer_confirm(struct peer *peer, struct read_index_request *request)
{
	int status = read_index_queue_push(&peer->pending_reads, request);

	hibernation_wake(peer);
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
		status = STATUS_NOT_LEADER; /* a read may always be repeated */
	atomic_fetch_add_explicit(&peer->shard->reads_read_index, 1, memory_order_relaxed);
	if (peer->role != RAFT_LEADER)
		atomic_fetch_add_explicit(&peer->shard->reads_follower, 1, memory_order_relaxed);
	if (status == 0 && read->epoch_version > 0 && read->epoch_version != peer->region.epoch.version)
		status = STATUS_EPOCH_NOT_MATCH;
	read->leader_store = status == STATUS_NOT_LEADER ? peer_leader_store(peer) : 0;
	read->epoch = peer->region.epoch;
	local_reader_finish(peer_store(peer), peer->route, read, status);
}

static void refuse_read(struct peer *peer, struct raftkv_read *read)
{
	hibernation_wake(peer);
	on_read_ready(&read->request, STATUS_NOT_LEADER);
}

void peer_read(struct peer *peer, struct raftkv_read *read)
{
	read->peer = peer;
	read->request = (struct read_index_request){.done = on_read_ready};
	if (peer->shard->is_stopping)
		on_read_ready(&read->request, STATUS_STOPPING);
	else if (!peer_is_here(peer))
		on_read_ready(&read->request, STATUS_REGION_NOT_FOUND);
	else if (!read->from_follower && !peer_may_wait(peer))
		refuse_read(peer, read);
	else
		peer_confirm(peer, &read->request);
}
