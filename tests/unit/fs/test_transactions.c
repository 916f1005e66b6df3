/*
 * fs/server/transactions over a scripted store and scripted peers: what is asked of them, in which order, what the mount
 * is told, and what is said of an attempt meanwhile.
 *
 * Region 1 has the dirids below 100, region 2 those from there on. What is written and asked waits until the test ends it.
 */
#include "fs/transact/transactions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/schema/op.h"
#include "fs/schema/question.h"
#include "proto/check.h"
#include "proto/plant.h"
#include "tests/lib/memory_view.h"
#include "tests/lib/sim_env.h"
#include "tests/lib/test.h"

#define DIRECTORY(dirid) (UINT64_C(dirid) << FS_SEQ_BITS | FS_SEQ_DIRECTORY)
#define HERE		 DIRECTORY(7) /* a directory of region 1 */
#define THERE		 DIRECTORY(107) /* directories of region 2 */
#define YONDER		 DIRECTORY(108)
#define SESSION		 5u
#define CHANGES_MAX	 (TRANSACTIONS_WAITING_MAX + 8u)
#define MANY		 64u

struct change {
	struct transactions_change base;
	uint32_t ended; /* how often */
	int status;
	int error; /* of the reply */
};

struct fixture {
	struct sim_world *world;
	struct env_loop *loop;
	struct transactions *transactions;
	uint64_t terms[3]; /* of this store in each region; 0: others lead it */
	struct memory_view *rows[3];
	uint64_t looks; /* calls of raftkv_each_changed_region */
	uint64_t changed[3]; /* the number of the call that is to see each region's last change, */
	uint64_t seen_terms[3]; /* and the term that the last one has seen */
	uint32_t unreadable; /* so many snapshots fail */
	struct raftkv_write *writes[MANY]; /* in the store */
	uint32_t write_count;
	struct raftkv_read *read; /* that waits for a snapshot */
	struct cluster_request *requests[MANY]; /* at the peers */
	uint32_t request_count;
	uint32_t snapshots;
	uint32_t scans; /* snapshots of the sweeper's */
	struct change changes[CHANGES_MAX];
	bool is_stopped;
};

static struct fixture *of(void *argument)
{
	return argument;
}

/* ---- The store ---- */

struct raftkv_snapshot {
	struct fixture *fixture;
	uint64_t region;
};

void raftkv_async_write(struct raftkv *raftkv, struct raftkv_write *write)
{
	struct fixture *fixture = of(raftkv);

	check(fixture->write_count < MANY && write->loop == fixture->loop);
	buf_ref(write->body);
	fixture->writes[fixture->write_count++] = write;
}

uint64_t raftkv_leader_term(struct raftkv *raftkv, uint64_t region)
{
	return region < 3 ? of(raftkv)->terms[region] : 0;
}

int raftkv_find_region(struct raftkv *raftkv, struct slice key, uint64_t *region, struct region_epoch *epoch)
{
	(void)raftkv;
	*region = fs_key_get_dirid(key) < 100 ? 1 : 2;
	*epoch = (struct region_epoch){.version = 3};
	return 0;
}

static struct raftkv_snapshot *make_snapshot(struct fixture *fixture, uint64_t region)
{
	struct raftkv_snapshot *snapshot = calloc(1, sizeof *snapshot);

	check(snapshot != NULL);
	*snapshot = (struct raftkv_snapshot){fixture, region};
	fixture->snapshots++;
	return snapshot;
}

void raftkv_async_snapshot(struct raftkv *raftkv, struct raftkv_read *read)
{
	check(!of(raftkv)->read);
	of(raftkv)->read = read;
}

int raftkv_stale_snapshot(struct raftkv *raftkv, uint64_t region, struct raftkv_snapshot **snapshot)
{
	if (of(raftkv)->unreadable > 0) {
		of(raftkv)->unreadable--;
		return -ENOMEM;
	}
	of(raftkv)->scans++;
	*snapshot = make_snapshot(of(raftkv), region);
	return 0;
}

struct view *raftkv_snapshot_view(struct raftkv_snapshot *snapshot, bool may_block)
{
	struct memory_view *rows = snapshot->fixture->rows[snapshot->region];

	memory_view_set_blocking(rows, may_block ? 0 : 2, snapshot->fixture->snapshots);
	return memory_view_get(rows);
}

void raftkv_snapshot_free(struct raftkv_snapshot *snapshot)
{
	snapshot->fixture->snapshots--;
	free(snapshot);
}

/* Rows or leader of the region have changed. */
static void note_change(struct fixture *fixture, uint64_t region)
{
	fixture->changed[region] = fixture->looks + 1;
}

uint64_t raftkv_each_changed_region(struct raftkv *raftkv, uint64_t since,
	void (*each)(void *argument, const struct region *region, uint64_t term), void *argument)
{
	struct fixture *fixture = of(raftkv);

	for (uint64_t id = 1; id <= 2; id++) {
		if (fixture->terms[id] != fixture->seen_terms[id])
			note_change(fixture, id);
		fixture->seen_terms[id] = fixture->terms[id];
	}
	fixture->looks++;
	for (uint64_t id = 1; id <= 2; id++)
		if (fixture->changed[id] > since)
			each(argument, &(struct region){.id = id, .epoch = {.version = 3}},
				fixture->terms[id]);
	return fixture->looks;
}

void raftkv_stats(struct raftkv *raftkv, struct raftkv_stats *stats)
{
	(void)raftkv;
	*stats = (struct raftkv_stats){0};
}

/* ---- The peers ---- */

int dispatcher_run(struct dispatcher *dispatcher, struct cluster_request *request)
{
	struct fixture *fixture = of(dispatcher);

	check(fixture->request_count < MANY);
	request->dispatcher = dispatcher;
	fixture->requests[fixture->request_count++] = request;
	return 0;
}

static void take_request(struct fixture *fixture, uint32_t index)
{
	fixture->request_count--;
	for (uint32_t i = index; i < fixture->request_count; i++)
		fixture->requests[i] = fixture->requests[i + 1];
}

void dispatcher_give_up(struct cluster_request *request, int status)
{
	struct fixture *fixture = of(request->dispatcher);
	uint32_t i = 0;

	while (fixture->requests[i] != request)
		i++;
	take_request(fixture, i);
	request->done(request, status, &(struct cluster_answer){0});
}

/* ---- What the store and the peers answer ---- */

static bool never(void *argument)
{
	(void)argument;
	return false;
}

static void run_for(struct fixture *fixture, uint64_t duration)
{
	sim_run(fixture->world, duration, never, NULL);
}

static struct op decoded(const struct buf *body)
{
	struct op op;

	assert_int_equal(op_decode(buf_slice(body), &op), 0);
	return op;
}

/* The only write in the store. */
static struct op in_store(const struct fixture *fixture)
{
	assert_int_equal(fixture->write_count, 1);
	return decoded(fixture->writes[0]->body);
}

static void end_write(struct fixture *fixture, int status, struct buf *reply)
{
	struct raftkv_write *write = fixture->writes[0];

	assert_true(fixture->write_count > 0);
	fixture->write_count--;
	for (uint32_t i = 0; i < fixture->write_count; i++)
		fixture->writes[i] = fixture->writes[i + 1];
	buf_unref(write->body);
	write->done(write, status, reply);
	buf_unref(reply);
}

static struct buf *reply_of(int error)
{
	const struct op_reply reply = {.error = error};
	struct buf *bytes;

	assert_int_equal(op_reply_encode(&reply, &bytes), 0);
	return bytes;
}

static void end_write_with(struct fixture *fixture, int error)
{
	end_write(fixture, 0, reply_of(error));
}

/* The write lacks something. */
static void end_lacking(struct fixture *fixture, enum lack_kind kind, struct slice list)
{
	const struct lack lack = {.kind = kind, .list = list};
	struct buf *reply;

	assert_int_equal(lack_encode(&lack, &reply), 0);
	end_write(fixture, STATUS_INCOMPLETE, reply);
}

static void end_lacking_rows(struct fixture *fixture, uint64_t ino)
{
	const struct wanted wanted = {.ino = ino};
	struct writer writer = writer_growing(1000);

	wanted_encode(&wanted, &writer);
	end_lacking(fixture, LACKS_ROWS, writer_written(&writer));
	writer_close(&writer);
}

static void end_lacking_ends(struct fixture *fixture)
{
	const struct attempt other = {.anchor = THERE, .region = 2, .term = 8, .number = 1};
	struct writer writer = writer_growing(1000);

	attempt_encode(&other, &writer);
	end_lacking(fixture, LACKS_ENDS, writer_written(&writer));
	writer_close(&writer);
}

/* An intent to touch each of these inodes, which are not 0; FS_ROOT_INO: the tree's. */
static void end_lacking_intents(struct fixture *fixture, uint64_t one, uint64_t other)
{
	const uint64_t inos[] = {one, other};
	struct writer writer = writer_growing(1000);

	for (size_t i = 0; i < 2; i++) {
		struct intent intent = {.kind = INTENT_TREE, .ino = inos[i]};

		if (inos[i] == 0)
			continue;
		if (inos[i] != FS_ROOT_INO)
			intent = (struct intent){.kind = INTENT_INODE,
				.ino = inos[i],
				.inode = {.generation = 1, .flags = INTENT_TOUCHES}};
		assert_int_equal(intent_encode(&intent, &writer), 0);
	}
	end_lacking(fixture, LACKS_INTENTS, writer_written(&writer));
	writer_close(&writer);
}

/* The operation that a peer is asked for. */
static struct op at_peers(const struct fixture *fixture, uint32_t index)
{
	assert_true(index < fixture->request_count);
	assert_int_equal(fixture->requests[index]->kind, CLUSTER_REQUEST_SESSION);
	return decoded(fixture->requests[index]->body);
}

/* Ends the first request. */
static void end_request(struct fixture *fixture, int status, struct buf *reply, struct buf *data)
{
	struct cluster_request *request = fixture->requests[0];
	const struct cluster_answer answer = {.bytes = buf_slice(reply), .data = data};

	assert_true(fixture->request_count > 0);
	take_request(fixture, 0);
	request->done(request, status, &answer);
	buf_unref(reply);
	buf_unref(data);
}

static void end_request_with(struct fixture *fixture, int error)
{
	end_request(fixture, 0, reply_of(error), NULL);
}

static struct question question_at_peers(const struct fixture *fixture)
{
	struct question question;

	assert_true(fixture->request_count > 0);
	assert_int_equal(fixture->requests[0]->kind, CLUSTER_REQUEST_READ);
	assert_true(fixture->requests[0]->is_for_leader);
	assert_int_equal(question_decode(buf_slice(fixture->requests[0]->body), &question), 0);
	return question;
}

/* Answers QUESTION_ROWS: the inode is there, or not. */
static void end_question(struct fixture *fixture, uint64_t ino, bool exists)
{
	struct question question = question_at_peers(fixture);
	struct fs_key key = fs_key_inode(ino);
	const struct fact fact = {
		.key = fs_key_slice(&key), .exists = exists, .row = slice_of("row", exists ? 3 : 0)};
	struct writer writer = writer_growing(1000);
	struct finding finding = {0};
	struct buf *bytes, *data;

	assert_int_equal(question.kind, QUESTION_ROWS);
	assert_int_equal(question.ino, ino);
	fact_encode(&fact, &writer);
	assert_int_equal(writer_take(&writer, &data), 0);
	finding.count = data->size;
	assert_int_equal(finding_encode(&question, &finding, &bytes), 0);
	end_request(fixture, 0, bytes, data);
}

static void end_question_of_rows(struct fixture *fixture, uint64_t ino)
{
	end_question(fixture, ino, false);
}

/* Answers QUESTION_ATTEMPTS about one attempt. */
static void end_question_of_attempt(
	struct fixture *fixture, const struct attempt *expected, enum attempt_verdict verdict)
{
	struct question question = question_at_peers(fixture);
	struct slice rest = question.attempts;
	struct finding finding = {.count = 1};
	struct attempt attempt;
	struct buf *bytes, *data = buf_new(1);

	assert_int_equal(question.kind, QUESTION_ATTEMPTS);
	assert_true(attempt_next(&rest, &attempt));
	assert_true(attempt_is_same(&attempt, expected));
	assert_int_equal(rest.size, 0);
	*(uint8_t *)data->data = (uint8_t)verdict;
	assert_int_equal(finding_encode(&question, &finding, &bytes), 0);
	end_request(fixture, 0, bytes, data);
}

/* ---- Rows ---- */

static void put_committed(
	struct fixture *fixture, const struct attempt *attempt, uint64_t one, uint64_t other)
{
	const struct intent_place places[] = {{.ino = one, .index = 0}, {.ino = other, .index = 1}};
	struct fs_key key = fs_key_committed(attempt);
	struct writer list = writer_growing(1000), row = writer_growing(1000);

	intent_place_encode(&places[0], &list);
	intent_place_encode(&places[1], &list);
	committed_record_encode(writer_written(&list), &row);
	memory_view_put(fixture->rows[1], KEY_LOCAL, fs_key_slice(&key), writer_written(&row));
	note_change(fixture, 1);
	writer_close(&list);
	writer_close(&row);
}

/* An intent of region 1. */
static void put_intent(struct fixture *fixture, const struct attempt *attempt)
{
	struct fs_key key = fs_key_intent(HERE, attempt, 0);
	const struct intent_record record = {.attempt = *attempt,
		.intent = {.kind = INTENT_INODE,
			.ino = HERE,
			.inode = {.generation = 1, .flags = INTENT_TOUCHES}}};
	struct writer row = writer_growing(1000);

	assert_int_equal(intent_record_encode(&record, &row), 0);
	memory_view_put(fixture->rows[1], KEY_LOCAL, fs_key_slice(&key), writer_written(&row));
	note_change(fixture, 1);
	writer_close(&row);
}

static void clear_rows(struct fixture *fixture)
{
	memory_view_free(fixture->rows[1]);
	fixture->rows[1] = memory_view_new();
	note_change(fixture, 1);
}

static bool has_looked(void *argument)
{
	return of(argument)->snapshots == 0;
}

/* The snapshot that is waited for shows the rows as they are. */
static void give_snapshot(struct fixture *fixture)
{
	struct raftkv_read *read = fixture->read;

	assert_non_null(read);
	assert_int_equal(read->region, 1);
	fixture->read = NULL;
	read->done(read, 0, make_snapshot(fixture, 1));
	assert_true(sim_run(fixture->world, SIM_S, has_looked, fixture));
}

static enum attempt_verdict verdict_in(
	struct fixture *fixture, uint64_t region, uint64_t term, const struct attempt *attempt)
{
	enum attempt_verdict verdict;

	memory_view_set_blocking(fixture->rows[region], 0, 0);
	assert_int_equal(transactions_verdict(fixture->transactions, memory_view_get(fixture->rows[region]),
				 region, term, attempt, &verdict),
		0);
	return verdict;
}

static enum attempt_verdict verdict_of(struct fixture *fixture, const struct attempt *attempt)
{
	return verdict_in(fixture, 1, fixture->terms[1], attempt);
}

/* ---- Changes ---- */

static void on_done(struct transactions_change *base, int status, struct buf *bytes)
{
	struct change *change = container_of(base, struct change, base);
	struct op_reply reply = {0};

	if (status == 0)
		assert_int_equal(op_reply_decode(buf_slice(bytes), &reply), 0);
	change->ended++;
	change->status = status;
	change->error = reply.error;
	buf_unref(base->write.body);
}

static struct change *run_op(
	struct fixture *fixture, uint32_t index, const struct op *op, const struct transactions_change *base)
{
	struct change *change = &fixture->changes[index];

	*change = (struct change){.base = *base};
	change->base.done = on_done;
	assert_int_equal(op_encode(op, &change->base.write.body), 0);
	transactions_write(fixture->transactions, &change->base);
	return change;
}

static const struct op rename_here = {.kind = OP_RENAME,
	.rename = {.parent = THERE, .name = {"a", 1}, .new_parent = HERE, .new_name = {"b", 1}}};

static struct change *rename_at(struct fixture *fixture, uint32_t index, uint64_t asked)
{
	return run_op(fixture, index, &rename_here,
		&(struct transactions_change){.asked = asked,
			.write = {.region = 1,
				.epoch_version = 3,
				.session = SESSION,
				.slot = index,
				.sequence = 1}});
}

static void expect_end(const struct change *change, int status, int error)
{
	assert_int_equal(change->ended, 1);
	assert_int_equal(change->status, status);
	assert_int_equal(change->error, error);
}

/* Up to the question of what must be prepared. */
static struct op begin_attempt(struct fixture *fixture)
{
	struct op op;

	assert_int_equal(in_store(fixture).kind, OP_RENAME);
	end_lacking_rows(fixture, THERE);
	end_question_of_rows(fixture, THERE);
	op = in_store(fixture);
	assert_int_equal(op.kind, OP_TRANSACT);
	assert_int_equal(op.transact.prepared.size, 0);
	assert_true(op.transact.facts.size > 0);
	return op;
}

static struct attempt attempt_in_store(const struct fixture *fixture)
{
	struct op op = in_store(fixture);

	assert_int_equal(op.kind, OP_TRANSACT);
	return op.transact.attempt;
}

/* Up to the commit, which is in the store. */
static struct attempt prepare_all(struct fixture *fixture)
{
	struct attempt attempt;

	begin_attempt(fixture);
	end_lacking_intents(fixture, THERE, YONDER);
	assert_int_equal(fixture->request_count, 2);
	end_request_with(fixture, 0);
	assert_int_equal(fixture->write_count, 0);
	end_request_with(fixture, 0);
	attempt = attempt_in_store(fixture);
	assert_true(in_store(fixture).transact.prepared.size > 0);
	assert_int_equal(verdict_of(fixture, &attempt), ATTEMPT_IS_PENDING);
	return attempt;
}

/* The peers are asked to resolve both intents. */
static void expect_resolutions(
	const struct fixture *fixture, const struct attempt *attempt, bool is_committed)
{
	static const uint64_t inos[] = {THERE, YONDER};

	assert_int_equal(fixture->request_count, 2);
	for (uint32_t i = 0; i < 2; i++) {
		struct op op = at_peers(fixture, i);
		struct slice rest = op.resolve.places;
		struct intent_place place;

		assert_int_equal(op.kind, OP_RESOLVE);
		assert_true(attempt_is_same(&op.resolve.attempt, attempt));
		assert_int_equal(op.resolve.is_committed, is_committed);
		assert_true(intent_place_next(&rest, &place));
		assert_int_equal(place.ino, inos[i]);
		assert_int_equal(place.index, i);
		assert_int_equal(rest.size, 0);
	}
}

/* ---- Tests: one change ---- */

static void what_one_region_can_do_is_one_write(void **state)
{
	struct fixture *fixture = *state;
	struct change *change = rename_at(fixture, 0, 1);

	assert_int_equal(in_store(fixture).kind, OP_RENAME);
	end_write_with(fixture, -ENOENT);
	expect_end(change, 0, -ENOENT);
	change = rename_at(fixture, 0, 1);
	end_write(fixture, STATUS_NOT_LEADER, NULL);
	expect_end(change, STATUS_NOT_LEADER, 0);
	assert_int_equal(fixture->request_count, 0);
}

static void an_operation_across_regions_is_prepared_committed_and_resolved(void **state)
{
	struct fixture *fixture = *state;
	struct change *change = rename_at(fixture, 0, 40);
	struct attempt attempt;
	struct op op = begin_attempt(fixture);

	assert_int_equal(op.transact.age.asked, 40);
	assert_int_equal(op.transact.age.session, SESSION);
	assert_int_equal(fixture->writes[0]->session, SESSION);
	assert_int_equal(fixture->writes[0]->sequence, 1);
	assert_int_equal(fixture->writes[0]->epoch_version, 3);
	attempt = op.transact.attempt;
	assert_int_equal(attempt.anchor, HERE);
	assert_int_equal(attempt.region, 1);
	assert_int_equal(attempt.term, 4);
	end_lacking_intents(fixture, THERE, YONDER);
	for (uint32_t i = 0; i < 2; i++) {
		op = at_peers(fixture, 0);
		assert_int_equal(op.kind, OP_PREPARE);
		assert_int_equal(op.prepare.first, i);
		assert_int_equal(op.prepare.age.asked, 40);
		assert_true(attempt_is_same(&op.prepare.attempt, &attempt));
		assert_true(fixture->requests[0]->is_once);
		assert_int_equal(fixture->write_count, 0);
		end_request_with(fixture, 0);
	}
	assert_int_equal(verdict_of(fixture, &attempt), ATTEMPT_IS_PENDING);
	end_write_with(fixture, 0);
	expect_end(change, 0, 0); /* before anything is resolved */
	assert_int_equal(verdict_of(fixture, &attempt), ATTEMPT_IS_PENDING); /* by a snapshot from before */
	put_committed(fixture, &attempt, THERE, YONDER);
	assert_int_equal(verdict_of(fixture, &attempt), ATTEMPT_IS_COMMITTED);
	give_snapshot(fixture);
	expect_resolutions(fixture, &attempt, true);
	end_request_with(fixture, 0);
	assert_int_equal(fixture->write_count, 0);
	end_request_with(fixture, 0);
	op = in_store(fixture);
	assert_int_equal(op.kind, OP_TRANSACT_END);
	assert_true(attempt_is_same(&op.resolve.attempt, &attempt));
	assert_true(fixture->writes[0]->is_urgent);
	end_write_with(fixture, 0);
	clear_rows(fixture);
	assert_int_equal(verdict_of(fixture, &attempt), ATTEMPT_IS_OVER);
	assert_int_equal(change->ended, 1);
}

static void what_has_changed_begins_another_attempt_of_the_same_age(void **state)
{
	static const int errors[] = {-EAGAIN, -EBUSY};
	struct fixture *fixture = *state;
	struct change *change = rename_at(fixture, 0, 40);
	struct attempt first, second;
	struct op op;

	begin_attempt(fixture);
	for (size_t i = 0; i < 2; i++) {
		first = attempt_in_store(fixture);
		end_lacking_intents(fixture, THERE, YONDER);
		end_request_with(fixture, errors[i]); /* the other one is given up */
		assert_int_equal(verdict_of(fixture, &first), ATTEMPT_IS_OVER);
		expect_resolutions(fixture, &first, false);
		run_for(fixture, SIM_S / 2);
		assert_int_equal(fixture->write_count, 0); /* its own intents would be in its way */
		end_request_with(fixture, 0);
		end_request(fixture, -ETIMEDOUT, NULL, NULL);
		run_for(fixture, SIM_S / 2);
		op = in_store(fixture);
		second = attempt_in_store(fixture);
		assert_int_equal(op.transact.facts.size, 0);
		assert_int_equal(op.transact.age.asked, 40);
		assert_false(attempt_is_same(&first, &second));
		end_lacking_rows(fixture, THERE);
		end_question_of_rows(fixture, THERE);
	}
	end_write_with(fixture, -ENOENT);
	expect_end(change, 0, -ENOENT);
	assert_int_equal(verdict_of(fixture, &second), ATTEMPT_IS_OVER);
}

static void an_error_of_the_operation_takes_the_intents_away(void **state)
{
	struct fixture *fixture = *state;
	struct change *change = rename_at(fixture, 0, 1);
	struct attempt attempt = prepare_all(fixture);

	end_write_with(fixture, -ENOSPC);
	expect_end(change, 0, -ENOSPC);
	assert_int_equal(verdict_of(fixture, &attempt), ATTEMPT_IS_OVER);
	expect_resolutions(fixture, &attempt, false);
	end_request_with(fixture, 0);
	end_request_with(fixture, 0);
	assert_int_equal(fixture->write_count, 0);
}

/* In the end the operation needed none: both names mean the same file now. */
static void done_without_a_record_is_no_commit(void **state)
{
	struct fixture *fixture = *state;
	struct change *change = rename_at(fixture, 0, 1);
	struct attempt attempt = prepare_all(fixture);

	end_write_with(fixture, 0);
	expect_end(change, 0, 0);
	give_snapshot(fixture);
	assert_int_equal(verdict_of(fixture, &attempt), ATTEMPT_IS_OVER);
	expect_resolutions(fixture, &attempt, false);
	end_request_with(fixture, 0);
	end_request_with(fixture, 0);
	assert_int_equal(fixture->write_count, 0);
}

static void rows_are_asked_for_anew_under_the_intent_of_the_tree(void **state)
{
	struct fixture *fixture = *state;
	struct op op;

	rename_at(fixture, 0, 1);
	begin_attempt(fixture);
	end_lacking_intents(fixture, FS_ROOT_INO, 0);
	end_request_with(fixture, 0);
	op = in_store(fixture);
	assert_true(op.transact.prepared.size > 0);
	assert_int_equal(op.transact.facts.size, 0);
	end_lacking_rows(fixture, THERE);
	end_question_of_rows(fixture, THERE);
	end_lacking_intents(fixture, FS_ROOT_INO, THERE);
	assert_int_equal(fixture->request_count, 1); /* the tree's is there */
	op = at_peers(fixture, 0);
	assert_int_equal(op.prepare.first, 1);
	end_request_with(fixture, 0);
	op = in_store(fixture);
	assert_true(op.transact.facts.size > 0);
	end_write(fixture, STATUS_EPOCH_NOT_MATCH, NULL);
	expect_end(&fixture->changes[0], STATUS_EPOCH_NOT_MATCH, 0);
	assert_int_equal(fixture->request_count, 2);
	end_request_with(fixture, 0);
	end_request_with(fixture, 0);
}

static void other_intents_than_before_are_another_attempt(void **state)
{
	struct fixture *fixture = *state;
	struct attempt attempt;

	rename_at(fixture, 0, 1);
	attempt = prepare_all(fixture);
	end_lacking_intents(fixture, YONDER, THERE);
	expect_resolutions(fixture, &attempt, false);
	end_request_with(fixture, 0);
	end_request_with(fixture, 0);
	run_for(fixture, SIM_S);
	assert_int_equal(in_store(fixture).transact.prepared.size, 0);
	end_write_with(fixture, -ENOENT);
}

/* The facts are of an earlier moment than the rows of the anchor's region: together they may never have been. */
static void an_answer_without_a_change_is_checked(void **state)
{
	struct fixture *fixture = *state;
	struct change *change = rename_at(fixture, 0, 1);
	struct buf *answer = reply_of(-EEXIST);

	begin_attempt(fixture);
	end_lacking(fixture, LACKS_CHECK, buf_slice(answer));
	end_question(fixture, THERE, true); /* the row is another one now */
	assert_int_equal(in_store(fixture).transact.answer.size, 0);
	end_lacking(fixture, LACKS_CHECK, buf_slice(answer));
	end_question(fixture, THERE, true);
	expect_end(change, 0, -EEXIST);
	assert_int_equal(fixture->write_count, 0);

	change = run_op(fixture, 1, &rename_here,
		&(struct transactions_change){
			.write = {.region = 1, .session = SESSION, .sequence = 2, .is_retry = true}});
	begin_attempt(fixture);
	end_lacking(fixture, LACKS_CHECK, buf_slice(answer));
	end_question_of_rows(fixture, THERE);
	assert_int_equal(change->ended, 0);
	assert_int_equal(slice_compare(in_store(fixture).transact.answer, buf_slice(answer)), 0);
	assert_true(fixture->writes[0]->is_retry);
	end_write(fixture, 0, answer);
	expect_end(change, 0, -EEXIST);
}

static void facts_that_contradict_each_other_are_asked_for_anew(void **state)
{
	struct fixture *fixture = *state;
	struct change *change = rename_at(fixture, 0, 1);

	begin_attempt(fixture);
	end_lacking(fixture, LACKS_CHECK, (struct slice){0});
	end_question(fixture, THERE, true);
	assert_int_equal(in_store(fixture).kind, OP_TRANSACT);
	end_lacking(fixture, LACKS_CHECK, (struct slice){0});
	end_question(fixture, THERE, true);
	expect_end(change, STATUS_CORRUPT, 0); /* so they are */
}

/* ---- Outcomes that are not known ---- */

static void nothing_is_over_while_it_may_be_in_the_log(void **state)
{
	static const int statuses[] = {STATUS_STALE_COMMAND, STATUS_STOPPING, STATUS_REGION_NOT_FOUND};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
		struct change *change = rename_at(fixture, 0, 1);
		struct attempt attempt = prepare_all(fixture);

		end_write(fixture, statuses[i], NULL);
		expect_end(change, statuses[i], 0);
		assert_int_equal(fixture->request_count, 0); /* its intents stay */
		assert_int_equal(verdict_of(fixture, &attempt), ATTEMPT_IS_PENDING);
		run_for(fixture, 3 * SWEEP_MS * (uint64_t)SIM_MS);
		assert_int_equal(verdict_of(fixture, &attempt), ATTEMPT_IS_PENDING);
		fixture->terms[1]++;
		assert_int_equal(verdict_of(fixture, &attempt), ATTEMPT_IS_OVER);
	}
}

static void a_leader_of_another_region_or_term_does_not_know_it(void **state)
{
	struct fixture *fixture = *state;
	struct attempt attempt, other;

	rename_at(fixture, 0, 1);
	attempt = prepare_all(fixture);
	assert_int_equal(verdict_in(fixture, 2, 4, &attempt), ATTEMPT_IS_OVER);
	assert_int_equal(verdict_in(fixture, 1, 5, &attempt), ATTEMPT_IS_OVER);
	other = attempt;
	other.number++;
	assert_int_equal(verdict_of(fixture, &other), ATTEMPT_IS_OVER);
	end_write(fixture, STATUS_STALE_COMMAND, NULL);
}

/* ---- Copies ---- */

static void a_copy_joins(void **state)
{
	struct fixture *fixture = *state;
	struct change *copy, *change = rename_at(fixture, 0, 1);

	begin_attempt(fixture);
	end_lacking_intents(fixture, THERE, YONDER);
	copy = run_op(fixture, 1, &rename_here,
		&(struct transactions_change){.write = {.region = 1,
						      .epoch_version = 3,
						      .session = SESSION,
						      .sequence = 1,
						      .is_retry = true}});
	assert_int_equal(fixture->write_count, 0);
	end_request_with(fixture, 0);
	end_request_with(fixture, 0);
	assert_int_equal(fixture->write_count, 1);
	assert_true(fixture->writes[0]->is_retry); /* so that the answer is recorded */
	end_write_with(fixture, -ENOENT);
	expect_end(change, 0, -ENOENT);
	expect_end(copy, 0, -ENOENT);
	end_request_with(fixture, 0);
	end_request_with(fixture, 0);
}

/* Evaluated again it could fail, for the leader may be another one by then; it is no reason to take the intents away. */
static void a_copy_of_what_has_committed_needs_no_evaluation(void **state)
{
	struct fixture *fixture = *state;
	struct change *copy, *change = rename_at(fixture, 0, 1);
	struct attempt attempt = prepare_all(fixture);

	copy = run_op(fixture, 1, &rename_here,
		&(struct transactions_change){.write = {.region = 1,
						      .epoch_version = 3,
						      .session = SESSION,
						      .sequence = 1,
						      .is_retry = true}});
	put_committed(fixture, &attempt, THERE, YONDER);
	end_write_with(fixture, 0);
	assert_int_equal(fixture->write_count, 0);
	expect_end(change, 0, 0);
	expect_end(copy, 0, 0);
	give_snapshot(fixture);
	expect_resolutions(fixture, &attempt, true);
}

/* ---- Waiting ---- */

static void intents_in_the_way_are_waited_for_and_the_oldest_goes_first(void **state)
{
	const struct intent_place place = {.ino = HERE, .index = 0};
	struct op resolve = {.kind = OP_RESOLVE,
		.resolve = {.attempt = {.anchor = THERE, .region = 2, .term = 8, .number = 1}}};
	struct writer places = writer_growing(100);
	struct fixture *fixture = *state;
	struct change *change;

	for (uint32_t i = 0; i < 3; i++) {
		rename_at(fixture, i, 100 - i);
		end_lacking_ends(fixture);
		assert_int_equal(fixture->write_count, 0);
		assert_int_equal(fixture->changes[i].ended, 0);
	}
	intent_place_encode(&place, &places);
	resolve.resolve.places = writer_written(&places);
	change = run_op(fixture, 3, &resolve, &(struct transactions_change){.write = {.region = 1}});
	end_write_with(fixture, 0);
	expect_end(change, 0, 0);
	assert_int_equal(fixture->write_count, 3);
	for (uint32_t i = 3; i-- > 0;) {
		assert_int_equal(fixture->writes[0]->slot, i);
		end_write_with(fixture, 0);
		expect_end(&fixture->changes[i], 0, 0);
	}
	writer_close(&places);
}

/* Else it would put its intents after they were taken away, and the link that it came by has room for so many. */
static void an_intent_is_not_put_after_the_end_of_its_attempt(void **state)
{
	static const struct attempt attempts[] = {{.anchor = THERE, .region = 2, .term = 8, .number = 1},
		{.anchor = THERE, .region = 2, .term = 8, .number = 2}};
	const struct intent intent = {
		.kind = INTENT_INODE, .ino = HERE, .inode = {.generation = 1, .flags = INTENT_TOUCHES}};
	const struct intent_place place = {.ino = HERE, .index = 0};
	struct writer places = writer_growing(100), intents = writer_growing(100);
	struct op prepare = {.kind = OP_PREPARE}, resolve = {.kind = OP_RESOLVE};
	struct fixture *fixture = *state;

	assert_int_equal(intent_encode(&intent, &intents), 0);
	intent_place_encode(&place, &places);
	for (uint32_t i = 0; i < 2; i++) {
		prepare.prepare = (struct op_prepare){
			.attempt = attempts[i], .age = {.asked = 9}, .intents = writer_written(&intents)};
		run_op(fixture, i, &prepare, &(struct transactions_change){.write = {.region = 1}});
		end_lacking_ends(fixture);
	}
	resolve.resolve = (struct op_resolve){.attempt = attempts[0], .places = writer_written(&places)};
	run_op(fixture, 2, &resolve, &(struct transactions_change){.write = {.region = 1}});
	end_write_with(fixture, 0);
	expect_end(&fixture->changes[0], STATUS_NOT_READY, 0);
	prepare = in_store(fixture);
	assert_true(attempt_is_same(&prepare.prepare.attempt, &attempts[1]));
	end_write_with(fixture, 0);
	expect_end(&fixture->changes[1], 0, 0);
	writer_close(&places);
	writer_close(&intents);
}

static void only_so_many_wait(void **state)
{
	struct fixture *fixture = *state;

	for (uint32_t i = 0; i <= TRANSACTIONS_WAITING_MAX; i++) {
		rename_at(fixture, i, 1);
		end_lacking_ends(fixture);
	}
	for (uint32_t i = 0; i < TRANSACTIONS_WAITING_MAX; i++)
		assert_int_equal(fixture->changes[i].ended, 0);
	expect_end(&fixture->changes[TRANSACTIONS_WAITING_MAX], STATUS_LIMIT, 0);
}

static void a_wait_ends_with_the_leadership_and_in_time(void **state)
{
	struct fixture *fixture = *state;
	struct change *change = rename_at(fixture, 0, 1);

	end_lacking_ends(fixture);
	run_for(fixture, 2 * SWEEP_MS * (uint64_t)SIM_MS);
	assert_int_equal(fixture->write_count, 1); /* it is tried again */
	end_write(fixture, STATUS_NOT_LEADER, NULL);
	expect_end(change, STATUS_NOT_LEADER, 0);
	change = rename_at(fixture, 0, 1);
	for (uint32_t i = 0; i < 20 && change->ended == 0; i++) {
		end_lacking_ends(fixture);
		run_for(fixture, SWEEP_MS * (uint64_t)SIM_MS + SIM_MS);
	}
	expect_end(change, STATUS_NOT_READY, 0);
}

static void what_has_gone_before_the_wait_began_ends_it(void **state)
{
	struct fixture *fixture = *state;

	rename_at(fixture, 0, 1);
	end_lacking_ends(fixture);
	run_for(fixture, SIM_S / 4);
	assert_int_equal(in_store(fixture).kind, OP_RENAME);
	end_write_with(fixture, 0);
}

/* What it waits for may wait for its own. */
static void nobody_waits_with_intents_elsewhere(void **state)
{
	struct fixture *fixture = *state;
	struct attempt attempt;

	rename_at(fixture, 0, 1);
	attempt = prepare_all(fixture);
	end_lacking_ends(fixture);
	expect_resolutions(fixture, &attempt, false);
	end_request_with(fixture, 0);
	end_request_with(fixture, 0);
	run_for(fixture, SIM_S);
	end_lacking_ends(fixture); /* of the next attempt: now it waits */
	assert_int_equal(fixture->request_count, 0);
	assert_int_equal(fixture->changes[0].ended, 0);
}

/* ---- Sweeping ---- */

static const struct attempt foreign = {.anchor = THERE, .region = 2, .term = 8, .number = 1};

static void what_is_in_the_way_is_asked_about_soon(void **state)
{
	static const enum attempt_verdict verdicts[] = {ATTEMPT_IS_OVER, ATTEMPT_IS_COMMITTED};
	struct fixture *fixture = *state;
	struct op op;

	for (size_t i = 0; i < 2; i++) {
		put_intent(fixture, &foreign);
		rename_at(fixture, 0, 1);
		end_lacking_ends(fixture);
		run_for(fixture, SIM_S / 4);
		end_question_of_attempt(fixture, &foreign, verdicts[i]);
		op = in_store(fixture);
		assert_int_equal(op.kind, OP_RESOLVE);
		assert_int_equal(op.resolve.is_committed, i == 1);
		assert_true(attempt_is_same(&op.resolve.attempt, &foreign));
		assert_true(fixture->writes[0]->is_urgent);
		clear_rows(fixture);
		end_write_with(fixture, 0);
		assert_int_equal(in_store(fixture).kind, OP_RENAME);
		end_write_with(fixture, 0);
		expect_end(&fixture->changes[0], 0, 0);
	}
}

static void a_pending_attempt_keeps_its_intents(void **state)
{
	struct transactions_oldest oldest;
	struct fixture *fixture = *state;

	put_intent(fixture, &foreign);
	transactions_oldest(fixture->transactions, &oldest);
	assert_int_equal(oldest.age, 0);
	run_for(fixture, 2 * SWEEP_MS * (uint64_t)SIM_MS + SIM_S);
	end_question_of_attempt(fixture, &foreign, ATTEMPT_IS_PENDING);
	assert_int_equal(fixture->write_count, 0);
	transactions_oldest(fixture->transactions, &oldest);
	assert_true(oldest.age >= SWEEP_MS * (uint64_t)SIM_MS);
	assert_int_equal(oldest.region, 1);
	assert_true(attempt_is_same(&oldest.attempt, &foreign));
	clear_rows(fixture);
	run_for(fixture, SWEEP_MS * (uint64_t)SIM_MS + SIM_S);
	transactions_oldest(fixture->transactions, &oldest);
	assert_int_equal(oldest.age, 0);
	assert_int_equal(fixture->request_count, 0);
}

static void a_record_is_deleted_after_all_intents_alone(void **state)
{
	const struct attempt earlier = {.anchor = HERE, .region = 1, .term = 3, .number = 9};
	struct fixture *fixture = *state;

	put_committed(fixture, &earlier, THERE, YONDER);
	run_for(fixture, SWEEP_MS * (uint64_t)SIM_MS + SIM_S / 2);
	expect_resolutions(fixture, &earlier, true);
	end_request_with(fixture, 0);
	end_request(fixture, -ETIMEDOUT, NULL, NULL);
	assert_int_equal(fixture->write_count, 0);
	assert_int_equal(verdict_of(fixture, &earlier), ATTEMPT_IS_COMMITTED);
	run_for(fixture, SWEEP_MS * (uint64_t)SIM_MS + SIM_S / 2); /* the next round */
	expect_resolutions(fixture, &earlier, true);
	end_request_with(fixture, 0);
	end_request_with(fixture, 0);
	assert_int_equal(in_store(fixture).kind, OP_TRANSACT_END);
	clear_rows(fixture);
	end_write_with(fixture, 0);
	assert_int_equal(verdict_of(fixture, &earlier), ATTEMPT_IS_OVER);
}

/* Those of regions that are read, in so many rounds. */
static uint32_t scans_of_rounds(struct fixture *fixture, uint32_t rounds)
{
	uint32_t before = fixture->scans;

	run_for(fixture, rounds * SWEEP_MS * (uint64_t)SIM_MS);
	return fixture->scans - before;
}

static void an_idle_region_is_not_read(void **state)
{
	struct fixture *fixture = *state;

	run_for(fixture, SIM_S);
	assert_int_equal(fixture->scans, 1);
	assert_int_equal(scans_of_rounds(fixture, 10), 0);
	note_change(fixture, 1);
	assert_int_equal(scans_of_rounds(fixture, 10), 1);
	fixture->terms[2] = 9;
	assert_int_equal(scans_of_rounds(fixture, 10), 1);
	fixture->terms[2] = 0;
	assert_int_equal(scans_of_rounds(fixture, 10), 0);
}

static void a_region_with_something_left_is_read_in_each_round(void **state)
{
	struct fixture *fixture = *state;

	run_for(fixture, SIM_S);
	put_intent(fixture, &foreign);
	for (uint32_t i = 0; i < 5; i++) {
		assert_int_equal(scans_of_rounds(fixture, 1), 1);
		if (fixture->request_count > 0)
			end_question_of_attempt(fixture, &foreign, ATTEMPT_IS_PENDING);
	}
	fixture->terms[1] = 0;
	assert_int_equal(scans_of_rounds(fixture, 5), 0);
	fixture->terms[1] = 5;
	assert_int_equal(scans_of_rounds(fixture, 5), 5);
	end_question_of_attempt(fixture, &foreign, ATTEMPT_IS_PENDING);
	clear_rows(fixture);
	assert_int_equal(scans_of_rounds(fixture, 10), 1);
	assert_int_equal(fixture->request_count, 0);
}

static void a_region_that_cannot_be_read_is_tried_again(void **state)
{
	struct fixture *fixture = *state;

	run_for(fixture, SIM_S);
	fixture->unreadable = 3;
	note_change(fixture, 1);
	assert_int_equal(scans_of_rounds(fixture, 3), 0);
	assert_int_equal(fixture->unreadable, 0);
	assert_int_equal(scans_of_rounds(fixture, 5), 1);
}

/* ---- Life ---- */

static void stop(struct fixture *fixture);

static void a_stop_ends_changes_wherever_they_are(void **state)
{
	struct fixture *fixture = *state;

	rename_at(fixture, 0, 1);
	begin_attempt(fixture);
	end_lacking_intents(fixture, THERE, YONDER); /* 0 prepares */
	rename_at(fixture, 1, 1);
	end_lacking_rows(fixture, THERE); /* 1 asks */
	rename_at(fixture, 2, 1);
	end_lacking_ends(fixture); /* 2 waits */
	rename_at(fixture, 3, 1); /* 3 is in the store */
	stop(fixture);
	assert_int_equal(fixture->request_count, 0);
	for (uint32_t i = 0; i < 3; i++)
		expect_end(&fixture->changes[i], STATUS_STOPPING, 0);
	assert_int_equal(fixture->changes[3].ended, 0);
	end_lacking_ends(fixture);
	expect_end(&fixture->changes[3], STATUS_STOPPING, 0);
	rename_at(fixture, 4, 1);
	expect_end(&fixture->changes[4], STATUS_STOPPING, 0);
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);
	struct transactions_options options = {0};
	struct env *env;

	assert_non_null(fixture);
	fixture->world = sim_world_new(5);
	env = sim_node_start(sim_node_new(fixture->world, "store"));
	assert_int_equal(env_loop_new(env, "loop", &fixture->loop), 0);
	assert_int_equal(env_loop_start(fixture->loop), 0);
	fixture->terms[1] = 4;
	fixture->rows[1] = memory_view_new();
	fixture->rows[2] = memory_view_new();
	options.loop = fixture->loop;
	options.raftkv = (struct raftkv *)fixture;
	options.peers = (struct dispatcher *)fixture;
	fixture->transactions = transactions_new(&options);
	assert_non_null(fixture->transactions);
	transactions_start(fixture->transactions);
	*state = fixture;
	return 0;
}

static void on_stopped(void *argument)
{
	of(argument)->is_stopped = true;
}

static bool is_stopped(void *argument)
{
	return of(argument)->is_stopped;
}

static void stop(struct fixture *fixture)
{
	if (!fixture->is_stopped)
		transactions_stop(fixture->transactions, on_stopped, fixture);
	assert_true(sim_run(fixture->world, SIM_S, is_stopped, fixture));
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	stop(fixture);
	while (fixture->write_count > 0)
		end_write(fixture, STATUS_STOPPING, NULL);
	if (fixture->read)
		fixture->read->done(fixture->read, STATUS_STOPPING, NULL);
	assert_int_equal(fixture->request_count, 0);
	assert_int_equal(fixture->snapshots, 0);
	transactions_free(fixture->transactions);
	memory_view_free(fixture->rows[1]);
	memory_view_free(fixture->rows[2]);
	env_loop_stop(fixture->loop);
	env_loop_free(fixture->loop);
	sim_world_free(fixture->world);
	free(fixture);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_one_region_can_do_is_one_write),
		TEST(an_operation_across_regions_is_prepared_committed_and_resolved),
		TEST(what_has_changed_begins_another_attempt_of_the_same_age),
		TEST(an_error_of_the_operation_takes_the_intents_away),
		TEST(done_without_a_record_is_no_commit),
		TEST(rows_are_asked_for_anew_under_the_intent_of_the_tree),
		TEST(other_intents_than_before_are_another_attempt),
		TEST(an_answer_without_a_change_is_checked),
		TEST(facts_that_contradict_each_other_are_asked_for_anew),
		TEST(nothing_is_over_while_it_may_be_in_the_log),
		TEST(a_leader_of_another_region_or_term_does_not_know_it),
		TEST(a_copy_joins),
		TEST(a_copy_of_what_has_committed_needs_no_evaluation),
		TEST(intents_in_the_way_are_waited_for_and_the_oldest_goes_first),
		TEST(an_intent_is_not_put_after_the_end_of_its_attempt),
		TEST(only_so_many_wait),
		TEST(a_wait_ends_with_the_leadership_and_in_time),
		TEST(what_has_gone_before_the_wait_began_ends_it),
		TEST(nobody_waits_with_intents_elsewhere),
		TEST(what_is_in_the_way_is_asked_about_soon),
		TEST(a_pending_attempt_keeps_its_intents),
		TEST(a_record_is_deleted_after_all_intents_alone),
		TEST(an_idle_region_is_not_read),
		TEST(a_region_with_something_left_is_read_in_each_round),
		TEST(a_region_that_cannot_be_read_is_tried_again),
		TEST(a_stop_ends_changes_wherever_they_are),
	};

#ifdef RAFTKV_PLANT
	plant_choose(getenv("RAFTKV_PLANTED"));
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
