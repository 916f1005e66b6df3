#include "fs/control.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/container.h"
#include "proto/version.h"

#define NS_PER_S       1000000000u
#define ADDRESS_PREFIX "unix:"

struct connection {
	struct control *control;
	struct connection *next, **self; /* in the control's list */
	struct env_stream *stream;
	struct env_stream_write write;
	struct iovec vector;
	char *text;
};

struct control {
	struct env_mail mail;
	struct env_loop *loop;
	struct raftkv *raftkv;
	char *path;
	char *mount_point;
	uint64_t started; /* env_now */
	struct env_listener *listener;
	struct connection *connections;
	uint32_t count;
	bool is_stopping;
	int result; /* of listening */
	struct status status;
	sem_t done;
};

/* ---- What is said ---- */

static void print_figure(FILE *file, const char *name, uint64_t value)
{
	fprintf(file, "%s %" PRIu64 "\n", name, value);
}

static void print_key(FILE *file, const struct buf *key)
{
	struct slice bytes = buf_slice(key);

	fputc(' ', file);
	if (bytes.size == 0)
		fputc('-', file);
	for (size_t i = 0; i < bytes.size; i++)
		fprintf(file, "%02x", ((const uint8_t *)bytes.data)[i]);
}

static void print_region(void *argument, const struct region *region, uint64_t term)
{
	FILE *file = argument;

	fprintf(file, "region %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64, region->id,
		region->epoch.version, region->epoch.conf_version, term);
	print_key(file, region->start);
	print_key(file, region->end);
	fputc('\n', file);
}

static void print_figures(const struct control *control, FILE *file)
{
	struct env *env = env_loop_env(control->loop);
	struct raftkv_stats stats;

	raftkv_stats(control->raftkv, &stats);
	fprintf(file, "version " RAFTKV_VERSION "\nstore %s\nmount %s\n", control->path,
		control->mount_point);
	print_figure(file, "process_id", (uint64_t)getpid());
	print_figure(file, "uptime_seconds", (env_now(env) - control->started) / NS_PER_S);
	print_figure(file, "regions", stats.regions);
	print_figure(file, "leaders", stats.leaders);
	print_figure(file, "space_total_bytes", stats.space_total);
	print_figure(file, "space_available_bytes", stats.space_available);
	print_figure(file, "data_total_bytes", stats.blocks.total_units * BLOCK_UNIT_SIZE);
	print_figure(file, "data_used_bytes", stats.blocks.used_units * BLOCK_UNIT_SIZE);
	print_figure(file, "data_waiting_bytes", stats.blocks.waiting_units * BLOCK_UNIT_SIZE);
	print_figure(file, "log_live_bytes", stats.log.live_size);
	print_figure(file, "log_disk_bytes", stats.log.disk_size);
	print_figure(file, "log_cache_bytes", stats.log.cache_size);
	print_figure(file, "log_syncs_total", stats.log.syncs);
	print_figure(file, "log_records_total", stats.log.records);
	print_figure(file, "writes_total", stats.writes);
	print_figure(file, "writes_throttled_total", stats.writes_throttled);
	print_figure(file, "evaluations_parked_total", stats.evaluations_parked);
	print_figure(file, "reads_lease_total", stats.reads_lease);
	print_figure(file, "reads_read_index_total", stats.reads_read_index);
	print_figure(file, "flushes_total", stats.flushes);
	print_figure(file, "kv_memtable_bytes", stats.memory.memtable);
	print_figure(file, "kv_cache_bytes", stats.memory.cache);
	raftkv_each_region(control->raftkv, print_region, file);
}

/* NULL: out of memory. */
static char *make_text(const struct control *control, size_t *size)
{
	char *text = NULL;
	FILE *file = open_memstream(&text, size);

	if (!file)
		return NULL;
	print_figures(control, file);
	if (fclose(file) == 0)
		return text;
	free(text);
	return NULL;
}

/* ---- Connections, on the loop ---- */

static void finish_stop(struct control *control)
{
	if (control->is_stopping && !control->connections)
		sem_post(&control->done);
}

static void close_stream(struct connection *connection)
{
	if (connection->stream)
		env_stream_close(connection->stream);
	connection->stream = NULL;
}

static void on_written(struct env_stream_write *write, int status)
{
	struct connection *connection = container_of(write, struct connection, write);

	(void)status;
	close_stream(connection);
}

static void on_received(void *argument, struct env_stream *stream, const void *bytes, size_t size)
{
	(void)argument;
	(void)stream;
	(void)bytes;
	(void)size;
}

static void on_failed(void *argument, struct env_stream *stream, int status)
{
	(void)stream;
	(void)status;
	close_stream(argument);
}

static void on_closed(void *argument, struct env_stream *stream)
{
	struct connection *connection = argument;
	struct control *control = connection->control;

	(void)stream;
	*connection->self = connection->next;
	if (connection->next)
		connection->next->self = connection->self;
	control->count--;
	free(connection->text);
	free(connection);
	finish_stop(control);
}

static const struct env_stream_handlers silent = {.received = on_received};

static void ignore_failure(void *argument, struct env_stream *stream, int status)
{
	(void)argument;
	(void)stream;
	(void)status;
}

static void ignore_end(void *argument, struct env_stream *stream)
{
	(void)argument;
	(void)stream;
}

static void refuse(struct env_stream *stream)
{
	struct env_stream_handlers handlers = silent;

	handlers.failed = ignore_failure;
	handlers.closed = ignore_end;
	env_stream_start(stream, &handlers);
	env_stream_close(stream);
}

static struct connection *add_connection(struct control *control, struct env_stream *stream)
{
	struct connection *connection =
		control->count < CONTROL_COUNT_MAX ? calloc(1, sizeof *connection) : NULL;

	if (!connection)
		return NULL;
	connection->text = make_text(control, &connection->vector.iov_len);
	if (!connection->text) {
		free(connection);
		return NULL;
	}
	connection->control = control;
	connection->stream = stream;
	connection->next = control->connections;
	connection->self = &control->connections;
	if (connection->next)
		connection->next->self = &connection->next;
	control->connections = connection;
	control->count++;
	return connection;
}

static void on_accepted(void *argument, struct env_stream *stream)
{
	struct connection *connection = add_connection(argument, stream);
	struct env_stream_handlers handlers = silent;

	if (!connection) {
		refuse(stream);
		return;
	}
	handlers.argument = connection;
	handlers.failed = on_failed;
	handlers.closed = on_closed;
	env_stream_start(stream, &handlers);
	connection->vector.iov_base = connection->text;
	connection->write.vector = &connection->vector;
	connection->write.vector_count = 1;
	connection->write.done = on_written;
	if (env_stream_write(stream, &connection->write) < 0)
		close_stream(connection);
}

/* ---- Life ---- */

static void listen_on_loop(struct env_mail *mail)
{
	struct control *control = (struct control *)mail; /* the first member */
	char address[PATH_MAX + sizeof ADDRESS_PREFIX + sizeof "/control"];

	snprintf(address, sizeof address, ADDRESS_PREFIX "%s/control", control->path);
	control->result = env_listen(
		control->loop, address, on_accepted, control, &control->listener, &control->status);
	sem_post(&control->done);
}

static void stop_on_loop(struct env_mail *mail)
{
	struct control *control = (struct control *)mail;
	struct connection *connection = control->connections;

	control->is_stopping = true;
	env_listener_close(control->listener);
	for (; connection; connection = connection->next)
		close_stream(connection);
	finish_stop(control);
}

static void control_free(struct control *control)
{
	sem_destroy(&control->done);
	free(control->path);
	free(control->mount_point);
	free(control);
}

int control_start(const struct control_options *options, struct control **out, struct status *status)
{
	struct control *control = calloc(1, sizeof *control);
	int code;

	*out = NULL;
	if (!control)
		return status_set(status, -ENOMEM, "out of memory");
	control->loop = options->loop;
	control->raftkv = options->raftkv;
	control->path = strdup(options->path);
	control->mount_point = strdup(options->mount_point);
	control->started = env_now(env_loop_env(options->loop));
	sem_init(&control->done, 0, 0);
	if (control->path && control->mount_point) {
		env_post(control->loop, &control->mail, listen_on_loop);
		sem_wait(&control->done);
		code = control->result;
		if (code < 0 && status)
			*status = control->status;
	} else {
		code = status_set(status, -ENOMEM, "out of memory");
	}
	if (code < 0)
		control_free(control);
	else
		*out = control;
	return code;
}

void control_stop(struct control *control)
{
	if (!control)
		return;
	env_post(control->loop, &control->mail, stop_on_loop);
	sem_wait(&control->done);
	control_free(control);
}
