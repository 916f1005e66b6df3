/*
 * Splits a region, which any store may lead:
 *
 *   1  its leader is asked whether it may be split, and where
 *   2  the id of the new region is drawn, so that a refusal takes none
 *   3  its leader splits it. The peers ask again until they have an answer: a split at the same key into the same region
 *      is done once
 *
 * A split that has been asked for goes on when another store coordinates the cluster: its id is no other region's.
 */
#include <errno.h>
#include <inttypes.h>

#include "fs/cluster/coordinator_internal.h"
#include "fs/schema/split_key.h"
#include "proto/plant.h"

#define ANSWER_NS (5000 * NS_PER_MS) /* for the region's leader to be found and to answer */

static void splitting_finish(struct coordinator *coordinator, const struct status *status)
{
	struct admin_request *request = coordinator->splitting.request;

	coordinator->splitting.state = SPLITTING_NOTHING;
	coordinator->splitting.request = NULL;
	request->done(request, status);
}

/* ---- Asking the region's leader ---- */

/* No store has said why. */
static void explain(const struct coordinator *coordinator, int code, struct status *status)
{
	bool has_begun = coordinator->splitting.state == SPLITTING_SPLITS;

	if (has_begun && code != STATUS_UNSUPPORTED)
		status_set(status, STATUS_STALE_COMMAND,
			"the store that leads the region does not answer, and may have split it: 'raftkv "
			"region "
			"ls' tells; to ask again for the same place is safe");
	else if (code == STATUS_UNSUPPORTED)
		status_set(status, code,
			"the store that leads the region is of an older version and cannot split it: restart "
			"it "
			"with the present one");
	else if (code == -ETIMEDOUT)
		status_set(status, STATUS_NOT_READY,
			"no store that leads the region answers, and nothing was done: see 'raftkv region "
			"show' "
			"and 'raftkv health'");
	else
		status_set(status, code, "the store that leads the region cannot be asked: %s",
			status_name(code));
}

static void take_place(struct admin_request *request, const Raftkv__SplitReply *reply)
{
	request->region = reply->region;
	if (reply->key.len > FS_KEY_SIZE_MAX || reply->key.len == 0)
		return;
	request->key.size = (uint16_t)reply->key.len;
	memcpy(request->key.bytes, reply->key.data, reply->key.len);
}

static void on_split(struct coordinator *coordinator, const struct status *status)
{
	const struct admin_request *request = coordinator->splitting.request;

	if (status->code == 0)
		log_info(coordinator->options.logger,
			"msg=\"a region is split\" region=%" PRIu64 " new_region=%" PRIu64, request->region,
			request->new_region);
	splitting_finish(coordinator, status);
	coordinator_go_on(coordinator);
}

static void on_asked(struct coordinator *coordinator, const struct status *status)
{
	struct admin_request *request = coordinator->splitting.request;

	if (status->code < 0 || request->is_dry) {
		splitting_finish(coordinator, status);
		return;
	}
	coordinator->splitting.state = SPLITTING_NEEDS_ID;
	coordinator_go_on(coordinator);
}

static void on_answer(struct cluster_request *call, int code, const struct cluster_answer *answer)
{
	struct coordinator *coordinator = container_of(call, struct coordinator, splitting.call);
	struct status status = {0};

	if (code < 0 && answer->split && answer->split->sentence[0] != '\0')
		status_set(&status, code, "%s", answer->split->sentence);
	else if (code < 0)
		explain(coordinator, code, &status);
	else
		take_place(coordinator->splitting.request, answer->split);
	if (coordinator->splitting.state == SPLITTING_SPLITS)
		on_split(coordinator, &status);
	else
		on_asked(coordinator, &status);
}

static void ask(struct coordinator *coordinator, int state)
{
	struct splitting *splitting = &coordinator->splitting;
	const struct admin_request *request = splitting->request;
	struct status status = {0};
	int code;

	splitting->state = state;
	splitting->call = (struct cluster_request){.kind = CLUSTER_REQUEST_SPLIT,
		.key = request->key,
		.in_middle = request->in_middle && state == SPLITTING_ASKS,
		.new_region = state == SPLITTING_ASKS ? 0 : request->new_region,
		.limit = ANSWER_NS,
		.done = on_answer};
	code = dispatcher_run(coordinator->options.peers, &splitting->call);
	if (code == 0)
		return;
	status_set(&status, -EBUSY, "too many requests are under way: try again");
	splitting_finish(coordinator, &status);
}

/* ---- Steps ---- */

void coordinator_begin_split(struct coordinator *coordinator, struct admin_request *request)
{
	struct status status = {0};

	request->new_region = 0;
	if (coordinator->splitting.state != SPLITTING_NOTHING) {
		status_set(&status, -EAGAIN, "another region is being split: try again");
		request->done(request, &status);
		return;
	}
	coordinator->splitting.request = request;
	ask(coordinator, SPLITTING_ASKS);
}

static void on_own(struct admin_request *request, const struct status *status)
{
	struct coordinator *coordinator = container_of(request, struct coordinator, splitting.own);

	if (status->code < 0)
		log_debug(coordinator->options.logger,
			"msg=\"a region that is over its size or too busy is not split\" reason=\"%s\"",
			status->text);
}

void coordinator_split_wished(struct coordinator *coordinator, uint64_t dirid)
{
	struct splitting *splitting = &coordinator->splitting;

	if (splitting->state != SPLITTING_NOTHING || coordinator->term == 0 || coordinator->is_stopping ||
		!coordinator->options.peers || dirid >= FS_DIRID_END)
		return;
	splitting->own = (struct admin_request){
		.kind = ADMIN_SPLIT, .key = fs_split_key_of_dirid(dirid), .done = on_own};
	coordinator_begin_split(coordinator, &splitting->own);
}

bool coordinator_draw_region(struct coordinator *coordinator)
{
	const struct op op = {.kind = OP_ALLOCATE, .allocate.counter = COUNTER_REGION};

	if (coordinator->splitting.state != SPLITTING_NEEDS_ID)
		return false;
	coordinator->splitting.state = SPLITTING_DRAWS;
	coordinator_run(coordinator, &op);
	return coordinator->is_busy;
}

void coordinator_on_drawn(struct coordinator *coordinator, uint64_t number)
{
	struct status status = {0};

	if (number > UINT64_MAX - REGION_ID_FIRST_DRAWN) {
		status_set(&status, -EOVERFLOW, "no numbers for new regions are left");
		splitting_finish(coordinator, &status);
		return;
	}
	coordinator->splitting.request->new_region = region_id_drawn(number);
	PLANT("coordinator:id_not_drawn", coordinator->splitting.request->new_region = REGION_ID_FIRST_DRAWN);
	ask(coordinator, SPLITTING_SPLITS);
}

void coordinator_on_undrawn(struct coordinator *coordinator, const struct status *status)
{
	if (coordinator->splitting.state == SPLITTING_DRAWS)
		splitting_finish(coordinator, status);
}

/* A split that was asked for before has its id and goes on, unless the store stops. An operation that draws one ends by
 * itself. */
void coordinator_drop_split(struct coordinator *coordinator, int code)
{
	struct splitting *splitting = &coordinator->splitting;
	struct status status = {0};

	if (splitting->state == SPLITTING_NEEDS_ID) {
		status_set(&status, code, "this store coordinates the cluster no longer");
		splitting_finish(coordinator, &status);
	} else if (splitting->state == SPLITTING_ASKS ||
		   (splitting->state == SPLITTING_SPLITS && code == STATUS_STOPPING)) {
		dispatcher_give_up(&splitting->call, code);
	}
}
