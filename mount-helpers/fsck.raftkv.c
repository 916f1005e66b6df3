/* fsck.raftkv: checks a store, and repairs problems whose repair is safe; or checks a cluster while it is in use. See
 * fsck.raftkv(8). */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/check/check.h"
#include "fs/check/repair.h"
#include "fs/eval/eval.h"
#include "mount-helpers/json.h"
#include "mount-helpers/live_check.h"
#include "mount-helpers/mountinfo.h"
#include "mount-helpers/progress.h"
#include "mount-helpers/source.h"
#include "proto/env_uv.h"
#include "proto/version.h"

#define NAME		"fsck.raftkv"
#define CACHE_SIZE	(64u << 20) /* bytes */
#define CLOSE_WAIT_S	10 /* for the daemon of a mount that was just unmounted */
#define ROUND_COUNT_MAX 16 /* rounds of check and repair: a repair may uncover another problem */
#define READINGS	3 /* of a cluster, where the command line does not say */

/* Exit codes of fsck(8), combined by OR. */
enum {
	FSCK_CLEAN = 0,
	FSCK_CORRECTED = 1,
	FSCK_UNCORRECTED = 4,
	FSCK_OPERATIONAL = 8,
	FSCK_USAGE = 16,
	FSCK_CANCELLED = 32,
};

struct fsck {
	char target[PATH_MAX]; /* a store's directory, or addresses of a cluster's stores */
	bool is_cluster;
	uint32_t readings; /* of a cluster; 0: not said */
	bool repairs;
	bool reads_data;
	bool is_json;
	bool is_verbose;
	struct logger logger;
	struct env *env;
	struct progress_bar progress;
	struct json json;
	uint64_t corrected;
	uint64_t left;
};

static const char help[] =
	"usage: fsck.raftkv [-n | -p | -y] [--data] [--json] [-v] DIRECTORY\n"
	"       fsck.raftkv [-n] [--readings=N] [--json] [-v] HOST:PORT[,HOST:PORT...]\n"
	"\n"
	"Checks the store in DIRECTORY, which must not be mounted; or the whole\n"
	"cluster of these stores, while it is in use.\n"
	"\n"
	"  -n         change nothing (the default)\n"
	"  -p, -a, -y repair what is sure: counts, parents, lost files to /lost+found\n"
	"  --data     read all data and compare its checksums\n"
	"  --readings of a cluster: how many must agree on a problem [3]\n"
	"  --json     one JSON object on the standard output\n"
	"  -v         say more\n"
	"  -f         accepted: every check is a full one\n"
	"  --version, --help\n"
	"\n"
	"exit status: 0 clean, 1 corrected, 4 problems left, 8 could not check, 16 usage, 32 cancelled\n"
	"example: umount /mnt && fsck.raftkv -p --data /var/lib/raftkv\n"
	"See fsck.raftkv(8).\n";

/* ---- Printing ---- */

static int fail(const char *sentence, int exit_code)
{
	fprintf(stderr, NAME ": %s\n", sentence);
	return exit_code;
}

static const char *kind_of_target(const struct fsck *fsck)
{
	return fsck->is_cluster ? "cluster" : "store";
}

static void print_problem(struct fsck *fsck, const struct problem *problem)
{
	struct json *json = &fsck->json;

	if (fsck->is_json) {
		json_begin(json, NULL, '{');
		json_string(json, "code", problem->code);
		json_number(json, "ino", problem->ino);
		json_string(json, "path", problem->path);
		json_string(json, "text", problem->text);
		json_bool(json, "fixable", problem->fix.kind != FIX_NONE);
		json_bool(json, "corrected", problem->is_fixed);
		json_end(json, '}');
		return;
	}
	progress_clear(&fsck->progress);
	if (problem->path)
		printf("%s: ", problem->path);
	else if (problem->ino != 0)
		printf("inode %" PRIu64 ": ", problem->ino);
	else
		printf("%s: ", kind_of_target(fsck));
	printf("%s%s\n", problem->text, problem->is_fixed ? " (corrected)" : "");
}

/* What a check of a cluster does not look at is not told of it. */
static void write_counts(struct fsck *fsck, const struct check_counts *counts)
{
	struct json *json = &fsck->json;

	json_end(json, ']');
	json_number(json, "corrected", fsck->corrected);
	json_number(json, "left", fsck->left);
	json_number(json, "files", counts->files);
	json_number(json, "directories", counts->directories);
	if (!fsck->is_cluster) {
		json_number(json, "data_bytes", counts->units * BLOCK_UNIT_SIZE);
		json_number(json, "data_bytes_read", counts->units_read * BLOCK_UNIT_SIZE);
		json_number(json, "log_entries_replayed", counts->replayed);
		json_number(json, "regions_applying", counts->applying);
	}
	json_number(json, "open_without_name", counts->held);
	json_number(json, "intents", counts->intents);
	json_number(json, "committed", counts->committed);
}

static void print_counts(const struct fsck *fsck, const struct check_counts *counts)
{
	printf("%s: %" PRIu64 " files, %" PRIu64 " directories", fsck->target, counts->files,
		counts->directories);
	if (!fsck->is_cluster)
		printf(", %" PRIu64 " MiB of data%s", counts->units * BLOCK_UNIT_SIZE >> 20,
			fsck->reads_data ? ", all read" : "");
	if (fsck->left == 0 && fsck->corrected == 0)
		printf(": clean\n");
	else
		printf(": %" PRIu64 " problems corrected, %" PRIu64 " left\n", fsck->corrected, fsck->left);
}

/* The text has no summary for a check that did not reach its end. */
static void print_summary(struct fsck *fsck, const struct check_counts *counts, bool is_complete)
{
	if (fsck->is_json) {
		write_counts(fsck, counts);
		return;
	}
	if (!is_complete)
		return;
	progress_clear(&fsck->progress);
	if (fsck->left > REPORT_PROBLEM_COUNT_MAX)
		printf("%s: %" PRIu64 " more problems are not shown\n", kind_of_target(fsck),
			fsck->left - REPORT_PROBLEM_COUNT_MAX);
	print_counts(fsck, counts);
	if (counts->applying > 0)
		printf("%s: snapshots of %" PRIu64 " regions were being installed, which goes on at the next "
		       "start: files were not checked\n",
			fsck->target, counts->applying);
	if (counts->intents > 0 || counts->committed > 0)
		printf("%s: operations across regions had not ended, %" PRIu64 " of them committed: %" PRIu64
		       " intents; the names and counts that they change were not checked\n",
			fsck->target, counts->committed, counts->intents);
	if (fsck->is_verbose && !fsck->is_cluster)
		printf("%s: %" PRIu64 " entries of the log were not among the rows yet\n", fsck->target,
			counts->replayed);
	if (fsck->is_verbose)
		printf("%s: %" PRIu64 " files without a name were still open\n", fsck->target, counts->held);
}

static void print_readings(struct fsck *fsck, const struct live_check *live, bool is_complete)
{
	if (fsck->is_json) {
		json_number(&fsck->json, "regions", live->regions);
		json_number(&fsck->json, "readings", live->suspects.readings);
	} else if (is_complete && fsck->is_verbose) {
		printf("%s: %" PRIu32 " regions, in %" PRIu32 " readings\n", fsck->target, live->regions,
			live->suspects.readings);
	}
}

/* ---- Checking ---- */

static int on_progress(void *argument, const char *pass, double done)
{
	return progress_tell(argument, pass, done) ? 0 : 1;
}

/* Makes one check. `check` gets its problems, and is to be closed. */
static int look(struct fsck *fsck, struct check *check, struct status *status)
{
	const struct inspect_options options = {
		.env = fsck->env,
		.logger = &fsck->logger,
		.path = fsck->target,
		.evaluator = eval_evaluator(),
		.cache_size = CACHE_SIZE,
	};
	const struct check_options how = {
		.data = fsck->reads_data, .progress = on_progress, .argument = &fsck->progress};
	struct inspect *inspect;
	int code = inspect_open(&options, &inspect, status);

	*check = (struct check){0};
	if (code < 0)
		return code;
	code = check_run(check, inspect, &how);
	inspect_close(inspect);
	if (code < 0)
		status_set(status, code, code == -ECANCELED ? "cancelled" : "the check ends early: %s",
			status_name(code));
	return code;
}

/* Repairs some of the problems. 0, and in `*fixed` how many, or a negative status. */
static int repair(struct fsck *fsck, struct check *check, uint64_t *fixed, struct status *status)
{
	const struct repair_options options = {
		.env = fsck->env, .logger = &fsck->logger, .path = fsck->target};
	bool is_fixable = false;
	int code;

	*fixed = 0;
	for (size_t i = 0; i < check->report.count; i++)
		is_fixable = is_fixable || check->report.problems[i].fix.kind != FIX_NONE;
	if (!is_fixable)
		return 0;
	code = repair_run(&options, &check->report, fixed, status);
	for (size_t i = 0; i < check->report.count; i++)
		if (check->report.problems[i].is_fixed)
			print_problem(fsck, &check->report.problems[i]);
	fsck->corrected += *fixed;
	return code;
}

/* umount(2) returns before the daemon has closed the store: waits for that. */
static int wait_and_look(struct fsck *fsck, struct check *check, struct status *status)
{
	int code = look(fsck, check, status);

	for (int tenths = 0; code == -EBUSY && tenths < CLOSE_WAIT_S * 10; tenths++) {
		usleep(100000);
		check_close(check);
		code = look(fsck, check, status);
	}
	return code;
}

/* Checks and repairs, until no problem is left that can be repaired. */
static int check_store(struct fsck *fsck, struct check *check, struct status *status)
{
	uint64_t fixed = 1;
	int code = 0;

	for (int round = 0; code == 0; round++) {
		code = wait_and_look(fsck, check, status);
		if (code < 0 || !fsck->repairs || round == ROUND_COUNT_MAX || fixed == 0)
			break;
		code = repair(fsck, check, &fixed, status);
		if (code < 0 || fixed == 0)
			break;
		check_close(check);
	}
	fsck->left = check->report.total;
	for (size_t i = 0; i < check->report.count; i++)
		print_problem(fsck, &check->report.problems[i]);
	return code;
}

static int exit_code_of(const struct fsck *fsck, int code)
{
	int exit_code = (fsck->corrected > 0 ? FSCK_CORRECTED : 0) | (fsck->left > 0 ? FSCK_UNCORRECTED : 0);

	if (code == -ECANCELED)
		return exit_code | FSCK_CANCELLED;
	return code < 0 ? exit_code | FSCK_OPERATIONAL : exit_code;
}

static int run_on_store(struct fsck *fsck, struct status *status)
{
	struct check check = {0};
	int code = check_store(fsck, &check, status);

	print_summary(fsck, &check.counts, code == 0);
	check_close(&check);
	return code;
}

/* What fewer readings than all have found is nothing yet. */
static int run_on_cluster(struct fsck *fsck, struct status *status)
{
	const struct live_check_options options = {.env = fsck->env,
		.logger = &fsck->logger,
		.stores = fsck->target,
		.readings = fsck->readings,
		.progress = on_progress,
		.argument = &fsck->progress};
	struct live_check live;
	int code = live_check_run(&live, &options, status);

	fsck->left = code == 0 ? live.total : 0;
	for (size_t i = 0; code == 0 && i < live.suspects.count; i++)
		print_problem(fsck, &live.suspects.items[i].problem);
	print_summary(fsck, &live.counts, code == 0);
	print_readings(fsck, &live, code == 0);
	live_check_close(&live);
	return code;
}

static int run(struct fsck *fsck)
{
	struct env_uv_options env = {.worker_threads = 2, .io_threads = 2, .logger = &fsck->logger};
	struct status status = {0};
	int code, exit_code;

	progress_start(&fsck->progress, fsck->is_json);
	code = env_uv_new(&env, &fsck->env, &status);
	if (code < 0)
		return fail(status_sentence(&status), FSCK_OPERATIONAL);
	fsck->json.file = stdout;
	if (fsck->is_json) {
		json_begin(&fsck->json, NULL, '{');
		json_string(&fsck->json, kind_of_target(fsck), fsck->target);
		json_begin(&fsck->json, "problems", '[');
	}
	code = fsck->is_cluster ? run_on_cluster(fsck, &status) : run_on_store(fsck, &status);
	exit_code = exit_code_of(fsck, code);
	if (fsck->is_json) {
		json_string(&fsck->json, "error", code < 0 ? status_sentence(&status) : NULL);
		json_number(&fsck->json, "exit_status", (uint64_t)exit_code);
		json_end_line(&fsck->json, '}');
	}
	progress_stop(&fsck->progress);
	if (code < 0)
		fail(status_sentence(&status), 0);
	env_uv_free(fsck->env);
	return exit_code;
}

/* ---- The command line ---- */

enum long_option { OPTION_DATA = 256, OPTION_JSON, OPTION_READINGS, OPTION_VERSION, OPTION_HELP };

/* 0: it is none, or too great. */
static uint32_t read_count(const char *text)
{
	char *end;
	unsigned long count = strtoul(text, &end, 10);

	return *text >= '1' && *text <= '9' && *end == '\0' && count <= LIVE_CHECK_READINGS_MAX
		       ? (uint32_t)count
		       : 0;
}

static int check_options_of_target(struct fsck *fsck, const char *target)
{
	fsck->is_cluster = source_is_cluster(target);
	if (fsck->is_cluster && (fsck->repairs || fsck->reads_data))
		return fail(
			"a cluster that is in use is only looked at: -p and --data need the directory of a "
			"store that is not",
			'?');
	if (!fsck->is_cluster && fsck->readings > 0)
		return fail("--readings is for a cluster, by its addresses", '?');
	if (fsck->readings == 0)
		fsck->readings = READINGS;
	return 0;
}

static int parse(struct fsck *fsck, int count, char **arguments)
{
	static const struct option options[] = {
		{"data", no_argument, NULL, OPTION_DATA},
		{"json", no_argument, NULL, OPTION_JSON},
		{"readings", required_argument, NULL, OPTION_READINGS},
		{"version", no_argument, NULL, OPTION_VERSION},
		{"help", no_argument, NULL, OPTION_HELP},
		{0},
	};
	bool only_looks = false;
	int option;

	while ((option = getopt_long(count, arguments, "npayfvV", options, NULL)) != -1) {
		switch (option) {
		case 'n':
			only_looks = true;
			break;
		case 'p':
		case 'a':
		case 'y':
			fsck->repairs = true;
			break;
		case 'f':
			break;
		case 'v':
			fsck->is_verbose = true;
			break;
		case OPTION_DATA:
			fsck->reads_data = true;
			break;
		case OPTION_JSON:
			fsck->is_json = true;
			break;
		case OPTION_READINGS:
			fsck->readings = read_count(optarg);
			if (fsck->readings == 0)
				return fail("--readings is a number from 1 to 100", '?');
			break;
		case 'V':
		case OPTION_VERSION:
		case OPTION_HELP:
			return option;
		default:
			return '?';
		}
	}
	if (only_looks && fsck->repairs)
		return fail("-n and -p, -a or -y exclude each other", '?');
	if (optind + 1 != count)
		return fail("one DIRECTORY, or the addresses of a cluster, is needed; see --help", '?');
	return check_options_of_target(fsck, arguments[optind]);
}

static int find_cluster(struct fsck *fsck, const char *argument)
{
	struct status status = {0};

	if (source_parse_cluster(argument, fsck->target, &status) == 0)
		return FSCK_CLEAN;
	return fail(status_sentence(&status), FSCK_USAGE);
}

static int find_target(struct fsck *fsck, const char *argument)
{
	struct mountinfo mount;

	if (fsck->is_cluster)
		return find_cluster(fsck, argument);
	if (!realpath(argument, fsck->target)) {
		fprintf(stderr, NAME ": %s: %s\n", argument, strerror(errno));
		return FSCK_OPERATIONAL;
	}
	if (mountinfo_find_raftkv(fsck->target, &mount)) {
		fprintf(stderr, NAME ": %s is mounted on %s: 'umount %s' first, then check %s\n",
			mount.source, mount.point, mount.point, mount.source);
		return FSCK_OPERATIONAL;
	}
	return FSCK_CLEAN;
}

int main(int count, char **arguments)
{
	struct fsck fsck = {0};
	int option = parse(&fsck, count, arguments);
	int exit_code;

	switch (option) {
	case 0:
		break;
	case 'V':
	case OPTION_VERSION:
		puts("raftkv " RAFTKV_VERSION);
		return FSCK_CLEAN;
	case OPTION_HELP:
		fputs(help, stdout);
		return FSCK_CLEAN;
	default:
		return FSCK_USAGE;
	}
	fsck.logger = logger_fd(STDERR_FILENO, fsck.is_verbose ? LOG_INFO : LOG_NONE);
	exit_code = find_target(&fsck, arguments[optind]);
	return exit_code == FSCK_CLEAN ? run(&fsck) : exit_code;
}
