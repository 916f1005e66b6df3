#include "fs/vfs/front.h"

#include <errno.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>

#include "fs/vfs/handle.h"
#include "fs/vfs/ops.h"
#include "fs/vfs/request.h"
#include "proto/container.h"
#include "proto/units.h"

#define MAX_BACKGROUND 128 /* background requests, of up to LANE_WRITE_MAX bytes each in memory */
#define TOLD_PLACES    (1u << 17)
#define TOLD_SLACK_NS                                                                                        \
	UINT64_C(4000000000) /* the kernel counts from when it takes the reply, which may be later */
#define INIT_REQUEST_MAX 4096

/* Asks for those of the wanted capabilities that the kernel offers. */
static void on_init(void *userdata, struct fuse_conn_info *connection)
{
	static const unsigned wanted =
		FUSE_CAP_ASYNC_READ | FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_EXPORT_SUPPORT | FUSE_CAP_DONT_MASK |
		FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_ASYNC_DIO |
		FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_POSIX_ACL | FUSE_CAP_CACHE_SYMLINKS |
		FUSE_CAP_EXPLICIT_INVAL_DATA | FUSE_CAP_IOCTL_DIR;
	static const unsigned shared = FUSE_CAP_POSIX_LOCKS | FUSE_CAP_FLOCK_LOCKS;
	struct front *front = lane_userdata(userdata);

	front->needs_no_opendir =
		front->options.sole_client && connection->capable & FUSE_CAP_NO_OPENDIR_SUPPORT;
	/* For a sole client the kernel manages the locks itself. */
	connection->want = (front->options.sole_client ? wanted : wanted | shared) & connection->capable;
	connection->max_write = LANE_WRITE_MAX;
	connection->max_readahead = LANE_WRITE_MAX;
	connection->max_background = MAX_BACKGROUND;
	connection->congestion_threshold = MAX_BACKGROUND * 3 / 4;
	connection->time_gran = 1;
}

static struct fuse_lowlevel_ops operations_table(void)
{
	struct fuse_lowlevel_ops operations = {.init = on_init};

	ops_look(&operations);
	ops_names(&operations);
	ops_create(&operations);
	ops_open(&operations);
	ops_attributes(&operations);
	ops_ioctl(&operations);
	ops_data(&operations);
	ops_write(&operations);
	ops_sync(&operations);
	ops_directories(&operations);
	ops_xattrs(&operations);
	ops_locks(&operations);
	ops_setlk(&operations);
	return operations;
}

static void on_released(void *argument)
{
	struct front *front = argument;

	front->options.ended(front->options.argument);
}

static void on_no_more_holds(void *argument)
{
	struct front *front = argument;

	removed_stop(front->removed, on_released, front);
}

static void on_all_sent(void *argument)
{
	struct front *front = argument;

	if (front->nameless)
		nameless_stop(front->nameless, on_no_more_holds, front);
	else
		on_no_more_holds(front);
}

static void send_atimes(struct front *front)
{
	atimes_stop(front->atimes, on_all_sent, front);
}

static void on_written_out(struct env_mail *mail)
{
	struct write_back_waiter *waiter = container_of(mail, struct write_back_waiter, mail);

	send_atimes(container_of(waiter, struct front, last));
}

/* No request is left: writes out the buffered data. */
static void write_out(struct env_mail *mail)
{
	struct front *front = container_of(mail, struct front, end);

	front->last.loop = front->options.loops[0];
	front->last.wake = on_written_out;
	if (write_back_stop(front->write_back, &front->last))
		send_atimes(front);
}

void front_leave(struct front *front)
{
	if (atomic_fetch_sub(&front->in_flight, 1) == 1)
		env_post(front->options.loops[0], &front->end, write_out);
}

static void on_lane_stopped(void *argument)
{
	front_leave(argument);
}

static void on_lane_ended(struct lane *lane, void *userdata)
{
	struct front *front = userdata;

	locks_end_waits(front);
	if (front->watches)
		watch_end(&front->watches[lane_index(lane)]);
	lane_stop(lane, on_lane_stopped, userdata);
}

static void on_write_failed(void *argument, uint64_t ino, int error)
{
	struct front *front = argument;

	log_error(front->options.logger,
		"msg=\"data that was acknowledged before could not be written, and is lost: fsync says so\" "
		"inode=%lu "
		"error=%d",
		ino, error);
	node_set_error(front->nodes, ino, error);
}

/* The kernel has pages, and perhaps a size, with the data that was dropped. */
static void on_dropped(void *argument, uint64_t ino)
{
	struct front *front = argument;

	if (front->pages)
		pages_drop(front->pages, ino);
	else
		drops_add(front->drops, ino);
	front_drop_attributes(front, ino);
}

static void on_sending(void *argument, uint64_t ino)
{
	struct front *front = argument;

	pages_begin(front->pages, ino);
}

static void on_answered(void *argument, uint64_t ino, const struct attributes *attributes)
{
	struct front *front = argument;
	bool is_ours = pages_end(front->pages, ino, attributes);

	if (attributes)
		told_change(front->told, attributes, is_ours);
	front_strip(front, ino); /* the kernel may have been told a mode that another mount set meanwhile */
}

static bool is_open(void *argument, uint64_t ino)
{
	struct front *front = argument;

	return node_is_in_use(front->nodes, ino);
}

static void each_open(void *argument, void (*visit)(void *visitor, uint64_t ino), void *visitor)
{
	struct front *front = argument;

	node_each_in_use(front->nodes, visit, visitor);
}

static int add_lane(struct front *front, uint32_t i, int fd, const struct fuse_lowlevel_ops *operations)
{
	struct lane_options options = {
		.loop = front->options.loops[i],
		.logger = front->options.logger,
		.fd = fd,
		.index = i,
		.operations = operations,
		.userdata = front,
		.payloads = front->payloads,
		.statx = ops_statx,
		.tmpfile = ops_tmpfile,
		.interrupt = ops_interrupt,
		.ended = on_lane_ended,
		.debug = front->options.debug,
	};
	int result = lane_new(&options, &front->lanes[i]);

	if (result == 0)
		front->lane_count++;
	return result;
}

/* The first lane reads the kernel's INIT request and answers it. After that the descriptor can be cloned for the other
 * lanes. Their sessions get the same INIT request, and their answers are dropped. */
static int add_lanes(struct front *front, const struct fuse_lowlevel_ops *operations)
{
	uint8_t init[INIT_REQUEST_MAX];
	int fd, size, result;

	result = front->options.open_descriptor(front->options.descriptor_argument, &fd);
	if (result == 0)
		result = add_lane(front, 0, fd, operations);
	if (result < 0)
		return result;
	size = lane_read_init(front->lanes[0], init, sizeof init);
	if (size < 0)
		return size;
	result = lane_init(front->lanes[0], init, (size_t)size, true);
	for (uint32_t i = 1; result == 0 && i < front->options.loop_count; i++) {
		result = front->options.open_descriptor(front->options.descriptor_argument, &fd);
		if (result == 0)
			result = add_lane(front, i, fd, operations);
		if (result == 0)
			result = lane_init(front->lanes[i], init, (size_t)size, false);
		if (result == 0)
			lane_set_helper(front->lanes[i - 1], front->lanes[i]);
	}
	return result;
}

/* Not for an embedded store: it answers, or its process ends, so that no request has to be given up. */
static int make_watches(struct front *front)
{
	front->watches = calloc(front->options.loop_count, sizeof *front->watches);
	if (!front->watches)
		return -ENOMEM;
	for (uint32_t i = 0; i < front->options.loop_count; i++) {
		front->watches[i].loop = front->options.loops[i];
		front->watches[i].patience_ns = CLIENT_PATIENCE_MS * NS_PER_MS;
		front->watches[i].payloads = front->payloads;
		front->watches[i].give_up = request_give_up;
	}
	return 0;
}

static int make_shared_parts(struct front *front)
{
	const struct front_options *options = &front->options;
	const struct pages_options pages = {.drops = front->drops};
	const struct nameless_options nameless = {
		.client = options->client,
		.loop = options->loops[0],
		.logger = options->logger,
		.removed = front->removed,
		.each_open = each_open,
		.is_open = is_open,
		.argument = front,
	};
	int result = make_watches(front);

	if (result == 0)
		result = pages_new(&pages, &front->pages);
	if (result == 0)
		result = told_new(
			options->cache_timeout_s * NS_PER_S + TOLD_SLACK_NS, TOLD_PLACES, &front->told);
	if (result == 0)
		result = nameless_new(&nameless, &front->nameless);
	front->retries = result == 0 ? retries_new() : NULL;
	return result < 0 || front->retries ? result : -ENOMEM;
}

static int make_parts(struct front *front)
{
	const struct front_options *options = &front->options;
	const struct write_back_options write_back = {
		.client = options->client,
		.loop = options->loops[0],
		.failed = on_write_failed,
		.dropped = on_dropped,
		.sending = options->sole_client ? NULL : on_sending,
		.answered = options->sole_client ? NULL : on_answered,
		.argument = front,
	};
	const struct removed_options removed = {
		.client = options->client,
		.loop = options->loops[0],
		.logger = options->logger,
		.is_known = options->is_known,
		.argument = options->descriptor_argument,
		.is_open = is_open,
		.open_argument = front,
	};
	int result;

	front->lanes = calloc(options->loop_count, sizeof(struct lane *));
	if (!front->lanes)
		return -ENOMEM;
	front->payloads = payloads_new();
	if (!front->payloads)
		return -ENOMEM;
	result = write_back_new(&write_back, &front->write_back);
	if (result == 0)
		result = atimes_new(options->client, options->loops[0], &front->atimes);
	if (result == 0)
		result = node_table_new(&front->nodes);
	if (result == 0)
		result = waits_new(&front->waits);
	if (result == 0)
		result = drops_new(options->drop_pages, options->descriptor_argument, &front->drops);
	if (result == 0)
		result = removed_new(&removed, &front->removed);
	if (result == 0 && !options->sole_client)
		result = make_shared_parts(front);
	return result;
}

int front_new(const struct front_options *options, struct front **out, struct status *status)
{
	struct fuse_lowlevel_ops operations = operations_table();
	struct front *front = calloc(1, sizeof *front);
	int result;

	if (!front)
		return status_set(status, -ENOMEM, "out of memory");
	front->options = *options;
	pthread_mutex_init(&front->mutex, NULL);
	front->timeout = options->cache_timeout_s;
	front_set_modes(front, options->modes);
	result = make_parts(front);
	if (result == 0)
		result = add_lanes(front, &operations);
	if (result < 0) {
		front_free(front);
		return status_set(
			status, result, "cannot negotiate with the kernel's FUSE: %s", strerror(-result));
	}
	*out = front;
	return 0;
}

struct start {
	struct env_mail mail;
	struct front *front;
	struct lane *lane;
};

static void start_lane(struct env_mail *mail)
{
	struct start *start = container_of(mail, struct start, mail);
	int result = lane_start(start->lane);

	if (result < 0) {
		log_error(start->front->options.logger, "msg=\"a lane could not start\" error=%d", result);
		front_leave(start->front);
	}
	free(start);
}

void front_start(struct front *front)
{
	atomic_store(&front->in_flight, front->lane_count);
	for (uint32_t i = 0; i < front->lane_count; i++) {
		struct start *start = calloc(1, sizeof *start);

		if (!start) {
			front_leave(front);
			continue;
		}
		start->front = front;
		start->lane = front->lanes[i];
		env_post(lane_loop(front->lanes[i]), &start->mail, start_lane);
	}
}

void front_set_modes(struct front *front, struct front_modes modes)
{
	struct raftkv *raftkv = client_raftkv(front->options.client);

	atomic_store(&front->no_atime, modes.no_atime);
	atomic_store(&front->no_diratime, modes.no_diratime);
	atomic_store(&front->strict_atime, modes.strict_atime);
	atomic_store(&front->synchronous, modes.synchronous);
	if (raftkv)
		raftkv_set_early(raftkv, !modes.synchronous && !modes.durable_names);
}

void front_on_session_lost(struct front *front)
{
	node_set_error_of_locked(front->nodes, -EIO);
	removed_lose(front->removed);
}

void front_ask(struct front *front, struct slice inodes, void (*answer)(void *argument, bool are_kept),
	void *argument)
{
	nameless_ask(front->nameless, inodes, answer, argument);
}

void front_each_operation(const struct front *front,
	void (*each)(void *argument, const char *name, const struct histogram_sums *sums), void *argument)
{
	latencies_each(&front->latencies, each, argument);
}

void front_each_unwritten(
	const struct front *front, void (*each)(void *argument, uint64_t ino, uint64_t size), void *argument)
{
	write_back_each(front->write_back, each, argument);
}

void front_free(struct front *front)
{
	if (!front)
		return;
	for (uint32_t i = 0; i < front->lane_count; i++)
		lane_free(front->lanes[i]);
	free(front->lanes);
	free(front->watches);
	payloads_free(front->payloads);
	handles_free(front);
	node_table_free(front->nodes);
	pages_free(front->pages);
	drops_free(front->drops);
	told_free(front->told);
	waits_free(front->waits);
	nameless_free(front->nameless);
	retries_free(front->retries);
	removed_free(front->removed);
	write_back_free(front->write_back);
	atimes_free(front->atimes);
	pthread_mutex_destroy(&front->mutex);
	free(front);
}
