#include "fs/schema/records.h"
#include "fs/schema/question.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/schema/coder.h"
#include "fs/schema/intent.h"
#include "fs/schema/op_fields.h"
#include "fs/schema/read_rows.h"
#include "fs/schema/row_page.h"
#include "fs/schema/virtual_xattrs.h"
#include "proto/check.h"

/* The highest versions that this program reads (coder.h). */
#define QUESTION_VERSION 1
#define FINDING_VERSION	 2

#define VERSION_ELSEWHERE   2 /* of a finding that `is_elsewhere` */
#define REPLY_SIZE_MAX	    1024u /* bytes, without data */
#define DIRECTORY_SIZE_MIN  4096u
#define INODE_SIZE	    sizeof(uint64_t) /* in question.inodes */
#define INODES_SIZE_MAX	    (QUESTION_INODES_MAX * INODE_SIZE)
#define ATTEMPTS_SIZE_MAX   (QUESTION_ATTEMPTS_MAX * 4 * CODEC_VARINT_SIZE_MAX)
#define PLACES_SIZE_MAX	    (QUESTION_PLACES_MAX * USAGE_RECORD_SIZE_MAX)
#define LIST_SIZE_MAX	    PLACES_SIZE_MAX /* of the lists in a question, the greatest */
#define ATTRIBUTES_SIZE_MAX 128u /* encoded */

struct fs_key question_key(const struct question *question)
{
	return fs_key_inode(question->ino);
}

/* ---- Answering ---- */

static int answer_directory(const struct question *question, struct view *view, struct finding *finding)
{
	int status = read_attributes(view, question->ino, &finding->attributes);

	finding->begin(finding->argument);
	if (status < 0)
		return status;
	return read_directory(
		view, question->ino, question->offset, question->is_plus, finding->entry, finding->argument);
}

static int answer_lookup(const struct question *question, struct view *view, struct finding *finding)
{
	struct attributes *attributes = &finding->attributes;
	int status = read_lookup(view, question->ino, question->name, attributes);

	finding->is_elsewhere =
		question->takes_elsewhere && status == STATUS_KEY_NOT_IN_REGION && attributes->ino != 0;
	return finding->is_elsewhere ? 0 : status;
}

/* One at least must be here, so that who asks for the rest comes to an end. */
static int answer_many(const struct question *question, struct view *view, struct finding *finding)
{
	struct reader reader = reader_of(question->inodes);
	struct attributes attributes;
	int status = 0;

	finding->begin(finding->argument);
	finding->found = 0;
	while (status == 0 && reader_has_more(&reader)) {
		uint64_t ino = reader_u64le(&reader);

		status = read_attributes(view, ino, &attributes);
		if (status == STATUS_KEY_NOT_IN_REGION && ino != question->ino) {
			finding->found = ino;
			return 0;
		}
		if (status == 0)
			finding->inode(finding->argument, &attributes);
		else if (status == -ESTALE)
			status = 0;
	}
	return status;
}

static int take_value(const struct question *question, const char *value, struct finding *finding)
{
	if (question->size > 0 && finding->count > question->size)
		return -ERANGE;
	if (question->size > 0)
		memcpy(finding->bytes, value, finding->count);
	return 0;
}

/* Leaves a long walk to a worker. */
static int answer_virtual(const struct question *question, struct raftkv *raftkv, struct view *view,
	bool may_block, struct finding *finding)
{
	char value[VIRTUAL_XATTR_SIZE_MAX];
	int status;

	if (virtual_xattr_is_usage(question->name, question->ino) && !may_block)
		return STATUS_WOULD_BLOCK;
	status = virtual_xattr_read(raftkv, view, question->ino, question->name, value, &finding->count);
	return status == 0 ? take_value(question, value, finding) : status;
}

int finding_tell_usage(const struct question *question, const struct usage *usage, struct finding *finding)
{
	char value[VIRTUAL_XATTR_SIZE_MAX];

	virtual_xattr_tell_usage(question->name, usage, value, &finding->count);
	return take_value(question, value, finding);
}

static int answer_usage(
	const struct question *question, struct view *view, bool may_block, struct finding *finding)
{
	struct usage_walk *walk = finding->walk;
	int status;

	if (!may_block)
		return STATUS_WOULD_BLOCK;
	usage_walk_clear(walk);
	walk->entries_max = (uint32_t)question->offset;
	walk->news_max = (uint32_t)question->size;
	status = usage_places_decode(question->places, QUESTION_PLACES_MAX, walk);
	if (status == 0)
		status = usage_walk_run(walk, view);
	finding->usage = walk->usage;
	return status;
}

static int answer_space(struct raftkv *raftkv, struct view *view, struct finding *finding)
{
	struct raftkv_stats stats;
	int64_t count;
	int status;

	raftkv_stats(raftkv, &stats);
	finding->total_units = stats.blocks.total_units;
	finding->free_units = stats.blocks.total_units - stats.blocks.used_units;
	status = inode_count_read(view, &count);
	/* The count of one region: exact is the sum over all regions (records.h), and one count may be negative. */
	finding->inodes = status == 0 && count > 0 ? (uint64_t)count : 0;
	return status == STATUS_NOT_FOUND ? 0 : status;
}

static int answer_rows(const struct question *question, struct view *view, struct finding *finding)
{
	struct wanted wanted = {question->ino, question->name, question->is_plus};
	struct writer facts = writer_fixed(finding->bytes, question->size);
	int status = read_rows(view, &wanted, &facts);

	finding->count = facts.size;
	return status;
}

int question_answer(const struct question *question, struct raftkv *raftkv, struct view *view, bool may_block,
	struct finding *finding)
{
	uint64_t ino = question->ino;

	switch (question->kind) {
	case QUESTION_LOOKUP:
		return answer_lookup(question, view, finding);
	case QUESTION_ATTRIBUTES:
		return read_attributes(view, ino, &finding->attributes);
	case QUESTION_LINK:
		return read_link(
			view, ino, finding->bytes, question->size, &finding->count, &finding->attributes);
	case QUESTION_DIRECTORY:
		return answer_directory(question, view, finding);
	case QUESTION_DATA:
		return read_data(view, ino, question->offset, finding->bytes, question->size, &finding->count,
			&finding->attributes);
	case QUESTION_SEEK:
		return read_seek(view, ino, question->offset, question->is_data, &finding->found);
	case QUESTION_XATTR:
		return read_xattr(view, ino, question->name, finding->bytes, question->size, &finding->count);
	case QUESTION_XATTRS:
		return read_xattrs(
			view, ino, question->has_trusted, finding->bytes, question->size, &finding->count);
	case QUESTION_VIRTUAL_XATTR:
		return answer_virtual(question, raftkv, view, may_block, finding);
	case QUESTION_LOCK:
		return read_lock(view, ino, &question->lock, &finding->blocker);
	case QUESTION_HOLDER:
		return read_holder(view, question->offset, &finding->found);
	case QUESTION_SPACE:
		return answer_space(raftkv, view, finding);
	case QUESTION_ATTRIBUTES_OF_MANY:
		return answer_many(question, view, finding);
	case QUESTION_ROWS:
		return answer_rows(question, view, finding);
	case QUESTION_USAGE:
		return answer_usage(question, view, may_block, finding);
	case QUESTION_ATTEMPTS:
	case QUESTION_PAGE:
	case QUESTION_KIND_END:
		break;
	}
	return -EINVAL;
}

/* ---- Questions as bytes ---- */

static bool has_name(enum question_kind kind)
{
	return kind == QUESTION_LOOKUP || kind == QUESTION_XATTR || kind == QUESTION_VIRTUAL_XATTR;
}

/* Is its answer in `finding.bytes`? */
static bool has_bytes(enum question_kind kind)
{
	return kind == QUESTION_LINK || kind == QUESTION_DATA || kind == QUESTION_XATTR ||
	       kind == QUESTION_XATTRS || kind == QUESTION_VIRTUAL_XATTR || kind == QUESTION_ROWS ||
	       kind == QUESTION_ATTEMPTS || kind == QUESTION_PAGE;
}

static void code_inodes(struct coder *coder, struct question *question)
{
	coder_slice(coder, &question->inodes, INODES_SIZE_MAX);
	coder_check(coder, question->inodes.size > 0 && question->inodes.size % INODE_SIZE == 0);
}

static void code_places(struct coder *coder, struct question *question)
{
	struct usage_walk walk = {0};

	coder_slice(coder, &question->places, PLACES_SIZE_MAX);
	coder_check(coder, usage_places_decode(question->places, QUESTION_PLACES_MAX, &walk) == 0 &&
				   walk.places.count > 0 && walk.places.all[0].ino == question->ino);
	usage_walk_close(&walk);
}

static void code_cursor(struct coder *coder, struct question *question)
{
	coder_slice(coder, &question->cursor, ROW_PAGE_CURSOR_MAX);
	coder_check(coder, question->ino == 0 && row_page_is_cursor(question->cursor));
}

static void code_name(struct coder *coder, struct question *question)
{
	struct wanted wanted;

	coder_slice(coder, &question->name, FS_NAME_SIZE_MAX);
	wanted = (struct wanted){question->ino, question->name, false};
	if (question->kind == QUESTION_ROWS)
		coder_check(coder, wanted_is_sound(&wanted));
	else
		coder_check(coder, has_name(question->kind) == (question->name.size > 0));
}

/* What is told of the answer's size. */
static void check_size(struct coder *coder, const struct question *question)
{
	uint32_t count;

	coder_check(coder, question->size <= QUESTION_SIZE_MAX);
	if (question->kind == QUESTION_ROWS)
		coder_check(coder, question->size > 0);
	else if (question->kind == QUESTION_ATTEMPTS)
		coder_check(coder, attempts_check(question->attempts, QUESTION_ATTEMPTS_MAX, &count) == 0 &&
					   question->size == count);
	else if (question->kind == QUESTION_USAGE)
		coder_check(coder, question->size > 0 && question->size <= QUESTION_USAGE_NEWS_MAX &&
					   question->offset > 0 &&
					   question->offset <= QUESTION_USAGE_ENTRIES_MAX);
	else if (question->kind == QUESTION_PAGE)
		coder_check(coder, question->size >= ROW_PAGE_SIZE_MIN);
}

static void code_question(struct coder *coder, struct question *question)
{
	uint64_t size = question->size;
	uint32_t takes_elsewhere = question->takes_elsewhere;

	coder_u64(coder, &question->ino);
	if (question->kind == QUESTION_ATTRIBUTES_OF_MANY)
		code_inodes(coder, question);
	else if (question->kind == QUESTION_ATTEMPTS)
		coder_slice(coder, &question->attempts, ATTEMPTS_SIZE_MAX);
	else if (question->kind == QUESTION_USAGE)
		code_places(coder, question);
	else if (question->kind == QUESTION_PAGE)
		code_cursor(coder, question);
	else
		code_name(coder, question);
	coder_u64(coder, &question->offset);
	coder_u64(coder, &size);
	question->size = size;
	check_size(coder, question);
	coder_bool(coder, &question->is_plus);
	coder_bool(coder, &question->is_data);
	coder_bool(coder, &question->has_trusted);
	if (question->kind == QUESTION_LOCK) {
		coder_u64(coder, &question->lock.session);
		code_lock(coder, &question->lock);
	}
	coder_late_u32(coder, &takes_elsewhere);
	question->takes_elsewhere = takes_elsewhere > 0;
}

int question_encode(const struct question *question, struct buf **bytes)
{
	struct writer writer = writer_growing(REPLY_SIZE_MAX + LIST_SIZE_MAX);
	struct coder coder = {.writer = &writer};
	struct question copy = *question;

	coder_version(&coder, 1, QUESTION_VERSION);
	writer_u8(&writer, (uint8_t)question->kind);
	code_question(&coder, &copy);
	if (coder.is_bad) {
		*bytes = NULL;
		writer_close(&writer);
		return -EINVAL;
	}
	return writer_take(&writer, bytes);
}

int question_decode(struct slice bytes, struct question *question)
{
	struct reader reader = reader_of(bytes);
	struct coder coder = {.reader = &reader};

	*question = (struct question){0};
	coder_version(&coder, 0, QUESTION_VERSION);
	question->kind = (enum question_kind)reader_u8(&reader);
	coder_check(&coder, question->kind > 0);
	coder_known(&coder, question->kind < QUESTION_KIND_END);
	code_question(&coder, question);
	return coder_finish(&coder);
}

/* ---- Answers as bytes ---- */

static void code_elsewhere(struct coder *coder, struct finding *finding)
{
	uint32_t is_elsewhere = finding->is_elsewhere;

	coder_late_u32(coder, &is_elsewhere);
	coder_known(coder, is_elsewhere <= 1);
	finding->is_elsewhere = is_elsewhere == 1;
}

static void code_usage(struct coder *coder, struct usage *usage)
{
	coder_u64(coder, &usage->size);
	coder_u64(coder, &usage->disk_size);
	coder_u64(coder, &usage->files);
	coder_u64(coder, &usage->directories);
	coder_time(coder, &usage->ctime);
}

static void code_finding(struct coder *coder, enum question_kind kind, struct finding *finding)
{
	uint64_t count = finding->count;

	switch (kind) {
	case QUESTION_LOOKUP:
		code_attributes(coder, &finding->attributes);
		code_elsewhere(coder, finding);
		break;
	case QUESTION_ATTRIBUTES:
	case QUESTION_LINK:
	case QUESTION_DIRECTORY:
	case QUESTION_DATA:
		code_attributes(coder, &finding->attributes);
		break;
	case QUESTION_SEEK:
	case QUESTION_HOLDER:
	case QUESTION_ATTRIBUTES_OF_MANY:
		coder_u64(coder, &finding->found);
		break;
	case QUESTION_LOCK:
		code_blocker(coder, &finding->blocker);
		break;
	case QUESTION_SPACE:
		coder_u64(coder, &finding->total_units);
		coder_u64(coder, &finding->free_units);
		coder_u64(coder, &finding->inodes);
		break;
	case QUESTION_USAGE:
		code_usage(coder, &finding->usage);
		break;
	default:
		break;
	}
	if (!has_bytes(kind))
		return;
	coder_u64(coder, &count);
	finding->count = count;
}

/* An entry of a listing as bytes. */
struct entry_record {
	struct read_entry entry;
	bool has_attributes;
	struct attributes attributes;
};

static void code_entry(struct coder *coder, struct entry_record *record)
{
	struct read_entry *entry = &record->entry;

	coder_slice(coder, &entry->name, FS_NAME_SIZE_MAX);
	coder_check(coder, entry->name.size > 0);
	coder_u64(coder, &entry->ino);
	coder_u32(coder, &entry->type);
	coder_u64(coder, &entry->next_cookie);
	coder_bool(coder, &entry->continues);
	coder_bool(coder, &record->has_attributes);
	if (record->has_attributes)
		code_attributes(coder, &record->attributes);
	entry->attributes = record->has_attributes ? &record->attributes : NULL;
}

/* Collects the entries of a listing, or the attributes of many inodes, as bytes. */
struct collection {
	uint8_t *bytes;
	size_t size_max;
	size_t used;
	size_t group_start; /* where the entries with the last cookie begin */
};

static void begin_collection(void *argument)
{
	struct collection *collection = argument;

	collection->used = collection->group_start = 0;
}

static int collect_entry(void *argument, const struct read_entry *entry)
{
	struct collection *collection = argument;
	struct writer writer =
		writer_fixed(collection->bytes + collection->used, collection->size_max - collection->used);
	struct coder coder = {.writer = &writer};
	struct entry_record record = {.entry = *entry, .has_attributes = entry->attributes != NULL};

	if (entry->attributes)
		record.attributes = *entry->attributes;
	if (!entry->continues)
		collection->group_start = collection->used;
	code_entry(&coder, &record);
	if (writer.status < 0) {
		collection->used = collection->group_start;
		return 1;
	}
	collection->used += writer.size;
	return 0;
}

static void collect_inode(void *argument, const struct attributes *attributes)
{
	struct collection *collection = argument;
	struct writer writer =
		writer_fixed(collection->bytes + collection->used, collection->size_max - collection->used);
	struct coder coder = {.writer = &writer};
	struct attributes copy = *attributes; /* a coder takes no const */

	code_attributes(&coder, &copy);
	check(writer.status == 0);
	collection->used += writer.size;
}

/* Is its answer a collection? */
static bool is_collected(enum question_kind kind)
{
	return kind == QUESTION_DIRECTORY || kind == QUESTION_ATTRIBUTES_OF_MANY;
}

/* Makes a buf for the data of the answer. 0 or -ENOMEM. */
static int make_room(const struct question *question, struct finding *finding, struct collection *collection,
	struct buf **room)
{
	size_t size = question->size;

	if (question->kind == QUESTION_DIRECTORY)
		size = size + DIRECTORY_SIZE_MIN;
	else if (question->kind == QUESTION_ATTRIBUTES_OF_MANY)
		size = question->inodes.size / INODE_SIZE * ATTRIBUTES_SIZE_MAX;
	else if (!has_bytes(question->kind))
		size = 0;
	*room = size > 0 ? buf_new(size) : NULL;
	if (size > 0 && !*room)
		return -ENOMEM;
	finding->bytes = *room ? (*room)->data : NULL;
	*collection = (struct collection){.bytes = finding->bytes, .size_max = size};
	finding->begin = begin_collection;
	if (question->kind == QUESTION_ATTRIBUTES_OF_MANY)
		finding->inode = collect_inode;
	else
		finding->entry = collect_entry;
	finding->argument = collection;
	return 0;
}

int finding_encode(const struct question *question, const struct finding *finding, struct buf **bytes)
{
	struct finding copy = *finding; /* a coder takes no const */
	struct writer writer = writer_growing(REPLY_SIZE_MAX);
	struct coder coder = {.writer = &writer};
	bool is_elsewhere = question->kind == QUESTION_LOOKUP && finding->is_elsewhere;

	coder_version(&coder, is_elsewhere ? VERSION_ELSEWHERE : 1, FINDING_VERSION);
	code_finding(&coder, question->kind, &copy);
	check(!coder.is_bad);
	return writer_take(&writer, bytes);
}

static int reply_usage(const struct question *question, struct view *view, bool may_block, struct buf **bytes,
	struct buf **data)
{
	struct usage_walk walk = {0};
	struct finding finding = {.walk = &walk};
	int status = answer_usage(question, view, may_block, &finding);

	if (status == 0)
		status = finding_encode(question, &finding, bytes);
	if (status == 0)
		status = usage_walk_encode(&walk, data);
	if (status < 0) {
		buf_unref(*bytes);
		*bytes = NULL;
	}
	usage_walk_close(&walk);
	return status;
}

int question_reply(const struct question *question, struct raftkv *raftkv, struct view *view, bool may_block,
	struct buf **bytes, struct buf **data)
{
	struct finding finding = {0};
	struct collection collection;
	struct buf *room;
	size_t used;
	int status;

	*bytes = *data = NULL;
	if (question->kind == QUESTION_USAGE)
		return reply_usage(question, view, may_block, bytes, data);
	status = make_room(question, &finding, &collection, &room);
	if (status == 0)
		status = question_answer(question, raftkv, view, may_block, &finding);
	if (status == 0)
		status = finding_encode(question, &finding, bytes);
	used = is_collected(question->kind) ? collection.used : finding.count;
	if (status == 0 && room && used > 0) {
		*data = room;
		room = NULL;
		(*data)->size = used;
	}
	buf_unref(room);
	return status;
}

static int take_entries(struct slice data, struct finding *finding)
{
	struct reader reader = reader_of(data);
	struct coder coder = {.reader = &reader};
	int status = 0;

	finding->begin(finding->argument);
	while (reader_has_more(&reader) && status == 0) {
		struct entry_record record = {0};

		code_entry(&coder, &record);
		if (reader.status == 0)
			status = finding->entry(finding->argument, &record.entry);
	}
	return reader.status < 0 ? reader.status : status < 0 ? status : 0;
}

static int take_inodes(struct slice data, struct finding *finding)
{
	struct reader reader = reader_of(data);
	struct coder coder = {.reader = &reader};
	struct attributes attributes;

	finding->begin(finding->argument);
	while (reader_has_more(&reader)) {
		code_attributes(&coder, &attributes);
		if (reader.status == 0)
			finding->inode(finding->argument, &attributes);
	}
	return reader.status;
}

static int take_walk(struct slice data, struct finding *finding)
{
	usage_walk_clear(finding->walk);
	finding->walk->usage = finding->usage;
	return usage_walk_decode(data, finding->walk);
}

static bool are_verdicts(struct slice data)
{
	const uint8_t *verdicts = data.data;

	for (size_t i = 0; i < data.size; i++)
		if (verdicts[i] > ATTEMPT_IS_COMMITTED)
			return false;
	return true;
}

/* Is it what such a question is answered with? */
static bool is_sound(const struct question *question, struct slice data)
{
	struct row_page page;

	if (data.size > question->size)
		return false;
	if (question->kind == QUESTION_PAGE)
		return row_page_decode(data, &page) == 0;
	if (question->kind == QUESTION_ROWS)
		return data.size > 0 && facts_check(data) == 0;
	if (question->kind == QUESTION_ATTEMPTS)
		return data.size == question->size && are_verdicts(data);
	return true;
}

int finding_take(
	const struct question *question, struct slice bytes, struct slice data, struct finding *finding)
{
	struct reader reader = reader_of(bytes);
	struct coder coder = {.reader = &reader};
	bool is_measured = question->size == 0; /* asked for the count of bytes alone */

	coder_version(&coder, 0, FINDING_VERSION);
	code_finding(&coder, question->kind, finding);
	if (coder_finish(&coder) < 0)
		return STATUS_MALFORMED;
	if (question->kind == QUESTION_DIRECTORY)
		return take_entries(data, finding);
	if (question->kind == QUESTION_ATTRIBUTES_OF_MANY)
		return take_inodes(data, finding);
	if (question->kind == QUESTION_USAGE)
		return take_walk(data, finding);
	if (!has_bytes(question->kind) || is_measured)
		return data.size == 0 ? 0 : STATUS_MALFORMED;
	if (finding->count != data.size || !is_sound(question, data))
		return STATUS_MALFORMED;
	if (data.size > 0)
		memcpy(finding->bytes, data.data, data.size);
	return 0;
}
