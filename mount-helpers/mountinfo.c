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

bool mountinfo_find(const char *directory, struct mountinfo *info)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t capacity = 0;
	bool found = false;

	while (file && getline(&line, &capacity, file) > 0) {
		char point[PATH_MAX];
		char *rest = strstr(line, " - ");

		if (!rest || sscanf(line, "%*s %*s %*s %*s %4095s", point) != 1)
			continue;
		unescape(point);
		if (strcmp(point, directory) != 0 ||
			sscanf(rest, " - %63s %4095s", info->type, info->source) != 2)
			continue;
		unescape(info->source);
		found = true;
	}
	free(line);
	if (file)
		fclose(file);
	return found;
}
