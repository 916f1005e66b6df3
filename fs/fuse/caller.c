#include "fs/fuse/caller.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PF_EXITING UINT32_C(0x4) /* of proc_pid_stat(5)'s flags */

struct proc_text {
	char bytes[4096];
};

/* Reads /proc/THREAD/NAME. False: it is not there, or the thread is unknown (0). */
static bool caller_read(uint32_t thread, const char *name, struct proc_text *text)
{
	char path[64];
	ssize_t got;
	int fd;

	if (thread == 0)
		return false;
	snprintf(path, sizeof path, "/proc/%" PRIu32 "/%s", thread, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	got = read(fd, text->bytes, sizeof text->bytes - 1);
	close(fd);
	text->bytes[got > 0 ? got : 0] = '\0';
	return got > 0;
}

/* proc_pid_status(5). */
static bool caller_read_status(uint32_t thread, struct proc_text *text)
{
	return caller_read(thread, "status", text);
}

/* A set of signals or capabilities of proc_pid_status(5). */
static uint64_t caller_set(const struct proc_text *text, const char *name)
{
	const char *line = strstr(text->bytes, name);

	return line ? strtoull(line + strlen(name), NULL, 16) : 0;
}

static bool is_exiting(const struct proc_text *stat)
{
	const char *rest = strrchr(stat->bytes, ')'); /* the program's name may contain any characters */
	uint32_t flags;

	return rest && sscanf(rest, ") %*c %*d %*d %*d %*d %*d %" SCNu32, &flags) == 1 && flags & PF_EXITING;
}

bool caller_is_dying(uint32_t thread)
{
	static const uint64_t deadly =
		UINT64_C(1) << (SIGKILL - 1) | UINT64_C(1) << (SIGTERM - 1) | UINT64_C(1) << (SIGINT - 1);
	struct proc_text text;
	uint64_t pending;

	if (!caller_read_status(thread, &text))
		return false;
	pending = caller_set(&text, "\nSigPnd:") | caller_set(&text, "\nShdPnd:");
	if (pending & ~caller_set(&text, "\nSigBlk:") & deadly)
		return true;
	return caller_read(thread, "stat", &text) && is_exiting(&text);
}

/* The id with index `which` of a line of proc_pid_status(5): real, effective, saved, filesystem. */
static bool caller_id(const struct proc_text *text, const char *name, unsigned which, uint32_t *id)
{
	const char *line = strstr(text->bytes, name);
	uint32_t ids[4];

	if (!line || sscanf(line + strlen(name), "%" SCNu32 "%" SCNu32 "%" SCNu32 "%" SCNu32, &ids[0],
			     &ids[1], &ids[2], &ids[3]) != 4)
		return false;
	*id = ids[which];
	return true;
}

/* The capability alone does not suffice: in a user namespace of its own every process has all capabilities. */
bool caller_has(uint32_t thread, unsigned capability)
{
	struct proc_text text;
	uint32_t uid;

	return caller_read_status(thread, &text) && caller_id(&text, "\nUid:", 1, &uid) && uid == 0 &&
	       (caller_set(&text, "\nCapEff:") >> capability & 1);
}

bool caller_has_group(uint32_t thread, uint32_t group)
{
	struct proc_text text;
	uint32_t gid;

	return caller_read_status(thread, &text) && caller_id(&text, "\nGid:", 3, &gid) && gid == group;
}
