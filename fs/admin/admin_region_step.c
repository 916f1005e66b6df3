/*
 * Takes a step of placement of a region that this store leads, for the store that coordinates the cluster (region_step.h).
 * A store that led region 1 in an earlier term than one that has asked already is refused.
 */
#include <errno.h>
#include <stdlib.h>

#include "fs/cluster/region_step.h"
#include "fs/admin/admin_internal.h"
#include "fs/admin/region_draft.h"
#include "proto/container.h"
#include "proto/plant.h"

struct admin_region_step {
	struct rpc_request *request;
	struct region_step step;
};

static void admin_region_step_answer(
	struct rpc_request *request, int status, uint64_t leader_store, const struct region_draft *draft)
{
	Raftkv__RegionStepReply reply = RAFTKV__REGION_STEP_REPLY__INIT;

	reply.status = status;
	reply.leader_store = leader_store;
	reply.region = draft ? (Raftkv__OverviewRegion *)(uintptr_t)&draft->message : NULL;
	rpc_answer(request, &reply.base, NULL, 0);
}

static void describe(const struct admin_region_step *call)
{
	const struct raftkv_region_status *status = &call->step.status;
	struct region_draft draft;

	region_draft_init(&draft, call->step.region);
	draft.message.leader = status->replica;
	draft.message.last_index = status->last_index;
	draft.message.term = status->term;
	draft.message.is_by_leader = true;
	if (region_draft_set_members(&draft, status->epoch, status->members, status->member_count) == 0)
		admin_region_step_answer(call->request, 0, 0, &draft);
	else
		admin_region_step_answer(call->request, STATUS_NOT_READY, 0, NULL);
	region_draft_close(&draft);
}

static void admin_region_step_on_done(struct region_step *step, int status)
{
	struct admin_region_step *call = container_of(step, struct admin_region_step, step);

	if (status == 0 && step->step.kind == PLACEMENT_REST)
		describe(call);
	else
		admin_region_step_answer(call->request, status, step->leader_store, NULL);
	free(call);
}

static int admin_region_step_read(const struct frame *frame, struct region_step *step, uint64_t *placer_term)
{
	Raftkv__RegionStepRequest *message =
		raftkv__region_step_request__unpack(NULL, frame->head.size, frame->head.data);
	bool is_good = message && frame->attachment_count == 0 && message->region > 0 &&
		       (message->epoch || message->kind == PLACEMENT_REST);

	if (is_good) {
		step->region = message->region;
		step->step = (struct placement_step){.kind = (enum placement_kind)message->kind,
			.store = message->store,
			.replica = message->replica,
			.leaving = message->leaving};
		if (message->epoch)
			step->epoch = (struct region_epoch){.version = message->epoch->version,
				.conf_version = message->epoch->conf_version};
		*placer_term = message->placer_term;
	}
	raftkv__region_step_request__free_unpacked(message, NULL);
	return is_good ? 0 : STATUS_MALFORMED;
}

/* 0; or the refusal. */
static int admit(struct admin *admin, const struct rpc_request *request, uint64_t placer_term)
{
	if (rpc_request_session(request) > 0)
		return -EPERM; /* a mount */
	if (placer_term < admin->placer_term && !planted("admin:former_placer"))
		return -ESTALE;
	admin->placer_term = placer_term;
	return 0;
}

int admin_on_region_step(void *argument, struct rpc_request *request, const struct frame *frame)
{
	struct admin *admin = argument;
	struct admin_region_step *call = calloc(1, sizeof *call);
	uint64_t placer_term;
	int status = call ? admin_region_step_read(frame, &call->step, &placer_term) : -ENOMEM;

	if (status < 0) {
		free(call);
		return status;
	}
	status = admit(admin, request, placer_term);
	if (status < 0) {
		admin_region_step_answer(request, status, 0, NULL);
		free(call);
		return 0;
	}
	call->request = request;
	call->step.raftkv = admin->options.raftkv;
	call->step.loop = admin->options.loop;
	call->step.done = admin_region_step_on_done;
	region_step_run(&call->step);
	return 0;
}
