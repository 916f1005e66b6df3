/* fs/intent, read_rows: what is encoded is decoded, and nothing else is accepted; which rows an operation is told of. */
#include "tests/lib/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/schema/intent.h"
#include "fs/schema/op.h"
#include "fs/schema/question.h"
#include "fs/schema/read.h"
#include "fs/schema/read_rows.h"
#include "proto/plant.h"
#include "proto/status.h"
#include "tests/lib/fs_harness.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))
#define DIRECTORY	fs_ino(5, FS_SEQ_DIRECTORY)
#define FILE_INO	fs_ino(5, 9)
#define TEXT(text)	slice_of(text, sizeof(text) - 1)

static const struct attempt attempt = {
	.anchor = UINT64_MAX, .region = UINT64_C(1) << 40, .term = 300, .number = 7};
static const struct intent_age age = {.asked = UINT64_MAX, .session = 500, .slot = 12};

static void fill_bytes(uint8_t bytes[], size_t size)
{
	memset(bytes, 'b', size);
}

/* ---- One of each kind ---- */

static struct intent intent_of_row(const struct fs_key *key)
{
	return (struct intent){.kind = INTENT_ROW,
		.ino = DIRECTORY,
		.row = {.key = fs_key_slice(key), .before = TEXT("before"), .had = true}};
}

static struct intent intent_of_file(uint32_t flags)
{
	return (struct intent){.kind = INTENT_INODE,
		.ino = FILE_INO,
		.inode = {.generation = 77, .flags_seen = FS_FLAG_NOATIME, .flags = flags, .nlink = -1}};
}

static struct intent intent_of_directory(uint32_t flags)
{
	return (struct intent){.kind = INTENT_INODE,
		.ino = DIRECTORY,
		.inode = {.generation = 1,
			.flags = flags,
			.nlink = INT32_MAX,
			.entries = INT32_MIN,
			.parent_before = FS_ROOT_INO,
			.parent_after = fs_ino(6, FS_SEQ_DIRECTORY)}};
}

static const struct intent tree = {.kind = INTENT_TREE, .ino = FS_ROOT_INO};

static void add_intent(struct writer *writer, struct intent intent)
{
	assert_int_equal(intent_encode(&intent, writer), 0);
}

/* One of each kind: 6 intents. */
#define SAMPLES 6u
static struct slice write_samples(struct writer *writer)
{
	struct fs_key entry = fs_key_entry(DIRECTORY, 9, TEXT("name")), inode = fs_key_inode(DIRECTORY);
	struct intent born = {.kind = INTENT_ROW,
		.ino = DIRECTORY,
		.row = {.key = fs_key_slice(&inode), .after = TEXT("after"), .has = true, .is_first = true}};
	struct intent replaced = intent_of_row(&entry);

	replaced.row.has = true;
	add_intent(writer, intent_of_row(&entry));
	add_intent(writer, replaced);
	add_intent(writer, born);
	add_intent(writer, intent_of_file(INTENT_TOUCHES | INTENT_DROPS | INTENT_HOLDS));
	add_intent(writer, intent_of_directory(INTENT_TOUCHES_CONTENT | INTENT_MOVES));
	add_intent(writer, tree);
	return writer_written(writer);
}

/* ---- Ages ---- */

static void the_one_that_was_asked_first_is_older(void **state)
{
	const struct intent_age ages[] = {{1, 9, 9}, {2, 1, 9}, {2, 2, 0}, {2, 2, 1}, {UINT64_MAX, 0, 0}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(ages); i++)
		for (size_t j = 0; j < COUNT_OF(ages); j++)
			assert_int_equal(intent_age_is_older(&ages[i], &ages[j]), i < j);
}

/* ---- Keys ---- */

static void keys_of_intents_are_parsed(void **state)
{
	struct fs_key key = fs_key_intent(FILE_INO, &attempt, INTENTS_OF_ATTEMPT_MAX - 1);
	struct fs_key prefix = fs_key_intents(FILE_INO), all = fs_key_intents_all();
	struct fs_key past = fs_key_intent(FILE_INO, &attempt, INTENTS_OF_ATTEMPT_MAX);
	struct attempt parsed, zero = attempt;
	uint64_t ino;
	uint32_t index;

	(void)state;
	assert_int_equal(fs_key_parse_intent(fs_key_slice(&key), &ino, &parsed, &index), 0);
	assert_int_equal(ino, FILE_INO);
	assert_int_equal(index, INTENTS_OF_ATTEMPT_MAX - 1);
	assert_true(attempt_is_same(&parsed, &attempt));
	assert_memory_equal(key.bytes, prefix.bytes, prefix.size);
	assert_memory_equal(key.bytes, all.bytes, all.size);
	for (uint16_t size = 0; size < key.size; size++)
		assert_int_equal(fs_key_parse_intent(slice_of(key.bytes, size), &ino, &parsed, &index),
			STATUS_CORRUPT);
	assert_int_equal(fs_key_parse_intent(fs_key_slice(&past), &ino, &parsed, &index), STATUS_CORRUPT);
	zero.number = 0;
	key = fs_key_intent(FILE_INO, &zero, 1);
	assert_int_equal(fs_key_parse_intent(fs_key_slice(&key), &ino, &parsed, &index), STATUS_CORRUPT);
}

static void keys_of_committed_records_are_parsed(void **state)
{
	struct fs_key key = fs_key_committed(&attempt), all = fs_key_committed_all();
	struct attempt parsed;

	(void)state;
	assert_int_equal(fs_key_parse_committed(fs_key_slice(&key), &parsed), 0);
	assert_true(attempt_is_same(&parsed, &attempt));
	assert_memory_equal(key.bytes, all.bytes, all.size);
	for (uint16_t size = 0; size < key.size; size++)
		assert_int_equal(fs_key_parse_committed(slice_of(key.bytes, size), &parsed), STATUS_CORRUPT);
	key.bytes[0] = 'T';
	assert_int_equal(fs_key_parse_committed(fs_key_slice(&key), &parsed), STATUS_CORRUPT);
}

/* ---- Intents ---- */

static void intents_survive(void **state)
{
	struct writer writer = writer_growing(INTENTS_SIZE_MAX), again = writer_growing(INTENTS_SIZE_MAX);
	struct slice list = write_samples(&writer), rest = list;
	struct intent intent;
	uint32_t count = 0;

	(void)state;
	assert_int_equal(intents_check(list), 0);
	for (; intent_next(&rest, &intent); count++)
		add_intent(&again, intent);
	assert_int_equal(count, SAMPLES);
	assert_int_equal(rest.size, 0);
	assert_int_equal(slice_compare(writer_written(&again), list), 0);
	writer_close(&again);
	writer_close(&writer);
}

static void the_parts_of_an_intent_survive(void **state)
{
	struct writer writer = writer_growing(INTENTS_SIZE_MAX);
	struct slice rest = write_samples(&writer);
	struct intent intent;

	(void)state;
	assert_true(intent_next(&rest, &intent));
	assert_true(intent.row.had && !intent.row.has && !intent.row.is_first);
	assert_int_equal(slice_compare(intent.row.before, TEXT("before")), 0);
	assert_true(intent_next(&rest, &intent));
	assert_true(intent.row.had && intent.row.has && intent.row.after.size == 0);
	assert_true(intent_next(&rest, &intent));
	assert_true(!intent.row.had && intent.row.has && intent.row.is_first);
	assert_true(intent_next(&rest, &intent));
	assert_int_equal(intent.ino, FILE_INO);
	assert_int_equal(intent.inode.generation, 77);
	assert_int_equal(intent.inode.flags_seen, FS_FLAG_NOATIME);
	assert_int_equal(intent.inode.nlink, -1);
	assert_true(intent_next(&rest, &intent));
	assert_int_equal(intent.inode.flags, INTENT_TOUCHES_CONTENT | INTENT_MOVES);
	assert_int_equal(intent.inode.nlink, INT32_MAX);
	assert_int_equal(intent.inode.entries, INT32_MIN);
	assert_int_equal(intent.inode.parent_before, FS_ROOT_INO);
	assert_int_equal(intent.inode.parent_after, fs_ino(6, FS_SEQ_DIRECTORY));
	assert_true(intent_next(&rest, &intent));
	assert_int_equal(intent.kind, INTENT_TREE);
	writer_close(&writer);
}

/* A list that is cut ends between two intents, or is malformed. */
static void cut_lists_are_refused(void **state)
{
	struct writer writer = writer_growing(INTENTS_SIZE_MAX);
	struct slice list = write_samples(&writer);
	uint32_t sound = 0;

	(void)state;
	for (size_t size = 0; size < list.size; size++) {
		struct slice rest = slice_of(list.data, size);
		struct intent intent;

		while (intent_next(&rest, &intent))
			continue;
		assert_int_equal(intents_check(slice_of(list.data, size)),
			size > 0 && rest.size == 0 ? 0 : STATUS_MALFORMED);
		sound += size > 0 && rest.size == 0;
	}
	assert_int_equal(sound, SAMPLES - 1);
	writer_close(&writer);
}

static void lists_have_a_limit(void **state)
{
	struct writer writer = writer_growing(2 * INTENTS_SIZE_MAX);
	struct fs_key key = fs_key_inode(DIRECTORY);
	struct intent large = intent_of_row(&key);
	uint8_t *bytes = malloc(INTENTS_SIZE_MAX);

	(void)state;
	for (uint32_t i = 0; i < INTENTS_OF_ATTEMPT_MAX; i++) {
		add_intent(&writer, tree);
		assert_int_equal(intents_check(writer_written(&writer)), 0);
	}
	add_intent(&writer, tree);
	assert_int_equal(intents_check(writer_written(&writer)), STATUS_MALFORMED);
	assert_int_equal(intents_check((struct slice){0}), STATUS_MALFORMED);
	writer.size = 0;
	fill_bytes(bytes, INTENTS_SIZE_MAX);
	large.row.before = slice_of(bytes, INTENTS_SIZE_MAX / 2);
	add_intent(&writer, large);
	assert_int_equal(intents_check(writer_written(&writer)), 0);
	add_intent(&writer, large);
	assert_int_equal(intents_check(writer_written(&writer)), STATUS_MALFORMED);
	writer_close(&writer);
	free(bytes);
}

static void expect_refused(struct intent intent)
{
	struct writer writer = writer_growing(INTENTS_SIZE_MAX);
	struct slice rest;

	assert_int_equal(intent_encode(&intent, &writer), STATUS_CORRUPT);
	rest = writer_written(&writer);
	assert_false(intent_next(&rest, &intent));
	writer_close(&writer);
}

static void rows_that_nobody_means_are_refused(void **state)
{
	struct fs_key key = fs_key_inode(DIRECTORY), other = fs_key_inode(fs_ino(6, 1));
	struct fs_key dirid = fs_key_dirid(5);
	struct intent intent;

	(void)state;
	intent = intent_of_row(&other);
	expect_refused(intent);
	intent = intent_of_row(&dirid);
	expect_refused(intent);
	intent = intent_of_row(&key);
	intent.row.had = false;
	expect_refused(intent);
	intent.row.before = (struct slice){0};
	expect_refused(intent); /* neither before nor after */
	intent = intent_of_row(&key);
	intent.row.after = TEXT("after");
	expect_refused(intent);
	intent.row.has = true;
	intent.row.is_first = true;
	expect_refused(intent);
	intent = tree;
	intent.ino = DIRECTORY;
	expect_refused(intent);
	intent.kind = INTENT_TREE + 1;
	expect_refused(intent);
}

static void changes_that_nobody_means_are_refused(void **state)
{
	const uint32_t of_files[] = {INTENT_MOVES, INTENT_REMOVES, INTENT_HOLDS, INTENT_FLAGS_ALL + 1};
	const uint32_t of_directories[] = {INTENT_DROPS, INTENT_ENDS_KEEPING, INTENT_HOLDS};
	struct intent intent;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(of_files); i++)
		expect_refused(intent_of_file(of_files[i]));
	for (size_t i = 0; i < COUNT_OF(of_directories); i++)
		expect_refused(intent_of_directory(of_directories[i]));
	intent = intent_of_file(0);
	intent.inode.entries = 1;
	expect_refused(intent);
	intent = intent_of_file(0);
	intent.inode.generation = 0;
	expect_refused(intent);
	intent = intent_of_file(0);
	intent.inode.flags_seen = 1;
	expect_refused(intent);
	intent = intent_of_file(0);
	intent.ino = fs_ino(5, 0);
	expect_refused(intent);
	intent = intent_of_directory(INTENT_MOVES);
	intent.inode.parent_after = FILE_INO;
	expect_refused(intent);
}

/* ---- Rows ---- */

static void records_of_intents_survive(void **state)
{
	struct fs_key key = fs_key_intent(FILE_INO, &attempt, 3),
		      other = fs_key_intent(DIRECTORY, &attempt, 3);
	struct intent_record record = {.age = age,
				     .time = {-5, 999999999},
				     .intent = intent_of_file(INTENT_DROPS)},
			     decoded;
	uint8_t bytes[256];
	struct writer writer = writer_fixed(bytes, sizeof bytes);

	(void)state;
	assert_int_equal(intent_record_encode(&record, &writer), 0);
	assert_int_equal(intent_record_decode(fs_key_slice(&key), writer_written(&writer), &decoded), 0);
	assert_true(attempt_is_same(&decoded.attempt, &attempt));
	assert_int_equal(decoded.index, 3);
	assert_memory_equal(&decoded.age, &age, sizeof age);
	assert_int_equal(decoded.time.seconds, -5);
	assert_int_equal(decoded.time.nanoseconds, 999999999);
	assert_int_equal(decoded.intent.inode.flags, INTENT_DROPS);
	for (size_t size = 0; size < writer.size; size++)
		assert_int_equal(intent_record_decode(fs_key_slice(&key), slice_of(bytes, size), &decoded),
			STATUS_CORRUPT);
	bytes[writer.size] = 0;
	assert_int_equal(intent_record_decode(fs_key_slice(&key), slice_of(bytes, writer.size + 1), &decoded),
		STATUS_CORRUPT);
	assert_int_equal(intent_record_decode(fs_key_slice(&other), writer_written(&writer), &decoded),
		STATUS_CORRUPT);
	bytes[0]++;
	assert_int_equal(
		intent_record_decode(fs_key_slice(&key), writer_written(&writer), &decoded), STATUS_CORRUPT);
	record.time.nanoseconds = 1000000000;
	writer = writer_fixed(bytes, sizeof bytes);
	assert_int_equal(intent_record_encode(&record, &writer), STATUS_CORRUPT);
	writer = writer_fixed(bytes, 8);
	record.time.nanoseconds = 0;
	assert_int_equal(intent_record_encode(&record, &writer), STATUS_LIMIT);
}

static void write_places(struct writer *writer, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		intent_place_encode(&(struct intent_place){i % 2 ? FILE_INO : DIRECTORY, i}, writer);
}

static void committed_records_survive(void **state)
{
	struct fs_key key = fs_key_committed(&attempt);
	struct writer places = writer_growing(4096), row = writer_growing(4096);
	struct attempt decoded;
	struct intent_place place;
	struct slice rest;

	(void)state;
	write_places(&places, INTENTS_OF_ATTEMPT_MAX);
	committed_record_encode(writer_written(&places), &row);
	assert_int_equal(
		committed_record_decode(fs_key_slice(&key), writer_written(&row), &decoded, &rest), 0);
	assert_true(attempt_is_same(&decoded, &attempt));
	for (uint32_t i = 0; i < INTENTS_OF_ATTEMPT_MAX; i++) {
		assert_true(intent_place_next(&rest, &place));
		assert_int_equal(place.ino, i % 2 ? FILE_INO : DIRECTORY);
		assert_int_equal(place.index, i);
	}
	assert_false(intent_place_next(&rest, &place));
	row.data[0]++;
	assert_int_equal(committed_record_decode(fs_key_slice(&key), writer_written(&row), &decoded, &rest),
		STATUS_CORRUPT);
	row.data[0]--;
	key.size--;
	assert_int_equal(committed_record_decode(fs_key_slice(&key), writer_written(&row), &decoded, &rest),
		STATUS_CORRUPT);
	writer_close(&row);
	writer_close(&places);
}

static void places_have_a_limit(void **state)
{
	struct fs_key key = fs_key_committed(&attempt);
	uint8_t bytes[64];
	struct writer writer = writer_growing(4096), row = writer_fixed(bytes, sizeof bytes);
	struct attempt decoded;
	struct slice places;

	(void)state;
	assert_int_equal(intent_places_check((struct slice){0}), STATUS_MALFORMED);
	write_places(&writer, INTENTS_OF_ATTEMPT_MAX);
	intent_place_encode(&(struct intent_place){FILE_INO, 0}, &writer);
	assert_int_equal(intent_places_check(writer_written(&writer)), STATUS_MALFORMED);
	writer.size = 0;
	write_places(&writer, 1);
	committed_record_encode(writer_written(&writer), &row);
	for (size_t size = 0; size < row.size; size++)
		assert_int_equal(
			committed_record_decode(fs_key_slice(&key), slice_of(bytes, size), &decoded, &places),
			STATUS_CORRUPT);
	writer.data[writer.size - 1] = INTENTS_OF_ATTEMPT_MAX;
	assert_int_equal(intent_places_check(writer_written(&writer)), STATUS_MALFORMED);
	writer_close(&writer);
}

/* ---- What travels ---- */

static void lists_of_attempts_are_counted(void **state)
{
	struct writer writer = writer_growing(4096);
	struct attempt other = {.anchor = 1, .number = 1}, taken;
	struct slice rest;
	uint32_t count;

	(void)state;
	attempt_encode(&attempt, &writer);
	attempt_encode(&other, &writer);
	assert_int_equal(attempts_check(writer_written(&writer), 2, &count), 0);
	assert_int_equal(count, 2);
	assert_int_equal(attempts_check(writer_written(&writer), 1, &count), STATUS_MALFORMED);
	assert_int_equal(attempts_check((struct slice){0}, 2, &count), STATUS_MALFORMED);
	assert_int_equal(attempts_check(slice_of(writer.data, writer.size - 1), 2, &count), STATUS_MALFORMED);
	rest = writer_written(&writer);
	assert_true(attempt_next(&rest, &taken));
	assert_true(attempt_is_same(&taken, &attempt));
	assert_true(attempt_next(&rest, &taken));
	assert_true(attempt_is_same(&taken, &other));
	assert_false(attempt_next(&rest, &taken));
	writer.data[writer.size - 1] = 0; /* its number */
	assert_int_equal(attempts_check(writer_written(&writer), 2, &count), STATUS_MALFORMED);
	writer_close(&writer);
}

static void facts_are_found(void **state)
{
	struct fs_key there = fs_key_inode(DIRECTORY), gone = fs_key_inode(FILE_INO),
		      unknown = fs_key_spill(5);
	struct writer writer = writer_growing(FACTS_SIZE_MAX);
	struct slice list;
	struct fact fact;

	(void)state;
	assert_int_equal(facts_check((struct slice){0}), 0);
	assert_false(facts_find((struct slice){0}, fs_key_slice(&there), &fact));
	fact_encode(&(struct fact){fs_key_slice(&there), TEXT("row"), true}, &writer);
	fact_encode(&(struct fact){.key = fs_key_slice(&gone)}, &writer);
	list = writer_written(&writer);
	assert_int_equal(facts_check(list), 0);
	assert_true(facts_find(list, fs_key_slice(&there), &fact));
	assert_true(fact.exists);
	assert_int_equal(slice_compare(fact.row, TEXT("row")), 0);
	assert_true(facts_find(list, fs_key_slice(&gone), &fact));
	assert_false(fact.exists);
	assert_false(facts_find(list, fs_key_slice(&unknown), &fact));
	for (size_t size = 1; size < list.size; size++)
		assert_int_equal(facts_check(slice_of(list.data, size)),
			size == list.size - 13 ? 0 : STATUS_MALFORMED); /* the second one has 13 bytes */
	writer_close(&writer);
}

static void malformed_facts_are_refused(void **state)
{
	const struct slice lists[] = {
		TEXT("\6\20\0\0\0\0I\1\0"), /* no file's key */
		TEXT("\5\0\0\0\0\0\1\0"), /* a dirid alone */
		TEXT("\6\0\0\0\0\0S\0\1r"), /* a row that does not exist */
		TEXT("\6\0\0\0\0\0S\2\0"),
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lists); i++)
		assert_int_equal(facts_check(lists[i]), STATUS_MALFORMED);
}

static void expect_lack(enum lack_kind kind, struct slice list)
{
	struct lack decoded;
	struct buf *reply;

	assert_int_equal(lack_encode(&(struct lack){kind, list}, &reply), 0);
	assert_int_equal(lack_decode(buf_slice(reply), &decoded), 0);
	assert_int_equal(decoded.kind, kind);
	assert_int_equal(slice_compare(decoded.list, list), 0);
	for (size_t size = 0; size < reply->size; size++)
		assert_int_equal(lack_decode(slice_of(reply->data, size), &decoded), STATUS_MALFORMED);
	((uint8_t *)reply->data)[1] = 0;
	assert_int_equal(lack_decode(buf_slice(reply), &decoded), STATUS_MALFORMED);
	((uint8_t *)reply->data)[1] = LACKS_INTENTS + 1;
	assert_int_equal(lack_decode(buf_slice(reply), &decoded), STATUS_MALFORMED);
	buf_unref(reply);
}

static void lacks_survive(void **state)
{
	struct writer wanteds = writer_growing(4096), attempts = writer_growing(4096),
		      intents = writer_growing(4096);

	(void)state;
	wanted_encode(&(struct wanted){DIRECTORY, TEXT("name"), true}, &wanteds);
	wanted_encode(&(struct wanted){.ino = FILE_INO}, &wanteds);
	expect_lack(LACKS_ROWS, writer_written(&wanteds));
	attempt_encode(&attempt, &attempts);
	expect_lack(LACKS_ENDS, writer_written(&attempts));
	expect_lack(LACKS_INTENTS, write_samples(&intents));
	writer_close(&intents);
	writer_close(&attempts);
	writer_close(&wanteds);
}

static void only_what_can_be_asked_for_is_wanted(void **state)
{
	const struct wanted sound[] = {{DIRECTORY, TEXT("n"), false}, {FILE_INO, {0}, true}};
	const struct wanted unsound[] = {
		{FILE_INO, TEXT("n"), false}, {DIRECTORY, TEXT(".."), false}, {DIRECTORY, TEXT("a/b"), true}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(sound); i++)
		assert_true(wanted_is_sound(&sound[i]));
	for (size_t i = 0; i < COUNT_OF(unsound); i++)
		assert_false(wanted_is_sound(&unsound[i]));
}

/* ---- The steps of an attempt ---- */

static const struct op unlink_op = {.kind = OP_UNLINK, .remove = {.parent = 0x50000001, .name = {"n", 1}}};

static int try_inner(struct slice body)
{
	struct op op = {.kind = OP_TRANSACT, .transact = {.attempt = attempt, .body = body}};
	struct buf *bytes;
	int status = op_encode(&op, &bytes);

	buf_unref(bytes);
	return status;
}

static void an_attempt_carries_out_one_operation_of_one_key(void **state)
{
	const struct op others[] = {
		{.kind = OP_RECLAIM}, {.kind = OP_SESSION_FORGET}, {.kind = OP_TRANSACT_END}};
	struct op transact = {.kind = OP_TRANSACT, .transact = {.attempt = attempt}}, end, decoded;
	struct fs_key key = fs_key_inode(unlink_op.remove.parent), found;
	struct buf *inner, *body, *other;

	(void)state;
	end = others[2];
	end.resolve.attempt = attempt;
	assert_int_equal(op_encode(&unlink_op, &inner), 0);
	transact.transact.body = buf_slice(inner);
	assert_int_equal(op_encode(&transact, &body), 0);
	assert_int_equal(op_decode(buf_slice(body), &decoded), 0);
	found = op_key(&decoded);
	assert_int_equal(slice_compare(fs_key_slice(&found), fs_key_slice(&key)), 0);
	assert_int_equal(try_inner(buf_slice(body)), -EINVAL);
	assert_int_equal(try_inner((struct slice){0}), -EINVAL);
	assert_int_equal(try_inner(slice_of(inner->data, inner->size - 2)), -EINVAL);
	for (size_t i = 0; i < COUNT_OF(others); i++) {
		assert_int_equal(op_encode(others[i].kind == OP_TRANSACT_END ? &end : &others[i], &other), 0);
		assert_int_equal(try_inner(buf_slice(other)), -EINVAL);
		buf_unref(other);
	}
	buf_unref(body);
	/* A newer program's operation is refused as such, here too. */
	((uint8_t *)inner->data)[1] = OP_KIND_END;
	transact.transact.body = TEXT("\1\4");
	assert_int_equal(try_inner(buf_slice(inner)), -EINVAL);
	buf_unref(inner);
}

static void a_step_has_intents_of_one_dirid(void **state)
{
	struct writer writer = writer_growing(4096);
	struct op prepare = {.kind = OP_PREPARE, .prepare = {.attempt = attempt, .age = age}}, decoded;
	struct fs_key key = fs_key_inode(FILE_INO), found;
	struct buf *body;

	(void)state;
	assert_int_equal(op_encode(&prepare, &body), -EINVAL);
	add_intent(&writer, intent_of_file(INTENT_TOUCHES));
	add_intent(&writer, intent_of_directory(INTENT_TOUCHES));
	prepare.prepare.intents = writer_written(&writer);
	prepare.prepare.first = INTENTS_OF_ATTEMPT_MAX - 2;
	assert_int_equal(op_encode(&prepare, &body), 0);
	assert_int_equal(op_decode(buf_slice(body), &decoded), 0);
	found = op_key(&decoded);
	assert_int_equal(slice_compare(fs_key_slice(&found), fs_key_slice(&key)), 0);
	buf_unref(body);
	prepare.prepare.first++;
	assert_int_equal(op_encode(&prepare, &body), -EINVAL);
	prepare.prepare.first = 0;
	add_intent(&writer, tree);
	prepare.prepare.intents = writer_written(&writer);
	assert_int_equal(op_encode(&prepare, &body), -EINVAL);
	writer_close(&writer);
}

static void a_step_resolves_places_of_one_dirid(void **state)
{
	struct op resolve = {.kind = OP_RESOLVE, .resolve = {.attempt = attempt}};
	struct op end = {.kind = OP_TRANSACT_END, .resolve = {.attempt = attempt}};
	struct fs_key key = fs_key_inode(DIRECTORY), anchor = fs_key_inode(attempt.anchor), found;
	struct writer writer = writer_growing(4096);
	struct buf *body;

	(void)state;
	found = op_key(&end);
	assert_int_equal(slice_compare(fs_key_slice(&found), fs_key_slice(&anchor)), 0);
	assert_int_equal(op_encode(&resolve, &body), -EINVAL);
	write_places(&writer, 3);
	resolve.resolve.places = writer_written(&writer);
	assert_int_equal(op_encode(&resolve, &body), 0);
	found = op_key(&resolve);
	assert_int_equal(slice_compare(fs_key_slice(&found), fs_key_slice(&key)), 0);
	buf_unref(body);
	intent_place_encode(&(struct intent_place){FS_ROOT_INO, 3}, &writer);
	resolve.resolve.places = writer_written(&writer);
	assert_int_equal(op_encode(&resolve, &body), -EINVAL);
	writer_close(&writer);
}

/* What every limit lets through can be sent. */
static void the_largest_attempt_has_room(void **state)
{
	struct fs_key key = fs_key_inode(DIRECTORY);
	struct writer facts = writer_growing(FACTS_SIZE_MAX), intents = writer_growing(INTENTS_SIZE_MAX);
	struct op inner = {.kind = OP_SETXATTR, .setxattr = {.ino = 1, .name = TEXT("user.n")}}, decoded;
	struct op transact = {.kind = OP_TRANSACT, .transact = {.attempt = attempt, .age = age}};
	struct op prepare = {.kind = OP_PREPARE, .prepare = {.attempt = attempt, .age = age}};
	struct intent large = intent_of_row(&key);
	uint8_t *bytes = malloc(FACTS_SIZE_MAX);
	struct buf *inner_body, *body;

	(void)state;
	fill_bytes(bytes, FACTS_SIZE_MAX);
	fact_encode(&(struct fact){fs_key_slice(&key), slice_of(bytes, FACTS_SIZE_MAX - 64), true}, &facts);
	assert_int_equal(facts.status, 0);
	large.row.before = slice_of(bytes, INTENTS_SIZE_MAX - 64);
	add_intent(&intents, large);
	inner.setxattr.value = slice_of(bytes, FS_XATTR_SIZE_MAX);
	assert_int_equal(op_encode(&inner, &inner_body), 0);
	transact.transact.facts = writer_written(&facts);
	transact.transact.prepared = writer_written(&intents);
	transact.transact.body = buf_slice(inner_body);
	assert_int_equal(op_encode(&transact, &body), 0);
	assert_int_equal(op_decode(buf_slice(body), &decoded), 0);
	buf_unref(body);
	prepare.prepare.intents = writer_written(&intents);
	assert_int_equal(op_encode(&prepare, &body), 0);
	buf_unref(body);
	buf_unref(inner_body);
	writer_close(&intents);
	writer_close(&facts);
	free(bytes);
}

/* ---- Reads of inodes with intents ---- */

static void put_state(struct fs_harness *fs, uint64_t ino, uint32_t flag)
{
	struct fs_key key = fs_key_inode(ino);
	uint8_t bytes[FS_INODE_ROW_SIZE_MAX];
	struct writer row = writer_fixed(bytes, sizeof bytes);
	struct kv_value value = {0};
	struct inode inode;

	assert_int_equal(view_get(fs->view, KEY_DATA, fs_key_slice(&key), &value), 0);
	assert_int_equal(inode_decode(value.data, ino, &inode), 0);
	inode.state ^= flag;
	assert_int_equal(inode_encode(&inode, &row), 0);
	kv_value_close(&value);
	memory_view_put(fs->memory, KEY_DATA, fs_key_slice(&key), writer_written(&row));
}

static void put_intent(struct fs_harness *fs, uint64_t ino)
{
	struct fs_key key = fs_key_intent(ino, &attempt, 0);

	memory_view_put(fs->memory, KEY_LOCAL, fs_key_slice(&key), TEXT("what it says is not read"));
}

static int list_nothing(void *argument, const struct read_entry *entry)
{
	(void)argument;
	(void)entry;
	return 0;
}

static void an_inode_with_intents_is_told_of(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t file = (uint64_t)fs_make(fs, FS_ROOT_INO, "file", S_IFREG | 0644);
	struct attributes attributes;

	put_state(fs, file, INODE_HAS_INTENTS);
	assert_int_equal(read_attributes(fs->view, file, &attributes), STATUS_INTENTS);
	assert_int_equal(read_lookup(fs->view, FS_ROOT_INO, text("file"), &attributes), STATUS_INTENTS);
	assert_int_equal(read_directory(fs->view, FS_ROOT_INO, 0, true, list_nothing, NULL), STATUS_INTENTS);
	assert_int_equal(read_directory(fs->view, FS_ROOT_INO, 0, false, list_nothing, NULL), 0);
	put_state(fs, file, INODE_HAS_INTENTS);
	assert_int_equal(read_attributes(fs->view, file, &attributes), 0);
	put_state(fs, FS_ROOT_INO, INODE_HAS_INTENTS);
	assert_int_equal(read_lookup(fs->view, FS_ROOT_INO, text("file"), &attributes), STATUS_INTENTS);
	put_state(fs, FS_ROOT_INO, INODE_HAS_INTENTS);
}

static void an_inode_that_is_not_there_may_be_on_its_way(void **state)
{
	struct fs_harness *fs = *state;
	struct fs_key bound = fs_key_dirid(100);
	struct attributes attributes;

	put_intent(fs, fs_ino(50, 5));
	put_intent(fs, fs_ino(200, 5));
	assert_int_equal(read_attributes(fs->view, fs_ino(50, 4), &attributes), -ESTALE);
	assert_int_equal(read_attributes(fs->view, fs_ino(50, 5), &attributes), STATUS_INTENTS);
	assert_int_equal(read_attributes(fs->view, fs_ino(50, 6), &attributes), -ESTALE);
	memory_view_set_range(fs->memory, (struct slice){0}, fs_key_slice(&bound));
	assert_int_equal(read_attributes(fs->view, fs_ino(200, 5), &attributes), STATUS_KEY_NOT_IN_REGION);
	assert_int_equal(read_attributes(fs->view, fs_ino(50, 5), &attributes), STATUS_INTENTS);
	memory_view_set_range(fs->memory, (struct slice){0}, (struct slice){0});
}

/* ---- Rows for an operation across regions ---- */

struct rows {
	uint8_t bytes[65536];
	struct slice facts;
	uint32_t count;
};

static int read_wanted(struct fs_harness *fs, struct wanted wanted, struct rows *rows)
{
	struct writer writer = writer_fixed(rows->bytes, sizeof rows->bytes);
	int status = read_rows(fs->view, &wanted, &writer);
	struct slice rest = writer_written(&writer);
	struct fact fact;

	rows->facts = rest;
	rows->count = 0;
	while (fact_next(&rest, &fact))
		rows->count++;
	assert_int_equal(rest.size, 0);
	return status;
}

/* Is it a fact, and that which the view has? */
static bool is_told(struct fs_harness *fs, const struct rows *rows, const struct fs_key *key)
{
	struct kv_value row = {0};
	struct fact fact;
	int status = view_get(fs->view, KEY_DATA, fs_key_slice(key), &row);

	if (!facts_find(rows->facts, fs_key_slice(key), &fact))
		return false;
	assert_int_equal(status, fact.exists ? 0 : STATUS_NOT_FOUND);
	assert_true(!fact.exists || slice_compare(fact.row, row.data) == 0);
	kv_value_close(&row);
	return true;
}

static bool is_inode_told(struct fs_harness *fs, const struct rows *rows, uint64_t ino)
{
	struct fs_key key = fs_key_inode(ino);

	return is_told(fs, rows, &key);
}

static bool is_entry_told(
	struct fs_harness *fs, const struct rows *rows, uint64_t directory, const char *name)
{
	struct fs_key row = fs_key_inode(directory), key;
	struct kv_value value = {0};
	struct inode inode;

	assert_int_equal(view_get(fs->view, KEY_DATA, fs_key_slice(&row), &value), 0);
	assert_int_equal(inode_decode(value.data, directory, &inode), 0);
	key = fs_key_entry(directory, fs_name_hash(inode.seed, text(name)), text(name));
	kv_value_close(&value);
	return is_told(fs, rows, &key);
}

static void rows_of_a_name_are_told(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t file = (uint64_t)fs_make(fs, FS_ROOT_INO, "file", S_IFREG | 0644);
	struct rows rows;

	assert_int_equal(read_wanted(fs, (struct wanted){.ino = file}, &rows), 0);
	assert_int_equal(rows.count, 1);
	assert_true(is_inode_told(fs, &rows, file));
	assert_int_equal(read_wanted(fs, (struct wanted){FS_ROOT_INO, text("file"), false}, &rows), 0);
	assert_int_equal(rows.count, 3);
	assert_true(is_inode_told(fs, &rows, FS_ROOT_INO) && is_inode_told(fs, &rows, file));
	assert_true(is_entry_told(fs, &rows, FS_ROOT_INO, "file"));
	assert_int_equal(read_wanted(fs, (struct wanted){FS_ROOT_INO, text("none"), true}, &rows), 0);
	assert_int_equal(rows.count, 2);
	assert_true(is_entry_told(fs, &rows, FS_ROOT_INO, "none"));
	assert_int_equal(read_wanted(fs, (struct wanted){fs_ino(50, 1), text("file"), true}, &rows), 0);
	assert_int_equal(rows.count, 1);
	assert_true(is_inode_told(fs, &rows, fs_ino(50, 1)));
}

/* Directories in one another, below the root. */
static void make_path(struct fs_harness *fs, uint64_t path[], uint32_t count)
{
	path[0] = FS_ROOT_INO;
	for (uint32_t i = 1; i < count; i++)
		path[i] = (uint64_t)fs_make(fs, path[i - 1], "d", S_IFDIR | 0755);
}

static void rows_of_ancestors_are_told(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t path[READ_ANCESTORS_MAX + 3];
	struct rows rows;

	make_path(fs, path, COUNT_OF(path));
	assert_int_equal(read_wanted(fs, (struct wanted){path[3], {0}, true}, &rows), 0);
	assert_int_equal(rows.count, 4);
	for (uint32_t i = 0; i < 4; i++)
		assert_true(is_inode_told(fs, &rows, path[i]));
	assert_int_equal(read_wanted(fs, (struct wanted){path[3], text("d"), true}, &rows), 0);
	assert_int_equal(rows.count, 6);
	assert_int_equal(read_wanted(fs, (struct wanted){path[COUNT_OF(path) - 1], {0}, true}, &rows), 0);
	assert_int_equal(rows.count, 1 + READ_ANCESTORS_MAX);
	assert_false(is_inode_told(fs, &rows, path[1]));
}

static void rows_of_other_regions_are_left_out(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t path[2];
	struct fs_key dirid, after;
	struct rows rows;

	make_path(fs, path, COUNT_OF(path));
	dirid = fs_key_dirid(fs_ino_dirid(path[1]));
	after = fs_key_after(&dirid);
	memory_view_set_range(fs->memory, (struct slice){0}, fs_key_slice(&dirid));
	assert_int_equal(read_wanted(fs, (struct wanted){FS_ROOT_INO, text("d"), false}, &rows), 0);
	assert_int_equal(rows.count, 2);
	assert_int_equal(
		read_wanted(fs, (struct wanted){path[1], {0}, false}, &rows), STATUS_KEY_NOT_IN_REGION);
	memory_view_set_range(fs->memory, fs_key_slice(&dirid), fs_key_slice(&after));
	assert_int_equal(read_wanted(fs, (struct wanted){path[1], {0}, true}, &rows), 0);
	assert_int_equal(rows.count, 1);
	memory_view_set_range(fs->memory, (struct slice){0}, (struct slice){0});
}

static void rows_with_intents_are_not_told(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t path[3];
	struct rows rows;

	make_path(fs, path, COUNT_OF(path));
	put_state(fs, path[1], INODE_HAS_INTENTS);
	assert_int_equal(read_wanted(fs, (struct wanted){path[1], {0}, false}, &rows), STATUS_INTENTS);
	assert_int_equal(read_wanted(fs, (struct wanted){path[2], {0}, true}, &rows), STATUS_INTENTS);
	assert_int_equal(read_wanted(fs, (struct wanted){path[2], {0}, false}, &rows), 0);
	assert_int_equal(
		read_wanted(fs, (struct wanted){FS_ROOT_INO, text("d"), false}, &rows), STATUS_INTENTS);
	put_state(fs, path[1], INODE_HAS_INTENTS);
	put_intent(fs, fs_ino(50, 5));
	assert_int_equal(read_wanted(fs, (struct wanted){.ino = fs_ino(50, 5)}, &rows), STATUS_INTENTS);
}

static void rows_must_fit(void **state)
{
	struct fs_harness *fs = *state;
	struct wanted wanted = {.ino = FS_ROOT_INO};
	struct rows rows;

	assert_int_equal(read_wanted(fs, wanted, &rows), 0);
	for (size_t size = 0; size <= rows.facts.size; size++) {
		struct writer writer = writer_fixed(rows.bytes, size);

		assert_int_equal(read_rows(fs->view, &wanted, &writer), size < rows.facts.size ? -E2BIG : 0);
	}
}

/* ---- Questions ---- */

static void rows_are_asked_for(void **state)
{
	struct fs_harness *fs = *state;
	struct question question = {.kind = QUESTION_ROWS, .ino = FS_ROOT_INO, .size = 8192}, decoded;
	uint8_t room[8192];
	struct finding finding = {.bytes = room};
	struct buf *asked, *bytes, *data;

	assert_true(is_ino(fs_make(fs, FS_ROOT_INO, "file", S_IFREG | 0644)));
	question.name = text("file");
	assert_int_equal(question_encode(&question, &asked), 0);
	assert_int_equal(question_decode(buf_slice(asked), &decoded), 0);
	assert_int_equal(question_reply(&decoded, NULL, fs->view, true, &bytes, &data), 0);
	assert_int_equal(finding_take(&question, buf_slice(bytes), buf_slice(data), &finding), 0);
	assert_int_equal(finding.count, data->size);
	assert_int_equal(facts_check(slice_of(room, finding.count)), 0);
	((uint8_t *)data->data)[0]++;
	assert_int_equal(
		finding_take(&question, buf_slice(bytes), buf_slice(data), &finding), STATUS_MALFORMED);
	buf_unref(data);
	buf_unref(bytes);
	buf_unref(asked);
	question.ino = fs_ino(5, 9); /* no directory */
	assert_int_equal(question_encode(&question, &asked), -EINVAL);
	question.name = (struct slice){0};
	assert_int_equal(question_encode(&question, &asked), 0);
	buf_unref(asked);
	question.size = 0;
	assert_int_equal(question_encode(&question, &asked), -EINVAL);
}

static void attempts_are_asked_about(void **state)
{
	struct fs_harness *fs = *state;
	struct question question = {.kind = QUESTION_ATTEMPTS, .ino = attempt.anchor, .size = 2};
	struct writer list = writer_growing(65536);
	uint8_t room[2], verdicts[] = {ATTEMPT_IS_COMMITTED, ATTEMPT_IS_OVER};
	struct finding finding = {.bytes = room}, found = {.count = 2};
	struct buf *asked, *bytes, *data;

	attempt_encode(&attempt, &list);
	question.attempts = writer_written(&list);
	assert_int_equal(question_encode(&question, &asked), -EINVAL); /* they are one */
	attempt_encode(&attempt, &list);
	question.attempts = writer_written(&list);
	assert_int_equal(question_encode(&question, &asked), 0);
	buf_unref(asked);
	assert_int_equal(question_reply(&question, NULL, fs->view, true, &bytes, &data), -EINVAL);
	assert_int_equal(finding_encode(&question, &found, &bytes), 0);
	assert_int_equal(finding_take(&question, buf_slice(bytes), slice_of(verdicts, 2), &finding), 0);
	assert_memory_equal(room, verdicts, 2);
	assert_int_equal(
		finding_take(&question, buf_slice(bytes), slice_of(verdicts, 1), &finding), STATUS_MALFORMED);
	verdicts[1] = ATTEMPT_IS_COMMITTED + 1;
	assert_int_equal(
		finding_take(&question, buf_slice(bytes), slice_of(verdicts, 2), &finding), STATUS_MALFORMED);
	buf_unref(bytes);
	while (question.size++ < QUESTION_ATTEMPTS_MAX)
		attempt_encode(&attempt, &list);
	question.attempts = writer_written(&list); /* one too many */
	assert_int_equal(question_encode(&question, &asked), -EINVAL);
	writer_close(&list);
}

/* The rows that these tests put are not verified: they have no attempt. */
static int forget(void **state)
{
	fs_harness_close(*state);
	free(*state);
	return 0;
}

#define WITH_FILES(test) cmocka_unit_test_setup_teardown(test, fs_harness_setup, forget)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_one_that_was_asked_first_is_older),
		cmocka_unit_test(keys_of_intents_are_parsed),
		cmocka_unit_test(keys_of_committed_records_are_parsed),
		cmocka_unit_test(intents_survive),
		cmocka_unit_test(the_parts_of_an_intent_survive),
		cmocka_unit_test(cut_lists_are_refused),
		cmocka_unit_test(lists_have_a_limit),
		cmocka_unit_test(rows_that_nobody_means_are_refused),
		cmocka_unit_test(changes_that_nobody_means_are_refused),
		cmocka_unit_test(records_of_intents_survive),
		cmocka_unit_test(committed_records_survive),
		cmocka_unit_test(places_have_a_limit),
		cmocka_unit_test(lists_of_attempts_are_counted),
		cmocka_unit_test(facts_are_found),
		cmocka_unit_test(malformed_facts_are_refused),
		cmocka_unit_test(lacks_survive),
		cmocka_unit_test(only_what_can_be_asked_for_is_wanted),
		cmocka_unit_test(an_attempt_carries_out_one_operation_of_one_key),
		cmocka_unit_test(a_step_has_intents_of_one_dirid),
		cmocka_unit_test(a_step_resolves_places_of_one_dirid),
		cmocka_unit_test(the_largest_attempt_has_room),
		WITH_FILES(an_inode_with_intents_is_told_of),
		WITH_FILES(an_inode_that_is_not_there_may_be_on_its_way),
		WITH_FILES(rows_of_a_name_are_told),
		WITH_FILES(rows_of_ancestors_are_told),
		WITH_FILES(rows_of_other_regions_are_left_out),
		WITH_FILES(rows_with_intents_are_not_told),
		WITH_FILES(rows_must_fit),
		WITH_FILES(rows_are_asked_for),
		WITH_FILES(attempts_are_asked_about),
	};

#ifdef RAFTKV_PLANT
	plant_choose(getenv("RAFTKV_PLANTED"));
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
