#include "fs/transact/peer_calls.h"

#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#include "proto/container.h"

struct peer_call {
	struct peer_call *prev, *next;
	struct peer_calls *calls;
	struct question question; /* READ: without its name, which is in the body */
	struct cluster_request request;
};

static void peer_call_free(struct peer_call *call)
{
	buf_unref(call->request.body);
	free(call);
}

/* ---- Answers ---- */

static void give_facts(struct peer_calls *calls, const struct question *question, int status,
	const struct cluster_answer *answer)
{
	struct finding finding = {0};
	struct buf *bytes = status == 0 ? buf_new(question->size) : NULL;

	if (status == 0 && !bytes)
		status = -ENOMEM;
	if (status == 0) {
		finding.bytes = bytes->data;
		status = finding_take(question, answer->bytes, buf_slice(answer->data), &finding);
	}
	calls->answered(
		calls, status, status == 0 ? slice_of(bytes->data, finding.count) : (struct slice){0}, NULL);
	buf_unref(bytes);
}

static void give_reply(struct peer_calls *calls, int status, const struct cluster_answer *answer)
{
	struct op_reply reply = {0};

	if (status == 0)
		status = op_reply_decode(answer->bytes, &reply);
	calls->answered(calls, status, (struct slice){0}, &reply);
}

/* `done` may free the owner. It comes from the outermost of the calls on the stack. */
static void peer_calls_leave(struct peer_calls *calls)
{
	if (--calls->depth > 0 || calls->list || !calls->is_waiting)
		return;
	calls->is_waiting = false;
	calls->done(calls);
}

static void peer_call_on_done(
	struct cluster_request *request, int status, const struct cluster_answer *answer)
{
	struct peer_call *call = container_of(request, struct peer_call, request);
	struct peer_calls *calls = call->calls;

	DL_DELETE(calls->list, call);
	calls->depth++;
	if (request->kind == CLUSTER_REQUEST_READ)
		give_facts(calls, &call->question, status, answer);
	else
		give_reply(calls, status, answer);
	peer_call_free(call);
	peer_calls_leave(calls);
}

/* ---- Requests ---- */

/* Takes the call. */
static int peer_call_start(struct peer_calls *calls, struct peer_call *call)
{
	int status;

	call->calls = calls;
	call->request.limit = calls->limit;
	call->request.done = peer_call_on_done;
	status = dispatcher_run(calls->peers, &call->request);
	if (status < 0)
		peer_call_free(call);
	else
		DL_APPEND(calls->list, call);
	return status;
}

int peer_calls_ask(struct peer_calls *calls, const struct wanted *wanted)
{
	struct peer_call *call = calloc(1, sizeof *call);
	const struct question question = {.kind = QUESTION_ROWS,
		.ino = wanted->ino,
		.name = wanted->name,
		.size = FACTS_SIZE_MAX,
		.is_plus = wanted->is_upward};
	int status = call ? question_encode(&question, &call->request.body) : -ENOMEM;

	if (status < 0) {
		free(call);
		return status;
	}
	call->question = question;
	call->question.name = (struct slice){0};
	call->request.kind = CLUSTER_REQUEST_READ;
	call->request.is_for_leader = true;
	call->request.is_urgent = true;
	call->request.key = question_key(&question);
	return peer_call_start(calls, call);
}

int peer_calls_run(struct peer_calls *calls, const struct op *op, bool is_once)
{
	struct peer_call *call = calloc(1, sizeof *call);
	int status = call ? op_encode(op, &call->request.body) : -ENOMEM;

	if (status < 0) {
		free(call);
		return status;
	}
	call->request.kind = CLUSTER_REQUEST_SESSION;
	call->request.is_once = is_once;
	call->request.is_urgent = !is_once; /* OP_PREPARE may wait for others */
	call->request.key = op_key(op);
	call->request.weight = call->request.body->size;
	return peer_call_start(calls, call);
}

bool peer_calls_wait(struct peer_calls *calls)
{
	calls->is_waiting = calls->list != NULL;
	return calls->is_waiting;
}

void peer_calls_give_up(struct peer_calls *calls, int status)
{
	calls->depth++;
	while (calls->list)
		dispatcher_give_up(&calls->list->request, status);
	peer_calls_leave(calls);
}

static void answered_nobody(
	struct peer_calls *calls, int status, struct slice facts, const struct op_reply *reply)
{
	(void)calls, (void)status, (void)facts, (void)reply;
}

void peer_calls_drop(struct peer_calls *calls)
{
	calls->answered = answered_nobody;
	calls->is_waiting = false;
	peer_calls_give_up(calls, -ECANCELED);
}
