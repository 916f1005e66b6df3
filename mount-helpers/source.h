/*
 * source.h: what stands before the mount: is SOURCE a directory that can hold a store, is DIRECTORY a place to mount on?
 */
#ifndef RAFTKV_MOUNT_HELPERS_SOURCE_H
#define RAFTKV_MOUNT_HELPERS_SOURCE_H

#include <stdbool.h>

#include "proto/status.h"

/* A cluster: "host:port[,host:port…][:/subdirectory]". Anything that begins with '/' is a directory. */
bool source_is_cluster(const char *source);

/* Takes a cluster's source apart: `stores` (PATH_MAX bytes) is the list of addresses. -EINVAL with a sentence: it is no such
 * list, or names a subdirectory, which cannot be mounted yet. */
int source_parse_cluster(const char *source, char *stores, struct status *status);

/* Characters that mean something to a shell, and blanks. mount(8) runs `/bin/sh -c "SOURCE …"` for a remount of type
 * "fuse" (Debian's mount.fuse). */
#define SOURCE_SHELL_CHARACTERS "\"'`$&|;<>(){}[]*?!~#\\"
bool source_has_shell_characters(const char *source);

/* Checks both and writes their canonical absolute names to `store` and `mount_point` (PATH_MAX bytes each). SOURCE is
 * created when absent. A dead mount of ours on DIRECTORY (its daemon was killed) is taken away. Errors are sentences
 * that say what to do. */
int source_prepare(
	const char *source, const char *directory, char *store, char *mount_point, struct status *status);
/* The mount point alone. */
int source_prepare_mount_point(const char *directory, char *mount_point, struct status *status);

#endif
