#include "mount-helpers/mountinfo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Undoes the octal escapes of blanks and backslashes in place. */
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

typedef bool (*match_cb)(const struct mountinfo *info, const char *path);

static bool parse(char *line, struct mountinfo *info)
{
	char *rest = strstr(line, " - ");

	if (!rest || sscanf(line, "%*s %*s %*s %*s %4095s", info->point) != 1 ||
		sscanf(rest, " - %63s %4095s", info->type, info->source) != 2)
		return false;
	unescape(info->point);
	unescape(info->source);
	return true;
}

/* The last match is the topmost. */
static bool find(const char *path, match_cb matches, struct mountinfo *info)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	struct mountinfo mount;
	char *line = NULL;
	size_t capacity = 0;
	bool found = false;

	while (file && getline(&line, &capacity, file) > 0) {
		if (!parse(line, &mount) || !matches(&mount, path))
			continue;
		*info = mount;
		found = true;
	}
	free(line);
	if (file)
		fclose(file);
	return found;
}

static bool is_on(const struct mountinfo *info, const char *path)
{
	return strcmp(info->point, path) == 0;
}

static bool is_raftkv(const struct mountinfo *info, const char *path)
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
