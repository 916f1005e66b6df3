/* Requests that need data that is not in memory: a worker fetches the data, or evaluates the request. */
#include "store/evaluate/evaluate_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/container.h"
#include "store/evaluate/overlay_view.h"
#include "store/rows/slots.h"

void evaluation_free(struct evaluation_task *evaluation)
{
	blocks_leave(evaluation->evaluations->host.engines->blocks, &evaluation->reader);
	unit_cache_close(&evaluation->units);
	outcome_close(&evaluation->outcome);
	question_close(&evaluation->question);
	region_close(&evaluation->range);
	free(evaluation);
}

/* Evaluates over the visible state, only to read the data into memory. */
static void fetch(struct env_work *work)
{
	struct evaluation_task *evaluation = container_of(work, struct evaluation_task, work);
	const struct overlay nothing = {0};
	struct engine_view engine = evaluation_engine(evaluation->evaluations, true, &evaluation->units);
	struct overlay_view view;
	struct outcome outcome = {0};

	overlay_view_init(&view, &nothing, &evaluation->range, &engine);
	evaluation_run(&view.base, &evaluation->question, &outcome);
	outcome_close(&outcome);
}

static void evaluate_on_worker(struct env_work *work)
{
	struct evaluation_task *evaluation = container_of(work, struct evaluation_task, work);
	struct evaluations *evaluations = evaluation->evaluations;
	struct engine_view engine = evaluation_engine(evaluations, true, NULL);
	struct overlay_view view;

	overlay_view_init(&view, &evaluations->overlay, &evaluation->range, &engine);
	evaluation_run(&view.base, &evaluation->question, &evaluation->outcome);
	evaluation->outcome.seen = view.seen;
}

static void unpark(struct evaluations *evaluations, struct evaluation_task *evaluation)
{
	struct evaluation_task **link = &evaluations->parked;

	while (*link != evaluation)
		link = &(*link)->next;
	*link = evaluation->next;
	evaluations->parked_count--;
}

static void on_fetched(struct env_work *work)
{
	struct evaluation_task *evaluation = container_of(work, struct evaluation_task, work);
	struct evaluations *evaluations = evaluation->evaluations;

	unpark(evaluations, evaluation);
	evaluation->is_working = false;
	if (evaluation->write)
		evaluate_queue_first(evaluations, evaluation->write);
	else
		evaluation_free(evaluation);
	host_came_back(&evaluations->host);
}

/* The loop may use the overlay again. */
static void take_overlay_back(struct evaluations *evaluations)
{
	evaluations->exclusive = NULL;
	if (evaluations->drop_overlay)
		overlay_clear(&evaluations->overlay);
	else
		overlay_retire(&evaluations->overlay, evaluations->host.applied->index);
	evaluations->drop_overlay = false;
}

static void on_evaluated(struct env_work *work)
{
	struct evaluation_task *evaluation = container_of(work, struct evaluation_task, work);
	struct evaluations *evaluations = evaluation->evaluations;
	struct raftkv_write *write = evaluation->write;

	take_overlay_back(evaluations);
	if (write) {
		write->evaluation = NULL;
		if (host_serving_term(&evaluations->host) == evaluation->term)
			evaluate_conclude(evaluations, write, &evaluation->outcome);
		else
			evaluate_finish(write, STATUS_NOT_LEADER, NULL);
	}
	evaluation_free(evaluation);
	host_came_back(&evaluations->host);
}

static struct evaluation_task *evaluation_new(struct evaluations *evaluations, struct raftkv_write *write)
{
	struct evaluation_task *evaluation = calloc(1, sizeof *evaluation);
	const struct region *region = evaluations->host.region;

	if (!evaluation)
		return NULL;
	evaluation->evaluations = evaluations;
	evaluation->write = write;
	evaluation->range = (struct region){.id = region->id,
		.epoch = region->epoch,
		.start = buf_ref(region->start),
		.end = buf_ref(region->end)};
	question_init(&evaluation->question, evaluations, write);
	blocks_enter(evaluations->host.engines->blocks, &evaluation->reader);
	write->evaluation = evaluation;
	return evaluation;
}

void evaluate_park(struct evaluations *evaluations, struct raftkv_write *write)
{
	struct evaluation_task *evaluation = write->evaluation;

	if (!evaluation)
		evaluation = evaluation_new(evaluations, write);
	if (!evaluation) {
		evaluate_finish(write, -ENOMEM, NULL);
		return;
	}
	atomic_fetch_add(&evaluations->host.figures->parked, 1);
	evaluation->term = host_serving_term(&evaluations->host);
	evaluation->question.input.term = evaluation->term;
	evaluation->question.is_retry = write->is_retry;
	evaluation->is_working = true;
	if (++evaluation->misses > EVALUATION_MISSES_MAX) {
		evaluations->exclusive = evaluation;
		env_work_submit(evaluations->host.loop, &evaluation->work, evaluate_on_worker, on_evaluated);
		return;
	}
	evaluation->next = evaluations->parked;
	evaluations->parked = evaluation;
	evaluations->parked_count++;
	env_work_submit(evaluations->host.loop, &evaluation->work, fetch, on_fetched);
}

static bool is_copy_of(const struct raftkv_write *write, const struct evaluation_task *evaluation)
{
	const struct raftkv_write *other = evaluation ? evaluation->write : NULL;

	return other && other->session == write->session && other->slot == write->slot &&
	       other->sequence == write->sequence;
}

bool evaluate_join(struct evaluations *evaluations, struct raftkv_write *write)
{
	struct evaluation_task *evaluation = evaluations->parked;
	struct raftkv_write *other;

	if (!slots_are_of(write->session))
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
