#include "tests/raft_chaos/node.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "proto/check.h"
#include "tests/raft_chaos/cluster.h"

static void fire_tick(struct cluster *cluster, struct event *event);
static void fire_restart(struct cluster *cluster, struct event *event);

static void init_disk(struct node *node, const struct machine *first)
{
	struct disk_record record = {
		.is_snapshot = true,
		.has_machine = true,
		.has_hard = true,
		.machine = *first,
		.hard = {.term = first->applied_term, .commit = first->applied},
	};

	disk_write(&node->disk, &record);
	disk_sync(&node->disk, node->disk.count);
}

void node_init(struct node *node, struct cluster *cluster, uint64_t id, const struct machine *first)
{
	const struct profile *profile = &cluster->profile;

	*node = (struct node){
		.cluster = cluster,
		.id = id,
		.period_us = profile->tick_us +
			     random_below(&cluster->random,
				     (uint64_t)profile->tick_us * profile->tick_skew_permille / 1000 + 1),
		.tick = {.fire = fire_tick},
		.storage = {.fire = node_on_storage},
		.restart = {.fire = fire_restart},
	};
	node_threads_init(node);
	disk_init(&node->disk, random_next(&cluster->random));
	if (first)
		init_disk(node, first);
}

void node_close(struct node *node)
{
	raw_node_free(node->raw);
	node->raw = NULL;
	raft_ready_close(&node->ready);
	node_threads_close(node);
	disk_close(&node->disk);
}

/* ---- Time ---- */

/* Each tick of a ticking node arms the timer for the next one; that of a node with a deadline is armed after every call. */
static void arm_tick(struct node *node)
{
	uint64_t deadline;

	if (!node->cluster->profile.by_deadline)
		return;
	deadline = raw_node_deadline(node->raw);
	if (deadline == RAFT_NEVER) {
		event_cancel(node->cluster, &node->tick);
		return;
	}
	if (deadline <= node->ticks)
		deadline = node->ticks + 1;
	event_set(node->cluster, &node->tick, node->started_us + deadline * node->period_us);
}

static void tick_to_now(struct node *node)
{
	uint64_t now = (node->cluster->now_us - node->started_us) / node->period_us;

	if (now <= node->ticks)
		return;
	node->ticks = now;
	node_watch_status(node, "tick_to", raw_node_tick_to(node->raw, now));
	node_watch_calls(node);
	node_watch_tick(node);
}

static void fire_tick(struct cluster *cluster, struct event *event)
{
	struct node *node = event_owner(event, struct node, tick);

	if (node->paused_until_us > cluster->now_us) {
		event_set(cluster, event, node->paused_until_us);
		return;
	}
	if (!cluster->profile.by_deadline) {
		event_set(cluster, event, cluster->now_us + node->period_us);
		node->ticks++;
		node_watch_status(node, "tick", raw_node_tick(node->raw));
		node_watch_calls(node);
		node_watch_tick(node);
	}
	node_before_input(node);
	node_after_input(node);
}

void node_before_input(struct node *node)
{
	if (node->cluster->profile.by_deadline)
		tick_to_now(node);
}

void node_after_input(struct node *node)
{
	node_watch_calls(node);
	node_handle_readies(node);
	if (node->raw)
		arm_tick(node);
}

/* ---- Lifetime ---- */

static struct raft_config config_of(const struct node *node)
{
	struct cluster *cluster = node->cluster;
	const struct profile *profile = &cluster->profile;
	struct raft_config config = {
		.id = node->id,
		.seed = random_next(&cluster->random),
		.election_tick = profile->election_tick,
		.heartbeat_tick = 1,
		.applied = node->disk.live.machine.applied,
		.async_storage_writes = profile->async,
		.pre_vote = profile->pre_vote,
		.check_quorum = profile->check_quorum,
		.step_down_on_removal = profile->step_down_on_removal,
		.read_mode = profile->lease_reads ? RAFT_READ_LEASE_BASED : RAFT_READ_SAFE,
	};

	if (profile->small_limits) {
		config.message_size_max = 200;
		config.committed_size_per_ready = 300;
		config.uncommitted_size_max = 2000;
		config.inflight_messages_max = 3;
		config.pending_reads_max = 8;
	}
	return config;
}

void node_start(struct node *node)
{
	struct cluster *cluster = node->cluster;
	struct raft_config config = config_of(node);
	struct status status = {0};
	int code = raw_node_new(&config, &node->disk.storage, &node->raw, &status);

	event_cancel(cluster, &node->restart);
	if (code != 0) {
		node->raw = NULL;
		cluster_fail(cluster, "node %" PRIu64 " does not start: %s: %s", node->id, status_name(code),
			status.text);
		return;
	}
	node->incarnation++;
	node->started_us = cluster->now_us;
	node->ticks = 0;
	node->paused_until_us = 0;
	node->phase = NODE_IDLE;
	node->snapshot_index = 0;
	trace_add(&cluster->trace, cluster->now_us, node->id, "starts", config.applied,
		node->disk.live.hard.term, node->disk.live.hard.commit);
	node_watch_start(node);
	event_set(cluster, &node->tick, cluster->now_us + node->period_us);
	node_after_input(node);
}

static void fire_restart(struct cluster *cluster, struct event *event)
{
	(void)cluster;
	node_start(event_owner(event, struct node, restart));
}

void node_crash(struct node *node, uint64_t restart_us)
{
	struct cluster *cluster = node->cluster;

	if (!node->raw)
		return;
	trace_add(&cluster->trace, cluster->now_us, node->id, "crashes", node->disk.count, 0, 0);
	raw_node_free(node->raw);
	node->raw = NULL;
	raft_ready_clear(&node->ready);
	node_threads_close(node);
	event_cancel(cluster, &node->tick);
	event_cancel(cluster, &node->storage);
	disk_crash(&node->disk);
	client_on_crash(cluster, node);
	if (restart_us > 0)
		event_set(cluster, &node->restart, cluster->now_us + restart_us);
}

bool node_crash_point(struct node *node)
{
	struct cluster *cluster = node->cluster;

	if (cluster->is_healing || cluster->profile.weights[FAULT_CRASH] == 0 ||
		!random_chance(&cluster->random, 2))
		return false;
	cluster->stats.faults[FAULT_CRASH]++;
	node_crash(node, random_between(&cluster->random, 1000, 200000));
	return true;
}

void node_receive(struct node *node, const struct raft_message *message)
{
	int status;

	trace_add(&node->cluster->trace, node->cluster->now_us, node->id, "receives", message->type,
		message->from, message->index);
	node_before_input(node);
	node_watch_heard(node, message->from);
	if (message->type == RAFT_MSG_TRANSFER_LEADER)
		node_watch_be_lenient(node);
	status = raw_node_step(node->raw, message);
	node_watch_status(node, raft_message_type_name(message->type), status);
	if (status == -EIO && random_chance(&node->cluster->random, 500)) {
		status = raw_node_step(node->raw, message); /* it may be repeated, or count as lost */
		node_watch_status(node, raft_message_type_name(message->type), status);
	}
	node_after_input(node);
}
