#include "store/rows/slots.h"

#include <errno.h>

#include "proto/codec.h"
#include "proto/plant.h"

#define SLOT_VERSION 1
#define SESSION_KEY  1
#define SLOT_KEY     2
#define KEY_SIZE_MAX 13 /* bytes */

static struct slice session_key(uint8_t bytes[KEY_SIZE_MAX], uint64_t session)
{
	struct writer writer = writer_fixed(bytes, KEY_SIZE_MAX);

	writer_u8(&writer, SESSION_KEY);
	writer_u64be(&writer, session);
	return writer_written(&writer);
}

static struct slice slot_key(uint8_t bytes[KEY_SIZE_MAX], uint64_t session, uint32_t slot)
{
	struct writer writer = writer_fixed(bytes, KEY_SIZE_MAX);

	writer_u8(&writer, SLOT_KEY);
	writer_u64be(&writer, session);
	writer_u32be(&writer, slot);
	return writer_written(&writer);
}

/* Past the last slot of a session. */
static struct slice slots_end(uint8_t bytes[KEY_SIZE_MAX], uint64_t session)
{
	struct writer writer = writer_fixed(bytes, KEY_SIZE_MAX);

	writer_u8(&writer, session < UINT64_MAX ? SLOT_KEY : SLOT_KEY + 1);
	if (session < UINT64_MAX)
		writer_u64be(&writer, session + 1);
	return writer_written(&writer);
}

void slots_open(struct mutations *mutations, uint64_t session, struct slice value)
{
	uint8_t key[KEY_SIZE_MAX];

	mutations_put(mutations, KEY_LOCAL, session_key(key, session), value);
}

void slots_close(struct mutations *mutations, uint64_t session)
{
	uint8_t low[KEY_SIZE_MAX], high[KEY_SIZE_MAX];

	mutations_delete(mutations, KEY_LOCAL, session_key(low, session));
	mutations_delete_range(mutations, KEY_LOCAL, slot_key(low, session, 0), slots_end(high, session));
}

int slots_have(struct view *view, uint64_t session, bool *has)
{
	uint8_t key[KEY_SIZE_MAX];
	struct kv_value row = {0};
	int status = view_get(view, KEY_LOCAL, session_key(key, session), &row);

	kv_value_close(&row);
	*has = status == 0;
	return status == STATUS_NOT_FOUND ? 0 : status;
}

struct slot {
	uint64_t sequence;
	int outcome;
	struct slice reply;
};

static int decode(struct slice row, struct slot *slot)
{
	struct reader reader = reader_of(row);
	uint8_t version = reader_u8(&reader);
	uint32_t error;

	slot->sequence = reader_varint(&reader);
	error = reader_u32le(&reader);
	slot->reply = reader_slice(&reader);
	if (version != SLOT_VERSION || error > INT32_MAX || reader_finish(&reader) < 0)
		return STATUS_CORRUPT;
	slot->outcome = -(int)error;
	return 0;
}

static int judge(const struct slot *slot, uint64_t sequence, enum slot_verdict *verdict, int *outcome,
	struct buf **reply)
{
	if (sequence != slot->sequence) {
		*verdict = sequence < slot->sequence ? SLOT_PASSED : SLOT_NEW;
		return 0;
	}
	*verdict = SLOT_REPEATED;
	*outcome = slot->outcome;
	*reply = buf_copy(slot->reply.data, slot->reply.size);
	return *reply ? 0 : -ENOMEM;
}

int slots_find(struct view *view, uint64_t session, uint32_t slot, uint64_t sequence,
	enum slot_verdict *verdict, int *outcome, struct buf **reply)
{
	uint8_t key[KEY_SIZE_MAX];
	struct kv_value value = {0};
	struct slot found;
	int status = view_get(view, KEY_LOCAL, session_key(key, session), &value);
	bool is_known = status != STATUS_NOT_FOUND;

	PLANT("sessions:not_fenced", is_known = true);
	if (!is_known)
		return STATUS_SESSION_UNKNOWN;
	if (status < 0 && status != STATUS_NOT_FOUND)
		return status;
	kv_value_close(&value);
	*verdict = SLOT_NEW;
	status = view_get(view, KEY_LOCAL, slot_key(key, session, slot), &value);
	if (status == STATUS_NOT_FOUND)
		return 0;
	if (status < 0)
		return status;
	status = decode(value.data, &found);
	if (status == 0)
		status = judge(&found, sequence, verdict, outcome, reply);
	kv_value_close(&value);
	return status;
}

void slots_record(struct mutations *mutations, uint64_t session, uint32_t slot, uint64_t sequence,
	int outcome, struct slice reply)
{
	struct writer row = writer_growing(SLOTS_REPLY_MAX + 32);
	uint8_t key[KEY_SIZE_MAX];

	writer_u8(&row, SLOT_VERSION);
	writer_varint(&row, sequence);
	writer_u32le(&row, (uint32_t)-outcome);
	writer_slice(&row, reply);
	if (row.status == 0)
		mutations_put(mutations, KEY_LOCAL, slot_key(key, session, slot), writer_written(&row));
	else if (mutations->status == 0)
		mutations->status = row.status;
	writer_close(&row);
}

int slots_check(struct slice key, struct slice value, uint64_t *session)
{
	struct reader reader = reader_of(key);
	uint8_t kind = reader_u8(&reader);
	struct slot slot;

	*session = reader_u64be(&reader);
	if (kind == SLOT_KEY)
		reader_u32be(&reader);
	if ((kind != SESSION_KEY && kind != SLOT_KEY) || reader_finish(&reader) < 0)
		return STATUS_CORRUPT;
	return kind == SLOT_KEY ? decode(value, &slot) : 0;
}

void slots_session_key(struct key *key, uint64_t region, uint64_t session)
{
	uint8_t bytes[KEY_SIZE_MAX];

	key_row(key, region, KEY_LOCAL, session_key(bytes, session));
}
