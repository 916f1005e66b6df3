/* What the environment on libuv adds to the system calls it makes. Lines: metric<TAB>value<TAB>unit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/env_uv.h"
#include "tests/lib/test.h"

#define WRITES 100
#define ROUNDS 4
#define MAILS  200000

struct bench {
	struct env *env;
	struct env_loop *loop;
	struct env_loop *other;
	struct env_file *file;
	struct iovec vector;
	void *page;
	struct env_file_request request;
	struct env_mail mail;
	uint64_t begun;
	uint64_t times[WRITES];
	int count;
};

static int by_time(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void print_median(struct bench *bench, const char *metric)
{
	qsort(bench->times, WRITES, sizeof *bench->times, by_time);
	printf("%s\t%.1f\tus\n", metric, (double)bench->times[WRITES / 2] / 1000);
}

static struct env_loop *new_loop(struct bench *bench)
{
	struct env_loop *loop;

	check(env_loop_new(bench->env, "bench", &loop) == 0);
	return loop;
}

/* ---- One page, O_DIRECT and O_DSYNC, one at a time -------------------------------------------------------------- */

static void write_blocking(struct bench *bench)
{
	for (int i = 0; i < WRITES; i++) {
		uint64_t begun = env_now(bench->env);

		check(env_file_write(bench->file, (uint64_t)i % 64 * 4096, bench->page, 4096) == 0);
		bench->times[i] = env_now(bench->env) - begun;
	}
	print_median(bench, "dsync_write_call");
}

static void on_end(struct env_mail *mail)
{
	env_loop_stop(container_of(mail, struct bench, mail)->loop);
}

static void submit(struct bench *bench)
{
	bench->vector = (struct iovec){bench->page, 4096};
	bench->request.offset = (uint64_t)bench->count % 64 * 4096;
	bench->begun = env_now(bench->env);
	env_file_submit(&bench->request);
}

static void on_write(struct env_file_request *request)
{
	struct bench *bench = container_of(request, struct bench, request);

	check(request->status == 0);
	bench->times[bench->count] = env_now(bench->env) - bench->begun;
	if (++bench->count < WRITES)
		submit(bench);
	else
		env_post(bench->loop, &bench->mail, on_end);
}

/* `vector_count` 0: the hand-off alone. */
static void write_by_request(struct bench *bench, int vector_count, bool to_loop, const char *metric)
{
	bench->loop = new_loop(bench);
	bench->count = 0;
	bench->request = (struct env_file_request){.file = bench->file,
		.operation = ENV_FILE_WRITE,
		.vector = &bench->vector,
		.vector_count = vector_count,
		.loop = to_loop ? bench->loop : NULL,
		.done = on_write};
	submit(bench);
	env_loop_run(bench->loop);
	env_loop_free(bench->loop);
	print_median(bench, metric);
}

/* ---- Mail ------------------------------------------------------------------------------------------------------- */

static void on_throw(struct env_mail *mail)
{
	struct bench *bench = container_of(mail, struct bench, mail);

	if (++bench->count < MAILS)
		env_post(bench->count % 2 ? bench->other : bench->loop, mail, on_throw);
	else
		env_loop_stop(bench->loop);
}

static void throw_mail(struct bench *bench, bool across, const char *metric)
{
	uint64_t begun;

	bench->loop = new_loop(bench);
	bench->other = across ? new_loop(bench) : bench->loop;
	if (across)
		check(env_loop_start(bench->other) == 0);
	bench->count = 0;
	begun = env_now(bench->env);
	env_post(bench->loop, &bench->mail, on_throw);
	env_loop_run(bench->loop);
	printf("%s\t%.2f\tus\n", metric, (double)(env_now(bench->env) - begun) / 1000 / MAILS);
	if (across) {
		env_loop_stop(bench->other);
		env_loop_free(bench->other);
	}
	env_loop_free(bench->loop);
}

int main(void)
{
	static const struct env_uv_options options = {.worker_threads = 1, .io_threads = 2};
	struct bench bench = {.page = aligned_alloc(4096, 4096)};
	char directory[128], path[160];
	int flags = ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_DIRECT | ENV_OPEN_DSYNC;

	check(env_uv_new(&options, &bench.env, NULL) == 0);
	test_directory_make(directory, sizeof directory);
	snprintf(path, sizeof path, "%s/file", directory);
	check(env_file_open(bench.env, path, flags, &bench.file) == 0);
	memset(bench.page, 1, 4096);
	for (int i = 0; i < 64; i++)
		check(env_file_write(bench.file, (uint64_t)i * 4096, bench.page, 4096) == 0);
	/* Devices have moods: several rounds, to be compared each with itself. */
	for (int i = 0; i < ROUNDS; i++) {
		write_blocking(&bench);
		write_by_request(&bench, 1, false, "dsync_write_request_io_thread");
		write_by_request(&bench, 1, true, "dsync_write_request_loop");
	}
	write_by_request(&bench, 0, false, "hand_off_io_thread");
	write_by_request(&bench, 0, true, "hand_off_loop");
	throw_mail(&bench, false, "mail_to_own_loop");
	throw_mail(&bench, true, "mail_between_loops");
	env_file_close(bench.file);
	test_directory_remove(directory);
	env_uv_free(bench.env);
	free(bench.page);
	return 0;
}
