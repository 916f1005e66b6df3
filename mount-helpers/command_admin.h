/*
 * command_admin.h: verbs of raftkv(1) that change a cluster: one admin request to the store that coordinates it.
 */
#ifndef RAFTKV_MOUNT_HELPERS_COMMAND_ADMIN_H
#define RAFTKV_MOUNT_HELPERS_COMMAND_ADMIN_H

#include "mount-helpers/cluster.h"
#include "mount-helpers/command.h"

/* Writes the stores of the target's cluster to `list` (PATH_MAX bytes). COMMAND_OK, or another exit code after it has
 * printed why. */
int admin_find_cluster(const char *path, char *list);
/* Parses the number of a store or region. False: it is none, and a message has been printed. */
bool admin_read_number(const char *text, uint64_t *number);
/* Makes the request (with --dry-run a dry one) and prints its result; `what` continues "store 3 …" (not
 * of ADMIN_SET_CLUSTER). An exit code. */
int admin_make(struct command *command, const char *list, struct admin_request *request, const char *what);

#endif
