#include "tests/raft_chaos/healing.h"

#include <inttypes.h>

#include "tests/raft_chaos/cluster.h"

#define LOOK_EVERY_US	 20000
#define ELECTIONS_BOUND	 300 /* in election timeouts: votes may be split often, but not for ever */
#define READ_EVERY_LOOKS 5

static struct conf_mask latest_conf(const struct cluster *cluster)
{
	return cluster->model.slots[cluster->model.applied_max].machine.conf;
}

/* The nodes that are needed: the members, and every node that a needed one still takes for a member (it may need that vote
 * to learn that it was removed). The layer above would destroy the others. */
static uint8_t needed_nodes(const struct cluster *cluster)
{
	struct conf_mask conf = latest_conf(cluster);
	uint8_t needed = conf_mask_members(&conf), before;

	do {
		before = needed;
		for (uint64_t id = 1; id <= cluster->profile.nodes; id++) {
			const struct node *node = &cluster->nodes[id];

			conf = node->raw ? node->watch.conf : node->disk.live.machine.conf;
			if (mask_has(before, id))
				needed = (uint8_t)(needed | conf_mask_members(&conf));
		}
	} while (needed != before);
	return needed;
}

static void keep_needed_running(struct cluster *cluster)
{
	uint8_t needed = needed_nodes(cluster);

	for (uint64_t id = 1; id <= cluster->profile.nodes && !cluster->has_failed; id++) {
		struct node *node = &cluster->nodes[id];

		if (mask_has(needed, id) && !node->raw)
			node_start(node);
		else if (!mask_has(needed, id) && node->raw)
			node_crash(node, 0);
	}
}

/* Asks every node that has not answered yet, and proposes until one proposal is applied. */
static void use(struct cluster *cluster, bool ask_reads)
{
	for (uint64_t id = 1; id <= cluster->profile.nodes && !cluster->has_failed; id++) {
		struct node *node = &cluster->nodes[id];

		if (node->raw && cluster->client.healed_index == 0)
			client_propose(cluster, node);
		if (node->raw && ask_reads && !mask_has(cluster->client.answered, id))
			client_read(cluster, node);
	}
}

/* Says what is missing; NULL: nothing. `id` is the node that is behind. */
static const char *what_is_missing(struct cluster *cluster, uint64_t *id)
{
	const struct node *leader = cluster_leader(cluster);
	const struct client *client = &cluster->client;
	struct conf_mask conf = latest_conf(cluster);

	*id = 0;
	if (!leader)
		return "no leader";
	*id = leader->id;
	if (client->healed_index == 0)
		return "no proposal was applied";
	if (conf.outgoing != 0 && conf.auto_leave)
		return "the joint configuration was not left";
	if (client_lost_read(client))
		return "a read that a leader accepted was never answered";
	for (*id = 1; *id <= cluster->profile.nodes; ++*id) {
		const struct node *node = &cluster->nodes[*id];

		if (!mask_has(conf_mask_members(&conf), *id))
			continue;
		if (!node->raw || node->disk.live.machine.applied < client->healed_index)
			return "a member did not catch up";
		if (node->watch.term != leader->watch.term)
			return "a member is in another term";
		if (!mask_has(client->answered, *id))
			return "a member answers no read";
	}
	return NULL;
}

static void fire_look(struct cluster *cluster, struct event *event)
{
	uint64_t looks = cluster->now_us / LOOK_EVERY_US;
	uint64_t id;

	cluster->has_healed = what_is_missing(cluster, &id) == NULL;
	if (cluster->has_healed)
		return;
	event_set(cluster, event, cluster->now_us + LOOK_EVERY_US);
	keep_needed_running(cluster);
	use(cluster, looks % READ_EVERY_LOOKS == 0);
}

void healing_start(struct cluster *cluster)
{
	cluster->is_healing = true;
	faults_stop(cluster);
	client_start_healing(cluster);
	trace_add(&cluster->trace, cluster->now_us, 0, "heals", 0, 0, 0);
	for (uint64_t id = 1; id <= cluster->profile.nodes && !cluster->has_failed; id++) {
		struct node *node = &cluster->nodes[id];

		node->paused_until_us = 0;
		node->disk.failing_reads = 0;
		if (!node->raw) {
			node_start(node);
			continue;
		}
		node_before_input(node);
		raw_node_wake(node->raw);
		node_after_input(node);
	}
	cluster->faults.event.fire = fire_look;
	event_set(cluster, &cluster->faults.event, cluster->now_us);
}

uint64_t healing_bound_us(const struct cluster *cluster)
{
	return (uint64_t)ELECTIONS_BOUND * cluster->profile.election_tick * cluster->profile.tick_us;
}

static bool is_newer(const struct disk_image *a, const struct disk_image *b)
{
	uint64_t last_a = disk_image_last_index(a), last_b = disk_image_last_index(b);
	uint64_t term_a = disk_image_term(a, last_a), term_b = disk_image_term(b, last_b);

	return term_a != term_b ? term_a > term_b : last_a > last_b;
}

/* The one way to get stuck with configurations that take effect when applied, not when appended: a leader applies a change
 * by which it is no longer a voter, and stops before the others learn that it is committed. They still need its vote; it
 * refuses because it has entries after that change which they lack; and it does not campaign itself. The layer above
 * avoids this by transferring leadership before it removes or demotes a leader. */
static bool is_stuck_on_removed_leader(struct cluster *cluster)
{
	struct conf_mask conf = latest_conf(cluster);
	unsigned voters = conf.voters | conf.outgoing;

	if (cluster_leader(cluster))
		return false;
	for (uint64_t id = 1; id <= cluster->profile.nodes; id++) {
		const struct node *node = &cluster->nodes[id];
		bool is_newest =
			node->raw && !mask_has(node->watch.conf.voters | node->watch.conf.outgoing, id);

		for (uint64_t peer = 1; peer <= cluster->profile.nodes && is_newest; peer++)
			if (mask_has(voters, peer))
				is_newest = is_newer(&node->disk.live, &cluster->nodes[peer].disk.live);
		if (is_newest)
			return true;
	}
	return false;
}

void healing_check(struct cluster *cluster)
{
	uint64_t id;
	const char *missing = cluster->has_healed ? NULL : what_is_missing(cluster, &id);

	if (missing && is_stuck_on_removed_leader(cluster))
		cluster->stats.stuck_removals++;
	else if (missing)
		cluster_fail(cluster,
			"no progress %" PRIu64 " election timeouts after healing: %s (node %" PRIu64 ")",
			(uint64_t)ELECTIONS_BOUND, missing, id);
}
