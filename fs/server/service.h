/*
 * service.h: answers mounts and administrators (raftkv.proto, "Mounts"): reads, writes, heartbeats, routes.
 *
 * A read is answered at once when the leader's lease is valid and its rows are in memory, else after a round of
 * heartbeats or from a worker. A write is proposed with its session's slot. Where this store does not lead the region,
 * the answer names the leader's store, if it is known, or the request is passed on (relay.h), if the mount asks for
 * that. Where the region is not here, or has another epoch, the answer has the routes around it that this store knows. A
 * mount may write only for the session of its link; where the region does not know the session yet, it is registered first
 * (registrations.h). A write without a session may open or close one. On a link without a session, as stores and
 * administrators have, it may be what stores ask each other for (service_write.c:is_between_stores).
 *
 * A malformed request ends the link. A request that is not allowed is answered with -EPERM, a request over a limit with
 * STATUS_LIMIT. All on the server's loop.
 */
#ifndef RAFTKV_FS_SERVER_SERVICE_H
#define RAFTKV_FS_SERVER_SERVICE_H

#include "fs/cluster/coordinator.h"
#include "fs/regions/region_loads.h"
#include "fs/regions/registrations.h"
#include "fs/regions/store_addresses.h"
#include "fs/schema/store_list.h"
#include "proto/rpc_server.h"
#include "store/raftkv.h"

#define SERVICE_PAYLOAD_SIZE_MAX (256u << 20) /* bytes of payloads under way, of all links */
#define SERVICE_ROUTES_MAX	 4096u /* regions in one answer */

struct dispatcher; /* dispatcher.h */
struct service;
struct transactions; /* transactions.h */

struct service_options {
	/* Shared: the objects below outlive the service. */
	const struct link_self *self;
	struct raftkv *raftkv;
	struct coordinator *coordinator;
	struct registrations *registrations; /* on the same loop */
	struct transactions *transactions;
	struct dispatcher *peers; /* reaches the leader of any region; on the same loop */
	struct env_loop *loop; /* of the rpc_server */
	const struct logger *logger;
	const struct store_list *list; /* the initial list */
	struct region_loads *loads; /* is told of each request that was answered; NULL: nobody is */
	uint32_t expiry_ms; /* coordinator_options.expiry_ms */
};

/* Registers its handlers with the server. NULL: no memory. */
struct service *service_new(const struct service_options *options, struct rpc_server *server);
struct store_addresses *service_addresses(const struct service *service);
/* Ends what the service asks of the peers, now and later: before the dispatcher stops. */
void service_leave_peers(struct service *service);
/* Called while the rpc_server and the store stop, too; `stopped` may come from inside the call. */
void service_stop(struct service *service, void (*stopped)(void *argument), void *argument);
/* After the service and the rpc_server have stopped, or when the loop has never run; may be NULL. */
void service_free(struct service *service);

#endif
