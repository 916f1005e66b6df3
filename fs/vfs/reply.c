#include "fs/vfs/reply.h"

#include <errno.h>
#include <sys/stat.h>

void request_reply_error(struct request *request, int error)
{
	if (request->fuse)
		fuse_reply_err(request->fuse, -error);
	else
		lane_reply(request->lane, request->unique, error, NULL, 0);
	request_free(request);
}

void request_reply_entry(struct request *request, const struct attributes *attributes,
	const struct attributes *shown, uint64_t parent, struct slice name)
{
	struct fuse_entry_param entry = front_entry(request->front, attributes, shown, parent, name);

	fuse_reply_entry(request->fuse, &entry);
	request_free(request);
}

void request_reply_no_entry(struct request *request)
{
	struct fuse_entry_param entry = {.entry_timeout = request->front->timeout};

	if (!request->front->options.sole_client) {
		request_reply_error(request, -ENOENT);
		return;
	}
	fuse_reply_entry(request->fuse, &entry);
	request_free(request);
}

void request_reply_attributes(
	struct request *request, const struct attributes *attributes, const struct attributes *shown)
{
	struct stat stat = front_stat(request->front, shown);

	front_note_told(request->front, attributes, 0);
	fuse_reply_attr(request->fuse, &stat, request->front->timeout);
	request_free(request);
}

void request_reply_written(struct request *request, size_t count)
{
	fuse_reply_write(request->fuse, count);
	request_free(request);
}

void request_reply_bytes(struct request *request, const void *bytes, size_t size)
{
	fuse_reply_buf(request->fuse, bytes, size);
	request_free(request);
}

void request_reply_size(struct request *request, size_t size)
{
	fuse_reply_xattr(request->fuse, size);
	request_free(request);
}

void request_reply_raw(struct request *request, const void *answer, size_t size)
{
	lane_reply(request->lane, request->unique, 0, answer, size);
	request_free(request);
}
