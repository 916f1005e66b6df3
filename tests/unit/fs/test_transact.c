/*
 * fs/eval/transact, prepare, resolve, ends: operations across regions, one step at a time. Each region is a harness of its own;
 * what the stores do between the steps (fs/transact/transactions.h) is done here.
 */
#include "fs/eval/transact.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/eval/split.h"
#include "fs/intents/intent_view.h"
#include "fs/schema/read_rows.h"
#include "fs/schema/records.h"
#include "proto/check.h"
#include "proto/status.h"
#include "store/rows/slots.h"
#include "tests/lib/fs_harness.h"
#include "tests/lib/test.h"

#define REGIONS_MAX 5u
#define DIRECTORIES 6u /* of the root */
#define SECOND	    UINT64_C(1000000000)
#define WALL	    (UINT64_C(1800000000) * SECOND) /* after all that the harnesses do by themselves */
#define STEPS_MAX   100u

/* Region 1 has the root, and directories 0 and 1; region 2 has 2 and 3, region 3 has 4 and 5. Each directory has a file
 * "f" and a directory "s" in its region. */
struct cluster {
	struct fs_harness regions[REGIONS_MAX];
	struct fs_key starts[REGIONS_MAX + 1]; /* the first is not used */
	uint32_t count;
	uint64_t directories[DIRECTORIES]; /* ascending */
	char names[DIRECTORIES][16]; /* in the root */
	uint64_t attempts;
	uint64_t wall;
};

/* ---- Regions ---- */

static struct slice start_of(const struct cluster *cluster, uint32_t region)
{
	return region > 0 ? fs_key_slice(&cluster->starts[region]) : (struct slice){0};
}

static struct slice end_of(const struct cluster *cluster, uint32_t region)
{
	return region + 1 < cluster->count ? fs_key_slice(&cluster->starts[region + 1]) : (struct slice){0};
}

static void set_ranges(struct cluster *cluster)
{
	for (uint32_t i = 0; i < cluster->count; i++) {
		struct fs_harness *fs = &cluster->regions[i];

		fs->region_start = start_of(cluster, i);
		fs->region_end = end_of(cluster, i);
		memory_view_set_range(fs->memory, fs->region_start, fs->region_end);
	}
}

static struct fs_harness *region_of(struct cluster *cluster, uint64_t ino)
{
	struct fs_key key = fs_key_inode(ino);
	uint32_t region = cluster->count - 1;

	while (region > 0 && slice_compare(fs_key_slice(&key), start_of(cluster, region)) < 0)
		region--;
	return &cluster->regions[region];
}

static void apply(struct fs_harness *fs, struct mutations *mutations)
{
	struct raft_entry entry;

	if (mutations->count == 0)
		return;
	check(mutations_finish(mutations, 1, &entry) == 0);
	check(memory_view_apply(fs->memory, &entry) == 0);
	buf_unref(entry.data);
	buf_unref(entry.payload);
}

struct copying {
	struct mutations *from, *to;
	struct slice key;
};

static int copy_data(void *argument, struct slice key, struct slice value)
{
	struct copying *copying = argument;

	mutations_put(copying->to, KEY_DATA, key, value);
	mutations_delete(copying->from, KEY_DATA, key);
	return 0;
}

static int copy_local(void *argument, struct slice key, struct slice value)
{
	struct copying *copying = argument;
	enum split_fate fate;

	if (*(const uint8_t *)key.data < SLOTS_KEY_FIRST_FREE)
		fate = SPLIT_IS_COPIED;
	else
		fate = eval_split_fate(NULL, key, copying->key, &value);
	if (fate != SPLIT_STAYS)
		mutations_put(copying->to, KEY_LOCAL, key, value);
	if (fate == SPLIT_MOVES)
		mutations_delete(copying->from, KEY_LOCAL, key);
	return 0;
}

/* The region of the directory is split there: a new one begins with it. */
static void split(struct cluster *cluster, uint64_t directory)
{
	struct fs_harness *lower = region_of(cluster, directory);
	uint32_t at = (uint32_t)(lower - cluster->regions) + 1;
	struct fs_key key = fs_key_dirid(fs_ino_dirid(directory));
	struct mutations from = {0}, to = {0};
	struct copying copying = {.from = &from, .to = &to, .key = fs_key_slice(&key)};
	struct fs_harness *upper = &cluster->regions[at];

	check(cluster->count < REGIONS_MAX);
	check(view_scan(lower->view, KEY_DATA, fs_key_slice(&key), lower->region_end, copy_data, &copying) ==
		0);
	check(view_scan(lower->view, KEY_LOCAL, (struct slice){0}, (struct slice){0}, copy_local, &copying) ==
		0);
	memmove(upper + 1, upper, (cluster->count - at) * sizeof *upper);
	memmove(&cluster->starts[at + 1], &cluster->starts[at], (cluster->count - at) * sizeof key);
	cluster->starts[at] = key;
	cluster->count++;
	fs_harness_init_empty(upper, at);
	upper->region = 100 + cluster->count;
	upper->term = 7;
	upper->wall = lower->wall;
	apply(lower, &from);
	apply(upper, &to);
	set_ranges(cluster);
}

static void open_session(struct fs_harness *fs, uint64_t session)
{
	struct mutations mutations = {0};

	slots_open(&mutations, session, (struct slice){0});
	apply(fs, &mutations);
}

static int compare_inodes(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

static int64_t ino_of(struct cluster *cluster, uint64_t directory, const char *name);

static void make_directories(struct cluster *cluster)
{
	struct fs_harness *fs = &cluster->regions[0];
	char name[16];

	for (uint32_t i = 0; i < DIRECTORIES; i++) {
		snprintf(name, sizeof name, "d%u", i);
		cluster->directories[i] = (uint64_t)fs_make(fs, FS_ROOT_INO, name, S_IFDIR | 0755);
	}
	qsort(cluster->directories, DIRECTORIES, sizeof *cluster->directories, compare_inodes);
	for (uint32_t i = 0; i < DIRECTORIES; i++) {
		snprintf(name, sizeof name, "d%u", i);
		for (uint32_t j = 0; j < DIRECTORIES; j++)
			if (ino_of(cluster, FS_ROOT_INO, name) == (int64_t)cluster->directories[j])
				strcpy(cluster->names[j], name);
	}
}

static int setup(void **state)
{
	struct cluster *cluster = calloc(1, sizeof *cluster);

	check(cluster != NULL);
	cluster->count = 1;
	cluster->wall = WALL;
	fs_harness_init(&cluster->regions[0], 3);
	set_ranges(cluster);
	make_directories(cluster);
	split(cluster, cluster->directories[2]);
	split(cluster, cluster->directories[4]);
	for (uint32_t i = 0; i < DIRECTORIES; i++) {
		struct fs_harness *fs = region_of(cluster, cluster->directories[i]);

		check(is_ino(fs_make(fs, cluster->directories[i], "f", S_IFREG | 0644)));
		check(is_ino(fs_make(fs, cluster->directories[i], "s", S_IFDIR | 0755)));
		open_session(fs, HARNESS_SESSION);
	}
	*state = cluster;
	return 0;
}

/* ---- All regions as one ---- */

static int merge_data(void *argument, struct slice key, struct slice value)
{
	memory_view_put(argument, KEY_DATA, key, value);
	return 0;
}

struct merge {
	struct fs_harness *whole;
	int64_t inodes;
	uint32_t steps; /* rows of attempts */
};

static int merge_local(void *argument, struct slice key, struct slice value)
{
	struct merge *merge = argument;
	char letter = *(const char *)key.data;
	int64_t count;

	if (letter == 'H')
		memory_view_put(merge->whole->memory, KEY_LOCAL, key, value);
	merge->steps += letter == 'T' || letter == 'K';
	if (letter == 'C' && inode_count_decode(value, &count) == 0)
		merge->inodes += count;
	return 0;
}

static uint32_t merge(struct cluster *cluster, struct fs_harness *whole)
{
	struct merge merge = {.whole = whole};
	struct mutations mutations = {0};

	fs_harness_init_empty(whole, 1);
	for (uint32_t i = 0; i < cluster->count; i++) {
		struct fs_harness *fs = &cluster->regions[i];

		check(view_scan(fs->view, KEY_DATA, fs->region_start, fs->region_end, merge_data,
			      whole->memory) == 0);
		check(view_scan(fs->view, KEY_LOCAL, (struct slice){0}, (struct slice){0}, merge_local,
			      &merge) == 0);
	}
	inode_count_put(&mutations, merge.inodes);
	apply(whole, &mutations);
	return merge.steps;
}

/* Nothing is under way, and all rows of all regions fit together. */
static void verify(struct cluster *cluster)
{
	struct fs_harness whole;

	assert_int_equal(merge(cluster, &whole), 0);
	fs_harness_verify(&whole);
	fs_harness_close(&whole);
}

static int add_digest(void *argument, struct slice key, struct slice value)
{
	uint64_t *digest = argument;
	const struct slice parts[] = {key, value};

	for (size_t part = 0; part < 2; part++)
		for (size_t i = 0; i < parts[part].size; i++)
			*digest =
				(*digest ^ ((const uint8_t *)parts[part].data)[i]) * UINT64_C(0x100000001b3);
	return 0;
}

/* Of all rows of all regions. */
static uint64_t digest_of(struct cluster *cluster)
{
	uint64_t digest = UINT64_C(0xcbf29ce484222325);

	for (uint32_t i = 0; i < cluster->count; i++) {
		struct fs_harness *fs = &cluster->regions[i];

		check(view_scan(fs->view, KEY_DATA, fs->region_start, fs->region_end, add_digest, &digest) ==
			0);
		check(view_scan(fs->view, KEY_LOCAL, (struct slice){0}, (struct slice){0}, add_digest,
			      &digest) == 0);
	}
	return digest;
}

static int teardown(void **state)
{
	struct cluster *cluster = *state;

	verify(cluster);
	for (uint32_t i = 0; i < cluster->count; i++)
		fs_harness_close(&cluster->regions[i]);
	free(cluster);
	return 0;
}

/* ---- Rows ---- */

/* The inode as its row says, whatever intents it has; false: there is none. */
static bool find_inode(struct cluster *cluster, uint64_t ino, struct inode *inode)
{
	struct fs_key key = fs_key_inode(ino);
	struct kv_value row = {0};
	int status = view_get(region_of(cluster, ino)->view, KEY_DATA, fs_key_slice(&key), &row);

	if (status == 0)
		check(inode_decode(row.data, ino, inode) == 0);
	else
		check(status == STATUS_NOT_FOUND);
	kv_value_close(&row);
	return status == 0;
}

static struct inode inode_of(struct cluster *cluster, uint64_t ino)
{
	struct inode inode;

	assert_true(find_inode(cluster, ino, &inode));
	return inode;
}

static void put_inode(struct cluster *cluster, const struct inode *inode)
{
	uint8_t bytes[FS_INODE_ROW_SIZE_MAX];
	struct writer writer = writer_fixed(bytes, sizeof bytes);
	struct fs_key key = fs_key_inode(inode->attributes.ino);

	check(inode_encode(inode, &writer) == 0);
	memory_view_put(region_of(cluster, inode->attributes.ino)->memory, KEY_DATA, fs_key_slice(&key),
		writer_written(&writer));
}

/* What the name means; -ENOENT. */
static int64_t ino_of(struct cluster *cluster, uint64_t directory, const char *name)
{
	struct inode inode = inode_of(cluster, directory);
	struct fs_key key = fs_key_entry(directory, fs_name_hash(inode.seed, text(name)), text(name));
	struct kv_value row = {0};
	struct entry entry;
	int status = view_get(region_of(cluster, directory)->view, KEY_DATA, fs_key_slice(&key), &row);

	if (status == STATUS_NOT_FOUND)
		return -ENOENT;
	check(status == 0 && entry_decode(row.data, &entry) == 0);
	kv_value_close(&row);
	return (int64_t)entry.ino;
}

static bool has_mark(struct cluster *cluster, uint64_t ino, uint64_t session)
{
	struct fs_key key = fs_key_orphan(ino, session);
	struct kv_value row = {0};
	int status = view_get(region_of(cluster, ino)->view, KEY_DATA, fs_key_slice(&key), &row);

	kv_value_close(&row);
	return status == 0;
}

/* ---- A coordinator ---- */

/* An operation and its attempt. */
struct run {
	struct cluster *cluster;
	const struct op *op;
	struct attempt attempt;
	struct intent_age age;
	uint64_t wall;
	struct writer facts, wanted; /* what it knows, and what it has asked for */
	struct buf *prepared; /* NULL: nothing */
	struct buf *lacking;
	struct lack lack;
	struct op_reply reply;
	bool is_committed;
	uint32_t steps; /* that it may still take before it is given up */
};

static uint64_t anchor_of(const struct op *op)
{
	switch (op->kind) {
	case OP_MAKE:
		return op->make.parent;
	case OP_LINK:
		return op->link.parent;
	case OP_RENAME:
		return op->rename.new_parent;
	default:
		return op->remove.parent;
	}
}

/* `asked`: a lower one is older. */
static void begin(struct run *run, struct cluster *cluster, const struct op *op, uint64_t asked)
{
	uint64_t anchor = anchor_of(op);
	struct fs_harness *fs = region_of(cluster, anchor);

	cluster->wall += SECOND;
	*run = (struct run){
		.cluster = cluster,
		.op = op,
		.attempt = {.anchor = anchor,
			.region = fs->region,
			.term = fs->term,
			.number = ++cluster->attempts},
		.age = {.asked = asked, .session = HARNESS_SESSION},
		.wall = cluster->wall,
		.facts = writer_growing(FACTS_SIZE_MAX),
		.wanted = writer_growing(FACTS_SIZE_MAX),
		.steps = STEPS_MAX,
	};
}

static void end(struct run *run)
{
	writer_close(&run->facts);
	writer_close(&run->wanted);
	buf_unref(run->prepared);
	buf_unref(run->lacking);
}

static bool has_committed(struct cluster *cluster, const struct attempt *attempt)
{
	struct fs_key key = fs_key_committed(attempt);
	struct fs_harness *fs = region_of(cluster, attempt->anchor);
	struct kv_value row = {0};
	int status = view_get(fs->view, KEY_LOCAL, fs_key_slice(&key), &row);

	kv_value_close(&row);
	return status == 0;
}

static struct slice prepared_of(const struct run *run)
{
	return run->prepared ? buf_slice(run->prepared) : (struct slice){0};
}

/* What it lacks is in `lack`. `answer`: the operation has ended so; empty: it is evaluated. */
static int transact_once(struct run *run, struct slice answer)
{
	struct fs_harness *fs = region_of(run->cluster, run->attempt.anchor);
	struct op op = {.kind = OP_TRANSACT,
		.transact = {.attempt = run->attempt,
			.age = run->age,
			.wall = run->wall,
			.random = {run->attempt.number, 77},
			.facts = writer_written(&run->facts),
			.prepared = prepared_of(run),
			.answer = answer}};
	struct buf *body;
	int status;

	check(op_encode(run->op, &body) == 0);
	op.transact.body = buf_slice(body);
	status = fs_harness_run(fs, &op, NULL);
	buf_unref(body);
	buf_unref(run->lacking);
	run->lacking = buf_ref(fs->lacking);
	if (status == STATUS_INCOMPLETE)
		check(lack_decode(buf_slice(run->lacking), &run->lack) == 0);
	run->reply = fs->reply;
	run->is_committed = run->is_committed || has_committed(run->cluster, &run->attempt);
	return status;
}

static void forget_facts(struct run *run)
{
	writer_close(&run->facts);
	writer_close(&run->wanted);
	run->facts = writer_growing(FACTS_SIZE_MAX);
	run->wanted = writer_growing(FACTS_SIZE_MAX);
}

/* What a region answers about its rows: the anchors' regions are asked about intents. */
static void read_wanted(struct cluster *cluster, const struct wanted *wanted, struct writer *facts)
{
	struct view *view = region_of(cluster, wanted->ino)->view;
	struct attempt_set set = {0};
	struct intent_view laid;
	uint32_t known;

	do {
		struct writer found = writer_growing(FACTS_SIZE_MAX);
		struct slice all;

		known = set.count;
		check(read_rows(intent_view_init(&laid, view, &set), wanted, &found) == 0);
		for (uint32_t i = known; i < set.count; i++)
			attempt_set_learn(&set, &set.attempts[i].attempt,
				has_committed(cluster, &set.attempts[i].attempt) ? ATTEMPT_IS_COMMITTED
										 : ATTEMPT_IS_OVER);
		all = writer_written(&found);
		if (known == set.count)
			writer_bytes(facts, all.data, all.size);
		writer_close(&found);
	} while (known < set.count);
	attempt_set_close(&set);
}

/* Asks for all rows again. Are they the same? */
static bool is_confirmed(struct run *run)
{
	struct writer again = writer_growing(FACTS_SIZE_MAX);
	struct slice rest = writer_written(&run->wanted), before = writer_written(&run->facts);
	struct wanted wanted;
	struct fact fact, now;
	bool is_same = true;

	while (wanted_next(&rest, &wanted))
		read_wanted(run->cluster, &wanted, &again);
	while (fact_next(&before, &fact))
		is_same = is_same && facts_find(writer_written(&again), fact.key, &now) &&
			  now.exists == fact.exists && slice_compare(now.row, fact.row) == 0;
	writer_close(&run->facts);
	run->facts = again;
	return is_same;
}

/* What it lacks is in `lack`, which is not LACKS_CHECK. */
static int transact(struct run *run)
{
	int status = transact_once(run, (struct slice){0});

	while (status == STATUS_INCOMPLETE && run->lack.kind == LACKS_CHECK) {
		struct buf *answer = buf_copy(run->lack.list.data, run->lack.list.size);
		bool is_right = is_confirmed(run);

		if (is_right && answer->size == 0)
			status = STATUS_CORRUPT;
		else
			status = transact_once(run, is_right ? buf_slice(answer) : (struct slice){0});
		buf_unref(answer);
	}
	return status;
}

/* Asks for the rows that it lacks. Later ones count. */
static void fetch(struct run *run)
{
	struct writer facts = writer_growing(FACTS_SIZE_MAX);
	struct slice rest = run->lack.list, older = writer_written(&run->facts);
	struct wanted wanted;

	writer_bytes(&run->wanted, rest.data, rest.size);
	while (wanted_next(&rest, &wanted))
		read_wanted(run->cluster, &wanted, &facts);
	writer_bytes(&facts, older.data, older.size);
	check(facts.status == 0);
	writer_close(&run->facts);
	run->facts = facts;
}

/* The intents at the beginning of `*rest` that are of one dirid. */
static struct slice take_group(struct slice *rest, uint32_t *count)
{
	struct slice group = *rest, next = *rest;
	struct intent first, intent;

	check(intent_next(&next, &first));
	*count = 0;
	do {
		*rest = next;
		++*count;
	} while (intent_next(&next, &intent) && fs_ino_dirid(intent.ino) == fs_ino_dirid(first.ino));
	group.size -= rest->size;
	return group;
}

static uint32_t count_of(struct slice intents)
{
	struct intent intent;
	uint32_t count = 0;

	while (intent_next(&intents, &intent))
		count++;
	return count;
}

static int prepare_group(struct run *run, struct slice group, uint32_t first)
{
	struct op op = {.kind = OP_PREPARE,
		.prepare = {.attempt = run->attempt,
			.age = run->age,
			.wall = run->wall,
			.first = first,
			.intents = group}};
	struct slice rest = group;
	struct intent intent;

	check(intent_next(&rest, &intent));
	return fs_harness_run(region_of(run->cluster, intent.ino), &op, NULL);
}

static bool begins_with_tree(struct slice intents)
{
	struct intent first;

	return intent_next(&intents, &first) && first.kind == INTENT_TREE;
}

/* Prepares the intents that it lacks behind those that are prepared. With INTENT_TREE, what it knows is void. */
static int prepare(struct run *run)
{
	struct slice list = run->lack.list, before = prepared_of(run), rest = list;
	uint32_t first = count_of(before), count;
	int status = 0;

	if (list.size < before.size || memcmp(list.data, before.data ? before.data : "", before.size) != 0)
		return -EAGAIN;
	rest = slice_of((const uint8_t *)list.data + before.size, list.size - before.size);
	while (status == 0 && rest.size > 0 && run->steps > 0) {
		struct slice group = take_group(&rest, &count);

		status = prepare_group(run, group, first);
		first += count;
		run->steps -= rest.size > 0;
	}
	if (status != 0 || run->steps == 0)
		return status;
	buf_unref(run->prepared);
	run->prepared = buf_copy(list.data, list.size);
	if (before.size == 0 && begins_with_tree(list))
		forget_facts(run);
	return 0;
}

/* `list`: intents of the attempt, from its first one on. */
static int resolve_list(struct run *run, struct slice list, bool is_committed)
{
	struct op op = {.kind = OP_RESOLVE, .resolve = {.attempt = run->attempt}};
	uint32_t index = 0, count;
	int status = 0;

	op.resolve.is_committed = is_committed;
	while (list.size > 0 && status == 0) {
		struct slice group = take_group(&list, &count);
		struct writer places = writer_growing(INTENTS_SIZE_MAX);
		struct intent intent;
		uint64_t ino = 0;

		while (intent_next(&group, &intent)) {
			ino = intent.ino;
			intent_place_encode(&(struct intent_place){.ino = ino, .index = index++}, &places);
		}
		op.resolve.places = writer_written(&places);
		status = fs_harness_run(region_of(run->cluster, ino), &op, NULL);
		writer_close(&places);
	}
	return status;
}

static void resolve(struct run *run, bool is_committed)
{
	bool is_in_lack = run->lacking && run->lack.kind == LACKS_INTENTS;

	assert_int_equal(resolve_list(run, is_in_lack ? run->lack.list : prepared_of(run), is_committed), 0);
}

static void end_record(struct run *run)
{
	const struct op op = {.kind = OP_TRANSACT_END, .resolve = {.attempt = run->attempt}};

	assert_int_equal(fs_harness_run(region_of(run->cluster, run->attempt.anchor), &op, NULL), 0);
	assert_false(has_committed(run->cluster, &run->attempt));
}

/* Until it has committed, ended, or waits, or cannot prepare. */
static int proceed(struct run *run)
{
	int status = STATUS_INCOMPLETE;

	while (run->steps > 0) {
		run->steps--;
		status = transact(run);
		if (status != STATUS_INCOMPLETE || run->lack.kind == LACKS_ENDS || run->steps == 0)
			return status;
		run->steps--;
		if (run->lack.kind == LACKS_ROWS)
			fetch(run);
		else
			status = prepare(run);
		if (status != 0 && run->lack.kind == LACKS_INTENTS)
			return status;
	}
	return status;
}

/* Takes it to where its intents are prepared, but it has not committed. */
static int proceed_to_prepared(struct run *run)
{
	int status = 0;

	for (uint32_t i = 0; i < STEPS_MAX; i++) {
		status = transact(run);
		if (status != STATUS_INCOMPLETE || run->lack.kind == LACKS_ENDS)
			return status;
		if (run->lack.kind == LACKS_ROWS) {
			fetch(run);
			continue;
		}
		status = prepare(run);
		if (status != 0 || count_of(run->lack.list) > 1 || !begins_with_tree(run->lack.list))
			return status;
	}
	return status;
}

/* The end of an attempt, whatever became of it. */
static void finish(struct run *run)
{
	if (run->is_committed)
		run->lack.kind = 0;
	resolve(run, run->is_committed);
	if (run->is_committed)
		end_record(run);
	end(run);
}

/* The whole operation. */
static int carry_out(struct cluster *cluster, const struct op *op, struct op_reply *reply)
{
	struct run run;
	int status;

	begin(&run, cluster, op, cluster->wall);
	status = proceed(&run);
	if (reply)
		*reply = run.reply;
	finish(&run);
	return status;
}

/* ---- Operations ---- */

static struct op op_rename(
	uint64_t parent, const char *name, uint64_t new_parent, const char *new_name, uint32_t flags)
{
	return (struct op){.kind = OP_RENAME,
		.rename = {.parent = parent,
			.name = text(name),
			.new_parent = new_parent,
			.new_name = text(new_name),
			.flags = flags,
			.hold = true}};
}

static struct op op_link(int64_t ino, uint64_t parent, const char *name)
{
	return (struct op){
		.kind = OP_LINK, .link = {.ino = (uint64_t)ino, .parent = parent, .name = text(name)}};
}

static struct op op_remove(enum op_kind kind, uint64_t parent, const char *name)
{
	return (struct op){.kind = kind, .remove = {.parent = parent, .name = text(name), .hold = true}};
}

static int rename_across(struct cluster *cluster, uint64_t parent, const char *name, uint64_t new_parent,
	const char *new_name, uint32_t flags)
{
	const struct op op = op_rename(parent, name, new_parent, new_name, flags);

	return carry_out(cluster, &op, NULL);
}

static int link_across(struct cluster *cluster, int64_t ino, uint64_t parent, const char *name)
{
	const struct op op = op_link(ino, parent, name);

	return carry_out(cluster, &op, NULL);
}

static int remove_across(struct cluster *cluster, enum op_kind kind, uint64_t parent, const char *name)
{
	const struct op op = op_remove(kind, parent, name);

	return carry_out(cluster, &op, NULL);
}

/* Without an attempt, as an operation is evaluated first. */
static int run_alone(struct cluster *cluster, const struct op *op)
{
	return fs_harness_run(region_of(cluster, anchor_of(op)), op, NULL);
}

/* ---- What operations do ---- */

static void files_move(void **state)
{
	struct cluster *cluster = *state;
	const uint64_t *d = cluster->directories;
	int64_t file = ino_of(cluster, d[0], "f"), whiteout;

	assert_int_equal(rename_across(cluster, d[0], "f", d[4], "g", 0), 0);
	assert_int_equal(ino_of(cluster, d[0], "f"), -ENOENT);
	assert_int_equal(ino_of(cluster, d[4], "g"), file);
	assert_int_equal(inode_of(cluster, (uint64_t)file).attributes.ctime.seconds, cluster->wall / SECOND);
	assert_int_equal(inode_of(cluster, d[0]).attributes.mtime.seconds, cluster->wall / SECOND);
	/* Within one directory, too. */
	assert_int_equal(rename_across(cluster, d[4], "g", d[4], "h", 0), 0);
	assert_int_equal(ino_of(cluster, d[4], "h"), file);
	assert_int_equal(rename_across(cluster, d[4], "h", d[2], "i", 0), 0);
	assert_int_equal(ino_of(cluster, d[2], "i"), file);
	assert_int_equal(rename_across(cluster, d[4], "none", d[2], "j", 0), -ENOENT);
	assert_int_equal(rename_across(cluster, d[2], "i", d[4], "f", RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(rename_across(cluster, d[2], "i", d[0], "i", RENAME_WHITEOUT), 0);
	assert_int_equal(ino_of(cluster, d[0], "i"), file);
	whiteout = ino_of(cluster, d[2], "i");
	assert_true(is_ino(whiteout));
	assert_int_equal(inode_of(cluster, (uint64_t)whiteout).attributes.mode, S_IFCHR);
	assert_int_equal(fs_ino_dirid((uint64_t)whiteout), fs_ino_dirid(d[0]));
}

/* The kernel reads and writes instead. */
static void data_is_not_copied_across(void **state)
{
	struct cluster *cluster = *state;
	const uint64_t *d = cluster->directories;
	struct op op = {.kind = OP_COPY, .copy = {.length = 1}};

	op.copy.source = (uint64_t)ino_of(cluster, d[0], "f");
	op.copy.ino = (uint64_t)ino_of(cluster, d[4], "f");
	assert_int_equal(fs_harness_run(region_of(cluster, d[4]), &op, NULL), -EXDEV);
}

static void files_replace(void **state)
{
	struct cluster *cluster = *state;
	const uint64_t *d = cluster->directories;
	int64_t file = ino_of(cluster, d[0], "f"), own = ino_of(cluster, d[4], "f");
	int64_t far = ino_of(cluster, d[2], "f");
	struct op_reply reply;
	struct op op = op_rename(d[0], "f", d[4], "f", 0);

	assert_int_equal(carry_out(cluster, &op, &reply), 0);
	assert_int_equal(ino_of(cluster, d[4], "f"), file);
	assert_false(reply.has_attributes);
	assert_int_equal(reply.victim.ino, (uint64_t)own);
	assert_int_equal(inode_of(cluster, (uint64_t)own).attributes.nlink, 0);
	assert_true(has_mark(cluster, (uint64_t)own, HARNESS_SESSION));
	/* A target of a third region loses one of its two names, then the other. */
	assert_int_equal(link_across(cluster, far, d[4], "far"), 0);
	op = op_rename(d[5], "f", d[4], "far", 0);
	assert_int_equal(carry_out(cluster, &op, &reply), 0);
	assert_int_equal(reply.victim.ino, (uint64_t)far);
	assert_int_equal(reply.victim.nlink, 1);
	assert_int_equal(inode_of(cluster, (uint64_t)far).attributes.nlink, 1);
	assert_int_equal(rename_across(cluster, d[2], "f", d[4], "far", 0), 0);
	assert_int_equal(rename_across(cluster, d[0], "s", d[4], "far", 0), -ENOTDIR);
	assert_int_equal(rename_across(cluster, d[1], "f", d[4], "far", 0), 0);
	assert_int_equal(inode_of(cluster, (uint64_t)far).attributes.nlink, 0);
	assert_true(has_mark(cluster, (uint64_t)far, HARNESS_SESSION));
}

static void directories_move(void **state)
{
	struct cluster *cluster = *state;
	const uint64_t *d = cluster->directories;
	uint64_t moved = (uint64_t)ino_of(cluster, d[0], "s"), other = (uint64_t)ino_of(cluster, d[4], "s");

	assert_int_equal(rename_across(cluster, d[0], "s", d[4], "t", 0), 0);
	assert_int_equal(inode_of(cluster, moved).parent, d[4]);
	assert_int_equal(inode_of(cluster, d[0]).attributes.nlink, 2);
	assert_int_equal(inode_of(cluster, d[4]).attributes.nlink, 4);
	assert_int_equal(rename_across(cluster, d[4], "t", d[2], "t", 0), 0);
	assert_int_equal(inode_of(cluster, moved).parent, d[2]);
	/* An empty directory is replaced; one with entries is not. */
	assert_int_equal(rename_across(cluster, d[2], "t", d[4], "s", 0), 0);
	assert_int_equal(inode_of(cluster, other).attributes.nlink, 0);
	assert_int_equal(rename_across(cluster, d[4], "s", FS_ROOT_INO, cluster->names[2], 0), -ENOTEMPTY);
	assert_int_equal(rename_across(cluster, d[4], "s", d[0], "f", 0), -ENOTDIR);
	assert_int_equal(rename_across(cluster, d[4], "f", d[0], "t", RENAME_EXCHANGE), -ENOENT);
	assert_int_equal(rename_across(cluster, d[4], "f", FS_ROOT_INO, cluster->names[2], 0), -EISDIR);
}

static void a_directory_of_another_region_is_replaced(void **state)
{
	struct cluster *cluster = *state;
	const uint64_t *d = cluster->directories;

	assert_int_equal(fs_unlink(region_of(cluster, d[5]), d[5], "f", false), 0);
	assert_int_equal(fs_rmdir(region_of(cluster, d[5]), d[5], "s"), 0);
	assert_int_equal(rename_across(cluster, d[0], "s", FS_ROOT_INO, cluster->names[5], 0), 0);
	assert_int_equal(inode_of(cluster, d[5]).attributes.nlink, 0);
	assert_true(has_mark(cluster, d[5], HARNESS_SESSION));
	assert_int_equal(fs_make(region_of(cluster, d[5]), d[5], "late", S_IFREG), -ESTALE);
}

static void no_directory_gets_below_itself(void **state)
{
	struct cluster *cluster = *state;
	const uint64_t *d = cluster->directories;
	uint64_t deep = (uint64_t)ino_of(cluster, d[4], "s");

	assert_int_equal(rename_across(cluster, d[4], "s", d[2], "deep", 0), 0);
	assert_int_equal(rename_across(cluster, FS_ROOT_INO, cluster->names[2], d[0], "d2", 0), 0);
	/* d[0] (region 1) / d[2] (region 2) / deep (region 3) */
	assert_int_equal(rename_across(cluster, FS_ROOT_INO, cluster->names[0], deep, "loop", 0), -EINVAL);
	assert_int_equal(rename_across(cluster, deep, "none", FS_ROOT_INO, "x", RENAME_EXCHANGE), -ENOENT);
	assert_true(is_ino(fs_make(region_of(cluster, deep), deep, "sub", S_IFDIR | 0755)));
	assert_int_equal(rename_across(cluster, deep, "sub", FS_ROOT_INO, cluster->names[0], RENAME_EXCHANGE),
		-EINVAL);
	assert_int_equal(rename_across(cluster, d[0], "d2", d[5], "up", 0), 0);
	assert_int_equal(rename_across(cluster, FS_ROOT_INO, cluster->names[0], deep, "fine", 0), 0);
}

/* A file moves from one directory to another after the rows of the one were told, and before those of the other are
 * read. It never was in both. */
static void what_was_never_true_together_is_no_answer(void **state)
{
	static const uint32_t flags[] = {RENAME_NOREPLACE, 0};
	struct cluster *cluster = *state;
	const uint64_t *d = cluster->directories;

	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
		struct op op = op_rename(d[0], "f", d[4], "moved", flags[i]);
		struct run run;

		begin(&run, cluster, &op, 1);
		assert_int_equal(transact(&run), STATUS_INCOMPLETE);
		assert_int_equal(run.lack.kind, LACKS_ROWS);
		fetch(&run);
		assert_int_equal(rename_across(cluster, d[0], "f", d[4], "moved", 0), 0);
		assert_int_equal(transact(&run), -ENOENT);
		end(&run);
		assert_int_equal(rename_across(cluster, d[4], "moved", d[0], "f", 0), 0);
	}
}

static void names_are_exchanged(void **state)
{
	struct cluster *cluster = *state;
	const uint64_t *d = cluster->directories;
	int64_t file = ino_of(cluster, d[0], "f"), directory = ino_of(cluster, d[4], "s");

	assert_int_equal(rename_across(cluster, d[0], "f", d[4], "s", RENAME_EXCHANGE), 0);
	assert_int_equal(ino_of(cluster, d[4], "s"), file);
	assert_int_equal(ino_of(cluster, d[0], "f"), directory);
	assert_int_equal(inode_of(cluster, (uint64_t)directory).parent, d[0]);
	assert_int_equal(rename_across(cluster, d[4], "f", d[0], "f", RENAME_EXCHANGE), 0);
	assert_int_equal(ino_of(cluster, d[4], "f"), directory);
}

static void files_are_linked_and_unlinked(void **state)
{
	struct cluster *cluster = *state;
	const uint64_t *d = cluster->directories;
	int64_t file = ino_of(cluster, d[0], "f");
	struct op op = op_link(file, d[4], "l");
	struct op_reply reply;

	assert_int_equal(carry_out(cluster, &op, &reply), 0);
	assert_false(reply.has_attributes);
	assert_int_equal(inode_of(cluster, (uint64_t)file).attributes.nlink, 2);
	assert_int_equal(link_across(cluster, file, d[4], "l"), -EEXIST);
	assert_int_equal(link_across(cluster, ino_of(cluster, d[0], "s"), d[4], "m"), -EPERM);
	/* It exists: the mount looks again. */
	op = (struct op){
		.kind = OP_MAKE, .make = {.parent = d[4], .name = text("l"), .mode = S_IFREG | 0600}};
	assert_int_equal(run_alone(cluster, &op), 0);
	assert_true(region_of(cluster, d[4])->reply.existed);
	assert_false(region_of(cluster, d[4])->reply.has_attributes);
	assert_int_equal(fs_unlink(region_of(cluster, d[0]), d[0], "f", true), 0);
	op = op_remove(OP_UNLINK, d[4], "l");
	assert_int_equal(carry_out(cluster, &op, &reply), 0);
	assert_int_equal(reply.victim.ino, (uint64_t)file);
	assert_int_equal(reply.victim.nlink, 0);
	assert_false(reply.victim.is_gone);
	assert_true(has_mark(cluster, (uint64_t)file, HARNESS_SESSION));
	assert_int_equal(fs_release(region_of(cluster, (uint64_t)file), (uint64_t)file), 0);
	assert_int_equal(link_across(cluster, file, d[4], "again"), -ESTALE);
	assert_int_equal(remove_across(cluster, OP_RMDIR, d[4], "f"), -ENOTDIR);
}

static void a_file_without_a_name_gets_one(void **state)
{
	struct cluster *cluster = *state;
	const uint64_t *d = cluster->directories;
	struct fs_harness *fs = region_of(cluster, d[0]);
	struct op op = {.kind = OP_TMPFILE, .tmpfile = {.parent = d[0], .mode = S_IFREG | 0600}};
	uint64_t ino;

	assert_int_equal(fs_harness_run(fs, &op, NULL), 0);
	ino = fs->reply.attributes.ino;
	assert_true(has_mark(cluster, ino, HARNESS_SESSION));
	assert_int_equal(link_across(cluster, (int64_t)ino, d[4], "named"), 0);
	assert_false(has_mark(cluster, ino, HARNESS_SESSION));
	assert_int_equal(inode_of(cluster, ino).attributes.nlink, 1);
	assert_int_equal(inode_of(cluster, ino).state & (INODE_IS_LINKABLE | INODE_HAS_INTENTS), 0);
}

static void directories_are_removed(void **state)
{
	struct cluster *cluster = *state;
	const uint64_t *d = cluster->directories;
	struct fs_harness *fs = region_of(cluster, d[5]);
	uint32_t links = inode_of(cluster, FS_ROOT_INO).attributes.nlink;

	assert_int_equal(remove_across(cluster, OP_RMDIR, FS_ROOT_INO, cluster->names[5]), -ENOTEMPTY);
	assert_int_equal(remove_across(cluster, OP_UNLINK, FS_ROOT_INO, cluster->names[5]), -EISDIR);
	assert_int_equal(fs_unlink(fs, d[5], "f", false), 0);
	assert_int_equal(fs_rmdir(fs, d[5], "s"), 0);
	assert_int_equal(remove_across(cluster, OP_RMDIR, FS_ROOT_INO, cluster->names[5]), 0);
	assert_int_equal(inode_of(cluster, FS_ROOT_INO).attributes.nlink, links - 1);
	assert_int_equal(inode_of(cluster, d[5]).attributes.nlink, 0);
	/* Other mounts may have it open; only region 1 knows what mounts there are. */
	assert_true(has_mark(cluster, d[5], HARNESS_SESSION));
	assert_true(has_mark(cluster, d[5], FS_SESSION_GRACE));
}

static void new_files_stay_where_the_directory_is(void **state)
{
	struct cluster *cluster = *state;
	const uint64_t *d = cluster->directories;
	struct inode inode = inode_of(cluster, d[0]);
	int64_t file;

	inode.creation_dirid = fs_ino_dirid(d[4]); /* as if it were a spill that a split put elsewhere */
	put_inode(cluster, &inode);
	file = fs_make(region_of(cluster, d[0]), d[0], "new", S_IFREG | 0644);
	assert_true(is_ino(file));
	assert_ptr_equal(region_of(cluster, (uint64_t)file), region_of(cluster, d[0]));
	assert_int_not_equal(fs_ino_dirid((uint64_t)file), fs_ino_dirid(d[0]));
}

/* ---- Attempts that end in between ---- */

/* An operation that concerns two or three regions. */
static struct op nth_op(struct cluster *cluster, uint32_t n)
{
	const uint64_t *d = cluster->directories;

	switch (n) {
	case 0:
		return op_rename(d[0], "f", d[4], "g", 0);
	case 1:
		return op_rename(d[0], "s", d[4], "t", 0);
	case 2:
		return op_rename(d[0], "f", d[4], "far", 0); /* of region 2 */
	case 3:
		return op_rename(d[0], "s", d[4], "s", RENAME_EXCHANGE);
	case 4:
		return op_link(ino_of(cluster, d[2], "f"), d[4], "l");
	case 5:
		return op_remove(OP_UNLINK, d[4], "far");
	case 6:
		return op_remove(OP_RMDIR, FS_ROOT_INO, cluster->names[5]);
	default:
		return op_rename(d[2], "s", FS_ROOT_INO, cluster->names[5], 0);
	}
}
#define OPS 8u

static void prepare_ops(struct cluster *cluster)
{
	const uint64_t *d = cluster->directories;
	struct fs_harness *fs = region_of(cluster, d[5]);

	assert_int_equal(link_across(cluster, ino_of(cluster, d[2], "f"), d[4], "far"), 0);
	assert_int_equal(fs_unlink(fs, d[5], "f", false), 0);
	assert_int_equal(fs_rmdir(fs, d[5], "s"), 0);
}

static void attempts_end_without_a_trace(void **state)
{
	struct cluster *cluster = *state;

	prepare_ops(cluster);
	for (uint32_t n = 0; n < OPS; n++) {
		const struct op op = nth_op(cluster, n);
		uint64_t before = digest_of(cluster);
		uint32_t steps = 0;
		struct run run;

		for (bool is_committed = false; !is_committed;) {
			begin(&run, cluster, &op, 1);
			run.steps = ++steps;
			proceed(&run);
			is_committed = run.is_committed;
			finish(&run);
			if (!is_committed)
				assert_int_equal(digest_of(cluster), before);
			check(steps < STEPS_MAX);
		}
		assert_in_range(steps, 4, 20);
		assert_int_not_equal(digest_of(cluster), before);
		verify(cluster);
		teardown(state);
		setup(state);
		cluster = *state;
		prepare_ops(cluster);
	}
}

/* Each step is taken twice, and again after the end. */
static void steps_may_be_repeated(void **state)
{
	struct cluster *cluster = *state;

	prepare_ops(cluster);
	for (uint32_t n = 0; n < OPS; n++) {
		const struct op op = nth_op(cluster, n);
		struct slice list, rest;
		uint64_t after;
		uint32_t first = 0, count;
		struct run run;

		begin(&run, cluster, &op, 1);
		assert_int_equal(proceed_to_prepared(&run), 0);
		after = digest_of(cluster);
		list = rest = prepared_of(&run);
		while (rest.size > 0) {
			struct slice group = take_group(&rest, &count);

			assert_int_equal(prepare_group(&run, group, first), 0);
			first += count;
		}
		assert_int_equal(digest_of(cluster), after);
		assert_int_equal(transact(&run), 0);
		assert_true(run.is_committed);
		assert_int_equal(resolve_list(&run, list, true), 0);
		after = digest_of(cluster);
		assert_int_equal(resolve_list(&run, list, true), 0);
		assert_int_equal(resolve_list(&run, list, false), 0);
		assert_int_equal(digest_of(cluster), after);
		end_record(&run);
		/* A late prepare leaves at most intents of an attempt that is over. */
		after = digest_of(cluster);
		for (rest = list, first = 0; rest.size > 0; first += count)
			prepare_group(&run, take_group(&rest, &count), first);
		assert_int_equal(resolve_list(&run, list, false), 0);
		assert_int_equal(digest_of(cluster), after);
		end_record(&run);
		end(&run);
		teardown(state);
		setup(state);
		cluster = *state;
		prepare_ops(cluster);
	}
}

/* A participant is split after the prepares, and the coordinator's region after the commit. */
static void regions_are_split_in_between(void **state)
{
	struct cluster *cluster = *state;

	prepare_ops(cluster);
	for (uint32_t n = 0; n < OPS; n++) {
		const struct op op = nth_op(cluster, n);
		struct run run;
		int status;

		begin(&run, cluster, &op, 1);
		assert_int_equal(proceed_to_prepared(&run), 0);
		split(cluster, cluster->directories[n % 2 == 0 ? 3 : 1]);
		status = transact(&run);
		split(cluster, cluster->directories[5]);
		if (status == STATUS_INCOMPLETE) {
			/* What was in the anchor's region is not any more: another attempt. */
			finish(&run);
			begin(&run, cluster, &op, 1);
			status = proceed(&run);
		}
		assert_int_equal(status, 0);
		finish(&run);
		teardown(state);
		setup(state);
		cluster = *state;
		prepare_ops(cluster);
	}
}

static void an_attempt_is_of_one_term(void **state)
{
	struct cluster *cluster = *state;
	const uint64_t *d = cluster->directories;
	const struct op op = op_rename(d[0], "f", d[4], "g", 0);
	struct run run;

	begin(&run, cluster, &op, 1);
	assert_int_equal(proceed_to_prepared(&run), 0);
	region_of(cluster, d[4])->term++;
	assert_int_equal(transact(&run), STATUS_STALE_COMMAND);
	assert_false(run.is_committed);
	region_of(cluster, d[4])->term--;
	region_of(cluster, d[4])->region++;
	assert_int_equal(transact(&run), STATUS_STALE_COMMAND);
	region_of(cluster, d[4])->region--;
	assert_int_equal(transact(&run), 0);
	finish(&run);
}

static void nothing_commits_before_it_is_prepared(void **state)
{
	struct cluster *cluster = *state;
	const uint64_t *d = cluster->directories;
	const struct op op = op_rename(d[0], "f", d[4], "g", 0);
	struct fs_harness *fs = region_of(cluster, d[4]);
	struct run run;

	assert_int_equal(run_alone(cluster, &op), STATUS_INCOMPLETE);
	begin(&run, cluster, &op, 1);
	assert_int_equal(transact(&run), STATUS_INCOMPLETE);
	assert_int_equal(run.lack.kind, LACKS_ROWS);
	fetch(&run);
	assert_int_equal(transact(&run), STATUS_INCOMPLETE);
	assert_int_equal(run.lack.kind, LACKS_INTENTS);
	assert_int_equal(count_of(run.lack.list), 3); /* the entry, the directory, the file */
	assert_int_equal(prepare(&run), 0);
	/* Meanwhile the name is used here: now the operation has to replace that file, which is no matter of others. */
	assert_true(is_ino(fs_make(fs, d[4], "g", S_IFREG | 0644)));
	assert_int_equal(transact(&run), 0);
	assert_true(run.is_committed);
	finish(&run);
	/* Or it is the name of a file in a third region. */
	assert_int_equal(rename_across(cluster, d[4], "g", d[0], "f", 0), 0);
	begin(&run, cluster, &op, 1);
	assert_int_equal(proceed_to_prepared(&run), 0);
	assert_int_equal(link_across(cluster, ino_of(cluster, d[2], "f"), d[4], "g"), 0);
	assert_int_equal(transact(&run), STATUS_INCOMPLETE);
	assert_int_equal(run.lack.kind, LACKS_ROWS);
	assert_false(run.is_committed);
	finish(&run);
}

/* ---- Guards ---- */

static void rows_may_not_have_changed(void **state)
{
	struct cluster *cluster = *state;
	const uint64_t *d = cluster->directories;
	const struct op op = op_rename(d[0], "f", d[4], "g", 0);
	struct fs_harness *fs = region_of(cluster, d[0]);
	struct op_setattr immutable = {.ino = (uint64_t)ino_of(cluster, d[0], "f"),
		.valid = OP_SET_FLAGS,
		.flags = FS_FLAG_IMMUTABLE};

	for (uint32_t n = 0; n < 3; n++) {
		struct run run;

		begin(&run, cluster, &op, 1);
		assert_int_equal(transact(&run), STATUS_INCOMPLETE);
		fetch(&run);
		assert_int_equal(transact(&run), STATUS_INCOMPLETE);
		if (n == 0) {
			assert_int_equal(fs_setattr(fs, &immutable), 0);
			immutable.flags = 0;
		} else if (n == 1) {
			assert_int_equal(fs_rename(fs, d[0], "f", d[0], "other", 0), 0);
		} else {
			assert_int_equal(fs_unlink(fs, d[0], "f", false), 0);
		}
		assert_int_equal(prepare(&run), -EAGAIN);
		finish(&run);
		if (n == 0)
			assert_int_equal(fs_setattr(fs, &immutable), 0);
		else if (n == 1)
			assert_int_equal(fs_rename(fs, d[0], "other", d[0], "f", 0), 0);
	}
	assert_int_equal(carry_out(cluster, &op, NULL), -ENOENT);
}

static void a_hold_needs_a_session(void **state)
{
	struct cluster *cluster = *state;
	const uint64_t *d = cluster->directories;
	const struct op op = op_remove(OP_UNLINK, d[4], "f");
	struct op rename = op_rename(d[0], "f", d[4], "f", 0);
	uint64_t far = (uint64_t)ino_of(cluster, d[0], "f");
	struct mutations mutations = {0};
	struct run run;

	assert_int_equal(carry_out(cluster, &rename, NULL), 0);
	slots_close(&mutations, HARNESS_SESSION);
	apply(region_of(cluster, far), &mutations);
	begin(&run, cluster, &op, 1);
	assert_int_equal(proceed(&run), STATUS_SESSION_UNKNOWN);
	finish(&run);
	open_session(region_of(cluster, far), HARNESS_SESSION);
	begin(&run, cluster, &op, 1);
	assert_int_equal(proceed(&run), 0);
	slots_close(&mutations, HARNESS_SESSION); /* the session ends before the last step */
	apply(region_of(cluster, far), &mutations);
	finish(&run);
	assert_false(has_mark(cluster, far, HARNESS_SESSION));
}

static void times_do_not_go_back(void **state)
{
	struct cluster *cluster = *state;
	const uint64_t *d = cluster->directories;
	const struct op op = op_rename(d[0], "f", d[4], "g", 0);
	struct inode file = inode_of(cluster, (uint64_t)ino_of(cluster, d[0], "f"));
	struct run run;

	begin(&run, cluster, &op, 1);
	assert_int_equal(proceed_to_prepared(&run), 0);
	file.attributes.ctime.seconds = (int64_t)(WALL / SECOND) + 1000000;
	file.state |= INODE_HAS_INTENTS;
	put_inode(cluster, &file);
	assert_int_equal(transact(&run), 0);
	finish(&run);
	assert_int_equal(inode_of(cluster, file.attributes.ino).attributes.ctime.seconds,
		file.attributes.ctime.seconds);
}

/* ---- Others ---- */

static void writers_wait(void **state)
{
	struct cluster *cluster = *state;
	const uint64_t *d = cluster->directories;
	const struct op op = op_rename(d[0], "f", d[4], "g", 0);
	struct fs_harness *fs = region_of(cluster, d[0]);
	struct op_setattr mode = {.valid = OP_SET_MODE, .mode = 0600};
	struct lack lack;
	struct attempt attempt;
	struct run run;

	mode.ino = (uint64_t)ino_of(cluster, d[0], "f");
	begin(&run, cluster, &op, 1);
	assert_int_equal(proceed_to_prepared(&run), 0);
	assert_int_equal(fs_setattr(fs, &mode), STATUS_INCOMPLETE);
	assert_int_equal(lack_decode(buf_slice(fs->lacking), &lack), 0);
	assert_int_equal(lack.kind, LACKS_ENDS);
	assert_true(attempt_next(&lack.list, &attempt) && attempt_is_same(&attempt, &run.attempt));
	assert_int_equal(fs_make(fs, d[0], "f", S_IFREG), STATUS_INCOMPLETE);
	assert_int_equal(fs_unlink(fs, d[0], "f", false), STATUS_INCOMPLETE);
	mode.ino = d[0];
	assert_int_equal(fs_setattr(fs, &mode), STATUS_INCOMPLETE);
	/* Other names of the directory change. */
	assert_true(is_ino(fs_make(fs, d[0], "other", S_IFREG | 0644)));
	assert_int_equal(fs_rename(fs, d[0], "other", d[0], "another", 0), 0);
	assert_int_equal(transact(&run), 0);
	finish(&run);
	mode.ino = (uint64_t)ino_of(cluster, d[4], "g");
	assert_int_equal(fs_setattr(fs, &mode), 0);
	assert_int_equal(inode_of(cluster, mode.ino).state & INODE_HAS_INTENTS, 0);
	assert_int_equal(inode_of(cluster, d[0]).entries, 2);
}

/* Takes it to where it knows its intents. */
static void know(struct run *run)
{
	assert_int_equal(transact(run), STATUS_INCOMPLETE);
	while (run->lack.kind == LACKS_ROWS) {
		fetch(run);
		assert_int_equal(transact(run), STATUS_INCOMPLETE);
	}
	assert_int_equal(run->lack.kind, LACKS_INTENTS);
}

static void commit(struct run *run)
{
	assert_int_equal(transact(run), 0);
	assert_true(run->is_committed);
	finish(run);
}

static void expect_waits_for(struct fs_harness *fs, const struct run *other)
{
	struct attempt attempt;
	struct lack lack;

	assert_non_null(fs->lacking);
	assert_int_equal(lack_decode(buf_slice(fs->lacking), &lack), 0);
	assert_int_equal(lack.kind, LACKS_ENDS);
	assert_true(attempt_next(&lack.list, &attempt));
	assert_true(attempt_is_same(&attempt, &other->attempt));
	assert_int_equal(lack.list.size, 0);
}

static void the_older_one_waits(void **state)
{
	struct cluster *cluster = *state;
	const uint64_t *d = cluster->directories;
	const struct op one = op_rename(d[0], "f", d[4], "x", 0), two = op_rename(d[0], "f", d[2], "x", 0);
	struct run older, younger;

	begin(&older, cluster, &one, 1);
	begin(&younger, cluster, &two, 2);
	know(&older);
	know(&younger);
	assert_int_equal(prepare(&younger), 0);
	assert_int_equal(prepare(&older), STATUS_INCOMPLETE);
	expect_waits_for(region_of(cluster, d[0]), &younger);
	commit(&younger);
	assert_int_equal(prepare(&older), -EAGAIN);
	finish(&older);
	assert_int_equal(carry_out(cluster, &one, NULL), -ENOENT);
	assert_int_equal(rename_across(cluster, d[2], "x", d[0], "f", 0), 0);
}

static void the_younger_one_gives_way(void **state)
{
	struct cluster *cluster = *state;
	const uint64_t *d = cluster->directories;
	const struct op one = op_rename(d[0], "f", d[4], "x", 0), two = op_rename(d[0], "f", d[2], "x", 0);
	struct run older, younger;

	begin(&older, cluster, &one, 1);
	begin(&younger, cluster, &two, 2);
	know(&older);
	know(&younger);
	assert_int_equal(prepare(&older), 0);
	assert_int_equal(prepare(&younger), -EBUSY);
	finish(&younger);
	commit(&older);
	/* Of one operation's attempts, the later one waits until the earlier one is taken away. */
	begin(&older, cluster, &two, 1);
	finish(&older);
}

/* Counts are added, so what changes them alone does not wait. */
static void links_are_counted_together(void **state)
{
	struct cluster *cluster = *state;
	const uint64_t *d = cluster->directories;
	int64_t file = ino_of(cluster, d[0], "f");
	const struct op one = op_link(file, d[4], "l"), two = op_link(file, d[2], "m");
	const struct op three = op_remove(OP_UNLINK, d[4], "l"), four = op_remove(OP_UNLINK, d[2], "m");
	struct run first, second;

	begin(&first, cluster, &one, 1);
	begin(&second, cluster, &two, 2);
	know(&first);
	know(&second);
	assert_int_equal(prepare(&first), 0);
	assert_int_equal(prepare(&second), 0);
	commit(&second);
	assert_int_not_equal(inode_of(cluster, (uint64_t)file).state & INODE_HAS_INTENTS, 0);
	commit(&first);
	assert_int_equal(inode_of(cluster, (uint64_t)file).attributes.nlink, 3);
	assert_int_equal(inode_of(cluster, (uint64_t)file).state & INODE_HAS_INTENTS, 0);
	/* Of the last two names, one has to wait for the other. */
	assert_int_equal(fs_unlink(region_of(cluster, d[0]), d[0], "f", true), 0);
	begin(&first, cluster, &three, 1);
	begin(&second, cluster, &four, 2);
	know(&first);
	know(&second);
	assert_int_equal(prepare(&first), 0);
	assert_int_equal(prepare(&second), -EBUSY);
	finish(&second);
	commit(&first);
	assert_int_equal(carry_out(cluster, &four, NULL), 0);
	assert_true(has_mark(cluster, (uint64_t)file, HARNESS_SESSION));
}

/* The mount that was told of another name did not hold the file, so it is asked. */
static void the_last_name_may_come_unexpectedly(void **state)
{
	struct cluster *cluster = *state;
	const uint64_t *d = cluster->directories;
	uint64_t file = (uint64_t)ino_of(cluster, d[0], "f");
	const struct op op = op_remove(OP_UNLINK, d[4], "l");
	struct run run;

	assert_int_equal(link_across(cluster, (int64_t)file, d[4], "l"), 0);
	begin(&run, cluster, &op, 1);
	know(&run);
	assert_int_equal(fs_unlink(region_of(cluster, d[0]), d[0], "f", true), 0);
	assert_int_equal(prepare(&run), 0);
	assert_int_equal(transact(&run), 0);
	assert_int_equal(run.reply.victim.nlink, 1);
	finish(&run);
	assert_true(has_mark(cluster, file, FS_SESSION_GRACE));
	assert_false(has_mark(cluster, file, HARNESS_SESSION));
}

/* The mount may close it as soon as it is told that the name is gone. */
static void what_is_closed_before_it_is_held_is_not_left(void **state)
{
	struct cluster *cluster = *state;
	const uint64_t *d = cluster->directories;
	uint64_t file = (uint64_t)ino_of(cluster, d[0], "f");
	struct op rename = op_rename(d[0], "f", d[4], "g", 0);
	struct op op = op_remove(OP_UNLINK, d[4], "g");
	struct fs_harness *fs = region_of(cluster, file);
	struct run run;

	assert_int_equal(carry_out(cluster, &rename, NULL), 0);
	begin(&run, cluster, &op, 1);
	assert_int_equal(proceed(&run), 0);
	assert_true(run.is_committed);
	assert_int_equal(fs_release(fs, file), STATUS_INCOMPLETE);
	finish(&run);
	assert_true(has_mark(cluster, file, HARNESS_SESSION));
	assert_int_equal(fs_release(fs, file), 0);
	assert_false(has_mark(cluster, file, HARNESS_SESSION));
	assert_int_equal(fs_release(fs, file), 0);
}

/* Does the operation, which concerns one dirid elsewhere, pass a full disk there? It does not commit. */
static bool spares_space(struct cluster *cluster, const struct op *op, uint64_t there)
{
	struct run run;
	bool spares;

	begin(&run, cluster, op, 1);
	know(&run);
	assert_int_equal(prepare(&run), 0);
	spares = region_of(cluster, there)->spares_space;
	finish(&run);
	return spares;
}

static void removals_need_no_room(void **state)
{
	struct cluster *cluster = *state;
	const uint64_t *d = cluster->directories;
	struct op unlink = op_remove(OP_UNLINK, d[4], "g"), rmdir = op_remove(OP_RMDIR, d[4], "t");
	struct op rename = op_rename(d[0], "f", d[4], "u", 0), link;
	uint64_t file = (uint64_t)ino_of(cluster, d[0], "f");

	link = op_link((int64_t)file, d[4], "h");
	assert_int_equal(link_across(cluster, (int64_t)file, d[4], "g"), 0);
	assert_int_equal(rename_across(cluster, d[0], "s", d[4], "t", 0), 0);
	assert_true(spares_space(cluster, &unlink, file));
	assert_true(spares_space(cluster, &rmdir, (uint64_t)ino_of(cluster, d[4], "t")));
	assert_false(spares_space(cluster, &link, file));
	assert_true(spares_space(cluster, &rename, d[0]));
}

/* As an operation of another region would: puts an entry into the directory. */
static struct buf *new_entry(struct cluster *cluster, uint64_t directory, const char *name)
{
	struct inode inode = inode_of(cluster, directory);
	struct fs_key key = fs_key_entry(directory, fs_name_hash(inode.seed, text(name)), text(name));
	struct entry entry = {
		.ino = (uint64_t)ino_of(cluster, cluster->directories[0], "f"), .type = S_IFREG};
	struct writer row = writer_growing(64), list = writer_growing(INTENTS_SIZE_MAX);
	struct intent counts = {.kind = INTENT_INODE,
		.ino = directory,
		.inode = {.generation = inode.attributes.generation,
			.flags = INTENT_TOUCHES_CONTENT,
			.entries = 1}};
	struct intent put = {
		.kind = INTENT_ROW, .ino = directory, .row = {.key = fs_key_slice(&key), .has = true}};
	struct buf *intents;

	entry_encode(&entry, &row);
	put.row.after = writer_written(&row);
	check(intent_encode(&counts, &list) == 0 && intent_encode(&put, &list) == 0);
	check(writer_take(&list, &intents) == 0);
	writer_close(&row);
	return intents;
}

static void a_directory_is_removed_when_it_is_empty_for_sure(void **state)
{
	struct cluster *cluster = *state;
	const uint64_t *d = cluster->directories;
	const struct op remove = op_remove(OP_RMDIR, FS_ROOT_INO, cluster->names[5]);
	struct fs_harness *fs = region_of(cluster, d[5]);
	struct run run, other;
	struct buf *entry;

	assert_int_equal(fs_unlink(fs, d[5], "f", false), 0);
	assert_int_equal(fs_rmdir(fs, d[5], "s"), 0);
	entry = new_entry(cluster, d[5], "new");
	/* An entry is pending. */
	begin(&run, cluster, &remove, 2);
	begin(&other, cluster, &remove, 1);
	know(&run);
	assert_int_equal(prepare_group(&other, buf_slice(entry), 0), 0);
	assert_int_equal(prepare(&run), -EBUSY);
	run.age.asked = 0;
	assert_int_equal(prepare(&run), STATUS_INCOMPLETE);
	expect_waits_for(fs, &other);
	assert_int_equal(resolve_list(&other, buf_slice(entry), false), 0);
	/* The removal is pending. */
	assert_int_equal(prepare(&run), 0);
	assert_int_equal(prepare_group(&other, buf_slice(entry), 0), -EBUSY);
	assert_int_equal(fs_make(fs, d[5], "late", S_IFREG | 0644), STATUS_INCOMPLETE);
	expect_waits_for(fs, &run);
	commit(&run);
	assert_int_equal(prepare_group(&other, buf_slice(entry), 0), -EAGAIN);
	assert_int_equal(fs_make(fs, d[5], "late", S_IFREG | 0644), -ESTALE);
	end(&other);
	buf_unref(entry);
}

static void one_directory_moves_at_a_time(void **state)
{
	struct cluster *cluster = *state;
	const uint64_t *d = cluster->directories;
	const struct op one = op_rename(d[0], "s", d[4], "t", 0), two = op_rename(d[2], "s", d[4], "u", 0);
	struct fs_harness *fs = region_of(cluster, d[0]);
	uint64_t moved = (uint64_t)ino_of(cluster, d[0], "s");
	int64_t deep = fs_make(fs, moved, "deep", S_IFDIR | 0755);
	struct op below = op_rename(FS_ROOT_INO, cluster->names[1], (uint64_t)deep, "x", 0);
	struct run first, second;
	struct slice rest;
	uint32_t count;

	begin(&first, cluster, &one, 1);
	begin(&second, cluster, &two, 2);
	know(&first);
	know(&second);
	assert_int_equal(count_of(first.lack.list), 1);
	assert_int_equal(prepare(&first), 0);
	assert_int_equal(prepare(&second), -EBUSY);
	finish(&second);
	assert_true(is_ino(fs_make(fs, FS_ROOT_INO, "of the root", S_IFREG | 0644)));
	know(&first);
	assert_int_equal(count_of(first.lack.list), 4);
	assert_int_equal(prepare(&first), 0);
	assert_int_equal(transact(&first), 0);
	/* It has committed, and no longer keeps others from moving, but the directory still has its old parent. */
	rest = prepared_of(&first);
	assert_int_equal(resolve_list(&first, take_group(&rest, &count), true), 0);
	begin(&second, cluster, &below, 2);
	know(&second);
	assert_int_equal(prepare(&second), 0);
	assert_int_equal(transact(&second), STATUS_INCOMPLETE);
	assert_int_equal(second.lack.kind, LACKS_ENDS);
	finish(&first);
	assert_int_equal(inode_of(cluster, moved).parent, d[4]);
	assert_int_equal(proceed(&second), 0);
	finish(&second);
}

/* Within one region, too, if there are others. */
static void a_move_in_one_region_takes_the_tree(void **state)
{
	struct cluster *cluster = *state;
	const uint64_t *d = cluster->directories;
	const struct op op = op_rename(d[0], "s", d[1], "t", 0);
	struct run run;

	assert_int_equal(run_alone(cluster, &op), STATUS_INCOMPLETE);
	begin(&run, cluster, &op, 1);
	know(&run);
	assert_int_equal(count_of(run.lack.list), 1);
	assert_int_equal(prepare(&run), 0);
	commit(&run);
	assert_true(is_ino(ino_of(cluster, d[1], "t")));
}

static void link_counts_near_the_limit_wait(void **state)
{
	struct cluster *cluster = *state;
	const uint64_t *d = cluster->directories;
	const struct op op = op_rename(d[0], "f", d[4], "s", RENAME_EXCHANGE);
	struct fs_harness *fs = region_of(cluster, d[0]);
	struct inode inode = inode_of(cluster, d[0]);
	uint32_t nlink = inode.attributes.nlink;
	struct run run;

	inode.attributes.nlink = FS_DIRECTORY_COUNT_MAX - 1;
	put_inode(cluster, &inode);
	begin(&run, cluster, &op, 1);
	assert_int_equal(proceed_to_prepared(&run), 0);
	assert_int_equal(fs_make(fs, d[0], "new", S_IFDIR | 0755), STATUS_INCOMPLETE);
	expect_waits_for(fs, &run);
	resolve(&run, false);
	end(&run);
	assert_true(is_ino(fs_make(fs, d[0], "new", S_IFDIR | 0755)));
	assert_int_equal(fs_make(fs, d[0], "one more", S_IFDIR | 0755), -EMLINK);
	inode = inode_of(cluster, d[0]);
	inode.attributes.nlink = nlink + 1;
	put_inode(cluster, &inode);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(files_move),
		TEST(data_is_not_copied_across),
		TEST(files_replace),
		TEST(directories_move),
		TEST(a_directory_of_another_region_is_replaced),
		TEST(no_directory_gets_below_itself),
		TEST(what_was_never_true_together_is_no_answer),
		TEST(names_are_exchanged),
		TEST(files_are_linked_and_unlinked),
		TEST(a_file_without_a_name_gets_one),
		TEST(directories_are_removed),
		TEST(new_files_stay_where_the_directory_is),
		TEST(attempts_end_without_a_trace),
		TEST(steps_may_be_repeated),
		TEST(regions_are_split_in_between),
		TEST(an_attempt_is_of_one_term),
		TEST(nothing_commits_before_it_is_prepared),
		TEST(rows_may_not_have_changed),
		TEST(a_hold_needs_a_session),
		TEST(times_do_not_go_back),
		TEST(writers_wait),
		TEST(the_older_one_waits),
		TEST(the_younger_one_gives_way),
		TEST(links_are_counted_together),
		TEST(the_last_name_may_come_unexpectedly),
		TEST(what_is_closed_before_it_is_held_is_not_left),
		TEST(removals_need_no_room),
		TEST(a_directory_is_removed_when_it_is_empty_for_sure),
		TEST(one_directory_moves_at_a_time),
		TEST(a_move_in_one_region_takes_the_tree),
		TEST(link_counts_near_the_limit_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
