/* store/proposals: every proposal is answered once, in order, with what became of its place in the log. */
#include "store/queues/proposals.h"

#include "proto/status.h"
#include "tests/lib/test.h"

#define UNANSWERED 1

struct request {
	struct proposal proposal;
	int status;
	int answers;
};

static void on_finished(struct proposal *proposal, int status)
{
	struct request *request = container_of(proposal, struct request, proposal);

	request->status = status;
	request->answers++;
}

static void push(struct proposal_queue *queue, struct request *request, uint64_t term, uint64_t index)
{
	*request = (struct request){
		.proposal = {.term = term, .index = index, .proposed = index * 10, .finish = on_finished},
		.status = UNANSWERED,
	};
	proposal_queue_push(queue, &request->proposal);
}

static void an_applied_entry_answers_its_proposal(void **state)
{
	struct proposal_queue queue = {0};
	struct request a, b;

	(void)state;
	push(&queue, &a, 2, 5);
	push(&queue, &b, 2, 7);
	assert_int_equal(proposal_queue_time(&queue, 2, 7), 70);
	assert_int_equal(proposal_queue_time(&queue, 3, 7), 0);
	assert_int_equal(proposal_queue_time(&queue, 2, 6), 0);
	proposal_queue_finish(&queue, 2, 4, 0);
	assert_int_equal(a.status, UNANSWERED);
	proposal_queue_finish(&queue, 2, 5, 0);
	assert_int_equal(a.status, 0);
	assert_int_equal(b.status, UNANSWERED);
	proposal_queue_finish(&queue, 2, 7, STATUS_EPOCH_NOT_MATCH);
	assert_int_equal(b.status, STATUS_EPOCH_NOT_MATCH);
	assert_int_equal(a.answers + b.answers, 2);
	assert_null(queue.first);
}

static void an_entry_of_a_later_term_makes_proposals_stale(void **state)
{
	struct proposal_queue queue = {0};
	struct request a, b, c;

	(void)state;
	push(&queue, &a, 2, 5);
	push(&queue, &b, 2, 6);
	push(&queue, &c, 4, 7);
	proposal_queue_finish(&queue, 3, 6, 0);
	assert_int_equal(a.status, STATUS_STALE_COMMAND);
	assert_int_equal(b.status, STATUS_STALE_COMMAND);
	assert_int_equal(c.status, UNANSWERED);
	proposal_queue_fail(&queue, STATUS_STOPPING);
	assert_int_equal(c.status, STATUS_STOPPING);
	assert_int_equal(queue.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_applied_entry_answers_its_proposal),
		cmocka_unit_test(an_entry_of_a_later_term_makes_proposals_stale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
