/*
 * Text for people: messages, entries, readies, states, configurations and progress, in the wording of etcd-io/raft, so
 * that traces of both can be compared line by line. The functions print to a stdio stream of the caller. None ends its
 * text with a newline unless its comment says so.
 */
#ifndef RAFTKV_RAFT_DESCRIBE_H
#define RAFTKV_RAFT_DESCRIBE_H

#include <stdio.h>

#include "raft/raft.h"

/* `1->2 MsgApp Term:1 Log:1/10 Commit:10 Entries:[1/11 EntryNormal ""]`; further lines (several entries, a snapshot,
 * responses) start with `indent`, as does the first. A read's context is shown as the data of one entry. */
void raft_describe_message(FILE *out, const char *indent, const struct raft_message *message);
/* `1/11 EntryNormal "data"`, `1/4 EntryConfChangeV2 v3 l4`. */
void raft_describe_entry(FILE *out, const struct raft_entry *entry);
/* One entry a line, each ended by a newline. */
void raft_describe_entries(FILE *out, const struct raft_entries *entries);
/* Several lines, each ended by a newline; or `<empty Ready>` without a newline. */
void raft_describe_ready(FILE *out, const struct raft_ready *ready);
/* `Term:1 Vote:1 Commit:11`. */
void raft_describe_hard_state(FILE *out, const struct raft_hard_state *state);
/* `Lead:1 State:StateLeader`. */
void raft_describe_soft_state(FILE *out, const struct raft_soft_state *state);
/* `Voters:[1 2] VotersOutgoing:[] Learners:[] LearnersNext:[] AutoLeave:false`. */
void raft_describe_conf_state(FILE *out, const struct raft_conf_state *state);
/* `voters=(1 2)&&(1) learners=(3) learners_next=(2) autoleave`. */
void raft_describe_config(FILE *out, const struct raft_conf_state *state);
/* The same as a string in `text`, cut at `size` bytes. */
void raft_describe_config_in(char *text, size_t size, const struct raft_conf_state *state);
/* `Index:11 Term:1 ConfState:…`. */
void raft_describe_snapshot(FILE *out, const struct raft_snapshot *snapshot);
/* `StateReplicate match=11 next=12 learner paused pendingSnap=4 inactive inflight=2[full]`. */
void raft_describe_progress(FILE *out, const struct raft_progress_status *progress);
/* `v1 l2 r3 u4`. */
void raft_describe_conf_change(FILE *out, const struct raft_conf_change *change);
/* The state of a node for an operator, one `name: value` a line, each ended by a newline; on a leader with the progress
 * of its peers. */
void raft_describe_status(FILE *out, const struct raw_node *node);

#endif
