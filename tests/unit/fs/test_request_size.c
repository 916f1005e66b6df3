/* fs/vfs/look: what a request that looks at an inode takes in memory, the question to the store included. */
#include "tests/lib/test.h"

#include <stdio.h>

#include "fs/vfs/look.h"

#define SIZE_MAX_OF_LOOKS 512u

static void requests_that_look_at_an_inode_are_small(void **state)
{
	(void)state;
	printf("bytes: client_read %zu, client_call %zu, request %zu, GETATTR %zu, LOOKUP %zu and its name\n",
		sizeof(struct client_read), sizeof(struct client_call), sizeof(struct request),
		sizeof(struct look), sizeof(struct lookup));
	assert_true(sizeof(struct look) <= SIZE_MAX_OF_LOOKS);
	assert_true(sizeof(struct lookup) <= SIZE_MAX_OF_LOOKS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(requests_that_look_at_an_inode_are_small)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
