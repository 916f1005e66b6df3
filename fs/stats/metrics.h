/*
 * metrics.h: the stats of a process in Prometheus' text format, over HTTP when asked for.
 *
 *     GET /metrics    every stat and, by operation, raftkv_fuse_ops_duration_seconds
 *     GET /stats      the lines of stats_text.h, for raftkv(1)
 *     GET /           the stats for people: one page of plain HTML without links to other hosts
 *
 * The server is libmicrohttpd's, with a thread of its own. It has at most METRICS_CONNECTIONS_MAX connections at once;
 * when all are taken, it closes the oldest. It listens on "unix:/path" (mode 0600) or on "host:port".
 */
#ifndef RAFTKV_FS_STATS_METRICS_H
#define RAFTKV_FS_STATS_METRICS_H

#include <stdio.h>

#include "fs/stats/stats.h"

#define METRICS_CONNECTIONS_MAX 16

struct metrics;

/* `source` is copied; its pointers are shared. -EADDRINUSE and others, with a sentence. */
int metrics_start(const struct stats_source *source, const char *address, struct metrics **metrics,
	struct status *status);
void metrics_stop(struct metrics *metrics); /* may be NULL */

/* Prints the body of /metrics. */
void metrics_print(const struct stats_source *source, FILE *file);

#endif
