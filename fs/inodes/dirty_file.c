#include "fs/inodes/dirty_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/plant.h"

#define CHUNK_SIZE_MAX	 OP_WRITE_SIZE_MAX
#define CHUNK_SIZE_FIRST 16384u
#define IN_FLIGHT_MAX	 8u /* operations of one file */
#define PAGE		 4096u

/* ---- Chunks ---- */

static int chunk_grow(struct dirty_chunk *chunk, size_t size)
{
	size_t capacity = chunk->capacity ? chunk->capacity : CHUNK_SIZE_FIRST;
	uint8_t *bytes;

	if (size <= chunk->capacity)
		return 0;
	while (capacity < size)
		capacity *= 2;
	bytes = aligned_alloc(PAGE, capacity);
	if (!bytes)
		return -ENOMEM;
	if (chunk->size > 0)
		memcpy(bytes, chunk->bytes, chunk->size);
	free(chunk->bytes);
	chunk->bytes = bytes;
	chunk->capacity = capacity;
	return 0;
}

static uint64_t chunk_end(const struct dirty_chunk *chunk)
{
	return chunk->offset + chunk->size;
}

/* How many bytes of a write at `offset` can join the chunk, which must be open: the write overwrites or continues
 * it. The chunk ends at the next multiple of CHUNK_SIZE_MAX in the file, so that operations lie on whole units. */
static size_t chunk_room(const struct dirty_chunk *chunk, uint64_t offset)
{
	uint64_t end = (chunk->offset / CHUNK_SIZE_MAX + 1) * CHUNK_SIZE_MAX;

	if (!chunk->is_open || offset < chunk->offset || offset > chunk_end(chunk) || offset >= end)
		return 0;
	return (size_t)(end - offset);
}

static bool chunk_overlaps(const struct dirty_chunk *a, const struct dirty_chunk *b)
{
	return a->offset < chunk_end(b) && b->offset < chunk_end(a);
}

static struct dirty_chunk *chunk_append(struct dirty_file *file, uint64_t offset, uint64_t sequence)
{
	struct dirty_chunk *chunk = calloc(1, sizeof *chunk);

	if (!chunk)
		return NULL;
	chunk->file = file;
	chunk->offset = offset;
	chunk->sequence = sequence;
	chunk->is_open = true;
	if (file->last)
		file->last->next = chunk;
	else
		file->first = chunk;
	file->last = chunk;
	return chunk;
}

static void chunk_unlink(struct dirty_file *file, struct dirty_chunk *chunk)
{
	struct dirty_chunk **link = &file->first;
	struct dirty_chunk *before = NULL;

	while (*link != chunk) {
		before = *link;
		link = &before->next;
	}
	*link = chunk->next;
	if (file->last == chunk)
		file->last = before;
}

/* ---- Adding ---- */

/* The chunk that data at `offset` joins: the last one, or a new one. NULL: no memory. */
static struct dirty_chunk *chunk_for(struct dirty_file *file, uint64_t offset, uint64_t *sequence)
{
	if (file->last && chunk_room(file->last, offset) > 0)
		return file->last;
	dirty_file_close(file);
	return chunk_append(file, offset, ++*sequence);
}

/* Adds as much of the data as the chunk has room for. How many bytes, or -ENOMEM. */
static ssize_t chunk_join(struct dirty_chunk *chunk, const struct dirty_write *write)
{
	size_t room = chunk_room(chunk, write->offset);
	size_t size = write->size < room ? write->size : room;
	size_t at = (size_t)(write->offset - chunk->offset), end = at + size;

	if (chunk_grow(chunk, end) < 0)
		return -ENOMEM;
	memcpy(chunk->bytes + at, write->data, size);
	if (end > chunk->size) {
		chunk->file->size += end - chunk->size;
		chunk->size = end;
	}
	chunk->flags |= write->flags;
	chunk->time = write->time;
	if (chunk_room(chunk, chunk_end(chunk)) == 0)
		chunk->is_open = false;
	return (ssize_t)size;
}

int dirty_file_add(struct dirty_file *file, const struct dirty_write *write, uint64_t *sequence)
{
	struct dirty_write rest = *write;

	while (rest.size > 0) {
		struct dirty_chunk *chunk = chunk_for(file, rest.offset, sequence);
		ssize_t joined = chunk ? chunk_join(chunk, &rest) : -ENOMEM;

		if (joined < 0) {
			if (chunk && chunk->size == 0) {
				chunk_unlink(file, chunk);
				free(chunk);
			}
			return -ENOMEM;
		}
		rest.offset += (uint64_t)joined;
		rest.data += joined;
		rest.size -= (size_t)joined;
	}
	return 0;
}

/* Only the last chunk is open. */
void dirty_file_close(struct dirty_file *file)
{
	if (file->last)
		file->last->is_open = false;
}

/* ---- Sending ---- */

/* Not while the file has an older chunk that overlaps it: operations may be evaluated in any order. */
static bool may_send(const struct dirty_file *file, const struct dirty_chunk *chunk)
{
	for (const struct dirty_chunk *older = file->first; older != chunk; older = older->next)
		if (chunk_overlaps(older, chunk))
			return false;
	return true;
}

struct dirty_chunk *dirty_file_take_ready(struct dirty_file *file)
{
	struct dirty_chunk *list = NULL, **end = &list;

	for (struct dirty_chunk *chunk = file->first; chunk && file->in_flight < IN_FLIGHT_MAX;
		chunk = chunk->next) {
		if (chunk->is_sent || chunk->is_open || !may_send(file, chunk))
			continue;
		chunk->is_sent = true;
		chunk->next_to_send = NULL;
		file->in_flight++;
		*end = chunk;
		end = &chunk->next_to_send;
	}
	return list;
}

void dirty_file_remove(struct dirty_file *file, struct dirty_chunk *chunk)
{
	chunk_unlink(file, chunk);
	file->in_flight--;
	file->size -= chunk->size;
}

uint64_t dirty_file_end(const struct dirty_file *file)
{
	uint64_t end = 0;

	for (const struct dirty_chunk *chunk = file->first; chunk; chunk = chunk->next)
		end = chunk_end(chunk) > end ? chunk_end(chunk) : end;
	return end;
}

/* ---- Waiters ---- */

static bool is_awaited(const struct dirty_chunk *chunk, const struct write_back_waiter *waiter)
{
	return chunk->sequence <= waiter->sequence && chunk->offset < waiter->end &&
	       waiter->offset < chunk_end(chunk);
}

const struct dirty_chunk *dirty_file_awaited(
	const struct dirty_file *file, const struct write_back_waiter *waiter)
{
	const struct dirty_chunk *last = NULL;

	for (const struct dirty_chunk *chunk = file->first; chunk; chunk = chunk->next)
		if (is_awaited(chunk, waiter))
			last = chunk;
	return last;
}

struct write_back_waiter *dirty_file_take_satisfied(struct dirty_file *file)
{
	struct write_back_waiter *list = NULL, **link = &file->waiters;

	while (*link) {
		struct write_back_waiter *waiter = *link;

		if (dirty_file_awaited(file, waiter)) {
			link = &waiter->next;
			continue;
		}
		*link = waiter->next;
		waiter->next = list;
		list = waiter;
	}
	return list;
}

void dirty_file_fail(struct dirty_file *file, const struct dirty_chunk *chunk, int error)
{
	if (planted("fs:waiter_not_told"))
		return;
	for (struct write_back_waiter *waiter = file->waiters; waiter; waiter = waiter->next)
		if (is_awaited(chunk, waiter))
			waiter->error = error;
}

/* ---- Attributes ---- */

/* Counts blocks as if the chunk overwrote none. */
static void chunk_lay_over(const struct dirty_chunk *chunk, struct attributes *attributes)
{
	uint64_t end = chunk_end(chunk), size = end;

	if (planted("fs:buffered_end_unseen"))
		size = 0;
	if (size > attributes->size)
		attributes->size = size;
	attributes_set_written(attributes, &chunk->time);
	if (chunk->flags & OP_WRITE_KILL)
		attributes->mode = fs_mode_stripped(attributes->mode);
	attributes->blocks += (end - 1) / FS_BLOCK_SIZE - chunk->offset / FS_BLOCK_SIZE + 1;
}

void dirty_file_lay_over(const struct dirty_file *file, struct attributes *attributes)
{
	uint64_t blocks = attributes->blocks, most;

	for (const struct dirty_chunk *chunk = file->first; chunk; chunk = chunk->next)
		chunk_lay_over(chunk, attributes);
	most = (attributes->size + FS_UNIT_SIZE - 1) / FS_UNIT_SIZE * (FS_UNIT_SIZE / FS_BLOCK_SIZE);
	if (attributes->blocks > most)
		attributes->blocks = blocks > most ? blocks : most;
}
