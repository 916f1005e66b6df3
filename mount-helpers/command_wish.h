/*
 * command_wish.h: verbs of raftkv(1) that change a cluster: one wish to the store that keeps it.
 */
#ifndef RAFTKV_MOUNT_HELPERS_COMMAND_WISH_H
#define RAFTKV_MOUNT_HELPERS_COMMAND_WISH_H

#include "mount-helpers/cluster.h"
#include "mount-helpers/command.h"

/* The stores behind a target, to `list` (PATH_MAX bytes). Another exit code than COMMAND_OK: it was said why not. */
int wish_find_cluster(const char *path, char *list);
/* A store's or a region's; false: it is none, and that was said. */
bool wish_read_number(const char *text, uint64_t *number);
/* Makes the wish, dry with --dry-run, and says what became of it; `what` continues "store 3 …". An exit code. */
int wish_make(struct command *command, const char *list, struct keeper_wish *wish, const char *what);

#endif
