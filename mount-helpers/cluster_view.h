/*
 * cluster_view.h: prints a cluster as text or JSON, for the verbs of raftkv(1) whose target is a cluster. The functions
 * that print return an exit code of command.h.
 */
#ifndef RAFTKV_MOUNT_HELPERS_CLUSTER_VIEW_H
#define RAFTKV_MOUNT_HELPERS_CLUSTER_VIEW_H

#include "mount-helpers/cluster.h"
#include "mount-helpers/command.h"
#include "mount-helpers/region_place.h"

/* Words for people and for JSON; never NULL. */
const char *view_store_state(uint32_t state);
const char *view_step(uint32_t step);
const char *view_role(uint32_t roles);

/* The store whose replica leads; 0: none. */
uint64_t view_leader_store(const Raftkv__OverviewRegion *region);
/* How many replicas a region is to have at least, by the settings of the cluster. */
uint32_t view_replicas_wanted(const Raftkv__OverviewReply *overview);
/* The width of a column of store addresses. */
int view_address_width(const Raftkv__OverviewReply *overview);
/* How many regions of the overview the store leads. */
uint32_t view_count_leaders(const Raftkv__OverviewReply *overview, uint64_t store);
/* What the requests of those regions take, in microseconds of CPU per second. */
uint64_t view_sum_load(const Raftkv__OverviewReply *overview, uint64_t store);

int view_status(struct command *command, const char *list); /* cluster_view.c */
/* Writes the cluster's members into a JSON object that is open. */
int view_write_parts(struct json *json, const char *list);
int view_stores(struct command *command, const char *list);
int view_regions(struct command *command, const char *list);
int view_region(struct command *command, const char *list, const struct region_place *place);
/* The region that is meant; 0: there is none. */
uint64_t view_find_region(const Raftkv__OverviewReply *overview, const struct region_place *place);
/* Finds the key that a region begins with: `*start` is the caller's, NULL for the first one. */
int view_find_start(struct cluster *cluster, uint64_t region, struct buf **start, struct status *status);
/* How many regions the command is to print: --limit=, --all, or a screenful or two; all as JSON. */
size_t view_limit(const struct command *command);
/* Says how many regions were left out, unless it is 0. */
void view_tell_left_out(size_t count);
/* Prints the cluster's problems; as JSON, into an array that is open. Sets `*is_ill` if there are any.
 * cluster_health.c */
int view_judge(struct command *command, const char *list, bool *is_ill);
int view_top(struct command *command, const char *list); /* cluster_top.c */

#endif
