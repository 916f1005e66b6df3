/*
 * Snapshots that a leader sends. Raft asks for one when its log cannot serve a follower. A worker makes the source, and
 * raft asks again at that follower's next answer. The source is then sent to the replica that raft names, or dropped
 * after a while, because a source keeps old rows and freed extents alive.
 */
#include "store/peer/peer_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/backoff.h"
#include "proto/check.h"

#define SOURCE_PATIENCE_MS 5000 /* for which a source waits to be sent */

/* After a failure. */
static const struct backoff pauses = {.first = NS_PER_S, .most = 8 * NS_PER_S};

struct making {
	struct env_work work; /* the first member */
	struct peer *peer;
	struct snapshot_source *source;
	struct raft_snapshot snapshot;
	bool is_measured;
	int status;
};

static void drop(struct peer *peer)
{
	snapshot_source_free(peer->sending.source);
	peer->sending.source = NULL;
	peer_storage_prepared(&peer->storage, &(struct raft_snapshot){0});
}

/* A snapshot that fails repeatedly must not take the place of others: each failure doubles the pause. */
static void pause(struct peer *peer)
{
	struct peer_sending *sending = &peer->sending;

	sending->pause_until =
		env_now(peer_engines(peer)->env) + backoff_length(&pauses, sending->failures++);
}

/* ---- Making ----------------------------------------------------------------------------------------------------- */

static void sending_make(struct env_work *work)
{
	struct making *making = (struct making *)work;
	struct peer *peer = making->peer;

	making->status = snapshot_source_new(&peer_store(peer)->snapshots, peer->region.id,
		making->is_measured, &making->source, &making->snapshot);
}

static void on_made(struct env_work *work)
{
	struct making *making = (struct making *)work;
	struct peer *peer = making->peer;
	struct shard *shard = peer->shard;

	peer->sending.is_making = false;
	if (making->status < 0 && making->status != STATUS_LIMIT)
		log_warn(peer_engines(peer)->logger, "region %llu: no snapshot can be made: %s",
			(unsigned long long)peer->region.id, status_name(making->status));
	if (making->status == STATUS_LIMIT)
		peer->sending.failures = 0; /* only the store's limit was reached */
	if (making->status < 0) {
		pause(peer);
	} else if (shard->is_stopping || !peer_is_here(peer) || peer->role != RAFT_LEADER) {
		snapshot_source_free(making->source);
		raft_snapshot_close(&making->snapshot);
	} else {
		peer->sending.source = making->source;
		peer->sending.made = env_now(peer_engines(peer)->env);
		peer_storage_prepared(&peer->storage, &making->snapshot);
	}
	free(making);
	shard_mark(shard, peer);
	shard_check_stopped(shard);
}

static void sending_begin(struct peer *peer)
{
	struct making *making = calloc(1, sizeof *making);

	if (!making) {
		pause(peer);
		return;
	}
	making->peer = peer;
	making->is_measured = peer->sending.is_measured;
	peer->sending.is_making = true;
	env_work_submit(peer->shard->loop, &making->work, sending_make, on_made);
}

void peer_go_on_sending(struct peer *peer)
{
	struct peer_sending *sending = &peer->sending;
	uint64_t now = env_now(peer_engines(peer)->env);
	bool is_wanted = peer_storage_wants_snapshot(&peer->storage);

	if (sending->source && (peer->role != RAFT_LEADER || !peer_storage_has_prepared(&peer->storage) ||
				       now > sending->made + (uint64_t)SOURCE_PATIENCE_MS * NS_PER_MS))
		drop(peer);
	if (is_wanted && peer->role == RAFT_LEADER && !sending->source && !sending->is_making &&
		now >= sending->pause_until)
		sending_begin(peer);
}

void peer_sending_close(struct peer *peer)
{
	if (peer->sending.source)
		drop(peer);
}

/* ---- Sending ---------------------------------------------------------------------------------------------------- */

void peer_send_snapshot(
	struct peer *peer, const struct peer_envelope *envelope, const struct raft_message *message)
{
	struct transport *transport = peer_store(peer)->options.transport;
	struct snapshot_source *source = peer->sending.source;
	struct peer_envelope whole = *envelope;

	if (!source || snapshot_source_index(source) != message->snapshot->index) {
		raw_node_report_snapshot(peer->raft_group, message->to, true);
		return;
	}
	peer->sending.source = NULL;
	log_info(peer_engines(peer)->logger, "region %llu: replica %llu is sent a snapshot at index %llu",
		(unsigned long long)peer->region.id, (unsigned long long)message->to,
		(unsigned long long)message->snapshot->index);
	whole.content_size = snapshot_source_content_size(source);
	whole.is_dispensable =
		whole.content_size > 0 && peer_is_dispensable(peer, message->to, message->snapshot->index);
	transport->ops->send_snapshot(transport, &whole, message, source);
}

void peer_report_snapshot(struct peer *peer, uint64_t to, int status)
{
	struct snapshots *snapshots = &peer_store(peer)->snapshots;

	atomic_fetch_add(status < 0 ? &snapshots->failed : &snapshots->sent, 1);
	if (peer->shard->is_stopping || !peer_is_here(peer))
		return;
	peer->sending.is_measured = status == -ENOSPC;
	if (status < 0)
		pause(peer);
	else
		peer->sending.failures = 0;
	raw_node_report_snapshot(peer->raft_group, to, status < 0);
	shard_mark(peer->shard, peer);
}
