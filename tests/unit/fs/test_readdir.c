/* fs/read: a listing of a large directory that changes meanwhile. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/fs_harness.h"

#define ENTRY_COUNT 200000u
#define REPLY_COUNT 100u /* entries of one reply */

struct listing {
	struct fs_harness *fs;
	uint8_t *seen; /* how often each of the first names was given */
	uint64_t cookie;
	uint32_t room;
	uint32_t count;
	uint32_t dots;
	uint32_t others; /* names made meanwhile */
	bool plus;
};

static int take(void *argument, const struct read_entry *entry)
{
	struct listing *listing = argument;
	char name[256];

	if (listing->room == 0)
		return 1;
	assert_true(entry->next_cookie > listing->cookie);
	assert_false(entry->continues);
	listing->room--;
	listing->cookie = entry->next_cookie;
	memcpy(name, entry->name.data, entry->name.size);
	name[entry->name.size] = '\0';
	if (name[0] == '.') {
		listing->dots++;
		return 0;
	}
	assert_true(!listing->plus || entry->attributes->ino == entry->ino);
	if (name[0] == 'f')
		listing->seen[strtoul(name + 1, NULL, 10)]++;
	else
		listing->others++;
	listing->count++;
	return 0;
}

/* One reply; false at the end. */
static bool list_some(struct listing *listing, uint64_t directory)
{
	uint32_t before = listing->count + listing->dots;

	listing->room = REPLY_COUNT;
	assert_int_equal(
		read_directory(listing->fs->view, directory, listing->cookie, listing->plus, take, listing),
		0);
	return listing->count + listing->dots > before;
}

static void name_of(char name[16], char letter, uint32_t number)
{
	snprintf(name, 16, "%c%u", letter, number);
}

static void what_stays_is_listed_once(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t d = (uint64_t)fs_make(fs, FS_ROOT_INO, "d", S_IFDIR | 0755);
	struct listing listing = {.fs = fs, .seen = calloc(ENTRY_COUNT, 1)};
	uint32_t step = 0, missing = 0;
	char name[16], other[16];

	for (uint32_t i = 0; i < ENTRY_COUNT; i++) {
		name_of(name, 'f', i);
		assert_true(is_ino(fs_make(fs, d, name, S_IFREG | 0644)));
	}
	/* Every tenth name is renamed or removed while the listing goes on; the others must be seen exactly once. */
	while (list_some(&listing, d)) {
		for (int i = 0; i < 4 && step * 10 < ENTRY_COUNT; i++, step++) {
			name_of(name, 'f', step * 10);
			name_of(other, 'n', step);
			if (step % 2 == 0)
				assert_int_equal(fs_rename(fs, d, name, d, other, 0), 0);
			else
				assert_int_equal(fs_unlink(fs, d, name, false), 0);
		}
	}
	assert_true(step > 5000);
	for (uint32_t i = 0; i < ENTRY_COUNT; i++) {
		assert_true(listing.seen[i] <= 1);
		missing += i % 10 != 0 && listing.seen[i] == 0;
	}
	assert_int_equal(missing, 0);
	assert_int_equal(listing.dots, 2);
	free(listing.seen);
}

static void a_listing_brings_attributes(void **state)
{
	struct fs_harness *fs = *state;
	uint8_t seen[10] = {0};
	struct listing listing = {.fs = fs, .seen = seen, .plus = true};
	char name[16];

	for (uint32_t i = 0; i < 10; i++) {
		name_of(name, 'f', i);
		assert_true(is_ino(fs_make(fs, FS_ROOT_INO, name, S_IFREG | 0644)));
	}
	assert_true(list_some(&listing, FS_ROOT_INO));
	assert_int_equal(listing.count, 10);
	assert_false(list_some(&listing, FS_ROOT_INO));
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(seen[i], 1);
}

/* Two names of one hash are made by hand: no seed is known to have some. */
static int take_group(void *argument, const struct read_entry *entry)
{
	uint32_t *continues = argument;

	*continues += entry->continues;
	return 0;
}

static void one_hash_is_one_group(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = (uint64_t)fs_make(fs, FS_ROOT_INO, "a", S_IFREG | 0644);
	struct entry entry = {.ino = a, .type = S_IFREG};
	struct writer writer = writer_growing(100);
	uint32_t continues = 0;

	entry_encode(&entry, &writer);
	for (int i = 0; i < 3; i++) {
		char name[2] = {(char)('x' + i), 0};
		struct fs_key key = fs_key_entry(FS_ROOT_INO, (UINT64_C(1) << FS_HASH_BITS) - 1, text(name));

		memory_view_put(fs->memory, KEY_DATA, fs_key_slice(&key), writer_written(&writer));
	}
	writer_close(&writer);
	assert_int_equal(read_directory(fs->view, FS_ROOT_INO, 0, false, take_group, &continues), 0);
	assert_int_equal(continues, 2);
	continues = 0;
	assert_int_equal(read_directory(fs->view, FS_ROOT_INO, (UINT64_C(1) << FS_HASH_BITS) + 2, false,
				 take_group, &continues),
		0);
	assert_int_equal(continues, 0);
}

static int close_only(void **state)
{
	fs_harness_close(*state);
	free(*state);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fs_harness_setup, fs_harness_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_stays_is_listed_once),
		TEST(a_listing_brings_attributes),
		cmocka_unit_test_setup_teardown(one_hash_is_one_group, fs_harness_setup, close_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
