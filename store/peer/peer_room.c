/*
 * Replicas that find no room. A replica whose disk cannot take the payloads of its appends waits and acknowledges
 * nothing (append.h). The removals that would free room are behind those payloads in the log. So the replica asks for a
 * snapshot, which has only the data that still exists. If the snapshot does not fit beside the replica's state, the
 * replica gives that state up first and is empty until the snapshot is installed. It does so only if the snapshot fits
 * then and the region can do without this copy: a majority without it has everything that the snapshot holds, and the
 * snapshot covers all that this replica ever acknowledged. The end of its log is kept, and it votes as if it still had
 * the log.
 */
#include "store/peer/peer_internal.h"

#include "proto/plant.h"

#define STUCK_MS 2000 /* without room, after which a replica is stuck */

/* ---- The follower ----------------------------------------------------------------------------------------------- */

bool peer_is_stuck(const struct peer *peer)
{
	uint64_t since = peer->appends.full_since;

	return since > 0 && peer->role != RAFT_LEADER &&
	       env_now(peer_engines(peer)->env) >= since + (uint64_t)STUCK_MS * NS_PER_MS;
}

bool peer_wants_snapshot(const struct peer *peer)
{
	return !peer->install && (peer->is_empty || peer_is_stuck(peer));
}

/* Only the present leader's message counts: an earlier leader may not know what this replica has acknowledged since. */
void peer_make_room(
	struct peer *peer, const struct peer_envelope *envelope, const struct raft_message *message)
{
	uint64_t index = message->snapshot ? message->snapshot->index : 0;
	struct log_engine *log = peer_engines(peer)->log;
	uint64_t first, last;

	if (!envelope->is_dispensable || message->term != peer->term || peer->role != RAFT_FOLLOWER ||
		peer->install || peer->is_empty || peer_is_replaying(peer) || index <= peer->applied.index ||
		log->ops->bounds(log, peer->region.id, &first, &last) < 0 || last >= index)
		return;
	log_info(peer_engines(peer)->logger,
		"region %llu: there is no room for the snapshot at index %llu beside what is here: this "
		"replica "
		"gives up its rows (%llu) and gets it then",
		(unsigned long long)peer->region.id, (unsigned long long)index,
		(unsigned long long)peer->applied.index);
	peer_empty(peer);
}

/* ---- The leader ------------------------------------------------------------------------------------------------- */

void peer_hear_wish(struct peer *peer, const struct peer_envelope *envelope)
{
	bool is_wanted = envelope->wants_snapshot;

	PLANT("room:wish_ignored", is_wanted = false);
	peer->sending.is_measured |= is_wanted;
	raw_node_want_snapshot(peer->raft_group, envelope->from.id, is_wanted);
}

static bool has_all(const struct peer *peer, uint64_t id, uint64_t index)
{
	struct raft_progress_status progress;

	return raw_node_progress(peer->raft_group, id, &progress) && progress.match >= index &&
	       (id == peer->id || (progress.state == RAFT_PROGRESS_REPLICATE && progress.recent_active));
}

static bool is_majority(
	const struct peer *peer, const struct raft_ids *voters, uint64_t without, uint64_t index)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < voters->count; i++)
		count += voters->items[i] != without && has_all(peer, voters->items[i], index);
	return voters->count == 0 || count > voters->count / 2;
}

/* Replicas that were found dispensable earlier do not count: what they had acknowledged is older than their
 * snapshot. */
bool peer_is_dispensable(const struct peer *peer, uint64_t id, uint64_t index)
{
	const struct raft_conf_state *conf = raw_node_conf_state(peer->raft_group);

	PLANT("room:anybody_is_dispensable", return true);
	return is_majority(peer, &conf->voters, id, index) &&
	       is_majority(peer, &conf->voters_outgoing, id, index);
}
