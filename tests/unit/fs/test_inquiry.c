/* fs/server/inquiry over a scripted dispatcher: which questions it asks, and how it ends. */
#include "fs/transact/inquiry.h"

#include <errno.h>
#include <string.h>

#include "fs/schema/question.h"
#include "tests/lib/intent_rows.h"
#include "tests/lib/test.h"

#define REQUESTS_MAX 8u

struct fixture {
	struct inquiry inquiry;
	struct cluster_request *requests[REQUESTS_MAX];
	uint32_t request_count, ended;
	uint32_t room; /* requests that the dispatcher takes */
	uint32_t done_count;
	int status;
};

/* ---- The dispatcher ---- */

int dispatcher_run(struct dispatcher *dispatcher, struct cluster_request *request)
{
	struct fixture *fixture = (struct fixture *)dispatcher;

	if (fixture->request_count >= fixture->room)
		return STATUS_LIMIT;
	fixture->requests[fixture->request_count++] = request;
	request->dispatcher = dispatcher;
	return 0;
}

static void end_request(struct cluster_request *request, int status, const struct cluster_answer *answer)
{
	struct fixture *fixture = (struct fixture *)request->dispatcher;

	for (uint32_t i = 0; i < fixture->request_count; i++)
		if (fixture->requests[i] == request)
			fixture->requests[i] = NULL;
	fixture->ended++;
	request->done(request, status, answer);
}

void dispatcher_give_up(struct cluster_request *request, int status)
{
	end_request(request, status, &(struct cluster_answer){0});
}

/* Each attempt gets the verdict that its number has modulo 3. */
static void answer(struct fixture *fixture, uint32_t i)
{
	struct cluster_request *request = fixture->requests[i];
	struct cluster_answer answer = {0};
	struct question question;
	struct attempt attempt;
	struct buf *bytes;

	assert_int_equal(question_decode(buf_slice(request->body), &question), 0);
	assert_int_equal(question.kind, QUESTION_ATTEMPTS);
	answer.data = buf_new(question.size);
	for (uint8_t *verdict = answer.data->data; attempt_next(&question.attempts, &attempt); verdict++) {
		assert_int_equal(fs_ino_dirid(attempt.anchor), fs_ino_dirid(question.ino));
		*verdict = (uint8_t)(attempt.number / 3 % 3);
	}
	assert_int_equal(finding_encode(&question, &(struct finding){.count = question.size}, &bytes), 0);
	answer.bytes = buf_slice(bytes);
	end_request(request, 0, &answer);
	buf_unref(bytes);
	buf_unref(answer.data);
}

/* ---- The asker ---- */

static void on_done(struct inquiry *inquiry, int status)
{
	struct fixture *fixture = container_of(inquiry, struct fixture, inquiry);

	fixture->done_count++;
	fixture->status = status;
}

static void add_many(struct fixture *fixture, uint32_t count)
{
	for (uint32_t i = 1; i <= count; i++) {
		struct attempt attempt = intent_rows_attempt(i);

		assert_int_equal(inquiry_add(&fixture->inquiry, &attempt), i - 1);
	}
}

static void each_dirid_is_asked_once(void **state)
{
	struct fixture *fixture = *state;

	add_many(fixture, 20);
	assert_int_equal(inquiry_start(&fixture->inquiry), 0);
	assert_int_equal(fixture->request_count, 3);
	for (uint32_t i = 0; i < 3; i++) {
		assert_true(fixture->requests[i]->is_for_leader);
		assert_int_equal(fixture->requests[i]->kind, CLUSTER_REQUEST_READ);
	}
	for (uint32_t i = 3; i > 0; i--) {
		assert_int_equal(fixture->done_count, 0);
		answer(fixture, i - 1);
	}
	assert_int_equal(fixture->done_count, 1);
	assert_int_equal(fixture->status, 0);
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(fixture->inquiry.verdicts[i], (i + 1) / 3 % 3);
}

static void an_attempt_is_added_once(void **state)
{
	struct fixture *fixture = *state;
	struct attempt attempt = intent_rows_attempt(3),
		       other = intent_rows_attempt(INQUIRY_ATTEMPTS_MAX + 1);

	add_many(fixture, 5);
	assert_int_equal(inquiry_add(&fixture->inquiry, &attempt), 2);
	assert_int_equal(fixture->inquiry.count, 5);
	fixture->inquiry.count = 0;
	add_many(fixture, INQUIRY_ATTEMPTS_MAX);
	assert_int_equal(inquiry_add(&fixture->inquiry, &other), INQUIRY_ATTEMPTS_MAX);
	assert_int_equal(inquiry_add(&fixture->inquiry, &attempt), 2);
	assert_int_equal(inquiry_start(&fixture->inquiry), 0);
	assert_int_equal(fixture->request_count, 3);
	inquiry_give_up(&fixture->inquiry, -ECANCELED);
}

static void an_error_of_one_is_the_result(void **state)
{
	struct fixture *fixture = *state;

	add_many(fixture, 3);
	assert_int_equal(inquiry_start(&fixture->inquiry), 0);
	dispatcher_give_up(fixture->requests[1], -ETIMEDOUT);
	answer(fixture, 0);
	assert_int_equal(fixture->done_count, 0);
	answer(fixture, 2);
	assert_int_equal(fixture->done_count, 1);
	assert_int_equal(fixture->status, -ETIMEDOUT);
}

static void an_answer_that_is_too_short_is_an_error(void **state)
{
	const struct question question = {.kind = QUESTION_ATTEMPTS, .size = 1};
	struct fixture *fixture = *state;
	struct cluster_answer short_answer = {.data = buf_copy("\1", 1)};
	struct buf *bytes;

	assert_int_equal(finding_encode(&question, &(struct finding){.count = 1}, &bytes), 0);
	short_answer.bytes = buf_slice(bytes);
	add_many(fixture, 6);
	assert_int_equal(inquiry_start(&fixture->inquiry), 0);
	end_request(fixture->requests[0], 0, &short_answer);
	answer(fixture, 1);
	answer(fixture, 2);
	assert_int_equal(fixture->status, STATUS_MALFORMED);
	buf_unref(short_answer.data);
	buf_unref(bytes);
}

static void who_gives_up_is_called_at_once(void **state)
{
	struct fixture *fixture = *state;

	add_many(fixture, 9);
	assert_int_equal(inquiry_start(&fixture->inquiry), 0);
	answer(fixture, 1);
	inquiry_give_up(&fixture->inquiry, STATUS_STOPPING);
	assert_int_equal(fixture->done_count, 1);
	assert_int_equal(fixture->status, STATUS_STOPPING);
	assert_int_equal(fixture->ended, 3);
}

static void what_cannot_start_does_not_end(void **state)
{
	struct fixture *fixture = *state;

	fixture->room = 2;
	add_many(fixture, 9);
	assert_int_equal(inquiry_start(&fixture->inquiry), STATUS_LIMIT);
	assert_int_equal(fixture->done_count, 0);
	assert_int_equal(fixture->ended, 2);
}

/* ---- Life ---- */

static int set_up(void **state)
{
	static struct fixture fixture;

	fixture = (struct fixture){.room = REQUESTS_MAX};
	fixture.inquiry.peers = (struct dispatcher *)&fixture;
	fixture.inquiry.done = on_done;
	*state = &fixture;
	return 0;
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_dirid_is_asked_once),
		TEST(an_attempt_is_added_once),
		TEST(an_error_of_one_is_the_result),
		TEST(an_answer_that_is_too_short_is_an_error),
		TEST(who_gives_up_is_called_at_once),
		TEST(what_cannot_start_does_not_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
