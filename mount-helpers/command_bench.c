/*
 * command_bench.c: raftkv bench: measures how fast a directory is, on raftkv or on any other filesystem.
 *
 * All files are made in a new directory inside the given one. It is removed at the end, also after an interrupt. Each
 * test runs for about --seconds= with --jobs= threads. The times are those that programs see, with the kernel's caches,
 * except for the tests that are named "direct".
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "mount-helpers/command.h"
#include "proto/histogram.h"
#include "proto/units.h"

#define LARGE_SIZE    (1u << 20) /* bytes of one large read or write */
#define SMALL_SIZE    4096u
#define FILE_SIZE     (64u << 20) /* bytes of a job's file */
#define ALIGNMENT     4096u
#define SECONDS	      3
#define JOBS	      1
#define JOB_COUNT_MAX 256

struct bench;

/* One thread of a test. */
struct job {
	struct bench *bench;
	pthread_t thread;
	unsigned number;
	uint64_t done; /* steps */
	uint64_t random;
	int fd;
	int error;
	char *bytes;
	char path[PATH_MAX];
};

struct test {
	const char *name;
	size_t size; /* bytes that a step moves; may be 0 */
	int flags; /* of open(2); -1: no file is opened */
	int (*step)(struct job *job, uint64_t number);
};

struct bench {
	char path[PATH_MAX - 64];
	const struct test *test;
	unsigned job_count;
	uint64_t until; /* ns */
	atomic_bool is_interrupted;
	struct histogram latencies;
	struct job *jobs;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint64_t draw(struct job *job)
{
	job->random = job->random * 6364136223846793005u + 1442695040888963407u;
	return job->random >> 33;
}

/* ---- The steps: 0 or -errno; 1: no more to do ---- */

static int all(ssize_t count, size_t size)
{
	if (count < 0)
		return -errno;
	return (size_t)count == size ? 0 : -EIO;
}

static void name_file(struct job *job, uint64_t number)
{
	snprintf(job->path, sizeof job->path, "%s/%u/%llu", job->bench->path, job->number,
		(unsigned long long)number);
}

static int create(struct job *job, uint64_t number)
{
	int fd;

	name_file(job, number);
	fd = open(job->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	return close(fd) < 0 ? -errno : 0;
}

static int look(struct job *job, uint64_t number)
{
	struct stat status;

	name_file(job, number);
	if (stat(job->path, &status) < 0)
		return errno == ENOENT ? 1 : -errno;
	return 0;
}

static int delete (struct job *job, uint64_t number)
{
	name_file(job, number);
	if (unlink(job->path) < 0)
		return errno == ENOENT ? 1 : -errno;
	return 0;
}

static int write_large(struct job *job, uint64_t number)
{
	off_t offset = (off_t)(number * LARGE_SIZE % FILE_SIZE);
	int status = all(pwrite(job->fd, job->bytes, LARGE_SIZE, offset), LARGE_SIZE);

	if (status == 0 && (number + 1) * LARGE_SIZE % FILE_SIZE == 0 && fsync(job->fd) < 0)
		return -errno;
	return status;
}

static int read_large(struct job *job, uint64_t number)
{
	return all(
		pread(job->fd, job->bytes, LARGE_SIZE, (off_t)(number * LARGE_SIZE % FILE_SIZE)), LARGE_SIZE);
}

static off_t random_offset(struct job *job)
{
	return (off_t)(draw(job) % (FILE_SIZE / SMALL_SIZE) * SMALL_SIZE);
}

static int write_small_synced(struct job *job, uint64_t number)
{
	int status = all(pwrite(job->fd, job->bytes, SMALL_SIZE, random_offset(job)), SMALL_SIZE);

	(void)number;
	return status == 0 && fdatasync(job->fd) < 0 ? -errno : status;
}

static int read_small(struct job *job, uint64_t number)
{
	(void)number;
	return all(pread(job->fd, job->bytes, SMALL_SIZE, random_offset(job)), SMALL_SIZE);
}

static const struct test tests[] = {
	{"create files", 0, -1, create},
	{"stat files", 0, -1, look},
	{"remove files", 0, -1, delete},
	{"write 1 MiB, in order", LARGE_SIZE, O_RDWR | O_CREAT, write_large},
	{"read 1 MiB, in order", LARGE_SIZE, O_RDONLY, read_large},
	{"read 4 KiB, anywhere", SMALL_SIZE, O_RDONLY, read_small},
	{"read 4 KiB, anywhere, direct", SMALL_SIZE, O_RDONLY | O_DIRECT, read_small},
	{"write 4 KiB, anywhere, fdatasync", SMALL_SIZE, O_RDWR, write_small_synced},
};

#define TEST_COUNT (sizeof tests / sizeof *tests)

/* ---- Running ---- */

static void *run_job(void *argument)
{
	struct job *job = argument;
	struct bench *bench = job->bench;
	uint64_t start = now_ns();

	while (start < bench->until && !atomic_load(&bench->is_interrupted)) {
		uint64_t end;

		job->error = bench->test->step(job, job->done);
		if (job->error != 0)
			break;
		end = now_ns();
		histogram_add(&bench->latencies, end - start);
		start = end;
		job->done++;
	}
	return NULL;
}

static int open_file(struct job *job, const struct test *test)
{
	job->fd = -1;
	if (test->flags == -1)
		return 0;
	snprintf(job->path, sizeof job->path, "%s/%u/data", job->bench->path, job->number);
	job->fd = open(job->path, test->flags | O_CLOEXEC, 0600);
	return job->fd < 0 ? -errno : 0;
}

/* Waits for the end of the test's time, or for a signal. All threads have blocked the signals. */
static void wait_for_end(struct bench *bench, const sigset_t *signals)
{
	uint64_t now = now_ns();

	while (now < bench->until && !atomic_load(&bench->is_interrupted)) {
		uint64_t rest = bench->until - now;
		struct timespec timeout = {(time_t)(rest / NS_PER_S), (long)(rest % NS_PER_S)};

		if (sigtimedwait(signals, NULL, &timeout) > 0)
			atomic_store(&bench->is_interrupted, true);
		now = now_ns();
	}
}

/* Starts all jobs, and waits for those that could be started. */
static int run_jobs(struct bench *bench, const sigset_t *signals)
{
	unsigned started = 0;
	int status = 0;

	for (; status == 0 && started < bench->job_count; started++) {
		struct job *job = &bench->jobs[started];

		job->done = 0;
		job->error = open_file(job, bench->test);
		status = job->error;
		if (status == 0 && pthread_create(&job->thread, NULL, run_job, job) != 0)
			status = -EAGAIN;
		if (status != 0)
			break;
	}
	if (status == 0)
		wait_for_end(bench, signals);
	for (unsigned i = 0; i < started; i++)
		pthread_join(bench->jobs[i].thread, NULL);
	for (unsigned i = 0; i < bench->job_count; i++) {
		if (bench->jobs[i].fd >= 0)
			close(bench->jobs[i].fd);
		bench->jobs[i].fd = -1;
		if (bench->jobs[i].error < 0)
			status = bench->jobs[i].error;
	}
	return status;
}

static void report(
	struct command *command, const struct test *test, const struct histogram_sums *sums, double seconds)
{
	struct json *json = &command->json;
	double per_second = (double)sums->count / seconds;
	double bytes = per_second * (double)test->size;
	double mean = sums->count > 0 ? (double)sums->total_ns / 1e3 / (double)sums->count : 0;
	double p99 = (double)histogram_quantile_ns(sums, 990) / 1e3;

	if (command->is_json) {
		json_begin(json, NULL, '{');
		json_string(json, "test", test->name);
		json_real(json, "per_second", per_second);
		json_real(json, "bytes_per_second", bytes);
		json_real(json, "mean_microseconds", mean);
		json_real(json, "p99_microseconds", p99);
		json_end(json, '}');
		return;
	}
	printf("%-34s %11.1f %10.1f %11.1f %14.0f\n", test->name, per_second, bytes / (1 << 20), mean, p99);
	fflush(stdout);
}

static int run_test(struct command *command, struct bench *bench, const struct test *test, uint64_t seconds,
	const sigset_t *signals, struct status *status)
{
	struct histogram_sums sums;
	uint64_t start;
	int code;

	bench->test = test;
	bench->latencies = (struct histogram){0};
	start = now_ns();
	bench->until = start + seconds * NS_PER_S;
	code = run_jobs(bench, signals);
	if (code < 0)
		return status_set(status, code, "%s: %s: %s", bench->path, test->name, strerror(-code));
	if (atomic_load(&bench->is_interrupted))
		return status_set(status, -EINTR, "interrupted");
	histogram_read(&bench->latencies, &sums);
	report(command, test, &sums, (double)(now_ns() - start) / 1e9);
	return 0;
}

/* ---- Before and after ---- */

/* Fills the job's file before the tests, which read or overwrite it. */
static int fill(struct job *job)
{
	int status = open_file(job, &tests[3]);

	for (uint64_t i = 0; status == 0 && i < FILE_SIZE / LARGE_SIZE; i++)
		status = write_large(job, i);
	if (job->fd >= 0)
		close(job->fd);
	job->fd = -1;
	return status;
}

static int prepare(struct bench *bench, const char *directory, struct status *status)
{
	int code = 0;

	snprintf(bench->path, sizeof bench->path, "%.3900s/raftkv-bench.XXXXXX", directory);
	if (!mkdtemp(bench->path)) {
		bench->path[0] = '\0';
		return status_set(status, -errno, "%.200s: %s", directory, strerror(errno));
	}
	for (unsigned i = 0; code == 0 && i < bench->job_count; i++) {
		struct job *job = &bench->jobs[i];

		*job = (struct job){.bench = bench, .number = i, .random = i, .fd = -1};
		snprintf(job->path, sizeof job->path, "%s/%u", bench->path, i);
		if (mkdir(job->path, 0700) < 0)
			code = -errno;
		job->bytes = aligned_alloc(ALIGNMENT, LARGE_SIZE);
		if (!job->bytes)
			code = -ENOMEM;
		for (size_t k = 0; job->bytes && k < LARGE_SIZE; k++)
			job->bytes[k] = (char)draw(job);
		if (code == 0)
			code = fill(job);
	}
	return code < 0 ? status_set(status, code, "%s: %s", bench->path, strerror(-code)) : 0;
}

static void remove_job(const struct job *job)
{
	char path[PATH_MAX + NAME_MAX + 2];
	struct dirent *entry;
	DIR *directory;

	snprintf(path, sizeof path, "%s/%u", job->bench->path, job->number);
	directory = opendir(path);
	while (directory && (entry = readdir(directory)) != NULL)
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(directory), entry->d_name, 0);
	if (directory)
		closedir(directory);
	rmdir(path);
}

static void clean_up(struct bench *bench)
{
	for (unsigned i = 0; i < bench->job_count; i++) {
		if (!bench->jobs[i].bench)
			continue;
		remove_job(&bench->jobs[i]);
		free(bench->jobs[i].bytes);
	}
	if (bench->path[0] != '\0')
		rmdir(bench->path);
	free(bench->jobs);
}

static int run_tests(struct command *command, struct bench *bench, uint64_t seconds, const sigset_t *signals,
	struct status *status)
{
	int code = 0;

	if (command->is_json)
		json_begin(&command->json, NULL, '[');
	else
		printf("%-34s %11s %10s %11s %14s\n", "test", "per second", "MiB/s", "mean us",
			"99 % below us");
	for (size_t i = 0; code == 0 && i < TEST_COUNT; i++)
		code = run_test(command, bench, &tests[i], seconds, signals, status);
	if (command->is_json)
		json_end_line(&command->json, ']');
	return code;
}

int command_bench(struct command *command)
{
	uint64_t jobs = command_number(command, "jobs", JOBS);
	struct status status = {0};
	sigset_t signals;
	struct bench bench = {.job_count = (unsigned)(jobs < JOB_COUNT_MAX ? jobs : JOB_COUNT_MAX)};
	int code;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	bench.jobs = calloc(bench.job_count, sizeof *bench.jobs);
	if (!bench.jobs)
		return command_fail((status_set(&status, -ENOMEM, "out of memory"), &status));
	code = prepare(&bench, command->arguments[0], &status);
	if (code == 0)
		code = run_tests(
			command, &bench, command_number(command, "seconds", SECONDS), &signals, &status);
	clean_up(&bench);
	return code < 0 ? command_fail(&status) : COMMAND_OK;
}
