/* The struct and the functions that the files of the service share (service.h). */
#ifndef RAFTKV_FS_SERVER_SERVICE_INTERNAL_H
#define RAFTKV_FS_SERVER_SERVICE_INTERNAL_H

#include "fs/server/relay.h"
#include "fs/server/service.h"
#include "fs/regions/store_addresses.h"

struct intents_read;

struct service {
	struct service_options options;
	struct store_addresses *addresses;
	struct relay *relay;
	uint64_t payload_size; /* bytes of payloads under way */
	struct intents_read *inquiring; /* list: reads that ask the peers about attempts */
	bool has_left_peers;
	void (*stopped)(void *argument);
	void *stopped_argument;
};

/* Passes a request on to the leader's store. 0: the relay answers it. Otherwise the caller is to answer it with the
 * returned status: STATUS_NOT_LEADER where that store's address is unknown, else the status of relay_pass. */
int service_pass_on(struct service *service, struct rpc_request *request, uint64_t leader, uint16_t type,
	const ProtobufCMessage *message, struct buf *payload);

/* Answers a request of that type (FRAME_READ, FRAME_WRITE) which was sent to `region` by an old route, with the routes
 * that this store knows. False: the status is another one, or there is no memory; the caller is to answer. */
bool service_refuse_route(struct service *service, struct rpc_request *request, uint16_t type,
	uint64_t region, int status, uint64_t leader_store);

/* Handlers of rpc_server.h. */
int service_on_read(void *service, struct rpc_request *request, const struct frame *frame);
int service_on_write(void *service, struct rpc_request *request, const struct frame *frame);
int service_on_beat(void *service, struct rpc_request *request, const struct frame *frame);
int service_on_routes(void *service, struct rpc_request *request, const struct frame *frame);

#endif
