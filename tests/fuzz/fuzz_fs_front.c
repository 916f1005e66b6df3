/*
 * FUSE requests as no kernel makes them, through a whole front: each is answered once at most, the session ends, and
 * the rows that are left agree with each other. File handles are pointers of ours, so those are real ones; a copy has
 * two.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/fuse/raw.h"
#include "tests/lib/fake_kernel.h"

#define ARGUMENT_MAX 255u
#define REQUESTS_MAX 24u

struct input {
	const uint8_t *bytes;
	size_t size;
};

static uint8_t take_byte(struct input *input)
{
	if (input->size == 0)
		return 0;
	input->size--;
	return *input->bytes++;
}

static struct raw_created create(struct fake_kernel *kernel)
{
	struct {
		struct fuse_create_in in;
		char name[8];
	} request = {.in = {.flags = O_RDWR, .mode = S_IFREG | 0644}, .name = "file"};
	struct fake_answer answer;
	struct raw_created created;

	fake_kernel_send(kernel, 0, FUSE_CREATE, FUSE_ROOT_ID, &request, sizeof request.in + 5);
	if (!fake_kernel_receive(kernel, 0, &answer, 5000) || answer.header.error != 0)
		abort();
	memcpy(&created, answer.body, sizeof created);
	return created;
}

/* What would end the session, or free the handle that the rest uses, is left out. */
static bool is_left_out(uint32_t opcode)
{
	return opcode == FUSE_DESTROY || opcode == FUSE_RELEASE || opcode == FUSE_RELEASEDIR ||
	       opcode == FUSE_INIT;
}

static void send_one(struct fake_kernel *kernel, struct input *input, const struct raw_created *file)
{
	uint8_t argument[ARGUMENT_MAX] = {0};
	uint32_t opcode = take_byte(input) % 64;
	uint64_t node = take_byte(input) % 2 ? file->entry.nodeid : FUSE_ROOT_ID;
	size_t size = take_byte(input);
	const size_t second = offsetof(struct fuse_copy_file_range_in, fh_out);

	if (size > input->size)
		size = input->size;
	memcpy(argument, input->bytes, size);
	input->bytes += size;
	input->size -= size;
	if (is_left_out(opcode))
		return;
	if (size >= sizeof file->open.fh && opcode != FUSE_INTERRUPT)
		memcpy(argument, &file->open.fh, sizeof file->open.fh);
	if (size >= second + sizeof file->open.fh && opcode == FUSE_COPY_FILE_RANGE)
		memcpy(argument + second, &file->open.fh, sizeof file->open.fh);
	fake_kernel_send(kernel, 0, opcode, node, argument, size);
}

static void read_answers(struct fake_kernel *kernel)
{
	static struct fake_answer answer;
	uint64_t seen = 0; /* a bit for each request; there are few */

	while (fake_kernel_receive(kernel, 0, &answer, 2)) {
		uint64_t bit = UINT64_C(1) << (answer.header.unique / 2 % 64);

		if (seen & bit || answer.header.error > 0)
			abort();
		seen |= bit;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fake_kernel kernel;
	struct input input = {data, size};
	struct raw_created file;

	fake_kernel_init(&kernel, &(struct fake_raftkv_options){.seed = 1});
	file = create(&kernel);
	for (unsigned i = 0; i < REQUESTS_MAX && input.size > 0; i++)
		send_one(&kernel, &input, &file);
	read_answers(&kernel);
	fake_kernel_close(&kernel);
	return 0;
}
