/* fs/eval/lock: conflicts, ranges that split and merge, a comparison with one lock a byte, and the order of waiting. */
#include "tests/lib/test.h"

#include <errno.h>
#include <string.h>

#include "tests/lib/fs_harness.h"

#define END	    ((uint64_t)INT64_MAX)
#define BYTE_COUNT  24u
#define OWNER_COUNT 3u

static uint64_t make(struct fs_harness *fs)
{
	int64_t ino = fs_make(fs, FS_ROOT_INO, "a", S_IFREG | 0644);

	assert_true(is_ino(ino));
	return (uint64_t)ino;
}

static int set(struct fs_harness *fs, uint64_t ino, enum lock_kind kind, enum lock_type type, uint64_t owner,
	uint64_t start, uint64_t end)
{
	struct op op = {.kind = OP_LOCK,
		.lock = {.ino = ino,
			.lock = {.kind = kind,
				.type = type,
				.owner = owner,
				.start = start,
				.end = end,
				.pid = 42}}};

	return fs_harness_run(fs, &op, NULL);
}

static int posix(struct fs_harness *fs, uint64_t ino, enum lock_type type, uint64_t owner, uint64_t start,
	uint64_t end)
{
	return set(fs, ino, LOCK_POSIX, type, owner, start, end);
}

static void a_conflict_names_the_blocker(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs);
	struct lock wanted = {
		.kind = LOCK_POSIX, .type = FS_LOCK_READ, .session = HARNESS_SESSION, .owner = 2, .end = END};
	struct lock blocker;

	assert_int_equal(posix(fs, a, FS_LOCK_WRITE, 1, 10, 19), 0);
	assert_int_equal(posix(fs, a, FS_LOCK_READ, 2, 0, 9), 0);
	assert_int_equal(posix(fs, a, FS_LOCK_READ, 2, 5, 10), -EAGAIN);
	assert_int_equal(fs->reply.blocker.type, FS_LOCK_WRITE);
	assert_int_equal(fs->reply.blocker.start, 10);
	assert_int_equal(fs->reply.blocker.end, 19);
	assert_int_equal(fs->reply.blocker.pid, 42);
	assert_int_equal(fs->reply.blocker.owner, 1);
	assert_int_equal(fs->reply.blocker.session, HARNESS_SESSION);
	assert_int_equal(read_lock(fs->view, a, &wanted, &blocker), 0);
	assert_int_equal(blocker.start, 10);
	wanted.end = 9;
	assert_int_equal(read_lock(fs->view, a, &wanted, &blocker), 0);
	assert_int_equal(blocker.type, FS_LOCK_NONE);
	assert_int_equal(posix(fs, a, FS_LOCK_NONE, 1, 0, END), 0);
	assert_int_equal(posix(fs, a, FS_LOCK_READ, 2, 5, 10), 0);
}

static void readers_share(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs);

	assert_int_equal(posix(fs, a, FS_LOCK_READ, 1, 0, END), 0);
	assert_int_equal(posix(fs, a, FS_LOCK_READ, 2, 0, END), 0);
	assert_int_equal(posix(fs, a, FS_LOCK_WRITE, 1, 0, 0), -EAGAIN);
	assert_int_equal(posix(fs, a, FS_LOCK_NONE, 2, 0, 0), 0);
	assert_int_equal(posix(fs, a, FS_LOCK_WRITE, 1, 0, 0), 0);
}

static void flocks_and_posix_locks_do_not_meet(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs);

	assert_int_equal(set(fs, a, LOCK_FLOCK, FS_LOCK_WRITE, 1, 0, END), 0);
	assert_int_equal(posix(fs, a, FS_LOCK_WRITE, 2, 0, END), 0);
	assert_int_equal(set(fs, a, LOCK_FLOCK, FS_LOCK_READ, 2, 0, END), -EAGAIN);
	assert_int_equal(set(fs, a, LOCK_FLOCK, FS_LOCK_READ, 1, 0, END), 0);
	assert_int_equal(set(fs, a, LOCK_FLOCK, FS_LOCK_READ, 2, 0, END), 0);
	assert_int_equal(set(fs, a, LOCK_FLOCK, FS_LOCK_NONE, 1, 0, END), 0);
	assert_int_equal(set(fs, a, LOCK_FLOCK, FS_LOCK_WRITE, 2, 0, END), 0);
}

static void unlocking_nothing_writes_nothing(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs);

	assert_int_equal(posix(fs, a, FS_LOCK_NONE, 1, 0, END), 0);
	assert_int_equal(fs->mutation_count, 0);
	assert_int_equal(posix(fs, a, FS_LOCK_WRITE, 1, 0, END), 0);
	assert_int_equal(posix(fs, a, FS_LOCK_NONE, 2, 0, END), 0);
	assert_int_equal(fs->mutation_count, 0);
}

static void sessions_are_other_owners(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs), session;

	assert_int_equal(posix(fs, a, FS_LOCK_WRITE, 1, 0, END), 0);
	fs->session = 99;
	assert_int_equal(posix(fs, a, FS_LOCK_WRITE, 1, 0, END), -EAGAIN);
	assert_int_equal(read_holder(fs->view, 0, &session), 0);
	assert_int_equal(session, HARNESS_SESSION);
	assert_int_equal(read_holder(fs->view, session + 1, &session), -ENOENT);
}

static void a_file_goes_with_its_locks(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t rows = memory_view_count_rows(fs->memory), a = make(fs);

	assert_int_equal(posix(fs, a, FS_LOCK_WRITE, 1, 0, 5), 0);
	assert_int_equal(set(fs, a, LOCK_FLOCK, FS_LOCK_WRITE, 1, 0, END), 0);
	assert_int_equal(fs_unlink(fs, FS_ROOT_INO, "a", false), 0);
	assert_int_equal(memory_view_count_rows(fs->memory), rows);
}

static void there_is_a_limit(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs);
	int status = 0;
	uint64_t count = 0;

	for (; status == 0 && count < 100000; count += status == 0)
		status = posix(fs, a, FS_LOCK_READ, count % 50, 2 * count, 2 * count);
	assert_int_equal(status, -ENOLCK);
	assert_true(count >= 1000);
	assert_int_equal(posix(fs, a, FS_LOCK_NONE, 0, 0, 0), 0);
	assert_int_equal(posix(fs, a, FS_LOCK_READ, 0, 0, 0), 0);
}

static int count_row(void *argument, struct slice key, struct slice value)
{
	(void)key;
	(void)value;
	++*(uint64_t *)argument;
	return 0;
}

/* One entry a byte and owner, as the definition has it. */
struct model {
	enum lock_type held[OWNER_COUNT][BYTE_COUNT];
};

static bool conflicts(
	const struct model *model, uint32_t owner, enum lock_type type, uint32_t start, uint32_t end)
{
	for (uint32_t other = 0; other < OWNER_COUNT; other++) {
		for (uint32_t i = start; i <= end && other != owner; i++) {
			if (model->held[other][i] == FS_LOCK_WRITE ||
				(model->held[other][i] == FS_LOCK_READ && type == FS_LOCK_WRITE))
				return true;
		}
	}
	return false;
}

struct tally {
	struct model model;
	uint32_t rows;
	uint32_t runs; /* rows that the model needs */
};

static int tally_row(void *argument, struct slice key, struct slice value)
{
	struct tally *tally = argument;
	struct lock lock;

	assert_int_equal(lock_decode(key, value, &lock), 0);
	assert_true(lock.end < BYTE_COUNT);
	for (uint64_t i = lock.start; i <= lock.end; i++) {
		assert_int_equal(tally->model.held[lock.owner][i], FS_LOCK_NONE);
		tally->model.held[lock.owner][i] = lock.type;
	}
	tally->rows++;
	return 0;
}

static void compare(struct fs_harness *fs, uint64_t ino, const struct model *model)
{
	struct tally tally = {0};
	struct fs_key low = fs_key_locks(ino, LOCK_POSIX), high = fs_key_after(&low);

	assert_int_equal(
		view_scan(fs->view, KEY_DATA, fs_key_slice(&low), fs_key_slice(&high), tally_row, &tally), 0);
	assert_memory_equal(&tally.model, model, sizeof *model);
	for (uint32_t owner = 0; owner < OWNER_COUNT; owner++) {
		enum lock_type before = FS_LOCK_NONE;

		for (uint32_t i = 0; i < BYTE_COUNT; i++) {
			tally.runs +=
				model->held[owner][i] != before && model->held[owner][i] != FS_LOCK_NONE;
			before = model->held[owner][i];
		}
	}
	assert_int_equal(tally.rows, tally.runs);
}

static void random_locks_are_as_one_a_byte(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs), random = 1;
	struct model model = {0};

	for (int i = 0; i < 20000; i++) {
		uint32_t owner, start, end;
		enum lock_type type;
		bool is_blocked;

		random = random * 6364136223846793005u + 1442695040888963407u;
		owner = (uint32_t)(random >> 33) % OWNER_COUNT;
		start = (uint32_t)(random >> 37) % BYTE_COUNT;
		end = start + (uint32_t)(random >> 45) % (BYTE_COUNT - start);
		type = (enum lock_type)((random >> 55) % 3);
		is_blocked = type != FS_LOCK_NONE && conflicts(&model, owner, type, start, end);
		assert_int_equal(posix(fs, a, type, owner, start, end), is_blocked ? -EAGAIN : 0);
		for (uint32_t byte = start; byte <= end && !is_blocked; byte++)
			model.held[owner][byte] = type;
		compare(fs, a, &model);
		if (i % 1000 == 0)
			fs_harness_verify(fs);
	}
}

/* ---- Waiting ---- */

#define SECOND UINT64_C(1000000000)

/* Each owner is a session of its own. Time stands still. */
static int ask(struct fs_harness *fs, uint64_t owner, const struct op_lock *op)
{
	struct op sent = {.kind = OP_LOCK, .lock = *op};
	int status;

	sent.lock.lock.owner = owner;
	fs->session = owner;
	fs->wall -= SECOND; /* which the harness adds */
	status = fs_harness_run(fs, &sent, NULL);
	fs->session = HARNESS_SESSION;
	return status;
}

static int ask_range(struct fs_harness *fs, uint64_t ino, uint64_t owner, enum lock_type type, uint64_t start,
	uint64_t end, bool waits)
{
	const struct op_lock op = {.ino = ino,
		.lock = {.kind = LOCK_POSIX, .type = type, .start = start, .end = end},
		.waits = waits};

	return ask(fs, owner, &op);
}

static int wait_for(struct fs_harness *fs, uint64_t ino, uint64_t owner, enum lock_type type)
{
	return ask_range(fs, ino, owner, type, 0, END, true);
}

static int give_up(struct fs_harness *fs, uint64_t ino, uint64_t owner)
{
	return ask_range(fs, ino, owner, FS_LOCK_NONE, 0, END, true);
}

static int unlock(struct fs_harness *fs, uint64_t ino, uint64_t owner)
{
	return ask_range(fs, ino, owner, FS_LOCK_NONE, 0, END, false);
}

static uint64_t count_waiters(struct fs_harness *fs, uint64_t ino)
{
	struct fs_key low = fs_key_prefix(ino, 'W'), high = fs_key_after(&low);
	uint64_t count = 0;

	assert_int_equal(
		view_scan(fs->view, KEY_DATA, fs_key_slice(&low), fs_key_slice(&high), count_row, &count), 0);
	return count;
}

/* Owner 1 has the lock; those from 2 on wait for it. */
static uint64_t make_queue(struct fs_harness *fs, uint64_t owner_count, enum lock_type type)
{
	uint64_t a = make(fs);

	assert_int_equal(wait_for(fs, a, 1, FS_LOCK_WRITE), 0);
	for (uint64_t owner = 2; owner <= owner_count; owner++)
		assert_int_equal(wait_for(fs, a, owner, type), -EAGAIN);
	assert_int_equal(count_waiters(fs, a), owner_count - 1);
	return a;
}

static void who_waits_gets_it_in_the_order_of_asking(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make_queue(fs, 5, FS_LOCK_WRITE);

	assert_int_equal(wait_for(fs, a, 6, FS_LOCK_WRITE), -EAGAIN);
	assert_int_equal(fs->reply.blocker.owner, 1);
	assert_int_equal(fs->reply.before, 4);
	for (uint64_t next = 2; next <= 6; next++) {
		assert_int_equal(unlock(fs, a, next - 1), 0);
		for (uint64_t later = 7; later > next; later--) { /* 7 comes new each time */
			assert_int_equal(wait_for(fs, a, later, FS_LOCK_WRITE), -EAGAIN);
			assert_int_equal(fs->reply.blocker.type, FS_LOCK_NONE);
			assert_int_equal(fs->reply.before, later - next);
		}
		assert_int_equal(give_up(fs, a, 7), 0);
		assert_int_equal(wait_for(fs, a, next, FS_LOCK_WRITE), 0);
		assert_int_equal(wait_for(fs, a, next, FS_LOCK_WRITE), 0);
		assert_int_equal(count_waiters(fs, a), 6 - next);
		fs_harness_verify(fs);
	}
}

static void who_does_not_wait_is_not_held_up(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make_queue(fs, 2, FS_LOCK_WRITE);

	assert_int_equal(ask_range(fs, a, 3, FS_LOCK_WRITE, 0, END, false), -EAGAIN);
	assert_int_equal(fs->mutation_count, 0);
	assert_int_equal(unlock(fs, a, 1), 0);
	assert_int_equal(ask_range(fs, a, 3, FS_LOCK_WRITE, 0, END, false), 0);
	assert_int_equal(wait_for(fs, a, 2, FS_LOCK_WRITE), -EAGAIN);
	assert_int_equal(count_waiters(fs, a), 1);
}

static void a_reader_passes_a_writer_that_must_wait(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs);

	assert_int_equal(wait_for(fs, a, 1, FS_LOCK_READ), 0);
	assert_int_equal(wait_for(fs, a, 2, FS_LOCK_WRITE), -EAGAIN);
	assert_int_equal(wait_for(fs, a, 3, FS_LOCK_READ), 0);
	assert_int_equal(unlock(fs, a, 1), 0);
	assert_int_equal(wait_for(fs, a, 1, FS_LOCK_READ), 0); /* 3 reads */
	assert_int_equal(unlock(fs, a, 1), 0);
	assert_int_equal(unlock(fs, a, 3), 0);
	assert_int_equal(wait_for(fs, a, 3, FS_LOCK_READ), -EAGAIN);
	assert_int_equal(fs->reply.before, 1);
	assert_int_equal(wait_for(fs, a, 2, FS_LOCK_WRITE), 0);
}

/* 2 may read now, so that 3 must wait all the same, and is in nobody's way. */
static void who_must_wait_for_an_earlier_one_holds_nobody_up(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make_queue(fs, 2, FS_LOCK_READ);

	assert_int_equal(wait_for(fs, a, 3, FS_LOCK_WRITE), -EAGAIN);
	assert_int_equal(unlock(fs, a, 1), 0);
	assert_int_equal(wait_for(fs, a, 4, FS_LOCK_READ), 0);
	assert_int_equal(wait_for(fs, a, 3, FS_LOCK_WRITE), -EAGAIN);
	assert_int_equal(wait_for(fs, a, 2, FS_LOCK_READ), 0);
	assert_int_equal(unlock(fs, a, 2), 0);
	assert_int_equal(unlock(fs, a, 4), 0);
	assert_int_equal(wait_for(fs, a, 3, FS_LOCK_WRITE), 0);
}

static void other_ranges_and_flocks_have_another_order(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs);
	struct op_lock flock = {
		.ino = a, .lock = {.kind = LOCK_FLOCK, .type = FS_LOCK_WRITE, .end = END}, .waits = true};

	assert_int_equal(ask_range(fs, a, 1, FS_LOCK_WRITE, 0, 9, true), 0);
	assert_int_equal(ask_range(fs, a, 2, FS_LOCK_WRITE, 0, 9, true), -EAGAIN);
	assert_int_equal(unlock(fs, a, 1), 0);
	assert_int_equal(ask_range(fs, a, 3, FS_LOCK_WRITE, 10, END, true), 0);
	assert_int_equal(ask(fs, 3, &flock), 0);
	assert_int_equal(ask_range(fs, a, 3, FS_LOCK_WRITE, 9, 9, true), -EAGAIN);
	assert_int_equal(ask_range(fs, a, 2, FS_LOCK_WRITE, 0, 9, true), 0);
}

/* What one has keeps the others from their turn, so that they are not in its way. */
static void a_holder_changes_its_lock_next_to_who_waits(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs);

	assert_int_equal(wait_for(fs, a, 1, FS_LOCK_READ), 0);
	assert_int_equal(wait_for(fs, a, 2, FS_LOCK_WRITE), -EAGAIN);
	assert_int_equal(wait_for(fs, a, 1, FS_LOCK_WRITE), 0);
	assert_int_equal(wait_for(fs, a, 3, FS_LOCK_READ), -EAGAIN);
	assert_int_equal(wait_for(fs, a, 1, FS_LOCK_READ), 0);
	assert_int_equal(wait_for(fs, a, 1, FS_LOCK_WRITE), -EAGAIN); /* 3 can read now */
	assert_int_equal(wait_for(fs, a, 3, FS_LOCK_READ), 0);
	assert_int_equal(unlock(fs, a, 3), 0);
	assert_int_equal(wait_for(fs, a, 1, FS_LOCK_WRITE), 0);
}

static void who_does_not_ask_is_passed_over_and_keeps_its_place(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make_queue(fs, 2, FS_LOCK_WRITE);

	fs->wall += 3 * SECOND;
	assert_int_equal(wait_for(fs, a, 3, FS_LOCK_WRITE), -EAGAIN);
	assert_int_equal(fs->reply.before, 0);
	assert_int_equal(unlock(fs, a, 1), 0);
	assert_int_equal(wait_for(fs, a, 3, FS_LOCK_WRITE), 0);
	assert_int_equal(wait_for(fs, a, 4, FS_LOCK_WRITE), -EAGAIN);
	assert_int_equal(wait_for(fs, a, 2, FS_LOCK_WRITE), -EAGAIN);
	assert_int_equal(unlock(fs, a, 3), 0);
	assert_int_equal(wait_for(fs, a, 4, FS_LOCK_WRITE), -EAGAIN);
	assert_int_equal(wait_for(fs, a, 2, FS_LOCK_WRITE), 0);
}

/* The next leader's clock may be behind. */
static void who_asked_in_the_future_is_passed_over(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make_queue(fs, 2, FS_LOCK_WRITE);

	fs->wall -= 3 * SECOND;
	assert_int_equal(unlock(fs, a, 1), 0);
	assert_int_equal(wait_for(fs, a, 3, FS_LOCK_WRITE), 0);
}

static void asking_again_is_seldom_a_write(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make_queue(fs, 2, FS_LOCK_WRITE), writes = 0;

	for (int i = 0; i < 100; i++) { /* ten seconds */
		fs->wall += SECOND / 10;
		assert_int_equal(wait_for(fs, a, 2, FS_LOCK_WRITE), -EAGAIN);
		writes += fs->mutation_count > 0;
	}
	assert_in_range(writes, 5, 10);
	assert_int_equal(unlock(fs, a, 1), 0);
	assert_int_equal(wait_for(fs, a, 3, FS_LOCK_WRITE), -EAGAIN);
	assert_int_equal(give_up(fs, a, 3), 0);
	assert_int_equal(wait_for(fs, a, 2, FS_LOCK_WRITE), 0);
}

static void who_gives_up_keeps_its_locks(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs);

	assert_int_equal(wait_for(fs, a, 1, FS_LOCK_READ), 0);
	assert_int_equal(wait_for(fs, a, 2, FS_LOCK_READ), 0);
	assert_int_equal(wait_for(fs, a, 1, FS_LOCK_WRITE), -EAGAIN);
	assert_int_equal(give_up(fs, a, 1), 0);
	assert_int_equal(count_waiters(fs, a), 0);
	assert_int_equal(unlock(fs, a, 2), 0);
	assert_int_equal(wait_for(fs, a, 2, FS_LOCK_WRITE), -EAGAIN);
	assert_int_equal(fs->reply.blocker.owner, 1);
	assert_int_equal(give_up(fs, a, 3), 0);
	assert_int_equal(fs->mutation_count, 0);
}

static void an_unlock_ends_the_owners_waits(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make_queue(fs, 3, FS_LOCK_WRITE);

	assert_int_equal(unlock(fs, a, 2), 0);
	assert_int_equal(count_waiters(fs, a), 1);
	fs_harness_verify(fs);
	assert_int_equal(unlock(fs, a, 1), 0);
	assert_int_equal(wait_for(fs, a, 3, FS_LOCK_WRITE), 0);
}

static void a_session_goes_with_its_waits(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make_queue(fs, 3, FS_LOCK_WRITE), session;
	const struct op end = {.kind = OP_SESSION_END, .session_end = {.session = 2}};

	assert_int_equal(read_holder(fs->view, 2, &session), 0);
	assert_int_equal(session, 2);
	assert_int_equal(fs_harness_run(fs, &end, NULL), 0);
	assert_int_equal(count_waiters(fs, a), 1);
	assert_int_equal(read_holder(fs->view, 2, &session), 0);
	assert_int_equal(session, 3);
	assert_int_equal(unlock(fs, a, 1), 0);
	assert_int_equal(wait_for(fs, a, 3, FS_LOCK_WRITE), 0);
}

static void a_file_goes_with_its_waiters(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t rows = memory_view_count_rows(fs->memory);

	make_queue(fs, 4, FS_LOCK_WRITE);
	assert_int_equal(fs_unlink(fs, FS_ROOT_INO, "a", false), 0);
	assert_int_equal(memory_view_count_rows(fs->memory), rows);
}

static void those_who_wait_are_limited(void **state)
{
	struct fs_harness *fs = *state;
	uint64_t a = make(fs), waiting = 0, owner = 2;

	assert_int_equal(wait_for(fs, a, 1, FS_LOCK_WRITE), 0);
	for (; count_waiters(fs, a) == waiting; waiting++)
		assert_int_equal(wait_for(fs, a, owner++, FS_LOCK_WRITE), -EAGAIN);
	waiting--;
	assert_in_range(waiting, 100, 10000);
	assert_int_equal(fs->reply.before, waiting);
	assert_int_equal(unlock(fs, a, 1), 0);
	assert_int_equal(wait_for(fs, a, owner - 1, FS_LOCK_WRITE), -EAGAIN);
	for (uint64_t i = 2; i < owner; i++) {
		assert_int_equal(wait_for(fs, a, i, FS_LOCK_WRITE), 0);
		assert_int_equal(unlock(fs, a, i), 0);
	}
	assert_int_equal(count_waiters(fs, a), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fs_harness_setup, fs_harness_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_conflict_names_the_blocker),
		TEST(readers_share),
		TEST(flocks_and_posix_locks_do_not_meet),
		TEST(unlocking_nothing_writes_nothing),
		TEST(sessions_are_other_owners),
		TEST(a_file_goes_with_its_locks),
		TEST(there_is_a_limit),
		TEST(random_locks_are_as_one_a_byte),
		TEST(who_waits_gets_it_in_the_order_of_asking),
		TEST(who_does_not_wait_is_not_held_up),
		TEST(a_reader_passes_a_writer_that_must_wait),
		TEST(who_must_wait_for_an_earlier_one_holds_nobody_up),
		TEST(other_ranges_and_flocks_have_another_order),
		TEST(a_holder_changes_its_lock_next_to_who_waits),
		TEST(who_does_not_ask_is_passed_over_and_keeps_its_place),
		TEST(who_asked_in_the_future_is_passed_over),
		TEST(asking_again_is_seldom_a_write),
		TEST(who_gives_up_keeps_its_locks),
		TEST(an_unlock_ends_the_owners_waits),
		TEST(a_session_goes_with_its_waits),
		TEST(a_file_goes_with_its_waiters),
		TEST(those_who_wait_are_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
