/*
 * target.h: what raftkv(1) is asked about, and its stats.
 *
 * A target is a store's directory, a mount point, any path inside a mount, the host:port where a mount serves its stats
 * (fs/stats/metrics.h), or one or several stores of a cluster. The stats of a running store or mount come from its
 * socket (fs/stats/control.h) or port; those of a store that does not run come from an inspection, which changes
 * nothing.
 *
 * HTTP is used without libcurl: it is one request without headers to raftkv's own server. The socket is opened and the
 * answer is read by the same code as for the control sockets: lines up to the end.
 */
#ifndef RAFTKV_MOUNT_HELPERS_TARGET_H
#define RAFTKV_MOUNT_HELPERS_TARGET_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/status.h"

struct statistic {
	char *name;
	char *value; /* the rest of the line */
};

struct target {
	char path[PATH_MAX]; /* canonical */
	char address[256]; /* host:port; empty: a path of this machine */
	/* Stores of the cluster that it is, or belongs to; empty: none, or not known yet. */
	char cluster[PATH_MAX];
	/* Of a mount that does not answer: it is not asked, and waited for, a second time. */
	struct status failure;
	bool is_no_store; /* the address was asked, and is not a store's */
	bool is_store; /* the address or directory is that of a store that runs without a mount */
	char store[PATH_MAX]; /* the store's directory; for an address empty until target_load */
	char mount_point[PATH_MAX]; /* empty: not mounted; for an address empty until target_load */
	struct statistic *stats; /* in the order of the source */
	size_t count;
};

/* Finds the store or mount. 0, or -errno with a sentence. */
int target_open(struct target *target, const char *path, struct status *status);
/* Gets the stats, once. 0, or a negative status with a sentence: -EBUSY: the store is in use, but not mounted here;
 * -ECONNREFUSED: the mount does not answer. */
int target_load(struct target *target, struct status *status);
void target_close(struct target *target);

static inline bool target_is_mounted(const struct target *target)
{
	return target->mount_point[0] != '\0' || target->address[0] != '\0';
}

/* Whether it is a cluster or a part of one: a list of stores, a store's port, a mount of a cluster, or the directory
 * of a running store. Sets `cluster` if so, of a mount to the stores that it knows now. May ask the mount or the store;
 * false if the store does not answer. */
bool target_is_cluster(struct target *target);

/* The value of a stat. NULL: unknown. */
const char *target_find(const struct target *target, const char *name);
uint64_t target_number(const struct target *target, const char *name); /* 0: unknown, or no number */

/* The last line with an error at the end of the store's log, without its newline. False: there is none, or the log
 * is on another machine. */
bool target_last_error(const struct target *target, char *line, size_t size);

#endif
