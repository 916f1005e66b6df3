/* stats_message.h: a store's stats (store_table.h): from the store, to a message of raftkv.proto, and from one. */
#ifndef RAFTKV_FS_STATS_STATS_MESSAGE_H
#define RAFTKV_FS_STATS_STATS_MESSAGE_H

#include "fs/cluster/store_table.h"
#include "proto/raftkv.pb-c.h"
#include "store/raftkv.h"

void stats_fill(struct store_stats *stats, struct raftkv *raftkv, uint64_t uptime_s);
void stats_to_message(const struct store_stats *stats, Raftkv__StoreStats *message);
/* `message` may be NULL: all zero. */
void stats_from_message(const Raftkv__StoreStats *message, struct store_stats *stats);

#endif
