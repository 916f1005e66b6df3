/*
 * command_cluster.c: raftkv cluster: shows the settings that hold for a whole cluster, and changes them.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mount-helpers/command.h"
#include "mount-helpers/command_admin.h"

#define BACK "default" /* instead of a value */

static void print_setting(struct command *command, const Raftkv__OverviewSetting *setting)
{
	const char *name = cluster_setting_name((enum cluster_setting)setting->setting);
	const char *origin = setting->is_set ? "raftkv cluster set" : "the coordinating store's own";
	struct json *json = &command->json;
	int width;

	if (!command->is_json) {
		width = 30 - printf("%s = %" PRIu64, name, setting->value);
		printf("%*s; %s\n", width < 1 ? 1 : width, "", origin);
		return;
	}
	json_begin(json, NULL, '{');
	json_string(json, "name", name);
	json_number(json, "value", setting->value);
	json_bool(json, "is_set", setting->is_set);
	json_end(json, '}');
}

static void print_settings(struct command *command, const Raftkv__OverviewReply *overview)
{
	if (command->is_json)
		json_begin(&command->json, NULL, '[');
	for (size_t i = 0; i < overview->n_settings; i++)
		if (overview->settings[i]->setting > 0 && overview->settings[i]->setting < SETTING_END)
			print_setting(command, overview->settings[i]);
	if (command->is_json)
		json_end_line(&command->json, ']');
}

int command_cluster_show(struct command *command)
{
	Raftkv__OverviewReply *overview = NULL;
	struct cluster *cluster = NULL;
	struct status status = {0};
	char list[PATH_MAX];
	int code = admin_find_cluster(command->arguments[0], list);

	if (code != COMMAND_OK)
		return code;
	code = cluster_open(list, &cluster, &status);
	if (code == 0)
		code = cluster_overview(cluster, &overview, &status);
	if (code == 0 && overview->n_settings == 0)
		code = status_set(&status, STATUS_UNSUPPORTED,
			"the store that coordinates the cluster is older and has no settings for all stores");
	if (code == 0)
		print_settings(command, overview);
	if (overview)
		raftkv__overview_reply__free_unpacked(overview, NULL);
	cluster_close(cluster);
	return code < 0 ? command_fail(&status) : COMMAND_OK;
}

/* NAME=VALUE. */
static int read_setting(const char *text, struct admin_request *request, struct status *status)
{
	const char *value = strchr(text, '=');
	char name[64], *end;

	snprintf(name, sizeof name, "%.*s", (int)strcspn(text, "="), text);
	request->setting = cluster_setting_find(name);
	if (!value || *++value == '\0')
		return status_set(status, -EINVAL, "'%.80s' is not NAME=VALUE", text);
	if (request->setting == 0)
		return status_set(status, -EINVAL,
			"a cluster has no setting '%.60s'; 'raftkv cluster show' has their names", name);
	request->is_set = strcmp(value, BACK) != 0;
	if (!request->is_set)
		return 0;
	errno = 0;
	request->value = strtoull(value, &end, 10);
	if (*value < '0' || *value > '9' || *end != '\0' || errno != 0 ||
		!cluster_setting_takes(request->setting, request->value))
		return status_set(status, -EINVAL,
			"%s is a number from %" PRIu64 " to %" PRIu64 ", or '" BACK "', not '%.60s'", name,
			cluster_setting_min(request->setting), cluster_setting_max(request->setting), value);
	return 0;
}

int command_cluster_set(struct command *command)
{
	struct admin_request request = {.kind = ADMIN_SET_CLUSTER};
	struct status status = {0};
	char list[PATH_MAX];
	int code;

	if (read_setting(command->arguments[0], &request, &status) < 0) {
		command_fail(&status);
		return COMMAND_USAGE;
	}
	code = admin_find_cluster(command->arguments[1], list);
	return code == COMMAND_OK ? admin_make(command, list, &request, NULL) : code;
}
