#include "tests/conform/env_conform_parts.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/conform/env_conform.h"
#include "tests/lib/test.h"

#define NEW_FILE (ENV_OPEN_WRITE | ENV_OPEN_CREATE)

static const char *in(const struct env_conform *conform, const char *name)
{
	static char paths[4][256];
	static int turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof paths[0], "%s/%s", conform->path, name);
	return path;
}

void env_conform_file_bytes(void **state)
{
	struct env_conform *conform = *state;
	struct env_file *file;
	uint64_t size;
	char bytes[16];

	assert_int_equal(env_file_open(conform->env, in(conform, "a"), NEW_FILE, &file), 0);
	assert_int_equal(env_file_size(file, &size), 0);
	assert_int_equal(size, 0);
	assert_int_equal(env_file_read(file, 0, bytes, 1), -ENODATA);
	assert_int_equal(env_file_read(file, 0, bytes, 0), 0);
	assert_int_equal(env_file_write(file, 3, "hello", 5), 0);
	assert_int_equal(env_file_read(file, 0, bytes, 8), 0);
	assert_memory_equal(bytes, "\0\0\0hello", 8);
	assert_int_equal(env_file_read(file, 4, bytes, 5), -ENODATA);
	assert_int_equal(env_file_write(file, 4, "E", 1), 0);
	assert_int_equal(env_file_sync(file), 0);
	env_file_close(file);

	assert_int_equal(env_file_open(conform->env, in(conform, "a"), ENV_OPEN_READ, &file), 0);
	assert_int_equal(env_file_read(file, 3, bytes, 5), 0);
	assert_memory_equal(bytes, "hEllo", 5);
	assert_int_equal(env_file_write(file, 0, "x", 1), -EBADF);
	env_file_close(file);
}

void env_conform_file_flags(void **state)
{
	struct env_conform *conform = *state;
	struct env_file *file, *second;

	assert_int_equal(env_file_open(conform->env, in(conform, "a"), ENV_OPEN_WRITE, &file), -ENOENT);
	assert_int_equal(env_file_open(conform->env, in(conform, "no/a"), NEW_FILE, &file), -ENOENT);
	assert_int_equal(env_file_open(conform->env, in(conform, "a"),
				 NEW_FILE | ENV_OPEN_EXCLUSIVE | ENV_OPEN_LOCK, &file),
		0);
	assert_int_equal(
		env_file_open(conform->env, in(conform, "a"), NEW_FILE | ENV_OPEN_EXCLUSIVE, &second),
		-EEXIST);
	assert_int_equal(
		env_file_open(conform->env, in(conform, "a"), ENV_OPEN_WRITE | ENV_OPEN_LOCK, &second),
		-EWOULDBLOCK);
	assert_int_equal(env_file_open(conform->env, in(conform, "a"), ENV_OPEN_LOCK, &second), -EWOULDBLOCK);
	assert_int_equal(env_file_open(conform->env, in(conform, "a"), ENV_OPEN_WRITE, &second), 0);
	env_file_close(second);
	env_file_close(file);
	assert_int_equal(env_file_open(conform->env, in(conform, "a"), ENV_OPEN_LOCK, &file), 0);
	env_file_close(file);
	env_file_close(NULL);
	assert_int_equal(env_mkdir(conform->env, in(conform, "d")), 0);
	assert_int_equal(env_file_open(conform->env, in(conform, "d"), NEW_FILE, &file), -EISDIR);
	assert_int_equal(env_file_open(conform->env, in(conform, "a/b"), NEW_FILE, &file), -ENOTDIR);
}

/* What is in memory is the environment's affair; what it gives is right, and past the end there is nothing. */
void env_conform_file_cached(void **state)
{
	struct env_conform *conform = *state;
	unsigned char bytes[8192], got[4096];
	struct env_file *file;
	int hits = 0;

	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (unsigned char)(i * 7 >> 4);
	assert_int_equal(env_file_open(conform->env, in(conform, "a"), NEW_FILE, &file), 0);
	assert_int_equal(env_file_write(file, 0, bytes, sizeof bytes), 0);
	for (size_t offset = 0; offset <= sizeof got; offset += 64) {
		int status = env_file_read_cached(file, offset, got, sizeof got);

		assert_true(status == 0 || status == STATUS_WOULD_BLOCK);
		if (status == 0)
			assert_memory_equal(got, bytes + offset, sizeof got);
		hits += status == 0;
	}
	assert_true(hits > 0);
	assert_int_not_equal(env_file_read_cached(file, sizeof got + 1, got, sizeof got), 0);
	env_file_close(file);
}

void env_conform_file_space(void **state)
{
	struct env_conform *conform = *state;
	struct env_file *file;
	uint64_t size;
	struct env_space space;
	unsigned char bytes[8192], zeroes[8192] = {0};

	memset(bytes, 7, sizeof bytes);
	assert_int_equal(env_file_open(conform->env, in(conform, "a"), NEW_FILE, &file), 0);
	assert_int_equal(env_file_allocate(file, 0, 16384), 0);
	assert_int_equal(env_file_size(file, &size), 0);
	assert_int_equal(size, 16384);
	assert_int_equal(env_file_read(file, 8192, bytes, 8192), 0);
	assert_memory_equal(bytes, zeroes, 8192);
	memset(bytes, 7, sizeof bytes);
	assert_int_equal(env_file_write(file, 0, bytes, 8192), 0);
	assert_int_equal(env_file_allocate(file, 0, 16384), 0); /* keeps what is there */
	assert_int_equal(env_file_punch(file, 4096, 4096), 0);
	assert_int_equal(env_file_read(file, 0, bytes, 8192), 0);
	assert_int_equal(bytes[4095], 7);
	assert_memory_equal(bytes + 4096, zeroes, 4096);
	assert_int_equal(env_file_punch(file, 0, 1 << 20), 0); /* past the end: the size stays */
	assert_int_equal(env_file_size(file, &size), 0);
	assert_int_equal(size, 16384);
	assert_int_equal(env_file_write(file, 0, zeroes + 1, 100), 0);
	assert_int_equal(env_file_truncate(file, 50), 0);
	assert_int_equal(env_file_read(file, 0, bytes, 51), -ENODATA);
	assert_int_equal(env_file_truncate(file, 100), 0);
	assert_int_equal(env_file_read(file, 0, bytes, 100), 0);
	assert_memory_equal(bytes, zeroes, 100);
	env_file_close(file);
	assert_int_equal(env_space(conform->env, conform->path, &space), 0);
	assert_true(space.total >= space.available && space.available > 0);
	assert_int_equal(env_space(conform->env, in(conform, "none"), &space), -ENOENT);
}

void env_conform_file_direct(void **state)
{
	struct env_conform *conform = *state;
	char *bytes = aligned_alloc(ENV_DIRECT_ALIGNMENT, 2 * ENV_DIRECT_ALIGNMENT);
	struct env_file *file;

	assert_int_equal(env_file_open(conform->env, in(conform, "a"),
				 NEW_FILE | ENV_OPEN_DIRECT | ENV_OPEN_DSYNC, &file),
		0);
	memset(bytes, 'a', 2 * ENV_DIRECT_ALIGNMENT);
	assert_int_equal(env_file_write(file, 0, bytes, 2 * ENV_DIRECT_ALIGNMENT), 0);
	memset(bytes, 'b', ENV_DIRECT_ALIGNMENT);
	assert_int_equal(env_file_write(file, ENV_DIRECT_ALIGNMENT, bytes, ENV_DIRECT_ALIGNMENT), 0);
	assert_int_equal(env_file_read(file, 0, bytes, 2 * ENV_DIRECT_ALIGNMENT), 0);
	assert_int_equal(bytes[ENV_DIRECT_ALIGNMENT - 1], 'a');
	assert_int_equal(bytes[ENV_DIRECT_ALIGNMENT], 'b');
	/* The end within and at a block. */
	assert_int_equal(
		env_file_read(file, ENV_DIRECT_ALIGNMENT, bytes, 2 * ENV_DIRECT_ALIGNMENT), -ENODATA);
	assert_int_equal(env_file_truncate(file, ENV_DIRECT_ALIGNMENT + 100), 0);
	assert_int_equal(env_file_read(file, 0, bytes, 2 * ENV_DIRECT_ALIGNMENT), -ENODATA);
	assert_int_equal(env_file_read(file, 0, bytes + 1, ENV_DIRECT_ALIGNMENT), -EINVAL);
	env_file_close(file);
	free(bytes);
}

/* ---- Requests --------------------------------------------------------------------------------------------------- */

#define REQUESTS 32

struct transfer {
	struct env_file_request request;
	struct batch *batch;
	struct iovec vector[3];
	char bytes[3][100];
};

struct batch {
	struct env_conform *conform;
	struct transfer transfers[REQUESTS];
	int done;
};

static void on_transfer(struct env_file_request *request)
{
	struct batch *batch = container_of(request, struct transfer, request)->batch;

	assert_true(env_loop_is_current(batch->conform->loop));
	if (++batch->done == REQUESTS)
		env_loop_stop(batch->conform->loop);
}

static void submit_batch(struct batch *batch, struct env_file *file, enum env_file_operation operation)
{
	for (int i = 0; i < REQUESTS; i++) {
		struct transfer *transfer = &batch->transfers[i];

		transfer->batch = batch;
		for (int j = 0; j < 3; j++)
			transfer->vector[j] = (struct iovec){transfer->bytes[j], sizeof transfer->bytes[j]};
		transfer->vector[1].iov_len = 0;
		transfer->request = (struct env_file_request){.file = file,
			.operation = operation,
			.offset = (uint64_t)i * 200,
			.vector = transfer->vector,
			.vector_count = 3,
			.loop = batch->conform->loop,
			.done = on_transfer,
			.status = 1};
		env_file_submit(&transfer->request);
	}
	assert_int_equal(batch->done, 0);
}

void env_conform_file_requests(void **state)
{
	struct env_conform *conform = *state;
	struct batch *batch = calloc(1, sizeof *batch);
	struct env_loop *second;
	struct env_file *file;

	batch->conform = conform;
	assert_int_equal(env_file_open(conform->env, in(conform, "a"), NEW_FILE, &file), 0);
	for (int i = 0; i < REQUESTS; i++) {
		memset(batch->transfers[i].bytes[0], 'A' + i, 100);
		memset(batch->transfers[i].bytes[2], 'a' + i, 100);
	}
	submit_batch(batch, file, ENV_FILE_WRITE);
	env_loop_run(conform->loop);
	assert_int_equal(batch->done, REQUESTS);

	/* The last one reads past the end. A loop runs once: a second one takes over. */
	assert_int_equal(env_loop_new(conform->env, "second", &second), 0);
	env_loop_free(conform->loop);
	conform->loop = second;
	memset(batch, 0, sizeof *batch);
	batch->conform = conform;
	assert_int_equal(env_file_truncate(file, REQUESTS * 200 - 1), 0);
	submit_batch(batch, file, ENV_FILE_READ);
	env_loop_run(conform->loop);
	for (int i = 0; i < REQUESTS; i++) {
		const struct transfer *transfer = &batch->transfers[i];

		assert_int_equal(transfer->request.status, i == REQUESTS - 1 ? -ENODATA : 0);
		if (i < REQUESTS - 1) {
			assert_int_equal(transfer->bytes[0][99], 'A' + i);
			assert_int_equal(transfer->bytes[2][0], 'a' + i);
		}
	}
	env_file_close(file);
	free(batch);
}

struct sync_chain {
	struct env_file_request request;
	struct iovec vector;
	struct env_conform *conform;
	struct env_mail mail;
	int writes;
};

static void on_chain_end(struct env_mail *mail)
{
	env_loop_stop(container_of(mail, struct sync_chain, mail)->conform->loop);
}

/* On the I/O thread: the next request is submitted from the callback of the last. */
static void on_chain_write(struct env_file_request *request)
{
	struct sync_chain *chain = container_of(request, struct sync_chain, request);

	assert_false(env_loop_is_current(chain->conform->loop));
	assert_int_equal(request->status, 0);
	if (++chain->writes < 5) {
		request->offset++;
		chain->vector = (struct iovec){"x", 1};
		env_file_submit(request);
	} else if (chain->writes == 5) {
		request->operation = ENV_FILE_SYNC;
		env_file_submit(request);
	} else {
		env_post(chain->conform->loop, &chain->mail, on_chain_end);
	}
}

void env_conform_file_request_without_loop(void **state)
{
	struct sync_chain chain = {.conform = *state};
	struct env_file *file;
	uint64_t size;

	assert_int_equal(env_file_open(chain.conform->env, in(chain.conform, "a"), NEW_FILE, &file), 0);
	chain.vector = (struct iovec){"x", 1};
	chain.request = (struct env_file_request){.file = file,
		.operation = ENV_FILE_WRITE,
		.vector = &chain.vector,
		.vector_count = 1,
		.done = on_chain_write};
	env_file_submit(&chain.request);
	env_loop_run(chain.conform->loop);
	assert_int_equal(env_file_size(file, &size), 0);
	assert_int_equal(size, 5);
	env_file_close(file);
}

/* ---- Directories ------------------------------------------------------------------------------------------------ */

static int add_name(void *argument, const char *name)
{
	strcat(argument, name);
	strcat(argument, " ");
	return strcmp(name, "stop") == 0 ? 42 : 0;
}

static void make_file(struct env_conform *conform, const char *name, const char *content)
{
	struct env_file *file;

	assert_int_equal(env_file_open(conform->env, in(conform, name), NEW_FILE, &file), 0);
	assert_int_equal(env_file_write(file, 0, content, strlen(content)), 0);
	env_file_close(file);
}

void env_conform_directories(void **state)
{
	struct env_conform *conform = *state;
	struct env *env = conform->env;
	struct env_file *file;
	char names[256] = "", byte;

	assert_int_equal(env_mkdir(env, in(conform, "d")), 0);
	assert_int_equal(env_mkdir(env, in(conform, "d")), -EEXIST);
	assert_int_equal(env_mkdir(env, in(conform, "no/d")), -ENOENT);
	assert_int_equal(env_sync_dir(env, conform->path), 0);
	assert_int_equal(env_sync_dir(env, in(conform, "none")), -ENOENT);
	make_file(conform, "d/c", "c");
	make_file(conform, "d/a", "a");
	make_file(conform, "d/b", "b");
	assert_int_equal(env_mkdir(env, in(conform, "d/B")), 0);
	assert_int_equal(env_list(env, in(conform, "d"), add_name, names), 0);
	assert_string_equal(names, "B a b c ");
	assert_int_equal(env_rmdir(env, in(conform, "d")), -ENOTEMPTY);
	assert_int_equal(env_rename(env, in(conform, "d/a"), in(conform, "d/b")), 0);
	assert_int_equal(env_rename(env, in(conform, "d/a"), in(conform, "d/b")), -ENOENT);
	assert_int_equal(env_rename(env, in(conform, "d/c"), in(conform, "stop")), 0);
	/* An unlinked file lives until it is closed. */
	assert_int_equal(env_file_open(env, in(conform, "d/b"), ENV_OPEN_READ, &file), 0);
	assert_int_equal(env_unlink(env, in(conform, "d/b")), 0);
	assert_int_equal(env_unlink(env, in(conform, "d/b")), -ENOENT);
	assert_int_equal(env_file_read(file, 0, &byte, 1), 0);
	assert_int_equal(byte, 'a');
	env_file_close(file);
	assert_int_equal(env_rmdir(env, in(conform, "d/B")), 0);
	names[0] = '\0';
	assert_int_equal(env_list(env, in(conform, "d"), add_name, names), 0);
	assert_string_equal(names, "");
	make_file(conform, "z", "z");
	assert_int_equal(env_list(env, conform->path, add_name, names), 42);
	assert_string_equal(names, "d stop ");
	assert_int_equal(env_rmdir(env, in(conform, "d")), 0);
	assert_int_equal(env_list(env, in(conform, "d"), add_name, names), -ENOENT);
}
