#include "tests/lib/things.h"

#include <errno.h>
#include <string.h>

#include "proto/check.h"
#include "store/rows/slots.h"

#define BODY_SIZE_MAX  (1 + 4 * CODEC_VARINT_SIZE_MAX + 2 + THING_NAME_SIZE_MAX)
#define REPLY_SIZE_MAX (1u << 20)
#define ID_SIZE	       8u /* bytes of an id in a history */

/* ---- Operations and replies ---- */

struct buf *thing_operation_encode(const struct thing_operation *operation)
{
	struct writer writer = writer_growing(BODY_SIZE_MAX);
	struct buf *body;

	check(operation->name.size <= THING_NAME_SIZE_MAX);
	writer_u8(&writer, (uint8_t)operation->kind);
	writer_varint(&writer, operation->id);
	writer_slice(&writer, operation->name);
	writer_varint(&writer, operation->first);
	writer_varint(&writer, operation->count);
	writer_varint(&writer, operation->expected);
	writer_take(&writer, &body);
	return body;
}

static int decode(struct slice body, struct thing_operation *operation)
{
	struct reader reader = reader_of(body);

	operation->kind = (enum thing_operation_kind)reader_u8(&reader);
	operation->id = reader_varint(&reader);
	operation->name = reader_slice(&reader);
	operation->first = reader_varint(&reader);
	operation->count = (uint32_t)reader_varint(&reader);
	operation->expected = reader_varint(&reader);
	if (operation->name.size > THING_NAME_SIZE_MAX)
		reader_fail(&reader);
	return reader_finish(&reader);
}

struct buf *thing_operation_payload(const struct thing_operation *operation)
{
	size_t size = (size_t)operation->count * BLOCK_UNIT_SIZE;
	struct buf *payload = buf_new(size);

	if (payload)
		thing_pattern(operation->id, operation->first * BLOCK_UNIT_SIZE, payload->data, size);
	return payload;
}

static int reply_with(bool is_done, struct slice history, bool with_history, struct buf **reply)
{
	struct writer writer = writer_growing(REPLY_SIZE_MAX);

	writer_u8(&writer, is_done);
	writer_varint(&writer, history.size / ID_SIZE);
	if (with_history)
		writer_bytes(&writer, history.data, history.size);
	return writer_take(&writer, reply);
}

int thing_reply_decode(struct slice bytes, struct thing_reply *reply)
{
	struct reader reader = reader_of(bytes);

	reply->is_done = reader_u8(&reader) == 1;
	reply->length = reader_varint(&reader);
	reply->history = slice_of(reader.data, reader.size);
	return reader.status;
}

/* Every word is different: SplitMix64 (Steele, Lea, Flood 2014) of its operation and place. */
void thing_pattern(uint64_t id, uint64_t position, void *bytes, size_t size)
{
	uint8_t *at = bytes;

	check(position % 8 == 0 && size % 8 == 0);
	for (size_t i = 0; i < size; i += 8) {
		uint64_t word = (id << 24) + (position + i) / 8;

		word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9u;
		word ^= word >> 31;
		memcpy(at + i, &word, 8);
	}
}

/* ---- Keys ---- */

static struct slice make_key(struct thing_key *key, struct slice name, uint8_t kind)
{
	check(name.size <= THING_NAME_SIZE_MAX);
	memcpy(key->bytes, name.data, name.size);
	key->bytes[name.size] = kind;
	key->size = name.size + 1;
	return slice_of(key->bytes, key->size);
}

struct slice thing_key_history(struct thing_key *key, struct slice name)
{
	return make_key(key, name, 'h');
}

struct slice thing_key_part(struct thing_key *key, struct slice name, uint32_t part)
{
	make_key(key, name, 'p');
	key->bytes[key->size++] = (uint8_t)part;
	return slice_of(key->bytes, key->size);
}

struct slice thing_key_object(struct thing_key *key, struct slice name)
{
	return make_key(key, name, 'o');
}

/* ---- Evaluation ---- */

struct evaluation {
	struct view *view;
	const struct eval_input *input;
	struct mutations *mutations;
	struct thing_operation operation;
	bool is_refused;
};

static int put_part(struct evaluation *evaluation, struct slice old, size_t added)
{
	const struct thing_operation *operation = &evaluation->operation;
	uint8_t bytes[THING_PART_SIZE_MAX];
	struct thing_key key;

	if (old.size + added > sizeof bytes || added % 8 != 0 || operation->first >= THING_PARTS)
		return STATUS_MALFORMED;
	if (old.size > 0)
		memcpy(bytes, old.data, old.size);
	thing_pattern(operation->id, 0, bytes + old.size, added);
	mutations_put(evaluation->mutations, KEY_DATA,
		thing_key_part(&key, operation->name, (uint32_t)operation->first),
		slice_of(bytes, old.size + added));
	return 0;
}

static int append_to_part(struct evaluation *evaluation)
{
	const struct thing_operation *operation = &evaluation->operation;
	struct thing_key key;
	struct kv_value old;
	int status = view_get(evaluation->view, KEY_DATA,
		thing_key_part(&key, operation->name, (uint32_t)operation->first), &old);

	if (status == STATUS_NOT_FOUND)
		status = 0;
	if (status == 0 && old.data.size + THING_APPEND_SIZE > THING_PART_SIZE_MAX)
		evaluation->is_refused = true;
	else if (status == 0)
		status = put_part(evaluation, old.data, THING_APPEND_SIZE);
	kv_value_close(&old);
	return status;
}

static int delete_parts(struct evaluation *evaluation)
{
	const struct thing_operation *operation = &evaluation->operation;
	uint32_t first = (uint32_t)operation->first;
	struct thing_key low, high;

	if (operation->kind == THING_DELETE)
		mutations_delete(
			evaluation->mutations, KEY_DATA, thing_key_part(&low, operation->name, first));
	else
		mutations_delete_range(evaluation->mutations, KEY_DATA,
			thing_key_part(&low, operation->name, first),
			thing_key_part(&high, operation->name, first + operation->count));
	return 0;
}

static int write_object(struct evaluation *evaluation)
{
	const struct thing_operation *operation = &evaluation->operation;
	struct buf *payload = evaluation->input->payload;
	struct thing_key key;

	if (!payload || operation->count == 0 || payload->size != (size_t)operation->count * BLOCK_UNIT_SIZE)
		return STATUS_MALFORMED;
	mutations_write(evaluation->mutations, thing_key_object(&key, operation->name), operation->first,
		operation->count, payload, 0);
	return 0;
}

static int patch_object(struct evaluation *evaluation)
{
	const struct thing_operation *operation = &evaluation->operation;
	uint64_t unit = operation->first / THING_SECTORS_PER_UNIT;
	uint64_t position = operation->first * THING_SECTOR_SIZE;
	struct buf *bytes = buf_new(BLOCK_UNIT_SIZE);
	struct thing_key key;
	struct slice object = thing_key_object(&key, operation->name);
	int status;

	if (!bytes)
		return -ENOMEM;
	status = view_read(evaluation->view, object, unit, 1, bytes->data);
	if (status == 0) {
		thing_pattern(operation->id, position, (uint8_t *)bytes->data + position % BLOCK_UNIT_SIZE,
			THING_SECTOR_SIZE);
		mutations_write(evaluation->mutations, object, unit, 1, bytes, 0);
	}
	buf_unref(bytes);
	return status;
}

/* Everything but the history. */
static int change(struct evaluation *evaluation, struct slice history)
{
	const struct thing_operation *operation = &evaluation->operation;
	struct thing_key key;

	switch (operation->kind) {
	case THING_COMPARE:
		evaluation->is_refused = history.size / ID_SIZE != operation->expected;
		return evaluation->is_refused ? 0 : put_part(evaluation, (struct slice){0}, operation->count);
	case THING_PUT:
		return put_part(evaluation, (struct slice){0}, operation->count);
	case THING_APPEND:
		return append_to_part(evaluation);
	case THING_DELETE:
	case THING_DELETE_RANGE:
		return delete_parts(evaluation);
	case THING_WRITE:
		return write_object(evaluation);
	case THING_PATCH:
		return patch_object(evaluation);
	case THING_UNMAP:
		if (operation->count == 0)
			return STATUS_MALFORMED;
		mutations_unmap(evaluation->mutations, thing_key_object(&key, operation->name),
			operation->first, operation->count);
		return 0;
	default:
		return STATUS_MALFORMED;
	}
}

static int add_to_history(struct evaluation *evaluation, struct slice history, struct buf **reply)
{
	struct writer writer = writer_growing(REPLY_SIZE_MAX);
	struct thing_key key;
	int status;

	writer_bytes(&writer, history.data, history.size);
	writer_u64le(&writer, evaluation->operation.id);
	mutations_put(evaluation->mutations, KEY_DATA, thing_key_history(&key, evaluation->operation.name),
		writer_written(&writer));
	status = writer.status < 0 ? writer.status : reply_with(true, writer_written(&writer), false, reply);
	writer_close(&writer);
	return status;
}

static int evaluate_thing(struct evaluation *evaluation, struct buf **reply)
{
	const struct thing_operation *operation = &evaluation->operation;
	struct thing_key key;
	struct kv_value history;
	int status = view_get(evaluation->view, KEY_DATA, thing_key_history(&key, operation->name), &history);

	if (status == STATUS_NOT_FOUND)
		status = 0;
	if (status == 0 && operation->kind != THING_GET)
		status = change(evaluation, history.data);
	if (status == 0 && (operation->kind == THING_GET || evaluation->is_refused))
		status = reply_with(
			!evaluation->is_refused, history.data, operation->kind == THING_GET, reply);
	else if (status == 0)
		status = add_to_history(evaluation, history.data, reply);
	kv_value_close(&history);
	return status;
}

static int evaluate(struct evaluator *evaluator, struct view *view, const struct eval_input *input,
	struct mutations *mutations, struct buf **reply)
{
	struct evaluation evaluation = {.view = view, .input = input, .mutations = mutations};
	int status = decode(input->body, &evaluation.operation);

	(void)evaluator;
	if (status < 0)
		return status;
	if (evaluation.operation.kind != THING_OPEN_SESSION)
		return evaluate_thing(&evaluation, reply);
	slots_open(mutations, evaluation.operation.id, slice_of("open", 4));
	return reply_with(true, (struct slice){0}, false, reply);
}

static bool may_begin(struct evaluator *evaluator, struct slice key)
{
	(void)evaluator;
	return key.size <= THING_BOUNDARY_SIZE_MAX;
}

static enum split_fate split_fate(
	struct evaluator *evaluator, struct slice row, struct slice key, struct slice *value)
{
	(void)evaluator;
	(void)row;
	(void)key;
	(void)value;
	return SPLIT_STAYS;
}

struct evaluator thing_evaluator(void)
{
	static const struct evaluator_ops ops = {
		.evaluate = evaluate, .may_begin = may_begin, .split_fate = split_fate};

	return (struct evaluator){.ops = &ops};
}
