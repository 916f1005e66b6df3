/* Reading, writing and syncing extents. This file does not depend on which units are free. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/container.h"
#include "proto/plant.h"
#include "store/blocks/blocks_internal.h"

static struct blocks_request *request_of(struct env_file_request *file)
{
	return container_of(file, struct blocks_request, file);
}

static struct block_file file_of(struct blocks *blocks, uint64_t address)
{
	struct block_file file;

	pthread_mutex_lock(&blocks->lock);
	check(address / blocks->file_units < blocks->file_count);
	file = blocks->files[address / blocks->file_units];
	pthread_mutex_unlock(&blocks->lock);
	return file;
}

static uint64_t offset_of(const struct blocks *blocks, uint64_t address)
{
	return address % blocks->file_units * BLOCK_UNIT_SIZE;
}

static size_t vector_size(const struct blocks_request *request)
{
	size_t size = 0;

	for (int i = 0; i < request->vector_count; i++)
		size += request->vector[i].iov_len;
	return size;
}

static bool is_aligned(const struct blocks_request *request)
{
	for (int i = 0; i < request->vector_count; i++)
		if (((uintptr_t)request->vector[i].iov_base | request->vector[i].iov_len) %
			ENV_DIRECT_ALIGNMENT)
			return false;
	return true;
}

static void blocks_io_submit(struct blocks_request *request, struct env_file *file,
	enum env_file_operation operation, env_file_cb done)
{
	struct blocks *blocks = request->blocks;

	request->file = (struct env_file_request){
		.file = file,
		.operation = operation,
		.offset = offset_of(blocks, request->extent.address),
		.vector = request->copy.iov_base ? &request->copy : request->vector,
		.vector_count = request->copy.iov_base ? 1 : request->vector_count,
		.loop = request->loop,
		.done = done,
	};
	env_file_submit(&request->file);
}

static void check_range(const struct blocks_request *request)
{
	size_t size = vector_size(request);

	check(size > 0);
	check(size % BLOCK_UNIT_SIZE == 0);
	check(size / BLOCK_UNIT_SIZE <= request->extent.count);
	check(request->loop != NULL);
}

/* ---- Writing ---------------------------------------------------------------------------------------------------- */

static void blocks_io_on_written(struct env_file_request *file)
{
	struct blocks_request *request = request_of(file);
	struct blocks *blocks = request->blocks;

	request->status = file->status;
	free(request->copy.iov_base);
	request->copy.iov_base = NULL;
	if (request->status)
		blocks_fail(blocks, request->status, "a write");
	if (atomic_load(&blocks->has_failed))
		request->status = -EIO;
	request->done(request);
}

static void mark_dirty(struct blocks *blocks, uint64_t address)
{
	pthread_mutex_lock(&blocks->lock);
	blocks->files[address / blocks->file_units].dirty = true;
	pthread_mutex_unlock(&blocks->lock);
}

/* A deferred write counts as completed for blocks_sync before its `done` runs. */
static void on_deferred(struct env_file_request *file)
{
	struct blocks_request *request = request_of(file);

	mark_dirty(request->blocks, request->extent.address);
	if (request->is_deferred)
		blocks_deferred_arrived(request->blocks, request);
	blocks_io_on_written(file);
}

void blocks_submit_deferred(struct blocks *blocks, struct blocks_request *request)
{
	struct block_file file = file_of(blocks, request->extent.address);

	blocks_io_submit(request, file.deferred, ENV_FILE_WRITE, on_deferred);
}

static void on_no_memory(struct env_mail *mail)
{
	struct blocks_request *request = request_of((struct env_file_request *)mail);

	request->status = -ENOMEM;
	request->done(request);
}

int blocks_copy_vector(struct blocks_request *request)
{
	char *copy;

	request->copy.iov_len = vector_size(request);
	if (posix_memalign(&request->copy.iov_base, ENV_DIRECT_ALIGNMENT, request->copy.iov_len)) {
		request->copy.iov_base = NULL;
		return -ENOMEM;
	}
	copy = request->copy.iov_base;
	for (int i = 0; i < request->vector_count; i++) {
		memcpy(copy, request->vector[i].iov_base, request->vector[i].iov_len);
		copy += request->vector[i].iov_len;
	}
	return 0;
}

void blocks_write(struct blocks *blocks, struct blocks_request *request)
{
	bool is_synced = request->sync;
	struct block_file file = file_of(blocks, request->extent.address);

	check_range(request);
	request->blocks = blocks;
	request->is_deferred = false;
	request->copy.iov_base = NULL;
	if (blocks->is_direct && !is_aligned(request) && blocks_copy_vector(request)) {
		env_post(request->loop, &request->file.mail, on_no_memory);
		return;
	}
	PLANT("blocks:sync_skipped", is_synced = false);
	if (is_synced)
		blocks_io_submit(request, file.synced, ENV_FILE_WRITE, blocks_io_on_written);
	else
		blocks_io_submit(request, file.deferred, ENV_FILE_WRITE, on_deferred);
}

int blocks_write_now(struct blocks *blocks, struct block_extent extent, const void *bytes)
{
	struct block_file file = file_of(blocks, extent.address);
	size_t size = (size_t)extent.count * BLOCK_UNIT_SIZE;
	void *copy = NULL;
	int status;

	if (blocks->is_direct && (uintptr_t)bytes % ENV_DIRECT_ALIGNMENT) {
		if (posix_memalign(&copy, ENV_DIRECT_ALIGNMENT, size))
			return -ENOMEM;
		bytes = memcpy(copy, bytes, size);
	}
	status = env_file_write(file.deferred, offset_of(blocks, extent.address), bytes, size);
	free(copy);
	if (status)
		blocks_fail(blocks, status, "a write");
	mark_dirty(blocks, extent.address);
	return atomic_load(&blocks->has_failed) ? -EIO : 0;
}

/* The lock is not held while a file is synced, and the array of files may move. */
int blocks_sync(struct blocks *blocks)
{
	int status = 0;

	pthread_mutex_lock(&blocks->syncing);
	for (uint64_t i = 0; status == 0; i++) {
		struct env_file *file = NULL;
		bool is_end;

		pthread_mutex_lock(&blocks->lock);
		is_end = i == blocks->file_count;
		if (!is_end && blocks->files[i].dirty) {
			blocks->files[i].dirty = false;
			file = blocks->files[i].deferred;
		}
		pthread_mutex_unlock(&blocks->lock);
		if (is_end)
			break;
		PLANT("blocks:deferred_unsynced", file = NULL);
		if (file)
			status = env_file_sync(file);
	}
	pthread_mutex_unlock(&blocks->syncing);
	if (status)
		blocks_fail(blocks, status, "a sync");
	return atomic_load(&blocks->has_failed) ? -EIO : 0;
}

/* ---- Reading ---------------------------------------------------------------------------------------------------- */

/* Checks each piece for a deferred write just before it reads the piece: a write that is no longer there has reached
 * the disk. */
static int read_pieces(struct blocks *blocks, struct block_extent extent, uint32_t skip, void *bytes,
	uint32_t count, int (*read)(struct env_file *file, uint64_t offset, void *bytes, size_t size))
{
	struct block_file file = file_of(blocks, extent.address);
	uint64_t address = extent.address + skip;
	uint8_t *next = bytes;
	int status = 0;

	check(skip <= extent.count);
	check(count <= extent.count - skip);
	while (count > 0 && status == 0) {
		uint32_t run = count;

		if (!blocks_deferred_read(blocks, address, &run, next))
			status = read(file.reading, offset_of(blocks, address), next,
				(size_t)run * BLOCK_UNIT_SIZE);
		address += run;
		next += (size_t)run * BLOCK_UNIT_SIZE;
		count -= run;
	}
	return status;
}

int blocks_read_now(
	struct blocks *blocks, struct block_extent extent, uint32_t skip, void *bytes, uint32_t count)
{
	return read_pieces(blocks, extent, skip, bytes, count, env_file_read);
}

int blocks_read_cached(
	struct blocks *blocks, struct block_extent extent, uint32_t skip, void *bytes, uint32_t count)
{
	return read_pieces(blocks, extent, skip, bytes, count, env_file_read_cached);
}
