/*
 * admin.h: what a store answers other stores and administrators (raftkv.proto, "Stores" and "Administrators"): reports,
 * its own stats, the overview of the cluster, and requests.
 *
 * The store that coordinates the cluster answers; any other one says which that is and where, as far as it knows. What makes no
 * sense ends the link. All on the server's loop.
 */
#ifndef RAFTKV_FS_SERVER_ADMIN_H
#define RAFTKV_FS_SERVER_ADMIN_H

#include "fs/config.h"
#include "fs/cluster/coordinator.h"
#include "fs/server/store_addresses.h"
#include "proto/rpc_server.h"

struct admin;

struct admin_options {
	struct env_loop *loop; /* of the rpc_server */
	const struct link_self *self; /* as is all below: outlives the admin */
	struct raftkv *raftkv;
	struct coordinator *coordinator;
	struct store_addresses *addresses;
	const struct config *config;
};

/* Registers its handlers with the server. NULL: no memory. */
struct admin *admin_new(const struct admin_options *options, struct rpc_server *server);
/* When the rpc_server and the store have stopped, or the loop has never run; may be NULL. */
void admin_free(struct admin *admin);

#endif
