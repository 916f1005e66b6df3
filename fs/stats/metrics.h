/*
 * metrics.h: the stats of a process in Prometheus' text format, over HTTP when asked for.
 *
 *     GET /metrics    every stat and, by operation, raftkv_fuse_ops_duration_seconds
 *     GET /stats    the lines of stats_text.h, for raftkv(1)
 *     GET /           the same for people: one page of plain HTML that needs nothing from elsewhere
 *
 * The server is libmicrohttpd's, with a thread of its own; at most METRICS_CONNECTIONS_MAX connections at once: when
 * there is no place for another one, the oldest goes. It listens where it is told to: "unix:/path" (mode 0600) or "host:port".
 */
#ifndef RAFTKV_FS_STATS_METRICS_H
#define RAFTKV_FS_STATS_METRICS_H

#include <stdio.h>

#include "fs/stats/stats.h"

#define METRICS_CONNECTIONS_MAX 16

struct metrics;

/* -EADDRINUSE and the like, with a sentence. What `source` names outlives the metrics. */
int metrics_start(const struct stats_source *source, const char *address, struct metrics **metrics,
	struct status *status);
void metrics_stop(struct metrics *metrics); /* may be NULL */

/* What /metrics says. */
void metrics_print(const struct stats_source *source, FILE *file);

#endif
