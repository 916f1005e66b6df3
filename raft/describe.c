#include "raft/describe.h"

#include <inttypes.h>
#include <string.h>

#include "raft/confchange.h"

static void print_ids(FILE *out, const char *open, const struct raft_ids *ids, const char *close)
{
	fputs(open, out);
	for (uint32_t i = 0; i < ids->count; i++)
		fprintf(out, "%s%" PRIu64, i ? " " : "", ids->items[i]);
	fputs(close, out);
}

/* The length in bytes of a well-formed UTF-8 sequence at `text`; 0: there is none. */
static size_t utf8_length(const uint8_t *text, size_t size)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t length = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
	uint32_t point = text[0] & (0x7fu >> length);

	if (text[0] < 0xc2 || text[0] > 0xf4 || length > size)
		return 0;
	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (text[i] & 0x3f);
	}
	/* Overlong encodings, surrogates, code points past the last one, and C1 controls are refused. */
	if (point < least[length] || (point >= 0xd800 && point < 0xe000) || point > 0x10ffff || point < 0xa0)
		return 0;
	return length;
}

/* Quotes as Go's %q does, as far as traces need it. */
static void print_quoted(FILE *out, struct slice bytes)
{
	static const char escapes[] = "\aa\bb\ff\nn\rr\tt\vv\"\"\\\\";
	const uint8_t *text = bytes.data;

	fputc('"', out);
	for (size_t i = 0; i < bytes.size; i++) {
		size_t length = utf8_length(text + i, bytes.size - i);
		char escape = 0;

		for (size_t e = 0; e + 1 < sizeof escapes && !escape; e += 2)
			if (text[i] == (uint8_t)escapes[e])
				escape = escapes[e + 1];
		if (length) {
			fwrite(text + i, 1, length, out);
			i += length - 1;
		} else if (escape) {
			fprintf(out, "\\%c", escape);
		} else if (text[i] >= 0x20 && text[i] < 0x7f) {
			fputc(text[i], out);
		} else {
			fprintf(out, "\\x%02x", text[i]);
		}
	}
	fputc('"', out);
}

void raft_describe_conf_change(FILE *out, const struct raft_conf_change *change)
{
	static const char letters[] = {
		[RAFT_ADD_VOTER] = 'v',
		[RAFT_REMOVE_NODE] = 'r',
		[RAFT_UPDATE_NODE] = 'u',
		[RAFT_ADD_LEARNER] = 'l',
	};

	for (uint32_t i = 0; i < change->step_count; i++)
		fprintf(out, "%s%c%" PRIu64, i ? " " : "", letters[change->steps[i].type],
			change->steps[i].node);
}

static void print_conf_change_entry(FILE *out, const char *name, const struct raft_entry *entry)
{
	struct raft_conf_change change;

	fputs(name, out);
	if (raft_conf_change_decode(entry, &change)) {
		fputs(" (malformed)", out);
	} else if (change.step_count > 0) {
		fputc(' ', out);
		raft_describe_conf_change(out, &change);
	}
}

void raft_describe_entry(FILE *out, const struct raft_entry *entry)
{
	fprintf(out, "%" PRIu64 "/%" PRIu64 " ", entry->term, entry->index);
	switch (entry->type) {
	case RAFT_ENTRY_NORMAL:
		fputs("EntryNormal ", out);
		print_quoted(out, buf_slice(entry->data));
		break;
	case RAFT_ENTRY_CONF_CHANGE:
		print_conf_change_entry(out, "EntryConfChange", entry);
		break;
	case RAFT_ENTRY_CONF_CHANGE_V2:
		print_conf_change_entry(out, "EntryConfChangeV2", entry);
		break;
	}
	if (entry->payload_size)
		fprintf(out, " +%u bytes", entry->payload_size);
}

void raft_describe_entries(FILE *out, const struct raft_entries *entries)
{
	for (size_t i = 0; i < entries->count; i++) {
		raft_describe_entry(out, &entries->items[i]);
		fputc('\n', out);
	}
}

static void print_target(FILE *out, uint64_t id)
{
	if (id == RAFT_NONE)
		fputs("None", out);
	else if (id == RAFT_LOCAL_APPEND_THREAD)
		fputs("AppendThread", out);
	else if (id == RAFT_LOCAL_APPLY_THREAD)
		fputs("ApplyThread", out);
	else
		fprintf(out, "%" PRIx64, id);
}

static void print_message_entries(FILE *out, const char *indent, const struct raft_message *message)
{
	const struct raft_entries *entries = &message->entries;
	bool is_read = message->type == RAFT_MSG_READ_INDEX || message->type == RAFT_MSG_READ_INDEX_RESP;

	if (is_read && message->context) {
		fputs(" Entries:[", out);
		raft_describe_entry(out, &(struct raft_entry){.data = message->context});
		fputc(']', out);
	} else if (entries->count == 1) {
		fputs(" Entries:[", out);
		raft_describe_entry(out, &entries->items[0]);
		fputc(']', out);
	} else if (entries->count > 1) {
		fputs(" Entries:[", out);
		for (size_t i = 0; i < entries->count; i++) {
			fprintf(out, "\n%s  ", indent);
			raft_describe_entry(out, &entries->items[i]);
		}
		fprintf(out, "\n%s]", indent);
	}
}

static void print_responses(FILE *out, const char *indent, const struct raft_message *message)
{
	char deeper[32];

	if (message->response_count == 0)
		return;
	snprintf(deeper, sizeof deeper, "%s  ", indent);
	fputs(" Responses:[", out);
	for (size_t i = 0; i < message->response_count; i++) {
		fputc('\n', out);
		raft_describe_message(out, deeper, &message->responses[i]);
	}
	fprintf(out, "\n%s]", indent);
}

void raft_describe_message(FILE *out, const char *indent, const struct raft_message *message)
{
	fputs(indent, out);
	print_target(out, message->from);
	fputs("->", out);
	print_target(out, message->to);
	fprintf(out, " %s Term:%" PRIu64 " Log:%" PRIu64 "/%" PRIu64, raft_message_type_name(message->type),
		message->term, message->log_term, message->index);
	if (message->reject)
		fprintf(out, " Rejected (Hint: %" PRIu64 ")", message->reject_hint);
	if (message->commit)
		fprintf(out, " Commit:%" PRIu64, message->commit);
	if (message->vote)
		fprintf(out, " Vote:%" PRIu64, message->vote);
	print_message_entries(out, indent, message);
	if (message->snapshot && message->snapshot->index) {
		fprintf(out, "\n%s  Snapshot: ", indent);
		raft_describe_snapshot(out, message->snapshot);
	}
	print_responses(out, indent, message);
}

void raft_describe_hard_state(FILE *out, const struct raft_hard_state *state)
{
	fprintf(out, "Term:%" PRIu64, state->term);
	if (state->vote)
		fprintf(out, " Vote:%" PRIu64, state->vote);
	fprintf(out, " Commit:%" PRIu64, state->commit);
}

void raft_describe_soft_state(FILE *out, const struct raft_soft_state *state)
{
	fprintf(out, "Lead:%" PRIu64 " State:%s", state->leader, raft_role_name(state->role));
}

void raft_describe_conf_state(FILE *out, const struct raft_conf_state *state)
{
	print_ids(out, "Voters:[", &state->voters, "]");
	print_ids(out, " VotersOutgoing:[", &state->voters_outgoing, "]");
	print_ids(out, " Learners:[", &state->learners, "]");
	print_ids(out, " LearnersNext:[", &state->learners_next, "]");
	fprintf(out, " AutoLeave:%s", state->auto_leave ? "true" : "false");
}

void raft_describe_config(FILE *out, const struct raft_conf_state *state)
{
	print_ids(out, "voters=(", &state->voters, ")");
	if (state->voters_outgoing.count)
		print_ids(out, "&&(", &state->voters_outgoing, ")");
	if (state->learners.count)
		print_ids(out, " learners=(", &state->learners, ")");
	if (state->learners_next.count)
		print_ids(out, " learners_next=(", &state->learners_next, ")");
	if (state->auto_leave)
		fputs(" autoleave", out);
}

void raft_describe_config_in(char *text, size_t size, const struct raft_conf_state *state)
{
	FILE *out;

	memset(text, 0, size);
	out = fmemopen(text, size, "w");
	if (!out)
		return;
	raft_describe_config(out, state);
	fclose(out);
	text[size - 1] = '\0';
}

void raft_describe_snapshot(FILE *out, const struct raft_snapshot *snapshot)
{
	fprintf(out, "Index:%" PRIu64 " Term:%" PRIu64 " ConfState:", snapshot->index, snapshot->term);
	raft_describe_conf_state(out, &snapshot->conf_state);
}

static void print_read_states(FILE *out, const struct raft_read_states *states)
{
	fputs("ReadStates [", out);
	for (size_t i = 0; i < states->count; i++) {
		const struct raft_read_state *state = &states->items[i];
		struct slice context = buf_slice(state->context);

		fprintf(out, "%s{%" PRIu64 " [", i ? " " : "", state->index);
		for (size_t j = 0; j < context.size; j++)
			fprintf(out, "%s%u", j ? " " : "", ((const uint8_t *)context.data)[j]);
		fputs("]}", out);
		if (state->status)
			fprintf(out, " (%s)", status_name(state->status));
	}
	fputs("]\n", out);
}

static bool is_empty(const struct raft_ready *ready)
{
	return !ready->has_soft_state && !ready->has_hard_state && ready->snapshot.index == 0 &&
	       ready->entries.count == 0 && ready->committed_entries.count == 0 &&
	       ready->messages.count == 0 && ready->read_states.count == 0;
}

void raft_describe_ready(FILE *out, const struct raft_ready *ready)
{
	if (is_empty(ready)) {
		fputs("<empty Ready>", out);
		return;
	}
	fprintf(out, "Ready MustSync=%s:\n", ready->must_sync ? "true" : "false");
	if (ready->has_soft_state) {
		raft_describe_soft_state(out, &ready->soft_state);
		fputc('\n', out);
	}
	if (ready->has_hard_state) {
		fputs("HardState ", out);
		raft_describe_hard_state(out, &ready->hard_state);
		fputc('\n', out);
	}
	if (ready->read_states.count)
		print_read_states(out, &ready->read_states);
	if (ready->entries.count)
		fputs("Entries:\n", out);
	raft_describe_entries(out, &ready->entries);
	if (ready->snapshot.index) {
		fputs("Snapshot ", out);
		raft_describe_snapshot(out, &ready->snapshot);
		fputc('\n', out);
	}
	if (ready->committed_entries.count)
		fputs("CommittedEntries:\n", out);
	raft_describe_entries(out, &ready->committed_entries);
	if (ready->messages.count)
		fputs("Messages:\n", out);
	for (size_t i = 0; i < ready->messages.count; i++) {
		raft_describe_message(out, "", &ready->messages.items[i]);
		fputc('\n', out);
	}
}

void raft_describe_progress(FILE *out, const struct raft_progress_status *progress)
{
	static const char *const states[] = {
		[RAFT_PROGRESS_PROBE] = "StateProbe",
		[RAFT_PROGRESS_REPLICATE] = "StateReplicate",
		[RAFT_PROGRESS_SNAPSHOT] = "StateSnapshot",
	};

	fprintf(out, "%s match=%" PRIu64 " next=%" PRIu64, states[progress->state], progress->match,
		progress->next);
	if (progress->is_learner)
		fputs(" learner", out);
	if (progress->msg_app_flow_paused)
		fputs(" paused", out);
	if (progress->pending_snapshot)
		fprintf(out, " pendingSnap=%" PRIu64, progress->pending_snapshot);
	if (!progress->recent_active)
		fputs(" inactive", out);
	if (progress->inflight_messages)
		fprintf(out, " inflight=%u%s", progress->inflight_messages,
			progress->is_inflight_full ? "[full]" : "");
}

static void print_peers(FILE *out, const struct raw_node *node, const struct raft_ids *ids)
{
	for (uint32_t i = 0; i < ids->count; i++) {
		struct raft_progress_status progress;

		if (!raw_node_progress(node, ids->items[i], &progress))
			continue;
		fprintf(out, "peer %" PRIu64 ": ", ids->items[i]);
		raft_describe_progress(out, &progress);
		fputc('\n', out);
	}
}

void raft_describe_status(FILE *out, const struct raw_node *node)
{
	const struct raft_conf_state *conf = raw_node_conf_state(node);
	struct raft_status status;

	raw_node_status(node, &status);
	fprintf(out, "id: %" PRIu64 "\nrole: %s\nleader: %" PRIu64 "\nterm: %" PRIu64 "\nvote: %" PRIu64 "\n",
		status.id, raft_role_name(status.soft_state.role), status.soft_state.leader,
		status.hard_state.term, status.hard_state.vote);
	fprintf(out, "log: %" PRIu64 "..%" PRIu64 "\ncommitted: %" PRIu64 "\napplied: %" PRIu64 "\nconfig: ",
		status.first_index, status.last_index, status.hard_state.commit, status.applied);
	raft_describe_config(out, conf);
	fputc('\n', out);
	if (status.lead_transferee)
		fprintf(out, "transferring to: %" PRIu64 "\n", status.lead_transferee);
	print_peers(out, node, &conf->voters);
	for (uint32_t i = 0; i < conf->voters_outgoing.count; i++) {
		uint64_t id = conf->voters_outgoing.items[i];

		if (!raft_ids_has(&conf->voters, id))
			print_peers(out, node, &(struct raft_ids){.items = &id, .count = 1});
	}
	print_peers(out, node, &conf->learners);
}
