#include "tests/lib/fake_kernel.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "proto/check.h"
#include "proto/env_uv.h"
#include "tests/lib/patience.h"

#define SOCKET_SIZE (1 << 20)
#define HELP_BURST  80
#define END_WAIT_S  30

static int give_descriptor(void *argument, int *fd)
{
	struct fake_kernel *kernel = argument;

	check(kernel->taken < FAKE_KERNEL_LANES);
	*fd = kernel->ends[kernel->taken++];
	return 0;
}

static bool is_known(void *argument, uint64_t ino)
{
	struct fake_kernel *kernel = argument;

	for (size_t i = 0; i < FAKE_KERNEL_UNKNOWN; i++)
		if (atomic_load(&kernel->unknown[i]) == ino)
			return false;
	return true;
}

static void drop_attributes(void *argument, uint64_t ino)
{
	struct fake_kernel *kernel = argument;

	(void)ino;
	atomic_fetch_add(&kernel->attribute_drops, 1);
}

static void drop_pages(void *argument, uint64_t ino)
{
	struct fake_kernel *kernel = argument;

	(void)ino;
	if (atomic_load(&kernel->is_slow))
		sem_wait(&kernel->may_drop);
	atomic_fetch_add(&kernel->drops, 1);
}

static void on_ended(void *argument)
{
	struct fake_kernel *kernel = argument;

	sem_post(&kernel->ended);
}

static void make_sockets(struct fake_kernel *kernel)
{
	int size = SOCKET_SIZE;

	for (unsigned i = 0; i < FAKE_KERNEL_LANES; i++) {
		int pair[2];

		check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
		setsockopt(pair[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
		setsockopt(pair[1], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
		kernel->sockets[i] = pair[0];
		kernel->ends[i] = pair[1];
	}
}

static void make_front(struct fake_kernel *kernel)
{
	struct env_loop *loops[FAKE_KERNEL_LANES] = {kernel->loop, kernel->loop};
	struct front_options options = {
		.env = kernel->env,
		.client = kernel->client,
		.open_descriptor = give_descriptor,
		.is_known = is_known,
		.drop_attributes = drop_attributes,
		.drop_pages = drop_pages,
		.descriptor_argument = kernel,
		.loops = loops,
		.loop_count = FAKE_KERNEL_LANES,
		.cache_timeout_s = 1,
		.sole_client = !kernel->is_shared,
		.modes = {.no_atime = kernel->is_shared}, /* pages stay: no read has to be seen */
		.ended = on_ended,
		.argument = kernel,
	};
	struct fuse_init_in init = {
		.major = 7, .minor = 39, .max_readahead = UINT32_MAX, .flags = kernel->offered};
	struct fake_answer answer;
	struct status status;

	fake_kernel_send(kernel, 0, FUSE_INIT, 0, &init, sizeof init);
	check(front_new(&options, &kernel->front, &status) == 0);
	check(fake_kernel_receive(kernel, 0, &answer, patience(30) * 1000));
	check(answer.header.error == 0 && answer.size >= sizeof kernel->init);
	memcpy(&kernel->init, answer.body, sizeof kernel->init);
	check(!fake_kernel_receive(kernel, 1, &answer, 0));
	front_start(kernel->front);
}

static void init(struct fake_kernel *kernel, const struct fake_raftkv_options *options, bool is_shared,
	uint32_t offered)
{
	struct env_uv_options env = {.worker_threads = 1, .io_threads = 1};
	struct fake_raftkv_options fake = *options;
	struct status status;

	*kernel = (struct fake_kernel){.unique = 2, .is_shared = is_shared, .offered = offered};
	sem_init(&kernel->ended, 0, 0);
	sem_init(&kernel->may_drop, 0, 0);
	check(env_uv_new(&env, &kernel->env, &status) == 0);
	check(env_loop_new(kernel->env, "loop", &kernel->loop) == 0);
	fake.loop = kernel->loop;
	kernel->raftkv = fake_raftkv_new(&fake);
	check(client_new(&(struct client_options){.raftkv = kernel->raftkv, .session = HARNESS_SESSION},
		      &kernel->client) == 0);
	make_sockets(kernel);
	make_front(kernel);
	check(env_loop_start(kernel->loop) == 0);
}

void fake_kernel_init(struct fake_kernel *kernel, const struct fake_raftkv_options *options)
{
	init(kernel, options, false, UINT32_MAX);
}

void fake_kernel_init_old(struct fake_kernel *kernel, const struct fake_raftkv_options *options)
{
	init(kernel, options, false, ~(uint32_t)FUSE_NO_OPENDIR_SUPPORT);
}

void fake_kernel_init_shared(struct fake_kernel *kernel, const struct fake_raftkv_options *options)
{
	init(kernel, options, true, UINT32_MAX);
}

void fake_kernel_hang_up(struct fake_kernel *kernel)
{
	for (unsigned i = 0; i < FAKE_KERNEL_LANES; i++)
		if (kernel->sockets[i] >= 0)
			close(kernel->sockets[i]);
	memset(kernel->sockets, -1, sizeof kernel->sockets);
}

void fake_kernel_close(struct fake_kernel *kernel)
{
	struct timespec until;

	fake_kernel_hang_up(kernel);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += patience(END_WAIT_S);
	while (sem_timedwait(&kernel->ended, &until) < 0)
		check(errno == EINTR);
	env_loop_stop(kernel->loop);
	env_loop_free(kernel->loop);
	front_free(kernel->front);
	client_free(kernel->client);
	fs_harness_verify(fake_raftkv_files(kernel->raftkv));
	fake_raftkv_free(kernel->raftkv);
	env_uv_free(kernel->env);
	sem_destroy(&kernel->ended);
	sem_destroy(&kernel->may_drop);
}

/* Requests that need no answer, found together: the first lane then asks the others to read, at the latest after so many
 * turns as it may read only one in (fs/fuse/lane.c). */
static void ask_for_help(struct fake_kernel *kernel)
{
	struct {
		struct fuse_in_header header;
		struct fuse_forget_in forget;
	} request = {.header = {.len = sizeof request, .opcode = FUSE_FORGET, .nodeid = FUSE_ROOT_ID}};

	for (int i = 0; i < HELP_BURST; i++)
		check(send(kernel->sockets[0], &request, sizeof request, MSG_NOSIGNAL) == sizeof request);
}

uint64_t fake_kernel_send(struct fake_kernel *kernel, unsigned lane, uint32_t opcode, uint64_t node,
	const void *argument, size_t size)
{
	struct fuse_in_header header = {
		.len = (uint32_t)(sizeof header + size),
		.opcode = opcode,
		.unique = kernel->unique,
		.nodeid = node,
		.pid = 1,
	};
	struct iovec vector[] = {{&header, sizeof header}, {(void *)(uintptr_t)argument, size}};
	struct msghdr message = {.msg_iov = vector, .msg_iovlen = 2};
	struct pollfd wait = {.fd = kernel->sockets[lane], .events = POLLOUT};

	kernel->unique += 2;
	while (sendmsg(kernel->sockets[lane], &message, MSG_NOSIGNAL) < 0) {
		check(errno == EAGAIN);
		poll(&wait, 1, 1000);
	}
	if (lane > 0)
		fake_kernel_on_loop(kernel, ask_for_help);
	return header.unique;
}

void fake_kernel_forget(struct fake_kernel *kernel, uint64_t node, bool is_last)
{
	const struct fuse_forget_in in = {.nlookup = 1};
	size_t place = 0;

	while (is_last && atomic_load(&kernel->unknown[place]) != 0)
		check(++place < FAKE_KERNEL_UNKNOWN);
	if (is_last)
		atomic_store(&kernel->unknown[place], node);
	fake_kernel_send(kernel, 0, FUSE_FORGET, node, &in, sizeof in);
}

bool fake_kernel_receive(
	struct fake_kernel *kernel, unsigned lane, struct fake_answer *answer, int timeout_ms)
{
	struct pollfd wait = {.fd = kernel->sockets[lane], .events = POLLIN};
	ssize_t size;
	int ready;

	do
		ready = poll(&wait, 1, timeout_ms);
	while (ready < 0 && errno == EINTR); /* a fuzzer has timers */
	if (ready <= 0)
		return false;
	size = recv(kernel->sockets[lane], answer, offsetof(struct fake_answer, size), MSG_TRUNC);
	if (size < (ssize_t)sizeof answer->header)
		return false;
	check(answer->header.len == (uint32_t)size);
	answer->size = (size_t)size - sizeof answer->header;
	if (answer->size > sizeof answer->body)
		answer->size = sizeof answer->body;
	return true;
}

struct visit {
	struct env_mail mail;
	struct fake_kernel *kernel;
	void (*run)(struct fake_kernel *kernel);
	sem_t done;
};

static void on_visit(struct env_mail *mail)
{
	struct visit *visit = (struct visit *)(void *)mail;

	visit->run(visit->kernel);
	sem_post(&visit->done);
}

void fake_kernel_on_loop(struct fake_kernel *kernel, void (*run)(struct fake_kernel *kernel))
{
	struct visit visit = {.kernel = kernel, .run = run};

	sem_init(&visit.done, 0, 0);
	env_post(kernel->loop, &visit.mail, on_visit);
	while (sem_wait(&visit.done) < 0)
		continue;
	sem_destroy(&visit.done);
}
