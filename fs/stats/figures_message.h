/* figures_message.h: a store's figures (store_table.h) as it has them, and as a message of raftkv.proto. */
#ifndef RAFTKV_FS_STATS_FIGURES_MESSAGE_H
#define RAFTKV_FS_STATS_FIGURES_MESSAGE_H

#include "fs/cluster/store_table.h"
#include "proto/raftkv.pb-c.h"
#include "store/raftkv.h"

void figures_fill(struct store_figures *figures, struct raftkv *raftkv, uint64_t uptime_s);
void figures_to_message(const struct store_figures *figures, Raftkv__StoreFigures *message);
/* `message` may be NULL: all zero. */
void figures_from_message(const Raftkv__StoreFigures *message, struct store_figures *figures);

#endif
