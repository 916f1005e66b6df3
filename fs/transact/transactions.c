#include "fs/transact/transactions.h"

#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#include "fs/transact/transactions_internal.h"
#include "proto/check.h"
#include "proto/container.h"
#include "proto/plant.h"
#include "store/rows/slots.h"

/* ---- Ending ---- */

void transactions_finish(struct transactions_change *change, int status, struct buf *reply)
{
	const struct raftkv_write hints = change->write;

	check(status != STATUS_INCOMPLETE && !change->state);
	while (change) {
		struct transactions_change *joined = change->joined;

		change->write.leader_store = hints.leader_store;
		change->write.epoch = hints.epoch;
		change->done(change, status, reply);
		change = joined;
	}
}

/* ---- Copies ---- */

static bool is_copy_of(const struct raftkv_write *write, const struct raftkv_write *other)
{
	return write->session == other->session && write->slot == other->slot &&
	       write->sequence == other->sequence;
}

static struct transactions_change *find_waiting(
	const struct transactions *transactions, const struct raftkv_write *write)
{
	struct transactions_change *change;

	DL_FOREACH(transactions->waiting, change)
	{
		if (is_copy_of(write, &change->write))
			return change;
	}
	return NULL;
}

/* Joins a change of the same request, which waits or has attempts. One that is in the store is joined there, or by its
 * slot. */
static bool join(struct transactions *transactions, struct transactions_change *copy)
{
	struct transactions_change *change;

	if (!slots_are_of(copy->write.session) || planted("transactions:copy_not_joined"))
		return false;
	change = find_waiting(transactions, &copy->write);
	if (change)
		change->write.is_retry = change->write.is_retry || copy->write.is_retry;
	else
		change = attempts_find(transactions, &copy->write);
	if (!change)
		return false;
	if (change->state)
		attempts_on_joined(change, &copy->write);
	while (copy) { /* with those that have joined it */
		struct transactions_change *next = copy->joined;

		copy->joined = change->joined;
		change->joined = copy;
		copy = next;
	}
	return true;
}

/* ---- Waiting ---- */

static int compare_ages(const struct transactions_change *one, const struct transactions_change *other)
{
	if (planted("transactions:last_come_first"))
		return -1;
	return intent_age_is_older(&other->age, &one->age) ? 1 : -1;
}

void transactions_await(struct transactions_change *change, struct buf *lack)
{
	struct transactions *transactions = change->transactions;

	if (transactions_is_late(change)) {
		transactions_finish(change, STATUS_NOT_READY, NULL);
		return;
	}
	if (transactions->waiting_count >= TRANSACTIONS_WAITING_MAX) {
		transactions_finish(change, STATUS_LIMIT, NULL);
		return;
	}
	change->lack = buf_ref(lack);
	DL_INSERT_INORDER(transactions->waiting, change, compare_ages);
	transactions->waiting_count++;
	sweeper_hurry(transactions->sweeper, change->write.region);
}

static void leave_waiting(struct transactions_change *change)
{
	DL_DELETE(change->transactions->waiting, change);
	change->transactions->waiting_count--;
	buf_unref(change->lack);
	change->lack = NULL;
}

static void transactions_evaluate(struct transactions_change *change)
{
	raftkv_async_write(change->transactions->options.raftkv, &change->write);
}

/* Those of the region, or of all (0), in their order. Evaluating one may end it at once, or let it wait again. */
static void evaluate_waiting(struct transactions *transactions, uint64_t region)
{
	struct transactions_change *change, *next, *woken = NULL;

	DL_FOREACH_SAFE(transactions->waiting, change, next)
	{
		if (region > 0 && change->write.region != region)
			continue;
		leave_waiting(change);
		DL_APPEND(woken, change);
	}
	DL_FOREACH_SAFE(woken, change, next)
	{
		DL_DELETE(woken, change);
		transactions_evaluate(change);
	}
}

void transactions_wake(struct transactions *transactions, uint64_t region)
{
	evaluate_waiting(transactions, region);
}

static struct transactions_change *find_prepare(
	const struct transactions *transactions, const struct attempt *attempt)
{
	struct transactions_change *change;

	DL_FOREACH(transactions->waiting, change)
	{
		if (change->is_prepare && attempt_is_same(&change->step, attempt))
			return change;
	}
	return NULL;
}

/* The attempt has an outcome. Its OP_PREPAREs that wait here would put intents that nobody wants, and the link that they
 * came by takes only so many requests. */
static void end_prepares(struct transactions *transactions, const struct attempt *attempt)
{
	struct transactions_change *change;

	if (planted("transactions:prepares_outlive"))
		return;
	while ((change = find_prepare(transactions, attempt))) {
		leave_waiting(change);
		transactions_finish(change, STATUS_NOT_READY, NULL);
	}
}

static uint64_t term_of(void *argument, uint64_t region)
{
	const struct transactions *transactions = argument;

	return raftkv_leader_term(transactions->options.raftkv, region);
}

/* Where the leader has changed, the store says so. */
void transactions_on_round(struct transactions *transactions)
{
	attempt_table_forget(&transactions->table, term_of, transactions);
	evaluate_waiting(transactions, 0);
}

/* ---- Changes ---- */

static void on_incomplete(struct transactions_change *change, struct buf *reply)
{
	struct transactions *transactions = change->transactions;
	struct lack lack;
	int status = lack_decode(buf_slice(reply), &lack);

	if (transactions->is_stopping)
		transactions_finish(change, STATUS_STOPPING, NULL);
	else if (status < 0)
		transactions_finish(change, status, NULL);
	else if (join(transactions, change))
		return;
	else if (lack.kind == LACKS_ENDS)
		transactions_await(change, reply);
	else if (change->write.session == 0) /* of which none is across regions */
		transactions_finish(change, STATUS_MALFORMED, NULL);
	else
		attempts_begin(change, &lack);
}

static void transactions_on_written(struct raftkv_write *write, int status, struct buf *reply)
{
	struct transactions_change *change = container_of(write, struct transactions_change, write);
	struct transactions *transactions = change->transactions;
	uint64_t region = write->region;
	const struct attempt step = change->step;
	bool has_resolved = change->is_resolve && status == 0;

	if (status == STATUS_INCOMPLETE)
		on_incomplete(change, reply);
	else
		transactions_finish(change, status, reply);
	if (!has_resolved || transactions->is_stopping)
		return;
	end_prepares(transactions, &step);
	transactions_wake(transactions, region);
}

/* OP_PREPARE has the age of another store's change. */
static void look_at_step(struct transactions_change *change)
{
	struct op op;

	if (op_decode(buf_slice(change->write.body), &op) < 0)
		return;
	change->is_prepare = op.kind == OP_PREPARE;
	change->is_resolve = op.kind == OP_RESOLVE;
	if (change->is_prepare) {
		change->age = op.prepare.age;
		change->step = op.prepare.attempt;
	} else if (change->is_resolve) {
		change->step = op.resolve.attempt;
	}
}

void transactions_write(struct transactions *transactions, struct transactions_change *change)
{
	struct raftkv_write *write = &change->write;

	if (change->asked == 0)
		change->asked = env_wall(transactions->env);
	change->transactions = transactions;
	change->prev = change->next = change->joined = NULL;
	change->state = NULL;
	change->lack = NULL;
	change->age =
		(struct intent_age){.asked = change->asked, .session = write->session, .slot = write->slot};
	change->is_prepare = change->is_resolve = false;
	change->step = (struct attempt){0};
	change->begun = env_now(transactions->env);
	change->tries = 0;
	write->loop = transactions->options.loop;
	write->done = transactions_on_written;
	if (write->session == 0)
		look_at_step(change);
	if (transactions->is_stopping)
		transactions_finish(change, STATUS_STOPPING, NULL);
	else if (!join(transactions, change))
		transactions_evaluate(change);
}

struct intent_age transactions_age(const struct transactions_change *change)
{
	return change->age;
}

bool transactions_is_late(const struct transactions_change *change)
{
	uint64_t limit = change->is_prepare ? PEER_LIMIT_NS : TRANSACTIONS_LIMIT_NS;

	return env_now(change->transactions->env) - change->begun >= limit;
}

uint64_t transactions_find_region(
	const struct transactions *transactions, uint64_t ino, struct region_epoch *epoch)
{
	struct fs_key key = fs_key_inode(ino);
	uint64_t region;

	*epoch = (struct region_epoch){0};
	return raftkv_find_region(transactions->options.raftkv, fs_key_slice(&key), &region, epoch) == 0
		       ? region
		       : 0;
}

/* ---- Verdicts ---- */

int transactions_verdict(struct transactions *transactions, struct view *snapshot, uint64_t region,
	uint64_t term, const struct attempt *attempt, enum attempt_verdict *verdict)
{
	struct fs_key key = fs_key_committed(attempt);
	struct kv_value row = {0};
	int status = view_get(snapshot, KEY_LOCAL, fs_key_slice(&key), &row);

	*verdict = ATTEMPT_IS_COMMITTED;
	if (status != STATUS_NOT_FOUND) {
		if (status == 0)
			kv_value_close(&row);
		return status;
	}
	*verdict = region == attempt->region && term <= attempt->term &&
				   attempt_table_has(&transactions->table, attempt)
			   ? ATTEMPT_IS_PENDING
			   : ATTEMPT_IS_OVER;
	return 0;
}

void transactions_oldest(const struct transactions *transactions, struct transactions_oldest *oldest)
{
	sweeper_read_oldest(transactions->sweeper, oldest);
}

static void each_awaited(const struct transactions_change *change,
	void (*each)(void *argument, const struct transactions_wait *wait), void *argument)
{
	struct transactions_wait wait = {.age = change->age, .waiting = change->step};
	struct lack lack;

	if (lack_decode(buf_slice(change->lack), &lack) < 0)
		return;
	while (attempt_next(&lack.list, &wait.awaited))
		each(argument, &wait);
}

void transactions_each_wait(const struct transactions *transactions,
	void (*each)(void *argument, const struct transactions_wait *wait), void *argument)
{
	const struct transactions_change *change;

	DL_FOREACH(transactions->waiting, change)
	{
		if (change->is_prepare)
			each_awaited(change, each, argument);
	}
}

/* ---- Life ---- */

struct transactions *transactions_new(const struct transactions_options *options)
{
	struct transactions *transactions = calloc(1, sizeof *transactions);

	if (!transactions)
		return NULL;
	transactions->options = *options;
	transactions->env = env_loop_env(options->loop);
	transactions->sweeper = sweeper_new(transactions);
	if (!transactions->sweeper) {
		free(transactions);
		return NULL;
	}
	return transactions;
}

void transactions_start(struct transactions *transactions)
{
	sweeper_start(transactions->sweeper);
}

static void report_stopped(struct transactions *transactions)
{
	if (transactions->is_stopping && !transactions->is_sweeping && transactions->working_count == 0)
		transactions->stopped(transactions->stopped_argument);
}

void transactions_on_worked(struct transactions *transactions)
{
	transactions->working_count--;
	report_stopped(transactions);
}

static void on_sweeper_stopped(void *argument)
{
	struct transactions *transactions = argument;

	transactions->is_sweeping = false;
	report_stopped(transactions);
}

/* What is in the store ends when the store stops. */
void transactions_stop(struct transactions *transactions, void (*stopped)(void *argument), void *argument)
{
	transactions->is_stopping = true;
	transactions->is_sweeping = true;
	transactions->stopped = stopped;
	transactions->stopped_argument = argument;
	while (transactions->waiting) {
		struct transactions_change *change = transactions->waiting;

		leave_waiting(change);
		transactions_finish(change, STATUS_STOPPING, NULL);
	}
	attempts_stop(transactions);
	resolutions_stop(transactions);
	sweeper_stop(transactions->sweeper, on_sweeper_stopped, transactions);
}

void transactions_free(struct transactions *transactions)
{
	if (!transactions)
		return;
	check(!transactions->waiting && !transactions->attempts && !transactions->resolutions);
	sweeper_free(transactions->sweeper);
	attempt_table_close(&transactions->table);
	free(transactions);
}
