/*
 * stats.h: the stats of a store and of a mount: for raftkv(1), through the control socket (control.h), and for
 * Prometheus (metrics.h). A table in stats.c has each stat's names, kind and meaning.
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

/* The process whose stats are read. All that it points to outlives the readers. */
struct stats_source {
	struct env *env;
	struct raftkv *raftkv; /* the store in this process; NULL: a mount of a cluster */
	struct remote *remote; /* the client of a mount of a cluster; NULL: the store is in this process */
	struct front *front; /* NULL: nothing is mounted */
	const struct config *config;
	const char *path; /* directory of the store, or of the log of a mount of a cluster */
	const char *source; /* the store list of a mount of a cluster; else NULL */
	const char *mount_point; /* "": nothing is mounted */
	uint64_t started; /* env_now when it began to serve */
};

enum stat_kind { STAT_GAUGE, STAT_COUNTER };

struct stat_value {
	const char *name; /* with its unit: "log_live_bytes" */
	const char *metric; /* name of the Prometheus family */
	const char *labels; /* "{path=\"lease\"}", or "" */
	const char *help;
	enum stat_kind kind;
	uint64_t value;
};

/* Calls `each` for each stat in a fixed order: the stats of one family follow one another. Any thread. */
void stats_each(const struct stats_source *source,
	void (*each)(void *argument, const struct stat_value *stat), void *argument);

struct stat_stage {
	const char *name; /* "commit" */
	const char *metric; /* name of the Prometheus family, in seconds */
	const char *help;
	struct histogram_sums sums;
};

/* The durations of the stages of a change; none for a mount of a cluster. Any thread. */
void stats_each_stage(const struct stats_source *source,
	void (*each)(void *argument, const struct stat_stage *stage), void *argument);

/* The durations of the kernel's requests, for each operation that was requested at least once. Any thread. */
void stats_each_operation(const struct stats_source *source,
	void (*each)(void *argument, const char *name, const struct histogram_sums *sums), void *argument);

#endif
