#include "proto/buf.h"

#include <stdlib.h>
#include <string.h>

#include "proto/check.h"

struct buf *buf_new(size_t size)
{
	struct buf *buf;

	if (size > SIZE_MAX - sizeof *buf)
		return NULL;
	buf = malloc(sizeof *buf + size);
	if (!buf)
		return NULL;
	atomic_init(&buf->refs, 1);
	buf->release = NULL;
	buf->argument = NULL;
	buf->data = buf + 1;
	buf->size = size;
	return buf;
}

struct buf *buf_copy(const void *data, size_t size)
{
	struct buf *buf = buf_new(size);

	if (buf && size > 0)
		memcpy(buf->data, data, size);
	return buf;
}

struct buf *buf_wrap(void *data, size_t size, void (*release)(void *argument), void *argument)
{
	struct buf *buf = buf_new(0);

	check(release != NULL);
	if (!buf)
		return NULL;
	buf->release = release;
	buf->argument = argument;
	buf->data = data;
	buf->size = size;
	return buf;
}

struct buf *buf_ref(struct buf *buf)
{
	if (buf)
		atomic_fetch_add_explicit(&buf->refs, 1, memory_order_relaxed);
	return buf;
}

void buf_unref(struct buf *buf)
{
	unsigned before;

	if (!buf)
		return;
	before = atomic_fetch_sub_explicit(&buf->refs, 1, memory_order_acq_rel);
	check(before > 0);
	if (before > 1)
		return;
	if (buf->release)
		buf->release(buf->argument);
	free(buf);
}

int slice_compare(struct slice a, struct slice b)
{
	size_t common = a.size < b.size ? a.size : b.size;
	int order = common > 0 ? memcmp(a.data, b.data, common) : 0;

	if (order != 0)
		return order;
	return (a.size > b.size) - (a.size < b.size);
}
