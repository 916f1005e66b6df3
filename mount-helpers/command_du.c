/*
 * command_du.c: raftkv du: the space that directories take. The stores count it by a walk over rows, without a stat of
 * every file. Also raftkv debug inode for a path, and raftkv sync. All read virtual extended attributes of the mount.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "mount-helpers/command.h"

#define VALUE_SIZE_MAX 4096u

/* Reads the virtual attribute `name` of a path in a mount of raftkv; `value` gets a NUL. */
static int ask(const char *path, const char *name, char value[VALUE_SIZE_MAX], struct status *status)
{
	ssize_t size = getxattr(path, name, value, VALUE_SIZE_MAX - 1);

	if (size >= 0) {
		value[size] = '\0';
		return 0;
	}
	if (errno == ENODATA || errno == EOPNOTSUPP)
		return status_set(status, -errno, "%.200s is not in a mount of raftkv", path);
	return status_set(status, -errno, "%.200s: %s", path, strerror(errno));
}

/* Writes lines "NAME VALUE" as the members of an object. */
static void write_members(struct json *json, char *value)
{
	char *rest = value, *line;

	while ((line = strsep(&rest, "\n")) != NULL) {
		char *space = strchr(line, ' ');

		if (!space)
			continue;
		*space = '\0';
		json_number(json, line, strtoull(space + 1, NULL, 10));
	}
}

static void print_usage(const char *path, const char *value)
{
	uint64_t size = 0, disk = 0, files = 0, directories = 0;

	sscanf(value,
		"size_bytes %" SCNu64 "\ndisk_bytes %" SCNu64 "\nfiles %" SCNu64 "\ndirectories %" SCNu64,
		&size, &disk, &files, &directories);
	printf("%12" PRIu64 " KiB %12" PRIu64 " KiB %10" PRIu64 " %10" PRIu64 "  %s\n", (disk + 1023) / 1024,
		(size + 1023) / 1024, files, directories, path);
}

static int show_usage(struct command *command, const char *path, struct status *status)
{
	struct json *json = &command->json;
	char value[VALUE_SIZE_MAX];
	int code = ask(path, "raftkv.usage", value, status);

	if (code < 0)
		return code;
	if (!command->is_json) {
		print_usage(path, value);
		return 0;
	}
	json_begin(json, NULL, '{');
	json_string(json, "path", path);
	write_members(json, value);
	json_end(json, '}');
	return 0;
}

int command_du(struct command *command)
{
	int code = 0;

	if (command->is_json)
		json_begin(&command->json, NULL, '[');
	else
		printf("%16s %16s %10s %10s\n", "on disk", "size", "files", "dirs");
	for (int i = 0; i < command->count; i++) {
		struct status status = {0};

		if (show_usage(command, command->arguments[i], &status) < 0)
			code = command_fail(&status);
	}
	if (command->is_json)
		json_end_line(&command->json, ']');
	return code;
}

int command_sync(struct command *command)
{
	int code = COMMAND_OK;

	for (int i = 0; i < command->count; i++) {
		struct status status = {0};
		char value[VALUE_SIZE_MAX];

		if (ask(command->arguments[i], "raftkv.sync", value, &status) < 0)
			code = command_fail(&status);
	}
	return code;
}

int command_debug_inode_path(struct command *command)
{
	struct status status = {0};
	char value[VALUE_SIZE_MAX];

	if (ask(command->arguments[0], "raftkv.inode", value, &status) < 0)
		return command_fail(&status);
	if (command->is_json) {
		json_begin(&command->json, NULL, '{');
		write_members(&command->json, value);
		json_end_line(&command->json, '}');
	} else {
		fputs(value, stdout);
	}
	return COMMAND_OK;
}
