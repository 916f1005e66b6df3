/* A store is made, each of its invariants is broken on purpose in the rows, and the check names it; what may be
 * repaired is, and what may not is left alone. */
#include "fs/check/check.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/check/repair.h"
#include "fs/embedded.h"
#include "fs/eval/eval.h"
#include "fs/schema/intent.h"
#include "fs/schema/op.h"
#include "fs/schema/split_key.h"
#include "proto/check.h"
#include "proto/env_uv.h"
#include "proto/plant.h"
#include "store/rows/extents.h"
#include "store/kv/kv_rocksdb.h"
#include "tests/lib/test.h"

#define LOG_SIZE (1 << 20) /* bytes of a segment */
#define NOBODY	 fs_ino(12345678, 77) /* no such inode */

struct fixture {
	struct env *env;
	struct logger logger;
	char directory[128];
	char path[160];
	struct kv_engine *kv; /* while rows are edited */
	struct edit {
		struct buf *key;
		struct buf *before; /* NULL: there was none */
	} edits[64];
	size_t edit_count;
	int data_fd; /* blocks/0000, while a unit is damaged */
	uint64_t damaged_offset;
	/* inodes */
	uint64_t dir, sub, file, other, tiny, held, big_xattr, locked;
	uint64_t session; /* that holds and locks */
};

/* ---- Making the store ---- */

struct request {
	struct env_mail mail;
	struct embedded *embedded;
	struct client_call call;
	const struct op *op;
	struct buf *payload;
	struct op_reply reply;
	int error;
	sem_t done;
};

static void on_called(struct client_call *call, int error, const struct op_reply *reply)
{
	struct request *request = container_of(call, struct request, call);

	request->error = error;
	request->reply = *reply;
	sem_post(&request->done);
}

static void call_on_loop(struct env_mail *mail)
{
	struct request *request = container_of(mail, struct request, mail);
	uint32_t count;

	request->call.loop = embedded_loops(request->embedded, &count)[0];
	request->call.done = on_called;
	check(client_call(embedded_client(request->embedded), &request->call, request->op,
		      request->payload) == 0);
}

static uint64_t run_refused(struct embedded *embedded, const struct op *op, struct buf *payload, int error)
{
	struct request request = {.embedded = embedded, .op = op, .payload = payload};
	uint32_t count;

	sem_init(&request.done, 0, 0);
	env_post(embedded_loops(embedded, &count)[0], &request.mail, call_on_loop);
	sem_wait(&request.done);
	sem_destroy(&request.done);
	assert_int_equal(request.error, error);
	buf_unref(payload);
	return request.reply.attributes.ino;
}

static uint64_t run(struct embedded *embedded, const struct op *op, struct buf *payload)
{
	return run_refused(embedded, op, payload, 0);
}

static struct slice text(const char *name)
{
	return slice_of(name, strlen(name));
}

static uint64_t make(struct embedded *embedded, uint64_t parent, const char *name, uint32_t mode)
{
	const struct op op = {.kind = OP_MAKE,
		.make = {.parent = parent, .name = text(name), .mode = mode, .exclusive = true}};

	return run(embedded, &op, NULL);
}

static uint64_t make_file(struct embedded *embedded, const char *name, size_t size)
{
	uint64_t ino = make(embedded, FS_ROOT_INO, name, S_IFREG | 0644);
	const struct op op = {.kind = OP_WRITE, .write = {.ino = ino}};
	struct buf *bytes = buf_new(size);

	for (size_t i = 0; i < size; i++)
		((uint8_t *)bytes->data)[i] = (uint8_t)(i % 251 + (size_t)*name);
	run(embedded, &op, bytes);
	return ino;
}

static void fill(struct fixture *fixture, struct embedded *embedded)
{
	static char value[3000];
	struct op op;

	fixture->dir = make(embedded, FS_ROOT_INO, "dir", S_IFDIR | 0755);
	fixture->sub = make(embedded, fixture->dir, "sub", S_IFDIR | 0755);
	make(embedded, fixture->sub, "leaf", S_IFREG | 0644);
	fixture->file = make_file(embedded, "file", 100000);
	fixture->other = make_file(embedded, "other", 50000);
	fixture->tiny = make_file(embedded, "tiny", 100);
	fixture->session = client_session(embedded_client(embedded));
	fixture->held = make_file(embedded, "held", 20000);
	fixture->locked = make_file(embedded, "locked", 10);
	fixture->big_xattr = make_file(embedded, "xattr", 10);
	op = (struct op){.kind = OP_LINK,
		.link = {.ino = fixture->file, .parent = fixture->dir, .name = text("second")}};
	run(embedded, &op, NULL);
	op = (struct op){
		.kind = OP_UNLINK, .remove = {.parent = FS_ROOT_INO, .name = text("held"), .hold = true}};
	run(embedded, &op, NULL);
	op = (struct op){.kind = OP_LOCK,
		.lock = {.ino = fixture->locked,
			.lock = {.kind = LOCK_POSIX, .type = FS_LOCK_WRITE, .owner = 3, .end = 9}}};
	run(embedded, &op, NULL);
	op.lock.lock.owner = 4;
	op.lock.waits = true;
	run_refused(embedded, &op, NULL, -EAGAIN);
	op = (struct op){.kind = OP_SETXATTR,
		.setxattr = {.ino = fixture->big_xattr,
			.name = text("user.big"),
			.value = slice_of(value, sizeof value)}};
	run(embedded, &op, NULL);
}

static int set_up(void **state)
{
	struct env_uv_options env = {.worker_threads = 2, .io_threads = 2};
	struct fixture *fixture = calloc(1, sizeof *fixture);
	/* Each look reads the whole log. */
	const struct raftkv_options sizes = {.segment_size = LOG_SIZE};
	struct embedded_options options = {.logger = &fixture->logger, .loop_count = 1, .store = &sizes};
	struct embedded *embedded;
	struct status status = {0};

	fixture->logger = logger_fd(STDERR_FILENO, LOG_NONE);
	fixture->data_fd = -1;
	assert_int_equal(env_uv_new(&env, &fixture->env, &status), 0);
	test_directory_make(fixture->directory, sizeof fixture->directory);
	snprintf(fixture->path, sizeof fixture->path, "%s/store", fixture->directory);
	options.path = fixture->path;
	if (embedded_open(&options, &embedded, &status) < 0)
		fail_msg("%s", status.text);
	fill(fixture, embedded);
	embedded_close(embedded);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	test_directory_remove(fixture->directory);
	env_uv_free(fixture->env);
	free(fixture);
	return 0;
}

/* ---- Editing rows behind the store's back ---- */

static void begin_edit(struct fixture *fixture)
{
	struct kv_rocksdb_options options = {.path = NULL};
	char path[192];
	struct status status = {0};

	snprintf(path, sizeof path, "%s/kv", fixture->path);
	options.path = path;
	assert_int_equal(kv_rocksdb_open(&options, &fixture->kv, &status), 0);
}

static void end_edit(struct fixture *fixture)
{
	fixture->kv->ops->close(fixture->kv);
	fixture->kv = NULL;
}

static void write_row(struct fixture *fixture, struct slice key, const struct slice *value)
{
	struct kv_batch *batch = fixture->kv->ops->batch_new(fixture->kv);

	if (value)
		fixture->kv->ops->batch_put(batch, key, *value);
	else
		fixture->kv->ops->batch_delete(batch, key);
	assert_int_equal(fixture->kv->ops->write(fixture->kv, batch), 0);
	fixture->kv->ops->batch_free(batch);
}

/* `value` NULL: the row goes. */
static void edit(struct fixture *fixture, struct slice key, const struct slice *value)
{
	struct edit *saved = &fixture->edits[fixture->edit_count++];
	struct kv_value before = {0};
	int status = fixture->kv->ops->get(fixture->kv, NULL, KV_TIER_ALL, key, &before);

	assert_true(fixture->edit_count < sizeof fixture->edits / sizeof *fixture->edits);
	saved->key = buf_copy(key.data, key.size);
	saved->before = status == 0 ? buf_copy(before.data.data, before.data.size) : NULL;
	kv_value_close(&before);
	write_row(fixture, key, value);
}

static void edit_data(struct fixture *fixture, const struct fs_key *inner, const struct slice *value)
{
	struct key key;

	key_row(&key, 0, KEY_DATA, fs_key_slice(inner));
	edit(fixture, key_slice(&key), value);
}

static void edit_local_of(
	struct fixture *fixture, uint64_t region, struct slice inner, const struct slice *value)
{
	struct key key;

	key_row(&key, region, KEY_LOCAL, inner);
	edit(fixture, key_slice(&key), value);
}

static void edit_local(struct fixture *fixture, struct slice inner, const struct slice *value)
{
	edit_local_of(fixture, 1, inner, value);
}

/* Newest first. Forgets the edits that a repair has made good when `is_undone` is false. */
static void end_edits(struct fixture *fixture, bool is_undone)
{
	if (is_undone)
		begin_edit(fixture);
	while (fixture->edit_count > 0) {
		struct edit *saved = &fixture->edits[--fixture->edit_count];
		struct slice before = buf_slice(saved->before);

		if (is_undone)
			write_row(fixture, buf_slice(saved->key), saved->before ? &before : NULL);
		buf_unref(saved->key);
		buf_unref(saved->before);
	}
	if (is_undone)
		end_edit(fixture);
}

static void get(struct fixture *fixture, struct slice key, struct kv_value *value)
{
	assert_int_equal(fixture->kv->ops->get(fixture->kv, NULL, KV_TIER_ALL, key, value), 0);
}

typedef void (*change_cb)(struct inode *inode);

static void edit_inode(struct fixture *fixture, uint64_t ino, change_cb change)
{
	struct fs_key inner = fs_key_inode(ino);
	uint8_t bytes[FS_INODE_ROW_SIZE_MAX];
	struct writer writer = writer_fixed(bytes, sizeof bytes);
	struct kv_value value = {0};
	struct inode inode;
	struct slice row;
	struct key key;

	key_row(&key, 0, KEY_DATA, fs_key_slice(&inner));
	get(fixture, key_slice(&key), &value);
	assert_int_equal(inode_decode(value.data, ino, &inode), 0);
	change(&inode);
	inode_encode(&inode, &writer);
	row = writer_written(&writer);
	kv_value_close(&value);
	edit_data(fixture, &inner, &row);
}

/* The key of the name in the directory as it is. */
static struct fs_key entry_key(struct fixture *fixture, uint64_t directory, const char *name)
{
	struct fs_key inner = fs_key_inode(directory);
	struct kv_value value = {0};
	struct inode inode;
	struct key key;

	key_row(&key, 0, KEY_DATA, fs_key_slice(&inner));
	get(fixture, key_slice(&key), &value);
	assert_int_equal(inode_decode(value.data, directory, &inode), 0);
	kv_value_close(&value);
	return fs_key_entry(directory, fs_name_hash(inode.seed, text(name)), text(name));
}

static void put_entry(struct fixture *fixture, const struct fs_key *key, uint64_t ino, uint32_t type)
{
	struct entry entry = {.ino = ino, .type = type};
	uint8_t bytes[32];
	struct writer writer = writer_fixed(bytes, sizeof bytes);
	struct slice row;

	entry_encode(&entry, &writer);
	row = writer_written(&writer);
	edit_data(fixture, key, &row);
}

static void load_extents(struct fixture *fixture, uint64_t ino, struct key *key, struct extent_row *row)
{
	struct fs_key object = fs_key_object(ino);
	struct kv_value value = {0};
	struct key prefix;

	key_object(&prefix, fs_key_slice(&object));
	extent_row_key(key, &prefix, 0);
	get(fixture, key_slice(key), &value);
	assert_int_equal(extent_row_decode(value.data, row), 0);
	kv_value_close(&value);
}

static void store_extents(struct fixture *fixture, const struct key *key, const struct extent_row *row)
{
	struct buf *bytes;
	struct slice slice;

	assert_int_equal(extent_row_encode(row, &bytes), 0);
	slice = buf_slice(bytes);
	edit(fixture, key_slice(key), &slice);
	buf_unref(bytes);
}

static const struct slice mark = {"\1", 1}; /* a row whose existence says it all */
static const struct slice junk = {"\377junk", 5};

/* ---- Breaking ---- */

static void break_inode_row(struct fixture *fixture)
{
	struct fs_key key = fs_key_inode(fixture->big_xattr);

	edit_data(fixture, &key, &junk);
}

static void break_unknown_row(struct fixture *fixture)
{
	struct fs_key key = fs_key_prefix(fixture->file, 'Z');

	edit_data(fixture, &key, &mark);
}

static void add_link(struct inode *inode)
{
	inode->attributes.nlink++;
}

static void break_link_count(struct fixture *fixture)
{
	edit_inode(fixture, fixture->file, add_link);
}

static void break_directory_links(struct fixture *fixture)
{
	edit_inode(fixture, fixture->dir, add_link);
}

static void add_entry(struct inode *inode)
{
	inode->entries++;
}

static void break_entry_count(struct fixture *fixture)
{
	edit_inode(fixture, fixture->dir, add_entry);
}

static void break_dangling(struct fixture *fixture)
{
	struct fs_key key = entry_key(fixture, fixture->dir, "nothing");

	put_entry(fixture, &key, NOBODY, S_IFREG);
	edit_inode(fixture, fixture->dir, add_entry);
}

static void break_entry_row(struct fixture *fixture)
{
	struct fs_key key = entry_key(fixture, fixture->dir, "second");

	edit_data(fixture, &key, &junk);
}

static void break_entry_type(struct fixture *fixture)
{
	struct fs_key key = entry_key(fixture, fixture->dir, "second");

	put_entry(fixture, &key, fixture->file, S_IFLNK);
}

static void break_entry_hash(struct fixture *fixture)
{
	struct fs_key key = entry_key(fixture, fixture->dir, "second");
	struct fs_key wrong = fs_key_entry(fixture->dir, 42, text("second"));

	edit_data(fixture, &key, NULL);
	put_entry(fixture, &wrong, fixture->file, S_IFREG);
}

static void break_entry_name(struct fixture *fixture)
{
	struct fs_key key = entry_key(fixture, fixture->dir, "a/b");

	put_entry(fixture, &key, fixture->file, S_IFREG);
	edit_inode(fixture, fixture->dir, add_entry);
	edit_inode(fixture, fixture->file, add_link);
}

static void take_entry(struct inode *inode)
{
	inode->entries--;
}

static void break_file_reach(struct fixture *fixture)
{
	struct fs_key key = entry_key(fixture, FS_ROOT_INO, "tiny");

	edit_data(fixture, &key, NULL);
	edit_inode(fixture, FS_ROOT_INO, take_entry);
}

static void take_directory(struct inode *inode)
{
	inode->entries--;
	inode->attributes.nlink--;
}

static void break_directory_reach(struct fixture *fixture)
{
	struct fs_key key = entry_key(fixture, FS_ROOT_INO, "dir");

	edit_data(fixture, &key, NULL);
	edit_inode(fixture, FS_ROOT_INO, take_directory);
}

static void set_wrong_parent(struct inode *inode)
{
	inode->parent = FS_ROOT_INO;
}

static void break_parent(struct fixture *fixture)
{
	edit_inode(fixture, fixture->sub, set_wrong_parent);
}

/* sub lies in dir; now dir lies in sub, and nothing leads to either. */
static void break_loop(struct fixture *fixture)
{
	struct fs_key old = entry_key(fixture, FS_ROOT_INO, "dir");
	struct fs_key new = entry_key(fixture, fixture->sub, "dir");

	edit_data(fixture, &old, NULL);
	put_entry(fixture, &new, fixture->dir, S_IFDIR);
}

static void break_second_name(struct fixture *fixture)
{
	struct fs_key key = entry_key(fixture, FS_ROOT_INO, "again");

	put_entry(fixture, &key, fixture->sub, S_IFDIR);
}

static void reuse_births(struct inode *inode)
{
	inode->creation_seq = FS_SEQ_FIRST;
}

static void break_births(struct fixture *fixture)
{
	edit_inode(fixture, FS_ROOT_INO, reuse_births);
}

static void bear_elsewhere(struct inode *inode)
{
	inode->creation_dirid = 4711;
}

static void break_birth_mark(struct fixture *fixture)
{
	edit_inode(fixture, fixture->dir, bear_elsewhere);
}

static void break_spill(struct fixture *fixture)
{
	struct spill spill = {.directory = fixture->dir};
	struct fs_key key = fs_key_spill(4711);
	uint8_t bytes[32];
	struct writer writer = writer_fixed(bytes, sizeof bytes);
	struct slice row;

	spill_encode(&spill, &writer);
	row = writer_written(&writer);
	edit_data(fixture, &key, &row);
}

static void break_tiny_missing(struct fixture *fixture)
{
	struct fs_key key = fs_key_tiny(fixture->tiny);

	edit_data(fixture, &key, NULL);
}

static void break_tiny_size(struct fixture *fixture)
{
	struct fs_key key = fs_key_tiny(fixture->tiny);
	struct slice row = {"\1short", 6};

	edit_data(fixture, &key, &row);
}

static void break_tiny_and_units(struct fixture *fixture)
{
	struct fs_key key = fs_key_tiny(fixture->file);
	struct slice row = {"\1short", 6};

	edit_data(fixture, &key, &row);
}

static void break_xattr_alone(struct fixture *fixture)
{
	struct fs_key key = fs_key_xattr(NOBODY, text("user.x"));
	struct slice row = {"\1value", 6};

	edit_data(fixture, &key, &row);
}

static void break_xattr_row(struct fixture *fixture)
{
	struct fs_key key = fs_key_xattr(fixture->big_xattr, text("user.big"));

	edit_data(fixture, &key, &junk);
}

static void forget_xattrs(struct inode *inode)
{
	inode->state &= ~INODE_HAS_XATTRS;
}

static void break_xattr_mark(struct fixture *fixture)
{
	edit_inode(fixture, fixture->big_xattr, forget_xattrs);
}

static void break_lock_alone(struct fixture *fixture)
{
	struct fs_key key = fs_key_lock(NOBODY, 'p', 0, 1, 0);

	edit_data(fixture, &key, &mark);
}

static void break_lock_row(struct fixture *fixture)
{
	struct fs_key key = fs_key_lock(fixture->locked, 'p', fixture->session, 3, 0);

	edit_data(fixture, &key, &junk);
}

static void break_waiter_alone(struct fixture *fixture)
{
	struct fs_key key = fs_key_waiter(NOBODY, 1);

	edit_data(fixture, &key, &mark);
}

static void break_waiter_row(struct fixture *fixture)
{
	struct fs_key key = fs_key_waiter(fixture->locked, 1);

	edit_data(fixture, &key, &junk);
}

static void break_orphan_alone(struct fixture *fixture)
{
	struct fs_key key = fs_key_orphan(NOBODY, 0);

	edit_data(fixture, &key, &mark);
}

static void break_orphan_listing(struct fixture *fixture)
{
	struct fs_key key = fs_key_hold(fixture->session, fixture->held, FS_HOLD_OPEN);

	edit_local(fixture, fs_key_slice(&key), NULL);
}

/* Unlinked and open, until the row that says who has it open goes. */
static void break_orphan_gone(struct fixture *fixture)
{
	struct fs_key key = fs_key_orphan(fixture->held, fixture->session);

	edit_data(fixture, &key, NULL);
}

static void break_hold(struct fixture *fixture)
{
	struct fs_key key = fs_key_hold(9, fixture->tiny, FS_HOLD_OPEN);

	edit_local(fixture, fs_key_slice(&key), &mark);
}

static void break_lock_hold(struct fixture *fixture)
{
	struct fs_key key = fs_key_hold(9, NOBODY, FS_HOLD_LOCK);

	edit_local(fixture, fs_key_slice(&key), &mark);
}

static void break_garbage_row(struct fixture *fixture)
{
	struct fs_key key = fs_key_garbage(fixture->tiny);

	edit_local(fixture, fs_key_slice(&key), &junk);
}

static void set_inode_count(struct fixture *fixture, uint64_t region, int64_t count)
{
	struct fs_key key = fs_key_counter(COUNTER_INODES);
	uint8_t bytes[16];
	struct writer writer = writer_fixed(bytes, sizeof bytes);
	struct slice row;

	counter_encode((uint64_t)count, &writer);
	row = writer_written(&writer);
	edit_local_of(fixture, region, fs_key_slice(&key), &row);
}

static void break_inode_count(struct fixture *fixture)
{
	set_inode_count(fixture, 1, 1000);
}

static void break_inode_count_below_zero(struct fixture *fixture)
{
	set_inode_count(fixture, 1, -1);
}

static void cut(struct inode *inode)
{
	inode->cut = 1000;
}

static void break_garbage_listing(struct fixture *fixture)
{
	edit_inode(fixture, fixture->file, cut);
}

static void break_session(struct fixture *fixture)
{
	edit_local(fixture, slice_of("\1abc", 4), &mark);
}

static void break_slot(struct fixture *fixture)
{
	struct slice row = {"\1\1\0\0\0\0\0", 7};

	edit_local(fixture, slice_of("\2\0\0\0\0\0\0\0\7\0\0\0\1", 13), &row);
}

static void break_record(struct fixture *fixture)
{
	struct fs_key key = fs_key_store(3);

	edit_local(fixture, fs_key_slice(&key), &junk);
}

static void break_setting(struct fixture *fixture)
{
	struct fs_key key = fs_key_setting(SETTING_REPLICAS);

	edit_local(fixture, fs_key_slice(&key), &junk);
}

/* Live, by its record, and not among the sessions of the region. */
static void break_session_record(struct fixture *fixture)
{
	struct session_record record = {.state = SESSION_LIVE};
	struct fs_key key = fs_key_session(3);
	uint8_t bytes[64];
	struct writer writer = writer_fixed(bytes, sizeof bytes);
	struct slice row;

	assert_int_equal(session_record_encode(&record, &writer), 0);
	row = writer_written(&writer);
	edit_local(fixture, fs_key_slice(&key), &row);
}

static void count_unit(struct inode *inode)
{
	inode->units--;
}

static void break_unit_count(struct fixture *fixture)
{
	edit_inode(fixture, fixture->file, count_unit);
}

static void break_units_missing(struct fixture *fixture)
{
	struct extent_row row;
	struct key key;

	load_extents(fixture, fixture->file, &key, &row);
	edit(fixture, key_slice(&key), NULL);
}

static void shorten(struct inode *inode)
{
	inode->attributes.size = 2 * FS_UNIT_SIZE;
	inode->units = 2;
}

static void break_units_beyond(struct fixture *fixture)
{
	edit_inode(fixture, fixture->file, shorten);
}

static void break_units_alone(struct fixture *fixture)
{
	struct fs_key object = fs_key_object(NOBODY);
	struct extent_row row;
	struct key key, prefix;

	load_extents(fixture, fixture->file, &key, &row);
	edit(fixture, key_slice(&key), NULL);
	key_object(&prefix, fs_key_slice(&object));
	extent_row_key(&key, &prefix, 0);
	store_extents(fixture, &key, &row);
}

static void be_tiny(struct inode *inode)
{
	inode->data = INODE_DATA_NONE;
}

static void break_units_mark(struct fixture *fixture)
{
	edit_inode(fixture, fixture->file, be_tiny);
}

static void break_units_shared(struct fixture *fixture)
{
	struct extent_row row, other;
	struct key key, other_key;

	load_extents(fixture, fixture->file, &key, &row);
	load_extents(fixture, fixture->other, &other_key, &other);
	other.units[3] = row.units[5];
	store_extents(fixture, &other_key, &other);
}

static void break_units_foreign(struct fixture *fixture)
{
	struct extent_row row;
	struct key key;

	load_extents(fixture, fixture->other, &key, &row);
	row.units[3].address = UINT64_C(1) << 40;
	store_extents(fixture, &key, &row);
}

static void break_extents_row(struct fixture *fixture)
{
	struct extent_row row;
	struct key key;

	load_extents(fixture, fixture->other, &key, &row);
	edit(fixture, key_slice(&key), &junk);
}

static void break_data(struct fixture *fixture)
{
	char path[192];
	struct extent_row row;
	struct key key;

	load_extents(fixture, fixture->other, &key, &row);
	snprintf(path, sizeof path, "%s/blocks/0000", fixture->path);
	fixture->data_fd = open(path, O_RDWR | O_CLOEXEC);
	fixture->damaged_offset = row.units[2].address * BLOCK_UNIT_SIZE + 100;
	assert_int_equal(pwrite(fixture->data_fd, "\377", 1, (off_t)fixture->damaged_offset), 1);
}

/* A region of `peer_count` stores, 3 at most. */
static void put_region_of(
	struct fixture *fixture, uint64_t id, struct slice start, struct slice end, uint32_t peer_count)
{
	const struct region_peer peers[] = {{.id = 1, .store = 1, .roles = REGION_VOTER},
		{.id = 2, .store = 2, .roles = REGION_VOTER}, {.id = 3, .store = 3, .roles = REGION_VOTER}};
	struct apply_state applied = {.index = 6, .term = 6};
	uint8_t bytes[APPLY_STATE_SIZE];
	struct slice state = {bytes, sizeof bytes}, slice;
	struct region region;
	struct key key;
	struct buf *row;

	assert_int_equal(region_init(&region, id, start, end, peers, peer_count), 0);
	region.epoch.version = 1;
	assert_int_equal(region_encode(&region, &row), 0);
	slice = buf_slice(row);
	key_region_state(&key, id);
	edit(fixture, key_slice(&key), &slice);
	if (id > 1) {
		apply_state_encode(&applied, bytes);
		key_apply_state(&key, id);
		edit(fixture, key_slice(&key), &state);
	}
	buf_unref(row);
	region_close(&region);
}

static void put_region(struct fixture *fixture, uint64_t id, struct slice start, struct slice end)
{
	put_region_of(fixture, id, start, end, 1);
}

static void break_region_gap(struct fixture *fixture)
{
	put_region(fixture, 1, (struct slice){0}, slice_of("\017\377", 2));
}

static void break_region_overlap(struct fixture *fixture)
{
	put_region(fixture, 2, slice_of("\010", 1), (struct slice){0});
}

static void break_region_row(struct fixture *fixture)
{
	struct key key;

	key_region_state(&key, 1);
	edit(fixture, key_slice(&key), &junk);
}

static void break_apply_state(struct fixture *fixture)
{
	struct key key;

	key_apply_state(&key, 1);
	edit(fixture, key_slice(&key), &junk);
}

static void break_root(struct fixture *fixture)
{
	struct fs_key key = fs_key_inode(FS_ROOT_INO);

	edit_data(fixture, &key, NULL);
}

static void break_log(struct fixture *fixture)
{
	struct apply_state applied = {.index = 1000000, .term = 6};
	uint8_t bytes[APPLY_STATE_SIZE];
	struct slice state = {bytes, sizeof bytes};
	struct key key;

	apply_state_encode(&applied, bytes);
	key_apply_state(&key, 1);
	edit(fixture, key_slice(&key), &state);
}

/* ---- Operations across regions ---- */

static const struct attempt attempt = {.anchor = FS_ROOT_INO, .region = 1, .term = 5, .number = 7};

static void put_intent_of(struct fixture *fixture, uint64_t region, struct intent intent)
{
	struct fs_key key = fs_key_intent(intent.ino, &attempt, 0);
	struct intent_record record = {.intent = intent};
	uint8_t bytes[512];
	struct writer writer = writer_fixed(bytes, sizeof bytes);
	struct slice row;

	assert_int_equal(intent_record_encode(&record, &writer), 0);
	row = writer_written(&writer);
	edit_local_of(fixture, region, fs_key_slice(&key), &row);
}

static void put_committed(struct fixture *fixture, uint64_t region, uint64_t anchor)
{
	struct attempt other = attempt;
	uint8_t bytes[64];
	struct writer writer = writer_fixed(bytes, sizeof bytes);
	struct fs_key key;
	struct slice row;

	other.anchor = anchor;
	key = fs_key_committed(&other);
	committed_record_encode(slice_of("\1\0", 2), &writer);
	row = writer_written(&writer);
	edit_local_of(fixture, region, fs_key_slice(&key), &row);
}

static struct intent touch(uint64_t ino)
{
	return (struct intent){.kind = INTENT_INODE, .ino = ino, .inode = {.generation = 1}};
}

static void break_intent(struct fixture *fixture)
{
	struct fs_key key = fs_key_intent(fixture->file, &attempt, 0);

	edit_local(fixture, fs_key_slice(&key), &mark);
}

static void break_committed(struct fixture *fixture)
{
	struct fs_key key = fs_key_committed(&attempt);

	edit_local(fixture, fs_key_slice(&key), &mark);
}

static void break_intent_mark(struct fixture *fixture)
{
	put_intent_of(fixture, 1, touch(fixture->file));
}

static const struct breakage {
	void (*break_it)(struct fixture *fixture);
	const char *code; /* of the problem that must be named */
	const char *path; /* by which name; NULL: any */
	bool is_repaired; /* by a repair, to a store without a problem; else a repair leaves it */
} breakages[] = {
	{break_inode_row, "inode-damaged", "/xattr", false},
	{break_unknown_row, "row-unknown", NULL, false},
	{break_root, "root-missing", NULL, false},
	{break_link_count, "link-count", "/file", true},
	{break_directory_links, "link-count", "/dir", true},
	{break_entry_count, "entry-count", "/dir", true},
	{break_dangling, "entry-dangling", "/dir", false},
	{break_entry_row, "entry-damaged", "/dir", false},
	{break_entry_type, "entry-type", "/dir", false},
	{break_entry_hash, "entry-hash", "/dir", false},
	{break_entry_name, "entry-name", "/dir", false},
	{break_parent, "parent-wrong", "/dir/sub", true},
	{break_loop, "directory-loop", NULL, false},
	{break_second_name, "directory-names", NULL, false},
	{break_births, "creation-used", "/file", false},
	{break_birth_mark, "creation-unmarked", "/dir", false},
	{break_spill, "spill-alone", "/dir", false},
	{break_tiny_missing, "tiny-missing", "/tiny", false},
	{break_tiny_size, "tiny-size", "/tiny", false},
	{break_tiny_and_units, "tiny-unmarked", "/file", false},
	{break_xattr_alone, "row-alone", NULL, false},
	{break_xattr_row, "xattr-damaged", "/xattr", false},
	{break_xattr_mark, "row-unmarked", "/xattr", false},
	{break_lock_alone, "row-alone", NULL, true},
	{break_lock_row, "lock-damaged", "/locked", false},
	{break_waiter_alone, "row-alone", NULL, true},
	{break_waiter_row, "waiter-damaged", "/locked", true},
	{break_orphan_alone, "row-alone", NULL, true},
	{break_hold, "hold-alone", "/tiny", true},
	{break_lock_hold, "hold-alone", NULL, true},
	{break_garbage_row, "garbage-damaged", NULL, false},
	{break_garbage_listing, "garbage-unlisted", "/file", true},
	{break_inode_count, "inode-count-wrong", NULL, true},
	{break_inode_count_below_zero, "inode-count-wrong", NULL, true},
	{break_intent, "intent-damaged", NULL, false},
	{break_committed, "committed-damaged", NULL, false},
	{break_intent_mark, "row-unmarked", "/file", false},
	{break_session, "session-damaged", NULL, false},
	{break_slot, "slot-alone", NULL, false},
	{break_record, "record-damaged", NULL, false},
	{break_setting, "record-damaged", NULL, false},
	{break_session_record, "session-unknown", NULL, false},
	{break_unit_count, "unit-count", "/file", true},
	{break_units_beyond, "units-beyond", "/file", false},
	{break_units_alone, "units-alone", NULL, false},
	{break_units_mark, "units-unmarked", "/file", false},
	{break_units_shared, "units-shared", "/file", false},
	{break_units_shared, "units-shared", "/other", false},
	{break_units_foreign, "units-shared", "/other", false},
	{break_extents_row, "extents-damaged", "/other", false},
	{break_data, "data-damaged", "/other", false},
	{break_region_gap, "region-gap", NULL, false},
	{break_region_overlap, "region-overlap", NULL, false},
	{break_region_row, "region-damaged", NULL, false},
	{break_apply_state, "apply-state-damaged", NULL, false},
	{break_log, "log-damaged", NULL, false},
	/* The last ones change the store for good. */
	{break_file_reach, "unreachable", NULL, true},
	{break_directory_reach, "unreachable", NULL, true},
	{break_orphan_listing, "orphan-unlisted", NULL, true},
	{break_units_missing, "unit-count", "/file", true},
};

/* ---- Looking ---- */

static void look(struct fixture *fixture, struct check *check)
{
	struct inspect_options options = {.env = fixture->env,
		.logger = &fixture->logger,
		.path = fixture->path,
		.evaluator = eval_evaluator(),
		.cache_size = 1 << 20};
	struct check_options how = {.data = true};
	struct inspect *inspect;
	struct status status = {0};

	if (inspect_open(&options, &inspect, &status) < 0)
		fail_msg("%s", status.text);
	assert_int_equal(check_run(check, inspect, &how), 0);
	inspect_close(inspect);
}

static void print_problems(const struct check *check)
{
	for (size_t i = 0; i < check->report.count; i++) {
		const struct problem *problem = &check->report.problems[i];

		print_message("%s %s %llx: %s\n", problem->code, problem->path ? problem->path : "-",
			(unsigned long long)problem->ino, problem->text);
	}
}

static void assert_clean(struct fixture *fixture)
{
	struct check check;

	look(fixture, &check);
	print_problems(&check);
	assert_int_equal(check.report.total, 0);
	check_close(&check);
}

static bool has_problem(const struct check *check, const struct breakage *breakage)
{
	for (size_t i = 0; i < check->report.count; i++) {
		const struct problem *problem = &check->report.problems[i];

		if (strcmp(problem->code, breakage->code) == 0 &&
			(!breakage->path || (problem->path && strcmp(problem->path, breakage->path) == 0)))
			return true;
	}
	return false;
}

/* Rounds of repair, as fsck.raftkv makes them, until nothing is done any more. What is left is in `check`. */
static void repair(struct fixture *fixture, struct check *check)
{
	struct repair_options options = {
		.env = fixture->env, .logger = &fixture->logger, .path = fixture->path};
	uint64_t fixed = 1;

	while (fixed > 0) {
		struct status status = {0};

		if (repair_run(&options, &check->report, &fixed, &status) < 0)
			fixed = 0; /* a store that does not open is left as it is */
		check_close(check);
		look(fixture, check);
	}
}

static void undo_data(struct fixture *fixture)
{
	if (fixture->data_fd < 0)
		return;
	uint8_t byte = (uint8_t)((2 * BLOCK_UNIT_SIZE + 100) % 251 + 'o');

	assert_int_equal(pwrite(fixture->data_fd, &byte, 1, (off_t)fixture->damaged_offset), 1);
	close(fixture->data_fd);
	fixture->data_fd = -1;
}

static void try_breakage(struct fixture *fixture, const struct breakage *breakage)
{
	struct check check;

	begin_edit(fixture);
	breakage->break_it(fixture);
	end_edit(fixture);
	look(fixture, &check);
	if (!has_problem(&check, breakage)) {
		print_problems(&check);
		fail_msg("%s was not named", breakage->code);
	}
	if (breakage->is_repaired) {
		repair(fixture, &check);
		print_problems(&check);
		assert_int_equal(check.report.total, 0);
	}
	check_close(&check);
	undo_data(fixture);
	end_edits(fixture, !breakage->is_repaired);
}

static void test_breakages(void **state)
{
	struct fixture *fixture = *state;

	assert_clean(fixture);
	for (size_t i = 0; i < sizeof breakages / sizeof *breakages; i++) {
		try_breakage(fixture, &breakages[i]);
		if (!breakages[i].is_repaired)
			assert_clean(fixture);
	}
}

/* ---- Two regions ---- */

/* The root and its files stay in region 1; the directories in it go to region 2. */
static void split(struct fixture *fixture)
{
	struct fs_key key = fs_split_key_of_dirid(1);

	put_region(fixture, 1, (struct slice){0}, fs_key_slice(&key));
	put_region(fixture, 2, fs_key_slice(&key), (struct slice){0});
}

/* Deletes the rows of [low, high) of the engine's keys that `wanted` does not want. */
static void delete_rows(struct fixture *fixture, const struct key *low, const struct key *high,
	bool (*is_wanted)(struct slice key))
{
	struct kv_engine *kv = fixture->kv;
	struct kv_iterator *iterator;
	struct buf *keys[64];
	size_t count = 0;
	int status;

	assert_int_equal(
		kv->ops->iterator_new(kv, NULL, KV_TIER_ALL, key_slice(low), key_slice(high), &iterator), 0);
	for (status = kv->ops->seek(iterator, key_slice(low)); status == 0;
		status = kv->ops->next(iterator)) {
		struct slice key, value;

		kv->ops->row(iterator, &key, &value);
		if (is_wanted(key))
			continue;
		assert_true(count < sizeof keys / sizeof *keys);
		keys[count++] = buf_copy(key.data, key.size);
	}
	kv->ops->iterator_free(kv, iterator);
	while (count-- > 0) {
		edit(fixture, buf_slice(keys[count]), NULL);
		buf_unref(keys[count]);
	}
}

static bool is_of_root(struct slice key)
{
	return fs_key_get_dirid(key_row_inner(KEY_DATA, key)) == 0;
}

static bool is_not_of_root(struct slice key)
{
	return !is_of_root(key);
}

static bool is_no_hint(struct slice key)
{
	char letter = key.size > 9 ? ((const char *)key.data)[9] : '\0';

	return letter != 'H' && letter != 'G';
}

/* As on a store among others that has what was made in the root, or all the rest: `dir`, `sub` and what is in them. */
static void keep_part(struct fixture *fixture, bool has_root)
{
	struct fs_key key = fs_split_key_of_dirid(1);
	struct key low, high;

	key_row(&low, 0, KEY_DATA, (struct slice){0});
	key_row_bound(&high, 0, KEY_DATA, (struct slice){0});
	delete_rows(fixture, &low, &high, has_root ? is_of_root : is_not_of_root);
	key_objects(&low, &high);
	delete_rows(fixture, &low, &high, has_root ? is_of_root : is_not_of_root);
	if (has_root) {
		put_region_of(fixture, 1, (struct slice){0}, fs_key_slice(&key), 3);
		return;
	}
	put_region_of(fixture, 1, fs_key_slice(&key), (struct slice){0}, 3);
	key_row(&low, 1, KEY_LOCAL, (struct slice){0});
	key_row_bound(&high, 1, KEY_LOCAL, (struct slice){0});
	delete_rows(fixture, &low, &high, is_no_hint);
}

static const struct problem *find_problem(const struct check *check, const char *code)
{
	for (size_t i = 0; i < check->report.count; i++)
		if (strcmp(check->report.problems[i].code, code) == 0)
			return &check->report.problems[i];
	return NULL;
}

static int64_t count_all(struct fixture *fixture)
{
	struct check check;
	size_t count;

	look(fixture, &check);
	count = check.inodes.count;
	check_close(&check);
	return (int64_t)count;
}

#define NO_COUNT INT64_MIN

/* `wanted`: what the repair would make of the count of region 1; NO_COUNT: there is no problem. */
static void try_counts(struct fixture *fixture, int64_t lower, int64_t upper, int64_t wanted)
{
	const struct problem *problem;
	struct check check;

	begin_edit(fixture);
	split(fixture);
	set_inode_count(fixture, 1, lower);
	if (upper != NO_COUNT)
		set_inode_count(fixture, 2, upper);
	end_edit(fixture);
	look(fixture, &check);
	assert_true(check.is_whole);
	problem = find_problem(&check, "inode-count-wrong");
	assert_int_equal(problem != NULL, wanted != NO_COUNT);
	if (problem) {
		assert_int_equal(problem->fix.kind, FIX_INODE_COUNT);
		assert_int_equal(problem->fix.ino, FS_ROOT_INO);
		assert_int_equal((int64_t)problem->fix.value, wanted);
	}
	check_close(&check);
	end_edits(fixture, true);
}

static void test_counts_of_all_regions_add_up(void **state)
{
	struct fixture *fixture = *state;
	int64_t all = count_all(fixture);

	assert_true(all > 5);
	try_counts(fixture, all, 0, NO_COUNT);
	try_counts(fixture, all + 3, -3, NO_COUNT);
	try_counts(fixture, -3, all + 3, NO_COUNT);
	try_counts(fixture, all + 3, -2, all + 2);
	try_counts(fixture, -3, all, 0);
	try_counts(fixture, 0, all + 7, -7);
	try_counts(fixture, all + 3, NO_COUNT, NO_COUNT); /* region 2 does not count */
}

static void break_region_gap_between(struct fixture *fixture)
{
	struct fs_key end = fs_split_key_of_dirid(1), start = fs_split_key_of_dirid(2);

	put_region(fixture, 1, (struct slice){0}, fs_key_slice(&end));
	put_region(fixture, 2, fs_key_slice(&start), (struct slice){0});
	set_inode_count(fixture, 2, 1000);
}

static void break_region_beginning(struct fixture *fixture)
{
	struct fs_key start = fs_split_key_of_dirid(1);

	put_region(fixture, 1, fs_key_slice(&start), (struct slice){0});
}

/* In a store that has not all regions, nobody knows what the others count. */
static void test_a_part_of_the_counts_is_not_judged(void **state)
{
	static void (*const gaps[])(struct fixture *) = {
		break_region_gap, break_region_gap_between, break_region_beginning};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof gaps / sizeof *gaps; i++) {
		struct check check;

		begin_edit(fixture);
		gaps[i](fixture);
		set_inode_count(fixture, 1, 1000);
		end_edit(fixture);
		look(fixture, &check);
		assert_false(check.is_whole);
		assert_null(find_problem(&check, "inode-count-wrong"));
		check_close(&check);
		end_edits(fixture, true);
	}
}

/* The problem that is found in the rows as they are edited; NULL: none. Puts them back. */
static void expect_problem(struct fixture *fixture, const char *code, uint64_t ino)
{
	struct check check;

	end_edit(fixture);
	look(fixture, &check);
	assert_false(check.is_whole);
	if (check.report.count > 0)
		assert_string_equal(check.report.problems[0].code, code ? code : "none");
	assert_int_equal(check.report.count, code ? 1 : 0);
	if (code)
		assert_true(check.report.problems[0].ino == ino);
	check_close(&check);
	end_edits(fixture, true);
	begin_edit(fixture);
}

static void be_alone(struct inode *inode)
{
	inode->attributes.nlink = 0;
}

static void lose_entry_and_directory(struct inode *inode)
{
	inode->entries--;
	inode->attributes.nlink--;
}

static void have_one_more(struct inode *inode)
{
	inode->entries++;
}

/* One of many: entries mean inodes of other stores, and inodes have their names there. */
static void test_what_other_stores_have_is_not_missed(void **state)
{
	struct fixture *fixture = *state;
	struct fs_key key;

	begin_edit(fixture);
	keep_part(fixture, true);
	expect_problem(fixture, NULL, 0);
	keep_part(fixture, false);
	expect_problem(fixture, NULL, 0);
	/* What is here is judged. */
	key = entry_key(fixture, FS_ROOT_INO, "other");
	keep_part(fixture, true);
	put_entry(fixture, &key, fs_ino(0, 7777), S_IFREG);
	expect_problem(fixture, "entry-dangling", FS_ROOT_INO);
	keep_part(fixture, true);
	edit_inode(fixture, fixture->tiny, be_alone);
	expect_problem(fixture, "link-count", fixture->tiny);
	keep_part(fixture, false);
	edit_inode(fixture, fixture->dir, be_alone);
	expect_problem(fixture, "unreachable", fixture->dir);
	keep_part(fixture, false);
	edit_inode(fixture, fixture->dir, have_one_more);
	expect_problem(fixture, "entry-count", fixture->dir);
	key = entry_key(fixture, fixture->dir, "sub");
	keep_part(fixture, false);
	edit_data(fixture, &key, NULL);
	edit_inode(fixture, fixture->dir, lose_entry_and_directory);
	expect_problem(fixture, "unreachable", fixture->sub);
	end_edit(fixture);
}

static void test_hints_are_where_the_inode_is(void **state)
{
	struct fixture *fixture = *state;
	const struct {
		uint64_t region;
		struct fs_key key;
	} hints[] = {
		{2, fs_key_hold(fixture->session, fixture->held, FS_HOLD_OPEN)},
		{2, fs_key_hold(fixture->session, fixture->locked, FS_HOLD_LOCK)},
		{2, fs_key_garbage(fixture->file)},
		{1, fs_key_garbage(fixture->sub)},
	};

	for (size_t i = 0; i < sizeof hints / sizeof *hints; i++) {
		const struct problem *problem;
		struct check check;

		begin_edit(fixture);
		split(fixture);
		end_edit(fixture);
		look(fixture, &check);
		assert_null(find_problem(&check, "hint-elsewhere"));
		check_close(&check);
		begin_edit(fixture);
		edit_local_of(fixture, hints[i].region, fs_key_slice(&hints[i].key), &mark);
		end_edit(fixture);
		look(fixture, &check);
		problem = find_problem(&check, "hint-elsewhere");
		assert_non_null(problem);
		assert_int_equal(problem->fix.kind, FIX_DELETE_LOCAL);
		assert_int_equal(problem->fix.value, hints[i].region);
		assert_int_equal(slice_compare(buf_slice(problem->fix.key), fs_key_slice(&hints[i].key)), 0);
		check_close(&check);
		end_edits(fixture, true);
	}
}

static void expect_elsewhere(struct fixture *fixture, uint64_t ino)
{
	const struct problem *problem;
	struct check check;

	end_edit(fixture);
	look(fixture, &check);
	problem = find_problem(&check, "intent-elsewhere");
	assert_int_equal(problem ? problem->ino : 0, ino);
	check_close(&check);
	end_edits(fixture, true);
	begin_edit(fixture);
}

static void test_intents_are_where_the_inode_is(void **state)
{
	struct fixture *fixture = *state;

	begin_edit(fixture);
	split(fixture);
	put_intent_of(fixture, 1, touch(fixture->file));
	put_intent_of(fixture, 2, touch(fixture->sub));
	put_committed(fixture, 1, FS_ROOT_INO);
	put_committed(fixture, 2, fixture->sub);
	expect_elsewhere(fixture, 0);
	split(fixture);
	put_intent_of(fixture, 2, touch(fixture->file));
	expect_elsewhere(fixture, fixture->file);
	split(fixture);
	put_committed(fixture, 1, fixture->sub);
	expect_elsewhere(fixture, fixture->sub);
	end_edit(fixture);
}

/* ---- What an operation across regions has done already, and what it has not ---- */

static void lose_name(struct inode *inode)
{
	inode->attributes.nlink--;
	inode->state |= INODE_HAS_INTENTS;
}

static void leave_link(struct fixture *fixture)
{
	edit_inode(fixture, fixture->file, lose_name);
	put_intent_of(fixture, 1, touch(fixture->file));
}

static void lose_entry(struct inode *inode)
{
	inode->entries--;
}

static void wait_for_entry(struct inode *inode)
{
	inode->state |= INODE_HAS_INTENTS;
}

/* The old name of a file has gone; the new one is to be put in another region. */
static void leave_rename(struct fixture *fixture)
{
	struct fs_key old = entry_key(fixture, FS_ROOT_INO, "other"),
		      new = entry_key(fixture, fixture->sub, "n");
	struct entry entry = {.ino = fixture->other, .type = S_IFREG};
	uint8_t bytes[32];
	struct writer writer = writer_fixed(bytes, sizeof bytes);

	entry_encode(&entry, &writer);
	edit_data(fixture, &old, NULL);
	edit_inode(fixture, FS_ROOT_INO, lose_entry);
	edit_inode(fixture, fixture->sub, wait_for_entry);
	put_intent_of(fixture, 1,
		(struct intent){.kind = INTENT_ROW,
			.ino = fixture->sub,
			.row = {.key = fs_key_slice(&new), .after = writer_written(&writer), .has = true}});
}

static void gain_directory(struct inode *inode)
{
	inode->entries++;
	inode->attributes.nlink++;
}

/* The new directory has a name, and no inode yet. */
static void leave_birth(struct fixture *fixture)
{
	uint64_t ino = fs_ino(fs_ino_dirid(NOBODY), FS_SEQ_DIRECTORY);
	struct fs_key name = entry_key(fixture, FS_ROOT_INO, "new"), inode = fs_key_inode(ino);

	put_entry(fixture, &name, ino, S_IFDIR);
	edit_inode(fixture, FS_ROOT_INO, gain_directory);
	put_intent_of(fixture, 1,
		(struct intent){.kind = INTENT_ROW,
			.ino = ino,
			.row = {.key = fs_key_slice(&inode), .after = mark, .has = true, .is_first = true}});
}

static void test_what_has_not_ended_is_no_damage(void **state)
{
	static void (*const leave[])(struct fixture *) = {leave_link, leave_rename, leave_birth};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof leave / sizeof *leave; i++) {
		struct check check;

		begin_edit(fixture);
		leave[i](fixture);
		put_committed(fixture, 1, FS_ROOT_INO);
		end_edit(fixture);
		look(fixture, &check);
		print_problems(&check);
		assert_int_equal(check.report.total, 0);
		assert_int_equal(check.counts.intents, 1);
		assert_int_equal(check.counts.committed, 1);
		check_close(&check);
		end_edits(fixture, true);
	}
}

/* What a repair may not touch it leaves, even when it touches something else of the same store. */
static void test_leaves_alone(void **state)
{
	struct fixture *fixture = *state;
	const struct breakage left = {NULL, "entry-dangling", "/dir", false};
	struct check check;

	begin_edit(fixture);
	break_dangling(fixture);
	break_link_count(fixture);
	end_edit(fixture);
	look(fixture, &check);
	assert_int_equal(check.report.total, 2);
	repair(fixture, &check);
	assert_int_equal(check.report.total, 1);
	assert_true(has_problem(&check, &left));
	check_close(&check);
	end_edits(fixture, false);
}

static void test_lost_file_is_found(void **state)
{
	struct fixture *fixture = *state;
	struct check check;
	const struct inodes_item *item;

	begin_edit(fixture);
	break_orphan_gone(fixture);
	break_file_reach(fixture);
	end_edit(fixture);
	look(fixture, &check);
	repair(fixture, &check);
	print_problems(&check);
	item = inodes_find(&check.inodes, fixture->tiny);
	assert_non_null(item);
	assert_int_equal(item->names, 1);
	item = inodes_find(&check.inodes, fixture->held);
	assert_non_null(item);
	assert_int_equal(item->nlink, 1);
	check_close(&check);
	end_edits(fixture, false);
}

static void test_quote(void **state)
{
	char quoted[64];

	(void)state;
	report_quote(slice_of("a\n\\\xc3\xa4\xff\xed\xa0\x80", 9), quoted, sizeof quoted);
	assert_string_equal(quoted, "a\\012\\134\xc3\xa4\\377\\355\\240\\200");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_breakages, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_counts_of_all_regions_add_up, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_part_of_the_counts_is_not_judged, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_other_stores_have_is_not_missed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_hints_are_where_the_inode_is, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_intents_are_where_the_inode_is, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_has_not_ended_is_no_damage, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_leaves_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lost_file_is_found, set_up, tear_down),
		cmocka_unit_test(test_quote),
	};

#ifdef RAFTKV_PLANT
	plant_choose(getenv("RAFTKV_PLANTED"));
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
