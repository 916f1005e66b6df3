/* proto/completion: a thread waits for a loop, for as long as it wants to. */
#include "proto/completion.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/env_uv.h"
#include "proto/units.h"
#include "tests/lib/test.h"

struct fixture {
	struct env *env;
	struct env_loop *loop;
	struct env_mail mail;
	struct completion completion;
	struct env_timer timer;
};

static int set_up(void **state)
{
	static const struct env_uv_options options = {.worker_threads = 1, .io_threads = 1};
	struct fixture *fixture = calloc(1, sizeof *fixture);

	assert_int_equal(env_uv_new(&options, &fixture->env, NULL), 0);
	assert_int_equal(env_loop_new(fixture->env, "completion", &fixture->loop), 0);
	assert_int_equal(env_loop_start(fixture->loop), 0);
	completion_init(&fixture->completion);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	env_loop_stop(fixture->loop);
	env_loop_free(fixture->loop);
	env_uv_free(fixture->env);
	completion_close(&fixture->completion);
	free(fixture);
	return 0;
}

static void finish_on_loop(struct env_mail *mail)
{
	completion_finish(&container_of(mail, struct fixture, mail)->completion, -EUSERS);
}

static void on_timer(struct env_timer *timer)
{
	completion_finish(&container_of(timer, struct fixture, timer)->completion, 0);
}

static void finish_later_on_loop(struct env_mail *mail)
{
	struct fixture *fixture = container_of(mail, struct fixture, mail);

	env_timer_start(&fixture->timer, fixture->loop, env_now(fixture->env) + 100 * NS_PER_MS, on_timer);
}

static void each_wait_takes_one_completion(void **state)
{
	struct fixture *fixture = *state;

	for (int i = 0; i < 1000; i++) {
		env_post(fixture->loop, &fixture->mail, finish_on_loop);
		assert_int_equal(completion_wait(&fixture->completion), -EUSERS);
	}
	assert_false(completion_wait_until(&fixture->completion, fixture->env, env_now(fixture->env), NULL));
}

static void completed_twice_is_completed_once(void **state)
{
	struct fixture *fixture = *state;
	int status = 1;

	completion_finish(&fixture->completion, -EIO);
	completion_finish(&fixture->completion, -ESTALE);
	assert_true(completion_wait_until(&fixture->completion, fixture->env, 0, &status));
	assert_int_equal(status, -ESTALE);
	assert_false(completion_wait_until(&fixture->completion, fixture->env, 0, &status));
	assert_int_equal(status, -ESTALE);
}

static void who_is_late_is_waited_for_again(void **state)
{
	struct fixture *fixture = *state;
	uint64_t begun = env_now(fixture->env);
	int status = 1;

	env_post(fixture->loop, &fixture->mail, finish_later_on_loop);
	assert_false(
		completion_wait_until(&fixture->completion, fixture->env, begun + 10 * NS_PER_MS, &status));
	assert_int_equal(status, 1);
	assert_true(env_now(fixture->env) >= begun + 10 * NS_PER_MS);
	assert_true(completion_wait_until(&fixture->completion, fixture->env, UINT64_MAX, &status));
	assert_int_equal(status, 0);
	assert_true(env_now(fixture->env) >= begun + 100 * NS_PER_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_wait_takes_one_completion, set_up, tear_down),
		cmocka_unit_test_setup_teardown(completed_twice_is_completed_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_is_late_is_waited_for_again, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
