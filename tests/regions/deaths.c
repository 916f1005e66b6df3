/* A store dies while all regions sleep: whoever was led by it elects a leader in time (peer/hibernation.h). */
#include "store/raftkv.h"
#include "tests/regions/storm.h"

#define SLEEP_PATIENCE (60 * (uint64_t)SIM_S)
#define ELECTION       (1500 * (uint64_t)SIM_MS) /* the shortest election timeout */
#define NOTICED	       (10 * (uint64_t)SIM_S) /* without a request */
#define ASKED	       (2 * ELECTION + SIM_S) /* with one; votes take a little after the timeout */

static bool are_asleep(struct storm *storm)
{
	for (uint32_t i = 1; i <= STORM_STORES; i++) {
		struct raftkv *raftkv = sim_cluster_store(&storm->cluster, i)->raftkv;
		struct raftkv_stats stats = {0};

		if (raftkv)
			raftkv_stats(raftkv, &stats);
		if (stats.asleep < stats.regions)
			return false;
	}
	return true;
}

/* All regions elect within `limit`, although nobody asks again. */
static void must_elect(struct storm *storm, uint64_t limit, const char *what)
{
	storm_run_until(storm, limit, storm_is_whole);
	if (!storm_is_whole(storm))
		violation("a region has no leader %.1f s after %s", (double)limit / SIM_S, what);
}

void deaths_try(struct storm *storm)
{
	uint32_t thing = (uint32_t)storm_draw(storm, storm->model.thing_count), number;

	storm_run_until(storm, SLEEP_PATIENCE, are_asleep);
	if (!are_asleep(storm))
		violation("regions that nobody asks do not sleep");
	number = clients_leader_of(storm, thing);
	if (number == 0)
		violation("the region of thing %u sleeps, and has no leader", thing);
	storm_note(storm, "all regions sleep; store %u is killed", number);
	sim_store_kill(sim_cluster_store(&storm->cluster, number));
	switch (storm_draw(storm, 3)) {
	case 0:
		must_elect(storm, NOTICED, "its leader's store died");
		break;
	case 1:
		clients_read(storm, thing, ASKED);
		must_elect(storm, NOTICED, "its leader's store died");
		break;
	default: /* before anybody has missed it */
		storm_run_until(storm, storm_draw(storm, 500 * SIM_MS), NULL);
		faults_start_store(storm, number);
		must_elect(storm, NOTICED, "its leader's store began anew");
		return;
	}
	faults_start_store(storm, number);
}
