/*
 * command_region.c: raftkv region: lists the regions of a store or of a cluster, splits them, and moves their leadership
 * and replicas.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fs/schema/split_key.h"

#include "mount-helpers/cluster_view.h"
#include "mount-helpers/command.h"
#include "mount-helpers/command_admin.h"
#include "mount-helpers/region_place.h"

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

/* Keys as hexadecimal digits have the keys' order. */
static bool is_meant(const struct region_line *line, const struct region_place *place)
{
	char key[2 * FS_KEY_SIZE_MAX + 1];

	if (!place || place->region > 0)
		return !place || line->id == place->region;
	region_place_print_key(place, key);
	return (strcmp(line->start, "-") == 0 || strcmp(line->start, key) <= 0) &&
	       (strcmp(line->end, "-") == 0 || strcmp(key, line->end) < 0);
}

/* Returns how many lines are printed. */
static size_t print_lines(
	struct command *command, const struct target *target, const struct region_place *place)
{
	size_t limit = view_limit(command), count = 0, left_out = 0;
	struct region_line line;

	for (size_t i = 0; i < target->count; i++) {
		if (!parse(&target->stats[i], &line) || !is_meant(&line, place))
			continue;
		if (count == limit)
			left_out++;
		else
			print_line(command, &line);
		count += count < limit;
	}
	if (!place && !command->is_json)
		view_tell_left_out(left_out);
	return count;
}

static int list_store(struct command *command, struct target *target, const struct region_place *place)
{
	struct status status = {0};
	int code = target_load(target, &status);
	size_t count;

	if (code < 0)
		return command_fail(&status);
	if (command->is_json)
		json_begin(&command->json, NULL, '[');
	else
		printf("%8s  %-20s  %-20s  %7s  %12s  %s\n", "region", "from", "to", "version",
			"conf version", "leader");
	count = print_lines(command, target, place);
	if (command->is_json)
		json_end_line(&command->json, ']');
	if (!place || count > 0)
		return COMMAND_OK;
	status_set(&status, STATUS_REGION_NOT_FOUND, "the store has no region %s", place->text);
	return command_fail(&status);
}

/* `place` NULL: all. */
static int list(struct command *command, const char *path, const struct region_place *place)
{
	struct status status = {0};
	struct target target;
	int exit_code;

	if (target_open(&target, path, &status) < 0)
		exit_code = command_fail(&status);
	else if (target_is_cluster(&target))
		exit_code = place ? view_region(command, target.cluster, place)
				  : view_regions(command, target.cluster);
	else
		exit_code = list_store(command, &target, place);
	target_close(&target);
	return exit_code;
}

int command_region_ls(struct command *command)
{
	return list(command, command->arguments[0], NULL);
}

/* The target is the last argument; a path in a mount is its own. NULL: one is missing, and a message is printed. */
static const char *target_of(const struct command *command, const struct region_place *place)
{
	struct status status = {0};

	if (command->count > 1)
		return command->arguments[1];
	if (place->is_path)
		return place->text;
	status_set(&status, -EINVAL,
		"of which cluster is region %s: a TARGET is missing; see 'raftkv --help'", place->text);
	command_fail(&status);
	return NULL;
}

int command_region_show(struct command *command)
{
	struct region_place place;
	struct status status = {0};
	const char *target;

	if (region_place_read(command->arguments[0], &place, &status) < 0) {
		command_fail(&status);
		return COMMAND_USAGE;
	}
	target = target_of(command, &place);
	return target ? list(command, target, &place) : COMMAND_USAGE;
}

/* ---- Splitting ---- */

static void tell_split(struct command *command, const struct admin_request *request)
{
	struct json *json = &command->json;
	uint64_t dirid = fs_key_get_dirid(fs_key_slice(&request->key));

	if (!command->is_json && request->is_dry)
		printf("region %" PRIu64 " would be split at dirid:0x%" PRIx64 " (not done)\n",
			request->region, dirid);
	else if (!command->is_json)
		printf("region %" PRIu64 " is split: region %" PRIu64 " begins at dirid:0x%" PRIx64 "\n",
			request->region, request->new_region, dirid);
	if (!command->is_json)
		return;
	json_begin(json, NULL, '{');
	json_bool(json, "done", !request->is_dry);
	json_number(json, "region", request->region);
	json_number(json, "dirid", dirid);
	json_number(json, "new_region", request->new_region);
	json_end_line(json, '}');
}

/* Where the split is to be: at the dirid; or in the middle of the region, of which any key says which it is. */
static int choose(struct cluster *cluster, const struct region_place *place, struct admin_request *request,
	struct status *status)
{
	struct slice start;
	struct buf *key;
	int code;

	if (place->region == 0) {
		request->key = region_place_key(place);
		return 0;
	}
	code = view_find_start(cluster, place->region, &key, status);
	if (code < 0)
		return code;
	start = buf_slice(key);
	request->in_middle = true;
	request->key.size = (uint16_t)start.size;
	if (start.size > 0)
		memcpy(request->key.bytes, start.data, start.size);
	buf_unref(key);
	return 0;
}

/* First only a question, which says where the middle is: the request that splits has the key, and may be repeated. */
static int split(struct cluster *cluster, const struct region_place *place, bool is_dry,
	struct admin_request *request, struct status *status)
{
	int code = choose(cluster, place, request, status);

	request->is_dry = true;
	if (code == 0)
		code = cluster_change(cluster, request, status);
	if (code < 0 || is_dry)
		return code;
	request->is_dry = false;
	request->in_middle = false;
	return cluster_change(cluster, request, status);
}

static int read_split_place(const char *text, struct region_place *place, struct status *status)
{
	int code = region_place_read(text, place, status);

	if (code < 0 || place->region > 0)
		return code;
	if (place->is_path && !place->is_directory)
		return status_set(status, -ENOTDIR,
			"%.150s is no directory: a region begins with a directory, and the files that were "
			"made "
			"in it",
			text);
	if (place->dirid == 0)
		return status_set(status, -EINVAL,
			"%.150s is the root directory, with which the first region begins: name one below it",
			text);
	return 0;
}

int command_region_split(struct command *command)
{
	struct admin_request request = {.kind = ADMIN_SPLIT};
	struct region_place place;
	struct status status = {0};
	struct cluster *cluster;
	char list[PATH_MAX];
	const char *target;
	int code, exit_code;

	if (read_split_place(command->arguments[0], &place, &status) < 0) {
		command_fail(&status);
		return COMMAND_USAGE;
	}
	target = target_of(command, &place);
	if (!target)
		return COMMAND_USAGE;
	exit_code = admin_find_cluster(target, list);
	if (exit_code != COMMAND_OK)
		return exit_code;
	code = cluster_open(list, &cluster, &status);
	if (code == 0)
		code = split(cluster, &place, command_has(command, "dry-run"), &request, &status);
	cluster_close(cluster);
	if (code < 0)
		return command_fail(&status);
	tell_split(command, &request);
	return COMMAND_OK;
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
