/* The struct and the functions that the files of the admin share (admin.h). */
#ifndef RAFTKV_FS_ADMIN_ADMIN_INTERNAL_H
#define RAFTKV_FS_ADMIN_ADMIN_INTERNAL_H

#include "fs/admin/admin.h"
#include "proto/raftkv.pb-c.h"

#define ADMIN_REGIONS_MAX 1024u /* in one answer */

struct admin {
	struct admin_options options;
	struct env *env;
	uint64_t started; /* env_now */
	uint64_t placer_term; /* the greatest that a step of placement came with */
	char address[RECORD_ADDRESS_SIZE_MAX + 1]; /* of the last admin_leader */
	struct ino_ranges nameless; /* of the last report */
};

/* The store that coordinates the cluster. */
struct admin_leader {
	uint64_t store; /* 0: unknown */
	char *address; /* "": unknown; borrowed for the call */
};

/* Finds the store that coordinates the cluster. 0: `found` gets it and `request`; -ENOMEM: `found` is not called. */
int admin_find_leader(struct admin *admin, struct rpc_request *request,
	void (*found)(struct admin *admin, struct rpc_request *request, struct admin_leader leader));

/* Is it a request without attachments, and without fields that this program knows? */
bool admin_is_bare(const struct frame *frame);

/* Handlers of rpc_server.h. */
int admin_on_report(void *admin, struct rpc_request *request, const struct frame *frame);
int admin_on_stats(void *admin, struct rpc_request *request, const struct frame *frame);
int admin_on_overview(void *admin, struct rpc_request *request, const struct frame *frame);
int admin_on_change(void *admin, struct rpc_request *request, const struct frame *frame);
int admin_on_regions(void *admin, struct rpc_request *request, const struct frame *frame);
int admin_on_split(void *admin, struct rpc_request *request, const struct frame *frame);
int admin_on_region_step(void *admin, struct rpc_request *request, const struct frame *frame);

#endif
