/* The real environment: the conformance suite, and what is its own: threads at once, links, the file's mode. */
#include "proto/env_uv.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/conform/env_conform.h"
#include "tests/lib/test.h"

static const struct env_uv_options options = {.worker_threads = 3, .io_threads = 4};

static void setup_conform(struct env_conform *conform)
{
	struct status status;

	assert_int_equal(env_uv_new(&options, &conform->env, &status), 0);
	test_directory_make(conform->path, sizeof conform->path);
}

static void teardown_conform(struct env_conform *conform)
{
	env_uv_free(conform->env);
	test_directory_remove(conform->path);
}

static struct env *new_env(void)
{
	struct env *env;

	assert_int_equal(env_uv_new(&options, &env, NULL), 0);
	return env;
}

/* ---- Mail between threads --------------------------------------------------------------------------------------- */

#define THREADS 4
#define BALLS	8
#define THROWS	20000

struct ball {
	struct env_mail mail;
	struct game *game;
	uint32_t dice;
	int throws;
	bool flying;
};

/* Balls fly between loops until each has flown THROWS times: sleeping and waking loops at every turn. */
struct game {
	struct env_loop *loops[THREADS];
	struct ball balls[BALLS];
	atomic_int landed;
	struct env_loop *main;
	struct env_mail over;
};

static void on_over(struct env_mail *mail)
{
	env_loop_stop(container_of(mail, struct game, over)->main);
}

static void on_catch(struct env_mail *mail)
{
	struct ball *ball = container_of(mail, struct ball, mail);
	struct game *game = ball->game;

	assert_true(ball->flying);
	ball->flying = false;
	ball->dice = ball->dice * 1664525u + 1013904223u;
	if (++ball->throws < THROWS) {
		ball->flying = true;
		env_post(game->loops[(ball->dice >> 16) % THREADS], mail, on_catch);
	} else if (atomic_fetch_add(&game->landed, 1) + 1 == BALLS) {
		env_post(game->main, &game->over, on_over);
	}
}

static void test_mail_between_threads(void **state)
{
	struct env *env = new_env();
	struct game game = {0};

	(void)state;
	assert_int_equal(env_loop_new(env, "main", &game.main), 0);
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(env_loop_new(env, "player", &game.loops[i]), 0);
		assert_int_equal(env_loop_start(game.loops[i]), 0);
	}
	for (int i = 0; i < BALLS; i++) {
		game.balls[i] = (struct ball){.game = &game, .dice = (uint32_t)i, .flying = true};
		env_post(game.loops[i % THREADS], &game.balls[i].mail, on_catch);
	}
	env_loop_run(game.main);
	for (int i = 0; i < THREADS; i++)
		env_loop_stop(game.loops[i]);
	for (int i = 0; i < THREADS; i++)
		env_loop_free(game.loops[i]);
	env_loop_free(game.main);
	for (int i = 0; i < BALLS; i++)
		assert_int_equal(game.balls[i].throws, THROWS);
	env_uv_free(env);
}

struct visit {
	struct env_work work;
	struct env_loop *loop;
};

static void on_visit(struct env_work *work)
{
	(void)work;
}

static void on_visited(struct env_work *work)
{
	env_loop_stop(container_of(work, struct visit, work)->loop);
}

/* A loop freed as soon as its last mail has run: the thread that posted it may still be inside env_post. */
static void test_loop_freed_under_a_waking_poster(void **state)
{
	struct env *env = new_env();

	(void)state;
	for (int i = 0; i < 500; i++) {
		struct visit visit;

		assert_int_equal(env_loop_new(env, "short", &visit.loop), 0);
		env_work_submit(visit.loop, &visit.work, on_visit, on_visited);
		env_loop_run(visit.loop);
		env_loop_free(visit.loop);
	}
	env_uv_free(env);
}

/* ---- Timers ----------------------------------------------------------------------------------------------------- */

struct wait {
	struct env_timer timer;
	struct env_loop *loop;
	struct env *env;
	uint64_t deadline;
	uint64_t late_max;
	int count;
};

static void on_wait(struct env_timer *timer)
{
	struct wait *wait = container_of(timer, struct wait, timer);
	uint64_t now = env_now(wait->env);

	assert_true(now >= wait->deadline);
	if (now - wait->deadline > wait->late_max)
		wait->late_max = now - wait->deadline;
	if (++wait->count == 30) {
		env_loop_stop(wait->loop);
		return;
	}
	wait->deadline = now + 100000u * (uint64_t)wait->count;
	env_timer_start(timer, wait->loop, wait->deadline, on_wait);
}

static void test_timers_of_parts_of_a_millisecond(void **state)
{
	struct wait wait = {.env = new_env()};

	(void)state;
	assert_int_equal(env_loop_new(wait.env, "timers", &wait.loop), 0);
	env_timer_start(&wait.timer, wait.loop, 0, on_wait);
	wait.deadline = env_now(wait.env);
	env_loop_run(wait.loop);
	/* Generous: other tests share the machine. */
	assert_true(wait.late_max < 1000000000u);
	env_loop_free(wait.loop);
	env_uv_free(wait.env);
}

/* ---- Files ------------------------------------------------------------------------------------------------------ */

static void test_create_follows_no_link(void **state)
{
	struct env *env = new_env();
	char directory[128], path[160], link[160];
	struct env_file *file;
	struct stat stat_of_file;

	(void)state;
	test_directory_make(directory, sizeof directory);
	snprintf(path, sizeof path, "%s/file", directory);
	snprintf(link, sizeof link, "%s/link", directory);
	assert_int_equal(symlink(path, link), 0);
	assert_int_equal(env_file_open(env, link, ENV_OPEN_WRITE | ENV_OPEN_CREATE, &file), -ELOOP);
	assert_int_equal(env_file_open(env, path, ENV_OPEN_WRITE | ENV_OPEN_CREATE, &file), 0);
	assert_int_equal(stat(path, &stat_of_file), 0);
	assert_int_equal(stat_of_file.st_mode & 0777, 0600);
	env_file_close(file);
	env_uv_free(env);
	test_directory_remove(directory);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mail_between_threads),
		cmocka_unit_test(test_loop_freed_under_a_waking_poster),
		cmocka_unit_test(test_timers_of_parts_of_a_millisecond),
		cmocka_unit_test(test_create_follows_no_link),
	};
	int failed = env_conform_run("env_uv conformance", setup_conform, teardown_conform);

	return failed + cmocka_run_group_tests_name("env_uv", tests, NULL, NULL);
}
