#include "fs/stats/stats.h"

#include <malloc.h>
#include <stddef.h>
#include <unistd.h>

#include "fs/client/remote.h"
#include "fs/vfs/front.h"
#include "proto/units.h"

/* A stat that is a field of raftkv_stats or of remote_stats. */
struct stat_rule {
	const char *name;
	const char *metric;
	const char *labels;
	const char *help;
	enum stat_kind kind;
	uint32_t factor; /* the value is the field at `offset` times this */
	size_t offset;
};

#define STAT(field) offsetof(struct raftkv_stats, field)

static const struct stat_rule rules[] = {
	{"regions", "raftkv_regions", "", "Regions that this store has a replica of.", STAT_GAUGE, 1,
		STAT(regions)},
	{"leaders", "raftkv_leaders", "", "Regions that this store leads.", STAT_GAUGE, 1, STAT(leaders)},
	{"regions_asleep", "raftkv_regions_asleep", "", "Idle regions whose replica here sleeps.", STAT_GAUGE,
		1, STAT(asleep)},
	{"space_total_bytes", "raftkv_space_total_bytes", "", "Size of the disk.", STAT_GAUGE, 1,
		STAT(space_total)},
	{"space_available_bytes", "raftkv_space_available_bytes", "", "Room left on the disk.", STAT_GAUGE, 1,
		STAT(space_available)},
	{"data_total_bytes", "raftkv_data_total_bytes", "", "File data that the disk could hold.", STAT_GAUGE,
		BLOCK_UNIT_SIZE, STAT(blocks.total_units)},
	{"data_used_bytes", "raftkv_data_used_bytes", "", "File data, and what is not free again yet.",
		STAT_GAUGE, BLOCK_UNIT_SIZE, STAT(blocks.used_units)},
	{"data_waiting_bytes", "raftkv_data_waiting_bytes", "", "Freed file data that may not be reused yet.",
		STAT_GAUGE, BLOCK_UNIT_SIZE, STAT(blocks.waiting_units)},
	{"log_live_bytes", "raftkv_log_live_bytes", "", "Raft log that is still needed.", STAT_GAUGE, 1,
		STAT(log.live_size)},
	{"log_disk_bytes", "raftkv_log_disk_bytes", "", "Files of the raft log.", STAT_GAUGE, 1,
		STAT(log.disk_size)},
	{"log_cache_bytes", "raftkv_log_cache_bytes", "", "Raft log kept in memory.", STAT_GAUGE, 1,
		STAT(log.cache_size)},
	{"log_syncs_total", "raftkv_log_syncs_total", "", "Synced writes of the raft log.", STAT_COUNTER, 1,
		STAT(log.syncs)},
	{"log_records_total", "raftkv_log_records_total", "", "Records in them.", STAT_COUNTER, 1,
		STAT(log.records)},
	{"answered_early_total", "raftkv_answered_early_total", "",
		"Records of the raft log whose changes were answered before it was durable.", STAT_COUNTER, 1,
		STAT(tail.taken)},
	{"not_durable_records", "raftkv_not_durable_records", "",
		"Records that were answered and are not durable yet.", STAT_GAUGE, 1, STAT(tail.pending)},
	{"not_durable_bytes", "raftkv_not_durable_bytes", "", "Bytes of them.", STAT_GAUGE, 1,
		STAT(tail.pending_size)},
	{"writes_total", "raftkv_writes_total", "", "Changes that were logged.", STAT_COUNTER, 1,
		STAT(writes)},
	{"writes_throttled_total", "raftkv_writes_throttled_total", "",
		"Changes held back because the disk lagged.", STAT_COUNTER, 1, STAT(writes_throttled)},
	{"evaluations_parked_total", "raftkv_evaluations_parked_total", "",
		"Evaluations that waited for a row from the disk.", STAT_COUNTER, 1,
		STAT(evaluations_parked)},
	{"reads_lease_total", "raftkv_reads_total", "{path=\"lease\"}", "Snapshots for readers.",
		STAT_COUNTER, 1, STAT(reads_lease)},
	{"reads_read_index_total", "raftkv_reads_total", "{path=\"read_index\"}", "Snapshots for readers.",
		STAT_COUNTER, 1, STAT(reads_read_index)},
	{"reads_follower_total", "raftkv_follower_reads_total", "",
		"Snapshots by a round on a replica that does not lead.", STAT_COUNTER, 1,
		STAT(reads_follower)},
	{"flushes_total", "raftkv_flushes_total", "", "Rounds that made applied state durable.", STAT_COUNTER,
		1, STAT(flushes)},
	{"snapshots_sent_total", "raftkv_snapshots_total", "{outcome=\"sent\"}",
		"Regions' snapshots between stores.", STAT_COUNTER, 1, STAT(snapshots_sent)},
	{"snapshots_received_total", "raftkv_snapshots_total", "{outcome=\"received\"}",
		"Regions' snapshots between stores.", STAT_COUNTER, 1, STAT(snapshots_received)},
	{"snapshots_failed_total", "raftkv_snapshots_total", "{outcome=\"failed\"}",
		"Regions' snapshots between stores.", STAT_COUNTER, 1, STAT(snapshots_failed)},
	{"snapshot_sent_bytes_total", "raftkv_snapshot_bytes_total", "{way=\"sent\"}",
		"Bytes of regions' snapshots.", STAT_COUNTER, 1, STAT(snapshot_sent_size)},
	{"snapshot_received_bytes_total", "raftkv_snapshot_bytes_total", "{way=\"received\"}",
		"Bytes of regions' snapshots.", STAT_COUNTER, 1, STAT(snapshot_received_size)},
	{"kv_memtable_bytes", "raftkv_kv_memtable_bytes", "", "Rows not flushed yet.", STAT_GAUGE, 1,
		STAT(memory.memtable)},
	{"kv_cache_bytes", "raftkv_kv_cache_bytes", "", "Rows cached in memory.", STAT_GAUGE, 1,
		STAT(memory.cache)},
};

#define REMOTE(field) offsetof(struct remote_stats, field)

static const struct stat_rule remote_rules[] = {
	{"session", "raftkv_client_session", "", "The mount's session; 0: none just now.", STAT_GAUGE, 1,
		REMOTE(session)},
	{"links", "raftkv_client_links", "", "Open connections to stores.", STAT_GAUGE, 1, REMOTE(links)},
	{"link_failures_total", "raftkv_client_link_failures_total", "",
		"Connections that broke or could not be made.", STAT_COUNTER, 1, REMOTE(failures)},
	{"calls_total", "raftkv_client_requests_total", "{kind=\"change\"}", "Requests that were answered.",
		STAT_COUNTER, 1, REMOTE(calls)},
	{"reads_total", "raftkv_client_requests_total", "{kind=\"read\"}", "Requests that were answered.",
		STAT_COUNTER, 1, REMOTE(reads)},
	{"retries_total", "raftkv_client_retries_total", "", "Requests that were sent again.", STAT_COUNTER,
		1, REMOTE(retries)},
	{"timeouts_total", "raftkv_client_timeouts_total", "", "Attempts that got no answer.", STAT_COUNTER,
		1, REMOTE(timeouts)},
	{"under_way", "raftkv_client_requests_under_way", "", "Requests without an answer yet.", STAT_GAUGE,
		1, REMOTE(under_way)},
	{"waits_ms", "raftkv_client_waits_milliseconds", "",
		"For so long the cluster has answered nothing; 0: all is well.", STAT_GAUGE, 1,
		REMOTE(waits_ms)},
};

static void give(void (*each)(void *argument, const struct stat_value *stat), void *argument,
	const char *name, const char *metric, const char *help, uint64_t value)
{
	each(argument, &(struct stat_value){name, metric, "", help, STAT_GAUGE, value});
}

static void give_all(void (*each)(void *argument, const struct stat_value *stat), void *argument,
	const struct stat_rule *list, size_t count, const void *stats)
{
	for (size_t i = 0; i < count; i++) {
		const struct stat_rule *rule = &list[i];
		uint64_t value = *(const uint64_t *)((const char *)stats + rule->offset) * rule->factor;

		each(argument, &(struct stat_value){rule->name, rule->metric, rule->labels, rule->help,
				       rule->kind, value});
	}
}

static uint64_t allocated(void)
{
	struct mallinfo2 heap = mallinfo2();

	return heap.uordblks + heap.hblkhd;
}

void stats_each(const struct stats_source *source,
	void (*each)(void *argument, const struct stat_value *stat), void *argument)
{
	struct remote_stats remote;
	struct raftkv_stats stats;

	give(each, argument, "process_id", "raftkv_process_id", "The process.", (uint64_t)getpid());
	give(each, argument, "uptime_seconds", "raftkv_uptime_seconds", "Since it began to serve.",
		(env_now(source->env) - source->started) / NS_PER_S);
	give(each, argument, "allocated_bytes", "raftkv_allocated_bytes",
		"Memory in use, of what malloc gave.", allocated());
	if (source->remote) {
		remote_read_stats(source->remote, &remote);
		give_all(each, argument, remote_rules, sizeof remote_rules / sizeof *remote_rules, &remote);
	}
	if (source->raftkv) {
		raftkv_stats(source->raftkv, &stats);
		give_all(each, argument, rules, sizeof rules / sizeof *rules, &stats);
	}
}

void stats_each_stage(const struct stats_source *source,
	void (*each)(void *argument, const struct stat_stage *stage), void *argument)
{
	struct raftkv_stats stats;

	if (!source->raftkv)
		return;
	raftkv_stats(source->raftkv, &stats);
	each(argument, &(struct stat_stage){"propose", "raftkv_raft_propose_seconds",
			       "From a change's arrival at its leader to its proposal.", stats.proposing});
	each(argument, &(struct stat_stage){"commit", "raftkv_raft_commit_seconds",
			       "From a proposal to its commit.", stats.committing});
	each(argument, &(struct stat_stage){"apply", "raftkv_raft_apply_seconds",
			       "From a commit to the change being visible.", stats.applying});
	each(argument, &(struct stat_stage){"log_sync", "raftkv_log_sync_seconds",
			       "Synced writes of the raft log.", stats.log.sync});
}

void stats_each_operation(const struct stats_source *source,
	void (*each)(void *argument, const char *name, const struct histogram_sums *sums), void *argument)
{
	if (source->front)
		front_each_operation(source->front, each, argument);
}
