#include "store/snapshot/snapshot_stage.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/codec.h"
#include "proto/plant.h"
#include "store/disk/checksum.h"
#include "store/snapshot/snapshot_chunk.h"

#define VERSION	       1
#define FRAME_SIZE     16u /* bytes of a frame's header */
#define FRAME_SIZE_MAX (2 * SNAPSHOT_CHUNK_SIZE_MAX) /* bytes; keys may be longer than in a chunk */

enum frame_kind { FRAME_HEAD = 1, FRAME_ROWS, FRAME_END };

struct snapshot_stage {
	struct engines *engines;
	struct snapshot_position position;
	struct env_file *file;
	uint64_t size; /* bytes, of whole frames */
	uint64_t checksum; /* of the last one */
	char path[PATH_MAX];
};

/* ---- Positions -------------------------------------------------------------------------------------------------- */

int snapshot_position_encode(const struct snapshot_position *position, struct buf **bytes)
{
	struct writer writer = writer_growing(MUTATIONS_SIZE_MAX);
	struct buf *region;
	int status = region_encode(&position->region, &region);

	*bytes = NULL;
	if (status < 0)
		return status;
	writer_u8(&writer, VERSION);
	writer_u64le(&writer, position->stage);
	writer_u64le(&writer, position->replica);
	writer_u64le(&writer, position->applied.index);
	writer_u64le(&writer, position->applied.term);
	writer_slice(&writer, buf_slice(region));
	buf_unref(region);
	return writer_take(&writer, bytes);
}

int snapshot_position_decode(struct slice bytes, struct snapshot_position *position)
{
	struct reader reader = reader_of(bytes);
	uint8_t version = reader_u8(&reader);
	struct slice region;

	*position = (struct snapshot_position){0};
	position->stage = reader_u64le(&reader);
	position->replica = reader_u64le(&reader);
	position->applied.index = reader_u64le(&reader);
	position->applied.term = reader_u64le(&reader);
	region = reader_slice(&reader);
	if (version != VERSION || reader_finish(&reader) < 0)
		return STATUS_CORRUPT;
	return region_decode(region, &position->region);
}

/* ---- Files ------------------------------------------------------------------------------------------------------ */

static int make_path(struct snapshot_stage *stage)
{
	char name[32];

	snprintf(name, sizeof name, "snap/%016" PRIx64, stage->position.stage);
	return data_dir_path(&stage->engines->dir, name, stage->path);
}

static int sync_folder(struct engines *engines)
{
	char path[PATH_MAX];
	int status = data_dir_path(&engines->dir, "snap", path);

	return status < 0 ? status : env_sync_dir(engines->env, path);
}

/* Takes the position's region. */
static int allocate(
	struct engines *engines, struct snapshot_position *position, struct snapshot_stage **stage)
{
	*stage = calloc(1, sizeof **stage);
	if (!*stage)
		return -ENOMEM;
	(*stage)->engines = engines;
	(*stage)->position = *position;
	(*stage)->checksum = position->stage;
	position->region = (struct region){0};
	return make_path(*stage);
}

void snapshot_stage_close(struct snapshot_stage *stage)
{
	if (!stage)
		return;
	env_file_close(stage->file);
	region_close(&stage->position.region);
	free(stage);
}

void snapshot_stage_remove(struct snapshot_stage *stage)
{
	int status = env_unlink(stage->engines->env, stage->path);

	if (status < 0)
		log_warn(
			stage->engines->logger, "%s cannot be removed: %s", stage->path, status_name(status));
	snapshot_stage_close(stage);
}

static int remove_file(void *argument, const char *name)
{
	struct engines *engines = argument;
	char relative[NAME_MAX + 8], path[PATH_MAX];
	int status;

	snprintf(relative, sizeof relative, "snap/%s", name);
	status = data_dir_path(&engines->dir, relative, path);
	return status < 0 ? status : env_unlink(engines->env, path);
}

int snapshot_stage_remove_all(struct engines *engines)
{
	char path[PATH_MAX];
	int status = data_dir_path(&engines->dir, "snap", path);

	return status < 0 ? status : env_list(engines->env, path, remove_file, engines);
}

const struct snapshot_position *snapshot_stage_position(const struct snapshot_stage *stage)
{
	return &stage->position;
}

/* ---- Writing ---------------------------------------------------------------------------------------------------- */

static int write_frame(struct snapshot_stage *stage, enum frame_kind kind, struct slice bytes)
{
	struct buf *frame = buf_new(FRAME_SIZE + bytes.size);
	uint64_t checksum = checksum_of(bytes.data, bytes.size, stage->checksum + kind);
	struct writer writer;
	int status;

	if (!frame)
		return -ENOMEM;
	writer = writer_fixed(frame->data, frame->size);
	writer_u32le(&writer, (uint32_t)bytes.size);
	writer_u32le(&writer, kind);
	writer_u64le(&writer, checksum);
	writer_bytes(&writer, bytes.data, bytes.size);
	status = env_file_write(stage->file, stage->size, frame->data, frame->size);
	if (status == 0) {
		stage->size += frame->size;
		stage->checksum = checksum;
	}
	buf_unref(frame);
	return status;
}

int snapshot_stage_append(struct snapshot_stage *stage, struct slice rows)
{
	return rows.size > 0 ? write_frame(stage, FRAME_ROWS, rows) : 0;
}

int snapshot_stage_finish(struct snapshot_stage *stage)
{
	int status = write_frame(stage, FRAME_END, (struct slice){0});

	if (status == 0)
		status = env_file_sync(stage->file);
	return status < 0 ? status : sync_folder(stage->engines);
}

static int begin_file(struct snapshot_stage *stage)
{
	int flags = ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_EXCLUSIVE;
	struct buf *head = NULL;
	int status = env_file_open(stage->engines->env, stage->path, flags, &stage->file);

	if (status == 0)
		status = snapshot_position_encode(&stage->position, &head);
	if (status == 0)
		status = write_frame(stage, FRAME_HEAD, buf_slice(head));
	buf_unref(head);
	return status;
}

int snapshot_stage_new(
	struct engines *engines, struct snapshot_position *position, struct snapshot_stage **out)
{
	struct snapshot_stage *stage;
	int status;

	*out = NULL;
	while (position->stage == 0)
		env_random(engines->env, &position->stage, sizeof position->stage);
	status = allocate(engines, position, &stage);
	if (status == 0)
		status = begin_file(stage);
	if (status < 0 && stage && stage->file)
		snapshot_stage_remove(stage);
	else if (status < 0)
		snapshot_stage_close(stage);
	else
		*out = stage;
	return status;
}

/* ---- Reading ---------------------------------------------------------------------------------------------------- */

/* The position of a walk through the file. */
struct cursor {
	uint64_t offset;
	uint64_t checksum;
	struct buf *bytes; /* of the frame */
	enum frame_kind kind;
};

static int read_frame(struct snapshot_stage *stage, struct cursor *cursor)
{
	uint8_t header[FRAME_SIZE];
	struct reader reader = reader_of(slice_of(header, sizeof header));
	uint32_t size, kind;
	uint64_t checksum;
	int status = env_file_read(stage->file, cursor->offset, header, sizeof header);

	buf_unref(cursor->bytes);
	cursor->bytes = NULL;
	if (status < 0)
		return status == -ENODATA ? STATUS_CORRUPT : status;
	size = reader_u32le(&reader);
	kind = reader_u32le(&reader);
	checksum = reader_u64le(&reader);
	if (size > FRAME_SIZE_MAX)
		return STATUS_CORRUPT;
	cursor->bytes = buf_new(size);
	if (!cursor->bytes)
		return -ENOMEM;
	status = env_file_read(stage->file, cursor->offset + FRAME_SIZE, cursor->bytes->data, size);
	if (status < 0)
		return status == -ENODATA ? STATUS_CORRUPT : status;
	if (checksum_of(cursor->bytes->data, size, cursor->checksum + kind) != checksum)
		return STATUS_CORRUPT;
	cursor->offset += FRAME_SIZE + size;
	cursor->checksum = checksum;
	cursor->kind = (enum frame_kind)kind;
	return 0;
}

static int each_row(
	struct slice rows, int (*each)(void *argument, struct slice key, struct slice value), void *argument)
{
	struct reader reader = reader_of(rows);
	int status = 0;

	while (reader_has_more(&reader) && status == 0) {
		struct slice key = reader_slice(&reader);
		struct slice value = reader_slice(&reader);

		if (reader.status == 0)
			status = each(argument, key, value);
	}
	return status == 0 && reader_finish(&reader) < 0 ? STATUS_CORRUPT : status;
}

int snapshot_stage_each(struct snapshot_stage *stage,
	int (*each)(void *argument, struct slice key, struct slice value), void *argument)
{
	struct cursor cursor = {.checksum = stage->position.stage};
	int status = 0;

	while (status == 0 && cursor.offset < stage->size) {
		status = read_frame(stage, &cursor);
		if (status == 0 && cursor.kind == FRAME_ROWS)
			status = each_row(buf_slice(cursor.bytes), each, argument);
	}
	buf_unref(cursor.bytes);
	return status;
}

/* The first frame must match the stage's position. */
static int check_head(const struct snapshot_stage *stage, struct slice bytes)
{
	const struct snapshot_position *expected = &stage->position;
	struct snapshot_position found;
	bool is_same;
	int status = snapshot_position_decode(bytes, &found);

	if (status < 0)
		return status;
	is_same = found.stage == expected->stage && found.replica == expected->replica &&
		  found.region.id == expected->region.id && found.applied.index == expected->applied.index &&
		  found.applied.term == expected->applied.term;
	region_close(&found.region);
	PLANT("snapshot:stale_stage", is_same = true);
	return is_same ? 0 : STATUS_CORRUPT;
}

/* Reads and verifies the whole file: head, rows and end, with nothing behind them. */
static int verify(struct snapshot_stage *stage)
{
	struct cursor cursor = {.checksum = stage->position.stage};
	int status = read_frame(stage, &cursor);

	if (status == 0)
		status = cursor.kind == FRAME_HEAD ? check_head(stage, buf_slice(cursor.bytes))
						   : STATUS_CORRUPT;
	while (status == 0 && cursor.kind != FRAME_END) {
		status = read_frame(stage, &cursor);
		if (status == 0 && cursor.kind != FRAME_ROWS && cursor.kind != FRAME_END)
			status = STATUS_CORRUPT;
	}
	buf_unref(cursor.bytes);
	stage->size = cursor.offset;
	stage->checksum = cursor.checksum;
	return status;
}

int snapshot_stage_open(
	struct engines *engines, const struct snapshot_position *position, struct snapshot_stage **out)
{
	struct snapshot_position copy = *position;
	struct snapshot_stage *stage = NULL;
	int status = region_copy(&copy.region, &position->region);

	*out = NULL;
	if (status == 0)
		status = allocate(engines, &copy, &stage);
	if (status == 0)
		status = env_file_open(engines->env, stage->path, ENV_OPEN_READ, &stage->file);
	if (status == 0)
		status = verify(stage);
	if (status < 0)
		snapshot_stage_close(stage);
	else
		*out = stage;
	return status;
}

/* ---- Discarding ------------------------------------------------------------------------------------------------- */

static int cancel_extent(void *argument, struct block_extent extent)
{
	struct engines *engines = argument;

	blocks_cancel(engines->blocks, extent);
	return 0;
}

static int cancel_row(void *argument, struct slice key, struct slice value)
{
	struct extent_row row;
	int status;

	if (!key_is_of_extents(key))
		return 0;
	status = extent_row_decode(value, &row);
	return status < 0 ? status : extent_row_each(&row, cancel_extent, argument);
}

void snapshot_stage_discard(struct snapshot_stage *stage)
{
	int status = snapshot_stage_each(stage, cancel_row, stage->engines);

	if (status < 0)
		log_warn(stage->engines->logger,
			"the extents of %s are lost until the store is started again: %s", stage->path,
			status_name(status));
	snapshot_stage_remove(stage);
}
