#include "tests/lib/test.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/check.h"

void test_directory_make(char *path, size_t size)
{
	const char *parent = getenv("TMPDIR");

	snprintf(path, size, "%s/raftkv-test-XXXXXX", parent ? parent : "/var/tmp");
	check(mkdtemp(path));
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *walk)
{
	(void)stat;
	(void)type;
	(void)walk;
	return remove(path);
}

void test_directory_remove(const char *path)
{
	check(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
}
