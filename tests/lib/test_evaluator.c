#include "tests/lib/test_evaluator.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "store/blocks/blocks.h"
#include "store/rows/slots.h"

#define BODY_MAX     (1u << 20)
#define NOTE_LETTER  'N' /* the first byte of a note's key */
#define NOTE_KEY_MAX 256u

enum operation {
	OP_PUT,
	OP_GET,
	OP_DELETE,
	OP_COMPARE,
	OP_APPEND,
	OP_WRITE,
	OP_PATCH,
	OP_UNMAP,
	OP_OPEN,
	OP_NOTE,
	OP_NOTED,
	OP_TAKE,
	OP_END,
};

/* ---- Bodies ---- */

static struct slice text(const char *string)
{
	return slice_of(string, strlen(string));
}

static struct writer begin(enum operation operation, const char *key)
{
	struct writer writer = writer_growing(BODY_MAX);

	writer_u8(&writer, (uint8_t)operation);
	writer_slice(&writer, text(key));
	return writer;
}

static struct buf *take(struct writer *writer)
{
	struct buf *body;

	check(writer_take(writer, &body) == 0);
	return body;
}

struct buf *test_op_put(const char *key, const char *value)
{
	struct writer writer = begin(OP_PUT, key);

	writer_slice(&writer, text(value));
	return take(&writer);
}

struct buf *test_op_get(const char *key)
{
	struct writer writer = begin(OP_GET, key);

	return take(&writer);
}

struct buf *test_op_delete(const char *key)
{
	struct writer writer = begin(OP_DELETE, key);

	return take(&writer);
}

struct buf *test_op_compare(const char *key, const char *expected, const char *value)
{
	struct writer writer = begin(OP_COMPARE, key);

	writer_slice(&writer, text(expected));
	writer_slice(&writer, text(value));
	return take(&writer);
}

struct buf *test_op_append(const char *key, const char *suffix)
{
	struct writer writer = begin(OP_APPEND, key);

	writer_slice(&writer, text(suffix));
	return take(&writer);
}

struct buf *test_op_write(const char *object, uint64_t first)
{
	struct writer writer = begin(OP_WRITE, object);

	writer_varint(&writer, first);
	return take(&writer);
}

struct buf *test_op_patch(const char *object, uint64_t unit, uint16_t offset, uint8_t byte)
{
	struct writer writer = begin(OP_PATCH, object);

	writer_varint(&writer, unit);
	writer_varint(&writer, offset);
	writer_u8(&writer, byte);
	return take(&writer);
}

struct buf *test_op_unmap(const char *object, uint64_t first, uint64_t count)
{
	struct writer writer = begin(OP_UNMAP, object);

	writer_varint(&writer, first);
	writer_varint(&writer, count);
	return take(&writer);
}

struct buf *test_op_open(uint64_t session)
{
	struct writer writer = begin(OP_OPEN, "");

	writer_varint(&writer, session);
	return take(&writer);
}

struct buf *test_op_note(const char *key, const char *value)
{
	struct writer writer = begin(OP_NOTE, key);

	writer_slice(&writer, text(value));
	return take(&writer);
}

struct buf *test_op_noted(const char *key)
{
	struct writer writer = begin(OP_NOTED, key);

	return take(&writer);
}

struct buf *test_op_take(const char *key)
{
	struct writer writer = begin(OP_TAKE, key);

	return take(&writer);
}

/* ---- Evaluation ---- */

struct evaluation_state {
	struct view *view;
	const struct eval_input *input;
	struct mutations *mutations;
	struct reader body;
	struct slice key;
	struct kv_value old; /* the row; empty: there is none */
	bool is_there;
	struct buf **reply;
};

static int reply(struct evaluation_state *state, enum test_reply result, struct slice value)
{
	struct writer writer = writer_growing(BODY_MAX);

	writer_u8(&writer, (uint8_t)result);
	writer_bytes(&writer, value.data, value.size);
	return writer_take(&writer, state->reply);
}

static int done(struct evaluation_state *state)
{
	return reply(state, TEST_DONE, (struct slice){0});
}

static int refuse(struct evaluation_state *state)
{
	return reply(state, TEST_REFUSED, (struct slice){0});
}

static int load(struct evaluation_state *state)
{
	int status = view_get(state->view, KEY_DATA, state->key, &state->old);

	state->is_there = status == 0;
	return status == STATUS_NOT_FOUND ? 0 : status;
}

static int put(struct evaluation_state *state)
{
	mutations_put(state->mutations, KEY_DATA, state->key, reader_slice(&state->body));
	return done(state);
}

static int get(struct evaluation_state *state)
{
	int status = load(state);

	if (status < 0)
		return status;
	return state->is_there ? reply(state, TEST_DONE, state->old.data) : refuse(state);
}

static int delete_row(struct evaluation_state *state)
{
	int status = load(state);

	if (status < 0)
		return status;
	if (!state->is_there)
		return refuse(state);
	mutations_delete(state->mutations, KEY_DATA, state->key);
	return done(state);
}

static int take_row(struct evaluation_state *state)
{
	int status = delete_row(state);

	return status == 0 && !state->is_there ? STATUS_INCOMPLETE : status;
}

static int compare(struct evaluation_state *state)
{
	struct slice expected = reader_slice(&state->body);
	int status = load(state);

	if (status < 0)
		return status;
	if (state->is_there != (expected.size > 0) || slice_compare(state->old.data, expected) != 0)
		return refuse(state);
	return put(state);
}

static int append(struct evaluation_state *state)
{
	struct slice suffix = reader_slice(&state->body);
	struct writer value = writer_growing(BODY_MAX);
	int status = load(state);

	if (status < 0)
		return status;
	writer_bytes(&value, state->old.data.data, state->old.data.size);
	writer_bytes(&value, suffix.data, suffix.size);
	status = value.status;
	if (status == 0) {
		mutations_put(state->mutations, KEY_DATA, state->key, writer_written(&value));
		status = reply(state, TEST_DONE, writer_written(&value));
	}
	writer_close(&value);
	return status;
}

static int write_units(struct evaluation_state *state)
{
	struct buf *payload = state->input->payload;

	mutations_write(state->mutations, state->key, reader_varint(&state->body),
		(uint32_t)(payload->size / BLOCK_UNIT_SIZE), payload, 0);
	return done(state);
}

static int patch(struct evaluation_state *state)
{
	uint64_t unit = reader_varint(&state->body);
	uint64_t offset = reader_varint(&state->body);
	uint8_t byte = reader_u8(&state->body);
	struct buf *bytes = buf_new(BLOCK_UNIT_SIZE);
	int status = bytes ? view_read(state->view, state->key, unit, 1, bytes->data) : -ENOMEM;

	if (status == 0) {
		((uint8_t *)bytes->data)[offset] = byte;
		mutations_write(state->mutations, state->key, unit, 1, bytes, 0);
		status = done(state);
	}
	buf_unref(bytes);
	return status;
}

static int unmap(struct evaluation_state *state)
{
	uint64_t first = reader_varint(&state->body);

	mutations_unmap(state->mutations, state->key, first, reader_varint(&state->body));
	return done(state);
}

static int open_session(struct evaluation_state *state)
{
	slots_open(state->mutations, reader_varint(&state->body), (struct slice){0});
	return done(state);
}

static struct slice note_key(uint8_t bytes[NOTE_KEY_MAX], struct slice key)
{
	struct writer writer = writer_fixed(bytes, NOTE_KEY_MAX);

	writer_u8(&writer, NOTE_LETTER);
	writer_bytes(&writer, key.data, key.size);
	check(writer.status == 0);
	return writer_written(&writer);
}

static int note(struct evaluation_state *state)
{
	uint8_t bytes[NOTE_KEY_MAX];

	mutations_put(state->mutations, KEY_LOCAL, note_key(bytes, state->key), reader_slice(&state->body));
	return done(state);
}

static int noted(struct evaluation_state *state)
{
	uint8_t bytes[NOTE_KEY_MAX];
	int status = view_get(state->view, KEY_LOCAL, note_key(bytes, state->key), &state->old);

	if (status == STATUS_NOT_FOUND)
		return refuse(state);
	return status == 0 ? reply(state, TEST_DONE, state->old.data) : status;
}

static int evaluate(struct evaluator *evaluator, struct view *view, const struct eval_input *input,
	struct mutations *mutations, struct buf **out)
{
	static int (*const operations[])(struct evaluation_state * state) = {
		[OP_PUT] = put,
		[OP_GET] = get,
		[OP_DELETE] = delete_row,
		[OP_COMPARE] = compare,
		[OP_APPEND] = append,
		[OP_WRITE] = write_units,
		[OP_PATCH] = patch,
		[OP_UNMAP] = unmap,
		[OP_OPEN] = open_session,
		[OP_NOTE] = note,
		[OP_NOTED] = noted,
		[OP_TAKE] = take_row,
	};
	struct evaluation_state state = {
		.view = view,
		.input = input,
		.mutations = mutations,
		.body = reader_of(input->body),
		.reply = out,
	};
	uint8_t operation = reader_u8(&state.body);
	int status;

	(void)evaluator;
	if (operation >= OP_END)
		return STATUS_MALFORMED;
	state.key = reader_slice(&state.body);
	status = operations[operation](&state);
	kv_value_close(&state.old);
	return status;
}

/* ---- Splits ---- */

static bool may_begin(struct evaluator *evaluator, struct slice key)
{
	(void)evaluator;
	(void)key;
	return true;
}

static enum split_fate split_fate(
	struct evaluator *evaluator, struct slice row, struct slice key, struct slice *value)
{
	const uint8_t *bytes = row.data;

	(void)evaluator;
	if (row.size == 0 || bytes[0] != NOTE_LETTER)
		return SPLIT_STAYS;
	if (row.size == 1) {
		*value = text(TEST_NOTE_COPY);
		return SPLIT_IS_COPIED;
	}
	return slice_compare(slice_of(bytes + 1, row.size - 1), key) >= 0 ? SPLIT_MOVES : SPLIT_STAYS;
}

struct evaluator *test_evaluator(void)
{
	static const struct evaluator_ops operations = {
		.evaluate = evaluate, .may_begin = may_begin, .split_fate = split_fate};
	static struct evaluator evaluator = {&operations};

	return &evaluator;
}
