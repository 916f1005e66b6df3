/*
 * Says what has become of attempts that this store coordinated (fs/schema/intent.h).
 *
 * The term is noted first, then the snapshot is taken, which only a leader may. So a leader of that term or of a later
 * one has confirmed what the snapshot shows, and an attempt of an earlier term that has no committed record there never
 * commits. The term is compared again when all is judged: with the leadership, attempts end whose entry may commit yet.
 */
#include <errno.h>

#include "fs/server/service_read.h"
#include "fs/transact/transactions.h"
#include "proto/plant.h"

struct term_search {
	uint64_t region, term;
};

static void note_term(void *argument, const struct region *region, uint64_t term)
{
	struct term_search *search = argument;

	if (region->id == search->region)
		search->term = term;
}

/* Of the region, if this store leads it and it has the anchors; else 0. */
static uint64_t find_term(const struct asked *asked)
{
	struct fs_key key = question_key(&asked->question);
	struct term_search search = {.region = asked->read.region};

	raftkv_each_region_from(asked->service->options.raftkv, fs_key_slice(&key), 1, note_term, &search);
	return search.term;
}

void service_attempts_prepare(struct asked *asked)
{
	asked->term = find_term(asked);
}

/* The committed records are local rows, which the view of another region would lack: the anchors must be here. */
static int check_region(const struct asked *asked, struct view *view)
{
	struct fs_key key = question_key(&asked->question);
	struct kv_value row = {0};
	int status = view_get(view, KEY_DATA, fs_key_slice(&key), &row);

	kv_value_close(&row);
	PLANT("reads:elsewhere_judged", return 0);
	if (status == STATUS_KEY_NOT_IN_REGION)
		return STATUS_EPOCH_NOT_MATCH;
	return status == STATUS_NOT_FOUND ? 0 : status;
}

static bool is_of_question(const struct asked *asked, const struct attempt *attempt)
{
	return fs_ino_dirid(attempt->anchor) == fs_ino_dirid(asked->question.ino);
}

static int judge_all(const struct asked *asked, struct view *view, uint8_t *verdicts)
{
	struct slice rest = asked->question.attempts;
	struct attempt attempt;
	int status = 0;

	while (status == 0 && attempt_next(&rest, &attempt)) {
		enum attempt_verdict verdict = ATTEMPT_IS_OVER;

		if (!is_of_question(asked, &attempt))
			return -EINVAL;
		status = transactions_verdict(asked->service->options.transactions, view, asked->read.region,
			asked->term, &attempt, &verdict);
		*verdicts++ = (uint8_t)verdict;
	}
	return status;
}

int service_attempts_look(struct asked *asked, struct view *view)
{
	struct finding finding = {.count = asked->question.size};
	struct buf *verdicts;
	int status = asked->term > 0 ? check_region(asked, view) : STATUS_NOT_LEADER;

	if (status < 0)
		return status;
	verdicts = buf_new(asked->question.size);
	status = verdicts ? judge_all(asked, view, verdicts->data) : -ENOMEM;
	if (status == 0 && find_term(asked) != asked->term && !planted("reads:term_unchecked"))
		status = STATUS_NOT_LEADER;
	if (status == 0)
		status = finding_encode(&asked->question, &finding, &asked->finding);
	if (status == 0)
		asked->data = verdicts;
	else
		buf_unref(verdicts);
	return status;
}

int service_attempts_fetch(const struct asked *asked, struct view *view)
{
	struct slice rest = asked->question.attempts;
	int status = check_region(asked, view);
	struct attempt attempt;

	while (status == 0 && attempt_next(&rest, &attempt)) {
		struct fs_key key = fs_key_committed(&attempt);
		struct kv_value row = {0};

		status = view_get(view, KEY_LOCAL, fs_key_slice(&key), &row);
		kv_value_close(&row);
		if (status == STATUS_NOT_FOUND)
			status = 0;
	}
	return status;
}
