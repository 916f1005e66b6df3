#include "fs/fuse/lane_buffers.h"

#include <linux/fuse.h>
#include <stdatomic.h>
#include <stdlib.h>

#define PAGE	    4096u
#define HEAD	    (sizeof(struct fuse_in_header) + sizeof(struct fuse_write_in))
#define BUFFER_SIZE (PAGE + LANE_WRITE_MAX + PAGE)
#define SPARES_MAX  16

/* A buffer for read(2). A FUSE_WRITE's headers end the first page, and its data begins the second one. */
struct request_buffer {
	struct request_buffer *next;
	struct request_buffer_pool *pool;
	void *block; /* by malloc: aligned_alloc does not reuse freed blocks well, and the heap would grow */
	uint8_t *memory; /* in the block, aligned to PAGE */
};

/* Receives the taken buffers. It outlives the lane until the last one is returned. */
struct request_buffer_pool {
	atomic_uint references; /* of the lane, and of each taken buffer */
	_Atomic(struct request_buffer *) returned; /* pushed by any thread */
	atomic_uint returned_count; /* of `returned`, roughly; beyond SPARES_MAX buffers are freed at once */
};

struct lane_buffers {
	struct request_buffer *current;
	struct request_buffer_pool *pool;
	struct request_buffer *spares;
	unsigned spare_count;
};

/* ---- Buffers and their pool ---- */

static void buffer_free(struct request_buffer *buffer)
{
	free(buffer->block);
	free(buffer);
}

static void buffer_free_list(struct request_buffer *list)
{
	while (list) {
		struct request_buffer *next = list->next;

		buffer_free(list);
		list = next;
	}
}

static struct request_buffer *buffer_new(struct request_buffer_pool *pool)
{
	struct request_buffer *buffer = calloc(1, sizeof *buffer);

	if (!buffer)
		return NULL;
	buffer->pool = pool;
	buffer->block = malloc(BUFFER_SIZE + PAGE);
	if (!buffer->block) {
		free(buffer);
		return NULL;
	}
	buffer->memory = (uint8_t *)(((uintptr_t)buffer->block + PAGE - 1) / PAGE * PAGE);
	return buffer;
}

static void pool_unref(struct request_buffer_pool *pool)
{
	if (atomic_fetch_sub(&pool->references, 1) != 1)
		return;
	buffer_free_list(atomic_load(&pool->returned));
	free(pool);
}

static void pool_push(struct request_buffer_pool *pool, struct request_buffer *buffer)
{
	struct request_buffer *first = atomic_load_explicit(&pool->returned, memory_order_relaxed);

	do
		buffer->next = first;
	while (!atomic_compare_exchange_weak_explicit(
		&pool->returned, &first, buffer, memory_order_release, memory_order_relaxed));
}

/* Returns a taken buffer. */
static void buffer_return(void *argument)
{
	struct request_buffer *buffer = argument;
	struct request_buffer_pool *pool = buffer->pool;

	if (atomic_fetch_add_explicit(&pool->returned_count, 1, memory_order_relaxed) < SPARES_MAX) {
		pool_push(pool, buffer);
	} else {
		atomic_fetch_sub_explicit(&pool->returned_count, 1, memory_order_relaxed);
		buffer_free(buffer);
	}
	pool_unref(pool);
}

/* ---- The lane's buffers ---- */

static void lane_buffers_spare(struct lane_buffers *buffers, struct request_buffer *buffer)
{
	buffer->next = buffers->spares;
	buffers->spares = buffer;
	buffers->spare_count++;
}

static void lane_buffers_collect(struct lane_buffers *buffers)
{
	struct request_buffer_pool *pool = buffers->pool;
	struct request_buffer *list = atomic_exchange_explicit(&pool->returned, NULL, memory_order_acquire);

	while (list) {
		struct request_buffer *next = list->next;

		atomic_fetch_sub_explicit(&pool->returned_count, 1, memory_order_relaxed);
		if (buffers->spare_count < SPARES_MAX)
			lane_buffers_spare(buffers, list);
		else
			buffer_free(list);
		list = next;
	}
}

static struct request_buffer *lane_buffers_get(struct lane_buffers *buffers)
{
	struct request_buffer *buffer;

	lane_buffers_collect(buffers);
	buffer = buffers->spares;
	if (!buffer)
		return buffer_new(buffers->pool);
	buffers->spares = buffer->next;
	buffers->spare_count--;
	return buffer;
}

struct lane_buffers *lane_buffers_new(void)
{
	struct lane_buffers *buffers = calloc(1, sizeof *buffers);

	if (!buffers)
		return NULL;
	buffers->pool = calloc(1, sizeof *buffers->pool);
	if (!buffers->pool) {
		free(buffers);
		return NULL;
	}
	atomic_init(&buffers->pool->references, 1);
	buffers->current = buffer_new(buffers->pool);
	if (!buffers->current) {
		lane_buffers_free(buffers);
		return NULL;
	}
	return buffers;
}

void lane_buffers_free(struct lane_buffers *buffers)
{
	if (!buffers)
		return;
	buffer_free_list(buffers->spares);
	if (buffers->current)
		buffer_free(buffers->current);
	pool_unref(buffers->pool);
	free(buffers);
}

uint8_t *lane_buffers_start(const struct lane_buffers *buffers)
{
	return buffers->current->memory + PAGE - HEAD;
}

size_t lane_buffers_size(void)
{
	return HEAD + LANE_WRITE_MAX;
}

struct buf *lane_buffers_take(struct lane_buffers *buffers, const void *data, size_t size)
{
	struct request_buffer *next = lane_buffers_get(buffers);
	struct buf *buf;

	if (!next)
		return NULL;
	buf = buf_wrap((void *)(uintptr_t)data, size, buffer_return, buffers->current);
	if (!buf) {
		lane_buffers_spare(buffers, next);
		return NULL;
	}
	atomic_fetch_add(&buffers->pool->references, 1);
	buffers->current = next;
	return buf;
}
