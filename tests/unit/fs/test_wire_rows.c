/*
 * fs/keys, rows, records: what other builds have stored (tests/data/wire) is read, and what is stored has not changed. A
 * row with more in it than this program knows is refused: whoever writes it again would drop that.
 */
#include <stdio.h>
#include <string.h>

#include "fs/schema/cluster_settings.h"
#include "fs/schema/ino_ranges.h"
#include "fs/schema/intent.h"
#include "fs/schema/keys.h"
#include "fs/schema/records.h"
#include "fs/schema/rows.h"
#include "proto/status.h"
#include "tests/lib/test.h"
#include "tests/lib/wire.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))
#define FILE_INO	(UINT64_C(300) << FS_SEQ_BITS | 9)
#define DIRECTORY_INO	(UINT64_C(300) << FS_SEQ_BITS | FS_SEQ_DIRECTORY)
#define TEXT(text)                                                                                           \
	{                                                                                                    \
		text, sizeof(text) - 1                                                                       \
	}

/* A row as it is now, and a decoder whose result can be encoded again. */
struct row {
	uint8_t bytes[FS_INODE_ROW_SIZE_MAX];
	struct writer writer;
};

static struct writer *begin_row(struct row *row)
{
	row->writer = writer_fixed(row->bytes, sizeof row->bytes);
	return &row->writer;
}

typedef int (*again_cb)(struct slice row, struct writer *writer);

/* The recorded row means what this one does; with more behind it, it is damage. */
static void expect_row(const char *name, struct row *row, again_cb again)
{
	struct buf *recorded, *longer;
	struct row other;

	assert_int_equal(row->writer.status, 0);
	wire_expect(name, writer_written(&row->writer));
	recorded = wire_read(name);
	assert_int_equal(again(buf_slice(recorded), begin_row(&other)), 0);
	assert_int_equal(other.writer.size, row->writer.size);
	assert_memory_equal(other.bytes, row->bytes, other.writer.size);
	longer = wire_with_tail(buf_slice(recorded), 0);
	assert_int_equal(again(buf_slice(longer), begin_row(&other)), STATUS_CORRUPT);
	buf_unref(longer);
	buf_unref(recorded);
}

/* ---- Inodes ---- */

static struct inode inode_of(uint32_t mode)
{
	return (struct inode){
		.attributes = {.ino = S_ISDIR(mode) ? DIRECTORY_INO : FILE_INO,
			.generation = 77,
			.mode = mode,
			.nlink = 2,
			.uid = 1000,
			.gid = 4000000000u,
			.rdev = S_ISCHR(mode) ? 0x501 : 0,
			.flags = FS_FLAG_NOATIME,
			.data_version = 1200,
			.atime = {-5, 999999999},
			.mtime = {1, 2},
			.ctime = {INT64_MAX, 3},
			.btime = {INT64_MIN, 4}},
		.state = INODE_STATE_ALL & ~INODE_HAS_INTENTS,
		.cut = INODE_CUT_NONE,
		.xattrs = slice_of("\6user.a\1x\6user.b\0", 17),
	};
}

static int inode_again(struct slice row, struct writer *writer)
{
	struct inode inode;
	int status = inode_decode(row, FILE_INO, &inode);

	return status == 0 ? inode_encode(&inode, writer) : status;
}

static int directory_again(struct slice row, struct writer *writer)
{
	struct inode inode;
	int status = inode_decode(row, DIRECTORY_INO, &inode);

	return status == 0 ? inode_encode(&inode, writer) : status;
}

static void expect_inode(const char *name, const struct inode *inode)
{
	struct row row;

	assert_int_equal(inode_encode(inode, begin_row(&row)), 0);
	expect_row(name, &row, inode_is_directory(inode) ? directory_again : inode_again);
}

static void inodes_stay(void **state)
{
	struct inode tiny = inode_of(S_IFREG | 04755), units = inode_of(S_IFREG | 0644),
		     directory = inode_of(S_IFDIR | 01777), link = inode_of(S_IFLNK | 0777),
		     device = inode_of(S_IFCHR | 0600);

	(void)state;
	tiny.data = INODE_DATA_TINY;
	tiny.tiny_size = 100;
	tiny.attributes.size = 100;
	units.data = INODE_DATA_UNITS;
	units.units = 500;
	units.attributes.size = UINT64_C(1) << 40;
	units.cut = UINT64_C(1) << 30;
	units.data_generation = 200;
	directory.parent = FS_ROOT_INO;
	directory.seed[0] = UINT64_MAX;
	directory.seed[1] = 5;
	directory.entries = 300;
	directory.creation_dirid = FS_DIRID_END - 1;
	directory.creation_seq = FS_SEQ_END;
	link.target = slice_of("target", 6);
	expect_inode("row/inode_tiny", &tiny);
	expect_inode("row/inode_units", &units);
	expect_inode("row/inode_directory", &directory);
	expect_inode("row/inode_symlink", &link);
	expect_inode("row/inode_device", &device);
	device.state = INODE_HAS_INTENTS;
	expect_inode("row/inode_intents", &device);
}

/* ---- The smaller rows ---- */

static int entry_again(struct slice row, struct writer *writer)
{
	struct entry entry;
	int status = entry_decode(row, &entry);

	if (status == 0)
		entry_encode(&entry, writer);
	return status;
}

static int lock_again(struct slice row, struct writer *writer)
{
	struct fs_key key = fs_key_lock(FILE_INO, LOCK_POSIX, 500, UINT64_MAX, 4);
	struct lock lock;
	int status = lock_decode(fs_key_slice(&key), row, &lock);

	if (status == 0)
		lock_encode(&lock, writer);
	return status;
}

static int waiter_again(struct slice row, struct writer *writer)
{
	struct fs_key key = fs_key_waiter(FILE_INO, 7);
	struct lock_waiter waiter;
	int status = lock_waiter_decode(fs_key_slice(&key), row, &waiter);

	if (status == 0)
		lock_waiter_encode(&waiter, writer);
	return status;
}

static int spill_again(struct slice row, struct writer *writer)
{
	struct spill spill;
	int status = spill_decode(row, &spill);

	if (status == 0)
		spill_encode(&spill, writer);
	return status;
}

static int mark_again(struct slice row, struct writer *writer)
{
	int status = mark_decode(row);

	if (status == 0)
		mark_encode(writer);
	return status;
}

static void smaller_rows_stay(void **state)
{
	const struct lock lock = {LOCK_POSIX, FS_LOCK_WRITE, 500, UINT64_MAX, 4, INT64_MAX, 600};
	struct row row;

	(void)state;
	entry_encode(&(struct entry){DIRECTORY_INO, S_IFDIR}, begin_row(&row));
	expect_row("row/entry", &row, entry_again);
	lock_encode(&lock, begin_row(&row));
	expect_row("row/lock", &row, lock_again);
	lock_waiter_encode(&(struct lock_waiter){lock, 7, UINT64_MAX}, begin_row(&row));
	expect_row("row/waiter", &row, waiter_again);
	spill_encode(&(struct spill){DIRECTORY_INO, 299}, begin_row(&row));
	expect_row("row/spill", &row, spill_again);
	mark_encode(begin_row(&row));
	expect_row("row/mark", &row, mark_again);
}

/* Data of a tiny file, and the value of an xattr, go to the row's end. */
static void bytes_stay(void **state)
{
	struct slice bytes;
	struct buf *recorded;
	struct row row;

	(void)state;
	bytes_encode(slice_of("tiny data", 9), begin_row(&row));
	wire_expect("row/bytes", writer_written(&row.writer));
	recorded = wire_read("row/bytes");
	assert_int_equal(bytes_decode(buf_slice(recorded), FS_TINY_SIZE_MAX, &bytes), 0);
	assert_int_equal(bytes.size, 9);
	assert_memory_equal(bytes.data, "tiny data", 9);
	buf_unref(recorded);
}

/* ---- The cluster's records ---- */

static int session_again(struct slice row, struct writer *writer)
{
	struct session_record record;
	int status = session_record_decode(row, &record);

	return status == 0 ? session_record_encode(&record, writer) : status;
}

static int store_again(struct slice row, struct writer *writer)
{
	struct store_record record;
	int status = store_record_decode(row, &record);

	return status == 0 ? store_record_encode(&record, writer) : status;
}

static int counter_again(struct slice row, struct writer *writer)
{
	uint64_t last;
	int status = counter_decode(row, &last);

	if (status == 0)
		counter_encode(last, writer);
	return status;
}

static int setting_again(struct slice row, struct writer *writer)
{
	const struct fs_key key = fs_key_setting(SETTING_REPLICAS);
	enum cluster_setting setting;
	uint64_t value;
	int status = cluster_setting_decode(fs_key_slice(&key), row, &setting, &value);

	if (status == 0)
		cluster_setting_encode(value, writer);
	return status;
}

static void records_stay(void **state)
{
	const struct session_record session = {
		SESSION_DYING, 600, TEXT("host"), TEXT("/mnt"), {1700000000, 999999999}};
	const struct store_record store = {STORE_LOST, 300, UINT64_MAX, TEXT("store1:7420"), 201};
	struct row row;

	(void)state;
	assert_int_equal(session_record_encode(&session, begin_row(&row)), 0);
	expect_row("record/session", &row, session_again);
	assert_int_equal(store_record_encode(&store, begin_row(&row)), 0);
	expect_row("record/store", &row, store_again);
	counter_encode(UINT64_MAX, begin_row(&row));
	expect_row("record/counter", &row, counter_again);
	cluster_setting_encode(5, begin_row(&row));
	expect_row("record/setting", &row, setting_again);
}

/* ---- Intents ---- */

static const struct attempt attempt = {
	.anchor = DIRECTORY_INO, .region = UINT64_C(1) << 40, .term = 7, .number = UINT64_MAX};

static int intent_again(struct slice row, struct writer *writer, uint64_t ino)
{
	struct fs_key key = fs_key_intent(ino, &attempt, 3);
	struct intent_record record;
	int status = intent_record_decode(fs_key_slice(&key), row, &record);

	return status == 0 ? intent_record_encode(&record, writer) : status;
}

static int directory_intent_again(struct slice row, struct writer *writer)
{
	return intent_again(row, writer, DIRECTORY_INO);
}

static int file_intent_again(struct slice row, struct writer *writer)
{
	return intent_again(row, writer, FILE_INO);
}

static int tree_intent_again(struct slice row, struct writer *writer)
{
	return intent_again(row, writer, FS_ROOT_INO);
}

static void expect_intent(
	const char *name, struct intent intent, int (*again)(struct slice row, struct writer *writer))
{
	struct intent_record record = {
		.age = {UINT64_MAX, 500, 12}, .time = {1700000000, 999999999}, .intent = intent};
	struct row row;

	assert_int_equal(intent_record_encode(&record, begin_row(&row)), 0);
	expect_row(name, &row, again);
}

static void intents_stay(void **state)
{
	struct fs_key key = fs_key_inode(DIRECTORY_INO);
	struct intent intent = {.kind = INTENT_ROW,
		.ino = DIRECTORY_INO,
		.row = {fs_key_slice(&key), TEXT("before"), TEXT("after"), true, true, false}};

	(void)state;
	expect_intent("row/intent_row", intent, directory_intent_again);
	intent.row.had = false;
	intent.row.before = (struct slice){0};
	intent.row.is_first = true;
	expect_intent("row/intent_birth", intent, directory_intent_again);
	intent = (struct intent){.kind = INTENT_INODE,
		.ino = DIRECTORY_INO,
		.inode = {
			77, FS_FLAG_NODUMP, INTENT_TOUCHES_CONTENT | INTENT_MOVES, -1, 1, 1, DIRECTORY_INO}};
	expect_intent("row/intent_directory", intent, directory_intent_again);
	intent = (struct intent){.kind = INTENT_INODE,
		.ino = FILE_INO,
		.inode = {.generation = 77, .flags = INTENT_DROPS | INTENT_HOLDS, .nlink = -1}};
	expect_intent("row/intent_file", intent, file_intent_again);
	intent = (struct intent){.kind = INTENT_TREE, .ino = FS_ROOT_INO};
	expect_intent("row/intent_tree", intent, tree_intent_again);
}

static int committed_again(struct slice row, struct writer *writer)
{
	struct fs_key key = fs_key_committed(&attempt);
	struct attempt decoded;
	struct slice places;
	int status = committed_record_decode(fs_key_slice(&key), row, &decoded, &places);

	if (status == 0)
		committed_record_encode(places, writer);
	return status;
}

static void committed_records_stay(void **state)
{
	uint8_t bytes[64];
	struct writer places = writer_fixed(bytes, sizeof bytes);
	struct row row;

	(void)state;
	intent_place_encode(&(struct intent_place){FILE_INO, 0}, &places);
	intent_place_encode(&(struct intent_place){DIRECTORY_INO, 63}, &places);
	committed_record_encode(writer_written(&places), begin_row(&row));
	expect_row("row/committed", &row, committed_again);
}

/* ---- Keys ---- */

static void keys_stay(void **state)
{
	const struct slice name = TEXT("name");
	const struct {
		const char *name;
		struct fs_key key;
	} keys[] = {
		{"key/inode", fs_key_inode(FILE_INO)},
		{"key/tiny", fs_key_tiny(FILE_INO)},
		{"key/object", fs_key_object(FILE_INO)},
		{"key/entry", fs_key_entry(DIRECTORY_INO, UINT64_C(1) << 61, name)},
		{"key/xattr", fs_key_xattr(FILE_INO, name)},
		{"key/lock", fs_key_lock(FILE_INO, LOCK_POSIX, 500, UINT64_MAX, 4)},
		{"key/waiter", fs_key_waiter(FILE_INO, 7)},
		{"key/orphan", fs_key_orphan(FILE_INO, 500)},
		{"key/spill", fs_key_spill(300)},
		{"key/hold", fs_key_hold(500, FILE_INO, FS_HOLD_OPEN)},
		{"key/garbage", fs_key_garbage(FILE_INO)},
		{"key/counter", fs_key_counter(COUNTER_INODES)},
		{"key/session", fs_key_session(500)},
		{"key/store", fs_key_store(200)},
		{"key/setting", fs_key_setting(SETTING_REPLICAS)},
		{"key/intent", fs_key_intent(FILE_INO, &attempt, 63)},
		{"key/committed", fs_key_committed(&attempt)},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(keys); i++)
		wire_expect(keys[i].name, fs_key_slice(&keys[i].key));
}

/* Where the names of a directory are: another hash would lose them. */
static void hashes_of_names_stay(void **state)
{
	const uint64_t seed[2] = {1, 2};
	uint8_t bytes[8];
	struct writer writer = writer_fixed(bytes, sizeof bytes);

	(void)state;
	writer_u64be(&writer, fs_name_hash(seed, slice_of("name", 4)));
	wire_expect("key/hash", writer_written(&writer));
}

/* ---- What a mount is asked with its beat ---- */

static void ranges_stay(void **state)
{
	static struct ino_ranges ranges, decoded;
	struct buf *bytes, *recorded, *longer;

	(void)state;
	ino_ranges_clear(&ranges);
	ino_ranges_add(&ranges, DIRECTORY_INO);
	ino_ranges_add(&ranges, DIRECTORY_INO + 1);
	ino_ranges_add(&ranges, FILE_INO);
	assert_int_equal(ino_ranges_encode(&ranges, &bytes), 0);
	wire_expect("ranges/two", buf_slice(bytes));
	recorded = wire_read("ranges/two");
	assert_int_equal(ino_ranges_decode(buf_slice(recorded), &decoded), 0);
	assert_int_equal(decoded.count, 3);
	assert_true(ino_ranges_has(&decoded, DIRECTORY_INO + 1) && ino_ranges_has(&decoded, FILE_INO));
	longer = wire_with_tail(buf_slice(recorded), 0);
	assert_int_equal(ino_ranges_decode(buf_slice(longer), &decoded), STATUS_MALFORMED);
	buf_unref(longer);
	buf_unref(recorded);
	buf_unref(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inodes_stay),
		cmocka_unit_test(smaller_rows_stay),
		cmocka_unit_test(bytes_stay),
		cmocka_unit_test(records_stay),
		cmocka_unit_test(intents_stay),
		cmocka_unit_test(committed_records_stay),
		cmocka_unit_test(keys_stay),
		cmocka_unit_test(hashes_of_names_stay),
		cmocka_unit_test(ranges_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
