#include "tests/lib/intent_rows.h"

#include "proto/check.h"

struct attempt intent_rows_attempt(uint64_t number)
{
	return (struct attempt){.anchor = fs_ino(number % 3 + 100, FS_SEQ_DIRECTORY),
		.region = 2,
		.term = 5,
		.number = number};
}

static void set_flag(struct memory_view *memory, uint64_t ino, bool has_intents)
{
	struct view *view = memory_view_get(memory);
	struct fs_key key = fs_key_inode(ino);
	struct writer writer = writer_growing(FS_INODE_ROW_SIZE_MAX);
	struct kv_value row = {0};
	struct inode inode;

	if (view_get(view, KEY_DATA, fs_key_slice(&key), &row) != 0)
		return;
	check(inode_decode(row.data, ino, &inode) == 0);
	inode.state = has_intents ? inode.state | INODE_HAS_INTENTS : inode.state & ~INODE_HAS_INTENTS;
	check(inode_encode(&inode, &writer) == 0);
	memory_view_put(memory, KEY_DATA, fs_key_slice(&key), writer_written(&writer));
	writer_close(&writer);
	kv_value_close(&row);
}

void intent_rows_put(struct memory_view *memory, const struct attempt *attempt, uint32_t index,
	const struct intent *intent)
{
	const struct intent_record record = {.attempt = *attempt,
		.index = index,
		.age = {.asked = 1, .session = 7},
		.time = {.seconds = INTENT_ROWS_SECOND},
		.intent = *intent};
	struct fs_key key = fs_key_intent(intent->ino, attempt, index);
	struct writer writer = writer_growing(INTENTS_SIZE_MAX);

	check(intent_record_encode(&record, &writer) == 0);
	memory_view_put(memory, KEY_LOCAL, fs_key_slice(&key), writer_written(&writer));
	writer_close(&writer);
	set_flag(memory, intent->ino, true);
}

void intent_rows_clear(struct memory_view *memory, uint64_t ino)
{
	struct fs_key prefix = fs_key_intents(ino), after = fs_key_after(&prefix);

	memory_view_delete(memory, KEY_LOCAL, fs_key_slice(&prefix), fs_key_slice(&after));
	set_flag(memory, ino, false);
}

struct slice intent_rows_entry(struct writer *writer, uint64_t ino)
{
	const struct entry entry = {.ino = ino, .type = fs_ino_is_directory(ino) ? S_IFDIR : S_IFREG};

	*writer = writer_growing(64);
	entry_encode(&entry, writer);
	check(writer->status == 0);
	return writer_written(writer);
}

struct slice intent_rows_file(struct writer *writer, uint64_t ino)
{
	const struct inode inode = {
		.attributes = {.ino = ino, .generation = 9, .mode = S_IFREG | 0600, .nlink = 1},
		.cut = INODE_CUT_NONE};

	*writer = writer_growing(FS_INODE_ROW_SIZE_MAX);
	check(inode_encode(&inode, writer) == 0);
	return writer_written(writer);
}
