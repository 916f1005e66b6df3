/* What the files of the service share (service.h). */
#ifndef RAFTKV_FS_SERVER_SERVICE_INTERNAL_H
#define RAFTKV_FS_SERVER_SERVICE_INTERNAL_H

#include "fs/server/service.h"
#include "fs/server/store_book.h"

struct service {
	struct service_options options;
	struct store_book *book;
	uint64_t payload_size; /* bytes under way */
};

/* Handlers of rpc_server.h. */
int service_on_read(void *service, struct rpc_request *request, const struct frame *frame);
int service_on_write(void *service, struct rpc_request *request, const struct frame *frame);
int service_on_beat(void *service, struct rpc_request *request, const struct frame *frame);
int service_on_routes(void *service, struct rpc_request *request, const struct frame *frame);

#endif
