#include "fs/stats/stats_message.h"

void stats_fill(struct store_stats *stats, struct raftkv *raftkv, uint64_t uptime_s)
{
	struct raftkv_stats all;

	raftkv_stats(raftkv, &all);
	*stats = (struct store_stats){.space_total = all.space_total,
		.space_available = all.space_available,
		.is_full = all.is_full,
		.data_used = all.blocks.used_units * BLOCK_UNIT_SIZE,
		.data_total = all.blocks.total_units * BLOCK_UNIT_SIZE,
		.data_free = (all.blocks.total_units - all.blocks.used_units) * BLOCK_UNIT_SIZE,
		.regions = all.regions,
		.leaders = all.leaders,
		.writes = all.writes,
		.reads_lease = all.reads_lease,
		.reads_read_index = all.reads_read_index,
		.reads_follower = all.reads_follower,
		.log_syncs = all.log.syncs,
		.uptime_s = uptime_s};
}

void stats_to_message(const struct store_stats *stats, Raftkv__StoreStats *message)
{
	raftkv__store_stats__init(message);
	message->space_total = stats->space_total;
	message->space_available = stats->space_available;
	message->is_full = stats->is_full;
	message->inodes = (uint64_t)stats->inodes;
	message->counts_inodes = stats->counts_inodes;
	message->data_used = stats->data_used;
	message->data_total = stats->data_total;
	message->data_free = stats->data_free;
	message->regions = stats->regions;
	message->leaders = stats->leaders;
	message->writes = stats->writes;
	message->reads_lease = stats->reads_lease;
	message->reads_read_index = stats->reads_read_index;
	message->reads_follower = stats->reads_follower;
	message->log_syncs = stats->log_syncs;
	message->uptime_s = stats->uptime_s;
	message->intent_age_ms = stats->intent_age_ms;
	message->intent_region = stats->intent_region;
	message->intent_awaits = stats->intent_awaits;
	message->stuck_region = stats->stuck_region;
	message->stuck_dirid = stats->stuck_dirid;
	message->stuck_size = stats->stuck_size;
	message->busy_region = stats->busy_region;
	message->busy_dirid = stats->busy_dirid;
	message->busy_cpu_us = stats->busy_cpu_us;
}

void stats_from_message(const Raftkv__StoreStats *message, struct store_stats *stats)
{
	*stats = (struct store_stats){0};
	if (!message)
		return;
	*stats = (struct store_stats){.space_total = message->space_total,
		.space_available = message->space_available,
		.is_full = message->is_full,
		.inodes = (int64_t)message->inodes,
		.counts_inodes = message->counts_inodes,
		.data_used = message->data_used,
		.data_total = message->data_total,
		.data_free = message->data_free,
		.regions = message->regions,
		.leaders = message->leaders,
		.writes = message->writes,
		.reads_lease = message->reads_lease,
		.reads_read_index = message->reads_read_index,
		.reads_follower = message->reads_follower,
		.log_syncs = message->log_syncs,
		.uptime_s = message->uptime_s,
		.intent_age_ms = message->intent_age_ms,
		.intent_region = message->intent_region,
		.intent_awaits = message->intent_awaits,
		.stuck_region = message->stuck_region,
		.stuck_dirid = message->stuck_dirid,
		.stuck_size = message->stuck_size,
		.busy_region = message->busy_region,
		.busy_dirid = message->busy_dirid,
		.busy_cpu_us = message->busy_cpu_us};
}
