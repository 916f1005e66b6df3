#include "fs/client/client.h"

#include <errno.h>

#include "fs/client/client_ops.h"

/* The errno that the kernel gets for a status. */
static int errno_of(int status)
{
	if (status > STATUS_FIRST)
		return status;
	if (status == STATUS_UNSUPPORTED)
		return -EOPNOTSUPP;
	/* Nothing in this process coordinates operations across regions. */
	return status == STATUS_KEY_NOT_IN_REGION || status == STATUS_INCOMPLETE ? -EXDEV : -EIO;
}

/* Is it a domain error to log? STATUS_UNSUPPORTED is logged elsewhere (dispatcher_options.refused). */
static bool is_worth_telling(int status)
{
	return status < STATUS_FIRST && status != STATUS_UNSUPPORTED;
}

void client_end_call(struct client_call *call, int status, struct slice bytes)
{
	struct op_reply reply = {0};

	if (status == 0)
		status = op_reply_decode(bytes, &reply);
	else if (is_worth_telling(status))
		log_error(call->client->logger, "msg=\"an operation could not be carried out\" reason=\"%s\"",
			status_name(status));
	call->done(call, status == 0 ? reply.error : errno_of(status), &reply);
}

void client_end_read(struct client_read *read, int status)
{
	if (is_worth_telling(status))
		log_error(read->client->logger, "msg=\"a read failed\" reason=\"%s\"", status_name(status));
	read->done(read, errno_of(status));
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
	bool (*give_up)(struct client_call * call) = call->client->ops->give_up_call;

	return give_up && give_up(call);
}

bool client_give_up_read(struct client_read *read)
{
	bool (*give_up)(struct client_read * read) = read->client->ops->give_up_read;

	return give_up && give_up(read);
}

uint64_t client_session(const struct client *client)
{
	return client->ops->session(client);
}

struct raftkv *client_raftkv(const struct client *client)
{
	return client->ops->raftkv ? client->ops->raftkv(client) : NULL;
}

/* A cluster answers what is durable. */
bool client_sync(struct client *client, struct raftkv_sync *sync)
{
	struct raftkv *raftkv = client_raftkv(client);

	return raftkv && raftkv_sync(raftkv, sync);
}

void client_free(struct client *client)
{
	if (client)
		client->ops->free(client);
}
