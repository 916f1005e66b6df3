/* A peer's evaluation_host_ops (evaluate.h). */
#include "store/peer/peer_internal.h"

#include "proto/container.h"

static struct peer *peer_of(const struct evaluation_host *host)
{
	return container_of(host, struct peer, evaluations.host);
}

static uint64_t peer_host_serving_term(const struct evaluation_host *host)
{
	const struct peer *peer = peer_of(host);

	return peer_is_serving(peer) ? peer->term : 0;
}

static bool peer_host_has_lease(const struct evaluation_host *host)
{
	return lease_is_valid(&peer_of(host)->lease, env_now(host->engines->env));
}

static uint64_t peer_host_leader_store(const struct evaluation_host *host)
{
	return peer_leader_store(peer_of(host));
}

static int peer_host_propose(struct evaluation_host *host, struct raft_entry *entry)
{
	struct raw_node *group = peer_of(host)->raft_group;
	struct raft_status raft;
	int status = raw_node_propose_entries(group, entry, 1);

	if (status < 0)
		return status;
	raw_node_status(group, &raft);
	entry->index = raft.last_index;
	entry->term = raft.hard_state.term;
	return 0;
}

static void peer_host_confirm(struct evaluation_host *host, struct read_index_request *request)
{
	peer_confirm(peer_of(host), request);
}

static void peer_host_mark(struct evaluation_host *host)
{
	struct peer *peer = peer_of(host);

	shard_mark(peer->shard, peer);
}

static void peer_host_came_back(struct evaluation_host *host)
{
	struct peer *peer = peer_of(host);

	peer_process(peer);
	shard_check_stopped(peer->shard);
}

struct evaluation_host peer_evaluation_host(struct peer *peer)
{
	static const struct evaluation_host_ops operations = {peer_host_serving_term, peer_host_has_lease,
		peer_host_leader_store, peer_host_propose, peer_host_confirm, peer_host_mark,
		peer_host_came_back};

	return (struct evaluation_host){
		.ops = &operations,
		.engines = peer_engines(peer),
		.flush = &peer_store(peer)->flush,
		.evaluator = peer_store(peer)->options.evaluator,
		.loop = peer->shard->loop,
		.figures = &peer->shard->evaluations,
		.region = &peer->region,
		.applied = &peer->applied,
		.proposals = &peer->proposals,
		.payloads = &peer->appends.payloads,
	};
}
