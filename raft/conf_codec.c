/*
 * The encoding of membership changes in log entries, as declared in raft.h: the protobuf messages ConfChange and
 * ConfChangeV2 of etcd-io/raft. Like etcd, this writes required fields even if they are zero, so that sizes agree.
 */
#include <errno.h>

#include "proto/codec.h"
#include "raft/confchange.h"
#include "raft/raft.h"

/* Tags: a field's number and, in the low three bits, its wire type (0: a varint, 2: a length and bytes). */
enum {
	V1_ID = 1 << 3,
	V1_TYPE = 2 << 3,
	V1_NODE = 3 << 3,
	V1_CONTEXT = 4 << 3 | 2,
	V2_TRANSITION = 1 << 3,
	V2_STEP = 2 << 3 | 2,
	V2_CONTEXT = 3 << 3 | 2,
	STEP_TYPE = 1 << 3,
	STEP_NODE = 2 << 3,
};

static void write_field(struct writer *writer, uint8_t tag, uint64_t value)
{
	writer_u8(writer, tag);
	writer_varint(writer, value);
}

static void write_context(struct writer *writer, uint8_t tag, struct slice context)
{
	if (context.size == 0)
		return;
	writer_u8(writer, tag);
	writer_slice(writer, context);
}

static void write_v1(struct writer *writer, const struct raft_conf_change *change)
{
	write_field(writer, V1_ID, 0);
	write_field(writer, V1_TYPE, change->steps[0].type);
	write_field(writer, V1_NODE, change->steps[0].node);
	write_context(writer, V1_CONTEXT, change->context);
}

static void write_v2(struct writer *writer, const struct raft_conf_change *change)
{
	write_field(writer, V2_TRANSITION, change->transition);
	for (uint32_t i = 0; i < change->step_count; i++) {
		const struct raft_conf_change_step *step = &change->steps[i];

		write_field(writer, V2_STEP, 3 + codec_varint_size(step->node)); /* two tags and the type */
		write_field(writer, STEP_TYPE, step->type);
		write_field(writer, STEP_NODE, step->node);
	}
	write_context(writer, V2_CONTEXT, change->context);
}

int raft_conf_change_encode(const struct raft_conf_change *change, bool v1, struct buf **data)
{
	struct writer writer = writer_growing(SIZE_MAX / 2);

	*data = NULL;
	if (change->step_count > RAFT_CONF_CHANGE_STEPS_MAX)
		return STATUS_CONF_CHANGE_INVALID;
	if (v1 && (change->step_count != 1 || change->transition != RAFT_TRANSITION_AUTO))
		return STATUS_CONF_CHANGE_INVALID;
	if (confchange_is_leave(change) && change->context.size == 0)
		return 0;
	if (v1)
		write_v1(&writer, change);
	else
		write_v2(&writer, change);
	return writer_take(&writer, data);
}

static enum raft_conf_change_type read_type(struct reader *reader)
{
	uint64_t type = reader_varint(reader);

	if (type > RAFT_ADD_LEARNER) {
		reader_fail(reader);
		return RAFT_UPDATE_NODE;
	}
	return (enum raft_conf_change_type)type;
}

static void read_v1(struct reader *reader, struct raft_conf_change *change)
{
	change->step_count = 1;
	while (reader_has_more(reader)) {
		switch (reader_varint(reader)) {
		case V1_ID:
			reader_varint(reader); /* etcd uses it; it is ignored here */
			break;
		case V1_TYPE:
			change->steps[0].type = read_type(reader);
			break;
		case V1_NODE:
			change->steps[0].node = reader_varint(reader);
			break;
		case V1_CONTEXT:
			change->context = reader_slice(reader);
			break;
		default:
			reader_fail(reader);
		}
	}
}

static void read_step(struct reader *outer, struct raft_conf_change *change)
{
	struct reader reader = reader_of(reader_slice(outer));
	struct raft_conf_change_step step = {0};

	while (reader_has_more(&reader)) {
		switch (reader_varint(&reader)) {
		case STEP_TYPE:
			step.type = read_type(&reader);
			break;
		case STEP_NODE:
			step.node = reader_varint(&reader);
			break;
		default:
			reader_fail(&reader);
		}
	}
	if (reader_finish(&reader) != 0 || change->step_count == RAFT_CONF_CHANGE_STEPS_MAX)
		reader_fail(outer);
	else
		change->steps[change->step_count++] = step;
}

static enum raft_conf_change_transition read_transition(struct reader *reader)
{
	uint64_t transition = reader_varint(reader);

	if (transition > RAFT_TRANSITION_JOINT_EXPLICIT) {
		reader_fail(reader);
		return RAFT_TRANSITION_AUTO;
	}
	return (enum raft_conf_change_transition)transition;
}

static void read_v2(struct reader *reader, struct raft_conf_change *change)
{
	while (reader_has_more(reader)) {
		switch (reader_varint(reader)) {
		case V2_TRANSITION:
			change->transition = read_transition(reader);
			break;
		case V2_STEP:
			read_step(reader, change);
			break;
		case V2_CONTEXT:
			change->context = reader_slice(reader);
			break;
		default:
			reader_fail(reader);
		}
	}
}

int raft_conf_change_decode(const struct raft_entry *entry, struct raft_conf_change *change)
{
	struct reader reader = reader_of(buf_slice(entry->data));

	*change = (struct raft_conf_change){0};
	if (entry->type == RAFT_ENTRY_CONF_CHANGE)
		read_v1(&reader, change);
	else if (entry->type == RAFT_ENTRY_CONF_CHANGE_V2)
		read_v2(&reader, change);
	else
		return STATUS_MALFORMED;
	return reader_finish(&reader);
}
