#include "tests/lib/sim_server.h"

#include <stdio.h>

#include "proto/check.h"

void sim_server_start(struct sim_server *server, struct sim_world *world, const char *name, uint64_t cluster,
	uint64_t store)
{
	char address[64];
	struct acceptor_options options = {.self = &server->self, .address = address, .is_insecure = true};

	snprintf(address, sizeof address, "%s:1", name);
	if (!server->node)
		server->node = sim_node_new(world, name);
	server->self = (struct link_self){
		.env = sim_node_start(server->node), .cluster = cluster, .store = store, .incarnation = 1};
	check(env_loop_new(server->self.env, name, &server->loop) == 0);
	options.loop = server->loop;
	check(acceptor_new(&options, &server->acceptor, NULL) == 0);
	server->rpc_server = rpc_server_new(server->loop, NULL);
	acceptor_serve(server->acceptor, RAFTKV__ROLE__CLIENT, rpc_server_greeted, server->rpc_server);
	check(env_loop_start(server->loop) == 0);
}
