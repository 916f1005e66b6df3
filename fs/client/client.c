#include "fs/client/client.h"

#include <errno.h>

#include "fs/client/client_ops.h"

int client_errno(int status)
{
	if (status > STATUS_FIRST)
		return status;
	if (status == STATUS_UNSUPPORTED)
		return -EOPNOTSUPP;
	return status == STATUS_KEY_NOT_IN_REGION ? -EXDEV : -EIO;
}

int client_call(struct client *client, struct client_call *call, const struct op *op, struct buf *payload)
{
	call->client = client;
	return client->ops->call(client, call, op, payload);
}

void client_read(struct client *client, struct client_read *read)
{
	read->client = client;
	client->ops->read(client, read);
}

bool client_give_up_call(struct client_call *call)
{
	return call->client->ops->give_up_call(call);
}

bool client_give_up_read(struct client_read *read)
{
	return read->client->ops->give_up_read(read);
}

uint64_t client_session(const struct client *client)
{
	return client->ops->session(client);
}

struct raftkv *client_raftkv(const struct client *client)
{
	return client->ops->raftkv(client);
}

void client_free(struct client *client)
{
	if (client)
		client->ops->free(client);
}
