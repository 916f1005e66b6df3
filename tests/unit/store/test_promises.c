/*
 * What replicas promise each other and must keep, on simulated machines: votes that are durable before they are asked
 * for, leases across restarts and transfers, answers that belong to the process that asked, payloads that are what the
 * entry says. Named after what goes wrong without.
 */
#include <errno.h>
#include <string.h>

#include "proto/codec.h"
#include "proto/container.h"
#include "store/raftkv.h"
#include "store/rows/mutations.h"
#include "store/peer/peer.h"
#include "store/peer/store.h"
#include "tests/lib/sim_cluster.h"
#include "tests/lib/test.h"
#include "tests/lib/test_evaluator.h"

static void begin(struct sim_cluster *cluster, uint64_t seed)
{
	sim_cluster_init(cluster, seed, 3, 0);
	sim_cluster_open_all(cluster);
	sim_cluster_write(cluster, test_op_put("a", "old"), NULL);
}

/* A read on the calling thread, as its lease allows: the row, or an error. */
static struct sim_answer read_by_lease(struct sim_cluster *cluster, uint32_t store)
{
	struct sim_answer answer = {0};
	struct raftkv_snapshot *snapshot;
	struct kv_value value = {0};

	answer.status = raftkv_local_snapshot(sim_cluster_store(cluster, store)->raftkv, 1, 0, &snapshot);
	if (answer.status < 0)
		return answer;
	answer.status = view_get(raftkv_snapshot_view(snapshot, true), KEY_DATA, slice_of("a", 1), &value);
	if (answer.status == 0)
		memcpy(answer.text, value.data.data, value.data.size);
	kv_value_close(&value);
	raftkv_snapshot_free(snapshot);
	return answer;
}

/* ---- Terms and votes -------------------------------------------------------------------------------------------- */

struct promise {
	uint64_t store;
	uint64_t term; /* highest in which it asked for votes */
};

static bool note_vote(
	void *argument, const struct peer_envelope *envelope, const struct raft_message *message)
{
	struct promise *promise = argument;

	if (message->type == RAFT_MSG_VOTE && promise->term == 0)
		*promise = (struct promise){envelope->from.store, message->term};
	return true;
}

static bool has_asked(void *argument)
{
	return ((const struct promise *)argument)->term > 0;
}

static void vote_is_asked_for_in_a_term_that_a_crash_cannot_take_back(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct raftkv_region_status status;
		struct promise promise = {0};
		struct sim_cluster cluster;

		begin(&cluster, seed);
		cluster.transport.filter = note_vote;
		cluster.transport.filter_argument = &promise;
		sim_store_kill(sim_cluster_store(&cluster, sim_cluster_await_leader(&cluster)));
		assert_true(sim_run(cluster.world, 60 * (uint64_t)SIM_S, has_asked, &promise));
		sim_store_crash(sim_cluster_store(&cluster, (uint32_t)promise.store));
		sim_cluster_open(&cluster, (uint32_t)promise.store);
		assert_int_equal(sim_cluster_status_at(&cluster, (uint32_t)promise.store, &status), 0);
		assert_true(status.term >= promise.term);
		sim_cluster_close(&cluster);
	}
}

/* ---- Leases ----------------------------------------------------------------------------------------------------- */

struct cut {
	uint64_t a, b; /* stores that do not hear each other */
};

static bool is_not_cut(
	void *argument, const struct peer_envelope *envelope, const struct raft_message *message)
{
	const struct cut *cut = argument;
	uint64_t from = envelope->from.store, to = envelope->to.store;

	(void)message;
	return !(from == cut->a && to == cut->b) && !(from == cut->b && to == cut->a);
}

static bool is_leading(const struct sim_cluster *cluster, uint32_t store)
{
	return sim_cluster_leader(cluster) == store;
}

static void set_blocking(struct sim_cluster *cluster, uint32_t store, uint64_t blocking)
{
	sim_node_faults(sim_cluster_store(cluster, store)->node)->blocking = blocking;
}

/* Leader 1 and store 3 do not hear each other; 3 wants to lead, 2 does not help it, for it hears of the leader. When 2
 * is restarted, and hears of 1 no more, it must not help either while the lease that it has confirmed may hold. */
static void restarted_voter_does_not_break_a_lease(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct cut cut = {1, 3};
		struct sim_cluster cluster;

		begin(&cluster, 100 + seed);
		while (!is_leading(&cluster, 1)) {
			raftkv_transfer_leader(
				sim_cluster_store(&cluster, sim_cluster_await_leader(&cluster))->raftkv, 1,
				1);
			sim_cluster_run(&cluster, SIM_S);
		}
		cluster.transport.filter = is_not_cut;
		cluster.transport.filter_argument = &cut;
		/* Reads keep the lease alive; a write would put 3 behind, whom then nobody could elect. */
		for (uint64_t i = 0; i < 30 + seed; i++) {
			sim_cluster_run(&cluster, 100 * SIM_MS);
			assert_int_equal(sim_cluster_read_at(&cluster, 1, "a", false).status, 0);
		}
		sim_cluster_cut(&cluster, 1, true);
		sim_store_crash(sim_cluster_store(&cluster, 2));
		/* Opening may take a part of the time that the promise lasts for, never more of it. */
		set_blocking(&cluster, 2, seed % 3 * 20 * SIM_MS);
		sim_cluster_open(&cluster, 2);
		set_blocking(&cluster, 2, 0);
		for (int i = 0; i < 150; i++) {
			if (is_leading(&cluster, 3)) {
				sim_cluster_write_at(&cluster, 3, test_op_put("a", "new"), NULL);
				assert_int_not_equal(read_by_lease(&cluster, 1).status, 0);
				break;
			}
			sim_cluster_run(&cluster, 10 * SIM_MS);
		}
		sim_cluster_close(&cluster);
	}
}

/* That others have become members is in its log, and in no row that survives. */
static void restarted_voter_that_was_alone_once_keeps_its_promises(void **state)
{
	static const struct region_change add = {
		.steps = {{RAFT_ADD_VOTER, 2, 2}, {RAFT_ADD_VOTER, 3, 3}}, .step_count = 2};
	struct sim_cluster cluster;
	struct peer *peer;

	(void)state;
	sim_cluster_init(&cluster, 150, 1, 2);
	sim_cluster_open_all(&cluster);
	sim_cluster_change(&cluster, &add);
	sim_cluster_write(&cluster, test_op_put("a", "old"), NULL);
	sim_store_crash(sim_cluster_store(&cluster, 1));
	sim_cluster_open(&cluster, 1);
	peer = router_find(&sim_cluster_store(&cluster, 1)->raftkv->router, 1)->peer;
	assert_int_equal(peer->region.peer_count, 1);
	assert_true(env_now(sim_cluster_store(&cluster, 1)->env) < peer->quiet_until);
	sim_cluster_write(&cluster, test_op_put("a", "new"), NULL);
	sim_cluster_close(&cluster);
}

/* Or the leader, who asked it to lead, would take no writes for an election timeout. */
static void restarted_voter_leads_when_its_leader_asks(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct sim_cluster cluster;
		uint32_t leader, next;

		begin(&cluster, 160 + seed);
		leader = sim_cluster_await_leader(&cluster);
		next = leader % 3 + 1;
		sim_store_stop(sim_cluster_store(&cluster, next));
		sim_cluster_open(&cluster, next);
		sim_cluster_run(&cluster, 300 * SIM_MS);
		assert_int_equal(
			raftkv_transfer_leader(sim_cluster_store(&cluster, leader)->raftkv, 1, next), 0);
		sim_cluster_run(&cluster, 300 * SIM_MS);
		assert_int_equal(sim_cluster_leader(&cluster), next);
		sim_cluster_close(&cluster);
	}
}

struct handover {
	uint64_t from; /* store: learns nothing of what follows */
	bool has_begun;
};

static bool passes_in_handover(
	void *argument, const struct peer_envelope *envelope, const struct raft_message *message)
{
	struct handover *handover = argument;

	handover->has_begun = handover->has_begun || message->type == RAFT_MSG_TIMEOUT_NOW;
	return !handover->has_begun || envelope->to.store != handover->from;
}

static void lease_ends_when_the_leadership_is_handed_over(void **state)
{
	struct handover handover = {0};
	struct sim_cluster cluster;
	uint32_t leader, next;

	(void)state;
	begin(&cluster, 200);
	leader = sim_cluster_await_leader(&cluster);
	next = leader % 3 + 1;
	sim_cluster_write(&cluster, test_op_put("a", "old"), NULL);
	assert_int_equal(read_by_lease(&cluster, leader).status, 0);
	handover.from = leader;
	cluster.transport.filter = passes_in_handover;
	cluster.transport.filter_argument = &handover;
	assert_int_equal(raftkv_transfer_leader(sim_cluster_store(&cluster, leader)->raftkv, 1, next), 0);
	for (int i = 0; i < 20 && !is_leading(&cluster, next); i++)
		sim_cluster_run(&cluster, 10 * SIM_MS);
	assert_true(is_leading(&cluster, next));
	assert_int_equal(sim_cluster_write_at(&cluster, next, test_op_put("a", "new"), NULL).status, 0);
	assert_int_not_equal(read_by_lease(&cluster, leader).status, 0);
	sim_cluster_close(&cluster);
}

/* A leader that is cut off answers by its lease for a while, but never beside another leader's writes. */
static void lease_ends_before_another_leads(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct sim_cluster cluster;
		uint32_t leader, next = 0;

		begin(&cluster, 300 + seed);
		for (uint32_t store = 1; store <= 3; store++)
			sim_node_set_drift(
				sim_cluster_store(&cluster, store)->node, store == 1 ? 2000 : -2000);
		leader = sim_cluster_await_leader(&cluster);
		sim_cluster_write(&cluster, test_op_put("a", "old"), NULL);
		sim_cluster_cut(&cluster, leader, true);
		for (int i = 0; i < 1000 && next == 0; i++) {
			sim_cluster_run(&cluster, 10 * SIM_MS);
			if (sim_cluster_leader(&cluster) != leader)
				next = sim_cluster_leader(&cluster);
		}
		assert_int_not_equal(next, 0);
		assert_int_not_equal(read_by_lease(&cluster, leader).status, 0);
		sim_cluster_close(&cluster);
	}
}

/* Writes, each of whose appends may tell the followers that one before it is committed. */
#define WATCHED 8

struct watched {
	struct raftkv_write write;
	struct watch *watch;
};

/* What their way through the cluster is watched by. */
struct watch {
	struct sim_cluster *cluster;
	uint32_t leader;
	struct watched writes[WATCHED];
	uint32_t begun, done;
	bool was_paused;
	uint32_t chances; /* moments in which a follower shows more than the leader */
	uint32_t stale; /* and the leader serves nevertheless */
};

static void on_watched(struct raftkv_write *write, int status, struct buf *reply)
{
	(void)reply;
	assert_int_equal(status, 0);
	container_of(write, struct watched, write)->watch->done++;
}

static void begin_watched(struct watch *watch)
{
	struct sim_store *store = sim_cluster_store(watch->cluster, watch->leader);
	struct watched *watched = &watch->writes[watch->begun++];

	*watched = (struct watched){.watch = watch,
		.write = {.region = 1,
			.body = test_op_put("a", "new"),
			.loop = store->caller,
			.done = on_watched}};
	raftkv_async_write(store->raftkv, &watched->write);
	buf_unref(watched->write.body);
}

static uint64_t visible_at(const struct watch *watch, uint32_t store)
{
	struct raftkv *raftkv = sim_cluster_store(watch->cluster, store)->raftkv;

	return atomic_load(&router_find(&raftkv->router, 1)->applied_index);
}

/* What was committed is on its way to the followers; the leader is slow to show it. */
static void pause_leader(struct watch *watch)
{
	struct sim_store *store = sim_cluster_store(watch->cluster, watch->leader);
	uint64_t committed = atomic_load(&router_find(&store->raftkv->router, 1)->commit_index);

	if (watch->was_paused || committed <= visible_at(watch, watch->leader))
		return;
	watch->was_paused = true;
	sim_node_pause(store->node, 20 * SIM_MS);
}

static bool watch_write(void *argument)
{
	struct watch *watch = argument;
	uint64_t visible = visible_at(watch, watch->leader);

	pause_leader(watch);
	for (uint32_t store = 1; store <= 3; store++) {
		if (visible_at(watch, store) <= visible)
			continue;
		watch->chances++;
		watch->stale += read_by_lease(watch->cluster, watch->leader).status == 0;
	}
	return watch->done == WATCHED;
}

/* A reader of a follower may have seen it: one of the leader that comes later must see it, too. */
static void leader_does_not_serve_less_than_a_follower_shows(void **state)
{
	uint32_t chances = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct sim_cluster cluster;
		struct watch watch = {.cluster = &cluster};

		begin(&cluster, 600 + seed);
		watch.leader = sim_cluster_await_leader(&cluster);
		for (int i = 0; i < 10; i++) {
			watch.begun = watch.done = 0;
			watch.was_paused = false;
			while (watch.begun < WATCHED) {
				begin_watched(&watch);
				sim_run(cluster.world, 100 * SIM_US, watch_write, &watch);
			}
			assert_true(watch.done == WATCHED ||
				    sim_run(cluster.world, 10 * (uint64_t)SIM_S, watch_write, &watch));
		}
		assert_int_equal(watch.stale, 0);
		chances += watch.chances;
		sim_cluster_close(&cluster);
	}
	assert_int_not_equal(chances, 0);
}

/* ---- Time begins when the store serves -------------------------------------------------------------------------- */

#define ELECTION ((uint64_t)15 * 100 * SIM_MS)

/* When a store first asked for votes; 0: it has not. */
struct seen_campaign {
	const struct sim_cluster *cluster;
	uint64_t store;
	uint64_t begun;
};

static bool note_campaign(
	void *argument, const struct peer_envelope *envelope, const struct raft_message *message)
{
	struct seen_campaign *campaign = argument;
	bool is_first = campaign->begun == 0 && envelope->from.store == campaign->store;

	if (is_first && (message->type == RAFT_MSG_PRE_VOTE || message->type == RAFT_MSG_VOTE))
		campaign->begun = sim_time(campaign->cluster->world);
	return true;
}

/* All die under load; each is opened in longer than any election timeout, which begins only then. */
static void opening_may_take_longer_than_an_election(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct sim_cluster cluster;
		struct seen_campaign campaign = {.cluster = &cluster};

		begin(&cluster, 700 + seed);
		for (int i = 0; i < 20; i++)
			sim_cluster_write(&cluster, test_op_put("a", "new"), NULL);
		for (uint32_t store = 1; store <= 3; store++)
			sim_store_kill(sim_cluster_store(&cluster, store));
		cluster.transport.filter = note_campaign;
		cluster.transport.filter_argument = &campaign;
		for (uint32_t store = 1; store <= 3; store++) {
			uint64_t begun = sim_time(cluster.world), opened;

			set_blocking(&cluster, store, ELECTION);
			sim_cluster_open(&cluster, store);
			set_blocking(&cluster, store, 0);
			opened = sim_time(cluster.world);
			assert_true(opened - begun > 2 * ELECTION);
			campaign.store = store;
			campaign.begun = 0;
			sim_cluster_run(&cluster, 3 * ELECTION);
			assert_true(campaign.begun == 0 || campaign.begun - opened >= ELECTION * 9 / 10);
		}
		sim_cluster_write(&cluster, test_op_put("a", "newer"), NULL);
		sim_cluster_close(&cluster);
	}
}

/* ---- Read indexes ----------------------------------------------------------------------------------------------- */

struct late_answer {
	struct sim_store *to;
	bool is_kept; /* one has been caught */
	bool is_sent; /* to the next process, once that asks */
	struct peer_envelope envelope;
	struct raft_message message;
};

static void keep_answer(
	struct late_answer *late, const struct peer_envelope *envelope, const struct raft_message *message)
{
	late->is_kept = true;
	late->envelope = *envelope;
	late->message = *message;
	buf_ref(late->message.context);
}

static void send_late_answer(struct late_answer *late)
{
	struct raft_message copy = late->message;

	buf_ref(copy.context);
	late->is_sent = true;
	raftkv_step(late->to->raftkv, &late->envelope, &copy);
}

/* Catches the first answer to the store; its next process gets that one, and heartbeats. */
static bool make_late(
	void *argument, const struct peer_envelope *envelope, const struct raft_message *message)
{
	struct late_answer *late = argument;
	bool is_to = envelope->to.store == late->to->options.store;
	bool is_from = envelope->from.store == late->to->options.store;

	if (late->is_kept && is_from && message->type == RAFT_MSG_READ_INDEX)
		send_late_answer(late);
	if (late->is_kept)
		return !is_to || message->type == RAFT_MSG_HEARTBEAT;
	if (is_to && message->type == RAFT_MSG_READ_INDEX_RESP)
		keep_answer(late, envelope, message);
	return !late->is_kept;
}

/* The answer to a read of the process before the restart comes late, and another read has the same number. */
static void late_answer_does_not_serve_a_read_of_the_next_process(void **state)
{
	struct late_answer late = {0};
	struct sim_answer answer;
	struct sim_cluster cluster;
	uint32_t leader, follower;

	(void)state;
	begin(&cluster, 400);
	leader = sim_cluster_await_leader(&cluster);
	follower = leader % 3 + 1;
	sim_cluster_run(&cluster, SIM_S);
	late.to = sim_cluster_store(&cluster, follower);
	cluster.transport.filter = make_late;
	cluster.transport.filter_argument = &late;
	sim_cluster_read_at(&cluster, follower, "a", true);
	assert_true(late.is_kept);
	late.is_sent = false;
	sim_store_stop(late.to);
	sim_cluster_write(&cluster, test_op_put("a", "new"), NULL);
	sim_cluster_open(&cluster, follower);
	sim_cluster_run(&cluster, SIM_S);
	answer = sim_cluster_read_at(&cluster, follower, "a", true);
	assert_true(late.is_sent);
	assert_int_not_equal(answer.status, 0);
	buf_unref(late.message.context);
	sim_cluster_close(&cluster);
}

/* ---- Payloads --------------------------------------------------------------------------------------------------- */

static struct buf *units(uint32_t count, uint8_t seed)
{
	struct buf *buf = buf_new((size_t)count * BLOCK_UNIT_SIZE);

	for (size_t i = 0; i < buf->size; i++)
		((uint8_t *)buf->data)[i] = (uint8_t)(i / BLOCK_UNIT_SIZE * 31 + i % 251 + seed);
	return buf;
}

struct payload_check {
	const struct buf *payload;
	uint64_t wrong;
};

static int check_units(void *argument, const struct mutation *mutation)
{
	struct payload_check *check = argument;

	for (uint64_t i = 0; mutation->kind == MUTATION_WRITE && mutation->is_beside && i < mutation->count;
		i++) {
		struct reader sum = reader_of(slice_of(mutation->checksums + i * 4, 4));

		check->wrong += blocks_checksum((const uint8_t *)check->payload->data +
						i * BLOCK_UNIT_SIZE) != reader_u32le(&sum);
	}
	return 0;
}

static bool count_wrong(
	void *argument, const struct peer_envelope *envelope, const struct raft_message *message)
{
	uint64_t *wrong = argument, epoch_version;

	(void)envelope;
	for (size_t i = 0; i < message->entries.count; i++) {
		struct payload_check check = {.payload = message->entries.items[i].payload};

		if (check.payload)
			mutations_each(&message->entries.items[i], &epoch_version, check_units, &check);
		*wrong += check.wrong;
	}
	return true;
}

/* After a restart the extents of applied entries may hold something else, while the log still has the entries. */
static void payload_of_a_reused_extent_is_never_sent(void **state)
{
	struct sim_cluster cluster;
	uint64_t wrong = 0;

	(void)state;
	begin(&cluster, 500);
	cluster.transport.filter = count_wrong;
	cluster.transport.filter_argument = &wrong;
	sim_cluster_run(&cluster, SIM_S);
	sim_cluster_cut(&cluster, 3, true);
	for (uint8_t i = 0; i < 8; i++)
		sim_cluster_write(&cluster, test_op_write("o", 0), units(32, i));
	sim_cluster_run(&cluster, 3 * (uint64_t)SIM_S);
	for (uint32_t store = 1; store <= 2; store++) {
		sim_store_stop(sim_cluster_store(&cluster, store));
		sim_cluster_open(&cluster, store);
	}
	for (uint8_t i = 0; i < 8; i++)
		sim_cluster_write(&cluster, test_op_write("p", 32u * i), units(32, (uint8_t)(100 + i)));
	sim_cluster_cut(&cluster, 3, false);
	sim_cluster_run(&cluster, 10 * (uint64_t)SIM_S);
	assert_int_equal(wrong, 0);
	assert_int_equal(cluster.transport.payloads_missing, 0);
	sim_cluster_close(&cluster);
}

/* ---- Disks that are full ---------------------------------------------------------------------------------------- */

#define FULL_UNITS 32u /* of a write */

static void limit_disk(struct sim_store *store, uint64_t more)
{
	struct env_space space;

	assert_int_equal(env_space(store->env, "/store", &space), 0);
	sim_node_faults(store->node)->capacity = space.total - space.available + more;
}

/* The followers' disks are a little fuller than the leader's, which refuses what is new in time: what needs no room is
 * done as before, or nothing could ever be removed. */
static void disks_that_fill_up_together_leave_room_to_remove(void **state)
{
	struct sim_answer answer = {0};
	struct sim_cluster cluster;
	uint32_t leader, count = 0;

	(void)state;
	begin(&cluster, 71);
	leader = sim_cluster_await_leader(&cluster);
	for (uint32_t store = 1; store <= 3; store++)
		limit_disk(sim_cluster_store(&cluster, store), store == leader ? 4u << 20 : 3996u << 10);
	for (; count < 64 && answer.status == 0; count++)
		answer = sim_cluster_write_at(&cluster, leader, test_op_write("o", FULL_UNITS * count),
			units(FULL_UNITS, (uint8_t)count));
	assert_in_range(count, 8, 63);
	assert_int_equal(answer.status, -ENOSPC);
	sim_cluster_write(&cluster, test_op_put("a", "new"), NULL);
	for (uint32_t store = 1; store <= 3; store++)
		assert_false(sim_cluster_store(&cluster, store)->has_failed);
	sim_cluster_close(&cluster);
}

/* The leader has room, this store does not: it neither acknowledges nor stops, over a restart too, and later catches
 * up. */
static void follower_without_room_waits(void **state)
{
	unsigned char found[FULL_UNITS * 4096], expected[FULL_UNITS * 4096];
	struct sim_cluster cluster;
	struct sim_store *full;
	uint32_t number;

	(void)state;
	begin(&cluster, 70);
	number = sim_cluster_await_leader(&cluster) % 3 + 1;
	full = sim_cluster_store(&cluster, number);
	limit_disk(full, 300u << 10);
	for (uint8_t i = 0; i < 64; i++)
		sim_cluster_write(&cluster, test_op_write("o", FULL_UNITS * i), units(FULL_UNITS, i));
	assert_false(full->has_failed);
	sim_store_kill(full);
	sim_cluster_open(&cluster, number);
	sim_cluster_run(&cluster, 5 * (uint64_t)SIM_S);
	sim_cluster_write(&cluster, test_op_put("a", "new"), NULL);
	assert_false(full->has_failed);
	sim_node_faults(full->node)->capacity = 0;
	sim_cluster_run(&cluster, 10 * (uint64_t)SIM_S);
	for (uint8_t i = 0; i < 64; i++) {
		struct buf *units_written = units(FULL_UNITS, i);

		memcpy(expected, units_written->data, sizeof expected);
		buf_unref(units_written);
		assert_int_equal(
			sim_cluster_read_units_at(&cluster, number, "o", FULL_UNITS * i, FULL_UNITS, found),
			0);
		assert_memory_equal(found, expected, sizeof found);
	}
	sim_cluster_close(&cluster);
}

/* ---- More at once than a segment of the log holds --------------------------------------------------------------- */

#define MANY	   600u
#define VALUE_SIZE 4000u

struct burst {
	uint32_t left;
	int status;
};

struct burst_write {
	struct raftkv_write write;
	struct burst *burst;
};

static void on_burst_written(struct raftkv_write *write, int status, struct buf *reply)
{
	struct burst *burst = container_of(write, struct burst_write, write)->burst;

	(void)reply;
	burst->left--;
	if (status < 0)
		burst->status = status;
}

static bool is_burst_over(void *argument)
{
	return ((const struct burst *)argument)->left == 0;
}

static void many_writes_at_once_fit_into_the_log(void **state)
{
	static struct burst_write writes[MANY];
	char value[VALUE_SIZE + 1] = {0};
	struct sim_cluster cluster;
	struct burst burst = {.left = MANY};
	struct sim_store *leader;

	(void)state;
	begin(&cluster, 80);
	memset(value, 'v', VALUE_SIZE);
	leader = sim_cluster_store(&cluster, sim_cluster_await_leader(&cluster));
	for (uint32_t i = 0; i < MANY; i++) {
		writes[i] = (struct burst_write){.burst = &burst,
			.write = {.region = 1,
				.body = test_op_put("a", value),
				.loop = leader->caller,
				.done = on_burst_written}};
		raftkv_async_write(leader->raftkv, &writes[i].write);
	}
	assert_true(sim_run(cluster.world, 60 * (uint64_t)SIM_S, is_burst_over, &burst));
	assert_int_equal(burst.status, 0);
	for (uint32_t i = 0; i < MANY; i++)
		buf_unref(writes[i].write.body);
	for (uint32_t i = 0; i < 3; i++)
		assert_false(cluster.stores[i].has_failed);
	sim_cluster_close(&cluster);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vote_is_asked_for_in_a_term_that_a_crash_cannot_take_back),
		cmocka_unit_test(restarted_voter_does_not_break_a_lease),
		cmocka_unit_test(restarted_voter_that_was_alone_once_keeps_its_promises),
		cmocka_unit_test(restarted_voter_leads_when_its_leader_asks),
		cmocka_unit_test(lease_ends_when_the_leadership_is_handed_over),
		cmocka_unit_test(lease_ends_before_another_leads),
		cmocka_unit_test(leader_does_not_serve_less_than_a_follower_shows),
		cmocka_unit_test(opening_may_take_longer_than_an_election),
		cmocka_unit_test(late_answer_does_not_serve_a_read_of_the_next_process),
		cmocka_unit_test(payload_of_a_reused_extent_is_never_sent),
		cmocka_unit_test(follower_without_room_waits),
		cmocka_unit_test(disks_that_fill_up_together_leave_room_to_remove),
		cmocka_unit_test(many_writes_at_once_fit_into_the_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
