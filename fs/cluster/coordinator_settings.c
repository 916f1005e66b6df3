/* The settings of the cluster: read with the other records, given to the balance, and changed for administrators. */
#include <errno.h>
#include <inttypes.h>

#include "fs/cluster/coordinator_internal.h"

#define MOVE_REST_NS (10 * NS_PER_S) /* for which a region rests after a move that failed */
#define SCAN_MAX     65536u /* regions that the balance looks at, at a time */

static uint64_t by_options(const struct coordinator_options *options, enum cluster_setting setting)
{
	switch (setting) {
	case SETTING_REPLICAS:
		return options->replicas;
	case SETTING_STORE_DEAD_AFTER_S:
		return options->dead_after_s ? options->dead_after_s : COORDINATOR_DEAD_S;
	case SETTING_STORE_MOVES:
		return options->store_moves ? options->store_moves : COORDINATOR_STORE_MOVES;
	case SETTING_END:
		break;
	}
	return 0;
}

uint64_t coordinator_setting(const struct coordinator *coordinator, enum cluster_setting setting)
{
	return cluster_settings_get(
		&coordinator->settings, setting, by_options(&coordinator->options, setting));
}

void coordinator_use_settings(struct coordinator *coordinator)
{
	uint32_t moves = (uint32_t)coordinator_setting(coordinator, SETTING_STORE_MOVES);

	balance_set_options(coordinator->places->balance,
		&(struct balance_options){
			.replicas = (uint32_t)coordinator_setting(coordinator, SETTING_REPLICAS),
			.moves_per_store = moves,
			.transfers_per_store = moves,
			.dead_after_ns =
				coordinator_setting(coordinator, SETTING_STORE_DEAD_AFTER_S) * NS_PER_S,
			.rest_ns = MOVE_REST_NS,
			.scan_max = SCAN_MAX});
}

void coordinator_take_settings(struct coordinator *coordinator, const struct cluster_settings *settings)
{
	bool is_changed = false;

	for (unsigned i = 1; i < SETTING_END; i++)
		is_changed |= settings->is_set[i] != coordinator->settings.is_set[i] ||
			      settings->values[i] != coordinator->settings.values[i];
	coordinator->settings = *settings;
	if (is_changed)
		coordinator_use_settings(coordinator);
}

void coordinator_make_setting(struct coordinator *coordinator, struct admin_request *request)
{
	const struct op op = {.kind = OP_SETTING_SET,
		.setting_set = {request->setting, request->is_set, request->is_set ? request->value : 0}};
	struct status status = {0};

	coordinator->request = request;
	if (request->setting == 0 || request->setting >= SETTING_END)
		status_set(&status, STATUS_UNSUPPORTED,
			"the store that coordinates the cluster is older and does not know this setting");
	else if (request->is_set && !cluster_setting_takes(request->setting, request->value))
		status_set(&status, -EINVAL, "%s is from %" PRIu64 " to %" PRIu64 ", not %" PRIu64,
			cluster_setting_name(request->setting), cluster_setting_min(request->setting),
			cluster_setting_max(request->setting), request->value);
	if (status.code < 0 || request->is_dry)
		coordinator_finish_admin(coordinator, &status);
	else
		coordinator_run(coordinator, &op);
}
