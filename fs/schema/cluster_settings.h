/*
 * cluster_settings.h: settings of a whole cluster, which administrators change while it runs: raftkv(1), "cluster set".
 *
 * Each has a row in region 1's KEY_LOCAL (keys.h), once it was set. Where it has none, the setting of the same name in
 * raftkv.conf(5) holds, of the store that coordinates the cluster.
 */
#ifndef RAFTKV_FS_SCHEMA_CLUSTER_SETTINGS_H
#define RAFTKV_FS_SCHEMA_CLUSTER_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/codec.h"

/* Numbers of the format: a setting keeps its number. */
enum cluster_setting {
	SETTING_REPLICAS = 1, /* of each region; 0: as many voters as there are, three at least */
	SETTING_STORE_DEAD_AFTER_S = 2, /* a store that is silent for so long is dead */
	SETTING_STORE_MOVES = 3, /* replicas and leaders that move at a time, for each store */
	SETTING_END, /* one more than the last */
};

struct cluster_settings {
	bool is_set[SETTING_END];
	uint64_t values[SETTING_END]; /* where is_set */
};

/* By their numbers, which are below SETTING_END. */
const char *cluster_setting_name(enum cluster_setting setting);
uint64_t cluster_setting_min(enum cluster_setting setting);
uint64_t cluster_setting_max(enum cluster_setting setting);
/* 0: there is no such setting. */
enum cluster_setting cluster_setting_find(const char *name);
bool cluster_setting_takes(enum cluster_setting setting, uint64_t value);

void cluster_setting_encode(uint64_t value, struct writer *writer);
/* 0, STATUS_CORRUPT: the row is damaged or the value is out of the setting's bounds. STATUS_UNSUPPORTED: the setting is
 * of a newer program. */
int cluster_setting_decode(
	struct slice key, struct slice row, enum cluster_setting *setting, uint64_t *value);
/* The value, or `otherwise` where it is not set. */
uint64_t cluster_settings_get(
	const struct cluster_settings *settings, enum cluster_setting setting, uint64_t otherwise);

#endif
