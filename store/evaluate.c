#include "store/evaluate.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/check.h"
#include "proto/container.h"
#include "proto/plant.h"
#include "store/overlay_view.h"
#include "store/peer.h"
#include "store/region_view.h"
#include "store/slots.h"
#include "store/store.h"

#define EVALUATIONS_PER_TURN 256

/* What an evaluation needs of a request; holds references, so that a worker can go on after the request was answered. */
struct question {
	struct evaluator *evaluator;
	struct eval_input input;
	struct buf *body;
	uint32_t slot;
	uint64_t sequence;
	bool is_retry;
};

/* What came of it. */
struct outcome {
	int status; /* of the evaluation */
	int answer; /* what the caller is told, once the mutations are logged or the outcome is confirmed */
	struct mutations mutations;
	struct buf *reply;
	uint64_t seen;
};

/* A request that missed something in memory. */
struct evaluation {
	struct evaluation *next; /* parked */
	struct env_work work;
	struct peer *peer;
	struct raftkv_write *write; /* NULL: answered meanwhile */
	struct question question;
	uint64_t term;
	uint32_t misses;
	bool is_working;
	struct unit_cache units;
	struct blocks_reader reader;
	struct outcome outcome; /* of a worker that evaluated it */
};

static struct raftkv *store_of(const struct peer *peer)
{
	return peer->shard->raftkv;
}

/* ---- Answers ---------------------------------------------------------------------------------------------------- */

static void deliver(struct env_mail *mail)
{
	struct raftkv_write *write = container_of(mail, struct raftkv_write, mail);
	struct buf *reply = write->reply;

	write->reply = NULL;
	write->done(write, write->status, reply);
	buf_unref(reply);
}

/* Where to ask instead. Such errors are given on the peer's loop. */
static void give_hint(struct raftkv_write *write, int status)
{
	bool is_elsewhere = status == STATUS_NOT_LEADER || status == STATUS_STALE_COMMAND;

	write->leader_store = is_elsewhere ? peer_leader_store(write->peer) : 0;
	write->epoch =
		status == STATUS_EPOCH_NOT_MATCH ? write->peer->region.epoch : (struct region_epoch){0};
}

static void answer(struct raftkv_write *write, int status, struct buf *reply)
{
	give_hint(write, status);
	buf_unref(write->body);
	buf_unref(write->payload);
	write->status = status;
	write->reply = status == 0 ? buf_ref(reply) : NULL;
	/* An error may be found inside raftkv_async_write, which must not call back. */
	if (status == 0 && env_loop_is_current(write->loop))
		deliver(&write->mail);
	else
		env_post(write->loop, &write->mail, deliver);
}

void evaluate_finish(struct raftkv_write *write, int status, struct buf *reply)
{
	while (write) {
		struct raftkv_write *joined = write->joined;

		answer(write, status, reply);
		write = joined;
	}
}

/* The reply was kept in the request while it was in the log or being confirmed. */
static void finish_kept(struct raftkv_write *write, int status)
{
	struct buf *reply = write->reply;

	evaluate_finish(write, status, reply);
	buf_unref(reply);
}

/* ---- One evaluation --------------------------------------------------------------------------------------------- */

static void question_init(struct question *question, struct peer *peer, const struct raftkv_write *write)
{
	struct raftkv *raftkv = store_of(peer);

	*question = (struct question){
		.evaluator = raftkv->options.evaluator,
		.input = {.body = buf_slice(write->body),
			.payload = buf_ref(write->payload),
			.session = write->session,
			.wall = env_wall(raftkv->env),
			.region_start = buf_slice(peer->region.start),
			.region_end = buf_slice(peer->region.end)},
		.body = buf_ref(write->body),
		.slot = write->slot,
		.sequence = write->sequence,
		.is_retry = write->is_retry,
	};
	env_random(raftkv->env, question->input.random, sizeof question->input.random);
}

static void question_close(struct question *question)
{
	buf_unref(question->body);
	buf_unref(question->input.payload);
}

static void outcome_close(struct outcome *outcome)
{
	mutations_close(&outcome->mutations);
	buf_unref(outcome->reply);
	*outcome = (struct outcome){0};
}

/* Whether the request may be evaluated at all: 0, or the answer is in `outcome`. */
static bool is_new(struct view *view, const struct question *question, struct outcome *outcome)
{
	enum slot_verdict verdict = SLOT_NEW;

	if (question->input.session == 0 || planted("store:retry_without_slot"))
		return true;
	outcome->status = slots_find(view, question->input.session, question->slot, question->sequence,
		&verdict, &outcome->answer, &outcome->reply);
	if (outcome->status < 0)
		outcome->answer = outcome->status;
	else if (verdict == SLOT_PASSED)
		outcome->answer = -EALREADY;
	return outcome->status == 0 && verdict == SLOT_NEW;
}

/* A lasting error, as against one of this moment. */
static bool is_lasting(int status)
{
	return status != STATUS_WOULD_BLOCK && status != -ENOMEM;
}

/* Pure but for the view: runs on the loop or on a worker. */
static void evaluate(struct view *view, const struct question *question, struct outcome *outcome)
{
	struct evaluator *evaluator = question->evaluator;
	struct mutations *mutations = &outcome->mutations;
	int status;

	if (!is_new(view, question, outcome))
		return;
	status = evaluator->ops->evaluate(evaluator, view, &question->input, mutations, &outcome->reply);
	if (status < 0) {
		outcome_close(outcome);
		outcome->status = status;
		outcome->answer = status;
	}
	if (!is_lasting(status) || question->input.session == 0)
		return;
	if (mutations->count == 0 && !question->is_retry)
		return;
	outcome->status = 0;
	slots_record(mutations, question->input.session, question->slot, question->sequence, outcome->answer,
		buf_slice(outcome->reply));
}

/* ---- What becomes of it ----------------------------------------------------------------------------------------- */

static void on_proposal_finished(struct proposal *proposal, int status)
{
	struct raftkv_write *write = container_of(proposal, struct raftkv_write, proposal);
	struct peer *peer = write->peer;

	if (status == 0) {
		histogram_add(&peer->shard->committing, peer->committed_at - proposal->proposed);
		histogram_add(&peer->shard->applying, env_now(store_of(peer)->env) - peer->committed_at);
	}
	peer->evaluations.pending_size -= write->size;
	finish_kept(write, status == 0 ? write->status : status);
}

/* What an entry needs before it may be proposed. */
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

/* What is about to be proposed, with the extents that it will need. */
struct draft {
	struct raft_entry entry;
	struct payload *payload; /* of the large bytes; NULL: none */
	struct payload *reserve; /* for the small ones */
};

/* Admission: what needs space is refused while there is too little, before it is proposed. */
static int make_draft(struct peer *peer, struct outcome *outcome, struct draft *draft)
{
	struct raftkv *raftkv = store_of(peer);
	struct raft_entry *entry = &draft->entry;
	struct needs needs = {.region = &peer->region};
	uint64_t epoch_version;
	int status;

	if (space_is_short(&raftkv->space) && !mutations_spares_space(&outcome->mutations))
		return -ENOSPC;
	status = mutations_finish(&outcome->mutations, peer->region.epoch.version, entry);
	if (status == 0)
		status = mutations_each(entry, &epoch_version, check_mutation, &needs);
	if (status == 0 && entry->payload_size > 0)
		status = payload_new(raftkv->blocks, entry->payload_size / BLOCK_UNIT_SIZE, &draft->payload);
	if (status == 0 && needs.small_units > 0)
		status = payload_reserve(raftkv->blocks, needs.small_units, &draft->reserve);
	return status;
}

static void add_payload(struct peer *peer, struct payload *payload, const struct raft_entry *entry)
{
	if (!payload)
		return;
	payload->term = entry->term;
	payload->index = entry->index;
	append_add_payload(&peer->appends, payload);
}

/* The entry stands in the log from here on. */
static void on_proposed(
	struct peer *peer, struct raftkv_write *write, struct outcome *outcome, struct draft *draft)
{
	struct raft_entry *entry = &draft->entry;
	struct raft_status raft;

	raw_node_status(peer->raft_group, &raft);
	entry->index = raft.last_index;
	entry->term = raft.hard_state.term;
	add_payload(peer, draft->payload, entry);
	add_payload(peer, draft->reserve, entry);
	write->status = outcome->answer;
	write->reply = buf_ref(outcome->reply);
	write->size = (size_t)raft_entry_payload_size(entry);
	write->proposal = (struct proposal){
		.term = entry->term,
		.index = entry->index,
		.proposed = env_now(store_of(peer)->env),
		.finish = on_proposal_finished,
	};
	histogram_add(&peer->shard->proposing, write->proposal.proposed - write->begun);
	peer->evaluations.pending_size += write->size;
	atomic_fetch_add_explicit(&peer->shard->writes, 1, memory_order_relaxed);
	proposal_queue_push(&peer->proposals, &write->proposal);
	if (overlay_add(&peer->overlay, peer->region.id, entry) < 0)
		peer->evaluations.hold_index = entry->index;
}

static void drop_draft(struct raftkv *raftkv, struct draft *draft)
{
	if (draft->payload)
		payload_cancel(draft->payload, raftkv->blocks);
	if (draft->reserve)
		payload_cancel(draft->reserve, raftkv->blocks);
}

static void propose(struct peer *peer, struct raftkv_write *write, struct outcome *outcome)
{
	struct draft draft = {0};
	int status = make_draft(peer, outcome, &draft);

	if (status == 0)
		status = raw_node_propose_entries(peer->raft_group, &draft.entry, 1);
	if (status == 0)
		on_proposed(peer, write, outcome, &draft);
	else
		drop_draft(store_of(peer), &draft);
	if (status == -ENOSPC)
		flush_request(&store_of(peer)->flush);
	if (status < 0)
		evaluate_finish(write, status == STATUS_PROPOSAL_DROPPED ? STATUS_NOT_LEADER : status, NULL);
	buf_unref(draft.entry.data);
	buf_unref(draft.entry.payload);
}

static void on_confirmed(struct read_index_request *request, int status)
{
	struct raftkv_write *write = container_of(request, struct raftkv_write, confirm);
	struct peer *peer = write->peer;

	if (status == STATUS_STALE_COMMAND ||
		(status == 0 && (!peer_is_serving(peer) || peer->term != write->proposal.term)))
		status = STATUS_NOT_LEADER; /* nothing was logged: asking again is safe */
	finish_kept(write, status == 0 ? write->status : status);
}

/* An answer that logs nothing is a read: of the state it saw, by a leader that still was one afterwards. */
static void confirm(struct peer *peer, struct raftkv_write *write, struct outcome *outcome)
{
	bool is_leader = lease_is_valid(&peer->lease, env_now(store_of(peer)->env));

	write->status = outcome->answer;
	write->reply = buf_ref(outcome->reply);
	write->proposal.term = peer->term;
	write->confirm = (struct read_index_request){.index = outcome->seen, .done = on_confirmed};
	if ((is_leader && outcome->seen <= peer->applied.index) || planted("store:answer_unconfirmed"))
		finish_kept(write, write->status);
	else
		peer_confirm(peer, &write->confirm);
}

static void conclude(struct peer *peer, struct raftkv_write *write, struct outcome *outcome)
{
	if (outcome->mutations.count > 0)
		propose(peer, write, outcome);
	else
		confirm(peer, write, outcome);
}

/* ---- Parking ---------------------------------------------------------------------------------------------------- */

static void evaluation_free(struct evaluation *evaluation)
{
	blocks_leave(store_of(evaluation->peer)->blocks, &evaluation->reader);
	unit_cache_close(&evaluation->units);
	outcome_close(&evaluation->outcome);
	question_close(&evaluation->question);
	free(evaluation);
}

static struct engine_view engine_of(struct raftkv *raftkv, bool may_block, struct unit_cache *units)
{
	return (struct engine_view){
		.kv = raftkv->kv, .blocks = raftkv->blocks, .may_block = may_block, .units = units};
}

/* A dry run over what is visible now, for the sake of what it reads. */
static void fetch(struct env_work *work)
{
	struct evaluation *evaluation = container_of(work, struct evaluation, work);
	struct raftkv *raftkv = store_of(evaluation->peer);
	const struct overlay nothing = {0};
	struct engine_view engine = engine_of(raftkv, true, &evaluation->units);
	struct overlay_view view;
	struct outcome outcome = {0};

	overlay_view_init(&view, &nothing, &evaluation->peer->region, &engine);
	evaluate(&view.base, &evaluation->question, &outcome);
	outcome_close(&outcome);
}

static void evaluate_on_worker(struct env_work *work)
{
	struct evaluation *evaluation = container_of(work, struct evaluation, work);
	struct peer *peer = evaluation->peer;
	struct engine_view engine = engine_of(store_of(peer), true, NULL);
	struct overlay_view view;

	overlay_view_init(&view, &peer->overlay, &peer->region, &engine);
	evaluate(&view.base, &evaluation->question, &evaluation->outcome);
	evaluation->outcome.seen = view.seen;
}

static void unpark(struct peer *peer, struct evaluation *evaluation)
{
	struct evaluation **link = &peer->evaluations.parked;

	while (*link != evaluation)
		link = &(*link)->next;
	*link = evaluation->next;
	peer->evaluations.parked_count--;
}

static void queue_first(struct evaluations *evaluations, struct raftkv_write *write)
{
	write->next = evaluations->first;
	evaluations->first = write;
	if (!evaluations->last)
		evaluations->last = write;
	evaluations->queued_count++;
}

static void on_fetched(struct env_work *work)
{
	struct evaluation *evaluation = container_of(work, struct evaluation, work);
	struct peer *peer = evaluation->peer;

	unpark(peer, evaluation);
	evaluation->is_working = false;
	if (evaluation->write) {
		queue_first(&peer->evaluations, evaluation->write);
		peer_process(peer);
	} else {
		evaluation_free(evaluation);
	}
	shard_check_stopped(peer->shard);
}

/* The overlay is the loop's again. */
static void take_overlay_back(struct peer *peer)
{
	peer->evaluations.exclusive = NULL;
	if (peer->evaluations.drop_overlay)
		overlay_clear(&peer->overlay);
	else
		overlay_retire(&peer->overlay, peer->applied.index);
	peer->evaluations.drop_overlay = false;
}

static void on_evaluated(struct env_work *work)
{
	struct evaluation *evaluation = container_of(work, struct evaluation, work);
	struct peer *peer = evaluation->peer;
	struct raftkv_write *write = evaluation->write;

	take_overlay_back(peer);
	if (write) {
		write->evaluation = NULL;
		if (peer_is_serving(peer) && peer->term == evaluation->term)
			conclude(peer, write, &evaluation->outcome);
		else
			evaluate_finish(write, STATUS_NOT_LEADER, NULL);
	}
	evaluation_free(evaluation);
	peer_process(peer);
	shard_check_stopped(peer->shard);
}

static struct evaluation *evaluation_new(struct peer *peer, struct raftkv_write *write)
{
	struct evaluation *evaluation = calloc(1, sizeof *evaluation);

	if (!evaluation)
		return NULL;
	evaluation->peer = peer;
	evaluation->write = write;
	question_init(&evaluation->question, peer, write);
	blocks_enter(store_of(peer)->blocks, &evaluation->reader);
	write->evaluation = evaluation;
	return evaluation;
}

static void park(struct peer *peer, struct raftkv_write *write)
{
	struct evaluations *evaluations = &peer->evaluations;
	struct evaluation *evaluation = write->evaluation;

	if (!evaluation)
		evaluation = evaluation_new(peer, write);
	if (!evaluation) {
		evaluate_finish(write, -ENOMEM, NULL);
		return;
	}
	atomic_fetch_add(&peer->shard->parked, 1);
	evaluation->term = peer->term;
	evaluation->question.is_retry = write->is_retry;
	evaluation->is_working = true;
	if (++evaluation->misses > EVALUATION_MISSES_MAX) {
		evaluations->exclusive = evaluation;
		env_work_submit(peer->shard->loop, &evaluation->work, evaluate_on_worker, on_evaluated);
		return;
	}
	evaluation->next = evaluations->parked;
	evaluations->parked = evaluation;
	evaluations->parked_count++;
	env_work_submit(peer->shard->loop, &evaluation->work, fetch, on_fetched);
}

/* ---- The queue -------------------------------------------------------------------------------------------------- */

static bool is_copy_of(const struct raftkv_write *write, const struct evaluation *evaluation)
{
	const struct raftkv_write *other = evaluation ? evaluation->write : NULL;

	return other && other->session == write->session && other->slot == write->slot &&
	       other->sequence == write->sequence;
}

/* A copy of a parked request shares its answer, and makes it a retry if it is one. */
static bool join(struct peer *peer, struct raftkv_write *write)
{
	struct evaluation *evaluation = peer->evaluations.parked;
	struct raftkv_write *other;

	if (write->session == 0)
		return false;
	while (evaluation && !is_copy_of(write, evaluation))
		evaluation = evaluation->next;
	if (!evaluation)
		return false;
	other = evaluation->write;
	other->is_retry = other->is_retry || write->is_retry;
	write->joined = other->joined;
	other->joined = write;
	return true;
}

static void evaluate_one(struct peer *peer, struct raftkv_write *write)
{
	struct raftkv *raftkv = store_of(peer);
	struct evaluation *evaluation = write->evaluation;
	struct engine_view engine = engine_of(raftkv, false, evaluation ? &evaluation->units : NULL);
	struct overlay_view view;
	struct question question;
	struct outcome outcome = {0};

	if (!evaluation && join(peer, write))
		return;
	question_init(&question, peer, write);
	overlay_view_init(&view, &peer->overlay, &peer->region, &engine);
	evaluate(&view.base, &question, &outcome);
	outcome.seen = view.seen;
	question_close(&question);
	if (outcome.status == STATUS_WOULD_BLOCK) {
		park(peer, write);
	} else {
		write->evaluation = NULL;
		conclude(peer, write, &outcome);
		if (evaluation)
			evaluation_free(evaluation);
	}
	outcome_close(&outcome);
}

void evaluate_queue(struct peer *peer, struct raftkv_write *write)
{
	struct evaluations *evaluations = &peer->evaluations;

	if (evaluations->queued_count >= EVALUATIONS_QUEUED_MAX) {
		evaluate_finish(write, STATUS_LIMIT, NULL);
		return;
	}
	if (write->epoch_version > 0 && write->epoch_version != peer->region.epoch.version) {
		evaluate_finish(write, STATUS_EPOCH_NOT_MATCH, NULL);
		return;
	}
	write->next = NULL;
	if (evaluations->last)
		evaluations->last->next = write;
	else
		evaluations->first = write;
	evaluations->last = write;
	evaluations->queued_count++;
}

static struct raftkv_write *pop(struct evaluations *evaluations)
{
	struct raftkv_write *write = evaluations->first;

	evaluations->first = write->next;
	if (!evaluations->first)
		evaluations->last = NULL;
	evaluations->queued_count--;
	return write;
}

static bool is_throttled(const struct peer *peer)
{
	if (!atomic_load_explicit(&store_of(peer)->flush.is_throttling, memory_order_relaxed))
		return false;
	atomic_fetch_add(&peer->shard->throttled, 1);
	return true;
}

static bool may_evaluate(const struct peer *peer)
{
	const struct evaluations *evaluations = &peer->evaluations;

	return evaluations->first && peer_is_serving(peer) && !evaluations->exclusive &&
	       !is_throttled(peer) && evaluations->pending_size < EVALUATIONS_PENDING_SIZE &&
	       evaluations->parked_count < EVALUATIONS_PARKED_MAX &&
	       peer->applied.index >= evaluations->hold_index;
}

void evaluate_queued(struct peer *peer)
{
	for (int i = 0; i < EVALUATIONS_PER_TURN; i++) {
		if (!may_evaluate(peer))
			return;
		evaluate_one(peer, pop(&peer->evaluations));
	}
	shard_mark(peer->shard, peer);
}

void evaluate_on_applied(struct peer *peer, uint64_t index)
{
	if (!peer->evaluations.exclusive)
		overlay_retire(&peer->overlay, index);
}

void evaluate_fail(struct peer *peer, int status)
{
	struct evaluations *evaluations = &peer->evaluations;
	struct evaluation *evaluation = evaluations->exclusive;

	evaluations->drop_overlay = evaluation != NULL;
	if (!evaluation)
		overlay_clear(&peer->overlay);
	evaluations->hold_index = 0;
	for (struct evaluation *parked = evaluations->parked; parked; parked = parked->next) {
		struct raftkv_write *write = parked->write;

		parked->write = NULL;
		if (write)
			evaluate_finish(write, status, NULL);
	}
	if (evaluation && evaluation->write) {
		struct raftkv_write *write = evaluation->write;

		evaluation->write = NULL;
		evaluate_finish(write, status, NULL);
	}
	while (evaluations->first) {
		struct raftkv_write *write = pop(evaluations);

		if (write->evaluation)
			evaluation_free(write->evaluation);
		write->evaluation = NULL;
		evaluate_finish(write, status, NULL);
	}
}

bool evaluate_is_quiet(const struct peer *peer)
{
	return !peer->evaluations.parked && !peer->evaluations.exclusive;
}

void evaluate_close(struct peer *peer)
{
	struct evaluations *evaluations = &peer->evaluations;

	while (evaluations->parked) {
		struct evaluation *evaluation = evaluations->parked;

		evaluations->parked = evaluation->next;
		evaluation_free(evaluation);
	}
	if (evaluations->exclusive)
		evaluation_free(evaluations->exclusive);
	evaluations->exclusive = NULL;
	overlay_clear(&peer->overlay);
}
