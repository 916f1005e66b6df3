/*
 * How long a store takes to open, and how much memory: FILES files (default 20,000) of SIZE bytes (4096), a thousand a
 * directory, are made by a process that is killed; then the store is opened, closed in good order, and opened again.
 * IN names an existing directory for it.
 *
 *   FILES=5000000 SIZE=4096 build/tests/bench/fs_open_bench
 */
#include <signal.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fs/embedded.h"
#include "proto/check.h"
#include "proto/container.h"
#include "tests/lib/test.h"

#define WRITERS		    128
#define FILES_PER_DIRECTORY 1000

struct bench {
	struct logger logger;
	char path[160];
	uint64_t files, size;
	struct embedded *embedded;
	struct env_loop *loop;
	uint64_t next; /* directory to be made */
	uint32_t running; /* writers */
	struct buf *payload; /* of a whole write */
	sem_t done;
};

/* Makes a directory, and its files one after the other. */
struct writer_of_files {
	struct env_mail mail;
	struct bench *bench;
	struct client_call call;
	uint64_t directory, ino;
	uint64_t number; /* of the next file */
	uint64_t written;
	char name[32];
};

static uint64_t number_of(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

/* ---- Filling ---------------------------------------------------------------------------------------------------- */

static void begin_directory(struct writer_of_files *writer);
static void begin_file(struct writer_of_files *writer);

static void call(
	struct writer_of_files *writer, const struct op *op, struct buf *payload, client_call_cb done)
{
	writer->call.loop = writer->bench->loop;
	writer->call.done = done;
	check(client_call(embedded_client(writer->bench->embedded), &writer->call, op, payload) == 0);
}

static void make(
	struct writer_of_files *writer, uint64_t parent, uint64_t number, uint32_t mode, client_call_cb done)
{
	struct op op = {.kind = OP_MAKE, .make = {.parent = parent, .mode = mode, .exclusive = true}};

	op.make.name = slice_of(writer->name,
		(size_t)snprintf(writer->name, sizeof writer->name, "name-%llu", (unsigned long long)number));
	call(writer, &op, NULL, done);
}

static void write_some(struct writer_of_files *writer);

static void on_written(struct client_call *base, int error, const struct op_reply *reply)
{
	struct writer_of_files *writer = container_of(base, struct writer_of_files, call);

	check(error == 0);
	writer->written += reply->count;
	write_some(writer);
}

static void write_some(struct writer_of_files *writer)
{
	struct bench *bench = writer->bench;
	struct op op = {.kind = OP_WRITE, .write = {.ino = writer->ino, .offset = writer->written}};

	if (writer->written >= bench->size)
		begin_file(writer);
	else
		call(writer, &op, bench->payload, on_written);
}

static void on_file(struct client_call *base, int error, const struct op_reply *reply)
{
	struct writer_of_files *writer = container_of(base, struct writer_of_files, call);

	check(error == 0);
	writer->ino = reply->attributes.ino;
	writer->written = 0;
	write_some(writer);
}

static void begin_file(struct writer_of_files *writer)
{
	if (writer->number == FILES_PER_DIRECTORY)
		begin_directory(writer);
	else
		make(writer, writer->directory, writer->number++, S_IFREG | 0644, on_file);
}

static void on_directory(struct client_call *base, int error, const struct op_reply *reply)
{
	struct writer_of_files *writer = container_of(base, struct writer_of_files, call);

	check(error == 0);
	writer->directory = reply->attributes.ino;
	writer->number = 0;
	begin_file(writer);
}

static void begin_directory(struct writer_of_files *writer)
{
	struct bench *bench = writer->bench;

	if (bench->next * FILES_PER_DIRECTORY < bench->files)
		make(writer, FS_ROOT_INO, bench->next++, S_IFDIR | 0755, on_directory);
	else if (--bench->running == 0)
		sem_post(&bench->done);
}

static void begin(struct env_mail *mail)
{
	begin_directory(container_of(mail, struct writer_of_files, mail));
}

static struct embedded *open_store(struct bench *bench)
{
	const struct embedded_options options = {
		.path = bench->path, .logger = &bench->logger, .loop_count = 2};
	struct status status = {0};
	struct embedded *embedded;

	if (embedded_open(&options, &embedded, &status) < 0) {
		fprintf(stderr, "%s\n", status.text);
		exit(1);
	}
	return embedded;
}

static void fill(struct bench *bench)
{
	struct writer_of_files *writers = calloc(WRITERS, sizeof *writers);
	uint64_t piece = bench->size < OP_WRITE_SIZE_MAX ? bench->size : OP_WRITE_SIZE_MAX;
	uint32_t count;

	check(writers);
	bench->embedded = open_store(bench);
	bench->loop = embedded_loops(bench->embedded, &count)[0];
	bench->payload = buf_new(piece);
	check(bench->payload);
	memset(bench->payload->data, 'x', piece);
	bench->running = WRITERS;
	for (int i = 0; i < WRITERS; i++) {
		writers[i].bench = bench;
		env_post(bench->loop, &writers[i].mail, begin);
	}
	while (sem_wait(&bench->done) < 0)
		;
	kill(getpid(), SIGKILL);
}

/* ---- Opening ---------------------------------------------------------------------------------------------------- */

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* In a process of its own, whose memory nobody used before. */
static void measure(struct bench *bench, const char *name)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		double begun = now();
		struct embedded *embedded = open_store(bench);
		struct rusage usage;

		getrusage(RUSAGE_SELF, &usage);
		printf("%s_time\t%.2f\ts\n", name, now() - begun);
		printf("%s_cpu\t%.2f\ts\n", name,
			(double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
				(double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
		printf("%s_memory\t%ld\tKiB\n", name, usage.ru_maxrss);
		begun = now();
		embedded_close(embedded);
		printf("%s_close\t%.2f\ts\n", name, now() - begun);
		exit(0);
	}
	check(waitpid(child, &status, 0) == child && status == 0);
}

int main(void)
{
	struct bench bench = {.files = number_of("FILES", 20000), .size = number_of("SIZE", 4096)};
	double begun = now();
	char directory[128];
	const char *in = getenv("IN");
	pid_t child;
	int status;

	setvbuf(stdout, NULL, _IOLBF, 0);
	bench.logger = logger_fd(2, getenv("VERBOSE") ? LOG_INFO : LOG_NONE);
	sem_init(&bench.done, 0, 0);
	if (!in)
		test_directory_make(directory, sizeof directory);
	snprintf(bench.path, sizeof bench.path, "%s/store", in ? in : directory);
	child = fork();
	if (child == 0)
		fill(&bench);
	check(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
	printf("files\t%llu\tof %llu bytes\n", (unsigned long long)bench.files,
		(unsigned long long)bench.size);
	printf("fill_time\t%.2f\ts\n", now() - begun);
	measure(&bench, "open_after_kill");
	measure(&bench, "open_after_close");
	if (!in)
		test_directory_remove(directory);
	return 0;
}
