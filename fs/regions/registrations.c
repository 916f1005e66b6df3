#include "fs/regions/registrations.h"

#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#include "fs/schema/op.h"
#include "proto/check.h"
#include "proto/container.h"
#include "proto/units.h"

#define TRIES_MAX 8u /* steps that begin anew because a session was forgotten in between */

/* The steps for one session in one region. */
struct asking {
	struct registrations *registrations;
	struct asking *prev, *next;
	uint64_t region, session;
	uint64_t forgets; /* that the region told */
	uint32_t tries;
	struct registration_wait *waiting; /* NULL: they have been answered */
	struct raftkv_write admit; /* the step under way, */
	struct cluster_request request; /* or this one */
	bool is_requesting;
};

struct registrations {
	struct registrations_options options;
	struct asking *askings;
	uint32_t waiting; /* of all askings */
	bool is_stopping;
};

/* ---- The end ---- */

/* The list begins with the last that came; the first is answered first. */
static void answer_waiting(struct asking *asking, int status)
{
	struct registration_wait *waiting = NULL, *wait, *after;

	LL_FOREACH_SAFE(asking->waiting, wait, after)
	{
		LL_PREPEND(waiting, wait);
	}
	asking->waiting = NULL;
	while (waiting) {
		struct registration_wait *next = waiting->next;

		asking->registrations->waiting--;
		waiting->done(waiting, status);
		waiting = next;
	}
}

static void asking_end(struct asking *asking, int status)
{
	DL_DELETE(asking->registrations->askings, asking);
	answer_waiting(asking, status);
	free(asking);
}

/* ---- The steps ---- */

static void admit(struct asking *asking, uint64_t forgets);

static void on_registered(struct cluster_request *request, int status, const struct cluster_answer *answer)
{
	struct asking *asking = container_of(request, struct asking, request);
	struct op_reply reply = {0};

	buf_unref(request->body);
	asking->is_requesting = false;
	if (status == 0)
		status = op_reply_decode(answer->bytes, &reply);
	if (status == 0 && reply.error == -ENOENT)
		status = STATUS_SESSION_UNKNOWN;
	else if (status == -ETIMEDOUT || reply.error < 0)
		status = STATUS_LIMIT;
	if (status < 0)
		asking_end(asking, status);
	else
		admit(asking, asking->forgets);
}

static int ask_region_1(struct asking *asking, const struct op_session_register *range)
{
	const struct op op = {.kind = OP_SESSION_REGISTER, .session_register = *range};
	struct buf *body;
	int status = op_encode(&op, &body);

	if (status < 0)
		return status;
	asking->request = (struct cluster_request){.kind = CLUSTER_REQUEST_SESSION,
		.body = body,
		.weight = body->size,
		.is_urgent = true,
		.limit = REGISTRATIONS_PATIENCE_MS * NS_PER_MS,
		.done = on_registered};
	status = dispatcher_run(asking->registrations->options.peers, &asking->request);
	if (status < 0)
		buf_unref(body);
	asking->is_requesting = status == 0;
	return status;
}

/* The region has not admitted the session: it has told its count, and its range. */
static int begin(struct asking *asking, const struct op_reply *reply)
{
	const struct op_session_register range = {
		.session = asking->session, .start = reply->offset, .end = reply->count};

	if (asking->registrations->is_stopping)
		return STATUS_STOPPING;
	if (asking->tries++ == TRIES_MAX)
		return STATUS_LIMIT;
	asking->forgets = reply->id;
	return ask_region_1(asking, &range);
}

static void on_admitted(struct raftkv_write *write, int status, struct buf *bytes)
{
	struct asking *asking = container_of(write, struct asking, admit);
	struct op_reply reply = {0};

	buf_unref(write->body);
	if (status == 0)
		status = op_reply_decode(buf_slice(bytes), &reply);
	if (status == 0 && !reply.existed)
		status = begin(asking, &reply);
	if (status < 0 || reply.existed)
		asking_end(asking, status);
}

static void admit(struct asking *asking, uint64_t forgets)
{
	const struct op op = {
		.kind = OP_SESSION_ADMIT, .session_admit = {.session = asking->session, .forgets = forgets}};
	struct buf *body;
	int status = op_encode(&op, &body);

	if (status < 0) {
		asking_end(asking, status);
		return;
	}
	asking->admit = (struct raftkv_write){.region = asking->region,
		.body = body,
		.loop = asking->registrations->options.loop,
		.done = on_admitted};
	raftkv_async_write(asking->registrations->options.raftkv, &asking->admit);
}

/* ---- Waiting ---- */

static struct asking *asking_find(
	const struct registrations *registrations, uint64_t region, uint64_t session)
{
	struct asking *asking;

	DL_FOREACH(registrations->askings, asking)
	{
		if (asking->region == region && asking->session == session)
			return asking;
	}
	return NULL;
}

int registrations_ask(struct registrations *registrations, struct registration_wait *wait)
{
	struct asking *asking = asking_find(registrations, wait->region, wait->session);
	bool is_new = !asking;

	check(wait->region != CLUSTER_REGION);
	if (registrations->is_stopping)
		return STATUS_STOPPING;
	if (registrations->waiting == REGISTRATIONS_WAITING_MAX)
		return STATUS_LIMIT;
	if (is_new) {
		asking = calloc(1, sizeof *asking);
		if (!asking)
			return -ENOMEM;
		asking->registrations = registrations;
		asking->region = wait->region;
		asking->session = wait->session;
		DL_APPEND(registrations->askings, asking);
	}
	registrations->waiting++;
	LL_PREPEND(asking->waiting, wait);
	if (is_new)
		admit(asking, OP_FORGETS_UNKNOWN);
	return 0;
}

/* ---- Life ---- */

struct registrations *registrations_new(const struct registrations_options *options)
{
	struct registrations *registrations = calloc(1, sizeof *registrations);

	if (registrations)
		registrations->options = *options;
	return registrations;
}

/* What waits for this store's own answer ends with the store. */
void registrations_stop(struct registrations *registrations)
{
	struct asking *asking, *next;

	registrations->is_stopping = true;
	DL_FOREACH_SAFE(registrations->askings, asking, next)
	{
		if (asking->is_requesting)
			dispatcher_give_up(&asking->request, STATUS_STOPPING);
		else
			answer_waiting(asking, STATUS_STOPPING);
	}
}

void registrations_free(struct registrations *registrations)
{
	if (!registrations)
		return;
	check(!registrations->askings);
	free(registrations);
}
