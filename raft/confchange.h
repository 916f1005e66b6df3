/*
 * Membership changes as a pure function: a configuration and the steps of a change give the next configuration, or a
 * sentence that says why there is none (Ongaro §4; joint consensus §4.3, with the simple change of §4.1 as its special
 * case).
 *
 * raw_node.c and membership.c call it when a change is applied, raw_node.c and snapshot.c when a configuration is
 * restored. A result satisfies the invariants of confchange_check.
 */
#ifndef RAFTKV_RAFT_CONFCHANGE_H
#define RAFTKV_RAFT_CONFCHANGE_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/status.h"
#include "raft/raft.h"

/* All of these replace `to`, which the caller initialized and closes and which must not be `from`. They return 0, or
 * -ENOMEM or STATUS_CONF_CHANGE_INVALID with a sentence in `status`, which may be NULL; `to` is then unchanged. */

/* Makes steps that change at most one voter, in force at once. */
int confchange_simple(const struct raft_conf_state *from, const struct raft_conf_change_step *steps,
	size_t count, struct raft_conf_state *to, struct status *status);
/* Makes any steps on the incoming half; the present voters stay as the outgoing half. */
int confchange_enter_joint(const struct raft_conf_state *from, bool auto_leave,
	const struct raft_conf_change_step *steps, size_t count, struct raft_conf_state *to,
	struct status *status);
/* Drops the outgoing half; learners_next become learners. */
int confchange_leave_joint(
	const struct raft_conf_state *from, struct raft_conf_state *to, struct status *status);
/* Makes whichever of the three changes `change` asks for. */
int confchange_apply(const struct raft_conf_state *from, const struct raft_conf_change *change,
	struct raft_conf_state *to, struct status *status);
/* Takes over a configuration that was persisted or came with a snapshot. */
int confchange_restore(const struct raft_conf_state *from, struct raft_conf_state *to, struct status *status);

/* 0, or STATUS_CONF_CHANGE_INVALID for a configuration that no sequence of changes leads to: a node that is voter and
 * learner, learners_next or auto_leave outside of a joint phase, members without voters, the node RAFT_NONE. */
int confchange_check(const struct raft_conf_state *conf, struct status *status);

/* Whether `change` asks to leave a joint configuration. */
bool confchange_is_leave(const struct raft_conf_change *change);
/* Whether `change` needs a joint phase; `*auto_leave` says whether that is left automatically. */
bool confchange_is_joint(const struct raft_conf_change *change, bool *auto_leave);

static inline bool raft_conf_state_is_joint(const struct raft_conf_state *conf)
{
	return conf->voters_outgoing.count > 0;
}

#endif
