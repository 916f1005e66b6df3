/* What the files of the admin share (admin.h). */
#ifndef RAFTKV_FS_SERVER_ADMIN_INTERNAL_H
#define RAFTKV_FS_SERVER_ADMIN_INTERNAL_H

#include "fs/server/admin.h"
#include "proto/raftkv.pb-c.h"

struct admin {
	struct admin_options options;
	struct env *env;
	uint64_t started; /* env_now */
	char address[RECORD_ADDRESS_SIZE_MAX + 1]; /* for an answer that is being made */
};

/* Where somebody else has to be asked. The address is the admin's until the next one is made. */
struct admin_leader {
	uint64_t store; /* 0: unknown */
	char *address; /* or "" */
};

/* Finds out which store coordinates the cluster; then calls back, later, or never if memory is out (-ENOMEM). `request` goes
 * along. */
int admin_find_leader(struct admin *admin, struct rpc_request *request,
	void (*found)(struct admin *admin, struct rpc_request *request, struct admin_leader leader));

/* Is it a request without fields, or only with those of a newer program, and without attachments? */
bool admin_is_bare(const struct frame *frame);

/* Handlers of rpc_server.h. */
int admin_on_report(void *admin, struct rpc_request *request, const struct frame *frame);
int admin_on_stats(void *admin, struct rpc_request *request, const struct frame *frame);
int admin_on_overview(void *admin, struct rpc_request *request, const struct frame *frame);
int admin_on_change(void *admin, struct rpc_request *request, const struct frame *frame);

#endif
