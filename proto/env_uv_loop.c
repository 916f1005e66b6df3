/*
 * Loops, mail and the arming of timers.
 *
 * All our work of a turn is done in loop_on_prepare, just before libuv would wait: mail, then due timers, then the
 * decision how long to wait. So a post to a loop that is awake is seen without a system call.
 *
 * Mail that this mail posts to its own loop is run in the same turn, up to ROUNDS_MAX times: a request that is queued,
 * evaluated, logged and answered on one loop does not ask the kernel for events between these steps.
 *
 * Sleep and wake. `mail` is NULL exactly when nobody has posted since the loop announced that it would sleep. The poster
 * that changes it from NULL wakes the loop, unless it is the loop's own thread, in a callback of libuv: then loop_on_prepare
 * is still to come. Others need not. loop_on_check marks the loop as awake again. uv_async_t is not used: with it the loop
 * waits, in sched_yield, for a poster that it preempted between two steps of the wake.
 *
 * The poster that wakes the loop still accesses it after its mail is visible, and that mail may let the owner free the
 * loop. So env_uv_loop_free waits until as many wakes are done as lists were taken that needed one.
 */
#include "proto/env_uv_internal.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <fcntl.h>
#include <unistd.h>

#include "proto/check.h"
#include "proto/container.h"
#include "proto/units.h"

#define ROUNDS_MAX 16u /* of mail in one turn; then timers and descriptors get theirs */

struct uv_loop_s *env_uv_loop(struct env_loop *loop)
{
	return &env_uv_loop_of(loop)->uv;
}

/* ---- Mail ------------------------------------------------------------------------------------------------------- */

void env_uv_post(struct env_loop *base, struct env_mail *mail)
{
	struct env_uv_loop *loop = env_uv_loop_of(base);
	struct env_mail *head = atomic_load_explicit(&loop->mail, memory_order_relaxed);
	const char one = 1;

	do {
		mail->next = head;
	} while (!atomic_compare_exchange_weak_explicit(
		&loop->mail, &head, mail, memory_order_acq_rel, memory_order_relaxed));
	if (head)
		return;
	if (!env_uv_loop_is_current(base))
		check(write(loop->waking_fd, &one, sizeof one) == sizeof one);
	atomic_fetch_add_explicit(&loop->wakes_done, 1, memory_order_release);
}

/* Takes all mail, oldest first, and marks the loop as awake. */
static struct env_mail *take_mail(struct env_uv_loop *loop)
{
	struct env_mail *mail = atomic_exchange_explicit(&loop->mail, &loop->awake, memory_order_acq_rel);
	bool has_mail = mail && mail != &loop->awake;
	struct env_mail *list = NULL;

	while (mail && mail != &loop->awake) {
		struct env_mail *next = mail->next;

		mail->next = list;
		list = mail;
		mail = next;
	}
	if (has_mail && !mail)
		loop->wakes_due++;
	return list;
}

/* false: there was none. */
static bool run_mail(struct env_uv_loop *loop)
{
	struct env_mail *first = take_mail(loop), *mail = first;

	while (mail) {
		struct env_mail *next = mail->next;

		env_mail_run(mail); /* its owner may free or post it */
		mail = next;
	}
	return first != NULL;
}

/* Announces that the loop will sleep; false: mail has come meanwhile. */
static bool may_sleep(struct env_uv_loop *loop)
{
	struct env_mail *expected = &loop->awake;

	return atomic_compare_exchange_strong(&loop->mail, &expected, NULL);
}

/* ---- The turn --------------------------------------------------------------------------------------------------- */

/* loop_on_prepare runs the mail. */
static void loop_on_wake(uv_poll_t *handle, int status, int events)
{
	const struct env_uv_loop *loop = handle->data;
	char one;

	(void)events;
	check(status == 0 && read(loop->wake_fd, &one, sizeof one) == sizeof one);
}

static void loop_on_more(uv_idle_t *handle)
{
	(void)handle; /* an active idle handle keeps libuv from waiting */
}

static void loop_on_timer(uv_timer_t *handle)
{
	struct env_uv_loop *loop = handle->data;

	loop->armed = UINT64_MAX; /* loop_on_prepare runs what is due */
}

/* Rounds up to whole milliseconds, so that the timer is never early. If the deadline moved back, the timer stays as it is:
 * it fires, nothing is due, and it is armed again. */
static void arm_timer(struct env_uv_loop *loop, uint64_t now)
{
	uint64_t deadline = env_loop_deadline(&loop->base);
	uint64_t delay_ms = deadline > now ? (deadline - now + NS_PER_MS - 1) / NS_PER_MS : 0;

	if (deadline >= loop->armed)
		return;
	uv_update_time(&loop->uv);
	check(uv_timer_start(&loop->timer, loop_on_timer, delay_ms, 0) == 0);
	loop->armed = deadline;
}

static void loop_on_prepare(uv_prepare_t *handle)
{
	struct env_uv_loop *loop = handle->data;
	uint64_t now = 0;
	bool is_idle;

	for (unsigned int round = 0; round < ROUNDS_MAX && run_mail(loop); round++)
		;
	if (heap_first(&loop->base.timers)) {
		now = env_now(loop->base.env);
		env_loop_expire_timers(&loop->base, now);
	}
	is_idle = env_loop_deadline(&loop->base) > now;
	if (is_idle)
		arm_timer(loop, now);
	if (loop->stopping) {
		is_idle = is_idle && atomic_load(&loop->mail) == &loop->awake;
		if (is_idle)
			uv_stop(&loop->uv);
	} else {
		is_idle = is_idle && may_sleep(loop);
	}
	if (is_idle)
		uv_idle_stop(&loop->more);
	else
		uv_idle_start(&loop->more, loop_on_more);
}

/* Until loop_on_prepare, posts need no wake. Mail that was posted stays. */
static void loop_on_check(uv_check_t *handle)
{
	struct env_uv_loop *loop = handle->data;
	struct env_mail *expected = NULL;

	atomic_compare_exchange_strong(&loop->mail, &expected, &loop->awake);
}

/* ---- Life ------------------------------------------------------------------------------------------------------- */

static void loop_on_stop(struct env_mail *mail)
{
	struct env_uv_loop *loop = container_of(mail, struct env_uv_loop, stop);

	loop->stopping = true;
}

static int make_pipe(struct env_uv_loop *loop)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	loop->wake_fd = fds[0];
	loop->waking_fd = fds[1];
	return 0;
}

int env_uv_loop_new(struct env *env, const char *name, struct env_loop **out)
{
	struct env_uv_loop *loop = calloc(1, sizeof *loop);
	int status = -ENOMEM;

	if (!loop)
		return -ENOMEM;
	loop->base.env = env;
	loop->armed = UINT64_MAX;
	loop->wake_fd = loop->waking_fd = -1;
	snprintf(loop->name, sizeof loop->name, "%s", name);
	loop->read_buffer = malloc(ENV_UV_READ_SIZE);
	loop->write_vector = calloc(ENV_UV_VECTOR_MAX, sizeof *loop->write_vector);
	if (!loop->read_buffer || !loop->write_vector)
		goto failed;
	status = make_pipe(loop);
	if (status == 0)
		status = uv_loop_init(&loop->uv);
	if (status < 0)
		goto failed;
	status = uv_poll_init(&loop->uv, &loop->wake, loop->wake_fd);
	if (status < 0) {
		check(uv_loop_close(&loop->uv) == 0);
		goto failed;
	}
	status = env_uv_ring_open(loop, &loop->ring);
	if (status < 0) {
		uv_close((uv_handle_t *)&loop->wake, NULL);
		uv_run(&loop->uv, UV_RUN_DEFAULT);
		check(uv_loop_close(&loop->uv) == 0);
		goto failed;
	}
	/* These cannot fail. */
	uv_prepare_init(&loop->uv, &loop->prepare);
	uv_check_init(&loop->uv, &loop->check);
	uv_idle_init(&loop->uv, &loop->more);
	uv_timer_init(&loop->uv, &loop->timer);
	loop->wake.data = loop->prepare.data = loop->check.data = loop->timer.data = loop;
	uv_poll_start(&loop->wake, UV_READABLE, loop_on_wake);
	uv_prepare_start(&loop->prepare, loop_on_prepare);
	uv_check_start(&loop->check, loop_on_check);
	*out = &loop->base;
	return 0;
failed:
	if (loop->wake_fd >= 0) {
		close(loop->wake_fd);
		close(loop->waking_fd);
	}
	free(loop->write_vector);
	free(loop->read_buffer);
	free(loop);
	return env_uv_status(status);
}

int env_uv_loop_run(struct env_loop *base)
{
	struct env_uv_loop *loop = env_uv_loop_of(base);

	check(atomic_load(&loop->thread) == 0 && !loop->stopping);
	atomic_store(&loop->thread, pthread_self());
	uv_run(&loop->uv, UV_RUN_DEFAULT);
	atomic_store(&loop->thread, 0);
	return 0;
}

static void *run_thread(void *argument)
{
	env_uv_loop_run(argument);
	return NULL;
}

int env_uv_loop_start(struct env_loop *base)
{
	struct env_uv_loop *loop = env_uv_loop_of(base);
	int status = env_uv_thread_start(&loop->own_thread, loop->name, run_thread, base);

	loop->started = status == 0;
	return status;
}

void env_uv_loop_stop(struct env_loop *base)
{
	struct env_uv_loop *loop = env_uv_loop_of(base);

	if (!atomic_exchange(&loop->stop_posted, true))
		env_post(base, &loop->stop, loop_on_stop);
}

bool env_uv_loop_is_current(const struct env_loop *base)
{
	return atomic_load_explicit(&env_uv_loop_of(base)->thread, memory_order_relaxed) == pthread_self();
}

void env_uv_loop_free(struct env_loop *base)
{
	struct env_uv_loop *loop = env_uv_loop_of(base);

	if (loop->started)
		pthread_join(loop->own_thread, NULL);
	check(atomic_load(&loop->thread) == 0);
	check(!take_mail(loop));
	check(!heap_first(&loop->base.timers));
	while (atomic_load_explicit(&loop->wakes_done, memory_order_acquire) != loop->wakes_due)
		sched_yield();
	uv_close((uv_handle_t *)&loop->wake, NULL);
	uv_close((uv_handle_t *)&loop->prepare, NULL);
	uv_close((uv_handle_t *)&loop->check, NULL);
	uv_close((uv_handle_t *)&loop->more, NULL);
	uv_close((uv_handle_t *)&loop->timer, NULL);
	env_uv_ring_close(loop->ring);
	/* Calls the close callbacks of these, and of streams and listeners that were closed just before the loop ended. */
	uv_run(&loop->uv, UV_RUN_DEFAULT);
	check(uv_loop_close(&loop->uv) == 0);
	env_uv_ring_free(loop->ring);
	close(loop->wake_fd);
	close(loop->waking_fd);
	heap_close(&loop->base.timers);
	free(loop->write_vector);
	free(loop->read_buffer);
	free(loop);
}
