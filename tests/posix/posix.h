/*
 * What every test of the POSIX suite uses. A test is a function defined with TEST, ROOT_TEST or USER_TEST; it runs in a
 * process of its own, whose working directory is fresh, empty, owned by the identity it runs as, with umask 022. A check
 * that fails reports its pair (table.def) and ends the process, so a test needs no cleanup of descriptors.
 */
#ifndef TESTS_POSIX_POSIX_H
#define TESTS_POSIX_POSIX_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { AS_ROOT = 1, AS_USER = 2 };
enum { USER = 12345, GROUP = 12345, OTHER_USER = 12346, OTHER_GROUP = 23456 };

struct test {
	const char *name; /* the pair's name in table.def */
	void (*run)(void);
	unsigned as; /* AS_ROOT, AS_USER or both */
};

/* Tests register themselves by a pointer in the section posix_tests, which main.c walks. */
#define DEFINE_TEST(name_, as_)                                                                              \
	static void test_##name_(void);                                                                      \
	static const struct test entry_##name_ = {#name_, test_##name_, (as_)};                              \
	static const struct test *const pointer_##name_ __attribute__((used, section("posix_tests"))) =      \
		&entry_##name_;                                                                              \
	static void test_##name_(void)
#define TEST(name)	DEFINE_TEST(name, AS_ROOT | AS_USER)
#define ROOT_TEST(name) DEFINE_TEST(name, AS_ROOT)
#define USER_TEST(name) DEFINE_TEST(name, AS_USER)

/* The call succeeds; its result as an int. */
#define OK(call) check_succeeds((intmax_t)(call), #call, __FILE__, __LINE__)
/* The call returns -1 and this errno. */
#define FAILS(call, error) check_fails((intmax_t)(call), (error), #call, __FILE__, __LINE__)
/* Two integers are equal. */
#define EQ(got, expected) check_equal((intmax_t)(got), (intmax_t)(expected), #got, __FILE__, __LINE__)
#define IS(condition)	  check_true((condition), #condition, __FILE__, __LINE__)

int check_succeeds(intmax_t result, const char *call, const char *file, int line);
void check_fails(intmax_t result, int error, const char *call, const char *file, int line);
void check_equal(intmax_t got, intmax_t expected, const char *what, const char *file, int line);
void check_true(bool holds, const char *what, const char *file, int line);
/* Ends the test: the pair does not apply to this filesystem, for the reason given. */
_Noreturn void not_applicable(const char *reason);

/* ---- What the filesystem under test is ---- */

bool is_fuse(void);

/* ---- Files ---- */

void make_file(const char *name, mode_t mode);
void put(const char *name, const char *text);
/* The file's whole content is this text. */
void content_is(const char *name, const char *text);
struct stat status_of(const char *name); /* lstat(2) */
mode_t mode_of(const char *name); /* the twelve permission bits */
off_t size_of(const char *name);
nlink_t nlink_of(const char *name);
bool exists(const char *name);
bool same_file(const char *a, const char *b);
/* A name of count times 'n', in the test's own storage. */
const char *long_name(size_t count);

/* ---- Identities and processes ---- */

/* Drops all privilege for good. */
void become(uid_t uid, gid_t gid);
/* Runs the function in a child with that identity; its failed checks are the test's. */
void run_as(uid_t uid, gid_t gid, void (*run)(void));
/* Starts the function in a child that waits for nobody; join waits for it and passes its failure on. */
pid_t start(void (*run)(void));
void join(pid_t child);
/* The child waits for a lock: it is in flock(2), or in fcntl(2) with a command that waits. */
void wait_until_blocked(pid_t child);
/* Delivers SIGALRM without SA_RESTART every so many milliseconds: what is to be interrupted may not have begun at the first. */
void alarm_every(unsigned milliseconds);

/* ---- Times ---- */

int64_t nanoseconds(struct timespec time);
int64_t now(void);
/* A filesystem's clock may lag behind by a tick of the kernel. */
bool is_between(int64_t before, struct timespec time, int64_t after);
/* Lets the filesystem's clock (a kernel tick) move on, so that the next change has a later time. */
void tick(void);

#endif
