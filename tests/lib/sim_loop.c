/* Loops, mail and workers of a simulated process. */
#include <errno.h>
#include <stdlib.h>

#include "proto/check.h"
#include "tests/lib/sim_internal.h"

#define MAIL_DELAY  (5 * SIM_US)
#define WORK_DELAY  (50 * SIM_US)
#define TIMER_DELAY (500 * SIM_US)

enum { KIND_MAIL = 1, KIND_WORK = 2 };

/* ---- Mail ------------------------------------------------------------------------------------------------------- */

/* Where the earliest time of the next mail from here is kept: by posting loop; by callback on other threads, which
 * have no order among each other; one for those outside of the world. */
static uint64_t *floor_of_poster(struct sim_loop *loop)
{
	struct sim_world *world = loop->env->node->world;
	uint32_t poster = world->current && world->current->env == loop->env ? world->current->number : 0;

	if (world->is_in_callback && !world->current)
		return &world->post_floor;
	if (poster >= loop->floor_count) {
		uint32_t count = loop->env->loop_count + 1;

		loop->floors = realloc(loop->floors, count * sizeof *loop->floors);
		check(loop->floors);
		for (uint32_t i = loop->floor_count; i < count; i++)
			loop->floors[i] = 0;
		loop->floor_count = count;
	}
	return &loop->floors[poster];
}

static void on_mail(struct sim_event *event)
{
	struct sim_loop *loop = event->loop;
	struct env_mail *mail = event->object;

	if (loop->state == LOOP_NEW) {
		env_mail_list_add(&loop->early, mail);
		return;
	}
	check(loop->state == LOOP_RUNNING || loop->state == LOOP_STOPPING);
	loop->expected--;
	env_mail_run(mail);
}

static void schedule_mail(struct sim_loop *loop, struct env_mail *mail, uint64_t *floor)
{
	struct sim_world *world = loop->env->node->world;
	uint64_t due = world->time + sim_delay(world, MAIL_DELAY);

	due = due > *floor ? due : *floor;
	*floor = due;
	sim_schedule(loop->env, loop, due - world->time, KIND_MAIL, on_mail, mail);
}

void sim_post(struct env_loop *base, struct env_mail *mail)
{
	struct sim_loop *loop = sim_loop_of(base);

	if (loop->env->is_dead)
		return;
	check(loop->state != LOOP_ENDED && loop->state != LOOP_FREED);
	loop->expected++;
	schedule_mail(loop, mail, floor_of_poster(loop));
}

/* ---- Work ------------------------------------------------------------------------------------------------------- */

static struct env_work *work_of(struct env_mail *mail)
{
	return (struct env_work *)((char *)mail - offsetof(struct env_work, mail));
}

static void on_work_done(struct env_mail *mail)
{
	work_of(mail)->done(work_of(mail));
}

static void on_work(struct sim_event *event)
{
	struct env_work *work = event->object;

	work->run(work);
	/* `run` may have lost power: the owner's memory is not ours then. */
	if (!event->env->is_dead)
		env_mail_forward(work->loop, &work->mail, on_work_done);
}

void sim_work_submit(struct env_work *work)
{
	struct sim_loop *loop = sim_loop_of(work->loop);

	sim_schedule(
		loop->env, NULL, sim_delay(loop->env->node->world, WORK_DELAY), KIND_WORK, on_work, work);
}

/* ---- Timers ----------------------------------------------------------------------------------------------------- */

uint64_t sim_loop_due(const struct sim_loop *loop)
{
	const struct sim_node *node = loop->env->node;
	uint64_t deadline = env_loop_deadline(&loop->base), due;

	if (deadline == UINT64_MAX || loop->is_busy ||
		(loop->state != LOOP_RUNNING && loop->state != LOOP_STOPPING))
		return UINT64_MAX;
	/* Late, always the same for the same timer: nothing is drawn while looking. */
	due = sim_node_world_time(node, deadline) + (deadline * 0x9e3779b97f4a7c15u >> 40) % TIMER_DELAY;
	/* Never before what is due by now: a timer that is always due leaves room for mail. */
	due = due > node->world->time ? due : node->world->time;
	return due > node->paused_until ? due : node->paused_until;
}

void sim_loop_expire(struct sim_loop *loop)
{
	env_loop_expire_timers(&loop->base, env_now(&loop->env->base));
}

/* ---- Life ------------------------------------------------------------------------------------------------------- */

int sim_loop_new(struct env *env, const char *name, struct env_loop **out)
{
	struct sim_env *owner = sim_env_of(env);
	struct sim_loop *loop;

	(void)name;
	if (owner->is_dead)
		return -EIO;
	loop = sim_allocate(sizeof *loop);
	loop->base.env = env;
	loop->env = owner;
	loop->number = ++owner->loop_count;
	loop->next = owner->loops;
	owner->loops = loop;
	*out = &loop->base;
	return 0;
}

bool sim_loop_must_wait(const struct sim_loop *loop, const struct sim_event *event)
{
	return loop->state == LOOP_NEW && event->run != on_mail;
}

void sim_loop_defer(struct sim_loop *loop, struct sim_event *event)
{
	struct sim_event **end = &loop->waiting;

	while (*end)
		end = &(*end)->next;
	*end = event;
}

static void go_on_waiting(struct sim_loop *loop)
{
	struct sim_world *world = loop->env->node->world;
	uint64_t due = world->time;

	while (loop->waiting) {
		struct sim_event *event = loop->waiting;

		loop->waiting = event->next;
		event->next = NULL;
		check(heap_set(&world->events, &event->node, ++due) == 0);
	}
}

int sim_loop_start(struct env_loop *base)
{
	struct sim_loop *loop = sim_loop_of(base);
	struct env_mail *mail;
	uint64_t floor = 0;

	check(loop->state == LOOP_NEW);
	loop->state = LOOP_RUNNING;
	while ((mail = env_mail_list_take(&loop->early)))
		schedule_mail(loop, mail, &floor);
	for (uint32_t i = 0; i < loop->floor_count; i++)
		loop->floors[i] = loop->floors[i] > floor ? loop->floors[i] : floor;
	go_on_waiting(loop);
	return 0;
}

static void run_to_end(struct sim_loop *loop)
{
	while (loop->state != LOOP_ENDED && !loop->env->is_dead)
		check(sim_step(loop->env->node->world));
}

int sim_loop_run(struct env_loop *base)
{
	sim_loop_start(base);
	run_to_end(sim_loop_of(base));
	return 0;
}

static void on_stop(struct env_mail *mail)
{
	struct sim_loop *loop = (void *)((char *)mail - offsetof(struct sim_loop, stop));

	loop->state = LOOP_STOPPING;
}

void sim_loop_stop(struct env_loop *base)
{
	struct sim_loop *loop = sim_loop_of(base);

	if (!loop->is_stop_posted)
		env_post(base, &loop->stop, on_stop);
	loop->is_stop_posted = true;
}

void sim_loop_check_end(struct sim_loop *loop)
{
	if (loop->state == LOOP_STOPPING && loop->expected == 0 &&
		env_loop_deadline(&loop->base) > env_now(&loop->env->base))
		loop->state = LOOP_ENDED;
}

void sim_loop_free(struct env_loop *base)
{
	struct sim_loop *loop = sim_loop_of(base);

	if (loop->state != LOOP_NEW)
		run_to_end(loop);
	if (!loop->env->is_dead) {
		check(loop->expected == 0);
		check(!heap_first(&base->timers));
	}
	loop->state = LOOP_FREED;
}

bool sim_loop_is_current(const struct env_loop *base)
{
	const struct sim_loop *loop = sim_loop_of(base);

	return loop->env->node->world->current == loop;
}

void sim_loops_close(struct sim_env *env)
{
	while (env->loops) {
		struct sim_loop *loop = env->loops;

		env->loops = loop->next;
		while (loop->waiting) {
			struct sim_event *event = loop->waiting;

			loop->waiting = event->next;
			free(event);
		}
		heap_close(&loop->base.timers);
		free(loop->floors);
		free(loop);
	}
}
