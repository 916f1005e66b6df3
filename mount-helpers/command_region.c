/*
 * command_region.c: raftkv region: lists the regions of a store or of a cluster, and moves their leadership and
 * replicas.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "mount-helpers/cluster_view.h"
#include "mount-helpers/command.h"
#include "mount-helpers/command_admin.h"

struct region_line {
	uint64_t id, version, conf_version, term;
	char start[256], end[256]; /* hexadecimal, "-": no bound */
};

static bool parse(const struct statistic *stat, struct region_line *line)
{
	return strcmp(stat->name, "region") == 0 &&
	       sscanf(stat->value, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %255s %255s", &line->id,
		       &line->version, &line->conf_version, &line->term, line->start, line->end) == 6;
}

static void print_line(struct command *command, const struct region_line *line)
{
	struct json *json = &command->json;

	if (!command->is_json) {
		printf("%8" PRIu64 "  %-20s  %-20s  %7" PRIu64 "  %12" PRIu64 "  %s\n", line->id, line->start,
			line->end, line->version, line->conf_version, line->term > 0 ? "here" : "-");
		return;
	}
	json_begin(json, NULL, '{');
	json_number(json, "id", line->id);
	json_string(json, "start", strcmp(line->start, "-") == 0 ? NULL : line->start);
	json_string(json, "end", strcmp(line->end, "-") == 0 ? NULL : line->end);
	json_number(json, "version", line->version);
	json_number(json, "conf_version", line->conf_version);
	json_number(json, "leader_term", line->term);
	json_end(json, '}');
}

/* `id` 0: all. */
static int list(struct command *command, const char *path, uint64_t id)
{
	struct status status = {0};
	struct target target;
	struct region_line line;
	bool found = id == 0;
	int code = target_open(&target, path, &status);

	if (code == 0 && target_is_cluster(&target)) {
		int exit_code = view_regions(command, target.cluster, id);

		target_close(&target);
		return exit_code;
	}
	if (code == 0)
		code = target_load(&target, &status);
	if (code == 0 && command->is_json)
		json_begin(&command->json, NULL, '[');
	else if (code == 0)
		printf("%8s  %-20s  %-20s  %7s  %12s  %s\n", "region", "from", "to", "version",
			"conf version", "leader");
	for (size_t i = 0; code == 0 && i < target.count; i++) {
		if (!parse(&target.stats[i], &line) || (id != 0 && line.id != id))
			continue;
		print_line(command, &line);
		found = true;
	}
	if (code == 0 && command->is_json) {
		json_end(&command->json, ']');
		putchar('\n');
	}
	target_close(&target);
	if (code == 0 && !found)
		code = status_set(&status, STATUS_REGION_NOT_FOUND, "the store has no region %" PRIu64, id);
	return code < 0 ? command_fail(&status) : COMMAND_OK;
}

int command_region_ls(struct command *command)
{
	return list(command, command->arguments[0], 0);
}

int command_region_show(struct command *command)
{
	char *end;
	uint64_t id = strtoull(command->arguments[0], &end, 10);
	struct status status = {0};

	if (id == 0 || *end != '\0') {
		status_set(&status, -1, "'%s' is no region's number", command->arguments[0]);
		command_fail(&status);
		return COMMAND_USAGE;
	}
	return list(command, command->arguments[1], id);
}

/* ---- Replicas ---- */

static int make(struct command *command, enum admin_kind kind, const char *what)
{
	struct admin_request request = {.kind = kind};
	char list[PATH_MAX];
	int exit_code;

	if (!admin_read_number(command->arguments[0], &request.region) ||
		!admin_read_number(command->arguments[1], &request.store))
		return COMMAND_USAGE;
	exit_code = admin_find_cluster(command->arguments[2], list);
	return exit_code == COMMAND_OK ? admin_make(command, list, &request, what) : exit_code;
}

int command_region_transfer(struct command *command)
{
	return make(command, ADMIN_TRANSFER, "gets the leadership");
}

/* Adds a learner; then the second request waits until it has caught up, and makes it a voter. */
int command_region_add_peer(struct command *command)
{
	int exit_code = make(command, ADMIN_ADD_PEER, "a replica is added");

	if (exit_code != COMMAND_OK || command_has(command, "dry-run"))
		return exit_code;
	return make(command, ADMIN_PROMOTE_PEER, "the replica has caught up, and votes");
}

int command_region_remove_peer(struct command *command)
{
	return make(command, ADMIN_REMOVE_PEER, "the replica is removed");
}
