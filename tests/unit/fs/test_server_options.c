/* fs/server/options: the command line of raftkvd. */
#include "fs/server/options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/test.h"

#define ARGUMENTS_MAX 8

struct parsed {
	struct config config;
	enum server_request request;
	struct status status;
	int code;
};

static struct parsed parse(const char *const arguments[ARGUMENTS_MAX])
{
	struct parsed parsed = {0};
	char *copy[ARGUMENTS_MAX + 1] = {"raftkvd"};
	int count = 1;

	while (arguments[count - 1]) {
		copy[count] = (char *)(uintptr_t)arguments[count - 1];
		count++;
	}
	assert_int_equal(config_init(&parsed.config), 0);
	parsed.code = server_options_parse(&parsed.config, count, copy, &parsed.request, &parsed.status);
	return parsed;
}

static void refuses(const char *const arguments[ARGUMENTS_MAX], const char *reason)
{
	struct parsed parsed = parse(arguments);

	assert_int_equal(parsed.code, -EINVAL);
	if (!strstr(parsed.status.text, reason))
		fail_msg("'%s' does not say '%s'", parsed.status.text, reason);
	config_close(&parsed.config);
}

static void options_are_settings(void **state)
{
	static const char *const arguments[ARGUMENTS_MAX] = {"--data", "/d", "--listen=unix:/s", "--insecure",
		"--raft.tick_ms=20", "--initial-cluster", "a:1,b:1"};
	struct parsed parsed = parse(arguments);

	(void)state;
	if (parsed.code < 0)
		fail_msg("%s", parsed.status.text);
	assert_int_equal(parsed.request, SERVER_RUN);
	assert_string_equal(parsed.config.server.data, "/d");
	assert_string_equal(parsed.config.server.listen, "unix:/s");
	assert_string_equal(parsed.config.server.initial_cluster, "a:1,b:1");
	assert_true(parsed.config.server.is_insecure);
	assert_int_equal(parsed.config.store.tick_ms, 20);
	assert_null(parsed.config.server.join);
	config_close(&parsed.config);
}

static void command_line_wins_over_the_file(void **state)
{
	char directory[128], path[160];
	const char *arguments[ARGUMENTS_MAX] = {"--listen=b:2", "--config", path};
	struct parsed parsed;
	FILE *file;

	(void)state;
	test_directory_make(directory, sizeof directory);
	snprintf(path, sizeof path, "%s/conf", directory);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs("[server]\nlisten = a:1\ndata = /d\n", file);
	fclose(file);
	parsed = parse(arguments);
	assert_int_equal(parsed.code, 0);
	assert_string_equal(parsed.config.server.listen, "b:2");
	assert_string_equal(parsed.config.server.data, "/d");
	config_close(&parsed.config);
	test_directory_remove(directory);
}

static void what_is_not_known_is_refused(void **state)
{
	(void)state;
	refuses((const char *const[ARGUMENTS_MAX]){"--data"}, "needs a value");
	refuses((const char *const[ARGUMENTS_MAX]){"extra"}, "'extra' is no option");
	refuses((const char *const[ARGUMENTS_MAX]){"--nonsense"}, "SECTION.KEY=VALUE");
	refuses((const char *const[ARGUMENTS_MAX]){"--raft.nonsense=1"}, "unknown key");
	refuses((const char *const[ARGUMENTS_MAX]){"--raft.tick_ms=1"}, "from 10 to");
	refuses((const char *const[ARGUMENTS_MAX]){"--insecure=true"}, "SECTION.KEY=VALUE");
	refuses((const char *const[ARGUMENTS_MAX]){"--raft.heartbeat_ticks=15"}, "below raft.election_ticks");
}

static void help_needs_nothing_else(void **state)
{
	struct parsed parsed = parse((const char *const[ARGUMENTS_MAX]){"--nonsense", "--help"});

	(void)state;
	assert_int_equal(parsed.code, 0);
	assert_int_equal(parsed.request, SERVER_HELP);
	config_close(&parsed.config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_are_settings),
		cmocka_unit_test(command_line_wins_over_the_file),
		cmocka_unit_test(what_is_not_known_is_refused),
		cmocka_unit_test(help_needs_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
