/* fs/eval/{session,store}, fs/records: how sessions and stores come and go, and that no id is given twice. */
#include "tests/lib/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/status.h"
#include "store/options.h"
#include "store/rows/slots.h"
#include "tests/lib/fs_harness.h"

static int run(struct fs_harness *fs, struct op op)
{
	return fs_harness_run(fs, &op, NULL);
}

/* ---- Sessions ---- */

static uint64_t open_session(struct fs_harness *fs)
{
	assert_int_equal(run(fs, (struct op){.kind = OP_SESSION_OPEN,
					 .session_open = {.pid = 12,
						 .host = text("host"),
						 .mount_point = text("/mnt")}}),
		0);
	return fs->reply.id;
}

static int end_step(struct fs_harness *fs, enum op_kind kind, uint64_t session)
{
	return run(fs, (struct op){.kind = kind, .session_end = {.session = session}});
}

static bool is_let_in(struct fs_harness *fs, uint64_t session)
{
	enum slot_verdict verdict;
	struct buf *reply = NULL;
	int outcome;
	int status = slots_find(fs->view, session, 0, 1, &verdict, &outcome, &reply);

	buf_unref(reply);
	assert_true(status == 0 || status == STATUS_SESSION_UNKNOWN);
	return status == 0;
}

static void a_session_ends_in_steps(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t rows, session, other = open_session(fs);

	rows = memory_view_count_rows(fs->memory);
	session = open_session(fs);
	assert_true(session > other);
	assert_true(is_let_in(fs, session));
	assert_int_equal(end_step(fs, OP_SESSION_REMOVE, session), -EBUSY);
	assert_int_equal(end_step(fs, OP_SESSION_CLOSE, session), 0);
	assert_true(is_let_in(fs, session));
	assert_int_equal(end_step(fs, OP_SESSION_CLOSE, session), 0);
	assert_int_equal(fs->mutation_count, 0);
	assert_int_equal(end_step(fs, OP_SESSION_FORGET, session), 0);
	assert_false(is_let_in(fs, session));
	assert_true(is_let_in(fs, other));
	assert_int_equal(end_step(fs, OP_SESSION_END, session), 0);
	assert_int_equal(end_step(fs, OP_SESSION_REMOVE, session), 0);
	/* The count of the forgotten has come. */
	assert_int_equal(memory_view_count_rows(fs->memory), rows + 1);
	assert_int_equal(end_step(fs, OP_SESSION_REMOVE, session), 0);
	assert_int_equal(end_step(fs, OP_SESSION_CLOSE, session), -ENOENT);
	assert_true(open_session(fs) > session);
}

static int register_range(struct fs_harness *fs, uint64_t session, uint64_t start, uint64_t end)
{
	return run(fs, (struct op){.kind = OP_SESSION_REGISTER, .session_register = {session, start, end}});
}

struct ranges {
	uint32_t count;
	struct registration ranges[REGISTRATIONS_MAX + 1];
};

static int take_registration(void *argument, struct slice key, struct slice value)
{
	struct ranges *ranges = argument;
	uint64_t session;

	assert_in_range(ranges->count, 0, REGISTRATIONS_MAX);
	return registration_decode(key, value, &session, &ranges->ranges[ranges->count++]);
}

static void read_ranges(struct fs_harness *fs, uint64_t session, struct ranges *ranges)
{
	struct fs_key low = fs_key_registrations(session), high = fs_key_after(&low);

	ranges->count = 0;
	assert_int_equal(view_scan(fs->view, KEY_LOCAL, fs_key_slice(&low), fs_key_slice(&high),
				 take_registration, ranges),
		0);
}

static void expect_ranges(
	struct fs_harness *fs, uint64_t session, uint32_t count, const struct registration *expected)
{
	static struct ranges found;

	read_ranges(fs, session, &found);
	assert_int_equal(found.count, count);
	assert_memory_equal(found.ranges, expected, count * sizeof *expected);
}

/* Region 1 ends at dirid 10. */
static void use_a_part(struct fs_harness *fs, struct fs_key *end)
{
	*end = fs_key_dirid(10);
	fs->region_end = fs_key_slice(end);
}

static void what_touches_is_registered_as_one(void **state)
{
	struct fs_harness *fs = *state;
	struct fs_key end;
	uint64_t session;

	use_a_part(fs, &end);
	session = open_session(fs);
	expect_ranges(fs, session, 1, (struct registration[]){{0, 10}});
	assert_int_equal(register_range(fs, session, 20, 30), 0);
	assert_int_equal(register_range(fs, session, 40, 50), 0);
	expect_ranges(fs, session, 3, (struct registration[]){{0, 10}, {20, 30}, {40, 50}});
	assert_int_equal(register_range(fs, session, 42, 50), 0);
	assert_int_equal(fs->mutation_count, 0);
	assert_int_equal(register_range(fs, session, 30, 35), 0);
	assert_int_equal(register_range(fs, session, 38, 41), 0);
	expect_ranges(fs, session, 3, (struct registration[]){{0, 10}, {20, 35}, {38, 50}});
	assert_int_equal(register_range(fs, session, 34, 39), 0);
	expect_ranges(fs, session, 2, (struct registration[]){{0, 10}, {20, 50}});
	assert_int_equal(register_range(fs, session, 15, FS_DIRID_END), 0);
	expect_ranges(fs, session, 2, (struct registration[]){{0, 10}, {15, FS_DIRID_END}});
	assert_int_equal(register_range(fs, session, 10, 15), 0);
	expect_ranges(fs, session, 1, (struct registration[]){{0, FS_DIRID_END}});
	assert_int_equal(register_range(fs, session + 1, 10, 15), -ENOENT);
	assert_int_equal(end_step(fs, OP_SESSION_CLOSE, session), 0);
	assert_int_equal(register_range(fs, session, 10, 15), -ENOENT);
	assert_int_equal(end_step(fs, OP_SESSION_REMOVE, session), 0);
	expect_ranges(fs, session, 0, NULL);
}

/* All that was ever registered stays covered. */
static void registrations_are_limited(void **state)
{
	static struct ranges found;
	struct fs_harness *fs = *state;
	struct fs_key end;
	uint64_t session;

	use_a_part(fs, &end);
	session = open_session(fs);
	for (uint64_t i = REGISTRATIONS_MAX + 20; i > 0; i--)
		assert_int_equal(register_range(fs, session, 100 * i, 100 * i + 50), 0);
	read_ranges(fs, session, &found);
	assert_int_equal(found.count, REGISTRATIONS_MAX);
	for (uint64_t i = REGISTRATIONS_MAX + 20; i > 0; i--) {
		uint32_t covering = 0;

		for (uint32_t j = 0; j < found.count; j++)
			covering += found.ranges[j].start <= 100 * i && found.ranges[j].end >= 100 * i + 50;
		assert_int_equal(covering, 1);
	}
	for (uint32_t j = 1; j < found.count; j++)
		assert_true(found.ranges[j].start > found.ranges[j - 1].end);
	assert_int_equal(found.ranges[0].start, 0);
}

static void a_region_admits_by_its_count(void **state)
{
	struct fs_harness *fs = *state;
	struct op admit = {.kind = OP_SESSION_ADMIT, .session_admit = {77, OP_FORGETS_UNKNOWN}};
	struct fs_key end;

	use_a_part(fs, &end);
	assert_int_equal(run(fs, admit), 0);
	assert_false(fs->reply.existed);
	assert_int_equal(fs->mutation_count, 0);
	assert_int_equal(fs->reply.id, 0);
	assert_int_equal(fs->reply.offset, 0);
	assert_int_equal(fs->reply.count, 10);
	admit.session_admit.forgets = 0;
	assert_int_equal(end_step(fs, OP_SESSION_FORGET, 77), 0);
	assert_int_equal(fs->reply.id, 10);
	assert_int_equal(run(fs, admit), 0);
	assert_false(fs->reply.existed);
	assert_int_equal(fs->reply.id, 1);
	assert_false(is_let_in(fs, 77));
	admit.session_admit.forgets = 1;
	assert_int_equal(run(fs, admit), 0);
	assert_true(fs->reply.existed);
	assert_true(is_let_in(fs, 77));
	assert_int_equal(end_step(fs, OP_SESSION_END, 77), 0);
	assert_int_equal(fs->reply.id, 10);
}

static void sessions_are_limited(void **state)
{
	struct fs_harness *fs = *state;
	struct op op = {.kind = OP_SESSION_OPEN};

	for (uint32_t i = 0; i < SESSION_COUNT_MAX; i++)
		open_session(fs);
	assert_int_equal(run(fs, op), -EUSERS);
	assert_int_equal(end_step(fs, OP_SESSION_CLOSE, 1), 0);
	assert_int_equal(end_step(fs, OP_SESSION_REMOVE, 1), 0);
	assert_int_equal(run(fs, op), 0);
}

static int take_session(void *argument, struct slice key, struct slice value)
{
	struct session_record *record = argument;
	uint64_t session;

	assert_int_equal(fs_key_parse_session(key, &session), 0);
	assert_int_equal(session_record_decode(value, record), 0);
	assert_memory_equal(record->host.data, "host", record->host.size);
	assert_memory_equal(record->mount_point.data, "/mnt", record->mount_point.size);
	return 0;
}

static void a_session_says_whose_it_is(void **state)
{
	struct fs_harness *fs = *state;
	struct fs_key low = fs_key_sessions(), high = fs_key_after(&low);
	struct session_record record = {0};

	open_session(fs);
	assert_int_equal(view_scan(fs->view, KEY_LOCAL, fs_key_slice(&low), fs_key_slice(&high), take_session,
				 &record),
		0);
	assert_int_equal(record.state, SESSION_LIVE);
	assert_int_equal(record.pid, 12);
	assert_true(is_now(fs, record.opened));
}

/* ---- Stores ---- */

static int enter(struct fs_harness *fs, uint64_t id, uint64_t incarnation, const char *address)
{
	return run(
		fs, (struct op){.kind = OP_STORE_ENTER,
			    .store_enter = {.id = id, .incarnation = incarnation, .address = text(address)}});
}

static int set(struct fs_harness *fs, uint64_t id, enum store_state store)
{
	return run(fs, (struct op){.kind = OP_STORE_SET, .store_set = {.id = id, .state = store}});
}

static void ids_of_stores_are_never_given_again(void **state)
{
	struct fs_harness *fs = *state;

	assert_int_equal(enter(fs, 3, 1, "c:1"), 0);
	assert_int_equal(fs->reply.id, 3);
	assert_int_equal(enter(fs, 1, 1, "a:1"), 0);
	assert_int_equal(enter(fs, 0, 0, "d:1"), 0);
	assert_int_equal(fs->reply.id, 4);
	assert_int_equal(enter(fs, 0, 0, "d:1"), 0); /* its answer was lost */
	assert_int_equal(fs->reply.id, 4);
	assert_int_equal(enter(fs, 4, 1, "d:1"), 0);
	assert_int_equal(enter(fs, 0, 0, "d:1"), -EEXIST); /* it lives: this is another directory */
	assert_int_equal(set(fs, 4, STORE_REMOVED), 0);
	assert_int_equal(enter(fs, 4, 10, "d:1"), -ESTALE);
	assert_int_equal(enter(fs, 0, 0, "d:1"), 0);
	assert_int_equal(fs->reply.id, 5);
	assert_int_equal(set(fs, 4, STORE_UP), -EPERM);
	assert_int_equal(set(fs, 77, STORE_UP), -ENOENT);
}

static int set_setting(struct fs_harness *fs, bool is_set, uint64_t value)
{
	return run(fs, (struct op){.kind = OP_SETTING_SET, .setting_set = {SETTING_REPLICAS, is_set, value}});
}

static void a_setting_stays_until_it_is_taken_back(void **state)
{
	struct fs_harness *fs = *state;
	struct fs_key key = fs_key_setting(SETTING_REPLICAS);
	enum cluster_setting setting;
	struct kv_value row = {0};
	uint64_t value;

	assert_int_equal(set_setting(fs, true, 3), 0);
	assert_int_equal(set_setting(fs, true, 5), 0);
	assert_int_equal(view_get(fs->view, KEY_LOCAL, fs_key_slice(&key), &row), 0);
	assert_int_equal(cluster_setting_decode(fs_key_slice(&key), row.data, &setting, &value), 0);
	kv_value_close(&row);
	assert_int_equal(setting, SETTING_REPLICAS);
	assert_int_equal(value, 5);
	assert_int_equal(set_setting(fs, false, 0), 0);
	assert_int_equal(view_get(fs->view, KEY_LOCAL, fs_key_slice(&key), &row), STATUS_NOT_FOUND);
	assert_int_equal(set_setting(fs, false, 0), 0);
}

static void damaged_settings_are_found(void **state)
{
	struct fs_key key = fs_key_setting(SETTING_STORE_MOVES), newer = fs_key_setting(200);
	struct fs_key none = fs_key_setting(0), other = fs_key_counter(SETTING_STORE_MOVES);
	enum cluster_setting setting;
	uint64_t value;

	(void)state;
	assert_int_equal(
		cluster_setting_decode(fs_key_slice(&key), slice_of("\1\7", 2), &setting, &value), 0);
	assert_int_equal(value, 7);
	assert_int_equal(cluster_setting_decode(fs_key_slice(&key), slice_of("\1\0", 2), &setting, &value),
		STATUS_CORRUPT); /* below the least */
	assert_int_equal(cluster_setting_decode(fs_key_slice(&key), slice_of("\2\7", 2), &setting, &value),
		STATUS_CORRUPT);
	assert_int_equal(cluster_setting_decode(fs_key_slice(&key), slice_of("\1\7\0", 3), &setting, &value),
		STATUS_CORRUPT);
	assert_int_equal(cluster_setting_decode(fs_key_slice(&none), slice_of("\1\7", 2), &setting, &value),
		STATUS_CORRUPT);
	assert_int_equal(cluster_setting_decode(fs_key_slice(&other), slice_of("\1\7", 2), &setting, &value),
		STATUS_CORRUPT);
	assert_int_equal(cluster_setting_decode(fs_key_slice(&newer), slice_of("\1\7", 2), &setting, &value),
		STATUS_UNSUPPORTED);
}

static void an_address_has_one_store(void **state)
{
	struct fs_harness *fs = *state;

	assert_int_equal(enter(fs, 1, 5, "a:1"), 0);
	assert_int_equal(enter(fs, 0, 1, "a:1"), -EEXIST);
	assert_int_equal(enter(fs, 2, 1, "a:1"), -EEXIST);
	assert_int_equal(enter(fs, 1, 6, "a:2"), 0); /* it moved */
	assert_int_equal(enter(fs, 2, 1, "a:1"), 0);
}

static void an_old_life_of_a_store_stays_out(void **state)
{
	struct fs_harness *fs = *state;

	assert_int_equal(enter(fs, 1, 5, "a:1"), 0);
	assert_int_equal(enter(fs, 1, 5, "a:1"), 0);
	assert_int_equal(enter(fs, 1, 4, "a:1"), -ESTALE);
	assert_int_equal(enter(fs, 1, 6, "a:1"), 0);
}

static int enter_from(struct fs_harness *fs, uint64_t directory_id)
{
	return run(fs, (struct op){.kind = OP_STORE_ENTER,
			       .store_enter = {.id = 1,
				       .incarnation = 1,
				       .directory_id = directory_id,
				       .address = text("a:1")}});
}

static void a_directory_that_was_made_anew_is_another_store(void **state)
{
	struct fs_harness *fs = *state;

	assert_int_equal(enter(fs, 1, 0, "a:1"), 0);
	assert_int_equal(enter_from(fs, 77), 0);
	assert_int_equal(enter_from(fs, 77), 0);
	assert_int_equal(enter_from(fs, 78), -ESTALE);
	assert_int_equal(enter(fs, 1, 2, "a:1"), 0); /* of a version that tells none */
	assert_int_equal(enter_from(fs, 78), -ESTALE);
}

static void a_draining_store_stays_so_over_a_restart(void **state)
{
	struct fs_harness *fs = *state;
	struct fs_key key = fs_key_store(1);
	struct store_record record;
	struct kv_value row = {0};

	assert_int_equal(enter(fs, 1, 5, "a:1"), 0);
	assert_int_equal(set(fs, 1, STORE_DRAINING), 0);
	assert_int_equal(enter(fs, 1, 6, "a:1"), 0);
	assert_int_equal(view_get(fs->view, KEY_LOCAL, fs_key_slice(&key), &row), 0);
	assert_int_equal(store_record_decode(row.data, &record), 0);
	assert_int_equal(record.state, STORE_DRAINING);
	assert_int_equal(record.incarnation, 6);
	kv_value_close(&row);
}

static void a_lost_store_stays_out_and_leaves_its_address(void **state)
{
	struct fs_harness *fs = *state;

	assert_int_equal(enter(fs, 1, 5, "a:1"), 0);
	assert_int_equal(set(fs, 1, STORE_LOST), 0);
	assert_int_equal(enter(fs, 1, 6, "a:1"), -ESTALE);
	assert_int_equal(enter(fs, 0, 1, "a:1"), 0);
	assert_int_equal(fs->reply.id, 2);
	assert_int_equal(set(fs, 1, STORE_UP), -EPERM);
	assert_int_equal(set(fs, 1, STORE_DRAINING), -EPERM);
	assert_int_equal(set(fs, 1, STORE_LOST), 0);
	assert_int_equal(set(fs, 1, STORE_REMOVED), 0);
	assert_int_equal(set(fs, 1, STORE_LOST), -EPERM);
}

static void stores_are_limited(void **state)
{
	struct fs_harness *fs = *state;
	char address[32];

	for (uint32_t i = 1; i <= STORE_COUNT_MAX; i++) {
		snprintf(address, sizeof address, "host:%u", i);
		assert_int_equal(enter(fs, 0, 1, address), 0);
	}
	assert_int_equal(enter(fs, 0, 1, "more:1"), -ENOSPC);
	assert_int_equal(enter(fs, 7, 2, "host:7"), 0);
	assert_int_equal(set(fs, 9, STORE_REMOVED), 0);
	assert_int_equal(enter(fs, 0, 1, "more:1"), 0);
}

static void replicas_have_ids_of_their_own(void **state)
{
	struct fs_harness *fs = *state;
	struct op op = {.kind = OP_ALLOCATE, .allocate.counter = COUNTER_REPLICA};

	assert_int_equal(run(fs, op), 0);
	assert_int_equal(fs->reply.id, 1);
	assert_int_equal(enter(fs, 0, 1, "a:1"), 0);
	assert_int_equal(run(fs, op), 0);
	assert_int_equal(fs->reply.id, 2);
}

/* No store makes an initial region with such an id, however many it makes. */
static void new_regions_have_ids_of_their_own(void **state)
{
	struct raftkv_options options = {.initial_regions = 0};
	struct fs_harness *fs = *state;
	struct op op = {.kind = OP_ALLOCATE, .allocate.counter = COUNTER_REGION};
	uint64_t last = --options.initial_regions; /* the greatest number that it can be */

	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(run(fs, op), 0);
		assert_int_equal(region_id_drawn(fs->reply.id), REGION_ID_FIRST_DRAWN + i);
		assert_true(region_id_drawn(fs->reply.id) > last);
		last = region_id_drawn(fs->reply.id);
		op.allocate.counter = COUNTER_REPLICA; /* draws from another counter */
		assert_int_equal(run(fs, op), 0);
		op.allocate.counter = COUNTER_REGION;
	}
}

/* A count is no counter of ids. */
static void inodes_are_not_drawn(void **state)
{
	const struct op op = {.kind = OP_ALLOCATE, .allocate.counter = COUNTER_INODES};
	struct buf *body;

	(void)state;
	assert_int_equal(op_encode(&op, &body), -EINVAL);
}

/* ---- What is refused ---- */

static void records_are_checked(void **state)
{
	uint8_t bytes[64];
	struct writer writer = writer_fixed(bytes, sizeof bytes);
	struct store_record store = {.state = STORE_UP, .address = text("a:1")};

	(void)state;
	assert_int_equal(store_record_encode(&store, &writer), 0);
	assert_int_equal(store_record_decode(writer_written(&writer), &store), 0);
	bytes[1] = STORE_LOST + 1;
	assert_int_equal(store_record_decode(writer_written(&writer), &store), STATUS_CORRUPT);
	store = (struct store_record){.state = STORE_UP};
	writer = writer_fixed(bytes, sizeof bytes);
	assert_int_equal(store_record_encode(&store, &writer), STATUS_CORRUPT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fs_harness_setup, fs_harness_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_session_ends_in_steps),
		TEST(what_touches_is_registered_as_one),
		TEST(registrations_are_limited),
		TEST(a_region_admits_by_its_count),
		TEST(sessions_are_limited),
		TEST(a_session_says_whose_it_is),
		TEST(ids_of_stores_are_never_given_again),
		TEST(a_setting_stays_until_it_is_taken_back),
		TEST(damaged_settings_are_found),
		TEST(an_address_has_one_store),
		TEST(an_old_life_of_a_store_stays_out),
		TEST(a_directory_that_was_made_anew_is_another_store),
		TEST(a_draining_store_stays_so_over_a_restart),
		TEST(a_lost_store_stays_out_and_leaves_its_address),
		TEST(stores_are_limited),
		TEST(replicas_have_ids_of_their_own),
		TEST(new_regions_have_ids_of_their_own),
		cmocka_unit_test(inodes_are_not_drawn),
		cmocka_unit_test(records_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
