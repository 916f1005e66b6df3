/*
 * fs_harness.h: a filesystem without a store: operations are evaluated against a memory_view and applied at once.
 */
#ifndef RAFTKV_TESTS_LIB_FS_HARNESS_H
#define RAFTKV_TESTS_LIB_FS_HARNESS_H

#include <stdint.h>

#include "fs/schema/op.h"
#include "fs/schema/read.h"
#include "store/evaluate/evaluator.h"
#include "tests/lib/memory_view.h"

#define HARNESS_SESSION 7u

struct fs_harness {
	struct memory_view *memory;
	struct view *view;
	struct evaluator *evaluator;
	uint64_t wall; /* ns; each operation comes a second after the one before */
	uint64_t random;
	uint64_t session;
	uint64_t region; /* its id */
	uint64_t term;
	struct slice region_start;
	struct slice region_end;
	struct op_reply reply; /* of the last operation */
	struct buf *lacking; /* what the last operation lacks, after STATUS_INCOMPLETE; else NULL */
	uint64_t mutation_count; /* of the last operation */
	bool spares_space; /* so does the last operation (mutations_spares_space) */
};

/* Without any row. */
void fs_harness_init_empty(struct fs_harness *harness, uint64_t seed);
/* With a root directory of 0:0, mode 0755. */
void fs_harness_init(struct fs_harness *harness, uint64_t seed);
void fs_harness_close(struct fs_harness *harness);

/* cmocka's: a harness as the state of a test, verified at its end. */
int fs_harness_setup(void **state);
int fs_harness_teardown(void **state);

/* Encodes, decodes, evaluates (again, as long as the view blocks), applies. The operation's error, or the evaluation's. */
int fs_harness_run(struct fs_harness *harness, const struct op *op, struct buf *payload);
/* As a run, but `payload` is made of `size` bytes. */
int fs_harness_write(struct fs_harness *harness, uint64_t ino, uint64_t offset, uint32_t flags,
	const void *bytes, size_t size);

struct slice text(const char *name);

/* Shorthands. Those that make or find something give its ino, which takes all 64 bits, or an error: */
static inline bool is_ino(int64_t result)
{
	return result > 0 || result < -100000;
}

int64_t fs_make(struct fs_harness *harness, uint64_t parent, const char *name, uint32_t mode);
int64_t fs_symlink(struct fs_harness *harness, uint64_t parent, const char *name, const char *target);
int fs_link(struct fs_harness *harness, uint64_t ino, uint64_t parent, const char *name);
int fs_unlink(struct fs_harness *harness, uint64_t parent, const char *name, bool hold);
int fs_rmdir(struct fs_harness *harness, uint64_t parent, const char *name);
int fs_rename(struct fs_harness *harness, uint64_t parent, const char *name, uint64_t new_parent,
	const char *new_name, uint32_t flags);
int fs_truncate(struct fs_harness *harness, uint64_t ino, uint64_t size);
int fs_fallocate(struct fs_harness *harness, uint64_t ino, uint32_t mode, uint64_t offset, uint64_t length);
int fs_setattr(struct fs_harness *harness, const struct op_setattr *setattr);
int fs_setxattr(struct fs_harness *harness, uint64_t ino, const char *name, const void *value, size_t size,
	uint32_t flags);
int fs_removexattr(struct fs_harness *harness, uint64_t ino, const char *name);
int fs_release(struct fs_harness *harness, uint64_t ino);
/* Unmaps all garbage. */
void fs_reclaim(struct fs_harness *harness);
int64_t fs_lookup(struct fs_harness *harness, uint64_t parent, const char *name);
/* Asserts that there is such an inode. */
struct attributes fs_attributes(struct fs_harness *harness, uint64_t ino);

/* Was it set by the last operation? */
static inline bool is_now(const struct fs_harness *harness, struct fs_time time)
{
	return (uint64_t)time.seconds == harness->wall / 1000000000u;
}

/* Every invariant that rows have among each other (link counts, parents, entries, units, nothing left over); aborts
 * with a line that says what does not hold. Blocking is off meanwhile. */
void fs_harness_verify(struct fs_harness *harness);

#endif
