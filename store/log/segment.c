#include "store/log/segment.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/plant.h"
#include "store/log/batch.h"

#define PATH_SIZE_MAX	4096
#define ZERO_CHUNK_SIZE (1 << 20)
#define NEW_NAME	"new"

void log_segment_name(uint64_t sequence, char *name)
{
	snprintf(name, LOG_SEGMENT_NAME_SIZE, "%016" PRIx64 ".log", sequence);
}

static int path_of(const struct log_segments *segments, const char *name, char *path)
{
	int size = snprintf(path, PATH_SIZE_MAX, "%s/%s", segments->path, name);

	return size < 0 || size >= PATH_SIZE_MAX ? -ENAMETOOLONG : 0;
}

static int path_of_segment(const struct log_segments *segments, uint64_t sequence, char *path)
{
	char name[LOG_SEGMENT_NAME_SIZE];

	log_segment_name(sequence, name);
	return path_of(segments, name, path);
}

/* ---- The list --------------------------------------------------------------------------------------------------- */

int log_segments_reserve(struct log_segments *segments)
{
	size_t capacity = segments->capacity > 0 ? segments->capacity * 2 : 8;

	if (segments->count < segments->capacity)
		return 0;
	struct log_segment **items = realloc(segments->items, capacity * sizeof(*items));
	if (!items)
		return -ENOMEM;
	segments->items = items;
	segments->capacity = capacity;
	return 0;
}

void log_segments_append(struct log_segments *segments, struct log_segment *segment)
{
	check(segments->count < segments->capacity);
	check(segments->count == 0 || log_segments_last(segments) + 1 == segment->sequence);
	segments->items[segments->count++] = segment;
}

struct log_segment *log_segments_take_first(struct log_segments *segments)
{
	struct log_segment *first = segments->items[0];

	check(segments->count > 0 && first->live_size == 0 && first->readers == 0);
	segments->count--;
	memmove(segments->items, segments->items + 1, segments->count * sizeof(struct log_segment *));
	return first;
}

struct log_segment *log_segments_find(const struct log_segments *segments, uint64_t sequence)
{
	if (segments->count == 0 || sequence < segments->items[0]->sequence ||
		sequence > log_segments_last(segments))
		return NULL;
	return segments->items[sequence - segments->items[0]->sequence];
}

uint64_t log_segments_last(const struct log_segments *segments)
{
	return segments->count > 0 ? segments->items[segments->count - 1]->sequence : 0;
}

void log_segment_free(struct log_segment *segment)
{
	if (!segment)
		return;
	env_file_close(segment->file);
	free(segment);
}

/* ---- Files ------------------------------------------------------------------------------------------------------ */

static int file_open(struct log_segments *segments, const char *path, int flags, struct env_file **file)
{
	int status = -EINVAL;

	flags |= ENV_OPEN_WRITE | ENV_OPEN_DSYNC;
	PLANT("log:ack_before_sync", flags &= ~ENV_OPEN_DSYNC);
	if (!segments->refused_direct)
		status = env_file_open(segments->env, path, flags | ENV_OPEN_DIRECT, file);
	if (status == -EINVAL) {
		if (!segments->refused_direct)
			log_warn(segments->logger,
				"raft log: %s does not take O_DIRECT; writing through the page cache, slower",
				segments->path);
		segments->refused_direct = true;
		status = env_file_open(segments->env, path, flags, file);
	}
	return status;
}

static int file_zero(struct env_file *file, uint64_t size)
{
	size_t chunk_max = size < ZERO_CHUNK_SIZE ? (size_t)size : ZERO_CHUNK_SIZE;
	void *zeroes = aligned_alloc(ENV_DIRECT_ALIGNMENT, chunk_max);
	uint64_t offset = 0;
	int status = 0;

	if (!zeroes)
		return -ENOMEM;
	memset(zeroes, 0, chunk_max);
	while (offset < size && status == 0) {
		size_t chunk = size - offset < chunk_max ? (size_t)(size - offset) : chunk_max;

		status = env_file_write(file, offset, zeroes, chunk);
		offset += chunk;
	}
	free(zeroes);
	return status;
}

int log_segments_make(struct log_segments *segments, uint64_t sequence, struct log_segment **made)
{
	char temporary[PATH_SIZE_MAX], path[PATH_SIZE_MAX];
	struct log_segment *segment = calloc(1, sizeof(*segment));
	int status = segment ? 0 : -ENOMEM;

	if (status == 0)
		status = path_of(segments, NEW_NAME, temporary);
	if (status == 0)
		status = path_of_segment(segments, sequence, path);
	if (status == 0)
		status = file_open(segments, temporary, ENV_OPEN_CREATE, &segment->file);
	if (status < 0) {
		free(segment);
		return status;
	}
	segment->sequence = sequence;
	status = env_file_allocate(segment->file, 0, segments->segment_size);
	if (status == 0)
		status = file_zero(segment->file, segments->segment_size);
	if (status == 0)
		status = env_file_sync(segment->file);
	if (status == 0)
		status = env_rename(segments->env, temporary, path);
	if (status == 0)
		status = env_sync_dir(segments->env, segments->path);
	if (status < 0) {
		env_unlink(segments->env, temporary);
		log_segment_free(segment);
		return status;
	}
	*made = segment;
	return 0;
}

int log_segments_rename(struct log_segments *segments, uint64_t from, uint64_t to)
{
	char from_path[PATH_SIZE_MAX], to_path[PATH_SIZE_MAX];
	int status = path_of_segment(segments, from, from_path);

	if (status == 0)
		status = path_of_segment(segments, to, to_path);
	if (status == 0)
		status = env_rename(segments->env, from_path, to_path);
	return status < 0 ? status : env_sync_dir(segments->env, segments->path);
}

int log_segments_unlink(struct log_segments *segments, uint64_t sequence)
{
	char path[PATH_SIZE_MAX];
	int status = path_of_segment(segments, sequence, path);

	if (status == 0)
		status = env_unlink(segments->env, path);
	return status < 0 ? status : env_sync_dir(segments->env, segments->path);
}

/* ---- Opening ---------------------------------------------------------------------------------------------------- */

static bool sequence_of_name(const char *name, uint64_t *sequence)
{
	char again[LOG_SEGMENT_NAME_SIZE];

	if (sscanf(name, "%16" SCNx64 ".log", sequence) != 1)
		return false;
	log_segment_name(*sequence, again);
	return *sequence > 0 && *sequence <= LOG_SEQUENCE_MAX && strcmp(name, again) == 0;
}

/* Takes one name of the directory. Names come sorted, so sequences ascend. */
static int found(void *argument, const char *name)
{
	struct log_segments *segments = argument;
	struct log_segment *segment;
	uint64_t sequence;
	int status;

	if (!sequence_of_name(name, &sequence))
		return 0;
	status = log_segments_reserve(segments);
	if (status < 0)
		return status;
	segment = calloc(1, sizeof(*segment));
	if (!segment)
		return -ENOMEM;
	segment->sequence = sequence;
	segments->items[segments->count++] = segment;
	return 0;
}

static int open_one(struct log_segments *segments, struct log_segment *segment, struct status *status)
{
	char path[PATH_SIZE_MAX];
	uint64_t size;
	int code = path_of_segment(segments, segment->sequence, path);

	if (code == 0)
		code = file_open(segments, path, 0, &segment->file);
	if (code == 0)
		code = env_file_size(segment->file, &size);
	if (code < 0)
		return status_set(status, code, "raft log: cannot open %s: %s", path, status_name(code));
	if (segment == segments->items[0])
		segments->segment_size = size;
	if (size != segments->segment_size || size % LOG_BLOCK_SIZE != 0 || size < 2 * LOG_BLOCK_SIZE ||
		size > UINT32_MAX)
		return status_set(status, STATUS_CORRUPT,
			"raft log: %s has %" PRIu64 " bytes, which no segment of this log has", path, size);
	return 0;
}

int log_segments_open(struct log_segments *segments, struct status *status)
{
	char path[PATH_SIZE_MAX];
	int code = env_list(segments->env, segments->path, found, segments);

	if (code == 0)
		code = path_of(segments, NEW_NAME, path);
	if (code < 0)
		return status_set(
			status, code, "raft log: cannot list %s: %s", segments->path, status_name(code));
	code = env_unlink(segments->env, path);
	if (code < 0 && code != -ENOENT)
		return status_set(status, code, "raft log: cannot remove %s: %s", path, status_name(code));
	for (size_t i = 0; i < segments->count; i++) {
		struct log_segment *segment = segments->items[i];

		if (i > 0 && segments->items[i - 1]->sequence + 1 != segment->sequence)
			return status_set(status, STATUS_CORRUPT,
				"raft log: in %s the segment before %016" PRIx64 ".log is missing",
				segments->path, segment->sequence);
		code = open_one(segments, segment, status);
		if (code < 0)
			return code;
	}
	return 0;
}

void log_segments_close(struct log_segments *segments)
{
	for (size_t i = 0; i < segments->count; i++)
		log_segment_free(segments->items[i]);
	free(segments->items);
}
