/*
 * kinds: the three kinds of scenario files. Each has a state that its steps share and a function that runs one step.
 */
#ifndef RAFTKV_TESTS_KINDS_H
#define RAFTKV_TESTS_KINDS_H

#include <stdio.h>

#include "raft/raft.h"
#include "tests/raft_scenarios/datadriven.h"

struct kind {
	const char *name;
	bool (*has_command)(const char *name);
	void *(*state_new)(void);
	void (*state_free)(void *state);
	/* Prints the output of the step. */
	void (*run)(void *state, const struct step *step, FILE *out);
};

extern const struct kind kind_interaction;
extern const struct kind kind_quorum;
extern const struct kind kind_confchange;

/* Parses `v1 l2 r3 u4`; writes a sentence to `error` if it fails. */
bool parse_conf_change(struct slice text, struct raft_conf_change *change, char *error, size_t error_size);

#endif
