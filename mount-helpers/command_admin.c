#include "mount-helpers/command_admin.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int admin_find_cluster(const char *path, char *list)
{
	struct status status = {0};
	struct target target;
	int code = target_open(&target, path, &status);

	if (code == 0 && !target_is_cluster(&target))
		code = status_set(&status, -EPROTO,
			"%.150s is no cluster, or nobody answers there: name a store as host:port or "
			"unix:/path, or a "
			"mount "
			"of the cluster",
			path);
	if (code == 0)
		memcpy(list, target.cluster, sizeof target.cluster);
	target_close(&target);
	return code < 0 ? command_fail(&status) : COMMAND_OK;
}

bool admin_read_number(const char *text, uint64_t *number)
{
	struct status status = {0};
	char *end;

	*number = strtoull(text, &end, 10);
	if (*text >= '1' && *text <= '9' && *end == '\0')
		return true;
	status_set(&status, -EINVAL, "'%.80s' is no number of a store or region", text);
	command_fail(&status);
	return false;
}

static void tell_setting(struct command *command, const struct admin_request *request)
{
	const char *name = cluster_setting_name(request->setting);
	const char *not_done = request->is_dry ? " (not done)" : "";
	struct json *json = &command->json;

	if (!command->is_json && request->is_set)
		printf("%s is %" PRIu64 " in the whole cluster%s\n", name, request->value, not_done);
	else if (!command->is_json)
		printf("%s is by the settings of the coordinating store%s\n", name, not_done);
	if (!command->is_json)
		return;
	json_begin(json, NULL, '{');
	json_bool(json, "done", !request->is_dry);
	json_string(json, "name", name);
	json_bool(json, "is_set", request->is_set);
	if (request->is_set)
		json_number(json, "value", request->value);
	json_end_line(json, '}');
}

static void tell(struct command *command, const struct admin_request *request, const char *what)
{
	struct json *json = &command->json;

	if (!command->is_json && request->kind == ADMIN_SET_STORE)
		printf("store %" PRIu64 " %s%s\n", request->store, what,
			request->is_dry ? " (not done)" : "");
	else if (!command->is_json)
		printf("store %" PRIu64 ", region %" PRIu64 ": %s%s\n", request->store, request->region, what,
			request->is_dry ? " (not done)" : "");
	if (!command->is_json)
		return;
	json_begin(json, NULL, '{');
	json_bool(json, "done", !request->is_dry);
	json_number(json, "store", request->store);
	if (request->kind != ADMIN_SET_STORE)
		json_number(json, "region", request->region);
	json_end_line(json, '}');
}

int admin_make(struct command *command, const char *list, struct admin_request *request, const char *what)
{
	struct status status = {0};
	struct cluster *cluster;
	int code = cluster_open(list, &cluster, &status);

	request->is_dry = command_has(command, "dry-run");
	if (code == 0)
		code = cluster_change(cluster, request, &status);
	cluster_close(cluster);
	if (code < 0)
		return command_fail(&status);
	if (request->kind == ADMIN_SET_CLUSTER)
		tell_setting(command, request);
	else
		tell(command, request, what);
	return COMMAND_OK;
}
