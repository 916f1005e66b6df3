/*
 * service.h: what a store answers mounts and administrators (raftkv.proto, "Mounts"): reads, writes, heartbeats, routes.
 *
 * A read is answered at once when the leader's lease is valid and its rows are in memory, else after a round or from a
 * worker. A write goes to the region's leader with its session's slot; where that is not here, the answer says where it
 * is, as far as this store knows. A mount may write for the session alone that its link is for; without one only sessions
 * are opened and closed. What a mount cannot bring to the leader itself is passed on (relay.h).
 *
 * What makes no sense ends the link; what is not allowed is answered with -EPERM; what is too much at once is answered
 * with STATUS_LIMIT. All on the server's loop.
 */
#ifndef RAFTKV_FS_SERVER_SERVICE_H
#define RAFTKV_FS_SERVER_SERVICE_H

#include "fs/cluster/coordinator.h"
#include "fs/server/store_addresses.h"
#include "fs/schema/store_list.h"
#include "proto/rpc_server.h"
#include "store/raftkv.h"

#define SERVICE_PAYLOAD_SIZE_MAX (256u << 20) /* bytes of payloads under way, of all links */
#define SERVICE_ROUTES_MAX	 4096u /* regions in one answer */

struct service;

struct service_options {
	const struct link_self *self; /* as is all below: outlives the service */
	struct raftkv *raftkv;
	struct coordinator *coordinator;
	struct env_loop *loop; /* of the rpc_server */
	const struct logger *logger;
	const struct store_list *list; /* of the stores that begin the cluster */
	uint32_t expiry_ms; /* of a silent session: the coordinator's */
};

/* Registers its handlers with the server. NULL: no memory. */
struct service *service_new(const struct service_options *options, struct rpc_server *server);
struct store_addresses *service_addresses(const struct service *service);
/* While the rpc_server stops, and the store; `stopped` may come from inside the call. */
void service_stop(struct service *service, void (*stopped)(void *argument), void *argument);
/* When the rpc_server has stopped, too; or the loop has never run; may be NULL. */
void service_free(struct service *service);

#endif
