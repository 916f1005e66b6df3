/* store/read_index_queue and store/lease: answers late, twice, out of order and never lose no read and serve none early. */
#include "store/queues/read_index_queue.h"

#include "proto/status.h"
#include "store/peer/lease.h"
#include "tests/lib/test.h"

#define UNANSWERED 1

struct waiter {
	struct read_index_request request;
	int status;
};

static void on_done(struct read_index_request *request, int status)
{
	container_of(request, struct waiter, request)->status = status;
}

static uint64_t send_one(struct read_index_queue *queue, struct waiter *reader, uint64_t now)
{
	uint64_t id;

	*reader = (struct waiter){{.done = on_done}, UNANSWERED};
	assert_int_equal(read_index_queue_push(queue, &reader->request), 0);
	assert_true(read_index_queue_send(queue, now, &id));
	return id;
}

static void serve(struct read_index_queue *queue, uint64_t applied)
{
	struct read_index_request *request;

	while ((request = read_index_queue_serve(queue, applied)) != NULL)
		request->done(request, 0);
}

static void reads_of_one_round_share_its_answer(void **state)
{
	struct read_index_queue queue = {0};
	struct waiter a = {{.done = on_done}, UNANSWERED}, b = a;
	uint64_t id;

	(void)state;
	assert_false(read_index_queue_send(&queue, 1, &id));
	read_index_queue_push(&queue, &a.request);
	b.request.index = 12; /* has seen an entry that is not applied */
	read_index_queue_push(&queue, &b.request);
	assert_true(read_index_queue_send(&queue, 100, &id));
	assert_int_equal(read_index_queue_answer(&queue, id, 10), 100);
	serve(&queue, 9);
	assert_int_equal(a.status, UNANSWERED);
	serve(&queue, 10);
	assert_int_equal(a.status, 0);
	assert_int_equal(b.status, UNANSWERED);
	serve(&queue, 12);
	assert_int_equal(b.status, 0);
	assert_int_equal(queue.batch_count, 0);
}

/* tikv 20000, 17018: a lost answer in the middle; an index is raised, never lowered. */
static void a_later_answer_serves_earlier_reads(void **state)
{
	struct read_index_queue queue = {0};
	struct waiter a, b, c;
	uint64_t first = send_one(&queue, &a, 1);
	uint64_t second = send_one(&queue, &b, 2);
	uint64_t third = send_one(&queue, &c, 3);

	(void)state;
	assert_int_equal(read_index_queue_answer(&queue, second, 20), 2);
	assert_int_equal(read_index_queue_answer(&queue, first, 10), 1);
	serve(&queue, 19);
	assert_int_equal(a.status, UNANSWERED);
	serve(&queue, 20);
	assert_int_equal(a.status, 0);
	assert_int_equal(b.status, 0);
	assert_int_equal(c.status, UNANSWERED);
	assert_int_equal(read_index_queue_answer(&queue, second, 30), 0); /* late, and known no more */
	assert_int_equal(read_index_queue_answer(&queue, third, 5), 3);
	serve(&queue, 5);
	assert_int_equal(c.status, 0);
}

static void count_resend(void *argument, uint64_t id)
{
	(void)id;
	++*(int *)argument;
}

static void every_unanswered_round_is_tried_again(void **state)
{
	struct read_index_queue queue = {0};
	struct waiter a, b;
	int resent = 0;
	uint64_t first = send_one(&queue, &a, 10);

	(void)state;
	send_one(&queue, &b, 20);
	assert_true(read_index_queue_has_unanswered(&queue));
	read_index_queue_retry(&queue, 5, 30, count_resend, &resent);
	assert_int_equal(resent, 0);
	read_index_queue_retry(&queue, 20, 30, count_resend, &resent);
	assert_int_equal(resent, 2);
	/* The answer may be to the first try: a lease counts from that. */
	assert_int_equal(read_index_queue_answer(&queue, first, 1), 10);
	read_index_queue_fail(&queue, false, STATUS_STALE_COMMAND);
	assert_int_equal(b.status, STATUS_STALE_COMMAND);
	assert_int_equal(a.status, UNANSWERED);
	serve(&queue, 1);
	assert_int_equal(a.status, 0);
	assert_int_equal(queue.read_count, 0);
}

static void a_round_without_reads_holds_nobody_up(void **state)
{
	struct read_index_queue queue = {0};
	struct waiter a;
	uint64_t renewal, id;

	(void)state;
	assert_int_equal(read_index_queue_begin(&queue, 7, &renewal), 0);
	id = send_one(&queue, &a, 8);
	read_index_queue_answer(&queue, id, 3);
	serve(&queue, 3);
	assert_int_equal(a.status, 0);
	assert_int_equal(queue.batch_count, 0);
	read_index_queue_begin(&queue, 9, &renewal);
	read_index_queue_close(&queue);
	assert_null(queue.first);
}

static void a_lease_counts_from_what_was_sent(void **state)
{
	struct lease lease;

	(void)state;
	lease_init(&lease, 100);
	assert_false(lease_is_valid(&lease, 0));
	lease_renew(&lease, 50);
	assert_true(lease_is_valid(&lease, 149));
	assert_false(lease_is_valid(&lease, 150));
	lease_renew(&lease, 20); /* a late answer takes nothing away */
	assert_int_equal(lease_bound(&lease), 150);
	lease_suspect(&lease);
	lease_renew(&lease, 200);
	assert_false(lease_is_valid(&lease, 201));
	lease_expire(&lease);
	lease_renew(&lease, 300);
	assert_true(lease_is_valid(&lease, 301));
	lease_init(&lease, 0);
	lease_renew(&lease, 300);
	assert_false(lease_is_valid(&lease, 300));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_of_one_round_share_its_answer),
		cmocka_unit_test(a_later_answer_serves_earlier_reads),
		cmocka_unit_test(every_unanswered_round_is_tried_again),
		cmocka_unit_test(a_round_without_reads_holds_nobody_up),
		cmocka_unit_test(a_lease_counts_from_what_was_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
