#include "fs/cluster/region_step.h"

#include "proto/container.h"
#include "proto/plant.h"

static void add(
	struct region_change *change, enum raft_conf_change_type type, uint64_t replica, uint64_t store)
{
	change->steps[change->step_count++] =
		(struct region_change_step){.type = type, .replica = replica, .store = store};
}

static struct region_change change_of(const struct region_step *step)
{
	const struct placement_step *wanted = &step->step;
	struct region_change change = {.conf_version = step->epoch.conf_version};

	if (wanted->kind == PLACEMENT_ADD)
		add(&change, RAFT_ADD_LEARNER, wanted->replica, wanted->store);
	if (wanted->kind == PLACEMENT_PROMOTE)
		add(&change, RAFT_ADD_VOTER, wanted->replica, wanted->store);
	if (wanted->leaving > 0)
		add(&change, RAFT_REMOVE_NODE, wanted->leaving, 0);
	return change;
}

static void region_step_on_changed(struct raftkv_change *change, int status)
{
	struct region_step *step = container_of(change, struct region_step, change);

	step->leader_store = status == STATUS_NOT_LEADER ? change->leader_store : 0;
	step->done(step, status);
}

static void change_members(struct region_step *step)
{
	step->change = (struct raftkv_change){.region = step->region,
		.change = change_of(step),
		.loop = step->loop,
		.done = region_step_on_changed};
	raftkv_change_peers(step->raftkv, &step->change);
}

static bool is_as_planned(const struct region_step *step)
{
	PLANT("coordinator:any_epoch", return true);
	return step->status.epoch.conf_version == step->epoch.conf_version &&
	       step->status.epoch.version == step->epoch.version;
}

static void take(struct region_step *step)
{
	if (!is_as_planned(step)) {
		step->done(step, STATUS_EPOCH_NOT_MATCH);
		return;
	}
	switch (step->step.kind) {
	case PLACEMENT_ADD:
	case PLACEMENT_PROMOTE:
	case PLACEMENT_REMOVE:
		change_members(step);
		return;
	case PLACEMENT_TRANSFER:
		step->done(step, raftkv_transfer_leader(step->raftkv, step->region, step->step.store));
		return;
	default:
		step->done(step, STATUS_UNSUPPORTED);
	}
}

static void region_step_on_described(struct raftkv_region_status *status, int code)
{
	struct region_step *step = container_of(status, struct region_step, status);

	if (code == 0 && !status->is_serving)
		code = STATUS_NOT_LEADER;
	step->leader_store = code == STATUS_NOT_LEADER ? status->leader_store : 0;
	if (code < 0 || step->step.kind == PLACEMENT_REST)
		step->done(step, code);
	else
		take(step);
}

void region_step_run(struct region_step *step)
{
	step->leader_store = 0;
	step->status = (struct raftkv_region_status){
		.region = step->region, .loop = step->loop, .done = region_step_on_described};
	raftkv_region_status(step->raftkv, &step->status);
}
