/* The world: virtual time, the choice of what runs next, nodes and their clocks. */
#include "tests/lib/sim_env.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "tests/lib/sim_internal.h"

/* The memory of a process that was crashed is leaked on purpose. */
const char *__lsan_default_options(void);
const char *__lsan_default_options(void)
{
	return "detect_leaks=0";
}

void *sim_allocate(size_t size)
{
	void *memory = calloc(1, size);

	check(memory);
	return memory;
}

/* ---- Chance ----------------------------------------------------------------------------------------------------- */

static uint64_t split_mix(uint64_t *state)
{
	uint64_t value = *state += 0x9e3779b97f4a7c15u;

	value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
	value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
	return value ^ (value >> 31);
}

uint64_t sim_random(struct sim_world *world, uint64_t below)
{
	check(below > 0);
	return split_mix(&world->random) % below;
}

bool sim_chance(struct sim_world *world, uint32_t ppm)
{
	return ppm > 0 && sim_random(world, 1000000) < ppm;
}

uint64_t sim_delay(struct sim_world *world, uint64_t usual)
{
	uint64_t limit = sim_random(world, 32) == 0 ? 16 * usual : usual;

	return limit / 4 + sim_random(world, limit + 1);
}

void sim_trace_mix(struct sim_world *world, uint64_t value)
{
	uint64_t state = world->trace ^ value;

	world->trace = split_mix(&state);
}

uint64_t sim_trace(const struct sim_world *world)
{
	return world->trace;
}

uint64_t sim_time(const struct sim_world *world)
{
	return world->time;
}

/* ---- Events ----------------------------------------------------------------------------------------------------- */

static struct sim_event *event_of(struct heap_node *node)
{
	return (struct sim_event *)((char *)node - offsetof(struct sim_event, node));
}

void sim_schedule(struct sim_env *env, struct sim_loop *loop, uint64_t delay, uint32_t kind, sim_event_cb run,
	void *object)
{
	struct sim_world *world = env->node->world;
	struct sim_event *event;

	if (env->is_dead)
		return;
	event = sim_allocate(sizeof *event);
	event->env = env;
	event->loop = loop;
	event->run = run;
	event->object = object;
	event->kind = kind;
	check(heap_set(&world->events, &event->node, world->time + delay) == 0);
}

/* Virtual time goes on with every callback, so that nothing can go on for ever in none. */
static void begin_callback(
	struct sim_world *world, uint64_t time, struct sim_env *env, struct sim_loop *loop, uint32_t kind)
{
	world->time = (time > world->time ? time : world->time) + 1 + sim_random(world, 200);
	world->current = loop;
	world->is_in_callback = true;
	world->post_floor = 0;
	if (loop)
		loop->is_busy = true;
	sim_trace_mix(world, world->time);
	sim_trace_mix(
		world, (uint64_t)env->node->number << 48 | (uint64_t)kind << 32 | (loop ? loop->number : 0));
}

struct context {
	struct sim_loop *current;
	bool is_in_callback;
	uint64_t post_floor;
};

/* A callback may run others, in env_loop_free: it goes on in its own context. */
static struct context save_context(const struct sim_world *world)
{
	return (struct context){world->current, world->is_in_callback, world->post_floor};
}

static void end_callback(struct sim_world *world, struct sim_loop *loop, struct context before)
{
	if (loop) {
		loop->is_busy = false;
		sim_loop_check_end(loop);
	}
	world->current = before.current;
	world->is_in_callback = before.is_in_callback;
	world->post_floor = before.post_floor;
}

static void run_event(struct sim_world *world, struct sim_event *event)
{
	struct context before = save_context(world);

	begin_callback(world, event->node.key, event->env, event->loop, event->kind);
	event->run(event);
	end_callback(world, event->loop, before);
	free(event);
}

static void run_timers(struct sim_world *world, struct sim_loop *loop, uint64_t due)
{
	struct context before = save_context(world);

	begin_callback(world, due, loop->env, loop, 0);
	sim_loop_expire(loop);
	end_callback(world, loop, before);
}

static struct sim_loop *first_due_loop(const struct sim_world *world, uint64_t *due)
{
	struct sim_loop *first = NULL;

	*due = UINT64_MAX;
	for (const struct sim_node *node = world->nodes; node; node = node->next) {
		for (struct sim_loop *loop = node->env ? node->env->loops : NULL; loop; loop = loop->next) {
			uint64_t at = sim_loop_due(loop);

			if (at < *due) {
				*due = at;
				first = loop;
			}
		}
	}
	return first;
}

/* The next event that can run: those of the dead are dropped, those of the stopped and the busy moved. */
static struct sim_event *first_event(struct sim_world *world)
{
	struct heap_node *node;

	while ((node = heap_first(&world->events))) {
		struct sim_event *event = event_of(node);

		if (event->env->is_dead) {
			heap_remove(&world->events, node);
			free(event);
		} else if (event->env->node->paused_until > node->key) {
			heap_set(&world->events, node, event->env->node->paused_until);
		} else if (event->loop && event->loop->is_busy) {
			heap_set(&world->events, node,
				(node->key > world->time ? node->key : world->time) + SIM_US);
		} else if (event->loop && sim_loop_must_wait(event->loop, event)) {
			heap_remove(&world->events, node);
			sim_loop_defer(event->loop, event);
		} else {
			return event;
		}
	}
	return NULL;
}

bool sim_step(struct sim_world *world)
{
	struct sim_event *event = first_event(world);
	uint64_t due;
	struct sim_loop *loop = first_due_loop(world, &due);

	if (loop && (!event || due < event->node.key)) {
		run_timers(world, loop, due);
	} else if (event) {
		heap_remove(&world->events, &event->node);
		run_event(world, event);
	} else {
		return false;
	}
	return true;
}

static uint64_t next_time(struct sim_world *world)
{
	struct sim_event *event = first_event(world);
	uint64_t due;

	first_due_loop(world, &due);
	return event && event->node.key < due ? event->node.key : due;
}

bool sim_run(struct sim_world *world, uint64_t duration, bool (*until)(void *argument), void *argument)
{
	uint64_t end = world->time + duration;

	check(!world->is_in_callback);
	while (!until || !until(argument)) {
		if (next_time(world) > end) {
			world->time = end > world->time ? end : world->time;
			break;
		}
		sim_step(world);
	}
	return until && until(argument);
}

/* ---- Nodes ------------------------------------------------------------------------------------------------------ */

struct sim_node *sim_node_new(struct sim_world *world, const char *name)
{
	struct sim_node *node = sim_allocate(sizeof *node);

	node->world = world;
	node->number = ++world->node_count;
	snprintf(node->name, sizeof node->name, "%s", name);
	node->crash_at = UINT64_MAX;
	/* A day like any other: 2026-01-01, give or take. */
	node->wall_base = (int64_t)(1767225600u * (uint64_t)SIM_S + sim_random(world, SIM_S));
	sim_disk_init(&node->disk);
	node->next = world->nodes;
	world->nodes = node;
	return node;
}

struct env *sim_node_start(struct sim_node *node)
{
	struct sim_env *env = sim_allocate(sizeof *env);

	check(!node->env);
	env->base.ops = &sim_env_ops;
	env->node = node;
	env->next = node->lives;
	node->lives = env;
	node->env = env;
	node->is_off = false;
	node->paused_until = 0;
	node->crash_at = UINT64_MAX;
	return &env->base;
}

bool sim_node_is_up(const struct sim_node *node)
{
	return node->env;
}

struct env *sim_node_env(struct sim_node *node)
{
	return node->env ? &node->env->base : NULL;
}

static void end_process(struct sim_node *node, bool is_power_lost)
{
	check(node->env);
	sim_trace_mix(node->world, node->number);
	node->env->is_dead = true;
	sim_files_kill(node->env);
	sim_net_kill(node->env, is_power_lost);
	node->env = NULL;
}

void sim_node_kill(struct sim_node *node)
{
	end_process(node, false);
}

void sim_node_crash(struct sim_node *node)
{
	if (node->env) {
		sim_files_interrupt(node->env);
		end_process(node, true);
	}
	node->is_off = true;
	sim_disk_crash(&node->disk, node->world);
	/* It boots: its clock begins anew. */
	node->world_base = node->world->time;
	node->local_base = sim_random(node->world, 100 * (uint64_t)SIM_S);
}

struct sim_disk *sim_node_new_disk(struct sim_node *node, bool is_copy)
{
	struct sim_disk *disk = sim_allocate(sizeof *disk);

	check(!node->env);
	sim_disk_init(disk);
	if (is_copy)
		sim_disk_copy(disk, &node->disk);
	return disk;
}

void sim_node_swap_disk(struct sim_node *node, struct sim_disk *disk)
{
	struct sim_disk own = node->disk;

	check(!node->env);
	node->disk = *disk;
	*disk = own;
}

void sim_node_crash_after(struct sim_node *node, uint64_t operations)
{
	check(node->env);
	node->crash_at = node->operations + operations + 1;
}

uint64_t sim_node_operations(const struct sim_node *node)
{
	return node->operations;
}

void sim_node_pause(struct sim_node *node, uint64_t duration)
{
	node->paused_until = node->world->time + duration;
}

bool sim_node_is_paused(const struct sim_node *node)
{
	return node->paused_until > node->world->time;
}

struct sim_disk_faults *sim_node_faults(struct sim_node *node)
{
	return &node->faults;
}

uint64_t sim_node_faults_fired(const struct sim_node *node)
{
	return node->faults_fired;
}

/* ---- Clocks ----------------------------------------------------------------------------------------------------- */

static uint64_t scale(uint64_t duration, uint64_t by, uint64_t of)
{
	return (uint64_t)((unsigned __int128)duration * by / of);
}

static uint64_t rate_of(const struct sim_node *node)
{
	return (uint64_t)(1000000 + node->drift_ppm);
}

uint64_t sim_node_local(const struct sim_node *node)
{
	return node->local_base + scale(node->world->time - node->world_base, rate_of(node), 1000000);
}

uint64_t sim_node_world_time(const struct sim_node *node, uint64_t local)
{
	if (local <= node->local_base)
		return node->world_base;
	if (local - node->local_base > UINT64_MAX / 4)
		return UINT64_MAX - 1;
	return node->world_base + scale(local - node->local_base, 1000000, rate_of(node)) + 1;
}

void sim_node_set_drift(struct sim_node *node, int32_t drift_ppm)
{
	check(drift_ppm > -1000000);
	node->local_base = sim_node_local(node);
	node->world_base = node->world->time;
	node->drift_ppm = drift_ppm;
}

void sim_node_take_cpu(struct sim_node *node, uint64_t duration)
{
	node->cpu += duration;
}

void sim_node_jump_wall(struct sim_node *node, int64_t by)
{
	node->wall_base += by;
}

/* ---- Life ------------------------------------------------------------------------------------------------------- */

struct sim_world *sim_world_new(uint64_t seed)
{
	struct sim_world *world = sim_allocate(sizeof *world);

	world->random = seed;
	sim_trace_mix(world, seed);
	return world;
}

static void free_node(struct sim_node *node)
{
	while (node->lives) {
		struct sim_env *env = node->lives;

		node->lives = env->next;
		sim_files_close(env);
		sim_net_close(env);
		sim_loops_close(env);
		free(env);
	}
	sim_net_free_paths(node);
	sim_disk_close(&node->disk);
	free(node);
}

void sim_world_free(struct sim_world *world)
{
	struct heap_node *event;

	while ((event = heap_first(&world->events))) {
		heap_remove(&world->events, event);
		free(event_of(event));
	}
	heap_close(&world->events);
	while (world->nodes) {
		struct sim_node *node = world->nodes;

		world->nodes = node->next;
		free_node(node);
	}
	free(world);
}
