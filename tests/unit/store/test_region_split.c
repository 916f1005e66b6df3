/* The entry of a split, and what it makes of a region: bytes that no store wrote, regions that it does not fit. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/rows/mutations.h"
#include "store/rows/region_split.h"
#include "tests/lib/test.h"

static const struct region_peer peers[] = {
	{1, 1, REGION_VOTER}, {2, 2, REGION_VOTER}, {7, 3, REGION_LEARNER}};

static struct slice text(const char *string)
{
	return slice_of(string, strlen(string));
}

static void make_region(struct region *region, const char *start, const char *end)
{
	assert_int_equal(region_init(region, 9, text(start), text(end), peers, 3), 0);
	region->epoch = (struct region_epoch){300, 200};
}

static struct region_split split_of(const char *key)
{
	return (struct region_split){.epoch = {300, 200}, .region = 10, .key = text(key)};
}

static struct raft_entry entry_of(const struct region_split *split)
{
	struct raft_entry entry = {.type = RAFT_ENTRY_NORMAL};

	assert_int_equal(region_split_encode(split, &entry.data), 0);
	return entry;
}

/* ---- The record ------------------------------------------------------------------------------------------------- */

static void every_field_comes_back(void **state)
{
	struct region_split split = split_of("key"), decoded;
	struct raft_entry entry = entry_of(&split);

	(void)state;
	assert_true(region_split_is(&entry));
	assert_int_equal(region_split_decode(&entry, &decoded), 0);
	assert_int_equal(decoded.epoch.conf_version, 300);
	assert_int_equal(decoded.epoch.version, 200);
	assert_int_equal(decoded.region, 10);
	assert_int_equal(slice_compare(decoded.key, split.key), 0);
	buf_unref(entry.data);
}

static void other_entries_are_none(void **state)
{
	struct region_split split = split_of("key");
	struct raft_entry entry = entry_of(&split), empty = {.type = RAFT_ENTRY_NORMAL};
	struct raft_entry mutated = {.type = RAFT_ENTRY_NORMAL};
	struct mutations mutations = {0};
	struct region_split decoded;

	(void)state;
	assert_false(region_split_is(&empty));
	entry.type = RAFT_ENTRY_CONF_CHANGE_V2;
	assert_false(region_split_is(&entry));
	assert_int_equal(region_split_decode(&entry, &decoded), STATUS_CORRUPT);
	mutations_delete(&mutations, KEY_DATA, text("key"));
	assert_int_equal(mutations_finish(&mutations, 1, &mutated), 0);
	assert_false(region_split_is(&mutated));
	assert_int_equal(region_split_decode(&mutated, &decoded), STATUS_CORRUPT);
	buf_unref(mutated.data);
	buf_unref(entry.data);
}

static int decode(const uint8_t *bytes, size_t size, uint32_t payload_size)
{
	struct raft_entry entry = {.type = RAFT_ENTRY_NORMAL,
		.data = buf_copy(bytes, size), /* so that ASan sees a read past it */
		.payload_size = payload_size};
	struct region_split decoded;
	int status = region_split_decode(&entry, &decoded);

	buf_unref(entry.data);
	return status;
}

static int decode_split(uint64_t region, size_t key_size)
{
	char *key = calloc(1, key_size + 1);
	struct region_split split = {.epoch = {1, 1}, .region = region, .key = slice_of(key, key_size)};
	struct raft_entry entry = entry_of(&split);
	struct region_split decoded;
	int status = region_split_decode(&entry, &decoded);

	buf_unref(entry.data);
	free(key);
	return status;
}

static void malformed_bytes_are_refused(void **state)
{
	struct region_split split = split_of("key");
	struct raft_entry entry = entry_of(&split);
	struct slice whole = buf_slice(entry.data);
	uint8_t longer[64] = {0};

	(void)state;
	assert_int_equal(decode(whole.data, whole.size, 0), 0);
	for (size_t size = 1; size < whole.size; size++)
		assert_int_equal(decode(whole.data, size, 0), STATUS_CORRUPT);
	memcpy(longer, whole.data, whole.size);
	assert_int_equal(decode(longer, whole.size + 1, 0), STATUS_CORRUPT);
	assert_int_equal(decode(whole.data, whole.size, 4096), STATUS_CORRUPT); /* it has no payload */
	assert_int_equal(decode_split(0, 3), STATUS_CORRUPT);
	assert_int_equal(decode_split(10, 0), STATUS_CORRUPT);
	assert_int_equal(decode_split(10, MUTATIONS_KEY_MAX), 0);
	buf_unref(entry.data);
}

/* ---- The halves ------------------------------------------------------------------------------------------------- */

static int check_of(const struct region *region, const char *key)
{
	struct region_split split = split_of(key);

	return region_split_check(region, &split);
}

static void key_must_lie_inside(void **state)
{
	struct region region;

	(void)state;
	make_region(&region, "b", "m");
	assert_int_equal(check_of(&region, "b"), STATUS_KEY_NOT_IN_REGION);
	assert_int_equal(check_of(&region, "a"), STATUS_KEY_NOT_IN_REGION);
	assert_int_equal(check_of(&region, "m"), STATUS_KEY_NOT_IN_REGION);
	assert_int_equal(check_of(&region, "z"), STATUS_KEY_NOT_IN_REGION);
	assert_int_equal(check_of(&region, "ba"), 0);
	assert_int_equal(check_of(&region, "lz"), 0);
	region_close(&region);
	make_region(&region, "", "");
	assert_int_equal(check_of(&region, ""), STATUS_KEY_NOT_IN_REGION);
	assert_int_equal(check_of(&region, "z"), 0);
	region_close(&region);
}

static void both_parts_of_the_epoch_must_hold(void **state)
{
	struct region_split split = split_of("c");
	struct region region;

	(void)state;
	make_region(&region, "b", "m");
	split.epoch.version--;
	assert_int_equal(region_split_check(&region, &split), STATUS_EPOCH_NOT_MATCH);
	split.epoch = (struct region_epoch){301, 200};
	assert_int_equal(region_split_check(&region, &split), STATUS_EPOCH_NOT_MATCH);
	region_close(&region);
}

static void joint_configuration_is_refused(void **state)
{
	struct region region;

	(void)state;
	make_region(&region, "b", "m");
	region.auto_leave = true;
	assert_int_equal(check_of(&region, "c"), STATUS_CONF_CHANGE_INVALID);
	region.auto_leave = false;
	region.peers[1].roles = REGION_VOTER_OUTGOING;
	assert_int_equal(check_of(&region, "c"), STATUS_CONF_CHANGE_INVALID);
	region.peers[1].roles = REGION_VOTER | REGION_LEARNER_NEXT;
	assert_int_equal(check_of(&region, "c"), STATUS_CONF_CHANGE_INVALID);
	region.peers[1].roles = REGION_VOTER;
	assert_int_equal(check_of(&region, "c"), 0);
	region_close(&region);
}

static void assert_half(const struct region *half, uint64_t id, const char *start, const char *end)
{
	assert_int_equal(half->id, id);
	assert_int_equal(half->epoch.conf_version, 300);
	assert_int_equal(half->epoch.version, 201);
	assert_int_equal(slice_compare(buf_slice(half->start), text(start)), 0);
	assert_int_equal(slice_compare(buf_slice(half->end), text(end)), 0);
	assert_int_equal(half->end != NULL, *end != 0);
	assert_int_equal(half->peer_count, 3);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(half->peers[i].id, peers[i].id);
		assert_int_equal(half->peers[i].store, peers[i].store);
		assert_int_equal(half->peers[i].roles, peers[i].roles);
	}
}

static void halves_have_the_range_and_the_members(void **state)
{
	struct region_split split = split_of("c");
	struct region region, lower, upper;

	(void)state;
	make_region(&region, "b", "m");
	assert_int_equal(region_split_apply(&region, &split, &lower, &upper), 0);
	assert_half(&lower, 9, "b", "c");
	assert_half(&upper, 10, "c", "m");
	assert_int_equal(region.epoch.version, 200);
	region_close(&lower);
	region_close(&upper);
	region_close(&region);
	make_region(&region, "", "");
	assert_int_equal(region_split_apply(&region, &split, &lower, &upper), 0);
	assert_half(&lower, 9, "", "c");
	assert_half(&upper, 10, "c", "");
	region_close(&lower);
	region_close(&upper);
	split.epoch.version++;
	assert_int_equal(region_split_apply(&region, &split, &lower, &upper), STATUS_EPOCH_NOT_MATCH);
	region_close(&region);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_comes_back),
		cmocka_unit_test(other_entries_are_none),
		cmocka_unit_test(malformed_bytes_are_refused),
		cmocka_unit_test(key_must_lie_inside),
		cmocka_unit_test(both_parts_of_the_epoch_must_hold),
		cmocka_unit_test(joint_configuration_is_refused),
		cmocka_unit_test(halves_have_the_range_and_the_members),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
