/*
 * command_admin.h: verbs of raftkv(1) that change a cluster: one admin request to the store that coordinates it.
 */
#ifndef RAFTKV_MOUNT_HELPERS_COMMAND_ADMIN_H
#define RAFTKV_MOUNT_HELPERS_COMMAND_ADMIN_H

#include "mount-helpers/cluster.h"
#include "mount-helpers/command.h"

/* The stores behind a target, to `list` (PATH_MAX bytes). Another exit code than COMMAND_OK: it was said why not. */
int admin_find_cluster(const char *path, char *list);
/* A store's or a region's; false: it is none, and that was said. */
bool admin_read_number(const char *text, uint64_t *number);
/* Makes the request, dry with --dry-run, and says what became of it; `what` continues "store 3 …". An exit code. */
int admin_make(struct command *command, const char *list, struct admin_request *request, const char *what);

#endif
