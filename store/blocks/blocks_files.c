/*
 * The files of the block store: opening them, and taking and giving back their disk space by chunks.
 *
 * A new file gets its name only once its header and first chunk are in place (made as NNNN.new, synced, renamed). A
 * file grows only by whole chunks, synced before their units are allocated. So a crash leaves at most a stray .new,
 * which is removed, or a last file that is longer than whole chunks, whose tail is not used.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/plant.h"
#include "store/blocks/blocks_internal.h"

static void file_path(
	const struct blocks *blocks, uint64_t number, const char *suffix, char path[BLOCKS_PATH_MAX])
{
	snprintf(path, BLOCKS_PATH_MAX, "%s/%04" PRIu64 "%s", blocks->path, number, suffix);
}

static uint64_t bytes_of(uint64_t units)
{
	return units * BLOCK_UNIT_SIZE;
}

/* ---- Opening ---------------------------------------------------------------------------------------------------- */

static void file_close(struct block_file *file)
{
	env_file_close(file->synced);
	env_file_close(file->deferred);
	env_file_close(file->reading);
}

static int file_open(struct blocks *blocks, const char *path, struct block_file *file)
{
	struct env *env = blocks->options.env;
	int direct = blocks->is_direct ? ENV_OPEN_DIRECT : 0;
	int status;

	*file = (struct block_file){0};
	status = env_file_open(env, path, ENV_OPEN_WRITE | direct | ENV_OPEN_DSYNC, &file->synced);
	if (status == -EINVAL && direct) {
		log_warn(blocks->options.logger,
			"block store: %s: the filesystem refuses O_DIRECT; writes go through the page cache",
			path);
		blocks->is_direct = false;
		return file_open(blocks, path, file);
	}
	if (status == 0)
		status = env_file_open(env, path, ENV_OPEN_WRITE | direct, &file->deferred);
	if (status == 0)
		status = env_file_open(env, path, ENV_OPEN_READ, &file->reading);
	if (status)
		file_close(file);
	return status;
}

/* Checks that the header matches the file's name, and computes how much of the file can be used. */
static int check_file(struct blocks *blocks, const struct block_file *file, uint64_t number, bool is_last,
	uint64_t *chunks, struct status *status)
{
	unsigned char unit[BLOCK_UNIT_SIZE];
	struct blocks_header header;
	uint64_t size;
	int code = env_file_size(file->reading, &size);

	if (code == 0)
		code = env_file_read(file->reading, 0, unit, sizeof unit);
	if (code && code != -ENODATA)
		return status_set(status, code, "block file %04" PRIu64 " of %s cannot be read: %s", number,
			blocks->path, status_name(code));
	if (code || blocks_header_decode(unit, &header) || header.file_units == 0 ||
		header.file_units % BLOCKS_CHUNKS_PER_FILE)
		return status_set(status, STATUS_CORRUPT,
			"block file %04" PRIu64 " of %s has a damaged header", number, blocks->path);
	if (number == 0) {
		blocks->identity = header.identity;
		blocks->file_units = header.file_units;
		blocks->chunk_units = header.file_units / BLOCKS_CHUNKS_PER_FILE;
	}
	if (header.identity != blocks->identity || header.number != number ||
		header.file_units != blocks->file_units)
		return status_set(status, STATUS_CORRUPT,
			"block file %04" PRIu64 " of %s is file %04" PRIu64 " of %s store", number,
			blocks->path, header.number,
			header.identity == blocks->identity ? "this" : "another");
	*chunks = size / bytes_of(blocks->chunk_units);
	if (*chunks > BLOCKS_CHUNKS_PER_FILE || *chunks == 0 ||
		(!is_last && *chunks < BLOCKS_CHUNKS_PER_FILE))
		return status_set(status, STATUS_CORRUPT,
			"block file %04" PRIu64 " of %s has %" PRIu64 " bytes where %" PRIu64 " are expected",
			number, blocks->path, size, bytes_of(blocks->file_units));
	return 0;
}

/* Makes room in memory for one more file and its chunks. */
static int reserve_place(struct blocks *blocks)
{
	struct block_file *files = realloc(blocks->files, (blocks->file_count + 1) * sizeof *files);
	uint8_t *chunks;

	if (!files)
		return -ENOMEM;
	blocks->files = files;
	chunks = realloc(blocks->chunks, (blocks->file_count + 1) * BLOCKS_CHUNKS_PER_FILE);
	if (!chunks)
		return -ENOMEM;
	blocks->chunks = chunks;
	return 0;
}

/* A chunk's units without a file's header. */
static struct block_extent chunk_extent(const struct blocks *blocks, uint64_t chunk)
{
	uint32_t header = chunk % BLOCKS_CHUNKS_PER_FILE == 0;

	return (struct block_extent){
		.address = chunk * blocks->chunk_units + header,
		.count = (uint32_t)blocks->chunk_units - header,
	};
}

/* Adds a chunk that has its disk space; room in memory is reserved. `lock` held, or opening. */
static int chunk_add(struct blocks *blocks, uint64_t chunk)
{
	struct block_extent extent = chunk_extent(blocks, chunk);
	int status = block_allocator_give(&blocks->free, extent.address, extent.count);

	if (status)
		return status;
	if (chunk == blocks->chunk_count)
		blocks->chunk_count++;
	blocks->chunks[chunk] = CHUNK_RESIDENT;
	blocks->resident_chunks++;
	return 0;
}

static int open_one(struct blocks *blocks, uint64_t number, bool is_last, struct status *status)
{
	char path[BLOCKS_PATH_MAX];
	struct block_file file;
	uint64_t chunks = 0;
	int code;

	file_path(blocks, number, "", path);
	code = file_open(blocks, path, &file);
	if (code)
		return status_set(status, code == -ENOENT ? STATUS_CORRUPT : code,
			"block file %s cannot be opened: %s", path, status_name(code));
	code = check_file(blocks, &file, number, is_last, &chunks, status);
	if (code == 0 && reserve_place(blocks))
		code = status_set(status, -ENOMEM, "no memory for block file %s", path);
	if (code) {
		file_close(&file);
		return code;
	}
	blocks->files[blocks->file_count++] = file;
	for (uint64_t i = 0; i < chunks; i++)
		if (chunk_add(blocks, number * BLOCKS_CHUNKS_PER_FILE + i))
			return status_set(status, -ENOMEM, "no memory for block file %s", path);
	return 0;
}

struct block_files_listing {
	struct blocks *blocks;
	uint64_t count; /* files: one more than the highest number */
};

static int on_name(void *argument, const char *name)
{
	struct block_files_listing *listing = argument;
	char path[BLOCKS_PATH_MAX];
	char *end;
	uint64_t number = strtoull(name, &end, 10);

	if (end == name || (*end && strcmp(end, ".new") != 0))
		return 0; /* not a block file */
	if (*end) {
		file_path(listing->blocks, number, ".new", path);
		return env_unlink(listing->blocks->options.env, path);
	}
	if (number >= listing->count)
		listing->count = number + 1;
	return 0;
}

static int make_directory(struct blocks *blocks)
{
	int code = env_mkdir(blocks->options.env, blocks->path);

	if (code)
		return code == -EEXIST ? 0 : code;
	return env_sync_parent(blocks->options.env, blocks->path);
}

int blocks_files_open(struct blocks *blocks, struct status *status)
{
	struct block_files_listing listing = {.blocks = blocks};
	int code = make_directory(blocks);

	if (code == 0)
		code = env_list(blocks->options.env, blocks->path, on_name, &listing);
	if (code)
		return status_set(
			status, code, "the block store's directory %s: %s", blocks->path, status_name(code));
	for (uint64_t number = 0; number < listing.count && code == 0; number++)
		code = open_one(blocks, number, number + 1 == listing.count, status);
	return code;
}

void blocks_files_close(struct blocks *blocks)
{
	for (uint64_t i = 0; i < blocks->file_count; i++)
		file_close(&blocks->files[i]);
	free(blocks->files);
	free(blocks->chunks);
}

/* ---- Taking disk space ------------------------------------------------------------------------------------------ */

/* Whether another `size` bytes leave the part of the reserve that the claim must leave: 0 or -ENOSPC. */
static int check_reserve(struct blocks *blocks, enum blocks_claim claim, uint64_t size)
{
	uint64_t reserve = blocks->options.reserve_size;
	uint64_t left = claim == BLOCKS_NEW ? reserve : claim == BLOCKS_ADMITTED ? reserve / 2 : 0;
	struct env_space space;
	int status = env_space(blocks->options.env, blocks->path, &space);

	PLANT("members:reserve_kept", left = reserve);
	if (status)
		return status;
	return space.available >= size && space.available - size >= left ? 0 : -ENOSPC;
}

static int write_header(struct blocks *blocks, struct block_file *file, uint64_t number)
{
	struct blocks_header header = {blocks->identity, number, blocks->file_units};
	void *unit = NULL;
	int status;

	if (posix_memalign(&unit, ENV_DIRECT_ALIGNMENT, BLOCK_UNIT_SIZE))
		return -ENOMEM;
	blocks_header_encode(&header, unit);
	status = env_file_write(file->synced, 0, unit, BLOCK_UNIT_SIZE);
	free(unit);
	return status;
}

static int fill_new_file(struct blocks *blocks, struct block_file *file, const char *made, const char *path)
{
	struct env *env = blocks->options.env;
	int status = env_file_allocate(file->synced, 0, bytes_of(blocks->chunk_units));

	if (status == 0)
		status = write_header(blocks, file, blocks->file_count);
	if (status == 0)
		status = env_file_sync(file->synced);
	if (status == 0)
		status = env_rename(env, made, path);
	if (status == 0)
		status = env_sync_dir(env, blocks->path);
	return status;
}

/* `space` held, so no other thread adds files. */
static int file_create(struct blocks *blocks)
{
	struct env *env = blocks->options.env;
	char made[BLOCKS_PATH_MAX], path[BLOCKS_PATH_MAX];
	struct env_file *empty = NULL;
	struct block_file file;
	int status;

	if (blocks->identity == 0)
		env_random(env, &blocks->identity, sizeof blocks->identity);
	file_path(blocks, blocks->file_count, ".new", made);
	file_path(blocks, blocks->file_count, "", path);
	status = env_file_open(env, made, ENV_OPEN_WRITE | ENV_OPEN_CREATE, &empty);
	if (status)
		return status;
	env_file_close(empty);
	status = file_open(blocks, made, &file);
	if (status)
		return status;
	status = fill_new_file(blocks, &file, made, path);
	pthread_mutex_lock(&blocks->lock);
	if (status == 0)
		status = reserve_place(blocks);
	if (status == 0)
		status = chunk_add(blocks, blocks->file_count * BLOCKS_CHUNKS_PER_FILE);
	if (status == 0)
		blocks->files[blocks->file_count++] = file;
	pthread_mutex_unlock(&blocks->lock);
	if (status) {
		file_close(&file);
		env_unlink(env, made);
	}
	return status;
}

/* Chooses a free chunk: one that still has disk space, one without, or a new one behind the last. */
static uint64_t next_chunk(const struct blocks *blocks)
{
	uint64_t next = blocks->chunk_count;

	if (blocks->resident_chunks == blocks->chunk_count)
		return next;
	for (uint64_t chunk = blocks->chunk_count; chunk-- > 0;) {
		if (blocks->chunks[chunk] == CHUNK_STALE)
			return chunk;
		if (blocks->chunks[chunk] != CHUNK_RESIDENT)
			next = chunk;
	}
	return next;
}

/*
 * A process that ended after a failed sync leaves a file length that may be in the page cache alone. No later sync
 * makes that length durable, and a loss of power would drop everything behind the old length. A change to another
 * length is made durable by the next sync: so one unit is added to whole chunks, or removed. Only the last chunk of a
 * file needs this: if a later chunk is in use, the length was synced.
 */
static int change_length(const struct blocks *blocks, struct env_file *file, uint64_t chunks)
{
	uint64_t whole = chunks * bytes_of(blocks->chunk_units), size;
	int status = env_file_size(file, &size);

	if (status || size - whole >= bytes_of(blocks->chunk_units))
		return status;
	/* Takes no disk space. */
	return env_file_truncate(file, size == whole ? whole + BLOCK_UNIT_SIZE : whole);
}

static int grow(struct blocks *blocks, enum blocks_claim claim)
{
	uint64_t chunk, size = bytes_of(blocks->chunk_units);
	struct env_file *file;
	bool is_stale;
	int status;

	pthread_mutex_lock(&blocks->lock);
	chunk = next_chunk(blocks);
	is_stale = chunk < blocks->chunk_count && blocks->chunks[chunk] == CHUNK_STALE;
	file = chunk < blocks->file_count * BLOCKS_CHUNKS_PER_FILE
		       ? blocks->files[chunk / BLOCKS_CHUNKS_PER_FILE].synced
		       : NULL;
	pthread_mutex_unlock(&blocks->lock);
	/* A stale chunk already has its space; the log may need it again on a full disk. */
	status = is_stale ? 0 : check_reserve(blocks, claim, size);
	if (status)
		return status;
	if (!file)
		return file_create(blocks);
	status = env_file_allocate(file, chunk % BLOCKS_CHUNKS_PER_FILE * size, size);
	if (status == 0 && is_stale)
		status = change_length(blocks, file, chunk % BLOCKS_CHUNKS_PER_FILE + 1);
	if (status == 0)
		status = env_file_sync(file);
	if (status)
		return status;
	pthread_mutex_lock(&blocks->lock);
	status = chunk_add(blocks, chunk);
	pthread_mutex_unlock(&blocks->lock);
	return status;
}

int blocks_files_grow(struct blocks *blocks, enum blocks_claim claim)
{
	int status = grow(blocks, claim);

	if (status == -EIO) /* includes a failed sync, after which the file is not trusted */
		blocks_fail(blocks, status, "taking disk space");
	return status;
}

/* ---- Giving it back --------------------------------------------------------------------------------------------- */

/* Takes a chunk out of use: the first stale one or, if many units are free, one that is wholly free. `lock` held. */
static bool chunk_remove(struct blocks *blocks, uint64_t *chunk)
{
	uint64_t address;

	for (*chunk = 0; blocks->resident_chunks < blocks->chunk_count && *chunk < blocks->chunk_count;
		++*chunk)
		if (blocks->chunks[*chunk] == CHUNK_STALE)
			return true;
	if (blocks->free.units < 4 * blocks->chunk_units ||
		!block_allocator_find_aligned(&blocks->free, blocks->chunk_units, &address) ||
		block_allocator_take_at(&blocks->free, address, blocks->chunk_units))
		return false;
	*chunk = address / blocks->chunk_units;
	blocks->resident_chunks--;
	return true;
}

bool blocks_files_shrink(struct blocks *blocks)
{
	uint64_t chunk, size = bytes_of(blocks->chunk_units);
	struct env_file *file = NULL;
	bool found;
	int status;

	pthread_mutex_lock(&blocks->lock);
	found = chunk_remove(blocks, &chunk);
	if (found) {
		blocks->chunks[chunk] = CHUNK_PUNCHED;
		file = blocks->files[chunk / BLOCKS_CHUNKS_PER_FILE].synced;
	}
	pthread_mutex_unlock(&blocks->lock);
	if (!found)
		return false;
	status = env_file_punch(file, chunk % BLOCKS_CHUNKS_PER_FILE * size, size);
	if (status) /* only the space stays taken; it is reused when the store grows */
		log_warn(blocks->options.logger, "block store %s: cannot give disk space back: %s",
			blocks->path, status_name(status));
	return status == 0;
}
