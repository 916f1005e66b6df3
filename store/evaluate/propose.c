/* The use of an outcome: mutations are proposed; an outcome without mutations is confirmed as a read. */
#include "store/evaluate/evaluate_internal.h"

#include <errno.h>

#include "proto/container.h"
#include "proto/plant.h"

static void on_proposal_finished(struct proposal *proposal, int status)
{
	struct raftkv_write *write = container_of(proposal, struct raftkv_write, proposal);
	struct evaluations *evaluations = write->evaluations;

	if (status == 0) {
		histogram_add(
			&evaluations->host.figures->committing, evaluations->committed - proposal->proposed);
		histogram_add(&evaluations->host.figures->applying,
			env_now(evaluations->host.engines->env) - evaluations->committed);
	}
	evaluations->pending_size -= write->size;
	evaluate_finish_kept(write, status == 0 ? write->status : status);
}

/* Units that an entry needs before it may be proposed. */
struct needs {
	const struct region *region;
	uint32_t small_units;
};

static int check_mutation(void *argument, const struct mutation *mutation)
{
	struct needs *needs = argument;

	if (mutation->kind == MUTATION_WRITE && !mutation->is_beside)
		needs->small_units += (uint32_t)mutation->count;
	if (mutation->space == KEY_LOCAL || region_has_key(needs->region, mutation->key))
		return 0;
	return STATUS_KEY_NOT_IN_REGION;
}

/* An entry that is about to be proposed, with its extents. */
struct proposal_draft {
	struct raft_entry entry;
	struct payload *payload; /* the payload of the large bytes; NULL: none */
	struct payload *reserve; /* the reserve for the small payloads */
};

/* Admission: refuses an entry that needs space, before it is proposed, while space is short. */
static int make_draft(struct evaluations *evaluations, const struct raftkv_write *write,
	struct outcome *outcome, struct proposal_draft *draft)
{
	struct engines *engines = evaluations->host.engines;
	struct raft_entry *entry = &draft->entry;
	struct needs needs = {.region = evaluations->host.region};
	uint64_t epoch_version;
	int status;

	if (!write->is_urgent && space_is_short(&engines->space) &&
		!mutations_spares_space(&outcome->mutations))
		return -ENOSPC;
	status = mutations_finish(&outcome->mutations, evaluations->host.region->epoch.version, entry);
	if (status == 0)
		status = mutations_each(entry, &epoch_version, check_mutation, &needs);
	if (status == 0 && entry->payload_size > 0)
		status = payload_new(
			engines->blocks, BLOCKS_NEW, entry->payload_size / BLOCK_UNIT_SIZE, &draft->payload);
	if (status == 0 && needs.small_units > 0)
		status = payload_reserve(engines->blocks, BLOCKS_NEW, needs.small_units, &draft->reserve);
	return status;
}

/* The entry has been proposed. */
static void on_proposed(struct evaluations *evaluations, struct raftkv_write *write, struct outcome *outcome,
	struct proposal_draft *draft)
{
	const struct raft_entry *entry = &draft->entry;
	struct payload_list *payloads = evaluations->host.payloads;

	if (draft->payload)
		payload_list_add(payloads, draft->payload, entry->term, entry->index);
	if (draft->reserve)
		payload_list_add(payloads, draft->reserve, entry->term, entry->index);
	write->status = outcome->answer;
	write->reply = buf_ref(outcome->reply);
	write->size = (size_t)raft_entry_payload_size(entry);
	write->proposal = (struct proposal){
		.term = entry->term,
		.index = entry->index,
		.proposed = env_now(evaluations->host.engines->env),
		.finish = on_proposal_finished,
	};
	histogram_add(&evaluations->host.figures->proposing, write->proposal.proposed - write->begun);
	evaluations->pending_size += write->size;
	atomic_fetch_add_explicit(&evaluations->host.figures->writes, 1, memory_order_relaxed);
	proposal_queue_push(evaluations->host.proposals, &write->proposal);
	if (overlay_add(&evaluations->overlay, evaluations->host.region->id, entry) < 0)
		evaluations->hold_index = entry->index;
}

static void drop_draft(struct evaluations *evaluations, struct proposal_draft *draft)
{
	struct blocks *blocks = evaluations->host.engines->blocks;

	if (draft->payload)
		payload_cancel(draft->payload, blocks);
	if (draft->reserve)
		payload_cancel(draft->reserve, blocks);
}

static void evaluate_propose(
	struct evaluations *evaluations, struct raftkv_write *write, struct outcome *outcome)
{
	struct proposal_draft draft = {0};
	int status = make_draft(evaluations, write, outcome, &draft);

	if (status == 0)
		status = host_propose(&evaluations->host, &draft.entry);
	if (status == 0)
		on_proposed(evaluations, write, outcome, &draft);
	else
		drop_draft(evaluations, &draft);
	if (status == -ENOSPC)
		kv_flush_request(evaluations->host.flush);
	if (status < 0)
		evaluate_finish(write, status == STATUS_PROPOSAL_DROPPED ? STATUS_NOT_LEADER : status, NULL);
	buf_unref(draft.entry.data);
	buf_unref(draft.entry.payload);
}

static void on_confirmed(struct read_index_request *request, int status)
{
	struct raftkv_write *write = container_of(request, struct raftkv_write, confirm);
	struct evaluations *evaluations = write->evaluations;

	if (status == STATUS_STALE_COMMAND ||
		(status == 0 && host_serving_term(&evaluations->host) != write->proposal.term))
		status = STATUS_NOT_LEADER; /* nothing was logged: a retry is safe */
	evaluate_finish_kept(write, status == 0 ? write->status : status);
}

/* Confirms an answer that logs nothing as a read: by the lease, or by a ReadIndex round. */
static void confirm(struct evaluations *evaluations, struct raftkv_write *write, struct outcome *outcome)
{
	bool is_confirmed =
		host_has_lease(&evaluations->host) && outcome->seen <= evaluations->host.applied->index;

	PLANT("store:answer_unconfirmed", is_confirmed = true);
	write->status = outcome->answer;
	write->reply = buf_ref(outcome->reply);
	write->proposal.term = host_serving_term(&evaluations->host);
	write->confirm = (struct read_index_request){.index = outcome->seen, .done = on_confirmed};
	if (is_confirmed)
		evaluate_finish_kept(write, write->status);
	else
		host_confirm(&evaluations->host, &write->confirm);
}

void evaluate_conclude(struct evaluations *evaluations, struct raftkv_write *write, struct outcome *outcome)
{
	if (outcome->mutations.count > 0)
		evaluate_propose(evaluations, write, outcome);
	else
		confirm(evaluations, write, outcome);
}
