/* One evaluation: a request and a view in, mutations and an answer out. */
#include "store/evaluate/evaluate_internal.h"

#include <errno.h>

#include "proto/plant.h"
#include "store/rows/slots.h"

void question_init(
	struct row_question *question, struct evaluations *evaluations, const struct raftkv_write *write)
{
	struct engines *engines = evaluations->host.engines;

	*question = (struct row_question){
		.evaluator = evaluations->host.evaluator,
		.input = {.body = buf_slice(write->body),
			.payload = buf_ref(write->payload),
			.session = write->session,
			.region = evaluations->host.region->id,
			.term = host_serving_term(&evaluations->host),
			.wall = env_wall(engines->env),
			.region_start = buf_slice(evaluations->host.region->start),
			.region_end = buf_slice(evaluations->host.region->end)},
		.body = buf_ref(write->body),
		.slot = write->slot,
		.sequence = write->sequence,
		.is_retry = write->is_retry,
	};
	env_random(engines->env, question->input.random, sizeof question->input.random);
}

void question_close(struct row_question *question)
{
	buf_unref(question->body);
	buf_unref(question->input.payload);
}

void outcome_close(struct outcome *outcome)
{
	mutations_close(&outcome->mutations);
	buf_unref(outcome->reply);
	*outcome = (struct outcome){0};
}

/* Checks the request's session and slot. True: evaluate it; false: the answer is in `outcome`. */
static bool is_new(struct view *view, const struct row_question *question, struct outcome *outcome)
{
	enum slot_verdict verdict = SLOT_NEW;

	PLANT("store:retry_without_slot", return true);
	if (!slots_are_of(question->input.session))
		return true;
	outcome->status = slots_find(view, question->input.session, question->slot, question->sequence,
		&verdict, &outcome->answer, &outcome->reply);
	if (outcome->status < 0)
		outcome->answer = outcome->status;
	else if (verdict == SLOT_PASSED)
		outcome->answer = -EALREADY;
	return outcome->status == 0 && verdict == SLOT_NEW;
}

/* Whether a repeated evaluation would end the same way: not if that depends on what other regions have, or on who leads
 * this one and what it has. */
static bool is_lasting(int status)
{
	PLANT("evaluate:incomplete_recorded", return status != STATUS_WOULD_BLOCK && status != -ENOMEM);
	return status != STATUS_WOULD_BLOCK && status != -ENOMEM && status != STATUS_INCOMPLETE &&
	       status != STATUS_KEY_NOT_IN_REGION && status != STATUS_STALE_COMMAND &&
	       status != STATUS_NOT_READY;
}

/* Drops what an evaluation left that failed, but the reply of an incomplete one. */
static void outcome_fail(struct outcome *outcome, int status)
{
	struct buf *reply = status == STATUS_INCOMPLETE ? buf_ref(outcome->reply) : NULL;

	outcome_close(outcome);
	*outcome = (struct outcome){.status = status, .answer = status, .reply = reply};
}

void evaluation_run(struct view *view, const struct row_question *question, struct outcome *outcome)
{
	struct evaluator *evaluator = question->evaluator;
	struct mutations *mutations = &outcome->mutations;
	int status;

	if (!is_new(view, question, outcome))
		return;
	status = evaluator->ops->evaluate(evaluator, view, &question->input, mutations, &outcome->reply);
	if (status < 0)
		outcome_fail(outcome, status);
	if (!is_lasting(status) || !slots_are_of(question->input.session))
		return;
	if (mutations->count == 0 && !question->is_retry)
		return;
	outcome->status = 0;
	slots_record(mutations, question->input.session, question->slot, question->sequence, outcome->answer,
		buf_slice(outcome->reply));
}

struct engine_view evaluation_engine(
	struct evaluations *evaluations, bool may_block, struct unit_cache *units)
{
	struct engines *engines = evaluations->host.engines;

	return (struct engine_view){
		.kv = engines->kv, .blocks = engines->blocks, .may_block = may_block, .units = units};
}
