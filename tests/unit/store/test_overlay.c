/* store/overlay, its view and store/mutations: what a leader's evaluations see, against a plain model, at random. */
#include "store/evaluate/overlay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/blocks/blocks.h"
#include "store/rows/keys.h"
#include "store/rows/mutations.h"
#include "store/evaluate/overlay_view.h"
#include "tests/lib/sim_kv.h"
#include "tests/lib/test.h"

#define KEYS	20u
#define UNITS	40u
#define ENTRIES 400u
#define OBJECT	"object"

/* The newest state, which the overlay alone knows: nothing is ever applied to the engine below. */
struct model {
	int rows[KEYS]; /* 0: none */
	uint8_t units[UNITS]; /* first byte; 0: a hole */
	uint64_t row_index[KEYS]; /* who changed it last */
	uint64_t unit_index[UNITS];
};

static struct slice key_of(unsigned int number, char key[8])
{
	snprintf(key, 8, "k%02u", number);
	return slice_of(key, 3);
}

static void change_rows(struct mutations *mutations, struct model *model, uint64_t index)
{
	unsigned int number = (unsigned int)rand() % KEYS;
	unsigned int end = number + 1 + (unsigned int)rand() % 4;
	char low[8], high[8];
	int value = 1 + rand() % 1000;

	switch (rand() % 3) {
	case 0:
		mutations_put(mutations, KEY_DATA, key_of(number, low), slice_of(&value, sizeof value));
		model->rows[number] = value;
		model->row_index[number] = index;
		return;
	case 1:
		mutations_delete(mutations, KEY_DATA, key_of(number, low));
		model->rows[number] = 0;
		model->row_index[number] = index;
		return;
	default:
		mutations_delete_range(mutations, KEY_DATA, key_of(number, low), key_of(end, high));
		for (unsigned int i = number; i < end && i < KEYS; i++) {
			model->rows[i] = 0;
			model->row_index[i] = index;
		}
	}
}

static void change_units(struct mutations *mutations, struct model *model, uint64_t index)
{
	uint32_t first = (uint32_t)rand() % UNITS;
	uint32_t count = 1 + (uint32_t)rand() % 20;
	struct slice object = slice_of(OBJECT, strlen(OBJECT));
	uint8_t seed = (uint8_t)(rand() % 3 ? 1 + rand() % 255 : 0);
	struct buf *payload = buf_new((size_t)count * BLOCK_UNIT_SIZE);

	for (uint32_t i = 0; i < count; i++) {
		uint8_t byte = seed ? (uint8_t)(seed % 200 + i + 1) : 0;

		memset((uint8_t *)payload->data + (size_t)i * BLOCK_UNIT_SIZE, byte, BLOCK_UNIT_SIZE);
		if (first + i < UNITS) {
			model->units[first + i] = byte;
			model->unit_index[first + i] = index;
		}
	}
	if (seed)
		mutations_write(mutations, object, first, count, payload, 0);
	else
		mutations_unmap(mutations, object, first, count);
	buf_unref(payload);
}

static void check_model(struct overlay *overlay, struct kv_engine *kv, const struct region *region,
	const struct model *model, uint64_t retired)
{
	struct engine_view engine = {.kv = kv, .may_block = true};
	struct overlay_view view;
	struct slice object = slice_of(OBJECT, strlen(OBJECT));
	uint8_t unit[BLOCK_UNIT_SIZE];
	char key[8];

	overlay_view_init(&view, overlay, region, &engine);
	for (unsigned int i = 0; i < KEYS; i++) {
		bool is_here = model->rows[i] != 0 && model->row_index[i] > retired;
		struct kv_value value = {0};
		int status = view_get(&view.base, KEY_DATA, key_of(i, key), &value);

		assert_int_equal(status, is_here ? 0 : STATUS_NOT_FOUND);
		if (is_here)
			assert_memory_equal(value.data.data, &model->rows[i], sizeof(int));
		kv_value_close(&value);
	}
	for (uint32_t i = 0; i < UNITS; i++) {
		bool is_here = model->units[i] != 0 && model->unit_index[i] > retired;
		uint64_t mapped, next;

		assert_int_equal(view_read(&view.base, object, i, 1, unit), 0);
		assert_int_equal(unit[0], is_here ? model->units[i] : 0);
		assert_int_equal(unit[BLOCK_UNIT_SIZE - 1], unit[0]);
		assert_int_equal(view_mapped(&view.base, object, i, 1, &mapped), 0);
		assert_int_equal(mapped, is_here);
		assert_int_equal(view_next(&view.base, object, i, true, &next), 0);
		assert_int_equal(next == i, is_here);
		assert_int_equal(view_next(&view.base, object, i, false, &next), 0);
		assert_int_equal(next == i, !is_here);
	}
}

static void the_newest_entry_wins_until_it_is_retired(void **state)
{
	struct sim_kv *sim = sim_kv_new(&(struct sim_kv_options){.seed = 1});
	struct kv_engine *kv = sim_kv_open(sim);
	struct region region = {.id = 1};
	struct overlay overlay = {0};
	struct model model = {0};
	uint64_t retired = 0;

	(void)state;
	srand(1);
	for (uint64_t index = 1; index <= ENTRIES; index++) {
		struct mutations mutations = {0};
		struct raft_entry entry;

		change_rows(&mutations, &model, index);
		change_units(&mutations, &model, index);
		assert_int_equal(mutations_finish(&mutations, 1, &entry), 0);
		entry.index = index;
		assert_int_equal(overlay_add(&overlay, 1, &entry), 0);
		buf_unref(entry.data);
		buf_unref(entry.payload);
		if (rand() % 10 == 0) {
			uint64_t upto = index - (uint64_t)(rand() % 10) % index;

			retired = upto > retired ? upto : retired;
			overlay_retire(&overlay, retired);
		}
		check_model(&overlay, kv, &region, &model, retired);
	}
	overlay_retire(&overlay, ENTRIES);
	assert_true(overlay_is_empty(&overlay));
	assert_null(overlay.rows.rbh_root);
	assert_null(overlay.extents.rbh_root);
	kv->ops->close(kv);
	sim_kv_free(sim);
}

static int count_row(void *argument, struct slice key, struct slice value)
{
	(void)value;
	assert_int_equal(key.size, 3);
	++*(int *)argument;
	return 0;
}

static void a_scan_merges_the_overlay_with_the_rows_below(void **state)
{
	struct sim_kv *sim = sim_kv_new(&(struct sim_kv_options){.seed = 1});
	struct kv_engine *kv = sim_kv_open(sim);
	struct kv_batch *batch = kv->ops->batch_new(kv);
	struct engine_view engine = {.kv = kv, .may_block = true};
	struct region region = {.id = 1};
	struct overlay overlay = {0};
	struct overlay_view view;
	struct mutations mutations = {0};
	struct raft_entry entry;
	char low[8], high[8];
	int rows = 0;

	(void)state;
	for (unsigned int i = 0; i < KEYS; i += 2) {
		struct key key;

		key_row(&key, 1, KEY_DATA, key_of(i, low));
		kv->ops->batch_put(batch, key_slice(&key), slice_of("x", 1));
	}
	kv->ops->write(kv, batch);
	kv->ops->batch_free(batch);
	mutations_put(&mutations, KEY_DATA, key_of(1, low), slice_of("y", 1));
	mutations_put(&mutations, KEY_DATA, key_of(2, low), slice_of("y", 1));
	mutations_delete(&mutations, KEY_DATA, key_of(4, low));
	mutations_delete_range(&mutations, KEY_DATA, key_of(10, low), key_of(15, high));
	assert_int_equal(mutations_finish(&mutations, 1, &entry), 0);
	entry.index = 9;
	assert_int_equal(overlay_add(&overlay, 1, &entry), 0);
	overlay_view_init(&view, &overlay, &region, &engine);
	assert_int_equal(
		view_scan(&view.base, KEY_DATA, key_of(0, low), (struct slice){0}, count_row, &rows), 0);
	assert_int_equal(rows, 10 + 1 - 1 - 3); /* of ten: one more, one deleted, three in the range */
	assert_int_equal(view.seen, 9);
	overlay_clear(&overlay);
	buf_unref(entry.data);
	kv->ops->close(kv);
	sim_kv_free(sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_newest_entry_wins_until_it_is_retired),
		cmocka_unit_test(a_scan_merges_the_overlay_with_the_rows_below),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
