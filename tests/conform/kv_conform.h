/*
 * kv_conform.h: what every KV engine must do, as one suite (store/kv/kv_engine.h is the text it checks).
 *
 * A test program describes how to open and to crash its engine, and runs kv_conform_run in its main.
 */
#ifndef RAFTKV_TESTS_CONFORM_KV_CONFORM_H
#define RAFTKV_TESTS_CONFORM_KV_CONFORM_H

#include "store/kv/kv_engine.h"

struct kv_conform_target {
	bool manual_flush; /* set by the suite before `reset`: how the engine is opened until the next one */
	/* Empties the disk, for the next test. */
	void (*reset)(struct kv_conform_target *target);
	/* The engine as its last close or crash left it, with a cold cache. */
	struct kv_engine *(*open)(struct kv_conform_target *target);
	/* Opens, runs kv_conform_body on the engine, and crashes: nothing is closed. */
	void (*crash)(struct kv_conform_target *target, const char *body);
	/* Makes the device of the open engine fail. */
	void (*break_device)(struct kv_conform_target *target);
};

/* cmocka's answer: the number of failed tests. */
int kv_conform_run(const char *name, struct kv_conform_target *target);

/* The work, by name, that `crash` interrupts. Called in the process that will die. */
void kv_conform_body(const char *body, struct kv_engine *engine);

#endif
