/* The FUSE front end when as much data is on its way as may be (payloads.h): the test is the kernel. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/fuse/payloads.h"
#include "fs/fuse/raw.h"
#include "tests/lib/fake_kernel.h"
#include "tests/lib/patience.h"

#define ROOT	   FUSE_ROOT_ID
#define LONG_S	   30
#define SHORT_MS   100
#define DATA_SIZE  (1u << 18)
#define FULL_COUNT ((unsigned)(PAYLOADS_SIZE_MAX / DATA_SIZE)) /* writes */

static struct fake_kernel kernel;
static struct fake_answer answer;
static struct {
	struct fuse_write_in in;
	uint8_t data[DATA_SIZE];
} request;

static const struct fake_raftkv_options options = {.seed = 1, .delay_max_ns = 200000};

static int setup(void **state)
{
	(void)state;
	fake_kernel_init(&kernel, &options);
	return 0;
}

static int setup_shared(void **state)
{
	(void)state;
	fake_kernel_init_shared(&kernel, &options);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_kernel_close(&kernel);
	return 0;
}

static void hold(struct fake_kernel *of)
{
	fake_raftkv_hold(of->raftkv, true);
}

static void let_go(struct fake_kernel *of)
{
	fake_raftkv_hold(of->raftkv, false);
}

static uint64_t next_answer(void)
{
	assert_true(fake_kernel_receive(&kernel, 0, &answer, patience(LONG_S) * 1000));
	assert_int_equal(answer.header.error, 0);
	return answer.header.unique;
}

static void receive(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		next_answer();
}

struct open_file {
	uint64_t node;
	uint64_t fh;
};

static struct open_file create(unsigned number)
{
	struct {
		struct fuse_create_in in;
		char name[3];
	} create = {{.flags = O_RDWR, .mode = S_IFREG | 0644},
		{(char)('a' + number / 26), (char)('a' + number % 26), '\0'}};
	struct raw_created created;

	fake_kernel_send(&kernel, 0, FUSE_CREATE, ROOT, &create, sizeof create.in + sizeof create.name);
	next_answer();
	memcpy(&created, answer.body, sizeof created);
	return (struct open_file){created.entry.nodeid, created.open.fh};
}

static void release(struct open_file file)
{
	struct fuse_release_in in = {.fh = file.fh, .flags = O_RDWR};

	fake_kernel_send(&kernel, 0, FUSE_RELEASE, file.node, &in, sizeof in);
	next_answer();
}

static void send_write(struct open_file file, uint32_t flags, unsigned place)
{
	request.in = (struct fuse_write_in){
		.fh = file.fh, .offset = (uint64_t)place * DATA_SIZE, .size = DATA_SIZE, .flags = flags};
	fake_kernel_send(&kernel, 0, FUSE_WRITE, file.node, &request, sizeof request);
}

static uint64_t send_getattr(struct open_file file)
{
	struct fuse_getattr_in in = {0};

	return fake_kernel_send(&kernel, 0, FUSE_GETATTR, file.node, &in, sizeof in);
}

static void fill(struct open_file file)
{
	fake_kernel_on_loop(&kernel, hold);
	for (unsigned i = 0; i < FULL_COUNT; i++)
		send_write(file, O_RDWR | O_SYNC, i);
}

static void test_nothing_is_read_until_writes_are_answered(void **state)
{
	struct open_file file = create(0);

	(void)state;
	fill(file);
	send_getattr(file);
	assert_false(fake_kernel_receive(&kernel, 0, &answer, SHORT_MS));
	fake_kernel_on_loop(&kernel, let_go);
	receive(FULL_COUNT + 1);
	release(file);
}

/* The end of the connection is seen all the same. */
static void test_the_end(void **state)
{
	struct open_file file = create(0);

	(void)state;
	fill(file);
	fake_kernel_hang_up(&kernel);
	fake_kernel_on_loop(&kernel, let_go);
	fake_kernel_close(&kernel);
}

/* Stores do not answer at all: others may go on. */
static void test_an_outage_stops_nobody_else(void **state)
{
	struct open_file file = create(0);
	uint64_t unique;

	(void)state;
	fill(file);
	unique = send_getattr(file);
	assert_int_equal(next_answer(), unique);
	fake_kernel_on_loop(&kernel, let_go);
	receive(FULL_COUNT);
	release(file);
}

/* Their data is durable, and what they wait for may need a request to be read. */
static void test_writes_that_wait_for_the_kernel_do_not_count(void **state)
{
	static struct open_file files[FULL_COUNT];
	struct fuse_read_in read = {.size = 1};
	uint64_t unique;

	(void)state;
	atomic_store(&kernel.is_slow, true);
	for (unsigned i = 0; i < FULL_COUNT; i++) {
		files[i] = create(i);
		read.fh = files[i].fh; /* the kernel has pages of it, which are to go */
		fake_kernel_send(&kernel, 0, FUSE_READ, files[i].node, &read, sizeof read);
		next_answer();
		send_write(files[i], O_RDWR | O_DIRECT, 0);
	}
	unique = send_getattr(files[0]);
	assert_int_equal(next_answer(), unique);
	atomic_store(&kernel.is_slow, false);
	sem_post(&kernel.may_drop);
	receive(FULL_COUNT);
	for (unsigned i = 0; i < FULL_COUNT; i++)
		release(files[i]);
}

/* The kernel keeps in its page what the read answers. */
static void test_reads_wait_for_writes_that_wait_for_room(void **state)
{
	const unsigned buffered_count = (16u << 20) / DATA_SIZE; /* write_back_options.file_size_max */
	struct open_file file = create(0);
	struct fuse_read_in read = {
		.fh = file.fh, .offset = (uint64_t)buffered_count * DATA_SIZE, .size = 4096, .flags = O_RDWR};
	uint64_t unique;
	size_t size = 0;
	uint8_t byte = 0;
	bool is_early;

	(void)state;
	fake_kernel_on_loop(&kernel, hold);
	for (unsigned i = 0; i < buffered_count; i++)
		send_write(file, O_RDWR, i);
	receive(buffered_count);
	memset(request.data, 'x', sizeof request.data);
	send_write(file, O_RDWR, buffered_count);
	unique = fake_kernel_send(&kernel, 0, FUSE_READ, file.node, &read, sizeof read);
	is_early = fake_kernel_receive(&kernel, 0, &answer, SHORT_MS);
	fake_kernel_on_loop(&kernel, let_go);
	for (int i = is_early; i < 2; i++) {
		if (next_answer() != unique)
			continue;
		size = answer.size;
		byte = size > 0 ? answer.body[0] : 0;
	}
	memset(request.data, 0, sizeof request.data);
	release(file);
	assert_false(is_early);
	assert_int_equal(size, 4096);
	assert_int_equal(byte, 'x');
}

#define TEST(name, setup) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_read_until_writes_are_answered, setup),
		cmocka_unit_test_setup(test_the_end, setup),
		TEST(an_outage_stops_nobody_else, setup_shared),
		TEST(writes_that_wait_for_the_kernel_do_not_count, setup),
		TEST(reads_wait_for_writes_that_wait_for_room, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
