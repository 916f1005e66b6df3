#include "fs/intents/intent_view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/intents/intent_apply.h"
#include "proto/container.h"
#include "proto/plant.h"
#include "proto/status.h"

#define LETTER_AT 5u /* in a key of KEY_DATA, behind the dirid */

/* A committed intent, and the key of the row that it changes. */
struct laid {
	struct laid *next;
	struct fs_key key;
	struct buf *bytes; /* that the record borrows from */
	struct intent_record record;
};

/* The committed intents that change rows in [low, high), or (`is_one`) the row `low`: by key, those of one key in the
 * order of their T rows. */
struct layer {
	struct attempt_set *attempts;
	struct slice low, high;
	bool is_one;
	struct laid *first;
};

static struct intent_view *intent_view_of(struct view *view)
{
	return container_of(view, struct intent_view, view);
}

/* ---- Keys ---- */

static char letter_of(struct slice key)
{
	return key.size > LETTER_AT ? ((const char *)key.data)[LETTER_AT] : '\0';
}

static bool is_inode(struct slice key)
{
	return letter_of(key) == 'I';
}

/* The inode that the row belongs to, among whose T rows its intents are. */
static uint64_t inode_of(struct slice key)
{
	struct reader reader = reader_of(key);
	uint64_t dirid = fs_key_get_dirid(key);
	char letter = letter_of(key);

	if (letter == 'E' || letter == 'S')
		return fs_ino(dirid, FS_SEQ_DIRECTORY);
	reader_bytes(&reader, LETTER_AT + 1);
	return fs_ino(dirid, reader_u32be(&reader));
}

/* False: it changes no row. */
static bool changed_key(const struct intent *intent, struct fs_key *key)
{
	switch (intent->kind) {
	case INTENT_ROW:
		if (intent->row.key.size > FS_KEY_SIZE_MAX)
			return false;
		key->size = (uint16_t)intent->row.key.size;
		memcpy(key->bytes, intent->row.key.data, key->size);
		return true;
	case INTENT_INODE:
		*key = fs_key_inode(intent->ino);
		return true;
	case INTENT_TREE:
		break;
	}
	return false;
}

/* ---- The layer ---- */

static void layer_close(struct layer *layer)
{
	while (layer->first) {
		struct laid *laid = layer->first;

		layer->first = laid->next;
		buf_unref(laid->bytes);
		free(laid);
	}
}

static bool layer_covers(const struct layer *layer, struct slice key)
{
	int order = slice_compare(key, layer->low);

	if (layer->is_one)
		return order == 0;
	return order >= 0 && (layer->high.size == 0 || slice_compare(key, layer->high) < 0);
}

static int layer_add(struct layer *layer, const struct fs_key *changed, struct slice key, struct slice row)
{
	struct laid *laid = calloc(1, sizeof *laid), **link = &layer->first;
	struct slice bytes = fs_key_slice(changed);

	if (!laid)
		return -ENOMEM;
	while (*link && slice_compare(fs_key_slice(&(*link)->key), bytes) <= 0)
		link = &(*link)->next;
	laid->next = *link;
	*link = laid;
	laid->key = *changed;
	laid->bytes = buf_copy(row.data, row.size);
	return laid->bytes ? intent_record_decode(key, buf_slice(laid->bytes), &laid->record) : -ENOMEM;
}

static bool has_committed(const struct known_attempt *known)
{
	if (planted("reads:committed_unseen"))
		return false;
	return known->has_verdict && known->verdict == ATTEMPT_IS_COMMITTED;
}

static int on_intent(void *argument, struct slice key, struct slice row)
{
	const struct known_attempt *known;
	struct layer *layer = argument;
	struct intent_record record;
	struct fs_key changed;
	int status = intent_record_decode(key, row, &record);

	if (status < 0 || !changed_key(&record.intent, &changed) ||
		!layer_covers(layer, fs_key_slice(&changed)))
		return status;
	status = attempt_set_find(layer->attempts, &record.attempt, &known);
	return status == 0 && has_committed(known) ? layer_add(layer, &changed, key, row) : status;
}

/* Loads it from the T rows in [low, high). */
static int layer_load(
	struct layer *layer, struct view *below, const struct fs_key *low, const struct fs_key *high)
{
	int status = view_scan(below, KEY_LOCAL, fs_key_slice(low), fs_key_slice(high), on_intent, layer);

	if (status < 0)
		layer_close(layer);
	return status;
}

/* ---- A row under the layer ---- */

/* What a row becomes. */
struct outcome {
	bool exists;
	struct slice row;
	struct buf *owner; /* of the row's bytes, if it exists; NULL: the view below */
};

/* Takes `owner`. */
static void outcome_set(struct outcome *outcome, bool exists, struct slice row, struct buf *owner)
{
	buf_unref(outcome->owner);
	*outcome = (struct outcome){exists, row, owner};
}

static int outcome_set_inode(struct outcome *outcome, const struct inode *inode)
{
	struct writer writer = writer_growing(FS_INODE_ROW_SIZE_MAX);
	struct buf *bytes = NULL;
	int status = inode_encode(inode, &writer);

	if (status < 0)
		writer_close(&writer);
	else
		status = writer_take(&writer, &bytes);
	if (status == 0)
		outcome_set(outcome, true, buf_slice(bytes), bytes);
	return status;
}

static int lay_on_inode(const struct intent_record *record, struct outcome *outcome)
{
	struct inode inode;
	int status = outcome->exists ? inode_decode(outcome->row, record->intent.ino, &inode)
				     : STATUS_CORRUPT; /* it was there when this was prepared */

	if (status == 0)
		status = intent_apply_inode(&record->intent, &record->time, &inode);
	return status == 0 ? outcome_set_inode(outcome, &inode) : status;
}

static int lay(const struct laid *laid, struct outcome *outcome)
{
	const struct intent *intent = &laid->record.intent;

	if (intent->kind == INTENT_INODE)
		return lay_on_inode(&laid->record, outcome);
	outcome_set(
		outcome, intent->row.has, intent->row.after, intent->row.has ? buf_ref(laid->bytes) : NULL);
	return 0;
}

static int hide_flag(struct slice key, struct outcome *outcome)
{
	struct inode inode;
	int status = inode_decode(outcome->row, inode_of(key), &inode);

	if (status < 0 || (inode.state & INODE_HAS_INTENTS) == 0)
		return status;
	inode.state &= ~INODE_HAS_INTENTS;
	return outcome_set_inode(outcome, &inode);
}

/* Lays the intents of that row on it, which begin at `*next`. On an error the caller drops the outcome, too. */
static int lay_all(const struct laid **next, struct slice key, struct outcome *outcome)
{
	int status = 0;

	while (status == 0 && *next && slice_compare(fs_key_slice(&(*next)->key), key) == 0) {
		status = lay(*next, outcome);
		*next = (*next)->next;
	}
	return status == 0 && outcome->exists && is_inode(key) ? hide_flag(key, outcome) : status;
}

/* ---- One row ---- */

static bool has_flag(struct slice row, uint64_t ino)
{
	struct inode inode;

	return inode_decode(row, ino, &inode) < 0 || (inode.state & INODE_HAS_INTENTS) != 0;
}

static void release_owner(void *pin)
{
	buf_unref(pin);
}

static int take_outcome(const struct outcome *outcome, struct kv_value *value)
{
	if (outcome->exists && !outcome->owner)
		return 0; /* the value is the outcome */
	kv_value_close(value);
	if (!outcome->exists)
		return STATUS_NOT_FOUND;
	*value = (struct kv_value){.data = outcome->row, .pin = outcome->owner, .release = release_owner};
	return 0;
}

static int get_under(struct intent_view *view, struct slice key, struct outcome *outcome)
{
	struct layer layer = {.attempts = view->attempts, .low = key, .is_one = true};
	struct fs_key low = fs_key_intents(inode_of(key)), high = fs_key_after(&low);
	int status = layer_load(&layer, view->below, &low, &high);
	const struct laid *next = layer.first;

	if (status == 0)
		status = lay_all(&next, key, outcome);
	layer_close(&layer);
	return status;
}

static int intent_view_get(struct view *base, enum key_space space, struct slice key, struct kv_value *value)
{
	struct intent_view *view = intent_view_of(base);
	int status = view_get(view->below, space, key, value);
	struct outcome outcome = {.exists = status == 0, .row = value->data};

	if (space != KEY_DATA || (status != 0 && status != STATUS_NOT_FOUND) ||
		fs_key_get_dirid(key) == FS_DIRID_END)
		return status;
	if (outcome.exists && is_inode(key) && !has_flag(value->data, inode_of(key)))
		return 0;
	status = get_under(view, key, &outcome);
	if (status == 0)
		return take_outcome(&outcome, value);
	buf_unref(outcome.owner);
	kv_value_close(value);
	return status;
}

/* ---- A range of rows ---- */

struct merge {
	const struct laid *next;
	view_row_cb row;
	void *argument;
};

static int merge_row(struct merge *merge, struct slice key, struct outcome outcome)
{
	int status = lay_all(&merge->next, key, &outcome);

	if (status == 0 && outcome.exists)
		status = merge->row(merge->argument, key, outcome.row);
	buf_unref(outcome.owner);
	return status;
}

/* Gives the rows before `key` (NULL: all that are left) that the intents add. */
static int merge_added(struct merge *merge, const struct slice *key)
{
	int status = 0;

	PLANT("reads:added_rows_missed", return 0);
	while (status == 0 && merge->next &&
		(!key || slice_compare(fs_key_slice(&merge->next->key), *key) < 0))
		status = merge_row(merge, fs_key_slice(&merge->next->key), (struct outcome){0});
	return status;
}

static int on_row(void *argument, struct slice key, struct slice value)
{
	int status = merge_added(argument, &key);

	return status == 0 ? merge_row(argument, key, (struct outcome){.exists = true, .row = value})
			   : status;
}

/* The bounds of the T rows of all inodes that have rows in [low, high). */
static void find_bounds(struct slice low, struct slice high, struct fs_key *first, struct fs_key *end)
{
	const struct fs_key all = fs_key_intents_all();
	uint64_t last = high.size > 0 ? fs_key_get_dirid(high) : FS_DIRID_END;
	struct fs_key prefix;

	*first = low.size > 0 ? fs_key_intents(fs_ino(fs_key_get_dirid(low), 0)) : all;
	prefix = last == FS_DIRID_END ? all : fs_key_intents(fs_ino(last, FS_SEQ_END - 1));
	*end = fs_key_after(&prefix);
}

static int scan_under(
	struct intent_view *view, struct slice low, struct slice high, view_row_cb row, void *argument)
{
	struct layer layer = {.attempts = view->attempts, .low = low, .high = high};
	struct merge merge = {.row = row, .argument = argument};
	struct fs_key first, end;
	int status;

	find_bounds(low, high, &first, &end);
	status = layer_load(&layer, view->below, &first, &end);
	merge.next = layer.first;
	if (status == 0)
		status = view_scan(view->below, KEY_DATA, low, high, on_row, &merge);
	if (status == 0)
		status = merge_added(&merge, NULL);
	layer_close(&layer);
	return status;
}

static int intent_view_scan(struct view *base, enum key_space space, struct slice low, struct slice high,
	view_row_cb row, void *argument)
{
	const struct fs_key intents = fs_key_intents_all();
	struct intent_view *view = intent_view_of(base);

	if (space == KEY_LOCAL && low.size > 0 && memcmp(low.data, intents.bytes, intents.size) == 0)
		return 0;
	if (space == KEY_LOCAL || (low.size > 0 && fs_key_get_dirid(low) == FS_DIRID_END))
		return view_scan(view->below, space, low, high, row, argument);
	return scan_under(view, low, high, row, argument);
}

/* ---- Objects ---- */

static int intent_view_read(
	struct view *view, struct slice object, uint64_t first, uint32_t count, void *bytes)
{
	return view_read(intent_view_of(view)->below, object, first, count, bytes);
}

static int intent_view_mapped(
	struct view *view, struct slice object, uint64_t first, uint64_t count, uint64_t *mapped)
{
	return view_mapped(intent_view_of(view)->below, object, first, count, mapped);
}

static int intent_view_next(struct view *view, struct slice object, uint64_t first, bool data, uint64_t *unit)
{
	return view_next(intent_view_of(view)->below, object, first, data, unit);
}

struct view *intent_view_init(struct intent_view *view, struct view *below, struct attempt_set *attempts)
{
	static const struct view_ops ops = {
		intent_view_get, intent_view_scan, intent_view_read, intent_view_mapped, intent_view_next};

	*view = (struct intent_view){.view.ops = &ops, .below = below, .attempts = attempts};
	return &view->view;
}
