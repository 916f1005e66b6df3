/* fs/siphash, keys, rows, op: what is encoded is decoded, and nothing else is accepted. */
#include "tests/lib/test.h"

#include <errno.h>
#include <string.h>

#include "proto/status.h"
#include "fs/schema/op.h"
#include "fs/schema/rows.h"
#include "fs/schema/siphash.h"

/* The vectors of the paper's reference: key 00 01 … 0f, message 00 01 … of each length. */
static void siphash_gives_the_papers_values(void **state)
{
	const uint64_t key[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
	uint8_t message[15];

	(void)state;
	for (size_t i = 0; i < sizeof message; i++)
		message[i] = (uint8_t)i;
	assert_int_equal(siphash(key, slice_of(message, 0)), 0x726fdb47dd0e0e31);
	assert_int_equal(siphash(key, slice_of(message, 8)), 0x93f5f5799a932462);
	assert_int_equal(siphash(key, slice_of(message, 15)), 0xa129ca6149be45e5);
}

static void keys_sort_by_directory_then_kind(void **state)
{
	struct fs_key inode = fs_key_inode(fs_ino(5, 7)),
		      entry = fs_key_entry(fs_ino(5, 1), 9, slice_of("n", 1));
	struct fs_key next = fs_key_inode(fs_ino(6, 1)), end = fs_key_dirid(6);
	struct slice name;
	uint64_t hash, ino;

	(void)state;
	assert_memory_equal(inode.bytes, "\0\0\0\0\5I\0\0\0\7", 10);
	assert_int_equal(inode.size, 10);
	assert_memory_equal(entry.bytes, "\0\0\0\0\5E\0\0\0\0\0\0\0\11n", 15);
	assert_true(slice_compare(fs_key_slice(&entry), fs_key_slice(&inode)) < 0);
	assert_true(slice_compare(fs_key_slice(&inode), fs_key_slice(&end)) < 0);
	assert_true(slice_compare(fs_key_slice(&end), fs_key_slice(&next)) < 0);
	assert_int_equal(fs_key_get_dirid(fs_key_slice(&next)), 6);
	assert_int_equal(fs_key_get_dirid(slice_of("\x10\0\0\0\0", 5)), FS_DIRID_END);
	assert_int_equal(fs_key_get_dirid(slice_of("\0", 1)), FS_DIRID_END);
	assert_int_equal(fs_key_parse_entry(fs_key_slice(&entry), &hash, &name), 0);
	assert_int_equal(hash, 9);
	assert_int_equal(name.size, 1);
	assert_int_equal(fs_key_parse_entry(fs_key_slice(&inode), &hash, &name), STATUS_CORRUPT);
	assert_int_equal(fs_key_parse_inode(fs_key_slice(&entry), &ino), STATUS_CORRUPT);
	assert_int_equal(fs_key_parse_inode(fs_key_slice(&inode), &ino), 0);
	assert_true(ino == fs_ino(5, 7));
	entry.size--;
	assert_int_equal(fs_key_parse_entry(fs_key_slice(&entry), &hash, &name), STATUS_CORRUPT);
	end = fs_key_dirid(0xffff);
	end = fs_key_after(&end);
	assert_int_equal(fs_key_get_dirid(slice_of("\0\0\1\0\0", 5)), 0x10000);
	assert_memory_equal(end.bytes, "\0\0\1", 3);
}

static struct inode make_inode(uint32_t mode)
{
	return (struct inode){
		.attributes =
			{
				.ino = fs_ino(3, S_ISDIR(mode) ? 1 : 9),
				.generation = 77,
				.mode = mode,
				.nlink = 2,
				.uid = 1000,
				.gid = 4000000000u,
				.rdev = S_ISCHR(mode) ? 0x501 : 0,
				.flags = FS_FLAG_NOATIME,
				.data_version = 12,
				.atime = {-5, 999999999},
				.mtime = {1, 2},
				.ctime = {INT64_MAX, 3},
				.btime = {INT64_MIN, 4},
			},
		.state = INODE_HAS_LOCKS,
		.cut = INODE_CUT_NONE,
		.xattrs = slice_of("\6user.a\1x\6user.b\0", 17),
	};
}

static size_t encode(const struct inode *inode, uint8_t bytes[FS_INODE_ROW_SIZE_MAX])
{
	struct writer writer = writer_fixed(bytes, FS_INODE_ROW_SIZE_MAX);

	assert_int_equal(inode_encode(inode, &writer), 0);
	return writer.size;
}

static void expect_same(struct inode inode)
{
	uint8_t bytes[FS_INODE_ROW_SIZE_MAX], again[FS_INODE_ROW_SIZE_MAX];
	size_t size = encode(&inode, bytes);
	struct inode decoded;

	inode_derive(&inode);
	assert_int_equal(inode_decode(slice_of(bytes, size), inode.attributes.ino, &decoded), 0);
	assert_memory_equal(&decoded.attributes, &inode.attributes, sizeof inode.attributes);
	assert_int_equal(encode(&decoded, again), size);
	assert_memory_equal(bytes, again, size);
	for (size_t cut = 0; cut < size; cut++)
		assert_int_equal(
			inode_decode(slice_of(bytes, cut), inode.attributes.ino, &decoded), STATUS_CORRUPT);
	bytes[size] = 0;
	assert_int_equal(
		inode_decode(slice_of(bytes, size + 1), inode.attributes.ino, &decoded), STATUS_CORRUPT);
	bytes[0] = 2;
	assert_int_equal(inode_decode(slice_of(bytes, size), inode.attributes.ino, &decoded), STATUS_CORRUPT);
}

static void inodes_of_every_type_survive(void **state)
{
	struct inode inode;

	(void)state;
	expect_same(make_inode(S_IFIFO | 0600));
	expect_same(make_inode(S_IFCHR | 0600));
	inode = make_inode(S_IFREG | 0644);
	inode.attributes.size = FS_SIZE_MAX;
	expect_same(inode);
	inode.data = INODE_DATA_TINY;
	inode.tiny_size = 100;
	expect_same(inode);
	inode.data = INODE_DATA_UNITS;
	inode.units = 5;
	expect_same(inode);
	inode.attributes.size = 5 * FS_UNIT_SIZE;
	inode.cut = 5;
	inode.data_generation = 2;
	expect_same(inode);
	inode = make_inode(S_IFLNK | 0777);
	inode.target = slice_of("target", 6);
	expect_same(inode);
	inode = make_inode(S_IFDIR | 01777);
	inode.parent = fs_ino(1, 1);
	inode.seed[0] = UINT64_MAX;
	inode.seed[1] = 5;
	inode.entries = 3;
	inode.creation_dirid = FS_DIRID_END - 1;
	inode.creation_seq = FS_SEQ_END;
	expect_same(inode);
}

/* A row that breaks what rows promise is damage, whatever wrote it. */
static void expect_corrupt(uint8_t *bytes, size_t size, uint64_t ino, size_t at, uint8_t value)
{
	uint8_t before = bytes[at];
	struct inode inode;

	bytes[at] = value;
	assert_int_equal(inode_decode(slice_of(bytes, size), ino, &inode), STATUS_CORRUPT);
	bytes[at] = before;
	assert_int_equal(inode_decode(slice_of(bytes, size), ino, &inode), 0);
}

static void rows_are_validated(void **state)
{
	struct inode inode = make_inode(S_IFIFO | 0600), decoded;
	uint8_t bytes[FS_INODE_ROW_SIZE_MAX];
	size_t size;

	(void)state;
	inode.attributes.uid = 0;
	inode.attributes.gid = 0;
	size = encode(&inode, bytes);
	expect_corrupt(bytes, size, inode.attributes.ino, 2, 0x7f); /* the type */
	expect_corrupt(bytes, size, inode.attributes.ino, 7, 0x04); /* flags */
	expect_corrupt(bytes, size, inode.attributes.ino, size - 8, 'c'); /* xattrs out of order */
	assert_int_equal(inode_decode(slice_of(bytes, size), fs_ino(3, 1), &decoded), STATUS_CORRUPT);
}

static void names_are_checked(void **state)
{
	(void)state;
	assert_int_equal(op_check_name(slice_of("...", 3)), 0);
	assert_int_equal(op_check_name(slice_of("a", 1)), 0);
	assert_int_equal(op_check_name(slice_of("", 0)), -EINVAL);
	assert_int_equal(op_check_name(slice_of(".", 1)), -EINVAL);
	assert_int_equal(op_check_name(slice_of("..", 2)), -EINVAL);
	assert_int_equal(op_check_name(slice_of("a/b", 3)), -EINVAL);
	assert_int_equal(op_check_name(slice_of("a\0b", 3)), -EINVAL);
}

static void expect_same_op(const struct op *op)
{
	struct buf *body, *again, *cut;
	struct op decoded;

	assert_int_equal(op_encode(op, &body), 0);
	assert_int_equal(op_decode(buf_slice(body), &decoded), 0);
	assert_int_equal(decoded.kind, op->kind);
	assert_int_equal(op_encode(&decoded, &again), 0);
	assert_int_equal(again->size, body->size);
	assert_memory_equal(again->data, body->data, body->size);
	for (size_t size = 0; size < body->size; size++) {
		cut = buf_copy(body->data, size); /* so that ASan sees a read past it */
		assert_int_equal(op_decode(buf_slice(cut), &decoded), STATUS_MALFORMED);
		buf_unref(cut);
	}
	((uint8_t *)body->data)[0]++;
	assert_int_equal(op_decode(buf_slice(body), &decoded), STATUS_UNSUPPORTED);
	buf_unref(body);
	buf_unref(again);
}

static void operations_survive(void **state)
{
	struct slice name = slice_of("name", 4), other = slice_of("other", 5);
	const struct fs_time time = {-1, 999999999};
	const struct attempt attempt = {1, 2, 3, 4};
	const struct slice facts = slice_of("\6\0\0\0\0\0S\1\3row", 12), intents = slice_of("\3\1\3\1", 4);
	const struct slice removal = slice_of("\1\4\1\1n\0", 6); /* an OP_UNLINK */
	const struct op ops[] = {
		{.kind = OP_MAKE, .make = {{1, 2}, 3, name, S_IFLNK | 0777, 022, 5, other, true}},
		{.kind = OP_TMPFILE, .tmpfile = {{1, 2}, 3, 0600, 022}},
		{.kind = OP_LINK, .link = {1, 2, name}},
		{.kind = OP_UNLINK, .remove = {1, name, true}},
		{.kind = OP_RMDIR, .remove = {1, name, false}},
		{.kind = OP_RENAME, .rename = {{1, 2}, 3, name, 4, other, 1, true}},
		{.kind = OP_SETATTR, .setattr = {1, OP_SET_ALL, 2, 3, 4, 5, 6, time, time, time}},
		{.kind = OP_WRITE, .write = {1, UINT64_MAX, 7, time}},
		{.kind = OP_FALLOCATE, .fallocate = {1, 2, 3, 4, true}},
		{.kind = OP_COPY, .copy = {1, 2, 3, 4, 5, true}},
		{.kind = OP_SETXATTR, .setxattr = {1, name, other, 1}},
		{.kind = OP_REMOVEXATTR, .removexattr = {1, name}},
		{.kind = OP_LOCK, .lock = {1, {LOCK_FLOCK, FS_LOCK_WRITE, 0, 3, 4, 5, 6}}},
		{.kind = OP_HOLD, .hold = {1}},
		{.kind = OP_RELEASE, .release = {2, {1, 3}}},
		{.kind = OP_SESSION_END, .session_end = {1}},
		{.kind = OP_RECLAIM},
		{.kind = OP_FORMAT, .format = {{1, 2}, 0755}},
		{.kind = OP_SESSION_OPEN, .session_open = {1, name, other}},
		{.kind = OP_SESSION_CLOSE, .session_end = {1}},
		{.kind = OP_SESSION_FORGET, .session_end = {1}},
		{.kind = OP_SESSION_REMOVE, .session_end = {1}},
		{.kind = OP_STORE_ENTER, .store_enter = {1, 2, 3, name}},
		{.kind = OP_STORE_SET, .store_set = {1, STORE_DRAINING, 2}},
		{.kind = OP_ALLOCATE, .allocate = {COUNTER_REPLICA}},
		{.kind = OP_GRACE_END, .grace_end = {slice_of("16 bytes or so..", 16)}},
		{.kind = OP_TRANSACT, .transact = {attempt, {1, 2, 3}, 4, {5, 6}, facts, intents, removal}},
		{.kind = OP_PREPARE, .prepare = {attempt, {1, 2, 3}, 4, 5, intents}},
		{.kind = OP_RESOLVE, .resolve = {attempt, true, slice_of("\1\2\1\3", 4)}},
		{.kind = OP_TRANSACT_END, .resolve = {.attempt = attempt}},
		{.kind = OP_SESSION_REGISTER, .session_register = {1, 2, FS_DIRID_END}},
		{.kind = OP_SESSION_ADMIT, .session_admit = {1, OP_FORGETS_UNKNOWN}},
		{.kind = OP_SETTING_SET, .setting_set = {SETTING_STORE_MOVES, true, 5}},
	};

	(void)state;
	assert_int_equal(sizeof ops / sizeof *ops, OP_KIND_END - 1);
	for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
		expect_same_op(&ops[i]);
		assert_int_equal(op_key(&ops[i]).size > 0,
			!op_is_of_cluster(ops[i].kind) && ops[i].kind != OP_SESSION_ADMIT &&
				ops[i].kind != OP_SESSION_FORGET && ops[i].kind != OP_SESSION_END &&
				ops[i].kind != OP_RECLAIM && ops[i].kind != OP_GRACE_END);
	}
}

static void bad_operations_are_not_sent(void **state)
{
	struct op op = {.kind = OP_LOCK, .lock = {1, {LOCK_POSIX, FS_LOCK_READ, 0, 0, 5, 4, 0}}};
	struct buf *body;

	(void)state;
	assert_int_equal(op_encode(&op, &body), -EINVAL);
	op = (struct op){.kind = OP_MAKE, .make = {.name = slice_of("a", 1), .mode = S_IFLNK}};
	assert_int_equal(op_encode(&op, &body), -EINVAL);
	op = (struct op){.kind = OP_GRACE_END, .grace_end = {slice_of("9 bytes..", 9)}};
	assert_int_equal(op_encode(&op, &body), -EINVAL);
	op = (struct op){.kind = OP_SESSION_REGISTER, .session_register = {1, 2, 2}};
	assert_int_equal(op_encode(&op, &body), -EINVAL);
	op = (struct op){.kind = OP_SESSION_REGISTER, .session_register = {1, 2, FS_DIRID_END + 1}};
	assert_int_equal(op_encode(&op, &body), -EINVAL);
	op = (struct op){.kind = OP_GRACE_END};
	assert_int_equal(op_encode(&op, &body), -EINVAL);
	op = (struct op){.kind = OP_KIND_END};
	assert_int_equal(op_encode(&op, &body), -EINVAL);
	assert_null(body);
}

static void replies_survive(void **state)
{
	struct op_reply reply = {
		.has_attributes = true,
		.attributes = make_inode(S_IFREG | 0644).attributes,
		.has_other = true,
		.other = make_inode(S_IFDIR | 0644).attributes,
		.existed = true,
		.more = true,
		.offset = UINT64_MAX,
		.count = 5,
		.victim = {.ino = 5, .nlink = 6, .is_gone = true},
	};
	struct op_reply failed = {.error = -EAGAIN,
				.blocker = {LOCK_POSIX, FS_LOCK_READ, 5, 6, 7, INT64_MAX, 8}},
			decoded;
	struct buf *bytes;

	(void)state;
	assert_int_equal(op_reply_encode(&reply, &bytes), 0);
	assert_int_equal(op_reply_decode(buf_slice(bytes), &decoded), 0);
	assert_memory_equal(&decoded.attributes, &reply.attributes, sizeof reply.attributes);
	assert_memory_equal(&decoded.other, &reply.other, sizeof reply.other);
	assert_true(decoded.existed && decoded.more && decoded.victim.is_gone);
	assert_int_equal(decoded.offset, UINT64_MAX);
	assert_int_equal(decoded.victim.nlink, 6);
	for (size_t size = 0; size < bytes->size; size++)
		assert_int_equal(op_reply_decode(slice_of(bytes->data, size), &decoded), STATUS_MALFORMED);
	buf_unref(bytes);
	assert_int_equal(op_reply_encode(&failed, &bytes), 0);
	assert_int_equal(op_reply_decode(buf_slice(bytes), &decoded), 0);
	assert_int_equal(decoded.error, -EAGAIN);
	assert_int_equal(decoded.blocker.session, 5);
	assert_int_equal(decoded.blocker.end, INT64_MAX);
	buf_unref(bytes);
}

/* What an older program sends has no `waits`, nor `before`; theirs is the same as before when there is none. */
static void late_fields_may_be_missing(void **state)
{
	struct op op = {.kind = OP_LOCK, .lock = {1, {LOCK_FLOCK, FS_LOCK_WRITE, 0, 3, 4, 5, 6}, true}},
		  decoded;
	struct op_reply reply = {.error = -EAGAIN, .before = 300}, read;
	struct buf *body, *older;

	(void)state;
	assert_int_equal(op_encode(&op, &body), 0);
	assert_int_equal(op_decode(buf_slice(body), &decoded), 0);
	assert_true(decoded.lock.waits);
	assert_int_equal(op_decode(slice_of(body->data, body->size - 1), &decoded), 0);
	assert_false(decoded.lock.waits);
	op.lock.waits = false;
	assert_int_equal(op_encode(&op, &older), 0);
	assert_int_equal(older->size, body->size - 1);
	((uint8_t *)body->data)[body->size - 1] = 2;
	assert_int_equal(op_decode(buf_slice(body), &decoded), STATUS_UNSUPPORTED);
	buf_unref(older);
	buf_unref(body);
	assert_int_equal(op_reply_encode(&reply, &body), 0);
	assert_int_equal(op_reply_decode(buf_slice(body), &read), 0);
	assert_int_equal(read.before, 300);
	assert_int_equal(op_reply_decode(slice_of(body->data, body->size - 2), &read), 0);
	assert_int_equal(read.before, 0);
	buf_unref(body);
}

static void waiters_survive(void **state)
{
	const struct lock_waiter waiter = {
		{LOCK_POSIX, FS_LOCK_READ, UINT64_MAX, UINT64_MAX, INT64_MAX, INT64_MAX, 0}, 7, UINT64_MAX};
	struct fs_key key = fs_key_waiter(fs_ino(1, 2), 7), other = fs_key_lock(fs_ino(1, 2), 'p', 1, 2, 3);
	struct lock_waiter decoded;
	uint8_t bytes[64];
	struct writer writer = writer_fixed(bytes, sizeof bytes);
	struct slice row;

	(void)state;
	lock_waiter_encode(&waiter, &writer);
	row = writer_written(&writer);
	assert_int_equal(lock_waiter_decode(fs_key_slice(&key), row, &decoded), 0);
	assert_memory_equal(&decoded, &waiter, sizeof waiter);
	assert_int_equal(lock_waiter_decode(fs_key_slice(&other), row, &decoded), STATUS_CORRUPT);
	for (size_t size = 0; size < row.size; size++)
		assert_int_equal(lock_waiter_decode(fs_key_slice(&key), slice_of(bytes, size), &decoded),
			STATUS_CORRUPT);
	bytes[2] = FS_LOCK_NONE;
	assert_int_equal(lock_waiter_decode(fs_key_slice(&key), row, &decoded), STATUS_CORRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(siphash_gives_the_papers_values),
		cmocka_unit_test(keys_sort_by_directory_then_kind),
		cmocka_unit_test(inodes_of_every_type_survive),
		cmocka_unit_test(rows_are_validated),
		cmocka_unit_test(names_are_checked),
		cmocka_unit_test(operations_survive),
		cmocka_unit_test(bad_operations_are_not_sent),
		cmocka_unit_test(replies_survive),
		cmocka_unit_test(late_fields_may_be_missing),
		cmocka_unit_test(waiters_survive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
