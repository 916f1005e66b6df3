#include "fs/check/suspects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/plant.h"

/* Problems in rows that one change may write: of a directory and its entries, of names and link counts, of content and what
 * the inode says of it. */
static bool is_of_change(const char *code)
{
	static const char *const codes[] = {"link-count", "entry-count", "entry-dead", "unreachable",
		"parent-wrong", "directory-names", "directory-loop", "garbage-unlisted", "tiny-missing",
		"tiny-unmarked", "tiny-size", "row-unmarked", "inode-count-wrong"};

	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
		if (strcmp(codes[i], code) == 0)
			return !planted("fs:suspects_change_unseen");
	return false;
}

static int compare_problems(const struct problem *a, const struct problem *b)
{
	int result = strcmp(a->code, b->code);

	if (result == 0)
		result = (a->ino > b->ino) - (a->ino < b->ino);
	return result == 0 ? strcmp(a->text, b->text) : result;
}

static int compare_suspects(const void *a, const void *b)
{
	const struct suspect *one = a, *other = b;

	return compare_problems(&one->problem, &other->problem);
}

static int begin(struct suspects *suspects, struct check *check)
{
	struct report *report = &check->report;

	suspects->items = calloc(report->count > 0 ? report->count : 1, sizeof *suspects->items);
	if (!suspects->items)
		return -ENOMEM;
	for (size_t i = 0; i < report->count; i++)
		suspects->items[i] = (struct suspect){
			.problem = report->problems[i], .stamp = check_stamp(check, &report->problems[i])};
	suspects->count = report->count;
	report->count = 0;
	qsort(suspects->items, suspects->count, sizeof *suspects->items, compare_suspects);
	return 0;
}

static void meet(struct suspects *suspects, struct check *check, const struct problem *problem)
{
	const struct suspect wanted = {.problem = *problem};
	struct suspect *suspect = suspects->count == 0 ? NULL
						       : bsearch(&wanted, suspects->items, suspects->count,
								 sizeof *suspects->items, compare_suspects);

	if (suspect)
		suspect->is_met =
			!is_of_change(problem->code) || suspect->stamp == check_stamp(check, problem);
}

static void free_problem(struct problem *problem)
{
	free(problem->text);
	free(problem->path);
	buf_unref(problem->fix.key);
}

static void keep_met(struct suspects *suspects)
{
	size_t kept = 0;

	for (size_t i = 0; i < suspects->count; i++) {
		if (!suspects->items[i].is_met) {
			free_problem(&suspects->items[i].problem);
			continue;
		}
		suspects->items[kept] = suspects->items[i];
		suspects->items[kept++].is_met = false;
	}
	suspects->count = kept;
}

int suspects_take(struct suspects *suspects, struct check *check)
{
	if (suspects->readings++ == 0)
		return begin(suspects, check);
	for (size_t i = 0; i < check->report.count; i++)
		meet(suspects, check, &check->report.problems[i]);
	keep_met(suspects);
	return 0;
}

void suspects_close(struct suspects *suspects)
{
	for (size_t i = 0; i < suspects->count; i++)
		free_problem(&suspects->items[i].problem);
	free(suspects->items);
	*suspects = (struct suspects){0};
}
