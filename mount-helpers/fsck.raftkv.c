/* fsck.raftkv: checks a store, and repairs problems whose repair is safe. See fsck.raftkv(8). */
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
#include "mount-helpers/mountinfo.h"
#include "mount-helpers/progress.h"
#include "proto/env_uv.h"
#include "proto/version.h"

#define NAME		"fsck.raftkv"
#define CACHE_SIZE	(64u << 20) /* bytes */
#define CLOSE_WAIT_S	10 /* for the daemon of a mount that was just unmounted */
#define ROUND_COUNT_MAX 16 /* rounds of check and repair: a repair may uncover another problem */

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
	char directory[PATH_MAX];
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
	"\n"
	"Checks the store in DIRECTORY, which must not be mounted.\n"
	"\n"
	"  -n         change nothing (the default)\n"
	"  -p, -a, -y repair what is sure: counts, parents, lost files to /lost+found\n"
	"  --data     read all data and compare its checksums\n"
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
		printf("store: ");
	printf("%s%s\n", problem->text, problem->is_fixed ? " (corrected)" : "");
}

/* The text has no summary for a check that did not reach its end. */
static void print_summary(struct fsck *fsck, const struct check *check, bool is_complete)
{
	const struct check_counts *counts = &check->counts;
	struct json *json = &fsck->json;

	if (fsck->is_json) {
		json_end(json, ']');
		json_number(json, "corrected", fsck->corrected);
		json_number(json, "left", fsck->left);
		json_number(json, "files", counts->files);
		json_number(json, "directories", counts->directories);
		json_number(json, "data_bytes", counts->units * BLOCK_UNIT_SIZE);
		json_number(json, "data_bytes_read", counts->units_read * BLOCK_UNIT_SIZE);
		json_number(json, "log_entries_replayed", counts->replayed);
		json_number(json, "regions_applying", counts->applying);
		json_number(json, "open_without_name", counts->held);
		json_number(json, "intents", counts->intents);
		json_number(json, "committed", counts->committed);
		return;
	}
	if (!is_complete)
		return;
	progress_clear(&fsck->progress);
	if (fsck->left > REPORT_PROBLEM_COUNT_MAX)
		printf("store: %" PRIu64 " more problems are not shown\n",
			fsck->left - REPORT_PROBLEM_COUNT_MAX);
	printf("%s: %" PRIu64 " files, %" PRIu64 " directories, %" PRIu64 " MiB of data%s: ", fsck->directory,
		counts->files, counts->directories, counts->units * BLOCK_UNIT_SIZE >> 20,
		fsck->reads_data ? ", all read" : "");
	if (fsck->left == 0 && fsck->corrected == 0)
		printf("clean\n");
	else
		printf("%" PRIu64 " problems corrected, %" PRIu64 " left\n", fsck->corrected, fsck->left);
	if (counts->applying > 0)
		printf("%s: snapshots of %" PRIu64 " regions were being installed, which goes on at the next "
		       "start: files were not checked\n",
			fsck->directory, counts->applying);
	if (counts->intents > 0 || counts->committed > 0)
		printf("%s: operations across regions had not ended, %" PRIu64 " of them committed: %" PRIu64
		       " intents; the names and counts that they change were not checked\n",
			fsck->directory, counts->committed, counts->intents);
	if (fsck->is_verbose)
		printf("%s: %" PRIu64 " entries of the log were not among the rows yet; %" PRIu64
		       " files without a name were still open\n",
			fsck->directory, counts->replayed, counts->held);
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
		.path = fsck->directory,
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
		.env = fsck->env, .logger = &fsck->logger, .path = fsck->directory};
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

static int run(struct fsck *fsck)
{
	struct env_uv_options env = {.worker_threads = 2, .io_threads = 2, .logger = &fsck->logger};
	struct status status = {0};
	struct check check = {0};
	int code, exit_code;

	progress_start(&fsck->progress, fsck->is_json);
	code = env_uv_new(&env, &fsck->env, &status);
	if (code < 0)
		return fail(status_sentence(&status), FSCK_OPERATIONAL);
	fsck->json.file = stdout;
	if (fsck->is_json) {
		json_begin(&fsck->json, NULL, '{');
		json_string(&fsck->json, "store", fsck->directory);
		json_begin(&fsck->json, "problems", '[');
	}
	code = check_store(fsck, &check, &status);
	print_summary(fsck, &check, code == 0);
	exit_code = exit_code_of(fsck, code);
	if (fsck->is_json) {
		json_string(&fsck->json, "error", code < 0 ? status_sentence(&status) : NULL);
		json_number(&fsck->json, "exit_status", (uint64_t)exit_code);
		json_end_line(&fsck->json, '}');
	}
	progress_stop(&fsck->progress);
	if (code < 0)
		fail(status_sentence(&status), 0);
	check_close(&check);
	env_uv_free(fsck->env);
	return exit_code;
}

/* ---- The command line ---- */

enum long_option { OPTION_DATA = 256, OPTION_JSON, OPTION_VERSION, OPTION_HELP };

static int parse(struct fsck *fsck, int count, char **arguments)
{
	static const struct option options[] = {
		{"data", no_argument, NULL, OPTION_DATA},
		{"json", no_argument, NULL, OPTION_JSON},
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
	return optind + 1 == count ? 0 : fail("one DIRECTORY is needed; see --help", '?');
}

static int find_directory(struct fsck *fsck, const char *argument)
{
	struct mountinfo mount;

	if (!realpath(argument, fsck->directory)) {
		fprintf(stderr, NAME ": %s: %s\n", argument, strerror(errno));
		return FSCK_OPERATIONAL;
	}
	if (mountinfo_find_raftkv(fsck->directory, &mount)) {
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
	exit_code = find_directory(&fsck, arguments[optind]);
	return exit_code == FSCK_CLEAN ? run(&fsck) : exit_code;
}
