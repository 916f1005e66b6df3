/* The segment engine on a simulated disk keeps what every raft log engine promises. */
#include <stdio.h>

#include "proto/check.h"
#include "store/log/raft_log_engine.h"
#include "tests/conform/log_engine_conform.h"
#include "tests/lib/sim_env.h"
#include "tests/lib/test.h"

struct sim_target {
	struct log_engine_conform_target target;
	struct sim_world *world;
	unsigned count;
};

static void fresh(struct log_engine_conform_target *target, char *path, size_t size)
{
	struct sim_target *self = container_of(target, struct sim_target, target);

	snprintf(path, size, "/%u", self->count++);
}

static void wait(struct log_engine_conform_target *target, bool (*until)(void *argument), void *argument)
{
	struct sim_target *self = container_of(target, struct sim_target, target);

	check(sim_run(self->world, 10 * (uint64_t)SIM_S, until, argument));
}

int main(void)
{
	struct sim_target self = {.target = {.open = raft_log_engine_open, .fresh = fresh, .wait = wait}};
	struct sim_node *node;
	int failed;

	self.world = sim_world_new(1);
	node = sim_node_new(self.world, "store");
	self.target.env = sim_node_start(node);
	check(env_loop_new(self.target.env, "test", &self.target.loop) == 0);
	check(env_loop_start(self.target.loop) == 0);
	failed = log_engine_conform_run("log_engine: segments, simulated disk", &self.target);
	sim_world_free(self.world);
	return failed;
}
