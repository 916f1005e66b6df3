/*
 * What a start takes over from the tail of a log (log_tail.h), from arbitrary bytes. An input that begins with an even byte is
 * the file behind a sound header; after an odd one it is a recipe for records with sound checksums, so that what lies
 * behind those is reached, too. The log must get entries of one region that continue what it has, and nothing else.
 */
#include <errno.h>
#include <string.h>

#include "proto/check.h"
#include "proto/codec.h"
#include "proto/container.h"
#include "proto/env_ops.h"
#include "store/disk/checksum.h"
#include "store/log/log_record.h"
#include "store/log/log_tail_file.h"
#include "store/open/recover_tail.h"

#define FILE_SIZE   (32u << 10)
#define REGIONS	    4u
#define RECORD_SIZE 1024u /* bytes, at most, of one that is cooked */
#define EPOCH	    7u

/* ---- A file in memory, and loops that never wait ------------------------------------------------------------------ */

struct tail_file {
	struct env env;
	struct env_file base;
	struct env_loop loop;
	uint64_t size; /* bytes */
	uint8_t bytes[FILE_SIZE];
};

static int file_open(struct env *env, const char *path, int flags, struct env_file **file)
{
	struct tail_file *tail = container_of(env, struct tail_file, env);

	(void)path, (void)flags;
	tail->base.env = env;
	*file = &tail->base;
	return 0;
}

static void file_close(struct env_file *file)
{
	(void)file;
}

static int file_size(struct env_file *file, uint64_t *size)
{
	*size = container_of(file, struct tail_file, base)->size;
	return 0;
}

static int file_read(struct env_file *file, uint64_t offset, void *bytes, size_t size)
{
	const struct tail_file *tail = container_of(file, struct tail_file, base);

	check(offset <= tail->size && size <= tail->size - offset);
	memcpy(bytes, tail->bytes + offset, size);
	return 0;
}

static int loop_new(struct env *env, const char *name, struct env_loop **loop)
{
	struct tail_file *tail = container_of(env, struct tail_file, env);

	(void)name;
	tail->loop.env = env;
	*loop = &tail->loop;
	return 0;
}

static int loop_run(struct env_loop *loop)
{
	(void)loop;
	return 0;
}

static void loop_ignore(struct env_loop *loop)
{
	(void)loop;
}

static const struct env_ops tail_ops = {
	.file_open = file_open,
	.file_close = file_close,
	.file_size = file_size,
	.file_read = file_read,
	.loop_new = loop_new,
	.loop_run = loop_run,
	.loop_stop = loop_ignore,
	.loop_free = loop_ignore,
};

/* ---- The log ------------------------------------------------------------------------------------------------------ */

struct model_log {
	struct log_engine engine;
	uint64_t last[REGIONS]; /* index, of regions 1 to REGIONS */
};

static int bounds(struct log_engine *engine, uint64_t region, uint64_t *first, uint64_t *last)
{
	const struct model_log *log = container_of(engine, struct model_log, engine);

	if (region == 0 || region > REGIONS)
		return STATUS_NOT_FOUND;
	*first = 1;
	*last = log->last[region - 1];
	return 0;
}

static void write_log(struct log_engine *engine, struct log_write *write)
{
	struct model_log *log = container_of(engine, struct model_log, engine);

	check(write->region > 0 && write->region <= REGIONS && write->entry_count > 0);
	for (size_t i = 0; i < write->entry_count; i++)
		check(write->entries[i].index == ++log->last[write->region - 1]);
	write->done(write, 0);
}

static const struct log_engine_ops log_ops = {.bounds = bounds, .write = write_log};

/* ---- The file from an input --------------------------------------------------------------------------------------- */

/* Small numbers often, any number sometimes. */
static uint64_t number(struct reader *input)
{
	uint8_t first = reader_u8(input);

	return first < 0xf0 ? first % 8 : reader_u64le(input);
}

static void put_u64(uint8_t *bytes, uint64_t value)
{
	struct writer writer = writer_fixed(bytes, 8);

	writer_u64le(&writer, value);
}

/* Returns the size of the part. */
static size_t cook_part(struct reader *input, uint8_t *bytes, size_t room)
{
	static const uint8_t body[64] = "what an entry says";
	uint8_t kind = reader_u8(input);
	struct log_record record = {.kind = kind < 0xc0 ? LOG_RECORD_ENTRY : 1 + kind % 8};

	record.entry_type = reader_u8(input) % 4;
	record.region = number(input);
	record.index = number(input);
	record.term = number(input);
	record.data = slice_of(body, record.kind == LOG_RECORD_HARD_STATE ? 8 : reader_u8(input) % 64);
	record.beside = slice_of(body, record.kind == LOG_RECORD_HARD_STATE ? 0 : reader_u8(input) % 8);
	if (log_record_size(&record) > room)
		return 0;
	log_record_encode(bytes, &record, EPOCH);
	return log_record_size(&record);
}

/* Returns the size of the record. */
static size_t cook_record(struct reader *input, uint8_t *bytes)
{
	size_t used = LOG_TAIL_RECORD_HEADER, size;
	unsigned parts = reader_u8(input) % 8;
	struct writer sizes = writer_fixed(bytes + 24, 8);

	memset(bytes, 0, RECORD_SIZE);
	put_u64(bytes + 8, number(input));
	put_u64(bytes + 16, number(input));
	for (unsigned i = 0; i < parts; i++)
		used += cook_part(input, bytes + used, RECORD_SIZE - used);
	size = (used + LOG_TAIL_ALIGNMENT - 1) / LOG_TAIL_ALIGNMENT * LOG_TAIL_ALIGNMENT;
	writer_u32le(&sizes, (uint32_t)size);
	writer_u32le(&sizes, (uint32_t)used - (reader_u8(input) == 0));
	put_u64(bytes, checksum_of(bytes + 8, size - 8, EPOCH));
	return size;
}

static void cook(struct tail_file *tail, struct reader *input)
{
	tail->size = LOG_TAIL_HEADER_SIZE;
	while (tail->size + RECORD_SIZE <= FILE_SIZE && reader_has_more(input))
		tail->size += cook_record(input, tail->bytes + tail->size);
}

static void copy(struct tail_file *tail, const uint8_t *data, size_t size)
{
	size_t part = size < FILE_SIZE - LOG_TAIL_HEADER_SIZE ? size : FILE_SIZE - LOG_TAIL_HEADER_SIZE;

	if (part > 0)
		memcpy(tail->bytes + LOG_TAIL_HEADER_SIZE, data, part);
	tail->size = LOG_TAIL_HEADER_SIZE + part;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tail_file tail; /* a fuzz target has no other place; each input begins anew */
	struct model_log log = {.engine.ops = &log_ops};
	struct logger logger = {.level = LOG_NONE};
	struct engines engines = {.env = &tail.env, .logger = &logger, .log = &log.engine};
	struct status status = {0};

	if (size == 0)
		return 0;
	memset(&tail, 0, sizeof tail);
	tail.env.ops = &tail_ops;
	log_tail_header_encode(tail.bytes, EPOCH);
	if (data[0] % 2 == 0) {
		copy(&tail, data + 1, size - 1);
	} else {
		struct reader input = reader_of(slice_of(data + 1, size - 1));

		cook(&tail, &input);
	}
	check(recover_tail(&engines, "/tail", &status) <= 0);
	return 0;
}
