/*
 * The service's reads of rows with intents, over a store in memory and scripted anchors: what a reader sees whatever
 * becomes of the attempts meanwhile, and that it never waits for their end. And its answers to QUESTION_ATTEMPTS.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/schema/question.h"
#include "fs/transact/inquiry.h"
#include "fs/server/service.h"
#include "fs/transact/transactions.h"
#include "tests/lib/fake_raftkv.h"
#include "tests/lib/fake_requests.h"
#include "tests/lib/intent_rows.h"
#include "tests/lib/sim_env.h"
#include "tests/lib/test.h"

#define PATIENCE (60 * (uint64_t)SIM_S)
#define STEP_MS	 5u
#define BEFORE	 1u /* links of the file without the intents */

struct fixture {
	struct sim_world *world;
	struct env_loop *loop;
	struct raftkv *raftkv;
	struct store_list list;
	struct service *service;
	struct rpc_server server;
	struct rpc_request request;
	uint64_t file;
	/* What the anchors say, and what happens before they do. */
	void (*on_inquiry)(struct fixture *fixture, struct inquiry *inquiry);
	int inquiry_status;
	bool is_silent; /* they do not say anything */
	bool steps_down; /* this store, while it judges attempts */
	uint32_t inquiries;
	struct inquiry *inquiry; /* under way */
	struct env_timer timer;
	bool is_stopped;
};

/* ---- What the service asks ---- */

int coordinator_beat(
	struct coordinator *coordinator, uint64_t session, uint64_t answered, struct session_notice *notice)
{
	(void)coordinator, (void)session, (void)answered, (void)notice;
	return STATUS_NOT_LEADER;
}

bool coordinator_room(struct coordinator *coordinator, struct coordinator_room *room)
{
	(void)coordinator, (void)room;
	return false;
}

static const struct region other_region = {.id = 2, .epoch = {.version = 1, .conf_version = 1}};

/* The transactions say what an attempt's number is modulo 3. */
int transactions_verdict(struct transactions *transactions, struct view *snapshot, uint64_t region,
	uint64_t term, const struct attempt *attempt, enum attempt_verdict *verdict)
{
	struct fs_key key = fs_key_committed(attempt);
	struct kv_value row = {0};
	int status = view_get(snapshot, KEY_LOCAL, fs_key_slice(&key), &row);

	assert_non_null(transactions);
	assert_int_equal(region, 1);
	assert_int_equal(term, 1);
	*verdict = (enum attempt_verdict)(attempt->number / 3 % 3);
	kv_value_close(&row);
	if (status == STATUS_NOT_FOUND && ((struct fixture *)transactions)->steps_down)
		fake_raftkv_set_regions(((struct fixture *)transactions)->raftkv, &other_region, 1);
	return status == STATUS_NOT_FOUND ? 0 : status;
}

void transactions_write(struct transactions *transactions, struct transactions_change *change)
{
	(void)transactions, (void)change;
	fail(); /* nothing is written here */
}

static void on_inquiry_timer(struct env_timer *timer)
{
	struct fixture *fixture = container_of(timer, struct fixture, timer);
	struct inquiry *inquiry = fixture->inquiry;

	fixture->inquiry = NULL;
	if (fixture->on_inquiry)
		fixture->on_inquiry(fixture, inquiry);
	inquiry->done(inquiry, fixture->inquiry_status);
}

uint32_t inquiry_add(struct inquiry *inquiry, const struct attempt *attempt)
{
	inquiry->attempts[inquiry->count] = *attempt;
	return inquiry->count++;
}

int inquiry_start(struct inquiry *inquiry)
{
	struct fixture *fixture = (struct fixture *)inquiry->peers;

	assert_true(inquiry->count > 0 && inquiry->limit > 0 && !fixture->inquiry);
	memset(inquiry->verdicts, ATTEMPT_IS_PENDING, sizeof inquiry->verdicts);
	fixture->inquiries++;
	fixture->inquiry = inquiry;
	if (!fixture->is_silent)
		env_timer_start(&fixture->timer, fixture->loop,
			env_now(env_loop_env(fixture->loop)) + STEP_MS * SIM_MS, on_inquiry_timer);
	return 0;
}

void inquiry_give_up(struct inquiry *inquiry, int status)
{
	((struct fixture *)inquiry->peers)->inquiry = NULL;
	inquiry->done(inquiry, status);
}

/* ---- Asking the service ---- */

static bool is_quiet(void *argument)
{
	return ((struct fixture *)argument)->server.under_way == 0;
}

static void begin_read(
	struct fixture *fixture, const struct question *question, uint64_t session, bool from_follower)
{
	Raftkv__ReadRequest message = RAFTKV__READ_REQUEST__INIT;
	uint8_t bytes[4096];
	struct buf *body;

	assert_int_equal(question_encode(question, &body), 0);
	message.region = message.epoch_version = 1;
	message.from_follower = from_follower;
	message.question = (ProtobufCBinaryData){.len = body->size, .data = body->data};
	assert_true(protobuf_c_message_get_packed_size(&message.base) <= sizeof bytes);
	fake_requests_close(&fixture->request);
	fixture->request = (struct rpc_request){.session = session};
	fake_requests_ask(&fixture->server, &fixture->request, FRAME_READ,
		slice_of(bytes, protobuf_c_message_pack(&message.base, bytes)), NULL);
	buf_unref(body);
}

static int end_read(
	struct fixture *fixture, const struct question *question, struct finding *finding, uint64_t *leader)
{
	Raftkv__ReadReply *reply;
	int status;

	assert_true(sim_run(fixture->world, PATIENCE, is_quiet, fixture));
	reply = raftkv__read_reply__unpack(NULL, fixture->request.head->size, fixture->request.head->data);
	assert_non_null(reply);
	status = reply->status;
	*leader = reply->leader_store;
	if (status == 0)
		status = finding_take(question, slice_of(reply->finding.data, reply->finding.len),
			buf_slice(fixture->request.data), finding);
	raftkv__read_reply__free_unpacked(reply, NULL);
	return status;
}

static int run_read(
	struct fixture *fixture, const struct question *question, uint64_t session, struct finding *finding)
{
	uint64_t leader;

	begin_read(fixture, question, session, false);
	return end_read(fixture, question, finding, &leader);
}

static int look(struct fixture *fixture, uint32_t *nlink)
{
	const struct question question = {.kind = QUESTION_ATTRIBUTES, .ino = fixture->file};
	struct finding finding = {0};
	int status = run_read(fixture, &question, 7, &finding);

	*nlink = finding.attributes.nlink;
	return status;
}

/* ---- Intents of the file ---- */

static struct memory_view *memory(struct fixture *fixture)
{
	return fake_raftkv_files(fixture->raftkv)->memory;
}

/* One link more. */
static void put(struct fixture *fixture, uint64_t number)
{
	const struct attempt attempt = intent_rows_attempt(number);
	const struct intent intent = {.kind = INTENT_INODE,
		.ino = fixture->file,
		.inode = {.generation = 1, .flags = INTENT_TOUCHES, .nlink = 1}};

	intent_rows_put(memory(fixture), &attempt, 0, &intent);
}

/* As if that many had committed and were resolved. */
static void resolve(struct fixture *fixture, uint32_t count)
{
	struct fs_harness *files = fake_raftkv_files(fixture->raftkv);
	char name[] = "name0";

	intent_rows_clear(files->memory, fixture->file);
	for (uint32_t i = 0; i < count; i++, name[4]++)
		assert_int_equal(fs_link(files, fixture->file, FS_ROOT_INO, name), 0);
}

static void say(struct inquiry *inquiry, enum attempt_verdict verdict)
{
	memset(inquiry->verdicts, (int)verdict, inquiry->count);
}

/* ---- Readers ---- */

static void without_intents_nobody_is_asked(void **state)
{
	struct fixture *fixture = *state;
	uint32_t nlink;

	assert_int_equal(look(fixture, &nlink), 0);
	assert_int_equal(nlink, BEFORE);
	assert_int_equal(fixture->inquiries, 0);
}

static void a_pending_change_is_not_seen(void **state)
{
	struct fixture *fixture = *state;
	uint32_t nlink;

	put(fixture, 1);
	put(fixture, 2);
	for (uint32_t i = 1; i <= 30; i++) {
		assert_int_equal(look(fixture, &nlink), 0);
		assert_int_equal(nlink, BEFORE);
		assert_int_equal(fixture->inquiries, i);
	}
}

static void say_committed(struct fixture *fixture, struct inquiry *inquiry)
{
	(void)fixture;
	say(inquiry, ATTEMPT_IS_COMMITTED);
}

static void a_committed_change_is_seen_before_it_is_resolved(void **state)
{
	struct fixture *fixture = *state;
	uint32_t nlink;

	put(fixture, 1);
	put(fixture, 2);
	fixture->on_inquiry = say_committed;
	for (uint32_t i = 1; i <= 30; i++) {
		assert_int_equal(look(fixture, &nlink), 0);
		assert_int_equal(nlink, BEFORE + 2);
		assert_int_equal(fixture->inquiries, i);
	}
}

static void resolve_and_forget(struct fixture *fixture, struct inquiry *inquiry)
{
	resolve(fixture, 1);
	say(inquiry, ATTEMPT_IS_OVER);
}

static void a_change_that_was_resolved_meanwhile_is_seen(void **state)
{
	struct fixture *fixture = *state;
	uint32_t nlink;

	put(fixture, 1);
	fixture->on_inquiry = resolve_and_forget;
	assert_int_equal(look(fixture, &nlink), 0);
	assert_int_equal(nlink, BEFORE + 1);
	assert_int_equal(fixture->inquiries, 1);
}

static void say_over(struct fixture *fixture, struct inquiry *inquiry)
{
	(void)fixture;
	say(inquiry, ATTEMPT_IS_OVER);
}

static void a_change_that_is_over_is_not_seen(void **state)
{
	struct fixture *fixture = *state;
	uint32_t nlink;

	put(fixture, 1);
	fixture->on_inquiry = say_over;
	assert_int_equal(look(fixture, &nlink), 0);
	assert_int_equal(nlink, BEFORE);
	assert_int_equal(fixture->inquiries, 1);
}

/* The first is over. The second was pending when the first snapshot was taken, and commits before the second one. */
static void commit_the_second(struct fixture *fixture, struct inquiry *inquiry)
{
	for (uint32_t i = 0; i < inquiry->count; i++)
		if (inquiry->attempts[i].number == 1)
			inquiry->verdicts[i] = ATTEMPT_IS_OVER;
		else if (fixture->inquiries > 1)
			inquiry->verdicts[i] = ATTEMPT_IS_COMMITTED;
}

static void pending_says_nothing_of_a_later_snapshot(void **state)
{
	struct fixture *fixture = *state;
	uint32_t nlink;

	put(fixture, 1);
	put(fixture, 2);
	fixture->on_inquiry = commit_the_second;
	assert_int_equal(look(fixture, &nlink), 0);
	assert_int_equal(nlink, BEFORE + 1);
	assert_int_equal(fixture->inquiries, 2);
}

static void commit_another(struct fixture *fixture, struct inquiry *inquiry)
{
	say(inquiry, ATTEMPT_IS_COMMITTED);
	resolve(fixture, 0);
	put(fixture, fixture->inquiries + 1);
}

static void who_meets_ever_more_is_to_ask_again(void **state)
{
	struct fixture *fixture = *state;
	uint32_t nlink;

	put(fixture, 1);
	fixture->on_inquiry = commit_another;
	assert_int_equal(look(fixture, &nlink), STATUS_NOT_READY);
	assert_in_range(fixture->inquiries, 2, 20);
}

static void without_an_answer_the_mount_is_to_ask_again(void **state)
{
	struct fixture *fixture = *state;
	uint32_t nlink;

	put(fixture, 1);
	fixture->inquiry_status = -ETIMEDOUT;
	assert_int_equal(look(fixture, &nlink), STATUS_NOT_READY);
}

static void a_name_that_is_committed_is_found(void **state)
{
	const struct attempt attempt = intent_rows_attempt(1);
	const struct question question = {
		.kind = QUESTION_LOOKUP, .ino = FS_ROOT_INO, .name = {"new", 3}, .takes_elsewhere = true};
	struct fixture *fixture = *state;
	struct fs_key key = fs_key_inode(FS_ROOT_INO);
	struct finding finding = {0};
	struct kv_value row = {0};
	struct inode root;
	struct writer writer;
	struct intent intent = {.kind = INTENT_ROW, .ino = FS_ROOT_INO};

	assert_int_equal(
		view_get(fake_raftkv_files(fixture->raftkv)->view, KEY_DATA, fs_key_slice(&key), &row), 0);
	assert_int_equal(inode_decode(row.data, FS_ROOT_INO, &root), 0);
	kv_value_close(&row);
	key = fs_key_entry(FS_ROOT_INO, fs_name_hash(root.seed, question.name), question.name);
	intent.row.key = fs_key_slice(&key);
	intent.row.has = true;
	intent.row.after = intent_rows_entry(&writer, fixture->file);
	intent_rows_put(memory(fixture), &attempt, 0, &intent);
	writer_close(&writer);
	assert_int_equal(run_read(fixture, &question, 7, &finding), -ENOENT);
	fixture->on_inquiry = say_committed;
	assert_int_equal(run_read(fixture, &question, 7, &finding), 0);
	assert_int_equal(finding.attributes.ino, fixture->file);
}

static void a_follower_leaves_it_to_the_leader(void **state)
{
	struct fixture *fixture = *state;
	const struct question question = {.kind = QUESTION_ATTRIBUTES, .ino = fixture->file};
	struct finding finding = {0};
	uint64_t leader;

	begin_read(fixture, &question, 7, true);
	assert_int_equal(end_read(fixture, &question, &finding, &leader), 0);
	put(fixture, 1);
	begin_read(fixture, &question, 7, true);
	assert_int_equal(end_read(fixture, &question, &finding, &leader), STATUS_NOT_LEADER);
	assert_int_equal(leader, 2);
	assert_int_equal(fixture->inquiries, 0);
}

static void who_leaves_the_peers_ends_its_reads(void **state)
{
	struct fixture *fixture = *state;
	const struct question question = {.kind = QUESTION_ATTRIBUTES, .ino = fixture->file};
	struct finding finding;
	uint64_t leader;
	uint32_t nlink;

	put(fixture, 1);
	fixture->is_silent = true;
	begin_read(fixture, &question, 7, false);
	sim_run(fixture->world, SIM_S, is_quiet, fixture);
	assert_non_null(fixture->inquiry);
	service_leave_peers(fixture->service);
	assert_int_equal(end_read(fixture, &question, &finding, &leader), STATUS_STOPPING);
	assert_int_equal(look(fixture, &nlink), STATUS_STOPPING);
	assert_int_equal(fixture->inquiries, 1);
}

/* ---- Stores ---- */

static void facts_are_of_stores_and_show_what_is_committed(void **state)
{
	static uint8_t bytes[4096];
	struct fixture *fixture = *state;
	const struct question question = {.kind = QUESTION_ROWS, .ino = fixture->file, .size = sizeof bytes};
	struct finding finding = {.bytes = bytes};
	struct fs_key key = fs_key_inode(fixture->file);
	struct inode inode;
	struct fact fact;

	put(fixture, 1);
	fixture->on_inquiry = say_committed;
	assert_int_equal(run_read(fixture, &question, 7, &finding), -EPERM);
	assert_int_equal(run_read(fixture, &question, 0, &finding), 0);
	assert_true(facts_find(slice_of(bytes, finding.count), fs_key_slice(&key), &fact));
	assert_int_equal(inode_decode(fact.row, fixture->file, &inode), 0);
	assert_int_equal(inode.attributes.nlink, BEFORE + 1);
	assert_int_equal(inode.state & INODE_HAS_INTENTS, 0);
}

static int ask_for_verdicts(
	struct fixture *fixture, uint64_t session, uint64_t dirid, struct finding *finding)
{
	uint8_t bytes[512];
	struct writer writer = writer_fixed(bytes, sizeof bytes);
	struct question question = {.kind = QUESTION_ATTEMPTS, .ino = fs_ino(dirid, 1)};

	for (uint64_t number = 0; number < 8; number++) {
		struct attempt attempt = intent_rows_attempt(number + 1);

		attempt.anchor = fs_ino(100, (uint32_t)number + 1);
		attempt_encode(&attempt, &writer);
		question.size++;
	}
	question.attempts = writer_written(&writer);
	return run_read(fixture, &question, session, finding);
}

static void verdicts_are_of_stores(void **state)
{
	struct fixture *fixture = *state;
	uint8_t verdicts[8];
	struct finding finding = {.bytes = verdicts};

	assert_int_equal(ask_for_verdicts(fixture, 7, 100, &finding), -EPERM);
	assert_int_equal(ask_for_verdicts(fixture, 0, 101, &finding), -EINVAL);
	for (uint32_t i = 0; i < 20; i++) {
		assert_int_equal(ask_for_verdicts(fixture, 0, 100, &finding), 0);
		for (uint64_t number = 0; number < 8; number++)
			assert_int_equal(verdicts[number], (number + 1) / 3 % 3);
	}
}

/* The region's range has changed since the route was learned: its local rows say nothing of other anchors. */
static void verdicts_are_of_the_anchors_region(void **state)
{
	struct fixture *fixture = *state;
	struct fs_key end = fs_key_dirid(100);
	uint8_t verdicts[8];
	struct finding finding = {.bytes = verdicts};

	memory_view_set_range(memory(fixture), (struct slice){0}, fs_key_slice(&end));
	assert_int_equal(ask_for_verdicts(fixture, 0, 100, &finding), STATUS_EPOCH_NOT_MATCH);
	memory_view_set_range(memory(fixture), (struct slice){0}, (struct slice){0});
}

/* Whoever does not lead the region says nothing. */
static void verdicts_are_of_the_leader(void **state)
{
	struct fixture *fixture = *state;
	uint8_t verdicts[8];
	struct finding finding = {.bytes = verdicts};

	fake_raftkv_set_regions(fixture->raftkv, &other_region, 1);
	assert_int_equal(ask_for_verdicts(fixture, 0, 100, &finding), STATUS_NOT_LEADER);
}

/* The attempts that it ended with its leadership may commit yet. */
static void who_steps_down_says_nothing(void **state)
{
	struct fixture *fixture = *state;
	uint8_t verdicts[8];
	struct finding finding = {.bytes = verdicts};

	fixture->steps_down = true;
	assert_int_equal(ask_for_verdicts(fixture, 0, 100, &finding), STATUS_NOT_LEADER);
}

/* ---- Life ---- */

static int set_up_as(void **state, bool is_follower)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);
	struct fake_raftkv_options fake = {.seed = 3,
		.delay_max_ns = SIM_MS,
		.cold_one_in = 3,
		.round_one_in = 3,
		.is_follower = is_follower};
	struct service_options options = {.expiry_ms = 4000};
	struct env *env;

	assert_non_null(fixture);
	fixture->world = sim_world_new(5);
	env = sim_node_start(sim_node_new(fixture->world, "store"));
	assert_int_equal(env_loop_new(env, "loop", &fixture->loop), 0);
	assert_int_equal(env_loop_start(fixture->loop), 0);
	assert_int_equal(store_list_parse(&fixture->list, "a:1,b:2", NULL), 0);
	fake.loop = options.loop = fixture->server.loop = fixture->loop;
	options.raftkv = fixture->raftkv = fake_raftkv_new(&fake);
	options.peers = (struct dispatcher *)fixture;
	options.transactions = (struct transactions *)fixture;
	options.list = &fixture->list;
	fixture->service = service_new(&options, &fixture->server);
	assert_non_null(fixture->service);
	fixture->file =
		(uint64_t)fs_make(fake_raftkv_files(fixture->raftkv), FS_ROOT_INO, "file", S_IFREG | 0644);
	*state = fixture;
	return 0;
}

static int set_up(void **state)
{
	return set_up_as(state, false);
}

static int set_up_follower(void **state)
{
	return set_up_as(state, true);
}

static void on_stopped(void *argument)
{
	((struct fixture *)argument)->is_stopped = true;
}

static bool is_stopped(void *argument)
{
	return ((struct fixture *)argument)->is_stopped;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	fake_requests_close(&fixture->request);
	service_leave_peers(fixture->service);
	service_stop(fixture->service, on_stopped, fixture);
	assert_true(sim_run(fixture->world, PATIENCE, is_stopped, fixture));
	service_free(fixture->service);
	fake_raftkv_free(fixture->raftkv);
	store_list_close(&fixture->list);
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
		TEST(without_intents_nobody_is_asked),
		TEST(a_pending_change_is_not_seen),
		TEST(a_committed_change_is_seen_before_it_is_resolved),
		TEST(a_change_that_was_resolved_meanwhile_is_seen),
		TEST(a_change_that_is_over_is_not_seen),
		TEST(pending_says_nothing_of_a_later_snapshot),
		TEST(who_meets_ever_more_is_to_ask_again),
		TEST(without_an_answer_the_mount_is_to_ask_again),
		TEST(a_name_that_is_committed_is_found),
		cmocka_unit_test_setup_teardown(
			a_follower_leaves_it_to_the_leader, set_up_follower, tear_down),
		TEST(who_leaves_the_peers_ends_its_reads),
		TEST(facts_are_of_stores_and_show_what_is_committed),
		TEST(verdicts_are_of_stores),
		TEST(verdicts_are_of_the_anchors_region),
		TEST(verdicts_are_of_the_leader),
		TEST(who_steps_down_says_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
