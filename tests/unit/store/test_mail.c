/*
 * What several threads ask a loop for is on its way to it once, also where the loop does it by itself before the mail
 * has come: a longer lease, a flush. A second mail would be aborted (env.h).
 */
#include "proto/container.h"
#include "store/peer/store.h"
#include "store/raftkv.h"
#include "tests/lib/sim_cluster.h"
#include "tests/lib/test.h"
#include "tests/lib/test_evaluator.h"

/* ---- A longer lease --------------------------------------------------------------------------------------------- */

/* Reads by lease after every event of the world. */
struct reading {
	struct raftkv *raftkv;
	struct route *route;
	bool was_posted; /* the peer's turn, and the mail */
	uint32_t overtaken; /* turns that came before the mail */
};

static bool read_by_lease(void *argument)
{
	struct reading *reading = argument;
	struct raftkv_snapshot *snapshot;
	bool is_taken = atomic_load(&reading->route->renewal_mail.is_taken);
	bool is_posted = reading->route->shard->is_process_posted;

	reading->overtaken += reading->was_posted && is_taken && !is_posted;
	if (raftkv_local_snapshot(reading->raftkv, 1, 0, &snapshot) == 0)
		raftkv_snapshot_free(snapshot);
	reading->was_posted = is_posted && atomic_load(&reading->route->renewal_mail.is_taken);
	return false;
}

static void lease_is_asked_for_once(void **state)
{
	struct reading reading = {0};
	struct sim_cluster cluster;

	(void)state;
	sim_cluster_init(&cluster, 1, 3, 0);
	sim_cluster_open_all(&cluster);
	sim_cluster_write(&cluster, test_op_put("a", "b"), NULL);
	reading.raftkv = sim_cluster_store(&cluster, sim_cluster_await_leader(&cluster))->raftkv;
	reading.route = router_find(&reading.raftkv->router, 1);
	sim_run(cluster.world, 5 * (uint64_t)SIM_S, read_by_lease, &reading);
	assert_int_not_equal(reading.overtaken, 0);
	sim_cluster_close(&cluster);
}

/* ---- A flush ---------------------------------------------------------------------------------------------------- */

/* Asks for a flush just before the timer that begins one by itself, and just after, with no mail run in between. */
struct asking {
	struct kv_flush *flush;
	struct env_timer before, after;
	bool is_done;
};

static void on_before(struct env_timer *timer)
{
	struct asking *asking = container_of(timer, struct asking, before);

	assert_false(asking->flush->is_running);
	kv_flush_request(asking->flush);
}

static void on_after(struct env_timer *timer)
{
	struct asking *asking = container_of(timer, struct asking, after);

	assert_true(asking->flush->is_running);
	assert_true(atomic_load(&asking->flush->request_mail.is_taken));
	kv_flush_request(asking->flush);
	asking->is_done = true;
}

static bool is_done(void *argument)
{
	return ((const struct asking *)argument)->is_done;
}

static void flush_is_asked_for_once(void **state)
{
	struct asking asking = {0};
	struct sim_cluster cluster;
	struct sim_store *store;
	uint64_t due;

	(void)state;
	sim_cluster_init(&cluster, 2, 1, 0);
	store = sim_cluster_store(&cluster, 1);
	store->options.flush_age_ms = 1;
	sim_cluster_open_all(&cluster);
	sim_cluster_write(&cluster, test_op_put("a", "b"), NULL);
	asking.flush = &store->raftkv->flush;
	assert_true(env_timer_is_running(&asking.flush->timer));
	due = asking.flush->timer.node.key;
	env_timer_start(&asking.before, store->shard, due - 1, on_before);
	env_timer_start(&asking.after, store->shard, due + 1, on_after);
	assert_true(sim_run(cluster.world, 5 * (uint64_t)SIM_S, is_done, &asking));
	sim_cluster_run(&cluster, 3 * (uint64_t)SIM_S);
	assert_in_range(atomic_load(&asking.flush->rounds), 2, 20);
	sim_cluster_close(&cluster);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(lease_is_asked_for_once),
		cmocka_unit_test(flush_is_asked_for_once),
	};

	return cmocka_run_group_tests_name("mail", tests, NULL, NULL);
}
