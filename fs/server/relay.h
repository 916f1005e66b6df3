/*
 * relay.h: requests of mounts that cannot reach the store that leads, passed on by one that can, and its answers back; as
 * TiKV's stores forward requests ("follower replication proxy"). One hop: what is passed on is not passed on again.
 *
 * The leader sees a link of the same session, so that it checks what it checks of a mount's own. Links are made when they
 * are needed: until one is open its requests are answered with STATUS_NOT_READY, and the mount asks again. A link that
 * has not been used for RELAY_IDLE_MS is closed.
 *
 * All on one loop.
 */
#ifndef RAFTKV_FS_SERVER_RELAY_H
#define RAFTKV_FS_SERVER_RELAY_H

#include "proto/rpc.h"
#include "proto/rpc_server.h"

#define RELAY_LINKS_MAX	 256u /* one for each session and leader */
#define RELAY_IDLE_MS	 UINT64_C(10000)
#define RELAY_TIMEOUT_MS UINT64_C(10000) /* then STATUS_NOT_READY: the mount asks again, with its slot */
#define RELAY_CONNECT_MS UINT64_C(1000)

struct relay;

struct relay *relay_new(
	const struct link_self *self, struct env_loop *loop); /* shares both; NULL: no memory */
/* 0: the request is answered with what that store says, in which `leader_store` names it; with STATUS_NOT_READY when it says
 * nothing. STATUS_NOT_READY (there is no link yet), STATUS_LIMIT, -ENOMEM: it is still to be answered. `payload` may be
 * NULL. */
int relay_pass(struct relay *relay, struct rpc_request *request, uint64_t store, const char *address,
	uint16_t type, const ProtobufCMessage *message, struct buf *payload);
/* All requests are answered. `stopped` perhaps from inside the call. */
void relay_stop(struct relay *relay, void (*stopped)(void *argument), void *argument);
void relay_free(struct relay *relay); /* stopped, or never used; may be NULL */

#endif
