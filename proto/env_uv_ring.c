#include "proto/env_uv_ring.h"

#include <errno.h>
#include <liburing.h>
#include <sched.h>
#include <stdlib.h>

#include "proto/check.h"
#include "proto/env_uv_internal.h"

#define RING_ENTRIES 64u /* requests under way at once */

struct env_uv_ring {
	struct io_uring uring;
	uv_poll_t poll;
	unsigned int pending;
};

/* ---- Answers ---------------------------------------------------------------------------------------------------- */

/* A write that stopped before its end is repeated as a whole: the same bytes to the same place. */
static void finish(struct env_file_request *request, int result)
{
	if (result == -EINTR || result == -EAGAIN ||
		(result >= 0 && (size_t)result < env_uv_file_request_size(request))) {
		env_uv_file_submit_to_pool(request);
		return;
	}
	request->status = result < 0 ? result : 0;
	env_file_finish(request);
}

static void on_answers(uv_poll_t *poll, int status, int events)
{
	struct env_uv_ring *ring = poll->data;
	struct io_uring_cqe *answer;

	(void)events;
	check(status == 0);
	while (io_uring_peek_cqe(&ring->uring, &answer) == 0) {
		struct env_file_request *request = io_uring_cqe_get_data(answer);
		int result = answer->res;

		io_uring_cqe_seen(&ring->uring, answer);
		ring->pending--;
		finish(request, result);
	}
}

/* ---- Requests --------------------------------------------------------------------------------------------------- */

/* The kernel takes the request; if it is short of memory for a moment, tries again. */
static void submit(struct env_uv_ring *ring)
{
	int result = io_uring_submit(&ring->uring);

	while (result == -EINTR || result == -EAGAIN || result == -EBUSY) {
		sched_yield();
		result = io_uring_submit(&ring->uring);
	}
	check(result == 1);
}

bool env_uv_ring_write(struct env_uv_ring *ring, struct env_file_request *request, int fd)
{
	struct io_uring_sqe *entry;

	if (!ring || ring->pending == RING_ENTRIES)
		return false;
	entry = io_uring_get_sqe(&ring->uring);
	check(entry);
	io_uring_prep_writev(
		entry, fd, request->vector, (unsigned int)request->vector_count, request->offset);
	io_uring_sqe_set_data(entry, request);
	ring->pending++;
	submit(ring);
	return true;
}

/* ---- Life ------------------------------------------------------------------------------------------------------- */

int env_uv_ring_open(struct env_uv_loop *loop, struct env_uv_ring **out)
{
	struct env_uv_ring *ring = calloc(1, sizeof *ring);
	int status;

	*out = NULL;
	if (!ring)
		return -ENOMEM;
	if (io_uring_queue_init(RING_ENTRIES, &ring->uring, 0) < 0) {
		free(ring);
		return 0;
	}
	io_uring_ring_dontfork(&ring->uring);
	status = uv_poll_init(&loop->uv, &ring->poll, ring->uring.ring_fd);
	if (status < 0) {
		env_uv_ring_free(ring);
		return status;
	}
	ring->poll.data = ring;
	uv_poll_start(&ring->poll, UV_READABLE, on_answers);
	*out = ring;
	return 0;
}

void env_uv_ring_close(struct env_uv_ring *ring)
{
	if (!ring)
		return;
	check(ring->pending == 0);
	uv_close((uv_handle_t *)&ring->poll, NULL);
}

void env_uv_ring_free(struct env_uv_ring *ring)
{
	if (!ring)
		return;
	io_uring_queue_exit(&ring->uring);
	free(ring);
}
