/*
 * store.c: the records of the cluster's stores, its settings, and the counters from which ids are drawn.
 */
#include <errno.h>

#include "proto/status.h"
#include "fs/eval/families.h"

/* ---- Counters ---- */

int eval_allocate(struct evaluation *evaluation, enum counter_kind counter, uint64_t *id)
{
	uint64_t last;
	int status = counter_read(evaluation->view, counter, &last);

	if (status != 0)
		return status;
	*id = last + 1;
	counter_put(evaluation->mutations, counter, *id);
	return 0;
}

int eval_allocate_past(struct evaluation *evaluation, enum counter_kind counter, uint64_t id)
{
	uint64_t last;
	int status = counter_read(evaluation->view, counter, &last);

	if (status == 0 && last < id)
		counter_put(evaluation->mutations, counter, id);
	return status;
}

/* ---- Stores ---- */

static int put_record(struct evaluation *evaluation, uint64_t store, const struct store_record *record)
{
	struct fs_key key = fs_key_store(store);
	struct writer writer = writer_growing(RECORD_SIZE_MAX);
	int status = store_record_encode(record, &writer);

	if (status == 0)
		mutations_put(evaluation->mutations, KEY_LOCAL, fs_key_slice(&key), writer_written(&writer));
	writer_close(&writer);
	return status;
}

/* What the records of stores say of the store that enters. */
struct entrance {
	const struct op_store_enter *op;
	uint32_t count; /* of stores that were not removed */
	uint64_t same; /* id that an earlier ask of this new store got; 0: none */
	bool is_known; /* its id has a record */
	enum store_state state; /* in its record */
	uint64_t incarnation, directory_id, replacement; /* in its record */
	bool is_taken; /* another store has its address */
};

static int look_at_store(void *argument, struct slice key, struct slice value)
{
	struct entrance *entrance = argument;
	const struct op_store_enter *op = entrance->op;
	struct store_record record;
	uint64_t store;
	int status = fs_key_parse_store(key, &store);

	if (status == 0)
		status = store_record_decode(value, &record);
	if (status != 0)
		return status;
	if (store == op->id) {
		entrance->is_known = true;
		entrance->state = record.state;
		entrance->incarnation = record.incarnation;
		entrance->directory_id = record.directory_id;
		entrance->replacement = record.replacement;
	}
	if (record.state != STORE_REMOVED)
		entrance->count++;
	if (!store_state_is_in(record.state))
		return 0;
	if (store == op->id || slice_compare(record.address, op->address) != 0)
		return 0;
	if (op->id == 0 && record.incarnation == 0)
		entrance->same = store;
	else
		entrance->is_taken = true;
	return 0;
}

static int check_entrance(const struct entrance *entrance)
{
	if (entrance->is_known &&
		(!store_state_is_in(entrance->state) || entrance->incarnation > entrance->op->incarnation ||
			!store_directory_fits(entrance->directory_id, entrance->op->directory_id)))
		return -ESTALE;
	if (entrance->is_taken)
		return -EEXIST;
	return !entrance->is_known && entrance->count >= STORE_COUNT_MAX ? -ENOSPC : 0;
}

int eval_store_enter(struct evaluation *evaluation, const struct op_store_enter *op)
{
	struct fs_key low = fs_key_stores(), high = fs_key_after(&low);
	struct store_record record = {.state = STORE_UP,
		.incarnation = op->incarnation,
		.directory_id = op->directory_id,
		.address = op->address};
	struct entrance entrance = {.op = op};
	uint64_t id = op->id;
	int status = view_scan(evaluation->view, KEY_LOCAL, fs_key_slice(&low), fs_key_slice(&high),
		look_at_store, &entrance);

	if (status == 0)
		status = check_entrance(&entrance);
	if (status != 0)
		return status;
	evaluation->reply.id = entrance.same > 0 ? entrance.same : id;
	if (entrance.same > 0)
		return 0;
	if (entrance.is_known) {
		record.state = entrance.state;
		record.replacement = entrance.replacement;
		if (record.directory_id == 0)
			record.directory_id = entrance.directory_id;
	}
	status = id == 0 ? eval_allocate(evaluation, COUNTER_STORE, &id)
			 : eval_allocate_past(evaluation, COUNTER_STORE, id);
	evaluation->reply.id = id;
	return status == 0 ? put_record(evaluation, id, &record) : status;
}

static bool may_become(enum store_state from, enum store_state to)
{
	return store_state_is_in(from) || from == to || (from == STORE_LOST && to == STORE_REMOVED);
}

int eval_store_set(struct evaluation *evaluation, const struct op_store_set *op)
{
	struct fs_key key = fs_key_store(op->id);
	struct store_record record;
	struct kv_value row = {0};
	int status = view_get(evaluation->view, KEY_LOCAL, fs_key_slice(&key), &row);

	if (status == STATUS_NOT_FOUND)
		return -ENOENT;
	if (status == 0)
		status = store_record_decode(row.data, &record);
	if (status == 0 && !may_become(record.state, op->state))
		status = -EPERM;
	if (status == 0 && (record.state != op->state || record.replacement != op->replacement)) {
		record.state = op->state;
		record.replacement = op->replacement;
		status = put_record(evaluation, op->id, &record);
	}
	kv_value_close(&row);
	return status;
}

/* ---- Settings ---- */

int eval_setting_set(struct evaluation *evaluation, const struct op_setting_set *op)
{
	struct fs_key key = fs_key_setting((uint8_t)op->setting);
	struct writer writer = writer_growing(RECORD_SIZE_MAX);
	int status;

	if (!op->is_set) {
		mutations_delete(evaluation->mutations, KEY_LOCAL, fs_key_slice(&key));
		return 0;
	}
	cluster_setting_encode(op->value, &writer);
	status = writer.status;
	if (status == 0)
		mutations_put(evaluation->mutations, KEY_LOCAL, fs_key_slice(&key), writer_written(&writer));
	writer_close(&writer);
	return status;
}
