#include "fs/eval/ends.h"

#include "proto/plant.h"
#include "proto/status.h"

/* ---- Intents of an inode ---- */

struct walk {
	ends_intent_cb intent;
	void *argument;
};

static int on_row(void *argument, struct slice key, struct slice value)
{
	const struct walk *walk = argument;
	struct intent_record record;
	int status = intent_record_decode(key, value, &record);

	return status == 0 ? walk->intent(walk->argument, key, &record) : status;
}

int ends_each_intent(struct evaluation *evaluation, uint64_t ino, ends_intent_cb intent, void *argument)
{
	struct fs_key low = fs_key_intents(ino), high = fs_key_after(&low);
	struct walk walk = {.intent = intent, .argument = argument};

	return view_scan(evaluation->view, KEY_LOCAL, fs_key_slice(&low), fs_key_slice(&high), on_row, &walk);
}

/* ---- Waiting ---- */

int ends_add(struct evaluation *evaluation, const struct attempt *attempt)
{
	evaluation->lack = LACKS_ENDS;
	for (size_t i = 0; i < evaluation->ends_count; i++)
		if (attempt_is_same(&evaluation->ends[i], attempt))
			return STATUS_INCOMPLETE;
	if (evaluation->ends_count < EVALUATION_ENDS_COUNT_MAX)
		evaluation->ends[evaluation->ends_count++] = *attempt;
	return STATUS_INCOMPLETE;
}

struct search {
	struct evaluation *evaluation;
	enum ends_of what;
	struct slice key;
};

static bool hinders(const struct search *search, const struct intent *intent)
{
	bool is_of_inode = intent->kind == INTENT_INODE;

	switch (search->what) {
	case ENDS_OF_ALL:
		return intent->kind != INTENT_TREE;
	case ENDS_OF_PLACE:
		return is_of_inode && (intent->inode.flags & (INTENT_MOVES | INTENT_REMOVES)) != 0;
	case ENDS_OF_NAME:
		return intent->kind == INTENT_ROW && slice_compare(intent->row.key, search->key) == 0;
	case ENDS_OF_LINKS:
		return is_of_inode && intent->inode.nlink != 0;
	}
	return true;
}

static int find_hindrance(void *argument, struct slice key, const struct intent_record *record)
{
	const struct search *search = argument;
	const struct op_transact *own = search->evaluation->transact;

	(void)key;
	if (own && attempt_is_same(&own->attempt, &record->attempt))
		return 0;
	if (hinders(search, &record->intent))
		ends_add(search->evaluation, &record->attempt);
	return 0;
}

int ends_await(struct evaluation *evaluation, uint64_t ino, enum ends_of what, struct slice key)
{
	struct search search = {.evaluation = evaluation, .what = what, .key = key};
	size_t before = evaluation->ends_count;
	int status;

	PLANT("intents:writers_do_not_wait", return 0);
	status = ends_each_intent(evaluation, ino, find_hindrance, &search);
	if (status != 0)
		return status;
	return evaluation->ends_count > before ? STATUS_INCOMPLETE : 0;
}
