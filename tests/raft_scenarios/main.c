/*
 * raft_scenarios: runs scenario files in the datadriven format of etcd-io/raft against the consensus core.
 *
 *     raft_scenarios [--skip-log-lines] [--rewrite] FILE…
 *
 * A file is of one kind, told by its first command: `interaction` (a group of nodes and the messages between them;
 * its commands are listed on top of interaction_*.c), `quorum` or `confchange`. It fails at the first step whose output
 * differs from the expected one. --skip-log-lines ignores lines that begin with a log level, on both sides. --rewrite
 * replaces the expected output in the files. Prints 'N passed, N failed' at the end; the exit status is 1 if any failed.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/plant.h"
#include "tests/raft_scenarios/datadriven.h"
#include "tests/raft_scenarios/kinds.h"
#include "tests/raft_scenarios/text.h"

struct options {
	bool skip_log_lines;
	bool rewrite;
};

static const struct kind *const kinds[] = {&kind_interaction, &kind_quorum, &kind_confchange};

static const struct kind *find_kind(const char *command)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (kinds[i]->has_command(command))
			return kinds[i];
	return NULL;
}

/* The bytes of the whole file, which the caller frees; NULL when it cannot be read. */
static struct buf *read_file(const char *path)
{
	FILE *file = fopen(path, "r");
	struct buf *bytes = NULL;
	long size;

	if (!file)
		return NULL;
	if (fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0 && fseek(file, 0, SEEK_SET) == 0) {
		bytes = buf_new((size_t)size);
		check(bytes != NULL);
		if (fread(bytes->data, 1, (size_t)size, file) != (size_t)size) {
			buf_unref(bytes);
			bytes = NULL;
		}
	}
	fclose(file);
	return bytes;
}

static struct slice run_step(const struct kind *kind, void *state, const struct step *step)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	check(out != NULL);
	kind->run(state, step, out);
	fclose(out);
	return slice_of(text, size);
}

static bool compare(
	const char *path, const struct step *step, struct slice output, const struct options *options)
{
	char *expected = text_normalize(step->expected, options->skip_log_lines);
	char *actual = text_normalize(output, options->skip_log_lines);
	bool same = strcmp(expected, actual) == 0;

	if (!same) {
		printf("%s:%u: %s\n", path, step->line, step->command.name);
		printf("%.*s", (int)step->source.size, (const char *)step->source.data);
		printf("---- (- expected, + actual)\n");
		text_print_difference(stdout, expected, actual);
	}
	free(expected);
	free(actual);
	return same;
}

static void write_step(FILE *out, const struct step *step, struct slice output, bool last)
{
	char *actual = text_normalize(output, false);
	bool blank = actual[0] == '\n' || strstr(actual, "\n\n");

	fprintf(out, "%.*s----\n", (int)step->source.size, (const char *)step->source.data);
	fprintf(out, "%s%s%s%s", blank ? "----\n" : "", actual, blank ? "----\n----\n" : "",
		last ? "" : "\n");
	free(actual);
}

/* Runs the steps of a file whose text is `text`; prints the file with the actual output to `rewritten` unless NULL. */
static bool run_steps(const char *path, struct slice text, const struct options *options, FILE *rewritten)
{
	struct scenario scenario = {.rest = text};
	const struct kind *kind = NULL;
	struct step step;
	void *state = NULL;
	bool passed = true;

	while (passed && scenario_next(&scenario, &step)) {
		struct slice output;

		if (!kind) {
			kind = find_kind(step.command.name);
			if (!kind) {
				printf("%s:%u: unknown command %s\n", path, step.line, step.command.name);
				return false;
			}
			state = kind->state_new();
		}
		output = run_step(kind, state, &step);
		if (rewritten)
			write_step(rewritten, &step, output, scenario.rest.size == 0);
		else
			passed = compare(path, &step, output, options);
		free((void *)output.data);
	}
	if (kind)
		kind->state_free(state);
	if (scenario.error)
		printf("%s:%u: %s\n", path, scenario.line, scenario.error);
	else if (!kind)
		printf("%s: no steps\n", path);
	if (rewritten)
		fwrite(scenario.tail.data, 1, scenario.tail.size, rewritten);
	return passed && kind && !scenario.error;
}

static bool rewrite_file(const char *path, struct slice text, const struct options *options)
{
	char *rewritten = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&rewritten, &size), *file;
	bool passed;

	check(out != NULL);
	passed = run_steps(path, text, options, out);
	fclose(out);
	file = passed ? fopen(path, "w") : NULL;
	if (file)
		passed = fwrite(rewritten, 1, size, file) == size;
	if (!file || fclose(file) != 0) {
		printf("%s: not rewritten\n", path);
		passed = false;
	}
	free(rewritten);
	return passed;
}

static bool run_file(const char *path, const struct options *options)
{
	struct buf *bytes = read_file(path);
	bool passed;

	if (!bytes) {
		printf("%s: cannot be read\n", path);
		return false;
	}
	passed = options->rewrite ? rewrite_file(path, buf_slice(bytes), options)
				  : run_steps(path, buf_slice(bytes), options, NULL);
	buf_unref(bytes);
	return passed;
}

int main(int argc, char **argv)
{
	struct options options = {0};
	unsigned passed = 0, failed = 0;
	int i = 1;

#ifdef RAFTKV_PLANT
	plant_choose(getenv("RAFTKV_PLANTED"));
#endif
	for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
		if (strcmp(argv[i], "--skip-log-lines") == 0) {
			options.skip_log_lines = true;
		} else if (strcmp(argv[i], "--rewrite") == 0) {
			options.rewrite = true;
		} else {
			fprintf(stderr, "usage: %s [--skip-log-lines] [--rewrite] FILE…\n", argv[0]);
			return 2;
		}
	}
	for (; i < argc; i++) {
		if (run_file(argv[i], &options))
			passed++;
		else
			failed++;
		fflush(stdout);
	}
	printf("%u passed, %u failed\n", passed, failed);
	return failed > 0 || passed == 0;
}
