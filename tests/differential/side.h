/* One of the two filesystems that are compared: a directory of its own, open descriptors, and what an operation gave. */
#ifndef TESTS_DIFFERENTIAL_SIDE_H
#define TESTS_DIFFERENTIAL_SIDE_H

#include "tests/differential/operation.h"

struct side {
	int root; /* the directory in which all happens */
	int slots[SLOTS]; /* open descriptors, or -1 */
};

/* What both sides must agree on. */
struct outcome {
	intmax_t result;
	int error; /* errno where result is -1, else 0 */
	uint64_t digest; /* of the data, attributes or names that came back */
};

/* Makes the directory `name` below `directory`; exits with a message if it cannot. */
void side_init(struct side *side, const char *directory, const char *name);
void side_close(struct side *side);
struct outcome side_execute(struct side *side, const struct operation *operation);

uint64_t digest_add(uint64_t digest, const void *data, size_t size);

/* Both trees have the same names, types, modes, owners, link counts, sizes, contents, targets, attributes, and the same
 * modification time wherever one of them was set explicitly. True, or false and what differs in `text`. */
bool trees_are_equal(const struct side *a, const struct side *b, char *text, size_t size);

#endif
