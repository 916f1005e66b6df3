/*
 * store: what other builds have put into the log, into snapshots and into their rows (tests/data/wire) is read, and what
 * is written has not changed. None of it is skipped: a replica that left something out would not be a replica.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "raft/raft.h"
#include "store/disk/data_dir.h"
#include "store/log/batch.h"
#include "store/rows/extents.h"
#include "store/rows/keys.h"
#include "store/rows/mutations.h"
#include "store/rows/region.h"
#include "store/rows/region_split.h"
#include "store/rows/slots.h"
#include "store/snapshot/snapshot_chunk.h"
#include "tests/lib/test.h"
#include "tests/lib/wire.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))
#define TEXT(text)                                                                                           \
	{                                                                                                    \
		text, sizeof(text) - 1                                                                       \
	}
#define EPOCH	300u
#define SEGMENT 500u
#define STREAM	4711u

/* ---- Mutations, the data of entries ---- */

static int count_mutation(void *argument, const struct mutation *mutation)
{
	uint32_t *kinds = argument;

	*kinds |= 1u << mutation->kind;
	return 0;
}

static void expect_mutations(const char *name, struct mutations *mutations, uint32_t kinds)
{
	struct buf *longer;
	struct raft_entry entry = {0}, recorded;
	uint64_t epoch;
	uint32_t found = 0;

	assert_int_equal(mutations_finish(mutations, EPOCH, &entry), 0);
	wire_expect(name, buf_slice(entry.data));
	recorded = entry;
	recorded.data = wire_read(name);
	assert_int_equal(mutations_each(&recorded, &epoch, count_mutation, &found), 0);
	assert_int_equal(epoch, EPOCH);
	assert_int_equal(found, kinds);
	longer = wire_with_tail(buf_slice(recorded.data), 0);
	buf_unref(recorded.data);
	recorded.data = longer;
	assert_int_equal(mutations_each(&recorded, &epoch, count_mutation, &found), STATUS_CORRUPT);
	buf_unref(recorded.data);
	buf_unref(entry.data);
	buf_unref(entry.payload);
}

static struct buf *make_units(uint32_t count)
{
	struct buf *units = buf_new((size_t)count * BLOCK_UNIT_SIZE);

	assert_non_null(units);
	memset(units->data, 'u', units->size);
	return units;
}

static void mutations_stay(void **state)
{
	const struct slice key = TEXT("key"), high = TEXT("kez"), object = TEXT("object");
	struct buf *small = make_units(1), *large = make_units(MUTATIONS_BESIDE_SIZE / BLOCK_UNIT_SIZE);
	struct mutations mutations = {0};

	(void)state;
	mutations_put(&mutations, KEY_DATA, key, slice_of("value", 5));
	mutations_put(&mutations, KEY_LOCAL, key, slice_of("", 0));
	mutations_delete(&mutations, KEY_DATA, key);
	mutations_delete_range(&mutations, KEY_LOCAL, key, high);
	mutations_unmap(&mutations, object, 300, UINT64_MAX);
	expect_mutations("store/mutations", &mutations,
		1u << MUTATION_PUT | 1u << MUTATION_DELETE | 1u << MUTATION_DELETE_RANGE |
			1u << MUTATION_UNMAP);
	mutations = (struct mutations){0};
	mutations_write(&mutations, object, 300, 1, small, 0);
	expect_mutations("store/mutations_write", &mutations, 1u << MUTATION_WRITE);
	mutations = (struct mutations){0};
	mutations_write(&mutations, object, 300, MUTATIONS_BESIDE_SIZE / BLOCK_UNIT_SIZE, large, 0);
	expect_mutations("store/mutations_write_beside", &mutations, 1u << MUTATION_WRITE);
	buf_unref(small);
	buf_unref(large);
}

/* The rows of sessions and slots, as the log has them. */
static void slots_stay(void **state)
{
	struct mutations mutations = {0};

	(void)state;
	slots_open(&mutations, 500, (struct slice){0});
	slots_record(&mutations, 500, 7, 300, -ENOSPC, slice_of("reply", 5));
	slots_close(&mutations, 501);
	expect_mutations("store/mutations_slots", &mutations,
		1u << MUTATION_PUT | 1u << MUTATION_DELETE | 1u << MUTATION_DELETE_RANGE);
}

static void splits_stay(void **state)
{
	const struct region_split split = {
		.epoch = {.conf_version = 200, .version = EPOCH}, .region = 500, .key = TEXT("key")};
	struct raft_entry entry = {.type = RAFT_ENTRY_NORMAL};
	struct region_split decoded;
	struct buf *data, *longer;

	(void)state;
	assert_int_equal(region_split_encode(&split, &data), 0);
	wire_expect("store/split", buf_slice(data));
	entry.data = wire_read("store/split");
	assert_true(region_split_is(&entry));
	assert_int_equal(region_split_decode(&entry, &decoded), 0);
	assert_int_equal(decoded.epoch.conf_version, 200);
	assert_int_equal(decoded.epoch.version, EPOCH);
	assert_int_equal(decoded.region, 500);
	assert_int_equal(slice_compare(decoded.key, split.key), 0);
	longer = wire_with_tail(buf_slice(entry.data), 0);
	buf_unref(entry.data);
	entry.data = longer;
	assert_int_equal(region_split_decode(&entry, &decoded), STATUS_CORRUPT);
	buf_unref(entry.data);
	buf_unref(data);
}

static void conf_changes_stay(void **state)
{
	const struct raft_conf_change change = {.transition = RAFT_TRANSITION_JOINT_IMPLICIT,
		.steps = {{RAFT_ADD_VOTER, 300}, {RAFT_REMOVE_NODE, 301}, {RAFT_ADD_LEARNER, 302}},
		.step_count = 3,
		.context = TEXT("context")};
	struct raft_entry entry = {.type = RAFT_ENTRY_CONF_CHANGE_V2};
	struct raft_conf_change decoded;
	struct buf *data;

	(void)state;
	assert_int_equal(raft_conf_change_encode(&change, false, &data), 0);
	wire_expect("store/conf_change", buf_slice(data));
	entry.data = wire_read("store/conf_change");
	assert_int_equal(raft_conf_change_decode(&entry, &decoded), 0);
	assert_int_equal(decoded.transition, change.transition);
	assert_int_equal(decoded.step_count, 3);
	assert_memory_equal(decoded.steps, change.steps, 3 * sizeof *change.steps);
	assert_int_equal(slice_compare(decoded.context, change.context), 0);
	buf_unref(entry.data);
	buf_unref(data);
}

/* ---- The log's files ---- */

static const struct log_record records[] = {
	{LOG_RECORD_ENTRY, RAFT_ENTRY_NORMAL, 0, 9, 300, 5, TEXT("data"), TEXT("beside")},
	{LOG_RECORD_MOVED_ENTRY, RAFT_ENTRY_CONF_CHANGE_V2, 70000, 9, 301, 5, TEXT("data"), TEXT("")},
	{LOG_RECORD_HARD_STATE, 0, 0, 9, 300, 6, TEXT("8 bytes."), {0}},
	{LOG_RECORD_BASE, 0, 0, 9, 200, 4, {0}, {0}},
	{LOG_RECORD_RESET, 0, 0, 9, 250, 4, {0}, {0}},
	{LOG_RECORD_DESTROY, 0, 0, 9, 0, 0, {0}, {0}},
	{LOG_RECORD_MARK, 0, 0, 0, 0, 0, TEXT("mark"), TEXT("value")},
};

static void expect_records(struct slice bytes)
{
	for (size_t i = 0; i < COUNT_OF(records); i++) {
		const struct log_record *expected = &records[i];
		struct log_record record;

		assert_int_equal(log_record_decode(bytes, SEGMENT, &record), 0);
		assert_int_equal(record.kind, expected->kind);
		assert_int_equal(record.entry_type, expected->entry_type);
		assert_int_equal(record.payload_size, expected->payload_size);
		assert_int_equal(record.region, expected->region);
		assert_int_equal(record.index, expected->index);
		assert_int_equal(record.term, expected->term);
		assert_int_equal(slice_compare(record.data, expected->data), 0);
		assert_int_equal(slice_compare(record.beside, expected->beside), 0);
		bytes.data = (const uint8_t *)bytes.data + log_record_size(&record);
		bytes.size -= log_record_size(&record);
	}
}

static void log_batches_stay(void **state)
{
	struct log_batch batch = {.segment = SEGMENT,
		.number = 600,
		.oldest = 499,
		.offset = 8192,
		.size = LOG_BLOCK_SIZE,
		.record_count = COUNT_OF(records)};
	uint8_t bytes[LOG_BLOCK_SIZE] = {0}, *end = bytes + LOG_BATCH_HEADER_SIZE;
	struct log_batch peeked = {0};
	struct buf *recorded;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(records); i++) {
		log_record_encode(end, &records[i], SEGMENT);
		end += log_record_size(&records[i]);
	}
	batch.records_size = (uint32_t)(end - bytes) - LOG_BATCH_HEADER_SIZE;
	log_batch_seal(bytes, &batch);
	wire_expect("store/log_batch", slice_of(bytes, sizeof bytes));
	recorded = wire_read("store/log_batch");
	assert_true(log_batch_peek(recorded->data, SEGMENT, 8192, 1 << 20, &peeked));
	assert_int_equal(log_batch_verify(recorded->data, &peeked), 0);
	assert_memory_equal(&peeked, &batch, sizeof batch);
	expect_records(slice_of((uint8_t *)recorded->data + LOG_BATCH_HEADER_SIZE, batch.records_size));
	buf_unref(recorded);
}

/* ---- Rows and keys of the store ---- */

static const struct region_peer peers[] = {
	{300, 1, REGION_VOTER}, {301, 2, REGION_VOTER_OUTGOING}, {302, 3, REGION_LEARNER}};

static void regions_stay(void **state)
{
	struct region region, decoded;
	struct buf *row, *recorded, *longer;

	(void)state;
	assert_int_equal(region_init(&region, 9, slice_of("a", 1), slice_of("b", 1), peers, 3), 0);
	region.epoch = (struct region_epoch){200, EPOCH};
	region.auto_leave = true;
	assert_int_equal(region_encode(&region, &row), 0);
	wire_expect("store/region", buf_slice(row));
	recorded = wire_read("store/region");
	assert_int_equal(region_decode(buf_slice(recorded), &decoded), 0);
	assert_int_equal(decoded.id, 9);
	assert_int_equal(decoded.epoch.conf_version, 200);
	assert_int_equal(decoded.epoch.version, EPOCH);
	assert_true(decoded.auto_leave);
	assert_int_equal(decoded.peer_count, 3);
	for (size_t i = 0; i < COUNT_OF(peers); i++) {
		assert_int_equal(decoded.peers[i].id, peers[i].id);
		assert_int_equal(decoded.peers[i].store, peers[i].store);
		assert_int_equal(decoded.peers[i].roles, peers[i].roles);
	}
	region_close(&decoded);
	longer = wire_with_tail(buf_slice(recorded), 0);
	assert_int_equal(region_decode(buf_slice(longer), &decoded), STATUS_CORRUPT);
	buf_unref(longer);
	buf_unref(recorded);
	buf_unref(row);
	region_close(&region);
}

static void apply_states_stay(void **state)
{
	uint8_t row[APPLY_STATE_SIZE];
	struct apply_state decoded;
	struct buf *recorded;

	(void)state;
	apply_state_encode(&(struct apply_state){300, 5}, row);
	wire_expect("store/apply_state", slice_of(row, sizeof row));
	recorded = wire_read("store/apply_state");
	assert_int_equal(apply_state_decode(buf_slice(recorded), &decoded), 0);
	assert_int_equal(decoded.index, 300);
	assert_int_equal(decoded.term, 5);
	buf_unref(recorded);
}

static void make_extents(struct extent_row *row)
{
	extent_row_clear(row);
	for (uint32_t i = 0; i < 3; i++)
		row->units[i * i + 5] = (struct extent_unit){.address = 1000 - i,
			.region = 9 + i / 2,
			.index = 300 + i,
			.checksum = 0x01020304 + i};
}

static void extents_stay(void **state)
{
	struct extent_row row, decoded;
	struct buf *bytes, *recorded;

	(void)state;
	make_extents(&row);
	assert_int_equal(extent_row_encode(&row, &bytes), 0);
	wire_expect("store/extents", buf_slice(bytes));
	recorded = wire_read("store/extents");
	assert_int_equal(extent_row_decode(buf_slice(recorded), &decoded), 0);
	for (size_t i = 0; i < EXTENT_ROW_UNITS; i++) {
		assert_int_equal(decoded.units[i].address, row.units[i].address);
		if (row.units[i].address == EXTENT_HOLE)
			continue;
		assert_int_equal(decoded.units[i].region, row.units[i].region);
		assert_int_equal(decoded.units[i].index, row.units[i].index);
		assert_int_equal(decoded.units[i].checksum, row.units[i].checksum);
	}
	buf_unref(recorded);
	buf_unref(bytes);
}

static void keys_stay(void **state)
{
	const struct slice inner = TEXT("inner");
	struct key keys[6], object;

	(void)state;
	key_region_state(&keys[0], 9);
	key_apply_state(&keys[1], 9);
	key_row(&keys[2], 9, KEY_LOCAL, inner);
	key_row(&keys[3], 9, KEY_DATA, inner);
	key_object(&object, inner);
	keys[4] = object;
	extent_row_key(&keys[5], &object, 300);
	wire_expect("store/key_region", key_slice(&keys[0]));
	wire_expect("store/key_applied", key_slice(&keys[1]));
	wire_expect("store/key_local", key_slice(&keys[2]));
	wire_expect("store/key_data", key_slice(&keys[3]));
	wire_expect("store/key_object", key_slice(&keys[4]));
	wire_expect("store/key_extents", key_slice(&keys[5]));
}

static void idents_stay(void **state)
{
	const struct ident ident = {.cluster = UINT64_MAX,
		.store = 200,
		.incarnation = 300,
		.directory_id = 0x0102030405060708,
		.log_is_rocksdb = true,
		.is_refused = true,
		.life_count = 2,
		.lives = {0x1112131415161718, 0x2122232425262728}};
	uint8_t bytes[IDENT_SIZE];
	struct ident decoded = {0};
	struct buf *recorded;
	uint32_t version;

	(void)state;
	ident_encode(&ident, bytes);
	wire_expect("store/ident", slice_of(bytes, sizeof bytes));
	recorded = wire_read("store/ident");
	assert_int_equal(ident_decode(recorded->data, &decoded, &version), 0);
	assert_memory_equal(&decoded, &ident, sizeof ident);
	buf_unref(recorded);
}

/* ---- Snapshots ---- */

static void snapshot_heads_stay(void **state)
{
	struct snapshot_head head = {.stream = STREAM}, decoded;
	struct buf *bytes, *recorded;

	(void)state;
	assert_int_equal(region_init(&head.region, 9, slice_of("a", 1), (struct slice){0}, peers, 3), 0);
	assert_int_equal(snapshot_head_encode(&head, &bytes), 0);
	wire_expect("store/snapshot_head", buf_slice(bytes));
	recorded = wire_read("store/snapshot_head");
	assert_int_equal(snapshot_head_decode(buf_slice(recorded), &decoded), 0);
	assert_int_equal(decoded.stream, STREAM);
	assert_int_equal(decoded.region.id, 9);
	region_close(&decoded.region);
	region_close(&head.region);
	buf_unref(recorded);
	buf_unref(bytes);
}

static void add_extents(struct snapshot_writer *writer)
{
	uint8_t *unit = snapshot_writer_units(writer);
	struct extent_row row;
	struct key object, key;
	struct buf *value;

	memset(unit, 'u', BLOCK_UNIT_SIZE);
	extent_row_clear(&row);
	row.units[5] = (struct extent_unit){
		.address = 1, .region = 9, .index = 300, .checksum = blocks_checksum(unit)};
	key_object(&object, slice_of("object", 6));
	extent_row_key(&key, &object, 0);
	assert_int_equal(extent_row_encode(&row, &value), 0);
	snapshot_writer_add(writer,
		&(struct snapshot_record){
			SNAPSHOT_EXTENTS, key_row_inner(KEY_DATA, key_slice(&key)), buf_slice(value)},
		1);
	buf_unref(value);
}

static void snapshot_chunks_stay(void **state)
{
	struct snapshot_chain chain = {.checksum = STREAM}, other = chain;
	struct snapshot_record record;
	struct snapshot_writer writer;
	struct snapshot_reader reader;
	struct extent_row row;
	struct buf *chunk, *recorded;

	(void)state;
	assert_int_equal(snapshot_writer_init(&writer), 0);
	snapshot_writer_add(&writer, &(struct snapshot_record){SNAPSHOT_LOCAL, TEXT("a"), TEXT("one")}, 0);
	snapshot_writer_add(&writer, &(struct snapshot_record){SNAPSHOT_DATA, TEXT("b"), TEXT("two")}, 0);
	add_extents(&writer);
	assert_int_equal(snapshot_writer_take(&writer, &chain, true, &chunk), 0);
	wire_expect("store/snapshot_chunk", buf_slice(chunk));
	recorded = wire_read("store/snapshot_chunk");
	assert_int_equal(snapshot_reader_init(&reader, &other, buf_slice(recorded)), 0);
	assert_int_equal(snapshot_reader_next(&reader, &record, &row), 0);
	assert_int_equal(record.kind, SNAPSHOT_LOCAL);
	assert_memory_equal(record.value.data, "one", 3);
	assert_int_equal(snapshot_reader_next(&reader, &record, &row), 0);
	assert_int_equal(record.kind, SNAPSHOT_DATA);
	assert_int_equal(snapshot_reader_next(&reader, &record, &row), 0);
	assert_int_equal(record.kind, SNAPSHOT_EXTENTS);
	assert_int_equal(row.units[5].index, 300);
	assert_int_equal(snapshot_reader_next(&reader, &record, &row), STATUS_NOT_FOUND);
	assert_true(other.is_last);
	buf_unref(recorded);
	buf_unref(chunk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mutations_stay),
		cmocka_unit_test(slots_stay),
		cmocka_unit_test(splits_stay),
		cmocka_unit_test(conf_changes_stay),
		cmocka_unit_test(log_batches_stay),
		cmocka_unit_test(regions_stay),
		cmocka_unit_test(apply_states_stay),
		cmocka_unit_test(extents_stay),
		cmocka_unit_test(keys_stay),
		cmocka_unit_test(idents_stay),
		cmocka_unit_test(snapshot_heads_stay),
		cmocka_unit_test(snapshot_chunks_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
