/*
 * Quorum scenarios: `committed` and `vote` over a majority (cfg=) or a joint configuration (cfg= and cfgj=). Each result is
 * also computed in other ways, which must agree; one that does not is printed.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "raft/quorum.h"
#include "tests/raft_scenarios/kinds.h"

#define VOTERS_MAX 64

/* What each voter said, in the order of cfg= and then cfgj= without repeats; 0: nothing. */
struct input {
	struct raft_conf_state conf;
	bool joint;
	uint64_t ids[VOTERS_MAX];
	uint64_t said[VOTERS_MAX]; /* an index, or for votes 1: no, 2: yes */
	size_t count;
	size_t said_count;
};

static uint64_t said_by(const struct input *input, uint64_t id)
{
	for (size_t i = 0; i < input->count; i++)
		if (input->ids[i] == id)
			return input->said[i];
	return 0;
}

static bool acked(const void *argument, uint64_t id, uint64_t *index)
{
	*index = said_by(argument, id);
	return *index > 0;
}

static enum quorum_result voted(const void *argument, uint64_t id)
{
	static const enum quorum_result results[] = {QUORUM_PENDING, QUORUM_LOST, QUORUM_WON};

	return results[said_by(argument, id)];
}

static void add_voter(struct input *input, struct raft_ids *half, uint64_t id)
{
	check(raft_ids_insert(half, id) == 0);
	for (size_t i = 0; i < input->count; i++)
		if (input->ids[i] == id)
			return;
	check(input->count < VOTERS_MAX);
	input->ids[input->count++] = id;
}

static bool read_half(struct input *input, const struct argument *argument, struct raft_ids *half)
{
	uint64_t id;

	for (size_t i = 0; argument && i < argument->value_count; i++) {
		if (strcmp(argument->values[i], "zero") == 0)
			continue;
		if (!number_parse(argument->values[i], &id))
			return false;
		add_voter(input, half, id);
	}
	return true;
}

static bool read_said(const char *text, uint64_t *said)
{
	*said = 0;
	if (strcmp(text, "_") == 0)
		return true;
	if (strcmp(text, "y") == 0 || strcmp(text, "n") == 0) {
		*said = *text == 'y' ? 2 : 1;
		return true;
	}
	return number_parse(text, said) && *said > 0;
}

static bool read_input(struct input *input, const struct command *command)
{
	const struct argument *outgoing = command_find(command, "cfgj");
	const struct argument *said =
		command_find(command, strcmp(command->name, "vote") == 0 ? "votes" : "idx");

	input->joint = outgoing != NULL;
	if (!read_half(input, command_find(command, "cfg"), &input->conf.voters) ||
		!read_half(input, outgoing, &input->conf.voters_outgoing))
		return false;
	for (size_t i = 0; said && i < said->value_count && i < VOTERS_MAX; i++)
		if (!read_said(said->values[i], &input->said[input->said_count++]))
			return false;
	return true;
}

/* The number of voters whose index is lower than that of voter `of`. */
static size_t rank(const struct input *input, size_t of)
{
	size_t lower = 0;

	for (size_t i = 0; i < input->count; i++)
		lower += input->said[i] < input->said[of];
	return lower;
}

static int compare_ids(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

/* Prints a bar for each voter, as long as the number of voters with lower indexes. */
static void describe(const struct input *input, FILE *out)
{
	uint64_t sorted[VOTERS_MAX];
	int width = (int)input->count;

	if (input->count == 0) {
		fprintf(out, "<empty majority quorum>");
		return;
	}
	memcpy(sorted, input->ids, input->count * sizeof *sorted);
	qsort(sorted, input->count, sizeof *sorted, compare_ids);
	fprintf(out, "%*s    idx\n", width, "");
	for (size_t i = 0; i < input->count; i++) {
		size_t of = 0;
		int bar;

		while (input->ids[of] != sorted[i])
			of++;
		bar = (int)rank(input, of);
		if (input->said[of] == 0)
			fprintf(out, "?%*s", width, "");
		for (int x = 0; input->said[of] != 0 && x < bar; x++)
			fputc('x', out);
		if (input->said[of] != 0)
			fprintf(out, ">%*s", width - bar, "");
		fprintf(out, " %5" PRIu64 "    (id=%" PRIu64 ")\n", input->said[of], sorted[i]);
	}
}

static void print_index(FILE *out, uint64_t index, const char *note)
{
	if (index == QUORUM_EVERYTHING)
		fprintf(out, "∞%s\n", note);
	else
		fprintf(out, "%" PRIu64 "%s\n", index, note);
}

/* By the definition: the highest acknowledged index that more than half have reached. */
static uint64_t committed_by_definition(const struct input *input, const struct raft_ids *voters)
{
	uint64_t best = voters->count > 0 ? 0 : QUORUM_EVERYTHING;

	for (uint32_t i = 0; i < voters->count; i++) {
		uint64_t index = said_by(input, voters->items[i]);
		uint32_t reached = 0;

		for (uint32_t j = 0; j < voters->count; j++)
			reached += said_by(input, voters->items[j]) >= index;
		if (reached * 2 > voters->count && index > best)
			best = index;
	}
	return best;
}

/* A voter whose index is below the result does not change it if its index were lower still. */
static void check_overlays(const struct input *input, uint64_t committed, FILE *out)
{
	for (size_t i = 0; i < input->count; i++) {
		struct input lower = *input;
		uint64_t changed;

		if (committed <= input->said[i] || input->said[i] == 0)
			continue;
		for (int to_zero = 0; to_zero < 2; to_zero++) {
			lower.said[i] = to_zero ? 0 : input->said[i] - 1;
			changed = quorum_committed(&input->conf.voters, acked, &lower);
			if (changed != committed)
				print_index(out, changed, " <-- overlaying a voter");
		}
	}
}

static void run_majority(const struct input *input, FILE *out)
{
	struct raft_conf_state self = {.voters = input->conf.voters, .voters_outgoing = input->conf.voters};
	uint64_t committed = quorum_committed(&input->conf.voters, acked, input);
	uint64_t definition = committed_by_definition(input, &input->conf.voters);
	uint64_t zero_joint = quorum_joint_committed(&input->conf, acked, input);
	uint64_t self_joint = quorum_joint_committed(&self, acked, input);

	if (definition != committed)
		print_index(out, definition, " <-- via alternative computation");
	if (zero_joint != committed)
		print_index(out, zero_joint, " <-- via zero-joint quorum");
	if (self_joint != committed)
		print_index(out, self_joint, " <-- via self-joint quorum");
	check_overlays(input, committed, out);
	print_index(out, committed, "");
}

static struct raft_conf_state swapped(const struct raft_conf_state *conf)
{
	return (struct raft_conf_state){.voters = conf->voters_outgoing, .voters_outgoing = conf->voters};
}

static void run_committed(const struct input *input, FILE *out)
{
	struct raft_conf_state other = swapped(&input->conf);
	uint64_t committed, symmetric;

	describe(input, out);
	if (!input->joint) {
		run_majority(input, out);
		return;
	}
	committed = quorum_joint_committed(&input->conf, acked, input);
	symmetric = quorum_joint_committed(&other, acked, input);
	if (symmetric != committed)
		print_index(out, symmetric, " <-- via symmetry");
	print_index(out, committed, "");
}

static void run_vote(const struct input *input, FILE *out)
{
	struct raft_conf_state other = swapped(&input->conf);
	enum quorum_result result = quorum_joint_vote(&input->conf, voted, input);

	if (quorum_joint_vote(&other, voted, input) != result)
		fprintf(out, "%s <-- via symmetry\n",
			quorum_result_name(quorum_joint_vote(&other, voted, input)));
	if (!input->joint && quorum_vote(&input->conf.voters, voted, input) != result)
		fprintf(out, "%s <-- via majority\n",
			quorum_result_name(quorum_vote(&input->conf.voters, voted, input)));
	fprintf(out, "%s\n", quorum_result_name(result));
}

static void run(void *state, const struct step *step, FILE *out)
{
	struct input input = {0};

	(void)state;
	if (!read_input(&input, &step->command))
		fprintf(out, "error: bad arguments\n");
	else if (input.said_count != input.count)
		fprintf(out, "error: mismatched input (explicit or _) for %zu voters: %zu\n", input.count,
			input.said_count);
	else if (strcmp(step->command.name, "vote") == 0)
		run_vote(&input, out);
	else
		run_committed(&input, out);
	raft_conf_state_close(&input.conf);
}

static bool has_command(const char *name)
{
	return strcmp(name, "committed") == 0 || strcmp(name, "vote") == 0;
}

static void *state_new(void)
{
	return NULL;
}

static void state_free(void *state)
{
	(void)state;
}

const struct kind kind_quorum = {"quorum", has_command, state_new, state_free, run};
