/* A request is handed in once: what env_post_once makes of several calls, and what becomes of who does not keep to it. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/conform/env_conform.h"
#include "tests/conform/env_conform_parts.h"
#include "tests/lib/test.h"

struct look {
	struct env_mail mail;
	struct env_conform *conform;
	int asked;
	int seen;
	int runs;
};

static void on_look(struct env_mail *mail)
{
	struct look *look = container_of(mail, struct look, mail);

	look->seen = look->asked;
	if (++look->runs > 1) {
		env_loop_stop(look->conform->loop);
		return;
	}
	for (int i = 0; i < 2; i++) {
		look->asked++;
		assert_int_equal(env_post_once(look->conform->loop, mail, on_look), i == 0);
	}
}

void env_conform_post_once(void **state)
{
	struct look look = {.conform = *state};

	for (int i = 0; i < 3; i++) {
		look.asked++;
		assert_int_equal(env_post_once(look.conform->loop, &look.mail, on_look), i == 0);
	}
	assert_int_equal(env_loop_run(look.conform->loop), 0);
	assert_int_equal(look.runs, 2);
	assert_int_equal(look.seen, 5);
}

/* ---- Handed in twice -------------------------------------------------------------------------------------------- */

struct twice {
	struct env_conform *conform;
	struct env_mail mail;
	struct env_work work;
	struct env_file_request request;
	struct env_file *file;
	int left;
};

static void finish_one(struct twice *twice)
{
	if (--twice->left == 0)
		env_loop_stop(twice->conform->loop);
}

static void on_mail(struct env_mail *mail)
{
	finish_one(container_of(mail, struct twice, mail));
}

static void post(struct twice *twice)
{
	env_post(twice->conform->loop, &twice->mail, on_mail);
}

static void submit_request(struct twice *twice)
{
	env_file_submit(&twice->request);
}

static void on_request(struct env_file_request *request)
{
	finish_one(container_of(request, struct twice, request));
}

static void on_work_run(struct env_work *work);

static void on_work_done(struct env_work *work)
{
	finish_one(container_of(work, struct twice, work));
}

static void submit_work(struct twice *twice)
{
	env_work_submit(twice->conform->loop, &twice->work, on_work_run, on_work_done);
}

/* In a process of its own. */
static void assert_aborts(struct twice *twice, void (*hand_in)(struct twice *twice))
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
		signal(SIGABRT, SIG_DFL);
		hand_in(twice);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* It is the environment's until `done`, not `run`. */
static void on_work_run(struct env_work *work)
{
	assert_aborts(container_of(work, struct twice, work), submit_work);
}

void env_conform_handed_in_twice(void **state)
{
	struct twice twice = {.conform = *state, .left = 3};
	char path[160];

	snprintf(path, sizeof path, "%s/twice", twice.conform->path);
	assert_int_equal(
		env_file_open(twice.conform->env, path, ENV_OPEN_WRITE | ENV_OPEN_CREATE, &twice.file), 0);
	twice.request = (struct env_file_request){.file = twice.file,
		.operation = ENV_FILE_SYNC,
		.loop = twice.conform->loop,
		.done = on_request};
	post(&twice);
	assert_aborts(&twice, post);
	submit_request(&twice);
	assert_aborts(&twice, submit_request);
	submit_work(&twice);
	assert_int_equal(env_loop_run(twice.conform->loop), 0);
	env_file_close(twice.file);
}
