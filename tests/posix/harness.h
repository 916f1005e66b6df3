/* What the runner (main.c) and the checks (harness.c) agree on: how a test process tells what happened. */
#ifndef TESTS_POSIX_HARNESS_H
#define TESTS_POSIX_HARNESS_H

#include "tests/posix/posix.h"

enum {
	REPORT_FD = 900, /* a pipe to the runner, for one line that says what went wrong */
	/* Exit statuses of a test process. */
	REPORT_FAILED = 1,
	REPORT_NOT_APPLICABLE = 77,
};

#endif
