/* store/evaluate without a replica: the two queues of requests, what holds them up, and what the evaluator is told. */
#include "store/evaluate/evaluate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/container.h"
#include "proto/plant.h"
#include "proto/status.h"
#include "store/evaluate/evaluator.h"
#include "store/queues/proposals.h"
#include "store/rows/payload_list.h"
#include "tests/lib/sim_env.h"
#include "tests/lib/test.h"

#define REQUESTS_MAX 8
#define REGION	     9
#define TERM	     4

struct request {
	struct raftkv_write write;
	int status;
	char reply[16];
	bool is_done;
};

struct fixture {
	struct evaluator evaluator;
	struct evaluations evaluations;
	struct engines engines;
	struct kv_flush flush;
	struct evaluation_figures figures;
	struct region region;
	struct apply_state applied;
	struct proposal_queue proposals;
	struct payload_list payloads;
	struct sim_world *world;
	struct env_loop *loop;
	uint64_t term; /* that is served; 0: none */
	struct request requests[REQUESTS_MAX];
	size_t request_count;
	char order[REQUESTS_MAX + 1]; /* the names of requests, as they were evaluated */
	struct eval_input input; /* of the last evaluation; without what it borrows */
};

/* ---- The replica's part ---- */

static struct fixture *fixture_of(const struct evaluation_host *host)
{
	return (struct fixture *)container_of(host, struct fixture, evaluations.host);
}

static uint64_t serving_term(const struct evaluation_host *host)
{
	return fixture_of(host)->term;
}

static bool has_lease(const struct evaluation_host *host)
{
	(void)host;
	return true;
}

static uint64_t leader_store(const struct evaluation_host *host)
{
	(void)host;
	return 0;
}

static int propose(struct evaluation_host *host, struct raft_entry *entry)
{
	entry->term = fixture_of(host)->term;
	entry->index = 1;
	return 0;
}

static void confirm(struct evaluation_host *host, struct read_index_request *request)
{
	(void)host;
	request->done(request, 0);
}

static void ignore(struct evaluation_host *host)
{
	(void)host;
}

static const struct evaluation_host_ops host_ops = {
	.serving_term = serving_term,
	.has_lease = has_lease,
	.leader_store = leader_store,
	.propose = propose,
	.confirm = confirm,
	.mark = ignore,
	.came_back = ignore,
};

/* ---- The evaluator. The body is the request's name: 'p' puts a row, all others are incomplete. ---- */

static int evaluate(struct evaluator *evaluator, struct view *view, const struct eval_input *input,
	struct mutations *mutations, struct buf **reply)
{
	struct fixture *fixture = container_of(evaluator, struct fixture, evaluator);
	char name = *(const char *)input->body.data;

	(void)view;
	fixture->order[strlen(fixture->order)] = name;
	fixture->input = *input;
	*reply = buf_copy("lacks", 5);
	mutations_put(mutations, KEY_DATA, slice_of("key", 3), slice_of("value", 5));
	return name == 'p' ? 0 : STATUS_INCOMPLETE;
}

static const struct evaluator_ops evaluator_ops = {.evaluate = evaluate};

/* ---- Requests ---- */

static void on_done(struct raftkv_write *write, int status, struct buf *reply)
{
	struct request *request = container_of(write, struct request, write);

	check(!request->is_done);
	request->is_done = true;
	request->status = status;
	if (reply)
		memcpy(request->reply, reply->data, reply->size);
}

static struct request *queue(struct fixture *fixture, char name, bool is_urgent)
{
	struct request *request = &fixture->requests[fixture->request_count++];

	request->write = (struct raftkv_write){
		.region = REGION,
		.is_urgent = is_urgent,
		.body = buf_copy(&name, 1),
		.loop = fixture->loop,
		.done = on_done,
	};
	evaluate_queue(&fixture->evaluations, &request->write);
	return request;
}

/* What is evaluated now. */
static const char *evaluated(struct fixture *fixture)
{
	memset(fixture->order, 0, sizeof fixture->order);
	evaluate_queued(&fixture->evaluations);
	sim_run(fixture->world, SIM_S, NULL, NULL);
	return fixture->order;
}

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);
	struct env *env;

#ifdef RAFTKV_PLANT
	plant_choose(getenv("RAFTKV_PLANTED"));
#endif
	check(fixture != NULL);
	fixture->world = sim_world_new(1);
	env = sim_node_start(sim_node_new(fixture->world, "store"));
	check(env_loop_new(env, "shard", &fixture->loop) == 0 && env_loop_start(fixture->loop) == 0);
	fixture->engines.env = env;
	fixture->region.id = REGION;
	fixture->evaluator.ops = &evaluator_ops;
	fixture->term = TERM;
	fixture->evaluations.host = (struct evaluation_host){
		.ops = &host_ops,
		.engines = &fixture->engines,
		.flush = &fixture->flush,
		.evaluator = &fixture->evaluator,
		.loop = fixture->loop,
		.figures = &fixture->figures,
		.region = &fixture->region,
		.applied = &fixture->applied,
		.proposals = &fixture->proposals,
		.payloads = &fixture->payloads,
	};
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	evaluate_fail(&fixture->evaluations, STATUS_STOPPING);
	proposal_queue_fail(&fixture->proposals, STATUS_STOPPING);
	sim_run(fixture->world, SIM_S, NULL, NULL);
	for (size_t i = 0; i < fixture->request_count; i++)
		check(fixture->requests[i].is_done);
	evaluate_close(&fixture->evaluations);
	sim_world_free(fixture->world);
	free(fixture);
	return 0;
}

/* ---- Tests ---- */

static void what_lacks_something_is_answered(void **state)
{
	struct fixture *fixture = *state;
	struct request *request = queue(fixture, 'a', false);

	assert_string_equal(evaluated(fixture), "a");
	assert_true(request->is_done);
	assert_int_equal(request->status, STATUS_INCOMPLETE);
	assert_string_equal(request->reply, "lacks");
	assert_int_equal(fixture->proposals.count, 0);
	assert_int_equal(fixture->input.region, REGION);
	assert_int_equal(fixture->input.term, TERM);
}

static void urgent_requests_come_first(void **state)
{
	struct fixture *fixture = *state;

	queue(fixture, 'a', false);
	queue(fixture, 'b', false);
	queue(fixture, 'u', true);
	queue(fixture, 'v', true);
	assert_string_equal(evaluated(fixture), "uvab");
}

static void urgent_requests_pass_what_waits(void **state)
{
	struct fixture *fixture = *state;

	queue(fixture, 'a', false);
	atomic_store(&fixture->flush.is_throttling, true);
	queue(fixture, 'u', true);
	assert_string_equal(evaluated(fixture), "u");
	atomic_store(&fixture->flush.is_throttling, false);
	fixture->evaluations.pending_size = EVALUATIONS_PENDING_SIZE;
	queue(fixture, 'v', true);
	assert_string_equal(evaluated(fixture), "v");
	fixture->evaluations.pending_size = 0;
	fixture->evaluations.parked_count = EVALUATIONS_PARKED_MAX;
	queue(fixture, 'w', true);
	assert_string_equal(evaluated(fixture), "w");
	fixture->evaluations.parked_count = 0;
	assert_string_equal(evaluated(fixture), "a");
}

static void nothing_is_evaluated_without_the_leadership(void **state)
{
	struct fixture *fixture = *state;
	struct request *request = queue(fixture, 'u', true);

	fixture->term = 0;
	assert_string_equal(evaluated(fixture), "");
	fixture->term = TERM;
	fixture->evaluations.hold_index = 1;
	assert_string_equal(evaluated(fixture), "");
	evaluate_fail(&fixture->evaluations, STATUS_NOT_LEADER);
	sim_run(fixture->world, SIM_S, NULL, NULL);
	assert_int_equal(request->status, STATUS_NOT_LEADER);
}

static void room_was_found_for_urgent_requests(void **state)
{
	struct fixture *fixture = *state;
	struct request *ordinary = queue(fixture, 'p', false), *urgent;

	atomic_store(&fixture->flush.is_requested, true); /* so none is begun */
	atomic_store(&fixture->engines.space.is_short, true);
	assert_string_equal(evaluated(fixture), "p");
	assert_int_equal(ordinary->status, -ENOSPC);
	urgent = queue(fixture, 'p', true);
	assert_string_equal(evaluated(fixture), "p");
	assert_false(urgent->is_done);
	assert_int_equal(fixture->proposals.count, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_lacks_something_is_answered),
		TEST(urgent_requests_come_first),
		TEST(urgent_requests_pass_what_waits),
		TEST(nothing_is_evaluated_without_the_leadership),
		TEST(room_was_found_for_urgent_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
