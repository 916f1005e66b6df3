/*
 * raftkv.proto, frame: what other builds have sent (tests/data/wire) is understood. A message may get more fields, which
 * the recorded bytes lack; a field that they have keeps its number and type.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/codec.h"
#include "proto/frame.h"
#include "proto/raftkv.pb-c.h"
#include "proto/status.h"
#include "tests/lib/test.h"
#include "tests/lib/wire.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))
#define REPEATED	2u
#define NAME_SIZE	96

static const ProtobufCMessageDescriptor *const messages[] = {
	&raftkv__hello__descriptor,
	&raftkv__hello_reply__descriptor,
	&raftkv__peer_messages__descriptor, /* and all that is in them */
	&raftkv__snapshot_answer__descriptor,
	&raftkv__refusal__descriptor,
	&raftkv__read_request__descriptor,
	&raftkv__read_reply__descriptor,
	&raftkv__write_request__descriptor,
	&raftkv__write_reply__descriptor,
	&raftkv__beat_request__descriptor,
	&raftkv__beat_reply__descriptor,
	&raftkv__routes_request__descriptor,
	&raftkv__routes_reply__descriptor,
	&raftkv__report_request__descriptor,
	&raftkv__report_reply__descriptor,
	&raftkv__stats_request__descriptor,
	&raftkv__stats_reply__descriptor,
	&raftkv__overview_request__descriptor,
	&raftkv__overview_reply__descriptor,
	&raftkv__admin_request__descriptor,
	&raftkv__admin_reply__descriptor,
	&raftkv__split_request__descriptor,
	&raftkv__region_step_request__descriptor,
	&raftkv__region_step_reply__descriptor,
	&raftkv__region_report__descriptor,
	&raftkv__split_reply__descriptor,
	&raftkv__regions_request__descriptor,
	&raftkv__regions_reply__descriptor,
};

/* Messages that got fields after their file was recorded, and the file with those. */
static const struct {
	const ProtobufCMessageDescriptor *message;
	const char *name;
} later[] = {
	{&raftkv__peer_messages__descriptor, "message/PeerMessages.led_parent"},
	{&raftkv__peer_messages__descriptor, "message/PeerMessages.alive"},
	{&raftkv__read_reply__descriptor, "message/ReadReply.routes"},
	{&raftkv__write_reply__descriptor, "message/WriteReply.routes"},
	{&raftkv__routes_request__descriptor, "message/RoutesRequest.key"},
	{&raftkv__routes_reply__descriptor, "message/RoutesReply.next"},
	{&raftkv__overview_request__descriptor, "message/OverviewRequest.without_regions"},
	{&raftkv__admin_request__descriptor, "message/AdminRequest.key"},
	{&raftkv__admin_reply__descriptor, "message/AdminReply.key"},
	{&raftkv__report_request__descriptor, "message/ReportRequest.split_dirid"},
	{&raftkv__report_request__descriptor, "message/ReportRequest.nameless"},
	{&raftkv__report_request__descriptor, "message/ReportRequest.regions"},
	{&raftkv__report_reply__descriptor, "message/ReportReply.term"},
	{&raftkv__overview_reply__descriptor, "message/OverviewReply.steps"},
	{&raftkv__overview_reply__descriptor, "message/OverviewReply.region_bytes"},
	{&raftkv__overview_reply__descriptor, "message/OverviewReply.cpu_us"},
	{&raftkv__report_request__descriptor, "message/ReportRequest.cpu_us"},
	{&raftkv__regions_reply__descriptor, "message/RegionsReply.cpu_us"},
	{&raftkv__admin_request__descriptor, "message/AdminRequest.regions"},
};

/* ---- Values that name their field ---- */

/* The bytes were recorded when the field had this name; a name is not sent. */
static const char *recorded_name(const ProtobufCFieldDescriptor *field)
{
	return strcmp(field->name, "directory_id") == 0 ? "birth" : field->name;
}

static uint64_t number_of(const ProtobufCFieldDescriptor *field)
{
	uint64_t number = 1469598103934665603u;

	for (const char *at = recorded_name(field); *at; at++)
		number = (number ^ (uint8_t)*at) * 1099511628211u;
	return number;
}

static void fill_message(ProtobufCMessage *message);

static ProtobufCMessage *new_message(const ProtobufCMessageDescriptor *descriptor)
{
	ProtobufCMessage *message = calloc(1, descriptor->sizeof_message);

	assert_non_null(message);
	protobuf_c_message_init(descriptor, message);
	return message;
}

static void fill_value(const ProtobufCFieldDescriptor *field, void *value)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_UINT32:
		*(uint32_t *)value = (uint32_t)number_of(field);
		break;
	case PROTOBUF_C_TYPE_SINT32:
		*(int32_t *)value = -(int32_t)(number_of(field) >> 40);
		break;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		*(uint64_t *)value = number_of(field);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		*(protobuf_c_boolean *)value = 1;
		break;
	case PROTOBUF_C_TYPE_ENUM:
		*(int *)value = 1;
		break;
	case PROTOBUF_C_TYPE_STRING:
		*(char **)value = strdup(field->name);
		break;
	case PROTOBUF_C_TYPE_BYTES:
		*(ProtobufCBinaryData *)value =
			(ProtobufCBinaryData){strlen(field->name), (uint8_t *)strdup(field->name)};
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		*(ProtobufCMessage **)value = new_message(field->descriptor);
		fill_message(*(ProtobufCMessage **)value);
		break;
	default:
		fail_msg("%s is of a type that has no value here", field->name);
	}
}

static size_t size_of(const ProtobufCFieldDescriptor *field)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		return sizeof(uint64_t);
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	default:
		fail_msg("%s is repeated and of a type that has no size here", field->name);
	}
	return 0;
}

static void fill_message(ProtobufCMessage *message)
{
	for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
		uint8_t *value = (uint8_t *)message + field->offset;

		if (field->label != PROTOBUF_C_LABEL_REPEATED) {
			fill_value(field, value);
			continue;
		}
		*(size_t *)((uint8_t *)message + field->quantifier_offset) = REPEATED;
		*(void **)value = calloc(REPEATED, size_of(field));
		for (size_t k = 0; k < REPEATED; k++)
			fill_value(field, *(uint8_t **)value + k * size_of(field));
	}
}

/* ---- What was recorded ---- */

static void expect_message(const ProtobufCMessage *message);

/* A field that is not there, as one that came later, is 0. */
static bool is_there(const ProtobufCFieldDescriptor *field, const void *value)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_ENUM:
		return *(const uint32_t *)value != 0;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		return *(const uint64_t *)value != 0;
	case PROTOBUF_C_TYPE_BOOL:
		return *(const protobuf_c_boolean *)value != 0;
	case PROTOBUF_C_TYPE_STRING:
		return **(char *const *)value != '\0';
	case PROTOBUF_C_TYPE_BYTES:
		return ((const ProtobufCBinaryData *)value)->len > 0;
	default:
		return *(void *const *)value != NULL;
	}
}

static void expect_field(const ProtobufCFieldDescriptor *field, const void *value)
{
	const ProtobufCBinaryData *bytes = value;
	uint64_t expected = 0;

	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		assert_string_equal(*(char *const *)value, field->name);
		break;
	case PROTOBUF_C_TYPE_BYTES:
		assert_int_equal(bytes->len, strlen(field->name));
		assert_memory_equal(bytes->data, field->name, bytes->len);
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		expect_message(*(ProtobufCMessage *const *)value);
		break;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		assert_int_equal(*(const uint64_t *)value, number_of(field));
		break;
	default:
		fill_value(field, &expected);
		assert_int_equal(*(const uint32_t *)value, (uint32_t)expected);
	}
}

static void expect_message(const ProtobufCMessage *message)
{
	if (message->n_unknown_fields > 0)
		fail_msg("%s has lost its field %u", message->descriptor->name,
			message->unknown_fields[0].tag);
	for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
		const uint8_t *value = (const uint8_t *)message + field->offset;
		size_t count = *(const size_t *)((const uint8_t *)message + field->quantifier_offset);

		if (field->label == PROTOBUF_C_LABEL_REPEATED)
			for (size_t k = 0; k < count; k++)
				expect_field(field, *(const uint8_t *const *)value + k * size_of(field));
		else if (is_there(field, value))
			expect_field(field, value);
	}
}

/* Sound bytes of a field that no program knows, behind the others. */
static struct buf *with_unknown_field(struct slice bytes)
{
	struct writer writer = writer_growing(bytes.size + 32);
	struct buf *longer;

	writer_bytes(&writer, bytes.data, bytes.size);
	writer_varint(&writer, 5000 << 3 | 2);
	writer_slice(&writer, slice_of("unknown", 7));
	assert_int_equal(writer_take(&writer, &longer), 0);
	return longer;
}

static struct buf *pack(const ProtobufCMessage *message)
{
	struct buf *bytes = buf_new(protobuf_c_message_get_packed_size(message) + 1);

	assert_non_null(bytes);
	bytes->size = protobuf_c_message_pack(message, bytes->data);
	return bytes;
}

static void record_message(const ProtobufCMessageDescriptor *descriptor, const char *name)
{
	ProtobufCMessage *message = new_message(descriptor);
	struct buf *bytes;

	fill_message(message);
	bytes = pack(message);
	wire_record(name, buf_slice(bytes));
	buf_unref(bytes);
	protobuf_c_message_free_unpacked(message, NULL);
}

static void expect_recorded(const ProtobufCMessageDescriptor *descriptor, const struct buf *recorded)
{
	struct buf *longer = with_unknown_field(buf_slice(recorded)), *again;
	ProtobufCMessage *message =
		protobuf_c_message_unpack(descriptor, NULL, recorded->size, recorded->data);

	assert_non_null(message);
	expect_message(message);
	again = pack(message);
	assert_int_equal(again->size, recorded->size);
	assert_memory_equal(again->data, recorded->data, again->size);
	protobuf_c_message_free_unpacked(message, NULL);
	message = protobuf_c_message_unpack(descriptor, NULL, longer->size, longer->data);
	assert_non_null(message);
	assert_int_equal(message->n_unknown_fields, 1);
	protobuf_c_message_free_unpacked(message, NULL);
	message = protobuf_c_message_unpack(descriptor, NULL, 0, recorded->data);
	assert_non_null(message); /* no field has to be there */
	protobuf_c_message_free_unpacked(message, NULL);
	buf_unref(longer);
	buf_unref(again);
}

static void expect_file(const ProtobufCMessageDescriptor *descriptor, const char *name)
{
	struct buf *recorded;

	record_message(descriptor, name);
	recorded = wire_read(name);
	expect_recorded(descriptor, recorded);
	buf_unref(recorded);
}

static void messages_stay(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(messages); i++) {
		char name[NAME_SIZE];

		snprintf(name, sizeof name, "message/%s", messages[i]->short_name);
		expect_file(messages[i], name);
	}
	for (size_t i = 0; i < COUNT_OF(later); i++)
		expect_file(later[i].message, later[i].name);
}

/* ---- Frames ---- */

static int count_frame(void *argument, const struct frame *frame)
{
	Raftkv__SnapshotAnswer *head =
		raftkv__snapshot_answer__unpack(NULL, frame->head.size, frame->head.data);

	assert_int_equal(frame->type, FRAME_SNAPSHOT_ANSWER);
	assert_int_equal(frame->request, UINT64_MAX);
	assert_int_equal(frame->attachment_count, 1);
	assert_memory_equal(frame->attachments[0]->data, "attached", 8);
	assert_non_null(head);
	assert_int_equal(head->status, -5);
	raftkv__snapshot_answer__free_unpacked(head, NULL);
	(*(uint32_t *)argument)++;
	return 0;
}

static void frames_stay(void **state)
{
	Raftkv__SnapshotAnswer head = RAFTKV__SNAPSHOT_ANSWER__INIT;
	struct buf *attachment = buf_copy("attached", 8), *prefix, *recorded;
	struct writer writer = writer_growing(4096);
	struct frame_decoder decoder;
	uint32_t count = 0;

	(void)state;
	head.status = -5;
	assert_int_equal(
		frame_encode(FRAME_SNAPSHOT_ANSWER, UINT64_MAX, &head.base, &attachment, 1, &prefix), 0);
	writer_bytes(&writer, prefix->data, prefix->size);
	writer_bytes(&writer, attachment->data, attachment->size);
	wire_expect("message/frame", writer_written(&writer));
	recorded = wire_read("message/frame");
	frame_decoder_init(&decoder, count_frame, &count);
	assert_int_equal(frame_decoder_feed(&decoder, buf_slice(recorded)), 0);
	assert_int_equal(count, 1);
	frame_decoder_close(&decoder);
	writer_close(&writer);
	buf_unref(recorded);
	buf_unref(prefix);
	buf_unref(attachment);
}

/* Statuses and types go over the wire as numbers. */
static void numbers_stay(void **state)
{
	const int32_t numbers[] = {STATUS_NOT_LEADER, STATUS_MALFORMED, STATUS_LIMIT, STATUS_STALE_COMMAND,
		STATUS_EPOCH_NOT_MATCH, STATUS_REGION_NOT_FOUND, STATUS_STOPPING, STATUS_NOT_FOUND,
		STATUS_SESSION_UNKNOWN, FRAME_HELLO, FRAME_HELLO_REPLY, FRAME_PING, FRAME_PONG,
		FRAME_PEER_MESSAGES, FRAME_SNAPSHOT, FRAME_SNAPSHOT_CHUNK, FRAME_SNAPSHOT_ANSWER, FRAME_READ,
		FRAME_WRITE, FRAME_BEAT, FRAME_ROUTES, FRAME_REPORT, FRAME_STATS, FRAME_OVERVIEW, FRAME_ADMIN,
		RAFTKV__ROLE__STORE, RAFTKV__ROLE__SNAPSHOT, RAFTKV__ROLE__CLIENT};
	const int32_t later_numbers[] = {FRAME_SPLIT, FRAME_REGIONS};
	const int32_t placement_numbers[] = {FRAME_REGION_STEP};
	uint8_t bytes[sizeof numbers];
	struct writer writer = writer_fixed(bytes, sizeof bytes);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(numbers); i++)
		writer_u32le(&writer, (uint32_t)numbers[i]);
	wire_expect("message/numbers", writer_written(&writer));
	writer = writer_fixed(bytes, sizeof bytes);
	for (size_t i = 0; i < COUNT_OF(later_numbers); i++)
		writer_u32le(&writer, (uint32_t)later_numbers[i]);
	wire_expect("message/numbers.split", writer_written(&writer));
	writer = writer_fixed(bytes, sizeof bytes);
	for (size_t i = 0; i < COUNT_OF(placement_numbers); i++)
		writer_u32le(&writer, (uint32_t)placement_numbers[i]);
	wire_expect("message/numbers.placement", writer_written(&writer));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_stay),
		cmocka_unit_test(frames_stay),
		cmocka_unit_test(numbers_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
