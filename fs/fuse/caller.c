#include "fs/fuse/caller.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PF_EXITING UINT32_C(0x4) /* of proc_pid_stat(5)'s flags */

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

/* A set of signals or capabilities of proc_pid_status(5). */
static uint64_t set_of(const char *text, const char *name)
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

bool caller_is_dying(uint32_t thread)
{
	static const uint64_t deadly =
		UINT64_C(1) << (SIGKILL - 1) | UINT64_C(1) << (SIGTERM - 1) | UINT64_C(1) << (SIGINT - 1);
	char text[4096];
	uint64_t pending;

	if (thread == 0 || !read_proc(thread, "status", text, sizeof text))
		return false;
	pending = (set_of(text, "\nSigPnd:") | set_of(text, "\nShdPnd:")) & ~set_of(text, "\nSigBlk:");
	if (pending & deadly)
		return true;
	return read_proc(thread, "stat", text, sizeof text) && is_exiting(text);
}

/* The `which`th of the ids of proc_pid_status(5)'s line: real, effective, saved, filesystem's. */
static bool id_of(const char *text, const char *name, unsigned which, uint32_t *id)
{
	const char *line = strstr(text, name);
	uint32_t ids[4];

	if (!line || sscanf(line + strlen(name), "%" SCNu32 "%" SCNu32 "%" SCNu32 "%" SCNu32, &ids[0],
			     &ids[1], &ids[2], &ids[3]) != 4)
		return false;
	*id = ids[which];
	return true;
}

/* Capabilities alone do not tell: in a user namespace of its own anybody has them all. */
bool caller_has(uint32_t thread, unsigned capability)
{
	char text[4096];
	uint32_t uid;

	return thread != 0 && read_proc(thread, "status", text, sizeof text) &&
	       id_of(text, "\nUid:", 1, &uid) && uid == 0 && (set_of(text, "\nCapEff:") >> capability & 1);
}

bool caller_has_group(uint32_t thread, uint32_t group)
{
	char text[4096];
	uint32_t gid;

	return thread != 0 && read_proc(thread, "status", text, sizeof text) &&
	       id_of(text, "\nGid:", 3, &gid) && gid == group;
}
