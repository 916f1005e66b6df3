/*
 * source.h: the checks before a mount: whether SOURCE can hold a store, and whether DIRECTORY can be mounted on.
 */
#ifndef RAFTKV_MOUNT_HELPERS_SOURCE_H
#define RAFTKV_MOUNT_HELPERS_SOURCE_H

#include <stdbool.h>

#include "proto/status.h"

/* Whether SOURCE names a cluster: "host:port[,host:port…][:/subdirectory]". A directory begins with '/'. */
bool source_is_cluster(const char *source);

/* Parses a cluster's source: `stores` (PATH_MAX bytes) gets the list of addresses. 0, or -EINVAL with a sentence: it
 * is no list of addresses, or it names a subdirectory, which cannot be mounted yet. */
int source_parse_cluster(const char *source, char *stores, struct status *status);

/* Characters with a meaning for a shell. mount(8) runs `/bin/sh -c "SOURCE …"` for a remount of type "fuse" (Debian's
 * mount.fuse). source_has_shell_characters looks for these and for blanks. */
#define SOURCE_SHELL_CHARACTERS "\"'`$&|;<>(){}[]*?!~#\\"
bool source_has_shell_characters(const char *source);

/* Checks SOURCE and DIRECTORY, and writes their canonical absolute names to `store` and `mount_point` (PATH_MAX
 * bytes each). Creates SOURCE if it is absent. Root also unmounts a dead mount of raftkv on DIRECTORY (its daemon was
 * killed). 0, or -errno with a sentence that says what to do. */
int source_prepare(
	const char *source, const char *directory, char *store, char *mount_point, struct status *status);
/* source_prepare for the mount point only. */
int source_prepare_mount_point(const char *directory, char *mount_point, struct status *status);

#endif
