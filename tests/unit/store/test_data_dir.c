/* store/data_dir and store/region: a data directory is what it seems to be, or refused with a sentence; rows of regions. */
#include "store/disk/data_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/env_uv.h"
#include "store/disk/checksum.h"
#include "store/rows/region.h"
#include "tests/lib/test.h"

struct fixture {
	struct env *env;
	char directory[128];
	char path[160];
	struct data_dir dir;
	struct status status;
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	test_directory_make(fixture->directory, sizeof fixture->directory);
	snprintf(fixture->path, sizeof fixture->path, "%s/store", fixture->directory);
	assert_int_equal(env_uv_new(&(struct env_uv_options){.worker_threads = 1, .io_threads = 1},
				 &fixture->env, NULL),
		0);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	env_uv_free(fixture->env);
	test_directory_remove(fixture->directory);
	free(fixture);
	return 0;
}

static int open_dir(struct fixture *fixture)
{
	return data_dir_open(&fixture->dir, fixture->env, fixture->path, &fixture->status);
}

static void make(struct fixture *fixture)
{
	assert_int_equal(open_dir(fixture), 0);
	assert_true(fixture->dir.is_new);
	fixture->dir.ident =
		(struct ident){.cluster = 11, .store = 3, .incarnation = 1, .log_is_rocksdb = true};
	assert_int_equal(data_dir_commit(&fixture->dir, &fixture->status), 0);
}

static void an_identity_is_kept(void **state)
{
	struct fixture *fixture = *state;
	struct data_dir second;

	make(fixture);
	assert_int_equal(data_dir_open(&second, fixture->env, fixture->path, &fixture->status), -EBUSY);
	assert_non_null(strstr(fixture->status.text, "in use"));
	data_dir_close(&fixture->dir);
	assert_int_equal(open_dir(fixture), 0);
	assert_false(fixture->dir.is_new);
	assert_int_equal(fixture->dir.ident.cluster, 11);
	assert_int_equal(fixture->dir.ident.store, 3);
	assert_true(fixture->dir.ident.log_is_rocksdb);
	data_dir_close(&fixture->dir);
}

static void a_directory_of_others_is_left_alone(void **state)
{
	struct fixture *fixture = *state;
	char path[200];

	mkdir(fixture->path, 0700);
	snprintf(path, sizeof path, "%s/letters", fixture->path);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(open_dir(fixture), -ENOTEMPTY);
	assert_non_null(strstr(fixture->status.text, "letters"));
	snprintf(path, sizeof path, "%s/kv", fixture->path);
	assert_int_equal(access(path, F_OK), -1);
}

/* Flips or replaces a byte of IDENT. */
static void damage(struct fixture *fixture, off_t offset, uint8_t byte)
{
	char path[200];
	int fd;

	snprintf(path, sizeof path, "%s/IDENT", fixture->path);
	fd = open(path, O_RDWR);
	assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
	close(fd);
}

static void a_damaged_identity_is_refused(void **state)
{
	struct fixture *fixture = *state;

	make(fixture);
	data_dir_close(&fixture->dir);
	damage(fixture, 20, 0xee);
	assert_int_equal(open_dir(fixture), STATUS_CORRUPT);
	assert_true(fixture->status.text[0] != 0);
}

static void an_identity_with_a_flipped_bit_is_refused(void **state)
{
	uint8_t bytes[IDENT_SIZE];
	struct ident ident = {.cluster = 1, .store = 1, .incarnation = 1, .log_is_rocksdb = true},
		     found = {0};
	uint32_t version;

	(void)state;
	ident_encode(&ident, bytes);
	assert_int_equal(ident_decode(bytes, &found, &version), 0);
	assert_int_equal(found.incarnation, 1);
	assert_true(found.log_is_rocksdb);
	for (size_t i = 0; i < IDENT_SIZE; i += 7) {
		bytes[i] ^= 0x10;
		assert_int_equal(ident_decode(bytes, &found, &version), STATUS_CORRUPT);
		bytes[i] ^= 0x10;
	}
}

/* As written before directories remembered their lives. */
static void an_identity_of_the_first_format_is_read(void **state)
{
	uint8_t bytes[IDENT_SIZE] = "raftkv store\n", *next = bytes + sizeof "raftkv store\n";
	struct ident found = {0};
	uint32_t version;
	uint64_t checksum;

	(void)state;
	memcpy(next, &(uint32_t){1}, 4);
	memcpy(next + 4, (uint64_t[]){11, 3, 9}, 24);
	next[28] = 1;
	memcpy(next + 29, &(uint64_t){77}, 8);
	checksum = checksum_of(bytes, IDENT_SIZE - 8, 0);
	memcpy(bytes + IDENT_SIZE - 8, &checksum, 8);
	assert_int_equal(ident_decode(bytes, &found, &version), 0);
	assert_int_equal(version, 1);
	assert_int_equal(found.cluster, 11);
	assert_int_equal(found.store, 3);
	assert_int_equal(found.incarnation, 9);
	assert_true(found.log_is_rocksdb);
	assert_int_equal(found.directory_id, 77);
	assert_int_equal(found.life_count, 0);
}

/* However often it is started meanwhile: what it forgot would be missed nowhere. */
static void a_directory_that_is_refused_forgets_no_life(void **state)
{
	struct fixture *fixture = *state;
	uint8_t bytes[IDENT_SIZE];
	struct ident ident = {.cluster = 1, .store = 1}, before;
	uint32_t version;

	for (int i = 0; i < 3; i++)
		ident_begin_life(&ident, fixture->env);
	before = ident;
	for (uint32_t i = 0; i < 2 * IDENT_LIVES_MAX; i++) {
		ident.is_refused = true;
		ident_encode(&ident, bytes);
		assert_int_equal(ident_decode(bytes, &ident, &version), 0);
		assert_true(ident.is_refused);
		ident_begin_life(&ident, fixture->env);
		assert_false(ident.is_refused);
		assert_int_equal(ident.incarnation, 3);
		assert_int_equal(ident.life_count, 3);
		assert_int_not_equal(ident.lives[0], before.lives[0]);
		assert_memory_equal(ident.lives + 1, before.lives + 1, 2 * sizeof ident.lives[0]);
	}
	ident_begin_life(&ident, fixture->env);
	assert_int_equal(ident.life_count, 4);
}

/* The newest ones, each of which comes back from the bytes. */
static void a_directory_remembers_its_lives(void **state)
{
	struct fixture *fixture = *state;
	uint8_t bytes[IDENT_SIZE];
	struct ident ident = {.cluster = 1, .store = 1}, found = {0};
	uint64_t drawn[IDENT_LIVES_MAX + 10];
	uint32_t version;

	for (uint32_t i = 0; i < IDENT_LIVES_MAX + 10; i++) {
		uint64_t directory_id = ident.directory_id;

		ident_begin_life(&ident, fixture->env);
		drawn[i] = ident.lives[0];
		assert_true(ident.directory_id > 0 && (i == 0 || ident.directory_id == directory_id));
		assert_int_equal(ident.incarnation, i + 1);
		ident_encode(&ident, bytes);
		assert_int_equal(ident_decode(bytes, &found, &version), 0);
		assert_int_equal(found.life_count, i < IDENT_LIVES_MAX ? i + 1 : IDENT_LIVES_MAX);
		for (uint32_t k = 0; k < found.life_count; k++)
			assert_int_equal(found.lives[k], drawn[i - k]);
		for (uint32_t k = 0; k < i; k++)
			assert_int_not_equal(drawn[k], drawn[i]);
	}
}

static void a_region_comes_back_from_its_row(void **state)
{
	struct region_peer peers[] = {{5, 1, REGION_VOTER}, {6, 2, REGION_LEARNER}};
	struct region region = {.id = 9,
		.epoch = {2, 3},
		.start = buf_copy("b", 1),
		.end = buf_copy("f", 1),
		.peer_count = 2,
		.peers = peers};
	struct raft_conf_state conf = {0};
	struct region found;
	struct buf *row;

	(void)state;
	assert_int_equal(region_encode(&region, &row), 0);
	for (size_t size = 0; size < row->size; size++)
		assert_int_equal(region_decode(slice_of(row->data, size), &found), STATUS_CORRUPT);
	assert_int_equal(region_decode(buf_slice(row), &found), 0);
	assert_int_equal(found.epoch.version, 3);
	assert_true(region_has_key(&found, slice_of("b", 1)));
	assert_true(region_has_key(&found, slice_of("ezz", 3)));
	assert_false(region_has_key(&found, slice_of("f", 1)));
	assert_false(region_has_key(&found, slice_of("a", 1)));
	assert_int_equal(region_peer_of_store(&found, 2)->id, 6);
	assert_true(region_is_sole_voter(&found, 5));
	assert_false(region_is_sole_voter(&found, 6));
	assert_int_equal(region_conf_state(&found, &conf), 0);
	assert_true(raft_ids_has(&conf.voters, 5) && raft_ids_has(&conf.learners, 6));
	raft_conf_state_close(&conf);
	region_close(&found);
	buf_unref(region.start);
	buf_unref(region.end);
	buf_unref(row);
}

#define DIR_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DIR_TEST(an_identity_is_kept),
		DIR_TEST(a_directory_of_others_is_left_alone),
		DIR_TEST(a_damaged_identity_is_refused),
		cmocka_unit_test(an_identity_with_a_flipped_bit_is_refused),
		cmocka_unit_test(a_region_comes_back_from_its_row),
		cmocka_unit_test(an_identity_of_the_first_format_is_read),
		DIR_TEST(a_directory_remembers_its_lives),
		DIR_TEST(a_directory_that_is_refused_forgets_no_life),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
