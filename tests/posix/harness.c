/*
 * The checks and small helpers of posix.h. A failed check writes one line to the runner's pipe (REPORT_FD) and ends the process.
 */
#include "tests/posix/harness.h"

#include <grp.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/lib/patience.h"

static _Noreturn void fail(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static _Noreturn void fail(const char *file, int line, const char *format, ...)
{
	va_list arguments;
	const char *base = strrchr(file, '/');

	dprintf(REPORT_FD, "%s:%d: ", base ? base + 1 : file, line);
	va_start(arguments, format);
	vdprintf(REPORT_FD, format, arguments);
	va_end(arguments);
	_exit(REPORT_FAILED);
}

void not_applicable(const char *reason)
{
	dprintf(REPORT_FD, "%s", reason);
	_exit(REPORT_NOT_APPLICABLE);
}

static const char *error_name(int error)
{
	const char *name = strerrorname_np(error);
	return name ? name : "an unknown error";
}

int check_succeeds(intmax_t result, const char *call, const char *file, int line)
{
	if (result == -1)
		fail(file, line, "%s: got %s, expected success", call, error_name(errno));
	return (int)result;
}

void check_fails(intmax_t result, int error, const char *call, const char *file, int line)
{
	if (result != -1)
		fail(file, line, "%s: got %jd, expected %s", call, result, error_name(error));
	if (errno != error)
		fail(file, line, "%s: got %s, expected %s", call, error_name(errno), error_name(error));
}

void check_equal(intmax_t got, intmax_t expected, const char *what, const char *file, int line)
{
	if (got != expected && got == -1)
		fail(file, line, "%s: got -1 (%s), expected %jd", what, error_name(errno), expected);
	if (got != expected)
		fail(file, line, "%s: got %jd (0%jo), expected %jd (0%jo)", what, got, (uintmax_t)got,
			expected, (uintmax_t)expected);
}

void check_true(bool holds, const char *what, const char *file, int line)
{
	if (!holds)
		fail(file, line, "%s: does not hold", what);
}

bool is_fuse(void)
{
	struct statfs filesystem;

	OK(statfs(".", &filesystem));
	return filesystem.f_type == 0x65735546;
}

void make_file(const char *name, mode_t mode)
{
	OK(close(OK(open(name, O_CREAT | O_EXCL | O_WRONLY, 0600))));
	OK(chmod(name, mode));
}

void put(const char *name, const char *text)
{
	int fd = OK(open(name, O_CREAT | O_TRUNC | O_WRONLY, 0644));

	EQ(write(fd, text, strlen(text)), strlen(text));
	OK(close(fd));
}

void content_is(const char *name, const char *text)
{
	char got[4096];
	int fd = OK(open(name, O_RDONLY));

	EQ(read(fd, got, sizeof(got)), strlen(text));
	IS(memcmp(got, text, strlen(text)) == 0);
	OK(close(fd));
}

struct stat status_of(const char *name)
{
	struct stat status;

	OK(lstat(name, &status));
	return status;
}

mode_t mode_of(const char *name)
{
	return status_of(name).st_mode & 07777;
}

off_t size_of(const char *name)
{
	return status_of(name).st_size;
}

nlink_t nlink_of(const char *name)
{
	return status_of(name).st_nlink;
}

bool exists(const char *name)
{
	struct stat status;
	return lstat(name, &status) == 0;
}

bool same_file(const char *a, const char *b)
{
	struct stat first = status_of(a), second = status_of(b);
	return first.st_ino == second.st_ino && first.st_dev == second.st_dev;
}

const char *long_name(size_t count)
{
	char *name = malloc(count + 1);

	IS(name != NULL);
	memset(name, 'n', count);
	name[count] = 0;
	return name;
}

void become(uid_t uid, gid_t gid)
{
	OK(setgroups(0, NULL));
	OK(setresgid(gid, gid, gid));
	OK(setresuid(uid, uid, uid));
	OK(prctl(PR_SET_DUMPABLE, 1)); /* or its parent could not see what it waits for */
}

void run_as(uid_t uid, gid_t gid, void (*run)(void))
{
	pid_t child = OK(fork());

	if (child == 0) {
		become(uid, gid);
		run();
		_exit(0);
	}
	join(child);
}

pid_t start(void (*run)(void))
{
	pid_t child = OK(fork());

	if (child == 0) {
		alarm((unsigned)patience(50));
		run();
		_exit(0);
	}
	return child;
}

void join(pid_t child)
{
	int status;

	EQ(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status))
		_exit(WEXITSTATUS(status));
	IS(WIFEXITED(status));
}

/* "72 0x3 0x7 ...": the number of the system call that a process sleeps in, and its arguments. */
static bool waits_for_lock(pid_t process)
{
	char path[64], line[512];
	unsigned command;
	long number;
	FILE *file;
	bool is_read;

	snprintf(path, sizeof(path), "/proc/%d/syscall", process);
	file = fopen(path, "r");
	IS(file != NULL);
	is_read = fgets(line, sizeof(line), file) != NULL;
	fclose(file);
	return is_read && sscanf(line, "%ld %*x %x", &number, &command) == 2 &&
	       (number == SYS_flock ||
		       (number == SYS_fcntl && (command == F_SETLKW || command == F_OFD_SETLKW)));
}

void wait_until_blocked(pid_t child)
{
	/* For a while: the request is on its way to the filesystem. */
	for (int times = 0; times < 20 * patience(1); times = waits_for_lock(child) ? times + 1 : 0)
		usleep(2000);
}

static void on_alarm(int signal)
{
	(void)signal;
}

void alarm_every(unsigned milliseconds)
{
	struct sigaction action = {.sa_handler = on_alarm};
	struct timeval period = {milliseconds / 1000, milliseconds % 1000 * 1000};
	struct itimerval timer = {period, period};

	OK(sigaction(SIGALRM, &action, NULL));
	OK(setitimer(ITIMER_REAL, &timer, NULL));
}

int64_t nanoseconds(struct timespec time)
{
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

int64_t now(void)
{
	struct timespec time;

	OK(clock_gettime(CLOCK_REALTIME, &time));
	return nanoseconds(time);
}

bool is_between(int64_t before, struct timespec time, int64_t after)
{
	return before - 20000000 <= nanoseconds(time) && nanoseconds(time) <= after;
}

void tick(void)
{
	usleep(12000);
}
