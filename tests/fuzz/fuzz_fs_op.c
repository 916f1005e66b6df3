/* Bodies and replies as anybody may send them: decoded or refused; what is decoded is what was encoded. */
#include <stdlib.h>
#include <string.h>

#include "fs/schema/op.h"

static void try_op(struct slice body)
{
	struct op op, other;
	struct buf *again;

	if (op_decode(body, &op) != 0)
		return;
	if (op_encode(&op, &again) != 0 || op_decode(buf_slice(again), &other) != 0)
		abort();
	if (other.kind != op.kind)
		abort();
	op_key(&op);
	buf_unref(again);
}

static void try_reply(struct slice bytes)
{
	struct op_reply reply, other;
	struct buf *again;

	if (op_reply_decode(bytes, &reply) != 0)
		return;
	if (op_reply_encode(&reply, &again) != 0 || op_reply_decode(buf_slice(again), &other) != 0)
		abort();
	if (memcmp(&reply.attributes, &other.attributes, sizeof reply.attributes) != 0)
		abort();
	buf_unref(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_op(slice_of(data, size));
	try_reply(slice_of(data, size));
	return 0;
}
