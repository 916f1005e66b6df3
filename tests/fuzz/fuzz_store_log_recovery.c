/*
 * Recovery of the raft log from arbitrary bytes, on files in memory. An input that begins with an even byte is the
 * segments as they are; after an odd one it is a recipe for records in sound batches, so that what lies behind the
 * checksums is reached, too. Whatever opens must answer reads, and open again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/codec.h"
#include "proto/env_ops.h"
#include "store/log/batch.h"
#include "store/log/raft_log_engine.h"

#define SEGMENT_SIZE (16u << 10)
#define FILES_MAX    6

/* ---- Files in memory -------------------------------------------------------------------------------------------- */

struct memory_file {
	struct env_file base;
	char name[32]; /* empty: none */
	uint8_t bytes[SEGMENT_SIZE];
};

struct memory_env {
	struct env env;
	struct memory_file files[FILES_MAX];
};

static struct memory_file *find(struct env *env, const char *path)
{
	struct memory_env *memory = (struct memory_env *)env;
	const char *name = strrchr(path, '/') + 1;

	for (size_t i = 0; i < FILES_MAX; i++)
		if (strcmp(memory->files[i].name, name) == 0)
			return &memory->files[i];
	return NULL;
}

static int file_open(struct env *env, const char *path, int flags, struct env_file **file)
{
	struct memory_file *found = find(env, path);

	if (!found && flags & ENV_OPEN_CREATE) {
		found = find(env, "/");
		if (!found)
			return -ENOSPC;
		strncpy(found->name, strrchr(path, '/') + 1, sizeof(found->name) - 1);
		memset(found->bytes, 0, sizeof(found->bytes));
	}
	if (!found)
		return -ENOENT;
	found->base.env = env;
	*file = &found->base;
	return 0;
}

static void file_close(struct env_file *file)
{
	(void)file;
}

static int file_size(struct env_file *file, uint64_t *size)
{
	(void)file;
	*size = SEGMENT_SIZE;
	return 0;
}

static int file_allocate(struct env_file *file, uint64_t offset, uint64_t size)
{
	(void)file;
	return offset + size <= SEGMENT_SIZE ? 0 : -EFBIG;
}

static int file_read(struct env_file *file, uint64_t offset, void *bytes, size_t size)
{
	check(offset <= SEGMENT_SIZE && size <= SEGMENT_SIZE - offset);
	memcpy(bytes, ((struct memory_file *)file)->bytes + offset, size);
	return 0;
}

static int file_write(struct env_file *file, uint64_t offset, const void *bytes, size_t size)
{
	check(offset <= SEGMENT_SIZE && size <= SEGMENT_SIZE - offset);
	memcpy(((struct memory_file *)file)->bytes + offset, bytes, size);
	return 0;
}

static int file_sync(struct env_file *file)
{
	(void)file;
	return 0;
}

static int make_dir(struct env *env, const char *path)
{
	(void)env;
	(void)path;
	return -EEXIST;
}

static int sync_dir(struct env *env, const char *path)
{
	(void)env;
	(void)path;
	return 0;
}

static int rename_file(struct env *env, const char *from, const char *to)
{
	struct memory_file *file = find(env, from);

	check(file && !find(env, to));
	memset(file->name, 0, sizeof(file->name));
	strncpy(file->name, strrchr(to, '/') + 1, sizeof(file->name) - 1);
	return 0;
}

static int unlink_file(struct env *env, const char *path)
{
	struct memory_file *file = find(env, path);

	if (!file)
		return -ENOENT;
	file->name[0] = 0;
	return 0;
}

static int list(
	struct env *env, const char *path, int (*name)(void *argument, const char *name), void *argument)
{
	struct memory_env *memory = (struct memory_env *)env;
	int status = 0;

	(void)path;
	/* Made in order, so sorted. */
	for (size_t i = 0; i < FILES_MAX && status == 0; i++)
		if (memory->files[i].name[0])
			status = name(argument, memory->files[i].name);
	return status;
}

static const struct env_ops memory_ops = {
	.file_open = file_open,
	.file_close = file_close,
	.file_size = file_size,
	.file_allocate = file_allocate,
	.file_read = file_read,
	.file_write = file_write,
	.file_sync = file_sync,
	.mkdir = make_dir,
	.sync_dir = sync_dir,
	.rename = rename_file,
	.unlink = unlink_file,
	.list = list,
};

/* ---- Segments from an input ------------------------------------------------------------------------------------- */

static struct memory_file *make_segment(struct memory_env *memory, unsigned sequence)
{
	struct memory_file *file = &memory->files[sequence - 1];

	memset(file, 0, sizeof(*file));
	memcpy(file->name, "0000000000000000.log", 20);
	file->name[15] = (char)('0' + sequence);
	return file;
}

/* Small numbers often, any number sometimes. */
static uint64_t number(struct reader *input)
{
	uint8_t first = reader_u8(input);

	return first < 0xf0 ? first % 16 : reader_u64le(input);
}

static void cook_record(struct reader *input, struct log_record *record)
{
	static const uint8_t body[256] = "mark of something that is not zero";

	record->kind = 1 + reader_u8(input) % 8;
	record->entry_type = reader_u8(input) % 4;
	record->region = number(input);
	record->index = number(input);
	record->term = number(input);
	record->data = slice_of(body, record->kind == LOG_RECORD_HARD_STATE ? 8 : reader_u8(input) % 64);
	record->beside = slice_of(body, record->kind == LOG_RECORD_HARD_STATE ? 0 : reader_u8(input) % 8);
}

/* One batch of a few records at `offset`; its end. */
static uint32_t cook_batch(struct reader *input, uint8_t *bytes, struct log_batch batch)
{
	size_t at = LOG_BATCH_HEADER_SIZE;
	unsigned count = reader_u8(input) % 16;

	for (unsigned i = 0; i < count; i++) {
		struct log_record record = {0};

		cook_record(input, &record);
		log_record_encode(bytes + at, &record, batch.segment);
		at += log_record_size(&record);
		batch.record_count++;
	}
	batch.records_size = (uint32_t)(at - LOG_BATCH_HEADER_SIZE);
	batch.size = LOG_BLOCK_SIZE;
	log_batch_seal(bytes, &batch);
	return batch.offset + batch.size;
}

static void cook(struct memory_env *memory, struct reader *input)
{
	uint64_t next = 1;

	for (unsigned sequence = 1; sequence <= 2; sequence++) {
		struct memory_file *file = make_segment(memory, sequence);
		uint32_t offset = 0;

		while (offset < SEGMENT_SIZE && reader_has_more(input)) {
			uint8_t what = reader_u8(input);
			struct log_batch batch = {
				.segment = sequence,
				.number = next,
				.oldest = 1,
				.offset = offset,
			};

			next += what % 8 == 0 ? 2 : 1;
			offset = cook_batch(input, file->bytes + offset, batch);
			if (what % 8 == 1)
				file->bytes[offset - 1 - reader_u16le(input) % LOG_BLOCK_SIZE] ^= what;
		}
	}
}

static void copy(struct memory_env *memory, const uint8_t *data, size_t size)
{
	for (unsigned sequence = 1; sequence <= 2; sequence++) {
		struct memory_file *file = make_segment(memory, sequence);
		size_t part = size < SEGMENT_SIZE ? size : SEGMENT_SIZE;

		if (part > 0)
			memcpy(file->bytes, data, part);
		data += part;
		size -= part;
	}
}

/* ---- What is found ---------------------------------------------------------------------------------------------- */

static void on_damage(void *argument, uint64_t region)
{
	(void)argument;
	(void)region;
}

static int read_region(void *argument, uint64_t region)
{
	struct log_engine *engine = argument;
	struct raft_entries entries = {0};
	struct raft_hard_state hard_state;
	uint64_t first, last, term;
	struct buf *mark;
	int status = engine->ops->bounds(engine, region, &first, &last);

	check(status == 0 || status == STATUS_CORRUPT);
	if (status < 0)
		return 0;
	check(first > 0 && last + 1 >= first);
	check(engine->ops->hard_state(engine, region, &hard_state) == 0);
	check(engine->ops->term(engine, region, first - 1, &term) == 0);
	check(engine->ops->term(engine, region, last, &term) == 0);
	check(engine->ops->entries(engine, region, first, last + 1, 4096, false, &entries) == 0);
	raft_entries_close(&entries);
	if (engine->ops->mark(engine, region, "mark", &mark) == 0)
		buf_unref(mark);
	check(engine->ops->release(engine, region, last) == 0);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct memory_env memory; /* a fuzz target has no other place; each input begins anew */
	struct log_engine_options options = {
		.env = &memory.env,
		.path = "/log",
		.segment_size = SEGMENT_SIZE,
		.cache_size = 4096,
		.batch_size_max = 8192,
	};
	struct status status;

	if (size == 0)
		return 0;
	memset(&memory, 0, sizeof(memory));
	memory.env.ops = &memory_ops;
	if (data[0] % 2 == 0) {
		copy(&memory, data + 1, size - 1);
	} else {
		struct reader input = reader_of(slice_of(data + 1, size - 1));

		cook(&memory, &input);
	}
	for (int round = 0; round < 3; round++) {
		struct log_engine *engine;

		options.damaged = round > 0 ? on_damage : NULL;
		if (raft_log_engine_open(&options, &engine, &status) < 0)
			continue;
		check(engine->ops->regions(engine, read_region, engine) == 0);
		engine->ops->close(engine);
	}
	return 0;
}
