/*
 * cluster.h: asks the stores of a running cluster, and the store that coordinates it (fs/cluster/coordinator.h). Every
 * call blocks.
 *
 * A cluster is named by the addresses of some of its stores. Each question uses its own connection.
 */
#ifndef RAFTKV_MOUNT_HELPERS_CLUSTER_H
#define RAFTKV_MOUNT_HELPERS_CLUSTER_H

#include <stdbool.h>

#include "fs/cluster/coordinator.h"
#include "fs/schema/store_list.h"
#include "proto/frame.h"
#include "proto/raftkv.pb-c.h"
#include "proto/status.h"

#define CLUSTER_ANSWER_MS   2000u /* how long to wait for one store's answer */
#define CLUSTER_SPLIT_MS    12000u /* how long to wait for the answer of a coordinator that splits a region */
#define CLUSTER_PATIENCE_MS 6000u /* how long to look for the coordinator */

struct cluster;

/* `list`: in the form of store_list.h. Asks no store yet. 0 or a negative status, with a sentence. */
int cluster_open(const char *list, struct cluster **cluster, struct status *status);
void cluster_close(struct cluster *cluster); /* may be NULL */

const struct store_list *cluster_list(const struct cluster *cluster);
/* Replaces CLUSTER_PATIENCE_MS. */
void cluster_set_patience(struct cluster *cluster, uint32_t patience_ms);

/* Asks one store. `*text`: the lines of fs/stats/stats_text.h, to be freed. 0 or a negative status, with a sentence. */
int cluster_stats(struct cluster *cluster, const char *address, char **text, struct status *status);

/* Asks one store for a page of its regions, from `key` on. `*reply` is to be freed by the message's own function; its
 * status is 0. STATUS_UNSUPPORTED: the store is of an older version. */
int cluster_page(struct cluster *cluster, const char *address, struct slice key, Raftkv__RegionsReply **reply,
	struct status *status);

/* Asks the coordinator for the stores and sessions. `*reply` is to be freed by the message's own function.
 * STATUS_NOT_LEADER, with a sentence: no store coordinates the cluster, or the coordinator cannot be reached. */
int cluster_stores(struct cluster *cluster, Raftkv__OverviewReply **reply, struct status *status);
/* The same with the regions, once each and in the order of their ranges, as the stores that answer describe them: the
 * leader's description, or the latest. A store's `replicas` are counted from them. cluster_regions.c */
int cluster_overview(struct cluster *cluster, Raftkv__OverviewReply **reply, struct status *status);
/* Asks the coordinator for the change; repeats the request on -EAGAIN. 0, or the coordinator's status with its
 * sentence, or STATUS_NOT_LEADER as above. A split, whose outcome may be unknown, has its key (not in_middle) or is dry:
 * then the request may be repeated. */
int cluster_change(struct cluster *cluster, struct admin_request *change, struct status *status);

#endif
