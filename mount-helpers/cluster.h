/*
 * cluster.h: asks the stores of a cluster that runs, and the one that coordinates it (fs/cluster/coordinator.h); every call blocks.
 *
 * A cluster is named by some of its stores' addresses; answers tell the others. Each question has a link of its own.
 */
#ifndef RAFTKV_MOUNT_HELPERS_CLUSTER_H
#define RAFTKV_MOUNT_HELPERS_CLUSTER_H

#include <stdbool.h>

#include "fs/cluster/coordinator.h"
#include "fs/schema/store_list.h"
#include "proto/frame.h"
#include "proto/raftkv.pb-c.h"
#include "proto/status.h"

#define CLUSTER_ANSWER_MS   2000u /* that one store is given for an answer */
#define CLUSTER_PATIENCE_MS 6000u /* until some store has to keep the cluster */

struct cluster;

/* `list` is a store_list.h. Nobody is asked yet. */
int cluster_open(const char *list, struct cluster **cluster, struct status *status);
void cluster_close(struct cluster *cluster); /* may be NULL */

const struct store_list *cluster_list(const struct cluster *cluster);
/* Instead of CLUSTER_PATIENCE_MS. */
void cluster_set_patience(struct cluster *cluster, uint32_t patience_ms);

/* One store: the lines of fs/stats/stats_text.h, to be freed. */
int cluster_stats(struct cluster *cluster, const char *address, char **text, struct status *status);

/* The store that coordinates the cluster, whichever it is: to be freed by the message's own function. STATUS_NOT_LEADER: none
 * does, or none can be reached, with a sentence. */
int cluster_overview(struct cluster *cluster, Raftkv__OverviewReply **reply, struct status *status);
/* What the coordinator says, with its sentence. -EAGAIN is waited for. */
int cluster_change(struct cluster *cluster, const struct admin_request *change, struct status *status);

#endif
