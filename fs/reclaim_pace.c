#include "fs/reclaim_pace.h"

#include "store/raftkv.h"

static uint64_t writes_so_far(const struct reclaim_pace *pace)
{
	struct raftkv_stats stats;

	raftkv_stats(pace->raftkv, &stats);
	return stats.writes;
}

void reclaim_pace_init(struct reclaim_pace *pace, struct raftkv *raftkv)
{
	*pace = (struct reclaim_pace){.raftkv = raftkv, .writes_seen = UINT64_MAX};
}

bool reclaim_pace_is_due(const struct reclaim_pace *pace, uint64_t now)
{
	return now - pace->ended >= RECLAIM_PERIOD_NS && writes_so_far(pace) != pace->writes_seen;
}

void reclaim_pace_end(struct reclaim_pace *pace, uint64_t now)
{
	pace->writes_seen = writes_so_far(pace);
	pace->ended = now;
}
