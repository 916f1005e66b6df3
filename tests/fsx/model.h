/*
 * What a file must contain: a shadow in memory on which every operation is done too. Several processes share the file
 * and, in a shared mapping, the shadow: each works on a stripe of its own, or all on everything under a lock.
 */
#ifndef TESTS_FSX_MODEL_H
#define TESTS_FSX_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { FILE_MAX = 1 << 20, LOG_MAX = 400 };

struct shadow {
	off_t size;
	unsigned char bytes[FILE_MAX]; /* zeros past size */
};

struct log_entry {
	unsigned number;
	const char *what;
	off_t offset, size, other;
};

/* One process's work on the file. */
struct worker {
	const char *path;
	struct shadow *shadow;
	uint64_t random;
	off_t begin, end; /* the stripe; the size changes only where the stripe is everything */
	bool is_locked; /* takes a POSIX lock around each operation */
	int fd, direct_fd; /* of the same file; direct_fd is -1 where O_DIRECT is not supported */
	unsigned done;
	struct log_entry log[LOG_MAX];
	unsigned char *buffer; /* FILE_MAX bytes, aligned for O_DIRECT */
};

/* Opens the file; false with a message on stderr. */
bool worker_open(struct worker *worker);
void worker_close(struct worker *worker);
/* One random operation, checked. False: it went wrong, which has been printed with the log of the operations before. */
bool worker_step(struct worker *worker);
/* The whole file is what the shadow says. */
bool worker_verify(struct worker *worker);

#endif
