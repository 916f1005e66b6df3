#include "tests/raft_chaos/node.h"

#include <inttypes.h>

#include "proto/check.h"
#include "tests/raft_chaos/cluster.h"

/* A state machine may refuse a membership change, for example because it is no longer wanted; here the context says so. */
static bool is_refused(const struct raft_conf_change *change)
{
	const char *context = change->context.data;

	return change->context.size > 0 && context[0] == 'n';
}

static void apply_conf_change(struct node *node, const struct raft_entry *entry, struct machine *machine)
{
	struct cluster *cluster = node->cluster;
	struct raft_conf_state state = {0};
	struct raft_conf_change change;
	int status = raft_conf_change_decode(entry, &change);

	if (status != 0) {
		cluster_fail(
			cluster, "committed membership change %" PRIu64 " does not decode", entry->index);
		return;
	}
	if (is_refused(&change))
		return;
	status = raw_node_apply_conf_change(node->raw, &change, &state);
	if (status == 0) {
		machine->conf = conf_mask_of(&state);
		cluster->stats.applied_conf_changes++;
		trace_add(&cluster->trace, cluster->now_us, node->id, "changes members", machine->conf.voters,
			machine->conf.outgoing, machine->conf.learners);
	} else if (status != STATUS_CONF_CHANGE_INVALID) {
		cluster_fail(cluster, "apply_conf_change: %s", status_name(status));
	}
	raft_conf_state_close(&state);
	node_watch_calls(node);
}

static void apply_entry(struct node *node, const struct raft_entry *entry, struct machine *machine)
{
	if (entry->type == RAFT_ENTRY_NORMAL)
		client_on_applied(node->cluster, entry);
	else
		apply_conf_change(node, entry, machine);
	machine->applied = entry->index;
	machine->applied_term = entry->term;
	machine->chain = mix64(machine->chain ^ entry->term) + model_entry_content(entry);
	model_on_apply(node->cluster, node, machine);
	trace_add(&node->cluster->trace, node->cluster->now_us, node->id, "applies", entry->index,
		entry->term, machine->chain);
}

void node_apply_entries(struct node *node, const struct raft_entries *entries)
{
	struct cluster *cluster = node->cluster;
	struct disk_record record = {.has_machine = true, .machine = node->disk.live.machine};
	struct machine *machine = &record.machine;
	struct raft_status status;

	node_status(node, &status);
	for (size_t i = 0; i < entries->count && !cluster->has_failed; i++) {
		const struct raft_entry *entry = &entries->items[i];

		if (cluster->profile.async &&
			(entry->index <= machine->applied || entry->index <= node->snapshot_index))
			continue; /* a snapshot overtook the apply thread */
		if (entry->index != machine->applied + 1)
			cluster_fail(cluster, "node %" PRIu64 " is to apply %" PRIu64 " after %" PRIu64,
				node->id, entry->index, machine->applied);
		else if (entry->index > status.hard_state.commit)
			cluster_fail(cluster,
				"node %" PRIu64 " is to apply %" PRIu64 " past its commit %" PRIu64, node->id,
				entry->index, status.hard_state.commit);
		else
			apply_entry(node, entry, machine);
	}
	if (machine->applied != node->disk.live.machine.applied)
		disk_write(&node->disk, &record);
}

void node_restore_snapshot(
	struct node *node, const struct raft_snapshot *snapshot, struct disk_record *record)
{
	struct cluster *cluster = node->cluster;

	record->is_snapshot = true;
	record->has_machine = true;
	record->machine = machine_of_snapshot(snapshot);
	cluster->stats.restored_snapshots++;
	trace_add(&cluster->trace, cluster->now_us, node->id, "restores", snapshot->index, snapshot->term,
		record->machine.chain);
	if (snapshot->index <= node->disk.live.machine.applied)
		cluster_fail(cluster,
			"node %" PRIu64 " restores a snapshot at %" PRIu64 " below its state %" PRIu64,
			node->id, snapshot->index, node->disk.live.machine.applied);
	model_on_apply(cluster, node, &record->machine);
}
