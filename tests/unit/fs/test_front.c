/* The FUSE front end without a mount: the test is the kernel. */
#include "tests/lib/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/fuse/raw.h"
#include "fs/fuse/protocol.h"
#include "proto/check.h"
#include "tests/lib/fake_kernel.h"
#include "tests/lib/patience.h"

#define ROOT	   FUSE_ROOT_ID
#define LONG_S	   15
#define SHORT_MS   50
#define SIZE_MOST  160u /* of what follows a header here */
#define OPCODE_END 64u

static struct fake_kernel kernel;
static struct fake_answer answer;

static int setup(void **state)
{
	(void)state;
	fake_kernel_init(&kernel, &(struct fake_raftkv_options){.seed = 1, .delay_max_ns = 200000});
	return 0;
}

static int setup_old(void **state)
{
	(void)state;
	fake_kernel_init_old(&kernel, &(struct fake_raftkv_options){.seed = 1});
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_kernel_close(&kernel);
	return 0;
}

/* The one answer to a request: its error, the rest in `answer`. */
static int wait_for(unsigned lane, uint64_t unique)
{
	assert_true(fake_kernel_receive(&kernel, lane, &answer, patience(LONG_S) * 1000));
	assert_int_equal(answer.header.unique, unique);
	return answer.header.error;
}

static int ask(uint32_t opcode, uint64_t node, const void *argument, size_t size)
{
	return wait_for(0, fake_kernel_send(&kernel, 0, opcode, node, argument, size));
}

static int ask_name(uint32_t opcode, uint64_t node, const char *name)
{
	return ask(opcode, node, name, strlen(name) + 1);
}

struct named {
	uint8_t bytes[SIZE_MOST];
	size_t size;
};

static struct named with_name(const void *argument, size_t size, const char *name)
{
	struct named named = {.size = size + strlen(name) + 1};

	memcpy(named.bytes, argument, size);
	strcpy((char *)named.bytes + size, name);
	return named;
}

static uint64_t entry_node(void)
{
	return ((const struct fuse_entry_out *)(const void *)answer.body)->nodeid;
}

struct open_file {
	uint64_t node;
	uint64_t fh;
};

static struct open_file create(const char *name)
{
	struct fuse_create_in in = {.flags = O_RDWR, .mode = S_IFREG | 0644};
	struct named request = with_name(&in, sizeof in, name);
	struct raw_created created;

	assert_int_equal(ask(FUSE_CREATE, ROOT, request.bytes, request.size), 0);
	memcpy(&created, answer.body, sizeof created);
	return (struct open_file){created.entry.nodeid, created.open.fh};
}

static struct open_file open_with(struct open_file file, uint32_t flags)
{
	struct fuse_open_in in = {.flags = flags};
	struct fuse_open_out out;

	assert_int_equal(ask(FUSE_OPEN, file.node, &in, sizeof in), 0);
	memcpy(&out, answer.body, sizeof out);
	return (struct open_file){file.node, out.fh};
}

static struct open_file reopen(struct open_file file)
{
	return open_with(file, O_RDWR);
}

static void release(struct open_file file)
{
	struct fuse_release_in in = {.fh = file.fh, .flags = O_RDWR};

	assert_int_equal(ask(FUSE_RELEASE, file.node, &in, sizeof in), 0);
}

static int flush(struct open_file file, uint64_t owner)
{
	struct fuse_flush_in in = {.fh = file.fh, .lock_owner = owner};

	return ask(FUSE_FLUSH, file.node, &in, sizeof in);
}

static uint64_t send_lock(
	unsigned lane, uint32_t opcode, struct open_file file, uint64_t owner, uint32_t type, bool is_flock)
{
	struct fuse_lk_in in = {
		.fh = file.fh,
		.owner = owner,
		.lk = {.start = 0, .end = INT64_MAX, .type = type, .pid = 1},
		.lk_flags = is_flock ? FUSE_LK_FLOCK : 0,
	};

	return fake_kernel_send(&kernel, lane, opcode, file.node, &in, sizeof in);
}

static int set_lock(struct open_file file, uint64_t owner, uint32_t type)
{
	return wait_for(0, send_lock(0, FUSE_SETLK, file, owner, type, false));
}

static void assert_silent(unsigned lane)
{
	assert_false(fake_kernel_receive(&kernel, lane, &answer, SHORT_MS));
}

/* ---- Negotiation ---- */

static void test_init(void **state)
{
	static const uint32_t wanted = FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_EXPORT_SUPPORT |
				       FUSE_BIG_WRITES | FUSE_DONT_MASK | FUSE_DO_READDIRPLUS |
				       FUSE_READDIRPLUS_AUTO | FUSE_ASYNC_DIO | FUSE_PARALLEL_DIROPS |
				       FUSE_POSIX_ACL | FUSE_CACHE_SYMLINKS | FUSE_EXPLICIT_INVAL_DATA |
				       FUSE_HANDLE_KILLPRIV_V2 | FUSE_MAX_PAGES;
	/* Locks of an only mount are the kernel's. */
	static const uint32_t unwanted = FUSE_AUTO_INVAL_DATA | FUSE_WRITEBACK_CACHE | FUSE_HANDLE_KILLPRIV |
					 FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS;

	(void)state;
	assert_int_equal(kernel.init.flags & wanted, wanted);
	assert_int_equal(kernel.init.flags & unwanted, 0);
	assert_int_equal(kernel.init.max_write, 1 << 20);
	assert_int_equal(kernel.init.max_pages, 256);
	assert_int_equal(kernel.init.max_readahead, 1 << 20);
	assert_int_equal(kernel.init.time_gran, 1);
	assert_true(kernel.init.max_background >= 64);
}

/* ---- One answer each ---- */

static void test_an_unknown_opcode_is_enosys(void **state)
{
	static const uint8_t zeroes[SIZE_MOST];

	(void)state;
	assert_int_equal(ask(OPCODE_END, ROOT, zeroes, sizeof zeroes), -ENOSYS);
	assert_int_equal(ask(51 + 1000, ROOT, zeroes, sizeof zeroes), -ENOSYS);
	assert_int_equal(ask(FUSE_BMAP, ROOT, zeroes, sizeof zeroes), -ENOSYS);
	assert_int_equal(ask(FUSE_SETUPMAPPING, ROOT, zeroes, sizeof zeroes), -ENOSYS);
	assert_silent(0);
}

/* Zeroes after the header, but for the handle, which every such request has first, and a copy's second one. */
static void test_every_opcode_is_answered_once(void **state)
{
	struct open_file file = create("file");
	uint8_t argument[SIZE_MOST] = {0};
	const size_t second = offsetof(struct fuse_copy_file_range_in, fh_out);

	(void)state;
	for (uint32_t opcode = 1; opcode < OPCODE_END; opcode++) {
		if (!protocol_has_answer(opcode) || opcode == FUSE_DESTROY || opcode == FUSE_RELEASE ||
			opcode == FUSE_RELEASEDIR)
			continue;
		memcpy(argument, opcode == FUSE_INIT ? &(uint64_t){0} : &file.fh, sizeof file.fh);
		if (opcode == FUSE_LOOKUP || opcode == FUSE_SYMLINK)
			memset(argument, 0, sizeof argument);
		if (opcode == FUSE_COPY_FILE_RANGE)
			memcpy(argument + second, &file.fh, sizeof file.fh);
		ask(opcode, opcode == FUSE_READDIR || opcode == FUSE_READDIRPLUS ? ROOT : file.node, argument,
			sizeof argument);
		assert_true(answer.header.error <= 0 && answer.header.error > -600);
	}
	assert_silent(0);
	release(file);
}

static void test_forget_has_no_answer(void **state)
{
	struct fuse_forget_in forget = {.nlookup = 1};
	struct {
		struct fuse_batch_forget_in head;
		struct fuse_forget_one one;
	} batch = {.head = {.count = 1}, .one = {.nodeid = ROOT, .nlookup = 1}};

	(void)state;
	fake_kernel_send(&kernel, 0, FUSE_FORGET, ROOT, &forget, sizeof forget);
	fake_kernel_send(&kernel, 0, FUSE_BATCH_FORGET, 0, &batch, sizeof batch);
	assert_silent(0);
	assert_int_equal(ask_name(FUSE_LOOKUP, ROOT, "nothing"), 0);
	assert_int_equal(entry_node(), 0); /* a negative entry */
}

static void test_short_requests_are_refused(void **state)
{
	static const uint8_t full[SIZE_MOST] = {[0 ... SIZE_MOST - 1] = 'x'}; /* names without an end */
	static const uint32_t opcodes[] = {FUSE_LOOKUP, FUSE_SETATTR, FUSE_SYMLINK, FUSE_MKNOD, FUSE_MKDIR,
		FUSE_UNLINK, FUSE_RENAME, FUSE_LINK, FUSE_OPEN, FUSE_READ, FUSE_WRITE, FUSE_RELEASE,
		FUSE_FSYNC, FUSE_SETXATTR, FUSE_GETXATTR, FUSE_FLUSH, FUSE_READDIR, FUSE_GETLK, FUSE_SETLKW,
		FUSE_CREATE, FUSE_IOCTL, FUSE_FALLOCATE, FUSE_RENAME2, FUSE_LSEEK, FUSE_COPY_FILE_RANGE,
		FUSE_TMPFILE, PROTOCOL_STATX};
	struct fuse_write_in write = {.size = 1000};
	struct fuse_in_header header = {.len = 4000, .opcode = FUSE_GETATTR, .nodeid = ROOT};

	(void)state;
	for (size_t i = 0; i < sizeof opcodes / sizeof opcodes[0]; i++)
		assert_int_equal(ask(opcodes[i], ROOT, full, 7), -EINVAL);
	assert_int_equal(ask(FUSE_LOOKUP, ROOT, full, sizeof full), -EINVAL);
	assert_int_equal(ask(FUSE_RENAME, ROOT, full, sizeof full), -EINVAL);
	assert_int_equal(ask(FUSE_WRITE, ROOT, &write, sizeof write), -EINVAL);
	fake_kernel_send(&kernel, 0, FUSE_FORGET, ROOT, NULL, 0);
	fake_kernel_send(&kernel, 0, FUSE_INTERRUPT, ROOT, NULL, 0);
	assert_silent(0);
	/* A header that claims more than was read. */
	assert_int_equal(send(kernel.sockets[0], &header, sizeof header, 0), sizeof header);
	assert_true(fake_kernel_receive(&kernel, 0, &answer, patience(LONG_S) * 1000));
	assert_int_equal(answer.header.error, -EINVAL);
}

/* The kernel looked before it asked to create: whoever made the name meanwhile was another mount. */
static void test_a_create_that_comes_second_looks_again(void **state)
{
	struct fuse_create_in in = {.flags = O_RDWR | O_CREAT, .mode = S_IFREG | 0644};
	struct named request;

	(void)state;
	release(create("contended"));
	request = with_name(&in, sizeof in, "contended");
	assert_int_equal(ask(FUSE_CREATE, ROOT, request.bytes, request.size), -ESTALE);
	in.flags |= O_EXCL;
	request = with_name(&in, sizeof in, "contended");
	assert_int_equal(ask(FUSE_CREATE, ROOT, request.bytes, request.size), -EEXIST);
}

/* ---- What libfuse 3.14 does not know ---- */

static void test_statx_has_the_time_of_birth(void **state)
{
	struct raw_statx_in in = {.sx_mask = UINT32_MAX};
	struct raw_statx_out out;
	struct open_file file = create("file");

	(void)state;
	assert_int_equal(ask(PROTOCOL_STATX, file.node, &in, sizeof in), 0);
	assert_int_equal(answer.size, sizeof out);
	memcpy(&out, answer.body, sizeof out);
	assert_true(out.stat.mask & 0x800u); /* STATX_BTIME */
	assert_true(out.stat.btime.seconds > 0);
	assert_int_equal(out.stat.mode, S_IFREG | 0644);
	assert_int_equal(out.stat.nlink, 1);
	release(file);
}

static void is_gone_soon(uint64_t node)
{
	struct fuse_getattr_in getattr = {0};
	int error;

	for (int tries = 0; (error = ask(FUSE_GETATTR, node, &getattr, sizeof getattr)) == 0; tries++) {
		assert_true(tries < patience(LONG_S) * 200);
		usleep(5000);
	}
	assert_int_equal(error, -ESTALE);
}

static void test_tmpfile_lives_until_it_is_released(void **state)
{
	struct fuse_create_in in = {.flags = O_RDWR, .mode = S_IFREG | 0600};
	struct named request = with_name(&in, sizeof in, "/");
	struct fuse_getattr_in getattr = {0};
	struct raw_created created;

	(void)state;
	assert_int_equal(ask(FUSE_TMPFILE, ROOT, request.bytes, request.size), 0);
	memcpy(&created, answer.body, sizeof created);
	assert_int_equal(created.entry.attr.nlink, 0);
	assert_int_equal(ask(FUSE_GETATTR, created.entry.nodeid, &getattr, sizeof getattr), 0);
	release((struct open_file){created.entry.nodeid, created.open.fh});
	fake_kernel_forget(&kernel, created.entry.nodeid, true);
	is_gone_soon(created.entry.nodeid);
}

/* ---- Open files without a name ---- */

static void remove_and_look(uint32_t opcode, const char *name, struct open_file file)
{
	struct fuse_getattr_in getattr = {0};
	struct fuse_attr_out attributes;

	assert_int_equal(ask_name(opcode, ROOT, name), 0);
	assert_int_equal(ask(FUSE_GETATTR, file.node, &getattr, sizeof getattr), 0);
	memcpy(&attributes, answer.body, sizeof attributes);
	assert_int_equal(attributes.attr.nlink, 0);
}

static void stays(uint64_t node)
{
	struct fuse_getattr_in getattr = {0};

	for (int tries = 0; tries < 10; tries++) {
		assert_int_equal(ask(FUSE_GETATTR, node, &getattr, sizeof getattr), 0);
		usleep(5000);
	}
}

static void test_a_removed_file_lives_until_the_kernel_forgets_it(void **state)
{
	struct open_file file = create("file");

	(void)state;
	remove_and_look(FUSE_UNLINK, "file", file);
	release(file);
	fake_kernel_forget(&kernel, file.node, false); /* of one lookup; the kernel may still use it */
	stays(file.node);
	file = reopen(file);
	release(file);
	fake_kernel_forget(&kernel, file.node, true);
	is_gone_soon(file.node);
}

/* ENOSYS: the kernel opens directories by itself from then on. */
static void test_a_removed_directory_is_empty(void **state)
{
	struct fuse_mkdir_in in = {.mode = 0755};
	struct named request = with_name(&in, sizeof in, "directory");
	struct fuse_open_in open = {.flags = O_RDONLY | O_DIRECTORY};
	struct fuse_read_in read = {.size = 4096};
	uint64_t node;

	(void)state;
	assert_int_equal(ask(FUSE_MKDIR, ROOT, request.bytes, request.size), 0);
	node = entry_node();
	assert_int_equal(ask(FUSE_OPENDIR, node, &open, sizeof open), -ENOSYS);
	remove_and_look(FUSE_RMDIR, "directory", (struct open_file){node, 0});
	assert_int_equal(ask(FUSE_READDIR, node, &read, sizeof read), 0);
	assert_int_equal(answer.size, 0);
	assert_int_equal(ask(FUSE_READDIRPLUS, node, &read, sizeof read), 0);
	assert_int_equal(answer.size, 0);
}

static void test_an_old_kernel_opens_directories(void **state)
{
	struct fuse_open_in in = {.flags = O_RDONLY | O_DIRECTORY};
	struct fuse_release_in release_in = {.flags = O_RDONLY | O_DIRECTORY};
	struct fuse_read_in read = {.size = 4096};
	struct fuse_open_out out;

	(void)state;
	release(create("a"));
	assert_int_equal(ask(FUSE_OPENDIR, ROOT, &in, sizeof in), 0);
	memcpy(&out, answer.body, sizeof out);
	assert_true(out.open_flags & FOPEN_CACHE_DIR && out.open_flags & FOPEN_KEEP_CACHE);
	read.fh = out.fh;
	assert_int_equal(ask(FUSE_READDIR, ROOT, &read, sizeof read), 0);
	assert_true(answer.size > 0);
	assert_int_equal(ask(FUSE_READDIRPLUS, ROOT, &read, sizeof read), 0);
	assert_true(answer.size > 0);
	release_in.fh = out.fh;
	assert_int_equal(ask(FUSE_RELEASEDIR, ROOT, &release_in, sizeof release_in), 0);
}

static void test_a_close_asks_for_nothing_where_nothing_was_written(void **state)
{
	const struct open_file file = create("file");
	struct fuse_open_in in = {.flags = O_RDONLY};
	struct fuse_open_out out;

	(void)state;
	assert_int_equal(ask(FUSE_OPEN, file.node, &in, sizeof in), 0);
	memcpy(&out, answer.body, sizeof out);
	assert_true(out.open_flags & FOPEN_NOFLUSH);
	release((struct open_file){file.node, out.fh});
	in.flags = O_WRONLY;
	assert_int_equal(ask(FUSE_OPEN, file.node, &in, sizeof in), 0);
	memcpy(&out, answer.body, sizeof out);
	assert_false(out.open_flags & FOPEN_NOFLUSH);
	release((struct open_file){file.node, out.fh});
	release(file);
}

/* ---- Locks ---- */

static void interrupt(unsigned lane, uint64_t unique)
{
	struct fuse_interrupt_in in = {.unique = unique};

	fake_kernel_send(&kernel, lane, FUSE_INTERRUPT, 0, &in, sizeof in);
}

static void test_an_interrupt_on_another_lane_ends_a_wait(void **state)
{
	struct open_file file = create("file");
	uint64_t waiting;

	(void)state;
	assert_int_equal(set_lock(file, 1, F_WRLCK), 0);
	assert_int_equal(set_lock(file, 2, F_WRLCK), -EAGAIN);
	waiting = send_lock(0, FUSE_SETLKW, file, 2, F_WRLCK, false);
	assert_silent(0);
	interrupt(1, waiting);
	assert_int_equal(wait_for(0, waiting), -EINTR);
	assert_silent(1);
	release(file);
}

static void test_an_interrupt_that_comes_first(void **state)
{
	struct open_file file = create("file");
	uint64_t waiting = kernel.unique + 2; /* of the request after the interrupt */

	(void)state;
	assert_int_equal(set_lock(file, 1, F_WRLCK), 0);
	waiting = kernel.unique + 2;
	interrupt(1, waiting);
	assert_silent(1); /* it has been handled */
	assert_int_equal(send_lock(0, FUSE_SETLKW, file, 2, F_WRLCK, false), waiting);
	assert_int_equal(wait_for(0, waiting), -EINTR);
	release(file);
}

static void hold(struct fake_kernel *of)
{
	fake_raftkv_hold(of->raftkv, true);
}

static void let_go(struct fake_kernel *of)
{
	fake_raftkv_hold(of->raftkv, false);
}

static void test_other_requests_ignore_interrupts(void **state)
{
	struct fuse_mkdir_in in = {.mode = 0755};
	struct named request = with_name(&in, sizeof in, "directory");
	uint64_t making;

	(void)state;
	fake_kernel_on_loop(&kernel, hold);
	making = fake_kernel_send(&kernel, 0, FUSE_MKDIR, ROOT, request.bytes, request.size);
	assert_silent(0);
	interrupt(1, making);
	assert_silent(0);
	fake_kernel_on_loop(&kernel, let_go);
	assert_int_equal(wait_for(0, making), 0);
}

static void test_a_lock_that_is_dropped_lets_the_next_in(void **state)
{
	struct open_file file = create("file"), other = reopen(file);
	uint64_t waiting;

	(void)state;
	assert_int_equal(set_lock(file, 1, F_WRLCK), 0);
	waiting = send_lock(0, FUSE_SETLKW, other, 2, F_RDLCK, false);
	assert_silent(0);
	assert_int_equal(wait_for(1, send_lock(1, FUSE_SETLK, file, 1, F_RDLCK, false)), 0); /* downgrade */
	assert_int_equal(wait_for(0, waiting), 0);
	waiting = send_lock(0, FUSE_SETLKW, other, 2, F_WRLCK, false);
	assert_silent(0);
	assert_int_equal(wait_for(1, send_lock(1, FUSE_SETLK, file, 1, F_UNLCK, false)), 0);
	assert_int_equal(wait_for(0, waiting), 0);
	release(other);
	release(file);
}

static void test_an_flock_goes_with_its_release(void **state)
{
	struct open_file file = create("file"), other = reopen(file);
	struct fuse_release_in in = {.fh = file.fh};
	uint64_t waiting, releasing;

	(void)state;
	assert_int_equal(wait_for(0, send_lock(0, FUSE_SETLK, file, 1, F_WRLCK, true)), 0);
	waiting = send_lock(0, FUSE_SETLKW, other, 2, F_WRLCK, true);
	assert_silent(0);
	releasing = fake_kernel_send(&kernel, 1, FUSE_RELEASE, file.node, &in, sizeof in);
	assert_int_equal(wait_for(1, releasing), 0);
	assert_int_equal(wait_for(0, waiting), 0);
	release(other);
}

/* close(2) has returned, and what it drops is overtaken by who asks for the lock and does not wait. */
static void test_a_closed_lock_is_in_nobodys_way(void **state)
{
	(void)state;
	for (int i = 0; i < 40; i++) {
		struct open_file file = create("file"), other = reopen(file);
		struct fuse_release_in in = {.fh = file.fh};
		uint64_t releasing, asking;

		assert_int_equal(set_lock(file, 1, F_WRLCK), 0);
		fake_kernel_on_loop(&kernel, hold);
		releasing = fake_kernel_send(&kernel, 1, FUSE_RELEASE, file.node, &in, sizeof in);
		assert_int_equal(wait_for(1, releasing), 0);
		asking = send_lock(0, FUSE_SETLK, other, 2, F_WRLCK, false);
		fake_kernel_on_loop(&kernel, let_go);
		assert_int_equal(wait_for(0, asking), 0);
		release(other);
		assert_int_equal(ask_name(FUSE_UNLINK, 1, "file"), 0);
	}
}

/* A process closes one descriptor and locks again through another before the first one's RELEASE comes. */
static void test_a_release_leaves_later_locks_alone(void **state)
{
	struct open_file first = create("file"), second = reopen(first);

	(void)state;
	assert_int_equal(set_lock(first, 1, F_WRLCK), 0);
	assert_int_equal(flush(first, 1), 0);
	assert_int_equal(set_lock(second, 1, F_WRLCK), 0);
	release(first);
	for (int i = 0; i < 20; i++)
		assert_int_equal(set_lock(second, 2, F_WRLCK), -EAGAIN);
	release(second);
}

static void test_many_processes_lock_through_one_handle(void **state)
{
	struct open_file file = create("file");

	(void)state;
	for (uint64_t owner = 1; owner <= 100; owner++)
		assert_int_equal(set_lock(file, owner, F_RDLCK), 0);
	release(file);
	file = reopen(file);
	assert_int_equal(set_lock(file, 1000, F_WRLCK), 0); /* all are gone, as close(2) has returned */
	release(file);
}

/* ---- Data ---- */

struct write_request {
	struct fuse_write_in in;
	char data[1];
};

static struct write_request write_request(struct open_file file, uint32_t flags, uint64_t offset)
{
	return (struct write_request){
		.in = {.fh = file.fh, .offset = offset, .size = 1, .flags = flags}, .data = "x"};
}

static int write_byte_at(struct open_file file, uint32_t flags, uint64_t offset)
{
	struct write_request request = write_request(file, flags, offset);

	return ask(FUSE_WRITE, file.node, &request, sizeof request.in + 1);
}

static int write_byte(struct open_file file, uint32_t flags)
{
	return write_byte_at(file, flags, 0);
}

static void test_a_file_ends_somewhere(void **state)
{
	struct open_file file = create("file");

	(void)state;
	assert_int_equal(write_byte_at(file, O_RDWR, INT64_MAX), -EFBIG);
	assert_int_equal(write_byte_at(file, O_RDWR, UINT64_MAX), -EFBIG);
	assert_int_equal(write_byte_at(file, O_RDWR | O_DSYNC, UINT64_MAX - 5), -EFBIG);
	release(file);
}

static void chmod_file(struct open_file file, uint32_t mode)
{
	struct fuse_setattr_in in = {.valid = FATTR_MODE, .mode = S_IFREG | mode};

	assert_int_equal(ask(FUSE_SETATTR, file.node, &in, sizeof in), 0);
}

/* By somebody who may not keep suid and sgid. */
static void write_and_strip(struct open_file file)
{
	struct write_request request = write_request(file, O_RDWR, 0);

	request.in.write_flags = FUSE_WRITE_KILL_SUIDGID;
	assert_int_equal(ask(FUSE_WRITE, file.node, &request, sizeof request.in + 1), 0);
}

static struct open_file stripped;

static void mode_is_stripped(struct fake_kernel *of)
{
	check((fs_attributes(fake_raftkv_files(of->raftkv), stripped.node).mode & 07777) == 0755);
}

/* The kernel would run the program with the suid that it knows of. */
static void test_a_write_that_strips_suid_tells_the_kernel(void **state)
{
	(void)state;
	stripped = create("program");
	fake_kernel_on_loop(&kernel, hold);
	write_and_strip(stripped); /* there is none: it is answered before it was made */
	fake_kernel_on_loop(&kernel, let_go);
	assert_int_equal(atomic_load(&kernel.attribute_drops), 0);
	chmod_file(stripped, 04755);
	write_and_strip(stripped);
	assert_int_equal(atomic_load(&kernel.attribute_drops), 1);
	fake_kernel_on_loop(&kernel, mode_is_stripped);
	chmod_file(stripped, 04755);
	release(stripped);
	stripped = reopen(stripped);
	write_and_strip(stripped);
	assert_int_equal(atomic_load(&kernel.attribute_drops), 2);
	fake_kernel_on_loop(&kernel, mode_is_stripped);
	release(stripped);
}

static void fail_data(struct fake_kernel *of)
{
	fake_raftkv_fail_data(of->raftkv, -ENOSPC);
}

static void mend_data(struct fake_kernel *of)
{
	fake_raftkv_fail_data(of->raftkv, 0);
}

static int sync_file(struct open_file file)
{
	struct fuse_fsync_in in = {.fh = file.fh};

	return ask(FUSE_FSYNC, file.node, &in, sizeof in);
}

static void test_every_handle_is_told_a_lost_write_once(void **state)
{
	struct open_file file = create("file"), other = reopen(file), later;

	(void)state;
	fake_kernel_on_loop(&kernel, fail_data);
	assert_int_equal(write_byte(file, O_RDWR), 0); /* acknowledged, and lost */
	assert_int_equal(sync_file(file), -ENOSPC);
	assert_int_equal(sync_file(file), 0);
	assert_int_equal(flush(other, 1), -ENOSPC);
	later = reopen(file);
	assert_int_equal(flush(later, 1), 0);
	assert_int_equal(sync_file(later), 0);
	assert_int_equal(write_byte(file, O_RDWR | O_DSYNC), -ENOSPC); /* says so itself */
	assert_int_equal(sync_file(file), 0);
	assert_int_equal(sync_file(other), -ENOSPC);
	release(file);
	release(other);
	release(later);
}

/* The disk is full for a while: the program makes room and writes on. */
static void test_a_write_that_says_so_leaves_the_error_to_fsync(void **state)
{
	struct open_file file = create("file");

	(void)state;
	fake_kernel_on_loop(&kernel, fail_data);
	assert_int_equal(write_byte_at(file, O_RDWR, 0), 0);
	assert_int_equal(flush(file, 1), -ENOSPC); /* the end of a child that inherited it */
	fake_kernel_on_loop(&kernel, mend_data);
	assert_int_equal(write_byte_at(file, O_RDWR, 1), -ENOSPC);
	assert_int_equal(write_byte_at(file, O_RDWR, 1), 0);
	assert_int_equal(write_byte_at(file, O_RDWR | O_DSYNC, 2), 0);
	assert_int_equal(flush(file, 1), -ENOSPC);
	assert_int_equal(sync_file(file), -ENOSPC);
	assert_int_equal(sync_file(file), 0);
	assert_int_equal(flush(file, 1), 0);
	release(file);
}

static void test_a_lost_write_outlives_the_last_close(void **state)
{
	struct fuse_setattr_in chmod = {.valid = FATTR_MODE, .mode = 0600};
	struct open_file file = create("file");

	(void)state;
	fake_kernel_on_loop(&kernel, fail_data);
	assert_int_equal(write_byte(file, O_RDWR), 0);
	release(file); /* no close came before: asynchronous writes do that */
	assert_int_equal(ask(FUSE_SETATTR, file.node, &chmod, sizeof chmod), 0); /* it has been tried */
	fake_kernel_on_loop(&kernel, mend_data);
	file = reopen(file);
	assert_int_equal(write_byte(file, O_RDWR), 0);
	assert_int_equal(sync_file(file), -ENOSPC);
	assert_int_equal(sync_file(file), 0);
	release(file);
	file = reopen(file);
	assert_int_equal(sync_file(file), 0);
	release(file);
}

static int synchronous_write_after_a_lost_one(struct open_file file)
{
	fake_kernel_on_loop(&kernel, fail_data);
	assert_int_equal(write_byte_at(file, O_RDWR, 0), 0);
	return write_byte_at(file, O_RDWR | O_DSYNC, 1);
}

static int rename_over(const char *name, const char *new_name)
{
	struct fuse_rename2_in in = {.newdir = ROOT};
	struct named request = with_name(&in, sizeof in, name);

	strcpy((char *)request.bytes + request.size, new_name);
	return ask(FUSE_RENAME2, ROOT, request.bytes, request.size + strlen(new_name) + 1);
}

static int copy(struct open_file from, struct open_file to)
{
	struct fuse_copy_file_range_in in = {
		.fh_in = from.fh, .nodeid_out = to.node, .fh_out = to.fh, .len = 1};

	return ask(FUSE_COPY_FILE_RANGE, from.node, &in, sizeof in);
}

static int allocate(struct open_file file)
{
	struct fuse_fallocate_in in = {.fh = file.fh, .length = 4096};

	return ask(FUSE_FALLOCATE, file.node, &in, sizeof in);
}

/* How often the log is waited for by a write, an allocation and a copy. */
static uint64_t syncs_through(struct open_file file, struct open_file source, uint32_t flags)
{
	uint64_t before = fake_raftkv_counts(kernel.raftkv)->syncs;

	assert_int_equal(write_byte(file, flags), 0);
	assert_int_equal(allocate(file), 0);
	assert_int_equal(copy(source, file), 0);
	return fake_raftkv_counts(kernel.raftkv)->syncs - before;
}

static void test_what_is_done_through_a_synchronous_file_is_durable(void **state)
{
	struct open_file source = create("source"), file = create("file"), synced;

	(void)state;
	assert_int_equal(write_byte(source, O_RDWR), 0);
	assert_int_equal(syncs_through(file, source, O_RDWR), 0);
	synced = open_with(file, O_RDWR | O_DSYNC);
	assert_int_equal(syncs_through(synced, source, O_RDWR | O_DSYNC), 3);
	release(synced);
	release(file);
	release(source);
}

/* They would show or use what was there before. */
static void test_who_needs_lost_data_fails(void **state)
{
	struct open_file file = create("file"), old = create("old");
	struct fuse_read_in read = {.fh = file.fh, .size = 4096};

	(void)state;
	assert_int_equal(write_byte(old, O_RDWR), 0);
	assert_int_equal(flush(old, 1), 0);
	assert_int_equal(synchronous_write_after_a_lost_one(file), -ENOSPC);
	assert_int_equal(write_byte(file, O_RDWR), 0);
	assert_int_equal(ask(FUSE_READ, file.node, &read, sizeof read), -ENOSPC);
	assert_int_equal(ask(FUSE_READ, file.node, &read, sizeof read), 0);
	assert_int_equal(write_byte(file, O_RDWR), -ENOSPC);
	assert_int_equal(write_byte(file, O_RDWR), 0);
	assert_int_equal(copy(file, old), -ENOSPC);
	assert_int_equal(write_byte(file, O_RDWR), -ENOSPC);
	assert_int_equal(write_byte(file, O_RDWR), 0);
	assert_int_equal(rename_over("file", "old"), -ENOSPC);
	assert_int_equal(ask_name(FUSE_LOOKUP, ROOT, "old"), 0);
	assert_int_equal(entry_node(), old.node);
	assert_int_equal(sync_file(file), -ENOSPC);
	release(file);
	release(old);
}

static uint64_t send_read(struct open_file file, uint64_t offset, uint32_t size)
{
	struct fuse_read_in in = {.fh = file.fh, .offset = offset, .size = size};

	return fake_kernel_send(&kernel, 0, FUSE_READ, file.node, &in, sizeof in);
}

static uint64_t size_by_getattr(struct open_file file)
{
	struct fuse_getattr_in in = {0};
	struct fuse_attr_out out;

	assert_int_equal(ask(FUSE_GETATTR, file.node, &in, sizeof in), 0);
	memcpy(&out, answer.body, sizeof out);
	return out.attr.size;
}

static uint64_t size_by_statx(struct open_file file)
{
	struct raw_statx_in in = {.sx_mask = UINT32_MAX};
	struct raw_statx_out out;

	assert_int_equal(ask(PROTOCOL_STATX, file.node, &in, sizeof in), 0);
	memcpy(&out, answer.body, sizeof out);
	return out.stat.size;
}

static uint64_t size_by_lookup(const char *name)
{
	struct fuse_entry_out out;

	assert_int_equal(ask_name(FUSE_LOOKUP, ROOT, name), 0);
	memcpy(&out, answer.body, sizeof out);
	return out.attr.size;
}

static uint64_t narrowed_to;

/* The region ends before this directory. */
static void narrow(struct fake_kernel *of)
{
	static struct fs_key end;

	end = fs_key_dirid(fs_ino_dirid(narrowed_to));
	memory_view_set_range(fake_raftkv_files(of->raftkv)->memory, (struct slice){0}, fs_key_slice(&end));
}

static void widen(struct fake_kernel *of)
{
	memory_view_set_range(fake_raftkv_files(of->raftkv)->memory, (struct slice){0}, (struct slice){0});
}

/* The only entry of the root, behind "." and "..". */
static struct fuse_direntplus list_root(void)
{
	struct fuse_read_in read = {.size = 4096};
	struct fuse_direntplus entry = {0};

	assert_int_equal(ask(FUSE_READDIRPLUS, ROOT, &read, sizeof read), 0);
	for (size_t at = 0; at < answer.size;
		at += FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET_DIRENTPLUS + entry.dirent.namelen))
		memcpy(&entry, answer.body + at, sizeof entry);
	return entry;
}

/* The kernel takes the entry, and looks the name up when it needs more. */
static void test_an_entry_may_lack_attributes(void **state)
{
	struct fuse_mkdir_in in = {.mode = 0755};
	struct named request = with_name(&in, sizeof in, "directory");
	struct fuse_direntplus entry;

	(void)state;
	assert_int_equal(ask(FUSE_MKDIR, ROOT, request.bytes, request.size), 0);
	narrowed_to = entry_node();
	fake_kernel_on_loop(&kernel, narrow);
	entry = list_root();
	assert_int_equal(entry.entry_out.nodeid, 0);
	assert_int_equal(entry.dirent.ino, narrowed_to);
	assert_int_equal(entry.dirent.type, S_IFDIR >> 12);
	fake_kernel_on_loop(&kernel, widen);
	entry = list_root();
	assert_int_equal(entry.entry_out.nodeid, narrowed_to);
	assert_int_equal(entry.entry_out.attr.mode, S_IFDIR | 0755);
}

/* The writes do not go on: nothing that is asked here needs them. */
static void test_a_look_at_written_data_writes_nothing_out(void **state)
{
	static const uint8_t zeroes[4096];
	struct open_file file = create("file");
	struct fuse_lseek_in seek = {.fh = file.fh, .offset = 9000, .whence = SEEK_DATA};
	uint64_t waiting;

	(void)state;
	fake_kernel_on_loop(&kernel, hold);
	assert_int_equal(write_byte_at(file, O_RDWR, 8192), 0);
	assert_int_equal(size_by_getattr(file), 8193);
	assert_int_equal(size_by_statx(file), 8193);
	assert_int_equal(size_by_lookup("file"), 8193);
	assert_int_equal(list_root().entry_out.attr.size, 8193);
	assert_int_equal(ask(FUSE_LSEEK, file.node, &seek, sizeof seek), -ENXIO);
	assert_int_equal(wait_for(0, send_read(file, 4096, 4096)), 0); /* a hole */
	assert_int_equal(answer.size, 4096);
	assert_memory_equal(answer.body, zeroes, 4096);
	assert_int_equal(wait_for(0, send_read(file, 8193, 4096)), 0);
	assert_int_equal(answer.size, 0);
	waiting = send_read(file, 8000, 4096); /* it overlaps */
	assert_silent(0);
	fake_kernel_on_loop(&kernel, let_go);
	assert_int_equal(wait_for(0, waiting), 0);
	assert_int_equal(answer.size, 193);
	assert_int_equal(answer.body[192], 'x');
	release(file);
}

static void read_byte(struct open_file file)
{
	assert_int_equal(wait_for(0, send_read(file, 0, 1)), 0);
}

/* What a reader may have put among the kernel's pages meanwhile goes before the write is answered; else nothing does. */
static void test_direct_writes_leave_no_pages_of_readers(void **state)
{
	struct open_file file = create("file");
	struct write_request request = write_request(file, O_RDWR | O_DIRECT, 0);
	unsigned drops;
	uint64_t unique;

	(void)state;
	assert_int_equal(write_byte(file, O_RDWR | O_DIRECT), 0);
	drops = atomic_load(&kernel.drops);
	assert_int_equal(write_byte(file, O_RDWR | O_DIRECT), 0);
	assert_int_equal(atomic_load(&kernel.drops), drops);
	read_byte(file);
	atomic_store(&kernel.is_slow, true);
	unique = fake_kernel_send(&kernel, 0, FUSE_WRITE, file.node, &request, sizeof request.in + 1);
	assert_silent(0);
	sem_post(&kernel.may_drop);
	assert_int_equal(wait_for(0, unique), 0);
	assert_int_equal(atomic_load(&kernel.drops), drops + 1);
	atomic_store(&kernel.is_slow, false);
	assert_int_equal(write_byte(file, O_RDWR), 0);
	assert_int_equal(write_byte(file, O_RDWR | O_DIRECT), 0);
	assert_int_equal(atomic_load(&kernel.drops), drops + 2);
	release(file);
}

static void test_append_only_files_are_opened_to_append(void **state)
{
	struct open_file file = create("file");
	struct {
		struct fuse_ioctl_in in;
		uint32_t flags;
	} ioctl = {.in = {.fh = file.fh, .cmd = 0x40086602 /* FS_IOC_SETFLAGS */, .in_size = 4},
		.flags = FS_FLAG_APPEND};
	struct fuse_open_in open = {.flags = O_WRONLY};

	(void)state;
	assert_int_equal(ask(FUSE_IOCTL, file.node, &ioctl, sizeof ioctl.in + 4), 0);
	assert_int_equal(atomic_load(&kernel.attribute_drops), 1); /* ctime */
	assert_int_equal(ask(FUSE_OPEN, file.node, &open, sizeof open), -EPERM);
	open.flags = O_WRONLY | O_APPEND | O_TRUNC;
	assert_int_equal(ask(FUSE_OPEN, file.node, &open, sizeof open), -EPERM);
	open.flags = O_WRONLY | O_APPEND;
	assert_int_equal(ask(FUSE_OPEN, file.node, &open, sizeof open), 0);
	release(file);
}

/* ---- The end ---- */

static void test_the_end_waits_for_what_is_under_way(void **state)
{
	struct open_file file = create("file");
	struct fuse_mkdir_in in = {.mode = 0755};
	struct named request = with_name(&in, sizeof in, "directory");

	(void)state;
	assert_int_equal(write_byte(file, O_RDWR), 0); /* buffered */
	assert_int_equal(set_lock(file, 1, F_WRLCK), 0);
	send_lock(1, FUSE_SETLKW, file, 2, F_WRLCK, false);
	assert_silent(1);
	fake_kernel_on_loop(&kernel, hold);
	fake_kernel_send(&kernel, 0, FUSE_MKDIR, ROOT, request.bytes, request.size);
	fake_kernel_hang_up(&kernel);
	fake_kernel_on_loop(&kernel, let_go);
	fake_kernel_close(&kernel);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(init),
		TEST(an_unknown_opcode_is_enosys),
		TEST(every_opcode_is_answered_once),
		TEST(forget_has_no_answer),
		TEST(short_requests_are_refused),
		TEST(a_create_that_comes_second_looks_again),
		TEST(statx_has_the_time_of_birth),
		TEST(tmpfile_lives_until_it_is_released),
		TEST(a_removed_file_lives_until_the_kernel_forgets_it),
		TEST(a_removed_directory_is_empty),
		cmocka_unit_test_setup_teardown(test_an_old_kernel_opens_directories, setup_old, teardown),
		TEST(a_close_asks_for_nothing_where_nothing_was_written),
		TEST(an_interrupt_on_another_lane_ends_a_wait),
		TEST(an_interrupt_that_comes_first),
		TEST(other_requests_ignore_interrupts),
		TEST(a_lock_that_is_dropped_lets_the_next_in),
		TEST(an_flock_goes_with_its_release),
		TEST(a_closed_lock_is_in_nobodys_way),
		TEST(a_release_leaves_later_locks_alone),
		TEST(many_processes_lock_through_one_handle),
		TEST(a_file_ends_somewhere),
		TEST(a_write_that_strips_suid_tells_the_kernel),
		TEST(every_handle_is_told_a_lost_write_once),
		TEST(a_write_that_says_so_leaves_the_error_to_fsync),
		TEST(a_lost_write_outlives_the_last_close),
		TEST(what_is_done_through_a_synchronous_file_is_durable),
		TEST(who_needs_lost_data_fails),
		TEST(an_entry_may_lack_attributes),
		TEST(a_look_at_written_data_writes_nothing_out),
		TEST(direct_writes_leave_no_pages_of_readers),
		TEST(append_only_files_are_opened_to_append),
		cmocka_unit_test_setup(test_the_end_waits_for_what_is_under_way, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
