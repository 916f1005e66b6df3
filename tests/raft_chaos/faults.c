#include "tests/raft_chaos/faults.h"

#include "tests/raft_chaos/cluster.h"

typedef void (*fault_cb)(struct cluster *cluster, struct node *node);

static void mend_later(struct cluster *cluster)
{
	event_set(cluster, &cluster->faults.mend,
		cluster->now_us + random_between(&cluster->random, 20000, 600000));
}

static void fault_crash(struct cluster *cluster, struct node *node)
{
	node_crash(node, random_between(&cluster->random, 1000, 300000));
}

/* Cuts every link between a node in `side` and one outside it. */
static void cut(struct cluster *cluster, uint8_t side)
{
	for (uint64_t id = 1; id <= NODES_MAX; id++)
		cluster->network.cut_to[id] = mask_has(side, id) ? (uint8_t)~side : side;
	mend_later(cluster);
}

static void fault_partition(struct cluster *cluster, struct node *node)
{
	(void)node;
	cut(cluster, (uint8_t)random_next(&cluster->random));
}

static void fault_isolate(struct cluster *cluster, struct node *node)
{
	struct node *leader = cluster_leader(cluster);
	uint64_t direction = random_below(&cluster->random, 3);

	if (leader && random_chance(&cluster->random, 500))
		node = leader;
	network_heal(cluster);
	for (uint64_t id = 1; id <= NODES_MAX; id++) {
		if (id != node->id && direction != 0)
			cluster->network.cut_to[id] = (uint8_t)(1u << node->id);
		if (id == node->id && direction != 1)
			cluster->network.cut_to[id] = (uint8_t) ~(1u << node->id);
	}
	mend_later(cluster);
}

static void fault_bridge(struct cluster *cluster, struct node *node)
{
	cut(cluster, (uint8_t)random_next(&cluster->random));
	for (uint64_t id = 1; id <= NODES_MAX; id++)
		cluster->network.cut_to[id] = (uint8_t)(cluster->network.cut_to[id] & ~(1u << node->id));
	cluster->network.cut_to[node->id] = 0;
}

static void fault_lame_leader(struct cluster *cluster, struct node *node)
{
	struct node *leader = cluster_leader(cluster);

	if (!leader || leader == node)
		return;
	network_heal(cluster);
	cluster->network.cut_to[leader->id] = (uint8_t) ~(1u << node->id);
	event_set(cluster, &cluster->faults.mend,
		cluster->now_us + random_between(&cluster->random, 10000, 100000));
}

/* Mostly a node whose disk is slow, on which writes wait longest. */
static void fault_large_lost(struct cluster *cluster, struct node *node)
{
	for (uint64_t id = 1; id <= cluster->profile.nodes; id++)
		if (!mask_has(cluster->profile.fast_disks, id) && random_chance(&cluster->random, 700))
			node = &cluster->nodes[id];
	network_heal(cluster);
	cluster->network.large_lost_to = (uint8_t) ~(1u << node->id);
	mend_later(cluster);
}

static void fault_pause(struct cluster *cluster, struct node *node)
{
	node->paused_until_us = cluster->now_us + random_between(&cluster->random, 5000, 300000);
}

/* The node that led before the present leader, if it runs. */
static struct node *deposed_leader(struct cluster *cluster)
{
	const struct model *model = &cluster->model;
	struct node *leader = cluster_leader(cluster);
	uint64_t term = leader ? leader->watch.term : 0;

	while (term-- > 1) {
		uint64_t id = term < model->term_count ? model->terms[term].leader : 0;

		if (id != 0 && id != leader->id)
			return cluster->nodes[id].raw ? &cluster->nodes[id] : NULL;
	}
	return NULL;
}

/* Often the deposed leader campaigns again. */
static void fault_campaign(struct cluster *cluster, struct node *node)
{
	struct node *deposed = deposed_leader(cluster);

	if (deposed && deposed->paused_until_us <= cluster->now_us && random_chance(&cluster->random, 400))
		node = deposed;
	node_before_input(node);
	node_watch_status(node, "campaign", raw_node_campaign(node->raw));
	node_after_input(node);
}

static void fault_transfer(struct cluster *cluster, struct node *node)
{
	uint64_t transferee = random_between(&cluster->random, 1, cluster->profile.nodes);

	node_watch_be_lenient(node);
	node_watch_status(node, "transfer_leader", raw_node_transfer_leader(node->raw, transferee));
}

static void fault_forget_leader(struct cluster *cluster, struct node *node)
{
	(void)cluster;
	node_watch_status(node, "forget_leader", raw_node_forget_leader(node->raw));
}

static void fill_steps(struct cluster *cluster, struct raft_conf_change *change)
{
	static const enum raft_conf_change_type types[] = {RAFT_ADD_VOTER, RAFT_ADD_VOTER, RAFT_ADD_VOTER,
		RAFT_REMOVE_NODE, RAFT_REMOVE_NODE, RAFT_ADD_LEARNER, RAFT_UPDATE_NODE};
	struct random *random = &cluster->random;

	change->transition = (enum raft_conf_change_transition)random_below(random, 3);
	change->step_count = (uint32_t)random_between(random, 1, 4);
	if (random_chance(random, 400))
		change->step_count = 1;
	for (uint32_t i = 0; i < change->step_count; i++) {
		change->steps[i].type = types[random_below(random, sizeof types / sizeof types[0])];
		change->steps[i].node = random_between(random, 1, cluster->profile.nodes);
	}
}

/* A random change; in a joint configuration mostly the one that leaves it. */
static void fault_conf_change(struct cluster *cluster, struct node *node)
{
	struct random *random = &cluster->random;
	struct node *leader = cluster_leader(cluster);
	struct raft_conf_change change = {0};
	bool is_joint, v1;
	int status;

	if (leader && random_chance(random, 800) && leader->paused_until_us <= cluster->now_us)
		node = leader;
	is_joint = raw_node_conf_state(node->raw)->voters_outgoing.count > 0;
	if (!random_chance(random, is_joint ? 700 : 30))
		fill_steps(cluster, &change);
	if (change.step_count > 0 && random_chance(random, 50))
		change.context = slice_of("no", 2);
	v1 = change.step_count == 1 && change.transition == RAFT_TRANSITION_AUTO &&
	     random_chance(random, 500);
	status = raw_node_propose_conf_change(node->raw, &change, v1);
	if (status != STATUS_CONF_CHANGE_INVALID)
		node_watch_status(node, "propose_conf_change", status);
}

/* Never past the index that the node knows to be applied, nor past the one that a restart would find. */
static void fault_compact(struct cluster *cluster, struct node *node)
{
	const struct disk *disk = &node->disk;
	struct disk_record record = {0};
	struct raft_status status;
	uint64_t to;

	node_status(node, &status);
	to = status.applied < disk->durable.machine.applied ? status.applied : disk->durable.machine.applied;
	if (to <= disk->live.compacted)
		return;
	record.compact_to = random_between(&cluster->random, disk->live.compacted + 1, to);
	disk_write(&node->disk, &record);
}

static void fault_disk_read(struct cluster *cluster, struct node *node)
{
	node->disk.failing_reads = (uint32_t)random_between(&cluster->random, 1, 8);
}

/* As the layer above would agree: the leader and the nodes that are as far as it is hibernate together; or, if any node
 * hibernates, some wake up. */
static void fault_hibernate(struct cluster *cluster, struct node *node)
{
	struct node *leader = cluster_leader(cluster);

	if (raw_node_is_hibernating(node->raw)) {
		raw_node_wake(node->raw);
		return;
	}
	if (!leader || !raw_node_can_hibernate(leader->raw))
		return;
	for (uint64_t id = 1; id <= cluster->profile.nodes; id++) {
		struct node *each = &cluster->nodes[id];

		if (!each->raw || each->watch.commit != leader->watch.commit ||
			each->watch.term != leader->watch.term || random_chance(&cluster->random, 100))
			continue;
		node_before_input(each);
		if (each != leader || raw_node_can_hibernate(each->raw))
			raw_node_hibernate(each->raw);
		node_after_input(each);
	}
}

static const fault_cb fault_actions[FAULT_COUNT] = {
	[FAULT_CRASH] = fault_crash,
	[FAULT_PARTITION] = fault_partition,
	[FAULT_ISOLATE] = fault_isolate,
	[FAULT_BRIDGE] = fault_bridge,
	[FAULT_LAME_LEADER] = fault_lame_leader,
	[FAULT_LARGE_LOST] = fault_large_lost,
	[FAULT_PAUSE] = fault_pause,
	[FAULT_CAMPAIGN] = fault_campaign,
	[FAULT_TRANSFER] = fault_transfer,
	[FAULT_FORGET_LEADER] = fault_forget_leader,
	[FAULT_CONF_CHANGE] = fault_conf_change,
	[FAULT_COMPACT] = fault_compact,
	[FAULT_DISK_READ] = fault_disk_read,
	[FAULT_HIBERNATE] = fault_hibernate,
};

static enum fault draw(struct cluster *cluster)
{
	const uint32_t *weights = cluster->profile.weights;
	uint64_t sum = 0, point;
	int fault = 0;

	for (int i = 0; i < FAULT_COUNT; i++)
		sum += weights[i];
	point = random_below(&cluster->random, sum);
	while (point >= weights[fault])
		point -= weights[fault++];
	return (enum fault)fault;
}

static void fire_fault(struct cluster *cluster, struct event *event)
{
	enum fault fault = draw(cluster);
	struct node *node = cluster_random_node(cluster);

	event_set(cluster, event,
		cluster->now_us + random_between(&cluster->random, 1, 2u * cluster->profile.fault_every_us));
	if (!node || node->paused_until_us > cluster->now_us)
		return;
	cluster->stats.faults[fault]++;
	trace_add(&cluster->trace, cluster->now_us, node->id, fault_name(fault), 0, 0, 0);
	node_before_input(node);
	fault_actions[fault](cluster, node);
	if (node->raw)
		node_after_input(node);
}

static void fire_mend(struct cluster *cluster, struct event *event)
{
	(void)event;
	network_heal(cluster);
}

void faults_start(struct cluster *cluster)
{
	cluster->faults.event.fire = fire_fault;
	cluster->faults.mend.fire = fire_mend;
	event_set(cluster, &cluster->faults.event, cluster->now_us + cluster->profile.fault_every_us);
}

void faults_stop(struct cluster *cluster)
{
	event_cancel(cluster, &cluster->faults.event);
	event_cancel(cluster, &cluster->faults.mend);
	network_heal(cluster);
}
