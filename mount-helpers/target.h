/*
 * target.h: what raftkv(1) is asked about, and what is known of it.
 *
 * A target is a store's directory, a mount point, any path inside a mount, the host:port where a mount serves its
 * stats (fs/stats/metrics.h), or one or several stores of a cluster. Of a store that runs, stats come from its socket
 * (fs/stats/control.h) or port; of another one, from an inspection, which changes nothing.
 *
 * The stats of a mount come over HTTP, but not by libcurl: it is one request without headers to a server that is ours, on a
 * socket that is opened as those to the control sockets are, and whose answer is read as theirs: lines up to the end.
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
	char *value; /* of a region: the rest of its line */
};

struct target {
	char path[PATH_MAX]; /* canonical */
	char address[256]; /* host:port; empty: a path of this machine */
	char cluster
		[PATH_MAX]; /* stores of the cluster that it is, or belongs to; empty: none, or not known yet */
	bool is_no_store; /* that was found out about the address */
	bool is_store; /* the address, or the directory, is that of a store that runs without a mount */
	char store[PATH_MAX]; /* behind an address: empty until loaded, as is the next */
	char mount_point[PATH_MAX]; /* empty: not mounted */
	struct statistic *stats; /* in the order told */
	size_t count;
};

/* Finds the store. -ENOENT and the like, with a sentence. */
int target_open(struct target *target, const char *path, struct status *status);
/* Asks for the stats. -EBUSY: in use, but not mounted here; -ECONNREFUSED: the mount does not answer. */
int target_load(struct target *target, struct status *status);
void target_close(struct target *target);

static inline bool target_is_mounted(const struct target *target)
{
	return target->mount_point[0] != '\0' || target->address[0] != '\0';
}

/* Finds out whether it is a cluster, or a part of one (then true, and `cluster` says where): a list of stores, a store's
 * port, a mount of a cluster, or the directory of a store that runs. Asks where that must be; without an answer it is
 * none. */
bool target_is_cluster(struct target *target);

/* NULL: unknown. */
const char *target_find(const struct target *target, const char *name);
uint64_t target_number(const struct target *target, const char *name); /* 0: unknown, or none */

/* The newest line of the store's log that tells of an error, without a line's end. False: there is none, or it is on
 * another machine. */
bool target_last_error(const struct target *target, char *line, size_t size);

#endif
