#include "tests/conform/log_engine_conform.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "tests/lib/test.h"

#define ENTRIES_MAX 64

static struct log_engine_conform_target *target; /* cmocka gives tests no other way */

/* ---- An engine and writes to it --------------------------------------------------------------------------------- */

struct fixture {
	char path[256];
	struct log_engine *engine;
	struct log_engine_options options;
};

static void fixture_open(struct fixture *fixture)
{
	struct status status = {0};

	if (target->open(&fixture->options, &fixture->engine, &status) < 0)
		fail_msg("%s", status.text);
}

static void fixture_init(struct fixture *fixture)
{
	*fixture = (struct fixture){.engine = NULL};
	target->fresh(target, fixture->path, sizeof(fixture->path));
	fixture->options = (struct log_engine_options){
		.env = target->env,
		.path = fixture->path,
		.segment_size = 64 << 10,
		.cache_size = 32 << 10,
		.batch_size_max = 32 << 10,
	};
	fixture_open(fixture);
}

static void fixture_close(struct fixture *fixture)
{
	fixture->engine->ops->close(fixture->engine);
}

static void fixture_reopen(struct fixture *fixture)
{
	fixture_close(fixture);
	fixture_open(fixture);
}

struct request {
	struct log_write write;
	struct raft_entry entries[ENTRIES_MAX];
	atomic_bool is_done;
	int status;
};

static void request_done(struct log_write *write, int status)
{
	struct request *request = container_of(write, struct request, write);

	request->status = status;
	atomic_store(&request->is_done, true);
}

static bool request_is_done(void *argument)
{
	return atomic_load((atomic_bool *)argument);
}

/* An entry's data tells which one it is. */
static struct buf *data_of(uint64_t region, uint64_t index, uint64_t term, size_t size)
{
	struct buf *data = buf_new(size);

	check(data != NULL);
	memset(data->data, (int)(region * 31 + index * 7 + term), size);
	return data;
}

static void request_init(struct request *request, uint64_t region)
{
	*request = (struct request){.write = {.region = region, .loop = target->loop, .done = request_done}};
	request->write.entries = request->entries;
}

static void request_add(struct request *request, uint64_t index, uint64_t term, size_t size)
{
	check(request->write.entry_count < ENTRIES_MAX);
	request->entries[request->write.entry_count++] = (struct raft_entry){
		.index = index,
		.term = term,
		.data = size > 0 ? data_of(request->write.region, index, term, size) : NULL,
	};
}

static void request_submit(struct fixture *fixture, struct request *request)
{
	fixture->engine->ops->write(fixture->engine, &request->write);
}

static int request_wait(struct request *request)
{
	target->wait(target, request_is_done, &request->is_done);
	for (size_t i = 0; i < request->write.entry_count; i++)
		buf_unref(request->entries[i].data);
	return request->status;
}

static int request_run(struct fixture *fixture, struct request *request)
{
	request_submit(fixture, request);
	return request_wait(request);
}

static int append_sized(
	struct fixture *fixture, uint64_t region, uint64_t first, uint64_t last, uint64_t term, size_t size)
{
	struct request request;

	request_init(&request, region);
	for (uint64_t index = first; index <= last; index++)
		request_add(&request, index, term, size);
	return request_run(fixture, &request);
}

static int append(struct fixture *fixture, uint64_t region, uint64_t first, uint64_t last, uint64_t term)
{
	return append_sized(fixture, region, first, last, term, 100);
}

static int set_hard_state(
	struct fixture *fixture, uint64_t region, uint64_t term, uint64_t vote, uint64_t commit)
{
	struct raft_hard_state hard_state = {.term = term, .vote = vote, .commit = commit};
	struct request request;

	request_init(&request, region);
	request.write.hard_state = &hard_state;
	return request_run(fixture, &request);
}

static int set_mark(struct fixture *fixture, uint64_t region, const char *name, const char *value)
{
	struct log_mark mark = {name, slice_of(value, strlen(value))};
	struct request request;

	request_init(&request, region);
	request.write.marks = &mark;
	request.write.mark_count = 1;
	return request_run(fixture, &request);
}

struct reclaiming {
	struct log_reclaim reclaim;
	atomic_bool is_done;
	int status;
};

static void reclaim_done(struct log_reclaim *reclaim, int status)
{
	struct reclaiming *reclaiming = container_of(reclaim, struct reclaiming, reclaim);

	reclaiming->status = status;
	atomic_store(&reclaiming->is_done, true);
}

static int reclaim(struct fixture *fixture)
{
	struct reclaiming reclaiming = {.reclaim = {.loop = target->loop, .done = reclaim_done}};

	fixture->engine->ops->reclaim(fixture->engine, &reclaiming.reclaim);
	target->wait(target, request_is_done, &reclaiming.is_done);
	return reclaiming.status;
}

/* ---- What is there ---------------------------------------------------------------------------------------------- */

static void expect_bounds(struct fixture *fixture, uint64_t region, uint64_t first, uint64_t last)
{
	uint64_t first_index = 0, last_index = 0;

	assert_int_equal(fixture->engine->ops->bounds(fixture->engine, region, &first_index, &last_index), 0);
	assert_int_equal(first_index, first);
	assert_int_equal(last_index, last);
}

static void expect_entry(
	const struct raft_entry *entry, uint64_t region, uint64_t index, uint64_t term, size_t size)
{
	struct buf *data = data_of(region, index, term, size);

	assert_int_equal(entry->index, index);
	assert_int_equal(entry->term, term);
	assert_int_equal(slice_compare(buf_slice(entry->data), buf_slice(data)), 0);
	buf_unref(data);
}

/* Entries [first, last] of one term and size. */
static void expect_entries_sized(
	struct fixture *fixture, uint64_t region, uint64_t first, uint64_t last, uint64_t term, size_t size)
{
	struct raft_entries entries = {0};

	assert_int_equal(fixture->engine->ops->entries(
				 fixture->engine, region, first, last + 1, RAFT_NO_LIMIT, false, &entries),
		0);
	assert_int_equal(entries.count, last - first + 1);
	for (size_t i = 0; i < entries.count; i++)
		expect_entry(&entries.items[i], region, first + i, term, size);
	raft_entries_close(&entries);
}

static void expect_entries(
	struct fixture *fixture, uint64_t region, uint64_t first, uint64_t last, uint64_t term)
{
	expect_entries_sized(fixture, region, first, last, term, 100);
}

static void expect_term(struct fixture *fixture, uint64_t region, uint64_t index, int status, uint64_t term)
{
	uint64_t found = 0;

	assert_int_equal(fixture->engine->ops->term(fixture->engine, region, index, &found), status);
	assert_int_equal(found, term);
}

static void expect_hard_state(
	struct fixture *fixture, uint64_t region, uint64_t term, uint64_t vote, uint64_t commit)
{
	struct raft_hard_state found;

	assert_int_equal(fixture->engine->ops->hard_state(fixture->engine, region, &found), 0);
	assert_int_equal(found.term, term);
	assert_int_equal(found.vote, vote);
	assert_int_equal(found.commit, commit);
}

static void expect_mark(struct fixture *fixture, uint64_t region, const char *name, const char *value)
{
	struct buf *found = NULL;
	int status = fixture->engine->ops->mark(fixture->engine, region, name, &found);

	assert_int_equal(status, value ? 0 : STATUS_NOT_FOUND);
	if (value)
		assert_int_equal(slice_compare(buf_slice(found), slice_of(value, strlen(value))), 0);
	buf_unref(found);
}

static void expect_absent(struct fixture *fixture, uint64_t region)
{
	uint64_t first, last;

	assert_int_equal(
		fixture->engine->ops->bounds(fixture->engine, region, &first, &last), STATUS_NOT_FOUND);
}

/* ---- Tests ------------------------------------------------------------------------------------------------------ */

static void appends_are_read_back(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	expect_absent(&fixture, 7);
	assert_int_equal(append(&fixture, 7, 1, 5, 1), 0);
	assert_int_equal(append(&fixture, 9, 1, 2, 3), 0);
	assert_int_equal(append(&fixture, 7, 6, 9, 2), 0);
	for (int round = 0; round < 2; round++) {
		expect_bounds(&fixture, 7, 1, 9);
		expect_bounds(&fixture, 9, 1, 2);
		expect_entries(&fixture, 7, 1, 5, 1);
		expect_entries(&fixture, 7, 6, 9, 2);
		expect_entries(&fixture, 9, 1, 2, 3);
		expect_term(&fixture, 7, 0, 0, 0);
		expect_term(&fixture, 7, 5, 0, 1);
		expect_term(&fixture, 7, 9, 0, 2);
		expect_term(&fixture, 7, 10, STATUS_UNAVAILABLE, 0);
		expect_hard_state(&fixture, 7, 0, 0, 0);
		expect_absent(&fixture, 8);
		fixture_reopen(&fixture);
	}
	fixture_close(&fixture);
}

static void a_suffix_is_replaced(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	assert_int_equal(append(&fixture, 1, 1, 10, 1), 0);
	assert_int_equal(append(&fixture, 1, 6, 7, 2), 0);
	for (int round = 0; round < 2; round++) {
		expect_bounds(&fixture, 1, 1, 7);
		expect_entries(&fixture, 1, 1, 5, 1);
		expect_entries(&fixture, 1, 6, 7, 2);
		fixture_reopen(&fixture);
	}
	assert_int_equal(append(&fixture, 1, 1, 1, 3), 0);
	fixture_reopen(&fixture);
	expect_bounds(&fixture, 1, 1, 1);
	expect_entries(&fixture, 1, 1, 1, 3);
	fixture_close(&fixture);
}

static void a_gap_is_refused(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	assert_int_equal(append(&fixture, 1, 2, 2, 1), STATUS_UNAVAILABLE);
	expect_absent(&fixture, 1);
	assert_int_equal(append(&fixture, 1, 1, 3, 1), 0);
	assert_int_equal(append(&fixture, 1, 5, 5, 1), STATUS_UNAVAILABLE);
	assert_int_equal(fixture.engine->ops->release(fixture.engine, 1, 2), 0);
	assert_int_equal(append(&fixture, 1, 2, 2, 1), STATUS_COMPACTED);
	expect_bounds(&fixture, 1, 3, 3);
	assert_int_equal(append(&fixture, 1, 4, 4, 1), 0);
	expect_bounds(&fixture, 1, 3, 4);
	fixture_close(&fixture);
}

/* A queue of writes, submitted before the first is done, takes effect in order. */
static void writes_queue_in_order(void **state)
{
	struct fixture fixture;
	static struct request requests[100];

	(void)state;
	fixture_init(&fixture);
	for (uint64_t i = 0; i < 100; i++) {
		request_init(&requests[i], 1 + i % 3);
		request_add(&requests[i], 1 + i / 3, 5, 200);
		request_submit(&fixture, &requests[i]);
	}
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(request_wait(&requests[i]), 0);
	fixture_reopen(&fixture);
	expect_bounds(&fixture, 1, 1, 34);
	expect_entries_sized(&fixture, 1, 1, 34, 5, 200);
	expect_entries_sized(&fixture, 2, 1, 33, 5, 200);
	expect_entries_sized(&fixture, 3, 1, 33, 5, 200);
	fixture_close(&fixture);
}

struct submission {
	struct env_mail mail;
	struct fixture *fixture;
	struct request *requests[3];
};

/* On the loop, so that no completion begins before all are submitted. */
static void submit_all(struct env_mail *mail)
{
	struct submission *submission = container_of(mail, struct submission, mail);

	for (size_t i = 0; i < 3; i++)
		request_submit(submission->fixture, submission->requests[i]);
}

static void refusals_take_along_what_follows(void **state)
{
	struct fixture fixture;
	static struct request bad, behind, other, after;
	struct submission submission = {.fixture = &fixture, .requests = {&bad, &behind, &other}};

	(void)state;
	fixture_init(&fixture);
	request_init(&bad, 1);
	request_add(&bad, 7, 1, 10);
	request_init(&behind, 1);
	request_add(&behind, 1, 1, 10);
	request_init(&other, 2);
	request_add(&other, 1, 1, 10);
	env_post(target->loop, &submission.mail, submit_all);
	assert_int_equal(request_wait(&bad), STATUS_UNAVAILABLE);
	assert_int_equal(request_wait(&behind), STATUS_UNAVAILABLE);
	assert_int_equal(request_wait(&other), 0);
	request_init(&after, 1);
	request_add(&after, 1, 1, 10);
	assert_int_equal(request_run(&fixture, &after), 0);
	fixture_close(&fixture);
}

static void states_and_marks_last(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	assert_int_equal(set_hard_state(&fixture, 3, 4, 2, 0), 0);
	assert_int_equal(set_hard_state(&fixture, 3, 5, 1, 0), 0);
	assert_int_equal(set_mark(&fixture, 0, "blocks_synced", "first"), 0);
	assert_int_equal(set_mark(&fixture, 0, "blocks_synced", "second"), 0);
	assert_int_equal(set_mark(&fixture, 3, "applying", "x"), 0);
	assert_int_equal(set_mark(&fixture, 4, "applying", "y"), 0);
	assert_int_equal(set_mark(&fixture, 3, "applying", ""), 0);
	for (int round = 0; round < 2; round++) {
		expect_hard_state(&fixture, 3, 5, 1, 0);
		expect_bounds(&fixture, 3, 1, 0);
		expect_mark(&fixture, 0, "blocks_synced", "second");
		expect_mark(&fixture, 3, "applying", NULL);
		expect_mark(&fixture, 4, "applying", "y");
		fixture_reopen(&fixture);
	}
	fixture_close(&fixture);
}

static int add_region(void *argument, uint64_t region)
{
	char *text = argument;

	snprintf(text + strlen(text), 16, "%u ", (unsigned)region);
	return region == 99 ? -ECANCELED : 0;
}

static void destroy_leaves_its_marks(void **state)
{
	struct fixture fixture;
	struct log_mark mark = {"tombstone", slice_of("gone", 4)};
	struct request request;
	char regions[64] = "";

	(void)state;
	fixture_init(&fixture);
	assert_int_equal(append(&fixture, 12, 1, 9, 1), 0);
	assert_int_equal(append(&fixture, 5, 1, 9, 1), 0);
	assert_int_equal(append(&fixture, 6, 1, 9, 1), 0);
	assert_int_equal(set_hard_state(&fixture, 5, 1, 1, 9), 0);
	assert_int_equal(set_mark(&fixture, 5, "applying", "x"), 0);
	request_init(&request, 5);
	request.write.destroy = true;
	request.write.marks = &mark;
	request.write.mark_count = 1;
	assert_int_equal(request_run(&fixture, &request), 0);
	request_init(&request, 6);
	request.write.destroy = true;
	assert_int_equal(request_run(&fixture, &request), 0);
	for (int round = 0; round < 2; round++) {
		expect_bounds(&fixture, 5, 1, 0);
		expect_hard_state(&fixture, 5, 0, 0, 0);
		expect_mark(&fixture, 5, "tombstone", "gone");
		expect_mark(&fixture, 5, "applying", NULL);
		expect_absent(&fixture, 6);
		expect_bounds(&fixture, 12, 1, 9);
		regions[0] = 0;
		assert_int_equal(fixture.engine->ops->regions(fixture.engine, add_region, regions), 0);
		assert_string_equal(regions, "5 12 ");
		fixture_reopen(&fixture);
	}
	assert_int_equal(append(&fixture, 6, 1, 2, 8), 0);
	fixture_reopen(&fixture);
	expect_entries(&fixture, 6, 1, 2, 8);
	fixture_close(&fixture);
}

static void a_reset_begins_after_a_snapshot(void **state)
{
	struct fixture fixture;
	struct raft_hard_state hard_state = {.term = 9, .vote = 0, .commit = 50};
	struct request request;

	(void)state;
	fixture_init(&fixture);
	assert_int_equal(append(&fixture, 2, 1, 9, 1), 0);
	request_init(&request, 2);
	request.write.reset_index = 50;
	request.write.reset_term = 9;
	request.write.hard_state = &hard_state;
	request_add(&request, 51, 9, 100);
	assert_int_equal(request_run(&fixture, &request), 0);
	for (int round = 0; round < 2; round++) {
		expect_bounds(&fixture, 2, 51, 51);
		expect_term(&fixture, 2, 50, 0, 9);
		expect_term(&fixture, 2, 49, STATUS_COMPACTED, 0);
		expect_entries(&fixture, 2, 51, 51, 9);
		expect_hard_state(&fixture, 2, 9, 0, 50);
		fixture_reopen(&fixture);
	}
	fixture_close(&fixture);
}

static void ranges_and_limits_of_reads(void **state)
{
	struct fixture fixture;
	struct raft_entries entries = {0};
	const struct log_engine_ops *ops;

	(void)state;
	fixture_init(&fixture);
	ops = fixture.engine->ops;
	assert_int_equal(append(&fixture, 1, 1, 20, 1), 0);
	assert_int_equal(ops->release(fixture.engine, 1, 4), 0);
	assert_int_equal(ops->release(fixture.engine, 1, 2), 0);
	assert_int_equal(ops->release(fixture.engine, 1, 21), STATUS_UNAVAILABLE);
	assert_int_equal(ops->release(fixture.engine, 2, 1), STATUS_NOT_FOUND);
	expect_bounds(&fixture, 1, 5, 20);
	expect_term(&fixture, 1, 4, 0, 1);
	expect_term(&fixture, 1, 3, STATUS_COMPACTED, 0);
	assert_int_equal(
		ops->entries(fixture.engine, 1, 4, 6, RAFT_NO_LIMIT, false, &entries), STATUS_COMPACTED);
	assert_int_equal(
		ops->entries(fixture.engine, 1, 19, 22, RAFT_NO_LIMIT, false, &entries), STATUS_UNAVAILABLE);
	assert_int_equal(
		ops->entries(fixture.engine, 2, 1, 2, RAFT_NO_LIMIT, false, &entries), STATUS_NOT_FOUND);
	assert_int_equal(entries.count, 0);
	assert_int_equal(ops->entries(fixture.engine, 1, 5, 21, 0, false, &entries), 0);
	assert_int_equal(entries.count, 1);
	assert_int_equal(ops->entries(fixture.engine, 1, 6, 21, 350, false, &entries), 0);
	assert_int_equal(entries.count, 4);
	expect_entry(&entries.items[3], 1, 8, 1, 100);
	assert_int_equal(ops->entries(fixture.engine, 1, 9, 9, 350, false, &entries), 0);
	assert_int_equal(entries.count, 4);
	raft_entries_close(&entries);
	fixture_close(&fixture);
}

static void recent_entries_are_cached(void **state)
{
	struct fixture fixture;
	struct raft_entries entries = {0};
	struct log_engine_stats stats;
	const struct log_engine_ops *ops;

	(void)state;
	fixture_init(&fixture);
	ops = fixture.engine->ops;
	for (uint64_t index = 1; index <= 100; index++)
		assert_int_equal(append_sized(&fixture, 1, index, index, 1, 1000), 0);
	assert_int_equal(ops->entries(fixture.engine, 1, 95, 101, RAFT_NO_LIMIT, true, &entries), 0);
	assert_int_equal(entries.count, 6);
	expect_entry(&entries.items[5], 1, 100, 1, 1000);
	assert_int_equal(
		ops->entries(fixture.engine, 1, 1, 101, RAFT_NO_LIMIT, true, &entries), STATUS_WOULD_BLOCK);
	assert_int_equal(entries.count, 6);
	expect_entries_sized(&fixture, 1, 1, 100, 1, 1000);
	ops->stats(fixture.engine, &stats);
	assert_in_range(stats.cache_size, 1, fixture.options.cache_size);
	assert_in_range(stats.live_size, 100 * 1000, 100 * 1200);
	assert_true(stats.records == 100 && stats.syncs >= 1 && stats.disk_size >= stats.live_size);
	raft_entries_close(&entries);
	fixture_close(&fixture);
}

static void what_lies_beside_is_kept(void **state)
{
	struct fixture fixture;
	struct slice beside[2] = {slice_of("at block 7", 10), slice_of(NULL, 0)};
	struct raft_entries entries = {0};
	struct request request;
	struct buf *found;

	(void)state;
	fixture_init(&fixture);
	request_init(&request, 1);
	request_add(&request, 1, 1, 50);
	request_add(&request, 2, 1, 0);
	request.entries[0].payload_size = 1 << 20;
	request.entries[0].payload = request.entries[0].data; /* never looked at */
	request.entries[1].type = RAFT_ENTRY_CONF_CHANGE_V2;
	request.write.beside = beside;
	assert_int_equal(request_run(&fixture, &request), 0);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(
			fixture.engine->ops->entries(fixture.engine, 1, 1, 3, RAFT_NO_LIMIT, false, &entries),
			0);
		expect_entry(&entries.items[0], 1, 1, 1, 50);
		assert_null(entries.items[0].payload);
		assert_int_equal(entries.items[0].payload_size, 1 << 20);
		assert_int_equal(entries.items[0].type, RAFT_ENTRY_NORMAL);
		assert_int_equal(entries.items[1].type, RAFT_ENTRY_CONF_CHANGE_V2);
		assert_int_equal(buf_slice(entries.items[1].data).size, 0);
		raft_entries_close(&entries);
		assert_int_equal(fixture.engine->ops->beside(fixture.engine, 1, 1, &found), 0);
		assert_int_equal(slice_compare(buf_slice(found), beside[0]), 0);
		buf_unref(found);
		assert_int_equal(fixture.engine->ops->beside(fixture.engine, 1, 2, &found), STATUS_NOT_FOUND);
		assert_int_equal(
			fixture.engine->ops->beside(fixture.engine, 1, 3, &found), STATUS_UNAVAILABLE);
		fixture_reopen(&fixture);
	}
	fixture_close(&fixture);
}

static void large_and_too_large_writes(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	assert_int_equal(append_sized(&fixture, 1, 1, 1, 1, 60000), 0);
	assert_int_equal(append_sized(&fixture, 1, 2, 2, 1, 60000), 0);
	expect_entries_sized(&fixture, 1, 1, 2, 1, 60000);
	fixture_reopen(&fixture);
	expect_entries_sized(&fixture, 1, 1, 2, 1, 60000);
	fixture_close(&fixture);
}

/* A busy region beside idle ones, which lose nothing. */
static void reclaim_keeps_what_is_needed(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	assert_int_equal(append(&fixture, 100, 1, 5, 1), 0);
	assert_int_equal(set_hard_state(&fixture, 100, 1, 3, 5), 0);
	assert_int_equal(set_hard_state(&fixture, 101, 8, 1, 0), 0);
	assert_int_equal(set_mark(&fixture, 0, "blocks_synced", "here"), 0);
	for (uint64_t index = 1; index <= 400; index++) {
		assert_int_equal(append_sized(&fixture, 1, index, index, 1, 2000), 0);
		if (index > 4)
			assert_int_equal(fixture.engine->ops->release(fixture.engine, 1, index - 4), 0);
		if (index % 20 == 0)
			assert_int_equal(reclaim(&fixture), 0);
		if (index == 150)
			fixture_reopen(&fixture);
	}
	for (int round = 0; round < 2; round++) {
		uint64_t first, last;

		expect_bounds(&fixture, 100, 1, 5);
		expect_entries(&fixture, 100, 1, 5, 1);
		expect_hard_state(&fixture, 100, 1, 3, 5);
		expect_hard_state(&fixture, 101, 8, 1, 0);
		expect_mark(&fixture, 0, "blocks_synced", "here");
		assert_int_equal(fixture.engine->ops->bounds(fixture.engine, 1, &first, &last), 0);
		assert_int_equal(last, 400);
		assert_in_range(first, 1, 397);
		expect_term(&fixture, 1, first - 1, 0, first > 1);
		expect_entries_sized(&fixture, 1, first, 400, 1, 2000);
		fixture_reopen(&fixture);
	}
	fixture_close(&fixture);
}

int log_engine_conform_run(const char *name, struct log_engine_conform_target *given)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(appends_are_read_back),
		cmocka_unit_test(a_suffix_is_replaced),
		cmocka_unit_test(a_gap_is_refused),
		cmocka_unit_test(writes_queue_in_order),
		cmocka_unit_test(refusals_take_along_what_follows),
		cmocka_unit_test(states_and_marks_last),
		cmocka_unit_test(destroy_leaves_its_marks),
		cmocka_unit_test(a_reset_begins_after_a_snapshot),
		cmocka_unit_test(ranges_and_limits_of_reads),
		cmocka_unit_test(recent_entries_are_cached),
		cmocka_unit_test(what_lies_beside_is_kept),
		cmocka_unit_test(large_and_too_large_writes),
		cmocka_unit_test(reclaim_keeps_what_is_needed),
	};

	target = given;
	return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}
