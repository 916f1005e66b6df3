/*
 * join.h: adds a new store to a running cluster. Before the store is made, its process asks the cluster for an id, with
 * the address at which others will reach it. If the answer or the process is lost, it asks again with the same address,
 * and the cluster gives the same id.
 */
#ifndef RAFTKV_FS_SERVER_JOIN_H
#define RAFTKV_FS_SERVER_JOIN_H

#include "fs/config.h"

#define JOIN_PATIENCE_MS 30000u

/* Asks the stores of config->server.join until the one that coordinates the cluster answers. Blocks, at most about
 * JOIN_PATIENCE_MS. -ETIMEDOUT and others, with a sentence. */
int join_cluster(struct env *env, const struct config *config, const struct logger *logger, uint64_t *cluster,
	uint64_t *store, struct status *status);

#endif
