#include "fs/vfs/write_back.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "fs/client/answers.h"
#include "proto/check.h"
#include "proto/container.h"
#include "proto/plant.h"

#define CHUNK_SIZE_MAX	   OP_WRITE_SIZE_MAX
#define CHUNK_SIZE_FIRST   16384u
#define IN_FLIGHT_MAX	   8u /* operations of one file */
#define PAGE		   4096u
#define FILE_SIZE_DEFAULT  UINT64_C(16777216)
#define MOUNT_SIZE_DEFAULT UINT64_C(67108864)
#define AGE_DEFAULT_NS	   UINT64_C(1000000000)
#define RECENT_DEFAULT	   1024u

/* Bytes that become one operation. While it is open, neighbouring writes may still join. */
struct chunk {
	struct client_call call;
	struct write_back *write_back;
	struct file *file;
	struct chunk *next; /* of the file, in order of arrival */
	struct chunk *next_to_send;
	uint64_t sequence;
	uint64_t offset;
	size_t size;
	size_t capacity;
	uint8_t *bytes; /* PAGE-aligned; the payload's once it is sent */
	uint32_t flags;
	struct fs_time time; /* of the last write in it */
	bool is_open;
	bool is_sent;
};

struct file {
	uint64_t ino;
	struct chunk *first;
	struct chunk *last;
	uint64_t size; /* bytes, sent ones too */
	uint64_t oldest_ns; /* when the first byte of what is here came */
	unsigned in_flight;
	struct write_back_waiter *waiters;
	UT_hash_handle hh;
};

struct write_back {
	struct write_back_options options;
	pthread_mutex_t mutex;
	struct file *files;
	_Atomic uint64_t size; /* bytes; written under the mutex */
	uint64_t sequence;
	struct answers answers;
	struct write_back_waiter *room_waiters;
	struct write_back_waiter *stop_waiter;
	struct env_timer timer;
	struct env_mail arm;
	bool is_timer_set; /* or about to be */
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

/* ---- Files and chunks; all under the mutex ---- */

static struct file *file_find(struct write_back *write_back, uint64_t ino)
{
	struct file *file;

	HASH_FIND(hh, write_back->files, &ino, sizeof ino, file);
	return file;
}

static struct file *file_get(struct write_back *write_back, uint64_t ino)
{
	struct file *file = file_find(write_back, ino);

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

static void file_drop_if_empty(struct write_back *write_back, struct file *file)
{
	if (file->first || file->waiters)
		return;
	HASH_DEL(write_back->files, file);
	free(file);
}

static int chunk_grow(struct chunk *chunk, size_t size)
{
	size_t capacity = chunk->capacity ? chunk->capacity : CHUNK_SIZE_FIRST;
	uint8_t *bytes;

	if (size <= chunk->capacity)
		return 0;
	while (capacity < size)
		capacity *= 2;
	bytes = aligned_alloc(PAGE, capacity);
	if (!bytes)
		return -ENOMEM;
	if (chunk->size > 0)
		memcpy(bytes, chunk->bytes, chunk->size);
	free(chunk->bytes);
	chunk->bytes = bytes;
	chunk->capacity = capacity;
	return 0;
}

static struct chunk *chunk_add(struct write_back *write_back, struct file *file, uint64_t offset)
{
	struct chunk *chunk = calloc(1, sizeof *chunk);

	if (!chunk)
		return NULL;
	chunk->write_back = write_back;
	chunk->file = file;
	chunk->offset = offset;
	chunk->sequence = ++write_back->sequence;
	chunk->is_open = true;
	if (file->last)
		file->last->next = chunk;
	else
		file->first = chunk;
	file->last = chunk;
	return chunk;
}

static void chunk_remove(struct file *file, struct chunk *chunk)
{
	struct chunk **link = &file->first;
	struct chunk *before = NULL;

	while (*link != chunk) {
		before = *link;
		link = &before->next;
	}
	*link = chunk->next;
	if (file->last == chunk)
		file->last = before;
}

/* How many bytes of a write at `offset` can join the open chunk: it overwrites or continues it, up to the next
 * boundary of CHUNK_SIZE_MAX in the file, so that operations lie on whole units. */
static size_t room_in(const struct chunk *chunk, uint64_t offset)
{
	uint64_t end = (chunk->offset / CHUNK_SIZE_MAX + 1) * CHUNK_SIZE_MAX;

	if (!chunk->is_open || offset < chunk->offset || offset > chunk->offset + chunk->size ||
		offset >= end)
		return 0;
	return (size_t)(end - offset);
}

static uint64_t end_of(const struct chunk *chunk)
{
	return chunk->offset + chunk->size;
}

static bool overlaps(const struct chunk *a, const struct chunk *b)
{
	return a->offset < end_of(b) && b->offset < end_of(a);
}

/* May it go? Not while something older that it overlaps is here: operations may be evaluated in any order. */
static bool may_send(const struct file *file, const struct chunk *chunk)
{
	for (const struct chunk *older = file->first; older != chunk; older = older->next)
		if (overlaps(older, chunk))
			return false;
	return true;
}

/* Only the last chunk is open: all that came so far is to go. */
static void close_chunk(struct file *file)
{
	if (file->last)
		file->last->is_open = false;
}

/* Takes out the chunks to send now. The list is sent without the mutex. */
static struct chunk *take_ready(struct file *file)
{
	struct chunk *list = NULL, **end = &list;

	for (struct chunk *chunk = file->first; chunk && file->in_flight < IN_FLIGHT_MAX;
		chunk = chunk->next) {
		if (chunk->is_sent || chunk->is_open || !may_send(file, chunk))
			continue;
		chunk->is_sent = true;
		chunk->next_to_send = NULL;
		file->in_flight++;
		*end = chunk;
		end = &chunk->next_to_send;
	}
	return list;
}

/* ---- Sending ---- */

static void send_list(struct chunk *list, struct env_loop *loop);

static bool waits_for(const struct write_back_waiter *waiter, const struct chunk *chunk)
{
	return chunk->sequence <= waiter->sequence && chunk->offset < waiter->end &&
	       waiter->offset < end_of(chunk);
}

/* The last chunk that somebody waits for; NULL: none. */
static const struct chunk *awaited(const struct file *file, const struct write_back_waiter *waiter)
{
	const struct chunk *last = NULL;

	for (const struct chunk *chunk = file->first; chunk; chunk = chunk->next)
		if (waits_for(waiter, chunk))
			last = chunk;
	return last;
}

/* Waiters whose data is all gone from the file. */
static struct write_back_waiter *take_satisfied(struct file *file)
{
	struct write_back_waiter *list = NULL, **link = &file->waiters;

	while (*link) {
		struct write_back_waiter *waiter = *link;

		if (awaited(file, waiter)) {
			link = &waiter->next;
			continue;
		}
		*link = waiter->next;
		waiter->next = list;
		list = waiter;
	}
	return list;
}

/* Those who wait for a chunk that could not be written. */
static void tell_waiters(struct file *file, const struct chunk *chunk, int error)
{
	if (planted("fs:waiter_not_told"))
		return;
	for (struct write_back_waiter *waiter = file->waiters; waiter; waiter = waiter->next)
		if (waits_for(waiter, chunk))
			waiter->error = error;
}

static void on_written(struct client_call *call, int error, const struct op_reply *reply)
{
	struct chunk *chunk = container_of(call, struct chunk, call);
	struct write_back *write_back = chunk->write_back;
	struct write_back_waiter *satisfied, *room, *stopped = NULL;
	struct file *file = chunk->file;
	uint64_t ino = file->ino;
	struct chunk *ready;

	if (write_back->options.answered)
		write_back->options.answered(write_back->options.argument, ino,
			!error && reply->has_attributes ? &reply->attributes : NULL);
	if (error)
		write_back->options.failed(write_back->options.argument, ino, error);
	pthread_mutex_lock(&write_back->mutex);
	if (error)
		tell_waiters(file, chunk, error);
	if (!error && reply->has_attributes)
		answers_note(&write_back->answers, &reply->attributes);
	chunk_remove(file, chunk);
	file->in_flight--;
	file->size -= chunk->size;
	write_back->size -= chunk->size;
	ready = take_ready(file);
	satisfied = take_satisfied(file);
	room = write_back->room_waiters;
	write_back->room_waiters = NULL;
	file_drop_if_empty(write_back, file);
	if (!write_back->files) {
		stopped = write_back->stop_waiter;
		write_back->stop_waiter = NULL;
	}
	pthread_mutex_unlock(&write_back->mutex);
	if (error && write_back->options.dropped)
		write_back->options.dropped(write_back->options.argument, ino);
	send_list(ready, chunk->call.loop);
	free(chunk);
	wake_all(satisfied);
	wake_all(room);
	wake_all(stopped);
}

static void send_chunk(struct chunk *chunk, struct env_loop *loop)
{
	const struct op op = {
		.kind = OP_WRITE,
		.write = {.ino = chunk->file->ino,
			.offset = chunk->offset,
			.flags = chunk->flags | OP_WRITE_TIME,
			.time = chunk->time},
	};
	struct buf *payload = buf_wrap(chunk->bytes, chunk->size, free, chunk->bytes);
	int result = -ENOMEM;

	if (chunk->write_back->options.sending)
		chunk->write_back->options.sending(chunk->write_back->options.argument, chunk->file->ino);
	chunk->call.loop = loop;
	chunk->call.done = on_written;
	if (payload)
		result = client_call(chunk->write_back->options.client, &chunk->call, &op, payload);
	else
		free(chunk->bytes);
	buf_unref(payload);
	if (result < 0)
		on_written(&chunk->call, result, NULL);
}

static void send_list(struct chunk *list, struct env_loop *loop)
{
	while (list) {
		struct chunk *next = list->next_to_send;

		send_chunk(list, loop);
		list = next;
	}
}

/* ---- Age ---- */

static void on_timer(struct env_timer *timer);

static void arm_timer(struct env_mail *mail)
{
	struct write_back *write_back = container_of(mail, struct write_back, arm);

	if (write_back->is_stopping)
		return;
	env_timer_start(&write_back->timer, write_back->options.loop,
		env_now(env_of(write_back)) + write_back->options.age_max_ns / 2, on_timer);
}

static void on_timer(struct env_timer *timer)
{
	struct write_back *write_back = container_of(timer, struct write_back, timer);
	uint64_t now = env_now(env_of(write_back));
	struct chunk *list = NULL, **end = &list;
	struct file *file, *next;

	pthread_mutex_lock(&write_back->mutex);
	HASH_ITER (hh, write_back->files, file, next) {
		if (now - file->oldest_ns < write_back->options.age_max_ns / 2)
			continue;
		file->oldest_ns = now;
		close_chunk(file);
		*end = take_ready(file);
		while (*end)
			end = &(*end)->next_to_send;
	}
	write_back->is_timer_set = write_back->files != NULL;
	if (write_back->is_timer_set)
		arm_timer(&write_back->arm);
	pthread_mutex_unlock(&write_back->mutex);
	send_list(list, write_back->options.loop);
}

/* ---- What others call ---- */

/* What of every file may go now. Under the mutex. */
static struct chunk *take_all(struct write_back *write_back)
{
	struct chunk *list = NULL, **end = &list;
	struct file *file, *next;

	HASH_ITER (hh, write_back->files, file, next) {
		close_chunk(file);
		*end = take_ready(file);
		while (*end)
			end = &(*end)->next_to_send;
	}
	return list;
}

/* Now, unless the clock was set back since the write before. */
static struct fs_time write_time(struct write_back *write_back, const struct file *file)
{
	uint64_t wall = env_wall(env_of(write_back));
	struct fs_time now = {
		.seconds = (int64_t)(wall / 1000000000), .nanoseconds = (uint32_t)(wall % 1000000000)};

	return file->last && fs_time_is_before(&now, &file->last->time) ? file->last->time : now;
}

/* Joins the data to the last chunk or begins new ones. Under the mutex. */
static int take_data(struct write_back *write_back, struct file *file, uint64_t offset, const uint8_t *data,
	size_t size, uint32_t flags)
{
	struct fs_time time = write_time(write_back, file);

	while (size > 0) {
		struct chunk *chunk = file->last;
		size_t part = chunk ? room_in(chunk, offset) : 0;
		size_t at, end;

		if (part == 0) {
			if (chunk)
				chunk->is_open = false;
			chunk = chunk_add(write_back, file, offset);
			if (!chunk)
				return -ENOMEM;
			part = room_in(chunk, offset);
		}
		part = part < size ? part : size;
		at = (size_t)(offset - chunk->offset);
		end = at + part;
		if (chunk_grow(chunk, end) < 0) {
			if (chunk->size == 0) {
				chunk_remove(file, chunk);
				free(chunk);
			}
			return -ENOMEM;
		}
		memcpy(chunk->bytes + at, data, part);
		if (end > chunk->size) {
			file->size += end - chunk->size;
			write_back->size += end - chunk->size;
			chunk->size = end;
		}
		chunk->flags |= flags;
		chunk->time = time;
		if (room_in(chunk, chunk->offset + chunk->size) == 0)
			chunk->is_open = false;
		offset += part;
		data += part;
		size -= part;
	}
	return 0;
}

/* Whether there is no room; what then makes some is taken out to be sent. Under the mutex. */
static bool is_full(struct write_back *write_back, struct file *file, size_t size, struct chunk **ready)
{
	if (file->size > 0 && file->size + size > write_back->options.file_size_max) {
		close_chunk(file);
		*ready = take_ready(file);
		return true;
	}
	if (write_back->size > 0 && write_back->size + size > write_back->options.mount_size_max) {
		*ready = take_all(write_back);
		return true;
	}
	return false;
}

int write_back_add(struct write_back *write_back, struct env_loop *loop, uint64_t ino, uint64_t offset,
	const void *data, size_t size, uint32_t flags, struct write_back_waiter *waiter)
{
	struct chunk *ready = NULL;
	bool must_arm = false;
	int result = -ENOMEM;
	struct file *file;

	pthread_mutex_lock(&write_back->mutex);
	file = file_get(write_back, ino);
	if (file && is_full(write_back, file, size, &ready)) {
		waiter->next = write_back->room_waiters;
		write_back->room_waiters = waiter;
		result = -EAGAIN;
	} else if (file) {
		if (!file->first)
			file->oldest_ns = env_now(env_of(write_back));
		result = take_data(write_back, file, offset, data, size, flags);
		ready = take_ready(file);
		must_arm = !write_back->is_timer_set;
		write_back->is_timer_set = true;
	}
	if (file)
		file_drop_if_empty(write_back, file);
	pthread_mutex_unlock(&write_back->mutex);
	send_list(ready, loop);
	if (must_arm)
		env_post(write_back->options.loop, &write_back->arm, arm_timer);
	return result;
}

static uint64_t file_end(const struct file *file)
{
	uint64_t end = 0;

	for (const struct chunk *chunk = file->first; chunk; chunk = chunk->next)
		end = end_of(chunk) > end ? end_of(chunk) : end;
	return end;
}

/* True: there is nothing to wait for. Under the mutex. */
static bool flush_file(struct file *file, const struct write_back_waiter *wanted,
	struct write_back_waiter *waiter, struct chunk **ready)
{
	const struct chunk *last = awaited(file, wanted);

	if (!last)
		return true;
	if (last == file->last)
		close_chunk(file);
	*ready = take_ready(file);
	if (waiter) {
		waiter->sequence = last->sequence; /* what comes later may grow into the range */
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
	struct chunk *ready = NULL;
	bool is_done = true;
	struct file *file;

	*end = 0;
	if (write_back_is_clean(write_back))
		return true;
	pthread_mutex_lock(&write_back->mutex);
	file = file_find(write_back, ino);
	if (file) {
		*end = file_end(file);
		is_done = flush_file(file, &wanted, waiter, &ready);
	}
	pthread_mutex_unlock(&write_back->mutex);
	send_list(ready, loop);
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
	struct file *file, *next;
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
	struct chunk *list;
	bool is_clean;

	env_timer_stop(&write_back->timer);
	pthread_mutex_lock(&write_back->mutex);
	write_back->is_stopping = true;
	list = take_all(write_back);
	is_clean = !write_back->files;
	if (!is_clean) {
		waiter->next = NULL;
		write_back->stop_waiter = waiter;
	}
	pthread_mutex_unlock(&write_back->mutex);
	send_list(list, write_back->options.loop);
	return is_clean;
}

void write_back_each(struct write_back *write_back, void (*each)(void *argument, uint64_t ino, uint64_t size),
	void *argument)
{
	const struct file *file, *next;

	pthread_mutex_lock(&write_back->mutex);
	HASH_ITER (hh, write_back->files, file, next)
		each(argument, file->ino, file->size);
	pthread_mutex_unlock(&write_back->mutex);
}

/* ---- What is seen of it ---- */

/* As eval_write will leave them; the blocks as if it overwrote nothing. Under the mutex. */
static void lay_chunk(const struct chunk *chunk, struct attributes *attributes)
{
	uint64_t end = end_of(chunk), size = end;

	if (planted("fs:buffered_end_unseen"))
		size = 0;
	if (size > attributes->size)
		attributes->size = size;
	attributes_set_written(attributes, &chunk->time);
	if (chunk->flags & OP_WRITE_KILL)
		attributes->mode = fs_mode_stripped(attributes->mode);
	attributes->blocks += (end - 1) / FS_BLOCK_SIZE - chunk->offset / FS_BLOCK_SIZE + 1;
}

static void lay_file(const struct file *file, struct attributes *attributes)
{
	uint64_t blocks = attributes->blocks, most;

	for (const struct chunk *chunk = file->first; chunk; chunk = chunk->next)
		lay_chunk(chunk, attributes);
	most = (attributes->size + FS_UNIT_SIZE - 1) / FS_UNIT_SIZE * (FS_UNIT_SIZE / FS_BLOCK_SIZE);
	if (attributes->blocks > most)
		attributes->blocks = blocks > most ? blocks : most;
}

uint64_t write_back_moment(struct write_back *write_back)
{
	return answers_count(&write_back->answers);
}

bool write_back_lay_over(struct write_back *write_back, uint64_t moment, struct attributes *attributes,
	struct attributes *shown)
{
	const struct file *file;
	bool is_known;

	*shown = *attributes;
	if (write_back_is_clean(write_back) && write_back_moment(write_back) == moment)
		return true;
	pthread_mutex_lock(&write_back->mutex);
	is_known = answers_update(&write_back->answers, moment, attributes);
	*shown = *attributes;
	file = file_find(write_back, attributes->ino);
	if (file)
		lay_file(file, shown);
	pthread_mutex_unlock(&write_back->mutex);
	return is_known;
}
