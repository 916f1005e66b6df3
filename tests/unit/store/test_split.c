/* A split of a region on simulated machines: what is refused, who serves the halves, and whose the local rows are. */
#include "store/raftkv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/container.h"
#include "store/peer/store.h"
#include "tests/lib/sim_cluster.h"
#include "tests/lib/sim_replica.h"
#include "tests/lib/test.h"
#include "tests/lib/test_evaluator.h"

#define PATIENCE (10 * (uint64_t)SIM_S)

static const struct region_change add_4 = {.steps = {{RAFT_ADD_LEARNER, 4, 4}}, .step_count = 1};
static const struct region_change replace_3 = {
	.steps = {{RAFT_ADD_VOTER, 4, 4}, {RAFT_REMOVE_NODE, 3, 0}}, .step_count = 2};

/* Store 1 leads, and there is a row on either side of "m". */
static void begin(struct sim_cluster *cluster, uint64_t seed, uint32_t voters, uint32_t joiners)
{
	sim_cluster_init(cluster, seed, voters, joiners);
	sim_cluster_open_all(cluster);
	sim_cluster_write(cluster, test_op_put("a", "lower"), NULL);
	sim_cluster_write(cluster, test_op_put("x", "upper"), NULL);
	sim_cluster_lead_from(cluster, 1, 1);
}

static struct region_epoch epoch_of(struct sim_cluster *cluster, uint64_t region)
{
	struct raftkv_region_status status;

	assert_int_equal(sim_cluster_status_of(cluster, 1, region, &status), 0);
	return status.epoch;
}

static int split_at(
	struct sim_cluster *cluster, uint32_t store, uint64_t region, const char *key, uint64_t new_region)
{
	struct raftkv_split split = {
		.region = region, .new_region = new_region, .key = buf_copy(key, strlen(key))};

	return sim_cluster_split_at(cluster, store, &split);
}

/* ---- Requests that are under way -------------------------------------------------------------------------------- */

/* Static memory would outlive a test, and a store may have a request for longer than the test: never freed. */
struct asked {
	struct raftkv_split split;
	struct raftkv_change change;
	struct raftkv_write write;
	int status;
	uint32_t answers;
};

static struct asked *asked_new(void)
{
	struct asked *asked = calloc(1, sizeof *asked);

	check(asked);
	return asked;
}

static void on_split(struct raftkv_split *split, int status)
{
	struct asked *asked = container_of(split, struct asked, split);

	asked->status = status;
	asked->answers++;
}

static struct asked *split_begin(
	struct sim_cluster *cluster, uint64_t region, const char *key, uint64_t new_region)
{
	struct sim_store *store = sim_cluster_store(cluster, 1);
	struct asked *asked = asked_new();

	asked->split = (struct raftkv_split){.region = region,
		.new_region = new_region,
		.key = buf_copy(key, strlen(key)),
		.loop = store->caller,
		.done = on_split};
	raftkv_split(store->raftkv, &asked->split);
	buf_unref(asked->split.key);
	return asked;
}

static void on_change(struct raftkv_change *change, int status)
{
	struct asked *asked = container_of(change, struct asked, change);

	asked->status = status;
	asked->answers++;
}

static struct asked *change_begin(struct sim_cluster *cluster, const struct region_change *change)
{
	struct sim_store *store = sim_cluster_store(cluster, 1);
	struct asked *asked = asked_new();

	asked->change = (struct raftkv_change){
		.region = 1, .change = *change, .loop = store->caller, .done = on_change};
	raftkv_change_peers(store->raftkv, &asked->change);
	return asked;
}

static void on_written(struct raftkv_write *write, int status, struct buf *reply)
{
	struct asked *asked = container_of(write, struct asked, write);

	(void)reply;
	asked->status = status;
	asked->answers++;
	buf_unref(write->body);
}

static struct asked *write_begin(
	struct sim_cluster *cluster, uint64_t region, uint64_t epoch_version, struct buf *body)
{
	struct sim_store *store = sim_cluster_store(cluster, 1);
	struct asked *asked = asked_new();

	asked->write = (struct raftkv_write){.region = region,
		.epoch_version = epoch_version,
		.body = body,
		.loop = store->caller,
		.done = on_written};
	raftkv_async_write(store->raftkv, &asked->write);
	return asked;
}

static bool is_answered(void *argument)
{
	return ((const struct asked *)argument)->answers > 0;
}

static int await(struct sim_cluster *cluster, struct asked *asked)
{
	assert_true(sim_run(cluster->world, PATIENCE, is_answered, asked));
	assert_int_equal(asked->answers, 1);
	return asked->status;
}

/* The other voters are cut off, so that nothing is committed until they are back. */
static void cut_others(struct sim_cluster *cluster, bool is_cut)
{
	for (uint32_t store = 2; store <= cluster->count; store++)
		sim_cluster_cut(cluster, store, is_cut);
}

/* ---- What is refused -------------------------------------------------------------------------------------------- */

static void key_that_is_not_inside_the_range_is_refused(void **state)
{
	struct sim_cluster cluster;

	(void)state;
	begin(&cluster, 1, 3, 0);
	assert_int_equal(split_at(&cluster, 1, 1, "", 2), STATUS_KEY_NOT_IN_REGION);
	assert_int_equal(split_at(&cluster, 1, 1, "m", 2), 0);
	sim_cluster_lead_from(&cluster, 2, 1);
	assert_int_equal(split_at(&cluster, 1, 2, "m", 3), STATUS_KEY_NOT_IN_REGION); /* where it begins */
	assert_int_equal(split_at(&cluster, 1, 1, "m", 3), STATUS_KEY_NOT_IN_REGION); /* where it ends */
	assert_int_equal(split_at(&cluster, 1, 1, "x", 3), STATUS_KEY_NOT_IN_REGION);
	assert_int_equal(split_at(&cluster, 1, 2, "a", 3), STATUS_KEY_NOT_IN_REGION);
	assert_int_equal(sim_cluster_region_at(&cluster, 1, "x"), 2);
	sim_cluster_close(&cluster);
}

static bool begins_at_vowel(struct evaluator *evaluator, struct slice key)
{
	(void)evaluator;
	return key.size > 0 && strchr("aeiou", *(const char *)key.data);
}

static void key_where_no_region_may_begin_is_refused(void **state)
{
	struct evaluator_ops operations = *test_evaluator()->ops;
	struct evaluator evaluator = {&operations};
	struct sim_cluster cluster;

	(void)state;
	operations.may_begin = begins_at_vowel;
	sim_cluster_init(&cluster, 2, 3, 0);
	for (uint32_t store = 1; store <= 3; store++)
		sim_cluster_store(&cluster, store)->options.evaluator = &evaluator;
	sim_cluster_open_all(&cluster);
	sim_cluster_lead_from(&cluster, 1, 1);
	assert_int_equal(split_at(&cluster, 1, 1, "m", 2), -EINVAL);
	assert_int_equal(split_at(&cluster, 1, 1, "o", 0), -EINVAL); /* nor has any region the id 0 */
	assert_int_equal(split_at(&cluster, 1, 1, "o", 2), 0);
	sim_cluster_close(&cluster);
}

static int split_of_epoch(struct sim_cluster *cluster, struct region_epoch epoch, struct region_epoch *now)
{
	struct raftkv_split split = {.region = 1, .epoch = epoch, .new_region = 9, .key = buf_copy("c", 1)};
	int status = sim_cluster_split_at(cluster, 1, &split);

	*now = split.now;
	return status;
}

static void another_epoch_is_refused(void **state)
{
	struct region_epoch before, present, now;
	struct sim_cluster cluster;

	(void)state;
	begin(&cluster, 3, 3, 1);
	before = epoch_of(&cluster, 1);
	assert_int_equal(split_at(&cluster, 1, 1, "m", 2), 0);
	sim_cluster_change(&cluster, &add_4);
	present = epoch_of(&cluster, 1);
	assert_int_equal(present.version, before.version + 1);
	assert_int_equal(present.conf_version, before.conf_version + 1);
	assert_int_equal(epoch_of(&cluster, 2).version, before.version + 1);
	assert_int_equal(
		split_of_epoch(&cluster, (struct region_epoch){present.conf_version, before.version}, &now),
		STATUS_EPOCH_NOT_MATCH);
	assert_int_equal(
		split_of_epoch(&cluster, (struct region_epoch){before.conf_version, present.version}, &now),
		STATUS_EPOCH_NOT_MATCH);
	assert_int_equal(now.version, present.version);
	assert_int_equal(now.conf_version, present.conf_version);
	assert_int_equal(split_of_epoch(&cluster, present, &now), 0);
	assert_int_equal(now.version, present.version + 1);
	sim_cluster_close(&cluster);
}

/* Either could change what the other has checked. */
static void split_and_change_of_members_exclude_each_other(void **state)
{
	struct asked *change, *split;
	struct sim_cluster cluster;

	(void)state;
	begin(&cluster, 4, 3, 1);
	cut_others(&cluster, true);
	change = change_begin(&cluster, &add_4);
	split = split_begin(&cluster, 1, "m", 2);
	assert_int_equal(await(&cluster, split), STATUS_LIMIT);
	assert_int_equal(change->answers, 0);
	cut_others(&cluster, false);
	assert_int_equal(await(&cluster, change), 0);
	cut_others(&cluster, true);
	split = split_begin(&cluster, 1, "m", 2);
	sim_cluster_run(&cluster, 50 * SIM_MS);
	change = change_begin(&cluster, &replace_3);
	assert_int_equal(await(&cluster, change), STATUS_LIMIT);
	assert_int_equal(split->answers, 0);
	cut_others(&cluster, false);
	assert_int_equal(await(&cluster, split), 0);
	sim_cluster_close(&cluster);
}

static void second_split_waits_for_the_first(void **state)
{
	struct asked *one, *other, *first, *second;
	struct sim_cluster cluster;

	(void)state;
	begin(&cluster, 5, 3, 0);
	cut_others(&cluster, true);
	one = split_begin(&cluster, 1, "m", 2);
	other = split_begin(&cluster, 1, "c", 3);
	sim_cluster_run(&cluster, 50 * SIM_MS);
	first = other->answers == 0 ? other : one; /* whose rows were measured first */
	second = first == one ? other : one;
	assert_int_equal(await(&cluster, second), STATUS_LIMIT);
	assert_int_equal(first->answers, 0);
	cut_others(&cluster, false);
	assert_int_equal(await(&cluster, first), 0);
	assert_int_equal(split_at(&cluster, 1, 1, "b", 4), 0);
	sim_cluster_close(&cluster);
}

static void await_other_leader(struct sim_cluster *cluster)
{
	for (int i = 0; i < 100 && sim_cluster_leader(cluster) == 1; i++)
		sim_cluster_run(cluster, 100 * SIM_MS);
	assert_int_not_equal(sim_cluster_await_leader(cluster), 1);
}

/* The index that it had in the old leader's log means nothing in the new one, which may end before it. */
static void leader_whose_split_was_lost_may_split_again(void **state)
{
	struct asked *split;
	struct sim_cluster cluster;

	(void)state;
	begin(&cluster, 9, 3, 0);
	cut_others(&cluster, true);
	for (int i = 0; i < 8; i++)
		write_begin(&cluster, 1, 0, test_op_put("a", "lost"));
	sim_cluster_run(&cluster, 50 * SIM_MS);
	split = split_begin(&cluster, 1, "m", 2);
	sim_cluster_run(&cluster, 50 * SIM_MS);
	cut_others(&cluster, false);
	sim_cluster_cut(&cluster, 1, true);
	await_other_leader(&cluster);
	sim_cluster_cut(&cluster, 1, false);
	assert_int_equal(await(&cluster, split), STATUS_STALE_COMMAND);
	sim_cluster_lead_from(&cluster, 1, 1);
	assert_int_equal(split_at(&cluster, 1, 1, "m", 2), 0);
	sim_cluster_close(&cluster);
}

static bool is_joint(void *argument)
{
	struct sim_cluster *cluster = argument;
	const struct peer *peer = router_find(&sim_cluster_store(cluster, 1)->raftkv->router, 1)->peer;

	for (uint32_t i = 0; i < peer->region.peer_count; i++)
		if (peer->region.peers[i].roles & REGION_VOTER_OUTGOING)
			return true;
	return false;
}

static void region_with_a_joint_configuration_is_refused(void **state)
{
	struct sim_cluster cluster;

	(void)state;
	begin(&cluster, 6, 3, 1);
	sim_cluster_change(&cluster, &add_4);
	change_begin(&cluster, &replace_3);
	assert_true(sim_run(cluster.world, PATIENCE, is_joint, &cluster));
	cut_others(&cluster, true); /* the entry that ends it is not committed */
	assert_int_equal(split_at(&cluster, 1, 1, "m", 2), STATUS_CONF_CHANGE_INVALID);
	assert_true(is_joint(&cluster));
	cut_others(&cluster, false);
	sim_cluster_split(&cluster, "m", 2);
	sim_cluster_close(&cluster);
}

/* Puts local rows behind the back of the region: as many as its own operations would take long to write. */
static void put_local_rows(struct sim_cluster *cluster, uint32_t count)
{
	struct kv_engine *kv = sim_cluster_store(cluster, 1)->raftkv->engines.kv;
	struct kv_batch *batch = kv->ops->batch_new(kv);
	struct buf *value = buf_new(1u << 20);

	memset(value->data, 'v', value->size);
	for (uint32_t i = 0; i < count; i++) {
		char name[32];
		struct key key;

		snprintf(name, sizeof name, "Nnote%04u", i);
		key_row(&key, 1, KEY_LOCAL, slice_of(name, strlen(name)));
		kv->ops->batch_put(batch, key_slice(&key), buf_slice(value));
	}
	assert_int_equal(kv->ops->write(kv, batch), 0);
	kv->ops->batch_free(batch);
	buf_unref(value);
}

static void too_many_local_rows_are_refused(void **state)
{
	struct sim_cluster cluster;

	(void)state;
	begin(&cluster, 7, 1, 0);
	put_local_rows(&cluster, RAFTKV_SPLIT_LOCAL_MAX >> 20);
	assert_int_equal(split_at(&cluster, 1, 1, "m", 2), -EFBIG);
	assert_int_equal(sim_cluster_region_at(&cluster, 1, "x"), 1);
	sim_cluster_close(&cluster);
	begin(&cluster, 7, 1, 0);
	put_local_rows(&cluster, (RAFTKV_SPLIT_LOCAL_MAX >> 20) - 1);
	assert_int_equal(split_at(&cluster, 1, 1, "m", 2), 0);
	sim_cluster_close(&cluster);
}

static void who_does_not_lead_says_who_does(void **state)
{
	struct raftkv_split split = {.region = 1, .new_region = 2, .key = buf_copy("m", 1)};
	struct sim_cluster cluster;

	(void)state;
	begin(&cluster, 8, 3, 0);
	assert_int_equal(sim_cluster_split_at(&cluster, 2, &split), STATUS_NOT_LEADER);
	assert_int_equal(split.leader_store, 1);
	assert_int_equal(split_at(&cluster, 1, 77, "m", 2), STATUS_REGION_NOT_FOUND);
	sim_cluster_close(&cluster);
}

/* A store that stops answers each split once, wherever it stands, and what it leaves can be opened. */
static void stopping_store_answers(void **state)
{
	uint32_t stopped = 0, done = 0;

	(void)state;
	for (uint64_t step = 0; step < 40; step++) {
		struct sim_cluster cluster;
		struct asked *split;

		begin(&cluster, 100 + step, step % 2 ? 3 : 1, 0);
		split = split_begin(&cluster, 1, "m", 2);
		sim_cluster_run(&cluster, step * 250 * SIM_US);
		sim_store_stop(sim_cluster_store(&cluster, 1));
		assert_int_equal(split->answers, 1);
		assert_true(split->status == 0 || split->status == STATUS_STOPPING);
		stopped += split->status == STATUS_STOPPING;
		done += split->status == 0;
		sim_cluster_open(&cluster, 1);
		sim_cluster_split(&cluster, "m", 2);
		sim_cluster_write_to(&cluster, "x", test_op_compare("x", "upper", "2"), NULL);
		sim_cluster_close(&cluster);
	}
	assert_true(stopped > 0 && done > 0);
}

/* ---- The halves ------------------------------------------------------------------------------------------------- */

static void assert_asked(struct sim_cluster *cluster, uint64_t region, struct buf *body, const char *text)
{
	struct sim_answer answer =
		sim_cluster_ask_at(cluster, 1, &(struct raftkv_write){.region = region, .body = body});

	assert_int_equal(answer.status, 0);
	assert_int_equal(answer.result, text ? TEST_DONE : TEST_REFUSED);
	if (text)
		assert_string_equal(answer.text, text);
}

/* Long before an election timeout is over; and nobody is refused meanwhile where the region was led. */
static void halves_serve_at_once_where_the_region_was_led(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 10; seed++) {
		struct sim_cluster cluster;
		uint64_t begun;

		begin(&cluster, 200 + seed, 3, 0);
		assert_int_equal(split_at(&cluster, 1, 1, "m", 2), 0);
		begun = sim_time(cluster.world);
		assert_int_equal(sim_cluster_region_at(&cluster, 1, "x"), 2);
		assert_int_equal(sim_cluster_region_at(&cluster, 1, "l"), 1);
		assert_asked(&cluster, 2, test_op_append("x", "+"), "upper+");
		assert_asked(&cluster, 1, test_op_append("a", "+"), "lower+");
		assert_string_equal(sim_cluster_read_in(&cluster, 1, 2, "x", false).text, "upper+");
		assert_true(sim_time(cluster.world) - begun < SIM_S);
		assert_int_equal(sim_cluster_leader_of(&cluster, 2), 1);
		sim_cluster_close(&cluster);
	}
}

/* The others wait for the lease of the region before the split; then they can do without the store that led. */
static void upper_half_outlives_the_store_that_led(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 10; seed++) {
		struct sim_cluster cluster;

		begin(&cluster, 220 + seed, 3, 0);
		assert_int_equal(split_at(&cluster, 1, 1, "m", 2), 0);
		sim_cluster_run(&cluster, seed * 3 * SIM_MS);
		sim_store_crash(sim_cluster_store(&cluster, 1));
		sim_cluster_split(&cluster, "m", 2); /* is there, or will be */
		sim_cluster_write_to(&cluster, "x", test_op_compare("x", "upper", "2"), NULL);
		sim_cluster_open(&cluster, 1);
		sim_cluster_close(&cluster);
	}
}

static struct sim_answer ask_slot(
	struct sim_cluster *cluster, uint64_t region, uint32_t slot, bool is_retry, struct buf *body)
{
	return sim_cluster_ask_at(cluster, 1,
		&(struct raftkv_write){.region = region,
			.session = 7,
			.slot = slot,
			.sequence = 5,
			.is_retry = is_retry,
			.body = body});
}

static void retry_after_the_split_finds_its_answer(void **state)
{
	struct sim_cluster cluster;
	struct sim_answer answer;

	(void)state;
	begin(&cluster, 240, 3, 0);
	sim_cluster_write(&cluster, test_op_open(7), NULL);
	assert_int_equal(ask_slot(&cluster, 1, 1, false, test_op_append("x", "+")).status, 0);
	assert_int_equal(ask_slot(&cluster, 1, 2, false, test_op_append("a", "+")).status, 0);
	assert_int_equal(split_at(&cluster, 1, 1, "m", 2), 0);
	answer = ask_slot(&cluster, 2, 1, true, test_op_append("x", "+"));
	assert_int_equal(answer.status, 0);
	assert_string_equal(answer.text, "upper+");
	answer = ask_slot(&cluster, 1, 2, true, test_op_append("a", "+"));
	assert_int_equal(answer.status, 0);
	assert_string_equal(answer.text, "lower+");
	assert_string_equal(sim_cluster_read_in(&cluster, 1, 2, "x", false).text, "upper+");
	assert_string_equal(sim_cluster_read_in(&cluster, 1, 1, "a", false).text, "lower+");
	/* The session is known in both. */
	assert_int_equal(ask_slot(&cluster, 2, 3, false, test_op_append("x", "+")).status, 0);
	sim_cluster_close(&cluster);
}

static void local_rows_go_where_the_evaluator_says(void **state)
{
	struct sim_cluster cluster;

	(void)state;
	begin(&cluster, 250, 3, 0);
	sim_cluster_write(&cluster, test_op_note("a", "of a"), NULL);
	sim_cluster_write(&cluster, test_op_note("x", "of x"), NULL);
	sim_cluster_write(&cluster, test_op_note("", "of both"), NULL);
	assert_int_equal(split_at(&cluster, 1, 1, "m", 2), 0);
	assert_asked(&cluster, 1, test_op_noted("a"), "of a");
	assert_asked(&cluster, 2, test_op_noted("a"), NULL);
	assert_asked(&cluster, 1, test_op_noted("x"), NULL);
	assert_asked(&cluster, 2, test_op_noted("x"), "of x");
	assert_asked(&cluster, 1, test_op_noted(""), "of both");
	assert_asked(&cluster, 2, test_op_noted(""), TEST_NOTE_COPY);
	sim_cluster_run(&cluster, SIM_S);
	sim_replicas_compare(&cluster, (uint32_t[]){1, 2, 3, 0});
	sim_cluster_close(&cluster);
}

/* ---- Requests that a split overtakes ---------------------------------------------------------------------------- */

static void requests_wait_for_the_split_and_see_its_ranges(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 10; seed++) {
		struct asked *split, *old, *moved, *stays;
		struct sim_cluster cluster;
		uint64_t version;

		begin(&cluster, 300 + seed, 3, 0);
		version = epoch_of(&cluster, 1).version;
		cut_others(&cluster, true);
		split = split_begin(&cluster, 1, "m", 2);
		sim_cluster_run(&cluster, 50 * SIM_MS);
		old = write_begin(&cluster, 1, version, test_op_put("a", "with the old epoch"));
		moved = write_begin(&cluster, 1, 0, test_op_put("x", "to the wrong region"));
		stays = write_begin(&cluster, 1, 0, test_op_put("a", "still here"));
		sim_cluster_run(&cluster, 50 * SIM_MS);
		assert_int_equal(split->answers + old->answers + moved->answers + stays->answers, 0);
		cut_others(&cluster, false);
		assert_int_equal(await(&cluster, split), 0);
		assert_int_equal(await(&cluster, old), STATUS_EPOCH_NOT_MATCH);
		assert_int_equal(old->write.epoch.version, version + 1);
		assert_int_equal(await(&cluster, moved), STATUS_KEY_NOT_IN_REGION);
		assert_int_equal(await(&cluster, stays), 0);
		assert_string_equal(sim_cluster_read_in(&cluster, 1, 1, "a", false).text, "still here");
		assert_string_equal(sim_cluster_read_in(&cluster, 1, 2, "x", false).text, "upper");
		sim_cluster_close(&cluster);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(key_that_is_not_inside_the_range_is_refused),
		cmocka_unit_test(key_where_no_region_may_begin_is_refused),
		cmocka_unit_test(another_epoch_is_refused),
		cmocka_unit_test(split_and_change_of_members_exclude_each_other),
		cmocka_unit_test(second_split_waits_for_the_first),
		cmocka_unit_test(leader_whose_split_was_lost_may_split_again),
		cmocka_unit_test(region_with_a_joint_configuration_is_refused),
		cmocka_unit_test(too_many_local_rows_are_refused),
		cmocka_unit_test(who_does_not_lead_says_who_does),
		cmocka_unit_test(stopping_store_answers),
		cmocka_unit_test(halves_serve_at_once_where_the_region_was_led),
		cmocka_unit_test(upper_half_outlives_the_store_that_led),
		cmocka_unit_test(retry_after_the_split_finds_its_answer),
		cmocka_unit_test(local_rows_go_where_the_evaluator_says),
		cmocka_unit_test(requests_wait_for_the_split_and_see_its_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
