/* Rows and keys as damage may leave them: decoded or refused, and what is decoded encodes to something that decodes. */
#include <stdlib.h>

#include "fs/schema/acl.h"
#include "fs/schema/intent.h"
#include "fs/schema/records.h"
#include "fs/schema/rows.h"

static void again_inode(const struct inode *inode)
{
	struct writer writer = writer_growing(1u << 20);
	struct inode other;

	if (inode_encode(inode, &writer) != 0 ||
		inode_decode(writer_written(&writer), inode->attributes.ino, &other) != 0)
		abort();
	writer_close(&writer);
}

static void try_inode(struct slice row)
{
	struct slice rest, name, value;
	struct inode inode;

	for (uint64_t ino = fs_ino(1, 1); ino <= fs_ino(1, 2); ino++) {
		if (inode_decode(row, ino, &inode) != 0)
			continue;
		again_inode(&inode);
		rest = inode.xattrs;
		while (inode_xattr_next(&rest, &name, &value))
			continue;
	}
}

static void try_acl(struct slice bytes)
{
	uint8_t again[ACL_SIZE_MAX];
	struct acl acl;

	if (acl_decode(bytes, &acl) != 0 || acl.count == 0)
		return;
	acl_chmod(&acl, acl_create(&acl, 0751));
	if (acl_mode(&acl) != (0751 & acl_mode(&acl)))
		abort();
	if (acl_decode(acl_encode(&acl, again), &acl) != 0)
		abort();
}

static void try_keys(struct slice key)
{
	struct fs_lock_key lock;
	enum fs_hold_kind kind;
	struct slice name;
	uint64_t number, ino;
	struct attempt attempt;
	uint32_t index;

	fs_key_get_dirid(key);
	fs_key_parse_inode(key, &number);
	fs_key_parse_entry(key, &number, &name);
	fs_key_parse_xattr(key, &name);
	fs_key_parse_lock(key, &lock);
	fs_key_parse_waiter(key, &number);
	fs_key_parse_hold(key, &number, &ino, &kind);
	fs_key_parse_garbage(key, &ino);
	fs_key_parse_intent(key, &ino, &attempt, &index);
	fs_key_parse_committed(key, &attempt);
	fs_key_parse_session(key, &number);
	fs_key_parse_store(key, &number);
}

static void again_intent(const struct intent *intent)
{
	struct writer writer = writer_growing(1u << 20);
	struct intent other;
	struct slice rest;

	if (intent_encode(intent, &writer) != 0)
		abort();
	rest = writer_written(&writer);
	if (!intent_next(&rest, &other) || rest.size > 0 || other.kind != intent->kind)
		abort();
	writer_close(&writer);
}

/* Rows of intents, as any key may have them. */
static void try_intents(struct slice row)
{
	const struct attempt attempt = {1, 2, 3, 4};
	struct fs_key committed = fs_key_committed(&attempt);
	struct intent_record record;
	struct attempt decoded;
	struct slice places;

	for (uint64_t ino = fs_ino(0, 1); ino <= fs_ino(0, 2); ino++) {
		struct fs_key key = fs_key_intent(ino, &attempt, 3);

		if (intent_record_decode(fs_key_slice(&key), row, &record) == 0)
			again_intent(&record.intent);
	}
	if (committed_record_decode(fs_key_slice(&committed), row, &decoded, &places) == 0 &&
		intent_places_check(places) != 0)
		abort();
}

/* Lists as another store may send them. */
static void try_lists(struct slice list)
{
	struct slice rest = list;
	struct intent intent;
	struct wanted wanted;
	struct fact fact;
	struct lack lack;
	struct buf *reply;
	uint32_t count;

	while (intent_next(&rest, &intent))
		again_intent(&intent);
	if (intents_check(list) == 0 && rest.size > 0)
		abort();
	for (rest = list; fact_next(&rest, &fact);)
		if (!facts_find(list, fact.key, &fact))
			abort();
	for (rest = list; wanted_next(&rest, &wanted);)
		if (!wanted_is_sound(&wanted))
			abort();
	attempts_check(list, ATTEMPTS_OF_LACK_MAX, &count);
	if (lack_decode(list, &lack) != 0)
		return;
	if (lack_encode(&lack, &reply) != 0)
		abort();
	buf_unref(reply);
}

static void try_records(struct slice row)
{
	struct writer writer = writer_growing(RECORD_SIZE_MAX);
	struct session_record session;
	struct store_record store;
	uint64_t last;

	if (session_record_decode(row, &session) == 0 && session_record_encode(&session, &writer) != 0)
		abort();
	if (store_record_decode(row, &store) == 0 && store_record_encode(&store, &writer) != 0)
		abort();
	counter_decode(row, &last);
	writer_close(&writer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice row = slice_of(data, size), bytes;
	struct fs_key key = fs_key_lock(fs_ino(1, 2), LOCK_POSIX, 3, 4, 5);
	struct fs_key waiter_key = fs_key_waiter(fs_ino(1, 2), 3);
	struct entry entry;
	struct spill spill;
	struct lock lock;
	struct lock_waiter waiter;

	try_inode(row);
	try_acl(row);
	try_keys(row);
	try_records(row);
	try_intents(row);
	try_lists(row);
	entry_decode(row, &entry);
	bytes_decode(row, FS_TINY_SIZE_MAX, &bytes);
	lock_decode(fs_key_slice(&key), row, &lock);
	lock_waiter_decode(fs_key_slice(&waiter_key), row, &waiter);
	spill_decode(row, &spill);
	mark_decode(row);
	return 0;
}
