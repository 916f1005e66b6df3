/*
 * relay.h: passes requests of mounts that cannot reach the leader's store on to it, and the answers back; as TiKV's
 * stores forward requests. One hop: a request that was passed on is not passed on again.
 *
 * The relay's link to the leader has the mount's session, so that the leader makes the same checks as on a mount's own
 * link. Links are made when they are needed. Until a link is open, its requests are answered with STATUS_NOT_READY, and
 * the mount asks again. A link that has not been used for RELAY_IDLE_MS is closed.
 *
 * All on one loop.
 */
#ifndef RAFTKV_FS_SERVER_RELAY_H
#define RAFTKV_FS_SERVER_RELAY_H

#include "proto/rpc.h"
#include "proto/rpc_server.h"

#define RELAY_LINKS_MAX	 256u /* a session has one link to each leader's store */
#define RELAY_IDLE_MS	 UINT64_C(10000)
#define RELAY_TIMEOUT_MS UINT64_C(10000) /* for an answer; then STATUS_NOT_READY */
#define RELAY_CONNECT_MS UINT64_C(1000)

struct relay;

struct relay *relay_new(
	const struct link_self *self, struct env_loop *loop); /* shares both; NULL: no memory */
/* 0: the relay answers the request, with that store's answer, whose `leader_store` names it; with STATUS_NOT_READY if
 * none comes. STATUS_NOT_READY (no link is open yet), STATUS_LIMIT, STATUS_STOPPING, -ENOMEM: the caller is to answer
 * it. `payload` may be NULL. */
int relay_pass(struct relay *relay, struct rpc_request *request, uint64_t store, const char *address,
	uint16_t type, const ProtobufCMessage *message, struct buf *payload);
/* When `stopped` comes, all requests are answered. It may come from inside the call. */
void relay_stop(struct relay *relay, void (*stopped)(void *argument), void *argument);
void relay_free(struct relay *relay); /* stopped, or never used; may be NULL */

#endif
