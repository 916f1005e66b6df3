/*
 * The POSIX suite: every pair of table.def tried on a directory, as root and as an unprivileged user.
 *
 *   posix [--list] [--check-table] [--only PATTERN] [--as root|user] [--verbose] DIRECTORY
 *
 * Each test runs in a process of its own with a time limit, in a fresh directory below DIRECTORY. Prints one line for
 * each failing test, then 'N passed, N failed'. --check-table prints pairs without a test and tests without a pair.
 */
#include "tests/posix/harness.h"

#include <dirent.h>
#include <fnmatch.h>
#include <ftw.h>
#include <getopt.h>
#include <sys/wait.h>

#include "tests/lib/patience.h"

enum { TEST_LIMIT_S = 60 };

struct pair {
	const char *name, *call, *expected;
};

#define PAIR(name, call, expected) {#name, call, expected},
static const struct pair table[] = {
#include "tests/posix/table.def"
};
#undef PAIR
enum { PAIRS = sizeof(table) / sizeof(table[0]) };

extern const struct test *const __start_posix_tests[], *const __stop_posix_tests[];

struct runner {
	const char *base, *only;
	unsigned as;
	bool verbose;
	int report; /* the reading end of REPORT_FD */
	int passed, failed, inapplicable;
};

static const struct test *find_test(const char *name)
{
	for (const struct test *const *at = __start_posix_tests; at < __stop_posix_tests; at++)
		if (!strcmp((*at)->name, name))
			return *at;
	return NULL;
}

static int count_named(const char *name)
{
	int count = 0;

	for (int i = 0; i < PAIRS; i++)
		count += !strcmp(table[i].name, name);
	return count;
}

static int check_table(void)
{
	int wrong = 0;

	for (int i = 0; i < PAIRS; i++) {
		if (!find_test(table[i].name))
			wrong++, printf("pair without a test: %s\n", table[i].name);
		if (count_named(table[i].name) > 1)
			wrong++, printf("pair named twice: %s\n", table[i].name);
	}
	for (const struct test *const *at = __start_posix_tests; at < __stop_posix_tests; at++)
		if (!count_named((*at)->name))
			wrong++, printf("test without a pair: %s\n", (*at)->name);
	printf("%d pairs, %d wrong\n", PAIRS, wrong);
	return wrong ? 1 : 0;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
	(void)status, (void)walk;
	return kind == FTW_DP || kind == FTW_DNR ? rmdir(path) : unlink(path);
}

static bool remove_tree(const char *path)
{
	return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) == 0;
}

static _Noreturn void run_in_child(const struct test *test, unsigned as, const char *directory)
{
	if (chdir(directory))
		_exit(REPORT_FAILED);
	setpgid(0, 0);
	umask(022);
	alarm((unsigned)patience(TEST_LIMIT_S));
	if (as == AS_USER)
		become(USER, GROUP);
	test->run();
	_exit(0);
}

static void count_result(struct runner *runner, const struct pair *pair, const char *who, int status)
{
	char text[1024];
	ssize_t size = read(runner->report, text, sizeof(text) - 1);

	text[size > 0 ? size : 0] = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		runner->passed++;
		if (runner->verbose)
			printf("ok %s (%s)\n", pair->name, who);
	} else if (WIFEXITED(status) && WEXITSTATUS(status) == REPORT_NOT_APPLICABLE) {
		runner->inapplicable++;
		if (runner->verbose)
			printf("not applicable %s (%s): %s\n", pair->name, who, text);
	} else {
		runner->failed++;
		printf("FAILED %s (%s): %s -> %s: ", pair->name, who, pair->call, pair->expected);
		if (WIFSIGNALED(status))
			printf("the test died of %s\n", strsignal(WTERMSIG(status)));
		else
			printf("%s\n", text);
	}
	fflush(stdout);
}

static void run_test(struct runner *runner, const struct pair *pair, const struct test *test, unsigned as)
{
	char directory[4096];
	const char *who = as == AS_USER ? "user" : "root";
	int status;
	pid_t child;

	snprintf(directory, sizeof(directory), "%s/%s.%s", runner->base, pair->name, who);
	if (mkdir(directory, 0755) || (as == AS_USER && chown(directory, USER, GROUP))) {
		perror(directory);
		exit(2);
	}
	child = fork();
	if (child == 0)
		run_in_child(test, as, directory);
	if (child < 0 || waitpid(child, &status, 0) != child) {
		perror("fork");
		exit(2);
	}
	kill(-child, SIGKILL); /* what the test started and did not end */
	count_result(runner, pair, who, status);
	if (!remove_tree(directory)) {
		runner->failed++;
		printf("FAILED %s (%s): its directory cannot be removed: %s\n", pair->name, who,
			strerror(errno));
	}
}

static bool is_selected(const struct runner *runner, const char *name)
{
	return !runner->only || strstr(name, runner->only) || !fnmatch(runner->only, name, 0);
}

static int run_all(struct runner *runner, const char *directory)
{
	char base[2048];

	snprintf(base, sizeof(base), "%s/posix.%d", directory, getpid());
	runner->base = base;
	if (mkdir(base, 0755)) {
		perror(base);
		return 2;
	}
	for (int i = 0; i < PAIRS; i++) {
		const struct test *test = find_test(table[i].name);

		if (!test || !is_selected(runner, table[i].name))
			continue;
		for (unsigned as = AS_ROOT; as <= AS_USER; as <<= 1)
			if (test->as & runner->as & as)
				run_test(runner, &table[i], test, as);
	}
	if (!remove_tree(base))
		perror(base);
	printf("%d passed, %d failed, %d not applicable\n", runner->passed, runner->failed,
		runner->inapplicable);
	return runner->failed || !runner->passed ? 1 : 0;
}

static int list(const struct runner *runner)
{
	for (int i = 0; i < PAIRS; i++)
		if (is_selected(runner, table[i].name))
			printf("%-40s %s -> %s\n", table[i].name, table[i].call, table[i].expected);
	return 0;
}

static int usage(void)
{
	fputs("usage: posix [--list] [--check-table] [--only PATTERN] [--as root|user] [--verbose] "
	      "DIRECTORY\n",
		stderr);
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"list", no_argument, NULL, 'l'},
		{"check-table", no_argument, NULL, 'c'}, {"only", required_argument, NULL, 'o'},
		{"as", required_argument, NULL, 'a'}, {"verbose", no_argument, NULL, 'v'}, {0}};
	struct runner runner = {.as = AS_ROOT | AS_USER};
	bool only_list = false;
	int ends[2];

	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (option) {
		case 'l':
			only_list = true;
			break;
		case 'c':
			return check_table();
		case 'o':
			runner.only = optarg;
			break;
		case 'a':
			runner.as = strcmp(optarg, "user") ? AS_ROOT : AS_USER;
			break;
		case 'v':
			runner.verbose = true;
			break;
		default:
			return usage();
		}
	}
	if (only_list)
		return list(&runner);
	if (optind + 1 != argc)
		return usage();
	if (pipe2(ends, O_NONBLOCK) || dup2(ends[1], REPORT_FD) < 0) {
		perror("pipe");
		return 2;
	}
	runner.report = ends[0];
	return run_all(&runner, argv[optind]);
}
