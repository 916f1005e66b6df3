#include "fs/inodes/write_back.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "fs/client/answers.h"
#include "fs/inodes/dirty_file.h"
#include "proto/check.h"
#include "proto/container.h"

#define FILE_SIZE_DEFAULT  UINT64_C(16777216)
#define MOUNT_SIZE_DEFAULT UINT64_C(67108864)
#define AGE_DEFAULT_NS	   UINT64_C(1000000000)
#define RECENT_DEFAULT	   1024u

struct write_back {
	struct write_back_options options;
	pthread_mutex_t mutex;
	struct dirty_file *files;
	_Atomic uint64_t size; /* bytes; written under the mutex */
	uint64_t sequence;
	struct answers answers;
	struct write_back_waiter *room_waiters;
	struct write_back_waiter *stop_waiter;
	struct env_timer timer;
	struct env_mail arm;
	bool is_timer_set; /* or a mail that sets it is in flight */
	bool is_stopping;
};

int write_back_new(const struct write_back_options *options, struct write_back **out)
{
	struct write_back *write_back = calloc(1, sizeof *write_back);

	if (!write_back)
		return -ENOMEM;
	write_back->options = *options;
	if (!options->file_size_max)
		write_back->options.file_size_max = FILE_SIZE_DEFAULT;
	if (!options->mount_size_max)
		write_back->options.mount_size_max = MOUNT_SIZE_DEFAULT;
	if (!options->age_max_ns)
		write_back->options.age_max_ns = AGE_DEFAULT_NS;
	answers_init(&write_back->answers, options->recent_max ? options->recent_max : RECENT_DEFAULT);
	pthread_mutex_init(&write_back->mutex, NULL);
	*out = write_back;
	return 0;
}

void write_back_free(struct write_back *write_back)
{
	if (!write_back)
		return;
	check(!write_back->files);
	answers_close(&write_back->answers);
	pthread_mutex_destroy(&write_back->mutex);
	free(write_back);
}

static struct env *env_of(const struct write_back *write_back)
{
	return env_loop_env(write_back->options.loop);
}

static void wake_all(struct write_back_waiter *list)
{
	while (list) {
		struct write_back_waiter *next = list->next;

		env_post(list->loop, &list->mail, list->wake);
		list = next;
	}
}

/* ---- Files; all under the mutex ---- */

static struct dirty_file *write_back_find(struct write_back *write_back, uint64_t ino)
{
	struct dirty_file *file;

	HASH_FIND(hh, write_back->files, &ino, sizeof ino, file);
	return file;
}

static struct dirty_file *write_back_find_or_add(struct write_back *write_back, uint64_t ino)
{
	struct dirty_file *file = write_back_find(write_back, ino);

	if (file)
		return file;
	file = calloc(1, sizeof *file);
	if (!file)
		return NULL;
	file->ino = ino;
	file->oldest_ns = env_now(env_of(write_back));
	HASH_ADD(hh, write_back->files, ino, sizeof file->ino, file);
	return file;
}

static void write_back_drop_if_empty(struct write_back *write_back, struct dirty_file *file)
{
	if (file->first || file->waiters)
		return;
	HASH_DEL(write_back->files, file);
	free(file);
}

/* Closes the file's last chunk, and appends the chunks that can be sent now to a list. Returns the list's new end. */
static struct dirty_chunk **write_back_take(struct dirty_file *file, struct dirty_chunk **end)
{
	dirty_file_close(file);
	*end = dirty_file_take_ready(file);
	while (*end)
		end = &(*end)->next_to_send;
	return end;
}

/* The chunks of all files that can be sent now. */
static struct dirty_chunk *write_back_take_all(struct write_back *write_back)
{
	struct dirty_chunk *list = NULL, **end = &list;
	struct dirty_file *file, *next;

	HASH_ITER (hh, write_back->files, file, next)
		end = write_back_take(file, end);
	return list;
}

/* ---- Sending ---- */

static void send_list(struct write_back *write_back, struct dirty_chunk *list, struct env_loop *loop);

static void on_chunk_written(struct client_call *call, int error, const struct op_reply *reply)
{
	struct dirty_chunk *chunk = container_of(call, struct dirty_chunk, call);
	struct write_back *write_back = chunk->write_back;
	struct write_back_waiter *satisfied, *room, *stopped = NULL;
	struct dirty_file *file = chunk->file;
	uint64_t ino = file->ino;
	struct dirty_chunk *ready;

	if (write_back->options.answered)
		write_back->options.answered(write_back->options.argument, ino,
			!error && reply->has_attributes ? &reply->attributes : NULL);
	if (error)
		write_back->options.failed(write_back->options.argument, ino, error);
	pthread_mutex_lock(&write_back->mutex);
	if (error)
		dirty_file_fail(file, chunk, error);
	if (!error && reply->has_attributes)
		answers_note(&write_back->answers, &reply->attributes);
	dirty_file_remove(file, chunk);
	write_back->size -= chunk->size;
	ready = dirty_file_take_ready(file);
	satisfied = dirty_file_take_satisfied(file);
	room = write_back->room_waiters;
	write_back->room_waiters = NULL;
	write_back_drop_if_empty(write_back, file);
	if (!write_back->files) {
		stopped = write_back->stop_waiter;
		write_back->stop_waiter = NULL;
	}
	pthread_mutex_unlock(&write_back->mutex);
	if (error && write_back->options.dropped)
		write_back->options.dropped(write_back->options.argument, ino);
	send_list(write_back, ready, chunk->call.loop);
	free(chunk);
	wake_all(satisfied);
	wake_all(room);
	wake_all(stopped);
}

static void send_chunk(struct write_back *write_back, struct dirty_chunk *chunk, struct env_loop *loop)
{
	const struct write_back_options *options = &write_back->options;
	const struct op op = {
		.kind = OP_WRITE,
		.write = {.ino = chunk->file->ino,
			.offset = chunk->offset,
			.flags = chunk->flags | OP_WRITE_TIME,
			.time = chunk->time},
	};
	struct buf *payload = buf_wrap(chunk->bytes, chunk->size, free, chunk->bytes);
	int result = -ENOMEM;

	if (options->sending)
		options->sending(options->argument, chunk->file->ino);
	chunk->write_back = write_back;
	chunk->call.loop = loop;
	chunk->call.done = on_chunk_written;
	if (payload)
		result = client_call(options->client, &chunk->call, &op, payload);
	else
		free(chunk->bytes);
	buf_unref(payload);
	if (result < 0)
		on_chunk_written(&chunk->call, result, NULL);
}

static void send_list(struct write_back *write_back, struct dirty_chunk *list, struct env_loop *loop)
{
	while (list) {
		struct dirty_chunk *next = list->next_to_send;

		send_chunk(write_back, list, loop);
		list = next;
	}
}

/* ---- Age ---- */

static void on_write_back_timer(struct env_timer *timer);

static void arm_timer(struct env_mail *mail)
{
	struct write_back *write_back = container_of(mail, struct write_back, arm);

	if (write_back->is_stopping)
		return;
	env_timer_start(&write_back->timer, write_back->options.loop,
		env_now(env_of(write_back)) + write_back->options.age_max_ns / 2, on_write_back_timer);
}

static void on_write_back_timer(struct env_timer *timer)
{
	struct write_back *write_back = container_of(timer, struct write_back, timer);
	uint64_t now = env_now(env_of(write_back));
	struct dirty_chunk *list = NULL, **end = &list;
	struct dirty_file *file, *next;

	pthread_mutex_lock(&write_back->mutex);
	HASH_ITER (hh, write_back->files, file, next) {
		if (now - file->oldest_ns < write_back->options.age_max_ns / 2)
			continue;
		file->oldest_ns = now;
		end = write_back_take(file, end);
	}
	write_back->is_timer_set = write_back->files != NULL;
	if (write_back->is_timer_set)
		arm_timer(&write_back->arm);
	pthread_mutex_unlock(&write_back->mutex);
	send_list(write_back, list, write_back->options.loop);
}

/* ---- Adding and flushing ---- */

/* The time of a write: now, or the last write's time if the clock was set back since. */
static struct fs_time write_time(struct write_back *write_back, const struct dirty_file *file)
{
	uint64_t wall = env_wall(env_of(write_back));
	struct fs_time now = {
		.seconds = (int64_t)(wall / 1000000000), .nanoseconds = (uint32_t)(wall % 1000000000)};

	return file->last && fs_time_is_before(&now, &file->last->time) ? file->last->time : now;
}

/* Under the mutex. */
static int take_data(struct write_back *write_back, struct dirty_file *file, const struct dirty_write *write)
{
	uint64_t before = file->size;
	int result = dirty_file_add(file, write, &write_back->sequence);

	write_back->size += file->size - before;
	return result;
}

/* True: there is no room, and `*ready` are the chunks that make room when they are sent. Under the mutex. */
static bool is_full(
	struct write_back *write_back, struct dirty_file *file, size_t size, struct dirty_chunk **ready)
{
	if (file->size > 0 && file->size + size > write_back->options.file_size_max) {
		dirty_file_close(file);
		*ready = dirty_file_take_ready(file);
		return true;
	}
	if (write_back->size > 0 && write_back->size + size > write_back->options.mount_size_max) {
		*ready = write_back_take_all(write_back);
		return true;
	}
	return false;
}

int write_back_add(struct write_back *write_back, struct env_loop *loop, uint64_t ino, uint64_t offset,
	const void *data, size_t size, uint32_t flags, struct write_back_waiter *waiter)
{
	struct dirty_write write = {.offset = offset, .data = data, .size = size, .flags = flags};
	struct dirty_chunk *ready = NULL;
	bool must_arm = false;
	int result = -ENOMEM;
	struct dirty_file *file;

	pthread_mutex_lock(&write_back->mutex);
	file = write_back_find_or_add(write_back, ino);
	if (file && is_full(write_back, file, size, &ready)) {
		waiter->next = write_back->room_waiters;
		write_back->room_waiters = waiter;
		result = -EAGAIN;
	} else if (file) {
		if (!file->first)
			file->oldest_ns = env_now(env_of(write_back));
		write.time = write_time(write_back, file);
		result = take_data(write_back, file, &write);
		ready = dirty_file_take_ready(file);
		must_arm = !write_back->is_timer_set;
		write_back->is_timer_set = true;
	}
	if (file)
		write_back_drop_if_empty(write_back, file);
	pthread_mutex_unlock(&write_back->mutex);
	send_list(write_back, ready, loop);
	if (must_arm)
		env_post(write_back->options.loop, &write_back->arm, arm_timer);
	return result;
}

/* True: there is nothing to wait for. Under the mutex. */
static bool flush_file(struct dirty_file *file, const struct write_back_waiter *wanted,
	struct write_back_waiter *waiter, struct dirty_chunk **ready)
{
	const struct dirty_chunk *last = dirty_file_awaited(file, wanted);

	if (!last)
		return true;
	if (last == file->last)
		dirty_file_close(file);
	*ready = dirty_file_take_ready(file);
	if (waiter) {
		waiter->sequence = last->sequence; /* later chunks in the range are not waited for */
		waiter->offset = wanted->offset;
		waiter->end = wanted->end;
		waiter->error = 0;
		waiter->next = file->waiters;
		file->waiters = waiter;
	}
	return false;
}

bool write_back_flush_range(struct write_back *write_back, struct env_loop *loop, uint64_t ino,
	uint64_t offset, uint64_t size, struct write_back_waiter *waiter, uint64_t *end)
{
	struct write_back_waiter wanted = {
		.sequence = UINT64_MAX,
		.offset = offset,
		.end = size > UINT64_MAX - offset ? UINT64_MAX : offset + size,
	};
	struct dirty_chunk *ready = NULL;
	bool is_done = true;
	struct dirty_file *file;

	*end = 0;
	if (write_back_is_clean(write_back))
		return true;
	pthread_mutex_lock(&write_back->mutex);
	file = write_back_find(write_back, ino);
	if (file) {
		*end = dirty_file_end(file);
		is_done = flush_file(file, &wanted, waiter, &ready);
	}
	pthread_mutex_unlock(&write_back->mutex);
	send_list(write_back, ready, loop);
	return is_done;
}

bool write_back_flush(
	struct write_back *write_back, struct env_loop *loop, uint64_t ino, struct write_back_waiter *waiter)
{
	uint64_t end;

	return write_back_flush_range(write_back, loop, ino, 0, UINT64_MAX, waiter, &end);
}

static bool take_out(struct write_back_waiter **list, const struct write_back_waiter *waiter)
{
	for (struct write_back_waiter **link = list; *link; link = &(*link)->next) {
		if (*link != waiter)
			continue;
		*link = waiter->next;
		return true;
	}
	return false;
}

bool write_back_stop_waiting(struct write_back *write_back, struct write_back_waiter *waiter)
{
	struct dirty_file *file, *next;
	bool is_out;

	pthread_mutex_lock(&write_back->mutex);
	is_out = take_out(&write_back->room_waiters, waiter);
	HASH_ITER (hh, write_back->files, file, next)
		is_out = is_out || take_out(&file->waiters, waiter);
	pthread_mutex_unlock(&write_back->mutex);
	return is_out;
}

bool write_back_is_clean(struct write_back *write_back)
{
	return atomic_load_explicit(&write_back->size, memory_order_acquire) == 0;
}

bool write_back_stop(struct write_back *write_back, struct write_back_waiter *waiter)
{
	struct dirty_chunk *list;
	bool is_clean;

	env_timer_stop(&write_back->timer);
	pthread_mutex_lock(&write_back->mutex);
	write_back->is_stopping = true;
	list = write_back_take_all(write_back);
	is_clean = !write_back->files;
	if (!is_clean) {
		waiter->next = NULL;
		write_back->stop_waiter = waiter;
	}
	pthread_mutex_unlock(&write_back->mutex);
	send_list(write_back, list, write_back->options.loop);
	return is_clean;
}

void write_back_each(struct write_back *write_back, void (*each)(void *argument, uint64_t ino, uint64_t size),
	void *argument)
{
	const struct dirty_file *file, *next;

	pthread_mutex_lock(&write_back->mutex);
	HASH_ITER (hh, write_back->files, file, next)
		each(argument, file->ino, file->size);
	pthread_mutex_unlock(&write_back->mutex);
}

/* ---- Attributes ---- */

uint64_t write_back_moment(struct write_back *write_back)
{
	return answers_count(&write_back->answers);
}

bool write_back_lay_over(struct write_back *write_back, uint64_t moment, struct attributes *attributes,
	struct attributes *shown)
{
	const struct dirty_file *file;
	bool is_known;

	*shown = *attributes;
	if (write_back_is_clean(write_back) && write_back_moment(write_back) == moment)
		return true;
	pthread_mutex_lock(&write_back->mutex);
	is_known = answers_update(&write_back->answers, moment, attributes);
	*shown = *attributes;
	file = write_back_find(write_back, attributes->ino);
	if (file)
		dirty_file_lay_over(file, shown);
	pthread_mutex_unlock(&write_back->mutex);
	return is_known;
}
