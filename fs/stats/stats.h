/*
 * stats.h: the numbers by which a running store and a mount say how they are: for raftkv(1), through the control
 * socket, and for Prometheus (metrics.h). One table says each stat's names, kind and meaning.
 */
#ifndef RAFTKV_FS_STATS_STATS_H
#define RAFTKV_FS_STATS_STATS_H

#include <stdint.h>

#include "proto/env.h"
#include "proto/histogram.h"
#include "store/raftkv.h"

struct config;
struct front;
struct remote;

struct stats_source {
	struct env *env;
	struct raftkv *raftkv; /* NULL: of a mount of a cluster, which has a */
	struct remote *remote; /* instead */
	struct front *front; /* NULL: nothing is mounted */
	const struct config *config;
	const char *path; /* of the store; of a mount of a cluster: where it keeps its log and socket */
	const char *source; /* of a mount of a cluster: its stores; else NULL */
	const char *mount_point;
	uint64_t started; /* env_now */
};

enum stat_kind { STAT_GAUGE, STAT_COUNTER };

struct stat_value {
	const char *name; /* with its unit: "log_live_bytes" */
	const char *metric; /* Prometheus': a family */
	const char *labels; /* "{path=\"lease\"}", or "" */
	const char *help;
	enum stat_kind kind;
	uint64_t value;
};

/* In a fixed order, those of one family one after the other. Any thread. */
void stats_each(const struct stats_source *source,
	void (*each)(void *argument, const struct stat_value *stat), void *argument);

struct stat_stage {
	const char *name; /* "commit" */
	const char *metric; /* a family, in seconds */
	const char *help;
	struct histogram_sums sums;
};

/* How long the stages of a change took. */
void stats_each_stage(const struct stats_source *source,
	void (*each)(void *argument, const struct stat_stage *stage), void *argument);

/* How long the requests of the kernel took, by operation: those that have come at least once. */
void stats_each_operation(const struct stats_source *source,
	void (*each)(void *argument, const char *name, const struct histogram_sums *sums), void *argument);

#endif
