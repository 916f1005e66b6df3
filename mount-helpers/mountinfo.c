#include "mount-helpers/mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

#define MOUNTINFO    "/proc/self/mountinfo"
#define OPTIONS_SIZE 1024

/* Decodes the octal escapes of blanks and backslashes in place. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from;) {
		if (from[0] == '\\' && from[1] && from[2] && from[3]) {
			*to++ = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
			from += 4;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
}

typedef bool (*match_cb)(const struct mountinfo *info, const void *wanted);

/* Parses options of the mount, or of its filesystem. */
static unsigned long flags_of(char *options)
{
	static const struct {
		const char *name;
		unsigned long flag;
	} known[] = {{"ro", MS_RDONLY}, {"noatime", MS_NOATIME}, {"nodiratime", MS_NODIRATIME},
		{"relatime", MS_RELATIME}, {"sync", MS_SYNCHRONOUS}, {"dirsync", MS_DIRSYNC}};
	unsigned long flags = 0;
	char *rest = NULL;

	for (char *option = strtok_r(options, ",", &rest); option; option = strtok_r(NULL, ",", &rest))
		for (size_t i = 0; i < sizeof known / sizeof *known; i++)
			if (strcmp(option, known[i].name) == 0)
				flags |= known[i].flag;
	return flags;
}

static bool parse(char *line, struct mountinfo *info)
{
	char *rest = strstr(line, " - "), own[OPTIONS_SIZE], shared[OPTIONS_SIZE];
	unsigned major, minor;

	if (!rest || sscanf(line, "%*s %*s %u:%u %*s %4095s %1023s", &major, &minor, info->point, own) != 4 ||
		sscanf(rest, " - %63s %4095s %1023s", info->type, info->source, shared) != 3)
		return false;
	info->device = makedev(major, minor);
	info->flags = flags_of(own) | flags_of(shared);
	unescape(info->point);
	unescape(info->source);
	return true;
}

/* The last match is the topmost. */
static bool find(const void *wanted, match_cb matches, struct mountinfo *info)
{
	FILE *file = fopen(MOUNTINFO, "re");
	struct mountinfo mount;
	char *line = NULL;
	size_t capacity = 0;
	bool found = false;

	while (file && getline(&line, &capacity, file) > 0) {
		if (!parse(line, &mount) || !matches(&mount, wanted))
			continue;
		*info = mount;
		found = true;
	}
	free(line);
	if (file)
		fclose(file);
	return found;
}

static bool is_on(const struct mountinfo *info, const void *path)
{
	return strcmp(info->point, path) == 0;
}

static bool is_of_device(const struct mountinfo *info, const void *device)
{
	return info->device == *(const dev_t *)device;
}

static bool is_raftkv(const struct mountinfo *info, const void *path)
{
	return strcmp(info->type, "fuse.raftkv") == 0 &&
	       (strcmp(info->source, path) == 0 || strcmp(info->point, path) == 0);
}

bool mountinfo_find(const char *directory, struct mountinfo *info)
{
	return find(directory, is_on, info);
}

bool mountinfo_find_raftkv(const char *path, struct mountinfo *info)
{
	return find(path, is_raftkv, info);
}

bool mountinfo_find_device(dev_t device, struct mountinfo *info)
{
	return find(&device, is_of_device, info);
}

int mountinfo_open(void)
{
	int fd = open(MOUNTINFO, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}
