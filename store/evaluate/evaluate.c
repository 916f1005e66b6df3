#include "store/evaluate/evaluate_internal.h"

#include <stdlib.h>

#include "proto/container.h"
#include "proto/plant.h"
#include "store/evaluate/overlay_view.h"

#define EVALUATIONS_PER_TURN 256

/* ---- Answers ---------------------------------------------------------------------------------------------------- */

static void evaluate_deliver(struct env_mail *mail)
{
	struct raftkv_write *write = container_of(mail, struct raftkv_write, mail);
	struct buf *reply = write->reply;

	write->reply = NULL;
	write->done(write, write->status, reply);
	buf_unref(reply);
}

/* Sets the leader's store and the epoch of an error. On the replica's loop. */
static void give_hint(struct raftkv_write *write, int status)
{
	bool is_elsewhere = status == STATUS_NOT_LEADER || status == STATUS_STALE_COMMAND;

	write->leader_store = is_elsewhere ? host_leader_store(&write->evaluations->host) : 0;
	write->epoch = status == STATUS_EPOCH_NOT_MATCH ? write->evaluations->host.region->epoch
							: (struct region_epoch){0};
}

static void answer(struct raftkv_write *write, int status, struct buf *reply)
{
	give_hint(write, status);
	buf_unref(write->body);
	buf_unref(write->payload);
	write->status = status;
	write->reply = status == 0 || status == STATUS_INCOMPLETE ? buf_ref(reply) : NULL;
	/* An error may arise inside raftkv_async_write, which must not call back. */
	if (status == 0 && env_loop_is_current(write->loop))
		evaluate_deliver(&write->mail);
	else
		env_post(write->loop, &write->mail, evaluate_deliver);
}

void evaluate_finish(struct raftkv_write *write, int status, struct buf *reply)
{
	while (write) {
		struct raftkv_write *joined = write->joined;

		answer(write, status, reply);
		write = joined;
	}
}

void evaluate_finish_kept(struct raftkv_write *write, int status)
{
	struct buf *reply = write->reply;

	evaluate_finish(write, status, reply);
	buf_unref(reply);
}

/* ---- The queue -------------------------------------------------------------------------------------------------- */

static bool is_of_epoch(const struct evaluations *evaluations, const struct raftkv_write *write)
{
	PLANT("split:epoch_unchecked", return true);
	return write->epoch_version == 0 || write->epoch_version == evaluations->host.region->epoch.version;
}

static void end_evaluation(struct raftkv_write *write)
{
	if (write->evaluation)
		evaluation_free(write->evaluation);
	write->evaluation = NULL;
}

static void evaluate_one(struct evaluations *evaluations, struct raftkv_write *write)
{
	struct evaluation_task *evaluation = write->evaluation;
	struct engine_view engine =
		evaluation_engine(evaluations, false, evaluation ? &evaluation->units : NULL);
	struct overlay_view view;
	struct row_question question;
	struct outcome outcome = {0};

	if (!evaluation && evaluate_join(evaluations, write))
		return;
	if (!is_of_epoch(evaluations, write)) {
		end_evaluation(write);
		evaluate_finish(write, STATUS_EPOCH_NOT_MATCH, NULL);
		return;
	}
	question_init(&question, evaluations, write);
	overlay_view_init(&view, &evaluations->overlay, evaluations->host.region, &engine);
	evaluation_run(&view.base, &question, &outcome);
	outcome.seen = view.seen;
	question_close(&question);
	if (outcome.status == STATUS_WOULD_BLOCK) {
		evaluate_park(evaluations, write);
	} else {
		write->evaluation = NULL;
		evaluate_conclude(evaluations, write, &outcome);
		if (evaluation)
			evaluation_free(evaluation);
	}
	outcome_close(&outcome);
}

static struct evaluation_queue *queue_of(struct evaluations *evaluations, const struct raftkv_write *write)
{
	return write->is_urgent ? &evaluations->urgent : &evaluations->ordinary;
}

void evaluate_queue(struct evaluations *evaluations, struct raftkv_write *write)
{
	struct evaluation_queue *queue = queue_of(evaluations, write);

	write->evaluations = evaluations;
	if (queue->count >= EVALUATIONS_QUEUED_MAX) {
		evaluate_finish(write, STATUS_LIMIT, NULL);
		return;
	}
	if (!is_of_epoch(evaluations, write)) {
		evaluate_finish(write, STATUS_EPOCH_NOT_MATCH, NULL);
		return;
	}
	write->next = NULL;
	if (queue->last)
		queue->last->next = write;
	else
		queue->first = write;
	queue->last = write;
	queue->count++;
}

void evaluate_queue_first(struct evaluations *evaluations, struct raftkv_write *write)
{
	struct evaluation_queue *queue = queue_of(evaluations, write);

	write->next = queue->first;
	queue->first = write;
	if (!queue->last)
		queue->last = write;
	queue->count++;
}

static struct raftkv_write *queue_pop(struct evaluation_queue *queue)
{
	struct raftkv_write *write = queue->first;

	queue->first = write->next;
	if (!queue->first)
		queue->last = NULL;
	queue->count--;
	return write;
}

static bool is_throttled(const struct evaluations *evaluations)
{
	if (!atomic_load_explicit(&evaluations->host.flush->is_throttling, memory_order_relaxed))
		return false;
	atomic_fetch_add(&evaluations->host.figures->throttled, 1);
	return true;
}

static bool may_evaluate(const struct evaluations *evaluations)
{
	return host_serving_term(&evaluations->host) > 0 && !evaluations->exclusive &&
	       evaluations->host.applied->index >= evaluations->hold_index;
}

static bool is_held_up(const struct evaluations *evaluations)
{
	return is_throttled(evaluations) || evaluations->pending_size >= EVALUATIONS_PENDING_SIZE ||
	       evaluations->parked_count >= EVALUATIONS_PARKED_MAX;
}

/* The queue whose first request may be evaluated now; NULL: none. */
static struct evaluation_queue *find_queue(struct evaluations *evaluations)
{
	if (!evaluate_has_queued(evaluations) || !may_evaluate(evaluations))
		return NULL;
	if (evaluations->urgent.first && !planted("evaluate:urgent_held_up"))
		return &evaluations->urgent;
	if (is_held_up(evaluations))
		return NULL;
	return evaluations->ordinary.first ? &evaluations->ordinary : &evaluations->urgent;
}

void evaluate_queued(struct evaluations *evaluations)
{
	for (int i = 0; i < EVALUATIONS_PER_TURN; i++) {
		struct evaluation_queue *queue = find_queue(evaluations);

		if (!queue)
			return;
		evaluate_one(evaluations, queue_pop(queue));
	}
	host_mark(&evaluations->host);
}

void evaluate_on_applied(struct evaluations *evaluations, uint64_t index, uint64_t committed)
{
	evaluations->committed = committed;
	if (!evaluations->exclusive)
		overlay_retire(&evaluations->overlay, index);
}

static void fail_queue(struct evaluation_queue *queue, int status)
{
	while (queue->first) {
		struct raftkv_write *write = queue_pop(queue);

		end_evaluation(write);
		evaluate_finish(write, status, NULL);
	}
}

void evaluate_fail(struct evaluations *evaluations, int status)
{
	struct evaluation_task *evaluation = evaluations->exclusive;

	evaluations->drop_overlay = evaluation != NULL;
	if (!evaluation)
		overlay_clear(&evaluations->overlay);
	evaluations->hold_index = 0;
	for (struct evaluation_task *parked = evaluations->parked; parked; parked = parked->next) {
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
	fail_queue(&evaluations->urgent, status);
	fail_queue(&evaluations->ordinary, status);
}

bool evaluate_is_quiet(const struct evaluations *evaluations)
{
	return !evaluations->parked && !evaluations->exclusive;
}

void evaluate_close(struct evaluations *evaluations)
{
	while (evaluations->parked) {
		struct evaluation_task *evaluation = evaluations->parked;

		evaluations->parked = evaluation->next;
		evaluation_free(evaluation);
	}
	if (evaluations->exclusive)
		evaluation_free(evaluations->exclusive);
	evaluations->exclusive = NULL;
	overlay_clear(&evaluations->overlay);
}
