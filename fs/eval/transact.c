#include "fs/eval/transact.h"

#include <errno.h>
#include <string.h>

#include "proto/check.h"
#include "proto/plant.h"
#include "proto/status.h"

#define LIST_SIZE_MAX INTENTS_SIZE_MAX /* bytes of a list that an evaluation makes */
#define INTENT_COUNT_MAX                                                                                     \
	(1 + EVALUATION_INODE_COUNT_MAX + EVALUATION_ROW_COUNT_MAX) /* INTENT_TREE, inodes, entries */

static bool has_ino(const struct evaluation *evaluation, uint64_t ino)
{
	struct fs_key key = fs_key_inode(ino);

	return evaluation_has_key(evaluation, fs_key_slice(&key));
}

int transact_enter(struct evaluation *evaluation, const struct op_transact *op)
{
	const struct eval_input *input = evaluation->input;
	bool is_stale = op->attempt.region != input->region || op->attempt.term != input->term ||
			!has_ino(evaluation, op->attempt.anchor);

	if (planted("transact:other_term_commits"))
		is_stale = op->attempt.region != input->region;
	if (is_stale)
		return STATUS_STALE_COMMAND;
	evaluation->transact = op;
	evaluation->now = evaluation_time(op->wall);
	evaluation->random = op->random;
	return 0;
}

/* ---- What is known ---- */

static void want(struct evaluation *evaluation, const struct wanted *wanted)
{
	for (size_t i = 0; i < evaluation->wanted_count; i++) {
		struct wanted *other = &evaluation->wanted[i];

		if (other->ino != wanted->ino)
			continue;
		if (wanted->name.size > 0)
			other->name = wanted->name;
		other->is_upward = other->is_upward || wanted->is_upward;
		return;
	}
	if (evaluation->wanted_count < EVALUATION_WANTED_COUNT_MAX)
		evaluation->wanted[evaluation->wanted_count++] = *wanted;
}

static bool find_fact(const struct evaluation *evaluation, const struct fs_key *key, struct fact *fact)
{
	return evaluation->transact && facts_find(evaluation->transact->facts, fs_key_slice(key), fact);
}

int transact_get_fact(struct evaluation *evaluation, const struct fs_key *key, const struct wanted *wanted,
	struct kv_value *row)
{
	struct fact fact;

	if (fs_ino_seq(wanted->ino) == 0)
		return STATUS_NOT_FOUND; /* no inode has such a number */
	if (!wanted_is_sound(wanted))
		return STATUS_CORRUPT; /* a fact says that something else is a directory */
	if (!find_fact(evaluation, key, &fact)) {
		want(evaluation, wanted);
		return STATUS_KEY_NOT_IN_REGION;
	}
	if (!fact.exists)
		return STATUS_NOT_FOUND;
	*row = (struct kv_value){.data = fact.row};
	return 0;
}

void transact_expect_entry(struct evaluation *evaluation, uint64_t directory, struct slice name)
{
	struct fs_key key = fs_key_inode(directory);
	struct fact fact;

	if (fs_ino_is_directory(directory) && !has_ino(evaluation, directory) &&
		!find_fact(evaluation, &key, &fact))
		want(evaluation, &(struct wanted){.ino = directory, .name = name});
}

/* ---- What is changed ---- */

static struct evaluation_row *row_of(struct evaluation *evaluation, const struct fs_key *key)
{
	for (size_t i = 0; i < evaluation->row_count; i++)
		if (slice_compare(fs_key_slice(&evaluation->rows[i].key), fs_key_slice(key)) == 0)
			return &evaluation->rows[i];
	check(evaluation->row_count < EVALUATION_ROW_COUNT_MAX);
	return &evaluation->rows[evaluation->row_count++];
}

void transact_change_entry(
	struct evaluation *evaluation, uint64_t directory, const struct fs_key *key, const struct slice *row)
{
	struct evaluation_row *change = row_of(evaluation, key);
	struct fact fact;
	bool is_known = find_fact(evaluation, key, &fact);

	check(is_known);
	*change = (struct evaluation_row){
		.directory = directory, .key = *key, .had = fact.exists, .has = row != NULL};
	change->before = fact.row;
	if (!row)
		return;
	check(row->size <= sizeof change->after);
	memcpy(change->after, row->data, row->size);
	change->after_size = row->size;
}

/* ---- Intents ---- */

static struct intent intent_of_inode(const struct evaluation_inode *slot)
{
	const struct inode *before = &slot->seen, *after = &slot->inode;
	bool is_removed = (slot->intent_flags & INTENT_REMOVES) != 0;
	bool is_moved = !is_removed && before->parent != after->parent;
	bool is_content = before->attributes.data_version != after->attributes.data_version;
	struct intent intent = {.kind = INTENT_INODE, .ino = after->attributes.ino};

	intent.inode.generation = before->attributes.generation;
	intent.inode.flags_seen = before->attributes.flags;
	intent.inode.flags = slot->intent_flags | (is_content ? INTENT_TOUCHES_CONTENT : INTENT_TOUCHES);
	if (!is_removed)
		intent.inode.nlink = (int32_t)(after->attributes.nlink - before->attributes.nlink);
	intent.inode.entries = (int32_t)(after->entries - before->entries);
	if (is_moved) {
		intent.inode.flags |= INTENT_MOVES;
		intent.inode.parent_before = before->parent;
		intent.inode.parent_after = after->parent;
	}
	return intent;
}

static struct intent intent_of_row(const struct evaluation_row *row)
{
	return (struct intent){.kind = INTENT_ROW,
		.ino = row->directory,
		.row = {.key = fs_key_slice(&row->key),
			.before = row->before,
			.after = slice_of(row->after, row->after_size),
			.had = row->had,
			.has = row->has}};
}

/* The row of the inode that the operation makes in another region; it makes one at most. */
struct birth {
	struct fs_key key;
	uint8_t row[FS_INODE_ROW_SIZE_MAX];
	size_t size; /* 0: it makes none */
	int status;
};

static struct intent intent_of_birth(const struct evaluation_inode *slot, struct birth *birth)
{
	struct writer writer = writer_fixed(birth->row, sizeof birth->row);
	uint64_t ino = slot->inode.attributes.ino;

	check(birth->size == 0);
	birth->key = fs_key_inode(ino);
	birth->status = inode_encode(&slot->inode, &writer);
	birth->size = writer.size;
	return (struct intent){.kind = INTENT_ROW,
		.ino = ino,
		.row = {.key = fs_key_slice(&birth->key),
			.after = slice_of(birth->row, birth->size),
			.has = true,
			.is_first = true}};
}

static void sort_by_ino(struct intent *intents, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		struct intent intent = intents[i];
		size_t at = i;

		for (; at > 0 && intents[at - 1].ino > intent.ino; at--)
			intents[at] = intents[at - 1];
		intents[at] = intent;
	}
}

/* INTENT_TREE is the first, because it is prepared before the others are known. Those of one dirid stand together. */
static size_t list_intents(
	const struct evaluation *evaluation, struct intent intents[INTENT_COUNT_MAX], struct birth *birth)
{
	size_t first = 0, count;

	birth->size = 0;
	birth->status = 0;
	if (evaluation->has_tree)
		intents[first++] = (struct intent){.kind = INTENT_TREE, .ino = FS_ROOT_INO};
	count = first;
	for (size_t i = 0; i < evaluation->inode_count; i++) {
		const struct evaluation_inode *slot = &evaluation->inodes[i];

		if (slot->is_remote && slot->is_changed)
			intents[count++] =
				slot->is_new ? intent_of_birth(slot, birth) : intent_of_inode(slot);
	}
	for (size_t i = 0; i < evaluation->row_count; i++)
		intents[count++] = intent_of_row(&evaluation->rows[i]);
	sort_by_ino(intents + first, count - first);
	return count;
}

static int encode_intents(const struct evaluation *evaluation, struct writer *writer, size_t *count)
{
	struct intent intents[INTENT_COUNT_MAX];
	struct birth birth;
	int status;

	*count = list_intents(evaluation, intents, &birth);
	status = birth.status;
	for (size_t i = 0; i < *count && status == 0; i++)
		status = intent_encode(&intents[i], writer);
	return status;
}

static bool covers_all(const struct evaluation *evaluation)
{
	struct fs_key first = fs_key_dirid(0), last = fs_key_dirid(FS_DIRID_END - 1);

	return evaluation_has_key(evaluation, fs_key_slice(&first)) &&
	       evaluation_has_key(evaluation, fs_key_slice(&last));
}

int transact_take_tree(struct evaluation *evaluation)
{
	struct slice prepared = evaluation->transact ? evaluation->transact->prepared : (struct slice){0};
	struct intent first;

	if (covers_all(evaluation))
		return 0;
	PLANT("transact:tree_not_taken", return 0);
	evaluation->has_tree = true;
	if (intent_next(&prepared, &first) && first.kind == INTENT_TREE)
		return 0;
	evaluation->lack = LACKS_INTENTS;
	return STATUS_INCOMPLETE;
}

/* ---- Commit ---- */

static void put_record(struct evaluation *evaluation, size_t count)
{
	struct intent intents[INTENT_COUNT_MAX];
	struct birth birth;
	struct fs_key key = fs_key_committed(&evaluation->transact->attempt);
	struct writer places = writer_growing(LIST_SIZE_MAX), row = writer_growing(LIST_SIZE_MAX + 16);

	list_intents(evaluation, intents, &birth);
	for (size_t i = 0; i < count; i++)
		intent_place_encode(
			&(struct intent_place){.ino = intents[i].ino, .index = (uint32_t)i}, &places);
	if (places.status == 0)
		committed_record_encode(writer_written(&places), &row);
	if (places.status == 0 && row.status == 0)
		mutations_put(evaluation->mutations, KEY_LOCAL, fs_key_slice(&key), writer_written(&row));
	else
		evaluation->mutations->status = places.status != 0 ? places.status : row.status;
	writer_close(&places);
	writer_close(&row);
}

static bool are_prepared(const struct evaluation *evaluation, struct slice intents)
{
	if (!evaluation->transact)
		return false;
	return slice_compare(evaluation->transact->prepared, intents) == 0 ||
	       planted("transact:unprepared_commits");
}

int transact_commit(struct evaluation *evaluation)
{
	struct writer writer = writer_growing(LIST_SIZE_MAX);
	size_t count;
	int status = encode_intents(evaluation, &writer, &count);

	if (status == 0 && count > 0 && are_prepared(evaluation, writer_written(&writer))) {
		put_record(evaluation, count);
		status = evaluation->mutations->status;
	} else if (status == 0 && count > 0) {
		evaluation->lack = LACKS_INTENTS;
		status = STATUS_INCOMPLETE;
	}
	writer_close(&writer);
	return status;
}

/* ---- What is lacking ---- */

static int encode_lacking(const struct evaluation *evaluation, struct writer *writer)
{
	size_t count;

	switch (evaluation->lack) {
	case LACKS_ROWS:
		for (size_t i = 0; i < evaluation->wanted_count; i++)
			wanted_encode(&evaluation->wanted[i], writer);
		break;
	case LACKS_ENDS:
		for (size_t i = 0; i < evaluation->ends_count; i++)
			attempt_encode(&evaluation->ends[i], writer);
		break;
	case LACKS_INTENTS:
		return encode_intents(evaluation, writer, &count);
	case LACKS_CHECK: /* there is no reply that could be right */
		break;
	}
	return writer->status;
}

static bool has_facts(const struct evaluation *evaluation)
{
	return evaluation->transact && evaluation->transact->facts.size > 0;
}

int transact_answer_lack(struct evaluation *evaluation, int status, struct buf **reply)
{
	struct writer writer = writer_growing(LIST_SIZE_MAX);
	int encoded;

	if (status == STATUS_KEY_NOT_IN_REGION && evaluation->wanted_count > 0)
		evaluation->lack = LACKS_ROWS;
	else if (status == STATUS_CORRUPT && has_facts(evaluation))
		evaluation->lack = LACKS_CHECK;
	else if (status != STATUS_INCOMPLETE)
		return status;
	encoded = encode_lacking(evaluation, &writer);
	if (encoded == 0)
		encoded = lack_encode(
			&(struct lack){.kind = evaluation->lack, .list = writer_written(&writer)}, reply);
	writer_close(&writer);
	return encoded == 0 ? STATUS_INCOMPLETE : encoded;
}

int transact_check_answer(const struct evaluation *evaluation, struct buf **reply)
{
	struct buf *answer = *reply;
	int status;

	if (!has_facts(evaluation) || evaluation->transact->answer.size > 0 ||
		evaluation->mutations->count > 0 || planted("transact:facts_not_checked"))
		return 0;
	status = lack_encode(&(struct lack){.kind = LACKS_CHECK, .list = buf_slice(answer)}, reply);
	buf_unref(answer);
	return status == 0 ? STATUS_INCOMPLETE : status;
}
