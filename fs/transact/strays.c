#include "fs/transact/strays.h"

#include <stdlib.h>
#include <utlist.h>

#include "fs/transact/inquiry.h"
#include "fs/transact/transactions_internal.h"
#include "proto/container.h"

#define STRAYS_IN_QUESTION 32u

struct stray {
	uint64_t region;
	struct attempt attempt;
	struct buf *places;
};

/* Attempts with anchors of one dirid: what cannot be asked elsewhere does not hold these up. */
struct strays_question {
	struct strays_question *prev, *next;
	struct strays *strays;
	struct inquiry inquiry;
	bool is_asked;
	uint32_t count;
	struct stray list[STRAYS_IN_QUESTION];
};

/* ---- Resolving in the region ---- */

struct stray_write {
	struct transactions *transactions;
	struct raftkv_write write;
};

static void stray_on_resolved(struct raftkv_write *write, int status, struct buf *reply)
{
	struct stray_write *resolve = container_of(write, struct stray_write, write);
	struct transactions *transactions = resolve->transactions;
	uint64_t region = write->region;

	(void)reply;
	free(resolve);
	if (status == 0 && !transactions->is_stopping)
		transactions_wake(transactions, region);
}

struct stray_target {
	struct transactions *transactions;
	uint64_t region;
};

static int stray_resolve(void *argument, const struct op *op)
{
	const struct stray_target *target = argument;
	struct stray_write *resolve = calloc(1, sizeof *resolve);
	struct buf *body = NULL;
	int status = resolve ? op_encode(op, &body) : STATUS_LIMIT;

	if (status < 0) {
		free(resolve);
		return status;
	}
	resolve->transactions = target->transactions;
	resolve->write = (struct raftkv_write){.region = target->region,
		.is_urgent = true,
		.body = body,
		.loop = target->transactions->options.loop,
		.done = stray_on_resolved};
	raftkv_async_write(target->transactions->options.raftkv, &resolve->write);
	buf_unref(body);
	return 0;
}

/* ---- Questions ---- */

static void question_free(struct strays_question *question)
{
	struct strays *strays = question->strays;

	for (uint32_t i = 0; i < question->count; i++)
		buf_unref(question->list[i].places);
	DL_DELETE(strays->questions, question);
	strays->count--;
	free(question);
}

static void stray_take_verdict(struct strays *strays, const struct stray *stray, enum attempt_verdict verdict)
{
	struct stray_target target = {strays->transactions, stray->region};

	if (verdict != ATTEMPT_IS_PENDING)
		resolutions_each(&stray->attempt, verdict == ATTEMPT_IS_COMMITTED, buf_slice(stray->places),
			stray_resolve, &target);
}

static void strays_on_inquired(struct inquiry *inquiry, int status)
{
	struct strays_question *question = container_of(inquiry, struct strays_question, inquiry);

	for (uint32_t i = 0; i < question->count && status == 0; i++) {
		uint32_t index = inquiry_add(inquiry, &question->list[i].attempt); /* it is there */

		stray_take_verdict(
			question->strays, &question->list[i], (enum attempt_verdict)inquiry->verdicts[index]);
	}
	question_free(question);
}

/* A question that has room for it and has not been asked. */
static struct strays_question *strays_find(const struct strays *strays, const struct attempt *attempt)
{
	uint64_t dirid = fs_ino_dirid(attempt->anchor);
	struct strays_question *question;

	DL_FOREACH(strays->questions, question)
	{
		if (!question->is_asked && question->count < STRAYS_IN_QUESTION &&
			fs_ino_dirid(question->list[0].attempt.anchor) == dirid)
			return question;
	}
	return NULL;
}

static struct strays_question *strays_make(struct strays *strays)
{
	struct strays_question *question = NULL;

	if (strays->count < STRAYS_ASKED_MAX)
		question = calloc(1, sizeof *question);
	if (!question)
		return NULL;
	question->strays = strays;
	question->inquiry.peers = strays->transactions->options.peers;
	question->inquiry.limit = PEER_LIMIT_NS;
	question->inquiry.done = strays_on_inquired;
	DL_APPEND(strays->questions, question);
	strays->count++;
	return question;
}

static bool is_being_asked(const struct strays *strays, uint64_t region, const struct attempt *attempt)
{
	const struct strays_question *question;

	DL_FOREACH(strays->questions, question)
	{
		for (uint32_t i = 0; i < question->count; i++)
			if (question->list[i].region == region &&
				attempt_is_same(&question->list[i].attempt, attempt))
				return true;
	}
	return false;
}

void strays_add(struct strays *strays, uint64_t region, const struct attempt *attempt, struct buf *places)
{
	struct strays_question *question;

	if (is_being_asked(strays, region, attempt))
		return;
	question = strays_find(strays, attempt);
	if (!question)
		question = strays_make(strays);
	if (!question)
		return;
	inquiry_add(&question->inquiry, attempt);
	question->list[question->count++] =
		(struct stray){.region = region, .attempt = *attempt, .places = buf_ref(places)};
}

void strays_ask(struct strays *strays)
{
	struct strays_question *question, *next;

	DL_FOREACH_SAFE(strays->questions, question, next)
	{
		if (question->is_asked)
			continue;
		question->is_asked = true;
		if (inquiry_start(&question->inquiry) < 0)
			question_free(question);
	}
}

void strays_stop(struct strays *strays)
{
	struct strays_question *question, *next;

	DL_FOREACH_SAFE(strays->questions, question, next)
	{
		if (question->is_asked)
			inquiry_give_up(&question->inquiry, STATUS_STOPPING);
		else
			question_free(question);
	}
}
