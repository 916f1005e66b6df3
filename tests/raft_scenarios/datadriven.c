#include "tests/raft_scenarios/datadriven.h"

#include <stdlib.h>
#include <string.h>

static struct slice trimmed(struct slice text)
{
	const char *data = text.data;
	size_t size = text.size;

	while (size > 0 && strchr(" \t\r\n", data[0]))
		data++, size--;
	while (size > 0 && strchr(" \t\r\n", data[size - 1]))
		size--;
	return slice_of(data, size);
}

/* Cuts the word up to one of `ends` off `*at`. Replaces that character by a NUL and returns it. */
static char cut_word(char **at, const char *ends)
{
	char *word_end = *at + strcspn(*at, ends);
	char end = *word_end;

	*word_end = '\0';
	*at = end ? word_end + 1 : word_end;
	return end;
}

/* The values of `key=`, at `*at`: one word, or a list in parentheses. */
static bool parse_values(char **at, struct argument *argument)
{
	if (**at != '(') {
		argument->values[argument->value_count++] = *at;
		cut_word(at, " ");
		return true;
	}
	for (++*at;;) {
		char end;

		if (argument->value_count == VALUES_MAX)
			return false;
		*at += strspn(*at, " ");
		argument->values[argument->value_count++] = *at;
		end = cut_word(at, ",)");
		if (end == ')')
			return true;
		if (end != ',')
			return false;
	}
}

bool command_parse(struct command *command, struct slice line)
{
	struct slice text = trimmed(line);
	char *at = command->line;

	*command = (struct command){0};
	if (text.size == 0 || text.size >= sizeof command->line)
		return false;
	memcpy(command->line, text.data, text.size);
	command->name = at;
	cut_word(&at, " ");
	for (at += strspn(at, " "); *at; at += strspn(at, " ")) {
		struct argument *argument = &command->arguments[command->argument_count++];

		if (command->argument_count == ARGUMENTS_MAX)
			return false;
		argument->key = at;
		if (cut_word(&at, " =") == '=' && !parse_values(&at, argument))
			return false;
	}
	return true;
}

const struct argument *command_find(const struct command *command, const char *key)
{
	for (size_t i = 0; i < command->argument_count; i++)
		if (strcmp(command->arguments[i].key, key) == 0)
			return &command->arguments[i];
	return NULL;
}

bool number_parse(const char *text, uint64_t *number)
{
	char *end;

	*number = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && *end == '\0';
}

uint64_t command_number(const struct command *command, const char *key, uint64_t otherwise)
{
	const struct argument *argument = command_find(command, key);
	uint64_t number;

	if (!argument || argument->value_count != 1 || !number_parse(argument->values[0], &number))
		return otherwise;
	return number;
}

bool command_flag(const struct command *command, const char *key)
{
	const struct argument *argument = command_find(command, key);

	return argument && argument->value_count == 1 && strcmp(argument->values[0], "true") == 0;
}

/* ---- Steps ---- */

/* Takes the next line, without its newline. False at the end. */
static bool next_line(struct scenario *scenario, struct slice *line)
{
	const char *data = scenario->rest.data, *end;
	size_t taken;

	if (scenario->rest.size == 0)
		return false;
	end = memchr(data, '\n', scenario->rest.size);
	*line = slice_of(data, end ? (size_t)(end - data) : scenario->rest.size);
	taken = line->size + (end ? 1 : 0);
	scenario->rest = slice_of(data + taken, scenario->rest.size - taken);
	scenario->line++;
	return true;
}

static bool is_separator(struct slice line)
{
	return line.size == 4 && memcmp(line.data, "----", 4) == 0;
}

/* The bytes from `start` up to `end`. */
static struct slice between(const void *start, const void *end)
{
	return slice_of(start, (size_t)((const char *)end - (const char *)start));
}

static struct slice read_expected(struct scenario *scenario)
{
	const void *start = scenario->rest.data, *end = start;
	bool separated = false;
	struct slice line;

	if (!next_line(scenario, &line) || trimmed(line).size == 0)
		return slice_of(start, 0);
	if (!is_separator(line)) {
		do {
			end = scenario->rest.data;
		} while (next_line(scenario, &line) && trimmed(line).size > 0);
		return between(start, end);
	}
	start = end = scenario->rest.data;
	while (next_line(scenario, &line) && !(separated && is_separator(line))) {
		separated = is_separator(line);
		end = separated ? line.data : scenario->rest.data;
	}
	next_line(scenario, &line); /* the blank line after it */
	return between(start, end);
}

static bool read_step(struct scenario *scenario, struct step *step, const void *start)
{
	const void *input = scenario->rest.data;
	struct slice line;

	while (next_line(scenario, &line)) {
		if (!is_separator(line))
			continue;
		step->source = between(start, line.data);
		step->input = trimmed(between(input, line.data));
		step->expected = read_expected(scenario);
		return true;
	}
	scenario->error = "a step without ----";
	return false;
}

bool scenario_next(struct scenario *scenario, struct step *step)
{
	const void *start = scenario->rest.data;
	struct slice line;

	while (next_line(scenario, &line)) {
		line = trimmed(line);
		if (line.size == 0 || *(const char *)line.data == '#')
			continue;
		step->line = scenario->line;
		if (command_parse(&step->command, line))
			return read_step(scenario, step, start);
		scenario->error = "not a command line";
		return false;
	}
	scenario->tail = between(start, scenario->rest.data);
	return false;
}
