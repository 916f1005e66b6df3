/*
 * command_status.c: raftkv status prints one screen about a store, a mount or a cluster; raftkv health prints its
 * problems and their remedies.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "mount-helpers/cluster_view.h"
#include "mount-helpers/command.h"
#include "mount-helpers/size_text.h"

#define SPACE_LOW_PERCENT 5

/* ---- Status ---- */

static void print_sizes(const struct target *target, const char *label, const char *used, const char *total)
{
	char one[32], other[32];

	if (target_find(target, used) && target_find(target, total))
		printf("%-10s %s of %s\n", label, size_text(target_number(target, used), one),
			size_text(target_number(target, total), other));
}

static void print_uptime(const struct target *target)
{
	uint64_t seconds = target_number(target, "uptime_seconds");

	printf("%-10s %s, for %" PRIu64 " d %02" PRIu64 ":%02" PRIu64 ":%02" PRIu64 ", process %s\n",
		"mounted", target->mount_point, seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60,
		seconds % 60, target_find(target, "process_id"));
}

static void print_live(const struct target *target)
{
	char one[32], other[32];

	print_uptime(target);
	print_sizes(target, "data", "data_used_bytes", "data_total_bytes");
	printf("%-10s %s live, %s on disk, %s writes in %s syncs\n", "log",
		size_text(target_number(target, "log_live_bytes"), one),
		size_text(target_number(target, "log_disk_bytes"), other),
		target_find(target, "log_records_total"), target_find(target, "log_syncs_total"));
	printf("%-10s all but %s records, %s; %s were answered early so far\n", "durable",
		target_find(target, "not_durable_records"),
		size_text(target_number(target, "not_durable_bytes"), one),
		target_find(target, "answered_early_total"));
	printf("%-10s %s of rows read, %s of rows not yet flushed\n", "memory",
		size_text(target_number(target, "kv_cache_bytes"), one),
		size_text(target_number(target, "kv_memtable_bytes"), other));
	printf("%-10s %s writes, %s reads under the lease, %s by a round, %s flushes\n", "since then",
		target_find(target, "writes_total"), target_find(target, "reads_lease_total"),
		target_find(target, "reads_read_index_total"), target_find(target, "flushes_total"));
}

static void print_last_error(const struct target *target)
{
	char line[1024];

	printf("%-10s %s\n", "last error",
		target_last_error(target, line, sizeof line) ? line
		: target->address[0]			     ? "see the log there"
							     : "none");
}

/* The stats of a mount of a cluster, which are about its own requests only. */
static void print_remote(const struct target *target)
{
	uint64_t waits = target_number(target, "waits_ms");

	printf("%-10s %s (version %s)\n", "cluster", target_find(target, "cluster"),
		target_find(target, "version"));
	print_uptime(target);
	printf("%-10s %s, over %s connections\n", "session", target_find(target, "session"),
		target_find(target, "links"));
	printf("%-10s %s changes, %s reads; %s attempts again, %s without an answer, %s connections lost\n",
		"since then", target_find(target, "calls_total"), target_find(target, "reads_total"),
		target_find(target, "retries_total"), target_find(target, "timeouts_total"),
		target_find(target, "link_failures_total"));
	if (waits > 0)
		printf("%-10s for %" PRIu64 ".%" PRIu64 " s for the cluster, with %s requests\n", "waiting",
			waits / 1000, waits / 100 % 10, target_find(target, "under_way"));
	print_last_error(target);
}

static void print_status(const struct target *target)
{
	printf("%-10s %s (version %s)\n", "store", target->store, target_find(target, "version"));
	if (target_is_mounted(target))
		print_live(target);
	else
		printf("%-10s no; %" PRIu64 " entries of the log are to be replayed\n", "mounted",
			target_number(target, "log_entries_to_replay"));
	print_sizes(target, "disk free", "space_available_bytes", "space_total_bytes");
	printf("%-10s %s", "regions", target_find(target, "regions"));
	if (target_is_mounted(target))
		printf(", %s led here", target_find(target, "leaders"));
	putchar('\n');
	print_last_error(target);
}

static bool is_number(const char *text)
{
	return *text != '\0' && strspn(text, "0123456789") == strlen(text);
}

/* Writes the stats into a JSON object that is open. */
static void write_parts(struct json *json, const struct target *target)
{
	char line[1024];

	json_bool(json, "mounted", target_is_mounted(target));
	for (size_t i = 0; i < target->count; i++) {
		const struct statistic *stat = &target->stats[i];

		if (strcmp(stat->name, "region") == 0 || strcmp(stat->name, "operation") == 0 ||
			strcmp(stat->name, "setting") == 0 || strcmp(stat->name, "stage") == 0)
			continue;
		if (is_number(stat->value))
			json_number(json, stat->name, strtoull(stat->value, NULL, 10));
		else
			json_string(json, stat->name, stat->value);
	}
	json_string(json, "last_error", target_last_error(target, line, sizeof line) ? line : NULL);
}

static void write_status(struct json *json, const struct target *target)
{
	json_begin(json, NULL, '{');
	write_parts(json, target);
	json_end_line(json, '}');
}

static int write_mount_and_cluster(struct json *json, const struct target *target)
{
	int exit_code;

	json_begin(json, NULL, '{');
	write_parts(json, target);
	exit_code = view_write_parts(json, target->cluster);
	json_end_line(json, '}');
	return exit_code;
}

/* For a mount of a cluster, the mount's own stats come first, which the cluster does not have. */
static int show_cluster(struct command *command, struct target *target)
{
	struct status status = {0};
	int code = target_is_mounted(target) && target->address[0] == '\0' ? target_load(target, &status) : 0;

	if (code < 0)
		return command_fail(&status);
	if (target->mount_point[0] == '\0')
		return view_status(command, target->cluster);
	if (command->is_json)
		return write_mount_and_cluster(&command->json, target);
	print_remote(target);
	putchar('\n');
	return view_status(command, target->cluster);
}

int command_status(struct command *command)
{
	struct status status = {0};
	struct target target;
	int code = target_open(&target, command->arguments[0], &status);

	if (code == 0 && target_is_cluster(&target)) {
		int exit_code = show_cluster(command, &target);

		target_close(&target);
		return exit_code;
	}
	if (code == 0)
		code = target_load(&target, &status);
	if (code == 0 && command->is_json)
		write_status(&command->json, &target);
	else if (code == 0 && target_find(&target, "cluster"))
		print_remote(&target);
	else if (code == 0)
		print_status(&target);
	target_close(&target);
	return code < 0 ? command_fail(&status) : COMMAND_OK;
}

/* ---- Health ---- */

/* One possible problem. Its code is never given another meaning. */
struct complaint {
	const char *code;
	const char *text;
	const char *remedy;
	bool (*applies)(const struct target *target);
};

static bool is_log_damaged(const struct target *target)
{
	return target_find(target, "log_error") != NULL;
}

static bool are_blocks_damaged(const struct target *target)
{
	return target_find(target, "blocks_error") != NULL;
}

static bool is_space_low(const struct target *target)
{
	uint64_t total = target_number(target, "space_total_bytes");

	return total > 0 && target_number(target, "space_available_bytes") < total / 100 * SPACE_LOW_PERCENT;
}

static bool is_leaderless(const struct target *target)
{
	return target_is_mounted(target) &&
	       target_number(target, "leaders") < target_number(target, "regions");
}

static bool is_throttled(const struct target *target)
{
	return target_number(target, "writes_throttled_total") > 0;
}

static bool is_waiting(const struct target *target)
{
	return target_number(target, "waits_ms") > 0;
}

static bool has_error(const struct target *target)
{
	char line[1024];

	return target_last_error(target, line, sizeof line);
}

static const struct complaint complaints[] = {
	{"RKV001", "the raft log is damaged",
		"run fsck.raftkv(8) on the store; restore a copy if it does not open", is_log_damaged},
	{"RKV002", "the files of the block store are damaged", "run fsck.raftkv --data on the store",
		are_blocks_damaged},
	{"RKV003", "less than 5 % of the disk is free", "remove files, or give the disk more room",
		is_space_low},
	{"RKV004", "a region has no leader", "wait a few seconds; then see the log", is_leaderless},
	{"RKV005", "writes had to wait for the disk to keep up", "a faster disk, or less to write at once",
		is_throttled},
	{"RKV006", "the log of the store tells of an error", "see 'raftkv status' for the last one",
		has_error},
	{"RKV008", "the cluster does not answer this mount",
		"see that most of its stores run and can be reached; requests wait meanwhile", is_waiting},
};

static void print_complaint(struct command *command, const char *code, const char *text, const char *remedy)
{
	struct json *json = &command->json;

	if (!command->is_json) {
		printf("%s %s\n       %s\n", code, text, remedy);
		return;
	}
	json_begin(json, NULL, '{');
	json_string(json, "code", code);
	json_string(json, "text", text);
	json_string(json, "remedy", remedy);
	json_end(json, '}');
}

static int judge(struct command *command, const struct target *target)
{
	int exit_code = COMMAND_OK;

	for (size_t i = 0; i < sizeof complaints / sizeof *complaints; i++) {
		if (!complaints[i].applies(target))
			continue;
		print_complaint(command, complaints[i].code, complaints[i].text, complaints[i].remedy);
		exit_code = COMMAND_UNHEALTHY;
	}
	return exit_code;
}

/* For a mount, or for a store that is in no cluster. */
static int judge_target(struct command *command, struct target *target, bool *is_ill)
{
	struct status status = {0};
	int code = target_load(target, &status);

	if (code < 0 && !target_is_mounted(target))
		return command_fail(&status);
	if (code < 0 && target->address[0] != '\0')
		print_complaint(command, "RKV102", status.text, "start it, and see its log");
	else if (code < 0)
		print_complaint(
			command, "RKV007", status.text, "if the daemon is gone: umount -l, then mount again");
	*is_ill = code < 0 || judge(command, target) == COMMAND_UNHEALTHY;
	return COMMAND_OK;
}

int command_health(struct command *command)
{
	struct status status = {0};
	struct target target;
	int code = target_open(&target, command->arguments[0], &status);
	bool is_cluster = code == 0 && target_is_cluster(&target), is_ill = false;
	int exit_code = COMMAND_OK;

	if (code < 0)
		return command_fail(&status);
	if (command->is_json)
		json_begin(&command->json, NULL, '[');
	if (!is_cluster || target.mount_point[0] != '\0')
		exit_code = judge_target(command, &target, &is_ill);
	if (is_cluster && exit_code == COMMAND_OK)
		exit_code = view_judge(command, target.cluster, &is_ill);
	if (command->is_json)
		json_end_line(&command->json, ']');
	else if (exit_code == COMMAND_OK && !is_ill)
		puts("healthy");
	target_close(&target);
	return exit_code != COMMAND_OK ? exit_code : is_ill ? COMMAND_UNHEALTHY : COMMAND_OK;
}
