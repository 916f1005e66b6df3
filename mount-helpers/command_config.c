/*
 * command_config.c: raftkv config: prints the settings and the origin of each: those in force in a mount, or those that
 * a file and a command line give. The text has the form of raftkv.conf(5).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/config.h"
#include "mount-helpers/command.h"

struct config_listing {
	struct command *command;
	char section[64]; /* of the last key */
};

static void print_setting(void *argument, const struct config_value *value)
{
	struct config_listing *listing = argument;
	struct json *json = &listing->command->json;
	int width;

	if (listing->command->is_json) {
		json_begin(json, NULL, '{');
		json_string(json, "section", value->section);
		json_string(json, "key", value->name);
		json_string(json, "value", value->value);
		json_string(json, "origin", value->origin);
		json_end(json, '}');
		return;
	}
	if (strcmp(listing->section, value->section) != 0)
		printf("%s[%s]\n", listing->section[0] == '\0' ? "" : "\n", value->section);
	snprintf(listing->section, sizeof listing->section, "%s", value->section);
	width = 30 - printf("%s = %s", value->name, value->value);
	printf("%*s; %s\n", width < 1 ? 1 : width, "", value->origin ? value->origin : "default");
}

static void begin(struct command *command)
{
	if (command->is_json)
		json_begin(&command->json, NULL, '[');
}

static int end(struct command *command)
{
	if (command->is_json)
		json_end_line(&command->json, ']');
	return COMMAND_OK;
}

/* ---- The settings of a mount ---- */

/* Parses a line of fs/stats/control.h in place. False: it is no setting. */
static bool parse(const struct statistic *stat, struct config_value *value)
{
	char *name = stat->value, *dot = strchr(name, '.'), *text = strchr(name, '\t');
	char *origin = text ? strchr(text + 1, '\t') : NULL;

	if (strcmp(stat->name, "setting") != 0 || !dot || !origin)
		return false;
	*dot = *text = *origin = '\0';
	*value = (struct config_value){
		.section = name, .name = dot + 1, .origin = origin[1] != '\0' ? origin + 1 : NULL};
	snprintf(value->value, sizeof value->value, "%s", text + 1);
	return true;
}

static int list_of_mount(struct command *command, const char *path)
{
	struct config_listing listing = {.command = command};
	struct status status = {0};
	struct config_value value;
	struct target target;
	int code = target_open(&target, path, &status);

	if (code == 0 && command->option_count > 0)
		code = status_set(
			&status, -EINVAL, "%s: the settings of a mount are made when it is mounted", path);
	else if (code == 0 && !target_is_mounted(&target))
		code = status_set(&status, -ENOENT,
			"%s: is not mounted; 'raftkv config' alone says what would be in force", path);
	if (code == 0)
		code = target_load(&target, &status);
	if (code == 0) {
		begin(command);
		for (size_t i = 0; i < target.count; i++)
			if (parse(&target.stats[i], &value))
				print_setting(&listing, &value);
		end(command);
	}
	target_close(&target);
	return code < 0 ? command_fail(&status) : COMMAND_OK;
}

/* ---- The settings of a file and a command line ---- */

static int list_of_file(struct command *command, const char *path)
{
	struct config_listing listing = {.command = command};
	struct status status = {0};
	struct config config;
	int code = config_init(&config);

	if (code == 0)
		code = config_read(&config, path ? path : CONFIG_PATH, &status);
	if (code == -ENOENT && !path)
		code = 0;
	for (int i = 0; i < command->option_count && code == 0; i++)
		code = config_set_assignment(&config, command->options[i], "the command line", &status);
	if (code == 0)
		code = config_check(&config, &status);
	if (code == 0) {
		begin(command);
		config_each(&config, print_setting, &listing);
		end(command);
	}
	config_close(&config);
	return code < 0 ? command_fail(&status) : COMMAND_OK;
}

int command_config(struct command *command)
{
	const char *path = command->count > 0 ? command->arguments[0] : NULL;
	struct stat attributes;

	if (!path)
		return list_of_file(command, NULL);
	if (stat(path, &attributes) == 0 ? S_ISDIR(attributes.st_mode) : strchr(path, ':') != NULL)
		return list_of_mount(command, path);
	return list_of_file(command, path);
}
