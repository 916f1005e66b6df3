/*
 * Reads of rows with intents (namespace.md § Reads of rows with intents): they never wait for the end of an attempt. A
 * read asks the anchors what has become of the attempts that it met:
 *
 *   all pending       none had committed after the snapshot was taken: what the read saw without them is the answer
 *   some committed    a later snapshot, over which these are laid
 *   some over         they never committed, or all their intents were resolved meanwhile: a later snapshot shows which,
 *                     because there the intents of the latter are gone
 *
 * "Pending" says nothing of a later snapshot, so a later round asks about those attempts again.
 */
#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#include "fs/intents/intent_view.h"
#include "fs/transact/inquiry.h"
#include "fs/server/service_read.h"
#include "proto/container.h"
#include "proto/plant.h"
#include "proto/units.h"

#define ROUNDS_MAX 8u /* snapshots; then the mount asks again */
#define LIMIT_MS   2000u /* for the anchors' answers; then the mount asks again */

struct intents_read {
	struct intents_read *prev, *next; /* in the service's list, while it asks */
	struct asked *asked;
	struct attempt_set attempts;
	struct intent_view view;
	struct inquiry inquiry;
	uint32_t rounds;
	bool is_outdated; /* a verdict asks for a later snapshot */
	int status; /* of the look */
};

void service_intents_free(struct intents_read *intents)
{
	if (!intents)
		return;
	attempt_set_close(&intents->attempts);
	free(intents);
}

struct view *service_intents_view(struct intents_read *intents, struct view *below)
{
	return intent_view_init(&intents->view, below, &intents->attempts);
}

/* ---- Looking again ---- */

static void drop_answer(struct asked *asked)
{
	buf_unref(asked->finding);
	buf_unref(asked->data);
	asked->finding = asked->data = NULL;
}

static void drop_snapshot(struct asked *asked)
{
	if (asked->snapshot)
		raftkv_snapshot_free(asked->snapshot);
	asked->snapshot = NULL;
}

static void look_at_later_snapshot(struct intents_read *intents)
{
	struct asked *asked = intents->asked;

	drop_answer(asked);
	drop_snapshot(asked);
	if (++intents->rounds > ROUNDS_MAX) {
		service_read_finish(asked, STATUS_NOT_READY);
		return;
	}
	intents->is_outdated = false;
	attempt_set_keep_final(&intents->attempts);
	service_read_begin(asked);
}

/* ---- Asking the anchors ---- */

static bool asks_for_later_snapshot(enum attempt_verdict verdict)
{
	if (planted("reads:over_believed"))
		return verdict == ATTEMPT_IS_COMMITTED;
	return verdict != ATTEMPT_IS_PENDING;
}

static void service_intents_ask(struct intents_read *intents);

static void on_inquired(struct inquiry *inquiry, int status)
{
	struct intents_read *intents = container_of(inquiry, struct intents_read, inquiry);
	struct service *service = intents->asked->service;

	DL_DELETE(service->inquiring, intents);
	if (status < 0) {
		service_read_finish(
			intents->asked, status == STATUS_STOPPING ? STATUS_STOPPING : STATUS_NOT_READY);
		return;
	}
	for (uint32_t i = 0; i < inquiry->count; i++) {
		enum attempt_verdict verdict = (enum attempt_verdict)inquiry->verdicts[i];

		attempt_set_learn(&intents->attempts, &inquiry->attempts[i], verdict);
		intents->is_outdated = intents->is_outdated || asks_for_later_snapshot(verdict);
	}
	service_intents_ask(intents);
}

static void choose_attempts(struct intents_read *intents)
{
	const struct attempt_set *set = &intents->attempts;
	struct inquiry *inquiry = &intents->inquiry;

	inquiry->count = 0;
	for (uint32_t i = 0; i < set->count && inquiry->count < INQUIRY_ATTEMPTS_MAX; i++)
		if (!set->attempts[i].has_verdict)
			inquiry_add(inquiry, &set->attempts[i].attempt);
}

static void start_inquiry(struct intents_read *intents)
{
	struct service *service = intents->asked->service;
	int status = STATUS_STOPPING;

	intents->inquiry.peers = service->options.peers;
	intents->inquiry.limit = LIMIT_MS * NS_PER_MS;
	intents->inquiry.done = on_inquired;
	if (!service->has_left_peers)
		status = inquiry_start(&intents->inquiry);
	if (status == 0)
		DL_APPEND(service->inquiring, intents);
	else
		service_read_finish(intents->asked, status);
}

static void service_intents_ask(struct intents_read *intents)
{
	choose_attempts(intents);
	if (intents->is_outdated)
		look_at_later_snapshot(intents);
	else if (intents->inquiry.count > 0)
		start_inquiry(intents);
	else
		service_read_finish(intents->asked, intents->status);
}

/* ---- Looks ---- */

/* What a follower was told may be older than the verdicts that it would get: the leader answers. */
void service_intents_begin(struct asked *asked)
{
	struct intents_read *intents = calloc(1, sizeof *intents);

	if (!intents) {
		service_read_finish(asked, -ENOMEM);
		return;
	}
	intents->asked = asked;
	asked->intents = intents;
	if (asked->read.from_follower && !planted("reads:follower_answers")) {
		asked->read.from_follower = false;
		look_at_later_snapshot(intents);
	} else {
		service_read_look_now(asked);
	}
}

/* Whatever it came to: an error may be due to an attempt that has committed. */
void service_intents_on_look(struct asked *asked, int status)
{
	asked->intents->status = status == STATUS_INTENTS ? STATUS_CORRUPT : status;
	drop_snapshot(asked);
	service_intents_ask(asked->intents);
}

void service_leave_peers(struct service *service)
{
	service->has_left_peers = true;
	while (service->inquiring)
		inquiry_give_up(&service->inquiring->inquiry, STATUS_STOPPING);
}
