#include "fs/stats/figures_message.h"

void figures_fill(struct store_figures *figures, struct raftkv *raftkv, uint64_t uptime_s)
{
	struct raftkv_stats stats;

	raftkv_stats(raftkv, &stats);
	*figures = (struct store_figures){.space_total = stats.space_total,
		.space_available = stats.space_available,
		.is_full = stats.is_full,
		.data_used = stats.blocks.used_units * BLOCK_UNIT_SIZE,
		.data_total = stats.blocks.total_units * BLOCK_UNIT_SIZE,
		.data_free = (stats.blocks.total_units - stats.blocks.used_units) * BLOCK_UNIT_SIZE,
		.regions = stats.regions,
		.leaders = stats.leaders,
		.writes = stats.writes,
		.reads_lease = stats.reads_lease,
		.reads_read_index = stats.reads_read_index,
		.reads_follower = stats.reads_follower,
		.log_syncs = stats.log.syncs,
		.uptime_s = uptime_s};
}

void figures_to_message(const struct store_figures *figures, Raftkv__StoreFigures *message)
{
	raftkv__store_figures__init(message);
	message->space_total = figures->space_total;
	message->space_available = figures->space_available;
	message->is_full = figures->is_full;
	message->data_used = figures->data_used;
	message->data_total = figures->data_total;
	message->data_free = figures->data_free;
	message->regions = figures->regions;
	message->leaders = figures->leaders;
	message->writes = figures->writes;
	message->reads_lease = figures->reads_lease;
	message->reads_read_index = figures->reads_read_index;
	message->reads_follower = figures->reads_follower;
	message->log_syncs = figures->log_syncs;
	message->uptime_s = figures->uptime_s;
}

void figures_from_message(const Raftkv__StoreFigures *message, struct store_figures *figures)
{
	*figures = (struct store_figures){0};
	if (!message)
		return;
	*figures = (struct store_figures){.space_total = message->space_total,
		.space_available = message->space_available,
		.is_full = message->is_full,
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
		.uptime_s = message->uptime_s};
}
