#include "tests/sim/mount.h"

#include <errno.h>
#include <stdio.h>

#include "proto/check.h"
#include "proto/container.h"
#include "tests/sim/store.h"
#include "tests/sim/violation.h"

static void print_line(void *argument, enum log_level level, const char *line)
{
	struct mount *mount = argument;

	if (sim_node_is_up(mount->node))
		printf("%12.6f mount %u: %s %s\n", (double)sim_time(mount->world) / SIM_S, mount->number,
			log_level_name(level), line);
}

void mount_init(struct mount *mount, struct sim_world *world, uint32_t number, bool is_verbose)
{
	static const char *const names[MOUNTS] = {"m1", "m2"};
	struct status status = {0};

	*mount = (struct mount){
		.world = world, .node = sim_node_new(world, names[number - 1]), .number = number};
	mount->reads = (enum remote_reads)sim_random(world, REMOTE_READS_NEAREST + 1);
	mount->timeo_ms = sim_random(world, 3) == 0 ? 500 + (uint32_t)sim_random(world, 5000) : 0;
	mount->logger = (struct logger){
		.level = is_verbose ? LOG_INFO : LOG_NONE, .write = print_line, .argument = mount};
	check(store_list_parse(&mount->seeds, STORE_LIST, &status) == 0);
}

static void on_lost(void *argument, uint64_t session)
{
	(void)session;
	((struct mount *)argument)->sessions_lost++;
}

static void on_started(void *argument, int status)
{
	struct mount *mount = argument;

	if (mount->state != MOUNT_STARTING)
		return;
	if (status < 0)
		violation("mount %u gets no session: %s", mount->number, status_name(status));
	mount->state = MOUNT_RUNNING;
	mount->has_news = true;
}

static void start_on_loop(struct env_mail *mail)
{
	struct mount *mount = container_of(mail, struct mount, starting);

	remote_start(mount->remote, on_started, mount);
}

void mount_start(struct mount *mount)
{
	struct remote_options options = {.loops = &mount->loop,
		.loop_count = 1,
		.logger = &mount->logger,
		.seeds = &mount->seeds,
		.reads = mount->reads,
		.timeo_ms = mount->timeo_ms,
		.host = "simulated",
		.mount_point = "/mnt",
		.pid = mount->number,
		.lost = on_lost,
		.argument = mount};
	struct status status = {0};

	check(mount->state == MOUNT_DOWN);
	mount->life++;
	mount->env = options.env = sim_node_start(mount->node);
	/* What was on its way when the last process died stays there. */
	mount->starting = mount->stopping = (struct env_mail){0};
	check(env_loop_new(mount->env, "lane", &mount->loop) == 0);
	if (remote_new(&options, &mount->remote, &status) < 0)
		violation("mount %u: %s", mount->number, status.text);
	mount->client = remote_client(mount->remote);
	mount->state = MOUNT_STARTING;
	check(env_loop_start(mount->loop) == 0);
	env_post(mount->loop, &mount->starting, start_on_loop);
}

void mount_kill(struct mount *mount)
{
	sim_node_kill(mount->node);
	mount->state = MOUNT_DOWN;
	mount->has_news = false;
	mount->remote = NULL;
	mount->client = NULL;
}

static void on_stopped(void *argument)
{
	struct mount *mount = argument;

	mount->state = MOUNT_STOPPED;
	mount->has_news = true;
}

static void stop_on_loop(struct env_mail *mail)
{
	struct mount *mount = container_of(mail, struct mount, stopping);

	remote_stop(mount->remote, on_stopped, mount);
}

void mount_stop(struct mount *mount)
{
	check(mount->state == MOUNT_RUNNING);
	mount->state = MOUNT_STOPPING;
	env_post(mount->loop, &mount->stopping, stop_on_loop);
}

void mount_bury(struct mount *mount)
{
	check(mount->state == MOUNT_STOPPED);
	env_loop_stop(mount->loop);
	env_loop_free(mount->loop);
	remote_free(mount->remote);
	mount_kill(mount);
}
