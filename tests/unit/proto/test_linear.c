/* tests/lib/linear: known histories of a register, and random ones compared with an exhaustive search. */
#include "tests/lib/linear.h"

#include <string.h>

#include "tests/lib/test.h"

enum { READ, WRITE, SWAP /* `other` by `argument`, if it is there */ };

static bool step(const struct history_operation *operation, uint64_t state, uint64_t *next)
{
	bool is_open = operation->outcome == HISTORY_OPEN;

	*next = state;
	if (operation->kind == READ)
		return is_open || operation->result == state;
	if (operation->kind == WRITE || operation->other == state)
		*next = operation->argument;
	return operation->kind == WRITE || is_open || operation->result == (operation->other == state);
}

static const struct linear_object cell = {.initial = 0, .step = step};

struct line {
	uint32_t kind;
	uint64_t argument, other, result, asked, answered; /* `answered` 0: open */
};

static enum linear_verdict judge(const struct line *lines, size_t count, struct linear_report *report)
{
	struct history_operation operations[8];
	struct history history = {.operations = operations, .count = count};

	for (size_t i = 0; i < count; i++)
		operations[i] = (struct history_operation){.kind = lines[i].kind,
			.argument = lines[i].argument,
			.other = lines[i].other,
			.result = lines[i].result,
			.outcome = lines[i].answered > 0 ? HISTORY_DONE : HISTORY_OPEN,
			.asked = lines[i].asked,
			.answered = lines[i].answered > 0 ? lines[i].answered : HISTORY_NO_MOMENT};
	return linear_check(&cell, &history, report);
}

#define expect(verdict, ...)                                                                                 \
	do {                                                                                                 \
		const struct line lines[] = {__VA_ARGS__};                                                   \
		struct linear_report report;                                                                 \
		assert_int_equal(judge(lines, sizeof lines / sizeof *lines, &report), verdict);              \
	} while (0)

static void known_histories_are_judged(void **state)
{
	(void)state;
	expect(LINEAR, {WRITE, 1, 0, 0, 1, 2}, {READ, 0, 0, 1, 3, 4});
	expect(NOT_LINEAR, {WRITE, 1, 0, 0, 1, 2}, {READ, 0, 0, 0, 3, 4});
	/* During a write either value is right, but never the old one after the new one. */
	expect(LINEAR, {WRITE, 1, 0, 0, 1, 9}, {READ, 0, 0, 0, 2, 3}, {READ, 0, 0, 1, 4, 5});
	expect(NOT_LINEAR, {WRITE, 1, 0, 0, 1, 9}, {READ, 0, 0, 1, 2, 3}, {READ, 0, 0, 0, 4, 5});
	/* An operation without an answer may take effect late, or never, but not twice. */
	expect(LINEAR, {WRITE, 1, 0, 0, 1, 0}, {READ, 0, 0, 0, 2, 3}, {READ, 0, 0, 1, 4, 5});
	expect(LINEAR, {WRITE, 1, 0, 0, 1, 0}, {READ, 0, 0, 0, 2, 3}, {READ, 0, 0, 0, 4, 5});
	expect(NOT_LINEAR, {WRITE, 1, 0, 0, 1, 0}, {READ, 0, 0, 1, 2, 3}, {WRITE, 2, 0, 0, 4, 5},
		{READ, 0, 0, 1, 6, 7});
	expect(NOT_LINEAR, {SWAP, 1, 0, 1, 1, 5}, {SWAP, 2, 0, 1, 2, 6});
	expect(LINEAR, {SWAP, 1, 0, 1, 1, 5}, {SWAP, 2, 0, 0, 2, 6}, {READ, 0, 0, 1, 7, 8});
	expect(LINEAR, {SWAP, 1, 0, 0, 1, 0}, {SWAP, 2, 1, 1, 2, 3});
}

static void what_was_refused_has_no_effect(void **state)
{
	struct history_operation operations[] = {
		{.kind = WRITE,
			.argument = 1,
			.outcome = HISTORY_NEVER,
			.asked = 1,
			.answered = HISTORY_NO_MOMENT},
		{.kind = READ, .result = 1, .outcome = HISTORY_DONE, .asked = 2, .answered = 3},
	};
	struct history history = {.operations = operations, .count = 2};
	struct linear_report report;

	(void)state;
	assert_int_equal(linear_check(&cell, &history, &report), NOT_LINEAR);
	assert_int_equal(report.unexplained, 1);
	operations[0].outcome = HISTORY_OPEN;
	assert_int_equal(linear_check(&cell, &history, &report), LINEAR);
}

/* ---- Random histories ---- */

static uint64_t draw(uint64_t *random, uint64_t below)
{
	*random = *random * UINT64_C(6364136223846793005) + 1;
	return (*random >> 33) % below;
}

static void make_history(uint64_t *random, struct line *lines, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		lines[i] = (struct line){.kind = (uint32_t)draw(random, 3),
			.argument = 1 + draw(random, 2),
			.other = draw(random, 3),
			.asked = 1 + i * 4};
		lines[i].result = draw(random, lines[i].kind == SWAP ? 2 : 3);
		if (draw(random, 5) > 0)
			lines[i].answered = lines[i].asked + 2 + 4 * draw(random, 4);
	}
}

/* Every order of every choice, one operation after the other. */
static bool has_order(const struct line *lines, size_t count, uint32_t done, uint64_t state)
{
	bool is_complete = true;

	for (size_t i = 0; i < count; i++)
		is_complete = is_complete && ((done >> i & 1) || lines[i].answered == 0);
	for (size_t i = 0; i < count && !is_complete; i++) {
		bool may_be_next = !(done >> i & 1);
		struct history_operation operation = {.kind = lines[i].kind,
			.argument = lines[i].argument,
			.other = lines[i].other,
			.result = lines[i].result,
			.outcome = lines[i].answered > 0 ? HISTORY_DONE : HISTORY_OPEN};
		uint64_t next;

		for (size_t j = 0; j < count; j++)
			if (!(done >> j & 1) && lines[j].answered > 0 && lines[j].answered < lines[i].asked)
				may_be_next = false;
		if (may_be_next && step(&operation, state, &next) &&
			has_order(lines, count, done | 1u << i, next))
			return true;
	}
	return is_complete;
}

static void random_histories_are_judged_as_by_trying_all_orders(void **state)
{
	uint64_t random = 1;
	size_t counts[2] = {0};

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct line lines[7];
		struct linear_report report;
		size_t count = 1 + draw(&random, 7);
		bool expected;

		make_history(&random, lines, count);
		expected = has_order(lines, count, 0, 0);
		assert_int_equal(judge(lines, count, &report), expected ? LINEAR : NOT_LINEAR);
		counts[expected]++;
	}
	assert_true(counts[0] > 1000);
	assert_true(counts[1] > 1000);
}

static void long_histories_are_judged_soon(void **state)
{
	static struct history_operation operations[4000];
	struct history history = {.operations = operations, .count = 4000};
	struct linear_report report;

	(void)state;
	for (size_t i = 0; i < history.count; i++)
		operations[i] = (struct history_operation){.kind = i % 2 ? READ : WRITE,
			.argument = i,
			.result = i - 1,
			.outcome = HISTORY_DONE,
			.asked = 10 * (i / 8) + i % 8,
			.answered = 10 * (i / 8) + 9};
	assert_int_equal(linear_check(&cell, &history, &report), LINEAR);
	operations[3999].result = 1;
	assert_int_equal(linear_check(&cell, &history, &report), NOT_LINEAR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_histories_are_judged),
		cmocka_unit_test(what_was_refused_has_no_effect),
		cmocka_unit_test(random_histories_are_judged_as_by_trying_all_orders),
		cmocka_unit_test(long_histories_are_judged_soon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
