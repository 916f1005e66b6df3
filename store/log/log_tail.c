#include "store/log/log_tail.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/plant.h"
#include "store/log/log_tail_file.h"

#define PENDING_MAX	    65536u
#define PENDING_PAYLOAD_MAX (8ull << 20) /* bytes of the writes' payloads, which stay in memory meanwhile */

/* A record whose place is in use. */
struct place {
	uint64_t offset;
	uint64_t size;
	uint64_t payload_size; /* of the write */
	bool is_durable;
};

struct log_tail {
	struct env *env;
	const struct logger *logger;
	struct env_file *file;
	char *path;
	uint64_t size; /* of the file */
	uint64_t epoch;
	pthread_mutex_t lock; /* guards all below */
	uint64_t durable; /* the log has all records up to this number */
	uint64_t last; /* number of the newest record */
	uint64_t end; /* offset behind the newest record */
	struct place *places; /* that of number n at n % PENDING_MAX */
	uint8_t *buffer;
	uint64_t buffer_size;
	uint64_t pending_size; /* bytes */
	uint64_t pending_payload_size;
	uint32_t holds;
	bool is_off;
	void (*awaited)(void *argument); /* may be NULL */
	void *awaited_argument;
	struct log_tail_wait *first_wait; /* in the order of their numbers */
	struct log_tail_wait *last_wait;
};

/* ---- Places ----------------------------------------------------------------------------------------------------- */

static struct place *place_of(struct log_tail *tail, uint64_t number)
{
	return &tail->places[number % PENDING_MAX];
}

/* Where `size` bytes fit, in a circle behind the oldest record in use. False: nowhere. */
static bool find_place(struct log_tail *tail, uint64_t size, uint64_t *offset)
{
	uint64_t oldest = place_of(tail, tail->durable + 1)->offset;

	if (tail->last == tail->durable) {
		*offset = LOG_TAIL_HEADER_SIZE;
		return size <= tail->size - LOG_TAIL_HEADER_SIZE;
	}
	if (tail->last - tail->durable == PENDING_MAX)
		return false;
	*offset = tail->end;
	if (tail->end > oldest && size <= tail->size - tail->end)
		return true;
	if (tail->end > oldest)
		*offset = LOG_TAIL_HEADER_SIZE;
	return *offset + size <= oldest;
}

static int grow_buffer(struct log_tail *tail, uint64_t size)
{
	uint8_t *buffer;

	if (size <= tail->buffer_size)
		return 0;
	buffer = realloc(tail->buffer, size);
	if (!buffer)
		return -ENOMEM;
	tail->buffer = buffer;
	tail->buffer_size = size;
	return 0;
}

static uint64_t payload_size_of(const struct log_write *write)
{
	uint64_t size = 0;

	for (size_t i = 0; i < write->entry_count; i++)
		size += write->entries[i].payload_size;
	return size;
}

static void turn_off(struct log_tail *tail, int status)
{
	tail->is_off = true;
	log_warn(tail->logger,
		"msg=\"changes are answered once they are durable from now on\" file=\"%s\" reason=\"%s\"",
		tail->path, status_name(status));
}

static uint64_t put(struct log_tail *tail, const struct log_write *write)
{
	uint64_t size = log_tail_record_size(write), payload_size = payload_size_of(write), offset;
	int status;

	if (tail->is_off || tail->holds > 0 || size > UINT32_MAX ||
		tail->pending_payload_size + payload_size > PENDING_PAYLOAD_MAX ||
		!find_place(tail, size, &offset))
		return 0;
	status = grow_buffer(tail, size);
	if (status == 0) {
		log_tail_record_encode(tail->buffer, size, write, tail->last + 1, tail->durable, tail->epoch);
		status = env_file_write(tail->file, offset, tail->buffer, size);
	}
	if (status < 0) {
		turn_off(tail, status);
		return 0;
	}
	tail->last++;
	tail->end = offset + size;
	tail->pending_size += size;
	tail->pending_payload_size += payload_size;
	*place_of(tail, tail->last) =
		(struct place){.offset = offset, .size = size, .payload_size = payload_size};
	return tail->last;
}

uint64_t log_tail_put(struct log_tail *tail, const struct log_write *write)
{
	uint64_t number;

	pthread_mutex_lock(&tail->lock);
	number = put(tail, write);
	pthread_mutex_unlock(&tail->lock);
	return number;
}

/* ---- Waiting ---------------------------------------------------------------------------------------------------- */

static void on_awaited(struct env_mail *mail)
{
	struct log_tail_wait *wait = (struct log_tail_wait *)mail; /* the first member */

	wait->done(wait);
}

/* Under the lock, so that a hold and a put are in one order. */
static void tell_waits(struct log_tail *tail)
{
	while (tail->first_wait && tail->first_wait->number <= tail->durable) {
		struct log_tail_wait *wait = tail->first_wait;

		tail->first_wait = wait->next;
		env_post(wait->loop, &wait->mail, on_awaited);
	}
	if (!tail->first_wait)
		tail->last_wait = NULL;
}

static void add_wait(struct log_tail *tail, struct log_tail_wait *wait)
{
	wait->number = tail->last;
	wait->next = NULL;
	if (tail->last_wait)
		tail->last_wait->next = wait;
	else
		tail->first_wait = wait;
	tail->last_wait = wait;
	tell_waits(tail);
}

void log_tail_settle(struct log_tail *tail, uint64_t number)
{
	pthread_mutex_lock(&tail->lock);
	check(number > tail->durable && number <= tail->last);
	place_of(tail, number)->is_durable = true;
	while (tail->durable < tail->last && place_of(tail, tail->durable + 1)->is_durable) {
		tail->durable++;
		tail->pending_size -= place_of(tail, tail->durable)->size;
		tail->pending_payload_size -= place_of(tail, tail->durable)->payload_size;
	}
	tell_waits(tail);
	pthread_mutex_unlock(&tail->lock);
}

void log_tail_set_awaited(struct log_tail *tail, void (*awaited)(void *argument), void *argument)
{
	tail->awaited = awaited;
	tail->awaited_argument = argument;
}

static void tell_awaited(const struct log_tail *tail)
{
	if (tail->awaited)
		tail->awaited(tail->awaited_argument);
}

bool log_tail_await(struct log_tail *tail, struct log_tail_wait *wait)
{
	bool is_pending;

	PLANT("early:not_awaited", return false);
	pthread_mutex_lock(&tail->lock);
	is_pending = tail->last > tail->durable;
	if (is_pending)
		add_wait(tail, wait);
	pthread_mutex_unlock(&tail->lock);
	if (is_pending)
		tell_awaited(tail);
	return is_pending;
}

void log_tail_hold(struct log_tail *tail, struct log_tail_wait *wait)
{
	pthread_mutex_lock(&tail->lock);
	tail->holds++;
	add_wait(tail, wait);
	pthread_mutex_unlock(&tail->lock);
	tell_awaited(tail);
}

void log_tail_resume(struct log_tail *tail)
{
	pthread_mutex_lock(&tail->lock);
	check(tail->holds > 0);
	tail->holds--;
	pthread_mutex_unlock(&tail->lock);
}

void log_tail_stats(struct log_tail *tail, struct log_tail_stats *stats)
{
	pthread_mutex_lock(&tail->lock);
	*stats = (struct log_tail_stats){.taken = tail->last,
		.pending = tail->last - tail->durable,
		.pending_size = tail->pending_size};
	pthread_mutex_unlock(&tail->lock);
}

/* ---- Life ------------------------------------------------------------------------------------------------------- */

static struct log_tail *tail_new(const struct log_tail_options *options)
{
	struct log_tail *tail = calloc(1, sizeof *tail);

	if (!tail)
		return NULL;
	tail->env = options->env;
	tail->logger = options->logger;
	tail->size = options->size;
	tail->path = strdup(options->path);
	tail->places = calloc(PENDING_MAX, sizeof *tail->places);
	env_random(options->env, &tail->epoch, sizeof tail->epoch);
	if (!tail->path || !tail->places || pthread_mutex_init(&tail->lock, NULL) != 0) {
		free(tail->path);
		free(tail->places);
		free(tail);
		return NULL;
	}
	return tail;
}

static void tail_free(struct log_tail *tail)
{
	pthread_mutex_destroy(&tail->lock);
	free(tail->buffer);
	free(tail->places);
	free(tail->path);
	free(tail);
}

int log_tail_open(const struct log_tail_options *options, struct log_tail **out, struct status *status)
{
	struct log_tail *tail = tail_new(options);
	int code;

	*out = NULL;
	if (!tail)
		return status_set(status, -ENOMEM, "out of memory");
	code = log_tail_file_make(tail->env, tail->path, tail->size, tail->epoch, &tail->file);
	if (code < 0) {
		tail_free(tail);
		return status_set(status, code, "%s cannot be made: %s", options->path, status_name(code));
	}
	*out = tail;
	return 0;
}

void log_tail_close(struct log_tail *tail)
{
	if (!tail)
		return;
	check(!tail->first_wait);
	env_file_close(tail->file);
	if (tail->durable == tail->last)
		log_tail_remove(tail->env, tail->path);
	tail_free(tail);
}
