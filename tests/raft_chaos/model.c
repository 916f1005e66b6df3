#include "tests/raft_chaos/model.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "tests/raft_chaos/cluster.h"

#define TERMS_MAX 100000 /* no correct run gets there */

static struct model_slot *slot_at(struct model *model, uint64_t index)
{
	if (index >= model->slot_count) {
		size_t count = (size_t)index * 2 + 64;

		model->slots = realloc(model->slots, count * sizeof *model->slots);
		check(model->slots != NULL);
		memset(model->slots + model->slot_count, 0,
			(count - model->slot_count) * sizeof *model->slots);
		model->slot_count = count;
	}
	return &model->slots[index];
}

static struct model_term *term_at(struct cluster *cluster, uint64_t term)
{
	struct model *model = &cluster->model;

	if (term >= TERMS_MAX) {
		cluster_fail(cluster, "term %" PRIu64 " is beyond belief", term);
		term = 0;
	}
	if (term >= model->term_count) {
		size_t count = (size_t)term * 2 + 64;

		model->terms = realloc(model->terms, count * sizeof *model->terms);
		check(model->terms != NULL);
		memset(model->terms + model->term_count, 0,
			(count - model->term_count) * sizeof *model->terms);
		model->term_count = count;
	}
	return &model->terms[term];
}

void model_init(struct model *model, const struct machine *first)
{
	*model = (struct model){.commit_max = first->applied, .applied_max = first->applied};
	*slot_at(model, first->applied) = (struct model_slot){
		.committed_term = first->applied_term,
		.seen_in_term = first->applied_term,
		.is_applied = true,
		.machine = *first,
	};
}

void model_close(struct model *model)
{
	for (size_t i = 0; i < model->slot_count; i++) {
		while (model->slots[i].versions) {
			struct model_version *version = model->slots[i].versions;

			model->slots[i].versions = version->next;
			free(version);
		}
	}
	free(model->slots);
	free(model->terms);
}

/* An entry committed in term T is in the log of every leader of a later term. `seen_in_term` is T or later, so an entry
 * that was seen before `term` must be there; by log matching, looking at the last such entry is enough. */
static void check_completeness(struct cluster *cluster, struct node *node, uint64_t term)
{
	struct model *model = &cluster->model;
	uint64_t index = model->commit_max;
	uint64_t held = 0;
	int status;

	while (index > 0 && slot_at(model, index)->seen_in_term >= term)
		index--;
	if (index == 0 || slot_at(model, index)->committed_term == 0)
		return;
	status = raw_node_term(node->raw, index, &held);
	if (status == STATUS_COMPACTED)
		return;
	if (status == -EIO)
		held = disk_image_term(&node->disk.live, index);
	if (held != slot_at(model, index)->committed_term)
		cluster_fail(cluster,
			"leader completeness: node %" PRIu64 " leads term %" PRIu64 " with %" PRIu64
			" at index %" PRIu64 ", committed was term %" PRIu64,
			node->id, term, held, index, slot_at(model, index)->committed_term);
}

void model_on_leader(struct cluster *cluster, struct node *node, uint64_t term)
{
	struct model_term *entry = term_at(cluster, term);

	if (entry->leader == node->id)
		return;
	if (entry->leader != 0) {
		cluster_fail(cluster,
			"election safety: nodes %" PRIu64 " and %" PRIu64 " both lead term %" PRIu64,
			entry->leader, node->id, term);
		return;
	}
	entry->leader = node->id;
	cluster->stats.elections++;
	trace_add(&cluster->trace, cluster->now_us, node->id, "leads", term, 0, 0);
	check_completeness(cluster, node, term);
}

uint64_t model_entry_content(const struct raft_entry *entry)
{
	struct slice data = buf_slice(entry->data);
	uint64_t hash = (uint64_t)entry->type + 1;
	const unsigned char *bytes = data.data;

	for (size_t i = 0; i < data.size; i++)
		hash = hash * 1099511628211u + bytes[i] + 1;
	return mix64(hash);
}

/* `previous_term` 0: not known, since the entry before is compacted. */
static void check_version(
	struct cluster *cluster, struct node *node, const struct raft_entry *entry, uint64_t previous_term)
{
	struct model_slot *slot = slot_at(&cluster->model, entry->index);
	uint64_t content = model_entry_content(entry);
	struct model_version *version = slot->versions;

	while (version && version->term != entry->term)
		version = version->next;
	if (!version) {
		version = malloc(sizeof *version);
		check(version != NULL);
		*version = (struct model_version){slot->versions, entry->term, previous_term, content};
		slot->versions = version;
		return;
	}
	if (version->previous_term == 0)
		version->previous_term = previous_term;
	if (version->content != content || (previous_term != 0 && version->previous_term != previous_term))
		cluster_fail(cluster,
			"log matching: node %" PRIu64 " has another entry %" PRIu64 "/%" PRIu64
			" (after term %" PRIu64 ", elsewhere after %" PRIu64 ")",
			node->id, entry->term, entry->index, previous_term, version->previous_term);
}

void model_on_append(struct cluster *cluster, struct node *node, const struct raft_entries *entries)
{
	const struct raft_entry *items = entries->items;

	for (size_t i = 0; i < entries->count; i++)
		check_version(cluster, node, &items[i],
			i > 0 ? items[i - 1].term : disk_image_term(&node->disk.live, items[i].index - 1));
}

static void check_durable_on_quorum(struct cluster *cluster, struct node *node, uint64_t index, uint64_t term)
{
	struct conf_mask conf = conf_mask_of(raw_node_conf_state(node->raw));
	uint8_t held = 0;

	for (uint64_t id = 1; id <= cluster->profile.nodes; id++)
		if (disk_image_covers(&cluster->nodes[id].disk.durable, index, term))
			held = (uint8_t)(held | 1u << id);
	if (!conf_mask_is_quorum(&conf, held))
		cluster_fail(cluster,
			"commit without a quorum: node %" PRIu64 " committed %" PRIu64 "/%" PRIu64
			" which is durable on mask %x of voters %x and %x",
			node->id, term, index, held, conf.voters, conf.outgoing);
}

void model_on_commit(
	struct cluster *cluster, struct node *node, uint64_t before, const struct raft_status *now)
{
	struct model *model = &cluster->model;
	uint64_t commit = now->hard_state.commit;
	uint64_t term = 0;

	for (uint64_t index = before + 1; index <= commit; index++) {
		struct model_slot *slot = slot_at(model, index);

		if (raw_node_term(node->raw, index, &term) != 0) {
			term = 0; /* a snapshot covers it, or the disk fails: the check at apply finds out */
			continue;
		}
		if (slot->committed_term == 0) {
			slot->committed_term = term;
			slot->seen_in_term = now->hard_state.term;
			cluster->stats.committed++;
		} else if (slot->committed_term != term) {
			cluster_fail(cluster,
				"committed entry changed: node %" PRIu64 " has term %" PRIu64
				" at index %" PRIu64 ", committed was %" PRIu64,
				node->id, term, index, slot->committed_term);
		}
	}
	if (now->soft_state.role == RAFT_LEADER && term != 0) {
		if (term != now->hard_state.term)
			cluster_fail(cluster,
				"node %" PRIu64 " in term %" PRIu64 " committed entry %" PRIu64 "/%" PRIu64
				" of an older term by counting",
				node->id, now->hard_state.term, term, commit);
		check_durable_on_quorum(cluster, node, commit, term);
	}
	if (commit > model->commit_max)
		model->commit_max = commit;
}

void model_on_apply(struct cluster *cluster, struct node *node, const struct machine *machine)
{
	struct model *model = &cluster->model;
	struct model_slot *slot = slot_at(model, machine->applied);

	if (machine->applied > model->commit_max)
		cluster_fail(cluster, "node %" PRIu64 " applied %" PRIu64 ", which nobody committed",
			node->id, machine->applied);
	if (machine->applied > model->applied_max)
		model->applied_max = machine->applied;
	if (!slot->is_applied) {
		slot->is_applied = true;
		slot->machine = *machine;
		return;
	}
	if (slot->machine.applied_term != machine->applied_term || slot->machine.chain != machine->chain)
		cluster_fail(cluster,
			"state-machine safety: node %" PRIu64 " applied another entry (term %" PRIu64
			", elsewhere %" PRIu64 ") at or before index %" PRIu64,
			node->id, machine->applied_term, slot->machine.applied_term, machine->applied);
	if (!conf_mask_equal(&slot->machine.conf, &machine->conf))
		cluster_fail(cluster,
			"configuration safety: node %" PRIu64 " has voters %x outgoing %x at index %" PRIu64
			", elsewhere %x and %x",
			node->id, machine->conf.voters, machine->conf.outgoing, machine->applied,
			slot->machine.conf.voters, slot->machine.conf.outgoing);
}

static void check_vote(struct cluster *cluster, struct node *node, const struct raft_message *message)
{
	uint64_t *vote = &term_at(cluster, message->term)->votes[node->id];
	const struct raft_hard_state *hard = &node->disk.durable.hard;

	if (*vote != 0 && *vote != message->to)
		cluster_fail(cluster,
			"node %" PRIu64 " votes for %" PRIu64 " and %" PRIu64 " in term %" PRIu64, node->id,
			*vote, message->to, message->term);
	*vote = message->to;
	if (hard->term < message->term || (hard->term == message->term && hard->vote != message->to))
		cluster_fail(cluster,
			"node %" PRIu64 " votes for %" PRIu64 " in term %" PRIu64 " with term %" PRIu64
			", vote %" PRIu64 " on disk",
			node->id, message->to, message->term, hard->term, hard->vote);
}

/* A candidate that forgot its term could campaign, and be elected, twice in it. */
static void check_candidacy(struct cluster *cluster, struct node *node, const struct raft_message *message)
{
	const struct raft_hard_state *hard = &node->disk.durable.hard;

	if (hard->term < message->term || (hard->term == message->term && hard->vote != node->id))
		cluster_fail(cluster,
			"node %" PRIu64 " asks for votes in term %" PRIu64 " with term %" PRIu64
			", vote %" PRIu64 " on disk",
			node->id, message->term, hard->term, hard->vote);
}

static void check_append_promise(
	struct cluster *cluster, struct node *node, const struct raft_message *message)
{
	const struct disk_image *durable = &node->disk.durable;

	/* Once a newer term is on disk, entries acknowledged to an older leader may have been overwritten. */
	if (durable->hard.term > message->term)
		return;
	if (durable->hard.term < message->term || disk_image_last_index(durable) < message->index)
		cluster_fail(cluster,
			"node %" PRIu64 " acknowledges %" PRIu64 " in term %" PRIu64 " with %" PRIu64
			" in term %" PRIu64 " on disk",
			node->id, message->index, message->term, disk_image_last_index(durable),
			durable->hard.term);
}

void model_on_send(struct cluster *cluster, struct node *node, const struct raft_message *message)
{
	if (message->type == RAFT_MSG_VOTE_RESP && !message->reject)
		check_vote(cluster, node, message);
	if (message->type == RAFT_MSG_VOTE)
		check_candidacy(cluster, node, message);
	if (message->type == RAFT_MSG_APP_RESP && !message->reject && message->index > 0)
		check_append_promise(cluster, node, message);
}
