#include "tests/sim/mount.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

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
	/* The first one makes the works' files. A small log may make it wait for a flush, without any fault. */
	if (number == 1)
		mount->timeo_ms = 0;
	mount->logger = (struct logger){
		.level = is_verbose ? LOG_INFO : LOG_NONE, .write = print_line, .argument = mount};
	check(store_list_parse(&mount->seeds, STORE_LIST, &status) == 0);
}

static void on_lost(void *argument, uint64_t session)
{
	struct mount *mount = argument;

	(void)session;
	mount->sessions_lost++;
	removed_lose(mount->removed);
}

/* ---- Open files ---- */

static uint32_t find_open(const struct mount *mount, uint64_t ino)
{
	uint32_t i = 0;

	while (i < MOUNT_OPENS && (mount->opens[i].count == 0 || mount->opens[i].ino != ino))
		i++;
	return i;
}

static bool is_open(void *argument, uint64_t ino)
{
	return find_open(argument, ino) < MOUNT_OPENS;
}

static void each_open(void *argument, void (*visit)(void *visitor, uint64_t ino), void *visitor)
{
	const struct mount *mount = argument;

	for (uint32_t i = 0; i < MOUNT_OPENS; i++)
		if (mount->opens[i].count > 0)
			visit(visitor, mount->opens[i].ino);
}

void mount_open(struct mount *mount, uint64_t ino)
{
	uint32_t i = find_open(mount, ino);

	for (uint32_t j = 0; i == MOUNT_OPENS && j < MOUNT_OPENS; j++)
		if (mount->opens[j].count == 0)
			i = j;
	check(i < MOUNT_OPENS);
	mount->opens[i].ino = ino;
	mount->opens[i].count++;
}

void mount_close(struct mount *mount, uint64_t ino)
{
	uint32_t i = find_open(mount, ino);

	check(i < MOUNT_OPENS);
	mount->opens[i].count--;
	removed_close(mount->removed, ino);
	removed_forget(mount->removed, ino);
}

void mount_removed(struct mount *mount, uint64_t ino)
{
	removed_add(mount->removed, ino);
	removed_forget(mount->removed, ino);
}

static void on_kept(void *argument, bool are_kept)
{
	struct mount *mount = argument;

	remote_answer(mount->remote, mount->notice, are_kept);
}

static void on_asked(void *argument, uint64_t notice, struct slice inodes)
{
	struct mount *mount = argument;

	mount->notice = notice;
	nameless_ask(mount->nameless, inodes, on_kept, mount);
}

static void make_front(struct mount *mount)
{
	const struct removed_options removed = {.client = mount->client,
		.loop = mount->loop,
		.logger = &mount->logger,
		.is_known = is_open,
		.argument = mount,
		.is_open = is_open,
		.open_argument = mount};
	struct nameless_options nameless = {.client = mount->client,
		.loop = mount->loop,
		.logger = &mount->logger,
		.each_open = each_open,
		.is_open = is_open,
		.argument = mount};

	memset(mount->opens, 0, sizeof mount->opens);
	check(removed_new(&removed, &mount->removed) == 0);
	nameless.removed = mount->removed;
	check(nameless_new(&nameless, &mount->nameless) == 0);
}

/* ---- Life ---- */

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
		.asked = on_asked,
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
	make_front(mount);
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

static void on_released(void *argument)
{
	struct mount *mount = argument;

	remote_stop(mount->remote, on_stopped, mount);
}

static void on_no_more_holds(void *argument)
{
	struct mount *mount = argument;

	removed_stop(mount->removed, on_released, mount);
}

static void stop_on_loop(struct env_mail *mail)
{
	struct mount *mount = container_of(mail, struct mount, stopping);

	nameless_stop(mount->nameless, on_no_more_holds, mount);
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
	nameless_free(mount->nameless);
	removed_free(mount->removed);
	remote_free(mount->remote);
	mount_kill(mount);
}
