/* Lines of a log: whole, cut at their limit, those below the level left out; and nothing leaks where nobody takes them. */
#include "proto/logger.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/test.h"

#define LINES 1000

static void test_lines_in_a_file(void **state)
{
	char directory[128], path[160], line[2048], text[1500];
	struct logger of_file;
	const struct logger *logger = &of_file;
	FILE *file;
	int fd, count = 0;

	(void)state;
	memset(text, 'x', sizeof text);
	text[sizeof text - 1] = '\0';
	test_directory_make(directory, sizeof directory);
	snprintf(path, sizeof path, "%s/log", directory);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	of_file = logger_fd(fd, LOG_INFO);
	log_warn(logger, "%s", text);
	for (int i = 0; i < LINES; i++) {
		log_info(logger, "number=%d", i);
		log_debug(logger, "nobody asked");
	}
	close(fd);
	file = fopen(path, "r");
	assert_non_null(fgets(line, sizeof line, file));
	assert_int_equal(strspn(strchr(line, 'x'), "x"), 1023);
	for (; fgets(line, sizeof line, file); count++) {
		char end[64];

		snprintf(end, sizeof end, " level=info number=%d\n", count);
		assert_string_equal(strchr(line, 'Z') + 1, end);
	}
	assert_int_equal(count, LINES);
	fclose(file);
	test_directory_remove(directory);
}

static void test_sentences(void **state)
{
	static const char *const lines[][2] = {
		{"msg=\"it says\" a=1", "msg=\"it says\" a=1"},
		{"region 1: replica 2 is empty", "msg=\"region 1: replica 2 is empty\""},
		{"a \"b\" \\c\nd", "msg=\"a \\\"b\\\" \\\\c d\""},
		{"=", "msg=\"=\""},
		{"", "msg=\"\""},
	};
	char text[200];
	struct logger to_pipe;
	const struct logger *logger = &to_pipe;
	FILE *file;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	to_pipe = logger_fd(ends[1], LOG_INFO);
	file = fdopen(ends[0], "r");
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		log_info(logger, "%s", lines[i][0]);
		assert_non_null(fgets(text, sizeof text, file));
		text[strcspn(text, "\n")] = '\0';
		assert_string_equal(strstr(text, " level=info ") + strlen(" level=info "), lines[i][1]);
	}
	close(ends[1]);
	fclose(file);
}

static void test_lines_to_nowhere(void **state)
{
	struct logger nowhere = logger_fd(-1, LOG_INFO);
	const struct logger *logger = &nowhere;
	size_t before = mallinfo2().uordblks;

	(void)state;
	for (int i = 0; i < LINES; i++)
		log_info(logger, "number=%d", i);
	assert_in_range(mallinfo2().uordblks, 0, before + 4096);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_in_a_file),
		cmocka_unit_test(test_sentences),
		cmocka_unit_test(test_lines_to_nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
