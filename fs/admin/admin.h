/*
 * admin.h: a store's answers to other stores and to administrators (raftkv.proto, "Stores" and "Administrators"): to
 * reports, to requests for its stats, for its regions and for the overview of the cluster, to administrators' changes, and
 * to requests to split a region, and to place it.
 *
 * Any store answers with its own stats and regions, and splits and places a region that it leads. All else is answered
 * by the store that coordinates the cluster; any other store answers with that store's id and address, as far as it
 * knows them. A malformed request ends the link. All on the server's loop.
 */
#ifndef RAFTKV_FS_ADMIN_ADMIN_H
#define RAFTKV_FS_ADMIN_ADMIN_H

#include "fs/config.h"
#include "fs/cluster/coordinator.h"
#include "fs/regions/region_loads.h"
#include "fs/regions/reporter.h"
#include "fs/regions/store_addresses.h"
#include "proto/rpc_server.h"

struct admin;

struct admin_options {
	struct env_loop *loop; /* of the rpc_server */
	/* Shared: the objects below outlive the admin. */
	const struct link_self *self;
	struct raftkv *raftkv;
	struct coordinator *coordinator;
	struct store_addresses *addresses;
	const struct config *config;
	const struct reporter *reporter; /* NULL: the store reports to nobody */
	const struct region_loads *loads; /* NULL: they are not measured */
};

/* Registers its handlers with the server. NULL: no memory. */
struct admin *admin_new(const struct admin_options *options, struct rpc_server *server);
/* After the rpc_server and the store have stopped, or when the loop has never run; may be NULL. */
void admin_free(struct admin *admin);

#endif
