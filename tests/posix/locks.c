/* flock, POSIX record locks and OFD locks: who excludes whom, waiting, interruption, release. */
#include "tests/posix/posix.h"

#include <sys/file.h>
#include <sys/wait.h>

static int open_shared(void)
{
	return OK(open("f", O_CREAT | O_RDWR, 0644));
}

static int lock_range(int fd, int command, short type, off_t from, off_t size)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = from, .l_len = size};
	return fcntl(fd, command, &lock);
}

/* What F_GETLK says of a write lock on the range: F_UNLCK, or the type that is in the way. */
static struct flock test_range(int fd, int command, off_t from, off_t size)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = from, .l_len = size};

	OK(fcntl(fd, command, &lock));
	return lock;
}

/* ---- flock(2) ---- */

TEST(flock_exclusive_excludes)
{
	int a = open_shared(), b = open_shared();

	OK(flock(a, LOCK_EX));
	FAILS(flock(b, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	FAILS(flock(b, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	OK(flock(a, LOCK_UN));
	OK(flock(b, LOCK_EX | LOCK_NB));
}

TEST(flock_shared_shares)
{
	int a = open_shared(), b = open_shared();

	OK(flock(a, LOCK_SH));
	OK(flock(b, LOCK_SH));
	FAILS(flock(a, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	OK(flock(b, LOCK_UN));
	OK(flock(a, LOCK_EX | LOCK_NB));
}

TEST(flock_converts)
{
	int a = open_shared(), b = open_shared();

	OK(flock(a, LOCK_EX));
	OK(flock(a, LOCK_SH));
	OK(flock(b, LOCK_SH | LOCK_NB));
}

TEST(flock_shared_by_dup)
{
	int a = open_shared(), copy = OK(dup(a)), b = open_shared();

	OK(flock(a, LOCK_EX));
	OK(flock(copy, LOCK_EX | LOCK_NB));
	OK(close(a));
	FAILS(flock(b, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	OK(flock(copy, LOCK_UN));
	OK(flock(b, LOCK_EX | LOCK_NB));
}

TEST(flock_released_by_close)
{
	int a = open_shared(), b = open_shared();

	OK(flock(a, LOCK_EX));
	OK(close(a));
	OK(flock(b, LOCK_EX)); /* a FUSE filesystem learns of it a little after close: it waits */
}

static void hold_flock_and_exit(void)
{
	OK(flock(open_shared(), LOCK_EX));
}

TEST(flock_released_by_exit)
{
	join(start(hold_flock_and_exit));
	OK(flock(open_shared(), LOCK_EX));
}

TEST(flock_read_only_descriptor)
{
	put("f", "");
	OK(flock(OK(open("f", O_RDONLY)), LOCK_EX));
}

TEST(flock_directory)
{
	int a, b;

	OK(mkdir("d", 0755));
	a = OK(open("d", O_RDONLY));
	b = OK(open("d", O_RDONLY));
	OK(flock(a, LOCK_EX));
	FAILS(flock(b, LOCK_EX | LOCK_NB), EWOULDBLOCK);
}

TEST(flock_bad_operation)
{
	FAILS(flock(open_shared(), 77), EINVAL);
	FAILS(flock(777, LOCK_EX), EBADF);
}

static void wait_for_flock(void)
{
	OK(flock(open_shared(), LOCK_EX));
}

TEST(flock_waits)
{
	int fd = open_shared();
	pid_t child;

	OK(flock(fd, LOCK_EX));
	child = start(wait_for_flock);
	wait_until_blocked(child);
	EQ(waitpid(child, NULL, WNOHANG), 0);
	OK(flock(fd, LOCK_UN));
	join(child);
}

static void wait_for_flock_interrupted(void)
{
	alarm_every(100);
	FAILS(flock(open_shared(), LOCK_EX), EINTR);
}

TEST(flock_is_interrupted)
{
	int fd = open_shared();

	OK(flock(fd, LOCK_EX));
	join(start(wait_for_flock_interrupted));
	OK(flock(fd, LOCK_UN));
	OK(flock(open_shared(), LOCK_EX | LOCK_NB)); /* nothing is left of the one that gave up */
}

static void wait_for_flock_killed(void)
{
	flock(open_shared(), LOCK_EX);
}

TEST(flock_waiter_is_killed)
{
	int fd = open_shared(), status;
	pid_t child;

	OK(flock(fd, LOCK_EX));
	child = start(wait_for_flock_killed);
	wait_until_blocked(child);
	OK(kill(child, SIGKILL));
	EQ(waitpid(child, &status, 0), child);
	OK(flock(fd, LOCK_UN));
	OK(flock(open_shared(), LOCK_EX));
}

TEST(flock_and_record_locks_are_apart)
{
	int a = open_shared();

	OK(flock(a, LOCK_EX));
	OK(lock_range(open_shared(), F_OFD_SETLK, F_WRLCK, 0, 0));
}

/* ---- POSIX record locks ---- */

static void range_0_100_denied(void)
{
	int fd = open_shared();

	FAILS(lock_range(fd, F_SETLK, F_WRLCK, 0, 100), EAGAIN);
	FAILS(lock_range(fd, F_SETLK, F_RDLCK, 99, 1), EAGAIN);
	OK(lock_range(fd, F_SETLK, F_WRLCK, 100, 10));
}

TEST(posix_lock_excludes)
{
	OK(lock_range(open_shared(), F_SETLK, F_WRLCK, 0, 100));
	join(start(range_0_100_denied));
}

static void read_lock_allowed(void)
{
	int fd = open_shared();

	OK(lock_range(fd, F_SETLK, F_RDLCK, 50, 10));
	FAILS(lock_range(fd, F_SETLK, F_WRLCK, 50, 10), EAGAIN);
}

TEST(posix_lock_read_shares)
{
	OK(lock_range(open_shared(), F_SETLK, F_RDLCK, 0, 100));
	join(start(read_lock_allowed));
}

TEST(posix_lock_same_process_replaces)
{
	int a = open_shared(), b = open_shared();

	OK(lock_range(a, F_SETLK, F_WRLCK, 0, 100));
	OK(lock_range(b, F_SETLK, F_RDLCK, 0, 100));
	join(start(read_lock_allowed));
}

static void whole_file_free(void)
{
	OK(lock_range(open_shared(), F_SETLK, F_WRLCK, 0, 0));
}

TEST(posix_lock_released_by_any_close)
{
	int a = open_shared(), b = open_shared();

	OK(lock_range(a, F_SETLK, F_WRLCK, 0, 100));
	OK(close(b));
	join(start(whole_file_free));
}

static void hold_lock_and_exit(void)
{
	OK(lock_range(open_shared(), F_SETLK, F_WRLCK, 0, 0));
}

TEST(posix_lock_released_by_exit)
{
	int fd = open_shared();

	join(start(hold_lock_and_exit));
	OK(lock_range(fd, F_SETLK, F_WRLCK, 0, 0));
}

static void hold_lock_and_pause(void)
{
	OK(lock_range(open_shared(), F_SETLK, F_WRLCK, 0, 0));
	pause();
}

static void wait_until_held(int fd, off_t start, off_t length)
{
	while (test_range(fd, F_GETLK, start, length).l_type == F_UNLCK)
		usleep(2000);
}

TEST(posix_lock_released_by_kill)
{
	int fd = open_shared();
	pid_t child = start(hold_lock_and_pause);

	wait_until_held(fd, 0, 0);
	FAILS(lock_range(fd, F_SETLK, F_WRLCK, 0, 0), EAGAIN);
	OK(kill(child, SIGKILL));
	EQ(waitpid(child, NULL, 0), child);
	OK(lock_range(fd, F_SETLK, F_WRLCK, 0, 0));
}

static void hole_is_free(void)
{
	int fd = open_shared();

	OK(lock_range(fd, F_SETLK, F_WRLCK, 40, 20));
	FAILS(lock_range(fd, F_SETLK, F_WRLCK, 39, 1), EAGAIN);
	FAILS(lock_range(fd, F_SETLK, F_WRLCK, 60, 1), EAGAIN);
}

TEST(posix_lock_splits)
{
	int fd = open_shared();

	OK(lock_range(fd, F_SETLK, F_WRLCK, 0, 100));
	OK(lock_range(fd, F_SETLK, F_UNLCK, 40, 20));
	join(start(hole_is_free));
}

static void far_range_denied(void)
{
	int fd = open_shared();

	FAILS(lock_range(fd, F_SETLK, F_WRLCK, INT64_MAX - 10, 5), EAGAIN);
	FAILS(lock_range(fd, F_SETLK, F_WRLCK, 0, 0), EAGAIN);
	OK(lock_range(fd, F_SETLK, F_WRLCK, 0, 1000));
}

TEST(posix_lock_to_end_of_time)
{
	OK(lock_range(open_shared(), F_SETLK, F_WRLCK, 1000, 0));
	join(start(far_range_denied));
}

static void see_lock_of_parent(void)
{
	struct flock lock = test_range(open_shared(), F_GETLK, 0, 0);

	EQ(lock.l_type, F_RDLCK);
	EQ(lock.l_start, 10);
	EQ(lock.l_len, 5);
	EQ(lock.l_pid, getppid());
}

TEST(posix_lock_getlk)
{
	int fd = open_shared();

	EQ(test_range(fd, F_GETLK, 0, 0).l_type, F_UNLCK);
	OK(lock_range(fd, F_SETLK, F_RDLCK, 10, 5));
	EQ(test_range(fd, F_GETLK, 0, 0).l_type, F_UNLCK); /* its own is not in the way */
	join(start(see_lock_of_parent));
}

TEST(posix_lock_needs_mode)
{
	put("f", "");
	FAILS(lock_range(OK(open("f", O_RDONLY)), F_SETLK, F_WRLCK, 0, 0), EBADF);
	FAILS(lock_range(OK(open("f", O_WRONLY)), F_SETLK, F_RDLCK, 0, 0), EBADF);
}

TEST(posix_lock_bad_range)
{
	FAILS(lock_range(open_shared(), F_SETLK, F_WRLCK, -1, 10), EINVAL);
	FAILS(lock_range(open_shared(), F_SETLK, 77, 0, 10), EINVAL);
}

TEST(posix_lock_relative_to_end)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = -4, .l_len = 4};

	put("f", "01234567");
	OK(fcntl(open_shared(), F_SETLK, &lock));
	EQ(test_range(OK(open("f", O_RDWR)), F_OFD_GETLK, 0, 0).l_start, 4);
}

static void wait_for_range(void)
{
	OK(lock_range(open_shared(), F_SETLKW, F_WRLCK, 50, 10));
}

TEST(posix_lock_waits)
{
	int fd = open_shared();
	pid_t child;

	OK(lock_range(fd, F_SETLK, F_WRLCK, 0, 100));
	child = start(wait_for_range);
	wait_until_blocked(child);
	EQ(waitpid(child, NULL, WNOHANG), 0);
	OK(lock_range(fd, F_SETLK, F_UNLCK, 50, 10));
	join(child);
}

static void wait_for_range_interrupted(void)
{
	int fd = open_shared();

	alarm_every(100);
	FAILS(lock_range(fd, F_SETLKW, F_WRLCK, 50, 10), EINTR);
	OK(lock_range(fd, F_SETLK, F_WRLCK, 200, 10));
}

TEST(posix_lock_is_interrupted)
{
	int fd = open_shared();

	OK(lock_range(fd, F_SETLK, F_WRLCK, 0, 100));
	join(start(wait_for_range_interrupted));
	OK(lock_range(fd, F_SETLK, F_UNLCK, 0, 100));
	join(start(whole_file_free));
}

TEST(posix_lock_waiter_is_killed)
{
	int fd = open_shared();
	pid_t child;

	OK(lock_range(fd, F_SETLK, F_WRLCK, 0, 100));
	child = start(wait_for_range);
	wait_until_blocked(child);
	OK(kill(child, SIGKILL));
	EQ(waitpid(child, NULL, 0), child);
	OK(lock_range(fd, F_SETLK, F_UNLCK, 0, 100));
	join(start(whole_file_free));
}

static void lock_second_then_first(void)
{
	int fd = open_shared();

	OK(lock_range(fd, F_SETLK, F_WRLCK, 10, 1));
	OK(lock_range(fd, F_SETLKW, F_WRLCK, 0, 1));
}

TEST(posix_lock_deadlock)
{
	int fd = open_shared();
	pid_t child;

	OK(lock_range(fd, F_SETLK, F_WRLCK, 0, 1));
	child = start(lock_second_then_first);
	wait_until_held(fd, 10, 1);
	wait_until_blocked(child);
	FAILS(lock_range(fd, F_SETLKW, F_WRLCK, 10, 1), EDEADLK);
	OK(lock_range(fd, F_SETLK, F_UNLCK, 0, 1));
	join(child);
}

/* The child that holds byte `held` and waits for `wanted`. */
static off_t held, wanted;

static void hold_and_wait(void)
{
	int fd = open_shared();

	OK(lock_range(fd, F_SETLK, F_WRLCK, held, 1));
	OK(lock_range(fd, F_SETLKW, F_WRLCK, wanted, 1));
}

static pid_t start_waiter(int fd, off_t first, off_t second)
{
	pid_t child;

	held = first;
	wanted = second;
	child = start(hold_and_wait);
	wait_until_held(fd, first, 1);
	wait_until_blocked(child);
	return child;
}

TEST(posix_lock_deadlock_of_three)
{
	int fd = open_shared();
	pid_t a, b;

	OK(lock_range(fd, F_SETLK, F_WRLCK, 0, 1));
	a = start_waiter(fd, 10, 0);
	b = start_waiter(fd, 20, 10); /* a chain is no cycle */
	FAILS(lock_range(fd, F_SETLKW, F_WRLCK, 20, 1), EDEADLK);
	OK(lock_range(fd, F_SETLK, F_UNLCK, 0, 1));
	join(a);
	join(b);
	OK(lock_range(fd, F_SETLKW, F_WRLCK, 20, 1));
}

TEST(posix_lock_not_inherited)
{
	OK(lock_range(open_shared(), F_SETLK, F_WRLCK, 0, 100));
	join(start(range_0_100_denied));
}

TEST(posix_lock_of_unlinked)
{
	int fd = open_shared();

	OK(unlink("f"));
	OK(lock_range(fd, F_SETLK, F_WRLCK, 0, 100));
	OK(lock_range(fd, F_SETLK, F_UNLCK, 0, 100));
}

TEST(lockf_locks)
{
	int fd = open_shared();

	OK(lockf(fd, F_TLOCK, 100));
	join(start(range_0_100_denied));
	OK(lockf(fd, F_ULOCK, 100));
	join(start(whole_file_free));
}

/* ---- OFD locks ---- */

TEST(ofd_lock_excludes_within_process)
{
	int a = open_shared(), b = open_shared();

	OK(lock_range(a, F_OFD_SETLK, F_WRLCK, 0, 100));
	FAILS(lock_range(b, F_OFD_SETLK, F_WRLCK, 50, 1), EAGAIN);
	OK(lock_range(b, F_OFD_SETLK, F_WRLCK, 100, 1));
}

TEST(ofd_lock_survives_other_close)
{
	int a = open_shared(), b = open_shared();

	OK(lock_range(a, F_OFD_SETLK, F_WRLCK, 0, 100));
	OK(close(b));
	FAILS(lock_range(open_shared(), F_OFD_SETLK, F_WRLCK, 0, 1), EAGAIN);
}

TEST(ofd_lock_released_by_last_close)
{
	int a = open_shared(), copy = OK(dup(a)), b = open_shared();

	OK(lock_range(a, F_OFD_SETLK, F_WRLCK, 0, 100));
	OK(close(a));
	FAILS(lock_range(b, F_OFD_SETLK, F_WRLCK, 0, 1), EAGAIN);
	OK(close(copy));
	OK(lock_range(b, F_OFD_SETLKW, F_WRLCK, 0, 1));
}

TEST(ofd_lock_against_posix_lock)
{
	int a = open_shared();

	OK(lock_range(a, F_SETLK, F_WRLCK, 0, 100));
	FAILS(lock_range(open_shared(), F_OFD_SETLK, F_WRLCK, 0, 1), EAGAIN);
}

TEST(ofd_lock_getlk)
{
	int a = open_shared(), b = open_shared();
	struct flock lock;

	OK(lock_range(a, F_OFD_SETLK, F_WRLCK, 7, 3));
	lock = test_range(b, F_OFD_GETLK, 0, 0);
	EQ(lock.l_type, F_WRLCK);
	EQ(lock.l_start, 7);
	EQ(lock.l_len, 3);
	EQ(lock.l_pid, -1);
	EQ(test_range(a, F_OFD_GETLK, 0, 0).l_type, F_UNLCK);
}

TEST(ofd_lock_pid_must_be_zero)
{
	struct flock lock = {.l_type = F_WRLCK, .l_pid = 1};
	FAILS(fcntl(open_shared(), F_OFD_SETLK, &lock), EINVAL);
}

static void wait_for_ofd_range(void)
{
	OK(lock_range(open_shared(), F_OFD_SETLKW, F_WRLCK, 0, 10));
}

TEST(ofd_lock_waits)
{
	int fd = open_shared();
	pid_t child;

	OK(lock_range(fd, F_OFD_SETLK, F_WRLCK, 0, 100));
	child = start(wait_for_ofd_range);
	wait_until_blocked(child);
	OK(lock_range(fd, F_OFD_SETLK, F_UNLCK, 0, 100));
	join(child);
}

static void count_up_under_lock(void)
{
	char text[32];
	int fd = open_shared();

	for (int i = 0; i < 100; i++) {
		OK(lock_range(fd, F_SETLKW, F_WRLCK, 0, 0));
		memset(text, 0, sizeof(text));
		OK(pread(fd, text, sizeof(text) - 1, 0));
		snprintf(text, sizeof(text), "%9d", atoi(text) + 1);
		EQ(pwrite(fd, text, 9, 0), 9);
		OK(lock_range(fd, F_SETLK, F_UNLCK, 0, 0));
	}
}

TEST(posix_lock_protects_a_counter)
{
	pid_t children[4];
	char text[32] = "";

	put("f", "0");
	for (int i = 0; i < 4; i++)
		children[i] = start(count_up_under_lock);
	for (int i = 0; i < 4; i++)
		join(children[i]);
	OK(pread(open_shared(), text, sizeof(text) - 1, 0));
	EQ(atoi(text), 400);
}

/* ---- leases ---- */

TEST(lease_of_file)
{
	/* fcntl_locking leases: a FUSE filesystem has none unless it says so. */
	int result;

	put("f", "");
	result = fcntl(OK(open("f", O_RDONLY)), F_SETLEASE, F_RDLCK);
	IS(result == 0 || errno == EINVAL);
}
