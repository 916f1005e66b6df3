/* sim_client.h: a client over a fake_raftkv on one loop of a simulated node, for tests of fs/client. */
#ifndef RAFTKV_TESTS_LIB_SIM_CLIENT_H
#define RAFTKV_TESTS_LIB_SIM_CLIENT_H

#include "fs/client/client.h"
#include "tests/lib/fake_raftkv.h"
#include "tests/lib/sim_env.h"

struct sim_client {
	struct sim_world *world;
	struct env *env;
	struct env_loop *loop;
	struct raftkv *raftkv;
	struct client *client;
	struct fs_harness *files;
};

/* `options->loop` is filled in. */
void sim_client_init(struct sim_client *sim, const struct fake_raftkv_options *options);
/* Verifies the rows; everything has ended. */
void sim_client_close(struct sim_client *sim);
/* Runs until `*flag`; fails the test after a minute of simulated time. */
void sim_client_until(struct sim_client *sim, const bool *flag);
void sim_client_run(struct sim_client *sim, uint64_t duration_ns);

#endif
