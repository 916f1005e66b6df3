/*
 * client_ops.h: the two ways in which a client (client.h) reaches its filesystem, local.c and remote.c, and what is the
 * same in both.
 */
#ifndef RAFTKV_FS_CLIENT_CLIENT_OPS_H
#define RAFTKV_FS_CLIENT_CLIENT_OPS_H

#include "fs/client/client.h"

struct client_ops {
	int (*call)(
		struct client *client, struct client_call *call, const struct op *op, struct buf *payload);
	void (*read)(struct client *client, struct client_read *read);
	/* NULL: nothing is given up, for a store that is here answers, or its process ends. */
	bool (*give_up_call)(struct client_call *call);
	bool (*give_up_read)(struct client_read *read);
	uint64_t (*session)(const struct client *client);
	struct raftkv *(*raftkv)(const struct client *client); /* NULL, or it says NULL: it is elsewhere */
	void (*free)(struct client *client);
};

/* The first member of an implementation. */
struct client {
	const struct client_ops *ops;
	const struct logger *logger;
};

/* The end of a call: `done`, with the reply that the bytes hold where `status` is 0; all that the implementation holds for
 * it was let go before. What nobody can be told by an errno is logged. */
void client_end_call(struct client_call *call, int status, struct slice reply);
void client_end_read(struct client_read *read, int status);

#endif
