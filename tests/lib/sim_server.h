/*
 * sim_server.h: a machine of a simulated world (sim_env.h) that listens on NAME:1 as a store does, for tests whose stores
 * are scripted: they give its rpc_server their handlers.
 */
#ifndef RAFTKV_TESTS_LIB_SIM_SERVER_H
#define RAFTKV_TESTS_LIB_SIM_SERVER_H

#include "proto/acceptor.h"
#include "proto/rpc_server.h"
#include "tests/lib/sim_env.h"

/* Zero before its first start. Nothing of it is freed: its memory goes with the process that it stands for. */
struct sim_server {
	struct sim_node *node; /* made at the first start */
	struct env_loop *loop;
	struct link_self self;
	struct acceptor *acceptor;
	struct rpc_server *rpc_server;
};

/* The next process of the node: it serves clients of that cluster as that store. Its handlers are set before the world
 * goes on. */
void sim_server_start(struct sim_server *server, struct sim_world *world, const char *name, uint64_t cluster,
	uint64_t store);

#endif
