/*
 * The invariants over all nodes (Figure 3 of the Raft paper). The model remembers which node led each term, the content of
 * each (index, term), the committed entries and the state they lead to; every check compares one event with that.
 *
 * A check that fails calls cluster_fail, which keeps the first message and ends the run.
 */
#ifndef RAFTKV_TESTS_RAFT_CHAOS_MODEL_H
#define RAFTKV_TESTS_RAFT_CHAOS_MODEL_H

#include "raft/raft.h"
#include "tests/raft_chaos/conf_mask.h"
#include "tests/raft_chaos/disk.h"

struct cluster;
struct node;

/* One (index, term) that some log held. */
struct model_version {
	struct model_version *next;
	uint64_t term;
	uint64_t previous_term;
	uint64_t content; /* hash */
};

/* One log index. */
struct model_slot {
	struct model_version *versions;
	uint64_t committed_term; /* the entry's; 0: not known to be committed */
	uint64_t seen_in_term; /* the term of the node that showed it first */
	bool is_applied;
	struct machine machine; /* after it, as the first node to apply it had it */
};

/* One term. */
struct model_term {
	uint64_t leader;
	uint64_t votes[NODES_MAX + 1]; /* by voter: the candidate */
};

struct model {
	struct model_slot *slots; /* by index */
	size_t slot_count;
	struct model_term *terms; /* by term */
	size_t term_count;
	uint64_t commit_max;
	uint64_t applied_max; /* everything up to it may have been acknowledged to a client */
};

/* `first` is the state machine that all first voters start with; nothing below it is checked. */
void model_init(struct model *model, const struct machine *first);
void model_close(struct model *model);

/* A hash of an entry's type and data. */
uint64_t model_entry_content(const struct raft_entry *entry);

/* A node leads `term`: election safety, and leader completeness when it is new to the model. */
void model_on_leader(struct cluster *cluster, struct node *node, uint64_t term);
/* Entries reach a node's disk: log matching. */
void model_on_append(struct cluster *cluster, struct node *node, const struct raft_entries *entries);
/* A node's commit index moved from `before`: committed entries never change; on a leader also that the entry is of
 * its own term and durable on a quorum. */
void model_on_commit(
	struct cluster *cluster, struct node *node, uint64_t before, const struct raft_status *now);
/* A node applied an entry or restored a snapshot and is now at `machine`: state-machine and configuration safety. */
void model_on_apply(struct cluster *cluster, struct node *node, const struct machine *machine);
/* A node sends a message: what it promises must be durable, and no vote is given twice in a term. */
void model_on_send(struct cluster *cluster, struct node *node, const struct raft_message *message);

#endif
