#include "raft/confchange.h"

#include <errno.h>
#include <inttypes.h>

static int invalid(struct status *status, const char *sentence)
{
	return status_set(status, STATUS_CONF_CHANGE_INVALID, "%s", sentence);
}

static int check_learner(const struct raft_conf_state *conf, uint64_t id, struct status *status)
{
	if (raft_ids_has(&conf->voters_outgoing, id))
		return status_set(
			status, STATUS_CONF_CHANGE_INVALID, "%" PRIu64 " is in Learners and Voters[1]", id);
	if (raft_ids_has(&conf->voters, id))
		return status_set(
			status, STATUS_CONF_CHANGE_INVALID, "%" PRIu64 " is in Learners and Voters[0]", id);
	return 0;
}

static int check_learner_next(const struct raft_conf_state *conf, uint64_t id, struct status *status)
{
	if (!raft_ids_has(&conf->voters_outgoing, id))
		return status_set(status, STATUS_CONF_CHANGE_INVALID,
			"%" PRIu64 " is in LearnersNext, but not Voters[1]", id);
	if (raft_ids_has(&conf->voters, id))
		return status_set(status, STATUS_CONF_CHANGE_INVALID,
			"%" PRIu64 " is in LearnersNext and Voters[0]", id);
	return 0;
}

int confchange_check(const struct raft_conf_state *conf, struct status *status)
{
	int error = 0;

	for (uint32_t i = 0; error == 0 && i < conf->learners_next.count; i++)
		error = check_learner_next(conf, conf->learners_next.items[i], status);
	for (uint32_t i = 0; error == 0 && i < conf->learners.count; i++)
		error = check_learner(conf, conf->learners.items[i], status);
	if (error != 0)
		return error;
	if (conf->auto_leave && !raft_conf_state_is_joint(conf))
		return invalid(status, "AutoLeave must be false when not joint");
	if (conf->voters.count == 0 && (conf->learners.count > 0 || raft_conf_state_is_joint(conf)))
		return invalid(status, "removed all voters");
	if (raft_ids_has(&conf->voters, RAFT_NONE) || raft_ids_has(&conf->voters_outgoing, RAFT_NONE) ||
		raft_ids_has(&conf->learners, RAFT_NONE))
		return invalid(status, "0 is no node");
	return 0;
}

static int make_voter(struct raft_conf_state *conf, uint64_t id)
{
	raft_ids_remove(&conf->learners, id);
	raft_ids_remove(&conf->learners_next, id);
	return raft_ids_insert(&conf->voters, id);
}

static void remove_node(struct raft_conf_state *conf, uint64_t id)
{
	raft_ids_remove(&conf->voters, id);
	raft_ids_remove(&conf->learners, id);
	raft_ids_remove(&conf->learners_next, id);
}

/* A voter of the outgoing half cannot be a learner yet: it waits for the end of the joint phase. */
static int make_learner(struct raft_conf_state *conf, uint64_t id)
{
	remove_node(conf, id);
	if (raft_ids_has(&conf->voters_outgoing, id))
		return raft_ids_insert(&conf->learners_next, id);
	return raft_ids_insert(&conf->learners, id);
}

static int apply_step(
	struct raft_conf_state *conf, const struct raft_conf_change_step *step, struct status *status)
{
	switch (step->type) {
	case RAFT_ADD_VOTER:
		return make_voter(conf, step->node);
	case RAFT_REMOVE_NODE:
		remove_node(conf, step->node);
		return 0;
	case RAFT_UPDATE_NODE:
		return 0;
	case RAFT_ADD_LEARNER:
		return make_learner(conf, step->node);
	}
	return status_set(status, STATUS_CONF_CHANGE_INVALID, "unexpected conf type %d", (int)step->type);
}

/* Skips steps about node 0: a caller refuses a committed step by zeroing its node. */
static int apply_steps(struct raft_conf_state *conf, const struct raft_conf_change_step *steps, size_t count,
	struct status *status)
{
	for (size_t i = 0; i < count; i++) {
		int error = steps[i].node != RAFT_NONE ? apply_step(conf, &steps[i], status) : 0;

		if (error != 0)
			return error;
	}
	return conf->voters.count > 0 ? 0 : invalid(status, "removed all voters");
}

/* How many ids are in one of the sets only. */
static uint32_t ids_difference(const struct raft_ids *a, const struct raft_ids *b)
{
	uint32_t difference = 0;

	for (uint32_t i = 0; i < a->count; i++)
		difference += !raft_ids_has(b, a->items[i]);
	for (uint32_t i = 0; i < b->count; i++)
		difference += !raft_ids_has(a, b->items[i]);
	return difference;
}

/* Begins a change: copies the configuration in force, which must satisfy the invariants, to `next`. */
static int begin(const struct raft_conf_state *from, struct raft_conf_state *next, struct status *status)
{
	int error = confchange_check(from, status);

	return error != 0 ? error : raft_conf_state_copy(next, from);
}

/* Ends a change: moves `next` to `to` if `error` is 0 and it satisfies the invariants, else drops it. */
static int finish(int error, struct raft_conf_state *next, struct raft_conf_state *to, struct status *status)
{
	if (error == 0)
		error = confchange_check(next, status);
	if (error != 0) {
		raft_conf_state_close(next);
		return error == -ENOMEM ? status_set(status, error, "out of memory") : error;
	}
	raft_conf_state_close(to);
	*to = *next;
	return 0;
}

/* With one voter added or removed, any majority of the old and any of the new configuration overlap (Ongaro §4.1). */
int confchange_simple(const struct raft_conf_state *from, const struct raft_conf_change_step *steps,
	size_t count, struct raft_conf_state *to, struct status *status)
{
	struct raft_conf_state next = {0};
	int error = begin(from, &next, status);

	if (error == 0 && raft_conf_state_is_joint(from))
		error = invalid(status, "can't apply simple config change in joint config");
	if (error == 0)
		error = apply_steps(&next, steps, count, status);
	if (error == 0 && ids_difference(&from->voters, &next.voters) > 1)
		error = invalid(status, "more than one voter changed without entering joint config");
	return finish(error, &next, to, status);
}

/* C(old,new) of the papers: decisions need a majority of both, so that neither half can decide alone (paper §6, Ongaro
 * §4.3). */
int confchange_enter_joint(const struct raft_conf_state *from, bool auto_leave,
	const struct raft_conf_change_step *steps, size_t count, struct raft_conf_state *to,
	struct status *status)
{
	struct raft_conf_state next = {0};
	int error = begin(from, &next, status);

	if (error == 0 && raft_conf_state_is_joint(from))
		error = invalid(status, "config is already joint");
	if (error == 0 && from->voters.count == 0)
		error = invalid(status, "can't make a zero-voter config joint");
	if (error == 0)
		error = raft_ids_copy(&next.voters_outgoing, &from->voters);
	if (error == 0)
		error = apply_steps(&next, steps, count, status);
	next.auto_leave = auto_leave;
	return finish(error, &next, to, status);
}

/* C(new), once C(old,new) is committed. */
int confchange_leave_joint(
	const struct raft_conf_state *from, struct raft_conf_state *to, struct status *status)
{
	struct raft_conf_state next = {0};
	int error = begin(from, &next, status);

	if (error == 0 && !raft_conf_state_is_joint(from))
		error = invalid(status, "can't leave a non-joint config");
	for (uint32_t i = 0; error == 0 && i < from->learners_next.count; i++)
		error = raft_ids_insert(&next.learners, from->learners_next.items[i]);
	raft_ids_close(&next.learners_next);
	raft_ids_close(&next.voters_outgoing);
	next.auto_leave = false;
	return finish(error, &next, to, status);
}

int confchange_apply(const struct raft_conf_state *from, const struct raft_conf_change *change,
	struct raft_conf_state *to, struct status *status)
{
	bool auto_leave;

	if (confchange_is_leave(change))
		return confchange_leave_joint(from, to, status);
	if (confchange_is_joint(change, &auto_leave))
		return confchange_enter_joint(
			from, auto_leave, change->steps, change->step_count, to, status);
	return confchange_simple(from, change->steps, change->step_count, to, status);
}

int confchange_restore(const struct raft_conf_state *from, struct raft_conf_state *to, struct status *status)
{
	struct raft_conf_state next = {0};
	int error = begin(from, &next, status);

	return finish(error, &next, to, status);
}

bool confchange_is_leave(const struct raft_conf_change *change)
{
	return change->transition == RAFT_TRANSITION_AUTO && change->step_count == 0;
}

bool confchange_is_joint(const struct raft_conf_change *change, bool *auto_leave)
{
	*auto_leave = change->transition != RAFT_TRANSITION_JOINT_EXPLICIT;
	return change->transition != RAFT_TRANSITION_AUTO || change->step_count > 1;
}
