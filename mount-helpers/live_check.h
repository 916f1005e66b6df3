/*
 * live_check.h: the check of a whole cluster while it is in use. A reading gathers the rows of all regions in a temporary
 * store and runs the passes of fs/check over it. The check ends with the first reading that has none of the problems that
 * all readings before have had, or when so many readings have been made (fs/check/suspects.h).
 *
 * The temporary store is in TMPDIR, /var/tmp if that is not set. It is removed after each reading.
 */
#ifndef RAFTKV_MOUNT_HELPERS_LIVE_CHECK_H
#define RAFTKV_MOUNT_HELPERS_LIVE_CHECK_H

#include "fs/check/suspects.h"
#include "proto/logger.h"

#define LIVE_CHECK_READINGS_MAX 100u

struct live_check_options {
	struct env *env;
	const struct logger *logger;
	const char *stores; /* in the form of store_list.h */
	uint32_t readings; /* 1 to LIVE_CHECK_READINGS_MAX */
	/* As in check_options. */
	int (*progress)(void *argument, const char *pass, double done);
	void *argument;
};

struct live_check {
	struct suspects suspects; /* problems that each reading had */
	uint64_t total; /* those, or in one reading with those that were only counted */
	struct check_counts counts; /* of the last reading */
	uint32_t regions; /* of the last reading */
};

/* 0: `live` has what was found; -ECANCELED; or another negative status: not all was read. With a sentence. The caller
 * closes `live` in any case. */
int live_check_run(struct live_check *live, const struct live_check_options *options, struct status *status);
void live_check_close(struct live_check *live);

#endif
