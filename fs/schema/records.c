#include "fs/schema/records.h"

#include <string.h>

#include "fs/schema/keys.h"
#include "proto/status.h"

#define RECORD_VERSION 1

static void code_text(struct coder *coder, struct slice *text, size_t size_max)
{
	coder_slice(coder, text, size_max);
	coder_check(coder, text->size == 0 || !memchr(text->data, '\0', text->size));
}

void code_session_record(struct coder *coder, struct session_record *record)
{
	uint8_t state = (uint8_t)record->state;

	coder_u8(coder, &state);
	coder_check(coder, state == SESSION_LIVE || state == SESSION_DYING);
	record->state = (enum session_state)state;
	coder_u32(coder, &record->pid);
	code_text(coder, &record->host, RECORD_HOST_SIZE_MAX);
	code_text(coder, &record->mount_point, RECORD_PATH_SIZE_MAX);
	coder_time(coder, &record->opened);
}

void code_store_record(struct coder *coder, struct store_record *record)
{
	uint8_t state = (uint8_t)record->state;

	coder_u8(coder, &state);
	coder_check(coder, state >= STORE_UP && state <= STORE_LOST);
	record->state = (enum store_state)state;
	coder_u64(coder, &record->incarnation);
	coder_u64(coder, &record->directory_id);
	code_text(coder, &record->address, RECORD_ADDRESS_SIZE_MAX);
	coder_check(coder, record->address.size > 0);
	coder_u64(coder, &record->replacement);
}

static struct reader open_row(struct slice row)
{
	struct reader reader = reader_of(row);

	if (reader_u8(&reader) != RECORD_VERSION)
		reader_fail(&reader);
	return reader;
}

static int finish_writing(const struct coder *coder)
{
	return coder->is_bad ? STATUS_CORRUPT : coder->writer->status;
}

static int finish_reading(const struct reader *reader)
{
	return reader_finish(reader) == 0 ? 0 : STATUS_CORRUPT;
}

int session_record_encode(const struct session_record *record, struct writer *writer)
{
	struct coder coder = {.writer = writer};
	struct session_record copy = *record;

	writer_u8(writer, RECORD_VERSION);
	code_session_record(&coder, &copy);
	return finish_writing(&coder);
}

int session_record_decode(struct slice row, struct session_record *record)
{
	struct reader reader = open_row(row);
	struct coder coder = {.reader = &reader};

	*record = (struct session_record){0};
	code_session_record(&coder, record);
	return finish_reading(&reader);
}

int store_record_encode(const struct store_record *record, struct writer *writer)
{
	struct coder coder = {.writer = writer};
	struct store_record copy = *record;

	writer_u8(writer, RECORD_VERSION);
	code_store_record(&coder, &copy);
	return finish_writing(&coder);
}

int store_record_decode(struct slice row, struct store_record *record)
{
	struct reader reader = open_row(row);
	struct coder coder = {.reader = &reader};

	*record = (struct store_record){0};
	code_store_record(&coder, record);
	return finish_reading(&reader);
}

void registration_encode(uint64_t end, struct writer *writer)
{
	writer_u8(writer, RECORD_VERSION);
	writer_varint(writer, end);
}

int registration_decode(
	struct slice key, struct slice row, uint64_t *session, struct registration *registration)
{
	struct reader reader = open_row(row);
	int status = fs_key_parse_registration(key, session, &registration->start);

	registration->end = reader_varint(&reader);
	if (status == 0)
		status = finish_reading(&reader);
	if (status == 0 && (registration->end <= registration->start || registration->end > FS_DIRID_END))
		status = STATUS_CORRUPT;
	return status;
}

void counter_encode(uint64_t last, struct writer *writer)
{
	writer_u8(writer, RECORD_VERSION);
	writer_varint(writer, last);
}

int counter_decode(struct slice row, uint64_t *last)
{
	struct reader reader = open_row(row);

	*last = reader_varint(&reader);
	return finish_reading(&reader);
}

/* STATUS_NOT_FOUND: there is no row. */
static int read_row(struct view *view, enum counter_kind kind, uint64_t *last)
{
	struct fs_key key = fs_key_counter((uint8_t)kind);
	struct kv_value row = {0};
	int status = view_get(view, KEY_LOCAL, fs_key_slice(&key), &row);

	*last = 0;
	if (status == 0)
		status = counter_decode(row.data, last);
	kv_value_close(&row);
	return status;
}

int counter_read(struct view *view, enum counter_kind kind, uint64_t *last)
{
	int status = read_row(view, kind, last);

	return status == STATUS_NOT_FOUND ? 0 : status;
}

void counter_put(struct mutations *mutations, enum counter_kind kind, uint64_t last)
{
	struct fs_key key = fs_key_counter((uint8_t)kind);
	uint8_t bytes[16];
	struct writer writer = writer_fixed(bytes, sizeof bytes);

	counter_encode(last, &writer);
	mutations_put(mutations, KEY_LOCAL, fs_key_slice(&key), writer_written(&writer));
}

/* ---- The number of inodes ---- */

/* A negative count is stored in two's complement. */

int inode_count_decode(struct slice row, int64_t *count)
{
	uint64_t stored;
	int status = counter_decode(row, &stored);

	*count = (int64_t)stored;
	return status;
}

struct slice inode_count_zero(void)
{
	static const uint8_t row[] = {RECORD_VERSION, 0};

	return slice_of(row, sizeof row);
}

int inode_count_read(struct view *view, int64_t *count)
{
	uint64_t stored;
	int status = read_row(view, COUNTER_INODES, &stored);

	*count = (int64_t)stored;
	return status;
}

/* 1: a row that only a region which has had inodes has. A spill may come before them. */
static int find_data(void *argument, struct slice key, struct slice value)
{
	struct fs_key spill = fs_key_spill(fs_key_get_dirid(key));

	(void)argument, (void)value;
	return slice_compare(key, fs_key_slice(&spill)) == 0 ? 0 : 1;
}

int inode_count_read_from(struct view *view, struct slice start, int64_t *count)
{
	int status = inode_count_read(view, count);

	if (status != STATUS_NOT_FOUND)
		return status;
	*count = 0;
	status = view_scan(view, KEY_DATA, start, (struct slice){0}, find_data, NULL);
	return status == 1 ? STATUS_NOT_FOUND : status;
}

void inode_count_put(struct mutations *mutations, int64_t count)
{
	counter_put(mutations, COUNTER_INODES, (uint64_t)count);
}
