/*
 * stats_text.h: a process's stats as lines of text, which raftkv(1) reads:
 *
 *     version VERSION
 *     store PATH                                          stats_source.path
 *     mount PATH                                          empty: nothing is mounted
 *     cluster LIST                                        stats_source.source; only of a mount of a cluster
 *     known_stores LIST                                   the same of those that it knows now (remote_read_stores)
 *     NAME VALUE                                          stats, their units in their names
 *     region ID VERSION CONF_VERSION TERM START END       keys in hexadecimal, "-": no bound; term 0: not led here
 *     setting SECTION.KEY<tab>VALUE<tab>ORIGIN            no origin: the default
 *     stage NAME TOTAL_NS COUNT…                          of a change; a count for each bucket of histogram.h
 *     operation NAME TOTAL_NS COUNT…                      of the kernel, likewise
 */
#ifndef RAFTKV_FS_STATS_STATS_TEXT_H
#define RAFTKV_FS_STATS_STATS_TEXT_H

#include <stdio.h>

#include "fs/stats/stats.h"

#define STATS_TEXT_STORES_SIZE 4096u /* bytes of known_stores and a NUL */
#define STATS_TEXT_REGIONS_MAX 4096u /* the first ones; the stat `regions` has their number */

void stats_text_print(const struct stats_source *source, FILE *file);

#endif
