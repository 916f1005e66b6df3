/*
 * fs/op, question: what other builds have sent (tests/data/wire) is understood, and what is sent has not changed; what a
 * newer program adds is skipped or refused as coder.h says.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/schema/coder.h"
#include "fs/schema/op.h"
#include "fs/schema/question.h"
#include "fs/schema/row_page.h"
#include "proto/status.h"
#include "tests/lib/memory_view.h"
#include "tests/lib/test.h"
#include "tests/lib/wire.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))
#define NAME_SIZE	64
#define TEXT(text)                                                                                           \
	{                                                                                                    \
		text, sizeof(text) - 1                                                                       \
	}

#define ATTRIBUTES                                                                                           \
	{                                                                                                    \
		.ino = (UINT64_C(300) << FS_SEQ_BITS) + 9, .generation = 77, .mode = S_IFREG | 04755,        \
		.nlink = 2, .uid = 1000, .gid = 4000000000u, .rdev = 0x501, .flags = FS_FLAG_NOATIME,        \
		.is_bare = true, .size = UINT64_C(1) << 40, .blocks = 8, .data_version = 12,                 \
		.atime = {-5, 999999999}, .mtime = {1, 2}, .ctime = {INT64_MAX, 3}, .btime = {INT64_MIN, 4}, \
	}

#define ATTEMPT                                                                                              \
	{                                                                                                    \
		.anchor = 300, .region = UINT64_C(1) << 40, .term = 7, .number = UINT64_MAX                  \
	}

static const struct attributes file_attributes = ATTRIBUTES;

/* ---- Operations ---- */

struct recorded_op {
	const char *name;
	struct op op;
};

static const struct recorded_op ops[] = {
	{"make", {.kind = OP_MAKE,
			 .make = {{1000, 2000}, 300, TEXT("file"), S_IFCHR | 0644, 022, 0x501, {0}, true}}},
	{"make_symlink",
		{.kind = OP_MAKE,
			.make = {{1, 2}, 300, TEXT("link"), S_IFLNK | 0777, 0, 0, TEXT("target"), false}}},
	{"tmpfile", {.kind = OP_TMPFILE, .tmpfile = {{1000, 2000}, 300, S_IFREG | 0600, 022}}},
	{"link", {.kind = OP_LINK, .link = {301, 300, TEXT("name")}}},
	{"unlink", {.kind = OP_UNLINK, .remove = {300, TEXT("name"), true}}},
	{"rmdir", {.kind = OP_RMDIR, .remove = {300, TEXT("name"), false}}},
	{"rename",
		{.kind = OP_RENAME, .rename = {{1000, 2000}, 300, TEXT("old"), 400, TEXT("new"), 4, true}}},
	{"setattr", {.kind = OP_SETATTR,
			    .setattr = {300, 0x1fff, 04755, 1000, 2000, FS_FLAG_NODUMP, UINT64_C(1) << 40,
				    {-1, 999999999}, {2, 3}, {4, 5}}}},
	{"setattr_kill_sgid", {.kind = OP_SETATTR, .setattr = {.ino = 300, .valid = OP_SET_KILL_SGID}}},
	{"write", {.kind = OP_WRITE, .write = {300, UINT64_MAX, 15, {6, 7}}}},
	{"fallocate", {.kind = OP_FALLOCATE, .fallocate = {300, 3, 4096, UINT64_C(1) << 33, true}}},
	{"copy", {.kind = OP_COPY, .copy = {300, 4096, 400, 8192, 1 << 20, true}}},
	{"setxattr", {.kind = OP_SETXATTR, .setxattr = {300, TEXT("user.name"), TEXT("value"), 15}}},
	{"removexattr", {.kind = OP_REMOVEXATTR, .removexattr = {300, TEXT("user.name")}}},
	{"lock", {.kind = OP_LOCK,
			 .lock = {300, {LOCK_POSIX, FS_LOCK_WRITE, 0, UINT64_MAX, 4, INT64_MAX, 600}}}},
	{"lock_waits",
		{.kind = OP_LOCK, .lock = {300, {LOCK_FLOCK, FS_LOCK_READ, 0, 3, 0, INT64_MAX, 600}, true}}},
	{"hold", {.kind = OP_HOLD, .hold = {300}}},
	{"release", {.kind = OP_RELEASE, .release = {3, {300, 301, 400}}}},
	{"session_end", {.kind = OP_SESSION_END, .session_end = {500, 301}}},
	{"reclaim", {.kind = OP_RECLAIM}},
	{"format", {.kind = OP_FORMAT, .format = {{1000, 2000}, S_IFDIR | 0755}}},
	{"session_open", {.kind = OP_SESSION_OPEN, .session_open = {600, TEXT("host"), TEXT("/mnt")}}},
	{"session_close", {.kind = OP_SESSION_CLOSE, .session_end = {500}}},
	{"session_forget", {.kind = OP_SESSION_FORGET, .session_end = {500}}},
	{"session_remove", {.kind = OP_SESSION_REMOVE, .session_end = {500}}},
	{"store_enter", {.kind = OP_STORE_ENTER, .store_enter = {200, 300, UINT64_MAX, TEXT("store1:7420")}}},
	{"store_set", {.kind = OP_STORE_SET, .store_set = {200, STORE_LOST, 201}}},
	{"allocate", {.kind = OP_ALLOCATE, .allocate = {COUNTER_REPLICA}}},
	{"allocate_region", {.kind = OP_ALLOCATE, .allocate = {COUNTER_REGION}}},
	{"grace_end", {.kind = OP_GRACE_END, .grace_end = {TEXT("16 bytes or so..")}}},
	{"transact", {.kind = OP_TRANSACT,
			     .transact = {ATTEMPT, {UINT64_MAX, 500, 12}, 5000, {6, UINT64_MAX},
				     TEXT("\6\0\0\0\0\0S\1\3row"), TEXT("\3\1"), TEXT("\1\4\1\1n\0")}}},
	{"transact_begins",
		{.kind = OP_TRANSACT, .transact = {.attempt = ATTEMPT, .body = TEXT("\1\4\1\1n\0")}}},
	{"prepare",
		{.kind = OP_PREPARE, .prepare = {ATTEMPT, {UINT64_MAX, 500, 12}, 5000, 3, TEXT("\3\1\3\1")}}},
	{"resolve", {.kind = OP_RESOLVE, .resolve = {ATTEMPT, true, TEXT("\1\3\2\4")}}},
	{"transact_end", {.kind = OP_TRANSACT_END, .resolve = {.attempt = ATTEMPT}}},
	{"session_register",
		{.kind = OP_SESSION_REGISTER, .session_register = {500, 300, UINT64_C(1) << 36}}},
	{"setting_set", {.kind = OP_SETTING_SET, .setting_set = {SETTING_REPLICAS, true, 5}}},
	{"session_admit", {.kind = OP_SESSION_ADMIT, .session_admit = {500, 301}}},
};

static const char *name_of(char name[NAME_SIZE], const char *folder, const char *file)
{
	snprintf(name, NAME_SIZE, "%s/%s", folder, file);
	return name;
}

static struct buf *encode_op(const struct op *op)
{
	struct buf *body;

	assert_int_equal(op_encode(op, &body), 0);
	return body;
}

/* Are they a body that means the same as `op`? */
static void expect_op(struct slice bytes, const struct op *op)
{
	struct buf *expected = encode_op(op), *again;
	struct op decoded;

	assert_int_equal(op_decode(bytes, &decoded), 0);
	assert_int_equal(decoded.kind, op->kind);
	again = encode_op(&decoded);
	assert_int_equal(again->size, expected->size);
	assert_memory_equal(again->data, expected->data, again->size);
	buf_unref(again);
	buf_unref(expected);
}

static void operations_stay(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(ops); i++) {
		struct buf *body = encode_op(&ops[i].op), *recorded;
		char name[NAME_SIZE];

		wire_expect(name_of(name, "op", ops[i].name), buf_slice(body));
		recorded = wire_read(name);
		expect_op(buf_slice(recorded), &ops[i].op);
		buf_unref(recorded);
		buf_unref(body);
	}
}

/* How many late fields each has, and does not have written. */
static size_t left_out(const struct op *op)
{
	return op->kind == OP_LOCK && !op->lock.waits;
}

/* What a newer program adds behind the fields is skipped. */
static void a_tail_is_skipped(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(ops); i++) {
		struct buf *body = encode_op(&ops[i].op);
		struct buf *longer = wire_with_tail(buf_slice(body), left_out(&ops[i].op));

		expect_op(buf_slice(longer), &ops[i].op);
		buf_unref(longer);
		buf_unref(body);
	}
}

/* What must be understood, and is not, is refused, whatever comes behind. */
static void a_higher_version_is_refused(void **state)
{
	struct op decoded;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(ops); i++) {
		struct buf *body = encode_op(&ops[i].op), *longer;

		((uint8_t *)body->data)[0]++;
		longer = wire_with_tail(buf_slice(body), 0);
		assert_int_equal(op_decode(buf_slice(body), &decoded), STATUS_UNSUPPORTED);
		assert_int_equal(op_decode(buf_slice(longer), &decoded), STATUS_UNSUPPORTED);
		((uint8_t *)body->data)[0] = 0;
		assert_int_equal(op_decode(buf_slice(body), &decoded), STATUS_MALFORMED);
		buf_unref(longer);
		buf_unref(body);
	}
}

static void an_unknown_kind_is_refused(void **state)
{
	uint8_t body[] = {1, OP_KIND_END, 1, 2, 3, 4};
	struct op decoded;

	(void)state;
	assert_int_equal(op_decode(slice_of(body, sizeof body), &decoded), STATUS_UNSUPPORTED);
	assert_int_equal(op_decode(slice_of(body, 2), &decoded), STATUS_UNSUPPORTED);
	body[1] = 0;
	assert_int_equal(op_decode(slice_of(body, sizeof body), &decoded), STATUS_MALFORMED);
	assert_int_equal(op_decode(slice_of(body, 1), &decoded), STATUS_MALFORMED);
	assert_int_equal(op_decode(slice_of(body, 0), &decoded), STATUS_MALFORMED);
}

/* A flag may not be skipped: what it asks for would not be done. */
static void unknown_flags_and_values_are_refused(void **state)
{
	static const uint8_t setattr[] = {1, OP_SETATTR, 1, 0x80, 0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
	static const uint8_t write[] = {1, OP_WRITE, 1, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0};
	static const uint8_t setxattr[] = {1, OP_SETXATTR, 1, 1, 'a', 0, 16};
	static const uint8_t lock[] = {1, OP_LOCK, 1, 'x', 1, 0, 0, 0, 0};
	static const uint8_t allocate[] = {1, OP_ALLOCATE, 'x'};
	const struct slice bodies[] = {{setattr, sizeof setattr}, {write, sizeof write},
		{setxattr, sizeof setxattr}, {lock, sizeof lock}, {allocate, sizeof allocate}};
	struct op decoded;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bodies); i++) {
		assert_int_equal(op_decode(bodies[i], &decoded), STATUS_UNSUPPORTED);
		assert_int_equal(op_decode(slice_of(bodies[i].data, 2), &decoded), STATUS_MALFORMED);
	}
}

static void every_kind_is_recorded(void **state)
{
	uint64_t kinds = 0;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(ops); i++)
		kinds |= UINT64_C(1) << ops[i].op.kind;
	assert_int_equal(kinds, (UINT64_C(1) << OP_KIND_END) - 2);
}

/* ---- Replies ---- */

static const struct recorded_reply {
	const char *name;
	struct op_reply reply;
} replies[] = {
	{"nothing", {.error = 0}},
	{"error", {.error = -ENOENT}},
	{"all", {.has_attributes = true,
			.attributes = ATTRIBUTES,
			.has_other = true,
			.other = ATTRIBUTES,
			.existed = true,
			.more = true,
			.offset = UINT64_MAX,
			.count = 5000,
			.id = 600,
			.victim = {.ino = 300, .nlink = 6, .is_gone = true}}},
	{"blocked", {.error = -EAGAIN,
			    .blocker = {LOCK_POSIX, FS_LOCK_READ, 500, UINT64_MAX, 7, INT64_MAX, 600},
			    .before = 300}},
};

static struct buf *encode_reply(const struct op_reply *reply)
{
	struct buf *bytes;

	assert_int_equal(op_reply_encode(reply, &bytes), 0);
	return bytes;
}

static void expect_reply(struct slice bytes, const struct op_reply *reply)
{
	struct buf *expected = encode_reply(reply), *again;
	struct op_reply decoded;

	assert_int_equal(op_reply_decode(bytes, &decoded), 0);
	again = encode_reply(&decoded);
	assert_int_equal(again->size, expected->size);
	assert_memory_equal(again->data, expected->data, again->size);
	buf_unref(again);
	buf_unref(expected);
}

static void replies_stay(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(replies); i++) {
		struct buf *bytes = encode_reply(&replies[i].reply), *recorded;
		char name[NAME_SIZE];

		wire_expect(name_of(name, "reply", replies[i].name), buf_slice(bytes));
		recorded = wire_read(name);
		expect_reply(buf_slice(recorded), &replies[i].reply);
		buf_unref(recorded);
		buf_unref(bytes);
	}
}

static void a_reply_may_be_longer(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(replies); i++) {
		struct buf *bytes = encode_reply(&replies[i].reply);
		struct buf *longer = wire_with_tail(buf_slice(bytes), replies[i].reply.before == 0);
		struct op_reply decoded;

		expect_reply(buf_slice(longer), &replies[i].reply);
		((uint8_t *)bytes->data)[0]++;
		assert_int_equal(op_reply_decode(buf_slice(bytes), &decoded), STATUS_MALFORMED);
		buf_unref(longer);
		buf_unref(bytes);
	}
}

/* Older programs wrote none of the late fields: they are 0. */
static void late_fields_may_be_cut(void **state)
{
	struct buf *lock = wire_read("op/lock_waits"), *blocked = wire_read("reply/blocked");
	struct op_reply reply;
	struct op op;

	(void)state;
	assert_int_equal(op_decode(slice_of(lock->data, lock->size - 1), &op), 0);
	assert_false(op.lock.waits);
	assert_int_equal(op_decode(slice_of(lock->data, lock->size - 2), &op), STATUS_MALFORMED);
	assert_int_equal(op_reply_decode(slice_of(blocked->data, blocked->size - 2), &reply), 0);
	assert_int_equal(reply.before, 0);
	assert_int_equal(reply.blocker.pid, 600);
	assert_int_equal(
		op_reply_decode(slice_of(blocked->data, blocked->size - 1), &reply), STATUS_MALFORMED);
	buf_unref(blocked);
	buf_unref(lock);
}

/* ---- Questions, and what was found ---- */

#define DATA	 "what was found"
#define FACTS	 "\6\0\0\0\0\0S\0\0"
#define VERDICTS "\2\0"
#define PAGE	 "\5\3\0\1z\1\1k\0\2\1k\1v\0\2\2l" /* region, version, range, two rows, the next one's cursor */
#define WALK	 "\1\xac\2\7\1\xad\2\0\xae\2\x80\x20\x80\x40" /* a place, one elsewhere, a link */

static const struct recorded_question {
	const char *name;
	struct question question;
	struct finding finding;
} questions[] = {
	{"lookup", {.kind = QUESTION_LOOKUP, .ino = 300, .name = TEXT("name")}, {.attributes = ATTRIBUTES}},
	{"lookup_elsewhere",
		{.kind = QUESTION_LOOKUP, .ino = 300, .name = TEXT("name"), .takes_elsewhere = true},
		{.attributes = {.ino = UINT64_C(1) << 40, .mode = S_IFREG}, .is_elsewhere = true}},
	{"attributes", {.kind = QUESTION_ATTRIBUTES, .ino = 300}, {.attributes = ATTRIBUTES}},
	{"link", {.kind = QUESTION_LINK, .ino = 300, .size = 4096},
		{.attributes = ATTRIBUTES, .count = sizeof DATA}},
	{"directory",
		{.kind = QUESTION_DIRECTORY, .ino = 1, .offset = UINT64_MAX, .size = 65536, .is_plus = true},
		{.attributes = ATTRIBUTES}},
	{"data", {.kind = QUESTION_DATA, .ino = 300, .offset = UINT64_C(1) << 40, .size = QUESTION_SIZE_MAX},
		{.attributes = ATTRIBUTES, .count = sizeof DATA}},
	{"seek", {.kind = QUESTION_SEEK, .ino = 300, .offset = 4096, .is_data = true},
		{.found = UINT64_C(1) << 40}},
	{"xattr", {.kind = QUESTION_XATTR, .ino = 300, .name = TEXT("user.name"), .size = 256},
		{.count = sizeof DATA}},
	{"xattrs", {.kind = QUESTION_XATTRS, .ino = 300, .size = 65536, .has_trusted = true},
		{.count = sizeof DATA}},
	{"virtual_xattr", {.kind = QUESTION_VIRTUAL_XATTR, .ino = 300, .name = TEXT("user.raftkv.x")},
		{.count = 200}},
	{"lock",
		{.kind = QUESTION_LOCK,
			.ino = 300,
			.lock = {LOCK_POSIX, FS_LOCK_WRITE, 500, UINT64_MAX, 4, INT64_MAX, 600}},
		{.blocker = {LOCK_FLOCK, FS_LOCK_READ, 501, 3, 0, INT64_MAX, 601}}},
	{"holder", {.kind = QUESTION_HOLDER, .ino = FS_ROOT_INO, .offset = 500}, {.found = 501}},
	{"space", {.kind = QUESTION_SPACE, .ino = FS_ROOT_INO},
		{.total_units = UINT64_C(1) << 40, .free_units = 3000, .inodes = 400}},
	{"attributes_of_many",
		{.kind = QUESTION_ATTRIBUTES_OF_MANY,
			.ino = 300,
			.inodes = {"\x2c\1\0\0\0\0\0\0\0\0\0\0\0\1\0\0", 16}},
		{.found = UINT64_C(1) << 40}},
	{"rows",
		{.kind = QUESTION_ROWS,
			.ino = FS_ROOT_INO,
			.name = TEXT("name"),
			.size = 65536,
			.is_plus = true},
		{.count = sizeof FACTS - 1}},
	{"attempts",
		{.kind = QUESTION_ATTEMPTS,
			.ino = 300,
			.attempts = TEXT("\xac\2\1\7\1\xac\2\1\7\2"),
			.size = 2},
		{.count = sizeof VERDICTS - 1}},
	{"usage",
		{.kind = QUESTION_USAGE,
			.ino = 300,
			.places = TEXT("\xac\2\7\xad\2\0"),
			.offset = QUESTION_USAGE_ENTRIES_MAX,
			.size = QUESTION_USAGE_NEWS_MAX},
		{.usage = {UINT64_C(1) << 40, 4096, 300, 20, {1000000000, 5}}}},
	{"page", {.kind = QUESTION_PAGE, .cursor = TEXT("\2key"), .size = ROW_PAGE_SIZE_MIN},
		{.count = sizeof PAGE - 1}},
};

#define VARIANTS 1 /* of kinds that are there already: lookup_elsewhere */

static struct buf *encode_question(const struct question *question)
{
	struct buf *bytes;

	assert_int_equal(question_encode(question, &bytes), 0);
	return bytes;
}

static void expect_question(struct slice bytes, const struct question *question)
{
	struct buf *expected = encode_question(question), *again;
	struct question decoded;

	assert_int_equal(question_decode(bytes, &decoded), 0);
	assert_int_equal(decoded.kind, question->kind);
	again = encode_question(&decoded);
	assert_int_equal(again->size, expected->size);
	assert_memory_equal(again->data, expected->data, again->size);
	buf_unref(again);
	buf_unref(expected);
}

static struct buf *encode_finding(const struct recorded_question *recorded)
{
	struct buf *bytes;

	assert_int_equal(finding_encode(&recorded->question, &recorded->finding, &bytes), 0);
	return bytes;
}

static void begin_entries(void *argument)
{
	(void)argument;
}

static struct slice data_of(const struct recorded_question *recorded)
{
	if (recorded->question.kind == QUESTION_ROWS)
		return slice_of(FACTS, sizeof FACTS - 1);
	if (recorded->question.kind == QUESTION_ATTEMPTS)
		return slice_of(VERDICTS, sizeof VERDICTS - 1);
	if (recorded->question.kind == QUESTION_USAGE)
		return slice_of(WALK, sizeof WALK - 1);
	if (recorded->question.kind == QUESTION_PAGE)
		return slice_of(PAGE, sizeof PAGE - 1);
	return slice_of(DATA, recorded->finding.count == sizeof DATA ? sizeof DATA : 0);
}

static void expect_walk(const struct usage_walk *walk, struct slice data)
{
	struct buf *again;

	assert_int_equal(usage_walk_encode(walk, &again), 0);
	assert_int_equal(again->size, data.size);
	assert_memory_equal(again->data, data.data, data.size);
	buf_unref(again);
}

static void expect_finding(struct slice bytes, const struct recorded_question *recorded)
{
	const struct question *question = &recorded->question;
	char room[sizeof PAGE] = "";
	struct slice data = data_of(recorded);
	struct usage_walk walk = {0};
	struct finding finding = {.bytes = room, .begin = begin_entries, .walk = &walk};
	struct buf *expected = encode_finding(recorded), *again;

	assert_int_equal(finding_take(question, bytes, data, &finding), 0);
	if (question->kind == QUESTION_USAGE)
		expect_walk(&walk, data);
	else
		assert_memory_equal(room, data.size > 0 ? data.data : "", data.size);
	assert_int_equal(finding_encode(question, &finding, &again), 0);
	assert_int_equal(again->size, expected->size);
	assert_memory_equal(again->data, expected->data, again->size);
	buf_unref(again);
	buf_unref(expected);
	usage_walk_close(&walk);
}

static void questions_stay(void **state)
{
	(void)state;
	assert_int_equal(COUNT_OF(questions), QUESTION_KIND_END - 1 + VARIANTS);
	for (size_t i = 0; i < COUNT_OF(questions); i++) {
		struct buf *bytes = encode_question(&questions[i].question), *recorded;
		char name[NAME_SIZE];

		wire_expect(name_of(name, "question", questions[i].name), buf_slice(bytes));
		recorded = wire_read(name);
		expect_question(buf_slice(recorded), &questions[i].question);
		buf_unref(recorded);
		buf_unref(bytes);
	}
}

static void a_question_may_be_longer_but_not_of_a_higher_version(void **state)
{
	struct question decoded;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(questions); i++) {
		struct buf *bytes = encode_question(&questions[i].question);
		struct buf *longer = wire_with_tail(buf_slice(bytes), !questions[i].question.takes_elsewhere);

		expect_question(buf_slice(longer), &questions[i].question);
		((uint8_t *)bytes->data)[0]++;
		assert_int_equal(question_decode(buf_slice(bytes), &decoded), STATUS_UNSUPPORTED);
		((uint8_t *)bytes->data)[0]--;
		((uint8_t *)bytes->data)[1] = QUESTION_KIND_END;
		assert_int_equal(question_decode(buf_slice(bytes), &decoded), STATUS_UNSUPPORTED);
		((uint8_t *)bytes->data)[1] = 0;
		assert_int_equal(question_decode(buf_slice(bytes), &decoded), STATUS_MALFORMED);
		buf_unref(longer);
		buf_unref(bytes);
	}
}

static void a_finding_may_be_longer(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(questions); i++) {
		struct buf *bytes = encode_finding(&questions[i]);
		bool has_late = questions[i].question.kind == QUESTION_LOOKUP;
		struct buf *longer =
			wire_with_tail(buf_slice(bytes), has_late && !questions[i].finding.is_elsewhere);
		struct finding finding = {.begin = begin_entries};

		expect_finding(buf_slice(longer), &questions[i]);
		((uint8_t *)bytes->data)[0] = 3;
		assert_int_equal(
			finding_take(&questions[i].question, buf_slice(bytes), (struct slice){0}, &finding),
			STATUS_MALFORMED);
		buf_unref(longer);
		buf_unref(bytes);
	}
}

static void findings_stay(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(questions); i++) {
		struct buf *bytes = encode_finding(&questions[i]), *recorded;
		char name[NAME_SIZE];

		wire_expect(name_of(name, "finding", questions[i].name), buf_slice(bytes));
		recorded = wire_read(name);
		expect_finding(buf_slice(recorded), &questions[i]);
		buf_unref(recorded);
		buf_unref(bytes);
	}
}

/* A program that is older refuses the answer: it never takes it for the attributes. */
static void an_answer_from_elsewhere_is_of_a_higher_version(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(questions); i++) {
		bool is_elsewhere = strcmp(questions[i].name, "lookup_elsewhere") == 0;
		struct buf *question = encode_question(&questions[i].question);
		struct buf *finding = encode_finding(&questions[i]);

		assert_int_equal(((const uint8_t *)question->data)[0], 1);
		assert_int_equal(((const uint8_t *)finding->data)[0], is_elsewhere ? 2 : 1);
		buf_unref(finding);
		buf_unref(question);
	}
}

static void the_inodes_of_a_question_are_whole(void **state)
{
	static const size_t sizes[] = {0, 7, 15, (QUESTION_INODES_MAX + 1) * 8};
	struct question question = {.kind = QUESTION_ATTRIBUTES_OF_MANY, .ino = 300};
	uint8_t *inodes = calloc(QUESTION_INODES_MAX + 1, 8);
	struct buf *bytes;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		question.inodes = slice_of(inodes, sizes[i]);
		assert_int_equal(question_encode(&question, &bytes), -EINVAL);
	}
	question.inodes = slice_of(inodes, QUESTION_INODES_MAX * 8);
	bytes = encode_question(&question);
	expect_question(buf_slice(bytes), &question);
	buf_unref(bytes);
	free(inodes);
}

static void a_walk_is_whole(void **state)
{
	static const struct slice lists[] = {
		TEXT(""), TEXT("\xac\2"), TEXT("\xad\2\0"), TEXT("\0\0\xac\2\0")};
	struct question question = {.kind = QUESTION_USAGE, .ino = 300, .offset = 1, .size = 1};
	struct usage_walk walk = {0};
	struct buf *bytes;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lists); i++) {
		question.places = lists[i];
		assert_int_equal(question_encode(&question, &bytes), -EINVAL);
	}
	question.places = (struct slice)TEXT("\xac\2\0");
	question.offset = QUESTION_USAGE_ENTRIES_MAX + 1;
	assert_int_equal(question_encode(&question, &bytes), -EINVAL);
	question.offset = 1;
	question.size = 0;
	assert_int_equal(question_encode(&question, &bytes), -EINVAL);
	question.size = 1;
	bytes = encode_question(&question);
	expect_question(buf_slice(bytes), &question);
	buf_unref(bytes);
	for (size_t size = 0; size < sizeof WALK - 1; size++)
		if (size != 8) /* without the link */
			assert_int_equal(usage_walk_decode(slice_of(WALK, size), &walk), STATUS_MALFORMED);
	assert_int_equal(usage_walk_decode(slice_of("\0\0\0\1\1", 5), &walk), STATUS_MALFORMED);
	usage_walk_close(&walk);
}

static void a_page_has_room_for_every_row(void **state)
{
	struct question question = {.kind = QUESTION_PAGE, .size = ROW_PAGE_SIZE_MIN - 1};
	struct buf *bytes;

	(void)state;
	assert_int_equal(question_encode(&question, &bytes), -EINVAL);
	question.size = QUESTION_SIZE_MAX + 1;
	assert_int_equal(question_encode(&question, &bytes), -EINVAL);
	question.size = QUESTION_SIZE_MAX;
	question.cursor = (struct slice)TEXT("\3key");
	assert_int_equal(question_encode(&question, &bytes), -EINVAL);
	question.cursor = (struct slice){0};
	bytes = encode_question(&question);
	expect_question(buf_slice(bytes), &question);
	buf_unref(bytes);
}

/* ---- Late fields ---- */

static struct slice write_late(uint8_t bytes[16], uint32_t first, uint32_t second, uint32_t third)
{
	struct writer writer = writer_fixed(bytes, 16);
	struct coder coder = {.writer = &writer};

	coder_late_u32(&coder, &first);
	coder_late_u32(&coder, &second);
	coder_late_u32(&coder, &third);
	assert_false(coder.is_bad);
	return writer_written(&writer);
}

/* By a reader that knows so many of them; the others it does not touch. */
static int read_late(struct slice bytes, uint32_t known, uint32_t values[3])
{
	struct reader reader = reader_of(bytes);
	struct coder coder = {.reader = &reader};

	for (uint32_t i = 0; i < known; i++)
		coder_late_u32(&coder, &values[i]);
	return coder_finish(&coder);
}

static void a_late_field_brings_those_before_it(void **state)
{
	uint8_t bytes[16];
	uint32_t values[3] = {9, 9, 9};

	(void)state;
	assert_int_equal(write_late(bytes, 0, 0, 0).size, 0);
	assert_int_equal(write_late(bytes, 5, 0, 0).size, 1);
	assert_int_equal(write_late(bytes, 0, 0, 300).size, 4);
	assert_int_equal(read_late(slice_of(bytes, 4), 3, values), 0);
	assert_true(values[0] == 0 && values[1] == 0 && values[2] == 300);
	assert_int_equal(read_late(write_late(bytes, 7, 0, 300), 1, values), 0);
	assert_true(values[0] == 7 && values[2] == 300);
	assert_int_equal(read_late(write_late(bytes, 8, 0, 0), 3, values), 0);
	assert_true(values[0] == 8 && values[1] == 0 && values[2] == 0);
}

/* ---- Entries of a directory ---- */

static void put_inode(struct memory_view *memory, const struct inode *inode)
{
	struct fs_key key = fs_key_inode(inode->attributes.ino);
	uint8_t bytes[FS_INODE_ROW_SIZE_MAX];
	struct writer row = writer_fixed(bytes, sizeof bytes);

	assert_int_equal(inode_encode(inode, &row), 0);
	memory_view_put(memory, KEY_DATA, fs_key_slice(&key), writer_written(&row));
}

static void put_entry(struct memory_view *memory, const struct inode *directory, const char *text,
	const struct attributes *attributes)
{
	struct slice name = slice_of(text, strlen(text));
	struct fs_key key =
		fs_key_entry(directory->attributes.ino, fs_name_hash(directory->seed, name), name);
	uint8_t bytes[64];
	struct writer row = writer_fixed(bytes, sizeof bytes);

	entry_encode(&(struct entry){attributes->ino, attributes->mode & S_IFMT}, &row);
	memory_view_put(memory, KEY_DATA, fs_key_slice(&key), writer_written(&row));
}

/* A root directory with one file. */
static struct memory_view *make_directory(void)
{
	struct memory_view *memory = memory_view_new();
	struct inode file = {.attributes = file_attributes, .cut = INODE_CUT_NONE};
	struct inode root = {.attributes = file_attributes,
		.cut = INODE_CUT_NONE,
		.parent = FS_ROOT_INO,
		.seed = {1, 2},
		.entries = 1,
		.creation_seq = FS_SEQ_FIRST};

	root.attributes.ino = FS_ROOT_INO;
	root.attributes.mode = S_IFDIR | 0755;
	put_inode(memory, &root);
	put_inode(memory, &file);
	put_entry(memory, &root, "file", &file.attributes);
	return memory;
}

struct listing {
	uint32_t count;
	char text[256];
};

static void begin_listing(void *argument)
{
	*(struct listing *)argument = (struct listing){0};
}

static int add_to_listing(void *argument, const struct read_entry *entry)
{
	struct listing *listing = argument;
	size_t used = strlen(listing->text);

	listing->count++;
	snprintf(listing->text + used, sizeof listing->text - used, "%.*s:%llx:%o:%d:%o ",
		(int)entry->name.size, (const char *)entry->name.data, (unsigned long long)entry->ino,
		entry->type, entry->continues, entry->attributes ? entry->attributes->mode : 0);
	return 0;
}

static void entries_stay(void **state)
{
	const struct question question = {
		.kind = QUESTION_DIRECTORY, .ino = FS_ROOT_INO, .size = 65536, .is_plus = true};
	struct memory_view *memory = make_directory();
	struct listing listing = {0};
	struct finding finding = {.begin = begin_listing, .entry = add_to_listing, .argument = &listing};
	struct buf *bytes, *data, *recorded;

	(void)state;
	assert_int_equal(question_reply(&question, NULL, memory_view_get(memory), true, &bytes, &data), 0);
	wire_expect("entries/root", buf_slice(data));
	recorded = wire_read("entries/root");
	assert_int_equal(finding_take(&question, buf_slice(bytes), buf_slice(recorded), &finding), 0);
	assert_int_equal(listing.count, 3);
	assert_string_equal(
		listing.text, ".:1:40000:0:40755 ..:1:40000:0:0 file:12c0000009:100000:0:104755 ");
	buf_unref(recorded);
	buf_unref(bytes);
	buf_unref(data);
	memory_view_free(memory);
}

static void show_inode(void *argument, const struct attributes *attributes)
{
	struct listing *listing = argument;
	size_t used = strlen(listing->text);

	listing->count++;
	snprintf(listing->text + used, sizeof listing->text - used, "%llx:%o ",
		(unsigned long long)attributes->ino, attributes->mode);
}

static void inodes_stay(void **state)
{
	const struct question question = {.kind = QUESTION_ATTRIBUTES_OF_MANY,
		.ino = FS_ROOT_INO,
		.inodes = {"\1\0\0\0\0\0\0\0\x09\0\0\xc0\x12\0\0\0", 16}};
	struct memory_view *memory = make_directory();
	struct listing listing = {0};
	struct finding finding = {.begin = begin_listing, .inode = show_inode, .argument = &listing};
	struct buf *bytes, *data, *recorded;

	(void)state;
	assert_int_equal(question_reply(&question, NULL, memory_view_get(memory), true, &bytes, &data), 0);
	wire_expect("entries/inodes", buf_slice(data));
	recorded = wire_read("entries/inodes");
	assert_int_equal(finding_take(&question, buf_slice(bytes), buf_slice(recorded), &finding), 0);
	assert_int_equal(listing.count, 2);
	assert_string_equal(listing.text, "1:40755 12c0000009:104755 ");
	buf_unref(recorded);
	buf_unref(bytes);
	buf_unref(data);
	memory_view_free(memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(operations_stay),
		cmocka_unit_test(every_kind_is_recorded),
		cmocka_unit_test(a_tail_is_skipped),
		cmocka_unit_test(a_higher_version_is_refused),
		cmocka_unit_test(an_unknown_kind_is_refused),
		cmocka_unit_test(unknown_flags_and_values_are_refused),
		cmocka_unit_test(replies_stay),
		cmocka_unit_test(a_reply_may_be_longer),
		cmocka_unit_test(late_fields_may_be_cut),
		cmocka_unit_test(questions_stay),
		cmocka_unit_test(a_question_may_be_longer_but_not_of_a_higher_version),
		cmocka_unit_test(findings_stay),
		cmocka_unit_test(a_finding_may_be_longer),
		cmocka_unit_test(an_answer_from_elsewhere_is_of_a_higher_version),
		cmocka_unit_test(the_inodes_of_a_question_are_whole),
		cmocka_unit_test(a_walk_is_whole),
		cmocka_unit_test(a_page_has_room_for_every_row),
		cmocka_unit_test(a_late_field_brings_those_before_it),
		cmocka_unit_test(entries_stay),
		cmocka_unit_test(inodes_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
