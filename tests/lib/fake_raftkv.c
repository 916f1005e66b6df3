#include "tests/lib/fake_raftkv.h"

#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/container.h"
#include "store/transport/lives.h"
#include "store/raftkv.h"

#define REGION 1u

struct pending_write {
	struct env_timer timer;
	struct raftkv *raftkv;
	struct raftkv_write *write;
	struct op op;
	struct pending_write *next;
	bool is_held;
};

struct pending_read {
	struct env_timer timer;
	struct raftkv *raftkv;
	struct raftkv_read *read;
};

/* A region that a call of raftkv_each_changed_region has seen. */
struct seen_region {
	uint64_t id;
	struct region_epoch epoch; /* zeroes: it is not here any more */
	uint64_t changed; /* the number of the call that has seen its last change */
};

struct raftkv {
	struct fake_raftkv_options options;
	struct fs_harness files;
	struct pending_write *writes;
	struct fake_raftkv_counts counts;
	uint64_t random;
	int data_status;
	bool is_holding;
	const struct region *regions; /* in the order of their ranges */
	uint32_t region_count;
	struct seen_region *seen;
	uint32_t seen_count;
	uint64_t looks; /* calls of raftkv_each_changed_region */
	struct fake_raftkv_splits splits;
	struct fake_raftkv_changes changes;
};

struct raftkv_snapshot {
	struct raftkv *raftkv;
};

static uint64_t next_random(struct raftkv *raftkv, uint64_t below)
{
	raftkv->random = raftkv->random * 6364136223846793005u + 1442695040888963407u;
	return (raftkv->random >> 33) % below;
}

static bool one_in(struct raftkv *raftkv, uint32_t count)
{
	return count > 0 && next_random(raftkv, count) == 0;
}

static uint64_t delay(struct raftkv *raftkv)
{
	return next_random(raftkv, raftkv->options.delay_max_ns + 1);
}

static const struct region only_region = {.id = REGION, .epoch = {.version = 1, .conf_version = 1}};

struct raftkv *fake_raftkv_new(const struct fake_raftkv_options *options)
{
	struct raftkv *raftkv = calloc(1, sizeof *raftkv);

	check(raftkv != NULL);
	raftkv->options = *options;
	raftkv->random = options->seed;
	raftkv->regions = &only_region;
	raftkv->region_count = 1;
	fs_harness_init(&raftkv->files, options->seed);
	return raftkv;
}

void fake_raftkv_free(struct raftkv *raftkv)
{
	check(!raftkv->writes);
	fs_harness_close(&raftkv->files);
	free(raftkv->seen);
	free(raftkv);
}

struct fs_harness *fake_raftkv_files(struct raftkv *raftkv)
{
	memory_view_set_blocking(raftkv->files.memory, 0, 0);
	return &raftkv->files;
}

const struct fake_raftkv_counts *fake_raftkv_counts(const struct raftkv *raftkv)
{
	return &raftkv->counts;
}

void fake_raftkv_fail_data(struct raftkv *raftkv, int status)
{
	raftkv->data_status = status;
}

void fake_raftkv_set_regions(struct raftkv *raftkv, const struct region *regions, uint32_t count)
{
	raftkv->regions = regions;
	raftkv->region_count = count;
}

static int refusal(struct raftkv *raftkv)
{
	static const int statuses[] = {STATUS_NOT_LEADER, STATUS_NOT_READY, STATUS_PROPOSAL_DROPPED,
		STATUS_EPOCH_NOT_MATCH, STATUS_REGION_NOT_FOUND, STATUS_LIMIT};

	raftkv->counts.refused++;
	return statuses[next_random(raftkv, sizeof statuses / sizeof statuses[0])];
}

static void set_cold(struct raftkv *raftkv, bool may_be_cold)
{
	memory_view_set_blocking(raftkv->files.memory, may_be_cold ? raftkv->options.cold_one_in : 0,
		next_random(raftkv, UINT32_MAX));
}

int raftkv_find_region(struct raftkv *raftkv, struct slice key, uint64_t *region, struct region_epoch *epoch)
{
	uint32_t i = 0;

	while (raftkv->regions[i].end && slice_compare(buf_slice(raftkv->regions[i].end), key) <= 0)
		i++;
	*region = raftkv->regions[i].id;
	*epoch = raftkv->regions[i].epoch;
	return 0;
}

/* ---- Writes ---- */

static bool overlaps(const struct pending_write *a, const struct pending_write *b)
{
	const struct op_write *x = &a->op.write, *y = &b->op.write;

	return a->op.kind == OP_WRITE && b->op.kind == OP_WRITE && x->ino == y->ino &&
	       x->offset < y->offset + b->write->payload->size &&
	       y->offset < x->offset + a->write->payload->size;
}

static void add(struct raftkv *raftkv, struct pending_write *pending)
{
	uint64_t data = pending->op.kind == OP_WRITE;

	for (const struct pending_write *other = raftkv->writes; other; other = other->next) {
		raftkv->counts.overlaps += overlaps(pending, other);
		data += other->op.kind == OP_WRITE;
	}
	pending->next = raftkv->writes;
	raftkv->writes = pending;
	raftkv->counts.in_flight++;
	if (data > raftkv->counts.data_in_flight_most)
		raftkv->counts.data_in_flight_most = data;
}

static void take_out(struct raftkv *raftkv, struct pending_write *pending)
{
	struct pending_write **link = &raftkv->writes;

	while (*link != pending)
		link = &(*link)->next;
	*link = pending->next;
	raftkv->counts.in_flight--;
}

static int evaluate(struct raftkv *raftkv, const struct pending_write *pending, struct buf **reply)
{
	struct op_reply answer;
	int status;

	set_cold(raftkv, true);
	raftkv->files.session = pending->write->session;
	status = fs_harness_run(&raftkv->files, &pending->op, pending->write->payload);
	if (status <= STATUS_FIRST)
		return status;
	raftkv->counts.writes++;
	if (pending->op.kind == OP_WRITE) {
		raftkv->counts.data_writes++;
		raftkv->counts.data_bytes += pending->write->payload->size;
	}
	answer = raftkv->files.reply;
	answer.error = status;
	return op_reply_encode(&answer, reply);
}

static void on_write_timer(struct env_timer *timer)
{
	struct pending_write *pending = container_of(timer, struct pending_write, timer);
	struct raftkv *raftkv = pending->raftkv;
	struct raftkv_write *write = pending->write;
	struct buf *reply = NULL;
	int status;

	if (raftkv->is_holding) {
		pending->is_held = true;
		return;
	}
	if (write->region != REGION)
		status = STATUS_REGION_NOT_FOUND;
	else if (one_in(raftkv, raftkv->options.refuse_one_in))
		status = refusal(raftkv);
	else if (pending->op.kind == OP_WRITE && raftkv->data_status)
		status = raftkv->data_status;
	else
		status = evaluate(raftkv, pending, &reply);
	take_out(raftkv, pending);
	free(pending);
	write->done(write, status, reply);
	buf_unref(reply);
}

static void start(struct pending_write *pending)
{
	struct env_loop *loop = pending->write->loop;

	pending->is_held = false;
	env_timer_start(
		&pending->timer, loop, env_now(env_loop_env(loop)) + delay(pending->raftkv), on_write_timer);
}

void fake_raftkv_hold(struct raftkv *raftkv, bool hold)
{
	raftkv->is_holding = hold;
	for (struct pending_write *pending = raftkv->writes; pending && !hold; pending = pending->next)
		if (pending->is_held)
			start(pending);
}

void raftkv_async_write(struct raftkv *raftkv, struct raftkv_write *write)
{
	struct pending_write *pending = calloc(1, sizeof *pending);

	check(pending != NULL);
	pending->raftkv = raftkv;
	pending->write = write;
	check(op_decode(buf_slice(write->body), &pending->op) == 0);
	add(raftkv, pending);
	start(pending);
}

/* ---- Reads ---- */

static struct raftkv_snapshot *make_snapshot(struct raftkv *raftkv)
{
	struct raftkv_snapshot *snapshot = calloc(1, sizeof *snapshot);

	check(snapshot != NULL);
	snapshot->raftkv = raftkv;
	return snapshot;
}

static void on_read_timer(struct env_timer *timer)
{
	struct pending_read *pending = container_of(timer, struct pending_read, timer);
	struct raftkv *raftkv = pending->raftkv;
	struct raftkv_read *read = pending->read;
	bool is_refused = one_in(raftkv, raftkv->options.refuse_one_in);

	free(pending);
	raftkv->counts.rounds++;
	read->leader_store = raftkv->options.is_follower ? 2 : 0;
	if (read->region != REGION)
		read->done(read, STATUS_REGION_NOT_FOUND, NULL);
	else if (raftkv->options.is_follower && !read->from_follower)
		read->done(read, STATUS_NOT_LEADER, NULL);
	else if (is_refused)
		read->done(read, refusal(raftkv), NULL);
	else
		read->done(read, 0, make_snapshot(raftkv));
}

void raftkv_async_snapshot(struct raftkv *raftkv, struct raftkv_read *read)
{
	struct pending_read *pending = calloc(1, sizeof *pending);

	check(pending != NULL);
	pending->raftkv = raftkv;
	pending->read = read;
	env_timer_start(&pending->timer, read->loop, env_now(env_loop_env(read->loop)) + delay(raftkv),
		on_read_timer);
}

int raftkv_local_snapshot(
	struct raftkv *raftkv, uint64_t region, uint64_t epoch_version, struct raftkv_snapshot **snapshot)
{
	if (region != REGION || epoch_version > 1)
		return region != REGION ? STATUS_REGION_NOT_FOUND : STATUS_EPOCH_NOT_MATCH;
	if (raftkv->options.is_follower || one_in(raftkv, raftkv->options.round_one_in))
		return STATUS_WOULD_BLOCK;
	if (one_in(raftkv, raftkv->options.refuse_one_in))
		return refusal(raftkv);
	*snapshot = make_snapshot(raftkv);
	return 0;
}

int raftkv_stale_snapshot(struct raftkv *raftkv, uint64_t region, struct raftkv_snapshot **snapshot)
{
	(void)region;
	*snapshot = make_snapshot(raftkv);
	return 0;
}

struct view *raftkv_snapshot_view(struct raftkv_snapshot *snapshot, bool may_block)
{
	set_cold(snapshot->raftkv, !may_block);
	return snapshot->raftkv->files.view;
}

void raftkv_snapshot_free(struct raftkv_snapshot *snapshot)
{
	free(snapshot);
}

void raftkv_stats(struct raftkv *raftkv, struct raftkv_stats *stats)
{
	*stats = (struct raftkv_stats){
		.writes = raftkv->counts.writes,
		.blocks = {.total_units = 1000, .used_units = 10},
	};
}

/* ---- Looking ---- */

int raftkv_judge_life(struct raftkv *raftkv, const struct life_claim *claim, struct status *refusal)
{
	(void)raftkv, (void)claim, (void)refusal;
	return 0;
}

void raftkv_each_region(struct raftkv *raftkv,
	void (*each)(void *argument, const struct region *region, uint64_t term), void *argument)
{
	raftkv_each_region_from(raftkv, (struct slice){0}, UINT32_MAX, each, argument);
}

void raftkv_each_region_from(struct raftkv *raftkv, struct slice key, uint32_t limit,
	void (*each)(void *argument, const struct region *region, uint64_t term), void *argument)
{
	for (uint32_t i = 0; i < raftkv->region_count && limit > 0; i++) {
		const struct region *region = &raftkv->regions[i];

		if (region->end && slice_compare(buf_slice(region->end), key) <= 0)
			continue;
		each(argument, region, 1);
		limit--;
	}
}

static const struct region *fake_raftkv_find_region(const struct raftkv *raftkv, uint64_t region)
{
	for (uint32_t i = 0; i < raftkv->region_count; i++)
		if (raftkv->regions[i].id == region)
			return &raftkv->regions[i];
	return NULL;
}

static struct seen_region *take_seen(struct raftkv *raftkv, uint64_t id)
{
	for (uint32_t i = 0; i < raftkv->seen_count; i++)
		if (raftkv->seen[i].id == id)
			return &raftkv->seen[i];
	raftkv->seen = realloc(raftkv->seen, (raftkv->seen_count + 1) * sizeof *raftkv->seen);
	check(raftkv->seen != NULL);
	raftkv->seen[raftkv->seen_count] = (struct seen_region){.id = id};
	return &raftkv->seen[raftkv->seen_count++];
}

static void see(struct raftkv *raftkv, struct seen_region *seen, struct region_epoch epoch)
{
	if (seen->epoch.version == epoch.version && seen->epoch.conf_version == epoch.conf_version)
		return;
	seen->epoch = epoch;
	seen->changed = raftkv->looks;
}

/* What is applied does not count. */
uint64_t raftkv_each_changed_region(struct raftkv *raftkv, uint64_t since,
	void (*each)(void *argument, const struct region *region, uint64_t term), void *argument)
{
	raftkv->looks++;
	for (uint32_t i = 0; i < raftkv->region_count; i++)
		see(raftkv, take_seen(raftkv, raftkv->regions[i].id), raftkv->regions[i].epoch);
	for (uint32_t i = 0; i < raftkv->seen_count; i++) {
		const struct region gone = {.id = raftkv->seen[i].id};
		const struct region *region = fake_raftkv_find_region(raftkv, gone.id);

		if (!region)
			see(raftkv, &raftkv->seen[i], gone.epoch);
		if (raftkv->seen[i].changed > since)
			each(argument, region ? region : &gone, region ? 1 : 0);
	}
	return raftkv->looks;
}

uint64_t raftkv_leader_term(struct raftkv *raftkv, uint64_t region)
{
	return fake_raftkv_find_region(raftkv, region) ? 1 : 0;
}

int raftkv_region_range(struct raftkv *raftkv, uint64_t region, struct region *range)
{
	const struct region *found = fake_raftkv_find_region(raftkv, region);

	return found ? region_copy(range, found) : STATUS_REGION_NOT_FOUND;
}

static void on_status(struct env_mail *mail)
{
	struct raftkv_region_status *request = container_of(mail, struct raftkv_region_status, mail);

	request->done(request, request->status);
}

void raftkv_region_status(struct raftkv *raftkv, struct raftkv_region_status *request)
{
	const struct region *region = fake_raftkv_find_region(raftkv, request->region);

	request->status = region ? 0 : STATUS_REGION_NOT_FOUND;
	request->epoch = region ? region->epoch : (struct region_epoch){0};
	request->leader_store = 1;
	request->is_serving = true;
	request->member_count = 1;
	request->members[0].peer = (struct region_peer){.id = 1, .store = 1, .roles = REGION_VOTER};
	env_post(request->loop, &request->mail, on_status);
}

/* ---- Splits ---- */

struct fake_raftkv_splits *fake_raftkv_splits(struct raftkv *raftkv)
{
	return &raftkv->splits;
}

static void on_split(struct env_mail *mail)
{
	struct raftkv_split *split = container_of(mail, struct raftkv_split, mail);
	struct buf *key = split->key;

	split->done(split, split->status);
	buf_unref(key);
}

void raftkv_split(struct raftkv *raftkv, struct raftkv_split *split)
{
	struct fake_raftkv_splits *splits = &raftkv->splits;

	splits->count++;
	splits->region = split->region;
	splits->new_region = split->new_region;
	splits->epoch = split->epoch;
	splits->key.size = (uint16_t)split->key->size;
	memcpy(splits->key.bytes, split->key->data, split->key->size);
	buf_ref(split->key);
	split->leader_store = 0;
	split->status = splits->status;
	env_post(split->loop, &split->mail, on_split);
}

/* ---- Members ---- */

struct fake_raftkv_changes *fake_raftkv_changes(struct raftkv *raftkv)
{
	return &raftkv->changes;
}

static void on_change(struct env_mail *mail)
{
	struct raftkv_change *change = container_of(mail, struct raftkv_change, mail);

	change->done(change, change->status);
}

void raftkv_change_peers(struct raftkv *raftkv, struct raftkv_change *change)
{
	raftkv->changes.count++;
	raftkv->changes.last = change->change;
	change->leader_store = 0;
	change->status = raftkv->changes.status;
	env_post(change->loop, &change->mail, on_change);
}

int raftkv_transfer_leader(struct raftkv *raftkv, uint64_t region, uint64_t store)
{
	raftkv->changes.transfers++;
	raftkv->changes.region = region;
	raftkv->changes.store = store;
	return raftkv->changes.status;
}

bool raftkv_sync(struct raftkv *raftkv, struct raftkv_sync *sync)
{
	(void)sync;
	raftkv->counts.syncs++;
	return false;
}

void raftkv_set_early(struct raftkv *raftkv, bool is_early)
{
	(void)raftkv, (void)is_early;
}
