/* The real environment: the conformance suite, and tests of its own: concurrent threads, symbolic links, file modes. */
#include "proto/env_uv.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/container.h"
#include "tests/conform/env_conform.h"
#include "tests/lib/test.h"

static const struct env_uv_options options = {.worker_threads = 3, .io_threads = 4};

static char unix_address[160];

static bool has_ipv6(void)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool has = fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof address) == 0;

	if (fd >= 0)
		close(fd);
	return has;
}

static void setup_conform(struct env_conform *conform)
{
	struct status status;

	assert_int_equal(env_uv_new(&options, &conform->env, &status), 0);
	test_directory_make(conform->path, sizeof conform->path);
	snprintf(unix_address, sizeof unix_address, "unix:%s/socket", conform->path);
	conform->uid = geteuid();
	conform->addresses[0] = unix_address;
	conform->addresses[1] = "127.0.0.1:0";
	conform->addresses[2] = has_ipv6() ? "[::1]:0" : NULL;
}

static void teardown_conform(struct env_conform *conform)
{
	env_uv_free(conform->env);
	test_directory_remove(conform->path);
}

static struct env *new_env(void)
{
	struct env *env;

	assert_int_equal(env_uv_new(&options, &env, NULL), 0);
	return env;
}

/* ---- Mail between threads --------------------------------------------------------------------------------------- */

#define THREADS 4
#define BALLS	8
#define THROWS	20000

struct ball {
	struct env_mail mail;
	struct game *game;
	uint32_t dice;
	int throws;
	bool flying;
};

/* Mails are passed between loops THROWS times each, so that loops sleep and wake at every turn. */
struct game {
	struct env_loop *loops[THREADS];
	struct ball balls[BALLS];
	atomic_int landed;
	struct env_loop *main;
	struct env_mail over;
};

static void on_over(struct env_mail *mail)
{
	env_loop_stop(container_of(mail, struct game, over)->main);
}

static void on_catch(struct env_mail *mail)
{
	struct ball *ball = container_of(mail, struct ball, mail);
	struct game *game = ball->game;

	assert_true(ball->flying);
	ball->flying = false;
	ball->dice = ball->dice * 1664525u + 1013904223u;
	if (++ball->throws < THROWS) {
		ball->flying = true;
		env_post(game->loops[(ball->dice >> 16) % THREADS], mail, on_catch);
	} else if (atomic_fetch_add(&game->landed, 1) + 1 == BALLS) {
		env_post(game->main, &game->over, on_over);
	}
}

static void test_mail_between_threads(void **state)
{
	struct env *env = new_env();
	struct game game = {0};

	(void)state;
	assert_int_equal(env_loop_new(env, "main", &game.main), 0);
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(env_loop_new(env, "player", &game.loops[i]), 0);
		assert_int_equal(env_loop_start(game.loops[i]), 0);
	}
	for (int i = 0; i < BALLS; i++) {
		game.balls[i] = (struct ball){.game = &game, .dice = (uint32_t)i, .flying = true};
		env_post(game.loops[i % THREADS], &game.balls[i].mail, on_catch);
	}
	env_loop_run(game.main);
	for (int i = 0; i < THREADS; i++)
		env_loop_stop(game.loops[i]);
	for (int i = 0; i < THREADS; i++)
		env_loop_free(game.loops[i]);
	env_loop_free(game.main);
	for (int i = 0; i < BALLS; i++)
		assert_int_equal(game.balls[i].throws, THROWS);
	env_uv_free(env);
}

/* ---- Mail that several threads ask for -------------------------------------------------------------------------- */

#define QUESTIONS 20000 /* of each thread */

struct asker {
	struct env_mail start;
	struct crowd *crowd;
	struct env_loop *loop;
	atomic_int asked;
};

/* Threads write a request and post one mail; its last callback must see the last request of each. */
struct crowd {
	struct env_mail mail;
	struct env_loop *main;
	struct asker askers[THREADS];
	int runs;
};

static void on_question(struct env_mail *mail)
{
	struct crowd *crowd = container_of(mail, struct crowd, mail);
	int sum = 0;

	for (int i = 0; i < THREADS; i++)
		sum += atomic_load_explicit(&crowd->askers[i].asked, memory_order_relaxed);
	crowd->runs++;
	if (sum == THREADS * QUESTIONS)
		env_loop_stop(crowd->main);
}

static void on_ask(struct env_mail *mail)
{
	struct asker *asker = container_of(mail, struct asker, start);

	for (int i = 1; i <= QUESTIONS; i++) {
		atomic_store_explicit(&asker->asked, i, memory_order_relaxed);
		env_post_once(asker->crowd->main, &asker->crowd->mail, on_question);
	}
}

static void test_mail_that_several_ask_for(void **state)
{
	struct env *env = new_env();
	struct crowd crowd = {0};

	(void)state;
	assert_int_equal(env_loop_new(env, "main", &crowd.main), 0);
	for (int i = 0; i < THREADS; i++) {
		struct asker *asker = &crowd.askers[i];

		asker->crowd = &crowd;
		assert_int_equal(env_loop_new(env, "asker", &asker->loop), 0);
		assert_int_equal(env_loop_start(asker->loop), 0);
		env_post(asker->loop, &asker->start, on_ask);
	}
	env_loop_run(crowd.main);
	for (int i = 0; i < THREADS; i++)
		env_loop_stop(crowd.askers[i].loop);
	for (int i = 0; i < THREADS; i++)
		env_loop_free(crowd.askers[i].loop);
	env_loop_free(crowd.main);
	assert_in_range(crowd.runs, 1, THREADS * QUESTIONS);
	env_uv_free(env);
}

struct visit {
	struct env_work work;
	struct env_loop *loop;
};

static void on_visit(struct env_work *work)
{
	(void)work;
}

static void on_visited(struct env_work *work)
{
	env_loop_stop(container_of(work, struct visit, work)->loop);
}

/* A loop is freed as soon as its last mail has run: the thread that posted it may still be inside env_post. */
static void test_loop_freed_under_a_waking_poster(void **state)
{
	struct env *env = new_env();

	(void)state;
	for (int i = 0; i < 500; i++) {
		struct visit visit = {0};

		assert_int_equal(env_loop_new(env, "short", &visit.loop), 0);
		env_work_submit(visit.loop, &visit.work, on_visit, on_visited);
		env_loop_run(visit.loop);
		env_loop_free(visit.loop);
	}
	env_uv_free(env);
}

/* ---- Timers ----------------------------------------------------------------------------------------------------- */

struct wait {
	struct env_timer timer;
	struct env_loop *loop;
	struct env *env;
	uint64_t deadline;
	uint64_t late_min;
	int count;
};

static void on_wait(struct env_timer *timer)
{
	struct wait *wait = container_of(timer, struct wait, timer);
	uint64_t now = env_now(wait->env);

	assert_true(now >= wait->deadline);
	if (now - wait->deadline < wait->late_min)
		wait->late_min = now - wait->deadline;
	if (++wait->count == 30) {
		env_loop_stop(wait->loop);
		return;
	}
	wait->deadline = now + 100000u * (uint64_t)wait->count;
	env_timer_start(timer, wait->loop, wait->deadline, on_wait);
}

static void test_timers_of_parts_of_a_millisecond(void **state)
{
	struct wait wait = {.env = new_env(), .late_min = UINT64_MAX};

	(void)state;
	assert_int_equal(env_loop_new(wait.env, "timers", &wait.loop), 0);
	env_timer_start(&wait.timer, wait.loop, 0, on_wait);
	wait.deadline = env_now(wait.env);
	env_loop_run(wait.loop);
	/* A busy machine may be late for some of them, but not for each. */
	assert_true(wait.late_min < 10000000u);
	env_loop_free(wait.loop);
	env_uv_free(wait.env);
}

/* ---- Files ------------------------------------------------------------------------------------------------------ */

static void test_create_follows_no_link(void **state)
{
	struct env *env = new_env();
	char directory[128], path[160], link[160];
	struct env_file *file;
	struct stat stat_of_file;

	(void)state;
	test_directory_make(directory, sizeof directory);
	snprintf(path, sizeof path, "%s/file", directory);
	snprintf(link, sizeof link, "%s/link", directory);
	assert_int_equal(symlink(path, link), 0);
	assert_int_equal(env_file_open(env, link, ENV_OPEN_WRITE | ENV_OPEN_CREATE, &file), -ELOOP);
	assert_int_equal(env_file_open(env, path, ENV_OPEN_WRITE | ENV_OPEN_CREATE, &file), 0);
	assert_int_equal(stat(path, &stat_of_file), 0);
	assert_int_equal(stat_of_file.st_mode & 0777, 0600);
	env_file_close(file);
	env_uv_free(env);
	test_directory_remove(directory);
}

/* ---- Direct writes from their own loop -------------------------------------------------------------------------- */

#define PAGES	  200 /* more than the ring of one loop takes at once */
#define PAGE_SIZE 4096

struct pages {
	struct env_mail mail;
	struct env_loop *loop;
	struct env_file *file;
	uint8_t *bytes; /* all bytes of page i are i + 1 */
	struct iovec vectors[PAGES];
	struct env_file_request requests[PAGES];
	int done;
	int on_loop;
	int failed; /* with -EINVAL */
};

static struct pages *pages_of(struct env_file_request *request)
{
	return container_of(request, struct pages, requests[0]);
}

static void on_page(struct pages *pages, int status)
{
	pages->on_loop += env_loop_is_current(pages->loop);
	pages->failed += status == -EINVAL;
	if (status != -EINVAL)
		assert_int_equal(status, 0);
	if (++pages->done == PAGES)
		env_loop_stop(pages->loop);
}

static void on_page_written(struct env_file_request *request)
{
	size_t page = request->offset / PAGE_SIZE;

	on_page(pages_of(request - page), request->status);
}

/* Writes page i to its place; the last one from memory that is not aligned, which a direct write refuses. */
static void submit_pages(struct env_mail *mail)
{
	struct pages *pages = container_of(mail, struct pages, mail);

	for (size_t i = 0; i < PAGES; i++) {
		pages->vectors[i] =
			(struct iovec){pages->bytes + i * PAGE_SIZE + (i + 1 == PAGES), PAGE_SIZE};
		pages->requests[i] = (struct env_file_request){.file = pages->file,
			.operation = ENV_FILE_WRITE,
			.offset = i * PAGE_SIZE,
			.vector = &pages->vectors[i],
			.vector_count = 1,
			.loop = pages->loop,
			.done = on_page_written};
		env_file_submit(&pages->requests[i]);
	}
}

static void test_direct_writes_from_their_loop(void **state)
{
	struct env *env = new_env();
	struct pages pages = {.bytes = aligned_alloc(PAGE_SIZE, (PAGES + 1) * PAGE_SIZE)};
	char directory[128], path[160];

	(void)state;
	for (size_t i = 0; i < PAGES * PAGE_SIZE; i++)
		pages.bytes[i] = (uint8_t)(i / PAGE_SIZE + 1);
	test_directory_make(directory, sizeof directory);
	snprintf(path, sizeof path, "%s/pages", directory);
	assert_int_equal(
		env_file_open(env, path, ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_DIRECT | ENV_OPEN_DSYNC,
			&pages.file),
		0);
	assert_int_equal(env_loop_new(env, "pages", &pages.loop), 0);
	env_post(pages.loop, &pages.mail, submit_pages);
	env_loop_run(pages.loop);
	env_loop_free(pages.loop);
	assert_int_equal(pages.on_loop, PAGES);
	assert_int_equal(pages.failed, 1);
	memset(pages.bytes, 0, PAGES * PAGE_SIZE);
	assert_int_equal(env_file_read(pages.file, 0, pages.bytes, (PAGES - 1) * PAGE_SIZE), 0);
	for (size_t i = 0; i < (PAGES - 1) * PAGE_SIZE; i++)
		assert_int_equal(pages.bytes[i], (uint8_t)(i / PAGE_SIZE + 1));
	env_file_close(pages.file);
	env_uv_free(env);
	test_directory_remove(directory);
	free(pages.bytes);
}

/* ---- Network ---------------------------------------------------------------------------------------------------- */

struct dial {
	struct env_loop *loop;
	struct env_listener *listener;
	struct env_stream *accepted;
	int status;
	int closed;
};

static void on_dialed(void *argument, struct env_stream *stream, int status)
{
	((struct dial *)argument)->status = status;
	env_stream_close(stream);
}

static void on_dial_received(void *argument, struct env_stream *stream, const void *bytes, size_t size)
{
	(void)argument;
	(void)stream;
	(void)bytes;
	(void)size;
}

static void on_dial_failed(void *argument, struct env_stream *stream, int status)
{
	(void)argument;
	(void)stream;
	(void)status;
}

static void on_dial_closed(void *argument, struct env_stream *stream)
{
	struct dial *dial = argument;

	(void)stream;
	if (++dial->closed == (dial->status == 0 ? 2 : 1))
		env_loop_stop(dial->loop);
}

static struct env_stream_handlers dial_handlers(struct dial *dial)
{
	return (struct env_stream_handlers){
		dial, on_dialed, on_dial_received, on_dial_failed, on_dial_closed};
}

static void on_dial_accepted(void *argument, struct env_stream *stream)
{
	struct env_stream_handlers handlers = dial_handlers(argument);

	env_stream_start(stream, &handlers);
	env_stream_close(stream);
}

/* Listens on `listen` (NULL: nowhere) and connects to `connect`. Returns the status of `connected`. */
static int dial(const char *listen, const char *connect)
{
	struct env *env = new_env();
	struct dial dial = {.status = 1};
	struct env_stream_handlers handlers = dial_handlers(&dial);
	struct env_stream *stream;
	struct status status;
	char address[300];

	assert_int_equal(env_loop_new(env, "dial", &dial.loop), 0);
	snprintf(address, sizeof address, "%s", connect);
	if (listen) {
		assert_int_equal(
			env_listen(dial.loop, listen, on_dial_accepted, &dial, &dial.listener, &status), 0);
		if (!strchr(connect, '/'))
			snprintf(address, sizeof address, "%s:%s", connect,
				strrchr(env_listener_address(dial.listener), ':') + 1);
	}
	assert_int_equal(env_connect(dial.loop, address, &handlers, &stream, &status), 0);
	env_loop_run(dial.loop);
	if (listen)
		env_listener_close(dial.listener);
	env_loop_free(dial.loop);
	env_uv_free(env);
	return dial.status;
}

/* A name may have addresses on which nobody listens: all are tried. */
static void test_names_are_looked_up(void **state)
{
	(void)state;
	assert_int_equal(dial("127.0.0.1:0", "localhost"), 0);
	assert_true(dial(NULL, "no-such-host.invalid:80") < 0);
}

static void test_stale_socket_is_replaced(void **state)
{
	char directory[64], address[80];
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	struct stat stat_of_socket;
	struct env *env = new_env();
	struct env_listener *first, *second;
	struct env_loop *loop;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	test_directory_make(directory, sizeof directory);
	snprintf(address, sizeof address, "unix:%s/socket", directory);
	snprintf(name.sun_path, sizeof name.sun_path, "%s", address + 5);
	assert_int_equal(bind(fd, (const struct sockaddr *)&name, sizeof name), 0);
	close(fd);
	assert_int_equal(dial(NULL, address), -ECONNREFUSED);
	assert_int_equal(env_loop_new(env, "stale", &loop), 0);
	assert_int_equal(env_listen(loop, address, on_dial_accepted, NULL, &first, NULL), 0);
	assert_int_equal(stat(name.sun_path, &stat_of_socket), 0);
	assert_int_equal(stat_of_socket.st_mode & 0777, 0600);
	/* A file with a listener is not replaced. */
	assert_int_equal(env_listen(loop, address, on_dial_accepted, NULL, &second, NULL), -EADDRINUSE);
	env_listener_close(first);
	env_loop_free(loop);
	assert_int_equal(access(name.sun_path, F_OK), -1);
	env_uv_free(env);
	test_directory_remove(directory);
}

/* Only its owner may use it. */
static void test_socket_has_a_directory(void **state)
{
	char directory[64], path[80], address[100];
	struct stat stat_of_directory;
	struct env *env = new_env();
	struct env_listener *listener;
	struct env_loop *loop;

	(void)state;
	test_directory_make(directory, sizeof directory);
	snprintf(path, sizeof path, "%s/run", directory);
	snprintf(address, sizeof address, "unix:%s/socket", path);
	assert_int_equal(env_loop_new(env, "directory", &loop), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(env_listen(loop, address, on_dial_accepted, NULL, &listener, NULL), 0);
		assert_int_equal(stat(path, &stat_of_directory), 0);
		assert_int_equal(stat_of_directory.st_mode & 07777, 0700);
		env_listener_close(listener);
	}
	env_loop_free(loop);
	env_uv_free(env);
	test_directory_remove(directory);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mail_between_threads),
		cmocka_unit_test(test_mail_that_several_ask_for),
		cmocka_unit_test(test_loop_freed_under_a_waking_poster),
		cmocka_unit_test(test_timers_of_parts_of_a_millisecond),
		cmocka_unit_test(test_create_follows_no_link),
		cmocka_unit_test(test_direct_writes_from_their_loop),
		cmocka_unit_test(test_names_are_looked_up),
		cmocka_unit_test(test_stale_socket_is_replaced),
		cmocka_unit_test(test_socket_has_a_directory),
	};
	int failed = env_conform_run("env_uv conformance", setup_conform, teardown_conform);

	return failed + cmocka_run_group_tests_name("env_uv", tests, NULL, NULL);
}
