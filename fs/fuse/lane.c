#include "fs/fuse/lane.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "proto/check.h"
#include "proto/container.h"
#include "proto/env_uv.h"
#include "fs/fuse/lane_buffers.h"
#include "fs/fuse/protocol.h"

#define REQUESTS_A_TURN 32 /* then other events of the loop get a turn */
#define PAUSE_MAX	63 /* turns */

/* What calls the helper: so many requests that came one after the other, or two of which the second has so much data. The
 * requests of one program that waits for each of its calls are no reason to wake another thread. */
#define HELP_REQUESTS 4
#define HELP_SIZE     (32 << 10) /* bytes */

struct lane {
	struct lane_options options;
	struct fuse_session *session;
	uv_poll_t poll; /* not used by a helper */
	bool is_reading;
	uint32_t pause; /* turns in which nobody looks for a second request, since there was none */
	uint32_t pause_left;
	atomic_bool is_serving; /* in read_requests */
	struct payloads_waiter room; /* not used by a helper */
	bool is_waiting; /* for room; `poll` then reports only the end of the connection */
	bool is_helper;
	struct lane *helper; /* the next lane, or NULL */
	struct env_mail help; /* posted to a helper: read */
	atomic_bool is_help_asked; /* `help` is in flight */
	struct env_mail end; /* posted to a helper: the connection has ended */
	bool answers; /* false: an INIT answer is dropped */
	struct lane_buffers *buffers;
	const struct fuse_in_header *header; /* of the request being handled */
	uint32_t flags;
	void (*stopped)(void *argument);
	void *stopped_argument;
};

struct buf *lane_take_data(struct lane *lane, const void *data, size_t size)
{
	return lane_buffers_take(lane->buffers, data, size);
}

/* ---- The session's input and output ---- */

#ifndef FUSE_ALLOW_IDMAP
#define FUSE_ALLOW_IDMAP (UINT64_C(1) << 40)
#endif

/* Adds flags that libfuse 3.14 does not set in the INIT answer: HANDLE_KILLPRIV_V2, so that the kernel does not ask
 * for security.capability before every write; PARALLEL_DIROPS, which libfuse knows but does not set; ALLOW_IDMAP, after
 * which only requests that create an inode tell the caller's ids. */
static void patch_init_answer(const struct lane *lane, struct iovec *vector, int count)
{
	const struct fuse_init_in *asked = (const void *)(lane->header + 1);

	if (count > 1 && vector[1].iov_len >= sizeof(struct fuse_init_out)) {
		struct fuse_init_out *answer = vector[1].iov_base;

		answer->flags |= asked->flags & (FUSE_HANDLE_KILLPRIV_V2 | FUSE_PARALLEL_DIROPS);
		if (answer->flags & FUSE_INIT_EXT)
			answer->flags2 |= asked->flags2 & (uint32_t)(FUSE_ALLOW_IDMAP >> 32);
	}
}

static ssize_t session_writev(int fd, struct iovec *vector, int count, void *userdata)
{
	struct lane *lane = userdata;
	ssize_t written, size = 0;

	if (lane->header && lane->header->opcode == FUSE_INIT) {
		patch_init_answer(lane, vector, count);
		if (!lane->answers) {
			for (int i = 0; i < count; i++)
				size += (ssize_t)vector[i].iov_len;
			return size;
		}
	}
	do
		written = writev(fd, vector, count);
	while (written < 0 && errno == EINTR);
	return written;
}

/* Only the lane reads, never libfuse. */
static ssize_t session_read(int fd, void *bytes, size_t size, void *userdata)
{
	(void)fd, (void)bytes, (void)size, (void)userdata;
	errno = ENOSYS;
	return -1;
}

static const struct fuse_custom_io session_io = {.writev = session_writev, .read = session_read};

int lane_new(const struct lane_options *options, struct lane **out)
{
	char name[] = "raftkv", debug[] = "-d";
	char *arguments[] = {name, debug, NULL};
	struct fuse_args args = FUSE_ARGS_INIT(options->debug ? 2 : 1, arguments);
	struct lane *lane = calloc(1, sizeof *lane);

	if (!lane)
		return -ENOMEM;
	lane->options = *options;
	lane->buffers = lane_buffers_new();
	lane->session = fuse_session_new(&args, options->operations, sizeof *options->operations, lane);
	fuse_opt_free_args(&args);
	if (!lane->buffers || !lane->session ||
		fuse_session_custom_io(lane->session, &session_io, options->fd) < 0) {
		lane->options.fd = -1;
		lane_free(lane);
		return -ENOMEM;
	}
	*out = lane;
	return 0;
}

void lane_free(struct lane *lane)
{
	if (!lane)
		return;
	check(!lane->is_reading);
	if (lane->session)
		fuse_session_destroy(lane->session); /* closes the descriptor */
	lane_buffers_free(lane->buffers);
	free(lane);
}

struct env_loop *lane_loop(const struct lane *lane)
{
	return lane->options.loop;
}

uint32_t lane_index(const struct lane *lane)
{
	return lane->options.index;
}

struct lane *lane_of(fuse_req_t request)
{
	return fuse_req_userdata(request);
}

void *lane_userdata(const struct lane *lane)
{
	return lane->options.userdata;
}

uint32_t lane_flags(const struct lane *lane)
{
	return lane->flags;
}

uint64_t lane_unique(const struct lane *lane)
{
	return lane->header->unique;
}

uint32_t lane_opcode(const struct lane *lane)
{
	return lane->header->opcode;
}

/* ---- Requests ---- */

int lane_reply(struct lane *lane, uint64_t unique, int error, const void *answer, size_t size)
{
	struct fuse_out_header header = {.unique = unique, .error = error};
	struct iovec vector[2] = {{&header, sizeof header}, {(void *)(uintptr_t)answer, error ? 0 : size}};

	header.len = (uint32_t)(sizeof header + vector[1].iov_len);
	if (session_writev(lane->options.fd, vector, error || size == 0 ? 1 : 2, lane) < 0)
		return -errno;
	return 0;
}

static struct lane_raw raw_request(struct lane *lane)
{
	const struct fuse_in_header *header = lane->header;

	return (struct lane_raw){
		.lane = lane,
		.unique = header->unique,
		.node = header->nodeid,
		.uid = header->uid,
		.gid = header->gid,
		.pid = header->pid,
		.argument = header + 1,
		.size = header->len - sizeof *header,
	};
}

/* For lane_flags: libfuse 3.14 decodes these flags but does not show them. */
static uint32_t hidden_flags(const struct fuse_in_header *header)
{
	const void *argument = header + 1;

	switch (header->opcode) {
	case FUSE_WRITE:
		return ((const struct fuse_write_in *)argument)->write_flags;
	case FUSE_OPEN:
		return ((const struct fuse_open_in *)argument)->open_flags;
	case FUSE_CREATE:
		return ((const struct fuse_create_in *)argument)->open_flags;
	case FUSE_SETATTR:
		return ((const struct fuse_setattr_in *)argument)->valid;
	default:
		return 0;
	}
}

static void handle(struct lane *lane, size_t size)
{
	uint8_t *start = lane_buffers_start(lane->buffers);
	struct fuse_buf request = {.size = size, .mem = start};
	struct lane_raw raw;

	lane->header = (const struct fuse_in_header *)start;
	raw = raw_request(lane);
	if (!protocol_is_valid(lane->header, size)) {
		if (protocol_has_answer(lane->header->opcode))
			lane_reply(lane, raw.unique, -EINVAL, NULL, 0);
		lane->header = NULL;
		return;
	}
	lane->flags = hidden_flags(lane->header);
	if (lane->header->opcode == PROTOCOL_STATX)
		lane->options.statx(&raw, lane->options.userdata);
	else if (lane->header->opcode == FUSE_TMPFILE)
		lane->options.tmpfile(&raw, lane->options.userdata);
	else if (lane->header->opcode == FUSE_INTERRUPT)
		lane->options.interrupt(lane, ((const struct fuse_interrupt_in *)raw.argument)->unique,
			lane->options.userdata);
	else
		fuse_session_process_buf(lane->session, &request);
	lane->header = NULL;
}

static ssize_t read_request(struct lane *lane)
{
	ssize_t size = read(lane->options.fd, lane_buffers_start(lane->buffers), lane_buffers_size());

	return size < 0 ? -errno : size;
}

static void on_poll_closed(uv_handle_t *handle)
{
	struct lane *lane = handle->data;

	lane->is_reading = false;
	if (lane->stopped && !lane->is_waiting) /* else on_room calls `stopped` */
		lane->stopped(lane->stopped_argument);
}

static void on_helper_end(struct env_mail *mail);
static void on_help(struct env_mail *mail);

/* Each lane tells its helper. */
static void end(struct lane *lane)
{
	struct lane *helper = lane->helper;

	if (!lane->is_helper)
		uv_poll_stop(&lane->poll);
	if (helper)
		env_post(helper->options.loop, &helper->end, on_helper_end);
	lane->options.ended(lane, lane->options.userdata);
}

static void on_helper_end(struct env_mail *mail)
{
	end(container_of(mail, struct lane, end));
}

static void ask_help(struct lane *lane)
{
	struct lane *helper = lane->helper;

	if (helper && !atomic_exchange(&helper->is_help_asked, true))
		env_post(helper->options.loop, &helper->help, on_help);
}

/* A program that waits for each of its calls never has a second request in the kernel. A read that would find nothing is
 * left out then: the poll tells of what comes. The pause doubles each time that a second request was looked for in vain. */
static bool skips_second(struct lane *lane)
{
	if (lane->is_helper || lane->pause_left == 0)
		return false;
	lane->pause_left--;
	return true;
}

static void note_second(struct lane *lane, bool is_there)
{
	if (is_there)
		lane->pause = 0;
	else if (lane->pause < PAUSE_MAX)
		lane->pause = 2 * lane->pause + 1;
	lane->pause_left = lane->pause;
}

/* 0: there may be more requests. -EAGAIN: there are none. -ENOBUFS: the payloads are full. Other errors: the connection
 * has ended. */
static int read_requests(struct lane *lane)
{
	for (int i = 0; i < REQUESTS_A_TURN; i++) {
		ssize_t size;

		if (payloads_are_full(lane->options.payloads))
			return -ENOBUFS;
		if (i == 1 && skips_second(lane))
			return 0;
		size = read_request(lane);
		if (i == 1)
			note_second(lane, size > 0);
		if (size == 0)
			return -ENODEV;
		if (size == -EAGAIN || size == -ENODEV)
			return (int)size;
		if (size == -ENOENT || size == -EINTR) /* the request was interrupted before it was read */
			continue;
		if (size < (ssize_t)sizeof(struct fuse_in_header)) {
			log_error(lane->options.logger, "msg=\"reading from /dev/fuse failed\" error=%zd",
				size);
			return -EIO;
		}
		if (i == HELP_REQUESTS || (i > 0 && i < HELP_REQUESTS && size >= HELP_SIZE))
			ask_help(lane);
		handle(lane, (size_t)size);
	}
	return 0;
}

static int serve(struct lane *lane)
{
	int status;

	atomic_store(&lane->is_serving, true); /* before a request leaves the kernel's queue */
	status = read_requests(lane);
	atomic_store(&lane->is_serving, false);
	return status;
}

bool lane_is_serving(const struct lane *lane)
{
	return atomic_load(&lane->is_serving);
}

static void on_readable(uv_poll_t *poll, int status, int events);

static void on_room(struct env_mail *mail)
{
	struct lane *lane = container_of(container_of(mail, struct payloads_waiter, mail), struct lane, room);

	lane->is_waiting = false;
	if (!lane->is_reading)
		lane->stopped(lane->stopped_argument);
	else if (!uv_is_closing((uv_handle_t *)&lane->poll) &&
		 uv_poll_start(&lane->poll, UV_READABLE, on_readable) < 0)
		end(lane);
}

static void on_hung_up(uv_poll_t *poll, int status, int events)
{
	(void)status, (void)events;
	end(poll->data);
}

/* Requests that are not read stay in the kernel; the poll reports them again. */
static void wait_for_room(struct lane *lane)
{
	lane->room.loop = lane->options.loop;
	lane->room.wake = on_room;
	if (payloads_wait(lane->options.payloads, &lane->room))
		return;
	lane->is_waiting = true;
	if (uv_poll_start(&lane->poll, UV_DISCONNECT, on_hung_up) < 0)
		end(lane);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct lane *lane = poll->data;

	(void)events;
	if (status == 0)
		status = serve(lane);
	if (status == -ENOBUFS)
		wait_for_room(lane);
	else if (status < 0 && status != -EAGAIN)
		end(lane);
}

/* Errors are ignored: the polling lane meets the end of the connection, too, and tells its helper. */
static void on_help(struct env_mail *mail)
{
	struct lane *lane = container_of(mail, struct lane, help);

	atomic_store(&lane->is_help_asked, false);
	if (!lane->is_reading && lane->stopped)
		lane->stopped(lane->stopped_argument);
	else if (lane->is_reading && serve(lane) == 0 && !atomic_exchange(&lane->is_help_asked, true))
		env_post(lane->options.loop, &lane->help, on_help);
}

int lane_read_init(struct lane *lane, void *request, size_t size_max)
{
	struct pollfd wait = {.fd = lane->options.fd, .events = POLLIN};
	ssize_t size;

	do {
		if (poll(&wait, 1, -1) < 0 && errno != EINTR)
			return -errno;
		size = read_request(lane);
	} while (size == -EAGAIN || size == -EINTR || size == -ENOENT);
	if (size < 0)
		return (int)size;
	if ((size_t)size > size_max || (size_t)size < sizeof(struct fuse_in_header))
		return -EPROTO;
	memcpy(request, lane_buffers_start(lane->buffers), (size_t)size);
	return (int)size;
}

int lane_init(struct lane *lane, const void *request, size_t size, bool answer)
{
	struct fuse_buf copy = {.size = size, .mem = lane_buffers_start(lane->buffers)};

	memcpy(copy.mem, request, size);
	lane->header = copy.mem;
	if (lane->header->opcode != FUSE_INIT || !protocol_is_valid(lane->header, size))
		return -EPROTO;
	lane->answers = answer;
	fuse_session_process_buf(lane->session, &copy);
	lane->header = NULL;
	lane->answers = true;
	return fuse_session_exited(lane->session) ? -EPROTO : 0;
}

void lane_set_helper(struct lane *lane, struct lane *helper)
{
	lane->helper = helper;
	helper->is_helper = true;
}

int lane_start(struct lane *lane)
{
	int result;

	lane->is_reading = lane->is_helper;
	if (lane->is_helper)
		return 0;
	result = uv_poll_init(env_uv_loop(lane->options.loop), &lane->poll, lane->options.fd);
	if (result < 0)
		return result;
	lane->poll.data = lane;
	lane->is_reading = true;
	return uv_poll_start(&lane->poll, UV_READABLE, on_readable);
}

void lane_stop(struct lane *lane, void (*stopped)(void *argument), void *argument)
{
	lane->stopped = stopped;
	lane->stopped_argument = argument;
	if (lane->is_helper) {
		lane->is_reading = false;
		if (!atomic_load(&lane->is_help_asked)) /* else on_help calls `stopped` */
			stopped(argument);
		return;
	}
	uv_close((uv_handle_t *)&lane->poll, on_poll_closed);
}
