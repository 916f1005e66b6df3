/*
 * Membership changes as a pure function: a configuration and the steps of a change give the next configuration or a
 * sentence that says why not (Ongaro §4; joint consensus §4.3, with the simple change of §4.1 as its special case).
 *
 * The raw node calls it when a change is applied and when a configuration is restored. It keeps the invariants of
 * confchange_check: whatever comes out satisfies them whenever what went in did.
 */
#ifndef RAFTKV_RAFT_CONFCHANGE_H
#define RAFTKV_RAFT_CONFCHANGE_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/status.h"
#include "raft/raft.h"

/* All of these replace `to`, which the caller initialized and closes and which must not be `from`. They return 0,
 * -ENOMEM, or STATUS_CONF_CHANGE_INVALID with a sentence in `status` (which may be NULL); then `to` is as it was. */

/* Steps that change at most one voter, in force at once. */
int confchange_simple(const struct raft_conf_state *from, const struct raft_conf_change_step *steps,
	size_t count, struct raft_conf_state *to, struct status *status);
/* Any steps, made on the incoming half; the voters of before stay as the outgoing half. */
int confchange_enter_joint(const struct raft_conf_state *from, bool auto_leave,
	const struct raft_conf_change_step *steps, size_t count, struct raft_conf_state *to,
	struct status *status);
/* Drops the outgoing half; learners_next become learners. */
int confchange_leave_joint(
	const struct raft_conf_state *from, struct raft_conf_state *to, struct status *status);
/* Whichever of the three `change` asks for. */
int confchange_apply(const struct raft_conf_state *from, const struct raft_conf_change *change,
	struct raft_conf_state *to, struct status *status);
/* Takes over a configuration that was persisted or came with a snapshot. */
int confchange_restore(const struct raft_conf_state *from, struct raft_conf_state *to, struct status *status);

/* 0, or STATUS_CONF_CHANGE_INVALID for a configuration that no sequence of changes leads to: a node twice, a joint
 * phase's members without one, members without voters. */
int confchange_check(const struct raft_conf_state *conf, struct status *status);

/* `change` asks to leave a joint configuration. */
bool confchange_is_leave(const struct raft_conf_change *change);
/* `change` goes through a joint phase; `*auto_leave` says whether that ends by itself. */
bool confchange_is_joint(const struct raft_conf_change *change, bool *auto_leave);

static inline bool raft_conf_state_is_joint(const struct raft_conf_state *conf)
{
	return conf->voters_outgoing.count > 0;
}

#endif
