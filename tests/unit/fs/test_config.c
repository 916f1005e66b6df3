/* The settings: kinds, ranges, files, lines of errors, origins. */
#include "tests/lib/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/config.h"

struct fixture {
	struct config config;
	struct status status;
	char directory[128];
	char path[160];
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	test_directory_make(fixture->directory, sizeof fixture->directory);
	snprintf(fixture->path, sizeof fixture->path, "%s/raftkv.conf", fixture->directory);
	*state = fixture;
	return config_init(&fixture->config);
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	config_close(&fixture->config);
	test_directory_remove(fixture->directory);
	free(fixture);
	return 0;
}

static int read_text(struct fixture *fixture, const char *text)
{
	FILE *file = fopen(fixture->path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	return config_read(&fixture->config, fixture->path, &fixture->status);
}

static void refuses(struct fixture *fixture, const char *text, const char *place, const char *reason)
{
	char wanted[200];

	assert_int_equal(read_text(fixture, text), -EINVAL);
	snprintf(wanted, sizeof wanted, "%s:%s: ", fixture->path, place);
	assert_int_equal(strncmp(fixture->status.text, wanted, strlen(wanted)), 0);
	assert_non_null(strstr(fixture->status.text, reason));
}

static void test_file(void **state)
{
	struct fixture *fixture = *state;
	struct config *config = &fixture->config;

	assert_int_equal(read_text(fixture, "# comment\n[kv]\ncache_bytes = 64M\n\n[raft]\nlease=false\n"
					    "[raft-engine]\nenable = false ; inline\n[mount]\nmetrics = a:1\n"
					    "[log]\nlevel = debug\n[store]\nreserve_bytes = auto"),
		0);
	assert_int_equal(config->store.kv_cache_size, 64 << 20);
	assert_true(config->store.lease_is_off);
	assert_true(config->store.raft_engine_is_rocksdb);
	assert_string_equal(config->metrics, "a:1");
	assert_int_equal(config->log_level, LOG_DEBUG);
	assert_int_equal(config->store.reserve_size, 0);
	assert_int_equal(config->store.tick_ms, 100);
	assert_int_equal(config_read(config, "/nonexistent", &fixture->status), -ENOENT);
}

static void test_errors(void **state)
{
	struct fixture *fixture = *state;
	char text[600];

	refuses(fixture, "[kv]\n\ncache = 1M\n", "3", "unknown key 'kv.cache'");
	refuses(fixture, "[nonsense]\nx = 1\n", "2", "unknown section in 'nonsense.x'");
	refuses(fixture, "x = 1\n", "1", "unknown");
	refuses(fixture, "[kv]\ncache_bytes = many\n", "2", "a number from 1048576");
	refuses(fixture, "[kv]\ncache_bytes = 1\n", "2", "a number from");
	refuses(fixture, "[kv]\ncache_bytes = 99999999999999999999G\n", "2", "a number from");
	refuses(fixture, "[kv]\ncache_bytes = auto\n", "2", "a number from");
	refuses(fixture, "[raft]\nlease = yes\n", "2", "true or false");
	refuses(fixture, "[log]\nlevel = loud\n", "2", "one of error, warn, info, debug, not");
	refuses(fixture, "[mount]\nread = most\n", "2", "one of leader, follower, nearest, not");
	refuses(fixture, "[mount]\ntimeo_s = 86401\n", "2", "0 to 86400");
	refuses(fixture, "[raft]\ntick_ms = 50\nlease = true\ntick_ms = 60\n", "4", "set twice");
	refuses(fixture, "[kv]\nnothing\n", "2", "neither");
	memset(text, 'x', sizeof text);
	memcpy(text, "[mount]\nmetrics = ", 18);
	text[sizeof text - 1] = '\0';
	refuses(fixture, text, "2", "too long");
}

static void test_assignments(void **state)
{
	struct fixture *fixture = *state;
	struct config *config = &fixture->config;
	struct status *status = &fixture->status;

	assert_int_equal(config_set_assignment(config, "raft.tick_ms=20", "here", status), 0);
	assert_int_equal(config->store.tick_ms, 20);
	assert_int_equal(config_set_assignment(config, "mount.metrics=a=b", "here", status), 0);
	assert_string_equal(config->metrics, "a=b");
	assert_int_equal(config_set_assignment(config, "mount.metrics=", "here", status), 0);
	assert_null(config->metrics);
	assert_int_equal(config_set_assignment(config, "raft.tick_ms", "here", status), -EINVAL);
	assert_int_equal(config_set_assignment(config, "tick_ms=20", "here", status), -EINVAL);
	assert_int_equal(config_set_assignment(config, "raft.tick=20", "here", status), -EINVAL);
	assert_int_equal(config_check(config, status), 0);
	assert_int_equal(config_set_assignment(config, "raft.heartbeat_ticks=15", "here", status), 0);
	assert_int_equal(config_check(config, status), -EINVAL);
}

/* What config_each prints is a file that sets the same. */
static void write_line(void *argument, const struct config_value *value)
{
	fprintf(argument, "[%s]\n%s = %s\n", value->section, value->name, value->value);
	assert_true(strlen(value->help) > 0);
}

static void compare(void *argument, const struct config_value *value)
{
	char **values = argument;

	assert_non_null(value->origin);
	assert_string_equal(*values, value->value);
	free(*values);
	memmove(values, values + 1, (CONFIG_KEY_COUNT_MAX - 1) * sizeof *values);
}

struct list {
	char *values[CONFIG_KEY_COUNT_MAX];
	size_t count;
};

static void keep(void *argument, const struct config_value *value)
{
	struct list *list = argument;

	list->values[list->count++] = strdup(value->value);
}

static void test_each(void **state)
{
	struct fixture *fixture = *state;
	struct list list = {0};
	FILE *file;

	assert_int_equal(
		config_set(&fixture->config, "kv", "cache_bytes", "3M", "here", &fixture->status), 0);
	file = fopen(fixture->path, "w");
	assert_non_null(file);
	config_each(&fixture->config, write_line, file);
	fclose(file);
	config_each(&fixture->config, keep, &list);
	config_close(&fixture->config);
	assert_int_equal(config_init(&fixture->config), 0);
	assert_int_equal(config_read(&fixture->config, fixture->path, &fixture->status), 0);
	config_each(&fixture->config, compare, list.values);
}

static void test_labels(void **state)
{
	static const char *const good[] = {"zone=a", "zone=a,host=h1.example_2-x", "a=1,b=2,c=3,d=4", ""};
	static const char *const bad[] = {"zone", "zone=", "=a", "zone=a,", ",zone=a", "zone=a b", "a=1,,b=2",
		"a=1,b=2,c=3,d=4,e=5", "zone=a=b"};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		config_set(&fixture->config, "server", "labels", good[i], "here", &fixture->status);
		assert_int_equal(config_check(&fixture->config, &fixture->status), 0);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		config_set(&fixture->config, "server", "labels", bad[i], "here", &fixture->status);
		assert_int_equal(config_check(&fixture->config, &fixture->status), -EINVAL);
		assert_non_null(strstr(fixture->status.text, "server.labels"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_errors, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_assignments, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_each, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_labels, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
