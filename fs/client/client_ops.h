/*
 * client_ops.h: the operations of a client (client.h), which local.c and remote.c implement, and the end of a request,
 * which they share.
 */
#ifndef RAFTKV_FS_CLIENT_CLIENT_OPS_H
#define RAFTKV_FS_CLIENT_CLIENT_OPS_H

#include "fs/client/client.h"

struct client_ops {
	int (*call)(
		struct client *client, struct client_call *call, const struct op *op, struct buf *payload);
	void (*read)(struct client *client, struct client_read *read);
	/* NULL: no request is given up, as a store in this process answers, or the process ends. */
	bool (*give_up_call)(struct client_call *call);
	bool (*give_up_read)(struct client_read *read);
	uint64_t (*session)(const struct client *client);
	struct raftkv *(*raftkv)(const struct client *client); /* NULL: the store is not in this process */
	void (*free)(struct client *client);
};

/* The first member of an implementation. */
struct client {
	const struct client_ops *ops;
	const struct logger *logger;
};

/* Calls `done`. `reply` is an encoded op_reply where `status` is 0. The implementation has freed its state of the
 * request before. A status that has no errno is logged. */
void client_end_call(struct client_call *call, int status, struct slice reply);
void client_end_read(struct client_read *read, int status);

#endif
