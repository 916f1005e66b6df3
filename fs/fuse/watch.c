#include "fs/fuse/watch.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "fs/fuse/request.h"
#include "proto/container.h"

#define PERIOD_NS   UINT64_C(500000000)
#define PATIENCE_NS (CLIENT_PATIENCE_MS * UINT64_C(1000000))
#define PF_EXITING  UINT32_C(0x4) /* of proc_pid_stat(5)'s flags */

/* ---- Callers ---- */

/* The text of /proc/THREAD/NAME; false: it is not there. */
static bool read_proc(uint32_t thread, const char *name, char *text, size_t size)
{
	char path[64];
	ssize_t got;
	int fd;

	snprintf(path, sizeof path, "/proc/%" PRIu32 "/%s", thread, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	got = read(fd, text, size - 1);
	close(fd);
	text[got > 0 ? got : 0] = '\0';
	return got > 0;
}

/* A set of signals of proc_pid_status(5). */
static uint64_t signals(const char *text, const char *name)
{
	const char *line = strstr(text, name);

	return line ? strtoull(line + strlen(name), NULL, 16) : 0;
}

static bool is_exiting(const char *stat)
{
	const char *rest = strrchr(stat, ')'); /* the program's name may hold anything */
	uint32_t flags;

	return rest && sscanf(rest, ") %*c %*d %*d %*d %*d %*d %" SCNu32, &flags) == 1 && flags & PF_EXITING;
}

bool watch_is_dying(uint32_t thread)
{
	static const uint64_t deadly =
		UINT64_C(1) << (SIGKILL - 1) | UINT64_C(1) << (SIGTERM - 1) | UINT64_C(1) << (SIGINT - 1);
	char text[4096];
	uint64_t pending;

	if (thread == 0 || !read_proc(thread, "status", text, sizeof text))
		return false;
	pending = (signals(text, "\nSigPnd:") | signals(text, "\nShdPnd:")) & ~signals(text, "\nSigBlk:");
	if (pending & deadly)
		return true;
	return read_proc(thread, "stat", text, sizeof text) && is_exiting(text);
}

/* ---- Requests ---- */

static void look(struct env_timer *timer);

static void look_later(struct watch *watch)
{
	env_timer_start(&watch->timer, watch->loop, env_now(env_loop_env(watch->loop)) + PERIOD_NS, look);
}

static void look(struct env_timer *timer)
{
	struct watch *watch = container_of(timer, struct watch, timer);
	uint64_t now = env_now(env_loop_env(watch->loop));
	struct request *request, *next;

	DL_FOREACH_SAFE(watch->requests, request, next)
	{
		if (now - request->started < PATIENCE_NS)
			break;
		if (watch->is_ending || watch_is_dying(request_caller_thread(request)))
			request_give_up(request);
	}
	if (watch->requests)
		look_later(watch);
}

void watch_add(struct watch *watch, struct request *request)
{
	DL_APPEND(watch->requests, request);
	if (!env_timer_is_running(&watch->timer))
		look_later(watch);
}

void watch_remove(struct watch *watch, struct request *request)
{
	DL_DELETE(watch->requests, request);
	if (watch->is_ending && !watch->requests)
		env_timer_stop(&watch->timer);
}

void watch_end(struct watch *watch)
{
	watch->is_ending = true;
	if (!watch->requests)
		env_timer_stop(&watch->timer);
}
