/* The FUSE front end of a mount that is not the only client: the test is the kernel, and another mount. */
#include "tests/lib/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/fuse/raw.h"
#include "fs/schema/ino_ranges.h"
#include "proto/codec.h"
#include "tests/lib/fake_kernel.h"
#include "tests/lib/patience.h"

#define ROOT	      FUSE_ROOT_ID
#define LONG_S	      15
#define SHORT_MS      100
#define OTHER_SESSION 5u
#define NAME	      "file"

static struct fake_kernel kernel;
static struct fake_answer answer;
static uint64_t node; /* of NAME */

static int setup(void **state)
{
	(void)state;
	fake_kernel_init_shared(&kernel, &(struct fake_raftkv_options){.seed = 1, .delay_max_ns = 200000});
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_kernel_close(&kernel);
	return 0;
}

static int wait_for(uint64_t unique)
{
	assert_true(fake_kernel_receive(&kernel, 0, &answer, patience(LONG_S) * 1000));
	assert_int_equal(answer.header.unique, unique);
	return answer.header.error;
}

static int ask(uint32_t opcode, uint64_t of, const void *argument, size_t size)
{
	return wait_for(fake_kernel_send(&kernel, 0, opcode, of, argument, size));
}

static void assert_silent(void)
{
	assert_false(fake_kernel_receive(&kernel, 0, &answer, SHORT_MS));
}

/* ---- This mount ---- */

/* The answer's flags (FOPEN_…); *fh is for release. */
static uint32_t make(uint64_t *fh)
{
	struct {
		struct fuse_create_in in;
		char name[sizeof NAME];
	} request = {{.flags = O_RDWR, .mode = S_IFREG | 0644}, NAME};
	struct raw_created created;

	assert_int_equal(ask(FUSE_CREATE, ROOT, &request, sizeof request.in + sizeof request.name), 0);
	memcpy(&created, answer.body, sizeof created);
	node = created.entry.nodeid;
	*fh = created.open.fh;
	return created.open.open_flags;
}

static int try_open(uint32_t flags)
{
	struct fuse_open_in in = {.flags = flags};

	return ask(FUSE_OPEN, node, &in, sizeof in);
}

static int look_up(void)
{
	return ask(FUSE_LOOKUP, ROOT, NAME, sizeof NAME);
}

/* As the kernel does: a refused open looks the name up again. */
static uint32_t open_node(uint32_t flags, uint64_t *fh)
{
	struct fuse_open_out out;
	int error = try_open(flags);

	if (error == -ESTALE) {
		assert_int_equal(look_up(), 0);
		error = try_open(flags);
	}
	assert_int_equal(error, 0);
	memcpy(&out, answer.body, sizeof out);
	*fh = out.fh;
	return out.open_flags;
}

static void release(uint64_t fh)
{
	struct fuse_release_in in = {.fh = fh};

	assert_int_equal(ask(FUSE_RELEASE, node, &in, sizeof in), 0);
}

static void write_byte(uint64_t fh, uint64_t offset, uint32_t flags)
{
	struct {
		struct fuse_write_in in;
		char data;
	} request = {{.fh = fh, .offset = offset, .size = 1, .flags = flags}, 'x'};

	assert_int_equal(ask(FUSE_WRITE, node, &request, sizeof request.in + 1), 0);
}

static uint64_t send_getattr(void)
{
	struct fuse_getattr_in in = {0};

	return fake_kernel_send(&kernel, 0, FUSE_GETATTR, node, &in, sizeof in);
}

static struct fuse_attr attributes(void)
{
	struct fuse_attr_out out;

	assert_int_equal(wait_for(send_getattr()), 0);
	memcpy(&out, answer.body, sizeof out);
	return out.attr;
}

static uint64_t send_lock_of(uint64_t owner, uint32_t type, uint32_t opcode, uint64_t fh)
{
	struct fuse_lk_in in = {
		.fh = fh, .owner = owner, .lk = {.start = 0, .end = INT64_MAX, .type = type, .pid = 1}};

	return fake_kernel_send(&kernel, 0, opcode, node, &in, sizeof in);
}

static uint64_t send_lock(uint32_t opcode, uint64_t fh)
{
	return send_lock_of(1, F_WRLCK, opcode, fh);
}

/* ---- The other mount ---- */

static void write_elsewhere(struct fake_kernel *of)
{
	struct fs_harness *files = fake_raftkv_files(of->raftkv);

	assert_int_equal(fs_harness_write(files, node, 0, 0, "0123456789", 10), 0);
}

static void rename_elsewhere(struct fake_kernel *of)
{
	assert_int_equal(fs_rename(fake_raftkv_files(of->raftkv), ROOT, NAME, ROOT, "other", 0), 0);
}

/* Who removes it holds it, until its kernel has forgotten it. */
static void remove_elsewhere(struct fake_kernel *of)
{
	struct fs_harness *files = fake_raftkv_files(of->raftkv);
	uint64_t session = files->session;

	files->session = OTHER_SESSION;
	assert_int_equal(fs_unlink(files, ROOT, NAME, true), 0);
	files->session = session;
}

static void set_lock_elsewhere(struct fake_kernel *of, enum lock_type type)
{
	struct fs_harness *files = fake_raftkv_files(of->raftkv);
	uint64_t session = files->session;
	struct op op = {.kind = OP_LOCK,
		.lock = {.ino = node,
			.lock = {.kind = LOCK_POSIX, .type = type, .owner = 9, .end = INT64_MAX}}};

	files->session = OTHER_SESSION;
	assert_int_equal(fs_harness_run(files, &op, NULL), 0);
	files->session = session;
}

static void lock_elsewhere(struct fake_kernel *of)
{
	set_lock_elsewhere(of, FS_LOCK_WRITE);
}

static void unlock_elsewhere(struct fake_kernel *of)
{
	set_lock_elsewhere(of, FS_LOCK_NONE);
}

static void run_elsewhere(struct fake_kernel *of, struct op op)
{
	struct fs_harness *files = fake_raftkv_files(of->raftkv);
	uint64_t session = files->session;

	files->session = OTHER_SESSION;
	assert_int_equal(fs_harness_run(files, &op, NULL), 0);
	files->session = session;
}

/* So that what is removed elsewhere has grace. */
static void open_session(struct fake_kernel *of)
{
	run_elsewhere(of, (struct op){.kind = OP_SESSION_OPEN,
				  .session_open = {.host = text("host"), .mount_point = text("/mnt")}});
}

static void unlink_elsewhere(struct fake_kernel *of)
{
	run_elsewhere(
		of, (struct op){.kind = OP_UNLINK, .remove = {.parent = FS_ROOT_INO, .name = text(NAME)}});
}

static void make_elsewhere(struct fake_kernel *of)
{
	run_elsewhere(of, (struct op){.kind = OP_MAKE,
				  .make = {.parent = FS_ROOT_INO,
					  .name = text(NAME),
					  .mode = S_IFREG | 0644,
					  .exclusive = true}});
}

static void make_directory_elsewhere(struct fake_kernel *of)
{
	run_elsewhere(
		of, (struct op){.kind = OP_MAKE,
			    .make = {.parent = FS_ROOT_INO, .name = text(NAME), .mode = S_IFDIR | 0755}});
}

static void remove_directory_elsewhere(struct fake_kernel *of)
{
	run_elsewhere(
		of, (struct op){.kind = OP_RMDIR, .remove = {.parent = FS_ROOT_INO, .name = text(NAME)}});
}

/* As the cluster does once every mount has answered. */
static void end_grace(struct fake_kernel *of)
{
	uint8_t bytes[8];
	struct writer writer = writer_fixed(bytes, sizeof bytes);

	writer_u64be(&writer, node);
	run_elsewhere(of, (struct op){.kind = OP_GRACE_END, .grace_end.inos = writer_written(&writer)});
}

static atomic_int answered; /* by the front: 0: not yet, 1: what is open is kept, -1: ask again */

static void on_answer(void *argument, bool are_kept)
{
	(void)argument;
	answered = are_kept ? 1 : -1;
}

static void ask_about_node(struct fake_kernel *of)
{
	struct ino_ranges *ranges = calloc(1, sizeof *ranges);
	struct buf *bytes;

	assert_non_null(ranges);
	ino_ranges_add(ranges, node);
	assert_int_equal(ino_ranges_encode(ranges, &bytes), 0);
	answered = 0;
	front_ask(of->front, buf_slice(bytes), on_answer, NULL);
	buf_unref(bytes);
	free(ranges);
}

static int error_elsewhere;

static void look_elsewhere(struct fake_kernel *of)
{
	struct attributes attributes;

	error_elsewhere = read_attributes(fake_raftkv_files(of->raftkv)->view, node, &attributes);
}

static void ask_front(void)
{
	fake_kernel_on_loop(&kernel, ask_about_node);
	for (int i = 0; i < 1000 && answered == 0; i++) {
		usleep(10000);
		fake_kernel_on_loop(&kernel, look_elsewhere); /* what it does is seen here */
	}
	assert_int_equal(answered, 1);
}

/* Once nobody holds it. */
static bool is_gone(void)
{
	for (int i = 0; i < 1000; i++) {
		fake_kernel_on_loop(&kernel, look_elsewhere);
		if (error_elsewhere == -ESTALE)
			return true;
		usleep(10000);
	}
	return false;
}

/* `node` is what it finds. */
static int find_name(void)
{
	struct fuse_entry_out entry;
	int error = look_up();

	if (error == 0) {
		memcpy(&entry, answer.body, sizeof entry);
		node = entry.nodeid;
	}
	return error;
}

static int open_error(uint32_t opcode, uint32_t flags)
{
	struct fuse_open_in in = {.flags = flags};

	return ask(opcode, node, &in, sizeof in);
}

/* ---- Tests ---- */

static void nothing_is_cached_for_long(void **state)
{
	struct fuse_open_in in = {.flags = O_DIRECTORY};
	struct fuse_open_out opened;
	struct fuse_entry_out entry;
	uint64_t fh;

	(void)state;
	assert_int_equal(look_up(), -ENOENT); /* no negative entry */
	make(&fh);
	assert_int_equal(look_up(), 0);
	memcpy(&entry, answer.body, sizeof entry);
	assert_true(entry.entry_valid <= 1 && entry.attr_valid <= 1);
	assert_int_equal(ask(FUSE_OPENDIR, ROOT, &in, sizeof in), 0);
	memcpy(&opened, answer.body, sizeof opened);
	assert_int_equal(opened.open_flags & (FOPEN_CACHE_DIR | FOPEN_KEEP_CACHE), 0);
	release(opened.fh);
	in.flags = O_RDONLY;
	assert_int_equal(ask(FUSE_OPEN, entry.nodeid, &in, sizeof in), 0);
	memcpy(&opened, answer.body, sizeof opened);
	assert_false(opened.open_flags & FOPEN_NOFLUSH); /* locks are dropped by it */
	release(opened.fh);
	release(fh);
}

static void pages_are_kept_until_another_writes(void **state)
{
	uint64_t fh;

	(void)state;
	assert_true(make(&fh) & FOPEN_KEEP_CACHE);
	write_byte(fh, 0, O_RDWR);
	assert_int_equal(attributes().size, 1);
	release(fh);
	assert_true(open_node(O_RDONLY, &fh) & FOPEN_KEEP_CACHE);
	release(fh);
	assert_int_equal(atomic_load(&kernel.drops), 0);
	fake_kernel_on_loop(&kernel, write_elsewhere);
	open_node(O_RDONLY, &fh);
	assert_int_equal(atomic_load(&kernel.drops), 1);
	release(fh);
	assert_true(open_node(O_RDONLY, &fh) & FOPEN_KEEP_CACHE);
	release(fh);
	assert_int_equal(atomic_load(&kernel.drops), 1);
}

static void a_new_size_is_told_after_old_pages_have_gone(void **state)
{
	uint64_t fh, asking;

	(void)state;
	make(&fh);
	write_byte(fh, 0, O_RDWR);
	assert_int_equal(attributes().size, 1);
	assert_int_equal(atomic_load(&kernel.drops), 0);
	fake_kernel_on_loop(&kernel, write_elsewhere);
	atomic_store(&kernel.is_slow, true);
	asking = send_getattr();
	assert_silent();
	sem_post(&kernel.may_drop);
	assert_int_equal(wait_for(asking), 0);
	assert_int_equal(atomic_load(&kernel.drops), 1);
	atomic_store(&kernel.is_slow, false);
	release(fh);
}

static void an_open_is_answered_after_old_pages_have_gone(void **state)
{
	struct fuse_open_in in = {.flags = O_RDONLY};
	uint64_t fh, opening;

	(void)state;
	make(&fh);
	release(fh);
	fake_kernel_on_loop(&kernel, write_elsewhere);
	atomic_store(&kernel.is_slow, true);
	assert_int_equal(try_open(O_RDONLY), -ESTALE);
	opening = fake_kernel_send(&kernel, 0, FUSE_OPEN, node, &in, sizeof in);
	assert_silent();
	sem_post(&kernel.may_drop);
	assert_int_equal(wait_for(opening), 0);
	atomic_store(&kernel.is_slow, false);
	release(((struct fuse_open_out *)(void *)answer.body)->fh);
}

/* The kernel was told of the file, and nobody opened it: there are no pages, but a length. */
static void an_open_is_answered_after_old_attributes_have_gone(void **state)
{
	uint64_t fh;

	(void)state;
	make(&fh);
	release(fh);
	assert_int_equal(attributes().size, 0);
	fake_kernel_on_loop(&kernel, write_elsewhere);
	assert_int_equal(try_open(O_WRONLY), -ESTALE);
	assert_int_equal(try_open(O_WRONLY), 0); /* by its descriptor: there is no name to look up */
	assert_int_equal(atomic_load(&kernel.attribute_drops), 1);
	release(((struct fuse_open_out *)(void *)answer.body)->fh);
	assert_int_equal(atomic_load(&kernel.drops), 0);
}

static void what_changed_here_is_known(void **state)
{
	uint64_t fh;

	(void)state;
	make(&fh);
	write_byte(fh, 0, O_RDWR | O_SYNC);
	assert_int_equal(try_open(O_RDONLY), 0);
	release(((struct fuse_open_out *)(void *)answer.body)->fh);
	write_byte(fh, 1, O_RDWR);
	assert_int_equal(attributes().size, 2);
	assert_int_equal(try_open(O_RDONLY), 0);
	release(((struct fuse_open_out *)(void *)answer.body)->fh);
	release(fh);
	assert_int_equal(atomic_load(&kernel.attribute_drops), 0);
}

/* What the name leads to may be another file by now; each program is refused once. */
static void what_was_renamed_elsewhere_is_looked_up_again(void **state)
{
	uint64_t fh;

	(void)state;
	make(&fh);
	fake_kernel_on_loop(&kernel, rename_elsewhere);
	attributes(); /* tells of no name */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(try_open(O_RDONLY), -ESTALE);
		assert_int_equal(look_up(), -ENOENT);
	}
	assert_int_equal(try_open(O_RDONLY), -ESTALE);
	assert_int_equal(try_open(O_RDONLY), 0);
	release(((struct fuse_open_out *)(void *)answer.body)->fh);
	release(fh);
}

static void what_has_no_name_is_opened_by_descriptors_alone(void **state)
{
	uint64_t fh;

	(void)state;
	make(&fh);
	fake_kernel_on_loop(&kernel, remove_elsewhere);
	attributes();
	assert_int_equal(try_open(O_RDONLY), -ESTALE);
	assert_int_equal(try_open(O_RDONLY), 0);
	release(((struct fuse_open_out *)(void *)answer.body)->fh);
	release(fh);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(try_open(O_RDONLY), -ESTALE);
		assert_int_equal(look_up(), -ENOENT); /* there was a name */
	}
	assert_int_equal(try_open(O_RDONLY), -ESTALE);
	assert_int_equal(try_open(O_RDONLY), 0); /* there was none (O_PATH) */
	release(((struct fuse_open_out *)(void *)answer.body)->fh);
}

static void an_append_goes_to_the_end(void **state)
{
	uint64_t fh;

	(void)state;
	make(&fh);
	release(fh);
	assert_true(open_node(O_WRONLY | O_APPEND, &fh) & FOPEN_DIRECT_IO);
	fake_kernel_on_loop(&kernel, write_elsewhere);
	write_byte(fh, 0, O_WRONLY | O_APPEND); /* the kernel knows of no byte */
	assert_int_equal(attributes().size, 11);
	release(fh);
	assert_false(open_node(O_RDONLY | O_APPEND, &fh) & FOPEN_DIRECT_IO);
	release(fh);
}

/* Whoever reads through pages on this mount sees it when the writer's call returns. */
static void an_append_drops_the_pages_of_readers(void **state)
{
	uint64_t reader, fh;

	(void)state;
	make(&reader);
	open_node(O_WRONLY | O_APPEND, &fh);
	write_byte(fh, 0, O_WRONLY | O_APPEND);
	assert_int_equal(atomic_load(&kernel.drops), 1);
	release(reader);
	write_byte(fh, 1, O_WRONLY | O_APPEND);
	assert_int_equal(atomic_load(&kernel.drops), 1); /* nobody reads */
	release(fh);
}

static unsigned waiter_count;
static uint64_t write_count;

static int count_row(void *argument, struct slice key, struct slice value)
{
	(void)key;
	(void)value;
	++*(unsigned *)argument;
	return 0;
}

static void a_lock_of_another_mount_is_waited_for(void **state)
{
	uint64_t fh, waiting;

	(void)state;
	make(&fh);
	fake_kernel_on_loop(&kernel, lock_elsewhere);
	assert_int_equal(wait_for(send_lock(FUSE_SETLK, fh)), -EAGAIN);
	waiting = send_lock(FUSE_SETLKW, fh);
	assert_silent();
	fake_kernel_on_loop(&kernel, unlock_elsewhere);
	assert_int_equal(wait_for(waiting), 0);
	release(fh);
}

static void count_waiters(struct fake_kernel *of)
{
	struct fs_harness *files = fake_raftkv_files(of->raftkv);
	struct fs_key low = fs_key_prefix(node, 'W'), high = fs_key_after(&low);

	waiter_count = 0;
	assert_int_equal(view_scan(files->view, KEY_DATA, fs_key_slice(&low), fs_key_slice(&high), count_row,
				 &waiter_count),
		0);
}

static void expect_waiters(unsigned count)
{
	do
		fake_kernel_on_loop(&kernel, count_waiters);
	while (waiter_count != count);
}

/* It has a place among those who wait, which goes with it. */
static void who_stops_waiting_leaves_its_place(void **state)
{
	struct fuse_interrupt_in in;
	uint64_t fh;

	(void)state;
	make(&fh);
	fake_kernel_on_loop(&kernel, lock_elsewhere);
	in.unique = send_lock(FUSE_SETLKW, fh);
	expect_waiters(1);
	fake_kernel_send(&kernel, 0, FUSE_INTERRUPT, 0, &in, sizeof in);
	assert_int_equal(wait_for(in.unique), -EINTR);
	expect_waiters(0);
	in.unique = send_lock(FUSE_SETLKW, fh);
	expect_waiters(1);
	fake_kernel_on_loop(&kernel, unlock_elsewhere);
	assert_int_equal(wait_for(in.unique), 0);
	expect_waiters(0);
	release(fh);
}

static void count_writes(struct fake_kernel *of)
{
	write_count = fake_raftkv_counts(of->raftkv)->writes;
}

/* While it asks it would not be seen to wait, and a circle of those who wait would not be seen. */
static void who_waits_for_its_own_mount_does_not_ask(void **state)
{
	uint64_t fh, waiting, before;

	(void)state;
	make(&fh);
	assert_int_equal(wait_for(send_lock(FUSE_SETLK, fh)), 0);
	waiting = send_lock_of(2, F_WRLCK, FUSE_SETLKW, fh);
	expect_waiters(1);
	fake_kernel_on_loop(&kernel, count_writes);
	before = write_count;
	usleep(1200000);
	fake_kernel_on_loop(&kernel, count_writes);
	assert_int_equal(write_count, before);
	assert_int_equal(wait_for(send_lock_of(1, F_UNLCK, FUSE_SETLK, fh)), 0);
	assert_int_equal(wait_for(waiting), 0);
	expect_waiters(0);
	release(fh);
}

static void a_lock_shows_what_was_written_under_it(void **state)
{
	uint64_t fh;

	(void)state;
	make(&fh);
	fake_kernel_on_loop(&kernel, write_elsewhere);
	assert_int_equal(wait_for(send_lock(FUSE_SETLK, fh)), 0);
	assert_int_equal(atomic_load(&kernel.drops), 1);
	release(fh);
}

/* A length is seen through any handle. */
static void a_lock_shows_the_length_at_its_time(void **state)
{
	uint64_t made, fh;

	(void)state;
	make(&made);
	open_node(O_WRONLY, &fh);
	release(made);
	assert_int_equal(attributes().size, 0);
	fake_kernel_on_loop(&kernel, write_elsewhere);
	assert_int_equal(wait_for(send_lock(FUSE_SETLK, fh)), 0);
	assert_int_equal(atomic_load(&kernel.attribute_drops), 1);
	assert_int_equal(wait_for(send_lock(FUSE_SETLK, fh)), 0);
	assert_int_equal(atomic_load(&kernel.attribute_drops), 1);
	release(fh);
}

static void locks_are_asked_for(void **state)
{
	static const uint32_t wanted = FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS;

	(void)state;
	assert_int_equal(kernel.init.flags & wanted, wanted);
}

/* Nothing hears of the lock's end once nobody is there to wait for it. */
static void the_end_does_not_wait_for_others_locks(void **state)
{
	uint64_t fh;

	(void)state;
	make(&fh);
	fake_kernel_on_loop(&kernel, lock_elsewhere);
	send_lock(FUSE_SETLKW, fh);
	assert_silent();
	fake_kernel_hang_up(&kernel);
	fake_kernel_on_loop(&kernel, unlock_elsewhere);
	fake_kernel_close(&kernel);
}

static void what_is_open_here_outlives_its_name(void **state)
{
	uint64_t fh, again;

	(void)state;
	fake_kernel_on_loop(&kernel, open_session);
	make(&fh);
	fake_kernel_on_loop(&kernel, unlink_elsewhere);
	ask_front();
	fake_kernel_on_loop(&kernel, end_grace);
	assert_int_equal(attributes().nlink, 0);
	write_byte(fh, 0, O_RDWR);
	assert_int_equal(try_open(O_RDONLY), -ESTALE); /* by the name that it had */
	assert_int_equal(try_open(O_RDONLY), 0); /* nothing was found: by a descriptor */
	again = ((struct fuse_open_out *)(void *)answer.body)->fh;
	release(fh);
	assert_int_equal(attributes().size, 1);
	release(again);
	assert_true(is_gone());
}

static void what_is_closed_here_goes(void **state)
{
	uint64_t fh;

	(void)state;
	fake_kernel_on_loop(&kernel, open_session);
	make(&fh);
	release(fh);
	fake_kernel_on_loop(&kernel, unlink_elsewhere);
	ask_front();
	fake_kernel_on_loop(&kernel, look_elsewhere);
	assert_int_equal(error_elsewhere, 0);
	fake_kernel_on_loop(&kernel, end_grace);
	assert_true(is_gone());
	assert_int_equal(open_error(FUSE_OPEN, O_RDONLY), -ESTALE);
	assert_int_equal(open_error(FUSE_OPEN, O_RDONLY), -ESTALE);
}

static void an_old_name_is_looked_at_again(void **state)
{
	struct fuse_setattr_in setattr = {.valid = FATTR_MODE, .mode = 0600};
	uint64_t fh, old;

	(void)state;
	fake_kernel_on_loop(&kernel, open_session);
	make(&fh);
	release(fh);
	old = node;
	fake_kernel_on_loop(&kernel, unlink_elsewhere);
	fake_kernel_on_loop(&kernel, make_elsewhere);
	assert_int_equal(ask(FUSE_SETATTR, old, &setattr, sizeof setattr), -ESTALE);
	assert_int_equal(find_name(), 0);
	assert_int_equal(ask(FUSE_SETATTR, node, &setattr, sizeof setattr), 0);
	node = old;
	assert_int_equal(open_error(FUSE_OPEN, O_WRONLY | O_APPEND), -ESTALE);
	assert_int_equal(find_name(), 0);
	assert_true(node != old);
	fake_kernel_on_loop(&kernel, unlink_elsewhere); /* once more, just now: what was found is opened */
	assert_int_equal(try_open(O_WRONLY | O_APPEND), 0);
	fh = ((struct fuse_open_out *)(void *)answer.body)->fh;
	fake_kernel_on_loop(&kernel, end_grace);
	write_byte(fh, 0, O_WRONLY | O_APPEND);
	release(fh);
	assert_true(is_gone());
}

static void a_name_that_others_make_and_remove_is_made(void **state)
{
	struct {
		struct fuse_create_in in;
		char name[sizeof NAME];
	} request = {{.flags = O_RDWR, .mode = S_IFREG | 0644}, NAME};
	struct raw_created created;

	(void)state;
	fake_kernel_on_loop(&kernel, make_elsewhere);
	assert_int_equal(ask(FUSE_CREATE, ROOT, &request, sizeof request.in + sizeof request.name), -ESTALE);
	fake_kernel_on_loop(&kernel, unlink_elsewhere);
	assert_int_equal(find_name(), -ENOENT);
	fake_kernel_on_loop(&kernel, make_elsewhere);
	assert_int_equal(ask(FUSE_CREATE, ROOT, &request, sizeof request.in + sizeof request.name), 0);
	memcpy(&created, answer.body, sizeof created);
	assert_int_equal(find_name(), 0);
	assert_int_equal(created.entry.nodeid, node);
	write_byte(created.open.fh, 0, O_RDWR);
	release(created.open.fh);
}

static void a_removed_directory_is_looked_for_again(void **state)
{
	struct {
		struct fuse_mkdir_in in;
		char name[sizeof NAME];
	} request = {{.mode = 0755}, NAME};
	uint64_t old;

	(void)state;
	fake_kernel_on_loop(&kernel, make_directory_elsewhere);
	assert_int_equal(find_name(), 0);
	old = node;
	fake_kernel_on_loop(&kernel, remove_directory_elsewhere);
	assert_int_equal(ask(FUSE_MKDIR, old, &request, sizeof request), -ESTALE);
	assert_int_equal(ask(FUSE_MKDIR, old, &request, sizeof request), -ENOENT); /* somebody's place */
	assert_int_equal(open_error(FUSE_OPENDIR, O_DIRECTORY), -ESTALE);
	assert_int_equal(open_error(FUSE_OPENDIR, O_DIRECTORY), -ENOENT);
	fake_kernel_on_loop(&kernel, make_directory_elsewhere);
	assert_int_equal(ask(FUSE_MKDIR, old, &request, sizeof request), -ESTALE);
	assert_int_equal(find_name(), 0);
	assert_int_equal(ask(FUSE_MKDIR, node, &request, sizeof request), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_cached_for_long),
		TEST(pages_are_kept_until_another_writes),
		TEST(a_new_size_is_told_after_old_pages_have_gone),
		TEST(an_open_is_answered_after_old_pages_have_gone),
		TEST(an_open_is_answered_after_old_attributes_have_gone),
		TEST(what_changed_here_is_known),
		TEST(what_was_renamed_elsewhere_is_looked_up_again),
		TEST(what_has_no_name_is_opened_by_descriptors_alone),
		TEST(an_append_goes_to_the_end),
		TEST(an_append_drops_the_pages_of_readers),
		TEST(locks_are_asked_for),
		TEST(a_lock_of_another_mount_is_waited_for),
		TEST(who_stops_waiting_leaves_its_place),
		TEST(who_waits_for_its_own_mount_does_not_ask),
		TEST(a_lock_shows_what_was_written_under_it),
		TEST(a_lock_shows_the_length_at_its_time),
		TEST(what_is_open_here_outlives_its_name),
		TEST(what_is_closed_here_goes),
		TEST(an_old_name_is_looked_at_again),
		TEST(a_name_that_others_make_and_remove_is_made),
		TEST(a_removed_directory_is_looked_for_again),
		cmocka_unit_test_setup(the_end_does_not_wait_for_others_locks, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
