/* What the files of the service share (service.h). */
#ifndef RAFTKV_FS_SERVER_SERVICE_INTERNAL_H
#define RAFTKV_FS_SERVER_SERVICE_INTERNAL_H

#include "fs/server/relay.h"
#include "fs/server/service.h"
#include "fs/server/store_addresses.h"

struct service {
	struct service_options options;
	struct store_addresses *addresses;
	struct relay *relay;
	uint64_t payload_size; /* bytes under way */
	void (*stopped)(void *argument);
	void *stopped_argument;
};

/* To the store that leads; 0: it answers. Else the request is still to be answered, with this status: STATUS_NOT_LEADER when
 * that store is not known, what relay_pass says otherwise. */
int service_pass_on(struct service *service, struct rpc_request *request, uint64_t leader, uint16_t type,
	const ProtobufCMessage *message, struct buf *payload);

/* Handlers of rpc_server.h. */
int service_on_read(void *service, struct rpc_request *request, const struct frame *frame);
int service_on_write(void *service, struct rpc_request *request, const struct frame *frame);
int service_on_beat(void *service, struct rpc_request *request, const struct frame *frame);
int service_on_routes(void *service, struct rpc_request *request, const struct frame *frame);

#endif
