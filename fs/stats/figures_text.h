/*
 * figures_text.h: a running store's figures as lines of text, which raftkv(1) reads:
 *
 *     NAME VALUE                                          figures, their units in their names
 *     region ID VERSION CONF_VERSION TERM START END       keys in hexadecimal, "-": no bound; term 0: not led here
 *     setting SECTION.KEY<tab>VALUE<tab>ORIGIN            no origin: the default
 *     stage NAME TOTAL_NS COUNT…                          of a change; a count for each bucket of histogram.h
 *     operation NAME TOTAL_NS COUNT…                      of the kernel, likewise
 */
#ifndef RAFTKV_FS_STATS_FIGURES_TEXT_H
#define RAFTKV_FS_STATS_FIGURES_TEXT_H

#include <stdio.h>

#include "fs/stats/figures.h"

void figures_text_print(const struct figures_source *source, FILE *file);

#endif
