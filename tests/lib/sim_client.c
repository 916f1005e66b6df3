#include "tests/lib/sim_client.h"

#include "proto/check.h"

void sim_client_init(struct sim_client *sim, const struct fake_raftkv_options *options)
{
	struct fake_raftkv_options own = *options;

	sim->world = sim_world_new(options->seed);
	sim->env = sim_node_start(sim_node_new(sim->world, "mount"));
	check(env_loop_new(sim->env, "loop", &sim->loop) == 0);
	check(env_loop_start(sim->loop) == 0);
	own.loop = sim->loop;
	sim->raftkv = fake_raftkv_new(&own);
	sim->files = fake_raftkv_files(sim->raftkv);
	check(client_new(&(struct client_options){.raftkv = sim->raftkv}, &sim->client) == 0);
}

void sim_client_close(struct sim_client *sim)
{
	fs_harness_verify(fake_raftkv_files(sim->raftkv));
	client_free(sim->client);
	fake_raftkv_free(sim->raftkv);
	env_loop_stop(sim->loop);
	env_loop_free(sim->loop);
	sim_world_free(sim->world);
}

static bool is_set(void *argument)
{
	const bool *flag = argument;

	return *flag;
}

void sim_client_until(struct sim_client *sim, const bool *flag)
{
	check(sim_run(sim->world, 60 * (uint64_t)SIM_S, is_set, (void *)(uintptr_t)flag));
}

void sim_client_run(struct sim_client *sim, uint64_t duration_ns)
{
	sim_run(sim->world, duration_ns, NULL, NULL);
}
