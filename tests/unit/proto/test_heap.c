/* proto/heap against a model: whatever was inserted, moved or removed before, the smallest key must come first. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "proto/heap.h"

#define ITEMS 300

struct item {
	int filler; /* so that the node is not the first member */
	struct heap_node node;
};

static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 33;
}

/* The model: the smallest key among the linked items, by looking at all of them. */
static uint64_t smallest_key(const struct item *items)
{
	uint64_t smallest = UINT64_MAX;

	for (int i = 0; i < ITEMS; i++)
		if (heap_has(&items[i].node) && items[i].node.key < smallest)
			smallest = items[i].node.key;
	return smallest;
}

static void step(struct heap *heap, struct item *item, uint64_t *random, size_t *linked)
{
	uint64_t key = next_random(random) % 100;

	if (!heap_has(&item->node) || next_random(random) % 2) {
		*linked += !heap_has(&item->node);
		assert_int_equal(heap_set(heap, &item->node, key), 0);
	} else {
		heap_remove(heap, &item->node);
		--*linked;
	}
}

static void test_agrees_with_a_sorted_model(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++) {
		struct item items[ITEMS] = {0};
		struct heap heap = {0};
		uint64_t random = seed;
		uint64_t before = 0;
		size_t linked = 0;

		for (int i = 0; i < 3000; i++) {
			step(&heap, &items[next_random(&random) % ITEMS], &random, &linked);
			assert_int_equal(heap.count, linked);
			if (linked > 0)
				assert_int_equal(heap_first(&heap)->key, smallest_key(items));
		}
		while (heap.count > 0) {
			struct heap_node *node = heap_first(&heap);

			assert_true(node->key >= before);
			heap_remove(&heap, node);
			assert_false(heap_has(node));
			before = node->key;
			linked--;
		}
		assert_int_equal(linked, 0);
		heap_close(&heap);
	}
}

static void test_equal_keys_leave_in_the_order_they_were_set(void **state)
{
	struct item items[50] = {0};
	struct heap heap = {0};

	(void)state;
	for (size_t i = 0; i < 50; i++)
		assert_int_equal(heap_set(&heap, &items[i].node, 7), 0);
	assert_int_equal(heap_set(&heap, &items[0].node, 7), 0); /* set again: now the last */
	for (size_t i = 1; i <= 50; i++) {
		assert_ptr_equal(heap_first(&heap), &items[i % 50].node);
		heap_remove(&heap, &items[i % 50].node);
	}
	heap_close(&heap);
}

static void test_empty(void **state)
{
	struct heap heap = {0};
	struct heap_node node = {0};

	(void)state;
	assert_null(heap_first(&heap));
	heap_remove(&heap, &node);
	assert_int_equal(heap_set(&heap, &node, UINT64_MAX), 0);
	assert_ptr_equal(heap_first(&heap), &node);
	heap_close(&heap);
	assert_int_equal(heap.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_agrees_with_a_sorted_model),
		cmocka_unit_test(test_equal_keys_leave_in_the_order_they_were_set),
		cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
