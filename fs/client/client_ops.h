/* client_ops.h: the two ways in which a client (client.h) reaches its filesystem: local.c and remote.c. */
#ifndef RAFTKV_FS_CLIENT_CLIENT_OPS_H
#define RAFTKV_FS_CLIENT_CLIENT_OPS_H

#include "fs/client/client.h"

struct client_ops {
	int (*call)(
		struct client *client, struct client_call *call, const struct op *op, struct buf *payload);
	bool (*give_up_call)(struct client_call *call);
	void (*read)(struct client *client, struct client_read *read);
	bool (*give_up_read)(struct client_read *read);
	uint64_t (*session)(const struct client *client);
	struct raftkv *(*raftkv)(const struct client *client); /* NULL: it is elsewhere */
	void (*free)(struct client *client);
};

struct client {
	const struct client_ops *ops;
};

/* What the kernel is told about a status: its errnos only. */
int client_errno(int status);

#endif
