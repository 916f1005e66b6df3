/*
 * cluster_view.h: a cluster on one screen, or as JSON: for the verbs of raftkv(1) whose target is a cluster. Each prints
 * and returns an exit code of command.h.
 */
#ifndef RAFTKV_MOUNT_HELPERS_CLUSTER_VIEW_H
#define RAFTKV_MOUNT_HELPERS_CLUSTER_VIEW_H

#include "mount-helpers/cluster.h"
#include "mount-helpers/command.h"

/* Words for people and for JSON; never NULL. */
const char *view_store_state(uint32_t state);
const char *view_step(uint32_t step);
const char *view_role(uint32_t roles);

/* The store whose replica leads; 0: none. */
uint64_t view_leader_store(const Raftkv__OverviewRegion *region);
/* Of the column that shows them. */
int view_address_width(const Raftkv__OverviewReply *overview);
/* Of the store, by the regions that were looked at. */
uint32_t view_count_leaders(const Raftkv__OverviewReply *overview, uint64_t store);

int view_status(struct command *command, const char *list); /* cluster_view.c */
/* What JSON says of a cluster, into an object that is open. */
int view_write_parts(struct json *json, const char *list);
int view_stores(struct command *command, const char *list);
int view_regions(struct command *command, const char *list, uint64_t region); /* 0: all */
/* Prints what is wrong, as elements of a JSON array that is open. cluster_health.c */
int view_judge(struct command *command, const char *list, bool *is_ill);
int view_top(struct command *command, const char *list); /* cluster_top.c */

#endif
