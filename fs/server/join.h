/*
 * join.h: how a store becomes one of a cluster that is there: before it exists, it asks for an id under the address where
 * it will be reached. Asked again with the same address, because the answer or the process was lost, the cluster gives
 * the same id.
 */
#ifndef RAFTKV_FS_SERVER_JOIN_H
#define RAFTKV_FS_SERVER_JOIN_H

#include "fs/config.h"

#define JOIN_PATIENCE_MS 30000u

/* Asks the stores of config->server.join until one that coordinates the cluster answers; blocks. -ETIMEDOUT and others, with a
 * sentence. */
int join_cluster(struct env *env, const struct config *config, const struct logger *logger, uint64_t *cluster,
	uint64_t *store, struct status *status);

#endif
